"""Debug mode: writes to saved arrays that gradcore did not make are noticed, and only those."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import gradcore as gc

UNSEEN = "modified without gradcore seeing it"


def leaf(*values):
    return gc.tensor(values or (1.0, 2.0, 3.0), requires_grad=True)


def at(function, text):
    """``line N of FILE`` for the one line of a function that holds ``text``, but for the calls of this."""
    lines, first = inspect.getsourcelines(function)
    (found,) = [first + i for i, line in enumerate(lines) if text in line and "at(" not in line]
    return f"line {found} of {__file__}"


def poke(tensor, value=7.0):
    """Write to the memory of a tensor behind gradcore's back, on any device."""
    raw = tensor._data
    tensor._device.xp.setitem(raw, ..., tensor._device.xp.full(tuple(tensor.shape), value, dtype=raw.dtype))


# Programs in which a saved array is written to unseen, with what the error must name.


def operand():
    w, x = leaf(), gc.ones(3)
    loss = (w * x).sum()
    poke(x)
    loss.backward()


def operand_of_both():
    w = leaf()
    loss = (w * w).sum()
    poke(w)
    loss.backward()


def result():
    loss = leaf().exp()
    poke(loss)
    loss.sum().backward()


def one_of_a_list():
    index = gc.tensor([0, 2])
    loss = leaf()[index]
    poke(index, 1)
    loss.sum().backward()


def through_data():
    loss = leaf().exp()
    loss.data.add_(1)
    loss.sum().backward()


def result_of_a_write():
    y = leaf() * 1
    y.exp_()
    poke(y)
    y.sum().backward()


def result_of_a_write_through_a_view():
    y = leaf() * 1
    y[:2].exp_()
    poke(y)
    y.sum().backward()


def in_grad():
    w, x = leaf(), gc.ones(3)
    loss = (w * x).sum()
    poke(x)
    gc.autograd.grad(loss, w, create_graph=True)


def in_a_second_backward():
    w, x = leaf(), gc.ones(3)
    loss = (w * x).sum()
    loss.backward(retain_graph=True)
    poke(x)
    loss.backward()


def in_a_backward_of_a_backward():
    w, x = leaf(), gc.ones(3)
    (g,) = gc.autograd.grad(((w * x) ** 3).sum(), w, create_graph=True)
    poke(x)
    g.sum().backward()


def in_a_function():
    class Scale(gc.autograd.Function):
        @staticmethod
        def forward(ctx, w, x):
            ctx.save_for_backward(x)
            return w * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0], None

    w, x = leaf(), gc.ones(3)
    loss = Scale.apply(w, x)
    poke(x)
    loss.sum().backward()


UNSEEN_WRITES = [
    (operand, "'other' by MulBackward0", "loss = "),
    (operand_of_both, "by MulBackward0", "loss = "),
    (one_of_a_list, "[0]' by IndexBackward0", "loss = "),
    (result, "'out' by ExpBackward0", "loss = "),
    (through_data, "'out' by ExpBackward0", "loss = "),
    (result_of_a_write, "'out' by ExpBackward0", "y.exp_()"),
    (result_of_a_write_through_a_view, "'out' by ExpBackward0", "y[:2].exp_()"),
    (in_grad, "'other' by MulBackward0", "loss = "),
    (in_a_second_backward, "'other' by MulBackward0", "loss = "),
    (in_a_backward_of_a_backward, "by MulBackward0", "(g,) = "),
    (in_a_function, "'saved_tensors[0]' by ScaleBackward", "loss = "),
]


@pytest.mark.parametrize(("program", "what", "text"), UNSEEN_WRITES, ids=[p.__name__ for p, *_ in UNSEEN_WRITES])
def test_an_unseen_write_raises(program, what, text):
    with gc.debug(), pytest.raises(RuntimeError, match=UNSEEN) as caught:
        program()
    message = str(caught.value)
    assert what in message
    assert f"It was saved at {at(program, text)}, in {program.__name__}" in message
    assert "Write to a copy" in message


@pytest.mark.parametrize(("program", "what", "text"), UNSEEN_WRITES, ids=[p.__name__ for p, *_ in UNSEEN_WRITES])
def test_outside_the_mode_it_passes_as_in_pytorch(program, what, text):
    program()
    with gc.debug(check_saved=False):
        program()


