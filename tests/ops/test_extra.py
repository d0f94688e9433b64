"""The fallbacks for elementary functions that the standard lacks, beside NumPy's. Special functions: ``tests/ops/special``."""

from __future__ import annotations

import numpy as np
import pytest
from fallbacks import fallback

inf, nan = np.inf, np.nan


@pytest.mark.parametrize("name", ["exp2", "fmax", "fmin", "fmod", "logaddexp2"])
def test_functions_that_the_standard_lacks_agree_with_numpy(name, device):
    """Also where the backend has its own: another one may not."""
    points = np.array([-inf, -800.0, -7.5, -2.0, -0.5, -0.0, 0.0, 0.25, 3.0, 7.5, 800.0, inf, nan])
    operands = [points] if name == "exp2" else [a.ravel() for a in np.meshgrid(points, points)]
    with np.errstate(all="ignore"):
        want = getattr(np, name)(*operands)
    np.testing.assert_allclose(fallback(name, *operands), want, rtol=1e-14, atol=1e-300)
    if name == "fmod":
        x, y = (a.ravel() for a in np.meshgrid([-128, -7, -1, 0, 1, 7, 127], [-128, -3, -1, 1, 3, 127]))
        x, y = x.astype(np.int8), y.astype(np.int8)
        np.testing.assert_array_equal(fallback(name, x, y), np.fmod(x, y))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_frexp(dtype, device):
    limits = np.finfo(dtype)
    powers = np.exp2(np.arange(-20.0, 20.0)).astype(dtype)
    points = [
        0.0,
        -0.0,
        inf,
        -inf,
        nan,
        limits.max,
        -limits.max,
        limits.tiny,
        limits.smallest_subnormal,
        3 * limits.tiny / 4,
    ]
    x = np.concatenate([powers, np.nextafter(powers, 0), -np.nextafter(powers, inf), np.array(points, dtype)])
    mantissa, exponent = fallback("frexp", x.astype(dtype))
    want = np.frexp(x.astype(dtype))
    np.testing.assert_array_equal(mantissa, want[0])
    np.testing.assert_array_equal(exponent, want[1])
    assert (mantissa.dtype, exponent.dtype) == (dtype, np.int32)


@pytest.mark.parametrize("name", ["gcd", "lcm"])
def test_divisors_and_multiples(name, device):
    numbers = np.array([-12, -7, -1, 0, 1, 6, 8, 35, 10_000_019, 6_469_693_230])
    x, y = (a.ravel() for a in np.meshgrid(numbers, numbers))
    np.testing.assert_array_equal(fallback(name, x, y), getattr(np, name)(x, y))
    small = np.array([0, 4, 6, 9, 200], np.uint8)
    np.testing.assert_array_equal(fallback(name, small, small[::-1].copy()), getattr(np, name)(small, small[::-1]))
