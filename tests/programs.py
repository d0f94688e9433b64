"""Short programs as text, for tables of errors; each is run with gradcore, and with PyTorch as the referee."""

from __future__ import annotations

import numpy as np
import pytest


def run(program, t):
    """Run a program in which ``t`` is the library; gives the names it made."""
    names = {"t": t, "np": np}
    exec(compile(program, "<program>", "exec"), names)
    return names


def assert_raises(program, t, error, *phrases):
    """A program must raise exactly this class (or one of gradcore's own below it), with these phrases."""
    with pytest.raises(error) as caught:
        run(program, t)
    assert caught.type is error or caught.type.__module__ == "gradcore.errors", caught.type
    missing = [p for p in phrases if p not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"
