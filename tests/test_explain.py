"""``gradcore.explain``: what it says, from which line on, and that it says no more than is known."""

from __future__ import annotations

import gc as collector
import inspect
import weakref

import numpy as np
import pytest

import gradcore as gc
from gradcore import watch


def leaf(*values):
    return gc.tensor(values or (1.0, 2.0, 3.0), requires_grad=True)


def at(function, text):
    """``line N of FILE`` for the one line of a function that holds ``text``, but for the calls of this."""
    lines, first = inspect.getsourcelines(function)
    (found,) = [first + i for i, line in enumerate(lines) if text in line and "at(" not in line]
    return f"line {found} of {__file__}"


def said(tensor, out=None):
    return str(gc.explain(tensor, out))


@pytest.fixture(autouse=True)
def _nothing_watched():
    """As in a program in which nothing was watched yet."""
    watch.journal.clear()
    watch.exits.clear()
    watch.last_backward = None


# What is known without any mode.


def test_it_prints_itself():
    answer = gc.explain(gc.ones(2))
    assert repr(answer) == str(answer) == "\n".join(answer.sentences)
    assert answer.sentences


@pytest.mark.parametrize("arguments", [(1,), (np.ones(2),), (gc.ones(2), 3), (None,)])
def test_it_takes_tensors(arguments):
    with pytest.raises(TypeError, match=r"explain\(\): argument '(tensor|out)' must be Tensor, not"):
        gc.explain(*arguments)


def test_a_fresh_leaf_may_or_may_not_have_been_reached():
    text = said(leaf())
    assert "It is a leaf that requires grad" in text
    assert "Either no backward has reached it yet, or .grad was set to None since" in text
    assert "gradcore cannot know which" in text


def test_a_leaf_with_a_gradient():
    x = leaf()
    (x * x).sum().backward()
    assert said(x) == "It is a leaf that requires grad, and it has a .grad."


def test_what_is_not_a_leaf_names_its_operation_and_its_leaves():
    x = leaf()
    y = x * 2
    text = said(y)
    assert "It is not a leaf: MulBackward0 made it, and backward keeps gradients for leaves only" in text
    assert "retain_grad()" in text
    assert "It was computed from 1 leaf that requires grad, of shape [3]: that one gets a .grad." in text


def test_what_retains_its_gradient():
    y = leaf() * 2
    y.retain_grad()
    assert "no backward has reached it since" in said(y)
    y.sum().backward()
    assert "It has a .grad all the same, since retain_grad() was called on it" in said(y)


def test_a_freed_graph():
    y = leaf().exp()
    y.sum().backward()
    assert "Its graph was freed: a backward has run through ExpBackward0." in said(y)


def test_a_graph_that_saves_nothing_is_not_called_freed():
    y = leaf() + 1
    y.sum().backward()
    assert "freed" not in said(y)


@pytest.mark.parametrize(
    "make", [lambda: gc.arange(3), lambda: leaf() > 1, lambda: leaf().argmax(), lambda: leaf().long()]
)
def test_integers_and_booleans(make):
    text = said(make())
    assert text.startswith("It does not require grad: its dtype is gradcore.")
    assert "only floating-point and complex tensors can" in text


def test_a_view_made_under_no_grad():
    x = leaf()
    with gc.no_grad():
        v = x[:2]
    assert "requires grad only because the tensor that it is a view of does" in said(v)
    assert "No gradient passes through it" in said(v)


def test_a_view_of_what_does_not_require_grad():
    v = gc.ones(2, 3)[0]
    assert "it is a view of a tensor of shape [2, 3] that does not require grad" in said(v)


def test_a_detached_tensor_is_a_guess():
    x = leaf()
    assert "Probably it was made by detach()" in said(x.detach())
    assert "gradcore cannot know which" in said(x.detach())


def test_a_tensor_from_data():
    text = said(gc.ones(2))
    assert "without requires_grad=True" in text
    assert ".item(), .tolist() or .numpy()" in text
    assert "Probably" not in text


def test_a_tensor_that_required_grad_once():
    x = leaf()
    x.sum().backward()
    x.requires_grad_(False)
    assert "requires_grad was switched off after a backward, or .grad was assigned" in said(x)


def test_a_tensor_of_inference_mode():
    x = leaf()
    with gc.inference_mode():
        y = x * 2
    assert "it was made in inference_mode, and can never be recorded" in said(y)


