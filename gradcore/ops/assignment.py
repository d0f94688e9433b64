"""Values written into a tensor as a whole: ``copy_``, ``fill_``, ``zero_``."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import bind, is_tensor, op, wrap
from gradcore.ops._batching import aligned
from gradcore.ops._operands import as_tensor
from gradcore.ops.cast import to_device
from gradcore.testing.samples import Make, Sample, reals

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["fill"]


def _destinations_and_sources(make: Make) -> Iterator[Sample]:
    for a, b in (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), ()), ((), ()), ((0, 2), (2,))):
        yield Sample(make(*a), make(*b))
    yield Sample(make(2), make(2, dtype=np.float32))


@op(node="CopyBackwards", linear=True, samples=_destinations_and_sources)
def copied(xp: Any, input: Any, src: Any, /) -> Any:
    """``src`` in the shape and dtype of ``input``; only used in place."""
    return xp.copy(xp.broadcast_to(xp.astype(_source(xp, input, src), input.dtype), input.shape))


copied.op.node_class.name = lambda self: "torch::autograd::CopyBackwards"  # type: ignore[method-assign]


def recorded_copy(x: Tensor) -> Tensor:
    """A copy of ``x`` that is recorded as one into new memory: what a leaf keeps of a gradient under ``create_graph``."""
    return copied(x.detach(), x)  # type: ignore[no-any-return]


@copied.into
def copied_into(xp: Any, input: Any, src: Any) -> None:
    src = _source(xp, input, src)
    # Of two overlapping regions, some libraries copy elements that they have written already.
    xp.setitem(input, ..., xp.copy(src) if xp.may_overlap(input, src) else src)


@copied.vjp("input")
def copied_vjp_input(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


@copied.vjp("src")
def copied_vjp_src(xp: Any, g: Any) -> Any:
    return g  # the engine sums, and casts


@copied.vmap
def copied_vmap(input: Any, src: Any) -> Any:
    return copied(input, aligned(src, input.ndim - 1))


def _tensors_to_fill(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape), value=1.5)


@op(node="FillBackward0", elementwise=True, samples=_tensors_to_fill)
def number_like(xp: Any, input: Any, /, value: Any) -> Any:
    """One number everywhere, in the shape and dtype of ``input``."""
    return xp.full(input.shape, value, dtype=input.dtype)


@op(node="FillBackward2", elementwise=True, samples=_tensors_to_fill)
def filled_number(xp: Any, input: Any, /, value: Any) -> Any:
    """One number everywhere; only used in place."""
    return xp.full(input.shape, value, dtype=input.dtype)


@filled_number.into
def filled_number_into(xp: Any, input: Any, value: Any) -> None:
    xp.setitem(input, ..., value)


@number_like.vjp("input")
@filled_number.vjp("input")
def filled_number_vjp(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


def _tensors_and_values(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape), make())


@op(node="FillBackward1", linear=True, samples=_tensors_and_values)
def value_like(xp: Any, input: Any, value: Any, /) -> Any:
    """A 0-d tensor everywhere, in the shape and dtype of ``input``."""
    return xp.copy(xp.broadcast_to(xp.astype(value, input.dtype), input.shape))


@op(node="FillBackward3", linear=True, samples=_tensors_and_values)
def filled(xp: Any, input: Any, value: Any, /) -> Any:
    """A 0-d tensor everywhere; only used in place."""
    return xp.copy(xp.broadcast_to(xp.astype(value, input.dtype), input.shape))


filled.op.shares = "any"


@filled.into
def filled_into(xp: Any, input: Any, value: Any) -> None:
    xp.setitem(input, ..., value)


@value_like.vjp("input")
@filled.vjp("input")
def filled_vjp_input(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


@value_like.vjp("value")
@filled.vjp("value")
def filled_vjp_value(xp: Any, g: Any) -> Any:
    return g


@value_like.vmap
@filled.vmap
def filled_vmap(input: Any, value: Any) -> Any:
    return copied(input, aligned(value, input.ndim - 1))


@op(node="ZeroBackward0", linear=True, elementwise=True, samples=reals)
def zeroed(xp: Any, input: Any, /) -> Any:
    """Zeros; only used in place."""
    return xp.zeros_like(input)


@zeroed.into
def zeroed_into(xp: Any, input: Any) -> None:
    xp.setitem(input, ..., 0)


@zeroed.vjp("input")
def zeroed_vjp(xp: Any, g: Any) -> Any:
    return xp.zeros_like(g)


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write ``src`` (a tensor or a number) into this tensor: broadcast to its shape, cast to its dtype, moved to its device.

    Raises:
        RuntimeError: the shapes do not fit, or this tensor may not be written to.
    """
    if isinstance(src, (bool, int, float, complex)):
        src = wrap(self._device.xp.asarray(fill_value(src, self.dtype), dtype=self._data.dtype), self._device)
    src = as_tensor(src, "copy_", "src")
    if src._device is not self._device:
        src = to_device(src, self._device)
    if dtypes.category(src.dtype) == 3 and dtypes.category(self.dtype) < 3:
        warnings.warn(
            "Casting complex values to real discards the imaginary part; take .real to say so",
            UserWarning,
            stacklevel=2,
        )
    return copied.inplace(self, src)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one number, or the one element of a 0-d tensor, everywhere.

    Raises:
        RuntimeError: the dtype cannot hold the number, or this tensor may not be written to.
    """
    value = _one_number(self, value)
    return filled.inplace(self, value) if is_tensor(value) else filled_number.inplace(self, value)


def zero_(self: Tensor) -> Tensor:
    """Write zeros."""
    return zeroed.inplace(self)


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like ``input`` with one number everywhere."""
    input = as_tensor(input, "fill")
    value = _one_number(input, value)
    return value_like(input, value) if is_tensor(value) else number_like(input, value)  # type: ignore[no-any-return]


