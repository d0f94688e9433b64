"""Means, norms and largest elements of windows, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

nan, inf = np.nan, np.inf


def normal(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape)


POOLINGS = """avg_pool1d(x, 2): 2 3 7; avg_pool1d(x, 3, 2, 1, True): 3 7; avg_pool2d(x, 2): 2 3 6 4; avg_pool2d(x, 3, 1, 1): 3 5 6
    avg_pool2d(x, (3, 2), (2, 3), 1, True, False): 2 1 8 6; avg_pool2d(x, (3, 2), 2, (0, 1), True, True, 5): 1 8 6
    avg_pool2d(x, 3, 5): 3 9 9; avg_pool2d(x, 2): 0 3 4 4; avg_pool3d(x, 2, 1, 1): 1 2 4 5 3; avg_pool3d(x, (2, 3, 1)): 3 4 5 3
    avg_pool3d(x, 2, 2, 1, True, False): 1 1 3 4 3; lp_pool1d(x, 3, 2): 2 3 8; lp_pool2d(x, 2., 2, ceil_mode=True): 1 3 5 4
    lp_pool3d(x, 2., (1, 2, 2), 2): 2 3 4 4 4; avg_pool2d(x.mT, 2): 1 6 4
    max_pool1d(x, 2): 2 3 7; max_pool1d(x, 3, 2, 1, 1, True, True): 3 7; max_pool2d(x, 2, return_indices=True): 2 3 8 6
    max_pool2d(x, 3, 1, 1): 2 1 8 6; max_pool2d(x, (3, 2), (2, 3), 1, 2, True, return_indices=True): 2 1 8 6
    max_pool2d(x, 3, 5): 3 9 9; max_pool2d(x, 1): 3 3 3; max_pool2d(x.mT, 2): 3 6 4; max_pool2d(x, 2): 0 3 4 4
    max_pool3d(x, 2, 1, 1, return_indices=True): 1 2 4 5 3; max_pool3d(x, 2, 1, 1, 1, True, True): 1 2 4 5 3
    max_pool3d(x, (2, 3, 1)): 3 4 5 3; max_pool2d(x, (1, 300), return_indices=True): 1 1 600
    adaptive_avg_pool1d(x, 3): 2 3 7; adaptive_avg_pool1d(x, 9): 3 7; adaptive_avg_pool2d(x, (2, 3)): 2 3 8 6
    adaptive_avg_pool2d(x, (3, 5)): 2 3 8 6; adaptive_avg_pool2d(x, 1): 2 3 8 6; adaptive_avg_pool2d(x, (None, 16)): 2 3 3 8
    adaptive_avg_pool3d(x, (3, 1, 2)): 1 2 8 3 3; adaptive_avg_pool3d(x, 1): 2 4 3 3; adaptive_avg_pool2d(x, 2): 0 3 8 8
    adaptive_max_pool1d(x, 3, return_indices=True): 2 3 7; adaptive_max_pool1d(x, 9, return_indices=True): 3 7
    adaptive_max_pool2d(x, (2, 3), return_indices=True): 2 3 8 6; adaptive_max_pool2d(x, (3, 5), True): 2 3 8 6
    adaptive_max_pool2d(x, (None, 16), True): 2 3 3 8; adaptive_max_pool3d(x, (3, 1, 2), True): 1 2 8 3 3
    adaptive_max_pool2d(x, 2): 0 3 8 8"""


@pytest.mark.parametrize("case", [c.strip() for line in POOLINGS.splitlines() for c in line.split(";")])
def test_pooling(case, torch):
    expression, _, shape = case.rpartition(":")
    agree(torch, f"F.{expression}", normal(*map(int, shape.split())))


SPECIAL = {
    "ties": np.zeros((1, 6, 4)),
    "steps": np.round(normal(2, 6, 4)),
    "nan": np.array([[[nan, 1, nan, nan], [1, 1, 1, nan], [-inf, -inf, -inf, inf]] + [[-inf] * 4] * 3]),
    "integers": np.arange(24).reshape(1, 6, 4)[:, ::-1] % 7,
    "bytes": (np.arange(24).reshape(1, 6, 4) * 37 % 256).astype(np.uint8),
    "single": normal(1, 6, 4).astype(np.float32),
}


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize(
    "pool",
    [
        "max_pool2d(x, 2, return_indices=True)",
        "max_pool2d(x, 3, 1, 1, return_indices=True)",
        "max_pool2d(x, 2, 1, 1, 2, return_indices=True)",
        "max_pool2d(x, 3, 2, 1, 1, True, return_indices=True)",
        "adaptive_max_pool2d(x, (4, 3), True)",
        "adaptive_max_pool2d(x, (3, 2), True)",
    ],
)
def test_which_of_equal_elements_is_taken(pool, name, torch):
    agree(torch, f"F.{pool}", SPECIAL[name])


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("pool", ["avg_pool2d(x, 2, padding=1)", "avg_pool2d(x, 3, 2, 0, True, True, -2)"])
def test_means_of_special_values(pool, name, torch):
    agree(torch, f"F.{pool}", SPECIAL[name])
    if name not in ("integers", "bytes"):
        agree(torch, "F.adaptive_avg_pool2d(x, (4, 3))", SPECIAL[name])


@pytest.mark.parametrize(
    "pool", ["avg_pool2d(x, 3, 2, 1)", "max_pool2d(x, 3, 2, 1)", "adaptive_avg_pool2d(x, 3)", "avg_pool3d(x, 2)"]
)
def test_half_precision(pool, torch, device):
    if device.startswith("strict"):
        pytest.skip("array-api-strict has no float16")
    agree(torch, f"F.{pool}", normal(2, 5, 6, 6).astype(np.float16), order=1)


INDICES = np.array([[[0, 2], [1, 3], [3, 1]], [[0, 0], [1, 3], [3, 2]]])
UNPOOLINGS = [
    "F.max_unpool1d(x, y, 2)",
    "F.max_unpool1d(x[0], y[0], (2,), padding=(0,), output_size=(5,))",
    "F.max_unpool2d(x, y, (2, 1), output_size=(2, 3, 7, 2))",
    "F.max_unpool2d(x.unsqueeze(1), y.unsqueeze(1), 2)",
    "F.max_unpool3d(x.unsqueeze(1), y.unsqueeze(1), (2, 1, 2))",
    "F.max_unpool1d(x, y, 2, output_size=(7,))",
    "F.max_unpool1d(x, y, 2, output_size=(1, 2, 3, 4))",
    "F.max_unpool1d(x, y.int(), 2)",
    "F.max_unpool1d(x, y[:, :2], 2)",
    "F.max_unpool1d(x, y + 1, 2)",
    "F.max_unpool1d(x, y - 1, 2)",
    "F.max_unpool2d(x[0], y[0], 2)",
    "F.max_unpool3d(x.unsqueeze(1), y.unsqueeze(1), 2, stride=0)",
]


@pytest.mark.parametrize("expression", UNPOOLINGS)
def test_unpooling(expression, torch):
    # Where an index comes twice PyTorch writes the last element, and gives the gradient to both.
    agree(torch, expression, normal(2, 3, 2), INDICES)


def test_unpooling_undoes_pooling(torch):
    agree(torch, "F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)", normal(2, 6, 4))


FRACTIONAL = [
    ("fractional_max_pool2d(x, 2, 3, return_indices=True, _random_samples=y)", (2, 3, 6, 7), (2, 3, 2)),
    ("fractional_max_pool2d(x, (2, 1), output_ratio=(0.5, 0.7), _random_samples=y)", (2, 3, 6, 7), (2, 3, 2)),
    ("fractional_max_pool2d(x, 2, 1, return_indices=True, _random_samples=y)", (3, 6, 7), (1, 3, 2)),
    ("fractional_max_pool3d(x, 2, 3, return_indices=True, _random_samples=y)", (2, 3, 6, 7, 5), (2, 3, 3)),
    ("fractional_max_pool3d(x, (1, 2, 2), (2, 2, 1), return_indices=True, _random_samples=y)", (3, 6, 7, 5), (1, 3, 3)),
    ("fractional_max_pool2d(x, 2, 6, _random_samples=y)", (2, 3, 6, 7), (2, 3, 2)),
    ("fractional_max_pool2d(x, 2, _random_samples=y)", (2, 3, 6, 7), (2, 3, 2)),
    ("fractional_max_pool3d(x, 2, 4, _random_samples=y)", (2, 3, 6, 7, 5), (2, 3, 3)),
    ("fractional_max_pool2d(x, 2, 3, _random_samples=y)", (2, 3, 6, 7), (2, 2, 2)),
    ("fractional_max_pool2d(x, 2, 3, _random_samples=y.float())", (2, 3, 6, 7), (2, 3, 2)),
]


@pytest.mark.parametrize(("expression", "shape", "samples"), FRACTIONAL)
def test_fractional_pooling(expression, shape, samples, torch):
    shifts = np.random.default_rng(0).random(samples)
    x = normal(*shape)
    agree(torch, f"F.{expression}", x, shifts, grad=(True, False))
    x[0, 0, :3] = nan
    agree(torch, f"F.{expression}", x, shifts, grad=(True, False), order=1)


def test_fractional_pooling_is_random():
    x = gc.tensor(normal(1, 4, 20, 20))
    gc.manual_seed(1)
    first = gc.nn.functional.fractional_max_pool2d(x, 2, output_ratio=0.6)
    gc.manual_seed(1)
    assert gc.equal(first, gc.nn.functional.fractional_max_pool2d(x, 2, output_ratio=0.6))
    assert not gc.equal(first, gc.nn.functional.fractional_max_pool2d(x, 2, output_ratio=0.6))
    assert first.shape == (1, 4, 12, 12)


@pytest.mark.parametrize(
    "expression",
    [
        "max_pool2d(x, 7)",
        "max_pool2d(x, 2, padding=2)",
        "max_pool2d(x, 0)",
        "max_pool2d(x, 2, 0)",
        "max_pool2d(x, 2, dilation=0)",
        "max_pool2d(x, (2, 2, 2))",
        "max_pool2d(x, 1.5)",
        "max_pool2d(x[0, 0], 2)",
        "max_pool2d(x[:, :0], 2)",
        "max_pool2d(x > 0, 2)",
        "avg_pool2d(x, 7)",
        "avg_pool2d(x, 2, padding=-1)",
        "avg_pool2d(x, 2, divisor_override=0)",
        "avg_pool2d(x > 0, 2)",
        "avg_pool2d(x.int(), 2)",
        "adaptive_avg_pool2d(x, (2, -1))",
        "adaptive_avg_pool2d(x, (2,))",
        "adaptive_avg_pool2d(x[0, 0], (2, 2))",
        "adaptive_avg_pool2d(x.long(), 2)",
        "adaptive_max_pool2d(x[:, :, :0], 2)",
    ],
)
def test_errors(expression, torch):
    agree(torch, f"F.{expression}", normal(2, 3, 4, 5))


def test_the_gradient_of_max_pooling_as_a_function(torch):
    x = normal(1, 2, 5, 4)
    g = normal(1, 2, 2, 2)
    aten = torch.ops.aten.max_pool2d_with_indices_backward
    found = []
    for t, back in ((gc, gc.max_pool2d_with_indices_backward), (torch, aten)):
        a, b = t.tensor(g, requires_grad=True), t.tensor(x, requires_grad=True)
        _, indices = t.nn.functional.max_pool2d(b, 2, return_indices=True)
        out = back(a, b, [2, 2], [2, 2], [0, 0], [1, 1], False, indices)
        grads = t.autograd.grad((out * t.tensor(x)).sum(), (a, b))
        found.append([y.detach().numpy(force=True) for y in (out, *grads)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    at = gc.nn.functional.max_pool2d(gc.tensor(x), 2, return_indices=True)[1]
    with pytest.raises(RuntimeError, match="Expected grad_output of shape"):
        gc.max_pool2d_with_indices_backward(gc.tensor(g[..., :1]), gc.tensor(x), 2, 2, 0, 1, False, at)
