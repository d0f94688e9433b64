"""Running extrema and logarithms of sums, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.ops._scans import running_logaddexp, running_max, running_min

nan, inf = np.nan, np.inf
INPUTS = {
    "matrix": [[0.3, -1.2, 2.5], [0.7, 3.1, -0.4]],
    "number": 2.0,
    "single": np.array([[0.3, -1.2], [0.7, 3.1]], np.float32),
    "ties": [2.0, 1.0, 2.0, 3.0, 3.0, 1.0],
    "no rows": np.zeros((0, 3)),
    "rows of nothing": np.zeros((2, 0)),
}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("expression", ["t.cummax(x, 0)", "x.cummin(-1)", "t.logcumsumexp(x, -1)", "x.logcumsumexp(0)"])
def test_agrees(expression, name, torch):
    agree(torch, expression, INPUTS[name])


@pytest.mark.parametrize("x", [[1.0, nan, 3.0, nan, 2.0], [inf, 1.0, inf], [True, False, True], np.array([3, 1, 3])])
@pytest.mark.parametrize("expression", ["t.cummax(x, 0)", "t.cummin(x, 0)"])
def test_extrema_of_what_is_special(expression, x, torch):
    agree(torch, expression, x)


@pytest.mark.parametrize(
    "x",
    [
        [-inf, -inf, 1.0, 2.0],
        [1.0, inf, 2.0],
        [nan, 1.0],
        [1.0, 900.0, -900.0, 899.0],  # their exponentials do not fit into one number
        np.array([1 + 2j, -3 + 9j, 0.5 - 7j, 0.5 + 1j]),
    ],
)
def test_logcumsumexp_far_from_zero(x, torch):
    agree(torch, "t.logcumsumexp(x, 0)", x, order=1)


def test_the_gradient_of_logcumsumexp_is_linear_in_that_of_its_result(torch):
    # PyTorch takes the logarithm of it, and gives NaN for its derivative where it is 0.
    x = gc.tensor([0.5, 1.0, 2.0], dtype=gc.float64, requires_grad=True)
    v = gc.tensor([1.0, 0.0, -2.0], dtype=gc.float64, requires_grad=True)
    (g,) = gc.autograd.grad(gc.logcumsumexp(x, 0), x, v, create_graph=True)
    shares = gc.autograd.grad(g.sum(), v)[0]
    assert shares.tolist() == pytest.approx([1.0, 1.0, 1.0])  # each result is a mean of weights that sum to one


@pytest.mark.parametrize(
    ("expression", "x"),
    [
        ("t.cummax(x, 2)", [1.0]),
        ("t.cummin(x, 0)", [1j]),
        ("t.logcumsumexp(x, 0)", [1, 2]),
        ("t.logcumsumexp(x, 1)", [1.0, 2.0]),
    ],
)
def test_errors(expression, x, torch):
    agree(torch, expression, np.asarray(x))


@pytest.mark.parametrize("size", [1, 2, 7])
def test_scans_of_a_backend_are_those_of_the_standard(size):
    x = gc.tensor(np.cos(np.arange(3.0 * size) * 5).reshape(3, size))
    xp = x._device.xp
    rows = [
        [np.maximum.accumulate(r) for r in x.numpy(force=True)],
        [np.minimum.accumulate(r) for r in x.numpy(force=True)],
        [np.log(np.cumsum(np.exp(r))) for r in x.numpy(force=True)],
    ]
    for function, want in zip((running_max, running_min, running_logaddexp), rows, strict=True):
        np.testing.assert_allclose(x._like(function(xp, x._data, 1)).numpy(force=True), want)


def test_names_and_types():
    values, indices = found = gc.tensor([1.0, 3.0, 2.0]).cummax(0)
    assert type(found).__name__ == "cummax"
    assert values.tolist() == [1.0, 3.0, 3.0]
    assert indices.tolist() == [0, 1, 1]
