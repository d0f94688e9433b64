"""Programs that use vmap, run with PyTorch, too: values, dtypes, gradients through them, errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import gradcore as gc
from gradcore.func import vmap
from gradcore.op import OPS

RNG = np.random.default_rng(5)
ARRAYS = {
    "x": RNG.standard_normal((3, 4, 5)),
    "y": RNG.standard_normal((3, 5, 2)),
    "m": RNG.standard_normal((4, 5)),
    "k": RNG.standard_normal((5, 2)),
    "u": RNG.standard_normal((3, 4)),
    "v": RNG.standard_normal((3, 5)),
    "s": RNG.standard_normal(3),
    "c": RNG.standard_normal((3, 2)) + 1j * RNG.standard_normal((3, 2)),
    "p": RNG.uniform(0.1, 0.9, (3, 4)),
    "q": RNG.uniform(0.1, 0.9, (3, 4)),
    "f": RNG.standard_normal((3, 4)).astype(np.float32),
    "n": RNG.integers(0, 5, (3, 4)),
    "r": RNG.integers(0, 4, 3),
    "b": RNG.random((3, 4)) < 0.5,
    "o": RNG.standard_normal((2, 3, 4)),
}


def names_of(t, requires_grad=False):
    made = {name: t.tensor(a, requires_grad=requires_grad and a.dtype.kind in "fc") for name, a in ARRAYS.items()}
    return {
        "t": t, "F": t.nn.functional, "vmap": t.func.vmap, "grad": t.func.grad, "vjp": t.func.vjp, "jvp": t.func.jvp,
        "jacrev": t.func.jacrev, "jacfwd": t.func.jacfwd, "hessian": t.func.hessian, **made,
    }  # fmt: skip


def evaluate(t, expression, requires_grad=False):
    names = names_of(t, requires_grad)
    out = eval(expression, names)
    outputs = list(out) if isinstance(out, (tuple, list)) else [out]
    if not requires_grad:
        return outputs
    smooth = [o for o in outputs if o.requires_grad]
    inputs = [x for x in (names[name] for name in ARRAYS) if x.requires_grad]
    weights = [t.tensor(np.cos(np.arange(o.numel()) * 1.7).reshape(tuple(o.shape)), dtype=o.dtype) for o in smooth]
    return t.autograd.grad(smooth, inputs, weights, allow_unused=True) if smooth else []


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for got, want in zip(ours, theirs, strict=True):
        assert (got is None) == (want is None)
        if got is None:
            continue
        got, want = got.numpy(force=True), want.numpy(force=True)
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        tolerance = 2e-5 if want.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def both(torch, expression):
    for requires_grad in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = evaluate(torch, expression, requires_grad)
        assert_same(evaluate(gc, expression, requires_grad), theirs)


# Products


PRODUCTS = [
    "vmap(t.dot)(u, u)",
    "vmap(t.dot, in_dims=(0, None))(v, k[:, 0])",
    "vmap(t.dot, in_dims=(None, 0))(k[:, 0], v)",
    "vmap(t.vdot)(c, c.flip(0))",
    "vmap(t.vdot, in_dims=(None, 0))(c[0], c)",
    "vmap(t.vdot, in_dims=(0, None))(c, c[0])",
    "vmap(t.mv)(x, v)",
    "vmap(t.mv, in_dims=(None, 0))(m, v)",
    "vmap(t.mv, in_dims=(0, None))(x, k[:, 1])",
    "vmap(t.mm)(x, y)",
    "vmap(lambda a, z: a.repeat(4)[:, None] @ z.repeat(4)[None])(u, v)",
    "vmap(t.mm, in_dims=(0, None))(x, k)",
    "vmap(t.mm, in_dims=(None, 0))(m, y)",
    "vmap(t.mm, in_dims=(None, 0), out_dims=1)(m, y)",
    "vmap(t.mm, in_dims=(1, None))(x.movedim(0, 1), k)",
    "vmap(t.bmm)(o.unsqueeze(1).expand(2, 5, 3, 4), o.unsqueeze(1).expand(2, 5, 3, 4).mT)",
    "vmap(t.bmm, in_dims=(0, None))(t.stack([x, 2 * x]), y)",
    "vmap(t.bmm, in_dims=(None, 0))(x, t.stack([y, 2 * y]))",
    "vmap(t.matmul)(x, v)",
    "vmap(t.matmul)(v, y)",
    "vmap(t.matmul, in_dims=(0, None))(v, k)",
    "vmap(t.matmul, in_dims=(None, 0))(k.T, v)",
    "vmap(t.matmul, in_dims=(0, None))(x, k)",
    "vmap(t.matmul, in_dims=(None, 0))(x, k.expand(4, 5, 2))",
    "vmap(t.matmul, in_dims=(0, None))(t.stack([x, x]), y)",
    "vmap(lambda a: x @ a)(k.T)",
    "vmap(lambda a: a @ x)(u)",
    "vmap(t.outer)(u, v)",
    "vmap(t.outer, in_dims=(0, None))(u, k[:, 0])",
    "vmap(t.inner)(x, x)",
    "vmap(t.kron)(y, x)",
    "vmap(lambda a, b: t.tensordot(a, b, 1))(x, y)",
    "vmap(lambda a, b: t.tensordot(a, b, ([1, 0], [0, 1])), in_dims=(0, None))(x, m.T)",
    "vmap(t.addmm)(y[:, 0], x, y)",
    "vmap(t.addmm, in_dims=(None, 0, None))(k[0], x, k)",
    "vmap(t.addmm, in_dims=(0, None, None))(s, m, k)",
    "vmap(t.addmm, in_dims=(0, None, 0))(s, m, y)",
    "vmap(lambda a, w: t.addmm(a, m, w, beta=0, alpha=2.0), in_dims=(0, None))(s.detach(), k)",
    "vmap(t.addmv)(u, x, v)",
    "vmap(t.addr)(x, u, v)",
    "vmap(lambda b, a, w: t.baddbmm(b, a, w, alpha=0.5), in_dims=(0, None, None))(s, x, y)",
    "vmap(lambda a, w: t.addbmm(t.zeros(4, 2, dtype=t.float64), a, w), in_dims=(0, None))(t.stack([x, -x]), y)",
    "vmap(F.linear, in_dims=(0, None, None))(v, k.T, k[0])",
    "vmap(F.linear, in_dims=(0, None, None))(x, k.T, k[0])",
    "vmap(F.linear, in_dims=(None, 0, 0))(m, y.mT, y[:, 0])",
    "vmap(F.linear)(x, y.mT, y[:, 0])",
    "vmap(F.linear)(v, y.mT, y[:, 0])",
    "vmap(lambda a, b: t.einsum('ij,jk->ik', a, b))(x, y)",
    "vmap(lambda a: t.einsum('ij,jk->ki', a, k))(x)",
    "vmap(lambda a: t.einsum('ij,bjk->bik', m, a.expand(2, 5, 2)))(y)",
    "vmap(lambda a: t.einsum('ii->i', a))(x[:, :4, :4])",
    "vmap(lambda a: t.einsum('ij->j', a))(x)",
    "vmap(lambda a, b: t.einsum('i,j->ij', a, b), in_dims=(0, None))(u, k[0])",
    "vmap(lambda a: t.matrix_power(a, 3))(x[:, :4, :4])",
    "vmap(lambda a: t.matrix_power(a, 0) * a)(x[:, :4, :4])",
    "vmap(vmap(t.dot))(x, x)",
    "vmap(vmap(t.mv, in_dims=(None, 0)), in_dims=(0, None))(x, v)",
    "vmap(lambda a: vmap(lambda b: a @ b)(v))(x)",
]


@pytest.mark.parametrize("expression", PRODUCTS)
def test_products(torch, expression):
    both(torch, expression)


# Reductions, order


REDUCTIONS = [
    "vmap(t.sum)(x)",
    "vmap(lambda a: a.sum(-1))(x)",
    "vmap(lambda a: a.sum(0), in_dims=2)(x)",
    "vmap(lambda a: a.sum((-1, 0)), in_dims=1, out_dims=-1)(x)",
    "vmap(lambda a: a.sum(-2, keepdim=True), out_dims=1)(x)",
    "vmap(t.sum)(s)",
    "vmap(lambda a: a.sum(-1))(s)",
    "vmap(lambda a: a.sum(dtype=t.float64))(f)",
    "vmap(t.sum)(n)",
    "vmap(t.sum)(b)",
    "vmap(lambda a: a.mean(-1))(x)",
    "vmap(t.mean)(s)",
    "vmap(t.prod)(u)",
    "vmap(lambda a: a.prod(-1))(x)",
    "vmap(lambda a: a.std(-1))(x)",
    "vmap(lambda a: a.var((-1, -2), correction=0))(x)",
    "vmap(lambda a: t.var_mean(a, -1))(x)",
    "vmap(lambda a: a.norm())(x)",
    "vmap(lambda a: a.norm(dim=-1))(x)",
    "vmap(lambda a: a.logsumexp(-1))(x)",
    "vmap(lambda a: a.cumsum(-1))(x)",
    "vmap(lambda a: a.cumprod(0))(x)",
    "vmap(t.max)(x)",
    "vmap(lambda a: tuple(a.max(-1)))(x)",
    "vmap(lambda a: tuple(a.min(0)))(s)",
    "vmap(lambda a: a.amax((0, 1)))(x)",
    "vmap(lambda a: a.amin(-2))(x)",
    "vmap(lambda a: tuple(t.aminmax(a, dim=-1)))(x)",
    "vmap(t.argmax)(x)",
    "vmap(lambda a: a.argmin(-1, keepdim=True))(x)",
    "vmap(t.median)(x)",
    "vmap(lambda a: tuple(a.median(-1)))(x)",
    "vmap(lambda a: tuple(a.sort(-1, descending=True)))(x)",
    "vmap(lambda a: tuple(a.topk(2, -1)))(x)",
    "vmap(lambda a: tuple(a.kthvalue(2, 0)))(x)",
    "vmap(lambda a: a.argsort(0))(x)",
    "vmap(lambda a: t.searchsorted(a.sort().values.detach(), v[0]))(u)",
    "vmap(lambda a: t.searchsorted(t.arange(5, dtype=t.float64), a))(x)",
    "vmap(t.any)(b)",
    "vmap(lambda a: a.all(-1))(b)",
    "vmap(t.count_nonzero)(n)",
    "vmap(lambda a: a.softmax(-1))(x)",
    "vmap(lambda a: a.log_softmax(0))(s)",
    "vmap(lambda a: F.softmax(a, 0), in_dims=-1, out_dims=-1)(x)",
    "vmap(lambda a, z: t.cross(a[:3], z[:3], dim=0))(u, v)",
    "vmap(vmap(lambda a: a.softmax(-1).sum()))(x)",
]


@pytest.mark.parametrize("expression", REDUCTIONS)
def test_reductions(torch, expression):
    both(torch, expression)


# Elementwise: how what is batched broadcasts and is promoted


ELEMENTWISE = [
    "vmap(t.add, in_dims=(0, None))(s, x)",
    "vmap(t.mul)(s, x)",
    "vmap(t.mul, in_dims=(0, -1))(s, m[:3].T)",
    "vmap(lambda a: a * t.arange(4))(s)",
    "vmap(lambda a: a * 2)(n)",
    "vmap(lambda a: a * 2.5)(n)",
    "vmap(lambda a: a + f[0])(s)",
    "vmap(lambda a: a + n[0].int())(r)",
    "vmap(lambda a, z: a + z)(s, f)",
    "vmap(lambda a, z: a / z)(r, n + 1)",
    "vmap(lambda a, z: a == z)(r, n)",
    "vmap(lambda a: 2 ** a)(u)",
    "vmap(lambda a: a ** 2)(n)",
    "vmap(lambda a, e: (a * a + 1) ** e)(u, s)",
    "vmap(t.where)(b, u, s)",
    "vmap(t.where, in_dims=(0, None, 0))(b, 0.0, u)",
    "vmap(lambda a: a.clamp(min=-0.5, max=0.5))(x)",
    "vmap(lambda a, lo: a.clamp(min=lo))(x, s)",
    "vmap(t.lerp)(u, u.flip(0), s)",
    "vmap(t.addcmul)(u, s, u)",
    "vmap(lambda a: a.abs())(c)",
    "vmap(lambda a: a.real * a.imag)(c)",
    "vmap(lambda a: (a.conj() * a).real)(c)",
    "vmap(lambda a: a.to(t.complex128))(u)",
    "vmap(lambda a: a.float())(u)",
    "vmap(lambda a: a.long())(u)",
    "vmap(F.gelu)(u)",
    "vmap(F.glu)(x[:, :, :4])",
    "vmap(F.prelu, in_dims=(0, None))(x, k[:, 0])",
    "vmap(F.softplus)(u)",
    "vmap(lambda a: t.zeros(4, dtype=t.float64) + a)(s)",
    "vmap(lambda a: t.ones_like(a))(u)",
    "vmap(lambda a: a.isnan() | (a > 0))(u)",
    "vmap(lambda a: t.tensor(3.0))(u)",
    "vmap(lambda a: (a, m), out_dims=(0, None))(u)",
    "vmap(lambda a: a.clone())(u)",
]


@pytest.mark.parametrize("expression", ELEMENTWISE)
def test_elementwise(torch, expression):
    both(torch, expression)


# Losses


LOSSES = [
    *(
        f"vmap(lambda a, z: F.{loss}(a, z, reduction='{reduction}'))({operands})"
        for loss, operands in (
            ("mse_loss", "u, p"),
            ("l1_loss", "u, p"),
            ("smooth_l1_loss", "u, p"),
            ("huber_loss", "u, p"),
            ("binary_cross_entropy", "p, q"),
            ("binary_cross_entropy_with_logits", "u, q"),
            ("cross_entropy", "x, n"),
            ("cross_entropy", "u, r"),
            ("cross_entropy", "u, q"),
            ("nll_loss", "x, n"),
            ("nll_loss", "u, r"),
        )
        for reduction in ("mean", "sum", "none")
    ),
    "vmap(F.mse_loss, in_dims=(0, None))(u, p[0].expand(4))",
    "vmap(F.mse_loss)(s, s * 2)",
    "vmap(F.cross_entropy, in_dims=(0, None))(x, n[0])",
    "vmap(F.cross_entropy, in_dims=(None, 0))(m, n)",
    "vmap(lambda a, z: F.cross_entropy(a, z, ignore_index=2))(x, n)",
    "vmap(lambda a, z: F.cross_entropy(a, z, weight=k[:, 0].detach()))(x, n)",
    "vmap(lambda a, z: F.cross_entropy(a, z, weight=k[:, 0].detach(), ignore_index=1, reduction='sum'))(x, n)",
    "vmap(lambda a, z: F.cross_entropy(a, z, label_smoothing=0.1))(x, n)",
    "vmap(lambda a, z: F.cross_entropy(a, z[:, None] % 4))(x.unsqueeze(-1), n)",
    "vmap(lambda a, z: F.binary_cross_entropy_with_logits(a, z, pos_weight=q[0].detach()))(u, p)",
    "vmap(lambda a, z: F.kl_div(a.log_softmax(-1), z, reduction='batchmean'))(u, p)",
]


@pytest.mark.parametrize("expression", LOSSES)
def test_losses(torch, expression):
    both(torch, expression)


# Gradients of each element


COMPOSED = [
    "vmap(grad(lambda a: a.prod()))(u)",
    "vmap(grad(lambda a: (a * b[0]).prod()))(u)",
    "vmap(grad(lambda a: a.cumprod(-1).sum()))(x[:, 0])",
    "vmap(grad(lambda a: a.max()))(u)",
    "vmap(grad(lambda a: a.sort().values[0]))(u)",
    "vmap(grad(lambda a: a.norm()))(x)",
    "vmap(grad(lambda a: a.std()))(u)",
    "vmap(grad(lambda a, w: ((a @ w).tanh() ** 2).sum(), argnums=1), in_dims=(0, None))(v, k)",
    "vmap(grad(lambda a, w: ((a @ w).tanh() ** 2).sum(), argnums=1), in_dims=(0, None))(x, k)",
    "vmap(grad(lambda a, w: F.linear(a, w, k[0]).tanh().sum(), argnums=(0, 1)), in_dims=(0, None))(v, k.T)",
    "vmap(grad(lambda a, z: F.cross_entropy(a, z)))(x, n)",
    "vmap(grad(lambda a, z: F.cross_entropy(a, z)))(u, r)",
    "vmap(grad(lambda a, z: F.nll_loss(a.log_softmax(-1), z, reduction='sum')))(x, n)",
    "vmap(grad(lambda a, z: F.cross_entropy(a, z, ignore_index=2)))(x, n)",
    "vmap(grad(lambda a, z: F.binary_cross_entropy(a, z)))(p, q)",
    "vmap(grad(lambda a: t.einsum('ij,jk->', a, k)))(x)",
    "vmap(jacrev(lambda a: a.softmax(-1)))(u)",
    "vmap(jacfwd(lambda a: a.softmax(-1)))(u)",
    "vmap(hessian(lambda a: (a.sin() * a).sum()))(u)",
    "vmap(hessian(lambda a: a.prod()))(u)",
    "jacrev(lambda a: vmap(lambda z: z.softmax(-1))(a))(u)",
    "jacfwd(lambda a: vmap(t.prod)(a))(u)",
    "hessian(lambda a: vmap(t.logsumexp, in_dims=(0, None))(a, 0).sum())(u)",
    "grad(lambda a: vmap(t.dot, in_dims=(0, None))(a, m[0]).sin().sum())(v)",
    "vmap(lambda a, z: jvp(lambda q: q.softmax(-1).sin(), (a,), (z,)))(u, q)",
    "vmap(lambda a, z: vjp(lambda q: q.cumsum(0).sin(), a)[1](z)[0])(u, q)",
    "vmap(vmap(grad(lambda a: (a ** 3).sum())))(x)",
    "vmap(grad(lambda a: vmap(lambda z: (z ** 2).sum())(a).prod()))(x)",
]


@pytest.mark.parametrize("expression", COMPOSED)
def test_composed_with_gradients(torch, expression):
    both(torch, expression)


# Programs


def run(t, program):
    """A program's results: a dict of tensors, or the exception that it raises."""
    try:
        return program(t, **{name: t.tensor(a) for name, a in ARRAYS.items()})
    except (RuntimeError, ValueError, TypeError, IndexError) as e:
        return e


