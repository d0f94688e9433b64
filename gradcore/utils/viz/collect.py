"""From tensors to a picture: walks the graph, breadth first from the outputs, without recursion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from gradcore.graph import AccumulateGrad, Node
from gradcore.op import is_tensor
from gradcore.utils.viz.modules import Call, calls_by_parameters, record_modules
from gradcore.utils.viz.picture import Box, BoxKind, Frame, Picture
from gradcore.utils.viz.saved import saved_tensors, saved_values, shown

if TYPE_CHECKING:
    from gradcore.nn.module import Module
    from gradcore.tensor import Tensor

__all__ = ["Options", "collect"]

_MOST_NAMES = 4
"""How many of the names under which a tensor was saved are shown."""


class Options(NamedTuple):
    """What is shown of each node, and how many."""

    show_attrs: bool = False
    show_saved: bool = False
    show_shapes: bool = False
    max_attr_chars: int = 50
    max_nodes: int | None = None
    modules: record_modules | None = None


def collect(out: Any, params: Any, options: Options) -> Picture:
    """The picture of how ``out`` was computed.

    Raises:
        TypeError: ``out`` or ``params`` hold something else than tensors, or an option has another type.
        ValueError: ``out`` holds no tensor, or ``max_nodes`` is not positive.
    """
    most = options.max_nodes
    if most is not None and (not isinstance(most, int) or isinstance(most, bool)):
        raise TypeError(f"max_nodes must be an int or None, but got {type(most).__name__}")
    if most is not None and most < 1:
        raise ValueError(f"max_nodes must be at least 1 (or None, for no limit), but got {most}")
    if options.modules is not None and not isinstance(options.modules, record_modules):
        raise TypeError(
            "modules must be what `with record_modules(model) as modules:` gives, but got "
            f"{type(options.modules).__name__}; a model itself may be given as params"
        )
    outputs = _outputs(out)
    named = _named(params if params is not None or options.modules is None else options.modules.module)
    walk = _Walk({id(tensor): name for name, tensor in named}, options)
    for tensor in outputs:
        walk.add_output(tensor)
    walk.add_graph()
    for tensor in outputs:
        walk.add_base(tensor)
    walk.add_graph()
    walk.add_rest()
    if options.modules is not None:
        walk.frame_recorded(options.modules)
    elif hasattr(params, "named_modules"):
        walk.frame_by_parameters(params)
    return walk.picture


class _Walk:
    """Boxes are numbered as they are found, so that equal graphs give equal pictures."""

    def __init__(self, names: Mapping[int, str], options: Options) -> None:
        self.names = names
        self.options = options
        self.picture = Picture()
        # By identity. What that belongs to is kept, lest another object gets it.
        self.tensors: dict[int, Box] = {}
        self.kept: list[Any] = []
        # None: a node that is left out.
        self.nodes: dict[Node, Box | None] = {}
        self.waiting: list[Node] = []
        self.rest: list[Node] = []
        # The boxes before which something is left out, and how many saved tensors and outputs are.
        self.cut: dict[Box, None] = {}
        self.tensors_left_out = 0

    def has_room(self, count: int = 1) -> bool:
        most = self.options.max_nodes
        return most is None or len(self.picture.boxes) + count <= most

    def add_tensor(self, tensor: Tensor, kind: BoxKind) -> Box:
        box = self.picture.add(kind, self.names.get(id(tensor), ""), _shape(tensor.shape))
        self.tensors[id(tensor)] = box
        self.kept.append(tensor)
        return box

    def add_output(self, tensor: Tensor, kind: BoxKind = "output") -> Box | None:
        """Draw a tensor and what it was made by; ``None`` if there is no room."""
        if id(tensor) in self.tensors:
            return self.tensors[id(tensor)]
        grad_fn = tensor.grad_fn
        if not self.has_room():
            self.tensors_left_out += 1
            if grad_fn is not None:
                self.place(grad_fn)
            return None
        box = self.add_tensor(tensor, kind)
        if grad_fn is not None:
            self.connect(self.place(grad_fn), box)
        return box

    def add_base(self, view: Tensor) -> None:
        """Draw the tensor of which an output is a view."""
        base = view._base
        if base is None or id(view) not in self.tensors:
            return
        box = self.add_output(base, "base")
        if box is not None:
            self.picture.link(box, self.tensors[id(view)], "view")

    def add_graph(self) -> None:
        """Draw the nodes that are waiting, and those behind them."""
        at = 0
        while at < len(self.waiting):
            node = self.waiting[at]
            at += 1
            box = self.nodes[node]
            assert box is not None
            if isinstance(node, AccumulateGrad):
                self.picture.link(self.tensors[id(node.variable)], box)
                continue
            for source, _ in node.next_functions:
                if source is not None:
                    self.connect(self.place(source), box)
            if self.options.show_attrs or self.options.show_saved:
                self.add_saved(node, box)
        self.waiting.clear()

    def add_saved(self, node: Node, box: Box) -> None:
        values = saved_values(node)
        if self.options.show_attrs:
            box.attributes = [(name, shown(value, self.options.max_attr_chars)) for name, value in values]
        if not self.options.show_saved:
            return
        linked: set[Box] = set()
        for name, tensor in saved_tensors(values):
            # A saved result is a new tensor at each reading; what it shares with others is its data.
            saved = self.tensors.get(id(tensor)) or self.tensors.get(id(tensor._data))
            if saved is None or saved.kind in ("output", "base"):
                if not self.has_room():
                    self.tensors_left_out += 1
                    continue
                saved = self.picture.add("saved", self.names.get(id(tensor)) or name, _shape(tensor.shape))
                self.tensors[id(tensor._data)] = saved
                self.kept += (tensor, tensor._data)
            elif saved.kind == "saved" and id(tensor) not in self.names:
                # A list may hold one tensor a thousand times.
                names = saved.name.split(", ")
                if name not in names and len(names) < _MOST_NAMES:
                    saved.name = f"{saved.name}, {name}"
            if saved not in linked:
                linked.add(saved)
                self.picture.link(box, saved, "saved")

    def place(self, node: Node) -> Box | None:
        """The box of a node; ``None`` if there was no room for it."""
        if node in self.nodes:
            return self.nodes[node]
        leaf = node.variable if isinstance(node, AccumulateGrad) else None
        is_new = leaf is not None and id(leaf) not in self.tensors
        if not self.has_room(2 if is_new else 1):
            self.nodes[node] = None
            self.rest.append(node)
            return None
        box = self.picture.add("function", type(node).__name__, self.shape_of(node))
        self.nodes[node] = box
        self.waiting.append(node)
        if leaf is not None and is_new:
            self.add_tensor(leaf, "leaf")
        return box

    def connect(self, source: Box | None, target: Box) -> None:
        if source is None:
            self.cut[target] = None
        else:
            self.picture.link(source, target)

    def shape_of(self, node: Node) -> str:
        if not self.options.show_shapes or isinstance(node, AccumulateGrad):
            return ""
        return " ".join(_shape(metadata.shape) for metadata in node._input_metadata)

    def add_rest(self) -> None:
        """Count what is left out, and say so in a box of its own."""
        seen = set(self.rest)
        while self.rest:
            for source, _ in self.rest.pop().next_functions:
                if source is not None and source not in self.nodes and source not in seen:
                    seen.add(source)
                    self.rest.append(source)
        parts = [f"{len(seen)} more nodes"] if len(seen) > 1 else ["1 more node"] if seen else []
        if self.tensors_left_out:
            parts.append(f"{self.tensors_left_out} more tensors" if self.tensors_left_out > 1 else "1 more tensor")
        if parts:
            box = self.picture.add("rest", "\n".join(parts), f"max_nodes={self.options.max_nodes}")
            for target in self.cut:
                self.picture.link(box, target)

    def frame_recorded(self, modules: record_modules) -> None:
        """Put nodes into the frames of the calls that made them, and parameters into that around all their users."""
        self.frame({node: modules.calls(node) for node in self.nodes if not isinstance(node, AccumulateGrad)})
        parameters = {id(p) for p in modules.module.parameters()}
        boxes = self.picture.boxes
        around: dict[Box, Frame | None] = {}
        for link in self.picture.links:
            if link.kind == "flow":
                source, frame = boxes[link.source], boxes[link.target].frame
                around[source] = _common(around[source], frame) if source in around else frame
        for node, box in self.nodes.items():
            if box is not None and isinstance(node, AccumulateGrad) and id(node.variable) in parameters:
                self.set_frame(node, box, around[box])
        self.frame_saved()

    def frame_by_parameters(self, module: Module) -> None:
        """Put parameters, and the nodes that take them, into frames by the parameters' names."""
        drawn = [node for node, box in self.nodes.items() if box is not None]
        self.frame(calls_by_parameters(module, self.names, drawn))
        self.frame_saved()

    def frame(self, calls: Mapping[Node, tuple[Call, ...]]) -> None:
        frames: dict[tuple[Call, ...], Frame] = {}
        for node, path in calls.items():
            box = self.nodes[node]
            if box is None:
                continue
            frame = None
            for i, call in enumerate(path, 1):
                frame = frames.get(path[:i]) or frames.setdefault(path[:i], Frame(call.label, frame))
            self.set_frame(node, box, frame)

    def set_frame(self, node: Node, box: Box, frame: Frame | None) -> None:
        box.frame = frame
        if isinstance(node, AccumulateGrad) and self.tensors[id(node.variable)].kind == "leaf":
            self.tensors[id(node.variable)].frame = frame

    def frame_saved(self) -> None:
        """Put saved tensors beside the first node that saved them."""
        boxes = self.picture.boxes
        for link in reversed(self.picture.links):
            if link.kind == "saved" and boxes[link.target].kind == "saved":
                boxes[link.target].frame = boxes[link.source].frame


