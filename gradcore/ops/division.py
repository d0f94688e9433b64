"""Division: what the operators ``/ // %`` do, element by element, and their kin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import conj, is_operand, is_tensor, op, standard
from gradcore.ops._extra import extra
from gradcore.ops._numeric import number_or_none, refuse_zero, require_kind
from gradcore.ops._operands import as_tensor
from gradcore.ops.arithmetic import foreign_left, mul
from gradcore.testing.samples import Make, Sample, pairs, unary

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["div", "divide", "floor_divide", "fmod", "reciprocal", "remainder", "true_divide"]


# Quotients


@op(node="DivBackward0", promote="float", standard="divide", elementwise=True, samples=pairs)
def true_divide(xp: Any, input: Any, other: Any, /) -> Any:
    """``input / other``, element by element; integers give the default dtype."""
    return xp.divide(input, other)


@true_divide.vjp("input")
def true_divide_vjp_input(xp: Any, g: Any, other: Any) -> Any:
    return xp.divide(g, conj(xp, other))


@true_divide.vjp("other")
def true_divide_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    factor = xp.divide(xp.divide(input, other), other)
    return xp.multiply(xp.negative(g), conj(xp, factor))


@true_divide.jvp
def true_divide_jvp(xp: Any, input_t: Any, other_t: Any, other: Any, out: Any) -> Any:
    if other_t is None:
        return xp.divide(input_t, other)
    change = xp.multiply(out, other_t)
    return xp.divide(xp.negative(change) if input_t is None else xp.subtract(input_t, change), other)


def _quotients(make: Make) -> Iterator[Sample]:
    for mode in ("floor", "trunc"):
        yield Sample(
            make.of([[3.5, -3.5], [7.25, -0.5]], requires_grad=True),
            make.of([2.0, -2.0], requires_grad=True),
            rounding_mode=mode,
        )
        yield Sample(make.of(3.5, requires_grad=True), make.of([2.0, -3.0], requires_grad=True), rounding_mode=mode)
        yield Sample(make(0, 2), make(2), rounding_mode=mode)


@op(node="DivBackward2", promote="arithmetic", elementwise=True, samples=_quotients)
def divide_rounded(xp: Any, input: Any, other: Any, /, *, rounding_mode: str) -> Any:
    """The quotient rounded down (``"floor"``) or towards zero (``"trunc"``); its gradient is zero."""
    if rounding_mode == "floor":
        return _floor_divide(xp, input, other)
    array = input if hasattr(input, "dtype") else other
    kind = require_kind(xp, array, "iuf", "div_trunc")
    if kind == "f":
        return xp.trunc(xp.divide(input, other))
    quotient = _floor_divide(xp, input, other)
    if kind == "u":
        return quotient
    inexact = xp.not_equal(xp.remainder(input, other), 0)
    opposite = xp.not_equal(xp.less(input, 0), xp.less(other, 0))
    return xp.where(xp.logical_and(inexact, opposite), xp.add(quotient, 1), quotient)


@divide_rounded.vjp("input", "other")
def divide_rounded_vjp(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


def div(input: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """``input / other``, element by element.

    ``rounding_mode="floor"`` rounds the quotient down, ``"trunc"`` towards zero; integers stay integers then.

    Raises:
        RuntimeError: another ``rounding_mode``; integers divided by zero with one.
    """
    if rounding_mode is None:
        return true_divide(input, other)  # type: ignore[no-any-return]
    if rounding_mode not in ("floor", "trunc"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}"
        )
    return divide_rounded(input, other, rounding_mode=rounding_mode)  # type: ignore[no-any-return]


def div_(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """In-place :func:`div`."""
    if rounding_mode is None:
        return true_divide.inplace(self, other)
    if rounding_mode not in ("floor", "trunc"):
        div(self, other, rounding_mode=rounding_mode)
    return divide_rounded.inplace(self, other, rounding_mode=rounding_mode)


@standard("floor_divide")
def floor_quotient(input: Tensor, other: Any) -> Tensor:
    """``input // other`` with its gradient, zero: what rules use."""
    return divide_rounded(input, other, rounding_mode="floor")  # type: ignore[no-any-return]