def test_recording_that_is_off_is_mentioned():
    with gc.no_grad():
        assert "Recording is switched off right now" in said(gc.ones(2))
    assert "Recording" not in said(gc.ones(2))


def test_the_way_to_a_tensor():
    x, w = leaf(), leaf()
    y = x * w
    loss = y.exp().sum()
    assert "The result leads to it: SumBackward0 -> ExpBackward0 -> MulBackward0 -> the tensor." in said(x, loss)
    assert "The result leads to it: SumBackward0 -> ExpBackward0 -> MulBackward0." in said(y, loss)
    assert "does not lead to it" in said(leaf(), loss)


def test_a_long_way_is_shortened():
    x = leaf()
    y = x
    for _ in range(2000):
        y = y + 1
    assert "(1994 more)" in said(x, y)


def test_a_result_that_does_not_require_grad():
    text = said(leaf(), gc.ones(2))
    assert "The result does not require grad, so no backward can start there" in text


def test_a_cut_shows_in_what_was_saved():
    x, w = leaf(), leaf()
    text = said(x, (x.detach() * w).sum())
    assert "MulBackward0 saved a tensor that shares memory with it but has no history" in text
    assert said(leaf(), (x.detach() * w).sum()).count("shares memory") == 0


def test_it_changes_nothing():
    x = leaf()
    y = (x * x).sum()
    before = y._version, x._version, x.grad, y.grad_fn.next_functions[0][0].name()
    gc.explain(x, y)
    gc.explain(y)
    assert (y._version, x._version, x.grad, y.grad_fn.next_functions[0][0].name()) == before
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


# What is known where lines were noted.


@pytest.fixture(params=["debug", "anomaly"])
def watched(request):
    """Both modes that note lines."""
    return gc.debug if request.param == "debug" else lambda: gc.autograd.set_detect_anomaly(True)


def test_lines_of_operations_and_of_backward(watched):
    with watched():
        x = leaf()
        y = x * x
        y.sum().backward()
    here = test_lines_of_operations_and_of_backward
    assert f"MulBackward0 made it at {at(here, 'y = x * x')}" in said(y)
    assert f"Its graph was freed: a backward at {at(here, 'y.sum().backward()')}" in said(y)
    assert f"The backward at {at(here, 'y.sum().backward()')}" in said(x)


def test_a_gradient_that_was_set_to_none(watched):
    with watched():
        x = leaf()
        optimizer = gc.optim.SGD([x], lr=0.1)
        (x * x).sum().backward()
        optimizer.zero_grad()
    line = at(test_a_gradient_that_was_set_to_none, "(x * x)")
    text = said(x)
    assert f"The backward at {line}" in text
    assert "did put one there, so .grad was set to None since, as optimizer.zero_grad() does" in text


def test_not_reached_by_the_last_backward(watched):
    with watched():
        x, w = leaf(), leaf()
        (x * 2).sum().backward()
        x.grad = None
        (w * 2).sum().backward()
        never = leaf()
    here = test_not_reached_by_the_last_backward
    assert f"The last backward that was watched, at {at(here, '(w * 2)')}" in said(x)
    assert f"No backward that was watched reached it. The last one was backward at {at(here, '(w * 2)')}" in said(never)


def test_a_gradient_that_grad_computed(watched):
    with watched():
        x = leaf()
        gc.autograd.grad((x * x).sum(), x)
    line = at(test_a_gradient_that_grad_computed, "autograd.grad(")
    assert f"autograd.grad at {line}" in said(x)
    assert "computed its gradient, and leaves .grad alone" in said(x)


def test_inputs_of_backward(watched):
    with watched():
        x, w = leaf(), leaf()
        (x * w).sum().backward(inputs=[w])
    assert "No backward that was watched reached it" in said(x)
    assert "it has a .grad" in said(w)


def detached(x):
    return x.detach()


def data(x):
    return x.data


def under_no_grad(x):
    with gc.no_grad():
        return x * 2


def as_integers(x):
    return x.long()


def compared(x):
    return x > 1


def detached_in_place(x):
    y = x * 1
    y.detach_()
    return y


CUTS = [
    (detached, "return", "detach at", "it leaves the history behind"),
    (data, "return", ".data at", "it leaves the history behind"),
    (under_no_grad, "return", "mul at", "recording was switched off, by no_grad"),
    (as_integers, "return", "at", "has no derivative (its result is int64)"),
    (compared, "return", "gt at", "gt has no derivative (its result is bool)"),
    (detached_in_place, "y.detach_()", "detach_ at", "it drops the history"),
]


