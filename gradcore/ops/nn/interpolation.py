"""Tensors of batch, channels and one to three spatial dimensions, sampled anew at other sizes.

Every mode is one linear map per spatial dimension: a few source positions for each target position, with weights. Weights
are computed in the precision of the tensor, as a position on the border between two others falls on the side that rounding
decides. Cubic convolution: R. G. Keys, IEEE Trans. Acoust. Speech Signal Process. 29 (1981) 1153-1160.
"""

from __future__ import annotations

import functools
import math
import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import OpFunction, op
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.nn._axis_maps import AxisMap, adjoint_of, mapped
from gradcore.ops.nn.adaptive_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

Host = np.ndarray[Any, Any]
Kernel = Callable[[Host], Host]


# The maps: for each target position the source positions and their weights.


class _Resizing:
    """One dimension of ``size`` positions made into ``count``, computed in numbers of ``dtype``.

    ``scale`` is the factor that the caller gave, which need not be the quotient of the two exactly; ``None``: the quotient.
    """

    def __init__(self, size: int, count: int, align_corners: bool, scale: float | None, dtype: Any) -> None:
        self.size, self.count, self.align_corners, self.dtype = size, count, align_corners, np.dtype(dtype)
        number = self.dtype.type
        self.targets: Host = np.arange(count).astype(dtype)
        if align_corners:
            self.step = number(size - 1) / number(count - 1) if count > 1 else number(0)
        else:
            self.step = number(1.0 / scale) if scale is not None and scale > 0 else number(size) / number(count)

    def centres(self) -> Host:
        """The source positions of the targets' centres, as fractions."""
        half = self.dtype.type(0.5)
        found: Host = self.targets * self.step if self.align_corners else (self.targets + half) * self.step - half
        return found

    def split(self, at: Host) -> tuple[Host, Host]:
        """The source positions left of fractions, and how far from them these are."""
        left = np.clip(np.floor(at).astype(np.int64), None, self.size - 1)
        return left, np.clip(at - left.astype(at.dtype), 0, 1)


def _nearest(r: _Resizing) -> tuple[Host, Host | None]:
    """The source position whose cell begins last before the target's cell."""
    at = np.floor(r.targets * r.step).astype(np.int64)
    return np.clip(at, 0, r.size - 1)[None], None


def _nearest_exact(r: _Resizing) -> tuple[Host, Host | None]:
    """The source position whose cell holds the centre of the target's cell."""
    at = np.floor((r.targets + r.dtype.type(0.5)) * r.step).astype(np.int64)
    return np.clip(at, 0, r.size - 1)[None], None


def _linear(r: _Resizing) -> tuple[Host, Host | None]:
    """The two neighbours, by their distance; beyond the border, the position there."""
    if r.count == r.size:
        return np.arange(r.size)[None], None
    left, t = r.split(np.maximum(r.centres(), 0))
    return np.stack([left, np.minimum(left + 1, r.size - 1)]), np.stack([1 - t, t])


def _cubic(r: _Resizing) -> tuple[Host, Host | None]:
    """The four neighbours, by cubic convolution with a = -0.75; beyond the border, the position there."""
    if r.count == r.size:
        return np.arange(r.size)[None], None
    left, t = r.split(r.centres())
    index = np.stack([np.clip(left + k, 0, r.size - 1) for k in (-1, 0, 1, 2)])
    return index, np.stack([_keys(np.abs(t - r.dtype.type(k)), -0.75) for k in (-1, 0, 1, 2)])


def _smoothed(kernel: Kernel, reach: int, r: _Resizing) -> tuple[Host, Host | None]:
    """All positions that a kernel reaches which is as wide as the coarser of the two grids; weights sum to 1."""
    half, stretch = r.dtype.type(0.5), max(r.step, r.dtype.type(1))
    support = r.dtype.type(reach) * stretch
    centre = (r.targets + half) * r.step
    first = np.maximum((centre - support + half).astype(np.int64), 0)
    stop = np.minimum((centre + support + half).astype(np.int64), r.size)
    terms = np.arange(max(int((stop - first).max()), 1))[:, None]
    index = first + terms
    inside = index < stop
    weights = np.where(inside, kernel(np.abs((index.astype(r.dtype) - centre + half) / stretch)), 0).astype(r.dtype)
    total = weights.sum(0)
    weights = weights / np.where(total == 0, r.dtype.type(1), total)
    # A term that is not there has weight 0, and must not read a number that is not finite.
    return np.where(inside, index, r.size), weights


def _keys(distance: Host, a: float) -> Host:
    """The kernel of cubic convolution."""
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((distance - 5) * distance + 8) * distance * a - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0)).astype(distance.dtype)


