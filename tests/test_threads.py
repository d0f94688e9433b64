"""Backward from several threads at once: sums are right, nothing is lost, errors are clear."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

import gradcore as gc

THREADS = 6


@pytest.fixture(autouse=True)
def _hurried():
    """Threads take turns as often as can be, so that what can go wrong between them does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def host(x):
    return x.numpy(force=True)


def together(work, count=THREADS, allowed=()):
    """Run ``work(i)`` in threads that start at one moment; gives the errors of the allowed classes."""
    barrier = threading.Barrier(count)
    errors, others = [], []

    def run(i):
        try:
            barrier.wait()
            work(i)
        except allowed as error:
            errors.append(error)
        except BaseException as error:  # noqa: BLE001 - handed to the thread of the test
            others.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if others:
        raise others[0]
    return errors


def cube(x):
    return (x * x * x).sum()


def through_views(x):
    y = x * 2
    y[:2].mul_(3)
    return (y.view(2, -1)[1] * y.view(2, -1)[0]).sum()


def through_several_outputs(x):
    first, second = (x * x).chunk(2)
    values, _ = x.sort()
    return (first * second.exp()).sum() + (values * values).sum() + x.max(0)[0]


PROGRAMS = [cube, through_views, through_several_outputs]


def leaf():
    return gc.tensor([0.5, -1.0, 2.0, 1.5], requires_grad=True)


def alone(program, times=1):
    x = leaf()
    for _ in range(times):
        program(x).backward()
    return host(x.grad)


@pytest.mark.parametrize("program", PROGRAMS)
def test_graphs_that_share_a_leaf(program):
    x = leaf()

    def work(i):
        for _ in range(20):
            program(x).backward()

    together(work)
    np.testing.assert_allclose(host(x.grad), alone(program, 20 * THREADS), rtol=1e-4)


@pytest.mark.parametrize("program", PROGRAMS)
def test_one_graph_that_is_kept(program):
    x = leaf()
    loss = program(x)

    def work(i):
        for _ in range(20):
            loss.backward(retain_graph=True)

    together(work)
    np.testing.assert_allclose(host(x.grad), alone(program, 20 * THREADS), rtol=1e-4)


@pytest.mark.parametrize("program", PROGRAMS)
def test_one_graph_by_grad(program):
    x = leaf()
    loss = program(x)
    found = [None] * THREADS

    def work(i):
        found[i] = [host(gc.autograd.grad(loss, x, retain_graph=True)[0]) for _ in range(20)]

    together(work)
    np.testing.assert_allclose(found, np.broadcast_to(alone(program), (THREADS, 20, 4)), rtol=1e-5)
    assert x.grad is None


@pytest.mark.parametrize("program", PROGRAMS)
def test_one_graph_that_is_not_kept_raises_what_it_raises_in_one_thread(program):
    for _ in range(10):
        x = leaf()
        loss = program(x)
        errors = together(lambda i, loss=loss: loss.backward(), allowed=(RuntimeError,))
        # A backward runs to its end or says that the graph is freed; where threads take turns, all may meet freed nodes.
        for error in errors:
            assert "through the graph a second time" in str(error)
            assert "retain_graph=True" in str(error)


def test_one_graph_of_second_order():
    x = leaf()
    loss = cube(x)
    found = [None] * THREADS

    def work(i):
        (first,) = gc.autograd.grad(loss, x, create_graph=True)
        found[i] = host(gc.autograd.grad(first.sum(), x, retain_graph=True)[0])

    together(work)
    np.testing.assert_allclose(found, np.broadcast_to(6 * host(x), (THREADS, 4)), rtol=1e-5)


def test_gradients_that_are_retained():
    x = leaf()
    y = x * x
    y.retain_grad()
    loss = (y * 3).sum()

    def work(i):
        for _ in range(20):
            loss.backward(retain_graph=True)

    together(work)
    np.testing.assert_array_equal(host(y.grad), [3.0 * 20 * THREADS] * 4)


