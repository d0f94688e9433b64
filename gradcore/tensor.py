"""The Tensor: what a user holds.

A tensor is an array on a device, and its place in the recorded graph. This file holds its state and its conversions;
every operation on it is one line below, and lives in ``gradcore/ops``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes, printing, random
from gradcore.device import device, device_of, resolve
from gradcore.grad_mode import current_mode, is_grad_enabled
from gradcore.graph import LEAF, Node, RemovableHandle, hooks_of, node_of, output_nr
from gradcore.op import RUNTIME, bind
from gradcore.ops import (
    activation,
    arithmetic,
    assignment,
    bounds,
    cast,
    comparison,
    complex_numbers,
    cumulative,
    elementwise,
    extremum,
    gathering,
    indexing,
    joining,
    masking,
    matmul,
    products,
    rearranging,
    reduction,
    softmax,
    sorting,
    special,
)
from gradcore.ops import shape as shape_ops
from gradcore.size import Size
from gradcore.view import bump, check_inplace, sync

if TYPE_CHECKING:
    import weakref

    from gradcore.backend import Array

__all__ = ["Tensor", "wrap"]

new = object.__new__


class Tensor:
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
    _detached_at: int | None = None
    """The version at which ``detach_`` was called last."""
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
        return self._device

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
        expected = 1
        for n, step in zip(reversed(self._data.shape), reversed(self.stride()), strict=True):
            if n != 1 and step != expected:
                return self.numel() == 0
            expected *= n
        return True

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
        """Whether operations on it are recorded. May be assigned on a leaf."""
        if self._view is not None:
            sync(self)
        return self._req

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        if not isinstance(flag, bool):
            raise RuntimeError(f"requires_grad must be a bool, but got {type(flag).__name__}")
        if not self.is_leaf:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if flag and dtypes.category(self.dtype) < 2:
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients, but this one has dtype "
                f"{dtypes.dtype_name(self.dtype)}; convert it first, with .float()"
            )
        self._req = flag

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool, it cannot be deleted")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` of a leaf, and return the tensor itself.

        Raises:
            RuntimeError: ``False`` for a tensor that is not a leaf, or ``True`` for integers.
        """
        if requires_grad and dtypes.category(self.dtype) < 2:
            raise RuntimeError(
                "only Tensors of floating point dtype can require gradients, but this one has dtype "
                f"{dtypes.dtype_name(self.dtype)}; convert it first, with .float()"
            )
        if not (requires_grad and self.requires_grad):
            self.requires_grad = bool(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it. A leaf that requires grad gets a ``.grad`` in backward."""
        if self._view is not None:
            sync(self)
        return self._edge is None

    @property
    def grad_fn(self) -> Node | None:
        """The recorded operation that made it; ``None`` for a leaf."""
        if self._view is not None:
            sync(self)
        return None if self._edge is None else node_of(self._edge)

    @property
    def output_nr(self) -> int:
        """Which output of ``grad_fn`` it is."""
        return output_nr(self._edge)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward has accumulated; ``None`` before the first.

        Only leaves get one, and tensors for which :meth:`retain_grad` was called.
        """
        if self._grad is None and self._edge is not None and not self._retains:
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
            raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}")
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if value.dtype != self.dtype:
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{dtypes.dtype_name(value.dtype)}' to a tensor with "
                f"grad_dtype '{dtypes.dtype_name(self.dtype)}'. The gradient must match the tensor's dtype: cast it with "
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

    def retain_grad(self) -> None:
        """Let a tensor that is not a leaf keep its gradient in ``.grad``, too.

        Raises:
            RuntimeError: it does not require grad.
        """
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._edge is not None and not self._retains:
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
        holder = self if self._edge is None else node_of(self._edge)
        return hooks_of(holder).add_tensor_hook(output_nr(self._edge), hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``hook(tensor)`` after a gradient was added to ``.grad`` of this leaf.

        Raises:
            RuntimeError: it does not require grad, or is not a leaf.
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self._edge is not None:
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
        out = wrap(self._data, self._device)
        if self._cell is None:
            self._cell = [0]
        out._cell = self._cell
        return out

    def detach_(self) -> Tensor:
        """Take this tensor out of the graph: it becomes a leaf that does not require grad.

        Raises:
            RuntimeError: it is a view.
        """
        if self._view is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self._edge = None
        self._req = False
        self._retains = False
        self._detached_at = self._version
        return self

    @property
    def data(self) -> Tensor:
        """The same data outside the graph, *without* the count of writes: gradcore cannot see what you write to it."""
        return wrap(self._data, self._device)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self._req and dtypes.category(value.dtype) < 2:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype, but got "
                f"{dtypes.dtype_name(value.dtype)}"
            )
        self._data, self._device = value._data, value._device

    @property
    def _version(self) -> int:
        return 0 if self._cell is None else self._cell[0]

    @property
    def _base(self) -> Tensor | None:
        return None if self._view is None else self._view.base

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
        return self._device.backend.to_numpy(self._data).item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers; a number for a 0-d tensor."""
        return self._device.backend.to_numpy(self._data).tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The data as a NumPy array that shares memory with this tensor.

        Args:
            force: also detach, and copy to the cpu, where that is needed.

        Raises:
            RuntimeError: the tensor requires grad (outside ``no_grad``).
            TypeError: it is not on the cpu.
        """
        if force:
            return self._device.backend.to_numpy(self._data)
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
        if self._view is not None:
            sync(self)
        return printing.describe(
            self._data,
            fetch=self._device.backend.to_numpy,
            device=None if self._device.type == "cpu" else str(self._device),
            grad_fn_name=None if self._edge is None else type(node_of(self._edge)).__name__,
            requires_grad=self._req,
            default_dtype=dtypes.get_default_dtype(),
        )

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


    # The operations. One line each: they live in gradcore/ops, in the file that the heading names.

    # random.py
    uniform_ = random.uniform_
    normal_ = random.normal_

    # ops/activation.py
    relu = activation.relu
    relu_ = activation.relu.inplace
    sigmoid = activation.sigmoid
    sigmoid_ = activation.sigmoid.inplace
    prelu = activation.prelu
    hardshrink = activation.hardshrink

    # ops/arithmetic.py
    add = arithmetic.add
    add_ = arithmetic.add.inplace
    sub = arithmetic.sub
    sub_ = arithmetic.sub.inplace
    mul = arithmetic.mul
    mul_ = arithmetic.mul.inplace
    div = arithmetic.div
    div_ = arithmetic.div_
    divide = arithmetic.div
    divide_ = arithmetic.div_
    addcmul = arithmetic.addcmul
    addcmul_ = arithmetic.addcmul.inplace
    addcdiv = arithmetic.addcdiv
    addcdiv_ = arithmetic.addcdiv.inplace
    lerp = arithmetic.lerp
    lerp_ = arithmetic.lerp_
    remainder = arithmetic.remainder
    remainder_ = arithmetic.remainder_
    fmod = arithmetic.fmod
    fmod_ = arithmetic.fmod_
    pow = arithmetic.pow
    pow_ = arithmetic.pow_
    square = arithmetic.square
    square_ = arithmetic.square_
    floor_divide = arithmetic.floor_divide
    floor_divide_ = arithmetic.floor_divide.inplace
    neg = arithmetic.neg
    neg_ = arithmetic.neg.inplace
    reciprocal = arithmetic.reciprocal
    reciprocal_ = arithmetic.reciprocal.inplace
    positive = arithmetic.positive
    negative = arithmetic.neg
    negative_ = arithmetic.neg.inplace
    multiply = arithmetic.mul
    multiply_ = arithmetic.mul.inplace
    subtract = arithmetic.sub
    subtract_ = arithmetic.sub.inplace
    true_divide = arithmetic.true_divide
    true_divide_ = arithmetic.true_divide.inplace
    __array_ufunc__ = None
    """NumPy leaves operators to the tensor, and refuses to compute with it where a gradient would be lost."""
    __add__ = arithmetic.add.operator
    __radd__ = arithmetic.radd_operator
    __iadd__ = arithmetic.add.inplace
    __sub__ = arithmetic.sub.operator
    __rsub__ = arithmetic.rsub_operator
    __isub__ = arithmetic.sub.inplace
    __mul__ = arithmetic.mul.operator
    __rmul__ = arithmetic.rmul_operator
    __imul__ = arithmetic.mul.inplace
    __truediv__ = arithmetic.true_divide.operator
    __rtruediv__ = arithmetic.rtruediv_operator
    __itruediv__ = arithmetic.true_divide.inplace
    __floordiv__ = arithmetic.floor_divide.operator
    __rfloordiv__ = arithmetic.rfloordiv_operator
    __ifloordiv__ = arithmetic.floor_divide.inplace
    __mod__ = arithmetic.mod_operator
    __rmod__ = arithmetic.rmod_operator
    __imod__ = arithmetic.remainder_
    __pow__ = arithmetic.pow_operator
    __rpow__ = arithmetic.rpow_operator
    __ipow__ = arithmetic.pow_
    __neg__ = arithmetic.neg
    __pos__ = arithmetic.positive

    # ops/bounds.py
    clamp = clip = bounds.clamp
    clamp_ = clip_ = bounds.clamp_
    clamp_min = bounds.clamp_min
    clamp_min_ = bounds.clamp_min_
    clamp_max = bounds.clamp_max
    clamp_max_ = bounds.clamp_max_
    maximum = bounds.maximum
    minimum = bounds.minimum
    fmax = bounds.fmax
    fmin = bounds.fmin

    # ops/assignment.py
    copy_ = assignment.copy_
    fill_ = assignment.fill_
    zero_ = assignment.zero_

    # ops/cast.py
    to = cast.to
    clone = cast.clone
    cpu = cast.cpu
    cuda = cast.cuda
    type_as = cast.type_as
    double = cast.double
    float = cast.float_
    half = cast.half
    long = cast.long
    int = cast.int_
    short = cast.short
    byte = cast.byte
    char = cast.char
    bool = cast.bool_
    cfloat = cast.cfloat
    cdouble = cast.cdouble

    # ops/comparison.py
    eq = comparison.eq
    eq_ = comparison.eq.inplace
    ne = comparison.ne
    ne_ = comparison.ne.inplace
    lt = comparison.lt
    lt_ = comparison.lt.inplace
    le = comparison.le
    le_ = comparison.le.inplace
    gt = comparison.gt
    gt_ = comparison.gt.inplace
    ge = comparison.ge
    ge_ = comparison.ge.inplace
    not_equal = comparison.ne
    not_equal_ = comparison.ne.inplace
    less = comparison.lt
    less_ = comparison.lt.inplace
    less_equal = comparison.le
    less_equal_ = comparison.le.inplace
    greater = comparison.gt
    greater_ = comparison.gt.inplace
    greater_equal = comparison.ge
    greater_equal_ = comparison.ge.inplace
    logical_and = comparison.logical_and
    logical_and_ = comparison.logical_and.inplace
    logical_or = comparison.logical_or
    logical_or_ = comparison.logical_or.inplace
    logical_xor = comparison.logical_xor
    logical_xor_ = comparison.logical_xor.inplace
    logical_not = comparison.logical_not
    logical_not_ = comparison.logical_not.inplace
    bitwise_and = comparison.bitwise_and
    bitwise_and_ = comparison.bitwise_and.inplace
    bitwise_or = comparison.bitwise_or
    bitwise_or_ = comparison.bitwise_or.inplace
    bitwise_xor = comparison.bitwise_xor
    bitwise_xor_ = comparison.bitwise_xor.inplace
    bitwise_not = comparison.bitwise_not
    bitwise_not_ = comparison.bitwise_not.inplace
    bitwise_left_shift = comparison.bitwise_left_shift
    bitwise_left_shift_ = comparison.bitwise_left_shift.inplace
    bitwise_right_shift = comparison.bitwise_right_shift
    bitwise_right_shift_ = comparison.bitwise_right_shift.inplace
    equal = comparison.equal
    isclose = comparison.isclose
    allclose = comparison.allclose
    isfinite = comparison.isfinite
    isinf = comparison.isinf
    isnan = comparison.isnan
    isneginf = comparison.isneginf
    isposinf = comparison.isposinf
    isreal = comparison.isreal
    signbit = comparison.signbit
    __eq__ = comparison.eq.operator
    __ne__ = comparison.ne.operator
    __lt__ = comparison.lt.operator
    __le__ = comparison.le.operator
    __gt__ = comparison.gt.operator
    __ge__ = comparison.ge.operator
    __and__ = comparison.bitwise_and.operator
    __rand__ = comparison.rand_operator
    __iand__ = comparison.bitwise_and.inplace
    __or__ = comparison.bitwise_or.operator
    __ror__ = comparison.ror_operator
    __ior__ = comparison.bitwise_or.inplace
    __xor__ = comparison.bitwise_xor.operator
    __rxor__ = comparison.rxor_operator
    __ixor__ = comparison.bitwise_xor.inplace
    __lshift__ = comparison.bitwise_left_shift.operator
    __rlshift__ = comparison.rlshift_operator
    __ilshift__ = comparison.bitwise_left_shift.inplace
    __rshift__ = comparison.bitwise_right_shift.operator
    __rrshift__ = comparison.rrshift_operator
    __irshift__ = comparison.bitwise_right_shift.inplace
    __invert__ = comparison.invert_operator

    # ops/complex_numbers.py
    real = property(complex_numbers.real)
    imag = property(complex_numbers.imag)
    conj = complex_numbers.conj
    angle = complex_numbers.angle
    sgn = complex_numbers.sgn
    sgn_ = complex_numbers.sgn.inplace

    # ops/cumulative.py
    cumsum = cumulative.cumsum
    cumsum_ = cumulative.cumsum_
    cumprod = cumulative.cumprod
    cumprod_ = cumulative.cumprod_

    # ops/elementwise.py
    round = elementwise.round
    round_ = elementwise.round_
    copysign = elementwise.copysign
    copysign_ = elementwise.copysign_
    atan2 = elementwise.atan2
    atan2_ = elementwise.atan2.inplace
    hypot = elementwise.hypot
    hypot_ = elementwise.hypot.inplace
    logaddexp = elementwise.logaddexp
    logaddexp2 = elementwise.logaddexp2
    abs = elementwise.abs
    abs_ = elementwise.abs.inplace
    acos = elementwise.acos
    acos_ = elementwise.acos.inplace
    acosh = elementwise.acosh
    acosh_ = elementwise.acosh.inplace
    asin = elementwise.asin
    asin_ = elementwise.asin.inplace
    asinh = elementwise.asinh
    asinh_ = elementwise.asinh.inplace
    atan = elementwise.atan
    atan_ = elementwise.atan.inplace
    atanh = elementwise.atanh
    atanh_ = elementwise.atanh.inplace
    ceil = elementwise.ceil
    ceil_ = elementwise.ceil.inplace
    cos = elementwise.cos
    cos_ = elementwise.cos.inplace
    cosh = elementwise.cosh
    cosh_ = elementwise.cosh.inplace
    deg2rad = elementwise.deg2rad
    deg2rad_ = elementwise.deg2rad.inplace
    exp = elementwise.exp
    exp_ = elementwise.exp.inplace
    exp2 = elementwise.exp2
    exp2_ = elementwise.exp2.inplace
    expm1 = elementwise.expm1
    expm1_ = elementwise.expm1.inplace
    floor = elementwise.floor
    floor_ = elementwise.floor.inplace
    frac = elementwise.frac
    frac_ = elementwise.frac.inplace
    log = elementwise.log
    log_ = elementwise.log.inplace
    log10 = elementwise.log10
    log10_ = elementwise.log10.inplace
    log1p = elementwise.log1p
    log1p_ = elementwise.log1p.inplace
    log2 = elementwise.log2
    log2_ = elementwise.log2.inplace
    nan_to_num = elementwise.nan_to_num
    nan_to_num_ = elementwise.nan_to_num.inplace
    rad2deg = elementwise.rad2deg
    rad2deg_ = elementwise.rad2deg.inplace
    rsqrt = elementwise.rsqrt
    rsqrt_ = elementwise.rsqrt.inplace
    sign = elementwise.sign
    sign_ = elementwise.sign.inplace
    sin = elementwise.sin
    sin_ = elementwise.sin.inplace
    sinh = elementwise.sinh
    sinh_ = elementwise.sinh.inplace
    sqrt = elementwise.sqrt
    sqrt_ = elementwise.sqrt.inplace
    tan = elementwise.tan
    tan_ = elementwise.tan.inplace
    tanh = elementwise.tanh
    tanh_ = elementwise.tanh.inplace
    trunc = elementwise.trunc
    trunc_ = elementwise.trunc.inplace
    absolute = elementwise.abs
    absolute_ = elementwise.abs.inplace
    fix = elementwise.trunc
    fix_ = elementwise.trunc.inplace
    arccos = elementwise.acos
    arccos_ = elementwise.acos.inplace
    arcsin = elementwise.asin
    arcsin_ = elementwise.asin.inplace
    arctan = elementwise.atan
    arctan_ = elementwise.atan.inplace
    arctan2 = elementwise.atan2
    arctan2_ = elementwise.atan2.inplace
    arccosh = elementwise.acosh
    arccosh_ = elementwise.acosh.inplace
    arcsinh = elementwise.asinh
    arcsinh_ = elementwise.asinh.inplace
    arctanh = elementwise.atanh
    arctanh_ = elementwise.atanh.inplace
    __abs__ = elementwise.abs

    # ops/extremum.py
    max = extremum.max
    min = extremum.min
    amax = extremum.amax
    amin = extremum.amin
    aminmax = extremum.aminmax
    argmax = extremum.argmax
    argmin = extremum.argmin
    median = extremum.median

    # ops/gathering.py
    gather = gathering.gather
    scatter = gathering.scatter
    scatter_ = gathering.scatter_
    scatter_add = gathering.scatter_add
    scatter_add_ = gathering.scatter_add_
    index_select = gathering.index_select
    index_add = gathering.index_add
    index_add_ = gathering.index_add_
    index_copy = gathering.index_copy
    index_copy_ = gathering.index_copy_
    index_fill = gathering.index_fill
    index_fill_ = gathering.index_fill_
    take = gathering.take
    take_along_dim = gathering.take_along_dim
    put = gathering.put
    put_ = gathering.put_

    # ops/indexing.py
    __getitem__ = indexing.getitem
    __setitem__ = indexing.setitem
    select = indexing.select
    narrow = indexing.narrow
    index_put = indexing.index_put
    index_put_ = indexing.index_put_

    # ops/joining.py
    unbind = joining.unbind
    split = joining.split
    split_with_sizes = joining.split_with_sizes
    chunk = joining.chunk
    tensor_split = joining.tensor_split
    hsplit = joining.hsplit
    vsplit = joining.vsplit
    dsplit = joining.dsplit

    # ops/masking.py
    where = masking.where_method
    masked_fill = masking.masked_fill
    masked_fill_ = masking.masked_fill_
    masked_select = masking.masked_select
    masked_scatter = masking.masked_scatter
    masked_scatter_ = masking.masked_scatter_
    nonzero = masking.nonzero
    argwhere = masking.argwhere

    # ops/matmul.py
    mm = matmul.mm
    mv = matmul.mv
    dot = matmul.dot
    vdot = matmul.vdot
    bmm = matmul.bmm
    addmm = matmul.addmm
    addmm_ = matmul.addmm.inplace
    addmv = matmul.addmv
    addmv_ = matmul.addmv.inplace
    addr = matmul.addr
    addr_ = matmul.addr.inplace
    addbmm = matmul.addbmm
    addbmm_ = matmul.addbmm.inplace
    baddbmm = matmul.baddbmm
    baddbmm_ = matmul.baddbmm.inplace
    matrix_power = matmul.matrix_power
    __matmul__ = matmul.matmul_operator
    __rmatmul__ = matmul.reflected_matmul_operator
    # Last, since it hides the module for what follows.
    matmul = matmul.matmul

    # ops/products.py
    outer = products.outer
    ger = products.ger
    inner = products.inner
    kron = products.kron
    cross = products.cross

    # ops/rearranging.py
    flip = rearranging.flip
    fliplr = rearranging.fliplr
    flipud = rearranging.flipud
    roll = rearranging.roll
    rot90 = rearranging.rot90
    repeat = rearranging.repeat
    tile = rearranging.tile
    repeat_interleave = rearranging.repeat_interleave
    tril = rearranging.tril
    tril_ = rearranging.tril.inplace
    triu = rearranging.triu
    triu_ = rearranging.triu.inplace
    diagonal = rearranging.diagonal
    diag = rearranging.diag
    diag_embed = rearranging.diag_embed
    diagflat = rearranging.diagflat
    fill_diagonal_ = rearranging.fill_diagonal_
    trace = rearranging.trace
    unfold = rearranging.unfold

    # ops/reduction.py
    sum = reduction.sum
    nansum = reduction.nansum
    mean = reduction.mean
    prod = reduction.prod
    var = reduction.var
    std = reduction.std
    norm = reduction.norm
    logsumexp = reduction.logsumexp
    any = reduction.any
    all = reduction.all
    count_nonzero = reduction.count_nonzero

    # ops/shape.py
    view = shape_ops.view
    view_as = shape_ops.view_as
    reshape = shape_ops.reshape
    reshape_as = shape_ops.reshape_as
    ravel = shape_ops.ravel
    flatten = shape_ops.flatten
    unflatten = shape_ops.unflatten
    contiguous = shape_ops.contiguous
    permute = shape_ops.permute
    transpose = shape_ops.transpose
    swapaxes = shape_ops.swapaxes
    swapdims = shape_ops.swapdims
    movedim = shape_ops.movedim
    moveaxis = shape_ops.movedim
    t = shape_ops.t
    T = property(shape_ops.reversed_dims)
    mT = property(shape_ops.matrix_transpose)
    H = property(shape_ops.conjugate_transpose)
    mH = property(shape_ops.batch_adjoint)
    adjoint = shape_ops.adjoint
    unsqueeze = shape_ops.unsqueeze
    squeeze = shape_ops.squeeze
    expand = shape_ops.expand
    expand_as = shape_ops.expand_as
    broadcast_to = shape_ops.broadcast_to

    # ops/softmax.py
    log_softmax = softmax.log_softmax
    # Last, since it hides the module for what follows.
    softmax = softmax.softmax

    # ops/sorting.py
    sort = sorting.sort
    argsort = sorting.argsort
    msort = sorting.msort
    topk = sorting.topk
    kthvalue = sorting.kthvalue
    unique = sorting.unique

    # ops/special.py
    erf = special.erf
    erf_ = special.erf.inplace
    erfc = special.erfc
    erfc_ = special.erfc.inplace
    sinc = special.sinc
    sinc_ = special.sinc.inplace
    xlogy = special.xlogy
    xlogy_ = special.xlogy_


_NOT_COPIED = ("_data", "_device", "_cell", "_view", "_hooks", "_accumulator")
_STATE = (*_NOT_COPIED, "_req", "_edge", "_grad", "_grad_was_given", "_retains", "_detached_at")


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
    return out


def _rebuild_pickled(cls: type[Tensor], host: np.ndarray[Any, Any], where: str, requires_grad: bool) -> Tensor:
    place = resolve(where)
    self = new(cls)
    self._data, self._device = place.backend.from_numpy(host, place.index or 0), place
    self._req = requires_grad
    return self


bind(Tensor=Tensor, wrap=wrap, rebuild=rebuild, bump=bump)
