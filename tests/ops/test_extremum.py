"""The largest, the smallest, the middle: values, places, and who gets the gradient where several tie."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

nan = np.nan
INPUTS = {
    "matrix": [[0.3, -1.2, 2.5], [0.7, 3.1, -0.4]],
    "cube": (np.sin(np.arange(12.0)) * 2).reshape(2, 3, 2),
    "ties": [1.0, 3.0, 3.0, 2.0, 3.0],
    "matrix of ties": [[1.0, 3.0, 3.0], [2.0, 3.0, -1.0], [1.0, 1.0, 1.0]],
    "number": 2.0,
    "single": np.array([[0.3, -1.2], [0.7, 3.1]], np.float32),
    "nan": [1.0, nan, nan],
    "some nan": [[1.0, nan], [2.0, 3.0]],
    "infinite": [-np.inf, np.inf, np.inf],
    "rows of nothing": np.zeros((2, 0)),
    "no rows": np.zeros((0, 3)),
    "complex": [1 + 2j, 3 - 1j],
    "integers": np.array([[0, 1, 2], [3, 4, 5]]),
    "bytes": np.array([[200, 100], [3, 0]], np.uint8),
    "bools": [True, False, True],
}
EXPRESSIONS = """t.max(x); t.min(x); t.max(x, 0); t.min(x, dim=-1, keepdim=True); t.max(x, 0, True); x.max(axis=0)
    t.amax(x); t.amin(x); t.amax(x, 0); t.amin(x, (0, -1), keepdim=True); t.amax(x, dim=()); x.aminmax()
    x.aminmax(dim=0); x.aminmax(dim=-1, keepdim=True)
    t.argmax(x); t.argmin(x); t.argmax(x, 0); t.argmin(x, dim=-1, keepdim=True)
    x.argmax(keepdim=True); t.median(x); t.median(x, -1); t.max(x, x * 1); t.min(x, other=x); x.max(-x)"""


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("expression", [e.strip() for line in EXPRESSIONS.splitlines() for e in line.split(";")])
def test_agrees(expression, name, torch):
    agree(torch, expression, INPUTS[name], indices="median" not in expression)


@pytest.mark.parametrize("x", [[5.0, 1.0, 4.0, 2.0], [[3.0, 1.0], [2.0, 2.5], [0.0, 9.0]]])
def test_place_of_the_median(x, torch):
    agree(torch, "t.median(x, 0, True)", x)
    agree(torch, "x.median(dim=-1)", x)


@pytest.mark.parametrize(
    "expression",
    [
        "x.max(2)",
        "x.amax((0, 0))",
        "x.amax(5)",
        "x.argmax(3)",
        "x.median(2)",
        "t.max([1.0])",
        "x.aminmax(dim=3)",
    ],
)
def test_errors(expression, torch):
    agree(torch, expression, np.ones((2, 3)))


def test_a_number_is_no_input(torch):
    agree(torch, "t.max(1.0, x)", [1.0, 2.0])


def test_messages():
    x = gc.zeros(0, 3)
    with pytest.raises(RuntimeError, match=r"Expected reduction dim.*input.numel\(\) == 0"):
        x.max()
    with pytest.raises(IndexError, match=r"Expected reduction dim 0 to have non-zero size"):
        x.amax(0)
    with pytest.raises(IndexError, match=r"Expected reduction dim.*input.numel\(\) == 0"):
        x.argmax()
    with pytest.raises(NotImplementedError, match="not implemented for 'ComplexFloat'"):
        gc.tensor([1j]).max()


def test_named_tuples():
    x = gc.tensor([[1.0, 5.0], [7.0, 3.0]])
    found = x.max(0)
    assert isinstance(found, gc.return_types.max)
    values, indices = found
    assert found.values is values
    assert found.indices is indices is found[1]
    assert values.tolist() == [7.0, 5.0]
    assert indices.tolist() == [1, 0]
    assert x.aminmax().max.item() == 7.0


def test_named_tuples_are_printed_as_pytorch_prints_them(torch, device):
    for expression in ("x.max(0)", "x.aminmax()", "x.median(1)"):
        texts = [
            repr(eval(expression, {"x": t.tensor([[1.0, 5.0], [7.0, 3.0]])})).replace(f", device='{device}'", "")
            for t in (gc, torch)
        ]
        assert texts[0] == texts[1].replace("torch.", "gradcore."), texts[0]


def test_only_the_values_have_a_gradient():
    x = gc.tensor([1.0, 3.0, 2.0], requires_grad=True)
    values, indices = x.max(0)
    assert values.requires_grad
    assert not indices.requires_grad
    assert indices.grad_fn is None
    values.backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]


def test_the_input_may_be_written_after_max_along_a_dim_but_not_after_max():
    x = gc.tensor([1.0, 3.0, 2.0], requires_grad=True)
    y = x * 2
    values = y.max(0).values
    y.zero_()
    values.backward()
    assert x.grad.tolist() == [0.0, 2.0, 0.0]
    y = x * 2
    largest = y.max()
    y.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        largest.backward()
