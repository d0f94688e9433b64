"""Random numbers of further distributions. The common ones stand in :mod:`gradcore.random`.

They are transformed from uniform, normal and exponential numbers (L. Devroye, Non-Uniform Random Variate Generation, 1986).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.grad_mode import current_mode, no_grad
from gradcore.graph import node_class
from gradcore.inplace import check_inplace, forget, write
from gradcore.op import is_tensor, wrap
from gradcore.ops._batching import varies
from gradcore.ops._dims import as_integer
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.assignment import copy_
from gradcore.ops.broadcasting import broadcast_tensors
from gradcore.random import Generator, _drawn, _floats, _source

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["binomial", "multinomial", "poisson"]

_NODES = {
    name: node_class(f"{name}Backward{number}")
    for name, number in (
        ("Bernoulli", 2),
        ("Cauchy", 0),
        ("Exponential", 0),
        ("Geometric", 0),
        ("LogNormal", 0),
        ("Poisson", 0),
        ("Random", 2),
    )
}
_BERNOULLI_OF_TENSOR = node_class("BernoulliBackward1")
_RANDOM_WITH_BOUND = {1: node_class("RandomBackward1"), 2: node_class("RandomBackward0")}
"""By how many bounds are given."""
# The bits of the significand: up to two to that power, every integer is a number of the dtype.
_SIGNIFICANT_BITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with 1 with probability ``p``, a number or a tensor that broadcasts to this one, and else with 0.

    Raises:
        NotImplementedError: the tensor is complex, or ``p`` a tensor of integers.
        RuntimeError: as for every write, or a probability is not between 0 and 1.
    """
    if self.dtype.kind == "c":
        refuse_dtype("bernoulli_scalar_cpu_", self.dtype)
    if is_tensor(p):
        if dtypes.category(p.dtype) != 2:
            refuse_dtype("bernoulli_tensor_cpu_p_", p.dtype)
        p = p.detach()
        p.expand(tuple(self.shape))
        _require(p, 0.0, 1.0, "bernoulli_ expects p to be in [0, 1]")
        return _filled(self, "random", generator, lambda u: u < p, "bernoulli_", _BERNOULLI_OF_TENSOR)
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    return _filled(self, "random", generator, lambda u: u < p, "bernoulli_", _NODES["Bernoulli"])


