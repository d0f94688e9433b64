"""What decompositions refuse, and how: the same class and key phrase as PyTorch's errors."""

from __future__ import annotations

import pytest

REFUSED = {
    RuntimeError: """
        t.linalg.cholesky(t.ones(2)) ~ at least 2 dimensions
        t.linalg.cholesky(t.ones(2, 3)) ~ must be batches of square matrices
        t.linalg.cholesky(integers) ~ Expected a floating point or complex tensor
        t.cholesky(t.ones(2, 3)) ~ must be batches of square matrices
        t.cholesky_inverse(t.ones(2, 3)) ~ must be batches of square matrices
        t.cholesky_solve(t.ones(2), eye) ~ at least 2 dimensions
        t.cholesky_solve(t.ones(3, 1), eye) ~ Incompatible matrix sizes
        t.cholesky_solve(t.ones(2, 1), eye.double()) ~ same dtype
        t.linalg.qr(t.ones(2)) ~ at least 2 dimensions
        t.linalg.qr(integers) ~ Expected a floating point or complex tensor
        t.linalg.qr(eye, mode="x") ~ unrecognized mode
        t.linalg.qr(tall, mode="r")[1].sum().backward() ~ depends on Q, which is not computed
        t.linalg.qr(tall, mode="complete")[1].sum().backward() ~ not differentiable when
        t.linalg.lu(t.ones(2)) ~ 2 or more dimensions
        t.linalg.lu_factor(t.zeros(2, 2)) ~ U.1,1. is zero
        t.linalg.lu_factor(t.stack([eye, t.zeros(2, 2)])) ~ Batch element 1
        t.linalg.lu_factor_ex(t.zeros(2, 2), check_errors=True) ~ U.1,1. is zero
        t.linalg.lu_solve(eye, pivots.long(), t.ones(2, 3)) ~ int32
        t.linalg.lu_solve(eye, pivots, t.ones(3, 3)) ~ Incompatible shapes
        t.linalg.lu_solve(eye, pivots, t.ones(2, 3), left=False) ~ XA = B
        t.linalg.lu_solve(eye, pivots[:1], t.ones(2, 3)) ~ Number of pivots
        t.linalg.lu_solve(eye.expand(4, 2, 2), pivots, t.ones(2, 3)) ~ to be the same
        t.linalg.lu_solve(eye, pivots + 4, t.ones(2, 3)) ~ Pivots given to lu_solve must all be
        t.linalg.lu_solve(eye, pivots, t.ones(2, 3).double()) ~ same dtype
        t.lu_unpack(eye, pivots.long()) ~ int32
        t.lu_unpack(t.ones(2), pivots) ~ 2 or more dimensions
        t.linalg.svd(t.ones(2)) ~ at least 2 dimensions
        t.linalg.svd(integers) ~ Expected a floating point or complex tensor
        t.linalg.svd(eye, driver="gesvd") ~ driver
        t.linalg.svd(complex_numbers)[0].real.sum().backward() ~ phase term
        t.linalg.eigh(t.ones(2, 3)) ~ must be batches of square matrices
        t.linalg.eigh(eye, UPLO="X") ~ UPLO
        t.linalg.eigh(complex_numbers)[1].real.sum().backward() ~ linalg_eigh_backward
        t.linalg.eig(t.ones(2, 3)) ~ must be batches of square matrices
        t.linalg.eig(eye * float("nan")) ~ should not contain infs or NaNs
        t.linalg.eig(complex_numbers)[1].imag.sum().backward() ~ linalg_eig_backward
        t.linalg.pinv(t.ones(2)) ~ expected a tensor with 2 or more dimensions
        t.linalg.pinv(integers) ~ of float, double, cfloat or cdouble
        t.linalg.pinv(t.ones(2, 3), hermitian=True) ~ must be batches of square matrices
        t.linalg.pinv(eye, rtol=t.tensor(0.1 + 0j)) ~ complex
        t.geqrf(t.ones(2)) ~ at least 2 dimensions
        t.linalg.householder_product(t.ones(2, 3), t.ones(2)) ~ greater than or equal to input.shape
        t.linalg.householder_product(t.ones(3, 2), t.ones(3)) ~ greater than or equal to tau.shape
        t.linalg.householder_product(t.ones(3, 2), t.ones(2).double()) ~ does not match input dtype
        t.linalg.householder_product(t.ones(4, 3, 2), t.ones(3, 2)) ~ batch dimensions of tau
        t.ormqr(t.ones(2, 2), t.ones(2), t.ones(3, 2)) ~ must be equal to input.shape
        t.ormqr(t.ones(2, 2), t.ones(1), t.ones(2, 2)) ~ must be equal to min
        t.ormqr(t.ones(3, 2), t.ones(2), t.ones(4, 3, 2)) ~ same number of dimensions
        t.linalg.ldl_factor(t.zeros(2, 2)) ~ ldl_factor
        t.linalg.ldl_factor(tall[:2])[0].sum().backward() ~ is not implemented
        t.linalg.ldl_solve(eye, pivots, t.ones(3, 1)) ~ Incompatible matrix sizes
        t.linalg.ldl_solve(eye, pivots.double(), t.ones(2, 1)) ~ integers
        """,
    NotImplementedError: """
        t.linalg.cholesky(eye.half()) ~ "cholesky_cpu" not implemented for 'Half'
        t.cholesky(integers) ~ "cholesky_cpu" not implemented for 'Long'
        t.cholesky_inverse(integers) ~ not implemented for 'Long'
        t.linalg.qr(eye.half()) ~ "geqrf_cpu" not implemented for 'Half'
        t.linalg.lu(integers) ~ "lu_cpu" not implemented for 'Long'
        t.linalg.svd(eye.half()) ~ "linalg_svd_cpu" not implemented for 'Half'
        t.linalg.eigh(integers) ~ "linalg_eigh_cpu" not implemented for 'Long'
        t.linalg.eig(eye.half()) ~ "linalg_eig_out_cpu" not implemented for 'Half'
        t.linalg.householder_product(integers, pivots.long()) ~ "orgqr_cpu" not implemented
        t.geqrf(tall)[0].sum().backward() ~ is not implemented
        """,
    "LinAlgError": """
        t.linalg.cholesky(indefinite) ~ leading minor of order 2 is not positive-definite
        t.linalg.cholesky(t.stack([eye, indefinite])) ~ Batch element 1
        t.linalg.cholesky(eye * float("nan")) ~ leading minor of order 1
        t.linalg.cholesky_ex(indefinite, check_errors=True) ~ linalg.cholesky_ex
        t.cholesky(indefinite) ~ leading minor of order 2
        t.cholesky_inverse(t.zeros(2, 2)) ~ diagonal element 1 is zero
        t.linalg.svd(eye * float("nan")) ~ contained non-finite values
        t.linalg.svdvals(eye * float("nan")) ~ contained non-finite values
        t.linalg.pinv(eye * float("nan")) ~ contained non-finite values
        """,
    ValueError: """
        t.pca_lowrank(t.ones(7, 5), q=9) ~ must be non-negative integer
        t.pca_lowrank(t.ones(7, 5), niter=-1) ~ must be non-negative integer
        """,
    TypeError: """
        t.linalg.eigh(eye, UPLO=1) ~ must be str, not int
        """,
}


