"""Mantissas, exponents, neighbours and powers in double precision, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

inf, nan = np.inf, np.nan
X = np.array([[0.3, -1.2, 1.7], [8.0, 11.9, -0.4]])
WHOLE = np.array([3, 0, 2])


def test_ldexp(torch):
    agree(torch, "t.ldexp(x, y)", X, WHOLE)
    agree(torch, "x.ldexp(y)", X, X)
    agree(torch, "x.ldexp(y)", X.astype(np.float32), np.array([3, 0, 200]), order=0)
    agree(torch, "x.ldexp(y)", X * (1 - 2j), WHOLE)
    agree(torch, "x.ldexp(y)", WHOLE, WHOLE)
    agree(torch, "(x * 1).ldexp_(y)", X, WHOLE)
    agree(torch, "x.ldexp_(y)", WHOLE, WHOLE)
    agree(torch, "x.ldexp(2)", X)
    agree(torch, "t.ldexp(2, x)", X)
    agree(torch, "x.ldexp(y)", X, np.ones(2))


def test_ldexp_by_negative_integers(torch, device):
    agree(torch, "x.ldexp(y)", X, np.array([-3, 0, -1]), order=0)
    # PyTorch takes the power of two as an integer here, which is 0.
    x = gc.tensor([3.0], requires_grad=True)
    x.ldexp(gc.tensor([-2])).backward()
    assert x.grad.item() == 0.25


def test_frexp(torch):
    agree(torch, "tuple(t.frexp(x))", X)
    agree(torch, "tuple(x.frexp())", np.array([0.0, -0.0, inf, -inf, nan, 5e-324, -3.0]), order=1)
    agree(torch, "tuple(x.frexp())", X.astype(np.float32))
    agree(torch, "tuple(x.frexp())", np.ones((0, 2)))
    agree(torch, "x.frexp().mantissa * x.frexp().exponent", X)
    agree(torch, "x.frexp()", WHOLE)
    agree(torch, "x.frexp()", X * 1j)


def test_frexp_has_names_and_saves_its_exponents(t):
    x = t.tensor([1.5, 8.0], requires_grad=True)
    out = t.frexp(x)
    assert type(out).__name__ == "frexp"
    assert out.mantissa.grad_fn._saved_exponent.tolist() == [1, 4]
    assert not out.exponent.requires_grad


def test_nextafter(torch):
    agree(torch, "t.nextafter(x, y)", X, X[::-1].copy())
    a = np.array([1.0, 2.0, 3.0, 0.0, nan, inf, -inf, 0.0, 5e-324])
    b = np.array([2.0, 2.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    agree(torch, "x.nextafter(y)", a, b)
    agree(torch, "(x * 1).nextafter_(y)", a, b)
    agree(torch, "x.nextafter(y)", WHOLE, a[:3], order=0)
    agree(torch, "x.nextafter(y)", WHOLE, WHOLE)
    agree(torch, "x.nextafter(2.0)", X)
    agree(torch, "x.nextafter(2)", WHOLE)
    agree(torch, "x.nextafter(y)", X * 1j, X)


def test_nextafter_is_the_neighbour(device):
    a, b = gc.tensor([1.0, -0.0, 1.0], dtype=gc.float64), gc.tensor([2.0, 1.0, -inf], dtype=gc.float64)
    want = np.nextafter(np.array([1.0, -0.0, 1.0]), np.array([2.0, 1.0, -inf]))
    np.testing.assert_array_equal(gc.nextafter(a, b).numpy(force=True), want)


@pytest.mark.parametrize(
    "expression",
    [
        "t.float_power(x, 2)", "t.float_power(2, x)", "x.float_power(y)", "x.float_power(-1.5)", "x.float_power(2j)",
        "x.float_power(y.to(t.complex64))", "x.float_power(y.int())", "t.float_power(x.int(), y)", "(x * 1).float_power_(y)",
        "(x * 1).float_power_(2)", "(x * 1).float_power_(2j)", "x.float().float_power_(2)", "x.float().float_power(2)",
    ],
)  # fmt: skip
def test_float_power(expression, torch):
    agree(torch, expression, np.abs(X), X[0])


def test_float_power_refuses_two_numbers(torch):
    agree(torch, "t.float_power(2, 3)", X)


def test_quotients_by_the_old_method(torch):
    agree(torch, "x.__rdiv__(2)", X)
    agree(torch, "x.__rdiv__(y)", X, X[0])
    agree(torch, "x.__rdiv__(y)", X * 1j, X[0])
