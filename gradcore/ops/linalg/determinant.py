"""Determinants, their logarithms, and cofactors, which are their derivatives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes, return_types
from gradcore.errors import LinAlgError
from gradcore.op import conj, is_tensor, op, standard
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import kind_of, refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._checks import check_decomposable, check_square
from gradcore.ops.linalg._elimination import attempted, solved_quietly
from gradcore.ops.linalg._samples import invertible
from gradcore.ops.masking import where
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["det", "linalg_det", "linalg_slogdet", "logdet", "slogdet"]


def det(input: Tensor) -> Tensor:
    """The determinants of square matrices ``(*, n, n)``; 1 for ``n = 0``. There is a gradient for singular ones, too.

    Raises:
        NotImplementedError: half precision.
        RuntimeError: the matrices are not square, or not of floating-point or complex numbers.
    """
    return determinant(_square("linalg.det", input))  # type: ignore[no-any-return]


def linalg_det(A: Tensor) -> Tensor:
    """:func:`gradcore.det`, as :mod:`gradcore.linalg` has it."""
    return det(A)


@standard("linalg.det")
def standard_det(x: Tensor, /) -> Tensor:
    """:func:`det` in the standard's spelling."""
    return det(x)


def _matrices(make: Make) -> Iterator[Sample]:
    yield Sample(invertible(make, 3, 3))
    yield Sample(invertible(make, 2, 2, 2))
    yield Sample(make(1, 1, low=1.0, high=2.0))
    yield Sample(make(0, 2, 2))
    yield Sample(make(2, 0, 0))


def _matrices_of_all_ranks(make: Make) -> Iterator[Sample]:
    yield from _matrices(make)
    for rank in (0, 1, 2):
        yield Sample(_of_rank(make, 3, rank))
    yield Sample(_of_rank(make, 1, 0))


@op(node="LinalgDetBackward0", samples=_matrices_of_all_ranks)
def determinant(xp: Any, A: Any, /) -> Any:
    """The determinants of matrices."""
    return xp.linalg.det(A)


@determinant.vjp("A")
def determinant_vjp(xp: Any, g: Any, A: Any, out: Any) -> Any:
    return xp.multiply(_as_matrices(xp, g), conj(xp, extra(xp, "cofactors", A, out)))


@determinant.jvp
def determinant_jvp(xp: Any, A: Any, A_t: Any, out: Any) -> Any:
    return xp.sum(xp.multiply(extra(xp, "cofactors", A, out), A_t), axis=(-2, -1))


@determinant.vmap
def determinant_vmap(A: Any) -> Any:
    return determinant(A)


# The gradient of det(A) is det(A) * inv(A).T wherever A has an inverse, and the matrix of cofactors everywhere. That is an
# operation here, so that it may look at the values: where A is singular, it goes by the singular values.


@generic("cofactors")
def _cofactors(xp: Any, A: Any, det: Any) -> Any:
    """The cofactors of matrices with the determinants ``det``."""
    singular = xp.equal(det, 0)
    if not bool(xp.any(singular)):
        # Both from the same factors with the same pivots: what rounding does to the one, it undoes in the other.
        inverse = attempted(xp.linalg.inv, A)
        if inverse is not None:
            return xp.multiply(_as_matrices(xp, det), inverse.mT)
        singular = xp.ones_like(singular)
    regular, found = _apart(xp, A, singular)
    if regular is not None:
        regular = xp.multiply(_as_matrices(xp, det), xp.linalg.inv(regular).mT)
    u, s, vh = xp.linalg.svd(found, full_matrices=False)
    factor = xp.multiply(xp.linalg.det(u), xp.linalg.det(vh))
    middle = xp.multiply(xp.astype(_product_of_others(xp, s), A.dtype), xp.expand_dims(factor, axis=-1))
    of_singular = xp.matmul(xp.multiply(conj(xp, u), xp.expand_dims(middle, axis=-2)), conj(xp, vh))
    return of_singular if regular is None else xp.where(_as_matrices(xp, singular), of_singular, regular)


@standard("cofactors")
def cofactors_of(A: Tensor, det: Tensor) -> Tensor:
    """The protocol's function, on tensors."""
    return cofactors(A)  # type: ignore[no-any-return]


@op(node="CofactorsBackward0", samples=_matrices)
def cofactors(xp: Any, A: Any, /) -> Any:
    """The cofactors of matrices: the derivatives of their determinants by each element."""
    return _cofactors(xp, A, xp.linalg.det(A))


@cofactors.vjp("A")
def cofactors_vjp(xp: Any, g: Any, A: Any) -> Any:
    # The second derivatives of a function are symmetric: they are their own transposes.
    return conj(xp, extra(xp, "change_of_cofactors", A, conj(xp, g)))


@cofactors.jvp
def cofactors_jvp(xp: Any, A: Any, A_t: Any) -> Any:
    return extra(xp, "change_of_cofactors", A, A_t)


