"""Divisors, multiples, the step function and membership, beside PyTorch's: what has no gradient."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.func import vmap

inf, nan = np.inf, np.nan
WHOLE = np.array([[-12, 7, 0], [6, 35, 1]])


@pytest.mark.parametrize("name", ["gcd", "lcm"])
def test_divisors_and_multiples(name, torch):
    agree(torch, f"t.{name}(x, y)", WHOLE, np.array([18, 0, 21]))
    agree(torch, f"x.{name}(y)", WHOLE.astype(np.int32), np.array([18, 0, 21], np.int8))
    agree(torch, f"x.{name}_(y)", WHOLE, np.array([18, 0, 21]))
    agree(torch, f"x.{name}(y)", np.ones((0, 3), np.int64), np.array([1, 2, 3]))
    agree(torch, f"x.{name}(x)", np.ones(2), grad=[False])
    agree(torch, f"x.{name}(x)", np.array([True, False]))
    agree(torch, f"x.{name}(2)", WHOLE)


def test_heaviside(torch):
    x = np.array([nan, 0.0, -0.0, -1.5, 2.5, inf, -inf])
    agree(torch, "t.heaviside(x, y)", x, np.array(7.0), order=0)
    agree(torch, "x.heaviside(y)", x, x, order=0)
    agree(torch, "x.heaviside(y)", WHOLE, np.array([5, 6, 7]))
    agree(torch, "x.heaviside(y)", np.array([True, False]), np.array([True, True]))
    agree(torch, "(x * 1).heaviside_(y)", x, np.array(0.5), order=0)
    agree(torch, "x.heaviside(y)", x, np.array([1]), grad=[False, False])
    agree(torch, "x.heaviside(x)", np.array([1j]))
    agree(torch, "x.heaviside(2.0)", x)


def test_heaviside_has_no_gradient(t):
    out = t.heaviside(t.tensor([1.0], requires_grad=True), t.tensor([1.0]))
    assert out.grad_fn.name().endswith("NotImplemented")
    with pytest.raises(RuntimeError, match="derivative for aten::heaviside is not implemented"):
        out.backward()


@pytest.mark.parametrize(
    "expression",
    [
        "t.isin(x, y)", "t.isin(x, y, invert=True)", "t.isin(x, y, assume_unique=False)", "t.isin(x, 7)", "t.isin(7, x)",
        "t.isin(x.double(), y)", "t.isin(x, y[:0])", "t.isin(x[:, :0], y)", "t.isin(x[0, 0], y)", "t.isin(x, y[0])",
        "t.isin(x == 0, y)", "t.isin(x * 1j, y)", "t.isin(2, 3)",
    ],
)  # fmt: skip
def test_isin(expression, torch):
    agree(torch, expression, WHOLE, np.array([7, 6, -12, 100]))


def test_isin_finds_no_nan(torch):
    agree(torch, "t.isin(x, x)", np.array([nan, 1.0, -0.0]))
    agree(torch, "t.isin(x, y)", np.array([-0.0, inf]), np.array([[inf, 0.0], [nan, nan]]))


def test_isin_under_vmap(device):
    x, y = gc.tensor(WHOLE), gc.tensor([[7, 1], [35, 6]])
    want = gc.stack([gc.isin(a, b) for a, b in zip(x, y, strict=True)])
    assert gc.equal(vmap(gc.isin)(x, y), want)
    assert gc.equal(vmap(gc.isin, in_dims=(0, None))(x, y), gc.isin(x, y))
    assert gc.equal(vmap(gc.isin, in_dims=(None, 0))(x, y), gc.stack([gc.isin(x, b) for b in y]))
