"""Convolutions and transposed convolutions, over one to three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.ops._dims import as_integer
from gradcore.ops._operands import as_tensor
from gradcore.ops.nn._convolving import convolved, convolved_tbc
from gradcore.ops.nn._windows import integers
from gradcore.ops.nn.padding import constant_pad_nd

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolution",
]

Sizes = int | Sequence[int]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """The sum of windows of ``input`` times ``weight``, plus ``bias``.

    Args:
        input: (N, C, S), or (C, S).
        weight: (O, C / groups, K).
        bias: (O,).
        stride: from one window to the next.
        padding: zeros before and after; ``"valid"``: none; ``"same"``: so many that the result has the size of ``input``.
        dilation: between the elements of a window.
        groups: so many parts of the channels are convolved each on its own.

    Raises:
        RuntimeError: shapes or dtypes that do not fit, parameters that are not possible.
        TypeError: an operand that is no tensor, a parameter that is no integer.
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """:func:`conv1d` over two dimensions: (N, C, S1, S2) with a weight (O, C / groups, K1, K2)."""
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """:func:`conv1d` over three dimensions: (N, C, S1, S2, S3) with a weight (O, C / groups, K1, K2, K3)."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The adjoint of a convolution: every element of ``input`` adds ``weight`` times itself to the result, plus ``bias``.

    Args:
        input: (N, C, S), or (C, S).
        weight: (C, O / groups, K).
        bias: (O,).
        stride: from one element to the next, in the result.
        padding: so many elements are cut off at both ends of the result.
        output_padding: so many fewer are cut off at its end.
        groups: so many parts of the channels are convolved each on its own.
        dilation: between the elements of ``weight``, in the result.

    Raises:
        As :func:`conv1d`.
    """
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """:func:`conv_transpose1d` over two dimensions."""
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """:func:`conv_transpose1d` over three dimensions."""
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    """A convolution or, with ``transposed``, its adjoint, of a batch; as many dimensions as ``weight`` says.

    Raises:
        As :func:`conv1d`.
    """
    input, weight = as_tensor(input, "convolution"), as_tensor(weight, "convolution", "weight", 2)
    ndim = weight.ndim - 2
    if not 1 <= ndim <= 3:
        raise RuntimeError(f"convolution: weight should have 3 to 5 dimensions, but got {list(weight.shape)}")
    given = (stride, padding, dilation, output_padding)
    names = ("stride", "padding", "dilation", "output_padding")
    step, pad, apart, more = (integers(v, ndim, "convolution", n) for v, n in zip(given, names, strict=True))
    return _convolution("convolution", input, weight, bias, step, pad, apart, transposed, more, groups)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """A convolution along the first dimension, with the channels last.

    Args:
        input: (T, B, C).
        weight: (K, C, O).
        bias: (O,).
        pad: zeros before and after.

    Raises:
        RuntimeError: shapes that do not fit.
    """
    input, weight = as_tensor(input, "conv_tbc"), as_tensor(weight, "conv_tbc", "weight", 2)
    bias = as_tensor(bias, "conv_tbc", "bias", 3)
    for name, x, ndim, form in (
        ("Input", input, 3, "time, batch, in_channels"),
        ("Weight tensor", weight, 3, "kernel_width, in_channels, out_channels"),
        ("Bias", bias, 1, "out_channels"),
    ):
        if x.ndim != ndim:
            raise RuntimeError(f"{name} must have {ndim} dims: {form}; got {list(x.shape)} (conv_tbc)")
    if input.shape[2] != weight.shape[1] or weight.shape[2] != bias.shape[0]:
        raise RuntimeError(
            f"conv_tbc: sizes of channels differ: input {list(input.shape)}, weight {list(weight.shape)}, bias "
            f"{list(bias.shape)}"
        )
    if input.shape[0] + 2 * pad < weight.shape[0]:
        raise RuntimeError(f"conv_tbc: Kernel size {weight.shape[0]} can't be greater than the padded input")
    return convolved_tbc(input, weight, bias, as_integer(pad, "pad"))  # type: ignore[no-any-return]


# What is convolved.


