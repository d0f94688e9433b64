"""The operations of convolutions: those that are recorded, and their derivatives, which are convolutions as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op, standard
from gradcore.ops._batching import expanded, folded, unfolded
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops.nn import _correlating
from gradcore.ops.nn._correlating import Sliding
from gradcore.ops.nn._windows import window_count
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["convolved", "convolved_tbc"]

_INTEGERS = (dtypes.int64, dtypes.int32, dtypes.int16, dtypes.int8, dtypes.uint8)
"""Those that PyTorch convolves, the first one also the other way round."""


def _convolutions(make: Make) -> Iterator[Sample]:
    plain = {"transposed": False, "output_padding": (0,), "groups": 1}
    yield Sample(make(2, 2, 5), make(3, 2, 2), make(3), stride=(2,), padding=(1,), dilation=(1,), **plain)
    yield Sample(make(1, 2, 4), make(2, 2, 1), None, stride=(1,), padding=(0,), dilation=(1,), **plain)
    flat = {"stride": (1, 2), "padding": (1, 0), "dilation": (2, 1)}
    yield Sample(make(2, 2, 4, 4), make(4, 1, 2, 3), None, transposed=False, output_padding=(0, 0), groups=2, **flat)
    yield Sample(make(1, 4, 2, 3), make(4, 1, 2, 2), make(2), transposed=True, output_padding=(1, 1), groups=2, **flat)
    once = {"stride": (1,), "padding": (0,), "dilation": (1,)}
    yield Sample(make(2, 2, 3), make(2, 2, 2), make(2), transposed=True, output_padding=(0,), groups=1, **once)


@op(node="ConvolutionBackward0", promote="same", samples=_convolutions)
def convolved(
    xp: Any,
    input: Any,
    weight: Any,
    bias: Any = None,
    /,
    stride: tuple[int, ...] = (),
    padding: tuple[int, ...] = (),
    dilation: tuple[int, ...] = (),
    transposed: bool = False,
    output_padding: tuple[int, ...] = (),
    groups: int = 1,
) -> Any:
    """A convolution or its adjoint; all sizes are known to fit."""
    dtype = xp.np_dtype(input.dtype)
    if dtype.kind in "biu" and dtype not in (_INTEGERS[:1] if transposed else _INTEGERS):
        refuse_dtype("slow_conv_transpose" if transposed else "slow_conv", dtype)
    sliding = Sliding(stride, padding, dilation, groups)
    each = zip(input.shape[2:], weight.shape[2:], stride, padding, dilation, output_padding, strict=True)
    if transposed:
        sizes = [(n - 1) * s - 2 * p + d * (k - 1) + 1 + more for n, k, s, p, d, more in each]
        out = _correlating.spread(xp, input, weight, sliding, sizes)
    else:
        sizes = [window_count(*one) for *one, _ in each]
        out = _correlating.correlate(xp, input, weight, sliding, sizes)
    if bias is not None:
        out += xp.reshape(bias, (bias.shape[0],) + (1,) * len(stride))
    return out


@convolved.vjp("input")
def convolved_vjp_input(
    xp: Any,
    g: Any,
    input_shape: Any,
    weight: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    groups: int,
) -> Any:
    name = "convolution_features" if transposed else "convolution_image"
    return extra(xp, name, g, weight, Sliding(stride, padding, dilation, groups), tuple(input_shape[2:]))


@convolved.vjp("weight")
def convolved_vjp_weight(
    xp: Any,
    g: Any,
    input: Any,
    weight_shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    groups: int,
) -> Any:
    image, features = (g, input) if transposed else (input, g)
    sliding = Sliding(stride, padding, dilation, groups)
    return extra(xp, "convolution_kernel", image, features, sliding, tuple(weight_shape[2:]))


@convolved.vjp("bias")
def convolved_vjp_bias(xp: Any, g: Any) -> Any:
    return xp.sum(g, axis=(0, *range(2, len(g.shape))))


@convolved.jvp
def convolved_jvp(
    input: Any,
    weight: Any,
    input_t: Any,
    weight_t: Any,
    bias_t: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Any:
    params = (stride, padding, dilation, transposed, output_padding, groups)
    t = None if input_t is None else convolved(input_t, weight, bias_t, *params)
    if weight_t is not None:
        more = convolved(input, weight_t, bias_t if t is None else None, *params)
        t = more if t is None else t + more
    if t is None:
        t = bias_t.reshape((bias_t.shape[0],) + (1,) * len(stride))
    return t


@convolved.vmap
def convolved_vmap(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    size: int,
    batched: tuple[bool, ...],
) -> Any:
    params = (stride, padding, dilation, transposed, output_padding)
    if not size and batched[1]:
        weight, batched = weight.sum(0), (batched[0], False, batched[2])  # any weight will do
    if not batched[1]:
        # One weight for all elements: a larger batch of what is convolved.
        shared = bias is None or not batched[2]
        sizes = (size, input.shape[1] if batched[0] else input.shape[0])
        input = input if batched[0] else expanded(input, size)
        out = unfolded(convolved(folded(input), weight, bias if shared else None, *params, groups), sizes)
        return out if shared else out + bias.reshape((size, 1, bias.shape[1]) + (1,) * len(stride))
    # A weight for each: the elements are groups of channels.
    input = input if batched[0] else expanded(input, size)
    if bias is not None:
        bias = folded(bias if batched[2] else expanded(bias, size))
    out = convolved(folded(input, 1), folded(weight), bias, *params, groups * size)
    return unfolded(out, (size, out.shape[1] // size), 1)


def _products(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 2, 5), make(2, 3, 3), sizes=(2,), stride=(2,), padding=(1,), dilation=(1,), groups=1)
    flat = {"stride": (1, 2), "padding": (1, 0), "dilation": (2, 1)}
    yield Sample(make(2, 2, 4, 4), make(2, 4, 4, 1), sizes=(2, 3), groups=2, **flat)


@op(node="ConvolutionBackwardBackward0", multilinear=True, samples=_products)
def convolution_kernel(
    xp: Any, image: Any, features: Any, /, sizes: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """The gradient of a convolution in its weight, whose last dimensions have ``sizes``."""
    return _correlating.kernel_gradient(xp, image, features, Sliding(stride, padding, dilation, groups), sizes)


@convolution_kernel.vjp("image")
def convolution_kernel_vjp_image(
    xp: Any, g: Any, features: Any, image_shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    sliding = Sliding(stride, padding, dilation, groups)
    return extra(xp, "convolution_image", features, g, sliding, tuple(image_shape[2:]))


@convolution_kernel.vjp("features")
def convolution_kernel_vjp_features(
    xp: Any, g: Any, image: Any, features_shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    sliding = Sliding(stride, padding, dilation, groups)
    return extra(xp, "convolution_features", image, g, sliding, tuple(features_shape[2:]))


@convolution_kernel.vmap
def convolution_kernel_vmap(
    image: Any, features: Any, sizes: Any, stride: Any, padding: Any, dilation: Any, groups: int, size: int
) -> Any:
    if not size:
        one = convolution_kernel(image.sum(0), features.sum(0), sizes, stride, padding, dilation, groups)
        return expanded(one, 0)
    channels = features.shape[2]
    image, features = folded(image, 1), folded(features, 1)
    out = convolution_kernel(image, features, sizes, stride, padding, dilation, groups * size)
    return unfolded(out, (size, channels))


# The same three functions within rules: on arrays, and on tensors.

generic("convolution_features")(_correlating.correlate)
generic("convolution_image")(_correlating.spread)
generic("convolution_kernel")(_correlating.kernel_gradient)


@standard("convolution_features")
def _features(image: Tensor, kernel: Tensor, sliding: Sliding, sizes: Sequence[int]) -> Any:
    plain = (sliding.stride, sliding.padding, sliding.dilation, False, (0,) * len(sliding.stride), sliding.groups)
    out = convolved(image, kernel, None, *plain)
    # Windows that only an output_padding has made room for are no features.
    return out if tuple(out.shape[2:]) == tuple(sizes) else out[(..., *(slice(n) for n in sizes))]


@standard("convolution_image")
def _image(features: Tensor, kernel: Tensor, sliding: Sliding, sizes: Sequence[int]) -> Any:
    stride, padding, dilation, groups = sliding
    each = zip(sizes, features.shape[2:], kernel.shape[2:], stride, padding, dilation, strict=True)
    more = tuple([m - ((n - 1) * s - 2 * p + d * (k - 1) + 1) for m, n, k, s, p, d in each])
    return convolved(features, kernel, None, stride, padding, dilation, True, more, groups)


@standard("convolution_kernel")
def _kernel(image: Tensor, features: Tensor, sliding: Sliding, sizes: Sequence[int]) -> Any:
    return convolution_kernel(image, features, tuple(sizes), *sliding)


# Time first, channels last.


def _sequences(make: Make) -> Iterator[Sample]:
    yield Sample(make(4, 2, 3), make(2, 3, 2), make(2), pad=0)
    yield Sample(make(2, 1, 2), make(3, 2, 1), make(1), pad=1)


@op(node="ConvTbcBackward0", promote="same", samples=_sequences)
def convolved_tbc(xp: Any, input: Any, weight: Any, bias: Any, /, pad: int = 0) -> Any:
    """:func:`conv_tbc`."""
    image, kernel = xp.permute_dims(input, (1, 2, 0)), xp.permute_dims(weight, (2, 1, 0))
    length = image.shape[2] + 2 * pad - kernel.shape[2] + 1
    out = _correlating.correlate(xp, image, kernel, _along_time(pad), (length,))
    return xp.add(xp.copy(xp.permute_dims(out, (2, 0, 1))), bias)


@convolved_tbc.vjp("input")
def convolved_tbc_vjp_input(xp: Any, g: Any, input_shape: Any, weight: Any, pad: int) -> Any:
    features, kernel = xp.permute_dims(g, (1, 2, 0)), xp.permute_dims(weight, (2, 1, 0))
    image = extra(xp, "convolution_image", features, kernel, _along_time(pad), (input_shape[0],))
    return xp.permute_dims(image, (2, 0, 1))


@convolved_tbc.vjp("weight")
def convolved_tbc_vjp_weight(xp: Any, g: Any, input: Any, weight_shape: Any, pad: int) -> Any:
    image, features = xp.permute_dims(input, (1, 2, 0)), xp.permute_dims(g, (1, 2, 0))
    kernel = extra(xp, "convolution_kernel", image, features, _along_time(pad), (weight_shape[0],))
    return xp.permute_dims(kernel, (2, 1, 0))


@convolved_tbc.vjp("bias")
def convolved_tbc_vjp_bias(xp: Any, g: Any) -> Any:
    return xp.sum(g, axis=(0, 1))


@convolved_tbc.vmap
def convolved_tbc_vmap(input: Any, weight: Any, bias: Any, pad: int) -> Any:
    out = convolved_vmap(
        input.permute(0, 2, 3, 1), weight.permute(0, 3, 2, 1), bias, (1,), (pad,), (1,), False, (0,), 1,
        input.shape[0], (True, True, True),
    )  # fmt: skip
    return out.permute(0, 3, 1, 2)


def _along_time(pad: int) -> Sliding:
    return Sliding((1,), (pad,), (1,), 1)
