"""Differences, numerical derivatives and integrals, covariances, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.func import vmap

X = np.cos(np.arange(15.0) * 3).reshape(3, 5)
V = np.array([0.5, 2.0, -1.0, 4.0])


@pytest.mark.parametrize(
    "expression",
    [
        "t.diff(x)",
        "x.diff(2, 0)",
        "x.diff(n=0)",
        "t.diff(x, n=9)",
        "x.diff(dim=0, prepend=x, append=x[:1])",
        "t.diff(x, 1, -1, x[:, :2], None)",
        "t.diff(x, 0, prepend=x)",
    ],
)
def test_diff(expression, torch):
    agree(torch, expression, X)


@pytest.mark.parametrize("x", [[True, False, False, True], np.array([3, 1, 2], np.uint8), np.zeros(0), [1j, 2.0]])
def test_diff_of_other_dtypes(x, torch):
    agree(torch, "t.diff(x)", x)


@pytest.mark.parametrize(
    "options",
    [
        "",
        "spacing=2.0",
        "spacing=(2.0, 0.5)",
        "dim=1",
        "dim=(1, 0), edge_order=2",
        "spacing=0.5, edge_order=2",
        "spacing=[y], dim=0",
        "spacing=[y], dim=0, edge_order=2",
        "spacing=t.tensor(2.0)",
        "spacing=3, dim=-1",
    ],
)
def test_gradient(options, torch):
    agree(torch, f"t.gradient(x, {options})", X, [0.0, 1.0, 4.0])


def test_gradient_of_integers(torch):
    agree(torch, "t.gradient(x)", np.array([1, 2, 4]))
    agree(torch, "t.gradient(x, spacing=[x])", np.array([1, 2, 4]))
    agree(torch, "t.gradient(x)", 1.0)


@pytest.mark.parametrize("function", ["trapezoid", "cumulative_trapezoid"])
def test_integrals(function, torch):
    for call in ("x", "x, dx=2", "x, dim=0", "x, y", "x, x * 2, dim=0", "x, y[:3], dim=0"):
        agree(torch, f"t.{function}({call})", X, [0.0, 1.0, 1.5, 4.0, 6.0])
    agree(torch, f"t.{function}(x)", np.array([1, 2, 4]))
    agree(torch, f"t.{function}(x)", np.zeros((2, 0)))
    agree(torch, f"t.{function}(x, dx=t.tensor(2.0))", X)


def test_trapz(torch):
    agree(torch, "t.trapz(x, dx=0.5)", X)
    agree(torch, "t.trapz(x, x)", X)


WEIGHTS = ["", "correction=0", "fweights=y", "aweights=z", "fweights=y, aweights=z, correction=0"]


@pytest.mark.parametrize("options", WEIGHTS)
@pytest.mark.parametrize("x", [X[:, :4], V, V * (1 - 2j)], ids=["matrix", "vector", "complex"])
def test_cov(options, x, torch):
    agree(torch, f"t.cov(x, {options})", x, np.array([1, 2, 0, 3]), [0.5, 1.0, 2.0, 0.1], grad=[True, False, False])


def test_correlations(torch):
    for x in (X, X[:2] * (1 - 2j) + 1j * X[1:], V):
        agree(torch, "t.corrcoef(x)", x)
    agree(torch, "x.corrcoef()", np.array([[1, 2, 3], [4, 5, 7]]))


@pytest.mark.parametrize("x", [2.0, np.ones((2, 1)), np.zeros((2, 0))])
def test_too_few_observations(x, torch):
    agree(torch, "t.cov(x)", x, order=0, warns="degrees of freedom")


@pytest.mark.parametrize(
    ("expression", "x"),
    [
        ("t.diff(x)", 1.0),
        ("t.diff(x, -1)", V),
        ("t.diff(x, 1.5)", V),
        ("t.diff(x, dim=2)", V),
        ("t.diff(x, prepend=t.ones(2, 2))", V),
        ("t.diff(x, prepend=t.ones(2, 4))", X),
        ("t.gradient(x)", [1.0]),
        ("t.gradient(x, edge_order=2)", [1.0, 2.0]),
        ("t.gradient(x, edge_order=3)", V),
        ("t.gradient(x, spacing=[1.0])", X),
        ("t.gradient(x, spacing=[2, 3.0], dim=(0,))", X),
        ("t.gradient(x, dim=(0, 0))", X),
        ("t.gradient(x, dim=5)", X),
        ("t.gradient(x, spacing=x)", V),
        ("t.gradient(x, spacing=[x[None], x])", X),
        ("t.gradient(x)", np.array([1, 2, 3], np.uint8)),
        ("t.trapezoid(x)", [True, False]),
        ("t.trapezoid(x, dx=1j)", V),
        ("t.trapezoid(x, x[:2])", V),
        ("t.trapezoid(x)", 1.0),
        ("t.cumulative_trapezoid(x)", [True]),
        ("t.cumulative_trapezoid(x, dim=3)", V),
        ("t.cov(x)", np.zeros((1, 1, 1))),
        ("t.cov(x)", [True]),
        ("t.cov(x, fweights=x)", V),
        ("t.cov(x, fweights=t.tensor([1]))", V),
        ("t.cov(x, fweights=t.tensor([1, 1, 1, -1]))", V),
        ("t.cov(x, fweights=t.tensor([[1, 1, 1, 1]]))", V),
        ("t.cov(x, fweights=t.tensor([0, 0, 0, 0]))", V),
        ("t.cov(x, aweights=t.tensor([1, 1, 1, 1]))", V),
        ("t.corrcoef(x)", np.zeros((1, 1, 1))),
    ],
)
def test_errors(expression, x, torch):
    agree(torch, expression, x)


def test_batches():
    x = gc.tensor(X)
    for function in (gc.diff, gc.trapezoid, gc.cumulative_trapezoid, lambda v: gc.gradient(v)[0], gc.cov):
        want = gc.stack([function(row) for row in x])
        np.testing.assert_allclose(vmap(function)(x).numpy(force=True), want.numpy(force=True))