@pytest.mark.parametrize("error", REFUSED, ids=str)
def test_refuses_what_pytorch_refuses(error, t):
    raised = t.linalg.LinAlgError if error == "LinAlgError" else error
    for line in REFUSED[error].strip().splitlines():
        expression, _, words = line.strip().partition(" ~ ")
        names = {
            "t": t,
            "eye": t.eye(2),
            "integers": t.ones(2, 2, dtype=t.int64),
            "indefinite": t.tensor([[1.0, 2.0], [2.0, 1.0]]),
            "pivots": t.tensor([1, 2], dtype=t.int32),
            "tall": t.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]], requires_grad=True),
            "complex_numbers": t.tensor([[1.0, 2.0 + 1.0j], [2.0 - 1.0j, 4.0]], requires_grad=True),
        }
        if ".half()" in expression and t.__name__ == "gradcore" and not has_half(t):
            continue
        with pytest.raises(raised, match=words) as caught:
            eval(expression, names)
        assert type(caught.value) is raised, expression


def has_half(t):
    return t.float16 in t.get_default_device().xp.floating_dtypes


def test_the_cpu_needs_pivots(t):
    for name in ("lu", "lu_factor", "lu_factor_ex"):
        with pytest.raises(RuntimeError, match="without pivoting is not implemented on the CPU"):
            getattr(t.linalg, name)(t.eye(2, device="cpu"), pivot=False)
