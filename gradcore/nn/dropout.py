"""Layers that drop elements at random."""

from __future__ import annotations

from gradcore.nn import functional as F  # noqa: N812 - torch's name for it
from gradcore.nn.module import Module
from gradcore.ops.dropout import check_probability
from gradcore.tensor import Tensor

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, makes elements zero with probability ``p``, and the others ``1 / (1 - p)`` times as large.

    Raises:
        ValueError: ``p`` is not between 0 and 1.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(p)
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
