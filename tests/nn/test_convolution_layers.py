"""Convolutions and pooling as layers: results, parameters and names beside PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gradcore as gc

LAYERS = {
    "Conv1d(2, 4, 3, stride=2, padding=1, groups=2)": (2, 2, 7),
    "Conv2d(2, 4, (3, 2), padding='same', padding_mode='reflect')": (2, 2, 7, 7),
    "Conv2d(2, 4, 3, padding=(1, 2), padding_mode='circular', bias=False)": (2, 7, 7),
    "Conv2d(2, 4, 3, padding='valid', dilation=2)": (2, 7, 7),
    "Conv3d(2, 4, 3)": (2, 2, 4, 4, 4),
    "ConvTranspose1d(2, 4, 3, stride=2, output_padding=1)": (2, 2, 7),
    "ConvTranspose2d(2, 4, 3, groups=2, dilation=2)": (2, 2, 7, 7),
    "ConvTranspose3d(2, 4, 2)": (2, 2, 3, 3, 3),
    "Unfold(2)": (2, 2, 4, 4),
    "Fold((4, 4), 2)": (2, 8, 9),
    "MaxPool1d(2)": (2, 2, 5),
    "MaxPool2d(3, 2, 1, return_indices=True)": (2, 2, 5, 5),
    "MaxPool3d(2)": (2, 4, 4, 4),
    "AvgPool1d(2)": (2, 2, 5),
    "AvgPool2d(3, 2, 1, True, False, 2)": (2, 2, 5, 5),
    "AvgPool3d(2)": (2, 4, 4, 4),
    "LPPool1d(2, 3)": (2, 2, 5),
    "LPPool2d(2, 3)": (2, 2, 5, 5),
    "LPPool3d(2, (1, 2, 2))": (2, 2, 5, 5, 5),
    "AdaptiveAvgPool1d(3)": (2, 2, 5),
    "AdaptiveAvgPool2d((3, None))": (2, 2, 5, 5),
    "AdaptiveAvgPool3d(1)": (2, 4, 4, 4),
    "AdaptiveMaxPool1d(3)": (2, 2, 5),
    "AdaptiveMaxPool2d((3, None), True)": (2, 2, 5, 5),
    "AdaptiveMaxPool3d(1)": (2, 4, 4, 4),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer, torch):
    ours, theirs = (eval(f"t.nn.{layer}", {"t": t}).double() for t in (gc, torch))
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({k: gc.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal(LAYERS[layer])
    got, want = ours(gc.tensor(x)), theirs(torch.tensor(x))
    for a, b in zip(
        got if isinstance(got, tuple) else (got,), want if isinstance(want, tuple) else (want,), strict=True
    ):
        np.testing.assert_allclose(a.numpy(force=True), b.detach().numpy(), atol=1e-12)


def test_parameters_start_within_their_bound():
    layer = gc.nn.Conv2d(8, 64, 3)
    bound = 1 / math.sqrt(8 * 9)
    for p in layer.parameters():
        assert 0.9 * bound < p.abs().max().item() <= bound * 1.0001
    transposed = gc.nn.ConvTranspose2d(8, 64, 3, groups=2)
    assert transposed.weight.shape == (8, 32, 3, 3)
    assert transposed.bias.abs().max().item() <= 1 / math.sqrt(32 * 9)


@pytest.mark.parametrize("size", [(9, 10), (1, 4, 10, 9)])
def test_the_size_of_a_transposed_convolution_may_be_asked_for(size, t):
    assert t.nn.ConvTranspose2d(2, 4, 3, stride=2)(t.ones(1, 2, 4, 4), output_size=size).shape[2:] == size[-2:]


def test_unpooling_layers(t):
    x = t.tensor([[[1.0, 5.0, 2.0, 3.0]]])
    pool, unpool = t.nn.MaxPool1d(2, return_indices=True), t.nn.MaxUnpool1d(2)
    assert unpool(*pool(x)).tolist() == [[[0.0, 5.0, 0.0, 3.0]]]
    assert unpool(*pool(x), output_size=(5,)).shape == (1, 1, 5)
    assert repr(unpool) == "MaxUnpool1d(kernel_size=(2,), stride=(2,), padding=(0,))"


@pytest.mark.parametrize(
    "layer",
    [
        "Conv2d(3, 4, 3, groups=2)",
        "Conv2d(4, 3, 3, groups=2)",
        "Conv2d(4, 4, 3, groups=0)",
        "Conv2d(4, 4, 3, padding='half')",
        "Conv2d(4, 4, 3, padding='same', stride=2)",
        "Conv2d(4, 4, 3, padding_mode='mirror')",
        "ConvTranspose2d(4, 4, 3, padding_mode='reflect')",
        "ConvTranspose2d(2, 4, 3, stride=2)(t.ones(1, 2, 4, 4), output_size=(11, 9))",
        "ConvTranspose2d(2, 4, 3, stride=2)(t.ones(1, 2, 4, 4), output_size=(9,))",
    ],
)
def test_refusals(layer, t):
    with pytest.raises(ValueError):  # noqa: PT011 - each has its own words
        eval(f"t.nn.{layer}", {"t": t})
