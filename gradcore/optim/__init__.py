"""Optimizers, as ``torch.optim``."""

from __future__ import annotations

from gradcore.optim.optimizer import Optimizer
from gradcore.optim.sgd import SGD

__all__ = ["SGD", "Optimizer"]
