"""Memory for time: forget what a part of a program saved for backward, and compute it again when it is needed."""

from __future__ import annotations

import contextlib
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcore import random
from gradcore.autograd import Function, backward
from gradcore.autograd.saved_tensors import saved_tensors_hooks
from gradcore.device import get_default_device
from gradcore.dtypes import dtype_name
from gradcore.engine import current_walk
from gradcore.grad_mode import current_mode, enable_grad, enter_mode, is_grad_enabled, leave_mode
from gradcore.operands import is_tensor
from gradcore.saved import SavedTensor, save

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "checkpoint",
    "checkpoint_sequential",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]

Contexts = tuple[contextlib.AbstractContextManager[Any], contextlib.AbstractContextManager[Any]]

# What the blocks around us say; ``None``: what the call says.
_early_stop: ContextVar[bool | None] = ContextVar("gradcore_checkpoint_early_stop", default=None)
_debug: ContextVar[bool | None] = ContextVar("gradcore_checkpoint_debug", default=None)

_DETERMINISM_CHECKS = ("default", "none")
_PACKAGE = str(Path(__file__).resolve().parents[1])


class CheckpointError(RuntimeError):
    """The second run of a function did not save the same tensors as the first."""


def noop_context_fn() -> Contexts:
    """Two context managers that do nothing: the default of ``context_fn``."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, whose operations save nothing; backward runs it again, to have what they would have saved.

    It works with ``autograd.grad``, ``retain_graph``, derivatives of higher order, several outputs, arguments of any kind,
    closures, and inside itself. What the function computes must depend on its arguments and on random numbers only, and
    it must do the same the second time.

    Args:
        function: any function of tensors; may return anything.
        args, kwargs: its arguments. Tensors among them are kept until backward.
        use_reentrant: pass ``False``. ``None`` warns, and is the same. ``True`` runs the function without recording, and in
            backward a backward of its own (:class:`CheckpointFunction`): it does not work with ``autograd.grad``, needs an
            argument that requires grad, and takes no keyword arguments.
        context_fn: gives two context managers: one for the first run, one for each of the others.
        determinism_check: ``"default"`` compares shape, dtype and device of what both runs saved; ``"none"`` does not.
        debug: record where each tensor is saved, and say so in a :class:`CheckpointError`.
        early_stop: end the second run as soon as everything that is needed has been computed.
            :func:`set_checkpoint_early_stop` has precedence.
        preserve_rng_state: give the second run the same random numbers as the first.

    Raises:
        ValueError: an unknown ``determinism_check``; ``debug`` together with ``context_fn``; these or ``kwargs`` where
            ``use_reentrant=True``.
        CheckpointError: (in backward) the second run saved another number of tensors, or others.
        RuntimeError: (in backward) an argument, or a leaf that the function uses, was written to in place since.
    """
    if use_reentrant is None:
        warnings.warn(
            "checkpoint: the use_reentrant parameter should be passed explicitly. gradcore takes use_reentrant=False when it "
            "is not given, PyTorch has taken True",
            UserWarning,
            stacklevel=2,
        )
    if use_reentrant:
        if kwargs:
            raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)}. Only use_reentrant=False takes them")
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve_rng_state, *args)
    chosen = _debug.get()
    if (debug if chosen is None else chosen) and context_fn is not noop_context_fn:
        raise ValueError("debug=True is incompatible with non-default context_fn")
    if determinism_check not in _DETERMINISM_CHECKS:
        raise ValueError(f"determinism_check should be one of {list(_DETERMINISM_CHECKS)}, but got {determinism_check}")
    if not is_grad_enabled():
        return function(*args, **kwargs)
    stop = _early_stop.get()
    forward_context, again_context = context_fn()
    frame = _Frame(function, args, kwargs)
    frame.context = again_context
    frame.states = random.snapshot() if preserve_rng_state else None
    frame.compares = determinism_check == "default"
    frame.traces = debug if chosen is None else chosen
    frame.early_stop = early_stop if stop is None else stop
    with saved_tensors_hooks(frame.pack, frame.unpack), forward_context:
        result = function(*args, **kwargs)
        frame.first_run_is_over()
        return result
    raise RuntimeError(
        "checkpoint: the forward context provided by context_fn suppressed an exception raised during the checkpointed "
        "forward. This is not supported because checkpoint cannot return a value for a failed forward."
    )


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    *,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Run functions one after the other, in ``segments`` parts of which all but the last are checkpoints.

    Args:
        functions: an ``nn.Sequential``, or a sequence of functions of one argument.
        segments: how many parts; the last takes what is left over.
        input: the argument of the first function.
        use_reentrant, preserve_rng_state: as for :func:`checkpoint`.
        kwargs: none are taken.

    Returns:
        What the last function returns.

    Raises:
        ValueError: other keyword arguments, or fewer functions than segments.
    """
    if kwargs:
        raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)}")
    if use_reentrant is None:
        warnings.warn(
            "checkpoint_sequential: the use_reentrant parameter should be passed explicitly. gradcore takes "
            "use_reentrant=False when it is not given, PyTorch has taken True",
            UserWarning,
            stacklevel=2,
        )
        use_reentrant = False
    steps: Sequence[Callable[[Any], Any]] = list(functions.children() if hasattr(functions, "children") else functions)
    if not 1 <= segments <= max(len(steps), 1):
        raise ValueError(
            f"segments must be from 1 to the number of functions, which is {len(steps)}, but got {segments}"
        )
    size = len(steps) // segments
    done = 0
    for _ in range(segments - 1):
        part = _chain(steps[done : done + size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state)
        done += size
    return _chain(steps[done:])(input)


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Whether checkpoints made in this block end their second run early, whatever their own ``early_stop`` says."""
    token = _early_stop.set(enable)
    try:
        yield
    finally:
        _early_stop.reset(token)


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Whether checkpoints made in this block trace what they save, whatever their own ``debug`` says; ``None``: as it says."""
    token = _debug.set(enabled)
    try:
        yield
    finally:
        _debug.reset(token)


class CheckpointFunction(Function):
    """The reentrant checkpoint: records nothing in forward, and runs a backward of its own in backward."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        """Run the function on its arguments."""
        if not any(is_tensor(x) and x.requires_grad for x in args):
            warnings.warn(
                "None of the inputs have requires_grad=True. Gradients will be None", UserWarning, stacklevel=2
            )
        ctx.function = function
        ctx.states = random.snapshot() if preserve_rng_state else None
        ctx.args = [None if is_tensor(x) else x for x in args]
        ctx.places = [i for i, x in enumerate(args) if is_tensor(x)]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Run the function again, recorded, and backward from its outputs."""
        walk = current_walk()
        if walk is not None and walk.is_partial:
            raise RuntimeError(
                "When use_reentrant=True, checkpoint is incompatible with .grad() or passing an `inputs` parameter to "
                ".backward(). To resolve this error, you can either set use_reentrant=False, or call .backward() without "
                "passing the `inputs` argument."
            )
        args = list(ctx.args)
        for i, x in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[i] = x.detach().requires_grad_(x.requires_grad)
        numbers = contextlib.nullcontext() if ctx.states is None else random.replay(ctx.states)
        with enable_grad(), numbers:
            made = ctx.function(*args)
        outputs = made if isinstance(made, tuple) else (made,)
        pairs = [(out, g) for out, g in zip(outputs, grads, strict=True) if is_tensor(out) and out.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([out for out, _ in pairs], [g for _, g in pairs])
        return None, None, *(x.grad if is_tensor(x) else None for x in args)


class _Holder:
    """What a node keeps in the place of a tensor: nothing, except between a second run and its use."""

    __slots__ = ("__weakref__", "value", "version")
    value: Tensor | None
    version: int

    def __init__(self) -> None:
        self.value = None


class _Frame:
    """One call of :func:`checkpoint`: how to run its function again, and the places that wait for what it saves.

    Nodes refer to the frame, through its hooks. It refers to their holders weakly, so it keeps nothing alive but the
    arguments.
    """

    context: contextlib.AbstractContextManager[Any]
    states: dict[Any, Any] | None
    compares: bool
    traces: bool
    early_stop: bool
    complete = False
    """Whether the first run is over; backward may run inside the function."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        # Through the hooks around us: those of an outer checkpoint, say.
        self.args = [save(x, None, "an argument of checkpoint") if is_tensor(x) else x for x in args]
        self.kwargs = {
            k: save(x, None, f"argument {k!r} of checkpoint") if is_tensor(x) else x for k, x in kwargs.items()
        }
        self.device = get_default_device()
        self.mode = current_mode()
        self.holders: list[weakref.ref[_Holder]] = []
        self.notes: list[tuple[Any, ...]] = []
        """Shape, dtype and device of each tensor that was saved."""
        self.places: list[str] = []
        self.leaves: dict[int, tuple[Tensor, int]] = {}
        """The leaves that require grad among what was saved, with their versions after the last run."""

    def pack(self, x: Tensor) -> _Holder:
        holder = _Holder()
        self.holders.append(weakref.ref(holder))
        self.notes.append(_note(x))
        if x._edge is None and x._req:
            self.leaves[id(x)] = (x, x._version)
        if self.traces:
            self.places.append(_caller())
        return holder

    def unpack(self, holder: _Holder) -> Tensor:
        if holder.value is None:
            self.run_again()
        value = holder.value
        if value is None:
            raise CheckpointError(
                "checkpoint: the second run of the function did not reach a tensor that backward needs"
            )
        holder.value = None
        if value._version != holder.version:
            _raise_modified(value, holder.version)
        return value

    def first_run_is_over(self) -> None:
        self.complete = True
        self.leaves = {key: (leaf, leaf._version) for key, (leaf, _) in self.leaves.items()}

    def run_again(self) -> None:
        """Run the function once more, and leave what it saves in the holders that live."""
        for leaf, version in self.leaves.values() if self.complete else ():
            # What would be computed from it now is not what the graph was made of.
            if leaf._version != version:
                _raise_modified(leaf, version)
        args = [x.unpack() if isinstance(x, SavedTensor) else x for x in self.args]
        kwargs = {k: x.unpack() if isinstance(x, SavedTensor) else x for k, x in self.kwargs.items()}
        run = _SecondRun(self)
        numbers = contextlib.nullcontext() if self.states is None else random.replay(self.states)
        try:
            hooks = saved_tensors_hooks(run.pack, run.unpack)
            with self.on_its_level(), hooks, enable_grad(), numbers, self.device, self.context:
                self.function(*args, **kwargs)
        except _Enough as enough:
            if enough.run is not run:
                raise
        except BaseException:
            self.drop_values()
            raise
        if self.complete:
            self.first_run_is_over()
        problem = run.problem()
        if problem is not None:
            self.drop_values()
            raise CheckpointError(problem)

    @contextlib.contextmanager
    def on_its_level(self) -> Iterator[None]:
        """Be inside the function transform inside of which the first run was."""
        level = self.mode.level
        if level is not None and not level._running:
            raise RuntimeError(
                "a checkpoint was made inside a function transform (vmap or jvp) that has ended, so its function cannot run "
                "again. Make the checkpoint around the transform"
            )
        mode = current_mode()
        token = enter_mode(mode if level is None else mode._replace(level=level, dual=self.mode.dual))
        try:
            yield
        finally:
            leave_mode(token)

    def drop_values(self) -> None:
        for ref in self.holders:
            holder = ref()
            if holder is not None:
                holder.value = None


class _SecondRun:
    """The hooks of a second run, and what it found."""

    def __init__(self, frame: _Frame) -> None:
        self.frame = frame
        self.count = 0
        self.places: list[str] = []
        self.others: list[tuple[int, Any]] = []
        # A backward inside the function needs what was saved until then; the run may go on beyond that.
        self.lenient = not frame.complete

    def pack(self, x: Tensor) -> Tensor:
        frame = self.frame
        note = _note(x)
        # The tensor itself would lead from a result back to its node.
        x = x.detach()
        at = self.count
        self.count += 1
        if frame.traces:
            self.places.append(_caller())
        if at >= len(frame.holders):
            if not self.lenient:
                raise CheckpointError(
                    "checkpoint: trying to save more tensors during recomputation than during the original forward pass."
                    + self.hint()
                )
            return x
        holder = frame.holders[at]()
        if holder is not None:
            holder.value, holder.version = x, x._version
            if frame.compares and note != frame.notes[at]:
                self.others.append((at, note))
        if frame.early_stop and self.count == len(frame.holders):
            raise _Enough(self)
        return x

    def unpack(self, x: Tensor) -> Tensor:
        return x

    def problem(self) -> str | None:
        """What differs from the first run."""
        frame = self.frame
        if self.lenient:
            return None
        if self.count != len(frame.holders):
            return (
                "checkpoint: A different number of tensors was saved during the original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(frame.holders)}\n"
                f"Number of tensors saved during recomputation: {self.count}.{self.hint()}"
            )
        if self.others:
            lines = "".join(
                f"tensor at position {at}:\nsaved metadata: {_describe(frame.notes[at])}\n"
                f"recomputed metadata: {_describe(note)}\n"
                for at, note in self.others
            )
            return (
                "checkpoint: Recomputed values for the following tensors have different metadata than during the forward "
                f"pass.\n{lines}{self.hint()}"
            )
        return None

    def hint(self) -> str:
        """Where both runs saved what, or how to find out."""
        frame = self.frame
        why = "\nThe function must do the same both times: it may not depend on what changes between them."
        if not frame.traces:
            return (
                f"{why} To see where each tensor was saved, pass debug=True to checkpoint, or use "
                "set_checkpoint_debug_enabled(True)."
            )
        first = "".join(
            f"  {i}: {_describe(n)}, {p}\n" for i, (n, p) in enumerate(zip(frame.notes, frame.places, strict=False))
        )
        again = "".join(f"  {i}: {p}\n" for i, p in enumerate(self.places))
        return f"{why}\nSaved during the original forward:\n{first}Saved during recomputation:\n{again}"


class _Enough(BaseException):
    """Ends a second run that has saved everything. Not an Exception, so that no handler in the function takes it."""

    def __init__(self, run: _SecondRun) -> None:
        self.run = run


def _raise_modified(x: Tensor, version: int) -> None:
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: the function of a "
        f"checkpoint used a tensor of {_describe(_note(x))} at version {version}, and it is at version {x._version} now. "
        "Write to a copy (clone()), use the out-of-place form, or run backward before"
    )


def _note(x: Tensor) -> tuple[Any, ...]:
    return tuple(x.shape), x.dtype, x._device


def _describe(note: tuple[Any, ...]) -> str:
    shape, dtype, where = note
    return f"shape {list(shape)}, {dtype_name(dtype)}, on {where}"


def _caller() -> str:
    """The line outside this package that called us."""
    frame: Any = sys._getframe(1)
    while frame is not None and (frame.f_code.co_filename.startswith((_PACKAGE, "<gradcore "))):
        frame = frame.f_back
    if frame is None:
        return "unknown place"
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def _chain(steps: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(input: Any) -> Any:
        for step in steps:
            input = step(input)
        return input

    return run
