"""Elementary functions beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

inf, nan = np.inf, np.nan
ANY = np.array([[0.3, -1.2, 1.7], [0.8, 1.9, -0.4]])
POSITIVE = np.array([[0.4, 1.3, 0.7], [2.1, 0.2, 1.6]])
INSIDE = np.array([[0.3, -0.7, 0.95], [-0.1, 0.5, -0.9]])
ABOVE_ONE = np.array([[1.3, 2.7], [1.05, 4.5]])
COMPLEX = np.array([[1 + 2j, -0.5j, 0.7], [-1.2 + 0.3j, 0.4 - 1j, 2j - 1]])
SPECIAL = np.array(
    [-inf, -800.0, -3.0, -2.5, -1.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 1.5, 2.5, 7.5, 25.0, 800.0, inf, nan]
)

DOMAINS = {
    "abs absolute exp exp2 expm1 sin cos tan atan arctan sinh cosh tanh asinh arcsinh neg negative": ANY,
    "floor ceil trunc fix round frac sign deg2rad rad2deg nan_to_num": ANY,
    "log log2 log10 log1p sqrt rsqrt": POSITIVE,
    "asin arcsin acos arccos atanh arctanh": INSIDE,
    "acosh arccosh": ABOVE_ONE,
}
FUNCTIONS = [(name, domain) for names, domain in DOMAINS.items() for name in names.split()]
IDS = [name for name, _ in FUNCTIONS]
COMPLEX_FUNCTIONS = """
    abs exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh neg
