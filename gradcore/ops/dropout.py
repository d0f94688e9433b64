"""Dropping elements at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.grad_mode import current_mode
from gradcore.op import wrap
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.random import rand

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["dropout"]


def dropout(input: Tensor, p: float = 0.5, train: bool = True) -> Tensor:
    """``input`` with elements made zero with probability ``p`` and the others ``1 / (1 - p)`` times as large.

    Args:
        input: the tensor.
        p: how likely an element is dropped.
        train: ``False`` to return ``input`` itself.

    Raises:
        ValueError: ``p`` is not between 0 and 1.
    """
    input = as_tensor(input, "dropout")
    check_probability(p)
    return input * _factors(input, p) if train else input


def dropout_(input: Tensor, p: float = 0.5, train: bool = True) -> Tensor:
    """The in-place twin of :func:`dropout`."""
    check_probability(p)
    return input.mul_(_factors(input, p)) if train else input


def check_probability(p: float) -> None:
    """Raise if ``p`` is no probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _factors(input: Tensor, p: float) -> Tensor:
    """What each element is multiplied by: 0 or ``1 / (1 - p)``."""
    if dtypes.category(input.dtype) < 2:
        refuse_dtype("dropout", input.dtype)
    scale = 1 if p in (0, 1) else 1 / (1 - p)
    draws = rand(input.shape, dtype=dtypes.float32, device=input.device)
    if current_mode().level is not None:
        return (draws >= p).to(input.dtype) * scale  # type: ignore[no-any-return]
    where = input._device
    xp: Any = where.xp
    kept = xp.astype(draws._data >= p, input.dtype)
    return wrap(kept if scale == 1 else kept * scale, where)
