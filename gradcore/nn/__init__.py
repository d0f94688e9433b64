"""Neural networks: modules, parameters, losses, as ``torch.nn``."""

from __future__ import annotations

from gradcore.nn import functional, init
from gradcore.nn.activation import GELU, LogSoftmax, ReLU, RReLU, Sigmoid, Softmax, Softmin, Tanh
from gradcore.nn.attention import MultiheadAttention
from gradcore.nn.container import ModuleList, Sequential
from gradcore.nn.dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout
from gradcore.nn.flatten import Flatten
from gradcore.nn.linear import Identity, Linear
from gradcore.nn.loss import CrossEntropyLoss, MSELoss, NLLLoss
from gradcore.nn.module import Module
from gradcore.nn.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    LocalResponseNorm,
    RMSNorm,
)
from gradcore.nn.parameter import Parameter

__all__ = [
    "GELU",
    "AlphaDropout",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
    "Flatten",
    "GroupNorm",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "Linear",
    "LocalResponseNorm",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleList",
    "MultiheadAttention",
    "NLLLoss",
    "Parameter",
    "RMSNorm",
    "RReLU",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Tanh",
    "functional",
    "init",
]
