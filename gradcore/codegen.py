"""The code that is written for each operation: its public function, and its plans.

A generic implementation would look the same few things up at every call, for longer than small arrays need for the
arithmetic. So the text of a function is put together once per operation, from what its definition says, and compiled at
the first call.

A *plan* belongs to an operation and a set of operands that need a gradient. ``record`` makes the node, ``raw`` runs it
backwards on arrays, ``graph`` runs it on tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from gradcore import dtypes
from gradcore.grad_mode import NO_GRAD, PLAIN, current_mode
from gradcore.graph import Node, Slot, next_sequence_number, raise_detached, raise_freed, raise_modified
from gradcore.lazy import define, forget, lazy_function
from gradcore.narrow import widening
from gradcore.operands import refuse_shapes
from gradcore.runtime import RUNTIME, bind
from gradcore.saved import HookPair, SavedTensor, save, saved_operand, saved_result

if TYPE_CHECKING:
    from gradcore.backend import Array
    from gradcore.op import Op

__all__ = ["RESERVED", "Plan", "inplace_function", "operator_function", "public_function", "raise_no_rule"]

RESERVED = frozenset(
    """
    OP a0 a1 a2 bits cast current_mode dev forward new node now nr out plain raw recorders save saved sync token
    wrap
    """.split()
)
"""What the generated functions call their own values: no parameter of an operation may have such a name."""


def _function(name: str, op: Op, source: Callable[[], str], **names: Any) -> Any:
    """A lazily compiled function of an operation."""

    def scope() -> dict[str, Any]:
        return {**RUNTIME, "OP": op, "forward": op.forward, **names}

    function = lazy_function(name, source, scope, f"{op.name}: {name}")
    function.__module__ = op.forward.__module__
    function.__doc__ = op.forward.__doc__
    _made.append(function)
    return function


_made: list[Any] = []


@dtypes.on_first_bfloat16
def _leave_fast_cases() -> None:
    """Compile everything anew: where there is bfloat16, operands may have to be widened (:mod:`gradcore.narrow`)."""
    for function in _made:
        forget(function)


def public_function(op: Op) -> Any:
    """The operation as users call it: operands, then parameters, by position or by name."""
    recorders = {} if op.variadic else _recorders(op)
    return _function(op.name, op, lambda: _public_source(op, "apply"), **recorders)


def operator_function(op: Op) -> Any:
    """The same for operators: gives ``NotImplemented`` for operands that are no numbers."""
    return _function(op.name, op, lambda: _public_source(op, "apply_operator"), **_recorders(op))


def inplace_function(op: Op) -> Any:
    """The in-place twin."""
    return _function(f"{op.name}_", op, lambda: _inplace_source(op))


def _recorders(op: Op) -> dict[str, Any]:
    return {"TENSORS": _Recorders(op, (1 << len(op.operands)) - 1), "NUMBER": _Recorders(op, 1)}


class _Recorders(dict[int, Callable[..., None]]):
    """The recorders of an operation by the mask of operands that need a gradient, made at their first use."""

    def __init__(self, op: Op, present: int) -> None:
        super().__init__()
        self.op, self.present = op, present

    def __missing__(self, mask: int) -> Callable[..., None]:
        record: Callable[..., None] = self.op.plan(mask, self.present, False).record
        self[mask] = record
        return record


def _signature(op: Op) -> str:
    """The parameter list of the public function."""
    parts = [f"{o}=None" if o in op.optional else o for o in op.operands]
    if op.listed is not None:
        parts = [f"*{op.listed}"] if op.variadic else [*parts, f"*{op.listed}"]
    starred = op.listed is not None
    for name, p in op.params.items():
        if p.keyword_only and not starred:
            parts.append("*")
            starred = True
        required = p.default.__class__ is object
        parts.append(name if required else f"{name}=OP.params[{name!r}].default")
    return ", ".join(parts)


def _public_source(op: Op, general: str) -> str:
    """The plain case (tensors of one dtype on one device, or a number beside a tensor), and a call for the rest."""
    params = "".join(f"{p}, " for p in op.params)
    head = f"def {op.name}({_signature(op)}):"
    if op.listed is not None:
        operands = op.listed if op.variadic else f"({', '.join(op.operands)}, *{op.listed})"
        return f"{head}\n    return OP.{general}({operands}, ({params}))"
    fallback = f"    return OP.{general}(({''.join(o + ', ' for o in op.operands)}), ({params}))"
    # Views, and what else computes nothing, are the same for all dtypes.
    widens = dtypes.narrow() is not None and op.scoped
    if op.optional or op.multiple or len(op.operands) > 3 or widens:
        return f"{head}\n{fallback}"
    lines = _plain_case(op, params)
    return "\n".join([head, *lines, fallback])


def _plain_case(op: Op, params: str) -> list[str]:
    first, *others = op.operands
    beside_number = len(op.operands) == 2 and op.promote in ("arithmetic", "float") and op.numbers
    part = [i for i in range(len(op.operands)) if op.takes_part(i)] or [0]
    is_floating = f"a{part[0]}.dtype in dev.floating"
    conditions = ["((now := current_mode()) is PLAIN or now is NO_GRAD)", f"isinstance({first}, Tensor)"]
    conditions += [] if beside_number else [f"isinstance({o}, Tensor)" for o in others]
    lines = [
        f"    if {' and '.join(conditions)}:",
        f"        dev = {first}._device",
        f"        a0 = {first}._data",
    ]
    tests = [is_floating] if op.promote == "float" else []
    if beside_number:
        (other,) = others
        same = " and ".join([f"{other}._device is dev", "a0.dtype is a1.dtype", *tests])
        lines += [
            f"        if isinstance({other}, Tensor):",
            f"            a1 = {other}._data",
            f"            plain = {same}",
            *([f"            if {other}._view is not None: sync({other})"] if op.differentiable else []),
            f"            recorders, bits, saved = TENSORS, 2 if {other}._req else 0, {other}",
            "        else:",
            f"            plain = ({other}.__class__ is float or {other}.__class__ is int) and {is_floating}",
            "            if plain:",
            # A number is saved as the forward function sees it.
            f"                saved = a1 = dev.number({other}, a0.dtype)",
            "                recorders, bits = NUMBER, 0",
        ]
        tests = ["plain"]
    else:
        lines += [f"        a{i} = {o}._data" for i, o in enumerate(others, 1)]
        tests += [f"{o}._device is dev" for o in others]
        if op.promote is not None:
            tests += [f"a{part[0]}.dtype is a{i}.dtype" for i in part[1:]]
    lines.append(f"        if {' and '.join(tests) or 'True'}:")
    # Only who records needs the history.
    synced = [] if not op.differentiable else [first] if beside_number else op.operands
    body = [f"if {o}._view is not None: sync({o})" for o in synced]
    arrays = ", ".join(f"a{i}" for i in range(len(op.operands)))
    call = f"raw = forward(xp, {arrays}{''.join(f', {p}={p}' for p in op.params)})"
    if op.scoped:
        body += [
            "xp = dev.xp if a0.size < dev.large_from else dev.large",
            "token = dev.enter()",
            "try:",
            f"    {call}",
            *(
                [f"except ValueError as e: refuse_shapes({op.public_name!r}, ({arrays}), e)"]
                if others and op.promote
                else []
            ),
            "finally:",
            "    dev.leave(token)",
        ]
    else:
        body += ["xp = dev.xp", call]
    body += [
        "if raw.__class__ is not dev.array_class: raw = xp.asarray(raw)",
        "out = new(Tensor)",
        "out._data = raw",
        "out._device = dev",
    ]
    if op.differentiable:
        if beside_number:
            arguments = "".join(", " + n for n in (first, "saved", *op.params))
            body += [
                f"if {first}._req: bits |= 1",
                f"if bits and now is PLAIN: recorders[bits](out, raw, xp{arguments})",
            ]
        else:
            arguments = "".join(", " + n for n in (*op.operands, *op.params))
            terms = " | ".join(f"({1 << i} if {o}._req else 0)" for i, o in enumerate(op.operands))
            one = f"if {first}._req and now is PLAIN: TENSORS[1](out, raw, xp{arguments})"
            several = f"if bits and now is PLAIN: TENSORS[bits](out, raw, xp{arguments})"
            body += [one] if not others else [f"bits = {terms}", several]
    if op.view:
        body.append(f"attach_view(out, {first}, OP, ({params}), None, now is PLAIN)")
    body.append("return out")
    return lines + ["            " + line for line in body]


def _inplace_source(op: Op) -> str:
    _, *others = op.operands
    signature = ", ".join(["self", *_signature(op).split(", ")[1:]])
    operands = "".join(o + ", " for o in others) + (f"*{op.listed}" if op.listed is not None else "")
    params = "".join(p + ", " for p in op.params)
    return f"def {op.name}_({signature}):\n    return write_result(OP, self, (self, {operands}), ({params}))"


class Plan:
    """One way in which an operation is recorded, for one set of operands that need a gradient."""

    layout: _Layout

    def __init__(self, op: Op, mask: int, present: int, cast: bool, narrow: bool = False) -> None:
        self.op = op
        self.narrow = narrow
        self.layout = self._layout(op, mask, present, cast)
        self.saves_tensors = self.layout.saves_tensors()
        rules = {f"rule_{o}": widening(rule.function) if narrow else rule.function for o, rule in op.rules.items()}
        self.record = self._compile("record", self.layout.record_source(), {"PLAN": self, "NODE": op.node_class})
        self.raw = self._compile("raw", self.layout.backward_source(graph=False), rules)
        self.graph = self._compile("graph", self.layout.backward_source(graph=True), rules)

    def _layout(self, op: Op, mask: int, present: int, cast: bool) -> _Layout:
        return _Layout(op, mask, present, cast)

    @functools.cached_property
    def packed(self) -> PackedPlan:
        """The plan that does the same with a :class:`SavedTensor` in the place of each tensor that is saved."""
        at = self.layout
        return PackedPlan(self.op, at.mask, at.present, at.cast, self.narrow)

    def _compile(self, name: str, source: str, names: dict[str, Any]) -> Any:
        return define(source, name, {**RUNTIME, "OP": self.op, **names}, f"{self.op.name}: {name}")

    def result_was_written(self, node: Node) -> None:
        """Count the write that the operation itself made, where its result was written into its operand."""
        at = self.layout.result_version
        if at is not None and node._saved is not None:
            node._saved = (*node._saved[:at], node._saved[at] + 1, *node._saved[at + 1 :])

    def read_saved(self, node: Node, name: str) -> Any:
        """The value of ``node._saved_<name>``; the first operand may be called ``self``, as PyTorch does."""
        name = {"self": self.op.operands[0], "result": "out"}.get(name, name)
        if node._saved is None:
            raise_freed(node)
        return self.layout.read(node, name)

    def read_raw_saved(self, node: Node, name: str) -> Any:
        """The value of ``node._raw_saved_<name>``: a :class:`SavedTensor`, or several. The node keeps such from now on."""
        packed = self.packed
        if node._saved is not None:
            node._saved = packed.layout.take_over(node, self.layout)
        node._plan = packed
        return packed.read_raw_saved(node, name)


class PackedPlan(Plan):
    """A plan whose nodes keep every tensor as a :class:`SavedTensor`: under hooks, or where somebody asked for one."""

    layout: _PackedLayout

    def _layout(self, op: Op, mask: int, present: int, cast: bool) -> _Layout:
        return _PackedLayout(op, mask, present, cast)

    def pack_results(self, node: Node, out: Any, hooks: HookPair) -> None:
        """Hand the results that the node saved over to hooks: now there are tensors of them, with their history."""
        for nr, value in self.layout.results(node):
            value.pack_result(out[nr] if self.op.multiple else out, hooks)

    def result_was_written(self, node: Node) -> None:
        for _, value in self.layout.results(node):
            value.result_was_written()

    def read_raw_saved(self, node: Node, name: str) -> Any:
        name = {"self": self.op.operands[0], "result": "out"}.get(name, name)
        return self.layout.read_raw(node, name)


class _Layout:
    """What a plan saves, in which order, and the text that writes and reads it.

    An operand takes two places (tensor, version), an output three (array, cell, version), a list of operands two (tensors,
    versions), anything else one.
    """

    def __init__(self, op: Op, mask: int, present: int, cast: bool) -> None:
        self.op = op
        self.cast = cast
        self.mask, self.present = mask, present
        self.outputs = op.outputs if op.multiple else ("out",)
        self.result_version: int | None = None
        self.wanted = list(op.operands) if op.variadic else [o for i, o in enumerate(op.operands) if mask >> i & 1]
        self.missing = [o for o in self.wanted if o not in op.rules]
        saved: dict[str, None] = {}
        for operand in self.wanted:
            if operand in op.rules:
                saved |= dict.fromkeys(n for n in op.rules[operand].names if n not in ("xp", "g", "needs"))
        self.saved = list(saved)

    def is_tensor(self, name: str) -> bool:
        """Whether a saved name is an operand that is a tensor in this plan."""
        op = self.op
        return not op.variadic and name in op.operands and bool(self.present >> op.operands.index(name) & 1)

    def saves_tensors(self) -> bool:
        """Whether there is anything to free after backward; a node that saved only shapes can run again."""
        # A number that a rule needs counts, too: PyTorch keeps it as a tensor.
        return any(n in self.op.operands or n in self.outputs or n == self.op.listed for n in self.saved)

    def record_source(self) -> str:
        op = self.op
        values: list[str] = []
        lines: list[str] = []
        for name in self.saved:
            operand, _, suffix = name.rpartition("_")
            if self.is_tensor(name):
                values += self.operand_values(name)
            elif name in self.outputs:
                nr = f"[{self.outputs.index(name)}]" if op.multiple else ""
                lines.append(f"cell_{name} = out{nr}._cell")
                lines.append(f"if cell_{name} is None: cell_{name} = out{nr}._cell = [0]")
                values += self.output_values(name, f"raw{nr}")
                self.result_version = len(values) - 1
            elif name == op.listed:
                values += self.list_values(name)
            elif op.variadic and name == f"{op.listed}_shapes":
                values.append(f"[x._data.shape for x in {op.listed}]")
            elif suffix == "shape" and operand in op.operands:
                values.append(f"{operand}._data.shape" if self.is_tensor(operand) else "()")
            elif suffix == "strides" and operand in op.operands:
                values.append(f"xp.strides({operand}._data)" if self.is_tensor(operand) else "()")
            else:
                values.append(name)
        values += ["cast"] if self.cast else []
        if op.variadic:
            edges = f"tuple([(x._edge or x) if x._req else None for x in {op.listed}])"
        else:
            terms = [f"{o}._edge or {o}" if self.mask >> i & 1 else "None" for i, o in enumerate(op.operands)]
            edges = f"({''.join(t + ', ' for t in terms)})"
        lines += [
            "node = new(NODE)",
            "node._plan = PLAN",
            "node._xp = xp",
            "node._seq = next_sequence_number()",
            f"node._next = {edges}",
            f"node._saved = ({''.join(v + ', ' for v in values)})",
            "node._hooks = None",
        ]
        if op.multiple:
            smooth = [nr for nr, name in enumerate(self.outputs) if name not in op.nondifferentiable]
            lines += [
                "node._shape = [r.shape for r in raw]",
                "node._dtype = [r.dtype for r in raw]",
                f"for nr in {smooth if self.outputs else 'range(len(raw))'}:",
                "    out[nr]._edge = Slot(node, nr, raw[nr].shape, raw[nr].dtype)",
                "    out[nr]._req = True",
            ]
        else:
            lines += ["node._shape = raw.shape", "node._dtype = raw.dtype", "out._edge = node", "out._req = True"]
        listed = [op.listed] if op.listed is not None and not op.variadic else []
        arguments = ["out", "raw", "xp", *op.operands, *listed, *op.params, *(["cast"] if self.cast else [])]
        lines.append("return node")
        return f"def record({', '.join(arguments)}):\n    " + "\n    ".join(lines)

    # How tensors are kept: the texts of their places in the tuple, of the names that backward gives these, of what it
    # does with them first.

    def operand_values(self, name: str) -> list[str]:
        return [name, f"0 if {name}._cell is None else {name}._cell[0]"]

    def output_values(self, name: str, raw: str) -> list[str]:
        return [raw, f"cell_{name}", f"cell_{name}[0]"]

    def list_values(self, name: str) -> list[str]:
        return [name, f"[0 if x._cell is None else x._cell[0] for x in {name}]"]

    def operand_places(self, name: str, graph: bool) -> tuple[list[str], list[str]]:
        written = f"{name}._cell is not None and {name}._cell[0] != v_{name}"
        checks = [f"if {written}: raise_modified(node, {name!r}, {name}, {name}._cell[0], v_{name})"]
        at = self.op.operands.index(name)
        if graph and self.mask >> at & 1:
            moved = f"({name}._edge or {name}) is not node._next[{at}]"
            checks.append(f"if {moved}: raise_detached(node, {name!r}, {name})")
        return [name, f"v_{name}"], checks

    def output_places(self, name: str, graph: bool) -> tuple[list[str], list[str], str]:
        rebuilt = f"rebuild(node, {self.op.output_nr(name)}, {name}, cell_{name})"
        check = f"if cell_{name}[0] != v_{name}: raise_modified(node, {name!r}, {rebuilt}, cell_{name}[0], v_{name})"
        return [name, f"cell_{name}", f"v_{name}"], [check], rebuilt if graph else name

    def list_places(self, name: str) -> tuple[list[str], list[str]]:
        return [name, f"v_{name}"], [f"check_versions(node, {name!r}, {name}, v_{name})"]

    def backward_source(self, graph: bool) -> str:
        op = self.op
        places: list[str] = []
        checks: list[str] = []
        argument = {"xp": "xp", "g": "g"}
        for name in self.saved:
            argument[name] = name
            if self.is_tensor(name):
                found = self.operand_places(name, graph)
                places += found[0]
                checks += found[1]
                argument[name] = _value(name, self.cast and op.takes_part(op.operands.index(name)), graph)
            elif name in self.outputs:
                taken, tests, argument[name] = self.output_places(name, graph)
                places += taken
                checks += tests
            elif name == op.listed:
                found = self.list_places(name)
                places += found[0]
                checks += found[1]
                argument[name] = f"[{_value('x', self.cast and op.variadic, graph)} for x in {name}]"
            else:
                places.append(name)
        places += ["cast"] if self.cast else []
        lines: list[str] = []
        if places:
            lines += [
                "saved = node._saved",
                "if saved is None: raise_freed(node)",
                f"({''.join(p + ', ' for p in places)}) = saved",
            ]
        lines += checks
        lines += ["xp = tensor_namespace(node._xp)"] if graph else []
        if self.missing:
            lines.append(f"raise_no_rule({op.public_name!r}, {self.missing[0]!r})")
        else:
            lines += self._calls(argument)
        return f"def {'graph' if graph else 'raw'}(node, xp, g):\n    " + "\n    ".join(lines)

    def _calls(self, argument: dict[str, str]) -> list[str]:
        """The lines that call the rules and return their results in the order of the operands."""
        op = self.op
        lines: list[str] = []
        results: list[str] = []
        called: dict[int, str] = {}
        for i, operand in enumerate(op.operands):
            if operand not in self.wanted:
                results.append("None")
                continue
            rule = op.rules[operand]
            if id(rule) not in called:
                needs = tuple(o in self.wanted for o in rule.operands)
                argument["needs"] = "[e is not None for e in node._next]" if op.variadic else repr(needs)
                call = f"rule_{operand}({', '.join(argument[n] for n in rule.names)})"
                if op.variadic:
                    return [f"return one_for_each({call}, node)"]
                lines.append(f"r_{i} = {call}")
                called[id(rule)] = f"r_{i}"
            result = called[id(rule)]
            results.append(f"{result}[{rule.operands.index(operand)}]" if rule.joint else result)
        return [*lines, f"return ({''.join(r + ', ' for r in results)})"]

    def read(self, node: Node, wanted: str) -> Any:
        """One saved value, as ``node._saved_<name>`` shows it."""
        saved = node._saved
        assert saved is not None
        at = 0
        for name in self.saved:
            if self.is_tensor(name):
                if name == wanted:
                    tensor, version = saved[at : at + 2]
                    _check_versions(node, name, (tensor,), (version,))
                    return tensor
                at += 2
            elif name in self.outputs:
                if name == wanted:
                    raw, cell, version = saved[at : at + 3]
                    nr = self.op.output_nr(name)
                    tensor = RUNTIME["rebuild"](node, nr, raw, cell)
                    _check_versions(node, name, (tensor,), (version,))
                    return tensor
                at += 3
            else:
                if name == wanted:
                    return saved[at]
                at += 2 if name == self.op.listed else 1
        if wanted in self.op.operands:
            return None
        raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{wanted}'")


class _PackedLayout(_Layout):
    """The layout whose tensors stand in one place each, as a :class:`SavedTensor`; of a list, as a list of these.

    Operands are packed, and unpacked, in PyTorch's order: by the names that it gives them, then results likewise.
    """

    def __init__(self, op: Op, mask: int, present: int, cast: bool) -> None:
        super().__init__(op, mask, present, cast)
        self.saved.sort(key=lambda name: (name in self.outputs, "self" if name == op.operands[0] else name))

    def operand_values(self, name: str) -> list[str]:
        return [f"save({name}, None, {name!r})"]

    def output_values(self, name: str, raw: str) -> list[str]:
        nr = self.op.output_nr(name)
        return [f"saved_result({raw}, xp.device, cell_{name}, cell_{name}[0], {nr}, {name!r})"]

    def list_values(self, name: str) -> list[str]:
        return [f"[save(x, None, {name!r}) for x in {name}]"]

    def operand_places(self, name: str, graph: bool) -> tuple[list[str], list[str]]:
        return [name], [f"{name} = {name}.unpack(node)"]

    def output_places(self, name: str, graph: bool) -> tuple[list[str], list[str], str]:
        return [name], [f"{name} = {name}.unpack(node)"], name if graph else f"{name}._data"

    def list_places(self, name: str) -> tuple[list[str], list[str]]:
        return [name], [f"{name} = [x.unpack(node) for x in {name}]"]

    def results(self, node: Node) -> list[tuple[int, SavedTensor]]:
        """The results that a node saved, each with its number."""
        saved = node._saved or ()
        return [(self.outputs.index(n), s) for n, s in zip(self.saved, saved, strict=False) if n in self.outputs]

    def take_over(self, node: Node, plain: _Layout) -> tuple[Any, ...]:
        """What a node saved under the plain layout, in this one."""
        saved = node._saved
        assert saved is not None
        op = self.op
        found: dict[str, Any] = {}
        at = 0
        for name in plain.saved:
            if self.is_tensor(name):
                tensor, version = saved[at : at + 2]
                found[name] = saved_operand(tensor, version, node._next[op.operands.index(name)], name)
                at += 2
            elif name in self.outputs:
                raw, cell, version = saved[at : at + 3]
                found[name] = saved_result(raw, node._xp.device, cell, version, op.output_nr(name), name)
                at += 3
            elif name == op.listed:
                tensors, versions = saved[at : at + 2]
                edges = node._next if op.variadic else [None] * len(tensors)
                found[name] = [saved_operand(*x, name) for x in zip(tensors, versions, edges, strict=True)]
                at += 2
            else:
                found[name] = saved[at]
                at += 1
        return (*(found[name] for name in self.saved), *saved[at:])

    def read(self, node: Node, wanted: str) -> Any:
        value = self._find(node, wanted)
        if isinstance(value, SavedTensor):
            return value.unpack(node)
        return tuple(x.unpack(node) for x in value) if wanted == self.op.listed and value is not None else value

    def read_raw(self, node: Node, wanted: str) -> Any:
        """What ``node._raw_saved_<wanted>`` shows."""
        value = self._find(node, wanted) if node._saved is not None else save(None).shown_by(node)
        if isinstance(value, SavedTensor):
            return value.shown_by(node)
        if wanted == self.op.listed and value is not None:
            return tuple(x.shown_by(node) for x in value)
        # What is no tensor (a number, an operand that no rule needs) was not saved as one.
        return save(None)

    def _find(self, node: Node, wanted: str) -> Any:
        assert node._saved is not None
        if wanted in self.saved:
            return node._saved[self.saved.index(wanted)]
        if wanted in self.op.operands:
            return None
        raise AttributeError(f"{type(node).__name__!r} object has no attribute '_saved_{wanted}'")


def _value(name: str, cast: bool, graph: bool) -> str:
    """The text for a saved operand as a rule gets it."""
    if graph:
        return f"cast_tensor({name}, cast)" if cast else name
    return f"cast_raw(xp, {name}._data, cast)" if cast else f"{name}._data"


# What generated code calls besides what others bind.


def raise_no_rule(name: str, operand: str) -> NoReturn:
    """Raise for an operand whose derivative nobody knows."""
    raise NotImplementedError(f"the derivative for {name!r} with respect to {operand!r} is not implemented")


def _one_for_each(grads: Sequence[Any], node: Node) -> Sequence[Any]:
    if len(grads) != len(node._next):
        raise RuntimeError(f"the rule of {node.name()} gave {len(grads)} gradients for {len(node._next)} operands")
    return grads


def _cast_raw(xp: Any, x: Array, dtype: Any) -> Array:
    """A saved array in the dtype in which the operation computed."""
    return x if xp.np_dtype(x.dtype) == dtype else xp.astype(x, dtype)


def _check_versions(node: Node, name: str, tensors: Sequence[Any], versions: Sequence[int]) -> None:
    several = len(tensors) > 1
    for i, (x, version) in enumerate(zip(tensors, versions, strict=True)):
        if x._cell is not None and x._cell[0] != version:
            raise_modified(node, f"{name}[{i}]" if several else name, x, x._cell[0], version)


bind(
    NO_GRAD=NO_GRAD,
    PLAIN=PLAIN,
    Slot=Slot,
    cast_raw=_cast_raw,
    check_versions=_check_versions,
    current_mode=current_mode,
    next_sequence_number=next_sequence_number,
    one_for_each=_one_for_each,
    raise_detached=raise_detached,
    raise_freed=raise_freed,
    raise_modified=raise_modified,
    raise_no_rule=raise_no_rule,
    refuse_shapes=refuse_shapes,
    save=save,
    saved_result=saved_result,
)
