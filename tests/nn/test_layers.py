"""Layers and losses: what they compute beside PyTorch's, with the same parameters; containers as lists."""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np
import pytest

import gradcore as gc
from gradcore import nn

X = np.random.default_rng(0).standard_normal((5, 4))
CLASSES = np.array([0, 2, 1, 2, 0])


def with_same_parameters(torch, make):
    """The layer that ``make(t)`` gives, for both libraries, with the parameters of PyTorch's, in float64."""
    theirs, ours = make(torch).double(), make(gc).double()
    ours.load_state_dict({k: gc.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return ours, theirs


LAYERS = {
    "linear": lambda t: t.nn.Linear(4, 3),
    "linear without bias": lambda t: t.nn.Linear(4, 3, bias=False),
    "relu": lambda t: t.nn.ReLU(),
    "sigmoid": lambda t: t.nn.Sigmoid(),
    "tanh": lambda t: t.nn.Tanh(),
    "gelu": lambda t: t.nn.GELU(),
    "gelu by tanh": lambda t: t.nn.GELU(approximate="tanh"),
    "softmax": lambda t: t.nn.Softmax(dim=1),
    "log_softmax": lambda t: t.nn.LogSoftmax(dim=-1),
    "flatten": lambda t: t.nn.Flatten(0),
    "identity": lambda t: t.nn.Identity(1, two=2),
    "dropout in evaluation": lambda t: t.nn.Dropout(0.5).eval(),
    "mlp": lambda t: t.nn.Sequential(t.nn.Linear(4, 8), t.nn.ReLU(), t.nn.Linear(8, 3), t.nn.LogSoftmax(1)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, torch):
    ours, theirs = with_same_parameters(torch, LAYERS[name])
    x, y = gc.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    got, want = ours(x), theirs(y)
    np.testing.assert_allclose(got.numpy(force=True), want.detach().numpy(), atol=1e-12)
    (got * got).sum().backward()
    (want * want).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(force=True), y.grad.numpy(), atol=1e-12)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(force=True), q.grad.numpy(), atol=1e-12)


LOSSES = {
    "mse": lambda t: t.nn.MSELoss(),
    "mse, summed": lambda t: t.nn.MSELoss(reduction="sum"),
    "nll": lambda t: t.nn.NLLLoss(),
    "nll with weights": lambda t: t.nn.NLLLoss(t.tensor([1.0, 2.0, 0.5, 1.0], dtype=t.float64), ignore_index=1),
    "cross entropy": lambda t: t.nn.CrossEntropyLoss(),
    "cross entropy, smoothed": lambda t: t.nn.CrossEntropyLoss(label_smoothing=0.1, reduction="none"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, torch):
    found = []
    for t in (gc, torch):
        loss = LOSSES[name](t)
        target = t.tensor(X * 0.5) if name.startswith("mse") else t.tensor(CLASSES)
        x = t.tensor(X, requires_grad=True)
        out = loss(x, target)
        out.sum().backward()
        found.append((out.detach().numpy(force=True), x.grad.numpy(force=True), list(loss.state_dict())))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-12)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-12, atol=1e-15)
    assert found[0][2] == found[1][2]


def test_linear_starts_within_its_bound():
    layer = nn.Linear(100, 200)
    for p in (layer.weight, layer.bias):
        assert p.abs().max().item() <= 0.1
        assert p.abs().max().item() > 0.09
        assert abs(p.mean().item()) < 0.03
    assert layer.weight.shape == (200, 100)
    assert layer.bias.shape == (200,)
    assert nn.Linear(3, 2, bias=False).bias is None
    assert nn.Linear(3, 2, dtype=gc.float64).weight.dtype == gc.float64


def test_linear_is_the_same_under_a_seed(device):
    gc.manual_seed(5)
    a = nn.Linear(3, 2)
    gc.manual_seed(5)
    b = nn.Linear(3, 2)
    assert gc.equal(a.weight, b.weight)
    assert not gc.equal(a.weight, nn.Linear(3, 2).weight)
    assert a.weight.device == device


def test_linear_of_nothing_warns(t):
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        layer = t.nn.Linear(0, 2)
    assert layer(t.ones(3, 0)).shape == (3, 2)
    assert layer.bias.tolist() == [0.0, 0.0]


def test_dropout_drops_in_training_only(t):
    layer = t.nn.Dropout(0.5)
    x = t.ones(1000)
    assert 400 < (layer(x) == 0).sum().item() < 600
    assert layer.eval()(x) is x
    changed = t.ones(1000)
    assert t.nn.Dropout(0.5, inplace=True)(changed) is changed
    assert (changed == 0).any()


def test_relu_in_place(t):
    x = t.tensor([-1.0, 2.0])
    assert t.nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [0.0, 2.0]


# Containers.