def _whole_quotients(make: Make) -> Iterator[Sample]:
    # Its gradient is an error, so gradients are not checked: no float64.
    yield Sample(make.of([[3.5, -3.5], [7.25, -0.5]], "float32", requires_grad=True), make.of([2.0, -2.0], "float32"))
    yield Sample(make.of(7.0, "float32"), make(0, 2, dtype="float32"))


@op(node="NotImplemented", promote="arithmetic", elementwise=True, samples=_whole_quotients)
def floor_divide(xp: Any, input: Any, other: Any, /) -> Any:
    """``input // other``, the quotient rounded down. It has no gradient; ``div(rounding_mode="floor")`` has one: zero.

    Raises:
        RuntimeError: integers divided by zero.
    """
    return _floor_divide(xp, input, other)


@floor_divide.vjp("input", "other")
def floor_divide_vjp(xp: Any, g: Any) -> Any:
    raise _not_differentiable("floor_divide", 'use div(rounding_mode="floor"), the gradient of which is zero')


def _remainders(make: Make) -> Iterator[Sample]:
    for values in ([[3.5, -3.5, 0.75], [7.25, -0.5, -6.5]], -3.25):
        for divisor in (2.0, -2.0):
            yield Sample(make.of(values, requires_grad=True), divisor)
    yield Sample(make(0, 2), 2.0)


def _remainders_of_pairs(make: Make) -> Iterator[Sample]:
    a = make.of([[3.5, -3.5, 0.75], [7.25, -0.5, -6.5]], requires_grad=True)
    yield Sample(a, make.of([[2.0, 2.0, -2.0], [-3.0, -3.0, 1.5]], requires_grad=True))
    yield Sample(a, make.of([2.0, -2.0, 4.0], requires_grad=True))
    yield Sample(a, make.of(2.5, requires_grad=True))
    yield Sample(make.of(2.75, requires_grad=True), make.of([2.0, -2.0, 4.0], requires_grad=True))
    yield Sample(make(0, 2), make(2, away_from=0.0))


@op(node="RemainderBackward0", promote="arithmetic", elementwise=True, samples=_remainders)
def remainder_number(xp: Any, input: Any, other: Any, /) -> Any:
    """``input % other`` for a number ``other``."""
    return _remainder(xp, input, other)


@op(node="RemainderBackward1", promote="arithmetic", elementwise=True, samples=_remainders_of_pairs)
def remainder_tensor(xp: Any, input: Any, other: Any, /) -> Any:
    """``input % other`` of two tensors."""
    return _remainder(xp, input, other)


@remainder_tensor.vjp("other")
def remainder_tensor_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.multiply(xp.negative(g), xp.floor_divide(input, other))


def _remainders_of_numbers(make: Make) -> Iterator[Sample]:
    yield Sample(make.of([[2.0, -2.0], [3.0, 0.75]], "float32", requires_grad=True), 7.5)


@op(node="NotImplemented", promote="arithmetic", elementwise=True, samples=_remainders_of_numbers)
def remainder_of_number(xp: Any, input: Any, other: Any, /) -> Any:
    """``other % input`` for a number ``other``, which has no gradient."""
    return _remainder(xp, other, input)


@remainder_of_number.vjp("input")
def remainder_of_number_vjp_input(xp: Any, g: Any) -> Any:
    raise _not_differentiable("remainder of a number by a tensor", "make a tensor of the number")


@standard("remainder")
def remainder(input: Any, other: Any) -> Tensor:
    """``input % other``, which has the sign of ``other``, as in Python.

    Raises:
        RuntimeError: integers divided by zero.
    """
    if not is_tensor(other):
        return remainder_number(input, other)  # type: ignore[no-any-return]
    return remainder_tensor(input, other) if is_tensor(input) else _reflected_remainder(input, other)


def remainder_(self: Tensor, other: Any) -> Tensor:
    """In-place :func:`remainder`."""
    return (remainder_tensor if is_tensor(other) else remainder_number).inplace(self, other)


def _reflected_remainder(input: Any, other: Tensor) -> Tensor:
    if number_or_none(input) is not None:
        return remainder_of_number(other, input)  # type: ignore[no-any-return]
    return remainder_tensor(input, other)  # type: ignore[no-any-return]


