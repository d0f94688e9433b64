"""What views show, in memory of its own: ``permute_copy`` and its like.

The copy of a view is an operation made of the one that makes the view: its forward function and a copy, its rules, its
samples. The public function of the view checks the arguments; which operation it runs, and with which parameters, is read
from what it makes of a stand-in: an array of the operand's shape, of which no element has memory of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore.device import resolve
from gradcore.grad_mode import PLAIN, enter_mode, leave_mode
from gradcore.lazy import define
from gradcore.op import OnNames, OpFunction, op, wrap
from gradcore.ops import broadcasting, joining, rearranging, shape, slicing, squeezing, transposing
from gradcore.ops._operands import as_tensor

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "alias_copy",
    "as_strided_copy",
    "expand_copy",
    "narrow_copy",
    "permute_copy",
    "select_copy",
    "slice_copy",
    "split_copy",
    "split_with_sizes_copy",
    "squeeze_copy",
    "t_copy",
    "transpose_copy",
    "unbind_copy",
    "unfold_copy",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "unsqueeze_copy",
    "view_copy",
]


_ZERO = np.zeros(())


def _copied(xp: Any, out: Any) -> Any:
    return tuple([xp.copy(o) for o in out]) if isinstance(out, tuple) else xp.copy(out)


def _cloned(out: Any) -> Any:
    clone: Any = shape.clone_contiguous
    return tuple([clone(o) for o in out]) if isinstance(out, tuple) else clone(out)


def _copy_of(view: OpFunction, name: str, node: str, forward: Callable[..., Any] | None = None) -> OpFunction:
    """The operation ``name``: what ``view`` shows, copied."""
    seen = view.op
    params = ", ".join(seen.params)
    made: OpFunction = op(
        node=node,
        linear=True,
        outputs="many" if seen.multiple else None,
        elementwise=seen.elementwise,
        reads_layout=seen.reads_layout,
        samples=seen.samples,
    )(
        define(
            f"def {name}(xp, input, /, {params}):\n    return copied(xp, forward(xp, input, {params}))",
            name,
            {"copied": _copied, "forward": forward or seen.forward},
            name,
        )
    )
    made.op.attach(("input",), seen.rules["input"].function)
    if seen.vmap is not None:
        names = ", ".join(seen.vmap.names)
        source = f"def {name}_vmap({names}):\n    return cloned(rule({names}))"
        scope = {"cloned": _cloned, "rule": seen.vmap.function}
        made.op.vmap = OnNames(define(source, f"{name}_vmap", scope, name))
    return made


def _as_copy(copies: dict[OpFunction, OpFunction], function: Callable[..., Any], input: Any, *args: Any) -> Any:
    """What ``function``, which makes a view by one of the operations in ``copies``, shows of ``input``, copied."""
    input = as_tensor(input, next(iter(copies.values())).__name__)
    token = enter_mode(PLAIN)
    try:
        seen = function(wrap(np.broadcast_to(_ZERO, input._data.shape), resolve("cpu")), *args)
    finally:
        leave_mode(token)
    link = (seen[0] if isinstance(seen, tuple) else seen)._view.link
    return copies[link[0].function](input, *link[1])


def _copies(*names: tuple[OpFunction, str, str]) -> dict[OpFunction, OpFunction]:
    return {view: _copy_of(view, name, node) for view, name, node in names}


_ALIAS = _copies((shape.alias, "alias_copied", "AliasBackward0_copy"))
_STRIDED = _copy_of(shape.strided, "strided_copied", "AsStridedBackward0_copy")
_EXPANDED = _copies((broadcasting.expand_to, "expanded_copied", "ExpandBackward0_copy"))
_NARROWED = _copies((slicing.slice_along, "narrowed_copied", "NarrowCopyBackward0"))
_PERMUTED = _copies((transposing.permute_to, "permuted_copied", "PermuteBackward0_copy"))
_SELECTED = _copies((slicing.select, "selected_copied", "SelectBackward0_copy"))
_SLICED = _copies((slicing.slice_along, "sliced_copied", "SliceBackward0_copy"))
_SPLIT = _copies((joining.split_evenly, "split_copied", "SplitBackward0_copy"))
_SPLIT_IN_SIZES = _copies((joining.split_unevenly, "split_with_sizes_copied", "SplitWithSizesBackward0_copy"))
_UNSAFE_SPLIT = _copies(
    (joining.split_evenly, "split_unsafely", "UnsafeSplitBackward0"),
    (joining.split_unevenly, "split_in_sizes_unsafely", "UnsafeSplitWithSizesBackward0"),
)
_SQUEEZED = _copies(
    (squeezing.squeeze_all, "squeezed_all_copied", "SqueezeBackward0_copy"),
    (squeezing.squeeze_dim, "squeezed_dim_copied", "SqueezeBackward1_copy"),
    (squeezing.squeeze_dims, "squeezed_dims_copied", "SqueezeBackward2_copy"),
)
_T = _copies((transposing.t, "t_copied", "TBackward0_copy"))
_TRANSPOSED = _copies((transposing.transpose, "transposed_copied", "TransposeBackward0_copy"))
_UNBOUND = _copies((joining.unbound, "unbound_copied", "UnbindBackward0_copy"))
_UNFOLDED = _copies((rearranging.unfold, "unfolded_copied", "UnfoldBackward0_copy"))
_UNSQUEEZED = _copies((squeezing.insert_dim, "unsqueezed_copied", "UnsqueezeBackward0_copy"))
# Unlike a view, a copy of another shape is possible whatever the strides.
_VIEWED = _copy_of(shape.view_shape, "viewed_copied", "ViewBackward0_copy", lambda xp, x, shape: xp.reshape(x, shape))


def alias_copy(input: Tensor) -> Tensor:
    """A copy of ``input``."""
    return _as_copy(_ALIAS, shape.alias, input)  # type: ignore[no-any-return]


def as_strided_copy(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A copy of what :func:`gradcore.as_strided` shows.

    Raises:
        As that does.
    """
    input = as_tensor(input, "as_strided_copy")
    return _STRIDED(input, *shape.checked_strides(input, size, stride, storage_offset))  # type: ignore[no-any-return]


