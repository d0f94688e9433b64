"""What max pooling took, put back where it stood, among zeros."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops._extra import extra
from gradcore.ops._indices import int_samples
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.nn._planes import numbered_through
from gradcore.ops.nn._windows import integers
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]

Sizes = int | Sequence[int]


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros with the elements of ``input`` at ``indices`` of the last dimension; see :func:`max_unpool2d`."""
    name = "max_unpool1d"
    x, at = as_tensor(input, name), as_tensor(indices, name, "indices", 2)
    sizes = _sizes(name, 1, x, kernel_size, stride, padding, output_size)
    _check(name, 1, x, at, sizes)
    return unpooled2d(x.unsqueeze(-1), at.unsqueeze(-1), (*sizes, 1)).squeeze(-1)  # type: ignore[no-any-return]


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros with the elements of ``input`` at ``indices``, which count through the last two dimensions of the result.

    Where an index comes twice, the last element stays; the gradient goes to all of them, as in PyTorch.

    Args:
        input: (N, C, L1, L2), or (C, L1, L2).
        indices: of the same shape, as max pooling gives them with ``return_indices``.
        kernel_size, stride, padding: those of the pooling.
        output_size: of the last two dimensions of the result, or of all; where the pooling leaves several possible.

    Raises:
        RuntimeError: sizes that do not fit; an index of another dtype than int64, or out of range.
        ValueError: the pooling cannot have had an input of ``output_size``.
    """
    name = "max_unpool2d"
    x, at = as_tensor(input, name), as_tensor(indices, name, "indices", 2)
    sizes = _sizes(name, 2, x, kernel_size, stride, padding, output_size)
    _check(name, 2, x, at, sizes)
    return unpooled2d(x, at, sizes)  # type: ignore[no-any-return]


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros with the elements of ``input`` at ``indices`` of the last three dimensions; see :func:`max_unpool2d`."""
    name = "max_unpool3d"
    x, at = as_tensor(input, name), as_tensor(indices, name, "indices", 2)
    sizes = _sizes(name, 3, x, kernel_size, stride, padding, output_size)
    _check(name, 3, x, at, sizes)
    return unpooled3d(x, at, sizes)  # type: ignore[no-any-return]


def _planes(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 1, 2), int_samples(make, [[[5, 0]], [[1, 3]]]), output_size=(2, 3))


def _solids(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 1, 1, 2), int_samples(make, [[[[5, 0]]], [[[1, 3]]]]), output_size=(1, 2, 3))


@op(node="MaxUnpool2DBackward0", linear=True, samples=_planes)
def unpooled2d(xp: Any, input: Any, indices: Any, /, output_size: tuple[int, ...]) -> Any:
    """Zeros over the last two dimensions, with elements written."""
    return _written(xp, input, indices, output_size)


@op(node="MaxUnpool3DBackward0", linear=True, samples=_solids)
def unpooled3d(xp: Any, input: Any, indices: Any, /, output_size: tuple[int, ...]) -> Any:
    """Zeros over the last three dimensions, with elements written."""
    return _written(xp, input, indices, output_size)


def _unpooled_rule(xp: Any, g: Any, indices: Any, output_size: tuple[int, ...]) -> Any:
    return extra(xp, "chosen_in_planes", g, indices, len(output_size))


unpooled2d.vjp("input")(_unpooled_rule)
unpooled3d.vjp("input")(_unpooled_rule)


@unpooled2d.vmap
def unpooled2d_vmap(input: Any, indices: Any, output_size: tuple[int, ...]) -> Any:
    return unpooled2d(input, indices, output_size)


@unpooled3d.vmap
def unpooled3d_vmap(input: Any, indices: Any, output_size: tuple[int, ...]) -> Any:
    return unpooled3d(input, indices, output_size)


def _written(xp: Any, x: Any, indices: Any, sizes: Sequence[int]) -> Any:
    ndim, count = len(sizes), math.prod(sizes)
    lead = x.shape[: len(x.shape) - ndim]
    if xp.device.type != "cuda" and indices.size:  # on a GPU one would have to wait for it
        for wrong in (int(xp.min(indices)), int(xp.max(indices))):
            if not 0 <= wrong < count:
                raise RuntimeError(f"Found an invalid max index: {wrong} (output volumes are of size {tuple(sizes)})")
    out = xp.zeros((math.prod(lead) * count,), dtype=x.dtype)
    xp.setitem(out, (numbered_through(xp, indices, sizes),), xp.reshape(x, (-1,)))
    return xp.reshape(out, (*lead, *sizes))


def _sizes(
    name: str, ndim: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> tuple[int, ...]:
    """The size of what was pooled."""
    kernel = integers(kernel_size, ndim, name, "kernel_size")
    stride = kernel if stride is None else integers(stride, ndim, name, "stride")
    padding = integers(padding, ndim, name, "padding")
    if input.ndim not in (ndim + 1, ndim + 2):
        raise RuntimeError(
            f"Input to {name} should be a {ndim + 1}d or {ndim + 2}d Tensor, but got a tensor with {input.ndim} dimensions"
        )
    if min(stride) < 1:
        raise RuntimeError(f"{name}: strides should be greater than zero, but got stride: {stride}")
    each = zip(input.shape[input.ndim - ndim :], kernel, stride, padding, strict=True)
    usual = tuple([(n - 1) * s + k - 2 * p for n, k, s, p in each])
    if output_size is None:
        return usual
    wanted = tuple(output_size)[2:] if len(output_size) == ndim + 2 else tuple(output_size)
    if len(wanted) != ndim:
        raise ValueError(
            f"output_size should be a sequence containing {ndim} or {ndim + 2} elements, but it has a length of "
            f"'{len(output_size)}'"
        )
    if any(not n - s < m < n + s for m, n, s in zip(wanted, usual, stride, strict=True)):
        least, most = ([n + sign * s for n, s in zip(usual, stride, strict=True)] for sign in (-1, 1))
        raise ValueError(f"invalid output_size {list(wanted)!r} (must be between {least} and {most}) ({name})")
    return wanted


def _check(name: str, ndim: int, input: Tensor, indices: Tensor, sizes: Sequence[int]) -> None:
    if indices.dtype != dtypes.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {dtypes.dtype_name(indices.dtype)}")
    if input.dtype.kind in "biuc":
        refuse_dtype(name, input.dtype)
    if tuple(indices.shape) != tuple(input.shape):
        raise RuntimeError(
            f"Expected shape of indices to be the same as that of the input tensor ({list(input.shape)}) but got indices "
            f"tensor with shape: {list(indices.shape)}"
        )
    if 0 in input.shape[input.ndim - ndim - 1 :]:
        raise RuntimeError(
            f"{name}(): Expected input to have non-zero size for non-batch dimensions, but got {list(input.shape)}"
        )
    if min(sizes) < 1:
        raise RuntimeError(f"{name}(): output sizes must be positive, but got {tuple(sizes)}")
