"""Complex numbers: their parts, conjugates, angles and directions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import is_tensor, op, standard
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "angle",
    "conj",
    "conj_physical",
    "imag",
    "is_conj",
    "is_neg",
    "real",
    "resolve_conj",
    "resolve_neg",
    "sgn",
    "view_as_complex",
    "view_as_real",
]

_COMPLEX = np.dtype(np.complex128)


def _complex_numbers(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape, dtype=_COMPLEX))


def _numbers(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3, away_from=0.0))
    yield Sample(make())
    yield Sample(make(0, 2))
    yield from _complex_numbers(make)


@op(node="SelectBackward0", view=True, linear=True, elementwise=True, samples=_complex_numbers)
def real_part(xp: Any, input: Any, /) -> Any:
    """The real parts of complex numbers, a view of them."""
    return xp.real(input)


@real_part.vjp("input")
def real_part_vjp_input(xp: Any, g: Any) -> Any:
    return g


@op(node="SelectBackward0", view=True, linear=True, elementwise=True, samples=_complex_numbers)
def imaginary_part(xp: Any, input: Any, /) -> Any:
    """The imaginary parts of complex numbers, a view of them."""
    return xp.imag(input)


@imaginary_part.vjp("input")
def imaginary_part_vjp_input(xp: Any, g: Any) -> Any:
    return xp.multiply(_as_complex(xp, g), 1j)


@standard("real")
def real(input: Tensor) -> Tensor:
    """The real part; a view of complex ``input``, and the very tensor where it is real."""
    return real_part(input) if input.is_complex() else input


@standard("imag")
def imag(input: Tensor) -> Tensor:
    """The imaginary part, a view.

    Raises:
        RuntimeError: ``input`` is not complex.
    """
    if not input.is_complex():
        raise RuntimeError(
            "imag is not implemented for tensors with non-complex dtypes, but this one has "
            f"{dtypes.dtype_name(input.dtype)}"
        )
    return imaginary_part(input)  # type: ignore[no-any-return]


@op(node="ViewAsRealBackward0", view=True, linear=True, standard="view_as_real", samples=_complex_numbers)
def view_as_real(xp: Any, input: Any, /) -> Any:
    """Complex numbers as pairs of real ones, in a last dimension of size 2; a view.

    Raises:
        RuntimeError: ``input`` is real.
    """
    if kind_of(xp, input) != "c":
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return xp.view_as_real(input)


@view_as_real.vjp("input")
def view_as_real_vjp(xp: Any, g: Any) -> Any:
    re, im = xp.getitem(g, (..., 0)), xp.getitem(g, (..., 1))
    return xp.add(_as_complex(xp, re), xp.multiply(_as_complex(xp, im), 1j))


@view_as_real.vmap
def view_as_real_vmap(input: Any) -> Any:
    return view_as_real(input)


def _pairs_of_reals(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3, 2), (2,), (0, 2)):
        yield Sample(make(*shape))


@op(
    node="ViewAsComplexBackward0",
    view=True,
    linear=True,
    reads_layout=True,
    standard="view_as_complex",
    samples=_pairs_of_reals,
)
def view_as_complex(xp: Any, input: Any, /) -> Any:
    """Pairs of real numbers, in a last dimension of size 2, as complex numbers; a view.

    Raises:
        NotImplementedError: ``input`` is of a dtype of 16 bits.
        RuntimeError: ``input`` is not real, its last dimension has another size, or its strides do not allow a view.
    """
    shape, strides = input.shape, xp.strides(input)
    if kind_of(xp, input) != "f":
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{dtypes.scalar_type_name(xp.np_dtype(input.dtype))}"
        )
    if xp.np_dtype(input.dtype).itemsize < 4:
        raise NotImplementedError(
            "there is no dtype complex32: array libraries have none. Cast the tensor to float32 first"
        )
    if not shape:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if shape[-1] != 2:
        raise RuntimeError(f"Tensor must have a last dimension of size 2, but got shape {list(shape)}")
    if strides[-1] != 1 and 0 not in shape:
        raise RuntimeError(f"Tensor must have a last dimension with stride 1, but got strides {list(strides)}")
    if any(n % 2 for n, m in zip(strides[:-1], shape[:-1], strict=True) if m > 1):
        raise RuntimeError(
            f"Tensor must have a stride divisible by 2 for all but last dimension, but got {list(strides)}"
        )
    return xp.view_as_complex(input)


@view_as_complex.vjp("input")
def view_as_complex_vjp(xp: Any, g: Any) -> Any:
    return xp.stack([xp.real(g), xp.imag(g)], axis=-1)


@view_as_complex.vmap
def view_as_complex_vmap(input: Any) -> Any:
    return view_as_complex(input)


@op(node="ConjBackward0", linear=True, elementwise=True, samples=_complex_numbers)
def conjugate(xp: Any, input: Any, /) -> Any:
    """The conjugates of complex numbers."""
    return xp.conj(input)


@conjugate.vjp("input")
def conjugate_vjp_input(xp: Any, g: Any) -> Any:
    return xp.conj(g)


@standard("conj")
def conj(input: Any) -> Tensor:
    """The complex conjugate; the very tensor where it is real."""
    if not is_tensor(input):  # a number beside a tensor, as an operation saved it
        input = as_tensor(input, "conj")
    return conjugate(input) if input.is_complex() else input  # type: ignore[no-any-return]


@op(node="ConjPhysicalBackward0", linear=True, elementwise=True, samples=_complex_numbers)
def conjugate_physical(xp: Any, input: Any, /) -> Any:
    """The conjugates of complex numbers, under the name of PyTorch's function that computes them at once."""
    return xp.conj(input)


