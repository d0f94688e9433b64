"""Softmax and its logarithm."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops import cast
from gradcore.ops._batching import along
from gradcore.ops._dims import normalize_dim
from gradcore.ops._extra import offered
from gradcore.ops._operands import as_tensor, require_real
from gradcore.ops.cumulative import along_dim
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

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
    found = offered(xp, "softmax", input, dim)
    if found is not None:
        return found
    out = xp.exp(xp.subtract(input, _largest(xp, input, dim)))
    return xp.divide(out, _total(xp, out, dim))


@softmax_dim.vjp("input")
def softmax_dim_vjp(xp: Any, g: Any, out: Any, dim: int) -> Any:
    return _softmax_gradient(xp, g, out, dim)


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
    found = offered(xp, "log_softmax", input, dim)
    if found is not None:
        return found
    shifted = xp.subtract(input, _largest(xp, input, dim))
    return xp.subtract(shifted, xp.log(_total(xp, xp.exp(shifted), dim)))


@log_softmax_dim.vjp("input")
def log_softmax_dim_vjp(xp: Any, g: Any, out: Any, dim: int) -> Any:
    return _log_softmax_gradient(xp, g, out, dim)


@log_softmax_dim.vmap
def log_softmax_dim_vmap(input: Any, dim: int) -> Any:
    return along(log_softmax_dim, input, dim)


def _safe_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """:func:`softmax`, with zeros where all along ``dim`` is minus infinity: where attention may look at nothing.

    Raises:
        As :func:`softmax`.
    """
    return safe_softmax_dim(*_along("softmax_kernel_impl", input, dim, dtype))  # type: ignore[no-any-return]


@op(node="SafeSoftmaxBackward0", samples=along_dim)
def safe_softmax_dim(xp: Any, input: Any, /, dim: int) -> Any:
    """:func:`softmax_dim`, or zeros where all is minus infinity."""
    if not input.shape or 0 in input.shape:
        return softmax_dim.op.forward(xp, input, dim)
    largest = _largest(xp, input, dim)
    hidden = xp.equal(largest, -math.inf)
    # Moved by 0, all exponentials are 0 there, and so is their quotient with 1.
    out = xp.exp(xp.subtract(input, xp.where(hidden, 0.0, largest)))
    return xp.divide(out, xp.where(hidden, 1.0, _total(xp, out, dim)))


@safe_softmax_dim.vjp("input")
def safe_softmax_dim_vjp(xp: Any, g: Any, out: Any, dim: int) -> Any:
    return _softmax_gradient(xp, g, out, dim)


@safe_softmax_dim.vmap
def safe_softmax_dim_vmap(input: Any, dim: int) -> Any:
    return along(safe_softmax_dim, input, dim)


# The gradients as operations of their own, for programs that write them out.


def _gradients(make: Make) -> Iterator[Sample]:
    for shape, dim in (((2, 3), 1), ((2, 3), 0), ((), 0), ((0, 2), 1)):
        yield Sample(make(*shape), make(*shape), dim=dim)


def _softmax_backward_data(grad_output: Tensor, output: Tensor, dim: int, input_dtype: Any) -> Tensor:
    """The gradient of :func:`softmax` for its input, from its ``output`` and the gradient of that, cast to ``input_dtype``.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: integers.
    """
    return _backward_data(softmax_gradient, "softmax_backward", grad_output, output, dim, input_dtype)


def _log_softmax_backward_data(grad_output: Tensor, output: Tensor, dim: int, input_dtype: Any) -> Tensor:
    """The gradient of :func:`log_softmax` for its input, as :func:`_softmax_backward_data`.

    Raises:
        As :func:`_softmax_backward_data`.
    """
    return _backward_data(log_softmax_gradient, "log_softmax_backward", grad_output, output, dim, input_dtype)


def _backward_data(operation: Any, name: str, grad_output: Any, output: Any, dim: int, dtype: Any) -> Tensor:
    g, out = as_tensor(grad_output, name, "grad_output"), as_tensor(output, name, "output", 2)
    if g.shape != out.shape:
        raise RuntimeError(
            f"{name}: expected gradient and output of one size, but got {list(g.shape)}, {list(out.shape)}"
        )
    require_real(name, g.dtype)
    found = operation(g, out, normalize_dim(dim, g.ndim))
    kind = dtypes.normalize(dtype)
    return found if found.dtype == kind else cast.cast(found, kind)


@op(node="SoftmaxBackwardDataBackward0", promote="same", samples=_gradients)
def softmax_gradient(xp: Any, grad_output: Any, output: Any, /, dim: int) -> Any:
    """The gradient of :func:`softmax_dim`."""
    return _softmax_gradient(xp, grad_output, output, dim)


@softmax_gradient.vjp("grad_output")
def softmax_gradient_vjp_grad_output(xp: Any, g: Any, output: Any, dim: int) -> Any:
    return _softmax_gradient(xp, g, output, dim)


@softmax_gradient.vjp("output")
def softmax_gradient_vjp_output(xp: Any, g: Any, grad_output: Any, output: Any, dim: int) -> Any:
    along_dim_total = _total(xp, xp.multiply(grad_output, output), dim)
    own = xp.multiply(g, xp.subtract(grad_output, along_dim_total))
    return xp.subtract(own, xp.multiply(grad_output, _total(xp, xp.multiply(g, output), dim)))


@softmax_gradient.vmap
def softmax_gradient_vmap(grad_output: Any, output: Any, dim: int) -> Any:
    return _along_both(softmax_gradient, grad_output, output, dim)


@op(node="LogSoftmaxBackwardDataBackward0", promote="same", samples=_gradients)
def log_softmax_gradient(xp: Any, grad_output: Any, output: Any, /, dim: int) -> Any:
    """The gradient of :func:`log_softmax_dim`."""
    return _log_softmax_gradient(xp, grad_output, output, dim)


@log_softmax_gradient.vjp("grad_output")
def log_softmax_gradient_vjp_grad_output(xp: Any, g: Any, output: Any, dim: int) -> Any:
    return xp.subtract(g, _total(xp, xp.multiply(g, xp.exp(output)), dim))


@log_softmax_gradient.vjp("output")
def log_softmax_gradient_vjp_output(xp: Any, g: Any, grad_output: Any, output: Any, dim: int) -> Any:
    return xp.negative(xp.multiply(xp.multiply(g, xp.exp(output)), _total(xp, grad_output, dim)))


@log_softmax_gradient.vmap
def log_softmax_gradient_vmap(grad_output: Any, output: Any, dim: int) -> Any:
    return _along_both(log_softmax_gradient, grad_output, output, dim)


def _along_both(operation: Any, g: Any, output: Any, dim: int) -> Any:
    if g.ndim > 1:
        return operation(g, output, dim + 1)
    return operation(g.reshape((-1, 1)), output.reshape((-1, 1)), 1).reshape(g.shape)


def _softmax_gradient(xp: Any, g: Any, out: Any, dim: int) -> Any:
    found = offered(xp, "softmax_gradient", g, out, dim)
    if found is not None:
        return found
    weighted = xp.multiply(g, out)
    return xp.subtract(weighted, xp.multiply(out, _total(xp, weighted, dim)))


def _log_softmax_gradient(xp: Any, g: Any, out: Any, dim: int) -> Any:
    found = offered(xp, "log_softmax_gradient", g, out, dim)
    if found is not None:
        return found
    return xp.subtract(g, xp.multiply(xp.exp(out), _total(xp, g, dim)))


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
