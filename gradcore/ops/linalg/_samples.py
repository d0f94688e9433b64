"""Matrices for the samples of linear algebra: far enough from singular ones that finite differences say something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcore.testing.samples import Make, Sample, SampleFunction

__all__ = [
    "as_hermitian",
    "distinct_eigenvalues",
    "distinct_singular_values",
    "invertible",
    "positive_definite",
    "unchecked",
]


def invertible(make: Make, *shape: int, low: float = -1.0, high: float = 1.0) -> Any:
    """Square matrices with a dominant diagonal, whose signs alternate."""
    values: Any = make.rng.uniform(low, high, shape)
    if make.dtype.kind == "c":
        values = values + 1j * make.rng.uniform(low, high, shape)
    n = shape[-1]
    values = values + np.eye(n) * (n + 1.0) * np.where(np.arange(n) % 2, -1.0, 1.0)
    return make.of(values, make.dtype, requires_grad=make.requires_grad)


def positive_definite(make: Make, *shape: int, dtype: Any = None) -> Any:
    """Hermitian matrices with eigenvalues far from zero, and from each other."""
    dtype = make.dtype if dtype is None else np.dtype(dtype)
    values: Any = make.rng.uniform(-0.4, 0.4, shape)
    if dtype.kind == "c":
        values = values + 1j * make.rng.uniform(-0.4, 0.4, shape)
    values = values + np.swapaxes(values, -1, -2).conj() + np.diag(2.0 + 1.5 * np.arange(shape[-1]))
    return make.of(values, dtype, requires_grad=make.requires_grad)


def as_hermitian(x: Any, *others: Any) -> tuple[Any, ...]:
    """The first operand made Hermitian: derivatives are those of functions of such matrices."""
    return ((x + x.mH) / 2, *others)


def distinct_eigenvalues(make: Make, *shape: int, dtype: Any = None) -> Any:
    """Square matrices with real eigenvalues that are far from each other; complex where ``dtype`` is."""
    dtype = make.dtype if dtype is None else np.dtype(dtype)
    values: Any = make.rng.uniform(-0.3, 0.3, shape)
    if dtype.kind == "c":
        values = values + 1j * make.rng.uniform(-0.3, 0.3, shape)
    values = values + np.diag(1.0 + 1.5 * np.arange(shape[-1]))
    return make.of(values, dtype, requires_grad=make.requires_grad)


def distinct_singular_values(make: Make, *shape: int, dtype: Any = None) -> Any:
    """Matrices whose singular values are far from each other, and from zero."""
    dtype = make.dtype if dtype is None else np.dtype(dtype)
    values: Any = make.rng.uniform(-0.3, 0.3, shape)
    if dtype.kind == "c":
        values = values + 1j * make.rng.uniform(-0.3, 0.3, shape)
    values = values + np.eye(shape[-2], shape[-1]) * (1.0 + 1.5 * np.arange(shape[-1]))
    return make.of(values, dtype, requires_grad=make.requires_grad)


def unchecked(samples: SampleFunction) -> SampleFunction:
    """The same samples for an operation that has no derivative, and other results."""

    def plain(make: Make) -> Iterator[Sample]:
        for sample in samples(make):
            yield Sample(*sample.operands, **sample.params)

    return plain
