"""PyTorch's autograd, with PyTorch's semantics, on any array library of the Python Array API standard."""

from __future__ import annotations

import importlib
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import TYPE_CHECKING, Any

# First, since one of the functions below has the name of this module.
from gradcore.tensor import Tensor as Tensor  # isort: skip

from gradcore import autograd as autograd
from gradcore import cuda as cuda
from gradcore import namespace as namespace
from gradcore import return_types as return_types
from gradcore.autograd.anomaly_mode import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled
from gradcore.autograd.anomaly_mode import is_anomaly_enabled as is_anomaly_enabled
from gradcore.autograd.grad_mode import is_inference as is_inference
from gradcore.debugging import debug as debug
from gradcore.device import device as device
from gradcore.device import get_default_device as get_default_device
from gradcore.device import set_default_device as set_default_device
from gradcore.dtypes import bool_ as bool  # noqa: F401
from gradcore.dtypes import complex64 as complex64
from gradcore.dtypes import complex128 as complex128
from gradcore.dtypes import float16 as float16
from gradcore.dtypes import float32 as float32
from gradcore.dtypes import float64 as float64
from gradcore.dtypes import get_default_dtype as get_default_dtype
from gradcore.dtypes import int8 as int8
from gradcore.dtypes import int16 as int16
from gradcore.dtypes import int32 as int32
from gradcore.dtypes import int64 as int64
from gradcore.dtypes import set_default_dtype as set_default_dtype
from gradcore.dtypes import uint8 as uint8
from gradcore.dtypes import uint16 as uint16
from gradcore.dtypes import uint32 as uint32
from gradcore.dtypes import uint64 as uint64
from gradcore.grad_mode import enable_grad as enable_grad
from gradcore.grad_mode import inference_mode as inference_mode
from gradcore.grad_mode import is_grad_enabled as is_grad_enabled
from gradcore.grad_mode import is_inference_mode_enabled as is_inference_mode_enabled
from gradcore.grad_mode import no_grad as no_grad
from gradcore.grad_mode import set_grad_enabled as set_grad_enabled
from gradcore.names import LAZY as _LAZY
from gradcore.op import is_tensor as is_tensor
from gradcore.ops.activation import *  # noqa: F403 - the operations list their public names themselves
from gradcore.ops.addmm import *  # noqa: F403
from gradcore.ops.arithmetic import *  # noqa: F403
from gradcore.ops.assignment import *  # noqa: F403
from gradcore.ops.bounds import *  # noqa: F403
from gradcore.ops.broadcasting import *  # noqa: F403
from gradcore.ops.cast import *  # noqa: F403
from gradcore.ops.comparison import *  # noqa: F403
from gradcore.ops.complex_numbers import *  # noqa: F403
from gradcore.ops.creation import *  # noqa: F403
from gradcore.ops.cumulative import *  # noqa: F403
from gradcore.ops.diagonals import *  # noqa: F403
from gradcore.ops.division import *  # noqa: F403
from gradcore.ops.dropout import *  # noqa: F403
from gradcore.ops.einsum import *  # noqa: F403
from gradcore.ops.elementwise import *  # noqa: F403
from gradcore.ops.extremum import *  # noqa: F403
from gradcore.ops.gathering import *  # noqa: F403
from gradcore.ops.indexing import *  # noqa: F403
from gradcore.ops.joining import *  # noqa: F403
from gradcore.ops.masking import *  # noqa: F403
from gradcore.ops.matmul import *  # noqa: F403
from gradcore.ops.matrix_chain import *  # noqa: F403
from gradcore.ops.moments import *  # noqa: F403
from gradcore.ops.norms import *  # noqa: F403
from gradcore.ops.numpy_indexing import *  # noqa: F403
from gradcore.ops.powers import *  # noqa: F403
from gradcore.ops.products import *  # noqa: F403
from gradcore.ops.rearranging import *  # noqa: F403
from gradcore.ops.reduction import *  # noqa: F403
from gradcore.ops.scatter_reduce import *  # noqa: F403
from gradcore.ops.selecting import *  # noqa: F403
from gradcore.ops.shape import *  # noqa: F403
from gradcore.ops.slicing import *  # noqa: F403
from gradcore.ops.smooth_activation import *  # noqa: F403
from gradcore.ops.softmax import *  # noqa: F403
from gradcore.ops.sorting import *  # noqa: F403
from gradcore.ops.special.error_functions import *  # noqa: F403
from gradcore.ops.squeezing import *  # noqa: F403
from gradcore.ops.taking import *  # noqa: F403
from gradcore.ops.transposing import *  # noqa: F403
from gradcore.ops.trigonometry import *  # noqa: F403
from gradcore.printing import get_printoptions as get_printoptions
from gradcore.printing import printoptions as printoptions
from gradcore.printing import set_printoptions as set_printoptions
from gradcore.random import *  # noqa: F403
from gradcore.size import Size as Size

__version__ = "0.1.0"

newaxis = None
double, float, half, long, int, short = float64, float32, float16, int64, int32, int16
cfloat, cdouble = complex64, complex128

_ON_DEMAND = ("fft", "func", "linalg", "masked", "nn", "optim", "signal", "special", "utils")

if TYPE_CHECKING:
    from gradcore import fft as fft
    from gradcore import func as func
    from gradcore import linalg as linalg
    from gradcore import masked as masked
    from gradcore import nn as nn
    from gradcore import optim as optim
    from gradcore import signal as signal
    from gradcore import special as special
    from gradcore import utils as utils
    from gradcore.explanation import explain as explain


def __getattr__(name: str) -> Any:
    # A program that has no need of them does not pay for their import.
    if name in _ON_DEMAND:
        return importlib.import_module(f"gradcore.{name}")
    if name == "explain":
        return importlib.import_module("gradcore.explanation").explain
    if name == "bfloat16":
        from gradcore import dtypes

        return dtypes.bfloat16()
    if name in _LAZY:
        found = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
        return found
    raise AttributeError(f"module 'gradcore' has no attribute {name!r}")
