"""Connectionist temporal classification: the likelihood of a sequence of labels, without knowing when each is said.

A. Graves, S. Fernandez, F. Gomez and J. Schmidhuber, Connectionist temporal classification: labelling unsegmented
sequence data with recurrent neural networks, ICML 2006. Everything is computed as logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.device import device
from gradcore.op import is_tensor, op
from gradcore.ops._batching import folded, unfolded
from gradcore.ops._losses import finish, reduction_of
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor, require_real
from gradcore.ops.cast import cast
from gradcore.ops.creation import tensor
from gradcore.ops.masking import where
from gradcore.ops.softmax import log_softmax
from gradcore.ops.taking import take
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["ctc_loss"]

Lengths = tuple[int, ...]


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the logarithm of the probability of a sequence of labels, summed over all ways to stretch it over time.

    The gradient is, as PyTorch's, that of scores of which ``log_probs`` are the ``log_softmax``. (PyTorch has none of second
    order.)

    Args:
        log_probs: logarithms of probabilities, of shape (T, N, C) or (T, C).
        targets: labels, of shape (N, S), or (S), or those of all sequences one after the other.
        input_lengths: how many steps of time each sequence has: integers, N of them.
        target_lengths: how many labels.
        blank: the label that says nothing.
        reduction: ``"mean"``: each loss is divided by the number of its labels, then they are averaged.
        zero_infinity: sequences that are too short for their labels count as zero, and have no gradient.

    Raises:
        NotImplementedError: dtypes other than float32 and float64.
        RuntimeError: lengths, shapes or labels that do not fit.
        ValueError: there is no such reduction.
    """
    reduction = reduction_of(reduction, None, None)
    x = as_tensor(log_probs, "ctc_loss", "log_probs")
    y = as_tensor(targets, "ctc_loss", "targets", 2)
    if x.ndim not in (2, 3):
        raise RuntimeError(f"ctc_loss expects log_probs of 2 or 3 dimensions, but got shape {list(x.shape)}")
    alone = x.ndim == 2
    if alone:
        x = x.unsqueeze(1)
        y = y.unsqueeze(0) if y.ndim == 1 else y
    steps, labels = _lengths("input_lengths", input_lengths), _lengths("target_lengths", target_lengths)
    require_real("ctc_loss_cpu", x.dtype)
    if x.dtype not in (dtypes.float32, dtypes.float64):
        refuse_dtype("ctc_loss_cpu", x.dtype)
    _check(x, y, steps, labels, blank)
    y = cast(y, dtypes.int64)
    if y.ndim == 1:
        y = _apart(y, labels, x._device)
    elif y.shape[1] > max(labels, default=0):
        y = y.narrow(1, 0, max(labels, default=0))
    losses = sequence_losses(x, y, steps, labels, blank, zero_infinity)[0]
    if zero_infinity:
        losses = where(losses == math.inf, 0.0, losses)
    if alone:
        losses = losses.squeeze(0)
    if reduction == "mean":
        counts = tensor([float(max(n, 1)) for n in labels], dtype=x.dtype, device=x.device)
        losses = losses / (counts.squeeze(0) if alone else counts)
    return finish(losses, reduction)  # type: ignore[no-any-return]


def _normalized(scores: Any, targets: Any) -> tuple[Any, Any]:
    return log_softmax(scores, 2), targets


def _losses(losses: Any, log_alpha: Any) -> Any:
    return losses


def _sequences(make: Make) -> Iterator[Sample]:
    # The gradient is right for normalized probabilities only: that of scores, which finite differences change.
    y = make.of([[1, 2, 2], [3, 1, 1]], dtypes.int64)
    yield Sample(make(5, 2, 4), y, input_lengths=(5, 4), target_lengths=(3, 2)).checked(_normalized, _losses)
    yield Sample(make(5, 2, 4), y, input_lengths=(5, 3), target_lengths=(0, 2)).checked(_normalized, _losses)


@op(
    node="CtcLossBackward0",
    outputs=("losses", "log_alpha"),
    nondifferentiable=("log_alpha",),
    samples=_sequences,
)
def sequence_losses(
    xp: Any,
    log_probs: Any,
    targets: Any,
    /,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    zero_infinity: bool = False,
) -> Any:
    """The loss of each sequence, and the logarithms of the probabilities of all beginnings, of shape (N, T, 2 * S + 1)."""
    said, skips = _states(xp, log_probs, targets, blank)
    alpha = _forward(xp, said, skips)
    return _total(xp, alpha, said, input_lengths, target_lengths), alpha


