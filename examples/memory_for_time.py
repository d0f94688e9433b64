"""What a backward keeps in memory, and how to keep less of it: checkpoints, or saved tensors in files.

    python examples/memory_for_time.py
    python examples/memory_for_time.py --layers 64 --segments 8

Runs a deep chain of layers in three ways, on the cpu, and compares memory, how often layers ran, and the gradients.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

# The pool hands memory on from one way to the next, so that the second would seem to need none. Read at the import below.
os.environ["GRADCORE_POOL"] = "0"

import gradcore as gc
from gradcore import nn
from gradcore.autograd.graph import saved_tensors_hooks
from gradcore.utils.checkpoint import checkpoint_sequential


class Layer(nn.Module):
    """``tanh(scale * x + shift)``, which counts its calls."""

    calls = 0

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(gc.ones(features))
        self.shift = nn.Parameter(gc.zeros(features))

    def forward(self, x: gc.Tensor) -> gc.Tensor:
        """Element by element; the shape stays."""
        Layer.calls += 1
        return (x * self.scale + self.shift).tanh()


def main() -> None:
    """Run the chain in three ways and print a line for each."""
    options = argparse.ArgumentParser(description="Compare ways to spend less memory on a backward.")
    options.add_argument("--layers", type=int, default=32)
    options.add_argument("--segments", type=int, default=6, help="into how many parts checkpoints cut the chain")
    given = options.parse_args()

    gc.set_default_device("cpu")
    gc.manual_seed(0)
    model = nn.Sequential(*[Layer(256) for _ in range(given.layers)])
    x = gc.randn(256, 256)
    exact = measure("everything kept", model, lambda: model(x))

    gradients = measure(
        "checkpoints", model, lambda: checkpoint_sequential(model, given.segments, x, use_reentrant=False)
    )
    print(f"  differ from the gradients above by at most {difference(gradients, exact):g}")

    with tempfile.TemporaryDirectory() as folder:
        gradients = measure("saved in files", model, lambda: saved_in_files(Path(folder), lambda: model(x)))
    print(f"  differ from the gradients above by at most {difference(gradients, exact):g}")


def saved_in_files(folder: Path, run: Callable[[], gc.Tensor]) -> gc.Tensor:
    """Run something; what backward will need of it is written to files, and read when it is needed."""
    number = itertools.count()

    def pack(tensor: gc.Tensor) -> Path:
        path = folder / f"{next(number)}.npy"
        np.save(path, tensor.numpy(force=True))
        return path

    def unpack(path: Path) -> gc.Tensor:
        return gc.from_numpy(np.load(path))

    with saved_tensors_hooks(pack, unpack):
        return run()


def measure(name: str, model: nn.Module, run: Callable[[], gc.Tensor]) -> list[gc.Tensor]:
    """Run forward and backward, print what it took, and give the gradients."""
    model.zero_grad()
    Layer.calls = 0
    tracemalloc.start()
    run().mean().backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{name:18}{peak / 2**20:6.1f} MiB at most, {Layer.calls} layers run")
    return [p.grad for p in model.parameters() if p.grad is not None]


def difference(some: list[gc.Tensor], others: list[gc.Tensor]) -> float:
    """The largest difference of any two elements."""
    return max((a - b).abs().max().item() for a, b in zip(some, others, strict=True))


if __name__ == "__main__":
    main()