@op(node="FmodBackward0", promote="arithmetic", elementwise=True, samples=_remainders)
def fmod_number(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`fmod` by a number."""
    return _fmod(xp, input, other)


@op(node="FmodBackward1", promote="arithmetic", elementwise=True, samples=_remainders_of_pairs)
def fmod_tensor(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`fmod` of two tensors."""
    return _fmod(xp, input, other)


@remainder_number.vjp("input")
@remainder_tensor.vjp("input")
@fmod_number.vjp("input")
@fmod_tensor.vjp("input")
def remainder_vjp_input(xp: Any, g: Any) -> Any:
    return g


@fmod_tensor.vjp("other")
def fmod_tensor_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.multiply(xp.negative(g), xp.trunc(xp.divide(input, other)))


@standard("fmod")
def fmod(input: Tensor, other: Any) -> Tensor:
    """The remainder of ``input / other`` that has the sign of ``input``, as in C.

    Raises:
        RuntimeError: integers divided by zero.
        TypeError: ``input`` is a number.
    """
    if not is_tensor(input):
        input = as_tensor(input, "fmod")
    return (fmod_tensor if is_tensor(other) else fmod_number)(input, other)  # type: ignore[no-any-return]


def fmod_(self: Tensor, other: Any) -> Tensor:
    """In-place :func:`fmod`."""
    return (fmod_tensor if is_tensor(other) else fmod_number).inplace(self, other)


@op(node="ReciprocalBackward0", promote="float", standard="reciprocal", elementwise=True, samples=unary(away_from=0.0))
def reciprocal(xp: Any, input: Any, /) -> Any:
    """``1 / input``."""
    return xp.reciprocal(input)


@reciprocal.vjp("input")
def reciprocal_vjp_input(xp: Any, g: Any, out: Any) -> Any:
    return xp.multiply(xp.negative(g), conj(xp, xp.square(out)))


for _refusing in (floor_divide, remainder_of_number):
    _refusing.op.node_class.name = lambda self: "torch::autograd::NotImplemented"  # type: ignore[method-assign]

divide = div


# Operators whose operation depends on the operands


def rtruediv_operator(self: Tensor, other: Any) -> Any:
    """``other / self``, as PyTorch records it: the reciprocal, times ``other``."""
    return NotImplemented if foreign_left(other) else mul(reciprocal(self), other)


def rdiv(self: Tensor, other: Any) -> Tensor:
    """``other / self`` as a method, which Python itself has not called since its version 3."""
    return mul(self.reciprocal(), other)  # type: ignore[no-any-return]


def rfloordiv_operator(self: Tensor, other: Any) -> Any:
    """``other // self``."""
    return NotImplemented if foreign_left(other) else floor_divide(other, self)


def mod_operator(self: Tensor, other: Any) -> Any:
    """``self % other``."""
    return remainder(self, other) if is_operand(other) else NotImplemented


def rmod_operator(self: Tensor, other: Any) -> Any:
    """``other % self``."""
    return NotImplemented if foreign_left(other) else remainder(other, self)


# What they share


def _not_differentiable(name: str, advice: str) -> RuntimeError:
    return RuntimeError(f"derivative for aten::{name} is not implemented: {advice}, or detach() the operands")


def _floor_divide(xp: Any, x: Any, y: Any) -> Any:
    if require_kind(xp, x if hasattr(x, "dtype") else y, "iuf", "div_floor") != "f":
        refuse_zero(xp, y, "division")
    return xp.floor_divide(x, y)


def _remainder(xp: Any, x: Any, y: Any) -> Any:
    if require_kind(xp, x if hasattr(x, "dtype") else y, "iuf", "remainder") != "f":
        refuse_zero(xp, y, "remainder")
    return xp.remainder(x, y)


def _fmod(xp: Any, x: Any, y: Any) -> Any:
    if require_kind(xp, x if hasattr(x, "dtype") else y, "iuf", "fmod") != "f":
        refuse_zero(xp, y, "fmod")
    return extra(xp, "fmod", x, y)
