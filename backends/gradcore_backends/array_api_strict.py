"""array-api-strict: three fake devices on the CPU, ``strict:0`` to ``strict:2``, which refuse to mix.

Its functions take nothing that the standard does not promise. A derivative rule that leaves the standard, or forgets
the device of a constant, fails here, on a machine without a GPU.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore_backends import numpy as host
from gradcore_backends._generic import DTYPES, make_namespace
from gradcore_backends._numpy_functions import NumpyFunctions

if TYPE_CHECKING:
    from gradcore.backend import Backend, Namespace, Scope

Array = Any

DEVICES = ("CPU_DEVICE", "device1", "device2")
CREATION = "arange asarray empty eye from_dlpack full linspace ones zeros".split()
WITH_DTYPE = """
    astype can_cast cumulative_prod cumulative_sum empty_like finfo full_like iinfo isdtype ones_like prod result_type
    sum zeros_like
""".split()

_host = NumpyFunctions()


class StrictFunctions:
    """array-api-strict's functions, bound to one of its devices, with NumPy's dtype objects as dtypes.

    The standard stops short of PyTorch's indexing (slices beside integer arrays, assignment by integer arrays, repeated
    indices) and knows no copies, views or strides. The data are NumPy arrays on the host, so NumPy does all that;
    that the devices agree is checked here.
    """

    floating_dtypes = tuple(np.dtype(name) for name in ("float32", "float64", "complex64", "complex128"))

    def __init__(self, library: Any, device: str) -> None:
        self.place = library.Device(device)
        self._dtypes = {np.dtype(name): getattr(library, name) for name in DTYPES}
        self._conj, self._broadcast_to = library.conj, library.broadcast_to
        self.array_class: Any = type(library.empty(()))
        for name in CREATION:
            setattr(self, name, self._adapted(getattr(library, name), self.place))
        for name in WITH_DTYPE:
            setattr(self, name, self._adapted(getattr(library, name)))

    def _adapted(self, function: Callable[..., Any], place: Any = None) -> Callable[..., Any]:
        """``function`` with NumPy's dtype objects for its own, making arrays at ``place``."""

        @functools.wraps(function)
        def adapted(*args: Any, **kwargs: Any) -> Any:
            args = tuple([self._dtype(x) if isinstance(x, np.dtype) else x for x in args])
            dtype = kwargs.get("dtype")
            if isinstance(dtype, np.dtype):
                kwargs["dtype"] = self._dtype(dtype)
            if place is not None and kwargs.get("device") is None:
                kwargs["device"] = place
            return function(*args, **kwargs)

        return adapted

    def _dtype(self, dtype: np.dtype[Any]) -> Any:
        found = self._dtypes.get(dtype)
        if found is None:
            raise TypeError(f"array-api-strict has no dtype {dtype.name}")
        return found

    def _wrap(self, x: Any) -> Array:
        return self.array_class._new(np.asarray(x), device=self.place)

    def _unwrap(self, x: Any) -> Any:
        if type(x) is tuple:
            return tuple([self._unwrap(i) for i in x])
        if not isinstance(x, self.array_class):
            return x
        if x.device != self.place:
            raise ValueError(f"an array on {x.device} was given to a function of {self.place}")
        return x._array

    def np_dtype(self, dtype: Any, /) -> np.dtype[Any]:
        return dtype if isinstance(dtype, np.dtype) else dtype._np_dtype

    def number(self, value: float, dtype: Any, /) -> Any:
        return value

    def conj(self, x: Array, /) -> Array:
        return self._conj(x) if x.dtype._np_dtype.kind == "c" else x

    def broadcast_to(self, x: Array, /, shape: tuple[int, ...]) -> Array:
        # The library's own result is read-only, but a gradient that has that form may be written to by a user.
        return self.as_strided(x, shape, self.strides(self._broadcast_to(x, shape)))

    def getitem(self, x: Array, at: Any, /) -> Array:
        return self._wrap(self._unwrap(x)[self._unwrap(at)])

    def setitem(self, x: Array, at: Any, value: Any, /) -> None:
        self._unwrap(x)[self._unwrap(at)] = self._unwrap(value)

    def scatter_add(self, values: Array, at: Any, shape: tuple[int, ...], /) -> Array:
        return self._wrap(_host.scatter_add(self._unwrap(values), self._unwrap(at), shape))

    def scatter_add_along(self, values: Array, index: Array, axis: int, shape: tuple[int, ...], /) -> Array:
        return self._wrap(_host.scatter_add_along(self._unwrap(values), self._unwrap(index), axis, shape))

    def gather(self, x: Array, index: Array, axis: int, /) -> Array:
        return self._wrap(_host.gather(self._unwrap(x), self._unwrap(index), axis))

    # In the standard from version 2025.12 on.

    def eig(self, x: Array, /) -> tuple[Array, Array]:
        values, vectors = np.linalg.eig(self._unwrap(x))
        return self._wrap(values), self._wrap(vectors)

    def eigvals(self, x: Array, /) -> Array:
        return self._wrap(np.linalg.eigvals(self._unwrap(x)))

    def copy(self, x: Array, /) -> Array:
        return self._wrap(_host.copy(self._unwrap(x)))

    def copy_like(self, x: Array, like: Array, /) -> Array:
        return self._wrap(_host.copy_like(self._unwrap(x), self._unwrap(like)))

    def owns(self, x: Array, references: int, /) -> bool:
        # Its arrays share their data freely.
        return False

    def may_overlap(self, x: Array, y: Array, /) -> bool:
        return _host.may_overlap(self._unwrap(x), self._unwrap(y))

    def self_overlaps(self, x: Array, /) -> bool:
        return _host.self_overlaps(self._unwrap(x))

    def view(self, x: Array, shape: tuple[int, ...], /) -> Array | None:
        seen = _host.view(self._unwrap(x), shape)
        return None if seen is None else self._wrap(seen)

    def as_strided(self, x: Array, shape: tuple[int, ...], strides: tuple[int, ...], /) -> Array:
        return self._wrap(_host.as_strided(self._unwrap(x), shape, strides))

    def reinterpret(self, x: Array, dtype: Any, /) -> Array:
        return self._wrap(_host.reinterpret(self._unwrap(x), self.np_dtype(dtype)))

    def view_as_real(self, x: Array, /) -> Array:
        return self._wrap(_host.view_as_real(self._unwrap(x)))

    def view_as_complex(self, x: Array, /) -> Array:
        return self._wrap(_host.view_as_complex(self._unwrap(x)))

    def is_contiguous(self, x: Array, /) -> bool:
        return _host.is_contiguous(self._unwrap(x))

    def strides(self, x: Array, /) -> tuple[int, ...]:
        return _host.strides(self._unwrap(x))


