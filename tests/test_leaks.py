"""Memory is flat with the garbage collector off: what a step makes is freed by reference counts alone.

Each program is one step. After some to warm up (plans are generated at their first use), many more are run. The collector
must then find nothing in cycles, and Python must not have more blocks of memory than before: arrays, tensors, nodes and all
else that is made of objects count as blocks.
"""

from __future__ import annotations

import gc as collector
import sys

import pytest

import gradcore as gc

pytestmark = pytest.mark.slow

PRELUDE = """
import gc as collector
grad, vjp, jvp, vmap = t.func.grad, t.func.vjp, t.func.jvp, t.func.vmap
fwAD, graph = t.autograd.forward_ad, t.autograd.graph
checkpoint = t.utils.checkpoint.checkpoint
x = t.ones(3, requires_grad=True)
w = t.tensor([0.5, -1.0, 2.0], requires_grad=True)
m = t.ones(2, 3, requires_grad=True)
net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Dropout(0.5), t.nn.Linear(4, 1))
params = dict(net.named_parameters())
opt = t.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

class Square(t.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x, x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], output[1])
        ctx.save_for_forward(inputs[0], output[1])
        ctx.note = "kept"

    @staticmethod
    def backward(ctx, g, h):
        x, e = ctx.saved_tensors
        return 2 * x * g + e * h

    @staticmethod
    def jvp(ctx, v):
        x, e = ctx.saved_tensors
        return 2 * x * v, e * v

class OldStyle(t.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        out = x.exp()
        ctx.save_for_backward(x, out)
        ctx.mark_non_differentiable(out > 1)
        return out

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[1]

class Dirty(t.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, g):
        return g * 2

class Failing(t.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 1

    @staticmethod
    def backward(ctx, g):
        raise KeyError("on purpose")

def failing_hook(g):
    raise KeyError("on purpose")

def refused(program, *errors):
    try:
        program()
    except (KeyError, RuntimeError, TypeError, ValueError, IndexError):
        return
    raise AssertionError("nothing was raised")

@t.no_grad()
def without_grad(v):
    return v * 2

@t.enable_grad()
def parts(v):
    yield v.sin()
    yield v.cos()
"""

