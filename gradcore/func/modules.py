"""Modules as functions of their parameters: ``functional_call``, ``stack_module_state``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gradcore.op import is_tensor
from gradcore.ops.joining import stack

__all__ = ["functional_call", "stack_module_state"]


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other tensors in the place of its parameters and buffers.

    Args:
        module: an ``nn.Module``; it is as before afterwards.
        parameter_and_buffer_dicts: tensors by their qualified names, or several such dicts without a common name.
        args: the arguments of the call; a tuple, or a single one.
        kwargs: its keyword arguments.
        tie_weights: what is given for one name of a parameter that the module has twice holds for both.
        strict: raise where names are missing, or are none of the module's.

    Raises:
        ValueError: the same name is in two dicts, or tied parameters get different tensors.
        RuntimeError: with ``strict``, the names are not those of the module.
    """
    given = _merged(parameter_and_buffer_dicts)
    own = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    if strict:
        missing, unknown = sorted(set(own) - set(given)), sorted(set(given) - set(own))
        if missing or unknown:
            raise RuntimeError(
                f"Error(s) in reparametrizing: missing key(s) {missing}, unexpected key(s) {unknown}; the module has "
                f"{sorted(own)}"
            )
    if tie_weights:
        given = _tied(given, own)
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _replaced(module, given):
        return module(*args, **(kwargs or {}))


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of several modules of one kind, stacked along a new first dimension, for ``vmap``.

    Returns:
        Two dicts by qualified name. Stacked parameters are leaves that require grad as theirs did.

    Raises:
        RuntimeError: there are no modules, they are not of one class, or not all in the same mode of training.
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or all(not m.training for m in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = {
        name: _stacked([dict(m.named_parameters())[name] for m in models]) for name, _ in models[0].named_parameters()
    }
    buffers = {name: _stacked([dict(m.named_buffers())[name] for m in models]) for name, _ in models[0].named_buffers()}
    return params, buffers


def _merged(dicts: Any) -> dict[str, Any]:
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, Sequence) or not all(isinstance(d, Mapping) for d in dicts):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts).__name__}"
        )
    merged: dict[str, Any] = {}
    for d in dicts:
        twice = set(merged) & set(d)
        if twice:
            raise ValueError(
                f"{sorted(twice)} appeared in multiple dictionaries; behavior of functional call is ambiguous"
            )
        merged |= d
    return merged


def _tied(given: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """What is given for one name of a tensor, for all of its names."""
    names_of: dict[int, list[str]] = {}
    for name, tensor in own.items():
        names_of.setdefault(id(tensor), []).append(name)
    result = dict(given)
    for names in names_of.values():
        values = [given[n] for n in names if n in given]
        if len({id(v) for v in values}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {names}, which are tied. Consider using tie_weights=False"
            )
        for n in names:
            if values:
                result[n] = values[0]
    return result


@contextmanager
def _replaced(module: Any, given: Mapping[str, Any]) -> Iterator[None]:
    """The module has other tensors inside the block."""
    before: list[tuple[dict[str, Any], str, Any]] = []
    modules = dict(module.named_modules())
    try:
        for path, tensor in given.items():
            owner, _, name = path.rpartition(".")
            if owner not in modules:
                raise AttributeError(f"{type(module).__name__} has no submodule {owner!r}, which is named in {path!r}")
            holder = modules[owner]
            store = next((s for s in (holder._parameters, holder._buffers) if name in s), None)
            if store is None:
                raise AttributeError(f"{path} is not a parameter or buffer of {type(module).__name__}")
            if not is_tensor(tensor):
                raise TypeError(f"{path} is given as {type(tensor).__name__}, but must be a Tensor")
            before.append((store, name, store[name]))
            store[name] = tensor
        yield
    finally:
        for store, name, tensor in reversed(before):
            store[name] = tensor


def _stacked(tensors: Sequence[Any]) -> Any:
    out = stack([t.detach() for t in tensors])
    return out.requires_grad_(tensors[0].requires_grad)
