"""Outer, inner, Kronecker and cross products, tensordot, vecdot, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from programs import assert_raises
from referee import agree

import gradcore as gc
from gradcore.op import STANDARD
from gradcore.ops.products import vecdot


def numbers(*shape, seed=0, dtype=np.float64):
    made = np.random.default_rng(seed).standard_normal((2, *shape))
    return (made[0] + 1j * made[1] if np.dtype(dtype).kind == "c" else made[0]).astype(dtype)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_outer(dtype, torch):
    x, y = numbers(3, dtype=dtype), numbers(4, seed=1, dtype=dtype)
    agree(torch, "t.outer(x, y)", x, y)
    agree(torch, "x.ger(vec2=y)", x, y)
    agree(torch, "t.outer(x, y)", numbers(0), y)


def test_outer_promotes(torch):
    agree(torch, "t.outer(x, y)", numbers(3, dtype="float32"), numbers(2, seed=1))
    agree(torch, "t.outer(x, y)", np.arange(3), numbers(2, dtype="float32"))


@pytest.mark.parametrize(
    ("a", "b"),
    [((2, 4), (3, 4)), ((4,), (3, 4)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (5, 3, 4)), ((), (4,)), ((2,), ())],
)
def test_inner(a, b, torch):
    agree(torch, "t.inner(x, y)", numbers(*a), numbers(*b, seed=1))


TENSORDOT = [
    ((2, 4), (4, 3), 1),
    ((2, 4), (4, 3), 0),
    ((2, 4), (2, 4), 2),
    ((2, 4, 3), (3, 4, 5), ([1, 2], [1, 0])),
    ((2, 4, 3), (3, 4, 5), ([2, 1], [0, 1])),
    ((2, 1), (4, 3), ([1], [0])),
    ((2, 4), (1, 3), ([1], [0])),
    ((2, 3), (3,), 1),
    ((2, 3), (2, 3), ([-1], [-1])),
    ((2, 3), (2, 3), ([], [])),
    ((2, 0), (0, 3), 1),
    ((), (), 0),
]


@pytest.mark.parametrize(("a", "b", "dims"), TENSORDOT)
def test_tensordot(a, b, dims, torch):
    agree(torch, f"t.tensordot(x, y, dims={dims})", numbers(*a), numbers(*b, seed=1))
    agree(torch, f"t.tensordot(x, y, {dims})", numbers(*a, dtype="complex64"), numbers(*b, seed=1, dtype="complex64"))


def test_tensordot_sums_over_two_by_default(torch):
    agree(torch, "t.tensordot(x, y)", numbers(2, 3, 4), numbers(3, 4, 5, seed=1))


@pytest.mark.parametrize(
    ("a", "b"), [((2, 3), (2, 2)), ((3,), (2, 2)), ((2, 2), (3,)), ((), (2,)), ((2, 0), (2, 1)), ((), ())]
)
def test_kron(a, b, torch):
    agree(torch, "t.kron(x, y)", numbers(*a), numbers(*b, seed=1))


@pytest.mark.parametrize("dtype", ["float64", "complex128", "int64"])
def test_cross(dtype, torch):
    def make(*shape, seed=0):
        return (numbers(*shape, seed=seed) * 5).astype(dtype)

    agree(torch, "t.cross(x, y, dim=1)", make(2, 3), make(2, 3, seed=1))
    agree(torch, "t.cross(x, y, dim=-1)", make(1, 3), make(2, 3, seed=1))
    agree(torch, "x.cross(y, 0)", make(3, 4), make(3, 1, seed=1))
    agree(torch, "t.cross(x, y, dim=0)", make(3), make(3, seed=1))


def test_cross_finds_a_dimension_of_three():
    x, y = gc.ones(2, 3), gc.arange(6.0).reshape(2, 3)
    assert gc.cross(x, y).tolist() == gc.cross(x, y, dim=1).tolist() == [[1.0, -2.0, 1.0], [1.0, -2.0, 1.0]]
    assert gc.cross(x, y, axis=1).tolist() == gc.cross(x, y).tolist()


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("dim", [0, -1])
def test_vecdot(dim, dtype, torch):
    arrays = numbers(2, 3, dtype=dtype), numbers(2, 3, seed=1, dtype=dtype)
    x, y = (torch.tensor(a, requires_grad=True) for a in arrays)
    want = torch.linalg.vecdot(x, y, dim=dim)
    a, b = (gc.tensor(a, requires_grad=True) for a in arrays)
    got = vecdot(a, b, dim=dim)
    assert got.grad_fn.name() == want.grad_fn.name()
    np.testing.assert_allclose(got.numpy(force=True), want.detach().resolve_conj().numpy())
    want.abs().sum().backward()
    got.abs().sum().backward()
    np.testing.assert_allclose(a.grad.numpy(force=True), x.grad.resolve_conj().numpy())
    np.testing.assert_allclose(b.grad.numpy(force=True), y.grad.resolve_conj().numpy())


def test_standard_spellings():
    x, y = gc.tensor(numbers(2, 3)), gc.tensor(numbers(2, 3, seed=1))
    assert STANDARD["tensordot"](x, y, axes=2).item() == pytest.approx((x * y).sum().item())
    assert STANDARD["vecdot"](x, y, axis=0).tolist() == pytest.approx((x * y).sum(0).tolist())


ERRORS = [
    ("t.outer(t.ones(2, 2), t.ones(2))", RuntimeError, "outer: Expected 1-D argument", "but got 2-D"),
    ("t.inner(t.ones(2, 3), t.ones(2, 4))", RuntimeError, "last dimension must match", "[2, 3] and [2, 4]"),
    ("t.inner(t.ones(2, 3), t.ones(2, 3).double())", RuntimeError, "both inputs should have same dtype"),
    (
        "t.tensordot(t.ones(2, 3), t.ones(2, 3), 1)",
        RuntimeError,
        "contracted dimensions need to match, but first has size 3",
    ),
    ("t.tensordot(t.ones(2, 3), t.ones(2, 3), -1)", RuntimeError, "tensordot expects dims >= 0, but got dims=-1"),
    ("t.tensordot(t.ones(2, 3), t.ones(2, 3), 3)", RuntimeError, "tensordot expects dims <", "but got dims=3"),
    (
        "t.tensordot(t.ones(2, 3), t.ones(2, 3), ([0], [0, 1]))",
        RuntimeError,
        "both dimension lists should have same length",
    ),
    ("t.tensordot(t.ones(2, 3), t.ones(2, 3), ([5], [0]))", IndexError, "Dimension out of range"),
    ("t.tensordot(t.ones(2, 3), t.ones(3, 3).double(), 1)", RuntimeError, "both inputs should have same dtype"),
    (
        "t.tensordot(t.ones(2, 3), t.ones(3, 2), 1.5)",
        RuntimeError,
        "tensordot expects dims to be int or",
        "got dims=1.5",
    ),
    ("t.cross(t.ones(2, 3), t.ones(2, 3).double(), dim=1)", RuntimeError),
    ("t.cross(t.ones(2, 4), t.ones(2, 4))", RuntimeError, "no dimension of size 3 in input"),
    ("t.cross(t.ones(2, 4), t.ones(2, 4), dim=1)", RuntimeError, "inputs dimension 1 must have length 3. Got 4 and 4"),
    ("t.cross(t.ones(3), t.ones(2, 3), dim=0)", RuntimeError, "inputs must have the same number of dimensions"),
    (
        "t.cross(t.ones(2, 3), t.ones(4, 3), dim=1)",
        RuntimeError,
        "size of tensor a (2) must match the size of tensor b (4)",
    ),
]


@pytest.mark.filterwarnings("ignore:Using torch.cross without specifying the dim:UserWarning")
@pytest.mark.parametrize(
    ("program", "error", "phrases"), [(p, e, m) for p, e, *m in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_errors(program, error, phrases, t):
    assert_raises(program, t, error, *phrases)
