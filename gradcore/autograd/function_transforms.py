"""Custom Functions inside function transforms.

On a level of ``func.grad`` or ``func.jvp`` a Function runs once for each level: its ``forward`` there is the Function itself,
applied on the level below, and its ``setup_context``, ``backward`` and ``jvp`` are the user's. On a level of ``func.vmap`` the
user's ``vmap`` runs; or the Function is replaced by one whose ``forward``, ``backward`` and ``jvp`` are the user's, run on a
batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from gradcore.autograd._function_call import run
from gradcore.autograd.function import BackwardCFunction, Function, FunctionMeta, apply_bound, user_backward
from gradcore.engine import project
from gradcore.grad_mode import Mode
from gradcore.op import RUNTIME, is_tensor, wrap
from gradcore.ops.reduction import sum as sum_over
from gradcore.ops.transposing import movedim
from gradcore.transforms.batching import VmapLevel
from gradcore.transforms.level import Level, lowered

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["VmapInfo", "apply"]


class VmapInfo(NamedTuple):
    """What a ``vmap`` static method is told."""

    batch_size: int
    randomness: str


def apply(cls: type[Function], args: tuple[Any, ...], mode: Mode) -> Any:
    """Run a Function while a function transform runs.

    Raises:
        RuntimeError: it has no ``setup_context``; or, under ``vmap``, no rule, or two.
    """
    level = mode.level
    if cls.setup_context is Function.setup_context:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override the "
            f"setup_context staticmethod: write {cls.__name__} as forward(*args) and setup_context(ctx, inputs, output)"
        )
    if isinstance(level, VmapLevel):
        return _apply_on_batch(cls, args, mode, level)
    if not any(level.owns(x) for x in _leaves(args)):
        with lowered(level, mode):
            return apply_bound(cls, args)
    lifted = tuple(level.lift(x) if is_tensor(x) else x for x in args)

    def forward(*given: Any) -> Any:
        inner = _mapped(lambda x: _below(level, x), given)
        with lowered(level, mode):
            out = apply_bound(cls, inner)
        known = {id(b): a for a, b in zip(given, inner, strict=True)}
        return _mapped(lambda x: _of_level(level, x, known), out)

    return run(cls, lifted, mode, separate=True, forward=forward)


def _apply_on_batch(cls: type[Function], args: tuple[Any, ...], mode: Mode, level: VmapLevel) -> Any:
    own_rule = cls.vmap is not Function.vmap
    if own_rule and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overridden vmap "
            "staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid ambiguity."
        )
    if not own_rule and not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and implement the vmap "
            "staticmethod or set generate_vmap_rule=True."
        )
    values = _mapped(lambda x: _below(level, x), args)
    in_dims = _mapped(lambda x: 0 if level.batched(x) else None, args, others=None)
    known = {id(b): a for a, b in zip(args, values, strict=True) if is_tensor(b)}
    with lowered(level, mode):
        if not any(level.batched(x) for x in _leaves(args)):
            return apply_bound(cls, values)
        if own_rule:
            result = cls.vmap(VmapInfo(level.size, level.randomness), in_dims, *values)
            if not isinstance(result, tuple) or len(result) != 2:
                got = f"{len(result)} returns" if isinstance(result, tuple) else f"a {type(result)}"
                raise RuntimeError(
                    "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure compatible "
                    f"with the output. Got {got} instead"
                )
            return _rebatched(level, *result, known)
        *found, places = apply_bound(_vmapped(cls), (_Rule(in_dims, level.size, level.randomness), *values))
        outputs = tuple(
            known.get(id(x), level.batch(x) if there else x) for x, there in zip(found, places.batched, strict=True)
        )
        return outputs if places.several else outputs[0]


def _rebatched(level: VmapLevel, output: Any, out_dims: Any, known: dict[int, Any]) -> Any:
    """What a ``vmap`` static method returned, on the level."""
    if isinstance(output, (tuple, list)):
        dims = out_dims if isinstance(out_dims, (tuple, list)) else (out_dims,) * len(output)
        if len(dims) != len(output):
            raise RuntimeError(
                "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) tuple. Expected "
                f"out_dims={out_dims} to be compatible with the structure of `output`, which has {len(output)} entries"
            )
        parts = [_rebatched(level, *pair, known) for pair in zip(output, dims, strict=True)]
        return tuple(parts) if isinstance(output, tuple) else parts
    if not (out_dims is None or isinstance(out_dims, int)):
        raise RuntimeError(
            "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) tuple. Expected "
            f"out_dims={out_dims} to be one number or None for one output"
        )
    if not is_tensor(output) or id(output) in known:
        return known.get(id(output), output) if is_tensor(output) else output
    return output if out_dims is None else level.batch(movedim(output, out_dims, 0) if out_dims else output)


class _Rule:
    """How a Function is run on a batch: one argument of it, which belongs to no level."""

    __slots__ = ("in_dims", "randomness", "size")

    def __init__(self, in_dims: tuple[Any, ...], size: int, randomness: str) -> None:
        self.in_dims, self.size, self.randomness = in_dims, size, randomness

    def level(self) -> VmapLevel:
        """A new level for one run of one of the user's methods."""
        return VmapLevel(self.size, self.randomness)


