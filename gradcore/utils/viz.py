"""The recorded graph as a picture: text in the DOT language, which Graphviz (and many web pages) draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcore.graph import AccumulateGrad, Node
from gradcore.op import is_tensor

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["Dot", "make_dot"]

_LEAF, _OUTPUT = "lightblue", "palegreen"


class Dot:
    """A drawing as DOT text."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __str__(self) -> str:
        return self.source

    def save(self, path: str | Path) -> Path:
        """Write the text to a file: ``dot -Tsvg <path>`` makes a picture of it."""
        path = Path(path)
        path.write_text(self.source + "\n", encoding="utf-8")
        return path


def make_dot(
    out: Tensor | Iterable[Tensor], params: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | None = None
) -> Dot:
    """Draw how ``out`` was computed: leaves in blue, outputs in green; arrows follow the data.

    Args:
        out: a tensor, or several.
        params: leaves with the names to print, as a dict or as ``module.named_parameters()``; others show
            their shape.
    """
    outputs: list[Any] = [out] if is_tensor(out) else list(out)
    named = params.items() if isinstance(params, Mapping) else params or ()
    names = {id(t): name for name, t in named}
    drawing = _Drawing(names)
    for tensor in outputs:
        drawing.add_output(tensor)
    drawing.add_graph()
    return Dot(drawing.text())


class _Drawing:
    """Nodes are numbered as they are found, so that equal graphs give equal text."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = names
        self.numbers: dict[Any, int] = {}
        # Nodes are kept, since their identity is what tells them apart.
        self.found: list[Node] = []
        self.lines: list[str] = []
        self.edges: list[str] = []

    def add_output(self, tensor: Tensor) -> None:
        number = self.number(("output", len(self.numbers)))
        name = self.names.get(id(tensor), "") if tensor.grad_fn is not None else ""
        self.lines.append(_node(number, _label(name, tensor), _OUTPUT))
        if tensor.grad_fn is not None:
            self.edges.append(f"  n{self.visit(tensor.grad_fn)} -> n{number};")
        elif tensor.requires_grad:
            self.edges.append(f"  n{self.visit(AccumulateGrad.of(tensor))} -> n{number};")

    def add_graph(self) -> None:
        at = 0
        while at < len(self.found):
            node = self.found[at]
            at += 1
            number = self.numbers[node]
            if isinstance(node, AccumulateGrad):
                leaf = node.variable
                self.lines.append(_node(number, _label(self.names.get(id(leaf), ""), leaf), _LEAF))
                continue
            self.lines.append(_node(number, type(node).__name__))
            for source, _ in node.next_functions:
                if source is not None:
                    self.edges.append(f"  n{self.visit(source)} -> n{number};")

    def visit(self, node: Node) -> int:
        """The number of a node, which is drawn later if it is new."""
        if node not in self.numbers:
            self.found.append(node)
        return self.number(node)

    def number(self, key: Any) -> int:
        return self.numbers.setdefault(key, len(self.numbers))

    def text(self) -> str:
        head = [
            "digraph {",
            "  rankdir=TB;",
            '  node [shape=box, style=filled, fillcolor=white, fontname="monospace"];',
        ]
        return "\n".join([*head, *self.lines, *self.edges, "}"])


def _label(name: str, tensor: Tensor) -> str:
    shape = f"({', '.join(map(str, tensor.shape))})"
    return f"{name}\n{shape}" if name else shape


def _node(number: int, label: str, color: str | None = None) -> str:
    quoted = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    fill = f", fillcolor={color}" if color is not None else ""
    return f'  n{number} [label="{quoted}"{fill}];'
