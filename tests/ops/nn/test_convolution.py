"""Convolutions and windows as columns, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.ops.nn import _correlating


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype(dtype)


CONVOLUTIONS = [
    ("t.conv1d(x, y, z, stride=2, groups=2, padding=1)", (2, 4, 9), (4, 2, 3), (4,)),
    ("t.conv1d(x, y, z, dilation=3)", (4, 9), (2, 4, 3), (2,)),
    ("F.conv2d(x, y, z)", (2, 4, 6, 5), (3, 4, 3, 2), (3,)),
    # So many columns that the windows overlap in memory; with steps, groups, and parts that no window reaches.
    ("F.conv2d(x, y, z, padding=1)", (40, 2, 6, 5), (2, 2, 3, 3), (2,)),
    ("F.conv2d(x, y, z, stride=(2, 3), padding=(1, 2), groups=2)", (60, 4, 7, 8), (2, 2, 2, 2), (2,)),
    ("F.conv2d(x, y, z, stride=3)", (60, 1, 8, 8), (1, 1, 2, 2), (1,)),
    ("F.conv2d(x, y, z, padding=(3, 4), dilation=(2, 1))", (30, 2, 5, 6), (2, 2, 2, 3), (2,)),
    ("F.conv2d(x, y, z)", (3, 4, 5, 5), (6, 4, 1, 1), (6,)),
    ("F.conv2d(x, y, z, stride=2, groups=2)", (3, 4, 5, 5), (6, 2, 1, 1), (6,)),
    ("F.conv2d(x, y, z, padding='same')", (2, 2, 5, 5), (2, 2, 2, 3), (2,)),
    ("F.conv2d(x, y, z, padding='same', dilation=2)", (2, 5, 5), (2, 2, 2, 2), (2,)),
    ("F.conv2d(x, y, z, padding='valid')", (2, 5, 5), (2, 2, 2, 2), (2,)),
    ("F.conv2d(x, y, z, groups=4)", (2, 4, 5, 5), (8, 1, 2, 2), (8,)),
    ("F.conv2d(x, y, z)", (0, 2, 5, 5), (3, 2, 2, 2), (3,)),
    ("F.conv2d(x, y, z)", (2, 2, 5, 5), (3, 2, 5, 5), (3,)),
    ("F.conv3d(x, y, z, stride=(1, 2, 1), padding=1)", (2, 2, 4, 4, 3), (2, 2, 3, 3, 3), (2,)),
    ("F.conv3d(x, y, z)", (40, 1, 4, 3, 3), (2, 1, 2, 2, 2), (2,)),
    ("F.conv_transpose1d(x, y, z, stride=2, output_padding=1, groups=2)", (2, 4, 5), (4, 2, 3), (4,)),
    ("F.conv_transpose2d(x, y, z, stride=2, padding=1, output_padding=(1, 0))", (2, 3, 4, 5), (3, 2, 3, 3), (2,)),
    ("F.conv_transpose2d(x, y, z, dilation=3, output_padding=2)", (2, 3, 4, 5), (3, 2, 2, 2), (2,)),
    ("F.conv_transpose2d(x, y, z)", (3, 4, 5), (3, 2, 1, 1), (2,)),
    ("F.conv_transpose3d(x, y, z, stride=(1, 2, 1))", (2, 2, 3, 2, 3), (2, 2, 3, 2, 3), (2,)),
    ("t.convolution(x, y, z, (2, 1), (1, 0), (1, 2), False, (0, 0), 1)", (2, 2, 5, 5), (2, 2, 2, 2), (2,)),
    ("t.convolution(x, y, z, [2], [1], [1], True, [1], 1)", (2, 2, 5), (2, 2, 2), (2,)),
    ("t.conv_tbc(x, y, z, 1)", (5, 2, 3), (3, 3, 2), (2,)),
]


@pytest.mark.parametrize(("expression", "x", "y", "z"), CONVOLUTIONS)
def test_convolutions(expression, x, y, z, torch):
    agree(torch, expression, normal(*x), normal(*y), normal(*z))


@pytest.mark.parametrize(
    "expression",
    ["F.conv2d(x, y, z, padding=1)", "F.conv2d(x, y)", "F.conv2d(x[0], y, z)", "F.conv_transpose2d(x, y, stride=2)"],
)
def test_complex_convolutions_are_real_ones(expression, torch):
    x, y, z = (normal(*s) + 1j * normal(*s, seed=1) for s in ((2, 2, 4, 4), (2, 2, 3, 2), (2,)))
    agree(torch, expression, x, y, z, grad=(True, True, "z" in expression))


def test_of_integers(torch):
    x, y = np.arange(50).reshape(1, 2, 5, 5), np.arange(-8, 8).reshape(2, 2, 2, 2)
    agree(torch, "F.conv2d(x, y)", x, y)
    agree(torch, "F.conv2d(x, y)", x.astype(np.int32), y.astype(np.int32))
    agree(torch, "F.conv2d(x, y)", x > 3, y > 3)
    agree(torch, "F.conv_transpose2d(x, y)", x, y)
    agree(torch, "F.conv_transpose2d(x, y)", x.astype(np.int32), y.astype(np.int32))
    agree(torch, "F.unfold(x, 2)", x)


def test_single_precision(torch):
    agree(
        torch,
        "F.conv2d(x, y, z, padding=1)",
        *(normal(*s, dtype=np.float32) for s in ((9, 2, 6, 5), (2, 2, 3, 3), (2,))),
    )


def test_half_precision_is_added_up_in_single(torch, device):
    if device.startswith("strict"):
        pytest.skip("array-api-strict has no float16")
    operands = (normal(*s, dtype=np.float16) for s in ((2, 40, 4, 4), (2, 40, 3, 3), (2,)))
    agree(torch, "F.conv2d(x, y, z)", *operands, order=1)


@pytest.mark.parametrize("name", ["x.transpose(2, 3)", "x.flip(3)", "x[:, :, ::2]", "x.expand(3, 2, 6, 6)"])
def test_operands_in_any_layout(name, torch):
    x = normal(*((1, 2, 6, 6) if "expand" in name else (3, 2, 6, 6)))
    agree(torch, f"F.conv2d({name}, y.transpose(2, 3))", x, normal(2, 2, 2, 3))


def test_results_are_contiguous(t):
    x, y = t.ones(3, 2, 6, 6, requires_grad=True), t.ones(4, 2, 3, 3, requires_grad=True)
    out = t.nn.functional.conv2d(x, y)
    assert out.is_contiguous()
    for g in t.autograd.grad(out.sum(), (x, y)):
        assert g.is_contiguous()


def test_saves_no_more_than_is_needed():
    x, y = gc.ones(1, 2, 4, 4), gc.ones(2, 2, 2, 2, requires_grad=True)
    node = gc.conv2d(x, y).grad_fn
    assert node._saved_input is x
    # Only the gradient of the input needs the weight.
    assert [x.shape for x in node._saved if hasattr(x, "shape")] == [(1, 2, 4, 4)]


def test_large_gradients_of_the_input_are_the_same(monkeypatch):
    x, y = gc.tensor(normal(3, 2, 6, 5), requires_grad=True), gc.tensor(normal(4, 1, 3, 2))

    def gradient():
        out = gc.nn.functional.conv2d(x, y, padding=(3, 1), dilation=(2, 1), groups=2)
        return gc.autograd.grad((out * out).sum(), x)[0].numpy(force=True)

    added_up = gradient()
    monkeypatch.setattr(_correlating, "MANY", 0)
    np.testing.assert_allclose(gradient(), added_up, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("expression", "x", "y"),
    [
        ("F.conv2d(x, y)", (2, 3, 4, 4), (2, 2, 3, 3)),
        ("F.conv2d(x, y)", (2, 2, 4, 4), (2, 2, 5, 3)),
        ("F.conv2d(x, y)", (2, 2, 4), (2, 2, 3, 3, 1)),
        ("F.conv2d(x, y)", (2, 2), (2, 2, 3, 3)),
        ("F.conv2d(x, y, t.ones(3, dtype=t.float64))", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv2d(x, y, t.ones(2))", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv2d(x, y, stride=0)", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv2d(x, y, padding=-1)", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv2d(x, y, dilation=0)", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv2d(x, y, groups=0)", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv2d(x, y, groups=2)", (2, 2, 4, 4), (3, 1, 3, 3)),
        ("F.conv2d(x, y, stride=(1, 1, 1))", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv2d(x, y, stride=1.5)", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv2d(x, y, padding='full')", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv2d(x, y, padding='same', stride=2)", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv_transpose2d(x, y, output_padding=1)", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv_transpose2d(x, y, padding=4)", (2, 2, 4, 4), (2, 2, 3, 3)),
        ("F.conv_transpose2d(x, y)", (2, 3, 4, 4), (2, 2, 3, 3)),
        ("t.conv_tbc(x, y, t.ones(3, dtype=t.float64))", (5, 2, 3), (3, 3, 2)),
    ],
)
def test_errors(expression, x, y, torch):
    agree(torch, expression, normal(*x), normal(*y))


UNFOLDINGS = [
    ("F.unfold(x, 2)", (2, 3, 4, 5)),
    ("F.unfold(x, (2, 1), (1, 2), (2, 1), (1, 3))", (3, 4, 5)),
    ("F.unfold(x.transpose(1, 2), 2)", (3, 4, 5)),
    ("F.unfold(x, 2)", (0, 3, 4, 5)),
    ("F.unfold(x, 7)", (2, 3, 4, 5)),
    ("F.unfold(x, 2)", (2, 0, 4, 5)),
    ("F.unfold(x, 0)", (2, 3, 4, 5)),
    ("F.unfold(x, 2, padding=-1)", (2, 3, 4, 5)),
    ("F.fold(x, (4, 5), 2)", (2, 8, 12)),
    ("F.fold(x, (4, 5), 2, padding=(1, 0), stride=(2, 1))", (8, 12)),
    ("F.fold(x, (4, 5), 2, dilation=2)", (8, 6)),
    ("F.fold(x, (4, 5), 2)", (0, 8, 12)),
    ("F.fold(x, (4, 5), 2)", (2, 8, 11)),
    ("F.fold(x, (4, 5), 2)", (2, 7, 12)),
    ("F.fold(x, (0, 5), 2)", (2, 8, 12)),
    ("F.fold(x, (4, 5), 2)", (2, 8, 12, 1)),
]


@pytest.mark.parametrize(("expression", "shape"), UNFOLDINGS)
def test_windows_as_columns(expression, shape, torch):
    agree(torch, expression, normal(*shape))
    agree(torch, expression, normal(*shape) + 1j * normal(*shape, seed=1))


def test_truth_values_as_columns(torch):
    agree(torch, "F.unfold(x, 2, padding=1)", normal(1, 3, 3) > 0)
    agree(torch, "F.fold(x, (3, 3), 2)", normal(4, 4) > 0)


@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_for_each_example(groups):
    make = np.random.default_rng(0).standard_normal
    x, weight, bias = gc.tensor(make((4, 2, 5, 5))), gc.tensor(make((2, 2 // groups, 3, 3))), gc.tensor(make(2))

    def loss(weight, bias, example):
        return (gc.conv2d(example, weight, bias, padding=1, groups=groups) ** 2).sum()

    together = gc.func.vmap(gc.func.grad(loss, (0, 1)), in_dims=(None, None, 0))(weight, bias, x)
    for i in range(4):
        for a, b in zip(together, gc.func.grad(loss, (0, 1))(weight, bias, x[i]), strict=True):
            np.testing.assert_allclose(a[i].numpy(force=True), b.numpy(force=True), atol=1e-12)
