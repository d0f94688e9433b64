"""Other dtypes, other devices, copies."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import diagnosis, dtypes
from gradcore.device import device, resolve
from gradcore.grad_mode import current_mode
from gradcore.graph import NO_VERSIONS, Node, new_node
from gradcore.op import RUNTIME, bind, is_tensor, op, standard, wrap
from gradcore.testing.samples import Make, Sample, reals

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

Device = device  # the class, where a parameter is called ``device``

__all__ = ["clone", "to"]


def _casts(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape), dtype=np.dtype(np.complex128))


@op(node="ToCopyBackward0", linear=True, elementwise=True, samples=_casts)
def to_dtype(xp: Any, input: Any, /, *, dtype: Any) -> Any:
    """The values of ``input`` in another dtype."""
    return _cast(xp, input, dtype)


@to_dtype.vjp("input")
def to_dtype_vjp(xp: Any, g: Any) -> Any:
    return g  # the engine casts it back


def _exact_casts(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3), dtype=np.dtype(np.int64))
    yield Sample(make(), dtype=np.dtype(np.bool_))


@op(node="ToCopyBackward0", differentiable=False, elementwise=True, samples=_exact_casts)
def to_dtype_exact(xp: Any, input: Any, /, *, dtype: Any) -> Any:
    """The values of ``input`` in a dtype that has no gradients (integers, bool)."""
    return _cast(xp, input, dtype)


@op(node="CloneBackward0", linear=True, elementwise=True, samples=reals)
def clone(xp: Any, input: Any, /) -> Any:
    """A copy of ``input`` in memory of its own; the gradient passes through."""
    return xp.copy_like(input, input)


@clone.vjp("input")
def clone_vjp(xp: Any, g: Any) -> Any:
    return g


@standard("astype")
def astype(x: Tensor, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """The values of ``x`` in another dtype; the standard's spelling of :func:`to`."""
    return to(x, device, dtype, copy=copy)


