"""A training step of a small convolutional network: LeNet-5 (Y. LeCun et al., 1998) with means for pooling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.programs import RATE, Run, Unavailable, gradcore_module, torch_module, training_step

__all__ = ["lenet"]

SHAPES = ((6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 400), (120,), (84, 120), (84,), (10, 84), (10,))


def lenet(batch: int, device: str = "cpu") -> dict[str, Callable[[], Run]]:
    """Two convolutions with tanh and pooling, three linear layers, cross entropy, backward, SGD."""

    def torch_like(lib: Any) -> Run:
        functional = lib.nn.functional

        def scores(
            x: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, w4: Any, b4: Any, w5: Any, b5: Any
        ) -> Any:
            h = functional.avg_pool2d(lib.tanh(functional.conv2d(x, w1, b1, padding=2)), 2)
            h = functional.avg_pool2d(lib.tanh(functional.conv2d(h, w2, b2)), 2)
            h = lib.tanh(functional.linear(h.reshape(batch, 400), w3, b3))
            h = lib.tanh(functional.linear(h, w4, b4))
            return functional.linear(h, w5, b5)

        return training_step(lib, functional, lib.optim.SGD, scores, _data(batch), device)

    def torch() -> Run:
        return torch_like(torch_module())

    def gradcore() -> Run:
        return torch_like(gradcore_module())

    def numpy() -> Run:
        x, target, params = _data(batch)
        w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = params
        x = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
        rows = np.arange(batch)

        def run() -> Sequence[Any]:
            c1 = _columns(x)
            a1 = np.tanh(_convolved(c1, w1, b1, 28))
            c2 = _columns(_pooled(a1))
            a2 = np.tanh(_convolved(c2, w2, b2, 10))
            h2 = _pooled(a2).reshape(batch, 400)
            h3 = np.tanh(h2 @ w3.T + b3)
            h4 = np.tanh(h3 @ w4.T + b4)
            g = h4 @ w5.T + b5
            g -= g.max(axis=1, keepdims=True)
            picked = g[rows, target]
            np.exp(g, out=g)
            total = g.sum(axis=1, keepdims=True)
            loss = (np.log(total[:, 0]) - picked).mean()
            g /= total
            g[rows, target] -= 1
            g /= batch
            grads = [g.sum(axis=0), g.T @ h4]
            g = (g @ w5) * (1 - h4 * h4)
            grads += [g.sum(axis=0), g.T @ h3]
            g = (g @ w4) * (1 - h3 * h3)
            grads += [g.sum(axis=0), g.T @ h2]
            g = _unpooled((g @ w3).reshape(batch, 16, 5, 5)) * (1 - a2 * a2)
            g = g.reshape(batch, 16, 100)
            grads += [g.sum(axis=(0, 2)), _kernel_gradient(g, c2, w2)]
            g = _added_up(w2.reshape(16, 150).T @ g)
            g = (_unpooled(g) * (1 - a1 * a1)).reshape(batch, 6, 784)
            grads += [g.sum(axis=(0, 2)), _kernel_gradient(g, c1, w1)]
            for p, d in zip(params, reversed(grads), strict=True):
                d *= RATE
                p -= d
            return loss, *params

        return run

    def autograd() -> Run:
        raise Unavailable("its convolutions are not made for training: two orders of magnitude slower")

    return {"gradcore": gradcore, "torch": torch, "numpy": numpy, "autograd": autograd}


def _data(batch: int) -> tuple[Any, Any, list[Any]]:
    rng = np.random.default_rng(0)
    data = rng.standard_normal((batch, 1, 28, 28), dtype=np.float32)
    labels = rng.integers(0, 10, batch)
    params = [
        (rng.standard_normal(s) / math.sqrt(math.prod(s[1:]))).astype(np.float32)
        if len(s) > 1
        else np.zeros(s, np.float32)
        for s in SHAPES
    ]
    return data, labels, params


def _columns(x: Any) -> Any:
    """The windows of 5 x 5 as columns."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), (2, 3))
    return windows.transpose(0, 1, 4, 5, 2, 3).reshape(x.shape[0], x.shape[1] * 25, -1)


def _convolved(columns: Any, weight: Any, bias: Any, size: int) -> Any:
    out = weight.reshape(weight.shape[0], -1) @ columns + bias[:, None]
    return out.reshape(*out.shape[:2], size, size)


def _kernel_gradient(g: Any, columns: Any, weight: Any) -> Any:
    return np.tensordot(g, columns, ((0, 2), (0, 2))).reshape(weight.shape)


def _added_up(columns: Any) -> Any:
    """Columns of windows of a 6 x 14 x 14 image, added up where the windows are."""
    out = np.zeros((columns.shape[0], 6, 14, 14), columns.dtype)
    columns = columns.reshape(-1, 6, 5, 5, 10, 10)
    for i in range(5):
        for j in range(5):
            out[:, :, i : i + 10, j : j + 10] += columns[:, :, i, j]
    return out


def _pooled(x: Any) -> Any:
    n, channels, height, width = x.shape
    return x.reshape(n, channels, height // 2, 2, width // 2, 2).mean(axis=(3, 5))


def _unpooled(g: Any) -> Any:
    return np.repeat(np.repeat(g * np.float32(0.25), 2, axis=2), 2, axis=3)
