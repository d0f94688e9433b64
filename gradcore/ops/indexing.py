"""``x[...]`` and ``x[...] = value``.

Integers, slices, ``None`` and ``...`` give views, one after the other, as if each had been asked for alone. Index tensors
and masks are applied to what those leave, all at once, and give a copy. So an integer beside an index tensor does not
count as one, which is PyTorch's rule and not NumPy's.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcore import dtypes
from gradcore.device import device_of
from gradcore.op import STANDARD, is_tensor, op, wrap
from gradcore.ops import creation
from gradcore.ops._batched_indices import BatchedIndex, in_front, is_mask
from gradcore.ops._batching import aligned
from gradcore.ops._dims import normalize_dim
from gradcore.ops._indices import Place
from gradcore.ops._operands import as_tensor
from gradcore.ops.assignment import copy_, fill_, fill_value, filled, filled_number
from gradcore.ops.cast import cast, to_device
from gradcore.ops.shape import ALL, alias, insert_dim, reshape
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["index_put", "narrow", "select", "select_scatter", "slice_scatter"]


_ALONE = (Place(0),)


# One integer, one slice.


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
    return slice_along(input, dim, *_bounds(slice(start, end, step), shape[dim]))  # type: ignore[no-any-return]


# Copies with one such part replaced.


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
    bounds = _bounds(slice(start, end, step), shape[dim])
    count = len(range(*bounds))
    _check_replacement("slice_scatter", src, (*shape[:dim], count, *shape[dim + 1 :]))
    return slice_replaced(input, cast(src, input.dtype), along(dim, slice(*bounds)))  # type: ignore[no-any-return]


# Index tensors and masks.


def _index_tensors(make: Make) -> Iterator[Sample]:
    def mask(*shape: int) -> Any:
        return make.of(np.arange(int(np.prod(shape))).reshape(shape) % 2 == 0, np.dtype(np.bool_))

    first, second = Place(0), Place(1)
    yield Sample(make(3), make.of([0, 2, 2], np.dtype(np.int64)), at=(first,))
    yield Sample(make(3, 2), make.of([[0, -1], [1, 1]], np.dtype(np.int64)), at=(first,))
    yield Sample(make(2, 3), make.of([1, 0], np.dtype(np.int64)), at=(ALL, first))
    yield Sample(make(2, 3, 2), make.ints(3, high=2), make.ints(2, 1, high=2), at=(first, ALL, second))
    yield Sample(make(2, 3), mask(2, 3), at=(first,))
    yield Sample(make(2, 3), mask(3), at=(ALL, first))
    yield Sample(make(3, 2), make.ints(0, high=1), at=(first,))


@op(node="IndexBackward0", linear=True, samples=_index_tensors)
def index(xp: Any, input: Any, /, *indices: Any, at: tuple[Any, ...]) -> Any:
    """``input[at]``, with index tensors at the places that ``at`` keeps for them."""
    return xp.getitem(input, _with_indices(at, indices))


@index.vjp("input")
def index_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, at: tuple[Any, ...]) -> Any:
    return xp.scatter_add(g, _with_indices(at, indices), tuple(input_shape))


@index.vmap
def index_vmap(input: Any, indices: Any, at: tuple[Any, ...], batched: Any, size: int) -> Any:
    joined, *flags = batched
    place = BatchedIndex(at, indices, flags, input.shape[1:] if joined else input.shape, size, joined)
    if place.basic:
        input = STANDARD["getitem"](input, place.basic)
    return place.result(index(input, *place.indices, at=place.at))


def _sums_at_indices(make: Make) -> Iterator[Sample]:
    place = (Place(0),)
    yield Sample(make(3), make.of([0, 2, 2], np.dtype(np.int64)), at=place, shape=(4,))
    yield Sample(make(2, 2), make.of([1, 0], np.dtype(np.int64)), at=place, shape=(3, 2))
    yield Sample(make(2), make.of([True, False, True], np.dtype(np.bool_)), at=place, shape=(3,))


@op(node="IndexPutBackward0", linear=True, samples=_sums_at_indices)
def index_adjoint(xp: Any, values: Any, /, *indices: Any, at: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Zeros to which ``values`` are added at ``at``: the adjoint of :func:`index`."""
    return xp.scatter_add(values, _with_indices(at, indices), shape)


@index_adjoint.vjp("values")
def index_adjoint_vjp(xp: Any, g: Any, indices: Any, at: tuple[Any, ...]) -> Any:
    return xp.getitem(g, _with_indices(at, indices))


