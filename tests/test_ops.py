"""Every test of every operation: loops over the registry.

What is special to one operation stands in ``tests/ops``.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
from registry import (
    DIFFERENTIABLE,
    EVERY,
    REFUSING,
    bound,
    call,
    host,
    in_double_precision,
    outputs_of,
    samples_of,
    tensors_in,
)

import gradcore as gc
from gradcore.autograd import gradcheck, gradgradcheck
from gradcore.grad_mode import no_grad
from gradcore.op import OPS


@pytest.mark.parametrize("name", EVERY)
def test_has_samples_that_require_grad(name):
    op = OPS[name]
    assert op.samples is not None, f"operation {name} has no samples: give it samples= in its @op(...)"
    found = samples_of(name)
    assert found, f"the samples function of {name} yields nothing"
    if op.differentiable:
        assert any(x.requires_grad for s in found for x in tensors_in(s))


@pytest.mark.parametrize("name", EVERY)
def test_forward_is_the_same_on_every_device_and_leaves_operands_alone(name, device):
    here = samples_of(name)
    there = samples_of(name, device="cpu")
    for a, b in zip(here, there, strict=True):
        before = [host(x).copy() for x in tensors_in(a)]
        got, want = outputs_of(call(name, a)), outputs_of(call(name, b))
        for x, y in zip(got, want, strict=True):
            assert x.device == device
            assert x.dtype == y.dtype
            np.testing.assert_allclose(host(x), host(y), rtol=1e-12, atol=1e-12)
        for x, y in zip(tensors_in(a), before, strict=True):
            np.testing.assert_array_equal(host(x), y, err_msg=f"{name} wrote to its operand")


@pytest.mark.parametrize("name", REFUSING)
def test_refuses_to_go_back_through_what_has_no_derivative(name):
    for s in samples_of(name):
        outputs = [out for out in outputs_of(call(name, s)) if out.requires_grad]
        for out in outputs:
            with pytest.raises(RuntimeError, match="is not implemented"):
                out.backward(gc.ones_like(out))


@pytest.mark.parametrize("name", [n for n in EVERY if n not in REFUSING])
def test_does_not_write_to_read_only_operands(name):
    for s in samples_of(name, device="cpu"):
        for x in tensors_in(s):
            x._data.flags.writeable = False
        outputs = outputs_of(s.finished(call(name, s)))
        for out in outputs:
            if out.requires_grad:
                v = gc.ones_like(out)
                v._data.flags.writeable = False
                gc.autograd.grad(
                    out, [x for x in tensors_in(s) if x.requires_grad], v, retain_graph=True, allow_unused=True
                )


@pytest.mark.parametrize("name", EVERY)
def test_shares_memory_exactly_if_it_is_a_view(name):
    op = OPS[name]
    for s in samples_of(name, device="cpu"):
        with no_grad():
            for out in outputs_of(call(name, s)):
                if out.numel() == 0:
                    continue
                shared = any(np.may_share_memory(out._data, x._data) for x in tensors_in(s))
                assert shared == op.view, f"{name}: view={op.view}, but memory is {'' if shared else 'not '}shared"
                assert out._is_view() == op.view


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_node_name_and_gradients_in_the_space_of_their_inputs(name):
    op = OPS[name]
    for s in samples_of(name):
        result = call(name, s)
        for out in outputs_of(result):
            assert out.grad_fn is None or type(out.grad_fn).__name__ == op.node
        outputs = [o for o in outputs_of(s.finished(result)) if o.requires_grad]
        inputs = [x for x in tensors_in(s) if x.requires_grad]
        for out in outputs:
            grads = gc.autograd.grad(out, inputs, gc.ones_like(out), retain_graph=True, allow_unused=True)
            for x, g in zip(inputs, grads, strict=True):
                if g is not None:
                    assert (g.shape, g.dtype, g.device) == (x.shape, x.dtype, x.device)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradcheck(name):
    for function, inputs in in_double_precision(name):
        assert gradcheck(function, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradcheck_in_forward_mode(name):
    for function, inputs in in_double_precision(name):
        assert gradcheck(function, inputs, check_forward_ad=True, check_backward_ad=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradgradcheck(name):
    for function, inputs in in_double_precision(name):
        assert gradgradcheck(function, inputs)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_plain_backward_calls_no_operation(name):
    sample = samples_of(name)[0]
    outputs = [o for o in outputs_of(call(name, sample)) if o.requires_grad]
    inputs = [x for x in tensors_in(sample) if x.requires_grad]
    cotangents = [gc.ones_like(o) for o in outputs]
    called = set()

    def note(frame, event, _):
        # Operations are generated code, and so is what runs their rules on arrays.
        file = frame.f_code.co_filename
        if event == "call" and file.startswith("<gradcore") and not file.endswith(": raw>"):
            called.add(file)

    sys.setprofile(note)
    try:
        gc.autograd.grad(outputs, inputs, cotangents, allow_unused=True)
    finally:
        sys.setprofile(None)
    assert called == set(), "a rule makes tensors where arrays would do"


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if not OPS[n].variadic and not OPS[n].reads_layout])
def test_non_contiguous_operands_give_the_same(name):
    for s in samples_of(name):
        strided = [
            x if not isinstance(x, gc.Tensor) or x.ndim == 0 else gc.stack([x.detach(), x.detach()], -1)[..., 0]
            for x in s.operands
        ]
        got = OPS[name].apply(tuple(strided), bound(name, s))
        for x, y in zip(outputs_of(got), outputs_of(call(name, s)), strict=True):
            np.testing.assert_allclose(host(x), host(y), rtol=1e-12, atol=1e-12)


def test_every_public_operation_is_exported():
    import importlib
    import pkgutil

    import gradcore.ops

    for module in pkgutil.iter_modules(gradcore.ops.__path__):
        if module.name.startswith("_"):
            continue
        for name in getattr(importlib.import_module(f"gradcore.ops.{module.name}"), "__all__", ()):
            assert hasattr(gc, name), f"gradcore.{name} is not exported"
