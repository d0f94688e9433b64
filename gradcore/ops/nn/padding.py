"""Tensors made larger at the ends of their last dimensions (or smaller, where a padding is negative).

``padding`` names two numbers for each dimension, the last dimension first: what is added before it and after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore.op import OpFunction, is_tensor, op
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.assignment import fill_value
from gradcore.ops.nn._axis_maps import AxisMap, adjoint_of, mapped
from gradcore.ops.shape import sizes
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["constant_pad_nd", "pad"]


# One number around.


def _constant_paddings(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3), pad=(1, 2), value=0.0)
    yield Sample(make(2, 3), pad=(0, 1, 2, 0), value=1.5)
    yield Sample(make(2, 4), pad=(-1, 1, 0, -1), value=2.0)
    yield Sample(make(2, 4), pad=(-1, -2), value=0.0)
    yield Sample(make(0, 2), pad=(1, 0, 1, 0), value=0.0)
    yield Sample(make(2, dtype=np.complex128), pad=(1, 1), value=1.0)


@op(node="ConstantPadNdBackward0", standard="padded_by_number", samples=_constant_paddings)
def padded_by_number(xp: Any, input: Any, /, pad: tuple[int, ...], value: Any) -> Any:
    """``input`` with a number around it."""
    out = _padded_by_number(xp, input, pad, value)
    return xp.copy(out) if max(pad, default=0) <= 0 else out


@padded_by_number.vjp("input")
def padded_by_number_vjp(xp: Any, g: Any, pad: tuple[int, ...]) -> Any:
    return extra(xp, "padded_by_number", g, tuple([-n for n in pad]), 0)


@padded_by_number.jvp
def padded_by_number_jvp(input_t: Any, pad: tuple[int, ...]) -> Any:
    return padded_by_number(input_t, pad, 0)


@padded_by_number.vmap
def padded_by_number_vmap(input: Any, pad: tuple[int, ...], value: Any) -> Any:
    return padded_by_number(input, pad, value)


@generic("padded_by_number")
def _padded_by_number(xp: Any, x: Any, pad: tuple[int, ...], value: Any) -> Any:
    """The same on arrays; a view where nothing is added."""
    kept = [slice(None)] * len(x.shape)
    place, shape = list(kept), list(x.shape)
    for d, (before, after) in _by_dim(x.shape, pad):
        kept[d] = slice(max(-before, 0), x.shape[d] - max(-after, 0))
        place[d] = slice(max(before, 0), max(before, 0) + x.shape[d] + min(before, 0) + min(after, 0))
        shape[d] += before + after
    inner = xp.getitem(x, (*kept, ...))
    if max(pad, default=0) <= 0:
        return inner
    out = xp.full(tuple(shape), value, dtype=x.dtype) if value else xp.zeros(tuple(shape), dtype=x.dtype)
    xp.setitem(out, (*place, ...), inner)
    return out


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor:
    """``input`` with a number around it; a negative padding takes elements away.

    Args:
        pad: two numbers for each dimension that is padded, the last one first; at most for all of them.
        value: the number; cut to an integer, where ``input`` holds such.

    Raises:
        RuntimeError: an odd number of paddings, more than there are dimensions for, or more taken away than there is.
    """
    input = as_tensor(input, "constant_pad_nd")
    given = sizes("constant_pad_nd", (), "pad", pad)
    _check_count(given, input.ndim)
    for d, (before, after) in _by_dim(input.shape, given):
        size = input.shape[d]
        # One side after the other: neither may take what is not there.
        if size + min(before, 0) < 0 or size + min(before, 0) + min(after, 0) < 0:
            raise RuntimeError(
                f"The input size {size}, plus negative padding {before} and {after}, resulted in a negative output size, "
                f"which is invalid. Check dimension {d} of your input: narrow(): length must be non-negative."
            )
    number = fill_value(value.item() if is_tensor(value) or isinstance(value, np.generic) else value, input.dtype)
    return padded_by_number(input, given, number)  # type: ignore[no-any-return]


# Elements of the operand around.


def _reflected(size: int, before: int, after: int) -> Any:
    at = np.abs(np.arange(-before, size + after))
    return size - 1 - np.abs(size - 1 - at)


def _replicated(size: int, before: int, after: int) -> Any:
    return np.clip(np.arange(-before, size + after), 0, size - 1)


def _wrapped(size: int, before: int, after: int) -> Any:
    kept = size + min(before, 0) + min(after, 0)
    return max(-before, 0) + np.arange(-max(before, 0), kept + max(after, 0)) % max(kept, 1)


def _padding(
    name: str, node: str, source: Callable[[int, int, int], Any], shapes: Sequence[tuple[Any, Any]]
) -> OpFunction:
    """The operation ``name``: each position of a padded dimension is one of the operand, which ``source`` tells."""

    def samples(make: Make) -> Iterator[Sample]:
        for shape, padding in shapes:
            yield Sample(make(*shape), padding=padding)

    def samples_of_adjoint(make: Make) -> Iterator[Sample]:
        for shape, padding in shapes:
            padded = [*shape]
            for d, (before, after) in _by_dim(shape, padding):
                padded[d] += before + after
            yield Sample(make(*padded), input_sizes=tuple(shape[-(len(padding) // 2) :]), padding=padding)

    def maps(shape: Sequence[int], padding: tuple[int, ...]) -> list[AxisMap]:
        found = _by_dim(shape, padding)
        return [AxisMap(d - len(shape), shape[d], source(shape[d], *both)[None]) for d, both in found]

    def forward(xp: Any, input: Any, /, padding: tuple[int, ...]) -> Any:
        return mapped(xp, input, maps(input.shape, padding))

    def adjoint(xp: Any, g: Any, /, input_sizes: tuple[int, ...], padding: tuple[int, ...]) -> Any:
        return adjoint_of(xp, g, maps(input_sizes, padding))

    forward.__name__, adjoint.__name__ = name, f"{name}_backward"
    forward.__doc__ = "``input`` with elements of it around."
    adjoint.__doc__ = f"The adjoint of :func:`{name}`."
    made = op(node=f"{node}Backward0" if node != "CopySlices" else node, linear=True, standard=name, samples=samples)(
        forward
    )
    transposed = op(
        node=f"{node}BackwardBackward0", linear=True, standard=adjoint.__name__, samples=samples_of_adjoint
    )(adjoint)
    generic(name)(forward)
    generic(adjoint.__name__)(adjoint)

    @made.vjp("input")
    def vjp(xp: Any, g: Any, input_shape: Any, padding: tuple[int, ...]) -> Any:
        return extra(xp, f"{name}_backward", g, tuple(input_shape[-(len(padding) // 2) :]), padding)

    @transposed.vjp("g")
    def vjp_of_adjoint(xp: Any, g: Any, padding: tuple[int, ...]) -> Any:
        return extra(xp, name, g, padding)

    # Dimensions are counted from the last: a batch in front changes nothing.
    @made.vmap
    def batched(input: Any, padding: tuple[int, ...]) -> Any:
        return made(input, padding)

    @transposed.vmap
    def batched_adjoint(g: Any, input_sizes: tuple[int, ...], padding: tuple[int, ...]) -> Any:
        return transposed(g, input_sizes, padding)

    return made


_SHAPES: list[list[tuple[Any, Any]]] = [
    [((2, 4), (1, 2)), ((1, 2, 3), (2, -1)), ((0, 2, 3), (1, 1)), ((2, 3), (0, 0))],
    [((2, 3, 4), (3, 1, 1, 2)), ((1, 2, 3, 3), (-1, 2, 0, 1))],
    [((1, 2, 3, 2), (1, 0, 2, 1, 0, 1)), ((1, 1, 2, 2, 3), (-1, 1, 1, 1, 1, 0))],
]
_PADDINGS = {
    "reflect": [_padding(f"reflection_pad{n}d", f"ReflectionPad{n}D", _reflected, _SHAPES[n - 1]) for n in (1, 2, 3)],
    "replicate": [
        _padding(f"replication_pad{n}d", f"ReplicationPad{n}D", _replicated, _SHAPES[n - 1]) for n in (1, 2, 3)
    ],
    # PyTorch writes the parts into new memory one by one.
    "circular": [_padding("circular_pad", "CopySlices", _wrapped, [s[0] for s in _SHAPES])] * 3,
}


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """``input`` made larger at both ends of its last dimensions; a negative padding takes elements away.

    Args:
        pad: two numbers for each dimension that is padded, the last dimension first. For other modes than ``"constant"``
            they pad the last one, two or three dimensions of a tensor that has one or two more.
        mode: what is added: one number (``"constant"``), the elements mirrored at the border without repeating that
            (``"reflect"``), the one at the border (``"replicate"``), those of the other end (``"circular"``).
        value: the number of ``"constant"``; 0 when not given.

    Raises:
        RuntimeError: an odd number of paddings, more than there are dimensions for, paddings that the size of a dimension
            does not allow, or a ``value`` for another mode.
        NotImplementedError: an unknown mode, a number of dimensions or a dtype that the mode is not there for.
    """
    input = as_tensor(input, "pad")
    given = sizes("pad", (), "pad", pad)
    if isinstance(value, complex):
        raise TypeError("pad(): argument 'value' (position 4) must be float, not complex")
    _check_count(given, input.ndim)
    if mode == "constant":
        return constant_pad_nd(input, given, 0 if value is None else value)
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    count = len(given) // 2
    if not 1 <= count <= 3 or input.ndim not in (count + 1, count + 2):
        raise NotImplementedError(
            f"Padding size {len(given)} is not supported for {input.ndim}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    if mode not in _PADDINGS:
        raise NotImplementedError(f"Unrecognised padding mode {mode}: it is one of constant, {', '.join(_PADDINGS)}")
    made = _PADDINGS[mode][count - 1]
    if mode == "circular":
        _check_wrapped(input.shape, given)
    else:
        _check_mirrored(input.shape, given, mode)
        if input.dtype.kind == "b":
            refuse_dtype(made.__name__, input.dtype)
    return made(input, given)  # type: ignore[no-any-return]


def _by_dim(shape: Sequence[int], padding: Sequence[int]) -> list[tuple[int, tuple[int, int]]]:
    """The padded dimensions, each with what is added before and after."""
    last = len(shape) - 1
    return [(last - i, (padding[2 * i], padding[2 * i + 1])) for i in range(len(padding) // 2)]


def _check_count(padding: Sequence[int], ndim: int) -> None:
    if len(padding) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, but got {len(padding)} numbers: {list(padding)}")
    if len(padding) > 2 * ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(padding)} and input of dimension {ndim}"
        )


def _check_wrapped(shape: Sequence[int], padding: Sequence[int]) -> None:
    for d, (before, after) in _by_dim(shape, padding):
        if before > shape[d] or after > shape[d]:
            raise RuntimeError(
                f"Padding value causes wrapping around more than once: {before} and {after} at dimension {d} of size {shape[d]}"
            )
        if shape[d] + before + after < 0 or shape[d] + min(before, 0) + min(after, 0) < 0:
            raise RuntimeError(
                f"Negative padding value is resulting in an empty dimension: {before} and {after} at dimension {d} of size "
                f"{shape[d]}"
            )


def _check_mirrored(shape: Sequence[int], padding: Sequence[int], mode: str) -> None:
    count = len(padding) // 2
    if 0 in shape[1 if len(shape) == count + 2 else 0 :]:
        raise RuntimeError(
            f"Expected {count + 1}D or {count + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    for (d, (before, after)), letter in zip(_by_dim(shape, padding), "WHD", strict=False):
        if mode == "reflect" and max(before, after) >= shape[d]:
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
                f"({before}, {after}) at dimension {d} of input {list(shape)}"
            )
        if shape[d] + before + after < 1:
            raise RuntimeError(
                f"input ({letter}: {shape[d]}) is too small. Calculated output {letter}: {shape[d] + before + after}"
            )
