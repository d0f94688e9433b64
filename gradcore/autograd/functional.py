"""Jacobians, Hessians and products with them, as ``torch.autograd.functional``.

These take a function of tensors and the point at which to differentiate. :mod:`gradcore.func` has the same as transforms,
which nest and compose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gradcore.autograd import grad
from gradcore.grad_mode import enable_grad, is_grad_enabled, set_grad_enabled
from gradcore.op import is_tensor
from gradcore.ops.creation import ones_like, zeros_like

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = Any
"""A tensor, or a tuple of tensors."""


def vjp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The product of a vector with the Jacobian of ``func``, from the left.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors.
        inputs: a tensor, or a tuple of tensors.
        v: the vector: a tensor for each output, of its shape. May be left out where the output is a single element.
        create_graph: let the results be differentiated further.
        strict: raise where an output does not depend on an input, instead of giving zeros.

    Returns:
        ``(func_output, vjp)``; the second has the shapes of the inputs.

    Raises:
        TypeError: an input or an output is no tensor.
        RuntimeError: ``v`` does not fit, or is missing; ``strict`` finds independence.
    """
    with enable_grad():
        given, was_tuple, outputs, out_tuple = _evaluate(func, inputs, "vjp", create_graph, strict)
        vector = _vector(
            v, outputs, out_tuple, "the user-provided function returns a single Tensor with a single element"
        )
    with set_grad_enabled(True if create_graph else is_grad_enabled()):
        grads = _grads(outputs, given, vector, create_graph, create_graph)
        result = _filled(grads, given, strict, create_graph, "back")
    return _finish(outputs, out_tuple, create_graph), _finish(result, was_tuple, create_graph)


def jvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The product of the Jacobian of ``func`` with a vector, from the right; by two backward walks.

    Args and errors are those of :func:`vjp`, but ``v`` has the shapes of the inputs.

    Returns:
        ``(func_output, jvp)``; both have the shapes of the outputs.
    """
    with enable_grad():
        given, was_tuple, outputs, out_tuple = _evaluate(func, inputs, "jvp", create_graph, strict)
        vector = _direction(v, given, was_tuple)
        # The backward walk is linear in its start: its own derivative by that is the product wanted.
        start = tuple(zeros_like(o, requires_grad=True) for o in outputs)
        grads = _grads(outputs, given, start, True, True)
        _check_requires_grad(grads, "grad_input", strict)
    with set_grad_enabled(True if create_graph else is_grad_enabled()):
        found = _grads(grads, start, vector, create_graph, create_graph)
        result = _filled(found, outputs, strict, create_graph, "back_trick")
    return _finish(outputs, out_tuple, create_graph), _finish(result, out_tuple, create_graph)


def vhp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The product of a vector with the Hessian of a function that returns a single element, from the left.

    Args and errors are those of :func:`vjp`, but ``v`` has the shapes of the inputs.

    Returns:
        ``(func_output, vhp)``; the second has the shapes of the inputs.
    """
    with enable_grad():
        given, was_tuple, outputs, out_tuple = _evaluate(func, inputs, "vhp", create_graph, strict)
        vector = _direction(v, given, was_tuple)
        jacobian_ = _gradient(outputs, given, out_tuple, "vhp", strict)
    with set_grad_enabled(True if create_graph else is_grad_enabled()):
        grads = _grads(jacobian_, given, vector, create_graph, create_graph)
        result = _filled(grads, given, strict, create_graph, "double_back")
    return _finish(outputs, out_tuple, create_graph), _finish(result, was_tuple, create_graph)


def hvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The product of the Hessian of a function that returns a single element with a vector, from the right.

    :func:`vhp` gives the same for functions that are twice continuously differentiable, for less.
    """
    with enable_grad():
        given, was_tuple, outputs, out_tuple = _evaluate(func, inputs, "hvp", create_graph, strict)
        vector = _direction(v, given, was_tuple)
        jacobian_ = _gradient(outputs, given, out_tuple, "hvp", strict)
        start = tuple(zeros_like(x, requires_grad=True) for x in given)
        double = _grads(jacobian_, given, start, True, True)
        _check_requires_grad(double, "hessian", strict)
    with set_grad_enabled(True if create_graph else is_grad_enabled()):
        found = _grads(double, start, vector, create_graph, create_graph)
        result = _filled(found, given, strict, create_graph, "double_back_trick")
    return _finish(outputs, out_tuple, create_graph), _finish(result, was_tuple, create_graph)


def jacobian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of ``func`` at ``inputs``.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors.
        inputs: a tensor, or a tuple of tensors.
        create_graph: let the result be differentiated further.
        strict: raise where an output does not depend on an input, instead of giving zeros.
        vectorize: compute all rows (or columns) in one batch.
        strategy: ``"reverse-mode"``, or ``"forward-mode"``, which needs ``vectorize``.

    Returns:
        A tensor of shape ``output.shape + input.shape``; a tuple over the inputs where these are a tuple; a tuple of those
        over the outputs where these are one.

    Raises:
        TypeError: an input or an output is no tensor.
        RuntimeError: ``strict`` finds independence, or is combined with ``vectorize``.
        NotImplementedError: forward mode without ``vectorize``, or with ``strict``.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            "than inputs, "
            f'"forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode". Got {strategy!r}'
        )
    if strategy == "forward-mode":
        return _jacobian_forward(func, inputs, create_graph, strict, vectorize)
    with enable_grad():
        given, was_tuple, outputs, out_tuple = _evaluate(func, inputs, "jacobian", create_graph, strict)
        if vectorize:
            if strict:
                raise RuntimeError(
                    "jacobian: `strict=True` and `vectorize=True` are not supported together. Please "
                    "either set `strict=False` or `vectorize=False`."
                )
            rows = _rows_in_a_batch(outputs, given, create_graph)
        else:
            rows = tuple(_rows(i, o, given, create_graph, strict) for i, o in enumerate(outputs))
    if not create_graph:
        rows = tuple(tuple(x.detach() for x in row) for row in rows)
    per_output = tuple(row if was_tuple else row[0] for row in rows)
    return per_output if out_tuple else per_output[0]


def hessian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian at ``inputs`` of a function that returns a single element.

    Args are those of :func:`jacobian`; ``outer_jacobian_strategy`` is the strategy of the outer derivative.

    Returns:
        A tensor of shape ``input.shape + input.shape``; a tuple of tuples where the inputs are a tuple.
    """
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            f'Expected strategy to be either "forward-mode" or "reverse-mode", but got {outer_jacobian_strategy!r}'
        )
    given, was_tuple = _as_inputs(inputs, "inputs", "hessian")

    def single(*xs: Any) -> Any:
        outputs, out_tuple = _as_outputs(func(*xs), "outputs of the user-provided function", "hessian")
        _check_single(outputs, out_tuple, "hessian")
        return outputs[0].reshape(())

    def gradient(*xs: Any) -> Any:
        if outer_jacobian_strategy == "forward-mode":
            from gradcore.func import jacrev

            return jacrev(single, argnums=tuple(range(len(xs))))(*xs)
        found = jacobian(single, xs, create_graph=True)
        _check_requires_grad(found, "jacobian", strict)
        return found

    result = jacobian(gradient, given, create_graph, strict, vectorize, outer_jacobian_strategy)
    return result if was_tuple else result[0][0]


class _Evaluated(NamedTuple):
    inputs: tuple[Any, ...]
    was_tuple: bool
    outputs: tuple[Any, ...]
    out_tuple: bool


def _evaluate(func: Callable[..., Any], inputs: Any, name: str, create_graph: bool, strict: bool) -> _Evaluated:
    """The inputs as variables to differentiate by, and what the function makes of them."""
    given, was_tuple = _as_inputs(inputs, "inputs", name)
    variables = _variables(given, create_graph)
    outputs, out_tuple = _as_outputs(func(*variables), "outputs of the user-provided function", name)
    _check_requires_grad(outputs, "outputs", strict)
    return _Evaluated(variables, was_tuple, outputs, out_tuple)


def _gradient(
    outputs: Sequence[Any], inputs: Sequence[Any], out_tuple: bool, name: str, strict: bool
) -> tuple[Any, ...]:
    """The gradient of a function with a single number as its output, to be differentiated again."""
    _check_single(outputs, out_tuple, name)
    found = _grads(outputs, inputs, None, True, True)
    _check_requires_grad(found, "jacobian", strict)
    return found


