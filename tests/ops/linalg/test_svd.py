"""Singular values and vectors, and pseudoinverses, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from matrices import cases, hermitian, numbers
from referee import agree

import gradcore as gc
from gradcore.func import grad, jvp, vmap

SHAPES = [(3, 3), (4, 2), (2, 4), (2, 3, 2), (0, 2), (2, 0), (0, 2, 2)]
SEEN = "(lambda u, s, v: (u.abs(), s, v.abs(), u @ v))(*t.linalg.svd(x, full_matrices=False))"


@pytest.mark.parametrize(("shape", "dtype"), cases(*SHAPES))
def test_svd(shape, dtype, torch):
    a = numbers(*shape, dtype=dtype)
    agree(torch, SEEN, a)
    agree(torch, "t.linalg.svdvals(x)", a)
    agree(torch, "(lambda u, s, v: (s, u[..., :1].abs(), v.abs()))(*t.svd(x))", a)


def test_full_matrices_have_gradients_as_far_as_they_are_determined(torch):
    agree(torch, "(lambda u, s, v: (u[..., :2].abs(), s, v.abs()))(*t.linalg.svd(x))", numbers(4, 2))
    agree(torch, "(lambda u, s, v: (s, v[..., :2, :].abs()))(*t.linalg.svd(x))", numbers(2, 4))
    agree(torch, "tuple(o.shape for o in t.svd(x, some=False))[0] == (4, 4) and x", numbers(4, 2))


def test_values_alone(torch):
    agree(torch, "t.linalg.svdvals(x)", np.eye(3), order=1)  # equal values have a gradient all the same
    agree(torch, "t.svd(x, compute_uv=False)[1]", numbers(3, 2))
    agree(torch, "t.svd(x, compute_uv=False)[0]", numbers(3, 2))
    agree(torch, "t.linalg.svd(x)[1]", np.eye(2), order=1)


def test_forward_mode_of_the_nuclear_norm():
    a, direction = gc.tensor(numbers(4, 3)), gc.tensor(numbers(4, 3, seed=1))
    for function in (lambda x: gc.linalg.svdvals(x).sum(), lambda x: gc.linalg.svd(x).S.sum()):
        value = jvp(function, (a,), (direction,))[1]
        np.testing.assert_allclose(value.item(), (grad(function)(a) * direction).sum().item(), rtol=1e-9)


def test_names_of_results(t):
    found = t.linalg.svd(t.eye(2))
    assert type(found).__name__.rpartition(".")[2] == "linalg_svd"
    assert (found.U.shape, found.S.shape, found.Vh.shape) == ((2, 2), (2,), (2, 2))
    assert t.svd(t.eye(2)).V.shape == (2, 2)


@pytest.mark.parametrize(("shape", "dtype"), cases(*SHAPES))
def test_pseudoinverse(shape, dtype, torch):
    agree(torch, "t.linalg.pinv(x)", numbers(*shape, dtype=dtype))
    agree(torch, "t.pinverse(x)", numbers(*shape, dtype=dtype))


def test_pseudoinverse_of_low_rank(torch):
    a = numbers(4, 2) @ numbers(2, 3, seed=1)
    agree(torch, "t.linalg.pinv(x, rtol=1e-8)", a)
    agree(torch, "t.linalg.pinv(x)", np.zeros((2, 3)))
    agree(torch, "t.linalg.pinv(x @ x.mH, hermitian=True)", numbers(3, 3, dtype=np.complex128))


@pytest.mark.parametrize(
    "tolerance",
    [
        "0.6",
        "rtol=0.4",
        "atol=1.5",
        "atol=1.5, rtol=0.4",
        "atol=t.tensor(1.5)",
        "rtol=t.tensor([0.1, 0.9])",
        "atol=0.0",
    ],
)
def test_tolerances(tolerance, torch):
    agree(torch, f"t.linalg.pinv(x, {tolerance})", numbers(2, 3, 3))
    agree(torch, f"t.linalg.pinv(x + x.mT, {tolerance}, hermitian=True)", hermitian(2, 3, 3))


def test_tolerances_of_a_batch():
    a, tolerances = gc.tensor(numbers(3, 2, 2)), gc.tensor([0.0, 0.5, 5.0], dtype=gc.float64)
    got = vmap(lambda x, tolerance: gc.linalg.pinv(x, atol=tolerance))(a, tolerances)
    want = gc.linalg.pinv(a, atol=tolerances)
    np.testing.assert_allclose(got.numpy(force=True), want.numpy(force=True))
    assert (got[2] == 0).all()


def test_low_rank():
    # The factors are random only where the matrix has more rank than they can take.
    a = gc.tensor(numbers(6, 2) @ numbers(2, 5, seed=1), requires_grad=True)
    mean = gc.tensor(numbers(6, 5, seed=3))
    for x, m in ((a, None), (a.mT, None), (a + mean, mean)):
        u, s, v = gc.svd_lowrank(x, q=3, M=m)
        want = x if m is None else a
        np.testing.assert_allclose(((u * s) @ v.mH).numpy(force=True), want.numpy(force=True), atol=1e-9)
        np.testing.assert_allclose(s[:2].numpy(force=True), gc.linalg.svdvals(want)[:2].numpy(force=True))
    u, s, v = gc.pca_lowrank(a, q=2)
    centred = a - a.mean(0, keepdim=True)
    np.testing.assert_allclose(((u * s) @ v.mH).numpy(force=True), centred.numpy(force=True), atol=1e-9)
    (found,) = gc.autograd.grad(s.sum(), a)
    (want,) = gc.autograd.grad(gc.linalg.svdvals(centred)[:2].sum(), a)
    np.testing.assert_allclose(found.numpy(force=True), want.numpy(force=True), atol=1e-8)
