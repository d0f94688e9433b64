"""Layers that map linearly."""

from __future__ import annotations

import math
from typing import Any

from gradcore.nn import functional as F  # noqa: N812 - torch's name for it
from gradcore.nn import init
from gradcore.nn.module import Module
from gradcore.nn.parameter import Parameter
from gradcore.ops.creation import empty
from gradcore.tensor import Tensor

__all__ = ["Identity", "Linear"]


class Identity(Module):
    """Returns its input; takes any arguments, so that it can stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """``x @ weight.T + bias``: ``(*, in_features)`` to ``(*, out_features)``.

    Weight and bias start evenly distributed between ``-1/sqrt(in_features)`` and ``1/sqrt(in_features)``.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty(out_features, in_features, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        # Kaiming's rule with this slope comes to the bound 1/sqrt(in_features).
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
