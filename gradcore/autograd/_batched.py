"""Gradients for a batch of cotangents, in one walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradcore.op import is_tensor
from gradcore.transforms.batching import VmapLevel

__all__ = ["batched_grad"]


def batched_grad(
    grad: Callable[..., Any],
    outputs: Any,
    inputs: Any,
    grad_outputs: Any,
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool,
    materialize_grads: bool,
) -> Any:
    """``autograd.grad`` for a batch of ``grad_outputs``, which stand along their first dimension.

    Raises:
        IndexError: a gradient has no dimension for the batch.
        RuntimeError: there is no batch, or the batches have different sizes.
    """
    given = (grad_outputs,) if is_tensor(grad_outputs) else tuple(grad_outputs or ())
    how = "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension"
    if any(g is not None and not g.ndim for g in given):
        raise IndexError(f"{how}, but one of them is 0-dimensional")
    sizes = {g.shape[0] for g in given if g is not None}
    if len(sizes) != 1:
        raise RuntimeError(f"{how}, which must be of the same size in all of them, but the sizes are {sorted(sizes)}")
    level = VmapLevel(sizes.pop())
    with level.running():
        batched = tuple(None if g is None else level.batch(g) for g in given)
        found = grad(outputs, inputs, batched, retain_graph, create_graph, True, allow_unused, False, materialize_grads)
        values = found.values() if isinstance(found, dict) else found
        results = [None if g is None else level.all_elements(g) for g in values]
    return dict(zip(found, results, strict=True)) if isinstance(found, dict) else tuple(results)
