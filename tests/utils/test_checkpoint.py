"""Checkpoints: what is forgotten, when it is computed again, and what is refused."""

from __future__ import annotations

import gc as garbage
import weakref

import numpy as np
import pytest
from programs import assert_raises

import gradcore as gc
from gradcore.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential, set_checkpoint_debug_enabled

BEGIN = """
import importlib
c = importlib.import_module(t.__name__ + ".utils.checkpoint")
checkpoint = c.checkpoint
log = []
def seen(x):
    return [round(v, 4) for v in x.detach().to(t.float64).flatten().tolist()]
w = t.tensor([[0.5, 1.0], [-2.0, 0.25]], dtype=t.float64, requires_grad=True)
x = t.tensor([1.0, 2.0], dtype=t.float64, requires_grad=True)
def f(x, k=1.0):
    log.append("start")
    h = (w @ x).sin()
    h = h * h.exp() * k
    log.append("middle")
    out = h.cos()
    log.append("all that is saved is there")
    return out * 2
def grads():
    out = [None if v.grad is None else seen(v.grad) for v in (x, w)]
    x.grad = w.grad = None
    return out
"""

PROGRAMS = {
    "backward": """
y = checkpoint(f, x, use_reentrant=False)
log += [y.grad_fn.name(), seen(y), "forward is over"]
y.sum().backward()
log.append(grads())
""",
    "without early stop": """
for y in (
    checkpoint(f, x, use_reentrant=False, early_stop=False),
    checkpoint(f, x, use_reentrant=False, early_stop=True),
):
    y.sum().backward()
    log.append(grads())
with c.set_checkpoint_early_stop(False):
    y = checkpoint(f, x, use_reentrant=False, early_stop=True)
y.sum().backward()
with c.set_checkpoint_early_stop(True):
    y = checkpoint(f, x, use_reentrant=False, early_stop=False)
y.sum().backward()
log.append(grads())
""",
    "keyword arguments": """
s = t.tensor(1.5, dtype=t.float64, requires_grad=True)
y = checkpoint(f, x=x, k=s, use_reentrant=False)
z = checkpoint(f, x, k=0.5, use_reentrant=False, preserve_rng_state=False)
(y + z).sum().backward()
log += [grads(), seen(s.grad)]
""",
    "retain_graph": """
y = checkpoint(f, x, use_reentrant=False)
y.sum().backward(retain_graph=True)
log.append(grads())
y.sum().backward(retain_graph=True)
log.append(grads())
y.sum().backward()
log.append(grads())
""",
    "autograd.grad": """
y = checkpoint(f, x, use_reentrant=False)
log.append([seen(g) for g in t.autograd.grad(y.sum(), [x, w], retain_graph=True)])
log.append([seen(g) for g in t.autograd.grad(y.sum(), x)])
log.append(grads())
""",
    "derivatives of second order": """
y = checkpoint(f, x, use_reentrant=False)
g, = t.autograd.grad(y.sum(), x, create_graph=True)
log.append((seen(g), "second"))
(g * g).sum().backward()
log.append(grads())
""",
    "derivatives of third order": """
y = checkpoint(f, x, use_reentrant=False)
g, = t.autograd.grad(y.sum(), x, create_graph=True)
h, = t.autograd.grad(g.sum(), x, create_graph=True)
h.sum().backward()
log[:] = [grads()]
""",
    "checkpoint inside a recorded backward": """
def slope(x):
    with t.enable_grad():
        y = f(x).sum()
        return t.autograd.grad(y, x, create_graph=True)[0]
y = checkpoint(slope, x, use_reentrant=False)
y.sum().backward()
log[:] = [grads()]
""",
    "backward inside the function": """
def g(x):
    a = x.sin()
    b = a.cos()
    d, = t.autograd.grad(b.sum(), x, retain_graph=keep, create_graph=create)
    log.append("between")
    return x.cos() * d + b
for stop in (True, False):
    for keep, create in ((True, False), (True, True)):
        y = checkpoint(g, x * 1, use_reentrant=False, early_stop=stop)
        log.append("backward")
        y.sum().backward()
        log.append(grads())
""",
    "nested": """
def outer(x):
    log.append("outer")
    a = checkpoint(f, x * 2, use_reentrant=False)
    b = checkpoint(lambda x: checkpoint(f, x.sin(), use_reentrant=False) * x, a, use_reentrant=False)
    return a * b
y = checkpoint(outer, x, use_reentrant=False)
log.append("backward")
y.sum().backward()
log.append(grads())
""",
    "nested, second order": """
def outer(x):
    a = checkpoint(f, x * 2, use_reentrant=False)
    return a * checkpoint(f, a.exp(), use_reentrant=False)
y = checkpoint(outer, x, use_reentrant=False)
g, = t.autograd.grad(y.sum(), x, create_graph=True)
g.sum().backward()
log[:] = [grads()]
""",
    "several outputs, used in part": """
def g(x):
    log.append("g")
    return {"a": x.sin().exp(), "b": [x.cos() * w.sum(), 3, None]}
out = checkpoint(g, x, use_reentrant=False)
out["a"].sum().backward()
log.append(grads())
""",
    "arguments of all kinds": """
def g(x, n, items, *, options=None):
    log.append((n, len(items), options))
    return (x * n).exp() * items[0]
y = checkpoint(g, x, 2, [w], use_reentrant=False, options="o")
y.sum().backward()
log.append(grads())
""",
    "a module's kind of closure": """
class Block:
    def __call__(self, x):
        log.append("block")
        return (w @ x).tanh()
y = x
for i in range(3):
    y = checkpoint(Block(), y, use_reentrant=False)
y.sum().backward()
log.append(grads())
""",
    "recording switched off": """
with t.no_grad():
    y = checkpoint(f, x, use_reentrant=False)
log.append((y.requires_grad, y.grad_fn))
def g(x):
    with t.no_grad():
        a = (x * 3).sin() * x
    b = a * x
    c = x.detach() * w.exp().detach()
    return b.sin() + c * x
y = checkpoint(g, x, use_reentrant=False)
y.sum().backward()
log.append(grads())
""",
    "nothing requires grad": """
y = checkpoint(lambda a: a.exp(), x.detach(), use_reentrant=False)
log.append(y.requires_grad)
y = checkpoint(lambda a: a + 1, x, use_reentrant=False)
y.sum().backward()
log.append(grads())
""",
    "writing in place inside": """
def g(x):
    a = x * 2
    a[:1].mul_(w[0, 0])
    a.exp_()
    b = a * 1
    b[1] = a[0] * 2
    return b * b
y = checkpoint(g, x, use_reentrant=False)
y.sum().backward()
log.append(grads())
""",
    "context_fn": """
import contextlib
@contextlib.contextmanager
def note(what):
    log.append("enter " + what)
    yield
    log.append("leave " + what)
class Note:
    def __init__(self, what):
        self.what = what
    def __enter__(self):
        log.append("enter " + self.what)
    def __exit__(self, *exc):
        log.append(("leave " + self.what, exc[0] is None))
y = checkpoint(f, x, use_reentrant=False, context_fn=lambda: (Note("first"), Note("again")))
y.sum().backward(retain_graph=True)
y.sum().backward()
log.append(grads())
""",
    "hooks around and inside": """
hooks = t.autograd.graph.saved_tensors_hooks
def pack(x):
    log.append(("pack", seen(x)))
    return x.detach()
def unpack(x):
    log.append(("unpack", seen(x)))
    return x
with hooks(pack, unpack):
    y = checkpoint(f, x * 1, use_reentrant=False)
y.sum().backward()
def g(x):
    with hooks(pack, unpack):
        a = x.sin()
    return a.cos()
y = checkpoint(g, x, use_reentrant=False)
y.sum().backward()
log.append(grads())
""",
    "leaving by an exception": """
def bad(x):
    x.sin()
    raise KeyError("bad")
try:
    checkpoint(bad, x, use_reentrant=False)
except KeyError:
    log.append("raised")
calls = []
def bad_again(x):
    calls.append(1)
    if len(calls) == 2:
        raise KeyError("again")
    return x.sin().cos()
y = checkpoint(bad_again, x, use_reentrant=False)
try:
    y.sum().backward()
except KeyError:
    log.append("raised again")
y.sum().backward()
log += [len(calls), grads()]
""",
    "a sequence": """
def step(i):
    def run(x):
        log.append(i)
        return (w @ x).tanh()
    return run
for n in (1, 2, 3, 5):
    y = c.checkpoint_sequential([step(i) for i in range(5)], n, x, use_reentrant=False)
    log.append("backward")
    y.sum().backward()
    log.append(grads())
""",
    "reentrant": """
def g(x, k):
    return f(x, k), x.exp()
def inner(x, k):
    return checkpoint(g, x, k, use_reentrant=True)
for fn in (g, inner):
    y, z = checkpoint(fn, x * 1, 3, use_reentrant=True)
    log += [y.grad_fn.name(), y.requires_grad]
    (y.sum() + z.sum()).backward()
    log.append(grads())
y = c.checkpoint_sequential([f, f, f, f], 2, x, use_reentrant=True)
y.sum().backward()
log.append(grads())
""",
    "metadata is not compared": """
calls = []
def g(x):
    calls.append(1)
    return (x if len(calls) == 1 else x[None]).sin().sum()
y = checkpoint(g, x, use_reentrant=False, determinism_check="none")
y.backward()
log.append(len(calls))
""",
}


