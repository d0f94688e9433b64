"""Nodes of the graph as users see them: what they lead to, what they know, calling one; hooks where no gradient comes."""

from __future__ import annotations

import pytest
from programs import assert_raises

import gradcore as gc

X = "x = t.ones(2, requires_grad=True)\n"


def values(x):
    return x.numpy(force=True).tolist()


def graph(t):
    return t.autograd.graph


ERRORS = [
    (X + "(x * 2).grad_fn(t.ones(2), t.ones(2))", TypeError, "expected 1 arguments, got 2"),
    (X + "x.unbind()[0].grad_fn(t.ones(()))", TypeError, "expected 2 arguments, got 1"),
    (X + "x.max(0)[0].grad_fn(t.ones(()), None)", TypeError, "expected 1 arguments, got 2"),
    (X + "(x * 2).grad_fn(3)", TypeError, "argument 0 is not a Variable"),
    (X + "(x * x).grad_fn(t.ones(3))", RuntimeError),
    (X + "(x * 2).grad_fn.next_functions[0][0](t.ones(2), t.ones(2))", TypeError, "expected 1 arguments, got 2"),
    (X + "(x * 2).grad_fn._set_sequence_nr(-1)", OverflowError, "negative"),
    (X + "(x * 2).grad_fn._set_sequence_nr(1.5)", TypeError, "integer is required"),
    (X + "t.autograd.graph.register_multi_grad_hook((x,), print, mode='x')", ValueError, "Expects mode", "but got"),
    (
        X + "t.autograd.graph.register_multi_grad_hook((x, t.ones(2)), print)",
        AssertionError,
        "Expected gradient function",
    ),
    (X + "t.ones(2).grad_dtype = 3", RuntimeError, "grad_dtype must be a", "or None, but got int"),
    (X + "(x * 2).grad_dtype", RuntimeError, "grad_dtype", "on leaf tensors"),
    (X + "(x * 2).grad_dtype = t.float64", RuntimeError, "grad_dtype", "on leaf tensors"),
    (
        X + "x.grad_dtype = t.float64; x.grad = t.ones(2)",
        RuntimeError,
        "assign a gradient with dtype",
        "with grad_dtype",
    ),
    (
        X + "x.grad = t.ones(2); x.grad_dtype = t.float64",
        RuntimeError,
        "Cannot set grad_dtype",
        "already a gradient with dtype",
    ),
]


@pytest.mark.filterwarnings("ignore:The .grad attribute")
@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0].replace(X, "").strip())
def test_what_is_refused(t, case):
    program, error, *phrases = case
    assert_raises(program, t, error, *phrases)


# What a node leads to.

LEADS_TO = [
    "x * y",
    "x * 2",
    "x + 1",
    "1 - x",
    "x % 2",
    "x ** 2",
    "x ** y",
    "2 ** x",
    "t.where(m, x, y)",
    "t.where(m, x, 0.0)",
    "t.where(m, 0.0, x)",
    "x.masked_fill(m, 0.0)",
    "x.masked_fill(m, s)",
    "x.masked_select(m)",
    "x.gather(0, i)",
    "x.scatter(0, i, y)",
    "x.scatter(0, i, 1.0)",
    "x.scatter_add(0, i, y)",
    "x.index_select(0, i)",
    "x.index_add(0, i, y)",
    "x.index_fill(0, i, 1.0)",
    "x[i]",
    "x[m]",
    "x.take(i)",
    "t.cat([x, d, y])",
    "t.stack([d, x])",
    "t.lerp(x, y, 0.5)",
    "x.clamp(0, 1)",
    "t.nn.functional.cross_entropy(x.view(1, 3), i[:1])",
    "t.nn.functional.binary_cross_entropy(x, d)",
    "x.clone().masked_fill_(m, 0.0)",
    "write(x.clone(), lambda v: v.masked_fill_(m[:2], 0.0))",
    "write(x.clone(), lambda v: v.mul_(y[:2]))",
]


