"""NumPy: the device ``cpu``, through array-api-compat; ``_numpy_functions.py`` has what can be had faster."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import array_api_compat.numpy as compat
import numpy as np

from gradcore_backends import _pool
from gradcore_backends._generic import make_namespace
from gradcore_backends._numpy_functions import NumpyFunctions

if TYPE_CHECKING:
    from gradcore.backend import Backend, Namespace, Scope

__all__ = ["backend"]

Array = Any


def _silence() -> Scope:
    """Floating-point warnings off, as in PyTorch, where NumPy has them on; nothing lasts for the user.

    ``np.errstate`` costs 2 us, more than most operations on small arrays. What it does inside is to set a context
    variable, which costs 0.1 us; it is private, so it is used only where it is found and works.
    """
    try:
        from numpy._core import umath

        silent = umath._make_extobj(all="ignore")
        variable = umath._extobj_contextvar
        token = variable.set(silent)
        worked = set(np.geterr().values()) == {"ignore"}
        variable.reset(token)
        if worked:
            return functools.partial(variable.set, silent), variable.reset
    except (ImportError, AttributeError, TypeError):
        pass
    return _enter_errstate, _leave_errstate


def _enter_errstate() -> np.errstate:
    silent = np.errstate(all="ignore")
    silent.__enter__()
    return silent


def _leave_errstate(silent: np.errstate) -> None:
    silent.__exit__(None, None, None)


class NumpyBackend:
    """The one cpu device."""

    type = "cpu"
    indexed = False

    def __init__(self) -> None:
        self._namespace: Any = make_namespace(NumpyFunctions(), compat)
        self._scope = _silence()

    def unavailable(self) -> str | None:
        return None

    def device_count(self) -> int:
        return 1

    def current_index(self) -> int:
        return 0

    def namespace(self, index: int) -> Namespace:
        return self._namespace  # type: ignore[no-any-return]

    def large_namespace(self, index: int) -> tuple[Namespace, int] | None:
        if not _pool.ENABLED:
            return None
        from gradcore_backends._numpy_large import LARGE, LargeNumpyFunctions

        return make_namespace(LargeNumpyFunctions(), compat), LARGE

    def scope(self, index: int) -> Scope | None:
        return self._scope

    def is_native(self, obj: object) -> bool:
        return isinstance(obj, np.ndarray)

    def index_of(self, array: Array) -> int:
        return 0

    def from_numpy(self, array: Array, index: int) -> Array:
        return array

    def to_numpy(self, array: Array) -> Array:
        return array

    def synchronize(self, index: int) -> None:
        pass

    def memory_allocated(self, index: int) -> int:
        """Bytes in use in the pool: large results of gradcore. Small arrays, and those of the user, are not counted."""
        return _pool.memory_allocated()

    def empty_cache(self, index: int) -> None:
        _pool.empty_cache()


backend: Backend = NumpyBackend()
