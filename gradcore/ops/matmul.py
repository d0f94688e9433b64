"""Products of vectors, matrices and batches of matrices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.graph import Node, new_node, node_class
from gradcore.op import conj, is_operand, op, standard
from gradcore.ops._batching import folded, unfolded
from gradcore.ops._matrices import (
    adjoint_times,
    by,
    check_batches,
    column,
    refuse_matrices,
    refuse_vector,
    refuse_vectors,
    times_adjoint,
)
from gradcore.ops._operands import as_tensor
from gradcore.ops.broadcasting import broadcast_shapes
from gradcore.runtime import RUNTIME
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["bmm", "dot", "matmul", "mm", "mv", "vdot"]


def _matrices(make: Make) -> Iterator[Sample]:
    for n, k, m in ((2, 3, 4), (1, 1, 1), (3, 1, 2), (0, 2, 3), (2, 0, 3)):
        yield Sample(make(n, k), make(k, m))


@op(node="MmBackward0", promote="same", multilinear=True, samples=_matrices)
def mm(xp: Any, input: Any, mat2: Any, /) -> Any:
    """The product of two matrices."""
    n, m = input.shape, mat2.shape
    if len(n) != 2 or len(m) != 2 or n[1] != m[0] or input.dtype is dtypes.bool_:
        refuse_matrices("mm", input, mat2)
    return xp.matmul(input, mat2)


@mm.vjp("input")
def mm_vjp_input(xp: Any, g: Any, mat2: Any, input_strides: Any) -> Any:
    return times_adjoint(xp, g, mat2, input_strides)


@mm.vjp("mat2")
def mm_vjp_mat2(xp: Any, g: Any, input: Any, mat2_strides: Any) -> Any:
    return adjoint_times(xp, input, g, mat2_strides)


@mm.vmap
def mm_vmap(input: Any, mat2: Any, batched: tuple[bool, bool]) -> Any:
    if batched == (True, True):
        return bmm(input, mat2)
    # A matrix that all elements share makes one large product of many.
    if batched[0]:
        return unfolded(mm(folded(input), mat2), input.shape[:2])
    return unfolded(mm(folded(mat2.mT), input.t()), (mat2.shape[0], mat2.shape[2])).mT


def _matrix_and_vector(make: Make) -> Iterator[Sample]:
    for n, k in ((2, 3), (1, 1), (0, 2), (2, 0)):
        yield Sample(make(n, k), make(k))


@op(node="MvBackward0", promote="same", multilinear=True, samples=_matrix_and_vector)
def mv(xp: Any, input: Any, vec: Any, /) -> Any:
    """The product of a matrix and a vector."""
    if len(input.shape) != 2 or len(vec.shape) != 1 or input.shape[1] != vec.shape[0] or vec.dtype is dtypes.bool_:
        refuse_vector("mv", input, vec)
    return xp.matmul(input, vec)


@mv.vjp("input")
def mv_vjp_input(xp: Any, g: Any, vec: Any) -> Any:
    return xp.multiply(column(xp, g), conj(xp, vec))


@mv.vjp("vec")
def mv_vjp_vec(xp: Any, g: Any, input: Any) -> Any:
    return xp.matmul(conj(xp, input).mT, g)


@mv.vmap
def mv_vmap(input: Any, vec: Any, batched: tuple[bool, bool]) -> Any:
    if batched == (True, True):
        return bmm(input, vec.unsqueeze(2)).squeeze(2)
    return unfolded(mv(folded(input), vec), input.shape[:2]) if batched[0] else mm(vec, input.t())


def _vectors(make: Make) -> Iterator[Sample]:
    for n in (3, 1, 0):
        yield Sample(make(n), make(n))


@op(node="DotBackward0", promote="same", multilinear=True, samples=_vectors)
def dot(xp: Any, input: Any, tensor: Any, /) -> Any:
    """``sum(input * tensor)`` of two vectors."""
    if len(input.shape) != 1 or input.shape != tensor.shape or input.dtype is dtypes.bool_:
        refuse_vectors("dot", input, tensor)
    return xp.matmul(input, tensor)


@dot.vjp("input")
def dot_vjp_input(xp: Any, g: Any, tensor: Any) -> Any:
    return xp.multiply(g, conj(xp, tensor))


@dot.vjp("tensor")
def dot_vjp_tensor(xp: Any, g: Any, input: Any) -> Any:
    return xp.multiply(g, conj(xp, input))


@dot.vmap
def dot_vmap(input: Any, tensor: Any, batched: tuple[bool, bool]) -> Any:
    if batched == (True, True):
        return bmm(input.unsqueeze(1), tensor.unsqueeze(2)).reshape(input.shape[:1])
    return mv(input, tensor) if batched[0] else mv(tensor, input)


@op(node="VdotBackward0", promote="same", samples=_vectors)
def vdot(xp: Any, input: Any, other: Any, /) -> Any:
    """``sum(conj(input) * other)`` of two vectors."""
    if len(input.shape) != 1 or input.shape != other.shape or input.dtype is dtypes.bool_:
        refuse_vectors("vdot", input, other)
    return xp.matmul(conj(xp, input), other)


@vdot.vjp("input")
def vdot_vjp_input(xp: Any, g: Any, other: Any) -> Any:
    return xp.multiply(conj(xp, g), other)


@vdot.vjp("other")
def vdot_vjp_other(xp: Any, g: Any, input: Any) -> Any:
    return xp.multiply(g, input)


@vdot.vmap
def vdot_vmap(input: Any, other: Any, batched: tuple[bool, bool]) -> Any:
    return dot_vmap(input.conj() if input.is_complex() else input, other, batched)


OUTER_FROM = 256
"""Outer products (gradients of the weights, sample by sample) of so many elements are no work for a matrix product: NumPy's
takes 4.4 ms for 256 of 128 x 64 float32, where multiplying takes 1.6 ms."""


def _batches(make: Make) -> Iterator[Sample]:
    for b, n, k, m in ((2, 2, 3, 4), (1, 1, 1, 1), (0, 2, 3, 2), (2, 3, 0, 2)):
        yield Sample(make(b, n, k), make(b, k, m))


@op(node="BmmBackward0", promote="same", multilinear=True, samples=_batches)
def bmm(xp: Any, input: Any, mat2: Any, /) -> Any:
    """The products of the matrices of two batches, pair by pair."""
    check_batches("bmm", input, mat2)
    if input.shape[2] == 1 and input.shape[1] * mat2.shape[2] >= OUTER_FROM:
        return xp.multiply(input, mat2)
    return xp.matmul(input, mat2)


@bmm.vjp("input")
def bmm_vjp_input(xp: Any, g: Any, mat2: Any) -> Any:
    return xp.matmul(g, conj(xp, mat2).mT)


@bmm.vjp("mat2")
def bmm_vjp_mat2(xp: Any, g: Any, input: Any) -> Any:
    return xp.matmul(conj(xp, input).mT, g)


@bmm.vmap
def bmm_vmap(input: Any, mat2: Any, batched: tuple[bool, bool]) -> Any:
    if batched == (True, True):
        return unfolded(bmm(folded(input), folded(mat2)), input.shape[:2])
    if batched[0]:
        return unfolded(bmm(folded(input, 1), mat2), (input.shape[0], input.shape[2]), 1)
    return unfolded(bmm(folded(mat2.mT, 1), input.mT), (mat2.shape[0], mat2.shape[3]), 1).mT


@standard("matmul")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product: of two vectors a number, of two matrices a matrix, of more dimensions a batch.

    Dimensions before the last two are batches, and broadcast. A vector stands for a matrix of one row on the
    left, of one column on the right; that dimension is left out of the result.

    Raises:
        RuntimeError: the sizes do not fit, a tensor is 0-d, or the dtypes differ (there is no promotion
            here).
    """
    Tensor = RUNTIME["Tensor"]
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        input, other = as_tensor(input, "matmul"), as_tensor(other, "matmul", "other", 2)
    left, right = len(input._data.shape), len(other._data.shape)
    if left == 2:
        if right == 2:
            return mm(input, other)  # type: ignore[no-any-return]
        if right == 1:
            return mv(input, other)  # type: ignore[no-any-return]
    elif left == 1:
        if right == 1:
            return dot(input, other)  # type: ignore[no-any-return]
        if right == 2:
            return _reshaped(mm(input.unsqueeze(0), other), other._data.shape[1:], _SQUEEZE)
    if not left or not right:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {left}D and {right}D")
    return _batched(input, other)


