"""The recorded graph as its users see it: nodes, edges, hooks on several gradients at once. As ``torch.autograd.graph``."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from weakref import WeakKeyDictionary, ref

from gradcore.autograd.saved_tensors import (
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    save_on_cpu,
    saved_tensors_hooks,
)
from gradcore.engine import Walk, current_walk, edge_namespace
from gradcore.graph import AccumulateGrad, Node, RemovableHandle, Slot
from gradcore.inplace import bump
from gradcore.op import is_tensor, wrap

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class GradientEdge(NamedTuple):
    """A place in the graph at which a gradient is computed: a node, and the number of one of its outputs.

    Wherever :func:`gradcore.autograd.grad` and :func:`gradcore.autograd.backward` take a tensor of the graph, they take
    its edge, too; the tensor itself need not exist any more.
    """

    node: Node
    output_nr: int
    ownership_token: Node | None = None
    """Accepted as PyTorch's; the node alone keeps its part of the graph alive."""


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The place in the graph at which the gradient of ``tensor`` is computed; for a leaf its ``AccumulateGrad``.

    Raises:
        RuntimeError: the tensor does not require grad.
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients; call "
            "requires_grad_() on it first, or compute it from one that does"
        )
    return GradientEdge(_get_grad_fn_or_grad_acc(tensor), tensor.output_nr)


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count a write to a tensor, or to several, that gradcore did not see; backward then knows that they were changed.

    Raises:
        RuntimeError: what is no tensor.
    """
    if is_tensor(tensor):
        tensors: Iterable[Any] = (tensor,)
    elif isinstance(tensor, Iterable):
        tensors = tuple(tensor)
    else:
        raise RuntimeError(
            f"increment_version expect a Iterable[Tensor] as input, or one Tensor, but got {type(tensor).__name__}"
        )
    for x in tensors:
        if not is_tensor(x):
            raise RuntimeError(
                f"increment_version expects each element of the iterable to be a tensor, but got {type(x).__name__}"
            )
    for x in tensors:
        bump(x)


def register_multi_grad_hook(
    tensors: Sequence[Tensor],
    fn: Callable[[Sequence[Tensor | None]], None] | Callable[[Tensor], None],
    *,
    mode: Literal["all", "any"] = "all",
) -> RemovableHandle:
    """Call ``fn`` once in each backward that computes gradients of ``tensors``.

    Args:
        tensors: tensors of the graph, leaves or not.
        fn: in the mode ``"all"`` it gets a list with the gradient of each tensor, once those that this backward computes
            are there, and ``None`` for the others. In the mode ``"any"`` it gets the first gradient. It returns nothing.
        mode: ``"all"`` or ``"any"``.

    Returns:
        A handle that removes the hook.

    Raises:
        ValueError: another mode.
        AssertionError: a tensor that does not require grad, in the mode ``"all"``.
    """
    tensors = tuple(tensors)
    if mode == "all":
        hooks: Any = _AllGradients(fn, [_target_of(t) for t in tensors]).hooks()
        return _Handles([t.register_hook(hook) for t, hook in zip(tensors, hooks, strict=True)])
    if mode == "any":
        first = _FirstGradient(fn)
        return _Handles([t.register_hook(first) for t in tensors if t.requires_grad])
    raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")


class _AllGradients:
    """Collects the gradients of several tensors in each walk, and hands them on when the last of them has come."""

    def __init__(self, fn: Callable[..., Any], targets: list[Any]) -> None:
        self.fn = fn
        # Weakly, since they hold the hooks.
        self.targets = [ref(target) for target in targets]
        # For each walk: how many are still to come, and those that are here.
        self.found: WeakKeyDictionary[Walk, list[Any]] = WeakKeyDictionary()
        self.lock = threading.Lock()

    def hooks(self) -> list[Callable[[Tensor | None], None]]:
        return [functools.partial(self.put, i) for i in range(len(self.targets))]

    def put(self, i: int, grad: Tensor | None) -> None:
        this = _walk()
        with self.lock:
            state = self.found.get(this)
            if state is None:
                here = self.targets[i]()
                expected = [target is here or this.will_reach(target) for target in (t() for t in self.targets)]
                state = self.found[this] = [sum(expected), [None] * len(expected)]
            state[0] -= 1
            state[1][i] = grad
            complete = state[0] == 0
            if complete:
                del self.found[this]
        if complete:
            self.fn(state[1])


class _FirstGradient:
    """Hands on the first gradient of each walk."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.seen: WeakKeyDictionary[Walk, bool] = WeakKeyDictionary()
        self.lock = threading.Lock()

    def __call__(self, grad: Tensor) -> None:
        this = _walk()
        with self.lock:
            if this in self.seen:
                return
            self.seen[this] = True
        self.fn(grad)


class _Handles(RemovableHandle):
    """The handle of several hooks."""

    __slots__ = ("handles",)

    def __init__(self, handles: list[RemovableHandle]) -> None:
        super().__init__({})
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def edge_of(place: GradientEdge) -> Any:
    """The edge of the engine at a place that a user gave: a node, a slot, or a leaf.

    Raises:
        RuntimeError: the first part is no node, or the node has no such output.
    """
    node, nr = place.node, place.output_nr
    if not isinstance(node, Node):
        raise RuntimeError(  # noqa: TRY004 - PyTorch's class
            f"GradientEdge's first object must be an autograd.graph.Node but got {type(node).__name__}; "
            "get_gradient_edge(tensor) makes one"
        )
    outputs = len(node._shape) if node.multiple else 1
    if not 0 <= nr < outputs or (node.only is not None and nr != node.only):
        raise RuntimeError(f"GradientEdge: {node.name()} has no output {nr} with a gradient; it has {outputs} outputs")
    if isinstance(node, AccumulateGrad):
        return node.variable
    return Slot(node, nr, node._shape[nr], node._dtype[nr]) if node.multiple else node


def stand_in(place: GradientEdge) -> Tensor:
    """A tensor with the history that a place in the graph has, for one that may be gone; for a leaf the leaf itself.

    Raises:
        RuntimeError: as :func:`edge_of`.
    """
    edge = edge_of(place)
    if is_tensor(edge):
        return edge  # type: ignore[no-any-return]
    xp = edge_namespace(edge)
    made = wrap(xp.broadcast_to(xp.zeros((), dtype=xp.np_dtype(edge._dtype)), tuple(edge._shape)), xp.device)
    made._edge, made._req = edge, True
    return made


def _get_grad_fn_or_grad_acc(t: Tensor | GradientEdge) -> Node:
    """The node that computed a tensor; for a leaf its ``AccumulateGrad``."""
    if isinstance(t, GradientEdge):
        return t.node
    found = t.grad_fn
    if found is None and t.requires_grad:
        found = AccumulateGrad.of(t)
    if found is None:
        raise AssertionError("Expected gradient function to be set: the tensor does not require grad")
    return found


def _target_of(t: Tensor) -> Any:
    """The node or the leaf at which the gradient of a tensor is computed."""
    node = _get_grad_fn_or_grad_acc(t)
    return node.variable if isinstance(node, AccumulateGrad) else node


def _current_graph_task_id() -> int:
    """A number for the backward that runs now in this thread; -1 outside of any."""
    this = current_walk()
    return -1 if this is None else this.number


def _walk() -> Walk:
    this = current_walk()
    if this is None:
        raise AssertionError("expected this hook to be called inside a backward call")
    return this
