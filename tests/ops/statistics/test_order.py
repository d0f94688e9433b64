"""Modes, medians and quantiles, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.func import vmap

nan, inf = np.nan, np.inf
MATRIX = [[0.3, -1.2, 2.5, 0.9], [0.7, 3.1, -0.4, 0.9]]


@pytest.mark.parametrize(
    "x", [[3.0, 1.0, 3.0, 1.0, 2.0], [[1, 0, 1, 0], [2, 2, 2, 1]], [True, False, True], 2.0, np.zeros((2, 0)), MATRIX]
)
@pytest.mark.parametrize("expression", ["t.mode(x)", "x.mode(0)", "x.mode(-1, keepdim=True)"])
def test_mode(expression, x, torch):
    agree(torch, expression, x)


@pytest.mark.parametrize(
    "x",
    [
        [nan, 3.0, 1.0, nan, 2.0, 0.0],
        [[nan, nan], [1.0, nan]],
        [nan, nan],
        2.0,
        MATRIX,
        np.zeros(0),
        np.array([3, 1, 2]),
    ],
)
@pytest.mark.parametrize("expression", ["t.nanmedian(x)", "x.nanmedian(0)", "x.nanmedian(dim=-1, keepdim=True)"])
def test_nanmedian(expression, x, torch):
    agree(torch, expression, x)


def test_ties_share_the_gradient_of_the_median(torch):
    agree(torch, "t.nanmedian(x)", [nan, 1.0, 1.0, 3.0])
    agree(torch, "t.nanmean(x)", [nan, 1.0, 1.0, 3.0])
    agree(torch, "t.nanmean(x, 1)", [[nan, 1.0], [nan, nan]], order=0)


MODES = ("linear", "lower", "higher", "midpoint", "nearest")


@pytest.mark.parametrize("interpolation", MODES)
@pytest.mark.parametrize("function", ["quantile", "nanquantile"])
def test_quantiles(function, interpolation, torch):
    for call in ("x, 0.3", "x, 0.3, 0", "x, y, -1", "x, y, 0, True", "x, 1.0, 1, keepdim=True", "x, y, None, True"):
        agree(torch, f"t.{function}({call}, interpolation={interpolation!r})", MATRIX, [0.0, 0.35, 0.5, 1.0])


@pytest.mark.parametrize("x", [[nan, 3.0, 1.0, 2.0], [nan, nan], [1.0, inf, -inf], [[nan, 1.0], [2.0, 3.0]]])
@pytest.mark.parametrize("expression", ["t.quantile(x, 0.4, 0)", "t.nanquantile(x, 0.4, 0)", "t.nanquantile(x, 0.4)"])
def test_quantiles_of_what_is_not_finite(expression, x, torch):
    agree(torch, expression, x, order=1)


def test_quantile_has_a_gradient_for_its_weights(torch):
    agree(torch, "t.quantile(x, y, 1)", MATRIX, [0.3, 0.8])
    agree(torch, "x.quantile(y)", 2.0, 0.3)
    agree(torch, "x.nanquantile(0.2, axis=0)", np.array(MATRIX, np.float32))


@pytest.mark.parametrize(
    ("expression", "x"),
    [
        ("t.mode(x, 1)", np.zeros((2, 0))),
        ("t.mode(x)", [1j]),
        ("t.mode(x, 3)", [1.0]),
        ("t.nanmedian(x, 1)", np.zeros((2, 0))),
        ("t.nanmedian(x)", [True]),
        ("t.nanmean(x)", [1, 2]),
        ("t.quantile(x, 1.5)", [1.0]),
        ("t.quantile(x, -0.5, 0)", [1.0]),
        ("t.quantile(x, 0.5)", np.zeros(0)),
        ("t.quantile(x, 0.5)", [1, 2]),
        ("t.quantile(x, 0.5, interpolation='cubic')", [1.0]),
        ("t.quantile(x, t.tensor([[0.5]], dtype=t.float64))", [1.0]),
        ("t.quantile(x, t.tensor([0.5], dtype=t.float32))", [1.0]),
        ("t.quantile(x, t.tensor([1.5], dtype=t.float64))", [1.0]),
        ("t.quantile(x, 0.5, 2)", [1.0]),
    ],
)
def test_errors(expression, x, torch):
    agree(torch, expression, x)


def test_quantiles_of_a_batch():
    x = gc.tensor(MATRIX, dtype=gc.float64)
    found = vmap(lambda row: gc.quantile(row, 0.4))(x)
    assert found.tolist() == pytest.approx(gc.quantile(x, 0.4, 1).tolist())


def test_results_have_names():
    x = gc.tensor([1.0, 2.0, 2.0])
    assert type(x.mode()).__name__ == "mode"
    assert x.mode().values.item() == 2.0
    assert type(x.nanmedian(0)).__name__ == "nanmedian"
