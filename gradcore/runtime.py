"""What generated code sees as its globals, and what the lower layers know of the upper ones.

The graph layer does not import the Tensor class that stands on it: ``tensor.py``, ``view.py`` and others hand down what is
needed, once, with :func:`bind`.
"""

from __future__ import annotations

from typing import Any

__all__ = ["RUNTIME", "bind"]

RUNTIME: dict[str, Any] = {"new": object.__new__}


def bind(**names: Any) -> None:
    """Make names known to generated code and to the layers below."""
    RUNTIME.update(names)
