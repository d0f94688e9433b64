"""The mean and the largest of so many windows as the result is to have elements.

Of ``n`` windows along a dimension of ``size`` elements, window ``i`` has those from ``floor(i * size / n)`` up to
``ceil((i + 1) * size / n)``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore.op import op
from gradcore.ops._dims import as_integer
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.nn._maxima import Along, Part, largest, sliding_along
from gradcore.ops.nn._planes import chosen_in_planes
from gradcore.ops.nn._sums import spread_along, sums_along
from gradcore.ops.nn._windows import Window, in_single_precision
from gradcore.ops.reduction import mean
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
]

Sizes = int | None | Sequence[int | None]


def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """The means of ``output_size`` windows along the last dimension; see :func:`adaptive_avg_pool2d`."""
    name = "adaptive_avg_pool1d"
    input = as_tensor(input, name)
    sizes = _output_sizes(name, 1, input, output_size)
    return adaptive_avg_pool2d(input.unsqueeze(-2), (1, *sizes)).squeeze(-2)


def adaptive_avg_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    """The means of so many windows over the last two dimensions that the result has ``output_size``.

    Args:
        input: (N, C, S1, S2), or (C, S1, S2).
        output_size: one number, or one for each dimension; ``None``: that of ``input``.

    Raises:
        RuntimeError: a size that is not possible.
        TypeError: an operand that is no tensor, a size that is no integer.
    """
    return _adaptive_average(adaptive_average2d, 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    """The means of so many windows over the last three dimensions; see :func:`adaptive_avg_pool2d`."""
    return _adaptive_average(adaptive_average3d, 3, input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest elements of ``output_size`` windows along the last dimension; see :func:`adaptive_max_pool2d`."""
    both = adaptive_max_pool1d_with_indices(input, output_size)
    return both if return_indices else both[0]


def adaptive_max_pool2d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest elements of so many windows over the last two dimensions that the result has ``output_size``.

    Args:
        input: (N, C, S1, S2), or (C, S1, S2).
        output_size: one number, or one for each dimension; ``None``: that of ``input``.
        return_indices: give where the elements stand, too: their number in the last two dimensions.

    Raises:
        RuntimeError: a size that is not possible.
        TypeError: an operand that is no tensor, a size that is no integer.
    """
    both = adaptive_max_pool2d_with_indices(input, output_size)
    return both if return_indices else both[0]


def adaptive_max_pool3d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest elements of so many windows over the last three dimensions; see :func:`adaptive_max_pool2d`."""
    both = adaptive_max_pool3d_with_indices(input, output_size)
    return both if return_indices else both[0]


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Sizes, return_indices: bool = True
) -> tuple[Tensor, Tensor]:
    """:func:`adaptive_max_pool1d` with where the elements stand, whatever ``return_indices`` says, as in PyTorch."""
    name = "adaptive_max_pool1d"
    input = as_tensor(input, name)
    sizes = _output_sizes(name, 1, input, output_size)
    values, indices = adaptive_max_pool2d_with_indices(input.unsqueeze(-2), (1, *sizes))
    return values.squeeze(-2), indices.squeeze(-2)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Sizes, return_indices: bool = True
) -> tuple[Tensor, Tensor]:
    """:func:`adaptive_max_pool2d` with where the elements stand, whatever ``return_indices`` says, as in PyTorch."""
    return _adaptive_maxima(adaptive_max2d, 2, input, output_size)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Sizes, return_indices: bool = True
) -> tuple[Tensor, Tensor]:
    """:func:`adaptive_max_pool3d` with where the elements stand, whatever ``return_indices`` says, as in PyTorch."""
    return _adaptive_maxima(adaptive_max3d, 3, input, output_size)


# The operations.


def _planes(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 1, 4, 5), output_size=(2, 3))
    yield Sample(make(1, 4, 3), output_size=(2, 5))


def _solids(make: Make) -> Iterator[Sample]:
    yield Sample(make(1, 4, 3, 2), output_size=(3, 1, 2))


def _gradients(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 2, 3), sizes=(4, 5))
    yield Sample(make(1, 3, 1, 2), sizes=(4, 3, 2))


@op(node="AdaptiveAvgPool2DBackward0", linear=True, standard="adaptive_average2d", samples=_planes)
def adaptive_average2d(xp: Any, input: Any, /, output_size: tuple[int, ...]) -> Any:
    """The means of windows over the last two dimensions."""
    return _means(xp, input, output_size)


@op(node="AdaptiveAvgPool3DBackward0", linear=True, standard="adaptive_average3d", samples=_solids)
def adaptive_average3d(xp: Any, input: Any, /, output_size: tuple[int, ...]) -> Any:
    """The means of windows over the last three dimensions."""
    return _means(xp, input, output_size)


