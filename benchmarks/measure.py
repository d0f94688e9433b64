"""The clock: contenders take turns, and each reports the median and the spread of its repetitions."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

__all__ = ["Timing", "interleave", "ratio"]

Run = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Seconds per run of one contender, one number per repetition."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one of the repetitions."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """The distance of the quartiles, as a part of the median."""
        if len(self.seconds) < 4:
            return (max(self.seconds) - min(self.seconds)) / self.median
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return (high - low) / self.median


def interleave(
    runs: Mapping[str, Run],
    *,
    repetitions: int,
    block: float = 0.02,
    finish: Callable[[], object] | None = None,
) -> dict[str, Timing]:
    """Time several contenders in turn.

    Each repetition runs every contender for one block of about ``block`` seconds, in an order that rotates,
    so that neither a drift of the machine's speed nor the neighbour in the order favours anyone. The garbage
    collector stays on, as in the programs that people run, but never inherits another block's debts.

    Args:
        runs: what to time, by name.
        repetitions: how many blocks each contender gets.
        block: seconds.
        finish: called at the end of a block and part of its time; for devices that work asynchronously.
    """
    counts = {name: _calls_in(run, block, finish) for name, run in runs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for turn in range(repetitions):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            gc.collect()
            seconds[name].append(_time(runs[name], counts[name], finish))
    return {name: Timing(tuple(s)) for name, s in seconds.items()}


def ratio(one: Timing, other: Timing) -> float:
    """How long ``one`` takes, in units of ``other``."""
    return one.median / other.median


def _calls_in(run: Run, block: float, finish: Callable[[], object] | None) -> int:
    """How many calls fill a block; warms the contender up on the way."""
    calls = 1
    while True:
        taken = calls * _time(run, calls, finish)
        if taken >= block / 2:
            return max(1, round(calls * block / taken))
        calls *= 2


def _time(run: Run, calls: int, finish: Callable[[], object] | None) -> float:
    turns = range(calls)
    start = perf_counter()
    for _ in turns:
        run()
    if finish is not None:
        finish()
    return (perf_counter() - start) / calls