class _Places:
    """Which outputs are batched: one output, which belongs to no level."""

    __slots__ = ("batched", "several")

    def __init__(self, batched: tuple[bool, ...], several: bool) -> None:
        self.batched, self.several = batched, several


class _Vmapped(Function):
    """A Function on a batch, by running the user's methods on a level of ``vmap``."""

    generate_vmap_rule = True
    _of: ClassVar[type[Function]]

    @classmethod
    def forward(cls, rule: _Rule, *values: Any) -> Any:
        level = rule.level()
        with level.running():
            out = cls._of.forward(*_on_level(level, values, rule.in_dims))
        several = isinstance(out, tuple)
        outs = out if several else (out,)
        return *(_below(level, x) for x in outs), _Places(tuple(level.batched(x) for x in outs), several)

    @classmethod
    def setup_context(cls, ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        rule, *values = inputs
        *found, places = output
        level = rule.level()
        with level.running():
            inner = _on_level(level, values, rule.in_dims)
            outs = tuple(_batch_if(level, x, there) for x, there in zip(found, places.batched, strict=True))
            of_batch = _BatchCtx(ctx, level, rule)
            cls._of.setup_context(of_batch, inner, outs if places.several else outs[0])
            shapes = tuple(tuple(x.shape) if is_tensor(x) else None for x in inner)
        flags = vars(of_batch)
        ctx._batch = rule, places, shapes, flags.get("_backward_flags", ()), flags.get("_forward_flags", ())

    @classmethod
    def backward(cls, ctx: Any, *grads: Any) -> Any:
        rule, places, shapes, saved, _ = ctx._batch
        level = rule.level()
        with level.running():
            given = [_batch_if(level, g, there) for g, there in zip(grads[:-1], places.batched, strict=True)]
            of_batch = _BatchCtx(ctx, level, rule, saved)
            method = user_backward(cls._of)
            result = method(of_batch, given) if cls._of.boxed_grads_call else method(of_batch, *given)
            found = result if isinstance(result, tuple) else (result,)
            expected = len(rule.in_dims)
            given_more = [g for g in found[expected:] if g is not None]
            if len(found) < expected or given_more:
                raise RuntimeError(
                    f"function {cls._of.__name__}Backward returned an incorrect number of gradients (expected {expected}, got "
                    f"{len(found)}): it must return one for each argument of forward, None where there is none"
                )
            reduced = [
                _reduced(level, g, dim, shape) if is_tensor(g) else g
                for g, dim, shape in zip(found, rule.in_dims, shapes, strict=False)
            ]
        return None, *reduced

    @classmethod
    def jvp(cls, ctx: Any, *tangents: Any) -> Any:
        rule, places, _, _, saved = ctx._batch
        level = rule.level()
        with level.running():
            given = [_batch_if(level, t, dim == 0) for t, dim in zip(tangents[1:], rule.in_dims, strict=True)]
            result = cls._of.jvp(_BatchCtx(ctx, level, rule, saved), *given)
            found = result if isinstance(result, tuple) else (result,)
            whole = []
            for t, there in zip(found, places.batched, strict=False):
                if is_tensor(t) and level.batched(t) and not there:
                    raise RuntimeError(
                        f"{cls._of.__name__}'s jvp returned a tangent that differs among the elements of the batch, for an "
                        "output that does not"
                    )
                whole.append(level.all_elements(t) if is_tensor(t) and there else _below(level, t))
        return *whole, *found[len(whole) :], None

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        return apply_bound(cls, args)


class _BatchCtx:
    """The ``ctx`` that the user's methods see on a batch: what they save is tensors of the level, what is kept are batches."""

    _names = ("_ctx", "_level", "_rule", "_flags", "_backward_flags", "_forward_flags")

    def __init__(self, ctx: BackwardCFunction, level: VmapLevel, rule: _Rule, flags: Sequence[bool] = ()) -> None:
        vars(self).update(_ctx=ctx, _level=level, _rule=rule, _flags=flags)

    def __getattr__(self, name: str) -> Any:
        value = getattr(vars(self)["_ctx"], name)
        if is_tensor(value) and isinstance(value._device.level, VmapLevel) and value._device.level is not self._level:
            raise RuntimeError(
                f"ctx.{name} is a tensor of a batch, which lasts only as long as setup_context runs under vmap: save it with "
                "ctx.save_for_backward (or ctx.save_for_forward, for jvp)"
            )
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._ctx, name, value)

    def save_for_backward(self, *tensors: Any) -> None:
        vars(self)["_backward_flags"] = tuple(self._level.batched(x) for x in tensors)
        self._ctx.save_for_backward(*self._values(tensors))

    def save_for_forward(self, *tensors: Any) -> None:
        vars(self)["_forward_flags"] = tuple(self._level.batched(x) for x in tensors)
        self._ctx.save_for_forward(*self._values(tensors))

    def mark_dirty(self, *tensors: Any) -> None:
        self._ctx.mark_dirty(*self._values(tensors))

    def mark_non_differentiable(self, *tensors: Any) -> None:
        self._ctx.mark_non_differentiable(*self._values(tensors))

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        level, flags = self._level, self._flags
        return tuple(_batch_if(level, x, there) for x, there in zip(self._ctx.saved_tensors, flags, strict=True))

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        return self._ctx.needs_input_grad[1:]  # type: ignore[no-any-return]  # the first argument is the rule

    def _values(self, tensors: Sequence[Any]) -> Iterator[Any]:
        return (_below(self._level, x) for x in tensors)


