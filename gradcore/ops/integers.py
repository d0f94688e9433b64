"""Divisors and multiples of integers. None of it has a gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gradcore.op import op
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import require_kind
from gradcore.ops._operands import refuse_numbers
from gradcore.testing.samples import Make, Sample

__all__ = ["gcd", "lcm"]


def _pairs_of_integers(make: Make) -> Iterator[Sample]:
    yield Sample(make.of([-4, 6, 0, 0, 7], "int64"), make.of([6, -9, 0, 5, 7], "int64"))
    yield Sample(make.ints(2, 3, high=60), make.ints(3, high=60))
    yield Sample(make.ints(), make.ints(2))
    yield Sample(make.ints(0, 2), make.ints(2))


@op(node="GcdBackward0", promote="arithmetic", differentiable=False, elementwise=True, samples=_pairs_of_integers)
def gcd(xp: Any, input: Any, other: Any, /) -> Any:
    """The greatest common divisor, which is not negative; of 0 and 0 it is 0.

    Raises:
        NotImplementedError: the operands are no integers.
        TypeError: an operand is no tensor.
    """
    require_kind(xp, input, "iu", "gcd_cpu")
    return extra(xp, "gcd", input, other)


gcd.op.check = lambda given: refuse_numbers("gcd", input=given[0], other=given[1])


@op(node="LcmBackward0", promote="arithmetic", differentiable=False, elementwise=True, samples=_pairs_of_integers)
def lcm(xp: Any, input: Any, other: Any, /) -> Any:
    """The least common multiple, which is not negative; 0 where one of the two is 0.

    Raises:
        NotImplementedError: the operands are no integers.
        TypeError: an operand is no tensor.
    """
    require_kind(xp, input, "iu", "lcm_cpu")
    return extra(xp, "lcm", input, other)


lcm.op.check = lambda given: refuse_numbers("lcm", input=given[0], other=given[1])


@generic("gcd")
def _gcd(xp: Any, x: Any, y: Any) -> Any:
    # Euclid's algorithm, for all elements until the last is done.
    x, y = xp.broadcast_arrays(xp.abs(x), xp.abs(y))
    while bool(xp.any(going := xp.not_equal(y, 0))):
        rest = xp.remainder(x, xp.where(going, y, xp.ones_like(y)))
        x, y = xp.where(going, y, x), xp.where(going, rest, y)
    return x


@generic("lcm")
def _lcm(xp: Any, x: Any, y: Any) -> Any:
    divisor = _gcd(xp, x, y)
    x = xp.floor_divide(x, xp.where(xp.equal(divisor, 0), xp.ones_like(divisor), divisor))
    return xp.abs(xp.multiply(x, y))
