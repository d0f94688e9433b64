"""The elements of a tensor in other places: reversed, rotated, repeated, in windows; triangles.

All are copies but ``unfold``. Diagonals are in ``diagonals.py``.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import is_tensor, op, standard
from gradcore.ops import creation
from gradcore.ops._batching import aligned, rows, shifted
from gradcore.ops._dims import as_integer, normalize_dim, normalize_dims
from gradcore.ops._operands import as_tensor
from gradcore.ops.broadcasting import expand_to
from gradcore.ops.selecting import index_select
from gradcore.ops.shape import ALL, clone_contiguous, reshape, sizes
from gradcore.ops.slicing import slice_along
from gradcore.ops.squeezing import insert_dim
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["flip", "fliplr", "flipud", "repeat_interleave", "roll", "rot90", "tile", "tril", "triu"]


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


# What they share.


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