def per_sample_gradients_of_an_mlp(t, v, r, k, m, **_):
    params = {"w1": k.T.repeat(2, 1), "b1": k[:4, 0], "w2": t.cat([m[:, :4], -m[:, :4]])[:5], "b2": m[0]}

    def loss(params, x, label):
        hidden = t.tanh(t.nn.functional.linear(x, params["w1"], params["b1"]))
        scores = t.nn.functional.linear(hidden, params["w2"], params["b2"])
        return t.nn.functional.cross_entropy(scores, label)

    each = t.func.vmap(t.func.grad(loss), in_dims=(None, 0, 0))(params, v, r)
    values = t.func.vmap(loss, in_dims=(None, 0, 0))(params, v, r)
    total = t.func.grad(lambda p: t.func.vmap(loss, in_dims=(None, 0, 0))(p, v, r).mean())(params)
    return {**each, "values": values, **{f"total {n}": x for n, x in total.items()}}


def per_sample_gradients_of_a_module(t, v, u, **_):
    t.manual_seed(0)
    model = t.nn.Sequential(t.nn.Linear(5, 6), t.nn.ReLU(), t.nn.Linear(6, 4)).double()
    with t.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(t.arange(p.numel(), dtype=t.float64).reshape(p.shape).sin() + i)
    params = dict(model.named_parameters())

    def loss(params, x, y):
        return ((t.func.functional_call(model, params, (x,)) - y) ** 2).mean()

    detached = {n: p.detach() for n, p in params.items()}
    found = t.func.vmap(t.func.grad(loss), in_dims=(None, 0, 0))(detached, v, u)
    norms = t.func.vmap(lambda g: sum((x * x).sum() for x in g.values()).sqrt())(found)
    return {**found, "norms": norms}


