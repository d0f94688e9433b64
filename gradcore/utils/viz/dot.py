"""A picture in the DOT language, which Graphviz draws."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from gradcore.utils.viz.collect import Options, collect
from gradcore.utils.viz.mermaid import notebook_text
from gradcore.utils.viz.picture import COLORS, Box, Frame, LinkKind, Picture, printable

if TYPE_CHECKING:
    from gradcore.nn.module import Module
    from gradcore.tensor import Tensor
    from gradcore.utils.viz.modules import record_modules

__all__ = ["Dot", "Drawing", "make_dot"]

NODE_ATTRIBUTES = {"fontname": "monospace", "fontsize": "10", "height": "0.2", "shape": "box", "style": "filled"}
_LINKS: dict[LinkKind, str] = {"flow": "", "saved": " [dir=none]", "view": " [style=dotted]"}


class Drawing(Protocol):
    """What :func:`make_dot` gives, with and without the package ``graphviz``."""

    @property
    def source(self) -> str:
        """The drawing as DOT text."""

    def save(self, filename: Any = None, directory: Any = None) -> str:
        """Write the DOT text to a file; returns its path."""

    def render(self, *args: Any, **kwargs: Any) -> str:
        """Draw into a file, with Graphviz; returns its path."""

    def pipe(self, *args: Any, **kwargs: Any) -> Any:
        """Draw, with Graphviz; returns the content of the file."""


class Dot:
    """A drawing as DOT text, where the package ``graphviz`` is not installed.

    It shows itself in a notebook as a Mermaid diagram.
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    @property
    def source(self) -> str:
        """The drawing as DOT text."""
        attributes = " ".join(f"{name}={value}" for name, value in NODE_ATTRIBUTES.items())
        return "".join(["digraph {\n", f"\tnode [{attributes}]\n", *body(self._picture), "}\n"])

    def __str__(self) -> str:
        return self.source

    def save(self, filename: str | Path | None = None, directory: str | Path | None = None) -> str:
        """Write the DOT text to a file, ``Digraph.gv`` if no name is given; returns its path."""
        path = Path(directory or "", filename or "Digraph.gv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.source, encoding="utf-8")
        return os.fspath(path)

    def render(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise, since only Graphviz can draw.

        Raises:
            ImportError: the package ``graphviz`` is not installed.
        """
        raise ImportError(
            'drawing a graph as a picture needs the Python package graphviz: pip install "gradcore[viz]"; and '
            "Graphviz's own program, dot (https://graphviz.org/download/, or the system's package graphviz). Without "
            "them, .source is the text in the DOT language, .save() writes it to a file, and make_mermaid() gives a "
            "Mermaid diagram",
            name="graphviz",
        )

    pipe = view = unflatten = render

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, str]:
        return notebook_text(self._picture)


def make_dot(
    out: Tensor | Iterable[Any] | Mapping[str, Any],
    params: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | Module | None = None,
    show_attrs: bool = False,
    show_saved: bool = False,
    max_attr_chars: int = 50,
    *,
    show_shapes: bool = False,
    max_nodes: int | None = 1000,
    modules: record_modules | None = None,
) -> Drawing:
    """Draw how ``out`` was computed.

    Grey: nodes of the graph. Blue: leaves, which accumulate a gradient. Green: ``out``; dark green: the base of which it is a
    view. Orange: tensors saved for backward. Arrows follow the data.

    Args:
        out: a tensor, or several, also in nested tuples, lists and dicts.
        params: tensors with the names to print: a dict, pairs as of ``module.named_parameters()``, or a module, whose
            parameters and buffers are then named. A module also groups nodes: each stands with the parameters that
            it takes.
        show_attrs: print what else the nodes saved (``dim``, ``keepdim`` ...).
        show_saved: draw the tensors that the nodes saved.
        max_attr_chars: how long the text of an attribute may be.
        show_shapes: print the shapes of the nodes' outputs.
        max_nodes: how many boxes are drawn at most, those nearest to ``out``; the others are counted. ``None``: all.
        modules: a :class:`record_modules` in whose block ``out`` was computed: nodes are grouped by the calls that made them.

    Returns:
        A ``graphviz.Digraph`` where that package is installed (the extra ``viz``), which draws into files
        (``.render(outfile="graph.svg")``) and notebooks. Otherwise a :class:`Dot`, with ``.source`` and ``.save()``.

    Raises:
        TypeError: ``out`` or ``params`` hold something else than tensors.
        ValueError: ``out`` holds no tensor.
    """
    picture = collect(out, params, Options(show_attrs, show_saved, show_shapes, max_attr_chars, max_nodes, modules))
    try:
        from gradcore.utils.viz.digraph import Digraph
    except ImportError:
        return Dot(picture)
    return Digraph.of(picture)


def body(picture: Picture) -> list[str]:
    """The lines of a drawing between its head and its end."""
    lines: list[str] = []
    depth = frames = 0
    for part in picture.framed():
        indent = "\t" * (depth + 1)
        if isinstance(part, Frame):
            lines.append(f"{indent}subgraph cluster_{frames} {{\n")
            lines.append(
                f"{indent}\tgraph [label={_quoted([part.label])} fontname=monospace fontsize=10 labeljust=l color=grey]\n"
            )
            frames += 1
            depth += 1
        elif part is None:
            depth -= 1
            lines.append("\t" * (depth + 1) + "}\n")
        else:
            lines.append(f"{indent}{_node(part)}\n")
    lines += [f"\tn{link.source} -> n{link.target}{_LINKS[link.kind]}\n" for link in picture.links]
    return lines


def _node(box: Box) -> str:
    style = ' style="filled,dashed"' if box.kind == "rest" else ""
    color, _ = COLORS[box.kind]
    # Grey is Graphviz's own colour of a box that is filled.
    fill = f" fillcolor={color}" if box.kind != "function" else ""
    return f"n{box.number} [label={_label(box)}{fill}{style}]"


def _label(box: Box) -> str:
    if not box.attributes:
        return _quoted(box.title)
    # Attributes are a table, aligned to the left (\l), while the lines of a title are centred (\n).
    width = max(len(name) for name, _ in box.attributes)
    rows = [f"{name:{width}}: {value}" for name, value in box.attributes]
    title = [*box.title, "-" * max(map(len, [*box.title, *rows]))]
    lines = [_escaped(line) + r"\n" for line in title] + [_escaped(row) + r"\l" for row in rows]
    return '"' + "".join(lines) + '"'


def _quoted(lines: Iterable[str]) -> str:
    return '"' + r"\n".join(map(_escaped, lines)) + '"'


def _escaped(text: str) -> str:
    """Text as it stands inside quotes in DOT: every character is drawn as it is."""
    return printable(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
