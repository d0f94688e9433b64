"""Anomaly mode: what raises, what the exception tells, what the mode leaves alone."""

from __future__ import annotations

import gc as collector
import inspect
import math
import threading
import warnings
from pathlib import Path

import pytest

import gradcore as gc
from gradcore import watch

ENABLED = "Anomaly Detection has been enabled"


def line_of(function, text):
    """The number of the one line of a function that holds ``text``, but for the calls of this."""
    lines, first = inspect.getsourcelines(function)
    (found,) = [first + i for i, line in enumerate(lines) if text in line and "line_of(" not in line]
    return found


def told(error):
    """All that an exception says: its message and its notes."""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def failing(run, mode):
    """The exception that ``run`` raises in a mode; PyTorch's warnings about it are of no interest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mode, pytest.raises(Exception) as caught:  # noqa: PT011 - the tests compare the class
            run()
    return caught.value


def points_to(text, line):
    return f'File "{__file__}", line {line}, in' in text or f"line {line} of {__file__}" in text


# The switches, as PyTorch has them.


def switches(t):
    return t.is_anomaly_enabled(), t.is_anomaly_check_nan_enabled()


def test_modes_nest_and_end(t):
    seen = [switches(t)]
    with t.autograd.set_detect_anomaly(True):
        seen.append(switches(t))
        with t.autograd.set_detect_anomaly(True, check_nan=False):
            seen.append(switches(t))
            with t.no_grad(), t.autograd.set_detect_anomaly(False):
                seen.append(switches(t))
            seen.append(switches(t))
        seen.append(switches(t))
    seen.append(switches(t))
    assert seen == [
        (False, True),
        (True, True),
        (True, False),
        (False, True),
        (True, False),
        (True, True),
        (False, True),
    ]


def test_as_a_function_it_acts_until_the_next_switch(t):
    t.autograd.set_detect_anomaly(True, check_nan=False)
    try:
        assert switches(t) == (True, False)
    finally:
        t.autograd.set_detect_anomaly(False)
    assert switches(t) == (False, True)


def test_detect_anomaly_warns_that_it_is_slow(t):
    with pytest.warns(UserWarning, match=ENABLED) as caught:
        manager = t.autograd.detect_anomaly()
    assert caught[0].filename == __file__
    assert not t.is_anomaly_enabled()
    with manager:
        assert t.is_anomaly_enabled()
    assert not t.is_anomaly_enabled()


def test_the_block_ends_with_an_exception(t):
    with pytest.raises(KeyError), t.autograd.set_detect_anomaly(True):
        raise KeyError
    assert not t.is_anomaly_enabled()


@pytest.mark.parametrize("arguments", [(1,), (True, 1)])
def test_flags_are_bools(t, arguments):
    with pytest.raises(TypeError, match="must be bool, not int"):
        t.autograd.set_detect_anomaly(*arguments)
    assert not t.is_anomaly_enabled()


def test_graph_and_gradients_are_the_same(t):
    def run():
        x = t.tensor([1.0, 2.0], requires_grad=True)
        y = (x * x).exp().sum() * x[0]
        (g,) = t.autograd.grad(y.sum(), x, create_graph=True)
        (g * g).sum().backward()
        return y.grad_fn.name(), g.tolist(), x.grad.tolist()

    plain = run()
    with t.autograd.set_detect_anomaly(True):
        assert run() == plain


def test_nodes_carry_the_lines_that_made_them(t):
    with t.autograd.set_detect_anomaly(True):
        x = t.ones(2, requires_grad=True)
        y = x * 3
    z = x * 4
    assert "traceback_" not in z.grad_fn.metadata
    lines = y.grad_fn.metadata["traceback_"]
    line = line_of(test_nodes_carry_the_lines_that_made_them, "y = x *")
    assert any(f'File "{__file__}", line {line}, in' in text and "x * 3" in text for text in lines)


# nan.


def nan_from_sqrt(t, made):
    with made:
        x = t.tensor([1.0, 0.0, 4.0], requires_grad=True)
        y = t.where(x > 0, x.sqrt(), 0.0)
    y.sum().backward()


def nan_from_function(t, made):
    class Wrong(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g * math.nan

    with made:
        x = t.ones(3, requires_grad=True)
        y = Wrong.apply(x)
    (y * 2).sum().backward()


def nan_from_the_root(t, made):
    with made:
        x = t.ones(3, requires_grad=True)
        y = x * 2
    y.backward(t.tensor([0.0, math.nan, 1.0]))


def nan_with_retain_graph(t, made):
    with made:
        x = t.zeros(2, requires_grad=True)
        y = (x.sqrt() * 0).sum()
    y.backward(retain_graph=True)


def nan_with_create_graph(t, made):
    with made:
        x = t.zeros(2, requires_grad=True)
        y = (x.sqrt() * 0).sum()
    t.autograd.grad(y, x, create_graph=True)


def nan_through_a_view(t, made):
    with made:
        x = t.zeros(4, requires_grad=True)
        y = x * 1
        y[1:3].sqrt_()
    (y * 0).sum().backward()


def nan_from_a_hook_on_a_node(t, made):
    with made:
        x = t.ones(2, requires_grad=True)
        y = x * 2
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * math.nan, *gi[1:]))
    y.sum().backward()


def nan_in_one_output_of_several(t, made):
    with made:
        x = t.ones(2, requires_grad=True)
        w = t.zeros(2, requires_grad=True)
        y = x * (w / w)
    y.sum().backward()


def nan_in_func_grad(t, made):
    with made:
        f = t.func.grad(lambda x: (x.sqrt() * 0).sum())
    f(t.zeros(2))


def nan_in_a_batched_gradient(t, made):
    with made:
        f = t.func.vmap(t.func.grad(lambda x: (x.sqrt() * 0).sum()))
    f(t.zeros(2, 2))


@pytest.mark.parametrize("program", [nan_in_func_grad, nan_in_a_batched_gradient])
def test_nan_inside_a_transform_raises(t, program):
    error = failing(lambda: program(t, warnings.catch_warnings()), t.autograd.set_detect_anomaly(True))
    assert type(error) is RuntimeError
    assert "Function 'SqrtBackward0' returned nan values in its 0th output." in str(error)
    if t is gc:
        assert points_to(str(error), line_of(program, "x.sqrt()"))
        assert "4 of 4 values are nan" in str(error) or "2 of 2 values are nan" in str(error)


NANS = [
    (nan_from_sqrt, "SqrtBackward0", "x.sqrt()"),
    (nan_from_function, "WrongBackward", "y = Wrong.apply(x)"),
    (nan_from_the_root, "MulBackward0", "y = x * 2"),
    (nan_with_retain_graph, "SqrtBackward0", "y = (x.sqrt() * 0).sum()"),
    (nan_with_create_graph, "SqrtBackward0", "y = (x.sqrt() * 0).sum()"),
    (nan_through_a_view, "CopySlices", "y[1:3].sqrt_()"),
    (nan_from_a_hook_on_a_node, "MulBackward0", "y = x * 2"),
    (nan_in_one_output_of_several, "MulBackward0", "y = x * (w / w)"),
]


@pytest.mark.parametrize(("program", "node", "text"), NANS, ids=[p.__name__ for p, _, _ in NANS])
def test_nan_raises(t, program, node, text):
    def run():
        program(t, warnings.catch_warnings())

    error = failing(run, t.autograd.set_detect_anomaly(True))
    assert type(error) is RuntimeError
    assert f"{node}' returned nan values in its 0th output." in str(error)
    if t is gc:
        line = line_of(program, text)
        assert points_to(str(error), line), error
        assert "Traceback of forward call that caused the error" in str(error)
        assert text in str(error)


@pytest.mark.parametrize(("program", "node", "text"), NANS, ids=[p.__name__ for p, _, _ in NANS])
def test_nan_of_a_graph_from_outside_the_mode(t, program, node, text):
    def run():
        program(t, t.autograd.set_detect_anomaly(False))

    error = failing(run, t.autograd.set_detect_anomaly(True))
    assert type(error) is RuntimeError
    assert f"{node}' returned nan values in its 0th output." in str(error)
    if t is gc:
        assert "No forward pass information available" in str(error)
        assert "Enable detect anomaly during forward pass" in str(error)


@pytest.mark.parametrize(("program", "node", "text"), NANS, ids=[p.__name__ for p, _, _ in NANS])
def test_nan_passes_without_the_check(t, program, node, text):
    program(t, warnings.catch_warnings())
    with t.autograd.set_detect_anomaly(True, check_nan=False):
        program(t, warnings.catch_warnings())


def test_infinite_gradients_pass(t):
    with t.autograd.set_detect_anomaly(True):
        x = t.zeros(2, requires_grad=True)
        x.sqrt().sum().backward()
    assert x.grad.tolist() == [math.inf, math.inf]


def test_graph_and_leaves_are_usable_after_the_error(t):
    x = t.zeros(2, requires_grad=True)
    w = t.ones(2, requires_grad=True)
    y = (x.sqrt() * 0 + w).sum()
    failing(lambda: y.backward(retain_graph=True), t.autograd.set_detect_anomaly(True))
    w.grad = None
    y.backward()
    assert w.grad.tolist() == [1.0, 1.0]


def test_the_error_says_how_many_and_why():
    with gc.autograd.set_detect_anomaly(True):
        x = gc.tensor([1.0, 0.0, 4.0, 0.0], requires_grad=True)
        y = gc.where(x > 0, x.sqrt(), 0.0)
        with pytest.raises(RuntimeError) as caught:
            y.sum().backward()
    text = str(caught.value)
    assert "2 of 4 values are nan, of shape [4], the first at [1] (float32)" in text
    assert "the gradient that came in is 0.0, the saved 'out' is 0.0" in text
    assert "the derivative of sqrt is infinite at 0" in text
    assert "WhereBackward0 (made at line" in text
    assert "where(x > 0, sqrt(where(x > 0, x, 1)), 0)" in text


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("x.sqrt()", "the derivative of sqrt is infinite at 0; the saved 'out' is 0 at 1 of 2 places"),
        ("x.rsqrt()", "rsqrt and its derivative are infinite at 0; the saved 'out' is inf at 1 of 2 places"),
        ("x.log()", "the derivative of log is infinite at 0"),
        ("x.log2()", "the derivative of log2 is infinite at 0"),
        ("x.log10()", "the derivative of log10 is infinite at 0"),
        ("(x - 1).log1p()", "the derivative of log1p is infinite at -1"),
        ("x.reciprocal()", "reciprocal and its derivative are infinite at 0"),
        ("x / x", "it divides by 0"),
        ("x ** 0.5", "if the exponent is below 1, the derivative of a power is infinite at 0"),
        ("(x + 1).asin()", "the derivative of asin is infinite at -1 and 1"),
        ("(x + 1).acos()", "the derivative of acos is infinite at -1 and 1"),
        ("(x + 1).acosh()", "the derivative of acosh is infinite at 1"),
        ("(x + 1).atanh()", "the derivative of atanh is infinite at -1 and 1"),
    ],
)
def test_places_without_a_derivative_are_known(expression, hint):
    with gc.autograd.set_detect_anomaly(True):
        x = gc.tensor([0.0, 0.25], requires_grad=True)
        y = eval(expression, {"x": x})
        with pytest.raises(RuntimeError) as caught:
            y.backward(gc.zeros(2))
    assert f"Hint: {hint}" in str(caught.value)


def test_the_advice_of_the_error_helps():
    with gc.autograd.set_detect_anomaly(True):
        x = gc.tensor([1.0, 0.0, 4.0, 0.0], requires_grad=True)
        gc.where(x > 0, gc.sqrt(gc.where(x > 0, x, 1.0)), 0.0).sum().backward()
    assert x.grad.tolist() == [0.5, 0.0, 0.25, 0.0]


def test_nan_of_the_forward_computation_is_called_that():
    with gc.autograd.set_detect_anomaly(True):
        x = gc.tensor([math.nan], requires_grad=True)
        with pytest.raises(RuntimeError, match="What it saved as 'input' holds nan itself"):
            (x**2).sum().backward()


def test_no_hint_about_where_is_made_up():
    with gc.autograd.set_detect_anomaly(True):
        x = gc.tensor([math.inf], requires_grad=True)
        with pytest.raises(RuntimeError) as caught:
            (x - x).sin().sum().backward()
    assert "where()" not in str(caught.value)


def test_the_first_infinite_gradient_is_named():
    with gc.autograd.set_detect_anomaly(True):
        x = gc.ones(2, requires_grad=True)
        y = x * 0.0
        z = y.sqrt()
        with pytest.raises(RuntimeError) as caught:
            z.sum().backward()
    text = str(caught.value)
    assert "Function 'MulBackward0' returned nan" in text
    assert "Before that, SqrtBackward0, made at line" in text
    assert "2 of 2 values are infinite" in text


def test_backward_of_a_backward_tells_both_lines():
    with gc.autograd.set_detect_anomaly(True):
        x = gc.zeros(3, requires_grad=True)
        y = (x**1.5).sum()
        (g,) = gc.autograd.grad(y, x, create_graph=True)
        with pytest.raises(RuntimeError) as caught:
            (g * 0).sum().backward()
    text = str(caught.value)
    here = test_backward_of_a_backward_tells_both_lines
    assert points_to(text, line_of(here, "(g,) = "))
    assert "Previous calculation was induced by PowBackward0" in text
    assert points_to(text, line_of(here, "y = (x**1.5).sum()"))


def test_gcs_own_frames_are_left_out():
    with gc.autograd.set_detect_anomaly(True):
        x = gc.ones(2, 2, requires_grad=True)
        y = gc.nn.functional.linear(x, x)
    package = str(Path(gc.__file__).parent)
    frames = y.grad_fn.metadata["traceback_"]
    assert any(__file__ in text for text in frames)
    assert not any(package in text for text in frames)


# Other failures of a backward.


def boom(*args):
    raise ZeroDivisionError("boom")


def failing_rule(t):
    class Wrong(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        backward = staticmethod(boom)

    y = Wrong.apply(t.ones(3, requires_grad=True))
    y.sum().backward()


def failing_tensor_hook(t):
    y = t.ones(3, requires_grad=True) * 2
    y.register_hook(boom)
    y.sum().backward()


def failing_hook_of_a_node(t):
    y = t.ones(3, requires_grad=True) * 2
    y.grad_fn.register_hook(boom)
    y.sum().backward()


def failing_prehook_of_a_node(t):
    y = t.ones(3, requires_grad=True) * 2
    y.grad_fn.register_prehook(boom)
    y.sum().backward()


def failing_hook_under_create_graph(t):
    x = t.ones(3, requires_grad=True)
    y = x * 2
    y.register_hook(boom)
    t.autograd.grad(y.sum(), x, create_graph=True)


FAILING = [
    (failing_rule, "WrongBackward", "y = Wrong.apply"),
    (failing_tensor_hook, "MulBackward0", "y = t.ones"),
    (failing_hook_of_a_node, "MulBackward0", "y = t.ones"),
    (failing_prehook_of_a_node, "MulBackward0", "y = t.ones"),
    (failing_hook_under_create_graph, "MulBackward0", "y = x * 2"),
]


@pytest.mark.parametrize(("program", "node", "text"), FAILING, ids=[p.__name__ for p, _, _ in FAILING])
def test_an_exception_of_the_user_is_kept_and_told_where(t, program, node, text):
    error = failing(lambda: program(t), t.autograd.set_detect_anomaly(True))
    assert type(error) is ZeroDivisionError
    assert str(error) == "boom"
    if t is gc:
        (note,) = error.__notes__
        assert f"Error detected in {node}" in note
        assert points_to(note, line_of(program, text))


def test_outside_the_mode_exceptions_are_left_alone():
    with pytest.raises(ZeroDivisionError) as caught:
        failing_tensor_hook(gc)
    assert not hasattr(caught.value, "__notes__")


def test_a_failing_hook_of_a_leaf_is_told_as_such():
    x = gc.ones(3, requires_grad=True)
    x.register_hook(boom)
    error = failing(lambda: (x * 2).sum().backward(), gc.autograd.set_detect_anomaly(True))
    (note,) = error.__notes__
    assert "AccumulateGrad of a leaf, FloatTensor [3]" in note


def test_an_impossible_gradient_is_told_of_its_node(t):
    class Wrong(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return t.ones(7)

    def run():
        (Wrong.apply(t.ones(3, requires_grad=True)) * 2).sum().backward()

    error = failing(run, t.autograd.set_detect_anomaly(True))
    assert type(error) is RuntimeError
    assert "returned an invalid gradient at index 0" in str(error)
    if t is gc:
        assert "Error detected in WrongBackward" in told(error)


def modified(t):
    x = t.ones(3, requires_grad=True)
    y = x.exp()
    z = y * y
    y.add_(1)
    with t.no_grad():
        y.mul_(2)
    z.sum().backward()


def test_the_error_about_a_write_tells_who_saved_and_who_wrote(t):
    error = failing(lambda: modified(t), t.autograd.set_detect_anomaly(True))
    assert type(error) is RuntimeError
    for phrase in ("modified by an inplace operation", "is at version 2", "expected version 0 instead"):
        assert phrase in str(error)
    if t is gc:
        assert f"It was saved at line {line_of(modified, 'z = y * y')} of {__file__}" in str(error)
        assert f"It was changed 2 times since then, first at line {line_of(modified, 'y.add_(1)')}" in str(error)
        assert f"It was changed last at line {line_of(modified, 'y.mul_(2)')} of" in str(error)
        assert "saved as 'input' by MulBackward0" in str(error) or "saved as 'other' by MulBackward0" in str(error)


def test_the_error_about_a_write_outside_the_mode_says_how_to_know_more():
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*Hint: with autograd.detect_anomaly\(\)"):
        modified(gc)


def step_between(t):
    w = t.ones(3, requires_grad=True)
    with t.no_grad():
        w.add_(1)
    optimizer = t.optim.SGD([w], lr=0.1)
    with t.autograd.set_detect_anomaly(True):
        x = t.ones(3, requires_grad=True)
        first, second = (x * w).sum(), (x * w * w).sum()
        first.backward(retain_graph=True)
        optimizer.step()
        second.backward()


def test_the_step_of_an_optimizer_is_a_write_that_is_told(t):
    error = failing(lambda: step_between(t), warnings.catch_warnings())
    assert type(error) is RuntimeError
    assert "modified by an inplace operation" in str(error)
    if t is gc:
        assert f"changed last at line {line_of(step_between, 'optimizer.step()')} of" in str(error)


def test_a_write_that_was_not_watched_is_not_guessed():
    x = gc.ones(3, requires_grad=True)
    y = x * 1
    view = y.detach()
    y.add_(1)
    with gc.autograd.set_detect_anomaly(True):
        z = (y * y).sum()
        view.add_(1)
        with pytest.raises(RuntimeError, match="Which line changed it is not known"):
            z.backward()


def twice(t):
    x = t.ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


def test_the_error_about_a_freed_graph_tells_which_backward_freed_it(t):
    error = failing(lambda: twice(t), t.autograd.set_detect_anomaly(True))
    assert type(error) is RuntimeError
    assert "backward through the graph a second time" in str(error)
    if t is gc:
        made, first = line_of(twice, "y = (x * x)"), line_of(twice, "y = (x * x)") + 1
        assert f"MulBackward0 was made at line {made} of {__file__}" in str(error)
        assert f"freed by the backward at line {first} of {__file__}" in str(error)


def test_the_error_about_a_detached_tensor_tells_who_saved_it():
    with gc.autograd.set_detect_anomaly(True):
        x = gc.ones(3, requires_grad=True)
        y = x * 2
        z = y * y
        y.detach_()
        with pytest.raises(RuntimeError, match="was detached in-place") as caught:
            gc.autograd.grad(z.sum(), x, create_graph=True)
    here = test_the_error_about_a_detached_tensor_tells_who_saved_it
    assert f"It was saved at line {line_of(here, 'z = y * y')} of {__file__}" in str(caught.value)


def test_reading_what_was_freed_tells_it_too():
    with gc.autograd.set_detect_anomaly(True):
        y = gc.ones(3, requires_grad=True).exp()
        y.sum().backward()
        with pytest.raises(RuntimeError, match="freed by the backward at line"):
            _ = y.grad_fn._saved_result


def test_a_backward_inside_a_backward_keeps_its_lines_apart():
    class Outer(gc.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with gc.enable_grad():
                inner = x.detach().requires_grad_()
                (inner.sqrt() * 0).sum().backward()
            return inner.grad

    with gc.autograd.set_detect_anomaly(True):
        y = Outer.apply(gc.zeros(2, requires_grad=True))
        with pytest.raises(RuntimeError) as caught:
            y.sum().backward()
    text = told(caught.value)
    assert "Function 'SqrtBackward0' returned nan" in text
    assert "Error detected in OuterBackward" in text
    assert watch.running.get() is None


def test_the_mode_belongs_to_a_thread():
    seen = []
    with gc.autograd.set_detect_anomaly(True):
        thread = threading.Thread(target=lambda: seen.append(gc.is_anomaly_enabled()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_memory_is_flat(monkeypatch):
    monkeypatch.setattr(watch, "LIMIT", 50)
    w = gc.ones(20, requires_grad=True)

    def step():
        x = gc.ones(20, requires_grad=True)
        y = (x * w).sin()
        y[:3].mul_(2.0)
        y.sum().backward()
        (g,) = gc.autograd.grad((x * w).sin().sum(), x, create_graph=True)
        g.sum().backward()
        x.grad = None

    collector.disable()
    try:
        with gc.autograd.set_detect_anomaly(True):
            while len(watch.journal) > 50:
                watch.journal.popitem(last=False)
            for _ in range(10):
                step()
            before = len(collector.get_objects())
            for _ in range(30):
                step()
            grown = len(collector.get_objects()) - before
    finally:
        collector.enable()
    assert grown < 30
