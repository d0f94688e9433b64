"""Views, and writing in place.

A view shares memory with its base, and one version counter (a list of one number, the *cell*). It remembers the steps
that lead to it from the base (its *chain*), so that either can be rebuilt when the other is written to:

* After a write through a view, the base's history is a ``CopySlices`` node: the old history with the written region cut
  out, and the history of what was written there.
* A view whose base has a new history gets its own anew, by following its chain from the base (``AsStridedBackward0``).
  That happens in :func:`sync`, at the next use of the view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.engine import project
from gradcore.grad_mode import current_mode, enter_grad, leave_mode
from gradcore.graph import Node, hooks_of, new_node, node_class, node_of, output_nr, raise_freed
from gradcore.op import RUNTIME, Op, bind

if TYPE_CHECKING:
    from gradcore.backend import Array
    from gradcore.tensor import Tensor

__all__ = ["View", "attach_view", "check_inplace", "forget", "reshape_in_place", "sync", "write_result"]

Link = tuple[Op, tuple[Any, ...], Any, "int | None"]
"""One step from a tensor to its view: operation, parameters, shape before the step, number of the output."""


class View:
    """How a tensor is a view of its base."""

    __slots__ = ("base", "base_edge", "link", "made_in_no_grad", "multiple", "parent", "reshaped")

    def __init__(self, source: Tensor, link: Link, made_in_no_grad: bool) -> None:
        parent: View | None = source._view
        # The view that this is a view of, and the step from there; a view of the base itself has no parent.
        self.parent = parent
        self.link = link
        self.base: Tensor = source if parent is None else parent.base
        # The base's history that the view's own history was built on.
        self.base_edge = self.base._edge
        # How often the base had been given another shape in place: the steps start from the shape that it had then.
        self.reshaped = len(self.base._reshaped)
        # The operation that made the view, where it made several at once.
        self.multiple: str | None = link[0].public_name if link[3] is not None else None
        self.made_in_no_grad: bool = made_in_no_grad
        if parent is not None:
            self.multiple = self.multiple or parent.multiple
            self.made_in_no_grad = made_in_no_grad or parent.made_in_no_grad

    @property
    def chain(self) -> tuple[Link, ...]:
        """The steps that lead from the base to the view."""
        links: list[Link] = []
        view: View | None = self
        while view is not None:
            links.append(view.link)
            view = view.parent
        return tuple(reversed(links))


def attach_view(out: Tensor, source: Tensor, op: Op, params: tuple[Any, ...], nr: int | None, grad: bool) -> None:
    """Make ``out``, whose data is a view of that of ``source``, known as such."""
    cell = source._cell
    if cell is None:
        cell = source._cell = [0]
    out._cell = cell
    out._view = View(source, (op, params, source._data.shape, nr), not grad)


def sync(view: Tensor) -> None:
    """Give a view the history of its base, if the base was written to since the view's own was recorded."""
    state = view._view
    if state is None or state.base_edge is state.base._edge:
        return
    base = state.base
    if base._edge is None and base._detached_at == base._version:
        return  # detach_ on the base leaves its views as they were, until the next write
    if not _steps_are_valid(state):
        return  # its own history is as good as before
    if state.made_in_no_grad:
        if not current_mode().grad:
            return
        raise RuntimeError(
            "A view was created in no_grad mode and its base or another view of its base has been modified inplace with "
            "grad mode enabled. Since this is ambiguous and error-prone, it is forbidden: make the view and the write in "
            "one mode, or detach() the view"
        )
    state.base_edge = base._edge
    plan = _ChainPlan(state.chain)
    raw = view._data
    _set_history(view, new_node(_AS_STRIDED, plan, base._device.xp, (base._edge,), raw.shape, raw.dtype))


def _steps_are_valid(state: View) -> bool:
    """Whether the steps of a view start from the shape that its base has now.

    Raises:
        RuntimeError: they do not, and the base was written to, so that the history of the view is out of date.
    """
    base = state.base
    if state.reshaped == len(base._reshaped):
        return True
    known = _number(state.base_edge)
    for before, after in base._reshaped[state.reshaped :]:
        known = after if known == before else -2
    if known != _number(base._edge):
        _refuse_steps()
    return False


def _refuse_steps() -> None:
    raise RuntimeError(
        "the base of a view was given another shape in place (by t_(), unsqueeze_() or the like) after the view was made, "
        "so the graph cannot follow writes to either. Make the view anew, or use the out-of-place form"
    )


