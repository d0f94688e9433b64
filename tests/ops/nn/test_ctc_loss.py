"""The loss of sequences of labels, and the cross entropy in parts, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

F = gc.nn.functional

rng = np.random.default_rng(5)
SCORES = rng.normal(size=(6, 3, 4))
LABELS = np.array([[1, 2, 2], [3, 1, 3], [2, 2, 1]])
APART = np.array([1, 2, 2, 3, 1, 2])

# PyTorch has no derivatives of second order; its gradient is that of the scores.
REST = {"grad": (True, False), "order": 1}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "lengths", ["(6, 4, 5), (3, 2, 1)", "(6, 0, 3), (0, 0, 3)", "(6, 2, 0), (3, 3, 2)", "(3, 3, 3), (3, 3, 3)"]
)
def test_lengths(lengths, reduction, torch):
    for rest in ("", ", zero_infinity=True", ", blank=3"):
        labels = LABELS % 3 if "blank" in rest else LABELS
        expression = f"F.ctc_loss(t.log_softmax(x, 2), y, {lengths}, reduction='{reduction}'{rest})"
        if "(0, 0, 3)" in lengths or "(3, 3, 2)" in lengths:
            # What a sequence without steps has for a gradient, PyTorch leaves to chance.
            agree(torch, expression, SCORES, labels, grad=(False, False))
        else:
            agree(torch, expression, SCORES, labels, **REST)


def test_other_shapes(torch):
    for kind in (np.int64, np.int32):
        agree(torch, "F.ctc_loss(t.log_softmax(x, 2), y, (6, 4, 5), (3, 2, 1))", SCORES, APART.astype(kind), **REST)
    agree(torch, "F.ctc_loss(t.log_softmax(x, 1), y, (6,), (3,))", SCORES[:, 0], LABELS[0], **REST)
    lengths = "t.tensor([6, 4, 5]), t.tensor([3, 2, 1])"
    agree(torch, f"F.ctc_loss(t.log_softmax(x, 2), y, {lengths})", SCORES.astype(np.float32), LABELS, **REST)


@pytest.mark.parametrize(
    "arguments",
    [
        "y, (6, 4), (3, 2, 1)",
        "y, (6, 4, 5), (3, 2)",
        "y, (7, 4, 5), (3, 2, 1)",
        "y, (6, 4, 5), (4, 2, 1)",
        "y, (6, 4, 5), (3, 2, 1), blank=4",
        "y, (6, 4, 5), (3, 2, 1), reduction='foo'",
    ],
)
def test_errors(arguments, torch):
    agree(torch, f"F.ctc_loss(x, {arguments})", SCORES, LABELS, grad=(False, False))


def test_sequences_that_are_too_short(torch):
    scores = gc.tensor(SCORES, requires_grad=True)
    for zero_infinity in (False, True):
        loss = F.ctc_loss(
            gc.log_softmax(scores, 2),
            gc.tensor(LABELS),
            (6, 2, 6),
            (3, 3, 3),
            reduction="sum",
            zero_infinity=zero_infinity,
        )
        assert np.isfinite(loss.item()) == zero_infinity
        (g,) = gc.autograd.grad(loss, scores)
        assert bool(g[:2, 1].isnan().all()) == (not zero_infinity)
        assert bool(g[:, [0, 2]].isfinite().all())


ROWS = rng.normal(size=(5, 3))
MATRIX = rng.normal(size=(4, 3))
BIAS = rng.normal(size=4)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("size", [1, 2, 100, None])
def test_cross_entropy_in_parts(size, reduction):
    options = gc.nn.LinearCrossEntropyOptions(batch_chunk_size=size)
    target = gc.tensor([0, 3, -100, 1, 3])
    weight = gc.tensor([0.5, 1.0, 2.0, 1.5], dtype=gc.float64)
    found = []
    for chosen in (None, options):
        operands = [gc.tensor(a, requires_grad=True) for a in (ROWS, MATRIX, BIAS)]
        loss = F.linear_cross_entropy(
            operands[0],
            operands[1],
            target,
            linear_bias=operands[2],
            weight=weight,
            reduction=reduction,
            options=chosen,
        )
        first = gc.autograd.grad(loss.sum(), operands, create_graph=True)
        second = gc.autograd.grad(sum((g * g).sum() for g in first), operands)
        found.append([loss, *first, *second])
    for whole, parts in zip(*found, strict=True):
        np.testing.assert_allclose(parts.numpy(force=True), whole.numpy(force=True), atol=1e-12)


@pytest.mark.parametrize(
    "expression",
    [
        "F.linear_cross_entropy(x, y, t.tensor([0, 1, 2, 3, 0]))",
        "F.linear_cross_entropy(x, y, t.tensor([0, 1, 2, 3, 9]))",
        "F.linear_cross_entropy(x, y[:, :2], t.tensor([0, 1, 2, 3, 0]))",
        "F.linear_cross_entropy(x, y[0], t.tensor([0, 1, 2, 3, 0]))",
        "F.linear_cross_entropy(x[None], y, t.tensor([0, 1, 2, 3, 0]))",
        "F.linear_cross_entropy(x, y, t.tensor([0, 1, 2, 3, 0]), linear_bias=y[0])",
        "F.linear_cross_entropy(x, y, t.ones(5, 4), ignore_index=1)",
        "F.linear_cross_entropy(x, y, t.tensor([9, 1, 2, 3, 0]), options=t.nn.LinearCrossEntropyOptions(batch_chunk_size=2))",
        "F.linear_cross_entropy(x, y, t.tensor([1]), options=t.nn.LinearCrossEntropyOptions(batch_chunk_size=2))",
        "t.nn.LinearCrossEntropyOptions(batch_chunk_size=0)",
    ],
)
def test_linear_cross_entropy(expression, torch):
    agree(torch, expression, ROWS, MATRIX)


def test_the_module_of_the_linear_cross_entropy():
    x, target = gc.tensor(ROWS, dtype=gc.float32), gc.tensor([0, 3, 2, 1, 3])
    layer = gc.nn.LinearCrossEntropyLoss(3, 4, bias=True, label_smoothing=0.1)
    want = F.cross_entropy(layer.linear(x), target, label_smoothing=0.1)
    assert layer(x, target).item() == want.item()
    assert sorted(layer.state_dict()) == ["linear.bias", "linear.weight"]
    places = gc.nn.LinearCrossEntropyLoss(3, 4, out_features=(2,))
    assert places(x, gc.zeros(5, 2, dtype=gc.int64)).shape == ()
    with pytest.raises(RuntimeError, match="expected weight shape"):
        gc.nn.LinearCrossEntropyLoss(3, 4, weight=gc.ones(3))
