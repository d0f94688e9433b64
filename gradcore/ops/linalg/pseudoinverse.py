"""The pseudoinverse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import is_tensor, op, standard
from gradcore.ops._batching import aligned
from gradcore.ops._operands import as_tensor, refuse_gradients
from gradcore.ops.linalg._decompositions import adjoint, real_dtype, scaled_columns, scaled_rows
from gradcore.ops.linalg._samples import as_hermitian, distinct_singular_values, positive_definite
from gradcore.ops.linalg.eigen import eigh
from gradcore.ops.linalg.svd import decomposed
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["linalg_pinv", "pinverse"]


def _matrices(make: Make) -> Iterator[Sample]:
    for shape in ((3, 3), (3, 2), (2, 3), (2, 2, 2), (0, 2), (2, 0)):
        yield Sample(distinct_singular_values(make, *shape), None, None)
    tolerance = make.of(0.01)
    yield Sample(distinct_singular_values(make, 2, 3), tolerance, None)
    yield Sample(distinct_singular_values(make, 2, 2, 3), tolerance, make.of([0.01, 0.02]))
    yield Sample(distinct_singular_values(make, 2, 3, dtype=dtypes.complex128), None, tolerance)
    matrix = positive_definite(make, 2, 2, dtype=dtypes.complex128)
    yield Sample(matrix, None, None, hermitian=True).checked(before=as_hermitian)


@op(node="LinalgPinvBackward0", samples=_matrices)
def pseudoinverse(xp: Any, input: Any, atol: Any = None, rtol: Any = None, /, hermitian: bool = False) -> Any:
    """The pseudoinverses of matrices, with tolerances for each."""
    m, n = input.shape[-2:]
    if m == 0 or n == 0:
        return xp.zeros((*input.shape[:-2], n, m), dtype=xp.np_dtype(input.dtype))
    if hermitian:
        values, vectors = eigh.op.forward(xp, input)
        size = xp.abs(values)
        largest = xp.max(size, axis=-1, keepdims=True)
        return xp.matmul(
            scaled_columns(xp, vectors, _inverted(xp, values, size, largest, atol, rtol, n)), adjoint(xp, vectors)
        )
    u, s, vh = decomposed.op.forward(xp, input)
    inverted = _inverted(xp, s, s, s[..., :1], atol, rtol, max(m, n))
    if m < n:
        return xp.matmul(adjoint(xp, vh), scaled_rows(xp, inverted, adjoint(xp, u)))
    return xp.matmul(scaled_columns(xp, adjoint(xp, vh), inverted), adjoint(xp, u))


@pseudoinverse.vjp("input")
def pseudoinverse_vjp(xp: Any, g: Any, input: Any, out: Any) -> Any:
    # G. H. Golub, V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
    # separate, SIAM J. Numer. Anal. 10 (1973) 413-432, equation 4.12, for a matrix whose rank stays.
    adjoint_out, adjoint_g = adjoint(xp, out), adjoint(xp, g)
    first = xp.negative(xp.matmul(adjoint_out, xp.matmul(g, adjoint_out)))
    left = xp.matmul(xp.matmul(adjoint_g, out), adjoint_out)
    left = xp.subtract(left, xp.matmul(input, xp.matmul(out, left)))
    right = xp.matmul(adjoint_out, xp.matmul(out, adjoint_g))
    right = xp.subtract(right, xp.matmul(xp.matmul(right, out), input))
    return xp.add(first, xp.add(left, right))


@pseudoinverse.jvp
def pseudoinverse_jvp(xp: Any, input: Any, input_t: Any, out: Any) -> Any:
    adjoint_out, adjoint_t = adjoint(xp, out), adjoint(xp, input_t)
    first = xp.negative(xp.matmul(out, xp.matmul(input_t, out)))
    left = xp.matmul(xp.matmul(out, adjoint_out), adjoint_t)
    left = xp.subtract(left, xp.matmul(xp.matmul(left, input), out))
    right = xp.matmul(xp.matmul(adjoint_t, adjoint_out), out)
    right = xp.subtract(right, xp.matmul(out, xp.matmul(input, right)))
    return xp.add(first, xp.add(left, right))


@pseudoinverse.vmap
def pseudoinverse_vmap(input: Any, atol: Any, rtol: Any, hermitian: bool, batched: tuple[bool, bool, bool]) -> Any:
    batch = max(
        x.ndim - flag - 2 * (x is input) for x, flag in zip((input, atol, rtol), batched, strict=True) if is_tensor(x)
    )
    input = aligned(input, batch + 2) if batched[0] else input
    atol, rtol = (aligned(x, batch) if flag else x for x, flag in zip((atol, rtol), batched[1:], strict=True))
    return pseudoinverse(input, atol, rtol, hermitian)


def linalg_pinv(
    A: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
) -> Tensor:
    """The pseudoinverses (of Moore and Penrose) of matrices.

    Singular values up to ``max(atol, rtol * largest)`` count as zero. The gradient is that of matrices whose rank does not
    change nearby.

    Args:
        A: matrices ``(*, m, n)`` of floating-point or complex numbers.
        rcond: another name of ``rtol``.
        hermitian: the matrices are Hermitian, of which the lower triangle is read.
        atol: an absolute tolerance, a number or a tensor of one for each matrix; 0 when not given.
        rtol: a relative one; when not given, ``max(m, n)`` times the spacing of numbers at 1, or 0 if ``atol`` is positive.

    Raises:
        LinAlgError: a matrix is not finite.
        RuntimeError: the matrices are of integers, or a tolerance is complex or requires grad.
    """
    x = as_tensor(A, "linalg_pinv", "A")
    if x.ndim < 2 or x.dtype not in (dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128):
        raise RuntimeError(
            f"linalg.pinv({dtypes.scalar_type_name(x.dtype)}{{{list(x.shape)}}}): expected a tensor with 2 or more dimensions "
            "of float, double, cfloat or cdouble types"
        )
    rtol = rcond if rtol is None else rtol
    refuse_gradients("linalg_pinv", atol=atol, rtol=rtol)
    return pseudoinverse(x, _tolerance("atol", atol, x), _tolerance("rtol", rtol, x), hermitian)  # type: ignore[no-any-return]


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The pseudoinverses of matrices; the older form of :func:`linalg_pinv`.

    Raises:
        As :func:`linalg_pinv`.
    """
    return linalg_pinv(input, rcond)


