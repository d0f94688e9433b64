"""Modes of recording: the public face, as ``torch.autograd.grad_mode``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from gradcore.grad_mode import (
    _force_original_view_tracking,
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    is_multithreading_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from gradcore.graph import NO_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcore.tensor import Tensor

__all__ = [
    "_force_original_view_tracking",
    "_unsafe_preserve_version_counter",
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


@contextmanager
def _unsafe_preserve_version_counter(tensors: Tensor | tuple[Tensor, ...]) -> Iterator[None]:
    """Writes to these tensors inside the block go uncounted: backward takes what it finds, right or wrong.

    Raises:
        RuntimeError: a tensor that was made in inference mode, which has no count.
    """
    several = tensors if isinstance(tensors, tuple) else (tensors,)
    versions = [t._version for t in several]
    try:
        yield
    finally:
        for t, version in zip(several, versions, strict=True):
            if t._cell is not None and t._cell is not NO_VERSIONS:
                t._cell[0] = version