def _triangle(distance: Host) -> Host:
    return np.where(distance < 1, 1 - distance, 0)


def _lanczos(distance: Host) -> Host:
    """A sinc within a window that is a wider sinc, of three zeros on either side."""
    return np.where(distance < 3, np.sinc(distance) * np.sinc(distance / 3), 0)


@functools.lru_cache(maxsize=256)
def _axis_map(
    taps: Callable[[_Resizing], tuple[Host, Host | None]],
    axis: int,
    size: int,
    count: int,
    align_corners: bool,
    scale: float | None,
    dtype: str,
) -> AxisMap:
    # PyTorch finds nearest neighbours in single precision, whatever the tensor has.
    precision = "float32" if taps in (_nearest, _nearest_exact) else dtype
    index, weights = taps(_Resizing(size, count, align_corners, scale, precision))
    return AxisMap(axis, size, index, weights)


# The operations, one for each mode and number of spatial dimensions.


def _resampling(name: str, node: str, ndim: int, taps: Callable[[_Resizing], Any], kernel: str) -> OpFunction:
    """The operation ``name`` of tensors with ``ndim`` spatial dimensions; ``kernel`` names it in errors."""

    def samples(make: Make) -> Iterator[Sample]:
        for size, count, align_corners, scales in _SAMPLED[ndim]:
            yield Sample(make(1, 2, *size), output_size=count, align_corners=align_corners, scales=scales)

    def samples_of_adjoint(make: Make) -> Iterator[Sample]:
        for size, count, align, scales in _SAMPLED[ndim]:
            g = make(1, 2, *count)
            yield Sample(g, input_sizes=size, output_size=count, align_corners=align, scales=scales)

    def maps(xp: Any, x: Any, sizes: Any, counts: Any, align_corners: bool, scales: Any) -> list[AxisMap]:
        dtype = xp.np_dtype(x.dtype)
        if not (dtypes.category(dtype) == 2 or (dtype == dtypes.uint8 and kernel in _OF_BYTES)):
            refuse_dtype(kernel, dtype)
        precision = "float64" if dtype.itemsize in (1, 8) else "float32"
        return [
            _axis_map(taps, d - ndim, n, m, align_corners, scale, precision)
            for d, (n, m, scale) in enumerate(zip(sizes, counts, scales, strict=True))
        ]

    def forward(
        xp: Any, input: Any, /, output_size: tuple[int, ...], align_corners: bool, scales: tuple[float | None, ...]
    ) -> Any:
        found = maps(xp, input, input.shape[-ndim:], output_size, align_corners, scales)
        if xp.np_dtype(input.dtype) == dtypes.uint8 and any(m.weights is not None for m in found):
            return _mapped_bytes(xp, input, found)
        return mapped(xp, input, found)

    def adjoint(
        xp: Any,
        g: Any,
        /,
        input_sizes: tuple[int, ...],
        output_size: tuple[int, ...],
        align_corners: bool,
        scales: tuple[float | None, ...],
    ) -> Any:
        return adjoint_of(xp, g, maps(xp, g, input_sizes, output_size, align_corners, scales))

    forward.__name__, adjoint.__name__ = name, f"{name}_backward"
    forward.__doc__ = "``input`` sampled anew at ``output_size`` positions."
    adjoint.__doc__ = f"The adjoint of :func:`{name}`."
    made = op(node=f"{node}Backward0", linear=True, standard=name, samples=samples)(forward)
    transposed = op(
        node=f"{node}BackwardBackward0", linear=True, standard=adjoint.__name__, samples=samples_of_adjoint
    )(adjoint)
    generic(name)(forward)
    generic(adjoint.__name__)(adjoint)

    @made.vjp("input")
    def vjp(xp: Any, g: Any, input_shape: Any, output_size: Any, align_corners: Any, scales: Any) -> Any:
        return extra(xp, f"{name}_backward", g, tuple(input_shape[-ndim:]), output_size, align_corners, scales)

    @transposed.vjp("g")
    def vjp_of_adjoint(xp: Any, g: Any, output_size: Any, align_corners: Any, scales: Any) -> Any:
        return extra(xp, name, g, output_size, align_corners, scales)

    # Dimensions are counted from the last: a batch in front changes nothing.
    @made.vmap
    def batched(input: Any, output_size: Any, align_corners: bool, scales: Any) -> Any:
        return made(input, output_size, align_corners, scales)

    @transposed.vmap
    def batched_adjoint(g: Any, input_sizes: Any, output_size: Any, align_corners: bool, scales: Any) -> Any:
        return transposed(g, input_sizes, output_size, align_corners, scales)

    return made


