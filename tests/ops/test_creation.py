"""Tensors made beside others: ``new_*`` and ``*_like``."""

from __future__ import annotations

import pytest

MADE = {
    "new_zeros": lambda x: x.new_zeros(2, 3),
    "new_zeros of a tuple": lambda x: x.new_zeros((2, 3)),
    "new_zeros without dimensions": lambda x: x.new_zeros(()),
    "new_ones": lambda x: x.new_ones(3),
    "new_ones of a dtype": lambda x: x.new_ones(3, dtype=x.bool().dtype),
    "new_full": lambda x: x.new_full((2, 1), 3),
    "new_full that requires grad": lambda x: x.double().new_full((2,), 2.5, requires_grad=True),
    "new_empty of nothing": lambda x: x.new_empty(0, 2),
}


@pytest.mark.parametrize("dtype", ["float64", "int32", "bool"])
@pytest.mark.parametrize("name", MADE)
def test_made_in_the_dtype_of_another(t, name, dtype):
    x = t.ones(4, dtype=getattr(t, dtype))
    made = MADE[name](x)
    expected = "bool" if "of a dtype" in name else "float64" if "requires grad" in name else dtype
    assert made.dtype == getattr(t, expected)
    assert made.device == x.device
    assert made.is_leaf
    assert made.requires_grad == ("requires grad" in name)
    shapes = {"new_zeros": (2, 3), "new_zeros of a tuple": (2, 3), "new_ones": (3,), "new_ones of a dtype": (3,)}
    shapes |= {"new_full": (2, 1), "new_full that requires grad": (2,), "new_empty of nothing": (0, 2)}
    assert tuple(made.shape) == shapes.get(name, ())
    if made.numel():
        value = {"new_zeros": 0, "new_ones": 1, "new_full": 2.5 if "grad" in name else 3}[name.split()[0]]
        assert bool((made == t.tensor(value).to(made.dtype)).all())


@pytest.mark.parametrize("name", ["new_zeros", "new_ones", "new_empty"])
def test_new_tensors_refuse_negative_sizes(t, name):
    with pytest.raises(RuntimeError, match="negative dimension"):
        getattr(t.ones(2), name)(-1)


def test_integers_cannot_require_grad(t):
    with pytest.raises(RuntimeError, match="floating point and complex dtype can require gradients"):
        t.ones(2, dtype=t.int64).new_zeros(2, requires_grad=True)


LIKE = {
    "zeros_like": lambda t, x: t.zeros_like(x),
    "ones_like": lambda t, x: t.ones_like(x),
    "full_like": lambda t, x: t.full_like(x, 2),
    "empty_like": lambda t, x: t.empty_like(x).fill_(3),
    "new_zeros": lambda t, x: x.new_zeros(3),
    "new_ones": lambda t, x: x.new_ones(3),
    "new_full": lambda t, x: x.new_full((3,), 2),
}


@pytest.mark.parametrize("name", LIKE)
def test_made_beside_a_batch_each_element_can_be_written_to(t, name):
    def program(x):
        made = LIKE[name](t, x)
        made[1] = x[0]
        made[2:] += x[1:2]
        return made

    xs = t.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    found = t.func.vmap(program)(xs)
    assert found.tolist() == t.stack([program(x) for x in xs]).tolist()
    gradients = t.func.vmap(t.func.grad(lambda x: (program(x) * x).sum()))(xs)
    assert gradients.tolist() == t.stack([t.func.grad(lambda x: (program(x) * x).sum())(x) for x in xs]).tolist()


@pytest.mark.parametrize("make", ["zeros", "ones", "empty"])
def test_made_inside_a_gradient_they_can_be_written_to(t, make):
    def program(x):
        y = getattr(t, make)(3).fill_(1.0)
        y[0] = x[0] * x[1]
        y[1:].mul_(x[1:])
        return y.sum()

    x = t.tensor([2.0, 3.0, 4.0])
    assert t.func.grad(program)(x).tolist() == [3.0, 3.0, 1.0]
    assert t.func.jvp(program, (x,), (t.ones(3),))[1].item() == 7.0


def test_what_is_captured_cannot_be_written_to(t):
    y = t.zeros(3)

    def program(x):
        y[0] = x[0]
        return y.sum()

    with pytest.raises(RuntimeError, match="captured Tensor"):
        t.func.grad(program)(t.ones(3))
    with pytest.raises(RuntimeError):
        t.func.vmap(program)(t.ones(2, 3))
    assert not y.any()
