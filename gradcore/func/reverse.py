"""Reverse mode as transforms of functions: ``grad``, ``grad_and_value``, ``vjp``, ``jacrev``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gradcore import dtypes
from gradcore.engine import Capture, walk
from gradcore.func._calls import Argnums, check_outputs, lowered, replaced, select, unit_basis, with_aux
from gradcore.func._tree import flatten, map_tree, unflatten
from gradcore.func.vectorize import vmap
from gradcore.grad_mode import current_mode, enter_mode, leave_mode
from gradcore.op import is_tensor, wrap
from gradcore.ops.creation import zeros
from gradcore.transforms.level import Level
from gradcore.view import sync

__all__ = ["grad", "grad_and_value", "jacrev", "vjp"]


def grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that computes the gradient of ``func``, whose result is a single number.

    Args:
        func: takes tensors, or containers of tensors, at ``argnums``; returns a tensor with one element.
        argnums: the position of the argument to differentiate by, or a tuple of them.
        has_aux: ``func`` returns ``(output, aux)``; ``aux``, a container of tensors, is handed through.

    Returns:
        A function with the arguments of ``func``. It gives the gradient, of the shape of the argument (a tuple of them
        where ``argnums`` is one); with ``has_aux`` a pair of that and ``aux``.

    Raises:
        RuntimeError: (from the function returned) the result is no single number; an argument is no floating-point tensor.
        ValueError: (from the function returned) an argument to differentiate by is no tensor.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        grads, value = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapper


def grad_and_value(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """As :func:`grad`, but the function returned gives ``(gradient, value)``, or ``(gradient, (value, aux))``."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        level = Level(grad=True)
        with level.running():
            chosen = select(args, argnums)
            leaves, spec = flatten(chosen)
            variables = [_variable(level, x, "grad") for x in leaves]
            out = func(*replaced(args, argnums, unflatten(variables, spec)), **kwargs)
            out, aux = with_aux(out, has_aux, "grad")
            if not is_tensor(out):
                raise RuntimeError(
                    "Expected f(*args) to return a Tensor, but grad_and_value (and grad) got "
                    f"{type(out)}: the function that is differentiated must return a tensor with one element"
                )
            if out.ndim or out.numel() != 1:
                raise RuntimeError(
                    f"Expected f(*args) to return a scalar Tensor, but got a tensor with {out.ndim} dims and shape "
                    f"{list(out.shape)}. Did you mean to use one of the vjp or jacrev APIs?"
                )
        grads = _pull_back(level, [out], [_one(out)], variables, leaves, keep_graph=False)
        value = lowered(level, out)
        result = unflatten(grads, spec)
        return result, ((value, map_tree(lambda x: lowered(level, x), aux)) if has_aux else value)

    return wrapper


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of ``func`` at ``primals``, and a function that multiplies a cotangent with its Jacobian.

    Args:
        func: takes tensors or containers of them, returns tensors or containers of them.
        primals: its arguments.
        has_aux: ``func`` returns ``(output, aux)``.

    Returns:
        ``(output, vjp_fn)``, or ``(output, vjp_fn, aux)``. ``vjp_fn`` takes a cotangent for each output, in the structure of
        the output, and gives a tuple with one gradient per primal. It may be called again.

    Raises:
        ValueError: a primal is no tensor.
        RuntimeError: a primal is no floating-point tensor; (from ``vjp_fn``) a cotangent has another structure or shape.
    """
    level = Level(grad=True)
    with level.running():
        leaves, spec = flatten(primals)
        variables = [_variable(level, x, "vjp") for x in leaves]
        out, aux = with_aux(func(*unflatten(variables, spec)), has_aux, "vjp")
        outs, out_spec = flatten(out)
        check_outputs(outs, "vjp(f, *primals)")
    values = [lowered(level, x) for x in outs]

    def vjp_fn(*cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> tuple[Any, ...]:
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        flat, given_spec = flatten(given)
        if given_spec != out_spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function: "
                f"got {len(flat)} cotangents for {len(outs)} outputs, or another nesting"
            )
        for i, (c, value) in enumerate(zip(flat, values, strict=True)):
            if not is_tensor(c):
                raise TypeError(f"cotangent {i} must be a Tensor, but got {type(c).__name__}")
            if tuple(c.shape) != tuple(value.shape):
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {list(c.shape)} and output[{i}] has a shape of "
                    f"{list(value.shape)}."
                )
        recorded = current_mode().grad if create_graph is None else create_graph
        token = enter_mode(current_mode()._replace(grad=recorded))
        try:
            grads = _pull_back(level, outs, flat, variables, leaves, keep_graph=retain_graph)
        finally:
            leave_mode(token)
        return unflatten(grads, spec)  # type: ignore[no-any-return]

    result = unflatten(values, out_spec)
    if has_aux:
        return result, vjp_fn, map_tree(lambda x: lowered(level, x), aux)
    return result, vjp_fn


def jacrev(
    func: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """A function that computes the Jacobian of ``func``, row by row in one batch, with reverse mode.

    Args:
        func: takes tensors or containers of them, returns tensors or containers of them.
        argnums: the position of the argument to differentiate by, or a tuple of them.
        has_aux: ``func`` returns ``(output, aux)``; the function returned then gives ``(jacobian, aux)``.
        chunk_size: at most so many rows at once, where memory is short.

    Returns:
        A function with the arguments of ``func`` that gives, for each output and each argument, a tensor of shape
        ``output.shape + argument.shape``, in the structure of the outputs, and within that of the arguments.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        chosen = select(args, argnums)

        def of_chosen(*values: Any) -> Any:
            return func(*replaced(args, argnums, values if isinstance(argnums, tuple) else values[0]), **kwargs)

        primals = chosen if isinstance(argnums, tuple) else (chosen,)
        found = vjp(of_chosen, *primals, has_aux=has_aux)
        out, vjp_fn = found[:2]
        outs, out_spec = flatten(out)
        check_outputs(outs, "jacrev(f)")
        inputs, in_spec = flatten(primals)
        basis = unit_basis(outs)
        rows = vmap(lambda *cotangents: vjp_fn(unflatten(cotangents, out_spec)), chunk_size=chunk_size)(*basis)
        per_input, _ = flatten(rows)
        jacobians = []
        start = 0
        for o in outs:
            stop = start + o.numel()
            blocks = [g[start:stop].reshape((*o.shape, *x.shape)) for g, x in zip(per_input, inputs, strict=True)]
            tree = unflatten(blocks, in_spec)
            jacobians.append(tree if isinstance(argnums, tuple) else tree[0])
            start = stop
        result = unflatten(jacobians, out_spec)
        return (result, found[2]) if has_aux else result

    return wrapper


