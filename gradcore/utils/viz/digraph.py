"""The drawing where the package ``graphviz`` is installed. Importing this module imports that package."""

from __future__ import annotations

from typing import Any

import graphviz

from gradcore.utils.viz.dot import NODE_ATTRIBUTES, body
from gradcore.utils.viz.mermaid import notebook_text
from gradcore.utils.viz.picture import Picture

__all__ = ["Digraph"]


class Digraph(graphviz.Digraph):  # type: ignore[misc]  # the package has no types
    """A ``graphviz.Digraph`` that shows in a notebook also where Graphviz's program ``dot`` is missing, as Mermaid diagram."""

    _picture: Picture | None = None

    @classmethod
    def of(cls, picture: Picture) -> Digraph:
        """The drawing of a picture."""
        drawing = cls(node_attr=NODE_ATTRIBUTES, body=body(picture))
        drawing._picture = picture
        return drawing

    def copy(self) -> Digraph:
        """A copy of the drawing."""
        copied: Digraph = super().copy()
        copied._picture = self._picture
        return copied

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **options: Any) -> dict[str, Any]:
        try:
            bundle: dict[str, Any] = super()._repr_mimebundle_(include, exclude, **options)
        except (graphviz.ExecutableNotFound, graphviz.CalledProcessError, OSError):
            # An exception here would show as a traceback in the place of every drawing.
            return notebook_text(self._picture) if self._picture is not None else {"text/plain": self.source}
        return bundle

    def _repr_svg_(self) -> str | None:
        svg: str | None = self._repr_mimebundle_(["image/svg+xml"]).get("image/svg+xml")
        return svg
