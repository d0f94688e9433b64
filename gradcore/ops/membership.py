"""Which elements stand among others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import is_tensor, op
from gradcore.ops._batching import rows
from gradcore.ops._numeric import number_or_none
from gradcore.ops._operands import as_tensor
from gradcore.ops.comparison import eq
from gradcore.ops.creation import as_tensor as tensor_of
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["isin"]


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element of ``elements`` is equal to some element of ``test_elements``; one of the two may be a number.

    Args:
        elements: those asked about; the result has their shape.
        test_elements: those to find, in any shape.
        assume_unique: allowed for the sake of PyTorch's signature; it changes nothing.
        invert: ask which are equal to none.

    Raises:
        TypeError: neither is a tensor.
        RuntimeError: truth values or complex numbers.
    """
    if not is_tensor(elements) and number_or_none(elements) is not None:
        test_elements = as_tensor(test_elements, "isin", "test_elements", 2)
        elements = tensor_of(elements, device=test_elements.device)
    elements = as_tensor(elements, "isin", "elements", 1)
    if number_or_none(test_elements) is not None:
        test_elements = tensor_of(test_elements, device=elements.device)
    test_elements = as_tensor(test_elements, "isin", "test_elements", 2)
    for x in (elements, test_elements):
        if dtypes.category(x.dtype) in (0, 3):
            raise RuntimeError(
                f"Unsupported input type encountered for isin(): {dtypes.scalar_type_name(x.dtype)}; it takes integers and "
                "real floating-point numbers"
            )
    return found_among(elements, test_elements, invert)  # type: ignore[no-any-return]


def _elements(make: Make) -> Iterator[Sample]:
    yield Sample(make.ints(2, 3), make.ints(4), invert=False)
    yield Sample(make.ints(2, 3), make.ints(2, 2), invert=True)
    yield Sample(make.of([1.0, float("nan"), 2.0]), make.of([[2.0, float("nan")]]), invert=False)
    yield Sample(make.ints(), make.ints(3), invert=False)
    yield Sample(make.ints(3), make.ints(), invert=False)
    yield Sample(make.ints(3), make.ints(0), invert=False)
    yield Sample(make.ints(0, 2), make.ints(2), invert=True)


@op(node="IsinBackward0", promote="arithmetic", differentiable=False, samples=_elements)
def found_among(xp: Any, elements: Any, test_elements: Any, /, invert: bool = False) -> Any:
    """:func:`isin` of two tensors."""
    count = test_elements.size
    if count == 0:
        return xp.full(elements.shape, invert, dtype=dtypes.bool_)
    candidates = xp.sort(xp.reshape(test_elements, (count,)))
    flat = xp.reshape(elements, (elements.size,))
    at = xp.minimum(xp.searchsorted(candidates, flat), xp.asarray(count - 1))
    found = xp.equal(xp.take(candidates, at), flat)
    return xp.reshape(xp.logical_not(found) if invert else found, elements.shape)


@found_among.vmap
def found_among_vmap(elements: Any, test_elements: Any, invert: bool, batched: tuple[bool, bool]) -> Any:
    if not batched[1]:
        return found_among(elements, test_elements, invert)
    flat = rows(elements) if batched[0] else elements.reshape((1, elements.numel()))
    found = eq(flat.unsqueeze(-1), rows(test_elements).unsqueeze(1)).any(-1)
    shape = elements.shape[1:] if batched[0] else elements.shape
    found = found.reshape((test_elements.shape[0], *shape))
    return ~found if invert else found
