"""Tools around the graph."""

from __future__ import annotations

from gradcore.utils import checkpoint, viz

__all__ = ["checkpoint", "viz"]
