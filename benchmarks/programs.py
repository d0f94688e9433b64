"""The programs that are timed: each one in the idiom of each library.

A program is made by a function that sets it up and returns what is timed: a function without arguments, which
runs the whole program once and returns arrays that must be equal for all libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np

__all__ = [
    "CONTENDERS",
    "RATE",
    "Program",
    "Run",
    "Unavailable",
    "autograd_modules",
    "chain",
    "gradcore_module",
    "host",
    "mlp",
    "seed",
    "torch_module",
]

CONTENDERS = ("gradcore", "torch", "numpy", "autograd")

Run = Callable[[], Sequence[Any]]
SIZES = (784, 256, 128, 10)
RATE = 0.01


class Unavailable(Exception):  # noqa: N818 - a finding
    """A contender that is not installed, or cannot run a program yet."""


@dataclass(frozen=True)
class Program:
    """One program in the idiom of several libraries.

    Args:
        name: as it stands in the table, and as ``--only`` finds it.
        make: sets the program up for one library.
        required: the ratio to PyTorch's time that gradcore must reach.
        goal: the ratio that it should reach.
    """

    name: str
    make: dict[str, Callable[[], Run]] = field(repr=False)
    required: float
    goal: float


def seed(n: int, device: str = "cpu") -> dict[str, Callable[[], Run]]:
    """The program that explains PyTorch's autograd: ``mean(3 (x + 2)²)`` and its gradient."""

    def torch_like(lib: Any) -> Run:
        def run() -> Sequence[Any]:
            x = lib.ones(n, requires_grad=True, device=device)
            y = x + 2
            z = y * y * 3
            out = z.mean()
            out.backward()
            return (x.grad,)

        return run

    def numpy() -> Run:
        def run() -> Sequence[Any]:
            x = np.ones(n, np.float32)
            y = x + 2
            z = y * y * 3
            z.mean()
            # The rules of the four operations, one after the other.
            g = np.full(n, 1 / n, np.float32)
            g = g * 3
            g = g * y + g * y
            return (g,)

        return run

    def autograd() -> Run:
        lib, anp = autograd_modules()

        def f(x: Any) -> Any:
            y = x + 2
            z = y * y * 3
            return anp.mean(z)

        gradient = lib.grad(f)
        return lambda: (gradient(anp.ones(n, np.float32)),)

    return {
        "gradcore": lambda: torch_like(gradcore_module()),
        "torch": lambda: torch_like(torch_module()),
        "numpy": numpy,
        "autograd": autograd,
    }


