"""einsum beside PyTorch's and NumPy's: notation, values, gradients, nodes, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import assert_raises
from referee import agree

import gradcore as gc


def numbers(*shape, seed=0, dtype=np.float64):
    made = np.random.default_rng(seed).standard_normal((2, *shape))
    return (made[0] + 1j * made[1] if np.dtype(dtype).kind == "c" else made[0]).astype(dtype)


EQUATIONS = {
    # one operand: orders, sums, diagonals
    "ij->ji": [(2, 3)],
    "ij": [(2, 3)],
    "ba": [(2, 3)],
    "ij->": [(2, 3)],
    "ij->i": [(2, 3)],
    "ij->j": [(2, 3)],
    "ii": [(3, 3)],
    "ii->i": [(3, 3)],
    "iij->j": [(3, 3, 2)],
    "iji->ij": [(3, 2, 3)],
    "iii->i": [(2, 2, 2)],
    "iijj->ij": [(2, 2, 3, 3)],
    "->": [()],
    "...": [(2, 3)],
    "...->...": [(3, 2)],
    "i...->...": [(3, 2, 4)],
    "...i->...": [(3, 2)],
    "i...j->...": [(2, 3, 4)],
    "i...->i": [(2, 3)],
    "ij->i...": [(2, 3)],
    # two
    "i,i->": [(3,), (3,)],
    "i,i->i": [(3,), (3,)],
    "i,j->ij": [(2,), (3,)],
    "i,j->ji": [(2,), (3,)],
    ",": [(), ()],
    "i,->i": [(3,), ()],
    "ij,jk->ik": [(2, 3), (3, 4)],
    "ij,jk": [(2, 3), (3, 4)],
    "ij,jk->ki": [(2, 3), (3, 4)],
    "ik,jk->ij": [(2, 3), (4, 3)],
    "ki,jk->ji": [(3, 2), (4, 3)],
    " i j , j k -> i k ": [(2, 3), (3, 4)],
    "Ab,bC->AC": [(2, 3), (3, 4)],
    "bA,Ac": [(2, 3), (3, 4)],
    "ij,ij->": [(2, 3), (2, 3)],
    "ij,ij->ij": [(2, 3), (2, 3)],
    "ij,ji->": [(2, 3), (3, 2)],
    "ij,ij": [(2, 3), (1, 3)],
    "ij,kl->ijkl": [(2, 3), (4, 5)],
    "ij,kl->likj": [(2, 3), (4, 5)],
    "ij,k->k": [(2, 3), (4,)],
    "ij,jk->ik ": [(2, 1), (3, 4)],
    "ii,ij->j": [(3, 3), (3, 2)],
    "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)],
    "bij,bjk->kib": [(2, 3, 4), (2, 4, 5)],
    "bij,jk->bik": [(2, 3, 4), (4, 5)],
    "ijk,k->ji": [(2, 3, 4), (4,)],
    "bhid,bhjd->bhij": [(2, 3, 4, 5), (2, 3, 6, 5)],
    "...ij,...jk->...ik": [(2, 3, 4), (2, 4, 5)],
    "...ij,...jk": [(2, 3, 4), (5, 1, 4, 5)],
    "i...j,j...k->i...k": [(2, 3, 4), (4, 1, 5)],
    "ij,jk->ik  ": [(0, 3), (3, 2)],
    "ij,jk-> ik": [(2, 0), (0, 3)],
    # more
    "ij,jk,kl->il": [(2, 3), (3, 4), (4, 5)],
    "bn,anm,bm->ba": [(2, 5), (3, 5, 4), (2, 4)],
    "i,j,k->kji": [(2,), (3,), (4,)],
    "ij,ij,ij->i": [(2, 3), (2, 3), (2, 1)],
    "ij,j,i->": [(2, 3), (3,), (2,)],
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_equations(equation, torch):
    shapes = EQUATIONS[equation]
    names = ", ".join("xyzw"[: len(shapes)])
    agree(torch, f"t.einsum({equation!r}, {names})", *[numbers(*s, seed=i) for i, s in enumerate(shapes)])


def test_complex_and_integers(torch):
    agree(
        torch,
        "t.einsum('ij,jk->ik', x, y)",
        numbers(2, 3, dtype="complex128"),
        numbers(3, 2, seed=1, dtype="complex128"),
    )
    agree(torch, "t.einsum('ij,jk->ik', x, y)", np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2))
    agree(torch, "t.einsum('ij,ij->ij', x, y)", numbers(2, 3), numbers(2, 3, seed=1, dtype="float32"))


def test_lists_of_numbers(torch):
    x, y = numbers(2, 3), numbers(3, 4, seed=1)
    agree(torch, "t.einsum(x, [0, 1], y, [1, 2], [0, 2])", x, y)
    agree(torch, "t.einsum(x, [0, 1], y, [1, 2])", x, y)
    agree(torch, "t.einsum(x, [..., 1], y, [1, 2], [..., 2])", x, y)
    agree(torch, "t.einsum(x, [51, 1], [1, 51])", x)
    agree(torch, "t.einsum(x, [52, 1], [1, 52])", x)
    agree(torch, "t.einsum('ij,jk', [x, y])", x, y)


def test_a_matrix_product_is_one_product():
    x, y = gc.ones(2, 3, requires_grad=True), gc.ones(3, 4)
    for equation in ("ij,jk->ik", "ij,jk->ki"):
        out = gc.einsum(equation, x, y)
        view = out.grad_fn
        assert view.name() == "ViewBackward0"
        assert view.next_functions[0][0].name() == "MmBackward0"


@st.composite
def equations(draw):
    """An equation in NumPy's notation with the shapes of its operands: letters repeat, sizes broadcast."""
    sizes = {letter: draw(st.integers(1, 3), label=letter) for letter in "abcde"}
    terms, shapes = [], []
    for _ in range(draw(st.integers(1, 3))):
        letters = draw(st.lists(st.sampled_from("abcde"), max_size=4))
        terms.append("".join(letters))
        shapes.append(tuple(sizes[letter] for letter in letters))
    equation = ",".join(terms)
    if draw(st.booleans()):
        found = sorted(set(equation) - {","})
        equation += "->" + "".join(draw(st.permutations(found))[: draw(st.integers(0, len(found)))])
    return equation, shapes


