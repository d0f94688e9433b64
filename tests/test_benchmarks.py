"""The benchmarks compare programs that compute the same; how long they take is no test."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.__main__ import contenders, side_by_side
from benchmarks.catalogue import programs
from benchmarks.measure import Timing, interleave, ratio
from benchmarks.programs import CONTENDERS

# Slow, since arrays are as large as in the benchmark. autograd, written for older ones, warns about today's NumPy.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROGRAMS = {program.name: program for program in programs()}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_contender_computes_the_same(name):
    runs, missing = contenders(PROGRAMS[name])
    assert runs.keys() | missing.keys() == set(CONTENDERS)
    assert {"gradcore", "numpy"} <= runs.keys(), missing
    assert all("not installed" in why or "not made for training" in why for why in missing.values())


def test_a_contender_that_computes_something_else_is_not_timed():
    right = PROGRAMS["seed n=5"]
    wrong = dataclasses.replace(right, make={**right.make, "gradcore": lambda: lambda: (np.zeros(5),)})
    with pytest.raises(AssertionError, match="gradcore, seed n=5"):
        contenders(wrong)


def test_the_table_has_a_ratio_and_the_goal(capsys):
    found = side_by_side([PROGRAMS["seed n=5"]], repetitions=2)
    times = found["seed n=5"]["times"]
    assert all(len(t["repetitions_s"]) == 2 for t in times.values())
    header, _, row = capsys.readouterr().out.splitlines()[:3]
    cells = dict(zip(header.split("|"), row.split("|"), strict=True))
    cells = {k.strip(): v.strip() for k, v in cells.items()}
    assert (cells["goal"], cells["required"]) == ("0.5", "0.7")
    assert cells["/ numpy"] == f"{times['gradcore']['median_s'] / times['numpy']['median_s']:.2f}"


def test_contenders_take_turns():
    order = []
    times = interleave({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repetitions=4, block=1e-4)
    assert [len(t.seconds) for t in times.values()] == [4, 4]
    blocks = [x for i, x in enumerate(order) if i == 0 or order[i - 1] != x]
    # The warm-up, then ab, ba, ab, ba; two blocks that meet look like one.
    assert "".join(blocks) == "ab" + "ababa"


def test_medians_and_their_ratio():
    fast, slow = Timing((1.0, 1.0, 2.0)), Timing((4.0, 1.0, 4.0, 4.0, 5.0))
    assert ratio(fast, slow) == 0.25
    assert fast.spread == 1.0
    assert slow.spread == pytest.approx((4.5 - 2.5) / 4)
