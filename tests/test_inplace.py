"""Writing in place: what is refused, what is noticed at backward, and the history of what was written through views."""

from __future__ import annotations

import numpy as np
import pytest
from programs import assert_raises, run

import gradcore as gc

X = "x = t.ones(2, requires_grad=True)\n"
SAVED = ("modified by an inplace operation", "expected version 0 instead")
OUTPUT = (*SAVED, "which is output 0 of")
LEAF = ("a leaf Variable", "in an in-place operation")
LEAF_VIEW = ("a view of a leaf Variable", "in an in-place operation")
OVERLAP = ("unsupported operation", "a single memory location")
KIND = ("result type", "can't be cast", "desired output type")
SHAPE = ("output with shape", "doesn't match the broadcast shape")
SEVERAL = ("is being modified inplace", "multiple views")
NO_GRAD = ("created in no_grad mode", "with grad mode enabled", "ambiguous and error-prone")

ERRORS = [
    # leaves
    (X + "x.add_(1)", RuntimeError, *LEAF),
    (X + "x += 1", RuntimeError, *LEAF),
    (X + "x.zero_()", RuntimeError, *LEAF),
    (X + "x.fill_(3)", RuntimeError, *LEAF),
    (X + "x.copy_(t.zeros(2))", RuntimeError, *LEAF),
    (X + "x[0] = 1", RuntimeError, *LEAF),
    (X + "x.view(2).add_(1)", RuntimeError, *LEAF_VIEW),
    (X + "x[0] += 1", RuntimeError, *LEAF_VIEW),
    (X + "x[:1].zero_()", RuntimeError, *LEAF_VIEW),
    (X + "x[:1][0].mul_(2)", RuntimeError, *LEAF_VIEW),
    ("x = t.ones(2); v = x[:1]; v.requires_grad_(); v.mul_(2)", RuntimeError, *LEAF_VIEW),
    ("x = t.ones(2); v = x[:1]; x.requires_grad_(); v.mul_(2)", RuntimeError, *LEAF_VIEW),
    # saved values
    (X + "y = x * 1; z = (y**2).sum(); y += 1; z.backward()", RuntimeError, *OUTPUT),
    (X + "y = x * 1; z = (y * y).sum(); y.zero_(); y.add_(1); z.backward()", RuntimeError, *OUTPUT, "version 2"),
    (X + "y = x.exp(); y += 1; y.sum().backward()", RuntimeError, *OUTPUT),
    (X + "y = x.sigmoid(); y[0].mul_(2); y.sum().backward()", RuntimeError, *OUTPUT),
    (X + "y = x.tanh(); z = y.sum(); y.detach().zero_(); z.backward()", RuntimeError, *OUTPUT),
    (
        X + "y = t.ones(2, requires_grad=True); z = (x * y).sum()\nwith t.no_grad(): x *= 2\nz.backward()",
        RuntimeError,
        *SAVED,
        "is at version 1",
    ),
    (X + "y = (x**2).sum(); x.detach().zero_(); y.backward()", RuntimeError, *SAVED, "is at version 1"),
    (X + "c = t.tensor([0, 1]); y = x[c].sum(); c[0] = 1; y.backward()", RuntimeError, *SAVED),
    (X + "y = x * 1; z = (y[0] * y[1]); y.mul_(2); z.backward()", RuntimeError, *SAVED),
    (X + "y = x * 1; z = y.exp() @ y; y.neg_(); z.backward()", RuntimeError, *OUTPUT),
    (X + "y = x * 1; z = t.cat([y.sin(), y]).sum(); y.add_(1); z.backward()", RuntimeError, *OUTPUT),
    (X + "y = x * 1; z = (y * y).sum(); y.add_(1); t.autograd.grad(z, x, create_graph=True)", RuntimeError, *OUTPUT),
    (X + "y = x * 1; z = y * y; y.add_(1); z.grad_fn._saved_self", RuntimeError, *OUTPUT),
    # memory
    ("t.ones(1).expand(3).add_(1)", RuntimeError, *OVERLAP, "clone() the tensor"),
    ("t.ones(1).expand(3).copy_(t.ones(3))", RuntimeError, *OVERLAP),
    ("x = t.ones(2, 1).expand(2, 3); x += 1", RuntimeError, *OVERLAP),
    # dtypes and shapes
    ("t.ones(2, dtype=t.int64).add_(1.5)", RuntimeError, *KIND),
    ("t.ones(2, dtype=t.int64).add_(t.ones(2))", RuntimeError, *KIND),
    ("t.ones(2, dtype=t.int64).mul_(2.0)", RuntimeError, *KIND),
    ("t.ones(2, dtype=t.int64).div_(2)", RuntimeError, *KIND),
    ("t.ones(2, dtype=t.int64).sqrt_()", RuntimeError, *KIND),
    ("t.ones(2).add_(1j)", RuntimeError, *KIND),
    ("t.ones(2, dtype=t.bool).add_(1)", RuntimeError, *KIND),
    ("t.ones(2).add_(t.ones(3, 2))", RuntimeError, *SHAPE),
    ("t.ones(2, 1).mul_(t.ones(2, 3))", RuntimeError, *SHAPE),
    ("x = t.ones(()); x += t.ones(2)", RuntimeError, *SHAPE),
    # views
    ("x = t.ones(3, 3, requires_grad=True); (x * 2).unbind()[0].mul_(2)", RuntimeError, *SEVERAL),
    ("x = t.ones(3, 3, requires_grad=True); (x * 2).chunk(3)[0].mul_(2)", RuntimeError, *SEVERAL),
    ("x = t.ones(3, 3, requires_grad=True); (x * 2).split(1)[0].mul_(2)", RuntimeError, *SEVERAL),
    ("x = t.ones(3, 3, requires_grad=True); (x * 2).split(1)[0][0].mul_(2)", RuntimeError, "modified inplace"),
    (X + "y = x.clone()\nwith t.no_grad(): v = y[:]\nv.mul_(2)", RuntimeError, *NO_GRAD),
    (X + "with t.no_grad(): v = x[:]\nv.mul_(2)", RuntimeError, *NO_GRAD),
    (
        "x = t.zeros(2)\nwith t.no_grad(): y = x.view(2)\ny.requires_grad_(); z = y.view(2); z.div_(2)",
        RuntimeError,
        "is a view of a view",
        "created in no_grad mode",
    ),
    ("t.ones(2, 3).t().view(6)", RuntimeError, "view size is not compatible", "size and stride", ".reshape(...)"),
    ("t.ones(2, 3).view(4)", RuntimeError, "is invalid for input of size"),
    ("t.ones(2).copy_(t.ones(3))", RuntimeError),
]


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0].replace(X, "").strip())
def test_what_is_refused(t, case):
    program, error, *phrases = case
    assert_raises(program, t, error, *phrases)