def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``input`` with another dtype, on another device, or both; the very tensor if it is there already.

    Takes ``to(dtype)``, ``to(device)``, ``to(device, dtype)``, ``to(other_tensor)``, and ``copy=True`` to copy in any
    case. ``non_blocking`` is accepted and means nothing here.

    Raises:
        DeviceError: (a RuntimeError) the device does not exist or cannot be used.
    """
    place, dtype, copy = _to_arguments(*args, **kwargs)
    out = input
    if place is not None and place is not input.device:
        out = to_device(out, place)
    if dtype is not None and out.dtype != dtype:
        out = cast(out, dtype)
    return to_dtype(out, dtype=out.dtype) if copy and out is input else out


def cpu(self: Tensor) -> Tensor:
    """The tensor on the cpu; the very tensor if it is there."""
    return to(self, "cpu")


def cuda(self: Tensor, device: Any = None) -> Tensor:
    """The tensor on a cuda device, the current one when not given; the very tensor if it is there.

    Raises:
        DeviceError: (a RuntimeError) there is no such device.
    """
    return to(self, "cuda" if device is None else device)


def _cast_method(name: str, dtype: dtypes.DType) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return cast(self, dtype)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"The values in {dtypes.dtype_name(dtype)}; the very tensor if it has that dtype."
    return method


double = _cast_method("double", dtypes.float64)
float_ = _cast_method("float", dtypes.float32)
half = _cast_method("half", dtypes.float16)
long = _cast_method("long", dtypes.int64)
int_ = _cast_method("int", dtypes.int32)
short = _cast_method("short", dtypes.int16)
byte = _cast_method("byte", dtypes.uint8)
char = _cast_method("char", dtypes.int8)
bool_ = _cast_method("bool", dtypes.bool_)
cfloat = _cast_method("cfloat", dtypes.complex64)
cdouble = _cast_method("cdouble", dtypes.complex128)


def bfloat16(self: Tensor) -> Tensor:
    """The values in bfloat16; the very tensor if it has that dtype.

    Raises:
        ImportError: the package ml_dtypes, which has the dtype, is not installed.
    """
    return cast(self, dtypes.bfloat16())


def chalf(self: Tensor) -> Tensor:
    """Complex numbers of two halves, which no array library has.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(
        "there is no dtype complex32: array libraries have none. Use cfloat(), which is complex64"
    )


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The values in the dtype, and on the device, of ``other``.

    Raises:
        TypeError: ``other`` is no tensor.
    """
    if not is_tensor(other):
        raise TypeError(f"type_as(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}")
    return to(self, other)


def cast(input: Tensor, dtype: dtypes.DType) -> Tensor:
    """``input`` in another dtype; the very tensor if it has that."""
    if input.dtype == dtype:
        return input
    if dtypes.category(input.dtype) == 3 and dtypes.category(dtype) < 3:
        warnings.warn(
            "Casting complex values to real discards the imaginary part; take .real to say so",
            UserWarning,
            stacklevel=3,
        )
    return to_dtype(input, dtype=dtype) if dtypes.category(dtype) >= 2 else to_dtype_exact(input, dtype=dtype)  # type: ignore[no-any-return]


def to_device(input: Tensor, target: device) -> Tensor:
    """``input`` on another device; the gradient goes back to where it came from."""
    if input._view is not None:
        RUNTIME["sync"](input)
    level = input._device.level
    if level is not None or target.level is not None:
        # Inside a transform the data stays on its level; only the device that it is on in the end changes.
        if input.device is target.place:
            return input
        target = target.place if level is None else level.device_at(target.place)
    raw = _transfer(input._data, input._device, target) if level is None else level.moved(input, target.place)
    out = wrap(raw, target)
    mode = current_mode()
    if mode.dual is not None:
        tangent = RUNTIME["tangent_of"](input, mode.dual)
        if tangent is not None:
            out._tangent = (mode.dual, to_device(tangent, target))
    if mode.inference:
        out._cell = NO_VERSIONS
    if input._req and mode.grad:
        edge = input if input._edge is None else input._edge
        node = new_node(_TO_COPY, _Transfer(input._device), target.xp, (edge,), out._data.shape, out._data.dtype)
        out._edge, out._req = node, True
    if mode.anomaly is not None:
        diagnosis.note_move(out, input)
    return out


class _Transfer:
    """Runs the node of a move between devices: moves the gradient back."""

    saves_tensors = False

    def __init__(self, source: device) -> None:
        self.source = source

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any]:
        if self.source.level is not None:
            return (to_device(g, self.source.place),)
        return (_transfer(g, xp.device, self.source),)

    def graph(self, node: Node, xp: Any, g: Tensor) -> tuple[Any]:
        return (to_device(g, self.source),)

    def read_saved(self, node: Node, name: str) -> Any:
        raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{name}'")


_TO_COPY = to_dtype.op.node_class


def _transfer(raw: Any, source: device, target: device) -> Any:
    if source.backend is target.backend and source.type == "cuda":
        return target.xp.asarray(raw, copy=True)
    host = source.backend.to_numpy(raw)
    # The data must not be shared with the cpu tensor that it comes from.
    return target.backend.from_numpy(np.array(host), target.index or 0)


def _to_arguments(
    *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False, copy: bool = False, other: Any = None
) -> tuple[device | None, dtypes.DType | None, bool]:
    for a in args:
        if is_tensor(a):
            other = a
        elif a is None or (isinstance(a, (str, int, Device)) and not isinstance(a, bool)):
            device = a if a is not None and not _names_dtype(a) else device
            dtype = a if _names_dtype(a) else dtype
        elif isinstance(a, bool):
            # to(dtype, non_blocking, copy), by position
            copy = a
        else:
            dtype = a
    if other is not None:
        device, dtype = other.device, other.dtype
    return (
        None if device is None else resolve(device),
        None if dtype is None else dtypes.normalize(dtype),
        copy,
    )


def _names_dtype(text: Any) -> bool:
    """Whether a string is the name of a dtype; PyTorch knows no such strings, NumPy does."""
    return isinstance(text, str) and text.rstrip("0123456789") in {"float", "int", "uint", "complex", "bool"}


bind(cast_tensor=cast, move=to_device, clone=clone)


def _cast(xp: Any, x: Any, dtype: dtypes.DType) -> Any:
    """``x`` in another dtype; of complex numbers the real part, where that is real."""
    if xp.np_dtype(x.dtype).kind == "c" and dtype.kind != "c":
        x = xp.real(x)
    return xp.astype(x, dtype, copy=True)
