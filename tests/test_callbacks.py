"""Backward within backward, callbacks at the end of one, and what an error inside one leaves."""

from __future__ import annotations

import pytest

import gradcore as gc


def values(x):
    return x.numpy(force=True).tolist()


def queue(t, function):
    t.autograd.Variable._execution_engine.queue_callback(function)


def test_a_callback_runs_once_at_the_end(t):
    x = t.ones(2, requires_grad=True)
    y = x.exp()
    ran = []

    def hook(g):
        ran.append("hook")
        queue(t, lambda: ran.append(("first", x.grad is not None, t.is_grad_enabled())))
        queue(t, lambda: queue(t, lambda: ran.append("queued by a callback")))
        queue(t, lambda: ran.append("last"))

    y.register_hook(hook)
    y.sum().backward(retain_graph=True)
    expected = ["hook", ("first", True, False), "last", "queued by a callback"]
    assert ran == expected
    ran.clear()
    y.sum().backward(retain_graph=True)
    assert ran == expected
    ran.clear()
    x.grad = None
    t.autograd.grad(y.sum(), x, create_graph=True)
    assert ran == ["hook", ("first", False, True), "last", "queued by a callback"]


def test_callbacks_from_every_kind_of_hook(t):
    x = t.ones(2, requires_grad=True)
    y = x.exp()
    ran = []
    x.register_hook(lambda g: queue(t, lambda: ran.append("tensor")))
    x.register_post_accumulate_grad_hook(lambda p: queue(t, lambda: ran.append("accumulated")))
    y.grad_fn.register_prehook(lambda go: queue(t, lambda: ran.append("pre")))
    y.grad_fn.register_hook(lambda gi, go: queue(t, lambda: ran.append("post")))
    y.sum().backward()
    assert ran == ["pre", "post", "tensor", "accumulated"]


