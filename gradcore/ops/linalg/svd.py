"""Singular values and vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.op import op, standard
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._checks import check_decomposable, check_matrices
from gradcore.ops.linalg._decompositions import (
    adjoint,
    check_gauge,
    diagonal,
    differentiated,
    embedded,
    in_dtype_of,
    real_dtype,
    refuse_half,
    refuse_infinite,
    scaled_columns,
    scaled_rows,
    without_diagonal,
)
from gradcore.ops.linalg._elimination import library_failed
from gradcore.ops.linalg._samples import distinct_singular_values, unchecked
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["svd"]


def _matrices(make: Make) -> Iterator[Sample]:
    for shape in ((3, 3), (4, 2), (2, 3), (2, 2, 2), (0, 2), (2, 0), (0, 2, 2)):
        yield Sample(distinct_singular_values(make, *shape)).checked(after=_up_to_phases)
    for shape in ((2, 2), (3, 2), (2, 3)):
        yield Sample(distinct_singular_values(make, *shape, dtype=dtypes.complex128)).checked(after=_up_to_phases)


def _also_full(make: Make) -> Iterator[Sample]:
    yield from _matrices(make)
    yield Sample(distinct_singular_values(make, 2, 2), full_matrices=True).checked(after=_up_to_phases)


def _up_to_phases(u: Any, s: Any, vh: Any) -> tuple[Any, ...]:
    """What singular vectors have whatever their common phases."""
    k = s.shape[-1]
    return u.abs(), s, vh.abs(), u[..., :k] @ vh[..., :k, :]


@op(node="LinalgSvdBackward0", outputs=("U", "S", "Vh"), takes_undefined=True, samples=_also_full)
def decomposed(xp: Any, input: Any, /, full_matrices: bool = False) -> Any:
    """The singular value decomposition of matrices."""
    _check(xp, input)
    *batch, m, n = input.shape
    k = min(m, n)
    if k == 0:
        rows, cols = (m, n) if full_matrices else (0, 0)
        dtype = xp.np_dtype(input.dtype)
        s = xp.zeros((*batch, 0), dtype=real_dtype(xp, input))
        return _identities(xp, batch, m, rows, dtype), s, _identities(xp, batch, cols, n, dtype)
    u, s, vh = _found(xp, lambda: xp.linalg.svd(input, full_matrices=full_matrices), input)
    refuse_infinite(xp, "linalg.svd", input, s)
    return u, s, vh


@decomposed.vjp("input")
def decomposed_vjp(xp: Any, g: Any, U: Any, S: Any, Vh: Any, full_matrices: bool) -> Any:
    g_u, g_s, g_vh = g
    k = S.shape[-1]
    if full_matrices:
        # Nothing determines the vectors beyond the first k.
        U, Vh = U[..., :k], Vh[..., :k, :]
        g_u = None if g_u is None else g_u[..., :k]
        g_vh = None if g_vh is None else g_vh[..., :k, :]
    m, n = U.shape[-2], Vh.shape[-1]
    if g_u is None and g_vh is None:
        return None if g_s is None else _of_values(xp, U, g_s, Vh)
    left = None if g_u is None else _skew(xp, xp.matmul(adjoint(xp, U), g_u))
    right = None if g_vh is None else _skew(xp, xp.matmul(Vh, adjoint(xp, g_vh)))
    is_complex = kind_of(xp, U) == "c"
    if is_complex:
        _check_phases(xp, left, right)
    inner: Any = None
    if left is not None:
        inner = scaled_columns(xp, left, S)
    if right is not None:
        term = scaled_rows(xp, S, right)
        inner = term if inner is None else xp.add(inner, term)
    inner = xp.divide(inner, _gaps(xp, S, inner.dtype))
    if g_s is not None:
        inner = xp.add(inner, in_dtype_of(xp, embedded(xp, g_s), inner))
    if is_complex and left is not None and right is not None:
        inner = xp.add(inner, embedded(xp, xp.divide(diagonal(xp, left), in_dtype_of(xp, xp.multiply(S, 2.0), left))))
    if m > n and g_u is not None:
        outside = _projected_out(xp, scaled_columns(xp, g_u, xp.reciprocal(S)), U)
        return xp.matmul(xp.add(xp.matmul(U, inner), outside), Vh)
    if m < n and g_vh is not None:
        outside = adjoint(xp, scaled_rows(xp, xp.reciprocal(S), g_vh))
        outside = adjoint(xp, _projected_out(xp, outside, adjoint(xp, Vh)))
        return xp.matmul(U, xp.add(xp.matmul(inner, Vh), outside))
    return xp.matmul(U, xp.matmul(inner, Vh)) if m >= n else xp.matmul(xp.matmul(U, inner), Vh)


@decomposed.jvp
def decomposed_jvp(xp: Any, input_t: Any, U: Any, S: Any, Vh: Any, full_matrices: bool) -> Any:
    k = S.shape[-1]
    more = (0, 0)
    if full_matrices:
        more = (U.shape[-1] - k, Vh.shape[-2] - k)
        U, Vh = U[..., :k], Vh[..., :k, :]
    m, n = U.shape[-2], Vh.shape[-1]
    is_complex = kind_of(xp, U) == "c"
    v = adjoint(xp, Vh)
    inner = (
        xp.matmul(adjoint(xp, U), xp.matmul(input_t, v)) if m < n else xp.matmul(xp.matmul(adjoint(xp, U), input_t), v)
    )
    s_t = diagonal(xp, inner)
    s_t = xp.real(s_t) if is_complex else s_t
    inner = xp.subtract(inner, in_dtype_of(xp, embedded(xp, s_t), inner))
    gaps = _gaps(xp, S, inner.dtype)
    left = xp.divide(_symmetric(xp, scaled_columns(xp, inner, S)), gaps)
    right = xp.negative(xp.divide(_symmetric(xp, scaled_rows(xp, S, inner)), gaps))
    if is_complex:
        phases = embedded(xp, xp.divide(diagonal(xp, inner), in_dtype_of(xp, xp.multiply(S, 2.0), inner)))
        left, right = xp.add(left, phases), xp.add(right, phases)
    u_t, vh_t = xp.matmul(U, left), xp.matmul(right, Vh)
    if m > n:
        u_t = xp.add(u_t, _projected_out(xp, xp.matmul(input_t, scaled_columns(xp, v, xp.reciprocal(S))), U))
    if m < n:
        outside = xp.matmul(adjoint(xp, input_t), scaled_columns(xp, U, xp.reciprocal(S)))
        vh_t = xp.add(vh_t, adjoint(xp, _projected_out(xp, outside, v)))
    if more[0]:
        u_t = xp.concat([u_t, xp.zeros((*u_t.shape[:-1], more[0]), dtype=u_t.dtype)], axis=-1)
    if more[1]:
        vh_t = xp.concat([vh_t, xp.zeros((*vh_t.shape[:-2], more[1], n), dtype=vh_t.dtype)], axis=-2)
    return u_t, s_t, vh_t


@decomposed.vmap
def decomposed_vmap(input: Any, full_matrices: bool) -> Any:
    return decomposed(input, full_matrices)


@op(node="LinalgSvdvalsBackward0", differentiable=False, samples=unchecked(_matrices))
def singular_values(xp: Any, input: Any, /) -> Any:
    """The singular values of matrices alone, which is less work."""
    _check(xp, input)
    *batch, m, n = input.shape
    if min(m, n) == 0:
        return xp.zeros((*batch, 0), dtype=real_dtype(xp, input))
    values = _found(xp, lambda: xp.linalg.svdvals(input), input)
    refuse_infinite(xp, "linalg.svd", input, values)
    return values


@singular_values.vmap
def singular_values_vmap(input: Any) -> Any:
    return singular_values(input)


def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> return_types.linalg_svd:
    """The singular value decomposition of matrices, ``(U, S, Vh)``: ``A = U[..., :k] @ diag(S) @ Vh[..., :k, :]``.

    ``k`` is the smaller size of a matrix. The singular values ``S`` are real and in descending order; ``U`` has orthonormal
    columns, ``Vh`` orthonormal rows. Their signs, common phases where complex, are arbitrary, and a gradient that depends on
    them has no meaning; nor has one of vectors with equal singular values, or of those that ``full_matrices`` adds (J.
    Townsend, Differentiating the singular value decomposition, 2016; Z.-Q. Wan, S.-X. Zhang, Automatic differentiation for
    complex valued SVD, arXiv:1909.02659, 2019).

    Args:
        A: matrices ``(*, m, n)`` of floating-point or complex numbers.
        full_matrices: complete ``U`` and ``Vh`` to square matrices.
        driver: the method, which only PyTorch's CUDA devices let one choose.

    Raises:
        LinAlgError: a matrix is not finite, or the method did not converge.
        RuntimeError: the matrices are of integers; in backward: a complex loss depends on the phases.
    """
    _refuse_driver("linalg.svd", driver)
    return return_types.linalg_svd(*decomposed(as_tensor(A, "linalg_svd", "A"), full_matrices))


def linalg_svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of matrices in descending order; see :func:`linalg_svd`. Their gradient is always defined.

    Raises:
        As :func:`linalg_svd`.
    """
    _refuse_driver("linalg.svdvals", driver)
    x = as_tensor(A, "linalg_svdvals", "A")
    return decomposed(x, False)[1] if differentiated(x) else singular_values(x)  # type: ignore[no-any-return]


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> return_types.svd:
    """The singular value decomposition ``(U, S, V)``, with ``V`` for ``Vh``; the older form of :func:`linalg_svd`.

    Args:
        input: matrices ``(*, m, n)``.
        some: leave out what would complete ``U`` and ``V`` to square matrices.
        compute_uv: ``False`` for zeros in the place of ``U`` and ``V``.

    Raises:
        As :func:`linalg_svd`.
    """
    x = as_tensor(input, "svd")
    check_matrices("linalg.svd", x, "input")
    if compute_uv:
        u, s, vh = decomposed(x, not some)
        return return_types.svd(u, s, vh.mH)
    *batch, m, n = x.shape
    return return_types.svd(x._zeros((*batch, m, m)), linalg_svdvals(x), x._zeros((*batch, n, n)))


