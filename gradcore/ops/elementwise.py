"""Elementary functions, element by element.

``arithmetic.py`` has the operators, ``trigonometry.py`` the functions of angles, ``bounds.py`` the larger and the
smaller of two, ``special/`` the error function and its like, ``complex_numbers.py`` the parts of complex numbers,
``activation.py`` what neural networks use.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import conj, is_tensor, op, standard
from gradcore.ops._dims import as_integer
from gradcore.ops._extra import extra
from gradcore.ops._numeric import kind_of, require_kind
from gradcore.ops._operands import as_tensor
from gradcore.testing.samples import Make, Sample, pairs, reals, unary

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "abs",
    "absolute",
    "ceil",
    "copysign",
    "exp",
    "exp2",
    "expm1",
    "fix",
    "floor",
    "frac",
    "hypot",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "nan_to_num",
    "round",
    "rsqrt",
    "sign",
    "sqrt",
    "trunc",
]

LN2, LN10 = math.log(2.0), math.log(10.0)

# Magnitudes and signs


@op(node="AbsBackward0", standard="abs", elementwise=True, samples=unary(away_from=0.0))
def abs(xp: Any, input: Any, /) -> Any:
    """``|input|``; real for complex ``input``."""
    require_kind(xp, input, "iufc", "abs")
    return xp.abs(input)


@abs.vjp("input")
def abs_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    return xp.multiply(g, _sign(xp, input))


def abs_(self: Tensor) -> Tensor:
    """In-place :func:`abs`.

    Raises:
        RuntimeError: this tensor is complex, and so cannot hold the result.
    """
    if self.is_complex():
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    return abs.inplace(self)


@op(node="SignBackward0", elementwise=True, samples=unary(away_from=0.0))
def sign(xp: Any, input: Any, /) -> Any:
    """-1, 0 or 1, as ``input`` is below, at or above zero; 0 for NaN, as in PyTorch. The gradient is zero.

    Raises:
        NotImplementedError: ``input`` is complex; :func:`sgn` takes that.
    """
    kind = kind_of(xp, input)
    if kind == "c":
        raise NotImplementedError("sign of complex numbers is not defined: use sgn, which gives z / |z|")
    return xp.astype(input, dtypes.bool_, copy=True) if kind == "b" else _sign(xp, input)


@sign.vjp("input")
def sign_vjp_input(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


def _numbers_with_signs(make: Make) -> Iterator[Sample]:
    for value in (1.0, -2.0):
        yield Sample(make(2, 3, away_from=0.0), value)
    yield Sample(make(), -1.0)


@op(node="CopysignBackward0", promote="float", standard="copysign", elementwise=True, samples=pairs)
def copysign_tensor(xp: Any, input: Any, other: Any, /) -> Any:
    """The magnitude of ``input`` with the sign of ``other``, a tensor."""
    return _copysign(xp, input, other)


@copysign_tensor.vjp("input")
def copysign_tensor_vjp_input(xp: Any, g: Any, input: Any, out: Any) -> Any:
    return xp.multiply(g, _ratio_or_zero(xp, out, input))


@copysign_tensor.vjp("other")
def copysign_tensor_vjp_other(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


@op(node="CopysignBackward1", promote="float", elementwise=True, samples=_numbers_with_signs)
def copysign_number(xp: Any, input: Any, other: Any, /) -> Any:
    """The magnitude of ``input`` with the sign of ``other``, a number."""
    return _copysign(xp, input, other)


@copysign_number.vjp("input")
def copysign_number_vjp_input(xp: Any, g: Any, input: Any, out: Any) -> Any:
    return xp.multiply(g, _ratio_or_zero(xp, out, input))


def copysign(input: Tensor, other: Any) -> Tensor:
    """The magnitude of ``input`` with the sign of ``other``, element by element."""
    input = as_tensor(input, "copysign")
    return (copysign_tensor if is_tensor(other) else copysign_number)(input, other)  # type: ignore[no-any-return]


def copysign_(self: Tensor, other: Any) -> Tensor:
    """In-place :func:`copysign`."""
    return (copysign_tensor if is_tensor(other) else copysign_number).inplace(self, other)


# Roots, exponentials, logarithms


@op(node="SqrtBackward0", promote="float", standard="sqrt", elementwise=True, samples=unary(low=0.1, high=3.0))
def sqrt(xp: Any, input: Any, /) -> Any:
    """The square root."""
    return xp.sqrt(input)


@sqrt.vjp("input")
def sqrt_vjp_input(xp: Any, g: Any, out: Any) -> Any:
    return xp.divide(g, conj(xp, xp.multiply(out, 2.0)))


@op(
    node="RsqrtBackward0",
    promote="float",
    d=lambda xp, out: xp.multiply(xp.multiply(xp.square(out), out), -0.5),
    standard="rsqrt",
    samples=unary(low=0.1, high=3.0),
)
def rsqrt(xp: Any, input: Any, /) -> Any:
    """``1 / sqrt(input)``."""
    return extra(xp, "rsqrt", input)


@op(
    node="HypotBackward0",
    promote="arithmetic",
    numbers=False,
    d={
        "input": lambda xp, input, out: xp.divide(input, out),
        "other": lambda xp, other, out: xp.divide(other, out),
    },
    standard="hypot",
    samples=pairs,
)
def hypot(xp: Any, input: Any, other: Any, /) -> Any:
    """``sqrt(input**2 + other**2)``, without overflow on the way."""
    require_kind(xp, input if hasattr(input, "dtype") else other, "f", "hypot")
    return xp.hypot(input, other)


@op(node="ExpBackward0", promote="float", d=lambda out: out, standard="exp", samples=reals)
def exp(xp: Any, input: Any, /) -> Any:
    """``e ** input``."""
    return xp.exp(input)


@op(node="Exp2Backward0", promote="float", d=lambda xp, out: xp.multiply(out, LN2), standard="exp2", samples=reals)
def exp2(xp: Any, input: Any, /) -> Any:
    """``2 ** input``."""
    return extra(xp, "exp2", input)


@op(node="Expm1Backward0", promote="float", d=lambda xp, out: xp.add(out, 1.0), standard="expm1", samples=reals)
def expm1(xp: Any, input: Any, /) -> Any:
    """``e ** input - 1``, exact for small ``input``."""
    return xp.expm1(input)


@op(node="LogBackward0", promote="float", standard="log", elementwise=True, samples=unary(low=0.1, high=3.0))
def log(xp: Any, input: Any, /) -> Any:
    """The natural logarithm."""
    return xp.log(input)


@log.vjp("input")
def log_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    return xp.divide(g, conj(xp, input))


@op(node="Log2Backward0", promote="float", standard="log2", elementwise=True, samples=unary(low=0.1, high=3.0))
def log2(xp: Any, input: Any, /) -> Any:
    """The logarithm to base 2."""
    return xp.log2(input)


@log2.vjp("input")
def log2_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    return xp.divide(g, conj(xp, xp.multiply(input, LN2)))


@op(node="Log10Backward0", promote="float", standard="log10", elementwise=True, samples=unary(low=0.1, high=3.0))
def log10(xp: Any, input: Any, /) -> Any:
    """The logarithm to base 10."""
    return xp.log10(input)


@log10.vjp("input")
def log10_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    return xp.divide(g, conj(xp, xp.multiply(input, LN10)))


@op(node="Log1PBackward0", promote="float", standard="log1p", elementwise=True, samples=unary(low=-0.9, high=3.0))
def log1p(xp: Any, input: Any, /) -> Any:
    """``log(1 + input)``, exact for small ``input``."""
    return xp.log1p(input)


@log1p.vjp("input")
def log1p_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    return xp.divide(g, conj(xp, xp.add(input, 1.0)))


def _share(xp: Any, input: Any, other: Any) -> Any:
    """``exp(input) / (exp(input) + exp(other))``."""
    return extra(xp, "sigmoid", xp.subtract(input, other))


@op(
    node="LogaddexpBackward0",
    promote="arithmetic",
    numbers=False,
    d={
        "input": _share,
        "other": lambda xp, input, other: _share(xp, other, input),
    },
    standard="logaddexp",
    samples=pairs,
)
def logaddexp(xp: Any, input: Any, other: Any, /) -> Any:
    """``log(exp(input) + exp(other))``, without overflow on the way."""
    if require_kind(xp, input if hasattr(input, "dtype") else other, "fc", "logaddexp") == "c":
        smaller = xp.less(xp.real(input), xp.real(other))
        most, least = xp.where(smaller, other, input), xp.where(smaller, input, other)
        return xp.add(most, xp.log1p(xp.exp(xp.subtract(least, most))))
    return xp.logaddexp(input, other)


@op(
    node="Logaddexp2Backward0",
    promote="arithmetic",
    numbers=False,
    d={
        "input": lambda xp, input, other: extra(xp, "sigmoid", xp.multiply(xp.subtract(input, other), LN2)),
        "other": lambda xp, input, other: extra(xp, "sigmoid", xp.multiply(xp.subtract(other, input), LN2)),
    },
    samples=pairs,
)
def logaddexp2(xp: Any, input: Any, other: Any, /) -> Any:
    """``log2(2**input + 2**other)``, without overflow on the way."""
    require_kind(xp, input if hasattr(input, "dtype") else other, "f", "logaddexp2")
    return extra(xp, "logaddexp2", input, other)


# Rounding


def _between_integers(make: Make) -> Iterator[Sample]:
    yield Sample(make.of([[0.2, -1.3, 2.7], [-0.6, 3.4, 1.8]], requires_grad=True))
    yield Sample(make.of(-1.7, requires_grad=True))
    yield Sample(make(0, 2))


def _between_decimals(make: Make) -> Iterator[Sample]:
    for decimals in (1, -1):
        for s in _between_integers(make):
            yield Sample(*s.operands, decimals=decimals)


@op(node="FloorBackward0", standard="floor", elementwise=True, samples=_between_integers)
def floor(xp: Any, input: Any, /) -> Any:
    """The largest integer not above ``input``. The gradient is zero."""
    return _whole(xp, xp.floor, input, "floor")


@floor.vjp("input")
def floor_vjp_input(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


@op(node="CeilBackward0", standard="ceil", elementwise=True, samples=_between_integers)
def ceil(xp: Any, input: Any, /) -> Any:
    """The smallest integer not below ``input``. The gradient is zero."""
    return _whole(xp, xp.ceil, input, "ceil")


@ceil.vjp("input")
def ceil_vjp_input(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


@op(node="TruncBackward0", standard="trunc", elementwise=True, samples=_between_integers)
def trunc(xp: Any, input: Any, /) -> Any:
    """``input`` without its fraction. The gradient is zero."""
    return _whole(xp, xp.trunc, input, "trunc")


@trunc.vjp("input")
def trunc_vjp_input(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


@op(node="RoundBackward0", elementwise=True, samples=_between_integers)
def round_to_integer(xp: Any, input: Any, /) -> Any:
    """The nearest integer, the even one of two that are equally near. The gradient is zero."""
    return _whole(xp, xp.round, input, "round")


@round_to_integer.vjp("input")
def round_to_integer_vjp_input(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


@op(node="RoundBackward1", elementwise=True, samples=_between_decimals)
def round_to_decimals(xp: Any, input: Any, /, *, decimals: int) -> Any:
    """The nearest number with so many digits after the point. The gradient is zero."""
    require_kind(xp, input, "f", "round")
    scale = 10.0 ** builtins.abs(decimals)
    if decimals > 0:
        return xp.divide(xp.round(xp.multiply(input, scale)), scale)
    return xp.multiply(xp.round(xp.divide(input, scale)), scale)


@round_to_decimals.vjp("input")
def round_to_decimals_vjp_input(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


@standard("round")
def round(input: Tensor, *, decimals: int | None = None) -> Tensor:
    """``input`` rounded to so many digits after the point, half to even; its gradient is zero."""
    if decimals is None:
        return round_to_integer(input)  # type: ignore[no-any-return]
    return round_to_decimals(input, decimals=as_integer(decimals, "decimals"))  # type: ignore[no-any-return]


def round_(self: Tensor, *, decimals: int | None = None) -> Tensor:
    """In-place :func:`round`."""
    if decimals is None:
        return round_to_integer.inplace(self)
    return round_to_decimals.inplace(self, decimals=as_integer(decimals, "decimals"))


@op(node="FracBackward0", elementwise=True, samples=_between_integers)
def frac(xp: Any, input: Any, /) -> Any:
    """The fraction of ``input``, with its sign: ``input - trunc(input)``."""
    require_kind(xp, input, "f", "frac")
    return xp.subtract(input, xp.trunc(input))


@frac.vjp("input")
def frac_vjp_input(xp: Any, g: Any) -> Any:
    return g


def _not_all_finite(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3))
    yield Sample(make(), nan=1.0, posinf=2.0, neginf=-2.0)
    yield Sample(make(0, 2))


@op(node="NanToNumBackward0", elementwise=True, samples=_not_all_finite)
def nan_to_num(
    xp: Any, input: Any, /, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """``input`` with NaN replaced by ``nan`` (0), infinities by ``posinf``, ``neginf`` (the largest finite numbers)."""
    kind = kind_of(xp, input)
    if kind == "c":
        parts = [_finite(xp, part, nan, posinf, neginf) for part in (xp.real(input), xp.imag(input))]
        return xp.add(parts[0], xp.multiply(parts[1], 1j))
    return _finite(xp, input, nan, posinf, neginf) if kind == "f" else xp.copy_like(input, input)


@nan_to_num.vjp("input")
def nan_to_num_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    return xp.where(xp.isfinite(input), g, 0.0)


# Other names

absolute, fix = abs, trunc


# Helpers


def _sign(xp: Any, x: Any) -> Any:
    # PyTorch's sign of NaN is 0.
    return xp.where(xp.isnan(x), 0.0, xp.sign(x)) if kind_of(xp, x) == "f" else xp.sign(x)


def _copysign(xp: Any, x: Any, y: Any) -> Any:
    require_kind(xp, x if hasattr(x, "dtype") else y, "f", "copysign")
    return xp.copysign(x, y)


def _ratio_or_zero(xp: Any, x: Any, y: Any) -> Any:
    return xp.where(xp.equal(y, 0.0), 0.0, xp.divide(x, y))


def _whole(xp: Any, function: Any, x: Any, name: str) -> Any:
    kind = require_kind(xp, x, "iuf", name)
    return function(x) if kind == "f" else xp.copy_like(x, x)


def _finite(xp: Any, x: Any, nan: float | None, posinf: float | None, neginf: float | None) -> Any:
    largest = float(xp.finfo(x.dtype).max)
    x = xp.where(xp.isnan(x), 0.0 if nan is None else nan, x)
    x = xp.where(xp.equal(x, math.inf), largest if posinf is None else posinf, x)
    return xp.where(xp.equal(x, -math.inf), -largest if neginf is None else neginf, x)