def ensemble(t, v, x, **_):
    models = []
    for i in range(3):
        model = t.nn.Sequential(t.nn.Linear(5, 4), t.nn.Tanh(), t.nn.Linear(4, 2)).double()
        with t.no_grad():
            for j, p in enumerate(model.parameters()):
                p.copy_((t.arange(p.numel(), dtype=t.float64).reshape(p.shape) * (i + 1) + j).cos())
        models.append(model)
    params, buffers = t.func.stack_module_state(models)

    def forward(p, b, x):
        return t.func.functional_call(models[0], (p, b), (x,))

    same = t.func.vmap(forward, in_dims=(0, 0, None))(params, buffers, v)
    own = t.func.vmap(forward)(params, buffers, x)
    own.sum().backward()
    return {"same": same, "own": own, **{n: p.grad for n, p in params.items()}}


def jacobian_by_vmap_of_vjp(t, u, **_):
    out, pull = t.func.vjp(lambda a: a.softmax(-1), u[0])
    return {"rows": t.func.vmap(pull)(t.eye(4, dtype=t.float64))[0]}


def writes_in_place(t, x, u, b, n, **_):
    def elementwise(a, z):
        out = a.clone()
        out.add_(1).mul_(z).relu_()
        out[0] = z
        out[1:].sub_(a[1:])
        return out

    def by_mask(a, mask):
        out = a * 1
        out.masked_fill_(mask, 3.0)
        out.clamp_(max=2.5)
        return out

    def of_a_view(a):
        out = a.clone()
        row = out[1]
        row.zero_()
        out.t()[0].add_(5)
        return out.sum(), row

    written = u.clone()
    t.func.vmap(lambda a: a.mul_(2))(written)
    return {
        "elementwise": t.func.vmap(elementwise, in_dims=(0, 0))(x, x[:, 0, 0]),
        "shared operand": t.func.vmap(lambda a: a.clone().add_(u[0]))(u),
        "by mask": t.func.vmap(by_mask)(u, b),
        "integers": t.func.vmap(lambda a: a.clone().floor_divide_(2))(n),
        "view": t.func.vmap(of_a_view)(x)[0],
        "row": t.func.vmap(of_a_view)(x)[1],
        "argument": written,
        "gradient": t.func.vmap(t.func.grad(lambda a: a.clone().mul_(a).exp_().sum()))(u),
        "cumulative": t.func.vmap(lambda a: a.clone().cumsum_(-1))(x),
    }


