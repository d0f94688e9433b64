"""Another shape for a tensor itself: ``t_``, ``transpose_``, ``squeeze_``, ``unsqueeze_``.

These write nothing. PyTorch gives their nodes names of their own, so each is an operation beside the one that it repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FunctionType
from typing import TYPE_CHECKING

from gradcore.op import OpFunction, op
from gradcore.ops._dims import normalize_dim, normalize_dims
from gradcore.ops.shape import insert_dim, squeeze_all, squeeze_dim, squeeze_dims, t, transpose
from gradcore.spelling import numpy_names
from gradcore.view import reshape_in_place

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
    made = op(node=node, view=True, linear=True, samples=like.samples)(renamed)
    made.vjp("input")(like.rules["input"].function)
    return made


t_in_place = _again(t, "TBackward1")
transpose_in_place = _again(transpose, "TransposeBackward1")
insert_dim_in_place = _again(insert_dim, "UnsqueezeBackward1")
squeeze_all_in_place = _again(squeeze_all, "SqueezeBackward3")
squeeze_dim_in_place = _again(squeeze_dim, "SqueezeBackward4")
squeeze_dims_in_place = _again(squeeze_dims, "SqueezeBackward5")


def t_(self: Tensor) -> Tensor:
    """Transpose this matrix."""
    return reshape_in_place(t_in_place.op, self, ())


def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two dimensions of this tensor."""
    return reshape_in_place(transpose_in_place.op, self, (dim0, dim1))


def swapaxes_(self: Tensor, axis0: int, axis1: int) -> Tensor:
    """Exchange two dimensions of this tensor; another name of :func:`transpose_`."""
    return transpose_(self, axis0, axis1)


def swapdims_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two dimensions of this tensor; another name of :func:`transpose_`."""
    return transpose_(self, dim0, dim1)


@numpy_names
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """Put a dimension of size 1 into the shape of this tensor."""
    return reshape_in_place(insert_dim_in_place.op, self, (dim,))


@numpy_names
def squeeze_(self: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Take dimensions of size 1 out of the shape of this tensor: all, or those of ``dim`` that have it."""
    if dim is None:
        return reshape_in_place(squeeze_all_in_place.op, self, ())
    if isinstance(dim, (tuple, list)):
        return reshape_in_place(squeeze_dims_in_place.op, self, (normalize_dims(dim, self.ndim),))
    return reshape_in_place(squeeze_dim_in_place.op, self, (normalize_dim(dim, self.ndim),))  # type: ignore[arg-type]
