"""Softmax and its logarithm beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.nn import functional as F  # noqa: N812 - torch's name for it

inf, nan = np.inf, np.nan
INPUTS = {
    "matrix": [[0.3, -1.2, 2.5], [0.7, 3.1, -0.4]],
    "cube": (np.sin(np.arange(12.0)) * 2).reshape(2, 3, 2),
    "many rows": np.sin(np.arange(64.0 * 5) * 3).reshape(64, 5) * 4,  # reduced by columns
    "many rows with infinities": np.where(np.arange(70 * 3).reshape(70, 3) % 7 == 0, -inf, 1.0),
    "vector": [1.5, 2.0],
    "number": 2.0,
    "single": np.array([[0.3, -1.2], [0.7, 3.1]], np.float32),
    "large": [[1000.0, 1001.0], [-1000.0, 0.0]],
    "masked": [0.0, -inf, 1.0],
    "empty": np.zeros((0, 3)),
    "rows of nothing": np.zeros((2, 0)),
    "integers": np.array([[0, 1], [2, 3]]),
    "complex": [1 + 2j, 3 - 1j],
}
EXPRESSIONS = [
    "t.softmax(x, 0)",
    "x.softmax(-1)",
    "x.softmax(dim=0, dtype=t.float64)",
    "t.log_softmax(x, 0)",
    "x.log_softmax(dim=-1)",
    "x.log_softmax(0, t.float64)",
    "F.softmin(x, 0)",
    "F.softmax(x, dim=-1)",
    "F.log_softmax(x, -1)",
    "x.softmax(axis=0)",
    "t._safe_softmax(x, -1)",
]


# Of an imaginary part that is lost PyTorch warns only once per process.
CASES = [(e, n) for e in EXPRESSIONS for n in INPUTS if not ("float64" in e and n == "complex")]


@pytest.mark.parametrize(("expression", "name"), CASES)
def test_agrees(expression, name, torch):
    # log_softmax of a masked element is -inf: its second derivative is the product of 0 and infinity.
    agree(torch, expression, INPUTS[name], order=1 if name in ("masked", "many rows with infinities") else 2)


@pytest.mark.parametrize("expression", ["t.softmax(x, 0)", "t.log_softmax(x, 0)"])
@pytest.mark.parametrize("x", [[-inf, -inf], [inf, 1.0], [nan, 1.0]])
def test_agrees_where_there_is_no_value(expression, x, torch):
    agree(torch, expression, x, order=1)


@pytest.mark.parametrize(
    "expression",
    ["x.softmax(2)", "x.log_softmax(-3)", "x.softmax()", "t.softmax(1.0, 0)", "x.softmax(0, dtype=t.int64)"],
)
def test_errors(expression, torch):
    agree(torch, expression, np.ones((2, 3)))


@pytest.mark.parametrize("ndim", [1, 2, 3, 4])
@pytest.mark.parametrize("function", ["softmax", "log_softmax", "softmin"])
def test_the_dim_that_is_meant_without_one(function, ndim, torch):
    agree(
        torch, f"F.{function}(x)", np.arange(2.0**ndim).reshape((2,) * ndim), order=1, warns="Implicit dimension choice"
    )


def test_saves_its_result_only():
    x = gc.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    out = y.softmax(0)
    y.zero_()
    out[0].backward()
    assert x.grad.tolist() == pytest.approx([0.19661193, -0.19661193])
    out = x.softmax(0)
    out.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


@pytest.mark.parametrize(
    "expression",
    [
        "t._softmax_backward_data(x, y, 1, t.float64)",
        "t._log_softmax_backward_data(x, y, 0, t.float64)",
        "t._softmax_backward_data(x, y[:1], 1, t.float64)",
    ],
)
def test_gradients_as_operations(expression, torch):
    agree(torch, expression, INPUTS["matrix"], np.array(INPUTS["matrix"])[::-1] / 2)


def test_nothing_to_look_at_gives_zeros(torch):
    agree(torch, "t._safe_softmax(x, 1)", [[-inf, -inf], [0.5, -inf]], order=1)


def test_gumbel_softmax_samples_categories():
    gc.manual_seed(0)
    logits = gc.tensor([[1.0, 2.0, -1.0]], requires_grad=True)
    hard = F.gumbel_softmax(logits.expand(3000, 3), hard=True)
    assert hard.grad_fn.name() == "AddBackward0"
    np.testing.assert_allclose(hard.mean(0).tolist(), logits.softmax(1)[0].tolist(), atol=0.04)
    hard[:, 0].sum().backward()
    assert logits.grad[0, 0].item() > 0
    soft = F.gumbel_softmax(logits, tau=0.5)
    assert soft.grad_fn.name() == "SoftmaxBackward0"
    assert soft.sum().item() == pytest.approx(1)
