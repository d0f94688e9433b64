"""Discrete Fourier transforms, of one dimension and of several.

All of them are made of three linear operations: from complex numbers to complex numbers, from real ones to (half of)
their spectrum, and back. Sizes are made right before, by cutting and by zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import op, standard
from gradcore.ops._batching import shifted
from gradcore.ops._extra import extra, generic
from gradcore.ops._operands import as_tensor
from gradcore.ops.complex_numbers import conjugate
from gradcore.ops.fft._arguments import (
    BY_ROOT,
    BY_SIZE,
    UNSCALED,
    Sizes,
    as_complex,
    checked_dim,
    checked_size,
    dims_and_sizes,
    floating,
    resized,
    scale_of,
)
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "fft",
    "fft2",
    "fftn",
    "hfft",
    "hfft2",
    "hfftn",
    "ifft",
    "ifft2",
    "ifftn",
    "ihfft",
    "ihfft2",
    "ihfftn",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftn",
]

_COMPLEX = np.dtype(np.complex128)

_NORM = {
    False: {UNSCALED: "backward", BY_ROOT: "ortho", BY_SIZE: "forward"},
    True: {UNSCALED: "forward", BY_ROOT: "ortho", BY_SIZE: "backward"},
}
"""What the standard calls a scale, in forward transforms and in inverse ones (``True``)."""


# The three operations.


def _complex_arrays(make: Make) -> Iterator[Sample]:
    for shape, dim in (((4,), (0,)), ((2, 3), (0, 1)), ((3, 2, 1), (2, 0)), ((0, 3), (1,))):
        for scale, inverse in ((UNSCALED, False), (BY_ROOT, True), (BY_SIZE, True)):
            yield Sample(make(*shape, dtype=_COMPLEX), dim=dim, normalization=scale, inverse=inverse)


@op(node="FftC2CBackward0", linear=True, standard="fft_c2c", samples=_complex_arrays)
def fft_c2c(xp: Any, input: Any, /, dim: tuple[int, ...], normalization: int, inverse: bool) -> Any:
    """The transform of complex numbers over some dimensions: with exp(-2 pi i k t / n), or exp(2 pi i k t / n) if ``inverse``."""
    return _c2c(xp, input, dim, normalization, inverse)


@fft_c2c.vjp("input")
def fft_c2c_vjp(xp: Any, g: Any, dim: tuple[int, ...], normalization: int, inverse: bool) -> Any:
    return extra(xp, "fft_c2c", g, dim, normalization, not inverse)


@fft_c2c.vmap
def fft_c2c_vmap(input: Any, dim: tuple[int, ...], normalization: int, inverse: bool) -> Any:
    return fft_c2c(input, shifted(dim), normalization, inverse)


def _real_arrays(make: Make) -> Iterator[Sample]:
    for shape, dim in (((4,), (0,)), ((5,), (0,)), ((1,), (0,)), ((2,), (0,)), ((3, 4), (1, 0)), ((0, 3), (1,))):
        for scale, onesided in ((UNSCALED, True), (BY_ROOT, False), (BY_SIZE, True)):
            yield Sample(make(*shape), dim=dim, normalization=scale, onesided=onesided)


@op(node="FftR2CBackward0", linear=True, standard="fft_r2c", samples=_real_arrays)
def fft_r2c(xp: Any, input: Any, /, dim: tuple[int, ...], normalization: int, onesided: bool) -> Any:
    """The forward transform of real numbers; if ``onesided``, without the second half of the last of ``dim``, which repeats."""
    return _r2c(xp, input, dim, normalization, onesided)


@fft_r2c.vjp("input")
def fft_r2c_vjp(xp: Any, g: Any, input_shape: Any, dim: tuple[int, ...], normalization: int, onesided: bool) -> Any:
    if not onesided:
        return xp.real(extra(xp, "fft_c2c", g, dim, normalization, True))
    # The way back to real numbers counts what lies between the ends twice, once for the half that is not there.
    n = input_shape[dim[-1]]
    counted = xp.multiply(g, _ends(xp, g, dim[-1], n, 1.0, 0.5))
    return extra(xp, "fft_c2r", counted, dim, normalization, n)


@fft_r2c.vmap
def fft_r2c_vmap(input: Any, dim: tuple[int, ...], normalization: int, onesided: bool) -> Any:
    return fft_r2c(input, shifted(dim), normalization, onesided)


def _half_spectra(make: Make) -> Iterator[Sample]:
    for shape, dim, n in (
        ((3,), (0,), 4),
        ((3,), (0,), 5),
        ((1,), (0,), 1),
        ((2,), (0,), 2),
        ((3, 2), (0, 1), 3),
        ((3, 2), (1, 0), 4),
        ((0, 2), (1,), 3),
    ):
        for scale in (UNSCALED, BY_ROOT, BY_SIZE):
            yield Sample(make(*shape, dtype=_COMPLEX), dim=dim, normalization=scale, last_dim_size=n)


@op(node="FftC2RBackward0", linear=True, standard="fft_c2r", samples=_half_spectra)
def fft_c2r(xp: Any, input: Any, /, dim: tuple[int, ...], normalization: int, last_dim_size: int) -> Any:
    """The inverse transform of half a spectrum to ``last_dim_size`` real numbers along the last of ``dim``."""
    return _c2r(xp, input, dim, normalization, last_dim_size)


@fft_c2r.vjp("input")
def fft_c2r_vjp(xp: Any, g: Any, dim: tuple[int, ...], normalization: int, last_dim_size: int) -> Any:
    spectrum = extra(xp, "fft_r2c", g, dim, normalization, True)
    return xp.multiply(spectrum, _ends(xp, spectrum, dim[-1], last_dim_size, 1.0, 2.0))


@fft_c2r.vmap
def fft_c2r_vmap(input: Any, dim: tuple[int, ...], normalization: int, last_dim_size: int) -> Any:
    return fft_c2r(input, shifted(dim), normalization, last_dim_size)


# One dimension.


def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The Fourier transform along a dimension: ``sum(input[t] * exp(-2j * pi * k * t / n))`` for ``k`` from 0 to ``n - 1``.

    Args:
        input: real or complex numbers; integers count as numbers of the default dtype.
        n: how many of them are used: the others are cut off, or zeros are put after the last. All of them by default.
        dim: the dimension.
        norm: ``"backward"`` (or ``None``): unscaled; ``"ortho"``: divided by ``sqrt(n)``; ``"forward"``: by ``n``.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: ``n`` is not positive; there is no such ``norm``; a dtype narrower than float32.
    """
    return _full_1d("fft", input, n, dim, norm, True)


