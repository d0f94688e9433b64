"""The QR decomposition and products of reflections beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from fallbacks import fallback
from matrices import cases, numbers
from referee import agree

import gradcore as gc
from gradcore.autograd import gradcheck
from gradcore.func import vmap

DTYPES = [np.float64, np.complex128, np.float32]
SHAPES = [(3, 3), (4, 2), (2, 4), (2, 3, 2), (0, 2), (2, 0), (0, 2, 2)]


@pytest.mark.parametrize(("shape", "dtype"), cases(*SHAPES))
def test_qr(shape, dtype, torch):
    a = numbers(*shape, dtype=dtype)
    agree(torch, "tuple(t.linalg.qr(x))", a)
    agree(torch, "t.linalg.qr(x).R", a)
    agree(torch, "t.qr(x).Q", a)
    agree(torch, "tuple(t.linalg.qr(x, 'r'))", a, order=0)
    agree(torch, "tuple(t.qr(x, some=False))", a, order=2 if shape[-2] <= shape[-1] else 0)


@pytest.mark.parametrize(("shape", "dtype"), cases(*SHAPES))
def test_reflections_of_a_matrix(shape, dtype, torch):
    a = numbers(*shape, dtype=dtype)
    agree(torch, "tuple(t.geqrf(x.detach()))", a, order=0)
    if shape[-2] >= shape[-1]:
        agree(torch, "t.linalg.householder_product(*t.geqrf(x.detach()))", a)


def test_columns_that_need_no_reflection(torch):
    a = np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
    agree(torch, "tuple(t.geqrf(x.detach()))", a, order=0)
    agree(torch, "tuple(t.geqrf(x.detach()))", a + np.array([1j, 0.0]), order=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "k"), [((3, 3), 3), ((4, 3), 2), ((2, 3, 2), 2), ((3, 2), 0), ((3, 0), 0)])
def test_products_of_any_reflections(shape, k, dtype, torch):
    a, tau = numbers(*shape, dtype=dtype), numbers(*shape[:-2], k, seed=1, dtype=dtype)
    # In single precision PyTorch, which undoes reflections, loses digits.
    agree(torch, "t.linalg.householder_product(x, y)", a, tau, order=1 if dtype == np.float32 else 2)
    agree(torch, "t.orgqr(x, y)", a, tau, order=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("left", [True, False])
def test_ormqr(left, transpose, dtype, torch):
    other = numbers(2, *((4, 3) if left else (3, 4)), seed=2, dtype=dtype)
    a, tau = numbers(2, 4, 2, dtype=dtype), numbers(2, 2, seed=1, dtype=dtype)
    agree(torch, f"t.ormqr(x, y, z, left={left}, transpose={transpose})", a, tau, other)
    agree(torch, f"x.ormqr(y, z, {left}, {transpose})", a[:, :, :0], tau[:, :0], other)


def test_a_reflection_that_cannot_be_undone_has_a_derivative():
    # H = I - v @ v.mT / |v|^2 is singular; PyTorch's gradient, which needs its inverse, is NaN or infinite.
    a = gc.tensor([[0.0, 0.0], [0.5, 0.0], [-0.5, 2.0]], dtype=gc.float64, requires_grad=True)
    tau = gc.tensor([1 / 1.5, 0.7], dtype=gc.float64, requires_grad=True)
    assert gradcheck(gc.linalg.householder_product, (a, tau), check_forward_ad=True)


def test_batches_of_reflections():
    a, tau, other = (gc.tensor(numbers(*shape)) for shape in ((3, 4, 2), (3, 2), (3, 4, 1)))
    got = vmap(gc.ormqr)(a, tau, other)
    np.testing.assert_allclose(got.numpy(force=True), gc.ormqr(a, tau, other).numpy(force=True))
    shared = vmap(gc.linalg.householder_product, in_dims=(None, 0))(a[0], tau)
    np.testing.assert_allclose(
        shared.numpy(force=True), gc.stack([gc.orgqr(a[0], x) for x in tau]).numpy(force=True), atol=1e-12
    )


def test_names_of_results(t):
    found = t.linalg.qr(t.eye(2))
    assert type(found).__name__.rpartition(".")[2] == "linalg_qr"
    assert (found.Q.shape, found.R.shape) == ((2, 2), (2, 2))
    assert t.geqrf(t.eye(2)).tau.shape == (2,)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_the_fallback_for_reflections_gives_what_lapack_gives(dtype):
    for a in (numbers(2, 4, 3, dtype=dtype), numbers(2, 3, dtype=dtype), np.eye(3, dtype=dtype)):
        packed, tau = fallback("geqrf", a)
        want, factors = np.linalg.qr(a, mode="raw")
        np.testing.assert_allclose(packed, np.swapaxes(want, -1, -2), atol=1e-12)
        np.testing.assert_allclose(tau, factors, atol=1e-12)