@sequence_losses.vjp("log_probs")
def sequence_losses_vjp(
    xp: Any,
    g: Any,
    log_probs: Any,
    targets: Any,
    losses: Any,
    log_alpha: Any,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int,
    zero_infinity: bool,
) -> Any:
    said, skips = _states(xp, log_probs, targets, blank)
    if hasattr(log_probs, "_data"):
        log_alpha = _forward(xp, said, skips)  # with its history, which the saved result has not
    both = xp.add(log_alpha, _backward(xp, said, skips, input_lengths, target_lengths))
    total = xp.reshape(losses, (-1, 1, 1))
    # How likely each state is at each time, given the labels: a path counts what is said there in both directions.
    possible = xp.greater(both, -math.inf)
    # Zeros where nothing is possible: derivatives of what is chosen away must not be infinite.
    log_posterior = xp.subtract(xp.where(possible, both, 0.0), xp.where(possible, said, 0.0))
    impossible = xp.equal(total, math.inf)
    log_posterior = xp.add(log_posterior, xp.where(impossible, 0.0, total))
    posterior = xp.where(possible, xp.exp(log_posterior), 0.0)
    count, time, _ = said.shape
    places = xp.broadcast_to(xp.expand_dims(_labels(xp, targets, blank), axis=1), tuple(posterior.shape))
    expected = xp.scatter_add_along(posterior, places, 2, (count, time, log_probs.shape[2]))
    slope = xp.subtract(xp.exp(xp.permute_dims(log_probs, (1, 0, 2))), expected)
    slope = xp.where(impossible, 0.0 if zero_infinity else math.nan, slope)
    inside = xp.less(xp.reshape(xp.arange(time, dtype=dtypes.int64), (1, time, 1)), _column(xp, input_lengths, 2))
    slope = xp.where(inside, xp.multiply(slope, xp.reshape(g, (-1, 1, 1))), 0.0)
    return xp.permute_dims(slope, (1, 0, 2))


@sequence_losses.vmap
def sequence_losses_vmap(
    log_probs: Any,
    targets: Any,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int,
    zero_infinity: bool,
) -> Any:
    size, count = log_probs.shape[0], log_probs.shape[2]
    x = folded(log_probs, 1)
    found = sequence_losses(x, folded(targets), input_lengths * size, target_lengths * size, blank, zero_infinity)
    return tuple([unfolded(o, (size, count)) for o in found])


# The states of a sequence: a blank, the first label, a blank, the second label ... a blank.


def _labels(xp: Any, targets: Any, blank: int) -> Any:
    """What is said in each state, of shape (N, 2 * S + 1)."""
    count, size = targets.shape
    between = xp.full((count, size), blank, dtype=dtypes.int64)
    pairs = xp.reshape(xp.stack([between, targets], axis=2), (count, 2 * size))
    return xp.concat([pairs, xp.full((count, 1), blank, dtype=dtypes.int64)], axis=1)


def _states(xp: Any, x: Any, targets: Any, blank: int) -> tuple[Any, Any]:
    """The log-probability of what is said in each state at each time, (N, T, states); and where a blank may be left out.

    That is where a label differs from the label before: its state may be entered from the one before the last, (N, states).
    """
    labels = _labels(xp, targets, blank)
    count, states = labels.shape
    places = xp.broadcast_to(xp.expand_dims(labels, axis=1), (count, x.shape[0], states))
    said = xp.take_along_axis(xp.permute_dims(x, (1, 0, 2)), places, axis=2)
    differs = xp.not_equal(
        xp.getitem(labels, (slice(None), slice(2, None))),
        xp.getitem(labels, (slice(None), slice(0, max(states - 2, 0)))),
    )
    skips = xp.logical_and(differs, xp.not_equal(xp.getitem(labels, (slice(None), slice(2, None))), blank))
    never = xp.zeros((count, min(states, 2)), dtype=dtypes.bool_)
    return said, xp.concat([never, skips], axis=1)


def _forward(xp: Any, said: Any, skips: Any) -> Any:
    """The log-probability of all paths to each state at each time, with what is said there, (N, T, states)."""
    _, time, states = said.shape
    if time == 0:
        return said
    first = xp.reshape(xp.less(xp.arange(states, dtype=dtypes.int64), 2), (1, states))
    now = xp.where(first, _at(xp, said, 0), -math.inf)
    found = [now]
    for t in range(1, time):
        one, two = _moved(xp, now, 1), _moved(xp, now, 2)
        now = xp.add(_log_of_sum(xp, now, one, xp.where(skips, two, -math.inf)), _at(xp, said, t))
        found.append(now)
    return xp.stack(found, axis=1)


def _backward(xp: Any, said: Any, skips: Any, steps: Lengths, labels: Lengths) -> Any:
    """The log-probability of all paths from each state at each time to the end, with what is said there."""
    count, time, states = said.shape
    if time == 0:
        return said
    place = xp.reshape(xp.arange(states, dtype=dtypes.int64), (1, states))
    end, last = _column(xp, labels, 1) * 2, _column(xp, steps, 1) - 1
    ends = xp.logical_or(xp.equal(place, end), xp.equal(place, end - 1))
    now = xp.full((count, states), -math.inf, dtype=said.dtype)
    found = []
    for t in reversed(range(time)):
        skipping = _moved(xp, xp.where(skips, now, -math.inf), -2)
        paths = _log_of_sum(xp, now, _moved(xp, now, -1), skipping)
        start = xp.where(ends, 0.0, xp.where(xp.equal(last, t), -math.inf, paths))
        now = xp.add(xp.where(xp.equal(last, t), start, paths), _at(xp, said, t))
        found.append(now)
    return xp.stack(found[::-1], axis=1)


