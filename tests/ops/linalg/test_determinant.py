"""Determinants beside PyTorch's, where matrices are singular above all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from programs import assert_raises
from referee import agree

import gradcore as gc
from gradcore.func import hessian, jacfwd, jacrev, vmap


def numbers(*shape, seed=0, dtype=np.float64):
    made = np.random.default_rng(seed).standard_normal((2, *shape))
    return (made[0] + 1j * made[1] if np.dtype(dtype).kind == "c" else made[0]).astype(dtype)


def of_rank(rank, n=3, dtype=np.float64, seed=0):
    return numbers(n, rank, dtype=dtype, seed=seed) @ numbers(rank, n, dtype=dtype, seed=seed + 1)


def cofactors(a):
    n = a.shape[-1]
    out = np.empty_like(a)
    for i, j in itertools.product(range(n), range(n)):
        minor = np.delete(np.delete(a, i, 0), j, 1)
        out[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return out


@pytest.mark.parametrize("dtype", [np.float64, np.complex128, np.float32, np.complex64])
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3), (2, 1, 2, 2), (1, 1)])
def test_determinants(shape, dtype, torch):
    a = numbers(*shape, dtype=dtype)
    agree(torch, "t.det(x)", a)
    agree(torch, "t.linalg.det(x.mT)", a)
    agree(torch, "tuple(t.slogdet(x))", a)
    agree(torch, "tuple(t.linalg.slogdet(x))[1]", a)
    agree(torch, "t.logdet(x)", a)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_gradient_at_a_singular_matrix_is_that_of_its_cofactors(rank, dtype):
    a = of_rank(rank, dtype=dtype)
    x = gc.tensor(a, requires_grad=True)
    for create_graph in (False, True):
        (got,) = gc.autograd.grad(gc.det(x), x, gc.ones((), dtype=x.dtype), create_graph=create_graph)
        np.testing.assert_allclose(got.numpy(force=True), cofactors(a).conj(), atol=1e-12)


def test_a_zero_that_elimination_finds(torch):
    # Exactly singular: 0 on the diagonal of U, not a small number.
    exact = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 5.0]])
    agree(torch, "t.det(x)", exact, order=2)
    agree(torch, "t.det(x)", np.stack([exact, numbers(3, 3), np.zeros((3, 3))]), order=0)
    agree(torch, "t.linalg.det(x * y)", exact, np.array(2.0))


def test_a_batch_of_singular_and_other_matrices(device):
    batch = np.stack([of_rank(1), numbers(3, 3), of_rank(0), of_rank(2), np.full((3, 3), np.nan)])
    x = gc.tensor(batch, requires_grad=True)
    (got,) = gc.autograd.grad(gc.det(x).sum(), x)
    got = got.numpy(force=True)
    np.testing.assert_allclose(got[:4], [cofactors(a) for a in batch[:4]], atol=1e-12)
    assert np.isnan(got[4]).all()


def test_second_derivatives_at_singular_matrices(device):
    for a in (of_rank(1), of_rank(2), of_rank(0), of_rank(3)):
        x = gc.tensor(a)
        got = hessian(gc.det)(x).numpy(force=True)
        # d2 det / dA_ij dA_kl of a 3 x 3 matrix is plus or minus the element that is in neither's row nor column.
        step = 1e-5
        for i, j in itertools.product(range(3), range(3)):
            shift = np.zeros((3, 3))
            shift[i, j] = step
            want = (cofactors(a + shift) - cofactors(a - shift)) / (2 * step)
            np.testing.assert_allclose(got[i, j], want, atol=1e-8)


def test_derivatives_of_third_order():
    a = numbers(3, 3) + np.eye(3)
    x = gc.tensor(a)
    third = jacrev(hessian(gc.det))(x).numpy(force=True)
    # Of a 3 x 3 determinant that is the product of three Levi-Civita symbols' sum: 1 or -1 for elements of three rows and columns.
    for rows, columns in itertools.product(itertools.permutations(range(3)), repeat=2):
        sign = np.linalg.det(np.eye(3)[list(rows)]) * np.linalg.det(np.eye(3)[list(columns)])
        got = third[rows[0], columns[0], rows[1], columns[1], rows[2], columns[2]]
        np.testing.assert_allclose(got, sign, atol=1e-9)
    np.testing.assert_allclose(jacfwd(jacfwd(jacfwd(gc.det)))(x).numpy(force=True), third, atol=1e-9)
    with pytest.raises(gc.linalg.LinAlgError, match="no derivatives beyond the second"):
        jacrev(jacrev(jacrev(gc.det)))(gc.zeros(3, 3, dtype=gc.float64))


def test_batches_of_gradients():
    a = np.stack([of_rank(1), numbers(3, 3), of_rank(2)])
    got = vmap(jacrev(gc.det))(gc.tensor(a)).numpy(force=True)
    np.testing.assert_allclose(got, [cofactors(x) for x in a], atol=1e-12)
    np.testing.assert_allclose(vmap(jacfwd(gc.det))(gc.tensor(a)).numpy(force=True), got, atol=1e-12)


def test_logarithms_of_singular_and_negative_determinants(torch):
    singular, negative = np.array([[1.0, 2.0], [2.0, 4.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    agree(torch, "t.logdet(x)", np.stack([singular, negative, np.eye(2)]), order=0)
    agree(torch, "t.logdet(x)", negative)
    agree(torch, "tuple(t.slogdet(x))", np.stack([singular, negative]), order=0)
    agree(torch, "t.slogdet(x)[1]", singular, order=1)


def test_the_sign_of_a_complex_determinant_turns(torch):
    agree(torch, "t.slogdet(x)[0]", numbers(2, 3, 3, dtype=np.complex128))
    agree(torch, "t.logdet(x).imag", numbers(3, 3, dtype=np.complex128))


def test_results_have_names():
    assert gc.slogdet(gc.eye(2)).logabsdet.item() == 0
    assert gc.eye(2).slogdet().sign.item() == 1
    assert type(gc.linalg.slogdet(gc.eye(2))).__name__ == "linalg_slogdet"


ERRORS = [
    ("t.det(t.ones(2, 3))", RuntimeError, "linalg.det: A must be batches of square matrices, but they are 2 by 3"),
    ("t.det(t.ones(2))", RuntimeError, "must have at least 2 dimensions"),
    ("t.det(t.eye(2).long())", RuntimeError, "Expected a floating point or complex tensor as input. Got Long"),
    ("t.logdet(t.eye(2).long())", RuntimeError, "Expected a floating point or complex tensor as input. Got Long"),
    ("t.slogdet(t.ones(3, 2))", RuntimeError, "must be batches of square matrices"),
    ("t.det(t.eye(2).half())", NotImplementedError, "\"lu_cpu\" not implemented for 'Half'"),
]


@pytest.mark.parametrize(
    ("program", "error", "phrases"), [(p, e, m) for p, e, *m in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_errors(program, error, phrases, t, device):
    if "half" in program and device.startswith("strict"):
        pytest.skip("the device has no half precision")
    assert_raises(program, t, error, *phrases)
