"""The elements of a tensor in other places: reversed, rotated, repeated, on diagonals. Copies, but for ``diagonal``."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.inplace import check_inplace
from gradcore.op import STANDARD, is_tensor, op, standard
from gradcore.ops import creation
from gradcore.ops._batching import aligned, rows, shifted
from gradcore.ops._dims import as_integer, normalize_dim, normalize_dims
from gradcore.ops._operands import as_tensor
from gradcore.ops.broadcasting import expand_to
from gradcore.ops.cast import cast
from gradcore.ops.indexing import slice_along
from gradcore.ops.selecting import index_select
from gradcore.ops.shape import ALL, clone_contiguous, insert_dim, reshape, sizes
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "diagonal_scatter",
    "flip",
    "fliplr",
    "flipud",
    "repeat_interleave",
    "roll",
    "rot90",
    "tile",
    "trace",
    "tril",
    "triu",
]


# Reversed and rotated.


def _flips(make: Make) -> Iterator[Sample]:
    for shape, dims in (((2, 3), (0,)), ((2, 3), (1, 0)), ((3,), ()), ((), ()), ((0, 2), (0,))):
        yield Sample(make(*shape), dims=dims)


@op(node="FlipBackward0", linear=True, samples=_flips)
def flipped(xp: Any, input: Any, /, dims: tuple[int, ...]) -> Any:
    """``input`` with some dimensions reversed."""
    return xp.copy(xp.flip(input, axis=dims) if dims else input)


@flipped.vjp("input")
def flipped_vjp(xp: Any, g: Any, dims: tuple[int, ...]) -> Any:
    return xp.flip(g, axis=dims) if dims else g


@flipped.vmap
def flipped_vmap(input: Any, dims: tuple[int, ...]) -> Any:
    return flipped(input, shifted(dims))


@numpy_names
def flip(input: Tensor, *which: Any, dims: Any = None) -> Tensor:
    """The order of the elements reversed along some dimensions; a copy.

    Raises:
        RuntimeError: a dimension is named twice.
    """
    input = as_tensor(input, "flip")
    ndim = len(input._data.shape)
    found = normalize_dims(sizes("flip", which, "dims", dims), ndim)
    return flipped(input, found if ndim else ())  # type: ignore[no-any-return]


@standard("flip")
def flip_standard(x: Tensor, /, *, axis: int | Sequence[int] | None = None) -> Tensor:
    """The standard's spelling of :func:`flip`."""
    return flip(x, normalize_dims(axis if axis is None or isinstance(axis, int) else tuple(axis), x.ndim))


def fliplr(input: Tensor) -> Tensor:
    """The second dimension reversed."""
    if input.ndim < 2:
        raise RuntimeError(f"fliplr: Input must be >= 2-d, but got {input.ndim}-d.")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """The first dimension reversed."""
    if input.ndim < 1:
        raise RuntimeError("flipud: Input must be >= 1-d, but got 0-d.")
    return flip(input, 0)


def _rolls(make: Make) -> Iterator[Sample]:
    for shape, shifts, dims in (
        ((2, 3), (1,), (1,)),
        ((2, 3), (1, -2), (0, 1)),
        ((2, 3), (4,), ()),
        ((), (1,), ()),
        ((0, 2), (1,), (0,)),
    ):
        yield Sample(make(*shape), shifts=shifts, dims=dims)


