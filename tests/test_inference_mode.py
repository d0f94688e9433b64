"""``inference_mode``: what is made inside, what may be done with it outside, and what inside does to normal tensors."""

from __future__ import annotations

import asyncio
import copy

import pytest
from programs import assert_raises

import gradcore as gc

MADE = "x = t.ones(2, requires_grad=True)\nwith t.inference_mode():\n    y = x * 2\n"

ERRORS = [
    ("y._version", RuntimeError, "do not track version counter"),
    ("y.add_(1)", RuntimeError, "Inplace update to inference tensor", "outside InferenceMode"),
    ("y[0] = 1.0", RuntimeError, "Inplace update to inference tensor", "outside InferenceMode"),
    ("y[:1].mul_(2)", RuntimeError, "Inplace update to inference tensor", "outside InferenceMode"),
    ("with t.no_grad():\n    y.add_(1)", RuntimeError, "Inplace update to inference tensor", "outside InferenceMode"),
    ("x * y", RuntimeError, "Inference tensors cannot be saved", "make a clone"),
    ("x.matmul(y)", RuntimeError, "Inference tensors cannot be saved", "make a clone"),
    ("x / y", RuntimeError, "Inference tensors cannot be saved", "make a clone"),
    ("t.where(y > 0, x, y)\nx ** y", RuntimeError, "Inference tensors cannot be saved", "make a clone"),
    ("y.requires_grad_()", RuntimeError, "inference tensor outside InferenceMode", "is not allowed"),
    ("y.requires_grad = True", RuntimeError, "inference tensor outside InferenceMode", "is not allowed"),
    (
        "z = x * 2\nwith t.inference_mode():\n    v = z[:1]\nv.add_(1)",
        RuntimeError,
        "created in inference mode",
        "ambiguous and error-prone",
    ),
    ("with t.inference_mode():\n    y.backward()", RuntimeError, "does not require grad", "does not have a grad_fn"),
]


def values(x):
    return x.numpy(force=True).tolist()


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_what_is_refused(t, case):
    program, error, *phrases = case
    assert_raises(MADE + program, t, error, *phrases)


def test_nothing_is_written_where_a_write_is_refused():
    # PyTorch has written already, in the case of an item, and lets detach() write.
    with gc.inference_mode():
        y = gc.ones(2)
    for write in (lambda: y.add_(1), lambda: y.__setitem__(0, 5.0), lambda: y[:1].fill_(3), lambda: y.detach().add_(1)):
        with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
            write()
    assert values(y) == [1.0, 1.0]


def test_the_mode(t):
    def now():
        return t.is_inference_mode_enabled(), t.is_grad_enabled()

    assert now() == (False, True)
    with t.inference_mode():
        assert now() == (True, False)
        with t.inference_mode(False):
            assert now() == (False, True)
        with t.no_grad():
            assert now() == (True, False)
        with t.enable_grad():
            assert now() == (True, True)
            assert not (t.ones(1, requires_grad=True) * 2).requires_grad
        with t.set_grad_enabled(True):
            assert now() == (True, True)
        assert now() == (True, False)
    with t.no_grad():
        with t.inference_mode(False):
            assert now() == (False, True)
        with t.inference_mode():
            pass
        assert now() == (False, False)
    assert now() == (False, True)


def test_an_exception_leaves_the_mode(t):
    with pytest.raises(KeyError), t.inference_mode():
        raise KeyError
    assert not t.is_inference_mode_enabled()
    assert (t.ones(1, requires_grad=True) * 2).requires_grad


def test_what_is_made_inside(t):
    x = t.ones(2, requires_grad=True)
    normal = t.ones(2)
    with t.inference_mode():
        made = {
            "operation": x * 2,
            "clone": x.clone(),
            "factory": t.ones(2),
            "data": t.tensor([1.0]),
            "like": t.zeros_like(x),
            "random": t.randn(2),
            "permutation": t.randperm(3),
            "several": x.max(0)[0],
            "comparison": x > 0,
            "cast": x.double(),
            "indices": x[t.tensor([0])],
            "cat": t.cat([x, x]),
            "dropout": t.nn.functional.dropout(x, 0.5),
            "linear": t.nn.functional.linear(t.ones(1, 2), t.ones(3, 2)),
            "view of such": (x * 2)[:1],
            "parameter": t.nn.Parameter(t.ones(1)),
        }
        views = {
            "slice": x[:1],
            "view": x.view(1, 2),
            "unbind": x.unbind()[0],
            "expand": x.expand(3, 2),
            "detach": x.detach(),
            "itself": x,
            "contiguous": x.contiguous(),
            "normal": normal.view(-1),
        }
    assert [name for name, y in made.items() if not y.is_inference()] == []
    assert [name for name, y in views.items() if y.is_inference()] == []
    assert t.is_inference(made["clone"])
    assert not t.is_inference(x)
    assert not made["operation"].requires_grad
    assert made["parameter"].requires_grad
    assert views["slice"]._is_view()
    assert not made["view of such"]._is_view()


