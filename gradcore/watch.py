"""What is noted while somebody looks for faults: the lines that made nodes, wrote to tensors, ran backward.

Nothing here runs in the plain mode. ``Mode.anomaly`` holds a :class:`Watch` while ``autograd.detect_anomaly`` or
``gradcore.debug`` is on; operations then take their general path, and note here

* for a node: an :class:`Origin`, in ``node.metadata["traceback_"]`` (where PyTorch keeps it, too);
* for a count of writes: which lines wrote (:class:`WatchedCell`);
* for a tensor: how it came about and from what (:class:`Made`), which :func:`gradcore.explain` reads.

What is kept are lines (code objects and numbers), names and counts: no tensor and no array stays alive by it. How tensors
came about is kept for the last :data:`LIMIT` of them.
"""

from __future__ import annotations

import itertools
import linecache
import os
import sys
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from gradcore.grad_mode import current_mode
from gradcore.runtime import RUNTIME

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "Backward",
    "Frames",
    "Made",
    "Origin",
    "Record",
    "Watch",
    "WatchedCell",
    "call_stack",
    "note_left",
    "note_made",
    "note_node",
    "note_switched_off",
    "origin_of",
    "record_of",
    "watch_cell",
    "watched",
    "writes_since",
]

LIMIT = 20_000
"""Of how many tensors it is kept how they came about."""
WRITES = 8
"""How many writes a count of writes remembers."""
HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep  # noqa: PTH100, PTH120 - compared with file names as text


class Watch(NamedTuple):
    """What to look for, as :class:`gradcore.grad_mode.Mode` holds it."""

    anomaly: bool = False
    """Anomaly mode is on."""
    check_nan: bool = True
    """In anomaly mode: raise where a gradient becomes nan."""
    lines: bool = False
    """Debug mode is on."""
    fingerprints: bool = False
    """Notice writes to saved arrays that gradcore did not make."""


class Frames:
    """Where something was called: the user's frames, from the outermost to the innermost, without gradcore's own."""

    __slots__ = ("places",)

    def __init__(self, places: tuple[tuple[CodeType, int], ...]) -> None:
        self.places = places

    def __bool__(self) -> bool:
        return bool(self.places)

    def lines(self) -> list[str]:
        """Each frame as tracebacks show it; outer frames that are the very same here and now are left out."""
        now = call_stack().places
        same = 0
        # The innermost frame always stays.
        while same < len(self.places) - 1 and same < len(now) and self.places[same] == now[same]:
            same += 1
        return [_shown(code, line) for code, line in self.places[same:]]

    def __str__(self) -> str:
        """The innermost frame, for the middle of a sentence."""
        if not self.places:
            return "a line that is not known"
        code, line = self.places[-1]
        text = _source(code, line)
        return f"line {line} of {code.co_filename}, in {code.co_name}" + (f" (`{text}`)" if text else "")


def call_stack(*, whole: bool = True) -> Frames:
    """Where gradcore was called from; only the innermost frame, if not the ``whole`` stack is wanted."""
    places: list[tuple[CodeType, int]] = []
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        if not (name.startswith((HERE, "<gradcore "))):
            places.append((code, frame.f_lineno or code.co_firstlineno))
            if not whole:
                break
        frame = frame.f_back  # type: ignore[assignment]  # None at the end
    places.reverse()
    return Frames(tuple(places))


class Origin(Sequence[str]):
    """Where a node was made. As a sequence, the lines of the traceback, as PyTorch's ``metadata["traceback_"]`` has them."""

    __slots__ = ("frames", "freed", "name", "parent", "prints")

    def __init__(self, name: str, frames: Frames | None, parent: Origin | None) -> None:
        self.name = name
        self.frames = frames
        # For a node made by a backward: where the node was made that ran then.
        self.parent = parent
        # Where the backward was called that freed what the node saved.
        self.freed: Frames | None = None
        # What the saved arrays looked like when they were saved.
        self.prints: tuple[Any, ...] = ()

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> list[str]: ...
    def __getitem__(self, i: Any) -> Any:
        return [_shown(*p) + "\n" for p in (self.frames.places if self.frames is not None else ())][i]

    def __len__(self) -> int:
        return 0 if self.frames is None else len(self.frames.places)

    def describe(self) -> str:
        """The traceback for people; of a node that a backward made, those of the nodes that ran then, too."""
        parts = [f"Error detected in {self.name}. {_told('caused the error', self.frames)}"]
        parent = self.parent
        while parent is not None:
            parts.append(
                f"Previous calculation was induced by {parent.name}. "
                f"{_told('induced the previous calculation', parent.frames)}"
            )
            parent = parent.parent
        return "\n\n".join(parts)


def _told(what: str, frames: Frames | None) -> str:
    if frames is None:
        return "No forward pass information available. Enable detect anomaly during forward pass for more information."
    return f"Traceback of forward call that {what}:\n" + "\n".join(frames.lines())


running: ContextVar[Origin | None] = ContextVar("gradcore_running", default=None)
"""The node that a watched backward runs now."""


def watched() -> bool:
    """Whether what happens now is noted."""
    return current_mode().anomaly is not None


def note_node(node: Any) -> Origin:
    """Note where a node is made."""
    origin = node.metadata["traceback_"] = Origin(node.name(), call_stack(), running.get())
    return origin


def origin_of(node: Any) -> Origin | None:
    """Where a node was made, if that was noted."""
    hooks = node._hooks
    return None if hooks is None else hooks.metadata.get("traceback_")


def origin_or_blank(node: Any) -> Origin:
    """The same, for a node about which something else is to be noted."""
    found = origin_of(node)
    if found is None:
        found = node.metadata["traceback_"] = Origin(node.name(), None, None)
    return found


# Writes.