def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of :func:`fft`: ``sum(input[k] * exp(2j * pi * k * t / n)) / n``.

    Args:
        input: real or complex numbers.
        n: how many of them are used; see :func:`fft`.
        dim: the dimension.
        norm: ``"backward"`` (or ``None``): divided by ``n``; ``"ortho"``: by ``sqrt(n)``; ``"forward"``: unscaled.

    Raises:
        As :func:`fft`.
    """
    return _full_1d("ifft", input, n, dim, norm, False)


def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The first ``n // 2 + 1`` numbers of :func:`fft` of real numbers; the others are conjugates of these.

    Raises:
        As :func:`fft`.
        RuntimeError: ``input`` is complex.
    """
    return _half_1d("rfft", input, n, dim, norm, True)  # type: ignore[no-any-return]


def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of :func:`hfft`: the first ``n // 2 + 1`` numbers of :func:`ifft` of real numbers.

    Raises:
        As :func:`fft`.
        RuntimeError: ``input`` is complex.
    """
    return conjugate(_half_1d("ihfft", input, n, dim, norm, False))  # type: ignore[no-any-return]


def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of :func:`rfft`: ``n`` real numbers of the first half of their transform.

    Args:
        input: complex numbers, of which ``n // 2 + 1`` are used.
        n: how many numbers come out; ``2 * (size - 1)`` by default, which is right for an even number.
        dim: the dimension.
        norm: as in :func:`ifft`.

    Raises:
        As :func:`fft`.
    """
    return _real_1d("irfft", input, n, dim, norm, False)


def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """:func:`fft` of numbers the second half of which, not given, are the conjugates of the first: ``n`` real numbers.

    Args:
        input: complex numbers, of which ``n // 2 + 1`` are used.
        n: how many numbers come out; ``2 * (size - 1)`` by default.
        dim: the dimension.
        norm: as in :func:`fft`.

    Raises:
        As :func:`fft`.
    """
    return _real_1d("hfft", input, n, dim, norm, True)


# Several dimensions.


