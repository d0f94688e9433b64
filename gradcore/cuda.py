"""CUDA devices: whether there are any, waiting for them, their memory. CuPy is imported only when something is asked."""

from __future__ import annotations

from typing import Any

from gradcore.device import backend_for, resolve

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "is_available",
    "memory_allocated",
    "synchronize",
    "why_unavailable",
]


def is_available() -> bool:
    """Whether a CUDA device can be used."""
    return backend_for("cuda").unavailable() is None


def why_unavailable() -> str | None:
    """Why no CUDA device can be used, and what mends it; ``None`` if one can."""
    return backend_for("cuda").unavailable()


def device_count() -> int:
    """How many CUDA devices are visible; 0 where CUDA cannot be used."""
    return backend_for("cuda").device_count()


def current_device() -> int:
    """The index of the device that ``"cuda"`` means."""
    return resolve("cuda").index or 0


def synchronize(device: Any = None) -> None:
    """Wait until all work queued on a device (the current one when not given) is done."""
    where = resolve("cuda" if device is None else device)
    where.backend.synchronize(where.index or 0)


def memory_allocated(device: Any = None) -> int:
    """Bytes that arrays hold on a device."""
    where = resolve("cuda" if device is None else device)
    return where.backend.memory_allocated(where.index or 0)


def empty_cache() -> None:
    """Give memory that is kept for reuse back to the system; nothing where CUDA cannot be used."""
    if is_available():
        where = resolve("cuda")
        where.backend.empty_cache(where.index or 0)
