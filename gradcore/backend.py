"""What an array library must offer to serve a device: the protocol between gradcore and its backends.

A backend is one small module (see ``backends/gradcore_backends/``). It imports nothing of gradcore, and gradcore
knows arrays only through the :class:`Namespace` that the backend binds to a device. ``docs/backends.md`` shows how
to add an array library in one file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

__all__ = ["Array", "Backend", "Namespace", "OptionalFunctions", "Scope"]

Array = Any
"""A raw array of some library. The standard defines its behaviour, not its type."""

Scope = tuple[Callable[[], Any], Callable[[Any], object]]
"""``(enter, leave)``: every computation runs between ``token = enter()`` and ``leave(token)``."""


class Namespace(Protocol):
    """The functions of the Array API standard (2024.12), bound to one device, and the few that it lacks.

    *Bound* means that creation functions (``zeros``, ``asarray``, ``arange`` ...) make arrays on that device when no
    ``device=`` is given, so a derivative rule cannot make a constant in the wrong place.
    dtype arguments may be NumPy dtype objects, whatever the library's own dtype objects are.

    Only what goes beyond the standard is written out here; every other attribute is the standard's function.
    What a namespace may have besides, and need not, is described by :class:`OptionalFunctions`.
    """

    device: Any
    """The :class:`gradcore.device` served; set by gradcore when it binds the namespace."""

    array_class: type
    """The class of the library's arrays. A 0-d result of another class (a NumPy scalar) is wrapped by ``asarray``."""

    floating_dtypes: tuple[np.dtype[Any], ...]
    """The floating-point and complex dtypes that the library has."""

    def conj(self, x: Array, /) -> Array:
        """The complex conjugate; a real array is returned as it is (the standard leaves that case open)."""
        ...

    def number(self, value: float, dtype: Any, /) -> Any:
        """A Python number as it is best handed to the library beside arrays of a floating ``dtype`` (its own object).

        NumPy needs longer to convert a number than to add five floats, so there it is a 0-d array from a cache; where
        numbers are passed to kernels by value, it is the number.
        """
        ...

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The standard's functions and constants."""

    def np_dtype(self, dtype: Any, /) -> np.dtype[Any]:
        """NumPy's dtype object for one of the library's."""
        ...

    def getitem(self, x: Array, at: Any, /) -> Array:
        """``x[at]`` by NumPy's rules: ``at`` is a tuple of ints, slices, ``None``, ``...``, integer and bool arrays."""
        ...

    def setitem(self, x: Array, at: Any, value: Array | complex, /) -> None:
        """``x[at] = value`` in place, by NumPy's rules; with repeated indices one of the values is kept."""
        ...

    def scatter_add(self, values: Array, at: Any, shape: tuple[int, ...], /) -> Array:
        """Zeros of ``shape`` to which ``values`` are added at ``[at]``; repeated indices accumulate.

        The adjoint of :meth:`getitem`.
        """
        ...

    def scatter_add_along(self, values: Array, index: Array, axis: int, shape: tuple[int, ...], /) -> Array:
        """Zeros of ``shape`` to which ``values`` are added where ``take_along_axis(., index, axis)`` reads.

        ``index`` has the shape of ``values`` and may be smaller than ``shape`` in the other axes (as in
        ``torch.gather``).
        """
        ...

    def gather(self, x: Array, index: Array, axis: int, /) -> Array:
        """``out[i][j] = x[index[i][j]][j]`` for ``axis=0``; ``index`` may be smaller than ``x`` in the other axes."""
        ...

    def copy(self, x: Array, /) -> Array:
        """A writable copy in new memory, row-major."""
        ...

    def copy_like(self, x: Array, like: Array, /) -> Array:
        """A copy of ``x`` with the memory layout of ``like`` where that is dense, else row-major."""
        ...

    def owns(self, x: Array, references: int, /) -> bool:
        """Whether nothing but ``references`` names (and this call) can reach the memory of ``x``.

        ``True`` lets the engine keep ``x`` as a leaf's gradient without a copy; ``False`` is always right.
        """
        ...

    def may_overlap(self, x: Array, y: Array, /) -> bool:
        """Whether the two arrays share memory. ``True`` where the library cannot tell."""
        ...

    def self_overlaps(self, x: Array, /) -> bool:
        """Whether two elements of ``x`` are one location in memory (an expanded array)."""
        ...

    def view(self, x: Array, shape: tuple[int, ...], /) -> Array | None:
        """``x`` seen with another shape, sharing memory; ``None`` where the strides do not allow it."""
        ...

    def as_strided(self, x: Array, shape: tuple[int, ...], strides: tuple[int, ...], /) -> Array:
        """The memory of ``x``, from its first element on, seen with another shape and other strides (in elements)."""
        ...

    def reinterpret(self, x: Array, dtype: Any, /) -> Array:
        """The bytes of ``x`` read as another dtype, sharing memory; the last axis, if any, has step 1 and is divided."""
        ...

    def view_as_real(self, x: Array, /) -> Array:
        """Complex ``x`` as real numbers, with a last axis for the two parts, sharing memory."""
        ...

    def view_as_complex(self, x: Array, /) -> Array:
        """Real ``x``, whose last axis has size 2 and step 1, as complex numbers, sharing memory."""
        ...

    def is_contiguous(self, x: Array, /) -> bool:
        """Whether the elements lie in row-major order, without gaps."""
        ...

    def strides(self, x: Array, /) -> tuple[int, ...]:
        """Steps between elements along each axis, in elements. Row-major where the library hides its strides."""
        ...


