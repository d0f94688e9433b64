"""The largest, the smallest and the middle element, and where they are.

Elements that tie share the gradient, except where one of them is named by an index: that one gets it all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.op import is_tensor, op, standard
from gradcore.ops import bounds
from gradcore.ops._batching import along, element_dims, over, rows
from gradcore.ops._dims import check_not_empty, kept_shape, normalize_dim, normalize_dims, reduced_dims
from gradcore.ops._operands import as_tensor
from gradcore.ops._reducing import Dims, over_dims, restored, widened
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "median", "min"]


def _all_elements(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (5,), ()):
        yield Sample(make(*shape))


def over_dim(make: Make) -> Iterator[Sample]:
    """Samples of a function along one dimension that can drop it."""
    for shape, dim in (((2, 3), 0), ((2, 3), 1), ((2, 3, 2), 1), ((), 0)):
        for keepdim in (False, True):
            yield Sample(make(*shape), dim=dim, keepdim=keepdim)
    yield Sample(make(2, 0), dim=0)


@numpy_names
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest element; with ``dim``, ``(values, indices)`` along it; with a tensor, the larger of each pair.

    NaN counts as largest.

    Raises:
        IndexError: there is no such dimension, or it has size 0.
        NotImplementedError: complex numbers have no order.
        RuntimeError: there is no element.
    """
    if dim is None and other is None:
        return max_all(input)
    if other is not None or is_tensor(dim):
        return bounds.maximum(as_tensor(input, "max"), dim if other is None else other)
    return return_types.max(*max_dim(*_along("max", input, dim, keepdim)))


