"""The recorded graph: nodes, the edges between them, what they save.

An *edge* says where a gradient goes. It is one of

* a :class:`Node`: the operation that made a tensor (operations with one output);
* a :class:`Slot`: one output of an operation that has several;
* a leaf tensor itself, which accumulates into its ``.grad``;
* ``None``: the input needs no gradient.

Every edge carries ``_shape`` and ``_dtype`` of the value it stands for, so the engine can bring a gradient into the
space of its input. A leaf is its own edge: no node per leaf, no cycle leaf -> node -> leaf. What PyTorch calls
``AccumulateGrad`` is made when somebody looks at it.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from gradcore.dtypes import scalar_type_name

if TYPE_CHECKING:
    from gradcore.backend import Namespace
    from gradcore.tensor import Tensor

__all__ = [
    "AccumulateGrad",
    "Hooks",
    "Node",
    "RemovableHandle",
    "Slot",
    "node_class",
    "node_of",
    "raise_detached",
    "raise_freed",
]

LEAF, SLOT = -1, -2
"""What stands in ``_seq`` of the edges that are not nodes."""

next_sequence_number = itertools.count().__next__


class Node:
    """A recorded operation, as ``tensor.grad_fn``. The class of a node is named as PyTorch names it."""

    __slots__ = ("__weakref__", "_dtype", "_hooks", "_next", "_plan", "_saved", "_seq", "_shape", "_xp")

    _plan: Any
    """How to run this node backwards: ``raw(node, xp, g)`` on arrays and ``graph(node, xp, g)`` on tensors."""
    _xp: Namespace
    _seq: int
    """Creation order; the walk goes from high to low."""
    _next: tuple[Any, ...]
    _shape: Any
    _dtype: Any
    _saved: tuple[Any, ...] | None
    """What the rules need, as the plan lays it out; ``None`` once freed."""
    _hooks: Hooks | None

    multiple = False
    """Whether the operation has several outputs: its edges are slots then, ``_shape`` and ``_dtype`` are lists."""
    only: int | None = None
    """The one output that has a gradient, where the operation has several; rules get its gradient alone."""

    def name(self) -> str:
        """The name of the node: ``MulBackward0``."""
        return type(self).__name__

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dictionary for the user's own notes on this node."""
        return hooks_of(self).metadata

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes to which the gradients of the inputs go, each with the number of its output."""
        return tuple(_as_function(edge) for edge in self._next)

    def register_hook(self, hook: Callable[[Any, Any], Any]) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` after the node ran; a tuple that it returns replaces grad_inputs."""
        return hooks_of(self).add("post", hook)

    def register_prehook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``hook(grad_outputs)`` before the node runs; a tuple that it returns replaces grad_outputs."""
        return hooks_of(self).add("pre", hook)

    def _sequence_nr(self) -> int:
        return self._seq

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self):#x}>"


class Slot:
    """One output of a node that has several."""

    __slots__ = ("_dtype", "_shape", "node", "nr")
    _seq = SLOT

    def __init__(self, node: Node, nr: int, shape: Any, dtype: Any) -> None:
        self.node = node
        self.nr = nr
        self._shape = shape
        self._dtype = dtype


class AccumulateGrad(Node):
    """The end of the graph at a leaf: adds the gradient to ``variable.grad``. Made when somebody looks at it."""

    __slots__ = ("variable",)
    variable: Tensor

    @staticmethod
    def of(leaf: Tensor) -> AccumulateGrad:
        """The one node of a leaf while anybody holds it."""
        found = leaf._accumulator() if leaf._accumulator is not None else None
        if found is None:
            found = AccumulateGrad()
            found.variable = leaf
            found._next = ()
            found._seq = 2**64 - 1
            found._hooks = None
            leaf._accumulator = weakref.ref(found)
        return found

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def register_hook(self, hook: Callable[[Any, Any], Any]) -> RemovableHandle:
        return hooks_of(self.variable).add("post", hook)

    def register_prehook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        return hooks_of(self.variable).add("pre", hook)


class RemovableHandle:
    """What registering a hook returns. Also a context manager that removes the hook at the end of the block."""

    __slots__ = ("_hooks", "id")
    _ids = itertools.count().__next__

    def __init__(self, hooks: dict[int, Any]) -> None:
        self._hooks = weakref.ref(hooks) if isinstance(hooks, HookDict) else None
        self.id = RemovableHandle._ids()

    def remove(self) -> None:
        """Remove the hook; does nothing the second time."""
        hooks = self._hooks() if self._hooks is not None else None
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class HookDict(dict[int, Any]):
    """Hooks in the order of their registration; a class of its own, since handles refer to it weakly."""

    __slots__ = ("__weakref__",)


class Hooks:
    """The hooks of a node or a leaf, by the moment at which they run.

    ``tensor`` (on the gradient of one output), ``retain`` (``retain_grad``), ``pre``, ``post``, and for leaves
    ``accumulated``. The user's ``metadata`` of a node stands here too: both are rare, and a node is made per operation.
    """

    __slots__ = ("accumulated", "metadata", "post", "pre", "retain", "tensor")

    def __init__(self) -> None:
        self.tensor: dict[int, HookDict] = {}
        self.retain: dict[int, weakref.ref[Any]] = {}
        self.pre = HookDict()
        self.post = HookDict()
        self.accumulated = HookDict()
        self.metadata: dict[Any, Any] = {}

    def add(self, moment: str, hook: Callable[..., Any]) -> RemovableHandle:
        return _register(getattr(self, moment), hook)

    def add_tensor_hook(self, nr: int, hook: Callable[..., Any]) -> RemovableHandle:
        return _register(self.tensor.setdefault(nr, HookDict()), hook)


def hooks_of(holder: Any) -> Hooks:
    """The hooks of a node or a leaf, made when first asked for."""
    if holder._hooks is None:
        holder._hooks = Hooks()
    hooks: Hooks = holder._hooks
    return hooks


def node_class(name: str, multiple: bool = False, only: int | None = None, saved: Iterable[str] = ()) -> type[Node]:
    """A class of nodes called ``name``, with an attribute ``_saved_<x>`` for each name in ``saved``.

    Properties, and no ``__getattr__``: that would make every read of a node's attribute slow.
    """
    members: dict[str, Any] = {"__slots__": (), "__module__": "gradcore", "multiple": multiple, "only": only}
    members |= {f"_saved_{x}": _saved_value(x) for x in saved}
    return type(name, (Node,), members)


def _saved_value(name: str) -> property:
    def read(node: Node) -> Any:
        return node._plan.read_saved(node, name)

    return property(read)


def new_node(cls: type[Node], plan: Any, xp: Namespace, edges: tuple[Any, ...], shape: Any, dtype: Any) -> Node:
    """A node that saves nothing; for the few nodes that no recorder writes."""
    node = cls()
    node._plan = plan
    node._xp = xp
    node._seq = next_sequence_number()
    node._next = edges
    node._shape = shape
    node._dtype = dtype
    node._saved = ()
    node._hooks = None
    return node


def node_of(edge: Node | Slot) -> Node:
    """The node of a non-leaf's edge."""
    return edge.node if isinstance(edge, Slot) else edge