REFUSED_BEFORE_WRITING = [
    X + "try: x.add_(1)\nexcept RuntimeError: pass",
    X + "try: x.zero_()\nexcept RuntimeError: pass",
    X + "try: x[0] = 5\nexcept RuntimeError: pass",
    X + "v = x[:1]\ntry: v.mul_(7)\nexcept RuntimeError: pass",
    "x = t.ones(2)\ntry: x.add_(t.ones(3, 2))\nexcept RuntimeError: pass",
    "x = t.ones(2, dtype=t.int64)\ntry: x.mul_(2.5)\nexcept RuntimeError: pass",
    "x = t.ones(2)\ntry: x.copy_(t.zeros(3))\nexcept RuntimeError: pass",
    "x = t.ones(2)\ntry: x[0:2] = t.zeros(3)\nexcept (RuntimeError, ValueError): pass",
    "x = t.ones(2)\ntry: x[5] = 0\nexcept IndexError: pass",
]


@pytest.mark.parametrize("program", REFUSED_BEFORE_WRITING)
def test_what_is_refused_is_not_written(t, program):
    x = run(program, t)["x"]
    assert x.tolist() == [1, 1]
    assert x._version == 0


ALLOWED = {
    X + "y = x * 2; y.exp_(); y.sum().backward()": 2 * np.exp(2),
    X + "y = x * 2; y.mul_(3); y.sum().backward()": 6,
    X + "y = x * 2; y.sigmoid_(); y.sum().backward()": 2 * np.exp(2) / (1 + np.exp(2)) ** 2,
    X + "y = x * 2; y.sqrt_(); y.sum().backward()": 1 / np.sqrt(2),
    X + "y = x * 2; y.add_(1); z = (y * y).sum(); z.backward()": 12,
    X + "y = x + 1; z = y * 3; y.zero_(); z.sum().backward()": 3,
    X + "y = x.exp(); z = y + 1; z.mul_(2); z.sum().backward()": 2 * np.e,
    X + "y = x * 2; y.zero_(); (y + x).sum().backward()": 1,
    X + "y = x * 2; y.fill_(4.0); (y * x).sum().backward()": 4,
    X + "w = t.full((2,), 3.0); y = x * w; x2 = x * 1; x2.add_(5); y.sum().backward()": 3,
    X + "y = x * 1; y += y; y.sum().backward()": 2,
    X + "y = x * 2; y -= x; y.sum().backward()": 1,
    X + "y = x * 2; y *= x; y.sum().backward()": 4,
    X + "y = x * 2; y /= 4; y.sum().backward()": 0.5,
    X + "y = x * 2; y **= 2; y.sum().backward()": 8,
    X + "y = x * 2; y.copy_(x * 5); y.sum().backward()": 5,
    X + "y = t.zeros(2); y.copy_(x); (y * 3).sum().backward()": 3,
    X + "y = t.zeros(2); y.add_(x); y.mul_(4); y.sum().backward()": 4,
    X + "y = t.zeros(3, 2); y.copy_(x); (y * 2).sum().backward()": 6,
    X + "y = t.zeros(2, dtype=t.float64); y.copy_(x); (y * 2).sum().backward()": 2,
    X + "y = x * 2; y.clamp_(max=1.0); (y + x).sum().backward()": 1,
    X + "y = x * 2; y.neg_().abs_(); y.sum().backward()": 2,
    X + "y = x * 2; y.relu_(); y.sum().backward()": 2,
    X + "y = x * 2; y.tanh_(); y.sum().backward()": 2 / np.cosh(2) ** 2,
    X + "y = x * 2; y.sin_(); y.sum().backward()": 2 * np.cos(2),
    X + "y = (x * 2).detach(); y.add_(1); (y * x).sum().backward()": 3,
    X + "y = (x**2).sum(); x.data.zero_(); y.backward()": 0,  # not seen: .data has no version
}


