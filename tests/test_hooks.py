"""Hooks on tensors and nodes: when they run, what they see, what they may change."""

from __future__ import annotations

import numpy as np
import pytest
from programs import assert_raises

import gradcore as gc

X = "x = t.ones(2, requires_grad=True)\n"


def values(x):
    return x.numpy(force=True).tolist()


def close(x, expected):
    np.testing.assert_allclose(x.numpy(force=True), expected, rtol=1e-6)


ERRORS = [
    ("t.ones(2).register_hook(print)", RuntimeError, "cannot register a hook", "doesn't require gradient"),
    (
        "t.ones(2).register_post_accumulate_grad_hook(print)",
        RuntimeError,
        "cannot register a hook",
        "doesn't require gradient",
    ),
    (
        X + "(x * 2).register_post_accumulate_grad_hook(print)",
        RuntimeError,
        "post accumulate grad hooks",
        "on non-leaf tensors",
    ),
    (
        X + "x.register_post_accumulate_grad_hook(lambda x: x.grad); x.sum().backward()",
        RuntimeError,
        "post accumulate grad hooks",
        "should return None",
    ),
    (X + "x.register_hook(lambda g: 3); x.sum().backward()", TypeError, "but hook returned"),
    (X + "x.register_hook(lambda g: t.ones(3)); x.sum().backward()", RuntimeError, "has changed the size"),
    (X + "y = x * 2; y.register_hook(lambda g: t.ones(3)); y.sum().backward()", RuntimeError, "has changed the size"),
    (X + "x.register_hook(lambda g: g.double()); x.sum().backward()", RuntimeError, "has changed the type"),
    (
        X + "y = x * 2; y.grad_fn.register_hook(lambda gi, go: (gi[0],) * 3); y.sum().backward()",
        RuntimeError,
        "returned an incorrect number of values",
    ),
    (
        X + "y = x * 2; y.grad_fn.register_prehook(lambda go: (go[0],) * 2); y.sum().backward()",
        RuntimeError,
        "returned an incorrect number of values",
    ),
    (
        X + "y = x * 2; y.grad_fn.register_prehook(lambda go: go[0]); y.sum().backward()",
        TypeError,
        "expected tuple",
        "but hook returned",
    ),
    (
        X + "y = x.exp(); y.grad_fn.register_hook(lambda gi, go: gi[0]); y.sum().backward()",
        TypeError,
        "expected tuple",
        "but hook returned",
    ),
    ("t.ones(2).retain_grad()", RuntimeError, "can't retain_grad", "requires_grad=False"),
]


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0].replace(X, "").strip())
def test_what_is_refused(t, case):
    program, error, *phrases = case
    assert_raises(program, t, error, *phrases)


def hook_on_another_device(g):
    return gc.ones(2, device="strict:2")


def test_tensor_hook_that_moves_the_gradient_is_refused():
    x = gc.ones(2, device="strict:1", requires_grad=True)
    x.register_hook(hook_on_another_device)
    with pytest.raises(RuntimeError, match=r"hook_on_another_device.*changed the device"):
        (x * 2).sum().backward()


def recorded(t):
    """The program of every kind of hook: ``a`` a leaf, ``b = a.clone()``; what ran is written into a list."""
    ran = []
    a = t.tensor(1.0, requires_grad=True)
    b = a.clone()
    accumulator = b.grad_fn.next_functions[0][0]
    accumulator.register_hook(lambda gi, go: ran.append("acc post"))
    accumulator.register_prehook(lambda go: ran.append("acc pre"))
    a.register_post_accumulate_grad_hook(lambda x: ran.append("post acc"))
    a.register_hook(lambda g: ran.append("tensor a"))
    b.grad_fn.register_hook(lambda gi, go: ran.append("node post"))
    b.grad_fn.register_prehook(lambda go: ran.append("node pre"))
    b.register_hook(lambda g: ran.append("tensor b"))
    return a, b, ran


