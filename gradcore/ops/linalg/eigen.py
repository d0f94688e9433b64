"""Eigenvalues and eigenvectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes, return_types
from gradcore.op import op, standard
from gradcore.ops._extra import extra
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._checks import check_decomposable, check_square
from gradcore.ops.linalg._decompositions import (
    adjoint,
    check_gauge,
    diagonal,
    differentiated,
    general_solve,
    hermitian,
    in_dtype_of,
    refuse_half,
    refuse_infinite,
    scaled_columns,
    scaled_rows,
    without_diagonal,
)
from gradcore.ops.linalg._elimination import library_failed
from gradcore.ops.linalg._samples import as_hermitian, distinct_eigenvalues, positive_definite, unchecked
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["linalg_eig", "linalg_eigh", "linalg_eigvals", "linalg_eigvalsh"]


def _hermitian_matrices(make: Make) -> Iterator[Sample]:
    for upper in (False, True):
        for shape in ((3, 3), (2, 2, 2), (1, 1), (0, 0), (0, 2, 2)):
            yield Sample(positive_definite(make, *shape), upper=upper).checked(as_hermitian, _up_to_phases)
        matrix = positive_definite(make, 2, 2, dtype=dtypes.complex128)
        yield Sample(matrix, upper=upper).checked(as_hermitian, _up_to_phases)


def _up_to_phases(values: Any, vectors: Any) -> tuple[Any, Any]:
    """What eigenvectors have whatever their phases: the absolute values of their elements."""
    return values, vectors.abs()


@op(
    node="LinalgEighBackward0",
    outputs=("eigenvalues", "eigenvectors"),
    standard="linalg.eigh",
    takes_undefined=True,
    samples=_hermitian_matrices,
)
def eigh(xp: Any, input: Any, /, upper: bool = False) -> Any:
    """Eigenvalues and eigenvectors of Hermitian matrices, of which one triangle is read."""
    check_square("linalg.eigh", input)
    refuse_half(xp, "linalg_eigh_cpu", input, integers=True)
    values, vectors = _found(xp, xp.linalg.eigh, "linalg.eigh", hermitian(xp, input, upper))
    refuse_infinite(xp, "linalg.eigh", input, values)
    return values, vectors


@eigh.vjp("input")
def eigh_vjp(xp: Any, g: Any, eigenvalues: Any, eigenvectors: Any) -> Any:
    g_values, g_vectors = g
    v = eigenvectors
    if g_vectors is None:
        return None if g_values is None else xp.matmul(scaled_columns(xp, v, g_values), adjoint(xp, v))
    inner = xp.matmul(adjoint(xp, v), g_vectors)
    _check_phases(xp, "linalg_eigh_backward", v, inner)
    # The tangent space of the unitary matrices at the identity is that of the skew-Hermitian ones.
    inner = xp.multiply(xp.subtract(inner, adjoint(xp, inner)), 0.5)
    inner = _divided(xp, inner, eigenvalues)
    if g_values is not None:
        inner = _with_diagonal(xp, inner, g_values)
    return xp.matmul(v, xp.matmul(inner, adjoint(xp, v)))


@eigh.jvp
def eigh_jvp(xp: Any, input_t: Any, eigenvalues: Any, eigenvectors: Any) -> Any:
    change = xp.matmul(xp.matmul(adjoint(xp, eigenvectors), input_t), eigenvectors)
    values = diagonal(xp, change)
    if kind_of(xp, values) == "c":
        values = xp.real(values)
    turned = without_diagonal(xp, _divided(xp, change, eigenvalues))
    return values, xp.matmul(eigenvectors, turned)


@eigh.vmap
def eigh_vmap(input: Any, upper: bool) -> Any:
    return eigh(input, upper)


@op(node="LinalgEigvalshBackward0", differentiable=False, samples=unchecked(_hermitian_matrices))
def eigenvalues_of_hermitian(xp: Any, input: Any, /, upper: bool = False) -> Any:
    """Eigenvalues of Hermitian matrices alone, which is less work."""
    check_square("linalg.eigh", input)
    refuse_half(xp, "linalg_eigh_cpu", input, integers=True)
    values = _found(xp, xp.linalg.eigvalsh, "linalg.eigh", hermitian(xp, input, upper))
    refuse_infinite(xp, "linalg.eigh", input, values)
    return values


@eigenvalues_of_hermitian.vmap
def eigenvalues_of_hermitian_vmap(input: Any, upper: bool) -> Any:
    return eigenvalues_of_hermitian(input, upper)


def linalg_eigh(A: Tensor, UPLO: str = "L") -> return_types.linalg_eigh:
    """Eigenvalues in ascending order and eigenvectors of Hermitian (symmetric) matrices, ``(eigenvalues, eigenvectors)``.

    The eigenvectors are the columns of a unitary matrix ``V``: ``A = V @ diag(eigenvalues) @ V.mH``. Their phases (signs,
    where real) are arbitrary, and a gradient that depends on them has no meaning; nor has one of vectors whose eigenvalues
    are equal (M. B. Giles, An extended collection of matrix derivative results, report NA-08/01, Oxford 2008, 3.1).

    Args:
        A: matrices ``(*, n, n)`` of floating-point or complex numbers.
        UPLO: which triangle is read: ``"L"``, the lower, or ``"U"``, the upper one.

    Raises:
        LinAlgError: no eigenvalues were found.
        NotImplementedError: the matrices are of integers.
        RuntimeError: they are not square; ``UPLO`` is another letter; in backward: a complex loss depends on the phases.
    """
    return return_types.linalg_eigh(*eigh(as_tensor(A, "linalg_eigh", "A"), _is_upper("linalg_eigh", UPLO)))


def linalg_eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of Hermitian matrices in ascending order; see :func:`linalg_eigh`.

    Raises:
        As :func:`linalg_eigh`.
    """
    x, upper = as_tensor(A, "linalg_eigvalsh", "A"), _is_upper("linalg_eigvalsh", UPLO)
    return eigh(x, upper)[0] if differentiated(x) else eigenvalues_of_hermitian(x, upper)  # type: ignore[no-any-return]


