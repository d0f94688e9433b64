"""no_grad, enable_grad, set_grad_enabled: as blocks, as decorators, over threads, generators, coroutines, tasks."""

from __future__ import annotations

import asyncio
import inspect
import threading

import pytest

import gradcore as gc


def test_blocks(t):
    x = t.ones(2, requires_grad=True)
    assert t.is_grad_enabled()
    with t.no_grad():
        assert not t.is_grad_enabled()
        y = x * 2
        assert not y.requires_grad
        assert y.grad_fn is None
        assert y.is_leaf
        with t.enable_grad():
            assert (x * 2).requires_grad
        assert not t.is_grad_enabled()
    assert (x * 2).requires_grad
    with t.enable_grad():
        assert t.is_grad_enabled()
    assert t.is_grad_enabled()


def test_no_grad_makes_no_edges_for_later(t):
    x = t.tensor(2.0, requires_grad=True)
    with t.no_grad():
        c = x * 3
    y = x * c
    y.backward()
    assert x.grad.item() == 6


def test_factories_keep_requires_grad(t):
    with t.no_grad():
        x = t.ones(2, requires_grad=True)
        y = t.tensor([1.0], requires_grad=True)
        z = t.zeros(2).requires_grad_()
    assert x.requires_grad
    assert y.requires_grad
    assert z.requires_grad


def test_an_exception_leaves_the_mode_as_it_was(t):
    with pytest.raises(ZeroDivisionError), t.no_grad():
        1 / 0  # noqa: B018
    assert t.is_grad_enabled()

    @t.no_grad()
    def fails():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert t.is_grad_enabled()


def test_one_manager_used_again_and_inside_itself(t):
    manager = t.no_grad()
    with manager:
        assert not t.is_grad_enabled()
    assert t.is_grad_enabled()
    with manager:
        assert not t.is_grad_enabled()
    assert t.is_grad_enabled()


def test_one_manager_inside_its_own_block():
    # PyTorch's manager remembers one outer mode only, and leaves grad mode off here.
    manager = gc.no_grad()
    with manager:
        with manager:
            assert not gc.is_grad_enabled()
        assert not gc.is_grad_enabled()
    assert gc.is_grad_enabled()


def test_set_grad_enabled_acts_at_the_call(t):
    t.set_grad_enabled(False)
    try:
        assert not t.is_grad_enabled()
        t.set_grad_enabled(True)
        assert t.is_grad_enabled()
        t.set_grad_enabled(False)
    finally:
        t.set_grad_enabled(True)
    assert t.is_grad_enabled()


def test_set_grad_enabled_as_a_block_restores(t):
    with t.set_grad_enabled(False):
        assert not t.is_grad_enabled()
        with t.set_grad_enabled(True):
            assert t.is_grad_enabled()
        assert not t.is_grad_enabled()
    assert t.is_grad_enabled()


def test_set_grad_enabled_made_before_its_block(t):
    manager = t.set_grad_enabled(False)
    assert not t.is_grad_enabled()
    with manager:
        assert not t.is_grad_enabled()
    assert t.is_grad_enabled()


def test_set_grad_enabled_as_a_decorator_does_not_leak(t):
    @t.set_grad_enabled(False)
    def off():
        return t.is_grad_enabled()

    assert t.is_grad_enabled()
    assert off() is False
    assert t.is_grad_enabled()
    with t.no_grad():

        @t.set_grad_enabled(True)
        def on():
            return t.is_grad_enabled()

        assert not t.is_grad_enabled()
        assert on() is True
        assert not t.is_grad_enabled()
    assert on() is True
    assert off() is False


@pytest.mark.parametrize("parentheses", [True, False])
@pytest.mark.parametrize("name", ["no_grad", "enable_grad"])
def test_decorating_a_function(t, name, parentheses):
    manager = getattr(t, name)

    def mode(a, *, b=1):
        """What it says."""
        return t.is_grad_enabled(), a, b

    decorated = manager()(mode) if parentheses else manager(mode)
    with t.set_grad_enabled(name == "no_grad"):
        assert decorated(2, b=3) == (name == "enable_grad", 2, 3)
        assert t.is_grad_enabled() == (name == "no_grad")
    assert decorated.__name__ == "mode"
    assert decorated.__doc__ == "What it says."
    assert inspect.signature(decorated) == inspect.signature(mode)


