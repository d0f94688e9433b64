"""Views and writing in place: random programs beside PyTorch, and what they must do by name.

A program is a list of numbers, so that Hypothesis can make a failing one small. Each step makes a view of a tensor, writes
into one, or computes a new one; a step that raises must raise the same class in both libraries, and is skipped. In the end
values, versions, gradients and what a backward raises are compared.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradcore as gc

ERRORS = (RuntimeError, IndexError, TypeError, ValueError)

VIEWS = [
    ("x[0]", 1),
    ("x[-1]", 1),
    ("x[1:]", 1),
    ("x[:, 0]", 2),
    ("x[..., 1:]", 1),
    ("x[::2]", 1),
    ("x[None]", 0),
    ("x[...]", 0),
    ("x[:, None, 1]", 2),
    ("x.T", 0),
    ("x.transpose(0, -1)", 1),
    ("x.permute(1, 0)", 2),
    ("x.view(-1)", 0),
    ("x.view(3, -1)", 1),
    ("x.reshape(-1)", 0),
    ("x.reshape(2, -1)", 1),
    ("x.flatten()", 0),
    ("x.unsqueeze(-1)", 0),
    ("x.squeeze()", 0),
    ("x.squeeze(0)", 1),
    ("x.expand(2, *x.shape)", 0),
    ("x[:1].expand(3, *x.shape[1:])", 1),
    ("x.diagonal()", 2),
    ("x.diagonal(1)", 2),
    ("x.narrow(-1, 0, 2)", 1),
    ("x.select(-1, 1)", 1),
    ("x.unbind(0)[0]", 1),
    ("x.unbind(-1)[-1]", 1),
    ("x.chunk(2)[0]", 1),
    ("x.split(1)[-1]", 1),
    ("x.split([1, 1])[1]", 1),
    ("x.detach()", 0),
    ("x.movedim(0, -1)", 1),
    ("x.contiguous()", 0),
]
WRITES = [
    ("x.mul_(2)", 0),
    ("x.add_(1)", 0),
    ("x.add_(y)", 0),
    ("x.sub_(y)", 0),
    ("x.mul_(y)", 0),
    ("x.div_(y)", 0),
    ("x.copy_(y)", 0),
    ("x.zero_()", 0),
    ("x.fill_(0.5)", 0),
    ("x.tanh_()", 0),
    ("x.sin_()", 0),
    ("x.neg_()", 0),
    ("x.__setitem__(0, 0.25)", 1),
    ("x.__setitem__(0, y)", 1),
    ("x.__setitem__(..., y)", 0),
    ("x.__setitem__((..., slice(1, None)), y)", 1),
    ("x.__setitem__((slice(None), -1), y)", 2),
    ("x.__setitem__(t.tensor([0]), y)", 1),
    ("x.__setitem__((..., t.tensor([0, 0])), 0.5)", 1),
    ("x.__setitem__(x.detach() > 0.5, 0.125)", 0),
    ("x.masked_fill_(x.detach() < 0.5, 2.0)", 0),
    ("x.index_put_((t.tensor([0, 0]),), y, accumulate=True)", 1),
    ("x.index_fill_(0, t.tensor([0]), 0.75)", 1),
]
RESULTS = [
    ("x * y", 0),
    ("x + y", 0),
    ("x.sin()", 0),
    ("x.tanh()", 0),
    ("x * 2", 0),
    ("x.clone()", 0),
    ("x / (y * y + 1)", 0),
    ("x.sum()", 0),
    ("x[t.tensor([1, 0])]", 1),
]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["view", "view", "view", "write", "write", "write", "result", "view in no_grad", "write in no_grad"]),
        st.integers(0, 7),
        st.integers(0, 40),
        st.integers(0, 7),
    ),
    min_size=1,
    max_size=8,
)


class Discarded(Exception):
    """The program did what only PyTorch refuses: used one of several views after a write to their base."""


class Machine:
    """Runs a program with one library."""

    def __init__(self, t):
        self.t = t
        self.leaves = [
            t.tensor(np.linspace(0.1, 1.2, 6).reshape(2, 3), requires_grad=True),
            t.tensor(np.linspace(0.3, 0.9, 3), requires_grad=True),
        ]
        plain = t.tensor(np.linspace(0.2, 0.8, 6).reshape(2, 3))
        x, r = self.leaves
        self.pool = [x, r, plain, (x * 2).T, x * 1]
        # Which tensors share memory: PyTorch refuses operands that overlap in part.
        self.memory = [0, 1, 2, 3, 4]

    def step(self, kind, i, choice, j):
        """Do one step; gives its text and the class of what it raised."""
        # Most often the tensor that was made last, so that views of views are written to.
        i, j = (len(self.pool) - 1 - max(i - 4, 0)) % len(self.pool), j % len(self.pool)
        x, y = self.pool[i], self.pool[j]
        what, _, mode = kind.partition(" in ")
        expressions = {"view": VIEWS, "write": WRITES, "result": RESULTS}[what]
        expressions = [e for e, ndim in expressions if x.ndim >= ndim]
        expression = expressions[choice % len(expressions)]
        if what == "write" and x.numel() and any(n > 1 and s == 0 for n, s in zip(x.shape, x.stride(), strict=True)):
            expression = "x.add_(1)"  # of an expanded tensor PyTorch does not refuse all others
        text = f"x = pool[{i}], y = pool[{j}]{' clone' * (self.memory[i] == self.memory[j])}, {kind}: {expression}"

        def run():
            other = y.clone() if self.memory[i] == self.memory[j] else y
            names = {"t": self.t, "x": x, "y": other}
            # PyTorch says of views made in no_grad that they require grad; gradcore says what is.
            if mode and not (what == "view" and x.requires_grad):
                with self.t.no_grad():
                    return eval(expression, names)
            return eval(expression, names)

        out = self.attempt(run)
        if isinstance(out, type):
            return text, out
        if what != "write":
            self.pool.append(out)
            self.memory.append(self.memory[i] if what == "view" else len(self.memory))
        return text, None

    def attempt(self, function):
        """What a function returns, or the class of what it raised."""
        try:
            return function()
        except ERRORS as e:
            if "multiple views" in str(e) and "its base or another view" in str(e):
                raise Discarded from None
            return type(e)

    def facts(self):
        """What can be seen of every tensor."""
        return [
            (
                tuple(p.shape),
                self.attempt(lambda p=p: p.is_leaf),
                p._version,
                p._is_view(),
                p._base is None or self.pool[self.memory[k]] is p._base,
                p.detach().tolist(),
            )
            for k, p in enumerate(self.pool)
        ]

    def gradients(self, create_graph):
        """The gradients of the leaves, or the class of what the backward raised."""

        def run():
            outputs = [p for p in self.pool if self.attempt(lambda p=p: p.grad_fn is not None) is True]
            weights = [
                self.t.tensor(np.cos(np.arange(p.numel())).reshape(tuple(p.shape)) * (k + 1))
                for k, p in enumerate(outputs)
            ]
            first = self.t.autograd.grad(outputs, self.leaves, weights, create_graph=create_graph, allow_unused=True)
            used = [(g * g).sum() for g in first if g is not None and g.requires_grad] if create_graph else []
            second = self.t.autograd.grad(used, self.leaves, allow_unused=True) if used else (None, None)
            return [None if g is None else g.detach().numpy(force=True) for g in (*first, *second)]

        return self.attempt(run)


@given(program=STEPS, second_order=st.booleans())
@settings(max_examples=400)
def test_random_programs(torch, program, second_order):
    ours, theirs = Machine(gc), Machine(torch)
    done = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for step in program:
                (text, want), (_, got) = theirs.step(*step), ours.step(*step)
                done.append((text, want))
                assert got == want, done
        facts = theirs.facts()
        wanted = theirs.gradients(second_order)
    except Discarded:
        return
    for k, (got, want) in enumerate(zip(ours.facts(), facts, strict=True)):
        assert got[:-1] == want[:-1], f"pool[{k}] after {done}"
        np.testing.assert_allclose(got[-1], want[-1], rtol=1e-12, atol=1e-12, err_msg=f"pool[{k}] after {done}")
    found = ours.gradients(second_order)
    if isinstance(found, type) or isinstance(wanted, type):
        assert found == wanted, done
        return
    for got, want in zip(found, wanted, strict=True):
        if got is None or want is None:
            # A gradient that is zero by structure may be None in one library.
            assert np.all((got if want is None else want) == 0) or got is want, done
        else:
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, err_msg=str(done))
