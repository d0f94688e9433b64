"""What a node keeps of a tensor until its backward, and the hooks that may stand around that.

An ordinary node keeps tensors as they are, and its plan knows how (:mod:`gradcore.codegen`). Where somebody looks closer
(hooks are set, or ``node._raw_saved_<name>`` is read) it keeps a :class:`SavedTensor` for each tensor instead, and its
plan is the *packed* one, which asks them for their tensors.

The mechanism is here; what users call is :mod:`gradcore.autograd.graph`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from gradcore.grad_mode import Mode, current_mode, enter_grad, leave_mode
from gradcore.graph import (
    Node,
    SavesNothing,
    Slot,
    describe_value,
    new_node,
    node_class,
    node_of,
    output_nr,
    raise_freed,
    raise_modified,
)
from gradcore.runtime import RUNTIME, bind

if TYPE_CHECKING:
    from gradcore.device import device
    from gradcore.tensor import Tensor

__all__ = ["HookPair", "SavedTensor", "announce_write", "hooks_for", "save"]


class HookPair(NamedTuple):
    """An entry of ``Mode.saved_hooks``."""

    pack: Callable[[Any], Any]
    """Called with the tensor when it is saved; what it returns is kept in its place."""
    unpack: Callable[[Any], Any]
    """Called with what was kept whenever the tensor is needed; returns the tensor."""
    before_write: Callable[[Any], None] | None = None
    """Called with each tensor that is about to be written to in place."""


def hooks_for(mode: Mode, where: device) -> HookPair | None:
    """The hooks for what is recorded under ``mode`` on a device.

    What a function transform records has none: hooks see what it does on the ground, where its tensors are real ones.
    """
    return mode.saved_hooks[-1] if mode.saved_hooks and where.level is None else None


class SavedTensor:
    """A tensor that a node saved, as ``node._raw_saved_<name>`` shows it.

    The library makes these, with :func:`save`; a call of the class raises.
    """

    __slots__ = (
        "__weakref__",
        "_cell",
        "_device",
        "_edge",
        "_holder",
        "_hooks",
        "_kept",
        "_leaf",
        "_name",
        "_nr",
        "_tangent",
        "_version",
    )

    # What is kept, by the form that it takes:
    #   None                    nothing was saved
    #   a tensor                an operand, as it is, with its version and its edge at the time
    #   a raw array             a result of the node itself: the tensor would lead back to the node, a cycle
    #   what ``pack`` returned  under hooks, with the history that the tensor had
    _kept: Any
    _hooks: HookPair | None
    _edge: Any
    _leaf: Tensor | None
    """The tensor itself, where it is a leaf that requires grad."""
    _cell: list[int] | None
    """The count of writes of a result."""
    _version: int
    _device: Any
    """``None`` where nothing was saved."""
    _nr: int | None
    """The number of a result of the node itself, -1 where there is but one; ``None``: it is no such result."""
    _name: str
    """The name under which the node saved it, for messages."""
    _tangent: Any
    """The level of forward mode at which it has a tangent, and the tangent: hooks keep none."""
    _holder: weakref.ref[Node] | None
    """The node, once somebody has looked at this object."""

    def __new__(cls, *args: Any, **kwargs: Any) -> SavedTensor:
        raise RuntimeError(
            "Trying to create a SavedTensor object from Python is forbidden: they are made when an operation is recorded. "
            "Read one as grad_fn._raw_saved_<name>"
        )

    def unpack(self, node: Node | None = None, *, detached: bool = False) -> Tensor | None:
        """The tensor, with the history that it had when it was saved; ``None`` if there was none.

        Args:
            node: the node that saved it, which is the history of its own results; needed where nobody has read
                this object from the node.
            detached: give the tensor also if ``detach_`` has cut it from its history.

        Raises:
            RuntimeError: the graph was freed; the tensor was written to since, or cut from its history by ``detach_``
                (neither is noticed under hooks, which keep what they like); the hook gave a tensor of another device.
            TypeError: the unpack hook returned no tensor.
        """
        if self._device is None:
            return None
        node = self._node(node)
        if self._hooks is not None:
            return self._through_hook(self._hooks.unpack, node)
        if self._cell is not None:
            tensor: Tensor = RUNTIME["rebuild"](node, self._nr, self._kept, self._cell)
            if self._cell[0] != self._version:
                self._raise_modified(tensor, node)
            return tensor
        tensor = self._kept
        if tensor._version != self._version:
            self._raise_modified(tensor, node)
        if self._edge is not None and tensor._edge is not self._edge and not detached:
            raise RuntimeError(
                "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_(), or has another history "
                "now. This is not supported, please use out-of-place `.detach()` instead"
            )
        return tensor

    def register_hooks(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        """Keep what ``pack_hook(tensor)`` returns, from now on, and get the tensor by ``unpack_hook`` whenever it is needed.

        Raises:
            TypeError: a hook is not callable.
            RuntimeError: there are hooks already; the graph was freed; nothing was saved; ``pack_hook`` wrote to the
                tensor.
        """
        for hook in (pack_hook, unpack_hook):
            if not callable(hook):
                raise TypeError(
                    "register_hooks(): incompatible function arguments: it takes two callables (pack_hook, unpack_hook), "
                    f"but got {type(hook).__name__}"
                )
        if self._hooks is not None:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of hooks "
                "is allowed at a time."
            )
        if self._is_freed():
            raise RuntimeError(
                "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of the graph "
                "are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need them "
                "after that"
            )
        if self._device is None:
            raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
        if self._cell is not None:
            tensor = RUNTIME["wrap"](self._kept, self._device)
            tensor._cell = self._cell
        else:
            tensor = self._kept.detach()
        self._pack(tensor, HookPair(pack_hook, unpack_hook))

    @property
    def data(self) -> Any:
        """What is kept: the tensor, or what the pack hook returned. ``None`` if there is nothing, or no more."""
        if self._is_freed() or self._device is None:
            return None
        if self._cell is not None:
            tensor = RUNTIME["wrap"](self._kept, self._device)
            tensor._cell = self._cell
            return tensor
        return self._kept

    @property
    def unpack_hook(self) -> Callable[[Any], Any] | None:
        """The function that gives the tensor for what is kept, if hooks are set."""
        return None if self._hooks is None else self._hooks.unpack

    # For plans.

    def shown_by(self, node: Node) -> SavedTensor:
        """The object itself, which notices from now on that ``node`` is freed."""
        if self._holder is None:
            self._holder = weakref.ref(node)
        return self

    def pack_result(self, tensor: Tensor, hooks: HookPair) -> None:
        """Hand a result of the node over to hooks; it was saved by :func:`saved_result`, before it was a tensor."""
        self._pack(tensor, hooks)

    def keep_tangent(self, out: Tensor) -> None:
        """Remember the tangent of a result of the node, if this is that result; it is computed after the result."""
        edge = out._edge
        if self._nr == (edge.nr if edge.__class__ is Slot else -1):
            self._tangent = out._tangent

    def forget_tangent(self) -> None:
        """The level of forward mode has been left."""
        self._tangent = None

    def result_was_written(self) -> None:
        """Count the write that the operation itself made, where its result was written into its operand."""
        self._version += 1

    def _pack(self, tensor: Tensor, hooks: HookPair) -> None:
        version = tensor._version
        token = enter_grad(False)
        try:
            packed = hooks.pack(tensor)
        finally:
            leave_mode(token)
        if tensor._version != version:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can not be "
                "modified by in-place operations, since the forward pass goes on with them. Write to a clone() of it"
            )
        self._kept, self._hooks, self._cell = packed, hooks, None

    def _through_hook(self, unpack: Callable[[Any], Any], node: Node | None) -> Tensor:
        found = unpack(self._kept)
        if not isinstance(found, RUNTIME["Tensor"]):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(found).__name__!r}; it must return the tensor that the pack hook was called with"
            )
        data: Tensor = found
        if data._device is not self._device:
            raise RuntimeError(
                f"the unpack hook of {self._name or 'a saved tensor'} gave a tensor on {data._device}, but the one that was "
                f"saved is on {self._device}: move it back there, with .to()"
            )
        leaf = self._leaf
        edge = self._edge
        if self._nr is not None:
            if node is None:
                raise_freed_result()
            edge = node if self._nr < 0 else Slot(node, self._nr, data._data.shape, data._data.dtype)
        elif leaf is not None:
            if data._data is leaf._data and leaf._tangent is self._tangent:
                return leaf
            edge = new_node(_ALIAS, _IDENTITY, leaf._device.xp, (leaf,), leaf._data.shape, leaf._data.dtype)
        if edge is None and not data.requires_grad and self._tangent is None:
            return data
        tensor = data.detach()
        tensor._tangent = self._tangent
        if edge is not None:
            tensor._edge, tensor._req = edge, True
        return tensor

    def _raise_modified(self, tensor: Tensor, node: Node | None) -> NoReturn:
        if node is not None:
            raise_modified(node, self._name, tensor, tensor._version, self._version)
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"[{describe_value(tensor)}], {self._name or 'a saved tensor'}, is at version {tensor._version}; expected version "
            f"{self._version} instead. Write to a copy (clone()), or use the out-of-place form of the operation that changed it"
        )

    def _node(self, node: Node | None) -> Node | None:
        if node is None and self._holder is not None:
            node = self._holder()
        if self._holder is not None and (node is None or node._saved is None):
            self._kept = None
            raise_freed(node) if node is not None else raise_freed_result()
        return node

    def _is_freed(self) -> bool:
        node = self._holder() if self._holder is not None else None
        return self._holder is not None and (node is None or node._saved is None)


def save(tensor: Tensor | None, node: Node | None = None, name: str = "") -> SavedTensor:
    """Save a tensor for backward, through the hooks that are set now, as PyTorch's ``SavedVariable`` does.

    Args:
        tensor: what to save; ``None`` is saved, too. It may be an operand, any other tensor, or a result of ``node``,
            which must have its edge already then: a result's history is not kept, since that would be a cycle.
        node: the node that saves it.
        name: the name for messages.

    Returns:
        An object whose ``unpack(node)`` gives the tensor when it is needed (raises if it was written to since; calls the
        unpack hook anew each time). Drop the object to free what it holds. For hooks to see a tensor that an operation
        wrote to in place, save it after the write.

    Raises:
        RuntimeError: the pack hook wrote to the tensor.
    """
    made = _new(name)
    if tensor is None:
        return made
    if tensor._view is not None:
        RUNTIME["sync"](tensor)
    edge = tensor._edge
    made._device = tensor._device
    if edge is not None and node is not None and node_of(edge) is node:
        made._nr = output_nr(edge) if edge.__class__ is Slot else -1
        if tensor._cell is None:
            tensor._cell = [0]
        made._kept, made._cell = tensor._data, tensor._cell
    else:
        made._kept, made._edge = tensor, edge
        made._leaf = tensor if edge is None and tensor._req else None
    made._version = 0 if tensor._cell is None else tensor._cell[0]
    made._tangent = tensor._tangent
    hooks = hooks_for(current_mode(), tensor._device)
    if hooks is not None:
        made._pack(tensor, hooks)
    return made


def saved_result(raw: Any, where: Any, cell: list[int], version: int, nr: int | None, name: str) -> SavedTensor:
    """What a node saves of its result ``nr`` (-1: the only one; ``None``: one without a gradient); not yet through hooks."""
    made = _new(name)
    made._kept, made._device, made._cell, made._version, made._nr = raw, where, cell, version, nr
    return made


def saved_operand(tensor: Tensor, version: int, edge: Any, name: str) -> SavedTensor:
    """An operand that a node saved earlier, without hooks: at ``version``, with the history ``edge``."""
    made = _new(name)
    made._kept, made._device, made._version = tensor, tensor._device, version
    made._edge = edge if edge is not tensor else None
    made._leaf = tensor if edge is tensor else None
    return made


def announce_write(tensor: Tensor) -> None:
    """Tell the hooks that are set now that ``tensor`` is about to be written to."""
    for pair in current_mode().saved_hooks:
        if pair.before_write is not None and tensor._device.level is None:
            pair.before_write(tensor)


def raise_freed_result() -> NoReturn:
    """Raise for a saved tensor whose node is gone."""
    raise RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
        "freed): the node that saved this tensor is gone. Specify retain_graph=True, and keep the output of the graph"
    )


def _new(name: str) -> SavedTensor:
    made: SavedTensor = object.__new__(SavedTensor)
    made._kept = made._hooks = made._edge = made._leaf = made._cell = made._device = made._nr = made._holder = None
    made._tangent = None
    made._version = 0
    made._name = name
    return made


class _IdentityPlan(SavesNothing):
    """Runs the node between a leaf and what an unpack hook gave for it."""

    def raw(self, node: Node, xp: Any, g: Any) -> tuple[Any, ...]:
        return (g,)

    graph = raw


_IDENTITY = _IdentityPlan()
_ALIAS = node_class("AliasBackward0")

bind(announce_write=announce_write)
