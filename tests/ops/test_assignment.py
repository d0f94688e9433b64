"""``copy_``, ``fill_`` and ``zero_``, beside PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

MATRIX = np.linspace(-1.0, 2.0, 6).reshape(2, 3)
VECTOR = [0.5, -1.0, 2.0]
NUMBER = 1.5


@pytest.mark.parametrize(
    "expression",
    """
    (x * 1).copy_(y)
    (x * 1).copy_(z)
    (x * 1).copy_(w)
    (x * 1).copy_(y.float())
    (x * 1).copy_(y.long())
    (x * 1).copy_(y[:, :2])
    (z * 1).copy_(x)
    (x * 1).copy_(x * 2)
    (x * 1).mT.copy_(y.mT)
    x.detach().clone().copy_(y)
    x.detach().clone().long().copy_(y.detach())
    (x * 1).fill_(3)
    (x * 1).fill_(w)
    (x * 1).fill_(z)
    (x * 1).fill_(1j)
    (x * 1).fill_('a')
    (x * 1)[0].fill_(w)
    (x * 1).zero_()
    (x * 1)[1:].zero_()
    x.detach().long().fill_(1.7)
    x.detach().bool().fill_(2)
    x.copy_(y)
    x.fill_(1)
    x.zero_()
    x[0].zero_()
    x.detach().zero_()
    t.fill(x, 2.0).detach()
    """.split("\n    ")[1:-1],
)
def test_agrees(expression, torch):
    agree(torch, expression, MATRIX, MATRIX * 2, VECTOR, NUMBER)


def test_what_is_overwritten_gets_no_gradient(torch):
    for t in (gc, torch):
        x = t.ones(3, requires_grad=True)
        y = x * 2
        r = t.ones(2, requires_grad=True)
        y[:2].copy_(r * 5)
        (y * t.tensor([1.0, 2.0, 3.0])).sum().backward()
        assert x.grad.tolist() == [0, 0, 6]
        assert r.grad.tolist() == [5, 10]


def test_overlap(t):
    x = t.arange(5.0)
    with pytest.raises(RuntimeError, match="single memory location"):
        x[:-1].copy_(x[1:])
    assert x.tolist() == [0, 1, 2, 3, 4]
    assert x._version == 0
    x.copy_(x)
    x[:-1].copy_(x[1:].clone())
    assert x.tolist() == [1, 2, 3, 4, 4]


def test_complex_into_real_warns(torch):
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        x = gc.zeros(1).copy_(gc.tensor([1 + 2j]))
    assert x.tolist() == [1]


@pytest.mark.parametrize(
    ("dtype", "value"), [("uint8", 300), ("int8", -200), ("int64", float("nan")), ("float32", 1e39), ("float32", 1j)]
)
def test_numbers_that_the_dtype_does_not_hold(dtype, value, torch):
    for t in (gc, torch):
        with pytest.raises(RuntimeError, match="value cannot be converted to type"):
            t.zeros(2, dtype=getattr(t, dtype)).fill_(value)


def test_copies_between_devices():
    strict = pytest.importorskip("array_api_strict")
    assert strict
    x = gc.ones(2, device="cpu", requires_grad=True)
    y = gc.zeros(2, device="strict:1").copy_(x * 3)
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]
