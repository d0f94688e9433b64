"""Losses of margins, embeddings and likelihoods beside PyTorch's, where the database has no samples."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

F = gc.nn.functional

rng = np.random.default_rng(11)
X = rng.normal(size=(4, 3))
Y = rng.normal(size=(4, 3))
Z = rng.normal(size=(4, 3))
SIGNS = np.sign(rng.normal(size=(4, 3)))
CLASSES = [0, 2, 1, 1]
LISTS = [[0, 2, -1], [1, -1, 0], [-1, 0, 0], [2, 2, 0]]
REDUCTIONS = ["mean", "sum", "none"]
# PyTorch has no derivatives of second order of the two losses of several classes.
FIRST = {"order": 1}


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_two_classes(reduction, torch):
    r = f"reduction='{reduction}'"
    agree(torch, f"F.soft_margin_loss(x, y, {r})", X, SIGNS, grad=(True, False))
    agree(torch, f"F.soft_margin_loss(x, y, {r})", X, SIGNS[0], grad=(True, False))
    agree(torch, f"F.hinge_embedding_loss(x, y, 0.5, {r})", X, np.where(Y > 1, 0, SIGNS), grad=(True, False))
    agree(torch, f"F.margin_ranking_loss(x, y, z, 0.5, {r})", X, Y, SIGNS)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_several_classes(reduction, torch):
    r = f"reduction='{reduction}'"
    weight = [0.5, 1.0, 2.0]
    for p in (1, 2):
        agree(torch, f"F.multi_margin_loss(x, y, {p}, 0.7, {r})", X, CLASSES, **FIRST)
        agree(
            torch,
            f"F.multi_margin_loss(x, y, {p}, 0.7, z, {r})",
            X,
            CLASSES,
            weight,
            grad=(True, False, False),
            **FIRST,
        )
    agree(torch, f"F.multi_margin_loss(x, y, {r})", X[0], 1, **FIRST)
    agree(torch, f"F.multi_margin_loss(x, y, {r})", X[0], [1], **FIRST)
    agree(torch, f"F.multi_margin_loss(x, y, {r})", 0.5, 0, **FIRST)
    agree(torch, f"F.multilabel_margin_loss(x, y, {r})", X, LISTS, **FIRST)
    agree(torch, f"F.multilabel_margin_loss(x, y, {r})", X[0], LISTS[0], **FIRST)
    agree(torch, f"F.multilabel_margin_loss(x, y, {r})", 0.5, -1, **FIRST)
    agree(torch, f"F.multilabel_soft_margin_loss(x, y, z, {r})", X, (SIGNS + 1) / 2, weight)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_embeddings(reduction, torch):
    r = f"reduction='{reduction}'"
    agree(torch, f"F.cosine_embedding_loss(x, y, z, 0.2, {r})", X, Y, SIGNS[:, 0], grad=(True, True, False))
    agree(torch, f"F.cosine_embedding_loss(x, y, z, {r})", X[0] * 0, Y[0], -1.0, grad=(True, True, False))
    agree(torch, f"F.triplet_margin_loss(x, y, z, 0.5, 3, {r}, swap=True)", X, Y, Z)
    agree(torch, f"F.triplet_margin_with_distance_loss(x, y, z, {r})", X, Y, Z)
    distance = "distance_function=lambda a, b: (a - b).abs().sum(-1)"
    agree(torch, f"F.triplet_margin_with_distance_loss(x, y, z, {distance}, swap=True, {r})", X, Y, Z)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_likelihoods(reduction, torch):
    r = f"reduction='{reduction}'"
    agree(torch, f"F.gaussian_nll_loss(x, y, z ** 2, full=True, {r})", X, Y, Z)
    agree(torch, f"F.gaussian_nll_loss(x, y, z ** 2, {r})", X, Y, Z[:, 0])
    agree(torch, f"F.gaussian_nll_loss(x, y, 2.0, {r})", X, Y)
    agree(torch, f"F.gaussian_nll_loss(x, y, z * 0, eps=0.1, {r})", X, Y, Z)
    agree(torch, f"F.poisson_nll_loss(x, y ** 2, full=True, {r})", X, Y * 2)
    agree(torch, f"F.poisson_nll_loss(x ** 2, y ** 2, log_input=False, {r})", X, Y)


@pytest.mark.parametrize(
    "expression",
    [
        "F.soft_margin_loss(x, y[:, :2])",
        "F.soft_margin_loss(x, y)",
        "F.soft_margin_loss(x, y, reduction='foo')",
        "F.multi_margin_loss(x, t.tensor([0, 5, 1, 1]))",
        "F.multi_margin_loss(x, t.tensor([0, 1]))",
        "F.multi_margin_loss(x, t.tensor([0, 1, 1, 1]), p=3)",
        "F.multi_margin_loss(x, y[:, 0])",
        "F.multi_margin_loss(x, t.tensor([0, 1, 1, 1]), weight=y.detach())",
        "F.multi_margin_loss(x, t.tensor([0, 1, 1, 1]), weight=y.detach()[0, :2])",
        "F.multi_margin_loss(x[None], t.tensor([0]))",
        "F.multi_margin_loss(x[:, :0], t.tensor([0, 1, 1, 1]))",
        "F.multilabel_margin_loss(x, t.tensor([0, 1, 2, 0]))",
        "F.multilabel_margin_loss(x, (y * 0 + 5).long())",
        "F.multilabel_margin_loss(x, (y * 0 - 2).long())",
        "F.multilabel_margin_loss(x, y)",
        "F.margin_ranking_loss(x, y, y[0])",
        "F.cosine_embedding_loss(x, y, x)",
        "F.cosine_embedding_loss(x[None], y, x[0])",
        "F.triplet_margin_loss(x, y[0], x)",
        "F.triplet_margin_loss(x, y, x, margin=0)",
        "F.gaussian_nll_loss(x, y, x)",
        "F.gaussian_nll_loss(x, y, t.ones(2))",
        "F.gaussian_nll_loss(x, y, 2)",
        "F.gaussian_nll_loss(x, y, -2.0)",
        "F.poisson_nll_loss(x, y, reduction='foo')",
        "F.multilabel_soft_margin_loss(x, y, reduction='foo')",
    ],
)
def test_errors(expression, torch):
    agree(torch, expression, X, Y)


def test_a_large_score_has_a_finite_loss():
    x = gc.tensor([-1e4, 1e4], dtype=gc.float64, requires_grad=True)
    loss = F.soft_margin_loss(x, gc.ones(2, dtype=gc.float64), reduction="none")
    loss.sum().backward()
    assert loss.tolist() == [1e4, 0.0]
    assert x.grad.tolist() == [-1.0, 0.0]


def test_modules_are_the_functions():
    x, y, z = (gc.tensor(a) for a in (X, Y, Z))
    signs = gc.tensor(SIGNS)
    cases = [
        (gc.nn.TripletMarginLoss(0.5, swap=True), (x, y, z), F.triplet_margin_loss(x, y, z, 0.5, swap=True)),
        (gc.nn.MarginRankingLoss(0.5), (x, y, signs), F.margin_ranking_loss(x, y, signs, 0.5)),
        (gc.nn.MultiMarginLoss(2, 0.5), (x, gc.tensor(CLASSES)), F.multi_margin_loss(x, gc.tensor(CLASSES), 2, 0.5)),
        (gc.nn.PoissonNLLLoss(full=True), (x, y * y), F.poisson_nll_loss(x, y * y, full=True)),
        (gc.nn.GaussianNLLLoss(), (x, y, z * z), F.gaussian_nll_loss(x, y, z * z)),
        (
            gc.nn.BCEWithLogitsLoss(reduction="sum"),
            (x, z * z),
            F.binary_cross_entropy_with_logits(x, z * z, reduction="sum"),
        ),
        (gc.nn.HuberLoss(delta=0.3), (x, y), F.huber_loss(x, y, delta=0.3)),
    ]
    for module, given, want in cases:
        assert module(*given).item() == want.item(), type(module).__name__
