"""Reading and adding at index tensors that may leave the tensor where a mask says that nothing is read or added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore.op import is_tensor, op
from gradcore.ops._batched_indices import number_of_element
from gradcore.ops._batching import aligned
from gradcore.ops._indices import int_samples
from gradcore.ops._operands import as_tensor
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["_unsafe_masked_index", "_unsafe_masked_index_put_accumulate"]


def _masked_reads(make: Make) -> Iterator[Sample]:
    mask = make.of([[True, False], [True, True]], np.dtype(np.bool_))
    rows, columns = int_samples(make, [[0], [2]]), int_samples(make, [[1, 9]])
    yield Sample(make(3, 2), mask, rows, columns, fill=1.5)
    yield Sample(make(3), make.of([True, False], np.dtype(np.bool_)), int_samples(make, [2, -7]), fill=0.0)


@op(node="UnsafeMaskedIndexBackward0", samples=_masked_reads)
def masked_index(xp: Any, input: Any, mask: Any, /, *indices: Any, fill: Any) -> Any:
    """``input[indices]`` where ``mask`` holds, ``fill`` elsewhere; indices outside are those of the nearest element."""
    found = xp.getitem(input, _clamped(xp, indices, input.shape))
    return xp.where(mask, found, xp.asarray(fill, dtype=input.dtype))


@masked_index.vjp("input")
def masked_index_vjp(xp: Any, g: Any, input_shape: Any, mask: Any, indices: Any) -> Any:
    return xp.scatter_add(xp.where(mask, g, 0.0), _clamped(xp, indices, input_shape), tuple(input_shape))


@masked_index.jvp
def masked_index_jvp(input_t: Any, mask: Any, indices: Any) -> Any:
    return masked_index(input_t, mask, *indices, fill=0)


@masked_index.vmap
def masked_index_vmap(input: Any, mask: Any, indices: Any, fill: Any, size: int) -> Any:
    ndim = max([i.ndim - 1 for i in indices])
    return masked_index(input, mask, number_of_element(size, ndim, mask), *_aligned(indices, ndim), fill=fill)


def _masked_sums(make: Make) -> Iterator[Sample]:
    mask = make.of([[True, False], [True, True]], np.dtype(np.bool_))
    rows, columns = int_samples(make, [[0], [2]]), int_samples(make, [[1, 9]])
    yield Sample(make(3, 2), mask, make(2, 2), rows, columns)
    yield Sample(make(3), make.of([True, True], np.dtype(np.bool_)), make(2), int_samples(make, [2, 2]))


@op(node="UnsafeMaskedIndexPutAccumulateBackward0", linear=True, samples=_masked_sums)
def masked_sum(xp: Any, input: Any, mask: Any, values: Any, /, *indices: Any) -> Any:
    """``input`` with ``values`` added at ``[indices]`` where ``mask`` holds."""
    at = _clamped(xp, indices, input.shape)
    return xp.add(input, xp.scatter_add(xp.where(mask, values, xp.zeros_like(values)), at, input.shape))


@masked_sum.vjp("input")
def masked_sum_vjp_input(xp: Any, g: Any) -> Any:
    return g


@masked_sum.vjp("values")
def masked_sum_vjp_values(xp: Any, g: Any, mask: Any, indices: Any) -> Any:
    return xp.where(mask, xp.getitem(g, _clamped(xp, indices, g.shape)), 0.0)


@masked_sum.vmap
def masked_sum_vmap(input: Any, mask: Any, values: Any, indices: Any, size: int) -> Any:
    ndim = max([i.ndim - 1 for i in indices])
    return masked_sum(input, mask, values, number_of_element(size, ndim, mask), *_aligned(indices, ndim))


def _unsafe_masked_index(input: Tensor, mask: Tensor, indices: Sequence[Tensor | None], fill: Any) -> Tensor:
    """``input[indices]`` where ``mask`` holds, ``fill`` elsewhere; indices may lie outside where it does not.

    Raises:
        NotImplementedError: ``None`` among the indices.
    """
    input, mask = as_tensor(input, "_unsafe_masked_index"), as_tensor(mask, "_unsafe_masked_index", "mask", 2)
    return masked_index(input, mask, *_tensors("_unsafe_masked_index", indices), fill=fill)  # type: ignore[no-any-return]


def _unsafe_masked_index_put_accumulate(
    input: Tensor, mask: Tensor, indices: Sequence[Tensor | None], values: Tensor
) -> Tensor:
    """``input`` with ``values`` added at ``[indices]`` where ``mask`` holds; they may lie outside where it does not.

    Raises:
        NotImplementedError: ``None`` among the indices.
    """
    name = "_unsafe_masked_index_put_accumulate"
    operands = (as_tensor(input, name), as_tensor(mask, name, "mask", 2), as_tensor(values, name, "values", 4))
    return masked_sum(*operands, *_tensors(name, indices))  # type: ignore[no-any-return]


def _clamped(xp: Any, indices: Sequence[Any], shape: Sequence[int]) -> tuple[Any, ...]:
    return tuple([xp.clip(i, -n, max(n - 1, 0)) for i, n in zip(indices, shape, strict=False)])


def _aligned(indices: Sequence[Any], ndim: int) -> list[Any]:
    """Index tensors of one number of dimensions after that of the batch."""
    return [aligned(i, ndim) for i in indices]


def _tensors(function: str, indices: Sequence[Tensor | None]) -> list[Tensor]:
    if not all(is_tensor(i) for i in indices):
        raise NotImplementedError(f"{function}(): every index must be a tensor; None is not supported")
    return list(indices)  # type: ignore[arg-type]
