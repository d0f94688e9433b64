"""Bessel functions beside PyTorch's; also beside SciPy's, without help of a backend."""

from __future__ import annotations

import numpy as np
import pytest
from fallbacks import close_to, fallback
from referee import agree

import gradcore as gc

inf, nan = np.inf, np.nan
ANY = np.array([[0.3, -1.2, 17.0], [0.8, -25.0, -0.4]])


@pytest.mark.parametrize("name", ["i0", "i0e", "i1", "i1e"])
def test_modified_of_the_first_kind(name, torch):
    agree(torch, f"t.special.{name}(x)", ANY)
    agree(torch, f"t.special.{name}(x)", np.array([0.0, -0.0, 1e-17, 1e-9, nan]), order=1)
    agree(torch, f"t.special.{name}(x)", np.array([-1, 0, 2]), order=0)
    agree(torch, f"t.special.{name}(x)", ANY.astype(np.float32), order=1)
    agree(torch, f"t.special.{name}(x)", np.array([1j]))


def test_i0_as_a_method(torch):
    agree(torch, "x.i0()", ANY)
    agree(torch, "(x * 1).i0_()", ANY)


def test_scaled_ones_vanish_at_infinity(device):
    x = gc.tensor([-inf, inf], dtype=gc.float64)
    assert gc.special.i0e(x).tolist() == gc.special.i1e(x).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["i0", "i0e", "i1", "i1e"])
def test_in_the_array_library_itself(name, device):
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-60.0, 60.0, 1001), [-inf, -0.0, 0.0, 1e-300, 700.0, 709.0, 1e4, inf, nan]])
    close_to(getattr(special, name)(x), fallback(name, x), 1e-14)