@index_adjoint.vmap
def index_adjoint_vmap(
    values: Any, indices: Any, at: tuple[Any, ...], shape: tuple[int, ...], batched: Any, size: int
) -> Any:
    place = BatchedIndex(at, indices, batched[1:], shape, size)
    whole = part = (size, *shape)
    if place.basic:
        part = np.broadcast_to(0, whole)[place.basic].shape
    added = place.values(in_front(values, batched[0], size))
    found = index_adjoint(added, *place.indices, at=place.at, shape=part)
    return STANDARD["scatter_add"](found, place.basic, whole) if place.basic else found


def _values_at_indices(make: Make) -> Iterator[Sample]:
    at = (Place(0),)
    indices = make.of([2, 0], np.dtype(np.int64))
    yield Sample(make(3, 2), make(2, 2), indices, at=at, accumulate=False)
    yield Sample(make(3, 2), make(2), indices, at=at, accumulate=False)
    yield Sample(make(3, 2), make(1, 2), make.of([1, 1], np.dtype(np.int64)), at=at, accumulate=True)
    yield Sample(make(2, 3), make(2), indices, at=(ALL, *at), accumulate=False)
    yield Sample(make(3, 2), make(), make.of([True, False, True], np.dtype(np.bool_)), at=at, accumulate=False)


@op(node="IndexPutBackward0", linear=True, samples=_values_at_indices)
def values_put(xp: Any, input: Any, values: Any, /, *indices: Any, at: tuple[Any, ...], accumulate: bool) -> Any:
    """``input`` with ``values`` written, or added, at ``at``."""
    where = _with_indices(at, indices)
    if accumulate:
        return xp.add(input, xp.scatter_add(values, where, input.shape))
    out = xp.copy(input)
    xp.setitem(out, where, values)
    return out


values_put.op.shares = "none"


@values_put.into
def values_put_into(xp: Any, input: Any, values: Any, *indices: Any, at: tuple[Any, ...], accumulate: bool) -> None:
    where = _with_indices(at, indices)
    if accumulate:
        xp.setitem(input, ..., xp.add(input, xp.scatter_add(values, where, input.shape)))
    else:
        xp.setitem(input, where, values)


@values_put.vjp("input")
def values_put_vjp_input(xp: Any, g: Any, indices: Any, at: tuple[Any, ...], accumulate: bool) -> Any:
    if accumulate:
        return g
    if len(at) == 1 and xp.np_dtype(indices[0].dtype).kind == "b":
        mask = indices[0]
        return xp.where(xp.reshape(mask, mask.shape + (1,) * (len(g.shape) - len(mask.shape))), 0.0, g)
    where = _with_indices(at, indices)
    written = xp.scatter_add(xp.ones(xp.getitem(g, where).shape, dtype=xp.float64), where, tuple(g.shape))
    return xp.where(written > 0, 0.0, g)


@values_put.vjp("values")
def values_put_vjp_values(xp: Any, g: Any, indices: Any, values_shape: Any, at: tuple[Any, ...]) -> Any:
    if len(at) == 1 and not values_shape and xp.np_dtype(indices[0].dtype).kind == "b":
        mask = indices[0]
        return xp.sum(xp.where(xp.reshape(mask, mask.shape + (1,) * (len(g.shape) - len(mask.shape))), g, 0.0))
    return xp.getitem(g, _with_indices(at, indices))


@values_put.vmap
def values_put_vmap(
    input: Any, values: Any, indices: Any, at: tuple[Any, ...], accumulate: bool, batched: Any, size: int
) -> Any:
    input, values = in_front(input, batched[0], size), in_front(values, batched[1], size)
    if len(at) == 1 and batched[2] and is_mask(indices[0]) and values.ndim == 1:
        # One value at places that differ among the elements: their number does not matter.
        put = aligned(values, input.ndim - 1)
        mask = reshape(indices[0], (*indices[0].shape, *[1] * (input.ndim - indices[0].ndim)))
        return STANDARD["where"](mask, input + put if accumulate else put, input)
    place = BatchedIndex(at, indices, batched[2:], input.shape[1:], size)
    return values_put(input, place.values(values), *place.indices, at=place.at, accumulate=accumulate)


