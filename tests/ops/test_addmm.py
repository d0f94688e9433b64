"""Sums with a matrix product, and the linear map: values and gradients beside PyTorch's, layout, errors."""

from __future__ import annotations

import numpy as np
import pytest
from programs import assert_raises
from referee import agree

import gradcore as gc
from gradcore.ops.addmm import linear


def numbers(*shape, seed=0, dtype=np.float64):
    made = np.random.default_rng(seed).standard_normal((2, *shape))
    return (made[0] + 1j * made[1] if np.dtype(dtype).kind == "c" else made[0]).astype(dtype)


def ones(*shape, dtype="float32"):
    return np.ones(shape, dtype)


SUMS = {
    "addmm": ((2, 3), (3, 4), [(2, 4), (4,), (1, 4), (2, 1), ()]),
    "addmv": ((2, 3), (3,), [(2,), (1,), ()]),
    "addr": ((2,), (4,), [(2, 4), (4,), (2, 1), ()]),
    "addbmm": ((3, 2, 3), (3, 3, 4), [(2, 4), (4,), ()]),
    "baddbmm": ((3, 2, 3), (3, 3, 4), [(3, 2, 4), (3, 1, 4), (2, 4), (4,), ()]),
}


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("factors", ["", ", beta=0.5, alpha=-2", ", beta=2", ", alpha=0", ", beta=0"])
def test_sums_with_a_product(name, factors, torch):
    a, b, summands = SUMS[name]
    for s in summands:
        agree(torch, f"t.{name}(x, y, z{factors})", numbers(*s), numbers(*a, seed=1), numbers(*b, seed=2))


@pytest.mark.parametrize("name", SUMS)
def test_sums_with_a_product_of_complex_numbers(name, torch):
    a, b, (s, *_) = SUMS[name]
    arrays = [numbers(*shape, seed=i, dtype="complex128") for i, shape in enumerate((s, a, b))]
    agree(torch, f"t.{name}(x, y, z, beta=1 - 2j, alpha=0.5 + 1j)", *arrays)


@pytest.mark.parametrize("name", SUMS)
def test_sums_with_a_product_in_place(name, torch):
    a, b, (s, *_) = SUMS[name]
    agree(torch, f"(x * 1).{name}_(y, z, beta=0.5, alpha=2)", numbers(*s), numbers(*a, seed=1), numbers(*b, seed=2))


def test_addr_promotes(torch):
    # PyTorch computes no gradient here: its own addmv refuses the mixed dtypes.
    agree(torch, "t.addr(x, y, z)", ones(2, 3, dtype="float64"), ones(2), ones(3), order=0)
    agree(torch, "t.addr(x, y, z)", ones(2, 3, dtype="int64"), ones(2, dtype="int64"), ones(3), order=0)


@pytest.mark.parametrize("name", SUMS)
def test_beta_zero_does_not_read_the_summand(name):
    a, b, (s, *_) = SUMS[name]
    x, y, z = gc.full(s, float("nan"), requires_grad=True), gc.ones(a), gc.ones(b)
    out = getattr(gc, name)(x, y, z, beta=0)
    assert gc.isfinite(out).all()
    out.sum().backward()
    assert (x.grad == 0).all()


@pytest.mark.parametrize("size", [(4,), (2, 4), (2, 3, 4), (2, 2, 3, 4), (0, 4), (2, 0, 4)])
@pytest.mark.parametrize("input_grad", [True, False])
def test_linear(size, input_grad, torch):
    x, w, b = numbers(*size), numbers(5, 4, seed=1), numbers(5, seed=2)
    agree(torch, "F.linear(x, y)", x, w, grad=(input_grad, True))
    agree(torch, "F.linear(x, y, z)", x, w, b, grad=(input_grad, True, True))


def test_a_weight_keeps_its_gradient_without_a_copy():
    from gradcore_backends import _pool

    if gc.get_default_device().type != "cpu" or not _pool.EXACT_COUNTS:
        pytest.skip("only NumPy, on a Python that counts references exactly, knows that nobody else holds the product")
    weight = gc.ones(50, 40, requires_grad=True)
    linear(gc.ones(3, 40), weight).sum().backward()
    # The transpose of the product as it was computed; a copy would own its memory.
    assert not weight.grad._data.flags.owndata