def chain(length: int, device: str = "cpu") -> dict[str, Callable[[], Run]]:
    """Alternating products and sums on five elements, so that the time is all overhead."""
    pairs = range(length // 2)

    def torch_like(lib: Any) -> Run:
        def run() -> Sequence[Any]:
            x = lib.ones(5, requires_grad=True, device=device)
            y = x
            for _ in pairs:
                y = y * 0.999 + 0.001
            y.sum().backward()
            return (x.grad,)

        return run

    def numpy() -> Run:
        def run() -> Sequence[Any]:
            y = np.ones(5, np.float32)
            for _ in pairs:
                y = y * 0.999 + 0.001
            y.sum()
            g = np.ones(5, np.float32)
            for _ in pairs:
                g = g * 0.999
            return (g,)

        return run

    def autograd() -> Run:
        lib, anp = autograd_modules()

        def f(y: Any) -> Any:
            for _ in pairs:
                y = y * 0.999 + 0.001
            return anp.sum(y)

        gradient = lib.grad(f)
        return lambda: (gradient(anp.ones(5, np.float32)),)

    return {
        "gradcore": lambda: torch_like(gradcore_module()),
        "torch": lambda: torch_like(torch_module()),
        "numpy": numpy,
        "autograd": autograd,
    }


def mlp(batch: int, device: str = "cpu") -> dict[str, Callable[[], Run]]:
    """One training step of a classifier: forward, cross entropy, backward, SGD."""

    def torch_like(lib: Any, functional: Any, sgd: Any) -> Run:
        def scores(x: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any) -> Any:
            h = functional.relu(functional.linear(x, w1, b1))
            h = functional.relu(functional.linear(h, w2, b2))
            return functional.linear(h, w3, b3)

        return training_step(lib, functional, sgd, scores, _mlp_data(batch), device)

    def torch() -> Run:
        lib = torch_module()
        return torch_like(lib, lib.nn.functional, lib.optim.SGD)

    def gradcore() -> Run:
        lib = gradcore_module()
        try:
            from gradcore.nn import functional
            from gradcore.optim import SGD
        except ImportError as e:
            raise Unavailable(f"gradcore: {e}") from e
        return torch_like(lib, functional, SGD)

    def numpy() -> Run:
        x, target, (w1, b1, w2, b2, w3, b3) = _mlp_data(batch)
        rows = np.arange(batch)

        def run() -> Sequence[Any]:
            h1 = x @ w1.T + b1
            a1 = np.maximum(h1, 0)
            h2 = a1 @ w2.T + b2
            a2 = np.maximum(h2, 0)
            g = a2 @ w3.T + b3
            g -= g.max(axis=1, keepdims=True)
            picked = g[rows, target]
            np.exp(g, out=g)
            total = g.sum(axis=1, keepdims=True)
            loss = (np.log(total[:, 0]) - picked).mean()
            g /= total
            g[rows, target] -= 1
            g /= batch
            gw3, gb3 = g.T @ a2, g.sum(axis=0)
            g = g @ w3
            g *= h2 > 0
            gw2, gb2 = g.T @ a1, g.sum(axis=0)
            g = g @ w2
            g *= h1 > 0
            gw1, gb1 = g.T @ x, g.sum(axis=0)
            params = (w1, b1, w2, b2, w3, b3)
            for p, d in zip(params, (gw1, gb1, gw2, gb2, gw3, gb3), strict=True):
                d *= RATE
                p -= d
            return loss, *params

        return run

    def autograd() -> Run:
        lib, anp = autograd_modules()
        x, target, params = _mlp_data(batch)
        rows = np.arange(batch)

        def f(params: Any) -> Any:
            w1, b1, w2, b2, w3, b3 = params
            h = anp.maximum(anp.dot(x, w1.T) + b1, 0)
            h = anp.maximum(anp.dot(h, w2.T) + b2, 0)
            scores = anp.dot(h, w3.T) + b3
            top = anp.max(scores, axis=1, keepdims=True)
            total = anp.log(anp.sum(anp.exp(scores - top), axis=1)) + top[:, 0]
            return anp.mean(total - scores[rows, target])

        value_and_grad = lib.value_and_grad(f)

        def run() -> Sequence[Any]:
            loss, grads = value_and_grad(params)
            for p, d in zip(params, grads, strict=True):
                p -= RATE * d
            return loss, *params

        return run

    return {"gradcore": gradcore, "torch": torch, "numpy": numpy, "autograd": autograd}


def training_step(
    lib: Any, functional: Any, sgd: Any, scores: Callable[..., Any], given: tuple[Any, Any, list[Any]], device: str
) -> Run:
    """One step of a classifier that is written for PyTorch: forward, cross entropy, backward, SGD.

    Args:
        lib: PyTorch, or what looks like it.
        functional: its ``nn.functional``.
        sgd: its optimizer.
        scores: the classifier, of the data and the parameters.
        given: data, labels and parameters, as NumPy arrays.
        device: where to run.
    """
    data, labels, weights = given
    x, target = lib.tensor(data, device=device), lib.tensor(labels, device=device)
    params = [lib.tensor(w, device=device, requires_grad=True) for w in weights]
    optimizer = sgd(params, lr=RATE)

    def run() -> Sequence[Any]:
        optimizer.zero_grad()
        loss = functional.cross_entropy(scores(x, *params), target)
        loss.backward()
        optimizer.step()
        return loss, *params

    return run


def host(value: Any) -> np.ndarray[Any, Any]:
    """What a program returned, as a NumPy array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.array(value)


def _mlp_data(batch: int) -> tuple[Any, Any, list[Any]]:
    rng = np.random.default_rng(0)
    data = rng.standard_normal((batch, SIZES[0]), dtype=np.float32)
    labels = rng.integers(0, SIZES[-1], batch)
    params: list[Any] = []
    for n, m in pairwise(SIZES):
        params.append((rng.standard_normal((m, n)) / np.sqrt(n)).astype(np.float32))
        params.append(np.zeros(m, np.float32))
    return data, labels, params


def gradcore_module() -> ModuleType:
    """The library itself."""
    import gradcore

    return gradcore


def torch_module() -> ModuleType:
    """PyTorch.

    Raises:
        Unavailable: it is not installed.
    """
    try:
        import torch
    except ImportError as e:
        raise Unavailable("not installed: pip install torch") from e
    found: ModuleType = torch
    return found


def autograd_modules() -> tuple[ModuleType, ModuleType]:
    """HIPS autograd, and its NumPy.

    Raises:
        Unavailable: it is not installed.
    """
    try:
        return import_module("autograd"), import_module("autograd.numpy")
    except ImportError as e:
        raise Unavailable("not installed: pip install autograd") from e
