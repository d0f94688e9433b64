"""Neural networks: modules, parameters, losses, as ``torch.nn``."""

from __future__ import annotations

from gradcore.nn import functional, init
from gradcore.nn.activation import GELU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from gradcore.nn.container import ModuleList, Sequential
from gradcore.nn.dropout import Dropout
from gradcore.nn.flatten import Flatten
from gradcore.nn.linear import Identity, Linear
from gradcore.nn.loss import CrossEntropyLoss, MSELoss, NLLLoss
from gradcore.nn.module import Module
from gradcore.nn.parameter import Parameter

__all__ = [
    "GELU",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "functional",
    "init",
]
