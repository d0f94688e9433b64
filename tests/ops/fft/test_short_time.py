"""Short-time spectra, and windows, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

rng = np.random.default_rng(4)
SIGNAL = rng.normal(size=(2, 21))
WINDOW = rng.random(6) + 0.5
SHORT = rng.random(4) + 0.5


@pytest.mark.parametrize(
    "arguments",
    [
        "hop_length=2",
        "center=False, normalized=True",
        "pad_mode='constant', onesided=False, hop_length=3",
        "pad_mode='replicate', hop_length=7",
        "pad_mode='circular'",
    ],
)
def test_stft(arguments, torch):
    agree(torch, f"t.stft(x, 6, window=y, return_complex=True, {arguments})", SIGNAL, WINDOW)
    agree(torch, f"t.stft(x[0], 6, win_length=4, window=y, return_complex=True, {arguments})", SIGNAL, SHORT)
    agree(
        torch,
        f"t.stft(x, 6, window=y, return_complex=True, {arguments})".replace("onesided=False, ", ""),
        SIGNAL * 1j,
        WINDOW,
    )


def test_stft_aligned_to_its_window(torch):
    rest = "6, win_length=4, window=y, center=False, return_complex=True"
    for aligned in ("True", "False", "None"):
        agree(torch, f"t.stft(x, {rest}, align_to_window={aligned})", SIGNAL, SHORT)


def test_pairs_of_real_numbers(torch):
    agree(torch, "t.stft(x, 6, window=y, return_complex=False)", SIGNAL, WINDOW, warns="deprecated")
    agree(torch, "t.stft(x, 6, return_complex=True)", SIGNAL, warns="rectangular window")


@pytest.mark.parametrize(
    "arguments", ["hop_length=2", "hop_length=3, length=17", "hop_length=1, center=True, normalized=True", "length=20"]
)
def test_istft(arguments, torch):
    half = rng.normal(size=(2, 4, 9)) + 1j * rng.normal(size=(2, 4, 9))
    full = rng.normal(size=(6, 9)) + 1j * rng.normal(size=(6, 9))
    hop = "" if "hop_length" in arguments else "hop_length=3, "
    agree(torch, f"t.istft(x, 6, window=y, {hop}{arguments})", half, WINDOW)
    agree(torch, f"t.istft(x, 6, window=y, {hop}{arguments})", full, WINDOW)
    agree(torch, f"t.istft(x, 6, window=y, return_complex=True, onesided=False, {hop}{arguments})", full, WINDOW)


def test_istft_fills_up_with_zeros(torch):
    spectra = rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3))
    agree(torch, "t.istft(x, 6, window=y, length=30)", spectra, WINDOW, warns="padded with zeros")


def test_back_and_forth():
    x = gc.tensor(SIGNAL)
    window = gc.hann_window(8, dtype=gc.float64)
    spectra = gc.stft(x, 8, 3, window=window, return_complex=True)
    found = gc.istft(spectra, 8, 3, window=window, length=21)
    np.testing.assert_allclose(found.numpy(force=True), SIGNAL, atol=1e-10)


@pytest.mark.parametrize(
    "expression",
    [
        "t.stft(x, 6, window=y)",
        "t.stft(x, 60, window=y, return_complex=True)",
        "t.stft(x, 60, center=False, window=t.ones(60), return_complex=True)",
        "t.stft(x, 6, window=y[1:], return_complex=True)",
        "t.stft(x, 6, hop_length=0, window=y, return_complex=True)",
        "t.stft(x, 6, win_length=7, window=t.ones(7), return_complex=True)",
        "t.stft((x * 3).long(), 6, window=y, return_complex=True)",
        "t.stft(x * 1j, 6, window=y, onesided=True)",
        "t.stft(x, 6, window=y, align_to_window=True, return_complex=True)",
        "t.istft(x, 6, window=y)",
        "t.istft(x[:, :4] * 1j, 6, hop_length=7, window=y)",
        "t.istft(x[:, :5] * 1j, 6, window=y)",
        "t.istft(t.zeros(4, 5, dtype=t.complex128), 6, window=y * 0)",
        "t.istft(t.zeros(4, 0, dtype=t.complex128), 6, window=y)",
        "t.istft(t.zeros(4, 5, dtype=t.complex128), 6, window=y, return_complex=True)",
        "t.istft(t.zeros(4, 5, dtype=t.complex128), 6, window=y * 1j)",
    ],
)
def test_errors(expression, torch):
    agree(torch, expression, SIGNAL, WINDOW)


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_windows(n, torch):
    for name in ("bartlett", "blackman", "hamming", "hann", "kaiser"):
        agree(torch, f"t.{name}_window({n}, dtype=t.float64)")
        agree(torch, f"t.{name}_window({n}, False)")
    agree(torch, f"t.hamming_window({n}, True, 0.5, 0.4, dtype=t.float64)")
    for name in ("nuttall", "cosine", "bartlett", "kaiser"):
        agree(torch, f"t.signal.windows.{name}({n}, sym=False)")
    agree(torch, f"t.signal.windows.exponential({n}, center=1.0, tau=2.0, sym=False)")


@pytest.mark.parametrize(
    "expression",
    [
        "t.hann_window(-1)",
        "t.hann_window(3, dtype=t.int64)",
        "t.hann_window(3, dtype=t.complex64)",
        "t.signal.windows.hann(-1)",
        "t.signal.windows.hann(3, dtype=t.float16)",
        "t.signal.windows.exponential(3, tau=0.0)",
        "t.signal.windows.exponential(3, center=1.0)",
        "t.signal.windows.gaussian(3, std=-1.0)",
        "t.signal.windows.kaiser(3, beta=-1.0)",
        "t.signal.windows.general_cosine(3, a=[])",
        "t.signal.windows.general_cosine(3, a=1.0)",
    ],
)
def test_errors_of_windows(expression, torch):
    agree(torch, expression)
