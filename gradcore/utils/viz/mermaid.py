"""A picture in the Mermaid language, which GitHub, notebooks and many editors draw."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcore.utils.viz.collect import Options, collect
from gradcore.utils.viz.listing import listing
from gradcore.utils.viz.picture import COLORS, Box, Frame, LinkKind, Picture, printable

if TYPE_CHECKING:
    from gradcore.nn.module import Module
    from gradcore.tensor import Tensor
    from gradcore.utils.viz.modules import record_modules

__all__ = ["Mermaid", "make_mermaid", "notebook_text"]

_LINKS: dict[LinkKind, str] = {"flow": "-->", "saved": "---", "view": "-.->"}
# What Mermaid draws at most, if its user changes nothing.
_MAX_LINKS, _MAX_CHARS = 500, 50_000


class Mermaid:
    """A drawing as text in the Mermaid language. It shows itself in a notebook."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    @property
    def source(self) -> str:
        """The drawing as Mermaid text."""
        return mermaid_text(self._picture)

    def __str__(self) -> str:
        return self.source

    def save(self, filename: str | Path) -> str:
        """Write the text to a file (``graph.mmd``); returns its path."""
        path = Path(filename)
        path.write_text(self.source, encoding="utf-8")
        return os.fspath(path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, str]:
        return notebook_text(self._picture)


def make_mermaid(
    out: Tensor | Iterable[Any] | Mapping[str, Any],
    params: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | Module | None = None,
    show_attrs: bool = False,
    show_saved: bool = False,
    max_attr_chars: int = 50,
    *,
    show_shapes: bool = False,
    max_nodes: int | None = 200,
    modules: record_modules | None = None,
) -> Mermaid:
    """Draw how ``out`` was computed as a Mermaid diagram; arguments, colours and errors are those of :func:`make_dot`.

    Mermaid itself refuses diagrams of more than 500 arrows or 50,000 characters.
    """
    options = Options(show_attrs, show_saved, show_shapes, max_attr_chars, max_nodes, modules)
    return Mermaid(collect(out, params, options))


def notebook_text(picture: Picture) -> dict[str, str]:
    """What a notebook shows without Graphviz: a Mermaid diagram, if Mermaid can draw it; else, and in a terminal, text."""
    bundle = {"text/plain": listing(picture)}
    text = mermaid_text(picture)
    if len(picture.links) <= _MAX_LINKS and len(text) <= _MAX_CHARS:
        bundle["text/markdown"] = f"```mermaid\n{text}```\n"
        bundle["text/vnd.mermaid"] = text
    return bundle


def mermaid_text(picture: Picture) -> str:
    """The picture as a flowchart."""
    lines = ["flowchart TD\n"]
    depth = frames = 0
    for part in picture.framed():
        indent = "  " * (depth + 1)
        if isinstance(part, Frame):
            lines.append(f'{indent}subgraph m{frames}["{_escaped(part.label)}"]\n')
            frames += 1
            depth += 1
        elif part is None:
            depth -= 1
            lines.append("  " * (depth + 1) + "end\n")
        else:
            lines.append(f'{indent}n{part.number}["{_label(part)}"]:::{part.kind}\n')
    lines += [f"  n{link.source} {_LINKS[link.kind]} n{link.target}\n" for link in picture.links]
    kinds = dict.fromkeys(box.kind for box in picture.boxes)
    lines += [f"  classDef {kind} fill:{COLORS[kind][1]},stroke:#333333,color:#000000\n" for kind in kinds]
    return "".join(lines)


def _label(box: Box) -> str:
    lines = [*box.title, *(f"{name}: {value}" for name, value in box.attributes)]
    return "<br/>".join(map(_escaped, lines))


def _escaped(text: str) -> str:
    """Text in which nothing means anything to Mermaid, to HTML, or to Markdown, which Mermaid reads in labels."""
    return _SPECIAL.sub(lambda found: "".join(f"#{ord(c)};" for c in found[0]), printable(text))


_SPECIAL = re.compile(r"""["#&<>\\`*~$%]|\b_+|_+\b|(?<=])\(|^[-+=]|^\d+[.)](?=\s)""")
