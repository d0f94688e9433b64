"""The inverse of the sigmoid function."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gradcore.op import op
from gradcore.ops._numeric import require_kind
from gradcore.ops.special._precision import widened
from gradcore.testing.samples import Make, Sample

__all__ = ["logit"]


def _shares(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape, low=0.05, high=0.95))
    yield Sample(make(4, low=0.05, high=0.95), eps=0.3)


@op(node="LogitBackward0", promote="float", elementwise=True, samples=_shares)
def logit(xp: Any, input: Any, /, eps: float | None = None) -> Any:
    """``log(input / (1 - input))``, with ``input`` brought into [``eps``, 1 - ``eps``] first, if ``eps`` is given."""
    require_kind(xp, input, "f", "logit")

    def function(x: Any) -> Any:
        if eps is not None and eps >= 0:
            x = xp.where(xp.less(x, eps), eps, xp.where(xp.greater(x, 1.0 - eps), 1.0 - eps, x))
        return xp.log(xp.divide(x, xp.subtract(1.0, x)))

    return widened(xp, function, input)


@logit.vjp("input")
def logit_vjp_input(xp: Any, g: Any, input: Any, eps: float | None) -> Any:
    least, outside = (0.0, math.nan) if eps is None or eps < 0 else (eps, 0.0)
    inside = xp.logical_and(xp.greater_equal(input, least), xp.less_equal(input, 1.0 - least))
    slope = xp.divide(g, xp.multiply(input, xp.subtract(1.0, input)))
    return xp.where(inside, slope, outside)
