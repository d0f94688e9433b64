"""Nested containers: dicts, lists, tuples and named tuples with tensors as leaves."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["flatten", "map_tree", "unflatten"]

Spec = tuple[Any, Any, "list[Any]"]
"""The shape of a tree: the class of the container, its keys, the shapes of its values. ``None`` for a leaf."""


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The leaves of a tree from left to right, and its shape. Whatever is no container is a leaf, ``None`` too."""
    leaves: list[Any] = []
    return leaves, _collect(tree, leaves)


def unflatten(leaves: Sequence[Any], spec: Any) -> Any:
    """A tree of the given shape with these leaves."""
    it = iter(leaves)
    return _build(it, spec)


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """A tree of the same shape, each leaf of which is what ``function`` gives for it."""
    leaves, spec = flatten(tree)
    return unflatten([function(leaf) for leaf in leaves], spec)


def broadcast_prefix(prefix: Any, spec: Any, leaf: Callable[[Any], bool]) -> list[Any] | None:
    """One value per leaf of ``spec`` from a tree that has the same shape, or leaves where that has whole subtrees.

    ``None`` where the shapes do not match.
    """
    if leaf(prefix):
        return [prefix] * _count(spec)
    if spec is None:
        return None
    found: list[Any] = []
    own = _collect_one(prefix)
    if own is None or own[0] is not spec[0] or own[1] != spec[1]:
        return None
    for value, part in zip(own[2], spec[2], strict=True):
        inner = broadcast_prefix(value, part, leaf)
        if inner is None:
            return None
        found += inner
    return found


def _collect_one(tree: Any) -> tuple[Any, Any, list[Any]] | None:
    """The class, the keys and the values of a container; ``None`` for a leaf."""
    kind = type(tree)
    if kind in (dict, OrderedDict):
        return kind, list(tree), list(tree.values())
    if kind is defaultdict:
        return kind, (tree.default_factory, list(tree)), list(tree.values())
    if kind in (list, tuple):
        return kind, len(tree), list(tree)
    if kind is deque:
        return kind, (tree.maxlen, len(tree)), list(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return kind, len(tree), list(tree)
    return None


def _collect(tree: Any, leaves: list[Any]) -> Any:
    found = _collect_one(tree)
    if found is None:
        leaves.append(tree)
        return None
    kind, keys, values = found
    return kind, keys, [_collect(value, leaves) for value in values]


def _build(leaves: Any, spec: Any) -> Any:
    if spec is None:
        return next(leaves)
    kind, keys, parts = spec
    values = [_build(leaves, part) for part in parts]
    if kind in (dict, OrderedDict):
        return kind(zip(keys, values, strict=True))
    if kind is defaultdict:
        return defaultdict(keys[0], zip(keys[1], values, strict=True))
    if kind is deque:
        return deque(values, keys[0])
    return kind(values) if kind in (list, tuple) else kind(*values)


def _count(spec: Any) -> int:
    return 1 if spec is None else sum(_count(part) for part in spec[2])
