"""Losses, cross entropies and divergences beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

F = gc.nn.functional
REDUCTIONS = ["mean", "sum", "none"]

rng = np.random.default_rng(7)
X = rng.normal(size=(4, 3))
LOGS = X - np.log(np.exp(X).sum(1, keepdims=True))
P = 1 / (1 + np.exp(-X))
Q = rng.random((4, 3))
WEIGHT = np.array([0.5, 1.0, 2.0])
PLACES = rng.normal(size=(2, 3, 2, 2))
TARGETS = {
    "rows": (LOGS, [0, 2, 1, 2]),
    "ignored": (LOGS, [0, -100, 1, 2]),
    "all ignored": (LOGS, [-100] * 4),
    "one": (LOGS[0], 1),
    "one ignored": (LOGS[0], -100),
    "sequence": (PLACES.reshape(2, 3, 4), rng.integers(0, 3, (2, 4))),
    "image": (PLACES, [[[0, 1], [2, -100]], [[1, 1], [0, 2]]]),
    "nothing": (np.zeros((0, 3)), np.zeros(0, int)),
    "bytes": (LOGS, np.array([0, 2, 1, 2], np.uint8)),
    "too large": (LOGS, [0, 3, 1, 1]),
    "negative": (LOGS, [0, -1, 1, 1]),
    "other batch": (LOGS, [0, 1]),
    "other places": (PLACES, np.zeros((2, 2), int)),
    "floats": (LOGS, [0.0, 1.0, 2.0, 0.0]),
    "int32": (LOGS, np.zeros(4, np.int32)),
    "number": (1.0, 0),
    "integer scores": ([[1, 2], [3, 4]], [0, 1]),
}


def grads(x, *rest):
    """Which operands require grad: the input, and no targets or weights."""
    return (np.asarray(x).dtype.kind == "f", *([False] * len(rest)))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", TARGETS)
def test_nll_loss(name, reduction, torch):
    x, target = TARGETS[name]
    # PyTorch ends with a view of its own for a sequence, which would name the node.
    end = " * 1" if name == "sequence" else ""
    agree(torch, f"F.nll_loss(x, y, reduction='{reduction}'){end}", x, target, grad=grads(x, target))
    agree(
        torch,
        f"F.nll_loss(x, y, z, reduction='{reduction}'){end}",
        x,
        target,
        WEIGHT,
        grad=grads(x, target, WEIGHT),
    )
    agree(torch, f"F.nll_loss(x, y, ignore_index=1, reduction='{reduction}'){end}", x, target, grad=grads(x, target))
    agree(
        torch,
        f"F.nll_loss(x, y, z, ignore_index=1, reduction='{reduction}'){end}",
        x,
        target,
        WEIGHT,
        grad=grads(x, target, WEIGHT),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", [n for n in TARGETS if n not in ("number", "floats", "sequence")])
def test_cross_entropy(name, reduction, torch):
    x, target = TARGETS[name]
    for smoothing in ("", "label_smoothing=0.1, ") if name != "bytes" else ("",):
        agree(
            torch,
            f"F.cross_entropy(x, y, {smoothing}reduction='{reduction}')",
            x,
            target,
            grad=grads(x, target),
        )
        agree(
            torch,
            f"F.cross_entropy(x, y, z, {smoothing}reduction='{reduction}')",
            x,
            target,
            WEIGHT,
            grad=grads(x, target, WEIGHT),
        )


def test_cross_entropy_is_two_nodes(t):
    x = t.ones(2, 3, requires_grad=True)
    loss = t.nn.functional.cross_entropy(x, t.tensor([0, 2]))
    before = [f for f, _ in loss.grad_fn.next_functions if f is not None]
    assert [type(f).__name__ for f in before] == ["LogSoftmaxBackward0"]


@pytest.mark.parametrize("reduction", ["sum", "none"])
@pytest.mark.parametrize("shape", [(4, 3), (3,), (2, 3, 2)])
def test_cross_entropy_of_probabilities(shape, reduction, torch):
    numbers = np.random.default_rng(3)
    x, target = numbers.normal(size=shape), numbers.random(shape)
    agree(torch, f"F.cross_entropy(x, y, reduction='{reduction}')", x, target)
    agree(
        torch,
        f"F.cross_entropy(x, y, z, label_smoothing=0.2, reduction='{reduction}')",
        x,
        target,
        WEIGHT,
        grad=(True, True, False),
    )
    # The mean, without its node: PyTorch divides by a number in C++, which has a node of its own.
    agree(torch, "F.cross_entropy(x, y, z) * 1", x, target, WEIGHT, grad=(True, True, False))


def test_large_scores_do_not_overflow(torch):
    agree(torch, "F.cross_entropy(x, y)", np.array([[1e4, -1e4], [-1e4, 1e4]]), [1, 1], grad=(True, False))
    agree(torch, "F.binary_cross_entropy_with_logits(x, y)", [-1000.0, 1000.0, 0.0], [1.0, 0.0, 0.5])


DISTANCES = {
    "same shape": (X, P),
    "ties": (X, np.where(X > 0, X, X - 1)),
    "single and double": (X.astype(np.float32), P),
    "integer target": (X[:, 0], [0, 1, 2, 3]),
    "integers": ([1, 2], [3, 4]),
    "numbers": (1.0, 3.0),
    "nothing": (np.zeros((0, 3)), np.zeros((0, 3))),
    "knees": ([1.0, -1.0, 0.0, 2.0], np.zeros(4)),
}


LOSSES = ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"]
# PyTorch's huber_loss fails in backward for two dtypes.
PAIRS = [
    (a, b) for a in LOSSES for b in DISTANCES if a != "huber_loss" or b not in ("single and double", "integer target")
]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("loss", "name"), PAIRS)
def test_distances(loss, name, reduction, torch):
    # At their knees two of the losses have no second derivative.
    agree(torch, f"F.{loss}(x, y, reduction='{reduction}')", *DISTANCES[name], order=1 if name == "knees" else 2)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_distances_broadcast_with_a_warning(loss, reduction, torch):
    agree(torch, f"F.{loss}(x, y, reduction='{reduction}')", X, P[0], warns="Using a target size")
    agree(torch, f"F.{loss}(x, y, reduction='{reduction}')", X[:, :1], P[:1], warns="Using a target size")


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_parameters_of_distances(reduction, torch):
    for beta in (0.0, 0.5, 2.0, -1.0):
        agree(torch, f"F.smooth_l1_loss(x, y, beta={beta}, reduction='{reduction}')", X, P)
    for delta in (0.5, 2.0, 0.0):
        agree(torch, f"F.huber_loss(x, y, delta={delta}, reduction='{reduction}')", X, P)
    for loss in ("mse_loss", "l1_loss", "huber_loss"):
        agree(torch, f"F.{loss}(x, y, weight=z, reduction='{reduction}')", X, P, Q)


PROBABILITIES = {
    "inside": (P, Q),
    "at the ends": (np.float32([0.0, 1.0, 0.0, 1.0, 0.5]), np.float32([0.0, 1.0, 1.0, 0.0, 0.5])),
    "single": (P.astype(np.float32), Q.astype(np.float32)),
    "outside": (X * 3, Q),
    "other shape": (P, Q[0]),
    "nothing": (np.zeros((0, 3)), np.zeros((0, 3))),
    "two dtypes": (P.astype(np.float32), Q),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", PROBABILITIES)
def test_binary_cross_entropy(name, reduction, torch):
    x, target = PROBABILITIES[name]
    order = 1 if name == "at the ends" else 2
    agree(torch, f"F.binary_cross_entropy(x, y, reduction='{reduction}')", x, target, order=order)
    agree(torch, f"F.binary_cross_entropy_with_logits(x, y, reduction='{reduction}')", x, target)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "expression",
    [
        "F.binary_cross_entropy(t.sigmoid(x), y, z",
        "F.binary_cross_entropy_with_logits(x, y, z",
        "F.binary_cross_entropy_with_logits(x, y, pos_weight=z",
        "F.binary_cross_entropy_with_logits(x, y, z, pos_weight=z * 3",
    ],
)
def test_weights_of_binary_cross_entropy(expression, reduction, torch):
    agree(torch, f"{expression}, reduction='{reduction}')", X, Q, WEIGHT, grad=(True, True, False))


@pytest.mark.parametrize("reduction", ["sum", "none", "batchmean"])
def test_kl_div(reduction, torch):
    agree(torch, f"F.kl_div(x, y, reduction='{reduction}')", LOGS, Q)
    agree(torch, f"F.kl_div(x, y, reduction='{reduction}', log_target=True)", LOGS, np.log(Q))
    agree(torch, f"F.kl_div(x, y, reduction='{reduction}')", LOGS[0], [0.0, 0.5, 0.5], grad=(True, False))


def test_kl_div_warns_of_its_mean(torch):
    agree(torch, "F.kl_div(x, y)", LOGS, Q, warns="divides the total loss")


@pytest.mark.parametrize(
    "expression",
    [
        "F.mse_loss(x, y, reduction='foo')",
        "F.kl_div(x, y, reduction='foo')",
        "F.huber_loss(x, y, reduction='foo')",
        "F.cross_entropy(x, y, label_smoothing=1.1)",
        "F.cross_entropy(x, y, ignore_index=1)",
        "F.cross_entropy(x, (y * 3).long())",
        "F.nll_loss(x, t.tensor([0, 1, 2, 0]), y[0])",
        "F.nll_loss(x, t.tensor([0, 1, 2, 0]), t.ones(2, dtype=t.float64))",
        "F.nll_loss(x, t.tensor([0, 1, 2, 0]), t.ones(3))",
        "F.binary_cross_entropy(t.sigmoid(x), y[0])",
        "F.binary_cross_entropy_with_logits(x, y[0])",
    ],
)
def test_errors(expression, torch):
    agree(torch, expression, X, Q)


@pytest.mark.parametrize("loss", ["mse_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits"])
def test_complex_numbers_have_no_such_loss(loss, torch):
    agree(torch, f"F.{loss}(x * 1j, y)", X, P)
    agree(torch, f"F.{loss}(x * 1j, y * 1j)", X, P)


def test_distances_and_entropies_of_complex_numbers(torch):
    agree(torch, "F.l1_loss(x * 1j, y)", X, P)
    agree(torch, "F.kl_div(x * 1j, y, reduction='sum')", X, P)
    agree(torch, "F.cross_entropy(x * 1j, t.tensor([0, 1, 2, 0]))", X)


def test_shapes_that_do_not_broadcast(torch):
    agree(torch, "F.l1_loss(x, y)", X, P[:2], warns="Using a target size")
    agree(torch, "F.mse_loss(x, y)", X, P[:2], warns="Using a target size")


def test_older_parameters_still_mean_what_they_meant(torch):
    agree(torch, "F.mse_loss(x, y, size_average=False)", X, P, warns="will be deprecated")
    agree(torch, "F.mse_loss(x, y, reduce=False)", X, P, warns="will be deprecated")
    agree(torch, "F.nll_loss(x, y, None, True)", LOGS, [0, 1, 2, 0], grad=(True, False), warns="will be deprecated")


def test_messages():
    x = gc.tensor(LOGS)
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        F.nll_loss(x, gc.tensor([0, 3, 1, 1]))
    with pytest.raises(ValueError, match=r"Expected input batch_size \(4\) to match target batch_size \(2\)"):
        F.nll_loss(x, gc.tensor([0, 1]))
    with pytest.raises(RuntimeError, match="expected target dtype to be Long or Byte, but got Double"):
        F.nll_loss(x, gc.tensor(LOGS[:, 0]))
    with pytest.raises(RuntimeError, match="all elements of input should be between 0 and 1"):
        F.binary_cross_entropy(gc.tensor([1.5]), gc.tensor([1.0]))
    with pytest.raises(ValueError, match="foo is not a valid value for reduction"):
        F.mse_loss(x, x, reduction="foo")


def test_a_step_of_a_classifier_needs_no_more_than_the_result_of_log_softmax():
    x = gc.tensor(X, requires_grad=True)
    scores = x * 1
    loss = F.cross_entropy(scores, gc.tensor([0, 2, 1, 2]))
    scores.zero_()  # neither node has saved it
    loss.backward()
    softmax = np.exp(LOGS)
    softmax[np.arange(4), [0, 2, 1, 2]] -= 1
    np.testing.assert_allclose(x.grad.numpy(force=True), softmax / 4)


@pytest.mark.parametrize(
    "expression",
    [
        "F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), weight=z)",
        "F.binary_cross_entropy_with_logits(x, y, weight=z)",
        "F.binary_cross_entropy_with_logits(x, y, pos_weight=z)",
        "F.nll_loss(x, t.tensor([0, 2, 1, 2]), z)",
        "F.cross_entropy(x, t.tensor([0, 2, 1, 2]), z)",
        "F.multi_margin_loss(x, t.tensor([0, 2, 1, 2]), weight=z)",
    ],
)
def test_weights_have_no_gradient_and_are_taken_where_none_is_recorded(expression, torch):
    agree(torch, expression, X, Q, WEIGHT)  # refused
    agree(torch, expression, X, Q, WEIGHT, grad=[True, False, False], order=1)
    with torch.no_grad(), gc.no_grad():
        agree(torch, expression, X, Q, WEIGHT)


@pytest.mark.parametrize("shape", [(2, 3, 2), (2, 3, 2, 2), (2, 3, 2, 1, 2)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_classes_of_places_in_any_number_of_dimensions(shape, reduction, torch):
    scores = np.cos(np.arange(float(np.prod(shape)))).reshape(shape)
    classes = np.arange(scores[:, 0].size).reshape(scores[:, 0].shape) % 3
    program = f"F.cross_entropy(x, y, z, reduction='{reduction}')"
    agree(torch, program, scores, classes, WEIGHT, grad=[True, False, False])
    agree(torch, f"F.nll_loss(x, y, reduction='{reduction}')", scores, classes)


def test_no_classes_are_smoothed(torch):
    agree(torch, "F.cross_entropy(x, x, label_smoothing=0.2, reduction='sum')", np.zeros((2, 0)))