STEPS = {
    "a graph that is dropped": "y = (x * w).exp().tanh(); z = y @ w",
    "backward": "(x * w).exp().sum().backward(); x.grad = None",
    "backward that accumulates": "(x * w).sum().backward()",
    "backward with retain_graph": "y = (x * w).exp().sum(); y.backward(retain_graph=True); y.backward()",
    "a graph kept after its backward": "kept = (x * w).exp().sum(); kept.backward(retain_graph=True)",
    "training": "opt.zero_grad(); net(t.ones(2, 3)).pow(2).mean().backward(); opt.step()",
    "views": "y = (x * 2).view(3, 1)[1:].t().squeeze(); a, b = y.unbind(); (a * b).backward()",
    "in-place": "y = x * 2; y.mul_(w).add_(1).exp_(); y.sum().backward()",
    "in-place through views": "y = x * 2; v = y[1:]; v.mul_(w[:2]); y[0] = v[1]; v.exp_(); (y.sum() + v.sum()).backward()",
    "in-place through views, dropped": "y = x * 2; v = y.view(3, 1)[1:]; v.mul_(2); v.grad_fn; y.grad_fn; v += 1",
    "a base that gets a history from its view": "b = t.zeros(3); v = b[1:]; v.copy_(w[:2]); (b * x).sum().backward()",
    "setitem in many forms": """
y = x * 1
y[t.tensor([0, 2])] = w[:2]
y[y > 100] = 0.0
y[None, ..., 1] = 3.0
y.index_add_(0, t.tensor([0, 0]), w[:2])
y.masked_fill_(t.tensor([True, False, False]), 2.0)
y.sum().backward()
""",
    "detach and data": "y = x * 2; d = y.detach(); d.add_(1); y.data; z = y.detach_()",
    "tensor hooks": "y = x * 2; h = y.register_hook(lambda g: g * y.detach()); y.register_hook(print); h.remove()",
    "tensor hooks that run": "y = x * 2; y.register_hook(lambda g: g * 2); y.sum().backward()",
    "hooks on a leaf": "h = x.register_hook(lambda g: g * 2); x.sum().backward(); h.remove()",
    "post-accumulate hooks": """
h = x.register_post_accumulate_grad_hook(lambda p: setattr(p, "grad", None))
(x * 2).sum().backward()
h.remove()
""",
    "node hooks": """
y = x * 2
h = [y.grad_fn.register_hook(lambda gi, go: None), y.grad_fn.register_prehook(lambda go: None)]
y.grad_fn.metadata["note"] = 1
y.sum().backward()
h[0].remove()
""",
    "hooks of AccumulateGrad": """
node = (x * 2).grad_fn.next_functions[0][0]
h = node.register_hook(lambda gi, go: None), node.register_prehook(lambda go: None)
(x * 2).sum().backward()
for one in h: one.remove()
""",
    "multi-grad hooks": """
y = x * 2
h = [graph.register_multi_grad_hook((x, y), lambda gs: None), graph.register_multi_grad_hook((x, w), lambda g: None, mode="any")]
y.sum().backward()
for one in h: one.remove()
""",
    "retain_grad": "y = x * 2; y.retain_grad(); y.sum().backward(); y.grad; y.mul_(2)",
    "saved values that are looked at": """
y = x.exp() * w
y.grad_fn._saved_self
y.grad_fn._raw_saved_other.unpack()
y.grad_fn.next_functions[0][0]._saved_result
""",
    "gradient edges": """
y = x * 2
edge = graph.get_gradient_edge(y)
t.autograd.grad(y.exp().sum(), edge)
graph.get_gradient_edge(x)
""",
    "double backward": "(g,) = t.autograd.grad((x**3).sum(), x, create_graph=True); g.sum().backward()",
    "double backward, dropped": "(g,) = t.autograd.grad((x.exp() * w).sum(), x, create_graph=True)",
    "third order": """
g = (x**4).sum()
for _ in range(3):
    (g,) = t.autograd.grad(g.sum(), x, create_graph=True)
""",
    "is_grads_batched": "t.autograd.grad(x * x, x, t.eye(3), is_grads_batched=True)",
    "inputs of backward": "y = x * 2; y.sum().backward(inputs=[y, x])",
    "a custom Function": "y, e = Square.apply(x * 1); (y * e).sum().backward()",
    "a custom Function, dropped": "y, e = Square.apply(x * 1); y.grad_fn.saved_tensors",
    "a custom Function, twice differentiated": """
y, e = Square.apply(x * 1)
(g,) = t.autograd.grad((y * e).sum(), x, create_graph=True)
g.sum().backward()
""",
    "a custom Function of the old style": "OldStyle.apply(x * 1).sum().backward(); OldStyle.apply(x * 1)",
    "a custom Function that writes": "y = x * 1; Dirty.apply(y); y.sum().backward()",
    "a custom Function that fails": "refused(Failing.apply(x * 1).sum().backward)",
    "a hook that fails": "y = x.exp(); y.register_hook(failing_hook); refused((y * w).sum().backward)",
    "a version error": "y = x.exp(); y.add_(1); refused(y.sum().backward)",
    "a freed graph": "y = x.exp().sum(); y.backward(); refused(y.backward)",
    "errors in the forward": """
refused(lambda: x @ t.ones(4))
refused(lambda: x.add_(1))
refused(lambda: x[7])
refused(lambda: (x * 1).__setitem__(0, t.ones(3)))
refused(lambda: x + "text")
""",
    "checkpoint": "checkpoint(lambda v: v.exp().sin() * w, x, use_reentrant=False).sum().backward()",
    "checkpoint, dropped": "checkpoint(lambda v: v.exp().sin() * w, x, use_reentrant=False)",
    "checkpoint in checkpoint": """
inner = lambda v: checkpoint(lambda u: u.exp().sin(), v.cos(), use_reentrant=False).tanh()
checkpoint(inner, x, use_reentrant=False).sum().backward()
""",
    "checkpoint that fails in its second run": """
calls = []
def f(v):
    calls.append(1)
    if len(calls) > 1:
        raise KeyError("second run")
    return v.exp().sin()
y = checkpoint(f, x, use_reentrant=False)
refused(y.sum().backward)
""",
    "reentrant checkpoint": "checkpoint(lambda v: v.exp().sin(), x, use_reentrant=True).sum().backward()",
    "hooks on saved tensors": """
with graph.saved_tensors_hooks(lambda v: v * 1, lambda v: v):
    y = x.exp() * w
y.sum().backward()
""",
    "hooks on saved tensors, dropped": """
with graph.saved_tensors_hooks(lambda v: v.detach(), lambda v: v):
    y = x.exp() * w
""",
    "save_on_cpu": """
with graph.save_on_cpu():
    y = x.exp() * w
y.sum().backward()
""",
    "allow_mutation_on_saved_tensors": """
with graph.allow_mutation_on_saved_tensors():
    y = x * 2
    z = (y * w).exp()
    y.mul_(2)
    z.mul_(2)
    z.sum().backward()
""",
    "anomaly mode": """
with t.autograd.set_detect_anomaly(True):
    y = (x * w).exp()
    (g,) = t.autograd.grad(y.sum(), x, create_graph=True)
    g.sum().backward()
""",
    "nan in anomaly mode": """
with t.autograd.set_detect_anomaly(True):
    refused(((x * 0).sqrt() * 0).sum().backward)
""",
    "func.grad": "grad(lambda v: (v * v.exp()).sum())(w)",
    "func.grad of func.grad": "grad(lambda u: grad(lambda v: (v**3).sum())(u).sum())(w)",
    "func.grad with a hook": """
def f(v):
    y = v * 2
    y.register_hook(lambda g: g * 2)
    return y.sum()
grad(f)(w)
""",
    "func.grad that fails": "refused(lambda: grad(lambda v: v * v)(w)); refused(lambda: grad(lambda v: v[7])(w))",
    "func.grad over what requires grad": "grad(lambda v: (v * v * x).sum())(w).sum().backward()",
    "func.vjp": "out, pull = vjp(lambda v: v.exp() * v, w); pull(t.ones(3)); pull(t.ones(3))",
    "func.vjp, dropped": "out, pull = vjp(lambda v: v.exp() * v, w)",
    "func.jvp": "jvp(lambda v: v.exp() * v, (w,), (t.ones(3),))",
    "func.linearize": "out, push = t.func.linearize(lambda v: v.exp() * v, w); push(t.ones(3))",
    "vmap": "vmap(lambda r: r.sin() * r.sum())(m).sum().backward()",
    "vmap with writes": """
def f(r):
    y = r.new_zeros(4)
    y[1:] = r
    y[:2].mul_(3)
    return y
vmap(f)(m)
""",
    "vmap of grad": "vmap(grad(lambda r: r.exp().sum()))(m)",
    "vmap that fails": "refused(lambda: vmap(lambda r: r.item())(m)); refused(lambda: vmap(lambda r: r @ t.ones(4))(m))",
    "jacobians": "t.func.jacrev(lambda v: v.exp())(w); t.func.jacfwd(lambda v: v.exp())(w)",
    "hessian": "t.func.hessian(lambda v: (v**3).sum())(w)",
    "functional": "t.autograd.functional.hessian(lambda v: (v**3).sum(), w)",
    "functional_call under grad": """
grad(lambda p: t.func.functional_call(net, p, (t.ones(2, 3),)).sum())({k: v.detach() for k, v in params.items()})
""",
    "a custom Function under transforms": """
vmap(grad(lambda v: Square.apply(v)[1].sum()))(m)
jvp(lambda v: Square.apply(v)[1], (w,), (t.ones(3),))
""",
    "a tensor kept from a transform": """
kept = []
grad(lambda v: (kept.append(v * 2), v.sum())[1])(w)
vmap(lambda v: (kept.append(v * 2), v.sum())[1])(m)
""",
    "checkpoint of func.grad": """
checkpoint(lambda v: grad(lambda u: (u.exp() * u).sum())(v), x, use_reentrant=False).sum().backward()
""",
    "checkpoint under vmap": "vmap(lambda v: checkpoint(lambda u: u.exp().sin(), v, use_reentrant=False))(m)",
    "forward mode": """
with fwAD.dual_level():
    y = fwAD.make_dual(x, t.ones(3)).exp() * w
    fwAD.unpack_dual(y).tangent.sum().backward()
""",
    "forward mode, dropped": """
with fwAD.dual_level():
    kept = fwAD.make_dual(x, t.ones(3)).exp() * w
""",
    "forward mode with writes": """
with fwAD.dual_level():
    y = fwAD.make_dual(x, t.ones(3)) * 2
    y[1:].mul_(w[:2])
""",
    "no_grad": "with t.no_grad(): y = x * 2; y.add_(1); v = y[1:]; v.mul_(2)",
    "inference_mode": """
with t.inference_mode():
    y = x * 2
    y.add_(1)
    v = y[1:]
y.clone() * x
""",
    "decorators": "without_grad(x); a, b = parts(x); (a + b).sum().backward(); next(parts(x))",
    "set_grad_enabled": "t.set_grad_enabled(False); x * 2; t.set_grad_enabled(True)",
    "numpy and item": "y = (x * 2).detach(); y.numpy(force=True); y.sum().item(); y.tolist(); repr(y); t.tensor([1.0, 2.0])",
    "random numbers": "t.rand(3) * x; t.nn.functional.dropout(x, 0.5)",
    "gradcheck": "t.autograd.gradcheck(lambda v: v.exp(), t.ones(2, dtype=t.float64, requires_grad=True))",
    "explain": "y = x * 2; gc_text = t.explain(y); gc_text = t.explain(x)",
    "deepcopy and pickle": "import copy, pickle; copy.deepcopy(x); pickle.loads(pickle.dumps(x))",
}

