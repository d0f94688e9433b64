"""The mean of the elements in windows, and the mean of their powers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore.op import op
from gradcore.ops._dims import as_integer
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.nn._sums import spread_along, sums_along
from gradcore.ops.nn._windows import Window, in_single_precision, integers, pooling_windows, windows_of
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d"]

Sizes = int | Sequence[int]


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of the elements in each window along the last dimension; see :func:`avg_pool2d`."""
    name = "avg_pool1d"
    input, kernel, stride, padding = _parameters(name, 1, input, kernel_size, stride, padding)
    pooling_windows(name, input.shape, kernel, stride, padding, (1,), ceil_mode)
    x = input.unsqueeze(-2)
    out = average2d(x, (1, *kernel), (1, *stride), (0, *padding), bool(ceil_mode), bool(count_include_pad), None)
    return out.squeeze(-2)  # type: ignore[no-any-return]


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of the elements in each window over the last two dimensions.

    Args:
        input: (N, C, S1, S2), or (C, S1, S2).
        kernel_size: of the windows.
        stride: from one window to the next; that is ``kernel_size`` where it is not given.
        padding: zeros before and after each dimension.
        ceil_mode: the last window may reach beyond the end.
        count_include_pad: zeros of the padding count as elements.
        divisor_override: divide by this number, instead of that of the elements.

    Raises:
        RuntimeError: a parameter that is not possible, or an input that is too small.
        TypeError: an operand that is no tensor, a parameter that is no integer.
    """
    return _averages(average2d, "avg_pool2d", 2, input, kernel_size, stride, padding,
                     ceil_mode, count_include_pad, divisor_override)  # fmt: skip


def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of the elements in each window over the last three dimensions; see :func:`avg_pool2d`."""
    if as_tensor(input, "avg_pool3d").dtype.itemsize == 2:
        refuse_dtype("avg_pool3d_out_frame", input.dtype)
    return _averages(average3d, "avg_pool3d", 3, input, kernel_size, stride, padding,
                     ceil_mode, count_include_pad, divisor_override)  # fmt: skip


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: int | None = None, ceil_mode: bool = False
) -> Tensor:
    """:func:`lp_pool2d` along the last dimension."""
    (kernel,) = integers(kernel_size, 1, "lp_pool1d", "kernel_size")
    means = avg_pool1d(input.pow(norm_type), kernel, stride, 0, ceil_mode)
    return _rooted(means, kernel, norm_type)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """The norm of each window over the last two dimensions: ``sum(x ** norm_type) ** (1 / norm_type)``.

    Raises:
        As :func:`avg_pool2d`.
    """
    kernel = integers(kernel_size, 2, "lp_pool2d", "kernel_size")
    means = avg_pool2d(input.pow(norm_type), kernel, stride, 0, ceil_mode)
    return _rooted(means, math.prod(kernel), norm_type)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """:func:`lp_pool2d` over the last three dimensions."""
    kernel = integers(kernel_size, 3, "lp_pool3d", "kernel_size")
    means = avg_pool3d(input.pow(norm_type), kernel, stride, 0, ceil_mode)
    return _rooted(means, math.prod(kernel), norm_type)


def _rooted(means: Any, count: int, norm_type: float) -> Tensor:
    # A sum of odd powers may be negative, and has no root: its sign is set apart.
    return (means.sign() * means.abs().relu()).mul(count).pow(1.0 / norm_type)  # type: ignore[no-any-return]


# The operations.


def _planes(make: Make) -> Iterator[Sample]:
    plain: dict[str, Any] = {"ceil_mode": False, "count_include_pad": True, "divisor_override": None}
    yield Sample(make(2, 1, 4, 5), kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), **plain)
    yield Sample(make(1, 4, 5), kernel_size=(3, 2), stride=(1, 2), padding=(1, 1), **plain)
    plain |= {"ceil_mode": True, "count_include_pad": False}
    yield Sample(make(2, 4, 4), kernel_size=(3, 3), stride=(2, 2), padding=(1, 0), **plain)
    plain |= {"divisor_override": 3}
    yield Sample(make(1, 3, 3), kernel_size=(2, 2), stride=(2, 2), padding=(0, 1), **plain)


def _solids(make: Make) -> Iterator[Sample]:
    plain: dict[str, Any] = {"ceil_mode": False, "count_include_pad": False, "divisor_override": None}
    yield Sample(make(1, 4, 3, 4), kernel_size=(2, 2, 3), stride=(2, 1, 1), padding=(0, 1, 1), **plain)


def _gradients(make: Make) -> Iterator[Sample]:
    plain: dict[str, Any] = {"ceil_mode": False, "count_include_pad": False, "divisor_override": None}
    yield Sample(make(2, 2, 2), sizes=(4, 5), kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), **plain)
    yield Sample(make(1, 4, 3), sizes=(4, 5), kernel_size=(3, 2), stride=(1, 2), padding=(1, 1), **plain)


