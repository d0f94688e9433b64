"""What losses share: the meaning of ``reduction``."""

from __future__ import annotations

import math
import warnings
from typing import Any

from gradcore.ops._reducing import averaged
from gradcore.ops.reduction import mean, sum

__all__ = ["REDUCTIONS", "check_reduction", "finish", "per_element", "reduced", "reduction_of"]

REDUCTIONS = ("mean", "sum", "none")
"""What may become of the losses of all elements."""


def reduction_of(reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """The reduction meant, also by PyTorch's older two parameters.

    Raises:
        ValueError: there is none of that name.
    """
    if size_average is not None or reduce is not None:
        kept = reduce is False
        reduction = "none" if kept else "sum" if size_average is False else "mean"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            UserWarning,
            stacklevel=3,
        )
    check_reduction(reduction)
    return reduction


def check_reduction(reduction: str) -> None:
    """Raise if there is no reduction of that name.

    Raises:
        ValueError: there is none.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction: it is one of {', '.join(REDUCTIONS)}")


def reduced(xp: Any, loss: Any, reduction: str) -> Any:
    """The losses of all elements, reduced."""
    if reduction == "mean":
        return averaged(xp, loss)
    return xp.sum(loss) if reduction == "sum" else loss


def finish(loss: Any, reduction: str) -> Any:
    """:func:`_reduced` for tensors."""
    if reduction == "mean":
        return mean(loss)
    return sum(loss) if reduction == "sum" else loss


def per_element(g: Any, shape: Any, reduction: str) -> Any:
    """The gradient of the loss of each element, as it broadcasts against ``shape``."""
    return g / math.prod(shape) if reduction == "mean" else g
