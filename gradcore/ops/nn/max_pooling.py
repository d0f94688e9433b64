"""The largest element of every window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops._extra import extra
from gradcore.ops._indices import int_samples
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.nn._maxima import largest, sliding_along
from gradcore.ops.nn._planes import chosen_in_planes
from gradcore.ops.nn._windows import integers, pooling_windows, windows_of
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool2d_with_indices_backward",
    "max_pool3d",
    "max_pool3d_with_indices",
]

Sizes = int | Sequence[int]


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window along the last dimension; see :func:`max_pool2d`."""
    both = max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return both if return_indices else both[0]


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window over the last two dimensions.

    Of equal elements the first is taken, and gets the gradient; NaN counts as largest.

    Args:
        input: (N, C, S1, S2), or (C, S1, S2).
        kernel_size: of the windows.
        stride: from one window to the next; that is ``kernel_size`` where it is not given.
        padding: places before and after each dimension, where there is no element.
        dilation: between the elements of a window.
        ceil_mode: the last window may reach beyond the end.
        return_indices: give where the elements stand, too: their number in the last two dimensions.

    Raises:
        NotImplementedError: complex numbers have no order.
        RuntimeError: a parameter that is not possible, or an input that is too small.
        TypeError: an operand that is no tensor, a parameter that is no integer.
    """
    both = max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return both if return_indices else both[0]


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window over the last three dimensions; see :func:`max_pool2d`."""
    both = max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return both if return_indices else both[0]


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Tensor, Tensor]:
    """:func:`max_pool1d` with where the elements stand, whatever ``return_indices`` says, as in PyTorch."""
    x, (kernel, stride, padding, dilation), ceil = _parameters(
        "max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode
    )
    values, indices = max2d(x.unsqueeze(-2), (1, *kernel), (1, *stride), (0, *padding), (1, *dilation), ceil)
    return values.squeeze(-2), indices.squeeze(-2)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Tensor, Tensor]:
    """:func:`max_pool2d` with where the elements stand, whatever ``return_indices`` says, as in PyTorch."""
    x, sizes, ceil = _parameters("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode)
    return max2d(x, *sizes, ceil)  # type: ignore[no-any-return]


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Tensor, Tensor]:
    """:func:`max_pool3d` with where the elements stand, whatever ``return_indices`` says, as in PyTorch."""
    x, sizes, ceil = _parameters("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode)
    return max3d(x, *sizes, ceil)  # type: ignore[no-any-return]


def max_pool2d_with_indices_backward(
    grad_output: Tensor,
    self: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """The gradient of :func:`max_pool2d` in its input: ``grad_output`` at ``indices``, in the shape of ``self``.

    Raises:
        RuntimeError: the shapes are not those that :func:`max_pool2d` gives for these parameters.
    """
    name = "max_pool2d_with_indices_backward"
    x, (kernel, step, pad, apart), ceil = _parameters(name, 2, self, kernel_size, stride, padding, dilation, ceil_mode)
    g, at = as_tensor(grad_output, name, "grad_output"), as_tensor(indices, name, "indices", 8)
    expected = (*x.shape[:-2], *(w.stops for w in windows_of(x.shape[-2:], kernel, step, pad, apart, ceil)))
    for what, found in (("grad_output", g), ("indices", at)):
        if tuple(found.shape) != expected:
            raise RuntimeError(f"{name}: Expected {what} of shape {list(expected)}, but got {list(found.shape)}")
    return max2d_gradient(g, x, at)  # type: ignore[no-any-return]


# The operations.


def _planes(make: Make) -> Iterator[Sample]:
    plain: dict[str, Any] = {"ceil_mode": False}
    yield Sample(make(2, 1, 4, 5), kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1), **plain)
    yield Sample(make(1, 4, 5), kernel_size=(3, 2), stride=(1, 2), padding=(1, 1), dilation=(1, 2), **plain)
    plain = {"ceil_mode": True}
    yield Sample(make(2, 4, 4), kernel_size=(3, 3), stride=(2, 2), padding=(1, 0), dilation=(1, 1), **plain)


def _solids(make: Make) -> Iterator[Sample]:
    yield Sample(
        make(1, 4, 3, 4),
        kernel_size=(2, 2, 3),
        stride=(2, 1, 1),
        padding=(0, 1, 1),
        dilation=(1, 1, 1),
        ceil_mode=False,
    )


@op(
    node="MaxPool2DWithIndicesBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=_planes
)
def max2d(
    xp: Any,
    input: Any,
    /,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> Any:
    """The largest elements of windows over the last two dimensions, and their numbers there."""
    return _maxima(xp, input, kernel_size, stride, padding, dilation, ceil_mode)


@op(
    node="MaxPool3DWithIndicesBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=_solids
)
def max3d(
    xp: Any,
    input: Any,
    /,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> Any:
    """The largest elements of windows over the last three dimensions, and their numbers there."""
    return _maxima(xp, input, kernel_size, stride, padding, dilation, ceil_mode)


def _maxima_rule(xp: Any, g: Any, input_shape: Any, indices: Any, kernel_size: Any, stride: Any, dilation: Any) -> Any:
    apart = all(s > d * (k - 1) for k, s, d in zip(kernel_size, stride, dilation, strict=True))
    return extra(xp, "added_in_planes", g, indices, tuple(input_shape[len(input_shape) - len(kernel_size) :]), apart)


def _maxima_tangent(input_t: Any, indices: Any, kernel_size: Any) -> Any:
    return chosen_in_planes(input_t, indices, len(kernel_size)), None


max2d.vjp("input")(_maxima_rule)
max3d.vjp("input")(_maxima_rule)
max2d.jvp(_maxima_tangent)
max3d.jvp(_maxima_tangent)


@max2d.vmap
def max2d_vmap(input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    return max2d(input, kernel_size, stride, padding, dilation, ceil_mode)


@max3d.vmap
def max3d_vmap(input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    return max3d(input, kernel_size, stride, padding, dilation, ceil_mode)


def _chosen(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 1, 2), make(2, 2, 3), int_samples(make, [[[5, 0]], [[1, 1]]]))


@op(node="MaxPool2DWithIndicesBackwardBackward0", samples=_chosen)
def max2d_gradient(xp: Any, grad_output: Any, input: Any, indices: Any, /) -> Any:
    """The gradient of :func:`max2d`, which depends on the values of ``input`` by the indices alone."""
    return extra(xp, "added_in_planes", grad_output, indices, tuple(input.shape[len(input.shape) - 2 :]))


@max2d_gradient.vjp("grad_output")
def max2d_gradient_vjp(xp: Any, g: Any, indices: Any) -> Any:
    return extra(xp, "chosen_in_planes", g, indices, 2)


@max2d_gradient.vjp("input")
def max2d_gradient_vjp_input(xp: Any, g: Any, input_shape: Any) -> Any:
    return xp.zeros(tuple(input_shape), dtype=g.dtype)


@max2d_gradient.jvp
def max2d_gradient_jvp(xp: Any, grad_output_t: Any, input: Any, indices: Any) -> Any:
    if grad_output_t is None:
        return xp.zeros(tuple(input.shape), dtype=input.dtype)
    return max2d_gradient(grad_output_t, input, indices)


@max2d_gradient.vmap
def max2d_gradient_vmap(grad_output: Any, input: Any, indices: Any) -> Any:
    return max2d_gradient(grad_output, input, indices)


def _maxima(
    xp: Any,
    x: Any,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> tuple[Any, Any]:
    sizes = x.shape[len(x.shape) - len(kernel_size) :]
    windows = windows_of(sizes, kernel_size, stride, padding, dilation, ceil_mode)
    return largest(xp, x, [sliding_along(w) for w in windows])


def _parameters(
    name: str,
    ndim: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
) -> tuple[Any, tuple[tuple[int, ...], ...], bool]:
    """The input and the parameters of a pooling, checked."""
    x = as_tensor(input, name)
    kernel = integers(kernel_size, ndim, name, "kernel_size")
    empty = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    stride = kernel if empty else integers(stride, ndim, name, "stride")
    padding, dilation = integers(padding, ndim, name, "padding"), integers(dilation, ndim, name, "dilation")
    pooling_windows(name, x.shape, kernel, stride, padding, dilation, bool(ceil_mode))
    if x.dtype.kind in "bc" or x.dtype in (dtypes.uint16, dtypes.uint32, dtypes.uint64):
        refuse_dtype(name, x.dtype)
    return x, (kernel, stride, padding, dilation), bool(ceil_mode)