def test_what_may_be_done_outside_with_what_was_made_inside(t):
    x = t.ones(2, requires_grad=True)
    with t.inference_mode():
        y = x * 2
    assert values(y.exp() * 0 + y) == [2.0, 2.0]
    assert not (y * 2).is_inference()
    assert values(t.ones(2).add_(y)) == [3.0, 3.0]
    assert y[:1].is_inference()
    assert y.detach().is_inference()
    assert y.data.is_inference()
    assert not copy.deepcopy(y).is_inference()
    copied = y.clone()
    assert not copied.is_inference()
    copied.add_(1)
    (x * copied).sum().backward()
    assert values(x.grad) == [3.0, 3.0]
    x.grad = None
    (x + y).sum().backward()
    (x * 2).backward(y)
    assert values(x.grad) == [5.0, 5.0]
    assert not x.grad.is_inference()
    assert values(y.requires_grad_(False)) == [2.0, 2.0]
    with t.inference_mode():
        y.add_(1)
        y[0] = 7.0
        y.requires_grad_()
    assert values(y) == [7.0, 3.0]
    t.autograd.graph.increment_version(y)


def test_writes_to_normal_tensors_inside_are_counted(t):
    x = t.ones(2, requires_grad=True)
    base = t.ones(2)
    z = x * 2
    out = x * base
    with t.inference_mode():
        base.add_(1)
        x.add_(1)
        z.add_(1)
        base[:1].add_(1)
    assert (x._version, z._version, base._version) == (1, 1, 2)
    assert x.requires_grad
    assert x.is_leaf
    assert z.requires_grad
    assert not base.is_inference()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_a_view_made_inside_is_used_outside(t):
    x = t.ones(2, requires_grad=True)
    z = x * 2
    with t.inference_mode():
        v = z[:1]
    assert v.requires_grad
    assert v.grad_fn is None
    base = t.ones(2)
    with t.inference_mode():
        w = base[:1]
    w.add_(1)
    assert values(base) == [2.0, 1.0]


def test_a_leaf_that_was_made_inside(t):
    with t.inference_mode():
        x = t.ones(2, requires_grad=True)
    assert x.requires_grad
    (x * 3).sum().backward()
    assert values(x.grad) == [3.0, 3.0]
    assert not x.grad.is_inference()


def test_what_a_leaf_made_inside_cannot_do_raises_and_is_not_lost():
    # In PyTorch sin() of it is not recorded, without a word.
    with gc.inference_mode():
        x = gc.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved"):
        x.sin()
    x.exp().sum().backward()
    assert x.grad is not None


def test_backward_inside_of_a_graph_made_outside(t):
    x = t.ones(2, requires_grad=True)
    y, z = x * 2, x.exp()
    loss = y.sum() + (z * 0).sum()
    with t.inference_mode():
        loss.backward()
    assert values(x.grad) == [2.0, 2.0]
    w = t.ones(2, requires_grad=True)
    loss = (w * 2).sum()
    with t.inference_mode():
        (found,) = t.autograd.grad(loss, w, create_graph=True)
    assert not found.requires_grad


def test_gradients_from_a_backward_inside_are_normal_tensors():
    # In PyTorch they are not, and the next backward outside fails.
    x = gc.ones(2, requires_grad=True)
    loss = (x * 2).sum()
    with gc.inference_mode():
        loss.backward()
    assert not x.grad.is_inference()
    (x * 3).sum().backward()
    assert values(x.grad) == [5.0, 5.0]


@pytest.mark.parametrize("spelling", ["without", "with", "off"])
def test_decorating(t, spelling):
    decorate = {"without": t.inference_mode, "with": t.inference_mode(), "off": t.inference_mode(False)}[spelling]

    @decorate
    def function():
        """Its text."""
        return t.is_inference_mode_enabled()

    @decorate
    def generator():
        got = yield t.is_inference_mode_enabled()
        yield got, t.is_inference_mode_enabled()

    inside = spelling != "off"
    assert function() is inside
    assert function.__name__ == "function"
    assert function.__doc__ == "Its text."
    running = generator()
    assert next(running) is inside
    assert not t.is_inference_mode_enabled()
    assert running.send(3) == (3, inside)
    running.close()
    with t.inference_mode():
        assert function() is inside
    assert not t.is_inference_mode_enabled()


def test_decorating_coroutines():
    @gc.inference_mode()
    async def coroutine():
        await asyncio.sleep(0)
        return gc.ones(1).is_inference()

    @gc.inference_mode()
    async def generator():
        yield gc.is_inference_mode_enabled()
        await asyncio.sleep(0)
        yield gc.is_inference_mode_enabled()

    async def main():
        seen = [await coroutine()]
        async for inside in generator():
            seen += [inside, gc.is_inference_mode_enabled()]
        return seen

    assert asyncio.run(main()) == [True, True, False, True, False]


def test_saving_for_a_function_of_ones_own(t):
    class Times(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0], None

    x = t.ones(2, requires_grad=True)
    with t.inference_mode():
        y = t.ones(2)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        Times.apply(x, y)


def test_modules_and_optimizers_inside(t):
    layer = t.nn.Linear(2, 3)
    with t.inference_mode():
        out = layer(t.ones(1, 2))
        assert out.is_inference()
        made = t.nn.Linear(2, 1)
    assert all(p.is_inference() for p in made.parameters())
    layer(t.ones(1, 2)).sum().backward()
    assert layer.weight.grad is not None


def test_a_generator_with_an_open_block_that_is_closed_elsewhere():
    # As asyncio closes a fixture's generator: in another context than it ran in.
    import contextvars

    def generator():
        with gc.no_grad():
            yield gc.is_grad_enabled()

    running = generator()
    assert contextvars.copy_context().run(next, running) is False
    assert gc.is_grad_enabled()
    running.close()
    assert gc.is_grad_enabled()
