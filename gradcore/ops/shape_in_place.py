"""Another shape for a tensor itself: ``t_``, ``transpose_``, ``squeeze_``, ``unsqueeze_``.

None of these writes any element. PyTorch gives their nodes names of their own, so each is an operation beside the one that it
repeats. ``set_`` and ``resize_`` give a tensor other memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.inplace import bump, check_graph, cut_off, is_dense, replace_memory, reshape_in_place
from gradcore.op import Op, OpFunction, is_tensor, op
from gradcore.ops._dims import normalize_dim, normalize_dims
from gradcore.ops.shape import checked_strides, strided, view_shape
from gradcore.ops.shape import sizes as sizes_of
from gradcore.ops.squeezing import insert_dim, squeeze_all, squeeze_dim, squeeze_dims
from gradcore.ops.transposing import t, transpose
from gradcore.spelling import numpy_names
from gradcore.view import edge_of

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__: list[str] = []


def _again(function: OpFunction, node: str) -> OpFunction:
    """The same operation with another node."""
    like = function.op
    forward = like.forward
    renamed = FunctionType(forward.__code__, forward.__globals__, f"{like.name}_in_place", forward.__defaults__)
    renamed.__doc__ = forward.__doc__
    renamed.__module__ = __name__
    made = op(node=node, view=True, linear=True, reads_layout=like.reads_layout, samples=like.samples)(renamed)
    made.vjp("input")(like.rules["input"].function)
    if like.vmap is not None:
        made.vmap(like.vmap.function)
    return made


t_in_place = _again(t, "TBackward1")
transpose_in_place = _again(transpose, "TransposeBackward1")
insert_dim_in_place = _again(insert_dim, "UnsqueezeBackward1")
squeeze_all_in_place = _again(squeeze_all, "SqueezeBackward3")
squeeze_dim_in_place = _again(squeeze_dim, "SqueezeBackward4")
squeeze_dims_in_place = _again(squeeze_dims, "SqueezeBackward5")
strided_in_place = _again(strided, "AsStridedBackward1")


def t_(self: Tensor) -> Tensor:
    """Transpose this matrix."""
    return reshape_in_place(t_in_place.op, self, (), lambda shape: (t.op, ()))


def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two dimensions of this tensor."""
    return reshape_in_place(transpose_in_place.op, self, (dim0, dim1), lambda shape: (transpose.op, (dim0, dim1)))


def swapaxes_(self: Tensor, axis0: int, axis1: int) -> Tensor:
    """Exchange two dimensions of this tensor; another name of :func:`transpose_`."""
    return transpose_(self, axis0, axis1)


def swapdims_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two dimensions of this tensor; another name of :func:`transpose_`."""
    return transpose_(self, dim0, dim1)


@numpy_names
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """Put a dimension of size 1 into the shape of this tensor."""
    return reshape_in_place(insert_dim_in_place.op, self, (dim,), _seen_as)


@numpy_names
def squeeze_(self: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Take dimensions of size 1 out of the shape of this tensor: all, or those of ``dim`` that have it."""
    if dim is None:
        return reshape_in_place(squeeze_all_in_place.op, self, (), _seen_as)
    if isinstance(dim, (tuple, list)):
        return reshape_in_place(squeeze_dims_in_place.op, self, (normalize_dims(dim, self.ndim),), _seen_as)
    return reshape_in_place(squeeze_dim_in_place.op, self, (normalize_dim(dim, self.ndim),), _seen_as)  # type: ignore[arg-type]


def as_strided_(self: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """Let this tensor see its memory with other sizes and strides; see :func:`gradcore.as_strided`."""
    place = checked_strides(self, size, stride, storage_offset)
    return reshape_in_place(strided_in_place.op, self, place, lambda shape: None)


def set_(self: Tensor, source: Tensor) -> Tensor:
    """Let this tensor have the memory, shape and strides of ``source``; each keeps its own count of writes.

    Raises:
        RuntimeError: ``source`` has another dtype or device, or this tensor may not be written to. If a gradient would have
            to pass, it is backward that raises.
        TypeError: ``source`` is no tensor.
    """
    if not is_tensor(source):
        raise TypeError(f"set_(): argument 'source' must be Tensor, not {type(source).__name__}")
    if source.dtype != self.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {dtypes.dtype_name(source.dtype)} to a tensor of type "
            f"{dtypes.dtype_name(self.dtype)}"
        )
    if source._device is not self._device:
        raise RuntimeError(f"Could not set tensor on {source.device} to a tensor on {self.device}")
    check_graph(self, "set_", (self, source))
    edges = [edge_of(x) if x.requires_grad else None for x in (self, source)]
    replace_memory(self, source._data)
    bump(self)
    cut_off(self, "set_", edges)
    return self


def resize_(self: Tensor, *sizes: Any) -> Tensor:
    """Give this tensor another number of elements: the first ones of its memory, in row-major order.

    Where it needs more memory than it has, it gets a copy; the elements that are added are 0.

    Raises:
        RuntimeError: it requires grad; it needs more memory, but shares what it has with a view or with ``detach()``; or
            its elements do not lie in memory without gaps.
    """
    shape = sizes_of("resize_", sizes, "size")
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad: take a part of it, or detach() it first")
    if min(shape, default=0) < 0:
        raise RuntimeError(f"resize_: sizes must not be negative, but got {list(shape)}")
    if tuple(shape) == tuple(self.shape):
        return self
    xp = self._device.xp
    have, want = self.numel(), math.prod(shape)
    if want <= have and is_dense(xp, self._data):
        steps = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
        with_steps = (tuple(shape), tuple(steps), 0, tuple(xp.strides(self._data)))
        return reshape_in_place(strided.op, self, with_steps, lambda before: None)
    if self._view is not None or self._cell is not None:
        raise RuntimeError(
            f"cannot resize a tensor of shape {list(self.shape)} to {list(shape)}: it shares its memory, or has gaps in it. "
            "Make a new tensor instead"
        )
    raw = xp.zeros((want,), dtype=self._data.dtype)
    kept = min(have, want)
    xp.setitem(raw, (slice(0, kept), ...), xp.getitem(xp.reshape(self._data, (-1,)), (slice(0, kept), ...)))
    replace_memory(self, xp.reshape(raw, tuple(shape)))
    bump(self)
    return self


def resize_as_(self: Tensor, the_template: Tensor) -> Tensor:
    """Give this tensor the shape of another; see :func:`resize_`."""
    if not is_tensor(the_template):
        raise TypeError(f"resize_as_(): argument 'the_template' must be Tensor, not {type(the_template).__name__}")
    return resize_(self, *the_template.shape)


def _seen_as(shape: Any) -> tuple[Op, tuple[Any, ...]]:
    """What undoes a change of dimensions of size 1: those never stand in the way of a view."""
    return view_shape.op, (tuple(shape),)
