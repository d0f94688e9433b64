"""Batch normalisation: each channel over all elements of a batch; and the same for each element alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.grad_mode import no_grad
from gradcore.op import op
from gradcore.ops._batching import folded, unfolded
from gradcore.ops._operands import as_tensor, refuse_gradients
from gradcore.ops._reducing import narrowed, widened
from gradcore.ops.creation import zeros
from gradcore.ops.nn._normalizing import (
    affine,
    centered_by,
    check_dtypes,
    input_gradient,
    like_statistics,
    moments,
    per_channel,
    without_statistics,
)
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["batch_norm", "instance_norm", "native_batch_norm"]


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """``(x - mean) / sqrt(variance + eps) * weight + bias`` for each channel.

    Ioffe and Szegedy, Batch Normalization, 2015.

    Args:
        input: of shape (N, C, *), in a real floating-point dtype.
        weight: of each channel, in the dtype of ``input``, or in float32 where that is half precision.
        bias: likewise.
        running_mean, running_var: of each channel. In training they move towards the mean and the (unbiased) variance of
            the batch; else they take the place of these.
        training: normalise by the statistics of the batch.
        momentum: how far the running statistics move, from 0 to 1.
        eps: added to the variance.
        cudnn_enabled: without meaning here.

    Raises:
        IndexError: ``input`` has no channels.
        NotImplementedError: integers or complex numbers.
        RuntimeError: shapes or dtypes do not fit, or there are no statistics to normalise by.
    """
    x = as_tensor(input, "batch_norm")
    if not x.numel():
        out = x.clone() if weight is None else x.clone() * weight[0]
        return out if bias is None else out + bias[0]  # type: ignore[no-any-return]
    return _normalized(_TRAINED, _FROZEN, x, weight, bias, running_mean, running_var, training, momentum, eps)[0]


def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`batch_norm`, with the mean and ``1 / sqrt(variance + eps)`` of the batch; outside training these are empty.

    Raises:
        As :func:`batch_norm`, and RuntimeError for an empty ``input``.
    """
    x = _not_empty(as_tensor(input, "native_batch_norm"))
    return _normalized(_TRAINED, _FROZEN, x, weight, bias, running_mean, running_var, training, momentum, eps)


