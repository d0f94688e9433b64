"""Powers and exponentials of matrices, and the products of gradcore.linalg, beside PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from programs import assert_raises
from referee import agree

import gradcore as gc


def numbers(*shape, seed=0, dtype=np.float64):
    made = np.random.default_rng(seed).standard_normal((2, *shape))
    return (made[0] + 1j * made[1] if np.dtype(dtype).kind == "c" else made[0]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128, np.float32])
@pytest.mark.parametrize("size", [1e-3, 0.1, 0.7, 2.0, 5.0, 20.0])
def test_exponentials_of_matrices_of_all_sizes(size, dtype, torch):
    x = numbers(2, 4, 4, dtype=dtype)
    x *= np.array(size / np.abs(x).sum(-2).max(), dtype)
    agree(torch, "t.linalg.matrix_exp(x)", x, order=2 if size < 3 else 0)


def test_exponentials_of_a_batch_of_small_and_large_matrices(torch):
    agree(torch, "t.matrix_exp(x)", numbers(3, 3, 3) * np.array([0.0, 1.0, 10.0])[:, None, None], order=1)


def test_exponentials_that_are_known(device):
    turned = gc.matrix_exp(gc.tensor([[0.0, -math.pi / 3], [math.pi / 3, 0.0]], dtype=gc.float64))
    np.testing.assert_allclose(turned.numpy(force=True), [[0.5, -math.sqrt(0.75)], [math.sqrt(0.75), 0.5]], rtol=1e-14)
    nilpotent = gc.tensor([[0.0, 1e3, 0.0], [0.0, 0.0, 1e3], [0.0, 0.0, 0.0]], dtype=gc.float64)
    np.testing.assert_allclose(
        nilpotent.matrix_exp().numpy(force=True), [[1, 1e3, 5e5], [0, 1, 1e3], [0, 0, 1]], rtol=1e-12
    )
    infinite = gc.tensor(np.stack([np.diag([np.inf, 0.0]), np.diag([0.0, 7.0])]))
    got = gc.matrix_exp(infinite).numpy(force=True)
    assert np.isnan(got[0]).any()
    np.testing.assert_allclose(got[1], np.diag([1.0, math.exp(7)]), rtol=1e-13)


@pytest.mark.parametrize("n", [-3, -2, -1, 0, 1, 5])
def test_powers(n, torch):
    agree(torch, f"t.linalg.matrix_power(x, {n})", numbers(2, 3, 3) + 3 * np.eye(3))
    agree(torch, f"t.matrix_power(x, {n})", numbers(3, 3, dtype=np.complex128))


def test_products(torch):
    for dtype in (np.float64, np.complex128):
        x, y = numbers(2, 3, dtype=dtype), numbers(2, 3, seed=1, dtype=dtype)
        agree(torch, "t.linalg.vecdot(x, y)", x, y)
        agree(torch, "t.linalg.vecdot(x, y, dim=0)", x, y)
        agree(torch, "t.linalg.vecdot(x[0], y[1])", x, y)
        agree(torch, "t.linalg.cross(x, y)", x, y)
        agree(torch, "t.linalg.cross(x[0], y[1])", x, y)
        agree(torch, "t.linalg.matmul(x, y.mT)", x, y)
        agree(torch, "t.linalg.multi_dot([x, y.mT, x])", x, y)
    agree(torch, "t.linalg.diagonal(x, offset=1)", numbers(2, 3, 4))
    agree(torch, "t.linalg.diagonal(x, dim1=0, dim2=2)", numbers(2, 3, 4))
    agree(torch, "t.linalg.vecdot(x, y)", np.array(2.0), np.array(3.0))


def test_powers_of_numbers(torch):
    agree(torch, "t.linalg.vander(x)", numbers(3))
    agree(torch, "t.linalg.vander(x, N=5)", numbers(2, 3))
    agree(torch, "t.linalg.vander(x, N=2)", np.array(3.0))
    agree(torch, "t.linalg.vander(x)", np.array([1, 2, 3], np.int32))
    for options in ("", ", 2", ", 1", ", 0", ", 4, increasing=True", ", N=3"):
        agree(torch, f"t.vander(x{options})", numbers(3), grad=[False])
    agree(torch, "t.vander(x)", np.array([1, 2, 3], np.int32))


def test_the_gradient_of_the_older_vander():
    # PyTorch has none: it writes over what it saved.
    x = gc.tensor(numbers(3), requires_grad=True)
    (got,) = gc.autograd.grad(gc.vander(x, 4, increasing=True).sum(), x)
    (want,) = gc.autograd.grad(gc.linalg.vander(x, N=4).sum(), x)
    assert bool(gc.allclose(got, want))


ERRORS = [
    ("t.matrix_exp(t.ones(2, 3))", RuntimeError, "A must be batches of square matrices, but they are 2 by 3 matrices"),
    ("t.matrix_exp(t.ones(2))", RuntimeError, "must have at least 2 dimensions"),
    ("t.matrix_exp(t.eye(2).long())", RuntimeError, "Expected a floating point or complex tensor as input. Got Long"),
    ("t.linalg.matrix_power(t.ones(2, 2), -1)", RuntimeError, "the input matrix is singular"),
    ("t.linalg.vander(t.ones(3), N=1)", RuntimeError, "N must be greater than 1"),
    ("t.linalg.vander(t.ones(3).bool())", RuntimeError, "but got Bool"),
    ("t.vander(t.ones(2, 2))", RuntimeError, "x must be a one-dimensional tensor"),
    ("t.vander(t.ones(2), -1)", RuntimeError, "N must be non-negative"),
    (
        "t.linalg.vecdot(t.ones(2).long(), t.ones(2).long())",
        RuntimeError,
        "Expected a floating point or complex tensor",
    ),
    ("t.linalg.vecdot(t.ones(2), t.ones(2).double())", RuntimeError, "to have the same dtype"),
    ("t.linalg.cross(t.ones(3), t.ones(2, 3))", RuntimeError, "must have the same number of dimensions"),
    ("t.linalg.cross(t.ones(2), t.ones(2))", RuntimeError, "must have length 3"),
    ("t.linalg.diagonal(t.ones(2))", IndexError, "Dimension out of range"),
    ("t.linalg.multi_dot([t.ones(2, 2)])", RuntimeError, "expected at least 2 tensors"),
]


@pytest.mark.parametrize(
    ("program", "error", "phrases"), [(p, e, m) for p, e, *m in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_errors(program, error, phrases, t):
    if "singular" in phrases[0]:
        error = t.linalg.LinAlgError
    assert_raises(program, t, error, *phrases)


@pytest.mark.parametrize("tolerance", ["rtol", "atol"])
def test_tolerances_have_no_gradient(tolerance, torch):
    program = f"t.linalg.pinv(x, {tolerance}=y)"
    agree(torch, program, numbers(3, 2), np.array(0.1))  # refused
    agree(torch, program, numbers(3, 2), np.array(0.1), grad=[True, False])
