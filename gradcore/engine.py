"""The backward walk: from outputs to leaves, each node once, without recursion.

First the nodes that will run are found and the gradients that each waits for are counted; then nodes run in reverse
order of creation, each as soon as its gradient is complete. An ordinary backward moves raw arrays. Under
``create_graph`` the same walk moves tensors, and the rules record themselves.

This is the one place that brings a gradient into the space of its input (sums what was broadcast, casts, takes the real
part), and the one that writes to ``.grad``.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush, heappushpop
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.diagnosis import Watcher
from gradcore.grad_mode import current_mode, enter_grad, enter_mode, leave_mode
from gradcore.graph import LEAF, OWN_DTYPE, SLOT, AccumulateGrad, HookDict, Hooks, Node, hooks_of, shown_inputs
from gradcore.op import RUNTIME, bind

if TYPE_CHECKING:
    from gradcore.backend import Array
    from gradcore.tensor import Tensor

__all__ = ["Capture", "Walk", "check_shape", "current_walk", "project", "walk"]

# A gradient is added to a leaf by one thread at a time; by one within itself, where the addition runs what users wrote.
_accumulating = threading.RLock()

_numbers = itertools.count().__next__


class Walk:
    """One run of the engine, as what it calls sees it."""

    def __init__(self, pending: Pending, is_partial: bool) -> None:
        # The nodes and leaves that are still to come.
        self.pending = pending
        # Whether it computes only what it was asked for: ``autograd.grad``, or ``backward`` with ``inputs``.
        self.is_partial = is_partial
        # What is to be called at the end.
        self.callbacks: list[Callable[[], Any]] | None = None
        # Tells walks apart.
        self.number = _numbers()

    def will_reach(self, target: Any) -> bool:
        """Whether a node or a leaf is still to come."""
        return target in self.pending

    def call_back(self) -> None:
        """Call what was queued for the end, and what that queues."""
        called = 0
        while self.callbacks is not None and called < len(self.callbacks):
            self.callbacks[called]()
            called += 1


# The walks that somebody has asked for, by the call of walk() in which they run.
_walks: dict[int, Walk] = {}


def current_walk() -> Walk | None:
    """The innermost walk that runs in this thread; ``None`` outside of any."""
    # Found on the stack of calls: so a walk that nobody asks for, which is nearly every one, costs nothing.
    call = sys._getframe(1)
    while call.f_code is not walk.__code__:
        if call.f_back is None:
            return None
        call = call.f_back
    found = _walks.get(id(call))
    if found is None:
        names = call.f_locals
        is_partial = names["captures"] is not None or names["only"] is not None
        found = _walks[id(call)] = Walk(names["pending"], is_partial)
    return found


class Capture:
    """A place in the graph at which a walk leaves the gradient."""

    __slots__ = ("edge", "grad")

    def __init__(self, edge: Any) -> None:
        self.edge = edge
        self.grad: Any = None


def walk(
    roots: Sequence[tuple[Any, Any]],
    *,
    keep_graph: bool,
    create_graph: bool,
    tensors: bool = False,
    keep_mode: bool = False,
    captures: Sequence[Capture] | None = None,
    only: Sequence[Any] | None = None,
) -> None:
    """Run the graph backwards from ``roots``, pairs of an edge and its gradient.

    Args:
        roots: the gradients are raw arrays, or tensors under ``create_graph``.
        keep_graph: keep what nodes saved, so that the graph can be run again.
        create_graph: record the walk itself.
        tensors: move tensors also where the walk is not recorded: gradients that have a tangent, or are batched.
        keep_mode: record as the mode says, whatever ``create_graph``: on a level, the arrays moved are tensors of the
            level below.
        captures: compute only what these edges need and leave the gradients in them; no leaf accumulates.
            ``None``: run everything, accumulate into the leaves.
        only: run only what leads to these edges, and their own nodes, accumulate into the leaves among them.
    """
    token = enter_mode(current_mode()) if keep_mode else enter_grad(create_graph)
    create_graph = create_graph or tensors
    try:
        wanted: dict[Any, list[Capture]] | None = None
        if only is not None:
            pending = _count_towards(roots, dict.fromkeys(map(_key, only)))
        elif captures is None:
            pending = _count(roots)
        else:
            wanted = {}
            for c in captures:
                wanted.setdefault(_key(c.edge), []).append(c)
            pending = _count_towards(roots, wanted, hooks=True)
        _run(roots, pending, wanted, keep_graph, create_graph)
        if _walks and (this := current_walk()) is not None:
            this.call_back()
    finally:
        if _walks:
            _walks.pop(id(sys._getframe()), None)
        leave_mode(token)


# What a node or a leaf waits for: [how many gradients are still to come, their sum, whether that sum is the engine's own
# and may be added to in place]. The sum of a node with several outputs is a list.
Pending = dict[Any, list[Any]]


def _run(
    roots: Sequence[tuple[Any, Any]],
    pending: Pending,
    captures: dict[Any, list[Capture]] | None,
    keep_graph: bool,
    create_graph: bool,
) -> None:
    # One function, since a call per edge would cost as much as the arithmetic on small arrays.
    ready: list[tuple[int, Any]] = []
    leaves: list[tuple[Any, list[Any]]] = []
    settings = current_mode().anomaly
    watcher = None if settings is None else Watcher(settings, roots, accumulates=captures is None)
    plain = captures is None and not create_graph and watcher is None
    leaf: Any = None
    scope: Any = None
    token: Any = None
    came: Any = None
    # The roots arrive as if from a node that had them as inputs.
    node: Any = None
    edges: Sequence[Any] = [edge for edge, _ in roots]
    grads: Any = [g for _, g in roots]
    try:
        while True:
            following: Any = None
            for edge, g in zip(edges, grads, strict=False):  # plans see to it that there is one for each
                if edge is None:
                    continue
                kind = edge._seq
                target = edge.node if kind == SLOT else edge
                entry = pending.get(target)
                if entry is None:  # nothing that this walk is asked for lies behind it
                    continue
                if g is not None:
                    if create_graph:
                        g = _project_tensor(g, edge, node, edges)
                    elif kind == LEAF:
                        data = edge._data
                        if g.shape != data.shape or g.dtype is not data.dtype:
                            dtype = data.dtype if edge._hooks is None else _leaf_dtype(edge, g, entry)
                            g = project(g, data.shape, dtype, edge._device.xp, node, _position(edges, edge))
                    elif g.shape != edge._shape or g.dtype is not edge._dtype:
                        g = project(g, edge._shape, edge._dtype, edge_namespace(edge), node, _position(edges, edge))
                    if kind == SLOT:
                        sums = entry[1] = entry[1] or [None] * len(target._shape)
                        sums[edge.nr] = g if sums[edge.nr] is None else sums[edge.nr] + g
                    elif entry[1] is None:
                        entry[1] = g
                    elif create_graph:
                        entry[1] = entry[1] + g
                    elif entry[2]:
                        entry[1] += g
                    else:
                        own = edge_namespace(edge)
                        entry[1] = own.add(entry[1], g)
                        entry[2] = entry[1].__class__ is own.array_class
                entry[0] -= 1
                if entry[0]:
                    continue
                if kind == LEAF:
                    if entry[1] is not None or edge._hooks is not None:
                        leaves.append((edge, entry))
                elif following is None:
                    following = target
                else:
                    heappush(ready, (-target._seq, target))
            edges = grads = g = came = passed = None  # type: ignore[assignment]
            if leaves:
                if watcher is not None:
                    watcher.reached(leaves)
                # Only now, when the entry's is the only name of the gradient: a leaf may then keep it without a copy.
                for leaf, entry in leaves:
                    del pending[leaf]
                    _reach_leaf(leaf, entry, captures, create_graph)
                leaves.clear()
            # Most often one node became ready and no other waits: it needs no heap.
            if ready:
                first = heappop(ready) if following is None else heappushpop(ready, (-following._seq, following))
                node = first[1]
            elif following is not None:
                node = following
            else:
                return
            g = pending.pop(node)[1]
            edges = node._next
            xp = node._xp
            if not plain or node._hooks is not None or node.multiple:
                last = captures is not None and not any(_key(e) in pending for e in edges)
                g = _before(node, g, captures, create_graph, last)
                if g.__class__ is list:
                    # Hooks see what has come, the rule gets zeros for the rest.
                    came, g = g, _filled(node, g, create_graph)
                if watcher is not None and g is not None:
                    watcher.before(node)
            if g is None:
                # What waits for this node goes without.
                grads = (None,) * len(edges)
                if node._hooks is not None and node._hooks.post and not last:
                    grads = _after(node, grads, None, pending, create_graph)
                continue
            if xp is not scope:
                if scope is not None:
                    scope.device.leave(token)
                    scope = None
                token = xp.device.enter()
                scope = xp
            while True:
                plan = node._plan
                grads = plan.graph(node, xp, g) if create_graph else plan.raw(node, xp, g)
                if node._hooks is not None and node._hooks.post:
                    grads = _after(node, grads, came or g, pending, create_graph)
                if not keep_graph and plan.saves_tensors:
                    node._saved = None
                if not plain:
                    if watcher is not None:
                        watcher.after(node, grads, g)
                    break
                # Along a chain there is nothing to sort or to sum: go on with the next node at once.
                if ready or not edges:
                    break
                edge, passed = edges[0], grads[0]
                if (
                    edge is None
                    or edge._seq < 0
                    or passed is None
                    or (len(edges) > 1 and (len(edges) > 2 or edges[1] is not None))
                    or edge._xp is not xp
                    or edge._hooks is not None
                    or edge.multiple
                    or passed.shape != edge._shape
                    or passed.dtype is not edge._dtype
                ):
                    break
                entry = pending.get(edge)
                if entry is None or entry[0] != 1 or entry[1] is not None:
                    break
                del pending[edge]
                node, edges, g = edge, edge._next, passed
                grads = came = passed = None
    except Exception as error:
        if watcher is not None:
            watcher.failed(error, leaf if edges is None and leaves else node)
        raise
    finally:
        if watcher is not None:
            watcher.close()
        if scope is not None:
            scope.device.leave(token)


def _position(edges: Sequence[Any], edge: Any) -> int:
    # Not edges.index(edge): leaves are tensors, and == compares tensors element by element.
    return next(i for i, e in enumerate(edges) if e is edge)


def _project_tensor(g: Any, edge: Any, node: Any, edges: Sequence[Any]) -> Any:
    shape, dtype = (edge.shape, _leaf_dtype(edge, g)) if edge._seq == LEAF else (edge._shape, edge._dtype)
    return project(g, shape, dtype, _tensors(edge_namespace(edge)), node, _position(edges, edge))


def project(g: Any, shape: Any, dtype: Any, xp: Any, node: Node | None = None, index: int = 0) -> Any:
    """A gradient in the space of its input: summed to its shape, cast to its dtype, real for a real input.

    Works on arrays and on tensors alike, through ``xp``.

    Raises:
        RuntimeError: the shape is no broadcast of the input's.
    """
    if tuple(g.shape) != tuple(shape):
        if node is not None:
            _refuse_old_shape(node, index, g, shape)
        check_shape(g, shape, node, index)
        extra = len(g.shape) - len(shape)
        axes = tuple(range(extra)) + tuple(i for i, n in enumerate(shape, extra) if n == 1 and g.shape[i] != 1)
        if axes:
            g = xp.sum(g, axis=axes, keepdims=True)
        g = xp.reshape(g, tuple(shape))
    have, want = xp.np_dtype(g.dtype), xp.np_dtype(dtype)
    if have != want:
        if have.kind == "c" and want.kind != "c":
            g = xp.real(g)
        g = xp.astype(g, want)
    return g


def check_shape(g: Any, shape: Any, node: Node | None, index: int) -> None:
    """Raise for a gradient that ``node`` gave for its input at ``index``, if its shape is no broadcast of the input's."""
    extra = len(g.shape) - len(shape)
    if extra < 0 or not all(n in (1, m) for n, m in zip(shape, g.shape[extra:], strict=True)):
        name = node.name() if node is not None else "The gradient given"
        raise RuntimeError(
            f"Function {name} returned an invalid gradient at index {index} - got {list(g.shape)} but expected "
            f"shape compatible with {list(shape)}"
        )


