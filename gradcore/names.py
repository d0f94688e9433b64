"""Public functions of families that most programs do not use: the module of each, imported when the name is first asked for."""

from __future__ import annotations

__all__ = ["LAZY"]

LAZY: dict[str, str] = {
    "constant_pad_nd": "gradcore.ops.nn.padding",
    "cummax": "gradcore.ops.statistics.running",
    "cummin": "gradcore.ops.statistics.running",
    "logcumsumexp": "gradcore.ops.statistics.running",
}
"""The module of each name that ``gradcore.<name>`` finds on demand; one entry per line, sorted within a family."""
