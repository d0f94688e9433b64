"""``x[...]`` and ``x[...] = value``.

Integers, slices, ``None`` and ``...`` give views, one after the other, as if each had been asked for alone. Index tensors
and masks are applied to what those leave, all at once, and give a copy. So an integer beside an index tensor does not
count as one, which is PyTorch's rule and not NumPy's. ``slicing.py`` has the primitives for the views,
``index_tensors.py`` those for the copies.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcore import dtypes
from gradcore.device import device_of
from gradcore.op import is_tensor, wrap
from gradcore.ops import creation
from gradcore.ops._batching import varies
from gradcore.ops._indices import Place
from gradcore.ops._operands import as_tensor
from gradcore.ops.assignment import copy_, fill_, fill_value, filled, filled_number
from gradcore.ops.cast import cast, to_device
from gradcore.ops.index_tensors import index, values_put
from gradcore.ops.shape import ALL, alias, reshape
from gradcore.ops.slicing import bounds_of, select, slice_along
from gradcore.ops.squeezing import insert_dim

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["index_put"]


_ALONE = (Place(0),)


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
        return slice_along(input, 0, *bounds_of(at, shape[0]))  # type: ignore[no-any-return]
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
            bounds = bounds_of(i, size)
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
    if not i._data.shape and dtype != dtypes.bool_ and not varies(i):
        return i.item()
    return i


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


def _is_full(at: slice, input: Tensor) -> bool:
    return bool(input._data.shape) and _takes_all(at, input._data.shape[0])


def _takes_all(at: slice, size: int) -> bool:
    """Whether a slice is written as one of everything, which PyTorch takes for no slice at all."""
    return not at.start and (at.stop is None or at.stop >= size) and at.step in (None, 1)


def _check_mask(mask: Any, shape: Any, dim: int) -> None:
    for i, (n, m) in enumerate(zip(mask, shape[dim:], strict=False)):
        if n != m:
            raise IndexError(
                f"The shape of the mask {list(mask)} at index {i} does not match the shape of the indexed tensor "
                f"{list(shape)} at index {dim + i}"
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
