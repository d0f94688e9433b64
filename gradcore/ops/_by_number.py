"""Products with and quotients by a number, as PyTorch records them inside of other functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import conj, op
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["divided", "divided_by_number", "times"]


def times(x: Tensor, number: complex) -> Tensor:
    """``x * number``."""
    return times_number(x, number) if _is_plain(x, number) else x * number  # type: ignore[no-any-return]


def divided(x: Tensor, number: complex) -> Tensor:
    """``x / number``."""
    return divided_by_number(x, number) if _is_plain(x, number) else x / number  # type: ignore[no-any-return]


def _is_plain(x: Tensor, number: complex) -> bool:
    """Whether the dtype of ``x`` can hold the result; otherwise there is promotion, which the general operations do."""
    return x.dtype.kind not in "biu" and (x.dtype.kind == "c" or not isinstance(number, complex))


def _with_number(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape), other=2.5)


@op(node="MulBackward1", linear=True, elementwise=True, samples=_with_number)
def times_number(xp: Any, input: Any, /, other: complex) -> Any:
    """``input * other``."""
    return xp.multiply(input, xp.number(other, input.dtype))


@times_number.vjp("input")
def times_number_vjp(xp: Any, g: Any, other: complex) -> Any:
    return xp.multiply(g, xp.number(conj(xp, other), g.dtype))


@op(node="DivBackward1", linear=True, elementwise=True, samples=_with_number)
def divided_by_number(xp: Any, input: Any, /, other: complex) -> Any:
    """``input / other``."""
    return xp.divide(input, xp.number(other, input.dtype))


@divided_by_number.vjp("input")
def divided_by_number_vjp(xp: Any, g: Any, other: complex) -> Any:
    return xp.divide(g, xp.number(conj(xp, other), g.dtype))
