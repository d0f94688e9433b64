"""Differences of neighbours, derivatives and integrals of samples, which PyTorch records as what they are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import is_tensor, standard
from gradcore.ops._by_number import divided, times
from gradcore.ops._dims import as_integer, normalize_dim, normalize_dims
from gradcore.ops._numeric import number_or_none
from gradcore.ops._operands import as_tensor
from gradcore.ops.comparison import logical_xor
from gradcore.ops.creation import zeros, zeros_like
from gradcore.ops.cumulative import cumsum
from gradcore.ops.joining import cat
from gradcore.spelling import numpy_names

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["cumulative_trapezoid", "diff", "gradient", "trapezoid", "trapz"]


@numpy_names
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """The differences ``input[i + 1] - input[i]`` along ``dim``, taken ``n`` times; of truth values, whether they differ.

    Args:
        n: how often.
        dim: the dimension.
        prepend, append: what comes before and after ``input`` along ``dim``.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: a 0-d tensor, a negative ``n``, shapes that do not fit.
    """
    x, n = as_tensor(input, "diff"), as_integer(n, "n")
    if not x.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    dim = normalize_dim(dim, x.ndim)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    ends = [
        None if y is None else _fitting(x, as_tensor(y, "diff", "prepend or append"), dim) for y in (prepend, append)
    ]
    if n == 0:
        # A copy, as PyTorch records it.
        return zeros_like(x).copy_(x)
    parts = [y for y in (ends[0], x, ends[1]) if y is not None]
    x = cat(parts, dim) if len(parts) > 1 else x
    for _ in range(min(n, x.shape[dim])):
        size = x.shape[dim] - 1
        late, early = x.narrow(dim, 1, size), x.narrow(dim, 0, size)
        x = logical_xor(late, early) if x.dtype.kind == "b" else late - early
    return x


@standard("diff")
def _standard_diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    return diff(x, n, axis, prepend, append)


def _fitting(x: Tensor, y: Tensor, dim: int) -> Tensor:
    if y.ndim != x.ndim:
        raise RuntimeError(
            f"diff expects prepend or append to be the same dimension as input, but got {y.ndim} and {x.ndim} dimensions"
        )
    for i, (n, m) in enumerate(zip(x.shape, y.shape, strict=True)):
        if i != dim and n != m:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input in all dimensions but "
                f"{dim}, but got {list(y.shape)} for {list(x.shape)}"
            )
    return y


def gradient(input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """Estimates of the derivative of a function by each of its arguments, from samples on a grid.

    Central differences inside, one-sided ones at the edges; of second order where the spacing is not even
    (B. Fornberg, Generation of finite difference formulas on arbitrarily spaced grids, Math. Comp. 51 (1988) 699-706).

    Args:
        input: the samples.
        spacing: the distance of the samples: a number for all dimensions, or one for each; or a vector of coordinates
            for each.
        dim: the dimensions; ``None`` for all.
        edge_order: the order of the estimates at the edges, 1 or 2.

    Returns:
        One tensor of the shape of ``input`` per dimension.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: too few samples, a dimension named twice, another ``edge_order``, or a ``spacing`` that does not fit.
    """
    x = as_tensor(input, "gradient")
    if is_tensor(spacing):
        if spacing.ndim:
            raise TypeError("gradient(): spacing must be a number, or a list of numbers or of vectors of coordinates")
        spacing = spacing.item()
    dims = normalize_dims(dim, x.ndim)
    steps = _steps(x, spacing, dims, dim is not None)
    if x.dtype == dtypes.uint8:
        raise RuntimeError("gradient does not support uint8 input.")
    if edge_order not in (1, 2):
        raise RuntimeError("gradient only supports edge_order=1 and edge_order=2.")
    for d in dims:
        if x.shape[d] <= edge_order:
            raise RuntimeError(
                f"gradient expected each dimension size to be at least edge_order+1, but dimension {d} has size "
                f"{x.shape[d]}"
            )
    return tuple(
        [
            _uneven(x, step, d, edge_order) if is_tensor(step) else _even(x, step, d, edge_order)
            for step, d in zip(steps, dims, strict=True)
        ]
    )


def _steps(x: Tensor, spacing: Any, dims: tuple[int, ...], given: bool) -> list[Any]:
    """For each dimension the distance of the samples, or their coordinates."""
    if spacing is None:
        return [1.0] * len(dims)
    number = number_or_none(spacing)
    if number is not None:
        return [number] * len(dims)
    steps = list(spacing)
    if len(steps) != len(dims):
        wanted = "one for each of dim" if given else "one for each dimension, since dim is not given"
        raise RuntimeError(
            f"gradient expected spacing to be unspecified, a scalar, or a list with {wanted}, but got {len(steps)} for "
            f"{len(dims)} dimensions"
        )
    if any(map(is_tensor, steps)) and not all(map(is_tensor, steps)):
        raise TypeError("gradient(): spacing must hold numbers or vectors of coordinates, but got both")
    for step, d in zip(steps, dims, strict=True):
        if is_tensor(step):
            if step.ndim != 1:
                raise RuntimeError(
                    "gradient expected each element of spacing to have one dimension, but got an element with "
                    f"{step.ndim} dimensions!"
                )
            if step.shape[0] != x.shape[d]:
                raise RuntimeError(
                    f"gradient expected {x.shape[d]} coordinates for dimension {d}, but got {step.shape[0]}"
                )
    return steps


def _even(x: Tensor, step: Any, dim: int, edge_order: int) -> Tensor:
    size = x.shape[dim]

    def at(start: int, length: int = 1) -> Tensor:
        return x.narrow(dim, start, length)

    inside = divided(divided(at(2, size - 2) - at(0, size - 2), step), 2)
    if edge_order == 1:
        first, last = divided(at(1) - at(0), step), divided(at(size - 1) - at(size - 2), step)
    else:
        first = divided(times(at(0), -1.5) + times(at(1), 2) - times(at(2), 0.5), step)
        last = divided(times(at(size - 1), 1.5) - times(at(size - 2), 2) + times(at(size - 3), 0.5), step)
    return cat([first, inside, last], dim)


def _uneven(x: Tensor, coordinates: Tensor, dim: int, edge_order: int) -> Tensor:
    size = x.shape[dim]
    steps = diff(coordinates).reshape((size - 1,) + (1,) * (x.ndim - dim - 1))

    def at(start: int, length: int = 1) -> Tensor:
        return x.narrow(dim, start, length)

    def step(start: int, length: int = 1) -> Tensor:
        return steps.narrow(0, start, length)

    before, after = step(0, size - 2), step(1, size - 2)
    inside = (
        -after / (before * (before + after)) * at(0, size - 2)
        + (after - before) / (before * after) * at(1, size - 2)
        + before / (after * (before + after)) * at(2, size - 2)
    )
    if edge_order == 1:
        first, last = (at(1) - at(0)) / step(0), (at(size - 1) - at(size - 2)) / step(size - 2)
    else:
        first = _at_edge(step(0), step(1), (at(0), at(1), at(2)), -1)
        last = _at_edge(step(size - 2), step(size - 3), (at(size - 1), at(size - 2), at(size - 3)), 1)
    return cat([first, inside, last], dim)


def _at_edge(near: Tensor, far: Tensor, values: Sequence[Tensor], sign: int) -> Tensor:
    """The derivative at the first of three samples, of second order."""
    both = near + far
    edge, middle, last = values
    first = (both + near) / (near * both) * edge
    second, third = both / (near * far) * middle, near / (far * both) * last
    return sign * first + -sign * second + sign * third  # type: ignore[no-any-return]


@numpy_names
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral of ``y`` along ``dim`` by the trapezoidal rule, from samples at ``x``, or ``dx`` apart (by default 1).

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: truth values, complex ``dx``, or another number of ``x`` than of samples.
    """
    y, x, dx, dim = _samples("trapezoid", y, x, dx, dim)
    if not y.shape[dim]:
        shape = tuple([n for i, n in enumerate(y.shape) if i != dim])
        return zeros(shape, dtype=y.dtype, device=y.device)
    if x is None:
        return times(y.sum(dim) - times(y.select(dim, 0) + y.select(dim, -1), 0.5), dx)
    left, right = _neighbours(y, dim)
    return divided(((left + right) * _widths(x, y, dim)).sum(dim), 2.0)


