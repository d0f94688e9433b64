"""Sums with a matrix product: ``beta * input + alpha * product``; and the linear map, which is one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import conj, op
from gradcore.ops._batching import aligned, folded, unfolded
from gradcore.ops._matrices import adjoint_times, check_batches, column, refuse_matrices, refuse_vector, times_adjoint
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
from gradcore.ops.broadcasting import broadcast_shapes, broadcast_to
from gradcore.ops.matmul import bmm, bmm_vmap, matmul, mm, mm_vmap, mv, mv_vmap
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["addbmm", "addmm", "addmv", "addr", "baddbmm"]


def _sums_of_matrices(make: Make) -> Iterator[Sample]:
    for shape in ((4,), (2, 4), (2, 1), (), (1, 4)):
        yield Sample(make(*shape), make(2, 3), make(3, 4))
    yield Sample(make(4), make(2, 3), make(3, 4), beta=0.5, alpha=-2.0)
    yield Sample(make(4), make(2, 3), make(3, 4), beta=0, alpha=3)
    yield Sample(make(4), make(0, 3), make(3, 4))
    yield Sample(make(4), make(2, 0), make(0, 4))


@op(node="AddmmBackward0", promote="same", samples=_sums_of_matrices)
def addmm(xp: Any, input: Any, mat1: Any, mat2: Any, /, *, beta: complex = 1, alpha: complex = 1) -> Any:
    """``beta * input + alpha * mat1 @ mat2``; ``input`` is broadcast, and not read where ``beta`` is 0."""
    n, m = mat1.shape, mat2.shape
    if len(n) != 2 or len(m) != 2 or n[1] != m[0] or mat1.dtype is dtypes.bool_:
        refuse_matrices("addmm", mat1, mat2)
    shape = input.shape
    if shape != m[1:]:
        _check_expands("addmm", shape, (n[0], m[1]))
    return _scaled_sum(xp, "addmm", input, xp.matmul(mat1, mat2), beta, alpha)


@addmm.vjp("input")
def addmm_vjp_input(xp: Any, g: Any, beta: complex) -> Any:
    return _scaled(g, beta)


@addmm.vjp("mat1")
def addmm_vjp_mat1(xp: Any, g: Any, mat2: Any, mat1_strides: Any, alpha: complex) -> Any:
    return _scaled(times_adjoint(xp, g, mat2, mat1_strides), alpha)


@addmm.vjp("mat2")
def addmm_vjp_mat2(xp: Any, g: Any, mat1: Any, mat2_strides: Any, alpha: complex) -> Any:
    return _scaled(adjoint_times(xp, mat1, g, mat2_strides), alpha)


@addmm.vmap
def addmm_vmap(
    input: Any, mat1: Any, mat2: Any, beta: complex, alpha: complex, batched: tuple[bool, bool, bool]
) -> Any:
    if batched == (False, True, False) and input.ndim < 2:
        # A linear layer that all elements share: one large product.
        return unfolded(addmm(input, folded(mat1), mat2, beta=beta, alpha=alpha), mat1.shape[:2])
    if batched[1] and batched[2]:
        return baddbmm(aligned(input, 2) if batched[0] else input, mat1, mat2, beta=beta, alpha=alpha)
    product = mm_vmap(mat1, mat2, batched[1:]) if batched[1] or batched[2] else mm(mat1, mat2)
    return _sum_of_batches("addmm", aligned(input, 2) if batched[0] else input, product, beta, alpha)


def _sums_of_vectors(make: Make) -> Iterator[Sample]:
    for shape in ((2,), (1,), ()):
        yield Sample(make(*shape), make(2, 3), make(3))
    yield Sample(make(2), make(2, 3), make(3), beta=0.5, alpha=-2.0)
    yield Sample(make(2), make(2, 0), make(0), beta=0.5)


@op(node="AddmvBackward0", promote="same", samples=_sums_of_vectors)
def addmv(xp: Any, input: Any, mat: Any, vec: Any, /, *, beta: complex = 1, alpha: complex = 1) -> Any:
    """``beta * input + alpha * mat @ vec``; ``input`` is broadcast, and not read where ``beta`` is 0."""
    if len(mat.shape) != 2 or len(vec.shape) != 1 or mat.shape[1] != vec.shape[0] or vec.dtype is dtypes.bool_:
        refuse_vector("addmv", mat, vec)
    _check_expands("addmv", input.shape, mat.shape[:1])
    return _scaled_sum(xp, "addmv", input, xp.matmul(mat, vec), beta, alpha)


@addmv.vjp("input")
def addmv_vjp_input(xp: Any, g: Any, beta: complex) -> Any:
    return _scaled(g, beta)


@addmv.vjp("mat")
def addmv_vjp_mat(xp: Any, g: Any, vec: Any, alpha: complex) -> Any:
    return _scaled(xp.multiply(column(xp, g), conj(xp, vec)), alpha)


@addmv.vjp("vec")
def addmv_vjp_vec(xp: Any, g: Any, mat: Any, alpha: complex) -> Any:
    return _scaled(xp.matmul(conj(xp, mat).mT, g), alpha)


@addmv.vmap
def addmv_vmap(input: Any, mat: Any, vec: Any, beta: complex, alpha: complex, batched: tuple[bool, bool, bool]) -> Any:
    product = mv_vmap(mat, vec, batched[1:]) if batched[1] or batched[2] else mv(mat, vec)
    return _sum_of_batches("addmv", aligned(input, 1) if batched[0] else input, product, beta, alpha)


def _sums_of_outer_products(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (3,), (2, 1), ()):
        yield Sample(make(*shape), make(2), make(3))
    yield Sample(make(2, 3), make(2), make(3), beta=0.5, alpha=-2.0)
    yield Sample(make(0, 3), make(0), make(3))


@op(node="AddrBackward0", promote="arithmetic", samples=_sums_of_outer_products)
def addr(xp: Any, input: Any, vec1: Any, vec2: Any, /, *, beta: complex = 1, alpha: complex = 1) -> Any:
    """``beta * input + alpha * outer(vec1, vec2)``; ``input`` is broadcast, and not read if ``beta`` is 0."""
    for name, vector in (("vec1", vec1), ("vec2", vec2)):
        if len(vector.shape) != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {len(vector.shape)}-D")
    _check_expands("addr", input.shape, (vec1.shape[0], vec2.shape[0]))
    if kind_of(xp, vec1) == "b":
        _check_factors("addr", dtypes.bool_, beta, alpha)
        product = xp.logical_and(column(xp, vec1), vec2)
        product = product if alpha else xp.zeros_like(product)
        return xp.logical_or(product, input) if beta else product
    return _scaled_sum(xp, "addr", input, xp.multiply(column(xp, vec1), vec2), beta, alpha)


@addr.vjp("input")
def addr_vjp_input(xp: Any, g: Any, beta: complex) -> Any:
    return _scaled(g, beta)


@addr.vjp("vec1")
def addr_vjp_vec1(xp: Any, g: Any, vec2: Any, alpha: complex) -> Any:
    return _scaled(xp.matmul(g, conj(xp, vec2)), alpha)


@addr.vjp("vec2")
def addr_vjp_vec2(xp: Any, g: Any, vec1: Any, alpha: complex) -> Any:
    return _scaled(xp.matmul(g.mT, conj(xp, vec1)), alpha)


@addr.vmap
def addr_vmap(input: Any, vec1: Any, vec2: Any, beta: complex, alpha: complex, batched: tuple[bool, bool, bool]) -> Any:
    product = vec1.unsqueeze(-1) * vec2.unsqueeze(-2)
    return _sum_of_batches("addr", aligned(input, 2) if batched[0] else input, product, beta, alpha)


def _sums_of_batches(make: Make) -> Iterator[Sample]:
    for shape in ((2, 4), (4,), ()):
        yield Sample(make(*shape), make(3, 2, 2), make(3, 2, 4))
    yield Sample(make(2, 4), make(3, 2, 2), make(3, 2, 4), beta=0.5, alpha=-2.0)
    yield Sample(make(2, 4), make(0, 2, 2), make(0, 2, 4))


@op(node="AddbmmBackward0", promote="same", samples=_sums_of_batches)
def addbmm(xp: Any, input: Any, batch1: Any, batch2: Any, /, *, beta: complex = 1, alpha: complex = 1) -> Any:
    """``beta * input + alpha * sum_i(batch1[i] @ batch2[i])``; ``input`` is not read if ``beta`` is 0."""
    check_batches("addbmm", batch1, batch2)
    _check_expands("addbmm", input.shape, (batch1.shape[1], batch2.shape[2]))
    # One product of two large matrices, not a sum of many small ones.
    return _scaled_sum(xp, "addbmm", input, xp.tensordot(batch1, batch2, axes=((0, 2), (0, 1))), beta, alpha)


@addbmm.vjp("input")
def addbmm_vjp_input(xp: Any, g: Any, beta: complex) -> Any:
    return _scaled(g, beta)


@addbmm.vjp("batch1")
def addbmm_vjp_batch1(xp: Any, g: Any, batch2: Any, alpha: complex) -> Any:
    return _scaled(xp.matmul(g, conj(xp, batch2).mT), alpha)


@addbmm.vjp("batch2")
def addbmm_vjp_batch2(xp: Any, g: Any, batch1: Any, alpha: complex) -> Any:
    return _scaled(xp.matmul(conj(xp, batch1).mT, g), alpha)


@addbmm.vmap
def addbmm_vmap(
    input: Any, batch1: Any, batch2: Any, beta: complex, alpha: complex, batched: tuple[bool, bool, bool]
) -> Any:
    # The sum of the products is the product of the matrices side by side.
    *many, b, n, k = batch1.shape
    *others, _, _, m = batch2.shape
    left = batch1.transpose(-3, -2).reshape((*many, n, b * k))
    right = batch2.reshape((*others, b * k, m))
    product = mm_vmap(left, right, batched[1:]) if batched[1] or batched[2] else mm(left, right)
    return _sum_of_batches("addbmm", aligned(input, 2) if batched[0] else input, product, beta, alpha)


def _batches_of_sums(make: Make) -> Iterator[Sample]:
    for shape in ((3, 2, 4), (3, 1, 4), (2, 4), (4,), ()):
        yield Sample(make(*shape), make(3, 2, 2), make(3, 2, 4))
    yield Sample(make(2, 4), make(3, 2, 2), make(3, 2, 4), beta=0.5, alpha=-2.0)
    yield Sample(make(2, 4), make(0, 2, 2), make(0, 2, 4))


@op(node="BaddbmmBackward0", promote="same", samples=_batches_of_sums)
def baddbmm(xp: Any, input: Any, batch1: Any, batch2: Any, /, *, beta: complex = 1, alpha: complex = 1) -> Any:
    """``beta * input + alpha * bmm(batch1, batch2)``; ``input`` is broadcast, not read if ``beta`` is 0."""
    check_batches("baddbmm", batch1, batch2)
    _check_expands("baddbmm", input.shape, (*batch1.shape[:2], batch2.shape[2]))
    return _scaled_sum(xp, "baddbmm", input, xp.matmul(batch1, batch2), beta, alpha)


@baddbmm.vjp("input")
def baddbmm_vjp_input(xp: Any, g: Any, beta: complex) -> Any:
    return _scaled(g, beta)


@baddbmm.vjp("batch1")
def baddbmm_vjp_batch1(xp: Any, g: Any, batch2: Any, alpha: complex) -> Any:
    return _scaled(xp.matmul(g, conj(xp, batch2).mT), alpha)


@baddbmm.vjp("batch2")
def baddbmm_vjp_batch2(xp: Any, g: Any, batch1: Any, alpha: complex) -> Any:
    return _scaled(xp.matmul(conj(xp, batch1).mT, g), alpha)


@baddbmm.vmap
def baddbmm_vmap(
    input: Any, batch1: Any, batch2: Any, beta: complex, alpha: complex, batched: tuple[bool, bool, bool]
) -> Any:
    product = bmm_vmap(batch1, batch2, batched[1:]) if batched[1] or batched[2] else bmm(batch1, batch2)
    return _sum_of_batches("baddbmm", aligned(input, 3) if batched[0] else input, product, beta, alpha)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``, over the last dimension of ``input``.

    Sizes ``(*, in)`` and ``(out, in)`` give ``(*, out)``.

    Raises:
        TypeError: an operand is no tensor.
        RuntimeError: the sizes do not fit, or the dtypes differ.
    """
    try:
        ndim, weights = input.ndim, weight.ndim
    except AttributeError:
        ndim, weights = as_tensor(input, "linear").ndim, as_tensor(weight, "linear", "weight", 2).ndim
    if not ndim or not weights:
        raise RuntimeError(f"both arguments to linear need to be at least 1D, but they are {ndim}D and {weights}D")
    if bias is None:
        return matmul(input, weight.t())
    if ndim == 2:
        return addmm(bias, input, weight.t())  # type: ignore[no-any-return]
    if bias.ndim > 1 or weights == 1 or not input.is_contiguous():
        return matmul(input, weight.t()) + bias  # type: ignore[no-any-return]
    size = input.shape
    out: Tensor = addmm(bias, input.view((math.prod(size[:-1]), size[-1])), weight.t())
    return out.view((*size[:-1], weight.shape[0]))


