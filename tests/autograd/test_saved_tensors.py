"""What nodes save, and the hooks around that: ``saved_tensors_hooks`` and what is built on it, ``_raw_saved_*``."""

from __future__ import annotations

import gc as garbage
import threading
import weakref

import numpy as np
import pytest
from programs import assert_raises

import gradcore as gc

# Programs that log into ``log``. ``hooks(...)`` is saved_tensors_hooks; ``seen(x)`` is what can be compared of a tensor.
BEGIN = """
hooks = t.autograd.graph.saved_tensors_hooks
graph = t.autograd.graph
log = []
def seen(x):
    node = type(x.grad_fn).__name__
    return [round(v, 4) for v in x.detach().to(t.float64).flatten().tolist()], x.requires_grad, x.is_leaf, node
def pack(x):
    log.append(("pack", seen(x)))
    return x.detach()
def unpack(x):
    log.append(("unpack", seen(x)))
    return x
def failing(f):
    try:
        f()
    except Exception as e:
        log.append(type(e).__name__)
    else:
        log.append("no error")
x = t.tensor([1.0, 2.0, 3.0], dtype=t.float64, requires_grad=True)
y = t.tensor([3.0, -4.0, 0.5], dtype=t.float64, requires_grad=True)
"""

PROGRAMS = {
    "an operand, a result, an index": """
with hooks(pack, unpack):
    a = x * y
    b = a.exp() ** 2
    c = b[t.tensor([0, 2])]
    d, where = c.max(0)
    e = t.where(x > 1.5, x, y).sum()
(d * 1e-3 + e).backward()
log += [seen(x.grad), seen(y.grad)]
""",
    "numbers are not packed": """
with hooks(pack, unpack):
    z = ((x * 2 + 1) ** 3 / 7).clamp(0, 5) - 1
z.sum().backward()
log.append(seen(x.grad))
""",
    "nothing is packed that is not saved": """
with hooks(pack, unpack):
    a = x + y
    with t.no_grad():
        b = x * y
    c = x.detach() * y.detach()
    d = t.cat([x, y]).reshape(2, 3).sum(0)
    e = t.stack([x, y]).mean()
log.append("end")
(a.sum() + d.sum() + e).backward()
log.append(seen(x.grad))
""",
    "only what the needed gradients take": """
c = y.detach()
with hooks(pack, unpack):
    a = x * c
    b = c * x
    d = c / x
(a + b + d).sum().backward()
log.append(seen(x.grad))
""",
    "several dtypes": """
f = t.tensor([1.0, 0.5, 2.0], dtype=t.float32, requires_grad=True)
with hooks(pack, unpack):
    z = x * f
z.sum().backward()
log += [seen(x.grad), seen(f.grad), str(f.grad.dtype).split(".")[-1]]
""",
    "the innermost hooks count": """
def twice(x):
    log.append("pack twice")
    return 2 * x
def half(x):
    log.append("unpack half")
    return x / 2
with hooks(pack, unpack):
    a = x.sin()
    with hooks(twice, half):
        b = x.cos()
    c = x.tan()
(a + b + c).sum().backward()
log.append(seen(x.grad))
""",
    "hooks that change the value change the gradient": """
with hooks(lambda x: x.detach(), lambda x: x * 10):
    z = x * y
z.sum().backward()
log += [seen(x.grad), seen(y.grad)]
""",
    "anything may be kept": """
with hooks(lambda x: x.tolist(), lambda v: t.tensor(v, dtype=t.float64)):
    z = (x * y).exp()
log.append(z.grad_fn._raw_saved_result.data == z.tolist())
z.sum().backward()
log += [seen(x.grad), seen(y.grad)]
""",
    "each access unpacks anew": """
count = []
with hooks(lambda x: x.detach(), lambda x: (count.append(1), x)[1]):
    z = x.sin()
z.grad_fn._saved_self, z.grad_fn._saved_self
log.append(len(count))
z.sum().backward(retain_graph=True)
z.sum().backward()
log += [len(count), seen(x.grad)]
""",
    "what is read under hooks has its history": """
with hooks(lambda x: x.detach() * 1, lambda x: x):
    a = x * 2
    b = a * y
    c = b.exp()
for s in (b.grad_fn._saved_self, c.grad_fn._saved_result):
    log.append(seen(s))
s = b.grad_fn._saved_self
log.append((s.grad_fn is a.grad_fn, s is a))
g, = t.autograd.grad(s.sum(), x)
log.append(seen(g))
""",
    "derivatives of higher order": """
with hooks(pack, unpack):
    z = (x * y).exp() * x.sin() / y
    g, h = t.autograd.grad(z.sum() * 1e-2, [x, y], create_graph=True)
log.clear()
(g * h).sum().backward()
log[:] = [seen(x.grad), seen(y.grad)]
""",
    "derivatives of higher order, of copies": """
with hooks(lambda x: x.detach().tolist(), lambda v: t.tensor(v, dtype=t.float64)):
    z = (x * x * y).sin() ** 2
    g, = t.autograd.grad(z.sum(), x, create_graph=True)
    g2, = t.autograd.grad(g.sum(), x, create_graph=True)
log.append(seen(g2))
g2.sum().backward()
log += [seen(x.grad), seen(y.grad)]
""",
    "in place": """
a = x * 1
with hooks(pack, unpack):
    a.exp_()
    a.sigmoid_()
    a.mul_(y)
    a.pow_(2)
a.sum().backward()
log[-2:] = []
log += [seen(x.grad), seen(y.grad)]
log[:] = [(e[0], e[1][0]) if isinstance(e[0], str) else e for e in log]
""",
    "in place through a view": """
a = x * 1
with hooks(lambda x: (log.append(seen(x)[0]), x.detach().clone())[1], lambda x: x):
    a[:2].exp_()
    a[1:].mul_(y[1:])
    b = a * a
    a[0] = y[2] * 3
b.sum().backward()
log += [a.grad_fn.name(), seen(x.grad), seen(y.grad)]
""",
    "a write after the hooks saved a copy": """
with hooks(lambda x: x.detach().clone(), lambda x: x):
    a = x * 2
    b = a * y
    c = a.exp()
with t.no_grad():
    a.zero_()
    c.zero_()
(b + c).sum().backward()
log += [seen(x.grad), seen(y.grad)]
""",
    "save on cpu": """
with graph.save_on_cpu():
    z = (x * y).exp()
log.append(z.grad_fn._raw_saved_result.data[1].device.type)
z.sum().backward()
log += [seen(x.grad), seen(y.grad)]
with graph.save_on_cpu(pin_memory=True):
    z = (x * y).sin()
g, = t.autograd.grad(z.sum(), x, create_graph=True)
g.sum().backward()
log += [seen(x.grad), seen(y.grad)]
""",
    "refusing hooks": """
with graph.disable_saved_tensors_hooks("not here"):
    def enter():
        with hooks(pack, unpack):
            pass
    failing(enter)
    with graph.disable_saved_tensors_hooks("nor here"):
        failing(enter)
    failing(enter)
    z = x * y
enter()
def refuse():
    with graph.disable_saved_tensors_hooks("not under hooks"):
        pass
with hooks(pack, unpack):
    failing(refuse)
    w = x.sin()
refuse()
w.sum().backward()
""",
    "hooks of one saved tensor": """
z = x * y
s = z.grad_fn._raw_saved_self
log.append((s is z.grad_fn._raw_saved_self, s.data is x, s.unpack_hook, s.unpack() is x))
def keep(v):
    log.append((seen(v), v is x))
    return v * 2
give = lambda v: v / 2
s.register_hooks(keep, give)
log.append((seen(s.data), s.unpack_hook is give))
for v in (s.unpack(), z.grad_fn._saved_self):
    g, = t.autograd.grad((v * v).sum(), x)
    log.append((v.tolist(), v.requires_grad, seen(g)))
failing(lambda: s.register_hooks(keep, give))
z.sum().backward()
log += [seen(x.grad), seen(y.grad), s.data]
failing(s.unpack)
failing(lambda: z.grad_fn._raw_saved_other.register_hooks(keep, give))
failing(lambda: z.grad_fn._saved_other)
""",
    "hooks of a saved result": """
z = x.exp()
s = z.grad_fn._raw_saved_result
log += [seen(s.data), seen(z.grad_fn._saved_result)]
s.register_hooks(lambda v: (log.append(seen(v)), v * 2)[1], lambda v: v / 2)
log.append(seen(z.grad_fn._saved_result))
z.sum().backward(retain_graph=True)
z.sum().backward()
log.append(seen(x.grad))
failing(lambda: s.register_hooks(pack, unpack))
""",
    "hooks of one operand of several": """
c = x.detach()
z = c * x
log.append(z.grad_fn._raw_saved_other.unpack())
failing(lambda: z.grad_fn._raw_saved_other.register_hooks(pack, unpack))
i = x[t.tensor([0, 0, 2])]
for s in i.grad_fn._raw_saved_indices:
    s.register_hooks(lambda v: (log.append(v.tolist()), v)[1], lambda v: v)
i.sum().backward()
log.append(seen(x.grad))
""",
    "the version is checked without hooks": """
a = x * 2
z = a * y
s = z.grad_fn._raw_saved_self
a.add_(1)
failing(lambda: z.grad_fn._saved_self)
failing(s.unpack)
failing(lambda: z.sum().backward())
e = x.exp()
s = e.grad_fn._raw_saved_result
e.add_(1)
failing(lambda: e.sum().backward())
""",
    "hooks see what a Function saves": """
class Square(t.autograd.Function):
    @staticmethod
    def forward(ctx, x, n):
        out = x * x
        ctx.save_for_backward(x, out, None)
        return out
    @staticmethod
    def backward(ctx, g):
        a, b, nothing = ctx.saved_tensors
        log.append((seen(a), seen(b)[0], nothing))
        return 2 * a * g, None
with hooks(pack, unpack):
    z = Square.apply(x, 3)
z.sum().backward()
log.append(seen(x.grad))
""",
    "changing what was saved, where that is allowed": """
with graph.allow_mutation_on_saved_tensors():
    a = x * 1
    b = a * a
    c = a.exp()
    a.sin_()
    c[0] = 7.0
    d = a * y
    with t.no_grad():
        a.zero_()
    (b + c + d).sum().backward()
log += [seen(x.grad), seen(y.grad), seen(a)[0]]
""",
    "changing leaves, where that is allowed": """
v = t.ones(3, dtype=t.float64) * 2
with graph.allow_mutation_on_saved_tensors():
    b = x * y
    c = x * v
    with t.no_grad():
        y.mul_(100)
    v.mul_(v)
    d = x * y + x * v
    v.fill_(0)
    (b + c + d).sum().backward()
log += [seen(x.grad), seen(y.grad), v.tolist()]
""",
    "a write to what it saves itself, where that is allowed": """
with graph.allow_mutation_on_saved_tensors():
    a = x * 1
    b = a.clone()
    b[:2].mul_(b[:2])
    b.mul_(b)
    b.exp_()
    c = b * 2
    b.zero_()
    c.sum().backward()
log.append(seen(x.grad))
""",
    "mode is left as it was": """
log.append(t.is_grad_enabled())
with hooks(pack, unpack):
    t.set_grad_enabled(False)
log.append(t.is_grad_enabled())
t.set_grad_enabled(True)
def f():
    with hooks(pack, unpack):
        raise KeyError
failing(f)
(x * y).sum().backward()
log.append(seen(x.grad))
""",
}


