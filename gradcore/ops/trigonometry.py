"""Functions of angles and hyperbolic functions, with their inverses, element by element."""

from __future__ import annotations

import math
from typing import Any

from gradcore.op import op
from gradcore.ops._extra import extra
from gradcore.ops._numeric import kind_of, require_kind
from gradcore.testing.samples import pairs, reals, unary

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "deg2rad",
    "rad2deg",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


@op(node="SinBackward0", promote="float", d=lambda xp, input: xp.cos(input), standard="sin", samples=reals)
def sin(xp: Any, input: Any, /) -> Any:
    """The sine."""
    return xp.sin(input)


@op(node="CosBackward0", promote="float", d=lambda xp, input: xp.negative(xp.sin(input)), standard="cos", samples=reals)
def cos(xp: Any, input: Any, /) -> Any:
    """The cosine."""
    return xp.cos(input)


@op(
    node="TanBackward0",
    promote="float",
    d=lambda xp, out: xp.add(xp.square(out), 1.0),
    standard="tan",
    samples=unary(low=-1.2, high=1.2),
)
def tan(xp: Any, input: Any, /) -> Any:
    """The tangent."""
    return xp.tan(input)


@op(
    node="AsinBackward0",
    promote="float",
    d=lambda xp, input: extra(xp, "rsqrt", xp.subtract(1.0, xp.square(input))),
    standard="asin",
    samples=unary(low=-0.9, high=0.9),
)
def asin(xp: Any, input: Any, /) -> Any:
    """The inverse sine, in [-pi/2, pi/2]."""
    return xp.asin(input)


@op(
    node="AcosBackward0",
    promote="float",
    d=lambda xp, input: xp.negative(extra(xp, "rsqrt", xp.subtract(1.0, xp.square(input)))),
    standard="acos",
    samples=unary(low=-0.9, high=0.9),
)
def acos(xp: Any, input: Any, /) -> Any:
    """The inverse cosine, in [0, pi]."""
    return xp.acos(input)


@op(
    node="AtanBackward0",
    promote="float",
    d=lambda xp, input: xp.reciprocal(xp.add(xp.square(input), 1.0)),
    standard="atan",
    samples=reals,
)
def atan(xp: Any, input: Any, /) -> Any:
    """The inverse tangent, in [-pi/2, pi/2]."""
    return xp.atan(input)


@op(node="Atan2Backward0", promote="float", numbers=False, standard="atan2", elementwise=True, samples=pairs)
def atan2(xp: Any, input: Any, other: Any, /) -> Any:
    """The angle of the point with ordinate ``input`` and abscissa ``other``, in [-pi, pi]."""
    require_kind(xp, input if hasattr(input, "dtype") else other, "f", "atan2")
    return xp.atan2(input, other)


@atan2.vjp("input")
def atan2_vjp_input(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.multiply(xp.multiply(g, other), _inverse_square_distance(xp, input, other))


@atan2.vjp("other")
def atan2_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.multiply(xp.multiply(g, xp.negative(input)), _inverse_square_distance(xp, input, other))


@op(node="SinhBackward0", promote="float", d=lambda xp, input: xp.cosh(input), standard="sinh", samples=reals)
def sinh(xp: Any, input: Any, /) -> Any:
    """The hyperbolic sine."""
    return xp.sinh(input)


@op(node="CoshBackward0", promote="float", d=lambda xp, input: xp.sinh(input), standard="cosh", samples=reals)
def cosh(xp: Any, input: Any, /) -> Any:
    """The hyperbolic cosine."""
    return xp.cosh(input)


@op(
    node="TanhBackward0",
    promote="float",
    d=lambda xp, out: xp.subtract(1.0, xp.square(out)),
    standard="tanh",
    samples=reals,
)
def tanh(xp: Any, input: Any, /) -> Any:
    """The hyperbolic tangent."""
    return xp.tanh(input)


@op(
    node="AsinhBackward0",
    promote="float",
    d=lambda xp, input: extra(xp, "rsqrt", xp.add(xp.square(input), 1.0)),
    standard="asinh",
    samples=reals,
)
def asinh(xp: Any, input: Any, /) -> Any:
    """The inverse hyperbolic sine."""
    return xp.asinh(input)


def _acosh_slope(xp: Any, input: Any) -> Any:
    if kind_of(xp, input) == "c":
        # The square root of the product is another branch.
        return xp.multiply(extra(xp, "rsqrt", xp.subtract(input, 1.0)), extra(xp, "rsqrt", xp.add(input, 1.0)))
    return extra(xp, "rsqrt", xp.subtract(xp.square(input), 1.0))


@op(
    node="AcoshBackward0",
    promote="float",
    d=_acosh_slope,
    standard="acosh",
    samples=unary(low=1.2, high=3.0),
)
def acosh(xp: Any, input: Any, /) -> Any:
    """The inverse hyperbolic cosine."""
    return xp.acosh(input)


@op(
    node="AtanhBackward0",
    promote="float",
    d=lambda xp, input: xp.reciprocal(xp.subtract(1.0, xp.square(input))),
    standard="atanh",
    samples=unary(low=-0.9, high=0.9),
)
def atanh(xp: Any, input: Any, /) -> Any:
    """The inverse hyperbolic tangent."""
    return xp.atanh(input)


@op(node="Deg2RadBackward0", promote="float", linear=True, elementwise=True, samples=reals)
def deg2rad(xp: Any, input: Any, /) -> Any:
    """Degrees as radians: ``input * pi / 180``."""
    require_kind(xp, input, "f", "deg2rad")
    return xp.multiply(input, math.pi / 180.0)


@deg2rad.vjp("input")
def deg2rad_vjp_input(xp: Any, g: Any) -> Any:
    return xp.multiply(g, math.pi / 180.0)


@op(node="Rad2DegBackward0", promote="float", linear=True, elementwise=True, samples=reals)
def rad2deg(xp: Any, input: Any, /) -> Any:
    """Radians as degrees: ``input * 180 / pi``."""
    require_kind(xp, input, "f", "rad2deg")
    return xp.multiply(input, 180.0 / math.pi)


@rad2deg.vjp("input")
def rad2deg_vjp_input(xp: Any, g: Any) -> Any:
    return xp.multiply(g, 180.0 / math.pi)


arccos, arcsin, arctan, arctan2 = acos, asin, atan, atan2
arccosh, arcsinh, arctanh = acosh, asinh, atanh


def _inverse_square_distance(xp: Any, x: Any, y: Any) -> Any:
    squared = xp.add(xp.square(x), xp.square(y))
    return xp.where(xp.equal(squared, 0.0), 0.0, xp.reciprocal(squared))
