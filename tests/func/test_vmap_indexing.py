"""Indices, masks and writes inside ``vmap``: operands that are batched and such that are not, as PyTorch and as a loop."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import gradcore as gc

BATCH = 3


def _numbers(*shape):
    count = int(np.prod(shape))
    return (np.sin(np.arange(count) * 1.3) * 3).reshape(shape)


def _indices(high, *shape):
    return (np.arange(int(np.prod(shape))) * 7 % 5 % high).reshape(shape)


def _written(write):
    def program(t, x, *others):
        y = x.clone()
        write(t, y, *others)
        return y

    return program


def _put(at):
    def write(t, y, *others):
        *indices, value = others
        y[at(*indices)] = value

    return _written(write)


# A program, and the operands of one element.
X = _numbers(3, 4)
PROGRAMS = {
    "x[i]": (lambda t, x, i: x[i], X, _indices(3, 2)),
    "x[i] of a matrix": (lambda t, x, i: x[i], X, _indices(3, 2, 2)),
    "x[0-d]": (lambda t, x, i: x[i], X, _indices(3)),
    "x[:, 0-d]": (lambda t, x, i: x[:, i], X, _indices(3)),
    "x[0-d, 0-d]": (lambda t, x, i, j: x[i, j], X, _indices(3), _indices(3)),
    "x[:, i]": (lambda t, x, i: x[:, i], X, _indices(4, 5)),
    "x[i, j]": (lambda t, x, i, j: x[i, j], X, _indices(3, 2, 1), _indices(4, 3)),
    "x[i, :, j]": (lambda t, x, i, j: x[i, :, j], _numbers(3, 2, 4), _indices(3, 2), _indices(4, 2)),
    "x[:, i, j]": (lambda t, x, i, j: x[:, i, j], _numbers(2, 3, 4), _indices(3, 2), _indices(4, 2)),
    "x[:, i, :, j]": (lambda t, x, i, j: x[:, i, :, j], _numbers(2, 3, 2, 4), _indices(3, 2, 1), _indices(4, 2)),
    "x[1:, i]": (lambda t, x, i: x[1:, i], X, _indices(4, 2)),
    "x[None, ..., i]": (lambda t, x, i: x[None, ..., i], X, _indices(4, 2)),
    "x[negative]": (lambda t, x, i: x[i - 3], X, _indices(3, 2)),
    "x[1, i]": (lambda t, x, i: x[1, i], X, _indices(4, 2)),
    "x[int32]": (lambda t, x, i: x[i.to(t.int32)], X, _indices(3, 2)),
    "gather": (lambda t, x, i: t.gather(x, 1, i), X, _indices(4, 2, 3)),
    "gather along the first": (lambda t, x, i: x.gather(0, i), X, _indices(3, 2, 3)),
    "take_along_dim": (lambda t, x, i: t.take_along_dim(x, i, 1), X, _indices(4, 3, 1)),
    "take_along_dim, flattened": (lambda t, x, i: t.take_along_dim(x, i), X, _indices(5, 3)),
    "take": (lambda t, x, i: t.take(x, i), X, _indices(5, 2, 2)),
    "index_select": (lambda t, x, i: t.index_select(x, 1, i), X, _indices(4, 5)),
    "index_select of the first": (lambda t, x, i: x.index_select(0, i), X, _indices(3, 2)),
    "scatter": (lambda t, x, i, y: x.scatter(1, i, y), X, np.array([[0, 2], [1, 3]]), _numbers(2, 2)),
    "scatter of a number": (lambda t, x, i: x.scatter(0, i, 2.5), X, _indices(3, 2, 2)),
    "scatter_add": (lambda t, x, i, y: x.scatter_add(1, i, y), X, _indices(4, 2, 3), _numbers(2, 3)),
    "scatter_reduce": (
        lambda t, x, i, y: x.scatter_reduce(1, i, y, "amax", include_self=False),
        X,
        _indices(4, 3, 4),
        _numbers(3, 4),
    ),
    "index_add": (lambda t, x, i, y: x.index_add(1, i, y, alpha=2), X, _indices(4, 2), _numbers(3, 2)),
    "index_copy": (lambda t, x, i, y: x.index_copy(0, i, y), X, np.array([2, 0]), _numbers(2, 4)),
    "index_fill": (lambda t, x, i: x.index_fill(1, i, 2.5), X, _indices(4, 2)),
    "index_put": (lambda t, x, i, y: t.index_put(x, (i,), y), X, np.array([2, 0]), _numbers(2, 4)),
    "index_put, accumulating": (
        lambda t, x, i, y: t.index_put(x, (i,), y, accumulate=True),
        X,
        _indices(2, 4),
        _numbers(4),
    ),
    "put": (lambda t, x, i, y: t.put(x, i, y), X, np.array([5, 0, 11]), _numbers(3)),
    "where": (lambda t, x, m, y: t.where(m, x, y), X, _numbers(3, 4) > 0, _numbers(4)),
    "where with a number": (lambda t, x, m: t.where(m, x, 2.5), X, _numbers(4) > 0),
    "masked_fill": (lambda t, x, m: x.masked_fill(m, 2.5), X, _numbers(4) > 0),
    "masked_fill with a tensor": (lambda t, x, m, y: x.masked_fill(m, y), X, _numbers(3, 1) > 0, _numbers()),
    "masked_scatter": (lambda t, x, m, y: x.masked_scatter(m, y), X, _numbers(3, 4) > 0, _numbers(13)),
    "cat": (lambda t, x, y: t.cat([x, y], 1), X, _numbers(3, 2)),
    "stack": (lambda t, x, y: t.stack([x, y], -1), X, _numbers(3, 4)),
    "x[i] = y": (_put(lambda i: i), X, np.array([2, 0]), _numbers(2, 4)),
    "x[i] = row": (_put(lambda i: i), X, np.array([2, 0]), _numbers(4)),
    "x[:, i] = 0-d": (_put(lambda i: (slice(None), i)), X, np.array([2, 0]), _numbers()),
    "x[0-d] = y": (_put(lambda i: i), X, _indices(3), _numbers(4)),
    "x[i, :, j] = y": (
        _put(lambda i, j: (i, slice(None), j)),
        _numbers(3, 2, 4),
        np.array([2, 0]),
        np.array([1, 3]),
        _numbers(2, 2),
    ),
    "x[1:, i] = y": (_put(lambda i: (slice(1, None), i)), X, np.array([2, 0]), _numbers(2, 2)),
    "x[1] = y": (_put(lambda: 1), X, _numbers(4)),
    "x[..., ::2] = y": (_put(lambda: (..., slice(None, None, 2))), X, _numbers(3, 1)),
    "x[...] = 0-d": (_put(lambda: ...), X, _numbers()),
    "copy_": (_written(lambda t, y, z: y.copy_(z)), X, _numbers(4)),
    "copy_ of another dtype": (_written(lambda t, y, z: y.copy_(z.float())), X, _numbers(4)),
    "fill_": (_written(lambda t, y, z: y[1].fill_(z)), X, _numbers()),
    "add_ to a row": (_written(lambda t, y, z: y[1].add_(z)), X, _numbers(4)),
    "mul_ of a diagonal": (_written(lambda t, y, z: y.diagonal().mul_(z)), X, _numbers(3)),
    "add_ of 0-d to a transpose": (_written(lambda t, y, z: y.t().add_(z)), X, _numbers()),
    "scatter_": (
        _written(lambda t, y, i, z: y.scatter_(1, i, z)),
        X,
        np.array([[0, 2], [1, 3]]),
        _numbers(2, 2),
    ),
    "scatter_add_": (_written(lambda t, y, i, z: y.scatter_add_(0, i, z)), X, _indices(3, 2, 4), _numbers(2, 4)),
    "index_add_": (_written(lambda t, y, i, z: y.index_add_(0, i, z)), X, _indices(3, 2), _numbers(2, 4)),
    "masked_fill_": (_written(lambda t, y, m: y.masked_fill_(m, 2.5)), X, _numbers(4) > 0),
    "sub_ of an unbatched view": (_written(lambda t, y, z: y.sub_(z[::2].expand(3, 4))), X, _numbers(8)),
    "eq_": (_written(lambda t, y, z: y.eq_(z)), X, _numbers(4)),
}


# PyTorch writes the values to the wrong places here, whatever their order: each element on its own does as gradcore does.
WRONG_IN_PYTORCH = {"x[1:, i] = y", "x[i] = y, nested"}


def _of_element(array, number):
    """The operand of one element: other numbers, other places, other masks for each."""
    if array.dtype.kind == "b":
        return np.roll(array, number)
    if array.dtype.kind == "i":
        return array[..., ::-1] if number == 1 and array.ndim else np.where(array > 0, array - number % 2, array)
    return array * (1 - 0.7 * number) + number


def _batches(program):
    """For each choice of operands that are batched: where their batch stands, and the operands."""
    _, *arrays = PROGRAMS[program]
    several = [np.stack([_of_element(a, n) for n in range(BATCH)]) for a in arrays]
    for flags in itertools.product([True, False], repeat=len(arrays)):
        if any(flags) and (flags[0] or not _writes(program)):
            yield flags, [s if f else a for f, a, s in zip(flags, arrays, several, strict=True)]


def _writes(program):
    return PROGRAMS[program][0].__qualname__.startswith("_written")


def _vmapped(t, program, flags, arrays, dim):
    moved = [np.moveaxis(a, 0, dim) if f and a.ndim > dim else a for f, a in zip(flags, arrays, strict=True)]
    places = tuple((dim if a.ndim > dim else 0) if f else None for f, a in zip(flags, arrays, strict=True))
    operands = [t.tensor(a.copy()) for a in moved]
    return t.func.vmap(lambda *xs: PROGRAMS[program][0](t, *xs), in_dims=places)(*operands)


def _looped(program, flags, arrays):
    run = PROGRAMS[program][0]
    operands = [gc.tensor(a) for a in arrays]
    return gc.stack([run(gc, *[x[n] if f else x for f, x in zip(flags, operands, strict=True)]) for n in range(BATCH)])


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_pytorch_and_as_a_loop(torch, program):
    for flags, arrays in _batches(program):
        for dim in (0, 1):
            ours = _vmapped(gc, program, flags, arrays, dim).numpy(force=True)
            np.testing.assert_allclose(ours, _looped(program, flags, arrays).numpy(force=True), err_msg=str(flags))
            if program in WRONG_IN_PYTORCH:
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    theirs = _vmapped(torch, program, flags, arrays, dim).numpy(force=True)
            except RuntimeError:
                continue  # it has no rule for these operands
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, err_msg=str(flags))


@pytest.mark.parametrize("program", PROGRAMS)
def test_gradients_are_those_of_a_loop(program):
    for flags, arrays in _batches(program):
        smooth = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
        runs = (
            lambda *xs: gc.func.vmap(
                lambda *ys: PROGRAMS[program][0](gc, *ys), in_dims=tuple(0 if f else None for f in flags)
            )(*xs),
            lambda *xs: gc.stack(
                [
                    PROGRAMS[program][0](gc, *[x[n] if f else x for f, x in zip(flags, xs, strict=True)])
                    for n in range(BATCH)
                ]
            ),
        )
        found = []
        for run in runs:
            operands = [gc.tensor(a, requires_grad=i in smooth) for i, a in enumerate(arrays)]
            out = run(*operands)
            weights = gc.tensor(np.cos(np.arange(out.numel()) * 1.7).reshape(tuple(out.shape)))
            (out * weights + out * out).sum().backward()
            found.append([operands[i].grad for i in smooth])
        for got, want in zip(*found, strict=True):
            assert (got is None) == (want is None)
            if got is not None:
                tolerance = 1e-6 if "another dtype" in program else 1e-12
                np.testing.assert_allclose(
                    got.numpy(force=True), want.numpy(force=True), rtol=tolerance, atol=tolerance, err_msg=str(flags)
                )


@pytest.mark.parametrize("program", ["x[i]", "x[:, i, j]", "gather", "index_add", "x[i] = y", "add_ to a row", "where"])
def test_nested(torch, program):
    run, *arrays = PROGRAMS[program]
    several = [np.stack([[_of_element(a, n + m) for m in range(2)] for n in range(BATCH)]) for a in arrays]
    # The inner vmap shares the second operand among its elements.
    operands = [s[:, 0] if i == 1 else s for i, s in enumerate(several)]
    places = tuple(None if i == 1 else 0 for i in range(len(arrays)))

    def both(t):
        inner = t.func.vmap(lambda *xs: run(t, *xs), in_dims=places)
        return t.func.vmap(inner)(*[t.tensor(a) for a in operands]).numpy(force=True)

    def element(n, m):
        return run(gc, *[gc.tensor(a[n] if i == 1 else a[n, m]) for i, a in enumerate(operands)]).numpy(force=True)

    found = both(gc)
    np.testing.assert_allclose(found, [[element(n, m) for m in range(2)] for n in range(BATCH)], rtol=1e-12)
    if f"{program}, nested" not in WRONG_IN_PYTORCH:
        np.testing.assert_allclose(found, both(torch), rtol=1e-12)


REFUSED = {
    "x[mask]": lambda t, x: x[x > 0],
    "nonzero": lambda t, x: x.nonzero(),
    "argwhere": lambda t, x: t.argwhere(x > 0),
    "where of one": lambda t, x: t.where(x > 0),
    "masked_select": lambda t, x: t.masked_select(x, x > 0),
    "y[mask] = rows": lambda t, x: t.zeros_like(x).index_put_((x > 0,), x[:1]),
    "item": lambda t, x: x[0].item(),
    "float": lambda t, x: x * float(x[0]),
    "index": lambda t, x: x.narrow(0, x[0].long(), 1),
    "if": lambda t, x: x if x[0] > 0 else -x,
    "full of a tensor": lambda t, x: t.full((2,), x[0]),
    "tensor of tensors": lambda t, x: t.tensor([x[0], x[1]]),
    "tolist": lambda t, x: (x.tolist(), x)[1],
    "numpy": lambda t, x: (x.numpy(force=True), x)[1],
    "repeat_interleave": lambda t, x: x.repeat_interleave((x > 0).long()),
}


@pytest.mark.parametrize("program", REFUSED)
def test_what_depends_on_the_data_is_refused(t, program):
    with pytest.raises(RuntimeError):
        t.func.vmap(lambda x: REFUSED[program](t, x))(t.tensor([[1.0, -2.0, 3.0], [1.0, 1.0, 1.0]]))


def test_messages():
    xs = gc.tensor([[1.0, -2.0], [1.0, 1.0]])
    with pytest.raises(RuntimeError, match=r"can output dynamic shape"):
        gc.func.vmap(lambda x: x.nonzero())(xs)
    with pytest.raises(RuntimeError, match=r"can output dynamic shape.*boolean mask"):
        gc.func.vmap(lambda x: x[x > 0])(xs)
    with pytest.raises(RuntimeError, match=r"calling .item\(\) on a Tensor"):
        gc.func.vmap(lambda x: x[0].item())(xs)


def test_one_value_at_a_mask_that_differs_among_the_elements():
    def program(x, y):
        x = x.clone()
        x[x > 0] = y
        return x

    xs, ys = gc.tensor(_numbers(2, 3, 4)), gc.tensor([10.0, 20.0], dtype=gc.float64)
    found = gc.func.vmap(program)(xs, ys)
    want = gc.stack([program(x, y) for x, y in zip(xs, ys, strict=True)])
    np.testing.assert_array_equal(found.numpy(force=True), want.numpy(force=True))


UNBATCHED = {
    "y[0] = x": lambda y, x: y.__setitem__(0, x[0]),
    "copy_": lambda y, x: y.copy_(x),
    "add_": lambda y, x: y.add_(x),
    "fill_": lambda y, x: y.fill_(x[0]),
    "masked_fill_": lambda y, x: y.masked_fill_(x > 0, 1.0),
    "index_put_": lambda y, x: y.index_put_((x[:1].long(),), x[1]),
}


@pytest.mark.parametrize("write", UNBATCHED)
def test_writing_what_differs_into_what_does_not(t, write):
    y = t.zeros(3)
    with pytest.raises(RuntimeError):
        t.func.vmap(lambda x: UNBATCHED[write](y, x))(t.ones(2, 3))
    assert not y.any()


def test_a_write_of_what_is_the_same_for_all(t):
    y = t.zeros(3)

    def program(x):
        y.add_(1)
        y[1:].mul_(2)
        return x * y

    assert t.func.vmap(program)(t.ones(2, 3)).tolist() == [[1.0, 2.0, 2.0]] * 2
    assert y.tolist() == [1.0, 2.0, 2.0]


def test_writes_reach_the_tensor_that_was_passed(t):
    x = t.zeros(2, 3)
    t.func.vmap(lambda row: row[1:].add_(1))(x)
    t.func.vmap(lambda column: column[0].fill_(5), in_dims=1)(x)
    assert x.tolist() == [[5.0, 5.0, 5.0], [0.0, 1.0, 1.0]]
    assert x._version > 0


def test_an_index_out_of_range(t):
    x = t.zeros(2, 3)
    with pytest.raises((IndexError, RuntimeError)):
        t.func.vmap(lambda row, i: row.gather(0, i))(x, t.tensor([[0], [7]]))
    with pytest.raises(IndexError):
        t.func.vmap(lambda row: row[3])(x)


@pytest.mark.parametrize("program", ["x[i]", "gather", "scatter_add", "cat", "masked_fill", "x[...] = 0-d"])
def test_no_elements(program):
    run, *arrays = PROGRAMS[program]
    operands = [gc.tensor(np.stack([a, a])[:0]) for a in arrays]
    assert gc.func.vmap(lambda *xs: run(gc, *xs))(*operands).shape[0] == 0
