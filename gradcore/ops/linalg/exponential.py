"""The exponential of matrices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import conj, op, standard
from gradcore.ops._extra import extra, generic
from gradcore.ops._operands import as_tensor
from gradcore.ops._reducing import narrowed, widened
from gradcore.ops.linalg._checks import check_decomposable, check_square
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["linalg_matrix_exp", "matrix_exp"]

# N. J. Higham, The scaling and squaring method for the matrix exponential revisited, SIAM J. Matrix Anal. Appl. 26 (2005)
# 1179-1193: the largest 1-norm for which the diagonal Pade approximant of each degree is exact up to rounding (Table 2.3),
# in double and in single precision.
_REACH = {
    8: ((3, 1.495585217958292e-2), (5, 2.539398330063230e-1), (7, 9.504178996162932e-1), (9, 2.097847961257068),
        (13, 5.371920351148152)),
    4: ((3, 4.258730016922831e-1), (5, 1.880152677804762), (7, 3.925724783138660)),
}  # fmt: skip


def matrix_exp(input: Tensor) -> Tensor:
    """The exponentials of square matrices ``(*, n, n)``: the sum of all ``A**k / k!``.

    By the method of scaling and squaring with Pade approximants (Higham, SIAM J. Matrix Anal. Appl. 26, 2005). Its
    derivative is a block of the exponential of a matrix twice as large (Mathias, SIAM J. Matrix Anal. Appl. 17, 1996).

    Raises:
        RuntimeError: the matrices are not square, or not of floating-point or complex numbers.
    """
    A = as_tensor(input, "linalg.matrix_exp", "A")
    check_square("linalg.matrix_exp", A)
    check_decomposable("linalg.matrix_exp", A.dtype, low_precision=True)
    return exponential(A)  # type: ignore[no-any-return]


def linalg_matrix_exp(A: Tensor) -> Tensor:
    """:func:`gradcore.matrix_exp`, as :mod:`gradcore.linalg` has it."""
    return matrix_exp(A)


def _square_matrices(make: Make) -> Iterator[Sample]:
    yield Sample(make(3, 3))
    yield Sample(make(2, 2, 2, low=-6.0, high=6.0))
    yield Sample(make(2, 2, low=-0.01, high=0.01))
    yield Sample(make(1, 1))
    yield Sample(make(0, 2, 2))
    yield Sample(make(0, 0))


@op(node="LinalgMatrixExpBackward0", samples=_square_matrices)
def exponential(xp: Any, A: Any, /) -> Any:
    """The exponentials of matrices."""
    return narrowed(xp, extra(xp, "matrix_exp", widened(xp, A)), A)


standard("matrix_exp")(exponential)


@exponential.vjp("A")
def exponential_vjp(xp: Any, g: Any, A: Any) -> Any:
    return _change(xp, conj(xp, A).mT, g)


@exponential.jvp
def exponential_jvp(xp: Any, A: Any, A_t: Any) -> Any:
    return _change(xp, A, A_t)


@exponential.vmap
def exponential_vmap(A: Any) -> Any:
    return exponential(A)


def _change(xp: Any, A: Any, direction: Any) -> Any:
    """The derivative of the exponential of ``A`` in a direction: a block of the exponential of a block-triangular matrix."""
    n = A.shape[-1]
    a, direction = widened(xp, A), widened(xp, direction)
    top = xp.concat([a, direction], axis=-1)
    bottom = xp.concat([xp.zeros_like(direction), a], axis=-1)
    out = extra(xp, "matrix_exp", xp.concat([top, bottom], axis=-2))
    return narrowed(xp, out[..., :n, n:], A)


@generic("matrix_exp")
def _scaled_and_squared(xp: Any, A: Any) -> Any:
    if 0 in A.shape:
        return xp.astype(A, A.dtype, copy=True)
    norms = xp.max(xp.sum(xp.abs(A), axis=-2), axis=-1)
    largest = float(xp.max(norms))
    reaches = _REACH[4 if xp.np_dtype(norms.dtype).itemsize == 4 else 8]
    for degree, reach in reaches:
        if largest <= reach:
            return _approximated(xp, A, degree)
    degree, reach = reaches[-1]
    if not math.isfinite(largest):
        # A matrix with infinities is not scaled, so that others of the batch are.
        norms = xp.where(xp.isfinite(norms), norms, 0.0)
    steps = xp.ceil(xp.log2(xp.maximum(xp.divide(norms, reach), 1.0)))
    factors = xp.reshape(xp.pow(2.0, xp.negative(steps)), (*steps.shape, 1, 1))
    out = _approximated(xp, xp.multiply(A, xp.astype(factors, A.dtype)), degree)
    steps = xp.reshape(steps, (*steps.shape, 1, 1))
    for k in range(int(xp.max(steps))):
        out = xp.where(xp.less(k, steps), xp.matmul(out, out), out)
    return out


def _approximated(xp: Any, A: Any, degree: int) -> Any:
    """The diagonal Pade approximant of the exponential, of an odd degree: ``inv(q(A)) @ q(-A)``."""
    b = _coefficients(degree)
    identity = xp.eye(A.shape[-1], dtype=A.dtype)
    square = xp.matmul(A, A)
    powers = [identity, square]
    while len(powers) <= min(degree // 2, 4) and (degree < 13 or len(powers) < 4):
        powers.append(xp.matmul(powers[-1], square))
    if degree < 13:
        odd, even = _combined(xp, powers, b[1::2]), _combined(xp, powers, b[::2])
    else:
        # In powers up to the sixth, by Horner's rule.
        sixth = powers[3]
        odd = xp.add(xp.matmul(sixth, _combined(xp, powers[1:], b[9::2])), _combined(xp, powers, b[1:9:2]))
        even = xp.add(xp.matmul(sixth, _combined(xp, powers[1:], b[8::2])), _combined(xp, powers, b[:8:2]))
    odd = xp.matmul(A, odd)
    return xp.linalg.solve(xp.subtract(even, odd), xp.add(even, odd))


def _combined(xp: Any, powers: list[Any], factors: list[float]) -> Any:
    total = xp.multiply(powers[0], factors[0])
    for power, factor in zip(powers[1:], factors[1:], strict=False):
        total = xp.add(total, xp.multiply(power, factor))
    return total


def _coefficients(degree: int) -> list[float]:
    """Of the polynomial in the denominator: ``(2m - k)! m! / ((2m)! k! (m - k)!)``, with ``k`` from 0."""
    m = degree
    whole = math.factorial(2 * m) // math.factorial(m)
    return [math.factorial(2 * m - k) / (whole * math.factorial(k) * math.factorial(m - k)) for k in range(m + 1)]
