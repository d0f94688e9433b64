"""Functions of neural networks, as ``torch.nn.functional``: activations, losses, layers without parameters.

They live in ``gradcore/ops``; here stand those that have other parameters in ``torch.nn.functional``.
"""

from __future__ import annotations

import warnings
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
from gradcore.ops.cross_entropy import cross_entropy, nll_loss
from gradcore.ops.elementwise import tanh
from gradcore.ops.loss import huber_loss, kl_div, l1_loss, mse_loss, smooth_l1_loss
from gradcore.ops.nn.padding import pad

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "cross_entropy",
    "dropout",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mish",
    "mse_loss",
    "nll_loss",
    "pad",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]


# Activations that can write into their input


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


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Elements made zero with probability ``p``, the others larger to make up for it; see :func:`gradcore.dropout`."""
    return (_dropout.dropout_ if inplace else _dropout.dropout)(input, p, training)


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
