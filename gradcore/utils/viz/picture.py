"""What a drawing shows, before it is text in some language: boxes, the links between them, frames around them.

A picture holds text and numbers only: neither tensors nor nodes, so it keeps no graph alive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["COLORS", "Box", "BoxKind", "Frame", "Link", "LinkKind", "Picture", "printable"]

BoxKind = Literal["output", "base", "leaf", "saved", "function", "rest"]
LinkKind = Literal["flow", "saved", "view"]

COLORS: dict[BoxKind, tuple[str, str]] = {
    "output": ("darkolivegreen1", "#caff70"),
    "base": ("darkolivegreen3", "#a2cd5a"),
    "leaf": ("lightblue", "#add8e6"),
    "saved": ("orange", "#ffa500"),
    "function": ("lightgrey", "#d3d3d3"),
    "rest": ("white", "#ffffff"),
}
"""The colours that users of torchviz know, by Graphviz's names and as numbers."""


@dataclass(slots=True, eq=False)
class Frame:
    """A frame around boxes: one call of a module."""

    label: str
    parent: Frame | None


@dataclass(slots=True, eq=False)
class Box:
    """A tensor or a node of the graph."""

    number: int
    kind: BoxKind
    name: str
    """The name of a tensor, which may be empty, or that of a node."""
    shape: str = ""
    attributes: list[tuple[str, str]] = field(default_factory=list)
    frame: Frame | None = None

    @property
    def title(self) -> list[str]:
        """What stands in the box above its attributes, line by line."""
        return [line for line in (*self.name.split("\n"), self.shape) if line]


@dataclass(slots=True, frozen=True)
class Link:
    """An arrow along the data (``flow``), what a node saved (``saved``), or a base and its view (``view``)."""

    source: int
    target: int
    kind: LinkKind


class Picture:
    """Boxes in the order in which they were found, from the outputs on, and the links between them."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.links: list[Link] = []

    def add(self, kind: BoxKind, name: str, shape: str = "") -> Box:
        """Add a box."""
        box = Box(len(self.boxes), kind, name, shape)
        self.boxes.append(box)
        return box

    def link(self, source: Box, target: Box, kind: LinkKind = "flow") -> None:
        """Add a link."""
        self.links.append(Link(source.number, target.number, kind))

    def framed(self) -> Iterator[Box | Frame | None]:
        """The boxes inside their frames: a frame where it begins, ``None`` where it ends, boxes between.

        Frames come in the order of their first boxes, boxes without a frame at the front.
        """
        inside: dict[Frame | None, list[Box | Frame]] = {None: []}
        for box in self.boxes:
            frame = box.frame
            new: list[Frame] = []
            while frame is not None and frame not in inside:
                inside[frame] = []
                new.append(frame)
                frame = frame.parent
            for frame in reversed(new):
                inside[frame.parent].append(frame)
            inside[box.frame].append(box)
        # With a stack, since modules may be nested to any depth.
        parts = sorted(inside[None], key=lambda part: isinstance(part, Frame))
        stack: list[Iterator[Box | Frame]] = [iter(parts)]
        while stack:
            part = next(stack[-1], None)
            if part is not None:
                yield part
                if isinstance(part, Frame):
                    stack.append(iter(inside[part]))
                continue
            stack.pop()
            if stack:
                yield None


def printable(text: str) -> str:
    """A line of text in which control characters and the like are written with a backslash, as in Python."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
