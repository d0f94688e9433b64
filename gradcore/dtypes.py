"""dtypes and PyTorch's type promotion.

dtypes are NumPy dtype objects, on every device: array-API consumers and CuPy take them as they are.
The rules of promotion are PyTorch's, not NumPy's: operands count in three ranks (tensors with dimensions, 0-d tensors,
Python scalars), and a lower rank matters only when its *kind* (bool < int < float < complex) is higher.
See https://pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

__all__ = [
    "ALL",
    "DType",
    "bfloat16",
    "can_cast",
    "category",
    "check_array_dtype",
    "complex_of",
    "default_complex",
    "dtype_name",
    "get_default_dtype",
    "narrow",
    "normalize",
    "on_first_bfloat16",
    "promote",
    "promote_types",
    "real_of",
    "scalar_dtype",
    "scalar_type_name",
    "set_default_dtype",
]

DType = np.dtype[Any]

bool_ = np.dtype(np.bool_)
uint8, uint16, uint32, uint64 = (np.dtype(f"uint{n}") for n in (8, 16, 32, 64))
int8, int16, int32, int64 = (np.dtype(f"int{n}") for n in (8, 16, 32, 64))
float16, float32, float64 = (np.dtype(f"float{n}") for n in (16, 32, 64))
complex64, complex128 = np.dtype("complex64"), np.dtype("complex128")

_default: DType = float32
_narrow: DType | None = None
_preparing: list[Callable[[], None]] = []

_COMPLEX_OF: dict[DType, DType] = {float16: complex64, float32: complex64, float64: complex128}
_REAL_OF: dict[DType, DType] = {complex64: float32, complex128: float64}
_OF_TENSORS = frozenset(
    (bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, float32, float64, complex64, complex128)
)
ALL = tuple(sorted(_OF_TENSORS, key=str))
"""The dtypes of tensors that NumPy has itself."""

_CLASSES = frozenset(d.__class__ for d in _OF_TENSORS)
_NAMES = frozenset({"bfloat16", *(d.name for d in _OF_TENSORS)})
_WIDE_UNSIGNED = frozenset((uint16, uint32, uint64))
_KINDS = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
# What PyTorch calls each dtype in its messages.
_SCALAR_TYPES = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64", "float16": "Half", "bfloat16": "BFloat16",
    "float32": "Float", "float64": "Double", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip


def category(dtype: DType) -> int:
    """The kind of a dtype: 0 bool, 1 integer, 2 floating point, 3 complex."""
    # NumPy gives the dtypes of ml_dtypes (bfloat16) the kind "V".
    return _KINDS.get(dtype.kind, 2)


def check_array_dtype(dtype: DType) -> None:
    """Raise for the dtype of an array that no tensor can have: text, objects, dates, records, extended precision.

    Raises:
        TypeError: it is such a dtype.
    """
    # By name in another byte order, and bfloat16, which is not NumPy's own.
    if dtype in _OF_TENSORS:
        return
    if dtype.name == "bfloat16":
        _meet(dtype)
    elif dtype.name not in _NAMES:
        raise TypeError(
            f"can't convert np.ndarray of type {dtype}. The only supported types are: float64, float32, float16, "
            "bfloat16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
        )


def dtype_name(dtype: DType) -> str:
    """``gradcore.float32``, as the dtype is printed."""
    return f"gradcore.{dtype.name}"


def scalar_type_name(dtype: DType) -> str:
    """``Float``, ``Long`` ...: the name that PyTorch's messages use."""
    return _SCALAR_TYPES.get(dtype.name, dtype.name)


def bfloat16() -> DType:
    """The bfloat16 dtype of ml_dtypes.

    Raises:
        ImportError: ml_dtypes is not installed.
    """
    try:
        import ml_dtypes
    except ImportError as e:
        raise ImportError(
            "bfloat16 needs the package ml_dtypes, which is not installed. To install it: "
            'pip install "gradcore[bfloat16]"'
        ) from e
    found: DType = np.dtype(ml_dtypes.bfloat16)
    _meet(found)
    return found


def narrow() -> DType | None:
    """The bfloat16 dtype, if the program has used it."""
    return _narrow


def on_first_bfloat16(prepare: Callable[[], None]) -> None:
    """Have ``prepare`` called when the program first uses bfloat16."""
    _preparing.append(prepare)


