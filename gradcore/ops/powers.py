"""Powers: of tensors, by tensors and by numbers."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import conj, is_operand, is_tensor, op, standard
from gradcore.ops._extra import extra
from gradcore.ops._numeric import kind_of, number_or_none, require_kind
from gradcore.ops._operands import as_tensor
from gradcore.ops.arithmetic import foreign_left
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["pow", "square"]


def _powers_by_number(make: Make) -> Iterator[Sample]:
    for exponent in (2, 3, 1, 0, 4.0, -1, -2):
        yield Sample(make(2, 3, away_from=0.0), exponent=exponent)
    for exponent in (0.5, -0.5, 2.5, -1.5):
        yield Sample(make(3, low=0.3, high=2.0), exponent=exponent)
    yield Sample(make(), exponent=3)
    yield Sample(make(0, 2), exponent=2)


@op(node="PowBackward0", elementwise=True, samples=_powers_by_number)
def pow_number(xp: Any, input: Any, /, *, exponent: complex) -> Any:
    """``input ** exponent`` for a number ``exponent``."""
    kind = kind_of(xp, input)
    if kind not in "fc":
        exact = not isinstance(exponent, (float, complex))
        if exact and kind != "b":
            return _integer_power(xp, input, exponent)
        input = xp.astype(input, dtypes.int64 if exact else dtypes.get_default_dtype())
        if exact:
            return _integer_power(xp, input, exponent)
    if isinstance(exponent, complex):
        input = xp.astype(input, dtypes.complex_of(xp.np_dtype(input.dtype)))
    return xp.positive(input) if exponent == 1 else _power(xp, input, exponent)


@pow_number.vjp("input")
def pow_number_vjp_input(xp: Any, g: Any, input: Any, exponent: complex) -> Any:
    if exponent == 0:
        return xp.zeros_like(g)
    if isinstance(exponent, complex):
        input = xp.astype(input, g.dtype)
    return xp.multiply(g, conj(xp, xp.multiply(_power(xp, input, exponent - 1), exponent)))


def _powers_of_pairs(make: Make) -> Iterator[Sample]:
    for a, b in (((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((2, 3), ()), ((0, 2), (2,))):
        yield Sample(make(*a, low=0.3, high=2.0), make(*b))


@op(node="PowBackward1", promote="arithmetic", elementwise=True, samples=_powers_of_pairs)
def pow_tensor(xp: Any, input: Any, exponent: Any, /) -> Any:
    """``input ** exponent`` of two tensors."""
    kind = require_kind(xp, exponent, "iufc", "pow")
    return xp.pow(input, exponent) if kind in "fc" else _integer_power(xp, input, exponent)


@pow_tensor.vjp("input")
def pow_tensor_vjp_input(xp: Any, g: Any, input: Any, exponent: Any) -> Any:
    factor = xp.multiply(exponent, xp.pow(input, xp.subtract(exponent, 1.0)))
    return xp.where(xp.equal(exponent, 0.0), 0.0, xp.multiply(g, conj(xp, factor)))


@pow_tensor.vjp("exponent")
def pow_tensor_vjp_exponent(xp: Any, g: Any, input: Any, exponent: Any, out: Any) -> Any:
    # 0 ** x is constant for x >= 0.
    constant = xp.logical_and(xp.equal(input, 0.0), xp.greater_equal(xp.real(exponent), 0.0))
    return xp.multiply(g, xp.where(constant, 0.0, conj(xp, xp.multiply(out, xp.log(input)))))


def _powers_of_numbers(make: Make) -> Iterator[Sample]:
    for base in (2, 0.5, 1):
        yield Sample(make(2, 3), base=base)
    yield Sample(make(), base=2.5)
    yield Sample(make(0, 2), base=2.0)


@op(node="PowBackward2", elementwise=True, samples=_powers_of_numbers)
def pow_of_number(xp: Any, exponent: Any, /, *, base: complex) -> Any:
    """``base ** exponent`` for a number ``base``."""
    kind = kind_of(xp, exponent)
    if kind not in "fc":
        exact = not isinstance(base, (float, complex))
        if exact and kind != "b":
            return _integer_power(xp, xp.asarray(base, dtype=exponent.dtype), exponent)
        exponent = xp.astype(exponent, dtypes.int64 if exact else dtypes.get_default_dtype())
        if exact:
            return _integer_power(xp, xp.asarray(base, dtype=exponent.dtype), exponent)
    if isinstance(base, complex):
        exponent = xp.astype(exponent, dtypes.complex_of(xp.np_dtype(exponent.dtype)))
    return xp.pow(float(base) if isinstance(base, int) else base, exponent)


@pow_of_number.vjp("exponent")
def pow_of_number_vjp_exponent(xp: Any, g: Any, exponent: Any, out: Any, base: complex) -> Any:
    if base == 0:
        slope = xp.where(xp.greater_equal(xp.real(exponent), 0.0), 0.0, xp.multiply(out, -math.inf))
    else:
        slope = xp.multiply(out, _log_of_number(base, complex_result=kind_of(xp, out) == "c"))
    return xp.multiply(g, conj(xp, slope))


@standard("pow")
def pow(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent``, element by element; one of the two may be a number.

    Raises:
        RuntimeError: integers to a negative number.
    """
    number = number_or_none(exponent)
    if number is not None:
        if not is_tensor(input):
            input = as_tensor(input, "pow")
        return pow_number(input, exponent=+number)  # type: ignore[no-any-return]
    number = number_or_none(input)
    if number is not None:
        return pow_of_number(exponent, base=+number)  # type: ignore[no-any-return]
    return pow_tensor(input, exponent)  # type: ignore[no-any-return]