def _matrices(make: Make) -> Iterator[Sample]:
    for shape in ((3, 3), (2, 2, 2), (1, 1), (0, 0), (0, 2, 2)):
        yield Sample(distinct_eigenvalues(make, *shape)).checked(after=_up_to_phases)
    yield Sample(distinct_eigenvalues(make, 2, 2, dtype=dtypes.complex128)).checked(after=_up_to_phases)


@op(
    node="LinalgEigBackward0",
    outputs=("eigenvalues", "eigenvectors"),
    standard="linalg.eig",
    takes_undefined=True,
    samples=_matrices,
)
def eig(xp: Any, input: Any, /) -> Any:
    """Eigenvalues and eigenvectors of square matrices, both complex."""
    _check_general(xp, "linalg.eig", input)
    values, vectors = _found(xp, lambda x: _general(xp, "eig", x), "linalg.eig", input)
    return values, vectors


@eig.vjp("input")
def eig_vjp(xp: Any, g: Any, eigenvalues: Any, eigenvectors: Any) -> Any:
    g_values, g_vectors = g
    v, adjoint_v = eigenvectors, adjoint(xp, eigenvectors)
    if g_vectors is None:
        return None if g_values is None else general_solve(xp, adjoint_v, scaled_rows(xp, g_values, adjoint_v))
    inner = xp.matmul(adjoint_v, g_vectors)
    _check_phases(xp, "linalg_eig_backward", v, inner)
    # The tangent space of the matrices with columns of norm 1.
    inner = xp.subtract(inner, xp.matmul(adjoint_v, scaled_columns(xp, v, xp.real(diagonal(xp, inner)))))
    inner = _divided(xp, inner, xp.conj(eigenvalues))
    if g_values is not None:
        inner = _with_diagonal(xp, inner, g_values)
    return general_solve(xp, adjoint_v, xp.matmul(inner, adjoint_v))


@eig.jvp
def eig_jvp(xp: Any, input_t: Any, eigenvalues: Any, eigenvectors: Any) -> Any:
    v = eigenvectors
    if input_t.dtype != v.dtype:
        input_t = xp.astype(input_t, v.dtype)
    change = general_solve(xp, v, xp.matmul(input_t, v))
    turned = xp.matmul(v, without_diagonal(xp, _divided(xp, change, eigenvalues)))
    longer = xp.real(diagonal(xp, xp.matmul(adjoint(xp, v), turned)))
    return diagonal(xp, change), xp.subtract(turned, scaled_columns(xp, v, longer))


@eig.vmap
def eig_vmap(input: Any) -> Any:
    return eig(input)


@op(node="LinalgEigvalsBackward0", differentiable=False, samples=unchecked(_matrices))
def eigenvalues_of(xp: Any, input: Any, /) -> Any:
    """Eigenvalues of square matrices alone, which is less work."""
    _check_general(xp, "linalg.eigvals", input)
    return _found(xp, lambda x: _general(xp, "eigvals", x), "linalg.eigvals", input)


