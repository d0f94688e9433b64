"""Attention of several heads, with the linear maps before and after it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.ops._operands import as_tensor
from gradcore.ops.addmm import linear
from gradcore.ops.creation import zeros
from gradcore.ops.dropout import dropout
from gradcore.ops.joining import cat
from gradcore.ops.masking import where
from gradcore.ops.matmul import matmul
from gradcore.ops.nn.attention import scaled_dot_product_attention
from gradcore.ops.softmax import softmax

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__: list[str] = []  # public in gradcore.nn.functional


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of ``num_heads`` heads, and its weights.

    Vaswani et al., Attention Is All You Need, 2017.

    Args:
        query: of shape (L, N, E), or (L, E) without a batch.
        key, value: of shape (S, N, Ek) and (S, N, Ev), or without N.
        embed_dim_to_check: E.
        num_heads: how many heads share E.
        in_proj_weight: of shape (3 E, E), for queries, keys and values.
        in_proj_bias: of shape (3 E,).
        bias_k, bias_v: one more key and value, of shape (1, 1, E).
        add_zero_attn: one more key and value of zeros.
        dropout_p: how likely a weight is dropped in training.
        out_proj_weight, out_proj_bias: of the linear map after the attention.
        training: whether to drop weights.
        key_padding_mask: of shape (N, S) or (S): which keys not to look at (``True``), or what to add.
        need_weights: give the weights, too; else the second result is ``None``.
        attn_mask: of shape (L, S) or (N * num_heads, L, S): where not to look (``True``), or what to add.
        use_separate_proj_weight: take the three weights that follow in the place of ``in_proj_weight``.
        q_proj_weight, k_proj_weight, v_proj_weight: of shape (E, E), (E, Ek) and (E, Ev).
        static_k, static_v: keys and values, of shape (N * num_heads, S, E / num_heads), in the place of those computed.
        average_attn_weights: give the mean of the weights of all heads.
        is_causal: a hint that ``attn_mask`` is the causal one.

    Returns:
        The result, of shape (L, N, E) or (L, E), and the weights, of shape (N, L, S), (N, num_heads, L, S), or without N.

    Raises:
        AssertionError, RuntimeError: shapes or dtypes do not fit.
    """
    q, k, v = (as_tensor(x, "multi_head_attention_forward") for x in (query, key, value))
    batched = _check_shapes(q, k, v, key_padding_mask, attn_mask, num_heads)
    if not batched:
        together = q is k and k is v
        q = q.unsqueeze(1)
        k, v = (q, q) if together else (k.unsqueeze(1), v.unsqueeze(1))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, size = q.shape
    _require(size == embed_dim_to_check, f"was expecting embedding dimension of {embed_dim_to_check}, but got {size}")
    width = size // num_heads
    _require(width * num_heads == size, f"embed_dim {size} not divisible by num_heads {num_heads}")
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    padding = _additive(key_padding_mask, "key_padding_mask", q.dtype)
    if is_causal and padding is None and not need_weights:
        mask = None
    else:
        mask, is_causal = _additive(attn_mask, "attn_mask", q.dtype), is_causal and padding is None
    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        _require(all(w is not None for w in weights), "use_separate_proj_weight is True but a weight is None")
        q, k, v = _projected(q, k, v, weights, in_proj_bias)
    else:
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        if q is k and k is v:
            q, k, v = linear(q, in_proj_weight, in_proj_bias).chunk(3, -1)
        else:
            q, k, v = _projected(q, k, v, in_proj_weight.chunk(3), in_proj_bias)
    mask = _as_scores(mask, length, k.shape[0], batch * num_heads)
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v must be given together")
    if bias_k is not None and bias_v is not None:
        _require(static_k is None and static_v is None, "bias cannot be added to static key or value.")
        k, v = (cat([x, b.repeat(1, batch, 1)]) for x, b in ((k, bias_k), (v, bias_v)))
        mask, padding = _one_more_key(mask), _one_more_key(padding)
    heads = batch * num_heads
    q = _heads(q, heads, width)
    k = _heads(k, heads, width) if static_k is None else _static(static_k, "static_k", heads, width)
    v = _heads(v, heads, width) if static_v is None else _static(static_v, "static_v", heads, width)
    if add_zero_attn:
        nothing = zeros(heads, 1, width, dtype=k.dtype, device=k.device)
        k, v = cat([k, nothing], 1), cat([v, nothing], 1)
        mask, padding = _one_more_key(mask), _one_more_key(padding)
    keys = k.shape[1]
    if padding is not None:
        _require(tuple(padding.shape) == (batch, keys), f"expecting key_padding_mask shape of {(batch, keys)}")
        spread = padding.view(batch, 1, 1, keys).expand(-1, num_heads, -1, -1).reshape(heads, 1, keys)
        mask = spread if mask is None else mask + spread
    dropout_p = dropout_p if training else 0.0
    if not need_weights:
        if mask is not None:
            mask = mask.unsqueeze(0) if mask.ndim == 3 and mask.shape[0] == 1 else mask.view(batch, num_heads, -1, keys)
        q, k, v = (x.view(batch, num_heads, -1, width) for x in (q, k, v))
        out = scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal)
        out = out.permute(2, 0, 1, 3).contiguous().view(batch * length, size)
        out = linear(out, out_proj_weight, out_proj_bias).view(length, batch, -1)
        return (out if batched else out.squeeze(1)), None
    scores = matmul(q * math.sqrt(1.0 / width), k.mT)
    shares = softmax(scores if mask is None else scores + mask, -1)
    shares = dropout(shares, dropout_p, True)
    out = matmul(shares, v).transpose(0, 1).contiguous().view(length * batch, size)
    out = linear(out, out_proj_weight, out_proj_bias).view(length, batch, -1)
    shares = shares.view(batch, num_heads, length, keys)
    shares = shares.mean(1) if average_attn_weights else shares
    return (out, shares) if batched else (out.squeeze(1), shares.squeeze(0))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _check_shapes(q: Tensor, k: Tensor, v: Tensor, padding: Tensor | None, mask: Tensor | None, heads: int) -> bool:
    """Whether there is a batch.

    Raises:
        AssertionError: numbers of dimensions do not fit.
    """
    _require(
        q.ndim in (2, 3), f"query should be unbatched 2D or batched 3D tensor but received {q.ndim}-D query tensor"
    )
    batched = q.ndim == 3
    kind = f"{'batched' if batched else 'unbatched'} ({q.ndim}-D) query"
    _require(
        k.ndim == q.ndim == v.ndim,
        f"For {kind}, expected key and value to be {q.ndim}-D but found {k.ndim}-D and {v.ndim}-D tensors",
    )
    _require(
        padding is None or padding.ndim == q.ndim - 1,
        f"For {kind}, expected key_padding_mask to be None or {q.ndim - 1}-D",
    )
    _require(mask is None or mask.ndim in (2, 3), f"For {kind}, expected attn_mask to be None, 2-D or 3-D")
    if mask is not None and mask.ndim == 3 and not batched:
        _require(
            tuple(mask.shape) == (heads, q.shape[0], k.shape[0]),
            f"Expected attn_mask shape to be {(heads, q.shape[0], k.shape[0])} but got {tuple(mask.shape)}",
        )
    _require(
        tuple(k.shape[:-1]) == tuple(v.shape[:-1]),
        f"key shape {list(k.shape)} does not match value shape {list(v.shape)}",
    )
    return batched


