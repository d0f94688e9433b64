"""Levels: the floor on which a function transform computes.

``func.grad`` and its kin run the user's function on a *level*. A tensor there looks like any other, but its data is not an
array of NumPy's: it is a tensor of the level below. So the same operations, nodes and backward walk run one floor higher, on
the "array library" that gradcore itself is, and what they do to their arrays is recorded, batched or differentiated by the
levels below. Transforms compose because nothing in them knows on which floor it stands.

The ground, level 0, is where no transform runs. An operation starts at the innermost level. If none of its operands lives
there, it goes one level down, and its result is a constant of the level; otherwise the other operands are lifted, as
constants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from gradcore.device import device, device_of
from gradcore.grad_mode import Mode, current_mode, enter_mode, leave_mode
from gradcore.inplace import write_here
from gradcore.namespace import CREATION, EXTENSIONS, Extension, TensorNamespace, constant, on_tensors
from gradcore.op import RUNTIME, STANDARD, Op, bind, is_tensor, wrap
from gradcore.operands import Call

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["Level", "LevelDevice", "below", "like", "lowered", "widened"]

_NO_OPERANDS = (type(None), bool, int, float, complex)


class Level:
    """One running transform; this class is that of reverse and forward mode, which differ only in what they wrap.

    ``with level:`` makes it the innermost one.
    """

    kind = "grad"

    def __init__(self, **changes: Any) -> None:
        outer = current_mode()
        self.below: Mode = outer
        self.mode: Mode | None = None
        """The mode in which the function runs; it refers to the level, so it is there only as long as that runs."""
        self._changes = {"dual": None, **changes}
        self.number: int = 1 if outer.level is None else outer.level.number + 1
        self._devices: dict[device, LevelDevice] = {}
        self._running = False

    @contextmanager
    def running(self) -> Iterator[Level]:
        """Make this the innermost level of the block."""
        self.mode = self.below._replace(level=self, **self._changes)
        token = enter_mode(self.mode)
        self._running = True
        try:
            yield self
        finally:
            self._running = False
            # No cycle may be left: these refer to the level.
            self._devices.clear()
            self.mode = None
            if self._changes["dual"] is not None:
                self._changes["dual"].leave()
            leave_mode(token)

    # Tensors in and out.

    def owns(self, x: Any) -> bool:
        """Whether ``x`` is a tensor of this level."""
        return is_tensor(x) and x._device.level is self

    def device_at(self, place: device) -> LevelDevice:
        """The device of this level's tensors that are in the end on ``place``."""
        found = self._devices.get(place)
        if found is None:
            found = self._devices[place] = LevelDevice(self, place)
        return found

    def lift(self, x: Any) -> Any:
        """A tensor of a level below, or an array, as a constant of this level; anything else as it is."""
        if x.__class__ in _NO_OPERANDS:
            return x
        if not is_tensor(x):
            where = device_of(x)
            return x if where is None else self.lift(wrap(x, where))
        level = x._device.level
        if level is self:
            return x
        if level is not None and (level.number >= self.number or not level._running):
            raise_escaped(x)
        return wrap(x, self.device_at(x._device.place))

    # Operations.

    def lower(self, mode: Mode) -> Mode:
        """The mode in which the operations of this level compute, on the level below."""
        outer = self.below
        if mode is self.mode and (outer.grad or not mode.grad):
            return outer
        # no_grad holds for all levels: around the transform for those below it, inside it for all.
        return mode._replace(level=outer.level, dual=outer.dual, grad=mode.grad and outer.grad)

    def apply(self, op: Op, operands: tuple[Any, ...], params: tuple[Any, ...], mode: Mode) -> Any:
        """Run an operation that is called while this is the innermost level."""
        if not any(self.owns(x) for x in operands):
            with lowered(self, mode):
                out = op.apply(operands, params)
            # New memory belongs to the level, and may be written to there; a view belongs to what it is a view of.
            return out if op.view else tuple(map(self.lift, out)) if op.multiple else self.lift(out)
        lifted = tuple(self.lift(x) for x in operands)
        if mode.dual is not None:
            return RUNTIME["apply_dual"](op, lifted, params, mode)
        return op.run(lifted, params)

    def write(self, op: Op, out: Tensor, operands: tuple[Any, ...], params: tuple[Any, ...], mode: Mode) -> Tensor:
        """The in-place twin of an operation that is called while this is the innermost level."""
        if not any(self.owns(x) for x in operands):
            with lowered(self, mode):
                return RUNTIME["write_result"](op, out, operands, params)  # type: ignore[no-any-return]
        if not self.owns(out):
            raise RuntimeError(
                f"During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call in-place operation "
                f"({op.public_name}_) that would mutate a captured Tensor. This is not supported; please rewrite the function "
                "being transformed to explicitly accept the mutated Tensor(s) as inputs, or use the out-of-place form"
            )
        lifted = tuple(x if x is out else self.lift(x) for x in operands)
        if mode.dual is not None:
            return RUNTIME["write_dual"](op, out, lifted, params, mode)  # type: ignore[no-any-return]
        return write_here(op, out, lifted, params)

    def compute(self, op: Op, call: Call, params: tuple[Any, ...]) -> Any:
        """The result of an operation on this level's data: the same operation on the tensors below."""
        call.xp = call.device.xp
        mode = current_mode()
        if mode.level is not self:
            raise_escaped(next(x for x in call.operands if is_tensor(x)))
        with lowered(self, mode):
            out = op.apply(call.raws, params)
        return tuple(out) if op.multiple else out

    def write_data(self, op: Op, call: Call, params: tuple[Any, ...]) -> None:
        """Write the result of an operation into this level's data: the in-place twin on the tensors below."""
        with lowered(self, current_mode()):
            RUNTIME["write_result"](op, call.raws[0], call.raws, params)

    def namespace(self, where: LevelDevice) -> LevelNamespace:
        """The "array library" of this level's tensors."""
        return LevelNamespace(where)

    # Tensors that are made while the level runs. ``make`` gives one of a shape that belongs to no level.

    def own(self, made: Tensor) -> Tensor:
        """A new tensor as one of this level: so it may be written to."""
        if self.owns(made):
            return made
        outer = self.below.level
        return wrap(made if outer is None else outer.own(made), self.device_at(made.device))

    def like(self, x: Tensor, make: Callable[[tuple[int, ...]], Tensor], shape: tuple[int, ...]) -> Tensor:
        """A new tensor of a shape beside ``x``, of this level: for every element of the batches that ``x`` has."""
        made = like(below(x), make, shape)
        return wrap(made, self.device_at(made.device))

    def draw(self, make: Callable[[tuple[int, ...]], Tensor], shape: tuple[int, ...]) -> Tensor:
        """A random tensor."""
        outer = self.below.level
        made = make(shape) if outer is None else outer.draw(make, shape)
        return wrap(made, self.device_at(made.device))

    # What tensors of the level are asked for.

    def tells_apart(self, x: Tensor) -> bool:
        """Whether only a tensor of this level, and of its batch, can hold what is computed from ``x``."""
        return True

    def varies(self, x: Tensor) -> bool:
        """Whether a tensor differs among the elements of a batch, so that it is no number for Python."""
        inner = below(x)
        return inner._device.level is not None and inner._device.level.varies(inner)

    def describe(self, x: Tensor) -> str:
        """How a tensor of this level is printed."""
        inner = "\n".join("    " + line for line in repr(x._data).splitlines())
        return f"GradTrackingTensor(lvl={self.number}, value=\n{inner}\n)"

    def unwrap(self, x: Tensor) -> Tensor:
        """The tensor of the level below that holds the values of ``x``."""
        return below(x)

    def moved(self, x: Tensor, place: device) -> Any:
        """The data of a tensor on another device."""
        with lowered(self, current_mode()):
            return RUNTIME["move"](below(x), place)

    def detach(self, x: Tensor) -> Tensor:
        """The data of a tensor outside the graphs of this level and of all below."""
        return wrap(below(x).detach(), x._device)

    def element(self, x: Tensor, what: str) -> Any:
        """The one element of a tensor, for Python."""
        return below(x).item()

    def to_numpy(self, raw: Any) -> Any:
        """The data of a tensor, for NumPy."""
        return raw._device.backend.to_numpy(raw._data)