def index_put(input: Tensor, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Tensor:
    """``input`` with ``values`` written at ``[indices]``; ``accumulate`` adds them, at repeated indices all of them.

    Raises:
        IndexError: an index is out of range.
        RuntimeError: ``values`` do not broadcast to what is indexed, or have another dtype than ``input``.
    """
    found = _parse_put(as_tensor(input, "index_put"), indices)
    return _put(values_put, found, _assignable(found.rest, values), accumulate)


def index_put_(self: Tensor, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Tensor:
    """Write ``values`` at ``[indices]`` of this tensor; ``accumulate`` adds them."""
    found = _parse_put(self, indices)
    values = _assignable(found.rest, values)
    values = values if accumulate else _as_filled_with(self, found, values)
    return _put(values_put.inplace, found, values, accumulate)


# Indexing by any combination.


def getitem(input: Tensor, at: Any) -> Tensor:
    """``input[at]``: a view for integers, slices, ``None`` and ``...``; a copy where index tensors or masks take part.

    Raises:
        IndexError: too many indices, one out of range, or something that is no index.
        ValueError: a slice with a step that is not positive.
    """
    kind = at.__class__
    if kind is int:
        shape = input._data.shape
        if not shape or not -shape[0] <= at < shape[0]:
            _refuse_integer(at, shape, 0)
        return select(input, 0, at)  # type: ignore[no-any-return]
    if kind is slice:
        shape = input._data.shape
        if not shape:
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        return slice_along(input, 0, *_bounds(at, shape[0]))  # type: ignore[no-any-return]
    if is_tensor(at) and at._device is input._device and at._data.shape and input._data.shape:
        # One index tensor alone, as it comes most often.
        found = _parsed_alone(input, at)
    else:
        found = _parse(input, at if kind is tuple else _as_tuple(at))
    if found.indices:
        try:
            return index(found.rest, *found.indices, at=found.at)  # type: ignore[no-any-return]
        except IndexError as e:
            raise _in_torch_terms(e) from None
    return alias(input) if found.rest is input else found.rest


def setitem(self: Tensor, at: Any, value: Any) -> None:
    """``self[at] = value``, in place; ``value`` is a number, a tensor or an array that broadcasts to what is indexed.

    Raises:
        IndexError: as for reading.
        RuntimeError: the tensor may not be written to, or ``value`` does not broadcast.
        TypeError: ``value`` is none of these.
    """
    kind = at.__class__
    if kind is bool:
        if at:
            _assign(insert_dim(self, 0), value)
        return
    if kind is int or kind is slice:
        _assign(getitem(self, at) if kind is int or not _is_full(at, self) else self, value)
        return
    if is_tensor(at) and at._device is self._device and at._data.shape and self._data.shape:
        found = _parsed_alone(self, at)
    else:
        found = _parse(self, at if kind is tuple else _as_tuple(at))
    if found.indices:
        value = _assignable(found.rest, value)
        if is_tensor(value):
            value = _without_leading_ones(value, _selected_ndim(found))
        _put(values_put.inplace, found, _as_filled_with(self, found, value), False)
    else:
        _assign(found.rest, value)


class _Parsed(NamedTuple):
    """An index taken apart: the view that its basic parts make, and what is to be applied to that view."""

    rest: Tensor
    indices: tuple[Tensor, ...]
    at: tuple[Any, ...]


def _parsed_alone(input: Tensor, at: Tensor) -> _Parsed:
    """As :func:`_parse` of one index tensor."""
    dtype, shape = at.dtype, at._data.shape
    if dtype == dtypes.int64 or (dtype == dtypes.bool_ and shape == input._data.shape[: len(shape)]):
        return _Parsed(input, (at,), _ALONE)
    return _parse(input, (at,))


def _parse(input: Tensor, items: Sequence[Any]) -> _Parsed:
    items = [_item(input, i) for i in items]
    ndim = len(input._data.shape)
    specified = sum([_dims_taken(i) for i in items])
    if specified > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}: {specified} given")
    if sum([i is Ellipsis for i in items]) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    rest = input
    indices: list[Tensor] = []
    at: list[Any] = []
    dim = covered = 0  # dimensions of ``rest``: where we are, and for how many ``at`` has an entry
    for i in items:
        kind = i.__class__
        if kind is int:
            shape = rest._data.shape
            if not -shape[dim] <= i < shape[dim]:
                _refuse_integer(i, shape, dim)
            rest = select(rest, dim, i)
        elif kind is slice:
            size = rest._data.shape[dim]
            bounds = _bounds(i, size)
            if not _takes_all(i, size):
                rest = slice_along(rest, dim, *bounds)
            dim += 1
        elif i is Ellipsis:
            dim += ndim - specified
        elif i is None:
            rest = insert_dim(rest, dim)
            dim += 1
        else:
            if not i._data.shape and i.dtype == dtypes.bool_:
                # A single bool puts in a dimension, of size 1 or 0.
                rest = insert_dim(rest, dim)
                i = reshape(i, (1,))
            at += [ALL] * (dim - covered)
            at.append(Place(len(indices)))
            indices.append(i)
            dim += _dims_taken(i)
            covered = dim
            if i.dtype == dtypes.bool_:
                _check_mask(i._data.shape, rest._data.shape, dim - i.ndim)
    return _Parsed(rest, tuple(indices), tuple(at))


def _item(input: Tensor, i: Any) -> Any:
    """One part of an index as an int, a slice, ``None``, ``...`` or an index tensor on the device of ``input``."""
    kind = i.__class__
    if kind is int or kind is slice or i is None or i is Ellipsis:
        return i
    if isinstance(i, (bool, np.bool_)):
        return creation.tensor(bool(i), device=input._device)
    if isinstance(i, np.integer):
        return int(i)
    if isinstance(i, (str, float, complex)):
        _refuse_item(i)
    if isinstance(i, (list, tuple, range)):
        i = creation.tensor(i, dtype=None if len(i) else dtypes.int64, device=input._device)
    elif not is_tensor(i):
        if device_of(i) is None:
            try:
                return operator.index(i)
            except TypeError:
                _refuse_item(i)
        # A copy: what is written to the array later must not reach the gradient.
        i = creation.tensor(i)
    dtype = i.dtype
    if dtypes.category(dtype) > 1:
        raise IndexError(
            "tensors used as indices must be long, int, byte or bool tensors, but got one of dtype "
            f"{dtypes.dtype_name(dtype)}"
        )
    if i._device is not input._device and i._device.type == "cpu":
        i = to_device(i, input._device)
    if dtype == dtypes.uint8:
        warnings.warn(
            "indexing with dtype gradcore.uint8 is now deprecated, please use a dtype gradcore.bool instead.",
            UserWarning,
            stacklevel=4,
        )
        return cast(i, dtypes.bool_)
    if not i._data.shape and dtype != dtypes.bool_ and not _varies(i):
        return i.item()
    return i


def _varies(x: Tensor) -> bool:
    """Whether an index differs among the elements of a batch, so that it is no number."""
    level = x._device.level
    return level is not None and level.varies(x)


def _dims_taken(item: Any) -> int:
    """How many dimensions of the indexed tensor a part of the index stands for."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if is_tensor(item) and item.dtype == dtypes.bool_ else 1


def _as_tuple(at: Any) -> tuple[Any, ...]:
    """The parts of an index that is no tuple. A list with a sequence or a slice in it is taken for one, as in PyTorch."""
    if (
        isinstance(at, list)
        and len(at) < 32
        and any(x is None or x is Ellipsis or isinstance(x, (slice, list, tuple, range)) or is_tensor(x) for x in at)
    ):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated; use x[tuple(seq)] instead of x[seq], "
            "or x[gradcore.tensor(seq)] for an index tensor",
            UserWarning,
            stacklevel=3,
        )
        return tuple(at)
    return (at,)


def _bounds(at: slice, size: int) -> tuple[int, int, int]:
    """A slice as start, stop and step, counted from the front; an empty one stops where it starts."""
    start, stop, step = at.indices(size)
    if step < 1:
        raise ValueError(f"step must be greater than zero, but got {step}: use flip() to reverse a dimension")
    return start, max(start, stop), step


def _is_full(at: slice, input: Tensor) -> bool:
    return bool(input._data.shape) and _takes_all(at, input._data.shape[0])


def _takes_all(at: slice, size: int) -> bool:
    """Whether a slice is written as one of everything, which PyTorch takes for no slice at all."""
    return not at.start and (at.stop is None or at.stop >= size) and at.step in (None, 1)


def _with_indices(at: tuple[Any, ...], indices: Sequence[Any]) -> tuple[Any, ...]:
    return tuple([indices[i] if i.__class__ is Place else i for i in at])


def _check_mask(mask: Any, shape: Any, dim: int) -> None:
    for i, (n, m) in enumerate(zip(mask, shape[dim:], strict=False)):
        if n != m:
            raise IndexError(
                f"The shape of the mask {list(mask)} at index {i} does not match the shape of the indexed tensor "
                f"{list(shape)} at index {dim + i}"
            )


def _replaced(xp: Any, input: Any, src: Any, at: tuple[Any, ...]) -> Any:
    out = xp.copy(input)
    xp.setitem(out, at, src)
    return out


def _check_replacement(function: str, src: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(src.shape) != tuple(shape):
        raise RuntimeError(
            f"{function}: expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size "
            f"= {list(shape)}"
        )


def _refuse_integer(at: int, shape: Any, dim: int) -> None:
    if not shape:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim tensor to a number"
        )
    raise IndexError(f"index {at} is out of bounds for dimension {dim} with size {shape[dim]}")


def _refuse_item(i: Any) -> None:
    kind = TypeError if isinstance(i, (str, bytes)) else IndexError
    raise kind(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
        f"{type(i).__name__})"
    )


# Assigning.


def _assign(target: Tensor, value: Any) -> None:
    """Write a number or a tensor that broadcasts to the shape of ``target``."""
    value = _assignable(target, value)
    if not is_tensor(value):
        # PyTorch makes a tensor of the number; through a view, nobody sees which of the two nodes it is.
        if target._view is not None:
            filled_number.inplace(target, value)
        elif target._data.shape:
            filled.inplace(target, _as_element(target, value))
        else:
            copy_(target, _as_element(target, value))
    elif not value._data.shape and target._data.shape and value._device is target._device:
        fill_(target, value)
    else:
        copy_(target, _without_leading_ones(value, target.ndim))


def _put(write: Any, found: _Parsed, values: Any, accumulate: bool) -> Tensor:
    """Run :func:`values_put`, or its in-place twin."""
    target = found.rest
    if is_tensor(values):
        if values.dtype != target.dtype:
            raise RuntimeError(
                "Index put requires the source and destination dtypes match, got "
                f"{dtypes.scalar_type_name(target.dtype)} for the destination and "
                f"{dtypes.scalar_type_name(values.dtype)} for the source."
            )
        if values.ndim > _selected_ndim(found):
            raise RuntimeError(
                f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing result of "
                f"{_selected_ndim(found)} dimensions"
            )
    else:
        values = _as_element(target, values)
    try:
        return write(target, values, *found.indices, at=found.at, accumulate=accumulate)  # type: ignore[no-any-return]
    except IndexError as e:
        raise _in_torch_terms(e) from None
    except (TypeError, ValueError) as e:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(getattr(values, 'shape', ()))} cannot be broadcast to indexing "
            f"result ({e})"
        ) from None


def _as_filled_with(self: Tensor, found: _Parsed, values: Any) -> Any:
    """One value for all places of a mask in the dtype of what is written to, as ``masked_fill_`` takes it."""
    if not is_tensor(values) or values.dtype == self.dtype or values.numel() != 1 or found.rest is not self:
        return values
    masked = len(found.indices) == 1 and found.indices[0].dtype == dtypes.bool_
    real = dtypes.category(values.dtype) < 3 or dtypes.category(self.dtype) == 3
    return cast(values, self.dtype) if masked and real else values


def _selected_ndim(found: _Parsed) -> int:
    """The number of dimensions that indexing gives."""
    put_in = max([1 if i.dtype == dtypes.bool_ else i.ndim for i in found.indices])
    return found.rest.ndim - sum([_dims_taken(i) for i in found.indices]) + put_in


def _parse_put(target: Tensor, indices: Sequence[Any]) -> _Parsed:
    """The index tensors of ``index_put``, where ``None`` stands for a whole dimension."""
    if not isinstance(indices, (tuple, list)):
        raise TypeError(f"index_put(): argument 'indices' must be tuple of Tensors, not {type(indices).__name__}")
    items = [ALL if i is None else reshape(i, (1,)) if is_tensor(i) and i.ndim == 0 else i for i in indices]
    found = _parse(target, items)
    if not found.indices:
        raise IndexError("index_put(): at least one index tensor must be given")
    return found


def _assignable(target: Tensor, value: Any) -> Any:
    """What is assigned as a tensor, or as a Python number that the dtype of ``target`` can hold."""
    if is_tensor(value):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, int, float, complex)):
        return fill_value(value, target.dtype)
    if device_of(value) is None:
        raise TypeError(
            f"can't assign a {type(value).__name__} to a {dtypes.scalar_type_name(target.dtype)}Tensor: give a number, a "
            "tensor or an array"
        )
    return cast(creation.as_tensor(value, device=target._device), target.dtype)


def _as_element(target: Tensor, number: complex) -> Tensor:
    """A number as a 0-d tensor beside ``target``."""
    return wrap(target._device.xp.asarray(number, dtype=target._data.dtype), target._device)


def _without_leading_ones(value: Tensor, ndim: int) -> Tensor:
    """``value`` with at most ``ndim`` dimensions, where those in front have size 1."""
    shape = value._data.shape
    extra = len(shape) - ndim
    return reshape(value, shape[extra:]) if extra > 0 and shape[:extra] == (1,) * extra else value


def _in_torch_terms(error: IndexError) -> IndexError:
    """Array libraries check index tensors themselves; PyTorch says "dimension" where they say "axis"."""
    return IndexError(str(error).replace("axis", "dimension"))