@op(node="RollBackward0", linear=True, samples=_rolls)
def rolled(xp: Any, input: Any, /, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """``input`` shifted along dimensions, what leaves at one end coming back at the other; no dims: flattened."""
    return _rolled(xp, input, shifts, dims)


@rolled.vjp("input")
def rolled_vjp(xp: Any, g: Any, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    return _rolled(xp, g, tuple([-n for n in shifts]), dims)


@rolled.vmap
def rolled_vmap(input: Any, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    if dims:
        return rolled(input, shifts, shifted(dims))
    return reshape(rolled(rows(input), shifts, (1,)), input.shape)


@numpy_names
def roll(input: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """The elements shifted along dimensions; what leaves at one end comes back at the other.

    Without ``dims`` the tensor is flattened for it.

    Raises:
        RuntimeError: no shifts, or not as many as dimensions.
        IndexError: there is no such dimension.
    """
    input = as_tensor(input, "roll")
    ndim = len(input._data.shape)
    shifts = tuple(map(operator.index, shifts if isinstance(shifts, (tuple, list)) else (shifts,)))
    given = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
    if not shifts:
        raise RuntimeError("`shifts` required")
    if given and not ndim:
        raise IndexError(f"Dimension specified as {given[0]} but tensor has no dimensions")
    if len(given) != len(shifts) and not (len(shifts) == 1 and not given):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(given)}")
    found = tuple([normalize_dim(d, ndim) for d in given])
    return rolled(input, shifts, found if ndim else ())  # type: ignore[no-any-return]


@standard("roll")
def roll_standard(x: Tensor, /, shift: Any, *, axis: Any = None) -> Tensor:
    """The standard's spelling of :func:`roll`."""
    if isinstance(axis, (tuple, list)) and isinstance(shift, int):
        shift = (shift,) * len(axis)
    return roll(x, shift, () if axis is None else axis)


def _rotations(make: Make) -> Iterator[Sample]:
    for shape, k, dims in (
        ((2, 3), 1, (0, 1)),
        ((2, 3), 2, (0, 1)),
        ((2, 3), 3, (0, 1)),
        ((2, 3), 0, (0, 1)),
        ((2, 1, 3), -1, (2, 0)),
    ):
        yield Sample(make(*shape), k=k, dims=dims)


@op(node="Rot90Backward0", linear=True, samples=_rotations)
def rotated(xp: Any, input: Any, /, k: int, dims: tuple[int, int]) -> Any:
    """``input`` turned ``k`` times by 90 degrees in the plane of two dimensions."""
    return xp.copy(_rotated(xp, input, k, dims))


@rotated.vjp("input")
def rotated_vjp(xp: Any, g: Any, k: int, dims: tuple[int, int]) -> Any:
    return _rotated(xp, g, -k, dims)


@rotated.vmap
def rotated_vmap(input: Any, k: int, dims: tuple[int, int]) -> Any:
    return rotated(input, k, shifted(dims))


@numpy_names
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """The tensor turned ``k`` times by 90 degrees, from the first towards the second of two dimensions.

    Raises:
        RuntimeError: not two different dimensions.
    """
    input = as_tensor(input, "rot90")
    ndim = len(input._data.shape)
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    first, second = (normalize_dim(d, ndim) for d in dims)
    if first == second:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    return rotated(input, operator.index(k), (first, second))  # type: ignore[no-any-return]


# Repeated.


def _repeats(make: Make) -> Iterator[Sample]:
    for shape, repeats in (((2, 3), (2, 2)), ((3,), (2, 1)), ((), (3,)), ((2, 1), (1, 0)), ((2,), (1,)), ((), ())):
        yield Sample(make(*shape), repeats=repeats)


@op(node="RepeatBackward0", linear=True, samples=_repeats)
def repeated(xp: Any, input: Any, /, repeats: tuple[int, ...]) -> Any:
    """``input`` put side by side, so many times along each dimension."""
    return xp.tile(input, repeats)


@repeated.vjp("input")
def repeated_vjp(xp: Any, g: Any, input_shape: Any, repeats: tuple[int, ...]) -> Any:
    shape = (1,) * (len(repeats) - len(input_shape)) + tuple(input_shape)
    both = [n for pair in zip(repeats, shape, strict=True) for n in pair]
    summed = xp.sum(xp.reshape(g, tuple(both)), axis=tuple(range(0, len(both), 2))) if both else g
    return xp.reshape(summed, tuple(input_shape))


@repeated.vmap
def repeated_vmap(input: Any, repeats: tuple[int, ...]) -> Any:
    return repeated(aligned(input, len(repeats)), (1, *repeats))


def repeat(input: Tensor, *times: Any, repeats: Any = None) -> Tensor:
    """The tensor put side by side, so many times along each dimension; a copy. As ``numpy.tile``.

    Raises:
        RuntimeError: fewer numbers than dimensions, or a negative one.
    """
    input = as_tensor(input, "repeat")
    times = sizes("repeat", times, "repeats", repeats)
    ndim = len(input._data.shape)
    if len(times) < ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: "
            f"{list(times)} for {list(input.shape)}"
        )
    if any(n < 0 for n in times):
        raise RuntimeError(f"Trying to create tensor with negative dimension: repeats {list(times)}")
    return repeated(input, times)  # type: ignore[no-any-return]


@standard("tile")
def tile(input: Tensor, *times: Any, dims: Any = None) -> Tensor:
    """The tensor put side by side; as ``repeat``, but dimensions that are not named are left as they are."""
    times = sizes("tile", times, "dims", dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


@numpy_names
def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each element, or each position of a dimension, repeated; as ``numpy.repeat``.

    Args:
        repeats: a number, or a tensor of one for each position.
        dim: the dimension; the tensor is flattened when not given.
        output_size: what the repeats sum to, if known; saves waiting for the device.

    Raises:
        RuntimeError: a negative number, or not one for each position.
    """
    input = as_tensor(input, "repeat_interleave")
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    shape = input._data.shape
    dim = normalize_dim(dim, len(shape))
    if not is_tensor(repeats):
        times = operator.index(repeats)
        if times < 0:
            raise RuntimeError(f"Repeats must be non-negative, but got {times}")
        wide = expand_to(insert_dim(input, dim + 1), (*shape[: dim + 1], times, *shape[dim + 1 :]))
        return reshape(clone_contiguous(wide), (*shape[:dim], shape[dim] * times, *shape[dim + 1 :]))
    if dtypes.category(repeats.dtype) != 1:
        raise NotImplementedError(
            f"repeat_interleave: repeats must be integers, but got {dtypes.dtype_name(repeats.dtype)}"
        )
    counts = repeats.tolist()
    counts = [counts] if isinstance(counts, int) else counts
    counts = counts * shape[dim] if len(counts) == 1 else counts
    if len(counts) != shape[dim]:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{len(counts)} and input.size({dim}) = {shape[dim]}"
        )
    if any(n < 0 for n in counts):
        raise RuntimeError("repeats can not be negative")
    positions = [i for i, n in enumerate(counts) for _ in range(n)]
    return index_select(input, dim, creation.tensor(positions, dtype=dtypes.int64, device=input._device))


@standard("repeat")
def repeat_standard(x: Tensor, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """The standard's spelling of :func:`repeat_interleave`."""
    return repeat_interleave(x, repeats, axis)


# Triangles.


def _matrices_and_diagonals(make: Make) -> Iterator[Sample]:
    for shape, k in (((3, 3), 0), ((2, 3), 1), ((2, 3, 2), -1), ((0, 2), 0), ((2, 2), 5)):
        yield Sample(make(*shape), diagonal=k)


@op(node="TrilBackward0", linear=True, samples=_matrices_and_diagonals)
def tril(xp: Any, input: Any, /, diagonal: int = 0) -> Any:
    """The elements on and below a diagonal of a matrix, or of each in a batch; zeros elsewhere."""
    _check_matrix("tril", len(input.shape))
    return xp.tril(input, k=as_integer(diagonal, "diagonal"))


@tril.vjp("input")
def tril_vjp(xp: Any, g: Any, diagonal: int) -> Any:
    return xp.tril(g, k=diagonal)


@tril.vmap
def tril_vmap(input: Any, diagonal: int) -> Any:
    _check_matrix("tril", input.ndim - 1)
    return tril(input, diagonal)


@op(node="TriuBackward0", linear=True, samples=_matrices_and_diagonals)
def triu(xp: Any, input: Any, /, diagonal: int = 0) -> Any:
    """The elements on and above a diagonal of a matrix, or of each in a batch; zeros elsewhere."""
    _check_matrix("triu", len(input.shape))
    return xp.triu(input, k=as_integer(diagonal, "diagonal"))


@triu.vjp("input")
def triu_vjp(xp: Any, g: Any, diagonal: int) -> Any:
    return xp.triu(g, k=diagonal)


@triu.vmap
def triu_vmap(input: Any, diagonal: int) -> Any:
    _check_matrix("triu", input.ndim - 1)
    return triu(input, diagonal)


@standard("tril")
def tril_standard(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The standard's spelling of :func:`tril`."""
    return tril(x, k)  # type: ignore[no-any-return]


@standard("triu")
def triu_standard(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The standard's spelling of :func:`triu`."""
    return triu(x, k)  # type: ignore[no-any-return]


# Windows.


def _windows(make: Make) -> Iterator[Sample]:
    for shape, dim, size, step in (
        ((5,), 0, 2, 1),
        ((2, 5), 1, 3, 2),
        ((4, 2), 0, 4, 1),
        ((3,), 0, 1, 3),
        ((), 0, 1, 1),
        ((0, 3), 1, 2, 1),
    ):
        yield Sample(make(*shape), dimension=dim, size=size, step=step)


@op(node="UnfoldBackward0", view=True, linear=True, samples=_windows)
def unfold(xp: Any, input: Any, /, dimension: int, size: int, step: int) -> Any:
    """Windows of a size along a dimension, each ``step`` after the one before; the last dimension runs within one."""
    shape, strides = input.shape, xp.strides(input)
    dim, count = _windows_in(shape, dimension, size, step)
    if not shape:
        return xp.as_strided(input, (size,), (1,))
    moved = (*strides[:dim], strides[dim] * step, *strides[dim + 1 :], strides[dim])
    return xp.as_strided(input, (*shape[:dim], count, *shape[dim + 1 :], size), moved)


@unfold.vjp("input")
def unfold_vjp(xp: Any, g: Any, input_shape: Any, dimension: int, size: int, step: int) -> Any:
    if not input_shape:
        return xp.reshape(xp.sum(g), ())
    dim, count = _windows_in(input_shape, dimension, size, step)
    starts = xp.reshape(xp.arange(count, dtype=xp.int64) * step, (count, 1))
    at = starts + xp.reshape(xp.arange(size, dtype=xp.int64), (1, size))
    return xp.scatter_add(xp.moveaxis(g, -1, dim + 1), (ALL,) * dim + (at,), tuple(input_shape))


@unfold.vmap
def unfold_vmap(input: Any, dimension: int, size: int, step: int) -> Any:
    shape = input.shape[1:]
    dim, _ = _windows_in(shape, dimension, size, step)
    return unfold(input, dim + 1, size, step) if shape else slice_along(insert_dim(input, 1), 1, 0, size, 1)


# Diagonals.


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


def _windows_in(shape: Any, dimension: int, size: int, step: int) -> tuple[int, int]:
    """The dimension counted from the front, and how many windows it holds."""
    dim = normalize_dim(dimension, len(shape))
    length = shape[dim] if shape else 1
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not 0 <= size <= length:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {length} but size is {size}")
    return dim, (length - size) // step + 1


def _rolled(xp: Any, x: Any, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    return xp.roll(x, shifts, axis=dims) if dims else xp.roll(x, shifts[0])


def _rotated(xp: Any, x: Any, k: int, dims: tuple[int, int]) -> Any:
    first, second = dims
    if k % 4 == 0:
        return x
    if k % 4 == 2:
        return xp.flip(x, axis=(first, second))
    axes = list(range(len(x.shape)))
    axes[first], axes[second] = second, first
    return xp.flip(xp.permute_dims(x, tuple(axes)), axis=first if k % 4 == 1 else second)


def _check_matrix(function: str, ndim: int) -> None:
    if ndim < 2:
        raise RuntimeError(f"{function}: input tensor must have at least 2 dimensions, but got {ndim}")