def trapz(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The same as :func:`trapezoid`."""
    return trapezoid(y, x, dx=dx, dim=dim)


@numpy_names
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integrals of ``y`` along ``dim`` from the first sample to each of the others, as :func:`trapezoid`.

    Raises:
        As :func:`trapezoid`.
    """
    y, x, dx, dim = _samples("cumulative_trapezoid", y, x, dx, dim)
    left, right = _neighbours(y, dim)
    if x is None:
        return cumsum(times(left + right, dx / 2), dim)
    return divided(cumsum((left + right) * _widths(x, y, dim), dim), 2.0)


def _samples(name: str, y: Any, x: Any, dx: Any, dim: int) -> tuple[Tensor, Tensor | None, Any, int]:
    y = as_tensor(y, name, "y")
    if x is not None and dx is not None:
        raise TypeError(f"{name}(): x and dx say the same; give one of them")
    if y.dtype.kind == "b":
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    if not y.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = normalize_dim(dim, y.ndim)
    if x is not None:
        x = as_tensor(x, name, "x", 2)
        if x.dtype.kind == "b":
            raise RuntimeError(f"{name}: received a bool input for `x`, but bool is not supported")
        return y, x, None, dim
    dx = 1.0 if dx is None else dx.item() if is_tensor(dx) else number_or_none(dx)
    if isinstance(dx, (bool, complex)) or dx is None or math.isnan(0 * dx):
        raise RuntimeError(f"{name}: Currently, we only support dx as a real number.")
    return y, None, float(dx), dim


def _neighbours(y: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    size = max(y.shape[dim] - 1, 0)
    return y.narrow(dim, 0, size), y.narrow(dim, y.shape[dim] - size, size)


def _widths(x: Tensor, y: Tensor, dim: int) -> Tensor:
    """The distances of the samples, as something that broadcasts against ``y``."""
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(
                f"trapezoid: There must be one `x` value for each sample point, but there are {x.shape[0]} for "
                f"{y.shape[dim]} samples"
            )
        x = x.view((x.shape[0],) + (1,) * (y.ndim - dim - 1))
        left, right = _neighbours(x, 0)
    else:
        if x.ndim < y.ndim:
            x = x.view((1,) * (y.ndim - x.ndim) + tuple(x.shape))
        left, right = _neighbours(x, dim)
    return right - left  # type: ignore[no-any-return]
