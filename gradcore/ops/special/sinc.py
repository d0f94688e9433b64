"""The sine over its angle."""

from __future__ import annotations

import math
from typing import Any

from gradcore.op import op
from gradcore.ops.special._precision import widened
from gradcore.testing.samples import unary

__all__ = ["sinc"]


@op(node="SincBackward0", promote="float", elementwise=True, samples=unary(away_from=0.0))
def sinc(xp: Any, input: Any, /) -> Any:
    """``sin(pi * input) / (pi * input)``, and 1 at 0."""

    def function(x: Any) -> Any:
        angle = xp.multiply(x, math.pi)
        return xp.where(xp.equal(x, 0.0), 1.0, xp.divide(xp.sin(angle), angle))

    return widened(xp, function, input)


@sinc.vjp("input")
def sinc_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    angle = xp.multiply(input, math.pi)
    slope = xp.divide(xp.subtract(xp.multiply(angle, xp.cos(angle)), xp.sin(angle)), xp.multiply(angle, input))
    return xp.where(xp.equal(input, 0.0), 0.0, xp.multiply(g, xp.conj(slope)))
