"""bfloat16, on the cpu through ml_dtypes, beside PyTorch's: computed in float32, rounded once."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import gradcore as gc

ml_dtypes = pytest.importorskip("ml_dtypes")

pytestmark = pytest.mark.skipif(gc.get_default_device().type != "cpu", reason="the device has no bfloat16")

rng = np.random.default_rng(8)
X = rng.normal(size=(3, 4)).astype(np.float32)
Y = rng.normal(size=(3, 4)).astype(np.float32)

PROGRAMS = [
    "x * 1.1 + y",
    "1 - x",
    "x / y",
    "x ** 3",
    "t.exp(x).sum()",
    "x.sum(0)",
    "x.mean()",
    "x.var(1)",
    "x.prod(1)",
    "t.cumsum(x, 1)",
    "x @ y.T",
    "t.addmm(x[:, :3], x, y.T, beta=0.5)",
    "F.linear(x, y, x[:, 0])",
    "F.softmax(x, 1)",
    "F.gelu(x)",
    "F.silu(x) * t.sigmoid(y)",
    "F.softplus(x)",
    "F.mse_loss(x, y)",
    "F.cross_entropy(x, t.tensor([0, 3, 1]))",
    "F.layer_norm(x, (4,))",
    "t.where(x > y, x, y)",
    "t.maximum(x, y)",
    "x.max(1)[0]",
    "x.sort(1)[0]",
    "t.cat([x, y]).T[1:]",
    "x[t.tensor([0, 0, 2])]",
    "x.clamp(-0.5, 0.5)",
    "x.norm()",
    "t.erf(x)",
    "x.float() * 1.1",
    "x.double() * y",
    "(x * y).to(t.float32)",
    "x.sum(dtype=t.float32)",
    "x.expand(2, 3, 4).sum(0)",
    "(x * 2).reshape(4, 3).mul_(y.reshape(4, 3)).exp_()",
]


def evaluate(t, program):
    x, y = (t.tensor(a).to(t.bfloat16).requires_grad_() for a in (X, Y))
    out = eval(program, {"t": t, "F": t.nn.functional, "x": x, "y": y})
    grads = t.autograd.grad(out.float().sum() * 0.7, [x, y], allow_unused=True)
    kinds = [str(v.dtype).rpartition(".")[2] for v in (out, *[g for g in grads if g is not None])]
    values = [None if v is None else v.detach().float().numpy() for v in (out, *grads)]
    return kinds, type(out.grad_fn).__name__, values


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs(program, torch):
    ours, theirs = evaluate(gc, program), evaluate(torch, program)
    assert ours[:2] == theirs[:2]
    for got, want in zip(ours[2], theirs[2], strict=True):
        assert (got is None) == (want is None)
        if got is not None:
            np.testing.assert_allclose(got, want, rtol=2**-7, atol=2**-7)


def test_a_sum_is_not_accumulated_in_eight_bits():
    x = gc.ones(4000, dtype=gc.bfloat16, requires_grad=True)
    assert x.sum().item() == 4000.0
    assert gc.cumsum(x, 0)[-1].item() == 4000.0


def test_an_operation_rounds_once():
    # The steps of a softplus would lose all digits of a small result.
    x = gc.tensor([-6.0], dtype=gc.bfloat16)
    found = gc.nn.functional.softplus(x).item()
    assert abs(found / np.log1p(np.exp(-6.0)) - 1) < 2**-8


@pytest.mark.parametrize("make", ["zeros", "ones", "randn", "rand", "empty"])
def test_creation(make):
    x = getattr(gc, make)(2, 3, dtype=gc.bfloat16)
    assert x.dtype == gc.bfloat16
    assert (x * 2).dtype == gc.bfloat16


def test_from_arrays_and_back():
    array = np.arange(4).astype(ml_dtypes.bfloat16)
    x = gc.from_numpy(array)
    assert x.numpy() is array or np.shares_memory(x.numpy(), array)
    assert gc.tensor(array).tolist() == [0.0, 1.0, 2.0, 3.0]
    assert gc.tensor([1.5], dtype=ml_dtypes.bfloat16).item() == 1.5
    assert gc.arange(3, dtype=gc.bfloat16).dtype == gc.bfloat16


def test_promotion(torch):
    for a in ("bfloat16", "float16", "float32", "int64", "uint8", "bool", "complex64"):
        for b in ("bfloat16", "float64", "int8"):
            theirs = torch.promote_types(getattr(torch, a), getattr(torch, b))
            assert gc.promote_types(getattr(gc, a), getattr(gc, b)).name == str(theirs).rpartition(".")[2]
    x = gc.ones(2, dtype=gc.bfloat16)
    assert (x + 1.5).dtype == (x + gc.ones(2, dtype=gc.int64)).dtype == gc.bfloat16
    assert (x + gc.ones(2)).dtype == gc.float32


def test_methods(t):
    x = t.tensor([1.5, -2.0], requires_grad=True)
    y = x.bfloat16()
    assert y.type() == "torch.BFloat16Tensor"
    assert y.bfloat16() is y
    (y * y).sum().backward()
    assert x.grad.dtype == t.float32
    assert x.grad.tolist() == [3.0, -4.0]


def test_saved_tensors_stay_narrow():
    x = gc.tensor([1.5, 2.0], dtype=gc.bfloat16, requires_grad=True)
    y = gc.exp(x)
    assert y.grad_fn._saved_result.dtype == gc.bfloat16
    assert (x * x).grad_fn._saved_self.dtype == gc.bfloat16


def test_second_order_and_transforms():
    x = gc.tensor([1.5, -0.5], dtype=gc.bfloat16, requires_grad=True)
    (g,) = gc.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = gc.autograd.grad(g.sum(), x)
    assert h.dtype == gc.bfloat16
    assert h.tolist() == [9.0, -3.0]
    assert gc.func.grad(lambda v: (v * v).sum())(x.detach()).tolist() == [3.0, -1.0]
    assert gc.func.vmap(lambda v: v * 1.1)(x.detach()).dtype == gc.bfloat16
    assert gc.func.jvp(gc.exp, (x.detach(),), (gc.ones_like(x.detach()),))[1].dtype == gc.bfloat16


def test_limits(torch):
    for name in ("bfloat16", "float16", "float32", "float64", "complex64"):
        ours, theirs = gc.finfo(getattr(gc, name)), torch.finfo(getattr(torch, name))
        for what in ("resolution", "min", "max", "eps", "smallest_normal", "tiny", "bits", "dtype"):
            assert getattr(ours, what) == pytest.approx(getattr(theirs, what)) or getattr(ours, what) == getattr(
                theirs, what
            )


def test_printing():
    x = gc.tensor([1.5, 3.4531], dtype=gc.bfloat16)
    assert repr(x) == "tensor([1.5000, 3.4531], dtype=gradcore.bfloat16)"


def test_the_error_without_the_package_names_it():
    code = (
        "import sys; sys.modules['ml_dtypes'] = None\n"
        "import gradcore as gc\n"
        "assert (gc.ones(2) * 2).dtype == gc.float32\n"
        "try: gc.bfloat16\n"
        "except ImportError as e: assert 'gradcore[bfloat16]' in str(e), e\n"
        "else: raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_operations_used_before_go_on():
    code = (
        "import gradcore as gc\n"
        "x = gc.tensor([1.5], requires_grad=True)\n"
        "y = x * 2 + x.exp()\n"
        "b = x.bfloat16() * 2\n"
        "assert b.dtype == gc.bfloat16 and (x * 2).dtype == gc.float32\n"
        "(y.sum() + b.sum()).backward()\n"
        "assert abs(x.grad.item() - 4 - 4.4816890) < 1e-4\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_there_is_no_complex32():
    with pytest.raises(NotImplementedError, match="cfloat"):
        gc.ones(2).chalf()


def test_hooks_on_saved_tensors_and_checkpoints():
    x = gc.tensor([1.5, -0.5], dtype=gc.bfloat16, requires_grad=True)
    seen = []

    def pack(saved):
        seen.append(saved.dtype)
        return saved

    with gc.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        y = (gc.exp(x) * x).sum()
    y.backward()
    want = x.grad.clone()
    assert set(seen) == {gc.bfloat16}
    x.grad = None
    gc.utils.checkpoint.checkpoint(lambda v: (gc.exp(v) * v).sum(), x, use_reentrant=False).backward()
    assert x.grad.tolist() == want.tolist()


def test_learning():
    layer = gc.nn.Linear(3, 1, dtype=gc.bfloat16)
    optimizer = gc.optim.SGD(layer.parameters(), lr=0.125, momentum=0.5)
    x = gc.ones(4, 3, dtype=gc.bfloat16)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = gc.nn.functional.mse_loss(layer(x), gc.ones(4, 1, dtype=gc.bfloat16))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(p.dtype == p.grad.dtype == gc.bfloat16 for p in layer.parameters())