@standard("linalg.pinv")
def _standard_pinv(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    return linalg_pinv(x, rtol=rtol)


def _tolerance(name: str, value: Any, x: Tensor) -> Any:
    """A tolerance as a tensor of real numbers, without history."""
    if value is None:
        return None
    if is_tensor(value):
        if value.dtype.kind == "c":
            raise RuntimeError(
                f"linalg.pinv: {name} tensor of complex type is not supported. Got "
                f"{dtypes.scalar_type_name(value.dtype)}"
            )
        return value.detach()
    return x._like(x._device.xp.asarray(float(value), dtype=np.dtype(np.float64)))


def _inverted(xp: Any, values: Any, size: Any, largest: Any, atol: Any, rtol: Any, n: int) -> Any:
    """The reciprocals of the values whose ``size`` is over the tolerance, zeros for the others."""
    dtype = real_dtype(xp, values)
    atol, rtol = (None if t is None else xp.expand_dims(xp.astype(t, dtype), axis=-1) for t in (atol, rtol))
    if rtol is None:
        rtol = float(np.finfo(dtype).eps) * n
        if atol is not None:
            rtol = xp.where(xp.greater(atol, 0.0), xp.zeros_like(atol), rtol)
    tolerance = xp.multiply(largest, rtol)
    if atol is not None:
        tolerance = xp.maximum(tolerance, atol)
    counts = xp.greater(size, tolerance)
    return xp.where(counts, xp.reciprocal(xp.where(counts, values, 1.0)), 0.0)
