"""Functions of neural networks, as ``torch.nn.functional``: activations, losses, layers without parameters.

They live in ``gradcore/ops``, and those that have other parameters here than in ``gradcore`` in ``_functional.py``.
"""

from __future__ import annotations

from gradcore.nn._functional import (
    alpha_dropout,
    batch_norm,
    celu,
    celu_,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    elu,
    elu_,
    feature_alpha_dropout,
    group_norm,
    gumbel_softmax,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    instance_norm,
    layer_norm,
    leaky_relu,
    leaky_relu_,
    log_softmax,
    mish,
    relu,
    relu6,
    relu_,
    rrelu,
    rrelu_,
    selu,
    selu_,
    silu,
    softmax,
    softmin,
    threshold,
    threshold_,
)
from gradcore.ops.activation import glu, hardshrink, prelu, softshrink
from gradcore.ops.addmm import linear
from gradcore.ops.binary_cross_entropy import binary_cross_entropy, binary_cross_entropy_with_logits
from gradcore.ops.cross_entropy import cross_entropy, nll_loss
from gradcore.ops.loss import huber_loss, kl_div, l1_loss, mse_loss, smooth_l1_loss
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
from gradcore.ops.nn.attention import scaled_dot_product_attention
from gradcore.ops.nn.average_pooling import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
)
from gradcore.ops.nn.bilinear import bilinear
from gradcore.ops.nn.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_tbc,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from gradcore.ops.nn.ctc_loss import ctc_loss
from gradcore.ops.nn.embedding import embedding, embedding_bag, one_hot
from gradcore.ops.nn.embedding_losses import (
    cosine_embedding_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from gradcore.ops.nn.fractional_pooling import (
    fractional_max_pool2d,
    fractional_max_pool2d_with_indices,
    fractional_max_pool3d,
    fractional_max_pool3d_with_indices,
)
from gradcore.ops.nn.grid_sampling import affine_grid, grid_sample
from gradcore.ops.nn.interpolation import interpolate, upsample, upsample_bilinear, upsample_nearest
from gradcore.ops.nn.likelihood_losses import gaussian_nll_loss, poisson_nll_loss
from gradcore.ops.nn.linear_cross_entropy import linear_cross_entropy
from gradcore.ops.nn.local_response_norm import local_response_norm
from gradcore.ops.nn.margin_losses import (
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from gradcore.ops.nn.max_pooling import (
    max_pool1d,
    max_pool1d_with_indices,
    max_pool2d,
    max_pool2d_with_indices,
    max_pool3d,
    max_pool3d_with_indices,
)
from gradcore.ops.nn.multi_head_attention import multi_head_attention_forward
from gradcore.ops.nn.padding import pad
from gradcore.ops.nn.rms_norm import rms_norm
from gradcore.ops.nn.shuffling import channel_shuffle, pixel_shuffle, pixel_unshuffle
from gradcore.ops.nn.unfolding import (
    fold,
    unfold,
)
from gradcore.ops.nn.unpooling import (
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from gradcore.ops.smooth_activation import gelu, logsigmoid, sigmoid, softplus, softsign, tanhshrink
from gradcore.ops.statistics.distance import cosine_similarity, pairwise_distance, pdist
from gradcore.ops.statistics.scaling import normalize
from gradcore.ops.trigonometry import tanh

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
