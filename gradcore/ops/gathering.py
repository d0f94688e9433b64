"""Reading and writing along a dimension, with an index for every element: ``gather``, ``scatter`` and their like.

``index_select``, ``index_add`` ... take one for every position of a dimension; ``take`` and ``put`` (``taking.py``) count
through all elements. An index out of range raises, except on a GPU, where finding one would mean waiting for the device:
there it wraps around.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import is_tensor, op, standard
from gradcore.ops._dims import normalize_dim
from gradcore.ops._indices import (
    as_number,
    index_tensor,
    int_samples,
    refuse_negative,
    run_with_index_errors,
    vector,
)
from gradcore.ops._operands import as_tensor
from gradcore.ops.assignment import fill_value
from gradcore.ops.broadcasting import broadcast_shapes, expand
from gradcore.ops.shape import reshape
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["gather", "scatter", "scatter_add", "take_along_dim"]


def _gathers(make: Make) -> Iterator[Sample]:
    yield Sample(make(3, 2), int_samples(make, [[0, 2], [2, 1], [2, 0], [0, 0]]), dim=0)
    yield Sample(make(3, 4), int_samples(make, [[0, 3, 3], [1, 1, 2]]), dim=1)
    yield Sample(make(3), int_samples(make, [2, 2]), dim=0)
    yield Sample(make(), int_samples(make, [0, 0]), dim=0)
    yield Sample(make(3), int_samples(make, 1), dim=0)
    yield Sample(make(2, 2), make.ints(0, 2), dim=0)


@op(node="GatherBackward0", linear=True, samples=_gathers)
def gathered(xp: Any, input: Any, index: Any, /, dim: int) -> Any:
    """``out[i][j] = input[index[i][j]][j]`` for ``dim=0``."""
    refuse_negative(xp, index, input.shape, dim)
    return _gathered(xp, input, index, dim)


@gathered.vjp("input")
def gathered_vjp(xp: Any, g: Any, index: Any, input_shape: Any, dim: int) -> Any:
    if 0 in index.shape:
        return xp.zeros(tuple(input_shape), dtype=g.dtype)
    return _added_along(xp, g, index, tuple(input_shape), dim)


@gathered.vmap
def gathered_vmap(input: Any, index: Any, dim: int) -> Any:
    dim = normalize_dim(dim, input.ndim - 1) + 1
    if 0 in index.shape:
        return gathered(input, index, dim)
    return reshape(gathered(*vectors(input, index), dim), index.shape)


@numpy_names
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """For ``dim=0``: ``out[i][j] = input[index[i][j]][j]``. ``index`` may be smaller than ``input`` in other dimensions.

    Raises:
        RuntimeError: an index out of range, one of another dtype than int64 or int32, or sizes that do not fit.
    """
    input = as_tensor(input, "gather")
    index = index_tensor("gather", index, input, any_if_empty=True)
    dim = normalize_dim(dim, input.ndim)
    if index.numel():
        check_smaller("gather", index, input, "self", dim)
    return run_with_index_errors(gathered, RuntimeError, input, index, dim)


@standard("gather")
def gather_standard(x: Tensor, index: Tensor, axis: int, /) -> Tensor:
    """The namespace's spelling of :func:`gather`."""
    return gathered(x, index, axis)  # type: ignore[no-any-return]


@numpy_names
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """``gather`` with both operands broadcast in the other dimensions; flattened when no dimension is given.

    Along a dimension, negative indices count from the end.

    Raises:
        RuntimeError: they do not broadcast, or an index is out of range.
    """
    return _taken_along(input, indices, dim, negative=True)


def _taken_along(input: Any, indices: Any, dim: int | None, negative: bool) -> Tensor:
    input, indices = as_tensor(input, "take_along_dim"), as_tensor(indices, "take_along_dim", "indices", 2)
    if indices.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            f"take_along_dim(): dtype of indices should be Long but got {dtypes.scalar_type_name(indices.dtype)}"
        )
    if dim is None:
        return gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    dim = normalize_dim(dim, input.ndim)
    shape, wanted = list(input.shape), list(indices.shape)
    if not shape:
        return gather(input, dim, indices)
    size, count, shape[dim], wanted[dim] = shape[dim], wanted[dim], 1, 1
    if negative:
        indices = indices + (indices < 0) * size
    both = list(broadcast_shapes(shape, wanted))
    source, index = [*both[:dim], size, *both[dim + 1 :]], [*both[:dim], count, *both[dim + 1 :]]
    return gather(
        input if list(input.shape) == source else expand(input, source),
        dim,
        indices if list(indices.shape) == index else expand(indices, index),
    )


