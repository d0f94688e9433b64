"""What is done to gradients between two steps of an optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["clear_grad"]


def clear_grad(tensor: Tensor, set_to_none: bool) -> None:
    """Forget the gradient of a tensor, or fill it with zeros."""
    grad = tensor._grad
    if set_to_none:
        tensor._grad = None
    elif grad is not None:
        # A gradient that was itself recorded (create_graph) leaves its graph.
        grad.detach_()
        grad.zero_()
