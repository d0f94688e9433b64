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
        RuntimeError: there is no batch, or the batches have different sizes.
    """
    given = (grad_outputs,) if is_tensor(grad_outputs) else tuple(grad_outputs or ())
    sizes = {g.shape[0] if g.ndim else None for g in given if g is not None}
    if len(sizes) != 1 or None in sizes:
        raise RuntimeError(
            "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension: each must "
            f"have one, of the same size, but the sizes are {sorted(map(str, sizes))}"
        )
    level = VmapLevel(sizes.pop())
    with level.running():
        batched = tuple(None if g is None else level.batch(g) for g in given)
        found = grad(outputs, inputs, batched, retain_graph, create_graph, True, allow_unused, False, materialize_grads)
        values = found.values() if isinstance(found, dict) else found
        results = [None if g is None else level.all_elements(g) for g in values]
    return dict(zip(found, results, strict=True)) if isinstance(found, dict) else tuple(results)
