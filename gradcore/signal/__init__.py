"""Signal processing, as ``torch.signal``."""

from __future__ import annotations

from gradcore.signal import windows as windows

__all__ = ["windows"]
