"""Large arrays computed block by block: the numbers of the ordinary functions, whatever the blocks and threads."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest

import gradcore as gc
from gradcore.nn import functional as F  # noqa: N812 - torch's name for it
from gradcore_backends import _numpy_blocks
from gradcore_backends._numpy_large import LargeNumpyFunctions

FUNCTIONS = LargeNumpyFunctions()
RNG = np.random.default_rng(0)


@pytest.fixture(params=[(1, 1 << 16), (3, 1 << 10)], ids=lambda p: f"{p[0]} threads, blocks of {p[1]}")
def blocks(request, monkeypatch):
    """Threads and blocks of other sizes than usual."""
    monkeypatch.setattr(_numpy_blocks, "THREADS", request.param[0])
    monkeypatch.setattr(_numpy_blocks, "BLOCK", request.param[1])
    monkeypatch.setattr(_numpy_blocks, "SHARED", 1)
    monkeypatch.setattr(_numpy_blocks, "LEAST", 1)
    monkeypatch.setattr(_numpy_blocks, "_others", None)
    yield
    if _numpy_blocks._others is not None:
        _numpy_blocks._others.shutdown()


def matrix(rows, width, dtype, scale=1.0, offset=0.0):
    return (RNG.standard_normal((rows, width)) * scale + offset).astype(dtype)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def close(got, want, dtype, slack=1.0, size=0.0):
    """Equal up to rounding; ``size`` is that of the terms, where these may cancel."""
    tolerance = slack * (3e-6 if dtype == "float32" else 1e-12)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * max(np.abs(want).max(), size, 1e-30))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "width"), [(1, 70), (37, 300)])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1, -50), (40, 0), (1, 200), (300, 1e4)])
def test_softmax(rows, width, scale, offset, dtype, blocks):
    x, g = matrix(rows, width, dtype, scale, offset), matrix(rows, width, dtype)
    y, v = x.astype(np.float64), g.astype(np.float64)
    share = softmax(y)
    slack = 1 + np.abs(y - y.max(-1, keepdims=True)).max() / 30 + np.abs(y).max() / 1e3  # the rounding of the exponents
    logs = y - y.max(-1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(-1, keepdims=True))
    out, log_out = FUNCTIONS.softmax(x, 1), FUNCTIONS.log_softmax(x, -1)
    close(out, share, dtype, slack)
    close(log_out, logs, dtype, slack)
    close(FUNCTIONS.softmax_gradient(g, out, 1), out * (v - (v * out).sum(-1, keepdims=True)), dtype, size=3)
    close(FUNCTIONS.log_softmax_gradient(g, log_out, 1), v - np.exp(log_out) * v.sum(-1, keepdims=True), dtype, size=3)


def test_softmax_of_what_has_no_value(blocks):
    x = matrix(5, 100, "float32")
    x[0], x[1, 3], x[2, 3], x[3, :50] = -math.inf, math.nan, math.inf, -math.inf
    with np.errstate(all="ignore"):
        for found, plain in (
            (FUNCTIONS.softmax(x, 1), softmax(x)),
            (FUNCTIONS.log_softmax(x, 1), np.log(softmax(x))),
        ):
            np.testing.assert_allclose(found, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "size"), [((37, 300), 300), ((4, 11, 6, 20), 120)])
@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm(shape, size, offset, affine, dtype, blocks):
    x = (RNG.standard_normal(shape) + offset).astype(dtype)
    g = RNG.standard_normal(shape).astype(dtype)
    inner = shape[1:] if len(shape) == 2 else shape[2:]
    w, b = (RNG.standard_normal(inner).astype(dtype) if affine else None for _ in range(2))
    out, mean, scale = FUNCTIONS.layer_norm(x, w, b, size, 0.1)
    y, v = x.reshape(-1, size).astype(np.float64), g.reshape(-1, size).astype(np.float64)
    centered = y - y.mean(1, keepdims=True)
    inverse = 1 / np.sqrt((centered**2).mean(1, keepdims=True) + 0.1)
    normal = centered * inverse
    factor, shift = (1, 0) if w is None else (w.reshape(-1), b.reshape(-1))
    slack = 1 + offset  # the rounding of the mean
    for got, want in ((mean, y.mean(1, keepdims=True)), (scale, inverse)):
        close(got, want, dtype, slack)
    close(out.reshape(-1, size), normal * factor + shift, dtype, slack)
    scaled = v * factor
    want = inverse * (scaled - scaled.mean(1, keepdims=True) - normal * (scaled * normal).mean(1, keepdims=True))
    gx, gw, gb = FUNCTIONS.layer_norm_gradient(g, x, w, mean, scale, size, (True, True, True))
    close(gx.reshape(-1, size), want, dtype, slack)
    close(gw.reshape(-1), (v * normal).sum(0), dtype, slack)
    close(gb.reshape(-1), v.sum(0), dtype)
    for wanted in ((True, False, False), (False, True, False), (False, False, True)):
        found = FUNCTIONS.layer_norm_gradient(g, x, w, mean, scale, size, wanted)
        for part, full, want in zip(found, (gx, gw, gb), wanted, strict=True):
            assert np.array_equal(part, full) if want else part is None


def test_gelu(blocks):
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-12, 12, 40_001), [0.0, -0.0, 1e-30, 1e30, -1e30]]).astype(np.float32)
    g = RNG.standard_normal(x.size).astype(np.float32)
    y = x.astype(np.float64)
    share = special.ndtr(y)
    slope = share + y * np.exp(-y * y / 2) / math.sqrt(2 * math.pi)
    got = FUNCTIONS.gelu(x)
    # The share is rounded to single precision, and so off by a few units of the last digit of 1.
    assert (np.abs(got - y * share) <= 4e-7 * np.abs(y)).all()
    gradient = FUNCTIONS.gelu_gradient(g, x)
    assert (np.abs(gradient - g * slope) <= 5e-7 * np.abs(g)).all()
    # Beyond the bounds share and slope are 0 or 1, and nothing else.
    above, below = x > 5.7, x < -5.7
    assert (got[above] == x[above]).all()
    assert (gradient[above] == g[above]).all()
    assert (got[below] == 0).all()
    assert (gradient[below] == 0).all()


def test_what_is_not_taken(blocks):
    x = matrix(80, 300, "float32")
    for operand in (x.T, x.astype(np.float16), x[:, ::2], x[:, :40].copy(), x[:0], x.astype(np.int64)):
        assert FUNCTIONS.softmax(operand, 1) is None
    assert FUNCTIONS.softmax(x, 0) is None
    assert FUNCTIONS.softmax_gradient(x.astype(np.float64), x, 1) is None
    assert FUNCTIONS.log_softmax_gradient(np.broadcast_to(x[:1], x.shape), x, 1) is None
    assert FUNCTIONS.layer_norm(x, x[0].astype(np.float64), None, 300, 0.1) is None
    assert FUNCTIONS.gelu(x.astype(np.float64)) is None
    assert FUNCTIONS.gelu_gradient(x[0], x) is None


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "layer_norm", "gelu", "cross_entropy"])
def test_large_tensors_and_their_gradients(name, torch):
    a, g = matrix(700, 200, "float32"), matrix(700, 200, "float32")
    target = np.arange(700) % 200
    found = []
    for t in (gc, torch):
        functional = t.nn.functional
        x = t.tensor(a, requires_grad=True)
        if name == "cross_entropy":
            out = functional.cross_entropy(x, t.tensor(target))
            out.backward()
        else:
            arguments = {"layer_norm": ((200,),), "gelu": ()}.get(name, (-1,))
            out = getattr(functional, name)(x, *arguments)
            out.backward(t.tensor(g))
        found.append([v.numpy(force=True) for v in (out, x.grad)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6)


def test_second_derivatives_of_large_tensors():
    a = gc.tensor(matrix(100, 200, "float64"), device="cpu", requires_grad=True)
    few = a.detach()[:3].clone().requires_grad_()
    results = []
    for x in (a, few):
        (g,) = gc.autograd.grad((F.layer_norm(x, (200,)) ** 3).sum(), [x], create_graph=True)
        results.append(gc.autograd.grad((g**2).sum(), [x])[0][:3].numpy())
    np.testing.assert_allclose(*results, rtol=1e-9, atol=1e-12)


def test_an_error_in_another_thread_is_raised(monkeypatch):
    monkeypatch.setattr(_numpy_blocks, "THREADS", 2)
    monkeypatch.setattr(_numpy_blocks, "SHARED", 1)
    monkeypatch.setattr(_numpy_blocks, "BLOCK", 1)

    def make():
        def task(start, stop):
            if start > 5:
                raise ArithmeticError("no")

        return task

    with pytest.raises(ArithmeticError):
        _numpy_blocks.in_blocks(make, 100, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_has_threads_of_its_own():
    program = """
import os, sys
import numpy as np
from gradcore_backends import _numpy_blocks
from gradcore_backends._numpy_large import LargeNumpyFunctions
_numpy_blocks.THREADS = 2
f, x = LargeNumpyFunctions(), np.ones((1000, 1000), np.float32)
f.softmax(x, 1)
pid = os.fork()
ok = np.allclose(f.softmax(x, 1), 1e-3)
if pid == 0:
    os._exit(0 if ok else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=60, check=False)
    assert done.returncode == 0


def test_the_number_of_threads_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("GRADCORE_THREADS", "3")
    assert _numpy_blocks._count_threads() == 3
    monkeypatch.setenv("GRADCORE_THREADS", "many")
    with pytest.raises(ValueError, match="GRADCORE_THREADS must be a number"):
        _numpy_blocks._count_threads()
