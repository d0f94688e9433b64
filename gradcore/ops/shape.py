"""Other shapes of the same elements: views that share the memory of their operand.

Repeated dimensions (``expand``) are in ``broadcasting.py``, parts of a tensor (``select``, ``narrow``, ``x[...]``) in
``indexing.py``; ``joining.py`` puts tensors together and takes them apart.
"""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.device import resolve
from gradcore.op import op, standard
from gradcore.ops._dims import normalize_dim, normalize_dims
from gradcore.ops._operands import as_tensor
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample, reals
from gradcore.view import replay

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "adjoint",
    "as_strided",
    "flatten",
    "moveaxis",
    "movedim",
    "permute",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
]

ALL = slice(None)


# One shape into another, element by element in row-major order.


def _reshapes(make: Make) -> Iterator[Sample]:
    for before, after in (((2, 3), (3, 2)), ((6,), (2, 3)), ((), (1, 1)), ((2, 0), (0,)), ((2, 1, 3), (2, 3))):
        yield Sample(make(*before), shape=after)


@op(node="ViewBackward0", view=True, linear=True, samples=_reshapes)
def view_shape(xp: Any, input: Any, /, shape: tuple[int, ...]) -> Any:
    """``input`` seen with another shape."""
    return _seen(xp, input, shape)


@op(node="ReshapeAliasBackward0", view=True, linear=True, samples=_reshapes)
def reshape_alias(xp: Any, input: Any, /, shape: tuple[int, ...]) -> Any:
    """``input``, which is not contiguous, seen with another shape that its strides allow."""
    return _seen(xp, input, shape)


@view_shape.vjp("input")
@reshape_alias.vjp("input")
def reshape_vjp(xp: Any, g: Any, input_shape: Any) -> Any:
    return xp.reshape(g, input_shape)


@view_shape.vmap
def view_shape_vmap(input: Any, shape: tuple[int, ...], size: int) -> Any:
    return view_shape(input, (size, *shape))


@reshape_alias.vmap
def reshape_alias_vmap(input: Any, shape: tuple[int, ...], size: int) -> Any:
    return reshape_alias(input, (size, *shape))


@op(node="UnsafeViewBackward0", linear=True, samples=_reshapes)
def reshape_copy(xp: Any, input: Any, /, shape: tuple[int, ...]) -> Any:
    """A copy of ``input`` with another shape."""
    out = xp.reshape(input, shape)
    return xp.copy(out) if xp.may_overlap(out, input) else out


@reshape_copy.vjp("input")
def reshape_copy_vjp(xp: Any, g: Any, input_shape: Any) -> Any:
    return xp.reshape(g, input_shape)


@reshape_copy.vmap
def reshape_copy_vmap(input: Any, shape: tuple[int, ...], size: int) -> Any:
    return reshape_copy(input, (size, *shape))


@op(node="AliasBackward0", view=True, linear=True, elementwise=True, samples=reals)
def alias(xp: Any, input: Any, /) -> Any:
    """A view of all of ``input``."""
    return xp.getitem(input, ...)


@alias.vjp("input")
def alias_vjp(xp: Any, g: Any) -> Any:
    return g


