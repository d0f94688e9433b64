"""The normal distribution beside PyTorch's; also beside SciPy's, without help of a backend."""

from __future__ import annotations

import numpy as np
import pytest
from fallbacks import close_to, fallback
from referee import agree

inf, nan = np.inf, np.nan
ANY = np.array([[0.3, -1.2, 1.7], [0.8, 1.9, -0.4]])
SHARES = np.array([[0.03, 0.4, 0.5], [0.7, 0.999, 1e-9]])
EDGES = np.array([0.0, 1.0, -0.1, 1.1, nan, inf])


def test_distribution(torch):
    agree(torch, "t.special.ndtr(x)", ANY)
    agree(torch, "t.special.ndtr(x)", np.array([-inf, -10.0, 0.0, inf, nan]), order=1)
    agree(torch, "t.special.ndtr(x)", ANY.astype(np.float32))
    agree(torch, "t.special.ndtr(x)", np.array([-1, 0, 2]), order=0)
    agree(torch, "t.special.ndtr(x)", np.array([1j]))


def test_logarithm(torch):
    agree(torch, "t.special.log_ndtr(x)", ANY)
    agree(torch, "t.special.log_ndtr(x)", np.array([-inf, -1000.0, -30.0, -1.0, 0.0, 30.0, inf, nan]), order=1)
    agree(torch, "t.special.log_ndtr(x)", np.array([-1, 0, 2]), order=0)


def test_quantiles(torch):
    agree(torch, "t.special.ndtri(x)", SHARES)
    agree(torch, "t.special.ndtri(x)", EDGES, order=1)
    agree(torch, "t.special.ndtri(x)", np.array([0, 1, 2]), order=0)


def test_erfinv(torch):
    agree(torch, "t.erfinv(x)", SHARES * 2 - 1)
    agree(torch, "x.erfinv()", np.append(EDGES, -EDGES), order=1)
    agree(torch, "(x * 1).erfinv_()", SHARES)
    agree(torch, "t.special.erfinv(x)", np.array([0, 1, -1, 2]), order=0)
    agree(torch, "t.erfinv(x)", np.array([1j]))


def test_in_the_array_library_itself(device):
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-60.0, 60.0, 1001), [-inf, -0.0, 0.0, inf, nan]])
    close_to(special.log_ndtr(x), fallback("log_ndtr", x), 1e-12)
    p = np.concatenate([np.linspace(0.0, 1.0, 1001), np.logspace(-300, -1, 100), 1 - np.logspace(-16, -1, 50), EDGES])
    close_to(special.ndtri(p), fallback("ndtri", p), 1e-14)
    close_to(special.erfinv(p), fallback("erfinv", p), 1e-14)
    close_to(special.erfinv(-p), fallback("erfinv", -p), 1e-14)
