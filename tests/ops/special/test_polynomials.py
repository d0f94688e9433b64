"""Orthogonal polynomials beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

X = np.array([-3.0, -1.0, -0.999, -0.5, 0.0, 0.3, 0.75, 1.0, 1.0001, 1.7])
KINDS = [
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w", "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l",
    "legendre_polynomial_p",
]  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_polynomials(name, torch):
    for n in (-1, 0, 1, 2, 6, 7, 12, 2.7):
        agree(torch, f"t.special.{name}(x, {n})", X)
    degrees = np.array([[0], [3], [9], [-2], [20]])
    agree(torch, f"t.special.{name}(x, y)", X, degrees)
    agree(torch, f"t.special.{name}(0.3, x)", degrees)
    agree(torch, f"t.special.{name}(x, 4)", X.astype(np.float32))
    agree(torch, f"t.special.{name}(x, y)", np.ones((0, 2)), np.array([1.0, 2.0]))
    agree(torch, f"t.special.{name}(x, 2)", np.array([1j]))


@pytest.mark.parametrize("name", ["hermite_polynomial_h", "hermite_polynomial_he"])
def test_degrees_beyond_the_limit(name, torch):
    agree(torch, f"t.special.{name}(x, 513)", X)
    agree(torch, f"t.special.{name}(x, 129)", X.astype(np.float32))
