"""Mantissas and exponents, neighbours among floating-point numbers, powers in double precision."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes, return_types
from gradcore.op import is_tensor, op
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import kind_of, number_or_none, require_kind
from gradcore.ops._operands import as_tensor, refuse_numbers
from gradcore.ops.cast import to
from gradcore.ops.powers import pow, pow_
from gradcore.ops.special._precision import widened
from gradcore.testing.samples import Make, Sample, pairs, reals

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["float_power", "frexp", "ldexp", "nextafter"]


@op(
    node="LdexpBackward0",
    promote="float",
    d={
        "input": lambda xp, other: extra(xp, "exp2", other),
        "other": lambda xp, out: xp.multiply(out, math.log(2.0)),
    },
    samples=pairs,
)
def times_power_of_two(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`ldexp` of two tensors."""
    return widened(xp, lambda x, y: xp.multiply(x, extra(xp, "exp2", y)), input, other)


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """``input * 2**other``, of dtype float32 where both are integers.

    Raises:
        TypeError: an operand is no tensor.
    """
    refuse_numbers("ldexp", input=input, other=other)
    return times_power_of_two(input, other)  # type: ignore[no-any-return]


def ldexp_(self: Tensor, other: Tensor) -> Tensor:
    """In-place :func:`ldexp`."""
    refuse_numbers("ldexp_", input=self, other=other)
    return times_power_of_two.inplace(self, other)


@op(
    node="FrexpBackward0",
    outputs=("mantissa", "exponent"),
    nondifferentiable=("exponent",),
    elementwise=True,
    samples=reals,
)
def mantissa_and_exponent(xp: Any, input: Any, /) -> Any:
    """:func:`frexp`, as a plain tuple."""
    if kind_of(xp, input) != "f":
        raise RuntimeError(
            "frexp() only supports floating-point dtypes, but got "
            f"{dtypes.dtype_name(xp.np_dtype(input.dtype))}: cast the tensor first, with .to(dtype)"
        )
    return extra(xp, "frexp", input)


@mantissa_and_exponent.vjp("input")
def mantissa_and_exponent_vjp_input(xp: Any, g: Any, exponent: Any) -> Any:
    return xp.divide(g, extra(xp, "exp2", xp.astype(exponent, g.dtype)))


@mantissa_and_exponent.jvp
def mantissa_and_exponent_jvp(xp: Any, input_t: Any, exponent: Any) -> Any:
    return mantissa_and_exponent_vjp_input(xp, input_t, exponent), None


def frexp(input: Tensor) -> return_types.frexp:
    """Mantissas of a size in [0.5, 1), and the exponents with which ``input`` is ``mantissa * 2**exponent``.

    Zero, infinities and NaN are their own mantissas. The exponents are of dtype int32, and have no gradient.

    Raises:
        RuntimeError: ``input`` is not of a floating-point dtype.
    """
    return return_types.frexp(*mantissa_and_exponent(input))


def _apart(make: Make) -> Iterator[Sample]:
    # The step is beyond what finite differences see, so that the result moves as the first operand does.
    yield Sample(make(2, 3), make(3, low=5.0, high=9.0))
    yield Sample(make(), make(2, low=5.0, high=9.0))
    yield Sample(make(0, 2), make(2))


@op(node="NextafterBackward0", promote="arithmetic", elementwise=True, samples=_apart)
def neighbour(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`nextafter` of two tensors."""
    require_kind(xp, input, "f", "nextafter_cpu")
    return xp.nextafter(input, other)


@neighbour.vjp("input")
def neighbour_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.where(xp.equal(input, other), 0.0, g)


@neighbour.vjp("other")
def neighbour_vjp_other(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The number next to ``input`` on the way to ``other``; ``other`` itself where they are equal.

    Raises:
        TypeError: an operand is no tensor.
        NotImplementedError: none is of a floating-point dtype.
    """
    refuse_numbers("nextafter", input=input, other=other)
    return neighbour(input, other)  # type: ignore[no-any-return]


def nextafter_(self: Tensor, other: Tensor) -> Tensor:
    """In-place :func:`nextafter`."""
    refuse_numbers("nextafter_", input=self, other=other)
    return neighbour.inplace(self, other)


def float_power(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent`` in double precision: of dtype complex128 if one of the two is complex, else float64.

    Raises:
        TypeError: neither is a tensor.
    """
    dtype = _double(input, exponent)
    if not is_tensor(input) and not is_tensor(exponent):
        raise TypeError(
            "float_power(): one of input and exponent must be Tensor, not "
            f"{type(input).__name__} and {type(exponent).__name__}"
        )
    return pow(_in(input, dtype), _in(exponent, dtype))


def float_power_(self: Tensor, exponent: Any) -> Tensor:
    """In-place :func:`float_power`.

    Raises:
        RuntimeError: this tensor is not of double precision, and so cannot hold the result.
    """
    dtype = _double(self, exponent)
    if self.dtype != dtype:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {dtypes.scalar_type_name(self.dtype)} but the operation's result "
            f"requires dtype {dtypes.scalar_type_name(dtype)}: use float_power, which gives a new tensor"
        )
    return pow_(self, _in(exponent, dtype))


def _double(x: Any, y: Any) -> dtypes.DType:
    is_complex = any(v.is_complex() if is_tensor(v) else isinstance(v, complex) for v in (x, y))
    return dtypes.complex128 if is_complex else dtypes.float64


def _in(x: Any, dtype: dtypes.DType) -> Any:
    number = number_or_none(x)
    if number is None:
        return to(as_tensor(x, "float_power"), dtype)
    return complex(number) if dtype == dtypes.complex128 else float(number)


@generic("frexp")
def _frexp(xp: Any, x: Any) -> Any:
    finite = xp.logical_and(xp.isfinite(x), xp.not_equal(x, 0.0))
    size = xp.abs(x)
    # Subnormal numbers first grow, by a power of two that all dtypes have.
    least = float(np.finfo(xp.np_dtype(x.dtype)).smallest_normal)
    small = xp.less(size, least)
    scaled = xp.where(small, xp.multiply(x, 2.0**64), x)
    exponent = xp.add(xp.floor(xp.log2(xp.where(finite, xp.abs(scaled), 1.0))), 1.0)
    # In two factors, each of which is in range.
    half = xp.floor(xp.multiply(exponent, 0.5))
    mantissa = xp.multiply(
        xp.multiply(scaled, xp.pow(2.0, xp.negative(half))), xp.pow(2.0, xp.subtract(half, exponent))
    )
    # The logarithm of a number next to a power of two may have been rounded to it.
    for wrong, factor, step in (
        (xp.greater_equal(xp.abs(mantissa), 1.0), 0.5, 1.0),
        (xp.less(xp.abs(mantissa), 0.5), 2.0, -1.0),
    ):
        mantissa = xp.where(wrong, xp.multiply(mantissa, factor), mantissa)
        exponent = xp.where(wrong, xp.add(exponent, step), exponent)
    exponent = xp.where(small, xp.subtract(exponent, 64.0), exponent)
    return xp.where(finite, mantissa, x), xp.astype(xp.where(finite, exponent, 0.0), dtypes.int32)
