"""Derivatives of recorded programs: the public face, as ``torch.autograd``."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from gradcore.autograd.grad_mode import (
    _force_original_view_tracking,
    _unsafe_preserve_version_counter,
    enforce_grad_layout_policy,
    inference_mode,
    is_multithreading_enabled,
    set_multithreading_enabled,
)
from gradcore.autograd.gradcheck import gradcheck, gradgradcheck
from gradcore.autograd.graph import GradientEdge, stand_in
from gradcore.autograd.variable import Variable
from gradcore.engine import Capture, walk
from gradcore.errors import GradcheckError
from gradcore.grad_mode import PLAIN, Mode, current_mode, enable_grad, no_grad, set_grad_enabled
from gradcore.graph import Cut
from gradcore.op import RUNTIME, bind, is_tensor, wrap
from gradcore.view import edge_of, sync

if TYPE_CHECKING:
    from gradcore.autograd.function import Function
    from gradcore.tensor import Tensor

__all__ = [
    "Function",
    "GradcheckError",
    "Variable",
    "_force_original_view_tracking",
    "_unsafe_preserve_version_counter",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "enforce_grad_layout_policy",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_multithreading_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


def backward(
    tensors: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Tensor | Sequence[Tensor | None] | None = None,
    inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge] | dict[str, Tensor] | None = None,
) -> None:
    """Compute the gradients of the leaves from which ``tensors`` were computed, and add them to their ``.grad``.

    Args:
        tensors: outputs to start from, or their places in the graph (:func:`gradcore.autograd.graph.get_gradient_edge`).
        grad_tensors: their gradients, each of its output's shape; ``None`` for an output that is one real number.
        retain_graph: keep the graph for another backward. Default: the value of ``create_graph``.
        create_graph: record the computation of the gradients, for derivatives of higher order.
        grad_variables: an old name of ``grad_tensors``.
        inputs: accumulate only into these tensors, leaves or not, or into the leaves at these places in the graph.

    Raises:
        TypeError: arguments that are no sequences of tensors.
        RuntimeError: an output does not require grad, or needs a gradient and has none; a gradient has another shape
            or kind of dtype; ``inputs`` is empty; the graph was freed; a saved tensor was modified in place.
    """
    mode = current_mode()
    moves_tensors = create_graph or (mode is not PLAIN and _moves_tensors(mode, backward=True))
    if grad_variables is not None:
        warnings.warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2)
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only use "
                "`grad_tensors`."
            )
        grad_tensors = grad_variables
    roots = _roots(_as_tuple(tensors, "tensors"), grad_tensors, moves_tensors)
    keep_graph = create_graph if retain_graph is None else retain_graph
    if create_graph:
        warnings.warn(
            "Using backward() with create_graph=True makes a reference cycle between each leaf and its .grad, which may "
            "become a memory leak. Use autograd.grad instead, or set .grad to None after use to break the cycle.",
            UserWarning,
            stacklevel=3,
        )
    if inputs is None:
        walk(roots, keep_graph=keep_graph, create_graph=create_graph, tensors=moves_tensors)
        return
    given = _given_inputs(inputs, "backward")
    targets = _targets(given)
    for t in targets:
        if not t.requires_grad:
            raise RuntimeError(
                "can't retain_grad on Tensor that has requires_grad=False (among the inputs of backward)"
            )
    for x, t in zip(given, targets, strict=True):
        if x is t:
            t.retain_grad()
    edges = [edge_of(t) for t in targets]
    walk(roots, keep_graph=keep_graph, create_graph=create_graph, tensors=moves_tensors, only=edges)


def grad(
    outputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge] | dict[str, Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """The gradients of ``outputs`` with respect to ``inputs``; no ``.grad`` is touched.

    Args:
        outputs: outputs to start from, or their places in the graph (:func:`gradcore.autograd.graph.get_gradient_edge`).
        inputs: tensors of the graph, leaves or not, or such places; a dict gives a dict of gradients.
        grad_outputs: gradients of the outputs, each of its output's shape; ``None`` for one real number.
        retain_graph: keep the graph for another walk. Default: the value of ``create_graph``.
        create_graph: record the computation, for derivatives of higher order.
        only_inputs: deprecated; no ``.grad`` is touched in any case.
        allow_unused: give ``None`` for an input that the outputs do not depend on, instead of raising.
            Default: the value of ``materialize_grads``.
        is_grads_batched: each of ``grad_outputs`` is a batch along its first dimension: the walk runs once, batched, and the
            gradients have the batch in front.
        materialize_grads: give zeros for such an input.

    Returns:
        A tuple of tensors, each with the shape and dtype of its input.

    Raises:
        TypeError: as :func:`backward`.
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
    if is_grads_batched:
        from gradcore.autograd._batched import batched_grad

        return batched_grad(
            grad, outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads
        )
    names = list(inputs) if type(inputs) is dict else None
    given = _given_inputs(inputs, "grad")
    targets = _targets(given)
    moves_tensors = create_graph or _moves_tensors(current_mode())
    roots = _roots(_as_tuple(outputs, "outputs"), grad_outputs, moves_tensors)
    for i, t in enumerate(targets):
        if not t.requires_grad:
            raise RuntimeError(
                f"One of the differentiated Tensors does not require grad: the one at index {i}. Call requires_grad_() on it "
                "before it is used"
            )
    found = _capture(
        roots, targets, create_graph if retain_graph is None else retain_graph, create_graph, moves_tensors
    )
    results: list[Any] = []
    for i, (t, g) in enumerate(zip(targets, found, strict=True)):
        if g is None:
            if not allow_unused:
                raise RuntimeError(
                    f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
                    "allow_unused=True if this is the desired behavior."
                )
            if materialize_grads and given[i] is not t:
                raise RuntimeError(
                    f"materialize_grads cannot be used when the given input is a GradientEdge (index {i}), since it has not "
                    "been used in the graph; use allow_unused=True, or give the tensor"
                )
            results.append(t._zeros(t.shape) if materialize_grads else None)
        else:
            results.append(g if moves_tensors else wrap(_as_array(g, t), t._device))
    return dict(zip(names, results, strict=True)) if names is not None else tuple(results)


