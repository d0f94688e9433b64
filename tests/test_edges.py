"""Places in the graph instead of tensors: ``GradientEdge``, for outputs and for inputs."""

from __future__ import annotations

import numpy as np
import pytest
from programs import assert_raises

import gradcore as gc

SETUP = "x = t.ones(2, requires_grad=True); y = x.exp(); graph = t.autograd.graph; e = graph.get_gradient_edge(y)\n"


def values(x):
    return x.numpy(force=True).tolist()


def made(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    return x, y, t.autograd.graph.get_gradient_edge(x), t.autograd.graph.get_gradient_edge(y)


ERRORS = [
    (
        "t.autograd.graph.get_gradient_edge(t.ones(2))",
        RuntimeError,
        "get the gradient edge",
        "does not require gradients",
    ),
    (SETUP + "t.autograd.grad(y.sum(), graph.GradientEdge(3, 0))", RuntimeError, "autograd.graph.Node", "got int"),
    (
        SETUP + "t.autograd.grad(y.sum(), graph.GradientEdge(None, 0))",
        RuntimeError,
        "autograd.graph.Node",
        "got NoneType",
    ),
    (SETUP + "t.autograd.grad(e, x)", RuntimeError, "implicitly created", "only for scalar outputs"),
    (SETUP + "t.autograd.grad(e, x, t.ones(3))", RuntimeError, "Mismatch in shape", "grad_output[0] has a shape of"),
    (SETUP + "t.autograd.backward(e, t.ones(2) * 1j)", RuntimeError, "Mismatch in dtype"),
    (
        SETUP + "z = t.ones(2, requires_grad=True)\n"
        "t.autograd.grad(y.sum(), graph.get_gradient_edge(z), materialize_grads=True)",
        RuntimeError,
        "materialize_grads cannot be used",
        "GradientEdge",
    ),
    (
        SETUP + "z = t.ones(2, requires_grad=True); t.autograd.grad(y.sum(), graph.get_gradient_edge(z))",
        RuntimeError,
        "The differentiated Tensor at index 0",
        "Set allow_unused=True",
    ),
    (SETUP + "t.autograd.grad(y.sum(), [3])", RuntimeError, "Tensors or GradientEdges", "but got int"),
    (SETUP + "t.autograd.grad(y.sum(), [None])", RuntimeError, "Tensors or GradientEdges", "but got NoneType"),
    (SETUP + "y.sum().backward(inputs=[3])", RuntimeError, "Tensors or GradientEdges", "but got int"),
    (SETUP + "y.sum().backward(inputs=3)", TypeError, "object is not iterable"),
    (
        SETUP + "from types import MappingProxyType\nt.autograd.grad(y.sum(), MappingProxyType({'x': x}))",
        TypeError,
        "must be a dict, not mappingproxy",
    ),
    (
        SETUP + "from collections import OrderedDict\ny.sum().backward(inputs=OrderedDict(x=x))",
        TypeError,
        "must be a dict, not OrderedDict",
    ),
    (SETUP + "y.sum().backward(inputs={})", RuntimeError, "`inputs` argument", "cannot be empty"),
    ("t.autograd.graph.increment_version(3)", RuntimeError, "expect a Iterable[Tensor]"),
    ("t.autograd.graph.increment_version([t.ones(2), 3])", RuntimeError, "each element of the iterable to be a tensor"),
]


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0].replace(SETUP, "").strip())
def test_what_is_refused(t, case):
    program, error, *phrases = case
    assert_raises(program, t, error, *phrases)


@pytest.mark.parametrize("nr", [-1, 1, 3])
def test_an_output_that_a_node_does_not_have_is_refused(nr):
    # PyTorch reads memory that is not its own.
    x, y, _, edge = made(gc)
    wrong = gc.autograd.graph.GradientEdge(edge.node, nr)
    for call in (lambda: gc.autograd.grad(wrong, x, gc.ones(2)), lambda: gc.autograd.grad(y.sum(), wrong)):
        with pytest.raises(RuntimeError, match=rf"MulBackward0 has no output {nr}"):
            call()
    assert x.grad is None


