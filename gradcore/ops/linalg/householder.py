"""Products of Householder reflections.

``k`` vectors ``v_i``, the columns of ``V``, and factors ``tau_i`` stand for the matrix ``Q = H_1 @ ... @ H_k`` with
``H_i = I - tau_i * v_i @ v_i.mH``. It is ``I - V @ T @ V.mH`` with an upper triangle ``T``: with ``D = diag(tau)`` and ``S``
the part of ``V.mH @ V`` above the diagonal, ``(I + D @ S) @ T = D`` (H. F. Walker, Implementation of the GMRES method using
Householder transformations, SIAM J. Sci. Stat. Comput. 9 (1988) 152-163). So there are no loops over reflections, and
derivatives exist for all values of ``tau``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.op import conj, op
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._decompositions import adjoint, diagonal, embedded, refuse_half, scaled_rows, solve
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["geqrf", "householder_product", "orgqr", "ormqr"]


def _reflections(make: Make) -> Iterator[Sample]:
    for shape, k in (((3, 3), 3), ((4, 3), 2), ((2, 3, 2), 2), ((3, 2), 0), ((3, 0), 0), ((0, 3, 2), 2)):
        yield Sample(make(*shape), make(*shape[:-2], k))
    yield Sample(make(3, 2, dtype=dtypes.complex128), make(2, dtype=dtypes.complex128))
    yield Sample(make.of([[1.0, 2.0], [3.0, 4.0]], requires_grad=True), make.of([0.1, 1.0], requires_grad=True))


@op(node="LinalgHouseholderProductBackward0", samples=_reflections)
def householder_product(xp: Any, input: Any, tau: Any, /) -> Any:
    """The first ``n`` columns of a product of Householder reflections.

    Args:
        input: the reflections' vectors below the diagonals of matrices ``(*, m, n)``, as :func:`geqrf` gives them; on the
            diagonal, which is not read, they are 1.
        tau: their factors ``(*, k)``; ``k <= n <= m``.

    Raises:
        NotImplementedError: the numbers are integers.
        RuntimeError: the sizes do not fit, or the dtypes differ.
    """
    _check_product(xp, input, tau)
    m, n = input.shape[-2:]
    identity = xp.eye(m, n, dtype=xp.np_dtype(input.dtype))
    if tau.shape[-1] == 0:
        return xp.copy(xp.broadcast_to(identity, (*input.shape[:-2], m, n)))
    v, t = _compact(xp, input, tau)
    return xp.subtract(identity, xp.matmul(v, xp.matmul(t, adjoint(xp, v[..., :n, :]))))


@householder_product.vjp("input", "tau")
def householder_product_vjp(xp: Any, g: Any, input: Any, tau: Any, needs: tuple[bool, bool]) -> Any:
    if 0 in input.shape or 0 in tau.shape:
        return None, None
    m, n = input.shape[-2:]
    v, t = _compact(xp, input, tau)
    first = v[..., :n, :]
    g_below = xp.matmul(adjoint(xp, v), g)
    g_first = xp.negative(xp.matmul(xp.matmul(g, first), adjoint(xp, t)))
    g_last = xp.negative(xp.matmul(adjoint(xp, g_below), t))
    if m > n:
        g_last = xp.concat(
            [g_last, xp.zeros((*g_last.shape[:-2], m - n, g_last.shape[-1]), dtype=g_last.dtype)], axis=-2
        )
    g_t = xp.negative(xp.matmul(g_below, first))
    return _of_compact(xp, xp.add(g_first, g_last), g_t, v, t, tau, n)


@householder_product.vmap
def householder_product_vmap(input: Any, tau: Any) -> Any:
    return householder_product(input, tau)


orgqr = householder_product


def _applied(make: Make) -> Iterator[Sample]:
    for left, transpose in ((True, False), (True, True), (False, False), (False, True)):
        other = (3, 2) if left else (2, 3)
        yield Sample(make(3, 2), make(2), make(*other), left=left, transpose=transpose)
        yield Sample(make(2, 3, 3), make(2, 3), make(2, *other), left=left, transpose=transpose)
        z = dtypes.complex128
        yield Sample(make(3, 1, dtype=z), make(1, dtype=z), make(*other, dtype=z), left=left, transpose=transpose)
    yield Sample(make(3, 0), make(0), make(3, 2))


@op(node="OrmqrBackward0", standard="ormqr", samples=_applied)
def ormqr(xp: Any, input: Any, tau: Any, other: Any, /, left: bool = True, transpose: bool = False) -> Any:
    """The product of a product ``Q`` of Householder reflections and other matrices: ``Q @ other`` or ``other @ Q``.

    Args:
        input: the reflections' vectors below the diagonals of matrices ``(*, m, n)``, as :func:`geqrf` gives them.
        tau: their factors ``(*, k)``.
        other: matrices ``(*, m, p)``, or ``(*, p, m)`` if not ``left``.
        left: on which side of ``other`` the reflections stand.
        transpose: ``Q.mH`` in the place of ``Q``.

    Raises:
        NotImplementedError: the numbers are integers.
        RuntimeError: the sizes do not fit, or the dtypes differ.
    """
    _check_applied(xp, input, tau, other, left)
    return _reflected(xp, input, tau, other, left, transpose)


@ormqr.vjp("input", "tau", "other")
def ormqr_vjp(
    xp: Any,
    g: Any,
    input: Any,
    tau: Any,
    other: Any,
    left: bool,
    transpose: bool,
    needs: tuple[bool, bool, bool],
) -> Any:
    g_other = extra(xp, "ormqr", input, tau, g, left, not transpose) if needs[2] else None
    if not (needs[0] or needs[1]) or 0 in input.shape or 0 in tau.shape:
        return None, None, g_other
    v, t = _compact(xp, input, tau)
    middle = adjoint(xp, t) if transpose else t
    if not left:
        # other @ (I - V @ middle @ V.mH) is the adjoint of (I - V @ middle.mH @ V.mH) @ other.mH.
        g, other, middle = adjoint(xp, g), adjoint(xp, other), adjoint(xp, middle)
    inner, g_inner = xp.matmul(adjoint(xp, v), other), xp.matmul(adjoint(xp, v), g)
    g_v = xp.negative(
        xp.add(
            xp.matmul(xp.matmul(g, adjoint(xp, inner)), adjoint(xp, middle)),
            xp.matmul(xp.matmul(other, adjoint(xp, g_inner)), middle),
        )
    )
    g_middle = xp.negative(xp.matmul(g_inner, adjoint(xp, inner)))
    g_t = g_middle if left != transpose else adjoint(xp, g_middle)
    return (*_of_compact(xp, g_v, g_t, v, t, tau, input.shape[-1]), g_other)


@ormqr.vmap
def ormqr_vmap(input: Any, tau: Any, other: Any, left: bool, transpose: bool) -> Any:
    return ormqr(input, tau, other, left, transpose)


def _matrices(make: Make) -> Iterator[Sample]:
    for shape in ((3, 3), (3, 2), (2, 3), (2, 3, 2), (0, 2), (2, 0)):
        yield Sample(make(*shape))
    yield Sample(make(3, 2, dtype=dtypes.complex128))


@op(node="GeqrfBackward0", outputs=("a", "tau"), samples=_matrices)
def reflections(xp: Any, input: Any, /) -> Any:
    """The Householder reflections that make an upper triangle of matrices."""
    if len(input.shape) < 2:
        raise RuntimeError("geqrf: input must have at least 2 dimensions.")
    refuse_half(xp, "geqrf_cpu", input, integers=True)
    return extra(xp, "geqrf", input)


@reflections.vmap
def reflections_vmap(input: Any) -> Any:
    return reflections(input)


def geqrf(input: Tensor) -> return_types.geqrf:
    """The QR decomposition in the form of LAPACK: ``(a, tau)``, for :func:`householder_product` and :func:`ormqr`.

    ``a`` has R in its upper triangle and the vectors of the reflections below, ``tau`` their factors. It has no derivative;
    that of :func:`gradcore.linalg.qr` is there.

    Args:
        input: matrices ``(*, m, n)`` of floating-point or complex numbers.

    Raises:
        NotImplementedError: the matrices are of integers.
        RuntimeError: ``input`` has fewer than two dimensions.
    """
    return return_types.geqrf(*reflections(as_tensor(input, "geqrf")))


@generic("geqrf")
def _by_columns(xp: Any, matrices: Any) -> tuple[Any, Any]:
    """The reflections column by column (LAPACK Users' Guide, 3rd ed. (1999), section on elementary reflectors)."""
    x = xp.copy(matrices)
    *batch, m, n = x.shape
    k = min(m, n)
    tau = xp.zeros((*batch, k), dtype=xp.np_dtype(x.dtype))
    is_complex = kind_of(xp, x) == "c"
    for j in range(k):
        top = xp.getitem(x, (..., j, j))
        below = xp.getitem(x, (..., slice(j + 1, None), j))
        size = xp.abs(below)
        rest = xp.sum(xp.multiply(size, size), axis=-1)
        real_top = xp.real(top) if is_complex else top
        # Nothing to reflect: the column is real and zero below the diagonal already.
        done = xp.equal(rest, 0.0)
        if is_complex:
            done = xp.logical_and(done, xp.equal(xp.imag(top), 0.0))
        length = xp.sqrt(xp.add(xp.square(xp.abs(top)), rest))
        beta = xp.where(done, 1.0, xp.negative(xp.copysign(length, real_top)))
        beta = xp.astype(beta, x.dtype)
        factor = xp.where(done, 0.0, xp.divide(xp.subtract(beta, top), beta))
        scale = xp.where(done, 1.0, xp.subtract(top, beta))
        vector = xp.divide(below, xp.expand_dims(scale, axis=-1))
        one = xp.ones((*batch, 1), dtype=xp.np_dtype(x.dtype))
        v = xp.expand_dims(xp.concat([one, vector], axis=-1), axis=-1)
        right = xp.getitem(x, (..., slice(j, None), slice(j + 1, None)))
        change = xp.matmul(v, xp.matmul(adjoint(xp, v), right))
        change = xp.multiply(xp.reshape(conj(xp, factor), (*batch, 1, 1)), change)
        xp.setitem(x, (..., slice(j, None), slice(j + 1, None)), xp.subtract(right, change))
        xp.setitem(x, (..., slice(j + 1, None), j), vector)
        xp.setitem(x, (..., j, j), xp.where(done, top, beta))
        xp.setitem(tau, (..., j), factor)
    return x, tau


@generic("ormqr")
def _reflected(xp: Any, input: Any, tau: Any, other: Any, left: bool, transpose: bool) -> Any:
    if tau.shape[-1] == 0:
        return xp.copy(other)
    v, t = _compact(xp, input, tau)
    middle = adjoint(xp, t) if transpose else t
    if left:
        return xp.subtract(other, xp.matmul(v, xp.matmul(middle, xp.matmul(adjoint(xp, v), other))))
    return xp.subtract(other, xp.matmul(xp.matmul(xp.matmul(other, v), middle), adjoint(xp, v)))


def _compact(xp: Any, input: Any, tau: Any) -> tuple[Any, Any]:
    """``V`` and ``T``."""
    m, k = input.shape[-2], tau.shape[-1]
    v = xp.add(xp.tril(input[..., :k], k=-1), xp.eye(m, k, dtype=xp.np_dtype(input.dtype)))
    above = xp.triu(xp.matmul(adjoint(xp, v), v), k=1)
    return v, solve(xp, scaled_rows(xp, tau, above), embedded(xp, tau), True, True)


def _of_compact(xp: Any, g_v: Any, g_t: Any, v: Any, t: Any, tau: Any, n: int) -> tuple[Any, Any]:
    """The gradients of the vectors, in a matrix of ``n`` columns, and of their factors, from those of ``V`` and ``T``."""
    above = xp.triu(xp.matmul(adjoint(xp, v), v), k=1)
    # T = M^-1 @ D with M = I + D @ S.
    g_d = solve(xp, adjoint(xp, scaled_rows(xp, tau, above)), g_t, False, True)
    g_m = xp.negative(xp.matmul(g_d, adjoint(xp, t)))
    g_tau = xp.add(diagonal(xp, g_d), xp.sum(xp.multiply(g_m, conj(xp, above)), axis=-1))
    g_above = xp.triu(scaled_rows(xp, conj(xp, tau), g_m), k=1)
    g_v = xp.add(g_v, xp.matmul(v, xp.add(g_above, adjoint(xp, g_above))))
    g_v = xp.tril(g_v, k=-1)
    if n > g_v.shape[-1]:
        g_v = xp.concat([g_v, xp.zeros((*g_v.shape[:-1], n - g_v.shape[-1]), dtype=g_v.dtype)], axis=-1)
    return g_v, g_tau


def _check_product(xp: Any, input: Any, tau: Any) -> None:
    name = "linalg.householder_product"
    if len(input.shape) < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    m, n = input.shape[-2:]
    if m < n:
        raise RuntimeError(
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1], but they are {m} and {n}"
        )
    if tau.shape[-1:] and n < tau.shape[-1]:
        raise RuntimeError(
            f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1], but they are {n} and {tau.shape[-1]}"
        )
    _check_factors(name, input, tau)
    a, b = xp.np_dtype(tau.dtype), xp.np_dtype(input.dtype)
    if a != b:
        raise RuntimeError(
            f"{name}: tau dtype {dtypes.scalar_type_name(a)} does not match input dtype {dtypes.scalar_type_name(b)}"
        )
    refuse_half(xp, "orgqr_cpu", input, integers=True)


