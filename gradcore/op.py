"""How an operation is defined.

One operation is one block: a forward function, its derivative rules, the samples that its tests use::

    @op(node="MulBackward0", promote="arithmetic", multilinear=True, samples=pairs)
    def mul(xp, input, other, /):
        return xp.multiply(input, other)

    @mul.vjp("input")
    def mul_vjp_input(xp, g, other):
        return g * conj(xp, other)

    @mul.vjp("other")
    def mul_vjp_other(xp, g, input):
        return g * conj(xp, input)

* Array operands stand before ``/`` (``None`` as default: optional; ``*tensors``: any number), parameters after it.
* A rule is a function of the namespace ``xp``. In an ordinary backward ``xp`` is the device's namespace and the values
  are raw arrays; under ``create_graph`` the same rule gets gradcore's own namespace and tensors, and so records itself.
* The parameter names of a rule say what is saved: an operand, ``<operand>_shape``, ``<operand>_strides``, ``out`` (or the
  name of an output), a parameter. They are read once, here; what a rule does not name is not kept.
* A rule returns the gradient for its operand in any shape that broadcasting made, and in any dtype: the engine sums and
  casts.

What the decorator returns is a function generated for this one operation (:mod:`gradcore.codegen`). It handles the plain
case (tensors of one dtype on one device, or a Python number beside a tensor); everything else goes through
:meth:`Op.apply`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar

from gradcore import codegen, diagnosis
from gradcore.grad_mode import current_mode
from gradcore.graph import NO_VERSIONS, Node, node_class
from gradcore.narrow import has_narrow, rounded, widened
from gradcore.operands import Call, is_operand, is_tensor, prepare, refuse_shapes, wrap
from gradcore.runtime import RUNTIME, bind
from gradcore.saved import hooks_for

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "OPS",
    "RUNTIME",
    "STANDARD",
    "Op",
    "OpFunction",
    "bind",
    "conj",
    "is_operand",
    "is_tensor",
    "op",
    "standard",
    "wrap",
]

OPS: dict[str, Op] = {}
"""Every operation by its name: what tests, documentation and conformance runs loop over."""

STANDARD: dict[str, Callable[..., Any]] = {}
"""What rules may call as ``xp.<name>`` when ``xp`` is the namespace of tensors; see :func:`standard`."""


class OpFunction(Protocol):
    """An operation as its users see it: a function of tensors."""

    op: Op
    operator: Callable[..., Any]
    """The same as a binary operator method: gives ``NotImplemented`` for operands that are no numbers."""
    inplace: Callable[..., Tensor]
    """The in-place twin: writes the result into the first operand."""
    __name__: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the operation."""

    def vjp(self, *operands: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Attach the rule for the gradient of some operands; for several with ``needs``, it gives a tuple."""

    def jvp(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Attach the rule of forward mode: the tangents of the outputs, where the general ways would be slow."""

    def vmap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Attach the rule that runs the operation on a batch, which is the first dimension of its operands."""

    def into(self, function: Callable[..., None]) -> Callable[..., None]:
        """Attach what the in-place twin runs instead of the forward function: it writes into the first operand."""


def op(
    node: str,
    *,
    promote: Literal["arithmetic", "float", "same"] | None = None,
    promotes: Sequence[str] | None = None,
    view: bool = False,
    outputs: Sequence[str] | Literal["many"] | None = None,
    nondifferentiable: Sequence[str] = (),
    differentiable: bool = True,
    d: Callable[..., Any] | dict[str, Callable[..., Any]] | None = None,
    linear: bool = False,
    multilinear: bool = False,
    elementwise: bool | None = None,
    reads_layout: bool = False,
    numbers: bool = True,
    takes_undefined: bool = False,
    scoped: bool = True,
    standard: str | Sequence[str] = (),
    samples: Callable[..., Iterable[Any]] | None = None,
) -> Callable[[Callable[..., Any]], OpFunction]:
    """Define an operation.

    Args:
        node: name of its graph node, as PyTorch prints it.
        promote: how operands get one dtype. ``"arithmetic"``: PyTorch's promotion; ``"float"``: the same, and integers
            become the default dtype; ``"same"``: they must agree already; ``None``: their dtypes are unrelated.
        promotes: the operands that take part in promotion, where not all do.
        view: the result shares memory with the first operand.
        outputs: names of the outputs, where there are several; ``"many"`` where their number depends on the call.
        nondifferentiable: the outputs among them that have no gradient (indices).
        differentiable: ``False`` for an operation whose result never requires grad (comparisons).
        d: derivative of an elementwise operation; the factor by which the gradient is multiplied (conjugated). A dict
            by operand where there are several.
        linear, multilinear: the operation is linear in all operands together, or in each of them.
        elementwise: each element of the result depends on the elements at its place alone, after broadcasting: so a
            batch needs no rule. Default: whether ``d`` is given.
        reads_layout: the operation is about how its operand lies in memory; of other layouts it makes something else.
        numbers: ``False`` where PyTorch takes nothing but tensors, though the operands are promoted; rules may give numbers.
        takes_undefined: a rule gets ``None``, and no zeros, for an output that has no gradient: its terms can be left out.
        scoped: ``False`` if nothing is computed, so that no device scope is needed.
        standard: the name of this operation in the Array API (or in :class:`gradcore.backend.Namespace`), if its
            operands and parameters are the same there; rules that call ``xp.<name>`` then work on tensors, too.
        samples: makes the inputs for tests; see :mod:`gradcore.testing.samples`.
    """

    def define(forward: Callable[..., Any]) -> OpFunction:
        made = Op(forward, node)
        made.promote = promote
        made.promotes = tuple(promotes) if promotes is not None else None
        made.view = view
        made.multiple = outputs is not None
        made.outputs = () if outputs in (None, "many") else tuple(outputs)
        made.nondifferentiable = frozenset(nondifferentiable)
        made.differentiable = differentiable
        made.linear, made.multilinear = linear, multilinear
        made.reads_layout = reads_layout
        made.numbers = numbers
        made.elementwise = (d is not None) if elementwise is None else elementwise
        made.scoped = scoped and not view
        made.samples = samples
        smooth = [nr for nr, name in enumerate(made.outputs) if name not in made.nondifferentiable]
        made.node_class = node_class(node, made.multiple, smooth[0] if len(smooth) == 1 else None, made.savable())
        made.node_class._takes_undefined = takes_undefined
        for operand, factor in (d if isinstance(d, dict) else {made.operands[0]: d} if d is not None else {}).items():
            made.attach((operand,), _elementwise_rule(factor))
            made.factors[operand] = OnNames(factor)
        if made.name in OPS:
            raise TypeError(f"two operations are called {made.name!r}")
        OPS[made.name] = made
        function = made.build()
        for name in (standard,) if isinstance(standard, str) else standard:
            STANDARD[name] = function if numbers else _beside_numbers(function)
        return function

    return define


def _beside_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of two tensors for rules, which may call it with one number."""

    def of_either(x: Any, y: Any, /) -> Any:
        one = x if is_tensor(x) else y
        xp = RUNTIME["tensor_namespace"](one._device.xp)
        return function(*[v if is_tensor(v) else xp.asarray(v, dtype=one.dtype) for v in (x, y)])

    return of_either


F = TypeVar("F", bound=Callable[..., Any])


def standard(*names: str) -> Callable[[F], F]:
    """Make a function of tensors known to rules as ``xp.<name>``. Its signature must be that of the Array API."""

    def register(function: F) -> F:
        for name in names:
            STANDARD[name] = function
        return function

    return register


REQUIRED: Any = object()
"""The default of a parameter that has none."""


class Param(NamedTuple):
    """A parameter of an operation: what is no array."""

    default: Any
    keyword_only: bool


class Op:
    """A primitive operation: its forward function, its rules, and how tensors go in and out."""

    promote: str | None
    promotes: tuple[str, ...] | None
    view: bool
    multiple: bool
    outputs: tuple[str, ...]
    nondifferentiable: frozenset[str]
    differentiable: bool
    linear: bool
    multilinear: bool
    elementwise: bool
    reads_layout: bool
    numbers: bool
    scoped: bool
    samples: Callable[..., Iterable[Any]] | None
    node_class: type[Node]
    function: OpFunction
    into: Callable[..., None] | None = None
    """Writes the result into the first operand, where that touches less of it than the forward function computes."""

    check: Callable[[Sequence[Any]], None] | None = None
    """Looks at operands of several dtypes, tensors and numbers, before these are promoted; it may raise."""

    shares: Literal["whole", "none", "any"] = "whole"
    """How an operand of the in-place twin may share memory with what is written to: be the very elements, not at all (where
    elements are written out of turn), or in any way (where the operand is read before)."""

    jvp: OnNames | None = None
    """The rule of forward mode, where one was attached."""
    vmap: OnNames | None = None
    """The rule for a batch, where one was attached."""

    def __init__(self, forward: Callable[..., Any], node: str) -> None:
        self.name = forward.__name__
        self.forward = forward
        self.node = node
        self.rules: dict[str, Rule] = {}
        self.factors: dict[str, OnNames] = {}
        self.plans: dict[tuple[Any, ...], codegen.Plan] = {}
        self._read_signature(forward)

    def _read_signature(self, forward: Callable[..., Any]) -> None:
        # Not by inspect.signature: with 200 operations and their rules it would be a good part of the import time.
        code, defaults = forward.__code__, forward.__defaults__ or ()
        named = code.co_varnames[: code.co_argcount]
        keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        if not named or named[0] != "xp":
            raise TypeError(f"the first parameter of operation {self.name!r} must be xp, not {named[:1]}")
        given = dict(zip(named[len(named) - len(defaults) :], defaults, strict=True))
        self.operands = list(named[1 : code.co_posonlyargcount])
        self.optional = {name for name in self.operands if name in given}
        self.params = {n: Param(given.get(n, REQUIRED), False) for n in named[max(code.co_posonlyargcount, 1) :]}
        self.params |= {n: Param((forward.__kwdefaults__ or {}).get(n, REQUIRED), True) for n in keywords}
        hidden = codegen.RESERVED.intersection(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])
        if hidden:
            raise TypeError(
                f"operation {self.name!r} cannot call a parameter {sorted(hidden)}: generated code uses the name"
            )
        # A list of further operands, beside those with names; of all operands, where there are no others.
        has_list = bool(code.co_flags & 0x04)
        self.listed = code.co_varnames[code.co_argcount + code.co_kwonlyargcount] if has_list else None
        self.variadic = has_list and not self.operands
        if self.variadic and self.listed is not None:
            self.operands = [self.listed]

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    @functools.cached_property
    def public_name(self) -> str:
        """What users call the operation, for messages: ``index_add``, if the node is ``IndexAddBackward0``."""
        stem = re.sub(r"Backwards?\d*$", "", self.node)
        return self.name if stem == self.node else re.sub(r"(?<!^)(?=[A-Z])", "_", stem).lower()

    @functools.cached_property
    def node_class_of_two(self) -> type[Node]:
        """The class of the node of a comparison written in place; PyTorch numbers those with tensors and with numbers."""
        name = self.node_class.__name__
        return node_class(name.removesuffix("0") + "1") if name.endswith("0") else self.node_class

    def operand(self, i: int) -> str:
        """The name of the operand at place ``i``."""
        return self.operands[i] if i < len(self.operands) else self.listed or self.operands[-1]

    def output_nr(self, name: str) -> int | None:
        """The number of an output: -1 where there is but one, ``None`` for one that has no gradient."""
        if not self.multiple:
            return -1
        return None if name in self.nondifferentiable else self.outputs.index(name)

    def takes_part(self, i: int) -> bool:
        """Whether the operand at place ``i`` takes part in type promotion."""
        if i >= len(self.operands) and not self.variadic:
            return False
        return self.promotes is None or self.operand(i) in self.promotes

    def attach(self, operands: Sequence[str], function: Callable[..., Any]) -> None:
        """Make ``function`` the rule for the gradients of ``operands``."""
        unknown = set(operands) - set(self.operands)
        if unknown:
            raise TypeError(f"operation {self.name!r} has no operand {sorted(unknown)}; it has {self.operands}")
        if "g" in self.operands and len(self.operands) > 1 and set(operands) != {"g"}:
            raise TypeError(
                f"operation {self.name!r}: in a rule 'g' is the gradient, so the operand of that name is out of reach"
            )
        rule = Rule(function, tuple(operands))
        valid = {"xp", "g", "needs", *self.operands, *(f"{o}_shape" for o in self.operands), *self.params}
        valid |= {f"{self.listed}_shapes"} if self.variadic else {f"{o}_strides" for o in self.operands}
        valid |= {self.listed} if self.listed is not None else set()
        valid |= set(self.outputs) if self.multiple else {"out"}
        unknown = set(rule.names) - valid
        if unknown:
            raise TypeError(
                f"rule {function.__name__!r} of operation {self.name!r} names {sorted(unknown)}; "
                f"a rule may name {sorted(valid)}"
            )
        for operand in operands:
            if operand in self.rules:
                raise TypeError(f"operation {self.name!r} has two rules for {operand!r}")
            self.rules[operand] = rule

    def savable(self) -> list[str]:
        """The names under which a node may show what it saved; PyTorch calls the first operand ``self``."""
        outputs = list(self.outputs) if self.multiple else ["out", "result"]
        listed = [self.listed] if self.listed is not None else []
        return ["self", *self.operands, *listed, *(f"{o}_shape" for o in self.operands), *outputs, *self.params]

    def plan(self, mask: int, present: int, cast: bool, narrow: bool = False) -> codegen.Plan:
        """How to record and run backwards a call whose operands ``mask`` need gradients.

        ``present`` marks the operands that are tensors (the others are numbers or ``None``); ``cast`` says that some
        were promoted to another dtype. For a variadic operation both masks are over all tensors.
        """
        key = (mask, present, cast, narrow)
        found = self.plans.get(key)
        if found is None:
            found = self.plans.setdefault(key, codegen.Plan(self, mask, present, cast, narrow))
        return found

    def build(self) -> OpFunction:
        """The function that users call, with its operator and in-place twins."""
        function: Any = codegen.public_function(self)
        function.op = self
        if not self.variadic:
            function.operator = codegen.operator_function(self)
            function.inplace = codegen.inplace_function(self)

        def vjp(*operands: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
            def attach(rule: Callable[..., Any]) -> Callable[..., Any]:
                self.attach(operands, rule)
                return rule

            return attach

        def into(writes: Callable[..., None]) -> Callable[..., None]:
            self.into = writes
            return writes

        def jvp(rule: Callable[..., Any]) -> Callable[..., Any]:
            self.jvp = OnNames(rule)
            return rule

        def vmap(rule: Callable[..., Any]) -> Callable[..., Any]:
            self.vmap = OnNames(rule)
            return rule

        function.vjp, function.jvp, function.vmap, function.into = vjp, jvp, vmap, into
        self.function = function
        return self.function

    # The general path: any operands, any mode.

    def apply(self, operands: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        """Run the operation in any mode, on operands of any kind: numbers, arrays, several dtypes, 0-d cpu tensors."""
        mode = current_mode()
        if mode.level is not None:
            return mode.level.apply(self, operands, params, mode)
        if mode.dual is not None:
            return RUNTIME["apply_dual"](self, operands, params, mode)
        return self.run(operands, params)

    def run(self, operands: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        """Run the operation on operands of the level at which we are."""
        call = self.prepare(operands)
        raws = self.compute(call, params)
        return self.finish(call, raws, params)

    def apply_operator(self, operands: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        """As :meth:`apply`, but leaves operands that it does not know to the other side's reflected method."""
        if not all(is_operand(x) for x in operands):
            return NotImplemented
        return self.apply(operands, params)

    def prepare(self, operands: tuple[Any, ...]) -> Call:
        """Coerce operands to tensors and numbers on one device, and find the dtype to compute in."""
        return prepare(self, operands)

    def compute(self, call: Call, params: tuple[Any, ...]) -> Any:
        """The raw result: one array, or a tuple where the operation has several outputs."""
        where = call.device
        if where.level is not None:
            return where.level.compute(self, call, params)
        array_class: Any = where.array_class
        size = max([x.size for x in call.raws if x.__class__ is array_class], default=0)
        call.xp = xp = where.xp if size < where.large_from else where.large
        kwargs = dict(zip(self.params, params, strict=True))
        given = call.raws
        if self.scoped and has_narrow(given):
            call.narrow = True
            given = tuple([widened(xp, x) for x in given])
        token = where.enter()
        try:
            raws = self.forward(xp, *given, **kwargs)
        except ValueError as e:
            if self.promote is None:
                raise
            refuse_shapes(self.public_name, call.raws, e)
        finally:
            where.leave(token)
        if self.multiple:
            found = tuple([r if r.__class__ is array_class else xp.asarray(r) for r in raws])
            return tuple([rounded(xp, r, kwargs) for r in found]) if call.narrow else found
        raw = raws if raws.__class__ is array_class else xp.asarray(raws)
        return rounded(xp, raw, kwargs) if call.narrow else raw

    def write(self, call: Call, params: tuple[Any, ...]) -> None:
        """Run :attr:`into`: write the result into the first operand."""
        assert self.into is not None
        where = call.device
        if where.level is not None:
            where.level.write_data(self, call, params)
            return
        token = where.enter()
        try:
            self.into(where.xp, *call.raws, **dict(zip(self.params, params, strict=True)))
        finally:
            where.leave(token)

    def finish(self, call: Call, raws: Any, params: tuple[Any, ...]) -> Any:
        """Tensors of the raw result, recorded if the mode and the operands ask for it."""
        out = tuple(wrap(r, call.device) for r in raws) if self.multiple else wrap(raws, call.device)
        mode = current_mode()
        if mode.anomaly is not None:
            diagnosis.note_operands(call.operands, out)
        if mode.inference and not self.view:
            for o in out if isinstance(out, tuple) else (out,):
                o._cell = NO_VERSIONS
        if mode.grad and self.differentiable:
            node = self.record(call, out, raws, params)
            if mode.saved_hooks and node is not None and (hooks := hooks_for(mode, call.device)) is not None:
                node._plan.pack_results(node, out, hooks)
        if self.view:
            attach = RUNTIME["attach_view"]
            for nr, o in enumerate(out) if isinstance(out, tuple) else ((None, out),):
                attach(o, call.operands[0], self, params, nr, mode.grad)
        if mode.anomaly is not None:
            diagnosis.note_results(self, call, out, mode.grad)
        return out

    def record(self, call: Call, out: Any, raws: Any, params: tuple[Any, ...]) -> Node | None:
        """Make the node of a call, if any of its operands requires grad."""
        plan = self.plan_of(call)
        if plan is None:
            return None
        mode = current_mode()
        if hooks_for(mode, call.device) is not None:
            plan = plan.packed
        named = call.operands if self.variadic else call.operands[: len(self.operands)]
        extra = () if call.cast is None else (call.cast,)
        operands = (call.operands,) if self.variadic else named
        if self.listed is not None and not self.variadic:
            operands = (*named, call.operands[len(named) :])
        made: Node = plan.record(out, raws, call.xp, *operands, *params, *extra)
        if mode.anomaly is not None:
            diagnosis.note_recorded(made, self, call, out, raws, mode)
        return made

    def plan_of(self, call: Call) -> codegen.Plan | None:
        """How to record a call; ``None`` if none of its operands requires grad."""
        mask = present = 0
        named = call.operands if self.variadic else call.operands[: len(self.operands)]
        for i, x in enumerate(named):
            if is_tensor(x):
                present |= 1 << i
                if x._req:
                    mask |= 1 << i
        return self.plan(mask, present, call.cast is not None, call.narrow) if mask else None


class OnNames:
    """A function that is called with those of some named values that its parameters name."""

    __slots__ = ("function", "names")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        code = function.__code__
        self.names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    def __call__(self, values: Mapping[str, Any]) -> Any:
        return self.function(**{name: values[name] for name in self.names})


class Rule:
    """A function that gives the gradients of some operands."""

    __slots__ = ("function", "joint", "names", "operands")

    def __init__(self, function: Callable[..., Any], operands: tuple[str, ...]) -> None:
        self.function = function
        self.operands = operands
        code = function.__code__
        self.names = code.co_varnames[: code.co_argcount]
        if self.names[:2] != ("xp", "g"):
            raise TypeError(f"a rule takes xp and g first, but {function.__name__!r} takes {self.names}")
        # One function may serve several operands alike (add), or give a tuple for all of them at once.
        self.joint = "needs" in self.names


def conj(xp: Any, x: Any) -> Any:
    """The complex conjugate; ``x`` itself where it is real. ``x`` may be a Python number."""
    if x.__class__ is float or x.__class__ is int:
        return x
    return x.conjugate() if x.__class__ is complex else xp.conj(x)


def _elementwise_rule(factor: Callable[..., Any]) -> Callable[..., Any]:
    """The vjp rule of an elementwise operation with derivative ``factor``: ``g * conj(factor)``."""
    names = factor.__code__.co_varnames[: factor.__code__.co_argcount]
    arguments = ", ".join(names)
    saved = "".join(f", {n}" for n in names if n != "xp")
    scope: dict[str, Any] = {"factor": factor, "conj": conj}
    exec(f"def rule(xp, g{saved}):\n    return xp.multiply(g, conj(xp, factor({arguments})))", scope)  # noqa: S102
    rule: Callable[..., Any] = scope["rule"]
    rule.__name__ = f"{factor.__name__}_rule"
    return rule
