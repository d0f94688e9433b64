"""Products of many matrices beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from programs import assert_raises
from referee import agree

import gradcore as gc
from gradcore.ops.matrix_chain import multi_dot


def numbers(*shape, seed=0, dtype=np.float64):
    made = np.random.default_rng(seed).standard_normal((2, *shape))
    return (made[0] + 1j * made[1] if np.dtype(dtype).kind == "c" else made[0]).astype(dtype)


def test_chains(torch):
    a, b, c = numbers(2, 3), numbers(3, 4, seed=1), numbers(4, 2, seed=2)
    agree(torch, "t.chain_matmul(x, y, z)", a, b, c)
    agree(torch, "t.chain_matmul(x)", a)
    agree(torch, "t.chain_matmul(x, y)", a, b)
    agree(torch, "t.chain_matmul(x, y, z, w)", a, b, c, numbers(2, 6, seed=3))
    agree(torch, "t.chain_matmul(x, y)", a, c)
    agree(torch, "t.chain_matmul(x, y[0])", a, b)


@pytest.mark.parametrize("ends", [((3,), (4,)), ((2, 3), (4,)), ((3,), (4, 2)), ((2, 3), (4, 2))])
def test_multi_dot(ends, torch):
    arrays = [numbers(*ends[0]), numbers(3, 4, seed=1), numbers(*ends[1], seed=2)]
    want = torch.linalg.multi_dot([torch.tensor(a, requires_grad=True) for a in arrays])
    got = multi_dot([gc.tensor(a, requires_grad=True) for a in arrays])
    assert got.grad_fn.name() == want.grad_fn.name()
    np.testing.assert_allclose(got.numpy(force=True), want.detach().numpy())


def test_multi_dot_takes_the_cheapest_order():
    # Left to right would make a 100x100 matrix first.
    a, b, c = gc.ones(100, 1, requires_grad=True), gc.ones(1, 100), gc.ones(100, 1)
    out = multi_dot([a, b, c])
    product = out.grad_fn.next_functions[0][0]
    assert product._saved_mat2.shape == (1, 1)


@pytest.mark.parametrize("n", range(9))
def test_matrix_power(n, torch):
    agree(torch, f"t.matrix_power(x * 1, {n})", numbers(3, 3))
    agree(torch, f"x.matrix_power({n})", numbers(2, 2, 2), order=1)


ERRORS = [
    ("t.chain_matmul(t.ones(2, 3), t.ones(2, 3))", RuntimeError, "cannot be multiplied"),
    ("t.matrix_power(t.ones(2, 3), 2)", RuntimeError, "must be batches of square matrices, but they are 2 by 3"),
    ("t.matrix_power(t.ones(3), 2)", RuntimeError, "must have at least 2 dimensions"),
]


@pytest.mark.parametrize(
    ("program", "error", "phrases"), [(p, e, m) for p, e, *m in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_errors(program, error, phrases, t):
    assert_raises(program, t, error, *phrases)
