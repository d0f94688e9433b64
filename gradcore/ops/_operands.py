"""Operands of public functions that choose an operation: what they may be, and the errors if they are not."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.device import device_of
from gradcore.grad_mode import is_grad_enabled
from gradcore.op import is_tensor, wrap
from gradcore.ops._numeric import refuse_dtype

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["as_tensor", "refuse_gradients", "refuse_numbers", "require_real", "summed_dtype"]


def as_tensor(x: Any, function: str, argument: str = "input", position: int = 1) -> Tensor:
    """``x``, if it is a tensor; a tensor without history of a raw array.

    Raises:
        TypeError: it is neither.
    """
    if is_tensor(x):
        return x  # type: ignore[no-any-return]
    where = device_of(x)
    if where is None:
        raise TypeError(
            f"{function}(): argument '{argument}' (position {position}) must be Tensor, not {type(x).__name__}"
        )
    return wrap(x, where)


def refuse_gradients(function: str, **operands: Any) -> None:
    """Raise if one of the operands requires grad: for those by which a function has no derivative.

    Raises:
        RuntimeError: it does, and gradients are recorded.
    """
    for name, x in operands.items():
        if is_tensor(x) and x.requires_grad and is_grad_enabled():
            raise RuntimeError(
                f"The function '{function}' is not differentiable with respect to argument '{name}'. This input cannot have "
                "requires_grad True: detach() it"
            )


def refuse_numbers(function: str, **operands: Any) -> None:
    """Raise if one of the operands, as a user passed them, is a number: for functions of tensors alone.

    Raises:
        TypeError: it is.
    """
    for position, (name, x) in enumerate(operands.items()):
        if not hasattr(x, "dtype"):
            raise TypeError(
                f"{function}(): argument '{name}' (position {position + 1}) must be Tensor, not {type(x).__name__}"
            )


def require_real(kernel: str, dtype: dtypes.DType) -> None:
    """Raise for a function of real numbers that got integers or complex numbers.

    Raises:
        NotImplementedError: ``dtype`` is not one of real floating-point numbers.
    """
    if dtype.kind in "biuc":
        refuse_dtype(kernel, dtype)


def summed_dtype(function: str, x: Any, dtype: Any) -> dtypes.DType:
    """The ``dtype=`` of a sum, product or mean.

    Raises:
        RuntimeError: it has no gradients, but ``x`` requires grad.
    """
    found = dtypes.normalize(dtype)
    if found.kind in "biu" and getattr(x, "requires_grad", False):
        raise RuntimeError(
            f"Autograd not support dtype: {dtypes.scalar_type_name(found)}: {function} of a tensor that "
            f"requires grad into {dtypes.dtype_name(found)} would lose the gradient. Use detach() first"
        )
    if found.kind != "c" == as_tensor(x, function).dtype.kind:
        warnings.warn(
            f"Casting complex values to real discards the imaginary part ({function} with dtype=)",
            UserWarning,
            stacklevel=4,
        )
    return found