def _leaf_dtype(leaf: Any, g: Any, entry: list[Any] | None = None) -> Any:
    """The dtype in which a leaf takes a gradient: its own, if its ``grad_dtype`` was not set."""
    hooks = leaf._hooks
    if hooks is None or hooks.grad_dtype is OWN_DTYPE:
        return leaf._data.dtype
    if hooks.grad_dtype is not None:
        return hooks.grad_dtype
    if entry is not None:
        entry[2] = False  # a sum of several dtypes is promoted, which cannot be done in place
    return g.dtype


def _refuse_old_shape(node: Node, index: int, g: Any, shape: Any) -> None:
    """Raise if a leaf was given another shape after ``node`` used it: that this broadcasts would be chance."""
    edge = node._next[index]
    if edge is not None and edge._seq == LEAF and node._seq < edge._replaced_at:
        raise RuntimeError(
            f"output with shape {list(shape)} doesn't match the broadcast shape {list(g.shape)}: a leaf was given another "
            f"shape (by .data or set_()) after {node.name()} had used it"
        )


def edge_namespace(edge: Any) -> Any:
    """The namespace of the device that an edge's value lives on."""
    if edge._seq == LEAF:
        return edge._device.xp
    return (edge.node if edge._seq == SLOT else edge)._xp


def _key(edge: Any) -> Any:
    return edge.node if edge is not None and edge._seq == SLOT else edge


