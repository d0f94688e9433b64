"""What losses share: the meaning of ``reduction``."""

from __future__ import annotations

import math
import warnings
from typing import Any

from gradcore.ops._batching import aligned, element_dims
from gradcore.ops._reducing import averaged
from gradcore.ops.reduction import mean, mean_dim, sum, sum_dim

__all__ = [
    "REDUCTIONS",
    "aligned_operands",
    "check_reduction",
    "finish",
    "finish_each",
    "per_element",
    "reduced",
    "reduction_of",
]

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


def finish_each(loss: Any, reduction: str) -> Any:
    """:func:`finish` of each element of a batch."""
    if reduction == "mean":
        return mean_dim(loss, element_dims(loss))
    return sum_dim(loss, element_dims(loss)) if reduction == "sum" else loss


def aligned_operands(*operands: Any) -> tuple[Any, ...]:
    """Batches of operands that broadcast against each other; ``None`` stays."""
    ndim = max(x.ndim for x in operands if x is not None) - 1
    return tuple([None if x is None else aligned(x, ndim) for x in operands])


def per_element(g: Any, shape: Any, reduction: str) -> Any:
    """The gradient of the loss of each element, as it broadcasts against ``shape``."""
    return g / math.prod(shape) if reduction == "mean" else g
