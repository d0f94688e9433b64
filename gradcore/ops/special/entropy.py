"""Products with logarithms that vanish where the factor does: what entropies are summed of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import is_tensor, op
from gradcore.ops._numeric import array_like, number_or_none, require_kind
from gradcore.ops.special._precision import widened
from gradcore.testing.samples import Make, Sample, unary

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["entr", "xlog1py", "xlogy"]


@op(
    node="SpecialEntrBackward0",
    promote="float",
    d=lambda xp, input: xp.subtract(-1.0, xp.log(input)),
    samples=unary(low=0.1, high=3.0),
)
def entr(xp: Any, input: Any, /) -> Any:
    """``-input * log(input)``; 0 at 0, and negative infinity below."""
    require_kind(xp, input, "f", "entr")

    def function(x: Any) -> Any:
        found = xp.multiply(xp.negative(x), xp.log(x))
        return xp.where(xp.equal(x, 0.0), 0.0, xp.where(xp.less(x, 0.0), -math.inf, found))

    return widened(xp, function, input)


def _positive_second(make: Make) -> Iterator[Sample]:
    for a, b in (((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((0, 2), (2,))):
        yield Sample(make(*a, away_from=0.0), make(*b, low=0.2, high=3.0))


def _positive_and_number(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape, low=0.2, high=3.0), 2.5)


@op(node="XlogyBackward0", promote="float", elementwise=True, samples=_positive_second)
def xlogy_tensors(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`xlogy` of two tensors."""
    return _product(xp, input, other, xp.log, "xlogy")


@xlogy_tensors.vjp("input")
def xlogy_tensors_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return _slope_of_factor(xp, g, input, other, xp.log, 0.0)


@xlogy_tensors.vjp("other")
def xlogy_tensors_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.divide(xp.multiply(g, input), other)


@op(node="XlogyBackward1", promote="float", elementwise=True, samples=_positive_and_number)
def xlogy_of_number(xp: Any, other: Any, input: Any, /) -> Any:
    """:func:`xlogy` of a number and a tensor."""
    return _product(xp, input, other, xp.log, "xlogy")


@xlogy_of_number.vjp("other")
def xlogy_of_number_vjp_other(xp: Any, g: Any, other: Any, input: Any) -> Any:
    return xp.divide(xp.multiply(g, input), other)


@op(node="XlogyBackward2", promote="float", elementwise=True, samples=_positive_and_number)
def xlogy_by_number(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`xlogy` of a tensor and a number."""
    return _product(xp, input, other, xp.log, "xlogy")


@xlogy_by_number.vjp("input")
def xlogy_by_number_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return _slope_of_factor(xp, g, input, other, xp.log, 0.0)


def xlogy(input: Any, other: Any) -> Tensor:
    """``input * log(other)``, and 0 where ``input`` is 0, whatever the logarithm. One of the two may be a number."""
    if not is_tensor(input) and number_or_none(input) is not None:
        return xlogy_of_number(other, input)  # type: ignore[no-any-return]
    function = xlogy_tensors if number_or_none(other) is None else xlogy_by_number
    return function(input, other)  # type: ignore[no-any-return]


def xlogy_(self: Tensor, other: Any) -> Tensor:
    """In-place :func:`xlogy`."""
    return (xlogy_tensors if number_or_none(other) is None else xlogy_by_number).inplace(self, other)


@op(node="SpecialXlog1PyBackward0", promote="float", elementwise=True, samples=_positive_second)
def xlog1py_tensors(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`xlog1py` of two tensors."""
    return _product(xp, input, other, xp.log1p, "xlog1py")


@xlog1py_tensors.vjp("input")
def xlog1py_tensors_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return _slope_of_factor(xp, g, input, other, xp.log1p, -1.0)


@xlog1py_tensors.vjp("other")
def xlog1py_tensors_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.divide(xp.multiply(g, input), xp.add(other, 1.0))


@op(node="SpecialXlog1PyBackward1", promote="float", elementwise=True, samples=_positive_and_number)
def xlog1py_of_number(xp: Any, other: Any, input: Any, /) -> Any:
    """:func:`xlog1py` of a number and a tensor."""
    return _product(xp, input, other, xp.log1p, "xlog1py")


@xlog1py_of_number.vjp("other")
def xlog1py_of_number_vjp_other(xp: Any, g: Any, other: Any, input: Any) -> Any:
    return xp.divide(xp.multiply(g, input), xp.add(other, 1.0))


@op(node="SpecialXlog1PyBackward2", promote="float", elementwise=True, samples=_positive_and_number)
def xlog1py_by_number(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`xlog1py` of a tensor and a number."""
    return _product(xp, input, other, xp.log1p, "xlog1py")


@xlog1py_by_number.vjp("input")
def xlog1py_by_number_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return _slope_of_factor(xp, g, input, other, xp.log1p, -1.0)


def xlog1py(input: Any, other: Any) -> Tensor:
    """``input * log1p(other)``, and 0 where ``input`` is 0, whatever the logarithm. One of the two may be a number."""
    if not is_tensor(input) and number_or_none(input) is not None:
        return xlog1py_of_number(other, input)  # type: ignore[no-any-return]
    function = xlog1py_tensors if number_or_none(other) is None else xlog1py_by_number
    return function(input, other)  # type: ignore[no-any-return]


def _product(xp: Any, x: Any, y: Any, log: Any, function: str) -> Any:
    like = x if hasattr(x, "dtype") else y
    require_kind(xp, like, "f", function)

    def product(x: Any, y: Any) -> Any:
        nothing = xp.logical_and(xp.equal(x, 0.0), xp.logical_not(xp.isnan(y)))
        return xp.where(nothing, 0.0, xp.multiply(x, log(y)))

    return widened(xp, product, array_like(xp, x, like), array_like(xp, y, like))


def _slope_of_factor(xp: Any, g: Any, x: Any, y: Any, log: Any, pole: float) -> Any:
    y = array_like(xp, y, x)
    constant = xp.logical_and(xp.equal(x, 0.0), xp.less_equal(y, pole))
    # The logarithm is 0 there, and finite: the derivative of the product is then 0 as well.
    return xp.multiply(g, log(xp.where(constant, 1.0 + pole, y)))