def _count(roots: Sequence[tuple[Any, Any]]) -> Pending:
    """Every node and leaf that can be reached, with the number of gradients that it will get."""
    pending: Pending = {}
    stack: list[Any] = []
    edges: Any = [edge for edge, _ in roots]
    while True:
        for edge in edges:
            if edge is None:
                continue
            kind = edge._seq
            target = edge.node if kind == SLOT else edge
            entry = pending.get(target)
            if entry is not None:
                entry[0] += 1
                continue
            pending[target] = [1, None, False]
            if kind != LEAF:
                stack.append(target)
        if not stack:
            return pending
        edges = stack.pop()._next


def _count_towards(roots: Sequence[tuple[Any, Any]], wanted: dict[Any, Any], hooks: bool = False) -> Pending:
    """As :func:`_count`, but only for what leads to ``wanted``; with ``hooks`` also for roots that have some."""
    users: dict[Any, list[Any]] = {}
    seen: set[Any] = set()
    stack = [_key(edge) for edge, _ in roots]
    while stack:
        target = stack.pop()
        if target in seen:
            continue
        seen.add(target)
        if target._seq == LEAF:
            continue
        for edge in target._next:
            if edge is not None:
                users.setdefault(_key(edge), []).append(target)
                stack.append(_key(edge))
    needed: set[Any] = set()
    stack = [target for target in wanted if target in seen]
    while stack:
        target = stack.pop()
        if target not in needed:
            needed.add(target)
            stack += users.get(target, ())
    pending: Pending = {target: [len(users.get(target, ())), None, False] for target in needed}
    for target, entry in pending.items():
        entry[0] = sum(user in needed for user in users.get(target, ()))
    for edge, _ in roots:
        target = _key(edge)
        if hooks and target not in pending and target._seq != LEAF and target._hooks is not None:
            pending[target] = [0, None, False]
        if target in pending:
            pending[target][0] += 1
    return pending