def view(input: Tensor, *shape: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """The same memory seen with another shape; one size may be -1: whatever makes up the number of elements.

    With a dtype instead of a shape, the same bytes read as that, as by ``detach()`` without a gradient.

    Raises:
        RuntimeError: the shape has another number of elements, or the strides of ``input`` do not allow it.
        RuntimeError: ``dtype`` has elements of another size, and the last dimension cannot be divided or joined.
    """
    if dtype is not None or (len(shape) == 1 and isinstance(shape[0], (np.dtype, type))):
        return _reinterpreted(as_tensor(input, "view"), dtypes.normalize(shape[0] if dtype is None else dtype))
    return view_shape(input, inferred(sizes("view", shape, "size", size), input._data.size))  # type: ignore[no-any-return]


def _strided_views(make: Make) -> Iterator[Sample]:
    yield Sample(make(6), size=(2, 3), stride=(3, 1), offset=0, steps=(1,))
    yield Sample(make(2, 3), size=(2, 2), stride=(2, 1), offset=1, steps=(3, 1))
    yield Sample(make(4), size=(3, 2), stride=(0, 1), offset=0, steps=(1,))
    yield Sample(make(3), size=(), stride=(), offset=2, steps=(1,))


@op(node="AsStridedBackward0", view=True, linear=True, reads_layout=True, samples=_strided_views)
def strided(
    xp: Any, input: Any, /, size: tuple[int, ...], stride: tuple[int, ...], offset: int, steps: tuple[int, ...]
) -> Any:
    """The memory of ``input``, whose strides are ``steps``, from element ``offset`` on, with other sizes and strides."""
    if any(n > 1 and a != b for n, a, b in zip(input.shape, xp.strides(input), steps, strict=True)):
        raise RuntimeError(
            f"as_strided() of a tensor with strides {list(steps)} cannot be followed in one with strides "
            f"{list(xp.strides(input))}"
        )
    if offset:
        # From the element at that place on; what lies before it cannot be reached.
        flat = xp.as_strided(input, (_extent(input.shape, steps),), (1,))
        input = xp.getitem(flat, (slice(offset, None), ...))
    return xp.as_strided(input, size, stride)


@strided.vjp("input")
def strided_vjp(
    xp: Any,
    g: Any,
    input_shape: Any,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int,
    steps: tuple[int, ...],
) -> Any:
    here = positions(size, stride) + offset
    there = positions(tuple(input_shape), steps)
    count = int(max(here.max(initial=0), there.max(initial=0))) + 1
    at = xp.asarray(here.reshape(-1))
    memory = xp.scatter_add(xp.reshape(g, (-1,)), (at,), (count,))
    # Where several elements of the operand are one in memory, each gets its share.
    times = np.bincount(there.reshape(-1), minlength=count)[there]
    found = xp.reshape(xp.getitem(memory, (xp.asarray(there.reshape(-1)),)), tuple(input_shape))
    return found if (times <= 1).all() else xp.divide(found, xp.asarray(times.astype(np.float64), dtype=g.dtype))


@strided.vmap
def strided_vmap(
    input: Any, size: tuple[int, ...], stride: tuple[int, ...], offset: int, steps: tuple[int, ...]
) -> Any:
    step = input.stride(0)
    return strided(input, (input.shape[0], *size), (step, *stride), offset, (step, *steps))


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """The memory of ``input`` seen with other sizes and strides (in elements); a view.

    Args:
        storage_offset: the first element, counted from the first of the base of ``input``. Default: the first of ``input``.

    Raises:
        RuntimeError: there are not as many strides as sizes, a negative one, or they leave the memory of ``input``.
        NotImplementedError: a ``storage_offset`` before the first element of ``input``.
    """
    input = as_tensor(input, "as_strided")
    return strided(input, *checked_strides(input, size, stride, storage_offset))  # type: ignore[no-any-return]


def checked_strides(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None
) -> tuple[tuple[int, ...], tuple[int, ...], int, tuple[int, ...]]:
    """The parameters of :func:`strided` for the arguments of :func:`as_strided`.

    Raises:
        As that does.
    """
    shape, steps = tuple(size), tuple(stride)
    if len(shape) != len(steps):
        raise RuntimeError(f"mismatch in length of strides and shape: {list(steps)} and {list(shape)}")
    if any(n < 0 for n in steps):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(steps)}")
    if any(n < 0 for n in shape):
        raise RuntimeError(f"as_strided: sizes must not be negative, but got {list(shape)}")
    offset = 0 if storage_offset is None else storage_offset
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    if storage_offset is not None and input._view is not None and (offset := offset - _start(input)) < 0:
        raise NotImplementedError(
            f"as_strided(storage_offset={storage_offset}) of a view that starts after that element is not supported: call it "
            "on the base, or leave storage_offset away to count from the first element of the view"
        )
    have = input._device.xp.strides(input._data)
    reach = _extent(input._data.shape, have)
    if 0 not in shape and offset + _extent(shape, steps) > reach:
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(steps)}, storage offset {offset} are out of bounds for a "
            f"tensor that covers {reach} elements of memory"
        )
    return shape, steps, offset, tuple(have)