_SAMPLED: dict[int, list[tuple[Any, Any, bool, Any]]] = {
    1: [((3,), (5,), False, (None,)), ((4,), (2,), True, (None,)), ((3,), (4,), False, (1.4,)), ((2,), (30,), False, (None,))],
    2: [((3, 2), (4, 5), False, (None, None)), ((4, 3), (2, 3), True, (None, None))],
    3: [((2, 1, 2), (1, 2, 3), False, (None, None, None))],
}  # fmt: skip
_OF_BYTES = frozenset(
    [
        "compute_indices_weights_nearest",
        "upsample_bilinear2d_channels_last",
        "compute_indices_weights_cubic",
        "upsample_antialias",
    ]
)
_LINEAR = {1: "Linear", 2: "Bilinear", 3: "Trilinear"}


def _of_each_rank(name: str, node: str, taps: Any, kernel: str) -> dict[int, OpFunction]:
    return {n: _resampling(f"{name}{n}d", f"{node}{n}D", n, taps, kernel) for n in (1, 2, 3)}


_MODES: dict[str, dict[int, OpFunction]] = {
    "nearest": _of_each_rank("upsample_nearest", "UpsampleNearest", _nearest, "compute_indices_weights_nearest"),
    "nearest-exact": _of_each_rank(
        "upsample_nearest_exact", "UpsampleNearestExact", _nearest_exact, "compute_indices_weights_nearest"
    ),
    "linear": {1: _resampling("upsample_linear1d", "UpsampleLinear1D", 1, _linear, "compute_indices_weights_linear")},
    "bilinear": {
        2: _resampling("upsample_bilinear2d", "UpsampleBilinear2D", 2, _linear, "upsample_bilinear2d_channels_last")
    },
    "trilinear": {
        3: _resampling("upsample_trilinear3d", "UpsampleTrilinear3D", 3, _linear, "upsample_trilinear3d_channels_last")
    },
    "bicubic": {2: _resampling("upsample_bicubic2d", "UpsampleBicubic2D", 2, _cubic, "compute_indices_weights_cubic")},
}
_SMOOTHED: dict[str, OpFunction] = {
    mode: _resampling(
        f"upsample_{mode}2d_aa",
        f"Upsample{mode.capitalize()}2DAa",
        2,
        functools.partial(_smoothed, kernel, reach),
        "upsample_antialias",
    )
    for mode, kernel, reach in (
        ("bilinear", _triangle, 1),
        ("bicubic", functools.partial(_keys, a=-0.5), 2),
        ("lanczos", _lanczos, 3),
    )
}
_AREAS = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}
_RANKS = {"linear": 1, "bilinear": 2, "bicubic": 2, "lanczos": 2, "trilinear": 3}
"""The number of spatial dimensions of modes that have but one."""
_NAMES = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """A tensor of shape (batch, channels, one to three spatial dimensions) sampled anew at another spatial size.

    Args:
        size: the new spatial size, one number for all dimensions or one for each.
        scale_factor: instead of ``size``, the factor by which the dimensions grow, one for all or one for each.
        mode: ``"nearest"``, ``"nearest-exact"``, ``"linear"`` (3-D), ``"bilinear"``, ``"bicubic"``, ``"lanczos"`` (4-D),
            ``"trilinear"`` (5-D), ``"area"`` (the mean of what a new position covers).
        align_corners: the centres of the outermost positions stay where they are, and not their outer edges.
        recompute_scale_factor: sample with the quotient of the sizes and not with ``scale_factor`` itself.
        antialias: when growing smaller, take the mean over all that a new position covers (bilinear, bicubic, lanczos).

    Raises:
        ValueError: both or neither of ``size`` and ``scale_factor``, another number of them than of spatial dimensions, or
            ``align_corners`` or ``antialias`` for a mode that has none.
        NotImplementedError: an unknown mode, or one for another number of dimensions, or a dtype without such a mode.
        RuntimeError: an empty spatial dimension before or after.
    """
    input = as_tensor(input, "interpolate")
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear; "
                f"got {mode}"
            )
    elif align_corners is None:
        align_corners = False
    counts, scales = _counts_and_scales(input, size, scale_factor, recompute_scale_factor)
    if antialias and not (mode in _SMOOTHED and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input; got "
            f"{mode} and a {input.ndim}-D tensor"
        )
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    rank = input.ndim - 2
    if rank not in (1, 2, 3) or mode not in (*_MODES, "area", "lanczos"):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: {_NAMES} "
            f"(got {mode})"
        )
    if _RANKS.get(mode, rank) != rank:
        raise NotImplementedError(f"Got {input.ndim}D input, but {mode} mode needs {_RANKS[mode] + 2}D input")
    if mode == "area":
        return _AREAS[rank](input, counts)
    made = _SMOOTHED[mode] if antialias else _MODES[mode][rank]
    return _resampled(made, input, counts, bool(align_corners), scales)


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """Another name of :func:`interpolate`, which PyTorch has deprecated."""
    _warn_deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """:func:`interpolate` with ``mode="nearest"``, which PyTorch has deprecated."""
    _warn_deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """:func:`interpolate` with ``mode="bilinear"`` and ``align_corners=True``, which PyTorch has deprecated."""
    _warn_deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", True)