def _native_batch_norm_legit(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    *rest: Any,
    **named: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`native_batch_norm`, also without running statistics: ``(input, weight, bias, training, momentum, eps)``."""
    x = _not_empty(as_tensor(input, "_native_batch_norm_legit"))
    if len(rest) + len(named) == 5:
        mean, var, training, momentum, eps = _arguments(
            ("running_mean", "running_var", "training", "momentum", "eps"), rest, named
        )
        return _normalized(_LEGIT, _FROZEN_LEGIT, x, weight, bias, mean, var, training, momentum, eps)
    training, momentum, eps = _arguments(("training", "momentum", "eps"), rest, named)
    return _normalized(_LEGIT_ALONE, _FROZEN_LEGIT, x, weight, bias, None, None, training, momentum, eps)


def _batch_norm_with_update(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """:func:`native_batch_norm` in training; the fourth result is empty, as there is nothing to reserve for backward."""
    x = _not_empty(as_tensor(input, "_batch_norm_with_update"))
    out = _normalized(_UPDATED, _FROZEN, x, weight, bias, running_mean, running_var, True, momentum, eps)
    return (*out, zeros(0, dtype=dtypes.uint8, device=x.device))


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """:func:`batch_norm` of each element of a batch alone; the running statistics are those of all, on average.

    Args:
        use_input_stats: normalise by the statistics of ``input``, not by the running ones.

    Raises:
        As :func:`batch_norm`.
    """
    x = as_tensor(input, "instance_norm")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    if x.ndim < 2:
        raise RuntimeError(f"instance_norm: expected an input of shape (N, C, *), but got {list(x.shape)}")
    n, channels, *rest = x.shape
    weight, bias, mean, var = (None if p is None else p.repeat(n) for p in (weight, bias, running_mean, running_var))
    as_channels = x.contiguous().view(1, n * channels, *rest)
    out = batch_norm(as_channels, weight, bias, mean, var, use_input_stats, momentum, eps)
    if use_input_stats:
        with no_grad():
            for running, repeated in ((running_mean, mean), (running_var, var)):
                if running is not None and repeated is not None:
                    running.copy_(repeated.view(n, channels).mean(0))
    return out.view(x.shape)


# The operations. A name of its own for every node that PyTorch has, with the same rules.


def _batches(make: Make) -> Iterator[Sample]:
    for shape in ((3, 2), (2, 3, 2), (2, 2, 1, 3)):
        yield Sample(make(*shape), make(shape[1]), make(shape[1]), eps=0.1).checked(after=without_statistics)
    yield Sample(make(3, 2), None, None, eps=0.1).checked(after=without_statistics)
    yield Sample(make(3, 2), make(2), None, eps=0.1).checked(after=without_statistics)
    yield Sample(make(3, 2), None, make(2), eps=0.1).checked(after=without_statistics)


def _with_running_statistics(make: Make) -> Iterator[Sample]:
    for s in _batches(make):
        channels = s.operands[0].shape[1]
        mean, var = make.of(np.arange(channels) / 2), make.of(1.0 + np.arange(channels))
        yield Sample(*s.operands, mean, var, **s.params)


def _trained(node: str, name: str) -> Any:
    """The operation that normalises by the statistics of the batch; its last result, the variance, is for the running one."""

    def forward(xp: Any, input: Any, weight: Any = None, bias: Any = None, /, *, eps: float) -> Any:
        x = widened(xp, input)
        mean, centered, variance, rstd = moments(xp, x, _axes(x), eps)
        out = affine(xp, xp.multiply(centered, rstd), *(per_channel(xp, p, x) for p in (weight, bias)))
        mean, rstd, variance = (xp.reshape(s, (x.shape[1],)) for s in (mean, rstd, variance))
        statistics = (like_statistics(xp, s, input, weight, bias) for s in (mean, rstd))
        return narrowed(xp, out, input), *statistics, variance

    forward.__name__ = name
    forward.__doc__ = "The channels, normalised by the statistics of the batch."
    made = op(
        node=node,
        outputs=("result0", "result1", "result2", "variance"),
        nondifferentiable=("result1", "result2", "variance"),
        samples=_batches,
    )(forward)

    @made.vjp("input", "weight", "bias")
    def vjp(xp: Any, g: Any, input: Any, weight: Any, result1: Any, result2: Any, needs: Any, eps: float) -> Any:
        g, x = widened(xp, g), widened(xp, input)
        axes = _axes(x)
        g_input = g_weight = None
        if needs[0] or needs[1]:
            mean, rstd = (per_channel(xp, s, x) for s in (result1, result2))
            centered, rstd = centered_by(xp, x, axes, eps, mean, rstd)
            if needs[0]:
                g_input = input_gradient(xp, affine(xp, g, per_channel(xp, weight, x), None), centered, rstd, axes)
            if needs[1]:
                g_weight = xp.sum(xp.multiply(xp.multiply(centered, rstd), g), axis=axes)
        return g_input, g_weight, xp.sum(g, axis=axes) if needs[2] else None

    @made.vmap
    def vmap(input: Any, weight: Any, bias: Any, eps: float) -> Any:
        # A channel of each element is a channel of its own.
        sizes = input.shape[0], input.shape[2]
        out, *statistics = made(folded(input, 1), *_folded_parameters(weight, bias), eps=eps)
        return (unfolded(out, sizes, 1), *(unfolded(s, sizes) for s in statistics))

    return made


def _frozen(node: str, name: str) -> Any:
    """The operation that normalises by running statistics."""

    def forward(
        xp: Any,
        input: Any,
        weight: Any = None,
        bias: Any = None,
        running_mean: Any = None,
        running_var: Any = None,
        /,
        *,
        eps: float,
    ) -> Any:
        x = widened(xp, input)
        centered, rstd = _by_running(xp, x, running_mean, running_var, eps)
        return narrowed(
            xp, affine(xp, xp.multiply(centered, rstd), *(per_channel(xp, p, x) for p in (weight, bias))), input
        )

    forward.__name__ = name
    forward.__doc__ = "The channels, normalised by running statistics."
    made = op(node=node, samples=_with_running_statistics)(forward)

    @made.vjp("input", "weight", "bias")
    def vjp(
        xp: Any, g: Any, input: Any, weight: Any, running_mean: Any, running_var: Any, needs: Any, eps: float
    ) -> Any:
        g, x = widened(xp, g), widened(xp, input)
        centered, rstd = _by_running(xp, x, running_mean, running_var, eps)
        g_input = g_weight = None
        if needs[0]:
            scale = rstd if weight is None else xp.multiply(rstd, widened(xp, per_channel(xp, weight, x)))
            g_input = xp.multiply(g, scale)
        if needs[1]:
            g_weight = xp.sum(xp.multiply(xp.multiply(centered, rstd), g), axis=_axes(x))
        return g_input, g_weight, xp.sum(g, axis=_axes(x)) if needs[2] else None

    @made.vmap
    def vmap(input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, eps: float) -> Any:
        sizes = input.shape[0], input.shape[2]
        parameters = _folded_parameters(weight, bias, running_mean, running_var)
        return unfolded(made(folded(input, 1), *parameters, eps=eps), sizes, 1)

    return made


_TRAINED = _trained("NativeBatchNormBackward0", "normalized_batch")
_LEGIT = _trained("NativeBatchNormLegitBackward0", "normalized_batch_legit")
_LEGIT_ALONE = _trained("NativeBatchNormLegitBackward1", "normalized_batch_legit_alone")
_UPDATED = _trained("BatchNormWithUpdateBackward0", "normalized_batch_with_update")
_FROZEN = _frozen("NativeBatchNormBackward0", "normalized_by_running")
_FROZEN_LEGIT = _frozen("NativeBatchNormLegitBackward0", "normalized_by_running_legit")


def _normalized(
    trained: Any,
    frozen: Any,
    x: Tensor,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    _check(x, weight, bias, running_mean, running_var, training)
    if not isinstance(momentum, (int, float)):
        raise TypeError(f"batch_norm(): argument 'momentum' must be float, not {type(momentum).__name__}")
    if not training:
        out = frozen(x, weight, bias, running_mean, running_var, eps=float(eps))
        kind = out.dtype if weight is None else weight.dtype
        return out, zeros(0, dtype=kind, device=x.device), zeros(0, dtype=kind, device=x.device)
    out, mean, rstd, variance = trained(x, weight, bias, eps=float(eps))
    count = x.numel() // max(x.shape[1], 1)
    with no_grad():
        if running_mean is not None:
            running_mean.mul_(1 - momentum).add_(mean, alpha=momentum)
        if running_var is not None:
            unbiased = variance * (count / (count - 1) if count > 1 else math.nan)
            running_var.mul_(1 - momentum).add_(unbiased, alpha=momentum)
    return out, mean, rstd


def _check(x: Tensor, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool) -> None:
    if x.ndim < 2:
        raise IndexError(
            f"Dimension out of range: batch_norm expects an input of shape (N, C, *), but got {list(x.shape)}"
        )
    for name, statistic in (("running_mean", running_mean), ("running_var", running_var)):
        if statistic is None and not training:
            raise RuntimeError(f"{name} must be defined in evaluation mode")
    channels = x.shape[1]
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, p in given.items():
        if p is not None and p.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {p.numel()}")
    check_dtypes("batch_norm", x, weight, bias)
    refuse_gradients("native_batch_norm", running_mean=running_mean, running_var=running_var)


def _not_empty(x: Tensor) -> Tensor:
    if not x.numel():
        raise RuntimeError(f"input tensor must have at least one element, but got input_sizes = {list(x.shape)}")
    return x


def _arguments(names: tuple[str, ...], rest: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
    given = dict(zip(names, rest, strict=False)) | named
    if set(given) != set(names) or len(rest) + len(named) != len(names):
        raise TypeError(
            "_native_batch_norm_legit() takes (input, weight, bias, [running_mean, running_var,] training, momentum, eps), "
            f"but got {len(rest)} arguments after the bias, and {sorted(named)}"
        )
    return [given[n] for n in names]


def _axes(x: Any) -> tuple[int, ...]:
    """All dimensions but that of the channels."""
    return tuple([a for a in range(len(x.shape)) if a != 1])


def _by_running(xp: Any, x: Any, running_mean: Any, running_var: Any, eps: float) -> tuple[Any, Any]:
    mean, var = (widened(xp, per_channel(xp, s, x)) for s in (running_mean, running_var))
    return xp.subtract(x, mean), xp.divide(1.0, xp.sqrt(xp.add(var, eps)))


def _folded_parameters(*parameters: Any) -> list[Any]:
    return [None if p is None else p.reshape((-1,)) for p in parameters]