def _before(node: Node, g: Any, captures: dict[Any, list[Capture]] | None, create_graph: bool, last: bool) -> Any:
    """What happens to a complete gradient before its node runs: tensor hooks, retaining, captures, pre-hooks.

    ``last`` says that nothing beyond this node is asked for: it does not run.
    """
    grads = (g or [None] * len(node._shape)) if node.multiple else [g]
    hooks = node._hooks
    if hooks is not None and (hooks.tensor or hooks.retain):
        for nr, value in enumerate(grads):
            grads[nr] = _tensor_hooks(hooks, nr, value, node._xp.device, create_graph)
    for capture in captures.get(node, ()) if captures is not None else ():
        nr = capture.edge.nr if capture.edge._seq == SLOT else 0
        capture.grad = grads[nr]
    if last:
        return None
    if hooks is not None and hooks.pre:
        if node.only is None:
            grads = _pre_hooks(hooks.pre, grads, node, create_graph)
        else:
            grads[node.only : node.only + 1] = _pre_hooks(hooks.pre, [grads[node.only]], node, create_graph)
    if all(value is None for value in grads) and not node._takes_undefined:
        return None
    if not node.multiple:
        return grads[0]
    if node.only is not None:
        return grads[node.only]
    return grads


def _filled(node: Node, grads: list[Any], create_graph: bool) -> list[Any]:
    """A node that was used in part gets zeros for the rest, unless it sees to that itself."""
    if node._takes_undefined:
        return grads
    xp = _tensors(node._xp) if create_graph else node._xp
    return [
        xp.zeros(shape, dtype=node._xp.np_dtype(dtype)) if value is None else value
        for value, shape, dtype in zip(grads, node._shape, node._dtype, strict=True)
    ]


