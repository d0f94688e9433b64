"""Derivatives of recorded programs: the public face, as ``torch.autograd``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.autograd.gradcheck import gradcheck, gradgradcheck
from gradcore.engine import Capture, walk
from gradcore.errors import GradcheckError
from gradcore.grad_mode import enable_grad, no_grad, set_grad_enabled
from gradcore.op import RUNTIME, bind, is_tensor, wrap
from gradcore.view import sync

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "GradcheckError",
    "backward",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "no_grad",
    "set_grad_enabled",
]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Compute the gradients of the leaves from which ``tensors`` were computed, and add them to their ``.grad``.

    Args:
        tensors: outputs to start from.
        grad_tensors: their gradients, each of its output's shape; ``None`` for an output that is one real number.
        retain_graph: keep the graph for another backward. Default: the value of ``create_graph``.
        create_graph: record the computation of the gradients, for derivatives of higher order.
        inputs: accumulate only into these tensors, leaves or not.

    Raises:
        RuntimeError: an output does not require grad, or needs a gradient and has none; a gradient has another shape
            or kind of dtype; ``inputs`` is empty; the graph was freed; a saved tensor was modified in place.
    """
    roots = _roots(_as_tuple(tensors, "tensors"), grad_tensors, create_graph)
    keep_graph = create_graph if retain_graph is None else retain_graph
    if create_graph:
        warnings.warn(
            "Using backward() with create_graph=True makes a reference cycle between each leaf and its .grad, which may "
            "become a memory leak. Use autograd.grad instead, or set .grad to None after use to break the cycle.",
            UserWarning,
            stacklevel=3,
        )
    if inputs is None:
        walk(roots, keep_graph=keep_graph, create_graph=create_graph)
        return
    targets = _as_tuple(inputs, "inputs")
    if not targets:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    for t in targets:
        if not is_tensor(t):
            raise RuntimeError(f"`inputs` must be Tensors or GradientEdges, but got {type(t).__name__}")
        if not t.requires_grad:
            raise RuntimeError(
                "can't retain_grad on Tensor that has requires_grad=False (among the inputs of backward)"
            )
    for t in targets:
        t.retain_grad()
    edges = [t if t._edge is None else t._edge for t in targets]
    walk(roots, keep_graph=keep_graph, create_graph=create_graph, only=edges)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor] | dict[str, Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    *,
    materialize_grads: bool = False,
) -> Any:
    """The gradients of ``outputs`` with respect to ``inputs``; no ``.grad`` is touched.

    Args:
        outputs: outputs to start from.
        inputs: tensors of the graph, leaves or not; a dict gives a dict of gradients.
        grad_outputs: gradients of the outputs, each of its output's shape; ``None`` for one real number.
        retain_graph: keep the graph for another walk. Default: the value of ``create_graph``.
        create_graph: record the computation, for derivatives of higher order.
        only_inputs: deprecated; no ``.grad`` is touched in any case.
        allow_unused: give ``None`` for an input that the outputs do not depend on, instead of raising.
            Default: the value of ``materialize_grads``.
        materialize_grads: give zeros for such an input.

    Returns:
        A tuple of tensors, each with the shape and dtype of its input.

    Raises:
        RuntimeError: as :func:`backward`; an input does not require grad or was not used.
        ValueError: ``materialize_grads`` with ``allow_unused=False``.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if not only_inputs:
        warnings.warn(
            "the only_inputs argument is deprecated: grad touches no .grad in any case. To accumulate into leaves, use "
            "backward",
            FutureWarning,
            stacklevel=2,
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    names = list(inputs) if isinstance(inputs, dict) else None
    targets = tuple(inputs.values()) if isinstance(inputs, dict) else _as_tuple(inputs, "inputs")
    if not targets:
        raise RuntimeError("grad requires non-empty inputs: the `inputs` argument cannot be empty.")
    roots = _roots(_as_tuple(outputs, "outputs"), grad_outputs, create_graph)
    for t in targets:
        if not is_tensor(t):
            raise TypeError(f"the inputs of grad must be Tensors, but got {type(t).__name__}")
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    found = _capture(roots, targets, create_graph if retain_graph is None else retain_graph, create_graph)
    results: list[Any] = []
    for i, (t, g) in enumerate(zip(targets, found, strict=True)):
        if g is None:
            if not allow_unused:
                raise RuntimeError(
                    f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
                    "allow_unused=True if this is the desired behavior."
                )
            results.append(t._zeros(t.shape) if materialize_grads else None)
        else:
            results.append(g if create_graph else wrap(_as_array(g, t), t._device))
    return dict(zip(names, results, strict=True)) if names is not None else tuple(results)


def _capture(roots: Any, targets: Sequence[Tensor], keep_graph: bool, create_graph: bool) -> list[Any]:
    captures = [Capture(t if t._edge is None else t._edge) for t in targets]
    walk(roots, keep_graph=keep_graph, create_graph=create_graph, captures=captures)
    return [c.grad for c in captures]


def _as_tuple(tensors: Any, what: str) -> tuple[Any, ...]:
    if is_tensor(tensors):
        return (tensors,)
    try:
        return tuple(tensors)
    except TypeError:
        raise TypeError(
            f"{what} must be a Tensor or a sequence of Tensors: {type(tensors).__name__!r} object is not iterable"
        ) from None


def _as_array(g: Any, like: Tensor) -> Any:
    return g if g.__class__ is like._device.array_class else like._device.xp.asarray(g)


def _roots(outputs: Sequence[Any], gradients: Any, create_graph: bool) -> list[tuple[Any, Any]]:
    """Pairs of the outputs' edges and their gradients: arrays, or tensors under ``create_graph``."""
    if gradients is None and not create_graph and len(outputs) == 1:
        # loss.backward(): a shorter way, since the checks below would be a tenth of a small program.
        out = outputs[0]
        usual = is_tensor(out) and out._view is None and out._edge is not None and out._data.shape == ()
        if usual and out.dtype.kind == "f":
            return [(out._edge, out._device.xp.ones((), dtype=out._data.dtype))]
    given: Sequence[Any] = (None,) * len(outputs)
    if gradients is not None:
        given = _as_tuple(gradients, "the gradient")
        if len(given) < len(outputs):
            raise RuntimeError(f"got {len(outputs)} tensors and {len(given)} gradients")
    roots: list[tuple[Any, Any]] = []
    for i, (out, g) in enumerate(zip(outputs, given, strict=False)):
        if not is_tensor(out):
            raise AssertionError(f"Expected output to be a gradcore.Tensor, but output {i} is {type(out).__name__}")
        if out._view is not None:
            sync(out)
        if not out._req:
            raise RuntimeError(
                f"element {i} of tensors does not require grad and does not have a grad_fn: nothing that it was computed "
                "from requires grad, or it was computed under no_grad or detached"
            )
        g = _implicit(out) if g is None else _checked(out, g, i)
        roots.append((out if out._edge is None else out._edge, g if create_graph else g._data))
    return roots


