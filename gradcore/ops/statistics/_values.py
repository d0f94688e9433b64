"""Whether values can be looked at, for checks of what a user gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["are_known"]


def are_known(x: Tensor) -> bool:
    """Whether its values can be looked at: not those of a batch, nor those on a GPU, for which one would have to wait."""
    return x._device.level is None and x._device.type != "cuda"