def _number(edge: Any) -> int:
    return -1 if edge is None else node_of(edge)._seq


def reshape_in_place(op: Op, tensor: Tensor, params: tuple[Any, ...]) -> Tensor:
    """Turn a tensor into the view of itself that ``op`` makes.

    Raises:
        RuntimeError: the tensor may not be written to (a leaf that requires grad).
    """
    check_inplace(tensor, f"{op.public_name}_")
    before = alias(tensor)
    before._view = tensor._view
    # Recorded in any mode, since the old history leads to a tensor of another shape.
    token = enter_grad(True)
    try:
        out = op.apply((before,), params)
    finally:
        leave_mode(token)
    number = _number(tensor._edge)
    tensor._data = out._data
    if out._edge is not None and tensor._edge is not None:
        _set_history(tensor, out._edge)
    if tensor._view is None:
        tensor._reshaped = (*tensor._reshaped, (number, _number(tensor._edge)))
    else:
        tensor._view = out._view
    bump(tensor)
    return tensor


def write_result(op: Op, out: Tensor, operands: tuple[Any, ...], params: tuple[Any, ...]) -> Tensor:
    """The in-place twin of ``op``: compute from ``operands`` (the first of which is ``out``), write into ``out``.

    Raises:
        RuntimeError: ``out`` may not be written to (a leaf that requires grad, an expanded tensor, a view that forbids
            it), or the result has another shape or a dtype of a higher kind. Nothing is written then.
    """
    check_inplace(out, op.public_name + "_", operands)
    recorded = current_mode().grad and any(getattr(x, "_req", False) for x in operands)
    # The operands as they are now: the write gives ``out`` a new history, and saved values keep the old version.
    before = alias(out) if recorded else out
    call = op.prepare(tuple(before if x is out else x for x in operands) if recorded else operands)
    if call.device is not out._device:
        raise RuntimeError(
            f"{op.public_name}_: the result is on {call.device}, but the tensor written to is on {out._device}; move it first"
        )
    raw = None
    call.xp = out._device.xp
    if op.into is None:
        raw = op.compute(call, params)
        check_fits(out, raw, op.public_name + "_")
    if recorded and op.differentiable:
        # Recorded before the write, so that whatever shares this memory is saved at the version that it had.
        stand_in = out._like(out._data)
        stand_in._cell = before._cell
        op.record(call, stand_in, out._data, params)
        node = stand_in._edge
        if op.operands[0] in node._plan.layout.saved:
            # The rule needs what the write destroys.
            before._data, before._cell = call.xp.copy_like(out._data, out._data), None
        _write(op, call, params, out, raw)
        node._plan.result_was_written(node)
        rebase(out, node)
    else:
        _write(op, call, params, out, raw)
        forget(out, op.node_class)
    return out


def forget(out: Tensor, cls: type[Node]) -> None:
    """Record that a tensor was overwritten by what has no gradient; ``cls`` is the class of the node."""
    if out._req and current_mode().grad:
        raw = out._data
        rebase(out, new_node(cls, _CONSTANT, out._device.xp, (out._edge,), raw.shape, raw.dtype))


def _write(op: Op, call: Any, params: tuple[Any, ...], out: Tensor, raw: Any) -> None:
    if op.into is None:
        write(out, raw)
    else:
        op.write(call, params)
        bump(out)


def alias(tensor: Tensor) -> Tensor:
    """Another tensor of the same data, version and history."""
    other = tensor._like(tensor._data)
    if tensor._cell is None:
        tensor._cell = [0]
    other._cell = tensor._cell
    other._edge = tensor._edge
    other._req = tensor._req
    return other