@pytest.mark.parametrize("program", ALLOWED, ids=lambda program: program.replace(X, ""))
def test_what_is_allowed_and_its_gradient(t, program):
    x = run(program, t)["x"]
    np.testing.assert_allclose(x.grad.numpy(force=True), np.broadcast_to(ALLOWED[program], 2), rtol=1e-5)


def test_a_write_through_numpy_is_not_seen(t, device):
    if device != "cpu":
        pytest.skip("NumPy shares memory with cpu tensors only")
    x = t.ones(2, requires_grad=True)
    y = (x**2).sum()
    x.detach().numpy()[:] = 5
    y.backward()
    assert x.grad.tolist() == [10, 10]


def test_results_keep_object_dtype_and_memory(t):
    x = t.ones(2)
    same = x
    address = x.data
    assert x.add_(1) is x
    x += 1
    x -= 0
    x *= 2
    x /= 1
    assert x is same
    assert address.tolist() == x.tolist() == [6, 6]
    assert x._version == 5
    for program, dtype in (
        ("t.ones(2).add_(t.ones(2, dtype=t.float64))", t.float32),
        ("t.ones(2, dtype=t.int32).add_(t.ones(2, dtype=t.int64))", t.int32),
        ("t.ones(2, dtype=t.int64).add_(1)", t.int64),
        ("t.ones(2).add_(1)", t.float32),
        ("t.zeros(2).copy_(t.ones(2, dtype=t.float64))", t.float32),
        ("t.zeros(2, dtype=t.int64).copy_(t.tensor([1.7, -1.7]))", t.int64),
        ("t.zeros(2, dtype=t.int64).fill_(1.5)", t.int64),
    ):
        assert run("x = " + program, t)["x"].dtype == dtype
    assert t.zeros(2, dtype=t.int64).copy_(t.tensor([1.7, -1.7])).tolist() == [1, -1]


