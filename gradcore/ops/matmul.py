"""Matrix products: of vectors, matrices and batches of matrices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from gradcore import dtypes
from gradcore.graph import Node, new_node, node_class
from gradcore.op import conj, is_operand, op, standard
from gradcore.ops._operands import as_tensor
from gradcore.ops.creation import eye
from gradcore.ops.shape import broadcast_shapes
from gradcore.runtime import RUNTIME
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bmm",
    "chain_matmul",
    "dot",
    "matmul",
    "matrix_power",
    "mm",
    "mv",
    "vdot",
]


def _matrices(make: Make) -> Iterator[Sample]:
    for n, k, m in ((2, 3, 4), (1, 1, 1), (3, 1, 2), (0, 2, 3), (2, 0, 3)):
        yield Sample(make(n, k), make(k, m))


@op(node="MmBackward0", promote="same", multilinear=True, samples=_matrices)
def mm(xp: Any, input: Any, mat2: Any, /) -> Any:
    """The product of two matrices."""
    n, m = input.shape, mat2.shape
    if len(n) != 2 or len(m) != 2 or n[1] != m[0] or input.dtype is dtypes.bool_:
        _refuse_matrices("mm", input, mat2)
    return xp.matmul(input, mat2)


@mm.vjp("input")
def mm_vjp_input(xp: Any, g: Any, mat2: Any, input_strides: Any) -> Any:
    return _times_adjoint(xp, g, mat2, input_strides)


@mm.vjp("mat2")
def mm_vjp_mat2(xp: Any, g: Any, input: Any, mat2_strides: Any) -> Any:
    return _adjoint_times(xp, input, g, mat2_strides)


def _matrix_and_vector(make: Make) -> Iterator[Sample]:
    for n, k in ((2, 3), (1, 1), (0, 2), (2, 0)):
        yield Sample(make(n, k), make(k))


@op(node="MvBackward0", promote="same", multilinear=True, samples=_matrix_and_vector)
def mv(xp: Any, input: Any, vec: Any, /) -> Any:
    """The product of a matrix and a vector."""
    if len(input.shape) != 2 or len(vec.shape) != 1 or input.shape[1] != vec.shape[0] or vec.dtype is dtypes.bool_:
        _refuse_vector("mv", input, vec)
    return xp.matmul(input, vec)


@mv.vjp("input")
def mv_vjp_input(xp: Any, g: Any, vec: Any) -> Any:
    return xp.multiply(_column(xp, g), conj(xp, vec))


@mv.vjp("vec")
def mv_vjp_vec(xp: Any, g: Any, input: Any) -> Any:
    return xp.matmul(conj(xp, input).mT, g)


def _vectors(make: Make) -> Iterator[Sample]:
    for n in (3, 1, 0):
        yield Sample(make(n), make(n))


@op(node="DotBackward0", promote="same", multilinear=True, samples=_vectors)
def dot(xp: Any, input: Any, tensor: Any, /) -> Any:
    """``sum(input * tensor)`` of two vectors."""
    if len(input.shape) != 1 or input.shape != tensor.shape or input.dtype is dtypes.bool_:
        _refuse_vectors("dot", input, tensor)
    return xp.matmul(input, tensor)


@dot.vjp("input")
def dot_vjp_input(xp: Any, g: Any, tensor: Any) -> Any:
    return xp.multiply(g, conj(xp, tensor))


@dot.vjp("tensor")
def dot_vjp_tensor(xp: Any, g: Any, input: Any) -> Any:
    return xp.multiply(g, conj(xp, input))


@op(node="VdotBackward0", promote="same", samples=_vectors)
def vdot(xp: Any, input: Any, other: Any, /) -> Any:
    """``sum(conj(input) * other)`` of two vectors."""
    if len(input.shape) != 1 or input.shape != other.shape or input.dtype is dtypes.bool_:
        _refuse_vectors("vdot", input, other)
    return xp.matmul(conj(xp, input), other)


@vdot.vjp("input")
def vdot_vjp_input(xp: Any, g: Any, other: Any) -> Any:
    return xp.multiply(conj(xp, g), other)


@vdot.vjp("other")
def vdot_vjp_other(xp: Any, g: Any, input: Any) -> Any:
    return xp.multiply(g, input)


def _batches(make: Make) -> Iterator[Sample]:
    for b, n, k, m in ((2, 2, 3, 4), (1, 1, 1, 1), (0, 2, 3, 2), (2, 3, 0, 2)):
        yield Sample(make(b, n, k), make(b, k, m))


@op(node="BmmBackward0", promote="same", multilinear=True, samples=_batches)
def bmm(xp: Any, input: Any, mat2: Any, /) -> Any:
    """The products of the matrices of two batches, pair by pair."""
    _check_batches("bmm", input, mat2)
    return xp.matmul(input, mat2)


@bmm.vjp("input")
def bmm_vjp_input(xp: Any, g: Any, mat2: Any) -> Any:
    return xp.matmul(g, conj(xp, mat2).mT)


@bmm.vjp("mat2")
def bmm_vjp_mat2(xp: Any, g: Any, input: Any) -> Any:
    return xp.matmul(conj(xp, input).mT, g)


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
        _refuse_matrices("addmm", mat1, mat2)
    shape = input.shape
    if shape != m[1:]:
        _check_expands("addmm", shape, (n[0], m[1]))
    return _scaled_sum(xp, "addmm", input, xp.matmul(mat1, mat2), beta, alpha)


@addmm.vjp("input")
def addmm_vjp_input(xp: Any, g: Any, beta: complex) -> Any:
    return _scaled(g, beta)


@addmm.vjp("mat1")
def addmm_vjp_mat1(xp: Any, g: Any, mat2: Any, mat1_strides: Any, alpha: complex) -> Any:
    return _scaled(_times_adjoint(xp, g, mat2, mat1_strides), alpha)


@addmm.vjp("mat2")
def addmm_vjp_mat2(xp: Any, g: Any, mat1: Any, mat2_strides: Any, alpha: complex) -> Any:
    return _scaled(_adjoint_times(xp, mat1, g, mat2_strides), alpha)


def _sums_of_vectors(make: Make) -> Iterator[Sample]:
    for shape in ((2,), (1,), ()):
        yield Sample(make(*shape), make(2, 3), make(3))
    yield Sample(make(2), make(2, 3), make(3), beta=0.5, alpha=-2.0)
    yield Sample(make(2), make(2, 0), make(0), beta=0.5)


@op(node="AddmvBackward0", promote="same", samples=_sums_of_vectors)
def addmv(xp: Any, input: Any, mat: Any, vec: Any, /, *, beta: complex = 1, alpha: complex = 1) -> Any:
    """``beta * input + alpha * mat @ vec``; ``input`` is broadcast, and not read where ``beta`` is 0."""
    if len(mat.shape) != 2 or len(vec.shape) != 1 or mat.shape[1] != vec.shape[0] or vec.dtype is dtypes.bool_:
        _refuse_vector("addmv", mat, vec)
    _check_expands("addmv", input.shape, mat.shape[:1])
    return _scaled_sum(xp, "addmv", input, xp.matmul(mat, vec), beta, alpha)


@addmv.vjp("input")
def addmv_vjp_input(xp: Any, g: Any, beta: complex) -> Any:
    return _scaled(g, beta)


@addmv.vjp("mat")
def addmv_vjp_mat(xp: Any, g: Any, vec: Any, alpha: complex) -> Any:
    return _scaled(xp.multiply(_column(xp, g), conj(xp, vec)), alpha)


@addmv.vjp("vec")
def addmv_vjp_vec(xp: Any, g: Any, mat: Any, alpha: complex) -> Any:
    return _scaled(xp.matmul(conj(xp, mat).mT, g), alpha)


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
    return _scaled_sum(xp, "addr", input, xp.multiply(_column(xp, vec1), vec2), beta, alpha)


@addr.vjp("input")
def addr_vjp_input(xp: Any, g: Any, beta: complex) -> Any:
    return _scaled(g, beta)


@addr.vjp("vec1")
def addr_vjp_vec1(xp: Any, g: Any, vec2: Any, alpha: complex) -> Any:
    return _scaled(xp.matmul(g, conj(xp, vec2)), alpha)


@addr.vjp("vec2")
def addr_vjp_vec2(xp: Any, g: Any, vec1: Any, alpha: complex) -> Any:
    return _scaled(xp.matmul(g.mT, conj(xp, vec1)), alpha)


def _sums_of_batches(make: Make) -> Iterator[Sample]:
    for shape in ((2, 4), (4,), ()):
        yield Sample(make(*shape), make(3, 2, 2), make(3, 2, 4))
    yield Sample(make(2, 4), make(3, 2, 2), make(3, 2, 4), beta=0.5, alpha=-2.0)
    yield Sample(make(2, 4), make(0, 2, 2), make(0, 2, 4))


@op(node="AddbmmBackward0", promote="same", samples=_sums_of_batches)
def addbmm(xp: Any, input: Any, batch1: Any, batch2: Any, /, *, beta: complex = 1, alpha: complex = 1) -> Any:
    """``beta * input + alpha * sum_i(batch1[i] @ batch2[i])``; ``input`` is not read if ``beta`` is 0."""
    _check_batches("addbmm", batch1, batch2)
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


def _batches_of_sums(make: Make) -> Iterator[Sample]:
    for shape in ((3, 2, 4), (3, 1, 4), (2, 4), (4,), ()):
        yield Sample(make(*shape), make(3, 2, 2), make(3, 2, 4))
    yield Sample(make(2, 4), make(3, 2, 2), make(3, 2, 4), beta=0.5, alpha=-2.0)
    yield Sample(make(2, 4), make(0, 2, 2), make(0, 2, 4))


@op(node="BaddbmmBackward0", promote="same", samples=_batches_of_sums)
def baddbmm(xp: Any, input: Any, batch1: Any, batch2: Any, /, *, beta: complex = 1, alpha: complex = 1) -> Any:
    """``beta * input + alpha * bmm(batch1, batch2)``; ``input`` is broadcast, not read if ``beta`` is 0."""
    _check_batches("baddbmm", batch1, batch2)
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


@standard("matmul")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product: of two vectors a number, of two matrices a matrix, of more dimensions a batch.

    Dimensions before the last two are batches, and broadcast. A vector stands for a matrix of one row on the
    left, of one column on the right; that dimension is left out of the result.

    Raises:
        RuntimeError: the sizes do not fit, a tensor is 0-d, or the dtypes differ (there is no promotion
            here).
    """
    Tensor = RUNTIME["Tensor"]
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        input, other = as_tensor(input, "matmul"), as_tensor(other, "matmul", "other", 2)
    left, right = len(input._data.shape), len(other._data.shape)
    if left == 2:
        if right == 2:
            return mm(input, other)  # type: ignore[no-any-return]
        if right == 1:
            return mv(input, other)  # type: ignore[no-any-return]
    elif left == 1:
        if right == 1:
            return dot(input, other)  # type: ignore[no-any-return]
        if right == 2:
            return _reshaped(mm(input.unsqueeze(0), other), other._data.shape[1:], _SQUEEZE)
    if not left or not right:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {left}D and {right}D")
    return _batched(input, other)


