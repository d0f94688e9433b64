"""No difference from PyTorch in random programs of views, writes in place and backward (``random_programs.py``).

A program that shows one is printed as source, small, and runs as it stands with either library.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_programs import Machine

import gradcore as gc

# Seven bytes are a step, and zeros are none: bytes are drawn faster than lists of numbers, and made small as well.
PROGRAMS = st.binary(min_size=70, max_size=105)


def steps_of(data):
    """Bytes as steps: kind, tensor, choice, two other tensors, and whether these may have any shape."""
    parts = [data[k : k + 7] for k in range(0, len(data) - 6, 7)]
    # Most often tensors that were made last, so that views of views are written to.
    return [(p[0] - 1, p[1] % 8, p[2] * 256 + p[3], p[4] % 10, p[5] % 10, p[6]) for p in parts if p[0]]


# Without the phase that explains a failure: the program does that, and traces of so much code take minutes.
PHASES = [Phase.explicit, Phase.generate, Phase.shrink]
FEW = settings(max_examples=300, phases=PHASES)
MANY = settings(max_examples=5000, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])


@given(data=PROGRAMS)
@FEW
def test_a_program_does_the_same_as_with_pytorch(torch, data):
    Machine(gc, torch).play(steps_of(data))


@pytest.mark.slow
@given(data=PROGRAMS)
@MANY
def test_many_programs_do_the_same_as_with_pytorch(torch, data):
    Machine(gc, torch).play(steps_of(data))


def test_a_difference_is_printed_as_a_program_that_runs(torch):
    machine = Machine(gc, torch)
    machine.do("v = a[0]", "v")
    machine.ours["v"].data.add_(1)
    with pytest.raises(AssertionError) as caught:
        machine.look()
    text = str(caught.value)
    assert text.startswith("a.value\n  gradcore: array([[ 1.3")
    source = text[text.index("import gradcore") :]
    for library in ("gradcore", "torch"):
        names = {}
        exec(source.replace("import gradcore as t", f"import {library} as t"), names)
        assert tuple(names["v"].shape) == (3,)


def test_steps_are_of_every_kind_and_most_succeed(torch):
    import random

    choose = random.Random(7)
    lines, failed = [], 0
    for _ in range(60):
        machine = Machine(gc, torch)
        machine.play([tuple(choose.randrange(n) for n in (10_000, 6, 10_000, 10, 10, 10_000)) for _ in range(12)])
        lines += machine.lines
        failed += machine.failed
    text = "\n".join(lines)
    for part in (
        "_(",
        "no_grad",
        ".backward(",
        "autograd.grad(",
        "__setitem__",
        "requires_grad",
        "look",
        ".detach()",
        "[1:]",
    ):
        assert part in text, part
    assert failed < len(lines) / 3