@numpy_names
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest element; with ``dim``, ``(values, indices)`` along it; with a tensor, the smaller of each pair.

    NaN counts as smallest.

    Raises:
        As :func:`max`.
    """
    if dim is None and other is None:
        return min_all(input)
    if other is not None or is_tensor(dim):
        return bounds.minimum(as_tensor(input, "min"), dim if other is None else other)
    return return_types.min(*min_dim(*_along("min", input, dim, keepdim)))


@op(node="MaxBackward1", samples=_all_elements)
def max_all(xp: Any, input: Any, /) -> Any:
    """The largest of all elements."""
    return _extremum(xp, "max", input, None, False)


@op(node="MinBackward1", samples=_all_elements)
def min_all(xp: Any, input: Any, /) -> Any:
    """The smallest of all elements."""
    return _extremum(xp, "min", input, None, False)


@max_all.vjp("input")
def max_all_vjp(xp: Any, g: Any, input: Any, out: Any) -> Any:
    return _shared(xp, g, input, out)


@max_all.vmap
def max_all_vmap(input: Any) -> Any:
    return amax_dim(input, element_dims(input))


@min_all.vjp("input")
def min_all_vjp(xp: Any, g: Any, input: Any, out: Any) -> Any:
    return _shared(xp, g, input, out)


@min_all.vmap
def min_all_vmap(input: Any) -> Any:
    return amin_dim(input, element_dims(input))


def _shared(xp: Any, g: Any, x: Any, out: Any) -> Any:
    """``g`` in equal parts to the elements that are ``out``; to those that are NaN, if that is NaN."""
    # NaN is found even among larger elements, so where there is one, out is NaN.
    tied = xp.logical_or(xp.equal(x, out), xp.not_equal(x, x))
    share = xp.divide(g, xp.sum(xp.astype(tied, g.dtype)))
    return xp.where(tied, share, 0)


@op(node="MaxBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=over_dim)
def max_dim(xp: Any, input: Any, /, dim: int, keepdim: bool = False) -> Any:
    """The largest elements along a dimension, and where the first of each stands."""
    return _found(xp, "max", input, dim, keepdim)


@op(node="MinBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=over_dim)
def min_dim(xp: Any, input: Any, /, dim: int, keepdim: bool = False) -> Any:
    """The smallest elements along a dimension, and where the first of each stands."""
    return _found(xp, "min", input, dim, keepdim)


@max_dim.vjp("input")
def max_dim_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, dim: int, keepdim: bool) -> Any:
    return put_back(xp, g, input_shape, indices, dim, keepdim)


@max_dim.vmap
def max_dim_vmap(input: Any, dim: int, keepdim: bool) -> Any:
    return along(max_dim, input, dim, keepdim)


@min_dim.vjp("input")
def min_dim_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, dim: int, keepdim: bool) -> Any:
    return put_back(xp, g, input_shape, indices, dim, keepdim)


@min_dim.vmap
def min_dim_vmap(input: Any, dim: int, keepdim: bool) -> Any:
    return along(min_dim, input, dim, keepdim)


def _found(xp: Any, name: str, x: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
    numbers = _ordered(xp, name, x)
    if not x.shape:
        return selected(xp, x, None, dim, keepdim)
    value, place = (xp.max, xp.argmax) if name == "max" else (xp.min, xp.argmin)
    values = value(numbers, axis=dim, keepdims=keepdim)
    return (
        values if numbers is x else xp.astype(values, x.dtype),
        place(numbers, axis=dim, keepdims=keepdim),
    )


def selected(xp: Any, x: Any, positions: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
    """The elements at ``positions`` (which keep ``dim``; ``None``: a 0-d array's own), and the positions."""
    if positions is None:
        return xp.copy(x), xp.zeros((), dtype=dtypes.int64)
    values = xp.take_along_axis(x, positions, axis=dim)
    if keepdim:
        return values, positions
    shape = x.shape[:dim] + x.shape[dim + 1 :]
    return xp.reshape(values, shape), xp.reshape(positions, shape)


def put_back(xp: Any, g: Any, shape: Any, indices: Any, dim: int, keepdim: bool) -> Any:
    """Zeros of ``shape`` with ``g`` where the elements that were :func:`selected` stood."""
    if not shape:
        return g
    if not keepdim:
        kept = kept_shape(shape, (dim,))
        g, indices = xp.reshape(g, kept), xp.reshape(indices, kept)
    return xp.scatter_add_along(g, indices, dim, tuple(shape))


@numpy_names
def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The largest element, of all or over the dimensions ``dim``.

    Raises:
        IndexError: there is no such dimension, or it has size 0.
        NotImplementedError: complex numbers have no order.
        RuntimeError: a dimension is named twice; there is no element.
    """
    return amax_dim(*_over("amax", input, dim), keepdim)  # type: ignore[no-any-return]


@numpy_names
def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The smallest element, of all or over the dimensions ``dim``.

    Raises:
        As :func:`amax`.
    """
    return amin_dim(*_over("amin", input, dim), keepdim)  # type: ignore[no-any-return]


def _ties_over_dims(make: Make) -> Iterator[Sample]:
    yield from over_dims(make)
    yield Sample(make(2, 0), dim=(0,))


@op(node="AmaxBackward0", samples=_ties_over_dims)
def amax_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """The largest elements over some dimensions."""
    return _extremum(xp, "max", input, dim, keepdim)


@op(node="AminBackward0", samples=_ties_over_dims)
def amin_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """The smallest elements over some dimensions."""
    return _extremum(xp, "min", input, dim, keepdim)


@amax_dim.vjp("input")
def amax_dim_vjp(xp: Any, g: Any, input: Any, out: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return _shared_over(xp, g, input, out, dim, keepdim)


@amax_dim.vmap
def amax_dim_vmap(input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return over(amax_dim, input, dim, keepdim)


@amin_dim.vjp("input")
def amin_dim_vjp(xp: Any, g: Any, input: Any, out: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return _shared_over(xp, g, input, out, dim, keepdim)


@amin_dim.vmap
def amin_dim_vmap(input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return over(amin_dim, input, dim, keepdim)


def _shared_over(xp: Any, g: Any, x: Any, out: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """``g`` in equal parts to the elements that are ``out``; NaN to all, if that is NaN (as in PyTorch)."""
    g = restored(xp, g, x.shape, dim, keepdim)
    tied = xp.astype(xp.equal(x, restored(xp, out, x.shape, dim, keepdim)), g.dtype)
    if not dim:
        return xp.multiply(g, xp.divide(tied, tied))
    return xp.divide(xp.multiply(g, tied), xp.sum(tied, axis=dim, keepdims=True))


@numpy_names
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> return_types.aminmax:
    """The smallest and the largest element, of all or along one dimension, as ``(min, max)``.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: complex numbers have no order.
        RuntimeError: there is no element.
    """
    x = as_tensor(input, "aminmax")
    dims = reduced_dims(dim, x.ndim)
    if dim is not None:
        check_not_empty("aminmax", x.shape, dims)
    elif 0 in x.shape:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    return return_types.aminmax(*aminmax_dim(x, dims, keepdim))


@op(node="AminmaxBackward0", outputs=("min", "max"), samples=over_dims)
def aminmax_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """The smallest and the largest elements over some dimensions."""
    return _extremum(xp, "min", input, dim, keepdim), _extremum(xp, "max", input, dim, keepdim)


@aminmax_dim.vjp("input")
def aminmax_dim_vjp(xp: Any, g: Any, input: Any, min: Any, max: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    g_min, g_max = g
    return xp.add(_shared_over(xp, g_min, input, min, dim, keepdim), _shared_over(xp, g_max, input, max, dim, keepdim))


@aminmax_dim.vmap
def aminmax_dim_vmap(input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return over(aminmax_dim, input, dim, keepdim)


@numpy_names
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element stands, the first of several; without ``dim``, its number in row-major order.

    Raises:
        IndexError: there is no such dimension, or there is no element.
        RuntimeError: complex numbers have no order.
    """
    return argmax_dim(*_search("argmax", input, dim), keepdim)  # type: ignore[no-any-return]


@numpy_names
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element stands, the first of several; without ``dim``, its number in row-major order.

    Raises:
        As :func:`argmax`.
    """
    return argmin_dim(*_search("argmin", input, dim), keepdim)  # type: ignore[no-any-return]


def _searches(make: Make) -> Iterator[Sample]:
    for shape, dim in (((2, 3), 0), ((2, 3), 1), ((2, 3), None), ((), None), ((2, 0), 0)):
        yield Sample(make(*shape), dim=dim)
    yield Sample(make(2, 3), dim=None, keepdim=True)
    yield Sample(make(2, 3), dim=1, keepdim=True)


@op(node="ArgmaxBackward0", differentiable=False, samples=_searches)
def argmax_dim(xp: Any, input: Any, /, dim: int | None = None, keepdim: bool = False) -> Any:
    """The positions of the largest elements."""
    return xp.argmax(_ordered(xp, "max", input), axis=dim, keepdims=keepdim)


@argmax_dim.vmap
def argmax_dim_vmap(input: Any, dim: int | None, keepdim: bool) -> Any:
    return _search_batch(argmax_dim, input, dim, keepdim)


@op(node="ArgminBackward0", differentiable=False, samples=_searches)
def argmin_dim(xp: Any, input: Any, /, dim: int | None = None, keepdim: bool = False) -> Any:
    """The positions of the smallest elements."""
    return xp.argmin(_ordered(xp, "min", input), axis=dim, keepdims=keepdim)


@argmin_dim.vmap
def argmin_dim_vmap(input: Any, dim: int | None, keepdim: bool) -> Any:
    return _search_batch(argmin_dim, input, dim, keepdim)


@numpy_names
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, the lower of two, NaN if there is one; with ``dim``, ``(values, indices)`` along it.

    Raises:
        IndexError: there is no such dimension, or it has size 0.
    """
    require_order("median", input)
    if dim is None:
        return median_all(input)
    return return_types.median(*median_dim(*_along("median", input, dim, keepdim)))


@op(node="MedianBackward0", samples=_all_elements)
def median_all(xp: Any, input: Any, /) -> Any:
    """The middle one of all elements."""
    kind = xp.np_dtype(input.dtype).kind
    if math.prod(input.shape) == 0:
        return xp.full((), math.nan if kind == "f" else 0, dtype=input.dtype)
    flat = xp.reshape(input, (-1,))
    return selected(xp, flat, _middle(xp, flat, 0), 0, False)[0]


@median_all.vjp("input")
def median_all_vjp(xp: Any, g: Any, input: Any, out: Any) -> Any:
    return _shared(xp, g, input, out)


@median_all.vmap
def median_all_vmap(input: Any) -> Any:
    return median_dim(rows(input), 1)[0]


@op(node="MedianBackward1", outputs=("values", "indices"), nondifferentiable=("indices",), samples=over_dim)
def median_dim(xp: Any, input: Any, /, dim: int, keepdim: bool = False) -> Any:
    """The middle elements along a dimension, and where they stand."""
    return selected(xp, input, _middle(xp, input, dim) if input.shape else None, dim, keepdim)


@median_dim.vjp("input")
def median_dim_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, dim: int, keepdim: bool) -> Any:
    return put_back(xp, g, input_shape, indices, dim, keepdim)


@median_dim.vmap
def median_dim_vmap(input: Any, dim: int, keepdim: bool) -> Any:
    return along(median_dim, input, dim, keepdim)


def _middle(xp: Any, x: Any, dim: int) -> Any:
    """Where the median along ``dim`` stands: the first NaN, if there is one."""
    order = xp.argsort(widened(xp, x), axis=dim)
    size = x.shape[dim]
    # NaN is sorted to the end, so the first NaN follows the last number.
    count = xp.sum(xp.astype(xp.equal(x, x), dtypes.int64), axis=dim, keepdims=True)
    middle = xp.where(xp.equal(count, size), (size - 1) // 2, count)
    return xp.take_along_axis(order, middle, axis=dim)


# As the Array API spells them.


@standard("max")
def _standard_max(x: Any, /, *, axis: Dims = None, keepdims: bool = False) -> Any:
    return amax_dim(x, normalize_dims(axis, x.ndim), keepdims)


@standard("min")
def _standard_min(x: Any, /, *, axis: Dims = None, keepdims: bool = False) -> Any:
    return amin_dim(x, normalize_dims(axis, x.ndim), keepdims)


@standard("argmax")
def _standard_argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    return argmax(x, axis, keepdims)


@standard("argmin")
def _standard_argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    return argmin(x, axis, keepdims)


# What they share


def _extremum(xp: Any, name: str, x: Any, dim: tuple[int, ...] | None, keepdim: bool) -> Any:
    numbers = _ordered(xp, name, x)
    if dim == () or not x.shape:
        return xp.copy(x)
    if dim is None and math.prod(x.shape) == 0:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction "
            "dim with the 'dim' argument."
        )
    found = (xp.max if name == "max" else xp.min)(numbers, axis=dim, keepdims=keepdim)
    return found if numbers is x else xp.astype(found, x.dtype)


def _ordered(xp: Any, name: str, x: Any) -> Any:
    """``x`` as numbers that can be compared: bool as uint8.

    Raises:
        NotImplementedError: complex numbers have no order.
    """
    dtype = xp.np_dtype(x.dtype)
    if dtype.kind == "c":
        raise NotImplementedError(
            f"\"{name}\" not implemented for '{dtypes.scalar_type_name(dtype)}': complex numbers have no "
            "order; take abs() or .real"
        )
    return xp.astype(x, dtypes.uint8) if dtype.kind == "b" else x


def require_order(name: str, input: Any) -> None:
    """Raise for a function of values in their order that got complex numbers, or truth values.

    Raises:
        NotImplementedError: it did.
    """
    if is_tensor(input) and input.dtype.kind in "bc":
        raise NotImplementedError(
            f"\"{name}\" not implemented for '{dtypes.scalar_type_name(input.dtype)}': its values have no "
            "order; cast the tensor first, with .to(dtype), or take .real or .abs()"
        )


def _along(name: str, input: Any, dim: Any, keepdim: bool) -> tuple[Any, int, bool]:
    x = as_tensor(input, name)
    if x.dtype.kind == "c":
        raise RuntimeError(f"{name}(): does not support complex input: it has no order; take .real or .abs() first")
    dim = normalize_dim(dim, x.ndim)
    check_not_empty(name, x.shape, (dim,) if x.ndim else ())
    return x, dim, keepdim


def _over(name: str, input: Any, dim: Any) -> tuple[Any, tuple[int, ...]]:
    x = as_tensor(input, name)
    dims = reduced_dims(dim, x.ndim)
    if len(dims) == x.ndim and dim in (None, ()) and 0 in x.shape:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction "
            "dim with the 'dim' argument."
        )
    check_not_empty(name, x.shape, dims)
    return x, dims


def _search(name: str, input: Any, dim: int | None) -> tuple[Any, int | None]:
    x = as_tensor(input, name)
    if x.dtype.kind in "bc":
        given = "bool" if x.dtype.kind == "b" else "complex"
        raise RuntimeError(f"{name}(): does not support {given} input: its values have no order; cast it first")
    if dim is None:
        if 0 in x.shape:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
        return x, None
    dim = normalize_dim(dim, x.ndim)
    check_not_empty(name, x.shape, (dim,) if x.ndim else ())
    return x, dim if x.ndim else None


def _search_batch(function: Any, x: Any, dim: int | None, keepdim: bool) -> Any:
    """A search in each element of a batch, along ``dim`` or in row-major order."""
    if dim is not None:
        return along(function, x, dim, keepdim)
    found = function(rows(x), 1)
    return found.reshape((x.shape[0],) + (1,) * (x.ndim - 1)) if keepdim else found