def _check_applied(xp: Any, input: Any, tau: Any, other: Any, left: bool) -> None:
    name = "ormqr"
    for which, x in (("input", input), ("other", other)):
        if len(x.shape) < 2:
            raise RuntimeError(f"{name}: {which} must have at least 2 dimensions.")
    at = -2 if left else -1
    if not tau.shape or other.shape[at] < tau.shape[-1]:
        raise RuntimeError(f"{name}: other.shape[{at}] must be greater than or equal to tau.shape[-1]")
    if other.shape[at] != input.shape[-2]:
        raise RuntimeError(
            f"{name}: other.shape[{at}] must be equal to input.shape[-2], but they are {other.shape[at]} and "
            f"{input.shape[-2]}"
        )
    if tau.shape[-1] != min(other.shape[at], input.shape[-1]):
        raise RuntimeError(
            f"{name}: tau.shape[-1] must be equal to min(other.shape[{at}], input.shape[-1]), but it is {tau.shape[-1]}, and "
            f"they are {other.shape[at]} and {input.shape[-1]}"
        )
    _check_factors(name, input, tau)
    if len(other.shape) != len(input.shape):
        raise RuntimeError(
            f"{name}: Expected other to have the same number of dimensions as input, but got other.ndim equal to "
            f"{len(other.shape)} and input.ndim is equal to {len(input.shape)}"
        )
    if tuple(other.shape[:-2]) != tuple(input.shape[:-2]):
        raise RuntimeError(
            f"{name}: Expected batch dimensions of other to be equal to input.shape[:-2], but got {list(other.shape[:-2])}"
        )
    first = xp.np_dtype(input.dtype)
    for which, x in (("tau", tau), ("other", other)):
        dtype = xp.np_dtype(x.dtype)
        if dtype != first:
            raise RuntimeError(
                f"{name}: Expected input and {which} to have the same dtype, but input has dtype "
                f"{dtypes.scalar_type_name(first)} and {which} has dtype {dtypes.scalar_type_name(dtype)}"
            )
    refuse_half(xp, "ormqr_cpu", input, integers=True)


def _check_factors(name: str, input: Any, tau: Any) -> None:
    if len(tau.shape) != len(input.shape) - 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {len(tau.shape)} and "
            f"input.ndim is equal to {len(input.shape)}"
        )
    if tuple(tau.shape[:-1]) != tuple(input.shape[:-2]):
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(tau.shape[:-1])}"
        )
