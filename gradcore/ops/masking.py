"""Choosing by a condition: ``where``, masks, and the positions at which something is true."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import is_tensor, op, standard, wrap
from gradcore.ops._batched_indices import refuse_dynamic_shape
from gradcore.ops._batching import aligned
from gradcore.ops._indices import Place
from gradcore.ops._operands import as_tensor
from gradcore.ops.assignment import fill_value
from gradcore.ops.broadcasting import broadcast_shapes, expand
from gradcore.ops.cast import cast
from gradcore.ops.gathering import gather
from gradcore.ops.index_tensors import index as index_at
from gradcore.ops.joining import unbind
from gradcore.ops.shape import ALL, reshape
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["argwhere", "masked_fill", "masked_scatter", "masked_select", "nonzero", "where"]


def _choices(make: Make) -> Iterator[Sample]:
    for c, a, b in (
        ((2, 3), (2, 3), (2, 3)),
        ((3,), (2, 1), ()),
        ((), (2,), (2,)),
        ((2, 1), (), (3,)),
        ((0,), (1,), (0,)),
    ):
        yield Sample(make.bools(*c), make(*a), make(*b))
    yield Sample(make.bools(3), make(3), 1.5)
    yield Sample(make.bools(3), 0, make(3))


@op(
    node="WhereBackward0",
    promote="arithmetic",
    promotes=("input", "other"),
    elementwise=True,
    linear=True,
    samples=_choices,
)
def chosen(xp: Any, condition: Any, input: Any, other: Any, /) -> Any:
    """``input`` where ``condition`` is true, ``other`` elsewhere."""
    return xp.where(condition, input, other)


@chosen.vjp("input")
def chosen_vjp_input(xp: Any, g: Any, condition: Any) -> Any:
    return xp.where(condition, g, 0.0)


@chosen.vjp("other")
def chosen_vjp_other(xp: Any, g: Any, condition: Any) -> Any:
    return xp.where(condition, 0.0, g)


@standard("where")
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """``input`` where ``condition`` is true, ``other`` elsewhere; all three broadcast, the dtypes of two are promoted.

    With ``condition`` alone: the positions at which it is true, one index tensor per dimension.

    Raises:
        RuntimeError: ``condition`` is not of bool.
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where() received an invalid combination of arguments: give both input and other, or neither")
    condition = as_tensor(condition, "where", "condition")
    if condition.dtype != dtypes.bool_:
        if condition.dtype != dtypes.uint8:
            raise RuntimeError(
                "where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{dtypes.scalar_type_name(condition.dtype)}"
            )
        warnings.warn(
            "where received a uint8 condition tensor. This behavior is deprecated; use a boolean condition instead.",
            UserWarning,
            stacklevel=2,
        )
        condition = cast(condition, dtypes.bool_)
    if is_tensor(input) and other.__class__ is float:
        other = _beside(input, other)
    elif is_tensor(other) and input.__class__ is float:
        input = _beside(other, input)
    return chosen(condition, input, other)


def _beside(x: Tensor, number: float) -> Any:
    """A float as a tensor of the dtype that it would be promoted to beside ``x``; else the number as it is."""
    return wrap(x._device.xp.asarray(number, dtype=x._data.dtype), x._device) if x.is_floating_point() else number


def where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """``self`` where ``condition`` is true, ``other`` elsewhere."""
    return where(condition, self, other)  # type: ignore[no-any-return]


# Masks.


def _masks(make: Make) -> Iterator[Sample]:
    for a, m in (((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 1)), ((), ()), ((0, 2), (2,))):
        yield Sample(make(*a), make.bools(*m))


def _masks_and_numbers(make: Make) -> Iterator[Sample]:
    for sample in _masks(make):
        yield Sample(*sample.operands, value=1.5)


@op(node="MaskedFillBackward0", elementwise=True, samples=_masks_and_numbers)
def filled_where(xp: Any, input: Any, mask: Any, /, value: Any) -> Any:
    """``input`` with one number where ``mask`` is true."""
    return xp.where(mask, value, input)


@filled_where.into
def filled_where_into(xp: Any, input: Any, mask: Any, value: Any) -> None:
    xp.setitem(input, xp.broadcast_to(mask, input.shape), value)


@filled_where.vjp("input")
def filled_where_vjp(xp: Any, g: Any, mask: Any) -> Any:
    return xp.where(mask, 0.0, g)


def _masks_and_values(make: Make) -> Iterator[Sample]:
    for sample in _masks(make):
        yield Sample(*sample.operands, make())


@op(node="MaskedFillBackward1", linear=True, samples=_masks_and_values)
def filled_where_with(xp: Any, input: Any, mask: Any, value: Any, /) -> Any:
    """``input`` with a 0-d tensor where ``mask`` is true."""
    return xp.where(mask, xp.astype(value, input.dtype), input)


filled_where_with.op.shares = "any"


@filled_where_with.into
def filled_where_with_into(xp: Any, input: Any, mask: Any, value: Any) -> None:
    xp.setitem(input, xp.broadcast_to(mask, input.shape), xp.astype(value, input.dtype))


