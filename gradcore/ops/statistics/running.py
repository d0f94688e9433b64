"""Running extrema and logarithms of sums along a dimension; running sums and products are in ``cumulative.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.op import conj, op
from gradcore.ops._batching import along
from gradcore.ops._dims import normalize_dim
from gradcore.ops._numeric import kind_of, refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops._reducing import narrowed, widened
from gradcore.ops._scans import part, places_along, running_logaddexp, running_max, running_min, scan, scan_all
from gradcore.ops.cumulative import along_dim
from gradcore.ops.extremum import put_back
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["cummax", "cummin", "logcumsumexp"]


@numpy_names
def cummax(input: Tensor, dim: int) -> return_types.cummax:
    """The largest element so far along ``dim``, and where the last such stands: ``(values, indices)``. NaN counts as largest.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: complex numbers have no order.
    """
    return return_types.cummax(*cummax_dim(*_ordered("cummax", input, dim)))


@numpy_names
def cummin(input: Tensor, dim: int) -> return_types.cummin:
    """The smallest element so far along ``dim``, and where the last such stands: ``(values, indices)``. NaN counts as smallest.

    Raises:
        As :func:`cummax`.
    """
    return return_types.cummin(*cummin_dim(*_ordered("cummin", input, dim)))


@op(node="CummaxBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=along_dim)
def cummax_dim(xp: Any, input: Any, /, dim: int) -> Any:
    """The largest elements so far, and where they stand."""
    return _running(xp, running_max, input, dim)


@op(node="CumminBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=along_dim)
def cummin_dim(xp: Any, input: Any, /, dim: int) -> Any:
    """The smallest elements so far, and where they stand."""
    return _running(xp, running_min, input, dim)


@cummax_dim.vjp("input")
def cummax_dim_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, dim: int) -> Any:
    return put_back(xp, g, input_shape, indices, dim, True)


@cummin_dim.vjp("input")
def cummin_dim_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, dim: int) -> Any:
    return put_back(xp, g, input_shape, indices, dim, True)


@cummax_dim.vmap
def cummax_dim_vmap(input: Any, dim: int) -> Any:
    return along(cummax_dim, input, dim)


@cummin_dim.vmap
def cummin_dim_vmap(input: Any, dim: int) -> Any:
    return along(cummin_dim, input, dim)


def _running(xp: Any, extremum: Callable[..., Any], x: Any, dim: int) -> tuple[Any, Any]:
    if not x.shape or 0 in x.shape:
        return xp.copy(x), xp.zeros(x.shape, dtype=dtypes.int64)
    numbers = xp.astype(x, dtypes.uint8) if kind_of(xp, x) == "b" else x
    values = extremum(xp, numbers, dim)
    # An element that equals the extremum so far (or is NaN, as that is from then on) is the last of its kind.
    found = xp.logical_or(xp.equal(numbers, values), xp.not_equal(numbers, numbers))
    indices = running_max(xp, xp.where(found, places_along(xp, x, dim), 0), dim)
    return values if numbers is x else xp.astype(values, x.dtype), indices


def _ordered(name: str, input: Any, dim: int) -> tuple[Any, int]:
    x = as_tensor(input, name)
    dim = normalize_dim(dim, x.ndim)
    if x.dtype.kind == "c":
        refuse_dtype(f"{name}_cpu", x.dtype)
    return x, dim


@numpy_names
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """``log(cumsum(exp(input)))`` along ``dim``, without overflow.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: integers.
    """
    x = as_tensor(input, "logcumsumexp")
    dim = normalize_dim(dim, x.ndim)
    if x.dtype.kind in "biu":
        refuse_dtype("logcumsumexp_out_cpu", x.dtype)
    return logcumsumexp_dim(x, dim)  # type: ignore[no-any-return]


def _near_and_far(make: Make) -> Iterator[Sample]:
    yield from along_dim(make)
    # So far apart that their exponentials do not fit into one number.
    yield Sample(make.of([700.0, -800.0, 701.0, 2.0, 702.5], requires_grad=make.requires_grad), dim=0)


@op(node="LogcumsumexpBackward0", samples=_near_and_far)
def logcumsumexp_dim(xp: Any, input: Any, /, dim: int) -> Any:
    """The logarithm of the running sum of exponentials along a dimension."""
    if not input.shape or 0 in input.shape:
        return xp.copy(input)
    x = widened(xp, input)
    if kind_of(xp, x) == "c":
        return _with_continued_angle(xp, x, scan(xp, _logaddexp_of_complex, x, dim), dim)
    return narrowed(xp, running_logaddexp(xp, x, dim), input)


@logcumsumexp_dim.vjp("input")
def logcumsumexp_dim_vjp(xp: Any, g: Any, input: Any, out: Any, dim: int) -> Any:
    if not input.shape or 0 in input.shape:
        return g
    g, input, out = widened(xp, g), widened(xp, input), widened(xp, out)
    # The gradient of x[j] is the sum of g[i] * exp(x[j] - out[i]) over i >= j.
    if _fits_exponential(xp, out):
        middle = xp.max(out, axis=dim, keepdims=True)
        shares = xp.multiply(g, xp.exp(xp.subtract(middle, out)))
        rest = xp.flip(xp.cumulative_sum(xp.flip(shares, axis=dim), axis=dim), axis=dim)
        return xp.multiply(rest, xp.exp(xp.subtract(input, middle)))
    # With rest[j] = g[j] + exp(out[j] - out[j+1]) * rest[j+1] no factor is larger than 1; that recurrence is solved by doubling.

    def step_back(later: tuple[Any, Any], earlier: tuple[Any, Any]) -> tuple[Any, Any]:
        (rest, factor), (own, own_factor) = later, earlier
        return xp.add(own, xp.multiply(own_factor, rest)), xp.multiply(factor, own_factor)

    backwards = xp.flip(conj(xp, out), axis=dim)
    following = xp.concat([part(xp, backwards, dim, 0, 1), part(xp, backwards, dim, 0, -1)], axis=dim)
    # Equal ones may be infinite.
    factors = xp.exp(xp.where(xp.equal(backwards, following), 0, xp.subtract(backwards, following)))
    rest, _ = scan_all(xp, step_back, (xp.flip(g, axis=dim), factors), dim)
    return xp.multiply(xp.flip(rest, axis=dim), conj(xp, xp.exp(xp.subtract(input, out))))


@logcumsumexp_dim.vmap
def logcumsumexp_dim_vmap(input: Any, dim: int) -> Any:
    return along(logcumsumexp_dim, input, dim)


def _fits_exponential(xp: Any, out: Any) -> bool:
    """Whether it is known that the exponentials of all differences between elements are far from overflow."""
    if xp.device.level is not None or kind_of(xp, out) != "f":
        return False
    limit = 600.0 if xp.np_dtype(out.dtype).itemsize == 8 else 70.0
    return bool(xp.subtract(xp.max(out), xp.min(out)) < limit)  # False where one is infinite or NaN


def _logaddexp_of_complex(xp: Any, x: Any, y: Any) -> Any:
    """``log(exp(x) + exp(y))`` of complex numbers."""
    larger = xp.greater_equal(xp.real(x), xp.real(y))
    larger = xp.logical_or(larger, xp.isnan(xp.real(x)))
    top, other = xp.where(larger, x, y), xp.where(larger, y, x)
    # An infinite real part must not be subtracted from itself.
    infinite = xp.isinf(xp.real(top))
    reference = xp.where(infinite, xp.zeros_like(top), top)
    total = xp.add(xp.exp(xp.subtract(top, reference)), xp.exp(xp.subtract(other, reference)))
    return xp.where(infinite, xp.log(total), xp.add(reference, xp.log(total)))


def _with_continued_angle(xp: Any, x: Any, out: Any, dim: int) -> Any:
    """``out`` with the imaginary parts that one gets by adding one element of ``x`` after the other, not those up to 2 pi.

    The sum of two exponentials has the angle of the larger one, turned by less than pi / 2; so a sum continues the angle of
    the last element that was larger than all before it together.
    """
    previous, own = part(xp, out, dim, 0, -1), part(xp, x, dim, 1, None)
    larger = xp.greater_equal(xp.real(own), xp.real(previous))
    gap = xp.where(larger, xp.subtract(previous, own), xp.subtract(own, previous))
    turn = xp.imag(xp.log(xp.add(xp.exp(gap), 1)))
    first = xp.zeros_like(xp.imag(part(xp, x, dim, 0, 1)))
    turn = xp.concat([first, turn], axis=dim)
    turned = xp.cumulative_sum(turn, axis=dim)
    begins = xp.concat([xp.astype(first, dtypes.bool_), larger], axis=dim)
    start = running_max(xp, xp.where(begins, places_along(xp, x, dim), 0), dim)
    angle = xp.take_along_axis(xp.add(xp.subtract(xp.imag(x), turned), turn), start, axis=dim)
    angle = xp.astype(xp.add(angle, turned), x.dtype)
    continued = xp.add(xp.astype(xp.real(out), x.dtype), xp.multiply(angle, 1j))
    return xp.where(xp.isfinite(continued), continued, out)