ALL = ["tensor b", "node pre", "node post", "tensor a", "acc pre", "post acc", "acc post"]
ORDERS = {
    "backward()": (lambda t, a, b: b.backward(), ALL),
    "grad(b, a)": (lambda t, a, b: t.autograd.grad(b, a), ALL[:4]),
    "grad(b, b)": (lambda t, a, b: t.autograd.grad(b, b), ALL[:1]),
    "grad(b, [a, b])": (lambda t, a, b: t.autograd.grad(b, [a, b]), ALL[:4]),
    "backward(inputs=[b])": (lambda t, a, b: b.backward(inputs=[b]), ALL[:3]),
    "backward(inputs=[a])": (lambda t, a, b: b.backward(inputs=[a]), ALL),
    "backward(inputs=[a, b])": (lambda t, a, b: b.backward(inputs=[a, b]), ALL),
    "backward(create_graph=True)": (lambda t, a, b: b.backward(create_graph=True), ALL),
}


@pytest.mark.filterwarnings("ignore:.*create_graph=True")
@pytest.mark.parametrize("call", ORDERS)
def test_order(t, call):
    act, expected = ORDERS[call]
    a, b, ran = recorded(t)
    act(t, a, b)
    assert ran == expected
    a.grad = None


def test_hooks_of_one_kind_run_in_order_of_registration_and_see_earlier_changes(t):
    x = t.ones(1, requires_grad=True)
    seen = []

    def add(number):
        def hook(g):
            seen.append(values(g))
            return g + number

        return hook

    x.register_hook(add(1))
    x.register_hook(lambda g: None)
    x.register_hook(add(10))
    x.sum().backward()
    assert seen == [[1], [2]]
    assert values(x.grad) == [12]


def test_pre_hooks_and_post_hooks_see_earlier_changes(t):
    x = t.ones(1, requires_grad=True)
    y = x * 3
    y.grad_fn.register_prehook(lambda go: (go[0] + 1,))
    y.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] + 0.5, *gi[1:]))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * 2, *gi[1:]))
    y.sum().backward()
    assert values(x.grad) == [((1 + 1) * 10 * 3 + 0.5) * 2]


def test_post_hook_sees_the_gradients_of_both_sides(t):
    x, w = t.tensor([2.0, 3.0], requires_grad=True), t.tensor([5.0, 7.0])
    y = x * w
    seen = []
    y.grad_fn.register_hook(lambda gi, go: seen.append((gi, go)))
    y.backward(t.tensor([1.0, 10.0]))
    ((gi, go),) = seen
    assert values(gi[0]) == [5, 70]
    assert gi[1] is None
    assert [values(g) for g in go] == [[1, 10]]
    assert isinstance(gi, tuple)
    assert isinstance(go, tuple)


def test_hooks_of_nodes_see_gradients_in_the_space_of_each_input(t):
    x, w = t.ones(2, 3, requires_grad=True), t.ones(3, dtype=t.float64, requires_grad=True)
    y = x * w
    seen = []
    y.grad_fn.register_hook(lambda gi, go: seen.extend((tuple(g.shape), g.dtype) for g in (*gi, *go)))
    y.sum().backward()
    assert seen == [((2, 3), t.float32), ((3,), t.float64), ((2, 3), t.float64)]
    w.grad = None
    z = x * w
    z.grad_fn.register_hook(lambda gi, go: (gi[0] * 0, gi[1] * 2))
    z.sum().backward()
    assert values(w.grad) == [4, 4, 4]


def test_hooks_of_a_node_with_an_integer_output(t):
    x = t.tensor([1.0, 3.0, 2.0], requires_grad=True)
    top = x.max(0)
    seen = []
    top.values.grad_fn.register_prehook(lambda go: (go[0] * 2,))
    top.values.grad_fn.register_hook(lambda gi, go: seen.append([values(g) for g in (*gi, *go)]))
    (top.values * 5).backward()
    assert seen == [[[0, 10, 0], 10]]