def _additive(mask: Tensor | None, name: str, dtype: dtypes.DType) -> Tensor | None:
    """A mask as numbers to add: minus infinity where it is true."""
    if mask is None:
        return None
    if mask.dtype != dtypes.bool_ and dtypes.category(mask.dtype) != 2:
        raise AssertionError(f"only bool and floating types of {name} are supported, but got {mask.dtype.name}")
    return where(mask, -math.inf, 0.0).to(dtype) if mask.dtype == dtypes.bool_ else mask


def _as_scores(mask: Tensor | None, length: int, keys: int, heads: int) -> Tensor | None:
    if mask is None:
        return None
    expected = (length, keys) if mask.ndim == 2 else (heads, length, keys)
    if tuple(mask.shape) != expected:
        raise RuntimeError(f"The shape of the {mask.ndim}D attn_mask is {tuple(mask.shape)}, but should be {expected}.")
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


def _projected(q: Tensor, k: Tensor, v: Tensor, weights: Any, bias: Tensor | None) -> list[Tensor]:
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return [linear(x, w, b) for x, w, b in zip((q, k, v), weights, biases, strict=True)]


def _one_more_key(mask: Tensor | None) -> Tensor | None:
    """A mask with a last column of zeros."""
    if mask is None:
        return None
    return cat([mask, zeros(*mask.shape[:-1], 1, dtype=mask.dtype, device=mask.device)], -1)


def _heads(x: Tensor, heads: int, width: int) -> Tensor:
    """(S, N, E) as (N * number of heads, S, width)."""
    return x.contiguous().view(x.shape[0], heads, width).transpose(0, 1)  # type: ignore[no-any-return]


def _static(x: Tensor, name: str, heads: int, width: int) -> Tensor:
    _require(
        x.shape[0] == heads and x.shape[2] == width,
        f"expecting {name} of shape ({heads}, S, {width}), but got {x.shape}",
    )
    return x
