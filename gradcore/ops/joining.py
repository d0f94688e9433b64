"""Several tensors made into one, and one taken apart into several."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore.op import is_tensor, op, standard
from gradcore.ops._dims import normalize_dim
from gradcore.ops._operands import as_tensor
from gradcore.ops.broadcasting import atleast_1d, atleast_2d, atleast_3d, expand, list_of_tensors
from gradcore.ops.shape import reshape
from gradcore.ops.slicing import along, slice_along
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "cat",
    "chunk",
    "column_stack",
    "concat",
    "concatenate",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "meshgrid",
    "row_stack",
    "split",
    "split_with_sizes",
    "stack",
    "tensor_split",
    "unbind",
    "vsplit",
    "vstack",
]


# Joining.


def _lists_to_concatenate(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3), make(1, 3), dim=0)
    yield Sample(make(2, 1), make(2, 3), make(2, 0), dim=1)
    yield Sample(make(3), dim=0)
    yield Sample(make(0), make(2, 2), dim=1)
    yield Sample(make(0), make(0), dim=0)


@op(node="CatBackward0", promote="arithmetic", linear=True, samples=_lists_to_concatenate)
def concatenated(xp: Any, *tensors: Any, dim: int) -> Any:
    """The tensors one after the other along a dimension; an empty one of shape (0,) goes with any."""
    out = xp.concat([x for x in tensors if x.shape != (0,)] or tensors, axis=dim)
    # Of operands in column-major order some libraries make a result in that order.
    return out if xp.is_contiguous(out) else xp.copy(out)


@concatenated.vjp("tensors")
def concatenated_vjp(xp: Any, g: Any, tensors_shapes: Any, dim: int, needs: Any) -> Any:
    grads: list[Any] = []
    start = 0
    for shape, need in zip(tensors_shapes, needs, strict=True):
        if len(shape) != len(g.shape):
            grads.append(xp.zeros(shape, dtype=g.dtype) if need else None)
            continue
        stop = start + shape[dim]
        grads.append(xp.getitem(g, along(dim, slice(start, stop))) if need else None)
        start = stop
    return grads


@concatenated.vmap
def concatenated_vmap(tensors: Any, dim: int, size: int) -> Any:
    like = next((x for x in tensors if tuple(x.shape[1:]) != (0,)), tensors[0])
    dim = normalize_dim(dim, like.ndim - 1) + 1
    # An empty vector goes with anything, which a batch of them does not.
    none = (size, *[0 if d == dim else n for d, n in enumerate(like.shape)][1:])
    return concatenated(*[x if x.ndim == like.ndim else reshape(x, none) for x in tensors], dim=dim)


@numpy_names
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after the other along a dimension. They agree in the other sizes; dtypes are promoted.

    Raises:
        RuntimeError: sizes differ in another dimension, or the numbers of dimensions do.
        ValueError: there are no tensors.
    """
    given = _listed("cat", tensors)
    if not given:
        raise ValueError("cat(): expected a non-empty list of Tensors")
    shapes = [x._data.shape for x in given]
    # An empty 1-d tensor goes with any, as it does in PyTorch: programs start a loop with it.
    first = next((s for s in shapes if s != (0,)), (0,))
    dim = normalize_dim(dim, len(first))
    for i, shape in enumerate(shapes):
        if shape != first or not shape:
            _check_joined(i, shape, first, dim)
    return concatenated(*given, dim=dim)  # type: ignore[no-any-return]


concatenate = cat


@standard("concat")
@numpy_names
def concat(tensors: Sequence[Tensor], dim: int | None = 0) -> Tensor:
    """The tensors one after the other along a dimension; ``None`` (the standard's spelling): flattened first."""
    if dim is None:
        return cat([reshape(x, (-1,)) for x in tensors])
    return cat(tensors, dim)


def _lists_to_stack(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3), make(2, 3), dim=0)
    yield Sample(make(2), make(2), make(2), dim=1)
    yield Sample(make(), make(), dim=0)
    yield Sample(make(2, 0), dim=2)


@op(node="StackBackward0", promote="arithmetic", linear=True, samples=_lists_to_stack)
def stacked(xp: Any, *tensors: Any, dim: int) -> Any:
    """Tensors of one shape along a new dimension."""
    return xp.stack(tensors, axis=dim)


@stacked.vjp("tensors")
def stacked_vjp(xp: Any, g: Any, dim: int, needs: Any) -> Any:
    return [xp.getitem(g, along(dim, i)) if need else None for i, need in enumerate(needs)]


@stacked.vmap
def stacked_vmap(tensors: Any, dim: int) -> Any:
    return stacked(*tensors, dim=normalize_dim(dim, tensors[0].ndim) + 1)


