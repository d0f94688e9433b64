"""Operations with a gradient of one's own: :class:`Function`, as ``torch.autograd.Function``.

What ``forward`` and ``backward`` get as ``ctx`` is the graph node itself. It is made before ``forward`` runs, and becomes the
history of the outputs afterwards. Such a node always counts as one with several outputs, of which some are no tensors: its
gradients come as a list, in which ``None`` stands for those that no gradient has reached.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from gradcore import diagnosis, dtypes, watch
from gradcore.engine import edge_namespace
from gradcore.grad_mode import Mode, current_mode, enter_mode, is_grad_enabled, leave_mode
from gradcore.graph import LEAF, InputMetadata, Node, Slot, new_node, next_sequence_number, node_class, raise_freed
from gradcore.op import is_tensor, wrap
from gradcore.ops.shape import alias as identity_view
from gradcore.saved import SavedTensor, save
from gradcore.size import Size
from gradcore.transforms.forward import tangent_of
from gradcore.view import alias, bump, check_inplace, rebase, requires_grad, sync

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
            found = tuple(_lowered(x, level) for x in found)
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
        return tuple(InputMetadata(Size(o.shape), o.dtype, o.device) for o in self._plan.outputs if o is not None)

    def mark_dirty(self, *args: Tensor) -> None:
        super().mark_dirty(*args)
        if self._recording:
            # Most often nothing was written yet, so that the error leaves nothing half-done.
            spared = self.non_differentiable or ()
            _check_dirty([x for x in args if is_tensor(x) and not any(x is other for other in spared)], self)

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


# Running a Function.


class Output(NamedTuple):
    """What is known of an output that is a tensor."""

    shape: Any
    dtype: Any
    device: Any
    smooth: bool
    """Whether it has a gradient."""


class FunctionPlan:
    """Runs the node of a Function backwards: with the user's ``backward``, on tensors."""

    __slots__ = ("inputs", "outputs", "tangents")
    saves_tensors = True

    def __init__(self, inputs: Sequence[bool]) -> None:
        self.inputs = inputs  # for each argument, whether it is a tensor
        self.outputs: Sequence[Output | None] = ()  # known when forward has returned
        self.tangents: dict[int, Any] = {}  # of the outputs that are saved, by their numbers

    def raw(self, node: BackwardCFunction, xp: Any, g: Sequence[Any]) -> tuple[Any, ...]:
        where = xp.device
        if where.level is not None:
            # The arrays of a level are tensors already; backward runs on the level below.
            return tuple(None if x is None else _lowered(x, where.level) for x in self._run(node, list(g), below=True))
        given = [None if x is None else wrap(_as_array(x, where), where) for x in g]
        return tuple(None if x is None else x._data for x in self._run(node, given))

    def graph(self, node: BackwardCFunction, xp: Any, g: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(self._run(node, list(g)))

    def _run(self, node: BackwardCFunction, grads: list[Any], below: bool = False) -> Iterator[Any]:
        if node.materialize_grads:
            for i, output in enumerate(self.outputs):
                if grads[i] is None and output is not None and (output.smooth or node._materialize_non_diff_grads):
                    grads[i] = _zeros(output, below)
        result = BackwardCFunction.apply(node, *grads)
        del grads
        return self._checked(node, result if isinstance(result, tuple) else (result,), below)

    def _checked(self, node: BackwardCFunction, found: tuple[Any, ...], below: bool) -> Iterator[Any]:
        """The gradients of the arguments that are tensors, each fit for its edge."""
        name = type(node).__name__
        expected = len(self.inputs)
        if all(g is None for g in found[expected:]):
            found = found[:expected]
        if len(found) != expected:
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients (expected {expected}, got {len(found)}): it must "
                "return one for each argument of forward, None where there is none"
            )
        results: list[Any] = []
        for i, (g, takes) in enumerate(zip(found, self.inputs, strict=True)):
            if not takes:
                if g is not None:
                    raise RuntimeError(
                        f"function {name} returned a gradient different than None at position {i + 1}, but the corresponding "
                        "forward input was not a Variable"
                    )
                continue
            if g is not None and not is_tensor(g):
                raise RuntimeError(
                    f"expected Variable or None (got {type(g).__name__}), returned by {name} at position {i + 1}"
                )
            results.append(g)
        # What comes before the edges in an error is theirs: a gradient that nobody asks for may be anything.
        return iter([_fit(name, i, *pair, below) for i, pair in enumerate(zip(results, node._next, strict=True))])

    def read_saved(self, node: Node, name: str) -> Any:
        raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{name}'")


