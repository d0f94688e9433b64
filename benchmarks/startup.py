"""What importing a library costs beyond importing NumPy, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.measure import Timing

__all__ = ["BUDGET", "import_times"]

BUDGET = 0.15
"""Seconds that ``import gradcore`` may take beyond NumPy."""

SCRIPT = """
import time
start = time.perf_counter()
import numpy
between = time.perf_counter()
import {name}
print(between - start, time.perf_counter() - between)
"""


def import_times(names: tuple[str, ...], repetitions: int) -> tuple[dict[str, Timing], Timing]:
    """Seconds per library beyond NumPy, and NumPy's own; libraries that are not installed are left out.

    Processes take turns. The first round only brings the files into memory, and leaves the compiled modules that an
    installed package has.
    """
    seconds: dict[str, list[float]] = {}
    own: list[float] = []
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for turn in range(repetitions + 1):
        for name in names:
            command = [sys.executable, "-c", SCRIPT.format(name=name)]
            done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
            if done.returncode == 0 and turn:
                numpy, beyond = map(float, done.stdout.split())
                own.append(numpy)
                seconds.setdefault(name, []).append(beyond)
    return {name: Timing(tuple(s)) for name, s in seconds.items()}, Timing(tuple(own))
