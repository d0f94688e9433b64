"""The step function."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gradcore.op import op
from gradcore.ops._numeric import kind_of
from gradcore.testing.samples import Make, Sample

__all__ = ["heaviside"]


def _signs(make: Make) -> Iterator[Sample]:
    # Its gradient is an error, so gradients are not checked: no float64.
    yield Sample(make.of([[-1.5, 0.0], [-0.0, 2.5]], "float32", requires_grad=True), make.of([0.5, 7.0], "float32"))
    yield Sample(make.of(0.0, "float32"), make(0, 2, dtype="float32"))
    yield Sample(make.ints(2, 3, low=-2), make.ints(3))


@op(node="NotImplemented", promote="same", elementwise=True, samples=_signs)
def heaviside(xp: Any, input: Any, values: Any, /) -> Any:
    """0 where ``input`` is negative (or NaN), 1 where it is positive, and ``values`` where it is 0. It has no gradient.

    Raises:
        RuntimeError: two dtypes, or complex numbers.
    """
    kind = kind_of(xp, input)
    if kind == "c":
        raise RuntimeError("heaviside is not yet implemented for complex tensors: take .real, .imag or .abs() first")
    if kind == "b":
        return xp.logical_or(input, values)
    step = xp.astype(xp.greater(input, 0), input.dtype)
    return xp.where(xp.equal(input, 0), values, step)


@heaviside.vjp("input", "values")
def heaviside_vjp(xp: Any, g: Any) -> Any:
    raise RuntimeError("derivative for aten::heaviside is not implemented: use where, or detach() the operands")


heaviside.op.node_class.name = lambda self: "torch::autograd::NotImplemented"  # type: ignore[method-assign]