def _moves_tensors(mode: Mode, backward: bool = False) -> bool:
    """Whether a walk in this mode moves tensors, also if it is not recorded: gradients may have tangents or be batched."""
    if mode.level is not None and backward:
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use func.grad or func.vjp instead, or "
            "call backward() outside of the function that is transformed"
        )
    return mode.level is not None or mode.dual is not None


def _capture(roots: Any, targets: Sequence[Tensor], keep_graph: bool, create_graph: bool, tensors: bool) -> list[Any]:
    captures = [Capture(edge_of(t)) for t in targets]
    walk(roots, keep_graph=keep_graph, create_graph=create_graph, tensors=tensors, captures=captures)
    return [c.grad for c in captures]


def _as_tuple(tensors: Any, what: str) -> tuple[Any, ...]:
    if is_tensor(tensors) or tensors.__class__ is GradientEdge:
        return (tensors,)
    try:
        return tuple(tensors)
    except TypeError:
        raise TypeError(
            f"{what} must be a Tensor or a sequence of Tensors: {type(tensors).__name__!r} object is not iterable"
        ) from None


def _given_inputs(inputs: Any, function: str) -> tuple[Any, ...]:
    """The inputs, tensors and edges, in a tuple."""
    if type(inputs) is dict:
        given = tuple(inputs.values())
    elif isinstance(inputs, Mapping):
        raise TypeError(
            f"`inputs` argument to `{function}()` must be a dict, not {type(inputs).__name__}. Other Mapping types are not "
            "supported: dict(inputs) makes one."
        )
    else:
        given = _as_tuple(inputs, "inputs")
    if not given:
        raise RuntimeError(f"`inputs` argument to `{function}()` cannot be empty.")
    return given


def _targets(given: Sequence[Any]) -> list[Any]:
    """The inputs as tensors."""
    targets = [stand_in(x) if x.__class__ is GradientEdge else x for x in given]
    for i, t in enumerate(targets):
        if not is_tensor(t):
            raise RuntimeError(
                f"all inputs have to be Tensors or GradientEdges, but got {type(t).__name__} at index {i}"
            )
    return targets


def _as_array(g: Any, like: Tensor) -> Any:
    return g if g.__class__ is like._device.array_class else like._device.xp.asarray(g)


def _roots(outputs: Sequence[Any], gradients: Any, tensors: bool) -> list[tuple[Any, Any]]:
    """Pairs of the outputs' edges and their gradients: arrays or tensors."""
    if gradients is None and not tensors and len(outputs) == 1:
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
        if out.__class__ is GradientEdge:
            out = stand_in(out)
        elif not is_tensor(out):
            raise AssertionError(f"Expected output to be a gradcore.Tensor, but output {i} is {type(out).__name__}")
        if out._view is not None:
            sync(out)
        if not out._req or out._edge.__class__ is Cut:
            raise RuntimeError(
                f"element {i} of tensors does not require grad and does not have a grad_fn: nothing that it was computed "
                "from requires grad, or it was computed under no_grad or detached"
            )
        g = _implicit(out) if g is None else _checked(out, g, i)
        roots.append((out if out._edge is None else out._edge, g if tensors else g._data))
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
    if g._device.place is not out._device.place:
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


def __getattr__(name: str) -> Any:
    # A program that has no need of them does not pay for their import.
    if name in ("forward_ad", "function", "functional"):
        return importlib.import_module(f"gradcore.autograd.{name}")
    if name == "Function":
        return importlib.import_module("gradcore.autograd.function").Function
    raise AttributeError(f"module 'gradcore.autograd' has no attribute {name!r}")


bind(backward=backward)
