"""The Tensor: what a user holds.

A tensor is an array on a device, and its place in the recorded graph. This file holds its state and its conversions;
``methods.py`` has the operations, one line each.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes, printing, watch
from gradcore.device import device, resolve
from gradcore.grad_mode import current_mode, is_grad_enabled, is_inference_mode_enabled
from gradcore.graph import LEAF, NO_VERSIONS, OWN_DTYPE, Cut, Node, RemovableHandle, hooks_of, node_of, output_nr
from gradcore.inplace import bump, replace_memory
from gradcore.methods import Operations
from gradcore.op import RUNTIME, bind
from gradcore.size import Size
from gradcore.view import requires_grad, sync

if TYPE_CHECKING:
    import weakref

    from gradcore.backend import Array

__all__ = ["Tensor", "wrap"]

new = object.__new__


class Tensor(Operations):
    """An array on a device that remembers how it was computed.

    ``Tensor(data)`` copies ``data`` into the default dtype, as in PyTorch; use :func:`gradcore.tensor`.
    """

    # State that most tensors do not have stands here as class attributes: making a tensor then sets two attributes.
    _data: Array
    _device: device
    _req: bool = False
    """Whether it requires grad. For a view, :func:`gradcore.view.sync` first."""
    _edge: Any = None
    """Where its gradient goes: a node, a slot; ``None`` for a leaf."""
    _cell: list[int] | None = None
    """The count of writes, shared with all views and with ``detach()``; ``None``: none of these yet, and no write."""
    _view: Any = None
    """How it is a view of its base (:class:`gradcore.view.View`); ``None`` for a tensor with memory of its own."""
    _grad: Tensor | None = None
    _grad_was_given: bool = False
    """Whether ``.grad`` was ever assigned; the engine makes no overlapping one itself."""
    _hooks: Any = None
    """Hooks of a leaf; those of other tensors stand at their node."""
    _retains: bool = False
    _reshaped: tuple[Any, ...] = ()
    """For each time that it was given another shape in place, the step back; ``None``: other memory, there is none."""
    _replaced_at: int = -1
    """When it was given other memory last, as a number in the order of nodes."""
    _tangent: Any = None
    """The level of forward mode at which it has a tangent, and the tangent."""
    _accumulator: weakref.ref[Any] | None = None
    _seq: int = LEAF
    """A leaf is its own edge in the graph."""

    def __new__(cls, data: Any = (), *, device: Any = None) -> Tensor:
        from gradcore.ops.creation import tensor

        made = tensor(data, dtype=dtypes.get_default_dtype(), device=device)
        self = new(cls)
        self._data, self._device = made._data, made._device
        return self

    def _like(self, raw: Array) -> Tensor:
        """Another tensor on the same device."""
        return wrap(raw, self._device)

    def _zeros(self, shape: Sequence[int]) -> Tensor:
        """Zeros of another shape, of the same dtype and device."""
        return wrap(self._device.xp.zeros(tuple(shape), dtype=self.dtype), self._device)

    # What it is.

    @property
    def dtype(self) -> dtypes.DType:
        """The dtype of the elements, a NumPy dtype object on every device."""
        dtype = self._data.dtype
        return dtype if dtype.__class__ is not None and isinstance(dtype, np.dtype) else self._device.xp.np_dtype(dtype)

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return Size(self._data.shape)

    @property
    def device(self) -> device:
        """Where the data lives and operations on it run."""
        return self._device.place

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._data.shape)

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self._data.shape)

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self._data.shape)

    nelement = numel

    @property
    def size(self) -> Any:
        """The number of elements (as in the Array API); called, the sizes (as in PyTorch): ``x.size()``, ``x.size(0)``."""
        return _Elements(self)

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self.dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps between elements along each dimension, in elements."""
        strides = self._device.xp.strides(self._data)
        return strides if dim is None else strides[dim]

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in row-major order, without gaps."""
        return self._device.xp.is_contiguous(self._data)

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating-point one."""
        return dtypes.category(self.dtype) == 2

    def is_complex(self) -> bool:
        """Whether the dtype is complex."""
        return dtypes.category(self.dtype) == 3

    def is_signed(self) -> bool:
        """Whether the dtype can hold negative numbers."""
        return self.dtype.kind not in "bu"

    @property
    def is_cuda(self) -> bool:
        """Whether it lives on a cuda device."""
        return self._device.type == "cuda"

    @property
    def is_cpu(self) -> bool:
        """Whether it lives on the cpu."""
        return self._device.type == "cpu"

    # Its place in the graph.

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded. May be assigned on a leaf. A view requires grad if its base does."""
        return self._req if self._view is None else requires_grad(self)

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        if not isinstance(flag, bool):
            raise RuntimeError(  # noqa: TRY004 - PyTorch's class
                f"requires_grad must be a bool, but got {type(flag).__name__}"
            )
        if not self._has_no_history():
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if flag and dtypes.category(self.dtype) < 2:
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients, but this one has dtype "
                f"{dtypes.dtype_name(self.dtype)}; convert it first, with .float()"
            )
        if flag and self._cell is NO_VERSIONS and not is_inference_mode_enabled():
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed. Use a clone() of it, "
                "which is a normal tensor"
            )
        if not flag and self._req and watch.watched():
            watch.note_switched_off(self)
        self._req = flag
        if self._edge is not None:  # a view that had no say of its own
            self._edge = None

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool, it cannot be deleted")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` of a leaf, and return the tensor itself.

        Raises:
            TypeError: the flag is no bool.
            RuntimeError: ``False`` for a tensor that is not a leaf, or ``True`` for integers.
        """
        if not isinstance(requires_grad, bool):
            raise TypeError(
                f"requires_grad_(): argument 'requires_grad' (position 1) must be bool, not {type(requires_grad).__name__}"
            )
        if requires_grad and dtypes.category(self.dtype) < 2:
            raise RuntimeError(
                "only Tensors of floating point dtype can require gradients, but this one has dtype "
                f"{dtypes.dtype_name(self.dtype)}; convert it first, with .float()"
            )
        if not (requires_grad and not self._has_no_history()):
            self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it. A leaf that requires grad gets a ``.grad`` in backward."""
        if self._view is not None:
            sync(self, shown=True)
        return self._has_no_history()

    def _has_no_history(self) -> bool:
        """Whether it is a leaf, as far as one can tell without renewing the history of a view."""
        return self._edge is None or self._edge.__class__ is Cut

    @property
    def grad_fn(self) -> Node | None:
        """The recorded operation that made it; ``None`` for a leaf.

        Raises:
            RuntimeError: the history of a view cannot be renewed after a write to what it shows.
        """
        if self._view is not None:
            sync(self, shown=True)
        return None if self._edge is None or self._edge.__class__ is Cut else node_of(self._edge)

    @property
    def output_nr(self) -> int:
        """Which output of ``grad_fn`` it is."""
        return output_nr(self._edge)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward has accumulated; ``None`` before the first.

        Only leaves get one, and tensors for which :meth:`retain_grad` was called.
        """
        if self._grad is None and self._edge is not None and not self._retains and self._edge.__class__ is not Cut:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                f"won't be populated during autograd.backward(). It was made by {node_of(self._edge).name()}. If you "
                "indeed want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf "
                "Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead.",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is None:
            self._grad = None
            return
        if not isinstance(value, Tensor):
            raise TypeError(
                f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
            )
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        expected = self._grad_dtype()
        if expected is not None and value.dtype != expected:
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{dtypes.dtype_name(value.dtype)}' to a tensor with "
                f"grad_dtype '{dtypes.dtype_name(expected)}'. The gradient must match the tensor's grad_dtype: cast it with "
                ".to(dtype)"
            )
        if value._device is not self._device:
            raise RuntimeError(
                f"attempting to assign a gradient with device type '{value._device}' to a tensor with device type "
                f"'{self._device}'. Please ensure that the gradient and the tensor are on the same device"
            )
        if value._data.shape != self._data.shape:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
            )
        self._grad = value
        self._grad_was_given = True

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def grad_dtype(self) -> dtypes.DType | None:
        """The dtype in which a leaf's gradient is computed and kept: the leaf's own until it is set; ``None`` for any.

        Raises:
            RuntimeError: on a tensor that is not a leaf; set while there is a gradient of another dtype.
        """
        if not self.is_leaf:
            raise RuntimeError(f"grad_dtype can only be accessed on leaf tensors. {self._made_by()}")
        return self._grad_dtype()

    @grad_dtype.setter
    def grad_dtype(self, dtype: Any) -> None:
        if not self.is_leaf:
            raise RuntimeError(f"grad_dtype can only be set on leaf tensors. {self._made_by()}")
        if dtype is not None and not isinstance(dtype, np.dtype):
            raise RuntimeError(f"grad_dtype must be a gradcore.dtype or None, but got {type(dtype).__name__}")
        if dtype is not None and dtypes.category(dtype) < 2:
            raise RuntimeError(
                f"grad_dtype must be a floating point or complex dtype, but got {dtypes.dtype_name(dtype)}: gradients are "
                "never integers"
            )
        if dtype is not None and self._grad is not None and self._grad.dtype != dtype:
            raise RuntimeError(
                f"Cannot set grad_dtype to '{dtypes.dtype_name(dtype)}' because there is already a gradient with dtype "
                f"'{dtypes.dtype_name(self._grad.dtype)}'. Please clear the gradient (.grad = None) before changing grad_dtype"
            )
        hooks_of(self).grad_dtype = dtype

    def _grad_dtype(self) -> dtypes.DType | None:
        wanted: Any = OWN_DTYPE if self._edge is not None or self._hooks is None else self._hooks.grad_dtype
        return self.dtype if wanted is OWN_DTYPE else wanted

    def _made_by(self) -> str:
        return f"This one was made by {node_of(self._edge).name()}"

    def retain_grad(self) -> None:
        """Let a tensor that is not a leaf keep its gradient in ``.grad``, too.

        Raises:
            RuntimeError: it does not require grad.
        """
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if not (self._retains or self._has_no_history() or self.is_leaf):
            self._retains = True
            self._retain_on_edge()

    def _retain_on_edge(self) -> None:
        import weakref

        hooks_of(node_of(self._edge)).retain[output_nr(self._edge)] = weakref.ref(self)

    @property
    def retains_grad(self) -> bool:
        """Whether :meth:`retain_grad` was called on it while it was no leaf."""
        return self._retains

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(grad)`` whenever the gradient of this tensor has been computed; a tensor returned replaces it.

        Raises:
            RuntimeError: it does not require grad.
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        holder = self if self.is_leaf else node_of(self._edge)
        return hooks_of(holder).add_tensor_hook(output_nr(self._edge), hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``hook(tensor)`` after a gradient was added to ``.grad`` of this leaf.

        Raises:
            RuntimeError: it does not require grad, or is not a leaf.
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if not self.is_leaf:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return hooks_of(self).add("accumulated", hook)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Compute the gradients of the leaves from which this tensor was computed, and add them to their ``.grad``.

        Args:
            gradient: the gradient of this tensor, of its shape; may be left out for a single real number.
            retain_graph: keep the graph for another backward. Default: the value of ``create_graph``.
            create_graph: record the computation of the gradients, for derivatives of higher order.
            inputs: accumulate only into these tensors.

        Raises:
            RuntimeError: the tensor does not require grad; no gradient given where one is needed, or one of another
                shape; the graph was freed by an earlier backward; a saved tensor was modified in place.
        """
        RUNTIME["backward"](self, gradient, retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        """The same data outside the graph; it shares memory and the count of writes."""
        if self._device.level is not None:
            return self._device.level.detach(self)  # type: ignore[no-any-return]
        looking = current_mode().anomaly is not None
        if looking:
            watch.watch_cell(self)
        out = wrap(self._data, self._device)
        if self._cell is None:
            self._cell = [0]
        out._cell = self._cell
        if looking:
            watch.note_made(out, "detach", (self,), "it leaves the history behind")
        return out

    def detach_(self) -> Tensor:
        """Take this tensor out of the graph: it becomes a leaf that does not require grad.

        Raises:
            RuntimeError: it is a view.
        """
        if self._view is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        if watch.watched():
            watch.note_made(self, "detach_", (self,), "it drops the history", cut=True)
        self._edge = None
        self._req = False
        self._retains = False
        return self

    @property
    def data(self) -> Tensor:
        """The same data outside the graph, *without* the count of writes: gradcore cannot see what you write to it."""
        out = wrap(self._data, self._device)
        if self._cell is NO_VERSIONS:
            out._cell = NO_VERSIONS
        if current_mode().anomaly is not None:
            watch.note_made(out, ".data", (self,), "it leaves the history behind")
        return out

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self._req and dtypes.category(value.dtype) < 2:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype, but got "
                f"{dtypes.dtype_name(value.dtype)}"
            )
        replace_memory(self, value._data)
        self._device = value._device

    @property
    def _version(self) -> int:
        if self._cell is NO_VERSIONS:
            raise RuntimeError(
                "Inference tensors do not track version counter: this one was made in inference mode. A clone() of it does"
            )
        return 0 if self._cell is None else self._cell[0]

    @property
    def _base(self) -> Tensor | None:
        return None if self._view is None else self._view.base

    def is_inference(self) -> bool:
        """Whether it was made in inference mode, or is a view of a tensor that was."""
        return self._cell is NO_VERSIONS

    def _is_view(self) -> bool:
        return self._view is not None

    # Ways out: to Python and NumPy. Those that would lose a gradient say so.

    def item(self) -> Any:
        """The one element as a Python number.

        Raises:
            RuntimeError: there is not exactly one element.
        """
        if self.numel() != 1:
            raise RuntimeError(
                f"a Tensor with {self.numel()} elements cannot be converted to Scalar (shape {list(self.shape)})"
            )
        if self._device.level is not None:
            return self._device.level.element(self, "item")
        return self._to_host("item()").item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers; a number for a 0-d tensor."""
        return self._to_host("tolist()").tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The data as a NumPy array that shares memory with this tensor.

        Args:
            force: also detach, and copy to the cpu, where that is needed.

        Raises:
            RuntimeError: the tensor requires grad (outside ``no_grad``).
            TypeError: it is not on the cpu.
        """
        if force:
            return self._to_host("numpy()")
        if self.requires_grad and is_grad_enabled():
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead: NumPy records no "
                "operations, so the gradient would be lost"
            )
        if self._device.type != "cpu":
            raise TypeError(
                f"can't convert {self._device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        return self._to_host("numpy()")

    def _to_host(self, method: str) -> np.ndarray[Any, Any]:
        if current_mode().anomaly is not None:
            watch.note_left(self, method)
        return self._device.backend.to_numpy(self._data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"a copy is needed to make a {dtype} array of a {array.dtype} tensor")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self._data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self._data.__dlpack_device__()  # type: ignore[no-any-return]

    def __float__(self) -> float:
        return float(self._scalar("float"))

    def __int__(self) -> int:
        return int(self._only_element())

    def __complex__(self) -> complex:
        return complex(self._scalar("complex"))

    def __index__(self) -> int:
        if dtypes.category(self.dtype) > 1 or self.numel() != 1:
            raise TypeError(
                f"only integer tensors of a single element can be converted to an index, but got {list(self.shape)} of "
                f"{dtypes.dtype_name(self.dtype)}"
            )
        return int(self.item())

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError(
                f"Boolean value of Tensor with {'no' if self.numel() == 0 else 'more than one'} value"
                f"{'s' if self.numel() == 0 else ''} is ambiguous: use .any() or .all()"
            )
        if self._device.level is not None:
            return bool(self._device.level.element(self, "bool"))
        return bool(self.item())

    def _only_element(self) -> Any:
        if self.numel() != 1:
            raise ValueError(f"only one element tensors can be converted to Python scalars, but got {list(self.shape)}")
        return self.item()

    def _scalar(self, kind: str) -> Any:
        element = self._only_element()
        if self.requires_grad and is_grad_enabled():
            warnings.warn(
                f"Converting a tensor with requires_grad=True to a scalar ({kind}) loses its gradient. Consider using "
                "tensor.detach() first.",
                UserWarning,
                stacklevel=3,
            )
        return element

    def __len__(self) -> int:
        if not self._data.shape:
            raise TypeError("len() of a 0-d tensor")
        return int(self._data.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self, element: Any) -> bool:
        if isinstance(element, (Tensor, bool, int, float, complex)):
            return bool((self == element).any())
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element).__name__}."
        )

    def __hash__(self) -> int:
        return id(self)

    def __format__(self, spec: str) -> str:
        if not self._data.shape:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __repr__(self) -> str:
        if self._device.level is not None:
            return self._device.level.describe(self)  # type: ignore[no-any-return]
        dual = current_mode().dual
        tangent = None if dual is None else RUNTIME["tangent_of"](self, dual)
        return printing.describe(
            self._data,
            fetch=self._device.backend.to_numpy,
            device=None if self._device.type == "cpu" else str(self._device),
            grad_fn_name=self._grad_fn_name(),
            requires_grad=self.requires_grad,
            tangent=None if tangent is None else repr(tangent),
            default_dtype=dtypes.get_default_dtype(),
        )

    def _grad_fn_name(self) -> str | None:
        try:
            node = self.grad_fn
        except RuntimeError:
            return "Invalid"  # a view that cannot be renewed after a write
        return None if node is None else type(node).__name__

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                f"moment; this one was made by {node_of(self._edge).name()}. Copy detach() of it, or clone() it"
            )
        import copy

        if id(self) in memo:
            return memo[id(self)]  # type: ignore[no-any-return]
        made = new(type(self))
        memo[id(self)] = made
        made.__dict__.update({k: copy.deepcopy(v, memo) for k, v in self.__dict__.items() if k not in _NOT_COPIED})
        made._data = self._device.xp.copy_like(self._data, self._data)
        made._device = self._device
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A tensor comes back as a leaf, without its .grad, with the user's attributes, as in PyTorch.
        host = np.array(self._device.backend.to_numpy(self._data))
        return _rebuild_pickled, (type(self), host, str(self._device), self.requires_grad), self._attributes()

    def __copy__(self) -> Tensor:
        # A leaf on the same memory, as in PyTorch; it shares the count of writes, too.
        out = self.detach()
        out.__class__ = type(self)
        out._req = self.requires_grad
        out.__dict__.update(self._attributes() or {})
        return out

    def _attributes(self) -> dict[str, Any] | None:
        """What the user set on the tensor."""
        return {k: v for k, v in self.__dict__.items() if k not in _STATE} or None


_NOT_COPIED = ("_data", "_device", "_cell", "_view", "_hooks", "_accumulator")
_STATE = (*_NOT_COPIED, "_req", "_edge", "_grad", "_grad_was_given", "_retains", "_reshaped", "_replaced_at")


class _Elements(int):
    """The number of elements; called, the sizes."""

    _sizes: Size

    def __new__(cls, tensor: Tensor) -> _Elements:
        self = super().__new__(cls, tensor.numel())
        self._sizes = tensor.shape
        return self

    def __call__(self, dim: int | None = None) -> Any:
        return self._sizes if dim is None else self._sizes[dim]


def wrap(raw: Array, where: device) -> Tensor:
    """A new tensor of an array on a device, without history."""
    out: Tensor = new(Tensor)
    out._data = raw
    out._device = where
    return out


def rebuild(node: Node, nr: int | None, raw: Array, cell: list[int]) -> Tensor:
    """The output of a node as a tensor again: nodes keep the data of their outputs only, so that no cycle holds them.

    ``nr`` is its number, -1 where there is but one output, ``None`` for one without a gradient (indices).
    """
    from gradcore.graph import Slot

    out = wrap(raw, node._xp.device)
    out._cell = cell
    if nr is not None:
        out._edge = node if nr < 0 else Slot(node, nr, raw.shape, raw.dtype)
        out._req = True
    if cell.__class__ is not list:
        out._tangent = getattr(cell, "tangent", None)
    return out


def _rebuild_pickled(cls: type[Tensor], host: np.ndarray[Any, Any], where: str, requires_grad: bool) -> Tensor:
    place = resolve(where)
    self = new(cls)
    self._data, self._device = place.backend.from_numpy(host, place.index or 0), place
    self._req = requires_grad
    return self


bind(Tensor=Tensor, wrap=wrap, rebuild=rebuild, bump=bump)