def apply_bound(cls: type[Function], args: tuple[Any, ...]) -> Any:
    """Run a Function on all arguments of its ``forward``."""
    mode = current_mode()
    if mode.level is None:
        return run(cls, args, mode)
    from gradcore.autograd import function_transforms  # which is built on what is here

    return function_transforms.apply(cls, args, mode)


def run(cls: type[Function], args: tuple[Any, ...], mode: Mode, forward: Callable[..., Any] | None = None) -> Any:
    """Run a Function on tensors of the level at which we are.

    Args:
        cls: the Function.
        args: all arguments of its ``forward``.
        mode: the mode now.
        forward: what to run in place of ``forward``; with it, ``setup_context`` is used.
    """
    ctx = cls._backward_cls()
    inputs: list[bool] = []
    needs: list[bool] = []
    edges: list[Any] = []
    for x in args:
        if not is_tensor(x):
            inputs.append(False)
            needs.append(False)
            continue
        if x._view is not None:
            sync(x)
        inputs.append(True)
        needs.append(x._req)
        edges.append((x._edge or x) if x._req else None)
    recorded = mode.grad and any(needs)
    ctx.needs_input_grad = tuple(needs)
    ctx._seq = next_sequence_number()
    ctx._hooks = None
    ctx._next = tuple(edges) if recorded else ()
    plan = ctx._plan = FunctionPlan(inputs)
    separate = cls.setup_context is not Function.setup_context
    ctx._recording = recorded
    tangents = None if mode.dual is None else _tangents(args, mode)
    if mode.anomaly is not None:
        diagnosis.note_operands(args, ())
        if recorded:
            watch.note_node(ctx)
    token = enter_mode(mode._replace(grad=False, dual=None))
    try:
        if separate:
            result = cls.forward(*args) if forward is None else forward(*args)
            cls.setup_context(ctx, args, result)
        else:
            result = cls.forward(ctx, *args)
        found = list(result) if isinstance(result, tuple) else [result]
        _check_reserved(ctx, plan)
        outputs = _Outputs(ctx, args, found, recorded, separate)
    finally:
        ctx._recording = False
        leave_mode(token)
    plan.outputs = outputs.described
    ctx._saved = ()
    outputs.attach()
    if tangents is not None:
        outputs.carry(tangents, mode)
    outputs.save()
    for name in ("to_save", "saved_for_forward", "dirty_tensors", "non_differentiable"):
        vars(ctx).pop(name, None)  # an output among them would keep itself alive
    if mode.anomaly is not None:
        _note_results(cls, args, found, mode)
    return tuple(found) if isinstance(result, tuple) else found[0]


