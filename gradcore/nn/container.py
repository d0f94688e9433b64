"""Modules that hold other modules in order."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Self, overload

from gradcore.nn.module import Module, describe

__all__ = ["ModuleList", "Sequential"]


class _Numbered(Module):
    """What the containers share: parts in order, called "0", "1" ..., unless they were given names."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._parts())

    def __dir__(self) -> list[str]:
        return [n for n in super().__dir__() if not n.isdigit()]

    def _parts(self) -> list[Module]:
        return list(self._modules.values())  # type: ignore[arg-type]  # containers hold no None

    def _name(self, index: Any) -> str:
        """The name of the part at an index, which may count from the end."""
        at = operator.index(index)
        if not -len(self) <= at < len(self):
            raise IndexError(f"index {at} is out of range for a {type(self).__name__} of {len(self)}")
        return list(self._modules)[at]

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Any: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._sliced(index)
        return self._modules[self._name(index)]

    def _sliced(self, index: slice) -> Any:
        return type(self)(self._parts()[index])  # type: ignore[call-arg]  # a list of modules, in the subclasses

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(self._name(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)[index] if isinstance(index, slice) else [self._name(index)]
        for name in names:
            del self._modules[name]
        self._renumber(self._parts())

    def append(self, module: Module) -> Self:
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; returns the container."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend should be called with an iterable, but got {type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before the one at ``index``."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        parts = self._parts()
        parts.insert(index, module)
        self._renumber(parts)
        return self

    def pop(self, index: int | slice) -> Any:
        """Remove the module at ``index`` and return it."""
        removed = self[index]
        del self[index]
        return removed

    def _renumber(self, parts: Iterable[Module]) -> None:
        parts = list(parts)
        self._modules.clear()
        self._modules.update((str(i), m) for i, m in enumerate(parts))


class Sequential(_Numbered):
    """Calls its modules one after another, each on what the one before it returned.

    ``Sequential(a, b)``, or ``Sequential(OrderedDict(first=a, second=b))`` to give names.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else enumerate(args)
        for name, module in named:
            self.add_module(str(name), module)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]  # containers hold no None
        return input

    def _sliced(self, index: slice) -> Sequential:
        return type(self)(OrderedDict(list(self._modules.items())[index]))

    def __add__(self, other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            raise _not_sequential(other)
        return Sequential(*self._parts(), *other._parts())

    def __iadd__(self, other: Any) -> Self:
        if not isinstance(other, Sequential):
            raise _not_sequential(other)
        self.extend(other)
        return self

    def __mul__(self, times: int) -> Sequential:
        if not isinstance(times, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(times)}")
        if times <= 0:
            raise ValueError(f"Non-positive multiplication factor {times} for {type(self)}")
        return Sequential(*self._parts() * times)

    __rmul__ = __mul__


class ModuleList(_Numbered):
    """A list of modules, each of which is a part of this one."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> Self:
        self.extend(other)
        return self

    def __repr__(self) -> str:
        # Equal neighbours are printed once, with their count.
        parts: list[str] = []
        start = 0
        for text, same in groupby(map(repr, self)):
            count = len(list(same))
            where = f"({start})" if count == 1 else f"({start}-{start + count - 1})"
            times = "" if count == 1 else f"{count} x "
            parts.append(f"{where}: {times}{text}".replace("\n", "\n  "))
            start += count
        return describe(type(self).__name__, [], parts)


def _not_sequential(other: Any) -> ValueError:
    return ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
