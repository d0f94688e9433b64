"""Random numbers inside ``vmap``: refused, the same for all elements, or others for each."""

from __future__ import annotations

import pytest

# Each gives numbers for one element, x is a batched vector of ones.
DRAWS = {
    "rand": lambda t, x: t.rand(50),
    "randn": lambda t, x: t.randn(50),
    "randint": lambda t, x: t.randint(0, 1000, (50,)),
    "randperm": lambda t, x: t.randperm(50),
    "normal": lambda t, x: t.normal(0.0, 1.0, (50,)),
    "bernoulli": lambda t, x: t.bernoulli(t.full((50,), 0.5)),
    "rand_like": lambda t, x: t.rand_like(x),
    "randn_like": lambda t, x: t.randn_like(x),
    "randint_like": lambda t, x: t.randint_like(x, 1000),
    "uniform_": lambda t, x: x.clone().uniform_(),
    "normal_": lambda t, x: x.clone().normal_(2.0, 3.0),
    "normal_ through a view": lambda t, x: x.clone()[1:].normal_(),
    "normal_ of new": lambda t, x: x.new_zeros(50).normal_(),
    "dropout": lambda t, x: t.nn.functional.dropout(x),
    "dropout of what is not batched": lambda t, x: t.nn.functional.dropout(t.ones(50)),
    "dropout_": lambda t, x: t.nn.functional.dropout(x.clone(), inplace=True),
    "Dropout": lambda t, x: t.nn.Dropout(0.5)(x),
}
# With a batched operand PyTorch does not do these with randomness="same".
OF_A_BATCH = {
    "bernoulli of a batch": lambda t, x: t.bernoulli(x / 2),
    "normal of a batch": lambda t, x: t.normal(x, 1.0),
}


def _run(t, draw, randomness, seed=7, batch=3):
    t.manual_seed(seed)
    return t.func.vmap(lambda x: draw(t, x), randomness=randomness)(t.ones(batch, 50))


@pytest.mark.parametrize("name", [*DRAWS, *OF_A_BATCH])
def test_refused_by_default(t, name):
    with pytest.raises(RuntimeError, match=r"called random operation while in randomness error mode"):
        _run(t, (DRAWS | OF_A_BATCH)[name], "error")
    with pytest.raises(RuntimeError, match=r"called random operation"):
        t.func.vmap(lambda x: (DRAWS | OF_A_BATCH)[name](t, x))(t.ones(3, 50))


@pytest.mark.parametrize("name", DRAWS)
def test_same(t, name):
    out = _run(t, DRAWS[name], "same")
    assert out.shape[0] == 3
    assert bool((out == out[:1]).all())
    assert bool((out[0] != out[0, 0]).any())
    assert bool((out == _run(t, DRAWS[name], "same")).all())
    assert not bool((out == _run(t, DRAWS[name], "same", seed=8)).all())


@pytest.mark.parametrize("name", [*DRAWS, *OF_A_BATCH])
def test_different(t, name):
    draw = (DRAWS | OF_A_BATCH)[name]
    out = _run(t, draw, "different")
    assert out.shape[0] == 3
    assert bool((out[0] != out[1]).any())
    assert bool((out[1] != out[2]).any())
    assert bool((out == _run(t, draw, "different")).all())


def test_permutations_are_permutations(t):
    out = _run(t, DRAWS["randperm"], "different")
    assert all(sorted(row) == list(range(50)) for row in out.tolist())
    assert _run(t, DRAWS["randperm"], "different", batch=1).shape == (1, 50)


@pytest.mark.parametrize("fill", ["uniform_", "normal_"])
def test_different_numbers_cannot_be_written_into_what_all_share(t, fill):
    y = t.zeros(4)
    with pytest.raises(RuntimeError, match=r"different inplace randomness on an unbatched tensor"):
        t.func.vmap(lambda x: x + getattr(y, fill)(), randomness="different")(t.ones(3, 4))
    assert not y.any()
    out = t.func.vmap(lambda x: x + getattr(y, fill)(), randomness="same")(t.zeros(3, 4))
    assert bool((out == y).all())
    assert y.any()


@pytest.mark.parametrize("outer", ["same", "different"])
@pytest.mark.parametrize("inner", ["same", "different"])
def test_nested(t, outer, inner):
    program = t.func.vmap(t.func.vmap(lambda x: x + t.rand(20), randomness=inner), randomness=outer)
    out = program(t.zeros(2, 3, 20))
    assert bool((out[0] == out[1]).all()) == (outer == "same")
    assert bool((out[:, 0] == out[:, 1]).all()) == (inner == "same")


def test_the_outer_one_may_refuse(t):
    program = t.func.vmap(t.func.vmap(lambda x: x + t.rand(2), randomness="different"))
    with pytest.raises(RuntimeError, match=r"called random operation"):
        program(t.zeros(2, 3, 2))


def test_gradients_with_random_numbers(t):
    def program(x):
        return (t.randn(20) * x.sin()).sum() + (t.nn.functional.dropout(x) * x).sum()

    def run(randomness):
        t.manual_seed(3)
        return t.func.vmap(t.func.grad(program), randomness=randomness)(t.ones(2, 20))

    same, different = run("same"), run("different")
    assert bool((same[0] == same[1]).all())
    assert bool((different[0] != different[1]).any())


def test_numbers_written_over_an_operand_take_its_gradient(t):
    def program(x):
        y = x * 2
        y[1:].normal_()
        return y.sum()

    assert t.func.grad(program)(t.ones(3)).tolist() == [2.0, 0.0, 0.0]
    assert t.func.vmap(t.func.grad(program), randomness="different")(t.ones(2, 3)).tolist() == [[2.0, 0.0, 0.0]] * 2


def test_drawn_as_outside_where_no_batch_is(t):
    def program(x):
        return (x * t.rand(3)).sum()

    t.manual_seed(5)
    inside = t.func.grad(program)(t.ones(3))
    t.manual_seed(5)
    assert bool((inside == t.rand(3)).all())


def test_randomness_must_be_known(t):
    with pytest.raises(RuntimeError, match=r"Only allowed values for randomness are 'error', 'different', or 'same'"):
        t.func.vmap(lambda x: x, randomness="any")(t.ones(2))