def evaluate(program, t):
    names = {"t": t}
    exec(compile(BEGIN + PROGRAMS[program], f"<{program}>", "exec"), names)
    return names["log"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program, torch):
    assert evaluate(program, gc) == evaluate(program, torch)


CHECKPOINT = (
    "import importlib; c = importlib.import_module(t.__name__ + '.utils.checkpoint'); checkpoint = c.checkpoint\n"
)
X = CHECKPOINT + "x = t.ones(3, requires_grad=True); n = []\n"
UNEVEN = """
def f(x):
    n.append(1)
    return x.sin() if len(n) == 1 else x.sin().cos() if more else x * 1
"""
ERRORS = [
    (
        X + "more = False" + UNEVEN + "checkpoint(f, x, use_reentrant=False).sum().backward()",
        RuntimeError,
        "A different number of tensors",
        "original forward and recomputation",
        "during forward: 1",
        "during recomputation: 0",
    ),
    (
        X + "more = True" + UNEVEN + "checkpoint(f, x, use_reentrant=False, early_stop=False).sum().backward()",
        RuntimeError,
        "trying to save more tensors",
    ),
    (
        X + "f = lambda x: (n.append(1), (x if len(n) == 1 else x[None] + x[:, None]).sin())[1]\n"
        "checkpoint(f, x, use_reentrant=False).sum().backward()",
        RuntimeError,
        "Recomputed values",
        "have different metadata",
        "tensor at position 0",
    ),
    (
        X + "f = lambda x: (n.append(1), (x if len(n) == 1 else x.double()).sin())[1]\n"
        "checkpoint(f, x, use_reentrant=False).sum().backward()",
        RuntimeError,
        "Recomputed values",
        "have different metadata",
    ),
    (
        X + "checkpoint(t.sin, x, use_reentrant=False, determinism_check='no')",
        ValueError,
        "determinism_check should be one of",
    ),
    (
        X + "checkpoint(t.sin, x, use_reentrant=False, debug=True, context_fn=lambda: c.noop_context_fn())",
        ValueError,
        "debug=True is incompatible",
    ),
    (X + "checkpoint(t.sin, x, use_reentrant=True, k=3)", ValueError, "Unexpected keyword arguments"),
    (
        X + "c.checkpoint_sequential([t.sin], 1, x, use_reentrant=False, k=3)",
        ValueError,
        "Unexpected keyword arguments",
    ),
    (X + "c.checkpoint_sequential([t.sin], 2, x, use_reentrant=False)", ValueError),
    (X + "checkpoint(t.sin, x, use_reentrant=True, debug=True)", ValueError, "only supported when use_reentrant=False"),
    (
        X + "y = checkpoint(t.sin, x, use_reentrant=True); t.autograd.grad(y.sum(), x)",
        RuntimeError,
        "incompatible with .grad()",
        "set use_reentrant=False",
    ),
    (
        X + "y = checkpoint(t.sin, x, use_reentrant=True); y.sum().backward(inputs=[x])",
        RuntimeError,
        "incompatible with .grad()",
        "set use_reentrant=False",
    ),
    (
        X + "checkpoint(lambda x: x.detach(), x, use_reentrant=True).sum().backward()",
        RuntimeError,
        "none of output has requires_grad=True",
    ),
    (
        X + "z = x * 1; y = checkpoint(lambda z: z.sin(), z, use_reentrant=False); z.add_(1); y.sum().backward()",
        RuntimeError,
        "modified by an inplace operation",
    ),
    (
        X + "y = checkpoint(lambda x: x.sin().cos(), x, use_reentrant=False); y.sum().backward(); y.sum().backward()",
        RuntimeError,
        "backward through the graph",
        "a second time",
    ),
    (
        X + "import contextlib\nmade = lambda: (contextlib.suppress(KeyError), contextlib.nullcontext())\n"
        "checkpoint(lambda x: {}['a'], x, use_reentrant=False, context_fn=made)",
        RuntimeError,
        "suppressed an exception",
    ),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e[0][-80:])