class _Outputs:
    """What ``forward`` returned, on its way to the user: first looked at, then changed, so that errors come before."""

    def __init__(
        self, ctx: BackwardCFunction, args: Sequence[Any], found: list[Any], recorded: bool, separate: bool
    ) -> None:
        self.ctx, self.args, self.found, self.recorded = ctx, args, found, recorded
        self.returned = tuple(found)
        self.name = type(ctx)._forward_cls.__name__
        self.dirty = _tensors_of(ctx.dirty_tensors, "mark_dirty can only accept variables")
        self.constant = _tensors_of(ctx.non_differentiable, "mark_non_differentiable only accepts variable arguments")
        self.to_save = _to_save(ctx) if recorded else ()
        self.described = [self._describe(x) if is_tensor(x) else None for x in found]
        # What is saved in the place of a view that was written to.
        self.stand_ins: dict[int, Tensor] = {}
        self._check(separate)

    def _describe(self, x: Tensor) -> Output:
        smooth = self.recorded and dtypes.category(x.dtype) >= 2 and not _among(x, self.constant)
        return Output(x._data.shape, x.dtype, x._device, smooth)

    def _check(self, separate: bool) -> None:
        for x in self.dirty:
            if not _among(x, self.found):
                raise RuntimeError(
                    "Some elements marked as dirty during the forward method were not returned as output. The inputs that "
                    f"are modified inplace must all be outputs of the Function ({self.name})."
                )
        if not self.recorded:
            return
        written = [x for x in self.dirty if not _among(x, self.constant)]
        if len(self.found) > 1 and any(x._view is not None and _among(x, self.args) for x in written):
            raise RuntimeError(
                "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return "
                f"more than one Tensor ({self.name}): the graph cannot follow the write. You should either make sure the input "
                "is not a view (using .clone() for example) or make your Function only return one Tensor (potentially "
                "splitting it into two Functions: one doing the inplace that returns a single Tensor and a second one that "
                "does the other operations)."
            )
        _check_dirty([x for x in written if _among(x, self.args)], self.ctx, self.args)
        places = {o.device for o in self.described if o is not None and o.smooth}
        if len(places) > 1:
            raise NotImplementedError(
                f"{self.name} returned tensors on several devices, {' and '.join(map(str, places))}, that require grad. That "
                "is not supported; use one Function for each device, and .to(device) between them"
            )
        for x, output in zip(self.found, self.described, strict=True):
            returned_as_is = output is not None and output.smooth and _among(x, self.args) and not _among(x, self.dirty)
            if separate and returned_as_is and _among(x, self.to_save):
                raise RuntimeError(
                    "An input that has been returned as-is as output is being saved for backward. This is not supported if "
                    "you override setup_context. You should return and save a view of the input instead, e.g. with "
                    "x.view_as(x) or setup ctx inside the forward function itself."
                )

    def attach(self) -> None:
        """Give the outputs their history, in place of what ``forward`` returned, and save what is to be saved."""
        ctx = self.ctx
        for x in self.dirty:
            bump(x)
        smooth = [o for o in self.described if o is not None and o.smooth]
        place = smooth[0].device if smooth else next((x._device for x in self.args if is_tensor(x)), None)
        if place is not None:
            ctx._xp = place.xp
        ctx._shape = [() if o is None else o.shape for o in self.described]
        ctx._dtype = [None if o is None else o.dtype for o in self.described]
        for nr, (x, output) in enumerate(zip(self.found, self.described, strict=True)):
            if output is None:
                continue
            is_input, is_dirty = _among(x, self.args), _among(x, self.dirty)
            if not output.smooth:
                self.found[nr] = _constant(x, is_input, is_dirty)
                continue
            slot = Slot(ctx, nr, x._data.shape, x._data.dtype)
            if is_dirty and is_input:
                if x._view is not None:
                    self.stand_ins[id(x)] = _stand_in(x, slot)
                _rebase(x, ctx, slot, self.args)
                continue
            if is_dirty:
                warnings.warn(
                    "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been mutated "
                    f"should be passed to ctx.mark_dirty() ({self.name}).",
                    UserWarning,
                    stacklevel=4,
                )
            self.found[nr] = out = _unrecorded_view(x) if is_input else x
            out._edge, out._req = slot, True
            if out._view is not None:
                out._view.function = self.name
                out._view.made_in_no_grad = None
                out._view.version = out._version
                if len(smooth) > 1:
                    out._view.multiple = f"{self.name} (a custom Function)"

    def carry(self, tangents: list[Tensor | None], mode: Mode) -> None:
        """Forward mode: give the outputs the tangents that the user's ``jvp`` computes from those of the arguments."""
        ctx, dual = self.ctx, mode.dual
        given: list[Any] = [
            _tangent_zeros(x) if t is None and is_tensor(x) and ctx.materialize_grads else t
            for x, t in zip(self.args, tangents, strict=True)
        ]
        token = enter_mode(mode._replace(dual=None))
        try:
            result = BackwardCFunction.apply_jvp(ctx, *given)
            results = result if isinstance(result, tuple) else (result,)
            if len(results) != len(self.found):
                raise RuntimeError(
                    f"Function's jvp returned an invalid number of forward gradients (expected {len(self.found)} but got "
                    f"{len(results)}): {self.name} must return one for each output, None where there is none"
                )
            fitting = [self._fit_tangent(nr, t, given, tangents) for nr, t in enumerate(results)]
            for nr, t in enumerate(fitting):
                if t is not None:
                    _set_tangent(self.found[nr], dual, t)
                    if _among(self.returned[nr], self.to_save):
                        ctx._plan.tangents[nr] = self.found[nr]._tangent
        finally:
            leave_mode(token)

    def _fit_tangent(self, nr: int, t: Any, given: Sequence[Any], tangents: Sequence[Any]) -> Tensor | None:
        """A tangent that ``jvp`` returned, as its output can have it; ``None`` for an output that has none."""
        out = self.found[nr]
        if t is not None and not is_tensor(t):
            raise RuntimeError(
                f"expected Variable or None (got {type(t).__name__}) for grad output {nr} of {self.name}'s jvp."
            )
        if not is_tensor(out):
            return None
        smooth = dtypes.category(out.dtype) >= 2 and not _among(self.returned[nr], self.constant)
        if not smooth:
            if t is not None:
                raise RuntimeError(
                    f"Function's jvp returned a gradient at position {nr}, but the corresponding forward output of {self.name} is "
                    "not a differentiable Tensor. You should return None at that position instead."
                )
            return None
        if t is None:
            return _tangent_zeros(out)
        at = next((i for i, x in enumerate(self.args) if x is out), None)
        if at is not None:
            if tangents[at] is not None and t is not tangents[at]:
                raise RuntimeError(
                    "An inplace custom Function is not modifying the forward mode gradients inplace. If the forward is modifying "
                    "an input inplace, then the jvp function must modify the corresponding gradient inplace."
                )
        elif out._view is not None and not (t._view is not None and any(_same_base(t, x) for x in given)):
            raise RuntimeError(
                "A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning a view: "
                f"{self.name}'s jvp must return the same view of the tangent, such as tangent.view_as(tangent)"
            )
        if tuple(t.shape) != tuple(out.shape):
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
                f"supported. Tensor is of size {list(out.shape)} while the given forward gradient is of size {list(t.shape)}."
            )
        if t.dtype == out.dtype:
            return cast("Tensor", t)
        if dtypes.category(t.dtype) < 2 or dtypes.category(t.dtype) > dtypes.category(out.dtype):
            raise RuntimeError(
                f"{self.name}'s jvp returned a tangent of dtype {dtypes.dtype_name(t.dtype)} for an output of dtype "
                f"{dtypes.dtype_name(out.dtype)}"
            )
        return cast("Tensor", t.to(out.dtype))

    def save(self) -> None:
        """Save what is to be saved, now that it has its history."""
        if self.to_save:
            self.ctx._saved = tuple(
                save(_without_cycle(self.stand_ins.get(id(x), x), self.ctx), self.ctx, f"saved_tensors[{i}]")
                for i, x in enumerate(self.to_save)
            )