def test_a_post_hook_may_put_zeros_but_no_other_count(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    y.grad_fn.register_hook(lambda gi, go: tuple(None if g is None else g * 0 for g in gi))
    y.sum().backward()
    assert values(x.grad) == [0, 0]


def test_retain_grad_sees_tensor_hooks_and_not_pre_hooks_whatever_the_order(t):
    for first in ("retain", "hook"):
        seen = []
        a = t.ones(1, requires_grad=True)
        b = a.clone()
        if first == "retain":
            b.retain_grad()
        b.grad_fn.register_prehook(lambda go, b=b, seen=seen: seen.append(values(b.grad)) or (go[0] * 10,))
        b.register_hook(lambda g: g * 3)
        if first == "hook":
            b.retain_grad()
        b.sum().backward()
        assert values(b.grad) == [3]
        assert values(a.grad) == [30]
        assert seen == [[3]]


def test_grad_gives_the_value_after_tensor_hooks_and_before_pre_hooks(t):
    a = t.ones(1, requires_grad=True)
    b = a.clone()
    b.register_hook(lambda g: g * 3)
    b.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    (gb,) = t.autograd.grad(b.sum(), b, retain_graph=True)
    assert values(gb) == [3]
    (ga,) = t.autograd.grad(b.sum(), a)
    assert values(ga) == [30]


def test_grad_with_respect_to_a_tensor_and_what_it_was_made_of():
    # PyTorch gives the value before b's own hooks here (1), but after them when b is the only input.
    a = gc.ones(1, requires_grad=True)
    b = a.clone()
    b.register_hook(lambda g: g * 3)
    b.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    ga, gb = gc.autograd.grad(b.sum(), [a, b])
    assert values(ga) == [30]
    assert values(gb) == [3]


def test_hooks_fire_once_with_the_whole_gradient(t):
    x = t.ones(2, requires_grad=True)
    calls = []
    x.register_hook(lambda g: calls.append(values(g)))
    (x * 2 + x * x + x).sum().backward()
    assert calls == [[5, 5]]


def test_hook_of_a_leaf_that_is_the_output(t):
    x = t.ones(2, requires_grad=True)
    x.register_hook(lambda g: g * 2)
    x.backward(t.ones(2))
    assert values(x.grad) == [2, 2]


def test_hook_that_is_not_reached_does_not_fire(t):
    x, y = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    calls = []
    y.register_hook(calls.append)
    x.sum().backward()
    (x * 2).sum().backward()
    t.autograd.grad((x * y).sum(), x)
    assert calls == []


def test_removing(t):
    x = t.ones(1, requires_grad=True)
    handle = x.register_hook(lambda g: g * 2)
    x.sum().backward()
    handle.remove()
    handle.remove()
    x.sum().backward()
    assert values(x.grad) == [3]
    with x.register_hook(lambda g: g * 100):
        x.sum().backward()
    x.sum().backward()
    assert values(x.grad) == [104]


def test_removing_hooks_of_every_kind(t):
    a, b, ran = recorded(t)
    extra = []
    accumulator = b.grad_fn.next_functions[0][0]
    handles = [
        a.register_hook(lambda g: extra.append("tensor a")),
        b.register_hook(lambda g: extra.append("tensor b")),
        a.register_post_accumulate_grad_hook(lambda x: extra.append("post acc")),
        b.grad_fn.register_hook(lambda gi, go: extra.append("node post")),
        b.grad_fn.register_prehook(lambda go: extra.append("node pre")),
        accumulator.register_hook(lambda gi, go: extra.append("acc post")),
        accumulator.register_prehook(lambda go: extra.append("acc pre")),
    ]
    for handle in handles:
        handle.remove()
    b.backward()
    assert extra == []
    assert ran == ALL


def test_a_hook_removed_during_backward_does_not_fire_on_a_tensor_still_to_come(t):
    x = t.ones(1, requires_grad=True)
    y = x * 2
    calls = []
    handle = x.register_hook(lambda g: calls.append("x"))
    y.register_hook(lambda g: handle.remove())
    y.sum().backward()
    assert calls == []


def test_a_hook_removed_by_an_earlier_one_of_the_same_tensor_still_fires_in_that_pass(t):
    x = t.ones(1, requires_grad=True)
    calls = []
    handles = {}
    x.register_hook(lambda g: handles["later"].remove())
    handles["later"] = x.register_hook(lambda g: calls.append("later"))
    x.sum().backward()
    assert calls == ["later"]
    x.sum().backward()
    assert calls == ["later"]


def test_a_hook_that_removes_itself(t):
    x = t.ones(1, requires_grad=True)
    calls = []

    def once(g):
        calls.append(1)
        handle.remove()

    handle = x.register_hook(once)
    for _ in range(3):
        x.sum().backward()
    assert calls == [1]


def test_a_hook_registered_during_backward_for_a_tensor_still_to_come(t):
    x = t.ones(1, requires_grad=True)
    y = x * 2

    def add(g):
        x.register_hook(lambda h: h * 10)

    y.register_hook(add)
    y.sum().backward()
    assert values(x.grad) == [20]


def test_hooks_outlive_their_handles_and_other_graphs_do_not_see_them(t):
    x = t.ones(1, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g * 3)
    y.sum().backward()
    (x * 2).sum().backward()
    assert values(x.grad) == [8]


def test_a_tensor_hook_stays_with_the_value_it_was_registered_for(t):
    x = t.ones(1, requires_grad=True)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(("before", values(g))))
    y.mul_(5)
    y.register_hook(lambda g: seen.append(("after", values(g))))
    y.sum().backward()
    assert seen == [("after", [1]), ("before", [5])]