def evaluate(program, t):
    names = {"t": t}
    exec(compile(BEGIN + PROGRAMS[program], f"<{program}>", "exec"), names)
    return names["log"]


def rounded(x):
    if isinstance(x, float):
        return round(x, 4) + 0.0
    return [rounded(v) for v in x] if isinstance(x, (list, tuple)) else x


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program, torch):
    ours, theirs = evaluate(program, gc), evaluate(program, torch)
    assert rounded(ours) == rounded(theirs)


X = "x = t.ones(2, requires_grad=True)\nhooks = t.autograd.graph.saved_tensors_hooks\n"
Z = X + "z = x * x\n"
ERRORS = [
    (
        X + "with hooks(lambda x: x, lambda x: 3): z = x.sin()\nz.sum().backward()",
        TypeError,
        "saved tensor unpack_hook",
        "expected to be a Tensor",
    ),
    (
        X + "with hooks(lambda x: x.detach(), lambda x: None): z = x.exp()\nz.grad_fn._saved_result",
        TypeError,
        "saved tensor unpack_hook",
        "expected to be a Tensor",
    ),
    (
        X + "with hooks(lambda x: x.add_(1), print): x.sin()",
        RuntimeError,
        "pack hook is modifying",
        "its input in place",
    ),
    (
        X + "with hooks(lambda x: x.zero_(), print): x.exp()",
        RuntimeError,
        "pack hook is modifying",
        "its input in place",
    ),
    (
        Z + "z.grad_fn._raw_saved_self.register_hooks(lambda x: x.add_(1), print)",
        RuntimeError,
        "pack hook is modifying",
    ),
    (X + "with hooks(lambda x: 1 / 0, print): x.sin()", ZeroDivisionError),
    (X + "with hooks(lambda x: x, lambda x: 1 / 0): z = x.sin()\nz.sum().backward()", ZeroDivisionError),
    (
        X + "with t.autograd.graph.disable_saved_tensors_hooks('these words'):\n with hooks(id, id): pass",
        RuntimeError,
        "these words",
    ),
    (
        X + "with hooks(id, id):\n with t.autograd.graph.disable_saved_tensors_hooks('these words'): pass",
        RuntimeError,
        "these words",
    ),
    (
        Z + "z.sum().backward(); z.grad_fn._saved_self",
        RuntimeError,
        "backward through the graph",
        "a second time",
        "Specify retain_graph=True",
    ),
    (
        X + "with hooks(lambda x: x, lambda x: x): z = x * x\nz.sum().backward(); z.sum().backward()",
        RuntimeError,
        "backward through the graph",
        "a second time",
        "Specify retain_graph=True",
    ),
    (
        Z + "s = z.grad_fn._raw_saved_self; z.sum().backward(); s.unpack()",
        RuntimeError,
        "backward through the graph",
        "a second time",
        "Specify retain_graph=True",
    ),
    (
        Z + "s = z.grad_fn._raw_saved_self\nfor i in range(2): s.register_hooks(lambda x: x, lambda x: x)",
        RuntimeError,
        "hooks have already been set",
        "only one pair of hooks",
    ),
    (
        X + "with hooks(lambda x: x, lambda x: x): z = x * x\nz.grad_fn._raw_saved_self.register_hooks(id, id)",
        RuntimeError,
        "hooks have already been set",
        "only one pair of hooks",
    ),
    (
        Z + "s = z.grad_fn._raw_saved_self; z.sum().backward(); s.register_hooks(id, id)",
        RuntimeError,
        "after it has been freed",
    ),
    (
        Z + "z.sum().backward(); z.grad_fn._raw_saved_other.register_hooks(id, id)",
        RuntimeError,
        "after it has been freed",
    ),
    (X + "(x * 2).grad_fn._raw_saved_self.register_hooks(id, id)", RuntimeError, "with value None is forbidden"),
    (Z + "type(z.grad_fn._raw_saved_self)()", RuntimeError, "create a SavedTensor object"),
    (Z + "z.grad_fn._raw_saved_self.register_hooks(1, id)", TypeError, "incompatible function arguments"),
    (
        "m = t.autograd.graph.allow_mutation_on_saved_tensors\nwith m():\n with m(): pass",
        RuntimeError,
        "contexts cannot be nested",
    ),
    (
        X + "with t.autograd.graph.allow_mutation_on_saved_tensors(): z = x.sin()\nz.sum().backward()",
        AssertionError,
        "Trying to backward outside",
        "originally recorded",
    ),
    (
        X + "y = x * 1\nz = y.sin()\nz.grad_fn._raw_saved_self\ny.detach_()\nz.sum().backward()",
        RuntimeError,
        "detached in-place",
        "out-of-place `.detach()`",
    ),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e[0][-70:])