def matmul_operator(self: Tensor, other: Any) -> Any:
    """``self @ other``."""
    return matmul(self, other) if isinstance(other, RUNTIME["Tensor"]) or _is_array(other) else NotImplemented


def reflected_matmul_operator(self: Tensor, other: Any) -> Any:
    """``other @ self``, where ``other`` is an array that leaves it to the tensor."""
    return matmul(other, self) if _is_array(other) else NotImplemented


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``, over the last dimension of ``input``.

    Sizes ``(*, in)`` and ``(out, in)`` give ``(*, out)``.

    Raises:
        RuntimeError: the sizes do not fit, or the dtypes differ.
    """
    ndim, weights = input.ndim, weight.ndim
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


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices, in the order of least work; the first and the last may be vectors.

    Raises:
        RuntimeError: fewer than two, neighbours that do not fit, or dtypes that differ.
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    matrices, size = _as_chain(tensors)
    last = len(matrices) - 1
    splits = _best_splits([m.shape[0] for m in matrices] + [matrices[-1].shape[1]])
    # Products from small ranges to large ones, instead of a recursion from the whole to its parts.
    parts: dict[tuple[int, int], Tensor] = {(i, i): m for i, m in enumerate(matrices)}
    order: list[tuple[int, int]] = []
    stack = [(0, last)]
    while stack:
        i, j = stack.pop()
        if i != j:
            order.append((i, j))
            stack += [(i, splits[i, j]), (splits[i, j] + 1, j)]
    for i, j in reversed(order):
        parts[i, j] = mm(parts[i, splits[i, j]], parts[splits[i, j] + 1, j])
    return parts[0, last].view(tuple(size))


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of one or more matrices, in the order of least work; see :func:`multi_dot`."""
    for i, m in enumerate(matrices):
        if m.ndim != 2:
            raise RuntimeError(f"chain_matmul(): tensor {i} has dimension {m.ndim}, expected 2 instead")
    return matrices[0].clone() if len(matrices) == 1 else multi_dot(matrices)


