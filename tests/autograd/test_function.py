"""Custom Functions: everything that a user can see of them, as PyTorch shows it."""

from __future__ import annotations

import gc as collector
import threading
import weakref

import pytest
from function_programs import PREAMBLE, shown
from programs import assert_raises

import gradcore as gc

PROGRAMS = {
    "node": (
        """
y = make(lambda ctx, x: x * 2, lambda ctx, g: g).apply(x)
n = y.grad_fn
show(y, n, n.next_functions, isinstance(n, t.autograd.graph.Node), n.metadata, y.output_nr, n.requires_grad)
show(type(n).__mro__[1].__name__, type(n)._forward_cls.__name__, "grad_fn=<FBackward>" in repr(y))
""",
        [
            "[2.0, 4.0] FBackward; FBackward; ((torch::autograd::AccumulateGrad, 0)); True; {}; 0; True",
            "BackwardCFunction; F; True",
        ],
    ),
    "ctx in forward": (
        """
def forward(ctx, x, k):
    show(ctx.needs_input_grad, ctx.next_functions, ctx.name(), ctx.saved_tensors, t.is_grad_enabled(), x.requires_grad)
    show(ctx.dirty_tensors, ctx.non_differentiable, ctx.to_save, ctx.saved_for_forward, ctx.metadata)
    ctx.save_for_backward(x)
    ctx.note, ctx.shape, ctx._x = "n", x.shape, 3
    show(len(ctx.to_save), ctx.saved_tensors, isinstance(ctx, t.autograd.graph.Node))
    return x * 2
def backward(ctx, g):
    show(ctx.to_save, ctx.saved_tensors, ctx.saved_tensors[0] is x, ctx.dirty_tensors, ctx.needs_input_grad)
    show(ctx.note, tuple(ctx.shape), ctx._x, t.is_grad_enabled(), ctx is y.grad_fn)
    return g, None
y = make(forward, backward).apply(x, 3)
y.sum().backward()
show(x.grad)
""",
        [
            "(True, False); ((torch::autograd::AccumulateGrad, 0)); FBackward; (); False; True",
            "None; None; None; None; {}",
            "1; (); True",
            "None; ([1.0, 2.0] leaf); True; None; (True, False)",
            "n; (2); 3; False; True",
            "[1.0, 1.0]",
        ],
    ),
    "arguments that are no tensors": (
        """
F = make(lambda ctx, x, k, s, c: (3, x * k, "s"), lambda ctx, *g: noted((g[1], None, None, None), *g))
number, y, string = F.apply(x, 2, None, t.ones(2))
show(number, y, string, y.output_nr, y.grad_fn.next_functions, y.grad_fn.needs_input_grad)
y.sum().backward()
show(x.grad)
""",
        [
            "3; [2.0, 4.0] FBackward; s; 1; ((torch::autograd::AccumulateGrad, 0), (None, 0)); (True, False, False, False)",
            "([1.0, 1.0], None, None, None); None; [1.0, 1.0]; None",
            "[1.0, 1.0]",
        ],
    ),
    "tensors in a list are not looked at": (
        """
show(make(lambda ctx, xs: xs[0] * 2, lambda ctx, g: g).apply([x]))
""",
        ["[2.0, 4.0]"],
    ),
    "a list returned is not looked at": (
        """
show(make(lambda ctx, x: [x * 2, x * 3], lambda ctx, *g: g[0]).apply(x))
""",
        ["([2.0, 4.0], [3.0, 6.0])"],
    ),
    "what forward may return": (
        """
from collections import namedtuple
Pair = namedtuple("Pair", "a b")
for value in (None, (), "s", {"a": 1}, 3):
    show(make(lambda ctx, x: value, lambda ctx, g: g).apply(x))
show(type(make(lambda ctx, x: (x * 2,), lambda ctx, g: g).apply(x)).__name__)
pair = make(lambda ctx, x: Pair(x * 2, x * 3), lambda ctx, g, h: g + h).apply(x)
show(type(pair).__name__, pair)
""",
        ["None", "()", "s", "{'a': 1}", "3", "tuple", "tuple; ([2.0, 4.0] FBackward, [3.0, 6.0] FBackward)"],
    ),
    "two arguments, of which gradients are asked one by one": (
        """
F = make(lambda ctx, x, w: x * w, lambda ctx, g: noted((g, g * 2), ctx.needs_input_grad))
y = F.apply(x, w)
show(grad(y.sum(), x, retain_graph=True), grad(y.sum(), w, retain_graph=True))
y.sum().backward(inputs=[w])
show(x.grad, w.grad)
""",
        [
            "([1.0, 1.0], [2.0, 2.0]); (True, True)",
            "([1.0, 1.0], [2.0, 2.0]); (True, True)",
            "([1.0, 1.0]); ([2.0, 2.0])",
            "([1.0, 1.0], [2.0, 2.0]); (True, True)",
            "None; [2.0, 2.0]",
        ],
    ),
    "unused outputs get zeros": (
        """
F = make(lambda ctx, x, w: (x * 2, w * 3, (x * 2).long()), lambda ctx, *g: noted((g[0], g[1]), *g))
a, b, c = F.apply(x, w)
show(a, b, c, a.output_nr, b.output_nr)
b.sum().backward()
show(x.grad, w.grad)
""",
        [
            "[2.0, 4.0] FBackward; [9.0, 15.0] FBackward; [2, 4] int64; 0; 1",
            "([0.0, 0.0], [1.0, 1.0]); [0.0, 0.0]; [1.0, 1.0]; [0, 0] int64",
            "[0.0, 0.0]; [1.0, 1.0]",
        ],
    ),
    "unused outputs without materialized gradients": (
        """
def forward(ctx, x, w):
    ctx.set_materialize_grads(False)
    return x * 2, w * 3, (x * 2).long()
a, b, c = make(forward, lambda ctx, *g: noted((g[0], g[1]), *g)).apply(x, w)
b.sum().backward()
show(x.grad, w.grad)
""",
        ["(None, [1.0, 1.0]); None; [1.0, 1.0]; None", "None; [1.0, 1.0]"],
    ),
    "None for a gradient": (
        """
F = make(lambda ctx, x: x * 2, lambda ctx, g: None)
F.apply(x).sum().backward()
show(x.grad, grad(F.apply(x).sum(), x, allow_unused=True))
""",
        ["None; (None)"],
    ),
    "None for a gradient reaches another Function": (
        """
F = make(lambda ctx, x: x * 2, lambda ctx, g: None)
G = make(lambda ctx, x: x * 2, lambda ctx, g: noted(g))
H = make(lambda ctx, x: (ctx.set_materialize_grads(False), x * 2)[1], lambda ctx, g: noted(g))
F.apply(G.apply(x)).sum().backward()
show(x.grad)
F.apply(H.apply(w)).sum().backward()
show(w.grad)
F.apply(w * 3).sum().backward()
show(w.grad)
""",
        ["[0.0, 0.0]", "[0.0, 0.0]", "None", "None", "None"],
    ),
    "shapes and dtypes of gradients": (
        """
for gradient in (t.ones(4, 2), t.ones(1, 1, 2), t.ones(2).double(), t.ones(2).long()):
    make(lambda ctx, x: x * 2, lambda ctx, g: gradient).apply(x).sum().backward()
    show(x.grad)
    x.grad = None
make(lambda ctx, x, c: x * 2, lambda ctx, g: (g, t.ones(7), None, None)).apply(x, t.ones(2)).sum().backward()
show(x.grad)
""",
        ["[4.0, 4.0]", "[1.0, 1.0]", "[1.0, 1.0]", "[1.0, 1.0]", "[1.0, 1.0]"],
    ),
    "an argument returned as it is": (
        """
z = x * 1
y = make(lambda ctx, x: x, lambda ctx, g: g * 3).apply(z)
show(y, y is z, y._is_view(), y._base is z)
part = z[:1]
v = make(lambda ctx, x: x, lambda ctx, g: g * 3).apply(part)
show(v, v._base is z, v._base is part)
(y.sum() + v.sum()).backward()
show(x.grad)
a, b = make(lambda ctx, x: (x, x), lambda ctx, g, h: g + 10 * h).apply(w)
show(a is b, a, b, a.output_nr, b.output_nr)
(a.sum() + 2 * b.sum()).backward()
show(w.grad)
""",
        [
            "[1.0, 2.0] FBackward; False; True; True",
            "[1.0] FBackward; True; False",
            "[6.0, 3.0]",
            "False; [3.0, 5.0] FBackward; [3.0, 5.0] FBackward; 0; 1",
            "[21.0, 21.0]",
        ],
    ),
    "an argument returned as it is, without recording": (
        """
same = make(lambda ctx, x: x, lambda ctx, g: g)
with t.no_grad():
    y = same.apply(x)
    show(y, y is x, y._is_view())
c = t.ones(2)
y = same.apply(c)
show(y, y is c, y._is_view(), y._base is c)
""",
        ["[1.0, 2.0]; False; False", "[1.0, 1.0]; False; True; True"],
    ),
    "one tensor returned twice": (
        """
def forward(ctx, x):
    y = x * 2
    return y, y
a, b = make(forward, lambda ctx, g, h: noted(g + h, g, h)).apply(x)
show(a is b, a.output_nr)
(a.sum() + 2 * b.sum()).backward()
show(x.grad)
""",
        ["True; 1", "[3.0, 3.0]; [0.0, 0.0]; [3.0, 3.0]", "[3.0, 3.0]"],
    ),
    "views of arguments": (
        """
z = x * 1
y = make(lambda ctx, x: x.view(2, 1), lambda ctx, g: g.view(2) * 3).apply(z)
show(y, y._is_view(), y._base is z)
y.sum().backward()
show(x.grad)
z = w * 1
d = make(lambda ctx, x: x.detach(), lambda ctx, g: g * 3).apply(z)
show(d, d._is_view())
d.add_(1)
show(d, z)
d.sum().backward()
show(w.grad)
""",
        [
            "[[1.0], [2.0]] FBackward; True; True",
            "[3.0, 3.0]",
            "[3.0, 5.0] FBackward; False",
            "[4.0, 6.0] AddBackward0; [4.0, 6.0] MulBackward0",
            "[3.0, 3.0]",
        ],
    ),
    "mark_non_differentiable": (
        """
def forward(ctx, x):
    b = x * 3
    ctx.mark_non_differentiable(b)
    return x * 2, b
a, b = make(forward, lambda ctx, g, h: noted(g, g, h)).apply(x)
show(a, b)
a.sum().backward()
same = make(lambda ctx, x: (ctx.mark_non_differentiable(x), x)[1], lambda ctx, g: g)
z = x * 1
y = same.apply(z)
show(y, y is z, y._is_view())
y.add_(1)
show(y, z, z._version)
view = make(lambda ctx, x: x[:1], lambda ctx, g: g)
show(view.apply(t.ones(2)), make(lambda ctx, x: (ctx.mark_non_differentiable(x), x * 2)[1], lambda ctx, g: g).apply(x))
""",
        [
            "[2.0, 4.0] FBackward; [3.0, 6.0]",
            "[1.0, 1.0]; [1.0, 1.0]; [0.0, 0.0]",
            "[1.0, 2.0]; False; False",
            "[2.0, 3.0]; [2.0, 3.0] MulBackward0; 1",
            "[1.0]; [2.0, 4.0] FBackward",
        ],
    ),
    "integers have no gradient": (
        """
show(make(lambda ctx, x: x.long(), lambda ctx, g: g).apply(x))
""",
        ["[1, 2] int64"],
    ),
    "mark_dirty": (
        """
def forward(ctx, x):
    ctx.mark_dirty(x)
    return x.mul_(2)
F = make(forward, lambda ctx, g: noted(g * 5, g))
z = x * 1
z.retain_grad()
z.register_hook(lambda g: show("old", g))
y = F.apply(z)
y.register_hook(lambda g: show("new", g))
show(y is z, y, y._version)
(y * 3).sum().backward()
show(x.grad, z.grad)
show(F.apply(t.ones(2)))
with t.no_grad():
    show(F.apply(x) is x, x, x._version)
""",
        [
            "True; [2.0, 4.0] FBackward; 2",
            "new; [3.0, 3.0]",
            "[15.0, 15.0]; [3.0, 3.0]",
            "old; [15.0, 15.0]",
            "[15.0, 15.0]; [3.0, 3.0]",
            "[2.0, 2.0]",
            "False; [2.0, 4.0] leaf; 2",
        ],
    ),
    "mark_dirty without a write counts as one": (
        """
z = x * 1
y = make(lambda ctx, x: (ctx.mark_dirty(x), x)[1], lambda ctx, g: g).apply(z)
show(y is z, y, z._version)
""",
        ["True; [1.0, 2.0] FBackward; 1"],
    ),
    "mark_dirty of two arguments": (
        """
def forward(ctx, a, b):
    ctx.mark_dirty(a, b)
    a.mul_(2)
    b.mul_(3)
    return b, a
p, q = make(forward, lambda ctx, g, h: (h * 2, g * 3)).apply(a := x * 1, b := w * 1)
show(p is b, q is a, a, b, a.output_nr, b.output_nr)
(a.sum() + b.sum()).backward()
show(x.grad, w.grad)
""",
        ["True; True; [2.0, 4.0] FBackward; [9.0, 15.0] FBackward; 1; 0", "[2.0, 2.0]; [3.0, 3.0]"],
    ),
    "mark_dirty of a view": (
        """
def forward(ctx, a, b):
    ctx.mark_dirty(a)
    a.mul_(b)
    ctx.save_for_backward(b)
    return a
F = make(forward, lambda ctx, g: (g * ctx.saved_tensors[0], g * 7))
z = x * 1
v, other = z[:1], z.view(2)
y = F.apply(v, w[:1])
show(y is v, y, z, other)
show(z.grad_fn, z.grad_fn.next_functions)
(z * w).sum().backward()
show(x.grad, w.grad)
c = t.ones(2)
F.apply(c[1:], w[1:])
show(c)
w.grad = None
c.sum().backward()
show(w.grad)
""",
        [
            "True; [3.0] AsStridedBackward0; [3.0, 2.0] CopySlices; [3.0, 2.0] AsStridedBackward0",
            "torch::autograd::CopySlices; ((MulBackward0, 0), (SliceBackward0, 0))",
            "[9.0, 5.0]; [24.0, 2.0]",
            "[1.0, 5.0] CopySlices",
            "[0.0, 7.0]",
        ],
    ),
    "mark_dirty of what is no argument": (
        """
import warnings
def forward(ctx, x):
    y = x * 2
    ctx.mark_dirty(y)
    return y
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    show(make(forward, lambda ctx, g: g).apply(x))
show([c.category.__name__ for c in caught], "was not an input" in str(caught[0].message))
""",
        ["[2.0, 4.0] FBackward", "(UserWarning); True"],
    ),
    "dirty and not differentiable": (
        """
def forward(ctx, x):
    ctx.mark_non_differentiable(x)
    ctx.mark_dirty(x)
    return x.mul_(2)
F = make(forward, lambda ctx, g: g)
z = x * 1
for a in (x, z):
    y = F.apply(a)
    show(y is a, y, a)
""",
        ["False; [2.0, 4.0]; [2.0, 4.0] leaf", "False; [2.0, 4.0]; [2.0, 4.0] MulBackward0"],
    ),
    "writing to an output": (
        """
y = make(lambda ctx, x: x.clone(), lambda ctx, g: g * 2).apply(x)
y.add_(1)
y[:1].mul_(3)
show(y)
y.sum().backward()
show(x.grad)
""",
        ["[6.0, 3.0] CopySlices", "[6.0, 2.0]"],
    ),
    "saved tensors": (
        """
def forward(ctx, x, w):
    y, inner = x * w, x * 3
    ctx.save_for_backward(x, w, y, inner, None)
    ctx.same = x
    return y
def backward(ctx, g):
    a, b, y, inner, nothing = ctx.saved_tensors
    show(a, b, y, inner, nothing, a is ctx.same, y.grad_fn is ctx, ctx.saved_tensors[2] is y, len(ctx._raw_saved_tensors))
    return g * b, g * a
F = make(forward, backward)
F.apply(x, w).sum().backward()
F.apply(x * 1, w).sum().backward()
show(x.grad, w.grad)
""",
        [
            "[1.0, 2.0] leaf; [3.0, 5.0] leaf; [3.0, 10.0] FBackward; [3.0, 6.0]; None; True; True; False; 5",
            "[1.0, 2.0] MulBackward0; [3.0, 5.0] leaf; [3.0, 10.0] FBackward; [3.0, 6.0]; None; True; True; False; 5",
            "[6.0, 10.0]; [2.0, 4.0]",
        ],
    ),
    "the last save counts": (
        """
def again(ctx, x):
    ctx.save_for_backward(x)
    ctx.save_for_backward(x, x)
    return x * 2
F = make(again, lambda ctx, g: noted(g, len(ctx.saved_tensors)))
F.apply(x).sum().backward()
F = make(lambda ctx, x: (setattr(ctx, "to_save", (x,)), x * 2)[1], lambda ctx, g: noted(g, len(ctx.saved_tensors)))
F.apply(x).sum().backward()
F = make(lambda ctx, x: x * 2, lambda ctx, g: noted(g, ctx.saved_tensors))
F.apply(x).sum().backward()
""",
        ["[1.0, 1.0]; 2", "[1.0, 1.0]; 1", "[1.0, 1.0]; ()"],
    ),
    "a node read from outside": (
        """
def forward(ctx, x):
    ctx.save_for_backward(x)
    return x * 2
n = make(forward, lambda ctx, g: g * ctx.saved_tensors[0]).apply(x).grad_fn
show(n.saved_tensors[0] is x, n.apply(t.ones(2)))
n.free = 3
show(n.free)
""",
        ["True; [1.0, 2.0] MulBackward0", "3"],
    ),
    "the metadata of outputs": (
        """
F = make(lambda ctx, x: (x * 2, "s"), lambda ctx, g, s: g)
show([tuple(m.shape) for m in F.apply(x)[0].grad_fn._input_metadata])
""",
        ["((2), ())"],
    ),
    "any attribute may be set on ctx": (
        """
def forward(ctx, x, name):
    ctx.name, ctx.shape, ctx.dtype, ctx.device, ctx._x = name, tuple(x.shape), 1, 2, 3
    ctx.save_for_backward(x)
    return x * 2
F = make(forward, lambda ctx, g: noted((g, None), ctx.name, ctx.shape, ctx.dtype, ctx.device, ctx._x))
y = F.apply(x, "label")
y.sum().backward()
show(type(y.grad_fn).__name__, x.grad)
try:
    y.grad_fn.saved_tensors
except RuntimeError as e:
    show("a second time" in str(e))
""",
        ["([1.0, 1.0], None); label; (2); 1; 2; 3", "FBackward; [1.0, 1.0]", "True"],
    ),
    "a graph that saved nothing runs again": (
        """
y = make(lambda ctx, x: x * 2, lambda ctx, g: g).apply(x).sum()
y.backward()
y.backward()
show(x.grad)
""",
        ["[2.0, 2.0]"],
    ),
    "an argument detached after it was saved": (
        """
def forward(ctx, x):
    ctx.save_for_backward(x)
    return x * x
z = x * 1
y = make(forward, lambda ctx, g: g * 2 * ctx.saved_tensors[0]).apply(z)
z.detach_()
y.sum().backward()
show(x.grad)
""",
        ["[2.0, 4.0]"],
    ),
    "derivatives of higher order": (
        """
def forward(ctx, x):
    y = x.exp()
    ctx.save_for_backward(y)
    return y
def dirty(ctx, x):
    ctx.mark_dirty(x)
    x.exp_()
    ctx.save_for_backward(x)
    return x
backward = lambda ctx, g: g * ctx.saved_tensors[0]
for F, part in ((make(forward, backward), 2), (make(dirty, backward), 2), (make(dirty, backward), 1)):
    z = x * 0.5
    y = F.apply(z[:part] if part < 2 else z)
    a, = grad((z if F.forward is dirty else y).sum(), x, create_graph=True)
    b, = grad(a.sum(), x, create_graph=True)
    c, = grad(b.sum(), x)
    for d in (a, b, c):
        show([round(v, 4) for v in d.tolist()], d.grad_fn)
""",
        [
            "(0.8244, 1.3591); MulBackward0",
            "(0.4122, 0.6796); MulBackward0",
            "(0.2061, 0.3398); None",
            "(0.8244, 1.3591); MulBackward0",
            "(0.4122, 0.6796); MulBackward0",
            "(0.2061, 0.3398); None",
            "(0.8244, 0.5); MulBackward0",
            "(0.4122, 0.0); MulBackward0",
            "(0.2061, 0.0); None",
        ],
    ),
    "a Function inside a Function, both ways": (
        """
class Inner(Function):
    @staticmethod
    def forward(ctx, g, x):
        ctx.save_for_backward(g, x)
        return 3 * g * x * x
    @staticmethod
    def backward(ctx, h):
        g, x = ctx.saved_tensors
        return 3 * h * x * x, 6 * h * g * x
class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return Inner.apply(x, x) / 3
    @staticmethod
    def backward(ctx, g):
        show(t.is_grad_enabled(), g.requires_grad)
        return Inner.apply(g, *ctx.saved_tensors)
y = Cube.apply(x)
a, = grad((y * 1).sum(), x, create_graph=True)
b, = grad(a.sum(), x, create_graph=True)
c, = grad(b.sum(), x)
show(y, a, b, c)
""",
        ["True; False", "[1.0, 8.0] CubeBackward; [3.0, 12.0] InnerBackward; [6.0, 12.0] MulBackward0; [6.0, 6.0]"],
    ),
    "backward may run backward": (
        """
def forward(ctx, x):
    ctx.save_for_backward(x)
    return x ** 3
def backward(ctx, g):
    x, = ctx.saved_tensors
    with t.enable_grad():
        z = x.detach().requires_grad_()
        (z ** 3).sum().backward()
    return g * z.grad
make(forward, backward).apply(x * 2).sum().backward()
show(x.grad)
""",
        ["[24.0, 96.0]"],
    ),
    "recording inside forward": (
        """
def forward(ctx, x):
    with t.enable_grad():
        y = x * 2
    show(y)
    return y
y = make(forward, lambda ctx, g: g * 7).apply(x)
show(y)
y.sum().backward()
show(x.grad)
show(make(lambda ctx, x: w, lambda ctx, g: g).apply(x) is w, w)
""",
        ["[2.0, 4.0] MulBackward0", "[2.0, 4.0] FBackward", "[7.0, 7.0]", "True; [3.0, 5.0] FBackward"],
    ),
    "without recording": (
        """
F = make(lambda ctx, x: noted(x * 2, ctx.needs_input_grad), lambda ctx, g: g)
with t.no_grad():
    show(F.apply(x))
show(F.apply(x.detach()))
with t.no_grad():
    show(make(lambda ctx, x: (ctx.save_for_backward(3), x * 2)[1]).apply(x))
""",
        ["[2.0, 4.0]; (True)", "[2.0, 4.0]", "[2.0, 4.0]; (False)", "[2.0, 4.0]", "[2.0, 4.0]"],
    ),
    "setup_context": (
        """
class F(Function):
    @staticmethod
    def forward(x, k=2):
        return x * k, x.long()
    @staticmethod
    def setup_context(ctx, inputs, output):
        show(inputs, output, t.is_grad_enabled())
        a, b = output
        ctx.mark_non_differentiable(b)
        ctx.save_for_backward(inputs[0], a, b)
        ctx.k = inputs[1]
    @staticmethod
    def backward(ctx, g, h):
        show(ctx.saved_tensors, ctx.k, h, ctx.needs_input_grad)
        return g * ctx.k, None
F.apply(x)[0].sum().backward()
F.apply(k=3, x=x)[0].sum().backward()
show(x.grad)
""",
        [
            "([1.0, 2.0] leaf, 2); ([2.0, 4.0], [1, 2] int64); False",
            "([1.0, 2.0] leaf, [2.0, 4.0] FBackward, [1, 2] int64); 2; [0, 0] int64; (True, False)",
            "([1.0, 2.0] leaf, 3); ([3.0, 6.0], [1, 2] int64); False",
            "([1.0, 2.0] leaf, [3.0, 6.0] FBackward, [1, 2] int64); 3; [0, 0] int64; (True, False)",
            "[5.0, 5.0]",
        ],
    ),
    "setup_context that marks an argument as dirty": (
        """
class F(Function):
    @staticmethod
    def forward(x):
        return x.mul_(2)
    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_dirty(inputs[0])
    @staticmethod
    def backward(ctx, g):
        return g * 2
z = x * 1
show(F.apply(z) is z, z)
""",
        ["True; [2.0, 4.0] FBackward"],
    ),
    "arguments by name": (
        """
class F(Function):
    @staticmethod
    def forward(ctx, x, k=2):
        return x * k
    @staticmethod
    def backward(ctx, g):
        return noted((g, g), ctx.needs_input_grad)
for y in (F.apply(x=x), F.apply(x, k=w), F.apply(k=w, x=x)):
    show(y, y.grad_fn.needs_input_grad)
y.sum().backward()
show(x.grad, w.grad)
""",
        [
            "[2.0, 4.0] FBackward; (True)",
            "[3.0, 10.0] FBackward; (True, True)",
            "[3.0, 10.0] FBackward; (True, True)",
            "([1.0, 1.0], [1.0, 1.0]); (True, True)",
            "[1.0, 1.0]; [1.0, 1.0]",
        ],
    ),
    "methods that are not static": (
        """
class F(Function):
    @classmethod
    def forward(cls, ctx, x):
        show(cls.__name__, type(ctx).__name__)
        return x * 2
    @classmethod
    def backward(cls, ctx, g):
        return noted(g, cls.__name__)
F.apply(x).sum().backward()
class G(Function):
    def forward(self, x):
        return noted(x * 2, type(self).__name__)
    def backward(self, g):
        return g
G.apply(x).sum().backward()
""",
        ["F; FBackward", "[1.0, 1.0]; F", "[2.0, 4.0]; GBackward"],
    ),
    "a Function derived from another": (
        """
class A(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2
    @staticmethod
    def backward(ctx, g):
        return g * 2
class B(A):
    @staticmethod
    def backward(ctx, g):
        return g * 7
y = B.apply(x)
y.sum().backward()
show(y, x.grad, A.apply(x))
""",
        ["[2.0, 4.0] BBackward; [7.0, 7.0]; [2.0, 4.0] ABackward"],
    ),
    "vjp is another name for backward": (
        """
make(lambda ctx, x: x * 2, vjp=staticmethod(lambda ctx, g: g * 5)).apply(x).sum().backward(); show(x.grad)
""",
        ["[5.0, 5.0]"],
    ),
    "one list of gradients": (
        """
F = make(lambda ctx, x: (x * 2, x * 3), lambda ctx, g: noted(g.pop() + g.pop(), type(g).__name__), boxed_grads_call=True)
sum(F.apply(x)).sum().backward()
show(x.grad)
""",
        ["[2.0, 2.0]; list", "[2.0, 2.0]"],
    ),
    "hooks": (
        """
a, b, s = make(lambda ctx, x: (x * 2, x * 3, "s"), lambda ctx, g, h, s: noted(g * 7 + h)).apply(x)
n = a.grad_fn
n.register_hook(lambda gi, go: show("post", gi, go))
n.register_prehook(lambda go: show("pre", go))
n.register_prehook(lambda go: (go[0] * 2, go[1], go[2]))
a.register_hook(lambda g: show("tensor", g))
a.retain_grad()
a.sum().backward()
show(x.grad, a.grad)
""",
        [
            "tensor; [1.0, 1.0]",
            "pre; ([1.0, 1.0], None, None)",
            "[14.0, 14.0]",
            "post; ([14.0, 14.0]); ([2.0, 2.0], None, None)",
            "[14.0, 14.0]; [1.0, 1.0]",
        ],
    ),
    "a hook on ctx": (
        """
F = make(lambda ctx, x: (ctx.register_hook(lambda gi, go: show("post", gi, go)), x * 2)[1], lambda ctx, g: g)
F.apply(x).sum().backward()
""",
        ["post; ([1.0, 1.0]); ([1.0, 1.0])"],
    ),
    "an output as the one input of backward": (
        """
y = make(lambda ctx, x: x * 2, lambda ctx, g: noted(g)).apply(x)
y.backward(t.ones(2), inputs=[y])
show(y.grad, grad(y, y, t.ones(2)))
a, b = make(lambda ctx, x, w: (x * 2, w * 3), lambda ctx, g, h: (g, h)).apply(x, w)
show(grad(a.sum(), w, allow_unused=True), grad([a.sum(), b.sum()], [b]))
""",
        ["[1.0, 1.0]", "[1.0, 1.0]; ([1.0, 1.0])", "([0.0, 0.0]); ([1.0, 1.0])"],
    ),
    "one leaf as two arguments": (
        """
make(lambda ctx, a, b: a * 2 + b, lambda ctx, g: (g, g * 10)).apply(x, x).sum().backward(); show(x.grad)
""",
        ["[11.0, 11.0]"],
    ),
    "once_differentiable": (
        """
def forward(ctx, x):
    ctx.save_for_backward(x)
    return x * x
def backward(ctx, g):
    show(t.is_grad_enabled())
    return 2 * g * ctx.saved_tensors[0], None
F = make(forward, once_differentiable(backward))
g, = grad((F.apply(x) ** 2).sum(), x, create_graph=True)
show(g, g.grad_fn, g.is_leaf, len(g.grad_fn.next_functions), g.grad_fn.next_functions[1])
g, = grad(F.apply(x).sum(), x, create_graph=True)
show(g)
F.apply(x).sum().backward()
show(x.grad)
""",
        [
            "False",
            "[4.0, 32.0] Error; torch::autograd::Error; False; 2; (None, 0)",
            "False",
            "[2.0, 4.0]",
            "False",
            "[2.0, 4.0]",
        ],
    ),
    "saved_variables": (
        """
import warnings
F = make(lambda ctx, x: (ctx.save_for_backward(x), x * 2)[1], lambda ctx, g: noted(g, ctx.saved_variables))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    F.apply(x).sum().backward()
    make(lambda ctx, x: (ctx.mark_shared_storage((x, x)), x * 2)[1]).apply(x)
    F()
    t.autograd.function.InplaceFunction(True)
show([c.category.__name__ for c in caught])
""",
        [
            "[1.0, 1.0]; ([1.0, 2.0] leaf)",
            "(DeprecationWarning, FutureWarning, DeprecationWarning, DeprecationWarning)",
        ],
    ),
    "hooks on saved tensors": (
        """
def forward(ctx, x):
    y = x * x
    ctx.save_for_backward(x, y)
    return y
F = make(forward, lambda ctx, g: g * (ctx.saved_tensors[0] + ctx.saved_tensors[1]))
pack = lambda s: (show("pack", s), s.detach() * 10)[1]
unpack = lambda s: (show("unpack", s), s / 10)[1]
with t.autograd.graph.saved_tensors_hooks(pack, unpack):
    y = F.apply(x)
y.sum().backward()
show(x.grad)
""",
        [
            "pack; [1.0, 2.0] leaf",
            "pack; [1.0, 4.0] FBackward",
            "unpack; [10.0, 20.0]",
            "unpack; [10.0, 40.0]",
            "unpack; [10.0, 20.0]",
            "unpack; [10.0, 40.0]",
            "[2.0, 6.0]",
        ],
    ),
    "an error in backward leaves the rest usable": (
        """
def backward(ctx, g):
    raise KeyError(1)
z = (make(lambda ctx, x: x * 2, backward).apply(x * 1) + w).sum()
try:
    z.backward()
except KeyError as e:
    show("KeyError", e)
show(x.grad, t.is_grad_enabled())
(x * 2).sum().backward()
show(x.grad)
""",
        ["KeyError; 1", "None; True", "[2.0, 2.0]"],
    ),
    "an error in forward leaves nothing": (
        """
def forward(ctx, x):
    ctx.mark_dirty(x)
    x.mul_(2)
    raise KeyError(1)
z = x * 1
try:
    make(forward, lambda ctx, g: g).apply(z)
except KeyError as e:
    show("KeyError", e)
show(z, t.is_grad_enabled())
""",
        ["KeyError; 1", "[2.0, 4.0] MulBackward0; True"],
    ),
    "the gradient kept by backward is not the leaf's": (
        """
kept = []
make(lambda ctx, x: x * 2, lambda ctx, g: (kept.append(g), g)[1]).apply(x).sum().backward()
x.grad.add_(5)
show(kept, x.grad)
x.grad = None
make(lambda ctx, x: x * 2, lambda ctx, g: w).apply(x).sum().backward()
show(x.grad is w, x.grad)
x.grad.add_(1)
show(w)
""",
        ["([1.0, 1.0]); [6.0, 6.0]", "False; [3.0, 5.0]", "[3.0, 5.0] leaf"],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(t, name):
    program, expected = PROGRAMS[name]
    assert shown(program, t) == expected


ERRORS = [
    ("make(lambda ctx, x: x)()(x)", RuntimeError, "Legacy autograd function", "non-static forward method"),
    (("class G(Function): pass\nG.apply(x)"), NotImplementedError, "must implement the forward function"),
    (
        "make(double).apply(x).sum().backward()",
        NotImplementedError,
        "either the backward or vjp method",
        "backward mode AD",
    ),
    (
        "make(double, lambda ctx, g: g, vjp=staticmethod(lambda ctx, g: g)).apply(x).sum().backward()",
        RuntimeError,
        "Implementing both",
        "is not allowed",
    ),
    (
        "make(lambda ctx, x, w: x * w, lambda ctx, g: g).apply(x, w).sum().backward()",
        RuntimeError,
        "returned an incorrect number of gradients",
        "expected 2, got 1",
    ),
    (
        "make(double, lambda ctx, g: (g, g)).apply(x).sum().backward()",
        RuntimeError,
        "returned an incorrect number of gradients",
        "expected 1, got 2",
    ),
    (
        "make(double, lambda ctx, g: ()).apply(x).sum().backward()",
        RuntimeError,
        "returned an incorrect number of gradients",
        "expected 1, got 0",
    ),
    (
        "make(lambda ctx, x, k: x * k, lambda ctx, g: (g, g)).apply(x, 3).sum().backward()",
        RuntimeError,
        "a gradient different than None",
        "at position 2",
        "was not a Variable",
    ),
    (
        "make(double, lambda ctx, g: g[0]).apply(x).sum().backward()",
        RuntimeError,
        "returned an invalid gradient at index 0",
        "expected shape compatible with [2]",
    ),
    (
        "make(double, lambda ctx, g: t.ones(10)).apply(x).sum().backward()",
        RuntimeError,
        "returned an invalid gradient",
        "got [10]",
    ),
    (
        "make(double, lambda ctx, g: t.zeros(2, 0)).apply(x).sum().backward()",
        RuntimeError,
        "returned an invalid gradient",
    ),
    ("make(double, lambda ctx, g: 3.0).apply(x).sum().backward()", RuntimeError, "expected Variable or None"),
    (
        "make(double, lambda ctx, g: [g]).apply(x).sum().backward()",
        RuntimeError,
        "expected Variable or None (got list)",
    ),
    (
        "make(lambda ctx, x, c: x * 2, lambda ctx, g: (g, 3)).apply(x, t.ones(2)).sum().backward()",
        RuntimeError,
        "expected Variable or None",
    ),
    (
        "make(double, lambda ctx, g: g * 1j).apply(x).sum().backward()",
        RuntimeError,
    ),
    ("grad(make(double, lambda ctx, g: None).apply(x).sum(), x)", RuntimeError, "appears to not have been used"),
    (
        "make(lambda ctx, x: (ctx.save_for_backward(x, 3), x * 2)[1]).apply(x)",
        TypeError,
        "can only save variables",
        "argument 1",
    ),
    ("make(lambda ctx, x: (setattr(ctx, 'to_save', 3), x * 2)[1]).apply(x)", RuntimeError, "expected to be a tuple"),
    (
        "make(lambda ctx, x: (ctx.save_for_forward(x, 3), x * 2)[1]).apply(x)",
        AssertionError,
        "expects all arguments to be tensors",
    ),
    ("make(lambda ctx, x: (ctx.set_materialize_grads(3), x * 2)[1]).apply(x)", TypeError, "set_materialize_grads"),
    (
        ("y = make(saving, lambda ctx, g: g).apply(x)\ny.sum().backward()\ny.grad_fn.saved_tensors"),
        RuntimeError,
        "backward through the graph a second time",
        "Specify retain_graph=True",
    ),
    (
        ("y = make(double, lambda ctx, g: g).apply(x)\ny.sum().backward()\ny.grad_fn.saved_tensors"),
        RuntimeError,
        "a second time",
    ),
    (
        ("y = make(saving, reading).apply(x).sum()\ny.backward()\ny.backward()"),
        RuntimeError,
        "a second time",
        "Specify retain_graph=True",
    ),
    (
        ("z = x * 1\ny = make(saving, reading).apply(z)\nz.add_(1)\ny.sum().backward()"),
        RuntimeError,
        "modified by an inplace operation",
        "is at version 1; expected version 0",
    ),
    (
        (
            "def f(ctx, x):\n"
            "    y = x * 2\n"
            "    ctx.save_for_backward(y)\n"
            "    return y\n"
            "y = make(f, reading).apply(x)\n"
            "y.add_(1)\n"
            "y.sum().backward()"
        ),
        RuntimeError,
        "modified by an inplace operation",
        "which is output 0 of F",
    ),
    (
        (
            "def f(ctx, x):\n"
            "    ctx.inner = x * 2\n"
            "    ctx.save_for_backward(ctx.inner)\n"
            "    return x * 3\n"
            "y = make(f, reading).apply(x)\n"
            "y.grad_fn.inner.add_(1)\n"
            "y.sum().backward()"
        ),
        RuntimeError,
        "modified by an inplace operation",
    ),
    (
        "make(lambda ctx, x: (x.mul_(2), ctx.mark_dirty(x), x.clone())[2]).apply(x * 1)",
        RuntimeError,
        "marked as dirty",
        "were not returned as output",
    ),
    ("make(dirty).apply(x)", RuntimeError, "a leaf Variable", "in an in-place operation"),
    (
        "make(lambda ctx, x: (x.mul_(2), ctx.mark_dirty(x), x)[2]).apply(x)",
        RuntimeError,
        "a leaf Variable",
        "in an in-place operation",
    ),
    ("make(dirty).apply(x[:1])", RuntimeError, "a view of a leaf Variable", "in an in-place operation"),
    ("make(dirty).apply((x * 1).unbind(0)[0])", RuntimeError, "is being modified inplace"),
    (
        ("with t.no_grad(): v = (x * 1)[:1]\nmake(lambda ctx, v, w: (ctx.mark_dirty(v), v.mul_(2))[1]).apply(v, w)"),
        RuntimeError,
        "A view was created in no_grad mode",
    ),
    (
        "make(lambda ctx, x: (ctx.mark_dirty(x), x.mul_(2), x + 1)[1:]).apply((x * 1)[:1])",
        RuntimeError,
        "modifies inplace an input",
        "return more than one Tensor",
    ),
    (
        "make(lambda ctx, x: (ctx.mark_dirty(x), x.mul_(2), 3)[1:]).apply((x * 1)[:1])",
        RuntimeError,
        "modifies inplace an input",
        "return more than one Tensor",
    ),
    (
        "make(lambda ctx, x: (ctx.mark_dirty(3), x)[1]).apply(x * 1)",
        RuntimeError,
        "mark_dirty can only accept variables",
    ),
    (
        "make(lambda ctx, x: (ctx.mark_non_differentiable(3), x)[1]).apply(x * 1)",
        RuntimeError,
        "mark_non_differentiable only accepts variable",
    ),
    (
        "make(lambda ctx, x: x).apply(x * 1).add_(1)",
        RuntimeError,
        "is being modified inplace",
        "inside a custom Function",
        "leading to incorrect gradients",
    ),
    (
        "make(lambda ctx, x: x.view(2, 1)).apply(x * 1).add_(1)",
        RuntimeError,
        "is being modified inplace",
        "inside a custom Function",
    ),
    (
        "make(lambda ctx, x: (x * 2).view(2, 1)).apply(x).add_(1)",
        RuntimeError,
        "is being modified inplace",
        "inside a custom Function",
    ),
    (
        "make(lambda ctx, x: x.view(2, 1)).apply(x * 1)[:1].add_(1)",
        RuntimeError,
        "is being modified inplace",
        "inside a custom Function",
    ),
    (
        ("z = x * 1\ny = make(lambda ctx, x: x).apply(z)\nz.add_(1); y.grad_fn"),
        RuntimeError,
        "its base or another view of its base has been modified inplace",
        "inside a custom Function",
    ),
    (
        "make(lambda ctx, x: (x, x * 2)).apply(x * 1)[0].add_(1)",
        RuntimeError,
        "is being modified inplace",
        "multiple views",
    ),
    (
        "make(lambda ctx, x: tuple(x.unbind(0))).apply(x * 1)[0].add_(1)",
        RuntimeError,
        "is being modified inplace",
        "multiple views",
    ),
    (
        ("y = make(lambda ctx, x: x).apply(t.ones(2))\ny.add_(x)"),
        RuntimeError,
        "A view was created in no_grad mode",
        "is being modified inplace",
    ),
    (
        "separate(lambda x: x, lambda ctx, inputs, output: ctx.save_for_backward(*inputs)).apply(x)",
        RuntimeError,
        "returned as-is as output is being saved for backward",
        "x.view_as(x)",
    ),
    ("make(lambda ctx, x, k=2, m=3: x).apply(x, m=w)", TypeError, "missing required argument", "'k'"),
    ("make(lambda ctx, x, *, k=2: x).apply(x, k=w)", TypeError, "unexpected keyword argument 'k'"),
    ("make(lambda ctx, x, **more: x).apply(x, k=w)", TypeError, "unexpected keyword argument 'k'"),
    ("make(lambda ctx, x, k: x).apply(x, x=w)", TypeError, "multiple values for argument 'x'"),
    ("make(lambda ctx, x, k: x).apply(x=w)", TypeError, "missing 1 required positional argument: 'k'"),
    ("separate(lambda x: x * 2).apply(x, 2)", TypeError, "too many positional arguments"),
    ("separate(lambda x, *, k=1: x * 2).apply(x)", TypeError, "unexpected keyword argument 'k'"),
    ("make(double).apply()", TypeError, "missing 1 required positional argument"),
    (("def b(ctx, g): raise ValueError('mine')\nmake(double, b).apply(x).sum().backward()"), ValueError, "mine"),
    (
        (
            "F = make(saving, lambda ctx, g: ctx.saved_tensors + ctx.saved_tensors, clear_saved_tensors_on_access=True)\n"
            "F.apply(x).sum().backward()"
        ),
        RuntimeError,
        "can only be accessed once",
        "clear_saved_tensors_on_access=True",
    ),
    (
        (
            "F = make(saving, once_differentiable(reading))\n"
            "g, = grad((F.apply(x) ** 2).sum(), x, create_graph=True)\n"
            "g.sum().backward()"
        ),
        RuntimeError,
        "trying to differentiate twice",
        "@once_differentiable",
    ),
    (
        (
            "F = make(saving, once_differentiable(reading))\n"
            "g, = grad(F.apply(x).sum(), x, create_graph=True)\n"
            "g.sum().backward()"
        ),
        RuntimeError,
        "does not require grad",
        "does not have a grad_fn",
    ),
]


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize(("program", "error", "phrases"), [(p, e, w) for p, e, *w in ERRORS])
def test_error(t, program, error, phrases):
    assert_raises(PREAMBLE + program, t, error, *phrases)


def test_of_an_error_of_mark_dirty_nothing_is_left():
    """PyTorch complains of the write to a leaf only afterwards."""
    names = {"t": gc}
    exec(PREAMBLE, names)
    x = names["x"]
    F = names["make"](lambda ctx, x: (ctx.mark_dirty(x), x.mul_(2))[1], lambda ctx, g: g)
    for target in (x, x[:1]):
        with pytest.raises(RuntimeError, match="a leaf Variable"):
            F.apply(target)
    assert x.tolist() == [1, 2]
    assert x._version == 0
    assert gc.is_grad_enabled()


def test_a_view_that_is_written_to_may_be_any_argument():
    """PyTorch gives the gradients of the arguments to the wrong ones, unless the view is the first."""

    class Scaled(gc.autograd.Function):
        @staticmethod
        def forward(ctx, factor, x):
            ctx.mark_dirty(x)
            ctx.save_for_backward(factor, x.clone())
            return x.mul_(factor)

        @staticmethod
        def backward(ctx, g):
            factor, x = ctx.saved_tensors
            return (g * x).sum(), g * factor

    factor = gc.tensor(2.0, requires_grad=True)
    x = gc.tensor([1.0, 2.0], requires_grad=True)
    z = x * 1
    Scaled.apply(factor, z[1:])
    (z * gc.tensor([10.0, 100.0])).sum().backward()
    assert factor.grad.tolist() == 200
    assert x.grad.tolist() == [10, 200]


@pytest.mark.parametrize("name", ["_saved", "_shape", "_dtype", "_plan", "_xp", "multiple", "only"])
def test_what_the_node_needs_cannot_be_overwritten(name):
    class Scaled(gc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            setattr(ctx, name, 3)
            return x * 2

    with pytest.raises(AttributeError, match=name):
        Scaled.apply(gc.ones(2, requires_grad=True))


class Product(gc.autograd.Function):
    """Saves arguments, an output, a view of it, and what is neither."""

    @staticmethod
    def forward(ctx, x, y):
        out = x * y
        ctx.save_for_backward(x, y, out, out.view(-1), x * 3)
        return out

    @staticmethod
    def backward(ctx, g):
        x, y, *_ = ctx.saved_tensors
        return g * y, g * x


class Doubled(gc.autograd.Function):
    """Writes to its argument, and saves it."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.mul_(2)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g + 0 * x


def plain(x):
    Product.apply(x, x * 2).sum().backward()


def not_run_backward(x):
    Product.apply(x, x * 2)


def twice(x):
    (g,) = gc.autograd.grad(Product.apply(x, x * 2).sum(), x, create_graph=True)
    gc.autograd.grad(g.sum(), x)


def written(x):
    Doubled.apply(x * 1).sum().backward()


def a_view_written(x):
    z = x * 1
    Doubled.apply(z[:1])
    z.sum().backward()
    Doubled.apply((x * 1)[:1])


@pytest.mark.parametrize("program", [plain, not_run_backward, twice, written, a_view_written], ids=lambda p: p.__name__)
def test_memory_goes_without_the_garbage_collector(program):
    """PyTorch keeps the view of an output that is saved."""
    x = gc.tensor([1.0, 2.0], requires_grad=True)
    collector.collect()
    collector.disable()
    try:
        for _ in range(3):
            program(x)
        before = len(collector.get_objects())
        for _ in range(20):
            program(x)
        grown = len(collector.get_objects()) - before
    finally:
        collector.enable()
    assert grown < 10


def test_what_was_saved_goes_with_the_output():
    x = gc.tensor([1.0, 2.0], requires_grad=True)
    kept = []

    class Saves(gc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            inner = x * 3
            kept.append(weakref.ref(inner))
            ctx.save_for_backward(inner)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    y = Saves.apply(x)
    assert kept[0]() is not None
    y.sum().backward()
    assert kept[0]() is None, "freed by backward"
    y = Saves.apply(x)
    del y
    assert kept[1]() is None, "freed with the output"


def test_memory_goes_while_backward_runs():
    """``clear_saved_tensors_on_access``: with the tensors, once they were read."""
    x = gc.tensor([1.0, 2.0], requires_grad=True)
    seen = []

    class Clears(gc.autograd.Function):
        clear_saved_tensors_on_access = True

        @staticmethod
        def forward(ctx, x):
            inner = x * 3
            seen.append(weakref.ref(inner))
            ctx.save_for_backward(inner)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (inner,) = ctx.saved_tensors
            g = g * inner
            del inner
            seen.append(seen[0]())
            return g

    Clears.apply(x).sum().backward()
    assert seen[1] is None
    assert x.grad.tolist() == [3, 6]


def test_threads(t):
    names = {"t": t}
    exec(PREAMBLE, names)
    x = names["x"]
    F = names["make"](lambda ctx, x: (ctx.save_for_backward(x), x * x)[1], lambda ctx, g: 2 * g * ctx.saved_tensors[0])
    threads = [threading.Thread(target=lambda: [F.apply(x).sum().backward() for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad.tolist() == [200, 400]


def test_between_devices():
    """A Function may bring a tensor from one device to another, and its gradient back."""

    class Moved(gc.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x.detach().to("strict:2") * 2

        @staticmethod
        def backward(ctx, g):
            assert g.device.type == "strict"
            return g.to("strict:0") * 2, g.sum().to("strict:2")

    x = gc.ones(2, device="strict:0", requires_grad=True)
    y = gc.ones((), device="strict:2", requires_grad=True)
    out = Moved.apply(x, y)
    (out * 3).sum().backward()
    assert (x.grad.tolist(), str(x.grad.device)) == ([6, 6], "strict:0")
    assert (y.grad.tolist(), str(y.grad.device)) == (6, "strict:2")


def test_a_gradient_on_another_device_is_refused():
    class Lost(gc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g.to("strict:2")

    with pytest.raises(
        RuntimeError, match="returned an invalid gradient at index 0 - expected device strict:0 but got strict:2"
    ):
        Lost.apply(gc.ones(2, device="strict:0", requires_grad=True)).sum().backward()


def test_outputs_on_several_devices_are_refused():
    class Spread(gc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x.detach().to("strict:2")

    with pytest.raises(NotImplementedError, match="several devices, strict:0 and strict:2"):
        Spread.apply(gc.ones(2, device="strict:0", requires_grad=True))


def test_gradcheck(t):
    class Complex(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y, x * x

        @staticmethod
        def backward(ctx, g, h):
            x, y = ctx.saved_tensors
            return g * y.conj() + 2 * h * x.conj(), g * x.conj()

    x = t.tensor([1 + 2j, 0.5 - 1j], dtype=t.complex128, requires_grad=True)
    y = t.tensor([2 - 1j, 1j], dtype=t.complex128, requires_grad=True)
    assert t.autograd.gradcheck(Complex.apply, (x, y))
    assert t.autograd.gradgradcheck(Complex.apply, (x, y))


def test_gradcheck_finds_a_wrong_backward(t):
    class Wrong(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match="Jacobian mismatch for output"):
        t.autograd.gradcheck(Wrong.apply, (t.tensor([1.0, 2.0], dtype=t.float64, requires_grad=True),))


def test_anomaly_mode_names_the_line_of_apply():
    class Broken(gc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g * float("nan")

    with pytest.warns(UserWarning, match="Anomaly Detection"):
        watched = gc.autograd.detect_anomaly()
    with watched:
        out = Broken.apply(gc.ones(2, requires_grad=True))  # this very line
        with pytest.raises(RuntimeError) as caught:
            out.sum().backward()
    assert "BrokenBackward" in str(caught.value)
    assert "this very line" in str(caught.value)


def test_a_node_is_called():
    class Two(gc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, "s", x * 3

        @staticmethod
        def backward(ctx, g, s, h):
            assert s is None
            return g * 2 + h * 3

    node = Two.apply(gc.ones(2, requires_grad=True))[0].grad_fn
    assert node(gc.ones(2), None, None).tolist() == [2, 2]
    assert node(None, None, gc.ones(2)).tolist() == [3, 3]
    assert node(None, None, None).tolist() == [0, 0]


def test_checkpoint(t):
    from importlib import import_module

    checkpoint = import_module(f"{t.__name__}.utils.checkpoint").checkpoint
    names = {"t": t}
    exec(PREAMBLE, names)
    x = names["x"]
    F = names["make"](names["saving"], names["reading"])
    y = checkpoint(lambda x: F.apply(x) * 3, x, use_reentrant=False)
    y.sum().backward()
    assert x.grad.tolist() == [6, 12]


def test_inference_mode(t):
    names = {"t": t}
    exec(PREAMBLE, names)
    x = names["x"]
    F = names["make"](names["saving"], names["reading"])
    with t.inference_mode():
        y = F.apply(x)
        constant = t.ones(2)
    assert y.is_inference()
    assert not y.requires_grad
    product = names["make"](lambda ctx, x, y: (ctx.save_for_backward(y), x * y)[1], lambda ctx, g: (g, None))
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        product.apply(x, constant)
