"""Softmax and its logarithm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops import cast
from gradcore.ops._batching import along
from gradcore.ops._dims import normalize_dim
from gradcore.ops._operands import as_tensor, require_real
from gradcore.ops.cumulative import along_dim
from gradcore.spelling import numpy_names

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["log_softmax", "softmax"]


@numpy_names
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """``exp(x) / sum(exp(x))`` along ``dim``.

    Args:
        input: the scores.
        dim: the dimension along which the results belong together.
        dtype: cast ``input`` to this first.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: integers.
    """
    return softmax_dim(*_along("softmax_kernel_impl", input, dim, dtype))  # type: ignore[no-any-return]


@op(node="SoftmaxBackward0", samples=along_dim)
def softmax_dim(xp: Any, input: Any, /, dim: int) -> Any:
    """``exp(x) / sum(exp(x))`` along a dimension."""
    if not input.shape or 0 in input.shape:
        return xp.exp(xp.subtract(input, input))
    out = xp.exp(xp.subtract(input, _largest(xp, input, dim)))
    return xp.divide(out, _total(xp, out, dim))


@softmax_dim.vjp("input")
def softmax_dim_vjp(xp: Any, g: Any, out: Any, dim: int) -> Any:
    weighted = xp.multiply(g, out)
    total = _total(xp, weighted, dim)
    return xp.subtract(weighted, xp.multiply(out, total))


@softmax_dim.vmap
def softmax_dim_vmap(input: Any, dim: int) -> Any:
    return along(softmax_dim, input, dim)


@numpy_names
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """``x - log(sum(exp(x)))`` along ``dim``: the logarithm of :func:`softmax`, without its underflow.

    Args:
        input: the scores.
        dim: the dimension along which the results belong together.
        dtype: cast ``input`` to this first.

    Raises:
        As :func:`softmax`.
    """
    return log_softmax_dim(*_along("log_softmax_kernel_impl", input, dim, dtype))  # type: ignore[no-any-return]


@op(node="LogSoftmaxBackward0", samples=along_dim)
def log_softmax_dim(xp: Any, input: Any, /, dim: int) -> Any:
    """``x - log(sum(exp(x)))`` along a dimension."""
    if not input.shape or 0 in input.shape:
        return xp.subtract(input, input)
    shifted = xp.subtract(input, _largest(xp, input, dim))
    return xp.subtract(shifted, xp.log(_total(xp, xp.exp(shifted), dim)))


@log_softmax_dim.vjp("input")
def log_softmax_dim_vjp(xp: Any, g: Any, out: Any, dim: int) -> Any:
    return xp.subtract(g, xp.multiply(xp.exp(out), _total(xp, g, dim)))


@log_softmax_dim.vmap
def log_softmax_dim_vmap(input: Any, dim: int) -> Any:
    return along(log_softmax_dim, input, dim)


# Array libraries reduce a matrix of few columns row by row, at a price per row. It costs less to reduce its
# columns, copied, or to multiply it by a vector.


def _largest(xp: Any, x: Any, dim: int) -> Any:
    """The largest along ``dim``, which is kept."""
    if _is_narrow(x, dim):
        return xp.expand_dims(xp.max(xp.copy(xp.permute_dims(x, (1, 0))), axis=0), axis=1)
    return xp.max(x, axis=dim, keepdims=True)


def _total(xp: Any, x: Any, dim: int) -> Any:
    """The sum along ``dim``, which is kept."""
    if _is_narrow(x, dim):
        return xp.matmul(x, xp.ones((x.shape[1], 1), dtype=x.dtype))
    return xp.sum(x, axis=dim, keepdims=True) if x.shape else x


def _is_narrow(x: Any, dim: int) -> bool:
    shape = x.shape
    return dim == 1 and len(shape) == 2 and 0 < shape[1] <= 32 and shape[0] >= 64


def _along(kernel: str, input: Any, dim: int, dtype: Any) -> tuple[Any, int]:
    x = as_tensor(input, kernel.removesuffix("_kernel_impl"))
    dim = normalize_dim(dim, x.ndim)
    if dtype is not None:
        x = cast.cast(x, dtypes.normalize(dtype))
    require_real(kernel, x.dtype)
    return x, dim