def _scaled(x: Any, factor: complex) -> Any:
    return x if factor == 1 else x * factor.conjugate()


def _scaled_sum(xp: Any, name: str, input: Any, product: Any, beta: complex, alpha: complex) -> Any:
    """``beta * input + alpha * product``, in the memory of ``product``, which is nobody else's."""
    if alpha != 1 or beta not in (0, 1):
        _check_factors(name, xp.np_dtype(product.dtype), beta, alpha)
    if alpha != 1:
        product *= alpha
    if beta == 1:
        product += input
    elif beta != 0:
        product += beta * input
    return product


def _sum_of_batches(name: str, input: Tensor, product: Tensor, beta: complex, alpha: complex) -> Tensor:
    """:func:`_scaled_sum` of tensors, of which one at least has a batch in front; both broadcast."""
    _check_factors(name, product.dtype, beta, alpha)
    total = product if alpha == 1 else product * alpha
    if beta == 0:
        return broadcast_to(total, broadcast_shapes(total.shape, input.shape)).clone()  # type: ignore[no-any-return]
    return total + (input if beta == 1 else beta * input)  # type: ignore[no-any-return]


def _check_factors(name: str, dtype: dtypes.DType, beta: complex, alpha: complex) -> None:
    """Raise for factors that integers cannot be multiplied by without being cut."""
    if dtypes.category(dtype) < 2:
        for which, factor in (("beta", beta), ("alpha", alpha)):
            if isinstance(factor, (float, complex)):
                raise RuntimeError(  # noqa: TRY004 - torch's class
                    f"For integral input tensors, argument {which} must not be a floating point number, but "
                    f"{name} got {which}={factor}"
                )


def _check_expands(name: str, have: Sequence[int], want: Sequence[int]) -> None:
    """Raise if a summand cannot be broadcast to the product's shape."""
    extra = len(want) - len(have)
    if extra < 0:
        raise RuntimeError(
            f"{name}: the number of sizes provided ({len(want)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({len(have)}): input of shape {list(have)} does not expand to "
            f"{list(want)}"
        )
    for i, (n, m) in enumerate(zip(have, want[extra:], strict=True), extra):
        if n not in (1, m):
            raise RuntimeError(
                f"{name}: The expanded size of the tensor ({m}) must match the existing size ({n}) at "
                f"non-singleton dimension {i}. Target sizes: {list(want)}. Tensor sizes: {list(have)}"
            )
