"""NumPy's names for PyTorch's parameters: ``axis`` for ``dim``, ``keepdims`` for ``keepdim``, as PyTorch accepts them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

__all__ = ["numpy_names"]

P = ParamSpec("P")
R = TypeVar("R")

_SPELLINGS = {"dim": "axis", "keepdim": "keepdims", "dims": "axis"}


def numpy_names(function: Callable[P, R]) -> Callable[P, R]:
    """Let ``function`` be called with NumPy's names of its parameters as well.

    The wrapper is generated with the parameters written out: passing them on as ``*args, **kwargs`` would cost several
    times as much per call.
    """
    parameters = inspect.signature(function).parameters
    ours = {theirs: name for name, theirs in _SPELLINGS.items() if name in parameters and theirs not in parameters}
    defaults: dict[str, Any] = {}
    signature: list[str] = []
    call: list[str] = []
    starred = False
    for name, p in parameters.items():
        if p.kind is p.VAR_POSITIONAL:
            starred = True
            signature.append(f"*{name}")
            call.append(f"*{name}")
            continue
        if p.kind is p.KEYWORD_ONLY and not starred:
            starred = True
            signature.append("*")
        default = ""
        if p.default is not p.empty or name in ours.values():
            # A required parameter may come under its other name.
            defaults[f"default_{name}"] = _MISSING if p.default is p.empty else p.default
            default = f"=default_{name}"
        signature.append(name + default)
        call.append(f"{name}={name}" if p.kind is p.KEYWORD_ONLY else name)
    lines = [f"def {function.__name__}({', '.join(signature)}, **other):", "    if other:"]
    if ours:
        lines += [f"        {name} = other.pop({theirs!r}, {name})" for theirs, name in ours.items()]
    lines += [f"        if other: refuse({function.__name__!r}, other)"]
    lines += [
        f"    if {name} is MISSING: missing({function.__name__!r}, {name!r})"
        for name in ours.values()
        if parameters[name].default is inspect.Parameter.empty
    ]
    lines += [f"    return function({', '.join(call)})"]
    scope: dict[str, Any] = {"function": function, "refuse": _refuse, "missing": _missing, "MISSING": _MISSING, **defaults}
    exec("\n".join(lines), scope)  # noqa: S102 - the text is made of the function's own parameter names
    return functools.wraps(function)(scope[function.__name__])


_MISSING: Any = inspect.Parameter.empty


def _refuse(name: str, other: dict[str, Any]) -> None:
    raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(other))!r}")


def _missing(name: str, parameter: str) -> None:
    raise TypeError(f"{name}() missing 1 required argument: {parameter!r}")