def sees_changes_outside(t, u, **_):
    shared = t.zeros(4, dtype=t.float64)
    t.func.vmap(lambda a: shared.add_(1) * a)(u)
    return {"shared": shared}


def nested_dims(t, o, x, **_):
    weights = t.arange(2, dtype=t.float64)
    inner = t.func.vmap(lambda a, z: a * z, in_dims=(1, None), out_dims=1)
    return {
        "nested": t.func.vmap(inner, in_dims=(2, None), out_dims=2)(o, weights),
        "last": t.func.vmap(lambda a: a.sum(0), in_dims=-1, out_dims=-1)(o),
        "tuple": t.func.vmap(lambda pair: pair[0] + pair[1]["a"], in_dims=((0, {"a": 1}),))(
            (x, {"a": x.transpose(0, 1)})
        ),
        "dict": t.func.vmap(lambda a: {"sum": a.sum(), "row": a[0]}, out_dims=0)(x)["row"],
        "chunks": t.func.vmap(lambda a: a.cumsum(0), chunk_size=2)(x),
        "chunks moved": t.func.vmap(lambda a: a.cumsum(0), in_dims=1, out_dims=-1, chunk_size=3)(x),
        "keywords": t.func.vmap(lambda a, scale: a * scale)(x, scale=3.0),
    }