@standard("take_along_axis")
def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """The standard's spelling of :func:`take_along_dim`."""
    return _taken_along(x, indices, axis, negative=False)  # what rules ask for has none


def _scatters(make: Make) -> Iterator[Sample]:
    yield Sample(make(3, 2), int_samples(make, [[2, 0], [0, 1]]), make(2, 2), dim=0)
    yield Sample(make(2, 4), int_samples(make, [[3, 0, 1]]), make(2, 4), dim=1)
    yield Sample(make(3), int_samples(make, [1]), make(1), dim=0)
    yield Sample(make(), int_samples(make, 0), make(), dim=0)
    yield Sample(make(2, 2), make.ints(0, 2), make(0, 2), dim=0)


@op(node="ScatterBackward0", linear=True, samples=_scatters)
def scattered(xp: Any, input: Any, index: Any, src: Any, /, dim: int) -> Any:
    """``input`` with ``out[index[i][j]][j] = src[i][j]`` written, for ``dim=0``."""
    out = xp.copy(input)
    scattered_into(xp, out, index, src, dim)
    return out


scattered.op.shares = "none"


@scattered.into
def scattered_into(xp: Any, input: Any, index: Any, src: Any, dim: int) -> None:
    refuse_negative(xp, index, input.shape, dim)
    index = vector(xp, index)
    values = vector(xp, src)
    xp.setitem(vector(xp, input), _grid(xp, index, dim), xp.getitem(values, tuple([slice(n) for n in index.shape])))


@scattered.vjp("input")
def scattered_vjp_input(xp: Any, g: Any, index: Any, dim: int) -> Any:
    return _cleared_along(xp, g, index, dim)


@scattered.vjp("src")
def scattered_vjp_src(xp: Any, g: Any, index: Any, src_shape: Any, dim: int) -> Any:
    return _padded(xp, _gathered(xp, g, index, dim), src_shape)


@scattered.vmap
def scattered_vmap(input: Any, index: Any, src: Any, dim: int) -> Any:
    return reshape(scattered(*vectors(input, index, src), dim + 1), input.shape)


def _scatters_of_numbers(make: Make) -> Iterator[Sample]:
    yield Sample(make(3, 2), int_samples(make, [[2, 0], [0, 0]]), dim=0, value=1.5)
    yield Sample(make(3), int_samples(make, [1]), dim=0, value=0.0)
    yield Sample(make(), int_samples(make, 0), dim=0, value=1.0)


@op(node="ScatterBackward1", samples=_scatters_of_numbers)
def scattered_number(xp: Any, input: Any, index: Any, /, dim: int, value: Any) -> Any:
    """``input`` with one number written where :func:`scattered` writes."""
    out = xp.copy(input)
    scattered_number_into(xp, out, index, dim, value)
    return out


@scattered_number.into
def scattered_number_into(xp: Any, input: Any, index: Any, dim: int, value: Any) -> None:
    refuse_negative(xp, index, input.shape, dim)
    xp.setitem(vector(xp, input), _grid(xp, vector(xp, index), dim), value)


@scattered_number.vjp("input")
def scattered_number_vjp(xp: Any, g: Any, index: Any, dim: int) -> Any:
    return _cleared_along(xp, g, index, dim)


@scattered_number.vmap
def scattered_number_vmap(input: Any, index: Any, dim: int, value: Any) -> Any:
    return reshape(scattered_number(*vectors(input, index), dim + 1, value), input.shape)