class LevelDevice(device):
    """Where the tensors of a level live: a device whose arrays are tensors."""

    place: device = None  # type: ignore[assignment]  # set for each
    array_class = type("NoArray", (), {})
    """No array of a level may be written to as one's own, so none is of this class."""

    def __new__(cls, level: Level, place: device) -> LevelDevice:
        made: LevelDevice = object.__new__(cls)
        made.type, made.index = place.type, place.index
        made.level, made.place = level, place
        made.backend = _LevelBackend(level, place)  # type: ignore[assignment]
        return made

    @property
    def xp(self) -> Any:  # type: ignore[override]  # made anew, since one that is kept would be a reference cycle
        """The namespace of the tensors of the level below."""
        return self.level.namespace(self)

    large = xp

    @property
    def large_from(self) -> float:  # type: ignore[override]
        """Asked for only where no transform runs, and so by an operation on a tensor that has escaped."""
        raise_escaped(None)

    floating = large_from  # type: ignore[assignment]

    @staticmethod
    def enter() -> None:
        """Nothing: the level below enters its own scope."""

    @staticmethod
    def leave(token: Any) -> None:
        """Nothing."""

    @staticmethod
    def number(value: Any, dtype: Any) -> Any:
        """A Python number beside tensors."""
        return value


class LevelNamespace(TensorNamespace):
    """The standard's functions as a level computes with them: on the tensors of the level below.

    Beside those functions it has what the engine and views ask of an array library.
    """

    array_class = LevelDevice.array_class

    def __init__(self, where: LevelDevice) -> None:
        self.device = where
        self.raw = where.place.xp

    def __getattr__(self, name: str) -> Any:
        found = STANDARD.get(name)
        if found is not None:
            return self._below(found)
        if name in EXTENSIONS:
            return Extension(self, name)
        if name in CREATION:
            return on_tensors(getattr(self.raw, name), self.raw.device)
        return constant(self.raw, name)

    def _below(self, function: Any) -> Any:
        """``function`` on the level below, wherever it is called."""

        def call(*args: Any, **kwargs: Any) -> Any:
            mode = current_mode()
            level = self.device.level
            if mode.level is not level:
                return function(*args, **kwargs)
            with lowered(level, mode):
                return function(*args, **kwargs)

        return call

    def asarray(self, value: Any, /, *, dtype: Any = None) -> Any:
        """A tensor of the level below, or a constant."""
        if is_tensor(value):
            return value if dtype is None else self.astype(value, dtype)
        return wrap(self.raw.asarray(value, dtype=dtype), self.raw.device)

    def copy_like(self, x: Any, like: Any) -> Any:
        """A copy."""
        return self._below(RUNTIME["clone"])(x)

    def widened(self, x: Tensor, other: Tensor) -> Tensor:
        """``x`` so that ``other`` can be written into it; see :func:`widened`."""
        return self._below(widened)(x, other)  # type: ignore[no-any-return]

    def owns(self, x: Any, names: int) -> bool:
        """Whether nothing else can reach the memory of ``x``: never known of a tensor."""
        return False

    def setitem(self, x: Any, key: Any, value: Any) -> None:
        """Write into a tensor below."""
        self._below(type(x).__setitem__)(x, key, value)

    def strides(self, x: Any) -> Any:
        """Steps between elements."""
        return x.stride()

    def is_contiguous(self, x: Any) -> bool:
        """Whether the elements lie in row-major order."""
        return x.is_contiguous()  # type: ignore[no-any-return]

    def may_overlap(self, x: Any, y: Any) -> bool:
        """Whether two tensors may share memory."""
        a, b = innermost(x), innermost(y)
        return a._device is b._device and a._device.xp.may_overlap(a._data, b._data)

    def self_overlaps(self, x: Any) -> bool:
        """Whether two elements refer to one memory location."""
        return x._device.xp.self_overlaps(x._data)  # type: ignore[no-any-return]


