"""The shape of a tensor."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["Size"]


class Size(tuple[int, ...]):
    """A tuple of sizes, as ``tensor.shape``."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"gradcore.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return Size(found) if isinstance(at, slice) else found

    def __add__(self, other: Any) -> Size:
        return Size(tuple(self) + tuple(other))