class _Written:
    """Runs a Function that wrote to a view, as a part of ``CopySlices``, which wants the written argument to come first."""

    saves_tensors = True

    def __init__(self, order: Sequence[int]) -> None:
        self.order = order

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        (ctx,) = node._saved or ()
        grads = ctx._plan.raw(ctx, xp, [g])
        return tuple(grads[i] for i in self.order)

    def graph(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        (ctx,) = node._saved or ()
        grads = ctx._plan.graph(ctx, xp, [g])
        return tuple(grads[i] for i in self.order)

    def read_saved(self, node: Node, name: str) -> Any:
        (ctx,) = node._saved or ()
        return ctx._plan.read_saved(ctx, name)


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


def _check_reserved(ctx: BackwardCFunction, plan: FunctionPlan) -> None:
    """Raise if the user set what the node needs for itself."""
    for name in _RESERVED:
        if hasattr(ctx, name) and getattr(ctx, name) is not plan:
            raise AttributeError(
                f"{type(ctx)._forward_cls.__name__} set ctx.{name}, which the graph node needs for itself; choose another name"
            )


def _tensors_of(marked: Any, message: str) -> tuple[Tensor, ...]:
    for i, x in enumerate(marked if marked is not None else ()):
        if not is_tensor(x):
            raise RuntimeError(f"{message}, but argument {i} is of type {type(x).__name__}")
    return tuple(marked or ())


def _to_save(ctx: BackwardCFunction) -> tuple[Any, ...]:
    tensors: Any = ctx.to_save
    if tensors is None:
        return ()
    if not isinstance(tensors, tuple):
        raise RuntimeError(f"the to_save attribute of ctx is expected to be a tuple but is {type(tensors).__name__}")
    for i, x in enumerate(tensors):
        if not (x is None or is_tensor(x)):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {i} is of type {type(x).__name__}; set anything "
                "else as an attribute of ctx"
            )
    return tensors


