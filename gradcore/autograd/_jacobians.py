"""Jacobians as host matrices: by finite differences, by backward, by forward mode; and single products with them.

Complex numbers count as pairs of real ones, so a Jacobian is real: [numbers of the output, numbers of the input].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.errors import GradcheckError
from gradcore.op import is_tensor
from gradcore.ops.creation import tensor

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "HostArray",
    "backward_jacobian",
    "differentiable",
    "directional_difference",
    "forward_jacobian",
    "from_numbers",
    "numbers",
    "numeric_jacobian",
    "sequence",
    "tangents",
]

HostArray = np.ndarray[Any, Any]


def sequence(tensors: Any) -> tuple[Any, ...]:
    """One tensor, or several, as a tuple."""
    return (tensors,) if is_tensor(tensors) else tuple(tensors)


def differentiable(result: Any) -> list[Tensor]:
    """The outputs of a function that can have a gradient."""
    return [y for y in sequence(result) if is_tensor(y) and dtypes.category(y.dtype) >= 2]


def numbers(x: Tensor) -> HostArray:
    """The elements as a flat array of real float64 numbers; a complex one gives two."""
    host = np.ascontiguousarray(x.numpy(force=True)).reshape(-1)
    if host.dtype.kind == "c":
        return host.astype(np.complex128).view(np.float64).copy()
    return host.astype(np.float64)


def from_numbers(values: HostArray, like: Tensor, requires_grad: bool = False) -> Tensor:
    """The tensor of which these are the numbers: built anew, so that nothing of ``like`` lives on in it."""
    host = values.view(np.complex128).astype(like.dtype) if like.dtype.kind == "c" else values.astype(like.dtype)
    return tensor(host.reshape(tuple(like.shape)), dtype=like.dtype, device=like.device, requires_grad=requires_grad)


def numeric_jacobian(
    func: Callable[..., Any], args: Sequence[Any], i: int, outputs: int, eps: float
) -> list[HostArray]:
    """For each output, its derivative by input ``i``, by central differences."""
    x = args[i]
    at = numbers(x)
    columns: list[list[HostArray]] = [[] for _ in range(outputs)]
    for k in range(at.size):
        step = np.zeros_like(at)
        step[k] = eps
        above, below = _outputs_at(func, args, {i: at + step}), _outputs_at(func, args, {i: at - step})
        for column, high, low in zip(columns, above, below, strict=True):
            column.append((high - low) / (2 * eps))
    sizes = [y.size for y in _outputs_at(func, args, {i: at})]
    return [np.stack(c, axis=1) if c else np.zeros((n, 0)) for c, n in zip(columns, sizes, strict=True)]


def directional_difference(
    func: Callable[..., Any], args: Sequence[Any], i: int, direction: HostArray, eps: float
) -> list[HostArray]:
    """For each output, its derivative in one direction of input ``i``, by a central difference."""
    at = numbers(args[i])
    above = _outputs_at(func, args, {i: at + eps * direction})
    below = _outputs_at(func, args, {i: at - eps * direction})
    return [(high - low) / (2 * eps) for high, low in zip(above, below, strict=True)]


def backward_jacobian(out: Tensor, inputs: Sequence[Tensor], check_dtypes: bool = False) -> list[HostArray]:
    """For each input, the derivative of one output, by a backward walk for each number of the output.

    Raises:
        GradcheckError: a gradient has another shape than its input, or, with ``check_dtypes``, another dtype.
    """
    from gradcore.autograd import grad

    count = numbers(out).size
    rows: list[list[HostArray]] = [[] for _ in inputs]
    for k in range(count):
        basis = np.zeros(count)
        basis[k] = 1
        found = grad(out, inputs, from_numbers(basis, out), retain_graph=True, allow_unused=True)
        for row, g, x in zip(rows, found, inputs, strict=True):
            if g is not None and g.shape != x.shape:
                raise GradcheckError(
                    f"Analytical gradient has incorrect size: the gradient has shape {list(g.shape)}, its input {list(x.shape)}"
                )
            if g is not None and check_dtypes and g.dtype != x.dtype:
                raise GradcheckError(f"Gradient has dtype mismatch: the gradient has {g.dtype}, its input {x.dtype}")
            row.append(np.zeros_like(numbers(x)) if g is None else numbers(g))
    return [np.stack(r) if r else np.zeros((0, numbers(x).size)) for r, x in zip(rows, inputs, strict=True)]


def forward_jacobian(
    func: Callable[..., Any], args: Sequence[Any], i: int, outputs: Sequence[Tensor], check_dtypes: bool = False
) -> list[HostArray]:
    """For each output, its derivative by input ``i``, by forward mode: one run for each number of the input.

    Raises:
        GradcheckError: with ``check_dtypes``, a tangent has another dtype than its output.
    """
    count = numbers(args[i]).size
    columns: list[list[HostArray]] = [[] for _ in outputs]
    for k in range(count):
        basis = np.zeros(count)
        basis[k] = 1
        for column, t, out in zip(columns, tangents(func, args, {i: basis}), outputs, strict=True):
            if t is not None and check_dtypes and t.dtype != out.dtype:
                raise GradcheckError(f"Forward AD gradient has dtype mismatch: {t.dtype} for an output of {out.dtype}")
            column.append(np.zeros_like(numbers(out)) if t is None else numbers(t))
    return [np.stack(c, axis=1) if c else np.zeros((numbers(o).size, 0)) for c, o in zip(columns, outputs, strict=True)]


def tangents(func: Callable[..., Any], args: Sequence[Any], directions: dict[int, HostArray]) -> list[Tensor | None]:
    """The tangents of the outputs for directions of some inputs; ``None`` where an output has none."""
    from gradcore.autograd import forward_ad

    with forward_ad.dual_level():
        given = [
            forward_ad.make_dual(x, from_numbers(directions[k], x)) if k in directions else x
            for k, x in enumerate(args)
        ]
        return [forward_ad.unpack_dual(y).tangent for y in differentiable(func(*given))]


def _outputs_at(func: Callable[..., Any], args: Sequence[Any], moved: dict[int, HostArray]) -> list[HostArray]:
    given = [from_numbers(moved[k], x, requires_grad=True) if k in moved else x for k, x in enumerate(args)]
    return [numbers(y) for y in differentiable(func(*given))]
