"""Special functions beside PyTorch's; the error function also beside SciPy's, without help of a backend."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.ops import _extra

inf, nan = np.inf, np.nan
ANY = np.array([[0.3, -1.2, 1.7], [0.8, 1.9, -0.4]])
POSITIVE = np.array([[0.4, 1.3, 0.7], [2.1, 0.2, 1.6]])
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


def test_sinc_of_complex_numbers(torch):
    agree(torch, "x.sinc()", np.array([1 + 2j, 0.3 - 0.5j, 2.0]))


@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_complex_numbers_are_refused(name, torch):
    agree(torch, f"x.{name}()", [1j])


@pytest.mark.parametrize(
    "expression",
    ["t.xlogy(x, y)", "t.xlogy(x, 2)", "t.xlogy(2, y)", "x.xlogy(y)", "(x * 1).xlogy_(y)", "t.xlogy(0, y)"],
)
def test_xlogy(expression, torch):
    agree(torch, expression, ANY, POSITIVE)
    agree(torch, expression, ANY, POSITIVE[0])
    points = np.array([0.0, -0.0, 1.0, -1.0, inf, nan])
    x, y = np.meshgrid(points, points)
    agree(torch, expression, x, y, order=1)


def test_xlogy_of_integers(torch):
    agree(torch, "t.xlogy(x, x)", np.array([0, 1, 2]), order=0)


@pytest.mark.parametrize("name", ["erf", "erfc"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 1e-6)])
def test_error_function_in_the_array_library_itself(name, dtype, tolerance, device):
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-6.0, 9.0, 30001), SPECIAL]).astype(dtype)
    xp = gc.get_default_device().xp
    got = gc.as_tensor(_extra._GENERIC[name](xp, gc.tensor(x)._data)).numpy(force=True)
    want = getattr(special, name)(x.astype(np.float64))
    assert got.dtype == dtype
    usual = ~(np.abs(want) < np.finfo(dtype).tiny)
    np.testing.assert_allclose(got[usual], want[usual], rtol=tolerance)
    np.testing.assert_allclose(got[~usual], want[~usual], atol=np.finfo(dtype).tiny)


def test_error_function_of_zero_keeps_its_sign():
    xp = gc.get_default_device().xp
    made = gc.as_tensor(_extra._GENERIC["erf"](xp, gc.tensor([-0.0, 0.0])._data)).numpy(force=True)
    assert np.signbit(made).tolist() == [True, False]


@pytest.mark.parametrize("name", ["exp2", "fmax", "fmin", "fmod", "logaddexp2"])
def test_functions_that_the_standard_lacks_agree_with_numpy(name, device):
    """Also where the backend has its own: another one may not."""
    xp = gc.get_default_device().xp
    points = np.array([-inf, -800.0, -7.5, -2.0, -0.5, -0.0, 0.0, 0.25, 3.0, 7.5, 800.0, inf, nan])
    operands = [points] if name == "exp2" else [a.ravel() for a in np.meshgrid(points, points)]
    with np.errstate(all="ignore"):
        got = gc.as_tensor(_extra._GENERIC[name](xp, *(gc.tensor(a)._data for a in operands))).numpy(force=True)
        np.testing.assert_allclose(got, getattr(np, name)(*operands), rtol=1e-14, atol=1e-300)
    if name == "fmod":
        x, y = (a.ravel() for a in np.meshgrid([-128, -7, -1, 0, 1, 7, 127], [-128, -3, -1, 1, 3, 127]))
        x, y = x.astype(np.int8), y.astype(np.int8)
        got = gc.as_tensor(_extra._GENERIC[name](xp, gc.tensor(x)._data, gc.tensor(y)._data)).numpy(force=True)
        np.testing.assert_array_equal(got, np.fmod(x, y))
