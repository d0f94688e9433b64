"""Arithmetic of bfloat16: whole operations are computed in float32, and their results rounded, as PyTorch does on a cpu.

No array library computes with it as with its other dtypes: NumPy, with the dtype of ml_dtypes, would round after each
step, sum in 8 bits, and give float64 beside a Python number. So operations widen their operands, and rules what was saved
and the gradient; the engine rounds what a rule gives, as it casts any gradient to the dtype of its input. What is saved
stays narrow.

Until a program uses bfloat16 nothing of this costs anything: functions of operations are compiled anew, without their fast
case, when its dtype is first met.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradcore import dtypes

__all__ = ["has_narrow", "rounded", "widened", "widening"]


def has_narrow(raws: Sequence[Any]) -> bool:
    """Whether some of the operands of a call are arrays of bfloat16."""
    narrow = dtypes.narrow()
    # By class, of which each dtype of NumPy has its own: another library's dtype may not be compared with one of NumPy.
    return narrow is not None and any(getattr(x, "dtype", None).__class__ is narrow.__class__ for x in raws)


def widened(xp: Any, x: Any) -> Any:
    """An array of bfloat16 in float32; of several values, each; anything else as it is."""
    if x.__class__ is list:
        return [widened(xp, y) for y in x]
    if x.__class__ is xp.array_class and x.dtype.__class__ is dtypes.narrow().__class__:
        return xp.astype(x, dtypes.float32)
    return x


def rounded(xp: Any, raw: Any, params: Mapping[str, Any]) -> Any:
    """The result of an operation on widened operands; as it is where the caller asked for a dtype."""
    if params.get("dtype") is not None or raw.dtype != dtypes.float32:
        return raw
    return xp.astype(raw, dtypes.narrow())


def widening(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A rule that widens the arrays it is given. On tensors nothing is done: there each operation does that itself."""

    def wide(xp: Any, *arguments: Any) -> Any:
        if not hasattr(xp, "array_class"):
            return rule(xp, *arguments)
        return rule(xp, *[widened(xp, x) for x in arguments])

    return wide
