"""Matrices for the samples of linear algebra: far enough from singular ones that finite differences say something."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore.testing.samples import Make

__all__ = ["invertible"]


def invertible(make: Make, *shape: int, low: float = -1.0, high: float = 1.0) -> Any:
    """Square matrices with a dominant diagonal, whose signs alternate."""
    values: Any = make.rng.uniform(low, high, shape)
    if make.dtype.kind == "c":
        values = values + 1j * make.rng.uniform(low, high, shape)
    n = shape[-1]
    values = values + np.eye(n) * (n + 1.0) * np.where(np.arange(n) % 2, -1.0, 1.0)
    return make.of(values, make.dtype, requires_grad=make.requires_grad)
