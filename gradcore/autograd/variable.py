"""``Variable``: the name that tensors with a gradient once had in PyTorch. Old programs use it, and its engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradcore import dtypes
from gradcore.engine import current_walk
from gradcore.op import is_tensor

__all__ = ["Variable"]


class _Engine:
    """What programs call on ``Variable._execution_engine``."""

    def queue_callback(self, callback: Callable[[], Any], /) -> None:
        """Call ``callback()`` once at the end of the backward that runs now, after all gradients are accumulated.

        In a backward within a backward that is the inner one. If the backward fails, nothing is called.

        Raises:
            RuntimeError: no backward runs in this thread.
            TypeError: what cannot be called.
        """
        this = current_walk()
        if this is None:
            raise RuntimeError(
                "Final callbacks can only be installed during backward pass: queue them from a hook, or from the backward "
                "of a Function"
            )
        if not callable(callback):
            raise TypeError(f"queue_callback takes a function without arguments, but got {type(callback).__name__}")
        if this.callbacks is None:
            this.callbacks = []
        this.callbacks.append(callback)


class _VariableMeta(type):
    _execution_engine = _Engine()

    def __instancecheck__(cls, other: object) -> bool:
        return is_tensor(other)

    def __call__(cls, data: Any = None, requires_grad: bool = False) -> Any:
        if data is None:
            from gradcore.ops.creation import empty

            data = empty(0)
        if not is_tensor(data):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        if requires_grad and dtypes.category(data.dtype) < 2:
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients, but this one has dtype "
                f"{dtypes.dtype_name(data.dtype)}"
            )
        return data.data.requires_grad_(requires_grad)


class Variable(metaclass=_VariableMeta):
    """``Variable(tensor)`` is a tensor of the same data outside the graph; every tensor is an instance.

    Deprecated, as in PyTorch: a tensor is all that is needed.
    """
