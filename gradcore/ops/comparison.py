"""What gives truth values, and operations on bits. None of it has a gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import is_operand, is_tensor, op
from gradcore.operands import refuse_shapes
from gradcore.ops._numeric import array_like, kind_of, refuse_dtype, require_kind
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "eq",
    "equal",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "le",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
    "not_equal",
    "signbit",
]

# Comparisons


def _with_ties(make: Make) -> Iterator[Sample]:
    yield Sample(
        make.of([[1.0, 2.0, 3.0], [3.0, math.nan, math.inf]]), make.of([[1.0, 3.0, 2.0], [3.0, 1.0, math.inf]])
    )
    yield Sample(make(2, 3), make(3))
    yield Sample(make(), make(2))
    yield Sample(make(0, 2), make(2))
    yield Sample(make.ints(2, 3), make.ints(3))
    yield Sample(make.bools(4), make.bools(4))
    yield Sample(make.ints(2, 3), 2)


@op(
    node="EqBackward0",
    promote="arithmetic",
    differentiable=False,
    standard="equal",
    elementwise=True,
    samples=_with_ties,
)
def eq(xp: Any, input: Any, other: Any, /) -> Any:
    """``input == other``, element by element."""
    return xp.equal(input, other)


@op(
    node="NeBackward0",
    promote="arithmetic",
    differentiable=False,
    standard="not_equal",
    elementwise=True,
    samples=_with_ties,
)
def ne(xp: Any, input: Any, other: Any, /) -> Any:
    """``input != other``, element by element."""
    return xp.not_equal(input, other)


@op(
    node="LtBackward0",
    promote="arithmetic",
    differentiable=False,
    standard="less",
    elementwise=True,
    samples=_with_ties,
)
def lt(xp: Any, input: Any, other: Any, /) -> Any:
    """``input < other``, element by element."""
    return xp.less(*_ordered(xp, input, other, "lt"))


@op(
    node="LeBackward0",
    promote="arithmetic",
    differentiable=False,
    standard="less_equal",
    elementwise=True,
    samples=_with_ties,
)
def le(xp: Any, input: Any, other: Any, /) -> Any:
    """``input <= other``, element by element."""
    return xp.less_equal(*_ordered(xp, input, other, "le"))


@op(
    node="GtBackward0",
    promote="arithmetic",
    differentiable=False,
    standard="greater",
    elementwise=True,
    samples=_with_ties,
)
def gt(xp: Any, input: Any, other: Any, /) -> Any:
    """``input > other``, element by element."""
    return xp.greater(*_ordered(xp, input, other, "gt"))


@op(
    node="GeBackward0",
    promote="arithmetic",
    differentiable=False,
    standard="greater_equal",
    elementwise=True,
    samples=_with_ties,
)
def ge(xp: Any, input: Any, other: Any, /) -> Any:
    """``input >= other``, element by element."""
    return xp.greater_equal(*_ordered(xp, input, other, "ge"))


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


def _nearly_equal(make: Make) -> Iterator[Sample]:
    a = make.of([1.0, 2.0, math.nan, math.inf, -math.inf])
    b = make.of([1.0 + 1e-9, 2.1, math.nan, math.inf, math.inf])
    for equal_nan in (False, True):
        yield Sample(a, b, rtol=1e-5, atol=1e-8, equal_nan=equal_nan)
    yield Sample(make.ints(3), make.ints(3), rtol=0.0, atol=1.0, equal_nan=False)
    yield Sample(make(0, 2), make(2), rtol=1e-5, atol=1e-8, equal_nan=False)


@op(node="IscloseBackward0", promote="same", differentiable=False, elementwise=True, samples=_nearly_equal)
def isclose(xp: Any, input: Any, other: Any, /, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """``|input - other| <= atol + rtol * |other|``, element by element; two NaN are close if ``equal_nan`` says so.

    Raises:
        RuntimeError: a negative tolerance, or two dtypes.
    """
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {tolerance}")
    kind = kind_of(xp, input)
    close = xp.equal(input, other)
    if kind == "b":
        return close
    if kind in "fc" and equal_nan:
        close = xp.logical_or(close, xp.logical_and(xp.isnan(input), xp.isnan(other)))
    if kind in "iu":
        input, other = xp.astype(input, dtypes.float64), xp.astype(other, dtypes.float64)
    distance = xp.abs(xp.subtract(input, other))
    near = xp.less_equal(distance, xp.add(xp.multiply(xp.abs(other), rtol), atol))
    return xp.logical_or(close, xp.logical_and(near, xp.isfinite(distance)))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close, as :func:`isclose` has it."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    for position, x in enumerate((input, other)):
        if not is_tensor(x):
            raise TypeError(
                f"equal(): argument {('input', 'other')[position]!r} (position {position + 1}) must be Tensor, not "
                f"{type(x).__name__}"
            )
    return input.shape == other.shape and bool(eq(input, other).all())


# What kind of number


def _special_numbers(make: Make) -> Iterator[Sample]:
    yield Sample(make.of([[1.0, -0.0, math.nan], [math.inf, -math.inf, -2.0]]))
    yield Sample(make())
    yield Sample(make(0, 2))
    yield Sample(make.ints(2, 3, low=-3))
    yield Sample(make.bools(3))


def _also_complex(make: Make) -> Iterator[Sample]:
    yield from _special_numbers(make)
    yield Sample(make.of([1 + 2j, complex(math.nan, 1), complex(0, math.inf), 3], np.complex128))


@op(node="IsnanBackward0", differentiable=False, standard="isnan", elementwise=True, samples=_also_complex)
def isnan(xp: Any, input: Any, /) -> Any:
    """Whether each element is NaN."""
    return xp.not_equal(input, input)


@op(node="IsinfBackward0", differentiable=False, standard="isinf", elementwise=True, samples=_also_complex)
def isinf(xp: Any, input: Any, /) -> Any:
    """Whether each element is infinite; a complex number is, if one of its parts is."""
    return xp.isinf(input) if kind_of(xp, input) in "fc" else xp.not_equal(input, input)


@op(node="IsfiniteBackward0", differentiable=False, standard="isfinite", elementwise=True, samples=_also_complex)
def isfinite(xp: Any, input: Any, /) -> Any:
    """Whether each element is neither infinite nor NaN."""
    return xp.isfinite(input) if kind_of(xp, input) in "fc" else xp.equal(input, input)


@op(node="IsposinfBackward0", differentiable=False, elementwise=True, samples=_special_numbers)
def isposinf(xp: Any, input: Any, /) -> Any:
    """Whether each element is positive infinity."""
    return _is_infinity(xp, input, math.inf, "isposinf")


@op(node="IsneginfBackward0", differentiable=False, elementwise=True, samples=_special_numbers)
def isneginf(xp: Any, input: Any, /) -> Any:
    """Whether each element is negative infinity."""
    return _is_infinity(xp, input, -math.inf, "isneginf")


@op(node="IsrealBackward0", differentiable=False, elementwise=True, samples=_also_complex)
def isreal(xp: Any, input: Any, /) -> Any:
    """Whether the imaginary part of each element is zero; true of real numbers."""
    if kind_of(xp, input) == "c":
        return xp.equal(xp.imag(input), 0.0)
    return xp.ones(input.shape, dtype=dtypes.bool_)


@op(node="SignbitBackward0", differentiable=False, standard="signbit", elementwise=True, samples=_special_numbers)
def signbit(xp: Any, input: Any, /) -> Any:
    """Whether each element is negative; true of -0.0."""
    kind = require_kind(xp, input, "biuf", "signbit")
    if kind == "f":
        return xp.signbit(input)
    return xp.less(input, 0) if kind == "i" else xp.zeros(input.shape, dtype=dtypes.bool_)


# Truth values


def _truths(make: Make) -> Iterator[Sample]:
    yield Sample(make.bools(2, 3), make.bools(3))
    yield Sample(make.of([0.0, -0.0, 1.0, math.nan]), make.of([0, 1, 0, 1], np.int64))
    yield Sample(make.of([0j, 1j], np.complex128), make.bools(2))
    yield Sample(make(), make(0, 2))


def _one_truth(make: Make) -> Iterator[Sample]:
    for s in _truths(make):
        yield Sample(s.operands[0])


@op(node="LogicalAndBackward0", differentiable=False, standard="logical_and", elementwise=True, samples=_truths)
def logical_and(xp: Any, input: Any, other: Any, /) -> Any:
    """Whether both are true; what is not zero is true."""
    return _of_truths(xp, xp.logical_and, input, other, "logical_and")


@op(node="LogicalOrBackward0", differentiable=False, standard="logical_or", elementwise=True, samples=_truths)
def logical_or(xp: Any, input: Any, other: Any, /) -> Any:
    """Whether one is true; what is not zero is true."""
    return _of_truths(xp, xp.logical_or, input, other, "logical_or")


@op(node="LogicalXorBackward0", differentiable=False, standard="logical_xor", elementwise=True, samples=_truths)
def logical_xor(xp: Any, input: Any, other: Any, /) -> Any:
    """Whether exactly one is true; what is not zero is true."""
    return _of_truths(xp, xp.logical_xor, input, other, "logical_xor")


@op(node="LogicalNotBackward0", differentiable=False, standard="logical_not", elementwise=True, samples=_one_truth)
def logical_not(xp: Any, input: Any, /) -> Any:
    """Whether each element is zero, which counts as false."""
    return xp.logical_not(input) if kind_of(xp, input) == "b" else xp.equal(input, 0)


# Bits


def _bits(make: Make) -> Iterator[Sample]:
    yield Sample(make.ints(2, 3, low=-9, high=9), make.ints(3, high=9))
    yield Sample(make.ints(), make.ints(2))
    yield Sample(make.ints(0, 2), make.ints(2))
    yield Sample(make.ints(3), 6)


def _bits_and_truths(make: Make) -> Iterator[Sample]:
    yield from _bits(make)
    yield Sample(make.bools(4), make.bools(4))


def _one_of_bits(make: Make) -> Iterator[Sample]:
    for s in _bits_and_truths(make):
        yield Sample(s.operands[0])


@op(
    node="BitwiseAndBackward0",
    promote="arithmetic",
    differentiable=False,
    standard="bitwise_and",
    elementwise=True,
    samples=_bits_and_truths,
)
def bitwise_and(xp: Any, input: Any, other: Any, /) -> Any:
    """The bits that both integers have; the logical AND of truth values."""
    return xp.bitwise_and(*_whole(xp, input, other, "bitwise_and"))


@op(
    node="BitwiseOrBackward0",
    promote="arithmetic",
    differentiable=False,
    standard="bitwise_or",
    elementwise=True,
    samples=_bits_and_truths,
)
def bitwise_or(xp: Any, input: Any, other: Any, /) -> Any:
    """The bits that one of the integers has; the logical OR of truth values."""
    return xp.bitwise_or(*_whole(xp, input, other, "bitwise_or"))


@op(
    node="BitwiseXorBackward0",
    promote="arithmetic",
    differentiable=False,
    standard="bitwise_xor",
    elementwise=True,
    samples=_bits_and_truths,
)
def bitwise_xor(xp: Any, input: Any, other: Any, /) -> Any:
    """The bits that exactly one of the integers has; the logical XOR of truth values."""
    return xp.bitwise_xor(*_whole(xp, input, other, "bitwise_xor"))


@op(node="BitwiseNotBackward0", differentiable=False, standard="bitwise_invert", elementwise=True, samples=_one_of_bits)
def bitwise_not(xp: Any, input: Any, /) -> Any:
    """The bits that an integer does not have; the logical NOT of truth values.

    Raises:
        NotImplementedError: ``input`` holds no integers.
    """
    require_kind(xp, input, "biu", "bitwise_not")
    return xp.bitwise_invert(input)


@op(
    node="BitwiseLeftShiftBackward0",
    promote="arithmetic",
    differentiable=False,
    standard="bitwise_left_shift",
    elementwise=True,
    samples=_bits,
)
def bitwise_left_shift(xp: Any, input: Any, other: Any, /) -> Any:
    """``input * 2**other`` of integers; 0 where all bits are shifted out, or ``other`` is negative."""
    x, by, possible = _shift(xp, input, other, "bitwise_left_shift")
    return xp.where(possible, xp.bitwise_left_shift(x, by), xp.zeros_like(x))


@op(
    node="BitwiseRightShiftBackward0",
    promote="arithmetic",
    differentiable=False,
    standard="bitwise_right_shift",
    elementwise=True,
    samples=_bits,
)
def bitwise_right_shift(xp: Any, input: Any, other: Any, /) -> Any:
    """``input // 2**other`` of integers; only the sign is left where all bits are shifted out."""
    x, by, possible = _shift(xp, input, other, "bitwise_right_shift")
    rest = xp.zeros_like(x) if kind_of(xp, x) == "u" else xp.where(xp.less(x, 0), -1, xp.zeros_like(x))
    return xp.where(possible, xp.bitwise_right_shift(x, by), rest)