@numpy_names
def scatter(input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None) -> Tensor:
    """A copy of ``input`` with values written; for ``dim=0``: ``out[index[i][j]][j] = src[i][j]``.

    Where an index comes twice, one of the values stays; the gradient goes to all of them, as in PyTorch.

    Args:
        src: the values: a tensor of the dtype of ``input``, at least as large as ``index``.
        value: one number for all places, instead.

    Raises:
        RuntimeError: an index out of range, one of another dtype than int64 or int32, or sizes that do not fit.
    """
    chosen, operands = _scatter_operands(input, dim, index, src, value)
    return run_with_index_errors(chosen, RuntimeError, *operands)


def scatter_(self: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None) -> Tensor:
    """Write values into this tensor; see :func:`scatter`."""
    chosen, operands = _scatter_operands(self, dim, index, src, value)
    return run_with_index_errors(chosen.inplace, RuntimeError, *operands)


@op(node="ScatterAddBackward0", linear=True, samples=_scatters)
def added_along(xp: Any, input: Any, index: Any, src: Any, /, dim: int) -> Any:
    """``input`` with ``src`` added where :func:`scattered` writes; at repeated indices all values."""
    refuse_negative(xp, index, input.shape, dim)
    src = vector(xp, src) if index.shape else src
    part = xp.getitem(src, (*[slice(n) for n in index.shape], ...))
    return xp.add(input, _added_along(xp, part, index, input.shape, dim))


added_along.op.shares = "none"


@added_along.vjp("input")
def added_along_vjp_input(xp: Any, g: Any) -> Any:
    return g


@added_along.vjp("src")
def added_along_vjp_src(xp: Any, g: Any, index: Any, src_shape: Any, dim: int) -> Any:
    return _padded(xp, _gathered(xp, g, index, dim), src_shape)


@added_along.vmap
def added_along_vmap(input: Any, index: Any, src: Any, dim: int) -> Any:
    return reshape(added_along(*vectors(input, index, src), dim + 1), input.shape)


@numpy_names
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """``input`` with values added; for ``dim=0``: ``out[index[i][j]][j] += src[i][j]``, also at repeated indices.

    Raises:
        RuntimeError: as for :func:`scatter`.
    """
    return run_with_index_errors(added_along, RuntimeError, *_scatter_add_operands(input, dim, index, src))


def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Add values to this tensor; see :func:`scatter_add`."""
    return run_with_index_errors(added_along.inplace, RuntimeError, *_scatter_add_operands(self, dim, index, src))


def _sums_along(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 2), int_samples(make, [[2, 0], [2, 1]]), axis=0, shape=(3, 2))
    yield Sample(make(2), int_samples(make, [0, 0]), axis=0, shape=(2,))


@op(node="ScatterAddBackward0", linear=True, samples=_sums_along)
def sum_along(xp: Any, values: Any, index: Any, /, axis: int, shape: tuple[int, ...]) -> Any:
    """Zeros with ``values`` added where ``gather`` reads: its adjoint."""
    return xp.scatter_add_along(values, index, axis, shape)


@sum_along.vjp("values")
def sum_along_vjp(xp: Any, g: Any, index: Any, axis: int) -> Any:
    return xp.gather(g, index, axis)


@sum_along.vmap
def sum_along_vmap(values: Any, index: Any, axis: int, shape: tuple[int, ...], size: int) -> Any:
    return sum_along(values, index, normalize_dim(axis, len(shape)) + 1, (size, *shape))


@standard("scatter_add_along")
def scatter_add_along(values: Tensor, index: Tensor, axis: int, shape: Any, /) -> Tensor:
    """The namespace's spelling of :func:`sum_along`."""
    return sum_along(values, index, axis, tuple(shape))  # type: ignore[no-any-return]


# What rules and forward functions share. A 0-d array counts as a vector of one element.


def _grid(xp: Any, index: Any, dim: int) -> tuple[Any, ...]:
    """The index arrays with which NumPy indexes as ``gather`` does: a range in every dimension but one."""
    shape = index.shape
    return tuple(
        [
            index if d == dim else xp.reshape(xp.arange(n, dtype=xp.int64), (n,) + (1,) * (len(shape) - d - 1))
            for d, n in enumerate(shape)
        ]
    )


def vectors(*operands: Any) -> list[Any]:
    """Batches of elements; an element without dimensions as a vector."""
    return [x if x.ndim > 1 else reshape(x, (x.shape[0], 1)) for x in operands]


