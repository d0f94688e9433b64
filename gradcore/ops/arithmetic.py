"""Arithmetic: what the operators ``+ - * **`` do, element by element, and their combinations.

``division.py`` has those of ``/ // %``, ``elementwise.py`` the elementary functions, ``comparison.py`` what gives truth
values.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import conj, is_operand, is_tensor, op, standard
from gradcore.ops._extra import extra
from gradcore.ops._numeric import kind_of, number_or_none, of_truth_values, require_kind
from gradcore.ops._operands import as_tensor
from gradcore.testing.samples import Make, Sample, pairs, reals

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "add",
    "addcdiv",
    "addcmul",
    "lerp",
    "mul",
    "multiply",
    "neg",
    "negative",
    "positive",
    "pow",
    "rsub",
    "square",
    "sub",
    "subtract",
]

# Sums and products


def _scaled_pairs(make: Make) -> Iterator[Sample]:
    yield from pairs(make)
    yield Sample(make(2, 3), make(3), alpha=2.5)


def _with_numbers(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape), 1.5)


@op(node="AddBackward0", promote="arithmetic", linear=True, standard="add", elementwise=True, samples=_scaled_pairs)
def add(xp: Any, input: Any, other: Any, /, *, alpha: complex = 1) -> Any:
    """``input + alpha * other``, element by element."""
    if alpha != 1:
        other = _scaled(xp, other, alpha)
    try:
        return xp.add(input, other)
    except TypeError:  # the standard has no sums of truth values
        return of_truth_values(xp, xp.logical_or, input, other)


@add.vjp("input")
def add_vjp_input(xp: Any, g: Any) -> Any:
    return g


@add.vjp("other")
def add_vjp_other(xp: Any, g: Any, alpha: complex) -> Any:
    return g if alpha == 1 else xp.multiply(g, alpha.conjugate())


@op(
    node="SubBackward0", promote="arithmetic", linear=True, standard="subtract", elementwise=True, samples=_scaled_pairs
)
def sub(xp: Any, input: Any, other: Any, /, *, alpha: complex = 1) -> Any:
    """``input - alpha * other``, element by element."""
    if alpha != 1:
        other = _scaled(xp, other, alpha)
    try:
        return xp.subtract(input, other)
    except TypeError as e:
        raise _no_difference() from e


def _refuse_bools(operands: Sequence[Any]) -> None:
    """Raise for a difference with truth values."""
    bools = [x.dtype.kind == "b" if is_tensor(x) else x.__class__ is bool for x in operands]
    if all(bools):
        raise _no_difference()
    if any(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the "
            "`~` or `logical_not()` operator instead"
        )


sub.op.check = _refuse_bools


@sub.vjp("input")
def sub_vjp_input(xp: Any, g: Any) -> Any:
    return g


@sub.vjp("other")
def sub_vjp_other(xp: Any, g: Any, alpha: complex) -> Any:
    return xp.negative(g) if alpha == 1 else xp.multiply(g, -alpha.conjugate())


@op(node="RsubBackward0", promote="arithmetic", linear=True, elementwise=True, samples=_scaled_pairs)
def rsub_tensor(xp: Any, input: Any, other: Any, /, *, alpha: complex = 1) -> Any:
    """``other - alpha * input`` of two tensors."""
    return _subtract_from(xp, other, input, alpha)


rsub_tensor.op.check = _refuse_bools


@rsub_tensor.vjp("other")
def rsub_tensor_vjp_other(xp: Any, g: Any) -> Any:
    return g


@rsub_tensor.vjp("input")
def rsub_tensor_vjp_input(xp: Any, g: Any, alpha: complex) -> Any:
    return xp.negative(g) if alpha == 1 else xp.multiply(g, -alpha.conjugate())


@op(node="RsubBackward1", promote="arithmetic", elementwise=True, samples=_with_numbers)
def rsub_number(xp: Any, input: Any, other: Any, /, *, alpha: complex = 1) -> Any:
    """``other - alpha * input`` for a number ``other``."""
    return _subtract_from(xp, other, input, alpha)


rsub_number.op.check = _refuse_bools


@rsub_number.vjp("input")
def rsub_number_vjp_input(xp: Any, g: Any, alpha: complex) -> Any:
    return xp.negative(g) if alpha == 1 else xp.multiply(g, -alpha.conjugate())


def rsub(input: Tensor, other: Any, *, alpha: complex = 1) -> Tensor:
    """``other - alpha * input``, element by element."""
    if not is_tensor(input):
        input = as_tensor(input, "rsub")
    function = rsub_tensor if is_tensor(other) else rsub_number
    return function(input, other, alpha=alpha)  # type: ignore[no-any-return]


@op(node="MulBackward0", promote="arithmetic", multilinear=True, standard="multiply", elementwise=True, samples=pairs)
def mul(xp: Any, input: Any, other: Any, /) -> Any:
    """``input * other``, element by element."""
    try:
        return xp.multiply(input, other)
    except TypeError:
        return of_truth_values(xp, xp.logical_and, input, other)


@mul.vjp("input")
def mul_vjp_input(xp: Any, g: Any, other: Any) -> Any:
    return xp.multiply(g, conj(xp, other))


@mul.vjp("other")
def mul_vjp_other(xp: Any, g: Any, input: Any) -> Any:
    return xp.multiply(g, conj(xp, input))


def _linear_combinations(make: Make) -> Iterator[Sample]:
    for a, b, c in (((2, 3), (2, 3), (2, 3)), ((2, 3), (3,), (2, 1)), ((), (2,), ()), ((0, 2), (2,), (1, 2))):
        yield Sample(make(*a), make(*b), make(*c, away_from=0.0))
        yield Sample(make(*a), make(*b), make(*c, away_from=0.0), value=-1.5)


@op(node="AddcmulBackward0", promote="arithmetic", elementwise=True, samples=_linear_combinations)
def addcmul(xp: Any, input: Any, tensor1: Any, tensor2: Any, /, *, value: complex = 1) -> Any:
    """``input + value * tensor1 * tensor2``, element by element."""
    kind = require_kind(xp, input, "iufc", "addcmul")
    product = xp.multiply(tensor1, tensor2)
    return xp.add(input, product if value == 1 else xp.multiply(product, int(value.real) if kind in "iu" else value))


@addcmul.vjp("input")
def addcmul_vjp_input(xp: Any, g: Any) -> Any:
    return g


@addcmul.vjp("tensor1")
def addcmul_vjp_tensor1(xp: Any, g: Any, tensor2: Any, value: complex) -> Any:
    return xp.multiply(g, conj(xp, tensor2 if value == 1 else xp.multiply(tensor2, value)))


@addcmul.vjp("tensor2")
def addcmul_vjp_tensor2(xp: Any, g: Any, tensor1: Any, value: complex) -> Any:
    return xp.multiply(g, conj(xp, tensor1 if value == 1 else xp.multiply(tensor1, value)))


@op(node="AddcdivBackward0", promote="arithmetic", elementwise=True, samples=_linear_combinations)
def addcdiv(xp: Any, input: Any, tensor1: Any, tensor2: Any, /, *, value: complex = 1) -> Any:
    """``input + value * tensor1 / tensor2``, element by element.

    Raises:
        RuntimeError: all are integers.
    """
    if kind_of(xp, input) not in "fc":
        raise RuntimeError(
            "Integer division with addcdiv is not supported: cast the tensors to a floating point dtype, or write it "
            "with div and its rounding_mode"
        )
    quotient = xp.divide(tensor1, tensor2)
    return xp.add(input, quotient if value == 1 else xp.multiply(quotient, value))


@addcdiv.vjp("input")
def addcdiv_vjp_input(xp: Any, g: Any) -> Any:
    return g


@addcdiv.vjp("tensor1")
def addcdiv_vjp_tensor1(xp: Any, g: Any, tensor2: Any, value: complex) -> Any:
    return xp.multiply(g, conj(xp, xp.divide(value, tensor2)))


@addcdiv.vjp("tensor2")
def addcdiv_vjp_tensor2(xp: Any, g: Any, tensor1: Any, tensor2: Any, value: complex) -> Any:
    factor = xp.divide(xp.divide(xp.multiply(tensor1, -value), tensor2), tensor2)
    return xp.multiply(g, conj(xp, factor))


def _interpolations(make: Make) -> Iterator[Sample]:
    for a, b in (((2, 3), (2, 3)), ((2, 1), (3,)), ((), ()), ((0, 2), (2,))):
        for weight in (0.25, 0.75):
            yield Sample(make(*a), make(*b), weight=weight)


@op(node="LerpBackward0", promote="same", elementwise=True, samples=_interpolations)
def lerp_number(xp: Any, input: Any, end: Any, /, *, weight: complex) -> Any:
    """``input + weight * (end - input)`` for a number ``weight``."""
    require_kind(xp, input, "fc", "lerp")
    way = xp.subtract(end, input)
    # From the nearer end, so that both ends are reached exactly.
    if abs(weight) < 0.5:
        return xp.add(input, xp.multiply(way, weight))
    return xp.subtract(end, xp.multiply(way, 1 - weight))


@lerp_number.vjp("input")
def lerp_number_vjp_input(xp: Any, g: Any, weight: complex) -> Any:
    return xp.multiply(g, (1 - weight).conjugate())


@lerp_number.vjp("end")
def lerp_number_vjp_end(xp: Any, g: Any, weight: complex) -> Any:
    return xp.multiply(g, weight.conjugate())


def _weighted_interpolations(make: Make) -> Iterator[Sample]:
    for a, b, w in (((2, 3), (2, 3), (2, 3)), ((2, 1), (3,), (2, 3)), ((), (), (2,)), ((0, 2), (2,), ())):
        yield Sample(make(*a), make(*b), make(*w, low=0.0, high=1.0))


@op(node="LerpBackward1", promote="same", elementwise=True, samples=_weighted_interpolations)
def lerp_tensor(xp: Any, input: Any, end: Any, weight: Any, /) -> Any:
    """``input + weight * (end - input)`` for a tensor ``weight``."""
    require_kind(xp, input, "fc", "lerp")
    way = xp.subtract(end, input)
    return xp.where(
        xp.less(xp.abs(weight), 0.5),
        xp.add(input, xp.multiply(way, weight)),
        xp.subtract(end, xp.multiply(way, xp.subtract(1.0, weight))),
    )


@lerp_tensor.vjp("input")
def lerp_tensor_vjp_input(xp: Any, g: Any, weight: Any) -> Any:
    return xp.multiply(g, conj(xp, xp.subtract(1.0, weight)))


@lerp_tensor.vjp("end")
def lerp_tensor_vjp_end(xp: Any, g: Any, weight: Any) -> Any:
    return xp.multiply(g, conj(xp, weight))


@lerp_tensor.vjp("weight")
def lerp_tensor_vjp_weight(xp: Any, g: Any, input: Any, end: Any) -> Any:
    return xp.multiply(g, conj(xp, xp.subtract(end, input)))


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """``input + weight * (end - input)``, element by element; ``weight`` is a number or a tensor.

    Raises:
        RuntimeError: the tensors do not have one dtype; a 0-d ``weight`` may have another.
    """
    number = number_or_none(weight)
    if number is not None:
        return lerp_number(input, end, weight=number)  # type: ignore[no-any-return]
    weight = as_tensor(weight, "lerp", "weight", 3)
    if weight.ndim == 0 and weight.is_floating_point():
        weight = weight.to(input.dtype)
    return lerp_tensor(input, end, weight)  # type: ignore[no-any-return]


def lerp_(self: Tensor, end: Tensor, weight: Any) -> Tensor:
    """In-place :func:`lerp`."""
    number = number_or_none(weight)
    if number is not None:
        return lerp_number.inplace(self, end, weight=number)
    if weight.ndim == 0 and weight.is_floating_point():
        weight = weight.to(self.dtype)
    return lerp_tensor.inplace(self, end, weight)


@op(node="NegBackward0", linear=True, standard="negative", elementwise=True, samples=reals)
def neg(xp: Any, input: Any, /) -> Any:
    """``-input``.

    Raises:
        RuntimeError: ``input`` holds truth values.
    """
    try:
        return xp.negative(input)
    except TypeError as e:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. To invert a mask, use the `~` operator or "
            "logical_not()"
        ) from e


@neg.vjp("input")
def neg_vjp_input(xp: Any, g: Any) -> Any:
    return xp.negative(g)


@standard("positive")
def positive(input: Tensor) -> Tensor:
    """``+input``: the very tensor.

    Raises:
        RuntimeError: ``input`` holds truth values.
    """
    if input.dtype == dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported. Cast it to an integer dtype first")
    return input


# Powers


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


# Other names

multiply, subtract, negative = mul, sub, neg


# Operators whose operation depends on the operands


def rsub_operator(self: Tensor, other: Any) -> Any:
    """``other - self``."""
    return NotImplemented if foreign_left(other) else rsub(self, other)


def pow_operator(self: Tensor, other: Any) -> Any:
    """``self ** other``."""
    return pow(self, other) if is_operand(other) else NotImplemented


def rpow_operator(self: Tensor, other: Any) -> Any:
    """``other ** self``."""
    return NotImplemented if foreign_left(other) else pow(other, self)


def radd_operator(self: Tensor, other: Any) -> Any:
    """``other + self``."""
    if other.__class__ is float or other.__class__ is int:
        return add(self, other)
    return NotImplemented if foreign_left(other) else add(as_tensor(self, "__radd__", "self"), other)


def rmul_operator(self: Tensor, other: Any) -> Any:
    """``other * self``."""
    if other.__class__ is float or other.__class__ is int:
        return mul(self, other)
    return NotImplemented if foreign_left(other) else mul(as_tensor(self, "__rmul__", "self"), other)


# Helpers


def foreign_left(other: Any) -> bool:
    """Whether ``other``, to the left of a tensor, is no operand: anything but tensors, numbers and 0-d arrays.

    ``np.ones(2) * tensor`` raises, as in PyTorch: which library would compute depends on the order otherwise.
    """
    return not is_tensor(other) and (not is_operand(other) or bool(getattr(other, "ndim", 0)))


def _scaled(xp: Any, other: Any, alpha: complex) -> Any:
    """``alpha * other`` in the dtype of ``other``."""
    if not hasattr(other, "dtype"):
        return other * alpha
    kind = kind_of(xp, other)
    if kind != "c" and isinstance(alpha, complex):
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")
    if kind not in "fc" and isinstance(alpha, float):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if kind == "b":
        return other if alpha else xp.logical_and(other, False)
    try:
        return xp.multiply(other, alpha)
    except OverflowError as e:
        raise RuntimeError(
            f"alpha={alpha} cannot be converted to {dtypes.dtype_name(xp.np_dtype(other.dtype))} without overflow"
        ) from e


def _subtract_from(xp: Any, minuend: Any, x: Any, alpha: complex) -> Any:
    if alpha != 1:
        x = _scaled(xp, x, alpha)
    try:
        return xp.subtract(minuend, x)
    except TypeError as e:
        raise _no_difference() from e


def _no_difference() -> RuntimeError:
    return RuntimeError(
        "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` operator or logical_xor()"
    )


def _power(xp: Any, x: Any, exponent: complex) -> Any:
    """``x ** exponent``, by what is faster than the general power; ``x`` itself for 1."""
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