def _upsample_bilinear2d_aa(
    input: Tensor,
    output_size: Sequence[int] | None,
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
    *,
    scale_factors: Sequence[float] | None = None,
) -> Tensor:
    """What ``interpolate(mode="bilinear", antialias=True)`` calls in PyTorch: a size, or the factors instead."""
    input = as_tensor(input, "_upsample_bilinear2d_aa")
    scales: tuple[float | None, ...] = (scales_h, scales_w)
    if output_size is None:
        output_size, scales = _counts_and_scales(input, None, scale_factors, None)
    return _resampled(_SMOOTHED["bilinear"], input, tuple(output_size), align_corners, scales)


def _resampled(made: OpFunction, input: Tensor, counts: Any, align_corners: bool, scales: Any) -> Tensor:
    """An operation of this module, its operands checked."""
    sizes = tuple(input.shape)
    if len(counts) != len(sizes) - 2:
        raise RuntimeError(f"It is expected output_size equals to {len(sizes) - 2}, but got size {len(counts)}")
    if 0 in sizes[2:] or min(counts) <= 0:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input (spatial size: {list(sizes[2:])}) and output "
            f"(spatial size: {list(counts)})"
        )
    if 0 in sizes[1:]:
        raise RuntimeError(f"Non-empty {len(sizes)}D data tensor expected but got a tensor with sizes {list(sizes)}")
    return made(input, counts, align_corners, scales)  # type: ignore[no-any-return]


def _counts_and_scales(
    input: Tensor, size: Any, scale_factor: Any, recompute_scale_factor: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The new spatial size, and the factors to sample with."""
    spatial = tuple(input.shape[2:])
    rank = len(spatial)
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        given = tuple(size) if isinstance(size, (tuple, list)) else (size,) * rank
        if len(given) != rank:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input with spatial dimensions of "
                f"{list(spatial)} and output size of {size}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                "output size in (o1, o2, ...,oK) format."
            )
        try:
            return tuple([operator.index(n) for n in given]), (None,) * rank
        except TypeError:
            raise TypeError(f"interpolate(): argument 'size' must be integers, not {size!r}") from None
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    factors = tuple(scale_factor) if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * rank
    if len(factors) != rank:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial dimensions of "
            f"{list(spatial)} and scale_factor of shape {scale_factor}. Please provide input tensor in (N, C, d1, d2, "
            "...,dK) format and scale_factor in (s1, s2, ...,sK) format."
        )
    counts = tuple([math.floor(n * float(s)) for n, s in zip(spatial, factors, strict=True)])
    return counts, (None,) * rank if recompute_scale_factor else tuple([float(s) for s in factors])


def _mapped_bytes(xp: Any, x: Any, maps: Sequence[AxisMap]) -> Any:
    """Maps of bytes: the last axis first, with weights of 16 bits, and rounded after each axis, as image libraries do."""
    out = xp.astype(x, dtypes.float64)
    for m in maps[::-1]:
        if m.weights is None:
            continue
        bits = 0
        while bits < 22 and int(0.5 + float(m.weights.max()) * 2 ** (bits + 1)) < 2**15:
            bits += 1
        weights = m.weights.copy()
        for k in range(1, len(weights)):  # what is one position has one weight
            again = m.index[k] == m.index[k - 1]
            weights[k] += np.where(again, weights[k - 1], 0)
            weights[k - 1] = np.where(again, 0, weights[k - 1])
        weights = np.trunc(weights * 2.0**bits + np.copysign(0.5, weights)) / 2.0**bits
        out = mapped(xp, out, [AxisMap(m.axis, m.size, m.index, weights)])
        out = xp.clip(xp.floor(xp.add(out, 0.5)), 0, 255)
    return xp.astype(out, dtypes.uint8)


def _warn_deprecated(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", UserWarning, stacklevel=3
    )