def _reach_leaf(leaf: Tensor, entry: list[Any], captures: dict[Any, list[Capture]] | None, create_graph: bool) -> None:
    """The complete gradient of a leaf has come: run its hooks, accumulate it."""
    hooks = leaf._hooks
    if hooks is None and captures is None:
        g, entry[1] = entry[1], None
        with _accumulating:
            accumulate(leaf, g)
        return
    if hooks is not None:
        if hooks.grad_dtype is not OWN_DTYPE and hooks.grad_dtype is not None and entry[1] is not None:
            xp = leaf._device.xp
            entry[1] = project(entry[1], entry[1].shape, hooks.grad_dtype, _tensors(xp) if create_graph else xp)
        entry[1] = _tensor_hooks(hooks, 0, entry[1], leaf._device, create_graph)
    if captures is not None:
        for capture in captures[leaf]:
            capture.grad = entry[1]
        return
    assert hooks is not None
    g, entry[1] = entry[1], None
    if hooks.pre:
        (g,) = _pre_hooks(hooks.pre, [g], leaf, create_graph)
    with hooks.lock:
        if g is not None:
            with _accumulating:
                accumulate(leaf, g)
        for hook in list(hooks.accumulated.values()):
            if hook(leaf) is not None:
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")
    for hook in list(hooks.post.values()):
        result = hook((), _wrap_all([g], leaf._device, create_graph))
        if result is not None:
            _checked_tuple(result, (), hook)


def call_node(node: Node, grads: Sequence[Any]) -> Any:
    """Run one node by itself on tensors, without its hooks; see :meth:`gradcore.graph.Node.__call__`."""
    expected = node._input_metadata
    if len(grads) != len(expected):
        raise TypeError(
            f"expected {len(expected)} arguments, got {len(grads)} instead: {node.name()} takes one gradient for each of "
            "its outputs"
        )
    for i, (g, output) in enumerate(zip(grads, expected, strict=True)):
        if g is None:
            continue
        if not isinstance(g, RUNTIME["Tensor"]):
            raise TypeError(
                f"argument {i} is not a Variable: {node.name()} takes tensors or None, not {type(g).__name__}"
            )
        if g.shape != output.shape or g.device != output.device:
            raise RuntimeError(
                f"{node.name()} expects a gradient of shape {list(output.shape)} on {output.device} as argument {i}, but "
                f"got {list(g.shape)} on {g.device}"
            )
    if isinstance(node, AccumulateGrad):
        if grads[0] is not None:
            # A name of its own, so that the leaf does not take the tensor's memory for a gradient that nobody else has.
            given: Any = grads[0] if current_mode().grad else grads[0]._data
            with hooks_of(node.variable).lock, _accumulating:
                accumulate(node.variable, given)
        return ()
    given = list(grads) if node.multiple and node.only is None else grads[0]
    if all(g is None for g in grads) and not node._takes_undefined:
        results: list[Any] = [None] * len(node._next)
    else:
        if isinstance(given, list):
            given = _filled(node, given, True)
        results = list(_in_their_spaces(node._plan.graph(node, node._xp, given), node, True))
    shown = shown_inputs(node)
    results = results if shown is None else [results[i] for i in shown]
    return results[0] if len(results) == 1 else tuple(results)


