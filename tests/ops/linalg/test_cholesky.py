"""The Cholesky decomposition and its equations beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from matrices import cases, hermitian, numbers, positive
from referee import agree

import gradcore as gc
from gradcore.func import hessian, jacfwd, jacrev, vmap

DTYPES = [np.float64, np.complex128, np.float32]


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize(("shape", "dtype"), cases((3, 3), (2, 1, 2, 2), (0, 0), (0, 2, 2)))
def test_factors(shape, upper, dtype, torch):
    a = positive(*shape, dtype=dtype)
    agree(torch, f"t.linalg.cholesky(x, upper={upper})", a)
    agree(torch, f"tuple(t.linalg.cholesky_ex(x, upper={upper}))", a)
    agree(torch, f"t.cholesky(x, upper={upper})", a)


def test_reads_one_triangle(torch):
    a = numbers(3, 3, dtype=np.complex128)
    lower, upper = np.tril(positive(3, 3)), np.triu(positive(3, 3))
    agree(torch, "t.linalg.cholesky(x)", lower + np.triu(a, 1))
    agree(torch, "t.linalg.cholesky(x, upper=True)", upper + np.tril(a, -1))


def test_a_matrix_without_factor_has_its_info(torch):
    indefinite = np.array([[4.0, 2.0, 1.0], [2.0, -3.0, 1.0], [1.0, 1.0, 9.0]])
    batch = np.stack([np.eye(3), indefinite, np.full((3, 3), np.nan), -np.eye(3), hermitian(3, 3)])
    for upper in (False, True):
        # What stands behind the failure is left open.
        agree(torch, f"t.linalg.cholesky_ex(x, upper={upper})[1]", batch)
        agree(torch, f"t.linalg.cholesky_ex(x, upper={upper})[0][:2]", batch, order=0)
    agree(torch, "t.linalg.cholesky_ex(x)[1]", indefinite.astype(np.complex128))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("upper", [False, True])
def test_equations_with_a_factor(upper, dtype, torch):
    factor = positive(2, 3, 3, dtype=dtype)
    agree(torch, f"t.cholesky_inverse(x, upper={upper})", factor)
    agree(torch, f"t.cholesky_solve(y, x, upper={upper})", factor, numbers(2, 3, 2, dtype=dtype))
    agree(torch, f"t.cholesky_solve(y, x[0], upper={upper})", factor, numbers(4, 3, 1, dtype=dtype))
    agree(torch, f"y[0].cholesky_solve(x, {upper})", factor, numbers(1, 3, 1, dtype=dtype))
    agree(torch, "t.cholesky_solve(y, x)", np.zeros((0, 3, 3)), numbers(1, 3, 1))


def test_names_of_results(t):
    found = t.linalg.cholesky_ex(t.eye(2))
    assert type(found).__name__.rpartition(".")[2] == "linalg_cholesky_ex"
    assert found.L.shape == (2, 2)
    assert found.info.dtype == t.int32


def test_saves_the_result_alone():
    x = gc.eye(2).requires_grad_()
    y = gc.linalg.cholesky(x)
    assert y.grad_fn._saved_L is not None
    x.detach().mul_(2)  # it is not needed any more
    y.sum().backward()
    z = gc.linalg.cholesky(gc.eye(2).requires_grad_())
    with gc.no_grad():
        z.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def log_det(x):
    symmetric = (x + x.mT) / 2
    return 2 * gc.linalg.cholesky(symmetric).diagonal(0, -2, -1).log().sum()


def test_derivatives_of_the_logarithm_of_a_determinant():
    a = gc.tensor(positive(3, 3))
    inverse = gc.linalg.inv(a)
    np.testing.assert_allclose(jacrev(log_det)(a).numpy(force=True), inverse.numpy(force=True), rtol=1e-9)
    np.testing.assert_allclose(jacfwd(log_det)(a).numpy(force=True), inverse.numpy(force=True), rtol=1e-9)
    # d^2 log det = -tr(A^-1 dA A^-1 dA), for symmetric changes.
    second = hessian(log_det)(a)
    want = -gc.einsum("ij,kl->jkli", inverse, inverse)
    want = (want + want.permute(1, 0, 2, 3)) / 2
    want = (want + want.permute(0, 1, 3, 2)) / 2
    np.testing.assert_allclose(second.numpy(force=True), want.numpy(force=True), rtol=1e-8, atol=1e-10)


def test_forward_mode_of_the_inverse_is_the_derivative():
    # PyTorch 2.13 is off here: its tangent does not pass a comparison with finite differences.
    factor, direction = gc.tensor(np.tril(positive(3, 3))), gc.tensor(np.tril(numbers(3, 3)))
    tangent = gc.func.jvp(gc.cholesky_inverse, (factor,), (direction,))[1]
    h = 1e-6
    want = (gc.cholesky_inverse(factor + h * direction) - gc.cholesky_inverse(factor - h * direction)) / (2 * h)
    np.testing.assert_allclose(tangent.numpy(force=True), want.numpy(force=True), rtol=1e-6, atol=1e-8)


def test_a_batch_of_batches():
    a = gc.tensor(positive(2, 3, 2, 2))
    got = vmap(vmap(lambda x: gc.linalg.cholesky(x)))(a)
    np.testing.assert_allclose(got.numpy(force=True), np.linalg.cholesky(positive(2, 3, 2, 2)))
    shared = vmap(gc.cholesky_solve, in_dims=(0, None))(gc.ones(3, 2, 1, dtype=gc.float64), a[0, 0])
    assert shared.shape == (3, 2, 1)