def test_errors(error, t):
    assert_raises(error[0], t, *error[1:])


def test_a_write_through_a_view_where_that_is_allowed():
    # PyTorch copies nothing then, and the gradient is wrong.
    x = gc.tensor([1.0, 2.0, 3.0], requires_grad=True)
    v = gc.full((3,), 2.0)
    with gc.autograd.graph.allow_mutation_on_saved_tensors():
        a = x * v
        b = x * v[:2].sum()
        v[1:].fill_(5)
        c = x * v
        v[0] = 0.0
        (a + b + c).sum().backward()
    assert x.grad.tolist() == [2 + 4 + 2, 2 + 4 + 5, 2 + 4 + 5]


def test_hooks_that_are_no_functions_are_refused():
    with pytest.raises(TypeError, match="takes two functions"), gc.autograd.graph.saved_tensors_hooks(1, 2):
        pass


def test_a_tensor_of_another_device_is_refused():
    x = gc.ones(2, device="strict:1", requires_grad=True)
    with gc.autograd.graph.saved_tensors_hooks(lambda x: x.cpu(), lambda x: x):
        z = x.sin()
    with pytest.raises(RuntimeError, match=r"gave a tensor on cpu.*is on strict:1"):
        z.sum().backward()
    assert x.grad is None


def test_save_on_cpu_moves_to_the_cpu_and_back():
    x = gc.ones(2, device="strict:1", requires_grad=True)
    with gc.autograd.graph.save_on_cpu():
        z = (x * 2).exp()
    where, kept = z.grad_fn._raw_saved_result.data
    assert (str(where), str(kept.device)) == ("strict:1", "cpu")
    z.sum().backward()
    assert str(x.grad.device) == "strict:1"
    np.testing.assert_allclose(x.grad.cpu().numpy(), 2 * np.exp([2.0, 2.0]), rtol=1e-6)


