"""``gradcore.explain``: why a tensor has no gradient, in sentences."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

from gradcore import dtypes, watch
from gradcore.grad_mode import is_grad_enabled
from gradcore.graph import LEAF, Cut, Node, node_of
from gradcore.tensor import Tensor
from gradcore.watch import Made, Record

__all__ = ["Explanation", "explain"]

_UNKNOWN = "gradcore cannot know which; run the program inside `with gradcore.debug():` and ask again"


class Explanation:
    """What :func:`explain` found. Prints itself, one sentence a line."""

    __slots__ = ("sentences",)

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = tuple(sentences)
        """The sentences, the most important first."""

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    __repr__ = __str__


def explain(tensor: Tensor, out: Tensor | None = None) -> Explanation:
    """Say why ``tensor`` has no ``.grad``, or does not require grad; and whether ``out`` leads back to it.

    What the tensor and its graph show is said at any time. Which line did something is known for what happened inside
    ``gradcore.debug()`` or ``autograd.detect_anomaly()``. What is a guess is called one.

    Args:
        tensor: the tensor asked about.
        out: the result from which its gradient was to come, a loss; if that does not lead to ``tensor``, the answer says
            where the way is cut, as far as that is known.

    Raises:
        TypeError: an argument is no tensor.
    """
    for what, value in (("tensor", tensor), ("out", out)):
        if not isinstance(value, Tensor) and not (what == "out" and value is None):
            raise TypeError(f"explain(): argument {what!r} must be Tensor, not {type(value).__name__}")
    sentences: list[str] = []
    if out is not None and out is not tensor and tensor.requires_grad:
        sentences += _connection(tensor, out)
    sentences += _state(tensor)
    if not is_grad_enabled():
        sentences.append("Recording is switched off right now: what is computed here will not require grad.")
    return Explanation(sentences)


# One tensor.


def _state(t: Tensor) -> Iterator[str]:
    if not t.requires_grad:
        yield from _why_it_needs_none(t)
        return
    try:
        node = t.grad_fn
    except RuntimeError as error:
        yield f"It is a view whose history cannot be renewed: {error}."
        return
    if node is not None:
        yield from _not_a_leaf(t, node)
    elif t._edge.__class__ is Cut:
        yield (
            "It requires grad only because the tensor that it is a view of does: it was made under no_grad, or before that "
            "tensor required grad. No gradient passes through it."
        )
    else:
        yield from _leaf(t)


def _not_a_leaf(t: Tensor, node: Node) -> Iterator[str]:
    how = f"It is not a leaf: {_made(node)}"
    if t._grad is not None:
        yield f"{how}. It has a .grad all the same{', since retain_grad() was called on it' if t._retains else ''}."
    elif t._retains:
        yield f"{how}. retain_grad() was called on it, but no backward has reached it since."
    else:
        yield (
            f"{how}, and backward keeps gradients for leaves only. Call retain_grad() on it before backward, or use "
            "autograd.grad(out, tensor)."
        )
    if t._view is not None:
        yield f"It is a view of a tensor of shape {list(t._view.base.shape)}."
    found = _reach(t)
    leaves = [x for x in found if x._seq == LEAF]
    if leaves:
        shapes = ", ".join(str(list(x.shape)) for x in leaves[:3]) + (", ..." if len(leaves) > 3 else "")
        one = len(leaves) == 1
        yield (
            f"It was computed from {len(leaves)} {'leaf' if one else 'leaves'} that require{'s' if one else ''} grad, of shape "
            f"{shapes}: {'that one gets' if one else 'those get'} a .grad."
        )
    freed = _freed(found)
    if freed is not None:
        yield f"{freed} Another backward through it would raise."


def _leaf(t: Tensor) -> Iterator[str]:
    record = watch.record_of(t)
    accumulated = None if record is None else record.accumulated
    if t._grad is not None:
        by = f" The backward at {accumulated.frames} added to it last." if accumulated is not None else ""
        yield f"It is a leaf that requires grad, and it has a .grad.{by}"
        return
    start = "It is a leaf that requires grad, so backward puts a gradient into its .grad, which is None now"
    last = watch.last_backward
    if accumulated is not None:
        yield (
            f"{start}. The backward at {accumulated.frames} did put one there, so .grad was set to None since, as "
            "optimizer.zero_grad() does."
        )
        if last is not None and last.number > accumulated.number:
            yield f"The last backward that was watched, at {last.frames}, did not reach it."
    elif record is not None and record.reached is not None:
        yield f"{start}. autograd.grad at {record.reached.frames} computed its gradient, and leaves .grad alone."
    elif last is not None:
        kind = "backward" if last.what == "backward" else "autograd.grad"
        yield (
            f"{start}. No backward that was watched reached it. The last one was {kind} at {last.frames}. Its result was not "
            "computed from this tensor, or the way was cut; explain(tensor, out) tells which."
        )
    elif t._grad_was_given:
        yield f"{start}. It was set to something by assignment before."
    else:
        yield (
            f"{start}. Either no backward has reached it yet, or .grad was set to None since, as optimizer.zero_grad() does: "
            f"{_UNKNOWN}."
        )
    yield from _switched(t, record)


def _why_it_needs_none(t: Tensor) -> Iterator[str]:
    record = watch.record_of(t)
    made = record.made[-1] if record is not None and record.made else None
    start = "It does not require grad"
    sure = False
    if dtypes.category(t.dtype) < 2:
        yield (
            f"{start}: its dtype is {dtypes.dtype_name(t.dtype)}, and only floating-point and complex tensors can. No gradient "
            "passes through integers and booleans."
        )
        sure = True
    if record is not None and record.switched is not None:
        yield f"{start}: requires_grad was switched off at {record.switched}."
        sure = True
    if made is not None and made.how:
        cuts = _cuts_behind(made)
        if made in cuts and not sure:
            yield f"{start}: {_told(made)}."
        else:
            yield f"It was made by {made.how} at {made.frames}."
        for cut in cuts[:3]:
            if cut is not made:
                yield f"It was computed from what does not require grad either: {_told(cut)}."
        if not cuts and not sure:
            yield f"{start}: nothing that it was computed from required grad, as far as that was watched."
        return
    if sure:
        return
    if t._grad is not None:
        yield f"{start}, but it has a .grad: requires_grad was switched off after a backward, or .grad was assigned."
        return
    if t.is_inference():
        yield f"{start}: it was made in inference_mode, and can never be recorded. clone() it outside."
        return
    if t._view is not None:
        base = t._view.base
        yield (
            f"{start}: it is a view of a tensor of shape {list(base.shape)} that does not require grad"
            f"{', made under no_grad' if t._view.made_in_no_grad else ''}."
        )
        yield from _why_it_needs_none(base)
        return
    yield f"{start}, and no operation was recorded for it."
    if t._cell is not None and sys.getrefcount(t._cell) > 2:
        yield (
            "Something that is still there shares its memory. Probably it was made by detach(), or there are views of it, or "
            "a graph saved it."
        )
    yield (
        "It was made from data (tensor(), from_numpy(), zeros() and the like, without requires_grad=True; values that went "
        "through .item(), .tolist() or .numpy() come back without their history), or by detach() or .data, or under no_grad, or "
        f"from tensors that do not require grad: {_UNKNOWN}."
    )
    yield from _exits()


def _switched(t: Tensor, record: Record | None) -> Iterator[str]:
    if record is not None and record.switched is not None:
        yield f"requires_grad was off for a time: it was switched off at {record.switched}."


def _exits() -> Iterator[str]:
    for method, frames in list(watch.exits)[-3:]:
        yield f"The value of a tensor with a history left gradcore through .{method} at {frames}."


# Two tensors.


def _connection(t: Tensor, out: Tensor) -> Iterator[str]:
    if not out.requires_grad:
        yield "The result does not require grad, so no backward can start there. Of the result:"
        for sentence in _why_it_needs_none(out):
            yield f"  {sentence}"
        yield from _where_cut(t, out, {})
        return
    found = _reach(out)
    target = t if t.is_leaf else node_of(t._edge)
    if target in found:
        way: list[str] = []
        step: Any = target
        while step is not None:
            way.append("the tensor" if step is t else step.name())
            step = found[step]
        way.reverse()
        if len(way) > 8:
            way[4:-3] = [f"({len(way) - 7} more)"]
        yield f"The result leads to it: {' -> '.join(way)}."
        freed = _freed(found)
        if freed is not None:
            yield f"{freed} Another backward through it would raise."
        return
    yield "The result does not lead to it: a backward from there gives it no gradient."
    yield from _where_cut(t, out, found)


def _where_cut(t: Tensor, out: Tensor, found: dict[Any, Any]) -> Iterator[str]:
    told = False
    written = _written_since(t, out)
    if written is not None:
        yield f"The result was computed from a value that it had before {written.how} wrote to it at {written.frames}."
        told = True
    for cut in _cuts_between(t, out)[:3]:
        yield f"The way is cut where something was computed from it: {_told(cut)}."
        told = True
    if not told:
        for node in found:
            if node._seq != LEAF and any(_same_memory(s, t) for s in node._saved or ()):
                yield (
                    f"{node.name()}{_made_at(node)} saved a tensor that shares memory with it but has no history: it was cut "
                    "off before that, by detach() or .data."
                )
                told = True
    if not told:
        for method, frames in _left_behind(t):
            yield (
                f"What was computed from it left gradcore through .{method} at {frames}. If the result was computed from "
                "that value, the way is cut there."
            )
            told = True
    if told:
        return
    if watch.record_of(out) is not None:
        yield "As far as that was watched, the result was not computed from it."
    else:
        yield (
            "Either the result was not computed from it, or the way was cut by detach(), .data, no_grad, a cast to integers, "
            f".item() or .numpy(), or the tensor was replaced or written to since: {_UNKNOWN}."
        )


def _cuts_behind(made: Made) -> list[Made]:
    """Where the history was cut of what a tensor was made from, the nearest first."""
    cuts: list[Made] = []
    seen = {made.number}
    waiting = deque([made])
    while waiting:
        current = waiting.popleft()
        if current.reason is not None:
            cuts.append(current)
            continue  # what lies behind is not at fault
        for number in current.sources:
            source = watch.journal.get(number)
            if source is not None and number not in seen:
                seen.add(number)
                waiting.append(source)
    return cuts


def _cuts_between(t: Tensor, out: Tensor) -> list[Made]:
    """Where the ways from ``t`` to ``out`` are cut, the nearest to ``t`` first."""
    start = watch.record_of(t)
    if start is None:
        return []
    behind = _behind(out)
    depends = {m.number for m in start.made if m.number in behind}
    cuts: list[Made] = []
    # A thing is made after what it is made of, so that its number is higher.
    for number in sorted(behind):
        made = behind[number]
        if number in depends or depends.isdisjoint(made.sources):
            continue
        if made.reason is not None:
            cuts.append(made)
        else:
            depends.add(number)
    return cuts


def _written_since(t: Tensor, out: Tensor) -> Made | None:
    """The first write to a tensor after ``out`` was computed from it."""
    record = watch.record_of(t)
    if record is None:
        return None
    behind = _behind(out)
    used = [i for i, made in enumerate(record.made) if made.number in behind]
    return record.made[used[-1] + 1] if used and used[-1] + 1 < len(record.made) else None


def _behind(out: Tensor) -> dict[int, Made]:
    """What a tensor was made of, directly or not, as far as that is known."""
    record = watch.record_of(out)
    behind: dict[int, Made] = {}
    waiting = [record.made[-1].number] if record is not None and record.made else []
    while waiting:
        number = waiting.pop()
        made = watch.journal.get(number)
        if made is not None and number not in behind:
            behind[number] = made
            waiting += made.sources
    return behind


def _left_behind(t: Tensor) -> list[tuple[str, Any]]:
    """Where the value of a tensor, or of what was computed from it, was taken out of gradcore: the last places."""
    record = watch.record_of(t)
    if record is None:
        return []
    depends = {m.number for m in record.made}
    left = [place for m in record.made for place in m.left]
    for number, made in list(watch.journal.items()):
        if number not in depends and not depends.isdisjoint(made.sources):
            depends.add(number)
            left += made.left
    return left[-3:]


def _reach(out: Tensor) -> dict[Any, Any]:
    """Every node and leaf to which ``out`` leads, with the one from which it was found first."""
    edge: Any = out if out._edge is None else out._edge
    first: Any = edge if edge._seq == LEAF else node_of(edge)
    found: dict[Any, Any] = {first: None}
    waiting = deque([first])
    while waiting:
        current = waiting.popleft()
        if current._seq == LEAF:
            continue
        for edge in current._next:
            if edge is None:
                continue
            following = edge if edge._seq == LEAF else node_of(edge)
            if following not in found:
                found[following] = current
                waiting.append(following)
    return found


def _freed(found: dict[Any, Any]) -> str | None:
    for node in found:
        if node._seq != LEAF and node._saved is None:
            origin = watch.origin_of(node)
            at = "" if origin is None or origin.freed is None else f" at {origin.freed}"
            return f"Its graph was freed: a backward{at} has run through {node.name()}."
    return None


def _same_memory(saved: Any, t: Tensor) -> bool:
    if not isinstance(saved, Tensor) or saved is t or saved._edge is not None or saved._req:
        return False
    return saved._data is t._data or (t._cell is not None and saved._cell is t._cell)


def _made(node: Node) -> str:
    return f"{node.name()} made it{_made_at(node)}"


def _made_at(node: Node) -> str:
    origin = watch.origin_of(node)
    return "" if origin is None or origin.frames is None else f" at {origin.frames}"


def _told(made: Made) -> str:
    return f"{made.how} at {made.frames}" + (f": {made.reason}" if made.reason is not None else "")
