"""What happens when a custom Function is called, and when its node runs.

``forward`` runs without recording. Then its outputs are looked at, so that errors come first, and get their history: see
:class:`Outputs`. Backward calls the user's method with tensors, also in a walk that moves arrays: see :class:`FunctionPlan`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from gradcore import diagnosis, dtypes, watch
from gradcore.engine import check_shape, edge_namespace
from gradcore.grad_mode import Mode, current_mode, enter_mode, leave_mode
from gradcore.graph import LEAF, Cut, Node, Slot, new_node, next_sequence_number, node_class
from gradcore.inplace import bump, check_inplace, rebase
from gradcore.op import is_tensor, wrap
from gradcore.ops.shape import alias as identity_view
from gradcore.saved import save
from gradcore.transforms.forward import tangent_of
from gradcore.view import alias, requires_grad, sync

if TYPE_CHECKING:
    from gradcore.autograd.function import BackwardCFunction, Function
    from gradcore.tensor import Tensor

__all__ = ["FunctionPlan", "check_dirty", "lowered", "run"]


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
            return tuple(None if x is None else lowered(x, where.level) for x in self._run(node, list(g), below=True))
        given = [None if x is None else wrap(_as_array(x, where), where) for x in g]
        return tuple(None if x is None else x._data for x in self._run(node, given))

    def graph(self, node: BackwardCFunction, xp: Any, g: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(self._run(node, list(g)))

    def _run(self, node: BackwardCFunction, grads: list[Any], below: bool = False) -> list[Any]:
        if node.materialize_grads:
            for i, output in enumerate(self.outputs):
                if grads[i] is None and output is not None and (output.smooth or node._materialize_non_diff_grads):
                    grads[i] = _zeros(output, below)
        ctx: Any = LoweredCtx(node, node._xp.device.level) if below else node
        result = type(node).apply(ctx, *grads)
        del grads
        return self._checked(node, result if isinstance(result, tuple) else (result,), below)

    def _checked(self, node: BackwardCFunction, found: tuple[Any, ...], below: bool) -> list[Any]:
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
        # A gradient that nobody asks for may be of any shape and dtype.
        fitting = [_fit(name, i, *pair, below) for i, pair in enumerate(zip(results, node._next, strict=True))]
        for i, (g, edge) in enumerate(zip(fitting, node._next, strict=True)):
            if g is not None:
                # The engine would see it, too, but only when what the node saved is freed.
                check_shape(g, edge.shape if edge._seq == LEAF else edge._shape, node, i)
        return fitting

    def read_saved(self, node: Node, name: str) -> Any:
        raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{name}'")


def run(
    cls: type[Function], args: tuple[Any, ...], mode: Mode, *, separate: bool, forward: Callable[..., Any] | None = None
) -> Any:
    """Run a Function on tensors of the level at which we are.

    Args:
        cls: the Function.
        args: all arguments of its ``forward``.
        mode: the mode now.
        separate: whether it has a ``setup_context``.
        forward: what to run in place of its ``forward``.
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
        edges.append((x._edge or x) if x._req and x._edge.__class__ is not Cut else None)
    recorded = mode.grad and any(needs)
    ctx.needs_input_grad = tuple(needs)
    ctx._seq = next_sequence_number()
    ctx._hooks = None
    ctx._next = tuple(edges) if recorded else ()
    plan = ctx._plan = FunctionPlan(inputs)
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
        outputs = Outputs(ctx, args, found, recorded, separate)
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


class Outputs:
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
        if self.dirty:
            self._check_written()
        if len(self.found) > 1:
            places = dict.fromkeys(o.device for o in self.described if o is not None and o.smooth)
            if len(places) > 1:
                raise NotImplementedError(
                    f"{self.name} returned tensors on several devices, {' and '.join(map(str, places))}, that require grad. That "
                    "is not supported; use one Function for each device, and .to(device) between them"
                )
        if not (separate and self.to_save):
            return
        for x, output in zip(self.found, self.described, strict=True):
            returned_as_is = output is not None and output.smooth and _among(x, self.args) and not _among(x, self.dirty)
            if returned_as_is and _among(x, self.to_save):
                raise RuntimeError(
                    "An input that has been returned as-is as output is being saved for backward. This is not supported if "
                    "you override setup_context. You should return and save a view of the input instead, e.g. with "
                    "x.view_as(x) or setup ctx inside the forward function itself."
                )

    def _check_written(self) -> None:
        written = [x for x in self.dirty if not _among(x, self.constant)]
        if len(self.found) > 1 and any(x._view is not None and _among(x, self.args) for x in written):
            raise RuntimeError(
                "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return "
                f"more than one Tensor ({self.name}): the graph cannot follow the write. You should either make sure the input "
                "is not a view (using .clone() for example) or make your Function only return one Tensor (potentially "
                "splitting it into two Functions: one doing the inplace that returns a single Tensor and a second one that "
                "does the other operations)."
            )
        check_dirty([x for x in written if _among(x, self.args)], self.ctx, self.args)

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
            result = type(ctx).apply_jvp(ctx, *given)
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
                    f"Function's jvp returned a gradient at position {nr}, but the corresponding forward output of {self.name} "
                    "is not a differentiable Tensor. You should return None at that position instead."
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
            diagnosis.note_saved(self.ctx, self.to_save, "saved_tensors")


class LoweredCtx:
    """The ``ctx`` of a ``backward`` that runs on the level below: there, tensors set as its attributes are of that level."""

    def __init__(self, node: BackwardCFunction, level: Any) -> None:
        vars(self).update(_node=node, _level=level)

    def __getattr__(self, name: str) -> Any:
        return _all_lowered(getattr(vars(self)["_node"], name), self._level)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._node, name, value)


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
        raise RuntimeError(  # noqa: TRY004 - PyTorch's class
            f"the to_save attribute of ctx is expected to be a tuple but is {type(tensors).__name__}"
        )
    for i, x in enumerate(tensors):
        if not (x is None or is_tensor(x)):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {i} is of type {type(x).__name__}; set anything "
                "else as an attribute of ctx"
            )
    return tensors


def _among(x: Any, others: Sequence[Any]) -> bool:
    for other in others:  # noqa: SIM110 - a generator takes longer; and `in` compares tensors element by element
        if x is other:
            return True
    return False


def check_dirty(tensors: Sequence[Tensor], ctx: BackwardCFunction, operands: Sequence[Any] = ()) -> None:
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


def lowered(x: Any, level: Any) -> Any:
    """A tensor as the level below sees it."""
    return level.unwrap(x) if level.owns(x) else x


def _all_lowered(value: Any, level: Any) -> Any:
    """The same for tensors in lists, tuples and dicts."""
    if is_tensor(value):
        return lowered(value, level)
    if value.__class__ in (list, tuple):
        return type(value)(_all_lowered(part, level) for part in value)
    if value.__class__ is dict:
        return {key: _all_lowered(part, level) for key, part in value.items()}
    return value


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


_RESERVED = ("_dtype", "_plan", "_saved", "_shape", "_xp")
"""What the node needs; not set before ``forward`` has returned."""
_WRITTEN = node_class("FunctionWrite")
