"""``x[...]`` and ``x[...] = value`` in every form, beside PyTorch."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from referee import agree

import gradcore as gc

CUBE = np.linspace(-1.0, 1.0, 24).reshape(2, 3, 4)
I = "t.tensor([1, 0])"
WIDE = "t.tensor([[0, 1, 1], [1, 0, 0]])"
MASK = "t.tensor([True, False])"
PLANE = "t.tensor([[True, False, True], [False, True, True]])"

READS = f"""
    0
    -1
    2
    -3
    ()
    ...
    :
    :, :
    :, :, :
    ..., 0
    0, ...
    ..., 0, :
    None
    :, None
    None, 0, None
    ..., None
    0, 1
    0, 1, 2
    0, -1, -4
    0, 1, 2, 0
    0, 3
    1:
    :1
    0:5
    -100:2
    ::2
    :, 1::2
    :, :, -3:-1
    2:1
    0:0
    ::-1
    ::0
    0:1.5
    1, 1:, ::3
    t.tensor(1)
    t.tensor(-1)
    t.tensor(5)
    t.tensor(1):
    np.int64(1)
    np.array(1)
    True
    False
    t.tensor(True)
    True, 0
    True, True
    False, 0
    0, True
    ..., True
    {I}
    {I}.int()
    {WIDE}
    {I}, {I}
    {I}, :, {I}
    {I}, ..., {I}
    {I}, 0
    0, {I}
    0, :, {I}
    :, 0, {I}
    :, {I}, 0
    :, {I}
    :, {I}, {I}
    {I}, None
    {I}, None, {I}
    None, {I}
    {WIDE}, {I}.reshape(2, 1)
    {WIDE}, 1:, 0
    1:, {WIDE}
    {I}, True
    -{I} - 1
    {I} + 5
    -{I} - 9
    {I}, t.tensor([0, 1, 2])
    {I}, {I}, {I}
    {I}, {I}, {I}, {I}
    t.tensor([], dtype=t.int64)
    t.tensor([])
    t.tensor([0.5])
    {MASK}
    {PLANE}
    {MASK}, 0
    {MASK}, :, {I}
    {PLANE}, 0
    {PLANE}, {I}[:1]
    :, t.tensor([True, False, True])
    ..., t.tensor([True, False, True, True])
    0, {PLANE}
    t.zeros(3, dtype=t.bool)
    t.zeros(2, 3, 4, dtype=t.bool)
    t.ones(2, 3, 4, dtype=t.bool)
    t.zeros(2, 3, 4, 1, dtype=t.bool)
    {MASK} & False
    [0, 1]
    [1]
    []
    [True, False]
    [0, 1], [0, 2]
    [0, 1], :, [1, 1]
    :, [2, 0]
    :, [True, False, True]
    [[0, 1]], 0
    range(2)
    :, range(3)
    np.array([1, 0])
    np.array([True, False])
    np.array([[True, False, True], [True, True, True]])
    :, np.array([2, 2])
    (0, 1)
    1.5
    1j
    'a'
    object()
    """.split("\n    ")[1:-1]


@pytest.mark.parametrize("at", READS)
def test_reading(at, torch):
    agree(torch, f"x[{at}]".replace("np.", "__import__('numpy')."), CUBE)


@pytest.mark.parametrize(
    "at",
    [
        "0",
        "...",
        "()",
        "None",
        "True",
        "False",
        ":",
        "0, 0",
        "None, 0",
        "t.tensor(True)",
        I,
        "t.tensor(0)",
        "..., None",
    ],
)
def test_reading_a_number(at, torch):
    agree(torch, f"x[{at}]", 1.5)


@pytest.mark.parametrize(
    ("at", "warning"),
    [
        ("t.tensor([1, 0], dtype=t.uint8)", "deprecated"),
        ("t.tensor(1, dtype=t.uint8)", "deprecated"),
        ("[[0, 1], [0, 1]]", "non-tuple sequence"),
        (f"[{I}, {I}]", "non-tuple sequence"),
        ("[0, None]", "non-tuple sequence"),
        ("[slice(0, 1)]", "non-tuple sequence"),
    ],
)
def test_reading_with_a_warning(at, warning, torch):
    agree(torch, f"x[{at}]", CUBE, warns=warning)


def test_integers_that_pytorch_refuses_as_indices():
    x = gc.arange(4.0)
    for dtype in (gc.int8, gc.int16, gc.uint16, gc.uint32, gc.uint64):
        assert x[gc.tensor([3, 0], dtype=dtype)].tolist() == [3, 0]
    assert x[np.bool_(True)].shape == (1, 4)


def test_a_list_of_floats_is_no_index():
    # PyTorch cuts them off.
    with pytest.raises(IndexError, match="tensors used as indices must be long, int, byte or bool tensors"):
        gc.arange(4.0)[[0.5]]


@pytest.mark.parametrize(
    ("index", "error", "phrases"),
    [
        ((0, 0, 0), IndexError, "too many indices for tensor of dimension 2"),
        (5, IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
        ((slice(None), 3), IndexError, "index 3 is out of bounds for dimension 1 with size 3"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (1.5, IndexError, "valid indices (got float)"),
    ],
)
def test_messages(index, error, phrases):
    with pytest.raises(error) as caught:
        gc.ones(2, 3)[index]
    assert phrases in str(caught.value)


def test_messages_about_index_tensors():
    x = gc.ones(2, 3)
    for index, phrase in (
        (gc.tensor([0.5]), "tensors used as indices must be long, int, byte or bool tensors"),
        (gc.tensor([True, False, True]), "The shape of the mask [3] at index 0 does not match"),
        (gc.tensor([7]), "index 7 is out of bounds for dimension 0 with size 2"),
    ):
        with pytest.raises(IndexError) as caught:
            x[index]
        assert phrase in str(caught.value)
    with pytest.raises(IndexError, match="invalid index of a 0-dim tensor"):
        gc.tensor(1.0)[0]


def test_an_index_is_saved_and_must_not_be_written_to(torch):
    for t in (gc, torch):
        for index in (t.tensor([0, 1]), t.tensor([True, False, True])):
            y = t.ones(3, requires_grad=True)[index]
            index.fill_(0)
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                y.sum().backward()


def test_an_array_used_as_an_index_is_copied():
    index = np.array([0, 0])
    x = gc.ones(2, requires_grad=True)
    y = x[index]
    index[:] = 1
    y.sum().backward()
    assert x.grad.tolist() == [2, 0]


def test_the_operand_itself_is_not_saved():
    x = gc.ones(3, requires_grad=True) * 1
    y = x[gc.tensor([0, 0])]
    x.mul_(2)
    y.sum().backward()


WRITES = [
    (at, value)
    for at, value in itertools.product(
        f"""
        0
        -1
        5
        ...
        ()
        :
        :, :
        0:1
        0:0
        :, 1
        ..., 0
        0, 1, 2
        None
        0, None
        True
        False
        ::2, 1:
        ::-1
        t.tensor(1)
        {I}
        :, {I}
        {I}, :, {I}
        {I}, {I}
        0, {I}
        {I}, 1:
        {WIDE}[0]
        {I} + 5
        {MASK}
        {PLANE}
        {PLANE}, 0
        {MASK}, 0
        0, {PLANE}[0]
        [0, 1]
        t.tensor([0.5])
        0.5
        0, 0, 0, 0
        {MASK} & False
        """.split("\n        ")[1:-1],
        ["5", "y", "y[0]", "y[0, 0, 0]", "y[:, :1]", "y[None]", "y[:, 0, :2]", "y.float()"],
    )
]


@pytest.mark.parametrize(("at", "value"), WRITES)
def test_writing(at, value, torch):
    agree(torch, f"(v := x * 1, v.__setitem__(INDEX[{at}], {value}), v)[-1]", CUBE, CUBE * 3)


class _Index:
    def __getitem__(self, at):
        return at


@pytest.fixture(autouse=True)
def _an_index_as_a_value(monkeypatch):
    import builtins

    monkeypatch.setattr(builtins, "INDEX", _Index(), raising=False)


@pytest.mark.parametrize(
    "value", ["1", "1.7", "True", "1j", "float('nan')", "2.5 * (x[0] * 0 + 1)", "x[0] > 0", "'a'", "None", "[1, 2]"]
)
@pytest.mark.parametrize("at", ["0", "t.tensor([0])", "t.tensor([True, False])", "..."])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool", "complex128"])
def test_dtypes_of_what_is_written(at, value, dtype, torch):
    expression = f"(v := y.clone(), v.__setitem__(INDEX[{at}], {value}), v)[-1]"
    agree(torch, expression, np.ones((2, 2)), (np.arange(4).reshape(2, 2)).astype(dtype), grad=(False, False))


def test_arrays_can_be_written():
    x = gc.zeros(2, 3)
    x[0] = np.array([1.0, 2.0, 3.0])
    x[gc.tensor([1])] = np.array([4, 5, 6])
    x[0, 0] = np.float64(9)
    assert x.tolist() == [[9, 2, 3], [4, 5, 6]]


def test_writing_counts_one_version_and_a_false_index_none(torch):
    for t in (gc, torch):
        x = t.zeros(3)
        x[0] = 1
        x[t.tensor([0, 1])] = 2
        x[t.tensor([True, False, True])] = 3
        x[...] = 4
        assert x._version == 4
        x[False] = 5
        assert x._version == 4


def test_writing_where_it_is_forbidden(torch):
    for t in (gc, torch):
        x = t.ones(3, requires_grad=True)
        for index in (0, slice(None), ..., t.tensor([0, 1]), t.tensor([True, False, False])):
            with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
                x[index] = 1
        with pytest.raises(RuntimeError, match="more than one element"):
            t.zeros(1).expand(3)[:2] = 1
        assert x.tolist() == [1, 1, 1]


def test_overlapping_source_and_destination(t):
    x = t.arange(5.0)
    x[1:] = x[:-1].clone()
    assert x.tolist() == [0, 0, 1, 2, 3]
    for index in (slice(1, None), t.tensor([1, 2, 3, 4]), t.tensor([False, True, True, True, True])):
        with pytest.raises(RuntimeError, match="single memory location"):
            x[index] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]
    x[:] = x[:]
    assert x.tolist() == [0, 0, 1, 2, 3]


def test_a_failed_write_changes_nothing():
    x = gc.ones(3, requires_grad=True) * 1
    before = x.grad_fn
    for index, value in ((gc.tensor([7]), 1.0), (gc.tensor([0, 1]), gc.ones(3)), (slice(0, 2), gc.ones(3)), (9, 1.0)):
        with pytest.raises((IndexError, RuntimeError)):
            x[index] = value
        assert x._version == 0
        assert x.grad_fn is before
        assert x.tolist() == [1, 1, 1]


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(
    ("indices", "values"),
    [
        ("(t.tensor([1, 0]),)", "y"),
        ("[t.tensor([1, 0])]", "y[0]"),
        ("(t.tensor([1, 1]),)", "y"),
        ("(t.tensor([0, 1]), t.tensor([2, 2]))", "y[:, 0]"),
        ("(t.tensor([[True, False, True, True], [False, True, True, True]]),)", "y[0, 0]"),
        ("(t.tensor([5]),)", "y[0]"),
        ("(t.tensor([1, 0]),)", "y.float()"),
        ("(t.tensor([1, 0]),)", "y[:, :3]"),
        ("t.tensor([1, 0])", "y"),
    ],
)
def test_index_put(indices, values, accumulate, torch):
    x = np.linspace(0.0, 1.0, 8).reshape(2, 4)
    agree(torch, f"x.index_put({indices}, {values}, {accumulate})", x, x + 2)
    agree(torch, f"(x * 2).index_put_({indices}, {values}, accumulate={accumulate})", x, x + 2)


@pytest.mark.parametrize(
    "expression",
    """
    x.select(0, 1)
    x.select(-1, -2)
    t.select(x, 1, 0)
    x.select(0, 2)
    x.select(3, 0)
    x[0, 0, 0].select(0, 0)
    x.narrow(1, 0, 2)
    x.narrow(-1, 1, 3)
    x.narrow(0, -1, 1)
    x.narrow(0, t.tensor(1), 1)
    x.narrow(1, 3, 0)
    x.narrow(0, 1, 2)
    x.narrow(0, -3, 1)
    x.narrow(0, 0, -1)
    x[0, 0, 0].narrow(0, 0, 0)
    t.narrow(x, dim=2, start=1, length=2)
    """.split("\n    ")[1:-1],
)
def test_select_and_narrow(expression, torch):
    agree(torch, expression, CUBE)


PARTS = st.one_of(
    st.integers(-3, 2),
    st.slices(4).filter(lambda s: s.step is None or s.step > 0),
    st.none(),
    st.just(...),
    st.booleans(),
    st.lists(st.integers(-2, 1), min_size=1, max_size=3),
    st.lists(st.booleans(), min_size=2, max_size=3).map(np.array),
)


def has_one_ellipsis(index):
    return sum(i is ... for i in index) <= 1


@given(index=st.lists(PARTS, max_size=4).map(tuple).filter(has_one_ellipsis), wide=st.booleans())
def test_any_index_gives_what_pytorch_gives(torch, index, wide):
    array = np.arange(6.0).reshape(2, 3) if wide else np.arange(8.0).reshape(2, 2, 2)
    results = []
    for t in (gc, torch):
        x = t.tensor(array, requires_grad=True)
        y = x * 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                part = y[index]
                node = type(part.grad_fn).__name__
                part.backward(t.ones_like(part))
                y.detach()[index] = 7.0
        except (IndexError, RuntimeError, ValueError) as e:
            results.append(type(e))
            continue
        results.append((node, part.tolist(), x.grad.tolist(), y.tolist(), y._version))
    assert results[0] == results[1], index


@pytest.mark.parametrize("size", [0, 3])
@pytest.mark.parametrize("part", ["1:", "0:", ":1", "-1:", ":-1", "-5:", ":7", "-3:3", "0:3", ":", "::1", "::2"])
def test_what_counts_as_a_slice_of_everything(torch, part, size):
    found = []
    for t in (gc, torch):
        x = t.ones(size, requires_grad=True)
        y = x * 1
        exec(f"y[..., {part}] = y.detach()[{part}].clone()", {"y": y})
        z = x * 1
        exec(f"z[{part}] = z.detach()[{part}].clone()", {"z": z})
        found.append([type(v.grad_fn).__name__ for v in (eval(f"x[..., {part}]"), eval(f"x[{part}]"), y, z)])
    assert found[0] == found[1]
