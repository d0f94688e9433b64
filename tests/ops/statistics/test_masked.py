"""Reductions and normalisations under a mask, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.func import vmap

inf = np.inf
X = np.cos(np.arange(6.0) * 3).reshape(2, 3) + 2
M = np.array([[True, False, True], [False, True, True]])
NOTHING = np.array([[True, False, True], [False, False, False]])

REDUCTIONS = ["sum", "prod", "amax", "amin", "mean", "norm", "var", "std", "logsumexp"]
ALONG = ["cumsum", "cumprod", "softmax", "log_softmax", "softmin"]


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name, torch):
    dim = "dim=1" if name == "norm" else "1"
    for options in (
        "mask=m",
        f"{dim}, mask=m",
        f"{dim}, keepdim=True, mask=m[0]",
        f"{dim}, dtype=t.float64",
        "dim=(0, 1)",
    ):
        agree(torch, f"t.masked.{name}(x, {options.replace('m[', 'y[').replace('=m', '=y')})", X, M)
    # A deviation of one element has no derivative.
    agree(torch, f"t.masked.{name}(x, {dim}, mask=y)", X, NOTHING, order=0)


@pytest.mark.parametrize("name", ALONG)
def test_along_a_dimension(name, torch):
    for options in ("1, mask=y", "-2, mask=y", "0", "1, dtype=t.float64, mask=y[0]"):
        agree(torch, f"t.masked.{name}(x, {options})", X.astype(np.float32) if "dtype" in options else X, M)
    agree(torch, f"t.masked.{name}(x, 1, mask=y)", X, NOTHING, order=1)


@pytest.mark.parametrize(
    "expression",
    [
        "t.masked.median(x, 1, mask=y)",
        "t.masked.median(x, mask=y, keepdim=True)",
        "t.masked.argmax(x, 1, mask=y)",
        "t.masked.argmin(x, mask=y, keepdim=True)",
        "t.masked.normalize(x, 2.0, 1, mask=y)",
        "t.masked.normalize(x, 1, 0, eps=9.0)",
        "t.masked.norm(x, -inf, 1, mask=y)",
        "t.masked.norm(x, inf, mask=y)",
        "t.masked.norm(x, 3, (0, 1), mask=y)",
        "t.masked.var(x, 1, unbiased=False, mask=y)",
        "t.masked.sum(x, (), mask=y)",
        "t.masked.var(x, 1, correction=0.5, mask=y)",
        "t.masked.sum(x, mask=y.long(), keepdim=None)",
    ],
)
def test_others(expression, torch):
    agree(torch, expression, X, M)


@pytest.mark.parametrize("options", ["input_mask=y", "other_mask=y, dtype=t.float64"])
def test_logaddexp(options, torch):
    # The second derivative at minus infinity is 0, and NaN in PyTorch.
    agree(torch, f"t.masked.logaddexp(x, x * 2, {options})", X, M, order=1)


INTEGERS = np.array([[3, 1, 2], [0, 5, 4]], np.int32)


@pytest.mark.parametrize(
    "expression",
    [
        "sum(x, mask=y)",
        "prod(x, 1, mask=y)",
        "amax(x, 1, mask=y)",
        "amin(x, 1, mask=z)",
        "cumsum(x, 1, mask=y)",
        "median(x, 1, mask=y)",
        "median(x, 1, mask=z)",
        "mean(x, 1, mask=y)",
        "mean(x, 1, mask=y, dtype=t.float32)",
        "var(x, 1, mask=y)",
        "norm(x, 2.0, 1)",
        "softmax(x, 1)",
        "argmax(x, 1, mask=y)",
    ],
)
def test_integers(expression, torch):
    agree(torch, f"t.masked.{expression}", INTEGERS, M, NOTHING)


def test_contradictions():
    x = gc.tensor(X)
    with pytest.raises(AssertionError, match="Only one of unbiased and correction"):
        gc.masked.var(x, unbiased=True, correction=1)
    with pytest.raises(AssertionError, match="input must be floating point"):
        gc.masked.norm(x * 1j, -inf, mask=gc.tensor(M))


def test_complex_numbers(torch):
    for expression in (
        "sum(x, 1, mask=y)",
        "prod(x, mask=y)",
        "mean(x, 1, mask=y)",
        "var(x, 1, mask=y)",
        "normalize(x, 2, 1)",
    ):
        agree(torch, f"t.masked.{expression}", X * (1 - 2j), M)


@pytest.mark.parametrize(
    "expression",
    [
        "sum(x, 5)",
        "sum(x, (0, 0))",
        "sum(x, mask=y[None])",
        "sum(x, mask=t.ones(4) > 0)",
        "amax(y, mask=y)",
        "softmax(x, 3)",
        "median(x, 2)",
    ],
)
def test_errors(expression, torch):
    agree(torch, f"t.masked.{expression}", X, M)


def test_a_batch():
    x, mask = gc.tensor(X), gc.tensor(M)
    for name in (*REDUCTIONS, "median"):
        function = getattr(gc.masked, name)
        found = vmap(lambda row, m, f=function: f(row, mask=m))(x, mask)
        want = gc.stack([function(row, mask=m) for row, m in zip(x, mask, strict=True)])
        np.testing.assert_allclose(found.numpy(force=True), want.numpy(force=True))