def matrix_power(input: Tensor, n: int) -> Tensor:
    """``input @ input @ ...``, ``n`` times, of a square matrix or a batch of them, by repeated squaring.

    Raises:
        NotImplementedError: ``n`` is negative.
        RuntimeError: the matrices are not square.
    """
    if input.ndim < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    rows, columns = input.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they are {rows} by {columns} matrices"
        )
    if n < 0:
        raise NotImplementedError(f"matrix_power with a negative n ({n}) needs the inverse, which is not there yet")
    if n == 0:
        out: Tensor = input.clone()
        return out.copy_(eye(rows, dtype=input.dtype, device=input.device))
    if n == 1:
        return input.clone()  # type: ignore[no-any-return]
    result: Tensor | None = None
    square = input
    while True:
        if n & 1:
            result = square if result is None else matmul(square, result)
        n >>= 1
        if not n:
            assert result is not None
            return result
        square = matmul(square, square)


def unsafe_view(result: Tensor, size: tuple[int, ...]) -> Tensor:
    """A result that nobody else holds yet, in another shape. As in PyTorch, that is no view of anything."""
    return _reshaped(result, size, _UNSAFE_VIEW)


def _reshaped(result: Tensor, size: tuple[int, ...], cls: type[Node]) -> Tensor:
    xp: Any = result._device.xp
    raw = result._data
    if raw.shape != size:
        raw = result._data = xp.reshape(raw, size)
    if result._edge is not None:
        result._edge = new_node(cls, _RESHAPING, xp, (result._edge,), raw.shape, raw.dtype)
    return result


