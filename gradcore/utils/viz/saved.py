"""What a node saved, by the names under which it shows it: ``node._saved_<name>``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from gradcore.codegen import PackedPlan
from gradcore.graph import Node
from gradcore.op import is_tensor
from gradcore.saved import SavedTensor
from gradcore.size import Size

__all__ = ["Unreadable", "saved_tensors", "saved_values", "shown"]

_PREFIX = "_saved_"


class Unreadable:
    """Stands for a saved value that cannot be read any more, and says why."""

    def __init__(self, why: str) -> None:
        self.why = why

    def __str__(self) -> str:
        return f"[{self.why}]"


def saved_values(node: Node) -> list[tuple[str, Any]]:
    """Names and values of what a node saved, sorted by name.

    A value that was freed, written to since, or handed to saved-tensor hooks is an :class:`Unreadable`.
    """
    names = [name for name in dir(type(node)) if name.startswith(_PREFIX)]
    if getattr(node, "_saved", ()) is None:
        return [("saved", Unreadable("freed"))]
    values = []
    for name in _without_aliases(node, [name.removeprefix(_PREFIX) for name in names]):
        value = _read(node, name)
        if value is not None:
            values.append((name, value[0]))
    # The tensors of a user's Function have no names. Read one by one: reading all as saved_tensors may let go of them.
    raw = _raw(node, "_raw_saved_tensors") if not values else ()
    if raw:
        values.append(("saved", Unreadable("packed") if _is_packed(raw) else tuple(_unpacked(x, node) for x in raw)))
    return values


def saved_tensors(values: list[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The tensors among saved values, those in a list each for itself: ``indices[0]``."""
    for name, value in values:
        if is_tensor(value):
            yield name, value
        elif isinstance(value, tuple | list):
            yield from ((f"{name}[{i}]", x) for i, x in enumerate(value) if is_tensor(x))


def shown(value: Any, max_chars: int) -> str:
    """The text of a saved value, on one line of ``max_chars`` characters at most."""
    if is_tensor(value):
        return "[saved tensor]"
    if isinstance(value, tuple | list) and any(map(is_tensor, value)):
        return "[saved tensors]"
    if isinstance(value, Size):
        value = tuple(value)
    # Without the addresses of functions and other objects: equal graphs give equal text.
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(str(value).split()))
    return text if len(text) <= max_chars else text[: max(max_chars - 1, 0)] + "…"


def _without_aliases(node: Node, names: list[str]) -> list[str]:
    """One name for each value: PyTorch's, where a node shows a value under that and its own."""
    operands = _operands(node)
    aliases = {"result": "out", "self": operands[0] if operands else ""}
    own = {alias for name, alias in aliases.items() if name in names and alias != name}
    return [name for name in names if name not in own]


def _read(node: Node, name: str) -> tuple[Any] | None:
    """A value, in a tuple; ``None`` if the node did not save it."""
    if isinstance(node._plan, PackedPlan):
        # Hooks of the user's are not run for a picture: they may read files, or compute everything anew.
        raw = _raw(node, f"_raw{_PREFIX}{name}")
        if _is_packed(raw):
            return (Unreadable("packed"),)
    try:
        value = getattr(node, _PREFIX + name)
    except AttributeError:
        return None
    except RuntimeError as error:
        return (_unreadable(error),)
    is_operand = name in {"self", *_operands(node)}
    return None if value is None and is_operand else (value,)


def _raw(node: Node, name: str) -> tuple[SavedTensor, ...]:
    """What stands for the saved tensors of a name."""
    try:
        raw = getattr(node, name)
    except (AttributeError, RuntimeError):
        return ()
    return raw if isinstance(raw, tuple) else (raw,)


def _is_packed(raw: Sequence[SavedTensor]) -> bool:
    return any(x.unpack_hook is not None for x in raw)


def _unpacked(raw: SavedTensor, node: Node) -> Any:
    try:
        return raw.unpack(node, detached=True)
    except RuntimeError as error:
        return _unreadable(error)


def _unreadable(error: RuntimeError) -> Unreadable:
    text = str(error)
    if "modified by an inplace operation" in text:
        return Unreadable("modified in place")
    return Unreadable("freed" if "a second time" in text else "cannot be read")


def _operands(node: Node) -> Sequence[str]:
    """The operands' names in the definition of the operation that made a node."""
    operation = getattr(node._plan, "op", None)
    return operation.operands if operation is not None else ()
