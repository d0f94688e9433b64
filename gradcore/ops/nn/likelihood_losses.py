"""Negative log likelihoods of distributions of numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gradcore.grad_mode import no_grad
from gradcore.op import is_tensor
from gradcore.ops._losses import check_reduction, finish, reduction_of
from gradcore.ops._operands import as_tensor
from gradcore.ops.arithmetic import mul, sub
from gradcore.ops.bounds import clamp_
from gradcore.ops.cast import clone
from gradcore.ops.comparison import le
from gradcore.ops.creation import ones_like
from gradcore.ops.elementwise import exp, log
from gradcore.ops.masking import masked_fill

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["gaussian_nll_loss", "poisson_nll_loss"]


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """``0.5 * (log(var) + (input - target)**2 / var)``: minus the logarithm of a normal density, without its constant.

    Args:
        input: means.
        target: samples, which broadcast against ``input``.
        var: variances: of the shape of ``input``, or with one dimension less or of size 1; or one number.
        full: with the constant, ``0.5 * log(2 * pi)``.
        eps: variances below count as this, without losing their gradient.
        reduction: what becomes of the losses of all elements.

    Raises:
        RuntimeError: the shapes do not broadcast.
        TypeError: ``var`` is neither a tensor nor a float.
        ValueError: a negative variance, or variances of another shape; there is no such reduction.
    """
    x = as_tensor(input, "gaussian_nll_loss")
    y = as_tensor(target, "gaussian_nll_loss", "target", 2)
    variance = _variance(x, var)
    check_reduction(reduction)
    variance = clone(variance)
    with no_grad():
        clamp_(variance, min=eps)
    loss = 0.5 * (log(variance) + sub(x, y) ** 2 / variance)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return finish(loss, reduction)  # type: ignore[no-any-return]


def _variance(x: Any, var: Any) -> Any:
    """The variances as a tensor that broadcasts against the means."""
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        return var * ones_like(x)
    if not is_tensor(var):
        raise TypeError(f"gaussian_nll_loss(): var must be a Tensor or a float, not {type(var).__name__}")
    if bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    sizes, own = tuple(x.shape), tuple(var.shape)
    if own == sizes:
        return var
    if own == sizes[:-1]:
        return var.unsqueeze(-1)
    if len(own) == len(sizes) and sum(m for n, m in zip(sizes, own, strict=True) if n != m) == 1:
        return var
    raise ValueError(f"var is of incorrect size: {list(own)} beside an input of size {list(sizes)}")


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``exp(input) - target * input``: minus the logarithm of a Poisson probability, without its constant.

    Args:
        input: logarithms of rates.
        target: counts, which broadcast.
        log_input: ``False`` if ``input`` are the rates: ``input - target * log(input + eps)``.
        full: with the constant, by Stirling's approximation, for counts above 1.
        size_average: the older name of ``reduction``, with ``reduce``.
        eps: keeps the logarithm of a rate finite.
        reduce: ``False`` for ``reduction="none"``.
        reduction: what becomes of the losses of all elements.

    Raises:
        RuntimeError: the shapes do not broadcast.
        ValueError: there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x = as_tensor(input, "poisson_nll_loss")
    y = as_tensor(target, "poisson_nll_loss", "target", 2)
    loss = sub(exp(x), mul(y, x)) if log_input else sub(x, mul(y, log(x + eps)))
    if full:
        stirling = sub(mul(y, log(y)), y) + 0.5 * log(2 * math.pi * y)
        loss = loss + masked_fill(stirling, le(y, 1), 0)
    return finish(loss, reduction)  # type: ignore[no-any-return]
