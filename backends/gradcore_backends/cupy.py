"""CuPy: the devices ``cuda:0``, ``cuda:1`` ...

Importing this module does not import CuPy; asking whether there is a cuda device does.

CuPy follows the standard in most things; what differs, silently for the most part, is put right here. It runs
everything on the *current* device, and most of its creation functions ignore ``device=`` (see
data-apis/array-api-compat#293). So where there is more than one GPU, the scope makes the right one current, and
creation functions do so on their own.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable
from sys import getrefcount
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore_backends._generic import NumpyLike, is_mask, is_named_only, make_namespace, may_repeat

if TYPE_CHECKING:
    from gradcore.backend import Backend, Namespace, Scope

Array = Any

CREATION = """
    arange asarray empty empty_like eye from_dlpack full full_like linspace ones ones_like zeros zeros_like
""".split()
INSTALL = 'pip install "gradcore[cuda13]" (for CUDA 12: "gradcore[cuda12]")'
# The dtypes for which cupy.add.at has an atomic addition.
ATOMIC = frozenset(map(np.dtype, "int32 uint32 int64 uint64 float16 float32 float64".split()))


class CupyFunctions(NumpyLike):
    """CuPy's functions as the standard has them, on one device."""

    def __init__(self, index: int, *, alone: bool) -> None:
        import array_api_compat.cupy
        import cupy
        import cupyx

        compat: Any = array_api_compat.cupy
        super().__init__(cupy)
        self.array_class = cupy.ndarray
        # array-api-compat's version assigns by a mask, for which the host has to wait.
        self.sign = cupy.sign
        self.matmul, self.tensordot, self.vecdot = map(_explaining, (cupy.matmul, cupy.tensordot, compat.vecdot))
        self.fft = _wrapped(compat.fft, _explaining)
        self.linalg = _wrapped(compat.linalg, lambda f: _explaining(_raising(f, cupyx.errstate)))
        if not alone:
            for name in CREATION:
                setattr(self, name, _placed(getattr(self, name, None) or getattr(compat, name), index))

    def asarray(self, value: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Array:
        # array-api-compat's version enters a device context at every call.
        return self._library.asarray(value, dtype) if copy is None else self._library.array(value, dtype, copy=copy)

    def number(self, value: float, dtype: Any, /) -> Any:
        # Kernels take numbers by value.
        return value

    def clip(self, x: Array, /, min: Any = None, max: Any = None) -> Array:
        return x.copy() if min is None and max is None else x.clip(min, max)

    def astype(self, x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
        return x.astype(dtype, copy=copy)

    def special(self) -> Any:
        """The special functions, in a module that is slow to import."""
        import cupyx.scipy.special

        return cupyx.scipy.special

    def lexsort(self, keys: Array, /) -> Array:
        return self._library.lexsort(keys[::-1])

    def solve_triangular(self, a: Array, b: Array, upper: bool, unitriangular: bool) -> Array:
        """The solution of ``a @ x = b`` for one triangle of ``a``; a zero on the diagonal gives infinities or NaN."""
        import cupyx.scipy.linalg

        if a.ndim == b.ndim == 2:
            solve = _explaining(cupyx.scipy.linalg.solve_triangular)
            return solve(a, b, lower=not upper, unit_diagonal=unitriangular)
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        k = int(unitriangular)
        triangle = self._library.triu(a, k) if upper else self._library.tril(a, -k)
        if unitriangular:
            triangle = triangle + self._library.eye(a.shape[-1], dtype=a.dtype)
        triangle, b = (self._library.broadcast_to(x, batch + x.shape[-2:]) for x in (triangle, b))
        # There is no solver for batches of triangles; that for any matrices takes one call.
        with cupyx.errstate(linalg="ignore"):
            return _explaining(self._library.linalg.solve)(triangle, b)

    def lu_factor(self, x: Array, /) -> tuple[Array, Array, Array]:
        """Both factors of matrices in one, the exchanged rows counted from 1, and 0 or the number of the first zero pivot."""
        import cupyx.scipy.linalg

        factor = _explaining(cupyx.scipy.linalg.lu_factor)
        *batch, m, n = x.shape
        factors = self._library.empty(x.shape, x.dtype)
        pivots = self._library.empty((*batch, min(m, n)), np.int32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # about a zero pivot, which the caller is told of
            for i in np.ndindex(*batch):
                factors[i], pivots[i] = factor(x[i], check_finite=False)
        zeros = factors.diagonal(0, -2, -1) == 0
        info = self._library.where(zeros.any(-1), zeros.argmax(-1) + 1, 0)
        return factors, pivots + 1, info.astype(np.int32)

    def geqrf(self, x: Array, /) -> tuple[Array, Array]:
        h, tau = _explaining(self._library.linalg.qr)(x, mode="raw")
        return h.swapaxes(-1, -2), tau

    # CuPy has these from version 14 on; before, the host computes them.

    def eig(self, x: Array, /) -> tuple[Array, Array]:
        values, vectors = np.linalg.eig(x.get())
        return self._library.asarray(values), self._library.asarray(vectors)

    def eigvals(self, x: Array, /) -> Array:
        return self._library.asarray(np.linalg.eigvals(x.get()))

    def reshape(self, x: Array, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Array:
        return x.reshape(shape, copy=copy)

    def setitem(self, x: Array, at: Any, value: Any, /) -> None:
        mask = at[0] if type(at) is tuple and len(at) == 1 else at
        if is_mask(mask) and x.shape[: mask.ndim] == mask.shape and getattr(value, "size", 1) == 1:
            # By index, CuPy would count the marked elements first, and make the host wait for the number.
            mask = mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim))
            value = value.astype(x.dtype, copy=False).reshape(()) if hasattr(value, "dtype") else value
            self._library.copyto(x, value, casting="unsafe", where=mask)
        else:
            x[at] = value

    def scatter_add(self, values: Array, at: Any, shape: tuple[int, ...], /) -> Array:
        dtype = values.dtype
        if not may_repeat(at) or dtype in ATOMIC:
            return super().scatter_add(values, at, shape)
        if dtype.kind == "c":
            at = at if type(at) is tuple else (at,)
            out = self._library.zeros((*shape, 1), dtype)
            # An ellipsis stands for all axes but those behind it: the pair of real and imaginary part is one more.
            pair = (*at, slice(None)) if any(i is ... for i in at) else at
            self._library.add.at(_as_pairs(out), pair, _as_pairs(self._library.ascontiguousarray(values[..., None])))
            return out.reshape(shape)
        # bfloat16 has the kind "V".
        wide = np.int32 if dtype.kind in "biu" else np.float32
        return self.scatter_add(values.astype(wide), at, shape).astype(dtype)

    def owns(self, x: Array, references: int, /) -> bool:
        # Every array that shows this memory refers to the object that stands for it, views by as_strided as well.
        return is_named_only(x, references) and _memory_references(x) == self._fresh

    @functools.cached_property
    def _fresh(self) -> int:
        return _memory_references(self._library.empty(1))


def _as_pairs(x: Array) -> Array:
    return x.view(x.real.dtype)


def _memory_references(x: Array) -> int:
    return getrefcount(x.data) + getrefcount(x.data.mem)


def _wrapped(module: Any, wrap: Callable[[Any], Any]) -> Any:
    """A module with its functions wrapped."""
    return SimpleNamespace(
        **{n: wrap(f) if callable(f) and not isinstance(f, type) else f for n, f in vars(module).items()}
    )


def _explaining(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that needs a library of CUDA which no kernel needs, and tells how to install what is missing."""

    @functools.wraps(function)
    def explaining(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (ImportError, RuntimeError) as e:
            if isinstance(e, ImportError) or type(e).__name__ == "DynamicLibNotFoundError":
                first = str(e).partition("\n")[0]
                raise ImportError(f"CuPy lacks a library of CUDA: {first}. To install all of them: {INSTALL}") from e
            raise

    return explaining


def _raising(function: Callable[..., Any], errstate: Any) -> Callable[..., Any]:
    """A function of linear algebra that raises LinAlgError, as NumPy and PyTorch do, instead of giving NaN."""

    @functools.wraps(function)
    def raising(*args: Any, **kwargs: Any) -> Any:
        with errstate(linalg="raise"):
            return function(*args, **kwargs)

    return raising


def _placed(function: Callable[..., Any], index: int) -> Callable[..., Any]:
    enter, leave = _scope(index)

    @functools.wraps(function)
    def placed(*args: Any, **kwargs: Any) -> Any:
        before = enter()
        try:
            return function(*args, **kwargs)
        finally:
            leave(before)

    return placed


def _scope(index: int) -> Scope:
    """What ``with cupy.cuda.Device(index)`` does, but without an object for every block."""
    from cupy.cuda.runtime import getDevice, setDevice

    def enter() -> int:
        before: int = getDevice()
        if before != index:
            setDevice(index)
        return before

    def leave(before: int) -> None:
        if before != index:
            setDevice(before)

    return enter, leave


class CupyBackend:
    """The CUDA devices that are visible to this process."""

    type = "cuda"
    indexed = True

    def __init__(self) -> None:
        self._namespaces: dict[int, Any] = {}

    @functools.cached_property
    def _state(self) -> tuple[int, str | None]:
        """How many devices there are, and why there are none."""
        try:
            import cupy
        except ModuleNotFoundError as e:
            if e.name == "cupy":
                return 0, f"CuPy is not installed. To install it: {INSTALL}"
            return 0, f"CuPy cannot be imported: {e}. To install it anew: {INSTALL}"
        except Exception as e:  # noqa: BLE001 - whatever it is, it is the reason
            return 0, f"CuPy cannot be imported: {e}. To install it anew: {INSTALL}"
        name = f"CuPy {cupy.__version__}"
        try:
            count: int = cupy.cuda.runtime.getDeviceCount()
        except Exception as e:  # noqa: BLE001
            return 0, f"{name} finds no GPU: {_explained(e)}"
        if count == 0:
            return 0, f"{name} finds no GPU: none is visible{_visible_devices()}"
        try:
            import array_api_compat.cupy  # noqa: F401
            from cupy.cuda import nvrtc

            # CuPy comes without the libraries of CUDA, and would notice at the first kernel.
            nvrtc.getVersion()
        except Exception as e:  # noqa: BLE001
            first = str(e).partition("\n")[0]
            return 0, f"{name} lacks libraries that it needs ({type(e).__name__}: {first}). To install them: {INSTALL}"
        return count, None

    def unavailable(self) -> str | None:
        return self._state[1]

    def device_count(self) -> int:
        return self._state[0]

    def current_index(self) -> int:
        import cupy

        return cupy.cuda.runtime.getDevice()  # type: ignore[no-any-return]

    def namespace(self, index: int) -> Namespace:
        if index not in self._namespaces:
            import array_api_compat.cupy as compat

            functions = CupyFunctions(index, alone=self.device_count() == 1)
            self._namespaces[index] = make_namespace(functions, compat)
        return self._namespaces[index]  # type: ignore[no-any-return]

    def large_namespace(self, index: int) -> tuple[Namespace, int] | None:
        return None

    def scope(self, index: int) -> Scope | None:
        return None if self.device_count() == 1 else _scope(index)

    def is_native(self, obj: object) -> bool:
        cls = obj.__class__
        return cls.__name__ == "ndarray" and cls.__module__.partition(".")[0] == "cupy"

    def index_of(self, array: Array) -> int:
        return array.device.id  # type: ignore[no-any-return]

    def from_numpy(self, array: np.ndarray[Any, Any], index: int) -> Array:
        import cupy

        with cupy.cuda.Device(index):
            return cupy.asarray(array)

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        return array.get()  # type: ignore[no-any-return]

    def synchronize(self, index: int) -> None:
        import cupy

        cupy.cuda.Device(index).synchronize()

    def memory_allocated(self, index: int) -> int:
        """Bytes in use in CuPy's memory pool, by anyone in this process."""
        import cupy

        with cupy.cuda.Device(index):
            return cupy.get_default_memory_pool().used_bytes()  # type: ignore[no-any-return]

    def empty_cache(self, index: int) -> None:
        import cupy

        with cupy.cuda.Device(index):
            cupy.get_default_memory_pool().free_all_blocks()


def _explained(e: Exception) -> str:
    """What an error of CUDA means. Its own words speak of an old driver also where there is no GPU at all."""
    name = str(e).partition(":")[0]
    status = getattr(e, "status", None)
    if status == 35:
        return f"there is no usable NVIDIA driver: none is installed, or it is too old for this CuPy ({name})"
    if status == 100:
        return f"the NVIDIA driver sees none{_visible_devices()} ({name})"
    return f"{type(e).__name__}: {e}"


def _visible_devices() -> str:
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if setting is None else f", as CUDA_VISIBLE_DEVICES={setting!r} asks for"


backend: Backend = CupyBackend()