class _Reshaping:
    """Runs the node of a reshaped result: gives the gradient the shape that the result had."""

    saves_tensors = False

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any]:
        return (xp.reshape(g, node._next[0]._shape),)

    def graph(self, node: Node, xp: Any, g: Tensor) -> tuple[Any]:
        return (g.reshape(node._next[0]._shape),)


_RESHAPING = _Reshaping()
_UNSAFE_VIEW, _SQUEEZE = node_class("UnsafeViewBackward0"), node_class("SqueezeBackward4")


def _is_array(x: Any) -> bool:
    """Whether ``x`` is an array with dimensions; numbers are no factors of a matrix product."""
    return is_operand(x) and len(getattr(x, "shape", ())) > 0


def _batched(x: Tensor, y: Tensor) -> Tensor:
    """The matrix product where one operand at least has batches."""
    a, b = x._data.shape, y._data.shape
    _check_inner(a, b)
    if len(a) == len(b) == 3:
        if a[0] == b[0]:
            return unsafe_view(bmm(x, y), (a[0], a[1], b[2]))
        # A batch of one matrix is a matrix: one large product then stands for the many of the other batch. Only
        # where that matrix needs a gradient, since otherwise there is nothing to gain that the copy does not cost.
        if b[0] == 1 and y.requires_grad:
            y = y.squeeze(0)
        elif a[0] == 1 and x.requires_grad:
            x = x.squeeze(0)
    if y.ndim <= 2 and _folds(x, y):
        return _folded(x, y)
    if x.ndim <= 2 and _folds(y.mT, x, right=False):
        if x.ndim == 1:
            return _folded(y.mT, x)
        return _folded(y.mT, x.t()).mT.contiguous()  # type: ignore[no-any-return]
    return _expanded(x, y)


