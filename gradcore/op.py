"""How an operation is defined, and the code that runs it.

One operation is one block: a forward function, its derivative rules, the samples that its tests use::

    @op(node="MulBackward0", promote="arithmetic", multilinear=True, samples=pairs)
    def mul(xp, input, other, /):
        \"""Product, element by element.\"""
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
* The parameter names of a rule say what is saved: an operand, ``<operand>_shape``, ``out`` (or the name of an output),
  a parameter. They are read once, here; what a rule does not name is not kept.
* A rule returns the gradient for its operand in any shape that broadcasting made, and in any dtype: the engine sums and
  casts.

What the decorator returns is a function generated for this one operation, since a generic one would spend more time on
looking things up than the arrays need for the arithmetic. It handles the plain case (tensors of one dtype on one device,
or a Python number beside a tensor); everything else goes through :meth:`Op.apply`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import numpy as np

from gradcore import dtypes
from gradcore.device import device, device_of
from gradcore.errors import DeviceError
from gradcore.grad_mode import PLAIN, current_mode
from gradcore.graph import Node, Slot, next_sequence_number, node_class, raise_freed, raise_modified

if TYPE_CHECKING:
    from gradcore.backend import Array
    from gradcore.tensor import Tensor

__all__ = ["OPS", "STANDARD", "Op", "OpFunction", "conj", "is_tensor", "op", "standard", "wrap"]

OPS: dict[str, Op] = {}
"""Every operation by its name: what tests, documentation and conformance runs loop over."""

STANDARD: dict[str, Callable[..., Any]] = {}
"""What rules may call as ``xp.<name>`` when ``xp`` is the namespace of tensors; see :func:`standard`."""

RUNTIME: dict[str, Any] = {
    "PLAIN": PLAIN,
    "Slot": Slot,
    "current_mode": current_mode,
    "new": object.__new__,
    "next_sequence_number": next_sequence_number,
    "raise_freed": raise_freed,
    "raise_modified": raise_modified,
}
"""The globals of generated code. :func:`bind` adds the class of tensors: the graph layer does not import it."""


def bind(**names: Any) -> None:
    """Tell the graph layer what lies above it: the Tensor class, the namespace of tensors, the view machinery."""
    RUNTIME.update(names)


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


def op(
    node: str,
    *,
    promote: str | None = None,
    promotes: Sequence[str] | None = None,
    view: bool = False,
    outputs: Sequence[str] | Literal["many"] | None = None,
    nondifferentiable: Sequence[str] = (),
    differentiable: bool = True,
    d: Callable[..., Any] | dict[str, Callable[..., Any]] | None = None,
    linear: bool = False,
    multilinear: bool = False,
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
        linear, multilinear: the operation is linear in all operands together, or in each of them. Forward mode uses it.
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
        made.scoped = scoped and not view
        made.samples = samples
        smooth = [nr for nr, name in enumerate(made.outputs) if name not in made.nondifferentiable]
        made.node_class = node_class(node, made.multiple, smooth[0] if len(smooth) == 1 else None, made.savable())
        for operand, factor in (d if isinstance(d, dict) else {made.operands[0]: d} if d is not None else {}).items():
            made.attach((operand,), _elementwise_rule(factor))
        if made.name in OPS:
            raise TypeError(f"two operations are called {made.name!r}")
        OPS[made.name] = made
        function = made.build()
        for name in (standard,) if isinstance(standard, str) else standard:
            STANDARD[name] = function
        return function

    return define


F = TypeVar("F", bound=Callable[..., Any])


def standard(*names: str) -> Callable[[F], F]:
    """Make a function of tensors known to rules as ``xp.<name>``. Its signature must be that of the Array API."""

    def register(function: F) -> F:
        for name in names:
            STANDARD[name] = function
        return function

    return register


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
    scoped: bool
    samples: Callable[..., Iterable[Any]] | None
    node_class: type[Node]
    function: OpFunction

    def __init__(self, forward: Callable[..., Any], node: str) -> None:
        self.name = forward.__name__
        self.forward = forward
        self.node = node
        self.operands: list[str] = []
        self.optional: set[str] = set()
        self.variadic = False
        self.params: dict[str, inspect.Parameter] = {}
        self.rules: dict[str, Rule] = {}
        self.plans: dict[tuple[Any, ...], Plan] = {}
        first, *rest = inspect.signature(forward).parameters.values()
        if first.name != "xp":
            raise TypeError(f"the first parameter of operation {self.name!r} must be xp, not {first.name!r}")
        for p in rest:
            if p.kind is p.POSITIONAL_ONLY:
                self.operands.append(p.name)
                if p.default is None:
                    self.optional.add(p.name)
            elif p.kind is p.VAR_POSITIONAL:
                self.operands.append(p.name)
                self.variadic = True
            else:
                self.params[p.name] = p

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def attach(self, operands: Sequence[str], function: Callable[..., Any]) -> None:
        """Make ``function`` the rule for the gradients of ``operands``."""
        unknown = set(operands) - set(self.operands)
        if unknown:
            raise TypeError(f"operation {self.name!r} has no operand {sorted(unknown)}; it has {self.operands}")
        rule = Rule(function, tuple(operands))
        valid = {"xp", "g", "needs", *self.operands, *(f"{o}_shape" for o in self.operands), *self.params}
        valid |= {f"{self.operands[-1]}_shapes"} if self.variadic else set()
        valid |= set(self.outputs) if self.multiple else {"out"}
        unknown = set(rule.needs_names) - valid
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
        return ["self", *self.operands, *(f"{o}_shape" for o in self.operands), *outputs, *self.params]

    def plan(self, mask: int, present: int, cast: bool) -> Plan:
        """How to record and run backwards a call whose operands ``mask`` need gradients.

        ``present`` marks the operands that are tensors (the others are numbers or ``None``); ``cast`` says that some
        were promoted to another dtype. For a variadic operation both masks are over all tensors.
        """
        key = (mask, present, cast)
        found = self.plans.get(key)
        if found is None:
            found = self.plans.setdefault(key, Plan(self, mask, present, cast))
        return found

    def build(self) -> OpFunction:
        """The function that users call, with its operator and in-place twins."""
        function: Any = _compile(self, _source(self, self.name, "apply"), self.name)
        function.__doc__ = self.forward.__doc__
        function.op = self
        if not self.variadic:
            function.operator = _compile(self, _source(self, self.name, "apply_operator"), self.name)
            function.inplace = _compile(self, _inplace_source(self), self.name + "_")

        def vjp(*operands: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
            def attach(rule: Callable[..., Any]) -> Callable[..., Any]:
                self.attach(operands, rule)
                return rule

            return attach

        function.vjp = vjp
        self.function = function
        return self.function

    # The general path: any operands, any mode.

    def apply(self, operands: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        """Run the operation on operands of any kind: numbers, arrays, several dtypes, 0-d cpu tensors."""
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
        Tensor = RUNTIME["Tensor"]
        sync = RUNTIME["sync"]
        given = [self.coerce(i, x) for i, x in enumerate(operands)]
        tensors = [x for x in given if isinstance(x, Tensor)]
        if not tensors:
            self.refuse(0, operands[0] if operands else None)
        where = common_device(self.name, tensors)
        for i, x in enumerate(given):
            if isinstance(x, Tensor):
                if x._view is not None:
                    sync(x)
                if x._device is not where:
                    given[i] = RUNTIME["move"](x, where)
        compute = self.compute_dtype(given)
        raws: list[Any] = []
        cast = False
        for i, x in enumerate(given):
            if isinstance(x, Tensor):
                raw = x._data
                if compute is not None and self.takes_part(i) and x.dtype != compute:
                    raw = where.xp.astype(raw, compute)
                    cast = True
                raws.append(raw)
            elif x is None or compute is None or not self.takes_part(i):
                raws.append(x)
            else:
                raws.append(as_number(where, x, compute))
        # Functions of two numbers and a condition need arrays all the same.
        if compute is not None and not any(isinstance(x, Tensor) and self.takes_part(i) for i, x in enumerate(given)):
            raws = [
                where.xp.asarray(r, dtype=compute) if self.takes_part(i) and isinstance(r, (bool, int, float, complex)) else r
                for i, r in enumerate(raws)
            ]
        return Call(where, tuple(given), tuple(raws), compute if cast else None)

    def compute(self, call: Call, params: tuple[Any, ...]) -> Any:
        """The raw result: one array, or a tuple where the operation has several outputs."""
        where = call.device
        size = max((x.size for x in call.raws if hasattr(x, "size")), default=0)
        call.xp = xp = where.xp if size < where.large_from else where.large
        kwargs = dict(zip(self.params, params, strict=True))
        token = where.enter()
        try:
            raws = self.forward(xp, *call.raws, **kwargs)
        finally:
            where.leave(token)
        wrap = where.array_class
        if self.multiple:
            return tuple(r if r.__class__ is wrap else xp.asarray(r) for r in raws)
        return raws if raws.__class__ is wrap else xp.asarray(raws)

    def finish(self, call: Call, raws: Any, params: tuple[Any, ...]) -> Any:
        """Tensors of the raw result, recorded if the mode and the operands ask for it."""
        wrap = RUNTIME["wrap"]
        out = (
            tuple(wrap(r, call.device) for r in raws) if self.multiple else wrap(raws, call.device)
        )
        mode = current_mode()
        if mode.grad and self.differentiable:
            self.record(call, out, raws, params)
        if self.view:
            attach = RUNTIME["attach_view"]
            for nr, o in enumerate(out) if isinstance(out, tuple) else ((None, out),):
                attach(o, call.operands[0], self, params, nr, mode.grad)
        return out

    def record(self, call: Call, out: Any, raws: Any, params: tuple[Any, ...]) -> None:
        """Make the node of a call, if any of its operands requires grad."""
        Tensor = RUNTIME["Tensor"]
        mask = present = 0
        for i, x in enumerate(call.operands):
            if isinstance(x, Tensor):
                present |= 1 << i
                if x._req:
                    mask |= 1 << i
        if mask:
            plan = self.plan(mask, present, call.cast is not None)
            extra = () if call.cast is None else (call.cast,)
            operands = (call.operands,) if self.variadic else call.operands
            plan.record(out, raws, call.xp, *operands, *params, *extra)

    def coerce(self, i: int, x: Any) -> Any:
        """An operand as a tensor, a Python number or ``None``."""
        if isinstance(x, RUNTIME["Tensor"]) or type(x) in (float, int, bool, complex):
            return x
        if x is None and (self.variadic or self.operands[i] in self.optional):
            return x
        if isinstance(x, np.generic):
            return x.item()
        if isinstance(x, (bool, int, float, complex)):
            return _plain_number(x)
        where = device_of(x)
        if where is not None:
            return RUNTIME["wrap"](x, where)
        return self.refuse(i, x)

    def refuse(self, i: int, x: Any) -> Any:
        name = self.operands[min(i, len(self.operands) - 1)]
        raise TypeError(f"{self.name}(): argument {name!r} (position {i + 1}) must be Tensor, not {type(x).__name__}")

    def takes_part(self, i: int) -> bool:
        """Whether operand ``i`` takes part in type promotion."""
        return self.promotes is None or self.operands[min(i, len(self.operands) - 1)] in self.promotes

    def compute_dtype(self, operands: Sequence[Any]) -> dtypes.DType | None:
        """The dtype that operands are brought to before the forward function; ``None``: each keeps its own."""
        if self.promote is None:
            return None
        Tensor = RUNTIME["Tensor"]
        part = [x for i, x in enumerate(operands) if self.takes_part(i) and x is not None]
        if self.promote == "same":
            found = {x.dtype for x in part if isinstance(x, Tensor)}
            if len(found) > 1:
                names = " and ".join(dtypes.dtype_name(d) for d in found)
                raise RuntimeError(
                    f"{self.name}: expected all operands to have the same dtype, but got {names}; bring them to one "
                    "with .to(dtype)"
                )
            return None
        tensors = [x for x in part if isinstance(x, Tensor)]
        result = dtypes.promote(
            [x.dtype for x in tensors if x.ndim],
            [x.dtype for x in tensors if not x.ndim],
            [x for x in part if not isinstance(x, Tensor)],
        )
        if self.promote == "float" and dtypes.category(result) < 2:
            result = dtypes.get_default_dtype()
        return result


class Call:
    """The operands of one call, ready to compute with."""

    __slots__ = ("cast", "device", "operands", "raws", "xp")
    xp: Any

    def __init__(self, device: device, operands: tuple[Any, ...], raws: tuple[Any, ...], cast: Any) -> None:
        self.device = device
        self.operands = operands
        self.raws = raws
        self.cast = cast


class Rule:
    """A function that gives the gradients of some operands."""

    __slots__ = ("function", "joint", "needs_names", "operands")

    def __init__(self, function: Callable[..., Any], operands: tuple[str, ...]) -> None:
        self.function = function
        self.operands = operands
        self.needs_names = tuple(inspect.signature(function).parameters)
        if self.needs_names[:2] != ("xp", "g"):
            raise TypeError(f"a rule takes xp and g first, but {function.__name__!r} takes {self.needs_names}")
        # One function may serve several operands alike (add), or give a tuple for all of them at once.
        self.joint = "needs" in self.needs_names


class Plan:
    """One way in which an operation is recorded, for one set of operands that need a gradient.

    ``record`` makes the node; ``raw`` runs it backwards on arrays; ``graph`` runs it on tensors. All three are
    generated, from the names that the rules use.
    """

    def __init__(self, op: Op, mask: int, present: int, cast: bool) -> None:
        self.op = op
        self.layout = _Layout(op, mask, present, cast)
        rules = {f"rule_{operand}": rule.function for operand, rule in op.rules.items()}
        self.record = _compile(op, self.layout.record_source(), "record", {"PLAN": self, "NODE": op.node_class})
        self.raw = _compile(op, self.layout.backward_source(graph=False), "raw", rules)
        self.graph = _compile(op, self.layout.backward_source(graph=True), "graph", rules)

    def read_saved(self, node: Node, name: str) -> Any:
        """The value of ``node._saved_<name>``; the first operand may be called ``self``, as PyTorch does."""
        name = {"self": self.op.operands[0], "result": "out"}.get(name, name)
        if node._saved is None:
            raise_freed(node)
        return self.layout.read(node, name)


class _Layout:
    """What a plan saves, in which order, and the source text that writes and reads it."""

    def __init__(self, op: Op, mask: int, present: int, cast: bool) -> None:
        self.op = op
        self.cast = cast
        self.mask, self.present = mask, present
        names = op.operands
        if op.variadic:
            self.wanted = [names[-1]]
        else:
            self.wanted = [o for i, o in enumerate(names) if mask >> i & 1]
        saved: dict[str, None] = {}
        self.missing = [o for o in self.wanted if o not in op.rules]
        for operand in self.wanted:
            if operand in op.rules:
                saved |= dict.fromkeys(n for n in op.rules[operand].needs_names if n not in ("xp", "g", "needs"))
        self.saved = list(saved)
        self.outputs = op.outputs if op.multiple else ("out",)

    def is_tensor(self, name: str) -> bool:
        """Whether a saved name is an operand that is a tensor in this plan."""
        return not self.op.variadic and name in self.op.operands and bool(self.present >> self.op.operands.index(name) & 1)

    # Each saved name takes: an operand (tensor, version); an output (array, cell, version); anything else one place.

    def record_source(self) -> str:
        op = self.op
        multiple = op.multiple
        values: list[str] = []
        lines: list[str] = []
        for name in self.saved:
            if self.is_tensor(name):
                values += [name, f"0 if {name}._cell is None else {name}._cell[0]"]
            elif name in self.outputs:
                nr = f"[{self.outputs.index(name)}]" if multiple else ""
                lines.append(f"cell_{name} = out{nr}._cell")
                lines.append(f"if cell_{name} is None: cell_{name} = out{nr}._cell = [0]")
                values += [f"raw{nr}", f"cell_{name}", f"cell_{name}[0]"]
            elif op.variadic and name == op.operands[-1]:
                values += [name, f"[0 if x._cell is None else x._cell[0] for x in {name}]"]
            elif op.variadic and name == f"{op.operands[-1]}_shapes":
                values.append(f"[x._data.shape for x in {op.operands[-1]}]")
            elif name.endswith("_shape") and (operand := name.removesuffix("_shape")) in op.operands:
                values.append(f"{operand}._data.shape" if self.is_tensor(operand) else "()")
            else:
                values.append(name)
        if self.cast:
            values.append("cast")
        if op.variadic:
            edges = f"tuple([(x._edge or x) if x._req else None for x in {op.operands[-1]}])"
        else:
            edges = "".join(f"{o}._edge or {o}, " if self.mask >> i & 1 else "None, " for i, o in enumerate(op.operands))
            edges = f"({edges})"
        lines += [
            "node = new(NODE)",
            "node._plan = PLAN",
            "node._xp = xp",
            "node._seq = next_sequence_number()",
            f"node._next = {edges}",
            f"node._saved = ({''.join(v + ', ' for v in values)})",
            "node._hooks = None",
        ]
        if multiple:
            lines += ["node._shape = [r.shape for r in raw]", "node._dtype = [r.dtype for r in raw]"]
            smooth = [nr for nr, name in enumerate(self.outputs) if name not in op.nondifferentiable]
            lines += [
                f"for nr in {smooth if self.outputs else 'range(len(raw))'}:",
                "    out[nr]._edge = Slot(node, nr, raw[nr].shape, raw[nr].dtype)",
                "    out[nr]._req = True",
            ]
        else:
            lines += ["node._shape = raw.shape", "node._dtype = raw.dtype", "out._edge = node", "out._req = True"]
        arguments = ["out", "raw", "xp", *op.operands, *op.params, *(["cast"] if self.cast else [])]
        return f"def record({', '.join(arguments)}):\n    " + "\n    ".join(lines)

    def backward_source(self, graph: bool) -> str:
        op = self.op
        lines: list[str] = []
        places: list[str] = []
        checks: list[str] = []
        argument: dict[str, str] = {"xp": "xp", "g": "g"}
        for name in self.saved:
            argument[name] = name
            if self.is_tensor(name):
                places += [name, f"v_{name}"]
                checks += [
                    f"if {name}._cell is not None and {name}._cell[0] != v_{name}: "
                    f"raise_modified(node, {name!r}, {name}, {name}._cell[0], v_{name})"
                ]
                if graph:
                    if self.cast:
                        argument[name] = f"cast_tensor({name}, cast)"
                elif self.cast and op.takes_part(op.operands.index(name)):
                    argument[name] = f"cast_raw(xp, {name}._data, cast)"
                else:
                    argument[name] = f"{name}._data"
            elif name in self.outputs:
                nr = self.outputs.index(name) if op.multiple else -1
                places += [name, f"cell_{name}", f"v_{name}"]
                rebuilt = f"rebuild(node, {nr}, {name}, cell_{name})"
                checks += [
                    f"if cell_{name}[0] != v_{name}: "
                    f"raise_modified(node, {name!r}, {rebuilt}, cell_{name}[0], v_{name})"
                ]
                if graph:
                    argument[name] = rebuilt
            elif op.variadic and name == op.operands[-1]:
                places += [name, f"v_{name}"]
                checks += [f"check_versions(node, {name!r}, {name}, v_{name})"]
                if self.cast:
                    cast = "cast_tensor(x, cast)" if graph else "cast_raw(xp, x._data, cast)"
                    argument[name] = f"[{cast} for x in {name}]"
                elif not graph:
                    argument[name] = f"[x._data for x in {name}]"
            else:
                places.append(name)
        if self.cast:
            places.append("cast")
        if places:
            lines += ["saved = node._saved", "if saved is None: raise_freed(node)", f"({''.join(p + ', ' for p in places)}) = saved"]
        lines += checks
        if graph:
            lines.append("xp = tensor_namespace(node._xp)")
        if self.missing:
            lines.append(f"raise_no_rule({op.name!r}, {self.missing[0]!r})")
        results: list[str] = []
        done: dict[int, str] = {}
        for i, operand in enumerate(op.operands):
            if operand not in self.wanted or self.missing:
                results.append("None")
                continue
            rule = op.rules[operand]
            known = done.get(id(rule))
            if known is None:
                function = f"rule_{operand}"
                if op.variadic:
                    argument["needs"] = "[e is not None for e in node._next]"
                else:
                    argument["needs"] = repr(tuple(o in self.wanted for o in rule.operands))
                call = f"{function}({', '.join(argument[n] for n in rule.needs_names)})"
                if op.variadic:
                    lines.append(f"return {call}")
                lines.append(f"r_{i} = {call}")
                known = done[id(rule)] = f"r_{i}"
            results.append(f"{known}[{rule.operands.index(operand)}]" if rule.joint else known)
        lines.append(f"return ({''.join(r + ', ' for r in results)})")
        kind = "graph" if graph else "raw"
        return f"def {kind}(node, xp, g):\n    " + "\n    ".join(lines)

    def read(self, node: Node, wanted: str) -> Any:
        """One saved value, as ``node._saved_<name>`` shows it."""
        saved = node._saved
        assert saved is not None
        at = 0
        for name in self.saved:
            if self.is_tensor(name):
                if name == wanted:
                    tensor, version = saved[at : at + 2]
                    if tensor._cell is not None and tensor._cell[0] != version:
                        raise_modified(node, name, tensor, tensor._cell[0], version)
                    return tensor
                at += 2
            elif name in self.outputs:
                if name == wanted:
                    raw, cell, version = saved[at : at + 3]
                    nr = self.outputs.index(name) if self.op.multiple else -1
                    rebuilt = RUNTIME["rebuild"](node, nr, raw, cell)
                    if cell[0] != version:
                        raise_modified(node, name, rebuilt, cell[0], version)
                    return rebuilt
                at += 3
            else:
                if name == wanted:
                    return saved[at]
                at += 2 if self.op.variadic and name == self.op.operands[-1] else 1
        if wanted in self.op.operands:
            return None
        raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{wanted}'")


def is_tensor(x: object) -> bool:
    """Whether ``x`` is a gradcore tensor."""
    return isinstance(x, RUNTIME["Tensor"])


def wrap(raw: Array, where: device) -> Tensor:
    """A new tensor of an array on a device, without history."""
    return RUNTIME["wrap"](raw, where)  # type: ignore[no-any-return]


def is_operand(x: Any) -> bool:
    """Whether ``x`` can stand beside a tensor in an operation."""
    return isinstance(x, (RUNTIME["Tensor"], bool, int, float, complex, np.generic)) or device_of(x) is not None


def common_device(name: str, tensors: Sequence[Any]) -> device:
    """The device on which an operation on ``tensors`` runs; 0-d cpu tensors may stand beside any other.

    Raises:
        DeviceError: (a RuntimeError) there are two.
    """
    first = tensors[0]._device
    if all(t._device is first for t in tensors):
        return first  # type: ignore[no-any-return]
    places = {t._device: t for t in tensors if t._device.type != "cpu" or t.ndim}
    if len(places) > 1:
        found = " and ".join(str(p) for p in places)
        raise DeviceError(
            f"Expected all tensors to be on the same device, but {name} got at least two devices, {found}. Move one "
            "of them, with .to(device)"
        )
    return next(iter(places), first)  # type: ignore[no-any-return]


def as_number(where: device, value: complex, dtype: dtypes.DType) -> Any:
    """A Python number as it goes into the forward function beside arrays of ``dtype``."""
    kind = dtypes.category(dtype)
    if kind == 2:
        return float(value)  # type: ignore[arg-type]  # promotion has seen that it is real
    if kind == 3:
        return complex(value)
    # Integers wrap, as in PyTorch; NumPy would raise for a number out of range.
    return where.xp.asarray(np.asarray(value).astype(dtype)[()], dtype=dtype)


def _plain_number(x: complex) -> complex:
    """An instance of a subclass of a number type (an IntEnum) as the plain number."""
    for kind in (bool, int, float):
        if isinstance(x, kind):
            return kind(x)
    return complex(x)


def _elementwise_rule(factor: Callable[..., Any]) -> Callable[..., Any]:
    """The vjp rule of an elementwise operation with derivative ``factor``: ``g * conj(factor)``."""
    names = [n for n in inspect.signature(factor).parameters if n != "xp"]
    takes_xp = "xp" in inspect.signature(factor).parameters
    source = (
        f"def rule(xp, g{''.join(', ' + n for n in names)}):\n"
        f"    return g * conj(xp, factor({', '.join((['xp'] if takes_xp else []) + names)}))"
    )
    scope: dict[str, Any] = {"factor": factor, "conj": conj}
    exec(source, scope)  # noqa: S102 - the names come from the signature
    rule: Callable[..., Any] = scope["rule"]
    rule.__name__ = f"{factor.__name__}_rule"
    return rule


def conj(xp: Any, x: Any) -> Any:
    """The complex conjugate; ``x`` itself where it is real. ``x`` may be a Python number."""
    if x.__class__ is float or x.__class__ is int:
        return x
    return x.conjugate() if x.__class__ is complex else xp.conj(x)


def _compile(op: Op, source: str, name: str, env: dict[str, Any] | None = None) -> Any:
    """The function that ``source`` defines, with the run time's names as globals.

    Generated code shares one dictionary of globals, so names of this operation are bound as defaults of an outer
    function: closure variables are also faster to read.
    """
    own = {"OP": op, "forward": op.forward, **(env or {})}
    body = "\n".join("    " + line for line in source.splitlines())
    scope: dict[str, Any] = {}
    text = f"def make({', '.join(own)}):\n{body}\n    return {name}\n"
    exec(compile(text, f"<gradcore {op.name}: {name}>", "exec"), RUNTIME, scope)  # noqa: S102 - our own text
    return scope["make"](**own)


def _signature(op: Op) -> str:
    """The parameter list of the public function."""
    parts = [f"{o}=None" if o in op.optional else o for o in op.operands]
    keyword_only = False
    for name, p in op.params.items():
        if p.kind is p.KEYWORD_ONLY and not keyword_only:
            parts.append("*")
            keyword_only = True
        parts.append(name if p.default is p.empty else f"{name}={p.default!r}")
    return ", ".join(parts)


def _source(op: Op, name: str, general: str) -> str:
    """The source of the public function: the plain case, and ``OP.<general>`` for the rest."""
    params = "".join(f"{p}, " for p in op.params)
    if op.variadic:
        rest = _signature(op).partition(", ")[2]
        return f"def {name}(*{op.operands[0]}{', ' + rest if rest else ''}):\n    return OP.{general}({op.operands[0]}, ({params}))"
    fallback = f"return OP.{general}(({''.join(o + ', ' for o in op.operands)}), ({params}))"
    if op.optional or op.multiple or len(op.operands) > 3:
        return f"def {name}({_signature(op)}):\n    {fallback}"
    first, *others = op.operands
    takes_number = len(op.operands) == 2 and op.promote in ("arithmetic", "float")
    lines = [f"def {name}({_signature(op)}):"]
    conditions = ["current_mode() is PLAIN", f"isinstance({first}, Tensor)"]
    if not takes_number:
        conditions += [f"isinstance({o}, Tensor)" for o in others]
    lines.append(f"    if {' and '.join(conditions)}:")
    lines.append(f"        dev = {first}._device")
    lines.append(f"        a0 = {first}._data")
    test = ["True"]
    if op.promote == "float" and len(op.operands) == 1:
        test = ["a0.dtype in dev.floating"]
    if takes_number:
        (other,) = others
        floating = " and a0.dtype in dev.floating" if op.promote == "float" else ""
        lines += [
            f"        if isinstance({other}, Tensor):",
            f"            a1 = {other}._data",
            f"            plain = {other}._device is dev and a0.dtype is a1.dtype{floating}",
            f"            if {other}._view is not None: sync({other})",
            f"            recorders, mask, saved = TENSORS, 2 if {other}._req else 0, {other}",
            "        else:",
            f"            plain = ({other}.__class__ is float or {other}.__class__ is int) and a0.dtype in dev.floating",
            "            if plain:",
            f"                saved = a1 = dev.number({other}, a0.dtype)",
            "                recorders, mask = NUMBER, 0",
        ]
        test = ["plain"]
    elif others:
        for i, o in enumerate(others, 1):
            lines.append(f"        a{i} = {o}._data")
        test = [f"{o}._device is dev" for o in others]
        if op.promote is not None:
            test += [f"a0.dtype is a{i}.dtype" for i in range(1, len(op.operands)) if op.takes_part(i) and op.takes_part(0)]
            if not op.takes_part(0):
                test = ["False"]
        if op.promote == "float":
            test.append("a0.dtype in dev.floating")
    lines.append(f"        if {' and '.join(test)}:")
    inner: list[str] = []
    inner += [f"if {o}._view is not None: sync({o})" for o in ([first] if takes_number else op.operands)]
    raws = ", ".join(f"a{i}" for i in range(len(op.operands)))
    call = f"forward(xp, {raws}{''.join(f', {p}={p}' for p in op.params)})"
    if op.scoped:
        inner += [
            "xp = dev.xp if a0.size < dev.large_from else dev.large",
            "token = dev.enter()",
            "try:",
            f"    raw = {call}",
            "finally:",
            "    dev.leave(token)",
        ]
    else:
        inner += ["xp = dev.xp", f"raw = {call}"]
    inner += [
        "if raw.__class__ is not dev.array_class: raw = xp.asarray(raw)",
        "out = new(Tensor)",
        "out._data = raw",
        "out._device = dev",
    ]
    if op.differentiable:
        arguments = "".join(", " + n for n in (*op.operands, *op.params))
        if takes_number:
            # A number is saved as the forward function saw it.
            arguments = "".join(", " + n for n in (first, "saved", *op.params))
            inner += [f"if {first}._req: mask |= 1", f"if mask: recorders[mask](out, raw, xp{arguments})"]
        elif len(op.operands) == 1:
            inner += [f"if {first}._req: TENSORS[1](out, raw, xp{arguments})"]
        else:
            terms = " | ".join(f"({1 << i} if {o}._req else 0)" for i, o in enumerate(op.operands))
            inner += [f"mask = {terms}", f"if mask: TENSORS[mask](out, raw, xp{arguments})"]
    if op.view:
        inner.append(f"attach_view(out, {first}, OP, ({params}), None, True)")
    inner.append("return out")
    lines += ["            " + line for line in inner]
    lines.append(f"    {fallback}")
    head = [f"TENSORS = recorders_of(OP, {(1 << len(op.operands)) - 1})"]
    if takes_number:
        head.append("NUMBER = recorders_of(OP, 1)")
    return "\n".join(head + lines)


def _inplace_source(op: Op) -> str:
    """The source of the in-place twin."""
    first, *others = op.operands
    signature = ", ".join(["self", *_signature(op).split(", ")[1:]])
    operands = "".join(o + ", " for o in others)
    return f"def {op.name}_({signature}):\n    return write_result(OP, self, (self, {operands}), ({''.join(p + ', ' for p in op.params)}))"


class _Recorders(list[Any]):
    """The recorders of an operation by the mask of operands that need a gradient, compiled at their first use."""

    def __init__(self, op: Op, present: int) -> None:
        super().__init__([None] * (present + 1))
        for mask in range(1, present + 1):
            self[mask] = self.lazy(op, mask, present)

    def lazy(self, op: Op, mask: int, present: int) -> Callable[..., None]:
        def record(*args: Any) -> None:
            self[mask] = op.plan(mask, present, False).record
            self[mask](*args)

        return record


def _raise_no_rule(name: str, operand: str) -> None:
    raise NotImplementedError(f"the derivative for {name!r} with respect to {operand!r} is not implemented")


def _cast_raw(xp: Any, x: Array, dtype: Any) -> Array:
    """A saved array in the dtype in which the operation computed."""
    return x if xp.np_dtype(x.dtype) == dtype else xp.astype(x, dtype)


def _check_versions(node: Node, name: str, tensors: Sequence[Any], versions: Sequence[int]) -> None:
    for i, (x, version) in enumerate(zip(tensors, versions, strict=True)):
        if x._cell is not None and x._cell[0] != version:
            raise_modified(node, f"{name}[{i}]", x, x._cell[0], version)


bind(
    recorders_of=_Recorders,
    raise_no_rule=_raise_no_rule,
    cast_raw=_cast_raw,
    check_versions=_check_versions,
)
