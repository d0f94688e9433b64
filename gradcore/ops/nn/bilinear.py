"""Bilinear forms of two vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import conj, op
from gradcore.ops._operands import as_tensor
from gradcore.ops.arithmetic import add
from gradcore.ops.shape import reshape, view
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["bilinear"]


def _vectors_and_forms(make: Make) -> Iterator[Sample]:
    for batch, (i, j, k) in ((2, (3, 4, 5)), (1, (1, 2, 1)), (0, (2, 2, 2)), (3, (2, 2, 0))):
        yield Sample(make(batch, i), make(k, i, j), make(batch, j))


@op(node="TrilinearBackward0", promote="same", multilinear=True, samples=_vectors_and_forms)
def forms(xp: Any, input1: Any, weight: Any, input2: Any, /) -> Any:
    """``out[b, k] = sum(input1[b, i] * weight[k, i, j] * input2[b, j])``; dimensions in front are those of a batch."""
    # (b, i) times (i, k * j), then with (b, 1, j) in each b.
    rows = _times(xp, input1, weight, (1, 0, 2), weight.shape[-3])
    total = xp.sum(xp.multiply(rows, xp.expand_dims(input2, axis=-2)), axis=-1)
    return xp.astype(total, input1.dtype, copy=False)


@forms.vjp("input1")
def forms_vjp_input1(xp: Any, g: Any, weight: Any, input2: Any) -> Any:
    rows = _times(xp, g, conj(xp, weight), (0, 1, 2), weight.shape[-2])
    return xp.sum(xp.multiply(rows, xp.expand_dims(conj(xp, input2), axis=-2)), axis=-1)


@forms.vjp("input2")
def forms_vjp_input2(xp: Any, g: Any, input1: Any, weight: Any) -> Any:
    rows = _times(xp, g, conj(xp, weight), (0, 2, 1), weight.shape[-1])
    return xp.sum(xp.multiply(rows, xp.expand_dims(conj(xp, input1), axis=-2)), axis=-1)


@forms.vjp("weight")
def forms_vjp_weight(xp: Any, g: Any, input1: Any, weight_shape: Any, input2: Any) -> Any:
    pairs = xp.multiply(xp.expand_dims(g, axis=-1), xp.expand_dims(conj(xp, input1), axis=-2))
    front, (k, i, _) = weight_shape[:-3], weight_shape[-3:]
    flat = xp.reshape(pairs, (*front, g.shape[-2], k * i))
    return xp.reshape(xp.matmul(xp.matrix_transpose(flat), conj(xp, input2)), tuple(weight_shape))


@forms.vmap
def forms_vmap(input1: Any, weight: Any, input2: Any) -> Any:
    return forms(input1, weight, input2)


def _times(xp: Any, vectors: Any, weight: Any, order: tuple[int, int, int], size: int) -> Any:
    """Vectors (b, n) times a weight with its dimensions in another order (n, size, m): (b, size, m)."""
    ndim = len(weight.shape)
    front = ndim - 3
    turned = xp.permute_dims(weight, (*range(front), *[front + d for d in order]))
    *_, n, _, m = turned.shape
    flat = xp.reshape(turned, (*turned.shape[:front], n, size * m))
    return xp.reshape(xp.matmul(vectors, flat), (*vectors.shape[:-1], size, m))


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``out[..., k] = sum(input1[..., i] * weight[k, i, j] * input2[..., j]) + bias[k]``.

    Args:
        input1: (..., in1).
        input2: (..., in2), with the same dimensions in front.
        weight: (out, in1, in2).
        bias: (out).

    Raises:
        RuntimeError: the shapes do not fit, or the dtypes differ.
    """
    input1, input2 = as_tensor(input1, "bilinear", "input1"), as_tensor(input2, "bilinear", "input2", 2)
    weight = as_tensor(weight, "bilinear", "weight", 3)
    if input1.ndim != input2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    front = tuple(input1.shape[:-1])
    for d, (n, m) in enumerate(zip(front, input2.shape[:-1], strict=True)):
        if n != m:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {d}: got {n} and {m}")
    if weight.ndim != 3:
        raise RuntimeError(f"bilinear(): weight must have 3 dimensions (out, in1, in2), but got {list(weight.shape)}")
    for name, x, d in (("input1", input1, 1), ("input2", input2, 2)):
        if not x.ndim or x.shape[-1] != weight.shape[d]:
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {list(x.shape)} but expected {weight.shape[d]} in "
                "the last dimension"
            )
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected {weight.shape[0]}"
        )
    first, second = reshape(input1, (-1, weight.shape[1])), reshape(input2, (-1, weight.shape[2]))
    out = view(forms(first, weight, second), (*front, weight.shape[0]))
    return out if bias is None else add(out, bias)