@op(node="AdaptiveAvgPool2DBackwardBackward0", linear=True, standard="adaptive_average_adjoint", samples=_gradients)
def adaptive_average_adjoint(xp: Any, g: Any, /, sizes: tuple[int, ...]) -> Any:
    """The adjoint of the means: each is shared among the elements of its window, in last dimensions of ``sizes``."""
    return _shares(xp, g, sizes)


def _means_rule(xp: Any, g: Any, input_shape: Any, output_size: tuple[int, ...]) -> Any:
    return extra(xp, "adaptive_average_adjoint", g, tuple(input_shape[len(input_shape) - len(output_size) :]))


adaptive_average2d.vjp("input")(_means_rule)
adaptive_average3d.vjp("input")(_means_rule)


@adaptive_average_adjoint.vjp("g")
def adaptive_average_adjoint_vjp(xp: Any, g: Any, g_shape: Any, sizes: tuple[int, ...]) -> Any:
    ndim = len(sizes)
    return extra(xp, f"adaptive_average{ndim}d", g, tuple(g_shape[len(g_shape) - ndim :]))


@op(node="AdaptiveMaxPool2DBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=_planes)
def adaptive_max2d(xp: Any, input: Any, /, output_size: tuple[int, ...]) -> Any:
    """The largest elements of windows over the last two dimensions, and their numbers there."""
    return _maxima(xp, input, output_size)


@op(node="AdaptiveMaxPool3DBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=_solids)
def adaptive_max3d(xp: Any, input: Any, /, output_size: tuple[int, ...]) -> Any:
    """The largest elements of windows over the last three dimensions, and their numbers there."""
    return _maxima(xp, input, output_size)


def _maxima_rule(xp: Any, g: Any, input_shape: Any, indices: Any, output_size: tuple[int, ...]) -> Any:
    return extra(xp, "added_in_planes", g, indices, tuple(input_shape[len(input_shape) - len(output_size) :]))


def _maxima_tangent(input_t: Any, indices: Any, output_size: tuple[int, ...]) -> Any:
    return chosen_in_planes(input_t, indices, len(output_size)), None


adaptive_max2d.vjp("input")(_maxima_rule)
adaptive_max3d.vjp("input")(_maxima_rule)
adaptive_max2d.jvp(_maxima_tangent)
adaptive_max3d.jvp(_maxima_tangent)


# All dimensions but the last ones are alike, so a batch is no other case.


@adaptive_average2d.vmap
def adaptive_average2d_vmap(input: Any, output_size: tuple[int, ...]) -> Any:
    return adaptive_average2d(input, output_size)


@adaptive_average3d.vmap
def adaptive_average3d_vmap(input: Any, output_size: tuple[int, ...]) -> Any:
    return adaptive_average3d(input, output_size)


@adaptive_average_adjoint.vmap
def adaptive_average_adjoint_vmap(g: Any, sizes: tuple[int, ...]) -> Any:
    return adaptive_average_adjoint(g, sizes)


@adaptive_max2d.vmap
def adaptive_max2d_vmap(input: Any, output_size: tuple[int, ...]) -> Any:
    return adaptive_max2d(input, output_size)


@adaptive_max3d.vmap
def adaptive_max3d_vmap(input: Any, output_size: tuple[int, ...]) -> Any:
    return adaptive_max3d(input, output_size)


# The same on arrays.


@functools.lru_cache(maxsize=1024)
def _bounds(size: int, count: int) -> tuple[tuple[int, int], ...]:
    """Where each window begins, and where it ends."""
    return tuple([(i * size // count, -((-(i + 1) * size) // count)) for i in range(count)])


@generic("adaptive_average2d")
@generic("adaptive_average3d")
def _means(xp: Any, x: Any, output_size: Sequence[int]) -> Any:
    dtype = x.dtype
    x = in_single_precision(xp, x)
    for axis, count in _axes(x, output_size):
        lengths = _lengths(xp, x, axis, x.shape[axis], count)
        x = xp.divide(_sums(xp, x, axis, count), lengths)
    return x if x.dtype == dtype else xp.astype(x, dtype)


@generic("adaptive_average_adjoint")
def _shares(xp: Any, g: Any, sizes: Sequence[int]) -> Any:
    dtype = g.dtype
    g = in_single_precision(xp, g)
    for axis, size in _axes(g, sizes):
        # An element is in those windows that reach over it, and these are the ones that adaptive windows the other way
        # round would have.
        g = _sums(xp, xp.divide(g, _lengths(xp, g, axis, size, g.shape[axis])), axis, size)
    return g if g.dtype == dtype else xp.astype(g, dtype)


def _axes(x: Any, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """The last axes, from the last one on, and their new sizes."""
    return [(len(x.shape) - i, n) for i, n in enumerate(reversed(sizes), 1)]


def _lengths(xp: Any, x: Any, axis: int, size: int, count: int) -> Any:
    """How many elements the windows along an axis have."""
    if count and size % count == 0:
        return xp.number(float(size // count), x.dtype)
    lengths = xp.asarray([float(b - a) for a, b in _bounds(size, count)], dtype=x.dtype)
    return xp.reshape(lengths, (count,) + (1,) * (len(x.shape) - axis - 1))


def _sums(xp: Any, x: Any, axis: int, count: int) -> Any:
    """The sums over ``count`` windows along an axis."""
    size = x.shape[axis]
    if size == count:
        return x
    if count == 0 or 0 in x.shape:
        return xp.zeros((*x.shape[:axis], count, *x.shape[axis + 1 :]), dtype=x.dtype)
    if size % count == 0:
        return sums_along(xp, x, axis, _alike(size, count))
    if count % size == 0:
        return spread_along(xp, x, axis, _alike(count, size))
    bounds = _bounds(size, count)
    total: Any = None
    for k in range(max(b - a for a, b in bounds)):
        inside = [a + k < b for a, b in bounds]
        part = xp.take(x, xp.asarray([min(a + k, b - 1) for a, b in bounds]), axis=axis)
        if not all(inside):
            mask = xp.reshape(xp.asarray(inside), (count,) + (1,) * (len(x.shape) - axis - 1))
            part = xp.where(mask, part, xp.zeros((), dtype=x.dtype))
        total = part if total is None else xp.add(total, part)
    return total


def _alike(size: int, count: int) -> Window:
    """Windows without gap or overlap."""
    length = size // count
    return Window(size, length, length, 0, 1, count)


def _maxima(xp: Any, x: Any, output_size: Sequence[int]) -> tuple[Any, Any]:
    ndim = len(output_size)
    if 0 in output_size:
        shape = (*x.shape[: len(x.shape) - ndim], *output_size)
        return xp.zeros(shape, dtype=x.dtype), xp.zeros(shape, dtype=xp.int64)
    sizes = x.shape[len(x.shape) - ndim :]
    return largest(xp, x, [_along(*each) for each in zip(sizes, output_size, strict=True)])


def _along(size: int, count: int) -> Along:
    if size % count == 0:
        return sliding_along(_alike(size, count))
    bounds = _bounds(size, count)
    # A shorter window has its last element again.
    longest = max(b - a for a, b in bounds)
    parts = [Part(k, 0, count, [min(a + k, b - 1) for a, b in bounds]) for k in range(longest)]
    return Along([a for a, _ in bounds], 1, [b - 1 for _, b in bounds], parts)


# What is pooled.


def _adaptive_average(operation: Any, ndim: int, input: Any, output_size: Any) -> Tensor:
    name = f"adaptive_avg_pool{ndim}d"
    x = as_tensor(input, name)
    sizes = _output_sizes(name, ndim, x, output_size)
    _check(name, ndim, x, sizes)
    if sizes == (1,) * ndim:
        return mean(x, tuple(range(-1, -ndim - 1, -1)), keepdim=True)
    return operation(x, sizes)  # type: ignore[no-any-return]


def _adaptive_maxima(operation: Any, ndim: int, input: Any, output_size: Any) -> tuple[Tensor, Tensor]:
    name = f"adaptive_max_pool{ndim}d"
    x = as_tensor(input, name)
    sizes = _output_sizes(name, ndim, x, output_size)
    _check(name, ndim, x, sizes)
    return operation(x, sizes)  # type: ignore[no-any-return]


def _output_sizes(name: str, ndim: int, input: Tensor, output_size: Any) -> tuple[int, ...]:
    given = list(output_size) if isinstance(output_size, (tuple, list)) else [output_size] * ndim
    if len(given) != ndim:
        raise RuntimeError(f"{name}: output_size must be {ndim}, but got {len(given)} numbers: {output_size!r}")
    if ndim > 1 and isinstance(output_size, (tuple, list)) and input.ndim <= ndim:
        raise ValueError(f"Input dimension should be at least {ndim + 1}, but got {input.ndim} ({name})")
    own = input.shape[max(input.ndim - ndim, 0) :]
    return tuple([own[i] if n is None else as_integer(n, "output_size") for i, n in enumerate(given)])


def _check(name: str, ndim: int, input: Tensor, sizes: Sequence[int]) -> None:
    if input.ndim not in (ndim + 1, ndim + 2):
        raise RuntimeError(f"{name}(): Expected {ndim + 1}D or {ndim + 2}D tensor, but got {list(input.shape)}")
    if 0 in input.shape[input.ndim - ndim - (0 if "avg" in name else 1) :]:
        raise RuntimeError(
            f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {list(input.shape)}"
        )
    if min(sizes) < 0:
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0, but got {tuple(sizes)}"
        )
    if input.dtype.kind in "biuc":
        refuse_dtype(name, input.dtype)
