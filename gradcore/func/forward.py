"""Forward mode as transforms of functions: ``jvp``, ``jacfwd``, ``hessian``, ``linearize``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gradcore import dtypes
from gradcore.func._calls import Argnums, check_outputs, lowered, replaced, select, unit_basis, with_aux
from gradcore.func._tree import flatten, map_tree, unflatten
from gradcore.func.reverse import jacrev, vjp
from gradcore.func.vectorize import vmap
from gradcore.op import is_tensor, wrap
from gradcore.ops.creation import zeros
from gradcore.transforms.forward import DualLevel, outside_dual, tangent_of
from gradcore.transforms.level import Level

__all__ = ["hessian", "jacfwd", "jvp", "linearize"]


def jvp(
    func: Callable[..., Any],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """The value of ``func`` at ``primals``, and its derivative in the direction of ``tangents``.

    Args:
        func: takes tensors or containers of them, returns tensors or containers of them.
        primals: its arguments.
        tangents: a direction, in the structure of ``primals``, each tensor of its primal's shape.
        strict: raise where an output does not depend on the inputs, instead of giving zeros.
        has_aux: ``func`` returns ``(output, aux)``.

    Returns:
        ``(output, tangent_of_output)``, or these and ``aux``.

    Raises:
        RuntimeError: primals and tangents are no tuples of the same structure, or have other shapes.
    """
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple):
            raise RuntimeError(  # noqa: TRY004 - PyTorch's class
                f"jvp(f, primals, tangents): Expected {name} to be a tuple, got {type(given).__name__}"
            )
    leaves, spec = flatten(primals)
    directions, direction_spec = flatten(tangents)
    if spec != direction_spec:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure, got "
            f"{len(leaves)} primals and {len(directions)} tangents, or another nesting"
        )
    if not leaves:
        raise RuntimeError("jvp(f, primals, tangents): Expected at least one primal")
    dual = DualLevel()
    level = Level(dual=dual)
    with level.running():
        args = unflatten([_dual(level, dual, x, t) for x, t in zip(leaves, directions, strict=True)], spec)
        out, aux = with_aux(func(*args), has_aux, "jvp")
        outs, out_spec = flatten(out)
        check_outputs(outs, "jvp(f, primals, tangents)")
        with outside_dual():
            results = [tangent_of(x, dual) for x in outs]
    values = [lowered(level, x) for x in outs]
    flat = []
    for x, t in zip(outs, results, strict=True):
        if t is None:
            if strict:
                raise RuntimeError(
                    "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not allowed "
                    "with strict=True."
                )
            flat.append(zeros(x.shape, dtype=x.dtype, device=x.device))
        else:
            flat.append(lowered(level, t))
    result = unflatten(values, out_spec), unflatten(flat, out_spec)
    return (*result, map_tree(lambda x: lowered(level, x), aux)) if has_aux else result


def jacfwd(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "error",
) -> Callable[..., Any]:
    """A function that computes the Jacobian of ``func``, column by column in one batch, with forward mode.

    Args and results are those of :func:`gradcore.func.jacrev`; ``randomness`` is that of :func:`gradcore.func.vmap`.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        chosen = select(args, argnums)
        primals = chosen if isinstance(argnums, tuple) else (chosen,)
        inputs, in_spec = flatten(primals)

        def of_chosen(*values: Any) -> Any:
            return func(*replaced(args, argnums, values if isinstance(argnums, tuple) else values[0]), **kwargs)

        def push(*directions: Any) -> Any:
            found = jvp(of_chosen, primals, unflatten(directions, in_spec), has_aux=has_aux)
            return (found[0], found[1], found[2]) if has_aux else (found[0], found[1])

        out_dims: Any = (None, 0, None) if has_aux else (None, 0)
        found = vmap(push, out_dims=out_dims, randomness=randomness, chunk_size=chunk_size)(*unit_basis(inputs))
        outs, out_spec = flatten(found[0])
        columns, _ = flatten(found[1])
        jacobians = []
        for o, column in zip(outs, columns, strict=True):
            blocks = []
            start = 0
            for x in inputs:
                stop = start + x.numel()
                blocks.append(column[start:stop].movedim(0, -1).reshape((*o.shape, *x.shape)))
                start = stop
            tree = unflatten(blocks, in_spec)
            jacobians.append(tree if isinstance(argnums, tuple) else tree[0])
        result = unflatten(jacobians, out_spec)
        return (result, found[2]) if has_aux else result

    return wrapper


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that computes the Hessian of ``func``: forward mode over reverse mode, ``jacfwd(jacrev(func))``."""
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The value of ``func`` at ``primals``, and a function that applies its derivative there to tangents.

    ``func`` runs once. The function returned takes one tangent per primal, each of its primal's structure, shape and dtype,
    and may be called often: it is the transpose of the backward walk, which is linear.
    """
    out, vjp_fn = vjp(func, *primals)
    outs, out_spec = flatten(out)
    leaves, spec = flatten(primals)
    start = unflatten([zeros(x.shape, dtype=x.dtype, device=x.device) for x in outs], out_spec)
    _, transposed = vjp(vjp_fn, start)

    def jvp_fn(*tangents: Any) -> Any:
        given, given_spec = flatten(tangents)
        if given_spec != spec:
            raise RuntimeError(
                f"Expected the tangents to have the same pytree structure as the primals: got {len(given)} tangents for "
                f"{len(leaves)} primals, or another nesting"
            )
        for i, (t, x) in enumerate(zip(given, leaves, strict=True)):
            if tuple(t.shape) != tuple(x.shape):
                raise RuntimeError(
                    f"Expected tangent {i} to have the shape of its primal, {list(x.shape)}, but got {list(t.shape)}"
                )
        (result,) = transposed(tangents)
        return result

    return out, jvp_fn


def _dual(level: Level, dual: DualLevel, x: Any, t: Any) -> Any:
    """A tensor of the level above ``x`` with a tangent."""
    for what, value in (("primal", x), ("tangent", t)):
        if not is_tensor(value):
            raise RuntimeError(f"jvp(f, primals, tangents): Expected {what}s to be tensors, got {type(value).__name__}")
    if dtypes.category(x.dtype) < 2:
        raise ValueError(f"Expected primal to be floating point or complex, but got: {dtypes.dtype_name(x.dtype)}")
    if dtypes.category(t.dtype) < 2:
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {dtypes.dtype_name(t.dtype)}")
    if tuple(x.shape) != tuple(t.shape):
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(x.shape)} while the given forward gradient is of size {list(t.shape)}."
        )
    where = level.device_at(x._device.place)
    out = wrap(x, where)
    out._tangent = (dual, wrap(t if t.dtype == x.dtype else t.to(x.dtype), where))
    return out
