"""A picture as plain text, for terminals: one line for each box, from the outputs on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gradcore.utils.viz.collect import Options, collect
from gradcore.utils.viz.picture import Box, Picture, printable

if TYPE_CHECKING:
    from gradcore.nn.module import Module
    from gradcore.tensor import Tensor
    from gradcore.utils.viz.modules import record_modules

__all__ = ["listing", "text"]


def text(
    out: Tensor | Iterable[Any] | Mapping[str, Any],
    params: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | Module | None = None,
    show_attrs: bool = False,
    show_saved: bool = False,
    max_attr_chars: int = 50,
    *,
    show_shapes: bool = True,
    max_nodes: int | None = 200,
    modules: record_modules | None = None,
) -> str:
    """How ``out`` was computed, as text: a line for each node and tensor, with the numbers of those that it comes from.

    Arguments and errors are those of :func:`make_dot`.
    """
    options = Options(show_attrs, show_saved, show_shapes, max_attr_chars, max_nodes, modules)
    return listing(collect(out, params, options))


def listing(picture: Picture) -> str:
    """The picture as lines of text."""
    sources: dict[int, list[str]] = {}
    notes: dict[int, list[str]] = {}
    for link in picture.links:
        if link.kind == "flow":
            sources.setdefault(link.target, []).append(str(link.source))
        elif link.kind == "saved":
            notes.setdefault(link.source, []).append(str(link.target))
    rows = []
    for box in picture.boxes:
        parts = [f"from {', '.join(sources[box.number])}"] if box.number in sources else []
        parts += [f"saves {', '.join(notes[box.number])}"] if box.number in notes else []
        parts += [f"{name}={value}" for name, value in box.attributes]
        if box.frame is not None:
            parts.append(f"in {box.frame.label}")
        rows.append((str(box.number), _name(box), " ".join(box.shape.split()), "; ".join(parts)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([f"{row[0]:>{widths[0]}}", *(f"{x:{w}}" for x, w in zip(row[1:], widths[1:], strict=True))]).rstrip()
        for row in rows
    )


def _name(box: Box) -> str:
    name = printable(" ".join(box.name.split()))
    if box.kind in ("function", "rest"):
        return name
    kind = "base of a view" if box.kind == "base" else box.kind
    return f"{kind} {name}" if name else kind
