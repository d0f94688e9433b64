"""Indexing a batch: how ``x[at]`` of each element becomes one index of all.

Where the index tensors are the same for all elements, the batch is one more dimension that the index leaves as it is. Where
they differ, the number of the element is one more index tensor beside them. Array libraries put the dimensions that index
tensors make in the place of theirs if they stand side by side, and in front otherwise; so the batch has to be moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from gradcore import dtypes
from gradcore.op import is_tensor
from gradcore.ops import creation
from gradcore.ops._batching import aligned, expanded
from gradcore.ops._indices import Place
from gradcore.ops.shape import ALL

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["BatchedIndex", "in_front", "is_mask", "number_of_element", "refuse_dynamic_shape"]


class BatchedIndex:
    """An index of elements as an index of the batch.

    Args:
        at: the index of an element: integers, slices, ``None``, ``...``, and places for index tensors, of which there is one
            at least.
        indices: the index tensors, with the batch in front where they are ``batched``.
        shape: the shape of an element of what is indexed.
        size: how many elements there are.
        joined: whether what is indexed has the batch in front, too; otherwise all elements share it.
    """

    def __init__(
        self,
        at: tuple[Any, ...],
        indices: Sequence[Tensor],
        batched: Sequence[bool],
        shape: Sequence[int],
        size: int,
        joined: bool = True,
    ) -> None:
        _refuse_batched_masks(indices, batched)
        where = indices[0].device
        self.some = any(batched)
        tensors: list[Tensor] = []
        flags: list[bool] = []

        def place(tensor: Tensor, flag: bool) -> Place:
            tensors.append(tensor)
            flags.append(flag)
            return Place(len(tensors) - 1)

        taken = sum([_dims_taken(i, indices, batched) for i in at])
        basic: list[Any] = []
        rest: list[Any] = []
        for i in at:
            if i is Ellipsis:
                basic += [ALL] * (len(shape) - taken)
                rest += [ALL] * (len(shape) - taken)
            elif i.__class__ is Place:
                basic += [ALL] * _dims_taken(i, indices, batched)
                tensor = indices[i]
                if self.some and tensor.dtype == dtypes.bool_:
                    rest += [place(part, False) for part in tensor.nonzero(as_tuple=True)]
                else:
                    rest.append(place(tensor, batched[i]))
            elif i is None or isinstance(i, slice):
                basic.append(i)
                rest.append(ALL)
            else:
                basic.append(ALL)
                rest.append(place(creation.tensor(i, device=where), False))
        self.basic = () if all(i == ALL for i in basic) else (ALL, *basic, ...) if joined else (*basic, ...)
        self._arrange(rest, tensors, flags, shape, size, joined)

    def _arrange(
        self,
        rest: Sequence[Any],
        tensors: Sequence[Tensor],
        flags: Sequence[bool],
        shape: Sequence[int],
        size: int,
        joined: bool,
    ) -> None:
        places = [n for n, i in enumerate(rest) if i.__class__ is Place]
        together = places[-1] - places[0] == len(places) - 1
        made = max([1 if is_mask(x) else x.ndim - flag for x, flag in zip(tensors, flags, strict=True)])
        covered = sum([x.ndim if is_mask(x) else 1 for x in tensors])
        kept = len(shape) + sum([i is None for i in self.basic]) - covered
        before = places[0] if together else 0
        self.ndim = kept + made
        self.indices = [aligned(x, made) if flag else x for x, flag in zip(tensors, flags, strict=True)]
        left, right, middle = list(range(before)), list(range(before, kept)), [-1 - n for n in range(made)]
        batch = [None]
        if joined and self.some:
            # The number of the element stands first, and so do all dimensions that index tensors make.
            self.at = (Place(len(tensors)), *rest)
            self.indices.append(number_of_element(size, made, tensors[0]))
            found = [*batch, *middle, *left, *right]
        elif joined:
            self.at = (ALL, *rest)
            found = [*batch, *left, *middle, *right] if together else [*middle, *batch, *right]
        else:
            self.at = tuple(rest)
            found = [*left, *batch, *middle, *right]
        wanted = [*batch, *left, *middle, *right]
        self.order = tuple([found.index(d) for d in wanted])
        self.inverse = tuple([wanted.index(d) for d in found])

    def result(self, found: Tensor) -> Tensor:
        """What indexing gives, with the batch in front and the rest as in an element."""
        return found if self.order == tuple(range(len(self.order))) else found.permute(self.order).contiguous()

    def values(self, values: Tensor) -> Tensor:
        """A batch of values that broadcast to what indexing gives, as they are written there."""
        values = aligned(values, self.ndim)
        return values if self.inverse == tuple(range(len(self.inverse))) else values.permute(self.inverse)


def _refuse_batched_masks(indices: Sequence[Tensor], batched: Sequence[bool]) -> None:
    """Raise if a mask differs among the elements: so would the shape of the result."""
    if any(flag and is_mask(x) for x, flag in zip(indices, batched, strict=True)):
        raise RuntimeError(
            "vmap: We do not support batching operators that can output dynamic shape: indexing with a boolean mask that "
            "differs among the elements of the batch gives a differently shaped Tensor for each. Use where() or masked_fill()"
        )


def refuse_dynamic_shape(name: str) -> NoReturn:
    """Raise for an operation whose result has another shape for each element."""
    raise RuntimeError(
        f"vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over {name}, which "
        "gives a differently shaped Tensor for each element of the batch. Use where(), or call it outside of vmap"
    )


def number_of_element(size: int, ndim: int, like: Tensor) -> Tensor:
    """The numbers of the elements, to stand beside index tensors of ``ndim`` dimensions."""
    numbers = creation.arange(size, device=like.device)
    return numbers.reshape((size,) + (1,) * ndim)


def in_front(x: Any, flag: bool, size: int) -> Any:
    """An operand with the batch in front; one that all elements share is repeated, in the same memory."""
    return x if flag or not is_tensor(x) else expanded(x, size)


def is_mask(x: Tensor) -> bool:
    """Whether an index tensor is a mask."""
    return x.dtype == dtypes.bool_


def _dims_taken(item: Any, indices: Sequence[Tensor], batched: Sequence[bool]) -> int:
    if item is None or item is Ellipsis:
        return 0
    if item.__class__ is Place and is_mask(indices[item]):
        return indices[item].ndim - batched[item]
    return 1