def expand_copy(input: Tensor, size: Sequence[int], *, implicit: bool = False) -> Tensor:
    """A copy of what ``input.expand(size)`` shows."""
    return _as_copy(_EXPANDED, broadcasting.expand, input, size)  # type: ignore[no-any-return]


def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of what :func:`gradcore.narrow` shows.

    Raises:
        RuntimeError: there is no such dimension, or it has fewer positions.
        IndexError: ``start`` lies outside.
    """
    ndim = as_tensor(input, "narrow_copy").ndim
    if dim >= ndim:
        raise RuntimeError(f"narrow_copy(): expected dim in range of [{-ndim}, {ndim - 1}], but got {dim}")
    return _as_copy(_NARROWED, slicing.narrow, input, dim, start, length)  # type: ignore[no-any-return]


def permute_copy(input: Tensor, dims: Sequence[int]) -> Tensor:
    """A copy of what :func:`gradcore.permute` shows."""
    return _as_copy(_PERMUTED, transposing.permute, input, dims)  # type: ignore[no-any-return]


def select_copy(input: Tensor, dim: int, index: int) -> Tensor:
    """A copy of what :func:`gradcore.select` shows."""
    return _as_copy(_SELECTED, slicing.select, input, dim, index)  # type: ignore[no-any-return]


def slice_copy(input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    """A copy of ``input[start:end:step]`` along a dimension."""
    return _as_copy(_SLICED, slicing.slice_of, input, dim, start, end, step)  # type: ignore[no-any-return]


def split_copy(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Copies of what :func:`gradcore.split` shows."""
    return _as_copy(_SPLIT, joining.split, input, split_size, dim)  # type: ignore[no-any-return]


def split_with_sizes_copy(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Copies of what :func:`gradcore.split_with_sizes` shows."""
    return _as_copy(_SPLIT_IN_SIZES, joining.split_with_sizes, input, split_sizes, dim)  # type: ignore[no-any-return]


def squeeze_copy(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """A copy of what :func:`gradcore.squeeze` shows."""
    return _as_copy(_SQUEEZED, squeezing.squeeze, input, dim)  # type: ignore[no-any-return]


def t_copy(input: Tensor) -> Tensor:
    """A copy of what :func:`gradcore.t` shows."""
    return _as_copy(_T, transposing.t, input)  # type: ignore[no-any-return]


def transpose_copy(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A copy of what :func:`gradcore.transpose` shows."""
    return _as_copy(_TRANSPOSED, transposing.transpose, input, dim0, dim1)  # type: ignore[no-any-return]


def unbind_copy(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Copies of what :func:`gradcore.unbind` shows."""
    if 0 in input.shape and not input.shape[dim]:
        return ()
    return _as_copy(_UNBOUND, joining.unbind, input, dim)  # type: ignore[no-any-return]


def unfold_copy(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A copy of what ``input.unfold(dimension, size, step)`` shows."""
    return _as_copy(_UNFOLDED, rearranging.unfold, input, dimension, size, step)  # type: ignore[no-any-return]


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """What :func:`gradcore.chunk` gives, each part in memory of its own, so that it may be written to."""
    return _as_copy(_UNSAFE_SPLIT, joining.chunk, input, chunks, dim)  # type: ignore[no-any-return]


def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """What :func:`gradcore.split` gives, each part in memory of its own, so that it may be written to."""
    return _as_copy(_UNSAFE_SPLIT, joining.split, input, split_size, dim)  # type: ignore[no-any-return]


def unsafe_split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """What :func:`gradcore.split_with_sizes` gives, each part in memory of its own, so that it may be written to."""
    return _as_copy(_UNSAFE_SPLIT, joining.split_with_sizes, input, split_sizes, dim)  # type: ignore[no-any-return]


def unsqueeze_copy(input: Tensor, dim: int) -> Tensor:
    """A copy of what :func:`gradcore.unsqueeze` shows."""
    return _as_copy(_UNSQUEEZED, squeezing.unsqueeze, input, dim)  # type: ignore[no-any-return]


def view_copy(input: Tensor, size: Sequence[int]) -> Tensor:
    """The elements of ``input`` in another shape, in new memory; one size may be -1."""
    input = as_tensor(input, "view_copy")
    return _VIEWED(input, shape.inferred(shape.sizes("view_copy", (), "size", size), input._data.size))  # type: ignore[no-any-return]
