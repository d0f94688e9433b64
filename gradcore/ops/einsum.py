"""Sums of products by Einstein's notation: ``einsum("ij,jk->ik", a, b)``.

A term of the equation names the dimensions of its operand. What two operands have in common and the result
does not is summed over, as the product of two (batches of) matrices; operands are taken from left to right.
"""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Union

from gradcore.op import is_tensor
from gradcore.ops._operands import as_tensor
from gradcore.ops.matmul import bmm

if TYPE_CHECKING:
    from types import EllipsisType

    from gradcore.tensor import Tensor

__all__ = ["einsum"]

_LETTERS = string.ascii_uppercase + string.ascii_lowercase

# A dimension is named by the number of its letter, or within an ellipsis by -1 for the last one, -2 for the
# one before.
Label = int
Term = tuple[Union[int, "EllipsisType"], ...]


def einsum(*args: Any) -> Tensor:
    """The sum of the products of the operands' elements, over the dimensions that the result does not name.

    ``einsum("ij,jk->ik", a, b)``: a letter per dimension, a term per operand. A letter twice in one term is
    the diagonal. ``...`` stands for the dimensions that are not named, which broadcast. Without ``->`` the
    result has the letters that occur once, in the order of the alphabet, after those of an ellipsis. The
    equation may also be given as lists of numbers from 0 to 51: ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    Raises:
        RuntimeError: the equation is malformed, or does not fit the operands; the message names the letter.
        ValueError: no operand is given, or a number in a list is not from 0 to 51.
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand "
            "and its subscripts list"
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
    labels, out = _labels(terms, result, tuple(x.ndim for x in operands))
    _check_sizes(operands, labels)
    pairs = [_diagonals(x, names) for x, names in zip(operands, labels, strict=True)]
    x, names = pairs[0]
    for i, (y, others) in enumerate(pairs[1:], 1):
        later = set(out).union(*(more for _, more in pairs[i + 1 :]))
        x, names = _product(x, names, y, others, later, out)
    if len(pairs) == 1:
        return _arranged(x, names, out)
    # PyTorch drops the dimensions that were summed over in a last step, which is a view; here they are gone
    # already.
    summed = any(n not in out for names in labels for n in names)
    return x.view(x.shape) if summed and not x._is_view() else x


def _product(
    x: Tensor, a: list[Label], y: Tensor, b: list[Label], later: set[Label], out: Sequence[Label]
) -> tuple[Tensor, list[Label]]:
    """The product of two operands, summed over what is needed neither ``later`` nor in the other operand."""
    # A size of 1 beside a larger one adds nothing to the product; without it there is no broadcasting to
    # think of.
    sizes = dict(zip(a, x.shape, strict=True)), dict(zip(b, y.shape, strict=True))
    x, a = _without(x, a, [n for n in a if sizes[0][n] == 1 and n in sizes[1]])
    y, b = _without(y, b, [n for n in b if sizes[1][n] == 1 and sizes[0].get(n, 1) != 1])
    x, a = _summed(x, a, [n for n in a if n not in b and n not in later])
    y, b = _summed(y, b, [n for n in b if n not in a and n not in later])
    summed = [n for n in a if n in b and n not in later]
    order = _order(out)
    shared = sorted((n for n in a if n in b and n in later), key=order)
    rows = sorted((n for n in a if n not in b), key=order)
    columns = sorted((n for n in b if n not in a), key=order)
    if not summed:
        names = sorted({*a, *b}, key=order)
        return _spread(x, a, names) * _spread(y, b, names), names
    if rows and columns and order(columns[0]) < order(rows[0]):
        # The product of the transposes: its dimensions come out in the order of the result.
        x, a, rows, y, b, columns = y, b, columns, x, a, rows
    size = dict(zip(a, x.shape, strict=True)) | dict(zip(b, y.shape, strict=True))
    counts = [math.prod(size[n] for n in group) for group in (shared, rows, columns, summed)]
    left = _permuted(x, a, shared + rows + summed).reshape((counts[0], counts[1], counts[3]))
    right = _permuted(y, b, shared + summed + columns).reshape((counts[0], counts[3], counts[2]))
    names = shared + rows + columns
    target = sorted(names, key=order)
    product = bmm(left, right)
    if names == target:
        return product.view(tuple(size[n] for n in names)), names
    # The sum's own dimension, of size 1, goes last, so that dropping it makes a view of the right shape.
    spread = product.view((*[size[n] for n in names], 1)).permute((*[names.index(n) for n in target], len(names)))
    return spread.view(tuple(size[n] for n in target)), target


def _arranged(x: Tensor, names: Sequence[Label], out: Sequence[Label]) -> Tensor:
    """``x`` with the dimensions of the result: the others are summed over."""
    rest = [n for n in names if n not in out]
    x = _permuted(x, names, [*out, *rest], always=True)
    return x.sum(tuple(range(len(out), x.ndim))) if rest else x


def _order(out: Sequence[Label]) -> Any:
    """A sort key: the place in the result; what is not there comes after it."""
    places = {n: i for i, n in enumerate(out)}
    return lambda n: (places.get(n, len(places)), n)


def _without(x: Tensor, names: list[Label], drop: list[Label]) -> tuple[Tensor, list[Label]]:
    """``x`` without some dimensions of size 1."""
    if not drop:
        return x, names
    kept = [n for n in names if n not in drop]
    return x.reshape(tuple(s for n, s in zip(names, x.shape, strict=True) if n not in drop)), kept


def _summed(x: Tensor, names: list[Label], over: list[Label]) -> tuple[Tensor, list[Label]]:
    if not over:
        return x, names
    return x.sum(tuple(names.index(n) for n in over)), [n for n in names if n not in over]


def _permuted(x: Tensor, names: Sequence[Label], target: Sequence[Label], always: bool = False) -> Tensor:
    places = [names.index(n) for n in target]
    return x.permute(tuple(places)) if always or places != sorted(places) else x


def _spread(x: Tensor, names: Sequence[Label], target: Sequence[Label]) -> Tensor:
    """``x`` with a dimension per name of ``target``, of size 1 where it lacks one."""
    x = _permuted(x, names, [n for n in target if n in names])
    size = dict(zip([n for n in target if n in names], x.shape, strict=True))
    shape = [size.get(n, 1) for n in target]
    return x if list(x.shape) == shape else x.reshape(tuple(shape))


def _diagonals(x: Tensor, names: Sequence[Label]) -> tuple[Tensor, list[Label]]:
    """``x`` with one dimension per name: dimensions of one name become their diagonal."""
    names = list(names)
    for n in dict.fromkeys(names):
        while names.count(n) > 1:
            first = names.index(n)
            second = names.index(n, first + 1)
            x = x.diagonal(0, first, second)
            # The diagonal is the last dimension.
            names = [*names[:first], *names[first + 1 : second], *names[second + 1 :], n]
    return x, names


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


@functools.lru_cache(maxsize=512)
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


def _check_sizes(operands: Sequence[Tensor], labels: Sequence[Sequence[Label]]) -> None:
    """Raise if a label stands for different sizes; 1 broadcasts, but not within one operand."""
    sizes: dict[Label, int] = {}
    for i, (x, names) in enumerate(zip(operands, labels, strict=True)):
        own: dict[Label, int] = {}
        for n, size in zip(names, x.shape, strict=True):
            letter = "..." if n < 0 else _LETTERS[n]
            if own.setdefault(n, size) != size:
                raise RuntimeError(
                    f"einsum(): subscript {letter} is repeated for operand {i} but the sizes don't match, "
                    f"{size} != {own[n]}"
                )
            known = sizes.get(n, 1)
            if size != known and 1 not in (size, known):
                raise RuntimeError(
                    f"einsum(): subscript {letter} has size {size} for operand {i} which does not broadcast "
                    f"with previously seen size {known}"
                )
            if known == 1:
                sizes[n] = size
