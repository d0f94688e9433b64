"""Spectra of the pieces of a signal, and the signal that has them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import is_tensor, op
from gradcore.ops._extra import generic
from gradcore.ops._operands import as_tensor
from gradcore.ops.complex_numbers import view_as_real
from gradcore.ops.creation import ones
from gradcore.ops.fft._arguments import BY_ROOT, BY_SIZE, UNSCALED
from gradcore.ops.fft.transforms import fft_c2c, fft_c2r, fft_r2c
from gradcore.ops.nn.padding import constant_pad_nd, pad
from gradcore.ops.rearranging import unfold
from gradcore.ops.shape_in_place import squeeze_, transpose_
from gradcore.ops.slicing import narrow
from gradcore.ops.transposing import transpose
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["istft", "stft"]


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """The Fourier transforms of overlapping pieces of a signal.

    Args:
        input: one signal, or a batch of signals: of shape (time,) or (batch, time).
        n_fft: the length of a piece.
        hop_length: from the start of one to the start of the next; ``n_fft // 4`` by default.
        win_length: the length of the window, which stands in the middle of a piece; ``n_fft`` by default.
        window: weights of shape (win_length,); ones by default.
        center: the signal is continued on both sides, so that the first piece has its middle at the first element.
        pad_mode: how it is continued: ``"reflect"``, ``"constant"`` (zeros), ``"replicate"``, ``"circular"``.
        normalized: divide the spectra by ``sqrt(n_fft)``.
        onesided: only the first half of each spectrum, which for a real signal says all. The default, where it is real.
        return_complex: complex numbers; ``False``, which is deprecated, for pairs of real ones in a last dimension.
        align_to_window: without ``center``: the first window, instead of the first piece, starts at the first element.

    Returns:
        A tensor of shape (batch, frequencies, pieces), without the batch where there is none.

    Raises:
        RuntimeError: sizes that do not fit; half a spectrum of complex numbers; ``return_complex`` is not given for real ones.
    """
    x = as_tensor(input, "stft")
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if window is None:
        warnings.warn(
            "A window was not provided. A rectangular window will be applied, which is known to cause spectral leakage. "
            "To suppress this warning, give window=gradcore.ones(n_fft) or a window such as gradcore.hann_window",
            UserWarning,
            stacklevel=2,
        )
    if return_complex is None:
        if not x.is_complex() and not (is_tensor(window) and window.is_complex()):  # type: ignore[union-attr]
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs: return_complex=True"
            )
        return_complex = True
    if not return_complex:
        warnings.warn(
            "stft with return_complex=False is deprecated: call view_as_real on the complex output instead",
            UserWarning,
            stacklevel=2,
        )
    if not (x.is_floating_point() or x.is_complex()):
        raise _refused("stft", "Expected a tensor of floating point or complex values")
    if x.ndim not in (1, 2):
        raise _refused("stft", f"Expected a 1D or 2D tensor, but got shape {list(x.shape)}")
    alone = x.ndim == 1
    if alone:
        x = x.unsqueeze(0)
    if center:
        if align_to_window is not None:
            raise RuntimeError("stft align_to_window should only be set when center = false")
        x = pad(x, (n_fft // 2, n_fft // 2), pad_mode)
    elif align_to_window:
        x = constant_pad_nd(x, _around(width, n_fft))
    if not 0 < n_fft <= x.shape[1]:
        raise _refused("stft", f"expected 0 < n_fft <= {x.shape[1]}, but got n_fft={n_fft}")
    if hop <= 0:
        raise _refused("stft", f"expected hop_length > 0, but got hop_length={hop}")
    if not 0 < width <= n_fft:
        raise _refused("stft", f"expected 0 < win_length <= n_fft, but got win_length={width}")
    pieces = unfold(x, 1, n_fft, hop)
    weights = _window("stft", window, width, n_fft, x)
    if weights is not None:
        pieces = pieces * weights
    complex_ = pieces.is_complex()
    half = not complex_ if onesided is None else onesided
    if half and complex_:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    scale = BY_ROOT if normalized else UNSCALED
    spectra = fft_c2c(pieces, (2,), scale, False) if complex_ else fft_r2c(pieces, (2,), scale, half)
    # In place, which only names the nodes: the spectra are nobody else's.
    out = transpose_(spectra, 1, 2)
    if alone:
        out = squeeze_(out, 0)
    return out if return_complex else view_as_real(out)


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal the pieces of which have given Fourier transforms, in the sense of least squares: the inverse of :func:`stft`.

    D. W. Griffin and J. S. Lim, Signal estimation from modified short-time Fourier transform, IEEE Trans. ASSP 32 (1984)
    236-243.

    Args:
        input: complex numbers of shape (frequencies, pieces) or (batch, frequencies, pieces).
        n_fft: the length of a piece.
        hop_length: from the start of one to the start of the next; ``n_fft // 4`` by default.
        win_length: the length of the window; ``n_fft`` by default.
        window: weights of shape (win_length,); ones by default.
        center: as in :func:`stft`.
        normalized: as in :func:`stft`.
        onesided: whether ``input`` has half of each spectrum; by default, if it has ``n_fft // 2 + 1`` frequencies, not
            ``n_fft``.
        length: the length of the signal, where it is known: cut off, or filled up with zeros.
        return_complex: a complex signal.

    Raises:
        RuntimeError: sizes that do not fit; an element of the signal on which no window is.
    """
    x = as_tensor(input, "istft")
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if window is None:
        warnings.warn(
            "A window was not provided. A rectangular window will be applied. Please provide the same window used by stft to "
            "make the inversion lossless; gradcore.ones(n_fft) suppresses this warning",
            UserWarning,
            stacklevel=2,
        )
    if not x.is_complex():
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    if x.ndim not in (2, 3):
        # PyTorch says so of the dimensions that it looks at.
        kind = IndexError if x.ndim < 2 else RuntimeError
        raise kind(f"istft: expected a tensor with 2 or 3 dimensions, but got shape {list(x.shape)}")
    if x.shape[-1] == 0 or x.shape[-2] == 0 or x.shape[0] == 0:
        raise _refused("istft", "input tensor cannot be empty.")
    half = x.shape[-2] != n_fft if onesided is None else onesided
    if half and n_fft // 2 + 1 != x.shape[-2]:
        raise _refused(
            "istft",
            f"expected n_fft // 2 + 1 = {n_fft // 2 + 1} in the frequency dimension when onesided=True, but got {x.shape[-2]}",
        )
    if not half and n_fft != x.shape[-2]:
        raise _refused(
            "istft",
            f"expected n_fft = {n_fft} in the frequency dimension when onesided=False, but got {x.shape[-2]}",
        )
    if not 0 < hop <= width:
        raise _refused("istft", f"expected 0 < hop_length <= win_length, but got hop_length={hop}, win_length={width}")
    if not 0 < width <= n_fft:
        raise _refused("istft", f"expected 0 < win_length <= n_fft, but got win_length={width}")
    if is_tensor(window) and window.is_complex() and not return_complex:  # type: ignore[union-attr]
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    if return_complex and half:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    alone = x.ndim == 2
    if alone:
        x = x.unsqueeze(0)
    weights = _window("istft", window, width, n_fft, x)
    if weights is None:
        weights = ones(n_fft, dtype=dtypes.real_of(x.dtype), device=x.device)
    x = transpose(x, 1, 2)
    scale = BY_ROOT if normalized else BY_SIZE
    if return_complex:
        pieces = fft_c2c(x, (2,), scale, True)
    else:
        pieces = fft_c2r(x if half else narrow(x, 2, 0, n_fft // 2 + 1), (2,), scale, n_fft)
    signal = overlap_add(pieces * weights, hop)
    envelope = overlap_add((weights * weights).expand(1, x.shape[1], n_fft), hop)
    start = n_fft // 2 if center else 0
    have = signal.shape[1]
    stop = start + length if length is not None else have - n_fft // 2 if center else have
    kept = max(min(stop, have) - start, 0)
    signal, envelope = narrow(signal, 1, start, kept), narrow(envelope, 1, start, kept)
    if bool((envelope.abs() <= 1e-11).any()):
        raise _refused(
            "istft", "window overlap add min: 1: an element of the signal is in no window, and so cannot be told"
        )
    signal = signal / envelope
    if alone:
        signal = signal.squeeze(0)
    if stop > have:
        warnings.warn(
            f"istft: a signal of {kept} elements is being padded with zeros to length={length}; check center and hop_length",
            UserWarning,
            stacklevel=2,
        )
        signal = constant_pad_nd(signal, (0, stop - have))
    return signal  # type: ignore[no-any-return]


# Pieces put together.


def _pieces(make: Make) -> Iterator[Sample]:
    for shape, step in (((2, 3, 4), 2), ((3, 4), 3), ((2, 1, 3), 1), ((3, 2), 5), ((0, 2, 3), 2)):
        yield Sample(make(*shape), step=step)


@op(node="UnfoldBackwardBackward0", linear=True, standard="overlap_add", samples=_pieces)
def overlap_add(xp: Any, input: Any, /, step: int) -> Any:
    """Pieces, which are the last dimension, laid down ``step`` apart and summed: the adjoint of taking them."""
    return _overlap_add(xp, input, step)


@overlap_add.vjp("input")
def overlap_add_vjp(xp: Any, g: Any, input_shape: Any, step: int) -> Any:
    count, size = input_shape[-2:]
    starts = xp.reshape(xp.arange(count, dtype=xp.int64) * step, (count, 1))
    return xp.getitem(g, (..., starts + xp.reshape(xp.arange(size, dtype=xp.int64), (1, size))))


@overlap_add.vmap
def overlap_add_vmap(input: Any, step: int) -> Any:
    return overlap_add(input, step)


@generic("overlap_add")
def _overlap_add(xp: Any, x: Any, step: int) -> Any:
    *batch, count, size = x.shape
    # Each piece in blocks of the length of a step; block k of piece t lies at t + k.
    blocks = -(-size // step)
    x = _zeros_after(xp, x, -1, blocks * step - size)
    x = xp.moveaxis(xp.reshape(x, (*batch, count, blocks, step)), -2, -3)
    # Rows of the first blocks, of the second ones ...: with as many zeros after each as there are rows, read in rows that are
    # one shorter, each is one place further to the right than the row before.
    x = xp.reshape(_zeros_after(xp, x, -2, blocks), (*batch, blocks * (count + blocks), step))
    x = xp.getitem(x, (..., slice(0, blocks * (count + blocks - 1)), slice(None)))
    x = xp.sum(xp.reshape(x, (*batch, blocks, count + blocks - 1, step)), axis=-3)
    flat = xp.reshape(x, (*batch, (count + blocks - 1) * step))
    length = (count - 1) * step + size
    return xp.getitem(_zeros_after(xp, flat, -1, max(length - flat.shape[-1], 0)), (..., slice(0, length)))


def _zeros_after(xp: Any, x: Any, axis: int, count: int) -> Any:
    if count == 0:
        return x
    shape = list(x.shape)
    shape[axis] = count
    return xp.concat([x, xp.zeros(tuple(shape), dtype=x.dtype)], axis=axis)


# What both need.


def _refused(name: str, why: str) -> RuntimeError:
    return RuntimeError(f"{name}: {why}")


def _window(name: str, window: Any, width: int, n_fft: int, x: Any) -> Any:
    """The window in the middle of zeros; ``None`` where it is one everywhere."""
    if window is None:
        if width == n_fft:
            return None
        weights = ones(width, dtype=dtypes.real_of(x.dtype), device=x.device)
    else:
        weights = as_tensor(window, name, "window", 5)
        if tuple(weights.shape) != (width,):
            raise _refused(
                name,
                "expected a 1D window tensor of size equal to win_length="
                f"{width}, but got window with size {list(weights.shape)}",
            )
    return weights if width == n_fft else constant_pad_nd(weights, _around(width, n_fft))


def _around(width: int, n_fft: int) -> tuple[int, int]:
    """How many elements stand before and after a window in the middle of a piece."""
    left = (n_fft - width) // 2
    return left, n_fft - width - left
