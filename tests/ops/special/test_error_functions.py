"""The error function and its like beside PyTorch's; also beside SciPy's, without help of a backend."""

from __future__ import annotations

import numpy as np
import pytest
from fallbacks import close_to, fallback
from referee import agree

inf, nan = np.inf, np.nan
ANY = np.array([[0.3, -1.2, 1.7], [0.8, 1.9, -0.4]])
SPECIAL = np.array(
    [-inf, -30.0, -5.0, -1.0, -0.46875, -0.0, 0.0, 1e-300, 0.46875, 0.5, 3.999, 4.0, 26.0, 30.0, inf, nan]
)


@pytest.mark.parametrize("name", ["erf", "erfc", "sinc"])
def test_one_operand(name, torch):
    agree(torch, f"t.{name}(x)", ANY)
    agree(torch, f"x.{name}()", 0.3)
    agree(torch, f"x.{name}()", np.ones((0, 2)))
    agree(torch, f"x.{name}()", ANY.astype(np.float32))
    agree(torch, f"x.{name}()", np.array([0, 1, 2]), order=0)
    agree(torch, f"(x * 1).{name}_()", ANY)
    agree(torch, f"x.{name}()", np.append(ANY, [0.0, inf, -inf, nan]), order=1)


def test_erfcx(torch):
    agree(torch, "t.special.erfcx(x)", ANY)
    agree(torch, "t.special.erfcx(x)", np.append(ANY, [0.0, 30.0, -30.0, inf, nan]), order=1)
    agree(torch, "t.special.erfcx(x)", np.array([0, 1, -2]), order=0)


def test_sinc_of_complex_numbers(torch):
    agree(torch, "x.sinc()", np.array([1 + 2j, 0.3 - 0.5j, 2.0]))


@pytest.mark.parametrize("name", ["erf", "erfc", "special.erfcx"])
def test_complex_numbers_are_refused(name, torch):
    agree(torch, f"t.{name}(x)", [1j])


@pytest.mark.parametrize("name", ["erf", "erfc", "erfcx"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 2e-5)])
def test_in_the_array_library_itself(name, dtype, tolerance, device):
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-6.0, 9.0, 3001), SPECIAL]).astype(dtype)
    with np.errstate(over="ignore"):
        want = getattr(special, name)(x.astype(np.float64)).astype(dtype)
    close_to(want, fallback(name, x), tolerance)


def test_error_function_of_zero_keeps_its_sign(device):
    assert np.signbit(fallback("erf", np.array([-0.0, 0.0]))).tolist() == [True, False]


@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_float16_in_the_array_library_itself(name, device):
    if device.startswith("strict"):
        pytest.skip("array-api-strict has no float16")
    x = np.linspace(-4.0, 4.0, 41).astype(np.float16)
    want = fallback(name, x.astype(np.float64))
    np.testing.assert_allclose(fallback(name, x), want.astype(np.float16), rtol=1e-3, atol=1e-6)
