"""NumPy's names for PyTorch's parameters: ``axis`` for ``dim``, ``keepdims`` for ``keepdim``, as PyTorch accepts them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from gradcore.lazy import lazy_function

__all__ = ["numpy_names"]

P = ParamSpec("P")
R = TypeVar("R")

_SPELLINGS = {"axis": ("dim", "dims"), "keepdims": ("keepdim",)}
_MISSING: Any = object()


def numpy_names(function: Callable[P, R]) -> Callable[P, R]:
    """Let ``function`` be called with NumPy's names of its parameters as well.

    The wrapper is generated with the parameters written out: passing them on as ``*args, **kwargs`` would cost several
    times as much per call.
    """
    name = function.__name__
    made = lazy_function(name, lambda: _source(function), lambda: _names(function), f"{name}: names of parameters")
    return functools.wraps(function)(made)


def _names(function: Any) -> dict[str, Any]:
    positional, keyword, defaults = _parameters(function)
    given = {f"default_{p}": defaults.get(p, _MISSING) for p in (*positional, *keyword)}
    return {"function": function, "refuse": _refuse, "missing": _missing, "MISSING": _MISSING, **given}


def _parameters(function: Any) -> tuple[list[str], list[str], dict[str, Any]]:
    """The positional and the keyword-only parameters of a function, and their defaults."""
    code = function.__code__
    positional = list(code.co_varnames[: code.co_argcount])
    keyword = list(code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])
    given = function.__defaults__ or ()
    defaults = dict(zip(positional[len(positional) - len(given) :], given, strict=True)) | (
        function.__kwdefaults__ or {}
    )
    return positional, keyword, defaults


def _source(function: Any) -> str:
    name = function.__name__
    positional, keyword, defaults = _parameters(function)
    everything = [*positional, *keyword]
    # Theirs -> ours, for the names that this function has.
    spelled = {
        theirs: our
        for theirs, ours in _SPELLINGS.items()
        for our in ours
        if our in everything and theirs not in everything
    }

    # A required parameter may come under its other name, so it needs a default, too; and so do those after it.
    spare = [i for i, p in enumerate(positional) if p in defaults or p in spelled.values()]
    checked = [p for p in (*positional[min(spare, default=len(positional)) :], *spelled.values()) if p not in defaults]

    def parameter(p: str) -> str:
        return f"{p}=default_{p}" if p in defaults or p in checked else p

    has_list = bool(function.__code__.co_flags & 0x04)
    listed = function.__code__.co_varnames[len(everything)] if has_list else None
    middle = [f"*{listed}"] if listed is not None else ["*"] if keyword else []
    signature = [*map(parameter, positional), *middle, *map(parameter, keyword)]
    call = [*positional, *([f"*{listed}"] if listed is not None else []), *(f"{p}={p}" for p in keyword)]
    lines = [f"def {name}({', '.join(signature)}, **other_names):", "    if other_names:"]
    lines += [f"        {our} = other_names.pop({theirs!r}, {our})" for theirs, our in spelled.items()]
    lines += [f"        if other_names: refuse({name!r}, other_names)"]
    lines += [f"    if {p} is MISSING: missing({name!r}, {p!r})" for p in dict.fromkeys(checked)]
    lines += [f"    return function({', '.join(call)})"]
    return "\n".join(lines)


def _refuse(name: str, other: dict[str, Any]) -> None:
    raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(other))!r}")


def _missing(name: str, parameter: str) -> None:
    raise TypeError(f"{name}() missing 1 required argument: {parameter!r}")