def test_hooks_belong_to_a_thread():
    x = gc.ones(2, requires_grad=True)
    seen = []

    def other():
        x.sin()

    with gc.autograd.graph.saved_tensors_hooks(seen.append, id):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert not seen
        x.sin()
    assert len(seen) == 1


def test_a_write_that_was_not_announced_is_noticed():
    # An optimizer writes into the memory of its parameters by itself.
    w = gc.ones(2, requires_grad=True)
    optimizer = gc.optim.SGD([w], lr=0.1)
    with gc.autograd.graph.allow_mutation_on_saved_tensors():
        z = (w * w).sum()
        w.grad = gc.ones(2)
        optimizer.step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            z.backward()


@pytest.fixture
def no_collector():
    garbage.collect()
    garbage.disable()
    yield
    garbage.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("use", ["hooks", "raw", "mutation", "on cpu", "read"])
def test_a_graph_under_hooks_goes_without_the_collector(use):
    graph = gc.autograd.graph
    blocks = {
        "hooks": lambda: graph.saved_tensors_hooks(lambda x: x.detach(), lambda x: x),
        "mutation": graph.allow_mutation_on_saved_tensors,
        "on cpu": graph.save_on_cpu,
    }
    x = gc.ones(4, requires_grad=True)

    def step(backward):
        a = x * 2
        e = a.exp()
        f = e.clone()
        f[:2].mul_(e[2:])
        nodes = [weakref.ref(n.grad_fn) for n in (a, e, f)] + [weakref.ref(a)]
        if use in ("raw", "read"):
            e.grad_fn._raw_saved_result  # noqa: B018 - the node keeps its values in another form from then on
        if use == "raw":
            e.grad_fn._raw_saved_result.register_hooks(lambda x: x, lambda x: x)
        if backward:
            g, *_ = gc.autograd.grad((e * f).sum(), x, create_graph=True)
            nodes.append(weakref.ref(g.grad_fn))
            gc.autograd.grad(g.sum(), x)
        return nodes

    for backward in (False, True):
        if use in blocks:
            with blocks[use]():
                nodes = step(backward)
        else:
            nodes = step(backward)
        assert [n() for n in nodes] == [None] * len(nodes)


