"""Functions of large arrays computed block by block, on several threads.

NumPy passes over whole arrays, and every pass over an array that is larger than the caches costs the time of reading and
writing memory, three to four times that of the arithmetic. Here all passes run over a block of rows that stays in a core's
cache, and the blocks are shared out among threads: NumPy gives the global lock away while it computes.

A function gives ``None`` for operands that it does not take (another dtype, not contiguous): then the ordinary ones run.
Results are those of the ordinary functions up to rounding.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from gradcore_backends import _pool

__all__ = ["BlockFunctions", "in_blocks"]

Array = Any
Task = Callable[[int, int], None]

BLOCK = 1 << 16
"""Elements of a block: in single precision a quarter of a megabyte, so that the few arrays of a function stay in the caches."""
LEAST = 1 << 17
"""Of fewer elements, whole passes of a softmax stay in the caches, too."""
SHARED = 1 << 18
"""From so many elements on, it pays to wake other threads up."""

_FLOATS = frozenset("fd")
_lock = threading.Lock()
_others: ThreadPoolExecutor | None = None


def _count_threads() -> int:
    """As many threads as the process has processors, unless the environment says how many."""
    setting = os.environ.get("GRADCORE_THREADS", "").strip()
    if setting:
        try:
            return max(int(setting), 1)
        except ValueError:
            raise ValueError(
                f"the environment variable GRADCORE_THREADS must be a number of threads, but is {setting!r}"
            ) from None
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


THREADS = _count_threads()


def _other_threads() -> ThreadPoolExecutor:
    global _others
    with _lock:
        if _others is None:
            _others = ThreadPoolExecutor(THREADS - 1, "gradcore")
        return _others


def _forget_threads() -> None:
    """In a child process there are no threads but the one that forked."""
    global _others, _lock
    _others, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def in_blocks(make: Callable[[], Task], rows: int, width: int) -> None:
    """Run a task on all rows, block by block.

    Args:
        make: gives the task of one thread, with scratch memory of its own: it is called with the first row of a block, and
            the row after its last one.
        rows: how many rows there are.
        width: how many elements a row has.
    """
    step = rows_of_block(width)
    # Whoever is free takes the next block.
    starts = iter(range(0, rows, step))

    def work() -> None:
        with np.errstate(all="ignore"):
            task = make()
            for start in starts:
                task(start, min(start + step, rows))

    helping: list[Future[None]] = []
    blocks = -(-rows // step)
    if THREADS > 1 and rows * width >= SHARED and blocks > 1:
        try:
            helping = [_other_threads().submit(work) for _ in range(min(THREADS, blocks) - 1)]
        except RuntimeError:
            helping = []  # the interpreter is shutting down, and no thread starts any more
    try:
        work()
    finally:
        # Not before the others have written their last block may anybody see the result.
        for other in helping:
            other.result()


def rows_of_block(width: int) -> int:
    """How many rows make a block."""
    return max(BLOCK // max(width, 1), 1)


class BlockFunctions:
    """The functions, for a namespace whose ``empty`` makes the memory of results."""

    empty: Callable[..., Array]

    def softmax(self, x: Array, axis: int, /) -> Array | None:
        """``exp(x) / sum(exp(x))`` along the last axis."""
        rows = _rows(x, axis)
        if rows is None:
            return None
        out = self.empty(x.shape, dtype=x.dtype)
        results, width = out.reshape(rows.shape), rows.shape[1]

        def make() -> Task:
            ones = np.ones(width, x.dtype)

            def task(start: int, stop: int) -> None:
                block, result = rows[start:stop], results[start:stop]
                np.exp(block, out=result)
                total = _sums(result, ones)
                # Moderate numbers need not be moved for their exponentials to have a sum. (Where that is at least 1, no
                # exponential is too small for a number but those whose share is so, too.)
                if not (total.min() >= 1 and total.max() < math.inf):
                    np.subtract(block, np.maximum.reduce(block, axis=1, keepdims=True), out=result)
                    np.exp(result, out=result)
                    total = _sums(result, ones)
                np.divide(result, total, out=result)

            return task

        in_blocks(make, *rows.shape)
        return out

    def softmax_gradient(self, g: Array, out: Array, axis: int, /) -> Array | None:
        """``out * (g - sum(g * out))`` along the last axis."""
        gs, outs = _rows(g, axis), _rows(out, axis)
        if gs is None or outs is None or g.dtype is not out.dtype or g.shape != out.shape:
            return None
        gradient = self.empty(out.shape, dtype=out.dtype)
        results = gradient.reshape(outs.shape)

        def task(start: int, stop: int) -> None:
            block, weights, result = gs[start:stop], outs[start:stop], results[start:stop]
            np.subtract(block, np.vecdot(block, weights)[:, None], out=result)
            np.multiply(result, weights, out=result)

        in_blocks(lambda: task, *outs.shape)
        return gradient

    def log_softmax(self, x: Array, axis: int, /) -> Array | None:
        """``x - log(sum(exp(x)))`` along the last axis."""
        rows = _rows(x, axis)
        if rows is None:
            return None
        out = self.empty(x.shape, dtype=x.dtype)
        results, width = out.reshape(rows.shape), rows.shape[1]

        def make() -> Task:
            ones = np.ones(width, x.dtype)
            scratch = _scratch(rows.shape, x.dtype)

            def task(start: int, stop: int) -> None:
                block, result, exponentials = rows[start:stop], results[start:stop], scratch[: stop - start]
                np.exp(block, out=exponentials)
                total, moved = _sums(exponentials, ones), block
                # The logarithm of a moderate sum is as exact as that of numbers that were moved.
                if not (total.min() >= 1 and total.max() < 1e5):
                    moved = np.subtract(block, np.maximum.reduce(block, axis=1, keepdims=True), out=result)
                    np.exp(moved, out=exponentials)
                    total = _sums(exponentials, ones)
                np.subtract(moved, np.log(total), out=result)

            return task

        in_blocks(make, *rows.shape)
        return out

    def log_softmax_gradient(self, g: Array, out: Array, axis: int, /) -> Array | None:
        """``g - exp(out) * sum(g)`` along the last axis."""
        gs, outs = _rows(g, axis), _rows(out, axis)
        if gs is None or outs is None or g.dtype is not out.dtype or g.shape != out.shape:
            return None
        gradient = self.empty(out.shape, dtype=out.dtype)
        results, width = gradient.reshape(outs.shape), outs.shape[1]

        def make() -> Task:
            ones = np.ones(width, out.dtype)

            def task(start: int, stop: int) -> None:
                block, result = gs[start:stop], results[start:stop]
                np.exp(outs[start:stop], out=result)
                np.multiply(result, _sums(block, ones), out=result)
                np.subtract(block, result, out=result)

            return task

        in_blocks(make, *outs.shape)
        return gradient

    def layer_norm(
        self, x: Array, weight: Array | None, bias: Array | None, size: int, eps: float, /
    ) -> tuple[Array, Array, Array] | None:
        """``(x - mean) / sqrt(variance + eps) * weight + bias`` over the last ``size`` elements, the mean, and ``1 / sqrt``."""
        if not _fit(x, weight, bias) or not 64 <= size <= BLOCK:
            return None
        rows = x.reshape(-1, size)
        out = self.empty(x.shape, dtype=x.dtype)
        results = out.reshape(rows.shape)
        means, scales = (np.empty((rows.shape[0], 1), x.dtype) for _ in range(2))

        def make() -> Task:
            ones = np.ones(size, x.dtype)
            factors, offsets = _tile(weight, rows.shape), _tile(bias, rows.shape)

            def task(start: int, stop: int) -> None:
                block, result, count = rows[start:stop], results[start:stop], stop - start
                mean, scale = means[start:stop], scales[start:stop]
                np.divide(_sums(block, ones), size, out=mean)
                np.subtract(block, mean, out=result)
                np.divide(np.vecdot(result, result)[:, None], size, out=scale)
                np.reciprocal(np.sqrt(np.add(scale, eps, out=scale), out=scale), out=scale)
                np.multiply(result, scale, out=result)
                if factors is not None:
                    np.multiply(result, factors[:count], out=result)
                if offsets is not None:
                    np.add(result, offsets[:count], out=result)

            return task

        in_blocks(make, *rows.shape)
        return out, means, scales

    def layer_norm_gradient(
        self,
        g: Array,
        x: Array,
        weight: Array | None,
        mean: Array,
        scale: Array,
        size: int,
        wanted: tuple[bool, ...],
        /,
    ) -> tuple[Array | None, ...] | None:
        """The gradients of ``x``, of the weight and of the bias, of which some are wanted."""
        if not _fit(x, g, weight) or g.shape != x.shape or mean.dtype is not x.dtype or not 64 <= size <= BLOCK // 2:
            return None
        rows, gs = x.reshape(-1, size), g.reshape(-1, size)
        means, scales = mean.reshape(-1, 1), scale.reshape(-1, 1)
        gradient = self.empty(x.shape, dtype=x.dtype) if wanted[0] else None
        results = None if gradient is None else gradient.reshape(rows.shape)
        step = rows_of_block(size)
        # Of each block, so that the sum does not depend on which thread took which.
        sums = np.zeros((2, -(-rows.shape[0] // step), size), x.dtype)

        def make() -> Task:
            ones, factors = np.ones(size, x.dtype), _tile(weight, rows.shape)
            scratch, products, other = (_scratch(rows.shape, x.dtype) for _ in range(3))

            def task(start: int, stop: int) -> None:
                count, number = stop - start, start // step
                block, centered, scaled = gs[start:stop], scratch[:count], products[:count]
                if wanted[2]:
                    np.add.reduce(block, axis=0, out=sums[1, number])
                if not wanted[0] and not wanted[1]:
                    return
                scale = scales[start:stop]
                np.subtract(rows[start:stop], means[start:stop], out=centered)
                np.multiply(block, scale, out=scaled)
                if wanted[1]:
                    np.add.reduce(np.multiply(scaled, centered, out=other[:count]), axis=0, out=sums[0, number])
                if results is None:
                    return
                if factors is not None:
                    np.multiply(scaled, factors[:count], out=scaled)
                slope = np.vecdot(scaled, centered)[:, None]
                slope *= scale * scale / size
                np.multiply(centered, slope, out=centered)
                np.subtract(scaled, centered, out=scaled)
                # The gradients along a row add up to zero; what was subtracted before does so by itself.
                np.subtract(scaled, np.divide(_sums(scaled, ones), size), out=results[start:stop])

            return task

        in_blocks(make, *rows.shape)
        shape = x.shape[x.ndim - _trailing(x.shape, size) :]
        return gradient, *(
            np.add.reduce(part, axis=0).reshape(shape) if want else None
            for part, want in zip(sums, wanted[1:], strict=True)
        )

    def gelu(self, x: Array, /) -> Array | None:
        """``x`` times the share of a normal distribution below it, in single precision."""
        return self._of_normal_distribution(x, None, _SHARE)

    def gelu_gradient(self, g: Array, x: Array, /) -> Array | None:
        """``g`` times the derivative of :meth:`gelu`."""
        return None if g.shape != x.shape or not _fit(x, g) else self._of_normal_distribution(x, g, _SLOPE)

    def _of_normal_distribution(self, x: Array, g: Array | None, fit: tuple[Any, ...]) -> Array | None:
        """``1/2 + f(x)``, for an odd function given as a quotient of polynomials, times ``g`` or ``x``."""
        if x.dtype.char != "f" or not x.flags.c_contiguous or not x.size:
            return None
        bound, (top, *above), (bottom, *below) = fit
        out = self.empty(x.shape, dtype=x.dtype)
        values, results = x.reshape(-1), out.reshape(-1)
        factors = values if g is None else g.reshape(-1)

        def make() -> Task:
            scratch = [_scratch((values.size, 1), np.float32).reshape(-1) for _ in range(4)]

            def task(start: int, stop: int) -> None:
                z, square, first, second = (part[: stop - start] for part in scratch)
                np.clip(values[start:stop], -bound, bound, out=z)
                np.multiply(z, z, out=square)
                for part, leading, coefficients in ((first, top, above), (second, bottom, below)):
                    np.multiply(square, leading, out=part)
                    for c in coefficients[:-1]:
                        np.add(part, c, out=part)
                        np.multiply(part, square, out=part)
                    np.add(part, coefficients[-1], out=part)
                np.divide(first, second, out=first)
                np.multiply(first, z, out=first)
                np.add(first, _HALF, out=first)
                np.multiply(first, factors[start:stop], out=results[start:stop])

            return task

        # One element a row, so that blocks are of whatever size.
        in_blocks(make, values.size, 1)
        return out


# The distribution function of the normal distribution, minus 1/2, and the derivative of x times that function, minus 1/2, as
# x * P(x²) / Q(x²) for |x| below a bound, beyond which they round to 1/2. The coefficients, highest power first, minimise the
# largest error (4e-9 and 1.1e-7): fitted by Lawson's iteratively reweighted least squares (J. R. Rice, The Approximation of
# Functions II, 1969). At the bounds the quotients are 1/2 to the last bit, in the order of operations above.
def _single(bound: float, *polynomials: tuple[float, ...]) -> tuple[Any, ...]:
    return np.float32(bound), *([np.float32(c) for c in p] for p in polynomials)


_HALF = np.float32(0.5)
_SHARE = _single(
    5.332205295562744,
    (2.40435252e-08, 6.3788107e-06, 0.000160371462, 0.00462820197, 0.0329398964, 0.398942254),
    (1.23695459e-06, 7.13616933e-05, 0.00183677839, 0.028141067, 0.249234303, 1.0),
)
_SLOPE = _single(
    5.606074333190918,
    (1.92787685e-07, 3.59455294e-05, 1.93284619e-05, 0.0142294987, -0.0309915159, 0.797885358),
    (8.9479317e-06, 0.000192042597, 0.00352298559, 0.0409810683, 0.294499449, 1.0),
)


def _rows(x: Array, axis: int) -> Array | None:
    """An array as a matrix whose rows lie along the last axis; ``None`` if they cannot be computed here."""
    if axis % max(x.ndim, 1) != x.ndim - 1 or x.dtype.char not in _FLOATS or not x.flags.c_contiguous or x.size < LEAST:
        return None
    width = x.shape[-1]
    # The arithmetic of short rows costs less than what NumPy spends on each of them.
    return x.reshape(-1, width) if width >= 64 else None


def _fit(x: Array, *others: Array | None) -> bool:
    """Whether all are contiguous, of the dtype of ``x``, and that is a floating one."""
    given = [x, *(o for o in others if o is not None)]
    return x.dtype.char in _FLOATS and x.size > 0 and all(o.dtype is x.dtype and o.flags.c_contiguous for o in given)


def _sums(block: Array, ones: Array) -> Array:
    """The sum of each row: as products with ones, which is twice as fast, unless rows are so long that it loses digits."""
    if block.shape[1] <= 4096:
        return np.vecdot(block, ones)[:, None]
    return np.add.reduce(block, axis=1, keepdims=True)


def _scratch(shape: tuple[int, ...], dtype: Any) -> Array:
    """Memory for a block of a matrix of this shape. From the pool of the thread: new memory comes with page faults."""
    rows, width = shape
    return _pool.empty((min(rows_of_block(width), rows), width), np.dtype(dtype))


def _tile(row: Array | None, shape: tuple[int, ...]) -> Array | None:
    """A row repeated for a block: NumPy multiplies equal shapes faster than it broadcasts."""
    if row is None:
        return None
    out = _scratch(shape, row.dtype)
    out[:] = row.reshape(-1)
    return out


def _trailing(shape: tuple[int, ...], size: int) -> int:
    """How many of the last dimensions have ``size`` elements together."""
    count = 1
    while math.prod(shape[len(shape) - count :]) != size:
        count += 1
    return count
