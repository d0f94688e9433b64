"""Dropping elements, or whole channels, at random."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.grad_mode import current_mode
from gradcore.op import op, wrap
from gradcore.ops._numeric import kind_of, refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.random import rand
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "alpha_dropout",
    "alpha_dropout_",
    "dropout",
    "dropout_",
    "feature_alpha_dropout",
    "feature_alpha_dropout_",
    "feature_dropout",
    "feature_dropout_",
    "native_dropout",
]

# What a SELU of a very negative number is, with the opposite sign (Klambauer et al., Self-Normalizing Neural Networks, 2017):
# what is dropped takes that value, and so mean and variance stay.
_SATURATION = 1.0507009873554805 * 1.6732632423543772


def dropout(input: Tensor, p: float = 0.5, train: bool = True) -> Tensor:
    """``input`` with elements made zero with probability ``p`` and the others ``1 / (1 - p)`` times as large.

    Args:
        input: the tensor.
        p: how likely an element is dropped.
        train: ``False`` to return ``input`` itself.

    Raises:
        NotImplementedError: integers or complex numbers.
        RuntimeError: ``p`` is not between 0 and 1.
    """
    return _dropped("dropout", input, p, train)


def dropout_(input: Tensor, p: float = 0.5, train: bool = True) -> Tensor:
    """The in-place twin of :func:`dropout`."""
    return _dropped("dropout_", input, p, train, inplace=True)


def feature_dropout(input: Tensor, p: float = 0.5, train: bool = True) -> Tensor:
    """:func:`dropout` of whole channels: ``input`` has the shape (N, C, *), and each ``input[i, j]`` stays or is dropped.

    Raises:
        As :func:`dropout`, and RuntimeError for fewer than two dimensions.
    """
    return _dropped("feature_dropout", input, p, train, features=True)


def feature_dropout_(input: Tensor, p: float = 0.5, train: bool = True) -> Tensor:
    """The in-place twin of :func:`feature_dropout`."""
    return _dropped("feature_dropout_", input, p, train, features=True, inplace=True)


def alpha_dropout(input: Tensor, p: float = 0.5, train: bool = False) -> Tensor:
    """:func:`dropout` that keeps mean and variance of standard normal elements, for networks of SELUs.

    Klambauer et al., Self-Normalizing Neural Networks, 2017.

    Raises:
        As :func:`dropout`.
    """
    return _dropped("alpha_dropout", input, p, train, alpha=True)


def alpha_dropout_(input: Tensor, p: float = 0.5, train: bool = False) -> Tensor:
    """The in-place twin of :func:`alpha_dropout`."""
    return _dropped("alpha_dropout_", input, p, train, alpha=True, inplace=True)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, train: bool = False) -> Tensor:
    """:func:`alpha_dropout` of whole channels, as :func:`feature_dropout`.

    Raises:
        As :func:`feature_dropout`.
    """
    return _dropped("feature_alpha_dropout", input, p, train, features=True, alpha=True)


def feature_alpha_dropout_(input: Tensor, p: float = 0.5, train: bool = False) -> Tensor:
    """The in-place twin of :func:`feature_alpha_dropout`."""
    return _dropped("feature_alpha_dropout_", input, p, train, features=True, alpha=True, inplace=True)


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """:func:`dropout`, and the mask of what stayed.

    Raises:
        As :func:`dropout`.
    """
    input = as_tensor(input, "native_dropout")
    _require_probability(p)
    mask = rand(input.shape, dtype=dtypes.float32, device=input.device) >= (0.0 if train is False else p)
    scale = 1.0 if train is False else 0.0 if p == 1 else 1 / (1 - p)
    return masked_and_scaled(input, mask, scale=scale), mask


def native_dropout_backward(grad_output: Tensor, mask: Tensor, scale: float) -> Tensor:
    """The gradient of :func:`native_dropout`: ``grad_output * mask * scale``.

    Raises:
        TypeError: an operand is no tensor.
    """
    g = as_tensor(grad_output, "native_dropout_backward", "grad_output")
    kept = as_tensor(mask, "native_dropout_backward", "mask", 2)
    return masked_and_scaled_gradient(g, kept, scale=float(scale))  # type: ignore[no-any-return]


def _masked(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape), make.bools(*shape), scale=2.0)


@op(node="NativeDropoutBackward0", elementwise=True, samples=_masked)
def masked_and_scaled(xp: Any, input: Any, mask: Any, /, *, scale: float) -> Any:
    """``input * mask * scale``."""
    return _masked_and_scaled(xp, input, mask, scale)


@masked_and_scaled.vjp("input")
def masked_and_scaled_vjp(xp: Any, g: Any, mask: Any, scale: float) -> Any:
    return _masked_and_scaled(xp, g, mask, scale)


@op(node="NativeDropoutBackwardBackward0", elementwise=True, samples=_masked)
def masked_and_scaled_gradient(xp: Any, grad_output: Any, mask: Any, /, *, scale: float) -> Any:
    """``grad_output * mask * scale``."""
    return _masked_and_scaled(xp, grad_output, mask, scale)


@masked_and_scaled_gradient.vjp("grad_output")
def masked_and_scaled_gradient_vjp(xp: Any, g: Any, mask: Any, scale: float) -> Any:
    return _masked_and_scaled(xp, g, mask, scale)


def check_probability(p: float) -> None:
    """Raise if ``p`` is no probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _require_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")


def _dropped(
    name: str, input: Any, p: float, train: bool, *, features: bool = False, alpha: bool = False, inplace: bool = False
) -> Tensor:
    x = as_tensor(input, name)
    _require_probability(p)
    if not train or not p or not x.numel():
        return x
    if p == 1:
        factors = x._zeros(())
        return x.mul_(factors) if inplace else x * factors
    if features and x.ndim < 2:
        raise RuntimeError(f"Feature dropout requires at least 2 dimensions in the input, but it has {x.ndim}")
    if dtypes.category(x.dtype) != 2:
        refuse_dtype(name, x.dtype)
    shape = (*x.shape[:2], *([1] * (x.ndim - 2))) if features else tuple(x.shape)
    if not alpha:
        factors = _factors(x, p, shape, 1 / (1 - p))
        return x.mul_(factors) if inplace else x * factors
    # What is dropped becomes -_SATURATION; then all are scaled and moved back to mean 0 and variance 1.
    scale = 1 / math.sqrt((_SATURATION**2 * p + 1) * (1 - p))
    kept = _factors(x, p, shape, 1.0)
    factors = kept * scale
    offsets = (kept - 1) * (_SATURATION * scale) + _SATURATION * scale * p
    return x.mul_(factors).add_(offsets) if inplace else x * factors + offsets


def _factors(input: Tensor, p: float, shape: tuple[int, ...], scale: float) -> Tensor:
    """``scale`` where an element stays, and 0 where it is dropped."""
    draws = rand(shape, dtype=dtypes.float32, device=input.device)
    if current_mode().level is not None:
        return (draws >= p).to(input.dtype) * scale  # type: ignore[no-any-return]
    where = input._device
    xp: Any = where.xp
    kept = xp.astype(draws._data >= p, input.dtype)
    return wrap(kept * xp.asarray(scale, dtype=input.dtype), where)


def _masked_and_scaled(xp: Any, x: Any, mask: Any, scale: float) -> Any:
    kind = kind_of(xp, x)
    if kind in "biu":
        x = xp.astype(x, dtypes.get_default_dtype())
    return xp.multiply(x, xp.multiply(xp.astype(mask, x.dtype), xp.number(scale, x.dtype)))
