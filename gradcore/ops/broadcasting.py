"""Dimensions repeated without copying, and the shapes that operands have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore.op import op, standard
from gradcore.ops._batching import aligned
from gradcore.ops._operands import as_tensor
from gradcore.ops.shape import reshape, sizes, view_shape
from gradcore.ops.squeezing import insert_dim
from gradcore.size import Size
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
]


def _expansions(make: Make) -> Iterator[Sample]:
    for shape, size in (
        ((3,), (2, 3)),
        ((2, 1), (2, 3)),
        ((1, 1), (4, 2, 3)),
        ((), (2,)),
        ((1, 2), (0, 2)),
        ((2,), (2,)),
    ):
        yield Sample(make(*shape), size=size)


@op(node="ExpandBackward0", view=True, linear=True, samples=_expansions)
def expand_to(xp: Any, input: Any, /, size: tuple[int, ...]) -> Any:
    """``input`` with its dimensions of size 1 repeated, all in the same memory."""
    shape = input.shape
    extra = len(size) - len(shape)
    steps = [s if n == m else 0 for s, n, m in zip(xp.strides(input), shape, size[extra:], strict=True)]
    return xp.as_strided(input, size, (0,) * extra + tuple(steps))


@expand_to.vjp("input")
def expand_to_vjp(xp: Any, g: Any) -> Any:
    return g  # the engine sums what was repeated


@expand_to.vmap
def expand_to_vmap(input: Any, size: tuple[int, ...]) -> Any:
    return expand_to(aligned(input, len(size)), (input.shape[0], *size))


def expand(input: Tensor, *sizes_: Any, size: Any = None) -> Tensor:
    """Dimensions of size 1 repeated, and new ones put in front, without copying; -1 leaves a dimension as it is.

    Raises:
        RuntimeError: a dimension of another size would change.
    """
    input = as_tensor(input, "expand")
    given = sizes("expand", sizes_, "size", size)
    shape = input._data.shape
    extra = len(given) - len(shape)
    if extra < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(given)}) must be greater or equal to the number of dimensions in "
            f"the tensor ({len(shape)}); got {list(given)} for {list(shape)}"
        )
    full: list[int] = []
    for i, n in enumerate(given):
        have = shape[i - extra] if i >= extra else 1
        if n == -1:
            if i < extra:
                raise RuntimeError(
                    "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension "
                    f"{i}: {list(given)} for {list(shape)}"
                )
            n = have
        if n < 0 or have not in (n, 1):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({have}) at non-singleton dimension "
                f"{i}.  Target sizes: {list(given)}.  Tensor sizes: {list(shape)}"
            )
        full.append(n)
    return expand_to(input, tuple(full))  # type: ignore[no-any-return]


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` expanded to the shape of ``other``."""
    return expand(input, as_tensor(other, "expand_as", "other").shape)


@standard("broadcast_to")
def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """``input`` expanded to a shape."""
    return expand(input, tuple(shape))


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that operands of these shapes broadcast to.

    Raises:
        RuntimeError: they do not.
    """
    out: list[int] = []
    for shape in shapes:
        given = (shape,) if isinstance(shape, int) else tuple(shape)
        if any(n < 0 for n in given):
            raise ValueError(f"Attempting to broadcast a dimension with negative length: {list(given)}")
        out = [1] * (len(given) - len(out)) + out
        for i in range(-len(given), 0):
            if out[i] == 1:
                out[i] = given[i]
            elif given[i] not in (1, out[i]):
                raise RuntimeError(
                    f"The size of tensor a ({out[i]}) must match the size of tensor b ({given[i]}) at non-singleton "
                    f"dimension {len(out) + i}: Shape mismatch, objects cannot be broadcast to a single shape"
                )
    return Size(out)


@standard("broadcast_arrays")
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to the one shape that they broadcast to.

    Raises:
        RuntimeError: they do not broadcast.
    """
    given = list_of_tensors("broadcast_tensors", tensors)
    shape = broadcast_shapes(*(x._data.shape for x in given))
    return tuple([x if x._data.shape == shape else expand(x, shape) for x in given])


def atleast_1d(*tensors: Any) -> Any:
    """0-d tensors as ones of one element; others as they are. Takes several, or a list of them."""
    return _each(tensors, "atleast_1d", lambda x: x if x.ndim else reshape(x, (1,)))


def atleast_2d(*tensors: Any) -> Any:
    """Tensors of fewer than two dimensions as matrices of one row. Takes several, or a list of them."""

    def matrix(x: Tensor) -> Tensor:
        return reshape(x, (1, 1)) if x.ndim == 0 else insert_dim(x, 0) if x.ndim == 1 else x

    return _each(tensors, "atleast_2d", matrix)


def atleast_3d(*tensors: Any) -> Any:
    """Tensors of fewer than three dimensions with dimensions of size 1 added. Takes several, or a list of them."""

    def cube(x: Tensor) -> Tensor:
        if x.ndim == 0:
            return reshape(x, (1, 1, 1))
        return insert_dim(insert_dim(x, 0), -1) if x.ndim == 1 else insert_dim(x, -1) if x.ndim == 2 else x

    return _each(tensors, "atleast_3d", cube)


def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """The sum over dimensions that expanding a tensor of a given size to the shape of this one would repeat.

    Raises:
        RuntimeError: a tensor of that size cannot be expanded to the shape of this one.
    """
    from gradcore.ops.reduction import sum as sum_of  # which is built on this file

    input = as_tensor(input, "sum_to_size")
    to, shape = sizes("sum_to_size", size, "size"), tuple(input._data.shape)
    extra = len(shape) - len(to)
    if extra < 0 or any(n not in (1, m) for n, m in zip(to, shape[extra:], strict=True)):
        raise RuntimeError(f"size {{{list(to)}}} is not expandable to size {{{list(shape)}}}.")
    if not to:
        return sum_of(input)
    repeated = [i for i, n in enumerate(shape) if i < extra or to[i - extra] != n]
    out = sum_of(input, repeated, keepdim=True) if repeated else input
    return view_shape(out, to) if extra else out


def list_of_tensors(function: str, given: Sequence[Any]) -> list[Tensor]:
    """Tensors that came as several arguments or as one sequence."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = given[0]
    return [as_tensor(x, function, "tensors", i + 1) for i, x in enumerate(given)]


def _each(tensors: tuple[Any, ...], function: str, change: Any) -> Any:
    if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
        return change(as_tensor(tensors[0], function))
    return tuple([change(x) for x in list_of_tensors(function, tensors)])