# As the Array API spells them.


@standard("linalg.svd")
def _standard_svd(x: Tensor, /, *, full_matrices: bool = True) -> return_types.linalg_svd:
    return linalg_svd(x, full_matrices)


@standard("linalg.svdvals")
def _standard_svdvals(x: Tensor, /) -> Tensor:
    return linalg_svdvals(x)


def _check(xp: Any, x: Any) -> None:
    check_matrices("linalg.svd", x)
    check_decomposable("linalg.svd", xp.np_dtype(x.dtype), low_precision=True)
    refuse_half(xp, "linalg_svd_cpu", x)


def _found(xp: Any, function: Any, x: Any) -> Any:
    try:
        return function()
    except Exception as e:
        if not library_failed(e):
            raise
    return refuse_infinite(xp, "linalg.svd", x, None)


def _identities(xp: Any, batch: Any, n: int, m: int, dtype: Any) -> Any:
    """Matrices of ``n`` by ``m`` with orthonormal rows or columns, where there is nothing else to be asked of them."""
    return xp.copy(xp.broadcast_to(xp.eye(n, m, dtype=dtype), (*batch, n, m)))


def _refuse_driver(function: str, driver: str | None) -> None:
    if driver is not None:
        raise RuntimeError(
            f"{function}: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend; leave it "
            "out"
        )


