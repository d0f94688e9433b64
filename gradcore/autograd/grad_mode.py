"""Modes of recording: the public face, as ``torch.autograd.grad_mode``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcore.grad_mode import (
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    is_multithreading_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "enable_grad",
    "enforce_grad_layout_policy",
    "inference_mode",
    "is_inference",
    "is_multithreading_enabled",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


def is_inference(input: Tensor) -> bool:
    """Whether a tensor was made in inference mode, or is a view of one that was."""
    return input.is_inference()
