"""Features used together: each program is run with gradcore and with PyTorch, and everything it found is compared.

A program sets ``found``: tensors, numbers, texts, in lists, tuples and dicts. Where PyTorch refuses, both must raise the
same class.
"""

from __future__ import annotations

import contextlib
import io
import warnings

import numpy as np
import pytest

import gradcore as gc

PRELUDE = """
grad, vjp, jvp, vmap = t.func.grad, t.func.vjp, t.func.jvp, t.func.vmap
jacrev, jacfwd, hessian = t.func.jacrev, t.func.jacfwd, t.func.hessian
fwAD, nn, F = t.autograd.forward_ad, t.nn, t.nn.functional
checkpoint = t.utils.checkpoint.checkpoint
a3 = t.tensor([0.5, -1.0, 2.0], dtype=t.float64)
b3 = t.tensor([1.5, 0.25, -0.75], dtype=t.float64)
m23 = t.tensor([[0.5, -1.0, 2.0], [1.0, 0.25, -0.5]], dtype=t.float64)
m34 = t.tensor([[0.1, 0.2, -0.3, 0.4], [1.0, 0.5, -0.5, 0.25], [-1.0, 2.0, 0.75, 0.6]], dtype=t.float64)

class Square(t.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x, x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, g, h):
        (x,) = ctx.saved_tensors
        return 2 * x * g + h * x.cos()

    @staticmethod
    def jvp(ctx, v):
        (x,) = ctx.saved_tensors
        return 2 * x * v, v * x.cos()

class Cube(t.autograd.Function):
    @staticmethod
    def forward(x, k):
        return k * x**3, 3 * k * x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.k = inputs
        ctx.save_for_backward(x, output[1])

    @staticmethod
    def backward(ctx, g, h):
        x, slope = ctx.saved_tensors
        return g * slope + h * 6 * ctx.k * x, None

    @staticmethod
    def vmap(info, in_dims, x, k):
        return Cube.apply(x, k), (in_dims[0], in_dims[0])

class OldStyle(t.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        out = x.exp()
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, g):
        (out,) = ctx.saved_tensors
        return g * out

def leaf(x):
    return x.clone().requires_grad_()

def module(*layers):
    net = nn.Sequential(*layers).to(t.float64)
    values = {}
    for i, (name, p) in enumerate(net.named_parameters()):
        n = p.numel()
        values[name] = (t.arange(n, dtype=t.float64).reshape(p.shape) * 0.7 + i).sin()
    return net, values
"""

