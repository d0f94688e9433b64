"""What dtypes are: their limits, what they become together, which casts lose nothing of their kind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import is_tensor
from gradcore.ops._numeric import number_or_none

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "can_cast",
    "finfo",
    "iinfo",
    "is_complex",
    "is_floating_point",
    "is_signed",
    "promote_types",
    "result_type",
]


@dataclass(frozen=True)
class FloatInfo:
    """The limits of a floating-point dtype."""

    resolution: float
    """The decimal digits that it has: ``10**-digits``."""
    min: float
    max: float
    eps: float
    """The step from 1 to the next larger number."""
    smallest_normal: float
    tiny: float
    """The same as ``smallest_normal``."""
    bits: int
    dtype: str


@dataclass(frozen=True)
class IntegerInfo:
    """The limits of an integer dtype."""

    min: int
    max: int
    bits: int
    dtype: str


def finfo(dtype: Any = None) -> FloatInfo:
    """The limits of a floating-point dtype, or of the parts of a complex one; of the default dtype when not given.

    Raises:
        TypeError: ``dtype`` is one of integers, or none.
    """
    kind = dtypes.get_default_dtype() if dtype is None else _dtype("finfo", "type", 1, dtype)
    if dtypes.category(kind) < 2:
        raise TypeError(
            f"gradcore.finfo() requires a floating point input type, but got {dtypes.dtype_name(kind)}. Use gradcore.iinfo"
        )
    kind = dtypes.real_of(kind)
    if kind.name == "bfloat16":  # 8 bits of significand, the exponents of float32
        largest, eps, smallest = float.fromhex("0x1.fep127"), 2.0**-7, 2.0**-126
    else:
        known = np.finfo(kind)
        largest, eps, smallest = float(known.max), float(known.eps), float(known.smallest_normal)
    resolution = 10.0 ** math.ceil(math.log10(eps))
    return FloatInfo(resolution, -largest, largest, eps, smallest, smallest, 8 * kind.itemsize, kind.name)


def iinfo(dtype: Any) -> IntegerInfo:
    """The limits of an integer dtype.

    Raises:
        TypeError: ``dtype`` is another.
    """
    kind = _dtype("iinfo", "type", 1, dtype)
    if kind.kind not in "iu":
        raise TypeError(
            f"gradcore.iinfo() requires an integer input type, but got {dtypes.dtype_name(kind)}. Use gradcore.finfo"
        )
    known = np.iinfo(kind)
    return IntegerInfo(int(known.min), int(known.max), known.bits, kind.name)


def promote_types(type1: Any, type2: Any) -> dtypes.DType:
    """The smallest dtype that both can be cast to; see :func:`result_type`.

    Raises:
        RuntimeError: an unsigned dtype wider than 8 bits, and another of integers.
        TypeError: one is no dtype.
    """
    return dtypes.promote_types(_dtype("promote_types", "type1", 1, type1), _dtype("promote_types", "type2", 2, type2))


def result_type(tensor1: Any, tensor2: Any) -> dtypes.DType:
    """The dtype of the result of arithmetic with two tensors or numbers.

    Raises:
        TypeError: one is neither a tensor nor a number.
    """
    given = (tensor1, tensor2)
    numbers = [number_or_none(x) for x in given]
    for i, (x, n) in enumerate(zip(given, numbers, strict=True)):
        if n is None and not is_tensor(x):
            raise TypeError(
                f"result_type(): argument 'tensor{i + 1}' (position {i + 1}) must be Tensor, not {type(x).__name__}"
            )
    tensors = [x for x in given if is_tensor(x)]
    return dtypes.promote(
        [x.dtype for x in tensors if x.ndim],
        [x.dtype for x in tensors if not x.ndim],
        [n for n in numbers if n is not None],
    )


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a result of one dtype may be written into a tensor of another: the kind must not become a lower one.

    Raises:
        TypeError: one is no dtype.
    """
    return dtypes.can_cast(_dtype("can_cast", "from_", 1, from_), _dtype("can_cast", "to", 2, to))


def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex numbers."""
    return _tensor("is_complex", input).is_complex()  # type: ignore[no-any-return]


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are real floating-point numbers."""
    return _tensor("is_floating_point", input).is_floating_point()  # type: ignore[no-any-return]


def is_signed(input: Tensor) -> bool:
    """Whether the elements can be negative."""
    return _tensor("is_signed", input).is_signed()  # type: ignore[no-any-return]


def type_of(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the type, such as ``"torch.FloatTensor"``; with a dtype, or such a name, the values in that.

    Raises:
        ValueError: no type has that name.
    """
    if dtype is None:
        where = "" if self.device.type == "cpu" else f"{self.device.type}."
        return f"torch.{where}{dtypes.scalar_type_name(self.dtype)}Tensor"
    if isinstance(dtype, str):
        head, _, name = dtype.rpartition(".")
        found = {f"{dtypes.scalar_type_name(d)}Tensor": d for d in dtypes.ALL}.get(name)
        place = head.removeprefix("torch").removeprefix(".") or "cpu"
        if name == "BFloat16Tensor":
            found = dtypes.bfloat16()
        if found is None or not head.startswith("torch"):
            raise ValueError(f"invalid type: {dtype!r}")
        return self.to(place, found)
    return self.to(dtypes.normalize(dtype))


def _dtype(function: str, argument: str, position: int, given: Any) -> dtypes.DType:
    if isinstance(given, str) or is_tensor(given):
        raise TypeError(
            f"{function}(): argument '{argument}' (position {position}) must be gradcore.dtype, not {type(given).__name__}"
        )
    return dtypes.normalize(given)


def _tensor(function: str, given: Any) -> Any:
    if not is_tensor(given):
        raise TypeError(f"{function}(): argument 'input' (position 1) must be Tensor, not {type(given).__name__}")
    return given
