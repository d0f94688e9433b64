"""``gradcheck`` and ``gradgradcheck``: each option finds the fault that it is there for."""

from __future__ import annotations

import numpy as np
import pytest
from programs import run

X = "x = t.tensor([0.5, -1.2, 2.0], dtype=t.float64, requires_grad=True)\n"
M = "m = t.tensor([[0.5, -1.2], [2.0, 0.3]], dtype=t.float64, requires_grad=True)\n"
Z = "z = t.tensor([0.5 + 1j, -1.2 - 0.3j], dtype=t.complex128, requires_grad=True)\n"
FUNCTIONS = """
class WrongBackward(t.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 2
    @staticmethod
    def backward(ctx, g): return g * 3
class WrongJvp(t.autograd.Function):
    @staticmethod
    def forward(x): return x * 2
    @staticmethod
    def setup_context(ctx, inputs, output): pass
    @staticmethod
    def backward(ctx, g): return g * 2
    @staticmethod
    def jvp(ctx, tangent): return tangent * 3
class Adds(t.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 2
    @staticmethod
    def backward(ctx, g): return g * 2 + 1
class ForgetsUndefined(t.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2, x * 3
    @staticmethod
    def backward(ctx, a, b): return (0 if a is None else a * 2) + (0 if b is None else b * 3)
class Twice(t.autograd.Function):
    calls = 0
    @staticmethod
    def forward(ctx, x): return x * 2
    @staticmethod
    def backward(ctx, g):
        Twice.calls += 1
        return g * (2 + 1e-7 * Twice.calls)
class Named(t.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 2
    @staticmethod
    def backward(ctx, g): return t.tensor(g.tolist(), dtype=g.dtype) * 2
"""
GOOD = [
    "check(lambda x: (x.sin() * x).exp(), x)",
    "check(lambda x: (x.sin(), x * x), (x,))",
    "check(lambda x, k: x ** k, (x.abs().detach().requires_grad_(), 3))",
    "check(lambda m: m @ m.t(), m, fast_mode=True)",
    "check(lambda x: x.sin(), x, check_forward_ad=True)",
    "check(lambda x: x.sin(), x, check_forward_ad=True, check_backward_ad=False)",
    "check(lambda x: x.softmax(0), x, check_batched_grad=True)",
    "check(lambda x: x.softmax(0), x, check_forward_ad=True, check_batched_forward_grad=True)",
    "check(lambda x: x.sin(), x, check_grad_dtypes=True, check_forward_ad=True)",
    "check(lambda z: z * z, z)",
    "check(lambda z: z.abs(), z, check_forward_ad=True)",
    "check(lambda z: z * z.conj(), z, fast_mode=True)",
    "check(lambda x: x + 1j, x)",
    "double(lambda x: x.sin() * x, x)",
    "double(lambda x: x.sin() * x, x, gen_non_contig_grad_outputs=True)",
    "double(lambda x: x.sin() * x, x, check_fwd_over_rev=True)",
    "double(lambda x: x.sin() * x, x, check_fwd_over_rev=True, check_rev_over_rev=False, check_undefined_grad=False)",
    "double(lambda m: (m @ m).tanh(), m, fast_mode=True)",
    "double(lambda x: x.sin() * x, x, t.ones(3, dtype=t.float64, requires_grad=True))",
    "double(lambda x: x.tanh(), x, check_batched_grad=True)",
    "check(ForgetsUndefined.apply, x, check_undefined_grad=False)",
    "check(WrongJvp.apply, x)",
]


@pytest.mark.parametrize("call", GOOD)
def test_accepts(call, t):
    names = run(X + M + Z + FUNCTIONS + "check, double = t.autograd.gradcheck, t.autograd.gradgradcheck\n", t)
    assert eval(call, names) is True


BAD = [
    ("check(WrongBackward.apply, x)", RuntimeError, "Jacobian mismatch for output 0 with respect to input 0"),
    ("check(WrongBackward.apply, x, fast_mode=True)", RuntimeError, "mismatch for output 0 with respect to input 0"),
    ("check(WrongJvp.apply, x, check_forward_ad=True)", RuntimeError, "computed"),
    ("check(WrongJvp.apply, x, check_forward_ad=True, fast_mode=True)", RuntimeError, "mismatch for output 0"),
    ("check(Adds.apply, x)", RuntimeError, ""),
    ("check(ForgetsUndefined.apply, x)", (RuntimeError, TypeError), ""),
    ("check(Twice.apply, x)", RuntimeError, "Backward is not reentrant"),
    (
        "check(lambda x: x.detach() * 2 if True else x, x)",
        (RuntimeError, ValueError),
        "Numerical gradient for function expected to be zero",
    ),
    ("check(lambda x: x * 2, x.detach())", ValueError, "at least one input tensor to require gradient"),
    ("check(lambda x: x * 2, x.detach().expand(2, 3).requires_grad_())", RuntimeError, "a dimension with stride 0"),
    ("check(lambda x: x * 2, x, check_backward_ad=False)", AssertionError, "at least one of"),
    (
        "check(lambda x: x * 2, x, check_backward_ad=False, check_forward_ad=True, check_batched_grad=True)",
        AssertionError,
        "requires check_backward_ad",
    ),
    ("check(lambda x: x * 2, x, check_batched_forward_grad=True)", AssertionError, "requires check_forward_ad"),
    ("double(lambda x: x * 2, x, check_rev_over_rev=False)", AssertionError, "at least one of"),
]


@pytest.mark.filterwarnings("ignore:Backwards compatibility")  # PyTorch, of undefined gradients
@pytest.mark.parametrize(("call", "error", "phrase"), BAD)
def test_refuses(call, error, phrase, t):
    names = run(X + M + Z + FUNCTIONS + "check, double = t.autograd.gradcheck, t.autograd.gradgradcheck\n", t)
    with pytest.raises(error) as caught:
        eval(call, names)
    assert phrase in str(caught.value)


def test_gives_false_instead(t):
    names = run(X + FUNCTIONS, t)
    assert t.autograd.gradcheck(names["WrongBackward"].apply, names["x"], raise_exception=False) is False


def test_does_not_swallow_other_errors(t):
    with pytest.raises(ZeroDivisionError):
        t.autograd.gradcheck(lambda x: x / (1 // 0), run(X, t)["x"], raise_exception=False)


def test_warns_of_single_precision(t):
    x = t.tensor(np.float32([0.5, 1.0]), requires_grad=True)
    with pytest.warns(UserWarning, match="not a double precision floating point"):
        t.autograd.gradcheck(lambda x: x * 2, x, eps=1e-3, atol=1e-2)