def _direction(v: Any, inputs: Sequence[Any], was_tuple: bool) -> tuple[Any, ...]:
    """A vector in the space of the inputs."""
    when = "the input to the user-provided function is a single Tensor with a single element"
    return _vector(v, inputs, was_tuple, when)


def _jacobian_forward(func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool, vectorize: bool) -> Any:
    from gradcore.func import jacfwd

    if strict:
        raise NotImplementedError(
            'jacobian: `strict=True` and `strategy="forward-mode"` are not supported together (yet). '
            'Please either set `strict=False` or `strategy="reverse-mode"`.'
        )
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for `vectorize=True`."
        )
    given, was_tuple = _as_inputs(inputs, "inputs", "jacobian")
    given = _variables(given, create_graph)
    found = jacfwd(func, argnums=tuple(range(len(given))))(*given)
    out_tuple = isinstance(found[0], tuple)
    rows = found if out_tuple else (found,)
    if not create_graph:
        rows = tuple(tuple(x.detach() for x in row) for row in rows)
    per_output = tuple(row if was_tuple else row[0] for row in rows)
    return per_output if out_tuple else per_output[0]


def _rows(i: int, out: Any, inputs: Sequence[Any], create_graph: bool, strict: bool) -> tuple[Any, ...]:
    """The Jacobian of one output by each input, one backward walk per element."""
    from gradcore.ops.joining import stack

    rows: list[list[Any]] = [[] for _ in inputs]
    for element in out.reshape(-1):
        grads = _grads((element,), inputs, None, True, create_graph)
        for k, (g, x) in enumerate(zip(grads, inputs, strict=True)):
            if g is None:
                if strict and create_graph:
                    raise RuntimeError(
                        f"The jacobian of the user-provided function is independent of input {k}. This is not allowed in strict "
                        "mode when create_graph=True."
                    )
                if strict:
                    raise RuntimeError(
                        f"Output {i} of the user-provided function is independent of input {k}. This is not allowed in "
                        "strict mode."
                    )
                g = zeros_like(x)
            elif strict and create_graph and not g.requires_grad:
                raise RuntimeError(
                    f"The jacobian of the user-provided function is independent of input {k}. This is not allowed in strict mode "
                    "when create_graph=True."
                )
            rows[k].append(g)
    return tuple(
        (stack(row) if row else x.new_zeros((0, *x.shape))).reshape((*out.shape, *x.shape))
        for row, x in zip(rows, inputs, strict=True)
    )


def _rows_in_a_batch(outputs: Sequence[Any], inputs: Sequence[Any], create_graph: bool) -> tuple[tuple[Any, ...], ...]:
    from gradcore.func._calls import unit_basis

    basis = unit_basis(outputs)
    keep = [(o, b) for o, b in zip(outputs, basis, strict=True) if o.requires_grad]
    grads: Sequence[Any] = (None,) * len(inputs)
    if keep:
        grads = grad(
            [o for o, _ in keep],
            inputs,
            [b for _, b in keep],
            True,
            create_graph,
            allow_unused=True,
            is_grads_batched=True,
        )
    total = sum(o.numel() for o in outputs)
    filled = [x.new_zeros((total, *x.shape)) if g is None else g for g, x in zip(grads, inputs, strict=True)]
    rows = []
    start = 0
    for o in outputs:
        stop = start + o.numel()
        rows.append(tuple(g[start:stop].reshape((*o.shape, *x.shape)) for g, x in zip(filled, inputs, strict=True)))
        start = stop
    return tuple(rows)


def _as_inputs(value: Any, what: str, name: str) -> tuple[tuple[Any, ...], bool]:
    """A tuple of tensors, and whether one was given."""
    was_tuple = isinstance(value, tuple)
    given = value if was_tuple else (value,)
    for i, x in enumerate(given):
        if not is_tensor(x):
            if was_tuple:
                raise TypeError(
                    f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the value at index "
                    f"{i} has type "
                    f"{type(x)}."
                )
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the given {what} has "
                f"type {type(x)}."
            )
    return given, was_tuple


_as_outputs = _as_inputs


def _variables(inputs: Sequence[Any], create_graph: bool) -> tuple[Any, ...]:
    """The inputs to differentiate by: of the graph around, where results are to be differentiated further."""
    if create_graph:
        return tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs)
    return tuple(x.detach().requires_grad_() for x in inputs)