# Operators whose operation depends on the operands


def invert_operator(self: Tensor) -> Tensor:
    """``~self``."""
    if dtypes.category(self.dtype) > 1:
        raise TypeError(
            f"~ (operator.invert) is only implemented on integer and Boolean-type tensors, but this one has "
            f"{dtypes.dtype_name(self.dtype)}"
        )
    return bitwise_not(self)  # type: ignore[no-any-return]


def rlshift_operator(self: Tensor, other: Any) -> Any:
    """``other << self``."""
    return bitwise_left_shift(other, self) if _number_like(other) else NotImplemented


def rrshift_operator(self: Tensor, other: Any) -> Any:
    """``other >> self``."""
    return bitwise_right_shift(other, self) if _number_like(other) else NotImplemented


def rand_operator(self: Tensor, other: Any) -> Any:
    """``other & self``."""
    return bitwise_and(self, other) if _number_like(other) else NotImplemented


def ror_operator(self: Tensor, other: Any) -> Any:
    """``other | self``."""
    return bitwise_or(self, other) if _number_like(other) else NotImplemented


def rxor_operator(self: Tensor, other: Any) -> Any:
    """``other ^ self``."""
    return bitwise_xor(self, other) if _number_like(other) else NotImplemented


# Helpers


def _number_like(other: Any) -> bool:
    """Whether ``other`` may stand to the left of a tensor: numbers and 0-d arrays, as for arithmetic."""
    return is_operand(other) and not getattr(other, "ndim", 0)


