"""Parts, conjugates, angles and directions of complex numbers, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

inf, nan = np.inf, np.nan
COMPLEX = np.array([[1 + 2j, -0.5j, 0.7], [-1.2 + 0.3j, 0.4 - 1j, 2j - 1]])
EXPRESSIONS = [
    "x.real", "x.imag", "t.real(x) * t.imag(x)", "x.angle()", "x.abs()", "x.sgn()", "(x * x.conj()).real",
    "x.conj() * x", "t.conj(x).imag", "x.real ** 2 + x.imag ** 2", "(x * 1).sgn_()",
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("x", [COMPLEX, 1 - 2j, COMPLEX[:0], COMPLEX.astype(np.complex64)], ids=repr)
def test_agrees(expression, x, torch):
    agree(torch, expression, x)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_agrees_at_zero(expression, torch):
    agree(torch, expression, [0j, 1.0], order=1)


@pytest.mark.parametrize("expression", ["x.angle()", "x.sgn()", "x.real * 1", "x.conj() * 1"])
def test_agrees_for_real_numbers(expression, torch):
    agree(torch, expression, [[-inf, -1.5, -0.0], [0.0, 2.0, nan]], order=1)
    agree(torch, expression, np.array([1, -2]), order=0)


def test_sgn_of_truth_values(torch):
    agree(torch, "x.sgn()", [True, False])


def test_parts_of_real_numbers_are_the_tensor_itself(t):
    x = t.ones(2)
    assert x.real is x
    assert x.conj() is x
    assert t.real(x) is x
    with pytest.raises(RuntimeError, match="imag is not implemented for tensors with non-complex dtypes"):
        x.imag  # noqa: B018


def test_writing_to_a_part_writes_to_the_number(t):
    z = t.tensor([1 + 2j, 3 - 1j])
    z.real.mul_(2)
    z.imag[0] = 7
    assert z.tolist() == [2 + 7j, 6 - 1j]
    assert z.real._base is z


def of_both(torch, program):
    """What a program that sets ``loss`` from ``x`` and ``w`` gives for the gradients of two orders, with both."""
    found = []
    for t in (torch, gc):
        x = t.tensor([1 + 2j, 3 - 1j], dtype=t.complex128, requires_grad=True)
        w = t.tensor([2.0, 3.0], dtype=t.float64, requires_grad=True)
        names = {"t": t, "x": x, "w": w}
        exec(program, names)
        first = t.autograd.grad(names["loss"], [x, w], create_graph=True)
        second = t.autograd.grad(first[0].real.sum() + first[0].imag.sum() + first[1].sum(), [x, w])
        found.append([g.numpy(force=True) for g in (*first, *second)])
    return zip(*found, strict=True)


@pytest.mark.parametrize("part", ["real", "imag"])
def test_gradient_through_a_part_that_was_written_to(part, torch):
    program = f"z = x * x * w; z.{part}.mul_(w * w); loss = (z * z * t.tensor([1 - 1j, 2j])).real.sum()"
    for theirs, ours in of_both(torch, program):
        np.testing.assert_allclose(ours, theirs)


@pytest.mark.parametrize("part", ["real", "imag"])
def test_a_part_follows_a_write_to_the_number(part, torch):
    program = f"z = x * x; seen = z.{part}; z.mul_(w * w); loss = (seen * seen * t.tensor([1.0, 5.0])).sum()"
    for theirs, ours in of_both(torch, program):
        np.testing.assert_allclose(ours, theirs)