def _of_values(xp: Any, u: Any, g: Any, vh: Any) -> Any:
    """The gradient of a loss that depends on singular values alone."""
    if u.shape[-2] >= vh.shape[-1]:
        return xp.matmul(u, scaled_rows(xp, g, vh))
    return xp.matmul(scaled_columns(xp, u, g), vh)


def _check_phases(xp: Any, left: Any, right: Any) -> None:
    """Raise if the loss changes with the common phases of singular vectors."""
    message = (
        "svd_backward: complex singular vectors are determined but for a factor e^{i phi}, and the loss function depends on "
        "this phase term, so that it is ill-defined"
    )
    phases = [None if x is None else xp.imag(diagonal(xp, x)) for x in (left, right)]
    if phases[0] is None:
        check_gauge(xp, phases[1], None, message)
    else:
        check_gauge(xp, phases[0], None if phases[1] is None else xp.negative(phases[1]), message)


def _gaps(xp: Any, s: Any, dtype: Any) -> Any:
    """``s[j]**2 - s[i]**2``, with ones on the diagonal."""
    squares = xp.multiply(s, s)
    gaps = xp.subtract(xp.expand_dims(squares, axis=-2), xp.expand_dims(squares, axis=-1))
    gaps = without_diagonal(xp, gaps, 1.0)
    return gaps if gaps.dtype == dtype else xp.astype(gaps, dtype)


def _projected_out(xp: Any, x: Any, u: Any) -> Any:
    """The part of the columns of ``x`` that is orthogonal to those of ``u``."""
    return xp.subtract(x, xp.matmul(u, xp.matmul(adjoint(xp, u), x)))


def _skew(xp: Any, x: Any) -> Any:
    return xp.subtract(x, adjoint(xp, x))


def _symmetric(xp: Any, x: Any) -> Any:
    return xp.add(x, adjoint(xp, x))