def _vector(v: Any, like: Sequence[Any], is_tuple: bool, when: str) -> tuple[Any, ...]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {when}: it is of the shape of that otherwise")
        return (ones_like(like[0]),)
    given, v_tuple = _as_inputs(v, "v", "this function")
    if len(given) != len(like):
        if is_tuple:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(given)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (a, b) in enumerate(zip(given, like, strict=True)):
        if tuple(a.shape) != tuple(b.shape):
            prefix = f"Entry {i} in " if is_tuple or v_tuple else ""
            raise RuntimeError(f"{prefix}v has invalid size: should be {list(b.shape)} but got {list(a.shape)}.")
    return given


def _check_requires_grad(values: Sequence[Any], kind: str, strict: bool) -> None:
    if not strict:
        return
    for i, x in enumerate(values):
        if x is None:
            raise RuntimeError(
                f"The {kind} of the user-provided function is independent of input {i}. This is not allowed in strict mode."
            )
        if not x.requires_grad:
            if kind == "hessian":
                raise RuntimeError(
                    f"The hessian of the user-provided function with respect to input {i} is independent of the input. "
                    "This is not "
                    "allowed in strict mode. You should ensure that your function is thrice differentiable and that the hessian "
                    "depends on the inputs."
                )
            if kind == "jacobian":
                raise RuntimeError(
                    f"The jacobian of the user-provided function with respect to input {i} is independent of the input. "
                    "This is not "
                    "allowed in strict mode. You should ensure that your function is twice differentiable and that the jacobian "
                    "depends on the inputs (this would be violated by a linear function for example)."
                )
            if kind == "grad_input":
                raise RuntimeError(
                    f"The gradient with respect to input {i} is independent of the inputs of the user-provided "
                    "function. This is not "
                    "allowed in strict mode."
                )
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
                "differentiable manner from the input when running in strict mode."
            )


def _check_single(outputs: Sequence[Any], is_tuple: bool, name: str) -> None:
    if is_tuple or not is_tensor(outputs[0]):
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")


def _grads(
    outputs: Sequence[Any], inputs: Sequence[Any], vector: Any, retain: bool, create_graph: bool
) -> tuple[Any, ...]:
    """``autograd.grad`` that passes over outputs that do not require grad, and gives ``None`` for unused inputs."""
    vectors = (None,) * len(outputs) if vector is None else vector
    used = [(o, v) for o, v in zip(outputs, vectors, strict=True) if o is not None and o.requires_grad]
    if not used:
        return (None,) * len(inputs)
    found: tuple[Any, ...] = grad(
        [o for o, _ in used], inputs, [v for _, v in used], retain, create_graph, allow_unused=True
    )
    return found


def _filled(grads: Sequence[Any], like: Sequence[Any], strict: bool, create_graph: bool, stage: str) -> tuple[Any, ...]:
    """Zeros for what does not depend on an input; with ``strict``, an error."""
    result = []
    for i, (g, x) in enumerate(zip(grads, like, strict=True)):
        if g is None:
            if strict:
                raise RuntimeError(_INDEPENDENT[stage].format(i))
            g = zeros_like(x)
        elif strict and create_graph and not g.requires_grad:
            what = "hessian" if "double" in stage else "jacobian"
            raise RuntimeError(
                f"The {what} of the user-provided function is independent of input {i}. This is not allowed in strict mode when "
                "create_graph=True."
            )
        result.append(g)
    return tuple(result)


_INDEPENDENT = {
    "back": "The output of the user-provided function is independent of input {}. This is not allowed in strict mode.",
    "back_trick": "The gradient with respect to the input is independent of entry {} in the grad_outputs when using the double "
    "backward trick to compute forward mode gradients. This is not allowed in strict mode.",
    "double_back": "The jacobian of the user-provided function is independent of input {}. This is not allowed in strict mode.",
    "double_back_trick": "The hessian of the user-provided function is independent of entry {} in the grad_jacobian. This is not "
    "allowed in strict mode as it prevents from using the double backward trick to replace forward mode AD.",
}


def _finish(values: Sequence[Any], is_tuple: bool, create_graph: bool) -> Any:
    done = tuple(values) if create_graph else tuple(x.detach() for x in values)
    return done if is_tuple else done[0]
