"""Functions of neural networks, as ``torch.nn.functional``: activations, losses, layers without parameters.

They live in ``gradcore/ops``; here stand those that have other parameters in ``torch.nn.functional``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradcore.ops import activation as _activation
from gradcore.ops import dropout as _dropout
from gradcore.ops import softmax as _softmax
from gradcore.ops.activation import (
    gelu,
    glu,
    hardshrink,
    logsigmoid,
    prelu,
    sigmoid,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
)
from gradcore.ops.addmm import linear
from gradcore.ops.arithmetic import neg
from gradcore.ops.binary_cross_entropy import binary_cross_entropy, binary_cross_entropy_with_logits
from gradcore.ops.creation import zeros_like
from gradcore.ops.cross_entropy import cross_entropy, nll_loss
from gradcore.ops.dropout import check_probability
from gradcore.ops.elementwise import tanh
from gradcore.ops.loss import huber_loss, kl_div, l1_loss, mse_loss, smooth_l1_loss
from gradcore.ops.nn.ctc_loss import ctc_loss
from gradcore.ops.nn.embedding_losses import (
    cosine_embedding_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from gradcore.ops.nn.linear_cross_entropy import linear_cross_entropy
from gradcore.ops.nn.likelihood_losses import gaussian_nll_loss, poisson_nll_loss
from gradcore.ops.nn.margin_losses import (
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from gradcore.ops.nn import batch_norm as _batch_norm
from gradcore.ops.nn import rrelu as _rrelu
from gradcore.ops.nn.attention import scaled_dot_product_attention
from gradcore.ops.nn.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_tbc,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from gradcore.ops.nn.group_norm import group_norm as _group_norm
from gradcore.ops.nn.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d,
    adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d,
    adaptive_max_pool3d_with_indices,
)
from gradcore.ops.nn.average_pooling import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
)
from gradcore.ops.nn.fractional_pooling import (
    fractional_max_pool2d,
    fractional_max_pool2d_with_indices,
    fractional_max_pool3d,
    fractional_max_pool3d_with_indices,
)
from gradcore.ops.nn.max_pooling import (
    max_pool1d,
    max_pool1d_with_indices,
    max_pool2d,
    max_pool2d_with_indices,
    max_pool3d,
    max_pool3d_with_indices,
)
from gradcore.ops.nn.unfolding import (
    fold,
    unfold,
)
from gradcore.ops.nn.unpooling import (
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from gradcore.ops.nn.bilinear import bilinear
from gradcore.ops.nn.embedding import embedding, embedding_bag, one_hot
from gradcore.ops.nn.grid_sampling import affine_grid, grid_sample
from gradcore.ops.nn.interpolation import interpolate, upsample, upsample_bilinear, upsample_nearest
from gradcore.ops.nn.layer_norm import layer_norm as _layer_norm
from gradcore.ops.nn.local_response_norm import local_response_norm
from gradcore.ops.nn.multi_head_attention import multi_head_attention_forward
from gradcore.ops.nn.padding import pad
from gradcore.ops.nn.rms_norm import rms_norm
from gradcore.ops.nn.shuffling import channel_shuffle, pixel_shuffle, pixel_unshuffle
from gradcore.ops.statistics.distance import cosine_similarity, pairwise_distance, pdist
from gradcore.ops.statistics.scaling import normalize
from gradcore.random import rand_like

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fold",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]


# Activations that can write into their input


_SMALLEST_DRAW = 2.0**-32
"""Stands for the 0 that a uniform distribution may give, whose logarithm has no value."""


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(input, 0)``."""
    return _activation.relu.inplace(input) if inplace else _activation.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input, 0), 6)``."""
    return _activation.relu6_(input) if inplace else _activation.relu6(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``input`` where that is positive, else ``negative_slope * input``."""
    return _activation.leaky_relu_(input, negative_slope) if inplace else _activation.leaky_relu(input, negative_slope)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``input`` where that is above ``threshold``, else ``value``."""
    return (
        _activation.threshold_(input, threshold, value) if inplace else _activation.threshold(input, threshold, value)
    )


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` cut off at ``min_val`` and ``max_val``."""
    return (
        _activation.hardtanh.inplace(input, min_val, max_val)
        if inplace
        else _activation.hardtanh(input, min_val, max_val)
    )


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input / 6 + 0.5, 0), 1)``."""
    return _activation.hardsigmoid.inplace(input) if inplace else _activation.hardsigmoid(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * hardsigmoid(input)``."""
    return _activation.hardswish.inplace(input) if inplace else _activation.hardswish(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``."""
    return _activation.silu.inplace(input) if inplace else _activation.silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * tanh(softplus(input))``."""
    return _activation.mish.inplace(input) if inplace else _activation.mish(input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where that is positive, else ``alpha * (exp(input) - 1)``."""
    return _activation.elu_(input, alpha) if inplace else _activation.elu(input, alpha)


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """``input`` where that is positive, else times a slope between two bounds, drawn at random in training."""
    return (_rrelu.rrelu_ if inplace else _rrelu.rrelu)(input, lower, upper, training)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The scaled exponential linear unit, whose constants keep mean 0 and variance 1."""
    return _activation.selu_(input) if inplace else _activation.selu(input)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where that is positive, else ``alpha * (exp(input / alpha) - 1)``."""
    return _activation.celu_(input, alpha) if inplace else _activation.celu(input, alpha)


celu_ = _activation.celu_
elu_ = _activation.elu_
leaky_relu_ = _activation.leaky_relu_
relu_ = _activation.relu.inplace
rrelu_ = _rrelu.rrelu_
selu_ = _activation.selu_
threshold_ = _activation.threshold_


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


# Normalisations


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
        raise ValueError(f"batch_norm eps must be {'positive during training' if training else 'non-negative'}, but got {eps}")
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
