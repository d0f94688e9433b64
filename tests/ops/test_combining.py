"""Blocks, combinations, sets of indices, strides, masked indices: beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.autograd import gradcheck

VECTOR = np.cos(np.arange(4.0))
MATRIX = np.cos(np.arange(6.0)).reshape(2, 3)
WHOLE = np.array([[0, 5], [3, 1]])


@pytest.mark.conformance
@pytest.mark.parametrize(
    "expression",
    """
    t.block_diag(y, x, x[0])
    t.block_diag(y)
    t.block_diag()
    t.block_diag(y, z)
    t.block_diag(y[None])
    t.block_diag(y[:0], x)
    t.combinations(x)
    t.combinations(x, 3)
    t.combinations(x, 2, True)
    t.combinations(x, 0)
    t.combinations(x, 5)
    t.combinations(x, -1)
    t.combinations(y)
    t.cartesian_prod(x, y[0])
    t.cartesian_prod(x)
    t.cartesian_prod(x, z[0])
    t.cartesian_prod(x, y)
    y.sum_to_size(2, 1)
    y.sum_to_size(3)
    y.sum_to_size((1, 3))
    y.sum_to_size(())
    (y * 1).sum_to_size(2, 3)
    y.sum_to_size(2)
    y.sum_to_size(1, 2, 3)
    t.tril_indices(3, 2)
    t.tril_indices(3, 4, -1, dtype=t.int32)
    t.triu_indices(2, 4, 1)
    t.triu_indices(0, 4)
    t.triu_indices(-1, 4)
    t.tril_indices(1, 4, dtype=t.float32)
    t.unravel_index(z, (2, 3))
    t.unravel_index(z, 6)
    t.unravel_index(z[0, 0], (2, 3))
    t.unravel_index(x, (2, 3))
    t.unravel_index(z, (-2, 3))
    t.fill(x, 2.0)
    t.fill(x, x[0])
    x.mul(1).fill_(2.0)
    t.roll(x, ())
    t.roll(x[0], 0, 0)
    y.mul(2).as_strided_((2, 2), (1, 3), 1)
    y.mul(2).as_strided_((2, 2), (1,))
    y.as_strided_scatter(x[:3], (2,), (1,))
    y.as_strided_scatter(x, (4,), (3,))
    t._unsafe_masked_index(y, z > 1, [z * 0 + 1, z - 3], -1.0)
    t._unsafe_masked_index_put_accumulate(y, z > 1, [z * 0 + 1, z - 3], x.reshape(2, 2))
    """.strip().splitlines(),
)
def test_as_in_pytorch(torch, expression):
    agree(torch, expression.strip(), VECTOR, MATRIX, WHOLE)


@pytest.mark.conformance
def test_values_written_by_strides_as_in_pytorch(torch):
    agree(torch, "y.as_strided_scatter(x[:2], (2,), (3,), 1)", VECTOR, MATRIX, order=0)
    agree(torch, "y.as_strided_scatter(x, (2, 2), (3, 2))", VECTOR, MATRIX, order=0)


def test_gradients_of_values_written_by_strides(device):
    # PyTorch gives the first operand a gradient where it was replaced, and none where it was kept.
    x, src = gc.tensor(MATRIX, requires_grad=True), gc.tensor(VECTOR[:2], requires_grad=True)
    assert gradcheck(lambda x, src: gc.as_strided_scatter(x, src, (2,), (3,), 1), (x, src))
    assert gc.autograd.grad(gc.as_strided_scatter(x, src, (2,), (3,), 1).sum(), x)[0].tolist() == [[1, 0, 1]] * 2


def test_strides_of_empty_tensors(device):
    made = gc.empty_strided((2, 3), (1, 2), dtype=gc.float64, requires_grad=True)
    assert (made.shape, made.dtype, made.requires_grad) == ((2, 3), gc.float64, True)
    assert gc.empty_permuted((2, 3, 4), (2, 0, 1)).shape == (2, 3, 4)
    assert gc.ones(1, dtype=gc.int64).new_empty_strided((0, 2), (5, 5)).dtype == gc.int64
    if device == "cpu":
        assert made.stride() == (1, 2)
        assert gc.empty_permuted((2, 3, 4), (2, 0, 1)).stride() == (3, 1, 6)
    for make, match in (
        (lambda: gc.empty_strided((2, 3), (1,)), "must match dimensionality"),
        (lambda: gc.empty_strided((2, -3), (1, 1)), "must not be negative"),
        (lambda: gc.empty_permuted((2, 3), (0,)), "does not match the length"),
        (lambda: gc.empty_permuted((2, 3), (0, 0)), "Duplicate dim"),
        (lambda: gc.empty_permuted((2, 3), (0, 2)), "out of range"),
    ):
        with pytest.raises(RuntimeError, match=match):
            make()


def test_offsets_of_views_count_from_the_base(device):
    base = gc.tensor(np.arange(12.0))
    assert base[4:].as_strided((2,), (2,), 5).tolist() == [5.0, 7.0]
    assert base.view(3, 4)[1:].as_strided((2,), (1,), 6).tolist() == [6.0, 7.0]
    with pytest.raises(NotImplementedError, match="starts after"):
        base[4:].as_strided((2,), (1,), 0)