PROGRAMS = {
    # Hooks inside function transforms.
    "tensor hook inside func.grad": """
seen = []
def f(x):
    y = x * 3
    y.register_hook(lambda g: (seen.append(tuple(g.shape)), g * 2)[1])
    return (y * y).sum()
found = grad(f)(a3), seen
""",
    "tensor hook on the argument of func.grad": """
def f(x):
    x.register_hook(lambda g: g * 10)
    return x.sin().sum()
found = grad(f)(a3)
""",
    "tensor hook inside vjp, called twice": """
count = []
def f(x):
    y = x.exp()
    y.register_hook(lambda g: (count.append(1), g + 1)[1])
    return y * 2
out, pull = vjp(f, a3)
found = out, pull(b3), pull(a3), len(count)
""",
    "tensor hook inside grad of grad": """
def f(x):
    y = x**3
    y.register_hook(lambda g: g * 2)
    return y.sum()
found = grad(lambda x: grad(f)(x).sum())(a3)
""",
    "tensor hook inside vmap of grad": """
def f(x):
    y = x * x
    y.register_hook(lambda g: g * 3)
    return y.sum()
found = vmap(grad(f))(m23)
""",
    "node hooks inside func.grad": """
seen = []
def f(x):
    y = x.tanh()
    y.grad_fn.register_hook(lambda gi, go: (seen.append("post"), tuple(g * 2 for g in gi))[1])
    y.grad_fn.register_prehook(lambda go: (seen.append("pre"), tuple(g * 5 for g in go))[1])
    return y.sum()
found = grad(f)(a3), seen
""",
    "hook on the outer leaf with func.grad between": """
x, seen = leaf(a3), []
x.register_hook(lambda g: (seen.append(1), g * 2)[1])
grad(lambda y: (y**2 * x).sum())(b3).sum().backward()
found = x.grad, seen
""",
    # Checkpoint with the rest.
    "checkpoint under vjp of the ordinary kind, twice differentiated": """
x = leaf(a3)
y = checkpoint(lambda v: v.sin() * v.exp(), x, use_reentrant=False)
(g,) = t.autograd.grad(y.sum(), x, create_graph=True)
(h,) = t.autograd.grad(g.sum(), x)
found = y, g, h
""",
    "checkpoint under func.grad": """
found = grad(lambda x: checkpoint(lambda v: v.sin().exp(), x, use_reentrant=False).sum())(a3)
""",
    "checkpoint under vmap": """
found = vmap(lambda x: checkpoint(lambda v: v.sin().exp(), x, use_reentrant=False).sum())(m23)
""",
    "vmap under checkpoint": """
x = leaf(m23)
y = checkpoint(lambda v: vmap(lambda r: r.sin() * r.sum())(v), x, use_reentrant=False)
y.sum().backward()
found = y, x.grad
""",
    "custom Function under checkpoint": """
x = leaf(a3)
y, s = checkpoint(lambda v: Square.apply(v), x, use_reentrant=False)
(y * s).sum().backward()
found = x.grad
""",
    "in-place writes under checkpoint": """
def f(v):
    w = v * 2
    w[0] = v[1] * v[2]
    w[1:].mul_(v[:2])
    return w.exp()
x = leaf(a3)
checkpoint(f, x, use_reentrant=False).sum().backward()
found = x.grad
""",
    "checkpoint in checkpoint, anomaly mode on": """
x = leaf(a3)
with t.autograd.detect_anomaly():
    y = checkpoint(lambda v: checkpoint(lambda w: w.sin().exp(), v.cos(), use_reentrant=False).tanh(), x, use_reentrant=False)
    y.sum().backward()
found = x.grad
""",
    "checkpoint inside saved_tensors_hooks": """
x, seen = leaf(a3), []
def pack(v):
    seen.append("pack")
    return v
def unpack(v):
    seen.append("unpack")
    return v
with t.autograd.graph.saved_tensors_hooks(pack, unpack):
    y = checkpoint(lambda v: v.sin().exp(), x, use_reentrant=False) * x
y.sum().backward()
found = x.grad, seen
""",
    "checkpoint with autograd.grad": """
x = leaf(a3)
y = checkpoint(lambda v: v.sin().exp(), x, use_reentrant=False)
found = t.autograd.grad(y.sum(), x)
""",
    "checkpoint under forward mode": """
with fwAD.dual_level():
    x = fwAD.make_dual(a3, b3)
    y = checkpoint(lambda v: v.sin().exp(), x, use_reentrant=False)
    found = fwAD.unpack_dual(y).tangent
""",
    # Custom Functions under every transform.
    "Function under func.grad": "found = grad(lambda x: (Square.apply(x)[0] * Square.apply(x)[1]).sum())(a3)",
    "Function under grad of grad": "found = grad(lambda x: grad(lambda y: Square.apply(y)[1].sum())(x).sum())(a3)",
    "Function under vjp": "out, pull = vjp(lambda x: Square.apply(x), a3); found = out, pull((a3, b3))",
    "Function under jvp": "found = jvp(lambda x: Square.apply(x), (a3,), (b3,))",
    "Function under vmap": "found = vmap(lambda x: Square.apply(x))(m23)",
    "Function under vmap of grad": "found = vmap(grad(lambda x: Square.apply(x)[0].sum() + Square.apply(x)[1].prod()))(m23)",
    "Function under vmap of jvp": """
found = vmap(lambda x, v: jvp(lambda y: Square.apply(y)[1], (x,), (v,)))(m23, m23 * 2)
""",
    "Function under jvp of vmap": "found = jvp(vmap(lambda x: Square.apply(x)[1] * x), (m23,), (m23 * 2,))",
    "Function under jacrev": "found = jacrev(lambda x: Square.apply(x)[0])(a3)",
    "Function under jacfwd": "found = jacfwd(lambda x: Square.apply(x)[1])(a3)",
    "Function under hessian": "found = hessian(lambda x: Square.apply(x)[1].sum())(a3)",
    "Function with its own vmap": "found = vmap(lambda x: Cube.apply(x, 2.0))(m23)",
    "Function with its own vmap, in_dims=1": "found = vmap(lambda x: Cube.apply(x, 2.0), in_dims=1)(m23)",
    "Function with its own vmap under vmap of grad": """
found = vmap(grad(lambda x: (Cube.apply(x, 2.0)[0] * Cube.apply(x, 1.0)[1]).sum()))(m23)
""",
    "Function with its own vmap under grad of vmap": """
found = grad(lambda x: vmap(lambda r: Cube.apply(r, 2.0)[0])(x).sum())(m23)
""",
    "Function of the old style under func.grad": "found = grad(lambda x: OldStyle.apply(x).sum())(a3)",
    "Function of the old style under vmap": "found = vmap(lambda x: OldStyle.apply(x))(m23)",
    "Function without jvp under jvp": "found = jvp(lambda x: Cube.apply(x, 1.0), (a3,), (b3,))",
    "Function without jvp under forward mode": """
with fwAD.dual_level():
    found = Cube.apply(fwAD.make_dual(a3, b3), 1.0)
""",
    "Function with jvp, forward over reverse": """
x = leaf(a3)
with fwAD.dual_level():
    y, s = Square.apply(fwAD.make_dual(x, b3))
    tangent = fwAD.unpack_dual(s).tangent
    found = tangent, t.autograd.grad(tangent.sum(), x)
""",
    "transforms called inside a Function": """
class Inner(t.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return vmap(lambda r: r.sin())(x)
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * vmap(grad(lambda r: r.sin()))(x.reshape(-1)).reshape(x.shape)
x = leaf(m23)
Inner.apply(x).sum().backward()
found = x.grad
""",
    "autograd.grad inside the backward of a Function": """
class Inner(t.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        with t.enable_grad():
            ctx.x = x.detach().requires_grad_()
            ctx.y = (ctx.x**3).sum()
        return ctx.y.detach()
    @staticmethod
    def backward(ctx, g):
        return g * t.autograd.grad(ctx.y, ctx.x)[0]
x = leaf(a3)
Inner.apply(x * 2).backward()
found = x.grad
""",
    # Hooks on saved tensors.
    "saved_tensors_hooks around double backward": """
x, seen = leaf(a3), []
def pack(v):
    seen.append("pack")
    return v.detach().clone()
def unpack(v):
    seen.append("unpack")
    return v
with t.autograd.graph.saved_tensors_hooks(pack, unpack):
    y = (x**3 * x.sin()).sum()
    (g,) = t.autograd.grad(y, x, create_graph=True)
    (h,) = t.autograd.grad(g.sum(), x, create_graph=True)
found = y, g, h, seen.count("pack") > 0, seen.count("unpack") > 0
""",
    "saved_tensors_hooks set inside func.grad": """
def f(v):
    with t.autograd.graph.saved_tensors_hooks(lambda v: v, lambda v: v):
        return (v**3).sum()
found = grad(f)(a3)
""",
    "saved_tensors_hooks around vmap": """
with t.autograd.graph.saved_tensors_hooks(lambda v: v.clone(), lambda v: v):
    x = leaf(m23)
    y = vmap(lambda r: r.sin() * r)(x)
y.sum().backward()
found = x.grad
""",
    "saved_tensors_hooks around a custom Function": """
with t.autograd.graph.saved_tensors_hooks(lambda v: v.clone() * 2, lambda v: v):
    x = leaf(a3)
    y, _ = Square.apply(x)
y.sum().backward()
found = x.grad
""",
    "saved_tensors_hooks, in-place and views": """
x = leaf(a3)
with t.autograd.graph.saved_tensors_hooks(lambda v: v.clone(), lambda v: v):
    y = x * 2
    z = (y * y).sum()
    y[0] = 5.0
    y[1:].exp_()
(z + y.sum()).backward()
found = x.grad
""",
    "disable_saved_tensors_hooks around checkpoint": """
with t.autograd.graph.disable_saved_tensors_hooks("no hooks here"):
    checkpoint(lambda v: v.sin(), leaf(a3), use_reentrant=False)
""",
    # Forward mode with the modes.
    "forward mode inside no_grad": """
x = leaf(a3)
with t.no_grad(), fwAD.dual_level():
    y = fwAD.make_dual(x, b3).sin() * 2
    found = fwAD.unpack_dual(y).tangent, y.requires_grad
""",
    "forward mode inside inference_mode": """
with t.inference_mode(), fwAD.dual_level():
    y = fwAD.make_dual(a3, b3).sin()
    found = [u is None for u in fwAD.unpack_dual(y)]
""",
    "inference_mode inside forward mode": """
with fwAD.dual_level():
    d = fwAD.make_dual(a3, b3)
    with t.inference_mode():
        y = d.sin()
    found = fwAD.unpack_dual(y).tangent is None
""",
    "forward mode, in-place on views": """
with fwAD.dual_level():
    x = fwAD.make_dual(a3.clone(), b3)
    y = x * 2
    y[1:].mul_(x[:2])
    y[0] = y[2]
    found = y, fwAD.unpack_dual(y).tangent
""",
    "forward mode, dual written into a plain base": """
with fwAD.dual_level():
    x = fwAD.make_dual(a3.clone(), b3)
    base = t.zeros(2, 3, dtype=t.float64)
    base[1] = x
    base.t()[0].add_(x[:2])
    found = base, fwAD.unpack_dual(base).tangent
""",
    "forward mode over double backward": """
x = leaf(a3)
with fwAD.dual_level():
    d = fwAD.make_dual(x, b3)
    (g,) = t.autograd.grad((d**4).sum(), d, create_graph=True)
    tangent = fwAD.unpack_dual(g).tangent
    found = g, tangent, t.autograd.grad(tangent.sum(), x)
""",
    "forward mode and retain_graph": """
x = leaf(a3)
with fwAD.dual_level():
    d = fwAD.make_dual(x, b3)
    y = (d.exp() * d).sum()
    y.backward(retain_graph=True)
    y.backward()
    found = [fwAD.unpack_dual(u).tangent is None for u in (x.grad, y)]
found = found, x.grad
""",
    "func.grad inside forward mode": """
with fwAD.dual_level():
    d = fwAD.make_dual(a3, b3)
    g = grad(lambda v: (v**3).sum())(d)
    found = fwAD.unpack_dual(g)
""",
    "vmap inside forward mode": """
with fwAD.dual_level():
    d = fwAD.make_dual(m23, m23 * 2)
    found = fwAD.unpack_dual(vmap(lambda r: r.sin() * r.sum())(d))
""",
    "make_dual inside vmap": """
def f(x, v):
    with fwAD.dual_level():
        return fwAD.unpack_dual(fwAD.make_dual(x, v).exp()).tangent
found = vmap(f)(m23, m23 * 3)
""",
    # In-place and views inside transforms.
    "in-place on views inside func.grad": """
def f(x):
    y = x * 2
    y[0] = y[1] * 3
    y[1:].mul_(x[:2])
    y.view(3)[2:].exp_()
    return (y * x).sum()
found = grad(f)(a3), hessian(f)(a3)
""",
    "in-place on views inside vmap of grad": """
def f(x):
    y = x.sin()
    y[1:].mul_(2)
    y[0].add_(y[2])
    return y.exp().sum()
found = vmap(grad(f))(m23)
""",
    "in-place on views inside vmap of jvp": """
def f(x):
    y = x.sin()
    y[1:].mul_(x[:2])
    return y
found = vmap(lambda x: jvp(f, (x,), (x * 2,)))(m23)
""",
    "in-place on the argument of vmap": """
x = m23.clone()
def f(r):
    r.mul_(2)
    return r + 1
found = vmap(f)(x), x
""",
    "in-place on an unbatched tensor inside vmap": """
outer = t.zeros(3, dtype=t.float64)
vmap(lambda r: outer.add_(r))(m23)
""",
    "in-place on the argument of func.grad": """
x = a3.clone()
def f(v):
    v.mul_(3)
    return (v * v).sum()
found = grad(f)(x), x
""",
    "in-place on an outer tensor inside func.grad": """
outer = t.ones(3, dtype=t.float64)
def f(v):
    outer.mul_(v)
    return outer.sum()
found = grad(f)(a3)
""",
    "an outer tensor is changed between the uses of vjp": """
w = b3.clone()
out, pull = vjp(lambda v: v * w, a3)
w.mul_(2)
found = pull(t.ones_like(a3))
""",
    "setitem of a batched value into new_zeros": """
def f(x):
    out = x.new_zeros(4)
    out[1:] = x
    return out.cumsum(0)
found = vmap(f)(m23), vmap(jacrev(f))(m23)
""",
    # Anomaly mode.
    "anomaly mode around create_graph": """
x = leaf(a3)
with t.autograd.detect_anomaly():
    (g,) = t.autograd.grad((x**3).sum(), x, create_graph=True)
    g.sum().backward()
found = x.grad
""",
    "anomaly mode around func.grad": """
with t.autograd.detect_anomaly():
    found = grad(lambda x: (x * x.sin()).sum())(a3), hessian(lambda x: (x**3).sum())(a3)
""",
    "anomaly mode around vmap of grad": """
with t.autograd.detect_anomaly():
    found = vmap(grad(lambda x: (x * x.sin()).sum()))(m23)
""",
    "anomaly mode finds nan inside func.grad": """
with t.autograd.detect_anomaly():
    grad(lambda x: (x.sqrt() * 0).sum())(t.zeros(2))
""",
    "anomaly mode finds nan in the second backward": """
x = t.zeros(2, requires_grad=True)
with t.autograd.detect_anomaly():
    (g,) = t.autograd.grad((x**1.5).sum(), x, create_graph=True)
    (g * 0).sum().backward()
""",
    "anomaly mode around forward mode": """
with t.autograd.detect_anomaly(), fwAD.dual_level():
    found = fwAD.unpack_dual(fwAD.make_dual(a3, b3).sin()).tangent
""",
    "anomaly mode with a custom Function": """
x = leaf(a3)
with t.autograd.detect_anomaly():
    y, s = Square.apply(x)
    (y * s).sum().backward()
found = x.grad
""",
    # Inference mode.
    "an inference tensor saved by a later graph": """
with t.inference_mode():
    w = b3 * 2
leaf(a3) * w
""",
    "an inference tensor in a later graph that does not save it": """
with t.inference_mode():
    w = b3 * 2
x = leaf(a3)
(x + w).sum().backward()
found = x.grad
""",
    "a clone of an inference tensor in a later graph": """
with t.inference_mode():
    w = b3 * 2
x = leaf(a3)
(x * w.clone()).sum().backward()
found = x.grad
""",
    "an inference tensor written to outside": """
with t.inference_mode():
    w = b3 * 2
w.add_(1)
""",
    "an inference tensor under func.grad": """
with t.inference_mode():
    w = b3 * 2
found = grad(lambda x: (x * w).sum())(a3)
""",
    "func.grad inside inference_mode": """
with t.inference_mode():
    found = grad(lambda x: (x**3).sum())(a3)
""",
    "func.grad inside no_grad": """
with t.no_grad():
    found = grad(lambda x: (x**3).sum())(a3), jacrev(lambda x: x**2)(a3)
""",
    "no_grad inside func.grad": """
def f(x):
    with t.no_grad():
        y = x.sin()
    return (x * y).sum()
found = grad(f)(a3), jvp(f, (a3,), (b3,))
""",
    "enable_grad inside no_grad inside func.grad": """
def f(x):
    with t.no_grad():
        with t.enable_grad():
            y = x.sin()
    return (x * y).sum()
found = grad(f)(a3)
""",
    "detach inside func.grad": "found = grad(lambda x: (x * x.detach().exp()).sum())(a3)",
    "detach inside jvp": "found = jvp(lambda x: x * x.detach().exp(), (a3,), (b3,))",
    # autograd.grad inside transforms, transforms inside autograd.
    "autograd.grad inside vmap": """
def f(x):
    x = x.clone().requires_grad_()
    (g,) = t.autograd.grad((x**3).sum(), x)
    return g
found = vmap(f)(m23)
""",
    "autograd.grad with create_graph inside vmap": """
def f(x):
    x = x.clone().requires_grad_()
    (g,) = t.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = t.autograd.grad(g.sum(), x)
    return g, h
found = vmap(f)(m23)
""",
    "autograd.grad inside jvp": """
def f(x):
    (g,) = t.autograd.grad((x**3).sum(), x, create_graph=True)
    return g
found = jvp(f, (leaf(a3),), (b3,))
""",
    "autograd.grad over a graph made inside vmap": """
x = leaf(m23)
y = vmap(lambda r: r.sin() * r.sum())(x)
(g,) = t.autograd.grad(y.sum(), x, create_graph=True)
(h,) = t.autograd.grad((g * g).sum(), x)
found = g, h
""",
    "vmap over autograd.grad": """
x = leaf(a3)
y = x**3
found = vmap(lambda v: t.autograd.grad(y, x, v, retain_graph=True)[0])(t.eye(3, dtype=t.float64))
""",
    "is_grads_batched over a graph with views and writes": """
x = leaf(a3)
y = x * 2
y[1:].mul_(x[:2])
found = t.autograd.grad(y, x, t.eye(3, dtype=t.float64), is_grads_batched=True)
""",
    "is_grads_batched through a custom Function": """
x = leaf(a3)
y, s = Square.apply(x)
found = t.autograd.grad(y * s, x, t.eye(3, dtype=t.float64), is_grads_batched=True)
""",
    "functional.jacobian of a function that calls func.grad": """
found = t.autograd.functional.jacobian(grad(lambda x: (x**4).sum()), a3)
""",
    "functional.hessian, vectorized, with views written to": """
def f(x):
    y = x * 1
    y[0] = y[1] * y[2]
    return (y**3).sum()
found = t.autograd.functional.hessian(f, a3, vectorize=True), t.autograd.functional.hessian(f, a3)
""",
    "func.grad, its result differentiated outside": """
x = leaf(a3)
grad(lambda v: (v**3 * x).sum())(x).sum().backward()
found = x.grad
""",
    "backward inside func.grad": """
grad(lambda x: (x**2).sum().backward())(a3)
""",
    # Nested batches.
    "nested vmap with different in_dims": """
found = vmap(vmap(lambda a, b: (a * b).sum(), in_dims=(None, 1)), in_dims=(0, None))(m23, m34)
""",
    "nested vmap with in_dims and out_dims": """
f = lambda a, b: a * b.sum() + b
found = vmap(vmap(f, in_dims=(0, None), out_dims=1), in_dims=(None, 1), out_dims=-1)(a3, m34)
""",
    "three vmaps": """
x = t.arange(24, dtype=t.float64).reshape(2, 3, 4)
found = vmap(vmap(vmap(lambda v: v.sin()), in_dims=1), in_dims=2, out_dims=1)(x)
""",
    "vmap of grad of vmap": """
found = vmap(grad(lambda x: vmap(lambda v: v.sin() * v)(x).sum()))(m23)
""",
    "vmap over a dict, with chunks": """
found = vmap(lambda d: {"s": d["a"].sum() * d["b"]}, chunk_size=1)({"a": m23, "b": m23[:, 0]})
""",
    "grad of jacrev of vmap": """
f = lambda x: vmap(lambda r: (r**3).sum())(x)
found = grad(lambda x: jacrev(f)(x).pow(2).sum())(m23)
""",
    "jacfwd of jacrev of jacfwd": "found = jacfwd(jacrev(jacfwd(lambda x: (x**3).prod())))(a3)",
    "vjp function kept and called inside vmap": """
out, pull = vjp(lambda v: v**3, a3)
found = vmap(pull)(t.eye(3, dtype=t.float64))
""",
    "einsum and matmul under vmap of hessian": """
found = vmap(hessian(lambda x: t.einsum("i,ij,j->", x, m34 @ m34.T, x.tanh())))(m23)
""",
    "a dual tensor from outside, unpacked inside vmap": """
with fwAD.dual_level():
    d = fwAD.make_dual(a3, b3)
    found = vmap(lambda x: x * fwAD.unpack_dual(d).tangent)(a3)
""",
    "forward mode inside func.grad, over a constant": """
def f(x):
    with fwAD.dual_level():
        return (fwAD.unpack_dual(fwAD.make_dual(a3, b3) ** 3).tangent * x).sum()
found = grad(f)(a3)
""",
    "inference mode with forward mode and func.jvp": """
with t.inference_mode():
    found = jvp(lambda v: v**3, (a3,), (b3,)), jacfwd(lambda v: v**3)(a3)
""",
    # Modules.
    "functional_call under func.grad": """
net, params = module(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
loss = lambda p, x: t.func.functional_call(net, p, (x,)).pow(2).sum()
found = grad(loss)(params, m23)
""",
    "per-sample gradients of a module": """
net, params = module(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
loss = lambda p, x: t.func.functional_call(net, p, (x,)).pow(2).sum()
found = vmap(grad(loss), in_dims=(None, 0))(params, m23)
""",
    "functional_call under jvp": """
net, params = module(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2))
tangents = {k: v * 2 for k, v in params.items()}
found = jvp(lambda p: t.func.functional_call(net, p, (m23,)), (params,), (tangents,))
""",
    "functional_call under jacrev and jacfwd": """
net, params = module(nn.Linear(3, 2), nn.Softmax(dim=-1))
f = lambda p: t.func.functional_call(net, p, (m23,))
found = jacrev(f)(params), jacfwd(f)(params)
""",
    "functional_call under hessian": """
net, params = module(nn.Linear(3, 1), nn.Tanh())
found = hessian(lambda p: t.func.functional_call(net, p, (m23,)).sum())(params)
""",
    "an ensemble of modules": """
nets = [module(nn.Linear(3, 2), nn.Tanh())[0] for _ in range(3)]
for i, net in enumerate(nets):
    for p in net.parameters():
        with t.no_grad():
            p.copy_((t.arange(p.numel(), dtype=t.float64).reshape(p.shape) + i).sin())
params, buffers = t.func.stack_module_state(nets)
found = vmap(lambda p, b, x: t.func.functional_call(nets[0], (p, b), (x,)), in_dims=(0, 0, None))(params, buffers, m23)
""",
    "functional_call with parameters of a vmap": """
net, params = module(nn.Linear(3, 2))
stacked = {k: t.stack([v, v * 2]) for k, v in params.items()}
found = vmap(lambda p: t.func.functional_call(net, p, (m23,)))(stacked)
""",
    "dropout inside vmap, default randomness": """
net = nn.Dropout(0.5)
vmap(lambda x: net(x))(m23)
""",
    "dropout inside vmap, in evaluation": """
net = nn.Dropout(0.5).eval()
found = vmap(lambda x: net(x) * 2)(m23)
""",
    "dropout of everything under func.grad": """
found = grad(lambda x: F.dropout(x, 1.0).sum() + (x**2).sum())(a3)
""",
    "dropout inside vmap, same randomness": """
y = vmap(lambda x: F.dropout(t.ones_like(x), 0.5), randomness="same")(t.ones(4, 20))
found = bool((y == y[0]).all())
""",
    "a module's parameters get gradients through vmap": """
net, params = module(nn.Linear(3, 2))
with t.no_grad():
    for k, p in net.named_parameters():
        p.copy_(params[k])
vmap(net)(m23).pow(2).sum().backward()
found = [p.grad for p in net.parameters()]
""",
    "checkpoint of a module, with hooks on a parameter": """
net, params = module(nn.Linear(3, 3), nn.Tanh())
with t.no_grad():
    for k, p in net.named_parameters():
        p.copy_(params[k])
seen = []
next(net.parameters()).register_post_accumulate_grad_hook(lambda p: seen.append(tuple(p.grad.shape)))
checkpoint(net, m23, use_reentrant=False).sum().backward()
found = [p.grad for p in net.parameters()], seen
""",
    # Optimizers between the backwards of one graph.
    "a step between two backwards of one graph": """
net, params = module(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
opt = t.optim.SGD(net.parameters(), lr=0.1)
loss = net(leaf(m23)).sum()
loss.backward(retain_graph=True)
opt.step()
loss.backward()
""",
    "a step between backwards, parameters that are not saved": """
w = leaf(a3)
opt = t.optim.SGD([w], lr=0.1)
loss = (w * b3).sum()
loss.backward(retain_graph=True)
opt.step()
loss.backward()
found = w, w.grad, w._version
""",
    "optimizer in a post-accumulate hook": """
w = leaf(a3)
opt = t.optim.SGD([w], lr=0.5)
def step(p):
    opt.step()
    opt.zero_grad()
w.register_post_accumulate_grad_hook(step)
for _ in range(3):
    (w * w * b3).sum().backward()
found = w, w.grad
""",
    "a step through a differentiable update": """
w = leaf(a3)
(g,) = t.autograd.grad((w**3).sum(), w, create_graph=True)
fast = w - 0.1 * g
(fast**2).sum().backward()
found = w.grad
""",
    "gradient accumulation after zero_grad(set_to_none=False)": """
w = leaf(a3)
opt = t.optim.SGD([w], lr=0.1, momentum=0.9)
for _ in range(3):
    opt.zero_grad(set_to_none=False)
    (w**2).sum().backward()
    opt.step()
found = w, w.grad
""",
    # Views, writes and hooks.
    "hooks on both sides of a write": """
x, seen = leaf(a3), []
y = x * 2
y.register_hook(lambda g: seen.append(("before", g.clone())))
y.mul_(3)
y.register_hook(lambda g: seen.append(("after", g.clone())))
y.retain_grad()
y[:2].add_(x[:2])
y.sum().backward()
found = x.grad, y.grad, seen
""",
    "multi-grad hook over views and double backward": """
x, seen = leaf(a3), []
u = x * 2
y = u * 1
v = y[1:]
with t.autograd.graph.register_multi_grad_hook([u, v], lambda gs: seen.append([g is not None for g in gs])):
    (v.exp().sum() + y.sum()).backward(retain_graph=True)
    (g,) = t.autograd.grad(v.sin().sum(), x, create_graph=True)
found = x.grad, seen, g
""",
    "a hook that runs a backward of its own": """
x, w = leaf(a3), leaf(b3)
def hook(g):
    (w * g.detach()).sum().backward()
    return g
x.register_hook(hook)
(x * x).sum().backward()
found = x.grad, w.grad
""",
    "a hook that calls func.grad": """
x = leaf(a3)
x.register_hook(lambda g: grad(lambda v: (v**3).sum())(g))
(x * x).sum().backward()
found = x.grad
""",
    "allow_mutation_on_saved_tensors with views": """
x = leaf(a3)
with t.autograd.graph.allow_mutation_on_saved_tensors():
    y = x * 2
    z = (y**3).sum()
    y[0] = 7.0
    y.mul_(2)
    (z + y.sum()).backward()
found = x.grad
""",
    # Threads.
    "each thread has its own modes": """
facts = {}
def work(name, manager):
    with manager:
        x = leaf(a3)
        facts[name] = (t.is_grad_enabled(), (x * 2).requires_grad, t.is_inference_mode_enabled())
with t.no_grad():
    threads = [threading.Thread(target=work, args=(n, m)) for n, m in
               [("plain", t.enable_grad()), ("none", t.no_grad()), ("inference", t.inference_mode())]]
    for th in threads: th.start()
    for th in threads: th.join()
    facts["here"] = t.is_grad_enabled()
found = facts
""",
    "a transform in each thread": """
facts = {}
def work(i):
    f = lambda x: (x ** (i + 2)).sum()
    for _ in range(5):
        facts[i] = vmap(grad(f))(m23), hessian(f)(a3)
threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for th in threads: th.start()
for th in threads: th.join()
found = facts
""",
    "a thread started inside func.grad": """
facts = []
def f(x):
    th = threading.Thread(target=lambda: facts.append(grad(lambda v: (v**2).sum())(a3)))
    th.start()
    th.join()
    return (x**3).sum()
found = grad(f)(a3), facts
""",
    "backward in another thread than forward": """
x = leaf(a3)
y = checkpoint(lambda v: v.sin().exp(), x, use_reentrant=False).sum()
th = threading.Thread(target=y.backward)
th.start()
th.join()
found = x.grad
""",
    # Random numbers and generators of Python.
    "a generator under no_grad inside func.grad": """
@t.no_grad()
def parts(x):
    yield x.sin()
    yield x.cos()
def f(x):
    a, b = parts(x)
    return (a * x + b).sum()
found = grad(f)(a3)
""",
    # Exceptions leave everything usable.
    "an exception inside func.grad leaves the modes": """
def bad(x):
    raise KeyError("inside")
for transform in (lambda: grad(bad)(a3), lambda: vmap(bad)(m23), lambda: jvp(bad, (a3,), (b3,)), lambda: vjp(bad, a3)):
    try:
        transform()
    except KeyError:
        pass
x = leaf(a3)
(x * 2).sum().backward()
found = x.grad, t.is_grad_enabled(), grad(lambda v: v.sum())(a3)
""",
    "an exception in a hook leaves the graph usable": """
x = leaf(a3)
y = x * x
def bad(g):
    raise KeyError("hook")
handle = y.register_hook(bad)
z = y.sum()
try:
    z.backward(retain_graph=True)
except KeyError:
    pass
handle.remove()
before = x.grad
z.backward()
found = before, x.grad
""",
    "an exception in an unpack hook leaves the mode": """
x = leaf(a3)
def bad(v):
    raise KeyError("unpack")
with t.autograd.graph.saved_tensors_hooks(lambda v: v, bad):
    y = (x * x).sum()
try:
    y.backward()
except KeyError:
    pass
(x * 2).sum().backward()
found = x.grad
""",
    "tensors of an ended transform": """
kept = []
def f(x):
    kept.append(x * 2)
    return x.sum()
grad(f)(a3)
found = t.is_tensor(kept[0]), tuple(kept[0].shape)
""",
    # Further details.
    "a Function with its own vmap under two vmaps": """
found = vmap(vmap(lambda x: Cube.apply(x, 2.0)))(m34.reshape(2, 3, 2))
""",
    "needs_input_grad under func.grad": """
seen = []
class N(t.autograd.Function):
    @staticmethod
    def forward(x, y):
        return x * y
    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
    @staticmethod
    def backward(ctx, g):
        seen.append(ctx.needs_input_grad)
        x, y = ctx.saved_tensors
        return g * y, g * x
found = grad(lambda x: N.apply(x, b3).sum())(a3), seen
""",
    "a masked write inside func.grad and hessian": """
def f(x):
    y = x * 2
    y[y > 0] = x.sum()
    return (y**2).sum()
found = grad(f)(a3), hessian(f)(a3)
""",
    "index_put_ inside vmap of grad": """
i = t.tensor([0, 2, 0])
def f(x):
    y = x.sin()
    y.index_put_((i,), x, accumulate=True)
    y[i] = y[i] * 2
    return y.sum()
found = vmap(grad(f))(m23)
""",
    "a write to one of several views inside func.grad": """
grad(lambda x: ((lambda y: y.unbind()[0].mul_(2))(x * 2)).sum())(a3)
""",
    "a version error inside func.grad": """
grad(lambda x: ((lambda y: (y.exp_(), y.mul_(2))[1])(x * 2)).sum())(a3)
""",
    "a version error of a vjp function": """
def f(x):
    y = x.exp()
    z = y * 1
    y.add_(1)
    return z
vjp(f, a3)[1](a3)
""",
    "aux values through vmap of grad": """
found = (
    vmap(grad(lambda x: (x.sin().sum(), {"k": x * 2}), has_aux=True))(m23),
    vjp(lambda x: (x * 2, x + 1), a3, has_aux=True)[0],
)
""",
    "hessian by two arguments": """
found = hessian(lambda x, y: (x * y * y).sum(), argnums=(0, 1))(a3, b3)
""",
    "functional_call with buffers": """
class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(t.ones(3, dtype=t.float64))
        self.register_buffer("b", t.ones(3, dtype=t.float64))
    def forward(self, x):
        return x * self.w + self.b
m = M()
found = (
    t.func.functional_call(m, {"w": a3, "b": b3}, (a3,)),
    m.w,
    grad(lambda p: t.func.functional_call(m, p, (a3,)).sum())({"w": a3}),
    t.func.functional_call(m, ({"w": a3}, {"b": b3}), (a3,)),
)
""",
    "functional_call of a module that writes to its buffer": """
class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("b", t.zeros(3, dtype=t.float64))
    def forward(self, x):
        self.b.add_(x)
        return self.b * 2
m = M()
found = (
    t.func.functional_call(m, {"b": b3.clone()}, (a3,)),
    m.b,
    grad(lambda x: t.func.functional_call(m, {"b": x * 1}, (x,)).sum())(a3),
)
""",
    "a functional_call that fails gives the parameters back": """
net, p = module(nn.Linear(3, 2))
before = [id(q) for q in net.parameters()]
try:
    t.func.functional_call(net, p, (t.ones(5),))
except RuntimeError:
    pass
found = before == [id(q) for q in net.parameters()]
""",
    "a write under no_grad inside func.grad": """
def f(x):
    y = x * 2
    with t.no_grad():
        y.mul_(3)
    return (y * x).sum()
found = grad(f)(a3)
""",
    "inference_mode inside vmap": """
def f(x):
    with t.inference_mode():
        return x * 2
found = vmap(f)(m23)
""",
    "inference_mode inside func.grad": """
def f(x):
    with t.inference_mode():
        y = x * 2
    return (y + x).sum()
found = grad(f)(a3)
""",
    "set_grad_enabled inside func.grad": """
def f(x):
    with t.set_grad_enabled(False):
        y = x * 2
    return (y * x).sum()
found = grad(f)(a3), t.is_grad_enabled()
""",
    "what tensors say of themselves inside transforms": """
s = []
grad(lambda x: (s.append((t.is_grad_enabled(), x.requires_grad, x.is_leaf, x.grad_fn is None)), x.sum())[1])(a3)
vmap(lambda x: (s.append((t.is_grad_enabled(), x.requires_grad)), x.sum())[1])(m23)
with t.no_grad():
    grad(lambda x: (s.append((t.is_grad_enabled(), (x * 2).requires_grad)), x.sum())[1])(a3)
found = s
""",
    "what tensors that require grad say inside vmap": """
s = []
x = leaf(m23)
y = vmap(lambda r: (s.append((r.requires_grad, (r * 2).requires_grad)), r * 2)[1])(x)
found = s, y.requires_grad, y.is_leaf
""",
    "jacrev of a nested result": """
found = jacrev(lambda x: (x * 2, {"k": x.sum()}))(a3)
""",
    "complex numbers under vjp, jvp and vmap": """
z = a3 + 1j * b3
found = vjp(lambda z: z * z, z)[1](z), jvp(lambda z: z.exp(), (z,), (z,)), vmap(lambda v: v.abs())(z)
""",
    "sorting inside vmap of grad": """
found = vmap(grad(lambda x: x.sort().values[0] + x.max() + x.topk(2).values.sum() + x.cumsum(0).prod()))(m23)
""",
    "matrix products inside vmap and jacrev": """
found = (
    vmap(lambda a, b: a @ b)(m23, m23),
    vmap(lambda a: m34.T @ a)(m23),
    vmap(vmap(t.dot, in_dims=(None, 0)), in_dims=(0, None))(m23, m23),
    jacrev(lambda w: m23 @ w)(m34),
)
""",
    "where inside vmap of grad": """
found = vmap(lambda x: t.where(x > 0, x, 0.0))(m23), vmap(grad(lambda x: t.where(x > 0, x * x, -x).sum()))(m23)
""",
    "dropout under checkpoint drops the same again": """
x = leaf(t.ones(50, dtype=t.float64))
y = checkpoint(lambda v: F.dropout(v, 0.5) * v, x, use_reentrant=False)
y.sum().backward()
found = bool(((x.grad == 0) == (y == 0)).all())
""",
    "what cuts a tangent": """
with fwAD.dual_level():
    x = fwAD.make_dual(a3, b3)
    found = (
        fwAD.unpack_dual(x.detach()).tangent is None,
        fwAD.unpack_dual(x.clone()).tangent,
        fwAD.unpack_dual(x.data).tangent is None,
    )
""",
    "tangents after their level": """
with fwAD.dual_level():
    x = fwAD.make_dual(a3, b3)
found = fwAD.unpack_dual(x).tangent is None
with fwAD.dual_level():
    found = found, fwAD.unpack_dual(x).tangent is None
""",
    "a gradient has a tangent": """
x = leaf(a3)
with fwAD.dual_level():
    d = fwAD.make_dual(x, b3)
    y = (d**3).sum()
    (g,) = t.autograd.grad(y, x)
    found = fwAD.unpack_dual(g).tangent
""",
    "a multi-grad hook inside func.grad": """
s = []
def f(x):
    y = x * 2
    t.autograd.graph.register_multi_grad_hook((y,), lambda gs: s.append(len(gs)))
    return y.sum()
found = grad(f)(a3), s
""",
    "shapes and strides inside vmap": """
found = []
vmap(
    lambda x: (
        found.append(
            (
                tuple(x.shape),
                x.ndim,
                x.numel(),
                x.size(0),
                x.stride(),
                x.is_contiguous(),
                len(x),
            )
        ),
        x,
    )[1]
)(m34)
""",
    "numbers read inside func.grad": """
found = []
grad(lambda x: (found.append(x.tolist()), found.append(x.sum().item()), x.sum())[2])(a3)
""",
    "a branch on a tensor inside func.grad": """
found = grad(lambda x: (x * 2).sum() if x.sum() > 0 else (x * 3).sum())(a3)
""",
    "factories inside vmap": """
found = vmap(lambda x: t.stack([t.zeros_like(x), t.ones_like(x), x.new_full((3,), 2.0), t.full_like(x, 3.0)]))(m23)
""",
    "a batched value written to a tensor that is not": """
vmap(lambda x: t.zeros(3, dtype=t.float64).add_(x))(m23)
""",
    "an empty batch": """
found = vmap(lambda x: x * 2)(t.ones(0, 3)), vmap(grad(lambda x: x.sum()))(t.ones(0, 3))
""",
}

