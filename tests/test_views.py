"""Views and writing in place: what they must do by name. Random programs of them are in ``test_random_programs.py``.

A test that takes ``t`` says what it says of gradcore and of PyTorch.
"""

from __future__ import annotations

import gc as garbage_collector
import weakref

import numpy as np
import pytest

import gradcore as gc


def node(x):
    return type(x.grad_fn).__name__


def test_a_write_through_a_view_changes_the_history_of_the_base(t):
    x = t.ones(4, requires_grad=True)
    y = x * 2
    v = y[:2]
    v.mul_(10)
    assert node(y) == "CopySlices"
    assert [type(f).__name__ for f, _ in y.grad_fn.next_functions] == ["MulBackward0", "NoneType"]
    assert node(v) == "AsStridedBackward0"
    y.sum().backward()
    assert x.grad.tolist() == [20, 20, 2, 2]


def test_a_write_to_the_base_changes_the_history_of_a_view(t):
    x = t.ones(4, requires_grad=True)
    y = x * 2
    v = y.view(2, 2)
    y.mul_(10)
    assert node(y) == "MulBackward0"
    assert node(v) == "AsStridedBackward0"
    v.sum().backward()
    assert x.grad.tolist() == [20] * 4


def test_a_view_of_a_base_without_gradient_gets_the_history_of_a_write(t):
    x = t.ones(4)
    v = x[1]
    r = t.ones(4, requires_grad=True)
    x.mul_(r)
    assert v.requires_grad
    assert node(v) == "AsStridedBackward0"
    v.backward()
    assert r.grad.tolist() == [0, 1, 0, 0]


def test_an_assigned_item_gets_the_gradient(t):
    r = t.ones((), requires_grad=True)
    x = t.zeros(3)
    x[1] = r * 2
    assert node(x) == "CopySlices"
    (x * t.tensor([5.0, 3.0, 7.0])).sum().backward()
    assert r.grad == 6


def test_versions_are_shared_by_views_and_detached_tensors(t):
    x = t.zeros(3)
    v, d = x[:2], x.detach()
    v.add_(1)
    d[0] = 5
    assert x._version == v._version == d._version == 2
    assert x.clone()._version == 0
    assert v._base is x
    assert x.view(3, 1)[0]._base is x
    assert d._base is None


@pytest.mark.parametrize(
    ("program", "phrases"),
    [
        ("x = t.ones(2, requires_grad=True); x.add_(1)", ("a leaf Variable", "in an in-place operation")),
        ("x = t.ones(2, requires_grad=True); x[0] = 1", ("a view of a leaf Variable", "in an in-place operation")),
        ("x = t.ones(2, requires_grad=True); x.view(2).add_(1)", ("a view of a leaf Variable",)),
        ("x = t.ones(2, requires_grad=True); x[:1].zero_()", ("a view of a leaf Variable",)),
        ("x = t.ones(2, 2); v = x[0]; x.requires_grad_(); v.mul_(2)", ("a view of a leaf Variable",)),
        (
            "x = t.ones(3, 3, requires_grad=True) * 2; x.unbind()[0].mul_(2)",
            ("is being modified inplace", "returns multiple views"),
        ),
        (
            "x = t.ones(3, 3, requires_grad=True) * 2; x.chunk(3)[0].mul_(2)",
            ("is being modified inplace", "returns multiple views"),
        ),
        ("x = t.ones(3, 3, requires_grad=True) * 2; x.split([1, 2])[1].mul_(2)", ("is being modified inplace",)),
        ("x = t.ones(3, 3, requires_grad=True) * 2; x.unbind()[0][1:].mul_(2)", ("returns multiple views",)),
        ("x = t.ones(3, 3); x.unbind()[0].mul_(t.ones(3, requires_grad=True))", ("returns multiple views",)),
        (
            "x = t.ones(2, requires_grad=True) * 1\nwith t.no_grad(): v = x[:]\nv.mul_(2)",
            ("created in no_grad mode", "with grad mode enabled", "ambiguous and error-prone"),
        ),
        (
            "x = t.ones(2, requires_grad=True)\nwith t.no_grad(): v = x[:]\nv.mul_(2)",
            ("created in no_grad mode", "with grad mode enabled", "ambiguous and error-prone"),
        ),
        (
            "x = t.ones(2)\nwith t.no_grad(): v = x[:]\nv.mul_(t.ones(2, requires_grad=True))",
            ("created in no_grad mode", "with grad mode enabled", "ambiguous and error-prone"),
        ),
        (
            "x = t.zeros(2)\nwith t.no_grad(): y = x.view(2)\ny.requires_grad_(True); z = y.view(2); z /= 2",
            ("is a view of a view", "created in no_grad mode"),
        ),
        (
            "x = t.ones(2)\nwith t.no_grad(): v = x[:]\nx.mul_(t.ones(2, requires_grad=True)); v * 2",
            ("created in no_grad mode", "its base or another view of its base has been modified inplace"),
        ),
        (
            "x = t.ones(1).expand(3); x.add_(1)",
            ("unsupported operation", "a single memory location", "clone() the tensor"),
        ),
        ("x = t.ones(3, requires_grad=True); v = x[:2]; v.detach_()", ("detach views in-place", "detach() instead")),
    ],
)
def test_refusals(t, program, phrases):
    with pytest.raises(RuntimeError) as caught:
        exec(program, {"t": t})
    assert all(p in str(caught.value) for p in phrases), caught.value


