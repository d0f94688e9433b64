"""Dropping elements at random."""

from __future__ import annotations

import pytest

import gradcore as gc
from gradcore.nn import functional


def test_keeps_the_mean_and_drops_the_share():
    x = gc.ones(10_000, requires_grad=True)
    y = gc.dropout(x, 0.25, True)
    assert sorted(set(y.tolist())) == [0.0, pytest.approx(1 / 0.75)]
    assert (y == 0).sum().item() == pytest.approx(2500, abs=200)
    y.sum().backward()
    # The gradient passes where the element did.
    assert gc.equal(x.grad, y.detach())


def test_node_and_results(t):
    x = t.ones(50, requires_grad=True) * 1
    functional = t.nn.functional
    assert functional.dropout(x, 0.5, training=False) is x
    assert functional.dropout(x, 0.5).grad_fn.name() == "MulBackward0"
    assert functional.dropout(x, 0.0).tolist() == x.tolist()
    assert functional.dropout(x, 1.0).tolist() == [0.0] * 50
    y = functional.dropout(x, 0.5, inplace=True)
    assert y is x
    assert 0 < sum(v == 0 for v in y.tolist()) < 50


def test_is_the_same_under_a_seed():
    gc.manual_seed(3)
    a = gc.dropout(gc.ones(100), 0.5, True)
    gc.manual_seed(3)
    assert gc.equal(a, gc.dropout(gc.ones(100), 0.5, True))
    assert not gc.equal(a, gc.dropout(gc.ones(100), 0.5, True))


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_refuses_what_is_no_probability(p, t):
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1, but got"):
        t.nn.functional.dropout(t.ones(2), p)


def test_refuses_integers():
    with pytest.raises(NotImplementedError, match="cast the tensor to a floating point dtype"):
        functional.dropout(gc.ones(2).long(), 0.5)
