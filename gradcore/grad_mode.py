"""What recording does right now: ``no_grad``, ``enable_grad``, ``set_grad_enabled``, ``inference_mode``.

The whole state is one immutable :class:`Mode` in one ContextVar, so it belongs to a thread, and to a task under
asyncio. An operation compares it by identity with :data:`PLAIN` and :data:`NO_GRAD`: whatever is neither takes the slower
path, and so nothing that is not in use costs anything.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NamedTuple, TypeVar, overload

__all__ = [
    "NO_GRAD",
    "PLAIN",
    "Mode",
    "current_mode",
    "enable_grad",
    "enforce_grad_layout_policy",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_multithreading_enabled",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]

F = TypeVar("F", bound=Callable[..., Any])


class Mode(NamedTuple):
    """What the operations of a thread do besides computing."""

    grad: bool = True
    """Record operations on tensors that require grad."""
    inference: bool | str = False
    """Keep no account of versions and views; what is made here can never be recorded. ``ASKED``: ``enable_grad`` was
    called inside; it is heard again when inference mode is left."""
    level: Any = None
    """The innermost function transform that runs (:class:`gradcore.transforms.level.Level`)."""
    dual: Any = None
    """The level of forward mode whose tangents operations carry along."""
    saved_hooks: tuple[Any, ...] = ()
    """Pairs of functions that pack and unpack what is saved for backward; the last one counts."""
    saved_hooks_refused: str | None = None
    """Why such functions may not be set now; ``None``: they may."""
    anomaly: Any = None
    """How to look for faults: where operations are called is recorded, gradients are checked for nan."""


ASKED = "enable_grad"

PLAIN = Mode()
NO_GRAD = Mode(grad=False)
_mode: ContextVar[Mode] = ContextVar("gradcore_mode", default=PLAIN)

current_mode = _mode.get
"""The mode of this thread or task."""


def enter_mode(mode: Mode) -> Any:
    """Set the mode; returns the token that :func:`leave_mode` takes. Each of the two usual modes is always the one object."""
    return _mode.set(PLAIN if mode == PLAIN else NO_GRAD if mode == NO_GRAD else mode)


leave_mode = _mode.reset


def enter_grad(grad: bool) -> Any:
    """Set only whether operations are recorded; the rest of the mode stays. Undone by :func:`leave_mode`."""
    outer = _mode.get()
    if outer is PLAIN:
        return _mode.set(PLAIN if grad else NO_GRAD)
    return enter_mode(_with_grad(outer, grad))


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require grad are recorded."""
    mode = _mode.get()
    return mode.grad or mode.inference == ASKED


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on."""
    return bool(_mode.get().inference)


def _with_grad(mode: Mode, grad: bool) -> Mode:
    if mode.inference:
        # Nothing is recorded there in any case.
        return mode._replace(inference=ASKED if grad else True)
    return mode._replace(grad=grad)


class _ModeManager:
    """A context manager that is also a decorator, for functions, generators and coroutines."""

    def _mode(self, outer: Mode) -> Mode:
        raise NotImplementedError

    def _clone(self) -> _ModeManager:
        return type(self)()

    _fields: tuple[str, ...] = ("grad", "inference")
    """What of the mode is put back at the end of the block; the rest is what the block made of it."""

    def __enter__(self) -> None:
        # A stack, since one manager may be entered again inside its own block.
        self.__dict__.setdefault("_tokens", []).append(enter_mode(self._mode(_mode.get())))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        inside = _mode.get()
        try:
            leave_mode(self.__dict__["_tokens"].pop())
        except ValueError:
            # A generator that was entered elsewhere may be closed here, as asyncio does at its end: the mode here never changed.
            return
        outer = _mode.get()
        mine = self._mode(outer)
        if inside is not mine and inside != mine:
            enter_mode(inside._replace(**{field: getattr(outer, field) for field in self._fields}))

    def __call__(self, function: F) -> F:
        return _decorate(self._clone, function)


class _Undecided(_ModeManager):
    """A manager that decorates with or without parentheses: ``@no_grad`` and ``@no_grad()``."""

    @overload
    def __new__(cls) -> _Undecided: ...
    @overload
    def __new__(cls, function: F) -> F: ...  # type: ignore[misc]  # a decorator without parentheses
    def __new__(cls, function: Any = None) -> Any:
        return object.__new__(cls) if function is None else cls()(function)


class no_grad(_Undecided):  # noqa: N801 - torch's spelling
    """Operations inside record no graph; their results do not require grad.

    A context manager and a decorator. Factories with ``requires_grad=True`` still give tensors that require grad.
    """

    def _mode(self, outer: Mode) -> Mode:
        return NO_GRAD if outer is PLAIN else _with_grad(outer, False)


class enable_grad(_Undecided):  # noqa: N801 - torch's spelling
    """Operations inside are recorded, also within ``no_grad``. A context manager and a decorator."""

    def _mode(self, outer: Mode) -> Mode:
        return _with_grad(outer, True)


class set_grad_enabled(_ModeManager):  # noqa: N801 - torch's spelling
    """Switch recording on or off, as a function, a context manager or a decorator.

    As a function it acts at once and until the next switch of the thread.
    """

    def __init__(self, mode: bool) -> None:
        _check_bool("set_grad_enabled", mode)
        self.mode = mode
        self._tokens = [enter_mode(_with_grad(_mode.get(), mode))]

    def _mode(self, outer: Mode) -> Mode:
        return _with_grad(outer, self.mode)

    def _clone(self) -> set_grad_enabled:
        clone = object.__new__(set_grad_enabled)
        clone.mode = self.mode
        clone._entered = True  # its constructor has switched nothing
        return clone

    def __enter__(self) -> None:
        # The constructor has already switched; leaving undoes that. A second block switches anew.
        if self.__dict__.pop("_entered", False):
            super().__enter__()
        self._entered = True

    def __call__(self, function: F) -> F:
        # The constructor switched for use as a function; a decorator must not leak that.
        leave_mode(self._tokens.pop())
        return super().__call__(function)

    def __repr__(self) -> str:
        return f"gradcore.autograd.grad_mode.set_grad_enabled(mode={self.mode})"


class inference_mode(_ModeManager):  # noqa: N801 - torch's spelling
    """Operations inside record nothing and keep no account for autograd: a stricter and leaner ``no_grad``.

    A context manager and a decorator. Tensors that are made inside (:meth:`Tensor.is_inference`) have no count of writes:
    they cannot be saved for a backward, and are written to in inference mode only; ``clone()`` outside gives a normal
    tensor. Views of normal tensors are normal, and writes to these are counted.

    Args:
        mode: ``False`` leaves inference mode, and records again. A function is decorated.
    """

    @overload
    def __new__(cls, mode: bool = True) -> inference_mode: ...
    @overload
    def __new__(cls, mode: F) -> F: ...  # type: ignore[misc]  # a decorator without parentheses
    def __new__(cls, mode: Any = True) -> Any:
        return object.__new__(cls) if isinstance(mode, bool) else cls()(mode)

    _fields = ("grad", "inference", "dual")

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def _mode(self, outer: Mode) -> Mode:
        return outer._replace(grad=not self.mode, inference=self.mode, dual=None if self.mode else outer.dual)

    def _clone(self) -> inference_mode:
        return inference_mode(self.mode)


class _Accepted(_ModeManager):
    """A switch of PyTorch's engine that changes nothing here; what it was set to can be asked."""

    _state: ContextVar[bool]

    def __init__(self, mode: bool) -> None:
        _check_bool(type(self).__name__, mode)
        self.prev = self._state.get()
        self.mode = mode
        self._state.set(mode)

    def __enter__(self) -> None:
        """The constructor has switched, for use as a function."""

    def __exit__(self, *exc: object) -> None:
        self._state.set(self.prev)

    def _clone(self) -> _Accepted:
        return type(self)(self.mode)

    def __call__(self, function: F) -> F:
        self._state.set(self.prev)
        return super().__call__(function)


