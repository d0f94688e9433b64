"""Padding beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

F = gc.nn.functional
CUBE = np.linspace(-1.0, 1.0, 24).reshape(2, 3, 4)
WHOLE = np.arange(6).reshape(2, 3)
COMPLEX = CUBE + 1j * CUBE[::-1]


@pytest.mark.conformance
@pytest.mark.parametrize(
    "expression",
    """
    F.pad(x, (1, 2))
    F.pad(x, (1, 2), value=0.5)
    F.pad(x, (1, 0, -1, 2, 0, 1), "constant", 3.0)
    F.pad(x, (-1, -2))
    F.pad(x, (-3, -2))
    F.pad(x, (-2, -2))
    F.pad(x, ())
    F.pad(x, (1, 1, 1))
    F.pad(x, (1,) * 8)
    F.pad(x, (1, 1), value=1j)
    F.pad(x, (1.5, 1))
    F.pad(x, (1, 1), "mirror")
    F.pad(y, (1, 1), value=1.5)
    F.pad(y, (1, 1), value=1e30)
    F.pad(y > 2, (1, 1), value=2)
    F.pad(z, (1, 1))
    F.pad(x[0, 0], (1, 1))
    F.pad(x, (2, 1), "reflect")
    F.pad(x, (-1, 2), "reflect")
    F.pad(x, (4, 0), "reflect")
    F.pad(x, (-2, -2), "reflect")
    F.pad(x, (2, 1, 1, 0), "reflect")
    F.pad(x, (1, 1), "reflect", 2.0)
    F.pad(x[0, 0], (1, 1), "reflect")
    F.pad(x[:, :0], (1, 1), "reflect")
    F.pad(x[:0], (1, 1), "reflect")
    F.pad(y, (1, 1), "reflect")
    F.pad(y > 2, (1, 1), "reflect")
    F.pad(z, (1, 1), "reflect")
    F.pad(x, (7, 5), "replicate")
    F.pad(x, (1, -1, 0, 2), "replicate")
    F.pad(x, (-2, -3), "replicate")
    F.pad(x, (1, 1, 1, 1, 1, 1), "replicate")
    F.pad(x[None], (1, 1, 1, 1, 1, 1), "replicate")
    F.pad(y > 2, (1, 1), "replicate")
    F.pad(x, (3, 4), "circular")
    F.pad(x, (1, -1, -1, 1), "circular")
    F.pad(x, (5, 0), "circular")
    F.pad(x, (-3, -2), "circular")
    F.pad(z, (1, 1), "circular")
    t.constant_pad_nd(x, (1, 1), 2)
    t.constant_pad_nd(z, (1, 1), 1j)
    """.strip().splitlines(),
)
def test_as_in_pytorch(torch, expression):
    agree(torch, expression.strip(), CUBE, WHOLE, COMPLEX)


def test_what_is_not_finite_stays_where_it_is(device):
    x = gc.tensor([[[np.nan, 1.0, np.inf]]], requires_grad=True)
    out = F.pad(x, (1, 1), "replicate")
    np.testing.assert_array_equal(out.numpy(force=True), [[[np.nan, np.nan, 1.0, np.inf, np.inf]]])
    (g,) = gc.autograd.grad(out, x, gc.tensor([[[1.0, 2.0, np.inf, 3.0, 4.0]]]))
    np.testing.assert_array_equal(g.numpy(force=True), [[[3.0, np.inf, 7.0]]])


def test_a_border_repeated_often(device):
    x = gc.tensor([[[1.0, 2.0]]], dtype=gc.float64, requires_grad=True)
    (g,) = gc.autograd.grad(F.pad(x, (200, 1), "replicate").sum(), x)
    assert g.tolist() == [[[201.0, 2.0]]]


def test_the_result_shares_no_memory(device):
    x = gc.ones(1, 2, 3)
    for mode in ("constant", "reflect", "replicate", "circular"):
        F.pad(x, (0, 0), mode).zero_()
        F.pad(x, (-1, 0), mode).zero_()
    assert x.tolist() == gc.ones(1, 2, 3).tolist()
