"""Every operation there is: families that ``import gradcore`` leaves to be imported on demand, too."""

from __future__ import annotations

import importlib
import pkgutil

__all__ = ["import_operations"]


def import_operations() -> None:
    """Import every module of ``gradcore.ops``, so that :data:`gradcore.op.OPS` is complete."""
    package = importlib.import_module("gradcore.ops")
    for module in pkgutil.walk_packages(package.__path__, "gradcore.ops."):
        importlib.import_module(module.name)
