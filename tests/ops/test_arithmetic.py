"""Operators and their functions beside PyTorch's: values, dtypes, nodes, gradients of two orders, errors."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

inf, nan = np.inf, np.nan
MATRIX = np.array([[0.3, -1.2, 1.7], [0.8, 1.9, -0.4]])
OTHER = np.array([[-0.7, 1.1, 0.6], [1.4, -1.6, 0.9]])
POSITIVE = np.array([[0.4, 1.3, 0.7], [2.1, 0.2, 1.6]])
ROW = np.array([0.9, -1.4, 0.5])
COMPLEX = np.array([[1 + 2j, -0.5j, 0.7], [-1.2 + 0.3j, 0.4 - 1j, 2j - 1]])
SPECIAL = np.array([-inf, -3.0, -1.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, 2.5, inf, nan])

OF_TWO = [
    "x + y", "x - y", "x * y", "x / y", "x % y", "t.add(x, y, alpha=2)", "t.sub(x, y, alpha=-0.5)", "t.rsub(x, y)",
    "t.rsub(x, y, alpha=3)", "t.mul(input=x, other=y)", "t.div(x, y)", "t.true_divide(x, y)", "t.divide(x, y)",
    "t.div(x, y, rounding_mode='floor')", "t.div(x, y, rounding_mode='trunc')", "t.remainder(x, y)", "t.fmod(x, y)",
    "t.lerp(x, y, 0.3)", "t.lerp(x, y, 0.8)",
]  # fmt: skip
OF_ONE = [
    "x + 1", "1 + x", "x - 1", "1 - x", "x * 2", "2 * x", "x / 2", "2 / x", "x % 2", "x % -0.7", "-x", "(+x) * 1",
    "t.rsub(x, 1, alpha=3)", "t.div(x, 2, rounding_mode='floor')", "t.fmod(x, 0.7)", "x ** 2", "x ** 3", "x ** 4",
    "x ** 1", "x ** 0", "x ** -1", "x ** -2", "x.square()", "x.reciprocal()", "2 ** x", "0.3 ** x", "1 ** x", "x * x",
    "x - x", "t.addcmul(x, x, x, value=2)", "t.addcdiv(x, x, x)",
]  # fmt: skip


@pytest.mark.parametrize("expression", OF_TWO)
@pytest.mark.parametrize("other", [OTHER, ROW, ROW.reshape(3, 1)[:2], 1.3], ids=["matrix", "row", "column", "number"])
def test_two_operands(expression, other, torch):
    agree(torch, expression, MATRIX, other)
    agree(torch, expression.replace("x", "§").replace("y", "x").replace("§", "y"), MATRIX, other)


@pytest.mark.parametrize("expression", OF_TWO)
def test_two_operands_that_are_empty_or_single_precision(expression, torch):
    agree(torch, expression, np.ones((0, 3)), ROW)
    agree(torch, expression, MATRIX.astype(np.float32), ROW.astype(np.float32))


@pytest.mark.parametrize("expression", OF_ONE)
@pytest.mark.parametrize("x", [MATRIX, -1.3, np.ones((0, 2)), MATRIX.astype(np.float32)], ids=repr)
def test_one_operand(expression, x, torch):
    agree(torch, expression, x)


@pytest.mark.parametrize("exponent", [0.5, -0.5, 2.5, -1.5])
def test_powers_that_are_no_integers(exponent, torch):
    agree(torch, f"x ** {exponent}", POSITIVE)


@pytest.mark.parametrize("exponent", [MATRIX, ROW, 2.0])
def test_powers_of_tensors(exponent, torch):
    agree(torch, "x ** y", POSITIVE, exponent)
    agree(torch, "t.pow(input=x, exponent=y)", 1.7, exponent)


@pytest.mark.parametrize(
    "expression",
    [
        "t.lerp(x, y, z)", "t.lerp(x, y, z.sum())", "t.addcmul(x, y, z)", "t.addcmul(x, y, z, value=2.5)",
        "t.addcdiv(x, y, z)", "t.addcdiv(x, y, z, value=-2)", "x + y * z", "t.addcmul(x, y[0], z[:, :1])",
    ],
)  # fmt: skip
def test_three_operands(expression, torch):
    agree(torch, expression, MATRIX, OTHER, POSITIVE / 3)


@pytest.mark.parametrize(
    "expression",
    [
        "x + y", "x - y", "x * y", "x / y", "x ** y", "x ** 2", "x ** -1", "x ** 1.5", "x ** (1 + 2j)",
        "(1 + 2j) ** x", "2 ** x", "x * 2", "1j * x", "1 / x", "x / (1 - 2j)", "1 - x", "t.add(x, y, alpha=1j)",
        "t.lerp(x, y, 0.3)", "t.lerp(x, y, y)", "t.addcmul(x, y, y, value=2)", "t.addcdiv(x, y, x, value=2)",
        "x.square()", "-x",
    ],
)  # fmt: skip
def test_complex_operands(expression, torch):
    agree(torch, expression, COMPLEX, COMPLEX[0, :3])


@pytest.mark.parametrize("expression", ["x + y", "x - y", "x * y", "x / y", "y / x", "y ** x", "x ** y", "x + 1j * y"])
def test_complex_beside_real(expression, torch):
    agree(torch, expression, COMPLEX, POSITIVE)


@pytest.mark.parametrize(
    "expression",
    [
        "x + 1", "1 - x", "x * 0", "x / 0", "1 / x", "0 / x", "x % 2", "x % -2", "x % 0", "t.fmod(x, 2)",
        "t.fmod(x, 0.0)", "x ** 0", "x ** 1", "x ** 2", "x ** 0.5", "x ** -0.5", "x ** -1", "x ** -2", "x ** 0.0",
        "x ** 2.5", "x ** -1.5", "0.0 ** x", "2 ** x", "1 ** x", "(-2) ** x", "t.div(x, 0, rounding_mode='floor')",
        "t.div(x, 2, rounding_mode='trunc')", "t.lerp(x, x + 1, 0.25)", "x.square()", "x.reciprocal()",
    ],
)  # fmt: skip
def test_special_points(expression, torch):
    agree(torch, expression, SPECIAL, order=1)


@pytest.mark.parametrize(
    "expression",
    [
        "x + y", "x - y", "x * y", "x / y", "x ** y", "x % y", "t.fmod(x, y)", "t.div(x, y, rounding_mode='floor')",
        "t.div(x, y, rounding_mode='trunc')", "t.lerp(x, y, 0.25)",
    ],
)  # fmt: skip
def test_pairs_of_special_points(expression, torch):
    x, y = np.meshgrid(SPECIAL, SPECIAL)
    agree(torch, expression, x, y, order=1)


KINDS = {
    "bool": [True, False],
    "uint8": np.array([1, 2], np.uint8),
    "int8": np.array([1, -2], np.int8),
    "int32": np.array([1, -2], np.int32),
    "int64": np.array([1, 2]),
    "float32": np.array([1.5, -2.5], np.float32),
    "float64": np.array([1.5, -2.5]),
    "complex64": np.array([1 + 2j, 1], np.complex64),
    "number": np.array(2.0),
    "whole number": np.array(2),
    "single number": np.array(2.0, np.float32),
}
# Of truth values PyTorch forms no differences, also with numbers; here they count as 0 and 1.
FUNCTIONS = [
    "x + y",
    "x * y",
    "x / y",
    "x ** y",
    "x // y",
    "x % y",
    "t.fmod(x, y)",
    "t.div(x, y, rounding_mode='trunc')",
]


@pytest.mark.parametrize("a", KINDS)
@pytest.mark.parametrize("b", KINDS)
def test_dtypes_of_pairs(a, b, torch):
    for expression in [*FUNCTIONS, *(["x - y"] if "bool" not in (a, b) else [])]:
        if "bool" in (a, b) and (
            "/" in expression or "%" in expression or "fmod" in expression or "mode" in expression
        ):
            continue  # one of the divisors is False
        agree(torch, expression, KINDS[a], KINDS[b], order=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "expression",
    [
        "x + 1", "x + 1.0", "x + 1j", "x * True", "x + 300", "x - 1", "1 - x", "x / 2", "2 / x", "1.5 / x", "x // 2",
        "x // 2.0", "7 // x", "x % 2", "x % 2.5", "x % -3", "7 % x", "x ** 2", "x ** 2.0", "x ** 0.5", "x ** 1j",
        "x ** True", "2 ** x", "2.5 ** x", "1j ** x", "-x", "x.square()", "x.reciprocal()",
        "t.div(x, -2, rounding_mode='trunc')", "t.div(x, 2.5, rounding_mode='floor')", "t.fmod(x, 3)",
        "t.fmod(x, 2.5)", "t.addcmul(x, x, x)", "t.addcmul(x, x, x, value=1.5)", "t.addcdiv(x, x, x)",
        "t.add(x, x, alpha=2)", "t.add(x, x, alpha=1.5)",
    ],
)  # fmt: skip
def test_dtypes_beside_numbers(expression, kind, torch):
    if kind == "bool" and ("True" in expression or "- " in expression or "/ x" in expression or "% x" in expression):
        pytest.skip("truth values count as 0 and 1 here, and False is no divisor")
    agree(torch, expression, KINDS[kind], order=0)


def test_float16(torch, device):
    if device.startswith("strict"):
        pytest.skip("array-api-strict has no float16")
    x = np.array([1.5, -2.5], np.float16)
    for expression in ("x + 1.0", "x * y", "x / 2", "x ** 2", "x + z", "1 - x"):
        agree(torch, expression, x, x, np.array([1, 2]), order=1)


@pytest.mark.parametrize(
    "expression",
    [
        "(x * 1).add_(1)", "(x * 1).add_(x, alpha=2)", "(x * 1).sub_(y)", "(x * 1).mul_(y)", "(x * 1).div_(y)",
        "(x * 1).div_(2, rounding_mode='floor')", "(x * 1).pow_(2)", "(x * 1).pow_(t.tensor(2.0))",
        "(x * 1).square_()", "(x * 1).remainder_(0.7)", "(x * 1).fmod_(y)", "(x * 1).neg_()", "(x * 1).reciprocal_()",
        "(x * 1).lerp_(y, 0.3)", "(x * 1).lerp_(y, y)", "(x * 1).addcmul_(y, y)", "(x * 1).addcdiv_(y, y, value=2)",
        "(x * 1).mul_(x)", "x.add_(1)", "(x * 1).add_(1j)", "(x * 1).add_(t.ones(4, 2, 3))",
    ],
)  # fmt: skip
def test_in_place(expression, torch):
    agree(torch, expression, MATRIX, OTHER)


@pytest.mark.parametrize(
    "program", ["v += 1", "v -= 2", "v *= 3", "v /= 2", "v **= 2", "v %= 0.7", "v[0] *= 2", "v[:, 1] **= 2"]
)
def test_operators_in_place(program, t):
    x = t.tensor(MATRIX, requires_grad=True)
    v = x * 1
    same = v
    exec(program, {"v": v})
    assert v is same
    assert v._version == (1 if "[" not in program else v._version)
    v.sum().backward()
    assert x.grad.shape == x.shape
    if program == "v **= 2":
        np.testing.assert_allclose(x.grad.numpy(force=True), 2 * MATRIX)
    if program == "v[:, 1] **= 2":
        expected = np.ones_like(MATRIX)
        expected[:, 1] = 2 * MATRIX[:, 1]
        np.testing.assert_allclose(x.grad.numpy(force=True), expected)


def test_an_operand_that_the_write_destroys_is_kept_for_backward(t):
    """The rule of sin needs its operand, and the write in place has replaced it."""
    x = t.tensor([0.3, 0.8], requires_grad=True)
    y = (x * 1).sin_()
    (first,) = t.autograd.grad(y.sum(), x, create_graph=True)
    first.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(force=True), -np.sin([0.3, 0.8]), rtol=1e-6)


@pytest.mark.parametrize(
    ("expression", "phrases"),
    [
        ("x + t.ones(3)", ["must match the size", "at non-singleton dimension 0"]),
        ("t.tensor([True]) - t.tensor([True])", ["with two bool tensors", "is not supported"]),
        ("-t.tensor([True])", ["on a bool tensor", "is not supported"]),
        ("+t.tensor([True])", ["on a bool tensor", "is not supported"]),
        ("t.tensor([1]) ** -1", ["negative integer powers", "are not allowed"]),
        ("t.tensor([1]) // 0", ["ZeroDivisionError"]),
        ("t.tensor([1]) % t.tensor([0])", ["ZeroDivisionError"]),
        ("t.fmod(t.tensor([1]), 0)", ["ZeroDivisionError"]),
        ("t.div(x, 2, rounding_mode='up')", ["expected rounding_mode to be one of", "'up'"]),
        ("t.add(t.tensor([1]), 1, alpha=1.5)", ["For integral input tensors", "alpha must not be a floating point"]),
        ("(x // 2).sum().backward()", ["derivative for aten::", "is not implemented"]),
        ("(2 % x).sum().backward()", ["derivative for aten::", "is not implemented"]),
        ("t.tensor([1]).div_(2)", ["result type", "can't be cast", "desired output type"]),
        ("t.lerp(x, x.double(), 0.5)", ["dtype"]),
    ],
)
def test_errors(expression, phrases, t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError) as caught:
        eval(expression, {"t": t, "x": x})
    assert caught.type is RuntimeError or caught.type is NotImplementedError
    missing = [p for p in phrases if p not in str(caught.value)]
    assert not missing, str(caught.value)


FOREIGN = ["'a'", "None", "[1.0, 2.0]", "object()"]


@pytest.mark.parametrize("other", FOREIGN)
@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "//", "%", "**"])
def test_operators_leave_foreign_operands_to_python(operator, other, t):
    names = {"x": t.ones(2)}
    for expression in (f"x {operator} {other}", f"{other} {operator} x"):
        if expression == "'a' % x":
            continue  # formatting
        with pytest.raises(TypeError):
            eval(expression, names)


def test_round_and_divmod_are_no_operators_of_tensors(t):
    for function in (round, lambda x: divmod(x, 2)):
        with pytest.raises(TypeError):
            function(t.ones(2))


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "//", "%", "**"])
def test_numbers_and_arrays_of_numpy_beside_tensors(operator):
    x = gc.tensor([2.0, 3.0])
    for number in (np.float64(5), np.float32(5), np.int64(5), np.array(5.0)):
        for expression in (f"x {operator} n", f"n {operator} x"):
            made = eval(expression, {"x": x, "n": number})
            assert isinstance(made, gc.Tensor)
            assert made.dtype == gc.float32
            want = eval(expression, {"x": np.array([2.0, 3.0]), "n": 5.0})
            np.testing.assert_allclose(made.numpy(force=True), want, rtol=1e-6)
    with pytest.raises(TypeError):
        eval(f"n {operator} x", {"x": x, "n": np.ones(2)})


def test_an_array_to_the_right_counts_as_a_tensor_of_its_dtype():
    made = gc.tensor([2.0, 3.0], device="cpu") * np.ones(2)
    assert isinstance(made, gc.Tensor)
    assert made.dtype == gc.float64


def test_numpy_does_not_compute_with_tensors_behind_their_back():
    with pytest.raises(TypeError, match="Tensor"):
        np.add(gc.ones(2, requires_grad=True), 1)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_a_number_that_is_zero_keeps_its_sign(zero, t):
    x = t.ones(2)
    assert (x / zero).tolist() == [np.copysign(inf, zero)] * 2
    assert np.signbit((x * zero).numpy(force=True)).all() == np.signbit(zero)


def test_saves_what_the_rule_needs_and_no_more(t):
    x, w = t.ones(2, requires_grad=True), t.ones(2)
    assert (x * w).grad_fn._saved_other is w
    assert (x * w).grad_fn._saved_self is None
    assert (x**3).grad_fn._saved_exponent == 3
    assert (x**3).grad_fn._saved_self is x
    node = (x + w).grad_fn
    assert not hasattr(node, "_saved_self") or node._saved_self is None


@pytest.mark.parametrize("expression", ["x // 2", "x // x", "2 // x", "2 % x"])
def test_what_has_no_derivative_says_so_in_the_graph(expression, t):
    node = eval(expression, {"x": t.ones(2, requires_grad=True)}).grad_fn
    assert node.name() == "torch::autograd::NotImplemented"
    assert type(node).__name__ == "NotImplemented"


def test_second_order_of_a_number_beside_a_tensor(torch):
    for expression in ("3 * x * x", "x * x / 4.0", "2.0 / x", "1 - x * x * x", "(x * 2.0) ** 3", "2.0 ** (x * 0.5)"):
        agree(torch, expression, POSITIVE)


@pytest.mark.parametrize("exponent", [-1, -2, -2.0, 0.5, -0.5, 2, 3, 2.5])
def test_second_order_of_powers_at_zero_and_infinity(exponent, torch):
    agree(torch, f"x ** {exponent}", np.array([-inf, -1.0, 0.0, 1.0, inf]))
