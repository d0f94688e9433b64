"""Diagonals of matrices: read, replaced, summed, and matrices made of them. Copies, but for ``diagonal``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.inplace import check_inplace
from gradcore.op import STANDARD, op
from gradcore.ops._dims import normalize_dim
from gradcore.ops._operands import as_tensor
from gradcore.ops.cast import cast
from gradcore.ops.shape import ALL, reshape
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["diag", "diag_embed", "diagflat", "diagonal", "diagonal_scatter", "trace"]


def _diagonals(make: Make) -> Iterator[Sample]:
    for shape, offset, dims in (
        ((3, 3), 0, (0, 1)),
        ((2, 4), 1, (0, 1)),
        ((3, 2, 4), -1, (2, 0)),
        ((2, 2), 3, (0, 1)),
        ((0, 2), 0, (-2, -1)),
    ):
        yield Sample(make(*shape), offset=offset, dim1=dims[0], dim2=dims[1])


@op(node="DiagonalBackward0", view=True, linear=True, samples=_diagonals)
def diagonal(xp: Any, input: Any, /, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A diagonal of the plane of two dimensions, as the last dimension; a view."""
    place = _Diagonal(input.shape, offset, dim1, dim2)
    strides = xp.strides(input)
    rest = [strides[d] for d in place.rest]
    # The first element of the diagonal stands first in what is left.
    start = [ALL] * len(strides)
    start[place.dim1], start[place.dim2] = slice(place.row, None), slice(place.column, None)
    shape = (*[input.shape[d] for d in place.rest], place.count)
    return xp.as_strided(xp.getitem(input, tuple(start)), shape, (*rest, strides[place.dim1] + strides[place.dim2]))


@diagonal.vjp("input")
def diagonal_vjp(xp: Any, g: Any, input_shape: Any, offset: int, dim1: int, dim2: int) -> Any:
    return _Diagonal(input_shape, offset, dim1, dim2).embedded(xp, g)


@diagonal.vmap
def diagonal_vmap(input: Any, offset: int, dim1: int, dim2: int) -> Any:
    return diagonal(input, offset, *_plane(input, dim1, dim2))


def _diagonals_to_replace(make: Make) -> Iterator[Sample]:
    for shape, src, offset, dims in (
        ((3, 3), (3,), 0, (0, 1)),
        ((2, 4), (2,), 1, (0, 1)),
        ((3, 2, 4), (2, 3), -1, (2, 0)),
        ((2, 2), (0,), 3, (0, 1)),
    ):
        yield Sample(make(*shape), make(*src), offset=offset, dim1=dims[0], dim2=dims[1])


@op(node="DiagonalScatterBackward0", samples=_diagonals_to_replace)
def diagonal_replaced(xp: Any, input: Any, src: Any, /, offset: int, dim1: int, dim2: int) -> Any:
    """``input`` with ``src`` on a diagonal."""
    place = _Diagonal(input.shape, offset, dim1, dim2)
    return xp.where(_on_diagonal(xp, place, src.shape), place.embedded(xp, src), input)


@diagonal_replaced.vjp("input")
def diagonal_replaced_vjp_input(xp: Any, g: Any, src_shape: Any, offset: int, dim1: int, dim2: int) -> Any:
    return xp.where(_on_diagonal(xp, _Diagonal(g.shape, offset, dim1, dim2), src_shape), 0.0, g)


@diagonal_replaced.vjp("src")
def diagonal_replaced_vjp_src(xp: Any, g: Any, offset: int, dim1: int, dim2: int) -> Any:
    return _Diagonal(g.shape, offset, dim1, dim2).taken(xp, g)


@diagonal_replaced.vmap
def diagonal_replaced_vmap(input: Any, src: Any, offset: int, dim1: int, dim2: int) -> Any:
    return diagonal_replaced(input, src, offset, *_plane(input, dim1, dim2))


