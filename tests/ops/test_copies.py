"""Copies of views beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.func import vmap

MATRIX = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
ONES = np.linspace(0.0, 1.0, 6).reshape(1, 2, 1, 3)


@pytest.mark.conformance
@pytest.mark.parametrize(
    "expression",
    """
    t.alias_copy(x)
    t.as_strided_copy(x, (2, 2), (1, 4), 1)
    t.as_strided_copy(x, (2,), (1, 4))
    t.as_strided_copy(x[1], (2,), (1,), 5)
    t.diagonal_copy(x, 1)
    t.expand_copy(x, (2, 3, 4))
    t.expand_copy(x, (3, 5))
    t.narrow_copy(x, 1, 1, 2)
    x.narrow_copy(0, 1, 1)
    t.narrow_copy(x, 1, 3, 2)
    t.narrow_copy(x, 2, 0, 1)
    t.permute_copy(x, (1, 0))
    t.permute_copy(x, (0, 0))
    t.select_copy(x, 1, -1)
    t.select_copy(x, 0, 3)
    t.slice_copy(x, 1, 0, 4, 2)
    t.slice_copy(x, 1, None, 0)
    t.split_copy(x, 3, 1)[0]
    t.split_with_sizes_copy(x, (1, 3), 1)[1]
    t.split_with_sizes_copy(x, (1, 2), 1)[1]
    t.squeeze_copy(y)
    t.squeeze_copy(y, 0)
    t.squeeze_copy(y, (0, 2))
    t.t_copy(x)
    t.t_copy(y)
    t.transpose_copy(x, 0, -1)
    t.unbind_copy(x, 1)[2]
    t.unfold_copy(x, 1, 2, 1)
    t.unfold_copy(x, 1, 5, 1)
    t.unsafe_chunk(x, 3, 1)[0]
    x.unsafe_split(3, 1)[1]
    t.unsafe_split_with_sizes(x, (1, 2))[1]
    t.unsqueeze_copy(x, -1)
    t.view_copy(x, (2, -1))
    t.view_copy(x.t(), (6, 2))
    t.view_copy(x, (5, 2))
    """.strip().splitlines(),
)
def test_as_in_pytorch(torch, expression):
    agree(torch, expression.strip(), MATRIX, ONES)


def test_gradients_of_parts_counted_from_the_end(device):
    # PyTorch gives zeros.
    x = gc.tensor(MATRIX, requires_grad=True)
    assert gc.autograd.grad(gc.narrow_copy(x, 0, -1, 1).sum(), x)[0].sum(1).tolist() == [0.0, 0.0, 4.0]


def test_copies_share_no_memory(device):
    x = gc.ones(2, 3)
    for copied in (gc.permute_copy(x, (1, 0)), *gc.unbind_copy(x), gc.expand_copy(x, (2, 3)), *gc.unsafe_split(x, 1)):
        copied.zero_()
    assert x.tolist() == [[1.0] * 3] * 2


def test_copies_of_batches_and_in_inference_mode(device):
    x = gc.tensor(np.arange(12.0).reshape(2, 3, 2))
    assert vmap(gc.t_copy)(x).tolist() == x.mT.tolist()
    assert vmap(lambda e: gc.narrow_copy(e, 0, 1, 2))(x).tolist() == x[:, 1:].tolist()
    with gc.inference_mode():
        assert gc.permute_copy(x, (2, 1, 0)).tolist() == x.permute(2, 1, 0).tolist()
