"""Hooks around what the graph saves: ``saved_tensors_hooks`` and what is built on it."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gradcore.grad_mode import current_mode, enter_grad, enter_mode, leave_mode
from gradcore.saved import HookPair

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"]


class saved_tensors_hooks:  # noqa: N801 - torch's spelling
    """Keep something else in the place of the tensors that operations in this block save for backward.

    Blocks may be nested; the innermost counts. They belong to a thread. Python numbers are not packed. Of what function
    transforms (``gradcore.func``) do in the block, hooks see what is recorded for the tensors outside of them.

    Args:
        pack_hook: called, under ``no_grad``, with each tensor that is saved: operands themselves, and results. What it
            returns is kept instead: anything. Where that is a result itself, and not ``detach()`` of it, the graph is a
            reference cycle.
        unpack_hook: called with that whenever the tensor is needed; must return a tensor of the same shape, dtype and
            device. The version of the tensor is not checked: what the hooks keep is theirs.

    Raises:
        TypeError: (on entering) a hook is not callable; (in backward) ``unpack_hook`` returned no tensor.
        RuntimeError: (on entering) hooks are refused in a block of :func:`disable_saved_tensors_hooks`, and inside
            ``func.grad`` and its kin; (in forward) ``pack_hook`` wrote to its tensor.
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        for hook in (self.pack_hook, self.unpack_hook):
            if not callable(hook):
                raise TypeError(f"saved_tensors_hooks takes two functions, but got {type(hook).__name__}")
        _push(HookPair(self.pack_hook, self.unpack_hook))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        _pop()


class save_on_cpu(saved_tensors_hooks):  # noqa: N801 - torch's spelling
    """Keep the tensors that operations in this block save on the cpu; backward moves them back to their devices.

    Args:
        pin_memory: accepted as in PyTorch; the copies are in ordinary memory. Tensors on the cpu are copied, too, then.
        device_type: accepted as in PyTorch; tensors on devices of any type are moved.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack_to_cpu(tensor: Tensor) -> tuple[Any, Tensor]:
            moved = tensor.detach().cpu()
            return tensor.device, moved.clone() if pin_memory and tensor.is_cpu else moved

        def unpack_from_cpu(packed: tuple[Any, Tensor]) -> Tensor:
            where, tensor = packed
            return tensor.to(where)

        super().__init__(pack_to_cpu, unpack_from_cpu)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Refuse hooks on saved tensors in this block: who sets some gets a RuntimeError that says ``error_message``.

    Raises:
        RuntimeError: hooks are set already.
    """
    mode = current_mode()
    if mode.saved_hooks:
        raise RuntimeError(error_message)
    outer = mode.saved_hooks_refused
    enter_mode(mode._replace(saved_hooks_refused=error_message))
    try:
        yield
    finally:
        enter_mode(current_mode()._replace(saved_hooks_refused=outer))


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_Originals]:
    """Let tensors that were saved in this block be written to in place: they are copied just before.

    Only what is saved and then written to is copied. Backward must run in the same block.

    Raises:
        RuntimeError: such a block is open already.
        AssertionError: (in backward) the block in which the graph was recorded has ended.
    """
    if any(isinstance(getattr(pair.unpack, "__self__", None), _Originals) for pair in current_mode().saved_hooks):
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    originals = _Originals()
    _push(HookPair(originals.pack, originals.unpack, originals.before_write))
    try:
        yield originals
    finally:
        _pop()
        originals.clear()


class _Handle:
    """What a node keeps in the place of a tensor that may be written to."""

    __slots__ = ("__weakref__", "tensor", "version")

    def __init__(self, tensor: Tensor) -> None:
        # Outside the graph, so that no result leads back to its node.
        self.tensor: Tensor | None = tensor.detach()
        self.version = tensor._version


class _Originals:
    """The tensors saved in a block of :func:`allow_mutation_on_saved_tensors`."""

    def __init__(self) -> None:
        # By the count of writes that they share, which is one for all tensors on the same memory. It lives as long as the
        # handles do, so its id is not given to another.
        self._families: dict[int, weakref.WeakSet[_Handle]] = {}
        self._copies: weakref.WeakSet[_Handle] = weakref.WeakSet()

    def pack(self, tensor: Tensor) -> _Handle:
        handle = _Handle(tensor)
        self._families.setdefault(id(tensor._cell), weakref.WeakSet()).add(handle)
        return handle

    def unpack(self, handle: _Handle) -> Tensor:
        if handle.tensor is None:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the graph was "
                "originally recorded."
            )
        if handle.tensor._version != handle.version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation that copied "
                "nothing before, such as the step of an optimizer: in a block of allow_mutation_on_saved_tensors, run "
                "backward before it"
            )
        return handle.tensor

    def before_write(self, tensor: Tensor) -> None:
        copies: dict[int, Tensor] = {}
        token = enter_grad(False)
        try:
            for handle in self._families.pop(id(tensor._cell), ()):
                original = handle.tensor
                if original is not None:
                    key = id(original._data)
                    if key not in copies:
                        copies[key] = original.clone()
                    handle.tensor, handle.version = copies[key], copies[key]._version
                    self._copies.add(handle)
        finally:
            leave_mode(token)

    def clear(self) -> None:
        """Let go of everything: the block has ended."""
        for handles in (*self._families.values(), self._copies):
            for handle in handles:
                handle.tensor = None
        self._families.clear()


def _push(pair: HookPair) -> None:
    mode = current_mode()
    if mode.saved_hooks_refused is not None:
        raise RuntimeError(mode.saved_hooks_refused)
    level = mode.level
    while level is not None:
        if level.kind != "vmap" and level.mode.dual is None:
            raise RuntimeError(
                "func.{grad, vjp, jacrev, hessian} don't yet support saved tensor hooks (nor what is built on them, such as "
                "checkpoint) inside the function that they differentiate. Set them around the transform"
            )
        level = level.below.level
    enter_mode(mode._replace(saved_hooks=(*mode.saved_hooks, pair)))


def _pop() -> None:
    # Only this part of the mode: what else was switched inside the block stays as it is.
    mode = current_mode()
    enter_mode(mode._replace(saved_hooks=mode.saved_hooks[:-1]))
