"""Functions that the Array API standard lacks: how a rule reaches them, and where they come from.

A rule or forward function calls ``extra(xp, "erf", x)``. The function is, whichever is found first:

* what the namespace has under that name: on tensors the operation that named itself so with ``standard=``; on arrays that
  of a backend, which has a faster one (one of :class:`gradcore.backend.OptionalFunctions`);
* for a special function, that of the module which the backend gives as ``special()``, such as ``scipy.special``;
* the fallback, written in the standard's terms and registered beside the operation::

      @generic("erf", special=True)
      def _erf(xp, x): ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from gradcore.namespace import TensorNamespace

__all__ = ["extra", "generic", "offered"]

F = TypeVar("F", bound=Callable[..., Any])

_GENERIC: dict[str, Callable[..., Any]] = {}
_SPECIAL: dict[str, str] = {}
"""The name in the backend's module of special functions, by the name of the function."""


def generic(name: str, *, special: str | bool = False) -> Callable[[F], F]:
    """Register a fallback: a function of ``xp`` and the arguments that :func:`extra` is given.

    Args:
        name: the name to call it by.
        special: it is a special function, which the backend's module of such may have; its name there, if it is another.
    """

    def register(function: F) -> F:
        _GENERIC[name] = function
        if special:
            _SPECIAL[name] = name if special is True else special
        return function

    return register


def extra(xp: Any, name: str, *args: Any) -> Any:
    """Call the function ``name``, which the standard does not have, on arrays or tensors.

    Raises:
        NotImplementedError: neither the backend has it, nor is there a fallback.
    """
    found = _function(xp, name)
    if found is None:
        raise NotImplementedError(
            f"{xp.device} has no function {name!r}: its backend would have to offer it (see gradcore.backend.OptionalFunctions)"
        )
    return found(*args)


def offered(xp: Any, name: str, *args: Any) -> Any:
    """What the backend's own function ``name`` makes of arrays; ``None`` where it has none, or that declines them.

    For what a rule can write as well, only slower.
    """
    function = None if isinstance(xp, TensorNamespace) else _own(xp, name)
    return None if function is None else function(*args)


@functools.cache
def _own(xp: Any, name: str) -> Callable[..., Any] | None:
    found: Callable[..., Any] | None = getattr(xp, name, None)
    return found


def _function(xp: Any, name: str) -> Callable[..., Any] | None:
    # A backend's namespace is there for good; those of tensors come and go with transforms, and must not be kept.
    return _find(xp, name) if isinstance(xp, TensorNamespace) else _found(xp, name)


def _find(xp: Any, name: str) -> Callable[..., Any] | None:
    function = getattr(xp, name, None)
    if function is not None:
        return function  # type: ignore[no-any-return]
    module = xp.special() if name in _SPECIAL and hasattr(xp, "special") else None
    special = None if module is None else getattr(module, _SPECIAL[name], None)
    if special is not None:
        return _in_own_dtype(xp, special)
    return functools.partial(_GENERIC[name], xp) if name in _GENERIC else None


_found = functools.cache(_find)


def _in_own_dtype(xp: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` with results in the dtype of its first operand: SciPy computes in float32 at least."""

    def wrapped(x: Any, *others: Any) -> Any:
        out = function(x, *others)
        return out if out.dtype == x.dtype else xp.astype(xp.asarray(out), x.dtype)

    return wrapped