def accumulate(leaf: Tensor, g: Any) -> None:
    """Add a gradient (an array, or a tensor under ``create_graph``) to ``leaf.grad``."""
    if leaf._edge is not None:
        raise RuntimeError(
            "leaf variable has been moved into the graph interior: it was written to in place, with a gradient, after its "
            "use in the graph that runs backward now"
        )
    if not leaf._req:
        return  # requires_grad was switched off after its use
    have = leaf._grad
    where = leaf._device
    if isinstance(g, RUNTIME["Tensor"]):
        leaf._grad = _own_copy(leaf, g) if have is None else have + g
    elif have is None:
        # Four names: the parameter here, the caller's, and what the two calls hold.
        if (
            g.__class__ is where.array_class
            and where.xp.owns(g, 2)
            and where.xp.strides(g) == where.xp.strides(leaf._data)
        ):
            leaf._grad = RUNTIME["wrap"](g, where)
        else:
            leaf._grad = RUNTIME["wrap"](where.xp.copy_like(where.xp.asarray(g), leaf._data), where)
    else:
        if leaf._grad_was_given and where.xp.self_overlaps(have._data):
            raise RuntimeError(
                "unsupported operation: a gradient cannot be accumulated into the .grad that was assigned, since more than "
                "one of its elements refers to a single memory location (an expanded tensor). Please clone() it first"
            )
        try:
            have._data += g
        except ValueError as e:  # .data was given another shape meanwhile
            raise RuntimeError(
                f"output with shape {list(have.shape)} doesn't match the broadcast shape of the gradient {list(g.shape)}: "
                "the .grad to which this is to be added has another shape; set it to None first"
            ) from e
        RUNTIME["bump"](have)


def _own_copy(leaf: Tensor, g: Tensor) -> Tensor:
    """A recorded copy of a gradient tensor, since others may hold the tensor itself."""
    return RUNTIME["recorded_copy"](g)  # type: ignore[no-any-return]


def _tensors(xp: Any) -> Any:
    return RUNTIME["tensor_namespace"](xp)


# Hooks. They see tensors, also in a walk of raw arrays.


def _tensor_hooks(hooks: Hooks, nr: int, g: Any, where: Any, create_graph: bool) -> Any:
    """Run the hooks of one tensor on its gradient, then ``retain_grad``."""
    registered = hooks.tensor.get(nr)
    retained = hooks.retain.get(nr)
    if registered is None and retained is None:
        return g
    value = g if create_graph or g is None else _shown(g, where)
    for hook in list(registered.values()) if registered is not None else ():
        result = hook(value)
        if result is not None:
            _check_replacement(result, value, hook)
            value = result
    if value is None:
        return None
    tensor = retained() if retained is not None else None
    if tensor is not None:
        kept = RUNTIME["clone"](value)
        with _accumulating:
            tensor._grad = kept if tensor._grad is None else tensor._grad + kept
    return value if create_graph else _hidden(value, where)


def _array(g: Any, where: Any) -> Array:
    return g if g.__class__ is where.array_class else where.xp.asarray(g)


def _shown(g: Any, where: Any) -> Tensor:
    """A gradient as hooks see it. That of a function transform's tensor is a tensor already, of the level below."""
    array = _array(g, where)
    return RUNTIME["wrap"](array, where) if where.level is None else array  # type: ignore[no-any-return]


def _hidden(value: Tensor, where: Any) -> Any:
    """A gradient as the walk moves it."""
    return value._data if where.level is None else value


