"""Arithmetic: what the operators ``+ - *`` do, element by element, and their combinations.

``division.py`` has those of ``/ // %``, ``powers.py`` that of ``**``, ``elementwise.py`` the elementary functions,
``comparison.py`` what gives truth values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import conj, is_operand, is_tensor, op, standard
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
    "rsub",
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


# Other names

multiply, subtract, negative = mul, sub, neg


# Operators whose operation depends on the operands


def rsub_operator(self: Tensor, other: Any) -> Any:
    """``other - self``."""
    return NotImplemented if foreign_left(other) else rsub(self, other)


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
