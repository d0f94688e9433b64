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
        RuntimeError: no gradient was given, or one without its batch has another shape than its output.
        ValueError: the batches have different sizes.
    """
    given = (grad_outputs,) if is_tensor(grad_outputs) else tuple(grad_outputs or ())
    how = "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension"
    if any(g is not None and not g.ndim for g in given):
        raise IndexError(f"{how}, but one of them is 0-dimensional")
    for i, (out, g) in enumerate(zip((outputs,) if is_tensor(outputs) else tuple(outputs), given, strict=False)):
        if g is not None and is_tensor(out) and g.shape[1:] != out.shape:
            raise RuntimeError(
                f"{how}. The sizes of the remaining dimensions are expected to match the shape of corresponding output, but "
                f"a mismatch was detected: grad_output[{i}] has a shape of {list(g.shape[1:])} for each element of the batch "
                f"and output[{i}] has a shape of {list(out.shape)}"
            )
    sizes = [g.shape[0] for g in given if g is not None]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"{how}, and expected all tensors to have the same size in the mapped dimension, but got sizes {sizes}"
        )
    if not sizes:
        raise RuntimeError(f"{how}, but no grad_outputs were given: give one for each output, with a batch in front")
    level = VmapLevel(sizes[0])
    with level.running():
        batched = tuple(None if g is None else level.batch(g) for g in given)
        found = grad(outputs, inputs, batched, retain_graph, create_graph, True, allow_unused, False, materialize_grads)
        values = found.values() if isinstance(found, dict) else found
        results = [None if g is None else level.all_elements(g) for g in values]
    return dict(zip(found, results, strict=True)) if isinstance(found, dict) else tuple(results)