SLOW = {
    "jacobians",
    "hessian",
    "functional",
    "gradcheck",
    "a custom Function under transforms",
    "training",
    "anomaly mode",
}
"""Steps of which some dozens must do."""


@pytest.fixture
def _collector_off(monkeypatch):
    # What explain() knows is kept for so many tensors.
    monkeypatch.setattr("gradcore.watch.LIMIT", 20)
    collector.collect()
    collector.freeze()  # a collection then looks at new objects only
    collector.disable()
    yield
    collector.enable()
    collector.unfreeze()


@pytest.mark.usefixtures("_collector_off")
@pytest.mark.parametrize("name", STEPS)
def test_memory_is_flat(name):
    step = _step(STEPS[name])
    for _ in range(10):
        step()
    steps = 10 if name in SLOW else 30
    more = []
    # Python and NumPy fill stores of their own for a while; what leaks is one block at least, at every step, for ever.
    while len(more) < 15:
        collector.collect()
        blocks = sys.getallocatedblocks()
        for _ in range(steps):
            step()
        cyclic = collector.collect()
        more.append(sys.getallocatedblocks() - blocks)
        assert cyclic == 0, f"{cyclic} objects in cycles after {steps} steps"
        if more[-1] < steps // 2:
            return
    pytest.fail(f"{more} blocks of memory more after {steps} steps each")


@pytest.mark.usefixtures("_collector_off")
def test_memory_is_flat_over_thousands_of_steps():
    steps = [_step(program) for name, program in STEPS.items() if name not in SLOW]
    for step in steps * 2:
        step()
    collector.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(15):
        for step in steps:
            step()
    tensors = sum(isinstance(o, gc.Tensor) for o in collector.get_objects())
    assert collector.collect() == 0
    assert sys.getallocatedblocks() - blocks < 500
    assert tensors < 20 * len(steps)


def _step(program):
    """A function that runs the program; its names are gone when it ends."""
    names = {"t": gc, "__name__": "program"}
    exec(compile(PRELUDE, "<prelude>", "exec"), names)
    lines = "".join(f"    {line}\n" for line in program.strip().splitlines())
    exec(compile(f"def step():\n{lines}", "<step>", "exec"), names)
    return names["step"]
