"""Sums of products by Einstein's notation: ``einsum("ij,jk->ik", a, b)``.

A term of the equation names the dimensions of its operand. What two operands have in common and the result does
not is summed over, as the product of two (batches of) matrices; operands are taken from left to right.

What is to be done follows from the equation and the shapes alone. It is found once (:func:`_plan`) and kept.
"""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from gradcore.op import is_tensor
from gradcore.ops._operands import as_tensor
from gradcore.ops.arithmetic import mul
from gradcore.ops.matmul import bmm, dot, mm, mv

if TYPE_CHECKING:
    from types import EllipsisType

    from gradcore.tensor import Tensor

__all__ = ["einsum"]

_LETTERS = string.ascii_uppercase + string.ascii_lowercase

# A dimension is named by the number of its letter, or within an ellipsis by -1 for the last one, -2 for the one
# before it ...
Label = int
Labels = tuple[Label, ...]
Term = tuple[Union[int, "EllipsisType"], ...]
Shape = tuple[int, ...]


def einsum(*args: Any) -> Tensor:
    """The sum of the products of the operands' elements, over the dimensions that the result does not name.

    ``einsum("ij,jk->ik", a, b)``: a letter per dimension, a term per operand. A letter twice in one term is the
    diagonal. ``...`` stands for the dimensions that are not named, which broadcast. Without ``->`` the result
    has the letters that occur once, in the order of the alphabet, after those of an ellipsis. The equation may
    also be given as lists of numbers from 0 to 51: ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    Raises:
        RuntimeError: the equation is malformed, or does not fit the operands; the message names the letter.
        ValueError: no operand is given, or a number in a list is not from 0 to 51.
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and "
            "its subscripts list"
        )
    given: Sequence[Any]
    if isinstance(args[0], str):
        given = args[1] if len(args) == 2 and isinstance(args[1], (list, tuple)) else args[1:]
        terms, result = _parse(args[0])
    else:
        terms, result, given = _from_lists(args)
    operands = [as_tensor(x, "einsum", f"operands[{i}]", i + 2) for i, x in enumerate(given)]
    if len(operands) != len(terms):
        raise RuntimeError(
            f"einsum(): {'fewer' if len(operands) < len(terms) else 'more'} operands were provided than "
            f"specified in the equation ({len(operands)} for {len(terms)} terms)"
        )
    plan = _plan(terms, result, tuple([tuple(x._data.shape) for x in operands]))
    x, *others = (_diagonals(x, pairs) for x, pairs in zip(operands, plan.diagonals, strict=True))
    for y, step in zip(others, plan.steps, strict=True):
        x = _product(x, y, step)
    if plan.order is not None:
        x = x.permute(plan.order)
    if plan.sums:
        x = x.sum(plan.sums)
    return x.view(x.shape) if plan.seen else x


def _diagonals(x: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    for first, second in pairs:
        x = x.diagonal(0, first, second)
    return x


def _product(x: Tensor, y: Tensor, step: Step) -> Tensor:
    left, right = _arranged(x, step.left), _arranged(y, step.right)
    product: Tensor = step.multiply(right, left) if step.swapped else step.multiply(left, right)
    for change in step.after:
        product = product.permute(change[1:]) if change[:1] == (None,) else product.view(change)
    return product


def _arranged(x: Tensor, side: Side) -> Tensor:
    if side.squeezed is not None:
        x = x.reshape(side.squeezed)
    if side.sums:
        # In the dtype of the other factor; of integers, a sum would be in int64.
        x = x.sum(side.sums, dtype=x.dtype) if x.dtype.kind in "biu" else x.sum(side.sums)
    if side.order is not None:
        x = x.permute(side.order)
    return x if side.shape is None else x.reshape(side.shape)


# What is to be done.


class Side(NamedTuple):
    """What is done to one operand before a product; ``None`` or ``()`` for nothing."""

    squeezed: Shape | None
    sums: tuple[int, ...]
    order: tuple[int, ...] | None
    shape: Shape | None


class Step(NamedTuple):
    """One product of two operands."""

    left: Side
    right: Side
    multiply: Callable[[Any, Any], Any]
    swapped: bool
    """The product of the transposes: its dimensions come out in the order of the result."""
    after: tuple[Any, ...]
    """Shapes to view the product with, and orders of its dimensions, which are marked by a leading ``None``."""


class Plan(NamedTuple):
    """All of an equation."""

    diagonals: tuple[tuple[tuple[int, int], ...], ...]
    steps: tuple[Step, ...]
    order: tuple[int, ...] | None
    sums: tuple[int, ...]
    seen: bool
    """PyTorch drops the dimensions that it summed over in a last step, which is a view; here they are gone already."""


@functools.lru_cache(maxsize=512)
def _plan(terms: tuple[Term, ...], result: Term | None, shapes: tuple[Shape, ...]) -> Plan:
    labels, out = _labels(terms, result, tuple(len(s) for s in shapes))
    _check_sizes(shapes, labels)
    diagonals, operands = zip(*[_plan_diagonals(a, s) for a, s in zip(labels, shapes, strict=True)], strict=True)
    (names, shape), *others = operands
    if not others:
        rest = [n for n in names if n not in out]
        order = tuple(names.index(n) for n in (*out, *rest))
        return Plan(diagonals, (), order, tuple(range(len(out), len(names))), seen=False)
    steps: list[Step] = []
    for i, (b, other) in enumerate(others):
        later = {*out}.union(*(more for more, _ in others[i + 1 :]))
        step, names, shape = _plan_product(names, shape, b, other, later, out)
        steps.append(step)
    summed = any(n not in out for names in labels for n in names)
    return Plan(diagonals, tuple(steps), None, (), seen=summed and not steps[-1].after)


def _plan_diagonals(names: Labels, shape: Shape) -> tuple[tuple[tuple[int, int], ...], tuple[Labels, Shape]]:
    """The diagonals to take until every label occurs once, and the labels and shape then."""
    pairs: list[tuple[int, int]] = []
    for n in dict.fromkeys(names):
        while names.count(n) > 1:
            first = names.index(n)
            second = names.index(n, first + 1)
            pairs.append((first, second))
            # The diagonal is the last dimension.
            names = (*(m for i, m in enumerate(names) if i not in (first, second)), n)
            shape = (*(s for i, s in enumerate(shape) if i not in (first, second)), shape[first])
    return tuple(pairs), (names, shape)


def _plan_product(
    a: Labels, x: Shape, b: Labels, y: Shape, later: set[Label], out: Labels
) -> tuple[Step, Labels, Shape]:
    """The product of two operands, summed over what is needed neither ``later`` nor in the other one.

    Returns:
        The step; the labels and the shape of its product.
    """
    # A size of 1 beside a larger one adds nothing to the product; without it, there is no broadcasting.
    mine, yours = dict(zip(a, x, strict=True)), dict(zip(b, y, strict=True))
    kept_a = {n: s for n, s in mine.items() if s != 1 or n not in yours}
    kept_b = {n: s for n, s in yours.items() if s != 1 or kept_a.get(n, 1) == 1}
    size = kept_a | kept_b
    sums_a = [n for n in kept_a if n not in kept_b and n not in later]
    sums_b = [n for n in kept_b if n not in kept_a and n not in later]
    names_a = [n for n in kept_a if n not in sums_a]
    names_b = [n for n in kept_b if n not in sums_b]
    places = {n: i for i, n in enumerate(out)}

    def ordered(names: Iterable[Label]) -> list[Label]:
        return sorted(names, key=lambda n: (places.get(n, len(places)), n))

    def side(kept: dict[Label, int], whole: int, sums: list[Label], target: list[Label], shape: Shape) -> Side:
        names = [n for n in kept if n not in sums]
        order = tuple(names.index(n) for n in target)
        moved = tuple(size[n] for n in target)
        return Side(
            tuple(kept.values()) if len(kept) != whole else None,
            tuple(list(kept).index(n) for n in sums),
            order if order != tuple(range(len(order))) else None,
            shape if shape != moved else None,
        )

    inner = [n for n in names_a if n in names_b and n not in later]
    if not inner:
        names = ordered({*names_a, *names_b})
        left, right = (
            side(
                kept, len(given), sums, [n for n in names if n in own], tuple(size[n] if n in own else 1 for n in names)
            )
            for kept, given, sums, own in ((kept_a, a, sums_a, names_a), (kept_b, b, sums_b, names_b))
        )
        return Step(left, right, mul, False, ()), tuple(names), tuple(size[n] for n in names)
    shared = ordered(n for n in names_a if n in names_b and n in later)
    rows = ordered(n for n in names_a if n not in names_b)
    columns = ordered(n for n in names_b if n not in names_a)
    swapped = bool(columns) and (not rows or ordered([rows[0], columns[0]])[0] == columns[0])
    groups = (shared, columns, rows) if swapped else (shared, rows, columns)
    # Each group of dimensions becomes one; a group of none becomes none, except in a batch.
    batch, height, width, depth = (
        (math.prod(size[n] for n in group),) if group or shared else () for group in (*groups, inner)
    )
    factors = (
        (groups[0] + groups[1] + inner, batch + height + depth),
        (groups[0] + inner + groups[2], batch + depth + width),
    )
    (first, first_shape), (second, second_shape) = factors[::-1] if swapped else factors
    left = side(kept_a, len(a), sums_a, first, first_shape)
    right = side(kept_b, len(b), sums_b, second, second_shape)
    multiply: Any = bmm if shared else mm if width else mv if height else dot
    names = [n for group in groups for n in group]
    target = ordered(names)
    shape = tuple(size[n] for n in target)
    after: tuple[Any, ...] = (shape,)
    if names != target:
        # A dimension of size 1 goes last, so that dropping it makes a view of the right shape.
        spread = (*(size[n] for n in names), 1)
        after = (spread, (None, *(names.index(n) for n in target), len(names)), shape)
    return Step(left, right, multiply, swapped, after), tuple(target), shape


# The equation.


@functools.lru_cache(maxsize=512)
def _parse(equation: str) -> tuple[tuple[Term, ...], Term | None]:
    """The terms of an equation and its result, which may be left out."""
    left, arrow, right = equation.partition("->")
    terms: list[Term] = []
    start = 0
    for i, text in enumerate(left.split(",")):
        terms.append(_parse_term(text, start, f"operand {i}"))
        start += len(text) + 1
    return tuple(terms), _parse_term(right, len(left) + 2, "output") if arrow else None


def _parse_term(text: str, start: int, where: str) -> Term:
    """The labels of one term, which stands at ``start`` in the equation."""
    term: list[Any] = []
    i = 0
    while i < len(text):
        c = text[i]
        if c == ".":
            if ... in term:
                raise RuntimeError(f"einsum(): found '.' for {where} for which an ellipsis (...) was already found")
            if text[i : i + 3] != "...":
                raise RuntimeError(f"einsum(): found '.' for {where} that is not part of any ellipsis (...)")
            term.append(...)
            i += 2
        elif c in _LETTERS:
            term.append(_LETTERS.index(c))
        elif c != " ":
            raise RuntimeError(
                f"einsum(): invalid subscript {c!r} given at index {start + i} in the equation string, "
                "subscripts must be in [a-zA-Z]"
            )
        i += 1
    return tuple(term)


def _from_lists(args: Sequence[Any]) -> tuple[tuple[Term, ...], Term | None, Sequence[Any]]:
    """The terms, the result and the operands of a call with lists of numbers."""
    rest = args[-1] if len(args) % 2 else None
    pairs = args[:-1] if len(args) % 2 else args
    terms = tuple(_term_of_list(x) for x in pairs[1::2])
    return terms, None if rest is None else _term_of_list(rest), pairs[::2]


def _term_of_list(subscripts: Any) -> Term:
    if is_tensor(subscripts) or not isinstance(subscripts, Iterable):
        raise TypeError(
            "einsum(): expected a list of subscripts after each operand, but got "
            f"{type(subscripts).__name__}: give the equation as a string first, or a list per operand"
        )
    term = tuple(subscripts)
    for s in term:
        if s is not ... and not (isinstance(s, int) and 0 <= s < len(_LETTERS)):
            raise ValueError(f"einsum(): subscript {s!r} in subscript list is not within the valid range [0, 52)")
    return term


def _labels(
    terms: tuple[Term, ...], result: Term | None, ndims: tuple[int, ...]
) -> tuple[tuple[tuple[Label, ...], ...], tuple[Label, ...]]:
    """The labels of the dimensions of the operands and of the result, once their numbers are known."""
    labels: list[tuple[Label, ...]] = []
    hidden = 0
    for i, (term, ndim) in enumerate(zip(terms, ndims, strict=True)):
        named = sum(s is not ... for s in term)
        if named > ndim or (named < ndim and ... not in term):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) "
                f"{'is more than' if ... in term else 'does not match'} the number of dimensions ({ndim}) "
                f"for operand {i}{'' if ... in term else ' and no ellipsis was given'}"
            )
        hidden = max(hidden, ndim - named)
        labels.append(_expand(term, ndim - named))
    counts: dict[Label, int] = {}
    for names in labels:
        for n in names:
            counts[n] = counts.get(n, 0) + 1
    if result is None:
        return tuple(labels), (
            *range(-hidden, 0),
            *sorted(n for n, count in counts.items() if n >= 0 and count == 1),
        )
    for s in result:
        if s is not ... and result.count(s) > 1:
            raise RuntimeError(f"einsum(): output subscript {_LETTERS[s]} appears more than once in the output")
        if s is not ... and s not in counts:
            raise RuntimeError(
                f"einsum(): output subscript {_LETTERS[s]} does not appear in the equation for any input operand"
            )
    return tuple(labels), _expand(result, hidden)


def _expand(term: Term, hidden: int) -> tuple[Label, ...]:
    """The labels of a term whose ellipsis stands for ``hidden`` dimensions."""
    return tuple(n for s in term for n in (range(-hidden, 0) if s is ... else (s,)))


def _check_sizes(shapes: Sequence[Shape], labels: Sequence[Labels]) -> None:
    """Raise if a label stands for different sizes; 1 broadcasts, but not within one operand."""
    sizes: dict[Label, int] = {}
    for i, (shape, names) in enumerate(zip(shapes, labels, strict=True)):
        own: dict[Label, int] = {}
        for n, size in zip(names, shape, strict=True):
            letter = "..." if n < 0 else _LETTERS[n]
            if own.setdefault(n, size) != size:
                raise RuntimeError(
                    f"einsum(): subscript {letter} is repeated for operand {i} but the sizes don't match, {size} "
                    f"!= {own[n]}"
                )
            known = sizes.get(n, 1)
            if size != known and 1 not in (size, known):
                raise RuntimeError(
                    f"einsum(): subscript {letter} has size {size} for operand {i} which does not broadcast with "
                    f"previously seen size {known}"
                )
            if known == 1:
                sizes[n] = size
