"""Other shapes of the same elements: views that share the memory of their operand.

The dimensions in another order are in ``transposing.py``, those of size 1 in ``squeezing.py``, repeated ones (``expand``)
in ``broadcasting.py``, parts of a tensor (``select``, ``narrow``, ``x[...]``) in ``indexing.py``; ``joining.py`` puts
tensors together and takes them apart.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.device import resolve
from gradcore.op import op, standard
from gradcore.ops._dims import normalize_dim
from gradcore.ops._operands import as_tensor
from gradcore.testing.samples import Make, Sample, reals
from gradcore.view import replay

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["as_strided", "flatten", "ravel", "reshape", "unflatten"]

ALL = slice(None)


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