def _folds(large: Tensor, small: Tensor, right: bool = True) -> bool:
    """Whether the batches of ``large`` are to be seen as more rows of one matrix."""
    if small.requires_grad:
        return True
    if not right and small.ndim == 2:
        # The result would have to be transposed, in a copy.
        return False
    return large.numel() == 0 or _rows_are_evenly_spaced(large)


def _rows_are_evenly_spaced(x: Tensor) -> bool:
    """Whether all dimensions but the last can be seen as one without a copy."""
    shape, strides = x.shape, x.stride()
    return all(strides[i] == strides[i + 1] * shape[i + 1] for i in range(x.ndim - 2))


def _folded(large: Tensor, small: Tensor) -> Tensor:
    """``large @ small``, with all rows of ``large`` as one matrix."""
    size = large._data.shape
    rows = large.reshape((math.prod(size[:-1]), size[-1]))
    out = mv(rows, small) if small.ndim == 1 else mm(rows, small)
    return unsafe_view(out, (*size[:-1], *small._data.shape[1:]))


def _expanded(x: Tensor, y: Tensor) -> Tensor:
    """The product of two batches, broadcast against each other."""
    a, b = x._data.shape, y._data.shape
    batch = tuple(broadcast_shapes(a[:-2], b[:-2]))
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
    left = _as_batch(x if rows else x.unsqueeze(0), batch)
    right = _as_batch(y if columns else y.unsqueeze(1), batch)
    return unsafe_view(bmm(left, right), batch + rows + columns)


def _as_batch(x: Tensor, batch: tuple[int, ...]) -> Tensor:
    """Matrices, expanded to the batches ``batch``, in one batch."""
    shape = x._data.shape
    if shape[:-2] != batch:
        x = x.expand(batch + shape[-2:])
    return x if len(batch) == 1 else x.reshape((math.prod(batch), *shape[-2:]))


def _as_chain(tensors: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
    """The factors of a chain as matrices, and the size of its product."""
    matrices = list(tensors)
    for i, t in enumerate(tensors):
        if t.ndim != 2 and not (t.ndim == 1 and i in (0, len(tensors) - 1)):
            expected = "1D or 2D" if i in (0, len(tensors) - 1) else "2D"
            raise RuntimeError(f"multi_dot(): tensor {i} must be {expected} but got {t.ndim}D")
        if t.dtype != tensors[0].dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must be of the same dtype, but tensor 0 is "
                f"{dtypes.dtype_name(tensors[0].dtype)} and tensor {i} {dtypes.dtype_name(t.dtype)}"
            )
    size = [*tensors[0].shape[:-1], *tensors[-1].shape[1:]]
    if tensors[0].ndim == 1:
        matrices[0] = tensors[0].unsqueeze(0)
    if tensors[-1].ndim == 1:
        matrices[-1] = tensors[-1].unsqueeze(1)
    for i in range(len(matrices) - 1):
        if matrices[i].shape[1] != matrices[i + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(matrices[i].shape)} and "
                f"{list(matrices[i + 1].shape)} cannot be multiplied"
            )
    return matrices, size


def _best_splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split each range of a chain of matrices, for the fewest multiplications."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i, j], splits[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return splits


# What the rules share. A gradient is computed in the memory layout of the operand that it is for: a leaf then
# takes it as it is, also where the operand is the transpose of a leaf (the weight of a linear layer).


def _times_adjoint(xp: Any, g: Any, other: Any, strides: Any) -> Any:
    """``g @ other.mH``, for an operand with the given strides."""
    if _column_major(strides):
        return xp.matmul(conj(xp, other), g.mT).mT
    return xp.matmul(g, conj(xp, other).mT)


def _adjoint_times(xp: Any, other: Any, g: Any, strides: Any) -> Any:
    """``other.mH @ g``, for an operand with the given strides."""
    if _column_major(strides):
        return xp.matmul(g.mT, conj(xp, other)).mT
    return xp.matmul(conj(xp, other).mT, g)