class set_multithreading_enabled(_Accepted):  # noqa: N801 - torch's spelling
    """Accepted for programs written for PyTorch: a backward runs in the thread that calls it, in any case.

    A function, a context manager and a decorator.
    """

    _state = ContextVar("gradcore_multithreading", default=True)


def is_multithreading_enabled() -> bool:
    """What :func:`set_multithreading_enabled` was told last in this thread."""
    return set_multithreading_enabled._state.get()


class enforce_grad_layout_policy(_Accepted):  # noqa: N801 - torch's spelling
    """Accepted for programs written for PyTorch: gradients of leaves always have the memory layout of their leaf.

    A function, a context manager and a decorator. PyTorch lets a gradient keep its own layout under ``False``.
    """

    _state = ContextVar("gradcore_grad_layout", default=True)

    def __init__(self, enable: bool = True) -> None:
        super().__init__(enable)


class _force_original_view_tracking(_Accepted):  # noqa: N801 - torch's spelling
    """Accepted for programs written for PyTorch: the history of a view is always made anew by repeating its steps."""

    _state = ContextVar("gradcore_view_tracking", default=False)


def _check_bool(function: str, mode: object) -> None:
    if not isinstance(mode, bool):
        raise TypeError(f"{function}(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}")


def _decorate(manager: Callable[[], _ModeManager], function: F) -> F:
    """``function`` with its body run under a fresh manager; generators hold the mode only while they run."""
    import inspect  # here, since it takes 10 ms to import and few programs decorate

    if not callable(function):
        raise TypeError(f"a mode decorates functions, but got {type(function).__name__}")
    if inspect.isclass(function):
        import warnings

        warnings.warn(
            "Decorating classes is deprecated: it makes a function of the class. Decorate its __init__ instead",
            FutureWarning,
            stacklevel=3,
        )
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            body = function(*args, **kwargs)
            with manager():
                try:
                    request = next(body)
                except StopIteration as stop:
                    return stop.value
            while True:
                try:
                    answer = yield request
                except GeneratorExit:
                    with manager():
                        body.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - everything thrown in goes to the body
                    with manager():
                        try:
                            request = body.throw(error)
                        except StopIteration as stop:
                            return stop.value
                else:
                    with manager():
                        try:
                            request = body.send(answer)
                        except StopIteration as stop:
                            return stop.value

        return generator  # type: ignore[return-value]
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> Any:
            body = function(*args, **kwargs)
            try:
                with manager():
                    request = await anext(body)
                while True:
                    try:
                        answer = yield request
                    except GeneratorExit:
                        with manager():
                            await body.aclose()
                        raise
                    except BaseException as error:  # noqa: BLE001 - everything thrown in goes to the body
                        with manager():
                            request = await body.athrow(error)
                    else:
                        with manager():
                            request = await body.asend(answer)
            except StopAsyncIteration:
                return

        return async_generator  # type: ignore[return-value]
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with manager():
                return await function(*args, **kwargs)

        return coroutine  # type: ignore[return-value]

    @functools.wraps(function)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with manager():
            return function(*args, **kwargs)

    return decorated  # type: ignore[return-value]
