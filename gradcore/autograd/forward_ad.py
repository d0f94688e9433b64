"""Forward-mode automatic differentiation, as ``torch.autograd.forward_ad``.

::

    with forward_ad.dual_level():
        x = forward_ad.make_dual(primal, tangent)
        y = x.sin()
        forward_ad.unpack_dual(y).tangent  # the derivative of sin at primal, in the direction of tangent

Tangents survive ``no_grad``, are cut by ``detach``, and are gone when the level is left. An ordinary backward inside a level
gives gradients that have tangents themselves: the product of the Hessian with a vector, by forward mode over reverse mode.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, NamedTuple

from gradcore import dtypes
from gradcore.grad_mode import current_mode, enter_mode
from gradcore.op import is_tensor
from gradcore.transforms import forward

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]


class UnpackedDualTensor(NamedTuple):
    """The two parts of a dual tensor."""

    primal: Any
    tangent: Any
    """``None`` for a tensor that has no tangent at this level."""


def enter_dual_level() -> int:
    """Enter a level of forward mode; returns its number, 0.

    Raises:
        RuntimeError: one is entered already.
    """
    mode = current_mode()
    if mode.dual is not None:
        raise RuntimeError(
            "Nested forward mode AD is not supported at the moment: one level of forward_ad is entered already. Use func.jvp, "
            "which can be nested"
        )
    enter_mode(mode._replace(dual=forward.DualLevel()))
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Leave the level of forward mode: no tensor has a tangent any more.

    Raises:
        RuntimeError: none is entered, or another one than ``level``.
    """
    mode = current_mode()
    if mode.dual is None or level not in (None, 0):
        raise RuntimeError(
            f"Trying to exit a forward AD level ({0 if level is None else level}) that was not the last one that was created: "
            "call exit_dual_level once for each enter_dual_level, or use 'with dual_level():'"
        )
    enter_mode(mode._replace(dual=None))
    mode.dual.leave()


class dual_level:  # noqa: N801 - torch's spelling
    """The block is a level of forward mode."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        exit_dual_level()

    def __call__(self, function: Any) -> Any:
        import functools

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with dual_level():
                return function(*args, **kwargs)

        return wrapper


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A view of ``tensor`` with a tangent: the direction in which operations are differentiated.

    Args:
        tensor: the primal, of a floating-point or complex dtype.
        tangent: of the same shape; a tangent of another floating-point dtype is cast.
        level: the level of forward mode; there is but one.

    Raises:
        RuntimeError: no level is entered, or it was entered inside ``vmap``; the shapes differ; ``tangent`` has a tangent
            itself.
        ValueError: a dtype is not floating point or complex.
    """
    mode = current_mode()
    dual = mode.dual
    if dual is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for name, value in (("primal", tensor), ("tangent", tangent)):
        if not is_tensor(value):
            raise TypeError(f"make_dual(): argument '{name}' must be Tensor, not {type(value).__name__}")
        if dtypes.category(value.dtype) < 2:
            raise ValueError(
                f"Expected {name} to be floating point or complex, but got: {dtypes.dtype_name(value.dtype)}"
            )
    if mode.level is not None:
        # The level of forward mode was entered inside a function transform, and belongs to the floor on which that computes.
        if mode.level.kind == "vmap":
            raise RuntimeError(
                "make_dual(): Batching rule not implemented for dual tensors that are made inside vmap. Make them outside, "
                "or use func.jvp inside vmap"
            )
        tensor, tangent = mode.level.lift(tensor), mode.level.lift(tangent)
    if forward.tangent_of(tangent, dual) is not None:
        raise RuntimeError("Expected tangent to not be a tensor that itself has a forward gradient at the same level")
    if tuple(tensor.shape) != tuple(tangent.shape):
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(tensor.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}."
        )
    if (dtypes.category(tensor.dtype) == 3) != (dtypes.category(tangent.dtype) == 3):
        raise RuntimeError(
            f"Expected tangent to be {'complex' if tensor.is_complex() else 'real'} as the primal is, but got {tangent.dtype}"
        )
    if tangent.dtype != tensor.dtype:
        tangent = tangent.to(tensor.dtype)
    return forward.make_dual(tensor, tangent, dual)


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """The primal and the tangent of a dual tensor; the primal is a view of it.

    The tangent is ``None`` where the tensor has none, and outside of a level.
    """
    mode = current_mode()
    while mode.dual is None and mode.level is not None:
        mode = mode.level.below  # inside a function transform: a dual tensor from outside
    dual = mode.dual
    if dual is None:
        return UnpackedDualTensor(tensor, None)
    with forward.outside_dual():
        return UnpackedDualTensor(forward.primal_view(tensor), forward.tangent_of(tensor, dual))
