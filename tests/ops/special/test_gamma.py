"""The gamma function's logarithm, its derivatives and relatives beside PyTorch's; beside SciPy's, without a backend's help."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from fallbacks import close_to, fallback
from referee import agree

import gradcore as gc
from gradcore.autograd import forward_ad
from gradcore.ops import _extra

inf, nan = np.inf, np.nan
ANY = np.array([[0.3, -1.2, 1.7], [0.8, 11.9, -0.4]])
POSITIVE = np.array([[0.4, 1.3, 0.7], [2.1, 0.2, 1.6]])
POLES = np.array([0.0, -0.0, -1.0, -2.0, inf, nan])


@pytest.mark.parametrize("name", ["lgamma", "digamma"])
def test_one_operand(name, torch):
    agree(torch, f"t.{name}(x)", ANY)
    agree(torch, f"x.{name}()", 0.3)
    agree(torch, f"x.{name}()", np.ones((0, 2)))
    agree(torch, f"x.{name}()", ANY.astype(np.float32), order=1)
    agree(torch, f"x.{name}()", np.array([1, 2, 5]), order=0)
    agree(torch, f"(x * 1).{name}_()", ANY)
    agree(torch, f"x.{name}()", POLES, order=0)
    agree(torch, f"x.{name}()", np.array([-inf]), order=0)
    agree(torch, f"x.{name}()", [1j])


@pytest.mark.parametrize("n", range(6))
def test_polygamma(n, torch):
    agree(torch, f"t.polygamma({n}, x)", ANY)
    agree(torch, f"x.polygamma({n})", POSITIVE)
    agree(torch, f"t.special.polygamma({n}, x)", np.array([1, 2, 3]), order=0)
    agree(torch, f"(x * 1).polygamma_({n})", POSITIVE)
    agree(torch, f"t.polygamma({n}, x)", np.array([0.0, nan]), order=0)


def test_polygamma_at_poles_and_infinity(device):
    x = gc.tensor([-1.0, -2.0, inf], dtype=gc.float64)
    assert gc.polygamma(1, x).tolist() == [inf, inf, 0.0]
    assert gc.polygamma(2, x).tolist() == [-inf, -inf, 0.0]


@pytest.mark.parametrize("expression", ["t.polygamma(-1, x)", "t.polygamma(1.5, x)", "t.polygamma(1, 2.0)"])
def test_polygamma_refuses(expression, torch):
    agree(torch, expression, POSITIVE)


@pytest.mark.parametrize("p", [1, 2, 3, 5])
def test_mvlgamma(p, torch):
    agree(torch, f"x.mvlgamma({p})", POSITIVE + 2.5)
    agree(torch, f"t.special.multigammaln(x, {p})", POSITIVE.astype(np.float32) + 2.5, order=1)
    agree(torch, f"(x * 1).mvlgamma_({p})", POSITIVE + 2.5)
    agree(torch, f"t.mvlgamma(x, {p})", np.array([3, 4]), order=0)


@pytest.mark.parametrize("p", [0, -1])
def test_mvlgamma_refuses(p, torch):
    agree(torch, f"x.mvlgamma({p})", POSITIVE)


@pytest.mark.parametrize("name", ["igamma", "igammac", "special.gammainc", "special.gammaincc"])
def test_incomplete_gamma(name, torch):
    x = np.array([[0.5, 1.0], [3.0, 40.0]])
    agree(torch, f"t.{name}(x, y)", x, np.array([0.7, 35.0]), grad=[False, True], order=1)
    agree(
        torch, f"t.{name}(x, y)", x.astype(np.float32), np.array([0.7, 35.0], np.float32), grad=[False, True], order=1
    )
    agree(torch, f"t.{name}(x, y)", np.array([1, 2]), np.array([0.7, 35.0]), order=0, grad=[False, False])
    a, b = np.meshgrid([0.0, 1.0, -1.0, inf], [0.0, 1.0, -1.0, inf])
    agree(torch, f"t.{name}(x, y)", np.array([nan, 1.0]), np.array([1.0, nan]), order=0, grad=[False, False])
    agree(torch, f"t.{name}(x, y)", a, b, order=0, grad=[False, False])
    agree(torch, f"t.{name}(x, x)", np.array([1, 2]))
    agree(torch, f"t.{name}(x, 2.0)", x)


def test_zeta(torch):
    q = np.array([[0.4, 1.3, -1.7], [2.1, 0.2, 12.6]])
    agree(torch, "t.special.zeta(x, y)", np.array([2.0, 3.0, 4.0]), q, grad=[False, True])
    agree(torch, "t.special.zeta(2.0, x)", q, order=1)
    agree(torch, "t.special.zeta(3, x)", q)
    agree(torch, "t.special.zeta(x, 2)", np.array([1.5, 2.0, 1.0, 0.5]), order=0)
    agree(torch, "t.special.zeta(x, x)", np.array([2, 3]), order=0)
    agree(torch, "t.special.zeta(x, x)", np.array([2j]))


@pytest.mark.parametrize(
    "program", ["t.igamma(x, x)", "t.igammac(x, 2 * x)", "t.special.zeta(x, x)", "t.special.zeta(x, 2)"]
)
def test_gradients_of_what_has_no_derivative_are_refused(program, t):
    x = t.tensor([1.5, 2.0], requires_grad=True)
    out = eval(program, {"t": t, "x": x})
    with pytest.raises(NotImplementedError, match=r"the derivative for .* is not implemented"):
        out.sum().backward()


@pytest.mark.parametrize("name", ["igamma", "igammac"])
def test_tangents_of_what_has_no_derivative_are_refused(name, device):
    with forward_ad.dual_level():
        x = forward_ad.make_dual(gc.tensor([1.5]), gc.tensor([1.0]))
        with pytest.raises(NotImplementedError, match=f"the derivative for '{name}: input' is not implemented"):
            getattr(gc, name)(x, gc.tensor([1.0]))
        with pytest.raises(NotImplementedError, match="the derivative for 'zeta: input' is not implemented"):
            gc.special.zeta(x, gc.tensor([1.0]))
        with pytest.raises(NotImplementedError, match="the derivative for 'zeta: input' is not implemented"):
            gc.special.zeta(x, 2.0)


GRID = np.concatenate(
    [np.linspace(-9.97, 30.0, 1001), np.logspace(-12, 5, 100), [-inf, -2.0, -1.0, -0.0, 0.0, 1.0, 2.0, inf, nan]]
)
BETWEEN_ZEROS = np.linspace(-3.0, 3.0, 4001)


@pytest.mark.parametrize(("name", "theirs"), [("lgamma", "gammaln"), ("digamma", "psi")])
def test_in_the_array_library_itself(name, theirs, device):
    special = pytest.importorskip("scipy.special")
    grid = GRID[1:] if name == "lgamma" else GRID
    grid = grid[~np.isneginf(grid)]
    close_to(getattr(special, theirs)(grid), fallback(name, grid), 1e-11)
    # Next to its zeros a value has the rounding of what cancels there.
    want, got = getattr(special, theirs)(BETWEEN_ZEROS), fallback(name, BETWEEN_ZEROS)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_polygamma_in_the_array_library_itself(n, device):
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-6.3, 20.0, 57), [1e3, 1e-3]])
    want = (-1.0) ** (n + 1) * special.factorial(n) * special.zeta(n + 1, x)
    got = (-1.0) ** (n + 1) * special.factorial(n) * fallback("zeta", np.full(x.shape, n + 1.0), x)
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_zeta_in_the_array_library_itself(device):
    special = pytest.importorskip("scipy.special")
    s, q = np.meshgrid(
        [-1.0, 0.5, 1.0, 1.05, 1.5, 2.0, 3.0, 10.0, 30.0], [-2.0, -0.5, 0.0, 0.3, 1.0, 7.5, 1e7, inf, nan]
    )
    close_to(special.zeta(s, q), fallback("zeta", s, q), 1e-13)


def test_incomplete_gamma_in_the_array_library_itself(device):
    special = pytest.importorskip("scipy.special")
    shapes = [0.0, 1e-3, 0.3, 1.0, 2.5, 8.0, 9.9, 10.0, 30.0, 1e4, -1.0, inf, nan]
    a, x = np.meshgrid(shapes, np.concatenate([np.logspace(-3, 4, 40), [0.0, -1.0, inf, nan]]))
    close_to(special.gammainc(a, x), fallback("gammainc", a, x), 1e-11)
    close_to(special.gammaincc(a, x), fallback("gammaincc", a, x), 1e-11)


@pytest.fixture
def without_special_functions(monkeypatch):
    """The device under test without SciPy or its like."""
    xp = gc.get_default_device().xp
    monkeypatch.setattr(xp, "special", lambda: None, raising=False)
    monkeypatch.setattr(_extra, "_found", functools.cache(_extra._find))


PROGRAMS = [
    "t.lgamma(x)", "t.digamma(x)", "t.polygamma(2, x)", "t.mvlgamma(x + 2, 3)", "t.erf(x)", "t.special.erfcx(x)",
    "t.erfinv(x / 4)", "t.special.ndtr(x)", "t.special.ndtri(x / 4)", "t.special.log_ndtr(x)", "t.i0(x)",
    "t.special.i0e(x)", "t.special.i1(x)", "t.special.i1e(x)", "t.special.zeta(2.5, x)", "t.igamma(x.detach(), x)",
    "t.special.gammaincc(x.detach(), x)",
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_without_a_module_of_special_functions(program, torch, without_special_functions):
    agree(torch, program, POSITIVE)
    agree(torch, program, POSITIVE.astype(np.float32), order=1)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_mvlgamma_at_infinities(p, torch):
    agree(torch, f"t.mvlgamma(x, {p})", np.array([-inf, inf, nan, 4.0]), order=0)
