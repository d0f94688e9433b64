"""What a run prints: where it ran, and the comparison as a table."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Timing, ratio
from benchmarks.programs import CONTENDERS, Program

__all__ = ["HEADER", "LEGEND", "as_json", "comparison", "environment", "table"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

HEADER = ["program", *CONTENDERS, *(f"/ {other}" for other in CONTENDERS[1:]), "goal", "required"]
LEGEND = """
Median time of a run ± half the distance of the quartiles. "/ torch" is gradcore's median in units of
PyTorch's, in brackets the same of the fastest repetitions, which other work on the machine disturbs less;
goal and required are about this column."""


def environment() -> dict[str, str]:
    """The machine, the versions, the numbers of threads."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    limits = [f"{v}={os.environ[v]}" for v in THREAD_VARIABLES if v in os.environ]
    described = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "versions": ", ".join(f"{name} {_version(name)}" for name in CONTENDERS),
        "threads": f"NumPy's {blas['name']}: {', '.join(limits) or 'its default, all cores'}",
    }
    if hasattr(os, "getloadavg"):
        described["load"] = f"{os.getloadavg()[0]:.1f} at the start (0 is a quiet machine)"
    try:
        import torch
    except ImportError:
        return described
    described["threads"] += f"; PyTorch: {torch.get_num_threads()}"
    return described


def comparison(program: Program, times: Mapping[str, Timing]) -> list[str]:
    """One row of the table: times with their spread, then gradcore's in units of the others'."""
    ours = times.get("gradcore")
    row = [program.name]
    row += [_time(times[c]) if c in times else "-" for c in CONTENDERS]
    for other in CONTENDERS[1:]:
        if ours is None or other not in times:
            row.append("-")
        elif other == "torch":
            best = min(ours.seconds) / min(times[other].seconds)
            row.append(f"{ratio(ours, times[other]):.2f} ({best:.2f})")
        else:
            row.append(f"{ratio(ours, times[other]):.2f}")
    return [*row, f"{program.goal}", f"{program.required}"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], text: int = 1) -> Iterable[str]:
    """A Markdown table that lines up in a terminal, too; columns after the first ``text`` hold numbers."""
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (c.ljust(w) if i < text else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True)))
        return f"| {' | '.join(padded)} |"

    yield line(header)
    yield f"|{'|'.join('-' * (w + 2) if i < text else '-' * (w + 1) + ':' for i, w in enumerate(widths))}|"
    yield from map(line, rows)


def as_json(timing: Timing) -> dict[str, Any]:
    """A timing for the file."""
    return {"median_s": timing.median, "spread": timing.spread, "repetitions_s": list(timing.seconds)}


def _time(timing: Timing) -> str:
    seconds = timing.median
    unit, factor = ("s", 1.0) if seconds >= 1 else ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
    return f"{seconds * factor:.3g} {unit} ±{timing.spread / 2:.0%}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        try:
            # A checkout that is on the path, but not installed.
            return str(__import__(name).__version__)
        except ImportError:
            return "not installed"


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open() as f:
            return next(line.partition(":")[2].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
