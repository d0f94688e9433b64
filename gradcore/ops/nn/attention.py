"""Attention: averages of values, weighted by how well keys fit queries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.namespace import TensorNamespace
from gradcore.op import op
from gradcore.ops._batching import aligned
from gradcore.ops._numeric import kind_of, refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops._reducing import narrowed, widened
from gradcore.ops.creation import ones
from gradcore.ops.dropout import dropout
from gradcore.ops.masking import where
from gradcore.ops.matmul import matmul
from gradcore.ops.nn._normalizing import without_statistics
from gradcore.ops.softmax import _safe_softmax
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__: list[str] = []  # public in gradcore.nn.functional


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(query @ key.mT * scale + mask) @ value``; a query that may look at nothing gives zeros.

    Vaswani et al., Attention Is All You Need, 2017.

    Args:
        query: of shape (..., L, E), in a real floating-point dtype.
        key: of shape (..., S, E).
        value: of shape (..., S, Ev).
        attn_mask: broadcasts against (..., L, S). Truth values say where a query may look; numbers are added.
        dropout_p: how likely a weight is dropped.
        is_causal: query ``i`` looks at the keys up to ``i`` only.
        scale: ``1 / sqrt(E)`` when not given.
        enable_gqa: several heads (dimension -3) of ``query`` share one of ``key`` and ``value``.

    Raises:
        NotImplementedError: integers or complex numbers.
        RuntimeError: dtypes or shapes do not fit.
    """
    q, k, v = (
        as_tensor(x, "scaled_dot_product_attention", name, i)
        for i, (x, name) in enumerate(((query, "query"), (key, "key"), (value, "value")), 1)
    )
    _check(q, k, v, attn_mask, dropout_p)
    # The fused form takes what PyTorch's takes, so that nodes have the same names.
    rows = tuple(x.shape[:-2] for x in (q, k, v))
    fused = q.ndim == k.ndim == v.ndim == 4 and q.shape[-1] == k.shape[-1] == v.shape[-1] and k.shape == v.shape
    fused = fused and all(x.numel() and x.stride(-1) == 1 for x in (q, k, v)) and rows[0][0] == rows[1][0]
    fused = fused and not dropout_p and (enable_gqa or rows[0] == rows[1])
    if attn_mask is not None:
        fused = fused and attn_mask.ndim in (2, 4) and not attn_mask.requires_grad
    if enable_gqa:
        k, v = _repeated_heads(q, k, v)
    scale = 1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else scale
    if fused:
        return fused_attention(q, k, v, attn_mask, is_causal=bool(is_causal), scale=float(scale))[0]  # type: ignore[no-any-return]
    return _attention(q, k, v, attn_mask, dropout_p, is_causal, scale)


def _check(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float) -> None:
    if q.dtype != k.dtype or k.dtype != v.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got "
            + ", ".join(f"{n}.dtype: {x.dtype.name}" for n, x in (("query", q), ("key", k), ("value", v)))
        )
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be at least 2 dimensional, but got "
            f"query.dim: {q.ndim}, key.dim: {k.ndim} and value.dim: {v.ndim}"
        )
    if mask is not None and mask.dtype not in (dtypes.bool_, q.dtype) and mask.dtype != dtypes.float32:
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{mask.dtype.name} and query.dtype: {q.dtype.name}"
        )
    if dtypes.category(q.dtype) != 2:
        refuse_dtype("scaled_dot_product_attention", q.dtype)
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")