def _check_replacement(result: Any, value: Tensor | None, hook: Any) -> None:
    name = getattr(hook, "__name__", type(hook).__name__)
    if not isinstance(result, RUNTIME["Tensor"]):
        raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}' (hook {name!r})")
    if value is None:
        raise RuntimeError(
            f"can't replace a None gradient with a non-None value (hook {name!r}): no gradient has come here, so there is "
            "nothing to replace; return None"
        )
    if result.dtype != value.dtype:
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {dtypes.dtype_name(value.dtype)}, got "
            f"{dtypes.dtype_name(result.dtype)})"
        )
    if result.device != value.device:
        raise RuntimeError(f"hook '{name}' has changed the device of value (was {value.device}, got {result.device})")
    if result.shape != value.shape:
        raise RuntimeError(
            f"hook '{name}' has changed the size of value (was {list(value.shape)}, got {list(result.shape)})"
        )


def _pre_hooks(hooks: HookDict, grads: list[Any], holder: Any, create_graph: bool) -> list[Any]:
    """Run a node's or a leaf's pre-hooks; each may replace the gradients."""
    where = holder._device if holder._seq == LEAF else holder._xp.device
    values = _wrap_all(grads, where, create_graph)
    for hook in list(hooks.values()):
        result = hook(values)
        if result is not None:
            values = _checked_tuple(result, values, hook)
    return list(values if create_graph else _unwrap_all(values, where))


def _after(node: Node, grads: Any, g: Any, pending: Pending, create_graph: bool) -> Any:
    """Run a node's post-hooks; each may replace the gradients of the inputs."""
    assert node._hooks is not None
    where = node._xp.device
    if getattr(node._plan, "op", None) is not None:
        # Hooks do not see what this walk has no use for; a Function's own backward may have given anything.
        grads = [x if _key(edge) in pending else None for edge, x in zip(node._next, grads, strict=True)]
    found = list(_in_their_spaces(grads, node, create_graph))
    shown = shown_inputs(node)
    inputs = _wrap_all(found if shown is None else [found[i] for i in shown], where, create_graph)
    if g is None and node.multiple and node.only is None:
        g = [None] * len(node._shape)
    outputs = _wrap_all(g if isinstance(g, list) else [g], where, create_graph)
    for hook in list(node._hooks.post.values()):
        result = hook(inputs, outputs)
        if result is not None:
            inputs = _checked_tuple(result, inputs, hook)
    results = inputs if create_graph else _unwrap_all(inputs, where)
    if shown is None:
        return results
    for i, value in zip(shown, results, strict=True):
        found[i] = value
    return found


def _in_their_spaces(grads: Iterable[Any], node: Node, create_graph: bool) -> Iterator[Any]:
    """The gradients that a rule gave, as the inputs of the node get them."""
    for edge, g in zip(node._next, grads, strict=True):
        if edge is None or g is None:
            yield g
        elif create_graph:
            yield _project_tensor(g, edge, node, node._next)
        else:
            shape, dtype = (edge._data.shape, _leaf_dtype(edge, g)) if edge._seq == LEAF else (edge._shape, edge._dtype)
            yield project(g, shape, dtype, edge_namespace(edge), node)


def _wrap_all(grads: Iterable[Any], where: Any, create_graph: bool) -> tuple[Any, ...]:
    if create_graph:
        return tuple(grads)
    return tuple(None if g is None else _shown(g, where) for g in grads)


def _unwrap_all(values: Iterable[Any], where: Any) -> tuple[Any, ...]:
    return tuple(None if v is None else _hidden(v, where) for v in values)


def _checked_tuple(result: Any, values: tuple[Any, ...], hook: Any) -> tuple[Any, ...]:
    name = getattr(hook, "__name__", type(hook).__name__)
    if not isinstance(result, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(result).__name__}' (hook {name!r})")
    if len(result) != len(values):
        raise RuntimeError(
            f"hook '{name}' has returned an incorrect number of values (got {len(result)}, but expected {len(values)})"
        )
    for new, old in zip(result, values, strict=True):
        if new is not None and new is not old:
            _check_replacement(new, old, hook)
    return result


bind(call_node=call_node)