class OptionalFunctions(Protocol):
    """What a namespace may have, too: gradcore calls each of these where it is there, and does without it where it is not.

    Without it, gradcore computes the same in the standard's terms, unless another thing is said below. Operands are arrays
    of one device and one dtype, batches are leading dimensions.
    """

    # Elementwise.

    def fmax(self, x: Array, y: Array, /) -> Array:
        """The larger one; of a number and NaN, the number."""
        ...

    def fmin(self, x: Array, y: Array, /) -> Array:
        """The smaller one; of a number and NaN, the number."""
        ...

    def fmod(self, x: Array, y: Array, /) -> Array:
        """The remainder of ``x / y`` that has the sign of ``x``."""
        ...

    def frexp(self, x: Array, /) -> tuple[Array, Array]:
        """``m`` and ``e`` with ``x = m * 2**e`` and ``0.5 <= abs(m) < 1``; ``e`` is an int32."""
        ...

    def gcd(self, x: Array, y: Array, /) -> Array:
        """The greatest common divisor of integers."""
        ...

    def lcm(self, x: Array, y: Array, /) -> Array:
        """The least common multiple of integers."""
        ...

    def logaddexp2(self, x: Array, y: Array, /) -> Array:
        """``log2(2**x + 2**y)``."""
        ...

    def special(self) -> Any:
        """A module with special functions under the names of ``scipy.special``, as many as it has; or ``None``."""
        ...

    # Along an axis.

    def cumulative_max(self, x: Array, axis: int, /) -> Array:
        """The largest element so far; NaN from the first NaN on."""
        ...

    def cumulative_min(self, x: Array, axis: int, /) -> Array:
        """The smallest element so far; NaN from the first NaN on."""
        ...

    def cumulative_logaddexp(self, x: Array, axis: int, /) -> Array:
        """The logarithm of the sum of the exponentials so far."""
        ...

    def lexsort(self, keys: Array, /) -> Array:
        """The order of the columns of a matrix by their first element, then their second, ..."""
        ...

    def spatial(self) -> Any:
        """A module with the ``cdist`` of ``scipy.spatial.distance``; or ``None``."""
        ...

    # Matrices. Pivots and ``info`` are of int32; ``info`` is 0, or the number (from 1 on) of the first pivot that is zero.

    def solve_triangular(self, a: Array, b: Array, upper: bool, unitriangular: bool, /) -> Array:
        """``a @ x = b`` solved for one triangle of ``a``; infinities (or NaN) where there is a zero on its diagonal."""
        ...

    def lu_factor(self, x: Array, /) -> tuple[Array, Array, Array]:
        """Factors, pivots from 1 on, and info, as LAPACK's ``getrf`` gives them."""
        ...

    def ldl_factor(self, x: Array, hermitian: bool, /) -> tuple[Array, Array, Array]:
        """Factors, pivots and info for the lower triangle, as LAPACK's ``sytrf`` or ``hetrf`` gives them."""
        ...

    def geqrf(self, x: Array, /) -> tuple[Array, Array]:
        """The reflections of a QR decomposition, and their factors, as LAPACK's ``geqrf`` gives them."""
        ...

    def eig(self, x: Array, /) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors of matrices, for a library whose ``linalg`` has none. There is no other way."""
        ...

    def eigvals(self, x: Array, /) -> Array:
        """Eigenvalues, for a library whose ``linalg`` has no function for them. There is no other way."""
        ...

    # Several steps in one. Each of these may decline its operands by giving ``None``.

    def softmax(self, x: Array, axis: int, /) -> Array | None:
        """``exp(x) / sum(exp(x))`` along an axis."""
        ...

    def softmax_gradient(self, g: Array, out: Array, axis: int, /) -> Array | None:
        """``out * (g - sum(g * out))`` along an axis."""
        ...

    def log_softmax(self, x: Array, axis: int, /) -> Array | None:
        """``x - log(sum(exp(x)))`` along an axis."""
        ...

    def log_softmax_gradient(self, g: Array, out: Array, axis: int, /) -> Array | None:
        """``g - exp(out) * sum(g)`` along an axis."""
        ...

    def layer_norm(
        self, x: Array, weight: Array | None, bias: Array | None, size: int, eps: float, /
    ) -> tuple[Array, Array, Array] | None:
        """``(x - mean) * r * weight + bias``, the means and ``r = 1 / sqrt(variance + eps)``, over the last ``size`` elements."""
        ...

    def layer_norm_gradient(
        self,
        g: Array,
        x: Array,
        weight: Array | None,
        mean: Array,
        r: Array,
        size: int,
        wanted: tuple[bool, bool, bool],
        /,
    ) -> tuple[Array | None, Array | None, Array | None] | None:
        """The gradients of ``x``, ``weight`` and ``bias``, of which some are wanted; the others are ``None``."""
        ...

    def gelu(self, x: Array, /) -> Array | None:
        """``x`` times the share of the standard normal distribution that lies below it."""
        ...

    def gelu_gradient(self, g: Array, x: Array, /) -> Array | None:
        """``g`` times the derivative of :meth:`gelu` at ``x``."""
        ...


@runtime_checkable
class Backend(Protocol):
    """One array library, serving the devices of one type. An instance is what an entry point must name."""

    type: str
    """The device type served, as written in ``gradcore.device("cuda:1")``."""

    indexed: bool
    """Whether devices have an index (``cuda:0``); ``False`` for a type with one device (``cpu``)."""

    def unavailable(self) -> str | None:
        """Why no device of this type can be used, with the command that mends it; ``None`` when one can."""
        ...

    def device_count(self) -> int:
        """How many devices there are; 0 when unavailable. Never raises."""
        ...

    def current_index(self) -> int:
        """The index meant by a device written without one."""
        ...

    def namespace(self, index: int) -> Namespace:
        """The namespace bound to device ``index``."""
        ...

    def large_namespace(self, index: int) -> tuple[Namespace, int] | None:
        """A second namespace for operands of at least so many elements, or ``None``.

        Same functions, same results: it may spend microseconds per call to save more on memory.
        """
        ...

    def scope(self, index: int) -> Scope | None:
        """What must surround every computation on the device; ``None`` for nothing."""
        ...

    def is_native(self, obj: object) -> bool:
        """Whether ``obj`` is an array of this library. Must not import the library for it."""
        ...

    def index_of(self, array: Array) -> int:
        """The index of the device that holds a native array."""
        ...

    def from_numpy(self, array: np.ndarray[Any, Any], index: int) -> Array:
        """The data of a NumPy array on the device; shares memory where that is possible."""
        ...

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        """The data of an array on the host; shares memory where that is possible. May wait for the device."""
        ...

    def synchronize(self, index: int) -> None:
        """Wait until all work queued on the device is done."""
        ...

    def memory_allocated(self, index: int) -> int:
        """Bytes held by arrays on the device, as far as the library knows; 0 where it does not."""
        ...

    def empty_cache(self, index: int) -> None:
        """Give memory kept for reuse back to the system."""
        ...