def _among(x: Any, others: Sequence[Any]) -> bool:
    return any(x is other for other in others)


def _check_dirty(tensors: Sequence[Tensor], ctx: BackwardCFunction, operands: Sequence[Any] = ()) -> None:
    """Raise if an argument must not be written to."""
    if not tensors:
        return
    token = enter_mode(current_mode()._replace(grad=True))
    try:
        for x in tensors:
            check_inplace(x, type(ctx)._forward_cls.__name__, operands)
    finally:
        leave_mode(token)


def _constant(x: Tensor, is_input: bool, is_dirty: bool) -> Tensor:
    """An output without a gradient."""
    if not requires_grad(x):
        return _unrecorded_view(x) if is_input and not is_dirty else x
    # A view of what requires grad does so, too.
    return x.detach() if is_input or x._view is None else x


def _unrecorded_view(x: Tensor) -> Tensor:
    token = enter_mode(current_mode()._replace(grad=False, dual=None))
    try:
        return cast("Tensor", identity_view(x))
    finally:
        leave_mode(token)


def _stand_in(x: Tensor, slot: Slot) -> Tensor:
    """A tensor of the same data, with the Function as its history: what is saved of a view that was written to.

    The view's own history will lead through its base to the node that saves it.
    """
    out = alias(x)
    out._edge, out._req = slot, True
    return out


def _without_cycle(x: Tensor | None, ctx: BackwardCFunction) -> Tensor | None:
    """A tensor to save: not as a view if its base is an output, which leads to the node that saves it."""
    if x is None or x._view is None or x._req:
        return x
    edge = x._view.base._edge
    return alias(x) if isinstance(edge, Slot) and edge.node is ctx else x


def _rebase(x: Tensor, ctx: BackwardCFunction, slot: Slot, args: Sequence[Any]) -> None:
    """Give an argument that was written to the Function as its history."""
    if x._view is None:
        rebase(x, slot)
        return
    tensors = [other for other in args if is_tensor(other)]
    at = next(i for i, other in enumerate(tensors) if other is x)
    order = [at, *(i for i in range(len(tensors)) if i != at)]
    edges = tuple(ctx._next[i] for i in order)
    written = new_node(_WRITTEN, _Written(order), ctx._xp, edges, x._data.shape, x._data.dtype)
    written._saved = (ctx,)
    rebase(x, written)