def test_retain_grad_follows_a_tensor_through_writes(t):
    x = t.ones(1, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.mul_(5)
    assert y.retains_grad
    (y * 3).sum().backward()
    assert values(y.grad) == [3]
    assert values(x.grad) == [30]


def test_retain_grad_follows_a_base_and_a_view_through_a_write(t):
    x = t.ones(3, requires_grad=True)
    y = x * 2
    y.retain_grad()
    v = y[1:]
    v.retain_grad()
    v.mul_(5)
    (y * 3).sum().backward()
    assert values(y.grad) == [3, 3, 3]
    assert values(x.grad) == [6, 30, 30]


def test_retain_grad_adds_up_over_backwards_out_of_place(t):
    x = t.ones(1, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    z = (y * 3).sum()
    z.backward(retain_graph=True)
    first = y.grad
    assert values(first) == [3]
    z.backward()
    assert values(y.grad) == [6]
    assert y.grad is not first
    assert values(first) == [3]


def test_retain_grad_of_a_leaf_does_nothing(t):
    x = t.ones(1, requires_grad=True)
    assert x.retain_grad() is None
    assert not x.retains_grad
    x.sum().backward()
    assert values(x.grad) == [1]


def test_a_tensor_that_is_gone_does_not_retain(t):
    x = t.ones(1, requires_grad=True)
    y = x * 2
    y.retain_grad()
    z = y.sum()
    del y
    z.backward()
    assert values(x.grad) == [2]


def test_post_accumulate_hook_sees_the_accumulated_gradient_and_may_clear_it(t):
    x = t.ones(2, requires_grad=True)
    seen = []

    def step(leaf):
        assert leaf is x
        seen.append(values(leaf.grad))
        with t.no_grad():
            leaf.sub_(leaf.grad * 0.5)
        leaf.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * 2).sum().backward()
    assert x.grad is None
    assert values(x) == [0, 0]
    x.sum().backward()
    assert seen == [[2, 2], [1, 1]]


def test_post_accumulate_hook_accumulates_over_backwards(t):
    x = t.ones(1, requires_grad=True)
    seen = []
    x.register_post_accumulate_grad_hook(lambda leaf: seen.append(values(leaf.grad)))
    x.sum().backward()
    x.sum().backward()
    assert seen == [[1], [2]]


def test_pre_hook_of_the_accumulator_changes_what_is_added(t):
    x = t.ones(1, requires_grad=True)
    y = x.clone()
    y.grad_fn.next_functions[0][0].register_prehook(lambda go: (go[0] * 7,))
    y.sum().backward()
    assert values(x.grad) == [7]


def test_hooks_on_outputs_of_a_node_that_has_several(t):
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    a, b, c = (x * 1).unbind(0)
    seen = []
    a.register_hook(lambda g: seen.append(("a", values(g))) or g * 100)
    c.register_hook(lambda g: g if g is None else seen.append("c"))  # PyTorch calls it, with None
    b.retain_grad()
    a.grad_fn.register_prehook(lambda go: seen.append([values(g) for g in go if g is not None]))
    (a * 2 + b * 3).backward()
    assert seen[0] == ("a", 2)
    assert "c" not in seen
    assert values(b.grad) == 3
    assert values(x.grad) == [200, 3, 0]


def test_what_a_pre_hook_sees_of_unused_outputs(t):
    x = t.ones(4, requires_grad=True)
    first, _ = (x * 1).split(2)
    seen = []
    first.grad_fn.register_prehook(lambda go: seen.append([None if g is None else values(g) for g in go]))
    first.sum().backward()
    assert len(seen[0]) == 2
    assert seen[0][0] == [1, 1]
    assert seen[0][1] in (None, [0, 0])


def test_hooks_are_recorded_under_create_graph(t):
    x = t.tensor(2.0, requires_grad=True)
    y = x * x
    y.register_hook(lambda g: g * x)  # dz/dy counts x times
    (g,) = t.autograd.grad(y, x, create_graph=True)
    close(g, 2 * 2 * 2)  # 2 x * x
    (h,) = t.autograd.grad(g, x)
    close(h, 8)  # d(2 x**2)/dx = 4 x


def test_retain_grad_under_create_graph_is_differentiable(t):
    x = t.tensor(2.0, requires_grad=True)
    y = x * 1
    y.retain_grad()
    z = y * y * y
    t.autograd.grad(z, x, create_graph=True)
    assert y.grad.requires_grad
    (h,) = t.autograd.grad(y.grad, x)
    close(h, 12)
    y.grad = None


def test_pre_and_post_hooks_under_create_graph(t):
    x = t.tensor(2.0, requires_grad=True)
    y = x * x
    y.grad_fn.register_prehook(lambda go: (go[0] * x,))
    y.grad_fn.register_hook(lambda gi, go: tuple(g * x for g in gi))
    (g,) = t.autograd.grad(y, x, create_graph=True)
    close(g, 2 * 2 * 2 * 2)  # 2 x**3
    (h,) = t.autograd.grad(g, x)
    close(h, 24)


def test_metadata_is_the_users_own(t):
    x = t.ones(1, requires_grad=True)
    y = x * 2
    node = y.grad_fn
    node.metadata["note"] = 3
    assert y.grad_fn.metadata == {"note": 3}
    assert (x * 2).grad_fn.metadata == {}


def test_the_nodes_of_a_program(t):
    x = t.ones(5, requires_grad=True)
    y = x + 2
    z = y * y * 3
    out = z.mean()
    names = []
    node = out.grad_fn
    while node is not None:
        names.append(node.name())
        node = node.next_functions[0][0] if node.next_functions else None
    assert names == ["MeanBackward0", "MulBackward0", "MulBackward0", "AddBackward0", "torch::autograd::AccumulateGrad"]
    square = out.grad_fn.next_functions[0][0].next_functions[0][0]
    assert [n for _, n in square.next_functions] == [0, 0]
    assert square.next_functions[0][0] is square.next_functions[1][0] is y.grad_fn
    assert z.grad_fn.next_functions[1] == (None, 0)
    assert repr(y.grad_fn).startswith("<AddBackward0 object at 0x")
    assert type(y.grad_fn).__name__ == "AddBackward0"
    assert y.grad_fn.next_functions[0][0].variable is x


def test_all_uses_of_a_leaf_share_one_accumulator(t):
    x = t.ones(1, requires_grad=True)
    y, z = x * 2, x * 3
    one, two = y.grad_fn.next_functions[0][0], z.grad_fn.next_functions[0][0]
    assert one is two
    assert one.next_functions == ()
    assert type(one).__name__ == "AccumulateGrad"
    assert y.grad_fn._sequence_nr() < z.grad_fn._sequence_nr() < one._sequence_nr()


def test_number_of_the_output(t):
    x = t.ones(3, requires_grad=True)
    parts = (x * 1).unbind(0)
    assert [p.output_nr for p in parts] == [0, 1, 2]
    assert len({p.grad_fn for p in parts}) == 1
    assert (parts[2] * 2).grad_fn.next_functions[0] == (parts[0].grad_fn, 2)
    assert x.output_nr == 0


def test_hooks_of_an_output_run_also_where_nothing_is_asked_for_behind_it(t):
    x, other = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    assert t.autograd.grad(y.sum(), other, allow_unused=True) == (None,)
    assert seen == []
    assert t.autograd.grad(y, other, t.ones(2), allow_unused=True) == (None,)
    assert seen == [[1, 1]]
    assert y.grad.tolist() == [1, 1]
    assert x.grad is None