def _start(input: Tensor) -> int:
    """Where the first element of a view lies, counted from the first of its base."""
    view = input._view
    assert view is not None
    base = view.base
    lies = positions(tuple(base._data.shape), base._device.xp.strides(base._data))
    return int(replay(resolve("cpu").xp, lies, view.chain).reshape(-1)[:1].sum())


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """The same memory seen with the shape of ``other``."""
    return view(input, as_tensor(other, "view_as", "other").shape)


@standard("reshape")
def reshape(input: Tensor, *sizes_: Any, shape: Any = None, copy: bool | None = None) -> Tensor:
    """The elements in another shape, in the same order; one size may be -1: whatever makes up their number.

    A view of ``input`` where its strides allow that, else a copy.

    Args:
        copy: ``True`` for a copy in any case; ``False`` to raise where one is needed.

    Raises:
        RuntimeError: the shape has another number of elements.
        ValueError: ``copy=False``, but there must be one.
    """
    input = as_tensor(input, "reshape")
    to = inferred(sizes("reshape", sizes_, "shape", shape), input._data.size)
    if copy:
        return reshape_copy(input, to)  # type: ignore[no-any-return]
    if input._device.xp.is_contiguous(input._data):
        return view_shape(input, to)  # type: ignore[no-any-return]
    try:
        return reshape_alias(input, to)  # type: ignore[no-any-return]
    except RuntimeError:
        if copy is False:
            raise ValueError(
                f"reshape(copy=False): the strides {input.stride()} of shape {list(input.shape)} do not allow a view of "
                f"shape {list(to)}"
            ) from None
        return reshape_copy(input, to)  # type: ignore[no-any-return]


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """The elements in the shape of ``other``."""
    return reshape(input, other.shape)


def ravel(input: Tensor) -> Tensor:
    """The elements in one dimension; a view where they lie in row-major order, else a copy."""
    return view(contiguous(as_tensor(input, "ravel")), -1)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from ``start_dim`` to ``end_dim`` made into one; the very tensor if that is one already.

    Raises:
        RuntimeError: ``start_dim`` comes after ``end_dim``.
    """
    input = as_tensor(input, "flatten")
    shape = input._data.shape
    first, last = normalize_dim(start_dim, len(shape)), normalize_dim(end_dim, len(shape))
    if first > last:
        raise RuntimeError(
            f"flatten() has invalid args: start_dim cannot come after end_dim, but got {start_dim} and {end_dim}"
        )
    if not shape:
        return reshape(input, (1,))
    if first == last:
        return input
    return reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension made into several; one of ``sizes`` may be -1.

    Raises:
        RuntimeError: the sizes do not multiply up to that of the dimension.
    """
    input = as_tensor(input, "unflatten")
    shape = input._data.shape
    dim = normalize_dim(dim, len(shape))
    sizes = tuple(operator.index(n) for n in sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    try:
        inner = inferred(sizes, shape[dim])
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({shape[dim]}) in the "
            "input tensor"
        ) from None
    return view_shape(input, (*shape[:dim], *inner, *shape[dim + 1 :]))  # type: ignore[no-any-return]


@op(node="CloneBackward0", linear=True, elementwise=True, standard="copy", samples=reals)
def clone_contiguous(xp: Any, input: Any, /) -> Any:
    """A row-major copy of ``input``."""
    return xp.copy(input)


@clone_contiguous.vjp("input")
def clone_contiguous_vjp(xp: Any, g: Any) -> Any:
    return g


def contiguous(input: Tensor) -> Tensor:
    """The elements in row-major order without gaps: the very tensor if they are so already, else a copy."""
    return input if input.is_contiguous() else clone_contiguous(input)


# The dimensions in another order.


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
    return permute_to(input, (0, *_shifted(input, dims)))


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
    dims = _shifted(input, (dim0, dim1))
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


# Dimensions of size 1.


def _unsqueezed(make: Make) -> Iterator[Sample]:
    for shape, dim in (((2, 3), 0), ((2, 3), -1), ((), 0), ((0, 2), 1)):
        yield Sample(make(*shape), dim=dim)


