"""Norms, condition numbers and ranks beside PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from programs import assert_raises
from referee import agree

import gradcore as gc
from gradcore.autograd import gradcheck


def numbers(*shape, seed=0, dtype=np.float64):
    made = np.random.default_rng(seed).standard_normal((2, *shape))
    return (made[0] + 1j * made[1] if np.dtype(dtype).kind == "c" else made[0]).astype(dtype)


@pytest.mark.parametrize("order", ["'fro'", "'nuc'", "2", "-2", "1", "-1", "inf", "-inf"])
def test_norms_of_matrices(order, torch):
    for dtype in (np.float64, np.complex128):
        agree(torch, f"t.linalg.matrix_norm(x, {order})", numbers(3, 2, dtype=dtype))
        agree(torch, f"t.linalg.norm(x, {order}, dim=(2, 0), keepdim=True)", numbers(3, 2, 4, dtype=dtype))
    agree(torch, f"t.linalg.matrix_norm(x, {order}, dim=(0, -1))", numbers(3, 2, 2))
    agree(torch, f"t.linalg.matrix_norm(x, {order}, dtype=t.float64)", numbers(2, 3, dtype=np.float32))


@pytest.mark.parametrize("order", ["'fro'", "'nuc'", "2", "1", "inf", "-1", "-2"])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 2, 2)])
def test_norms_of_nothing(order, shape, torch):
    agree(torch, f"t.linalg.matrix_norm(x, {order})", np.zeros(shape))
    agree(torch, f"t.linalg.matrix_norm(x, {order}, keepdim=True)", np.zeros(shape))


@pytest.mark.parametrize("order", ["None", "2", "1", "0", "3", "0.5", "inf", "-inf", "-1"])
def test_norms_of_vectors(order, torch):
    for operands in ("x[0]", "x, dim=1", "x, dim=(1,), keepdim=True"):
        agree(torch, f"t.linalg.norm({operands}, ord={order})", numbers(2, 3))
    if order != "None":
        agree(torch, f"t.linalg.vector_norm(x, {order})", numbers(2, 3, dtype=np.complex128))
        agree(torch, f"t.linalg.vector_norm(x, {order}, dim=(0, 2), keepdim=True)", numbers(2, 3, 2))


@pytest.mark.parametrize("order", ["'fro'", "'nuc'", "1", "inf", "-inf", "2"])
def test_the_gradient_of_a_norm_at_zero(order, torch):
    agree(torch, f"t.linalg.matrix_norm(x, {order})", np.zeros((2, 2)), order=1)
    agree(torch, f"t.linalg.matrix_norm(x, {order})", np.zeros((2, 3)), order=1)


@pytest.mark.parametrize("order", ["2", "1", "3", "inf", "0.5", "-1"])
def test_the_gradient_of_a_norm_of_zeros(order, torch):
    agree(torch, f"t.linalg.vector_norm(x, {order})", np.zeros(3), order=1)
    agree(torch, f"t.linalg.vector_norm(x, {order}, dim=1)", np.array([[0.0, 0.0], [0.0, 2.0]]), order=1)


def test_the_older_norm_knows_the_nuclear_one(torch):
    agree(torch, "t.norm(x, 'nuc')", numbers(3, 2))
    agree(torch, "x.norm('nuc', (0, 2), keepdim=True)", numbers(3, 2, 2))
    agree(torch, "t.norm(x, 'nuc')", numbers(3, 2, 2))


@pytest.mark.parametrize("p", ["None", "2", "-2", "1", "-1", "inf", "-inf", "'fro'", "'nuc'"])
def test_condition_numbers(p, torch):
    # PyTorch cannot go back through some of these: it writes into the inverse.
    order = 2 if p in {"None", "2", "-2"} else 0
    agree(torch, f"t.linalg.cond(x, {p})", numbers(2, 3, 3), order=order)
    agree(torch, f"t.linalg.cond(x, {p})", numbers(3, 3, dtype=np.complex128), order=order)
    agree(torch, f"t.linalg.cond(x, {p})", np.stack([np.diag([1.0, 0.0]), np.eye(2)]), order=0)
    agree(torch, f"t.linalg.cond(x, {p})", np.zeros((2, 0, 0)), order=0)
    agree(torch, f"t.linalg.cond(x, {p})", numbers(3, 2))


@pytest.mark.parametrize("p", [1, -1, math.inf, "fro", "nuc"])
def test_gradients_of_condition_numbers(p):
    x = gc.tensor(numbers(2, 3, 3), requires_grad=True)
    assert gradcheck(lambda x: gc.linalg.cond(x, p), (x,))


@pytest.mark.parametrize(
    "options",
    ["", "hermitian=True", "atol=0.5", "rtol=0.3", "atol=0.1, rtol=0.2", "tol=2.0", "atol=t.tensor([0.1, 9.0])"],
)
def test_ranks(options, torch):
    low = numbers(4, 2) @ numbers(2, 4, seed=1)
    x = np.stack([low + low.T, np.diag([3.0, 1.0, 0.4, 0.0])])
    agree(torch, f"t.linalg.matrix_rank(x, {options})", x, grad=[False])
    agree(torch, "t.linalg.matrix_rank(x)", np.zeros((2, 0, 3)), grad=[False])
    assert not gc.linalg.matrix_rank(gc.eye(2, requires_grad=True)).requires_grad


ERRORS = [
    (
        "t.linalg.norm(t.ones(2, 2, 2), 2)",
        RuntimeError,
        "If dim is not specified but ord is, the input must be 1D or 2D. Got 3D",
    ),
    (
        "t.linalg.norm(t.ones(2, 2, 2), 2, dim=(0, 1, 2))",
        RuntimeError,
        "If dim is specified, it must be of length 1 or 2",
    ),
    ("t.linalg.norm(t.ones(2), 'fro')", RuntimeError, "must have at least 2 dimensions"),
    ("t.linalg.norm(t.ones(2, 2), 'fro', dim=0)", RuntimeError, "dim must be a 2-tuple"),
    ("t.linalg.norm(t.ones(2, 2), 'abc')", RuntimeError, "Order abc not supported"),
    (
        "t.linalg.norm(t.ones(2, 2).long())",
        RuntimeError,
        "Expected a floating point or complex tensor as input. Got Long",
    ),
    ("t.linalg.norm(t.ones(2, 2), 1, dtype=t.int64)", RuntimeError, "dtype should be floating point or complex"),
    ("t.linalg.norm(t.ones(2, 2), 2, dtype=t.complex64)", RuntimeError, "dtype should be real for real inputs"),
    ("t.linalg.norm(t.ones(2, 2).double(), dtype=t.float32)", RuntimeError, "should be convertible without narrowing"),
    ("t.linalg.matrix_norm(t.ones(2, 2), 3)", RuntimeError, "Order 3 not supported"),
    ("t.linalg.matrix_norm(t.ones(2, 2), dim=(0, 0))", RuntimeError, "dims must be different. Got (0, 0)"),
    ("t.linalg.matrix_norm(t.ones(2, 2), dim=(0, 5))", IndexError, "Dimension out of range"),
    ("t.linalg.vector_norm(t.ones(2), 'fro')", TypeError, "must be Number, not str"),
    ("t.linalg.vector_norm(t.ones(2), 2j)", RuntimeError, "Expected a non-complex scalar as the order of norm"),
    ("t.linalg.vector_norm(t.ones(0), float('inf'))", RuntimeError, "cannot compute the inf norm on"),
    ("t.linalg.cond(t.ones(2, 3), 1)", RuntimeError, "linalg.cond(ord=1): A must be batches of square matrices"),
    ("t.linalg.cond(t.ones(2, 2), 3)", RuntimeError, "got an invalid norm type: 3"),
    ("t.linalg.cond(t.ones(2))", RuntimeError, "The input tensor must have at least 2 dimensions"),
    ("t.linalg.matrix_rank(t.ones(2))", RuntimeError, "must have at least 2 dimensions"),
    ("t.linalg.matrix_rank(t.eye(2), atol=t.tensor(1j))", RuntimeError, "atol tensor of complex type is not supported"),
    ("t.norm(t.ones(2), 'nuc')", RuntimeError, "must have at least 2 dimensions"),
    ("t.norm(t.ones(2, 2, 2), 'nuc')", RuntimeError, "dim must be a 2-tuple. Got 0 1 2"),
]


@pytest.mark.parametrize(
    ("program", "error", "phrases"), [(p, e, m) for p, e, *m in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_errors(program, error, phrases, t):
    assert_raises(program, t, error, *phrases)