def cauchy_(self: Tensor, median: float = 0, sigma: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers of Cauchy's distribution, half of which lie within ``sigma`` of the ``median``.

    Raises:
        RuntimeError: as for every write, another dtype than of real floating-point numbers, or ``sigma`` is not positive.
    """
    _require_continuous(self, "Cauchy")
    _require_positive("cauchy_", "sigma", sigma)
    return _filled(
        self, "random", generator, lambda u: ((u - 0.5) * math.pi).tan() * sigma + median, "cauchy_", _NODES["Cauchy"]
    )


def exponential_(self: Tensor, lambd: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers of the exponential distribution with mean ``1 / lambd``.

    Raises:
        RuntimeError: as for every write, another dtype than of real floating-point numbers, or ``lambd`` is not positive.
    """
    _require_continuous(self, "Exponential")
    _require_positive("exponential_", "lambda", lambd)
    return _filled(self, "standard_exponential", generator, lambda e: e / lambd, "exponential_", _NODES["Exponential"])


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill with how many trials, each of which succeeds with probability ``p``, the first success takes.

    Raises:
        NotImplementedError: the tensor holds truth values or complex numbers.
        RuntimeError: as for every write, or ``p`` is not between 0 and 1.
    """
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    if self.dtype.kind in "bc":
        refuse_dtype("geometric_cpu", self.dtype)
    rate = -math.log1p(-p)
    return _filled(
        self,
        "standard_exponential",
        generator,
        lambda e: (e / rate).ceil().clamp(min=1),
        "geometric_",
        _NODES["Geometric"],
    )


def log_normal_(self: Tensor, mean: float = 1, std: float = 2, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers whose logarithms are normal, with this mean and standard deviation.

    Raises:
        NotImplementedError: another dtype than of real floating-point numbers.
        RuntimeError: as for every write, or ``std`` is not positive.
    """
    _require_positive("log_normal_", "std", std)
    if dtypes.category(self.dtype) != 2:
        refuse_dtype("log_normal_cpu", self.dtype)
    return _filled(
        self, "standard_normal", generator, lambda n: (n * std + mean).exp(), "log_normal_", _NODES["LogNormal"]
    )


def random_(self: Tensor, *bounds: int, generator: Generator | None = None) -> Tensor:
    """Fill with integers: ``random_(from, to)`` from ``from`` up to, not including, ``to``; ``random_(to)`` from 0.

    Without bounds, all non-negative integers that the dtype has, up to which every integer is a number of it.

    Raises:
        NotImplementedError: the tensor is complex.
        RuntimeError: as for every write, no integer lies between, or the dtype does not have them.
    """
    dtype = self.dtype
    if dtype.kind == "c":
        refuse_dtype("random_kernel_cpu", dtype)
    if len(bounds) > 2:
        raise TypeError(f"random_() takes from and to, but got {len(bounds)} arguments")
    least, most = _integers_of(dtype)
    low, high = (0, most + 1) if not bounds else (0, as_integer(bounds[0], "to"))
    if len(bounds) == 2:
        low, high = as_integer(bounds[0], "from"), as_integer(bounds[1], "to")
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    for name, bound in (("from", low), ("to - 1", high - 1)):
        if not least <= bound <= most:
            raise RuntimeError(f"{name} is out of bounds for {dtypes.scalar_type_name(dtype)}")
    check_inplace(self, "random_")
    source, _ = _source(generator, dtype, self.device)
    wide = np.uint64 if high > 2**63 else np.int64

    def draw(shape: tuple[int, ...]) -> Tensor:
        return wrap(source._draw("integers", low, high, size=shape, dtype=wide), source.device)

    return _written(
        self, _drawn(draw, tuple(self.shape)), "random_", _RANDOM_WITH_BOUND.get(len(bounds), _NODES["Random"])
    )


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn in proportion to weights, from each row.

    Args:
        input: the weights, of shape (n) or (m, n): not negative, not all 0.
        num_samples: how many indices to draw from each row.
        replacement: whether an index may be drawn again.
        generator: where the numbers come from.

    Returns:
        int64 indices, of shape (num_samples) or (m, num_samples).

    Raises:
        RuntimeError: the weights are no such numbers, or too few for so many samples.
    """
    weights = as_tensor(input, "multinomial").detach()
    count = as_integer(num_samples, "num_samples")
    if weights.ndim not in (1, 2):
        raise RuntimeError(f"prob_dist must be 1 or 2 dim, but has {weights.ndim}")
    if dtypes.category(weights.dtype) != 2:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: "
            f"{dtypes.scalar_type_name(weights.dtype)}; cast it with .to(dtype)"
        )
    if count <= 0:
        raise RuntimeError(f"cannot sample n_sample <= 0 samples, but got {count}")
    choices = weights.shape[-1]
    if not replacement and count > choices:
        raise RuntimeError(
            f"cannot sample n_sample > prob_dist.size(-1) samples without replacement: {count} of {choices}"
        )
    _require(weights, 0.0, math.inf, "probability tensor contains either `inf`, `nan` or element < 0", open_above=True)
    with no_grad():
        weights = weights.to(dtypes.float64)
        _require(
            weights.sum(-1),
            0.0,
            math.inf,
            "invalid multinomial distribution (sum of probabilities <= 0)",
            open_below=True,
        )
        source, _ = _source(generator, dtypes.float64, weights.device)
        if not replacement:
            # The order of races that end at exponential times with the weights as rates (Efraimidis and Spirakis, 2006).
            times = _drawn(
                lambda shape: _floats(source, "standard_exponential", shape, dtypes.float64), tuple(weights.shape)
            )
            return (weights / times).argsort(-1, descending=True)[..., :count]  # type: ignore[no-any-return]
        reached = weights.cumsum(-1)
        shape = (*weights.shape[:-1], count)
        draws = _drawn(lambda s: _floats(source, "random", s, dtypes.float64), shape) * reached[..., -1:]
        return (reached.unsqueeze(-2) <= draws.unsqueeze(-1)).sum(-1).clamp(max=choices - 1)  # type: ignore[no-any-return]


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Numbers of Poisson's distribution with the rates ``input``, in its dtype. The gradient is zero.

    Raises:
        NotImplementedError: integers or complex numbers; or within ``vmap``.
        RuntimeError: a rate is negative.
    """
    rate = as_tensor(input, "poisson")
    if dtypes.category(rate.dtype) != 2:
        refuse_dtype("poisson_cpu", rate.dtype)
    _require(rate.detach(), 0.0, math.inf, "invalid Poisson rate, expected rate to be non-negative")
    out = _counted("poisson", generator, rate)
    forget(out, _NODES["Poisson"], (out, rate))
    return out


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of ``count`` trials succeed, each with probability ``prob``; in the dtype of ``count``, without gradient.

    Raises:
        NotImplementedError: within ``vmap``.
        ValueError: ``count`` or ``prob`` are integers.
    """
    trials, share = as_tensor(count, "binomial", "count").detach(), as_tensor(prob, "binomial", "prob", 2).detach()
    for name, x in (("count", trials), ("prob", share)):
        if dtypes.category(x.dtype) != 2:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: {dtypes.scalar_type_name(x.dtype)}"
            )
    trials, share = broadcast_tensors(trials, share)
    with no_grad():
        return _counted("binomial", generator, trials.clamp(min=0), share.clamp(0, 1))


def _counted(method: str, generator: Generator | None, *parameters: Tensor) -> Tensor:
    """What a generator makes of parameters that are arrays."""
    first = parameters[0]
    if current_mode().level is not None:
        raise NotImplementedError(f"{method} draws from values, which function transforms hide: call it outside")
    source, _ = _source(generator, first.dtype, first.device)
    values: list[Any] = [x._data for x in parameters]
    if source._native is None:
        values = [source.device.backend.to_numpy(v).astype(np.float64) for v in values]
        if method == "binomial":
            values[0] = values[0].astype(np.int64)
    raw = source._draw(method, *values, size=tuple(first.shape))
    return wrap(source.device.xp.astype(raw, first.dtype), source.device)


def _filled(
    self: Tensor,
    method: str,
    generator: Generator | None,
    transform: Callable[[Tensor], Tensor],
    what: str,
    node: Any,
) -> Tensor:
    """Fill a tensor with what ``transform`` makes of random numbers."""
    check_inplace(self, what)
    # Half precision, and integers, have too few numbers to draw from.
    dtype = self.dtype if self.dtype in (dtypes.float32, dtypes.float64) else dtypes.float64
    source, _ = _source(generator, dtype, self.device)
    with no_grad():
        values = transform(_drawn(lambda shape: _floats(source, method, shape, dtype), tuple(self.shape)))
    return _written(self, values, what, node)


def _written(self: Tensor, values: Tensor, what: str, node: Any) -> Tensor:
    values = values.to(self.dtype)
    if current_mode().level is not None:
        if varies(values) and not varies(self):
            raise RuntimeError(
                f"vmap: Cannot ask for different inplace randomness on an unbatched tensor ({what}). This will appear like "
                "same randomness. Make the tensor with new_zeros() of a batched one"
            )
        return copy_(self, values)
    write(self, values._data)
    forget(self, node)
    return self


def _integers_of(dtype: dtypes.DType) -> tuple[int, int]:
    """The least and the greatest of the integers that a dtype has without a gap."""
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return int(info.min), int(info.max)
    most: int = 2 ** _SIGNIFICANT_BITS[dtype.name]
    return -most, most


def _require_continuous(x: Tensor, distribution: str) -> None:
    if dtypes.category(x.dtype) != 2:
        raise RuntimeError(
            f"{distribution} distribution is a continuous probability distribution. dtype must be a floating point but you "
            f"specified {dtypes.scalar_type_name(x.dtype)}"
        )


def _require_positive(function: str, name: str, value: float) -> None:
    if not value > 0:
        raise RuntimeError(f"{function} expects {name} > 0.0, but found {name}={value}")


def _require(
    x: Tensor, low: float, high: float, message: str, *, open_below: bool = False, open_above: bool = False
) -> None:
    """Raise if an element lies outside an interval; on a level of a transform nobody can look, and a GPU would have to wait."""
    if current_mode().level is not None or x.device.type == "cuda":
        return
    above = x > low if open_below else x >= low
    below = x < high if open_above else x <= high
    if not bool((above & below).all()):
        raise RuntimeError(message)