@pytest.mark.usefixtures("no_collector")
def test_backward_drops_what_the_hooks_kept():
    class Kept:
        def __init__(self, tensor):
            self.tensor = tensor.detach()

    alive = weakref.WeakSet()

    def pack(x):
        kept = Kept(x)
        alive.add(kept)
        return kept

    x = gc.ones(4, requires_grad=True)
    with gc.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        z = (x * 2).exp() * x
    assert len(alive) == 3
    z.sum().backward(retain_graph=True)
    assert len(alive) == 3
    z.sum().backward()
    assert len(alive) == 0


def test_nodes_of_every_operation_keep_the_same_under_hooks():
    from gradcore.op import OPS
    from gradcore.testing.samples import Make

    compared = 0
    for name, op in sorted(OPS.items()):
        if not op.differentiable or not op.rules or op.node == "NotImplemented":
            continue
        for sample in op.samples(Make(requires_grad=True)):
            params = tuple(sample.params.get(p, q.default) for p, q in op.params.items())
            inputs = [x for x in sample.operands if getattr(x, "requires_grad", False)]
            if not inputs:
                continue
            first = op.apply(tuple(sample.operands), params)
            with gc.autograd.graph.saved_tensors_hooks(lambda x: x.detach().clone(), lambda x: x):
                second = op.apply(tuple(sample.operands), params)
            grads = []
            for out in (first, second):
                outs = [o for o in (out if isinstance(out, tuple) else (out,)) if o.requires_grad]
                weights = [gc.ones_like(o).detach() for o in outs]
                grads.append(gc.autograd.grad(outs, inputs, weights, allow_unused=True) if outs else ())
            for one, other in zip(*grads, strict=True):
                assert (one is None) == (other is None), name
                if one is not None:
                    np.testing.assert_array_equal(one.numpy(force=True), other.numpy(force=True), err_msg=name)
            compared += 1
            break
    assert compared > 100