def test_decorating_a_method(t):
    class Thing:
        @t.no_grad()
        def method(self):
            return t.is_grad_enabled()

        @classmethod
        @t.no_grad()
        def of_class(cls):
            return t.is_grad_enabled()

        @staticmethod
        @t.no_grad
        def static():
            return t.is_grad_enabled()

    assert [Thing().method(), Thing.of_class(), Thing.static()] == [False] * 3
    assert t.is_grad_enabled()


def test_decorating_a_class_warns(t):
    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):

        @t.no_grad()
        class Thing:
            def __init__(self):
                self.mode = t.is_grad_enabled()

    assert Thing().mode is False
    assert t.is_grad_enabled()


def test_recursion_through_a_decorated_function(t):
    @t.no_grad()
    def down(n):
        assert not t.is_grad_enabled()
        with t.enable_grad():
            return 0 if n == 0 else 1 + down(n - 1)

    assert down(5) == 5
    assert t.is_grad_enabled()


def test_generator_holds_the_mode_only_while_its_body_runs(t):
    @t.no_grad()
    def body():
        for _ in range(3):
            assert not t.is_grad_enabled()
            yield t.is_grad_enabled()

    assert inspect.isgeneratorfunction(body)
    count = 0
    for mode in body():
        assert mode is False
        assert t.is_grad_enabled()
        count += 1
    assert count == 3
    assert t.is_grad_enabled()


def test_generator_with_send_throw_and_return(t):
    log = []

    @t.no_grad()
    def body():
        try:
            received = yield "first"
            log.append((received, t.is_grad_enabled()))
            yield "second"
        except KeyError:
            log.append(("thrown", t.is_grad_enabled()))
            yield "caught"
        return "result"

    g = body()
    assert next(g) == "first"
    assert t.is_grad_enabled()
    assert g.send(7) == "second"
    assert t.is_grad_enabled()
    assert g.throw(KeyError("k")) == "caught"
    assert t.is_grad_enabled()
    with pytest.raises(StopIteration) as stop:
        next(g)
    assert stop.value.value == "result"
    assert log == [(7, False), ("thrown", False)]
    assert t.is_grad_enabled()


def test_generator_that_is_closed(t):
    log = []

    @t.no_grad()
    def body():
        try:
            yield 1
        finally:
            log.append(t.is_grad_enabled())

    g = body()
    next(g)
    g.close()
    assert log == [False]
    assert t.is_grad_enabled()


def test_generator_that_raises(t):
    @t.no_grad()
    def body():
        yield 1
        raise KeyError("from the body")

    g = body()
    next(g)
    with pytest.raises(KeyError, match="from the body"):
        next(g)
    assert t.is_grad_enabled()
    g = body()
    next(g)
    with pytest.raises(ValueError, match="from outside"):
        g.throw(ValueError("from outside"))
    assert t.is_grad_enabled()


def test_generator_that_returns_at_once(t):
    @t.no_grad()
    def body():
        return 5
        yield

    with pytest.raises(StopIteration) as stop:
        next(body())
    assert stop.value.value == 5
    assert t.is_grad_enabled()


def test_generators_that_delegate(t):
    @t.no_grad()
    def inner():
        yield t.is_grad_enabled()
        return "inner"

    def outer():
        result = yield from inner()
        yield result, t.is_grad_enabled()

    assert list(outer()) == [False, ("inner", True)]


def test_two_generators_that_take_turns(t):
    @t.no_grad()
    def off():
        while True:
            yield t.is_grad_enabled()

    @t.enable_grad()
    def on():
        while True:
            yield t.is_grad_enabled()

    a, b = off(), on()
    assert [next(a), next(b), next(a), next(b)] == [False, True, False, True]
    with t.no_grad():
        assert [next(b), next(a), next(b)] == [True, False, True]
        assert not t.is_grad_enabled()
    a.close()
    b.close()


def test_coroutine_holds_the_mode():
    # PyTorch's decorator holds it only while the coroutine is made, not while it runs.
    @gc.no_grad()
    async def body():
        return gc.is_grad_enabled()

    assert inspect.iscoroutinefunction(body)
    assert asyncio.run(body()) is False
    assert gc.is_grad_enabled()