@filled_where_with.vjp("input")
def filled_where_with_vjp_input(xp: Any, g: Any, mask: Any) -> Any:
    return xp.where(mask, 0.0, g)


@filled_where_with.vjp("value")
def filled_where_with_vjp_value(xp: Any, g: Any, mask: Any) -> Any:
    return xp.sum(xp.where(mask, g, 0.0))


@filled_where_with.vmap
def filled_where_with_vmap(input: Any, mask: Any, value: Any) -> Any:
    ndim = max(input.ndim, mask.ndim) - 1
    return chosen(aligned(mask, ndim), aligned(cast(value, input.dtype), ndim), aligned(input, ndim))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``input`` with one number, or a 0-d tensor, where ``mask`` is true; both broadcast.

    Raises:
        RuntimeError: a mask that is not of bool, a value that the dtype cannot hold, or one with dimensions.
    """
    chosen_op, operands = _masked_fill_operands(input, mask, value)
    return chosen_op(*operands)  # type: ignore[no-any-return]


def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Write one number, or a 0-d tensor, where ``mask`` is true."""
    chosen_op, operands = _masked_fill_operands(self, mask, value)
    _check_fits("masked_fill_", self, mask)
    return chosen_op.inplace(*operands)  # type: ignore[no-any-return]


@op(node="MaskedSelectBackward0", linear=True, samples=_masks)
def selected_where(xp: Any, input: Any, mask: Any, /) -> Any:
    """The elements of ``input`` where ``mask`` is true, as a vector."""
    shape = tuple(broadcast_shapes(input.shape, mask.shape))
    return xp.reshape(xp.getitem(xp.broadcast_to(input, shape), (xp.broadcast_to(mask, shape),)), (-1,))


@selected_where.vjp("input")
def selected_where_vjp(xp: Any, g: Any, mask: Any, input_shape: Any) -> Any:
    shape = tuple(broadcast_shapes(input_shape, mask.shape))
    flat = xp.scatter_add(g, (xp.reshape(xp.broadcast_to(mask, shape), (-1,)),), (math.prod(shape),))
    return xp.reshape(flat, shape)


@selected_where.vmap
def selected_where_vmap(input: Any, mask: Any, batched: Any, size: int) -> Any:
    if batched[1]:
        refuse_dynamic_shape("masked_select")
    shape = broadcast_shapes(input.shape[1:], mask.shape)
    input = expand(aligned(input, len(shape)), (size, *shape))
    return index_at(input, expand(mask, shape), at=(ALL, Place(0)))


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where ``mask`` is true, as a vector; both broadcast.

    Raises:
        RuntimeError: a mask that is not of bool.
    """
    input, mask = as_tensor(input, "masked_select"), as_tensor(mask, "masked_select", "mask", 2)
    if mask.dtype != dtypes.bool_:
        raise RuntimeError(f"masked_select: expected BoolTensor for mask, but got {dtypes.dtype_name(mask.dtype)}")
    return selected_where(input, mask)  # type: ignore[no-any-return]


def _masks_and_sources(make: Make) -> Iterator[Sample]:
    for a, m, n in (((2, 3), (2, 3), 6), ((2, 3), (3,), 7), ((3,), (2, 1), 6), ((0, 2), (2,), 1)):
        yield Sample(make(*a), make.bools(*m), make(n))
    yield Sample(make(2, 2), make.bools(2, 2), make(2, 2))


@op(node="MaskedScatterBackward0", linear=True, samples=_masks_and_sources)
def filled_in_order(xp: Any, input: Any, mask: Any, source: Any, /) -> Any:
    """``input`` with the elements of ``source``, one after the other, where ``mask`` is true."""
    shape = tuple(broadcast_shapes(input.shape, mask.shape))
    out = xp.copy(xp.broadcast_to(input, shape))
    filled_in_order_into(xp, out, mask, source)
    return out


filled_in_order.op.shares = "any"


@filled_in_order.into
def filled_in_order_into(xp: Any, input: Any, mask: Any, source: Any) -> None:
    mask = xp.broadcast_to(mask, input.shape)
    count = int(xp.sum(xp.astype(mask, xp.int64)))
    if math.prod(source.shape) < count:
        raise RuntimeError(
            f"Number of elements of source < number of ones in mask: {math.prod(source.shape)} < {count}"
        )
    xp.setitem(input, mask, xp.getitem(xp.reshape(source, (-1,)), slice(0, count)))


@filled_in_order.vjp("input")
def filled_in_order_vjp_input(xp: Any, g: Any, mask: Any) -> Any:
    return xp.where(mask, 0.0, g)


@filled_in_order.vjp("source")
def filled_in_order_vjp_source(xp: Any, g: Any, mask: Any, source_shape: Any) -> Any:
    count, mask = math.prod(source_shape), xp.reshape(xp.broadcast_to(mask, g.shape), (-1,))
    if not count or not mask.shape[0]:
        return xp.zeros(tuple(source_shape), dtype=g.dtype)
    # How many places there are up to each says which element of the source came there.
    at = xp.maximum(xp.cumulative_sum(xp.astype(mask, dtypes.int64)) - 1, 0)
    used = xp.where(mask, xp.reshape(g, (-1,)), 0.0)
    return xp.reshape(xp.scatter_add_along(used, at, 0, (count,)), tuple(source_shape))


@filled_in_order.vmap
def filled_in_order_vmap(input: Any, mask: Any, source: Any, size: int) -> Any:
    shape = broadcast_shapes(input.shape[1:], mask.shape[1:])
    whole, count = (size, *shape), math.prod(source.shape[1:])
    input, mask = expand(aligned(input, len(shape)), whole), expand(aligned(mask, len(shape)), whole)
    if not count:
        return filled_in_order(input, mask, source)
    # How many places there are up to each says which element of the source comes there.
    at = reshape(mask, (size, math.prod(shape))).long().cumsum(1) - 1
    found = gather(reshape(source, (size, count)), 1, at.clamp(min=0))
    return chosen(mask, reshape(found, whole), input)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """``input`` with the elements of ``source``, one after the other, where ``mask`` is true; both broadcast.

    Raises:
        RuntimeError: too few elements, dtypes that differ, or a mask that is not of bool.
    """
    return filled_in_order(*_masked_scatter_operands(input, mask, source))  # type: ignore[no-any-return]


def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Write the elements of ``source``, one after the other, where ``mask`` is true."""
    _check_fits("masked_scatter_", self, mask)
    return filled_in_order.inplace(*_masked_scatter_operands(self, mask, source))


