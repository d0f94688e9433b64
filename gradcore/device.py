"""Devices: which array library serves which, and where new tensors go.

A :class:`device` is interned (``device("cuda:0") is device("cuda:0")``) and holds the array namespace bound to it, so
an operation finds its functions with one attribute access.
Backends are found by name: the built-in ones from a table, others through the entry-point group ``gradcore.backends``.
No array library but NumPy is imported before a device of its type is asked for.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ClassVar

from gradcore.backend import Backend, Namespace, Scope
from gradcore.dtypes import check_array_dtype
from gradcore.errors import DeviceError, DeviceUnavailableError

__all__ = ["backend_for", "device", "device_of", "get_default_device", "resolve", "set_default_device"]

ENVIRONMENT_VARIABLE = "GRADCORE_DEVICE"

_BUILT_IN = {
    "cpu": "gradcore_backends.numpy",
    "cuda": "gradcore_backends.cupy",
    "strict": "gradcore_backends.array_api_strict",
}
_backends: dict[str, Backend] = {}

# The devices of the ``with device(...)`` blocks around us, innermost first, as a linked list.
_scoped: ContextVar[tuple[device, Any] | None] = ContextVar("gradcore_device", default=None)
_program_default: device | None = None


class device:  # noqa: N801 - torch.device is spelled so
    """A place where tensors live and operations run: ``device("cpu")``, ``device("cuda", 1)``, ``device("cuda:1")``.

    As a context manager it is the default device of the block. Two devices are equal when type and index are; a device
    also equals the string that names it.

    Raises:
        DeviceError: (a RuntimeError) the string names no device.
    """

    # Set by _bind when the device is first resolved; every tensor's device is. Nothing here may be computed on access:
    # an operation reads five of these, and a class with __getattr__ would make each read slow.
    xp: Namespace
    large: Namespace
    large_from: float
    enter: Any
    leave: Any
    array_class: type
    floating: frozenset[Any]
    """The library's own dtype objects that are floating point or complex."""
    number: Callable[[float, Any], Any]
    backend: Backend
    type: str
    index: int | None
    level: Any = None
    """The function transform whose tensors live here; ``None`` for a real device."""

    _interned: ClassVar[dict[tuple[str, int | None], device]] = {}

    def __new__(cls, type: str | device, index: int | None = None) -> device:
        if isinstance(type, device):
            if index is not None:
                raise DeviceError(f"device index given twice: {type} and {index}")
            return type
        kind, parsed = _parse(type)
        if index is not None:
            if parsed is not None:
                raise DeviceError(f"device index given twice: {type!r} and {index}")
            if index < 0:
                raise DeviceError(f"Device index must be 0 or more, but got {index}")
            parsed = index
        key = (kind, parsed)
        found = cls._interned.get(key)
        if found is None:
            found = object.__new__(cls)
            found.type, found.index = key
            # Two threads may get here at once; the first one's device is everybody's.
            found = cls._interned.setdefault(key, found)
        return found

    @property
    def place(self) -> device:
        """The real device: this one, or that on which the tensors of a transform are in the end."""
        return self

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            try:
                other = device(other)
            except DeviceError:
                return False
        return self is other

    def __hash__(self) -> int:
        # That of the string, since a device equals the string that names it.
        return hash(str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return device, (str(self),)

    def __copy__(self) -> device:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> device:
        return self

    def __enter__(self) -> device:
        resolve(self)
        _scoped.set((self, _scoped.get()))
        return self

    def __exit__(self, *exc: object) -> None:
        entered = _scoped.get()
        assert entered is not None, "left a device that was not entered"
        _scoped.set(entered[1])


def resolve(where: str | int | device | None) -> device:
    """The usable device meant by ``where``: with its index, known to exist, its namespace bound.

    ``None`` is the default device, an integer a cuda device, ``"auto"`` cuda when there is one and cpu otherwise.

    Raises:
        DeviceError: ``where`` names no device.
        DeviceUnavailableError: the device cannot be used; the message says why and what mends it.
    """
    if where is None:
        return get_default_device()
    if isinstance(where, int):
        where = device("cuda", where)
    elif isinstance(where, str):
        if where == "auto":
            return _auto()
        where = device(where)
    elif not isinstance(where, device):
        raise TypeError(f"device must be a string, an int or a gradcore.device, but got {type(where).__name__}")
    if "backend" in where.__dict__:
        return where
    backend = backend_for(where.type)
    if not backend.indexed:
        if where.index not in (None, 0):
            raise DeviceUnavailableError(f"device {where} does not exist: there is one {where.type} device")
        where = device(where.type)
    elif where.index is None:
        reason = backend.unavailable()
        if reason is not None:
            raise DeviceUnavailableError(f"device '{where}' was asked for, but {reason}")
        where = device(where.type, backend.current_index())
    if "backend" not in where.__dict__:
        _bind(where)
    return where


def device_of(array: object) -> device | None:
    """The device of a raw array of a library that is in use, or ``None`` for any other object.

    Raises:
        TypeError: it is an array of text, objects or another dtype that no tensor can have.
    """
    for backend in (*_backends.values(), *(backend_for(t) for t in _BUILT_IN if t not in _backends)):
        if backend.is_native(array):
            if backend.type == "cpu":
                check_array_dtype(array.dtype)  # type: ignore[attr-defined]  # it is an array
            return resolve(device(backend.type, backend.index_of(array) if backend.indexed else None))
    return None


def get_default_device() -> device:
    """Where factories put tensors when no ``device=`` is given.

    The innermost ``with device(...)`` block; else what :func:`set_default_device` set; else the environment variable
    ``GRADCORE_DEVICE``; else cpu.
    """
    global _program_default
    scoped = _scoped.get()
    if scoped is not None:
        return resolve(scoped[0])
    if _program_default is None:
        _program_default = _from_environment()
    return _program_default


def set_default_device(where: str | int | device | None) -> None:
    """Set where factories put tensors when no ``device=`` is given; ``None`` goes back to ``GRADCORE_DEVICE``.

    Raises:
        DeviceError: as :func:`resolve`; the default stays what it was.
    """
    global _program_default
    _program_default = None if where is None else resolve(where)


def backend_for(type: str) -> Backend:
    """The backend that serves a device type.

    Raises:
        DeviceError: no backend serves that type.
    """
    found = _backends.get(type)
    if found is None:
        module = _BUILT_IN.get(type)
        found = importlib.import_module(module).backend if module is not None else _from_entry_points(type)
        _backends[type] = found
    return found


def _parse(text: str) -> tuple[str, int | None]:
    if not isinstance(text, str):
        raise TypeError(f"device must be a string such as 'cuda:1', but got {type(text).__name__}")
    kind, colon, index = text.partition(":")
    if colon and not (index.isascii() and index.isdigit()):
        raise DeviceError(f"Invalid device string: {text!r} (expected a type and an index, as in 'cuda:1')")
    if kind not in _BUILT_IN and kind not in _backends:
        _from_entry_points(kind, text)
    return kind, int(index) if colon else None


def _from_entry_points(type: str, text: str | None = None) -> Backend:
    # importlib.metadata costs 20 ms to import and the scan about 1 ms, so only an unknown name pays for it.
    from importlib.metadata import entry_points

    found = {e.name: e for e in entry_points(group="gradcore.backends")}
    if type not in found:
        known = ", ".join(sorted({*_BUILT_IN, *found, *_backends}))
        raise DeviceError(
            f"Invalid device string: {text or type!r}. Device types known here: {known} (and 'auto', where a device "
            "is chosen). A package may add its own through the entry-point group 'gradcore.backends'"
        )
    backend: Backend = found[type].load()
    _backends[type] = backend
    return backend


def _from_environment() -> device:
    text = os.environ.get(ENVIRONMENT_VARIABLE, "").strip()
    if not text:
        return resolve("cpu")
    try:
        return resolve(text)
    except DeviceError as e:
        raise type(e)(f"the environment variable {ENVIRONMENT_VARIABLE}={text!r}: {e}") from None


def _auto() -> device:
    cuda = backend_for("cuda")
    return resolve("cuda" if cuda.unavailable() is None else "cpu")


def _bind(where: device) -> None:
    """Check that a device exists and attach its namespace."""
    backend = backend_for(where.type)
    reason = backend.unavailable()
    if reason is not None:
        raise DeviceUnavailableError(f"device '{where}' was asked for, but {reason}")
    index = where.index or 0
    count = backend.device_count()
    if index >= count:
        which = f"{where.type}:0" if count == 1 else f"{where.type}:0 to {where.type}:{count - 1}"
        noun = "device is" if count == 1 else "devices are"
        raise DeviceUnavailableError(f"device '{where}' does not exist: {count} {where.type} {noun} visible ({which})")
    xp = backend.namespace(index)
    xp.device = where
    where.xp = where.large = xp
    where.large_from = float("inf")
    large = backend.large_namespace(index)
    if large is not None:
        where.large, where.large_from = large
        where.large.device = where
    scope: Scope | None = backend.scope(index)
    where.enter, where.leave = scope if scope is not None else (_nothing, _nothing)
    where.array_class = xp.array_class
    where.floating = frozenset(xp.empty((0,), dtype=d).dtype for d in xp.floating_dtypes)
    where.number = xp.number
    where.backend = backend


def _nothing(token: Any = None) -> None:
    """The scope of a device that needs none."""