def test_sequential_as_a_list(t):
    n = t.nn
    parts = [n.Linear(1, 1), n.ReLU(), n.Tanh()]
    s = n.Sequential(*parts)
    assert len(s) == 3
    assert list(s) == parts
    assert s[-1] is parts[2]
    assert list(s[1:]) == parts[1:]
    assert isinstance(s[1:], n.Sequential)
    s[1] = n.Sigmoid()
    assert type(s[1]).__name__ == "Sigmoid"
    assert s.append(n.ReLU()) is s
    s.insert(0, n.Identity())
    assert [type(m).__name__ for m in s] == ["Identity", "Linear", "Sigmoid", "Tanh", "ReLU"]
    assert list(s._modules) == ["0", "1", "2", "3", "4"]
    del s[0]
    assert type(s.pop(1)).__name__ == "Sigmoid"
    assert [type(m).__name__ for m in s] == ["Linear", "Tanh", "ReLU"]
    s.extend([n.Tanh(), n.ReLU()])
    assert len(s + n.Sequential(n.Tanh())) == 6
    s += n.Sequential(n.Tanh())
    assert len(s) == 6
    assert len(n.Sequential(n.ReLU()) * 3) == len(3 * n.Sequential(n.ReLU())) == 3


def test_sequential_with_names(t):
    n = t.nn
    s = n.Sequential(OrderedDict(first=n.Linear(2, 3), act=n.ReLU()))
    assert s.first is s[0]
    assert list(s.state_dict()) == ["first.weight", "first.bias"]
    assert list(s[:1]._modules) == ["first"]
    assert s(t.ones(1, 2)).shape == (1, 3)


def test_module_list(t):
    n = t.nn
    m = n.ModuleList([n.Linear(1, 1)])
    assert m.append(n.ReLU()) is m
    m += [n.Tanh()]
    longer = m + [n.Sigmoid()]  # noqa: RUF005 - the operator itself
    assert [type(x).__name__ for x in longer] == ["Linear", "ReLU", "Tanh", "Sigmoid"]
    assert isinstance(m[:2], n.ModuleList)
    assert [k for k, _ in m.named_parameters()] == ["0.weight", "0.bias"]
    m.insert(0, n.Sigmoid())
    assert type(m.pop(0)).__name__ == "Sigmoid"
    assert len(m) == 3


# Initialization.


FILLS = {
    "uniform_": ({"a": -2.0, "b": 3.0}, 0.5, 5 / math.sqrt(12)),
    "normal_": ({"mean": 1.0, "std": 2.0}, 1.0, 2.0),
    "xavier_uniform_": ({"gain": 2.0}, 0.0, 2 * math.sqrt(2 / 500)),
    "xavier_normal_": ({}, 0.0, math.sqrt(2 / 500)),
    "kaiming_uniform_": ({"a": 0.5}, 0.0, math.sqrt(2 / 1.25 / 300)),
    "kaiming_normal_": ({"mode": "fan_out", "nonlinearity": "relu"}, 0.0, math.sqrt(2 / 200)),
    "constant_": ({"val": 3.0}, 3.0, 0.0),
    "ones_": ({}, 1.0, 0.0),
    "zeros_": ({}, 0.0, 0.0),
}


@pytest.mark.parametrize("name", FILLS)
def test_fills(name, t):
    options, mean, std = FILLS[name]
    p = t.nn.Parameter(t.empty(200, 300))
    assert getattr(t.nn.init, name)(p, **options) is p
    assert p.is_leaf
    assert p.requires_grad
    assert p.mean().item() == pytest.approx(mean, abs=4 * std / math.sqrt(60_000) + 1e-6)
    assert p.std().item() == pytest.approx(std, rel=0.02, abs=1e-6)


def test_fans_of_kernels(t):
    p = t.nn.init.kaiming_uniform_(t.empty(20, 10, 5, 5), nonlinearity="linear")
    assert p.abs().max().item() == pytest.approx(math.sqrt(3 / 250), rel=0.01)


def test_eye(t):
    assert t.nn.init.eye_(t.empty(2, 3)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    with pytest.raises(ValueError, match="Only tensors with 2 dimensions are supported"):
        t.nn.init.eye_(t.empty(2))


@pytest.mark.parametrize(
    "args",
    [("linear",), ("conv2d",), ("sigmoid",), ("tanh",), ("relu",), ("leaky_relu",), ("leaky_relu", 0.2), ("selu",)],
)
def test_gains(args, torch):
    assert nn.init.calculate_gain(*args) == pytest.approx(torch.nn.init.calculate_gain(*args))


def test_refusals(t):
    init = t.nn.init
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_uniform_(t.ones(3))
    with pytest.raises(ValueError, match="Mode x not supported"):
        init.kaiming_uniform_(t.ones(3, 3), mode="x")
    with pytest.raises(ValueError, match="Unsupported nonlinearity foo"):
        init.calculate_gain("foo")
    with pytest.raises(ValueError, match="not a valid number"):
        init.calculate_gain("leaky_relu", "x")
