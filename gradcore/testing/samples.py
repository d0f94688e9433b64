"""Inputs for the tests of operations.

Every operation names a function that makes its samples; the tests loop over the registry and call it. A sample function
takes a :class:`Make` and yields :class:`Sample` objects::

    def pairs(make):
        yield Sample(make(2, 3), make(2, 3))
        yield Sample(make(2, 1), make(3))  # broadcast

Samples should cover broadcasting, 0-d and empty operands, ties and the parameters' branches, and stay small: gradients
are checked by finite differences. Values stay away from points where the operation is not differentiable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

_DOUBLE = np.dtype(np.float64)

__all__ = ["Make", "Sample", "pairs", "reals", "same_shape", "unary"]


class Sample:
    """The arguments of one call of an operation: operands by position, parameters by name."""

    def __init__(self, *operands: Any, **params: Any) -> None:
        self.operands = operands
        self.params = params
        self.before: Callable[..., tuple[Any, ...]] | None = None
        self.after: Callable[..., Any] | None = None

    def checked(
        self, before: Callable[..., tuple[Any, ...]] | None = None, after: Callable[..., Any] | None = None
    ) -> Sample:
        """This sample, whose derivatives are compared on the operands that ``before`` makes, of what ``after`` makes.

        For operations that are differentiable on a set of operands only (symmetric matrices), or whose results are
        determined up to what ``after`` removes (the signs of eigenvectors).
        """
        self.before, self.after = before, after
        return self

    def finished(self, result: Any) -> Any:
        """What ``after`` makes of a result."""
        if self.after is None:
            return result
        return self.after(*result) if isinstance(result, tuple) else self.after(result)

    def __repr__(self) -> str:
        parts = [f"{list(x.shape)}" if hasattr(x, "shape") else repr(x) for x in self.operands]
        return f"Sample({', '.join(parts + [f'{k}={v!r}' for k, v in self.params.items()])})"


class Make:
    """Makes tensors for samples: ``make(2, 3)`` is a 2×3 tensor of distinct random numbers that requires grad."""

    def __init__(self, device: Any = None, dtype: Any = _DOUBLE, requires_grad: bool = True, seed: int = 0) -> None:
        self.device = device
        self.dtype = dtype
        self.requires_grad = requires_grad
        self.rng = np.random.default_rng(seed)

    def __call__(
        self, *shape: int, low: float = -2.0, high: float = 2.0, away_from: float | None = None, dtype: Any = None
    ) -> Any:
        """Numbers in [low, high), at least 0.1 away from ``away_from`` and 0.01 from each other."""
        count = int(np.prod(shape))
        # Evenly spread and shuffled, then jittered: no two are close, so that max, sort ... are differentiable there.
        grid = (np.arange(count) + 0.3 + 0.4 * self.rng.random(count)) / max(count, 1)
        values: Any = low + (high - low) * self.rng.permutation(grid)
        if away_from is not None:
            values += np.where(values >= away_from, 0.1, -0.1)
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        if dtype.kind == "c":
            values = values + 1j * self.rng.permutation(values)
        return self.of(values.reshape(shape), dtype, requires_grad=self.requires_grad)

    def ints(self, *shape: int, low: int = 0, high: int = 5) -> Any:
        """Integers in [low, high)."""
        return self.of(self.rng.integers(low, high, shape), np.dtype(np.int64))

    def bools(self, *shape: int) -> Any:
        """True and False."""
        return self.of(self.rng.random(shape) < 0.5, np.dtype(np.bool_))

    def of(self, values: Any, dtype: Any = None, requires_grad: bool = False) -> Any:
        """A tensor of given values."""
        import gradcore

        return gradcore.tensor(
            np.asarray(values),
            dtype=self.dtype if dtype is None else dtype,
            device=self.device,
            requires_grad=requires_grad,
        )


SampleFunction = Callable[[Make], Iterator[Sample]]


def unary(low: float = -2.0, high: float = 2.0, away_from: float | None = None, **params: Any) -> SampleFunction:
    """Samples of an elementwise function of one operand on a domain."""

    def samples(make: Make) -> Iterator[Sample]:
        for shape in ((2, 3), (), (0, 2), (4,)):
            yield Sample(make(*shape, low=low, high=high, away_from=away_from), **params)

    return samples


reals = unary()


def pairs(make: Make) -> Iterator[Sample]:
    """Samples of an elementwise function of two operands: same shape, broadcast both ways, 0-d, empty."""
    for a, b in (((2, 3), (2, 3)), ((2, 1), (3,)), ((3,), (2, 1)), ((), (2,)), ((2, 3), ()), ((), ()), ((0, 2), (2,))):
        yield Sample(make(*a, away_from=0.0), make(*b, away_from=0.0))


def same_shape(count: int, low: float = -2.0, high: float = 2.0) -> SampleFunction:
    """Samples of a function of several operands of one shape."""

    def samples(make: Make) -> Iterator[Sample]:
        for shape in ((2, 3), (), (0, 2)):
            yield Sample(*(make(*shape, low=low, high=high) for _ in range(count)))

    return samples