def _fit(name: str, index: int, g: Any, edge: Any, below: bool) -> Any:
    """A gradient as its edge can take it; the engine sums and casts it."""
    if g is None or edge is None:
        return None
    xp = edge_namespace(edge)
    where = xp.device
    if where.level is not None and not below:
        g = where.level.lift(g)
    if g._device.place is not where.place:
        raise RuntimeError(
            f"Function {name} returned an invalid gradient at index {index} - expected device {where.place} but got "
            f"{g._device.place}"
        )
    wanted = edge.dtype if edge._seq == LEAF else xp.np_dtype(edge._dtype)
    if dtypes.category(g.dtype) == 3 != dtypes.category(wanted):
        raise RuntimeError(
            f"Function {name} returned an invalid gradient at index {index} - expected a real gradient for an input of dtype "
            f"{dtypes.dtype_name(wanted)} but got {dtypes.dtype_name(g.dtype)}: return its real part"
        )
    return g


def _lowered(x: Any, level: Any) -> Any:
    """A tensor as the level below sees it."""
    return level.unwrap(x) if level.owns(x) else x


def _tangents(args: Sequence[Any], mode: Mode) -> list[Tensor | None] | None:
    """The tangents of the arguments; ``None`` if no argument has one."""
    found = [tangent_of(x, mode.dual) for x in args]
    return found if any(t is not None for t in found) else None


def _tangent_zeros(x: Tensor) -> Tensor:
    return x._zeros(x.shape)


def _set_tangent(out: Tensor, dual: Any, tangent: Tensor) -> None:
    """Give an output its tangent; that of an argument that was written to is written to, too."""
    have = None
    if out._view is not None and out._view.function is None:
        have = tangent_of(out, dual)
        if have is None:
            base = out._view.base
            base._tangent = (dual, _tangent_zeros(base))
            have = tangent_of(out, dual)
    if have is None:
        out._tangent = (dual, tangent)
    elif have is not tangent:
        have.copy_(tangent)


def _same_base(x: Tensor, other: Any) -> bool:
    """Whether two tensors are views of one, or one is a view of the other."""
    first = x if x._view is None else x._view.base
    return is_tensor(other) and first is (other if other._view is None else other._view.base)


def _note_results(cls: type[Function], args: Sequence[Any], found: Sequence[Any], mode: Mode) -> None:
    """Note how the outputs came about, for :func:`gradcore.explain`."""
    why = (
        f"{cls.__name__} marked it as not differentiable, or it holds integers"
        if mode.grad
        else "recording was switched off"
    )
    for x in found:
        if is_tensor(x):
            watch.note_made(x, f"{cls.__name__}.apply", args, why)


def _zeros(output: Output, below: bool) -> Any:
    """Zeros for the gradient of an output; of one on a level, those of the level below, where backward runs there."""
    raw = output.device.xp.zeros(tuple(output.shape), dtype=output.dtype)
    return raw if below else wrap(raw, output.device)


def _as_array(x: Any, where: Any) -> Any:
    return x if x.__class__ is where.array_class else where.xp.asarray(x)


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


_ACCESSED: Any = ("read",)
"""Stands in ``_saved`` after the one access that ``clear_saved_tensors_on_access`` leaves."""
_RESERVED = ("_dtype", "_plan", "_saved", "_shape", "_xp")
"""What the node needs; not set before ``forward`` has returned."""
_POSITIONAL = "arguments of a Function are positional parameters of forward, and may be given by their names"
_WRITTEN = node_class("FunctionWrite")
_ERROR = node_class("Error", multiple=True)
_ERROR.name = lambda self: "torch::autograd::Error"  # type: ignore[method-assign]
