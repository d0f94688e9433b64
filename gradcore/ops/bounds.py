"""The larger and the smaller of two, element by element, and keeping values between bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import op, standard
from gradcore.ops._extra import extra
from gradcore.ops._numeric import kind_of, number_or_none, of_truth_values, refuse_dtype, require_kind
from gradcore.ops._operands import as_tensor
from gradcore.ops.cast import cast
from gradcore.testing.samples import Make, Sample, pairs

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["clamp", "clamp_max", "clamp_min", "clip", "fmax", "fmin", "maximum", "minimum"]

# The larger and the smaller


@op(node="MaximumBackward0", promote="arithmetic", numbers=False, standard="maximum", elementwise=True, samples=pairs)
def maximum(xp: Any, input: Any, other: Any, /) -> Any:
    """The larger of two; NaN if one is NaN. Equal ones share the gradient."""
    kind = _ordered(xp, input, other, "maximum")
    return xp.maximum(input, other) if kind != "b" else of_truth_values(xp, xp.logical_or, input, other)


@maximum.vjp("input")
def maximum_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.where(xp.less(input, other), 0.0, _shared(xp, g, input, other))


@maximum.vjp("other")
def maximum_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.where(xp.greater(input, other), 0.0, _shared(xp, g, input, other))


@op(node="MinimumBackward0", promote="arithmetic", numbers=False, standard="minimum", elementwise=True, samples=pairs)
def minimum(xp: Any, input: Any, other: Any, /) -> Any:
    """The smaller of two; NaN if one is NaN. Equal ones share the gradient."""
    kind = _ordered(xp, input, other, "minimum")
    return xp.minimum(input, other) if kind != "b" else of_truth_values(xp, xp.logical_and, input, other)


@minimum.vjp("input")
def minimum_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.where(xp.greater(input, other), 0.0, _shared(xp, g, input, other))


@minimum.vjp("other")
def minimum_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.where(xp.less(input, other), 0.0, _shared(xp, g, input, other))


@op(node="FmaxBackward0", promote="arithmetic", numbers=False, standard="fmax", elementwise=True, samples=pairs)
def fmax(xp: Any, input: Any, other: Any, /) -> Any:
    """The larger of two, of which one may be NaN. The first of equal ones takes the gradient."""
    kind = _ordered(xp, input, other, "fmax")
    if kind == "b":
        return of_truth_values(xp, xp.logical_or, input, other)
    return extra(xp, "fmax", input, other) if kind == "f" else xp.maximum(input, other)


@fmax.vjp("input")
def fmax_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.where(_first_is_fmax(xp, input, other), g, 0.0)


@fmax.vjp("other")
def fmax_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.where(_first_is_fmax(xp, input, other), 0.0, g)


@op(node="FminBackward0", promote="arithmetic", numbers=False, standard="fmin", elementwise=True, samples=pairs)
def fmin(xp: Any, input: Any, other: Any, /) -> Any:
    """The smaller of two, of which one may be NaN. The first of equal ones takes the gradient."""
    kind = _ordered(xp, input, other, "fmin")
    if kind == "b":
        return of_truth_values(xp, xp.logical_and, input, other)
    return extra(xp, "fmin", input, other) if kind == "f" else xp.minimum(input, other)


@fmin.vjp("input")
def fmin_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.where(_first_is_fmin(xp, input, other), g, 0.0)


@fmin.vjp("other")
def fmin_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.where(_first_is_fmin(xp, input, other), 0.0, g)


# Bounds that are numbers


def _clamped(make: Make) -> Iterator[Sample]:
    for bounds in ({"min": -1.0, "max": 0.5}, {"min": -0.5}, {"max": 0.5}, {"min": 0.5, "max": -0.5}):
        yield Sample(make(2, 3), **bounds)
    yield Sample(make(), min=-3.0, max=3.0)
    yield Sample(make(0, 2), min=0.0)


@op(node="ClampBackward1", elementwise=True, samples=_clamped)
def clamp_to_numbers(xp: Any, input: Any, /, *, min: Any = None, max: Any = None) -> Any:
    """:func:`clamp` to bounds that are numbers."""
    return _clamp(xp, input, min, max)


@clamp_to_numbers.vjp("input")
def clamp_to_numbers_vjp_input(xp: Any, g: Any, input: Any, min: Any, max: Any) -> Any:
    return xp.where(_between(xp, input, min, max), g, 0.0)


def _clamped_below(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape), min=0.1)


def _clamped_above(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape), max=0.1)


@op(node="ClampMinBackward0", elementwise=True, samples=_clamped_below)
def clamp_min_to_number(xp: Any, input: Any, /, *, min: Any) -> Any:
    """:func:`clamp_min` to a number."""
    return _clamp(xp, input, min, None)


@clamp_min_to_number.vjp("input")
def clamp_min_to_number_vjp_input(xp: Any, g: Any, input: Any, min: Any) -> Any:
    return xp.where(xp.greater_equal(input, min), g, 0.0)


@op(node="ClampMaxBackward0", elementwise=True, samples=_clamped_above)
def clamp_max_to_number(xp: Any, input: Any, /, *, max: Any) -> Any:
    """:func:`clamp_max` to a number."""
    return _clamp(xp, input, None, max)


@clamp_max_to_number.vjp("input")
def clamp_max_to_number_vjp_input(xp: Any, g: Any, input: Any, max: Any) -> Any:
    return xp.where(xp.less_equal(input, max), g, 0.0)


# Bounds that are tensors


def _clamped_to_tensors(make: Make) -> Iterator[Sample]:
    for shapes in (((2, 3), (2, 3), (2, 3)), ((2, 3), (3,), (2, 1)), ((), (2,), ()), ((0, 2), (2,), (1, 2))):
        yield Sample(*(make(*shape) for shape in shapes))
    yield Sample(make(2, 3), make(3), None)
    yield Sample(make(2, 3), None, make(3))


@op(node="ClampBackward0", promote="arithmetic", elementwise=True, samples=_clamped_to_tensors)
def clamp_to_tensors(xp: Any, input: Any, min: Any = None, max: Any = None, /) -> Any:
    """:func:`clamp` to bounds that are tensors."""
    _clampable(xp, input)
    if min is not None:
        input = xp.maximum(input, min)
    return input if max is None else xp.minimum(input, max)


@clamp_to_tensors.vjp("input")
def clamp_to_tensors_vjp_input(xp: Any, g: Any, input: Any, min: Any, max: Any) -> Any:
    return xp.where(_between(xp, input, min, max), g, 0.0)


@clamp_to_tensors.vjp("min")
def clamp_to_tensors_vjp_min(xp: Any, g: Any, input: Any, min: Any, max: Any) -> Any:
    below = xp.less(input, min)
    return xp.where(below if max is None else xp.logical_and(below, xp.less(min, max)), g, 0.0)


@clamp_to_tensors.vjp("max")
def clamp_to_tensors_vjp_max(xp: Any, g: Any, input: Any, min: Any, max: Any) -> Any:
    above = xp.greater(input, max)
    return xp.where(above if min is None else xp.logical_or(above, xp.less(max, min)), g, 0.0)


@op(node="ClampMinBackward1", promote="arithmetic", elementwise=True, samples=pairs)
def clamp_min_to_tensor(xp: Any, input: Any, min: Any, /) -> Any:
    """:func:`clamp_min` to a tensor."""
    _clampable(xp, input)
    return xp.maximum(input, min)


@clamp_min_to_tensor.vjp("input")
def clamp_min_to_tensor_vjp_input(xp: Any, g: Any, input: Any, min: Any) -> Any:
    return xp.where(xp.greater_equal(input, min), g, 0.0)


@clamp_min_to_tensor.vjp("min")
def clamp_min_to_tensor_vjp_min(xp: Any, g: Any, input: Any, min: Any) -> Any:
    return xp.where(xp.less(input, min), g, 0.0)


@op(node="ClampMaxBackward1", promote="arithmetic", elementwise=True, samples=pairs)
def clamp_max_to_tensor(xp: Any, input: Any, max: Any, /) -> Any:
    """:func:`clamp_max` to a tensor."""
    _clampable(xp, input)
    return xp.minimum(input, max)


@clamp_max_to_tensor.vjp("input")
def clamp_max_to_tensor_vjp_input(xp: Any, g: Any, input: Any, max: Any) -> Any:
    return xp.where(xp.less_equal(input, max), g, 0.0)


@clamp_max_to_tensor.vjp("max")
def clamp_max_to_tensor_vjp_max(xp: Any, g: Any, input: Any, max: Any) -> Any:
    return xp.where(xp.greater(input, max), g, 0.0)


# What users call


@standard("clip")
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """``input`` with what is below ``min`` or above ``max`` replaced by that bound; ``max`` where ``min`` is above it.

    The bounds are numbers or tensors, and one may be left out. The gradient is 1 between and at the bounds.

    Raises:
        RuntimeError: no bound is given; one is a number that the dtype does not hold.
    """
    low, high, numbers = _bounds(min, max)
    if numbers:
        input = _promoted(input, low, high)
        return clamp_to_numbers(input, min=low, max=high)  # type: ignore[no-any-return]
    return clamp_to_tensors(input, min, max)  # type: ignore[no-any-return]


def clamp_(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """In-place :func:`clamp`."""
    low, high, numbers = _bounds(min, max)
    if numbers and _promoted(self, low, high) is self:
        return clamp_to_numbers.inplace(self, min=low, max=high)
    return clamp_to_tensors.inplace(self, min, max)


clip, clip_ = clamp, clamp_


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """The larger of ``input`` and ``min``, a number or a tensor."""
    number = number_or_none(min)
    if number is None:
        return clamp_min_to_tensor(as_tensor(input, "clamp_min"), min)  # type: ignore[no-any-return]
    return clamp_min_to_number(_promoted(input, number, None), min=number)  # type: ignore[no-any-return]


def clamp_min_(self: Tensor, min: Any) -> Tensor:
    """In-place :func:`clamp_min`."""
    number = number_or_none(min)
    if number is None or _promoted(self, number, None) is not self:
        return clamp_min_to_tensor.inplace(self, min)
    return clamp_min_to_number.inplace(self, min=number)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """The smaller of ``input`` and ``max``, a number or a tensor."""
    number = number_or_none(max)
    if number is None:
        return clamp_max_to_tensor(as_tensor(input, "clamp_max"), max)  # type: ignore[no-any-return]
    return clamp_max_to_number(_promoted(input, None, number), max=number)  # type: ignore[no-any-return]


def clamp_max_(self: Tensor, max: Any) -> Tensor:
    """In-place :func:`clamp_max`."""
    number = number_or_none(max)
    if number is None or _promoted(self, None, number) is not self:
        return clamp_max_to_tensor.inplace(self, max)
    return clamp_max_to_number.inplace(self, max=number)


def _bounds(min: Any, max: Any) -> tuple[Any, Any, bool]:
    """The bounds as plain numbers, and whether both are such."""
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    low, high = number_or_none(min), number_or_none(max)
    return low, high, (low is not None or min is None) and (high is not None or max is None)


def _promoted(input: Any, low: Any, high: Any) -> Tensor:
    """``input`` in the dtype that it has beside the bounds: integers beside floats become floats."""
    input = as_tensor(input, "clamp")
    dtype = input.dtype
    if dtype.kind == "c":
        raise NotImplementedError("clamp is not supported for complex types: clamp .real and .imag, or .abs()")
    bounds = [b for b in (low, high) if b is not None]
    wanted = dtypes.promote([dtype], (), bounds)
    if wanted.kind == "c":
        raise RuntimeError(
            f"a complex bound ({bounds}) cannot be converted to {dtypes.dtype_name(dtype)} without overflow"
        )
    if wanted.kind == "b":
        refuse_dtype("clamp", wanted)
    _check_range(wanted, bounds)
    return input if wanted == dtype else cast(input, wanted)


def _check_range(dtype: dtypes.DType, bounds: list[Any]) -> None:
    """Raise for a bound that ``dtype`` does not hold; infinities and NaN it does hold, if it is a float."""
    if dtype.kind in "iu":
        limits: Any = np.iinfo(dtype)
    elif dtype in (dtypes.float16, dtypes.float32):
        limits = np.finfo(dtype)
    else:
        return
    for b in bounds:
        if (dtype.kind in "iu" or math.isfinite(b)) and not float(limits.min) <= b <= float(limits.max):
            raise RuntimeError(f"the bound {b} cannot be converted to {dtypes.dtype_name(dtype)} without overflow")


def _clamp(xp: Any, x: Any, low: Any, high: Any) -> Any:
    # True and False bound integers, too.
    low, high = (+b if b.__class__ is bool else b for b in (low, high))
    if low is not None and high is not None and low <= high:
        return xp.clip(x, low, high)
    # What clip gives for other bounds the standard does not say.
    if low is not None:
        x = xp.maximum(x, low)
    return x if high is None else xp.minimum(x, high)


def _between(xp: Any, x: Any, low: Any, high: Any) -> Any:
    """Where ``x`` lies between bounds, of which one may be ``None``."""
    if low is None:
        return xp.less_equal(x, high)
    above = xp.greater_equal(x, low)
    return above if high is None else xp.logical_and(above, xp.less_equal(x, high))


def _clampable(xp: Any, x: Any) -> None:
    kind = kind_of(xp, x)
    if kind == "c":
        raise NotImplementedError("clamp is not supported for complex types: clamp .real and .imag, or .abs()")
    require_kind(xp, x, "iuf", "clamp")


def _ordered(xp: Any, x: Any, y: Any, function: str) -> str:
    kind = kind_of(xp, x if hasattr(x, "dtype") else y)
    if kind == "c":
        raise RuntimeError(
            f"{function} not implemented for complex tensors: they have no order; compare .abs() or .real"
        )
    return kind


def _shared(xp: Any, g: Any, x: Any, y: Any) -> Any:
    """The gradient, halved where the two are equal."""
    return xp.where(xp.equal(x, y), xp.multiply(g, 0.5), g)


def _first_is_fmax(xp: Any, x: Any, y: Any) -> Any:
    return xp.logical_or(xp.greater_equal(x, y), _is_nan(xp, y))


def _first_is_fmin(xp: Any, x: Any, y: Any) -> Any:
    return xp.logical_or(xp.less_equal(x, y), _is_nan(xp, y))


def _is_nan(xp: Any, x: Any) -> Any:
    return xp.isnan(x) if hasattr(x, "dtype") else math.isnan(x)
