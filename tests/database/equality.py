"""What it means that two results are equal, and small things that comparing needs."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

import numpy as np
import torch

import gradcore as gc

TOLERANCE = {
    "float64": (1e-7, 1e-9),
    "complex128": (1e-7, 1e-9),
    "float32": (2e-4, 2e-5),
    "complex64": (2e-4, 2e-5),
    "float16": (2e-2, 2e-2),
    "bfloat16": (4e-2, 4e-2),
}


class Difference(AssertionError):
    """What gradcore gives is not what PyTorch gives."""


def leaf(t, like, seed):
    """Random numbers of the shape and dtype of a tensor, the same in both libraries."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(tuple(like.shape))
    name = dtype_name(like)
    if name.startswith("complex"):
        values = values + 1j * rng.standard_normal(tuple(like.shape))
    return t.tensor(values, dtype=getattr(t, name), requires_grad=True)


def same_arrays(got, want):
    if len(got) != len(want):
        raise Difference(f"{len(got)} arrays for {len(want)}")
    for a, b in zip(got, want, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise Difference(f"{a.dtype}{a.shape} for {b.dtype}{b.shape}")
        rtol, atol = TOLERANCE.get(b.dtype.name, (0, 0))
        if b.dtype.name in ("bfloat16", "float16"):
            a, b = a.astype(np.float32), b.astype(np.float32)
        # Where a large number cancels, the rest has its rounding.
        finite = np.abs(b[np.isfinite(b)]) if b.dtype.kind in "fc" else np.zeros(0)
        atol = atol * max(1.0, float(finite.max()) if finite.size else 1.0)
        with np.errstate(all="ignore"):
            close = np.isclose(a, b, rtol, atol, equal_nan=True) if b.dtype.kind in "fc" else a == b
        if not np.all(close):
            at = np.argwhere(~np.asarray(close))[0]
            raise Difference(f"at {tuple(at.tolist())}: {a[tuple(at)]} for {b[tuple(at)]} ({(~close).sum()} differ)")


def replaced(new, value):
    """``value`` with tensors replaced by their identity."""
    if isinstance(value, (torch.Tensor, gc.Tensor)):
        return new.get(id(value), value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(replaced(new, v) for v in value))
    if isinstance(value, (list, tuple)):
        return type(value)(replaced(new, v) for v in value)
    if isinstance(value, dict):
        return {k: replaced(new, v) for k, v in value.items()}
    return value


def attempt(function):
    """What a function gives, or what it raises."""
    try:
        return function()
    except Exception as e:  # noqa: BLE001 - whatever it is, it is compared
        return e


def outcome(check, what):
    """Whether a check passes, and if not, a remark."""
    try:
        check()
    except Exception as e:  # noqa: BLE001 - an error of gradcore's is a difference too
        return False, f"{what}: {brief(e)}"
    return True, None


@contextmanager
def quiet():
    """Without warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def node(x):
    return None if x.grad_fn is None else type(x.grad_fn).__name__


def dtype_name(x):
    return str(x.dtype).rpartition(".")[2]


def brief(e):
    return f"{type(e).__name__}: {str(e)[:200]}" if isinstance(e, Exception) else f"no error ({type(e).__name__})"
