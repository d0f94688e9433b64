"""Complex numbers made of two real ones: of their parts, or of size and angle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.testing.samples import Make, Sample, pairs

__all__ = ["complex", "polar"]


@op(node="ComplexBackward0", promote="same", linear=True, elementwise=True, samples=pairs)
def complex(xp: Any, real: Any, imag: Any, /) -> Any:
    """The numbers with given real and imaginary parts, of one dtype: ``real + 1j * imag``, for infinite parts too.

    Raises:
        RuntimeError: the parts are not of one floating-point dtype.
    """
    _require_parts(xp, real, imag)
    return _joined(xp, real, imag)


@complex.vjp("real")
def complex_vjp_real(xp: Any, g: Any) -> Any:
    return xp.real(g)


@complex.vjp("imag")
def complex_vjp_imag(xp: Any, g: Any) -> Any:
    return xp.imag(g)


def _sizes_and_angles(make: Make) -> Iterator[Sample]:
    for a, b in (((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((), ()), ((0, 2), (2,))):
        yield Sample(make(*a, low=0.2, high=2.0), make(*b))


@op(node="PolarBackward0", promote="same", elementwise=True, samples=_sizes_and_angles)
def polar(xp: Any, abs: Any, angle: Any, /) -> Any:
    """The numbers of given sizes and angles, of one dtype: ``abs * exp(1j * angle)``.

    Raises:
        RuntimeError: sizes and angles are not of one floating-point dtype.
    """
    _require_parts(xp, abs, angle)
    return _joined(xp, xp.multiply(abs, xp.cos(angle)), xp.multiply(abs, xp.sin(angle)))


@polar.vjp("abs")
def polar_vjp_abs(xp: Any, g: Any, out: Any) -> Any:
    return xp.real(xp.multiply(xp.conj(g), xp.sign(out)))


@polar.vjp("angle")
def polar_vjp_angle(xp: Any, g: Any, out: Any) -> Any:
    return xp.real(xp.multiply(xp.conj(g), xp.multiply(out, 1j)))


def _require_parts(xp: Any, x: Any, y: Any) -> None:
    kinds = [xp.np_dtype(v.dtype) for v in (x, y)]
    if any(k.kind != "f" for k in kinds):
        names = " and ".join(map(dtypes.scalar_type_name, kinds))
        raise RuntimeError(f"Expected both inputs to be Half, Float or Double tensors but got {names}")


def _joined(xp: Any, real: Any, imag: Any) -> Any:
    if xp.np_dtype(real.dtype) == dtypes.float16:  # there is no complex number of 32 bits
        real, imag = xp.astype(real, dtypes.float32), xp.astype(imag, dtypes.float32)
    return xp.view_as_complex(xp.stack(xp.broadcast_arrays(real, imag), axis=-1))
