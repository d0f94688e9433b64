"""The arithmetic of convolutions on arrays, by products of matrices.

Three functions are the derivatives of one another, all of one form that is linear in an ``image`` (N, C, S...), a
``kernel`` (O, C / groups, K...) and ``features`` (N, O, L...): :func:`correlate` gives features, :func:`spread` an image,
:func:`kernel_gradient` a kernel.

The windows of the image are copied into the rows of a matrix (K. Chellapilla, S. Puri, P. Simard: High performance
convolutional neural networks for document processing, 2006). Not along the first spatial dimension, where possible: windows that
overlap there are overlapping parts of one matrix, each with all its rows (M. Cho, D. Brand: MEC, memory-efficient convolution for
deep neural networks, ICML 2017). That copies, and reads, as many times less as the kernel is long there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from gradcore.ops.nn._windows import Window, framed, in_single_precision, positions

__all__ = ["Sliding", "correlate", "kernel_gradient", "spread"]

WIDE = 192
"""So many columns make a product of matrices worth its call."""

MANY = 1 << 24
"""More products than these are not to be kept at once, where there is another way."""


class Sliding(NamedTuple):
    """How the kernel of a convolution slides over the image."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def windows(self, image: Sequence[int], kernel: Sequence[int], features: Sequence[int]) -> tuple[Window, ...]:
        """The windows, from the sizes of the last dimensions."""
        each = zip(image, kernel, self.stride, self.padding, self.dilation, features, strict=True)
        return tuple([Window(*sizes) for sizes in each])


