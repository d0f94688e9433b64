"""The backward walk: what starts it, where gradients go, what it frees, in which order it runs."""

from __future__ import annotations

import contextlib
import gc as collector
import threading
import weakref

import numpy as np
import pytest
from programs import assert_raises, run

import gradcore as gc

X = "x = t.ones(2, requires_grad=True)\n"
AGAIN = ("backward through the graph", "a second time", "Specify retain_graph=True")


def host(x):
    """The elements of a tensor of either library as a NumPy array."""
    return x.numpy(force=True)


def equal(x, expected):
    np.testing.assert_array_equal(host(x), np.asarray(expected, dtype=host(x).dtype))


def close(x, expected):
    np.testing.assert_allclose(host(x), expected, rtol=1e-5, atol=1e-6)


ENTRY = [
    ("t.ones(2).sum().backward()", RuntimeError, "does not require grad", "does not have a grad_fn"),
    (X + "t.autograd.backward([x.sum(), t.ones(2)])", RuntimeError, "element 1 of", "does not require grad"),
    (X + "x.argmax().backward()", RuntimeError, "does not require grad", "does not have a grad_fn"),
    (X + "(x * 2).backward()", RuntimeError, "implicitly created", "only for scalar outputs"),
    (
        "x = t.ones(1, requires_grad=True); (x * 0.5j).backward()",
        RuntimeError,
        "implicitly created",
        "only for real scalar outputs",
    ),
    (
        "x = t.tensor(1.0, requires_grad=True); (x * 0.5j).backward()",
        RuntimeError,
        "implicitly created",
        "only for real scalar outputs",
    ),
    (X + "y = (x * x).sum(); y.backward(); y.backward()", RuntimeError, *AGAIN),
    (X + "(x * 2).backward(t.ones(3))", RuntimeError, "Mismatch in shape", "grad_output[0] has a shape of"),
    (
        "x = t.ones(2, 2, requires_grad=True); t.autograd.grad([x * 2], [x], [t.ones(2)])",
        RuntimeError,
        "Mismatch in shape",
        "grad_output[0] has a shape of",
    ),
    (X + "x.sum().backward(t.ones(1))", RuntimeError, "Mismatch in shape", "grad_output[0] has a shape of"),
    (
        X + "(x * 2).backward(t.ones(2, dtype=t.complex64))",
        RuntimeError,
        "required to have the same dtype",
        "Mismatch in dtype",
    ),
    (
        "x = t.ones(2, dtype=t.complex64, requires_grad=True); (x * 2).backward(t.ones(2))",
        RuntimeError,
        "required to have the same dtype",
        "Mismatch in dtype",
    ),
    (X + "(x * 2).backward(1.0)", TypeError, "object is not iterable"),
    (X + "t.autograd.backward([x * 2], [1.0])", TypeError, "either Tensors or None", "but got float"),
    (X + "t.autograd.backward([x * 2, x * 3], [t.ones(2)])", RuntimeError, "got 2 tensors and 1 gradients"),
    (X + "(x * 2).sum().backward(inputs=[])", RuntimeError, "`inputs` argument", "cannot be empty"),
    (X + "(x * 2).sum().backward(inputs=[t.ones(2)])", RuntimeError, "can't retain_grad", "requires_grad=False"),
    (X + "(x * 2).sum().backward(inputs=[3])", RuntimeError, "Tensors or GradientEdges", "but got int"),
    ("t.autograd.backward('a')", AssertionError, "Expected output", "torch.Tensor"),
    ("t.autograd.backward([3])", AssertionError, "Expected output", "torch.Tensor"),
    ("x = t.ones(1); t.autograd.grad(x * 2, x)", RuntimeError, "does not require grad", "does not have a grad_fn"),
    (
        X + "t.autograd.grad((x * 2).sum(), t.ones(1))",
        RuntimeError,
        "One of the differentiated Tensors",
        "does not require grad",
    ),
    (
        X + "t.autograd.grad((x * 2).sum(), [x, t.ones(1, requires_grad=True)])",
        RuntimeError,
        "The differentiated Tensor",
        "not have been used",
        "Set allow_unused=True",
    ),
    (
        X + "y = (x * 2).sum(); t.autograd.grad(y, x[0])",
        RuntimeError,
        "The differentiated Tensor",
        "not have been used",
        "Set allow_unused=True",
    ),
    (
        X + "t.autograd.grad(x.sum(), x, allow_unused=False, materialize_grads=True)",
        ValueError,
        "Expected allow_unused to be True",
        "materialize_grads=True",
    ),
    (X + "t.autograd.grad(x.sum(), [])", RuntimeError, "`inputs` argument", "cannot be empty"),
    (X + "t.autograd.grad(x.sum(), 3.0)", TypeError, "object is not iterable"),
    (X + "y = (x * x).sum(); t.autograd.grad(y, x); t.autograd.grad(y, x)", RuntimeError, *AGAIN),
    (
        X + "g, = t.autograd.grad((x**3).sum(), x); g.sum().backward()",
        RuntimeError,
        "does not require grad",
        "does not have a grad_fn",
    ),
    (
        X + "y = x * x; y.sum().backward(); y.grad_fn._saved_self",
        RuntimeError,
        *AGAIN,
    ),
]


