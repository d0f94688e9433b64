"""Matrices along a diagonal, and the elements of vectors in all combinations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import STANDARD, op, wrap
from gradcore.ops._dims import as_integer
from gradcore.ops._operands import as_tensor
from gradcore.ops.broadcasting import list_of_tensors
from gradcore.ops.joining import meshgrid, stack
from gradcore.ops.selecting import index_select
from gradcore.ops.shape import flatten
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["block_diag", "cartesian_prod", "combinations"]


def _blocks(make: Make) -> Iterator[Sample]:
    for shapes in (((2, 2), (1, 3)), ((3,), (), (2, 1)), ((0, 2), (1, 1)), ((2, 1),)):
        yield Sample(*[make(*shape) for shape in shapes])


@op(node="BlockDiagBackward0", promote="arithmetic", linear=True, samples=_blocks)
def blocks_on_diagonal(xp: Any, *tensors: Any) -> Any:
    """Matrices along the diagonal of a larger one, zeros elsewhere; vectors count as rows, numbers as 1 x 1."""
    places = _places([x.shape for x in tensors])
    out = xp.zeros((places[-1][0].stop, places[-1][1].stop), dtype=tensors[0].dtype)
    for x, place in zip(tensors, places, strict=True):
        xp.setitem(out, place, xp.reshape(x, _as_matrix(x.shape)))
    return out


@blocks_on_diagonal.vjp("tensors")
def blocks_on_diagonal_vjp(xp: Any, g: Any, tensors_shapes: Any, needs: Any) -> Any:
    places = _places(tensors_shapes)
    return [
        xp.reshape(xp.getitem(g, place), tuple(shape)) if need else None
        for place, shape, need in zip(places, tensors_shapes, needs, strict=True)
    ]


@blocks_on_diagonal.vmap
def blocks_on_diagonal_vmap(tensors: Any, size: int) -> Any:
    concat, zeros_of = STANDARD["concat"], tensors[0].new_zeros
    places = _places([x.shape[1:] for x in tensors])
    width = places[-1][1].stop
    rows = []
    for x, (_, columns) in zip(tensors, places, strict=True):
        height, own = _as_matrix(x.shape[1:])
        parts = [zeros_of((size, height, columns.start)), x.reshape((size, height, own))]
        rows.append(concat([*parts, zeros_of((size, height, width - columns.stop))], -1))
    return concat(rows, 1)


def block_diag(*tensors: Any) -> Tensor:
    """Matrices along the diagonal of a larger one, zeros elsewhere; vectors count as rows, numbers as 1 x 1.

    Raises:
        RuntimeError: a tensor of more than two dimensions.
    """
    given = list_of_tensors("block_diag", tensors)
    for i, x in enumerate(given):
        if x.ndim > 2:
            raise RuntimeError(
                f"block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {x.ndim} dimensions"
            )
    if not given:
        from gradcore.ops.creation import empty

        return empty((1, 0))
    return blocks_on_diagonal(*given)  # type: ignore[no-any-return]


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements of a vector, one in each row, as ``itertools.combinations`` orders them.

    Raises:
        RuntimeError: ``input`` is no vector, or ``r`` is negative.
    """
    input = as_tensor(input, "combinations")
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    count = as_integer(r, "r")
    if count < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {count}")
    if count == 0:
        return input.new_empty((0,))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    chosen = np.asarray(list(choose(range(input.shape[0]), count)), dtype=np.int64).reshape(-1, count)
    where = input._device.place
    columns = [wrap(where.xp.asarray(np.ascontiguousarray(chosen[:, k])), where) for k in range(count)]
    return stack([index_select(input, 0, at) for at in columns], 1)


def cartesian_prod(*tensors: Any) -> Tensor:
    """All choices of one element from each vector, one in each row; of one vector, that vector.

    Raises:
        RuntimeError: a tensor that is no vector, several dtypes, or no tensor.
    """
    given = list_of_tensors("cartesian_prod", tensors)
    for x in given:
        if x.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.shape)}")
    if len({x.dtype for x in given}) > 1:
        names = ", ".join(dtypes.dtype_name(x.dtype) for x in given)
        raise RuntimeError(f"meshgrid expects all tensors to have the same dtype, but got {names}")
    if len(given) == 1:
        return given[0]
    return stack([flatten(x) for x in meshgrid(*given)], 1)


def _as_matrix(shape: Any) -> tuple[int, int]:
    rows, columns = ((1, 1, *shape))[-2:]
    return rows, columns


def _places(shapes: Any) -> list[tuple[slice, slice]]:
    """Where the blocks stand: rows and columns."""
    found: list[tuple[slice, slice]] = []
    row = column = 0
    for shape in shapes:
        height, width = _as_matrix(shape)
        found.append((slice(row, row + height), slice(column, column + width)))
        row, column = row + height, column + width
    return found
