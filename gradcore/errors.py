"""Exceptions that gradcore adds. Everything else is raised as the class that PyTorch raises."""

from __future__ import annotations

__all__ = ["DeviceError", "DeviceUnavailableError", "GradcheckError", "LinAlgError"]


class DeviceError(RuntimeError):
    """A device string that names nothing, or operands on different devices."""


class DeviceUnavailableError(DeviceError):
    """A device that exists in name, but cannot be used here; says why and what mends it."""


class GradcheckError(RuntimeError):
    """:func:`gradcore.autograd.gradcheck` found a wrong derivative."""


class LinAlgError(RuntimeError):
    """A matrix that a function of linear algebra cannot take: a singular one to invert, or no decomposition was found."""
