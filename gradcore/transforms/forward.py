"""Forward mode: operations that carry tangents along.

A dual tensor is a tensor with a tangent of its shape and dtype. While a level of forward mode is entered, an operation
with a dual operand computes the tangent of its result, too. It does so with operations on tensors, so that tangents can be
differentiated, and it gets the rule from the operation's block, in this order:

* an explicit rule, ``@name.jvp``;
* the factor ``d=`` of an elementwise operation: the sum of factor times tangent;
* the operation itself where it is linear, or linear in each operand;
* its rule for gradients where it is elementwise and real: the Jacobian is diagonal, and so its own transpose;
* the transpose of its rule for gradients: that rule is linear in the cotangent ``u``, so the derivative of
  ``<vjp(u), tangent>`` with respect to ``u`` is the tangent of the result. Every operation with a gradient has this.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradcore import operands as coercion
from gradcore.codegen import raise_no_rule
from gradcore.engine import Capture, project, walk
from gradcore.grad_mode import Mode, current_mode, enter_mode, leave_mode
from gradcore.graph import node_of
from gradcore.inplace import write_here
from gradcore.op import RUNTIME, Op, bind, is_tensor, wrap
from gradcore.ops import broadcasting, shape
from gradcore.saved import SavedTensor
from gradcore.transforms.level import widened
from gradcore.view import alias, replay_tensor

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["DualLevel", "apply_dual", "make_dual", "tangent_of", "write_dual"]


class DualLevel:
    """A level of forward mode; a tangent belongs to one of them, and is gone when that is left."""

    __slots__ = ("_holders",)

    def __init__(self) -> None:
        self._holders: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def note(self, holder: Any) -> None:
        """Remember that an object, which is no tensor, keeps a tangent of this level."""
        self._holders[id(holder)] = holder

    def leave(self) -> None:
        """The level is left. A tangent's history may lead to the node that keeps it: that cycle ends here."""
        for holder in list(self._holders.values()):
            holder.forget_tangent()


def make_dual(x: Tensor, tangent: Tensor, dual: DualLevel) -> Tensor:
    """A view of ``x`` that has a tangent at the level ``dual``."""
    with outside_dual():
        out = shape.alias(x)
    out._tangent = (dual, tangent)
    return out  # type: ignore[no-any-return]


def tangent_of(x: Any, dual: DualLevel) -> Tensor | None:
    """The tangent of a tensor at a level of forward mode."""
    if not is_tensor(x):
        return None
    if x._tangent is not None and x._tangent[0] is dual:
        return x._tangent[1]  # type: ignore[no-any-return]
    view = x._view
    if view is None:
        return None
    base = view.base._tangent
    if base is None or base[0] is not dual:
        return None
    # The base got its tangent from a write after the view was made.
    with outside_dual():
        tangent = replay_tensor(base[1], view.chain)
    x._tangent = (dual, tangent)
    return tangent


def primal_of(x: Any) -> Any:
    """A tensor without its tangent, with the same history."""
    if not is_tensor(x) or x._tangent is None:
        return x
    out = alias(x)
    out._view = x._view
    if x._req and x._edge is None:
        out._edge = x  # a leaf is its own edge, and stays the one that gets the gradient
    return out


def primal_view(x: Tensor) -> Tensor:
    """A view of a tensor, without its tangent."""
    out = shape.alias(primal_of(x))
    out._tangent = None
    return out  # type: ignore[no-any-return]