@pytest.mark.parametrize("expression", LEADS_TO)
def test_what_a_node_leads_to(torch, expression):
    def found(t):
        x = t.tensor([0.25, 0.5, 0.75], requires_grad=True) * 1
        y = t.tensor([0.5, 0.25, 0.5], requires_grad=True) * 1
        names = {
            "t": t,
            "x": x,
            "y": y,
            "s": t.tensor(2.0, requires_grad=True) * 1,
            "d": t.tensor([0.5, 0.5, 0.5]),
            "m": t.tensor([True, False, True]),
            "i": t.tensor([0, 2, 1]),
            "write": lambda base, f: (f(base[:2]), base)[1],
        }
        shown = []
        out = eval(expression, names)
        out.grad_fn.register_hook(lambda gi, go: shown.append((len(gi), len(go))))
        out.sum().backward()
        leads = [(None if n is None else n.name(), nr) for n, nr in out.grad_fn.next_functions]
        return out.grad_fn.name(), leads, shown

    assert found(gc) == found(torch)


def test_a_hook_may_replace_the_gradients_that_it_sees(t):
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = t.tensor([1.0, 1.0, 1.0], requires_grad=True)
    out = t.where(t.tensor([True, False, True]), x, y)
    out.grad_fn.register_hook(lambda gi, go: (gi[1] * 10, gi[0] * 100))
    out.sum().backward()
    assert (values(x.grad), values(y.grad)) == ([0.0, 10.0, 0.0], [100.0, 0.0, 100.0])


# What a node knows.


