"""What Fourier transforms are asked: dimensions, sizes, scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradcore import dtypes
from gradcore.ops._dims import as_integer
from gradcore.ops.cast import to_dtype
from gradcore.ops.nn.padding import constant_pad_nd
from gradcore.ops.slicing import narrow

__all__ = [
    "BY_ROOT",
    "BY_SIZE",
    "UNSCALED",
    "Sizes",
    "as_complex",
    "checked_dim",
    "checked_size",
    "dims_and_sizes",
    "floating",
    "resized",
    "scale_of",
]

Sizes = int | Sequence[int] | None

# How a transform of n numbers is scaled: not at all, by 1 / sqrt(n), by 1 / n. (PyTorch's numbers, which nodes show.)
UNSCALED, BY_ROOT, BY_SIZE = 0, 1, 2


def floating(name: str, x: Any) -> Any:
    """``x`` as numbers that can be transformed: integers in the default dtype."""
    dtype = x.dtype
    if dtypes.category(dtype) < 2:
        dtype = dtypes.get_default_dtype()
        x = x.to(dtype)
    if dtypes.real_of(dtype) not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"Unsupported dtype {dtypes.scalar_type_name(dtype)} for {name}: cast it to float32 first")
    return x


def as_complex(name: str, x: Any) -> Any:
    """:func:`floating`, and complex."""
    x = floating(name, x)
    return x if x.is_complex() else to_dtype(x, dtype=dtypes.complex_of(x.dtype))


def checked_dim(dim: int, ndim: int) -> int:
    """A dimension counted from the front; a 0-d tensor has none.

    Raises:
        IndexError: there is no such dimension.
    """
    at = as_integer(dim, "dim")
    if ndim == 0:
        raise IndexError(f"Dimension specified as {at} but tensor has no dimensions")
    if not -ndim <= at < ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {at})")
    return at % ndim


def checked_size(n: int) -> int:
    """How many numbers are transformed.

    Raises:
        RuntimeError: none.
    """
    size = as_integer(n, "n")
    if size < 1:
        raise RuntimeError(f"Invalid number of data points ({size}) specified: there must be at least one")
    return size


def dims_and_sizes(x: Any, s: Sizes, dim: Sizes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dimensions transformed, and the size of each before."""
    ndim = x.ndim
    given = None if s is None else tuple([as_integer(n, "s") for n in ([s] if isinstance(s, int) else s)])
    if dim is not None:
        dims = tuple([checked_dim(d, ndim) for d in ([dim] if isinstance(dim, int) else dim)])
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"FFT dims must be unique, but got {list(dims)}")
        if given is not None and len(given) != len(dims):
            raise RuntimeError(
                f"When given, dim and shape arguments must have the same length, but there are {len(dims)} and {len(given)}"
            )
    elif given is not None:
        if len(given) > ndim:
            raise RuntimeError(f"Got shape with {len(given)} values but input tensor only has {ndim} dimensions.")
        dims = tuple(range(ndim - len(given), ndim))
    else:
        dims = tuple(range(ndim))
    sizes = tuple([x.shape[d] for d in dims])
    if given is not None:
        sizes = tuple([n if m == -1 else m for n, m in zip(sizes, given, strict=True)])
    for n in sizes:
        checked_size(n)
    return dims, sizes


def resized(x: Any, dims: tuple[int, ...], sizes: tuple[int, ...]) -> Any:
    """``x`` cut off, or with zeros put after it, along some dimensions."""
    padding = [0] * (2 * x.ndim)
    for d, n in zip(dims, sizes, strict=True):
        have = x.shape[d]
        if n < have:
            x = narrow(x, d, 0, n)
        elif n > have:
            padding[2 * (x.ndim - 1 - d) + 1] = n - have
    return constant_pad_nd(x, padding) if any(padding) else x


def scale_of(norm: str | None, forward: bool) -> int:
    """How a transform is scaled under the name ``norm``.

    Raises:
        RuntimeError: there is no such name.
    """
    if norm == "ortho":
        return BY_ROOT
    if norm in (None, "backward"):
        return UNSCALED if forward else BY_SIZE
    if norm == "forward":
        return BY_SIZE if forward else UNSCALED
    raise RuntimeError(f"Invalid normalization mode: {norm!r}; it is one of None, 'backward', 'ortho', 'forward'")
