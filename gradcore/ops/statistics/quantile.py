"""Quantiles, which PyTorch records as what they are made of: a sort, a choice, an interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import is_tensor, wrap
from gradcore.ops._dims import normalize_dim
from gradcore.ops._operands import as_tensor
from gradcore.ops.arithmetic import lerp
from gradcore.ops.broadcasting import broadcast_tensors
from gradcore.ops.creation import full_like
from gradcore.ops.elementwise import ceil, floor, round
from gradcore.ops.masking import masked_fill
from gradcore.ops.sorting import sort
from gradcore.ops.statistics._values import are_known
from gradcore.spelling import numpy_names

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["nanquantile", "quantile"]

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


@numpy_names
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The values below which the parts ``q`` of the elements lie: of all, or along ``dim``. NaN where one is NaN.

    Args:
        input: a tensor of float32 or float64.
        q: a number from 0 to 1, or a tensor of such, 0-d or a vector, of the dtype of ``input``. A vector makes a first
            dimension of the result.
        dim: the dimension to reduce; ``None`` for all elements.
        keepdim: keep it, with size 1.
        interpolation: what lies between two elements: ``"linear"``, ``"lower"``, ``"higher"``, ``"midpoint"`` or
            ``"nearest"``.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: another dtype, ``q`` outside of [0, 1], nothing to reduce, or another ``interpolation``.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


@numpy_names
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """:func:`quantile` of the elements that are not NaN; NaN where there is none.

    Raises:
        As :func:`quantile`.
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


def _quantile(name: str, input: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Tensor:
    x, q, dim = _checked(name, input, q, dim, interpolation)
    kept: list[int] = [1] * x.ndim
    if dim is None:
        ordered = sort(x.flatten()).values
    else:
        kept = [1 if i == dim else n for i, n in enumerate(x.shape)]
        last = x if dim == x.ndim - 1 or not x.ndim else x.unsqueeze(-1).transpose(dim, -1)
        ordered = sort(last).values
    reduced = kept if keepdim else [] if dim is None else [n for i, n in enumerate(x.shape) if i != dim]
    size = ordered.shape[-1] if ordered.ndim else 1
    ordered = ordered.view((*reduced, size))
    ranks = _ranks(name, ordered, q, size)
    if interpolation in ("lower", "higher", "nearest"):
        rounded: Any = {"lower": floor, "higher": ceil, "nearest": round}[interpolation]
        ranks = rounded(ranks)
    below = ranks.to(dtypes.int64)
    found = ordered.gather(-1, below)
    if interpolation in ("linear", "midpoint"):
        weight = full_like(ranks, 0.5) if interpolation == "midpoint" else ranks - below
        found = lerp(found, ordered.gather(-1, ranks.ceil().to(dtypes.int64)), weight)
    # One quantile is a dimension less; several come first.
    if q.ndim:
        found = found.unsqueeze_(0).transpose_(0, -1)
    return found.squeeze_(-1)


def _ranks(name: str, ordered: Tensor, q: Tensor, size: int) -> Tensor:
    """Where the quantiles lie between the sorted elements: a dimension of quantiles in place of the last."""
    is_nan = ordered.isnan()
    if name == "nanquantile":
        ranks = q * (is_nan.logical_not().sum(-1, keepdim=True) - 1)
        return masked_fill(ranks, ranks < 0, 0.0)
    ranks, has_nan = broadcast_tensors(q * (size - 1), is_nan.any(-1, keepdim=True))
    return masked_fill(ranks, has_nan, float(size - 1))


def _checked(name: str, input: Any, q: Any, dim: int | None, interpolation: str) -> tuple[Tensor, Tensor, int | None]:
    x = as_tensor(input, name)
    if is_tensor(q):
        if q.ndim > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor, but got {q.ndim} dimensions")
    else:
        number = float(q)
        if not 0 <= number <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        q = wrap(x._device.xp.asarray(number, dtype=x.dtype if x.dtype.kind == "f" else dtypes.float64), x._device)
    if not x.numel():
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if x.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(
            f"{name}() input tensor must be either float or double dtype, but got {dtypes.dtype_name(x.dtype)}; cast it"
        )
    if q.dtype != x.dtype:
        raise RuntimeError(
            f"{name}() q tensor must be same dtype as the input tensor, but got {dtypes.dtype_name(q.dtype)} and "
            f"{dtypes.dtype_name(x.dtype)}"
        )
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of {', '.join(_INTERPOLATIONS)}, but got {interpolation}"
        )
    if q._device is not x._device:
        raise RuntimeError(
            f"{name}() q tensor must be on the same device as the input tensor, but they are on {q._device} and {x._device}"
        )
    if are_known(x) and q.numel() and not bool(((q >= 0) & (q <= 1)).all()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    return x, q, None if dim is None else normalize_dim(dim, x.ndim)
