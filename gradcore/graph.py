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
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from gradcore import watch
from gradcore.dtypes import scalar_type_name
from gradcore.runtime import RUNTIME
from gradcore.size import Size

if TYPE_CHECKING:
    from gradcore.backend import Namespace
    from gradcore.tensor import Tensor

__all__ = [
    "AccumulateGrad",
    "Hooks",
    "InputMetadata",
    "Node",
    "RemovableHandle",
    "SavesNothing",
    "Slot",
    "node_class",
    "node_of",
    "raise_detached",
    "raise_freed",
    "shown_inputs",
]

LEAF, SLOT = -1, -2
"""What stands in ``_seq`` of the edges that are not nodes."""

OWN_DTYPE = object()
"""The ``grad_dtype`` of a leaf that takes gradients in its own dtype."""

next_sequence_number = itertools.count().__next__

_making_hooks = threading.Lock()


class _NoVersions(list[int]):
    """What stands in the place of the count of writes of a tensor that was made in inference mode."""

    def __getitem__(self, at: Any) -> Any:
        # Only who saves a tensor for backward reads the count without looking what it is.
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
            "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it "
            "in autograd, or use `gradcore.no_grad()` instead of `gradcore.inference_mode()`."
        )


NO_VERSIONS = _NoVersions()
"""The ``_cell`` of every tensor that was made in inference mode."""


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
    _takes_undefined = False
    """Whether the node runs with ``None`` for the outputs that no gradient has reached, even if that is all of them."""

    def name(self) -> str:
        """The name of the node: ``MulBackward0``."""
        return type(self).__name__

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dictionary for the user's own notes on this node."""
        return hooks_of(self).metadata

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes to which the gradients of the inputs go, each with the number of its output.

        Operands that can have no gradient (indices, conditions, numbers of some operations) have no entry.
        """
        shown = shown_inputs(self)
        return tuple(_as_function(edge) for edge in (self._next if shown is None else [self._next[i] for i in shown]))

    @property
    def requires_grad(self) -> bool:
        """``True``: an operation that needs no gradient has no node."""
        return True

    @property
    def _input_metadata(self) -> tuple[InputMetadata, ...]:
        """What is known of each gradient that comes in: that is, of each output of the operation."""
        where = self._xp.device.place
        if not self.multiple:
            return (InputMetadata(Size(self._shape), self._xp.np_dtype(self._dtype), where),)
        outputs = range(len(self._shape)) if self.only is None else (self.only,)
        return tuple(InputMetadata(Size(self._shape[i]), self._xp.np_dtype(self._dtype[i]), where) for i in outputs)

    def __call__(self, *grads: Tensor | None) -> Any:
        """Run the node by itself, without its hooks: the gradients of its inputs for those of its outputs.

        Args:
            grads: a tensor or ``None`` for each output, of its shape.

        Returns:
            A tensor or ``None``; a tuple of these where there are several inputs, or none. Recorded if the mode says so.

        Raises:
            TypeError: another number of gradients, or what is no tensor.
            RuntimeError: a gradient of another shape or on another device; what the node saved was freed or modified.
        """
        return RUNTIME["call_node"](self, grads)

    def register_hook(self, hook: Callable[[Any, Any], Any]) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` after the node ran; a tuple that it returns replaces grad_inputs."""
        return hooks_of(self).add("post", hook)

    def register_prehook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``hook(grad_outputs)`` before the node runs; a tuple that it returns replaces grad_outputs."""
        return hooks_of(self).add("pre", hook)

    def _sequence_nr(self) -> int:
        return self._seq

    def _set_sequence_nr(self, number: int) -> None:
        """Change the place in the order of the walk, which goes from high to low."""
        if not isinstance(number, int):
            raise TypeError(f"an integer is required, but got {type(number).__name__}")
        if number < 0:
            raise OverflowError(f"a sequence number cannot be negative, but got {number}")
        self._seq = number

    def __lt__(self, other: Node) -> bool:
        # Asked only for two nodes of one sequence number: either may go first.
        return False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self):#x}>"


class InputMetadata(NamedTuple):
    """Shape, dtype and device of one output of an operation, and so of the gradient that comes in for it."""

    shape: Size
    dtype: Any
    device: Any
    is_nested_tensor: bool = False
    is_cpp_nested_tensor: bool = False


class Slot:
    """One output of a node that has several."""

    __slots__ = ("_dtype", "_shape", "node", "nr")
    _seq = SLOT

    def __init__(self, node: Node, nr: int, shape: Any, dtype: Any) -> None:
        self.node = node
        self.nr = nr
        self._shape = shape
        self._dtype = dtype


class Cut(Node):
    """Where gradients end: the edge of a view that requires grad because its base does, but has no history of its own.

    Nobody sees it: the view counts as a leaf.
    """

    __slots__ = ()


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
            found._plan = None
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

    @property
    def metadata(self) -> dict[Any, Any]:
        return hooks_of(self.variable).metadata

    @property
    def requires_grad(self) -> bool:
        return self.variable.requires_grad

    @property
    def _input_metadata(self) -> tuple[InputMetadata, ...]:
        leaf = self.variable
        return (InputMetadata(leaf.shape, leaf.dtype, leaf.device),)


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
    ``accumulated``. The user's ``metadata`` of a node stands here too, and a leaf's ``grad_dtype``: all are rare, and a
    node is made per operation.
    """

    __slots__ = ("accumulated", "grad_dtype", "lock", "metadata", "post", "pre", "retain", "tensor")

    def __init__(self) -> None:
        self.tensor: dict[int, HookDict] = {}
        self.retain: dict[int, weakref.ref[Any]] = {}
        self.pre = HookDict()
        self.post = HookDict()
        self.accumulated = HookDict()
        self.metadata: dict[Any, Any] = {}
        # The dtype of a leaf's gradient; ``None`` for any.
        self.grad_dtype: Any = OWN_DTYPE
        # One thread at a time accumulates into a leaf and runs the hooks that see the sum; those may run backward.
        self.lock = threading.RLock()

    def add(self, moment: str, hook: Callable[..., Any]) -> RemovableHandle:
        return _register(getattr(self, moment), hook)

    def add_tensor_hook(self, nr: int, hook: Callable[..., Any]) -> RemovableHandle:
        return _register(self.tensor.setdefault(nr, HookDict()), hook)