class _LevelBackend:
    """What conversions ask of a backend."""

    def __init__(self, level: Level, place: device) -> None:
        self.level, self.real = level, place.backend

    def to_numpy(self, raw: Any) -> Any:
        return self.level.to_numpy(raw)

    def from_numpy(self, array: Any, index: int) -> Any:
        return wrap(self.real.from_numpy(array, index), device(self.real.type, index if self.real.indexed else None))


class lowered:  # noqa: N801 - used like a function
    """The block runs one level further down."""

    __slots__ = ("mode", "token")

    def __init__(self, level: Level, mode: Mode) -> None:
        self.mode = level.lower(mode)

    def __enter__(self) -> None:
        self.token = enter_mode(self.mode)

    def __exit__(self, *exc: object) -> None:
        leave_mode(self.token)


def like(x: Tensor, make: Callable[[tuple[int, ...]], Tensor], shape: tuple[int, ...]) -> Tensor:
    """A new tensor of a shape beside ``x``; see :meth:`Level.like`."""
    level = x._device.level
    return make(shape) if level is None else level.like(x, make, shape)


def widened(x: Tensor, other: Tensor) -> Tensor:
    """``x`` on all levels, and differing in all batches, that ``other`` is on: so that what is computed from it fits in there."""
    if other._device.level is None or _reach(other) <= _reach(x):
        return x
    place = x.device
    zero = like(other, lambda size: wrap(place.xp.zeros(size, dtype=x.dtype), place), ())
    return STANDARD["add"](x, zero)  # type: ignore[no-any-return]


def _reach(x: Tensor) -> set[Level]:
    found: set[Level] = set()
    while x._device.level is not None:
        if x._device.level.tells_apart(x):
            found.add(x._device.level)
        x = x._device.level.unwrap(x)
    return found


def below(x: Tensor) -> Tensor:
    """The tensor that a level's tensor has as its data."""
    inner: Tensor = x._data
    return inner


def innermost(x: Tensor) -> Tensor:
    """The tensor of arrays in which the values of a level's tensor stand in the end."""
    while x._device.level is not None:
        x = x._device.level.unwrap(x)
    return x


def raise_escaped(x: Any) -> NoReturn:
    """Raise for a tensor that is used where its transform does not run."""
    what = "A tensor" if x is None else f"A tensor of shape {list(x.shape)}"
    raise RuntimeError(
        f"{what} that was made inside a function transform (func.grad, vjp, jvp, vmap) is used after the transform has ended, "
        "or inside another one. Return it from the function that is transformed instead of storing it outside"
    )


bind(raise_escaped=raise_escaped)