def test_a_callback_from_the_backward_of_a_function(t):
    ran = []

    class Double(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            queue(t, lambda: ran.append("end"))
            ran.append("backward")
            return g * 2

    x = t.ones(2, requires_grad=True)
    x.register_post_accumulate_grad_hook(lambda p: ran.append("accumulated"))
    Double.apply(x).sum().backward()
    assert ran == ["backward", "accumulated", "end"]


def test_outside_of_a_backward_there_is_nothing_to_wait_for(t):
    with pytest.raises(RuntimeError, match="Final callbacks can only be installed during backward pass"):
        queue(t, print)
    x = t.ones(2, requires_grad=True)
    x.sum().backward()
    with pytest.raises(RuntimeError, match="Final callbacks"):
        queue(t, print)


def test_what_cannot_be_called_is_refused_at_once():
    x = gc.ones(2, requires_grad=True)
    x.register_hook(lambda g: queue(gc, 3))
    with pytest.raises(TypeError, match=r"a function without arguments.*got int"):
        x.sum().backward()


def test_callbacks_of_a_backward_that_fails_are_dropped(t):
    x = t.ones(2, requires_grad=True)
    y = x.exp()
    ran = []
    failing = y.register_hook(lambda g: 1 / 0)
    loss = y.sum()
    loss.register_hook(lambda g: queue(t, lambda: ran.append("end")))
    with pytest.raises(ZeroDivisionError):
        loss.backward(retain_graph=True)
    assert ran == []
    failing.remove()
    loss.backward()
    assert ran == ["end"]


def test_a_callback_that_fails(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    ran = []

    def fail():
        ran.append("failing")
        raise ValueError("in a callback")

    def hook(g):
        queue(t, fail)
        queue(t, lambda: ran.append("the next"))

    handle = y.register_hook(hook)
    with pytest.raises(ValueError, match="in a callback"):
        y.sum().backward(retain_graph=True)
    assert ran == ["failing"]
    assert values(x.grad) == [2.0, 2.0]
    handle.remove()
    y.sum().backward()
    assert values(x.grad) == [4.0, 4.0]


def test_callbacks_of_a_backward_within_a_backward_run_at_its_end(t):
    x = t.ones(2, requires_grad=True)
    w = t.ones(2, requires_grad=True)
    y = x.exp()
    ran = []

    def hook(g):
        queue(t, lambda: ran.append("outer, before"))
        with t.enable_grad():
            z = (w * 3).sum()
        z.register_hook(lambda g: queue(t, lambda: ran.append(("inner", values(w.grad)))))
        z.backward()
        ran.append("inner backward has returned")
        queue(t, lambda: ran.append("outer, after"))

    y.register_hook(hook)
    y.sum().backward()
    assert ran == [("inner", [3.0, 3.0]), "inner backward has returned", "outer, before", "outer, after"]


def test_a_backward_within_a_backward_into_the_same_leaf(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3

    def hook(g):
        with t.enable_grad():
            inner = (x * 10).sum()
        inner.backward()

    y.register_hook(hook)
    y.sum().backward()
    assert values(x.grad) == [13.0, 13.0]


def test_a_backward_within_the_hook_that_runs_after_accumulation(t):
    # Into another leaf: PyTorch waits for ever where it is the same.
    x = t.ones(2, requires_grad=True)
    w = t.ones(2, requires_grad=True)

    def hook(p):
        with t.enable_grad():
            (w * p.grad).sum().backward()

    x.register_post_accumulate_grad_hook(hook)
    (x * 4).sum().backward()
    assert values(w.grad) == [4.0, 4.0]


def test_a_backward_within_the_hook_that_runs_after_accumulation_into_the_same_leaf():
    x = gc.ones(2, requires_grad=True)
    depth = []

    def hook(p):
        depth.append(len(depth))
        if len(depth) < 3:
            with gc.enable_grad():
                (x * 10).sum().backward()

    x.register_post_accumulate_grad_hook(hook)
    (x * 1).sum().backward()
    assert values(x.grad) == [21.0, 21.0]


def test_a_graph_that_is_run_within_its_own_backward(t):
    x = t.ones(2, requires_grad=True)
    y = x.exp()
    loss = y.exp().sum()
    runs = []

    def hook(g):
        runs.append(len(runs))
        if len(runs) == 1:
            (inner,) = t.autograd.grad(loss, x, retain_graph=True)
            found.append(values(inner))

    found = []
    y.register_hook(hook)
    loss.backward(retain_graph=True)
    assert runs == [0, 1]
    assert found == [values(x.grad)]


def test_checkpointing_by_hand_in_a_function(t):
    """The usual reentrant backward: a Function that runs its forward again in backward."""

    class Again(t.autograd.Function):
        @staticmethod
        def forward(ctx, run, *args):
            ctx.run = run
            ctx.save_for_backward(*args)
            with t.no_grad():
                return run(*args)

        @staticmethod
        def backward(ctx, g):
            args = [a.detach().requires_grad_() for a in ctx.saved_tensors]
            with t.enable_grad():
                out = ctx.run(*args)
            t.autograd.backward(out, g)
            return (None, *[a.grad for a in args])

    w = t.tensor([1.0, 2.0], requires_grad=True)
    x = t.tensor([0.5, 0.25], requires_grad=True)

    def layer(x):
        return (x * w).sin()

    Again.apply(lambda x: Again.apply(layer, x) * 2, x).sum().backward()
    again = values(x.grad), values(w.grad)
    x.grad = w.grad = None
    (layer(x) * 2).sum().backward()
    for found, plain in zip(again, (values(x.grad), values(w.grad)), strict=True):
        assert found == pytest.approx(plain)


def test_deep_nesting(t):
    x = t.ones(1, requires_grad=True)

    def descend(depth):
        with t.enable_grad():
            y = (x * 1).sum()
        if depth:
            y.register_hook(lambda g: descend(depth - 1))
        y.backward()

    descend(20)
    assert values(x.grad) == [21.0]


KINDS = {
    "tensor hook": lambda t, x, y, f: y.register_hook(f),
    "tensor hook of the leaf": lambda t, x, y, f: x.register_hook(f),
    "pre-hook": lambda t, x, y, f: y.grad_fn.register_prehook(f),
    "post-hook": lambda t, x, y, f: y.grad_fn.register_hook(lambda gi, go: f(gi)),
    "post-accumulate hook": lambda t, x, y, f: x.register_post_accumulate_grad_hook(f),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_in_a_hook_leaves_graph_and_gradients_usable(t, kind):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    w = t.tensor([3.0, 4.0], requires_grad=True)
    y = x * w
    z = y.exp() * 1

    def fail(*args):
        raise KeyError(kind)

    handle = KINDS[kind](t, x, y, fail)
    versions = x._version, y._version, z._version
    with pytest.raises(KeyError, match=kind):
        z.sum().backward(retain_graph=True)
    assert (x._version, y._version, z._version) == versions
    assert t.is_grad_enabled()
    handle.remove()
    x.grad = w.grad = None
    z.sum().backward()
    expected = t.autograd.grad((x * w).exp().sum(), [x, w])
    assert values(x.grad) == pytest.approx(values(expected[0]))
    assert values(w.grad) == pytest.approx(values(expected[1]))


def test_an_error_before_a_node_leaves_what_that_node_saved(t):
    x = t.ones(2, requires_grad=True)
    y = x.exp()
    z = y.sin()
    handle = y.grad_fn.register_prehook(lambda go: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        z.sum().backward()
    handle.remove()
    # The node after it ran, and has let go of what it saved; this one has not.
    with pytest.raises(RuntimeError, match="second time"):
        z.sum().backward()
    y.sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("function", ["raises", "shape", "count", "type"])
def test_an_error_in_the_backward_of_a_function(t, function):
    class Faulty(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            if function == "raises":
                raise LookupError("mine")
            return {"shape": t.ones(7), "count": (g, g), "type": 3}[function]

    x = t.ones(2, requires_grad=True)
    w = t.ones(2, requires_grad=True)
    w.grad = t.ones(2)
    loss = (Faulty.apply(x * 1) * w).sum()
    with pytest.raises(LookupError if function == "raises" else RuntimeError):
        loss.backward()
    assert x.grad is None
    assert t.is_grad_enabled()
    (x * 5).sum().backward()
    assert values(x.grad) == [5.0, 5.0]


def test_numbers_of_backwards(t):
    number = t.autograd.graph._current_graph_task_id if t is gc else t._C._current_graph_task_id
    x = t.ones(2, requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(number()))
    y = x * 2
    y.register_hook(lambda g: seen.append(number()))
    y.sum().backward()
    (x * 3).sum().backward()
    assert number() == -1
    assert seen[0] == seen[1] != seen[2]
    assert min(seen) >= 0


def test_the_state_of_a_backward_goes_with_it():
    import gc as collector
    import weakref

    from gradcore.engine import current_walk

    collector.disable()
    try:
        held = []
        x = gc.ones(2, requires_grad=True)
        x.register_hook(lambda g: held.append(weakref.ref(current_walk())))
        (x * 2).sum().backward()
        assert [ref() for ref in held] == [None]
        assert current_walk() is None
    finally:
        collector.enable()


def test_a_function_that_gave_an_invalid_gradient_keeps_what_it_saved(t):
    class Faulty(t.autograd.Function):
        right = False

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g if Faulty.right else t.ones(7)

    x = t.ones(2, requires_grad=True)
    y = Faulty.apply(x)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="returned an invalid gradient at index 0"):
            y.sum().backward()
    Faulty.right = True
    y.sum().backward()
    assert values(x.grad) == [2.0, 2.0]
