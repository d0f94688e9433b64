"""Equations, inverses and triangles beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from programs import assert_raises
from referee import agree

import gradcore as gc
from gradcore.func import grad, vmap


def numbers(*shape, seed=0, dtype=np.float64):
    made = np.random.default_rng(seed).standard_normal((2, *shape))
    return (made[0] + 1j * made[1] if np.dtype(dtype).kind == "c" else made[0]).astype(dtype)


def regular(*shape, seed=0, dtype=np.float64):
    return numbers(*shape, seed=seed, dtype=dtype) + 3 * np.eye(shape[-1], dtype=dtype)


SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


@pytest.mark.parametrize("dtype", [np.float64, np.complex128, np.float32])
@pytest.mark.parametrize(
    ("left", "right"),
    [((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3,)), ((2, 3, 3), (2, 3)), ((2, 1, 3, 3), (4, 3, 2))],
)
def test_solve(left, right, dtype, torch):
    agree(torch, "t.linalg.solve(x, y)", regular(*left, dtype=dtype), numbers(*right, seed=1, dtype=dtype))


def test_solve_from_the_right(torch):
    a = regular(2, 3, 3)
    agree(torch, "t.linalg.solve(x, y, left=False)", a, numbers(2, 4, 3))
    agree(torch, "t.linalg.solve(x, y, left=False)", regular(1, 1), numbers(1))
    agree(torch, "t.linalg.solve(x, y, left=False)", a[:, :1, :1], numbers(2, 1))


@pytest.mark.parametrize("shape", [(0, 0), (0, 2, 2), (2, 0, 0)])
def test_nothing_to_solve(shape, torch):
    a = np.zeros(shape)
    agree(torch, "t.linalg.solve(x, y)", a, np.zeros((*shape[:-1], 3)))
    agree(torch, "t.linalg.inv(x)", a)
    agree(torch, "t.linalg.solve_triangular(x, y, upper=True)", a, np.zeros((*shape[:-1], 3)))
    agree(torch, "t.linalg.det(x)", a)
    agree(torch, "tuple(t.linalg.slogdet(x))", a)
    agree(torch, "t.matrix_exp(x)", a)


def test_a_singular_matrix_has_its_info(torch):
    batch = np.stack([np.eye(2), SINGULAR, np.zeros((2, 2))])
    agree(torch, "tuple(t.linalg.inv_ex(x))[1]", batch)
    agree(torch, "tuple(t.linalg.solve_ex(x, y))[1]", batch, np.ones((3, 2, 1)))
    agree(torch, "tuple(t.linalg.solve_ex(x, y))[1]", batch, np.ones((4, 3, 2, 1)))
    agree(torch, "tuple(t.linalg.solve_ex(x, y))", SINGULAR, np.array([1.0, 1.0]), order=0)
    agree(torch, "t.linalg.inv_ex(x)[0][0]", batch)


def test_the_other_matrices_of_a_batch_are_solved_all_the_same():
    x = gc.tensor(np.stack([2 * np.eye(2), SINGULAR]))
    solution, info = gc.linalg.solve_ex(x, gc.ones(2, 1, dtype=gc.float64))
    np.testing.assert_allclose(solution[0].numpy(force=True), [[0.5], [0.5]])
    assert info.numpy(force=True).tolist() == [0, 2]
    assert not np.isfinite(solution[1].numpy(force=True)).any()


def test_inverses(torch):
    for dtype in (np.float64, np.complex64):
        agree(torch, "t.linalg.inv(x)", regular(2, 3, 3, dtype=dtype))
        agree(torch, "x.inverse()", regular(3, 3, dtype=dtype))
    agree(torch, "t.linalg.inv(x).stride() + t.linalg.inv(x.mT)[0].stride() and t.linalg.inv(x)", regular(2, 3, 3))


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("unitriangular", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_triangles(upper, unitriangular, left, torch):
    program = f"t.linalg.solve_triangular(x, y, upper={upper}, left={left}, unitriangular={unitriangular})"
    for dtype in (np.float64, np.complex128):
        agree(torch, program, regular(3, 3, dtype=dtype), numbers(2, 3, 3, dtype=dtype))
        agree(torch, program, regular(2, 1, 3, 3, dtype=dtype), numbers(5, 3, 3, dtype=dtype))
    program = f"tuple(t.triangular_solve(x, y, {upper}, {left}, {unitriangular}))"
    agree(torch, program, numbers(2, 3, 2), regular(3, 3))


def test_a_triangle_with_zeros_on_its_diagonal_gives_infinities(torch):
    zeros = np.array([[2.0, 1.0, 4.0], [1.0, 0.0, 3.0], [5.0, 1.0, 1.0]])
    for program in ("upper=True", "upper=False", "upper=True, left=False", "upper=True, unitriangular=True"):
        agree(torch, f"t.linalg.solve_triangular(x, y, {program})", zeros, numbers(3, 3), order=0)
        agree(torch, f"t.linalg.solve_triangular(x, y, {program})", np.stack([zeros] * 9), numbers(3, 3), order=0)


def test_only_one_triangle_is_read(device):
    a = np.triu(regular(3, 3))
    spoiled = gc.tensor(a + np.tril(np.full((3, 3), np.nan), -1))
    b = gc.tensor(numbers(3, 2))
    got = gc.linalg.solve_triangular(spoiled, b, upper=True)
    assert bool(gc.allclose(gc.tensor(a) @ got, b))


def test_transposed_operands(torch):
    agree(torch, "t.linalg.solve(x.mT, y.t())", regular(3, 3), numbers(2, 3))
    agree(torch, "t.linalg.solve_triangular(x.mT, y.t(), upper=True)", regular(3, 3), numbers(2, 3))
    agree(torch, "t.linalg.inv(x.mT)", regular(2, 3, 3))


def test_tensors_as_matrices(torch):
    agree(torch, "t.linalg.tensorinv(x)", regular(6, 6).reshape(2, 3, 6))
    agree(torch, "t.linalg.tensorinv(x, ind=1)", regular(6, 6).reshape(6, 3, 2))
    agree(torch, "t.linalg.tensorsolve(x, y)", regular(6, 6).reshape(2, 3, 6), numbers(2, 3))
    agree(torch, "t.linalg.tensorsolve(x, y, dims=(0,))", regular(6, 6).reshape(3, 6, 2), numbers(6))


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
def test_least_squares(driver, torch):
    for left, right in (
        ((4, 2), (4, 3)),
        ((2, 4), (2, 3)),
        ((3, 3), (3,)),
        ((2, 4, 2), (2, 4)),
        ((2, 3, 2), (2, 3, 1)),
    ):
        agree(torch, f"tuple(t.linalg.lstsq(x, y, driver='{driver}'))[:3]", numbers(*left), numbers(*right, seed=1))
    agree(torch, f"t.linalg.lstsq(x, y, driver='{driver}')[3]", numbers(4, 2), numbers(4, 1))


def test_least_squares_of_lower_rank(torch):
    low = numbers(5, 2) @ numbers(2, 3, seed=1)
    agree(torch, "tuple(t.linalg.lstsq(x, y, driver='gelsd'))[:3]", low, numbers(5, 2, seed=2), order=1)
    agree(torch, "tuple(t.linalg.lstsq(x, y, rcond=0.9, driver='gelsd'))[1:]", numbers(4, 3), numbers(4, 2), order=0)


def test_gradients_through_the_residuals(torch):
    agree(torch, "t.linalg.lstsq(x, y, driver='gels')[1]", numbers(5, 2), numbers(5, 3, seed=1))
    agree(torch, "t.linalg.lstsq(x, y, driver='gelsd').residuals", numbers(5, 2), numbers(5, 3, seed=1))


def test_gradients_of_a_batch_one_by_one():
    a, b = gc.tensor(regular(4, 3, 3)), gc.tensor(numbers(4, 3))

    def loss(a, b):
        return (gc.linalg.solve(a, b) ** 2).sum() + gc.linalg.inv(a).sum() + gc.linalg.det(a)

    got = vmap(grad(loss))(a, b)
    for i in range(4):
        assert bool(gc.allclose(got[i], grad(loss)(a[i], b[i])))


ERRORS = [
    ("t.linalg.solve(t.ones(2, 3), t.ones(2))", RuntimeError, "A must be batches of square matrices"),
    ("t.linalg.solve(t.ones(2), t.ones(2))", RuntimeError, "must have at least 2 dimensions"),
    ("t.linalg.solve(t.eye(2), t.ones(()))", RuntimeError, "must have at least 2 dimensions"),
    ("t.linalg.solve(t.eye(2), t.ones(3))", RuntimeError, "Incompatible shapes of A and B for the equation AX = B"),
    ("t.linalg.solve(t.eye(2), t.ones(2), left=False)", RuntimeError, "for the equation XA = B"),
    ("t.linalg.solve(t.eye(2), t.ones(2, dtype=t.float64))", RuntimeError, "to have the same dtype"),
    ("t.linalg.solve(t.eye(2).long(), t.ones(2).long())", RuntimeError, "Expected a floating point or complex tensor"),
    ("t.linalg.solve(t.eye(2).expand(3, 2, 2), t.ones(4, 2, 2))", RuntimeError, "must match"),
    ("t.linalg.solve(t.ones(2, 2), t.ones(2))", RuntimeError, "The solver failed because the input matrix is singular"),
    ("t.linalg.solve(t.zeros(3, 2, 2), t.ones(3, 2))", RuntimeError, "linalg.solve: (Batch element 0)"),
    (
        "t.linalg.inv(t.ones(2, 2))",
        RuntimeError,
        "The diagonal element 2 is zero, the inversion could not be completed",
    ),
    ("t.linalg.inv_ex(t.ones(2, 2), check_errors=True)", RuntimeError, "linalg.inv_ex: The diagonal element 2 is zero"),
    ("t.linalg.inv(t.ones(2, 3))", RuntimeError, "they are 2 by 3 matrices"),
    ("t.linalg.inv(t.ones(2, 2).long())", RuntimeError, "Expected a floating point or complex tensor"),
    (
        "t.linalg.solve_triangular(t.ones(2, 2), t.ones(3, 2), upper=True)",
        RuntimeError,
        "Incompatible shapes of A and B",
    ),
    ("t.linalg.solve_triangular(t.ones(2, 3), t.ones(3, 2), upper=True)", RuntimeError, "square matrices"),
    ("t.linalg.tensorinv(t.ones(2, 3), ind=1)", RuntimeError, "prod(self.shape[ind:]) == prod(self.shape[:ind])"),
    ("t.linalg.tensorinv(t.ones(2, 2), ind=0)", RuntimeError, "Expected a strictly positive integer for 'ind'"),
    ("t.linalg.tensorsolve(t.ones(2, 3), t.ones(3))", RuntimeError),
    ("t.linalg.tensorsolve(t.ones(6, 2, 3), t.ones(6), dims=(7,))", IndexError, "Dimension out of range"),
    ("t.linalg.lstsq(t.ones(4, 2), t.ones(3))", RuntimeError, "input.size(-2) should match other.size("),
    (
        "t.linalg.lstsq(t.ones(4, 2), t.ones(4), driver='x')",
        RuntimeError,
        "should be one of (gels, gelsy, gelsd, gelss)",
    ),
    ("t.linalg.lstsq(t.ones(4), t.ones(4))", RuntimeError, "input must have at least 2 dimensions"),
    ("t.linalg.lstsq(t.ones(4, 3), t.ones(4), driver='gels')", RuntimeError, "does not have full rank"),
    ("t.linalg.lstsq(t.ones(4, 2), t.ones(4).double())", RuntimeError, "to have the same dtype"),
]


@pytest.mark.parametrize(
    ("program", "error", "phrases"), [(p, e, m) for p, e, *m in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_errors(program, error, phrases, t):
    error = (
        t.linalg.LinAlgError
        if phrases and any(w in phrases[0] for w in ("zero", "singular", "Batch", "rank"))
        else error
    )
    assert_raises(program, t, error, *phrases)