def _conv(
    ndim: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    name = f"conv{ndim}d"
    input, weight = as_tensor(input, name), as_tensor(weight, name, "weight", 2)
    stride = integers(stride, ndim, name, "stride")
    dilation = integers(dilation, ndim, name, "dilation")
    single = _is_single(name, input, ndim)
    x = input.unsqueeze(0) if single else input
    if isinstance(padding, str):
        x, padding = _named_padding(padding, x, weight, stride, dilation, ndim)
    else:
        padding = integers(padding, ndim, name, "padding")
    out = _convolution(name, x, weight, bias, stride, padding, dilation, False, (0,) * ndim, groups)
    return out.squeeze(0) if single else out


def _conv_transpose(
    ndim: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    name = f"conv_transpose{ndim}d"
    input, weight = as_tensor(input, name), as_tensor(weight, name, "weight", 2)
    stride, padding = integers(stride, ndim, name, "stride"), integers(padding, ndim, name, "padding")
    output_padding = integers(output_padding, ndim, name, "output_padding")
    dilation = integers(dilation, ndim, name, "dilation")
    single = _is_single(name, input, ndim)
    x = input.unsqueeze(0) if single else input
    out = _convolution(name, x, weight, bias, stride, padding, dilation, True, output_padding, groups)
    return out.squeeze(0) if single else out


def _is_single(name: str, input: Tensor, ndim: int) -> bool:
    """Whether an input has no dimension for the batch."""
    if input.ndim not in (ndim + 1, ndim + 2):
        raise RuntimeError(
            f"Expected {ndim + 1}D (unbatched) or {ndim + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.shape)}"
        )
    return input.ndim == ndim + 1


def _named_padding(
    padding: str, input: Tensor, weight: Tensor, stride: Sequence[int], dilation: Sequence[int], ndim: int
) -> tuple[Tensor, tuple[int, ...]]:
    """The input and the padding that a name stands for."""
    if padding == "valid":
        return input, (0,) * ndim
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: {padding!r}; it is 'valid' or 'same'")
    if any(s != 1 for s in stride):
        raise RuntimeError(f"padding='same' is not supported for strided convolutions, but got stride={list(stride)}")
    _check_ranks(input, weight, ndim)
    both = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if any(n % 2 for n in both):
        # One more behind, where they do not come in pairs.
        more = [side for n in reversed(both) for side in (0, n % 2)]
        input = constant_pad_nd(input, more)
    return input, tuple([n // 2 for n in both])


def _convolution(
    name: str,
    input: Any,
    weight: Any,
    bias: Any,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    transposed: bool,
    output_padding: tuple[int, ...],
    groups: int,
) -> Tensor:
    if bias is not None:
        bias = as_tensor(bias, name, "bias", 3)
    groups = as_integer(groups, "groups")
    params = (stride, padding, dilation, bool(transposed), output_padding, groups)
    _check(input, weight, bias, *params)
    _check_dtypes(input, weight, bias)
    if input.dtype.kind != "c":
        return convolved(input, weight, bias, *params)  # type: ignore[no-any-return]
    # Of real convolutions: three make a complex one.
    parts = [(None, None) if x is None else (x.real, x.imag) for x in (input, weight, bias)]
    sums = [None if re is None else re + im for re, im in parts]
    first = convolved(*(re for re, _ in parts), *params)
    second = convolved(parts[0][1], parts[1][1], None, *params)
    third = convolved(*sums, *params)
    return first - second + 1j * (third - first - second)  # type: ignore[no-any-return]


def _check_dtypes(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    for name, x in (("weight", weight), ("bias", bias)):
        if x is not None and x.dtype != input.dtype:
            ours, theirs = dtypes.dtype_name(input.dtype), dtypes.dtype_name(x.dtype)
            raise RuntimeError(f"Input type ({ours}) and {name} type ({theirs}) should be the same")


def _check_ranks(input: Tensor, weight: Tensor, ndim: int) -> None:
    k = weight.ndim
    if k != ndim + 2 or input.ndim != k:
        raise RuntimeError(
            f"Expected {k}-dimensional input for {k}-dimensional weight {list(weight.shape)}, but got {input.ndim}-dimensional "
            f"input of size {list(input.shape)} instead"
        )


def _check(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    transposed: bool,
    output_padding: tuple[int, ...],
    groups: int,
) -> None:
    """Raise RuntimeError for shapes and parameters that do not fit."""
    _check_parameters(stride, padding, dilation, output_padding, groups)
    _check_ranks(input, weight, len(stride))
    given = f"Given groups={groups}, weight of size {list(weight.shape)}"
    first = weight.shape[0]
    if first < groups or first % groups:
        how = "be divisible by" if first >= groups else "be at least"
        raise RuntimeError(
            f"Given groups={groups}, expected weight to {how} {groups} at dimension 0, but got weight of size "
            f"{list(weight.shape)} instead"
        )
    wanted = first if transposed else weight.shape[1] * groups
    if input.shape[1] != wanted:
        given = f"Given transposed=1, weight of size {list(weight.shape)}" if transposed else given
        raise RuntimeError(
            f"{given}, expected input{list(input.shape)} to have {wanted} channels, but got {input.shape[1]} channels instead"
        )
    channels = weight.shape[1] * groups if transposed else first
    if bias is not None and tuple(bias.shape) != (channels,):
        raise RuntimeError(
            f"{given}, expected bias to be 1-dimensional with {channels} elements, but got bias of size "
            f"{list(bias.shape)} instead"
        )
    kernel = weight.shape[2:]
    if transposed:
        _check_output_padding(stride, dilation, output_padding)
        each = zip(input.shape[2:], kernel, stride, padding, dilation, output_padding, strict=True)
        sizes = [(n - 1) * s - 2 * p + d * (k - 1) + 1 + more for n, k, s, p, d, more in each]
        if min(sizes) < 1:
            raise RuntimeError(
                f"Given input size per channel: ({_by(input.shape[2:])}). Calculated output size per channel: ({_by(sizes)}). "
                "Output size is too small"
            )
        return
    padded = [n + 2 * p for n, p in zip(input.shape[2:], padding, strict=True)]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if any(n < k for n, k in zip(padded, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({_by(padded)}). Kernel size: ({_by(reach)}). Kernel size can't be "
            "greater than actual input size"
        )


def _check_parameters(
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    output_padding: tuple[int, ...],
    groups: int,
) -> None:
    if groups < 1:
        raise RuntimeError(f"non-positive groups is not supported: groups={groups}")
    if min(padding) < 0:
        raise RuntimeError(f"negative padding is not supported: padding={list(padding)}")
    if min(output_padding) < 0:
        raise RuntimeError(f"negative output_padding is not supported: output_padding={list(output_padding)}")
    if min(stride) < 1:
        raise RuntimeError(f"non-positive stride is not supported: stride={list(stride)}")
    if min(dilation) < 1:
        raise RuntimeError(f"dilation should be greater than zero: dilation={list(dilation)}")


def _check_output_padding(stride: Sequence[int], dilation: Sequence[int], output_padding: Sequence[int]) -> None:
    if any(p >= s and p >= d for p, s, d in zip(output_padding, stride, dilation, strict=True)):
        raise RuntimeError(
            f"output padding must be smaller than either stride or dilation, but got output_padding={list(output_padding)}, "
            f"stride={list(stride)}, dilation={list(dilation)}"
        )


def _by(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))
