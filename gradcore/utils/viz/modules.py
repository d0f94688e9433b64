"""Which module made which part of a graph: noted while the modules run, or read off from the parameters."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from gradcore.graph import AccumulateGrad, Node, next_sequence_number

if TYPE_CHECKING:
    from gradcore.nn.module import Module

__all__ = ["Call", "calls_by_parameters", "record_modules"]


class Call(NamedTuple):
    """One call of a module."""

    path: str
    number: int
    kind: str
    """The name of the module's class."""

    @property
    def label(self) -> str:
        """``encoder.0: Linear``, and which call it is from the second on."""
        name = f"{self.path}: {self.kind}" if self.path else self.kind
        return name if self.number == 1 else f"{name}, call {self.number}"


class record_modules:  # noqa: N801 - a context manager, named as those of grad modes
    """Notes in a ``with`` block which module makes which nodes, for ``make_dot(..., modules=...)``.

    ::

        with viz.record_modules(model) as modules:
            out = model(x)
        viz.make_dot(out, params=model, modules=modules)

    Args:
        module: it and all modules in it are followed, by hooks that are there during the block only.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self._handles: list[Any] = []
        self._times_called: dict[str, int] = {}
        # Of each thread by itself, since modules may run in several at once.
        self._timelines: dict[int, _Timeline] = {}

    def __enter__(self) -> record_modules:
        if self._handles:
            raise RuntimeError("this record_modules is recording already; make another one")
        for path, part in self.module.named_modules():
            self._handles.append(part.register_forward_pre_hook(self._entering(path), prepend=True))
            self._handles.append(part.register_forward_hook(self._leaving(path), always_call=True))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def calls(self, node: Node) -> tuple[Call, ...]:
        """The calls during which a node was made, from the outermost to the innermost."""
        number = node._sequence_nr()
        found = [calls for timeline in self._timelines.values() if (calls := timeline.at(number))]
        # While several threads run modules, a number alone does not say to which of them a node belongs.
        return found[0] if len(found) == 1 else ()

    def _entering(self, path: str) -> Any:
        def enter(module: Module, args: Any) -> None:
            times = self._times_called[path] = self._times_called.get(path, 0) + 1
            self._timeline().enter(Call(path, times, type(module).__name__))

        return enter

    def _leaving(self, path: str) -> Any:
        def leave(module: Module, args: Any, result: Any) -> None:
            self._timeline().leave(path)

        return leave

    def _timeline(self) -> _Timeline:
        return self._timelines.setdefault(threading.get_ident(), _Timeline())


class _Timeline:
    """Which calls were running when, in one thread; time is counted by the numbers that nodes get."""

    def __init__(self) -> None:
        self.running: tuple[Call, ...] = ()
        self.since: list[int] = []
        self.calls: list[tuple[Call, ...]] = []

    def enter(self, call: Call) -> None:
        self._set((*self.running, call))

    def leave(self, path: str) -> None:
        # A call that ended by an exception in somebody's hook before forward was not left by itself.
        at = max((i for i, call in enumerate(self.running) if call.path == path), default=len(self.running))
        self._set(self.running[:at])

    def _set(self, calls: tuple[Call, ...]) -> None:
        self.running = calls
        self.since.append(next_sequence_number())
        self.calls.append(calls)

    def at(self, number: int) -> tuple[Call, ...]:
        i = bisect_right(self.since, number)
        return self.calls[i - 1] if i else ()


def calls_by_parameters(
    module: Module, names: Mapping[int, str], nodes: Iterable[Node]
) -> dict[Node, tuple[Call, ...]]:
    """The modules to which nodes belong that take a parameter, by the parameters' names.

    What is made of one parameter alone (its transpose) counts as that parameter. A node that takes parameters of several
    modules belongs to the innermost one that holds them all; a node that takes none belongs to no module.

    Args:
        module: the root; its parameters are called as in ``named_parameters()``.
        names: the names of tensors, by identity.
        nodes: the nodes in question.
    """
    kinds = {path: type(part).__name__ for path, part in module.named_modules()}
    owners: dict[Node, list[str]] = {}
    alone: set[Node] = set()
    # By creation, so that what a node takes was looked at before it.
    leaves = [node for node in nodes if isinstance(node, AccumulateGrad)]
    others = sorted((node for node in nodes if not isinstance(node, AccumulateGrad)), key=Node._sequence_nr)
    for leaf in leaves:
        name = names.get(id(leaf.variable))
        path = name.rpartition(".")[0] if name is not None else None
        if path in kinds:
            owners[leaf] = path.split(".") if path else []
            alone.add(leaf)
    for node in others:
        taken = [source for source, _ in node.next_functions]
        paths = [owners[source] for source in taken if source in alone]
        if paths:
            owners[node] = _common(paths)
            if len(taken) == 1:
                alone.add(node)
    called: dict[Node, tuple[Call, ...]] = {}
    for node, parts in owners.items():
        paths_to = [".".join(parts[: i + 1]) for i in range(len(parts))]
        called[node] = tuple(Call(path, 1, kinds[path]) for path in paths_to)
    return called


def _common(paths: list[list[str]]) -> list[str]:
    first, last = min(paths), max(paths)
    n = 0
    while n < len(first) and n < len(last) and first[n] == last[n]:
        n += 1
    return first[:n]
