"""Clamping, and the larger and smaller of two, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

inf, nan = np.inf, np.nan
ANY = np.array([[0.3, -1.2, 1.7], [0.8, 1.9, -0.4]])
LOW = np.array([[-0.2, -0.9, 0.1], [1.1, -1.5, 0.2]])
HIGH = np.array([0.6, 1.1, 0.9])
POINTS = np.array([-inf, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, inf, nan])

TO_NUMBERS = [
    "x.clamp(0, 1)", "t.clamp(x, min=0)", "x.clamp(max=1)", "x.clip(-0.5, 0.5)", "x.clamp(1, 0)", "x.clamp_min(0)",
    "t.clamp_max(x, 1)", "x.clamp(0.0, float('inf'))", "x.clamp(float('nan'), 1)", "x.clamp_min(float('nan'))",
    "x.clamp(-float('inf'), 0.5)",
]  # fmt: skip
TO_TENSORS = [
    "x.clamp(y, z)",
    "x.clamp(min=y)",
    "t.clamp(x, max=z)",
    "x.clamp(z, y)",
    "x.clamp_min(y)",
    "x.clamp_max(z)",
]
OF_TWO = ["t.maximum(x, y)", "x.minimum(y)", "t.fmax(x, y)", "x.fmin(y)"]


@pytest.mark.parametrize("expression", TO_NUMBERS)
@pytest.mark.parametrize("x", [ANY, 0.7, np.ones((0, 2)), ANY.astype(np.float32)], ids=repr)
def test_clamp_to_numbers(expression, x, torch):
    agree(torch, expression, x)


@pytest.mark.parametrize("expression", TO_NUMBERS)
def test_clamp_to_numbers_at_the_bounds(expression, torch):
    agree(torch, expression, POINTS)


@pytest.mark.parametrize("expression", TO_TENSORS)
@pytest.mark.parametrize("low", [LOW, LOW[0], -0.3])
def test_clamp_to_tensors(expression, low, torch):
    agree(torch, expression, ANY, low, HIGH)


@pytest.mark.parametrize("expression", TO_TENSORS)
def test_clamp_to_tensors_at_the_bounds(expression, torch):
    x, low, high = (a.ravel() for a in np.meshgrid([0.0, 0.5, 1.0, 2.0, nan], [0.0, 1.0, 2.0, nan], [0.0, 1.0, 2.0]))
    agree(torch, expression, x, low, high)


@pytest.mark.parametrize("expression", OF_TWO)
@pytest.mark.parametrize("y", [LOW, LOW[1], 0.4, LOW.astype(np.float32)])
def test_two_operands(expression, y, torch):
    agree(torch, expression, ANY, y)
    agree(torch, expression, y, ANY)


@pytest.mark.parametrize("expression", OF_TWO)
def test_ties_and_what_is_not_finite(expression, torch):
    x, y = np.meshgrid(POINTS, POINTS)
    agree(torch, expression, x, y)


INTEGERS = [np.array([1, -2]), np.array([1, 200], np.uint8), np.array([1, -2], np.int8), np.array([True, False])]


@pytest.mark.parametrize("x", INTEGERS, ids=repr)
@pytest.mark.parametrize(
    "expression",
    [
        "x.clamp(0, 1)", "x.clamp(0.5)", "x.clamp(0, 1.5)", "x.clamp_min(1.5)", "x.clamp_max(1)", "x.clamp(-1, 300)",
        "x.clamp(False, True)", "x.clamp(t.tensor(0.5))", "x.clamp(t.tensor([0, 1]), t.tensor(5))", "t.maximum(x, x)",
        "t.maximum(x, t.tensor([0.5, 0.5]))", "t.minimum(x, t.tensor([1, 0]))", "t.fmax(x, x)", "t.fmin(x, x)",
        "x.clone().clamp_(0, 1)", "x.clone().clamp_(0.5)", "x.clone().clamp_min_(1)",
    ],
)  # fmt: skip
def test_integers_and_truth_values(expression, x, torch):
    agree(torch, expression, x, order=0)


@pytest.mark.parametrize(
    "expression",
    [
        "(x * 1).clamp_(0, 1)", "(x * 1).clamp_(min=y)", "(x * 1).clip_(0)", "(x * 1).clamp_min_(0)",
        "(x * 1).clamp_max_(y)", "(x * 1)[0].clamp_(0, 1)", "x.clamp_(0, 1)",
    ],
)  # fmt: skip
def test_in_place(expression, torch):
    agree(torch, expression, ANY, LOW)


@pytest.mark.parametrize(
    "expression",
    [
        "x.clamp()", "x.clamp(None, None)", "x.clamp(0, 1j)", "(x * 1j).clamp(0, 1)", "x.clamp('a')",
        "t.clamp(1.0, 0, 1)", "t.maximum(x * 1j, x)", "t.fmin(x * 1j, x)", "t.maximum(x, 'a')",
        "t.maximum(x, t.ones(5))", "x.float().clamp(0, 1e60)", "x.clamp(t.ones(5))",
    ],
)  # fmt: skip
def test_errors(expression, torch):
    agree(torch, expression, ANY)


def test_float16_bound_out_of_range(torch, device):
    if device.startswith("strict"):
        pytest.skip("array-api-strict has no float16")
    agree(torch, "x.clamp(0, 1e9)", np.ones(2, np.float16))


def test_a_bound_may_be_a_number_beside_a_tensor():
    import gradcore as gc

    made = gc.tensor([0.5, 2.0, 5.0]).clamp(1, gc.tensor(3.0))
    assert made.tolist() == [1.0, 2.0, 3.0]
