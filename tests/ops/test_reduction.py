"""Sums, means, products, moments, norms, truth values, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

inf, nan = np.inf, np.nan
INPUTS = {
    "matrix": [[0.3, -1.2, 2.5], [0.7, 3.1, -0.4]],
    "cube": (np.sin(np.arange(12.0)) * 2).reshape(2, 3, 2),
    "vector": [1.5],
    "number": 2.0,
    "single": np.array([[0.3, -1.2, 2.5], [0.7, 3.1, -0.4]], np.float32),
    "zero": [0.0, 0.0],
    "one zero": [0.0, 2.0, 3.0],
    "two zeros": [[0.0, 0.0, 3.0], [1.0, 0.0, -2.0]],
    "empty": np.zeros((0, 3)),
    "complex": [1 + 2j, 3 - 1j, -0.5j],
    "integers": np.array([[0, 1, 2], [3, 4, 5]]),
    "bytes": np.array([[200, 100], [3, 0]], np.uint8),
    "bools": [True, False, True],
}
NAN = {"nan": [1.0, nan, 3.0], "infinite": [inf, 1.0], "minus infinite": [-inf, -inf]}

SUMS = """t.sum(x); t.sum(x, 0); t.sum(x, -1, keepdim=True); t.sum(x, (0, -1)); t.sum(x, ())
    x.sum(dim=None, keepdim=True)
    t.sum(x, dtype=t.float64); t.sum(x, 0, dtype=t.float64); t.mean(x); t.mean(x, 0); t.mean(x, (-1,), True)
    x.mean(()); t.mean(x, dtype=t.float64); t.nansum(x); t.nansum(x, 0, True); x.sum(axis=0, keepdims=True)
    t.count_nonzero(x); t.count_nonzero(x, 0); t.any(x); t.all(x); t.any(x, 0); t.all(x, -1, keepdim=True)"""
PRODUCTS = "t.prod(x); t.prod(x, 0); x.prod(dim=-1, keepdim=True); t.prod(x, dtype=t.float64)"
MOMENTS = """t.var(x, unbiased=False); t.std(x, unbiased=False); t.var(x, 0, False); t.std(x, 0, False, True)
    x.var(dim=-1, correction=0, keepdim=True); t.var(x, False); t.var_mean(x, correction=0)
    t.std_mean(x, 0, correction=0); t.std_mean(x, dim=0, correction=0, keepdim=True); t.var_mean(x, -1, False)[1]"""
NORMS = """t.norm(x); t.norm(x, 1); t.norm(x, 3); t.norm(x, 0.5); t.norm(x, 1.5); t.norm(x, inf); t.norm(x, -inf)
    t.norm(x, 0); t.norm(x, 2, 0); x.norm('fro', dim=-1, keepdim=True); t.norm(x, inf, dim=0); t.norm(x, p=None)"""
LOGSUMEXP = "t.logsumexp(x, 0); t.logsumexp(x, -1, keepdim=True)"


def expressions(*texts):
    return [e.strip() for text in texts for line in text.splitlines() for e in line.split(";")]


ALL = expressions(SUMS, PRODUCTS, LOGSUMEXP, NORMS)
# Of an imaginary part that is lost PyTorch warns only once per process.
CASES = [(e, n) for e in ALL for n in INPUTS if not ("dtype=" in e and n == "complex")]


@pytest.mark.parametrize(("expression", "name"), CASES)
def test_agrees(expression, name, torch):
    # Norms at zero have no second derivative, and PyTorch gives now NaN, now 0.
    order = 1 if "norm" in expression and "zero" in name else 2
    agree(torch, expression, INPUTS[name], order=order)


@pytest.mark.parametrize("name", NAN)
@pytest.mark.parametrize("expression", ALL)
def test_agrees_where_not_finite(expression, name, torch):
    agree(torch, expression, NAN[name], order=1)


@pytest.mark.parametrize("name", [n for n in INPUTS if n != "empty"])
@pytest.mark.parametrize("expression", expressions(MOMENTS))
def test_moments_agree(expression, name, torch):
    # Where the deviation is zero, its derivative is infinite.
    order = 1 if name in ("zero", "vector", "number") or ("std" in expression and name == "two zeros") else 2
    agree(torch, expression, INPUTS[name], order=order)


@pytest.mark.parametrize("expression", ["x.var()", "x.std()", "t.var_mean(x)", "t.std_mean(x)", "x.var(correction=7)"])
@pytest.mark.parametrize("x", [[5.0], 5.0, np.zeros((0, 3))], ids=["one", "number", "nothing"])
def test_too_few_elements_for_a_moment(expression, x, torch):
    agree(torch, expression, x, order=1, warns="degrees of freedom")


def test_too_large_a_correction(torch):
    agree(torch, "x.var(correction=7)", [1.0, 2.0, 4.0], order=1, warns="degrees of freedom")


@pytest.mark.parametrize(
    "expression",
    [
        "x.sum(5)",
        "x.sum(-3)",
        "x.sum((0, 0))",
        "x.sum((0, -2))",
        "x.sum(0.5)",
        "x.sum('a')",
        "x.sum(0, 1)",
        "x.mean(2)",
        "x.prod(2)",
        "x.prod((0, 1))",
        "x.var(7)",
        "x.norm('foo')",
        "x.sum(dtype=t.int64)",
        "t.sum([1.0])",
        "t.mean(3.0)",
        "x.norm(dtype=t.int64)",
        "t.logsumexp(x, 3)",
        "x.any((0, 0))",
    ],
)
def test_errors(expression, torch):
    agree(torch, expression, np.ones((2, 3)))


@pytest.mark.parametrize(
    ("expression", "x"),
    [
        ("x.mean()", [1, 2]),
        ("x.mean(0)", [True]),
        ("x.var()", [1, 2]),
        ("x.norm()", [1, 2]),
        ("x.norm(inf)", np.zeros(0)),
        ("x.norm(-1)", np.zeros(0)),
        ("x.norm(-1)", [1.0, 2.0]),
    ],
)
def test_wrong_dtypes_and_nothing(expression, x, torch):
    agree(torch, expression, x)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32"])
@pytest.mark.parametrize("function", ["sum", "prod", "cumsum", "cumprod"])
def test_results_of_small_dtypes(function, dtype, torch):
    dim = "0, " if function.startswith("cum") else ""
    agree(torch, f"t.{function}(x, {dim}dtype=t.{dtype})", np.array([[1, 2], [100, 3]]))


def test_many_small_integers_lose_no_digits(torch):
    agree(torch, "x.cumsum(0, dtype=t.int16)[-1]", np.full(4097, 8191, np.int16))


@pytest.mark.parametrize("expression", ["t.norm(x, 'nuc')", "x.norm('nuc', (1, 0))"])
def test_of_matrices(expression, torch):
    agree(torch, expression, INPUTS["matrix"])


def test_logsumexp_of_a_complex_number_has_its_angle_within_pi(torch):
    agree(torch, "t.logsumexp(x, 0)", -4.8 - 7.6j)


def test_messages():
    x = gc.ones(2, 3)
    with pytest.raises(IndexError, match=r"Dimension out of range \(expected to be in range of \[-2, 1\], but got 5\)"):
        x.sum(5)
    with pytest.raises(RuntimeError, match="dim 0 appears multiple times in the list of dims"):
        x.sum((0, -2))
    with pytest.raises(RuntimeError, match=r"could not infer output dtype.*floating point or complex dtype.*Long"):
        gc.tensor([1]).mean()
    with pytest.raises(TypeError, match="must be Tensor, not list"):
        gc.sum([1.0])
    with pytest.raises(TypeError, match="several dimensions are given as one tuple"):
        x.sum(0, 1)


def test_a_raw_array_is_an_operand(device):
    raw = gc.ones(2, 3)._data
    assert gc.sum(raw, 0).tolist() == [2.0, 2.0, 2.0]
    assert gc.mean(raw).device == device


def test_half_precision_is_summed_in_single(torch, device):
    if device.startswith("strict"):
        pytest.skip("array-api-strict has no float16")
    x = np.full(4096, 0.1, np.float16)
    for expression in ("x.sum()", "x.sum(0)", "x.mean()", "x.var()", "(x * 300).norm()"):
        agree(torch, expression, x, order=1)


def test_saves_what_pytorch_saves():
    x = gc.ones(3, requires_grad=True)
    y = (x * 2).clone()
    total = y.sum() + y.mean() + y.sum(0)
    y.add_(1)  # none of them needs y
    total.backward()
    assert x.grad.tolist() == pytest.approx([2 + 2 / 3 + 2] * 3)
    y = x * 2
    product = y.prod()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()


def test_product_with_zeros_has_derivatives_of_every_order(torch):
    for x in ([0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]):
        thirds = []
        for t in (gc, torch):
            y = t.tensor(x, dtype=t.float64, requires_grad=True)
            (first,) = t.autograd.grad(y.prod(), y, create_graph=True)
            (second,) = t.autograd.grad(
                (first * t.tensor([1.0, 2.0, 3.0], dtype=t.float64)).sum(), y, create_graph=True
            )
            (third,) = t.autograd.grad((second * t.tensor([1.0, -2.0, 0.5], dtype=t.float64)).sum(), y)
            thirds.append(third.numpy(force=True))
        np.testing.assert_allclose(*thirds)


def test_names_of_what_a_node_saved():
    x = gc.ones(2, 3, requires_grad=True)
    assert x.sum(0).grad_fn._saved_dim == (0,)
    assert x.prod().grad_fn._saved_self is x
    assert x.std().grad_fn._saved_result.item() == 0.0