def _column_major(strides: Any) -> bool:
    return bool(strides[0] == 1 != strides[1])


def _column(xp: Any, x: Any) -> Any:
    return xp.reshape(x, (x.shape[0], 1))


def _scaled(x: Any, factor: complex) -> Any:
    return x if factor == 1 else x * factor.conjugate()


def _scaled_sum(xp: Any, name: str, input: Any, product: Any, beta: complex, alpha: complex) -> Any:
    """``beta * input + alpha * product``, in the memory of ``product``, which is nobody else's."""
    if alpha != 1 or beta not in (0, 1):
        _check_factors(xp, name, product, beta, alpha)
    if alpha != 1:
        product *= alpha
    if beta == 1:
        product += input
    elif beta != 0:
        product += beta * input
    return product


# Errors.


def _check_factors(xp: Any, name: str, product: Any, beta: complex, alpha: complex) -> None:
    if dtypes.category(xp.np_dtype(product.dtype)) < 2:
        for which, factor in (("beta", beta), ("alpha", alpha)):
            if isinstance(factor, (float, complex)):
                raise RuntimeError(  # noqa: TRY004 - torch's class
                    f"For integral input tensors, argument {which} must not be a floating point number, but "
                    f"{name} got {which}={factor}"
                )


def _check_inner(a: Sequence[int], b: Sequence[int]) -> None:
    """Raise if the inner sizes of a batched product differ."""
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({_by(a)} and {_by(b)}): the last size of the first, "
            f"{a[-1]}, must equal the {'next to last' if len(b) > 1 else 'only'} size of the second, {inner} "
            "(size mismatch in matmul)"
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


def _check_batches(name: str, first: Any, second: Any) -> None:
    a, b = first.shape, second.shape
    for which, shape in (("batch1", a), ("batch2", b)):
        if len(shape) != 3:
            raise RuntimeError(f"{which} must be a 3D tensor, but {name} got {len(shape)}-D {list(shape)}")
    if a[0] != b[0] or a[2] != b[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a[0]}, {a[2]}] but got: "
            f"[{b[0]}, {b[1]}]. ({name} of {list(a)} and {list(b)})"
        )
    if first.dtype is dtypes.bool_:
        _refuse_bool(name)


def _refuse_matrices(name: str, first: Any, second: Any) -> NoReturn:
    for which, x in (("mat1", first), ("mat2", second)):
        if len(x.shape) != 2:
            raise RuntimeError(
                f"{which} must be a matrix, got {len(x.shape)}-D tensor of shape {list(x.shape)} ({name}; "
                "matmul takes any number of dimensions)"
            )
    if first.shape[1] == second.shape[0]:
        _refuse_bool(name)
    raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({_by(first.shape)} and {_by(second.shape)})")


def _refuse_vector(name: str, matrix: Any, vector: Any) -> NoReturn:
    if len(matrix.shape) != 2 or len(vector.shape) != 1:
        raise RuntimeError(
            f"{name}: vector + matrix @ vector expected, got a matrix of shape {list(matrix.shape)} and a "
            f"vector of shape {list(vector.shape)}"
        )
    if matrix.shape[1] == vector.shape[0]:
        _refuse_bool(name)
    raise RuntimeError(f"size mismatch, got mat ({_by(matrix.shape)}), vec ({vector.shape[0]}) ({name})")


def _refuse_vectors(name: str, first: Any, second: Any) -> NoReturn:
    a, b = first.shape, second.shape
    if len(a) != 1 or len(b) != 1:
        raise RuntimeError(f"1D tensors expected, but got {len(a)}D and {len(b)}D tensors ({name})")
    if a == b:
        _refuse_bool(name)
    raise RuntimeError(
        f"inconsistent tensor size, expected tensor [{a[0]}] and src [{b[0]}] to have the same number of "
        f"elements, but got {a[0]} and {b[0]} elements respectively ({name})"
    )


def _refuse_bool(name: str) -> NoReturn:
    raise NotImplementedError(
        f"\"{name}\" not implemented for 'Bool'; convert to a number dtype first, with .to(dtype)"
    )


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