@conjugate_physical.vjp("input")
def conjugate_physical_vjp_input(xp: Any, g: Any) -> Any:
    return xp.conj(g)


@op(node="ConjPhysicalBackward1", linear=True, elementwise=True, samples=_complex_numbers)
def conjugate_in_place(xp: Any, input: Any, /) -> Any:
    """What :func:`conj_physical_` records."""
    return xp.conj(input)


@conjugate_in_place.vjp("input")
def conjugate_in_place_vjp_input(xp: Any, g: Any) -> Any:
    return xp.conj(g)


def conj_physical(input: Tensor) -> Tensor:
    """The complex conjugate, in new memory as that of :func:`conj`; the very tensor where it is real."""
    input = as_tensor(input, "conj_physical")
    return conjugate_physical(input) if input.is_complex() else input


def conj_physical_(self: Tensor) -> Tensor:
    """In-place :func:`conj_physical`."""
    return conjugate_in_place.inplace(self)


def resolve_conj(input: Tensor) -> Tensor:
    """The very tensor: conjugates are computed at once, never put off."""
    return as_tensor(input, "resolve_conj")


def resolve_neg(input: Tensor) -> Tensor:
    """The very tensor: negative numbers are computed at once, never put off."""
    return as_tensor(input, "resolve_neg")


def is_conj(input: Tensor) -> bool:
    """``False``: no tensor waits for being conjugated."""
    as_tensor(input, "is_conj")
    return False


def is_neg(input: Tensor) -> bool:
    """``False``: no tensor waits for a change of its sign."""
    as_tensor(input, "is_neg")
    return False


@op(node="AngleBackward0", promote="float", elementwise=True, samples=_numbers)
def angle(xp: Any, input: Any, /) -> Any:
    """The angle of a complex number, in (-pi, pi]; 0 or pi for real ones."""
    if kind_of(xp, input) == "c":
        return xp.atan2(xp.imag(input), xp.real(input))
    return xp.where(xp.isnan(input), input, xp.where(xp.less(input, 0), math.pi, xp.zeros_like(input)))


@angle.vjp("input")
def angle_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    if kind_of(xp, input) != "c":
        return xp.zeros_like(g)
    squared = xp.square(xp.abs(input))
    turned = xp.divide(xp.multiply(input, 1j), xp.where(xp.equal(squared, 0.0), 1.0, squared))
    return xp.multiply(g, turned)


@op(node="SgnBackward0", standard="sign", elementwise=True, samples=_numbers)
def sgn(xp: Any, input: Any, /) -> Any:
    """``input / |input|``, and 0 at 0: the direction of a complex number, the sign of a real one."""
    kind = kind_of(xp, input)
    if kind == "b":
        return xp.astype(input, dtypes.bool_, copy=True)
    found = xp.sign(input)
    return xp.where(xp.isnan(input), 0.0, found) if kind == "f" else found


@sgn.vjp("input")
def sgn_vjp_input(xp: Any, g: Any, input: Any, out: Any) -> Any:
    if kind_of(xp, input) != "c":
        return xp.zeros_like(g)
    # What turns the number, without what lengthens it.
    size = xp.abs(input)
    along = xp.real(xp.multiply(g, xp.conj(out)))
    across = xp.divide(xp.subtract(g, xp.multiply(out, along)), xp.where(xp.equal(size, 0.0), 1.0, size))
    return xp.where(xp.equal(size, 0.0), 0.0, across)


def _as_complex(xp: Any, x: Any) -> Any:
    dtype = xp.np_dtype(x.dtype)
    return x if dtype.kind == "c" else xp.astype(x, dtypes.complex_of(dtype))
