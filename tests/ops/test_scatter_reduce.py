"""Values brought together at an index, beside PyTorch: values, ties, zeros, gradients, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

X = np.array([[0.5, -1.5, 2.0, 0.0], [1.0, 3.0, -0.5, 0.25], [2.5, 1.0, 1.0, -2.0]])
SOURCE = np.array([[2.0, 0.0, 2.0, 1.0], [1.5, 1.5, -3.0, 2.0], [2.0, 0.0, 2.0, -1.0], [0.5, 4.0, 1.0, 2.0]])
INDEX = np.array([[0, 1, 2, 0], [0, 2, 2, 0], [2, 1, 2, 1]])

pytestmark = pytest.mark.filterwarnings("ignore:index_reduce.. is in beta")


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
def test_scatter_reduce(torch, reduce, include_self):
    # PyTorch has no second derivative of a product with several zeros at one place.
    agree(
        torch,
        f"x.scatter_reduce(0, y, z, {reduce!r}, include_self={include_self})",
        X,
        INDEX,
        SOURCE[:3] if reduce != "prod" else SOURCE[:3] + 0.125,
    )


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["prod", "mean", "amax", "amin"])
def test_index_reduce(torch, reduce, include_self):
    rows = SOURCE + 0.125 if reduce == "prod" else SOURCE
    agree(torch, f"x.index_reduce(0, y, z, {reduce!r}, include_self={include_self})", X, [2, 0, 2, 2], rows)
    agree(torch, f"x.index_reduce(1, y, z, {reduce!r}, include_self={include_self})", X, [1, 1], rows[:3, :2])


@pytest.mark.parametrize(
    "expression",
    [
        "x.scatter_reduce(1, y, z, 'amax')",  # a smaller index
        "x[0].scatter_reduce(0, y[0], z[0], 'prod')",
        "x.scatter_reduce(0, y[:0], z, 'amin')",
        "x[0, 0].scatter_reduce(0, y[0, 0], z[1, 0], 'mean')",
        "t.scatter_reduce(x, -1, y, z, 'mean', include_self=False)",
        "x.clone().scatter_reduce_(1, y, z, 'sum')",
        "x.clone().scatter_reduce_(1, y, z, 'amin', include_self=False)",
        "x.clone().index_reduce_(1, y[0], z[:3, :2], 'mean')",
        "x.to(t.int64).scatter_reduce(1, y, z.to(t.int64), 'prod')",
        "x.to(t.int64).scatter_reduce(1, y, z.to(t.int64), 'sum')",
        "x.float().scatter_reduce(1, y, z.float(), 'prod')",
    ],
)
def test_other_forms(torch, expression):
    # PyTorch has no derivative where the index is smaller than the source.
    agree(torch, expression, X, np.array([[0, 3], [0, 0], [2, 1]]), SOURCE + 0.125, order=0)


def test_gradient_where_the_index_is_smaller_than_the_source():
    from gradcore.autograd import gradcheck, gradgradcheck

    index = gc.tensor([[0, 3], [0, 0], [2, 1]])
    x, z = gc.tensor(X, requires_grad=True), gc.tensor(SOURCE + np.arange(16).reshape(4, 4) / 64, requires_grad=True)
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        for include_self in (True, False):

            def function(x, z, reduce=reduce, include_self=include_self):
                return x.scatter_reduce(1, index, z, reduce, include_self=include_self)

            assert gradcheck(function, (x, z))
            assert gradgradcheck(function, (x, z))


def test_a_zero_among_factors(torch):
    for zeros in ([0.0, 2.0, 3.0, 4.0], [0.0, 2.0, 0.0, 4.0], [1.0, 2.0, 0.0, 4.0]):
        agree(torch, "x.scatter_reduce(0, y, z, 'prod')", [2.0, 0.0, 5.0], [0, 0, 1, 1], zeros, order=1)
        agree(torch, "x.scatter_reduce(0, y, z, 'prod', include_self=False)", [2.0, 0.0], [0, 0, 0, 1], zeros, order=1)


def test_nan_is_kept(torch):
    for reduce in ("amax", "amin", "sum"):
        agree(torch, f"x.scatter_reduce(0, y, z, {reduce!r})", [1.0, 2.0], [0, 0, 1], [np.nan, 1.0, 5.0], order=0)


@pytest.mark.parametrize(
    "expression",
    [
        "x.scatter_reduce(0, y, x, 'median')",
        "x.scatter_reduce(5, y, x, 'sum')",
        "x.scatter_reduce(0, y + 9, x, 'sum')",
        "x.scatter_reduce(0, y - 9, x, 'amax')",
        "x.scatter_reduce(0, y.double(), x, 'sum')",
        "x.scatter_reduce(0, y, x.float(), 'sum')",
        "x.scatter_reduce(0, y, x[:1], 'sum')",
        "x.index_reduce(0, y[0], x, 'sum')",
        "x.index_reduce(0, y, x, 'mean')",
        "x.index_reduce(0, y[0] + 9, t.stack([x[0]] * 4), 'mean')",
        "(x * 1j).scatter_reduce(0, y, x * 1j, 'amax')",
    ],
)
def test_what_is_refused(torch, expression):
    agree(torch, expression, X, INDEX)


def test_what_is_refused_is_not_written(t):
    x = t.ones(3)
    for index, source in (([0, 5], [1.0, 2.0]), ([0, 1], [1.0])):
        with pytest.raises(RuntimeError):
            x.scatter_reduce_(0, t.tensor(index), t.tensor(source), "prod")
    assert x.tolist() == [1, 1, 1]
    assert x._version == 0


def test_many_values_at_few_places():
    rng = np.random.default_rng(0)
    index, values = rng.integers(0, 7, 5000), rng.random(5000)
    for reduce, function in (("amax", np.maximum), ("amin", np.minimum)):
        found = gc.zeros(7, dtype=gc.float64).scatter_reduce(
            0, gc.tensor(index), gc.tensor(values), reduce, include_self=False
        )
        assert found.tolist() == [function.reduce(values[index == k]) for k in range(7)]