def test_a_stale_view_made_in_no_grad_may_be_used_in_no_grad(t):
    x = t.ones(3)
    with t.no_grad():
        v = x[1:]
    x.mul_(t.full((3,), 2.0, requires_grad=True))
    with t.no_grad():
        assert (v * 2).tolist() == [4, 4]
        v.fill_(7)
    assert x.tolist() == [2, 7, 7]


def test_parts_and_views_made_in_no_grad_may_be_written_to_where_no_gradient_is_involved(t):
    x = t.zeros(3)
    x.unbind()[0].fill_(1)
    with t.no_grad():
        v = x[1:]
    v.fill_(2)
    y = t.zeros(2, requires_grad=True) * 1
    with t.no_grad():
        y[0] = 5
        y.unbind()[1].fill_(6)
    assert x.tolist() == [1, 2, 2]
    assert y.tolist() == [5, 6]
    assert node(y) == "MulBackward0"


@pytest.mark.parametrize(
    "view",
    [
        "y.expand(2, 2, 3)",
        "y.unfold(1, 2, 1)",
        "y.diagonal()",
        "y.T.reshape(6)",
        "y[1:, ::2].T[0]",
        "y.as_strided((2, 2), (1, 2))",
        "y.unsqueeze(0).squeeze()",
        "y.permute(1, 0)[1:].reshape(2, 2)",
    ],
)
@pytest.mark.parametrize(
    "layout", ["x.reshape(2, 3) * 1", "(x.reshape(3, 2) * 1).T.clone()", "(x.reshape(3, 2) * 1).T * 2"]
)
def test_the_history_of_any_view_can_be_rebuilt(layout, view):
    x = gc.arange(6.0, requires_grad=True)
    names = {"x": x}
    y = names["y"] = eval(layout, names)
    v = eval(view, names)
    before = gc.autograd.grad((v * v).sum(), x, create_graph=True)[0]
    y.mul_(1)  # a new history, of the same values
    after = gc.autograd.grad((v * v).sum(), x, create_graph=True)[0]
    assert after.tolist() == before.tolist()
    second = [gc.autograd.grad((g * g).sum(), x, retain_graph=True)[0].tolist() for g in (before, after)]
    assert second[0] == second[1]


@pytest.mark.parametrize("layout", ["x.reshape(2, 3) * 1", "(x.reshape(3, 2) * 1).T.clone()"])
@pytest.mark.parametrize(
    "view",
    [
        "y",
        "y[0]",
        "y[:, 1:]",
        "y[..., None]",
        "y.T",
        "y.diagonal()",
        "y.expand(1, 2, 3)[0, 1]",
        "y.reshape(-1)",
        "y.T.reshape(-1)[1:4]",
    ],
)
@pytest.mark.parametrize(
    "write",
    [
        "mul_(v.detach() + 1)",
        "pow_(2)",
        "copy_(v.detach() * 3 + r)",
        "zero_()",
        "mul_(r)",
        "fill_(r[0])",
        "__setitem__(0, r[0])",
    ],
)
def test_a_write_through_any_view(torch, layout, view, write):
    results = []
    for t in (gc, torch):
        x = t.arange(1.0, 7.0, requires_grad=True)
        r = t.tensor([2.0], requires_grad=True)
        names = {"t": t, "x": x, "r": r}
        y = names["y"] = eval(layout, names)
        v = names["v"] = eval(view, names)
        eval(f"v.{write}", names)
        first = t.autograd.grad((y * y).sum() + v.sum(), (x, r), create_graph=True, allow_unused=True)
        used = [(g * g).sum() for g in first if g is not None and g.requires_grad]
        second = t.autograd.grad(used, (x, r), allow_unused=True) if used else (None, None)
        results.append(
            [y.tolist(), v.tolist(), *(0.0 if g is None else g.detach().numpy(force=True) for g in (*first, *second))]
        )
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, np.broadcast_to(theirs, np.shape(ours)), rtol=1e-5, atol=1e-5)