@cofactors.vmap
def cofactors_vmap(A: Any) -> Any:
    return cofactors(A)


@generic("change_of_cofactors")
def _change_of_cofactors(xp: Any, A: Any, E: Any) -> Any:
    """The derivative of the cofactors of ``A`` in the direction ``E``."""
    # By the inverse that would be det(A) * (tr(X E) X - X E X).T, a difference of large numbers where A is nearly singular.
    # In the bases of singular vectors A is diagonal, s. There the second derivative of the determinant is, for i != j, the
    # product of the other singular values: by elements ii and jj, and with a minus by ij and ji.
    unusable = xp.logical_not(xp.all(xp.isfinite(A), axis=(-2, -1)))
    u, s, vh = xp.linalg.svd(xp.where(_as_matrices(xp, unusable), _identity(xp, A), A), full_matrices=False)
    factor = xp.multiply(xp.linalg.det(u), xp.linalg.det(vh))
    e = xp.matmul(conj(xp, u).mT, xp.matmul(E, conj(xp, vh).mT))
    on_diagonal = xp.eye(s.shape[-1], dtype=dtypes.bool_)
    others = _product_of_others(xp, xp.where(on_diagonal, 1.0, xp.expand_dims(s, axis=-2)))
    others = xp.astype(xp.where(on_diagonal, 0.0, others), A.dtype)
    diagonal = xp.matmul(others, xp.expand_dims(xp.linalg.diagonal(e), axis=-1))
    middle = xp.where(on_diagonal, diagonal, xp.negative(xp.multiply(others, e.mT)))
    change = xp.matmul(conj(xp, u), xp.matmul(middle, conj(xp, vh)))
    return xp.multiply(change, _as_matrices(xp, xp.where(unusable, math.nan, factor)))


def _matrices_and_changes(make: Make) -> Iterator[Sample]:
    yield Sample(invertible(make, 3, 3), make(3, 3))
    yield Sample(invertible(make, 2, 2, 2), make(2, 2, 2))
    yield Sample(make(0, 2, 2), make(0, 2, 2))


@op(node="ChangeOfCofactorsBackward0", standard="change_of_cofactors", samples=_matrices_and_changes)
def change_of_cofactors(xp: Any, A: Any, E: Any, /) -> Any:
    """The derivative of the cofactors of ``A`` in the direction ``E``."""
    return _change_of_cofactors(xp, A, E)


@change_of_cofactors.vjp("E")
def change_of_cofactors_vjp_direction(xp: Any, g: Any, A: Any) -> Any:
    return conj(xp, extra(xp, "change_of_cofactors", A, conj(xp, g)))


@change_of_cofactors.vjp("A")
def change_of_cofactors_vjp_matrix(xp: Any, g: Any, A: Any, E: Any) -> Any:
    # By the product rule, where there is an inverse: with X = inv(A), L = X E and R = X conj(g), what is differentiated is
    # det(A) * (tr(L) tr(R) - tr(L R)).
    inverse = attempted(xp.linalg.inv, A)
    if inverse is None or _nearly_singular(xp, A, inverse):
        raise LinAlgError("linalg.det: of a singular matrix, the determinant has no derivatives beyond the second here")
    det = xp.linalg.det(A)
    left, right = xp.matmul(inverse, E), xp.matmul(inverse, conj(xp, g))
    p, q = _trace(xp, left), _trace(xp, right)
    both = xp.add(xp.matmul(left, right), xp.matmul(right, left))
    value = xp.subtract(xp.multiply(p, q), xp.multiply(_trace(xp, both), 0.5))
    inner = xp.subtract(xp.multiply(value, _identity(xp, A)), xp.add(xp.multiply(q, left), xp.multiply(p, right)))
    change = xp.matmul(xp.add(inner, both), inverse)
    return conj(xp, xp.multiply(_as_matrices(xp, det), change).mT)


@change_of_cofactors.vmap
def change_of_cofactors_vmap(A: Any, E: Any) -> Any:
    return change_of_cofactors(A, E)


def slogdet(input: Tensor) -> return_types.slogdet:
    """The sign of the determinants of square matrices, and the logarithm of their magnitudes.

    A singular matrix has the sign 0 and the logarithm ``-inf``; of a complex one the sign is a number of magnitude 1.

    Raises:
        As :func:`det`.
    """
    return return_types.slogdet(*sign_and_logarithm(_square("linalg.slogdet", input)))


def linalg_slogdet(A: Tensor) -> return_types.linalg_slogdet:
    """:func:`slogdet`, as :mod:`gradcore.linalg` has it."""
    return return_types.linalg_slogdet(*sign_and_logarithm(_square("linalg.slogdet", A)))


@standard("linalg.slogdet")
def standard_slogdet(x: Tensor, /) -> return_types.linalg_slogdet:
    """:func:`slogdet` in the standard's spelling."""
    return linalg_slogdet(x)