# Positions.


def _bools_and_numbers(make: Make) -> Iterator[Sample]:
    yield Sample(make.of([[1.0, 0.0], [0.0, 2.0]]))
    yield Sample(make.bools(3))
    yield Sample(make.of(1.0))
    yield Sample(make.ints(0, 2))


@op(node="NonzeroBackward0", differentiable=False, samples=_bools_and_numbers)
def positions(xp: Any, input: Any, /) -> Any:
    """The positions of the elements that are not zero, one per row."""
    if not input.shape:
        return xp.zeros((int(xp.astype(input, xp.bool)), 0), dtype=xp.int64)
    return xp.stack(xp.nonzero(input), axis=1)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The positions of the elements that are not zero, one per row of a matrix.

    Args:
        as_tuple: one index tensor per dimension instead, with which the tensor can be indexed.
    """
    input = as_tensor(input, "nonzero")
    found = positions(input if input.ndim or not as_tuple else input.reshape(1))
    return unbind(found, 1) if as_tuple else found


def argwhere(input: Tensor) -> Tensor:
    """The positions of the elements that are not zero, one per row of a matrix."""
    return nonzero(input)  # type: ignore[no-any-return]


@standard("nonzero")
def nonzero_standard(x: Tensor, /) -> tuple[Tensor, ...]:
    """One index tensor per dimension, as the standard has it."""
    return nonzero(x, as_tuple=True)  # type: ignore[no-any-return]


@positions.vmap
def positions_vmap(input: Any) -> Any:
    refuse_dynamic_shape("nonzero")


def _masked_fill_operands(input: Any, mask: Any, value: Any) -> tuple[Any, tuple[Any, ...]]:
    input, mask = as_tensor(input, "masked_fill"), as_tensor(mask, "masked_fill", "mask", 2)
    if mask.dtype != dtypes.bool_:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {dtypes.dtype_name(mask.dtype)}"
        )
    if input._data.shape != mask._data.shape:
        broadcast_shapes(input.shape, mask.shape)
    if is_tensor(value):
        if value.ndim:
            raise RuntimeError(
                f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
            )
        if dtypes.category(value.dtype) > dtypes.category(input.dtype) and dtypes.category(value.dtype) == 3:
            raise RuntimeError(f"value cannot be converted to type {input.dtype.name} without overflow")
        return filled_where_with, (input, mask, value)
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(f"masked_fill(): argument 'value' must be a number or a 0-d Tensor, not {type(value).__name__}")
    return filled_where, (input, mask, fill_value(value, input.dtype))


def _masked_scatter_operands(input: Any, mask: Any, source: Any) -> tuple[Tensor, Tensor, Tensor]:
    input, mask = as_tensor(input, "masked_scatter"), as_tensor(mask, "masked_scatter", "mask", 2)
    source = as_tensor(source, "masked_scatter", "source", 3)
    if mask.dtype != dtypes.bool_:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {dtypes.dtype_name(mask.dtype)}"
        )
    if source.dtype != input.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{dtypes.scalar_type_name(input.dtype)} and {dtypes.scalar_type_name(source.dtype)}"
        )
    return input, mask, source


def _check_fits(function: str, self: Tensor, mask: Tensor) -> None:
    both = broadcast_shapes(self.shape, mask.shape)
    if both != self.shape:
        raise RuntimeError(
            f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(both)} ({function})"
        )
