"""The named tuples that functions with several results return, as ``torch.return_types``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["aminmax", "kthvalue", "max", "median", "min", "sort", "topk"]


def _describe(self: Any) -> str:
    """The name, and each field on a line of its own."""
    fields = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
    return f"gradcore.return_types.{type(self).__name__}(\n{fields})"


class aminmax(NamedTuple):  # noqa: N801 - the classes are called as the functions
    """The smallest and the largest elements."""

    min: Tensor
    max: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class kthvalue(NamedTuple):  # noqa: N801
    """The k-th smallest elements, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class max(NamedTuple):  # noqa: N801
    """The largest elements, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class median(NamedTuple):  # noqa: N801
    """The middle elements, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class min(NamedTuple):  # noqa: N801
    """The smallest elements, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class sort(NamedTuple):  # noqa: N801
    """The elements in order, and where each was found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class topk(NamedTuple):  # noqa: N801
    """The largest (or smallest) elements in order, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)