def _meet(dtype: DType) -> None:
    global _narrow
    if _narrow is None:
        _narrow = dtype
        for prepare in _preparing:
            prepare()


def normalize(dtype: Any) -> DType:
    """The dtype object for what a user may write: ``gradcore.float32``, ``np.float32``, ``float``, ``"float32"``."""
    if dtype.__class__ in _CLASSES:
        return dtype
    try:
        # NumPy takes None for float64, and an array for its dtype.
        is_dtype = isinstance(dtype, (type, np.dtype)) or (dtype is not None and not hasattr(dtype, "ndim"))
        found: DType = np.dtype(dtype if is_dtype else "no dtype")
        check_array_dtype(found)
    except TypeError:
        raise TypeError(f"dtype must be a dtype such as gradcore.float32, but got {dtype!r}") from None
    return found


def get_default_dtype() -> DType:
    """The floating-point dtype given to Python floats, and to factories without ``dtype``; float32 at first."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype given to Python floats; its complex counterpart is given to Python complex numbers.

    Raises:
        TypeError: ``dtype`` is not a floating-point dtype.
    """
    global _default
    given = normalize(dtype)
    if given.kind != "f" and given.name != "bfloat16":
        raise TypeError(f"only floating-point types are supported as the default type, but got {dtype_name(given)}")
    _default = given


def default_complex() -> DType:
    """The complex dtype whose parts have the default dtype."""
    return complex_of(_default)


def complex_of(dtype: DType) -> DType:
    """The complex dtype with parts of ``dtype``; float16 gives complex64, since NumPy has no complex32."""
    if dtype.kind == "c":
        return dtype
    found = _COMPLEX_OF.get(dtype)
    if found is None:
        raise RuntimeError(f"invalid default scalar type for complex: {dtype_name(dtype)} has no complex counterpart")
    return found


def real_of(dtype: DType) -> DType:
    """The dtype of the parts of a complex dtype; a real dtype is returned as it is."""
    return _REAL_OF.get(dtype, dtype)


def scalar_dtype(value: complex) -> DType:
    """The dtype that a Python scalar has on its own."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    return _default if isinstance(value, float) else default_complex()


def promote_types(a: DType, b: DType) -> DType:
    """The smallest dtype to which two dtypes of equal rank are promoted.

    NumPy's table, except that an integer meeting a float takes the float's dtype, whatever the sizes.

    Raises:
        RuntimeError: an unsigned dtype wider than 8 bits, and another that is not floating point.
    """
    if a is b or a == b:
        return a
    ka, kb = category(a), category(b)
    if 2 not in (ka, kb) and (a in _WIDE_UNSIGNED or b in _WIDE_UNSIGNED):
        raise RuntimeError(
            "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{scalar_type_name(a)} and {scalar_type_name(b)}; cast one of them first, with .to(dtype)"
        )
    if ka < 2 <= kb:
        return b
    if kb < 2 <= ka:
        return a
    if ka == kb == 2 and (a.name == "bfloat16" or b.name == "bfloat16"):
        # float16 with bfloat16 fit only into float32 together.
        other = b if a.name == "bfloat16" else a
        return float32 if other == float16 else other if other.kind == "f" else a
    if ka != kb and 3 in (ka, kb):
        z, x = (a, b) if ka == 3 else (b, a)
        return complex128 if x == float64 else z
    return np.promote_types(a, b)


def promote(dimensioned: Iterable[DType], zero_dim: Iterable[DType], scalars: Iterable[complex]) -> DType:
    """PyTorch's result type of operands in its three ranks."""
    result: DType | None = None
    for rank in (dimensioned, zero_dim, (scalar_dtype(s) for s in scalars)):
        here: DType | None = None
        for dtype in rank:
            here = dtype if here is None else promote_types(here, dtype)
        if here is None:
            continue
        if result is None:
            result = here
        elif category(here) > category(result):
            # A complex number of lower rank keeps the precision of the floats above it.
            keeps_precision = category(here) == 3 and category(result) == 2
            result = complex_of(result) if keeps_precision else here
    assert result is not None, "promotion of nothing"
    return result


def can_cast(source: DType, target: DType) -> bool:
    """Whether an in-place result of ``source`` may be written into ``target``: the kind must not fall."""
    return category(source) <= category(target)
