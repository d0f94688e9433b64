"""Operations with a gradient of one's own: :class:`Function`, as ``torch.autograd.Function``.

What ``forward`` and ``backward`` get as ``ctx`` is the graph node itself. It is made before ``forward`` runs, and becomes the
history of the outputs afterwards. Such a node always counts as one with several outputs, of which some are no tensors: its
gradients come as a list, in which ``None`` stands for those that no gradient has reached.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gradcore.autograd._function_call import check_dirty, lowered, run
from gradcore.grad_mode import current_mode, enter_mode, is_grad_enabled, leave_mode
from gradcore.graph import InputMetadata, Node, Slot, new_node, node_class, raise_freed
from gradcore.op import is_tensor
from gradcore.saved import SavedTensor
from gradcore.size import Size

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "BackwardCFunction",
    "Function",
    "FunctionCtx",
    "FunctionMeta",
    "InplaceFunction",
    "NestedIOFunction",
    "once_differentiable",
]

F = TypeVar("F", bound=Callable[..., Any])


class FunctionCtx:
    """What ``forward``, ``setup_context``, ``backward`` and ``jvp`` share about one call: any attribute may be set on it."""

    to_save: tuple[Tensor | None, ...] | None = None
    """The tensors to save for ``backward``; they are saved when ``forward`` has returned."""
    saved_for_forward: tuple[Tensor | None, ...] | None = None
    dirty_tensors: tuple[Tensor, ...] | None = None
    non_differentiable: tuple[Tensor, ...] | None = None
    materialize_grads: bool = True
    needs_input_grad: tuple[bool, ...] = ()
    """For each positional argument, whether it is a tensor that requires grad."""

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Save tensors for ``backward``, which reads them as ``ctx.saved_tensors``. The last call counts.

        Tensors belong here, not in attributes of ``ctx``: only then are writes to them noticed, is the memory freed after
        backward, and does no output keep itself alive. Anything but arguments and outputs of ``forward`` counts as a
        constant in derivatives of higher order.
        """
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Save tensors for ``jvp``, which reads them as ``ctx.saved_tensors``.

        Raises:
            AssertionError: one of them is neither a tensor nor ``None``.
        """
        for x in tensors:
            if not (x is None or is_tensor(x)):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes on ctx, "
                    f"but got {type(x).__name__}"
                )
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Say that ``forward`` writes to these arguments. They must be returned, too. Best called before the write.

        Raises:
            RuntimeError: one of them must not be written to, such as a leaf that requires grad.
        """
        self.dirty_tensors = args

    def mark_shared_storage(self, *pairs: tuple[Tensor, Tensor]) -> None:
        """Nothing; deprecated. Tensors that share memory are known as such."""
        warnings.warn(
            "`mark_shared_storage` is deprecated. Tensors with shared storages are automatically tracked. Note that calls to "
            "`set_()` are not tracked",
            FutureWarning,
            stacklevel=2,
        )

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Say that these outputs have no gradient; integers have none anyway. ``backward`` gets zeros for them."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` and ``jvp`` get zeros where there is no gradient (the default), or ``None``.

        Raises:
            TypeError: ``value`` is no bool.
        """
        if not isinstance(value, bool):
            raise TypeError(
                f"set_materialize_grads received an invalid argument: expected (bool), but got {type(value).__name__}"
            )
        self.materialize_grads = value


class BackwardCFunction(Node, FunctionCtx):
    """The node of a :class:`Function`, and its ``ctx``; each Function has a class of them, called ``<name>Backward``."""

    _forward_cls: type[Function]
    _takes_undefined = True
    _materialize_non_diff_grads: bool = True
    _recording: bool = False
    """Whether ``forward`` runs now, and the call will be recorded."""

    @property
    def multiple(self) -> bool:  # type: ignore[override]
        """``True``: gradients come as a list."""
        return True

    @property
    def only(self) -> None:  # type: ignore[override]
        """``None``: of all outputs."""
        return None

    @property
    def name(self) -> Any:
        """The name of the node, ``ctx.name()``; or what the user set as ``ctx.name``."""
        return vars(self).get("name", super().name)

    @name.setter
    def name(self, value: Any) -> None:
        vars(self)["name"] = _Label(value, super().name()) if value.__class__ is str else value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was given to ``save_for_backward``; in ``jvp``, to ``save_for_forward``.

        An argument comes back as the same object. Any access checks that the tensors were not written to since.

        Raises:
            RuntimeError: the graph was freed by an earlier backward; a tensor was modified in place; this is the second
                access, and ``clear_saved_tensors_on_access`` is set.
        """
        if self.saved_for_forward is not None:
            return self.saved_for_forward
        saved = self._kept()
        # Cut from its history by detach_, a tensor is as good as before where only its values are asked for.
        mode = current_mode()
        found = tuple(x.unpack(self, detached=not mode.grad) for x in saved)
        if self._plan.tangents:
            for x, kept in zip(found, saved, strict=True):
                if x is not None and kept._nr is not None:
                    x._tangent = self._plan.tangents.get(kept._nr)
        level = self._xp.device.level if saved else None
        if level is not None and mode.level is not level:
            # An ordinary backward on a level computes on the level below.
            found = tuple(lowered(x, level) for x in found)
        if saved and self._forward_cls.clear_saved_tensors_on_access:
            self._saved = _ACCESSED
        return found

    @property
    def saved_variables(self) -> tuple[Tensor | None, ...]:
        """The same; deprecated."""
        warnings.warn("'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2)
        return self.saved_tensors

    @property
    def _raw_saved_tensors(self) -> tuple[SavedTensor, ...]:
        """What stands for the saved tensors: objects on which hooks can be registered."""
        return tuple(x.shown_by(self) for x in self._kept())

    def _kept(self) -> tuple[SavedTensor, ...]:
        saved = getattr(self, "_saved", ())  # not set while forward runs
        if saved is None:
            raise_freed(self)
        if saved is _ACCESSED:
            raise RuntimeError(
                "saved_tensors can only be accessed once when clear_saved_tensors_on_access=True is set on the "
                f"autograd.Function ({self._forward_cls.__name__}). Either access saved_tensors only once, or set "
                "clear_saved_tensors_on_access=False."
            )
        return saved

    @property
    def _input_metadata(self) -> tuple[InputMetadata, ...]:
        return tuple(
            InputMetadata(Size(()), None, None) if o is None else InputMetadata(Size(o.shape), o.dtype, o.device.place)
            for o in self._plan.outputs
        )

    def mark_dirty(self, *args: Tensor) -> None:
        super().mark_dirty(*args)
        if self._recording:
            # Most often nothing was written yet, so that the error leaves nothing half-done.
            spared = self.non_differentiable or ()
            check_dirty([x for x in args if is_tensor(x) and not any(x is other for other in spared)], self)

    def apply(self, *grads: Tensor | None) -> Any:
        """Run the user's ``backward`` (or ``vjp``) by itself."""
        backward = user_backward(self._forward_cls)
        return backward(self, list(grads)) if self._forward_cls.boxed_grads_call else backward(self, *grads)

    def apply_jvp(self, *tangents: Tensor | None) -> Any:
        """Run the user's ``jvp`` by itself."""
        return self._forward_cls.jvp(self, *tangents)


class FunctionMeta(type):
    """Gives every :class:`Function` its class of nodes, as ``_backward_cls``."""

    _backward_cls: type[BackwardCFunction]

    def __init__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> None:
        super().__init__(name, bases, attrs)
        members = {"_forward_cls": cls, "__module__": attrs.get("__module__", __name__)}
        cls._backward_cls = type(f"{name}Backward", (BackwardCFunction,), members)


class Function(FunctionCtx, metaclass=FunctionMeta):
    """The base class of operations with a gradient of one's own.

    A subclass has a static method ``forward``, and ``backward`` if it is to have gradients; it is run by ``apply``. Either
    ``forward(ctx, *args)`` computes and prepares ``ctx`` for backward, or ``forward(*args)`` computes and
    ``setup_context(ctx, inputs, output)`` prepares; function transforms (``gradcore.func``) need the second form.

    ``forward`` runs without recording. Its outputs may be tensors or anything else, alone or in a tuple. ``backward(ctx,
    *grads)`` gets a gradient for each output (``None`` for what is no tensor) and returns one for each argument (``None``
    for what is no tensor, or needs none).
    """

    generate_vmap_rule: bool = False
    """Let ``func.vmap`` run ``forward`` and ``backward`` on a batch as they are. They must consist of operations on tensors."""
    clear_saved_tensors_on_access: bool = False
    """Let go of the saved tensors when ``ctx.saved_tensors`` is read, which then can be done only once."""
    boxed_grads_call: bool = False
    """Call ``backward(ctx, grads)`` with one list, from which it may remove gradients to free them early."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke "
            "them on the class itself: call apply.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise: a Function is run by ``apply``."""
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function "
            f"with static forward method, and run it by {type(self).__name__}.apply(...)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs: ``forward(ctx, *args)``, or ``forward(*args)`` beside ``setup_context``."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Prepare ``ctx`` for backward: save tensors, set attributes. Runs after ``forward``, which then gets no ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments, for those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward "
            "mode AD."
        )

    vjp = backward
    """Another name for ``backward``; only one of them may be implemented."""

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the outputs, for those of the arguments (``None`` for what has none): forward mode."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        """Run the operation on a batch: gives ``(output, out_dims)``.

        Args:
            info: ``info.batch_size`` and ``info.randomness``.
            in_dims: for each argument, which of its dimensions is the batch; ``None`` if none is.
            args: the arguments of ``forward``.
        """
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run the operation.

        Args:
            args: tensors and anything else. Tensors inside lists or other containers are not looked at.
            kwargs: further arguments, by the names that they have in ``forward``.

        Returns:
            What ``forward`` returns, with this operation as the history of the tensors among it; an argument that is
            returned comes back as a view of itself, unless it was written to (``ctx.mark_dirty``).

        Raises:
            RuntimeError: an argument was written to that must not be, or was not returned; a function transform runs, and
                the Function has no ``setup_context``, or no ``vmap``.
            TypeError: the arguments do not fit ``forward``; what was saved is no tensor.
        """
        separate = cls.setup_context is not Function.setup_context
        if separate:
            args = _with_defaults(cls.forward, args, kwargs)
        elif kwargs:
            args = _in_order(cls.forward, args, kwargs)
        return apply_bound(cls, args)