def apply_dual(op: Op, operands: tuple[Any, ...], params: tuple[Any, ...], mode: Mode) -> Any:
    """Run an operation at a level of forward mode."""
    dual = mode.dual
    if mode.inference and mode.level is None:
        return op.run(operands, params)  # what is made there takes no part in any derivative
    tangents = [tangent_of(x, dual) for x in operands]
    if all(t is None for t in tangents) or not op.differentiable:
        return op.run(operands, params)
    out = op.run(operands, params)
    # Where nodes rebuild a result from what they saved, the tangent must be found again: it stands at the cell.
    with outside_dual():
        results = jvp(op, operands, tangents, out, params)
        if mode.level is not None and not op.view:
            # What is written to a result is written to its tangent.
            outs = out if op.multiple else (out,)
            results = tuple(None if t is None else widened(t, o) for o, t in zip(outs, results, strict=True))
        if not op.view:
            outs = out if op.multiple else (out,)
            results = tuple(None if t is None else _laid_out(t, o) for o, t in zip(outs, results, strict=True))
    for o, t in zip(out if op.multiple else (out,), results, strict=True):
        if t is not None:
            o._tangent = (dual, t)
            if o._req and not op.view:
                _keep_at_cell(o)
    return out


def write_dual(op: Op, out: Tensor, operands: tuple[Any, ...], params: tuple[Any, ...], mode: Mode) -> Tensor:
    """The in-place twin of an operation at a level of forward mode."""
    dual = mode.dual
    tangents = [tangent_of(x, dual) for x in operands]
    if all(t is None for t in tangents):
        return write_here(op, out, operands, params)
    with outside_dual():
        # Copies, since what the derivative saves must stay when both are written to.
        before = tuple(RUNTIME["clone"](primal_of(x)) if x is out else x for x in operands)
        tangents = [
            RUNTIME["clone"](t) if t is not None and x is out else t for x, t in zip(operands, tangents, strict=True)
        ]
        result = op.run(tuple(primal_of(x) for x in before), params)
        (tangent,) = jvp(op, before, tangents, result, params)
    write_here(op, out, operands, params)
    with outside_dual():
        if tangent is None:
            tangent = out._zeros(out.shape)
        if mode.level is not None:
            tangent = widened(tangent, out)
        have = tangent_of(out, dual)
        if have is None and out._view is not None:
            # The tangent of a view is a view of its base's tangent.
            base = out._view.base
            zeros = _laid_out(base._zeros(base.shape), base)
            base._tangent = (dual, zeros if mode.level is None else widened(widened(zeros, tangent), base))
            have = tangent_of(out, dual)
        if have is None:
            out._tangent = (dual, _laid_out(tangent, out))
        else:
            have.copy_(tangent)
    return out