@pytest.mark.parametrize("case", ENTRY, ids=lambda case: case[0].replace(X, "").strip())
def test_what_backward_and_grad_refuse(t, case):
    program, error, *phrases = case
    if t is gc:
        # Messages name the library that they come from.
        phrases = [p.replace("torch.", "gradcore.") for p in phrases]
    assert_raises(program, t, error, *phrases)


def test_gradient_on_another_device_is_refused_and_nothing_is_accumulated():
    x = gc.ones(2, device="strict:1", requires_grad=True)
    with pytest.raises(RuntimeError, match=r"invalid gradient at index 0.*expected device strict:1 but got strict:2"):
        (x * 2).backward(gc.ones(2, device="strict:2"))
    assert x.grad is None


def test_more_gradients_than_outputs_are_ignored(t):
    x = t.ones(2, requires_grad=True)
    t.autograd.backward([x * 2], [t.ones(2), t.ones(2)])
    equal(x.grad, [2, 2])


def test_deprecated_argument_only_inputs_warns_when_false(t):
    x = t.ones(2, requires_grad=True)
    t.autograd.grad(x.sum(), x, only_inputs=True)
    with pytest.warns(FutureWarning, match="only_inputs argument is deprecated"):
        t.autograd.grad(x.sum(), x, only_inputs=False)


def test_gradient_of_another_real_dtype_is_cast(t):
    for dtype in (t.float64, t.int64):
        x = t.ones(2, requires_grad=True)
        (x * 2).backward(t.ones(2, dtype=dtype))
        equal(x.grad, [2, 2])
        assert x.grad.dtype == t.float32


def test_none_among_gradients_stands_for_one_number(t):
    x = t.ones(2, requires_grad=True)
    t.autograd.backward([x.sum(), x * 2], [None, t.tensor([1.0, 10.0])])
    equal(x.grad, [3, 21])


def test_one_output_given_twice_counts_twice(t):
    x = t.ones(2, requires_grad=True)
    y = (x * 3).sum()
    t.autograd.backward([y, y])
    equal(x.grad, [6, 6])


def test_an_output_that_leads_to_another_output(t):
    x = t.ones(2, requires_grad=True)
    y = x * 3
    z = y * y
    t.autograd.backward([z.sum(), y.sum()])
    equal(x.grad, [21, 21])
    a = t.ones(2, requires_grad=True)
    b = a * 3
    c = b * 2
    assert [host(g).tolist() for g in t.autograd.grad([c.sum(), b.sum()], [b, a])] == [[3, 3], [9, 9]]


def test_a_leaf_can_be_the_output(t):
    x = t.tensor(2.0, requires_grad=True)
    x.backward()
    equal(x.grad, 1)
    (g,) = t.autograd.grad(x, x)
    equal(g, 1)
    assert g is not x.grad