@op(node="UnsqueezeBackward0", view=True, linear=True, samples=_unsqueezed)
def insert_dim(xp: Any, input: Any, /, dim: int) -> Any:
    """A dimension of size 1 put in at position ``dim``."""
    return xp.getitem(input, (ALL,) * normalize_dim(dim, len(input.shape) + 1) + (None, ...))


@insert_dim.vjp("input")
def insert_dim_vjp(xp: Any, g: Any, input_shape: Any) -> Any:
    return xp.reshape(g, input_shape)


@insert_dim.vmap
def insert_dim_vmap(input: Any, dim: int) -> Any:
    return insert_dim(input, normalize_dim(dim, input.ndim) + 1)


@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A dimension of size 1 put in at position ``dim``."""
    return insert_dim(input, dim)  # type: ignore[no-any-return]


def _with_ones(make: Make) -> Iterator[Sample]:
    for shape in ((1, 2, 1, 3), (2, 3), (1, 1), (), (1, 0)):
        yield Sample(make(*shape))


@op(node="SqueezeBackward0", view=True, linear=True, samples=_with_ones)
def squeeze_all(xp: Any, input: Any, /) -> Any:
    """``input`` without its dimensions of size 1."""
    return _without(xp, input, range(len(input.shape)))


def _with_ones_at_a_dim(make: Make) -> Iterator[Sample]:
    for shape, dim in (((1, 2, 1), 0), ((2, 3), 1), ((2, 1), 1), ((), 0)):
        yield Sample(make(*shape), dim=dim)


@op(node="SqueezeBackward1", view=True, linear=True, samples=_with_ones_at_a_dim)
def squeeze_dim(xp: Any, input: Any, /, dim: int) -> Any:
    """``input`` without one dimension, if that has size 1."""
    return _without(xp, input, (dim,))


def _with_ones_at_dims(make: Make) -> Iterator[Sample]:
    for shape, dims in (((1, 2, 1), (0, 2)), ((1, 3), (0, 1)), ((1, 1), (1,)), ((2, 1), ())):
        yield Sample(make(*shape), dims=dims)


@op(node="SqueezeBackward2", view=True, linear=True, samples=_with_ones_at_dims)
def squeeze_dims(xp: Any, input: Any, /, dims: tuple[int, ...]) -> Any:
    """``input`` without those of some dimensions that have size 1."""
    return _without(xp, input, dims)


@squeeze_all.vjp("input")
@squeeze_dim.vjp("input")
@squeeze_dims.vjp("input")
def squeeze_vjp(xp: Any, g: Any, input_shape: Any) -> Any:
    return xp.reshape(g, input_shape)


@squeeze_all.vmap
def squeeze_all_vmap(input: Any) -> Any:
    return squeeze_dims(input, tuple(range(1, input.ndim)))


@squeeze_dim.vmap
def squeeze_dim_vmap(input: Any, dim: int) -> Any:
    return squeeze_dims(input, _shifted(input, (dim,)))


@squeeze_dims.vmap
def squeeze_dims_vmap(input: Any, dims: tuple[int, ...]) -> Any:
    return squeeze_dims(input, _shifted(input, dims))


@standard("squeeze")
@numpy_names
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """``input`` without dimensions of size 1: all, or those of ``dim`` that have it."""
    input = as_tensor(input, "squeeze")
    if dim is None:
        return squeeze_all(input)  # type: ignore[no-any-return]
    ndim = len(input._data.shape)
    if isinstance(dim, (tuple, list)):
        return squeeze_dims(input, normalize_dims(dim, ndim))  # type: ignore[no-any-return]
    return squeeze_dim(input, normalize_dim(dim, ndim))  # type: ignore[no-any-return, arg-type]


@standard("expand_dims")
def expand_dims(x: Tensor, /, *, axis: int = 0) -> Tensor:
    """The standard's spelling of :func:`unsqueeze`."""
    return insert_dim(x, axis)  # type: ignore[no-any-return]


# Helpers, some of which the neighbouring files use.