class StrictBackend:
    """Three fake devices."""

    type = "strict"
    indexed = True

    def __init__(self) -> None:
        self._namespaces: dict[int, Any] = {}

    def unavailable(self) -> str | None:
        if importlib.util.find_spec("array_api_strict") is None:
            return 'array-api-strict is not installed. To install it: pip install "gradcore[strict]"'
        return None

    def device_count(self) -> int:
        return len(DEVICES) if self.unavailable() is None else 0

    def current_index(self) -> int:
        return 0

    def namespace(self, index: int) -> Namespace:
        if index not in self._namespaces:
            import array_api_strict

            functions = StrictFunctions(array_api_strict, DEVICES[index])
            self._namespaces[index] = make_namespace(functions, array_api_strict)
        return self._namespaces[index]  # type: ignore[no-any-return]

    def large_namespace(self, index: int) -> tuple[Namespace, int] | None:
        return None

    def scope(self, index: int) -> Scope | None:
        return host.backend.scope(0)

    def is_native(self, obj: object) -> bool:
        cls = obj.__class__
        return cls.__name__ == "Array" and cls.__module__.partition(".")[0] == "array_api_strict"

    def index_of(self, array: Array) -> int:
        name = array.device._device
        if name not in DEVICES:
            raise ValueError(
                f"strict:0 to strict:2 are {', '.join(DEVICES)}; an array on {name} has no place among them"
            )
        return DEVICES.index(name)

    def from_numpy(self, array: np.ndarray[Any, Any], index: int) -> Array:
        # asarray would copy; with a dtype that strict lacks, _new raises the TypeError that says so.
        namespace: Any = self.namespace(index)
        return namespace.array_class._new(array, device=namespace.place)

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        # np.asarray works from the first device only, as it does on a GPU library.
        return array._array  # type: ignore[no-any-return]

    def synchronize(self, index: int) -> None:
        pass

    def memory_allocated(self, index: int) -> int:
        return 0

    def empty_cache(self, index: int) -> None:
        pass


backend: Backend = StrictBackend()
