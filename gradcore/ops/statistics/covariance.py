"""Covariances and correlations of variables, which PyTorch records as what they are made of."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import wrap
from gradcore.ops._operands import as_tensor
from gradcore.ops.bounds import clamp
from gradcore.ops.complex_of_parts import complex as complex_of
from gradcore.ops.matmul import mm
from gradcore.ops.statistics._values import are_known

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["corrcoef", "cov"]


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of variables: those of n variables, each a row of observations, as an n x n matrix.

    Args:
        input: a matrix; a vector holds the observations of one variable, whose variance is given.
        correction: what is subtracted from the number of observations, by which the sums of products are divided.
        fweights: how often each observation was made; integers, not negative.
        aweights: how much each observation weighs; floating-point numbers, not negative.

    Raises:
        RuntimeError: more than two dimensions, truth values, or weights of another dtype or size, negative, or zero in sum.
    """
    x = as_tensor(input, "cov")
    if x.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {x.ndim} dimensions"
        )
    if x.dtype.kind == "b":
        raise RuntimeError("cov(): bool dtype is not supported for input; cast it")
    x = x if x.ndim == 2 else x.view(1, -1)
    count = x.shape[1]
    if fweights is not None:
        _check_weights("fweights", fweights, "iu", "integral", count)
    if aweights is not None:
        _check_weights("aweights", aweights, "f", "floating point", count)
    weights = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    total = wrap(x._device.xp.asarray(count, dtype=dtypes.int64), x._device) if weights is None else weights.sum()
    if weights is not None and are_known(x) and not bool(total != 0):
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    weighted = x if weights is None else x * weights
    x = x - (weighted.sum(1) / total).unsqueeze(1)
    if weights is not None and aweights is not None and correction:
        freedom = total - correction * (weights * aweights).sum() / total
    else:
        freedom = total - correction
    if are_known(x) and bool(freedom <= 0):
        warnings.warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.",
            UserWarning,
            stacklevel=2,
        )
    weighted = (x if weights is None else x * weights).t()
    products = mm(x, weighted.conj() if weighted.is_complex() else weighted)
    return (products / clamp(freedom, min=0)).squeeze()  # type: ignore[no-any-return]


def corrcoef(input: Tensor) -> Tensor:
    """The correlations of variables, from -1 to 1: their covariances, divided by both standard deviations.

    Args:
        input: as in :func:`cov`; for a vector the result is 1.

    Raises:
        RuntimeError: more than two dimensions.
    """
    x = as_tensor(input, "corrcoef")
    if x.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {x.ndim} dimensions"
        )
    found = cov(x)
    if not found.ndim:
        return found / found  # type: ignore[no-any-return]
    variances = found.diag()
    deviations = (variances.real if found.is_complex() else variances).sqrt()
    found = found / deviations.view(-1, 1) / deviations.view(1, -1)
    if found.is_complex():
        return complex_of(clamp(found.real, -1, 1), clamp(found.imag, -1, 1))  # type: ignore[no-any-return]
    return clamp(found, -1, 1)


def _check_weights(name: str, weights: Any, kinds: str, needed: str, count: int) -> None:
    weights = as_tensor(weights, "cov", name)
    if weights.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {weights.ndim} dimensions"
        )
    if weights.dtype.kind not in kinds:
        raise RuntimeError(
            f"cov(): expected {name} to have {needed} dtype but got {name} with "
            f"{dtypes.scalar_type_name(weights.dtype)} dtype"
        )
    if weights.numel() != count:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{weights.numel()} != {count}"
        )
    if count and are_known(weights) and bool((weights < 0).any()):
        raise RuntimeError(f"cov(): {name} cannot be negative")
