"""Custom Functions in forward mode and under the transforms of ``func``, as PyTorch shows it."""

from __future__ import annotations

import textwrap

import pytest
from function_programs import PREAMBLE, shown
from programs import assert_raises

import gradcore as gc

IN_FORWARD_MODE = """
fw = t.autograd.forward_ad
with fw.dual_level():
    dual = fw.make_dual(x, t.tensor([1., 3.]))
"""


def in_forward_mode(program):
    return IN_FORWARD_MODE + textwrap.indent(program, "    ")


FORWARD_MODE = {
    "jvp": (
        """
def jvp(ctx, *tangents):
    show(tangents, t.is_grad_enabled(), ctx.saved_tensors)
    return tangents[0] * 2, None, None
def forward(ctx, x, k, w):
    ctx.save_for_forward(w)
    return x * 2, 3, x.long()
F = make(forward, lambda ctx, *g: (g[0] * 2, None, None), jvp=staticmethod(jvp))
out, _, whole = F.apply(dual, 3, w)
show(out, fw.unpack_dual(out).tangent, fw.unpack_dual(whole).tangent)
show(fw.unpack_dual(F.apply(x, 3, w)[0]).tangent)
with t.no_grad():
    show(fw.unpack_dual(F.apply(dual, 3, w)[0]).tangent)
""",
        [
            "([1.0, 3.0], None, [0.0, 0.0]); True; ([3.0, 5.0] leaf)",
            "[2.0, 4.0] FBackward; [2.0, 6.0]; None",
            "None",
            "([1.0, 3.0], None, [0.0, 0.0]); False; ([3.0, 5.0] leaf)",
            "[2.0, 6.0]",
        ],
    ),
    "jvp without materialized tangents": (
        """
F = make(lambda ctx, x, w: (ctx.set_materialize_grads(False), x * 2)[1], jvp=staticmethod(lambda ctx, *a: noted(a[0] * 2, *a)))
show(fw.unpack_dual(F.apply(dual, w)).tangent)
""",
        ["[2.0, 6.0]; [1.0, 3.0]; None", "[2.0, 6.0]"],
    ),
    "jvp of views": (
        """
F = make(lambda ctx, x: x.view(2, 1), jvp=staticmethod(lambda ctx, a: a.view(2, 1)))
show(fw.unpack_dual(F.apply(dual)).tangent)
same = make(lambda ctx, x: x, jvp=staticmethod(lambda ctx, a: a.view_as(a)))
show(fw.unpack_dual(same.apply(dual)).tangent)
""",
        ["[[1.0], [3.0]]", "[1.0, 3.0]"],
    ),
    "jvp of what is written to": (
        """
F = make(dirty, jvp=staticmethod(lambda ctx, a: a.mul_(2)))
z = fw.make_dual(x * 1, t.tensor([5., 7.]))
y = F.apply(z)
show(y is z, y, fw.unpack_dual(y).tangent)
def scaled(ctx, x, w):
    ctx.mark_dirty(x)
    return x.mul_(w)
F = make(scaled, jvp=staticmethod(lambda ctx, a, b: noted(b * 5, a)))
z = x * 1
y = F.apply(z, dual)
show(y is z, fw.unpack_dual(y).tangent)
""",
        ["True; [2.0, 4.0] AsStridedBackward0; [10.0, 14.0]", "[5.0, 15.0]; [0.0, 0.0]", "True; [5.0, 15.0]"],
    ),
    "jvp that is recorded": (
        """
def forward(ctx, x):
    ctx.save_for_forward(x)
    ctx.save_for_backward(x)
    return x * x
def jvp(ctx, a):
    show(fw.unpack_dual(a).tangent, fw.unpack_dual(ctx.saved_tensors[0]).tangent)
    return 2 * a * ctx.saved_tensors[0]
y = make(forward, reading, jvp=staticmethod(jvp)).apply(dual)
tangent = fw.unpack_dual(y).tangent
show(tangent, grad(tangent.sum(), x))
""",
        ["None; None", "[2.0, 12.0] MulBackward0; ([2.0, 6.0])"],
    ),
    "forward mode over backward": (
        """
def forward(ctx, x):
    y = x ** 3
    ctx.save_for_backward(x, y)
    ctx.save_for_forward(x)
    return y
def backward(ctx, g):
    x, y = ctx.saved_tensors
    return 3 * g * y / x
F = make(forward, backward, jvp=staticmethod(lambda ctx, a: 3 * a * ctx.saved_tensors[0] ** 2))
g, = grad(F.apply(dual).sum(), x)
show(g.tolist(), fw.unpack_dual(g).tangent)
""",
        ["(3.0, 12.0); [6.0, 36.0]"],
    ),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("name", FORWARD_MODE)
def test_forward_mode(t, name):
    program, expected = FORWARD_MODE[name]
    assert shown(in_forward_mode(program), t) == expected


FORWARD_MODE_ERRORS = [
    (
        "separate(lambda x: x * 2).apply(dual)",
        NotImplementedError,
        "must implement the jvp function",
        "forward mode AD",
    ),
    (
        "make(lambda ctx, x: (x * 2, x * 3), jvp=staticmethod(lambda ctx, a: a)).apply(dual)",
        RuntimeError,
        "invalid number of forward gradients",
        "expected 2 but got 1",
    ),
    (
        "make(double, jvp=staticmethod(lambda ctx, a: (a, a))).apply(dual)",
        RuntimeError,
        "invalid number of forward gradients",
        "expected 1 but got 2",
    ),
    (
        "make(double, jvp=staticmethod(lambda ctx, a: 3.0)).apply(dual)",
        RuntimeError,
        "expected Variable or None (got float)",
        "grad output 0",
    ),
    (
        "make(double, jvp=staticmethod(lambda ctx, a: t.ones(3))).apply(dual)",
        RuntimeError,
        "set a forward gradient",
        "a different size",
    ),
    (
        "make(lambda ctx, x: x, jvp=staticmethod(lambda ctx, a: a)).apply(dual)",
        RuntimeError,
        "is returning a view",
        "the jvp is not",
    ),
    (
        "make(lambda ctx, x: x.view(2, 1), jvp=staticmethod(lambda ctx, a: a.view(2, 1) * 2)).apply(dual)",
        RuntimeError,
        "is returning a view",
        "the jvp is not",
    ),
    (
        "make(dirty, jvp=staticmethod(lambda ctx, a: a * 2)).apply(fw.make_dual(x * 1, t.ones(2)))",
        RuntimeError,
        "is not modifying the forward mode gradients inplace",
    ),
    (
        "make(lambda ctx, x: (ctx.mark_non_differentiable(x), x)[1], jvp=staticmethod(lambda ctx, a: a)).apply(dual)",
        RuntimeError,
        "returned a gradient at position 0",
        "not a differentiable Tensor",
    ),
]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize(("program", "error", "phrases"), [(p, e, w) for p, e, *w in FORWARD_MODE_ERRORS])
def test_forward_mode_error(t, program, error, phrases):
    assert_raises(PREAMBLE + in_forward_mode(program), t, error, *phrases)


CONSTANT = "c = t.tensor([1., 2.])\n"


TRANSFORMS = {
    "transforms": (
        """
class Cube(Function):
    generate_vmap_rule = True
    @staticmethod
    def forward(x):
        return x ** 3
    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)
    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return 3 * g * x ** 2
    @staticmethod
    def jvp(ctx, a):
        x, = ctx.saved_tensors
        return 3 * a * x ** 2
func = t.func
f = lambda x: Cube.apply(x).sum()
show(func.grad(f)(c), func.grad(lambda x: func.grad(f)(x).sum())(c))
show(func.jvp(Cube.apply, (c,), (t.ones(2),)), func.jacrev(Cube.apply)(c), func.jacfwd(Cube.apply)(c))
show(func.hessian(f)(c), func.jacrev(func.jacrev(f))(c), func.jacrev(func.jacfwd(f))(c))
out, pull = func.vjp(Cube.apply, c)
show(out, pull(t.ones(2)))
show(func.vmap(Cube.apply)(c), func.vmap(func.grad(Cube.apply))(c), func.vmap(func.vmap(Cube.apply))(c.expand(2, 2)))
show(func.vmap(func.hessian(f))(c.expand(2, 2)))
show(func.vmap(lambda x: func.jvp(Cube.apply, (x,), (x,)))(c))
y = func.vmap(Cube.apply)(x)
y.sum().backward()
g = func.grad(f)(x)
show(y, x.grad, grad(g.sum(), x))
""",
        [
            "[3.0, 12.0]; [6.0, 12.0]",
            "([1.0, 8.0], [3.0, 12.0]); [[3.0, 0.0], [0.0, 12.0]]; [[3.0, 0.0], [0.0, 12.0]]",
            "[[6.0, 0.0], [0.0, 12.0]]; [[6.0, 0.0], [0.0, 12.0]]; [[6.0, 0.0], [0.0, 12.0]]",
            "[1.0, 8.0]; ([3.0, 12.0])",
            "[1.0, 8.0]; [3.0, 12.0]; [[1.0, 8.0], [1.0, 8.0]]",
            "[[[6.0, 0.0], [0.0, 12.0]], [[6.0, 0.0], [0.0, 12.0]]]",
            "([1.0, 8.0], [3.0, 24.0])",
            "[1.0, 8.0] VmappedCubeBackward; [3.0, 12.0]; ([6.0, 12.0])",
        ],
    ),
    "a rule for batches by hand": (
        """
class F(Function):
    @staticmethod
    def forward(x, y, k):
        return x * y * k, x + y
    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:2])
        ctx.k = inputs[2]
    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        return g * y * ctx.k + h, g * x * ctx.k + h, None
    @staticmethod
    def vmap(info, in_dims, x, y, k):
        show(info.batch_size, info.randomness, in_dims, x.shape, y.shape, k)
        return F.apply(x, y, k), (0, 0)
rows = t.tensor([[1., 2.], [3., 4.], [5., 6.]])
show(t.func.vmap(F.apply, (0, None, None))(rows, c, 2))
show(t.func.vmap(t.func.grad(lambda x, y: F.apply(x, y, 2)[0].sum()), (0, None))(rows, c))
show(F.apply(x, c, 1)[0])
""",
        [
            "3; error; (0, None, None); (3, 2); (2); 2",
            "([[2.0, 8.0], [6.0, 16.0], [10.0, 24.0]], [[2.0, 4.0], [4.0, 6.0], [6.0, 8.0]])",
            "3; error; (0, None, None); (3, 2); (2); 2",
            "[[2.0, 4.0], [2.0, 4.0], [2.0, 4.0]]",
            "[1.0, 4.0] FBackward",
        ],
    ),
    "a rule for batches that is generated": (
        """
class F(Function):
    generate_vmap_rule = True
    @staticmethod
    def forward(x, y):
        return x * y, y * 2
    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output[0])
        ctx.sizes = inputs[0].shape
        show("setup", tuple(ctx.sizes), ctx.needs_input_grad)
    @staticmethod
    def backward(ctx, g, h):
        x, y, out = ctx.saved_tensors
        show([tuple(v.shape) for v in (x, y, out, g, h)], tuple(ctx.sizes))
        return g * y, g * x + h * 2
rows = t.tensor([[1., 2.], [3., 4.], [5., 6.]], requires_grad=True)
a, b = t.func.vmap(F.apply, (0, None))(rows, x)
show(a, b)
(a.sum() + b.sum()).backward()
show(rows.grad, x.grad)
show(t.func.grad(lambda rows: t.func.vmap(F.apply, (0, None))(rows, c)[0].sum())(rows.detach()))
""",
        [
            "setup; (2); (True, True)",
            "[[1.0, 4.0], [3.0, 8.0], [5.0, 12.0]] VmappedFBackward; [[2.0, 4.0], [2.0, 4.0], [2.0, 4.0]] ExpandBackward0",
            "((2), (2), (2), (2), (2)); (2)",
            "[[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]; [27.0, 30.0]",
            "setup; (2); (False, False)",
            "setup; (2); (True, False)",
            "((2), (2), (2), (2), (2)); (2)",
            "[[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]",
        ],
    ),
    "gradients that each element broadcasts": (
        """
class F(Function):
    generate_vmap_rule = True
    @staticmethod
    def forward(x, k):
        return x.sum()
    @staticmethod
    def setup_context(ctx, inputs, output):
        pass
    @staticmethod
    def backward(ctx, g):
        return g * t.ones(4, 2), None
rows = t.tensor([[1., 2.], [3., 4.], [5., 6.]], requires_grad=True)
y = t.func.vmap(F.apply, (0, None))(rows, "s")
y.sum().backward()
show(y.tolist(), rows.grad)
""",
        ["(3.0, 7.0, 11.0); [[4.0, 4.0], [4.0, 4.0], [4.0, 4.0]]"],
    ),
    "what is written to, inside a transform": (
        """
F = separate(lambda x: x.mul_(2), lambda ctx, inputs, output: ctx.mark_dirty(inputs[0]), lambda ctx, g: g * 5)
def f(x):
    z = x * 1
    y = F.apply(z)
    show(y is z)
    return (z * 3).sum()
show(t.func.grad(f)(c))
""",
        ["True", "[15.0, 15.0]"],
    ),
    "what other levels hold": (
        """
def setup_context(ctx, inputs, output):
    ctx.save_for_backward(*inputs)
def backward(ctx, g):
    a, b = ctx.saved_tensors
    return noted((g * b, g * a), ctx.needs_input_grad)
F = separate(lambda a, b: a * b, setup_context, backward)
g = t.func.grad(lambda a: (F.apply(a, w) * a).sum())(x)
show(g)
g.sum().backward()
show(x.grad, w.grad)
show(t.func.grad(lambda a: F.apply(c, c).sum() + a.sum())(c))
""",
        [
            "([3.0, 10.0] MulBackward0, [1.0, 4.0] MulBackward0); (True, False)",
            "[6.0, 20.0] AddBackward0",
            "([3.0, 5.0], [1.0, 2.0]); (True, True)",
            "[6.0, 10.0]; [2.0, 4.0]",
            "[1.0, 1.0]",
        ],
    ),
    "a Function in the backward of a Function": (
        """
class Times(Function):
    @staticmethod
    def forward(a, b):
        return a * b
    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * b, g * a
F = separate(
    lambda x: x.exp(), lambda ctx, i, out: ctx.save_for_backward(out), lambda ctx, g: Times.apply(g, *ctx.saved_tensors)
)
out, pull = t.func.vjp(F.apply, t.zeros(2))
r, = pull(w)
show(out, r, grad(r.sum(), w))
""",
        ["[1.0, 1.0]; [3.0, 5.0] TimesBackward; ([1.0, 1.0])"],
    ),
    "arguments inside transforms": (
        """
class F(Function):
    generate_vmap_rule = True
    @staticmethod
    def forward(x, k=2):
        return x * k
    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.k = inputs[1]
    @staticmethod
    def backward(ctx, g):
        return g * ctx.k, None
show(t.func.vmap(lambda x: F.apply(x, k=3))(c), t.func.grad(lambda x: F.apply(k=5, x=x).sum())(c))
class G(Function):
    @staticmethod
    def forward(pair, k):
        return pair[0] * pair[1] * k
    @staticmethod
    def setup_context(ctx, inputs, output):
        pass
    @staticmethod
    def backward(ctx, g):
        return None, g
    @staticmethod
    def vmap(info, in_dims, pair, k):
        show(in_dims)
        return pair[0] * pair[1] * k, 0
show(t.func.vmap(lambda x: G.apply([x, x], 2.))(c), t.func.grad(lambda k: G.apply([k, k], k).sum())(c))
""",
        ["[3.0, 6.0]; [5.0, 5.0]", "((0, 0), None)", "[2.0, 8.0]; [1.0, 1.0]"],
    ),
    "attributes of ctx inside transforms": (
        """
def setup_context(ctx, inputs, output):
    ctx.x, ctx.pair = inputs[0], [inputs[0], output]
F = separate(lambda x: x * 2, setup_context, lambda ctx, g: g * ctx.x * ctx.pair[0] + ctx.pair[1] * 0)
f = lambda x: F.apply(x).sum()
show(t.func.grad(f)(c), t.func.grad(lambda x: t.func.grad(f)(x).sum())(c))
""",
        ["[1.0, 4.0]; [2.0, 4.0]"],
    ),
    "views inside transforms": (
        """
F = separate(
    lambda x: x.view(2, 1), lambda ctx, i, o: None, lambda ctx, g: g.view(2) * 3, jvp=staticmethod(lambda ctx, a: a.view(2, 1))
)
show(t.func.grad(lambda x: F.apply(x * 1).sum())(c), t.func.jvp(F.apply, (c,), (c,)))
same = separate(lambda x: x, backward=lambda ctx, g: g * 3)
show(t.func.grad(lambda x: same.apply(x).sum())(c))
""",
        ["[3.0, 3.0]; ([[1.0], [2.0]], [[1.0], [2.0]])", "[3.0, 3.0]"],
    ),
    "batches of batches": (
        """
def setup_context(ctx, inputs, output):
    ctx.save_for_backward(*inputs)
def backward(ctx, g):
    x, y = ctx.saved_tensors
    return g * y, g * x
F = separate(lambda x, y: x * y, setup_context, backward, generate_vmap_rule=True)
rows, more = t.tensor([[1., 2.], [3., 4.]]), t.tensor([[5., 6.], [7., 8.], [9., 1.]])
show(t.func.vmap(t.func.vmap(F.apply, (None, 0)), (0, None))(rows, more))
show(t.func.vmap(t.func.grad(lambda a, b: t.func.vmap(F.apply, (None, 0))(a, b).sum()), (0, None))(rows, more))
show(t.func.jacrev(t.func.jacrev(lambda a: (F.apply(a, a) * a).sum()))(c))
show(t.func.vmap(t.func.jacrev(lambda a: F.apply(a, a)))(rows))
""",
        [
            "[[[5.0, 12.0], [7.0, 16.0], [9.0, 2.0]], [[15.0, 24.0], [21.0, 32.0], [27.0, 4.0]]]",
            "[[21.0, 15.0], [21.0, 15.0]]",
            "[[6.0, 0.0], [0.0, 12.0]]",
            "[[[2.0, 0.0], [0.0, 4.0]], [[6.0, 0.0], [0.0, 8.0]]]",
        ],
    ),
    "forward mode on batches": (
        """
F = separate(
    lambda x, y: (x.sum(), y * 2),
    lambda ctx, inputs, output: ctx.save_for_forward(*inputs),
    generate_vmap_rule=True,
    jvp=staticmethod(lambda ctx, a, b: (show(tuple(a.shape), tuple(ctx.saved_tensors[0].shape)), a.sum(), b * 2)[1:]),
)
rows = t.tensor([[1., 2.], [3., 4.]])
show(t.func.jvp(lambda rows: t.func.vmap(F.apply, (0, None))(rows, c)[0], (rows,), (rows,)))
""",
        ["(2); (2)", "([3.0, 7.0], [3.0, 7.0])"],
    ),
    "outputs without a gradient on batches": (
        """
def setup_context(ctx, inputs, output):
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(inputs[0], output[1])
def backward(ctx, g, h):
    x, i = ctx.saved_tensors
    show(tuple(i.shape), h.dtype == t.int64)
    return g * x
F = separate(lambda x: (x * x, (x * 2).long()), setup_context, backward, generate_vmap_rule=True)
rows = t.tensor([[1., 2.], [3., 4.]], requires_grad=True)
a, b = t.func.vmap(F.apply)(rows)
show(a, b)
a.sum().backward()
show(rows.grad)
""",
        ["[[1.0, 4.0], [9.0, 16.0]] VmappedFBackward; [[2, 4], [6, 8]] int64", "(2); True", "[[1.0, 2.0], [3.0, 4.0]]"],
    ),
    "modes around transforms": (
        """
F = separate(lambda x: x * 2, backward=lambda ctx, g: g * 2)
f = lambda x: (F.apply(x) ** 2).sum()
with t.no_grad():
    show(t.func.grad(f)(x))
g = t.func.grad(f)(x)
show(g.requires_grad, grad(g.sum(), x))
once = separate(lambda x: x * 2, backward=once_differentiable(lambda ctx, g: g * 2))
show(t.func.grad(lambda x: once.apply(x).sum())(c))
""",
        ["[8.0, 16.0]", "True; ([8.0, 8.0])", "[2.0, 2.0]"],
    ),
    "a batch of gradients for one backward": (
        """
F = make(lambda ctx, x, y: (ctx.save_for_backward(x, y), x * y, x + y)[1:], None)
F.backward = staticmethod(lambda ctx, g, h: (g * ctx.saved_tensors[1] + h, g * ctx.saved_tensors[0] + h))
a, b = F.apply(x, w)
show(grad(a, (x, w), t.eye(2), is_grads_batched=True))
show(t.autograd.functional.jacobian(lambda x: F.apply(x, x)[0], x.detach(), vectorize=True))
show(t.autograd.functional.hessian(lambda x: F.apply(x, x)[0].sum(), x.detach()))
""",
        [
            "([[3.0, 0.0], [0.0, 5.0]], [[1.0, 0.0], [0.0, 2.0]])",
            "[[2.0, 0.0], [0.0, 4.0]]",
            "[[2.0, 0.0], [0.0, 2.0]]",
        ],
    ),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(t, name):
    program, expected = TRANSFORMS[name]
    assert shown(CONSTANT + program, t) == expected


TRANSFORM_ERRORS = [
    (
        "t.func.grad(lambda x: make(double, lambda ctx, g: g).apply(x).sum())(c)",
        RuntimeError,
        "functorch transforms",
        "override the setup_context staticmethod",
    ),
    (
        "t.func.vmap(make(double).apply)(c)",
        RuntimeError,
        "functorch transforms",
        "override the setup_context staticmethod",
    ),
    (
        "t.func.vmap(separate(lambda x: x * 2).apply)(c)",
        RuntimeError,
        "does not have vmap support",
        "generate_vmap_rule=True",
    ),
    (
        (
            "rule = staticmethod(lambda info, dims, x: (x, 0))\n"
            "t.func.vmap(separate(lambda x: x * 2, vmap=rule, generate_vmap_rule=True).apply)(c)"
        ),
        RuntimeError,
        "both generate_vmap_rule=True",
        "overridden vmap staticmethod",
    ),
    (
        "t.func.vmap(separate(lambda x: x * 2, vmap=staticmethod(lambda info, dims, x: x)).apply)(c)",
        RuntimeError,
        "to have two returns",
    ),
    (
        (
            "rule = staticmethod(lambda info, dims, x: ((x, x), (0, 0, 0)))\n"
            "t.func.vmap(separate(lambda x: x * 2, vmap=rule).apply)(c)"
        ),
        RuntimeError,
        "incompatible (output, out_dims)",
    ),
    (
        "t.func.grad(lambda x: separate(lambda x: x * 2).apply(x).sum())(c)",
        NotImplementedError,
        "either the backward or vjp method",
    ),
    ("t.func.jvp(separate(lambda x: x * 2).apply, (c,), (c,))", NotImplementedError, "must implement the jvp function"),
]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize(("program", "error", "phrases"), [(p, e, w) for p, e, *w in TRANSFORM_ERRORS])
def test_transform_error(t, program, error, phrases):
    assert_raises(PREAMBLE + CONSTANT + program, t, error, *phrases)


def test_a_rule_gets_the_batch_in_front():
    """PyTorch hands the dimension through that vmap was told."""

    class Rows(gc.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def vmap(info, in_dims, x):
            assert (in_dims, tuple(x.shape)) == ((0,), (3, 2))
            return (x * 2).t(), 1

    x = gc.ones(2, 3)
    assert gc.func.vmap(Rows.apply, 1)(x).tolist() == [[2, 2]] * 3


def test_a_tensor_of_a_batch_that_is_set_on_ctx():
    class Kept(gc.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.x = inputs[0]

        @staticmethod
        def backward(ctx, g):
            return g * ctx.x

    x = gc.ones(2, requires_grad=True)
    y = gc.func.vmap(Kept.apply)(x)
    with pytest.raises(RuntimeError, match=r"ctx.x is a tensor of a batch.*ctx.save_for_backward"):
        y.sum().backward()


def test_a_wrong_number_of_gradients_on_a_batch():
    class Wrong(gc.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x, y):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return g

    x = gc.ones(2, requires_grad=True)
    with pytest.raises(
        RuntimeError, match=r"WrongBackward returned an incorrect number of gradients \(expected 2, got 1\)"
    ):
        gc.func.vmap(Wrong.apply)(x, x).sum().backward()


def test_second_derivative_in_forward_mode():
    """PyTorch gives zeros, since saved tensors have no tangents there."""

    class Cube(gc.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x**3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_forward(*inputs)

        @staticmethod
        def jvp(ctx, t):
            (x,) = ctx.saved_tensors
            return 3 * t * x**2

    x = gc.tensor([1.0, 2.0])
    assert gc.func.jacfwd(gc.func.jacfwd(lambda x: Cube.apply(x).sum()))(x).tolist() == [[6, 0], [0, 12]]