def hooks_of(holder: Any) -> Hooks:
    """The hooks of a node or a leaf, made when first asked for."""
    if holder._hooks is None:
        with _making_hooks:
            if holder._hooks is None:
                holder._hooks = Hooks()
    hooks: Hooks = holder._hooks
    return hooks


def node_class(name: str, multiple: bool = False, only: int | None = None, saved: Iterable[str] = ()) -> type[Node]:
    """A class of nodes called ``name``, with attributes ``_saved_<x>`` and ``_raw_saved_<x>`` for each name in ``saved``.

    Properties, and no ``__getattr__``: that would make every read of a node's attribute slow.
    """
    members: dict[str, Any] = {"__slots__": (), "__module__": "gradcore", "multiple": multiple, "only": only}
    members |= {f"_saved_{x}": _saved_value(x) for x in saved}
    members |= {f"_raw_saved_{x}": _raw_saved_value(x) for x in saved}
    return type(name, (Node,), members)


def _saved_value(name: str) -> property:
    def read(node: Node) -> Any:
        return node._plan.read_saved(node, name)

    return property(read)


def _raw_saved_value(name: str) -> property:
    def read(node: Node) -> Any:
        read_raw = getattr(node._plan, "read_raw_saved", None)
        if read_raw is None:  # of the few nodes that no recorder writes
            raise AttributeError(f"{type(node).__name__!r} object has no attribute '_raw_saved_{name}'")
        return read_raw(node, name)

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
    if watch.watched():
        watch.note_node(node)
    return node