def test_linear_of_other_layouts_and_biases(torch):
    x, w = numbers(3, 2, 4), numbers(5, 4, seed=1)
    agree(torch, "F.linear(x.transpose(0, 1), y, z)", x, w, numbers(5, seed=2))
    agree(torch, "F.linear(x, y, z)", x, w, numbers(2, 5, seed=2))
    agree(torch, "F.linear(x[0], y, z)", x, w, numbers(seed=2))
    agree(torch, "F.linear(x[0], y[0])", x, w)


def test_gradients_of_linear_have_the_layout_of_the_leaf():
    weight, bias = gc.ones(5, 4, requires_grad=True), gc.ones(5, requires_grad=True)
    for x in (gc.ones(3, 4), gc.ones(2, 3, 4)):
        weight.grad = None
        linear(x, weight, bias).sum().backward()
        assert weight.grad.is_contiguous()
        assert weight.grad.stride() == weight.stride()
    for expression in (lambda x, w: x @ w, lambda x, w: w.t() @ x.t(), lambda x, w: w.t().mm(x.t())):
        x, w = gc.ones(3, 5, requires_grad=True), gc.ones(5, 4, requires_grad=True)
        expression(x, w).sum().backward()
        assert x.grad.stride() == x.stride()
        assert w.grad.stride() == w.stride()


ERRORS = [
    ("t.addmm(t.ones(5), t.ones(2, 3), t.ones(3, 4))", RuntimeError, "must match the existing size (5)", "dimension 1"),
    ("t.addmm(t.ones(2, 2, 4), t.ones(2, 3), t.ones(3, 4))", RuntimeError, "the number of sizes provided (2)"),
    ("t.addmm(t.ones(4), t.ones(2, 3, 3), t.ones(3, 4))", RuntimeError, "mat1 must be a matrix, got 3-D tensor"),
    ("t.addmm(t.ones(4).double(), t.ones(2, 3), t.ones(3, 4))", RuntimeError, "the same dtype"),
    ("t.addmv(t.ones(3), t.ones(2, 3), t.ones(3))", RuntimeError),
    ("t.addr(t.ones(3, 3), t.ones(2), t.ones(3))", RuntimeError, "must match the existing size (3)", "dimension 0"),
    ("t.addr(t.ones(2, 3), t.ones(2, 2), t.ones(3))", RuntimeError, "Expected 1-D argument vec1, but got 2-D"),
    (
        "t.addr(t.ones(2).long(), t.ones(2).long(), t.ones(2).long(), alpha=1.5)",
        RuntimeError,
        "argument alpha must not be",
    ),
    ("t.baddbmm(t.ones(3, 5), t.ones(2, 3, 4), t.ones(2, 4, 4))", RuntimeError, "must match the existing size (5)"),
    ("t.addbmm(t.ones(2, 3, 4), t.ones(2, 3, 4), t.ones(2, 4, 4))", RuntimeError, "the number of sizes provided (2)"),
    (
        "t.nn.functional.linear(t.ones(()), t.ones(2, 3))",
        RuntimeError,
        "both arguments to linear need to be at least 1D",
    ),
    ("t.nn.functional.linear(t.ones(2, 3), t.ones(2, 4))", RuntimeError, "shapes cannot be multiplied (2x3 and 4x2)"),
    ("t.nn.functional.linear(t.ones(2, 3), t.ones(2, 2, 3))", RuntimeError, "<= 2 dimensions"),
]


@pytest.mark.parametrize(
    ("program", "error", "phrases"), [(p, e, m) for p, e, *m in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_errors(program, error, phrases, t):
    assert_raises(program, t, error, *phrases)


def test_an_integer_product_refuses_fractions_instead_of_cutting_them():
    x = gc.ones(2, 2).long()
    with pytest.raises(RuntimeError, match="argument alpha must not be a floating point number"):
        gc.addmm(x, x, x, alpha=1.5)


@pytest.mark.parametrize("factors", ["", ", beta=3, alpha=2", ", beta=0", ", alpha=0", ", beta=0.5"])
def test_outer_products_of_truth_values(factors, torch):
    matrix = np.array([[True, False], [False, False]])
    agree(torch, f"t.addr(x, y, z{factors})", matrix, np.array([True, False]), np.array([False, True]))