def check_inplace(tensor: Tensor, what: str, operands: Sequence[Any] = ()) -> None:
    """Raise if ``tensor`` must not be written to, by an operation on ``operands``."""
    if tensor._view is not None:
        sync(tensor)
    if tensor._device.xp.self_overlaps(tensor._data):
        raise RuntimeError(
            f"unsupported operation: {what} writes to a tensor in which more than one element refers to a single memory "
            "location (an expanded tensor). Please clone() the tensor before the operation"
        )
    if not current_mode().grad:
        return
    view = tensor._view
    if view is None:
        if tensor._req and tensor._edge is None:
            raise RuntimeError(
                f"a leaf Variable that requires grad is being used in an in-place operation ({what}). Use it inside "
                "'with gradcore.no_grad():' to change the leaf itself, or the out-of-place form of the operation"
            )
        return
    if not (view.base._req or tensor._req or any(getattr(x, "_req", False) for x in operands)):
        return
    if view.reshaped != len(view.base._reshaped):
        _refuse_steps()
    if view.made_in_no_grad:
        raise RuntimeError(
            "A view was created in no_grad mode, or is a view of a view that was, and is being modified inplace with "
            f"grad mode enabled ({what}). Since this is ambiguous and error-prone, it is forbidden: make the view and "
            "the write in one mode, or detach() the view"
        )
    if (view.base._req and view.base._edge is None) or (tensor._req and tensor._edge is None):
        raise RuntimeError(
            f"a view of a leaf Variable that requires grad is being used in an in-place operation ({what}). Use it "
            "inside 'with gradcore.no_grad():' to change the leaf itself, or clone() the leaf first"
        )
    if view.multiple is not None:
        raise RuntimeError(
            f"a view that {view.multiple} made is being modified inplace ({what}). {view.multiple} returns multiple "
            "views, and the graph cannot follow a write through one of several; clone() it first"
        )


def check_fits(out: Tensor, raw: Array, what: str) -> None:
    """Raise if ``raw`` cannot be written into ``out``: another shape, or a dtype of a higher kind."""
    source = out._device.xp.np_dtype(raw.dtype)
    if raw.shape != out._data.shape:
        raise RuntimeError(
            f"output with shape {list(out._data.shape)} doesn't match the broadcast shape {list(raw.shape)} ({what})"
        )
    if not dtypes.can_cast(source, out.dtype):
        raise RuntimeError(
            f"result type {dtypes.scalar_type_name(source)} can't be cast to the desired output type "
            f"{dtypes.scalar_type_name(out.dtype)} ({what}): an in-place operation keeps its tensor's dtype. Use the "
            "out-of-place form, or cast the operand first"
        )


def write(out: Tensor, raw: Array) -> None:
    """Write an array into a tensor's memory and count the write."""
    where = out._device
    token = where.enter()
    try:
        where.xp.setitem(out._data, ..., raw)
    finally:
        where.leave(token)
    bump(out)


def bump(tensor: Tensor) -> None:
    """Count a write to a tensor."""
    if tensor._cell is None:
        tensor._cell = [1]
    else:
        tensor._cell[0] += 1


def rebase(out: Tensor, edge: Any) -> None:
    """Give a tensor that was written to the history ``edge``; through a view, the base gets its part of it."""
    view = out._view
    if view is None:
        _set_history(out, edge)
        return
    base = view.base
    # The first edge of the write led to the view's old history; the base's old history stands for it.
    edges = (base._edge, *edge._next[1:])
    raw = base._data
    node = new_node(
        _COPY_SLICES, _CopySlicesPlan(view.chain, _order_in_memory(base)), base._device.xp, edges, raw.shape, raw.dtype
    )
    node._saved = (edge,)
    _set_history(base, node)
    sync(out)


def replay(xp: Any, x: Any, chain: Sequence[Link]) -> Any:
    """The view of ``x`` at the end of a chain, on arrays."""
    for op, params, _, nr in chain:
        x = op.forward(xp, x, **dict(zip(op.params, params, strict=True)))
        if nr is not None:
            x = x[nr]
    return x


def replay_tensor(x: Tensor, chain: Sequence[Link]) -> Tensor:
    """The view of ``x`` at the end of a chain, on tensors: recorded, and a view of ``x``."""
    for op, params, _, nr in chain:
        out = op.apply((x,), params)
        x = out if nr is None else out[nr]
    return x


def adjoint(xp: Any, g: Any, chain: Sequence[Link], raw_xp: Any) -> Any:
    """The gradient of what a chain starts from, for that of what it leads to; on arrays and on tensors, by the rules."""
    for op, params, shape, nr in reversed(chain):
        if nr is not None:
            parts = op.forward(raw_xp, raw_xp.zeros(shape), **dict(zip(op.params, params, strict=True)))
            g = [g if i == nr else xp.zeros(part.shape, dtype=g.dtype) for i, part in enumerate(parts)]
        (operand,) = op.operands
        rule = op.rules[operand]
        values = {"xp": xp, "g": g, f"{operand}_shape": shape, **dict(zip(op.params, params, strict=True))}
        g = rule.function(*[values[name] for name in rule.names])
        g = project(g, shape, g.dtype, xp)
    return g