def test_coroutine_that_waits_does_not_leak_into_its_loop():
    # PyTorch's mode belongs to the thread: it leaks from one task into the others.
    log = []

    @gc.no_grad()
    async def off():
        for _ in range(3):
            log.append(("off", gc.is_grad_enabled()))
            await asyncio.sleep(0)

    async def on():
        for _ in range(3):
            log.append(("on", gc.is_grad_enabled()))
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(off(), on(), off())
        assert gc.is_grad_enabled()

    asyncio.run(main())
    assert log.count(("off", False)) == 6
    assert log.count(("on", True)) == 3


def test_tasks_that_hold_blocks_open_are_isolated():
    async def worker(enabled):
        with gc.set_grad_enabled(enabled):
            for _ in range(3):
                await asyncio.sleep(0)
                assert gc.is_grad_enabled() == enabled
        assert gc.is_grad_enabled()

    async def main():
        await asyncio.gather(*(worker(i % 2 == 0) for i in range(6)))

    asyncio.run(main())
    assert gc.is_grad_enabled()


def test_async_generator_holds_the_mode_only_while_its_body_runs():
    log = []

    @gc.no_grad()
    async def body():
        try:
            while True:
                log.append((yield gc.is_grad_enabled()))
        except KeyError:
            yield ("caught", gc.is_grad_enabled())
        finally:
            log.append(gc.is_grad_enabled())

    async def main():
        g = body()
        assert await anext(g) is False
        assert gc.is_grad_enabled()
        assert await g.asend(7) is False
        assert gc.is_grad_enabled()
        assert await g.athrow(KeyError()) == ("caught", False)
        assert gc.is_grad_enabled()
        await g.aclose()
        assert [mode async for mode in two()] == [False, False]

    @gc.no_grad
    async def two():
        yield gc.is_grad_enabled()
        yield gc.is_grad_enabled()

    asyncio.run(main())
    assert log == [7, False]
    assert gc.is_grad_enabled()


def test_threads_start_with_grad_enabled(t):
    modes = []

    def work():
        modes.append(t.is_grad_enabled())
        t.set_grad_enabled(False)

    with t.no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not t.is_grad_enabled()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert modes == [True, True]
    assert t.is_grad_enabled()


def test_reprs():
    assert repr(gc.set_grad_enabled(True)) == "gradcore.autograd.grad_mode.set_grad_enabled(mode=True)"
    assert "no_grad object at 0x" in repr(gc.no_grad())


def test_also_found_under_autograd(t):
    assert t.autograd.no_grad is t.no_grad
    assert t.autograd.enable_grad is t.enable_grad
    assert t.autograd.set_grad_enabled is t.set_grad_enabled


def test_in_place_under_no_grad_counts_as_a_write(t):
    x = t.ones(2, requires_grad=True)
    with t.no_grad():
        x.add_(1)
    assert x._version == 1
    assert x.is_leaf
    assert x.requires_grad
    assert x.grad_fn is None


def test_gradients_made_under_no_grad_backward(t):
    x = t.ones(2, requires_grad=True)
    with t.no_grad():
        y = x.detach().requires_grad_()
        with t.enable_grad():
            z = (y * y).sum()
        z.backward()
    assert y.grad.tolist() == [2, 2]
    assert x.grad is None


@pytest.mark.parametrize("flag", [1, None, "x"])
def test_a_flag_is_a_bool(t, flag):
    for switch in (t.set_grad_enabled, t.autograd.set_multithreading_enabled, t.autograd.enforce_grad_layout_policy):
        with pytest.raises(TypeError, match="must be bool"):
            switch(flag)
    assert t.is_grad_enabled()


def test_only_functions_are_decorated():
    # PyTorch says nothing until the result is called.
    for decorate in (gc.no_grad, gc.no_grad(), gc.inference_mode, gc.inference_mode()):
        with pytest.raises(TypeError, match="decorates functions, but got int"):
            decorate(3)


def test_what_else_is_switched_inside_a_block_outlives_it(t):
    with t.no_grad():
        t.autograd.set_detect_anomaly(True)
    try:
        assert t.is_anomaly_enabled()
        assert t.is_grad_enabled()
    finally:
        t.autograd.set_detect_anomaly(False)
    with t.no_grad():
        t.set_grad_enabled(True)
        assert t.is_grad_enabled()
    assert t.is_grad_enabled()