def jvp(op: Op, operands: Sequence[Any], tangents: Sequence[Any], out: Any, params: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tangents of the results of an operation, for those of its operands (``None``: zero).

    Raises:
        NotImplementedError: an operand has a tangent, and the operation no derivative with respect to it.
    """
    primals = [primal_of(x) for x in operands]
    outs = tuple(out) if op.multiple else (out,)
    if op.jvp is None:
        for i, t in enumerate(tangents):
            if t is not None and op.operand(i) not in op.rules:
                raise_no_rule(op.public_name, op.operand(i))
    if op.jvp is not None:
        values = _named(op, primals, out, params)
        names = op.operands if not op.variadic else [op.listed]
        if op.variadic:
            values[f"{op.listed}_t"] = list(tangents)
        else:
            values |= {f"{n}_t": t for n, t in zip(names, tangents, strict=False)}
        results = op.jvp(values)
        results = tuple(results) if op.multiple else (results,)
    elif op.factors and all(t is None or n in op.factors for n, t in zip(op.operands, tangents, strict=False)):
        results = (_by_factors(op, primals, tangents, out, params),)
    elif op.linear or op.view:
        results = _linear(op, primals, tangents, params)
    elif op.multilinear:
        results = (_multilinear(op, primals, tangents, params),)
    elif op.elementwise and not op.multiple and not any(_is_complex(x) for x in (*primals, *outs)):
        results = (_by_own_rules(op, primals, tangents, out, params),)
    else:
        results = _transposed(op, primals, tangents, outs, params)
    return tuple(None if t is None else _like(t, o) for t, o in zip(results, outs, strict=True))


def _named(op: Op, primals: Sequence[Any], out: Any, params: tuple[Any, ...]) -> dict[str, Any]:
    """The values that a rule of forward mode may name."""
    values: dict[str, Any] = dict(zip(op.params, params, strict=True))
    if op.variadic:
        values[op.operands[0]] = list(primals)
    else:
        named = len(op.operands)
        values |= dict(zip(op.operands, primals, strict=False))
        if op.listed is not None:
            values[op.listed] = list(primals[named:])
    first = next(x for x in primals if is_tensor(x))
    values["xp"] = RUNTIME["tensor_namespace"](first._device.xp)
    if op.multiple:
        values |= {n: primal_of(o) for n, o in zip(op.outputs, out, strict=False)}
        values["out"] = [primal_of(o) for o in out]
    else:
        values["out"] = primal_of(out)
    return values


def _by_factors(op: Op, primals: Sequence[Any], tangents: Sequence[Any], out: Any, params: tuple[Any, ...]) -> Any:
    values = _named(op, primals, out, params)
    xp = values["xp"]
    total: Any = None
    for name, t in zip(op.operands, tangents, strict=True):
        if t is not None:
            term = xp.multiply(t, op.factors[name](values))
            total = term if total is None else xp.add(total, term)
    return total


def _linear(op: Op, primals: Sequence[Any], tangents: Sequence[Any], params: tuple[Any, ...]) -> tuple[Any, ...]:
    given: list[Any] = []
    for i, (x, t) in enumerate(zip(primals, tangents, strict=True)):
        if t is not None:
            given.append(t)
        elif op.operand(i) not in op.rules:
            given.append(x)  # an index, a mask
        else:
            given.append(x._zeros(x.shape) if is_tensor(x) else None if x is None else 0)
    out = op.apply(tuple(given), params)
    return tuple(out) if op.multiple else (out,)


def _multilinear(op: Op, primals: Sequence[Any], tangents: Sequence[Any], params: tuple[Any, ...]) -> Any:
    total: Any = None
    for i, t in enumerate(tangents):
        if t is not None:
            term = op.apply((*primals[:i], t, *primals[i + 1 :]), params)
            total = term if total is None else total + term
    return total


def _by_own_rules(op: Op, primals: Sequence[Any], tangents: Sequence[Any], out: Any, params: tuple[Any, ...]) -> Any:
    """The tangent of a real elementwise operation: its rules for gradients, on tangents."""
    values = _named(op, primals, out, params)
    xp = values["xp"]
    compute = coercion.compute_dtype(op, primals)
    for i, (name, x) in enumerate(zip(op.operands, primals, strict=True)):
        values[f"{name}_shape"] = tuple(x.shape) if is_tensor(x) else ()
        if compute is not None and is_tensor(x) and op.takes_part(i) and x.dtype != compute:
            values[name] = RUNTIME["cast_tensor"](x, compute)
    total: Any = None
    for name, t in zip(op.operands, tangents, strict=True):
        rule = op.rules.get(name)
        if t is None or rule is None:
            continue
        values["g"] = t if compute is None or t.dtype == compute else RUNTIME["cast_tensor"](t, compute)
        values["needs"] = tuple(o == name for o in rule.operands)
        term = rule.function(*[values[n] for n in rule.names])
        term = term[rule.operands.index(name)] if rule.joint else term
        if term is not None:
            total = term if total is None else xp.add(total, term)
    return total


def _transposed(
    op: Op, primals: Sequence[Any], tangents: Sequence[Any], outs: tuple[Any, ...], params: tuple[Any, ...]
) -> tuple[Any, ...]:
    """The tangents by transposing the rule for gradients, which is linear in the cotangents."""
    outer = current_mode()
    needed = outer.grad and any(is_tensor(x) and x._req for x in (*primals, *tangents))
    # On a level the levels below may record, whether this one does or not.
    recorded = needed or (outer.grad and outs[0]._device.level is not None)
    token = enter_mode(outer._replace(grad=True))
    try:
        # A recording of the operation on its own, of which only the rule and what it saves are used.
        stand_ins = tuple(x if t is None else _variable(x) for x, t in zip(primals, tangents, strict=True))
        own = op.run(stand_ins, params)
        own_outs = tuple(own) if op.multiple else (own,)
        smooth = [nr for nr, o in enumerate(own_outs) if o._req]
        if not smooth:
            return (None,) * len(outs)
        node = node_of(own_outs[smooth[0]]._edge)
        cotangents = [o._zeros(o.shape).requires_grad_() for o in own_outs if o._req]
        if not node.multiple:
            g: Any = cotangents[0]
        elif node.only is not None:
            g = cotangents[0]
        else:
            it = iter(cotangents)
            g = [next(it) if o._req else o._zeros(o.shape) for o in own_outs]
        grads = node._plan.graph(node, node._xp, g)
        edges = node._next
        roots = []
        for x, t, edge, grad in zip(stand_ins, tangents, edges, grads, strict=False):
            if t is None or edge is None or grad is None or not grad.requires_grad:
                continue
            grad = project(grad, tuple(x._data.shape), x.dtype, RUNTIME["tensor_namespace"](x._device.xp))
            roots.append((grad._edge or grad, _like(t, grad)))
        captures = [Capture(u) for u in cotangents]
    finally:
        leave_mode(token)
    if roots:
        walk(roots, keep_graph=False, create_graph=recorded, tensors=True, captures=captures)
    found = iter(c.grad for c in captures)
    results = [_zero_if_none(next(found), o) if nr in smooth else None for nr, o in enumerate(outs)]
    if recorded and not needed:
        # Recorded for the levels below only: here it leads to no operand.
        results = [t if t is None else wrap(t._data, t._device) for t in results]
    return tuple(results)


def _variable(x: Any) -> Any:
    """A tensor of the same values and history, for which the operation records a gradient."""
    out = alias(x)
    if not out._req:
        out._req = True
    elif out._edge is None:
        out._edge = x
    return out


def _zero_if_none(t: Any, out: Tensor) -> Any:
    return out._zeros(out.shape) if t is None else t


def _like(t: Tensor, out: Tensor) -> Tensor:
    """A tangent in the shape and dtype of its result."""
    if t._data.shape != out._data.shape:
        t = broadcasting.expand(t, tuple(out._data.shape))
    return t if t.dtype == out.dtype else RUNTIME["cast_tensor"](t, out.dtype)


def _laid_out(t: Tensor, out: Tensor) -> Tensor:
    """A tangent that lies in memory as its result does: the views that are possible of that are possible of it, too."""
    steps = out.stride()
    if all(n < 2 or a == b for n, a, b in zip(out._data.shape, t.stride(), steps, strict=True)):
        return t
    order = sorted(range(len(steps)), key=lambda d: -steps[d])
    there = sorted(range(len(order)), key=order.__getitem__)
    return shape.clone_contiguous(t.permute(order)).permute(there)  # type: ignore[no-any-return]


def _is_complex(x: Any) -> bool:
    return is_tensor(x) and x.dtype.kind == "c"


class outside_dual:  # noqa: N801 - used like a function
    """The block computes without tangents."""

    __slots__ = ("token",)

    def __enter__(self) -> None:
        self.token = enter_mode(current_mode()._replace(dual=None))

    def __exit__(self, *exc: object) -> None:
        leave_mode(self.token)


def _keep_at_cell(out: Tensor) -> None:
    """Let the node of a fresh result rebuild it with its tangent."""
    node, old = node_of(out._edge), out._cell
    if old is not None and node._saved is not None:
        cell = _DualCell(old)
        cell.tangent = out._tangent
        out._tangent[0].note(cell)
        out._cell = cell
        node._saved = tuple(cell if value is old else value for value in node._saved)
        for value in node._saved:
            if value.__class__ is SavedTensor:
                value.keep_tangent(out)
                out._tangent[0].note(value)


class _DualCell(list[int]):
    """The version of a tensor that has a tangent, with which it can be rebuilt."""

    tangent: Any = None

    def forget_tangent(self) -> None:
        """The level of forward mode has been left."""
        self.tangent = None


bind(apply_dual=apply_dual, tangent_of=tangent_of, write_dual=write_dual)