def shown_inputs(node: Node) -> Sequence[int] | None:
    """The places of a node's inputs that can have a gradient, as its users see them; ``None``: all."""
    op = getattr(node._plan, "op", None)
    if op is None or op.variadic or len(op.rules) == len(op.operands):
        return None
    # An operation with the derivative of no operand shows all: it refuses in backward, not here.
    return [i for i, name in enumerate(op.operands) if name in op.rules] if op.rules else None


class SavesNothing:
    """A plan of nodes that save nothing of what their tensors hold."""

    saves_tensors = False

    def read_saved(self, node: Node, name: str) -> Any:
        """There is no saved value to show."""
        raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{name}'")


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
        "part of the graph is made once outside a loop, make it anew in each step or detach() it" + _when_freed(node)
    )


def raise_modified(node: Node, what: str, saved: Any, version: int, expected: int) -> NoReturn:
    """Raise for a saved tensor that was written to between forward and backward."""
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{describe_value(saved)}]{_producer(saved)}, saved as {what!r} by {node.name()}, is at version {version}; "
        f"expected version {expected} instead. Write to a copy (clone()), or use the out-of-place form of the "
        "operation that changed it" + _who_wrote(node, saved, expected)
    )


def raise_detached(node: Node, what: str, saved: Any) -> None:
    """Raise for a saved tensor that ``detach_`` cut from the graph: a derivative of higher order would lack its part."""
    raise RuntimeError(
        f"the tensor saved as {what!r} by {node.name()} ({describe_value(saved)}) was detached in-place, with detach_(), "
        "or has another history now, so a derivative of higher order cannot be computed through it. Use out-of-place "
        "`.detach()` instead" + _where_saved(node)
    )


def describe_value(tensor: Tensor) -> str:
    """``FloatTensor [2, 3]``: type and sizes, as messages give them."""
    return f"{scalar_type_name(tensor.dtype)}Tensor {list(tensor.shape)}"


def _when_freed(node: Node) -> str:
    """The lines for the error about a freed graph, as far as they were noted."""
    origin = watch.origin_of(node)
    if origin is None:
        return ". Hint: with autograd.detect_anomaly() around both, this message tells the lines"
    parts = "" if origin.frames is None else f". {node.name()} was made at {origin.frames}"
    return parts + ("" if origin.freed is None else f". What it saved was freed by the backward at {origin.freed}")


def _where_saved(node: Node) -> str:
    origin = watch.origin_of(node)
    return "" if origin is None or origin.frames is None else f". It was saved at {origin.frames}"


def _who_wrote(node: Node, saved: Tensor, expected: int) -> str:
    """The lines for the error about a modified tensor, as far as they were noted."""
    origin = watch.origin_of(node)
    if origin is None:
        return ". Hint: with autograd.detect_anomaly() around both, this message tells the lines"
    parts = _where_saved(node)
    writes = watch.writes_since(saved._cell, expected)
    if not writes:
        return (
            f"{parts}. Which line changed it is not known: other tensors shared its memory before anomaly mode was on"
        )
    if len(writes) > 1:
        parts += f". It was changed {saved._version - expected} times since then, first at {writes[0][1]}"
    return f"{parts}. It was changed last at {writes[-1][1]}"


def _producer(tensor: Tensor) -> str:
    edge = tensor._edge
    if edge is None or edge.__class__ is Cut:
        return ""
    name = node_of(edge).name().replace("Backward", "")
    return f", which is output {output_nr(edge)} of {name.removesuffix('0')}"


def _register(hooks: HookDict, hook: Callable[..., Any]) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def _as_function(edge: Any) -> tuple[Node | None, int]:
    if edge is None or edge.__class__ is Cut:
        return None, 0
    if edge._seq == LEAF:
        return AccumulateGrad.of(edge), 0
    return node_of(edge), output_nr(edge)
