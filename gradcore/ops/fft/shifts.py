"""The frequencies of a Fourier transform, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import standard
from gradcore.ops._dims import as_integer, normalize_dims
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.creation import arange
from gradcore.ops.joining import cat
from gradcore.ops.rearranging import roll

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]


def fftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """What :func:`gradcore.fft.fft` gave, with frequency zero moved to the middle, negative ones before it.

    Args:
        input: a tensor of any dtype.
        dim: the dimensions that are reordered; all by default.

    Raises:
        IndexError: there is no such dimension.
    """
    return _rolled("fftshift", input, dim, inverse=False)


def ifftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """The inverse of :func:`fftshift`, which differs from it where a size is odd.

    Raises:
        As :func:`fftshift`.
    """
    return _rolled("ifftshift", input, dim, inverse=True)


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The frequencies of a transform of ``n`` samples a time ``d`` apart: ``0, 1, ..., -2, -1`` by ``n * d``.

    Raises:
        NotImplementedError: ``dtype`` is complex.
        RuntimeError: ``n`` is negative, or ``dtype`` is one of integers.
    """
    kind = _checked("fftfreq", n, dtype)
    half = (n + 1) // 2
    numbers = cat([arange(half, device=device, dtype=kind), arange(half - n, 0, device=device, dtype=kind)])
    return _divided(numbers, n, d, requires_grad)  # type: ignore[no-any-return]


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The frequencies of :func:`gradcore.fft.rfft`: ``0, 1, ..., n // 2`` by ``n * d``.

    Raises:
        As :func:`fftfreq`.
    """
    kind = _checked("rfftfreq", n, dtype)
    return _divided(arange(n // 2 + 1, device=device, dtype=kind), n, d, requires_grad)  # type: ignore[no-any-return]


@standard("fft.fftshift")
def _fftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    return fftshift(x, axes)


@standard("fft.ifftshift")
def _ifftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    return ifftshift(x, axes)


def _rolled(name: str, input: Any, dim: int | Sequence[int] | None, inverse: bool) -> Tensor:
    x = as_tensor(input, name)
    dims = normalize_dims(dim, x.ndim)
    sizes = [x.shape[d] for d in dims] if x.ndim else [1] * len(dims)
    shifts = tuple([(n + 1) // 2 if inverse else n // 2 for n in sizes])
    return roll(x, shifts or 0, dims)


def _checked(name: str, n: int, dtype: Any) -> dtypes.DType:
    if as_integer(n, "n") < 0:
        raise RuntimeError(f"{name}: n must not be negative, but got {n}")
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.normalize(dtype)
    if dtypes.category(kind) < 2:
        raise RuntimeError(f"{name} requires a floating point dtype, but got {dtypes.dtype_name(kind)}")
    if dtypes.category(kind) > 2:
        refuse_dtype(name, kind)
    return kind


def _divided(numbers: Any, n: int, d: float, requires_grad: bool) -> Any:
    # Not divided: PyTorch multiplies by the inverse, too, and so do the last digits agree.
    found = numbers * (1.0 / (n * d)) if n else numbers
    return found.requires_grad_(requires_grad)
