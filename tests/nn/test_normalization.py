"""Normalising, dropping and attending layers beside PyTorch's: parameters, buffers, results, gradients, printing."""

from __future__ import annotations

import numpy as np
import pytest

import gradcore as gc
from gradcore import nn

BATCH = np.sin(np.arange(4 * 6 * 5.0)).reshape(4, 6, 5)
LAYERS = [
    ("BatchNorm1d(6)", (4, 6)),
    ("BatchNorm1d(6, momentum=None)", (4, 6, 5)),
    ("BatchNorm1d(6, affine=False, track_running_stats=False)", (4, 6)),
    ("BatchNorm1d(6, bias=False)", (4, 6)),
    ("BatchNorm2d(3, eps=0.1, momentum=0.3)", (2, 3, 5, 4)),
    ("BatchNorm3d(3)", (2, 3, 5, 2, 2)),
    ("InstanceNorm1d(6)", (4, 6, 5)),
    ("InstanceNorm1d(6, affine=True)", (6, 20)),
    ("InstanceNorm2d(3, affine=True, track_running_stats=True)", (2, 3, 5, 4)),
    ("InstanceNorm3d(3)", (2, 3, 5, 2, 2)),
    ("LayerNorm(5)", (4, 6, 5)),
    ("LayerNorm((6, 5), bias=False)", (4, 6, 5)),
    ("LayerNorm([5], elementwise_affine=False)", (4, 6, 5)),
    ("RMSNorm(5)", (4, 6, 5)),
    ("RMSNorm(5, eps=0.1, elementwise_affine=False)", (4, 6, 5)),
    ("GroupNorm(2, 6)", (4, 6, 5)),
    ("GroupNorm(3, 6, affine=False)", (4, 6, 5)),
    ("LocalResponseNorm(3, alpha=0.5)", (4, 6, 5)),
    ("Softmin(1)", (4, 6)),
]


def pair(torch, text):
    ours = eval(text, {n: getattr(nn, n) for n in nn.__all__})
    theirs = eval(text, vars(torch.nn))
    ours.load_state_dict({k: gc.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize(("text", "shape"), LAYERS)
def test_layers(text, shape, torch):
    ours, theirs = pair(torch, text)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    size = int(np.prod(shape))
    for step in range(3):
        if step == 2:
            ours.eval()
            theirs.eval()
        a = np.float32(np.sin(np.arange(size) * (step + 1.3)).reshape(shape) + step)
        x, y = gc.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
        out, want = ours(x), theirs(y)
        assert type(out.grad_fn).__name__ == type(want.grad_fn).__name__
        np.testing.assert_allclose(out.numpy(force=True), want.numpy(force=True), rtol=1e-4, atol=1e-5)
        (out * out.detach().cos()).sum().backward()
        (want * want.detach().cos()).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(force=True), y.grad.numpy(), rtol=1e-3, atol=1e-4)
        for (name, v), w in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            np.testing.assert_allclose(v.numpy(force=True), w.numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(force=True), q.grad.numpy(), rtol=1e-3, atol=1e-4)


def test_running_statistics_can_be_forgotten():
    layer = nn.BatchNorm1d(3)
    layer(gc.randn(5, 3) + 4)
    assert layer.num_batches_tracked.item() == 1
    assert layer.running_mean.abs().sum().item() > 0.5
    layer.reset_running_stats()
    assert layer.running_mean.tolist() == [0.0] * 3
    assert layer.running_var.tolist() == [1.0] * 3
    assert layer.num_batches_tracked.item() == 0


@pytest.mark.parametrize(
    "text",
    [
        "nn.BatchNorm1d(3)(t.ones(2))",
        "nn.BatchNorm1d(3)(t.ones(1, 3))",
        "nn.BatchNorm2d(3)(t.ones(2, 3))",
        "nn.BatchNorm1d(3)(t.ones(2, 4))",
        "nn.InstanceNorm1d(3)(t.ones(2, 3, 1))",
        "nn.InstanceNorm1d(3, affine=True)(t.ones(2, 4, 5))",
        "nn.GroupNorm(2, 3)",
        "nn.GroupNorm(2, 4)(t.ones(2, 6))",
        "nn.LayerNorm(3)(t.ones(2, 4))",
        "nn.RMSNorm(3)(t.ones(2, 4))",
        "nn.LocalResponseNorm(3)(t.ones(2, 4))",
        "nn.Dropout2d(1.5)",
        "nn.MultiheadAttention(5, 2)",
        "nn.MultiheadAttention(0, 2)",
    ],
)
def test_errors(text, torch):
    found = []
    for t in (gc, torch):
        with pytest.raises((ValueError, RuntimeError, AssertionError, ZeroDivisionError)) as e:
            eval(text, {"t": t, "nn": nn if t is gc else torch.nn})
        found.append(e.value)
    assert isinstance(found[0], type(found[1])), found


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Dropout(0.3)", (30, 40)),
        ("Dropout1d(0.3)", (30, 40, 2)),
        ("Dropout2d(0.3)", (30, 40, 2, 1)),
        ("Dropout3d(0.3)", (30, 40, 2, 1, 1)),
        ("AlphaDropout(0.3)", (30, 40)),
        ("FeatureAlphaDropout(0.3)", (30, 40, 2)),
    ],
)
def test_dropout_layers(text, shape, torch):
    ours, theirs = pair(torch, text)
    assert repr(ours) == repr(theirs)
    gc.manual_seed(0)
    torch.manual_seed(0)
    x = gc.ones(*shape, requires_grad=True)
    out = ours(x)
    assert type(out.grad_fn).__name__ == type(theirs(torch.ones(shape, requires_grad=True)).grad_fn).__name__
    got = np.unique(out.numpy(force=True).round(4))
    want = np.unique(theirs(torch.ones(shape)).numpy().round(4))
    np.testing.assert_allclose(got, want, atol=2e-4)
    dropped = (out == out.min()).numpy(force=True)
    assert 0.2 < dropped.mean() < 0.4
    if len(shape) > 2:  # whole channels
        flat = dropped.reshape(*shape[:2], -1)
        assert (flat.all(-1) == flat.any(-1)).all()
    ours.eval()
    assert ours(x) is x


