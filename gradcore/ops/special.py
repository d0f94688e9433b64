"""Special functions, element by element: the error function and others that the Array API lacks.

Where the backend has no faster ones, they are computed in the array library itself (:mod:`gradcore.ops._numeric`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import is_tensor, op
from gradcore.ops._extra import extra
from gradcore.ops._numeric import number_or_none, require_kind
from gradcore.testing.samples import Make, Sample, reals, unary

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["erf", "erfc", "sinc", "xlogy"]


@op(
    node="ErfBackward0",
    promote="float",
    d=lambda xp, input: xp.multiply(xp.exp(xp.negative(xp.square(input))), 2.0 / math.sqrt(math.pi)),
    standard="erf",
    samples=reals,
)
def erf(xp: Any, input: Any, /) -> Any:
    """The error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to ``input``."""
    require_kind(xp, input, "f", "erf")
    return extra(xp, "erf", input)


@op(
    node="ErfcBackward0",
    promote="float",
    d=lambda xp, input: xp.multiply(xp.exp(xp.negative(xp.square(input))), -2.0 / math.sqrt(math.pi)),
    standard="erfc",
    samples=reals,
)
def erfc(xp: Any, input: Any, /) -> Any:
    """``1 - erf(input)``, exact where that is small."""
    require_kind(xp, input, "f", "erfc")
    return extra(xp, "erfc", input)


@op(node="SincBackward0", promote="float", elementwise=True, samples=unary(away_from=0.0))
def sinc(xp: Any, input: Any, /) -> Any:
    """``sin(pi * input) / (pi * input)``, and 1 at 0."""
    angle = xp.multiply(input, math.pi)
    return xp.where(xp.equal(input, 0.0), 1.0, xp.divide(xp.sin(angle), angle))


@sinc.vjp("input")
def sinc_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    angle = xp.multiply(input, math.pi)
    slope = xp.divide(xp.subtract(xp.multiply(angle, xp.cos(angle)), xp.sin(angle)), xp.multiply(angle, input))
    return xp.where(xp.equal(input, 0.0), 0.0, xp.multiply(g, xp.conj(slope)))


def _positive_second(make: Make) -> Iterator[Sample]:
    for a, b in (((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((0, 2), (2,))):
        yield Sample(make(*a, away_from=0.0), make(*b, low=0.2, high=3.0))


def _positive_and_number(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape, low=0.2, high=3.0), 2.5)


@op(node="XlogyBackward0", promote="float", elementwise=True, samples=_positive_second)
def xlogy_tensors(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`xlogy` of two tensors."""
    return _xlogy(xp, input, other)


@xlogy_tensors.vjp("input")
def xlogy_tensors_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return _xlogy_vjp_input(xp, g, input, other)


@xlogy_tensors.vjp("other")
def xlogy_tensors_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.divide(xp.multiply(g, input), other)


@op(node="XlogyBackward1", promote="float", elementwise=True, samples=_positive_and_number)
def xlogy_of_number(xp: Any, other: Any, input: Any, /) -> Any:
    """:func:`xlogy` of a number and a tensor."""
    return _xlogy(xp, input, other)


@xlogy_of_number.vjp("other")
def xlogy_of_number_vjp_other(xp: Any, g: Any, other: Any, input: Any) -> Any:
    return xp.divide(xp.multiply(g, input), other)


@op(node="XlogyBackward2", promote="float", elementwise=True, samples=_positive_and_number)
def xlogy_by_number(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`xlogy` of a tensor and a number."""
    return _xlogy(xp, input, other)


@xlogy_by_number.vjp("input")
def xlogy_by_number_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return _xlogy_vjp_input(xp, g, input, other)


def xlogy(input: Any, other: Any) -> Tensor:
    """``input * log(other)``, and 0 where ``input`` is 0, whatever the logarithm. One of the two may be a number."""
    if not is_tensor(input) and number_or_none(input) is not None:
        return xlogy_of_number(other, input)  # type: ignore[no-any-return]
    function = xlogy_tensors if number_or_none(other) is None else xlogy_by_number
    return function(input, other)  # type: ignore[no-any-return]


def xlogy_(self: Tensor, other: Any) -> Tensor:
    """In-place :func:`xlogy`."""
    return (xlogy_tensors if number_or_none(other) is None else xlogy_by_number).inplace(self, other)


def _xlogy(xp: Any, x: Any, y: Any) -> Any:
    like = x if hasattr(x, "dtype") else y
    require_kind(xp, like, "f", "xlogy")
    x, y = (v if hasattr(v, "dtype") else xp.asarray(v, dtype=like.dtype) for v in (x, y))
    nothing = xp.logical_and(xp.equal(x, 0.0), xp.logical_not(xp.isnan(y)))
    return xp.where(nothing, 0.0, xp.multiply(x, xp.log(y)))


def _xlogy_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    other = other if hasattr(other, "dtype") else xp.asarray(other, dtype=input.dtype)
    constant = xp.logical_and(xp.equal(input, 0.0), xp.less_equal(other, 0.0))
    return xp.where(constant, 0.0, xp.multiply(g, xp.log(other)))
