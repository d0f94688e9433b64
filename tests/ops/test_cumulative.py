"""Running sums and products beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

INPUTS = {
    "matrix": [[0.3, -1.2, 2.5, 0.9, -0.2], [0.7, 3.1, -0.4, 1.1, 2.0]],
    "number": 2.0,
    "single": np.array([[0.3, -1.2], [0.7, 3.1]], np.float32),
    "zeros at the end": [2.0, 3.0, 0.0],
    "zero first": [0.0, 2.0, 3.0, -1.0],
    "zero within": [[2.0, 0.0, 3.0], [1.0, 4.0, 0.5]],
    "two zeros": [2.0, 0.0, 3.0, 0.0, 1.5, 2.5],
    "only zeros": [0.0, 0.0],
    "empty": np.zeros((0, 3)),
    "complex": [1 + 2j, 3 - 1j, 0.5j],
    "complex with zero": [1 + 2j, 0j, 3 - 1j, 2 + 0j],
    "integers": np.array([[0, 1, 2], [3, 4, 5]]),
    "bytes": np.array([200, 100], np.uint8),
    "bools": [True, False, True],
}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize(
    "expression",
    [
        "t.cumsum(x, 0)",
        "x.cumsum(dim=-1)",
        "t.cumprod(x, 0)",
        "x.cumprod(-1)",
        "x.cumsum(axis=0)",
        "x.cumsum(0, dtype=t.complex128)",
    ],
)
def test_agrees(expression, name, torch):
    agree(torch, expression, INPUTS[name])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("zero", [0, -1])
def test_cumprod_of_any_length_with_a_zero(n, zero, torch):
    x = np.linspace(-1.0, 2.0, n) + 0.1
    x[zero] = 0.0
    agree(torch, "x.cumprod(0)", x)


@pytest.mark.parametrize(
    "expression",
    ["x.cumsum(2)", "x.cumprod(-3)", "x.cumsum()", "t.cumsum(1.0, 0)", "x.cumsum(0, dtype=t.int64)"],
)
def test_errors(expression, torch):
    agree(torch, expression, np.ones((2, 3)))


def test_in_place(torch):
    agree(torch, "(x * 2).cumsum_(0)", [1.0, 2.0, 4.0])
    agree(torch, "(x * 2).cumprod_(-1)", [[1.0, 2.0, 4.0]])


def test_standard_forms_can_start_from_the_initial_value():
    from gradcore.op import STANDARD

    x = gc.tensor([2.0, 3.0])
    assert STANDARD["cumulative_sum"](x, include_initial=True).tolist() == [0.0, 2.0, 5.0]
    assert STANDARD["cumulative_prod"](x, axis=0, include_initial=True).tolist() == [1.0, 2.0, 6.0]
    with pytest.raises(ValueError, match="axis must be given"):
        STANDARD["cumulative_sum"](gc.ones(2, 2))
