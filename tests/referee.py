"""One expression, evaluated with gradcore and with PyTorch: values, dtypes, nodes, gradients, errors."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import gradcore as gc

TOLERANCE = {"float16": 2e-2, "float32": 2e-5, "complex64": 2e-5}


def agree(torch, expression, *arrays, grad=None, order=2, warns=None, indices=True):
    """Evaluate ``expression`` with both libraries and compare everything that comes out.

    Args:
        torch: the referee.
        expression: text, in which ``t`` is the library, ``F`` its ``nn.functional``, and ``x``, ``y``, ``z``,
            ``w`` are the arrays as tensors. It gives a tensor or a tuple of them, or both libraries raise the
            same class.
        arrays: NumPy arrays (or what makes one).
        grad: for each array, whether it requires grad; by default what is not an integer does.
        order: the highest order of derivatives compared.
        warns: a UserWarning that gradcore must give. Any other is an error.
        indices: compare integer results, too; ``False`` where PyTorch leaves open which it gives.
    """
    arrays = [np.asarray(a) for a in arrays]
    grad = [a.dtype.kind in "fc" for a in arrays] if grad is None else grad
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = _evaluate(torch, torch.nn.functional, expression, arrays, grad, order)
    if warns is not None:
        with pytest.warns(UserWarning, match=warns):
            ours = _evaluate(gc, gc.nn.functional, expression, arrays, grad, order)
    else:
        ours = _evaluate(gc, gc.nn.functional, expression, arrays, grad, order)
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        same = type(ours) is type(theirs) or (
            type(ours).__module__ == "gradcore.errors" and isinstance(ours, type(theirs))
        )
        assert same, f"gradcore: {_brief(ours)}\nPyTorch: {_brief(theirs)}"
        return
    assert ours["outputs"] == theirs["outputs"]
    tolerance = max(TOLERANCE.get(a.dtype.name, 1e-9) for a in (*arrays, *ours["values"]))
    for what in ("values", "first", "second"):
        assert len(ours[what]) == len(theirs[what]), what
        for got, want in zip(ours[what], theirs[what], strict=True):
            if not indices and what == "values" and got.dtype.kind in "iu":
                continue
            assert (got is None) == (want is None), f"{what}: {got} and {want}"
            if got is not None:
                assert got.dtype == want.dtype, what
                np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=f"{what}: {expression}")


def _evaluate(t, functional, expression, arrays, grad, order):
    tensors = [t.tensor(a, requires_grad=bool(g)) for a, g in zip(arrays, grad, strict=True)]
    names = {
        "t": t,
        "F": functional,
        "inf": math.inf,
        "nan": math.nan,
        **dict(zip("xyzw", tensors, strict=False)),
    }
    try:
        made = eval(expression, names)
    except (RuntimeError, TypeError, ValueError, LookupError) as e:
        return e
    outputs = made if isinstance(made, tuple) else (made,)
    facts = [(_dtype(o), tuple(o.shape), o.requires_grad, _node(o)) for o in outputs]
    found = {"outputs": facts, "values": [_host(o) for o in outputs], "first": [], "second": []}
    inputs = [x for x, g in zip(tensors, grad, strict=True) if g]
    used = [o for o in outputs if o.requires_grad]
    if used and order:
        first = _gradients(t, used, inputs, 1.0, order > 1)
        found["first"] = [None if g is None else _host(g) for g in first]
        used = [g for g in first if g is not None and g.requires_grad]
        if used and order > 1:
            second = _gradients(t, used, inputs, 2.0, False)
            # A gradient that is zero by structure may be None in one library and zeros in the other.
            found["second"] = [
                np.zeros_like(_host(x)) if g is None else _host(g) for g, x in zip(second, inputs, strict=True)
            ]
    if not found["second"]:
        found["second"] = [np.zeros_like(_host(x)) for x in inputs]
    return found


def _gradients(t, outputs, inputs, phase, create_graph):
    weights = [t.tensor(_weights(o, phase)) for o in outputs]
    return t.autograd.grad(outputs, inputs, weights, create_graph=create_graph, retain_graph=True, allow_unused=True)


def _weights(output, phase):
    """Numbers without pattern, for the gradient of an output."""
    shape = tuple(output.shape)
    weights = np.cos(np.arange(math.prod(shape)) * 1.7 + phase).reshape(shape)
    dtype = np.dtype(_dtype(output))
    return (weights * (1 - 0.5j) if dtype.kind == "c" else weights).astype(dtype)


def _host(x):
    return x.detach().numpy(force=True)


def _dtype(x):
    return str(x.dtype).rpartition(".")[2]


def _node(x):
    return None if x.grad_fn is None else type(x.grad_fn).__name__


def _brief(x):
    return repr(x) if isinstance(x, Exception) else x["outputs"]
