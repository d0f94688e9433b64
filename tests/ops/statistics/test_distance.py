"""Distances, and scaling to a norm, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.func import jacrev, vmap
from gradcore.ops.statistics import distance

inf = np.inf
A = np.cos(np.arange(12.0) * 3).reshape(4, 3)
B = np.sin(np.arange(15.0) * 2).reshape(5, 3) + 0.1
ORDERS = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, inf]


@pytest.mark.parametrize("p", ORDERS)
def test_distances_of_rows(p, torch):
    # There are no second derivatives in PyTorch; gradcore has them, and finite differences check them.
    agree(torch, f"t.cdist(x, y, {p})", A, B, order=1)
    agree(torch, f"F.pdist(x, {p})", A, order=1)
    agree(torch, f"t.dist(x, y, {p})", A, B[:4], order=2 if p else 0)


@pytest.mark.parametrize("p", ORDERS)
def test_one_point_has_no_distance_from_itself(p, torch):
    agree(torch, f"t.cdist(x, x, {p})", A, order=1)
    agree(torch, f"F.pdist(x, {p})", A[[0, 1, 0]], order=1)


def test_in_pieces(monkeypatch, torch):
    monkeypatch.setattr(distance, "DIFFERENCES", 1)
    for p in (0.0, 1.0, 2.0, 3.0, inf):
        agree(torch, f"t.cdist(x, y, {p})", A, B, order=1)


def test_by_a_library_where_there_is_one(monkeypatch, torch):
    monkeypatch.setattr(distance, "LARGE", 0)
    for p in (0.0, 0.5, 1.0, 2.0, 3.0, inf):
        agree(torch, f"t.cdist(x, y, {p})", A, B, order=1)
        agree(torch, f"F.pdist(x, {p})", A.astype(np.float32), order=1)


@pytest.mark.parametrize("mode", distance._MODES)
def test_modes_and_batches(mode, torch):
    x, y = np.stack([A, A + 1])[:, None], np.stack([B, B * 2, B - 1])
    order = 2 if mode == "use_mm_for_euclid_dist" else 1
    agree(torch, f"t.cdist(x, y, compute_mode={mode!r})", x, y, order=order)
    agree(torch, f"t.cdist(x, y, compute_mode={mode!r})", A, B[None], order=order)
    many = np.cos(np.arange(90.0) * 7).reshape(30, 3)
    agree(torch, f"t.cdist(x, y, compute_mode={mode!r})", many, B, order=1)


@pytest.mark.parametrize("shapes", [((0, 3), (2, 3)), ((2, 0), (3, 0)), ((2, 3), (0, 3)), ((0, 2, 3), (0, 2, 3))])
def test_nothing(shapes, torch):
    agree(torch, "t.cdist(x, y)", *map(np.zeros, shapes), order=1)


@pytest.mark.parametrize("shape", [(1, 2), (0, 2), (3, 0)])
def test_pdist_of_nothing(shape, torch):
    agree(torch, "F.pdist(x)", np.zeros(shape), order=0)  # the backward of PyTorch crashes
    x = gc.zeros(*shape, requires_grad=True)
    gc.nn.functional.pdist(x).sum().backward()
    assert x.grad.tolist() == gc.zeros(*shape).tolist()


def test_by_products_of_matrices_unless_they_cancel(monkeypatch, torch):
    monkeypatch.setattr(distance, "PRODUCTS_FROM", 0)
    near = A + 1e-9
    for x, y in ((A, B), (A, np.concatenate([A, B])), (A, near), (np.stack([A, B[:4]]), B)):
        agree(torch, "t.cdist(x, y)", x, y, order=1)
    agree(torch, "F.pdist(x)", A.astype(np.float32), order=1)
    agree(torch, "F.pdist(x)", np.concatenate([A, near, [[np.inf, 0, 0]]]), order=1)
    x, y = (gc.tensor(v, requires_grad=True) for v in (A, B))
    assert gc.autograd.gradgradcheck(gc.cdist, (x, y))


def test_close_points_far_from_the_origin_keep_their_digits():
    x = gc.tensor([[1e6, 0.0], [1e6 + 1.0, 0.0]], dtype=gc.float32, requires_grad=True)
    gc.cdist(x, x.detach())[0, 1].backward()
    assert x.grad.tolist() == [[-1.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("expression", "x", "y"),
    [
        ("t.dist(x, y)", A[0], A),
        ("t.dist(x, y, 3)", A * 1j, A + 2j),
        ("t.dist(x, y)", A.astype(np.float32), A + 1),
        ("F.pairwise_distance(x, y)", A, B[:4]),
        ("F.pairwise_distance(x, y, 1, 0.5, True)", A, B[0]),
        ("F.pairwise_distance(x, y, inf)", A, B[0]),
        ("F.cosine_similarity(x, y)", A, B[:4]),
        ("F.cosine_similarity(x, y, 0)", A, B[:1]),
        ("F.cosine_similarity(x, y, -1, 5.0)", A, B[0]),
        ("t.cosine_similarity(x, y)", A, A.astype(np.float32)),
        ("t.cosine_similarity(x, y, 0)", np.zeros(3), A[0]),
    ],
)
def test_along_a_dimension(expression, x, y, torch):
    agree(torch, expression, x, y, order=1 if "zeros" in expression or not np.any(x) else 2)


@pytest.mark.parametrize(
    "expression",
    [
        "F.normalize(x)",
        "F.normalize(x, 1, 0)",
        "F.normalize(x, p=inf, dim=-1)",
        "F.normalize(x, eps=9.0)",
        "t.renorm(x, 2, 0, 1.0)",
        "x.renorm(1, 1, 0.5)",
        "x.renorm(inf, -1, 0.5)",
        "x.renorm(2, 0, 9)",
    ],
)
def test_scaling(expression, torch):
    agree(torch, expression, A)
    agree(torch, expression, A[:3] * (1 - 0.5j))
    agree(torch, expression, np.zeros((0, 2)))


def test_renorm_in_place(torch):
    agree(torch, "(x * 1).renorm_(2, 0, 1.0)", A)
    agree(torch, "(x * 1).renorm_(2, 5, 1.0)", A)


@pytest.mark.parametrize(
    ("expression", "x"),
    [
        ("t.cdist(x, x[0])", A),
        ("t.cdist(x, x[:, :2])", A),
        ("t.cdist(x, x, -1.0)", A),
        ("t.cdist(x, x.float())", A),
        ("t.cdist(x, x)", np.ones((2, 2), int)),
        ("t.cdist(x, x, compute_mode='fast')", A),
        ("F.pdist(x[0])", A),
        ("F.pdist(x, -1.0)", A),
        ("F.pdist(x)", np.ones((2, 2), int)),
        ("t.dist(x, x)", np.ones(2, int)),
        ("t.cosine_similarity(x, x)", np.ones((2, 2), int)),
        ("F.normalize(x)", np.ones((2, 2), int)),
        ("x.renorm(2, 0, 1.0)", np.ones(2)),
        ("x.renorm(0, 0, 1.0)", A),
        ("x.renorm(2, 0, -1.0)", A),
        ("x.renorm(2, 0, 1.0)", np.ones((2, 2), int)),
    ],
)
def test_errors(expression, x, torch):
    agree(torch, expression, x)


def test_batches_and_jacobians():
    x, y = gc.tensor(np.stack([A, A + 1])), gc.tensor(B)
    found = vmap(gc.cdist, in_dims=(0, None))(x, y)
    np.testing.assert_allclose(found.numpy(force=True), gc.cdist(x, y).numpy(force=True))
    assert jacrev(gc.nn.functional.pdist)(x[0]).shape == (6, 4, 3)
    assert vmap(gc.dist)(x, x + 1).tolist() == pytest.approx([np.sqrt(12)] * 2)


@pytest.mark.parametrize("p", ["inf", "-inf", "2.0", "0.0"])
def test_norms_of_nothing(p, torch):
    for shape in ((0, 2), (2, 0)):
        agree(torch, f"t.dist(x, x + 1, {p})", np.zeros(shape), order=0)
        agree(torch, f"t.nn.functional.pairwise_distance(x, x + 1, {p})", np.zeros(shape), order=0)
