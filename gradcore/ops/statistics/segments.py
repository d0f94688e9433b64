"""Reductions of consecutive segments of a dimension."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops._dims import normalize_dim
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops._reducing import narrowed, widened
from gradcore.ops._scans import part, scan_all
from gradcore.ops.reduction import has_no_zero
from gradcore.ops.statistics._values import are_known
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["segment_reduce"]

_NAMES = {"sum": "sum", "mean": "mean", "prod": "prod", "max": "max", "min": "min", "amax": "max", "amin": "min"}
_EMPTY = {"sum": 0.0, "mean": math.nan, "prod": 1.0, "max": -math.inf, "min": math.inf}
"""What the reduction of an empty segment gives."""


def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:
    """Reduce consecutive segments of a dimension, each to one element.

    Args:
        data: a tensor of floating-point numbers.
        reduce: ``"sum"``, ``"mean"``, ``"max"``, ``"min"`` or ``"prod"``.
        lengths: the lengths of the segments, along the last dimension; its other dimensions are those of ``data`` before
            ``axis``.
        indices: not supported, as in PyTorch.
        offsets: where the segments begin and where the last one ends, instead of ``lengths``.
        axis: the dimension of ``data`` that is divided.
        unsafe: do not check that the lengths fit.
        initial: what each reduction begins with.

    Raises:
        NotImplementedError: integers.
        RuntimeError: segments that do not fit, another ``reduce``, neither ``lengths`` nor ``offsets``.
    """
    x = as_tensor(data, "segment_reduce", "data")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if reduce not in _NAMES:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, max or min, got {reduce}")
    given = offsets if lengths is None else lengths
    if given is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    name = "offsets" if lengths is None else "lengths"
    given = as_tensor(given, "segment_reduce", name)
    if x.ndim < given.ndim or not given.ndim:
        raise RuntimeError(
            f"segment_reduce(): Expected data.dim() >= {name}.dim() >= 1, but got {x.ndim} and {given.ndim}"
        )
    axis = normalize_dim(axis, x.ndim)
    if axis != given.ndim - 1:
        raise RuntimeError(f"segment_reduce(): Expected axis to be the last dimension of {name} but got {axis}.")
    if tuple(given.shape[:axis]) != tuple(x.shape[:axis]):
        raise RuntimeError(
            f"segment_reduce(): Expected the first dimensions of {name} to be those of data, but got {list(given.shape)} and "
            f"{list(x.shape)}"
        )
    if given.dtype not in (dtypes.int32, dtypes.int64):
        refuse_dtype("_segment_reduce_lengths_cpu_kernel1", given.dtype)
    if x.dtype.kind in "biuc":
        refuse_dtype("_segment_reduce_cpu", x.dtype)
    if not unsafe and are_known(given):
        _check(given, name, x.shape[axis])
    operands = (x, given, None) if lengths is not None else (x, None, given)
    return segments_reduced(*operands, _NAMES[reduce], axis, unsafe, None if initial is None else float(initial))  # type: ignore[no-any-return]


def _check(given: Tensor, name: str, size: int) -> None:
    if name == "lengths":
        if bool((given < 0).any()):
            raise RuntimeError("lengths contains negative value!")
        if bool((given.sum(-1) != size).any()):
            raise RuntimeError(
                "segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe."
                f" That is {size}"
            )
    elif bool(((given < 0) | (given > size)).any()):
        raise RuntimeError(f"segment_reduce(): Expected offsets from 0 to {size}, the size of data along axis")


def _segments(make: Make) -> Iterator[Sample]:
    for reduce in _EMPTY:
        lengths = make.of([2, 3], dtypes.int64)
        yield Sample(make(5, 2), lengths, None, reduce=reduce, axis=0)
        yield Sample(make(5), lengths, None, reduce=reduce, axis=0, initial=0.5)
        yield Sample(make(2, 3, 2), make.of([[1, 2], [3, 0]], dtypes.int64), None, reduce=reduce, axis=1, initial=0.25)
        yield Sample(make(4), None, make.of([0, 1, 4], dtypes.int64), reduce=reduce, axis=0)
    with_zero = make.of([1.5, 0.0, 2.0, 0.5], requires_grad=make.requires_grad)
    yield Sample(with_zero, make.of([3, 1], dtypes.int64), None, reduce="prod", axis=0)
    yield Sample(make(0, 2), make.of([0], dtypes.int64), None, reduce="sum", axis=0)


@op(node="SegmentReduceBackward0", samples=_segments)
def segments_reduced(
    xp: Any,
    data: Any,
    lengths: Any = None,
    offsets: Any = None,
    /,
    reduce: str = "sum",
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Any:
    """The reductions of the segments of a dimension."""
    x = widened(xp, _flat(xp, data, axis))
    where = _Segments(xp, data, lengths, offsets, axis)
    if reduce in ("sum", "mean"):
        found = where.sums(x)
        found = found if initial is None else xp.add(found, initial)
        if reduce == "mean":
            empty = _EMPTY["mean"] if initial is None else initial
            count = xp.astype(where.beside(where.lengths, x), x.dtype)
            found = xp.where(xp.equal(count, 0), empty, xp.divide(found, xp.where(xp.equal(count, 0), 1, count)))
    else:
        combine = {"prod": xp.multiply, "max": xp.maximum, "min": xp.minimum}[reduce]
        found = where.last(where.scanned(combine, x), _EMPTY[reduce])
        found = found if initial is None else combine(found, xp.asarray(initial, dtype=x.dtype))
    return xp.reshape(narrowed(xp, found, data), (*data.shape[:axis], where.count, *data.shape[axis + 1 :]))


@segments_reduced.vjp("data")
def segments_reduced_vjp(
    xp: Any, g: Any, data: Any, lengths: Any, offsets: Any, out: Any, reduce: str, axis: int, initial: float | None
) -> Any:
    where = _Segments(xp, data, lengths, offsets, axis)
    x, out, g = (_flat(xp, a, axis) for a in (data, out, g))
    if reduce == "sum":
        found = where.each(g)
    elif reduce == "mean":
        count = xp.astype(xp.maximum(where.lengths, xp.asarray(1, dtype=where.lengths.dtype)), g.dtype)
        found = where.each(xp.divide(g, where.beside(count, x)))
    elif reduce == "prod":
        if has_no_zero(xp, x) and bool(xp.all(xp.isfinite(x))):
            found = xp.divide(where.each(xp.multiply(g, out)), x)
        else:
            others = where.products_of_others(x)
            found = xp.multiply(where.each(g if initial is None else xp.multiply(g, initial)), others)
    else:
        # Ties share the gradient. Elements that initial surpasses get none.
        largest = where.each(out)
        both_nan = xp.logical_and(xp.not_equal(x, x), xp.not_equal(largest, largest))
        tied = xp.astype(xp.logical_or(xp.equal(x, largest), both_nan), g.dtype)
        times = where.sums(tied)
        shared = xp.divide(g, xp.where(xp.equal(times, 0), 1, times))
        found = xp.multiply(tied, where.each(shared))
    return xp.reshape(found, tuple(data.shape))


@segments_reduced.vmap
def segments_reduced_vmap(
    data: Any, lengths: Any, offsets: Any, reduce: str, axis: int, unsafe: bool, initial: float | None
) -> Any:
    return segments_reduced(data, lengths, offsets, reduce, axis + 1, unsafe, initial)


def _flat(xp: Any, x: Any, axis: int) -> Any:
    """``x`` with ``axis`` and all dimensions before it as one."""
    shape = tuple(x.shape)
    return xp.reshape(x, (math.prod(shape[: axis + 1]), *shape[axis + 1 :]))


class _Segments:
    """Where the segments lie in a dimension that holds, one after the other, those of all dimensions before it.

    Args:
        data: what is divided along ``axis``.
        lengths, offsets: the lengths of the segments, or where they begin and end; one of them.
    """

    def __init__(self, xp: Any, data: Any, lengths: Any, offsets: Any, axis: int) -> None:
        self.xp = xp
        size = data.shape[axis]
        if offsets is None:
            ends = xp.cumulative_sum(xp.astype(lengths, dtypes.int64), axis=axis)
            begins = xp.subtract(ends, xp.astype(lengths, dtypes.int64))
        else:
            offsets = xp.astype(offsets, dtypes.int64)
            begins, ends = part(xp, offsets, axis, 0, -1), part(xp, offsets, axis, 1, None)
        self.count = begins.shape[axis]
        rows = math.prod(data.shape[:axis])
        # All rows of segments, one behind the other.
        ahead = xp.reshape(xp.arange(rows, dtype=dtypes.int64), (rows, 1)) * size
        begins = xp.reshape(xp.add(xp.reshape(begins, (rows, self.count)), ahead), (-1,))
        self.ends = xp.reshape(xp.add(xp.reshape(ends, (rows, self.count)), ahead), (-1,))
        self.lengths = xp.subtract(self.ends, begins)
        self.total = rows * self.count
        places = xp.arange(rows * size, dtype=dtypes.int64)
        number = xp.astype(xp.searchsorted(self.ends, places, side="right"), dtypes.int64)
        # What lies in none gets the number after the last.
        if self.total:
            inside = xp.take(begins, xp.minimum(number, xp.asarray(self.total - 1, dtype=dtypes.int64)))
            number = xp.where(xp.less_equal(inside, places), number, self.total)
        self.number = number
        """The segment of each element."""

    def sums(self, x: Any) -> Any:
        """The sum of each segment."""
        shape = (self.total + 1, *x.shape[1:])
        return part(self.xp, self.xp.scatter_add(x, (self.number,), shape), 0, 0, self.total)

    def each(self, x: Any) -> Any:
        """For each element what ``x`` has for its segment; 0 for those in none."""
        nothing = self.xp.zeros((1, *x.shape[1:]), dtype=x.dtype)
        return self.xp.take(self.xp.concat([x, nothing], axis=0), self.number, axis=0)

    def beside(self, x: Any, like: Any) -> Any:
        """A number for each segment as what broadcasts against the reductions of ``like``."""
        return self.xp.reshape(x, (self.total,) + (1,) * (len(like.shape) - 1))

    def scanned(self, combine: Callable[[Any, Any], Any], x: Any, turned: bool = False) -> Any:
        """The combination of the elements of each segment so far; ``turned``: of those from there on, of turned ``x``."""
        xp = self.xp

        def step(early: tuple[Any, Any], late: tuple[Any, Any]) -> tuple[Any, Any]:
            return xp.where(xp.equal(early[1], late[1]), combine(early[0], late[0]), late[0]), late[1]

        number = xp.reshape(self.number, (-1,) + (1,) * (len(x.shape) - 1))
        return scan_all(xp, step, (x, xp.flip(number, axis=0) if turned else number), 0)[0]

    def last(self, x: Any, empty: float) -> Any:
        """The last element of each segment; ``empty`` for those without."""
        xp = self.xp
        if not x.shape[0]:
            return xp.full((self.total, *x.shape[1:]), empty, dtype=x.dtype)
        at = xp.clip(xp.subtract(self.ends, 1), 0, x.shape[0] - 1)
        return xp.where(self.beside(xp.greater(self.lengths, 0), x), xp.take(x, at, axis=0), empty)

    def products_of_others(self, x: Any) -> Any:
        """For each element the product of the others in its segment, without division."""
        xp = self.xp
        number = xp.reshape(self.number, (-1,) + (1,) * (len(x.shape) - 1))
        one = xp.ones_like(part(xp, x, 0, 0, 1))

        def of_those_before(x: Any, number: Any, turned: bool) -> Any:
            products = self.scanned(xp.multiply, x, turned)
            before = xp.concat([one, part(xp, products, 0, 0, -1)], axis=0)
            same = xp.equal(part(xp, number, 0, 1, None), part(xp, number, 0, 0, -1))
            first = (
                xp.zeros_like(part(xp, same, 0, 0, 1)) if x.shape[0] > 1 else xp.zeros_like(number, dtype=dtypes.bool_)
            )
            return xp.where(xp.concat([first, same], axis=0), before, 1)

        after = of_those_before(xp.flip(x, axis=0), xp.flip(number, axis=0), True)
        return xp.multiply(of_those_before(x, number, False), xp.flip(after, axis=0))
