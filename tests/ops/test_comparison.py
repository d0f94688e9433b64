"""Comparisons, truth values and bits beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

inf, nan = np.inf, np.nan
KINDS = {
    "bool": [True, False, True],
    "uint8": np.array([0, 1, 255], np.uint8),
    "int8": np.array([0, -1, 127], np.int8),
    "int64": np.array([0, -1, 5]),
    "float32": np.array([0.0, -1.0, 1.5], np.float32),
    "float64": np.array([0.0, nan, inf]),
    "complex64": np.array([0, 1 + 2j, -1j], np.complex64),
    "number": np.array(1.0),
    "whole number": np.array(1),
    "empty": np.ones((0, 3)),
}
COMPARISONS = ["x == y", "x != y", "x < y", "x <= y", "x > y", "x >= y"]
NAMES = "eq ne lt le gt ge not_equal less less_equal greater greater_equal".split()
LOGICAL = ["t.logical_and(x, y)", "x.logical_or(y)", "t.logical_xor(x, y)"]
BITWISE = ["x & y", "x | y", "x ^ y", "t.bitwise_and(x, y)", "t.bitwise_or(x, y)", "t.bitwise_xor(x, y)"]


def host(x):
    return x.numpy(force=True)


@pytest.mark.parametrize("a", KINDS)
@pytest.mark.parametrize("b", KINDS)
def test_pairs(a, b, torch):
    for expression in [*COMPARISONS, *LOGICAL, *BITWISE]:
        agree(torch, expression, KINDS[a], KINDS[b])


@pytest.mark.parametrize("name", NAMES)
def test_names(name, torch):
    agree(torch, f"t.{name}(x, y)", KINDS["float32"], KINDS["int64"])
    agree(torch, f"x.{name}(1)", KINDS["float32"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", ["0", "1.5", "300", "-1", "True", "1j", "float('nan')"])
def test_comparison_with_numbers(kind, number, torch):
    for operator in ("==", "!=", "<", ">="):
        agree(torch, f"x {operator} {number}", KINDS[kind])
        agree(torch, f"{number} {operator} x", KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", ["0", "3", "True", "1.5"])
def test_bits_with_numbers(kind, number, torch):
    for operator in "&|^":
        agree(torch, f"x {operator} {number}", KINDS[kind])
        agree(torch, f"{number} {operator} x", KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "expression",
    [
        "~x", "t.bitwise_not(x)", "t.logical_not(x)", "t.isnan(x)", "x.isinf()", "x.isfinite()", "t.isposinf(x)",
        "t.isneginf(x)", "t.isreal(x)", "t.signbit(x)",
    ],
)  # fmt: skip
def test_one_operand(expression, kind, torch):
    agree(torch, expression, KINDS[kind])


def test_signs_of_what_is_not_finite(torch):
    for expression in ("t.signbit(x)", "t.isposinf(x)", "t.isneginf(x)", "x.isinf()"):
        agree(torch, expression, [-0.0, 0.0, inf, -inf, nan, -nan])
    agree(torch, "x.isinf()", [complex(0, inf), complex(nan, 1), 1j])
    agree(torch, "x.isfinite()", [complex(0, inf), complex(nan, 1), 1j])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_shifts(dtype, torch):
    bits = np.dtype(dtype).itemsize * 8
    values = [0, 1, 3, 100] + ([-1, -100] if dtype.startswith("i") else [])
    x, y = np.meshgrid(np.array(values, dtype), np.array([0, 1, 5, bits - 2], dtype))
    for expression in ("x << y", "x >> y", "t.bitwise_left_shift(x, y)", "t.bitwise_right_shift(x, y)"):
        agree(torch, expression, x, y)
    for by in (0, 1, bits - 1, bits, bits + 6, -1):
        agree(torch, f"x << {by}", x)
        agree(torch, f"x >> {by}", x)
    agree(torch, "1 << y", x, y)
    agree(torch, "100 >> y", x, y)


@pytest.mark.parametrize("expression", ["x << 1", "x >> 1.0", "x << x"])
def test_shifts_of_floats_are_refused(expression, torch):
    agree(torch, expression, [1.0])


@pytest.mark.parametrize("expression", ["x == y", "x < y", "t.logical_and(x, y)"])
def test_shapes(expression, torch):
    agree(torch, expression, np.ones((2, 1)), np.ones(3))
    agree(torch, expression, np.ones(2), np.ones(3))


def test_no_history(t):
    x = t.ones(2, requires_grad=True)
    for made in (x == x, x > 0, t.isnan(x), t.logical_not(x)):
        assert made.dtype == t.bool
        assert not made.requires_grad
        assert made.grad_fn is None


def test_comparison_with_what_is_no_number(t):
    x = t.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == "a") is False
    for expression in ("x < None", "x >= 'a'", "x & 'a'", "'a' | x", "x << 'a'", "None >> x"):
        with pytest.raises(TypeError):
            eval(expression, {"x": x})


def test_in_place_comparison_has_the_gradient_zero(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.gt_(4)
    assert type(y.grad_fn).__name__ == "GtBackward0"
    (y * x).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0]
    z = x * 3
    z[1:].eq_(6)
    (z * t.tensor([2.0, 5.0])).sum().backward()
    assert x.grad.tolist() == [6.0, 1.0]


def test_in_place_logical_functions_cut_the_history():
    # PyTorch keeps the history that the value had before, and so gives a wrong gradient.
    x = gc.tensor([1.0, 0.0], requires_grad=True)
    y = x * 3
    y.logical_not_()
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("equal_nan", [False, True])
def test_isclose(equal_nan, torch):
    x = np.array([1.0, 1.0, 1.0, 0.0, nan, inf, inf, -inf, 1.0])
    y = np.array([1.0, 1.0 + 1e-6, 1.1, 1e-9, nan, inf, -inf, -inf, inf])
    for arguments in ("", ", rtol=0.2", ", atol=0.2, rtol=0", ", 0.0, 0.0"):
        agree(torch, f"t.isclose(x, y{arguments}, equal_nan={equal_nan})", x, y)
    agree(torch, f"t.isclose(x, y, equal_nan={equal_nan})", x + 1j, y + 1j)
    agree(torch, "t.isclose(x, y, atol=1)", np.array([1, 2, 3]), np.array([1, 3, 5]))
    agree(torch, "t.isclose(x, y)", np.array([True, False]), np.array([True, True]))


@pytest.mark.parametrize(
    "expression", ["t.isclose(x, y)", "t.isclose(x, x, rtol=-1)", "t.isclose(x, x, atol=-1)", "t.allclose(x, y)"]
)
def test_errors_of_isclose(expression, torch):
    agree(torch, expression, np.ones(2), np.ones(2, np.float32))


def test_one_truth_value(t):
    x = t.tensor([1.0, 2.0])
    assert t.equal(x, t.tensor([1.0, 2.0])) is True
    assert t.equal(x, t.tensor([1.0, 3.0])) is False
    assert t.equal(x, t.tensor([1.0])) is False
    assert t.equal(x, x.double()) is True
    assert t.equal(x[:0], x[:0]) is True
    assert x.equal(t.tensor([1, 2])) is True
    assert t.allclose(x, x + 1e-9) is True
    assert x.allclose(x + 0.1) is False
    assert t.allclose(x, x + 0.1, atol=0.2) is True
    with pytest.raises(TypeError, match="must be Tensor"):
        t.equal(x, 1.0)


def test_comparison_with_numpy_gives_a_tensor():
    x = gc.tensor([1.0, 2.0])
    for made in (x == np.float64(2), np.float64(2) == x, np.float32(1) < x, x >= np.int64(2)):
        assert isinstance(made, gc.Tensor)
        assert host(made).tolist() == [False, True]


@pytest.mark.parametrize("program", ["v &= 6", "v |= 8", "v ^= 3", "v <<= 1", "v >>= 1"])
def test_operators_in_place(program, torch):
    made = []
    for t in (torch, gc):
        v = same = t.tensor([1, 6, 12])
        exec(program, {"v": v})
        assert v is same
        made.append(v.tolist())
    assert made[0] == made[1]
