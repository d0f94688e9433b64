"""How the entries of PyTorch's operator database are called in gradcore.

An entry is called by its public name, or as a method, with the arguments of the database's samples. Where the database
itself calls something else (a function that it writes around the operator), that function runs with gradcore in the place
of ``torch``. What is left stands in ``CALLS``.
"""

from __future__ import annotations

import operator
import types

import numpy as np

import gradcore as gc

CALLS = {
    "nn_functional_embedding": lambda t, weight, index, **kw: t.nn.functional.embedding(index, weight, **kw),
    "nn_functional_embedding_bag": lambda t, weight, index, **kw: t.nn.functional.embedding_bag(index, weight, **kw),
    "max_pool2d_with_indices_backward": lambda t, x, **kw: pooled_back(t, x, **kw),
    "torch_ops_aten__safe_softmax_default": lambda t, *args, **kw: t._safe_softmax(*args, **kw),
    "slice": lambda t, *args, **kw: (t.ops.slicing.slice_of if t is gc else t.ops.aten.slice)(*args, **kw),
    "_segment_reduce_lengths": lambda t, *args, **kw: t.segment_reduce(*args, **kw),
    "_segment_reduce_offsets": lambda t, *args, **kw: t.segment_reduce(*args, **kw),
    "zero_": lambda t, x: x.clone().zero_(),
    "__getitem__": lambda t, x, at: x[at],
}
"""Functions of the library and a sample's arguments, by full name."""


def pooled_back(t, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    """What the database calls ``max_pool2d_with_indices_backward``: the operator, where its other operands come from."""
    values, indices = t.nn.functional.max_pool2d_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode)
    stride = kernel_size if stride is None else stride
    back = (t if t is gc else t.ops.aten).max_pool2d_with_indices_backward
    return back(t.ones_like(values), x, kernel_size, stride, padding, dilation, ceil_mode, indices)


def name_of(info):
    """The name of an entry, with its variant."""
    return info.formatted_name


def function_of(info):
    """What is called for an entry: a function of the sample's arguments, and the words in which a user writes it.

    Raises:
        AttributeError: gradcore has no such function.
    """
    name = name_of(info)
    if name in CALLS:
        return lambda *args, **kwargs: CALLS[name](gc, *args, **kwargs)
    if getattr(info.op, "__name__", "") == "<lambda>":
        return rebound(info.op)
    if "." not in info.name and (info.name.startswith("__") or isinstance(getattr(gc, info.name, None), np.dtype)):
        return getattr(gc.Tensor, info.name)
    try:
        return operator.attrgetter(info.name.removeprefix("ops.aten."))(gc)
    except AttributeError:
        if hasattr(gc.Tensor, info.name):
            return getattr(gc.Tensor, info.name)
        raise


class Aten:
    """``torch.ops.aten``, for functions that the database writes: operators by their own names."""

    def __getattr__(self, name):
        return getattr(gc, name)


def rebound(function, t=gc, call=None):
    """A function of the database with another library in the place of PyTorch.

    ``call`` is what calls those that draw random numbers: by default from one seed.
    """
    if not isinstance(function, types.FunctionType):
        return function
    names = {**function.__globals__, "torch": t, "wrapper_set_seed": call or seeded}
    if t is gc:
        names["aten"] = Aten()
    made = types.FunctionType(
        function.__code__,
        names,
        function.__name__,
        function.__defaults__,
        _rebound_cells(function.__closure__, t, call),
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _rebound_cells(cells, t, call):
    if cells is None:
        return None
    found = (c.cell_contents for c in cells)
    return tuple(types.CellType(rebound(x, t, call) if isinstance(x, types.FunctionType) else x) for x in found)


def seeded(function, *args, **kwargs):
    """Call a function that draws random numbers from one seed."""
    gc.manual_seed(42)
    return function(*args, **kwargs)


def unseeded(function, *args, **kwargs):
    """Call a function that draws random numbers from where the generator stands."""
    return function(*args, **kwargs)
