"""Optimizers: steps with PyTorch's numbers, groups, state, errors."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from programs import assert_raises

import gradcore as gc

OPTIONS = {
    "plain": {"lr": 0.1},
    "momentum": {"lr": 0.1, "momentum": 0.9},
    "nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "dampening": {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
    "decay": {"lr": 0.1, "weight_decay": 0.2},
    "all": {"lr": 0.1, "momentum": 0.8, "dampening": 0.1, "weight_decay": 0.05},
    "nesterov with decay": {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "up": {"lr": 0.1, "maximize": True},
    "up with all": {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1, "maximize": True},
}
SHAPES = [(3, 4), (4,), (), (0, 2)]


def parameters(t, values):
    return [t.nn.Parameter(t.tensor(v)) for v in values]


@pytest.mark.parametrize("name", OPTIONS)
def test_steps_are_pytorchs(name, torch):
    rng = np.random.default_rng(0)
    start = [rng.standard_normal(s) for s in SHAPES]
    ours, theirs = parameters(gc, start), parameters(torch, start)
    a, b = gc.optim.SGD(ours, **OPTIONS[name]), torch.optim.SGD(theirs, **OPTIONS[name])
    for step in range(6):
        for p, q in zip(ours, theirs, strict=True):
            g = rng.standard_normal(tuple(p.shape))
            p.grad, q.grad = gc.tensor(g), torch.tensor(g)
        if step == 2:
            # What has no gradient stays, and so does its momentum.
            ours[1].grad = theirs[1].grad = None
        a.step()
        b.step()
        if step == 3:
            for o in (a, b):
                o.param_groups[0]["lr"] *= 0.5
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(force=True), q.detach().numpy(), rtol=1e-12, atol=1e-12)
    mine, yours = a.state_dict(), b.state_dict()
    assert mine["param_groups"] == yours["param_groups"]
    assert mine["state"].keys() == yours["state"].keys()
    for number, state in yours["state"].items():
        for key, value in state.items():
            np.testing.assert_allclose(
                mine["state"][number][key].numpy(force=True), value.numpy(), rtol=1e-12, atol=1e-12
            )


def test_a_step_keeps_dtype_memory_and_gradient(t):
    p = t.nn.Parameter(t.ones(3))
    seen = p.detach()
    p.grad = t.ones(3)
    o = t.optim.SGD([p], lr=np.float64(0.5), momentum=0.9)
    for version in (1, 2):
        o.step()
        assert p._version == version
    assert p.dtype == t.float32
    assert seen.tolist() == p.tolist()
    assert p.grad.tolist() == [1.0] * 3
    assert p.is_leaf
    assert p.grad_fn is None


def test_a_graph_notices_a_step(t):
    p = t.nn.Parameter(t.ones(2))
    o = t.optim.SGD([p], lr=0.1)
    out = (p * p).sum()
    p.grad = t.ones(2)
    o.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_trains(t):
    w = t.nn.Parameter(t.zeros(2, 1))
    x = t.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    y = x @ t.tensor([[2.0], [-1.0]])
    o = t.optim.SGD([w], lr=0.2, momentum=0.5)
    for _ in range(200):
        o.zero_grad()
        ((x @ w - y) ** 2).mean().backward()
        o.step()
    assert w.detach().flatten().tolist() == pytest.approx([2.0, -1.0], abs=1e-4)


def test_groups_have_their_own_options(t):
    a, b = t.nn.Parameter(t.ones(1)), t.nn.Parameter(t.ones(1))
    o = t.optim.SGD([{"params": [a], "lr": 1.0}, {"params": b}], lr=0.5)
    for p in (a, b):
        p.grad = t.ones(1)
    o.step()
    assert (a.item(), b.item()) == (0.0, 0.5)
    c = t.nn.Parameter(t.ones(1))
    o.add_param_group({"params": c, "lr": 0.25})
    assert [g["lr"] for g in o.param_groups] == [1.0, 0.5, 0.25]
    assert o.param_groups[2]["params"][0] is c


def test_names(t):
    m = t.nn.Linear(2, 1)
    o = t.optim.SGD(m.named_parameters(), lr=0.1)
    assert o.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    assert o.param_groups[0]["params"] == [m.weight, m.bias] or o.param_groups[0]["params"][0] is m.weight
    with pytest.raises(ValueError, match="Some param names are missing"):
        t.optim.SGD([("w", m.weight), m.bias], lr=0.1)


def test_zero_grad(t):
    p = t.nn.Parameter(t.ones(2))
    o = t.optim.SGD([p], lr=0.1)
    (p * 3).sum().backward()
    kept = p.grad
    o.zero_grad(set_to_none=False)
    assert p.grad is kept
    assert kept.tolist() == [0.0, 0.0]
    o.zero_grad()
    assert p.grad is None
    o.zero_grad(set_to_none=False)


@pytest.mark.filterwarnings("ignore:Using backward.* with create_graph=True:UserWarning")
def test_zero_grad_takes_a_gradient_out_of_its_graph(t):
    p = t.nn.Parameter(t.ones(2))
    (p * p).sum().backward(create_graph=True)
    assert p.grad.requires_grad
    t.optim.SGD([p], lr=0.1).zero_grad(set_to_none=False)
    assert not p.grad.requires_grad
    assert p.grad.tolist() == [0.0, 0.0]


def test_closure_runs_with_gradients(t):
    p = t.nn.Parameter(t.ones(1))
    o = t.optim.SGD([p], lr=0.5)

    def closure():
        o.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with t.no_grad():
        assert o.step(closure).item() == 1.0
    assert p.item() == 0.0
    assert o.step() is None


def test_state_moves_between_optimizers(t):
    def make(dtype):
        p = t.nn.Parameter(t.ones(2, dtype=dtype))
        return p, t.optim.SGD([p], lr=0.1, momentum=0.9)

    p, o = make(t.float32)
    p.grad = t.ones(2)
    o.step()
    q, other = make(t.float64)
    other.load_state_dict(o.state_dict())
    buffer = other.state[q]["momentum_buffer"]
    assert buffer.dtype == t.float64
    assert buffer is not o.state[p]["momentum_buffer"]
    assert other.param_groups[0]["params"][0] is q
    fresh = copy.deepcopy(o)
    assert fresh.param_groups[0]["params"][0] is not p
    with pytest.raises(ValueError, match="different number of parameter groups"):
        o.load_state_dict({"state": {}, "param_groups": []})
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        o.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]})


def test_prints_as_pytorch(torch):
    def build(t):
        a, b = t.nn.Parameter(t.ones(1)), t.nn.Parameter(t.ones(1))
        return repr(t.optim.SGD([{"params": a}, {"params": b, "lr": 1.0}], lr=0.1, momentum=0.9))

    assert build(gc) == build(torch)


P = "p = t.nn.Parameter(t.ones(2))\n"
ERRORS = [
    ("t.optim.SGD([], lr=0.1)", ValueError, "optimizer got an empty parameter list"),
    (P + "t.optim.SGD(p, lr=0.1)", TypeError, "should be an iterable of Tensors or dicts"),
    (P + "t.optim.SGD([3], lr=0.1)", TypeError, "optimizer can only optimize Tensors, but one of the params is int"),
    (P + "t.optim.SGD(3, lr=0.1)", TypeError, "'int' object is not iterable"),
    (P + "t.optim.SGD([p * 2], lr=0.1)", ValueError, "can't optimize a non-leaf Tensor"),
    (P + "t.optim.SGD([{'params': {p}}], lr=0.1)", TypeError, "organized in ordered collections"),
    (P + "t.optim.SGD([{'param': [p]}], lr=0.1)", KeyError, "params"),
    (
        P + "t.optim.SGD([{'params': [p]}, {'params': [p]}], lr=0.1)",
        ValueError,
        "appear in more than one parameter group",
    ),
    (P + "t.optim.SGD([p], lr=0.1).add_param_group(3)", TypeError, "param_group must be a dict, but got <class 'int'>"),
    (P + "t.optim.SGD([p], lr=-1)", ValueError, "Invalid learning rate: -1"),
    (P + "t.optim.SGD([p], momentum=-1)", ValueError, "Invalid momentum value: -1"),
    (P + "t.optim.SGD([p], weight_decay=-1)", ValueError, "Invalid weight_decay value: -1"),
    (P + "t.optim.SGD([p], nesterov=True)", ValueError, "Nesterov momentum requires a momentum and zero dampening"),
    (
        P + "t.optim.SGD([p], momentum=0.9, dampening=0.1, nesterov=True)",
        ValueError,
        "requires a momentum and zero dampening",
    ),
    (P + "t.optim.SGD([p], foo=3)", TypeError, "unexpected keyword argument 'foo'"),
    (P + "t.optim.Optimizer([p], {}).step()", NotImplementedError),
]


@pytest.mark.parametrize(
    ("program", "error", "phrases"), [(p, e, m) for p, e, *m in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_errors(program, error, phrases, t):
    assert_raises(program, t, error, *phrases)


def test_the_same_parameter_twice_warns(t):
    p = t.nn.Parameter(t.ones(2))
    with pytest.warns(UserWarning, match="duplicate parameters"):
        t.optim.SGD([p, p], lr=0.1)


def test_learning_rate_as_a_tensor(t):
    p = t.nn.Parameter(t.ones(1))
    p.grad = t.ones(1)
    t.optim.SGD([p], lr=t.tensor(0.5)).step()
    assert p.item() == 0.5


def test_a_recorded_step_is_refused():
    with pytest.raises(NotImplementedError, match="differentiable=True"):
        gc.optim.SGD([gc.nn.Parameter(gc.ones(1))], lr=0.1, differentiable=True)


def test_parameters_on_two_devices():
    a, b = gc.nn.Parameter(gc.ones(1, device="cpu")), gc.nn.Parameter(gc.ones(1, device="strict:1"))
    o = gc.optim.SGD([a, b, gc.nn.Parameter(gc.ones(1))], lr=0.5, momentum=0.9)
    for p in (a, b):
        p.grad = gc.ones_like(p)
    o.step()
    assert a.item() == b.item() == 0.5
    assert o.state[b]["momentum_buffer"].device == gc.device("strict:1")