def test_errors(error, t):
    program, kind, *phrases = error
    if kind is RuntimeError and any(p in phrases[0] for p in ("different number", "Recomputed", "more tensors")):
        module = checkpoint.__module__ if t is gc else "torch.utils.checkpoint"
        kind = __import__(module, fromlist=["CheckpointError"]).CheckpointError
        assert issubclass(kind, RuntimeError)
    assert_raises(program, t, kind, *phrases)


WARNINGS = [
    ("checkpoint(t.sin, x)", "use_reentrant parameter should be"),
    ("c.checkpoint_sequential([t.sin, t.cos], 2, x)", "use_reentrant"),
    (
        "checkpoint(t.sin, x.detach(), use_reentrant=True)",
        "None of the inputs have requires_grad=True. Gradients will be None",
    ),
]


@pytest.mark.parametrize("case", WARNINGS, ids=lambda c: c[0])
def test_warnings(case, t):
    with pytest.warns(UserWarning, match=case[1]):
        exec(X + case[0], {"t": t})


def test_without_use_reentrant_it_is_not_reentrant():
    x = gc.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="use_reentrant parameter"):
        y = checkpoint(gc.sin, x)
    assert y.grad_fn.name() == "SinBackward0"
    assert gc.autograd.grad(y.sum(), x)[0].tolist() == x.cos().tolist()


