"""Parameters: leaves that share memory with what they are made of."""

from __future__ import annotations

import copy
import pickle

import pytest

import gradcore as gc
from gradcore import nn


def test_is_a_leaf_that_requires_grad(t):
    x = t.ones(2, requires_grad=True) * 2
    p = t.nn.Parameter(x)
    assert p.is_leaf
    assert p.requires_grad
    assert isinstance(p, t.Tensor)
    assert not t.nn.Parameter(t.ones(2), requires_grad=False).requires_grad
    assert t.nn.Parameter().shape == (0,)
    (p * p).sum().backward()
    assert p.grad.tolist() == [4.0, 4.0]


def test_shares_memory_and_count_of_writes(t):
    x = t.ones(2)
    p = t.nn.Parameter(x)
    x.add_(1)
    assert p.tolist() == [2.0, 2.0]
    assert p._version == x._version == 1


def test_results_are_plain_tensors(t):
    p = t.nn.Parameter(t.ones(2))
    for x in (p * 2, p.clone(), p.detach(), p.data, p[0], p.view(1, 2)):
        assert type(x) is t.Tensor


def test_copies_and_pickles():
    p = nn.Parameter(gc.ones(2))
    p.grad = gc.ones(2)
    twin = copy.deepcopy(p)
    assert type(twin) is nn.Parameter
    assert twin.requires_grad
    assert twin.grad.tolist() == [1.0, 1.0]
    assert twin.grad is not p.grad
    assert copy.deepcopy([p, p])[0] is not p
    shared = copy.deepcopy([p, p])
    assert shared[0] is shared[1]
    back = pickle.loads(pickle.dumps(nn.Parameter(gc.ones(2), requires_grad=False)))
    assert type(back) is nn.Parameter
    assert not back.requires_grad


@pytest.mark.parametrize("data", [3, [1.0], "x"])
def test_refuses_what_is_no_tensor(data):
    with pytest.raises(TypeError, match="Parameter data has to be a Tensor"):
        nn.Parameter(data)
