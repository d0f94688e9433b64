"""Activation functions as layers; see :mod:`gradcore.nn.functional`."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from gradcore.nn import functional as F  # noqa: N812 - torch's name for it
from gradcore.nn.module import Module
from gradcore.tensor import Tensor

__all__ = ["GELU", "LogSoftmax", "RReLU", "ReLU", "Sigmoid", "Softmax", "Softmin", "Tanh"]


class ReLU(Module):
    """``max(x, 0)``."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, inplace=self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class RReLU(Module):
    """``x`` where that is positive, else times a slope between two bounds, drawn at random in training."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}{', inplace=True' if self.inplace else ''}"


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``."""

    def forward(self, input: Tensor) -> Tensor:
        return input.sigmoid()  # type: ignore[no-any-return]


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        return input.tanh()  # type: ignore[no-any-return]


class GELU(Module):
    """``x`` times the normal distribution's share below ``x``; ``approximate="tanh"`` is cheaper."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class _AlongDim(Module):
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """``exp(x)`` over its sum along ``dim``."""

    _function = staticmethod(F.softmax)


class Softmin(_AlongDim):
    """:class:`Softmax` of the negative."""

    _function = staticmethod(F.softmin)


class LogSoftmax(_AlongDim):
    """The logarithm of :class:`Softmax`."""

    _function = staticmethod(F.log_softmax)