def batch_of_size_1(t, x, n, **_):
    return {
        "sum": t.func.vmap(lambda a: (a @ a.mT).softmax(-1))(x[:1]),
        "loss": t.func.vmap(t.nn.functional.cross_entropy)(x[:1], n[:1]),
    }


PROGRAMS = [
    per_sample_gradients_of_an_mlp,
    per_sample_gradients_of_a_module,
    ensemble,
    jacobian_by_vmap_of_vjp,
    writes_in_place,
    sees_changes_outside,
    nested_dims,
    batch_of_size_1,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_programs(torch, program):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = run(torch, program)
    ours = run(gc, program)
    assert isinstance(theirs, dict), theirs
    assert isinstance(ours, dict), repr(ours)
    assert ours.keys() == theirs.keys()
    assert_same(list(ours.values()), list(theirs.values()))


# Errors


ERRORS = [
    ("vmap(lambda a: a.sum().item())(u)", RuntimeError, ["calling .item() on a Tensor", "don't support vmap over"]),
    ("vmap(lambda a: float(a.sum()))(u)", RuntimeError, ["calling .item() on a Tensor"]),
    ("vmap(lambda a: a if a.sum() > 0 else -a)(u)", RuntimeError, ["data-dependent control flow"]),
    ("vmap(lambda a: u[0].add_(a))(u)", RuntimeError, []),
    ("vmap(lambda a: t.zeros(4, dtype=t.float64).add_(a))(u)", RuntimeError, ["doesn't match the broadcast shape"]),
    ("vmap(t.nonzero)(n)", RuntimeError, ["can output dynamic shape"]),
    ("vmap(lambda a: a[a > 0])(u)", RuntimeError, ["dynamic shape"]),
    ("vmap(t.unique)(n)", RuntimeError, ["can output dynamic shape"]),
    ("vmap(t.where)(b)", RuntimeError, ["can output dynamic shape"]),
    ("vmap(t.mm)(x, x)", RuntimeError, []),
    ("vmap(t.dot)(u, v)", RuntimeError, []),
    ("vmap(t.add)(u, v)", RuntimeError, ["must match the size"]),
    ("vmap(lambda a: a.sum(2))(x)", IndexError, ["Dimension out of range"]),
    ("vmap(lambda a: a.softmax(-2))(u)", IndexError, ["Dimension out of range"]),
    ("vmap(lambda a: a.view(7))(u)", RuntimeError, ["invalid for input of size"]),
    ("vmap(lambda a: a @ a)(s)", RuntimeError, ["at least 1D"]),
    ("vmap(lambda a: a.clone().add_(u))(u)", RuntimeError, []),
    ("vmap(lambda a: a.long().add_(0.5))(u)", RuntimeError, ["result type"]),
    ("vmap(grad(lambda a: a * 2))(u)", RuntimeError, ["scalar"]),
    ("vmap(lambda a: a, in_dims=(0, 0))(u)", ValueError, ["in_dims is not compatible"]),
    ("vmap(lambda a: (a, a), out_dims=(0, 0, 0))(u)", ValueError, ["out_dims is not compatible"]),
]


@pytest.mark.parametrize(("expression", "error", "phrases"), ERRORS, ids=[e[0] for e in ERRORS])
def test_errors(t, expression, error, phrases):
    names = names_of(t)
    with pytest.raises(error) as caught:
        eval(expression, names)
    for phrase in phrases:
        assert phrase in str(caught.value)


# One large product, not a batch of small ones


def nodes_of(out):
    seen, found, todo = set(), [], [out.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found.append(type(node).__name__)
        todo += [n for n, _ in node.next_functions]
    return set(found)


@pytest.mark.parametrize(
    "program",
    [
        lambda x, w, b: vmap(gc.mm, in_dims=(0, None))(x, w),
        lambda x, w, b: vmap(lambda a: a @ w)(x),
        lambda x, w, b: vmap(lambda a: w.t() @ a)(x.mT),
        lambda x, w, b: vmap(lambda a: a[0] @ w)(x),
        lambda x, w, b: vmap(lambda a: gc.nn.functional.linear(a, w.t(), b))(x),
        lambda x, w, b: vmap(lambda a: gc.nn.functional.linear(a[0], w.t(), b))(x),
        lambda x, w, b: vmap(lambda a: gc.einsum("ij,jk->ik", a, w))(x),
        lambda x, w, b: vmap(vmap(lambda a: a @ w))(x),
    ],
)
def test_what_all_elements_share_is_multiplied_once(program):
    x, w = gc.ones(3, 4, 5), gc.ones(5, 2, requires_grad=True)
    nodes = nodes_of(program(x, w, gc.ones(2, requires_grad=True)))
    assert "MmBackward0" in nodes or "AddmmBackward0" in nodes
    assert not nodes & {"BmmBackward0", "ExpandBackward0"}


def test_a_chain_of_products_gives_what_a_loop_gives():
    a, b, c = (gc.tensor(ARRAYS[name]) for name in "myk")
    want = gc.stack([gc.chain_matmul(a, y, c.t()) for y in b])
    np.testing.assert_allclose(
        vmap(lambda y: gc.chain_matmul(a, y, c.t()))(b).numpy(force=True), want.numpy(force=True)
    )


def test_no_warning_of_a_loop_for_what_models_use():
    x = gc.tensor(ARRAYS["x"])

    def attention(q, k, v):
        scores = (q @ k.mT) / q.shape[-1] ** 0.5
        causal = gc.tril(gc.ones(q.shape[0], k.shape[0], dtype=gc.bool))
        return scores.masked_fill(~causal, -float("inf")).softmax(-1) @ v

    def normalized(a):
        return (a - a.mean(-1, keepdim=True)) / (a.var(-1, keepdim=True, correction=0) + 1e-5).sqrt()

    out = vmap(lambda a: normalized(attention(a, a, a)))(x)
    for got, a in zip(out, x, strict=True):
        np.testing.assert_allclose(
            got.numpy(force=True), normalized(attention(a, a, a)).numpy(force=True), rtol=1e-9, atol=1e-9
        )


def test_an_operation_without_a_rule_runs_in_a_loop_and_says_so(monkeypatch):
    x = gc.tensor(ARRAYS["x"], requires_grad=True)
    want = x.cumsum(-1)
    monkeypatch.setattr(OPS["cumsum_dim"], "vmap", None)
    with pytest.warns(
        UserWarning, match=r"not yet implemented the batching rule for cumsum \(cumsum_dim\): it runs 3 times"
    ):
        out = vmap(lambda a: a.cumsum(-1))(x)
    np.testing.assert_array_equal(out.numpy(force=True), want.numpy(force=True))
    (found,) = gc.autograd.grad(out, x, gc.ones_like(out))
    (expected,) = gc.autograd.grad(want, x, gc.ones_like(want))
    np.testing.assert_array_equal(found.numpy(force=True), expected.numpy(force=True))
    with pytest.raises(RuntimeError, match="cumsum has no batching rule, and cannot run on a batch of size 0"):
        vmap(lambda a: a.cumsum(-1))(x[:0])