@pytest.mark.parametrize(("cut", "text", "how", "reason"), CUTS, ids=[c.__name__ for c, *_ in CUTS])
def test_where_the_way_is_cut(watched, cut, text, how, reason):
    with watched():
        x, w = leaf(), leaf()
        y = cut(x * 1)
        loss = ((y * 2) * w).sum()
        constant = y.sum()
    line = at(cut, text)
    for answer in (said(x, loss), said(x, constant), said(constant)):
        assert how in answer, answer
        assert f"{line}, in {cut.__name__}" in answer, answer
        assert reason in answer, answer
    assert "The result does not lead to it" in said(x, loss)
    assert "The way is cut where something was computed from it" in said(x, loss)
    assert f"{line}, in {cut.__name__}" in said(y)


def test_two_ways_of_which_one_is_cut(watched):
    with watched():
        x = leaf()
        loss = (x.detach() * x).sum()
    assert "The result leads to it" in said(x, loss)
    assert "The way is cut" not in said(x, loss)


def test_a_value_that_left(watched):
    with watched():
        x, w = leaf(), leaf()
        scale = (x * 2).sum().item()
        loss = (w * scale).sum()
        again = gc.tensor(scale)
    line = at(test_a_value_that_left, "scale = ")
    assert f"What was computed from it left gradcore through .item() at {line}" in said(x, loss)
    assert "If the result was computed from that value, the way is cut there" in said(x, loss)
    assert f"The value of a tensor with a history left gradcore through .item() at {line}" in said(again)


def test_no_relation(watched):
    with watched():
        x, w = leaf(), leaf()
        loss = (w * 2).sum()
        x.sum()  # so that x is known
    assert "As far as that was watched, the result was not computed from it." in said(x, loss)


def test_requires_grad_that_was_switched_off(watched):
    with watched():
        x = leaf()
        x.requires_grad_(False)
    line = at(test_requires_grad_that_was_switched_off, "x.requires_grad_(False)")
    assert f"requires_grad was switched off at {line}" in said(x)
    x.requires_grad_()
    assert "requires_grad was off for a time" in said(x)


def test_a_write_after_the_use(watched):
    with watched():
        x = leaf()
        y = x * 1
        loss = (y * 2).sum()
        y.add_(1)
    line = at(test_a_write_after_the_use, "y.add_(1)")
    assert f"The result was computed from a value that it had before add_ wrote to it at {line}" in said(y, loss)


def test_a_write_before_the_use(watched):
    with watched():
        x = leaf()
        y = gc.zeros(3)
        y.copy_(x)
        y.mul_(2)
        loss = y.sum()
    assert "The result leads to it: SumBackward0 -> MulBackward0 -> " in said(x, loss)
    assert "The result leads to it" in said(y, loss)


def test_nothing_that_it_was_computed_from(watched):
    with watched():
        y = gc.ones(2) * 3
    line = at(test_nothing_that_it_was_computed_from, "y = ")
    assert f"It was made by mul at {line}" in said(y)
    assert "nothing that it was computed from required grad, as far as that was watched" in said(y)


def test_a_function_is_named(watched):
    class Twice(gc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    with watched():
        x = leaf()
        y = Twice.apply(x)
    assert f"TwiceBackward made it at {at(test_a_function_is_named, 'y = Twice')}" in said(y)
    assert "The result leads to it: TwiceBackward -> the tensor." in said(x, y)


def test_old_history_is_let_go(monkeypatch, watched):
    monkeypatch.setattr(watch, "LIMIT", 20)
    with watched():
        x = leaf()
        y = x.detach() * 1
        for _ in range(50):
            y = y * 1
    assert len(watch.journal) <= 20
    assert "It was made by mul" in said(y)
    assert "detach" not in said(y)


def test_nothing_is_kept_alive(watched):
    collector.disable()
    try:
        with watched():
            x = leaf()
            y = x.exp()
            v = y[:2]
            v.mul_(2)
            z = (y.detach() * x).sum()
            z.backward()
            alive = [weakref.ref(t) for t in (x, y, v, z, x.grad)]
            node = weakref.ref(z.grad_fn)
            gc.explain(x, z)
            before = len(watch._records)
            del x, y, v, z
        assert [r() for r in alive] == [None] * 5
        assert node() is None
        assert len(watch._records) < before
    finally:
        collector.enable()
