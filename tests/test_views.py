"""Views and writing in place: random programs beside PyTorch, and what they must do by name.

A program is a list of numbers, so that Hypothesis can make a failing one small. Each step makes a view of a tensor, writes
into one, or computes a new one; a step that raises must raise the same class in both libraries, and is skipped. In the end
values, versions, gradients and what a backward raises are compared.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradcore as gc

ERRORS = (RuntimeError, IndexError, TypeError, ValueError)

VIEWS = [
    ("x[0]", 1),
    ("x[-1]", 1),
    ("x[1:]", 1),
    ("x[:, 0]", 2),
    ("x[..., 1:]", 1),
    ("x[::2]", 1),
    ("x[None]", 0),
    ("x[...]", 0),
    ("x[:, None, 1]", 2),
    ("x.T", 0),
    ("x.transpose(0, -1)", 1),
    ("x.permute(1, 0)", 2),
    ("x.view(-1)", 0),
    ("x.view(3, -1)", 1),
    ("x.reshape(-1)", 0),
    ("x.reshape(2, -1)", 1),
    ("x.flatten()", 0),
    ("x.unsqueeze(-1)", 0),
    ("x.squeeze()", 0),
    ("x.squeeze(0)", 1),
    ("x.expand(2, *x.shape)", 0),
    ("x[:1].expand(3, *x.shape[1:])", 1),
    ("x.diagonal()", 2),
    ("x.diagonal(1)", 2),
    ("x.narrow(-1, 0, 2)", 1),
    ("x.select(-1, 1)", 1),
    ("x.unbind(0)[0]", 1),
    ("x.unbind(-1)[-1]", 1),
    ("x.chunk(2)[0]", 1),
    ("x.split(1)[-1]", 1),
    ("x.split([1, 1])[1]", 1),
    ("x.detach()", 0),
    ("x.movedim(0, -1)", 1),
    ("x.contiguous()", 0),
]
WRITES = [
    ("x.mul_(2)", 0),
    ("x.add_(1)", 0),
    ("x.add_(y)", 0),
    ("x.sub_(y)", 0),
    ("x.mul_(y)", 0),
    ("x.div_(y)", 0),
    ("x.copy_(y)", 0),
    ("x.zero_()", 0),
    ("x.fill_(0.5)", 0),
    ("x.tanh_()", 0),
    ("x.sin_()", 0),
    ("x.neg_()", 0),
    ("x.__setitem__(0, 0.25)", 1),
    ("x.__setitem__(0, y)", 1),
    ("x.__setitem__(..., y)", 0),
    ("x.__setitem__((..., slice(1, None)), y)", 1),
    ("x.__setitem__((slice(None), -1), y)", 2),
    ("x.__setitem__(t.tensor([0]), y)", 1),
    ("x.__setitem__((..., t.tensor([0, 0])), 0.5)", 1),
    ("x.__setitem__(x.detach() > 0.5, 0.125)", 0),
    ("x.masked_fill_(x.detach() < 0.5, 2.0)", 0),
    ("x.index_put_((t.tensor([0, 0]),), y, accumulate=True)", 1),
    ("x.index_fill_(0, t.tensor([0]), 0.75)", 1),
]
RESULTS = [
    ("x * y", 0),
    ("x + y", 0),
    ("x.sin()", 0),
    ("x.tanh()", 0),
    ("x * 2", 0),
    ("x.clone()", 0),
    ("x / (y * y + 1)", 0),
    ("x.sum()", 0),
    ("x[t.tensor([1, 0])]", 1),
]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["view", "view", "view", "write", "write", "write", "result", "view in no_grad", "write in no_grad"]
        ),
        st.integers(0, 7),
        st.integers(0, 40),
        st.integers(0, 7),
    ),
    min_size=1,
    max_size=8,
)


class Discarded(Exception):
    """The program did what only PyTorch refuses: used one of several views after a write to their base."""


class Machine:
    """Runs a program with one library."""

    def __init__(self, t):
        self.t = t
        self.leaves = [
            t.tensor(np.linspace(0.1, 1.2, 6).reshape(2, 3), requires_grad=True),
            t.tensor(np.linspace(0.3, 0.9, 3), requires_grad=True),
        ]
        plain = t.tensor(np.linspace(0.2, 0.8, 6).reshape(2, 3))
        x, r = self.leaves
        self.pool = [x, r, plain, (x * 2).T, x * 1]
        # Which tensors share memory: PyTorch refuses operands that overlap in part.
        self.memory = [0, 1, 2, 3, 4]

    def step(self, kind, i, choice, j):
        """Do one step; gives its text and the class of what it raised."""
        # Most often the tensor that was made last, so that views of views are written to.
        i, j = (len(self.pool) - 1 - max(i - 4, 0)) % len(self.pool), j % len(self.pool)
        x, y = self.pool[i], self.pool[j]
        what, _, mode = kind.partition(" in ")
        expressions = {"view": VIEWS, "write": WRITES, "result": RESULTS}[what]
        expressions = [e for e, ndim in expressions if x.ndim >= ndim]
        expression = expressions[choice % len(expressions)]
        if what == "write" and x.numel() and any(n > 1 and s == 0 for n, s in zip(x.shape, x.stride(), strict=True)):
            expression = "x.add_(1)"  # of an expanded tensor PyTorch does not refuse all others
        text = f"x = pool[{i}], y = pool[{j}]{' clone' * (self.memory[i] == self.memory[j])}, {kind}: {expression}"

        # PyTorch's zero_() is mistaken about a view whose base was written to, if nobody has looked at its history since.
        self.attempt(lambda: x.grad_fn)

        def run():
            other = y.clone() if self.memory[i] == self.memory[j] else y
            names = {"t": self.t, "x": x, "y": other}
            # PyTorch says of views made in no_grad that they require grad; gradcore says what is.
            if mode and not (what == "view" and x.requires_grad):
                with self.t.no_grad():
                    return eval(expression, names)
            return eval(expression, names)

        out = self.attempt(run)
        if isinstance(out, type):
            return text, out
        if what != "write":
            self.pool.append(out)
            self.memory.append(self.memory[i] if what == "view" else len(self.memory))
        return text, None

    def attempt(self, function):
        """What a function returns, or the class of what it raised."""
        try:
            return function()
        except ERRORS as e:
            if "multiple views" in str(e) and "its base or another view" in str(e):
                raise Discarded from None
            return type(e)

    def facts(self):
        """What can be seen of every tensor."""
        return [
            (
                tuple(p.shape),
                self.attempt(lambda p=p: p.is_leaf),
                p._version,
                p._is_view(),
                p._base is None or self.pool[self.memory[k]] is p._base,
                p.detach().tolist(),
            )
            for k, p in enumerate(self.pool)
        ]

    def gradients(self, create_graph):
        """The gradients of the leaves, or the class of what the backward raised."""

        def run():
            outputs = [p for p in self.pool if self.attempt(lambda p=p: p.grad_fn is not None) is True]
            weights = [
                self.t.tensor(np.cos(np.arange(p.numel())).reshape(tuple(p.shape)) * (k + 1))
                for k, p in enumerate(outputs)
            ]
            first = self.t.autograd.grad(outputs, self.leaves, weights, create_graph=create_graph, allow_unused=True)
            used = [(g * g).sum() for g in first if g is not None and g.requires_grad] if create_graph else []
            second = self.t.autograd.grad(used, self.leaves, allow_unused=True) if used else (None, None)
            return [None if g is None else g.detach().numpy(force=True) for g in (*first, *second)]

        return self.attempt(run)


@given(program=STEPS, second_order=st.booleans())
@settings(max_examples=300)
def test_random_programs(torch, program, second_order):
    ours, theirs = Machine(gc), Machine(torch)
    done = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for step in program:
                (text, want), (_, got) = theirs.step(*step), ours.step(*step)
                done.append((text, want))
                # Where an index is out of range and the values do not fit, either may be found first.
                assert got == want or ("t.tensor" in text and got and want), done
        facts = theirs.facts()
        wanted = theirs.gradients(second_order)
    except Discarded:
        return
    for k, (got, want) in enumerate(zip(ours.facts(), facts, strict=True)):
        assert got[:-1] == want[:-1], f"pool[{k}] after {done}"
        np.testing.assert_allclose(got[-1], want[-1], rtol=1e-12, atol=1e-12, err_msg=f"pool[{k}] after {done}")
    found = ours.gradients(second_order)
    if isinstance(found, type) or isinstance(wanted, type):
        assert found == wanted, done
        return
    for got, want in zip(found, wanted, strict=True):
        if got is None or want is None:
            # A gradient that is zero by structure may be None in one library.
            assert np.all((got if want is None else want) == 0) or got is want, done
        else:
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, err_msg=str(done))


# What must hold by name. A test that takes ``t`` says it of both libraries.


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
        "y.chunk(2, 1)[1]",
        "y.unbind(1)[2]",
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


def test_one_of_several_views_keeps_its_gradient_after_a_write_to_the_base():
    # PyTorch refuses to use it.
    x = gc.ones(4, requires_grad=True)
    y = x * 2
    first, second = y.chunk(2)
    y.mul_(10)
    second.sum().backward()
    assert x.grad.tolist() == [0, 0, 20, 20]


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


def test_an_old_view_of_a_reshaped_base_is_refused_once_that_was_written_to():
    # PyTorch follows the memory instead.
    x = gc.ones(2, 3, requires_grad=True)
    y = x * 1
    v = y[0]
    y.t_()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="given another shape in place"):
        v.sum()
    z = x * 1
    v = z[0]
    z.t_()
    with pytest.raises(RuntimeError, match="given another shape in place"):
        v.mul_(2)