@eigenvalues_of.vmap
def eigenvalues_of_vmap(input: Any) -> Any:
    return eigenvalues_of(input)


def linalg_eig(A: Tensor) -> return_types.linalg_eig:
    """Eigenvalues and eigenvectors of square matrices, ``(eigenvalues, eigenvectors)``; both are complex.

    The eigenvectors are the columns of ``V``, of norm 1: ``A = V @ diag(eigenvalues) @ inv(V)``. Their phases are arbitrary,
    and so is the order of the eigenvalues. A gradient that depends on the phases has no meaning, nor has one of vectors
    whose eigenvalues are equal (C. Boeddeker et al., On the computation of complex-valued gradients with application to
    statistically optimum beamforming, arXiv:1701.00392, 2017, equation 4.77).

    Args:
        A: matrices ``(*, n, n)`` of floating-point or complex numbers.

    Raises:
        LinAlgError: no eigenvalues were found.
        RuntimeError: the matrices are not square, or not finite; in backward: a loss depends on the phases.
    """
    return return_types.linalg_eig(*eig(as_tensor(A, "linalg_eig", "A")))


def linalg_eigvals(A: Tensor) -> Tensor:
    """The eigenvalues of square matrices, which are complex and in no order; see :func:`linalg_eig`.

    Raises:
        As :func:`linalg_eig`.
    """
    x = as_tensor(A, "linalg_eigvals", "A")
    return eig(x)[0] if differentiated(x) else eigenvalues_of(x)  # type: ignore[no-any-return]


# As the Array API spells them.

standard("linalg.eigvalsh")(linalg_eigvalsh)
standard("linalg.eigvals")(linalg_eigvals)


def _found(xp: Any, function: Any, name: str, matrices: Any) -> Any:
    """What the library finds."""
    try:
        return function(matrices)
    except Exception as e:
        if not library_failed(e):
            raise
    return refuse_infinite(xp, name, matrices, None)


def _general(xp: Any, name: str, x: Any) -> Any:
    """``eig`` or ``eigvals`` of the standard, which has them from its version 2025.12 on, or of the backend."""
    function = getattr(xp.linalg, name, None)
    found = extra(xp, name, x) if function is None else function(x)
    # Some libraries give real numbers where all eigenvalues are.
    dtype = np.result_type(xp.np_dtype(x.dtype), np.complex64)
    if name == "eigvals":
        return xp.astype(found, dtype, copy=False)
    return tuple([xp.astype(part, dtype, copy=False) for part in found])


def _check_general(xp: Any, name: str, x: Any) -> None:
    check_square(name, x)
    check_decomposable(name, xp.np_dtype(x.dtype), low_precision=True)
    refuse_half(xp, "linalg_eig_out_cpu", x)
    if not bool(xp.all(xp.isfinite(x))):
        raise RuntimeError(f"{name}: input tensor should not contain infs or NaNs.")


def _check_phases(xp: Any, name: str, vectors: Any, inner: Any) -> None:
    """Raise if the loss changes with the phases of the eigenvectors."""
    if kind_of(xp, vectors) == "c":
        message = (
            f"{name}: The eigenvectors in the complex case are specified up to multiplication by e^{{i phi}}. The specified "
            "loss function depends on this quantity, so it is ill-defined."
        )
        check_gauge(xp, xp.imag(diagonal(xp, inner)), None, message)


def _divided(xp: Any, x: Any, values: Any) -> Any:
    """``x[i, j] / (values[j] - values[i])``; the diagonal is left as it is."""
    between = xp.subtract(xp.expand_dims(values, axis=-2), xp.expand_dims(values, axis=-1))
    between = without_diagonal(xp, between, 1.0)
    return xp.divide(x, in_dtype_of(xp, between, x))


def _with_diagonal(xp: Any, x: Any, d: Any) -> Any:
    """``x`` with the diagonal ``d``."""
    diagonal_or_not = xp.eye(x.shape[-1], dtype=dtypes.bool_)
    return xp.where(diagonal_or_not, xp.expand_dims(in_dtype_of(xp, d, x), axis=-1), x)


def _is_upper(function: str, UPLO: str) -> bool:
    if not isinstance(UPLO, str):
        raise TypeError(f"{function}(): argument 'UPLO' must be str, not {type(UPLO).__name__}")
    if UPLO not in ("L", "U", "l", "u"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO in ("U", "u")