def _common(first: Frame | None, second: Frame | None) -> Frame | None:
    """The innermost frame around two frames."""
    outer = set()
    while first is not None:
        outer.add(first)
        first = first.parent
    while second is not None and second not in outer:
        second = second.parent
    return second


def _outputs(out: Any) -> list[Any]:
    """The tensors in ``out``: a tensor, or tuples, lists and dicts of tensors, as models return them."""
    found: list[Any] = []
    stack = [out]
    while stack:
        value = stack.pop()
        if is_tensor(value):
            found.append(value)
        elif isinstance(value, Mapping):
            stack += reversed(list(value.values()))
        elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
            stack += reversed(list(value))
        elif value is not None:
            raise TypeError(f"expected a tensor, or several, to draw the graph of, but got {type(value).__name__}")
    if not found:
        raise ValueError("expected a tensor, or several, to draw the graph of, but there is none")
    return found


def _named(params: Any) -> list[tuple[str, Any]]:
    """Names and tensors of what is given as ``params``."""
    if params is None:
        return []
    if hasattr(params, "named_parameters"):
        return [*params.named_parameters(), *params.named_buffers()]
    pairs: Any = params.items() if isinstance(params, Mapping) else params
    if is_tensor(pairs) or isinstance(pairs, str) or not isinstance(pairs, Iterable):
        _refuse_params(f"got {type(params).__name__}")
    named: list[tuple[str, Any]] = []
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            _refuse_params(f"it holds {type(pair).__name__}")
        name, tensor = pair
        if not isinstance(name, str):
            _refuse_params(f"a name is {type(name).__name__}")
        if not is_tensor(tensor):
            _refuse_params(f"{name!r} is {type(tensor).__name__}")
        named.append((name, tensor))
    return named


def _refuse_params(what: str) -> NoReturn:
    raise TypeError(
        "params must be a dict of tensors by name, pairs of a name and a tensor (as of module.named_parameters()), or a "
        f"module, but {what}"
    )


def _shape(shape: Iterable[int]) -> str:
    return f"({', '.join(map(str, shape))})"