def test_hooks_see_the_gradient_of_their_own_backward():
    x = leaf()
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(host(g).tolist()))
    x.register_hook(lambda g: g * 2)
    losses = [(y * float(i)).sum() for i in range(THREADS)]

    def work(i):
        for _ in range(10):
            losses[i].backward(retain_graph=True)

    together(work)
    assert sorted(seen) == sorted([[float(i)] * 4 for i in range(THREADS)] * 10)
    np.testing.assert_array_equal(host(x.grad), [2.0 * 10 * sum(range(THREADS))] * 4)


def test_hook_after_accumulation_that_takes_the_gradient_away():
    x = leaf()
    taken = []

    def take(p):
        taken.append(host(p.grad).copy())
        p.grad = None

    x.register_post_accumulate_grad_hook(take)

    def work(i):
        for k in range(20):
            (x * float(i + k)).sum().backward()

    together(work)
    assert len(taken) == 20 * THREADS
    assert x.grad is None
    np.testing.assert_array_equal(sum(taken), [float(sum(i + k for i in range(THREADS) for k in range(20)))] * 4)


def test_hooks_on_several_gradients_run_once_for_each_backward():
    x, w = leaf(), leaf()
    y = x * w
    seen = []
    gc.autograd.graph.register_multi_grad_hook((x, w, y), lambda grads: seen.append([g is not None for g in grads]))
    first = []
    gc.autograd.graph.register_multi_grad_hook((x, w, y), lambda g: first.append(host(g).tolist()), mode="any")
    loss = (y * 2).sum()

    def work(i):
        for _ in range(10):
            loss.backward(retain_graph=True)

    together(work)
    assert seen == [[True] * 3] * (10 * THREADS)
    assert first == [[2.0] * 4] * (10 * THREADS)


def test_callbacks_belong_to_the_backward_of_their_thread():
    x = leaf()
    ran = [[] for _ in range(THREADS)]

    def work(i):
        here = threading.get_ident()
        y = x * 1
        callback = lambda: ran[i].append(threading.get_ident() == here)  # noqa: E731
        y.register_hook(lambda g: gc.autograd.Variable._execution_engine.queue_callback(callback))
        loss = y.sum()
        for _ in range(10):
            loss.backward(retain_graph=True)

    together(work)
    assert ran == [[True] * 10] * THREADS


def test_hooks_registered_at_one_moment_are_all_there():
    for _ in range(20):
        x = leaf()
        y = x * 1
        ran = []

        def work(i, x=x, y=y, ran=ran):
            x.register_hook(lambda g: ran.append(("x", i)))
            y.register_hook(lambda g: ran.append(("y", i)))

        together(work)
        y.sum().backward()
        assert sorted(ran) == [(name, i) for name in "xy" for i in range(THREADS)]


def test_modes_belong_to_a_thread():
    found = []

    def work():
        found.append((gc.is_grad_enabled(), gc.is_inference_mode_enabled(), gc.ones(1).is_inference()))

    for mode in (gc.no_grad(), gc.inference_mode()):
        with mode:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert found == [(True, False, False)] * 2


def test_backward_in_a_thread_that_a_hook_waits_for():
    x = leaf()
    w = leaf()

    def hook(g):
        def work():
            (w * 2).sum().backward()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    x.register_hook(hook)
    (x * 3).sum().backward()
    np.testing.assert_array_equal(host(w.grad), [2.0] * 4)
    np.testing.assert_array_equal(host(x.grad), [3.0] * 4)


def test_switches_of_the_engine(t):
    switch = t.autograd.grad_mode.set_multithreading_enabled
    enabled = t.autograd.is_multithreading_enabled if t is gc else t._C._is_multithreading_enabled
    assert enabled()
    with switch(False):
        assert not enabled()
    assert enabled()
    switch(False)
    assert not enabled()
    switch(True)
    assert enabled()
    with t.autograd.enforce_grad_layout_policy(False):
        x = t.ones(2, 3).t().requires_grad_()
        (x * 2).sum().backward()
    assert tuple(x.grad.shape) == (3, 2)


def test_a_switch_of_the_engine_as_a_decorator_does_not_leak():
    # In PyTorch it stays off.
    enabled = gc.autograd.is_multithreading_enabled

    @gc.autograd.set_multithreading_enabled(False)
    def decorated():
        return enabled()

    assert enabled()
    assert decorated() is False
    assert enabled()