FORWARD_MODE = """
import contextlib, importlib
forward_ad = importlib.import_module(t.__name__ + ".autograd.forward_ad")
checkpoint = importlib.import_module(t.__name__ + ".utils.checkpoint").checkpoint
def f(x):
    a = (x * x * y).exp() * 1e-2
    b = a.sin() * x
    return (b / a) ** 2
log = []
for way in ("plain", "same", "copy", "checkpoint"):
    x = t.tensor([1.0, -0.5, 0.25], dtype=t.float64, requires_grad=True)
    with forward_ad.dual_level():
        d = forward_ad.make_dual(x, t.tensor([1.0, 2.0, 3.0], dtype=t.float64))
        if way == "checkpoint":
            z = checkpoint(f, d, use_reentrant=False)
        else:
            pack = {"same": lambda x: x, "copy": lambda x: x.detach().clone()}.get(way)
            with contextlib.nullcontext() if pack is None else hooks(pack, lambda x: x):
                z = f(d)
        g, = t.autograd.grad(z.sum(), x, create_graph=True)
        log.append([seen(v) for v in forward_ad.unpack_dual(g)])
"""


def test_tangents_stay_with_what_hooks_keep(torch):
    def evaluated(t):
        names = {"t": t}
        exec(BEGIN + FORWARD_MODE, names)
        return [[v[0] for v in pair] for pair in names["log"]]

    ours = evaluated(gc)
    assert ours == evaluated(torch)
    assert ours[1:] == ours[:1] * 3


TRANSFORMS = (
    BEGIN
    + """
import importlib
func = importlib.import_module(t.__name__ + ".func")
checkpoint = importlib.import_module(t.__name__ + ".utils.checkpoint").checkpoint
def f(x):
    return (x * x).sin().sum()
def under(x):
    with hooks(pack, unpack):
        return f(x)
"""
)


@pytest.mark.parametrize(
    "program",
    ["func.grad(under)(x)", "func.vjp(under, x)", "func.hessian(lambda x: checkpoint(f, x, use_reentrant=False))(x)"],
)
def test_inside_reverse_transforms_hooks_are_refused(program, t):
    assert_raises(TRANSFORMS + program, t, RuntimeError, "func.{grad, vjp, jacrev, hessian}", "saved tensor hooks")


def test_around_transforms_hooks_see_what_is_recorded_outside():
    # PyTorch refuses this, too.
    names = {"t": gc}
    exec(TRANSFORMS, names)
    x, hooks, func = names["x"], names["hooks"], names["func"]
    expected = gc.autograd.grad(func.grad(names["f"])(x).sum(), x)[0].tolist()
    kept = []
    with hooks(lambda x: (kept.append(x), x.tolist())[1], lambda v: gc.tensor(v, dtype=gc.float64)):
        z = func.grad(names["f"])(x).sum()
    assert kept
    assert gc.autograd.grad(z, x)[0].tolist() == expected
    z = names["checkpoint"](lambda x: func.grad(names["f"])(x).sum(), x, use_reentrant=False)
    assert gc.autograd.grad(z, x)[0].tolist() == expected
    z = names["checkpoint"](lambda x: func.vmap(gc.sin)(x.exp()).sum(), x, use_reentrant=False)
    np.testing.assert_allclose(gc.autograd.grad(z, x)[0].tolist(), (x.exp().cos() * x.exp()).tolist())


def test_a_checkpoint_inside_vmap_says_that_it_cannot_run_again():
    x = gc.ones(2, 3, requires_grad=True)
    import gradcore.func
    from gradcore.utils.checkpoint import checkpoint

    y = gradcore.func.vmap(lambda r: checkpoint(gc.exp, r.sin(), use_reentrant=False))(x)
    with pytest.raises(RuntimeError, match="Make the checkpoint around the transform"):
        y.sum().backward()