OVERLAPPING = [
    "x[1:].add_(x[:-1])",
    "x[:-1].mul_(x[1:])",
    "x[1:].copy_(x[:-1])",
    "x[1:] = x[:-1]",
    "x[1:].lerp_(x[:-1], 0.5)",
    "x.add_(x[1])",
    "m.sub_(m.t())",
    "m.copy_(m.t())",
    "m.mul_(m[0])",
    "x.index_add_(0, t.tensor([0, 1, 2, 3]), x)",
    "x.index_copy_(0, t.tensor([0, 1, 2, 3]), x)",
    "x.index_put_((t.tensor([0, 1, 2, 3]),), x)",
    "x.scatter_(0, t.tensor([0, 1, 2, 3]), x)",
    "x.scatter_add_(0, t.tensor([0, 1, 2, 3]), x)",
    "x.scatter_reduce_(0, t.tensor([0, 1, 2, 3]), x, 'sum')",
    "x.put_(t.tensor([0, 1, 2, 3]), x)",
]


@pytest.mark.parametrize("program", OVERLAPPING)
def test_a_source_that_overlaps_the_destination_is_refused(t, program):
    x, m = t.tensor([1.0, 2.0, 3.0, 4.0]), t.tensor([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(RuntimeError, match=r"unsupported operation.*single memory location"):
        exec(program, {"t": t, "x": x, "m": m})
    assert x.tolist() == [1, 2, 3, 4]
    assert m.tolist() == [[1, 2], [3, 4]]
    assert x._version == m._version == 0


@pytest.mark.parametrize(
    ("program", "result"),
    [
        ("x.add_(x)", [2, 4, 6, 8]),
        ("x.mul_(x[:])", [1, 4, 9, 16]),
        ("x.copy_(x)", [1, 2, 3, 4]),
        ("x.fill_(x[1])", [2, 2, 2, 2]),
        ("x[:] = x[2]", [3, 3, 3, 3]),
        ("x.masked_fill_(x > 1, x[3])", [1, 4, 4, 4]),
        ("x.index_fill_(0, t.tensor([0, 3]), x[1])", [2, 2, 3, 2]),
        ("x[:2].add_(x[2:])", [4, 6, 3, 4]),
        ("x[:1].mul_(x[0].reshape(1))", [1, 2, 3, 4]),
    ],
)
def test_a_source_that_may_be_in_the_destination(t, program, result):
    x = t.tensor([1.0, 2.0, 3.0, 4.0])
    exec(program, {"t": t, "x": x})
    assert x.tolist() == result


@pytest.mark.parametrize("write", ["y.mul_(y)", "y.pow_(y)", "y.div_(y)", "y.mul_(y[:])", "y.atan2_(y)"])
def test_an_operand_that_is_written_to_is_found_modified(t, write):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    eval(write, {"y": y})
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize(
    "program",
    [
        "t.tensor([True]) - 1",
        "1 - t.tensor([True])",
        "t.tensor([True]) - 1.5",
        "t.tensor([1.0]) - t.tensor([True])",
        "t.tensor([1.0]) - True",
        "t.tensor([True]) - t.tensor([False])",
        "t.tensor([1.0]).sub_(t.tensor([True]))",
        "t.rsub(t.tensor([True]), t.tensor([1]))",
    ],
)
def test_no_difference_with_truth_values(t, program):
    assert_raises(program, t, RuntimeError, "Subtraction, the `-` operator, with", "is not supported")


NO_INDEX = [
    ("x[float('nan')]", IndexError),
    ("x[t.tensor([float('nan')])]", IndexError),
    ("x[1.0]", IndexError),
    ("x[t.tensor([0.0, 1.0])]", IndexError),
    ("x[float('nan')] = 1", IndexError),
    ("x[t.tensor([0.5])] = 1", IndexError),
    ("x[0:1.5]", TypeError),
    ("x.select(0, 1.5)", TypeError),
    ("x.select(0, float('nan'))", TypeError),
    ("x.narrow(0, 1.5, 1)", TypeError),
    ("x.narrow(0, t.tensor(0.5), 1)", RuntimeError),
    ("x.index_put_((t.tensor([0.5]),), t.tensor(1.0))", IndexError),
    ("x.index_add_(0, t.tensor([0.5]), t.ones(1))", RuntimeError),
    ("x.index_fill_(0, t.tensor([0.5]), 1.0)", IndexError),
    ("x.scatter_(0, t.tensor([0.5]), t.ones(1))", RuntimeError),
    ("x.scatter_reduce_(0, t.tensor([0.5]), t.ones(1), 'sum')", RuntimeError),
    ("x.put_(t.tensor([0.5]), t.ones(1))", RuntimeError),
    ("x.masked_fill_(t.tensor([0.5, 1.0, 0.0]), 0.0)", RuntimeError),
    ("x.resize_(1.5)", TypeError),
    ("x.resize_as_(3)", TypeError),
    ("x.as_strided((1.5,), (1,))", TypeError),
]


@pytest.mark.parametrize(("program", "error"), NO_INDEX)
def test_what_is_no_index_is_refused_and_nothing_written(t, program, error):
    x = t.tensor([1.0, 2.0, 3.0])
    with pytest.raises(error) as caught:
        exec(program, {"t": t, "x": x})
    assert caught.type is error
    assert x.tolist() == [1, 2, 3]
    assert x._version == 0


def test_copy_of_a_number(t):
    x = t.ones(2, requires_grad=True)
    y = x * 1
    y.copy_(3)
    assert y.tolist() == [3, 3]
    assert type(y.grad_fn).__name__ == "CopyBackwards"
    y.sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_a_product_with_a_number_can_run_back_once(t):
    x = t.ones(2, requires_grad=True)
    y = (x * 2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()
    z = (x + 2).sum()
    z.backward()
    z.backward()
    assert x.grad.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("call", "node_name"),
    [
        ("F.leaky_relu_(y, 0.1)", "LeakyReluBackward1"),
        ("F.elu_(y)", "EluBackward1"),
        ("F.celu_(y, 0.5)", "CeluBackward1"),
        ("F.selu_(y)", "EluBackward1"),
        ("F.threshold_(y, 0.1, -2.0)", "ThresholdBackward1"),
        ("F.hardtanh_(y, -0.5, 0.5)", "HardtanhBackward0"),
        ("F.relu_(y)", "ReluBackward0"),
        ("F.leaky_relu(y, inplace=True)", "LeakyReluBackward1"),
        ("y.eq_(1.0)", "EqBackward0"),
        ("y.eq_(y.detach().clone())", "EqBackward1"),
        ("y.fill_(2.0)", "FillBackward2"),
        ("y.fill_(y.detach()[0, 0].clone())", "FillBackward3"),
        ("y.__setitem__(..., 2.0)", "FillBackward3"),
    ],
)
def test_nodes_of_what_is_recorded_in_another_way_in_place(torch, call, node_name):
    results = []
    for t in (gc, torch):
        x = t.tensor([[-1.5, -0.3], [0.2, 2.0]], dtype=t.float64, requires_grad=True)
        y = x * 1
        eval(call, {"t": t, "F": t.nn.functional, "y": y})
        assert type(y.grad_fn).__name__ == node_name
        (first,) = t.autograd.grad((y * y).sum(), x, create_graph=True)
        used = first.requires_grad
        second = t.autograd.grad(first.sum(), x, allow_unused=True)[0] if used else None
        results.append([y.detach().numpy(force=True), first.detach().numpy(force=True)])
        results[-1].append(np.zeros(4) if second is None else second.numpy(force=True).reshape(-1))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_operators_that_have_no_in_place_form_make_new_tensors(t):
    x = t.ones(2, 2)
    same = x
    x @= x
    assert x is not same
    assert same.tolist() == [[1, 1], [1, 1]]


def test_a_leaf_changed_under_no_grad_stays_a_leaf(t):
    x = t.ones(2, requires_grad=True)
    with t.no_grad():
        x -= 0.5
        x[0] = 3
        x[1:].mul_(4)
    assert x.tolist() == [3, 2]
    assert x.is_leaf
    assert x.requires_grad
    assert x._version == 3
    (x * x).sum().backward()
    assert x.grad.tolist() == [6, 4]


def test_a_computed_tensor_changed_under_no_grad_keeps_its_history(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    with t.no_grad():
        y.add_(1)
    assert type(y.grad_fn).__name__ == "MulBackward0"
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]
    assert y.tolist() == [3, 3]


def test_history_of_a_write_to_a_tensor_of_its_own(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    old = y.grad_fn
    y.mul_(3)
    assert y.grad_fn is not old
    assert y.grad_fn.next_functions[0] == (old, 0)
    y.copy_(x)
    assert type(y.grad_fn).__name__ == "CopyBackwards"
    assert y.grad_fn.name() == "torch::autograd::CopyBackwards"
    z = t.zeros(2)
    z.add_(x)
    assert z.requires_grad
    assert not z.is_leaf


def test_versions_are_those_of_a_storage(t):
    x = t.zeros(4)
    views = [x[1:], x.view(2, 2), x.view(2, 2)[0], x.detach()]
    for i, v in enumerate(views, 1):
        v.add_(1)
        assert {x._version, *(w._version for w in views)} == {i}
    assert all(v._base is x for v in views[:3])
    assert views[3]._base is None
    assert [v._is_view() for v in (*views, x)] == [True, True, True, False, False]
    assert x.clone()._base is None
    assert x.reshape(2, 2)._base is x
    assert x.view(2, 2).t().reshape(4)._base is None


# Writes through views: the history of the base is rewritten, and that of its other views made anew.


def test_write_through_a_view_rewrites_the_base(t):
    x = t.ones(4, requires_grad=True)
    y = x * 2
    mul = y.grad_fn
    v = y[:2]
    v.mul_(10)
    assert type(y.grad_fn).__name__ == "CopySlices"
    assert y.grad_fn.name() == "torch::autograd::CopySlices"
    assert y.grad_fn.next_functions[0] == (mul, 0)
    assert type(v.grad_fn).__name__ == "AsStridedBackward0"
    assert v.grad_fn.next_functions[0][0] is y.grad_fn
    assert y.tolist() == [20, 20, 2, 2]
    assert v.tolist() == [20, 20]
    assert v._base is y
    y.sum().backward()
    assert x.grad.tolist() == [20, 20, 2, 2]


def test_write_to_the_base_renews_its_views(t):
    x = t.ones(4, requires_grad=True)
    y = x * 2
    v = y.view(2, 2)
    y.mul_(10)
    assert type(v.grad_fn).__name__ == "AsStridedBackward0"
    assert v.grad_fn.next_functions[0][0] is y.grad_fn
    v.sum().backward()
    assert x.grad.tolist() == [20] * 4


def test_base_that_does_not_require_grad(t):
    r = t.tensor(3.0, requires_grad=True)
    x = t.ones(4)
    v = x[1]
    assert not v.requires_grad
    x.mul_(r)
    assert x.requires_grad
    assert v.requires_grad
    assert type(v.grad_fn).__name__ == "AsStridedBackward0"
    v.backward()
    assert r.grad.item() == 1

    r.grad = None
    x = t.zeros(3)
    u = x[:2]
    x[1] = r * 2
    assert x.tolist() == [0, 6, 0]
    assert type(x.grad_fn).__name__ == "CopySlices"
    assert x.grad_fn.next_functions[0] == (None, 0)
    assert u.requires_grad
    (u * t.tensor([5.0, 7.0])).sum().backward()
    assert r.grad.item() == 14


def test_write_with_a_gradient_into_a_view_of_a_plain_tensor(t):
    r = t.tensor([2.0, 3.0], requires_grad=True)
    x = t.zeros(2, 2)
    row = x[1]
    other = x[0]
    row.copy_(r)
    assert x.requires_grad
    assert other.requires_grad
    x.sum().backward()
    assert r.grad.tolist() == [1, 1]
    assert x.grad_fn.next_functions[0][0] is None


def test_assignment_to_items(t):
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[0] = 5
    y[1:] = x[:2] * 10
    y[t.tensor([True, False, False])] = x[2]
    y.backward(t.tensor([1.0, 100.0, 10000.0]))
    assert y.tolist() == [3, 10, 20]
    assert x.grad.tolist() == [1000, 100000, 1]


def test_write_through_two_overlapping_views(t):
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    a, b = y[:2], y[1:]
    a.mul_(2)
    b.mul_(10)
    a.add_(1)
    assert y.tolist() == [3, 41, 30]
    (y * t.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [2, 40, 30]
    assert (a.sum() * 1).requires_grad


def test_gradients_through_every_view_after_writes(torch):
    def program(t, read):
        x = t.tensor(np.arange(1.0, 13).reshape(3, 4), requires_grad=True)
        base = x * 1.5
        views = {
            "base": base,
            "row": base[1],
            "column": base[:, 2],
            "part": base[1:, ::2],
            "transposed": base.t(),
            "flat": base.view(-1)[2:9],
            "of a view": base.t()[1:3].t()[0],
            "unsqueezed": base.unsqueeze(0)[0, 2],
        }
        views["row"].mul_(x[0])
        views["column"].mul_(x[:, 1])
        views["transposed"][3].add_(views["row"].sum())
        views["part"].copy_(x[:2, :2] * x[1:, 2:])
        views["part"].div_(x[:2, 1:3])
        views["flat"].mul_(0.5)
        base[0, 0] = x[2, 3] * 2
        out = views[read]
        (g,) = t.autograd.grad((out * out).sum(), x, create_graph=True)
        (h,) = t.autograd.grad((g * g).sum(), x)
        return out, g, h

    for read in ("base", "row", "column", "part", "transposed", "flat", "of a view", "unsqueezed"):
        for ours, theirs in zip(program(gc, read), program(torch, read), strict=True):
            np.testing.assert_allclose(ours.numpy(force=True), theirs.numpy(force=True), rtol=1e-8, err_msg=read)


def test_a_view_used_before_a_write_keeps_the_value_it_had_then(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    v = y[:1]
    early = v * 1  # saves nothing of v
    y.add_(x)
    (early.sum() + v.sum()).backward()
    assert x.grad.tolist() == [3 + 4, 0]


def test_a_view_made_before_and_read_after_several_writes_to_its_base(t):
    x = t.ones(2, requires_grad=True)
    y = x * 1
    v = y[0]
    for k in range(1, 4):
        y.mul_(float(k))
    v.backward()
    assert x.grad.tolist() == [6, 0]


def test_reading_a_view_between_writes(t):
    x = t.ones(2, requires_grad=True)
    y = x * 1
    v = y[0]
    y.mul_(2)
    first = v.grad_fn
    assert v.grad_fn is first
    v.mul_(3)
    assert v.grad_fn is not first
    y.mul_(5)
    (v + y[1]).backward()
    assert x.grad.tolist() == [30, 10]


def test_a_write_that_depends_on_its_own_base(t):
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[1:].mul_(y[0].clone())
    y[0] = y[1:].sum()
    y.sum().backward()
    # y = (2 x0 x1..: sum of x0 x1 and x0 x2, then those)
    assert x.grad.tolist() == [2 * (2 + 3), 2, 2]


def test_views_of_what_was_made_under_no_grad(t):
    x = t.ones(3, requires_grad=True)
    with t.no_grad():
        y = x * 2
        v = y[:2]
    v.add_(1)  # nothing here requires grad
    assert y.tolist() == [3, 3, 2]
    y.requires_grad_()
    (y * 2).sum().backward()
    assert y.grad.tolist() == [2, 2, 2]


def test_view_of_a_plain_base_made_in_no_grad_may_be_written_without_gradient(t):
    base = t.zeros(3)
    with t.no_grad():
        v = base[1:]
    v.add_(1)
    assert base.tolist() == [0, 1, 1]


def test_a_view_invalidated_under_no_grad_can_be_printed(t):
    a = t.ones(1, requires_grad=True)
    with t.no_grad():
        b = a[:]
        b *= 2
    assert repr(b).startswith("tensor([2.]")
    assert a.tolist() == [2]


def test_views_that_are_leaves_of_their_own(t):
    x = t.ones(2)
    v = x[:1].requires_grad_()
    (v * 3).sum().backward()
    assert v.grad.tolist() == [3]
    assert x.grad is None
    assert not x.requires_grad
    x.mul_(2)
    assert v.is_leaf
    assert v.tolist() == [2]
    w = t.ones(2, requires_grad=True)
    x.mul_(w)
    assert not v.is_leaf
    assert type(v.grad_fn).__name__ == "AsStridedBackward0"
    (v * 3).sum().backward()
    assert w.grad.tolist() == [6, 0]


def test_writes_of_another_dtype_through_views(t):
    x = t.ones(2, dtype=t.float64, requires_grad=True)
    y = t.zeros(4)
    y[1:3] = x * 3
    assert y.dtype == t.float32
    y.sum().backward()
    assert x.grad.dtype == t.float64
    assert x.grad.tolist() == [3, 3]


def test_masked_writes(t):
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y[y > 3] = 0
    y.sum().backward()
    assert x.grad.tolist() == [2, 0, 0]
    z = t.zeros(3)
    z[t.tensor([2, 0])] = x[:2]
    x.grad = None
    (z * t.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [100, 1, 0]


def test_unsqueeze_and_transpose_in_place_keep_the_gradient(t):
    for name, arguments in (("unsqueeze_", (0,)), ("squeeze_", ()), ("t_", ()), ("transpose_", (0, 1))):
        x = t.ones(2, 2, requires_grad=True)
        y = x * t.tensor([[1.0, 2.0], [3.0, 4.0]])
        if not hasattr(y, name):
            pytest.skip(f"no {name} yet")
        getattr(y, name)(*arguments)
        assert y._version == 1
        (y * t.tensor([[1.0, 10.0], [100.0, 1000.0]])).sum().backward()
        factor = np.array([[1.0, 10], [100, 1000]])
        factor = factor.T if name in ("t_", "transpose_") else factor
        assert x.grad.tolist() == (factor * [[1, 2], [3, 4]]).tolist()


def test_second_order_through_writes(t):
    x = t.tensor([1.0, 2.0], dtype=t.float64, requires_grad=True)
    y = x * x
    y[0] = (x[1] * x[1]) * x[0]
    y.mul_(x)
    # y = (x0**2 x1**2, x1**3)
    (g,) = t.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [2 * 4, 2 * 2 + 12]
    (h,) = t.autograd.grad(g.sum(), x)
    assert h.tolist() == [2 * 4 + 4 * 1 * 2, 4 * 1 * 2 + 2 + 12]


def test_a_second_backward_through_a_write(t):
    x = t.ones(2, requires_grad=True)
    y = x * 1
    y[:1].mul_(t.tensor([3.0]))
    z = y.sum()
    z.backward(retain_graph=True)
    z.backward(retain_graph=True)
    assert x.grad.tolist() == [6, 2]
    z.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        z.backward()


def test_hooks_and_writes_through_views(t):
    x = t.ones(3, requires_grad=True)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(("before", g.tolist())))
    v = y[1:]
    v.mul_(5)
    y.register_hook(lambda g: seen.append(("after", g.tolist())))
    y.sum().backward()
    assert seen == [("after", [1, 1, 1]), ("before", [1, 5, 5])]


def test_messages_call_operations_by_the_names_that_users_know():
    x = gc.ones(2, requires_grad=True)
    for act, name in (
        (lambda: x.pow_(gc.ones(2)), "pow_"),
        (lambda: x.div_(2), "div_"),
        (lambda: x.index_add_(0, gc.tensor([0]), gc.ones(1)), "index_add_"),
        (lambda: x.masked_fill_(gc.tensor([True, False]), 0.0), "masked_fill_"),
        (lambda: x.copy_(gc.ones(2)), "copy_"),
    ):
        with pytest.raises(RuntimeError, match=rf"in-place operation \({name}\)"):
            act()
    part = (gc.ones(4, requires_grad=True) * 1).split([1, 3])[0]
    with pytest.raises(RuntimeError, match="a view that split_with_sizes made"):
        part.mul_(2)


def test_an_error_message_names_the_operation_and_what_it_saved():
    x = gc.ones(2, requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError) as caught:
        y.sum().backward()
    for part in ("FloatTensor [2]", "ExpBackward0", "output 0 of", "is at version 1", "clone()"):
        assert part in str(caught.value)
