"""Tools around the graph."""

from __future__ import annotations

from gradcore.utils import viz

__all__ = ["viz"]
