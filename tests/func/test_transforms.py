"""``func``: every transform, and their compositions, as programs that PyTorch runs, too."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import gradcore as gc
from gradcore.func._tree import flatten

X = np.array([0.7, -1.3, 2.1])
M = np.arange(6.0).reshape(2, 3) / 5 - 0.4
S = np.array(0.9)

FUNCTIONS = """
def cube(x): return (x ** 3).sum()
def wave(x): return (x.sin() * x).sum()
def pair(x): return x.sin(), x * x
def mixed(a, b): return (a @ b).tanh()
def tree(d): return {"s": d["a"].exp() * d["b"][0], "p": (d["b"][1] ** 2, d["a"].sum())}
def with_aux(x): return (x ** 2).sum(), {"double": x * 2}
def viewed(x):
    y = x.clone()
    y[1:].mul_(x[:2])
    return (y ** 2).sum()
def softly(x): return -x.log_softmax(-1)[..., 0].sum()
def picked(x): return x[[0, 2, 0]].prod() + x.max() - x.min()
"""


def run(t, program):
    """The value of the last expression of a program in which ``t`` is the library and the arrays are tensors."""
    import importlib

    importlib.import_module(f"{t.__name__}.func")
    names = {"t": t, "f": t.func, "fw": importlib.import_module(f"{t.__name__}.autograd.forward_ad")}
    names |= {"x": t.tensor(X), "m": t.tensor(M), "s": t.tensor(S)}
    exec(FUNCTIONS, names)
    *statements, last = program.strip().split("\n")
    with warnings.catch_warnings():
        if t is not gc:
            warnings.simplefilter("ignore")
        exec("\n".join(statements), names)
        return eval(last.strip(), names)


def host(x):
    return x.detach().numpy(force=True)


def describe(result):
    leaves, spec = flatten(result)
    return [host(x) if hasattr(x, "detach") else x for x in leaves], str(spec)


PROGRAMS = [
    # one transform
    "f.grad(cube)(x)",
    "f.grad(wave)(x)",
    "f.grad(cube)(s)",
    "f.grad(viewed)(x)",
    "f.grad(softly)(m)",
    "f.grad(picked)(x)",
    "f.grad_and_value(wave)(x)",
    "f.grad(with_aux, has_aux=True)(x)",
    "f.grad_and_value(with_aux, has_aux=True)(x)",
    "f.grad(lambda a, b: mixed(a, b).sum(), argnums=1)(m, x)",
    "f.grad(lambda a, b: mixed(a, b).sum(), argnums=(1, 0))(m, x)",
    "f.grad(lambda a, b: mixed(a, b).sum(), argnums=-1)(m, x)",
    "f.grad(lambda a, k: (a * k).sum())(x, k=m)",
    "f.grad(lambda d: (d['a'] * d['b'][0]).sum())({'a': x, 'b': [x + 1, m]})",
    "f.grad(lambda x: t.ones((), dtype=t.float64))(x)",
    "f.vjp(cube, x)[0]",
    "f.vjp(pair, x)[1]((x, x + 1))",
    "f.vjp(mixed, m, x)[1](t.tensor([1.0, -2.0], dtype=t.float64))",
    "f.vjp(tree, {'a': x, 'b': (x + 1, m)})[0]",
    "f.vjp(tree, {'a': x, 'b': (x + 1, m)})[1]({'s': x, 'p': (m, s)})",
    "f.vjp(with_aux, x, has_aux=True)[2]",
    "out, pull = f.vjp(wave, x)\npull(s), pull(s * 2)",
    "f.jvp(wave, (x,), (x + 1,))",
    "f.jvp(pair, (x,), (x + 1,))",
    "f.jvp(mixed, (m, x), (m + 1, x * 2))",
    "f.jvp(tree, ({'a': x, 'b': (x + 1, m)},), ({'a': x, 'b': (x, m)},))",
    "f.jvp(with_aux, (x,), (x,), has_aux=True)",
    "f.jvp(viewed, (x,), (x + 1,))",
    "f.jvp(lambda x: t.ones_like(x), (x,), (x,))",
    "f.jacrev(pair)(x)",
    "f.jacrev(mixed, argnums=(0, 1))(m, x)",
    "f.jacrev(tree)({'a': x, 'b': (x + 1, m)})",
    "f.jacrev(mixed, chunk_size=1)(m, x)",
    "f.jacrev(lambda x: (x.sin(), {'aux': x}), has_aux=True)(x)",
    "f.jacfwd(pair)(x)",
    "f.jacfwd(mixed, argnums=(0, 1))(m, x)",
    "f.jacfwd(lambda x: (x.sin(), {'aux': x}), has_aux=True)(x)",
    "f.hessian(wave)(x)",
    "f.hessian(lambda a, b: mixed(a, b).sum(), argnums=(0, 1))(m, x)",
    "f.linearize(pair, x)[0]",
    "f.linearize(pair, x)[1](x + 1)",
    "push = f.linearize(mixed, m, x)[1]\npush(m, x), push(m + 1, x)",
    # compositions
    "f.grad(f.grad(lambda x: x.sin()))(s)",
    "f.grad(f.grad(f.grad(lambda x: x ** 5)))(s)",
    "f.vmap(f.grad(lambda x: x.sin() * x))(x)",
    "f.vmap(f.vmap(f.grad(lambda x: x.sin() * x)))(m)",
    "f.vmap(f.grad(cube))(m)",
    "f.vmap(f.hessian(wave))(m)",
    "f.vmap(f.jacrev(pair))(m)",
    "f.vmap(f.jacfwd(pair))(m)",
    "f.jacrev(f.jacfwd(wave))(x)",
    "f.jacfwd(f.jacrev(wave))(x)",
    "f.jacfwd(f.jacfwd(wave))(x)",
    "f.jacrev(f.jacrev(wave))(x)",
    "f.jacfwd(f.jacrev(f.jacfwd(lambda x: x.sin())))(x)",
    "f.grad(lambda x: f.jvp(wave, (x,), (x,))[1])(x)",
    "f.jvp(f.grad(wave), (x,), (x + 1,))",
    "f.grad(lambda x: f.vjp(pair, x)[1]((x, x * x))[0].sum())(x)",
    "f.grad(lambda x: f.vmap(lambda r: (r * x).sum())(m).prod())(x)",
    "f.jacrev(lambda w: f.vmap(lambda r: (r * w).tanh())(m))(x)",
    "f.jacfwd(lambda w: f.vmap(lambda r: (r * w).tanh())(m))(x)",
    "f.jvp(lambda x: f.jvp(pair, (x,), (x * x,))[1][0], (x,), (x,))",
    "f.vmap(f.grad(lambda w, r: ((r * w).sum() - 1) ** 2), in_dims=(None, 0))(x, m)",
    "f.vmap(lambda v: f.jvp(pair, (x,), (v,))[1])(t.eye(3, dtype=t.float64))",
    "f.vmap(f.vjp(pair, x)[1])((t.eye(3, dtype=t.float64), t.eye(3, dtype=t.float64)))",
    "f.vmap(lambda i: f.grad(picked)(x * i))(x)",
    "f.vmap(f.grad(viewed))(t.stack([x, x * 2]))",
    "f.jacfwd(viewed)(x)",
    "f.hessian(viewed)(x)",
    "f.hessian(softly)(m)",
    # what is captured, and levels
    "f.grad(lambda a: (m * 1).mul_(a).sum())(x)",
    "def write(a):\n    y = m.clone()\n    y[0] = a\n    return (y * y).sum()\nf.grad(write)(x), f.hessian(write)(x)",
    "def write(a):\n    y = m + 1\n    y[:, 0].mul_(a[:2])\n    return (y * y).sum()\nf.jvp(write, (x,), (x,))",
    "def write(a):\n    y = t.zeros(3, dtype=t.float64)\n    y[1:] = a[1:]\n    return (y * a).sum()\nf.grad(write)(x)",
    "f.grad(lambda a: f.grad(lambda b: ((m * 1).mul_(a) * b).sum())(a).sum())(x)",
    "f.grad(lambda a: f.grad(lambda b: (a * b * b).sum())(x).sum())(x)",
    "f.grad(lambda a: f.grad(lambda b: ((a + b) ** 3).sum())(a).sum())(x)",
    "f.grad(lambda a: f.grad(lambda b: (b * a).detach() * b)(a))(s)",
    "f.jvp(lambda a: f.jvp(lambda b: a * b, (a,), (t.ones_like(a),))[1], (s,), (t.ones_like(s),))",
    "f.jvp(lambda x: x.detach() * x, (x,), (x,))",
    "w = x.clone().requires_grad_()\n(f.grad(lambda a: (a * w * w).sum())(m[0]) * x).sum().backward() or w.grad",
    "w = x.clone().requires_grad_()\nf.grad(wave)(w).sum().backward() or w.grad",
    "w = x.clone().requires_grad_()\nf.jvp(wave, (w,), (x,))[1].backward() or w.grad",
    "w = x.clone().requires_grad_()\nf.vmap(lambda r: (r * w).sum())(m).prod().backward() or w.grad",
    "w = x.clone().requires_grad_()\nwith t.no_grad(): g = f.grad(wave)(w)\ng, g.requires_grad",
    "def quiet(x):\n    with t.no_grad(): c = x * 2\n    return (c * x).sum()\nf.grad(quiet)(x)",
    "def quiet(x):\n    with t.no_grad(): c = x * 2\n    return (c * x).sum()\nf.jvp(quiet, (x,), (x,))",
    "f.grad(lambda x: (t.autograd.grad((x * x).sum(), x, create_graph=True)[0] * x).sum())(x)",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_equals_pytorch(program, torch):
    theirs, their_spec = describe(run(torch, program))
    ours, our_spec = describe(run(gc, program))
    assert our_spec == their_spec
    for got, want in zip(ours, theirs, strict=True):
        if isinstance(want, np.ndarray):
            assert (got.dtype, got.shape) == (want.dtype, want.shape)
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
        else:
            assert got == want


COMPLEX = [
    "f.grad(lambda z: (z * z.conj()).real.sum() + z.imag.sin().sum())(z)",
    "f.grad(lambda z: z.abs().sum())(z)",
    "f.vjp(lambda z: z * z, z)[1](z)",
    "f.jvp(lambda z: z * z.conj() + z.exp(), (z,), (z,))",
    "f.jvp(lambda z: z.abs(), (z,), (z,))",
    "f.vmap(lambda z: z * 1j + z.real)(z)",
    "f.vmap(f.grad(lambda z: z.abs()))(z)",
    "f.jvp(f.grad(lambda z: (z * z.conj()).real.sin().sum()), (z,), (z,))",
]


@pytest.mark.parametrize("program", COMPLEX)
def test_complex_numbers_equal_pytorch(program, torch):
    program = f"z = x + 1j * (x.flip(0) + 1)\n{program}"
    theirs, _ = describe(run(torch, program))
    ours, _ = describe(run(gc, program))
    for got, want in zip(ours, theirs, strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


ERRORS = [
    ("f.grad(lambda x: x * 2)(x)", RuntimeError, ("to return a scalar Tensor", "vjp or jacrev APIs")),
    ("f.grad(lambda x: 3.0)(x)", RuntimeError, ("to return a Tensor",)),
    ("f.grad(cube)(t.tensor([1, 2]))", RuntimeError, ("floating point dtype", "can require gradients")),
    ("f.grad(cube, argnums=3)(x)", RuntimeError, ("Got argnum", "positional inputs")),
    ("f.grad(cube, argnums=1.5)(x)", RuntimeError, ("int",)),
    ("f.grad(cube, has_aux=True)(x)", RuntimeError, ("should be a tuple: (output, aux)", "if has_aux is True")),
    (
        "f.grad(lambda x: (cube(x), 'no tensor'), has_aux=True)(x)",
        RuntimeError,
        ("Expected tensors", "unsupported type"),
    ),
    ("f.grad(lambda x: x.add_(1).sum())(x)", RuntimeError, ("a leaf Variable that requires grad",)),
    ("f.grad(lambda a: x.mul_(a).sum())(x + 1)", RuntimeError, ("mutate a captured Tensor",)),
    ("f.vjp(pair, x)[1](x)", RuntimeError, ()),
    ("f.vjp(wave, x)[1](x)", RuntimeError, ("Mismatch in shape", "grad_output[0] has a shape of")),
    ("f.jvp(wave, (x,), (m,))", RuntimeError, ("set a forward gradient", "a different size")),
    ("f.jvp(wave, x, (x,))", RuntimeError, ("primals to be a tuple",)),
    ("f.jvp(wave, (x,), (x, x))", RuntimeError, ("same python structure",)),
    (
        "f.grad(lambda x: [(x * x).sum().backward(), x.sum()][1])(x)",
        RuntimeError,
        ("inside a functorch transform", "This is not supported"),
    ),
    ("f.jacrev(lambda x: 3)(x)", RuntimeError, ("only tensors",)),
    ("f.vmap(lambda x, y: x)(x, 3)", ValueError, ("annot vmap over non-Tensor arguments", "use None")),
    ("f.vmap(lambda x, y: x)(x, m)", ValueError, ("same size in the mapped dimension",)),
    ("f.vmap(lambda x: x, in_dims=2)(m)", ValueError, ("expected in_dim to satisfy",)),
    ("f.vmap(lambda x: x, in_dims=(0, 0))(m)", ValueError, ("in_dims is not compatible",)),
    ("f.vmap(lambda x: x, in_dims=None)(m)", ValueError, ("in_dims",)),
    ("f.vmap(lambda: x)()", ValueError, ("no inputs",)),
    ("f.vmap(lambda x: 'text')(m)", ValueError, ("must only return Tensors",)),
    ("f.vmap(lambda x: x, out_dims=None)(m)", ValueError, ()),
    ("f.vmap(lambda x: x, randomness='sometimes')(m)", RuntimeError, ("randomness",)),
    ("f.vmap(lambda x: x, chunk_size=0)(m)", ValueError, ("chunk_size",)),
    ("f.vmap(lambda x: x * x.item())(x)", RuntimeError, ("calling .item() on a Tensor", "don't support vmap over")),
    ("f.vmap(lambda x: x if x > 0 else -x)(x)", RuntimeError, ("data-dependent control flow",)),
]


@pytest.mark.parametrize(("program", "error", "phrases"), ERRORS)
def test_bad_input_is_refused(program, error, phrases, t):
    with pytest.raises(error) as caught:
        run(t, program)
    assert caught.type is error
    for phrase in phrases:
        assert phrase in str(caught.value)


def test_prints_as_what_it_is(t):
    seen = []
    run(t, "f").grad(lambda x: [seen.append(repr(x)), x.sum()][1])(t.ones(2))
    run(t, "f").vmap(lambda x: [seen.append(repr(x)), x][1])(t.ones(2))
    assert [text.replace(", device='strict:1'", "") for text in seen] == [
        "GradTrackingTensor(lvl=1, value=\n    tensor([1., 1.])\n)",
        "BatchedTensor(lvl=1, bdim=0, value=\n    tensor([1., 1.])\n)",
    ]


@pytest.mark.parametrize("transform", ["grad", "vmap"])
def test_a_tensor_that_escapes_is_refused(transform):
    kept = []
    getattr(gc.func, transform)(lambda x: [kept.append(x), x.sum()][1])(
        gc.ones(2) if transform == "grad" else gc.ones(2, 2)
    )
    with pytest.raises(RuntimeError, match="after the transform has ended"):
        kept[0] * 2
    with pytest.raises(RuntimeError, match="after the transform has ended"):
        gc.func.grad(lambda y: (kept[0] * y).sum())(gc.ones(2))
    with gc.no_grad(), pytest.raises(RuntimeError, match="after the transform has ended"):
        kept[0] * 2
    with gc.no_grad(), pytest.raises(RuntimeError, match="after the transform has ended"):
        kept[0] * gc.ones(2)


def test_an_error_inside_leaves_no_level(t):
    with pytest.raises(ZeroDivisionError):
        run(t, "f").grad(lambda x: 1 / 0)(t.ones(2))
    assert not (t.ones(2) * 2).requires_grad