@op(node="LinalgSlogdetBackward0", outputs=("sign", "logabsdet"), takes_undefined=True, samples=_matrices)
def sign_and_logarithm(xp: Any, A: Any, /) -> Any:
    """The sign and the logarithm of the magnitude of determinants."""
    sign, logarithm = xp.linalg.slogdet(A)
    return sign, logarithm


@sign_and_logarithm.vjp("A")
def sign_and_logarithm_vjp(xp: Any, g: Any, A: Any, sign: Any) -> Any:
    g_sign, factor = g
    if kind_of(xp, A) == "c":
        # d(sign) = i * sign * Im(tr(A^-1 dA)), d(logabsdet) = Re(tr(A^-1 dA)).
        factor = None if factor is None else xp.astype(factor, A.dtype)
        if g_sign is not None:
            turn = xp.astype(xp.imag(xp.multiply(conj(xp, g_sign), sign)), A.dtype)
            turn = xp.multiply(turn, -1j)
            factor = turn if factor is None else xp.add(factor, turn)
    if factor is None:
        return None
    right = xp.multiply(_as_matrices(xp, factor), _identity(xp, A))
    return solved_quietly(xp, conj(xp, A).mT, right)


@sign_and_logarithm.jvp
def sign_and_logarithm_jvp(xp: Any, A: Any, A_t: Any, sign: Any) -> Any:
    trace = xp.sum(xp.linalg.diagonal(xp.linalg.solve(A, A_t)), axis=-1)
    if kind_of(xp, A) != "c":
        return xp.zeros_like(sign), trace
    turn = xp.multiply(xp.astype(xp.imag(trace), A.dtype), 1j)
    return xp.multiply(sign, turn), xp.real(trace)


@sign_and_logarithm.vmap
def sign_and_logarithm_vmap(A: Any) -> Any:
    return sign_and_logarithm(A)


def logdet(input: Tensor) -> Tensor:
    """The logarithms of the determinants of square matrices: ``-inf`` for 0, NaN for negative ones.

    Raises:
        As :func:`det`.
    """
    A = _square("logdet", input)
    sign, logarithm = sign_and_logarithm(A)
    if A.is_complex():
        return sign.log() + logarithm  # type: ignore[no-any-return]
    return where(sign == -1.0, math.nan, logarithm)  # type: ignore[no-any-return]


def _square(function: str, given: Any) -> Tensor:
    """``given``, if it is a tensor of square matrices that have a determinant."""
    A = as_tensor(given, function, "A")
    check_square(function, A)
    check_decomposable(function, A.dtype, low_precision=True)
    if A.dtype.itemsize == 2:
        refuse_dtype("lu_cpu", A.dtype)
    return A


def _of_rank(make: Make, n: int, rank: int) -> Any:
    """A matrix of lower rank, of numbers that multiply without rounding."""
    left, right = make.rng.integers(-2, 3, (n, rank)), make.rng.integers(-2, 3, (rank, n))
    return make.of(left @ right, make.dtype, requires_grad=make.requires_grad)


def _as_matrices(xp: Any, x: Any) -> Any:
    """One number per matrix, to be multiplied with the matrices."""
    return xp.reshape(x, (*x.shape, 1, 1))


def _identity(xp: Any, like: Any) -> Any:
    return xp.eye(like.shape[-1], dtype=like.dtype)


def _trace(xp: Any, x: Any) -> Any:
    """The traces of matrices, as matrices of one element."""
    return _as_matrices(xp, xp.sum(xp.linalg.diagonal(x), axis=-1))


def _apart(xp: Any, A: Any, singular: Any) -> tuple[Any, Any]:
    """Batches of the size of ``A`` with the matrices that have an inverse (``None`` if none has) and with the singular ones.

    The identity stands for the others: of matrices with NaN there are no singular values.
    """
    if bool(xp.all(singular)):
        return None, A
    places, identity = _as_matrices(xp, singular), _identity(xp, A)
    return xp.where(places, identity, A), xp.where(places, A, identity)


def _product_of_others(xp: Any, x: Any) -> Any:
    """For each element the product of the others along the last axis, without a division."""
    before = xp.cumulative_prod(x, axis=-1, include_initial=True)[..., :-1]
    after = xp.flip(xp.cumulative_prod(xp.flip(x, axis=-1), axis=-1, include_initial=True)[..., :-1], axis=-1)
    return xp.multiply(before, after)


def _nearly_singular(xp: Any, A: Any, inverse: Any) -> bool:
    """Whether differences of products of the inverse would lose more than half of the digits."""
    if is_tensor(A):
        return False  # a batch cannot be looked at, and of a singular matrix there was no inverse
    size = xp.multiply(xp.max(xp.abs(A)), xp.max(xp.abs(inverse))) if 0 not in A.shape else xp.ones(())
    return bool(xp.greater(size, float(np.finfo(xp.np_dtype(A.dtype)).eps) ** -0.5))
