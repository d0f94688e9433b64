"""Counts, histograms, distinct slices and runs, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.func import vmap

nan, inf = np.nan, np.inf
X = np.array([1.0, 2.0, 2.0, 3.0, 0.25])
W = np.array([1.0, 2.0, 3.0, 4.0, 0.5])


@pytest.mark.parametrize(
    ("expression", "arrays"),
    [
        ("t.bincount(x)", [[1, 2, 2, 5]]),
        ("x.bincount(minlength=9)", [[1, 2, 2, 5]]),
        ("t.bincount(x, minlength=3)", [np.zeros(0, int)]),
        ("t.bincount(x, y)", [[1, 2, 2], np.array([0.5, 1.0, 2.0], np.float32)]),
        ("t.bincount(x, y)", [[1, 2, 2], [1, 2, 3]]),
        ("t.bincount(x, y)", [np.array([1, 2], np.uint8), [0.5, 1.0]]),
    ],
)
def test_bincount(expression, arrays, torch):
    agree(torch, expression, *arrays, order=0)


def test_weights_of_bincount_have_no_gradient():
    weights = gc.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"bincount is not implemented: use .*index_add"):
        gc.bincount(gc.tensor([0, 1]), weights).sum().backward()


@pytest.mark.parametrize(
    "expression",
    [
        "t.histc(x, 4)",
        "x.histc(4, 0, 4)",
        "t.histc(x, bins=3, min=1, max=2)",
        "t.histc(x, 4, 2, 2)",
        "t.histogram(x, 4)",
        "x.histogram(4, range=(0.0, 4.0))",
        "t.histogram(x, y)",
        "t.histogram(x, 2, range=(1.0, 1.0))",
        "t.histogram(x, y, weight=z)",
        "t.histogram(x, y, density=True)",
        "t.histogram(x, 3, weight=z, density=True)",
    ],
)
def test_histograms(expression, torch):
    agree(torch, expression, X, [0.0, 2.0, 2.5, 3.0], W, grad=[False] * 3)


@pytest.mark.parametrize("x", [np.zeros(0), [2.0, 2.0], [1.0, nan, 2.0], [1.0, inf]])
def test_histograms_of_what_is_special(x, torch):
    for expression in (
        "t.histc(x, 4)",
        "t.histc(x, 4, 0, 2)",
        "t.histogram(x, 2)",
        "t.histogram(x, 2, range=(0.0, 2.0))",
    ):
        agree(torch, expression, x, grad=[False])


@pytest.mark.parametrize(
    "options", ["[3, 3], weight=y", "3", "[2, 2], range=[0.0, 1.0, 0.0, 1.0], density=True", "[y[:2], y]"]
)
def test_histograms_of_points(options, torch):
    points = [[0.0, 1.0], [1.0, 0.0], [2.0, 0.5], [2.0, 2.0]]
    # One of the results is a tuple of its own.
    for part in ("[0]", "[1][0]", "[1][1]"):
        agree(torch, f"t.histogramdd(x, {options}){part}", points, [0.0, 1.0, 1.5, 2.0], grad=[False] * 2)


SLICES = np.array([[3, 1, 3], [2, 1, 1], [3, 1, 3], [3, 0, 9]])


@pytest.mark.parametrize("x", [SLICES, SLICES / 2, SLICES > 1, np.zeros((0, 3))])
@pytest.mark.parametrize("function", ["unique", "unique_consecutive"])
def test_distinct_slices(function, x, torch):
    for dim in (0, 1):
        agree(torch, f"t.{function}(x, dim={dim}, return_inverse=True, return_counts=True)", x, order=0)


@pytest.mark.parametrize("x", [[1, 1, 2, 2, 1], [[1.0, 1.0], [1.0, 2.0]], 1.0, np.zeros(0), [True, True], [nan, nan]])
def test_runs(x, torch):
    for options in ("", "return_inverse=True", "return_counts=True", "True, True"):
        agree(torch, f"t.unique_consecutive(x, {options})", x, order=0)


@pytest.mark.parametrize(
    ("expression", "x"),
    [
        ("t.bincount(x)", [-1]),
        ("t.bincount(x)", [[1]]),
        ("t.bincount(x)", [1.0]),
        ("t.bincount(x)", [True]),
        ("t.bincount(x, t.ones(2))", [1]),
        ("t.bincount(x, minlength=-1)", [1]),
        ("t.histc(x, 0)", X),
        ("t.histc(x, 4.0)", X),
        ("t.histc(x, 4, 3, 1)", X),
        ("t.histc(x, 4, 0, inf)", X),
        ("t.histc(x, 4)", [1, 2]),
        ("t.histc(x, 4)", [1j]),
        ("t.histogram(x, 0)", X),
        ("t.histogram(x, 2)", [1, 2]),
        ("t.histogram(x, 2, range=(2.0, 1.0))", X),
        ("t.histogram(x, 2, weight=x[:2])", X),
        ("t.histogram(x, 2, weight=x.float())", X),
        ("t.histogram(x, x[None])", X),
        ("t.histogram(x, x[:0])", X),
        ("t.histogram(x, x[:1])", X),
        ("t.histogram(x, x.float())", X),
        ("t.histogram(x, x, range=(0.0, 1.0))", X),
        ("t.histogramdd(x, [2])", X),
        ("t.histogramdd(x[None], [2])", X),
        ("t.histogramdd(x[None], [2] * 5, range=[0.0, 1.0])", X),
        ("t.unique(x, dim=0)", 3.0),
        ("t.unique(x, dim=0)", [1j]),
        ("t.unique(x, dim=0)", np.zeros((2, 0))),
        ("t.unique(x, dim=0)", np.zeros((0, 0))),
        ("t.unique_consecutive(x)", [1j]),
        ("t.unique_consecutive(x, dim=3)", X),
    ],
)
def test_errors(expression, x, torch):
    x = np.asarray(x)
    agree(torch, expression, x, grad=[False])


def test_histograms_of_a_batch():
    x = gc.tensor(np.stack([X, X * 2]))
    assert vmap(lambda row: gc.histc(row, 4))(x).tolist() == [gc.histc(row, 4).tolist() for row in x]
    edges = gc.tensor([0.0, 1.0, 3.0], dtype=gc.float64)
    found = vmap(lambda row: gc.histogram(row, edges).hist)(x)
    assert found.tolist() == [gc.histogram(row, edges).hist.tolist() for row in x]
