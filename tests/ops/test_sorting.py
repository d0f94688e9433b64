"""Sorting, the largest k, distinct elements, places in a sorted sequence, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

nan = np.nan
INPUTS = {
    "matrix": [[0.3, -1.2, 2.5], [0.7, 3.1, -0.4]],
    "cube": (np.sin(np.arange(12.0)) * 2).reshape(2, 3, 2),
    "number": 2.0,
    "single": np.array([[0.3, -1.2], [0.7, 3.1]], np.float32),
    "nan": [3.0, nan, 1.0],
    "no rows": np.zeros((0, 3)),
    "rows of nothing": np.zeros((2, 0)),
    "integers": np.array([[3, 1, 2], [0, 5, 4]]),
    "bytes": np.array([200, 3, 100], np.uint8),
    "bools": [True, False],
    "complex": [1 + 2j, 3 - 1j],
}
TIES = {
    "ties": [1.0, 3.0, 3.0, 2.0, 3.0],
    "rows of ties": [[1, 0, 1, 0], [2, 2, 2, 1]],
    "bools": [True, False, True, False],
}
EXPRESSIONS = """t.sort(x); x.sort(0, True); t.sort(x, dim=0, stable=True); t.sort(x, stable=True, descending=True)
    x.argsort(); t.argsort(x, 0, True); t.msort(x); x.sort(axis=0); t.topk(x, 1); x.topk(1, 0, False)
    x.topk(k=2, dim=-1); x.topk(0); t.kthvalue(x, 1); x.kthvalue(2, -1, True); x.kthvalue(1, dim=0)"""


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("expression", [e.strip() for line in EXPRESSIONS.splitlines() for e in line.split(";")])
def test_agrees(expression, name, torch):
    agree(torch, expression, INPUTS[name])


@pytest.mark.parametrize("name", TIES)
@pytest.mark.parametrize(
    "expression", ["x.sort(stable=True)", "x.sort(dim=0, stable=True)", "x.argsort(descending=True, stable=True)"]
)
def test_equal_elements_keep_their_order(expression, name, torch):
    agree(torch, expression, TIES[name])


def test_stable_names_another_overload(torch):
    for stable in (True, False):
        agree(torch, f"x.sort(dim=0, stable={stable})", INPUTS["matrix"])


def test_of_equal_elements_the_first_are_taken():
    x = gc.tensor([1.0, 3.0, 3.0, 2.0, 3.0], requires_grad=True)
    assert x.topk(2).indices.tolist() == [1, 2]
    assert x.kthvalue(3).indices.item() == 1
    x.topk(2).values.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "expression",
    [
        "x.sort(3)",
        "x.topk(4)",
        "x.topk(-1)",
        "x.kthvalue(4)",
        "x.kthvalue(0)",
        "x.topk(1, 2)",
        "t.sort([1.0])",
        "x.argsort(-3)",
    ],
)
def test_errors(expression, torch):
    agree(torch, expression, np.ones((2, 3)))


@pytest.mark.parametrize("name", [n for n in INPUTS if n != "complex"])
@pytest.mark.parametrize(
    "expression", ["t.unique(x)", "x.unique(return_inverse=True)", "t.unique(x, True, True, True)"]
)
def test_unique_agrees(expression, name, torch):
    agree(torch, expression, INPUTS[name], order=0)


def test_unique_of_repeated_elements(torch):
    agree(torch, "t.unique(x, return_inverse=True, return_counts=True)", [[3, 1, 3], [2, 1, 1]])
    agree(torch, "t.unique(x, return_counts=True)", [3.0, 1.0, 3.0, nan, nan], order=0)
    agree(torch, "t.unique(x)", [1j, 2j], order=0)


def test_unique_has_no_derivative(t):
    x = t.ones(3, requires_grad=True)
    with pytest.raises(NotImplementedError, match="the derivative for"):
        x.unique().sum().backward()


SEQUENCES = [
    ("t.searchsorted(x, y)", [1.0, 3.0, 3.0, 5.0], [[0.0, 3.0], [4.0, 9.0]]),
    ("t.searchsorted(x, y, right=True, out_int32=True)", [1.0, 3.0, 3.0, 5.0], [3.0, 6.0]),
    ("t.searchsorted(x, y, side='right')", [1.0, 3.0, 5.0], 3.0),
    ("t.searchsorted(x, y)", [1.0, 3.0, 5.0], [3, 4]),
    ("t.searchsorted(x, y)", [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]], [[3.0], [4.0]]),
    ("t.searchsorted(x, y, right=True)", [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]], [[3.0, 0.0], [4.0, 9.0]]),
    ("t.searchsorted(x, 3.0)", [1.0, 3.0, 5.0], 0),
    ("t.searchsorted(x, y, sorter=t.tensor([1, 2, 0]))", [5.0, 1.0, 3.0], [2.0, 6.0]),
    ("t.searchsorted(x, y, side='left', right=True)", [1.0, 3.0], [3.0]),
    ("t.searchsorted(x, y, side='up')", [1.0, 3.0], [3.0]),
    ("t.searchsorted(x, y)", [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]], [3.0]),
    ("t.bucketize(y, x)", [1.0, 3.0, 5.0], [[3.0, 6.0]]),
    ("t.bucketize(y, x, right=True)", [1.0, 3.0, 5.0], [3.0, 6.0]),
    ("t.bucketize(3.0, x)", [1.0, 3.0, 5.0], 0),
    ("t.bucketize(y, x)", [[1.0, 3.0]], [3.0]),
]


@pytest.mark.parametrize(("expression", "x", "y"), SEQUENCES)
def test_places_in_a_sorted_sequence(expression, x, y, torch):
    agree(torch, expression, x, y, grad=(False, False))


@pytest.mark.parametrize("values", [np.array(1.0), np.array([1.0, 3.0])])
def test_boundaries_have_a_dimension(values, torch):
    agree(torch, "t.searchsorted(y, x)", values, np.array(2.0), order=0)
