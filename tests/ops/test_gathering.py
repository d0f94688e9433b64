"""Reading and writing at index tensors along a dimension, beside PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

MATRIX = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
ROWS = np.linspace(0.5, 3.0, 8).reshape(2, 4)
VECTOR = [0.5, -1.0, 2.0]
NUMBER = 1.5

II = "t.tensor([[0, 1, 2], [2, 0, 0]])"
I = "t.tensor([0, 2])"


@pytest.mark.parametrize(
    "expression",
    f"""
    x.gather(0, {II})
    x.gather(1, {II})
    x.gather(-1, {II})
    t.gather(x, dim=0, index={II})
    t.gather(x, axis=1, index={II}, sparse_grad=False)
    x.gather(0, {II}.int())
    x.gather(0, {II}.float())
    x.gather(0, {II} > 0)
    x.gather(0, {II} + 5)
    x.gather(0, -{II})
    x.gather(2, {II})
    x.gather(0, {I})
    x.gather(0, t.zeros(3, 5, dtype=t.int64))
    x.gather(0, t.zeros(5, 4, dtype=t.int64))
    x.gather(0, t.zeros(0, 4, dtype=t.int64))
    w.gather(0, t.tensor(0))
    w.gather(0, t.tensor([0, 0]))
    z.gather(0, t.tensor(2))
    x.mT.gather(0, {II})
    x.take_along_dim({II}.mT, 1)
    x.take_along_dim(t.tensor([[0, 2, 1, 0]]), 0)
    x[:, :1].take_along_dim(t.tensor([[0, 2, 1, 0]]), 0)
    x.take_along_dim(t.tensor([[2], [1], [0]]), dim=1)
    x.take_along_dim({II}, 0)
    x.take_along_dim({I})
    x.take_along_dim({I}, 0)
    x.take_along_dim({II}.float(), 0)
    t.take_along_dim(x, x.argsort(1), 1)
    x.take_along_dim(-1 - {II}.mT, 1)
    x.take_along_dim({I} - 9, 0)
    t.gather(x[0], 0, t.zeros(2, 0).byte())
    x.scatter(0, {II}, x[1:, 1:])
    x.scatter(1, t.tensor([[0, 3], [2, 1], [1, 0]]), x[:, :2])
    x.scatter(dim=0, index=t.tensor([[2, 0, 1]]), src=y[:1, :3])
    x.scatter(0, {II}, 1.5)
    x.scatter(0, {II}, value=2)
    x.scatter(0, {II}, x.float())
    x.scatter(0, {II}, y[:, :2])
    x.scatter(0, {II} + 5, x)
    x.scatter(0, -{II} - 1, x)
    x.scatter(0, {I}, x)
    x.scatter(0, {II}, w)
    x.scatter(0, {II}, 1j)
    x.scatter(0, {II})
    x.scatter(0, {II}.float(), x)
    w.scatter(0, t.tensor(0), 2.0)
    w.scatter(0, t.tensor([0]), z[:1])
    (x * 1).scatter_(0, t.tensor([[2, 0, 1]]), y[:1, 1:])
    (x * 1).scatter_(0, {II}, 1.5)
    (x * 1).scatter_(1, {II}, value=7)
    x.scatter_add(0, {II}, x[:2, :3])
    x.scatter_add(1, {II}, y[:, 1:])
    t.scatter_add(x, 0, {II}, y[:, :3] * 2)
    (x * 1).scatter_add_(0, {II}, y[:, :3])
    x.scatter_add(0, {II}, x.float())
    x.scatter_add(0, {II}, 1.0)
    x.scatter_add(0, {II} + 9, x)
    w.scatter_add(0, t.tensor([0]), z[:1])
    """.split("\n    ")[1:-1],
)
def test_an_index_for_every_element(expression, torch):
    agree(torch, expression, MATRIX, ROWS, VECTOR, NUMBER)


@pytest.mark.parametrize(
    "expression",
    f"""
    x.index_select(0, {I})
    x.index_select(1, {I})
    t.index_select(x, dim=-1, index=t.tensor([1, 1, 3]))
    x.index_select(0, t.tensor(1))
    x.index_select(0, {II})
    x.index_select(0, {I} + 5)
    x.index_select(0, -{I} - 1)
    x.index_select(0, {I}.float())
    x.index_select(0, {I}.int())
    x.index_select(0, t.tensor([], dtype=t.int64))
    w.index_select(0, t.tensor([0]))
    w.index_select(0, t.tensor([1]))
    x.index_add(0, {I}, y)
    x.index_add(0, t.tensor([1, 1]), y, alpha=2)
    x.index_add(1, {I}, x[:, :2])
    x.index_add(0, {I}, y.float())
    x.index_add(0, {I}, x)
    x.index_add(0, {I}, y[:, :3])
    x.index_add(0, {I} + 5, y)
    x.index_add(0, -{I} - 1, y)
    x.index_add(0, {I}, 1.0)
    w.index_add(0, t.tensor([0]), w)
    (x * 1).index_add_(0, {I}, y, alpha=3)
    x.index_copy(0, {I}, y)
    x.index_copy(1, {I}, x[:, :2])
    x.index_copy(0, {I}, y.float())
    x.index_copy(0, {I} + 5, y)
    x.index_copy(0, {I}, x)
    x.index_copy(0, t.tensor(1), y[0])
    (x * 1).index_copy_(0, {I}, y)
    x.index_fill(0, {I}, 1.5)
    x.index_fill(1, {I}, w)
    x.index_fill(1, t.tensor([1, 1]), w)
    x.index_fill(0, {I}, z)
    x.index_fill(0, {I} + 5, 1.0)
    x.index_fill(0, -{I} - 1, 1.0)
    (x * 1).index_fill_(0, {I}, 2)
    (x * 1).index_fill_(0, {I}, w)
    """.split("\n    ")[1:-1],
)
def test_an_index_for_every_position(expression, torch):
    agree(torch, expression, MATRIX, ROWS, VECTOR, NUMBER)


@pytest.mark.parametrize(
    "expression",
    f"""
    x.take({I})
    x.take({II})
    x.take(-{I} - 1)
    x.take(t.tensor(3))
    x.take({I} + 50)
    x.take({I}.float())
    t.take(x.mT, index={II})
    w.take({I} * 0)
    x.put({I}, y[0, :2])
    x.put({II}, x[:2, :3])
    x.put(t.tensor([1, 1]), z[:2], True)
    x.put({I}, z[:2], accumulate=False)
    x.put({I}, z)
    x.put({I} + 50, z[:2])
    x.put({I}, z[:2].float())
    x.put({I}.float(), z[:2])
    x.mT.put({I}, z[:2])
    (x * 1).put_(t.tensor([5, -1]), z[:2])
    (x * 1).mT.put_({I}, z[:2], accumulate=True)
    """.split("\n    ")[1:-1],
)
def test_positions_among_all_elements(expression, torch):
    agree(torch, expression, MATRIX, ROWS, VECTOR, NUMBER)


@pytest.mark.parametrize("dtype", ["int64", "float32", "bool", "complex64"])
@pytest.mark.parametrize(
    "expression", [f"x.gather(0, {II})", f"x.index_select(1, {I})", f"x.take({II})", f"x.scatter(0, {II}, x[1:, :3])"]
)
def test_dtypes(expression, dtype, torch):
    agree(torch, expression, (MATRIX * 3).astype(dtype))


def test_numbers_become_the_dtype(torch):
    for dtype in ("int64", "uint8", "bool", "float32"):
        agree(torch, f"x.scatter(0, {II}, 1.5)", np.ones((3, 4), dtype))
        agree(torch, f"x.index_fill(0, {I}, 1.5)", np.ones((3, 4), dtype))
    agree(torch, f"x.scatter(0, {II}, 1j)", np.ones((3, 4), np.int64))


def test_a_source_larger_than_the_index_gets_zeros_for_what_is_not_used():
    # PyTorch's backward wants the two of one shape.
    x = gc.zeros(3, 2)
    src = gc.ones(4, 3, requires_grad=True)
    for write in (x.scatter, x.scatter_add):
        src.grad = None
        write(0, gc.tensor([[2, 0]]), src).sum().backward()
        assert src.grad.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_of_repeated_writes_every_source_gets_the_gradient(torch):
    for t in (gc, torch):
        src = t.ones(2, requires_grad=True)
        out = t.zeros(2).scatter(0, t.tensor([0, 0]), src) * t.tensor([5.0, 7.0])
        out.sum().backward()
        assert src.grad.tolist() == [5, 5]


def test_an_index_is_saved_and_must_not_be_written_to(torch):
    for t in (gc, torch):
        for read in ("gather", "index_select"):
            index = t.tensor([0, 1])
            y = getattr(t.ones(3, requires_grad=True), read)(0, index)
            index.fill_(0)
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                y.sum().backward()


def test_a_failed_write_changes_nothing():
    x = gc.ones(3, requires_grad=True) * 1
    before = x.grad_fn
    for write in (
        lambda: x.scatter_(0, gc.tensor([5]), 2.0),
        lambda: x.scatter_(0, gc.tensor([-1]), 2.0),
        lambda: x.index_copy_(0, gc.tensor([5]), gc.ones(1)),
        lambda: x.index_fill_(0, gc.tensor([5]), 2.0),
        lambda: x.index_add_(0, gc.tensor([5]), gc.ones(1)),
    ):
        with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
            write()
    assert x._version == 0
    assert x.grad_fn is before
    assert x.tolist() == [1, 1, 1]


def test_a_number_counts_as_a_vector(torch):
    agree(torch, "x[:1].clone().scatter_add_(0, t.tensor([0]), y)", VECTOR, NUMBER)
    agree(torch, "x[:1].scatter(0, t.tensor([0]), y)", VECTOR, NUMBER)
    agree(torch, "x.clone().scatter_add_(0, t.tensor([0, 1]), y)", VECTOR, NUMBER)
    agree(torch, "x.scatter(0, t.tensor([0, 1]), y)", VECTOR, NUMBER)
    agree(torch, "x.clone().index_fill_(0, t.tensor([0]), t.tensor(1j))", VECTOR)


@pytest.mark.parametrize("index", [[0], [0, 0], [1], []])
def test_selecting_from_a_scalar(index, torch):
    agree(torch, "t.index_select(x, 0, y)", np.array(2.0), np.array(index, np.int64))