def test_the_parts_of_an_edge(t):
    x, y, of_x, of_y = made(t)
    assert of_y.node is y.grad_fn
    assert type(of_x.node).__name__ == "AccumulateGrad"
    assert of_x.node.variable is x
    assert (of_x.output_nr, of_y.output_nr, of_x.ownership_token) == (0, 0, None)
    assert t.autograd.graph.get_gradient_edge(x.unbind()[1]).output_nr == 1
    assert t.autograd.graph.GradientEdge(of_y.node, 0) == of_y


def test_edges_for_inputs_and_outputs(t):
    x, y, of_x, of_y = made(t)
    weight = t.tensor([1.0, 10.0])
    (plain,) = t.autograd.grad(y, x, weight, retain_graph=True)
    for outputs, inputs in ((of_y, x), (y, of_x), (of_y, of_x), ([of_y], [of_x])):
        (found,) = t.autograd.grad(outputs, inputs, weight, retain_graph=True)
        assert values(found) == values(plain) == [2.0, 40.0]
    both = t.autograd.grad([of_y, y], [of_x, x, of_y, y], [weight, weight], retain_graph=True)
    assert [values(g) for g in both] == [[4.0, 80.0], [4.0, 80.0], [2.0, 20.0], [2.0, 20.0]]


def test_a_single_number_needs_no_gradient(t):
    x, y, of_x, _ = made(t)
    of_sum = t.autograd.graph.get_gradient_edge(y.sum())
    assert values(t.autograd.grad(of_sum, of_x)[0]) == [2.0, 4.0]
    assert x.grad is None


def test_an_edge_outlives_its_tensor(t):
    x, y, of_x, of_y = made(t)
    loss = (y * 3).sum()
    del x, y
    from_inputs = t.autograd.grad(loss, [of_x, of_y], retain_graph=True)
    assert [values(g) for g in from_inputs] == [[6.0, 12.0], [3.0, 3.0]]
    del loss
    t.autograd.backward(of_y, t.ones(2))
    assert values(of_x.node.variable.grad) == [2.0, 4.0]


def test_backward_accumulates_into_the_leaf_of_an_edge_only(t):
    x = t.ones(2, requires_grad=True)
    w = t.ones(2, requires_grad=True)
    y = x * w
    edge = t.autograd.graph.get_gradient_edge(x)
    y.sum().backward(inputs=edge, retain_graph=True)
    y.sum().backward(inputs=[edge, x], retain_graph=True)
    y.sum().backward(inputs={"x": x}, retain_graph=True)
    assert values(x.grad) == [3.0, 3.0]
    assert w.grad is None


def test_backward_to_the_edge_of_a_tensor_that_is_no_leaf_accumulates_nothing(t):
    x, y, _, of_y = made(t)
    ran = []
    y.register_hook(lambda g: ran.append("tensor"))
    y.grad_fn.register_hook(lambda gi, go: ran.append("node"))
    y.sum().backward(inputs=[of_y])
    assert ran == ["tensor", "node"]
    assert x.grad is None
    assert not y.retains_grad


def test_edges_of_a_node_with_several_outputs(t):
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    parts = (x * x).unbind()
    edges = [t.autograd.graph.get_gradient_edge(p) for p in parts]
    loss = parts[0] * 5 + parts[2] * 7
    found = t.autograd.grad(loss, [*edges, x], retain_graph=True, allow_unused=True)
    assert [None if g is None else values(g) for g in found] == [5.0, None, 7.0, [10.0, 0.0, 42.0]]
    (back,) = t.autograd.grad([edges[2], edges[0]], x, [t.tensor(2.0), t.tensor(3.0)])
    assert values(back) == [6.0, 0.0, 12.0]


