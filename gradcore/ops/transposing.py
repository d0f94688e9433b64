"""The dimensions of a tensor in another order. All are views."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore.op import op, standard
from gradcore.ops._batching import dims_of_batch
from gradcore.ops._dims import normalize_dim
from gradcore.ops._operands import as_tensor
from gradcore.ops.shape import alias, sizes
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["adjoint", "moveaxis", "movedim", "permute", "swapaxes", "swapdims", "t", "transpose"]


def _permutations(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3), dims=(1, 0))
    yield Sample(make(2, 3, 4), dims=(2, 0, 1))
    yield Sample(make(2, 0, 1), dims=(1, 2, 0))
    yield Sample(make(), dims=())


@op(node="PermuteBackward0", view=True, linear=True, samples=_permutations)
def permute_to(xp: Any, input: Any, /, dims: tuple[int, ...]) -> Any:
    """``out.shape[i] = input.shape[dims[i]]``."""
    return xp.permute_dims(input, dims)


@permute_to.vjp("input")
def permute_to_vjp(xp: Any, g: Any, dims: tuple[int, ...]) -> Any:
    return xp.permute_dims(g, tuple(sorted(range(len(dims)), key=dims.__getitem__)))


@permute_to.vmap
def permute_to_vmap(input: Any, dims: tuple[int, ...]) -> Any:
    return permute_to(input, (0, *dims_of_batch(input, dims)))


def _transpositions(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3), dim0=0, dim1=1)
    yield Sample(make(2, 3, 4), dim0=-1, dim1=0)
    yield Sample(make(2, 0), dim0=1, dim1=1)
    yield Sample(make(), dim0=0, dim1=-1)


@op(node="TransposeBackward0", view=True, linear=True, samples=_transpositions)
def transpose(xp: Any, input: Any, /, dim0: int, dim1: int) -> Any:
    """``input`` with two of its dimensions exchanged."""
    return xp.permute_dims(input, _exchanged(len(input.shape), dim0, dim1))


@transpose.vjp("input")
def transpose_vjp(xp: Any, g: Any, dim0: int, dim1: int) -> Any:
    return xp.permute_dims(g, _exchanged(len(g.shape), dim0, dim1))


@transpose.vmap
def transpose_vmap(input: Any, dim0: int, dim1: int) -> Any:
    dims = dims_of_batch(input, (dim0, dim1))
    return transpose(input, *dims) if input.ndim > 1 else alias(input)


def _matrices(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (3,), (), (0, 2)):
        yield Sample(make(*shape))


@op(node="TBackward0", view=True, linear=True, samples=_matrices)
def t(xp: Any, input: Any, /) -> Any:
    """The transpose of a matrix; tensors of fewer dimensions as they are."""
    ndim = len(input.shape)
    _check_at_most_matrix(ndim)
    return xp.permute_dims(input, tuple(range(ndim))[::-1])


@t.vjp("input")
def t_vjp(xp: Any, g: Any) -> Any:
    return xp.permute_dims(g, tuple(range(len(g.shape)))[::-1])


@t.vmap
def t_vmap(input: Any) -> Any:
    _check_at_most_matrix(input.ndim - 1)
    return transpose(input, 1, 2) if input.ndim == 3 else alias(input)


def permute(input: Tensor, *order: Any, dims: Any = None) -> Tensor:
    """The dimensions in another order: ``out.shape[i] = input.shape[dims[i]]``.

    Raises:
        RuntimeError: not every dimension is named, or one twice.
    """
    input = as_tensor(input, "permute")
    given = sizes("permute", order, "dims", dims)
    ndim = len(input._data.shape)
    if len(given) != ndim:
        raise RuntimeError(
            "permute(): number of dimensions in the tensor input does not match the length of the desired ordering of "
            f"dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(given)}"
        )
    found = tuple([normalize_dim(d, ndim) for d in given])
    if len(set(found)) != ndim:
        raise RuntimeError(f"permute(): duplicate dims are not allowed, but got {list(given)}")
    return permute_to(input, found)  # type: ignore[no-any-return]


@standard("permute_dims")
def permute_dims(x: Tensor, /, axes: Sequence[int]) -> Tensor:
    """The standard's spelling of :func:`permute`."""
    return permute(x, tuple(axes))


