"""Channels rearranged, and bilinear forms, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

IMAGE = np.cos(np.arange(64.0)).reshape(2, 8, 2, 2)
FIRST = np.cos(np.arange(6.0)).reshape(2, 3)
SECOND = np.sin(np.arange(8.0)).reshape(2, 4)
FORMS = np.cos(np.arange(60.0)).reshape(5, 3, 4)


@pytest.mark.conformance
@pytest.mark.parametrize(
    "expression",
    """
    F.pixel_shuffle(x, 2)
    F.pixel_shuffle(x[0], 2)
    F.pixel_shuffle(x, 1)
    F.pixel_shuffle(x, 3)
    F.pixel_shuffle(x, 0)
    F.pixel_shuffle(x, -1)
    F.pixel_shuffle(x[0, 0], 2)
    t.pixel_shuffle(x, 2)
    F.pixel_unshuffle(x, 2)
    F.pixel_unshuffle(x, 3)
    F.pixel_unshuffle(x, 0)
    t.pixel_unshuffle(x[0], 1)
    F.channel_shuffle(x, 4)
    F.channel_shuffle(x, 3)
    F.channel_shuffle(x, 0)
    F.channel_shuffle(x[0, 0], 1)
    t.channel_shuffle(x.to(t.complex128), 2)
    """.strip().splitlines(),
)
def test_shuffles_as_in_pytorch(torch, expression):
    agree(torch, expression.strip(), IMAGE)


@pytest.mark.conformance
@pytest.mark.parametrize(
    "expression",
    """
    F.bilinear(x, y, z)
    F.bilinear(x, y, z, t.ones(5, dtype=t.float64))
    F.bilinear(x[0], y[0], z)
    F.bilinear(x[:0], y[:0], z)
    F.bilinear(x[None], y[None], z)
    F.bilinear(x, y[:1], z)
    F.bilinear(x, x, z)
    F.bilinear(x, y, z, t.ones(4, dtype=t.float64))
    F.bilinear(x, y[0], z)
    t.bilinear(x, y, z)
    """.strip().splitlines(),
)
def test_bilinear_forms_as_in_pytorch(torch, expression):
    agree(torch, expression.strip(), FIRST, SECOND, FORMS)
