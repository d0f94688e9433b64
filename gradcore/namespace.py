"""The namespace that rules get when a backward is recorded: the standard's names, on tensors.

Under ``create_graph`` a derivative rule runs on tensors. Whatever it calls as ``xp.<name>`` is found here: operations
that named themselves with ``standard=``, and creation functions bound to the device, as in a backend's namespace.
"""

from __future__ import annotations

import importlib
import operator
from typing import Any

from gradcore import dtypes
from gradcore.op import STANDARD, bind, wrap

__all__ = ["CREATION", "EXTENSIONS", "Extension", "TensorNamespace", "constant", "on_tensors", "tensor_namespace"]

CREATION = ("arange", "empty", "eye", "full", "linspace", "ones", "zeros")
EXTENSIONS = ("fft", "linalg")
"""The extension modules of the standard; an operation names itself ``standard="linalg.solve"``."""


class TensorNamespace:
    """The standard's functions on the tensors of one device."""

    def __init__(self, xp: Any) -> None:
        self.device = xp.device
        self.raw = xp
        for name in CREATION:
            setattr(self, name, on_tensors(getattr(xp, name), xp.device))

    def __getattr__(self, name: str) -> Any:
        if name in EXTENSIONS:
            return Extension(self, name)
        # Found once, then an ordinary attribute.
        found = STANDARD.get(name)
        if found is None:
            found = constant(self.raw, name)
        setattr(self, name, found)
        return found

    def asarray(self, value: Any, /, *, dtype: Any = None) -> Any:
        """A tensor of a Python number or a tensor."""
        if hasattr(value, "_data"):
            return value if dtype is None else STANDARD["astype"](value, dtype)
        return wrap(self.raw.asarray(value, dtype=dtype), self.device)

    def zeros_like(self, x: Any, /, *, dtype: Any = None) -> Any:
        """Zeros of the shape of ``x``."""
        return self.zeros(x.shape, dtype=x.dtype if dtype is None else dtype)

    def ones_like(self, x: Any, /, *, dtype: Any = None) -> Any:
        """Ones of the shape of ``x``."""
        return self.ones(x.shape, dtype=x.dtype if dtype is None else dtype)

    def number(self, value: Any, dtype: Any, /) -> Any:
        """A Python number beside tensors; each operation hands it to the library as is best."""
        return value

    def np_dtype(self, dtype: Any) -> dtypes.DType:
        """NumPy's dtype object; a tensor's dtype is one already."""
        return self.raw.np_dtype(dtype)  # type: ignore[no-any-return]


class Extension:
    """An extension module of the standard, on tensors: ``xp.linalg.solve`` is the operation called ``"linalg.solve"``.

    It refers to its namespace and is not kept there: that would be a reference cycle.
    """

    def __init__(self, namespace: TensorNamespace, name: str) -> None:
        importlib.import_module(f"gradcore.{name}")  # whose operations are not known before
        self._namespace, self._name = namespace, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._namespace, f"{self._name}.{name}")


_namespaces: dict[int, TensorNamespace] = {}


def tensor_namespace(xp: Any) -> TensorNamespace:
    """The namespace of tensors for a backend's namespace."""
    if xp.device.level is not None:
        return TensorNamespace(xp)  # that of a function transform, which does not last
    found = _namespaces.get(id(xp))
    if found is None:
        found = _namespaces.setdefault(id(xp), TensorNamespace(xp))
    return found


def constant(xp: Any, name: str) -> Any:
    """What is no function in a namespace: a dtype, a number.

    Raises:
        NotImplementedError: it is a function, and so none that works on tensors.
    """
    found = operator.attrgetter(name)(xp)
    if callable(found) and not isinstance(found, type):
        raise NotImplementedError(
            f"a derivative rule calls xp.{name}, which no operation offers on tensors: derivatives of second order through "
            "this rule are not possible yet"
        )
    return found


def on_tensors(create: Any, where: Any) -> Any:
    """A creation function of arrays as one of tensors on a device."""

    def made(*args: Any, **kwargs: Any) -> Any:
        return wrap(create(*args, **kwargs), where)

    return made


bind(tensor_namespace=tensor_namespace)