def test_edge_of_a_view_that_was_written_to(t):
    x = t.ones(4, requires_grad=True)
    y = x * 2
    v = y[:2]
    y.mul_(10)
    edge = t.autograd.graph.get_gradient_edge(v)
    assert edge.node.name() == v.grad_fn.name()
    assert values(t.autograd.grad(edge, x, t.ones(2))[0]) == [20.0, 20.0, 0.0, 0.0]


def test_edges_under_create_graph(t):
    x, _, of_x, of_y = made(t)
    (first,) = t.autograd.grad(of_y, of_x, t.ones(2), create_graph=True)
    (second,) = t.autograd.grad(first.sum(), of_x)
    assert values(second) == [2.0, 2.0]
    assert x.grad is None


def test_gradient_of_complex_and_of_other_dtypes(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = x.double() * 3
    edge = t.autograd.graph.get_gradient_edge(y)
    found = t.autograd.grad(edge, [x, edge], t.ones(2))
    assert [str(g.dtype).rpartition(".")[2] for g in found] == ["float32", "float64"]


def test_increment_version(t):
    x, y = t.ones(2), t.ones(2)
    t.autograd.graph.increment_version(x)
    t.autograd.graph.increment_version([x, y])
    t.autograd.graph.increment_version(iter((y,)))
    assert (x._version, y._version) == (2, 2)
    w = t.ones(2, requires_grad=True)
    saved = t.ones(2)
    out = w * saved
    t.autograd.graph.increment_version(saved)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()
    with pytest.raises(RuntimeError):
        t.autograd.graph.increment_version([x, 3])


def test_increment_version_counts_nothing_where_one_is_no_tensor():
    x = gc.ones(2)
    with pytest.raises(RuntimeError):
        gc.autograd.graph.increment_version([x, 3])
    assert x._version == 0


OLD_NAMES = [
    (
        "x = t.ones(2, requires_grad=True); t.autograd.backward(x * 2, t.ones(2), grad_variables=t.ones(2))",
        RuntimeError,
        "arguments both passed",
        "only use `grad_tensors`",
    ),
]


@pytest.mark.filterwarnings("ignore:`grad_variables`:FutureWarning")
@pytest.mark.parametrize("case", OLD_NAMES)
def test_old_and_new_name_together_are_refused(t, case):
    program, error, *phrases = case
    assert_raises(program, t, error, *phrases)


def test_grad_variables_is_an_old_name_of_grad_tensors(t):
    x = t.ones(2, requires_grad=True)
    with pytest.warns(FutureWarning, match="`grad_variables` is deprecated"):
        t.autograd.backward(x * 2, grad_variables=t.tensor([1.0, 3.0]))
    assert values(x.grad) == [2.0, 6.0]


def test_variable_is_an_old_name_of_tensor(t):
    variable = t.autograd.Variable
    x = t.ones(2, requires_grad=True)
    made_of_it = variable(x)
    assert isinstance(x, variable)
    assert not isinstance(3, variable)
    assert made_of_it is not x
    assert not made_of_it.requires_grad
    assert variable(t.ones(2), requires_grad=True).requires_grad
    np.testing.assert_array_equal(values(made_of_it), values(x))
    with pytest.raises(TypeError, match="Variable data has to be a tensor"):
        variable(3)
    with pytest.raises(RuntimeError, match="floating point and complex dtype can require gradients"):
        variable(t.tensor([1]), requires_grad=True)


def test_writes_that_are_kept_from_the_count(t):
    x, w = t.ones(2), t.ones(2, requires_grad=True)
    out = w * x
    with t.autograd._unsafe_preserve_version_counter(x):
        x.mul_(2)
    assert x._version == 0
    out.sum().backward()
    assert values(w.grad) == [2.0, 2.0]
    a, b = t.ones(2), t.ones(2)
    a.add_(1)
    with t.autograd._unsafe_preserve_version_counter((a, b)):
        a.add_(1)
        b.add_(1)
    assert (a._version, b._version) == (1, 0)
    b.add_(1)
    assert b._version == 1
    with t.autograd._force_original_view_tracking(True):
        assert a[:1]._is_view()