def _vmapped(cls: type[Function]) -> type[Function]:
    """The Function that runs ``cls`` on a batch."""
    found: type[Function] | None = vars(cls).get("_vmapped")
    if found is None:
        found = cast("type[Function]", FunctionMeta(f"Vmapped{cls.__name__}", (_Vmapped,), {"_of": cls}))
        cls._vmapped = found  # type: ignore[attr-defined]
    return found


def _reduced(level: VmapLevel, g: Tensor, dim: Any, shape: Any) -> Any:
    """A gradient for one argument, as the argument is: batched, and of its shape in each element; or else summed."""
    if dim is None:
        return sum_over(level.all_elements(g), 0) if level.batched(g) else _below(level, g)
    if tuple(g.shape) != shape:
        g = project(g, shape, g.dtype, RUNTIME["tensor_namespace"](g._device.xp))
    return level.all_elements(g)


def _below(level: Level, x: Any) -> Any:
    return level.unwrap(x) if level.owns(x) else x


def _of_level(level: Level, x: Any, known: dict[int, Any]) -> Any:
    """A tensor that came from below, on the level; an argument stays the same object."""
    return known[id(x)] if id(x) in known else wrap(x, level.device_at(x._device.place))


def _batch_if(level: VmapLevel, x: Any, there: bool) -> Any:
    return level.batch(x) if there and is_tensor(x) else x


def _on_level(level: VmapLevel, values: Any, dims: Any) -> Any:
    """Values with their batches, on a new level; ``dims`` has the structure of the values."""
    if isinstance(values, (tuple, list)) and isinstance(dims, (tuple, list)):
        parts = [_on_level(level, *pair) for pair in zip(values, dims, strict=True)]
        return parts if isinstance(values, list) and isinstance(dims, list) else tuple(parts)
    if isinstance(values, dict) and isinstance(dims, dict):
        return {key: _on_level(level, value, dims[key]) for key, value in values.items()}
    return _batch_if(level, values, dims == 0 and dims is not None)


def _leaves(value: Any) -> Iterator[Any]:
    """The tensors among arguments, also inside lists, tuples and dicts."""
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, dict):
        yield from _leaves(list(value.values()))
    elif is_tensor(value):
        yield value


_SAME: Any = object()


def _mapped(function: Callable[[Any], Any], value: Any, others: Any = _SAME) -> Any:
    """The same structure of lists, tuples and dicts, with ``function`` of each tensor; ``others`` stands for the rest."""
    if isinstance(value, (tuple, list)):
        parts = [_mapped(function, part, others) for part in value]
        if hasattr(value, "_fields"):
            return type(value)(*parts)
        return tuple(parts) if isinstance(value, tuple) else parts
    if isinstance(value, dict):
        return {key: _mapped(function, part, others) for key, part in value.items()}
    if is_tensor(value):
        return function(value)
    return value if others is _SAME else others
