"""Shapes, indices, masks, copies and new tensors inside transforms: one program each, run by PyTorch and by gradcore."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import gradcore as gc

SHAPE = (3, 4)
BATCH = 2


def _in_place(write):
    """A program that writes into a copy of its operand."""

    def program(t, x):
        y = x * 1.0
        out = write(t, y, x)
        return y if out is None else out

    return program


def _set(at, value):
    def write(t, y, x):
        y[at(t) if callable(at) else at] = value(t, x) if callable(value) else value

    return _in_place(write)


def _long(t, values):
    return t.tensor(values, dtype=t.int64)


def _mask(t):
    return t.tensor([True, False, True])


def _wide_mask(t):
    return t.tensor([[True, False, True, False], [False, False, True, True], [True, True, False, False]])


PROGRAMS = {
    "view": lambda t, x: x.view(2, 6) * 2,
    "view -1": lambda t, x: x.view(-1, 2),
    "reshape of a transpose": lambda t, x: x.t().reshape(6, 2),
    "flatten": lambda t, x: x.flatten(),
    "ravel": lambda t, x: t.ravel(x),
    "unflatten": lambda t, x: x.unflatten(1, (2, -1)),
    "contiguous": lambda t, x: x.t().contiguous(),
    "clone": lambda t, x: x.clone(),
    "permute": lambda t, x: x.permute(1, 0),
    "T": lambda t, x: x.T,
    "mT": lambda t, x: x.mT,
    "transpose of negative dims": lambda t, x: x.transpose(-1, -2),
    "movedim": lambda t, x: t.movedim(x, 0, -1),
    "swapaxes": lambda t, x: t.swapaxes(x, 0, 1),
    "unsqueeze": lambda t, x: x.unsqueeze(-1).unsqueeze(0),
    "squeeze": lambda t, x: x[:1].squeeze() + x[:, :1].squeeze(1).sum() + x[:1].squeeze((0, 1)).sum(),
    "expand": lambda t, x: x[:, None].expand(2, 3, 5, 4),
    "expand_as": lambda t, x: x[:1].expand_as(x),
    "broadcast_to": lambda t, x: t.broadcast_to(x, (2, 3, 4)),
    "broadcast_tensors": lambda t, x: t.broadcast_tensors(x[:, :1], x[:1])[0],
    "atleast_3d": lambda t, x: t.atleast_3d(x),
    "as_strided": lambda t, x: (x * 1.0).as_strided((2, 3), (4, 1)),
    "flip": lambda t, x: t.flip(x, (0, -1)),
    "roll": lambda t, x: t.roll(x, 1) + t.roll(x, (1, -1), (0, 1)),
    "rot90": lambda t, x: t.rot90(x),
    "repeat": lambda t, x: x.repeat(2, 1, 2),
    "tile": lambda t, x: t.tile(x, (2,)),
    "repeat_interleave": lambda t, x: x.repeat_interleave(2, 1) + x.repeat_interleave(_long(t, [1, 2, 0]), 0).sum(),
    "tril": lambda t, x: t.tril(x) + t.triu(x, 1) * 2,
    "unfold": lambda t, x: x.unfold(1, 2, 1),
    "diagonal": lambda t, x: x.diagonal(1),
    "diag": lambda t, x: t.diag(x) + t.diag(x[0, :3]).sum(),
    "diag_embed": lambda t, x: t.diag_embed(x, 1),
    "trace": lambda t, x: t.trace(x),
    "cat": lambda t, x: t.cat([x, x[:1] * 2], 0),
    "cat with an empty one": lambda t, x: t.cat([t.zeros(0, dtype=x.dtype), x], 1),
    "cat with a constant": lambda t, x: t.cat([x, t.ones(3, 1, dtype=x.dtype)], -1),
    "stack": lambda t, x: t.stack([x, x * 2, t.zeros_like(x)], -1),
    "hstack": lambda t, x: t.hstack([x, x]) + t.vstack([x[0], x[1], x[2]]).sum(),
    "meshgrid": lambda t, x: t.meshgrid(x[0], x[1], indexing="xy")[0],
    "unbind": lambda t, x: x.unbind(1)[2],
    "iteration": lambda t, x: sum(row * i for i, row in enumerate(x)),
    "split": lambda t, x: x.split(3, 1)[1] + x.split([1, 3], 1)[0],
    "chunk": lambda t, x: x.chunk(2, 1)[1],
    "tensor_split": lambda t, x: x.tensor_split(3, 1)[0],
    "x[int]": lambda t, x: x[-1] * x[0, 2],
    "x[slices]": lambda t, x: x[1:, ::2],
    "x[None, ...]": lambda t, x: x[None, ..., 1, None],
    "x[list]": lambda t, x: x[[0, 2, 0]],
    "x[lists]": lambda t, x: x[[0, 2], [1, 3]],
    "x[tensor]": lambda t, x: x[_long(t, [[2, 0], [0, -1]])],
    "x[:, tensor]": lambda t, x: x[:, _long(t, [3, 0])],
    "x[tensor, None, tensor]": lambda t, x: x[_long(t, [2, 0]), None, _long(t, [1, 1])],
    "x[0-d tensor]": lambda t, x: x[_long(t, 1)],
    "x[mask]": lambda t, x: x[_mask(t)],
    "x[wide mask]": lambda t, x: x[_wide_mask(t)],
    "x[:, bool list]": lambda t, x: x[:, [True, False, False, True]],
    "x[True]": lambda t, x: x[True],
    "select": lambda t, x: x.select(1, -2),
    "narrow": lambda t, x: x.narrow(1, 1, 2),
    "index_select": lambda t, x: x.index_select(1, _long(t, [3, 0, 0])),
    "take": lambda t, x: t.take(x, _long(t, [[11, 0], [3, 3]])),
    "gather": lambda t, x: x.gather(1, _long(t, [[0, 3], [1, 1]])),
    "take_along_dim": lambda t, x: t.take_along_dim(x, _long(t, [[0], [3], [1]]), 1),
    "where": lambda t, x: t.where(x > 0, x, x * 3),
    "where with numbers": lambda t, x: t.where(x > 0, x, 0.5) + t.where(x > 1, 2, x),
    "masked_select": lambda t, x: x.masked_select(_mask(t)[:, None]),
    "masked_fill": lambda t, x: x.masked_fill(_wide_mask(t), 2),
    "masked_fill with a tensor": lambda t, x: x.masked_fill(x > 0, x.sum()),
    "masked_scatter": lambda t, x: x.masked_scatter(_wide_mask(t), x * 2),
    "scatter": lambda t, x: x.scatter(1, _long(t, [[0, 2], [1, 0]]), x[:2, :2] * 2),
    "scatter of a number": lambda t, x: x.scatter(0, _long(t, [[0, 2]]), 1.5),
    "scatter_add": lambda t, x: x.scatter_add(1, _long(t, [[0, 0], [1, 0]]), x[1:, 2:]),
    "scatter_reduce": lambda t, x: x.scatter_reduce(1, _long(t, [[0, 0, 1, 3]] * 3), x * 2, "amax"),
    "index_add": lambda t, x: x.index_add(0, _long(t, [1, 1]), x[:2], alpha=2),
    "index_copy": lambda t, x: x.index_copy(1, _long(t, [3, 0]), x[:, :2]),
    "index_fill": lambda t, x: x.index_fill(1, _long(t, [3, 0]), 2),
    "index_fill with a tensor": lambda t, x: x.index_fill(1, _long(t, [3, 0]), x[0, 0]),
    "index_put": lambda t, x: t.index_put(x, (_long(t, [0, 0]),), x[1], accumulate=True),
    "put": lambda t, x: x.put(_long(t, [4, 0]), x[0, :2]),
    "select_scatter": lambda t, x: t.select_scatter(x, x[0] * 2, 0, 1),
    "slice_scatter": lambda t, x: t.slice_scatter(x, x[:1] * 2, 0, 1, 2),
    "diagonal_scatter": lambda t, x: t.diagonal_scatter(x, x[0, :3] * 2),
    "to": lambda t, x: x.to(t.float64) * x.float().to(x) + x.to(x.device).to(t.complex128).real,
    "double of a number": lambda t, x: x[0, 0].double() * x,
    "zeros_like": lambda t, x: t.zeros_like(x) + x,
    "full_like": lambda t, x: t.full_like(x, 3) * x,
    "ones": lambda t, x: t.ones(4, dtype=x.dtype) * x,
    "new_ones": lambda t, x: x.new_ones(4) * x + x.new_full((4,), 2),
    "tensor of numbers": lambda t, x: t.tensor([1.0, 2.0, 3.0, 4.0], dtype=x.dtype) * x,
    "arange": lambda t, x: t.arange(4, dtype=x.dtype) * x,
    "detach": lambda t, x: x.detach() * x,
    "y[0] = x[1]": _set(0, lambda t, x: x[1] * 2),
    "y[:, 1] = number": _set((slice(None), 1), 2.5),
    "y[...] = 0-d": _set(Ellipsis, lambda t, x: x[0, 0]),
    "y[1:] = row": _set(slice(1, None), lambda t, x: x[0] * 3),
    "y[list] = rows": _set([0, 2], lambda t, x: x[:2] * 3),
    "y[:, tensor] = rows": _set(lambda t: (slice(None), _long(t, [3, 0])), lambda t, x: x[:, :2] * 3),
    "y[mask] = number": _set(_mask, 1.5),
    "y[mask] = 0-d": _set(_wide_mask, lambda t, x: x[1, 1]),
    "y[mask] = rows": _set(_mask, lambda t, x: x[:2] * 2),
    "y[0, 1] = x[1, 0]": _set((0, 1), lambda t, x: x[1, 0]),
    "copy_": _in_place(lambda t, y, x: y.copy_(x[0] * 2)),
    "copy_ of a constant": _in_place(lambda t, y, x: y[0].copy_(t.ones(4, dtype=x.dtype)) * 0 + y),
    "fill_": _in_place(lambda t, y, x: y[0].fill_(x[1, 1]) * 0 + y),
    "fill_ with a number": _in_place(lambda t, y, x: y[0].fill_(2) * 0 + y),
    "zero_": _in_place(lambda t, y, x: y[1].zero_() + y),
    "add_ through a view": _in_place(lambda t, y, x: y.t()[1].add_(x[:, 0]) * 0 + y.sum(1)),
    "mul_ through a diagonal": _in_place(lambda t, y, x: y.diagonal().mul_(x[0, 0]).sum() + y),
    "masked_fill_": _in_place(lambda t, y, x: y.masked_fill_(x > 0, 1.5)),
    "index_add_": _in_place(lambda t, y, x: y.index_add_(0, _long(t, [1, 1]), x[:2])),
    "index_put_": _in_place(lambda t, y, x: y.index_put_((_long(t, [0, 0]),), x[1], accumulate=True)),
    "scatter_add_": _in_place(lambda t, y, x: y.scatter_add_(1, _long(t, [[0, 0], [1, 0]]), x[1:, 2:])),
    "fill_diagonal_": _in_place(lambda t, y, x: y.fill_diagonal_(1.5)),
    "unsqueeze_ then mul_": _in_place(lambda t, y, x: y.unsqueeze_(1).mul_(x[:, None])),
    "t_ then add_": _in_place(lambda t, y, x: y.t_().add_(x.t())),
    "squeeze_": _in_place(lambda t, y, x: y[:1].clone().squeeze_().mul_(2)),
    "into zeros": lambda t, x: _filled(t.zeros_like(x), x),
    "into new_zeros": lambda t, x: _filled(x.new_zeros(3, 4), x),
}


def _filled(y, x):
    y[1] = x[0]
    y[:, 0] += x[:, 1] * x[:, 2]
    return y


def _numbers(count, shape, phase):
    return np.sin(np.arange(count) * 1.3 + phase).reshape(shape) * 2


def _weighed(t, y):
    weights = np.cos(np.arange(int(np.prod(y.shape))) * 1.7 + 1).reshape(tuple(y.shape))
    return (y * t.tensor(weights, dtype=t.float64)).sum() + (y * y).sum() / 2


def _grad(t, f, x, v, xs):
    return t.func.grad(lambda x: _weighed(t, f(x)))(x)


def _jvp(t, f, x, v, xs):
    return t.func.jvp(f, (x,), (v,))


def _vmap(t, f, x, v, xs):
    return t.func.vmap(f)(xs)


def _vmap_of_grad(t, f, x, v, xs):
    return t.func.vmap(t.func.grad(lambda x: _weighed(t, f(x))))(xs)


def _grad_of_vmap(t, f, x, v, xs):
    return t.func.grad(lambda xs: _weighed(t, t.func.vmap(f)(xs)))(xs)


def _vmap_of_vmap(t, f, x, v, xs):
    return t.func.vmap(t.func.vmap(f), in_dims=1, out_dims=1)(t.stack([xs, xs * 2, xs - 1], 1))


def _jvp_of_grad(t, f, x, v, xs):
    return t.func.jvp(t.func.grad(lambda x: _weighed(t, f(x))), (x,), (v,))[1]


def _jacfwd(t, f, x, v, xs):
    return t.func.jacfwd(f)(x)


def _vmap_of_hessian(t, f, x, v, xs):
    return t.func.vmap(t.func.jacrev(t.func.grad(lambda x: _weighed(t, f(x)))))(xs)


def _grad_of_vmap_of_jvp(t, f, x, v, xs):
    return t.func.grad(lambda xs: _weighed(t, t.func.vmap(lambda x: t.func.jvp(f, (x,), (v,))[1])(xs)))(xs)


TRANSFORMS = {
    "grad": _grad,
    "jvp": _jvp,
    "vmap": _vmap,
    "vmap of grad": _vmap_of_grad,
    "grad of vmap": _grad_of_vmap,
    "vmap of vmap": _vmap_of_vmap,
    "jvp of grad": _jvp_of_grad,
}
# Writes meet here with what the levels below have saved, and with tangents of which only some differ among elements.
TRANSFORMS_OF_WRITES = {
    "jacfwd": _jacfwd,
    "vmap of hessian": _vmap_of_hessian,
    "grad of vmap of jvp": _grad_of_vmap_of_jvp,
}
WRITES = {name for name, program in PROGRAMS.items() if "_in_place" in program.__qualname__ or name.startswith("into")}


def _run(t, transform, program):
    count = int(np.prod(SHAPE))
    x, v = (t.tensor(_numbers(count, SHAPE, phase)) for phase in (0.5, 2.0))
    xs = t.tensor(_numbers(BATCH * count, (BATCH, *SHAPE), 0.5))
    run = (TRANSFORMS | TRANSFORMS_OF_WRITES)[transform]
    out = run(t, lambda x: PROGRAMS[program](t, x), x, v, xs)
    return [o.detach().numpy(force=True) for o in (out if isinstance(out, tuple) else (out,))]


# PyTorch's gradient is wrong here: that of the part that is replaced does not get out of the batch.
WRONG_IN_PYTORCH = {("select_scatter", "grad of vmap")}


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_torch_func(torch, program):
    for transform in [*TRANSFORMS, *(TRANSFORMS_OF_WRITES if program in WRITES else ())]:
        if (program, transform) in WRONG_IN_PYTORCH:
            continue
        ours = _run(gc, transform, program)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = _run(torch, transform, program)
        for got, want in zip(ours, theirs, strict=True):
            assert got.dtype == want.dtype, transform
            tolerance = 1e-6 if program == "to" else 1e-9
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=transform)


def test_a_part_replaced_has_its_gradient_in_a_batch():
    program = PROGRAMS["select_scatter"]
    xs = gc.tensor(_numbers(24, (BATCH, *SHAPE), 0.5))
    found = gc.func.grad(lambda xs: _weighed(gc, gc.func.vmap(lambda x: program(gc, x))(xs)))(xs)
    want = gc.func.grad(lambda xs: _weighed(gc, gc.stack([program(gc, x) for x in xs])))(xs)
    np.testing.assert_allclose(found.numpy(force=True), want.numpy(force=True), rtol=1e-12)
