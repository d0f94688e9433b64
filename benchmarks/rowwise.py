"""Functions of the rows of a large matrix, 4096 x 1024 in single precision, with their gradients.

They read and write memory far more than they compute, so what counts is how often each element is fetched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.programs import Run, autograd_modules, gradcore_module, torch_module

__all__ = ["rowwise"]

ROWS, WIDTH = 4096, 1024
EPSILON = 1e-5


def rowwise(name: str, device: str = "cpu") -> dict[str, Callable[[], Run]]:
    """``softmax``, ``cross_entropy``, ``layer_norm`` or ``gelu``: forward, and backward from a given gradient."""
    return {
        "gradcore": lambda: _torch_like(name, gradcore_module(), device),
        "torch": lambda: _torch_like(name, torch_module(), device),
        "numpy": lambda: _numpy(name),
        "autograd": lambda: _autograd(name),
    }


def _torch_like(name: str, lib: Any, device: str) -> Run:
    functional = lib.nn.functional
    data, grad, labels, weight, bias = (lib.tensor(a, device=device) for a in _data())
    for x in (data, weight, bias):
        x.requires_grad_()

    def run() -> Sequence[Any]:
        if name == "cross_entropy":
            return tuple(lib.autograd.grad(functional.cross_entropy(data, labels), [data]))
        if name == "layer_norm":
            out = functional.layer_norm(data, (WIDTH,), weight, bias, EPSILON)
            return tuple(lib.autograd.grad(out, [data, weight, bias], grad))
        out = functional.softmax(data, -1) if name == "softmax" else functional.gelu(data)
        return tuple(lib.autograd.grad(out, [data], grad))

    return run


def _numpy(name: str) -> Run:
    x, g, labels, weight, bias = _data()
    rows = np.arange(ROWS)
    erf = import_module("scipy.special").erf

    def softmax() -> Sequence[Any]:
        out = np.exp(x - x.max(axis=1, keepdims=True))
        out /= out.sum(axis=1, keepdims=True)
        grad = g * out
        grad -= out * grad.sum(axis=1, keepdims=True)
        return (grad,)

    def cross_entropy() -> Sequence[Any]:
        out = np.exp(x - x.max(axis=1, keepdims=True))
        out /= out.sum(axis=1, keepdims=True)
        -np.log(out[rows, labels]).mean()
        out[rows, labels] -= 1
        out /= ROWS
        return (out,)

    def layer_norm() -> Sequence[Any]:
        centered = x - x.mean(axis=1, keepdims=True)
        scale = 1 / np.sqrt((centered * centered).mean(axis=1, keepdims=True) + np.float32(EPSILON))
        normal = centered * scale
        normal * weight + bias
        scaled = g * weight
        grad = scaled - scaled.mean(axis=1, keepdims=True) - normal * (scaled * normal).mean(axis=1, keepdims=True)
        grad *= scale
        return grad, (g * normal).sum(axis=0), g.sum(axis=0)

    def gelu() -> Sequence[Any]:
        share = (erf(x * np.float32(math.sqrt(0.5))) + 1) * np.float32(0.5)
        x * share
        return (g * (share + x * np.exp(x * x * np.float32(-0.5)) * np.float32(1 / math.sqrt(2 * math.pi))),)

    return {"softmax": softmax, "cross_entropy": cross_entropy, "layer_norm": layer_norm, "gelu": gelu}[name]


def _autograd(name: str) -> Run:
    lib, anp = autograd_modules()
    x, g, labels, weight, bias = _data()
    rows = np.arange(ROWS)

    def softmax(x: Any) -> Any:
        out = anp.exp(x - anp.max(x, axis=1, keepdims=True))
        return anp.sum(out / anp.sum(out, axis=1, keepdims=True) * g)

    def cross_entropy(x: Any) -> Any:
        moved = x - anp.max(x, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(moved), axis=1)) - moved[rows, labels])

    def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
        centered = x - anp.mean(x, axis=1, keepdims=True)
        variance = anp.mean(centered * centered, axis=1, keepdims=True)
        return anp.sum((centered / anp.sqrt(variance + EPSILON) * weight + bias) * g)

    def gelu(x: Any) -> Any:
        erf = import_module("autograd.scipy.special").erf
        return anp.sum(x * (erf(x * math.sqrt(0.5)) + 1) * 0.5 * g)

    if name == "layer_norm":
        gradients = lib.grad(layer_norm, (0, 1, 2))
        return lambda: gradients(x, weight, bias)
    gradient = lib.grad({"softmax": softmax, "cross_entropy": cross_entropy, "gelu": gelu}[name])
    return lambda: (gradient(x),)


def _data() -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    data, grad = (rng.standard_normal((ROWS, WIDTH), dtype=np.float32) for _ in range(2))
    weight, bias = (rng.standard_normal(WIDTH, dtype=np.float32) for _ in range(2))
    grad /= ROWS  # as that of a mean: sums over all rows then agree in spite of their rounding
    return data, grad, rng.integers(0, WIDTH, ROWS), weight, bias
