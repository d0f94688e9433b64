"""Reversing, rotating, repeating, diagonals and windows, beside PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

CUBE = np.linspace(-1.0, 1.0, 24).reshape(2, 3, 4)
MATRIX = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
VECTOR = [0.5, -1.0, 2.0]


@pytest.mark.parametrize(
    "expression",
    """
    x.flip(0)
    x.flip(0, 2)
    x.flip((1, -1))
    x.flip(())
    x.flip(dims=(2,))
    x.flip(0, 0)
    x.flip(3)
    x.flip()
    t.flip(x, [1])
    x.fliplr()
    x.flipud()
    z.fliplr()
    x.roll(1)
    x.roll(-5)
    x.roll(1, 0)
    x.roll((1, 2), (0, 1))
    x.roll(shifts=(7, -1), dims=(2, -2))
    x.roll(0, 1)
    x.roll((1, 2), 0)
    x.roll((1, 2))
    x.roll(1, 3)
    z.roll(2)
    x.rot90()
    x.rot90(2)
    x.rot90(3, (0, 2))
    x.rot90(-1, (1, 2))
    x.rot90(0)
    x.rot90(4)
    x.rot90(k=1, dims=(2, 1))
    x.rot90(1, (0, 0))
    x.rot90(1, (0, 1, 2))
    x.rot90(1, (0, 3))
    z.rot90()
    x.repeat(2)
    x.repeat(1, 2, 1)
    x.repeat((2, 1, 1, 2))
    x.repeat(repeats=(2, 1, 1))
    x.repeat(1, 1, 0)
    x.repeat(1, 1, -1)
    x.repeat()
    z.repeat(3)
    z.repeat(2, 2)
    z[0].repeat(2)
    x.tile(2)
    x.tile((2, 1))
    x.tile(1, 2, 1, 2)
    x.tile(())
    t.tile(z, (2, 2))
    x.repeat_interleave(2)
    x.repeat_interleave(2, 0)
    x.repeat_interleave(3, dim=-1)
    x.repeat_interleave(0, 1)
    x.repeat_interleave(-1)
    x.repeat_interleave(2, 3)
    x.repeat_interleave(t.tensor([1, 2, 0]), 1)
    x.repeat_interleave(t.tensor([1, 2]), 1)
    x.repeat_interleave(t.tensor([2]), 1)
    x.repeat_interleave(t.tensor(2), 1)
    x.repeat_interleave(t.tensor([1.0, 2, 3]), 1)
    x.repeat_interleave(2, output_size=48)
    z.repeat_interleave(t.tensor([0, 1, 2]))
    y.tril()
    y.tril(1)
    x.tril(-1)
    x.tril(diagonal=9)
    z.tril()
    y.triu()
    x.triu(1)
    t.triu(y, -2)
    z.triu()
    y.diagonal()
    y.diagonal(1)
    y.diagonal(-2)
    y.diagonal(9)
    y.diagonal(-9)
    x.diagonal(0, 1, 2)
    x.diagonal(1, dim1=2, dim2=0)
    x.diagonal(offset=-1, dim1=-1, dim2=0)
    x.mT.diagonal(0, 0, 1)
    x.diagonal(0, 1, 1)
    x.diagonal(0, 0, 3)
    z.diagonal()
    y.diag()
    y.diag(1)
    z.diag()
    z.diag(1)
    z.diag(-2)
    x.diag()
    z[0].diag()
    z.diag_embed()
    x.diag_embed(1)
    x.diag_embed(0, 0, 1)
    x.diag_embed(-1, 3, 1)
    z.diag_embed(0, 0, 0)
    z[0].diag_embed()
    y.diagflat()
    t.diagflat(z, 1)
    y.trace()
    y.mT.trace()
    x.trace()
    x.unfold(0, 2, 1)
    x.unfold(2, 2, 1)
    x.unfold(2, 2, 3)
    x.unfold(-1, 3, 2)
    x.unfold(1, 0, 1)
    x.unfold(0, 3, 1)
    x.unfold(0, 1, 0)
    x.mT.unfold(1, 2, 1)
    z[0].unfold(0, 1, 1)
    z[0].unfold(0, 2, 1)
    z.unfold(0, 2, 1).unfold(0, 2, 1)
    """.split("\n    ")[1:-1],
)
def test_agrees(expression, torch):
    agree(torch, expression, CUBE, MATRIX, VECTOR)


@pytest.mark.parametrize(
    "expression",
    ["x.flip(0)", "x.roll(1)", "x.repeat(2, 1)", "x.tril()", "x.diagonal()", "x.trace()", "x[0].diag_embed()"],
)
@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "float32", "complex64"])
def test_dtypes(expression, dtype, torch):
    agree(torch, expression, np.arange(6).reshape(2, 3).astype(dtype))


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (7, 3), (3, 3, 3), (1, 1), (3,), (2, 3, 3)])
def test_fill_diagonal(shape, wrap, torch):
    agree(torch, f"(x * 1).fill_diagonal_(5, {wrap})", np.linspace(0.0, 1.0, int(np.prod(shape))).reshape(shape))


def test_of_nothing(torch):
    for expression in (
        "x.flip(0)",
        "x.roll(1, 0)",
        "x.repeat(2, 2)",
        "x.rot90()",
        "x.diagonal()",
        "x.triu()",
        "x.repeat_interleave(2, 1)",
    ):
        agree(torch, expression, np.zeros((0, 3)))


def test_the_diagonal_is_a_view_that_can_be_written_to(torch):
    for t in (gc, torch):
        x = t.zeros(3, 3)
        x.diagonal().fill_(1)
        x.mT.diagonal(1).mul_(2)
        x[1:].diagonal().add_(t.ones(2))
        assert x.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
        y = t.ones(3, 3, requires_grad=True) * 1
        y.diagonal(1).zero_()
        assert type(y.grad_fn).__name__ == "CopySlices"


def test_windows_share_memory_and_overlap():
    x = gc.arange(4.0)
    windows = x.unfold(0, 2, 1)
    x.mul_(10)
    assert windows.tolist() == [[0, 10], [10, 20], [20, 30]]
    with pytest.raises(RuntimeError, match="more than one element"):
        windows.add_(1)


def test_results_that_are_copies_share_nothing():
    x = gc.zeros(2, 2)
    for out in (
        x.flip(0),
        x.flip(()),
        x.roll(0),
        x.rot90(),
        x.rot90(0),
        x.repeat(1, 1),
        x.tile(()),
        x.diag(),
        x.tril(),
        x[0].diag_embed(),
    ):
        out.fill_(1)
    assert x.sum() == 0