def _total(xp: Any, alpha: Any, said: Any, steps: Lengths, labels: Lengths) -> Any:
    """Minus the log-probability of all paths that end in the last label or the blank after it."""
    count, time, states = said.shape
    none = xp.where(xp.equal(_column(xp, labels, 0), 0), xp.zeros((count,), dtype=said.dtype), math.inf)
    if time == 0 or count == 0:
        return none
    at = xp.broadcast_to(xp.reshape(xp.maximum(_column(xp, steps, 0) - 1, 0), (count, 1, 1)), (count, 1, states))
    final = xp.reshape(xp.take_along_axis(alpha, at, axis=1), (count, states))
    place = xp.reshape(xp.arange(states, dtype=dtypes.int64), (1, states))
    end = _column(xp, labels, 1) * 2
    final = xp.where(xp.logical_or(xp.equal(place, end), xp.equal(place, end - 1)), final, -math.inf)
    most = xp.max(final, axis=1, keepdims=True)
    most = xp.where(xp.equal(most, -math.inf), 0.0, most)
    total = xp.add(xp.log(xp.sum(xp.exp(xp.subtract(final, most)), axis=1)), xp.reshape(most, (count,)))
    return xp.astype(xp.where(xp.equal(_column(xp, steps, 0), 0), none, xp.negative(total)), said.dtype)


def _at(xp: Any, x: Any, t: int) -> Any:
    return xp.getitem(x, (slice(None), t))


def _moved(xp: Any, x: Any, by: int) -> Any:
    """The element ``by`` states before (after, where it is negative); nothing, where there is none."""
    count, states = x.shape
    by = max(min(by, states), -states)
    nothing = xp.full((count, abs(by)), -math.inf, dtype=x.dtype)
    if by > 0:
        return xp.concat([nothing, xp.getitem(x, (slice(None), slice(0, states - by)))], axis=1)
    return xp.concat([xp.getitem(x, (slice(None), slice(-by, states))), nothing], axis=1)


def _log_of_sum(xp: Any, x: Any, y: Any, z: Any) -> Any:
    most = xp.maximum(xp.maximum(x, y), z)
    nothing = xp.equal(most, -math.inf)
    most = xp.where(nothing, 0.0, most)
    total = xp.add(xp.add(xp.exp(xp.subtract(x, most)), xp.exp(xp.subtract(y, most))), xp.exp(xp.subtract(z, most)))
    if hasattr(x, "_data"):
        # The logarithm of zero has no derivative that zero times it would be zero.
        return xp.where(nothing, -math.inf, xp.add(xp.log(xp.where(nothing, 1.0, total)), most))
    return xp.add(xp.log(total), most)


def _column(xp: Any, numbers: Lengths, further: int) -> Any:
    """Numbers of the sequences as an array with some further dimensions of size 1."""
    return xp.reshape(xp.asarray(list(numbers), dtype=dtypes.int64), (len(numbers),) + (1,) * further)


# What users give.


def _lengths(name: str, given: Any) -> Lengths:
    """Lengths as a tuple of integers."""
    if is_tensor(given):
        if given.dtype.kind not in "iu":
            raise RuntimeError(f"{name} must be integral, but got {dtypes.scalar_type_name(given.dtype)}")
        given = given.tolist()
    return tuple(map(int, given)) if isinstance(given, Sequence) else (int(given),)


def _check(x: Any, y: Any, steps: Lengths, labels: Lengths, blank: int) -> None:
    time, count, classes = x.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"blank must be in label range: 0 to {classes - 1}, but got {blank}")
    if len(steps) != count:
        raise RuntimeError(f"input_lengths must be of size batch_size {count}, but has {len(steps)}")
    if len(labels) != count:
        raise RuntimeError(f"target_lengths must be of size batch_size {count}, but has {len(labels)}")
    for n in steps:
        if not 0 <= n <= time:
            raise RuntimeError(f"Expected input_lengths to have value between 0 and {time}, but got value {n}")
    if min(labels, default=0) < 0:
        raise RuntimeError(f"Expected target_lengths to have non-negative values, but got {min(labels)}")
    if y.ndim == 1:
        if y.shape[0] != sum(labels):
            raise RuntimeError(
                f"Expected targets, one after the other, to be {sum(labels)} by target_lengths, but got {y.shape[0]}"
            )
    elif y.ndim != 2 or y.shape[0] != count or y.shape[1] < max(labels, default=0):
        raise RuntimeError(
            f"Expected targets to have shape [{count}, {max(labels, default=0)}] or more, but got {list(y.shape)}"
        )


def _apart(y: Any, labels: Lengths, where_to: device) -> Any:
    """Labels of all sequences, one after the other, as a row for each; what fills the rows does not matter."""
    longest = max(labels, default=0)
    starts = np.cumsum([0, *labels])[:-1]
    at = starts[:, None] + np.minimum(np.arange(longest), np.maximum(np.array(labels) - 1, 0)[:, None])
    at = np.minimum(at, max(int(y.shape[0]) - 1, 0))
    return take(y, tensor(at, dtype=dtypes.int64, device=where_to)) if at.size else y.reshape(len(labels), 0)