@standard("matrix_transpose")
def matrix_transpose(x: Tensor, /) -> Tensor:
    """The last two dimensions exchanged, as ``x.mT``.

    Raises:
        RuntimeError: there are fewer than two.
    """
    return transpose(_matrix(x, "mT"), -2, -1)  # type: ignore[no-any-return]


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged, and conjugated where complex."""
    input = as_tensor(input, "adjoint")
    return _conjugate(transpose(_matrix(input, "adjoint()"), -2, -1))


def conjugate_transpose(input: Tensor) -> Tensor:
    """The conjugate transpose of a matrix, as ``x.H``."""
    ndim = input.ndim
    if ndim not in (0, 2):
        more = " For batches of matrices, use tensor.mH" if ndim > 2 else ""
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {ndim}-D tensor.{more}")
    return _conjugate(transpose(input, -2, -1) if ndim else input)


def batch_adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of a batch of matrices, as ``x.mH``."""
    return _conjugate(transpose(_matrix(input, "mH"), -2, -1))


def reversed_dims(input: Tensor) -> Tensor:
    """The dimensions in reverse order, as ``x.T``."""
    if input.ndim > 2:
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated. Use `x.mT` to "
            "transpose batches of matrices, or `x.permute(*range(x.ndim - 1, -1, -1))` to reverse the dimensions",
            UserWarning,
            stacklevel=2,
        )
    return permute_to(input, tuple(range(input.ndim))[::-1])  # type: ignore[no-any-return]


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged; another name of :func:`transpose`."""
    return transpose(input, dim0, dim1)  # type: ignore[no-any-return]


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Two dimensions exchanged; another name of :func:`transpose`."""
    return transpose(input, axis0, axis1)  # type: ignore[no-any-return]


@standard("moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """The dimensions ``source`` moved to the positions ``destination``; the others keep their order.

    Raises:
        RuntimeError: there are more of one than of the other, or one is named twice.
    """
    input = as_tensor(input, "movedim")
    ndim = len(input._data.shape)
    given = [tuple(d) if isinstance(d, (tuple, list)) else (d,) for d in (source, destination)]
    if len(given[0]) != len(given[1]):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(given[0])} dims) should contain the same number "
            f"of dims as destination ({list(given[1])} dims)"
        )
    old, new = ([normalize_dim(d, ndim) for d in dims] for dims in given)
    for name, dims in (("source", old), ("destination", new)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({dims})")
    if not ndim:
        return alias(input)  # type: ignore[no-any-return]
    order = [d for d in range(ndim) if d not in old]
    for position, d in sorted(zip(new, old, strict=True)):
        order.insert(position, d)
    return permute_to(input, tuple(order))  # type: ignore[no-any-return]


moveaxis = movedim


def _exchanged(ndim: int, dim0: int, dim1: int) -> tuple[int, ...]:
    i, j = normalize_dim(dim0, ndim), normalize_dim(dim1, ndim)
    axes = list(range(ndim))
    if ndim:
        axes[i], axes[j] = j, i
    return tuple(axes)


def _check_at_most_matrix(ndim: int) -> None:
    if ndim > 2:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D; transpose(-2, -1) takes any"
        )


def _matrix(x: Tensor, what: str) -> Tensor:
    if x.ndim < 2:
        raise RuntimeError(
            f"tensor.{what} is only supported on matrices or batches of matrices. Got {x.ndim}-D tensor."
        )
    return x


def _conjugate(x: Tensor) -> Tensor:
    return x.conj() if x.is_complex() else x