def _on_diagonal(xp: Any, place: Any, shape: Any) -> Any:
    return place.embedded(xp, xp.ones(tuple(shape), dtype=xp.float64)) > 0


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of ``input`` with ``src`` on the diagonal that :func:`diagonal` gives.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: ``src`` has another shape than the diagonal, or both dimensions are the same.
    """
    input, src = as_tensor(input, "diagonal_scatter"), as_tensor(src, "diagonal_scatter", "src", 2)
    place = _Diagonal(input._data.shape, offset, dim1, dim2)
    shape = [*[input._data.shape[d] for d in place.rest], place.count]
    if list(src.shape) != shape:
        raise RuntimeError(
            f"diagonal_scatter: expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice "
            f"size = {shape}"
        )
    return diagonal_replaced(input, cast(src, input.dtype), offset, dim1, dim2)  # type: ignore[no-any-return]


@op(node="DiagonalBackward0_copy", linear=True, samples=_diagonals)
def diagonal_copy(xp: Any, input: Any, /, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy of a diagonal."""
    return _Diagonal(input.shape, offset, dim1, dim2).taken(xp, input)


@diagonal_copy.vjp("input")
def diagonal_copy_vjp(xp: Any, g: Any, input_shape: Any, offset: int, dim1: int, dim2: int) -> Any:
    return _Diagonal(input_shape, offset, dim1, dim2).embedded(xp, g)


@diagonal_copy.vmap
def diagonal_copy_vmap(input: Any, offset: int, dim1: int, dim2: int) -> Any:
    return diagonal_copy(input, offset, *_plane(input, dim1, dim2))


def _vectors_to_embed(make: Make) -> Iterator[Sample]:
    for shape, offset, dims in (((3,), 0, (-2, -1)), ((2, 3), 1, (0, 2)), ((2,), -2, (1, 0)), ((0,), 0, (-2, -1))):
        yield Sample(make(*shape), offset=offset, dim1=dims[0], dim2=dims[1])