def correlate(xp: Any, image: Any, kernel: Any, sliding: Sliding, sizes: Sequence[int]) -> Any:
    """The features: the sum over each window of the image times the kernel.

    Args:
        xp: the namespace.
        image: (N, C, S...).
        kernel: (O, C / groups, K...).
        sliding: how the kernel slides.
        sizes: of the last dimensions of the features.
    """
    groups, channels = sliding.groups, kernel.shape[0]
    windows = sliding.windows(image.shape[2:], kernel.shape[2:], sizes)
    if image.dtype != (wide := in_single_precision(xp, image)).dtype:
        return xp.astype(correlate(xp, wide, in_single_precision(xp, kernel), sliding, sizes), image.dtype)
    kernel = xp.reshape(kernel, (groups, channels // groups, *kernel.shape[1:]))
    return _correlated(xp, image, kernel, windows)


def spread(xp: Any, features: Any, kernel: Any, sliding: Sliding, sizes: Sequence[int]) -> Any:
    """The image in which every feature stands as the kernel times it, the adjoint of :func:`correlate` in the image.

    Args:
        xp: the namespace.
        features: (N, O, L...).
        kernel: (O, C / groups, K...).
        sliding: how the kernel slides.
        sizes: of the last dimensions of the image.
    """
    if features.dtype != (wide := in_single_precision(xp, features)).dtype:
        return xp.astype(spread(xp, wide, in_single_precision(xp, kernel), sliding, sizes), features.dtype)
    windows = sliding.windows(sizes, kernel.shape[2:], features.shape[2:])
    groups, per_group, channels = sliding.groups, kernel.shape[0] // sliding.groups, kernel.shape[1]
    kernel = xp.reshape(kernel, (groups, per_group, *kernel.shape[1:]))
    if all(w.trivial for w in windows):
        return _pointwise(xp, features, xp.permute_dims(kernel, (0, 2, 1, *range(3, len(kernel.shape)))))
    products = groups * channels * math.prod(kernel.shape[3:]) * _columns(features.shape[0], windows)
    if all(w.stride == 1 for w in windows) and (per_group <= channels or products > MANY):
        # The same, with less memory, as correlating the features, framed with zeros, with the kernel the other way round.
        low = [w.dilation * (w.kernel - 1) - w.padding for w in windows]
        high = [w.size - w.stops + w.padding for w in windows]
        turned = tuple(range(3, len(kernel.shape)))
        kernel = xp.permute_dims(xp.flip(kernel, axis=turned), (0, 2, 1, *turned))
        back = [Window(w.size + w.dilation * (w.kernel - 1), w.kernel, 1, 0, w.dilation, w.size) for w in windows]
        return _correlated(xp, framed(xp, features, low, high), kernel, back)
    return _added_up(xp, features, kernel, windows)


def kernel_gradient(xp: Any, image: Any, features: Any, sliding: Sliding, sizes: Sequence[int]) -> Any:
    """The kernel whose product with another is that of ``features`` with what :func:`correlate` makes by the other.

    Args:
        xp: the namespace.
        image: (N, C, S...).
        features: (N, O, L...).
        sliding: how the kernel slides.
        sizes: of the last dimensions of the kernel.
    """
    groups = sliding.groups
    shape = (features.shape[1], image.shape[1] // groups, *sizes)
    if 0 in features.shape or 0 in shape:
        return xp.zeros(shape, dtype=image.dtype)
    if image.dtype != (wide := in_single_precision(xp, image)).dtype:
        gradient = kernel_gradient(xp, wide, in_single_precision(xp, features), sliding, sizes)
        return xp.astype(gradient, image.dtype)
    windows = sliding.windows(image.shape[2:], sizes, features.shape[2:])
    per_row = _columns(image.shape[0], windows[1:])
    rows = _rows(xp, image, groups, windows, overlap=per_row >= max(WIDE, features.shape[1] // groups))
    matrix = _features_as_matrices(xp, features, groups, rows.shape[1])
    found = xp.matmul(matrix, xp.matrix_transpose(rows))
    found = xp.reshape(found, found.shape[:1] + found.shape[2:]) if found.shape[1] == 1 else xp.sum(found, axis=1)
    # Rows stand in the order (K0, C, K1...), see _rows.
    ndim = len(sizes)
    found = xp.reshape(found, (shape[0], sizes[0], shape[1], *sizes[1:]))
    return xp.copy(xp.permute_dims(found, (0, 2, 1, *range(3, ndim + 2)))) if sizes[0] > 1 else xp.reshape(found, shape)


def _correlated(xp: Any, image: Any, kernel: Any, windows: Sequence[Window]) -> Any:
    """:func:`correlate` with a kernel (groups, O / groups, C / groups, K...) that may be a view."""
    groups, per_group = kernel.shape[:2]
    n, counts = image.shape[0], tuple([w.stops for w in windows])
    shape = (n, groups * per_group, *counts)
    if 0 in shape or 0 in kernel.shape:
        return xp.zeros(shape, dtype=image.dtype)
    if all(w.trivial for w in windows):
        return _pointwise(xp, image, kernel)
    rows = _rows(xp, image, groups, windows, overlap=_columns(n, windows[1:]) >= WIDE)
    matrix = xp.permute_dims(kernel, (0, 1, 3, 2, *range(4, len(kernel.shape))))
    matrix = xp.reshape(matrix, (groups, 1, per_group, math.prod(kernel.shape[2:])))
    found = xp.matmul(matrix, rows)
    steps = rows.shape[1]
    found = xp.reshape(found, (groups, steps, per_group, n, math.prod(counts) // steps))
    return xp.reshape(xp.copy(xp.permute_dims(found, (3, 0, 2, 1, 4))), shape)


def _columns(n: int, windows: Sequence[Window]) -> int:
    return n * math.prod([w.stops for w in windows])


def _pointwise(xp: Any, image: Any, kernel: Any) -> Any:
    """A product of matrices for each element of the batch, where every element of the image is a window."""
    groups, per_group, channels = kernel.shape[:3]
    n, spatial = image.shape[0], image.shape[2:]
    image = xp.reshape(image, (n, groups, channels, math.prod(spatial)))
    found = xp.matmul(xp.reshape(kernel, (groups, per_group, channels)), image)
    return xp.reshape(found, (n, groups * per_group, *spatial))


def _rows(xp: Any, image: Any, groups: int, windows: Sequence[Window], overlap: bool) -> Any:
    """The windows of an image as matrices: (groups, steps, K0 * C / groups * K1 ..., columns).

    With ``overlap`` there is one for each place of the first window, and they share memory; else one for all. Its columns are the
    elements of the batch and the places of the (other) windows.
    """
    padding = [w.padding for w in windows]
    image = framed(xp, image, padding, padding)
    if not xp.is_contiguous(image):
        image = xp.copy(image)
    first, *others = windows
    n, channels = image.shape[0], image.shape[1] // groups
    of_n, of_c, of_first, *of_others = xp.strides(image)
    kernels, places = [w.kernel for w in others], [w.stops for w in others]
    within = [s * w.dilation for s, w in zip(of_others, others, strict=True)]
    between = [s * w.stride for s, w in zip(of_others, others, strict=True)]
    height, columns = channels * math.prod(kernels), n * math.prod(places)
    if overlap and first.dilation == 1 and first.stops > 1:
        length = (first.stops - 1) * first.stride + first.kernel
        every = xp.as_strided(
            image,
            (groups, length, channels, *kernels, n, *places),
            (of_c * channels, of_first, of_c, *within, of_n, *between),
        )
        size = height * columns
        return xp.as_strided(
            xp.copy(every),
            (groups, first.stops, first.kernel * height, columns),
            (length * size, first.stride * size, columns, 1),
        )
    every = xp.as_strided(
        image,
        (groups, first.kernel, channels, *kernels, n, first.stops, *places),
        (of_c * channels, of_first * first.dilation, of_c, *within, of_n, of_first * first.stride, *between),
    )
    return xp.reshape(xp.copy(every), (groups, 1, first.kernel * height, columns * first.stops))


def _features_as_matrices(xp: Any, features: Any, groups: int, steps: int) -> Any:
    """Features as the matrices that belong to :func:`_rows`: (groups, steps, O / groups, columns)."""
    n, channels = features.shape[:2]
    matrix = xp.reshape(features, (n, groups, channels // groups, steps, -1))
    matrix = xp.copy(xp.permute_dims(matrix, (1, 3, 2, 0, 4)))
    return xp.reshape(matrix, (*matrix.shape[:3], -1))


def _added_up(xp: Any, features: Any, kernel: Any, windows: Sequence[Window]) -> Any:
    """:func:`spread` by adding the products of all features with each element of the kernel where they belong.

    The batch is the last dimension meanwhile, so that what is added lies in long runs.
    """
    groups, per_group, channels = kernel.shape[:3]
    n, counts = features.shape[0], tuple([w.stops for w in windows])
    sizes, kernels = tuple([w.size for w in windows]), tuple([w.kernel for w in windows])
    shape = (n, groups * channels, *sizes)
    if 0 in shape or 0 in features.shape or 0 in kernel.shape:
        return xp.zeros(shape, dtype=features.dtype)
    matrix = xp.permute_dims(kernel, (0, *range(3, len(kernel.shape)), 2, 1))
    matrix = xp.reshape(matrix, (groups, math.prod(kernels) * channels, per_group))
    last = _with_batch_last(xp, features)
    products = xp.matmul(matrix, xp.reshape(last, (groups, per_group, math.prod(counts) * n)))
    products = xp.reshape(products, (groups, *kernels, channels, *counts, n))
    image = xp.zeros((groups, channels, *sizes, n), dtype=features.dtype)
    every = slice(None)
    for numbers, places, at in positions(windows):
        part = xp.getitem(image, (every, every, *at, every))
        part += xp.getitem(products, (every, *numbers, every, *places, every))
    image = xp.reshape(image, (math.prod(shape[1:]), n))
    return xp.reshape(xp.copy(xp.permute_dims(image, (1, 0))) if n > 1 else image, shape)


def _with_batch_last(xp: Any, x: Any) -> Any:
    """(N, ...) as (..., N), row-major."""
    n = x.shape[0]
    rows = xp.reshape(x, (n, math.prod(x.shape[1:])))
    return xp.copy(xp.permute_dims(rows, (1, 0))) if n > 1 else xp.reshape(rows, (rows.shape[1], 1))