def test_retain_grad_follows_a_tensor_through_a_write_to_its_view(t):
    x = t.ones(3, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y[0] = 7
    (y * t.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert y.grad.tolist() == [1, 2, 3]
    assert x.grad.tolist() == [0, 4, 6]


def test_a_view_saved_before_a_write_to_its_base_is_found_modified(t):
    x = t.ones(3, requires_grad=True) * 2
    v = x[:2]
    out = v * v
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_one_of_several_views_cannot_be_used_after_a_write_to_the_base(t):
    x = t.ones(4, requires_grad=True)
    y = x * 2
    first, second = y.chunk(2)
    y.mul_(10)
    for look in (lambda: second * 1, lambda: second.grad_fn, lambda: second.is_leaf):
        with pytest.raises(RuntimeError, match="multiple views"):
            look()
    assert second.requires_grad
    assert "grad_fn=<Invalid>" in repr(second)
    assert (second > 30).tolist() == [False, False]
    with pytest.raises(RuntimeError, match="multiple views"):
        (x * 1)[:2].eq_(second)
    with t.no_grad():
        assert (second * 1).tolist() == [20, 20]
    assert second.detach().tolist() == [20, 20]


def test_a_view_requires_grad_as_soon_as_its_base_does(t):
    x = t.ones(3)
    v = x[1:]
    assert not v.requires_grad
    x.requires_grad_()
    assert v.requires_grad
    assert v.is_leaf
    assert v.grad_fn is None
    y = v * 2
    assert y.grad_fn.next_functions[0] == (None, 0)
    y.sum().backward()
    assert x.grad is None
    assert v.grad is None
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        v.sum().backward() if v.sum().grad_fn is None else v.backward(t.ones(2))
    with pytest.raises(RuntimeError, match="not have been used"):
        t.autograd.grad((v * 2).sum(), v)
    assert t.autograd.grad((v * 2).sum(), v, allow_unused=True) == (None,)
    v.retain_grad()
    assert not v.retains_grad
    x.requires_grad_(False)
    assert not v.requires_grad


def test_a_view_made_in_no_grad_requires_grad_and_passes_none_on(t):
    x = t.ones(3, requires_grad=True) * 1
    with t.no_grad():
        v = x[1:]
    assert v.requires_grad
    assert v.is_leaf
    (v * 3).sum().backward()
    assert v.grad is None
    v.requires_grad_()
    (v * 3).sum().backward()
    assert v.grad.tolist() == [3, 3]
    with t.no_grad():
        v.add_(1)
    assert "grad_fn=<Invalid>)" in repr(v)


def test_a_write_under_no_grad_renews_views_all_the_same(t):
    x = t.ones(3, requires_grad=True)
    y = x * 2
    v = y[1:]
    with t.no_grad():
        y.add_(1)
    assert node(v) == "AsStridedBackward0"
    v.sum().backward()
    assert x.grad.tolist() == [0, 2, 2]


def test_memory_of_views_goes_without_the_garbage_collector():
    garbage_collector.disable()
    try:
        x = gc.ones(4, requires_grad=True)
        y = x * 1
        v, w = y[1:], y.view(2, 2)
        v.mul_(2)
        y.mul_(y)
        y.add_(v.sum())
        with gc.no_grad():
            z = y[:2]
        (z * 2).sum()
        w.t_().mul_(3)
        gone = [weakref.ref(k) for k in (y, v, w, z, y.grad_fn, w.grad_fn)]
        del y, v, w, z
        assert [r() for r in gone] == [None] * 6
    finally:
        garbage_collector.enable()


@pytest.mark.parametrize(
    ("call", "node_name"),
    [
        ("t_()", "TBackward1"),
        ("transpose_(0, 1)", "TransposeBackward1"),
        ("swapaxes_(0, -1)", "TransposeBackward1"),
        ("swapdims_(1, 0)", "TransposeBackward1"),
        ("unsqueeze_(1)", "UnsqueezeBackward1"),
        ("squeeze_()", "SqueezeBackward3"),
        ("squeeze_(0)", "SqueezeBackward4"),
        ("squeeze_((0, 1))", "SqueezeBackward5"),
    ],
)
def test_another_shape_in_place(t, call, node_name):
    x = t.arange(3.0).reshape(1, 3).requires_grad_()
    y = x * 2
    before = y[0]
    assert eval(f"y.{call}") is y
    assert node(y) == node_name
    assert y._version == 1
    assert tuple(y.shape) != (1, 3)
    (y.sum() + (before * before).sum()).backward()
    assert x.grad.tolist() == [[2, 10, 18]]
    with pytest.raises(RuntimeError, match="a leaf Variable"):
        eval(f"x.{call}")


def test_a_view_given_another_shape_in_place_is_still_a_view(t):
    x = t.ones(2, 3, requires_grad=True)
    y = x * 1
    v = y[0]
    v.unsqueeze_(0)
    assert v._base is y
    v.mul_(t.tensor([[2.0, 3.0, 4.0]]))
    y.sum().backward()
    assert x.grad.tolist() == [[2, 3, 4], [1, 1, 1]]


@pytest.mark.parametrize(
    "change", ["y.t_()", "y.unsqueeze_(1)", "y.transpose_(1, 0)", "y.squeeze_(); y.t_().unsqueeze_(0)"]
)
def test_an_old_view_of_a_reshaped_base_follows_it(t, change):
    x = t.arange(6.0).reshape(2, 3).requires_grad_()
    y = x * 1
    v = y[0]
    exec(change, {"y": y})
    y.mul_(2)
    v.mul_(t.tensor([1.0, 2.0, 3.0]))
    assert y.sum() == 2 * (0 + 2 + 6) + 2 * (3 + 4 + 5)
    (y * y).sum().backward()
    assert x.grad.tolist() == [[0, 32, 144], [24, 32, 40]]


def test_views_of_replaced_memory_cannot_be_followed():
    # PyTorch follows the strides, in memory that is another.
    x = gc.ones(3, requires_grad=True)
    for change in ("y.data = gc.zeros(3)", "y.set_(gc.zeros(3))"):
        y = x * 1
        v = y[:1]
        exec(change, {"y": y, "gc": gc})
        y.mul_(2)
        with pytest.raises(RuntimeError, match="given other memory"):
            v.mul_(2)
        assert v.tolist() == [1]


# Other memory, other strides, other numbers.


def test_a_gradient_of_the_shape_that_a_leaf_had_before_is_refused(t):
    x = t.ones(2, 3, requires_grad=True)
    y = x * 2
    x.data = t.ones(3)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        y.sum().backward()
    x = t.ones(3, requires_grad=True)
    x.data = t.ones(2)
    (t.ones(2, 2) * x).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_set(t):
    x, source = t.ones(3), t.zeros(2, 2)
    v, d = x[:2], x.detach()
    assert x.set_(source) is x
    assert tuple(x.shape) == (2, 2)
    assert [x._version, v._version, d._version, source._version] == [1, 1, 1, 0]
    source.add_(1)
    assert x.tolist() == [[1, 1], [1, 1]]
    assert [x._version, source._version] == [1, 1]
    assert v.tolist() == [1, 1]


@pytest.mark.parametrize("operand", ["y", "z"])
def test_no_gradient_passes_set(t, operand):
    x = t.ones(2, requires_grad=True)
    y, z = x * 1, t.zeros(2)
    y.set_(t.zeros(3)) if operand == "y" else z.set_(y)
    out = {"y": y, "z": z}[operand]
    assert node(out) == "NotImplemented"
    with pytest.raises(RuntimeError, match="derivative for set_ is not implemented"):
        out.sum().backward()


REFUSED = [
    ("t.zeros(2, requires_grad=True).set_(t.ones(2))", RuntimeError),
    ("t.zeros(2).set_(t.ones(2, dtype=t.float64))", RuntimeError),
    ("t.zeros(2).set_(3)", TypeError),
    ("t.zeros(2, requires_grad=True).resize_(3)", RuntimeError),
    ("(t.zeros(2, requires_grad=True) * 1).resize_(1)", RuntimeError),
    ("t.zeros(6).as_strided((7,), (1,))", RuntimeError),
    ("t.zeros(6).as_strided((2, 2), (1,))", RuntimeError),
    ("t.zeros(6).as_strided((2,), (-1,))", RuntimeError),
    ("t.zeros(6).as_strided((2,), (1,), -1)", RuntimeError),
    ("t.view_as_real(t.ones(2))", RuntimeError),
    ("t.view_as_complex(t.ones(3))", RuntimeError),
    ("t.view_as_complex(t.ones(()))", RuntimeError),
    ("t.view_as_complex(t.ones(2, 2).t())", RuntimeError),
    ("t.view_as_complex(t.ones(2, dtype=t.int64))", RuntimeError),
    ("t.select_scatter(t.ones(2, 2), t.ones(3), 0, 0)", RuntimeError),
    ("t.select_scatter(t.ones(2, 2), t.ones(2), 0, 5)", IndexError),
    ("t.select_scatter(t.ones(()), t.ones(2), 0, 0)", IndexError),
    ("t.slice_scatter(t.ones(4), t.ones(3), 0, 1, 3)", RuntimeError),
    ("t.diagonal_scatter(t.ones(2, 2), t.ones(3))", RuntimeError),
]


@pytest.mark.parametrize(("program", "error"), REFUSED)
def test_what_is_refused(t, program, error):
    with pytest.raises(error):
        eval(program, {"t": t})


def test_resize(t):
    x = t.arange(6.0)
    assert x.resize_(2, 2) is x
    assert x.tolist() == [[0, 1], [2, 3]]
    assert x._version == 1
    x.resize_(2, 2)
    assert x._version == 1
    y = t.zeros(0)
    y.resize_((2,))
    assert tuple(y.shape) == (2,)
    base = t.arange(4.0)
    v = base[1:]
    v.resize_as_(t.zeros(2))
    assert v.tolist() == [1, 2]
    assert v._is_view()
    assert base._version == 1


def test_resize_keeps_what_others_see():
    # PyTorch gives all that share the memory the larger one.
    x = gc.arange(4.0)
    v = x[:2]
    with pytest.raises(RuntimeError, match="cannot resize"):
        x.resize_(8)
    assert v.tolist() == [0, 1]
    y = gc.arange(2.0)
    y.resize_(3)
    assert y.tolist() == [0, 1, 0]


def test_as_strided(t):
    x = t.arange(6.0, requires_grad=True)
    y = x * 1
    v = y.as_strided((2, 2), (2, 1), 1)
    assert v.tolist() == [[1, 2], [3, 4]]
    assert node(v) == "AsStridedBackward0"
    assert v._base is y
    v.mul_(2)
    assert y.tolist() == [0, 2, 4, 6, 8, 5]
    (y.as_strided((2, 3), (0, 2)).sum() + v.sum()).backward()
    assert x.grad.tolist() == [2, 2, 6, 2, 6, 0]
    e = t.ones(1, requires_grad=True)
    e.expand(3).as_strided((2,), (0,)).sum().backward()
    assert e.grad.tolist() == [2]


def test_complex_numbers_seen_as_pairs(t):
    x = t.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    y = x * 1
    v = t.view_as_real(y)
    assert node(v) == "ViewAsRealBackward0"
    assert v.tolist() == [[1, 2], [3, -1]]
    v[:, 1].mul_(10)
    assert y.tolist() == [1 + 20j, 3 - 10j]
    w = t.view_as_complex(v)
    assert node(w) == "ViewAsComplexBackward0"
    assert w._base is y
    (w.real.sum() + w.imag.sum()).backward()
    assert x.grad.tolist() == [1 + 10j, 1 + 10j]


@pytest.mark.parametrize(
    ("call", "node_name"),
    [
        ("t.select_scatter(x, y[0], 0, -1)", "SelectScatterBackward0"),
        ("t.slice_scatter(x, y[:, :2], 1, 0, 2)", "SliceScatterBackward0"),
        ("t.slice_scatter(x, y[:, ::2], 1, step=2)", "SliceScatterBackward0"),
        ("t.diagonal_scatter(x, y[0, :2])", "DiagonalScatterBackward0"),
        ("t.diagonal_scatter(x, y[0, :1], -1)", "DiagonalScatterBackward0"),
        ("x.select_scatter(y[:, 1].to(t.float32), 1, 0)", "SelectScatterBackward0"),
    ],
)
def test_copies_with_a_part_replaced(torch, call, node_name):
    results = []
    for t in (gc, torch):
        x = t.arange(6.0, dtype=t.float64).reshape(2, 3).requires_grad_()
        y = (t.arange(6.0, dtype=t.float64).reshape(2, 3) + 10).requires_grad_()
        out = eval(call, {"t": t, "x": x, "y": y})
        assert node(out) == node_name
        first = t.autograd.grad((out * out).sum(), (x, y), create_graph=True)
        second = t.autograd.grad((first[0] * first[0]).sum() + (first[1] ** 2).sum(), (x, y))
        results.append([z.detach().tolist() for z in (out, *first, *second)])
    assert results[0] == results[1]
