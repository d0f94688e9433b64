"""CuPy: the devices ``cuda:0``, ``cuda:1`` ..."""

from __future__ import annotations

from typing import Any


class CupyBackend:
    """CUDA devices."""

    type = "cuda"
    indexed = True

    def unavailable(self) -> str | None:
        return "the CuPy backend is being written"

    def device_count(self) -> int:
        return 0

    def is_native(self, obj: object) -> bool:
        return type(obj).__module__.partition(".")[0] == "cupy"


backend: Any = CupyBackend()