@standard("stack")
@numpy_names
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape along a new dimension, put in at position ``dim``; dtypes are promoted.

    Raises:
        RuntimeError: the shapes differ, or there are no tensors.
    """
    given = _listed("stack", tensors)
    if not given:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = given[0]._data.shape
    dim = normalize_dim(dim, len(shape) + 1)
    for i, x in enumerate(given):
        if x._data.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and {list(x.shape)} at "
                f"entry {i}"
            )
    return stacked(*given, dim=dim)  # type: ignore[no-any-return]


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors side by side: along the second dimension, vectors along their only one."""
    given = _not_empty("hstack", tensors)
    given = [atleast_1d(x) for x in given]
    return cat(given, 0 if given[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors below each other: along the first dimension, vectors as rows."""
    return cat([atleast_2d(x) for x in _not_empty("vstack", tensors)], 0)


row_stack = vstack


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors behind each other: along the third dimension."""
    return cat([atleast_3d(x) for x in _not_empty("dstack", tensors)], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors side by side, vectors as columns."""
    given = _not_empty("column_stack", tensors)
    return cat([reshape(x, (-1, 1)) if x.ndim < 2 else x for x in given], 1)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid: ``out[k][i, j, ...]`` is element ``i``, ``j`` ... of vector ``k``; views.

    Args:
        indexing: ``"ij"``: dimension ``k`` of the grid belongs to vector ``k``; ``"xy"``: the first two exchanged.

    Raises:
        RuntimeError: a tensor of more than one dimension, none at all, or another ``indexing``.
    """
    given = list_of_tensors("meshgrid", tensors)
    if not given:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for x in given:
        if x.ndim > 1:
            raise RuntimeError(f"meshgrid: Expected 0D or 1D tensor in the tensor list but got: {list(x.shape)}")
    place = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        place[:2] = 1, 0
    size = [1] * len(given)
    for x, i in zip(given, place, strict=True):
        size[i] = x.numel()
    ones = [1] * len(given)
    return tuple([expand(reshape(x, (*ones[:i], -1, *ones[i + 1 :])), size) for x, i in zip(given, place, strict=True)])


# Taking apart. The results are views, of which none can be written to while gradients are recorded.


def _tensors_and_dims(make: Make) -> Iterator[Sample]:
    for shape, dim in (((2, 3), 0), ((2, 3), -1), ((1,), 0), ((2, 0, 2), 2)):
        yield Sample(make(*shape), dim=dim)


@op(node="UnbindBackward0", view=True, outputs="many", linear=True, samples=_tensors_and_dims)
def unbound(xp: Any, input: Any, /, dim: int) -> Any:
    """The parts of ``input`` at each position of a dimension, without that dimension."""
    dim = _splittable("unbind", input.shape, dim)
    return tuple([xp.getitem(input, along(dim, i)) for i in range(input.shape[dim])])


@unbound.vjp("input")
def unbound_vjp(xp: Any, g: Any, input_shape: Any, dim: int) -> Any:
    return xp.stack(g, axis=dim if dim >= 0 else dim + len(input_shape))


@unbound.vmap
def unbound_vmap(input: Any, dim: int) -> Any:
    return unbound(input, _splittable("unbind", input.shape[1:], dim) + 1)


@numpy_names
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The parts at each position of a dimension, without that dimension."""
    return unbound(input, dim)  # type: ignore[no-any-return]


@standard("unstack")
def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The standard's spelling of :func:`unbind`."""
    return unbound(x, axis)  # type: ignore[no-any-return]


def _sizes_to_split_in(make: Make) -> Iterator[Sample]:
    for shape, n, dim in (((5, 2), 2, 0), ((2, 3), 3, 1), ((2, 3), 7, -1), ((0, 2), 2, 0)):
        yield Sample(make(*shape), split_size=n, dim=dim)


@op(node="SplitBackward0", view=True, outputs="many", linear=True, samples=_sizes_to_split_in)
def split_evenly(xp: Any, input: Any, /, split_size: int, dim: int) -> Any:
    """Parts of one size along a dimension; the last may be smaller."""
    dim = _splittable("split", input.shape, dim)
    count = input.shape[dim]
    if split_size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={split_size}")
    if split_size == 0 and count:
        raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {count}")
    starts = range(0, count, split_size) if count else (0,)
    return tuple([xp.getitem(input, along(dim, slice(i, i + split_size))) for i in starts])


def _lists_of_sizes(make: Make) -> Iterator[Sample]:
    for shape, sizes, dim in (((5, 2), (2, 3), 0), ((2, 3), (1, 0, 2), 1), ((0, 2), (0, 0), 0), ((3,), (3,), -1)):
        yield Sample(make(*shape), split_sizes=sizes, dim=dim)


@op(node="SplitWithSizesBackward0", view=True, outputs="many", linear=True, samples=_lists_of_sizes)
def split_unevenly(xp: Any, input: Any, /, split_sizes: tuple[int, ...], dim: int) -> Any:
    """Parts of given sizes along a dimension."""
    dim = _splittable("split_with_sizes", input.shape, dim)
    if any(n < 0 for n in split_sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(split_sizes)}"
        )
    if sum(split_sizes) != input.shape[dim]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {input.shape[dim]} (input tensor's size at dimension "
            f"{dim}), but got split_sizes={list(split_sizes)}"
        )
    parts: list[Any] = []
    start = 0
    for n in split_sizes:
        parts.append(xp.getitem(input, along(dim, slice(start, start + n))))
        start += n
    return tuple(parts)


@split_evenly.vjp("input")
@split_unevenly.vjp("input")
def split_vjp(xp: Any, g: Any, input_shape: Any, dim: int) -> Any:
    return xp.concat(g, axis=dim if dim >= 0 else dim + len(input_shape))


@split_evenly.vmap
def split_evenly_vmap(input: Any, split_size: int, dim: int) -> Any:
    return split_evenly(input, split_size, _splittable("split", input.shape[1:], dim) + 1)


@split_unevenly.vmap
def split_unevenly_vmap(input: Any, split_sizes: tuple[int, ...], dim: int) -> Any:
    return split_unevenly(input, split_sizes, _splittable("split_with_sizes", input.shape[1:], dim) + 1)


@numpy_names
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along a dimension: of one size (the last may be smaller), or of the sizes in a list.

    Raises:
        RuntimeError: a negative size, or sizes that do not sum to that of the dimension.
    """
    if isinstance(split_size_or_sections, (tuple, list)):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    return split_evenly(tensor, operator.index(split_size_or_sections), dim)  # type: ignore[no-any-return]


@numpy_names
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of given sizes along a dimension."""
    return split_unevenly(input, tuple([operator.index(n) for n in split_sizes]), dim)  # type: ignore[no-any-return]


@numpy_names
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most so many parts of one size along a dimension; the last may be smaller.

    Raises:
        RuntimeError: ``chunks`` is not positive.
    """
    input = as_tensor(input, "chunk")
    dim = _splittable("chunk", input._data.shape, dim)
    if chunks < 1:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    count = input._data.shape[dim]
    if count == 0:
        return split_unevenly(input, (0,) * chunks, dim)  # type: ignore[no-any-return]
    return split_evenly(input, -(-count // chunks), dim)  # type: ignore[no-any-return]


@numpy_names
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along a dimension: so many of nearly one size, or those between the positions in a list.

    Raises:
        RuntimeError: a number of parts that is not positive.
    """
    input = as_tensor(input, "tensor_split")
    dim = _splittable("tensor_split", input._data.shape, dim)
    count = input._data.shape[dim]
    if is_tensor(indices_or_sections):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, (tuple, list)):
        ends = [operator.index(i) for i in indices_or_sections]
    else:
        parts = operator.index(indices_or_sections)
        if parts < 1:
            raise RuntimeError(f"number of sections must be larger than 0, got {parts}")
        each, more = divmod(count, parts)
        ends = [(i + 1) * each + min(i + 1, more) for i in range(parts - 1)]
    bounds = [slice(a, b).indices(count)[:2] for a, b in zip([0, *ends], [*ends, count], strict=True)]
    return tuple([slice_along(input, dim, start, max(start, stop), 1) for start, stop in bounds])


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along the second dimension, of a vector along its only one."""
    return _split_along("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along the first dimension."""
    return _split_along("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along the third dimension."""
    return _split_along("dsplit", input, indices_or_sections, 2, 3)


def _split_along(function: str, input: Tensor, parts: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    if input.ndim < least:
        raise RuntimeError(
            f"{function} requires a tensor with at least {least} dimension, but got a tensor with {input.ndim} "
            "dimensions!"
        )
    count = input._data.shape[dim]
    if isinstance(parts, int) and parts > 0 and count % parts:
        raise RuntimeError(
            f"{function} attempted to split along dimension {dim}, but the size of the dimension {count} is not "
            f"divisible by the split_size {parts}!"
        )
    return tensor_split(input, parts, dim)


def _check_joined(i: int, shape: Any, first: Any, dim: int) -> None:
    """Raise if tensor ``i`` cannot follow one of shape ``first``."""
    if not shape:
        raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated: use stack()")
    if shape == (0,):
        return
    if len(shape) != len(first):
        raise RuntimeError(f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}")
    for d, (n, m) in enumerate(zip(first, shape, strict=True)):
        if n != m and d != dim:
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {dim}. Expected size {n} but got size {m} for tensor "
                f"number {i} in the list."
            )


def _splittable(function: str, shape: Any, dim: int) -> int:
    if not shape:
        if function == "unbind":
            raise IndexError("Dimension specified as 0 but tensor has no dimensions")
        raise RuntimeError(f"{function} expects at least a 1-dimensional tensor, but got one with 0 dims")
    return normalize_dim(dim, len(shape))


def _listed(function: str, tensors: Any) -> list[Tensor]:
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{function}(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}"
        )
    for i, x in enumerate(tensors):
        if not is_tensor(x):
            try:
                return [as_tensor(y, function) for y in tensors]
            except TypeError:
                raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}") from None
    return list(tensors)


def _not_empty(function: str, tensors: Any) -> list[Tensor]:
    given = _listed(function, tensors)
    if not given:
        raise RuntimeError(f"{function} expects a non-empty TensorList")
    return given
