"""The largest elements of windows whose distances are irregular.

B. Graham: Fractional max-pooling, arXiv:1412.6071, 2014: windows of equal size whose beginnings are the multiples of a
fraction, shifted by a random number and cut to integers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore.op import op
from gradcore.ops._extra import extra
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.nn._planes import chosen_in_planes, flat_planes
from gradcore.ops.nn._windows import integers
from gradcore.random import rand
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]

Sizes = int | Sequence[int]


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest element of each window over the last two dimensions; the windows are irregular, and random.

    Args:
        input: (N, C, S1, S2), or (C, S1, S2).
        kernel_size: of the windows.
        output_size: how many windows there are along each dimension.
        output_ratio: the same as a part of the size of ``input``.
        return_indices: give where the elements stand, too: their number in the last two dimensions.
        _random_samples: (N, C, 2), numbers in [0, 1) that shift the windows, instead of random ones.

    Raises:
        RuntimeError: sizes that do not fit.
        ValueError: neither ``output_size`` nor ``output_ratio`` is given.
    """
    both = fractional_max_pool2d_with_indices(input, kernel_size, output_size, output_ratio, True, _random_samples)
    return both if return_indices else both[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The same over the last three dimensions; see :func:`fractional_max_pool2d`."""
    both = fractional_max_pool3d_with_indices(input, kernel_size, output_size, output_ratio, True, _random_samples)
    return both if return_indices else both[0]


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = True,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """:func:`fractional_max_pool2d` with where the elements stand, whatever ``return_indices`` says, as in PyTorch."""
    return _pooled(fractional_max2d, 2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = True,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """:func:`fractional_max_pool3d` with where the elements stand, whatever ``return_indices`` says, as in PyTorch."""
    return _pooled(fractional_max3d, 3, input, kernel_size, output_size, output_ratio, _random_samples)


def _planes(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 2, 5, 6), _shifts(make, 2, 2, 2), kernel_size=(2, 3), output_size=(3, 2))
    yield Sample(make(2, 3, 3), _shifts(make, 1, 2, 2), kernel_size=(2, 2), output_size=(1, 2))


def _solids(make: Make) -> Iterator[Sample]:
    yield Sample(make(1, 2, 4, 3, 3), _shifts(make, 1, 2, 3), kernel_size=(2, 1, 2), output_size=(2, 2, 1))


def _shifts(make: Make, *shape: int) -> Any:
    return make.of(make.rng.random(shape))


@op(
    node="FractionalMaxPool2DBackward0",
    outputs=("values", "indices"),
    nondifferentiable=("indices",),
    samples=_planes,
)
def fractional_max2d(xp: Any, input: Any, shifts: Any, /, kernel_size: tuple[int, ...], output_size: Any) -> Any:
    """The largest elements of irregular windows over the last two dimensions, and their numbers there."""
    return _maxima(xp, input, shifts, kernel_size, output_size)


@op(
    node="FractionalMaxPool3DBackward0",
    outputs=("values", "indices"),
    nondifferentiable=("indices",),
    samples=_solids,
)
def fractional_max3d(xp: Any, input: Any, shifts: Any, /, kernel_size: tuple[int, ...], output_size: Any) -> Any:
    """The largest elements of irregular windows over the last three dimensions, and their numbers there."""
    return _maxima(xp, input, shifts, kernel_size, output_size)


def _maxima_rule(xp: Any, g: Any, input_shape: Any, indices: Any, kernel_size: Any) -> Any:
    return extra(xp, "added_in_planes", g, indices, tuple(input_shape[len(input_shape) - len(kernel_size) :]))


def _maxima_tangent(input_t: Any, indices: Any, kernel_size: Any) -> Any:
    return chosen_in_planes(input_t, indices, len(kernel_size)), None


fractional_max2d.vjp("input")(_maxima_rule)
fractional_max3d.vjp("input")(_maxima_rule)
fractional_max2d.jvp(_maxima_tangent)
fractional_max3d.jvp(_maxima_tangent)


@fractional_max2d.vmap
def fractional_max2d_vmap(input: Any, shifts: Any, kernel_size: Any, output_size: Any) -> Any:
    return fractional_max2d(input, shifts, kernel_size, output_size)


@fractional_max3d.vmap
def fractional_max3d_vmap(input: Any, shifts: Any, kernel_size: Any, output_size: Any) -> Any:
    return fractional_max3d(input, shifts, kernel_size, output_size)


def _maxima(xp: Any, x: Any, shifts: Any, kernel_size: Sequence[int], output_size: Sequence[int]) -> tuple[Any, Any]:
    ndim = len(kernel_size)
    lead, sizes = x.shape[: len(x.shape) - ndim], x.shape[len(x.shape) - ndim :]
    planes = flat_planes(xp, x, ndim)
    count = planes.shape[0]
    shifts = xp.reshape(shifts, (count, ndim))
    # The number, in its plane, of the first element of each window.
    numbers: Any = xp.zeros((count,) + (1,) * ndim, dtype=xp.int64)
    steps = [1] * ndim
    for i in reversed(range(ndim)):
        if i < ndim - 1:
            steps[i] = steps[i + 1] * sizes[i + 1]
        which = i if ndim == 3 else ndim - 1 - i  # PyTorch has them in this order
        shift = xp.getitem(shifts, (slice(None), slice(which, which + 1)))
        begins = _beginnings(xp, shift, sizes[i], kernel_size[i], output_size[i])
        begins = xp.reshape(begins, (count,) + (1,) * i + (output_size[i],) + (1,) * (ndim - i - 1))
        numbers = xp.add(numbers, xp.multiply(begins, steps[i]))
    shape = numbers.shape
    numbers = xp.reshape(numbers, (count, -1)) if count else xp.zeros((0, 0), dtype=xp.int64)
    best: Any = None
    for each in itertools.product(*map(range, kernel_size)):
        at = xp.add(numbers, sum([k * s for k, s in zip(each, steps, strict=True)]))
        new = xp.take_along_axis(planes, at, axis=1)
        if best is None:
            best, found = new, at
            continue
        larger = xp.logical_or(xp.greater(new, best), xp.isnan(new))
        best, found = xp.where(larger, new, best), xp.where(larger, at, found)
    shape = (*lead, *shape[1:])
    return xp.reshape(best, shape), xp.reshape(found, shape)


def _beginnings(xp: Any, shift: Any, size: int, kernel: int, count: int) -> Any:
    """Where the windows along a dimension begin: a row for each row of ``shift``."""
    last = xp.zeros((shift.shape[0], 1), dtype=xp.int64) + (size - kernel)
    if count == 1:
        return last
    dtype = shift.dtype
    fraction = xp.divide(xp.asarray(size - kernel, dtype=dtype), xp.asarray(count - 1, dtype=dtype))
    places = xp.add(xp.astype(xp.arange(count - 1), dtype), shift)
    before = [xp.astype(xp.multiply(x, fraction), xp.int64) for x in (places, shift)]
    return xp.concat([xp.subtract(*before), last], axis=1)


def _pooled(
    operation: Any, ndim: int, input: Any, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Any
) -> tuple[Tensor, Tensor]:
    name = f"fractional_max_pool{ndim}d"
    x = as_tensor(input, name)
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    kernel = integers(kernel_size, ndim, name, "kernel_size")
    if x.ndim not in (ndim + 1, ndim + 2) or 0 in x.shape[x.ndim - ndim - 1 :]:
        raise RuntimeError(
            f"{name}: Expected {ndim + 1}D or {ndim + 2}D tensor with non-zero size for non-batch dimensions, but got: "
            f"{list(x.shape)}"
        )
    sizes = x.shape[x.ndim - ndim :]
    if output_size is None:
        ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * ndim
        output_size = [int(n * r) for n, r in zip(sizes, ratios, strict=True)]
    output = integers(output_size, ndim, name, "output_size")
    for n, k, m in zip(sizes, kernel, output, strict=True):
        # In three dimensions PyTorch wants one element more.
        if k < 1 or m < 1 or m + k - 1 > n - (ndim == 3):
            raise RuntimeError(
                f"{name}(): pool size {k} too large relative to input size {n} for an output of size {m}, or not positive"
            )
    if x.dtype.kind in "biuc":
        refuse_dtype(name, x.dtype)
    planes = (x.shape[0] if x.ndim == ndim + 2 else 1, x.shape[-ndim - 1])
    if samples is None:
        samples = rand(*planes, ndim, dtype=x.dtype, device=x.device)
    samples = as_tensor(samples, name, "_random_samples", 6)
    if samples.dtype != x.dtype:
        raise RuntimeError(f"{name}: Expect _random_samples to have the same dtype as input")
    if samples.ndim != 3 or samples.shape[0] < planes[0] or samples.shape[1] < planes[1] or samples.shape[2] < ndim:
        raise RuntimeError(
            f"{name}: Expect _random_samples to have shape {[*planes, ndim]}, but got {list(samples.shape)}"
        )
    if tuple(samples.shape) != (*planes, ndim):
        samples = samples[: planes[0], : planes[1], :ndim]
    return operation(x, samples, kernel, output)  # type: ignore[no-any-return]