MORE = {
    "retain_grad inside func.grad": (
        """
def f(x):
    y = x * 2
    y.retain_grad()
    return y.sin().sum()
found = grad(f)(a3)
""",
        "2 * (2 * a3).cos()",
    ),
    "func.grad under checkpoint": (
        """
x = leaf(a3)
y = checkpoint(lambda v: grad(lambda r: (r**3).sum())(v), x, use_reentrant=False)
y.sum().backward()
found = y, x.grad
""",
        "3 * a3**2, 6 * a3",
    ),
    "saved_tensors_hooks around func.grad": (
        """
with t.autograd.graph.saved_tensors_hooks(lambda v: v, lambda v: v):
    found = grad(lambda v: (v**3).sum())(a3)
""",
        "3 * a3**2",
    ),
    "func.jvp inside forward mode": (
        """
with fwAD.dual_level():
    d = fwAD.make_dual(a3, b3)
    out, tangent = jvp(lambda v: v**3, (d,), (t.ones_like(a3),))
    found = *fwAD.unpack_dual(out), *fwAD.unpack_dual(tangent)
""",
        "a3**3, 3 * a3**2 * b3, 3 * a3**2, 6 * a3 * b3",
    ),
    "requires_grad_ inside func.grad": (
        """
def f(x):
    y = x.detach().requires_grad_()
    return (y * x).sum()
found = grad(f)(a3)
""",
        "a3",
    ),
    "linearize inside vmap": (
        """
found = vmap(lambda x: t.func.linearize(lambda v: v.sin() * v, x)[1](x))(m23)
""",
        "(m23.cos() * m23 + m23.sin()) * m23",
    ),
}
"""Programs that PyTorch refuses, and that are right here: what they find is what the formula says."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(torch, name):
    ours, theirs = _run(PROGRAMS[name], gc), _run(PROGRAMS[name], torch)
    assert _same(ours, theirs), f"{PROGRAMS[name]}\ngradcore: {_brief(ours)}\nPyTorch:  {_brief(theirs)}"


@pytest.mark.parametrize("name", MORE)
def test_more_than_pytorch(torch, name):
    program, formula = MORE[name]
    assert isinstance(_run(program, torch), RuntimeError), "PyTorch can do it now: move it to PROGRAMS"
    ours, right = _run(program, gc), _run(f"found = {formula}", gc)
    assert _same(ours, right), f"{program}\n{_brief(ours)}\n{formula}: {_brief(right)}"


def _run(program, t):
    names = {"t": t}
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            exec(compile(PRELUDE + program, "<program>", "exec"), names)
        except Exception as e:  # noqa: BLE001 - what both raise is compared
            return e
    return _plain(names.get("found"), t)


def _plain(x, t):
    """What a program found, as arrays and plain values."""
    if isinstance(x, t.Tensor):
        return x.detach().numpy(force=True).copy()
    if isinstance(x, dict):
        return {k: _plain(v, t) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        return [_plain(v, t) for v in x]
    return x


def _same(a, b):
    if isinstance(a, Exception) or isinstance(b, Exception):
        return type(a) is type(b) or (type(a).__module__ == "gradcore.errors" and isinstance(a, type(b)))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and a == b


def _brief(x):
    return f"{type(x).__name__}: {x}" if isinstance(x, Exception) else x
