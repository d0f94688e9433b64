"""``where``, masks and positions, beside PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

MATRIX = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
VECTOR = [0.5, -1.0, 2.0, 4.0]
NUMBER = 1.5

M = "(x.detach() > 0.5)"
ROW = "t.tensor([True, False, True, False])"
COLUMN = "t.tensor([[True], [False], [True]])"


@pytest.mark.parametrize(
    "expression",
    f"""
    t.where({M}, x, y)
    t.where({ROW}, x, y)
    t.where({COLUMN}, x, z)
    t.where({COLUMN}, y, w)
    t.where({M}, x, 0.0)
    t.where({M}, 2, x)
    t.where({M}, x, y.float())
    t.where({M}, 1, 0)
    t.where({M}, 1.0, 0)
    t.where({M}, True, 1.5)
    t.where({M}, x, w)
    t.where(t.tensor(True), x, y)
    t.where({M}.long(), x, y)
    t.where(x, x, y)
    t.where({M}, x)
    t.where(t.tensor([True, False]), x, y)
    t.where({M}, x, t.ones(3))
    t.where(condition={M}, input=x, other=y)
    x.where({M}, y)
    x.where({M}, 0.0)
    t.where({M})
    t.where(x)
    t.where(w)
    x.masked_fill({M}, 0.0)
    x.masked_fill({ROW}, -3)
    x.masked_fill({COLUMN}, float("-inf"))
    z.masked_fill({M}, 1.0)
    x.masked_fill({M}, w)
    x.masked_fill({M}, w.float())
    x.masked_fill({M}, z)
    x.masked_fill(t.tensor([True, False, True]), 0.0)
    x.masked_fill({M}.long(), 0.0)
    x.masked_fill({M}, 1j)
    x.masked_fill({M}, t.tensor(1j))
    w.masked_fill(t.tensor(True), 2.0)
    t.masked_fill(x, mask={M}, value=2)
    (x * 1).masked_fill_({M}, 0.0)
    (x * 1).masked_fill_({COLUMN}, w)
    (z * 1).masked_fill_({M}, 0.0)
    (w * 1).masked_fill_(t.tensor(True), 0.0)
    x.masked_select({M})
    x.masked_select({ROW})
    x.masked_select({COLUMN})
    z.masked_select({M})
    w.masked_select({ROW})
    x.masked_select({M} & False)
    x.masked_select({M}.long())
    x.masked_select(t.tensor([True, False]))
    w.masked_select(t.tensor(True))
    x.masked_scatter({M}, y)
    x.masked_scatter({ROW}, y.reshape(-1))
    x.masked_scatter({COLUMN}, y)
    z.masked_scatter({M}, y)
    x.masked_scatter({M} | True, z)
    x.masked_scatter({M}, y.float())
    x.masked_scatter({M}.long(), y)
    (x * 1).masked_scatter_({M}, y)
    (z * 1).masked_scatter_({M}, y)
    x.nonzero()
    {M}.nonzero()
    x.nonzero(as_tuple=True)
    w.nonzero()
    w.nonzero(as_tuple=True)
    (w * 0).nonzero()
    t.argwhere(x)
    t.nonzero({M} & False)
    x[:0].nonzero()
    """.split("\n    ")[1:-1],
)
def test_agrees(expression, torch):
    agree(torch, expression, MATRIX, MATRIX * 2 + 1, VECTOR, NUMBER)


@pytest.mark.parametrize("other", ["1", "1.5", "True", "y", "y.float()", "y[0, 0]", "y.to(t.complex64)", "y > 0"])
@pytest.mark.parametrize("dtype", ["int64", "float32", "uint8", "bool", "complex64"])
def test_promotion(dtype, other, torch):
    # PyTorch's backward fails on a real operand beside a complex one.
    order = 0 if "complex64" in (dtype, other[5:-1].removeprefix("t.")) else 1
    for expression in (f"t.where(y > 0, x, {other})", f"t.where(y > 0, {other}, x)"):
        agree(torch, expression, np.ones((2, 2), dtype), np.arange(4.0).reshape(2, 2), order=order)


def test_a_real_operand_beside_a_complex_one_gets_a_real_gradient():
    x = gc.ones(2, requires_grad=True)
    z = gc.ones(2, dtype=gc.complex64, requires_grad=True)
    gc.where(gc.tensor([True, False]), x, z).backward(gc.tensor([1 + 2j, 3 + 4j]))
    assert x.grad.tolist() == [1, 0]
    assert z.grad.tolist() == [0, 3 + 4j]


@pytest.mark.parametrize(
    "value", ["1", "1.5", "True", "300", "-1", "1j", "float('nan')", "t.tensor(2.5)", "t.tensor(2)"]
)
@pytest.mark.parametrize("dtype", ["int64", "float32", "bool", "complex64"])
def test_what_is_filled_in_keeps_the_dtype(dtype, value, torch):
    agree(torch, f"x.masked_fill(t.tensor([True, False]), {value})", np.ones((2, 2), dtype))


def test_a_condition_of_bytes_warns(torch):
    agree(torch, "t.where((x > 0).byte(), x, y)", MATRIX, MATRIX * 2, warns="uint8 condition")


def test_nan_leaks_from_the_branch_that_is_not_chosen(torch):
    agree(torch, "t.where(x == 0, 0.0, 1 / x)", [0.0, 2.0], order=1)


def test_a_condition_is_saved_and_must_not_be_written_to(torch):
    for t in (gc, torch):
        for use in (
            lambda m, x: t.where(m, x, 0.0),
            lambda m, x: x.masked_fill(m, 0.0),
            lambda m, x: x.masked_select(m),
        ):
            mask = t.tensor([True, False])
            y = use(mask, t.ones(2, requires_grad=True))
            mask.fill_(True)
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                y.sum().backward()


def test_positions_can_be_used_as_an_index():
    x = gc.tensor([[0.0, 3.0], [4.0, 0.0]])
    assert x[x.nonzero(as_tuple=True)].tolist() == [3, 4]