def fill_value(value: complex, dtype: dtypes.DType) -> Any:
    """A Python number as one of a dtype; a fraction is cut off, as in PyTorch.

    Raises:
        RuntimeError: the dtype does not reach as far.
    """
    kind = dtypes.category(dtype)
    try:
        if kind == 3:
            return complex(value)
        if kind == 0:
            return bool(value)
        if isinstance(value, complex):
            if value.imag:
                raise OverflowError
            value = value.real
        if kind == 2:
            number = float(value)
            if math.isfinite(number) and abs(number) > _largest(dtype):
                raise OverflowError
            return number
        whole = int(value)
        limits = np.iinfo(dtype)
        if not limits.min <= whole <= limits.max:
            raise OverflowError
        return whole
    except (OverflowError, ValueError):
        raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow: {value!r}") from None


def _largest(dtype: dtypes.DType) -> float:
    """The largest finite number of a dtype; NumPy does not know that of bfloat16."""
    return float.fromhex("0x1.fep127") if dtype.name == "bfloat16" else float(np.finfo(dtype).max)


def _one_number(target: Tensor, value: Any) -> Any:
    if is_tensor(value):
        if value.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions"
            )
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(f"fill_(): argument 'value' must be a number or a 0-d Tensor, not {type(value).__name__}")
    return fill_value(value, target.dtype)


def _source(xp: Any, input: Any, src: Any) -> Any:
    """``src`` as it is written into ``input``: it fits, and is real where that is."""
    extra = len(input.shape) - len(src.shape)
    if extra < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(input.shape)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({len(src.shape)}); {list(src.shape)} does not fit into {list(input.shape)}"
        )
    for i, n in enumerate(src.shape):
        if n != 1 and n != input.shape[i + extra]:
            raise RuntimeError(
                f"The expanded size of the tensor ({input.shape[i + extra]}) must match the existing size ({n}) at "
                f"non-singleton dimension {i + extra}.  Target sizes: {list(input.shape)}.  Tensor sizes: "
                f"{list(src.shape)}"
            )
    if xp.np_dtype(src.dtype).kind == "c" and xp.np_dtype(input.dtype).kind != "c":
        return xp.real(src)
    return src


bind(recorded_copy=recorded_copy)
