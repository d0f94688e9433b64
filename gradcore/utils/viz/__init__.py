"""The recorded graph to look at: drawn by Graphviz, as a Mermaid diagram, as text."""

from __future__ import annotations

from gradcore.utils.viz.dot import Dot, make_dot
from gradcore.utils.viz.listing import text
from gradcore.utils.viz.mermaid import Mermaid, make_mermaid
from gradcore.utils.viz.modules import record_modules

__all__ = ["Dot", "Mermaid", "make_dot", "make_mermaid", "record_modules", "text"]
