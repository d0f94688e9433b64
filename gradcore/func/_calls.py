"""What transforms share: the arguments that are meant, what functions return, unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradcore.func._tree import flatten
from gradcore.op import is_tensor
from gradcore.ops.creation import eye, zeros
from gradcore.transforms.level import Level, below

__all__ = ["Argnums", "check_outputs", "lowered", "replaced", "select", "unit_basis", "with_aux"]

Argnums = int | tuple[int, ...]
"""The position of the argument to differentiate by, or a tuple of them."""


def select(args: Sequence[Any], argnums: Argnums) -> Any:
    """The argument at ``argnums``, or a tuple of them.

    Raises:
        RuntimeError: there is no such argument.
    """
    if isinstance(argnums, bool) or not isinstance(argnums, (int, tuple)):
        raise RuntimeError(  # noqa: TRY004 - PyTorch's class
            f"argnum must be int or Tuple[int, ...], got: {type(argnums)}"
        )
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    if not numbers:
        raise RuntimeError("argnum must be non-empty: give the position of an argument, or a tuple of them")
    for n in numbers:
        if not isinstance(n, int) or isinstance(n, bool):
            raise RuntimeError(f"argnum must be int, got: {type(n)}")  # noqa: TRY004 - PyTorch's class
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
    if len({n % len(args) for n in numbers}) != len(numbers):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return tuple(args[n] for n in numbers) if isinstance(argnums, tuple) else args[argnums]


def replaced(args: Sequence[Any], argnums: Argnums, values: Any) -> tuple[Any, ...]:
    """The arguments with other values at ``argnums``."""
    new = list(args)
    for n, value in zip(argnums, values, strict=True) if isinstance(argnums, tuple) else ((argnums, values),):
        new[n] = value
    return tuple(new)


def with_aux(out: Any, has_aux: bool, name: str) -> tuple[Any, Any]:
    """The output of a function and what it hands through beside that.

    Raises:
        RuntimeError: with ``has_aux``, it returned no pair, or something else than tensors in the second place.
    """
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple) and len(out) == 2):
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True, but got {type(out).__name__}"
        )
    for x in flatten(out[1])[0]:
        if not is_tensor(x):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(x).__name__} in aux")
    return out


def check_outputs(outs: Sequence[Any], what: str) -> None:
    """Raise unless a function returned tensors only.

    Raises:
        RuntimeError: it returned something else, or nothing.
    """
    if not outs:
        raise RuntimeError(f"{what}: Expected f to be a function that has non-empty output")
    for x in outs:
        if not is_tensor(x):
            raise RuntimeError(
                f"{what}: expected f(*args) to return only tensors, got unsupported type {type(x).__name__}"
            )


def unit_basis(tensors: Sequence[Any]) -> list[Any]:
    """The unit vectors of a sum of spaces: for each tensor a batch of N, where N is the number of elements of all."""
    total = sum(x.numel() for x in tensors)
    basis = []
    start = 0
    for x in tensors:
        n = x.numel()
        rows = zeros((total, n), dtype=x.dtype, device=x.device)
        if n:
            rows[start : start + n] = eye(n, dtype=x.dtype, device=x.device)
        basis.append(rows.reshape((total, *x.shape)))
        start += n
    return basis


def lowered(level: Level, x: Any) -> Any:
    """A tensor that leaves a level."""
    return below(x) if level.owns(x) else x
