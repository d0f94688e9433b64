"""``python -m benchmarks``: run the comparison and print it. The package's docstring says how and why."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.catalogue import programs
from benchmarks.measure import interleave, ratio
from benchmarks.programs import CONTENDERS, Program, Run, Unavailable, chain, host
from benchmarks.startup import BUDGET, import_times

LONG = (10_000, 100_000)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="gradcore's speed beside others'")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--only", action="append", metavar="NAME", help="what has NAME in its name; repeatable")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured there")
    options = parser.parse_args(argv)

    def wanted(name: str) -> bool:
        return options.only is None or any(part in name for part in options.only)

    _use_all_cores()
    result: dict[str, Any] = {"environment": report.environment()}
    print(*(f"{key:<9} {value}" for key, value in result["environment"].items()), sep="\n", end="\n\n")
    chosen = [p for p in programs() if wanted(p.name)]
    if chosen:
        result["programs"] = side_by_side(chosen, repetitions=5 if options.quick else 25)
    if wanted("long chain"):
        result["long chain"] = long_chain(repetitions=1 if options.quick else 3)
    if wanted("import"):
        result["import"] = imports(repetitions=3 if options.quick else 9)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1))
    return 0


def side_by_side(chosen: Sequence[Program], repetitions: int) -> dict[str, Any]:
    """Time programs and print the table."""
    rows: list[list[str]] = []
    absent: list[str] = []
    found: dict[str, Any] = {}
    for program in chosen:
        runs, missing = contenders(program)
        times = interleave(runs, repetitions=repetitions)
        rows.append(report.comparison(program, times))
        absent += [f"not run: {name} ({program.name}): {why}" for name, why in missing.items()]
        found[program.name] = {
            "times": {name: report.as_json(t) for name, t in times.items()},
            "missing": missing,
            "goal": program.goal,
            "required": program.required,
        }
    print(*report.table(report.HEADER, rows), report.LEGEND, *absent, "", sep="\n")
    return found


def contenders(program: Program) -> tuple[dict[str, Run], dict[str, str]]:
    """What each library has to run, and why some have nothing.

    Raises:
        AssertionError: one computes something else than NumPy does.
    """
    runs: dict[str, Run] = {}
    missing: dict[str, str] = {}
    expected = [host(v) for v in program.make["numpy"]()()]
    for name in CONTENDERS:
        try:
            # A fresh one is compared: a training step changes what the next one computes.
            for ours, theirs in zip(program.make[name]()(), expected, strict=True):
                np.testing.assert_allclose(host(ours), theirs, rtol=1e-4, atol=1e-6, err_msg=f"{name}, {program.name}")
            runs[name] = program.make[name]()
        except Unavailable as e:
            missing[name] = str(e)
    return runs, missing


def long_chain(repetitions: int) -> dict[str, Any]:
    """Whether time per operation stays the same in a graph ten times as long, freeing it included."""
    short, long = LONG
    found: dict[str, Any] = {}
    for name in ("gradcore", "torch"):
        try:
            runs = {str(n): chain(n)[name]() for n in LONG}
        except Unavailable as e:
            print(f"not run: long chain, {name}: {e}")
            continue
        times = interleave(runs, repetitions=repetitions)
        each = times[str(long)].median / long * 1e6
        grown = ratio(times[str(long)], times[str(short)]) / (long / short)
        found[name] = {n: report.as_json(t) for n, t in times.items()}
        print(f"chain of {long:,}, {name}: {each:.2f} µs per operation, {grown:.2f} times that of {short:,}")
    return found


def imports(repetitions: int) -> dict[str, Any]:
    """What importing costs."""
    times, numpy = import_times(("gradcore", "torch", "autograd"), repetitions)
    for name, t in times.items():
        budget = f" (budget {BUDGET} s)" if name == "gradcore" else ""
        print(f"import {name}: {t.median:.3f} s beyond NumPy's {numpy.median:.3f} s{budget}")
    return {name: report.as_json(t) for name, t in times.items()}


def _use_all_cores() -> None:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(os.cpu_count() or 1)


if __name__ == "__main__":
    raise SystemExit(main())
