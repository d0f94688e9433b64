"""PyTorch's autograd, with PyTorch's semantics, on any array library of the Python Array API standard."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# First, since one of the functions below has the name of this module.
from gradcore.tensor import Tensor  # isort: skip

from gradcore import autograd, namespace, return_types
from gradcore.device import device, get_default_device, set_default_device
from gradcore.dtypes import (
    bool_ as bool,  # noqa: A004 - torch.bool is spelled so
)
from gradcore.dtypes import (
    complex64,
    complex128,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    set_default_dtype,
    uint8,
    uint16,
    uint32,
    uint64,
)
from gradcore.grad_mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from gradcore.ops.activation import *  # noqa: F403 - the operations list their public names themselves
from gradcore.ops.assignment import *  # noqa: F403
from gradcore.ops.arithmetic import *  # noqa: F403
from gradcore.ops.bounds import *  # noqa: F403
from gradcore.ops.cast import *  # noqa: F403
from gradcore.ops.comparison import *  # noqa: F403
from gradcore.ops.complex_numbers import *  # noqa: F403
from gradcore.ops.creation import *  # noqa: F403
from gradcore.ops.cumulative import *  # noqa: F403
from gradcore.ops.dropout import *  # noqa: F403
from gradcore.ops.einsum import *  # noqa: F403
from gradcore.ops.elementwise import *  # noqa: F403
from gradcore.ops.extremum import *  # noqa: F403
from gradcore.ops.gathering import *  # noqa: F403
from gradcore.ops.indexing import *  # noqa: F403
from gradcore.ops.joining import *  # noqa: F403
from gradcore.ops.masking import *  # noqa: F403
from gradcore.ops.matmul import *  # noqa: F403
from gradcore.ops.moments import *  # noqa: F403
from gradcore.ops.norms import *  # noqa: F403
from gradcore.ops.products import *  # noqa: F403
from gradcore.ops.rearranging import *  # noqa: F403
from gradcore.ops.reduction import *  # noqa: F403
from gradcore.ops.shape import *  # noqa: F403
from gradcore.ops.softmax import *  # noqa: F403
from gradcore.ops.sorting import *  # noqa: F403
from gradcore.ops.special import *  # noqa: F403
from gradcore.printing import get_printoptions, printoptions, set_printoptions
from gradcore.random import *  # noqa: F403
from gradcore.size import Size

__version__ = "0.1.0"

double, float, half, long, int, short = float64, float32, float16, int64, int32, int16  # noqa: A001 - torch's aliases
cfloat, cdouble = complex64, complex128

_ON_DEMAND = ("nn", "optim", "utils")

if TYPE_CHECKING:
    from gradcore import nn, optim, utils


def __getattr__(name: str) -> Any:
    # A program that has no need of them does not pay for their import.
    if name in _ON_DEMAND:
        return importlib.import_module(f"gradcore.{name}")
    raise AttributeError(f"module 'gradcore' has no attribute {name!r}")
