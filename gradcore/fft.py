"""Discrete Fourier transforms, as ``torch.fft``."""

from __future__ import annotations

from gradcore.ops.fft.shifts import fftfreq as fftfreq
from gradcore.ops.fft.shifts import fftshift as fftshift
from gradcore.ops.fft.shifts import ifftshift as ifftshift
from gradcore.ops.fft.shifts import rfftfreq as rfftfreq
from gradcore.ops.fft.transforms import fft as fft
from gradcore.ops.fft.transforms import fft2 as fft2
from gradcore.ops.fft.transforms import fftn as fftn
from gradcore.ops.fft.transforms import hfft as hfft
from gradcore.ops.fft.transforms import hfft2 as hfft2
from gradcore.ops.fft.transforms import hfftn as hfftn
from gradcore.ops.fft.transforms import ifft as ifft
from gradcore.ops.fft.transforms import ifft2 as ifft2
from gradcore.ops.fft.transforms import ifftn as ifftn
from gradcore.ops.fft.transforms import ihfft as ihfft
from gradcore.ops.fft.transforms import ihfft2 as ihfft2
from gradcore.ops.fft.transforms import ihfftn as ihfftn
from gradcore.ops.fft.transforms import irfft as irfft
from gradcore.ops.fft.transforms import irfft2 as irfft2
from gradcore.ops.fft.transforms import irfftn as irfftn
from gradcore.ops.fft.transforms import rfft as rfft
from gradcore.ops.fft.transforms import rfft2 as rfft2
from gradcore.ops.fft.transforms import rfftn as rfftn

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "hfft2",
    "hfftn",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "ihfft2",
    "ihfftn",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]
