"""Transforms of transforms of functions, drawn at random, against PyTorch: values, and gradients through all of it.

A program is a function of two vectors, under up to three transforms, on tensors that require grad.
"""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest

import gradcore as gc

FUNCTIONS = [
    "x.sin() * w",
    "(x * w).softmax(-1)",
    "(x + w).cumprod(-1)",
    "(x * w).cumsum(0).tanh()",
    "(x * w).sort(-1).values",
    "x * (x * w).kthvalue(2).values",
    "t.outer(x, w) @ x",
    "F.linear(x, t.outer(w, w.cos()), w)",
    "F.linear(x[None] * w, t.outer(w, x)).sum(0)",
    "t.einsum('i,ij->j', x, t.outer(w, x))",
    "x / (x - w).norm()",
    "(x - x.mean()) / (x.std() + 1)",
    "x - (x * w).logsumexp(-1)",
    "F.relu(x * w) * x",
    "F.gelu(x) + w",
    "t.where(x > w, x * x, w * x.exp())",
    "x * (x * w).max()",
    "x * (w * x).amax(0)",
    "x.flip(0) * (x + w).prod()",
    "x * F.cross_entropy(x * w, t.tensor(2))",
    "x * F.mse_loss(x.sin(), w)",
    "x * F.binary_cross_entropy_with_logits(x, w.sigmoid())",
    "x[[1, 0, 3, 2]] * w",
    "t.cat([x[2:] * w[0], x[:2].sin()])",
    "t.stack([x, w * x]).sum(0)",
    "x.gather(0, t.tensor([0, 0, 1, 3])) * w",
    "t.zeros(4, dtype=t.float64).scatter_add(0, t.tensor([0, 0, 1, 3]), x * w)",
    "t.addcmul(x, x, w, value=0.5)",
    "t.lerp(x, w, x * w)",
    "(x * x + 1) ** w",
    "x.detach() * x * w",
    "x.view(2, 2).t().reshape(4) * w",
    "x.masked_fill(x > 0.3, 0.0) * w",
    "x.clamp(min=-0.4) * w.clamp(max=0.6) * x",
    "x.roll(1, 0) * w * x",
    "t.outer(x, w).tril().sum(0)",
    "t.func.vmap(lambda a: (a * w).sum() * a)(x)",
    "t.func.grad(lambda a: (a.sin() * w * x).prod())(x)",
    "t.func.jvp(lambda a: a.softmax(-1) * w, (x,), (w * x,))[1]",
    "t.atan2(x, w + 2)",
    "written(t, x * w)",
]

TRANSFORMS = {
    "f(x, w)": lambda t, f: f,
    "jacrev(f)(x, w)": lambda t, f: t.func.jacrev(f),
    "jacfwd(f)(x, w)": lambda t, f: t.func.jacfwd(f),
    "jacrev(f, argnums=1)(x, w)": lambda t, f: t.func.jacrev(f, argnums=1),
    "jacfwd(f, argnums=1)(x, w)": lambda t, f: t.func.jacfwd(f, argnums=1),
    "grad(sum of f**2)(x, w)": lambda t, f: t.func.grad(lambda x, w: (f(x, w) ** 2).sum()),
    "grad(sum of sin f, argnums=1)(x, w)": lambda t, f: t.func.grad(lambda x, w: f(x, w).sin().sum(), argnums=1),
    "vmap(f, (0, None))(stack([x, 2 * x, x - w]), w)": lambda t, f: (
        lambda x, w: t.func.vmap(f, in_dims=(0, None))(t.stack([x, x * 2, x - w]), w)
    ),
    "vmap(f, (None, 1), -1)(x, stack([w, 2 * w], 1))": lambda t, f: (
        lambda x, w: t.func.vmap(f, in_dims=(None, 1), out_dims=-1)(x, t.stack([w, w * 2], 1))
    ),
    "vmap(f)(stack([x, w]), stack([w, x * w]))": lambda t, f: (
        lambda x, w: t.func.vmap(f)(t.stack([x, w]), t.stack([w, x * w]))
    ),
    "jvp(f(., w), (x,), (w * x,))[1]": lambda t, f: lambda x, w: t.func.jvp(lambda a: f(a, w), (x,), (w * x,))[1],
    "jvp(f, (x, w), (w, x))[1]": lambda t, f: lambda x, w: t.func.jvp(f, (x, w), (w, x))[1],
    "vjp(f(., w), x) of half the value": lambda t, f: lambda x, w: _pulled_back(t, f, x, w),
    "vmap of vjp(f(., w), x)": lambda t, f: lambda x, w: _pulled_back_in_a_batch(t, f, x, w),
}


def _pulled_back(t, f, x, w):
    out, pull = t.func.vjp(lambda a: f(a, w), x)
    return pull(out * 0.5)[0]


def _pulled_back_in_a_batch(t, f, x, w):
    out, pull = t.func.vjp(lambda a: f(a, w), x)
    return t.func.vmap(pull)(t.stack([out, out.sin()]))[0]


def written(t, y):
    y[1:].mul_(y[:-1].clone())
    before = y.clone()
    y[0] = before[3] * before[1]
    return y.exp_()


def function_of(t, texts):
    def f(x, w):
        for text in texts:
            x = eval(text, {"t": t, "F": t.nn.functional, "written": written, "x": x, "w": w}) * 0.7
        return x

    return f


def outcome(t, texts, transforms, arrays):
    x, w = (t.tensor(a, requires_grad=True) for a in arrays)
    f = function_of(t, texts)
    for name in transforms:
        f = TRANSFORMS[name](t, f)
    out = f(x, w)
    found = [out.numpy(force=True)]
    if out.requires_grad:
        c = t.tensor(np.cos(np.arange(out.numel()) * 1.3).reshape(tuple(out.shape)))
        grads = t.autograd.grad(out, [x, w], c, allow_unused=True)
        found += [np.zeros(4) if g is None else g.numpy(force=True) for g in grads]
    else:
        found += [np.zeros(4), np.zeros(4)]
    return found


def draw(seed):
    rng = random.Random(seed)
    texts = rng.choices(FUNCTIONS, k=rng.choice([1, 1, 2]))
    transforms = rng.choices(list(TRANSFORMS), k=rng.choice([1, 2, 2, 3]))
    values = np.random.default_rng(seed).uniform(-1, 1, (2, 4))
    return texts, transforms, values


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_compositions(torch, seed):
    texts, transforms, values = draw(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = outcome(torch, texts, transforms, values)
    program = "; ".join([f"x = 0.7 * ({text})" for text in texts] + [f"f = {name}" for name in transforms])
    got = outcome(gc, texts, transforms, values)
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape, program
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9, err_msg=program)
