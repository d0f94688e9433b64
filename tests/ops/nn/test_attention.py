"""Attention beside PyTorch's: the fused operation, the composition, masks, errors."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.func import grad, hessian, vmap
from gradcore.nn import functional as F  # noqa: N812 - torch's name for it


def wave(*shape, phase=0.0):
    return np.sin(np.arange(float(np.prod(shape))) * 1.3 + phase).reshape(shape)


Q, K, V = wave(1, 2, 3, 4), wave(1, 2, 5, 4, phase=1), wave(1, 2, 5, 4, phase=2)
SEEN = np.array([[True, False, True, True, False], [False] * 5, [True] * 5])
# PyTorch's fused operation has no second derivative.
FUSED = [
    "F.scaled_dot_product_attention(x, y, z)",
    "F.scaled_dot_product_attention(x, y, z, is_causal=True)",
    "F.scaled_dot_product_attention(x, y, z, scale=0.3)",
    "F.scaled_dot_product_attention(x, y, z, t.ones(3, 5, dtype=t.float64).tril())",
    "F.scaled_dot_product_attention(x, y, z, t.ones(1, 1, 3, 5, dtype=t.bool).tril())",
    "F.scaled_dot_product_attention(x, y[:, :1], z[:, :1], enable_gqa=True)",
]
COMPOSED = [
    "F.scaled_dot_product_attention(x[0], y[0], z[0])",
    "F.scaled_dot_product_attention(x[0, 0], y[0, 0], z[0, 0], is_causal=True)",
    "F.scaled_dot_product_attention(x, y, z[..., :2])",
    "F.scaled_dot_product_attention(x[None], y[None], z[None], t.ones(3, 5, dtype=t.bool).tril())",
    "F.scaled_dot_product_attention(x, y, z[:, :, :, ::2])",
]


@pytest.mark.parametrize("expression", FUSED)
def test_fused(expression, torch):
    agree(torch, expression, Q, K, V, order=1)


@pytest.mark.parametrize("expression", COMPOSED)
def test_composed(expression, torch):
    agree(torch, expression, Q, K, V)


def test_a_mask_that_requires_grad(torch):
    agree(torch, "F.scaled_dot_product_attention(x, y, z, w)", Q, K, V, wave(3, 5, phase=3))


def test_a_query_that_sees_nothing(torch):
    found = []
    for t in (gc, torch):
        q, k, v = (t.tensor(a, requires_grad=True) for a in (Q, K, V))
        out = t.nn.functional.scaled_dot_product_attention(q, k, v, t.tensor(SEEN))
        (out**2).sum().backward()
        found.append([x.numpy(force=True) for x in (out, q.grad, k.grad, v.grad)])
    for a, b in zip(*found, strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_the_fused_operation_has_all_derivatives_of_the_composition():
    q, k, v = (gc.tensor(a[0, 0, :2]) for a in (Q, K, V))
    seen = gc.tensor(SEEN[:2])

    def loss(q, fused):
        lift = (lambda x: x[None, None]) if fused else lambda x: x
        return (F.scaled_dot_product_attention(lift(q), lift(k), lift(v), seen[:, :2]) ** 3).sum()

    for derivative in (grad, hessian):
        got, want = (derivative(lambda q: loss(q, fused))(q) for fused in (True, False))
        np.testing.assert_allclose(got.numpy(force=True), want.numpy(force=True), rtol=1e-10, atol=1e-12)


def test_a_batch_with_masks():
    q, k, v = (gc.tensor(np.stack([a, 2 * a])) for a in (Q, K, V))
    masks = gc.tensor(np.stack([wave(3, 5), wave(3, 5, phase=1)]))
    got = vmap(F.scaled_dot_product_attention)(q, k, v, masks)
    want = gc.stack([F.scaled_dot_product_attention(*x) for x in zip(q, k, v, masks, strict=True)])
    np.testing.assert_allclose(got.numpy(force=True), want.numpy(force=True), rtol=1e-12)


def test_dropout_drops_weights():
    gc.manual_seed(0)
    q = gc.zeros(1, 4, 40, 8)
    v = gc.ones(1, 4, 50, 8)
    out = F.scaled_dot_product_attention(q, gc.zeros(1, 4, 50, 8), v, dropout_p=0.4)
    assert 0.9 < out.mean().item() < 1.1
    assert out.std().item() > 0.05


@pytest.mark.parametrize(
    "expression",
    [
        "F.scaled_dot_product_attention(x[0, 0, 0], y[0, 0, 0], z[0, 0, 0])",
        "F.scaled_dot_product_attention(x, y.float(), z)",
        "F.scaled_dot_product_attention(x, y, z, t.ones(3, 5, dtype=t.int64))",
        "F.scaled_dot_product_attention(x, y[..., :3], z)",
        "F.scaled_dot_product_attention(x, y, z, dropout_p=1.5)",
        "F.scaled_dot_product_attention(x[0], y[0], z[0], t.ones(3, 5, dtype=t.bool), is_causal=True)",
        "F.scaled_dot_product_attention(t.ones(1, 4, 3, 4), t.ones(1, 3, 5, 4), t.ones(1, 3, 5, 4), enable_gqa=True)",
        "F.scaled_dot_product_attention(x, y, z, t.ones(5, dtype=t.float64))",
    ],
)
def test_errors(expression, torch):
    agree(torch, expression, Q, K, V)


def test_vectors_without_elements(torch):
    x = np.zeros((2, 1, 3, 0))
    got = F.scaled_dot_product_attention(*[gc.tensor(x)] * 3)
    want = torch.nn.functional.scaled_dot_product_attention(*[torch.tensor(x)] * 3)
    assert tuple(got.shape) == tuple(want.shape)
