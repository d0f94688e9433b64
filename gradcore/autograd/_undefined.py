"""Gradients that are undefined, for checks of what is made of them."""

from __future__ import annotations

from typing import Any

from gradcore.autograd.function import Function

__all__ = ["Undefined"]


class Undefined(Function):
    """Passes its operands on, and no gradient back."""

    @staticmethod
    def forward(ctx: Any, *xs: Any) -> Any:
        return tuple(x.clone() for x in xs)

    @staticmethod
    def backward(ctx: Any, *gs: Any) -> Any:
        return (None,) * len(gs)