def live_bytes(checkpointed, width=1000, depth=8):
    """How much memory results take after forward, and how often each layer ran in all."""
    x = gc.full((width,), 0.5, requires_grad=True)
    alive = []
    runs = [0] * depth

    def layer(i):
        def run(h):
            runs[i] += 1
            for _ in range(3):
                h = h.sin().exp()
                alive.append((weakref.ref(h._data), h.nbytes))
            return h

        return run

    h = x
    for i in range(depth):
        h = checkpoint(layer(i), h, use_reentrant=False) if checkpointed else layer(i)(h)
    taken = sum(size for ref, size in alive if ref() is not None)
    h.sum().backward()
    return taken, runs, x.grad


def test_it_saves_memory_and_runs_everything_once_more():
    plain, runs, grad = live_bytes(False)
    assert runs == [1] * 8
    less, runs, same = live_bytes(True)
    assert runs == [2] * 8
    # Of three results of each layer only the last is kept, as the argument of the next.
    assert plain == 3 * less
    assert same.tolist() == grad.tolist()


def test_what_was_computed_again_goes_with_its_use():
    x = gc.full((10,), 0.5, requires_grad=True)
    alive = []

    def f(x):
        for _ in range(5):
            x = x.sin()
            alive.append(weakref.ref(x._data))
        return x

    y = checkpoint(f, x, use_reentrant=False)
    assert sum(ref() is not None for ref in alive) == 1
    for keep in (True, True, False):
        y.sum().backward(retain_graph=keep)
        assert sum(ref() is not None for ref in alive) == 1


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_nothing_is_left_to_the_collector(use_reentrant):
    x = gc.ones(4, requires_grad=True)

    def f(x):
        a = x * 2
        made.append(weakref.ref(a.grad_fn) if a.grad_fn is not None else weakref.ref(a))
        b = a.exp() * a
        b[:2].mul_(a[:2])
        return b.sin()

    def outer(x):
        return checkpoint(f, x if use_reentrant else x.cos(), use_reentrant=use_reentrant) * x

    garbage.collect()
    garbage.disable()
    try:
        for backward in (False, True):
            for function in (f, outer):
                made = []
                y = checkpoint(function, x, use_reentrant=use_reentrant)
                made.append(weakref.ref(y.grad_fn))
                if backward and use_reentrant:
                    y.sum().backward()
                elif backward:
                    g, *_ = gc.autograd.grad(y.sum(), x, create_graph=True)
                    g.sum().backward()
                    made.append(weakref.ref(g.grad_fn))
                    del g
                del y
                x.grad = None
                assert [ref() for ref in made] == [None] * len(made)
    finally:
        garbage.enable()


