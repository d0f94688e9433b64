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


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"])
def test_every_kind_gives_the_values_and_nodes_of_pytorch(name, train, p, inplace, torch):
    found = []
    for t in (gc, torch):
        t.manual_seed(0)
        x = t.ones(20, 30, 2, requires_grad=True)
        y = getattr(t, name + "_" * inplace)(x * 1, p, train)
        y.sum().backward()
        values = sorted({round(v, 4) for v in y.detach().reshape(-1).tolist()})
        slopes = sorted({round(v, 4) for v in x.grad.reshape(-1).tolist()})
        found.append((type(y.grad_fn).__name__, values, slopes))
    assert found[0] == found[1]


def test_features_are_dropped_as_a_whole():
    gc.manual_seed(0)
    y = gc.feature_dropout(gc.ones(50, 40, 3), 0.3, True).numpy(force=True)
    assert ((y == 0).all(-1) == (y == 0).any(-1)).all()
    assert 0.2 < (y == 0).mean() < 0.4


def test_alpha_dropout_keeps_mean_and_variance():
    gc.manual_seed(0)
    y = gc.alpha_dropout(gc.randn(40_000), 0.3, True)
    assert abs(y.mean().item()) < 0.03
    assert abs(y.var().item() - 1) < 0.05


@pytest.mark.parametrize("train", [True, False, None])
def test_native_dropout(train, torch):
    nodes = []
    for t in (gc, torch):
        x = t.ones(100, requires_grad=True)
        y, mask = t.native_dropout(x, 0.5, train)
        nodes.append((type(y.grad_fn).__name__, mask.dtype == t.bool, mask.requires_grad))
        y.sum().backward()
        if train:
            assert x.grad.tolist() == y.tolist() == [2.0 * kept for kept in mask.tolist()]
    assert nodes[0] == nodes[1]


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("training", [True, False])
def test_rrelu(training, inplace, torch):
    nodes = []
    for t in (gc, torch):
        x = t.linspace(-2, 2, 40, requires_grad=True)
        y = t.nn.functional.rrelu(x * 1, 0.2, 0.4, training, inplace)
        nodes.append(type(y.grad_fn).__name__)
        y.sum().backward()
        slopes = x.grad.tolist()
        assert slopes[20:] == [1.0] * 20
        assert all(0.2 <= s <= 0.4 for s in slopes[:20])
        assert (len(set(slopes[:20])) > 1) == training
        assert (x.grad * x).tolist() == pytest.approx(y.tolist())
    assert nodes[0] == nodes[1]


@pytest.mark.parametrize(
    "expression",
    [
        "t.dropout(t.ones(2), 2.0, True)",
        "t.feature_dropout(t.ones(2), 0.5, True)",
        "t.alpha_dropout(t.ones(2, dtype=t.int64), 0.5, True)",
        "t.nn.functional.dropout1d(t.ones(2, 3, 4, 5))",
        "t.nn.functional.rrelu(t.ones(2), 0.5, 0.1)",
    ],
)
def test_errors(expression, torch):
    errors = []
    for t in (gc, torch):
        with pytest.raises((RuntimeError, ValueError)) as e:
            eval(expression, {"t": t})
        errors.append(type(e.value))
    assert issubclass(*errors)


def test_warns_of_dimensions():
    with pytest.warns(UserWarning, match="please use dropout"):
        functional.dropout2d(gc.ones(2, 3), 0.5)
    with pytest.warns(UserWarning, match="3-D input"):
        functional.dropout2d(gc.ones(2, 3, 4), 0.5)
    with pytest.warns(UserWarning, match="please use dropout"):
        functional.dropout3d(gc.ones(2, 3), 0.5)