class WatchedCell(list[int]):
    """A count of writes that remembers the lines of the last ones."""

    __slots__ = ("writes",)

    def __init__(self, count: int) -> None:
        super().__init__((count,))
        self.writes: list[tuple[int, Frames]] = []

    def __setitem__(self, i: Any, count: Any) -> None:
        super().__setitem__(i, count)
        self.writes.append((count, call_stack(whole=False)))
        del self.writes[:-WRITES]


def watch_cell(tensor: Tensor) -> None:
    """Let a tensor's count of writes remember lines, if it is the tensor's alone as yet."""
    cell = tensor._cell
    if cell is None:
        tensor._cell = WatchedCell(0)
    elif cell.__class__ is list and sys.getrefcount(cell) == 3:  # the tensor's name for it, ours, the argument
        tensor._cell = WatchedCell(cell[0])


def writes_since(cell: Any, version: int) -> list[tuple[int, Frames]]:
    """The writes that led past ``version``, as far as they were noted."""
    return [w for w in getattr(cell, "writes", ()) if w[0] > version]


# How tensors came about.


class Made:
    """How a tensor came about, or got the value that it has."""

    __slots__ = ("frames", "how", "left", "number", "reason", "recorded", "required", "sources")
    _numbers = itertools.count(1).__next__

    def __init__(self, how: str, frames: Frames | None, sources: tuple[int, ...], *, required: bool) -> None:
        self.number = Made._numbers()
        self.how = how
        self.frames = frames
        self.sources = sources
        """What it was made of, by their numbers."""
        self.required = required
        """Whether it requires grad."""
        self.reason: str | None = None
        """Why it is not connected to its sources, although one of these requires grad."""
        self.left: list[tuple[str, Frames]] = []
        """Where its value was taken out of gradcore: the method, and the line."""


journal: OrderedDict[int, Made] = OrderedDict()
"""How the last tensors came about, by their numbers."""


exits: deque[tuple[str, Frames]] = deque(maxlen=WRITES)
"""Where the values of tensors with a history were last taken out of gradcore: the method, and the line."""


class Backward(NamedTuple):
    """A backward that was watched."""

    what: str
    """``backward``, or ``grad`` for one that leaves ``.grad`` alone."""
    frames: Frames
    number: int


last_backward: Backward | None = None
_backwards = itertools.count(1).__next__


class Record:
    """What is known of one tensor that is still there."""

    __slots__ = ("accumulated", "made", "reached", "switched")

    def __init__(self) -> None:
        self.made: list[Made] = []
        """How it came about, then how it was written to: the last few."""
        self.reached: Backward | None = None
        """The last one that reached it."""
        self.accumulated: Backward | None = None
        """The last one that added to ``.grad``."""
        self.switched: Frames | None = None
        """Where ``requires_grad`` was switched off."""


class _Reference(weakref.ref[Any]):
    __slots__ = ("key",)
    key: int


_records: dict[int, tuple[_Reference, Record]] = {}


def _forget(reference: Any) -> None:
    _records.pop(reference.key, None)


def record_of(tensor: Tensor) -> Record | None:
    """What is known of a tensor."""
    # By id: tensors compare element by element, so that they cannot be the keys of a dictionary of weak references.
    found = _records.get(id(tensor))
    return found[1] if found is not None and found[0]() is tensor else None


def record_for(tensor: Tensor) -> Record:
    """What is known of a tensor, to be added to."""
    found = record_of(tensor)
    if found is None:
        reference = _Reference(tensor, _forget)
        reference.key = id(tensor)
        found = Record()
        _records[id(tensor)] = reference, found
    return found


def note_made(
    tensor: Tensor,
    how: str,
    sources: Iterable[Any],
    reason: str | None = None,
    frames: Frames | None = None,
    *,
    cut: bool = False,
) -> None:
    """Note that ``tensor`` got its value in this way from ``sources``.

    ``reason`` says why it is not connected to them, if it does not require grad; with ``cut``, it is about not to.
    """
    numbers: list[int] = []
    needed = False
    for x in sources:
        if isinstance(x, RUNTIME["Tensor"]):
            numbers.append(_last_made(x).number)
            needed = needed or x._req
    made = Made(how, frames or call_stack(whole=False), tuple(numbers), required=tensor._req and not cut)
    made.reason = reason if needed and not made.required else None
    _append(record_for(tensor), made)


def note_left(tensor: Tensor, method: str) -> None:
    """Note that a tensor's value is taken out of gradcore."""
    made = _last_made(tensor)
    place = (method, call_stack(whole=False))
    made.left.append(place)
    del made.left[:-WRITES]
    if made.required or made.reason is not None:
        exits.append(place)


def note_switched_off(tensor: Tensor) -> None:
    """Note that ``requires_grad`` is switched off."""
    record_for(tensor).switched = call_stack(whole=False)


def _last_made(tensor: Tensor) -> Made:
    record = record_for(tensor)
    if not record.made:
        _append(record, Made("", None, (), required=tensor._req))
    return record.made[-1]


def _append(record: Record, made: Made) -> None:
    record.made.append(made)
    del record.made[:-WRITES]
    journal[made.number] = made
    if len(journal) > LIMIT:
        journal.popitem(last=False)


def begin_backward(what: str, frames: Frames) -> Backward:
    """Note that a backward begins."""
    global last_backward
    last_backward = Backward(what, frames, _backwards())
    return last_backward


def _shown(code: CodeType, line: int) -> str:
    text = _source(code, line)
    return f'  File "{code.co_filename}", line {line}, in {code.co_name}' + (f"\n    {text}" if text else "")


def _source(code: CodeType, line: int) -> str:
    linecache.checkcache(code.co_filename)
    return linecache.getline(code.co_filename, line).strip()