@op(node="DiagEmbedBackward0", linear=True, samples=_vectors_to_embed)
def diag_embed(xp: Any, input: Any, /, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The last dimension put on a diagonal of the plane of two new ones; zeros elsewhere."""
    return _embedding(input.shape, offset, dim1, dim2).embedded(xp, input)


@diag_embed.vjp("input")
def diag_embed_vjp(xp: Any, g: Any, input_shape: Any, offset: int, dim1: int, dim2: int) -> Any:
    return _embedding(input_shape, offset, dim1, dim2).taken(xp, g)


@diag_embed.vmap
def diag_embed_vmap(input: Any, offset: int, dim1: int, dim2: int) -> Any:
    if input.ndim == 1:
        _embedding((), offset, dim1, dim2)
    return diag_embed(input, offset, *_plane(input, dim1, dim2, 1))


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A diagonal of a matrix, as a copy; or the matrix that has a vector on its diagonal.

    Raises:
        RuntimeError: neither a vector nor a matrix.
    """
    input = as_tensor(input, "diag")
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return diag_embed(input, diagonal) if input.ndim == 1 else diagonal_copy(input, diagonal)  # type: ignore[no-any-return]


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write a number on the main diagonal.

    Args:
        wrap: for a matrix of more rows than columns: begin anew below its end, one row further down.

    Raises:
        RuntimeError: fewer than two dimensions, or more of different sizes.
    """
    if self.ndim < 2:
        raise RuntimeError(f"dimensions must larger than 1, but got {self.ndim}")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError(f"all dimensions of input must be of equal length, but got {list(self.shape)}")
    check_inplace(self, "fill_diagonal_")
    if self.ndim == 2:
        rows, columns = self.shape
        starts = range(0, rows, columns + 1) if wrap and rows > columns > 0 else (0,)
        for start in starts:
            diagonal(self if not start else self[start:]).fill_(fill_value)
    else:
        part = self
        while part.ndim > 1:
            part = diagonal(part)  # puts the diagonal last
            part = part.movedim(-1, 0)
        part.fill_(fill_value)
    return self


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix that has the elements of a tensor on a diagonal."""
    return diag_embed(reshape(input, (-1,)), offset)  # type: ignore[no-any-return]


def _matrices(make: Make) -> Iterator[Sample]:
    for shape in ((3, 3), (2, 3), (0, 2)):
        yield Sample(make(*shape))


@op(node="TraceBackward0", linear=True, samples=_matrices)
def trace(xp: Any, input: Any, /) -> Any:
    """The sum of the elements on the diagonal of a matrix."""
    _check_trace(len(input.shape))
    elements = _Diagonal(input.shape, 0, 0, 1).taken(xp, input)
    return xp.sum(elements, dtype=xp.int64 if xp.np_dtype(input.dtype).kind in "biu" else input.dtype)


@trace.vjp("input")
def trace_vjp(xp: Any, g: Any, input_shape: Any) -> Any:
    place = _Diagonal(input_shape, 0, 0, 1)
    return place.embedded(xp, xp.broadcast_to(g, (place.count,)))


def _check_trace(ndim: int) -> None:
    if ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {ndim}")


@trace.vmap
def trace_vmap(input: Any) -> Any:
    _check_trace(input.ndim - 1)
    return STANDARD["sum"](diagonal_copy(input, 0, 1, 2), axis=-1)


class _Diagonal:
    """Where a diagonal lies: for taking it, and for putting it back."""

    def __init__(self, shape: Any, offset: int, dim1: int, dim2: int) -> None:
        self.shape = tuple(shape)
        self.dim1, self.dim2 = normalize_dim(dim1, len(shape)), normalize_dim(dim2, len(shape))
        if self.dim1 == self.dim2:
            raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
        self.rest = [d for d in range(len(shape)) if d not in (self.dim1, self.dim2)]
        self.row, self.column = max(-offset, 0), max(offset, 0)
        self.count = max(min(shape[self.dim1] - self.row, shape[self.dim2] - self.column), 0)
        if not self.count:
            self.row = self.column = 0

    def at(self, xp: Any) -> tuple[Any, ...]:
        """The index of the diagonal in an array whose last two dimensions make the plane."""
        steps = xp.arange(self.count, dtype=xp.int64)
        return (..., steps + self.row, steps + self.column)

    def taken(self, xp: Any, x: Any) -> Any:
        """The diagonal of ``x``."""
        return xp.getitem(xp.permute_dims(x, (*self.rest, self.dim1, self.dim2)), self.at(xp))

    def embedded(self, xp: Any, values: Any) -> Any:
        """Zeros with ``values`` on the diagonal."""
        order = (*self.rest, self.dim1, self.dim2)
        flat = xp.scatter_add(values, self.at(xp), tuple([self.shape[d] for d in order]))
        return xp.permute_dims(flat, tuple(sorted(range(len(order)), key=order.__getitem__)))


def _embedding(shape: Any, offset: int, dim1: int, dim2: int) -> _Diagonal:
    """The diagonal that ``diag_embed`` puts the last dimension of ``shape`` on."""
    if not shape:
        raise IndexError("diag_embed: Dimension out of range, a 0-d tensor has no dimension to embed")
    ndim = len(shape) + 1
    first, second = normalize_dim(dim1, ndim), normalize_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    side = shape[-1] + abs(offset)
    full = list(shape[:-1])
    for d in sorted((first, second)):
        full.insert(d, side)
    return _Diagonal(full, offset, first, second)


def _plane(input: Any, dim1: int, dim2: int, more: int = 0) -> tuple[int, int]:
    """Two dimensions of an element, which gets ``more`` of them, as those of the batch."""
    ndim = input.ndim - 1 + more
    return normalize_dim(dim1, ndim) + 1, normalize_dim(dim2, ndim) + 1
