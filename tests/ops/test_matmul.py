"""Matrix products: which operation is chosen, values and gradients beside PyTorch's, memory layout, errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from programs import assert_raises
from referee import agree

import gradcore as gc


def numbers(*shape, seed=0, dtype=np.float64):
    made = np.random.default_rng(seed).standard_normal((2, *shape))
    return (made[0] + 1j * made[1] if np.dtype(dtype).kind == "c" else made[0]).astype(dtype)


SHAPES = [(3,), (3, 3), (2, 3, 3), (1, 3, 3), (4, 2, 3, 3), (1, 1, 3, 3), (2, 1, 3, 3), (0, 3, 3)]


@pytest.mark.parametrize(("a", "b"), list(itertools.product(SHAPES, SHAPES)))
def test_matmul_of_all_dimensions(a, b, torch):
    agree(torch, "x @ y", numbers(*a), numbers(*b, seed=1))


@pytest.mark.parametrize("grad", [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize(
    ("a", "b"), [((2, 3, 4), (4, 5)), ((5, 3), (2, 3, 4)), ((2, 3, 4), (4,)), ((3,), (2, 3, 4)), ((2, 3, 4), (1, 4, 2))]
)
def test_matmul_folds_batches_as_pytorch_does(a, b, grad, torch):
    agree(torch, "x @ y", numbers(*a), numbers(*b, seed=1), grad=grad)


@pytest.mark.parametrize(
    "expression", ["x.transpose(0, 1) @ y", "x.transpose(0, 1) @ y[0]", "y.mT @ x.mT", "y[:, 0] @ x.mT", "x.mT @ x"]
)
@pytest.mark.parametrize("grad", [(True, True), (True, False), (False, True)])
def test_matmul_of_transposed_batches(expression, grad, torch):
    agree(torch, expression, numbers(3, 3, 3), numbers(3, 3, seed=1), grad=grad)


@pytest.mark.parametrize(
    "expression",
    [
        "t.mm(x, y)",
        "t.mm(y.t(), x.t())",
        "t.mv(x, y[:, 0])",
        "t.dot(x[0], y[:, 0])",
        "t.vdot(x[0], y[:, 0])",
        "x.mm(mat2=y)",
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_products_of_two(expression, dtype, torch):
    agree(torch, expression, numbers(2, 3, dtype=dtype), numbers(3, 4, seed=1, dtype=dtype))


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_products_of_integers(dtype, torch):
    x = np.arange(6, dtype=dtype).reshape(2, 3)
    for expression in ("x @ x.t()", "x @ x[0]", "x[0] @ x[0]", "t.addmm(x[0, :2], x, x.t(), beta=2, alpha=3)"):
        agree(torch, expression, x)


def test_products_of_float16(torch, device):
    if device.startswith("strict"):
        pytest.skip("the standard, and so array-api-strict, has no float16")
    agree(torch, "x @ y", numbers(2, 3, dtype="float16"), numbers(3, 4, seed=1, dtype="float16"), order=1)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("b", [1, 0, 3])
def test_bmm(b, dtype, torch):
    agree(torch, "t.bmm(x, y)", numbers(b, 2, 3, dtype=dtype), numbers(b, 3, 4, seed=1, dtype=dtype))


def test_saves_what_pytorch_saves(t):
    x, w, b = t.ones(3, 4), t.ones(4, 2, requires_grad=True), t.ones(2, requires_grad=True)
    out = t.addmm(b, x, w)
    # Nothing needs the weight, so it may change before backward.
    with t.no_grad():
        w.add_(1)
    out.sum().backward()
    assert w.grad.tolist() == [[3.0, 3.0]] * 4
    x.requires_grad_()
    out = x.mm(w)
    with t.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_batched_results_are_no_views(t):
    x, y = t.ones(2, 3, 4, requires_grad=True), t.ones(4, 5, requires_grad=True)
    for out in (x @ y, x @ t.ones(2, 4, 5), y[:, 0] @ x.mT, t.ones(4) @ y):
        assert not out._is_view()
        # Nothing saved the result, so it may be written to.
        out.mul_(2)
        out.sum().backward()
    assert y.grad[1, 1].item() == 2 * 6 + 2


ERRORS = [
    ("t.mm(t.ones(2, 3), t.ones(2, 3))", RuntimeError, "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
    ("t.mm(t.ones(2), t.ones(2, 3))", RuntimeError, "must be a matrix"),
    ("t.mm(t.ones(2, 2), t.ones(2, 2, 2))", RuntimeError, "mat2 must be a matrix"),
    ("t.mm(t.ones(2, 2), 3)", TypeError, "argument 'mat2' (position 2) must be Tensor, not int"),
    ("t.mm(t.ones(2, 2), t.ones(2, 2).double())", RuntimeError, "the same dtype"),
    ("t.ones(()) @ t.ones(2)", RuntimeError, "both arguments to matmul need to be at least 1D, but they are 0D and 1D"),
    ("t.ones(2) @ 3", TypeError, "unsupported operand type(s) for @"),
    ("3 @ t.ones(2)", TypeError, "unsupported operand type(s) for @"),
    ("t.ones(2) @ t.ones(3)", RuntimeError, "inconsistent tensor size, expected tensor [2] and src [3]"),
    ("t.ones(2, 3) @ t.ones(2)", RuntimeError, "size mismatch, got", "mat (2x3), vec (2)"),
    ("t.ones(2) @ t.ones(3, 2)", RuntimeError, "mat1 and mat2 shapes cannot be multiplied (1x2 and 3x2)"),
    ("t.ones(2, 3) @ t.ones(2, 3)", RuntimeError, "mat1 and mat2 shapes cannot be multiplied"),
    ("t.ones(2, 3, 4) @ t.ones(3, 4)", RuntimeError, "mat1 and mat2 shapes cannot be multiplied"),
    ("t.ones(2, 3, 4) @ t.ones(2, 3, 4)", RuntimeError),
    ("t.ones(2, 3, 4) @ t.ones(3, 4, 5)", RuntimeError, "size of tensor a (2) must match the size of tensor b (3)"),
    ("t.ones(2, 3, 4) @ t.ones(3)", RuntimeError, "size mismatch"),
    ("t.ones(2, 2) @ t.ones(2, 2).double()", RuntimeError, "the same dtype"),
    ("t.mv(t.ones(2, 3), t.ones(2))", RuntimeError, "size mismatch", "mat (2x3), vec (2)"),
    ("t.mv(t.ones(3), t.ones(3))", RuntimeError, "vector + matrix @ vector expected"),
    ("t.dot(t.ones(2), t.ones(3))", RuntimeError, "to have the same number of elements, but got 2 and 3"),
    ("t.dot(t.ones(2, 2), t.ones(2))", RuntimeError, "1D tensors expected, but got 2D and 1D tensors"),
    ("t.dot(t.ones(2), t.ones(2).double())", RuntimeError, "same dtype"),
    (
        "t.bmm(t.ones(2, 3, 4), t.ones(3, 4, 5))",
        RuntimeError,
        "first two dimensions of batch2 tensor to be: [2, 4]",
        "[3, 4]",
    ),
    ("t.bmm(t.ones(2, 3, 4), t.ones(2, 3, 5))", RuntimeError, "first two dimensions of batch2 tensor to be: [2, 4]"),
    ("t.bmm(t.ones(2, 3), t.ones(2, 3))", RuntimeError, "batch1 must be a 3D tensor"),
    ("t.bmm(t.ones(2, 3, 4), t.ones(4, 5))", RuntimeError, "batch2 must be a 3D tensor"),
]


@pytest.mark.parametrize(
    ("program", "error", "phrases"), [(p, e, m) for p, e, *m in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_errors(program, error, phrases, t):
    assert_raises(program, t, error, *phrases)


@pytest.mark.parametrize(
    "name", ["mm(x, x)", "mv(x, x[0])", "dot(x[0], x[0])", "vdot(x[0], x[0])", "bmm(x[None], x[None])"]
)
def test_bool_is_refused(name):
    with pytest.raises((NotImplementedError, TypeError)):
        eval(f"t.{name}", {"t": gc, "x": gc.ones(2, 2).bool()})


def test_arrays_are_factors(device):
    x = gc.ones(2, 3, requires_grad=True)
    raw = gc.ones(3, 4)._data
    out = x @ raw
    assert out.device == device
    assert out.grad_fn.name() == "MmBackward0"
    assert gc.matmul(gc.ones(4, 2)._data, x).shape == (4, 3)
    with pytest.raises(TypeError, match=r"matmul\(\): argument 'other' .* must be Tensor, not list"):
        gc.matmul(x, [1.0])
