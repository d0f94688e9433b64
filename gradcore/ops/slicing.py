"""Parts of a tensor along one dimension: one integer, one slice. Views, and copies with such a part replaced."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import is_tensor, op
from gradcore.ops._dims import normalize_dim
from gradcore.ops._operands import as_tensor
from gradcore.ops.cast import cast
from gradcore.ops.shape import ALL
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["narrow", "select", "select_scatter", "slice_scatter"]


def _selections(make: Make) -> Iterator[Sample]:
    for shape, dim, index in (((3,), 0, 1), ((2, 3), 1, -1), ((2, 3, 2), -1, 0), ((2, 0), 0, 1)):
        yield Sample(make(*shape), dim=dim, index=index)


@op(node="SelectBackward0", view=True, linear=True, samples=_selections)
def select(xp: Any, input: Any, /, dim: int, index: int) -> Any:
    """The part of ``input`` at one position of a dimension, without that dimension."""
    shape = input.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = normalize_dim(dim, len(shape))
    if index.__class__ is float:
        raise TypeError(f"select(): argument 'index' must be int, not float ({index})")
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}")
    return xp.getitem(input, along(dim, index))


@select.vjp("input")
def select_vjp(xp: Any, g: Any, input_shape: Any, dim: int, index: int) -> Any:
    return xp.scatter_add(g, along(dim if dim >= 0 else dim + len(input_shape), index), input_shape)


@select.vmap
def select_vmap(input: Any, dim: int, index: int) -> Any:
    shape = input.shape[1:]
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    return select(input, normalize_dim(dim, len(shape)) + 1, index)


def _slices(make: Make) -> Iterator[Sample]:
    for shape, dim, bounds in (
        ((4,), 0, (1, 3, 1)),
        ((2, 5), 1, (0, 5, 2)),
        ((3, 2), 0, (1, 1, 1)),
        ((2, 3), 0, (0, 2, 1)),
    ):
        yield Sample(make(*shape), dim=dim, start=bounds[0], stop=bounds[1], step=bounds[2])


@op(node="SliceBackward0", view=True, linear=True, samples=_slices)
def slice_along(xp: Any, input: Any, /, dim: int, start: int, stop: int, step: int) -> Any:
    """``input[start:stop:step]`` along a dimension; all numbers counted from the front."""
    return xp.getitem(input, along(dim, slice(start, stop, step)))


@slice_along.vjp("input")
def slice_along_vjp(xp: Any, g: Any, input_shape: Any, dim: int, start: int, stop: int, step: int) -> Any:
    return xp.scatter_add(g, along(dim, slice(start, stop, step)), input_shape)


@slice_along.vmap
def slice_along_vmap(input: Any, dim: int, start: int, stop: int, step: int) -> Any:
    return slice_along(input, dim + 1, start, stop, step)


def along(dim: int, at: Any) -> tuple[Any, ...]:
    """The index that applies ``at`` to one dimension. With ``...``, since NumPy would copy a single element."""
    return (ALL,) * dim + (at, ...)


@numpy_names
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """The ``length`` positions of a dimension from ``start`` on; a view.

    Raises:
        RuntimeError: the dimension has fewer.
        IndexError: ``start`` lies outside.
    """
    input = as_tensor(input, "narrow")
    shape = input._data.shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError(f"narrow(): length must be non-negative, but got {length}.")
    dim = normalize_dim(dim, len(shape))
    if is_tensor(start) and (start.ndim or dtypes.category(start.dtype) != 1):
        raise RuntimeError(
            f"start must be an 0-dim integral Tensor, but got {list(start.shape)} of {dtypes.dtype_name(start.dtype)}"
        )
    size, start = shape[dim], operator.index(start)
    if not -size <= start <= size:
        raise IndexError(f"start out of range (expected to be in range of [{-size}, {size}], but got {start})")
    start = start + size if start < 0 else start
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return slice_along(input, dim, start, start + length, 1)  # type: ignore[no-any-return]


def slice_of(input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    """``input[start:end:step]`` along a dimension; a view.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: ``step`` is not positive.
    """
    input = as_tensor(input, "slice")
    shape = input._data.shape
    if not shape:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    dim = normalize_dim(dim, len(shape))
    if step < 1:
        raise RuntimeError(f"slice step must be positive, but got {step}")
    return slice_along(input, dim, *bounds_of(slice(start, end, step), shape[dim]))  # type: ignore[no-any-return]


def _parts_to_replace(make: Make) -> Iterator[Sample]:
    yield Sample(make(3), make(), at=(1, ...))
    yield Sample(make(2, 3), make(2), at=(ALL, -1, ...))
    yield Sample(make(2, 5), make(2, 3), at=(ALL, slice(0, 5, 2), ...))
    yield Sample(make(3, 2), make(0, 2), at=(slice(1, 1, 1), ...))


@op(node="SelectScatterBackward0", samples=_parts_to_replace)
def selection_replaced(xp: Any, input: Any, src: Any, /, at: tuple[Any, ...]) -> Any:
    """``input`` with ``src`` at one position of a dimension."""
    return _replaced(xp, input, src, at)


@op(node="SliceScatterBackward0", samples=_parts_to_replace)
def slice_replaced(xp: Any, input: Any, src: Any, /, at: tuple[Any, ...]) -> Any:
    """``input`` with ``src`` in a slice of a dimension."""
    return _replaced(xp, input, src, at)


@selection_replaced.vjp("input")
@slice_replaced.vjp("input")
def replaced_vjp_input(xp: Any, g: Any, src_shape: Any, at: tuple[Any, ...]) -> Any:
    written = xp.scatter_add(xp.ones(tuple(src_shape), dtype=xp.float64), at, tuple(g.shape))
    return xp.where(written > 0, 0.0, g)


@selection_replaced.vjp("src")
@slice_replaced.vjp("src")
def replaced_vjp_src(xp: Any, g: Any, at: tuple[Any, ...]) -> Any:
    return xp.getitem(g, at)


@selection_replaced.vmap
@slice_replaced.vmap
def replaced_vmap(input: Any, src: Any, at: tuple[Any, ...]) -> Any:
    return slice_replaced(input, src, (ALL, *at))


@numpy_names
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of ``input`` with ``src`` at one position of a dimension.

    Raises:
        IndexError: there is no such position or dimension.
        RuntimeError: ``src`` has another shape than what is replaced.
    """
    input, src = as_tensor(input, "select_scatter"), as_tensor(src, "select_scatter", "src", 2)
    shape = input._data.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, index = normalize_dim(dim, len(shape)), operator.index(index)
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}")
    _check_replacement("select_scatter", src, (*shape[:dim], *shape[dim + 1 :]))
    return selection_replaced(input, cast(src, input.dtype), along(dim, index))  # type: ignore[no-any-return]