def test_a_second_run_gets_the_same_random_numbers():
    model = gc.nn.Sequential(
        gc.nn.Linear(6, 8), gc.nn.Dropout(0.5), gc.nn.ReLU(), gc.nn.Linear(8, 6), gc.nn.Dropout(0.25)
    )
    x = gc.rand(5, 6, requires_grad=True)
    parameters = [x, *model.parameters()]
    state = gc.get_rng_state()
    expected = gc.autograd.grad(model(x).pow(2).sum(), parameters)
    after = gc.rand(3).tolist()
    for run in (
        lambda: checkpoint(model, x, use_reentrant=False),
        lambda: checkpoint(model, x, use_reentrant=False, early_stop=False),
        lambda: checkpoint(lambda x: checkpoint(model, x, use_reentrant=False), x, use_reentrant=False),
        lambda: checkpoint_sequential(model, 2, x, use_reentrant=False),
        lambda: checkpoint_sequential(model, 3, x, use_reentrant=False),
    ):
        gc.set_rng_state(state)
        loss = run().pow(2).sum()
        between = gc.get_rng_state()
        gc.rand(7)
        found = gc.autograd.grad(loss, parameters)
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_array_equal(got.numpy(force=True), want.numpy(force=True))
        gc.set_rng_state(between)
        assert gc.rand(3).tolist() == after


def test_the_numbers_after_backward_are_those_without_it():
    x = gc.ones(50, requires_grad=True)
    state = gc.get_rng_state()
    y = checkpoint(lambda x: gc.nn.functional.dropout(x.sin(), 0.5), x, use_reentrant=False)
    expected = gc.rand(3).tolist()
    gc.set_rng_state(state)
    y = checkpoint(lambda x: gc.nn.functional.dropout(x.sin(), 0.5), x, use_reentrant=False)
    y.sum().backward()
    assert gc.rand(3).tolist() == expected
    mask = (y != 0).to(gc.float32)
    np.testing.assert_allclose(x.grad.tolist(), (mask * 2 * gc.cos(x)).tolist(), rtol=1e-6)


