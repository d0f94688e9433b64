"""Running sums and products along a dimension."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import STANDARD, conj, op, standard
from gradcore.ops._batching import along
from gradcore.ops._dims import normalize_dim
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor, summed_dtype
from gradcore.ops._reducing import as_dtype, narrowed, widened
from gradcore.ops._scans import part
from gradcore.ops.creation import full
from gradcore.ops.reduction import has_no_zero, with_zeros
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["cumprod", "cumsum"]


def along_dim(make: Make) -> Iterator[Sample]:
    """Samples of a function along one dimension that keeps the shape."""
    for shape, dim in (((2, 3), 0), ((2, 3), 1), ((5,), 0), ((), 0), ((0, 2), 0), ((0, 2), 1)):
        yield Sample(make(*shape), dim=dim)


@numpy_names
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The sum of the elements so far, along ``dim``. Integers are summed in int64.

    Raises:
        IndexError: there is no such dimension.
    """
    return cumsum_dim(*_along("cumsum", input, dim, dtype))  # type: ignore[no-any-return]


@numpy_names
def cumsum_(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """In-place :func:`cumsum`."""
    return cumsum_dim.inplace(input, normalize_dim(dim, input.ndim), dtype)


@op(node="CumsumBackward0", linear=True, samples=along_dim)
def cumsum_dim(xp: Any, input: Any, /, dim: int, dtype: Any = None) -> Any:
    """The running sum along a dimension."""
    x = _terms(xp, input, dtype)
    return _accumulated(xp, xp.cumulative_sum, x, dim)


@cumsum_dim.vjp("input")
def cumsum_dim_vjp(xp: Any, g: Any, dim: int) -> Any:
    return _sum_of_rest(xp, g, dim) if g.shape else g


@cumsum_dim.vmap
def cumsum_dim_vmap(input: Any, dim: int, dtype: Any) -> Any:
    return along(cumsum_dim, input, dim, dtype)


def _sum_of_rest(xp: Any, x: Any, dim: int) -> Any:
    """For every element its sum with those after it."""
    return xp.flip(xp.cumulative_sum(xp.flip(x, axis=dim), axis=dim), axis=dim)


@numpy_names
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The product of the elements so far, along ``dim``. Integers are multiplied in int64.

    Raises:
        IndexError: there is no such dimension.
    """
    return cumprod_dim(*_along("cumprod", input, dim, dtype))  # type: ignore[no-any-return]


@numpy_names
def cumprod_(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """In-place :func:`cumprod`."""
    return cumprod_dim.inplace(input, normalize_dim(dim, input.ndim), dtype)


def _products(make: Make) -> Iterator[Sample]:
    yield from along_dim(make)
    for x in with_zeros(make):
        yield Sample(x, dim=x.ndim - 1)


@op(node="CumprodBackward0", samples=_products)
def cumprod_dim(xp: Any, input: Any, /, dim: int, dtype: Any = None) -> Any:
    """The running product along a dimension."""
    x = _terms(xp, input, dtype)
    return _accumulated(xp, xp.cumulative_prod, x, dim)


@cumprod_dim.vjp("input")
def cumprod_dim_vjp(xp: Any, g: Any, input: Any, out: Any, dim: int) -> Any:
    if not input.shape or 0 in input.shape:
        return g
    if has_no_zero(xp, input):
        return xp.divide(_sum_of_rest(xp, xp.multiply(g, conj(xp, out)), dim), conj(xp, input))
    # The gradient at i is the product of all before i, times rest[i] = g[i] + x[i+1] * rest[i+1]. That
    # recurrence is solved by doubling, without division: after step k, rest[i] has the terms up to i + 2**k,
    # and factor[i] is the product of the elements between.
    x = conj(xp, input)
    n = x.shape[dim]
    before = xp.cumulative_prod(part(xp, x, dim, None, -1), axis=dim, include_initial=True)
    rest = g
    factor = _shifted(xp, x, dim, 1)
    step = 1
    while step < n:
        rest = xp.add(rest, xp.multiply(factor, _shifted(xp, rest, dim, step)))
        factor = xp.multiply(factor, _shifted(xp, factor, dim, step))
        step *= 2
    return xp.multiply(before, rest)


@cumprod_dim.vmap
def cumprod_dim_vmap(input: Any, dim: int, dtype: Any) -> Any:
    return along(cumprod_dim, input, dim, dtype)


def _shifted(xp: Any, x: Any, dim: int, step: int) -> Any:
    """The element ``step`` further on; 0 behind the end."""
    shape = tuple([step if i == dim else n for i, n in enumerate(x.shape)])
    return xp.concat([part(xp, x, dim, step, None), xp.zeros(shape, dtype=x.dtype)], axis=dim)


# As the Array API spells them.


@standard("cumulative_sum")
def _standard_cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    out = cumsum(x, _axis(x, axis), dtype=dtype)
    return _from_initial(out, axis, 0) if include_initial else out


@standard("cumulative_prod")
def _standard_cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    out = cumprod(x, _axis(x, axis), dtype=dtype)
    return _from_initial(out, axis, 1) if include_initial else out


def _axis(x: Any, axis: int | None) -> int:
    if axis is None and x.ndim != 1:
        raise ValueError(f"axis must be given for a tensor of {x.ndim} dimensions")
    return 0 if axis is None else axis


def _from_initial(out: Any, axis: int | None, initial: int) -> Any:
    """``out`` with ``initial`` put before its first element."""
    axis = normalize_dim(0 if axis is None else axis, out.ndim)
    shape = tuple([1 if i == axis else n for i, n in enumerate(out.shape)])
    return STANDARD["concat"]([full(shape, initial, dtype=out.dtype, device=out.device), out], axis=axis)


# What they share


def _along(name: str, input: Any, dim: int, dtype: Any) -> tuple[Any, int, Any]:
    x = as_tensor(input, name)
    dim = normalize_dim(dim, x.ndim)
    if dtype is not None:
        dtype = summed_dtype(name, x, dtype)
        if dtype.kind == "b":
            refuse_dtype(f"{name}_out_cpu", dtype)
    return x, dim, dtype


def _accumulated(xp: Any, function: Any, x: Any, dim: int) -> Any:
    """A running sum or product in the dtype of ``x``, where libraries make larger integers."""
    if not x.shape:
        return xp.copy(x)
    wide = widened(xp, x)
    return narrowed(xp, function(wide, axis=dim, dtype=wide.dtype), x)


def _terms(xp: Any, x: Any, dtype: Any) -> Any:
    """``x`` in the dtype in which it is accumulated: int64 for integers."""
    if dtype is None and xp.np_dtype(x.dtype).kind in "biu":
        dtype = dtypes.int64
    return x if dtype is None else as_dtype(xp, x, dtype)