def output_nr(edge: Node | Slot | None) -> int:
    """Which output of its node an edge stands for."""
    return edge.nr if isinstance(edge, Slot) else 0


def raise_freed(node: Node) -> NoReturn:
    """Raise for a node whose saved values are gone."""
    raise RuntimeError(
        f"Trying to backward through the graph a second time: {node.name()} has already run, and what it saved was "
        "freed then. Specify retain_graph=True when calling .backward() or autograd.grad() the first time; or, if a "
        "part of the graph is made once outside a loop, make it anew in each step or detach() it"
    )


def raise_modified(node: Node, what: str, saved: Any, version: int, expected: int) -> NoReturn:
    """Raise for a saved tensor that was written to between forward and backward."""
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{describe_value(saved)}]{_producer(saved)}, saved as {what!r} by {node.name()}, is at version {version}; "
        f"expected version {expected} instead. Write to a copy (clone()), or use the out-of-place form of the "
        "operation that changed it"
    )


def raise_detached(node: Node, what: str, saved: Any) -> None:
    """Raise for a saved tensor that ``detach_`` cut from the graph: a derivative of higher order would lack its part."""
    raise RuntimeError(
        f"the tensor saved as {what!r} by {node.name()} ({describe_value(saved)}) was detached in-place, with detach_(), "
        "or has another history now, so a derivative of higher order cannot be computed through it. Use out-of-place "
        "`.detach()` instead"
    )


def describe_value(tensor: Tensor) -> str:
    """``FloatTensor [2, 3]``: type and sizes, as messages give them."""
    return f"{scalar_type_name(tensor.dtype)}Tensor {list(tensor.shape)}"


def _producer(tensor: Tensor) -> str:
    edge = tensor._edge
    if edge is None:
        return ""
    name = node_of(edge).name().replace("Backward", "")
    return f", which is output {output_nr(edge)} of {name.removesuffix('0')}"


def _register(hooks: HookDict, hook: Callable[..., Any]) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def _as_function(edge: Any) -> tuple[Node | None, int]:
    if edge is None:
        return None, 0
    if edge._seq == LEAF:
        return AccumulateGrad.of(edge), 0
    return node_of(edge), output_nr(edge)