@op(node="AvgPool2DBackward0", linear=True, standard="average2d", samples=_planes)
def average2d(
    xp: Any,
    input: Any,
    /,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    """The means over windows of the last two dimensions."""
    return _means(xp, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@op(node="AvgPool3DBackward0", linear=True, standard="average3d", samples=_solids)
def average3d(
    xp: Any,
    input: Any,
    /,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    """The means over windows of the last three dimensions."""
    return _means(xp, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@op(node="AvgPool2DBackwardBackward0", linear=True, standard="average_adjoint", samples=_gradients)
def average_adjoint(
    xp: Any,
    g: Any,
    /,
    sizes: tuple[int, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    """The adjoint of the means: each is shared among the elements of its window, in last dimensions of ``sizes``."""
    return _spread(xp, g, sizes, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _means_rule(
    xp: Any,
    g: Any,
    input_shape: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Any:
    params = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return extra(xp, "average_adjoint", g, tuple(input_shape[len(input_shape) - len(kernel_size) :]), *params)


average2d.vjp("input")(_means_rule)
average3d.vjp("input")(_means_rule)


@average_adjoint.vjp("g")
def average_adjoint_vjp(
    xp: Any,
    g: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Any:
    params = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return extra(xp, f"average{len(kernel_size)}d", g, *params)


# All dimensions but the last ones are alike, so a batch is no other case.


@average2d.vmap
def average2d_vmap(
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Any:
    return average2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@average3d.vmap
def average3d_vmap(
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Any:
    return average3d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@average_adjoint.vmap
def average_adjoint_vmap(
    g: Any,
    sizes: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Any:
    return average_adjoint(g, sizes, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# The same on arrays.


@generic("average2d")
@generic("average3d")
def _means(
    xp: Any,
    x: Any,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    dtype = x.dtype
    windows = _windows(x.shape, kernel_size, stride, padding, ceil_mode)
    x = in_single_precision(xp, x)
    for i, w in enumerate(reversed(windows), 1):
        x = sums_along(xp, x, len(x.shape) - i, w)
    x = _divided(xp, x, windows, count_include_pad, divisor_override)
    return x if x.dtype == dtype else xp.astype(x, dtype)


@generic("average_adjoint")
def _spread(
    xp: Any,
    g: Any,
    sizes: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    dtype = g.dtype
    windows = _windows(sizes, kernel_size, stride, padding, ceil_mode)
    g = _divided(xp, in_single_precision(xp, g), windows, count_include_pad, divisor_override)
    for i, w in enumerate(reversed(windows), 1):
        g = spread_along(xp, g, len(g.shape) - i, w)
    return g if g.dtype == dtype else xp.astype(g, dtype)


def _windows(
    shape: Sequence[int], kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], ceil_mode: bool
) -> tuple[Window, ...]:
    return windows_of(shape[len(shape) - len(kernel) :], kernel, stride, padding, (1,) * len(kernel), ceil_mode)


def _divided(xp: Any, x: Any, windows: Sequence[Window], count_include_pad: bool, divisor_override: int | None) -> Any:
    """``x`` by the number of elements in each window."""
    if divisor_override is not None:
        return _quotient(xp, x, divisor_override)
    counts = [_counts(w, count_include_pad) for w in windows]
    if all(len(set(c)) == 1 for c in counts):
        return _quotient(xp, x, math.prod([c[0] for c in counts]))
    divisor: Any = 1
    for i, c in enumerate(counts):
        along = xp.reshape(xp.asarray(c, dtype=x.dtype), (len(c),) + (1,) * (len(counts) - i - 1))
        divisor = along if i == 0 else xp.multiply(divisor, along)
    return _quotient(xp, x, divisor)


def _counts(window: Window, count_include_pad: bool) -> list[int]:
    """How many elements the windows have."""
    found = []
    for place in range(window.stops):
        first = place * window.stride - window.padding
        end = min(first + window.kernel, window.size + window.padding)
        found.append(end - first if count_include_pad else min(end, window.size) - max(first, 0))
    return found


def _quotient(xp: Any, x: Any, divisor: Any) -> Any:
    if xp.np_dtype(x.dtype).kind not in "iu":
        return xp.divide(x, divisor if hasattr(divisor, "dtype") else xp.number(float(divisor), x.dtype))
    # Integers are cut off towards zero.
    signs = xp.sign(x) if hasattr(divisor, "dtype") or divisor > 0 else xp.negative(xp.sign(x))
    return xp.multiply(signs, xp.floor_divide(xp.abs(x), abs(divisor)))


# What is averaged.


def _averages(
    operation: Any,
    name: str,
    ndim: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    input, kernel, stride, padding = _parameters(name, ndim, input, kernel_size, stride, padding)
    if divisor_override is not None:
        divisor_override = as_integer(divisor_override, "divisor_override")
        if divisor_override == 0:
            raise RuntimeError(f"{name}: divisor must be not zero, but got divisor_override=0")
    pooling_windows(name, input.shape, kernel, stride, padding, (1,) * ndim, ceil_mode)
    if input.dtype.kind in "bc" or (input.dtype.kind in "iu" and input.dtype.itemsize != 8):
        refuse_dtype(name, input.dtype)
    made: Tensor = operation(input, kernel, stride, padding, bool(ceil_mode), bool(count_include_pad), divisor_override)
    return made


def _parameters(
    name: str, ndim: int, input: Any, kernel_size: Any, stride: Any, padding: Any
) -> tuple[Any, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    input = as_tensor(input, name)
    kernel = integers(kernel_size, ndim, name, "kernel_size")
    empty = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    stride = kernel if empty else integers(stride, ndim, name, "stride")
    return input, kernel, stride, integers(padding, ndim, name, "padding")