def test_the_second_run_has_other_numbers_if_asked_for():
    x = gc.ones(1000, requires_grad=True)
    y = checkpoint(
        lambda x: gc.nn.functional.dropout(x.sin(), 0.5).sin(), x, use_reentrant=False, preserve_rng_state=False
    )
    y.sum().backward()
    assert ((y != 0) != (x.grad != 0)).sum() > 100


def test_a_leaf_that_changed_is_noticed():
    # PyTorch computes with the new values, and gives a gradient that belongs to no function.
    w = gc.full((2,), 2.0, requires_grad=True)
    x = gc.ones(2, requires_grad=True)
    y = checkpoint(lambda x: (x * w).sin(), x, use_reentrant=False)
    with gc.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    assert x.grad is None


def test_an_argument_given_by_name_that_changed_is_noticed():
    x = gc.ones(2, requires_grad=True)
    k = gc.ones(2)
    y = checkpoint(lambda x, k: (x * k).sin(), x, use_reentrant=False, k=k)
    k.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_what_the_function_writes_to_after_saving_it_is_noticed():
    x = gc.ones(2, requires_grad=True)

    def f(x):
        a = x * 2
        b = a.sin()
        a.add_(1)
        return b.cos() * a

    assert f(x).grad_fn is not None
    y = checkpoint(f, x, use_reentrant=False, early_stop=False)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_handlers_in_the_function_do_not_take_the_early_stop():
    x = gc.ones(2, requires_grad=True)
    runs = []

    def f(x):
        runs.append("start")
        try:
            out = x.sin().cos()
        except Exception:  # noqa: BLE001
            runs.append("handler")
            out = x
        runs.append("end")
        return out

    checkpoint(f, x, use_reentrant=False).sum().backward()
    assert runs == ["start", "end", "start"]


@pytest.mark.parametrize("by_block", [False, True])
def test_debug_says_where_tensors_were_saved(by_block):
    x = gc.ones(2, requires_grad=True)
    calls = []

    def f(x):
        calls.append(1)
        return x.sin() if len(calls) == 1 else x * 2

    if by_block:
        with set_checkpoint_debug_enabled(True):
            y = checkpoint(f, x, use_reentrant=False)
    else:
        y = checkpoint(f, x, use_reentrant=False, debug=True)
    with pytest.raises(CheckpointError) as caught:
        y.sum().backward()
    assert "0: shape [2], float32" in str(caught.value).replace("gradcore.", "")
    assert "test_checkpoint.py:" in str(caught.value)
    assert " in f" in str(caught.value)
    calls.clear()
    with set_checkpoint_debug_enabled(False):
        y = checkpoint(f, x, use_reentrant=False, debug=True)
    with pytest.raises(CheckpointError, match="pass debug=True"):
        y.sum().backward()


def test_the_second_run_makes_tensors_on_the_same_device():
    x = gc.ones(2, device="strict:2", requires_grad=True)
    with gc.device("strict:2"):
        y = checkpoint(lambda x: (x * gc.ones(2)).sin(), x, use_reentrant=False)
    y.sum().backward()
    assert x.grad.tolist() == x.cos().tolist()


def test_reading_what_a_node_saved_runs_the_function():
    x = gc.ones(2, requires_grad=True)
    runs = []
    y = checkpoint(lambda x: (runs.append(1), x.sin().exp())[1], x, use_reentrant=False)
    assert y.grad_fn._saved_result.tolist() == y.tolist()
    assert len(runs) == 2
    y.sum().backward()
    assert x.grad.tolist() == (x.cos() * x.sin().exp()).tolist()
