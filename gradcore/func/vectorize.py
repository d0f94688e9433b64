"""``vmap``: a function of one element as a function of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gradcore.func._tree import broadcast_prefix, flatten, unflatten
from gradcore.op import is_tensor
from gradcore.ops.joining import cat
from gradcore.ops.transposing import movedim
from gradcore.transforms.batching import VmapLevel

__all__ = ["vmap"]

RANDOMNESS = ("error", "different", "same")


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that runs ``func`` on each element of a batch, in one run of batched operations.

    Args:
        func: takes and returns tensors or containers of them, without the batch dimension.
        in_dims: which dimension of each argument is the batch; ``None``: it is the same for all elements. An int, or a
            structure as that of the arguments.
        out_dims: where the batch dimension goes in each output. ``None``: the output is the same for all elements.
        randomness: what random operations inside do: raise (``"error"``), draw once for all (``"same"``), or for each
            element anew (``"different"``).
        chunk_size: at most so many elements at once, where memory is short.

    Returns:
        A function with the arguments of ``func``.

    Raises:
        ValueError: (from the function returned) ``in_dims`` or ``out_dims`` do not fit, the batches have different sizes, or
            ``func`` returns something else than tensors.
    """
    if randomness not in RANDOMNESS:
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness!r}"
        )
    if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size <= 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        leaves, spec = flatten(args)
        dims = _in_dims(in_dims, leaves, spec, func)
        size = _batch_size(leaves, dims, func)
        fronted = [x if d is None else _to_front(x, d) for x, d in zip(leaves, dims, strict=True)]
        if chunk_size is None or size <= chunk_size:
            return _run(func, fronted, dims, spec, kwargs, size, out_dims, randomness)
        parts = []
        for start in range(0, size, chunk_size):
            stop = min(start + chunk_size, size)
            part = [x if d is None else x[start:stop] for x, d in zip(fronted, dims, strict=True)]
            parts.append(_run(func, part, dims, spec, kwargs, stop - start, out_dims, randomness))
        return _joined(parts, out_dims)

    return wrapper


def _run(
    func: Callable[..., Any],
    leaves: Sequence[Any],
    dims: Sequence[int | None],
    spec: Any,
    kwargs: dict[str, Any],
    size: int,
    out_dims: Any,
    randomness: str,
) -> Any:
    level = VmapLevel(size, randomness)
    with level.running():
        args = [x if d is None else level.batch(x) for x, d in zip(leaves, dims, strict=True)]
        out = func(*unflatten(args, spec), **kwargs)
        outs, out_spec = flatten(out)
        places = _out_dims(out_dims, outs, out_spec, func)
    results = []
    for x, d in zip(outs, places, strict=True):
        if d is None:
            if level.batched(x):
                raise ValueError(
                    f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when out_dim is None: the output "
                    "differs among the elements"
                )
            results.append(x._data if level.owns(x) else x)
        else:
            value = level.all_elements(x)
            ndim = value.ndim
            if not -ndim <= d < ndim:
                raise IndexError(
                    f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {d}) for an "
                    "out_dim of vmap"
                )
            results.append(movedim(value, 0, d) if d % ndim else value)
    return unflatten(results, out_spec)


def _in_dims(in_dims: Any, leaves: Sequence[Any], spec: Any, func: Callable[..., Any]) -> list[int | None]:
    name = _name(func)
    if not isinstance(in_dims, (int, tuple, list)) or isinstance(in_dims, bool):
        raise ValueError(  # noqa: TRY004 - PyTorch's class
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a (potentially nested) tuple "
            f"matching the structure of inputs, got: {type(in_dims)}."
        )
    if not leaves:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function "
            "with no inputs. The latter is unsupported."
        )
    if isinstance(in_dims, list):
        in_dims = tuple(in_dims)
    dims = broadcast_prefix(in_dims, spec, lambda d: d is None or (isinstance(d, int) and not isinstance(d, bool)))
    if dims is None:
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the structure of `inputs`. "
            "It must be "
            "an int, or have one entry (an int, None, or a matching container) for each of them"
        )
    found: list[int | None] = []
    for x, d in zip(leaves, dims, strict=True):
        if d is None:
            found.append(None)
            continue
        if not is_tensor(x):
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for an input but the input is of type "
                f"{type(x)}. "
                "We cannot vmap over non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -x.ndim <= d < x.ndim:
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for some input, but that input is a Tensor of "
                f"dimensionality {x.ndim} so expected in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}."
            )
        found.append(d % x.ndim)
    return found


def _batch_size(leaves: Sequence[Any], dims: Sequence[int | None], func: Callable[..., Any]) -> int:
    sizes = [x.shape[d] for x, d in zip(leaves, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError(
            f"vmap({_name(func)}, in_dims=...)(<inputs>): at least one input must be vmapped over: all in_dims are None"
        )
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
            "mapped dimension"
        )
    return int(sizes[0])


def _out_dims(out_dims: Any, outs: Sequence[Any], spec: Any, func: Callable[..., Any]) -> list[int | None]:
    for x in outs:
        if not is_tensor(x):
            raise ValueError(
                f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(x)}. Did you mean to set "
                "out_dims= to None for output?"
            )
    dims = broadcast_prefix(
        tuple(out_dims) if isinstance(out_dims, list) else out_dims,
        spec,
        lambda d: d is None or (isinstance(d, int) and not isinstance(d, bool)),
    )
    if dims is None and isinstance(out_dims, tuple) and len(out_dims) == 1 and len(outs) == 1:
        dims = [out_dims[0]]
    if dims is None:
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims}): out_dims is not compatible with the structure of "
            "`outputs`. It must be "
            "an int, or have one entry (an int, None, or a matching container) for each of them"
        )
    return dims


def _to_front(x: Any, dim: int) -> Any:
    return movedim(x, dim, 0) if dim else x


def _joined(parts: Sequence[Any], out_dims: Any) -> Any:
    """The results of several chunks as one."""
    flat = [flatten(part) for part in parts]
    spec = flat[0][1]
    dims = broadcast_prefix(out_dims, spec, lambda d: d is None or isinstance(d, int)) or [0] * len(flat[0][0])
    columns = zip(*(leaves for leaves, _ in flat), strict=True)
    return unflatten([c[0] if d is None else cat(list(c), d) for c, d in zip(columns, dims, strict=True)], spec)


def _name(func: Callable[..., Any]) -> str:
    return getattr(func, "__name__", repr(func))