def fftn(input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """The Fourier transform over several dimensions, one after the other.

    Args:
        input: real or complex numbers; integers count as numbers of the default dtype.
        s: how many numbers are used along each dimension: cut off, or zeros put after the last; -1 for all.
        dim: the dimensions; by default the last ``len(s)``, or all of them.
        norm: ``"backward"`` (or ``None``): unscaled; ``"ortho"``: divided by the square root of the number of elements
            transformed together; ``"forward"``: by the number.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: sizes that are not positive or not as many as dimensions; a dimension named twice; there is no such
            ``norm``; a dtype narrower than float32.
    """
    return _full_nd("fftn", input, s, dim, norm, True)


def ifftn(input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """The inverse of :func:`fftn`; scaled as :func:`ifft`.

    Raises:
        As :func:`fftn`.
    """
    return _full_nd("ifftn", input, s, dim, norm, False)


def rfftn(input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """:func:`fftn` of real numbers, without the second half of the last dimension, which repeats the first.

    Raises:
        As :func:`fftn`.
        RuntimeError: ``input`` is complex; no dimension.
    """
    x, dims = _of_real("rfftn", "rfftn expects a real-valued input tensor, but got", input, s, dim)
    return fft_r2c(x, dims, scale_of(norm, True), True)  # type: ignore[no-any-return]


def irfftn(input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """The inverse of :func:`rfftn`; ``s`` are the sizes that come out, the last ``2 * (size - 1)`` by default.

    Raises:
        As :func:`fftn`.
        RuntimeError: no dimension.
    """
    x, dims, last = _to_real("irfftn", input, s, dim)
    return fft_c2r(x, dims, scale_of(norm, False), last)  # type: ignore[no-any-return]


def hfftn(input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """:func:`hfft` along the last of some dimensions, and :func:`fft` along the others: real numbers.

    Raises:
        As :func:`fftn`.
        RuntimeError: no dimension.
    """
    x, dims, last = _to_real("hfftn", input, s, dim)
    scale = scale_of(norm, True)
    if len(dims) > 1:
        x = fft_c2c(x, dims[:-1], scale, False)
    return fft_c2r(conjugate(x), dims[-1:], scale, last)  # type: ignore[no-any-return]


def ihfftn(input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """The inverse of :func:`hfftn`.

    Raises:
        As :func:`fftn`.
        RuntimeError: ``input`` is complex; no dimension.
    """
    x, dims = _of_real("ihfftn", "Only supports floating-point dtypes, but found:", input, s, dim)
    scale = scale_of(norm, False)
    half = conjugate(fft_r2c(x, dims[-1:], scale, True))
    return half if len(dims) == 1 else fft_c2c(half, dims[:-1], scale, True)  # type: ignore[no-any-return]


def fft2(input: Tensor, s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None) -> Tensor:
    """:func:`fftn` over the last two dimensions."""
    return fftn(input, s, dim, norm)


def ifft2(input: Tensor, s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None) -> Tensor:
    """:func:`ifftn` over the last two dimensions."""
    return ifftn(input, s, dim, norm)


def rfft2(input: Tensor, s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None) -> Tensor:
    """:func:`rfftn` over the last two dimensions."""
    return rfftn(input, s, dim, norm)


def irfft2(input: Tensor, s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None) -> Tensor:
    """:func:`irfftn` over the last two dimensions."""
    return irfftn(input, s, dim, norm)


def hfft2(input: Tensor, s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None) -> Tensor:
    """:func:`hfftn` over the last two dimensions."""
    return hfftn(input, s, dim, norm)


def ihfft2(input: Tensor, s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None) -> Tensor:
    """:func:`ihfftn` over the last two dimensions."""
    return ihfftn(input, s, dim, norm)


# As the Array API spells them.


def _spell(function: Callable[..., Tensor], several: bool) -> None:
    """Let rules call a transform of tensors as ``xp.fft.<name>``."""

    def of_one(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
        return function(x, n, axis, norm)

    def of_several(x: Any, /, *, s: Sizes = None, axes: Sizes = None, norm: str = "backward") -> Tensor:
        return function(x, s, axes, norm)

    standard(f"fft.{function.__name__}")(of_several if several else of_one)


for _one in (fft, ifft, rfft, irfft, hfft, ihfft):
    _spell(_one, several=False)
for _several in (fftn, ifftn, rfftn, irfftn):
    _spell(_several, several=True)


# What they share.


def _full_1d(name: str, input: Any, n: int | None, dim: int, norm: str | None, forward: bool) -> Tensor:
    x = floating(name, as_tensor(input, name))
    at = checked_dim(dim, x.ndim)
    size = checked_size(x.shape[at] if n is None else n)
    x = resized(x, (at,), (size,))
    if x.is_complex():
        return fft_c2c(x, (at,), scale_of(norm, forward), not forward)  # type: ignore[no-any-return]
    spectrum = fft_r2c(x, (at,), scale_of(norm, forward), False)
    return spectrum if forward else conjugate(spectrum)  # type: ignore[no-any-return]


def _half_1d(name: str, input: Any, n: int | None, dim: int, norm: str | None, forward: bool) -> Any:
    x = as_tensor(input, name)
    if x.is_complex():
        raise RuntimeError(f"{name} expects a real input tensor, but got {dtypes.scalar_type_name(x.dtype)}")
    x = floating(name, x)
    at = checked_dim(dim, x.ndim)
    size = checked_size(x.shape[at] if n is None else n)
    return fft_r2c(resized(x, (at,), (size,)), (at,), scale_of(norm, forward), True)


def _real_1d(name: str, input: Any, n: int | None, dim: int, norm: str | None, forward: bool) -> Tensor:
    x = as_complex(name, as_tensor(input, name))
    at = checked_dim(dim, x.ndim)
    size = checked_size(2 * (x.shape[at] - 1) if n is None else n)
    x = resized(x, (at,), (size // 2 + 1,))
    return fft_c2r(conjugate(x) if forward else x, (at,), scale_of(norm, forward), size)  # type: ignore[no-any-return]


def _full_nd(name: str, input: Any, s: Sizes, dim: Sizes, norm: str | None, forward: bool) -> Tensor:
    x = as_complex(name, as_tensor(input, name))
    dims, sizes = dims_and_sizes(x, s, dim)
    scale = scale_of(norm, forward)
    x = resized(x, dims, sizes)
    return fft_c2c(x, dims, scale, not forward)  # type: ignore[no-any-return]


def _of_real(name: str, refusal: str, input: Any, s: Sizes, dim: Sizes) -> tuple[Any, tuple[int, ...]]:
    """The real numbers that become half a spectrum, and their dimensions; ``refusal`` is what is said of complex ones."""
    x = as_tensor(input, name)
    if x.is_complex():
        raise RuntimeError(f"{refusal} {dtypes.scalar_type_name(x.dtype)}")
    x = floating(name, x)
    dims, sizes = dims_and_sizes(x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    return resized(x, dims, sizes), dims


def _to_real(name: str, input: Any, s: Sizes, dim: Sizes) -> tuple[Any, tuple[int, ...], int]:
    """The half spectrum that becomes real numbers, its dimensions, and how many numbers along the last."""
    x = as_complex(name, as_tensor(input, name))
    dims, sizes = dims_and_sizes(x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    given = None if s is None else (s if isinstance(s, int) else tuple(s)[-1])
    last = 2 * (x.shape[dims[-1]] - 1) if given in (None, -1) else sizes[-1]
    checked_size(last)
    return resized(x, dims, (*sizes[:-1], last // 2 + 1)), dims, last


def _ends(xp: Any, x: Any, dim: int, n: int, end: float, between: float) -> Any:
    """Factors for half a spectrum of ``n`` numbers: ``end`` for what has no conjugate in the other half, else ``between``."""
    size = n // 2 + 1
    real = dtypes.real_of(xp.np_dtype(x.dtype))
    last = size if n % 2 else size - 1
    place = xp.arange(size, dtype=real)
    inside = xp.logical_and(xp.greater(place, 0.5), xp.less(place, last - 0.5))
    factors = xp.where(inside, xp.full((size,), between, dtype=real), xp.full((size,), end, dtype=real))
    return xp.reshape(factors, (size,) + (1,) * (len(x.shape) - dim - 1))


@generic("fft_c2c")
def _c2c(xp: Any, x: Any, dim: tuple[int, ...], normalization: int, inverse: bool) -> Any:
    if not dim:
        return xp.asarray(x, copy=True)
    transform = xp.fft.ifftn if inverse else xp.fft.fftn
    return transform(x, axes=dim, norm=_NORM[inverse][normalization])


@generic("fft_r2c")
def _r2c(xp: Any, x: Any, dim: tuple[int, ...], normalization: int, onesided: bool) -> Any:
    if onesided:
        return xp.fft.rfftn(x, axes=dim, norm=_NORM[False][normalization])
    return _c2c(xp, xp.astype(x, dtypes.complex_of(xp.np_dtype(x.dtype))), dim, normalization, False)


@generic("fft_c2r")
def _c2r(xp: Any, x: Any, dim: tuple[int, ...], normalization: int, last_dim_size: int) -> Any:
    sizes = (*(x.shape[d] for d in dim[:-1]), last_dim_size)
    return xp.fft.irfftn(x, s=sizes, axes=dim, norm=_NORM[True][normalization])
