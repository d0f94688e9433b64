"""Channels of images rearranged: into larger planes of fewer channels and back, or among each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gradcore.op import op
from gradcore.ops._dims import as_integer
from gradcore.testing.samples import Make, Sample

__all__ = ["channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def _images_to_grow(make: Make) -> Iterator[Sample]:
    for shape, factor in (((1, 8, 2, 3), 2), ((4, 1, 2), 2), ((2, 2, 9, 1, 1), 3), ((0, 4, 2, 2), 2), ((2, 2, 2), 1)):
        yield Sample(make(*shape), upscale_factor=factor)


@op(node="PixelShuffleBackward0", linear=True, samples=_images_to_grow)
def pixel_shuffle(xp: Any, input: Any, /, upscale_factor: int) -> Any:
    """``(..., C * r * r, H, W)`` as ``(..., C, H * r, W * r)``: ``r * r`` channels are the pixels of a square.

    Raises:
        RuntimeError: fewer than 3 dimensions, channels that ``r * r`` does not divide, or a factor that is not positive.
    """
    shape, r = tuple(input.shape), as_integer(upscale_factor, "upscale_factor")
    _check_image("pixel_shuffle", shape)
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    if shape[-3] % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
            f"input.size(-3)={shape[-3]} is not divisible by {r * r}"
        )
    return _separate(xp, _grown(xp, input, r), input)


@pixel_shuffle.vjp("input")
def pixel_shuffle_vjp(xp: Any, g: Any, upscale_factor: int) -> Any:
    return _shrunk(xp, g, upscale_factor)


@pixel_shuffle.vmap
def pixel_shuffle_vmap(input: Any, upscale_factor: int) -> Any:
    _check_image("pixel_shuffle", input.shape[1:])
    return pixel_shuffle(input, upscale_factor)


def _images_to_shrink(make: Make) -> Iterator[Sample]:
    for shape, factor in (((1, 2, 4, 6), 2), ((1, 2, 4), 2), ((2, 2, 1, 3, 3), 3), ((0, 1, 4, 4), 2), ((2, 2, 2), 1)):
        yield Sample(make(*shape), downscale_factor=factor)


@op(node="PixelUnshuffleBackward0", linear=True, samples=_images_to_shrink)
def pixel_unshuffle(xp: Any, input: Any, /, downscale_factor: int) -> Any:
    """``(..., C, H * r, W * r)`` as ``(..., C * r * r, H, W)``: the pixels of a square as channels.

    Raises:
        RuntimeError: fewer than 3 dimensions, sides that ``r`` does not divide, or a factor that is not positive.
    """
    shape, r = tuple(input.shape), as_integer(downscale_factor, "downscale_factor")
    _check_image("pixel_unshuffle", shape)
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    for d, name in ((-2, "height"), (-1, "width")):
        if shape[d] % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({d})={shape[d]} is not "
                f"divisible by {r}"
            )
    return _separate(xp, _shrunk(xp, input, r), input)


@pixel_unshuffle.vjp("input")
def pixel_unshuffle_vjp(xp: Any, g: Any, downscale_factor: int) -> Any:
    return _grown(xp, g, downscale_factor)


@pixel_unshuffle.vmap
def pixel_unshuffle_vmap(input: Any, downscale_factor: int) -> Any:
    _check_image("pixel_unshuffle", input.shape[1:])
    return pixel_unshuffle(input, downscale_factor)


def _channels(make: Make) -> Iterator[Sample]:
    for shape, groups in (((1, 6, 2), 3), ((2, 4, 1, 2), 2), ((2, 3, 2), 1), ((0, 4, 2), 2)):
        yield Sample(make(*shape), groups=groups)


@op(node="ChannelShuffleBackward0", linear=True, samples=_channels)
def channel_shuffle(xp: Any, input: Any, /, groups: int) -> Any:
    """``(N, g * c, ...)`` with its channels, seen as ``g`` groups of ``c``, in turn from each group.

    Raises:
        RuntimeError: fewer than 3 dimensions, channels that ``groups`` does not divide, or no positive number of groups.
    """
    groups = as_integer(groups, "groups")
    _check_channels(input.shape, groups)
    return _separate(xp, _shuffled(xp, input, groups), input)


@channel_shuffle.vjp("input")
def channel_shuffle_vjp(xp: Any, g: Any, groups: int) -> Any:
    return _shuffled(xp, g, g.shape[1] // groups) if g.shape[1] else g


@channel_shuffle.vmap
def channel_shuffle_vmap(input: Any, groups: int, size: int) -> Any:
    _check_channels(input.shape[1:], groups)
    folded = input.reshape((size * input.shape[1], *input.shape[2:]))
    return channel_shuffle(folded, groups).reshape(input.shape)


def _grown(xp: Any, x: Any, r: int) -> Any:
    *front, c, h, w = x.shape
    parts = xp.reshape(x, (*front, c // (r * r), r, r, h, w))
    return xp.reshape(xp.permute_dims(parts, _order(front, (0, 3, 1, 4, 2))), (*front, c // (r * r), h * r, w * r))


def _shrunk(xp: Any, x: Any, r: int) -> Any:
    *front, c, h, w = x.shape
    parts = xp.reshape(x, (*front, c, h // r, r, w // r, r))
    return xp.reshape(xp.permute_dims(parts, _order(front, (0, 2, 4, 1, 3))), (*front, c * r * r, h // r, w // r))


def _shuffled(xp: Any, x: Any, groups: int) -> Any:
    n, c, *sizes = x.shape
    parts = xp.reshape(x, (n, groups, c // groups, *sizes))
    return xp.reshape(xp.permute_dims(parts, _order((n,), (1, 0, *range(2, len(sizes) + 2)))), (n, c, *sizes))


def _order(front: Sequence[int], rest: Sequence[int]) -> tuple[int, ...]:
    """The dimensions in front as they are, and the others in another order."""
    return (*range(len(front)), *[len(front) + d for d in rest])


def _separate(xp: Any, out: Any, input: Any) -> Any:
    """A result that shares no memory with its operand."""
    return xp.copy(out) if xp.may_overlap(out, input) else out


def _check_image(function: str, shape: Sequence[int]) -> None:
    if len(shape) < 3:
        raise RuntimeError(
            f"{function} expects input to have at least 3 dimensions, but got input with {len(shape)} dimension(s)"
        )


def _check_channels(shape: Sequence[int], groups: int) -> None:
    if len(shape) < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    if shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {shape[1]} channels and {groups} groups."
        )
