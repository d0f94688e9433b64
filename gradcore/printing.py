"""How tensors are printed: the text PyTorch prints, character for character.

Printing goes in three steps. :func:`_excerpt` leaves out the middle of a large array before anything is
copied, :func:`_cells` writes each number that is left (all in one notation), and :func:`_layout` puts the
brackets and line breaks between them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

__all__ = ["describe", "format_tensor", "get_printoptions", "printoptions", "set_printoptions"]

Profile = Literal["default", "short", "full"]
Fetch = Callable[[Any], "np.ndarray[Any, Any]"]

_INT64 = np.dtype("int64")
_BOOL = np.dtype("bool")
_FLOAT32 = np.dtype("float32")


@dataclasses.dataclass(frozen=True, slots=True)
class _Options:
    """The print options, under the names that :func:`set_printoptions` gives them."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES: dict[str, _Options] = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}

# One object for the whole program, as in PyTorch. It is replaced and never changed, so that a tensor being
# printed in another thread comes out in one style.
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: Profile | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed; what is not given stays as it is, except ``sci_mode``.

    Args:
        precision: digits after the decimal point of a floating-point number (4 at first).
        threshold: number of elements above which the middle of each dimension is left out (1000).
        edgeitems: how many elements then remain at each end of a dimension (3).
        linewidth: columns of a line (80).
        profile: ``"default"``, ``"short"`` or ``"full"`` (nothing left out), changed by the other arguments.
        sci_mode: scientific notation always (``True``), never (``False``), or where the values call for it
            (``None``). A call that does not give it sets it to ``None``, as in PyTorch.

    Raises:
        ValueError: there is no such profile.
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"profile must be one of {', '.join(map(repr, _PROFILES))}, but got {profile!r}")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    start = _options if profile is None else _PROFILES[profile]
    _options = dataclasses.replace(start, **changes, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """The print options now, as keyword arguments for :func:`set_printoptions`."""
    return dataclasses.asdict(_options)


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print with other options inside the block; takes what :func:`set_printoptions` takes."""
    global _options
    outside = _options
    set_printoptions(**options)
    try:
        yield
    finally:
        _options = outside


def describe(
    data: Any,
    *,
    device: str | None = None,
    default_dtype: np.dtype[Any] = _FLOAT32,
    grad_fn_name: str | None = None,
    requires_grad: bool = False,
    tangent: str | None = None,
    prefix: str = "tensor(",
    fetch: Fetch = np.asarray,
) -> str:
    """The whole text of a tensor: its data, then what the data alone does not tell.

    Args:
        data: the elements, in any array that has a ``shape`` and takes slices.
        device: the name of the device; ``None`` for the cpu, which is not mentioned.
        default_dtype: the dtype of Python floats. It and its complex counterpart are not mentioned.
        grad_fn_name: the name of the graph node that made the tensor; ``None`` for a leaf.
        requires_grad: mentioned for a leaf only, since a ``grad_fn`` says as much.
        tangent: the text of the tangent of a dual tensor.
        prefix: what stands before the data.
        fetch: copies an array to NumPy. It is given the parts of ``data`` that are printed and no others.
    """
    options = _options
    excerpt = _excerpt(data, options, fetch)
    suffixes = []
    if device is not None:
        suffixes.append(f"device='{device}'")
    suffixes += _shape_and_dtype(tuple(data.shape), excerpt.values.dtype, default_dtype, options)
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    return _assemble(excerpt, prefix, suffixes, options)


def format_tensor(
    data: Any, *, prefix: str = "tensor(", suffixes: Sequence[str] = (), fetch: Fetch = np.asarray
) -> str:
    """``tensor(<data>, <suffix>, <suffix>)``, broken into lines; arguments as for :func:`describe`."""
    options = _options
    return _assemble(_excerpt(data, options, fetch), prefix, suffixes, options)


def _shape_and_dtype(
    shape: tuple[int, ...], dtype: np.dtype[Any], default: np.dtype[Any], options: _Options
) -> Iterator[str]:
    """``size=`` and ``dtype=``, where the printed elements leave them open."""
    empty = 0 in shape
    if (empty and len(shape) != 1) or (not empty and not options.edgeitems):
        yield f"size={shape}"
    # Without elements even int64 and bool cannot be told from the default dtype.
    default_complex = np.dtype("complex128" if default == np.dtype("float64") else "complex64")
    evident = (default,) if empty else (default, default_complex, _INT64, _BOOL)
    if dtype not in evident:
        yield f"dtype=gradcore.{dtype.name}"


# What is printed of a large array.


class _Excerpt(NamedTuple):
    """The elements that are printed, and for each dimension whether its middle was left out."""

    values: np.ndarray[Any, Any]
    elided: tuple[bool, ...]


def _excerpt(data: Any, options: _Options, fetch: Fetch) -> _Excerpt:
    shape: tuple[int, ...] = tuple(data.shape)
    # Nothing is left out of an empty array, whatever the threshold.
    summarised = math.prod(shape) > max(options.threshold, 0)
    elided = tuple(summarised and n > 2 * options.edgeitems for n in shape)
    return _Excerpt(_fetch_ends(data, elided, options.edgeitems, fetch), elided)


def _fetch_ends(data: Any, elided: tuple[bool, ...], edge: int, fetch: Fetch, axis: int = 0) -> np.ndarray[Any, Any]:
    """Fetch ``data`` without the middles of its elided dimensions, from ``axis`` on.

    By slices alone, which every array library has, and which copy nothing before ``fetch`` does.
    """
    if True not in elided[axis:]:
        return fetch(data)
    axis = elided.index(True, axis)
    before = (slice(None),) * axis
    ends = (slice(0, edge), slice(data.shape[axis] - edge, data.shape[axis]))
    parts = [_fetch_ends(data[(*before, end, ...)], elided, edge, fetch, axis + 1) for end in ends]
    return np.concatenate(parts, axis=axis)


# The elements as text.


class _Cells(NamedTuple):
    """The text of each element, in row-major order, and the width that line breaking counts for one."""

    texts: list[str]
    width: int


def _cells(values: np.ndarray[Any, Any], options: _Options) -> _Cells:
    flat = values.reshape(-1)
    if flat.dtype.kind == "c":
        return _complex_cells(flat, options)
    if flat.dtype.kind in "biu":
        return _aligned(list(map(str, flat.tolist())))
    return _float_cells(flat, options)


def _aligned(texts: list[str], counted: Sequence[str] | None = None) -> _Cells:
    """Texts padded on the left to the width of the longest, or of the longest of those counted."""
    width = max(map(len, texts if counted is None else counted), default=1)
    return _Cells([text.rjust(width) for text in texts], width)


def _float_cells(flat: np.ndarray[Any, Any], options: _Options) -> _Cells:
    # float64 holds each value of the narrower types, bfloat16 included, and is what Python formats.
    flat = flat.astype(np.float64)
    regular = np.isfinite(flat) & (flat != 0)
    notation = _notation(flat[regular], options)
    texts = list(map(notation, flat.tolist()))
    # The width is that of the regular values alone: `-0.0000`, `nan` and `inf` may stick out, as in PyTorch.
    return _aligned(texts, [text for text, counts in zip(texts, regular.tolist(), strict=True) if counts])


def _complex_cells(flat: np.ndarray[Any, Any], options: _Options) -> _Cells:
    # Real and imaginary parts have a notation and a width each; the imaginary part is not padded.
    real, imaginary = _float_cells(flat.real, options), _float_cells(flat.imag, options)
    texts = [
        f"{re}{'' if im.startswith('-') else '+'}{im}j"
        for re, im in zip(real.texts, map(str.lstrip, imaginary.texts), strict=True)
    ]
    return _Cells(texts, real.width + imaginary.width + len("j"))


def _notation(regular: np.ndarray[Any, Any], options: _Options) -> Callable[[float], str]:
    """How all the numbers are written: chosen by the finite nonzero ones among them."""
    if regular.size == 0:
        return _integral
    magnitudes = np.abs(regular)
    scientific = options.sci_mode
    if scientific is None:
        # As Python numbers: too large a ratio is then infinite without a warning.
        smallest, largest = float(magnitudes.min()), float(magnitudes.max())
        scientific = largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4
    if scientific:
        return f"{{:.{options.precision}e}}".format
    if bool((regular == np.ceil(regular)).all()):
        return _integral
    return f"{{:.{options.precision}f}}".format


def _integral(value: float) -> str:
    """``2.``: the point says that the number is a float. ``inf`` and ``nan`` say so by themselves."""
    return f"{value:.0f}." if math.isfinite(value) else f"{value}"


# Brackets, lines and suffixes.


def _assemble(excerpt: _Excerpt, prefix: str, suffixes: Sequence[str], options: _Options) -> str:
    text = prefix + _layout(excerpt, len(prefix), options)
    return _with_suffixes(text, suffixes, len(prefix), options) + ")"


def _layout(excerpt: _Excerpt, indent: int, options: _Options) -> str:
    """The elements in nested brackets, where the first bracket stands in column ``indent``."""
    values, elided = excerpt
    if values.size == 0 and True not in elided:
        return "[]"
    cells, width = _cells(values, options)
    if values.ndim == 0:
        return cells[0]
    *outer, length = values.shape
    column = indent + len(outer)
    per_line = max(1, (options.linewidth - column) // (width + len(", ")))

    def row(start: int) -> str:
        """The vector along the last dimension, whose first element is ``cells[start]``."""
        texts = cells[start : start + length]
        if elided[-1]:
            texts.insert(options.edgeitems, " ..." if texts else "...")
        lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
        return "[" + (",\n" + " " * (column + 1)).join(lines) + "]"

    # From the inside out, without recursion: a function that refers to itself would be a cycle.
    texts = [row(i * length) for i in range(math.prod(outer))]
    for depth in reversed(range(len(outer))):
        # Rows follow each other line by line; each further dimension adds a blank line.
        separator = "," + "\n" * (len(outer) - depth) + " " * (indent + depth + 1)
        blocks = []
        for first in range(math.prod(outer[:depth])):
            inner = texts[first * outer[depth] : (first + 1) * outer[depth]]
            if elided[depth]:
                inner.insert(options.edgeitems, "...")
            blocks.append("[" + separator.join(inner) + "]")
        texts = blocks
    return texts[0]


def _with_suffixes(text: str, suffixes: Sequence[str], indent: int, options: _Options) -> str:
    """Append the suffixes, each on a line of its own where it would not fit on the last one."""
    # The line that ends the data counts as two columns longer than it is, as in PyTorch.
    column = len(text) - (text.rfind("\n") + 1) + 2
    for suffix in suffixes:
        if column + len(", ") + len(suffix) > options.linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(", ") + len(suffix)
    return text