@pytest.mark.parametrize(
    ("options", "call"),
    [
        ({}, {}),
        ({"bias": False}, {"need_weights": False}),
        ({"add_bias_kv": True, "add_zero_attn": True}, {"average_attn_weights": False}),
        ({"kdim": 3, "vdim": 5}, {}),
        ({"batch_first": True}, {"attn_mask": "causal", "is_causal": True, "need_weights": False}),
        ({}, {"attn_mask": "causal"}),
        ({}, {"key_padding_mask": "padding"}),
        ({"add_bias_kv": True}, {"key_padding_mask": "padding", "attn_mask": "causal", "need_weights": False}),
    ],
)
@pytest.mark.parametrize("batched", [True, False])
def test_multi_head_attention(options, call, batched, torch):
    length, n, size = 4, 2, 6
    theirs = torch.nn.MultiheadAttention(size, 2, **options)
    ours = nn.MultiheadAttention(size, 2, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: gc.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    rng = np.random.default_rng(1)
    own = options.get("kdim") is None
    widths = (size, options.get("kdim", size), options.get("vdim", size))
    shape = ((n, length) if options.get("batch_first") else (length, n)) if batched else (length,)
    arrays = [np.float32(rng.normal(size=(*shape, w))) for w in (widths[:1] if own else widths)]
    found = []
    for t, layer in ((gc, ours), (torch, theirs)):
        given = dict(call)
        if given.get("attn_mask"):
            given["attn_mask"] = t.ones(length, length, dtype=t.bool).triu(1)
        if given.get("key_padding_mask"):
            mask = np.zeros((n, length) if batched else (length,), bool)
            mask[..., -1] = True
            given["key_padding_mask"] = t.tensor(mask)
        xs = [t.tensor(a, requires_grad=True) for a in arrays]
        out, weights = layer(*(xs * 3 if own else xs), **given)
        (out * out.detach().cos()).sum().backward()
        nodes = [None if r is None else type(r.grad_fn).__name__ for r in (out, weights)]
        values = [
            out,
            *([] if weights is None else [weights]),
            *(x.grad for x in xs),
            *(p.grad for p in layer.parameters()),
        ]
        found.append((nodes, [v.numpy(force=True) for v in values]))
    assert found[0][0] == found[1][0]
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
