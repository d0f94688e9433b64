"""Matrix products: which operation is chosen, values and gradients beside PyTorch's, memory layout, errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from programs import assert_raises
from referee import agree

import gradcore as gc
from gradcore.ops.matmul import linear, multi_dot


def numbers(*shape, seed=0, dtype=np.float64):
    made = np.random.default_rng(seed).standard_normal((2, *shape))
    return (made[0] + 1j * made[1] if np.dtype(dtype).kind == "c" else made[0]).astype(dtype)


def ones(*shape, dtype="float32"):
    return np.ones(shape, dtype)


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


SUMS = {
    "addmm": ((2, 3), (3, 4), [(2, 4), (4,), (1, 4), (2, 1), ()]),
    "addmv": ((2, 3), (3,), [(2,), (1,), ()]),
    "addr": ((2,), (4,), [(2, 4), (4,), (2, 1), ()]),
    "addbmm": ((3, 2, 3), (3, 3, 4), [(2, 4), (4,), ()]),
    "baddbmm": ((3, 2, 3), (3, 3, 4), [(3, 2, 4), (3, 1, 4), (2, 4), (4,), ()]),
}


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("factors", ["", ", beta=0.5, alpha=-2", ", beta=2", ", alpha=0", ", beta=0"])
def test_sums_with_a_product(name, factors, torch):
    a, b, summands = SUMS[name]
    for s in summands:
        agree(torch, f"t.{name}(x, y, z{factors})", numbers(*s), numbers(*a, seed=1), numbers(*b, seed=2))


@pytest.mark.parametrize("name", SUMS)
def test_sums_with_a_product_of_complex_numbers(name, torch):
    a, b, (s, *_) = SUMS[name]
    arrays = [numbers(*shape, seed=i, dtype="complex128") for i, shape in enumerate((s, a, b))]
    agree(torch, f"t.{name}(x, y, z, beta=1 - 2j, alpha=0.5 + 1j)", *arrays)


@pytest.mark.parametrize("name", SUMS)
def test_sums_with_a_product_in_place(name, torch):
    a, b, (s, *_) = SUMS[name]
    agree(torch, f"(x * 1).{name}_(y, z, beta=0.5, alpha=2)", numbers(*s), numbers(*a, seed=1), numbers(*b, seed=2))


def test_addr_promotes(torch):
    # PyTorch computes no gradient here: its own addmv refuses the mixed dtypes.
    agree(torch, "t.addr(x, y, z)", ones(2, 3, dtype="float64"), ones(2), ones(3), order=0)
    agree(torch, "t.addr(x, y, z)", ones(2, 3, dtype="int64"), ones(2, dtype="int64"), ones(3), order=0)


@pytest.mark.parametrize("name", SUMS)
def test_beta_zero_does_not_read_the_summand(name):
    a, b, (s, *_) = SUMS[name]
    x, y, z = gc.full(s, float("nan"), requires_grad=True), gc.ones(a), gc.ones(b)
    out = getattr(gc, name)(x, y, z, beta=0)
    assert gc.isfinite(out).all()
    out.sum().backward()
    assert (x.grad == 0).all()


@pytest.mark.parametrize("size", [(4,), (2, 4), (2, 3, 4), (2, 2, 3, 4), (0, 4), (2, 0, 4)])
@pytest.mark.parametrize("input_grad", [True, False])
def test_linear(size, input_grad, torch):
    x, w, b = numbers(*size), numbers(5, 4, seed=1), numbers(5, seed=2)
    agree(torch, "F.linear(x, y)", x, w, grad=(input_grad, True))
    agree(torch, "F.linear(x, y, z)", x, w, b, grad=(input_grad, True, True))


def test_linear_of_other_layouts_and_biases(torch):
    x, w = numbers(3, 2, 4), numbers(5, 4, seed=1)
    agree(torch, "F.linear(x.transpose(0, 1), y, z)", x, w, numbers(5, seed=2))
    agree(torch, "F.linear(x, y, z)", x, w, numbers(2, 5, seed=2))
    agree(torch, "F.linear(x[0], y, z)", x, w, numbers(seed=2))
    agree(torch, "F.linear(x[0], y[0])", x, w)


def test_gradients_of_linear_have_the_layout_of_the_leaf():
    weight, bias = gc.ones(5, 4, requires_grad=True), gc.ones(5, requires_grad=True)
    for x in (gc.ones(3, 4), gc.ones(2, 3, 4)):
        weight.grad = None
        linear(x, weight, bias).sum().backward()
        assert weight.grad.is_contiguous()
        assert weight.grad.stride() == weight.stride()
    for expression in (lambda x, w: x @ w, lambda x, w: w.t() @ x.t(), lambda x, w: w.t().mm(x.t())):
        x, w = gc.ones(3, 5, requires_grad=True), gc.ones(5, 4, requires_grad=True)
        expression(x, w).sum().backward()
        assert x.grad.stride() == x.stride()
        assert w.grad.stride() == w.stride()


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
    ("t.addmm(t.ones(5), t.ones(2, 3), t.ones(3, 4))", RuntimeError, "must match the existing size (5)", "dimension 1"),
    ("t.addmm(t.ones(2, 2, 4), t.ones(2, 3), t.ones(3, 4))", RuntimeError, "the number of sizes provided (2)"),
    ("t.addmm(t.ones(4), t.ones(2, 3, 3), t.ones(3, 4))", RuntimeError, "mat1 must be a matrix, got 3-D tensor"),
    ("t.addmm(t.ones(4).double(), t.ones(2, 3), t.ones(3, 4))", RuntimeError, "the same dtype"),
    ("t.addmv(t.ones(3), t.ones(2, 3), t.ones(3))", RuntimeError),
    ("t.addr(t.ones(3, 3), t.ones(2), t.ones(3))", RuntimeError, "must match the existing size (3)", "dimension 0"),
    ("t.addr(t.ones(2, 3), t.ones(2, 2), t.ones(3))", RuntimeError, "Expected 1-D argument vec1, but got 2-D"),
    (
        "t.addr(t.ones(2).long(), t.ones(2).long(), t.ones(2).long(), alpha=1.5)",
        RuntimeError,
        "argument alpha must not be",
    ),
    ("t.baddbmm(t.ones(3, 5), t.ones(2, 3, 4), t.ones(2, 4, 4))", RuntimeError, "must match the existing size (5)"),
    ("t.addbmm(t.ones(2, 3, 4), t.ones(2, 3, 4), t.ones(2, 4, 4))", RuntimeError, "the number of sizes provided (2)"),
    (
        "t.nn.functional.linear(t.ones(()), t.ones(2, 3))",
        RuntimeError,
        "both arguments to linear need to be at least 1D",
    ),
    ("t.nn.functional.linear(t.ones(2, 3), t.ones(2, 4))", RuntimeError, "shapes cannot be multiplied (2x3 and 4x2)"),
    ("t.nn.functional.linear(t.ones(2, 3), t.ones(2, 2, 3))", RuntimeError, "<= 2 dimensions"),
    ("t.chain_matmul(t.ones(2, 3), t.ones(2, 3))", RuntimeError, "cannot be multiplied"),
    ("t.matrix_power(t.ones(2, 3), 2)", RuntimeError, "must be batches of square matrices, but they are 2 by 3"),
    ("t.matrix_power(t.ones(3), 2)", RuntimeError, "must have at least 2 dimensions"),
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


def test_an_integer_product_refuses_fractions_instead_of_cutting_them():
    x = gc.ones(2, 2).long()
    with pytest.raises(RuntimeError, match="argument alpha must not be a floating point number"):
        gc.addmm(x, x, x, alpha=1.5)


def test_arrays_are_factors(device):
    x = gc.ones(2, 3, requires_grad=True)
    raw = gc.ones(3, 4)._data
    out = x @ raw
    assert out.device == device
    assert out.grad_fn.name() == "MmBackward0"
    assert gc.matmul(gc.ones(4, 2)._data, x).shape == (4, 3)
    with pytest.raises(TypeError, match=r"matmul\(\): argument 'other' .* must be Tensor, not list"):
        gc.matmul(x, [1.0])
