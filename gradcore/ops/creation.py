"""Making tensors: from data, filled, in ranges. ``gradcore/random.py`` makes random ones."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.device import device_of, get_default_device, resolve
from gradcore.grad_mode import current_mode, enter_mode, leave_mode
from gradcore.graph import NO_VERSIONS
from gradcore.op import is_tensor, wrap
from gradcore.ops._dims import as_integer

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "scalar_tensor",
    "tensor",
    "zeros",
    "zeros_like",
]


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new leaf tensor with a copy of ``data``.

    Args:
        data: numbers in nested sequences, a NumPy or CuPy array, a tensor (copied without its history, with a warning).
        dtype: inferred when not given: Python floats get the default dtype, ints int64, arrays keep theirs.
        device: the default device when not given; that of ``data``, where it is a tensor or a device's array.
        requires_grad: record operations on the result.

    Raises:
        RuntimeError: ``requires_grad`` for a dtype that is neither floating point nor complex.
        TypeError: data that is no number.
        ValueError: sequences of unequal length.
    """
    if is_tensor(data):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than gradcore.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        made = data.detach().to(*([device] if device is not None else []), dtype=dtype, copy=True)
    else:
        made = _from_data(data, dtype, device, copy=True)
    return _leaf(made, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """``data`` as a tensor: a tensor with its history, an array sharing memory, numbers copied.

    A copy is made only where dtype or device ask for it.
    """
    if is_tensor(data):
        return data.to(*([device] if device is not None else []), dtype=dtype)  # type: ignore[no-any-return]
    return _from_data(data, dtype, device, copy=False)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A cpu tensor that shares memory with a NumPy array.

    Raises:
        TypeError: not a NumPy array, or one of a dtype that tensors do not have.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    dtypes.check_array_dtype(array.dtype)
    cpu = resolve("cpu")
    return _leaf(wrap(array if type(array) is np.ndarray else np.asarray(array), cpu), False)


def scalar_tensor(value: complex, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A 0-d tensor of one number, of the default dtype."""
    dtype = dtypes.get_default_dtype() if dtype is None else dtype
    return tensor(value, dtype=dtype, device=device, requires_grad=requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of a given size: ``ones(2, 3)`` or ``ones((2, 3))``."""
    where = get_default_device() if device is None else resolve(device)
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.normalize(dtype)
    return _leaf(wrap(where.xp.ones(_size(size), dtype=kind), where), requires_grad)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of a given size: ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    where = get_default_device() if device is None else resolve(device)
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.normalize(dtype)
    return _leaf(wrap(where.xp.zeros(_size(size), dtype=kind), where), requires_grad)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Memory of a given size, with whatever it held."""
    where = get_default_device() if device is None else resolve(device)
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.normalize(dtype)
    return _leaf(wrap(where.xp.empty(_size(size), dtype=kind), where), requires_grad)


def full(
    size: Sequence[int], fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of one value; its dtype is that of the value when not given."""
    if is_tensor(fill_value):
        fill_value = fill_value.item()
    where = get_default_device() if device is None else resolve(device)
    kind = dtypes.scalar_dtype(_plain(fill_value)) if dtype is None else dtypes.normalize(dtype)
    return _leaf(wrap(where.xp.full(_size((size,)), _cast_scalar(fill_value, kind), dtype=kind), where), requires_grad)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The numbers from ``start`` (0 when only one is given) up to, not including, ``end``, in steps.

    int64 if all three are integers, else the default dtype.

    Raises:
        RuntimeError: a step of 0, or one that leads away from ``end``, or an end that is not finite.
    """
    if end is None:
        start, end = 0, start
    start, end, step = (_plain(x) for x in (start, end, step))
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not all(abs(x) < math.inf for x in (start, end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (step > 0 and start > end) or (step < 0 and start < end):
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: start {start}, end {end}, step {step}"
        )
    whole = all(isinstance(x, int) for x in (start, end, step))
    kind = dtypes.normalize(dtype) if dtype is not None else dtypes.int64 if whole else dtypes.get_default_dtype()
    where = get_default_device() if device is None else resolve(device)
    return _leaf(wrap(where.xp.arange(start, end, step, dtype=kind), where), requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``steps`` numbers evenly spaced from ``start`` to ``end``, both included."""
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, but got {steps}")
    start, end = (_plain(x) for x in (start, end))
    where = get_default_device() if device is None else resolve(device)
    if dtype is None:
        complex_ = isinstance(start, complex) or isinstance(end, complex)
        kind = dtypes.default_complex() if complex_ else dtypes.get_default_dtype()
    else:
        kind = dtypes.normalize(dtype)
    if dtypes.category(kind) < 2:
        raw = where.xp.astype(where.xp.linspace(start, end, steps, dtype=dtypes.float64), kind)
    else:
        raw = where.xp.linspace(start, end, steps, dtype=kind)
    return _leaf(wrap(raw, where), requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of an ``n`` × ``m`` matrix (``m`` = ``n`` when not given), zeros elsewhere."""
    n, m = as_integer(n, "n"), None if m is None else as_integer(m, "m")
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"n and m must be greater or equal to 0, got {n} and {m}")
    where = get_default_device() if device is None else resolve(device)
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.normalize(dtype)
    return _leaf(wrap(where.xp.eye(n, n if m is None else m, dtype=kind), where), requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the size, dtype and device of ``input``."""
    dtype, device = _as_in(input, dtype, device)
    return _beside(input, input.shape, lambda size: ones(size, dtype=dtype, device=device), requires_grad)


def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the size, dtype and device of ``input``."""
    dtype, device = _as_in(input, dtype, device)
    return _beside(input, input.shape, lambda size: zeros(size, dtype=dtype, device=device), requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Memory of the size, dtype and device of ``input``, with whatever it held."""
    dtype, device = _as_in(input, dtype, device)
    return _beside(input, input.shape, lambda size: empty(size, dtype=dtype, device=device), requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One value in the size, dtype and device of ``input``."""
    dtype, device = _as_in(input, dtype, device)
    value = _plain(fill_value)
    return _beside(input, input.shape, lambda size: full(size, value, dtype=dtype, device=device), requires_grad)


# Methods of Tensor.


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A leaf that holds a copy of ``data``, in the dtype and on the device of this tensor; see :func:`tensor`."""
    dtype, device = _as_in(self, dtype, device)
    return tensor(data, dtype=dtype, device=device, requires_grad=requires_grad)


def new_ones(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of a given size, in the dtype and on the device of this tensor."""
    dtype, device = _as_in(self, dtype, device)
    return _beside(self, _size(size), lambda size: ones(size, dtype=dtype, device=device), requires_grad)


def new_zeros(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of a given size, in the dtype and on the device of this tensor."""
    dtype, device = _as_in(self, dtype, device)
    return _beside(self, _size(size), lambda size: zeros(size, dtype=dtype, device=device), requires_grad)


def new_empty(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Memory of a given size, in the dtype and on the device of this tensor, with whatever it held."""
    dtype, device = _as_in(self, dtype, device)
    return _beside(self, _size(size), lambda size: empty(size, dtype=dtype, device=device), requires_grad)


def new_full(
    self: Tensor,
    size: Sequence[int],
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value in a given size, in the dtype and on the device of this tensor."""
    dtype, device = _as_in(self, dtype, device)
    value = _plain(fill_value)
    return _beside(self, _size((size,)), lambda size: full(size, value, dtype=dtype, device=device), requires_grad)


def _as_in(input: Tensor, dtype: Any, device: Any) -> tuple[Any, Any]:
    if not is_tensor(input):
        raise TypeError(f"argument 'input' must be Tensor, not {type(input).__name__}")
    return input.dtype if dtype is None else dtype, input.device if device is None else device


def _beside(
    input: Tensor, size: tuple[int, ...], make: Callable[[tuple[int, ...]], Tensor], requires_grad: bool
) -> Tensor:
    """What ``make`` gives for a size. Where ``input`` is a batch, it is one too: each element can be written to on its own."""
    level = input._device.level
    if level is None:
        return _leaf(make(size), requires_grad)
    token = enter_mode(current_mode()._replace(level=None))
    try:
        made = level.like(input, make, tuple(size))
    finally:
        leave_mode(token)
    return _leaf(made, requires_grad)


def _leaf(made: Tensor, requires_grad: bool) -> Tensor:
    mode = current_mode()
    if mode.level is not None:
        made = mode.level.own(made)
    if mode.inference:
        made._cell = NO_VERSIONS
    if requires_grad:
        if dtypes.category(made.dtype) < 2:
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients, but the dtype is "
                f"{dtypes.dtype_name(made.dtype)}; give dtype=gradcore.float32, or floats as data"
            )
        made._req = True
    return made


def _size(size: tuple[Any, ...]) -> tuple[int, ...]:
    """The sizes of a factory call, as several numbers or as one sequence."""
    if len(size) == 1 and type(size[0]) is int and size[0] >= 0:
        return size
    if len(size) == 1 and isinstance(size[0], (bool, str, bytes, dict, set)):
        raise TypeError(f"argument 'size' must be tuple of ints, not {type(size[0]).__name__}: {size[0]!r}")
    if len(size) == 1 and not isinstance(size[0], int):
        # A sequence; or a tensor or NumPy integer, which is one size.
        ndim: int = getattr(size[0], "ndim", 1)
        size = tuple(size[0]) if hasattr(size[0], "__iter__") and ndim else size
    for n in size:
        if not isinstance(n, int):
            try:
                n = n.__index__()
            except AttributeError:
                raise TypeError(f"sizes must be integers, but got {type(n).__name__}: {n!r}") from None
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(size)}")
    return tuple([n if type(n) is int else n.__index__() for n in size])


def _from_data(data: Any, dtype: Any, device: Any, copy: bool) -> Tensor:
    """A tensor of numbers or of a raw array."""
    kind = None if dtype is None else dtypes.normalize(dtype)
    source = device_of(data)
    if source is not None:
        where = source if device is None and source.type != "cpu" else resolve(device)
        array = wrap(data, source)
        made = array.to(where, dtype=kind) if kind is not None else array.to(where)
        return made.clone() if copy and made._data is data else made
    where = get_default_device() if device is None else resolve(device)
    host = _from_numbers(data, kind)
    return wrap(where.backend.from_numpy(host, where.index or 0), where)


def _from_numbers(data: Any, dtype: dtypes.DType | None) -> np.ndarray[Any, Any]:
    """A NumPy array of nested sequences of numbers (or of tensors and NumPy values), with PyTorch's dtype."""
    plain, arrays = _unpack(data)
    try:
        host = np.array(plain)
    except (ValueError, TypeError) as e:
        _refuse_ragged(plain, _lengths(plain), 0)
        raise ValueError(f"expected nested sequences of numbers, of equal length at each level: {e}") from None
    if host.dtype.kind not in "biufc" and host.dtype.name != "bfloat16":
        if host.dtype.kind in "US":
            first = data
            while isinstance(first, (list, tuple)) and first:
                first = first[0]
            if first is not data and isinstance(first, str):
                raise ValueError(f"too many dimensions 'str': expected nested sequences of numbers, but got {data!r}")
            raise TypeError(f"new(): invalid data type 'str' (data {data!r})")
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}: {data!r}")
    if dtype is None:
        dtype = host.dtype
        if not arrays:
            # Python numbers: floats have the default dtype, whatever NumPy makes of them.
            dtype = {
                "f": dtypes.get_default_dtype(),
                "c": dtypes.default_complex() if host.dtype.kind == "c" else None,
                "i": dtypes.int64,
                "u": dtypes.int64,
                "b": dtypes.bool_,
            }[host.dtype.kind]
            if host.size == 0:
                dtype = dtypes.get_default_dtype()
    return host.astype(dtype)


def _lengths(data: Any) -> list[int]:
    """The lengths of nested sequences, as the first element of each has them."""
    lengths = []
    while isinstance(data, list):
        lengths.append(len(data))
        data = data[0] if data else None
    return lengths


def _refuse_ragged(data: Any, lengths: Sequence[int], dim: int) -> None:
    """Raise for the first place at which nested sequences are not as deep and as long as the first of them."""
    if dim == len(lengths):
        if isinstance(data, list):
            raise TypeError(
                f"must be real number, not list: {dim} levels of sequences were expected, as at the beginning"
            )
    elif not isinstance(data, list):
        raise TypeError(f"not a sequence: expected sequence of length {lengths[dim]} at dim {dim}, but got {data!r}")
    elif len(data) != lengths[dim]:
        raise ValueError(
            f"expected sequence of length {lengths[dim]} at dim {dim} (got {len(data)}): nested sequences must be of equal "
            "length at each level"
        )
    else:
        for x in data:
            _refuse_ragged(x, lengths, dim + 1)


def _unpack(data: Any) -> tuple[Any, bool]:
    """Nested sequences with tensors as numbers; and whether NumPy values, which keep their dtype, are among them."""
    if is_tensor(data):
        return data.detach().cpu().numpy(), True
    if isinstance(data, (list, tuple, range)):
        parts = [_unpack(x) for x in data]
        return [p for p, _ in parts], any(a for _, a in parts)
    return data, isinstance(data, (np.generic, np.ndarray))


def _plain(value: Any) -> Any:
    """A Python number of a 0-d tensor or a NumPy scalar."""
    if is_tensor(value) or isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(f"expected a number, but got {type(value).__name__}: {value!r}")
    return value


def _cast_scalar(value: Any, dtype: dtypes.DType) -> Any:
    """A number as a value of ``dtype``; integers wrap and floats are cut, as in PyTorch."""
    value = _plain(value)
    return np.asarray(value).astype(dtype)[()].item() if dtypes.category(dtype) < 2 else value