def _ordered(xp: Any, x: Any, y: Any, function: str) -> tuple[Any, Any]:
    """Operands of an ordering; truth values as 0 and 1, since the standard does not order them."""
    array = x if hasattr(x, "dtype") else y
    kind = kind_of(xp, array)
    if kind == "f":
        return x, y
    if kind == "c":
        refuse_dtype(function, xp.np_dtype(array.dtype))
    if kind == "b":
        return xp.astype(array_like(xp, x, array), dtypes.uint8), xp.astype(array_like(xp, y, array), dtypes.uint8)
    return x, y


def _is_infinity(xp: Any, x: Any, infinity: float, function: str) -> Any:
    kind = kind_of(xp, x)
    if kind == "c":
        raise RuntimeError(f"{function} does not support complex inputs: ask for .real or .imag")
    return xp.equal(x, infinity) if kind == "f" else xp.zeros(x.shape, dtype=dtypes.bool_)


def _of_truths(xp: Any, function: Any, x: Any, y: Any, name: str) -> Any:
    try:
        return function(_truth(xp, x), _truth(xp, y))
    except ValueError as e:
        refuse_shapes(name, (x, y), e)


def _truth(xp: Any, x: Any) -> Any:
    if not hasattr(x, "dtype"):
        return xp.asarray(bool(x), dtype=dtypes.bool_)
    return x if kind_of(xp, x) == "b" else xp.not_equal(x, 0)


def _whole(xp: Any, x: Any, y: Any, function: str) -> tuple[Any, Any]:
    require_kind(xp, x if hasattr(x, "dtype") else y, "biu", function)
    return x, y


def _shift(xp: Any, x: Any, by: Any, function: str) -> tuple[Any, Any, Any]:
    """Operands of a shift, the distance within the bits of the dtype, and where it was so."""
    array = x if hasattr(x, "dtype") else by
    require_kind(xp, array, "iu", function)
    x, by = array_like(xp, x, array), array_like(xp, by, array)
    last = xp.np_dtype(array.dtype).itemsize * 8 - 1
    possible = xp.logical_and(xp.greater_equal(by, 0), xp.less_equal(by, last))
    return x, xp.clip(by, 0, last), possible