def pow_(self: Tensor, exponent: Any) -> Tensor:
    """In-place :func:`pow`."""
    number = number_or_none(exponent)
    return pow_tensor.inplace(self, exponent) if number is None else pow_number.inplace(self, exponent=+number)


@standard("square")
def square(input: Tensor) -> Tensor:
    """``input ** 2``."""
    return pow_number(input, exponent=2)  # type: ignore[no-any-return]


def square_(self: Tensor) -> Tensor:
    """In-place :func:`square`."""
    return pow_number.inplace(self, exponent=2)


def pow_operator(self: Tensor, other: Any) -> Any:
    """``self ** other``."""
    return pow(self, other) if is_operand(other) else NotImplemented


def rpow_operator(self: Tensor, other: Any) -> Any:
    """``other ** self``."""
    return NotImplemented if foreign_left(other) else pow(other, self)


def _power(xp: Any, x: Any, exponent: complex) -> Any:
    """``x ** exponent``, by what is faster than the general power; ``x`` itself for 1."""
    if is_tensor(x) and exponent != 1:
        # The derivative of a power is one where that of its parts is a product of 0 and infinity.
        return xp.pow(x, exponent)
    if exponent == 2:
        return xp.square(x)
    if exponent == 1:
        return x
    if exponent == 3:
        return xp.multiply(xp.square(x), x)
    if exponent == 0.5:
        return xp.sqrt(x)
    if exponent == -0.5:
        return extra(xp, "rsqrt", x)
    if exponent == -1:
        return xp.reciprocal(x)
    if exponent == -2:
        return xp.reciprocal(xp.square(x))
    return xp.pow(x, exponent)


def _integer_power(xp: Any, x: Any, exponent: Any) -> Any:
    """A power of integers; a tensor of exponents may be negative, and what is no integer then is 0."""
    if not hasattr(exponent, "dtype"):
        if exponent < 0:
            raise RuntimeError(
                "Integers to negative integer powers are not allowed. Cast the tensor to a floating point dtype first"
            )
        return xp.pow(x, xp.asarray(exponent, dtype=x.dtype))
    if kind_of(xp, exponent) == "u":
        return xp.pow(x, exponent)
    power = xp.pow(x, xp.maximum(exponent, 0))
    odd = xp.not_equal(xp.remainder(exponent, 2), 0)
    inverse = xp.where(
        xp.equal(x, 1), 1, xp.where(xp.equal(x, -1), xp.where(odd, xp.negative(xp.ones_like(x)), 1), xp.zeros_like(x))
    )
    return xp.where(xp.less(exponent, 0), inverse, power)


def _log_of_number(base: complex, complex_result: bool) -> complex:
    if complex_result:
        return cmath.log(base)
    assert not isinstance(base, complex)
    return math.log(base) if base > 0 else math.nan
