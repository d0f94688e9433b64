"""A backward that is watched: checks after each node, and errors that say where the fault is.

The engine makes a :class:`Watcher` for a walk in anomaly mode or debug mode, and only then.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcore import watch
from gradcore.grad_mode import current_mode
from gradcore.graph import LEAF, Node, describe_value, node_of
from gradcore.runtime import RUNTIME
from gradcore.watch import Frames, Origin, Watch, call_stack, origin_of, origin_or_blank, running

if TYPE_CHECKING:
    from gradcore.grad_mode import Mode
    from gradcore.op import Op
    from gradcore.operands import Call
    from gradcore.tensor import Tensor

__all__ = [
    "Watcher",
    "note_move",
    "note_operands",
    "note_recorded",
    "note_results",
    "note_saved",
    "note_write",
    "renew_prints",
]


class Watcher:
    """What looks on while a backward runs."""

    def __init__(self, settings: Watch, roots: Sequence[tuple[Any, Any]], *, accumulates: bool) -> None:
        self.check_nan = settings.anomaly and settings.check_nan
        self.roots = [edge for edge, _ in roots]
        self.called = call_stack(whole=False)
        self.backward = watch.begin_backward("backward" if accumulates else "grad", self.called)
        self.outer = running.get()
        self.had_saved = False
        self.saved: tuple[Any, ...] | None = None
        self.infinite: str | None = None
        self.reported: BaseException | None = None

    def before(self, node: Node) -> None:
        """A node is about to run."""
        running.set(origin_of(node) or Origin(node.name(), None, None))
        self.had_saved = node._saved is not None
        # For hints, where what was saved has names; a Function lets go of tensors while it runs.
        self.saved = node._saved if hasattr(node._plan, "layout") else None
        _check_prints(node)

    def after(self, node: Node, grads: Sequence[Any], g: Any) -> None:
        """A node has run, and what it saved may be gone.

        Raises:
            RuntimeError: one of the gradients that it gave is nan.
        """
        saved, self.saved = self.saved, None
        if self.had_saved and node._saved is None:
            origin = origin_or_blank(node)
            origin.freed = self.called
            origin.prints = ()
        if self.check_nan:
            for nr, grad in enumerate(grads):
                if grad is not None and not _all_finite(grad, node):
                    self._found(node, nr, grad, g, saved)

    def reached(self, leaves: Sequence[tuple[Any, Any]]) -> None:
        """The gradients of some leaves are complete."""
        for leaf, entry in leaves:
            if entry[1] is None:
                continue  # nothing came but the news that nothing will
            record = watch.record_for(leaf)
            record.reached = self.backward
            if self.backward.what == "backward":
                record.accumulated = self.backward

    def failed(self, error: BaseException, holder: Any) -> None:
        """An exception passes through the walk; ``holder`` is the node that ran, or the leaf whose hooks did."""
        if holder is None or error is self.reported:
            return
        if holder._seq == LEAF:
            name = "torch::autograd::AccumulateGrad"
            error.add_note(
                f"Error detected in {name} of a leaf, {describe_value(holder)}.\nBackward ran at {self.called}."
            )
        else:
            error.add_note((origin_of(holder) or Origin(holder.name(), None, None)).describe())

    def close(self) -> None:
        """The walk is over."""
        running.set(self.outer)
        self.reported = None  # its traceback leads here

    def _found(self, node: Node, nr: int, grad: Any, g: Any, saved: Any) -> None:
        values = _host(grad, node)
        nans = np.isnan(values)
        if not nans.any():
            if self.infinite is None:
                origin = origin_of(node)
                at = "" if origin is None or origin.frames is None else f", made at {origin.frames}"
                self.infinite = (
                    f"Before that, {node.name()}{at}, returned infinite values in its {nr}th output: "
                    f"{_share(np.isinf(values), 'infinite')}."
                )
            return
        lines = [f"Function '{node.name()}' returned nan values in its {nr}th output."]
        lines.append(f"{_share(nans, 'nan')} ({values.dtype}); it is the first gradient of this backward that is nan.")
        if self.infinite is not None:
            lines.append(self.infinite)
        lines += _hints(node, nans, g, saved, self.roots)
        lines += ["", (origin_of(node) or Origin(node.name(), None, None)).describe()]
        self.reported = RuntimeError("\n".join(lines))
        raise self.reported


# What a nan comes from.


class _Known(NamedTuple):
    """A function whose derivative is not finite somewhere."""

    saved: str
    """What it saved that shows the place."""
    at: tuple[float, ...]
    """The values of that."""
    text: str


_KNOWN = {
    "Sqrt": _Known("out", (0.0,), "the derivative of sqrt is infinite at 0"),
    "Rsqrt": _Known("out", (math.inf,), "rsqrt and its derivative are infinite at 0"),
    "Log": _Known("input", (0.0,), "the derivative of log is infinite at 0"),
    "Log2": _Known("input", (0.0,), "the derivative of log2 is infinite at 0"),
    "Log10": _Known("input", (0.0,), "the derivative of log10 is infinite at 0"),
    "Log1P": _Known("input", (-1.0,), "the derivative of log1p is infinite at -1"),
    "Div": _Known("other", (0.0,), "it divides by 0"),
    "Reciprocal": _Known("out", (math.inf, -math.inf), "reciprocal and its derivative are infinite at 0"),
    "Pow": _Known("input", (0.0,), "if the exponent is below 1, the derivative of a power is infinite at 0"),
    "Acos": _Known("input", (-1.0, 1.0), "the derivative of acos is infinite at -1 and 1"),
    "Asin": _Known("input", (-1.0, 1.0), "the derivative of asin is infinite at -1 and 1"),
    "Acosh": _Known("input", (1.0,), "the derivative of acosh is infinite at 1"),
    "Atanh": _Known("input", (-1.0, 1.0), "the derivative of atanh is infinite at -1 and 1"),
    "LinalgVectorNorm": _Known("out", (0.0,), "a norm has no derivative where it is 0"),
}

_CHOOSING = ("WhereBackward", "MaskedFillBackward", "ClampBackward", "MaximumBackward", "MinimumBackward")
"""Nodes that give the gradient 0 to what they did not choose."""


def _hints(node: Node, nans: Any, g: Any, saved: Any, roots: Sequence[Any]) -> Iterator[str]:
    """What can be said of where the first nan comes from."""
    at = tuple(int(i) for i in np.argwhere(nans)[0])
    incoming = None if g is None or isinstance(g, (list, tuple)) else _host(g, node)
    told: list[str] = []
    if incoming is not None:
        if np.isnan(incoming).any():
            yield (
                "The gradient that it got held nan already: it was given to backward so, or a hook put it there, or infinite "
                "gradients of both signs were added up."
            )
        if incoming.shape == nans.shape:
            told.append(f"the gradient that came in is {incoming[at]}")
    values = dict(_saved_values(node, saved))
    told += [f"the saved {name!r} is {x[at]}" for name, x in values.items() if x.shape == nans.shape]
    if told:
        yield f"{f'At {list(at)},' if at else 'There'} {', '.join(told)}."
    without = [name for name, x in values.items() if np.isnan(x).any()]
    if without:
        names = " and ".join(map(repr, without))
        yield f"What it saved as {names} holds nan itself: that was made by the forward computation, not by backward."
        return
    known = _KNOWN.get(node.name().partition("Backward")[0])
    if known is not None and known.saved in values:
        singular = np.isin(values[known.saved], known.at)
        if singular.any():
            some = " or ".join(f"{x:g}" for x in known.at)
            yield f"Hint: {known.text}; the saved {known.saved!r} is {some} at {int(singular.sum())} of {singular.size} places."
    if incoming is not None and incoming.shape == nans.shape and bool((incoming[nans] == 0).all()):
        chooser = _chooser(node, roots)
        between = "If a where() or a mask stands between it and the result: that"
        if chooser is not None:
            origin = origin_of(chooser)
            made = "" if origin is None or origin.frames is None else f" (made at {origin.frames})"
            between = f"{chooser.name()}{made} stands between it and the result: that"
        yield (
            "Hint: wherever it gave nan, the gradient that came in was 0, and 0 times an infinite derivative is nan. "
            f"{between} gives the gradient 0 to what it did not choose, which is differentiated all the same. Make the operand "
            "harmless before the function, as in where(x > 0, sqrt(where(x > 0, x, 1)), 0); it is not enough to choose among "
            "the results."
        )


def _chooser(node: Node, roots: Sequence[Any]) -> Node | None:
    """A node from which gradients of 0 may have come to ``node``: the last one on the way there."""
    way: dict[Any, Any] = {}
    stack = [node_of(e) for e in roots if e is not None and e._seq != LEAF]
    way.update(dict.fromkeys(stack))
    while stack:
        current = stack.pop()
        for edge in current._next:
            if edge is None or edge._seq == LEAF:
                continue
            following = node_of(edge)
            if following not in way:
                way[following] = current
                stack.append(following)
    before: Node | None = way.get(node)
    while before is not None:
        if before.name().startswith(_CHOOSING):
            return before
        before = way[before]
    return None


def _saved_values(node: Node, saved: Any) -> Iterator[tuple[str, Any]]:
    """What a node saved, as NumPy arrays; ``saved`` is that, if it is freed by now."""
    layout = getattr(node._plan, "layout", None)
    if layout is None or saved is None:
        return
    freed, node._saved = node._saved, saved
    try:
        for name in layout.saved:
            try:
                value = node._plan.read_saved(node, name)
            except Exception:  # noqa: BLE001, S112 - a hint, on the way to an error; what cannot be read is left out
                continue
            if isinstance(value, RUNTIME["Tensor"]) and value.dtype.kind in "fc":
                yield name, _host(value, node)
    finally:
        node._saved = freed


def _share(flags: Any, what: str) -> str:
    first = [int(i) for i in np.argwhere(flags)[0]]
    where = f", the first at {first}" if first else ""
    return f"{int(flags.sum())} of {flags.size} values are {what}, of shape {list(flags.shape)}{where}"


def _bottom(x: Any, node: Node) -> tuple[Any, Any]:
    """The array at the bottom of a gradient (inside function transforms, tensors hold tensors), and its device."""
    where = node._xp.device
    if isinstance(x, RUNTIME["Tensor"]):
        while x._device.level is not None:
            x = x._device.level.unwrap(x)
        where, x = x._device, x._data
    return x, where


def _host(x: Any, node: Node) -> Any:
    raw, where = _bottom(x, node)
    return np.asarray(where.backend.to_numpy(raw if raw.__class__ is where.array_class else where.xp.asarray(raw)))


def _all_finite(x: Any, node: Node) -> bool:
    raw, where = _bottom(x, node)
    xp = where.xp
    if xp.np_dtype(raw.dtype).kind not in "fc":
        return True
    token = where.enter()
    try:
        return bool(xp.all(xp.isfinite(raw)))
    finally:
        where.leave(token)


# What operations note.


def note_operands(operands: Sequence[Any], out: Any) -> None:
    """Before an operation is recorded: let the counts of writes of all that it touches remember lines."""
    for x in (*operands, *(out if isinstance(out, tuple) else (out,))):
        if isinstance(x, RUNTIME["Tensor"]):
            watch.watch_cell(x)


def note_recorded(node: Node, op: Op, call: Call, out: Any, raws: Any, mode: Mode) -> None:
    """After an operation was recorded: note its line, and what the saved arrays look like."""
    origin = watch.note_node(node)
    # What hooks keep in the place of a saved tensor is theirs.
    if mode.anomaly.fingerprints and not mode.saved_hooks and call.device.level is None:
        origin.prints = tuple(_prints(op, call, out if isinstance(out, tuple) else (out,), raws, node._plan.layout))


def note_saved(node: Node, tensors: Sequence[Any], names: str) -> None:
    """Note what tensors look like that a node saves which is of no operation; called ``<names>[i]`` in messages."""
    mode = current_mode()
    origin = origin_of(node)
    if mode.anomaly is None or not mode.anomaly.fingerprints or mode.saved_hooks or origin is None:
        return
    # Their arrays, since the tensors may lead back to the node.
    origin.prints = tuple(
        p for i, x in enumerate(tensors) if x is not None for p in _print_of(f"{names}[{i}]", x, x._data)
    )


def note_results(op: Op, call: Call, out: Any, grad: bool) -> None:
    """Note how the results of an operation came about."""
    frames = call_stack(whole=False)
    for nr, o in enumerate(out if isinstance(out, tuple) else (out,)):
        watch.note_made(o, op.public_name, call.operands, _reason(op, o, nr, grad), frames)


def note_move(out: Tensor, source: Tensor) -> None:
    """Note that a tensor was moved to another device."""
    watch.note_made(out, "to", (source,), None if current_mode().grad else _SWITCHED_OFF)


def note_write(op: Op, out: Tensor, operands: Sequence[Any]) -> None:
    """Note that an operation wrote into a tensor."""
    watch.note_made(out, f"{op.public_name}_", operands, _reason(op, out, 0, current_mode().grad))


_SWITCHED_OFF = "recording was switched off, by no_grad, inference_mode or set_grad_enabled(False)"


def _reason(op: Op, out: Tensor, nr: int, grad: bool) -> str:
    if not grad:
        return _SWITCHED_OFF
    kind = out.dtype.kind
    if not op.differentiable or (op.outputs and op.outputs[nr] in op.nondifferentiable) or kind not in "fc":
        dtype = f" (its result is {out.dtype})" if kind not in "fc" else ""
        return f"{op.public_name} has no derivative{dtype}"
    return "nothing that it was computed from required grad then"


# What saved arrays look like.


class _Print(NamedTuple):
    name: str
    holder: Any
    """The tensor that was saved; of an output, its array, since a node must not hold its own result."""
    device: Any
    cell: Any
    version: int
    digest: bytes


def _prints(op: Op, call: Call, outs: Sequence[Any], raws: Any, layout: Any) -> Iterator[_Print]:
    for name in layout.saved:
        if name == op.listed:
            start = 0 if op.variadic else len(op.operands)
            for i, x in enumerate(call.operands[start:]):
                yield from _print_of(f"{name}[{i}]", x, x)
        elif layout.is_tensor(name):
            x = call.operands[op.operands.index(name)]
            yield from _print_of(name, x, x)
        elif name in layout.outputs:
            nr = layout.outputs.index(name)
            yield from _print_of(name, outs[nr], raws[nr] if op.multiple else raws)


def _print_of(name: str, x: Any, holder: Any) -> Iterator[_Print]:
    if isinstance(x, RUNTIME["Tensor"]) and x._device.level is None:
        yield _Print(name, holder, x._device, x._cell, _count(x._cell), _digest(x._data, x._device))


def _count(cell: Any) -> int:
    return 0 if cell is None else int(cell[0])


def _digest(raw: Any, where: Any) -> bytes:
    host = np.asarray(where.backend.to_numpy(raw))
    import hashlib  # few programs look for writes behind gradcore's back

    return hashlib.blake2b(host.tobytes(), digest_size=16).digest()


def renew_prints(node: Node) -> None:
    """An operation wrote its result into its operand: what was saved looks different from then on, rightly."""
    origin = origin_of(node)
    if origin is None:
        return
    renewed = []
    for p in origin.prints:
        if isinstance(p.holder, RUNTIME["Tensor"]):
            renewed.append(p)
        else:
            renewed.append(p._replace(version=_count(p.cell), digest=_digest(p.holder, p.device)))
    origin.prints = tuple(renewed)


def _check_prints(node: Node) -> None:
    """Raise if an array that a node saved was written to, other than by gradcore.

    Raises:
        RuntimeError: an array holds other bytes than when it was saved, and no write was counted.
    """
    origin = origin_of(node)
    for p in origin.prints if origin is not None else ():
        is_tensor = isinstance(p.holder, RUNTIME["Tensor"])
        cell = p.holder._cell if is_tensor else p.cell
        if _count(cell) != p.version:
            continue  # a write that was counted: the node itself raises for it
        raw = p.holder._data if is_tensor else p.holder
        where = p.holder._device if is_tensor else p.device
        if _digest(raw, where) != p.digest:
            _raise_written_behind(node, origin.frames if origin is not None else None, p, raw, where)
    for inner in node._saved or ():
        if isinstance(inner, Node):
            _check_prints(inner)  # CopySlices runs the node of the write


def _raise_written_behind(node: Node, frames: Frames | None, p: _Print, raw: Any, where: Any) -> None:
    value = RUNTIME["wrap"](raw, where)
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified without gradcore seeing it: "
        f"[{describe_value(value)}], saved as {p.name!r} by {node.name()}, does not hold the values any more that it had "
        f"when it was saved, and no write to it was counted (it is at version {p.version}). It was saved at {frames}. "
        "Something wrote into its memory directly: through .numpy() or np.asarray(), through the NumPy array that it was "
        "made of (from_numpy, as_tensor), or through .data. Write to a copy (clone(), or .copy() in NumPy), or write with "
        "operations of gradcore, which are counted"
    )
