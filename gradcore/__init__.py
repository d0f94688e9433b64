"""PyTorch's autograd, with PyTorch's semantics, on any array library of the Python Array API standard."""

from __future__ import annotations

from gradcore import autograd, namespace
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
from gradcore.ops.cast import *  # noqa: F403 - the operations list their public names themselves
from gradcore.ops.creation import *  # noqa: F403
from gradcore.ops.elementwise import *  # noqa: F403
from gradcore.printing import get_printoptions, printoptions, set_printoptions
from gradcore.random import *  # noqa: F403
from gradcore.size import Size
from gradcore.tensor import Tensor

__version__ = "0.1.0"

double, float, half, long, int, short = float64, float32, float16, int64, int32, int16  # noqa: A001 - torch's aliases
cfloat, cdouble = complex64, complex128
