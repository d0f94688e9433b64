"""``autograd.functional``, ``forward_ad`` and batched gradients, as programs that PyTorch runs, too."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import gradcore as gc
from gradcore.func._tree import flatten

FUNCTIONS = """
x = t.tensor([1.0, 2.0, 3.0], dtype=t.float64)
y = t.tensor([0.5, 0.2], dtype=t.float64)
def f(a, b): return a.exp().sum() * b, a * a
def s(a, b): return (a.exp().sum() * b * b).sum() * a[0]
def one(a): return (a ** 3).sum()
def constant(a): return t.ones(2, dtype=t.float64)
"""


def run(t, program):
    names = {"t": t, "fw": importlib.import_module(f"{t.__name__}.autograd.forward_ad")}
    names["F"] = importlib.import_module(f"{t.__name__}.autograd.functional")
    exec(FUNCTIONS, names)
    *statements, last = program.strip().split("\n")
    exec("\n".join(statements), names)
    return eval(last.strip(), names)


def host(x):
    return x.detach().numpy(force=True)


VALUES = [
    "F.vjp(f, (x, y), (y, x))",
    "F.vjp(one, x)",
    "F.vjp(one, x, t.tensor(2.0, dtype=t.float64))",
    "F.vjp(constant, x, y)",
    "F.jvp(f, (x, y), (x, y))",
    "F.jvp(lambda a: a.sin(), y[:1], None)",
    "F.jvp(constant, x, x)",
    "F.vhp(s, (x, y), (x, y))",
    "F.vhp(lambda a: (a * 2).sum(), x, x)",
    "F.hvp(s, (x, y), (x, y))",
    "F.hvp(lambda a: (a * 2).sum(), x, x)",
    "F.jacobian(f, (x, y))",
    "F.jacobian(f, (x, y), vectorize=True)",
    "F.jacobian(one, x)",
    "F.jacobian(constant, x)",
    "F.jacobian(constant, x, vectorize=True)",
    "F.jacobian(lambda a: a.sin(), x, vectorize=True, strategy='forward-mode')",
    "F.hessian(s, (x, y))",
    "F.hessian(s, (x, y), vectorize=True)",
    "F.hessian(one, x)",
    "F.hessian(one, x, vectorize=True, outer_jacobian_strategy='forward-mode').detach()",
    "F.hessian(lambda a: (a * 2).sum(), x)",
    "w = x.clone().requires_grad_()\nF.jacobian(one, w, create_graph=True).sum().backward()\nw.grad",
    "w = x.clone().requires_grad_()\nF.vjp(one, w, create_graph=True)[1].sum().backward()\nw.grad",
    "w = x.clone().requires_grad_()\nF.jvp(one, w, x, create_graph=True)[1].backward()\nw.grad",
    "w = x.clone().requires_grad_()\nF.hvp(one, w, x, create_graph=True)[1].sum().backward()\nw.grad",
    "w = x.clone().requires_grad_()\nF.hessian(one, w, create_graph=True).sum().backward()\nw.grad",
    # gradients of a batch of cotangents
    "w = x.clone().requires_grad_()\nt.autograd.grad((w * w.sum()).sin(), w, t.eye(3, dtype=t.float64), is_grads_batched=True)",
    "w = x.clone().requires_grad_()\nv = (w[1:] * 2, w.exp())\nt.autograd.grad(v, (w,), (t.ones(4, 2, dtype=t.float64), t.ones(4, 3, dtype=t.float64)), is_grads_batched=True)",
    "w = x.clone().requires_grad_()\nu = w.clone()\nu[:2] *= w[1:]\nt.autograd.grad(u, w, t.eye(3, dtype=t.float64), is_grads_batched=True)",
    "w = x.clone().requires_grad_()\nz = y.clone().requires_grad_()\nt.autograd.grad(w * 2, (w, z), t.eye(3, dtype=t.float64), is_grads_batched=True, allow_unused=True)[0]",
    "w = x.clone().requires_grad_()\ng, = t.autograd.grad(w ** 3, w, t.eye(3, dtype=t.float64), create_graph=True, is_grads_batched=True)\nt.autograd.grad(g.sum(), w)",
    # dual tensors
    "with fw.dual_level(): r = fw.unpack_dual((fw.make_dual(x, x + 1) * x).sin())\nr",
    "with fw.dual_level(): r = fw.unpack_dual(fw.make_dual(x, x.float()).exp())\nr",
    "with fw.dual_level():\n  d = fw.make_dual(x, x + 1)\n  z = d.clone()\n  z[1] = 5.0\n  z.mul_(d)\n  r = fw.unpack_dual(z)\nr",
    "with fw.dual_level():\n  d = fw.make_dual(x, x + 1)\n  a = t.zeros(3, dtype=t.float64)\n  w = a[:2]\n  w.copy_(d[1:])\n  r = fw.unpack_dual(a), fw.unpack_dual(w)\nr",
    "with fw.dual_level():\n  d = fw.make_dual(x, x + 1)\n  a = t.ones(2, 3, dtype=t.float64)\n  v = a[0]\n  a.mul_(d)\n  r = fw.unpack_dual(a), fw.unpack_dual(v)\nr",
    "with fw.dual_level():\n  d = fw.make_dual(x, x + 1)\n  d.zero_()\n  r = fw.unpack_dual(d)\nr",
    "with fw.dual_level():\n  d = fw.make_dual(x, x + 1)\n  with t.no_grad(): e = d.cos()\n  r = fw.unpack_dual(e)\nr",
    "w = x.clone().requires_grad_()\nwith fw.dual_level():\n  d = fw.make_dual(w, x + 1)\n  g, = t.autograd.grad((d ** 3).sum(), d, create_graph=True)\n  r = fw.unpack_dual(g)\nr",
    "w = x.clone().requires_grad_()\nwith fw.dual_level():\n  d = fw.make_dual(w, x + 1)\n  g, = t.autograd.grad(d.exp().softmax(0)[0], w)\n  r = fw.unpack_dual(g)\nr",
    "w = x.clone().requires_grad_()\nwith fw.dual_level():\n  d = fw.make_dual(w, w * 2)\n  p = fw.unpack_dual((d ** 3).sum()).tangent\np.backward()\nw.grad",
    "with fw.dual_level():\n  d = fw.make_dual(x, x + 1)\n  r = [fw.unpack_dual(o) for o in (d.max(0)[0], d.sort()[0], d.unbind()[1], d[[0, 0, 2]], d.scatter(0, t.tensor([0, 0]), y))]\nr",
    "fw.unpack_dual(x)[0]",
]


@pytest.mark.parametrize("program", VALUES)
def test_equals_pytorch(program, torch):
    theirs, their_spec = flatten(run(torch, program))
    ours, our_spec = flatten(run(gc, program))
    assert len(ours) == len(theirs)
    for got, want in zip(ours, theirs, strict=True):
        if want is None:
            assert got is None
            continue
        assert str(got.dtype) == str(want.dtype).removeprefix("torch.")
        assert got.requires_grad == want.requires_grad
        np.testing.assert_allclose(host(got), host(want), rtol=1e-9, atol=1e-12)


ERRORS = [
    (
        "F.jacobian(constant, x, strict=True)",
        RuntimeError,
        ("user-provided function", "does not require gradients", "strict mode"),
    ),
    ("F.jacobian(lambda a: a * 2, x, strict=True, create_graph=True)", RuntimeError, ("strict mode",)),
    ("F.jacobian(lambda a: a * 2, x, strict=True, vectorize=True)", RuntimeError, ("not supported together",)),
    ("F.jacobian(one, x, strategy='forward-mode')", NotImplementedError, ("vectorize=True",)),
    ("F.jacobian(one, x, strategy='x')", AssertionError, ("strategy",)),
    ("F.jacobian(lambda a: 3, x)", TypeError, ("Tensor or a tuple of Tensors",)),
    ("F.hessian(lambda a: (a, a), x)", RuntimeError, ("single Tensor",)),
    ("F.hessian(lambda a: a, x)", RuntimeError, ("should contain a single element",)),
    ("F.hessian(lambda a: (a * 2).sum(), x, strict=True)", RuntimeError, ("strict mode",)),
    ("F.hvp(lambda a: (a * 2).sum(), x, x, strict=True)", RuntimeError, ("strict mode",)),
    ("F.vjp(f, (x, y))", RuntimeError, ("v can only be None", "a single element")),
    ("F.jvp(one, x)", RuntimeError, ("v can only be None", "a single element")),
    ("F.vjp(f, (x, 3), x)", TypeError, ("Tensor or a tuple of Tensors",)),
    ("F.vjp(f, (x, y), (y, y))", RuntimeError, ("Entry 1 in v has invalid size",)),
    ("F.jvp(f, (x, y), (x,))", RuntimeError, ("v is a tuple of invalid length",)),
    ("t.autograd.grad(x.requires_grad_() * 2, x, t.tensor(1.0), is_grads_batched=True)", IndexError, ()),
    ("fw.make_dual(x, x)", RuntimeError, ("no level exists", "enter_dual_level()")),
    (
        "with fw.dual_level():\n  with fw.dual_level(): pass\n0",
        RuntimeError,
        ("Nested forward mode AD", "is not supported"),
    ),
    ("with fw.dual_level(): fw.make_dual(x, y)\n0", RuntimeError, ("set a forward gradient", "a different size")),
    (
        "with fw.dual_level(): fw.make_dual(t.tensor([1, 2]), y)\n0",
        ValueError,
        ("Expected primal", "floating point or complex"),
    ),
    (
        "with fw.dual_level(): fw.make_dual(y, t.tensor([1, 2]))\n0",
        ValueError,
        ("Expected tangent", "floating point or complex"),
    ),
    (
        "with fw.dual_level(): fw.make_dual(x, fw.make_dual(x, x))\n0",
        RuntimeError,
        ("itself has a forward gradient", "at the same level"),
    ),
]


@pytest.mark.parametrize(("program", "error", "phrases"), ERRORS)
def test_bad_input_is_refused(program, error, phrases, t):
    with pytest.raises(error) as caught:
        run(t, program)
    assert caught.type is error
    for phrase in phrases:
        assert phrase in str(caught.value)


def test_a_tangent_is_gone_when_its_level_is_left(t):
    fw = run(t, "fw")
    with fw.dual_level():
        d = fw.make_dual(t.ones(2), t.ones(2))
    assert fw.unpack_dual(d).tangent is None
    with fw.dual_level():
        assert fw.unpack_dual(d * 2).tangent is None


def test_levels_by_hand(t):
    fw = run(t, "fw")
    assert fw.enter_dual_level() == 0
    try:
        assert fw.unpack_dual(fw.make_dual(t.ones(2), t.ones(2)) * 3).tangent.tolist() == [3.0, 3.0]
    finally:
        fw.exit_dual_level()
    with pytest.raises(RuntimeError):
        fw.exit_dual_level()
