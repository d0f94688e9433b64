"""Reductions of segments, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

nan = np.nan
X = np.cos(np.arange(10.0) * 3).reshape(5, 2)
REDUCTIONS = ["sum", "mean", "max", "min", "prod"]


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_segments(reduce, torch):
    # There are no second derivatives in PyTorch; gradcore has them, and finite differences check them.
    for options in ("lengths=y", "lengths=y, initial=0.25", "offsets=z", "lengths=y.int(), axis=-2"):
        agree(torch, f"t.segment_reduce(x, {reduce!r}, {options})", X, [2, 0, 3], [0, 1, 1, 4], order=1)
    agree(
        torch,
        f"t.segment_reduce(x, {reduce!r}, lengths=y, axis=1)",
        X,
        [[1, 1], [2, 0], [0, 2], [1, 1], [2, 0]],
        order=1,
    )
    agree(torch, f"t.segment_reduce(x, {reduce!r}, lengths=y, unsafe=True)", X, [1, 2], order=1)
    agree(torch, f"t.segment_reduce(x, {reduce!r}, lengths=y)", np.zeros((0, 2)), [0, 0], order=1)


@pytest.mark.parametrize("x", [[0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [2.0, 2.0, 1.0], [nan, 2.0, 4.0]])
@pytest.mark.parametrize("reduce", REDUCTIONS[2:])
def test_zeros_ties_and_nan(reduce, x, torch):
    agree(torch, f"t.segment_reduce(x, {reduce!r}, lengths=y)", x, [3], order=1)


@pytest.mark.parametrize(
    "expression",
    [
        "t.segment_reduce(x, 'sum', lengths=t.tensor([1, 1]))",
        "t.segment_reduce(x, 'sum', lengths=t.tensor([-1, 6]))",
        "t.segment_reduce(x, 'median', lengths=t.tensor([5]))",
        "t.segment_reduce(x, 'sum')",
        "t.segment_reduce(x, 'sum', lengths=t.tensor([2.0, 3.0]))",
        "t.segment_reduce(x, 'sum', lengths=t.tensor([5]), axis=1)",
        "t.segment_reduce(x, 'sum', lengths=t.tensor([5]), indices=t.tensor([1]))",
        "t.segment_reduce(x[0, 0], 'sum', lengths=t.tensor([1]))",
        "t.segment_reduce(x.long(), 'sum', lengths=t.tensor([5]))",
    ],
)
def test_errors(expression, torch):
    agree(torch, expression, X, grad=[False])


def test_offsets_outside():
    with pytest.raises(RuntimeError, match="Expected offsets from 0 to 5"):
        gc.segment_reduce(gc.tensor(X), "sum", offsets=gc.tensor([0, 9]))
