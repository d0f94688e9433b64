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


PLAIN = [
    "bessel_j0", "bessel_j1", "modified_bessel_i0", "modified_bessel_i1", "spherical_bessel_j0", "airy_ai",
    "bessel_y0", "bessel_y1", "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
]  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_functions_without_derivatives(name, torch):
    # In between, PyTorch's own j0 and airy_ai have eight digits; SciPy's, which are exact, are asked below.
    x = np.array([[0.3, -1.2, 17.0], [0.8, -1.5, -16.4], [2.0, 2.2, -13.5]])
    agree(torch, f"t.special.{name}(x)", x)
    agree(torch, f"t.special.{name}(x)", np.array([0.0, nan]))
    agree(torch, f"t.special.{name}(x)", np.array([1, 2, 5]))
    agree(torch, f"t.special.{name}(x)", np.array([1j]))


def test_functions_without_derivatives_take_no_float16(torch, device):
    if device.startswith("strict"):
        pytest.skip("array-api-strict has no float16")
    for name in (*PLAIN, "legendre_polynomial_p"):
        given = "x, 2" if "polynomial" in name else "x"
        agree(torch, f"t.special.{name}({given})", np.ones(2, np.float16))


@pytest.mark.parametrize("name", ["j0", "j1", "y0", "y1", "k0", "k1", "k0e", "k1e"])
def test_functions_without_derivatives_in_the_array_library_itself(name, device):
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(0.01, 60.0, 801), [1e-9, 500.0, 0.0, nan]])
    want, got = getattr(special, name)(x), fallback(name, x)
    # What oscillates has the rounding of its amplitude.
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-14 if name[0] in "jy" else 0.0)
    if name[0] == "j":
        np.testing.assert_allclose(fallback(name, -x), getattr(special, name)(-x), rtol=1e-13, atol=1e-14)
    else:
        assert np.isnan(fallback(name, -x[:5])).all()


def test_airy_beside_scipy(device):
    special = pytest.importorskip("scipy.special")
    x = np.linspace(-40.0, 40.0, 1001)
    got = gc.special.airy_ai(gc.tensor(x)).numpy(force=True)
    np.testing.assert_allclose(got, special.airy(x)[0], rtol=1e-13, atol=1e-14)
    right = x > 0.0
    np.testing.assert_allclose(got[right], special.airy(x[right])[0], rtol=1e-13)