def _order_in_memory(x: Tensor) -> tuple[int, ...]:
    """The dimensions of a tensor from the largest step in memory to the smallest."""
    strides = x._device.xp.strides(x._data)
    return tuple(sorted(range(len(strides)), key=lambda d: -abs(strides[d])))


def _copy_laid_out(xp: Any, x: Any, order: tuple[int, ...]) -> Any:
    """A copy that lies in memory as the base of a chain does: views of that must be possible here, too."""
    there = tuple(sorted(range(len(order)), key=order.__getitem__))
    return xp.permute_dims(xp.copy(xp.permute_dims(xp.asarray(x), order)), there)


class _ChainPlan:
    """Runs the node of a regenerated view: the adjoint of its chain."""

    saves_tensors = False

    def __init__(self, chain: tuple[Link, ...]) -> None:
        self.chain = chain

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        return (adjoint(xp, g, self.chain, xp),)

    def graph(self, node: Node, xp: Any, g: Tensor) -> tuple[Any, ...]:
        return (adjoint(RUNTIME["tensor_namespace"](xp), g, self.chain, xp),)

    def read_saved(self, node: Node, name: str) -> Any:
        raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{name}'")


class _ConstantPlan:
    """Runs the node of a tensor that was overwritten by what has no gradient, such as a comparison."""

    saves_tensors = False

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        return (xp.zeros_like(g),)

    def graph(self, node: Node, xp: Any, g: Tensor) -> tuple[Any, ...]:
        return (g._zeros(g.shape),)

    def read_saved(self, node: Node, name: str) -> Any:
        raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{name}'")


class _CopySlicesPlan:
    """Runs a ``CopySlices`` node: the base's gradient without the written region, and the write's own gradients.

    The node saves the node that the write would have had, had it been to a tensor of its own.
    """

    saves_tensors = True

    def __init__(self, chain: tuple[Link, ...], order: tuple[int, ...]) -> None:
        self.chain = chain
        # How the base lies in memory.
        self.order = order

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        written = self._written(node)
        rest = _copy_laid_out(xp, g, self.order)
        region = replay(xp, rest, self.chain)
        first, *others = written._plan.raw(written, xp, xp.copy(region))
        xp.setitem(region, ..., 0 if first is None else project(first, region.shape, region.dtype, xp))
        return (rest, *others)

    def graph(self, node: Node, xp: Any, g: Tensor) -> tuple[Any, ...]:
        written = self._written(node)
        tensors = RUNTIME["tensor_namespace"](xp)
        region = replay_tensor(_copy_laid_out(tensors, g, self.order), self.chain)
        first, *others = written._plan.graph(written, xp, region)
        if region.dtype == g.dtype:
            is_written = _copy_laid_out(xp, xp.zeros(tuple(g.shape), dtype=xp.bool), self.order)
            xp.setitem(replay(xp, is_written, self.chain), ..., True)
            rest = tensors.where(RUNTIME["wrap"](is_written, xp.device), 0.0, g)
        else:
            # Of complex numbers one part was written, and the other is left.
            rest = tensors.subtract(g, adjoint(tensors, region, self.chain, xp))
        if first is not None:
            first = project(first, region.shape, region.dtype, tensors)
            rest = tensors.add(rest, adjoint(tensors, first, self.chain, xp))
        return (rest, *others)

    def read_saved(self, node: Node, name: str) -> Any:
        written = self._written(node)
        return written._plan.read_saved(written, name)

    def _written(self, node: Node) -> Node:
        saved = node._saved
        if saved is None:
            raise_freed(node)
        written: Node = saved[0]
        return written


def _set_history(tensor: Tensor, edge: Any) -> None:
    """Give a tensor a new history; ``retain_grad`` moves with it, hooks stay at the old one, as in PyTorch."""
    if tensor._retains:
        hooks_of(node_of(tensor._edge)).retain.pop(output_nr(tensor._edge), None)
    tensor._edge = edge
    tensor._req = True
    if tensor._retains:
        tensor._retain_on_edge()


_CONSTANT = _ConstantPlan()
_AS_STRIDED = node_class("AsStridedBackward0")
_COPY_SLICES = node_class("CopySlices")
_COPY_SLICES.name = lambda self: "torch::autograd::CopySlices"  # type: ignore[method-assign]

bind(attach_view=attach_view, sync=sync, write_result=write_result)
