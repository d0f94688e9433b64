"""Fourier transforms; public as :mod:`gradcore.fft`."""
