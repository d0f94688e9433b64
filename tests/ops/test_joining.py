"""Joining tensors, and taking one apart, beside PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

CUBE = np.linspace(-1.0, 1.0, 24).reshape(2, 3, 4)
MATRIX = np.linspace(-1.0, 2.0, 6).reshape(2, 3)
VECTOR = [0.5, -1.0, 2.0]
NUMBER = 1.5
INTEGERS = np.arange(6).reshape(2, 3)
SINGLE = np.linspace(0.0, 1.0, 6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    "expression",
    """
    t.cat([x, y])
    t.cat([x, y], 1)
    t.cat((x, x, y), dim=-1)
    t.cat([x], 0)
    t.cat(tensors=[x, y], axis=1)
    t.concat([x, y])
    t.concatenate([x, y], 1)
    t.cat([])
    t.cat(x)
    t.cat([x, 1])
    t.cat([z, z])
    t.cat([x, w], 0)
    t.cat([x, x[:, :2]])
    t.cat([x, x[:, :2]], 1)
    t.cat([x, y], 2)
    t.cat([x, t.zeros(0)])
    t.cat([t.zeros(0, dtype=t.float64), x], 1)
    t.cat([w[:0], x], 1)
    t.cat([w[:0], w[:0]])
    t.cat([x, t.zeros(0, 2)])
    t.cat([x, x[:0]])
    t.stack([x, y])
    t.stack([x, y], 1)
    t.stack([x, y], dim=-1)
    t.stack([x, y], 3)
    t.stack([z, z])
    t.stack([x])
    t.stack([])
    t.stack([x, w])
    t.stack(x)
    t.hstack([x, y])
    t.hstack([w, w])
    t.hstack([z, w])
    t.hstack([])
    t.vstack([x, w])
    t.vstack([w, w])
    t.vstack([z, w])
    t.row_stack([x, w])
    t.dstack([x, y])
    t.dstack([w, w])
    t.dstack([z])
    t.column_stack([w, w])
    t.column_stack([x, x[:, 0]])
    t.meshgrid(w, x[0], indexing="ij")
    t.meshgrid(w, z, x[:, 0], indexing="xy")
    t.meshgrid([w, w], indexing="xy")
    t.meshgrid(w, indexing="xy")
    t.meshgrid(w, x, indexing="ij")
    t.meshgrid(w, w, indexing="ab")
    t.meshgrid()
    """.split("\n    ")[1:-1],
)
def test_joining(expression, torch):
    agree(torch, expression, MATRIX, MATRIX + 0.1, NUMBER, VECTOR)


@pytest.mark.parametrize("function", ["t.cat([x, y])", "t.stack([x, y])", "t.stack([x, y, x], 1)", "t.hstack((y, x))"])
@pytest.mark.parametrize(
    "other", [INTEGERS, SINGLE, MATRIX > 0, MATRIX + 1j, INTEGERS.astype(np.int8)], ids=lambda a: a.dtype.name
)
@pytest.mark.parametrize("first", [MATRIX, INTEGERS, SINGLE], ids=lambda a: a.dtype.name)
def test_dtypes_are_promoted(function, first, other, torch):
    agree(torch, function, first, other)


@pytest.mark.parametrize(
    "expression",
    """
    x.unbind()
    x.unbind(2)
    x.unbind(dim=-1)
    t.unbind(x, axis=1)
    x.unbind(3)
    x[:0].unbind(1)
    x.split(1)
    x.split(2, 1)
    x.split(2, dim=-1)
    x.split(7, 1)
    x.split([1, 2], 1)
    x.split((1, 0, 2), dim=1)
    x.split([1, 1], 1)
    x.split([1, -1, 3], 1)
    x.split(0)
    x.split(-1)
    x.split(1, 3)
    t.split(x, 3, 2)
    t.split_with_sizes(x, [1, 3], 2)
    x[:0].split(2)
    x[:0].split(0)
    x.chunk(2)
    x.chunk(2, 1)
    x.chunk(3, dim=2)
    x.chunk(9, -1)
    x.chunk(0)
    x[:0].chunk(3)
    t.chunk(x, 2, axis=2)
    x.tensor_split(2)
    x.tensor_split(3, 2)
    x.tensor_split(9, dim=1)
    x.tensor_split(0)
    x.tensor_split((1,), 1)
    x.tensor_split([1, 3], dim=-1)
    x.tensor_split((-1,), 2)
    x.tensor_split((3, 1, 9), 2)
    x.tensor_split(t.tensor(2), 2)
    x.tensor_split(t.tensor([1, 2]), 2)
    x.hsplit(3)
    x.hsplit(2)
    x.hsplit([1])
    x[0, 0].hsplit(2)
    x.vsplit(2)
    x[0, 0].vsplit(2)
    x.dsplit(2)
    x[0].dsplit(1)
    x[0, 0, 0].unbind()
    x[0, 0, 0].split(1)
    x[0, 0, 0].chunk(1)
    x[0, 0, 0].tensor_split(1)
    x[0, 0, 0].hsplit(1)
    """.split("\n    ")[1:-1],
)
def test_taking_apart(expression, torch):
    agree(torch, expression, CUBE)


def test_iteration_gives_the_parts_along_the_first_dimension(torch):
    agree(torch, "tuple(x)", CUBE)
    agree(torch, "tuple(x)", NUMBER)


def test_one_part_gets_the_gradient_of_its_own_place():
    x = gc.ones(3, 2, requires_grad=True)
    first, _, last = x.unbind()
    (first.sum() + 3 * last.sum()).backward()
    assert x.grad.tolist() == [[1, 1], [0, 0], [3, 3]]


def test_parts_are_views_that_must_not_be_written_to(torch):
    for t in (gc, torch):
        for parts in (t.unbind, lambda x: x.chunk(2), lambda x: x.split([1, 2]), lambda x: x.split(1), iter):
            x = t.ones(3, requires_grad=True) * 1
            (part, *_) = parts(x)
            assert part._is_view()
            with pytest.raises(RuntimeError, match="is being modified inplace") as caught:
                part.mul_(2)
            assert "returns multiple views" in str(caught.value)
        whole = t.zeros(3)
        whole.chunk(3)[1].fill_(5)
        assert whole.tolist() == [0, 5, 0]


def test_unstack_and_concat_as_in_the_standard():
    from gradcore.op import STANDARD

    x = gc.arange(6.0).reshape(2, 3)
    assert [p.tolist() for p in STANDARD["unstack"](x, axis=1)] == [[0, 3], [1, 4], [2, 5]]
    assert STANDARD["concat"]([x, gc.ones(1)], axis=None).tolist() == [0, 1, 2, 3, 4, 5, 1]