def _gathered(xp: Any, x: Any, index: Any, dim: int) -> Any:
    if 0 in index.shape:
        # Such an index may have other dimensions than what is indexed.
        return xp.zeros(tuple(index.shape), dtype=x.dtype)
    if x.shape and index.shape:
        return xp.gather(x, index, dim)
    return xp.reshape(xp.gather(vector(xp, x), vector(xp, index), dim), index.shape)


def _added_along(xp: Any, values: Any, index: Any, shape: tuple[int, ...], dim: int) -> Any:
    if shape and index.shape:
        return xp.scatter_add_along(values, index, dim, shape)
    out = xp.scatter_add_along(vector(xp, values), vector(xp, index), dim, shape or (1,))
    return xp.reshape(out, shape)


def _cleared_along(xp: Any, g: Any, index: Any, dim: int) -> Any:
    """``g`` without what ``scatter`` writes over."""
    written = _added_along(xp, xp.ones(index.shape, dtype=xp.float64), index, tuple(g.shape), dim)
    return xp.where(written > 0, 0.0, g)


def _padded(xp: Any, x: Any, shape: Any) -> Any:
    """``x`` in the first corner of zeros of a shape."""
    if tuple(x.shape) == tuple(shape) or not shape:
        return x
    return xp.scatter_add(x, tuple([slice(0, n) for n in x.shape]), tuple(shape))


# Operands as users give them.


def check_smaller(function: str, index: Tensor, x: Tensor, name: str, dim: int | None) -> None:
    """Raise if ``index`` is larger than ``x`` in a dimension other than ``dim``."""
    if (index.ndim or 1) != (x.ndim or 1):
        raise (IndexError if name == "src" and _is_too_flat(index.shape, x.shape) else RuntimeError)(
            f"{function}(): Index tensor must have the same number of dimensions as {name} tensor, but got "
            f"{list(index.shape)} and {list(x.shape)}"
        )
    for d, (n, m) in enumerate(zip(index.shape or (1,), x.shape or (1,), strict=False)):
        if n > m and d != dim:
            raise RuntimeError(
                f"{function}(): Size does not match at dimension {d}: expected index {list(index.shape)} to be no larger "
                f"than {name} {list(x.shape)}" + ("" if dim is None else f" apart from dimension {dim}")
            )


def _is_too_flat(index: Any, src: Any) -> bool:
    """Whether ``src`` is large enough in the dimensions that it has, but has too few; PyTorch notices when it asks for them."""
    return 0 < len(src) < len(index) and all(n <= m for n, m in zip(index, src, strict=False))


def _scatter_operands(input: Any, dim: int, index: Any, src: Any, value: Any) -> tuple[Any, tuple[Any, ...]]:
    input = as_tensor(input, "scatter")
    index = index_tensor("scatter", index, input, any_if_empty=True)
    dim = normalize_dim(dim, input.ndim)
    if (src is None) == (value is None):
        raise TypeError("scatter() needs src (a tensor or a number) or value (a number), and not both")
    source = value if src is None else src
    check_smaller("scatter", index, input, "self", dim)
    if not is_tensor(source):
        return scattered_number, (input, index, dim, fill_value(as_number("scatter", source), input.dtype))
    check_source("scatter", input, index, source)
    return scattered, (input, index, source, dim)


def _scatter_add_operands(input: Any, dim: int, index: Any, src: Any) -> tuple[Any, ...]:
    input = as_tensor(input, "scatter_add")
    src = as_tensor(src, "scatter_add", "src", 4)
    index = index_tensor("scatter_add", index, input, any_if_empty=True)
    dim = normalize_dim(dim, input.ndim)
    check_smaller("scatter_add", index, input, "self", dim)
    check_source("scatter_add", input, index, src)
    return input, index, src, dim


def check_source(function: str, input: Tensor, index: Tensor, src: Tensor) -> None:
    if src.dtype != input.dtype:
        raise RuntimeError(
            f"{function}(): Expected self.dtype to be equal to src.dtype, but got {dtypes.dtype_name(input.dtype)} and "
            f"{dtypes.dtype_name(src.dtype)}"
        )
    check_smaller(function, index, src, "src", None)
