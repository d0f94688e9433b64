"""Normalisations beside PyTorch's, where the database's samples do not look."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.func import grad, vmap
from gradcore.nn import functional as F  # noqa: N812 - torch's name for it

X = np.sin(np.arange(2 * 6 * 3.0)).reshape(2, 6, 3) * 2
ROWS, CHANNELS = np.linspace(0.5, 2.0, 3), np.linspace(-1.0, 1.0, 6)
MEAN, VAR = np.linspace(-0.2, 0.3, 6), np.linspace(0.5, 1.5, 6)


@pytest.mark.parametrize(
    ("expression", "arrays"),
    [
        ("F.layer_norm(x, (3,), y, z)", (X, ROWS, ROWS)),
        ("F.layer_norm(x, [6, 3], y)", (X, np.outer(CHANNELS, ROWS))),
        ("F.layer_norm(x, (3,), None, y, eps=0.3)", (X, ROWS)),
        ("t.native_layer_norm(x, (3,), y, None, 0.1)", (X, ROWS)),
        ("t.native_layer_norm(x, (3,), None, None, 0.1)", (np.zeros((0, 3)),)),
        ("F.layer_norm(x, (3,))", (np.full((2, 3), 1e8),)),
        ("F.group_norm(x, 3, y, z)", (X, CHANNELS, CHANNELS)),
        ("F.group_norm(x, 1)", (X[:, :, 0],)),
        ("t.native_group_norm(x, y, None, 2, 6, 3, 2, 0.1)", (X, CHANNELS)),
        ("F.batch_norm(x, None, None, y, z, True)", (X, CHANNELS, CHANNELS)),
        ("t.native_batch_norm(x, y, z, None, None, True, 0.1, 0.2)", (X, CHANNELS, CHANNELS)),
        ("t._native_batch_norm_legit(x, y, z, True, 0.1, 0.2)", (X, CHANNELS, CHANNELS)),
        ("F.instance_norm(x, weight=y, bias=z)", (X, CHANNELS, CHANNELS)),
        ("F.rms_norm(x, (3,), y)", (X, ROWS)),
        ("F.rms_norm(x, (6, 3), eps=0.2)", (X,)),
        ("F.rms_norm(x, (3,))", (X * (1 + 0.5j),)),
        ("F.local_response_norm(x, 3, 0.5)", (X,)),
        ("F.local_response_norm(x, 4, alpha=2.0, beta=0.5, k=0.7)", (X[..., None],)),
    ],
)
def test_agrees(expression, arrays, torch):
    # With a bias alone, PyTorch cannot differentiate the gradient: it misses the weight.
    agree(torch, expression, *arrays, order=1 if "None, y, eps" in expression else 2)


@pytest.mark.parametrize(
    "expression",
    [
        "F.layer_norm(x, (2,))",
        "F.layer_norm(x, ())",
        "F.layer_norm(x, 3)",
        "F.layer_norm(x, (3,), y)",
        "F.layer_norm(x.to(t.int64), (3,))",
        "F.layer_norm(x * 1j, (3,))",
        "F.layer_norm(x, (3,), t.ones(3, dtype=t.float32))",
        "F.group_norm(x, 4)",
        "F.group_norm(x[0, 0], 1)",
        "F.group_norm(x, 2, y[:3])",
        "F.group_norm(x[:1, :, 0], 6)",
        "F.batch_norm(x, None, None)",
        "F.batch_norm(x[0, 0], None, None, training=True)",
        "F.batch_norm(x[:1, :, 0], None, None, training=True)",
        "F.batch_norm(x, y[:2], y[:2])",
        "F.batch_norm(x, y, y, y[:2])",
        "F.batch_norm(x, y, y, eps=-1.0)",
        "F.batch_norm(x.to(t.int64), None, None, training=True)",
        "t.native_batch_norm(x[:0], None, None, None, None, True, 0.1, 0.1)",
        "F.instance_norm(x[..., :1])",
        "F.instance_norm(x, use_input_stats=False)",
        "F.rms_norm(x, (2,))",
        "F.rms_norm(x.to(t.int64), (3,))",
        "F.local_response_norm(x[0], 2)",
        "F.local_response_norm(x, 0)",
    ],
)
def test_errors(expression, torch):
    agree(torch, expression, X, CHANNELS)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("function", ["batch_norm", "instance_norm"])
def test_running_statistics(function, training, torch):
    found = []
    for t in (gc, torch):
        x, mean, var = t.tensor(X, requires_grad=True), t.tensor(MEAN), t.tensor(VAR)
        y = getattr(t.nn.functional, function)(x, mean, var, None, None, training, 0.3)
        (y * y.detach().cos()).sum().backward()
        found.append([v.numpy(force=True) for v in (y, x.grad, mean, var)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_one_value_has_no_unbiased_variance(torch):
    found = []
    for t in (gc, torch):
        mean, var = t.zeros(2), t.ones(2)
        t.native_batch_norm(t.ones(1, 2), None, None, mean, var, True, 0.5, 0.1)
        found.append((mean.tolist(), [np.isnan(v) for v in var.tolist()]))
    assert found[0] == found[1]


def test_a_change_of_the_running_statistics_is_noticed():
    x, mean, var = gc.tensor(X, requires_grad=True), gc.tensor(MEAN), gc.tensor(VAR)
    y = F.batch_norm(x, mean, var)
    F.batch_norm(x, mean, var, training=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_layer_norm_saves_what_pytorch_saves():
    x, w, b = (gc.tensor(v, requires_grad=True) for v in (X, ROWS, ROWS))
    y, mean, rstd = gc.native_layer_norm(x, (3,), w, b, 1e-5)
    node = y.grad_fn
    assert node._saved_input is x
    assert node._saved_weight is w
    assert gc.equal(node._saved_result1, mean)
    assert gc.equal(node._saved_result2, rstd)
    assert mean.shape == (2, 6, 1)
    assert not mean.requires_grad


@pytest.mark.parametrize("needed", [(True, False, False), (False, True, False), (False, False, True)])
@pytest.mark.parametrize(
    "function", ["F.layer_norm(x, (6,), w, b)", "F.group_norm(x, 2, w, b)", "F.batch_norm(x, None, None, w, b, True)"]
)
def test_gradients_of_some(function, needed, torch):
    found = []
    for t in (gc, torch):
        x, w, b = (t.tensor(v, requires_grad=n) for v, n in zip((X[:, :, 0], CHANNELS, CHANNELS), needed, strict=True))
        y = eval(function, {"F": t.nn.functional, "x": x, "w": w, "b": b})
        (y**3).sum().backward()
        found.append([None if v.grad is None else v.grad.numpy(force=True) for v in (x, w, b)])
    for a, b in zip(*found, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_per_example_gradients():
    x, w = gc.tensor(X), gc.tensor(ROWS)

    def loss(w, row):
        return (F.layer_norm(row, (3,), w) ** 3).sum()

    got = vmap(grad(loss), (None, 0))(w, x)
    want = gc.stack([grad(loss)(w, row) for row in x])
    np.testing.assert_allclose(got.numpy(force=True), want.numpy(force=True), rtol=1e-12)


def test_float32_far_from_zero(torch):
    a = np.float32(np.sin(np.arange(40.0)).reshape(4, 10) + 1000)
    found = []
    for t in (gc, torch):
        x = t.tensor(a, requires_grad=True)
        y = t.nn.functional.layer_norm(x, (10,))
        (y**3).sum().backward()
        found.append([v.numpy(force=True) for v in (y, x.grad)])
    for p, q in zip(*found, strict=True):
        np.testing.assert_allclose(p, q, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_running_statistics_have_no_gradient(name, training, torch):
    keyword = "training" if name == "batch_norm" else "use_input_stats"
    program = f"F.{name}(x, y.clone(), z.clone(), {keyword}={training})"
    for grad_of in ([True, True, False], [False, False, True]):
        agree(torch, program, X, MEAN, VAR, grad=grad_of)  # refused
    agree(torch, program, X, MEAN, VAR, grad=[True, False, False])
    with torch.no_grad(), gc.no_grad():
        agree(torch, program, X, MEAN, VAR)