def test_every_grad_fn_is_a_node(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    accumulator = y.grad_fn.next_functions[0][0]

    class Double(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            assert isinstance(ctx, graph(t).Node)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    for node in (y.grad_fn, accumulator, Double.apply(x).grad_fn, x.unbind()[0].grad_fn):
        assert isinstance(node, graph(t).Node)
        assert node.requires_grad
        assert node.metadata == {}
        node.metadata["mine"] = 1
        assert node.metadata == {"mine": 1}
    assert not isinstance(y, graph(t).Node)


def test_what_is_known_of_the_gradients_that_come_in(t):
    x = t.ones(2, 3, requires_grad=True)

    def known(node):
        return [(tuple(m.shape), str(m.dtype).rpartition(".")[2], str(m.device)) for m in node._input_metadata]

    where = str(x.device)
    accumulator = graph(t).get_gradient_edge(x).node
    assert known((x * 2).grad_fn) == known(accumulator) == [((2, 3), "float32", where)]
    assert known(x.double().sum(1).grad_fn) == [((2,), "float64", where)]
    assert known(x.max(0)[0].grad_fn) == [((3,), "float32", where)]
    assert known(x.unbind()[1].grad_fn) == [((3,), "float32", where)] * 2
    assert not any(m.is_nested_tensor for m in accumulator._input_metadata)


def test_sequence_numbers_give_the_order(t):
    def order(change):
        ran = []
        x = t.ones(2, requires_grad=True)
        first, second = x * 1, x * 2
        for name, y in (("first", first), ("second", second)):
            y.grad_fn.register_hook(lambda gi, go, name=name: ran.append(name))
        assert first.grad_fn._sequence_nr() < second.grad_fn._sequence_nr()
        if change:
            assert first.grad_fn._set_sequence_nr(second.grad_fn._sequence_nr() + 1) is None
        (first + second).sum().backward()
        return ran

    assert order(change=False) == ["second", "first"]
    assert order(change=True) == ["first", "second"]
    x = t.ones(2, requires_grad=True)
    assert graph(t).get_gradient_edge(x).node._sequence_nr() == 2**64 - 1


def test_nodes_of_one_sequence_number(t):
    x = t.ones(2, requires_grad=True)
    parts = [x * i for i in range(5)]
    for y in parts:
        y.grad_fn._set_sequence_nr(7)
    sum(parts).sum().backward()
    assert values(x.grad) == [10.0, 10.0]


# Calling a node.


def test_calling_a_node(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = t.tensor([3.0, 4.0], requires_grad=True)
    product = x * y
    ran = []
    product.grad_fn.register_hook(lambda gi, go: ran.append("hook"))
    g = t.tensor([1.0, 10.0])
    of_x, of_y = product.grad_fn(g)
    assert (values(of_x), values(of_y)) == ([3.0, 40.0], [1.0, 20.0])
    assert values(x.exp().grad_fn(g)) == pytest.approx(values(x.exp() * g))
    assert product.grad_fn(None) == (None, None)
    assert (x * 2).grad_fn(g)[1] is None
    assert ran == []
    assert x.grad is None
    assert of_x.requires_grad
    with t.no_grad():
        assert not product.grad_fn(g)[0].requires_grad


def test_calling_a_node_with_several_outputs(t):
    x = t.tensor([1.0, 5.0], requires_grad=True)
    node = x.unbind()[0].grad_fn
    assert values(node(t.tensor(1.0), t.tensor(2.0))) == [1.0, 2.0]
    assert values(node(None, t.tensor(2.0))) == [0.0, 2.0]
    assert values(x.max(0)[0].grad_fn(t.tensor(3.0))) == [0.0, 3.0]


def test_calling_the_accumulator_accumulates(t):
    x = t.ones(2, requires_grad=True)
    node = graph(t).get_gradient_edge(x).node
    g = t.tensor([1.0, 2.0])
    with t.no_grad():
        assert node(g) == ()
        assert node(g) == ()
        assert node(None) == ()
    assert values(x.grad) == [2.0, 4.0]
    assert values(g) == [1.0, 2.0]


def test_a_called_node_gives_gradients_in_the_space_of_each_input():
    # PyTorch leaves it to the engine to sum over what was broadcast.
    x = gc.ones(2, requires_grad=True)
    y = gc.ones(3, 2, requires_grad=True)
    of_x, of_y = (x * y).grad_fn(gc.ones(3, 2))
    assert (tuple(of_x.shape), tuple(of_y.shape)) == ((2,), (3, 2))


def test_calling_a_node_frees_nothing_and_a_freed_node_refuses(t):
    x = t.ones(2, requires_grad=True)
    y = x.exp()
    y.grad_fn(t.ones(2))
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.grad_fn(t.ones(2))


# Where no gradient comes.


def cut(t):
    class Cut(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return None

    return Cut.apply


def seen(g):
    return tuple(map(seen, g)) if isinstance(g, tuple) else None if g is None else values(g)


def test_hooks_run_also_where_no_gradient_comes(t):
    a = t.ones(2, requires_grad=True)
    b = a.exp()
    ran = []
    b.retain_grad()
    b.register_hook(lambda g: ran.append(("tensor b", seen(g))))
    b.grad_fn.register_prehook(lambda go: ran.append(("pre", seen(go))))
    b.grad_fn.register_hook(lambda gi, go: ran.append(("post", seen(gi), seen(go))))
    a.register_hook(lambda g: ran.append(("tensor a", seen(g))))
    accumulator = b.grad_fn.next_functions[0][0]
    accumulator.register_prehook(lambda go: ran.append(("acc pre", seen(go))))
    accumulator.register_hook(lambda gi, go: ran.append(("acc post", seen(gi), seen(go))))
    a.register_post_accumulate_grad_hook(lambda x: ran.append(("accumulated", seen(x.grad))))
    cut(t)(b).sum().backward()
    assert ran == [
        ("tensor b", None),
        ("pre", (None,)),
        ("post", (None,), (None,)),
        ("tensor a", None),
        ("acc pre", (None,)),
        ("accumulated", None),
        ("acc post", (), (None,)),
    ]
    assert a.grad is None
    assert b.grad is None


HOOKS = {
    "tensor": lambda t, a, b: b.register_hook(lambda g: t.ones(2)),
    "leaf": lambda t, a, b: a.register_hook(lambda g: t.ones(2)),
    "pre": lambda t, a, b: b.grad_fn.register_prehook(lambda go: (t.ones(2),)),
    "post": lambda t, a, b: b.grad_fn.register_hook(lambda gi, go: (t.ones(2),)),
}


@pytest.mark.parametrize("kind", HOOKS)
def test_no_hook_puts_a_gradient_where_none_comes(t, kind):
    a = t.ones(2, requires_grad=True)
    b = a.exp()
    HOOKS[kind](t, a, b)
    with pytest.raises(RuntimeError, match="can't replace a None gradient with a non-None value"):
        cut(t)(b).sum().backward()
    assert a.grad is None


def test_a_hook_on_a_node_may_take_a_gradient_away(t):
    for register in (
        lambda node: node.register_prehook(lambda go: (None,)),
        lambda node: node.register_hook(lambda gi, go: (None,)),
    ):
        a = t.ones(2, requires_grad=True)
        b = a.exp()
        register(b.grad_fn)
        b.sum().backward()
        assert a.grad is None
        with pytest.raises(RuntimeError, match="not have been used in the graph"):
            t.autograd.grad(a.exp().sum() * 0 + cut(t)(a).sum() * 0 + b.detach().sum(), t.ones(1, requires_grad=True))


def test_tensor_hook_of_an_unused_output_gets_none(t):
    x = t.ones(2, requires_grad=True)
    parts = (x * 1).unbind()
    got = []
    for i, part in enumerate(parts):
        part.register_hook(lambda g, i=i: got.append((i, seen(g))))
        part.retain_grad()
    parts[0].backward()
    assert got == [(0, 1.0), (1, None)]
    assert parts[1].grad is None
    assert values(parts[0].grad) == 1.0


REPLACEMENTS = {
    "a number": (lambda t: (3,), TypeError, "expected Variable, but hook returned"),
    "another size": (lambda t: (t.ones(3),), RuntimeError, "has changed the size of value"),
    "another dtype": (lambda t: (t.ones(2).double(),), RuntimeError, "has changed the type of value"),
    "a list": (lambda t: [t.ones(2)], TypeError, "expected tuple, but hook returned"),
    "a string": (lambda t: "x", TypeError, "expected tuple, but hook returned"),
}


@pytest.mark.parametrize("kind", ["pre", "post"])
@pytest.mark.parametrize("what", REPLACEMENTS)
def test_what_hooks_of_nodes_may_not_return(t, kind, what):
    make, error, phrase = REPLACEMENTS[what]
    a = t.ones(2, requires_grad=True)
    b = a.exp()
    if kind == "pre":
        b.grad_fn.register_prehook(lambda go: make(t))
    else:
        b.grad_fn.register_hook(lambda gi, go: make(t))
    with pytest.raises(error, match=phrase):
        b.sum().backward()
    assert a.grad is None


# Hooks on several gradients at once.


def test_a_hook_on_all_gradients_runs_once_when_they_are_there(t):
    a = t.ones(2, requires_grad=True)
    b = a.exp()
    c, d = b * 2, b.sin()
    got = []
    handle = graph(t).register_multi_grad_hook((a, b, c, d), lambda gs: got.append([g is not None for g in gs]))
    calls = [
        (lambda: c.sum().backward(retain_graph=True), [True, True, True, False]),
        (lambda: c.sum().backward(inputs=[a], retain_graph=True), [True, True, True, False]),
        (lambda: t.autograd.grad(c.sum(), b, retain_graph=True), [False, True, True, False]),
        (lambda: (c.sum() + d.sum()).backward(retain_graph=True), [True] * 4),
    ]
    for call, expected in calls:
        call()
        assert got == [expected]
        got.clear()
    handle.remove()
    c.sum().backward()
    assert got == []


def test_a_hook_on_all_gradients_sees_values(t):
    x, w = t.tensor([1.0, 2.0], requires_grad=True), t.tensor([3.0, 4.0], requires_grad=True)
    got = []
    graph(t).register_multi_grad_hook([x, w], lambda gs: got.append([seen(g) for g in gs]))
    (x * w).sum().backward()
    assert got == [[[3.0, 4.0], [1.0, 2.0]]]


def test_a_hook_on_the_first_gradient(t):
    a = t.ones(2, requires_grad=True)
    b = a * 3
    got = []
    handle = graph(t).register_multi_grad_hook((a, b, t.ones(2)), lambda g: got.append(values(g)), mode="any")
    for _ in range(2):
        (b * 5).sum().backward(retain_graph=True)
    assert got == [[5.0, 5.0]] * 2
    handle.remove()
    handle.remove()
    (b * 5).sum().backward()
    assert len(got) == 2


def test_a_hook_on_all_gradients_after_a_backward_that_failed(t):
    a = t.ones(2, requires_grad=True)
    b = a.exp()
    got = []
    graph(t).register_multi_grad_hook((a, b), lambda gs: got.append([g is not None for g in gs]))
    failing = b.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        b.sum().backward(retain_graph=True)
    failing.remove()
    b.sum().backward()
    assert got == [[True, True]]


def test_a_hook_on_all_gradients_with_one_tensor_twice_and_one_gradient_that_is_none(t):
    a = t.ones(2, requires_grad=True)
    b = a.exp()
    c = cut(t)(b)
    got = []
    graph(t).register_multi_grad_hook((b, b, c), lambda gs: got.append([g is not None for g in gs]))
    c.sum().backward()
    assert got == [[False, False, True]]


def test_a_hook_on_all_gradients_counts_the_output_itself():
    # PyTorch does not wait for what comes after it.
    a = gc.ones(2, requires_grad=True)
    parts = (a * 1).unbind()
    got = []
    gc.autograd.graph.register_multi_grad_hook((*parts, a), lambda gs: got.append([g is not None for g in gs]))
    parts[0].backward()
    assert got == [[True, False, True]]


def test_a_hook_on_all_gradients_is_freed_with_its_graph():
    import gc as collector
    import weakref

    collector.disable()
    try:
        a = gc.ones(2, requires_grad=True)
        b = a * 2
        gc.autograd.graph.register_multi_grad_hook((a, b), lambda gs: None)
        gone = weakref.ref(b.grad_fn)
        b.sum().backward()
        a = b = None
        assert gone() is None
    finally:
        collector.enable()


# The dtype of a leaf's gradient.


def name(dtype):
    return None if dtype is None else str(dtype).rpartition(".")[2]


def test_grad_dtype(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    assert name(x.grad_dtype) == "float32"
    x.grad_dtype = t.float64
    seen_by_hook = []
    x.register_hook(lambda g: seen_by_hook.append(name(g.dtype)))
    for expected in ([2.0, 2.0], [4.0, 4.0]):
        (x * 2).sum().backward()
        assert values(x.grad) == expected
        assert name(x.grad.dtype) == "float64"
    (found,) = t.autograd.grad((x * 2).sum(), x)
    assert name(found.dtype) == "float64"
    assert seen_by_hook == ["float64"] * 3
    assert name(t.ones(2).grad_dtype) == "float32"


def test_grad_dtype_that_is_narrower(t):
    x = t.tensor([1.0, 2.0], dtype=t.float64, requires_grad=True)
    y = x * 3
    x.grad_dtype = t.float32
    y.sum().backward()
    assert (name(x.grad.dtype), values(x.grad)) == ("float32", [3.0, 3.0])


def test_any_grad_dtype(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    x.grad_dtype = None
    assert x.grad_dtype is None
    wide = t.tensor([2.0, 2.0], dtype=t.float64)
    (x * wide).sum().backward()
    assert name(x.grad.dtype) == "float64"
    (x * 2).sum().backward()
    assert (name(x.grad.dtype), values(x.grad)) == ("float64", [4.0, 4.0])
    x.grad = None
    (x * 2).sum().backward()
    assert name(x.grad.dtype) == "float32"
    x.grad = t.ones(2, dtype=t.float64)
    x.grad = None
    ((x * 2).sum() + (x * wide).sum() + (x * 3).sum() + (x * wide).sum()).backward()
    assert values(x.grad) == [9.0, 9.0]


def test_grad_dtype_is_kept_when_requires_grad_is_set_later(t):
    x = t.ones(2)
    x.grad_dtype = t.float64
    x.requires_grad_()
    (x * 2).sum().backward()
    assert name(x.grad.dtype) == "float64"
