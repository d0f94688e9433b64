"""A pool of memory blocks for large results on the CPU.

A large array is expensive to allocate, not to compute: above 128 KB, glibc hands memory back to the system when an
array dies and asks for it anew for the next one, and the page faults cost up to ten times the arithmetic. So results of
that size are written (``out=``) into blocks that stay.

* A block is a NumPy array of bytes; a result is a view of it. Whatever shows the block's memory refers to the block (as
  its ``base``), so a block to which only the pool refers is idle: nobody has to report the end of an array.
* Every thread has its own blocks. Only that thread takes them, and a block that is idle has no name in another thread
  by which it could be taken meanwhile.
* The blocks of a process add up to ``LIMIT`` bytes at most, those in use included; what does not fit is ordinary
  memory.

References are exact only on CPython with its global lock, so elsewhere there is no pool. ``GRADCORE_POOL=0`` turns it
off, ``GRADCORE_POOL=<bytes>`` sets its limit.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from operator import attrgetter, indexOf
from sys import getrefcount
from typing import Any

import numpy as np

from gradcore_backends._generic import EXACT_COUNTS

__all__ = ["ENABLED", "LEAST", "empty", "empty_cache", "holds", "memory_allocated"]

Array = Any

LEAST = 96 * 1024
"""Arrays of fewer bytes cause no page faults, and are not worth the microsecond."""


def _limit() -> int:
    """An eighth of the memory, but at most 1 GB, unless the environment says how much."""
    setting = os.environ.get("GRADCORE_POOL", "").strip()
    if setting:
        try:
            return int(setting)
        except ValueError:
            raise ValueError(
                f"the environment variable GRADCORE_POOL must be a number of bytes (0: no pool), but is {setting!r}"
            ) from None
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        # Not everywhere can a program ask how much memory there is; and where it can, a container may have less.
        return 1 << 30
    return min(memory // 8, 1 << 30)


LIMIT = _limit()
ENABLED = EXACT_COUNTS and LIMIT > 0

_block_of = attrgetter("base")


class Pool:
    """The blocks of one thread.

    They are kept as views, by shape and dtype; a result is a view of such a view, since that costs a fifth of making an
    array from the bytes. (Its ``base`` is the block all the same: NumPy's views refer to the owner of the memory.)
    """

    def __init__(self) -> None:
        # Only ever replaced or appended to, never shortened: a finalizer or a signal handler that computes may run
        # inside any of these methods, and other threads look at the pool.
        self.views: dict[tuple[tuple[int, ...], np.dtype[Any]], list[Array]] = {}

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array with any content; ordinary memory when the pool is full."""
        views = self.views.get((shape, dtype))
        if views is not None:
            try:
                out = views[indexOf(map(getrefcount, map(_block_of, views)), _IDLE)].view()
            except ValueError:
                return self.add(shape, dtype)
            # A finalizer may have taken the same block since it was found idle.
            if getrefcount(out.base) == _LENT:
                return out
        return self.add(shape, dtype)

    def add(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array on a new block."""
        size = math.prod(shape) * dtype.itemsize
        excess = sum(pool.size() for pool in _live_pools()) + size - LIMIT
        if excess > 0 and self.trim(excess) < excess:
            return np.empty(shape, dtype)
        view = np.ndarray(shape, dtype, np.empty(size, np.uint8))
        out = view.view()
        self.views.setdefault((shape, dtype), []).append(view)
        return out

    def trim(self, wanted: int) -> int:
        """Let go of idle blocks, those of the first shapes first, until ``wanted`` bytes are free; give their sum."""
        freed = 0
        for key, views in list(self.views.items()):
            if freed >= wanted:
                break
            used = [view for view in views if getrefcount(view.base) != _IDLE]
            freed += (len(views) - len(used)) * views[0].nbytes
            if used:
                self.views[key] = used
            else:
                self.views.pop(key, None)
        return freed

    def size(self) -> int:
        """The bytes of all blocks."""
        return sum(len(views) * views[0].nbytes for views in list(self.views.values()))

    def used(self) -> int:
        """The bytes of the blocks in use."""
        return sum(
            view.nbytes for views in list(self.views.values()) for view in views if getrefcount(view.base) != _IDLE
        )


def _calibrate() -> tuple[int, int]:
    """What the two tests in :meth:`Pool.empty` see for an idle block and for one that has just been lent."""
    views = [np.ndarray((2,), np.float64, np.empty(16, np.uint8))]
    (idle,) = map(getrefcount, map(_block_of, views))
    out = views[0].view()
    return idle, getrefcount(out.base)


_IDLE, _LENT = _calibrate()
_pools: list[weakref.ref[Pool]] = []
_register = threading.RLock()


class _Local(threading.local):
    def __init__(self) -> None:
        self.pool = Pool()
        with _register:
            _pools[:] = [ref for ref in _pools if ref() is not None] + [weakref.ref(self.pool)]


_local = _Local()


def _live_pools() -> list[Pool]:
    return [pool for ref in list(_pools) if (pool := ref()) is not None]


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A row-major array with any content, on a block of this thread's pool."""
    return _local.pool.empty(shape, dtype)


def holds(block: Array) -> bool:
    """Whether ``block`` is a block of this thread's pool."""
    return any(
        view.base is block for views in _local.pool.views.values() if views[0].nbytes == block.nbytes for view in views
    )


def memory_allocated() -> int:
    """The bytes of the blocks in use, in all threads."""
    return sum(pool.used() for pool in _live_pools())


def empty_cache() -> None:
    """Let go of all idle blocks, in all threads. Those in use go when the arrays on them do."""
    for pool in _live_pools():
        pool.views = {}
