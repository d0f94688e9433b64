"""Windows as columns of a matrix, and columns added up where their windows are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.nn._windows import framed, in_single_precision, integers, positions, windows_of
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["fold", "unfold"]

Sizes = int | Sequence[int]


def unfold(input: Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> Tensor:
    """The elements of each window over the last two dimensions as a column.

    Args:
        input: (N, C, S1, S2), or (C, S1, S2).
        kernel_size: of the windows.
        dilation: between the elements of a window.
        padding: zeros before and after each dimension.
        stride: from one window to the next.

    Returns:
        (N, C * K1 * K2, L), or without N, for L windows.

    Raises:
        RuntimeError: a parameter that is not possible, or an input that is too small.
        TypeError: an operand that is no tensor, a parameter that is no integer.
    """
    x = as_tensor(input, "unfold")
    kernel, step, pad, apart = _parameters("unfold", kernel_size, stride, padding, dilation)
    if x.ndim not in (3, 4) or 0 in x.shape[x.ndim - 3 :]:
        raise RuntimeError(
            "unfold: Expected 3D or 4D (batch mode) tensor, of which only the batch may have size 0, but got: "
            f"{list(x.shape)}"
        )
    windows = windows_of(x.shape[-2:], kernel, step, pad, apart)
    if min(w.stops for w in windows) < 1:
        raise RuntimeError(
            f"Given input with spatial size {tuple(x.shape[-2:])}, kernel_size={kernel}, stride={step}, "
            f"padding={pad}, dilation={apart}, calculated shape of the array of sliding blocks as "
            f"{tuple(w.stops for w in windows)}, but its components must be at least one."
        )
    if x.dtype.kind in "iu":
        refuse_dtype("im2col_out_cpu", x.dtype)
    return unfolded_columns(x, kernel, step, pad, apart)  # type: ignore[no-any-return]


def fold(
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """The adjoint of :func:`unfold`: the columns, added up where their windows are.

    Args:
        input: (N, C * K1 * K2, L), or without N.
        output_size: S1 and S2.
        kernel_size: of the windows.
        dilation: between the elements of a window.
        padding: of the result, zeros before and after each dimension, which are cut off.
        stride: from one window to the next.

    Returns:
        (N, C, S1, S2), or without N.

    Raises:
        RuntimeError: a parameter that is not possible, or shapes that do not fit.
        TypeError: an operand that is no tensor, a parameter that is no integer.
    """
    x = as_tensor(input, "fold")
    kernel, step, pad, apart = _parameters("fold", kernel_size, stride, padding, dilation)
    sizes = integers(output_size, 2, "fold", "output_size")
    if x.ndim not in (2, 3) or 0 in x.shape[x.ndim - 2 :]:
        raise RuntimeError(
            "fold: Expected 2D or 3D (batch mode) tensor, of which only the batch may have size 0, but got: "
            f"{list(x.shape)}"
        )
    if min(sizes) < 1:
        raise RuntimeError(f"Expected output spatial size to be positive, but got: output_size={sizes}")
    rows, columns = x.shape[-2:]
    if rows % math.prod(kernel):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)="
            f"{rows} and kernel_size={kernel}."
        )
    counts = [w.stops for w in windows_of(sizes, kernel, step, pad, apart)]
    if min(counts) < 1 or math.prod(counts) != columns:
        raise RuntimeError(
            f"Given output_size={sizes}, kernel_size={kernel}, dilation={apart}, padding={pad}, "
            f"stride={step}, expected size of input's dimension 2 to match the calculated number of sliding blocks "
            f"{' * '.join(map(str, counts))} = {math.prod(counts)}, but got input.size(2)={columns}."
        )
    if x.dtype.kind in "iu":
        refuse_dtype("col2im_out_cpu", x.dtype)
    return folded_columns(x, sizes, kernel, step, pad, apart)  # type: ignore[no-any-return]


# The operations.


def _images(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 2, 3, 4), kernel_size=(2, 3), stride=(1, 1), padding=(0, 0), dilation=(1, 1))
    yield Sample(make(1, 4, 4), kernel_size=(2, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2))


def _columns(make: Make) -> Iterator[Sample]:
    plain = {"sizes": (3, 4), "kernel_size": (2, 3), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
    yield Sample(make(2, 6, 4), **plain)
    plain = {"sizes": (4, 4), "kernel_size": (2, 2), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
    yield Sample(make(4, 6), **plain)


@op(node="Im2ColBackward0", linear=True, standard="unfolded_columns", samples=_images)
def unfolded_columns(xp: Any, input: Any, /, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The windows over the last two dimensions as columns."""
    return _unfolded(xp, input, kernel_size, stride, padding, dilation)


