"""Tensors by the strides of their memory: made so, or written to so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.device import get_default_device, resolve
from gradcore.op import op, wrap
from gradcore.ops._operands import as_tensor
from gradcore.ops.cast import cast
from gradcore.ops.shape import checked_strides, positions
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["as_strided_scatter", "empty_permuted", "empty_strided"]


def _strided_parts(make: Make) -> Iterator[Sample]:
    yield Sample(make(6), make(2, 2), size=(2, 2), stride=(3, 1), offset=1, steps=(1,))
    yield Sample(make(2, 3), make(2), size=(2,), stride=(3,), offset=0, steps=(3, 1))
    yield Sample(make(3), make(), size=(), stride=(), offset=2, steps=(1,))


@op(node="AsStridedScatterBackward0", linear=True, reads_layout=True, samples=_strided_parts)
def strided_replaced(
    xp: Any,
    input: Any,
    src: Any,
    /,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int,
    steps: tuple[int, ...],
) -> Any:
    """``input`` with ``src`` in the part of its memory that sizes, strides and an offset name."""
    source = _sources(tuple(input.shape), size, stride, offset, steps)
    if not src.size:
        return xp.copy(input)
    written = xp.take(xp.reshape(src, (-1,)), xp.asarray(np.maximum(source, 0).reshape(-1)), axis=0)
    return xp.where(xp.asarray(source >= 0), xp.reshape(written, input.shape), input)


@strided_replaced.vjp("input")
def strided_replaced_vjp_input(
    xp: Any, g: Any, size: tuple[int, ...], stride: tuple[int, ...], offset: int, steps: tuple[int, ...]
) -> Any:
    return xp.where(xp.asarray(_sources(tuple(g.shape), size, stride, offset, steps) >= 0), 0.0, g)


@strided_replaced.vjp("src")
def strided_replaced_vjp_src(
    xp: Any, g: Any, size: tuple[int, ...], stride: tuple[int, ...], offset: int, steps: tuple[int, ...]
) -> Any:
    # Where the part names one place of memory twice, both elements get the gradient of that.
    there, here = positions(tuple(g.shape), steps).reshape(-1), positions(size, stride).reshape(-1) + offset
    memory = np.full(int(max(there.max(initial=-1), here.max(initial=-1))) + 1, there.size)
    memory[there] = np.arange(there.size)
    flat = xp.concat([xp.reshape(g, (-1,)), xp.zeros((1,), dtype=g.dtype)])
    return xp.reshape(xp.take(flat, xp.asarray(memory[here]), axis=0), size)


@strided_replaced.vmap
def strided_replaced_vmap(
    input: Any,
    src: Any,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int,
    steps: tuple[int, ...],
) -> Any:
    # The elements side by side, as if each were one number of a vector.
    count = input.shape[0]
    shape = tuple(input.shape[1:])
    kept = input.movedim(0, -1).reshape((math.prod(shape), count))
    written = src.movedim(0, -1).reshape((math.prod(size), count))
    source = _sources(shape, size, stride, offset, steps).reshape(-1)
    where = input._device.place
    at = wrap(where.xp.asarray(np.maximum(source, 0)), where)
    mask = wrap(where.xp.asarray((source >= 0).reshape(-1, 1)), where)
    out = written.index_select(0, at).where(mask, kept) if written.shape[0] else kept
    return out.reshape((*shape, count)).movedim(-1, 0)


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A copy of ``input`` with ``src`` where :func:`gradcore.as_strided` would look.

    Raises:
        RuntimeError: ``src`` has another shape than ``size``; or as that does.
    """
    input, src = as_tensor(input, "as_strided_scatter"), as_tensor(src, "as_strided_scatter", "src", 2)
    place = checked_strides(input, size, stride, storage_offset)
    if tuple(src.shape) != place[0]:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(place[0])}"
        )
    return strided_replaced(input, cast(src, input.dtype), *place)  # type: ignore[no-any-return]


def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Memory of a given size with given steps between the elements, with whatever it held.

    Raises:
        RuntimeError: there are not as many strides as sizes, or a negative number.
    """
    shape, steps = tuple(size), tuple(stride)
    if len(shape) != len(steps):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides ({len(steps)})"
        )
    for what, numbers in (("size", shape), ("stride", steps)):
        if any(n < 0 for n in numbers):
            raise RuntimeError(f"empty_strided: {what}s must not be negative, but got {list(numbers)}")
    where = get_default_device() if device is None else resolve(device)
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.normalize(dtype)
    reach = 0 if 0 in shape else 1 + sum([(n - 1) * step for n, step in zip(shape, steps, strict=True)])
    memory = where.xp.empty((reach,), dtype=kind)
    made = wrap(where.xp.as_strided(memory, shape, steps), where)
    return made.requires_grad_() if requires_grad else made


def empty_permuted(
    size: Sequence[int],
    physical_layout: Sequence[int],
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Memory of a given size, dense, in which the dimensions lie in the order of ``physical_layout``, outermost first.

    Raises:
        RuntimeError: ``physical_layout`` does not name every dimension once.
    """
    shape, layout = tuple(size), tuple(physical_layout)
    if len(shape) != len(layout):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = {len(shape)} is "
            f"not equal to len(physical_layout) = {len(layout)}"
        )
    for d in layout:
        if not 0 <= d < len(shape):
            raise RuntimeError(f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got {d})")
        if layout.count(d) > 1:
            raise RuntimeError(f"Duplicate dim not allowed: dimension {d} of physical_layout {list(layout)}")
    strides, step = [0] * len(shape), 1
    for d in reversed(layout):
        strides[d] = step
        step *= max(shape[d], 1)
    return empty_strided(shape, strides, dtype=dtype, device=device, requires_grad=requires_grad)


def new_empty_strided(
    self: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """:func:`empty_strided` in the dtype and on the device of this tensor."""
    return empty_strided(
        size,
        stride,
        dtype=self.dtype if dtype is None else dtype,
        device=self.device if device is None else device,
        requires_grad=requires_grad,
    )


def _sources(
    shape: tuple[int, ...], size: tuple[int, ...], stride: tuple[int, ...], offset: int, steps: tuple[int, ...]
) -> Any:
    """For each element of a tensor which element of the part is written there; -1 for none."""
    there, here = positions(shape, steps), positions(size, stride).reshape(-1) + offset
    memory = np.full(int(max(there.max(initial=-1), here.max(initial=-1))) + 1, -1)
    memory[here] = np.arange(here.size)
    return memory[there]