def _variable(level: Level, x: Any, name: str) -> Any:
    """A tensor of the level above ``x``, by which the level differentiates."""
    if not is_tensor(x):
        raise ValueError(
            f"{name}: Thing passed to transform API must be Tensor, but one of the arguments to differentiate by is "
            f"{type(x).__name__}"
        )
    if dtypes.category(x.dtype) < 2:
        raise RuntimeError(
            "only Tensors of floating point dtype can require gradients, but an argument that is differentiated by has dtype "
            f"{dtypes.dtype_name(x.dtype)}; convert it first, with .float()"
        )
    out = wrap(x, level.device_at(x._device.place))
    out._req = True
    return out


def _one(x: Any) -> Any:
    if dtypes.category(x.dtype) == 3:
        raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {x.dtype}")
    return wrap(x._device.place.xp.ones((), dtype=x.dtype), x._device.place)


def _pull_back(
    level: Level,
    outs: Sequence[Any],
    cotangents: Sequence[Any],
    variables: Sequence[Any],
    primals: Sequence[Any],
    keep_graph: bool,
) -> list[Any]:
    """The gradients of the variables for the cotangents of the outputs, on the level below."""
    roots = []
    for out, c in zip(outs, cotangents, strict=True):
        if level.owns(out):
            if out._view is not None:
                sync(out)
            if out._req:
                roots.append((out if out._edge is None else out._edge, c if c.dtype == out.dtype else c.to(out.dtype)))
    captures = [Capture(v) for v in variables]
    if roots:
        walk(roots, keep_graph=keep_graph, create_graph=False, keep_mode=True, captures=captures)
    return [
        zeros(x.shape, dtype=x.dtype, device=x.device) if c.grad is None else c.grad
        for c, x in zip(captures, primals, strict=True)
    ]
