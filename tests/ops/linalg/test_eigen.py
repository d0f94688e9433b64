"""Eigenvalues and eigenvectors beside PyTorch's, seen through what does not depend on their phases."""

from __future__ import annotations

import numpy as np
import pytest
from matrices import cases, hermitian, numbers
from referee import agree

import gradcore as gc
from gradcore.func import grad, vmap


@pytest.mark.parametrize(("shape", "dtype"), cases((3, 3), (2, 2, 2), (1, 1), (0, 0), (0, 2, 2)))
def test_of_hermitian_matrices(shape, dtype, torch):
    a = hermitian(*shape, dtype=dtype)
    for letter in "LU":
        agree(torch, f"t.linalg.eigvalsh(x, '{letter}')", a)
        agree(
            torch, f"(lambda l, v: (l, v.abs(), (v * l.exp().unsqueeze(-2)) @ v.mH))(*t.linalg.eigh(x, '{letter}'))", a
        )
        # The other triangle is not read.
        other = np.triu(numbers(*shape), 1) if letter == "L" else np.tril(numbers(*shape), -1)
        agree(torch, f"t.linalg.eigvalsh(x + y, UPLO='{letter}')", a, other.astype(dtype))


@pytest.mark.parametrize(("shape", "dtype"), cases((3, 3), (2, 2, 2), (1, 1), (0, 0), (0, 2, 2)))
def test_of_any_matrices(shape, dtype, torch):
    a = numbers(*shape, dtype=dtype) + 2 * np.diag(np.arange(shape[-1])).astype(dtype)
    agree(torch, "(lambda l: (l.real.sum(-1), (l * l).sum(-1)))(t.linalg.eigvals(x))", a)
    agree(torch, "(lambda l, v: (v.abs().sum(-1), v @ (l.exp().unsqueeze(-1) * t.linalg.inv(v))))(*t.linalg.eig(x))", a)


def test_values_alone_have_a_gradient_where_they_are_equal(torch):
    agree(torch, "t.linalg.eigvalsh(x)", np.eye(3), order=1)
    agree(torch, "t.linalg.eigh(x)[0]", np.eye(3), order=1)
    agree(torch, "t.linalg.eigvals(x).real", np.diag([1.0, 2.0, 2.0]), order=1)


def test_a_loss_may_use_vectors_alone(torch):
    agree(torch, "t.linalg.eigh(x)[1].abs()", hermitian(3, 3))
    agree(torch, "t.linalg.eig(x)[1].abs().sum(-1)", numbers(2, 2) + np.diag([0.0, 5.0]))


def test_vectors_of_equal_values_have_no_gradient(torch):
    x = gc.eye(2).requires_grad_()
    gc.linalg.eigh(x)[1].abs().sum().backward()
    assert not gc.isfinite(x.grad).all()


def test_without_gradients_no_vectors_are_computed(t):
    x = t.eye(2)
    assert t.linalg.eigvalsh(x.requires_grad_()).grad_fn is not None
    with t.no_grad():
        assert not t.linalg.eigvalsh(x).requires_grad
        assert t.linalg.eigvals(x).dtype == t.complex64


def test_a_spectral_norm_of_a_batch():
    a = gc.tensor(hermitian(4, 3, 3))

    def largest(x):
        return gc.linalg.eigvalsh(x)[-1]

    got = vmap(grad(largest))(a)
    vectors = gc.linalg.eigh(a)[1][..., -1]
    want = vectors.unsqueeze(-1) * vectors.unsqueeze(-2)
    np.testing.assert_allclose(got.numpy(force=True), want.numpy(force=True), rtol=1e-9, atol=1e-12)


def test_names_of_results(t):
    for name in ("eig", "eigh"):
        found = getattr(t.linalg, name)(t.eye(2))
        assert type(found).__name__.rpartition(".")[2] == f"linalg_{name}"
        assert found.eigenvalues.shape == (2,)
        assert found.eigenvectors.shape == (2, 2)
