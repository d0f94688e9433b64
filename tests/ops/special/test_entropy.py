"""Products with logarithms beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

inf, nan = np.inf, np.nan
ANY = np.array([[0.3, -1.2, 1.7], [0.8, 1.9, -0.4]])
POSITIVE = np.array([[0.4, 1.3, 0.7], [2.1, 0.2, 1.6]])


@pytest.mark.parametrize(
    "expression",
    [
        "t.xlogy(x, y)", "t.xlogy(x, 2)", "t.xlogy(2, y)", "x.xlogy(y)", "(x * 1).xlogy_(y)", "t.xlogy(0, y)",
        "t.special.xlog1py(x, y)", "t.special.xlog1py(x, 2)", "t.special.xlog1py(2, y)", "t.special.xlog1py(0, y)",
    ],
)  # fmt: skip
def test_products(expression, torch):
    agree(torch, expression, ANY, POSITIVE)
    agree(torch, expression, ANY, POSITIVE[0])
    points = np.array([0.0, -0.0, 1.0, -1.0, inf, nan])
    x, y = np.meshgrid(points, points)
    agree(torch, expression, x, y, order=1)


@pytest.mark.parametrize("expression", ["t.xlogy(x, x)", "t.special.xlog1py(x, x)", "t.special.entr(x)"])
def test_integers(expression, torch):
    agree(torch, expression, np.array([0, 1, 2]), order=0)


@pytest.mark.parametrize("expression", ["t.xlogy(x, x)", "t.special.xlog1py(x, 2.0)", "t.special.entr(x)"])
def test_complex_numbers_are_refused(expression, torch):
    agree(torch, expression, np.array([1j]))


def test_entr(torch):
    agree(torch, "t.special.entr(x)", POSITIVE)
    agree(torch, "t.special.entr(x)", np.append(ANY, [0.0, -0.0, inf, -inf, nan]), order=1)


@pytest.mark.parametrize("eps", ["None", "0.3", "0.0", "-0.1", "0.6", "2.0"])
def test_logit(eps, torch):
    agree(torch, f"t.logit(x, {eps})", np.array([-0.5, 0.0, 0.2, 0.5, 0.9, 1.0, 1.5, nan]), order=1)
    agree(torch, f"t.special.logit(x, eps={eps})", np.array([0.35, 0.62]))
    agree(torch, f"(x * 1).logit_({eps})", np.array([0.35, 0.62, 0.1]))


@pytest.mark.parametrize("name", ["t.xlogy", "t.special.xlog1py"])
def test_second_order_where_the_factor_is_zero(name, torch):
    def run(t):
        x = t.tensor([0.0, 0.0, 0.0, 2.0], requires_grad=True)
        y = t.tensor([0.0, -1.0, -2.0, 3.0])
        g = t.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
        (first,) = t.autograd.grad(eval(name, {"t": t})(x, y), x, g, create_graph=True)
        return first.tolist(), t.autograd.grad(first.sum(), g)[0].tolist()

    for got, want in zip(run(gc), run(torch), strict=True):
        assert got == pytest.approx(want, nan_ok=True)