def test_grad_of_an_output_with_respect_to_itself(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    g = t.tensor([5.0, 7.0])
    (same,) = t.autograd.grad(y, y, g)
    equal(same, [5, 7])


def test_a_single_element_of_any_shape_needs_no_gradient(t):
    x = t.ones(1, 1, 1, requires_grad=True)
    (x * 4).backward()
    assert tuple(x.grad.shape) == (1, 1, 1)
    equal(x.grad, [[[4]]])


def test_gradients_accumulate_in_place_after_the_first(t):
    x = t.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    first = x.grad
    assert first._version == 0
    (x * 3).sum().backward()
    assert x.grad is first
    assert first._version == 1
    equal(first, [5, 5])
    assert not first.requires_grad


def test_gradient_that_the_user_assigned_is_added_to_in_place(t):
    x = t.ones(2, requires_grad=True)
    g = t.tensor([10.0, 20.0])
    x.grad = g
    (x * 2).sum().backward()
    assert x.grad is g
    equal(g, [12, 22])
    assert g._version == 1


def test_gradient_assigned_as_expanded_tensor_is_not_written_to(t):
    x = t.ones(2, requires_grad=True)
    x.grad = t.ones(1).expand(2)
    with pytest.raises(RuntimeError, match="single memory location"):
        x.sum().backward()
    equal(x.grad, [1, 1])


def test_create_graph_adds_out_of_place(t):
    x = t.ones(2, requires_grad=True)
    with quiet(t):
        (x * x).sum().backward(create_graph=True)
        first = x.grad
        assert first.requires_grad
        (x * x).sum().backward(create_graph=True)
    assert x.grad is not first
    equal(first, [2, 2])
    equal(x.grad, [4, 4])
    assert type(x.grad.grad_fn).__name__ == "AddBackward0"
    x.grad = None


def test_create_graph_says_that_it_makes_a_cycle(t):
    x = t.ones(2, requires_grad=True)
    with always_warning(t), pytest.warns(UserWarning, match="create_graph=True.*reference cycle"):
        (x * x).sum().backward(create_graph=True)
    x.grad = None


def test_gradient_is_never_a_buffer_that_somebody_else_holds(t):
    x = t.ones(2, requires_grad=True)
    g = t.tensor([3.0, 4.0])
    x.backward(g)
    assert x.grad is not g
    x.grad += 1
    equal(g, [3, 4])

    a, b = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    (a + b).sum().backward()
    a.grad += 5
    equal(b.grad, [1, 1])

    c = t.ones(2, requires_grad=True)
    d = c + 0
    d.retain_grad()
    (d + 0).backward(g)
    c.grad += 1
    equal(d.grad, [3, 4])
    equal(g, [3, 4])
    d.grad += 1
    equal(g, [3, 4])


def test_gradient_seen_by_a_hook_is_not_changed_by_later_accumulation(t):
    x = t.ones(2, requires_grad=True)
    seen = []
    x.register_hook(seen.append)
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    x.grad += 100
    equal(seen[0], [2, 2])
    equal(seen[1], [3, 3])


def test_what_is_given_out_may_be_written_to(t):
    x = t.ones(1, requires_grad=True)
    (g,) = t.autograd.grad(x.sum(), x)
    g.add_(1)
    equal(g, [2])
    y = t.ones(2, 1, requires_grad=True)
    y.register_hook(lambda g: g.mul_(5))
    (y * t.tensor([[3.0], [4.0]])).sum().backward()
    equal(y.grad, [[15], [20]])


def test_results_of_grad_are_not_changed_by_a_later_backward(t):
    x = t.ones(2, requires_grad=True)
    y = (x * 2).sum()
    (g,) = t.autograd.grad(y, x, retain_graph=True)
    y.backward()
    y2 = (x * 5).sum()
    y2.backward()
    equal(g, [2, 2])
    equal(x.grad, [7, 7])


def test_strides_of_the_gradient_are_those_of_a_dense_leaf(t):
    x = t.ones(2, 3).t().requires_grad_()
    x.sum().backward()
    assert tuple(x.grad.stride()) == (1, 3)
    x.grad = None
    (x * x).sum().backward()
    assert tuple(x.grad.stride()) == (1, 3)
    y = t.ones(2, 3, 4).permute(2, 0, 1).requires_grad_()
    (y * 2).sum().backward()
    assert y.grad.stride() == y.stride()


def test_gradient_of_a_leaf_with_holes_or_repeats_is_contiguous(t):
    x = t.ones(2, 4)[:, ::2].requires_grad_()
    (x * 2).sum().backward()
    assert tuple(x.grad.stride()) == (2, 1)
    y = t.ones(1).expand(3).requires_grad_()
    y.sum().backward()
    assert tuple(y.grad.stride()) == (1,)
    equal(y.grad, [1, 1, 1])


def test_gradient_of_a_sum_is_dense_on_the_leaf(t):
    # What hooks see of it may be an expanded tensor.
    y = t.ones(3, requires_grad=True)
    y.sum().backward()
    assert y.grad.is_contiguous()
    y.grad.mul_(5)
    equal(y.grad, [5, 5, 5])


def test_retain_graph_keeps_the_graph(t):
    x = t.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    equal(x.grad, [4, 4])
    with pytest.raises(RuntimeError, match=r"Specify retain_graph=True"):
        y.backward()
    equal(x.grad, [4, 4])


def test_create_graph_keeps_the_graph_unless_told_otherwise(t):
    x = t.ones(2, requires_grad=True)
    y = (x * x).sum()
    t.autograd.grad(y, x, create_graph=True)
    t.autograd.grad(y, x, create_graph=True, retain_graph=False)
    with pytest.raises(RuntimeError, match=r"Specify retain_graph=True"):
        t.autograd.grad(y, x)


@pytest.mark.parametrize(
    "program",
    [
        "(x + 1).sum()",
        "(x - 1).mean()",
        "(-x).sum(0)",
        "x.sum(0, keepdim=True).reshape(())",
        "x.view(2, 1).t().sum()",
        "x[:1].sum()",
        "t.cat([x, x]).sum()",
        "x.expand(3, 2).sum()",
    ],
)
def test_a_graph_that_saved_no_tensors_runs_a_second_time(t, program):
    names = run(X + f"y = {program}", t)
    names["y"].backward()
    once = host(names["x"].grad).copy()
    names["y"].backward()
    equal(names["x"].grad, 2 * once)


def test_a_shared_part_is_freed_by_the_first_of_two_losses(t):
    x = t.ones(2, requires_grad=True)
    shared = x.exp()
    one, two = (shared * 2).sum(), (shared * 3).sum()
    one.backward()
    with pytest.raises(RuntimeError, match=r"a second time"):
        two.backward()
    shared = x.exp()
    one, two = (shared * 2).sum(), (shared * 3).sum()
    x.grad = None
    one.backward(retain_graph=True)
    two.backward()
    close(x.grad, 5 * np.exp([1, 1]))


def test_grad_frees_only_what_it_ran(t):
    x = t.ones(2, requires_grad=True)
    y = x.exp()
    z = y * y
    t.autograd.grad(z.sum(), y)
    with pytest.raises(RuntimeError, match=r"a second time"):
        t.autograd.grad(z.sum(), y)
    y.sum().backward()
    close(x.grad, np.exp([1, 1]))


def test_backward_into_given_inputs_only(t):
    x, w = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    h = x * w
    (h * h).sum().backward(inputs=[x])
    equal(x.grad, [2, 2])
    assert w.grad is None
    h = x * w
    (h * h).sum().backward(inputs=w)
    equal(w.grad, [2, 2])
    equal(x.grad, [2, 2])


def test_backward_into_a_non_leaf_retains_its_grad(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    (y * y).sum().backward(inputs=[y], retain_graph=True)
    equal(y.grad, [4, 4])
    assert y.retains_grad
    assert x.grad is None
    z = (y * y).sum()
    z.backward(inputs=[y, x])
    equal(y.grad, [8, 8])
    equal(x.grad, [8, 8])


def test_backward_into_an_input_given_twice_counts_once(t):
    x = t.ones(2, requires_grad=True)
    y = x * 3
    y.sum().backward(inputs=[x, x, y, y])
    equal(x.grad, [3, 3])
    equal(y.grad, [1, 1])


def test_backward_into_an_unreachable_input_leaves_it_alone(t):
    x, y = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    x.sum().backward(inputs=[y])
    assert x.grad is None
    assert y.grad is None


def test_leaves_that_are_not_reached_keep_none(t):
    x, y = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    x.sum().backward()
    assert y.grad is None


def test_unused_inputs_of_grad(t):
    x, z = t.ones(1, requires_grad=True), t.ones(3, requires_grad=True)
    a, b = t.autograd.grad(x * 2, [x, z], allow_unused=True)
    equal(a, [2])
    assert b is None
    a, b = t.autograd.grad(x * 2, [x, z], materialize_grads=True)
    equal(b, [0, 0, 0])
    assert b.dtype == z.dtype
    assert not b.requires_grad
    assert x.grad is None
    assert z.grad is None


def test_inputs_of_grad_as_a_dict(t):
    x, z = t.ones(1, requires_grad=True), t.full((1,), 3.0, requires_grad=True)
    found = t.autograd.grad((x * 2 * z).sum(), {"a": x, "b": z})
    assert list(found) == ["a", "b"]
    equal(found["a"], [6])
    equal(found["b"], [2])
    missing = t.autograd.grad(x.sum(), {"a": x, "b": z}, allow_unused=True)
    assert missing["b"] is None


def test_one_input_of_grad_given_twice(t):
    x = t.ones(2, requires_grad=True)
    a, b = t.autograd.grad((x * 2).sum(), [x, x])
    equal(a, [2, 2])
    equal(b, [2, 2])


def test_grad_does_not_touch_grad_and_gives_tensors_without_history(t):
    x = t.ones(2, requires_grad=True)
    y = x * x
    gx, gy = t.autograd.grad(y.sum(), [x, y])
    assert x.grad is None
    assert not y.retains_grad
    assert not gx.requires_grad
    assert gx.grad_fn is None
    equal(gy, [1, 1])


SHAPES = [
    ((2, 1), (3,)),
    ((), (2, 3)),
    ((1, 3), (2, 1)),
    ((4, 1, 3), (2, 1)),
    ((3,), (1,)),
    ((0, 3), (1, 3)),
    ((1,), ()),
    ((2, 0), (1,)),
]


@pytest.mark.parametrize(("one", "two"), SHAPES, ids=str)
def test_gradients_of_broadcast_operands_are_summed(t, one, two):
    a, b = t.ones(one, requires_grad=True), t.full(two, 2.0, requires_grad=True)
    out = a * b
    out.sum().backward()
    assert tuple(a.grad.shape) == one
    assert tuple(b.grad.shape) == two
    whole = np.broadcast_shapes(one, two)
    count = int(np.prod(whole))
    close(a.grad, np.full(one, 2.0 * count / max(int(np.prod(one)), 1)))
    close(b.grad, np.full(two, 1.0 * count / max(int(np.prod(two)), 1)))


DTYPES = [
    ("float32", "float64"),
    ("float64", "float32"),
    ("float32", "complex64"),
    ("complex128", "float32"),
    ("float64", "complex64"),
]


@pytest.mark.parametrize(("one", "two"), DTYPES)
def test_gradients_have_the_dtype_of_their_operand(t, one, two):
    a = t.ones(2, dtype=getattr(t, one), requires_grad=True)
    b = t.full((2,), 2.0, dtype=getattr(t, two), requires_grad=True)
    for op in ("a * b", "a + b", "a - b", "a / b"):
        out = eval(op, {"a": a, "b": b})
        ga, gb = t.autograd.grad(out, [a, b], t.ones_like(out))
        assert ga.dtype == a.dtype
        assert gb.dtype == b.dtype
    assert out.grad_fn.next_functions[0][0].variable is a  # no cast stands between


def test_integer_operands_get_no_gradient(t):
    x, n = t.ones(2, requires_grad=True), t.tensor([2, 3])
    out = (x * n).sum()
    assert out.grad_fn is not None
    out.backward()
    equal(x.grad, [2, 3])
    assert n.grad is None


COMPLEX = {
    "abs(z)": 0.4472136 + 0.8944272j,
    "(z * z.conj()).real": 2 + 4j,
    "z.real": 1,
    "z.imag": 1j,
    "z * z": 2 - 4j,
    "z.conj()": 1,
    "z.exp()": -1.1312044 - 2.4717267j,
    "z.log()": 0.2 + 0.4j,
    "1 / z": 0.12 - 0.16j,
    "z * 1j": -1j,
    "z**3": -9 - 12j,
    "z.sin()": 2.0327230 + 3.0518978j,
}


@pytest.mark.parametrize("program", COMPLEX)
def test_gradient_of_a_complex_tensor_is_that_with_respect_to_its_conjugate(t, program):
    z = t.tensor(1 + 2j, requires_grad=True)
    out = eval(program, {"z": z, "t": t})
    (g,) = t.autograd.grad(out, z, t.ones_like(out))
    np.testing.assert_allclose(host(g), COMPLEX[program], rtol=1e-5)


def test_a_real_leaf_gets_the_real_part(t):
    x = t.tensor(2.0, requires_grad=True)
    z = x * (1 + 2j)
    (z * z.conj()).real.backward()
    assert x.grad.dtype == t.float32
    close(x.grad, 20)


N = 100_000


@pytest.mark.slow
def test_a_long_chain_neither_recurses_nor_crashes_when_freed():
    x = gc.ones(2, requires_grad=True)
    y = x
    for _ in range(N // 2):
        y = (y + 1) * 1.0
    y.sum().backward()
    equal(x.grad, [1, 1])
    del y  # a graph that has run
    y = x
    for _ in range(N):
        y = y + 1
    node = weakref.ref(y.grad_fn)
    del y  # a graph that never ran
    assert node() is None


def test_a_long_chain_of_writes_and_searches():
    x = gc.ones(2, requires_grad=True)
    y = x * 2
    for _ in range(N // 10):
        y.add_(1.0)
    (g,) = gc.autograd.grad(y.sum(), x, retain_graph=True)
    equal(g, [2, 2])
    y.sum().backward(inputs=[x])
    equal(x.grad, [2, 2])


def test_a_long_chain_of_second_order():
    x = gc.tensor(1.0, requires_grad=True)
    y = x * x
    for _ in range(5000):
        y = y * 1.0
    (g,) = gc.autograd.grad(y, x, create_graph=True)
    (h,) = gc.autograd.grad(g, x)
    equal(h, 2)


def test_every_node_runs_once_however_many_paths_lead_to_it(t):
    x = t.ones(1, dtype=t.float64, requires_grad=True)
    y = x
    for _ in range(50):  # 2**50 paths
        y = y + y
    y.backward()
    equal(x.grad, [2.0**50])
    calls = []
    a = t.ones(1, requires_grad=True)
    b = a * 2
    b.grad_fn.register_hook(lambda gi, go: calls.append(host(go[0]).tolist()))
    ((b * 3) + (b * b) + b).sum().backward()
    assert calls == [[3 + 4 + 1]]


def test_wide_and_deep_graph(t):
    x = t.ones(3, requires_grad=True)
    total = x * 0
    for i in range(300):
        y = x * float(i)
        for _ in range(5):
            y = y + x
        total = total + y
    total.sum().backward()
    equal(x.grad, [sum(range(300)) + 5 * 300] * 3)


def test_one_operand_in_every_place(t):
    x = t.tensor([2.0, 3.0], requires_grad=True)
    (x * x * x).sum().backward()
    close(x.grad, [12, 27])
    y = t.tensor([2.0, 3.0], requires_grad=True)
    t.where(y > 2.5, y, y * y).sum().backward()
    close(y.grad, [4, 1])


def test_nodes_run_in_reverse_order_of_creation(t):
    ran = []
    a0, b0 = t.ones(1, requires_grad=True), t.ones(1, requires_grad=True)
    a, b = a0 * 2, b0 * 2
    c = b.sin()
    d = a.cos()
    e = c * d
    for name, x in (("a", a), ("b", b), ("c", c), ("d", d), ("e", e)):
        x.grad_fn.register_prehook(lambda g, name=name: ran.append(name))
    e.backward()
    assert "".join(ran) == "edcba"  # the later of two that are ready first: d was made after c, b after a


def test_a_node_waits_for_all_its_gradients_even_if_made_late(t):
    # b is made before c, but c's other path is longer
    ran = []
    x = t.ones(1, requires_grad=True)
    b = x * 2
    c = b * 3
    d = c + b
    e = d * c
    for name, y in (("b", b), ("c", c), ("d", d), ("e", e)):
        y.register_hook(lambda g, name=name: ran.append(name))
    e.backward()
    assert ran == ["e", "d", "c", "b"]
    # e = (c + b) c with c = 3 b: 12 b**2
    equal(x.grad, [2 * 12 * 2 * 2])


def test_an_error_in_a_hook_leaves_everything_usable(t):
    x, w = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    h = x * w
    z = (h * h).sum()

    def fail(g):
        raise ZeroDivisionError("from the hook")

    handle = h.register_hook(fail)
    with pytest.raises(ZeroDivisionError, match="from the hook"):
        z.backward(retain_graph=True)
    assert t.is_grad_enabled()
    assert x.grad is None
    handle.remove()
    z.backward()
    equal(x.grad, [2, 2])
    y = t.ones(2, requires_grad=True)
    y.register_hook(fail)
    with t.no_grad(), pytest.raises(ZeroDivisionError):
        y.backward(t.ones(2))
    assert t.is_grad_enabled()


def test_a_modified_saved_tensor_leaves_other_leaves_as_they_were(t):
    x, w = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    y = x * 1
    z = (y * y).sum() + w.sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()
    assert x.grad is None
    (w * 2).sum().backward()
    assert host(w.grad).tolist() in ([2, 2], [3, 3])  # whether w was reached before the error is left open


def test_recording_during_backward_only_under_create_graph(t):
    modes = []
    x = t.ones(2, requires_grad=True)
    x.register_hook(lambda g: modes.append((t.is_grad_enabled(), g.requires_grad)))
    y = (x * x).sum()
    t.autograd.grad(y, x, retain_graph=True)
    t.autograd.grad(y, x, create_graph=True)
    with t.no_grad():
        t.autograd.grad(y, x, create_graph=True)
    assert modes == [(False, False), (True, True), (True, True)]
    assert t.is_grad_enabled()


def test_backward_runs_under_no_grad(t):
    x = t.ones(2, requires_grad=True)
    y = (x * x).sum()
    with t.no_grad():
        y.backward()
    equal(x.grad, [2, 2])


def test_backward_inside_a_hook(t):
    x = t.ones(2, requires_grad=True)
    inner = t.ones(2, requires_grad=True)

    def hook(g):
        with t.enable_grad():
            (inner * inner).sum().backward()

    y = x * 2
    y.register_hook(hook)
    (y * y).sum().backward()
    equal(x.grad, [8, 8])
    equal(inner.grad, [2, 2])


def test_zero_gradients_for_the_unused_outputs_of_a_node(t):
    x = t.ones(4, requires_grad=True)
    x.chunk(2)[0].sum().backward()
    equal(x.grad, [1, 1, 0, 0])
    y = t.ones(3, 2, requires_grad=True)
    parts = (y * 2).unbind(0)
    (parts[0] * parts[2]).sum().backward()
    equal(y.grad, [[4, 4], [0, 0], [4, 4]])


def test_detached_paths_get_no_gradient(t):
    x = t.tensor(3.0, requires_grad=True)
    (x * x.detach()).backward()
    equal(x.grad, 3)
    x.grad = None
    with t.no_grad():
        constant = x * 2
    (x * constant).backward()
    equal(x.grad, 6)


# Derivatives of higher order.

PROGRAMS = {
    "polynomial": lambda t, x, y: (x * x * y + x**3 - y / x).sum(),
    "elementary": lambda t, x, y: (x.sin() * y.exp() + (x * y).tanh()).sum(),
    "division": lambda t, x, y: ((x + y) / (1 + x * x)).sqrt().sum(),
    "broadcast": lambda t, x, y: ((x.reshape(-1, 1) * y) ** 2).mean(),
    "matrix": lambda t, x, y: ((x.reshape(-1, 1) @ y.reshape(1, -1)).exp().sum(0) * x).sum(),
    "shapes": lambda t, x, y: t.cat([x[1:], y[:2] * x[:2]]).flip(0).cumsum(0).pow(2).sum(),
    "softmax": lambda t, x, y: (t.softmax(x * y, 0) * y).log().sum(),
    "reductions": lambda t, x, y: (x * y).logsumexp(0) * x.std() * (y * y).prod(),
    "in place": lambda t, x, y: written(x * y, x).sum(),
    "repeated index": lambda t, x, y: (x[[0, 0, 1]] ** 2 * y[:3]).sum(),
    "where": lambda t, x, y: t.where(x > 0.6, x * y, x * x * x).sum(),
}


def written(z, x):
    z[1:] = (x * x)[1:] * z[:-1].clone()
    z.mul_(x)
    return z * z


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_of_three_orders_are_those_of_pytorch(torch, name):
    generator = np.random.default_rng(7)
    a, b = generator.uniform(0.3, 1.2, 4), generator.uniform(0.3, 1.2, 4)
    ours, theirs = (derivatives(t, PROGRAMS[name], a, b) for t in (gc, torch))
    assert len(ours) == len(theirs)
    for g, h in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(g, h, rtol=1e-9, atol=1e-9)


def derivatives(t, program, a, b):
    """Gradients of first, second and third order, each contracted with fixed numbers to give the next."""
    x, y = t.tensor(a, requires_grad=True), t.tensor(b, requires_grad=True)
    out = program(t, x, y)
    found = [host(out)]
    weights = [t.tensor([1.0, -2.0, 0.5, 3.0], dtype=t.float64), t.tensor([0.3, 1.0, -1.0, 2.0], dtype=t.float64)]
    for order in range(3):
        grads = t.autograd.grad(out, [x, y], create_graph=order < 2, materialize_grads=True)
        found += [host(g) for g in grads]
        out = sum((g * w).sum() for g, w in zip(grads, weights, strict=True))
    return found


def test_gradient_penalty_by_backward_through_grad(t):
    w, x = t.tensor([1.0, 2.0], requires_grad=True), t.tensor([3.0, -1.0], requires_grad=True)
    (g,) = t.autograd.grad((w * x**2).sum(), x, create_graph=True)
    ((g**2).sum() - 1.0).backward()
    close(w.grad, 2 * np.array([1, 2]) * 4 * np.array([9, 1]))
    close(x.grad, 8 * np.array([1, 4]) * np.array([3, -1]))


def test_backward_through_a_backward_with_create_graph(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    with quiet(t):
        (x**3).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    g.sum().backward()
    close(x.grad, [6, 12])


def test_second_order_of_a_leaf_used_as_its_own_gradient(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    v = t.tensor([3.0, 4.0], requires_grad=True)
    (g,) = t.autograd.grad(x * x, x, v, create_graph=True)
    gx, gv = t.autograd.grad(g.sum(), [x, v])
    close(gx, [6, 8])
    close(gv, [2, 4])


# Lifetimes. The garbage collector is off: what dies here dies by reference counts alone.


@contextlib.contextmanager
def without_collector():
    collector.collect()
    collector.disable()
    try:
        yield
    finally:
        collector.enable()


def saved_output(x):
    y = x.exp().sqrt().tanh()
    return y.sum(), [y]


def backward_done(x):
    y = x.exp()
    z = (y * y).sum()
    z.backward()
    return z, [y]


def retained(x):
    y = x.exp()
    y.retain_grad()
    z = (y * y).sum()
    z.backward()
    return z, [y, y.grad]


def hooks(x):
    y = x * 2
    y.register_hook(lambda g: g * 2)
    y.grad_fn.register_hook(lambda gi, go: None)
    y.grad_fn.register_prehook(lambda go: None)
    z = y.sum()
    z.backward()
    return z, [y]


def second_order(x):
    y = (x.exp() * x).sum()
    (g,) = gc.autograd.grad(y, x, create_graph=True)
    z = g.sum()
    (h,) = gc.autograd.grad(z, x, create_graph=True)
    return h.sum(), [y, g, z]


def views(x):
    y = x * 2
    v = y[1:]
    w = v.view(-1)
    return (w * y[:1]).sum(), [y, v, w]


def writes_through_views(x):
    y = x * 2
    v = y[1:]
    v.mul_(3)
    y.add_(v.sum())
    v.exp_()
    v.grad_fn  # noqa: B018 - makes the node
    return y.sum(), [y, v]


def several_outputs(x):
    y = x * 2
    a, b, c = y.unbind(0)
    return a * c, [y, a, b, c]


def accumulators(x):
    y = x * 2
    node = y.grad_fn.next_functions[0][0]
    node.register_hook(lambda gi, go: None)
    y.sum().backward()
    return y.sum(), [y, node.variable.grad]


def failed(x):
    y = x.exp()
    z = (y * y).sum()

    def fail(g):
        raise ValueError("no")

    y.register_hook(fail)
    with contextlib.suppress(ValueError):
        z.backward()
    return z, [y]


def modified(x):
    y = x * 2
    z = (y * y).sum()
    y.zero_()
    with contextlib.suppress(RuntimeError):
        z.backward()
    return z, [y]


def detached(x):
    y = x * 2
    d, e = y.detach(), y.data
    d.add_(1)
    return (y + d + e).sum(), [y, d, e]


def metadata(x):
    y = x * 2
    y.grad_fn.metadata["note"] = 1
    return y.sum(), [y]


LIVES = [
    saved_output,
    backward_done,
    retained,
    hooks,
    second_order,
    views,
    writes_through_views,
    several_outputs,
    accumulators,
    failed,
    modified,
    detached,
    metadata,
]


@pytest.mark.parametrize("program", LIVES, ids=lambda program: program.__name__)
@pytest.mark.parametrize("read", [True, False], ids=["grad_fn read", "grad_fn not read"])
def test_memory_goes_with_the_last_name(program, read):
    with without_collector():
        x = gc.ones(3, requires_grad=True)
        z, others = program(x)
        watched = [weakref.ref(o) for o in (z, *others)]
        if read:
            watched += [weakref.ref(o.grad_fn) for o in (z, *others) if o.grad_fn is not None]
        leaf = weakref.ref(x)
        assert all(w() is not None for w in watched)
        del z, others
        x.grad = None
        assert [w() for w in watched if w() is not None] == []
        del x
        assert leaf() is None


def test_a_graph_goes_when_the_program_goes_on_and_the_leaf_stays():
    with without_collector():
        x = gc.ones(3, requires_grad=True)
        y = x.exp()
        node = weakref.ref(y.grad_fn)
        y = y.detach()
        assert node() is None


def test_saved_values_are_freed_by_backward():
    with without_collector():
        x = gc.ones(3, requires_grad=True)
        h = x * 2
        z = (h * h).sum()
        held = weakref.ref(h)
        del h
        assert held() is not None
        z.backward()
        assert held() is None, "the graph keeps a saved tensor after backward"
        assert z.grad_fn is not None


def test_objects_do_not_pile_up_over_a_training_loop():
    def step():
        h = (x @ w).tanh()
        h.retain_grad()
        h.register_hook(lambda g: g)
        v = h[:, :2]
        loss = ((v * v).sum() + h.exp().mean()).log()
        (g,) = gc.autograd.grad(loss, w, create_graph=True)
        loss2 = loss + (g * g).sum()
        loss2.backward()
        with gc.no_grad():
            w.sub_(w.grad * 1e-3)
        w.grad = None

    x, w = gc.rand(4, 3), gc.rand(3, 4, requires_grad=True)
    with without_collector():
        for _ in range(20):
            step()
        before = len(collector.get_objects())
        for _ in range(150):
            step()
        after = len(collector.get_objects())
    assert after - before < 50


def test_small_steps_leave_nothing_behind():
    x = gc.ones(5, requires_grad=True)

    def step():
        y = x + 2
        (y * y * 3).mean().backward()

    with without_collector():
        step()
        before = len(collector.get_objects())
        for _ in range(2000):
            step()
        assert len(collector.get_objects()) - before < 50


# Threads.


def in_threads(count, work):
    errors = []

    def guarded(i):
        try:
            work(i)
        except BaseException as e:  # noqa: BLE001 - handed to the test
            errors.append(e)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def test_threads_that_accumulate_into_one_leaf_give_the_sum():
    for _ in range(5):
        x = gc.ones(1000, requires_grad=True)
        barrier = threading.Barrier(5)

        def work(i, x=x, barrier=barrier):
            barrier.wait()
            for k in range(40):
                (x * float(i + k)).sum().backward()

        in_threads(5, work)
        equal(x.grad, [sum(i + k for i in range(5) for k in range(40))] * 1000)


def test_threads_that_share_one_graph():
    x = gc.ones(100, requires_grad=True)
    shared = (x * 2).exp()
    losses = [(shared * float(i)).sum() for i in range(5)]
    in_threads(5, lambda i: losses[i].backward(retain_graph=True))
    close(x.grad, [2 * np.exp(2) * sum(range(5))] * 100)


def test_threads_that_have_graphs_of_their_own():
    results = [None] * 5

    def work(i):
        x = gc.full((3,), float(i), requires_grad=True)
        for _ in range(50):
            x.grad = None
            (x * x * x).sum().backward()
        results[i] = host(x.grad).tolist()

    in_threads(5, work)
    assert results == [[3.0 * i * i] * 3 for i in range(5)]


@contextlib.contextmanager
def always_warning(t):
    """PyTorch gives some warnings once per process; here each time."""
    if t is gc:
        yield
        return
    before = t.is_warn_always_enabled()
    t.set_warn_always(True)
    try:
        yield
    finally:
        t.set_warn_always(before)


@contextlib.contextmanager
def quiet(t):
    """Without the warning that ``create_graph=True`` in backward makes a cycle."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*create_graph=True")
        yield
