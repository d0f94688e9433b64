"""Matrices for the tests of decompositions, as NumPy arrays."""

from __future__ import annotations

import numpy as np


def numbers(*shape, seed=0, dtype=np.float64):
    """Random numbers; complex ones where ``dtype`` is."""
    made = np.random.default_rng(seed).standard_normal((2, *shape))
    return (made[0] + 1j * made[1] if np.dtype(dtype).kind == "c" else made[0]).astype(dtype)


def hermitian(*shape, seed=0, dtype=np.float64):
    """Hermitian matrices."""
    made = numbers(*shape, seed=seed, dtype=dtype)
    return made + np.swapaxes(made, -1, -2).conj()


def positive(*shape, seed=0, dtype=np.float64):
    """Positive-definite matrices."""
    made = numbers(*shape, seed=seed, dtype=dtype)
    return made @ np.swapaxes(made, -1, -2).conj() + np.eye(shape[-1], dtype=dtype)


def cases(*shapes):
    """Shapes with dtypes: all in double precision, those that are not empty with complex numbers, the first in single."""
    full = [s for s in shapes if 0 not in s]
    return [(s, np.float64) for s in shapes] + [(s, np.complex128) for s in full] + [(full[0], np.float32)]