@op(node="Col2ImBackward0", linear=True, standard="folded_columns", samples=_columns)
def folded_columns(
    xp: Any, input: Any, /, sizes: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    """Columns added up, where windows over dimensions of ``sizes`` are."""
    return _folded(xp, input, sizes, kernel_size, stride, padding, dilation)


@unfolded_columns.vjp("input")
def unfolded_columns_vjp(
    xp: Any, g: Any, input_shape: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    sizes = tuple(input_shape[len(input_shape) - 2 :])
    return extra(xp, "folded_columns", g, sizes, kernel_size, stride, padding, dilation)


@folded_columns.vjp("input")
def folded_columns_vjp(xp: Any, g: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    return extra(xp, "unfolded_columns", g, kernel_size, stride, padding, dilation)


@unfolded_columns.vmap
def unfolded_columns_vmap(input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    return unfolded_columns(input, kernel_size, stride, padding, dilation)


@folded_columns.vmap
def folded_columns_vmap(input: Any, sizes: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    return folded_columns(input, sizes, kernel_size, stride, padding, dilation)


# The same on arrays.


@generic("unfolded_columns")
def _unfolded(
    xp: Any, x: Any, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> Any:
    windows = windows_of(x.shape[len(x.shape) - 2 :], kernel, stride, padding, dilation)
    lead, channels = x.shape[:-3], x.shape[-3]
    counts = [w.stops for w in windows]
    shape = (*lead, channels * math.prod(kernel), math.prod(counts))
    if 0 in shape:
        return xp.zeros(shape, dtype=x.dtype)
    x = xp.reshape(x, (math.prod(lead) * channels, *x.shape[-2:]))
    x = framed(xp, x, padding, padding)
    if not xp.is_contiguous(x):
        x = xp.copy(x)
    of_plane, *steps = xp.strides(x)
    within = [s * d for s, d in zip(steps, dilation, strict=True)]
    between = [s * m for s, m in zip(steps, stride, strict=True)]
    every = xp.as_strided(x, (x.shape[0], *kernel, *counts), (of_plane, *within, *between))
    return xp.reshape(xp.copy(every), shape)


@generic("folded_columns")
def _folded(
    xp: Any,
    x: Any,
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Any:
    dtype = x.dtype
    if xp.np_dtype(dtype).kind == "b":
        # The standard does not add truth values.
        found = _folded(xp, xp.astype(x, dtypes.int32), sizes, kernel, stride, padding, dilation)
        return xp.not_equal(found, 0)
    windows = windows_of(sizes, kernel, stride, padding, dilation)
    lead, channels = x.shape[:-2], x.shape[-2] // math.prod(kernel)
    planes = math.prod(lead) * channels
    shape = (*lead, channels, *sizes)
    if 0 in shape:
        return xp.zeros(shape, dtype=dtype)
    x = xp.reshape(in_single_precision(xp, x), (planes, *kernel, *(w.stops for w in windows)))
    out = xp.zeros((planes, *sizes), dtype=x.dtype)
    every = slice(None)
    for numbers, places, at in positions(windows):
        part = xp.getitem(out, (every, *at))
        part += xp.getitem(x, (every, *numbers, *places))
    out = xp.reshape(out, shape)
    return out if out.dtype == dtype else xp.astype(out, dtype)


def _parameters(
    name: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    kernel = integers(kernel_size, 2, name, "kernel_size")
    stride, dilation = integers(stride, 2, name, "stride"), integers(dilation, 2, name, "dilation")
    padding = integers(padding, 2, name, "padding")
    for what, values in (("kernel size", kernel), ("stride", stride), ("dilation", dilation)):
        if min(values) < 1:
            raise RuntimeError(f"{what} should be greater than zero, but got {what}={values} ({name})")
    if min(padding) < 0:
        raise RuntimeError(f"padding should be non-negative, but got padding={padding} ({name})")
    return kernel, stride, padding, dilation
