"""The comparison itself: it finds what is wrong, column by column."""

from __future__ import annotations

import pytest

import gradcore as gc

pytestmark = pytest.mark.usefixtures("torch")


def cells_for(function, name="sin"):
    from database.calls import name_of
    from database.compare import COLUMNS, EVERY, walk

    report = walk(next(info for info in EVERY if name_of(info) == name), ours=function)
    return {column: report.cell(column) for column in COLUMNS}


def unequal(function, name="sin"):
    return {column for column, cell in cells_for(function, name).items() if cell not in ("=", "–")}


class FirstOrderOnly(gc.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.detach().cos()


def test_the_operator_itself_is_equal():
    assert unequal(gc.sin) == set()
    assert cells_for(gc.sin)["second"] == "="


def test_a_wrong_value():
    assert {"forward", "gradient", "vmap", "dtypes"} <= unequal(lambda x: gc.sin(x) * 1.001)


def test_a_missing_gradient():
    assert {"forward", "gradient", "node"} <= unequal(lambda x: gc.sin(x.detach()))


def test_a_wrong_gradient_of_a_right_value():
    found = unequal(lambda x: gc.sin(x).detach() + (x - x.detach()))
    assert "forward" not in found
    assert {"gradient", "forward_mode", "node", "dtypes"} <= found


def test_a_wrong_gradient_of_second_order():
    found = unequal(FirstOrderOnly.apply)
    assert "second" in found
    assert not {"forward", "gradient"} & found


def test_a_wrong_dtype():
    assert "forward" in unequal(lambda x: gc.sin(x).to(gc.float32))


def test_more_is_saved_than_in_pytorch():
    assert "saved" in unequal(lambda x: gc.mul(x, x.detach().clone()), "neg")


def test_an_error_that_is_not_raised():
    assert "errors" in unequal(lambda *args, **kwargs: gc.zeros(1), "diag")