def once_differentiable(fn: F) -> F:
    """Decorate a ``backward`` whose result cannot be differentiated again, since it is not written in operations.

    It runs without recording; a derivative of higher order through its result raises.
    """

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        token = enter_mode(current_mode()._replace(grad=False))
        try:
            outputs = fn(ctx, *args, **kwargs)
        finally:
            leave_mode(token)
        if not (is_grad_enabled() and any(is_tensor(x) and x.requires_grad for x in args)):
            return outputs
        results = outputs if isinstance(outputs, tuple) else (outputs,)
        refusing = _refusing(results)
        return refusing if len(refusing) > 1 else refusing[0]

    return cast("F", wrapper)


class InplaceFunction(Function):
    """Nothing but a Function; older programs derive from it."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """Was a Function with nested arguments and outputs, run by calling an instance; only its name is left."""


def apply_bound(cls: type[Function], args: tuple[Any, ...]) -> Any:
    """Run a Function on all arguments of its ``forward``."""
    mode = current_mode()
    if mode.level is None:
        return run(cls, args, mode, separate=cls.setup_context is not Function.setup_context)
    from gradcore.autograd import function_transforms  # which is built on what is here

    return function_transforms.apply(cls, args, mode)


def user_backward(cls: type[Function]) -> Callable[..., Any]:
    """The user's ``backward`` or ``vjp``.

    Raises:
        RuntimeError: both are implemented.
    """
    backward: Callable[..., Any] = cls.backward
    if cls.vjp is Function.vjp:
        return backward
    if backward is not Function.backward:
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of "
            f"them ({cls.__name__})."
        )
    return cls.vjp


class _Label(str):
    """A text that a user set as ``ctx.name``, where messages still find the name of the node by ``ctx.name()``."""

    __slots__ = ("node",)
    node: str

    def __new__(cls, text: str, node: str) -> _Label:
        made = super().__new__(cls, text)
        made.node = node
        return made

    def __call__(self) -> str:
        """The name of the node."""
        return self.node


class _RefusingPlan:
    """Runs the node of a result that must not be differentiated."""

    saves_tensors = False

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable: its backward is not recorded. "
            "Write it in operations on tensors, without the decorator, for derivatives of higher order"
        )

    graph = raw

    def read_saved(self, node: Node, name: str) -> Any:
        raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{name}'")


def _refusing(results: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same values, as results of a node that cannot be run."""
    stand_ins = [None if x is None else x.detach().requires_grad_() for x in results]
    first = next((x for x in stand_ins if x is not None), None)
    if first is None:
        return results
    shapes = [() if x is None else x._data.shape for x in stand_ins]
    kinds = [None if x is None else x._data.dtype for x in stand_ins]
    node = new_node(_ERROR, _RefusingPlan(), first._device.xp, tuple(stand_ins), shapes, kinds)
    outputs: list[Any] = []
    for nr, x in enumerate(stand_ins):
        out = x
        if x is not None:
            out = x.detach()
            out._edge, out._req = Slot(node, nr, shapes[nr], kinds[nr]), True
        outputs.append(out)
    return tuple(outputs)


