"""Random programs full of hooks, run with PyTorch and with gradcore: what runs, in which order, and what it sees."""

from __future__ import annotations

import random

import pytest

import gradcore as gc

PROGRAMS = 400
STEPS = ("mul", "add", "sin", "exp", "unbind", "where", "in place", "cut", "chunk", "max", "detach")
HOOKS = ("tensor", "another", "double", "pre", "post", "retain", "accumulated")
CALLS = ("backward", "backward", "inputs", "grad", "edges", "second")


def cut(t):
    """A function through which no gradient comes."""

    class Cut(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return None

    return Cut.apply


def value(g):
    return None if g is None else g.detach().numpy(force=True).ravel().tolist()


class Program:
    """One random program; ``log`` is everything that could be seen."""

    def __init__(self, t, cut, seed):
        self.t, self.cut = t, cut
        self.random = random.Random(seed)
        self.log = []
        self.handles = []
        self.nodes = []  # a node that nobody holds may be made anew
        leaves = [t.tensor([i + 1.0, 0.5 * i + 0.25], requires_grad=True) for i in range(self.random.randint(1, 3))]
        self.tensors = list(leaves)
        for i, leaf in enumerate(leaves):
            self.hook(leaf, f"leaf {i}")
        for i in range(self.random.randint(2, 8)):
            self.step(i)
        self.waits = len(self.tensors) > 2 and self.random.random() < 0.5
        if self.waits:
            some = self.random.sample(self.tensors, 3)
            note = lambda gs: self.log.append(("all", [value(g) for g in gs]))  # noqa: E731
            self.handles.append(t.autograd.graph.register_multi_grad_hook(some, note))
        if self.handles and self.random.random() < 0.4:
            handle = self.random.choice(self.handles)
            self.random.choice(self.tensors).register_hook(lambda g: handle.remove())
        loss = (self.tensors[-1] * 1.5).sum() + (self.random.choice(self.tensors) * 0.5).sum()
        for _ in range(2):
            self.call(loss)

    def hook(self, x, name):
        """Hooks of some kinds on one tensor."""
        t, log = self.t, self.log
        node = x.grad_fn if x.grad_fn is not None else t.autograd.graph.get_gradient_edge(x).node
        self.nodes.append(node)
        for kind in self.random.sample(HOOKS, self.random.randint(0, 4)):
            if kind in ("tensor", "another"):
                made = x.register_hook(lambda g, kind=kind: log.append((kind, name, value(g))))
            elif kind == "double":
                made = x.register_hook(lambda g: g if g is None else g * 2)
            elif kind == "pre":
                made = node.register_prehook(lambda go: log.append(("pre", name, [value(g) for g in go])))
            elif kind == "post":
                made = node.register_hook(
                    lambda gi, go: log.append(("post", name, [value(g) for g in gi], [value(g) for g in go]))
                )
            elif kind == "accumulated" and x.grad_fn is None:
                made = x.register_post_accumulate_grad_hook(lambda p: log.append(("accumulated", name, value(p.grad))))
            else:
                x.retain_grad()
                continue
            self.handles.append(made)

    def step(self, i):
        t = self.t
        a, b = self.random.choice(self.tensors), self.random.choice(self.tensors)
        kind = self.random.choice(STEPS)
        if kind == "mul":
            y = a * b
        elif kind == "add":
            y = a + b * 0.5
        elif kind == "sin":
            y = a.sin()
        elif kind == "exp":
            y = (a * 0.1).exp()
        elif kind == "unbind":
            first, second = a.unbind()
            y = t.stack([second, first * 2])
        elif kind == "chunk":
            first, second = a.chunk(2)
            self.hook(second, f"unused {i}")
            y = first + b
        elif kind == "where":
            y = t.where(t.tensor([True, False]), a, b)
        elif kind == "max":
            y = a.max(0)[0] + b
        elif kind == "in place":
            y = a * 1
            self.hook(y, f"before {i}")
            y.mul_(b)
        elif kind == "cut":
            y = self.cut(a) + b
        else:
            y = a.detach() * b
        self.hook(y, f"step {i}")
        self.tensors.append(y)

    def call(self, loss):
        t, tensors = self.t, self.tensors
        kind = self.random.choice(CALLS)
        if self.waits and kind in ("grad", "edges", "second"):
            kind = "backward"  # PyTorch refuses hooks on all gradients in grad, where one is a leaf's
        # Where a tensor's own node runs, PyTorch's grad gives the value before its hooks; so only one at a time.
        count = self.random.randint(1, min(3, len(tensors))) if kind == "inputs" else 1
        some = self.random.sample(tensors, count)
        try:
            if kind == "backward":
                loss.backward(retain_graph=True)
            elif kind == "inputs":
                loss.backward(inputs=some, retain_graph=True)
            elif kind == "grad":
                self.log.append([value(g) for g in t.autograd.grad(loss, some, retain_graph=True, allow_unused=True)])
            elif kind == "edges":
                edges = [t.autograd.graph.get_gradient_edge(x) for x in some]
                self.log.append([value(g) for g in t.autograd.grad(loss, edges, retain_graph=True, allow_unused=True)])
            else:
                (g,) = t.autograd.grad(loss, some, create_graph=True, allow_unused=True)
                self.log.append(value(g))
                if g is not None and g.requires_grad:
                    g.sum().backward(retain_graph=True)
        except RuntimeError as e:
            self.log.append((kind, type(e).__name__))
        self.log.append([value(x.grad) if x.grad_fn is None or x.retains_grad else None for x in tensors])


def near(a, b):
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(near, a, b))
    return a == pytest.approx(b, rel=1e-3, abs=1e-4, nan_ok=True) if isinstance(a, float) else a == b


def test_programs_full_of_hooks_run_as_with_pytorch(torch):
    cuts = {t: cut(t) for t in (torch, gc)}
    kinds = set()
    for seed in range(PROGRAMS):
        theirs, ours = (Program(t, cuts[t], seed).log for t in (torch, gc))
        kinds |= {entry[0] for entry in ours if isinstance(entry, tuple)}
        assert near(ours, theirs), (
            f"seed {seed}: "
            + next((f"gradcore {a}, PyTorch {b}" for a, b in zip(ours, theirs, strict=False) if not near(a, b)), "")
            + f" ({len(ours)} and {len(theirs)} entries)"
        )
    assert kinds >= {"tensor", "another", "pre", "post", "accumulated", "all"}