def _repeated_heads(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    if min(q.ndim, k.ndim, v.ndim) < 3 or q.shape[-3] % k.shape[-3] or q.shape[-3] % v.shape[-3]:
        raise RuntimeError(
            "Number of heads in key and value must divide the number of heads in query, but got "
            f"{list(q.shape)}, {list(k.shape)} and {list(v.shape)}"
        )
    heads = q.shape[-3]
    return tuple(x if x.shape[-3] == heads else x.repeat_interleave(heads // x.shape[-3], -3) for x in (k, v))  # type: ignore[return-value]


def _attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float, is_causal: bool, scale: float
) -> Tensor:
    """The composition of matrix products and softmax."""
    if is_causal:
        if mask is not None:
            raise RuntimeError(
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
            )
        mask = ones(q.shape[-2], k.shape[-2], dtype=dtypes.bool_, device=q.device).tril()
    scores = matmul(q * scale, k.mT)
    if mask is not None:
        if mask.ndim < 2:
            raise IndexError(f"Dimension out of range: attn_mask must have at least 2 dimensions, but has {mask.ndim}")
        scores = where(mask, scores, -math.inf) if mask.dtype == dtypes.bool_ else scores + mask
    weights = _safe_softmax(scores.to(q.dtype), -1)
    return matmul(dropout(weights, dropout_p, True), v)


def _looks(make: Make) -> Iterator[Sample]:
    yield Sample(make(1, 2, 3, 2), make(1, 2, 4, 2), make(1, 2, 4, 2), None, is_causal=False, scale=0.7).checked(
        after=without_statistics
    )
    yield Sample(make(2, 1, 3, 2), make(2, 1, 2, 2), make(2, 1, 2, 2), None, is_causal=True, scale=0.7).checked(
        after=without_statistics
    )
    yield Sample(make(1, 1, 2, 2), make(1, 1, 2, 2), make(1, 1, 2, 2), make(2, 2), is_causal=False, scale=1.0).checked(
        after=without_statistics
    )
    hidden = make.of([[True, False], [False, False]], np.dtype(np.bool_))
    yield Sample(make(1, 1, 2, 2), make(1, 1, 2, 2), make(1, 1, 2, 2), hidden, is_causal=False, scale=1.0).checked(
        after=without_statistics
    )


@op(
    node="ScaledDotProductFlashAttentionForCpuBackward0",
    outputs=("output", "logsumexp"),
    nondifferentiable=("logsumexp",),
    samples=_looks,
)
def fused_attention(
    xp: Any, query: Any, key: Any, value: Any, attn_mask: Any = None, /, *, is_causal: bool, scale: float
) -> Any:
    """Attention, and the logarithm of the sum of the exponentials of all scores of a query."""
    q, k, v = (widened(xp, x) for x in (query, key, value))
    scores = _scores(xp, q, k, attn_mask, is_causal, scale)
    weights, total, largest = _exponentials(xp, scores)
    out = xp.divide(xp.matmul(weights, v), xp.where(xp.equal(total, 0.0), 1.0, total))
    # Infinity, for a query that looks at nothing: in the rule, all its weights are exp(-inf) then.
    logs = xp.where(xp.equal(total, 0.0), math.inf, xp.add(largest, xp.log(total)))
    return narrowed(xp, out, query), xp.reshape(logs, tuple(logs.shape[:-1]))


@fused_attention.vjp("query", "key", "value", "attn_mask")
def fused_attention_vjp(
    xp: Any,
    g: Any,
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any,
    output: Any,
    logsumexp: Any,
    needs: Any,
    is_causal: bool,
    scale: float,
) -> Any:
    g, q, k, v = (widened(xp, x) for x in (g, query, key, value))
    scores = _scores(xp, q, k, attn_mask, is_causal, scale)
    if isinstance(xp, TensorNamespace):
        # The saved logarithms have no history.
        weights, total, _ = _exponentials(xp, scores)
        weights = xp.divide(weights, xp.where(xp.equal(total, 0.0), 1.0, total))
    else:
        weights = xp.exp(xp.subtract(scores, xp.expand_dims(logsumexp, axis=-1)))
    g_value = xp.matmul(weights.mT, g) if needs[2] else None
    if not (needs[0] or needs[1] or needs[3]):
        return None, None, g_value, None
    # The gradient of a softmax; the sum over all keys is the product of the result and its gradient.
    common = xp.sum(xp.multiply(g, widened(xp, output)), axis=-1, keepdims=True)
    g_scores = xp.multiply(weights, xp.subtract(xp.matmul(g, v.mT), common))
    scaled = xp.multiply(g_scores, scale)
    g_query = xp.matmul(scaled, k) if needs[0] else None
    return g_query, xp.matmul(scaled.mT, q) if needs[1] else None, g_value, g_scores if needs[3] else None


@fused_attention.vmap
def fused_attention_vmap(query: Any, key: Any, value: Any, attn_mask: Any, is_causal: bool, scale: float) -> Any:
    mask = None if attn_mask is None else aligned(attn_mask, query.ndim - 1)
    return fused_attention(query, key, value, mask, is_causal=is_causal, scale=scale)


def _scores(xp: Any, q: Any, k: Any, mask: Any, is_causal: bool, scale: float) -> Any:
    scores = xp.matmul(xp.multiply(q, scale), k.mT)
    if mask is not None:
        truth = kind_of(xp, mask) == "b"
        scores = xp.where(mask, scores, -math.inf) if truth else xp.add(scores, widened(xp, mask))
    if is_causal:
        rows, columns = scores.shape[-2:]
        seen = xp.greater_equal(xp.expand_dims(xp.arange(rows), axis=1), xp.arange(columns))
        scores = xp.where(seen, scores, -math.inf)
    return scores


def _exponentials(xp: Any, scores: Any) -> tuple[Any, Any, Any]:
    """The exponentials of scores, moved by the largest; their sum, which is 0 where all are minus infinity; the largest."""
    largest = xp.max(scores, axis=-1, keepdims=True)
    largest = xp.where(xp.equal(largest, -math.inf), 0.0, largest)
    weights = xp.exp(xp.subtract(scores, largest))
    return weights, xp.sum(weights, axis=-1, keepdims=True), largest
