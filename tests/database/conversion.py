"""Arguments of PyTorch as gradcore's, and results of both as NumPy arrays."""

from __future__ import annotations

import ml_dtypes
import torch
from database.calls import rebound

import gradcore as gc
import gradcore.dtypes


def to_gradcore(value, memo):
    """An argument with every tensor, dtype, device and function of PyTorch in it turned into gradcore's.

    ``memo`` keeps the tensors by their identity: one that occurs twice stays one.
    """
    if isinstance(value, torch.Tensor):
        if id(value) not in memo:
            memo[id(value)] = _tensor(value), value
        return memo[id(value)][0]
    if isinstance(value, torch.Size):
        return gc.Size(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_gradcore(v, memo) for v in value))
    if isinstance(value, (list, tuple)):
        return type(value)(to_gradcore(v, memo) for v in value)
    if isinstance(value, dict):
        # What is said about the layout of memory means nothing to other array libraries.
        return {
            k: to_gradcore(v, memo) for k, v in value.items() if not isinstance(v, (torch.layout, torch.memory_format))
        }
    if isinstance(value, slice):
        return slice(*(to_gradcore(v, memo) for v in (value.start, value.stop, value.step)))
    if isinstance(value, torch.dtype):
        return gc.dtypes.bfloat16() if value is torch.bfloat16 else getattr(gc, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return gc.get_default_device()
    if isinstance(value, torch.nn.Module):
        return getattr(gc.nn, type(value).__name__)()
    if callable(value) and getattr(value, "__module__", "").startswith("torch.nn.functional"):
        return getattr(gc.nn.functional, value.__name__)
    return rebound(value)


def _tensor(x):
    return gc.tensor(to_host(x), requires_grad=x.requires_grad)


def to_host(x):
    """The numbers of a tensor of either library."""
    if isinstance(x, gc.Tensor):
        return x.detach().numpy(force=True)
    x = x.detach().resolve_conj().resolve_neg()
    if x.dtype is torch.bfloat16:
        return x.float().numpy(force=True).astype(ml_dtypes.bfloat16)
    return x.numpy(force=True)


def tensors_in(value):
    """The tensors in nested sequences and mappings, in order, each once."""
    found = {}

    def visit(v):
        if isinstance(v, (torch.Tensor, gc.Tensor)):
            found[id(v)] = v
        elif isinstance(v, (list, tuple)):
            for item in v:
                visit(item)
        elif isinstance(v, dict):
            for item in v.values():
                visit(item)

    visit(value)
    return list(found.values())
