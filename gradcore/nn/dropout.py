"""Layers that drop elements at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from gradcore.nn import functional as F  # noqa: N812 - torch's name for it
from gradcore.nn.module import Module
from gradcore.ops.dropout import check_probability
from gradcore.tensor import Tensor

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    _drop: ClassVar[Callable[..., Tensor]]

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(p)
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._drop(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training, makes elements zero with probability ``p``, and the others ``1 / (1 - p)`` times as large.

    Raises:
        ValueError: ``p`` is not between 0 and 1.
    """

    _drop = staticmethod(F.dropout)


class Dropout1d(_Dropout):
    """:class:`Dropout` of whole channels of an input (N, C, L) or (C, L)."""

    _drop = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """:class:`Dropout` of whole channels of an input (N, C, H, W)."""

    _drop = staticmethod(F.dropout2d)


class Dropout3d(_Dropout):
    """:class:`Dropout` of whole channels of an input (N, C, D, H, W) or (C, D, H, W)."""

    _drop = staticmethod(F.dropout3d)


class AlphaDropout(_Dropout):
    """Dropout that keeps mean and variance of standard normal elements, for networks of SELUs."""

    _drop = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """:class:`AlphaDropout` of whole channels."""

    _drop = staticmethod(F.feature_alpha_dropout)
