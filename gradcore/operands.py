"""From what a user passes to what an operation computes with: tensors and numbers, one device, one dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from gradcore import dtypes
from gradcore.device import device, device_of
from gradcore.errors import DeviceError
from gradcore.runtime import RUNTIME

if TYPE_CHECKING:
    from gradcore.backend import Array
    from gradcore.op import Op
    from gradcore.tensor import Tensor

__all__ = ["Call", "compute_dtype", "is_operand", "is_tensor", "prepare", "refuse_shapes", "wrap"]

_NUMBERS = (bool, int, float, complex)


def is_tensor(x: object) -> bool:
    """Whether ``x`` is a gradcore tensor."""
    return isinstance(x, RUNTIME["Tensor"])


def wrap(raw: Array, where: device) -> Tensor:
    """A new tensor of an array on a device, without history."""
    return RUNTIME["wrap"](raw, where)  # type: ignore[no-any-return]


def is_operand(x: Any) -> bool:
    """Whether ``x`` can stand beside a tensor in an operation."""
    return isinstance(x, (RUNTIME["Tensor"], *_NUMBERS, np.generic)) or device_of(x) is not None


class Call:
    """The operands of one call, ready to compute with."""

    __slots__ = ("cast", "device", "narrow", "operands", "raws", "xp")
    xp: Any
    """The namespace computed with; set when it is."""

    def __init__(self, device: device, operands: tuple[Any, ...], raws: tuple[Any, ...], cast: Any) -> None:
        self.device = device
        self.operands = operands
        self.raws = raws
        # The dtype that some operand was promoted to; ``None`` if none was.
        self.cast = cast
        # Whether it is computed with operands of bfloat16, widened.
        self.narrow = False


def prepare(op: Op, operands: tuple[Any, ...]) -> Call:
    """Coerce the operands of a call, bring them to one device, find the dtype to compute in.

    Raises:
        TypeError: an operand is no tensor, number or array; or none of them is a tensor.
        RuntimeError: they are on two devices, or have two dtypes where the operation does not promote.
    """
    plain = _prepare_plain(op, operands)
    if plain is not None:
        return plain
    given = [_coerce(op, i, x) for i, x in enumerate(operands)]
    tensors = [x for x in given if is_tensor(x)]
    if not tensors:
        _refuse(op, 0, operands[0] if operands else None)
    where = _common_device(op.public_name, tensors)
    for i, x in enumerate(given):
        if is_tensor(x):
            if x._view is not None and op.differentiable:
                RUNTIME["sync"](x)
            if x._device is not where:
                given[i] = RUNTIME["move"](x, where)
    if op.check is not None:
        op.check(given)
    compute = compute_dtype(op, given)
    if compute is None:
        return Call(where, tuple(given), tuple(x._data if is_tensor(x) else x for x in given), None)
    raws = [_raw(op, i, x, where, compute) for i, x in enumerate(given)]
    # A function of numbers alone (the branches of where) still needs arrays.
    if not any(is_tensor(x) and op.takes_part(i) for i, x in enumerate(given)):
        raws = [
            where.xp.asarray(r, dtype=compute) if op.takes_part(i) and isinstance(r, _NUMBERS) else r
            for i, r in enumerate(raws)
        ]
    cast = any(is_tensor(x) and op.takes_part(i) and x.dtype != compute for i, x in enumerate(given))
    return Call(where, tuple(given), tuple(raws), compute if cast else None)


def _prepare_plain(op: Op, operands: tuple[Any, ...]) -> Call | None:
    """The call where all operands are tensors on one device, and nothing is promoted; else ``None``."""
    promotes = op.promote is not None
    if not operands or op.promote == "float" or (promotes and op.promotes is not None):
        return None
    tensor_class = RUNTIME["Tensor"]
    where = operands[0]._device if isinstance(operands[0], tensor_class) else None
    raws: list[Any] = []
    for x in operands:
        if not isinstance(x, tensor_class) or x._device is not where:
            return None
        raw = x._data
        if promotes and raws and raw.dtype is not raws[0].dtype:
            return None
        if x._view is not None and op.differentiable:
            RUNTIME["sync"](x)
        raws.append(raw)
    return Call(where, operands, tuple(raws), None)  # type: ignore[arg-type]  # there is one, since there is an operand


def _coerce(op: Op, i: int, x: Any) -> Any:
    """An operand as a tensor, a Python number or ``None``."""
    if is_tensor(x) or (x is None and (op.variadic or op.operand(i) in op.optional)):
        return x
    if (op.promote == "same" or not op.numbers) and isinstance(x, (*_NUMBERS, np.generic)):
        # A number has no dtype to agree with, or PyTorch takes none.
        return _refuse(op, i, x)
    if type(x) in _NUMBERS:
        return x
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, _NUMBERS):
        return _plain_number(x)
    where = device_of(x)
    return wrap(x, where) if where is not None else _refuse(op, i, x)


def _refuse(op: Op, i: int, x: Any) -> Any:
    raise TypeError(
        f"{op.public_name}(): argument {op.operand(i)!r} (position {i + 1}) must be Tensor, not {type(x).__name__}"
    )


def _common_device(name: str, tensors: Sequence[Any]) -> device:
    """The device on which an operation on ``tensors`` runs; 0-d cpu tensors may stand beside any other."""
    first: device = tensors[0]._device
    if all(t._device is first for t in tensors):
        return first
    places = dict.fromkeys(t._device for t in tensors if t._device.type != "cpu" or t.ndim)
    if len(places) > 1:
        for t in tensors:
            if t._device.level is not None:
                RUNTIME["raise_escaped"](t)  # on one level, tensors of one place have one device
        found = " and ".join(str(p) for p in places)
        raise DeviceError(
            f"Expected all tensors to be on the same device, but {name} got at least two devices, {found}. Move one "
            "of them, with .to(device)"
        )
    return next(iter(places), first)


def compute_dtype(op: Op, operands: Sequence[Any]) -> dtypes.DType | None:
    """The dtype that operands are brought to before the forward function; ``None``: each keeps its own."""
    if op.promote is None:
        return None
    part = [x for i, x in enumerate(operands) if op.takes_part(i) and x is not None]
    tensors = [x for x in part if is_tensor(x)]
    if op.promote == "same":
        found = dict.fromkeys(x.dtype for x in tensors)
        if len(found) > 1:
            names = " and ".join(dtypes.dtype_name(d) for d in found)
            raise RuntimeError(
                f"{op.public_name}: expected all operands to have the same dtype, but got {names}; bring them to one with "
                ".to(dtype)"
            )
        return None
    result = dtypes.promote(
        [x.dtype for x in tensors if x.ndim],
        [x.dtype for x in tensors if not x.ndim],
        [x for x in part if not is_tensor(x)],
    )
    return dtypes.get_default_dtype() if op.promote == "float" and dtypes.category(result) < 2 else result


def _raw(op: Op, i: int, x: Any, where: device, compute: dtypes.DType) -> Any:
    """An operand as the forward function gets it."""
    part = op.takes_part(i)
    if is_tensor(x):
        return where.xp.astype(x._data, compute) if part and x.dtype != compute else x._data
    return as_number(where, x, compute) if part and x is not None else x


def refuse_shapes(name: str, arrays: Sequence[Any], error: ValueError) -> NoReturn:
    """Raise for operands that do not broadcast, which the array library says in its own way; else raise its error.

    Raises:
        RuntimeError: the sizes of two operands differ in a dimension in which neither is 1.
    """
    shapes = [x.shape for x in arrays if hasattr(x, "shape")]
    ndim = max((len(s) for s in shapes), default=0)
    for dim in reversed(range(ndim)):
        seen = 1
        for letter, shape in zip("abcdefgh", shapes, strict=False):
            at = dim - ndim + len(shape)
            size = shape[at] if at >= 0 else 1
            if size != 1 != seen and size != seen:
                raise RuntimeError(
                    f"{name}: The size of tensor a ({seen}) must match the size of tensor {letter} ({size}) at "
                    f"non-singleton dimension {dim}; the shapes are {' and '.join(str(list(s)) for s in shapes)}"
                ) from error
            seen = seen if size == 1 else size
    raise error


def as_number(where: device, value: complex, dtype: dtypes.DType) -> Any:
    """A Python number as it goes into the forward function beside arrays of ``dtype``."""
    kind = dtypes.category(dtype)
    if kind == 2:
        return float(value)  # type: ignore[arg-type]  # promotion has seen that it is real
    if kind == 3:
        return complex(value)
    # Integers wrap, as in PyTorch; NumPy would raise for a number out of range.
    return where.xp.asarray(np.asarray(value).astype(dtype)[()], dtype=dtype)


def _plain_number(x: complex) -> complex:
    """An instance of a subclass of a number type (an IntEnum) as the plain number."""
    for kind in (bool, int, float):
        if isinstance(x, kind):
            return kind(x)
    return complex(x)
