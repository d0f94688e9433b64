"""Functions that have other parameters in ``nn.functional`` than in ``gradcore``: ``inplace``, a default, checks of sizes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradcore.ops import activation, smooth_activation
from gradcore.ops import dropout as _dropout
from gradcore.ops import softmax as _softmax
from gradcore.ops.arithmetic import neg
from gradcore.ops.creation import zeros_like
from gradcore.ops.dropout import check_probability
from gradcore.ops.nn import batch_norm as _batch_norm
from gradcore.ops.nn import rrelu as _rrelu
from gradcore.ops.nn.group_norm import group_norm as _group_norm
from gradcore.ops.nn.layer_norm import layer_norm as _layer_norm
from gradcore.random import rand_like

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "alpha_dropout",
    "batch_norm",
    "celu",
    "celu_",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "feature_alpha_dropout",
    "group_norm",
    "gumbel_softmax",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "instance_norm",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "silu",
    "softmax",
    "softmin",
    "threshold",
    "threshold_",
]


_SMALLEST_DRAW = 2.0**-32
"""Stands for the 0 that a uniform distribution may give, whose logarithm has no value."""


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(input, 0)``."""
    return activation.relu.inplace(input) if inplace else activation.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input, 0), 6)``."""
    return activation.relu6_(input) if inplace else activation.relu6(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``input`` where that is positive, else ``negative_slope * input``."""
    return activation.leaky_relu_(input, negative_slope) if inplace else activation.leaky_relu(input, negative_slope)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``input`` where that is above ``threshold``, else ``value``."""
    return activation.threshold_(input, threshold, value) if inplace else activation.threshold(input, threshold, value)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` cut off at ``min_val`` and ``max_val``."""
    return (
        activation.hardtanh.inplace(input, min_val, max_val)
        if inplace
        else activation.hardtanh(input, min_val, max_val)
    )


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input / 6 + 0.5, 0), 1)``."""
    return activation.hardsigmoid.inplace(input) if inplace else activation.hardsigmoid(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * hardsigmoid(input)``."""
    return activation.hardswish.inplace(input) if inplace else activation.hardswish(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``."""
    return smooth_activation.silu.inplace(input) if inplace else smooth_activation.silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * tanh(softplus(input))``."""
    return smooth_activation.mish.inplace(input) if inplace else smooth_activation.mish(input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where that is positive, else ``alpha * (exp(input) - 1)``."""
    return smooth_activation.elu_(input, alpha) if inplace else smooth_activation.elu(input, alpha)


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """``input`` where that is positive, else times a slope between two bounds, drawn at random in training."""
    return (_rrelu.rrelu_ if inplace else _rrelu.rrelu)(input, lower, upper, training)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The scaled exponential linear unit, whose constants keep mean 0 and variance 1."""
    return smooth_activation.selu_(input) if inplace else smooth_activation.selu(input)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where that is positive, else ``alpha * (exp(input / alpha) - 1)``."""
    return smooth_activation.celu_(input, alpha) if inplace else smooth_activation.celu(input, alpha)


celu_ = smooth_activation.celu_


elu_ = smooth_activation.elu_


leaky_relu_ = activation.leaky_relu_


relu_ = activation.relu.inplace


rrelu_ = _rrelu.rrelu_


selu_ = smooth_activation.selu_


threshold_ = activation.threshold_


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place :func:`hardtanh`."""
    return hardtanh(input, min_val, max_val, inplace=True)


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``exp(x) / sum(exp(x))`` along ``dim``; see :func:`gradcore.softmax`."""
    return _softmax.softmax(input, _dim("softmax", input, dim, _stacklevel), dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``x - log(sum(exp(x)))`` along ``dim``; see :func:`gradcore.log_softmax`."""
    return _softmax.log_softmax(input, _dim("log_softmax", input, dim, _stacklevel), dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``softmax(-input)`` along ``dim``."""
    return _softmax.softmax(neg(input), _dim("softmin", input, dim, _stacklevel), dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of a category, softened: ``softmax((logits + noise) / tau)`` with noise of Gumbel's distribution.

    Jang, Gu and Poole, Categorical Reparameterization with Gumbel-Softmax, 2017.

    Args:
        logits: unnormalised log-probabilities.
        tau: how soft; towards 0 the sample nears one category.
        hard: give the category itself, as 1 among zeros, with the gradient of the soft sample.
        eps: without meaning.
        dim: the dimension of the categories.
    """
    noise = -rand_like(logits.detach()).clamp_(min=_SMALLEST_DRAW).log_().neg_().log_()
    soft = _softmax.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    category = soft.detach().max(dim, keepdim=True)[1]
    sharp = zeros_like(soft).scatter_(dim, category, 1.0)
    return sharp - soft.detach() + soft  # type: ignore[no-any-return]


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel normalised over all elements of a batch; see :func:`gradcore.batch_norm`.

    Raises:
        As there, and ValueError: a channel has a single value in training, or ``eps`` is negative.
    """
    if training:
        _check_values_per_channel(input.shape)
    if eps < 0.0 or (training and eps == 0.0):
        raise ValueError(
            f"batch_norm eps must be {'positive during training' if training else 'non-negative'}, but got {eps}"
        )
    return _batch_norm.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each element normalised; see :func:`gradcore.instance_norm`.

    Raises:
        As there, and ValueError: there is a single value to normalise.
    """
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {list(input.shape)}")
    return _batch_norm.instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """The last dimensions normalised; see :func:`gradcore.layer_norm`."""
    return _layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Groups of channels normalised; see :func:`gradcore.group_norm`.

    Raises:
        As there, and ValueError: a group has a single value.
    """
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    n, channels, *rest = input.shape
    if num_groups > 0:
        _check_values_per_channel([n * channels // num_groups, num_groups, *rest])
    return _group_norm(input, num_groups, weight, bias, eps)


def _check_values_per_channel(shape: Sequence[int]) -> None:
    if shape and math.prod(shape[:1]) * math.prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Elements made zero with probability ``p``, the others larger to make up for it; see :func:`gradcore.dropout`."""
    check_probability(p)
    return (_dropout.dropout_ if inplace else _dropout.dropout)(input, p, training)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """:func:`dropout` of whole channels of an input of shape (N, C, L) or (C, L).

    Raises:
        RuntimeError: ``input`` has another number of dimensions.
        ValueError: ``p`` is not between 0 and 1.
    """
    check_probability(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input: dropout1d is for one spatial "
            "dimension, a dimension of channels, and perhaps one of a batch. Use dropout for others"
        )
    return _dropped_channels(input, p, training, inplace, batched=input.ndim == 3)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """:func:`dropout` of whole channels of an input of shape (N, C, H, W).

    Raises:
        ValueError: ``p`` is not between 0 and 1.
    """
    check_probability(p)
    if input.ndim not in (3, 4):
        _warn_of_dimensions("dropout2d", input.ndim)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3-D input to dropout2d and assuming that channel-wise 1-D dropout behavior is desired: "
            "the input is taken for one of shape (N, C, L). Use dropout1d for that",
            UserWarning,
            stacklevel=2,
        )
    return _dropped_channels(input, p, training, inplace, batched=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """:func:`dropout` of whole channels of an input of shape (N, C, D, H, W) or (C, D, H, W).

    Raises:
        ValueError: ``p`` is not between 0 and 1.
    """
    check_probability(p)
    if input.ndim not in (4, 5):
        _warn_of_dimensions("dropout3d", input.ndim)
    return _dropped_channels(input, p, training, inplace, batched=input.ndim == 5)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean and variance of standard normal elements; see :func:`gradcore.alpha_dropout`."""
    check_probability(p)
    return (_dropout.alpha_dropout_ if inplace else _dropout.alpha_dropout)(input, p, training)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """:func:`alpha_dropout` of whole channels; see :func:`gradcore.feature_alpha_dropout`."""
    check_probability(p)
    return (_dropout.feature_alpha_dropout_ if inplace else _dropout.feature_alpha_dropout)(input, p, training)


def _dropped_channels(input: Tensor, p: float, training: bool, inplace: bool, *, batched: bool) -> Tensor:
    drop = _dropout.feature_dropout_ if inplace else _dropout.feature_dropout
    if batched:
        return drop(input, p, training)
    if inplace:
        drop(input.unsqueeze(0), p, training)
        return input
    return drop(input.unsqueeze(0), p, training).squeeze(0)


def _warn_of_dimensions(name: str, ndim: int) -> None:
    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an error in a future release. "
        "To retain the behavior and silence this warning, please use dropout instead",
        UserWarning,
        stacklevel=3,
    )


def _dim(name: str, input: Tensor, dim: int | None, stacklevel: int) -> int:
    """The dimension meant when none is given: a guess that PyTorch has deprecated."""
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        UserWarning,
        stacklevel=stacklevel,
    )
    return 0 if input.ndim in (0, 1, 3) else 1
