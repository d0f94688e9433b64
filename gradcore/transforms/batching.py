"""Batches: what ``func.vmap`` runs a function on.

On a level of ``vmap`` the data of a tensor is a :class:`Batch`: a tensor of the level below whose first dimension is the
batch, shown with the shape of one element; or, where all elements share it, that tensor itself. An operation runs once, on
the tensors below, by a rule:

* elementwise operations need none: their operands are aligned so that the batch stays in front;
* ``@name.vmap`` in the operation's block otherwise. Its parameter names say what it gets: operands, with the batch in front
  (one that is not batched is expanded, without copying), parameters, ``size`` (how many elements, unless a parameter is
  called so). A rule that names ``batched`` gets a tuple that says which operands are, and the others as they are. It returns
  results with the batch in front;
* an operation without a rule runs once per element, and a warning names it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from gradcore import operands as coercion
from gradcore.device import device
from gradcore.grad_mode import Mode, current_mode
from gradcore.inplace import check_fits, check_inplace
from gradcore.op import RUNTIME, STANDARD, Op, is_tensor, wrap
from gradcore.ops import broadcasting, joining, slicing, squeezing
from gradcore.transforms.level import Level, LevelNamespace, below, like, lowered, raise_escaped

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["Batch", "VmapLevel"]


class Batch:
    """A batch of arrays, shown with the shape of one of them."""

    __slots__ = ("dtype", "ndim", "shape", "size", "value")

    def __init__(self, value: Tensor) -> None:
        self.value = value
        self.shape = tuple(value._data.shape)[1:]
        self.ndim = len(self.shape)
        self.dtype = value.dtype
        self.size = math.prod(self.shape)


class VmapLevel(Level):
    """The level of one ``vmap``.

    Args:
        size: how many elements the batch has.
        randomness: what random operations do: ``"error"``, ``"same"`` for all elements, ``"different"`` for each.
    """

    kind = "vmap"

    def __init__(self, size: int, randomness: str = "error") -> None:
        super().__init__()
        self.size = size
        self.randomness = randomness

    def batch(self, value: Tensor) -> Tensor:
        """The tensor of this level whose elements stand in ``value``, along its first dimension."""
        raw: Any = Batch(value)
        return wrap(raw, self.device_at(value._device.place))

    def batched(self, x: Any) -> bool:
        """Whether ``x`` differs among the elements of the batch."""
        return self.owns(x) and x._data.__class__ is Batch

    def all_elements(self, x: Tensor) -> Tensor:
        """All elements of a tensor, along a new first dimension: what leaves the level."""
        if self.batched(x):
            return x._data.value  # type: ignore[no-any-return]
        return _expanded(below(x) if self.owns(x) else x, self.size)

    def apply(self, op: Op, operands: tuple[Any, ...], params: tuple[Any, ...], mode: Mode) -> Any:
        if not any(self.owns(x) for x in operands):
            with lowered(self, mode):
                return op.apply(operands, params)
        lifted = tuple(self.lift(x) for x in operands)
        flags = tuple(self.batched(x) for x in lifted)
        values = tuple(_value(self, x) for x in lifted)
        with lowered(self, mode):
            if not any(flags):
                return op.apply(values, params)
            out = self._run(op, lifted, values, flags, params)
        return tuple(map(self.batch, out)) if op.multiple else self.batch(out)

    def write(self, op: Op, out: Tensor, operands: tuple[Any, ...], params: tuple[Any, ...], mode: Mode) -> Tensor:
        if not any(self.owns(x) for x in operands):
            with lowered(self, mode):
                return RUNTIME["write_result"](op, out, operands, params)  # type: ignore[no-any-return]
        lifted = tuple(x if x is out else self.lift(x) for x in operands)
        if not self.batched(out):
            if any(self.batched(x) for x in lifted):
                raise RuntimeError(
                    f"vmap: inplace arithmetic({op.public_name}_) is not possible because the tensor written to is not being "
                    "vmapped over, but another operand is: the output with shape "
                    f"{list(out.shape)} doesn't match the broadcast shape {[self.size, *out.shape]}. Use the out-of-place form"
                )
            with lowered(self, mode):
                inner = below(out) if self.owns(out) else out
                RUNTIME["write_result"](
                    op, inner, tuple(inner if x is out else _value(self, x) for x in lifted), params
                )
            return out
        flags = tuple(self.batched(x) for x in lifted)
        with lowered(self, mode):
            target = out._data.value
            check_inplace(target, f"{op.public_name}_")
            values = tuple(_value(self, x) for x in lifted)
            if op.vmap is None and op.elementwise and all(x.ndim <= out.ndim for x in lifted if is_tensor(x)):
                others = _aligned(lifted, _promoted(op, lifted, values), flags)[1:]
                RUNTIME["write_result"](op, target, (target, *others), params)
                return out
            # A rule saves what it needs of its operands; the write must not reach that.
            result = self._run(op, lifted, (target.clone(), *values[1:]), flags, params)
            check_fits(target, result._data, f"{op.public_name}_")
            target.copy_(result)
        return out

    def compute(self, op: Op, call: Any, params: tuple[Any, ...]) -> NoReturn:
        # Operations of a batch run by rules; one gets here only where its transform does not run.
        raise_escaped(next(x for x in call.operands if self.owns(x)))

    def _run(
        self, op: Op, lifted: Sequence[Any], values: Sequence[Any], flags: tuple[bool, ...], params: tuple[Any, ...]
    ) -> Any:
        values = _promoted(op, lifted, values)
        if op.vmap is not None:
            return self._by_rule(op, values, flags, params)
        if op.elementwise:
            return op.apply(_aligned(lifted, values, flags), params)
        return self._one_by_one(op, values, flags, params)

    def _by_rule(self, op: Op, values: Sequence[Any], flags: tuple[bool, ...], params: tuple[Any, ...]) -> Any:
        assert op.vmap is not None
        given: dict[str, Any] = {"batched": flags, "size": self.size}
        given |= zip(op.params, params, strict=True)
        if "batched" not in op.vmap.names:
            values = [
                _expanded(x, self.size) if is_tensor(x) and not flag else x
                for x, flag in zip(values, flags, strict=True)
            ]
        named = 0 if op.variadic else len(op.operands)
        given |= dict(zip(op.operands[:named], values, strict=False))
        if op.listed is not None:
            given[op.listed] = list(values[named:])
        return op.vmap(given)

    def _one_by_one(self, op: Op, values: Sequence[Any], flags: tuple[bool, ...], params: tuple[Any, ...]) -> Any:
        if not self.size:
            raise RuntimeError(f"vmap: {op.public_name} has no batching rule, and cannot run on a batch of size 0")
        warnings.warn(
            f"There is a performance drop because we have not yet implemented the batching rule for {op.public_name} "
            f"({op.name}): it runs {self.size} times, once for each element of the batch",
            UserWarning,
            stacklevel=2,
        )
        results = [
            op.apply(
                tuple(slicing.select(x, 0, i) if flag else x for x, flag in zip(values, flags, strict=True)), params
            )
            for i in range(self.size)
        ]
        if op.multiple:
            return tuple(joining.stack(parts) for parts in zip(*results, strict=True))
        return joining.stack(results)

    def unwrap(self, x: Tensor) -> Tensor:
        return _tensor(x._data)  # type: ignore[no-any-return]

    def own(self, made: Tensor) -> Tensor:
        outer = self.below.level
        return made if outer is None or self.owns(made) else outer.own(made)

    def like(self, x: Tensor, make: Callable[[tuple[int, ...]], Tensor], shape: tuple[int, ...]) -> Tensor:
        inner = _value(self, x)
        return self.batch(like(inner, make, (self.size, *shape))) if self.batched(x) else like(inner, make, shape)

    def draw(self, make: Callable[[tuple[int, ...]], Tensor], shape: tuple[int, ...]) -> Tensor:
        if self.randomness == "error":
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
                "randomness flags on vmap or perform the randomness operation out of vmap"
            )
        different = self.randomness == "different"
        shape = (self.size, *shape) if different else shape
        outer = self.below.level
        made = make(shape) if outer is None else outer.draw(make, shape)
        return self.batch(made) if different else made

    def tells_apart(self, x: Tensor) -> bool:
        return self.batched(x)

    def varies(self, x: Tensor) -> bool:
        return self.batched(x) or super().varies(x)

    def describe(self, x: Tensor) -> str:
        inner = "\n".join("    " + line for line in repr(_value(self, x)).splitlines())
        return f"BatchedTensor(lvl={self.number}, bdim={0 if self.batched(x) else None}, value=\n{inner}\n)"

    def moved(self, x: Tensor, place: device) -> Any:
        with lowered(self, current_mode()):
            moved = RUNTIME["move"](_value(self, x), place)
        return Batch(moved) if self.batched(x) else moved

    def detach(self, x: Tensor) -> Tensor:
        inner = _value(self, x).detach()
        return self.batch(inner) if self.batched(x) else wrap(inner, x._device)

    def element(self, x: Tensor, what: str) -> Any:
        if not self.batched(x):
            return below(x).item()
        if what == "bool":
            raise RuntimeError(
                "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support "
                "that yet: choose between values with where(), which runs for all elements of the batch"
            )
        raise RuntimeError(
            "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor: "
            "the elements of the batch have different values. Rewrite the function without a Python number"
        )

    def to_numpy(self, raw: Any) -> Any:
        if raw.__class__ is Batch:
            raise RuntimeError(
                "vmap: a tensor of a batch cannot be turned into a NumPy array or a list: the elements of the batch have "
                "different values. Return it from the function, or use gradcore's operations"
            )
        return super().to_numpy(raw)

    def namespace(self, where: Any) -> Any:
        return _BatchNamespace(where)


class _BatchNamespace(LevelNamespace):
    """What views and conversions ask about the data on a level of ``vmap``."""

    def strides(self, x: Any) -> Any:
        return x.value.stride()[1:] if x.__class__ is Batch else x.stride()

    def is_contiguous(self, x: Any) -> bool:
        return _tensor(x).is_contiguous()  # type: ignore[no-any-return]

    def self_overlaps(self, x: Any) -> bool:
        inner = _tensor(x)
        return inner._device.xp.self_overlaps(inner._data)  # type: ignore[no-any-return]


def _tensor(raw: Any) -> Any:
    return raw.value if raw.__class__ is Batch else raw


def _value(level: VmapLevel, x: Any) -> Any:
    """What a tensor of the level has as its data, on the level below; anything else as it is."""
    return _tensor(x._data) if level.owns(x) else x


def _expanded(x: Tensor, size: int) -> Tensor:
    """A tensor repeated along a new first dimension, in the same memory."""
    return broadcasting.expand(squeezing.unsqueeze(x, 0), (size, *x.shape))


def _promoted(op: Op, lifted: Sequence[Any], values: Sequence[Any]) -> Sequence[Any]:
    """Operands in the dtype that those of one element have in common: a number of a batch is no array, and does not decide."""
    compute = coercion.compute_dtype(op, lifted)
    if compute is None:
        return values
    return [
        STANDARD["astype"](value, compute) if is_tensor(x) and op.takes_part(i) and x.dtype != compute else value
        for i, (x, value) in enumerate(zip(lifted, values, strict=True))
    ]


def _aligned(lifted: Sequence[Any], values: Sequence[Any], flags: Sequence[bool]) -> tuple[Any, ...]:
    """Operands of an elementwise operation, so that broadcasting keeps the batch in front."""
    ndim = max(x.ndim for x in lifted if is_tensor(x))
    aligned: list[Any] = []
    for x, value, flag in zip(lifted, values, flags, strict=True):
        if flag and x.ndim < ndim:
            sizes = tuple(value.shape)
            value = value.reshape(sizes[:1] + (1,) * (ndim - x.ndim) + sizes[1:])
        aligned.append(value)
    return tuple(aligned)