def _seen(xp: Any, input: Any, shape: tuple[int, ...]) -> Any:
    seen = xp.view(input, shape)
    if seen is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            f"contiguous subspaces): shape {list(input.shape)} with strides {list(xp.strides(input))}, seen as "
            f"{list(shape)}. Use .reshape(...) instead."
        )
    return seen


def _extent(shape: Any, steps: Sequence[int]) -> int:
    """How many elements of memory lie from the first to the last element."""
    return 0 if 0 in shape else 1 + sum([(n - 1) * step for n, step in zip(shape, steps, strict=True)])


def positions(shape: tuple[int, ...], steps: Sequence[int]) -> Any:
    """Where in memory each element lies, counted from the first."""
    at = np.zeros(shape, dtype=np.int64)
    for d, (n, step) in enumerate(zip(shape, steps, strict=True)):
        at += (np.arange(n) * step).reshape((n,) + (1,) * (len(shape) - d - 1))
    return at


def _reinterpreted(input: Tensor, dtype: dtypes.DType) -> Tensor:
    """The bytes of a tensor read as another dtype."""
    xp = input._device.xp
    shape, before, after = input._data.shape, input.dtype.itemsize, dtype.itemsize
    if before != after:
        names = f"{dtypes.scalar_type_name(input.dtype)} as {dtypes.scalar_type_name(dtype)} (different element sizes)"
        if not shape:
            raise RuntimeError(f"self.dim() cannot be 0 to view {names}")
        if xp.strides(input._data)[-1] != 1:
            raise RuntimeError(
                f"self.stride(-1) must be 1 to view {names}, but got {xp.strides(input._data)[-1]}; call contiguous() first"
            )
        if after > before and shape[-1] % (after // before):
            raise RuntimeError(
                f"self.size(-1) must be divisible by {after // before} to view {names}, but got {shape[-1]}"
            )
    out = input.detach()
    out._data = xp.reinterpret(input._data, dtype)
    return out


def sizes(function: str, given: tuple[Any, ...], argument: str, by_name: Any = None) -> tuple[int, ...]:
    """Integers that came as several arguments, or as one sequence, or by name."""
    if by_name is not None:
        given = (by_name,)
    if not given:
        raise TypeError(f'{function}() missing 1 required argument: "{argument}"')
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    for i, n in enumerate(given):
        if n.__class__ is not int:
            try:
                return tuple([operator.index(m) for m in given])
            except TypeError:
                raise TypeError(
                    f"{function}(): argument '{argument}' must be tuple of ints, but found element of type "
                    f"{type(n).__name__} at pos {i}"
                ) from None
    return given


def inferred(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """``shape`` with its -1 replaced by what makes up ``count`` elements."""
    if -1 not in shape:
        if math.prod(shape) == count and (not shape or min(shape) >= 0):
            return shape
        for i, n in enumerate(shape):
            if n < 0:
                raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(shape)}")
    else:
        if shape.count(-1) > 1:
            raise RuntimeError(f"only one dimension can be inferred, but got {list(shape)}")
        known = -math.prod(shape)
        if known == 0 and count == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 "
                "can be any value and is ambiguous"
            )
        if known > 0 and count % known == 0 and min(shape) == -1:
            return tuple([count // known if n == -1 else n for n in shape])
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {count}")


def _exchanged(ndim: int, dim0: int, dim1: int) -> tuple[int, ...]:
    i, j = normalize_dim(dim0, ndim), normalize_dim(dim1, ndim)
    axes = list(range(ndim))
    if ndim:
        axes[i], axes[j] = j, i
    return tuple(axes)


def _without(xp: Any, x: Any, dims: Sequence[int]) -> Any:
    """``x`` without those of ``dims`` that have size 1."""
    return xp.getitem(x, (*[0 if n == 1 and d in dims else ALL for d, n in enumerate(x.shape)], ...))


def _shifted(input: Any, dims: Sequence[int]) -> tuple[int, ...]:
    """Dimensions of an element as those of a batch; an element without dimensions has none."""
    ndim = input.ndim - 1
    return tuple([normalize_dim(d, ndim) + 1 for d in dims if ndim or normalize_dim(d, ndim)])


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