def matmul_operator(self: Tensor, other: Any) -> Any:
    """``self @ other``."""
    return matmul(self, other) if isinstance(other, RUNTIME["Tensor"]) or _is_array(other) else NotImplemented


def reflected_matmul_operator(self: Tensor, other: Any) -> Any:
    """``other @ self``, where ``other`` is an array that leaves it to the tensor."""
    return matmul(other, self) if _is_array(other) else NotImplemented


def unsafe_view(result: Tensor, size: tuple[int, ...]) -> Tensor:
    """A result that nobody else holds yet, in another shape. As in PyTorch, that is no view of anything."""
    return _reshaped(result, size, _UNSAFE_VIEW)


def _reshaped(result: Tensor, size: tuple[int, ...], cls: type[Node]) -> Tensor:
    if result._device.level is not None or result._tangent is not None:
        return result.reshape(size)  # what a transform knows of the result must follow
    xp: Any = result._device.xp
    raw = result._data
    if raw.shape != size:
        raw = result._data = xp.reshape(raw, size)
    if result._edge is not None:
        result._edge = new_node(cls, _RESHAPING, xp, (result._edge,), raw.shape, raw.dtype)
    return result


class _Reshaping:
    """Runs the node of a reshaped result: gives the gradient the shape that the result had."""

    saves_tensors = False

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any]:
        return (xp.reshape(g, node._next[0]._shape),)

    def graph(self, node: Node, xp: Any, g: Tensor) -> tuple[Any]:
        return (g.reshape(node._next[0]._shape),)


