"""Images sampled at the points of a grid, and the grids of affine maps.

A point lies between the elements of the image; its value is a sum of those around it with weights, one factor of which comes
from each spatial dimension. Where a point lies outside, the padding says what is there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gradcore import dtypes
from gradcore.op import OpFunction, op
from gradcore.ops._batching import folded
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.shape import ALL
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["affine_grid", "grid_sample", "grid_sampler_2d", "grid_sampler_3d"]

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")
_BILINEAR, _NEAREST, _BICUBIC = range(3)
_ZEROS, _BORDER, _REFLECTION = range(3)


class _Tap(NamedTuple):
    """One of the positions of a dimension that the points take from."""

    place: Any
    """The position, as a number that may lie outside."""
    weight: Any
    """The factor; ``None`` is 1."""
    slope: Any
    """The derivative of the factor with respect to the coordinate of the grid; ``None`` is 0."""


class _Corner(NamedTuple):
    """One of the elements that the points take from, as row of the table of all elements."""

    row: Any
    weight: Any
    slopes: list[Any]
    """The derivatives of the weight with respect to the coordinates of the grid, that of the last dimension first."""


def _sampler(name: str, node: str, ndim: int) -> OpFunction:
    """The operation ``name`` for images with ``ndim`` spatial dimensions."""

    def samples(make: Make) -> Iterator[Sample]:
        sizes, points = ((2, 3), (2, 1)) if ndim == 2 else ((2, 2, 1), (1, 1, 1))
        chosen = [(_BILINEAR, _ZEROS, False), (_BILINEAR, _BORDER, True), (_BILINEAR, _REFLECTION, False)]
        chosen += [(_BICUBIC, _REFLECTION, True), (_NEAREST, _ZEROS, False)] if ndim == 2 else []
        for mode, padding, align in chosen:
            grid = make(1, *points, ndim, low=-1.3, high=1.3)
            yield Sample(make(1, 1, *sizes), grid, interpolation_mode=mode, padding_mode=padding, align_corners=align)

    def forward(
        xp: Any, input: Any, grid: Any, /, interpolation_mode: int, padding_mode: int, align_corners: bool
    ) -> Any:
        dtype = xp.np_dtype(input.dtype)
        if dtypes.category(dtype) != 2:
            refuse_dtype(name, dtype)
        if dtype.itemsize == 2:
            wide, points = xp.astype(input, dtypes.float32), xp.astype(grid, dtypes.float32)
            return xp.astype(forward(xp, wide, points, interpolation_mode, padding_mode, align_corners), input.dtype)
        table = _table(xp, input)
        total: Any = None
        for corner in _corners(xp, grid, input.shape, interpolation_mode, padding_mode, align_corners):
            rows = xp.take(table, corner.row, axis=0)
            if corner.weight is not None:
                rows = xp.multiply(rows, xp.reshape(corner.weight, (-1, 1)))
            total = rows if total is None else xp.add(total, rows)
        return _channels_first(xp, total, (input.shape[0], *grid.shape[1:-1], input.shape[1]))

    forward.__name__ = name
    forward.__doc__ = "``input`` at the points of ``grid``."
    made = op(node=node, samples=samples)(forward)

    @made.vjp("input", "grid")
    def vjp(
        xp: Any,
        g: Any,
        input: Any,
        grid: Any,
        interpolation_mode: int,
        padding_mode: int,
        align_corners: bool,
        needs: Any,
    ) -> Any:
        if xp.np_dtype(g.dtype).itemsize == 2:
            g, input, grid = (xp.astype(x, dtypes.float32) for x in (g, input, grid))
        g_rows = xp.reshape(_channels_last(xp, g), (-1, input.shape[1]))
        table = _table(xp, input) if needs[1] else None
        corners = _corners(xp, grid, input.shape, interpolation_mode, padding_mode, align_corners)
        rows: list[Any] = []
        values: list[Any] = []
        slopes: list[Any] = [None] * ndim
        for corner in corners:
            if needs[0]:
                rows.append(corner.row)
                weight = corner.weight
                values.append(g_rows if weight is None else xp.multiply(g_rows, xp.reshape(weight, (-1, 1))))
            if needs[1] and corner.weight is not None:
                each = xp.sum(xp.multiply(g_rows, xp.getitem(table, (corner.row,))), axis=-1)
                terms = [xp.multiply(each, slope) for slope in corner.slopes]
                slopes = [t if s is None else xp.add(s, t) for s, t in zip(slopes, terms, strict=True)]
        g_input = g_grid = None
        if needs[0]:
            n, c, *sizes = input.shape
            count = _count(input.shape)
            sums = xp.scatter_add(xp.concat(values, axis=0), (xp.concat(rows, axis=0),), (count + 1, c))
            g_input = _channels_first(xp, xp.getitem(sums, (slice(count), ALL)), (n, *sizes, c))
        if needs[1]:
            # The nearest element stays the nearest.
            constant = interpolation_mode == _NEAREST
            g_grid = xp.zeros_like(grid) if constant else xp.reshape(xp.stack(slopes, axis=-1), tuple(grid.shape))
        return g_input, g_grid

    @made.vmap
    def vmap(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool, size: int) -> Any:
        out = made(folded(input), folded(grid), interpolation_mode, padding_mode, align_corners)
        return out.reshape((size, input.shape[1], *out.shape[1:]))

    return made


_OPERATIONS = {
    2: _sampler("sampled_at_2d", "GridSampler2DBackward0", 2),
    3: _sampler("sampled_at_3d", "GridSampler3DBackward0", 3),
}


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The values of images at points: (batch, channels, the spatial dimensions of ``grid``).

    Args:
        input: (batch, channels, two or three spatial dimensions).
        grid: (batch, as many spatial dimensions, coordinates). Coordinates run from -1 to 1; that of the last dimension of
            ``input`` comes first.
        mode: ``"bilinear"`` (also in three dimensions), ``"nearest"``, ``"bicubic"`` (in two).
        padding_mode: what is outside: ``"zeros"``, the element at the border (``"border"``), the image mirrored
            (``"reflection"``).
        align_corners: -1 and 1 are the centres of the outermost elements, and not their outer edges.

    Raises:
        ValueError: there is no such mode or padding.
        RuntimeError: the shapes or dtypes do not fit, or an empty spatial dimension.
    """
    input, grid = as_tensor(input, "grid_sample"), as_tensor(grid, "grid_sample", "grid", 2)
    if mode not in _MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    _check_operands(input, grid)
    if input.ndim not in (4, 5):
        raise RuntimeError(
            f"grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    return _run(input, grid, _MODES.index(mode), _PADDINGS.index(padding_mode), bool(align_corners))


def grid_sampler_2d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """:func:`gradcore.nn.functional.grid_sample` of two dimensions, with modes by number, in the order named there."""
    return _by_number("grid_sampler_2d", 4, input, grid, interpolation_mode, padding_mode, align_corners)


def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """:func:`gradcore.nn.functional.grid_sample` of three dimensions, with modes by number, in the order named there."""
    return _by_number("grid_sampler_3d", 5, input, grid, interpolation_mode, padding_mode, align_corners)


# Grids.


def _thetas(make: Make) -> Iterator[Sample]:
    for shape, size in (((2, 2, 3), (2, 1, 2, 3)), ((1, 3, 4), (1, 1, 2, 1, 2)), ((1, 2, 3), (1, 1, 1, 3))):
        yield Sample(make(*shape), size=size, align_corners=False)
    yield Sample(make(1, 2, 3), size=(1, 2, 2, 2), align_corners=True)


@op(node="AffineGridGeneratorBackward0", linear=True, samples=_thetas)
def affine_points(xp: Any, theta: Any, /, size: tuple[int, ...], align_corners: bool) -> Any:
    """The points to which the matrices in ``theta`` map those of a plain grid."""
    points = _plain_points(xp, size[2:], align_corners, theta.dtype)
    out = xp.matmul(points, xp.matrix_transpose(theta))
    return xp.reshape(out, (theta.shape[0], *size[2:], len(size) - 2))


@affine_points.vjp("theta")
def affine_points_vjp(xp: Any, g: Any, theta_shape: Any, size: tuple[int, ...], align_corners: bool) -> Any:
    points = _plain_points(xp, size[2:], align_corners, g.dtype)
    flat = xp.reshape(g, (theta_shape[0], -1, len(size) - 2))
    return xp.matmul(xp.matrix_transpose(flat), points)


@affine_points.vmap
def affine_points_vmap(theta: Any, size: tuple[int, ...], align_corners: bool) -> Any:
    out = affine_points(folded(theta), size, align_corners)
    return out.reshape((*theta.shape[:2], *out.shape[1:]))


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid for :func:`grid_sample` that samples affinely mapped images.

    Args:
        theta: (batch, 2, 3), or (batch, 3, 4) for three spatial dimensions: matrices that map the coordinates of the result,
            with a 1 behind them, to those in the image.
        size: the shape of the result: batch, channels, spatial dimensions.
        align_corners: as for :func:`grid_sample`.

    Raises:
        ValueError: ``theta`` holds no floating-point numbers, or its shape does not fit ``size``, or a size is not positive.
        NotImplementedError: ``size`` is not of four or five dimensions.
    """
    theta, shape = as_tensor(theta, "affine_grid"), tuple(size)
    if dtypes.category(theta.dtype) != 2:
        raise ValueError(f"Expected theta to have floating point type, but got {dtypes.dtype_name(theta.dtype)}")
    rank = len(shape) - 2
    if rank not in (2, 3):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size {list(shape)}"
        )
    if theta.ndim != 3 or theta.shape[1:] != (rank, rank + 1):
        raise ValueError(
            f"Expected a batch of {rank}D affine matrices of shape Nx{rank}x{rank + 1} for size {list(shape)}. Got "
            f"{list(theta.shape)}."
        )
    if min(shape) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {list(shape)}")
    if theta.shape[0] != shape[0]:
        raise RuntimeError(f"affine_grid: {theta.shape[0]} matrices for a batch of {shape[0]}: got size {list(shape)}")
    return affine_points(theta, shape, bool(align_corners))  # type: ignore[no-any-return]


def _plain_points(xp: Any, sizes: Sequence[int], align_corners: bool, dtype: Any) -> Any:
    """The points of a grid over the whole image, each as its coordinates, that of the last dimension first, and a 1."""
    columns = []
    for d, n in reversed(list(enumerate(sizes))):
        steps = xp.astype(xp.arange(n, dtype=xp.int64), dtype)
        # A single element lies in the middle.
        step = 2.0 / max(n - 1, 1) if align_corners else 2.0 / n
        at = xp.multiply(xp.subtract(steps, (n - 1) / 2.0), step)
        along = xp.reshape(at, (1,) * d + (n,) + (1,) * (len(sizes) - d - 1))
        columns.append(xp.reshape(xp.broadcast_to(along, tuple(sizes)), (-1,)))
    return xp.stack([*columns, xp.ones(columns[0].shape, dtype=dtype)], axis=-1)


# What the samplers are made of.


def _corners(
    xp: Any, grid: Any, shape: Sequence[int], mode: int, padding: int, align_corners: bool
) -> Iterator[_Corner]:
    """The elements that the points take from, of an image of a shape."""
    n, _, *sizes = shape
    rank = len(sizes)
    flat = xp.reshape(grid, (-1, rank))
    batch = xp.reshape(xp.arange(n, dtype=xp.int64), (n, 1))
    per_image = flat.shape[0] // n if n else 0
    first = xp.reshape(xp.broadcast_to(batch, (n, per_image)), (-1,))
    taps = [
        _taps(xp, xp.getitem(flat, (ALL, rank - 1 - d)), size, mode, padding, align_corners)
        for d, size in enumerate(sizes)
    ]
    places = [[_inside(xp, tap.place, size) for tap in each] for each, size in zip(taps, sizes, strict=True)]
    for choice in itertools.product(*[range(len(each)) for each in taps]):
        row, inside = first, None
        for d, k in enumerate(choice):
            at, within = places[d][k]
            row = xp.add(xp.multiply(row, sizes[d]), at)
            inside = within if inside is None else xp.logical_and(inside, within)
        row = xp.where(inside, row, xp.asarray(_count(shape), dtype=xp.int64))
        chosen = [taps[d][k] for d, k in enumerate(choice)]
        if mode == _NEAREST:
            yield _Corner(row, None, [])
            continue
        slopes = [
            _product(xp, [tap.slope if i == d else tap.weight for i, tap in enumerate(chosen)])
            for d in reversed(range(rank))
        ]
        yield _Corner(row, _product(xp, [tap.weight for tap in chosen]), slopes)


def _taps(xp: Any, c: Any, size: int, mode: int, padding: int, align_corners: bool) -> list[_Tap]:
    """The positions of a dimension that points with coordinates ``c`` take from."""
    if align_corners:
        x, slope = xp.multiply(xp.divide(xp.add(c, 1.0), 2.0), size - 1.0), (size - 1) / 2.0
    else:
        x, slope = xp.divide(xp.subtract(xp.multiply(xp.add(c, 1.0), float(size)), 1.0), 2.0), size / 2.0
    if mode == _BICUBIC:
        left = xp.floor(x)
        t = xp.subtract(x, left)
        taps = []
        for k, (weight, change) in zip((-1, 0, 1, 2), _cubic(xp, t), strict=True):
            place, _ = _padded(xp, xp.add(left, float(k)), size, padding, align_corners)
            taps.append(_Tap(place, weight, xp.multiply(change, slope)))
        return taps
    x, sign = _padded(xp, x, size, padding, align_corners)
    if mode == _NEAREST:
        return [_Tap(xp.round(x), None, None)]
    left = xp.floor(x)
    t = xp.subtract(x, left)
    change = xp.full(tuple(c.shape), slope, dtype=c.dtype) if sign is None else xp.multiply(sign, slope)
    return [
        _Tap(left, xp.subtract(1.0, t), xp.negative(change)),
        _Tap(xp.add(left, 1.0), t, change),
    ]


def _padded(xp: Any, x: Any, size: int, padding: int, align_corners: bool) -> tuple[Any, Any]:
    """Where a position outside is found inside; and the derivative of that, ``None`` if it is 1 everywhere."""
    if padding == _ZEROS:
        return x, None
    sign: Any = 1.0
    if padding == _REFLECTION:
        # Mirrors at the centres of the outermost elements, or at their outer edges.
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        if span == 0.0:
            return xp.zeros(tuple(x.shape), dtype=x.dtype), xp.zeros(tuple(x.shape), dtype=x.dtype)
        away = xp.subtract(x, low)
        distance = xp.abs(away)
        flips = xp.floor(xp.divide(distance, span))
        rest = xp.subtract(distance, xp.multiply(flips, span))
        odd = xp.not_equal(xp.remainder(flips, 2.0), 0.0)
        one = xp.ones(tuple(x.shape), dtype=x.dtype)
        sign = xp.where(xp.not_equal(odd, xp.less(away, 0.0)), xp.negative(one), one)
        x = xp.add(xp.where(odd, xp.subtract(span, rest), rest), low)
    one = xp.ones(tuple(x.shape), dtype=x.dtype)
    zero = xp.zeros_like(one)
    outside = xp.logical_or(xp.less_equal(x, 0.0), xp.greater_equal(x, size - 1.0))
    # Not by clip: at the border itself the position is constant, too.
    border = xp.where(xp.less_equal(x, 0.0), zero, size - 1.0)
    return xp.where(outside, border, x), xp.where(outside, zero, xp.multiply(one, sign))


def _cubic(xp: Any, t: Any) -> list[tuple[Any, Any]]:
    """The weights of cubic convolution (Keys, a = -0.75) at a distance ``t`` right of the second of four, and their slopes."""
    a = -0.75

    def polynomial(x: Any, *coefficients: float) -> Any:
        value = xp.full(tuple(t.shape), coefficients[0], dtype=t.dtype)
        for c in coefficients[1:]:
            value = xp.add(xp.multiply(value, x), c)
        return value

    near, far = (a + 2, -(a + 3), 0.0, 1.0), (a, -5 * a, 8 * a, -4 * a)
    found = []
    for distance, kernel, direction in (
        (xp.add(t, 1.0), far, 1.0),
        (t, near, 1.0),
        (xp.subtract(1.0, t), near, -1.0),
        (xp.subtract(2.0, t), far, -1.0),
    ):
        slope = polynomial(distance, *[direction * c * n for c, n in zip(kernel[:3], (3, 2, 1), strict=True)])
        found.append((polynomial(distance, *kernel), slope))
    return found


def _inside(xp: Any, place: Any, size: int) -> tuple[Any, Any]:
    """A position as an index, and whether it lies inside; a NaN does not."""
    inside = xp.logical_and(xp.greater_equal(place, 0.0), xp.less_equal(place, size - 1.0))
    return xp.astype(xp.where(inside, place, xp.zeros_like(place)), dtypes.int64), inside


def _product(xp: Any, factors: list[Any]) -> Any:
    out = factors[0]
    for f in factors[1:]:
        out = xp.multiply(out, f)
    return out


def _count(shape: Sequence[int]) -> int:
    """How many elements a channel has, in all images."""
    n, _, *sizes = shape
    for size in sizes:
        n *= size
    return n


def _table(xp: Any, input: Any) -> Any:
    """One row per element, with its channels; and a row of zeros at the end."""
    rows = xp.reshape(_channels_last(xp, input), (-1, input.shape[1]))
    return xp.concat([rows, xp.zeros((1, input.shape[1]), dtype=input.dtype)], axis=0)


def _channels_last(xp: Any, x: Any) -> Any:
    return xp.permute_dims(x, (0, *range(2, len(x.shape)), 1))


def _channels_first(xp: Any, rows: Any, shape: tuple[int, ...]) -> Any:
    """Rows of channels as images, in row-major order."""
    last = len(shape) - 1
    return xp.copy(xp.permute_dims(xp.reshape(rows, shape), (0, last, *range(1, last))))


def _run(input: Tensor, grid: Tensor, mode: int, padding: int, align_corners: bool) -> Tensor:
    rank = input.ndim - 2
    sizes = list(input.shape)
    if grid.ndim != input.ndim:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{sizes} and grid with sizes {list(grid.shape)}"
        )
    if grid.shape[0] != sizes[0]:
        raise RuntimeError(
            f"grid_sampler(): expected grid and input to have same batch size, but got input with sizes {sizes} and grid "
            f"with sizes {list(grid.shape)}"
        )
    if grid.shape[-1] != rank:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {rank} in last dimension, but got grid with sizes {list(grid.shape)}"
        )
    if 0 in sizes[2:]:
        raise RuntimeError(
            f"grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes {sizes}"
        )
    if rank == 3 and mode == _BICUBIC:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    return _OPERATIONS[rank](input, grid, mode, padding, align_corners)  # type: ignore[no-any-return]


def _by_number(function: str, ndim: int, input: Any, grid: Any, mode: int, padding: int, align_corners: bool) -> Tensor:
    input, grid = as_tensor(input, function), as_tensor(grid, function, "grid", 2)
    _check_operands(input, grid)
    if input.ndim != ndim:
        raise RuntimeError(f"{function}(): expected {ndim}D input, but got input with sizes {list(input.shape)}")
    if mode not in range(3) or padding not in range(3):
        raise RuntimeError(f"{function}(): there is no interpolation mode {mode} or padding mode {padding}")
    return _run(input, grid, mode, padding, bool(align_corners))


def _check_operands(input: Tensor, grid: Tensor) -> None:
    if input.dtype != grid.dtype:
        raise RuntimeError(
            "grid_sampler(): expected input and grid to have same dtype, but input has "
            f"{dtypes.scalar_type_name(input.dtype)} and grid has {dtypes.scalar_type_name(grid.dtype)}"
        )