def _implicit(out: Tensor) -> Tensor:
    """The gradient 1 of a single real number."""
    if out.numel() != 1:
        raise RuntimeError(
            f"grad can be implicitly created only for scalar outputs, but this one has shape {list(out.shape)}: give "
            "its gradient, as in out.backward(gradcore.ones_like(out))"
        )
    if dtypes.category(out.dtype) == 3:
        raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {out.dtype}")
    xp = out._device.xp
    return wrap(xp.ones(out._data.shape, dtype=out._data.dtype), out._device)


def _checked(out: Tensor, g: Any, i: int) -> Tensor:
    if not is_tensor(g):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if g._device is not out._device:
        raise RuntimeError(
            f"invalid gradient at index {i} - expected device {out._device} but got {g._device}: move it with .to()"
        )
    if g._data.shape != out._data.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{i}] has a shape of {list(g.shape)} and output[{i}] has a shape of "
            f"{list(out.shape)}."
        )
    if (dtypes.category(g.dtype) == 3) != (dtypes.category(out.dtype) == 3):
        raise RuntimeError(
            f"For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            f"grad_output[{i}] has a dtype of {g.dtype} and output[{i}] has a dtype of {out.dtype}."
        )
    return g if g.dtype == out.dtype else RUNTIME["cast_tensor"](g, out.dtype)  # type: ignore[no-any-return]


bind(backward=backward)
