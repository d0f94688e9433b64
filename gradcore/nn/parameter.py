"""Parameter: a tensor that a module learns."""

from __future__ import annotations

from typing import Any, Self

from gradcore import dtypes
from gradcore.op import is_tensor
from gradcore.ops.creation import empty
from gradcore.tensor import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A leaf tensor that becomes a parameter of a :class:`Module` when it is assigned to an attribute.

    Args:
        data: the values; memory is shared with it, its history is not.
        requires_grad: ``False`` for a parameter that is not learnt.

    Raises:
        TypeError: ``data`` is no tensor.
        RuntimeError: it requires grad, but the dtype is neither floating point nor complex.
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Self:
        if data is None:
            data = empty(0)
        elif not is_tensor(data):
            raise TypeError(
                f"Parameter data has to be a Tensor, but got {type(data).__name__}; make one with gradcore.tensor"
            )
        if requires_grad and dtypes.category(data.dtype) < 2:
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients, but the dtype is "
                f"{dtypes.dtype_name(data.dtype)}; give requires_grad=False, or convert it with .float()"
            )
        shared = data.detach()
        self = object.__new__(cls)
        self._data, self._device, self._cell = shared._data, shared._device, shared._cell
        self._req = bool(requires_grad)
        return self

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        """Everything is done in ``__new__``."""

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()