""".split()


@pytest.mark.parametrize(("name", "x"), FUNCTIONS, ids=IDS)
def test_one_operand(name, x, torch):
    agree(torch, f"t.{name}(x)", x)
    agree(torch, f"x.{name}()", x[0, 0])
    agree(torch, f"x.{name}()", x[:0])
    agree(torch, f"x.{name}()", x.astype(np.float32))


@pytest.mark.parametrize(("name", "x"), FUNCTIONS, ids=IDS)
def test_special_points(name, x, torch):
    agree(torch, f"x.{name}()", SPECIAL, order=1)


@pytest.mark.parametrize("name", COMPLEX_FUNCTIONS)
def test_complex(name, torch):
    agree(torch, f"x.{name}()", COMPLEX)
    agree(torch, f"x.{name}()", np.array([1 + 2j], np.complex64))


@pytest.mark.parametrize(("name", "x"), FUNCTIONS, ids=IDS)
def test_integers_and_truth_values(name, x, torch):
    for values in (
        np.array([1, 0, 2]),
        np.array([1, 2], np.uint8),
        np.array([-1, 2], np.int8),
        np.array([True, False]),
    ):
        agree(torch, f"x.{name}()", values, order=0)


@pytest.mark.parametrize(("name", "x"), FUNCTIONS, ids=IDS)
def test_float16(name, x, torch, device):
    if device.startswith("strict"):
        pytest.skip("array-api-strict has no float16")
    if name in ("deg2rad", "rad2deg") or name.endswith(("tanh", "tan")):
        pytest.skip("PyTorch computes these in float32 on the way")
    agree(torch, f"x.{name}()", x.astype(np.float16), order=1)


@pytest.mark.parametrize(("name", "x"), FUNCTIONS, ids=IDS)
def test_in_place(name, x, torch):
    # PyTorch has no derivative of some inverse hyperbolic functions in place.
    agree(torch, f"(x * 1).{name}_()", x, grad=[not name.startswith("a") or not name.endswith("h")])
    if name not in (
        "floor",
        "ceil",
        "trunc",
        "fix",
        "round",
        "sign",
        "abs",
        "absolute",
        "neg",
        "negative",
        "nan_to_num",
    ):
        agree(torch, f"x.{name}_()", np.array([1, 2]), order=0)  # the result has another dtype


OF_TWO = [
    "t.atan2(x, y)",
    "x.arctan2(y)",
    "t.hypot(x, y)",
    "t.logaddexp(x, y)",
    "t.logaddexp2(x, y)",
    "t.copysign(x, y)",
]


@pytest.mark.parametrize("expression", OF_TWO)
@pytest.mark.parametrize("y", [POSITIVE - 1, POSITIVE[0] - 1, 0.3])
def test_two_operands(expression, y, torch):
    agree(torch, expression, ANY, y)
    agree(torch, expression, y, ANY)
    agree(torch, expression, ANY, np.asarray(y, np.float32))


@pytest.mark.parametrize("expression", OF_TWO)
def test_pairs_of_special_points(expression, torch):
    x, y = np.meshgrid(SPECIAL, SPECIAL)
    agree(torch, expression, x, y, order=1)


@pytest.mark.parametrize(
    "expression",
    [
        "t.copysign(x, 1)", "t.copysign(x, -2.0)", "t.copysign(x, 0.0)", "(x * 1).copysign_(-1)",
        "x.round(decimals=1)", "x.round(decimals=-1)", "t.round(x, decimals=0)", "(x * 1).round_(decimals=1)",
        "(x * 1).atan2_(x.detach())", "(x * 1).hypot_(x.detach())", "x.nan_to_num(1.0)",
        "x.nan_to_num(nan=1, posinf=2, neginf=3)",
    ],
)  # fmt: skip
def test_parameters(expression, torch):
    agree(torch, expression, ANY)
    agree(torch, expression, SPECIAL, order=1)


@pytest.mark.parametrize("expression", ["t.copysign(x, -1)", "t.atan2(x, x)", "t.copysign(x, x)", "x.nan_to_num()"])
def test_integers_in_functions_of_two(expression, torch):
    agree(torch, expression, np.array([1, -2]), order=0)


@pytest.mark.parametrize(
    "expression",
    [
        "t.sign(t.tensor([1j]))", "t.floor(t.tensor([1j]))", "t.floor(t.tensor([True]))", "t.abs(t.tensor([True]))",
        "t.frac(t.tensor([1]))", "t.round(t.tensor([1]), decimals=1)", "t.hypot(t.tensor([1]), t.tensor([1]))",
        "t.logaddexp(t.tensor([1]), t.tensor([1]))", "t.atan2(t.tensor([1j]), t.tensor([1j]))", "t.exp(2.0)",
        "t.exp('a')", "t.sin([1.0])", "t.hypot(t.ones(2), t.ones(3))",
    ],
)  # fmt: skip
def test_errors(expression, torch):
    agree(torch, expression)


def test_default_dtype_of_functions_of_integers(t):
    t.set_default_dtype(t.float64)
    try:
        assert t.tensor([4]).sqrt().dtype == t.float64
    finally:
        t.set_default_dtype(t.float32)


@pytest.mark.parametrize("name", ["exp", "exp2", "sqrt", "rsqrt", "tanh", "tan", "reciprocal", "expm1"])
def test_saves_the_result_so_that_the_operand_may_be_written_to(name, t):
    x = t.ones(2, requires_grad=True) * 0.5
    y = getattr(x, name)()
    with t.no_grad():
        x.zero_()
    y.sum().backward()
    z = getattr(x, name)()
    with t.no_grad():
        z.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


@pytest.mark.parametrize("name", ["sin", "cos", "log", "atan", "abs", "cosh"])
def test_saves_the_operand_so_that_the_result_may_be_written_to(name, t):
    x = t.ones(2, requires_grad=True) * 0.5
    y = getattr(x, name)()
    y.mul_(2)
    y.sum().backward()


def test_logaddexp_of_far_apart_numbers_has_derivatives_of_second_order():
    x = gc.tensor([-800.0, 800.0], dtype=gc.float64, requires_grad=True)
    (first,) = gc.autograd.grad(gc.logaddexp(x, gc.zeros_like(x)).sum(), x, create_graph=True)
    assert first.tolist() == [0.0, 1.0]
    (second,) = gc.autograd.grad(first.sum(), x)
    assert second.tolist() == [0.0, 0.0]
