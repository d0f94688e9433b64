"""Random numbers by their distribution, beside PyTorch's where that has parameters to misread; nodes and errors."""

from __future__ import annotations

import numpy as np
import pytest

import gradcore as gc
from gradcore.func import vmap

COUNT = 4000
FILLS = [
    "bernoulli_(0.3)",
    "bernoulli_(t.full((1,), 0.3))",
    "cauchy_(1.0, 0.5)",
    "exponential_(2.0)",
    "geometric_(0.3)",
    "log_normal_(0.2, 0.4)",
    "random_(3, 9)",
    "random_(7)",
    "random_()",
]


@pytest.mark.parametrize("fill", FILLS)
def test_quantiles(fill, torch):
    quantiles = []
    for t in (gc, torch):
        t.manual_seed(1)
        x = eval(f"t.empty(COUNT, dtype=t.float64).{fill}", {"t": t, "COUNT": COUNT})
        quantiles.append(np.quantile(x.numpy(force=True), [0.1, 0.25, 0.5, 0.75, 0.9]))
    scale = np.abs(quantiles[1]).max()
    np.testing.assert_allclose(quantiles[0], quantiles[1], rtol=0.15, atol=0.06 * scale)


@pytest.mark.parametrize("fill", FILLS)
def test_nodes(fill, torch):
    found = []
    for t in (gc, torch):
        x = t.ones(3, requires_grad=True)
        y = eval(f"(x * 2).{fill}", {"t": t, "x": x})
        y.sum().backward()
        found.append((type(y.grad_fn).__name__, x.grad.tolist()))
    assert found[0] == found[1]


def test_integers_and_their_bounds():
    x = gc.empty(2000, dtype=gc.uint8).random_()
    assert x.min().item() < 10
    assert x.max().item() > 245
    assert sorted(set(gc.empty(200, dtype=gc.int64).random_(-2, 2).tolist())) == [-2, -1, 0, 1]
    assert set(gc.empty(50, dtype=gc.bool).random_().tolist()) == {False, True}
    assert gc.empty(500, dtype=gc.int64).geometric_(0.9).min().item() == 1


@pytest.mark.parametrize(
    "expression",
    [
        "t.ones(3).cauchy_(0, 0)",
        "t.ones(3).exponential_(-1.0)",
        "t.ones(3, dtype=t.int64).exponential_()",
        "t.ones(3).geometric_(1.0)",
        "t.ones(3, dtype=t.bool).geometric_(0.5)",
        "t.ones(3).log_normal_(0, 0)",
        "t.ones(3, dtype=t.int64).log_normal_()",
        "t.ones(3).random_(5, 3)",
        "t.ones(3, dtype=t.uint8).random_(300)",
        "t.ones(3).bernoulli_(1.5)",
        "t.ones(3).bernoulli_(t.ones(2))",
        "t.ones(3).bernoulli_(t.tensor(1.5))",
        "t.bernoulli(t.tensor([1.5]))",
        "t.bernoulli(t.tensor([1]))",
        "t.multinomial(t.tensor([1.0, 2.0]), 0)",
        "t.multinomial(t.tensor([1.0, 2.0]), 3)",
        "t.multinomial(t.tensor([1, 2]), 1)",
        "t.multinomial(t.ones(1, 1, 2), 1)",
        "t.multinomial(t.tensor([1.0, -2.0]), 1)",
        "t.multinomial(t.tensor([0.0, 0.0]), 1)",
        "t.poisson(t.tensor([-1.0]))",
        "t.poisson(t.tensor([1]))",
        "t.binomial(t.tensor([5]), t.tensor([0.5]))",
    ],
)
def test_errors(expression, torch):
    errors = []
    for t in (gc, torch):
        with pytest.raises((RuntimeError, ValueError)) as e:
            eval(expression, {"t": t})
        errors.append(type(e.value))
    assert issubclass(*errors)


def test_a_leaf_is_not_filled():
    x = gc.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.exponential_()
    assert x.tolist() == [1.0] * 3


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial(replacement):
    gc.manual_seed(0)
    weights = gc.tensor([[1.0, 0.0, 3.0], [2.0, 2.0, 0.0]]).repeat(2000, 1)
    drawn = gc.multinomial(weights, 2, replacement).numpy(force=True).reshape(2000, 2, 2)
    assert not (drawn[:, 0] == 1).any()
    assert not (drawn[:, 1] == 2).any()
    assert (drawn[:, 0, 0] == 2).mean() == pytest.approx(0.75, abs=0.05)
    assert (drawn[:, 1, 0] == 0).mean() == pytest.approx(0.5, abs=0.05)
    assert (drawn[..., 0] == drawn[..., 1]).any() == replacement
    assert gc.multinomial(gc.tensor([0.0, 1.0]), 1).tolist() == [1]


def test_poisson_and_binomial():
    gc.manual_seed(0)
    rate = gc.full((COUNT,), 3.5, requires_grad=True)
    x = gc.poisson(rate)
    assert x.mean().item() == pytest.approx(3.5, abs=0.15)
    assert x.var().item() == pytest.approx(3.5, abs=0.4)
    x.sum().backward()
    assert rate.grad.abs().sum().item() == 0
    y = gc.binomial(gc.full((COUNT,), 10.0), gc.tensor(0.3))
    assert y.mean().item() == pytest.approx(3, abs=0.15)
    assert y.var().item() == pytest.approx(2.1, abs=0.3)


def test_within_a_batch():
    def draw(x):
        return x.new_zeros(4).exponential_()

    x = gc.zeros(3)
    different = vmap(lambda x: x + gc.bernoulli(gc.full((20,), 0.5)), randomness="different")(x)
    assert not gc.equal(different[0], different[1])
    same = vmap(lambda x: x + gc.bernoulli(gc.full((20,), 0.5)), randomness="same")(x)
    assert gc.equal(same[0], same[1])
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(draw)(x)
    with pytest.raises(NotImplementedError, match="outside"):
        vmap(gc.poisson, randomness="different")(gc.ones(3))
