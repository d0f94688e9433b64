"""Functions whose code is written and compiled at their first call, and methods whose module is imported then.

gradcore generates a function for each operation. Compiling all of them would be most of the time of ``import gradcore``, and
a program uses few.
"""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable
from types import FunctionType
from typing import Any

__all__ = ["define", "forget", "lazy_function", "on_demand"]


def define(source: str, name: str, scope: dict[str, Any], origin: str) -> FunctionType:
    """The function ``name`` that a text defines, with ``scope`` as its globals; ``origin`` stands in tracebacks."""
    local: dict[str, Any] = {}
    exec(compile(source, f"<gradcore {origin}>", "exec"), scope, local)  # noqa: S102 - the text is gradcore's own
    made: FunctionType = local[name]
    return made


def lazy_function(name: str, source: Callable[[], str], names: Callable[[], dict[str, Any]], origin: str) -> Any:
    """A function ``name`` defined by the text that ``source`` gives, with what ``names`` gives as its globals.

    Both are called at the first call. Whoever holds the function, a module or a class, holds the same object, so all of
    them have the compiled one from then on.
    """
    scope: dict[str, Any] = {"__builtins__": __builtins__}
    function = FunctionType(_compile_and_call.__code__, scope, name)

    def compile_now() -> FunctionType:
        scope.update(names())
        made = define(source(), name, scope, origin)
        function.__defaults__, function.__kwdefaults__ = made.__defaults__, made.__kwdefaults__
        function.__code__ = made.__code__
        return function

    scope["compile_now"] = compile_now
    function.__qualname__ = name
    return function


def forget(function: FunctionType) -> None:
    """Have a lazy function compiled anew at its next call."""
    function.__defaults__ = function.__kwdefaults__ = None
    function.__code__ = _compile_and_call.__code__


def _compile_and_call(*args: Any, **kwargs: Any) -> Any:
    # The code of every lazy function before its first call; ``compile_now`` is one of its own globals.
    return compile_now()(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821


class on_demand:  # noqa: N801 - used like a function
    """A method that is a function of a module which is imported when the method is first asked for.

    Args:
        module: the module's full name.
        name: the function's name there; ``"cholesky.inplace"`` for an operation's in-place twin.
    """

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.attribute = owner, name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        function = operator.attrgetter(self.name)(importlib.import_module(self.module))
        # From now on it is an ordinary method.
        setattr(self.owner, self.attribute, function)
        return function if instance is None else function.__get__(instance, owner)
