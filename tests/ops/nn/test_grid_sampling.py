"""Images sampled at points beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

F = gc.nn.functional
IMAGE = np.cos(np.arange(24.0)).reshape(1, 2, 3, 4)
POINTS = np.stack(np.meshgrid(np.linspace(-1.4, 1.3, 5), np.linspace(-1.2, 1.5, 3), indexing="xy"), -1)[None]
VOLUME = np.cos(np.arange(24.0)).reshape(1, 1, 2, 3, 4)
PLACES = np.linspace(-1.3, 1.2, 12).reshape(1, 2, 2, 1, 3)


@pytest.mark.conformance
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_as_in_pytorch(torch, mode, padding):
    for align in (False, True):
        agree(torch, f"F.grid_sample(x, y, {mode!r}, {padding!r}, {align})", IMAGE, POINTS)
        if mode != "bicubic":
            agree(torch, f"F.grid_sample(x, y, {mode!r}, {padding!r}, {align})", VOLUME, PLACES)


@pytest.mark.conformance
@pytest.mark.parametrize(
    "expression",
    """
    t.grid_sampler_2d(x, y, 0, 0, False)
    F.grid_sample(x, t.cat([y, y]))
    F.grid_sample(x, y[..., :1])
    F.grid_sample(x, y.to(t.float32))
    F.grid_sample(x[0], y[0])
    F.grid_sample(x, y, "linear")
    F.grid_sample(x, y, padding_mode="ones")
    F.grid_sample(x[:, :, :0], y)
    F.grid_sample(x[:0], y[:0])
    F.grid_sample(x, y[:, :0])
    F.grid_sample(x[:, :, :1, :1], y, padding_mode="reflection", align_corners=True)
    F.affine_grid(z, (2, 1, 2, 3))
    F.affine_grid(z, (2, 1, 1, 3), align_corners=True)
    F.affine_grid(z, (2, 1, 3))
    F.affine_grid(z, (2, 1, 2, 3, 4))
    F.affine_grid(z, (2, 1, 2, 0))
    F.affine_grid(z.long(), (2, 1, 2, 3))
    F.grid_sample(x, F.affine_grid(z[:1], (1, 2, 3, 4), False), align_corners=False)
    """.strip().splitlines(),
)
def test_operands_as_in_pytorch(torch, expression):
    agree(torch, expression.strip(), IMAGE, POINTS, np.cos(np.arange(12.0)).reshape(2, 2, 3))


def test_points_that_are_no_numbers_see_nothing(device):
    grid = gc.tensor([[[[np.nan, 0.0], [np.inf, 0.0], [-np.inf, np.nan]]]])
    out = F.grid_sample(gc.ones(1, 1, 3, 3), grid, align_corners=False)
    assert out[0, 0, 0, 2].item() == 0.0 or np.isnan(out[0, 0, 0, 2].item())
    assert F.grid_sample(gc.ones(1, 1, 3, 3), grid, "nearest", align_corners=False).tolist() == [[[[0.0, 0.0, 0.0]]]]


def test_what_is_outside_does_not_count_even_if_it_is_not_finite(device):
    image = gc.tensor([[[[np.inf, 1.0], [1.0, 1.0]]]])
    out = F.grid_sample(image, gc.tensor([[[[0.9, 0.9]]]]), align_corners=False)
    assert np.isfinite(out.item())


@pytest.mark.conformance
@pytest.mark.parametrize("padding", ["border", "reflection"])
def test_points_on_the_border_do_not_move_what_they_take(torch, padding):
    points = np.array([[[[-1.0, -1.0], [1.0, 1.0], [-1.0, 0.3], [0.2, 1.0]]]])
    agree(torch, f"F.grid_sample(x, y, padding_mode='{padding}', align_corners=True)", IMAGE, points)
