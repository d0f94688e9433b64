"""Complex numbers made of real ones, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

inf, nan = np.inf, np.nan
X = np.array([[0.3, -1.2, 1.7], [8.0, 11.9, -0.4]])


@pytest.mark.parametrize("name", ["complex", "polar"])
def test_of_two_parts(name, torch):
    agree(torch, f"t.{name}(x, y)", X, X[::-1].copy())
    agree(torch, f"t.{name}(x, y)", X[:, :1], X[0])
    agree(torch, f"t.{name}(x, y)", X.astype(np.float32), X[0].astype(np.float32))
    agree(torch, f"t.{name}(x, y)", np.array([0.0, inf, 1.0, nan]), np.array([1.0, inf, -0.0, nan]), order=1)
    agree(torch, f"t.{name}(x, y)", np.ones((0, 2)), np.ones(2))
    agree(torch, f"t.{name}(x, y)", 0.5, 2.0)


@pytest.mark.parametrize("name", ["complex", "polar"])
def test_what_is_refused(name, torch):
    agree(torch, f"t.{name}(x, y)", X.astype(np.float32), X)
    agree(torch, f"t.{name}(x, y)", np.array([1, 2]), np.array([1, 2]))
    agree(torch, f"t.{name}(x, y)", X * 1j, X * 1j)
    agree(torch, f"t.{name}(x, 2.0)", X)
    agree(torch, f"t.{name}(x, y)", X, np.ones(2))


def test_infinite_imaginary_parts_leave_the_real_ones_alone(device):
    made = gc.complex(gc.tensor([1.0]), gc.tensor([inf]))
    assert (made.real.item(), made.imag.item()) == (1.0, inf)


@pytest.mark.parametrize(
    "expression",
    [
        "t.conj_physical(x)", "x.conj_physical()", "(x * 1).conj_physical_()", "t.resolve_conj(x * 2)", "x.resolve_neg() * 2",
        "(x * 1).resolve_conj() * 2",
    ],
)  # fmt: skip
@pytest.mark.parametrize("array", [X, X * (1 - 2j)], ids=["real", "complex"])
def test_conjugates(expression, array, torch):
    agree(torch, expression, array)


def test_real_numbers_are_their_own_conjugates(t):
    x = t.tensor([1.0, 2.0])
    assert t.conj_physical(x) is x or t.conj_physical(x).data_ptr() == x.data_ptr()
    assert t.resolve_conj(x) is x
    assert t.resolve_neg(x) is x
