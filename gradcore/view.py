"""Views: tensors that share the memory of another.

A view shares memory with its base, and one version counter (a list of one number, the *cell*). It remembers the steps
that lead to it from the base (its *chain*), so that either can be rebuilt when the other is written to
(:mod:`gradcore.inplace`): a view of what was written to since gets its history anew, by following its chain from the base
(``AsStridedBackward0``). That happens in :func:`sync`, at the next use of the view.

A view says that it requires grad as soon as its base does, also where it has no history to show for it: one made under
``no_grad``, or before the base was made to require grad. No gradient passes there (:class:`gradcore.graph.Cut`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from gradcore.engine import project
from gradcore.grad_mode import current_mode
from gradcore.graph import (
    NO_VERSIONS,
    Cut,
    Node,
    SavesNothing,
    hooks_of,
    new_node,
    node_class,
    node_of,
    output_nr,
)
from gradcore.op import RUNTIME, Op, bind

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "View",
    "adjoint",
    "alias",
    "attach_view",
    "edge_of",
    "refuse_function",
    "replay",
    "replay_tensor",
    "requires_grad",
    "set_history",
    "sync",
]

Link = tuple[Op, tuple[Any, ...], Any, "int | None"]
"""One step from a tensor to its view: operation, parameters, shape before the step, number of the output."""


class View:
    """How a tensor is a view of its base."""

    __slots__ = ("base", "function", "link", "lost", "made_in_no_grad", "multiple", "parent", "reshaped", "version")

    def __init__(self, source: Tensor, link: Link, made_in_no_grad: str | None, version: int) -> None:
        parent: View | None = source._view
        # The view that this is a view of, and the step from there; a view of the base itself has no parent.
        self.parent = parent
        self.link = link
        self.base: Tensor = source if parent is None else parent.base
        # The count of writes at which the view's own history was recorded.
        self.version = version
        # Whether it was given other memory than that of its base.
        self.lost: bool = parent is not None and parent.lost
        # How often the base had been given another shape in place: the steps start from the shape that it had then.
        self.reshaped: int = len(self.base._reshaped) if parent is None else parent.reshaped
        # The operation that made the view, where it made several at once.
        self.multiple: str | None = link[0].public_name if link[3] is not None else None
        # "no_grad" or "inference", if it was made in such a mode.
        self.made_in_no_grad: str | None = made_in_no_grad
        # The custom Function that returned the view.
        self.function: str | None = None
        if parent is not None:
            self.multiple = self.multiple or parent.multiple
            self.function = parent.function
            self.made_in_no_grad = made_in_no_grad or parent.made_in_no_grad

    def check_memory(self) -> None:
        """Raise if the base and the view do not share memory any more."""
        if self.lost or (self.base._reshaped and None in self.base._reshaped[self.reshaped :]):
            raise RuntimeError(
                "a view or its base was given other memory (by set_(), resize_() or .data) after the view was made, so the "
                "graph cannot follow writes to either. Make the view anew"
            )

    @property
    def chain(self) -> tuple[Link, ...]:
        """The steps that lead from the base, as it is now, to the view.

        Raises:
            RuntimeError: the base has other memory than when the view was made.
        """
        self.check_memory()
        links: list[Link] = []
        view: View | None = self
        while view is not None:
            links.append(view.link)
            view = view.parent
        # Back to the shape that the base had when the view was made.
        links += self.base._reshaped[self.reshaped :]
        return tuple(reversed(links))


def attach_view(out: Tensor, source: Tensor, op: Op, params: tuple[Any, ...], nr: int | None, grad: bool) -> None:
    """Make ``out``, whose data is a view of that of ``source``, known as such."""
    cell = source._cell
    if cell is None:
        cell = source._cell = [0]
    out._cell = cell
    if cell is NO_VERSIONS:
        return  # nothing that is done to either is recorded
    without = None if grad else "inference" if current_mode().inference else "no_grad"
    out._view = View(source, (op, params, source._data.shape, nr), without, cell[0])


def requires_grad(tensor: Tensor) -> bool:
    """Whether operations on a tensor are recorded; a view requires grad as soon as its base does."""
    view = tensor._view
    if view is None:
        return tensor._req
    return view.base._req or (tensor._req and tensor._edge.__class__ is not Cut)


def edge_of(tensor: Tensor) -> Any:
    """Where the gradient of a tensor goes, which is the tensor itself for a leaf.

    Raises:
        RuntimeError: as :func:`sync`.
    """
    if tensor._view is not None:
        sync(tensor, shown=True)
    edge = tensor._edge
    if edge is None:
        return tensor
    # No gradient can be asked for where the graph was cut: give an edge that nothing leads to.
    return new_node(Cut, _CUT, edge._xp, (), edge._shape, edge._dtype) if edge.__class__ is Cut else edge


def sync(view: Tensor, *, shown: bool = False) -> None:
    """Give a view the history of its base, if what they share was written to since its own was recorded.

    Args:
        shown: somebody looks at the history, so it must be told that there is none.

    Raises:
        RuntimeError: the view cannot be renewed: it is one of several, or was made under ``no_grad``.
    """
    state = view._view
    if state is None:
        return
    edge = view._edge
    base = state.base
    if edge is None or edge.__class__ is Cut:
        if not base._req:
            if edge is not None:
                view._edge, view._req = None, False
            return
        if state.version == view._cell[0]:  # type: ignore[index]  # a view has one
            if not view._req:
                raw = view._data
                view._edge, view._req = new_node(Cut, _CUT, base._device.xp, (), raw.shape, raw.dtype), True
            return
    elif state.version == view._cell[0]:  # type: ignore[index]
        return
    if not (shown or current_mode().grad):
        return
    if state.made_in_no_grad:
        raise RuntimeError(
            f"A view was created in {state.made_in_no_grad} mode and its base or another view of its base has been modified "
            "inplace with grad mode enabled. Since this is ambiguous and error-prone, it is forbidden: make the view and the "
            "write in one mode, or detach() the view"
        )
    if state.function is not None and state.multiple is None:
        refuse_function(state.function, "its base or another view of its base has been modified inplace")
    if state.multiple is not None:
        raise RuntimeError(
            f"a view that {state.multiple} made was used after its base or another view of its base has been modified "
            f"inplace. {state.multiple} returns multiple views, and the graph cannot follow a write past one of several; "
            "make the view anew, or clone() it before the write"
        )
    state.version = view._cell[0]  # type: ignore[index]
    plan = _ChainPlan(state.chain)
    raw = view._data
    edges = ((base if base._edge is None else base._edge) if base._req else None,)
    last = state.link[0]
    # PyTorch repeats the step where memory alone does not say what is to be done.
    cls = last.node_class if last.node in ("ViewAsRealBackward0", "ViewAsComplexBackward0") else _AS_STRIDED
    set_history(view, new_node(cls, plan, base._device.xp, edges, raw.shape, raw.dtype))


def alias(tensor: Tensor) -> Tensor:
    """Another tensor of the same data, version and history."""
    other = tensor._like(tensor._data)
    if tensor._cell is None:
        tensor._cell = [0]
    other._cell = tensor._cell
    other._edge = tensor._edge
    other._req = tensor._req
    return other


def set_history(tensor: Tensor, edge: Any) -> None:
    """Give a tensor a new history; ``retain_grad`` moves with it, hooks stay at the old one, as in PyTorch."""
    if tensor._retains:
        hooks_of(node_of(tensor._edge)).retain.pop(output_nr(tensor._edge), None)
    tensor._edge = edge
    tensor._req = True
    if tensor._retains:
        tensor._retain_on_edge()


def replay(xp: Any, x: Any, chain: Sequence[Link]) -> Any:
    """The view of ``x`` at the end of a chain, on arrays."""
    if xp.device.level is not None:
        return replay_tensor(x, chain)
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
            real = raw_xp.device.place.xp
            parts = op.forward(real, real.zeros(shape), **dict(zip(op.params, params, strict=True)))
            g = [g if i == nr else xp.zeros(part.shape, dtype=g.dtype) for i, part in enumerate(parts)]
        (operand,) = op.operands
        rule = op.rules[operand]
        values = {"xp": xp, "g": g, f"{operand}_shape": shape, **dict(zip(op.params, params, strict=True))}
        g = rule.function(*[values[name] for name in rule.names])
        g = project(g, shape, g.dtype, xp)
    return g


def refuse_function(name: str, what: str) -> NoReturn:
    """Raise for a write near a view that a custom Function returned."""
    raise RuntimeError(
        f"Output of {name} is a view and {what}. This view was created inside a custom Function (or because an input was "
        "returned as-is) and the autograd logic to handle view+inplace would override the custom backward associated with "
        "the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the "
        "output of the custom Function."
    )


class _ChainPlan(SavesNothing):
    """Runs the node of a regenerated view: the adjoint of its chain."""

    def __init__(self, chain: tuple[Link, ...]) -> None:
        self.chain = chain

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        return (adjoint(xp, g, self.chain, xp),)

    def graph(self, node: Node, xp: Any, g: Tensor) -> tuple[Any, ...]:
        return (adjoint(RUNTIME["tensor_namespace"](xp), g, self.chain, xp),)


class _CutPlan(SavesNothing):
    """Runs the end of the graph at a view that has no history: nothing lies behind it."""

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        return ()

    graph = raw


_CUT = _CutPlan()
_AS_STRIDED = node_class("AsStridedBackward0")

bind(attach_view=attach_view, sync=sync)