def _with_defaults(forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """All arguments of ``forward`` in their order, with the default of those that are not given."""
    code = getattr(forward, "__code__", None)
    if not kwargs and code is not None and code.co_argcount == len(args) and not code.co_kwonlyargcount:
        return args
    import inspect  # takes 10 ms to import

    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    for name in bound.kwargs:
        raise TypeError(f"forward() got an unexpected keyword argument {name!r}: {_POSITIONAL}")
    return bound.args


def _in_order(forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments for ``forward``, which gets ``ctx`` first, with those given by name at their places."""
    import inspect  # takes 10 ms to import

    parameters = list(inspect.signature(forward).parameters.values())[1:]
    places = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    for name in kwargs:
        if name not in places:
            raise TypeError(f"forward() got an unexpected keyword argument {name!r}: {_POSITIONAL}")
        if places.index(name) < len(args):
            raise TypeError(f"forward() got multiple values for argument {name!r}")
    last = max(places.index(name) for name in kwargs)
    for i, name in enumerate(places[len(args) : last + 1], len(args)):
        if name not in kwargs:
            raise TypeError(f"forward() missing required argument: {name!r} (position {i})")
    return (*args, *(kwargs[name] for name in places[len(args) : last + 1]))


_ACCESSED: Any = ("read",)
"""Stands in ``_saved`` after the one access that ``clear_saved_tensors_on_access`` leaves."""
_POSITIONAL = "arguments of a Function are positional parameters of forward, and may be given by their names"
_ERROR = node_class("Error", multiple=True)
_ERROR.name = lambda self: "torch::autograd::Error"  # type: ignore[method-assign]
