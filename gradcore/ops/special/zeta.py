"""The zeta function of Hurwitz."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import is_tensor, op
from gradcore.ops._extra import generic
from gradcore.ops._numeric import array_like, number_or_none, require_kind
from gradcore.ops.special._precision import any_true, special
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["hurwitz_zeta", "zeta"]


def _above_one(make: Make) -> Iterator[Sample]:
    for a, b in (((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((0, 2), (2,))):
        exponent = make(*a, low=1.5, high=4.0).detach()
        yield Sample(exponent, make(*b, low=0.4, high=3.0))


def _number_above_one(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape, low=0.4, high=3.0), 2.5)


def _tensor_above_one(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape, low=1.5, high=4.0), 0.75)


@op(node="SpecialZetaBackward0", promote="float", elementwise=True, standard="zeta", samples=_above_one)
def zeta_of_tensors(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`zeta` of two tensors."""
    return _zeta(xp, input, other)


@zeta_of_tensors.vjp("input")
def zeta_of_tensors_vjp_input(xp: Any, g: Any) -> Any:
    raise _no_derivative()


@zeta_of_tensors.vjp("other")
def zeta_of_tensors_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.multiply(g, _slope(xp, input, other))


@op(node="SpecialZetaBackward1", promote="float", elementwise=True, samples=_number_above_one)
def zeta_of_number(xp: Any, other: Any, input: Any, /) -> Any:
    """:func:`zeta` of a number and a tensor."""
    return _zeta(xp, input, other)


@zeta_of_number.vjp("other")
def zeta_of_number_vjp_other(xp: Any, g: Any, other: Any, input: Any) -> Any:
    return xp.multiply(g, _slope(xp, input, other))


@op(node="SpecialZetaBackward2", promote="float", elementwise=True, samples=_tensor_above_one)
def zeta_at_number(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`zeta` of a tensor and a number."""
    return _zeta(xp, input, other)


@zeta_at_number.jvp
def zeta_at_number_jvp(xp: Any) -> Any:
    raise _no_derivative()


def zeta(input: Any, other: Any) -> Tensor:
    """Hurwitz' zeta function: the sum of ``(k + other) ** -input`` over ``k`` = 0, 1 ...; one of the two may be a number.

    It has a derivative by ``other``, and none by ``input``.
    """
    if not is_tensor(input) and number_or_none(input) is not None:
        return zeta_of_number(other, input)  # type: ignore[no-any-return]
    function = zeta_of_tensors if number_or_none(other) is None else zeta_at_number
    return function(input, other)  # type: ignore[no-any-return]


def hurwitz_zeta(xp: Any, exponent: float, q: Any) -> Any:
    """The function of a number and an array or a tensor, for rules."""
    return special(xp, "zeta", xp.full(q.shape, exponent, dtype=q.dtype), q)


def _zeta(xp: Any, s: Any, q: Any) -> Any:
    like = s if hasattr(s, "dtype") else q
    require_kind(xp, like, "f", "zeta")
    return special(xp, "zeta", array_like(xp, s, like), array_like(xp, q, like))


def _slope(xp: Any, s: Any, q: Any) -> Any:
    s = array_like(xp, s, q)
    return xp.multiply(xp.negative(s), special(xp, "zeta", xp.add(s, 1.0), q))


def _no_derivative() -> NotImplementedError:
    return NotImplementedError("the derivative for 'zeta: input' is not implemented: detach() that operand first")


# B(2k) / (2k)!, with Bernoulli's numbers B.
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
    -3617 / 10670622842880000,
)  # fmt: skip
_TERMS = 10
_LARGE = 1e15
"""An exponent that gives what an infinite one does."""


@generic("zeta", special=True)
def _hurwitz(xp: Any, s: Any, q: Any) -> Any:
    inside = xp.logical_and(xp.greater(s, 1.0), xp.isfinite(q))
    s_safe, q_safe = xp.where(inside, xp.minimum(s, _LARGE), 2.0), xp.where(inside, q, 1.0)
    whole = xp.floor(q_safe)
    negative = xp.less(q_safe, 0.0)
    pole = xp.logical_and(xp.less_equal(q_safe, 0.0), xp.equal(q_safe, whole))
    undefined = xp.logical_and(negative, xp.not_equal(s_safe, xp.floor(s_safe)))
    fraction = xp.where(pole, 0.5, xp.subtract(q_safe, whole))
    total = _right_of_zero(xp, s_safe, xp.where(xp.logical_or(negative, pole), fraction, q_safe))
    if any_true(xp, negative):
        # The terms left of zero, in the opposite order, are those of a sum that starts and of one that goes on.
        start = _right_of_zero(xp, s_safe, xp.where(negative, xp.subtract(1.0, fraction), 1.0))
        further = _right_of_zero(xp, s_safe, xp.where(negative, xp.subtract(1.0, q_safe), 1.0))
        odd = xp.not_equal(xp.remainder(s_safe, 2.0), 0.0)
        left = xp.multiply(xp.subtract(start, further), xp.where(odd, -1.0, xp.ones_like(total)))
        total = xp.where(negative, xp.add(total, left), total)
    total = xp.where(pole, math.inf, xp.where(undefined, math.nan, total))
    return xp.where(inside, total, _outside(xp, s, q))


def _right_of_zero(xp: Any, s: Any, q: Any) -> Any:
    """For positive ``q``, by the formula of Euler and Maclaurin (DLMF 25.11.28): terms, and their rest as an integral."""
    total = xp.zeros_like(xp.add(s, q))
    for _ in range(_TERMS):
        total = xp.add(total, xp.pow(q, xp.negative(s)))
        q = xp.add(q, 1.0)
    last = xp.pow(q, xp.negative(s))
    total = xp.add(total, xp.multiply(last, xp.add(xp.divide(q, xp.subtract(s, 1.0)), 0.5)))
    factor = xp.divide(xp.multiply(last, s), q)
    for k, c in enumerate(_BERNOULLI):
        total = xp.add(total, xp.multiply(factor, c))
        growth = xp.multiply(xp.add(s, 2.0 * k + 1.0), xp.add(s, 2.0 * k + 2.0))
        factor = xp.divide(xp.multiply(factor, growth), xp.square(q))
    return total


def _outside(xp: Any, s: Any, q: Any) -> Any:
    """Where the sum diverges, or an operand is infinite."""
    vanishes = xp.logical_and(xp.equal(q, math.inf), xp.greater(s, 1.0))
    undefined = xp.where(xp.equal(s, 1.0), math.inf, xp.full(s.shape, math.nan, dtype=s.dtype))
    return xp.where(vanishes, 0.0, undefined)
