"""Random tensors. Every device has a generator; the numbers are not PyTorch's, but the same seed gives the same ones.

NumPy's PCG64DXSM makes the numbers on the host for every device whose backend offers no generator of its own
(``backend.generator``); so cpu and ``strict`` devices agree.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.device import device, get_default_device, resolve
from gradcore.grad_mode import current_mode
from gradcore.graph import node_class
from gradcore.inplace import check_inplace, forget, write
from gradcore.op import is_tensor, wrap
from gradcore.ops._batching import varies
from gradcore.ops._dims import as_integer
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops.assignment import copy_
from gradcore.ops.broadcasting import broadcast_shapes
from gradcore.ops.creation import _as_in, _leaf, _size

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "Generator",
    "bernoulli",
    "default_generator",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]

_FILLS = {"normal_": node_class("NormalBackward0"), "uniform_": node_class("UniformBackward0")}
_NORMAL = {
    (True, False): node_class("NormalBackward1"),
    (False, True): node_class("NormalBackward2"),
    (True, True): node_class("NormalBackward3"),
}
"""By whether the means and the deviations are tensors."""
_BERNOULLI = node_class("BernoulliBackward0")
_DEFAULT_SEED = 67280421310721  # PyTorch's: what a program gets that sets none


class Generator:
    """A source of random numbers for the tensors of one device.

    Args:
        device: where the tensors made with it live; cpu when not given.
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device: device = resolve(device)
        self.manual_seed(_DEFAULT_SEED)

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from ``seed``, and return the generator.

        Raises:
            TypeError: the seed is no integer.
        """
        if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
            raise TypeError(f"manual_seed expected an int, but got {type(seed).__name__}")
        self._seed = int(seed)
        # NumPy takes no negative seeds; PyTorch wraps them into 64 bits.
        number = self._seed % 2**64
        make = getattr(self.device.backend, "generator", None)
        self._native = make(number, self.device.index or 0) if make is not None else None
        self._host = np.random.Generator(np.random.PCG64DXSM(number)) if self._native is None else None
        return self

    def seed(self) -> int:
        """Start anew from a seed taken from the system, and return it."""
        number = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        self.manual_seed(number)
        return number

    def initial_seed(self) -> int:
        """The seed that the numbers started from."""
        return self._seed

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor on the cpu, for :meth:`set_state`.

        Raises:
            NotImplementedError: the device's library does not tell its generator's state.
        """
        from gradcore.ops.creation import from_numpy

        if self._host is None:
            raise NotImplementedError(f"the generator of {self.device} cannot tell its state")
        text = json.dumps({"seed": self._seed, "state": self._host.bit_generator.state})
        return from_numpy(np.frombuffer(text.encode(), dtype=np.uint8).copy())

    def set_state(self, state: Tensor) -> None:
        """Go back to a state that :meth:`get_state` gave.

        Raises:
            RuntimeError: the tensor holds no such state.
        """
        try:
            found = json.loads(state.numpy().tobytes())
            host = np.random.Generator(np.random.PCG64DXSM(0))
            host.bit_generator.state = found["state"]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RuntimeError("RNG state must be a tensor that get_state() gave") from None
        self._seed, self._host = found["seed"], host

    def _draw(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """An array on the device of what a method of NumPy's Generator gives."""
        if self._native is not None:
            return getattr(self._native, method)(*args, **kwargs)
        host = np.asarray(getattr(self._host, method)(*args, **kwargs))
        return self.device.backend.from_numpy(host, self.device.index or 0)


_generators: dict[device, Generator] = {}
_program_seed = _DEFAULT_SEED


def default_generator(where: Any = None) -> Generator:
    """The generator of a device that is used where none is given."""
    place = resolve(where)
    found = _generators.get(place)
    if found is None:
        found = _generators.setdefault(place, Generator(place).manual_seed(_program_seed))
    return found


def snapshot() -> dict[Generator, Any]:
    """The states of all generators that are used where none is given, for :func:`replay`.

    Raises:
        NotImplementedError: the library of a device does not tell its generator's state.
    """
    states: dict[Generator, Any] = {}
    for g in list(_generators.values()):
        if g._host is None:
            raise NotImplementedError(f"the generator of {g.device} cannot tell its state")
        states[g] = g._host.bit_generator.state
    return states


@contextlib.contextmanager
def replay(states: dict[Generator, Any]) -> Iterator[None]:
    """Draw the same numbers in this block as were drawn after ``states`` were taken; after it, go on as before it."""
    outer = [(g, g._seed, g._host) for g in list(_generators.values())]
    try:
        for g, number, _ in outer:
            bits = np.random.PCG64DXSM(number % 2**64)
            if g in states:  # else it was made since, and had drawn nothing then
                bits.state = states[g]
            g._host = np.random.Generator(bits)
        yield
    finally:
        for g, number, host in outer:
            g._seed, g._host = number, host


def manual_seed(seed: int) -> Generator:
    """Start the generators of all devices from ``seed``; returns the one of the default device."""
    global _program_seed
    first = default_generator().manual_seed(seed)
    _program_seed = int(seed)
    for g in _generators.values():
        g.manual_seed(seed)
    return first


def seed() -> int:
    """Start the generators of all devices from a seed taken from the system, and return it."""
    number = default_generator().seed()
    manual_seed(number)
    return number


def initial_seed() -> int:
    """The seed that the default device's numbers started from."""
    return default_generator().initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default device's generator."""
    return default_generator().get_state()


def set_rng_state(state: Tensor) -> None:
    """Set the state of the default device's generator."""
    default_generator().set_state(state)


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers uniform on [0, 1)."""
    source, kind = _source(generator, dtype, device)
    return _leaf(_drawn(lambda shape: _floats(source, "random", shape, kind), _size(size)), requires_grad)


def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers of the standard normal distribution; for a complex dtype each part has variance 1/2."""
    source, kind = _source(generator, dtype, device)
    return _leaf(_drawn(lambda shape: _floats(source, "standard_normal", shape, kind), _size(size)), requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from ``low`` (0 when not given) up to, not including, ``high``: ``randint(10, (2, 3))``.

    Raises:
        RuntimeError: no integer lies between.
    """
    if size is None:
        if not isinstance(high, (tuple, list)):
            raise TypeError("randint() needs a size: randint(high, size) or randint(low, high, size)")
        low, high, size = 0, low, high
    low, high = as_integer(low, "low"), as_integer(high, "high")
    if high <= low:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    source, kind = _source(generator, dtypes.int64 if dtype is None else dtype, device)
    bounds = int(low), int(high)

    def draw(shape: tuple[int, ...]) -> Tensor:
        raw = source._draw("integers", *bounds, size=shape, dtype=np.int64)
        return wrap(_cast(source, raw, kind), source.device)

    return _leaf(_drawn(draw, _size((size,))), requires_grad)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Tensor:
    """The integers below ``n`` in random order."""
    if n < 0:
        raise RuntimeError(f"n must be non-negative, but got {n}")
    source, kind = _source(generator, dtypes.int64 if dtype is None else dtype, device)

    def draw(shape: tuple[int, ...]) -> Tensor:
        if len(shape) == 1:
            raw = source._draw("permutation", int(n))
        else:
            xp = source.device.xp
            rows = [source._draw("permutation", int(n)) for _ in range(math.prod(shape[:-1]))]
            raw = xp.reshape(xp.stack(rows), shape) if rows else xp.zeros(shape, dtype=dtypes.int64)
        return wrap(_cast(source, raw, kind), source.device)

    return _leaf(_drawn(draw, (int(n),)), False)


def normal(
    mean: Any, std: Any = 1.0, size: Sequence[int] | None = None, *, generator: Generator | None = None, **options: Any
) -> Tensor:
    """Normal numbers with given means and standard deviations, numbers or tensors; ``size`` where both are numbers.

    The gradient for means and deviations is zero, as in PyTorch; ``mean + std * randn(...)`` has one.
    """
    if size is None:
        like = mean if is_tensor(mean) else std
        if not is_tensor(like):
            raise TypeError("normal(): mean or std must be Tensor, or size must be given; both are numbers here")
        shape = broadcast_shapes(*(x.shape for x in (mean, std) if is_tensor(x)))
        noise = randn(shape, generator=generator, dtype=like.dtype, device=like.device)
        center, scale = (x.detach() if is_tensor(x) else x for x in (mean, std))
        out: Tensor = center + scale * noise
        forget(out, _NORMAL[is_tensor(mean), is_tensor(std)], (out, mean, std))
        return out
    return randn(size, generator=generator, **options).mul_(std).add_(mean)


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that ``input`` gives, else 0; of the dtype of ``input``. The gradient is zero.

    With ``p`` that is the probability, and ``input`` only says of what size and dtype the result is.

    Raises:
        NotImplementedError: ``input`` holds integers and is to give the probabilities.
        RuntimeError: a probability is not between 0 and 1.
    """
    source, _ = _source(generator, input.dtype, input.device)
    if p is None:
        if dtypes.category(input.dtype) != 2:
            refuse_dtype("bernoulli_tensor_cpu_p_", input.dtype)
        share: Any = input.detach()
        # To look is to wait for a GPU, and on a level of a transform there is nothing to see.
        visible = current_mode().level is None and input.device.type != "cuda"
        if visible and not bool(((share >= 0) & (share <= 1)).all()):
            raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true: bernoulli needs probabilities from 0 to 1")
    else:
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        share = p
    draws = _drawn(lambda shape: _floats(source, "random", shape, dtypes.float64), tuple(input.shape))
    out: Tensor = (draws < share).to(input.dtype)
    forget(out, _BERNOULLI, (out, input))
    return out


def rand_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers uniform on [0, 1) in the size, dtype and device of ``input``."""
    dtype, device = _as_in(input, dtype, device)
    return rand(input.shape, dtype=dtype, device=device, requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers in the size, dtype and device of ``input``."""
    dtype, device = _as_in(input, dtype, device)
    return randn(input.shape, dtype=dtype, device=device, requires_grad=requires_grad)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from ``low`` (0 when not given) up to, not including, ``high``, in the size and dtype of ``input``."""
    dtype, device = _as_in(input, dtype, device)
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, input.shape, dtype=dtype, device=device, requires_grad=requires_grad)


# Methods of Tensor, in place.


def uniform_(self: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers uniform on [low, high).

    Raises:
        RuntimeError: as for every write (a leaf that requires grad, outside ``no_grad``), or ``low`` > ``high``.
    """
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")
    return _fill(self, "random", generator, lambda raw: raw * (high - low) + low, "uniform_")


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers.

    Raises:
        RuntimeError: as for every write, or a negative ``std``.
    """
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    return _fill(self, "standard_normal", generator, lambda raw: raw * std + mean, "normal_")


def _fill(self: Tensor, method: str, generator: Generator | None, transform: Any, what: str) -> Tensor:
    check_inplace(self, what)
    source, _ = _source(generator, self.dtype, self.device)
    dtype = self.dtype
    if current_mode().level is not None:
        draws = _drawn(lambda shape: _floats(source, method, shape, dtype), tuple(self.shape))
        if varies(draws) and not varies(self):
            raise RuntimeError(
                f"vmap: Cannot ask for different inplace randomness on an unbatched tensor ({what}). This will appear like "
                "same randomness. Use rand() or randn(), or make the tensor with new_zeros() of a batched one"
            )
        return copy_(self, transform(draws))
    drawn = _floats(source, method, tuple(self.shape), dtype)
    write(self, source.device.xp.astype(transform(drawn._data), dtype))
    forget(self, _FILLS[what])
    return self


def _drawn(draw: Callable[[tuple[int, ...]], Tensor], shape: tuple[int, ...]) -> Tensor:
    """What ``draw`` gives; inside ``vmap`` as its ``randomness`` says."""
    level = current_mode().level
    return draw(shape) if level is None else level.draw(draw, shape)


def _source(generator: Generator | None, dtype: Any, where: Any) -> tuple[Generator, dtypes.DType]:
    """The generator to draw from, and the dtype to draw."""
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.normalize(dtype)
    if generator is None:
        return default_generator(get_default_device() if where is None else where), kind
    if not isinstance(generator, Generator):
        raise TypeError(f"generator must be a gradcore.Generator, but got {type(generator).__name__}")
    if where is not None and resolve(where) is not generator.device:
        raise RuntimeError(f"Expected a '{resolve(where)}' device type for generator but found '{generator.device}'")
    return generator, kind


def _floats(source: Generator, method: str, shape: tuple[int, ...], dtype: dtypes.DType) -> Tensor:
    if dtypes.category(dtype) == 3:
        part = dtypes.real_of(dtype)
        real, imag = (_floats(source, method, shape, part)._data for _ in range(2))
        scale = 0.5**0.5 if method == "standard_normal" else 1.0
        return wrap(_cast(source, (real + 1j * imag) * scale, dtype), source.device)
    if dtypes.category(dtype) < 2:
        raise NotImplementedError(f"random floats of dtype {dtypes.dtype_name(dtype)}: use randint")
    drawn = dtype if dtype in (dtypes.float32, dtypes.float64) else dtypes.float32
    raw = source._draw(method, shape, dtype=drawn.type)
    return wrap(_cast(source, raw, dtype), source.device)


def _cast(source: Generator, raw: Any, dtype: dtypes.DType) -> Any:
    xp = source.device.xp
    return raw if xp.np_dtype(raw.dtype) == dtype else xp.astype(raw, dtype)
