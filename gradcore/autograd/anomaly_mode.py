"""Anomaly mode: a fault in backward is reported with the lines of the forward computation that it comes from."""

from __future__ import annotations

import warnings
from typing import Any

from gradcore.grad_mode import current_mode, enter_mode
from gradcore.watch import Watch

__all__ = ["detect_anomaly", "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "set_detect_anomaly"]


class set_detect_anomaly:  # noqa: N801 - torch's spelling
    """Switch anomaly mode on or off, as a function or a context manager.

    As a function it acts at once and until the next switch of the thread. What the mode does, see
    :class:`detect_anomaly`.

    Args:
        mode: on or off.
        check_nan: raise where a gradient becomes nan.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        for name, flag in (("mode", mode), ("check_nan", check_nan)):
            if not isinstance(flag, bool):
                raise TypeError(f"set_detect_anomaly(): argument {name!r} must be bool, not {type(flag).__name__}")
        self._outer = current_mode().anomaly
        _switch(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        _restore(self._outer)


class detect_anomaly:  # noqa: N801 - torch's spelling
    """A context manager in which every recorded operation remembers the line that called it.

    An exception in a backward that runs inside says which node failed and which line made it; the traceback of that line
    stands in the message or in the notes of the exception (``__notes__``), there is no separate warning. For the nodes
    that a backward made (``create_graph``) the line of the node that ran then is told, too. Errors about tensors that
    were modified in place say which line saved and which changed them; those about freed graphs, which backward freed
    them.

    Everything runs slower: for finding faults only. A warning says so.

    Args:
        check_nan: raise a RuntimeError for the first gradient of a backward that is nan.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._outer = current_mode().anomaly
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        _switch(True, self.check_nan)

    def __exit__(self, *exc: object) -> None:
        _restore(self._outer)


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    settings = current_mode().anomaly
    return settings is not None and settings.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode, when it is on, raises where a gradient becomes nan."""
    settings = current_mode().anomaly
    return True if settings is None else bool(settings.check_nan)


def _switch(mode: bool, check_nan: bool) -> None:
    outer = current_mode().anomaly
    settings = (outer or Watch())._replace(anomaly=mode, check_nan=check_nan)
    # What gradcore.debug looks for stays.
    _restore(settings if settings.anomaly or settings.lines else None)


def _restore(settings: Any) -> None:
    enter_mode(current_mode()._replace(anomaly=settings))
