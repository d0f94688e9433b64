"""Forward mode of every operation, and ``forward_ad``."""

from __future__ import annotations

import numpy as np
import pytest
from registry import DIFFERENTIABLE, host, in_double_precision, outputs_of

import gradcore as gc
from gradcore.autograd import forward_ad as fw


def random_like(x, rng):
    values = rng.standard_normal(tuple(x.shape))
    if x.is_complex():
        values = values + 1j * rng.standard_normal(tuple(x.shape))
    return gc.tensor(np.asarray(values), dtype=x.dtype, device=x.device)


def inner(a, b):
    """The real inner product, for which vjp is the adjoint of jvp."""
    return float(np.real(np.vdot(host(a).ravel(), host(b).ravel())))


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_jvp_is_the_adjoint_of_vjp(name):
    rng = np.random.default_rng(0)
    for function, inputs in in_double_precision(name):
        tangents = [random_like(x, rng) for x in inputs]
        outputs = [o for o in outputs_of(function(*inputs)) if o.requires_grad]
        with fw.dual_level():
            duals = [fw.make_dual(x, t) for x, t in zip(inputs, tangents, strict=True)]
            pushed = [fw.unpack_dual(o) for o in outputs_of(function(*duals))]
        pushed = [p for p in pushed if p.primal.requires_grad]
        cotangents = [random_like(o, rng) for o in outputs]
        grads = gc.autograd.grad(outputs, inputs, cotangents, materialize_grads=True)
        ahead = 0.0
        if not all(np.isfinite(host(o)).all() for o in outputs):
            continue  # the mean of nothing
        for p, o, c in zip(pushed, outputs, cotangents, strict=True):
            np.testing.assert_allclose(host(p.primal), host(o), rtol=1e-12)
            assert p.tangent is not None, f"{name} loses the tangent"
            assert (p.tangent.shape, p.tangent.dtype, p.tangent.device) == (o.shape, o.dtype, o.device)
            ahead += inner(c, p.tangent)
        back = sum(inner(g, t) for g, t in zip(grads, tangents, strict=True))
        assert ahead == pytest.approx(back, rel=1e-9, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_each_operand_alone_may_have_a_tangent(name):
    rng = np.random.default_rng(0)
    for function, inputs in in_double_precision(name):
        tangents = [random_like(x, rng) for x in inputs]

        def tangent_for(which):
            with fw.dual_level():
                args = [
                    fw.make_dual(x, t) if i in which else x
                    for i, (x, t) in enumerate(zip(inputs, tangents, strict=True))
                ]
                return [fw.unpack_dual(o).tangent for o in outputs_of(function(*args)) if o.requires_grad]

        together = tangent_for(range(len(inputs)))
        alone = [tangent_for([i]) for i in range(len(inputs))]
        for nr, whole in enumerate(together):
            parts = [host(a[nr]) for a in alone if a[nr] is not None]
            np.testing.assert_allclose(sum(parts), host(whole), rtol=1e-9, atol=1e-9)