def test_a_numpy_array_that_shares_memory_with_an_operand():
    array = np.ones(3)
    with gc.debug():
        w = gc.ones(3, dtype=gc.float64, device="cpu", requires_grad=True)
        x = gc.from_numpy(array)
        loss = (w * x).sum()
        array[0] = 5
        with pytest.raises(RuntimeError, match=UNSEEN):
            loss.backward()


def test_a_numpy_array_of_a_result():
    with gc.debug():
        w = gc.ones(3, device="cpu", requires_grad=True)
        loss = w.exp()
        np.asarray(loss.detach())[1] = 5
        with pytest.raises(RuntimeError, match=UNSEEN):
            loss.sum().backward()


# What must not raise.


def in_place_through_gradcore():
    x = leaf()
    y = x * 2
    y.add_(y.detach())
    y.mul_(gc.ones(3))
    y.sin_()
    y[:2].mul_(3)
    z = x * 3
    z.sigmoid_()
    (y + z).sum().backward()
    return x.grad.tolist()


def several_steps():
    w = leaf()
    optimizer = gc.optim.SGD([w], lr=0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        loss = (w.exp() * w).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        optimizer.step()
    return w.tolist()


def views_and_lists():
    x = gc.arange(12.0).reshape(3, 4).requires_grad_()
    y = gc.cat([x[0], x[1] * x[2]]).cumprod(0)
    a, b = y.split(4)
    (a.exp() + b.tanh()).sum().backward()
    return x.grad.tolist()


def nan_values():
    x = leaf(float("nan"), 1.0)
    x.exp().sum().backward()
    return x.grad[1].item()


def double_backward():
    x = leaf()
    (g,) = gc.autograd.grad((x.sin() * x).sum(), x, create_graph=True)
    (h,) = gc.autograd.grad((g * g).sum(), x, create_graph=True)
    h.sum().backward(inputs=[x])
    return x.grad.tolist()


def second_order_through_a_write():
    x = leaf()
    y = x * 1
    y.add_(1)
    y.mul_(x)  # saves a copy of y
    (g,) = gc.autograd.grad((y * y).sum(), x, create_graph=True)
    y.grad_fn._saved_self.detach()
    (h,) = gc.autograd.grad(g.sum(), x)
    return h.tolist()


def saved_tensor_hooks():
    x = leaf()
    with gc.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        y = x.exp()
    y.data.zero_()  # what the hooks kept is a copy
    y.sum().backward()
    return x.grad.tolist()


def per_sample_gradients():
    x = gc.tensor([1.0, 2.0])
    return gc.func.grad(lambda v: (v.exp() * v).sum())(x).tolist()


@pytest.mark.parametrize(
    "program",
    [
        in_place_through_gradcore,
        several_steps,
        views_and_lists,
        nan_values,
        double_backward,
        second_order_through_a_write,
        saved_tensor_hooks,
        per_sample_gradients,
    ],
)
def test_what_gradcore_knows_of_passes(program):
    expected = program()
    with gc.debug():
        assert program() == expected


def test_counted_writes_raise_the_usual_error_with_lines():
    with gc.debug():
        y = leaf().exp()
        y.detach().add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
            y.sum().backward()
    here = test_counted_writes_raise_the_usual_error_with_lines
    assert f"It was changed last at {at(here, 'y.detach().add_(1)')}" in str(caught.value)


# The mode itself.


def test_it_is_a_decorator():
    @gc.debug()
    def run():
        return operand()

    with pytest.raises(RuntimeError, match=UNSEEN):
        run()
    operand()


def test_it_is_not_anomaly_mode_and_goes_with_it():
    with gc.debug():
        assert not gc.is_anomaly_enabled()
        x = gc.zeros(2, requires_grad=True)
        (x.sqrt() * 0).sum().backward()  # nan
        with gc.autograd.set_detect_anomaly(True):
            assert gc.is_anomaly_enabled()
            with pytest.raises(RuntimeError, match="returned nan values"):
                (x.sqrt() * 0).sum().backward()
            with pytest.raises(RuntimeError, match=UNSEEN):
                operand()
        with pytest.raises(RuntimeError, match=UNSEEN):
            operand()
    operand()


def test_it_works_inside_other_modes():
    with gc.debug(), gc.no_grad(), gc.enable_grad(), pytest.raises(RuntimeError, match=UNSEEN):
        operand()


def test_it_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with gc.debug():
            leaf().exp().sum().backward()
