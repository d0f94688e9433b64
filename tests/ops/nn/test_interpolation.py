"""Sampling at other sizes beside PyTorch's."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from referee import agree

import gradcore as gc

F = gc.nn.functional
LINE = np.cos(np.arange(14.0)).reshape(1, 2, 7)
IMAGE = np.cos(np.arange(60.0)).reshape(1, 2, 5, 6)
BYTES = (np.arange(90) * 89 % 256).astype(np.uint8).reshape(1, 3, 5, 6)


@pytest.mark.conformance
@pytest.mark.parametrize(
    "expression",
    """
    F.interpolate(x, 14)
    F.interpolate(x, 5, mode="nearest-exact")
    F.interpolate(x, scale_factor=1.7)
    F.interpolate(x, scale_factor=0.3, mode="linear")
    F.interpolate(x, scale_factor=1.7, mode="linear", recompute_scale_factor=True)
    F.interpolate(x, 1, mode="linear", align_corners=True)
    F.interpolate(x, 100, mode="linear")
    F.interpolate(y, (7, 3), mode="bilinear")
    F.interpolate(y, (9, 2), mode="bicubic", align_corners=True)
    F.interpolate(y, scale_factor=(2, 0.5), mode="bicubic")
    F.interpolate(y, (3, 2), mode="bilinear", antialias=True)
    F.interpolate(y, (3, 9), mode="bicubic", antialias=True)
    F.interpolate(y, (3, 9), mode="bicubic", antialias=True, align_corners=True)
    F.interpolate(y, (2, 4), mode="lanczos", antialias=True)
    F.interpolate(z, (7, 9), mode="bilinear")
    F.interpolate(z, (3, 4), mode="bicubic")
    F.interpolate(z, (3, 4), mode="bilinear", antialias=True)
    F.interpolate(z, (3, 14), mode="nearest")
    F.upsample(x, 5)
    F.upsample_bilinear(y, 3)
    F.interpolate(x)
    F.interpolate(x, 3, 2.0)
    F.interpolate(x, (3, 4))
    F.interpolate(x, scale_factor=(1.0, 2.0))
    F.interpolate(x, 3.5)
    F.interpolate(x, 0)
    F.interpolate(x, scale_factor=0.01)
    F.interpolate(x, 3, recompute_scale_factor=True)
    F.interpolate(x, 3, mode="bilinear")
    F.interpolate(x, 3, mode="sinc")
    F.interpolate(x, 3, align_corners=True)
    F.interpolate(x, 3, mode="linear", antialias=True)
    F.interpolate(y, 3, mode="lanczos")
    F.interpolate(x[0], 3)
    F.interpolate(x[..., :0], 3)
    F.interpolate(x[:, :0], 3)
    F.interpolate(x[:0], 3)
    F.interpolate(t.arange(4).reshape(1, 2, 2), 3)
    F.interpolate(t.arange(4).reshape(1, 1, 2, 2), 3, mode="bilinear")
    F.interpolate(x + 1j, 3)
    """.strip().splitlines(),
)
def test_as_in_pytorch(torch, expression):
    with pytest.warns(UserWarning, match="deprecated") if "upsample" in expression else contextlib.nullcontext():
        agree(torch, expression.strip(), LINE, IMAGE, BYTES)


@pytest.mark.conformance
def test_positions_are_found_in_the_precision_of_the_tensor(torch):
    x = np.cos(np.arange(33.0)).reshape(1, 1, 33)
    for dtype in (np.float32, np.float64):
        for size in (7, 23, 77, 99):
            for mode in ("nearest", "nearest-exact", "linear"):
                agree(torch, f"F.interpolate(x, {size}, mode={mode!r})", x.astype(dtype), order=1)


def test_a_number_that_is_not_finite_reaches_its_neighbours_only(device):
    x = gc.tensor([[[1.0, 2.0, np.inf, 4.0, 5.0]]])
    out = F.interpolate(x, 10, mode="linear").numpy(force=True)
    assert np.isfinite(out[0, 0, :3]).all()
    assert np.isfinite(out[0, 0, -3:]).all()


def test_gradients_that_are_not_finite_stay_where_they_are(device):
    x = gc.ones(1, 1, 4, requires_grad=True)
    v = gc.tensor([[[np.nan, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]])
    (g,) = gc.autograd.grad(F.interpolate(x, 8), x, v)
    np.testing.assert_array_equal(g.numpy(force=True), [[[np.nan, 2.0, 2.0, 2.0]]])


def test_gradients_of_a_factor_that_leaves_the_size_as_it_is(device):
    # PyTorch's gradient is that of another map here.
    x = gc.tensor(np.arange(6.0).reshape(1, 1, 6), requires_grad=True)
    out = F.interpolate(x, scale_factor=1.11)
    assert out.tolist() == [[[0.0, 0.0, 1.0, 2.0, 3.0, 4.0]]]
    assert gc.autograd.grad(out.sum(), x)[0].tolist() == [[[2.0, 1.0, 1.0, 1.0, 1.0, 0.0]]]


def test_one_column_of_a_smoothed_image(device):
    # PyTorch gives the first row everywhere.
    x = gc.tensor(np.arange(12.0).reshape(1, 1, 3, 4))
    out = F.interpolate(x, (3, 1), mode="bilinear", antialias=True)
    wide = F.interpolate(x, (5, 1), mode="bilinear", antialias=True)
    np.testing.assert_allclose(out.numpy(force=True).ravel(), [1.5, 5.5, 9.5])
    assert len(set(wide.numpy(force=True).ravel().tolist())) == 5


def test_the_same_size_is_a_copy(device):
    x = gc.ones(1, 1, 3)
    for mode in ("nearest", "nearest-exact", "linear"):
        F.interpolate(x, 3, mode=mode).zero_()
    assert x.tolist() == [[[1.0, 1.0, 1.0]]]
