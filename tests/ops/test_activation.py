"""Activation functions beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.ops import smooth_activation

inf, nan = np.inf, np.nan
ANY = np.array([[0.3, -1.2, 1.7, 4.5], [0.8, 3.1, -0.4, -3.5]])
POINTS = np.array(
    [-inf, -800.0, -200.0, -30.0, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0, 7.0, 25.0, 200.0, 800.0, inf, nan]
)
EXPRESSIONS = [
    "F.relu(x)", "t.relu(x)", "x.relu()", "F.relu6(x)", "F.leaky_relu(x)", "F.leaky_relu(x, 0.2)",
    "F.leaky_relu(x, 1.5)", "F.leaky_relu(x, -0.5)", "F.elu(x)", "F.elu(x, 0.3)", "F.selu(x)", "t.selu(x)",
    "F.celu(x)", "t.celu(x, 2.0)", "F.gelu(x)", "F.gelu(x, approximate='tanh')", "F.silu(x)", "F.mish(x)",
    "F.softplus(x)", "F.softplus(x, 2, 1)", "F.softplus(x, 0.5)", "F.softsign(x)", "F.tanhshrink(x)",
    "F.hardshrink(x)", "t.hardshrink(x, 0.2)", "F.softshrink(x)", "F.softshrink(x, 0.2)", "F.threshold(x, 0.1, 20)",
    "t.threshold(x, 0.5, -1.5)", "F.hardtanh(x)", "F.hardtanh(x, -0.5, 0.7)", "F.hardswish(x)", "F.logsigmoid(x)",
    "F.sigmoid(x)", "t.sigmoid(x)", "F.tanh(x)",
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("x", [ANY, 0.7, np.ones((0, 2)), ANY.astype(np.float32)], ids=repr)
def test_agrees(expression, x, torch):
    agree(torch, expression, x)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_special_points(expression, torch):
    agree(torch, expression, POINTS, order=1)


def test_hardsigmoid(torch):
    # PyTorch multiplies by a sixth in single precision, and has no second derivative of it.
    agree(torch, "F.hardsigmoid(x)", np.append(ANY, POINTS).astype(np.float32), order=1)


def test_celu_scales_in_full_precision(torch):
    # PyTorch has 1 / alpha in single precision.
    x = gc.tensor([-1.0], dtype=gc.float64, requires_grad=True)
    smooth_activation.celu(x, 0.4).backward()
    np.testing.assert_allclose(x.grad.numpy(force=True), np.exp(-1 / 0.4), rtol=1e-15)
    agree(torch, "F.celu(x, 0.4)", ANY.astype(np.float32))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_integers_and_truth_values(expression, torch):
    for x in (np.array([1, -2, 0]), np.array([1, 200], np.uint8), np.array([True, False])):
        if x.dtype == bool and ("softsign" in expression or "tanhshrink" in expression):
            continue
        agree(torch, expression, x, order=0)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_float16(expression, torch, device):
    if device.startswith("strict"):
        pytest.skip("array-api-strict has no float16")
    agree(torch, expression, ANY.astype(np.float16), order=0)


@pytest.mark.parametrize("weight", [0.3, [0.3], [0.3, -0.2, 0.5, 1.5]])
def test_prelu(weight, torch):
    agree(torch, "F.prelu(x, y)", ANY, weight)
    agree(torch, "t.prelu(x, y)", np.stack([ANY.T, -ANY.T, ANY.T * 2]), [0.1, 0.2, 0.3, 0.4])
    agree(torch, "F.prelu(x, y)", [0.0, -1.0, 1.0, nan], 0.3, order=1)


@pytest.mark.parametrize("expression", ["F.glu(x)", "F.glu(x, 0)", "F.glu(x, dim=-2)", "F.glu(x, dim=1)"])
def test_glu(expression, torch):
    agree(torch, expression, ANY)
    agree(torch, expression, np.ones((0, 4)))


@pytest.mark.parametrize(
    "expression",
    [
        "F.prelu(x, t.ones(3, dtype=t.float64))", "F.prelu(x, t.ones(2, 2))", "F.prelu(x, t.ones(1))",
        "F.glu(x[:, :3])", "F.glu(x[0, 0])", "F.glu(x, 2)", "F.gelu(x, approximate='x')", "F.softshrink(x, -1.0)",
        "F.celu(x, 0.0)", "t.relu(x * 1j)", "F.hardtanh(x, 1, -1)", "F.elu(x * 1j)", "t.relu(1.0)",
        "F.gelu(t.tensor([1]))",
    ],
)  # fmt: skip
def test_errors(expression, torch):
    agree(torch, expression, ANY)


@pytest.mark.parametrize(
    "expression",
    ["(x * 1).relu_()", "(x * 1).sigmoid_()", "F.relu(x * 1, inplace=True)", "F.silu(x * 1, inplace=True)",
     "F.hardtanh(x * 1, inplace=True)", "F.relu6(x * 1, inplace=True)", "F.mish(x * 1, inplace=True)",
     "F.hardswish(x * 1, inplace=True)", "x.relu_()"],
)  # fmt: skip
def test_in_place(expression, torch):
    agree(torch, expression, ANY)


@pytest.mark.parametrize(
    "function", ["relu", "gelu", "silu", "softplus", "elu", "selu", "celu", "mish", "logsigmoid", "sigmoid"]
)
def test_derivatives_of_second_order_stay_finite_far_out(function):
    x = gc.tensor([-1000.0, -100.0, 100.0, 1000.0], dtype=gc.float32, requires_grad=True)
    (first,) = gc.autograd.grad(getattr(gc.nn.functional, function)(x).sum(), x, create_graph=True)
    if first.requires_grad:
        (second,) = gc.autograd.grad(first.sum(), x, allow_unused=True, materialize_grads=True)
        np.testing.assert_allclose(second.numpy(force=True), 0.0, atol=1e-6)
    assert np.isfinite(first.numpy(force=True)).all()


def test_a_mask_stops_an_infinite_gradient(t):
    x = t.tensor([-1.0, 4.0], requires_grad=True)
    x.relu().sqrt().sum().backward()
    assert x.grad.tolist() == [0.0, 0.25]


def test_relu_saves_its_result(t):
    x = t.ones(2, requires_grad=True) * 2
    y = x.relu()
    with t.no_grad():
        x.zero_()
    y.sum().backward()
    y = x.relu().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("name", ["elu", "selu", "celu"])
def test_second_order_of_exponential_units_at_zero(name, torch):
    points = np.array([-1.0, -0.0, 0.0, 1.0])
    agree(torch, f"F.{name}(x)", points)
    agree(torch, f"F.{name}_(x * 1)", points)