@settings(max_examples=150)
@given(equations())
def test_any_equation_is_numpys(case):
    equation, shapes = case
    arrays = [numbers(*s, seed=i) for i, s in enumerate(shapes)]
    got = gc.einsum(equation, *[gc.tensor(a) for a in arrays])
    np.testing.assert_allclose(got.numpy(force=True), np.einsum(equation, *arrays), rtol=1e-9, atol=1e-9)


ERRORS = [
    (
        "t.einsum('ij,jk->ik', t.ones(2, 3), t.ones(4, 5))",
        RuntimeError,
        "subscript j has size 4 for operand 1",
        "size 3",
    ),
    ("t.einsum('ij->ijk', t.ones(2, 3))", RuntimeError, "output subscript k does not appear in the equation"),
    ("t.einsum('ij->ii', t.ones(2, 3))", RuntimeError, "output subscript i appears more than once in the output"),
    ("t.einsum('i', t.ones(2, 3))", RuntimeError, "(1) does not match the number of dimensions (2) for operand 0"),
    ("t.einsum('ijk', t.ones(2, 3))", RuntimeError, "(3) does not match the number of dimensions (2) for operand 0"),
    ("t.einsum('ijk...', t.ones(2, 3))", RuntimeError, "the number of dimensions (2) for operand 0"),
    ("t.einsum('ij,jk', t.ones(2, 3))", RuntimeError, "fewer operands were provided than specified"),
    ("t.einsum('ij', t.ones(2, 3), t.ones(2, 3))", RuntimeError, "more operands were provided than specified"),
    ("t.einsum('i1', t.ones(2, 3))", RuntimeError, "invalid subscript", "at index 1 in the equation string"),
    ("t.einsum('i->1', t.ones(2))", RuntimeError, "invalid subscript", "at index 3 in the equation string"),
    ("t.einsum('i->i->i', t.ones(2))", RuntimeError, "invalid subscript", "at index 4 in the equation string"),
    (
        "t.einsum('ii', t.ones(2, 3))",
        RuntimeError,
        "subscript i is repeated for operand 0 but the sizes don't match, 3 != 2",
    ),
    ("t.einsum('i..j->', t.ones(2, 3))", RuntimeError, "found '.' for operand 0 that is not part of any ellipsis"),
    ("t.einsum('......', t.ones(2))", RuntimeError, "found '.' for operand 0", "ellipsis", "was already found"),
    ("t.einsum('i->...i...', t.ones(2))", RuntimeError, "found '.' for output", "was already found"),
    ("t.einsum('ij->.i', t.ones(2, 3))", RuntimeError, "found '.' for output that is not part of any ellipsis"),
    ("t.einsum('i')", ValueError, "must specify the equation string and at least one operand"),
    ("t.einsum('i', 3)", TypeError),
    ("t.einsum('i,i', t.ones(2), t.ones(2).double())", RuntimeError),
]


@pytest.mark.parametrize(
    ("program", "error", "phrases"), [(p, e, m) for p, e, *m in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_errors(program, error, phrases, t):
    assert_raises(program, t, error, *phrases)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_sums_of_integers_before_a_product_keep_their_dtype(dtype, torch):
    a, b = np.arange(6, dtype=dtype).reshape(1, 2, 3), np.arange(3, dtype=dtype).reshape(1, 3)
    agree(torch, "t.einsum('ijk,ik->j', x, y)", a, b)
    agree(torch, "t.tensordot(x[0, :1], x[0], dims=[[0], [0]])", a)
    agree(torch, "F.bilinear(x, x, y[0, :, :, None].expand(2, 3, 3))", b, a)