@numpy_names
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of ``input`` with ``src`` in place of ``input[start:end:step]`` of a dimension.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: ``src`` has another shape than what is replaced, or ``step`` is not positive.
    """
    input, src = as_tensor(input, "slice_scatter"), as_tensor(src, "slice_scatter", "src", 2)
    shape = input._data.shape
    if not shape:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    dim = normalize_dim(dim, len(shape))
    if step < 1:
        raise RuntimeError(f"slice step must be positive, but got {step}")
    bounds = bounds_of(slice(start, end, step), shape[dim])
    count = len(range(*bounds))
    _check_replacement("slice_scatter", src, (*shape[:dim], count, *shape[dim + 1 :]))
    return slice_replaced(input, cast(src, input.dtype), along(dim, slice(*bounds)))  # type: ignore[no-any-return]


def _check_replacement(function: str, src: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(src.shape) != tuple(shape):
        raise RuntimeError(
            f"{function}: expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size "
            f"= {list(shape)}"
        )


def _replaced(xp: Any, input: Any, src: Any, at: tuple[Any, ...]) -> Any:
    out = xp.copy(input)
    xp.setitem(out, at, src)
    return out


def bounds_of(at: slice, size: int) -> tuple[int, int, int]:
    """A slice as start, stop and step, counted from the front; an empty one stops where it starts."""
    start, stop, step = at.indices(size)
    if step < 1:
        raise ValueError(f"step must be greater than zero, but got {step}: use flip() to reverse a dimension")
    return start, max(start, stop), step
