"""The LU and LDL decompositions and their equations beside PyTorch's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fallbacks import fallback
from matrices import cases, hermitian, numbers
from referee import agree

import gradcore as gc
from gradcore.autograd import gradcheck
from gradcore.func import vmap

DTYPES = [np.float64, np.complex128, np.float32]
SHAPES = [(3, 3), (4, 2), (2, 4), (2, 3, 2), (0, 2), (2, 0), (0, 2, 2), (40, 3, 3)]


@pytest.mark.parametrize(("shape", "dtype"), cases(*SHAPES))
def test_lu(shape, dtype, torch):
    a = numbers(*shape, dtype=dtype)
    agree(torch, "tuple(t.linalg.lu(x))", a)
    agree(torch, "tuple(t.linalg.lu_factor_ex(x))", a)
    agree(torch, "tuple(t.lu(x, get_infos=True))", a)
    agree(torch, "x.lu()", a)
    agree(torch, "tuple(t.lu_unpack(*t.linalg.lu_factor(x)))", a)


def test_a_loss_may_use_one_factor(torch):
    for shape in SHAPES[:4]:
        agree(torch, "t.linalg.lu(x).L", numbers(*shape))
        agree(torch, "t.linalg.lu(x).U", numbers(*shape))
        agree(torch, "t.lu_unpack(*t.linalg.lu_factor(x), unpack_pivots=False).U", numbers(*shape))
        agree(torch, "t.lu_unpack(*t.linalg.lu_factor(x), unpack_data=False).P", numbers(*shape))


def test_zero_pivots(torch):
    a = np.stack([np.zeros((3, 3)), np.eye(3), np.diag([1.0, 0.0, 2.0]), np.ones((3, 3))])
    agree(torch, "tuple(t.linalg.lu_factor_ex(x))", a, order=0)
    agree(torch, "tuple(t.linalg.lu(x))", a, order=0)
    agree(torch, "tuple(t.linalg.lu_factor_ex(x))", np.tile(a, (10, 1, 1)), order=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("left", "adjoint"), list(itertools.product((True, False), repeat=2)))
def test_equations(left, adjoint, dtype, torch):
    program = f"t.linalg.lu_solve(*t.linalg.lu_factor(x), y, left={left}, adjoint={adjoint})"
    a, right = numbers(2, 3, 3, dtype=dtype), (3, 2) if left else (2, 3)
    agree(torch, program, a, numbers(2, *right, seed=1, dtype=dtype))
    agree(torch, program, a, numbers(4, 1, *right, seed=1, dtype=dtype))
    agree(torch, program, a[0], numbers(4, *right, seed=1, dtype=dtype))


def test_the_older_form(torch):
    agree(torch, "t.lu_solve(y, *t.linalg.lu_factor(x))", numbers(3, 3), numbers(3, 2))
    agree(torch, "y.lu_solve(*x.lu())", numbers(3, 3), numbers(3, 2))


def test_batches_of_equations():
    factors, pivots = gc.linalg.lu_factor(gc.tensor(numbers(3, 2, 2)))
    right = gc.tensor(numbers(3, 2, 1))
    got = vmap(gc.linalg.lu_solve)(factors, pivots, right)
    np.testing.assert_allclose(got.numpy(force=True), np.linalg.solve(numbers(3, 2, 2), numbers(3, 2, 1)))
    got = vmap(gc.linalg.lu_solve, in_dims=(None, None, 0))(factors[0], pivots[0], right)
    np.testing.assert_allclose(got.numpy(force=True), np.linalg.solve(numbers(3, 2, 2)[0], numbers(3, 2, 1)))


def test_without_exchanges(device):
    if device == "cpu":
        pytest.skip("the cpu does not offer it, as PyTorch's")
    a = gc.tensor(numbers(4, 3, 3) + 4 * np.eye(3), requires_grad=True)
    p, lower, upper = gc.linalg.lu(a, pivot=False)
    assert p.shape == (0,)
    np.testing.assert_allclose((lower @ upper).numpy(force=True), a.numpy(force=True))
    packed = gc.linalg.lu_factor(a, pivot=False)
    assert packed.pivots.tolist() == [[1, 2, 3]] * 4
    assert gradcheck(lambda x: gc.linalg.lu(x, pivot=False)[1:], (a,), check_forward_ad=True)
    assert gradcheck(lambda x: gc.linalg.lu_factor(x, pivot=False)[0], (a,), check_forward_ad=True)


@pytest.mark.parametrize("complex_numbers", [False, True])
@pytest.mark.parametrize("is_hermitian", [False, True])
def test_ldl(is_hermitian, complex_numbers, torch):
    dtype = np.complex128 if complex_numbers else np.float64
    for n, seed in ((1, 0), (2, 1), (3, 2), (5, 3)):
        a = hermitian(2, n, n, seed=seed, dtype=dtype)
        a = a if is_hermitian else a + np.swapaxes(a, -1, -2)
        a[1] *= 1 - np.eye(n) if n > 1 else 1  # blocks of size 2
        program = f"t.linalg.ldl_factor_ex(x.detach(), hermitian={is_hermitian})"
        agree(torch, f"tuple({program})", a)
        agree(
            torch,
            f"t.linalg.ldl_solve(*{program}[:2], y.detach(), hermitian={is_hermitian})",
            a,
            numbers(2, n, 3, dtype=dtype),
        )
        agree(
            torch,
            f"t.linalg.ldl_solve(*{program}[:2], y.detach(), hermitian={is_hermitian})",
            a,
            numbers(n, 1, dtype=dtype),
        )


def test_ldl_of_nothing_and_of_zeros(torch):
    agree(torch, "tuple(t.linalg.ldl_factor(x.detach()))", np.zeros((0, 2, 2)))
    agree(torch, "tuple(t.linalg.ldl_factor(x.detach()))", np.zeros((0, 0)))
    agree(torch, "tuple(t.linalg.ldl_factor_ex(x.detach()))", np.zeros((2, 3, 3)))


def test_names_of_results(t):
    a = t.eye(2)
    for found, name in (
        (t.linalg.lu(a), "linalg_lu"),
        (t.linalg.lu_factor(a), "linalg_lu_factor"),
        (t.linalg.lu_factor_ex(a), "linalg_lu_factor_ex"),
        (t.lu_unpack(*t.linalg.lu_factor(a)), "lu_unpack"),
        (t.linalg.ldl_factor(a), "linalg_ldl_factor"),
        (t.linalg.ldl_factor_ex(a), "linalg_ldl_factor_ex"),
    ):
        assert type(found).__name__.rpartition(".")[2] == name
    assert t.linalg.ldl_factor(a.requires_grad_()).LD.grad_fn.name() == "torch::autograd::NotImplemented"


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_the_fallbacks_give_what_lapack_gives(dtype, torch):
    for shape in ((2, 4, 3), (3, 4), (1, 1)):
        a = numbers(*shape, dtype=dtype)
        for got, want in zip(fallback("lu_factor", a), torch.linalg.lu_factor_ex(torch.tensor(a)), strict=True):
            np.testing.assert_allclose(got, want.numpy(), atol=1e-12)
    for is_hermitian, n in itertools.product((False, True), (1, 3, 5)):
        a = hermitian(2, n, n, dtype=dtype)
        a = a if is_hermitian else a + np.swapaxes(a, -1, -2)
        a[1] *= 1 - np.eye(n) if n > 1 else 1
        want = torch.linalg.ldl_factor_ex(torch.tensor(a), hermitian=is_hermitian)
        for x, y in zip(fallback("ldl_factor", a, is_hermitian and dtype == np.complex128), want, strict=True):
            np.testing.assert_allclose(x, y.numpy(), atol=1e-12)
