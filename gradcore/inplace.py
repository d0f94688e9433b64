"""Writing in place: what may be written to, and what becomes of the history.

After a write through a view, the base's history is a ``CopySlices`` node: the old history with the written region cut out,
and the history of what was written there. What cannot be right raises, before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import diagnosis, dtypes
from gradcore.engine import project
from gradcore.grad_mode import Mode, current_mode, enter_grad, leave_mode
from gradcore.graph import (
    NO_VERSIONS,
    Cut,
    Node,
    SavesNothing,
    new_node,
    next_sequence_number,
    node_class,
    raise_freed,
)
from gradcore.op import RUNTIME, Op, bind, is_tensor
from gradcore.saved import announce_write, hooks_for
from gradcore.view import Link, adjoint, alias, refuse_function, replay, replay_tensor, requires_grad, set_history, sync

if TYPE_CHECKING:
    from gradcore.backend import Array
    from gradcore.tensor import Tensor

__all__ = [
    "bump",
    "check_fits",
    "check_graph",
    "check_inplace",
    "cut_off",
    "forget",
    "is_dense",
    "rebase",
    "replace_memory",
    "reshape_in_place",
    "write",
    "write_here",
    "write_result",
]


def write_result(op: Op, out: Tensor, operands: tuple[Any, ...], params: tuple[Any, ...]) -> Tensor:
    """The in-place twin of ``op``: compute from ``operands`` (the first of which is ``out``), write into ``out``.

    Raises:
        RuntimeError: ``out`` may not be written to (a leaf that requires grad, an expanded tensor, a view that forbids
            it), or the result has another shape or a dtype of a higher kind. Nothing is written then.
    """
    mode = current_mode()
    if mode.level is not None:
        return mode.level.write(op, out, operands, params, mode)  # type: ignore[no-any-return]
    if mode.dual is not None:
        return RUNTIME["write_dual"](op, out, operands, params, mode)  # type: ignore[no-any-return]
    return write_here(op, out, operands, params)


def write_here(op: Op, out: Tensor, operands: tuple[Any, ...], params: tuple[Any, ...]) -> Tensor:
    """:func:`write_result` on tensors of the level at which we are."""
    mode = current_mode()
    what = op.public_name + "_"
    _check_memory(out, what, mode)
    recorded = mode.grad and (requires_grad(out) or any(_requires_grad(x) for x in operands[1:]))
    if recorded:
        _check_history(out, what, mode)
        if not op.differentiable:
            for x in operands[1:]:
                if is_tensor(x):
                    sync(x)
    looking = mode.anomaly is not None
    if looking:
        diagnosis.note_operands(operands, out)
    # The operands as they are now: the write gives ``out`` a new history, and saved values keep the old version. Where
    # ``out`` comes again, it is another alias, of what the write changes: if a rule needs it, backward finds that out.
    before = out
    if recorded:
        before = alias(out)
        call = op.prepare((before, *[alias(out) if x is out else x for x in operands[1:]]))
    else:
        call = op.prepare(operands)
    if call.device is not out._device:
        raise RuntimeError(
            f"{op.public_name}_: the result is on {call.device}, but the tensor written to is on {out._device}; move it first"
        )
    if op.shares != "any":
        _check_overlap(op, out, operands)
    raw = None
    call.xp = out._device.xp
    if op.into is None:
        if out._device.level is not None:
            # What is below may save its operands, which the write changes there.
            kept = call.xp.copy_like(out._data, out._data)
            call.raws = tuple([kept if x is out._data else x for x in call.raws])
        raw = op.compute(call, params)
        check_fits(out, raw, what)
    if recorded and op.differentiable:
        # Recorded before the write, so that whatever shares this memory is saved at the version that it had.
        stand_in = out._like(out._data)
        stand_in._cell = before._cell
        hooks = hooks_for(mode, out._device)
        if hooks is not None and op.operands[0] in op.plan_of(call).layout.saved:  # type: ignore[union-attr]  # an operand requires grad
            # Hooks get the copy that is made below otherwise.
            before._data, before._cell = call.xp.copy_like(out._data, out._data), [before._version]
        op.record(call, stand_in, out._data, params)
        node = stand_in._edge
        if hooks is None and op.operands[0] in node._plan.layout.saved:
            # The rule needs what the write destroys.
            before._data, before._cell = call.xp.copy_like(out._data, out._data), [before._version]
        if hooks is not None:
            announce_write(out)  # again, for what was saved since
        _write(op, call, params, out, raw)
        node._plan.result_was_written(node)
        if looking:
            diagnosis.renew_prints(node)
        rebase(out, node)
        if hooks is not None:
            node._plan.pack_results(node, out, hooks)
    else:
        _write(op, call, params, out, raw)
        if recorded:
            of_two = len(operands) > 1 and is_tensor(operands[1])
            forget(out, op.node_class_of_two if of_two else op.node_class, operands)
    if looking:
        diagnosis.note_write(op, out, operands)
    return out


def _write(op: Op, call: Any, params: tuple[Any, ...], out: Tensor, raw: Any) -> None:
    if op.into is None:
        write(out, raw)
    else:
        op.write(call, params)
        bump(out)


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
    elif tensor._cell is not NO_VERSIONS:
        tensor._cell[0] += 1


def forget(out: Tensor, cls: type[Node], operands: Sequence[Any] = ()) -> None:
    """Record that a tensor was overwritten by what has no gradient, computed from ``operands`` (``out`` is the first).

    ``cls`` is the class of the node.
    """
    if not current_mode().grad:
        return
    edges = tuple([(x if x._edge is None else x._edge) if x._req else None for x in operands[1:] if is_tensor(x)])
    if out._req or any(e is not None for e in edges):
        raw = out._data
        rebase(out, new_node(cls, _CONSTANT, out._device.xp, (out._edge, *edges), raw.shape, raw.dtype))


def rebase(out: Tensor, edge: Any) -> None:
    """Give a tensor that was written to the history ``edge``; through a view, the base gets its part of it."""
    view = out._view
    if view is None:
        set_history(out, edge)
        return
    base = view.base
    # The first edge of the write led to the view's old history; the base's old history stands for it.
    edges = (base._edge if base._req else None, *edge._next[1:])
    raw = base._data
    node = new_node(
        _COPY_SLICES, _CopySlicesPlan(view.chain, _order_in_memory(base)), base._device.xp, edges, raw.shape, raw.dtype
    )
    node._plan.op = getattr(edge._plan, "op", None)
    node._saved = (edge,)
    set_history(base, node)
    sync(out)


def reshape_in_place(
    op: Op, tensor: Tensor, params: tuple[Any, ...], undo: Callable[[Any], tuple[Op, tuple[Any, ...]] | None]
) -> Tensor:
    """Turn a tensor into the view of itself that ``op`` makes.

    Args:
        undo: the operation, with its parameters, that leads back to a given shape, that of the tensor before; ``None`` if
            there is none.

    Raises:
        RuntimeError: the tensor may not be written to (a leaf that requires grad).
    """
    check_inplace(tensor, f"{op.public_name}_")
    before = alias(tensor)
    before._view, before._tangent = tensor._view, tensor._tangent
    # Recorded in any mode, since the old history leads to a tensor of another shape.
    token = enter_grad(True)
    try:
        out = op.apply((before,), params)
    finally:
        leave_mode(token)
    shape = tensor._data.shape
    tensor._data, tensor._tangent = out._data, out._tangent
    if out._edge is not None and tensor._edge is not None:
        set_history(tensor, out._edge)
    bump(tensor)
    if tensor._view is None:
        back = undo(shape)
        step = None if back is None else (*back, out._data.shape, None)
        tensor._reshaped = (*tensor._reshaped, step)
    else:
        tensor._view = out._view
        tensor._view.version = tensor._version
    return tensor


def cut_off(tensor: Tensor, what: str, edges: Sequence[Any]) -> None:
    """Record that a tensor was changed in a way through which no gradient can be computed: backward raises."""
    if current_mode().grad and any(e is not None for e in edges):
        raw = tensor._data
        node = new_node(
            _NOT_IMPLEMENTED, _NotImplementedPlan(what), tensor._device.xp, tuple(edges), raw.shape, raw.dtype
        )
        set_history(tensor, node)
        if tensor._view is not None:
            tensor._view.version = tensor._version


def replace_memory(tensor: Tensor, raw: Array) -> None:
    """Let a tensor have other memory; views of it keep the memory that they have, and cannot follow it any more."""
    if raw.shape != tensor._data.shape:
        tensor._replaced_at = next_sequence_number()
    tensor._data = raw
    if tensor._view is None:
        tensor._reshaped = (*tensor._reshaped, None)
    else:
        tensor._view.lost = True


def check_inplace(tensor: Tensor, what: str, operands: Sequence[Any] = ()) -> None:
    """Raise if ``tensor`` must not be written to, by an operation on ``operands``."""
    mode = current_mode()
    _check_memory(tensor, what, mode)
    if mode.grad and (requires_grad(tensor) or any(_requires_grad(x) for x in operands)):
        _check_history(tensor, what, mode)


def _check_memory(tensor: Tensor, what: str, mode: Mode) -> None:
    if tensor._device.xp.self_overlaps(tensor._data):
        raise RuntimeError(
            f"unsupported operation: {what} writes to a tensor in which more than one element refers to a single memory "
            "location (an expanded tensor). Please clone() the tensor before the operation"
        )
    if tensor._cell is NO_VERSIONS and not mode.inference:
        raise RuntimeError(
            f"Inplace update to inference tensor outside InferenceMode is not allowed ({what}). You can make a clone to get "
            "a normal tensor before doing inplace update."
        )
    if mode.saved_hooks:
        announce_write(tensor)


def check_graph(tensor: Tensor, what: str, operands: Sequence[Any] = ()) -> None:
    """Raise if the graph cannot follow a write to ``tensor`` by an operation on ``operands``.

    A part of :func:`check_inplace`, for functions that look at their other arguments first.
    """
    mode = current_mode()
    if mode.grad and (requires_grad(tensor) or any(_requires_grad(x) for x in operands)):
        _check_history(tensor, what, mode)


def _check_history(tensor: Tensor, what: str, mode: Mode) -> None:
    """Raise if a write to ``tensor`` that is to be recorded cannot be."""
    if mode.level is not tensor._device.level:
        return  # the level of the tensor looks at it, when the write gets there
    view = tensor._view
    if view is not None:
        if view.made_in_no_grad:
            raise RuntimeError(
                f"A view was created in {view.made_in_no_grad} mode, or is a view of a view that was, and is being modified "
                f"inplace with grad mode enabled ({what}). Since this is ambiguous and error-prone, it is forbidden: make the "
                "view and the write in one mode, or detach() the view"
            )
        if view.function is not None and view.multiple is None:
            refuse_function(view.function, f"is being modified inplace ({what})")
        if view.multiple is not None:
            raise RuntimeError(
                f"a view that {view.multiple} made is being modified inplace ({what}). {view.multiple} returns multiple "
                "views, and the graph cannot follow a write through one of several; clone() it first"
            )
        view.check_memory()
        if view.base._edge is None and requires_grad(tensor):
            raise RuntimeError(
                f"a view of a leaf Variable that requires grad is being used in an in-place operation ({what}). Use it "
                "inside 'with gradcore.no_grad():' to change the leaf itself, or clone() the leaf first"
            )
        sync(tensor)
    if tensor._req and (tensor._edge is None or tensor._edge.__class__ is Cut):
        raise RuntimeError(
            f"a leaf Variable that requires grad is being used in an in-place operation ({what}). Use it inside "
            "'with gradcore.no_grad():' to change the leaf itself, or the out-of-place form of the operation"
        )


def _requires_grad(operand: Any) -> bool:
    return is_tensor(operand) and requires_grad(operand)


def _check_overlap(op: Op, out: Tensor, operands: Sequence[Any]) -> None:
    """Raise if what is written to shares memory with an operand such that the result is not defined.

    An operand may be ``out`` itself, element by element, unless elements are written out of turn (at indices). Of two that
    overlap in part, only those that lie in memory without gaps are found, as in PyTorch.
    """
    xp = out._device.xp
    for x in operands[1:]:
        if (x is out and op.shares == "whole") or not is_tensor(x) or x._device is not out._device:
            continue
        if not xp.may_overlap(out._data, x._data):
            continue
        if not (is_dense(xp, out._data) and is_dense(xp, x._data)):
            continue
        if op.shares == "none" or not _is_same_memory(xp, out._data, x._data):
            raise RuntimeError(
                f"unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
                f"memory location ({op.public_name}_). Please clone() the tensor before performing the operation"
            )


def is_dense(xp: Any, raw: Array) -> bool:
    """Whether an array covers a range of memory, each element once."""
    expected = 1
    for step, n in sorted(zip(xp.strides(raw), raw.shape, strict=True)):
        if n != 1:
            if step != expected:
                return False
            expected *= n
    return expected > 0


def _is_same_memory(xp: Any, x: Array, y: Array) -> bool:
    """Whether two arrays are the same elements in the same order."""
    if x is y:
        return True
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if any(n > 1 and a != b for n, a, b in zip(x.shape, xp.strides(x), xp.strides(y), strict=True)):
        return False
    first = (*[0] * len(x.shape), ...)
    return bool(xp.may_overlap(xp.getitem(x, first), xp.getitem(y, first)))


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


class _CopySlicesPlan:
    """Runs a ``CopySlices`` node: the base's gradient without the written region, and the write's own gradients.

    The node saves the node that the write would have had, had it been to a tensor of its own.
    """

    saves_tensors = True
    op: Op | None = None
    """The operation that wrote, whose operands follow the base among the inputs."""

    def __init__(self, chain: tuple[Link, ...], order: tuple[int, ...]) -> None:
        self.chain = chain
        # How the base lies in memory.
        self.order = order

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        written = self._written(node)
        rest = _copy_laid_out(xp, g, self.order)
        region = replay(xp, rest, self.chain)
        first, *others = written._plan.raw(written, xp, xp.copy(region))
        if xp.device.level is not None and first is not None:
            # Of a batch the rest may be the same for all elements, and what was written not.
            rest = _copy_laid_out(xp, xp.widened(rest, first), self.order)
            region = replay(xp, rest, self.chain)
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


def _order_in_memory(x: Tensor) -> tuple[int, ...]:
    """The dimensions of a tensor from the largest step in memory to the smallest."""
    strides = x._device.xp.strides(x._data)
    return tuple(sorted(range(len(strides)), key=lambda d: -abs(strides[d])))


def _copy_laid_out(xp: Any, x: Any, order: tuple[int, ...]) -> Any:
    """A copy that lies in memory as the base of a chain does: views of that must be possible here, too."""
    there = tuple(sorted(range(len(order)), key=order.__getitem__))
    return xp.permute_dims(xp.copy(xp.permute_dims(xp.asarray(x), order)), there)


class _ConstantPlan(SavesNothing):
    """Runs the node of a tensor that was overwritten by what has no gradient, such as a comparison."""

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        return (xp.zeros_like(g),) * len(node._next)

    def graph(self, node: Node, xp: Any, g: Tensor) -> tuple[Any, ...]:
        return (g._zeros(g.shape),) * len(node._next)


class _NotImplementedPlan(SavesNothing):
    """Runs the node of what has no derivative: it raises."""

    def __init__(self, what: str) -> None:
        self.what = what

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        raise RuntimeError(f"derivative for {self.what} is not implemented")

    graph = raw


_CONSTANT = _ConstantPlan()
_NOT_IMPLEMENTED = node_class("NotImplemented")
_COPY_SLICES = node_class("CopySlices")
_COPY_SLICES.name = lambda self: "torch::autograd::CopySlices"  # type: ignore[method-assign]

bind(write_result=write_result)
