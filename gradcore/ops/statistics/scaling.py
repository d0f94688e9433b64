"""Scaling to a norm."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import conj, op
from gradcore.ops._batching import folded, unfolded
from gradcore.ops._dims import normalize_dim
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
from gradcore.ops._reducing import count, narrowed, widened
from gradcore.ops.bounds import clamp_min
from gradcore.ops.norms import vector_norm, vector_norm_vjp
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["normalize", "renorm"]

_EPSILON = 1e-7
"""What PyTorch adds to a norm before it divides by it."""


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """``input`` divided by its ``p``-norm over ``dim``; a norm below ``eps`` counts as ``eps``.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: integers.
    """
    x = as_tensor(input, "normalize")
    return x / clamp_min(x.norm(p, dim, keepdim=True), eps).expand_as(x)  # type: ignore[no-any-return]


@numpy_names
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """``input`` with each slice ``input[i]`` along ``dim`` scaled down to the ``p``-norm ``maxnorm`` if its norm is larger.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: fewer than two dimensions, integers, a ``p`` that is not positive, a negative ``maxnorm``.
    """
    return renorm_slices(*_checked(input, p, dim, maxnorm))  # type: ignore[no-any-return]


def renorm_(self: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """In-place :func:`renorm`."""
    return renorm_slices.inplace(*_checked(self, p, dim, maxnorm))


def _slices(make: Make) -> Iterator[Sample]:
    for p in (2.0, 1.0, 3.0, float("inf")):
        yield Sample(make(3, 2), p=p, dim=0, maxnorm=1.0)
        yield Sample(make(3, 2, 2), p=p, dim=1, maxnorm=1.5)
    yield Sample(make(2, 2, low=0.1, high=0.2), p=2.0, dim=0, maxnorm=1.0)
    yield Sample(make(0, 2), p=2.0, dim=0, maxnorm=1.0)


@op(node="RenormBackward0", samples=_slices)
def renorm_slices(xp: Any, input: Any, /, p: float, dim: int, maxnorm: float) -> Any:
    """The slices along a dimension, those of a larger norm scaled down to ``maxnorm``."""
    x = widened(xp, input)
    norm = vector_norm.op.forward(xp, x, float(p), _others(x, dim), True)
    factor = xp.where(xp.greater(norm, maxnorm), xp.divide(maxnorm, xp.add(norm, _EPSILON)), 1.0)
    return narrowed(xp, xp.multiply(x, xp.astype(factor, x.dtype)), input)


@renorm_slices.vjp("input")
def renorm_slices_vjp(xp: Any, g: Any, input: Any, p: float, dim: int, maxnorm: float) -> Any:
    x, g = widened(xp, input), widened(xp, g)
    others = _others(x, dim)
    norm = vector_norm.op.forward(xp, x, float(p), others, True)
    inverse = xp.divide(1.0, xp.add(norm, _EPSILON))
    product = xp.multiply(conj(xp, x), g)
    along_norm = xp.sum(xp.real(product) if kind_of(xp, product) == "c" else product, axis=others, keepdims=True)
    through_norm = vector_norm_vjp(xp, along_norm, x, norm, float(p), others, True)
    scaled = xp.multiply(
        xp.subtract(g, xp.multiply(through_norm, xp.astype(inverse, g.dtype))),
        xp.astype(xp.multiply(inverse, maxnorm), g.dtype),
    )
    return xp.where(xp.greater(norm, maxnorm), scaled, g)


@renorm_slices.vmap
def renorm_slices_vmap(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    sizes = (input.shape[0], input.shape[dim + 1])
    return unfolded(renorm_slices(folded(input, dim), p, dim, maxnorm), sizes, dim)


def _others(x: Any, dim: int) -> tuple[int, ...]:
    return tuple([i for i in range(len(x.shape)) if i != dim])


def _checked(input: Any, p: float, dim: int, maxnorm: float) -> tuple[Any, float, int, float]:
    x = as_tensor(input, "renorm")
    for name, value in (("p", p), ("maxnorm", maxnorm)):
        if isinstance(value, complex):
            raise RuntimeError(f"renorm: {name} must be real-valued, but got {value}")  # noqa: TRY004 - as PyTorch
    if not p > 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported: p={p}")
    if not maxnorm >= 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if x.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {x.ndim} dimensions")
    if x.dtype.kind in "biu":
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.scalar_type_name(x.dtype)}; cast it"
        )
    dim = normalize_dim(dim, x.ndim)
    if p == math.inf and count(x.shape, _others(x, dim)) == 0:
        raise RuntimeError(
            "linalg.vector_norm cannot compute the inf norm on an empty tensor because the operation does not have an identity"
        )
    return x, p, dim, maxnorm