_RESHAPING = _Reshaping()
_UNSAFE_VIEW, _SQUEEZE = node_class("UnsafeViewBackward0"), node_class("SqueezeBackward4")


def _is_array(x: Any) -> bool:
    """Whether ``x`` is an array with dimensions; numbers are no factors of a matrix product."""
    return is_operand(x) and len(getattr(x, "shape", ())) > 0


def _batched(x: Tensor, y: Tensor) -> Tensor:
    """The matrix product where one operand at least has batches."""
    a, b = x._data.shape, y._data.shape
    _check_inner(a, b)
    if len(a) == len(b) == 3:
        if a[0] == b[0]:
            return unsafe_view(bmm(x, y), (a[0], a[1], b[2]))
        # A batch of one matrix is a matrix: one large product then stands for the many of the other batch. Only
        # where that matrix needs a gradient, since otherwise there is nothing to gain that the copy does not cost.
        if b[0] == 1 and y.requires_grad:
            y = y.squeeze(0)
        elif a[0] == 1 and x.requires_grad:
            x = x.squeeze(0)
    if y.ndim <= 2 and _folds(x, y):
        return _folded(x, y)
    if x.ndim <= 2 and _folds(y.mT, x, right=False):
        if x.ndim == 1:
            return _folded(y.mT, x)
        return _folded(y.mT, x.t()).mT.contiguous()  # type: ignore[no-any-return]
    return _expanded(x, y)


def _folds(large: Tensor, small: Tensor, right: bool = True) -> bool:
    """Whether the batches of ``large`` are to be seen as more rows of one matrix."""
    if small.requires_grad:
        return True
    if not right and small.ndim == 2:
        # The result would have to be transposed, in a copy.
        return False
    return large.numel() == 0 or _rows_are_evenly_spaced(large)


def _rows_are_evenly_spaced(x: Tensor) -> bool:
    """Whether all dimensions but the last can be seen as one without a copy."""
    shape, strides = x.shape, x.stride()
    return all(strides[i] == strides[i + 1] * shape[i + 1] for i in range(x.ndim - 2))


def _folded(large: Tensor, small: Tensor) -> Tensor:
    """``large @ small``, with all rows of ``large`` as one matrix."""
    size = large._data.shape
    rows = large.reshape((math.prod(size[:-1]), size[-1]))
    out = mv(rows, small) if small.ndim == 1 else mm(rows, small)
    return unsafe_view(out, (*size[:-1], *small._data.shape[1:]))


def _expanded(x: Tensor, y: Tensor) -> Tensor:
    """The product of two batches, broadcast against each other."""
    a, b = x._data.shape, y._data.shape
    batch = tuple(broadcast_shapes(a[:-2], b[:-2]))
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
    left = _as_batch(x if rows else x.unsqueeze(0), batch)
    right = _as_batch(y if columns else y.unsqueeze(1), batch)
    return unsafe_view(bmm(left, right), batch + rows + columns)


def _as_batch(x: Tensor, batch: tuple[int, ...]) -> Tensor:
    """Matrices, expanded to the batches ``batch``, in one batch."""
    shape = x._data.shape
    if shape[:-2] != batch:
        x = x.expand(batch + shape[-2:])
    return x if len(batch) == 1 else x.reshape((math.prod(batch), *shape[-2:]))


def _check_inner(a: Sequence[int], b: Sequence[int]) -> None:
    """Raise if the inner sizes of a batched product differ."""
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({by(a)} and {by(b)}): the last size of the first, "
            f"{a[-1]}, must equal the {'next to last' if len(b) > 1 else 'only'} size of the second, {inner} "
            "(size mismatch in matmul)"
        )
