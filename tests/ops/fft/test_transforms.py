"""Fourier transforms beside PyTorch's, where the database has no samples."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

rng = np.random.default_rng(3)
REAL = rng.normal(size=(3, 4, 5))
COMPLEX = REAL + 1j * rng.normal(size=(3, 4, 5))

OF_REAL = ["rfft", "ihfft"]
TO_REAL = ["irfft", "hfft"]
FULL = ["fft", "ifft"]


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 1, 2, 4, 7])
def test_sizes_and_scales(n, norm, torch):
    rest = f"n={n}, dim=1, norm={norm!r}"
    for name in FULL + OF_REAL:
        agree(torch, f"t.fft.{name}(x, {rest})", REAL)
    for name in FULL + TO_REAL:
        agree(torch, f"t.fft.{name}(x, {rest})", COMPLEX)


@pytest.mark.parametrize("arguments", ["s=(3, 2)", "dim=(1, 0)", "s=(-1, 6), dim=(2, 0), norm='ortho'", "s=2, dim=1"])
def test_several_dimensions(arguments, torch):
    for name in ("fftn", "ifft2", "rfftn", "ihfftn"):
        agree(torch, f"t.fft.{name}(x, {arguments})", REAL)
    for name in ("ifftn", "irfft2", "hfftn"):
        agree(torch, f"t.fft.{name}(x, {arguments})", COMPLEX)


def test_no_dimension_at_all(torch):
    agree(torch, "t.fft.fftn(x, dim=())", REAL)
    agree(torch, "t.fft.fftn(x)", 2.0)
    for name in ("rfftn", "irfftn", "hfftn", "ihfftn"):
        agree(torch, f"t.fft.{name}(x, dim=())", REAL)


def test_empty_batches():
    # In PyTorch it depends on the library that it was built with.
    for name, dtype, shape in (
        ("fft", gc.float64, (0, 3)),
        ("irfft", gc.complex128, (0, 4)),
        ("rfft2", gc.float64, (0, 2)),
    ):
        x = gc.zeros(0, 2, 3, dtype=dtype, requires_grad=True)
        out = getattr(gc.fft, name)(x)
        assert out.shape == (0, 2, shape[1])
        out.abs().sum().backward()
        assert x.grad.shape == x.shape


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "complex64", "float16"])
def test_dtypes(dtype, torch):
    if dtype == "float16" and gc.float16 not in gc.get_default_device().xp.floating_dtypes:
        pytest.skip("the device has no float16")
    x = np.array([[1, 0, 1, 1], [0, 1, 1, 0]]).astype(dtype)
    for name in ("fft", "ifft2", "rfft", "irfft", "ihfftn"):
        agree(torch, f"t.fft.{name}(x)", x)


@pytest.mark.parametrize(
    "expression",
    [
        "t.fft.fft(x, n=0)",
        "t.fft.fft(x, n=-2)",
        "t.fft.fft(x, dim=3)",
        "t.fft.fft(x, norm='abc')",
        "t.fft.fft(x[0, 0, 0])",
        "t.fft.rfft(x * 1j)",
        "t.fft.rfftn(x * 1j)",
        "t.fft.fftn(x, dim=(0, 0))",
        "t.fft.fftn(x, s=(1, 2), dim=(0,))",
        "t.fft.fftn(x, s=(1, 2, 3, 4))",
        "t.fft.irfft(x[:, :, :1])",
        "t.fft.fft2(x[0, 0])",
        "t.fft.fftshift(x, 5)",
    ],
)
def test_errors(expression, torch):
    agree(torch, expression, REAL)


def test_nodes_and_what_they_save(t):
    x = t.ones(4, 6, dtype=t.float64, requires_grad=True)
    chain = []
    node = t.fft.hfftn(x, s=(3, 5)).grad_fn
    while node is not None:
        chain.append(type(node).__name__)
        node = node.next_functions[0][0] if node.next_functions else None
    assert chain[:3] == ["FftC2RBackward0", "ConjBackward0", "FftC2CBackward0"]
    assert chain[-3:] == ["SliceBackward0", "ToCopyBackward0", "AccumulateGrad"]
    assert t.fft.fft(x, 5, norm="ortho").grad_fn._saved_normalization == 1
    assert t.fft.fft(x, 5).grad_fn._saved_dim == (1,)


def test_what_is_transformed_may_be_written_to_afterwards():
    x = gc.ones(4, dtype=gc.float64, requires_grad=True)
    y = x * 2
    out = gc.fft.rfft(y)
    y.mul_(3)
    out.abs().sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("n", [0, 1, 4, 5])
def test_frequencies(n, torch):
    agree(torch, f"t.fft.fftfreq({n}, 0.3, dtype=t.float64)")
    agree(torch, f"t.fft.rfftfreq({max(n, 1)}, 0.3)")
    agree(torch, f"t.fft.fftfreq({n}, dtype=t.complex64)")
    agree(torch, f"t.fft.fftfreq({n}, dtype=t.int64)")


def test_batches_of_transforms():
    x = gc.tensor(REAL)
    each = gc.stack([gc.fft.rfft2(r, s=(3, 6)) for r in x])
    found = gc.func.vmap(lambda r: gc.fft.rfft2(r, s=(3, 6)))(x)
    np.testing.assert_allclose(found.numpy(force=True), each.numpy(force=True), atol=1e-12)


def test_rules_may_call_the_transforms_by_the_standards_names():
    xp = gc.namespace.tensor_namespace(gc.get_default_device().xp)
    x = gc.tensor(REAL)
    spectrum = xp.fft.rfftn(x, axes=(0, 2))
    back = xp.fft.irfftn(spectrum, s=(3, 5), axes=(0, 2))
    np.testing.assert_allclose(back.numpy(force=True), REAL, atol=1e-12)
    assert xp.fft.fft(x, n=3, axis=1).shape == (3, 3, 5)
