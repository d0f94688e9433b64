"""The NumPy backend: its shortcuts against NumPy's and array-api-compat's own functions."""

from __future__ import annotations

import itertools
import sys
import warnings

import array_api_compat.numpy as compat
import numpy as np
import pytest

from gradcore_backends import _numpy_functions
from gradcore_backends import numpy as module
from gradcore_backends._generic import EXACT_COUNTS, EXTRA, STANDARD
from gradcore_backends.numpy import backend

xp = backend.namespace(0)
DTYPES = ["bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128"]
REDUCIBLE = ["float16", "float32", "float64", "complex64", "complex128", "int64", "int8"]


def values(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 3
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.normal(size=shape)
    return np.asarray(x).astype(dtype)


def same(got, expected):
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)


def test_all_of_the_standard_is_there():
    assert [name for name in STANDARD if not hasattr(xp, name)] == []


def test_little_beyond_the_standard_is_there():
    assert all(getattr(xp, name) is getattr(np, name) for name in EXTRA)
    assert not hasattr(xp, "einsum")


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (1,), ()])
@pytest.mark.parametrize("dtype", REDUCIBLE)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all"])
def test_reductions(name, dtype, axis, keepdims):
    x = values((3, 4, 2), dtype)
    same(getattr(xp, name)(x, axis=axis, keepdims=keepdims), getattr(compat, name)(x, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (1,), ()])
@pytest.mark.parametrize("dtype", REDUCIBLE)
def test_mean(dtype, axis, keepdims):
    x = values((3, 4, 2), dtype)
    got = xp.mean(x, axis=axis, keepdims=keepdims)
    expected = np.asarray(compat.mean(x, axis=axis, keepdims=keepdims))
    assert got.dtype == expected.dtype
    # NumPy divides complex64 in double precision.
    np.testing.assert_allclose(got, expected, rtol=3e-7 if dtype == "complex64" else 0, strict=expected.ndim > 0)


@pytest.mark.parametrize("correction", [0.0, 1, 0.5, 30])
@pytest.mark.parametrize("axis", [None, 0, (0, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int64"])
@pytest.mark.parametrize("name", ["var", "std"])
def test_var_and_std(name, dtype, axis, correction):
    x = values((3, 4, 2), dtype)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of a correction larger than the number of elements
        got = getattr(xp, name)(x, axis=axis, correction=correction, keepdims=True)
        expected = getattr(compat, name)(x, axis=axis, correction=correction, keepdims=True)
    assert np.asarray(got).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_statistics_of_a_number():
    x = np.array(3.0, "float32")
    assert xp.mean(x) == 3
    assert xp.var(x) == xp.std(x) == 0
    assert xp.sum(x, axis=()) == 3


def test_float16_is_added_up_in_float32():
    x = np.full(5000, 60.0, "float16")
    assert xp.mean(x) == 60
    assert xp.mean(x).dtype == np.float16
    assert xp.var(x) == 0
    assert xp.var(x).dtype == np.float16


def test_mean_of_nothing_is_nan_without_a_python_warning():
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        assert np.isnan(xp.mean(np.zeros(0)))
        assert xp.mean(np.zeros((0, 3)), axis=0).shape == (3,)


def test_max_of_nothing_raises():
    with pytest.raises(ValueError, match="zero-size"):
        xp.max(np.zeros(0))


@pytest.mark.parametrize("include_initial", [False, True])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "float16", "float32", "complex64", "bool"])
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_cumulative(name, dtype, include_initial):
    x = values((3, 4), dtype)
    for axis in (0, 1, -1):
        got = getattr(xp, name)(x, axis=axis, include_initial=include_initial)
        same(got, getattr(compat, name)(x, axis=axis, include_initial=include_initial))
    wide = np.result_type(dtype, "float64")
    same(getattr(xp, name)(x[0], dtype=wide), getattr(compat, name)(x[0], dtype=wide))
    with pytest.raises(ValueError, match="axis"):
        getattr(xp, name)(x)


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64", "int64"])
def test_creation(dtype):
    dtype = np.dtype(dtype)
    x = values((2, 3), dtype)
    for name in ("zeros", "ones", "empty"):
        made = getattr(xp, name)((2, 3), dtype=dtype)
        assert made.dtype == dtype
        assert made.shape == (2, 3)
        assert getattr(xp, name)((2,)).dtype == np.float64
        like = getattr(xp, name + "_like")(x)
        assert like.dtype == dtype
        assert like.shape == (2, 3)
        assert getattr(xp, name + "_like")(x, dtype=np.dtype("int8")).dtype == np.int8
    same(xp.zeros_like(x), np.zeros_like(x))
    same(xp.ones_like(x), np.ones_like(x))
    same(xp.ones(5, dtype=dtype), np.ones(5, dtype))
    assert xp.zeros_like(np.asfortranarray(np.eye(3))).flags.f_contiguous
    same(xp.asarray(1.5, dtype=np.dtype("float32")), np.float32(1.5))
    same(xp.arange(2, 8, 3, dtype=dtype), np.arange(2, 8, 3, dtype=dtype))


def test_numbers_are_read_only_and_cached():
    f4 = np.dtype("float32")
    two = xp.number(2, f4)
    assert two is xp.number(2.0, f4)
    assert two.dtype == f4
    assert two.shape == ()
    with pytest.raises(ValueError, match="read-only"):
        two[...] = 3
    assert xp.number(2.0, np.dtype("float64")).dtype == np.float64


def test_numbers_that_are_equal_but_not_the_same_are_kept_apart():
    f8, c16 = np.dtype("float64"), np.dtype("complex128")
    xp.number(0.0, f8)
    assert np.signbit(xp.number(-0.0, f8))
    assert not np.signbit(xp.number(0.0, f8))
    assert np.isnan(xp.number(float("nan"), f8))
    xp.number(complex(1, 0.0), c16)
    assert np.signbit(xp.number(complex(1, -0.0), c16).imag)


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_shape_functions(dtype):
    x = values((2, 3, 4), dtype)
    same(xp.reshape(x, (4, 6)), np.reshape(x, (4, 6)))
    same(xp.reshape(x, (-1,)), np.reshape(x, (-1,)))
    assert xp.reshape(x, (24,)).base is not None
    assert not np.shares_memory(xp.reshape(x, (24,), copy=True), x)
    same(xp.permute_dims(x, (2, 0, 1)), np.permute_dims(x, (2, 0, 1)))
    same(xp.matrix_transpose(x), np.matrix_transpose(x))
    for a, b in itertools.product((-3, -1, 0, 1, 2), repeat=2):
        same(xp.moveaxis(x, a, b), np.moveaxis(x, a, b))
    same(xp.moveaxis(x, (0, 1), (1, 2)), np.moveaxis(x, (0, 1), (1, 2)))
    for axis in (-4, -1, 0, 1, 3, (0, 2)):
        same(xp.expand_dims(x, axis=axis), np.expand_dims(x, axis=axis))
    for axis in (None, 0, -1, (0, 2), ()):
        same(xp.flip(x, axis=axis), np.flip(x, axis=axis))
    same(xp.squeeze(x[:, :1], 1), np.squeeze(x[:, :1], 1))
    for axis in (0, 1, -1):
        same(xp.stack([x, x + 1], axis=axis), np.stack([x, x + 1], axis=axis))
        for got, expected in zip(xp.unstack(x, axis=axis), np.moveaxis(x, axis, 0), strict=True):
            same(got, expected)
    same(xp.concat([x, x], axis=1), np.concatenate([x, x], axis=1))
    same(xp.concat([x, x], axis=None), np.concatenate([x, x], axis=None))


@pytest.mark.parametrize("bad", [3, -4])
def test_axes_out_of_range_raise(bad):
    x = values((2, 3, 4))
    for name in ("flip", "unstack", "sort", "argsort", "argmax"):
        with pytest.raises((IndexError, ValueError)):
            getattr(xp, name)(x, axis=bad)
    with pytest.raises((IndexError, ValueError)):
        xp.expand_dims(x, axis=5)


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3), (100, 50, 3)])
def test_broadcast_to(shape):
    for x in (values((3,), "float32"), values((), "float32"), values((1, 6), "float32")[:, ::2], values((1, 1))):
        same(xp.broadcast_to(x, shape), np.broadcast_to(x, shape))
    with pytest.raises(ValueError, match="broadcast"):
        xp.broadcast_to(values((5,)), shape)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
@pytest.mark.parametrize("descending", [False, True])
def test_sort_and_argsort(dtype, descending):
    x = values((4, 30), dtype) // 2 if dtype != "bool" else values((4, 30), dtype)
    if dtype == "float32":
        x[0, 3] = np.nan
    for axis in (0, -1):
        same(xp.sort(x, axis=axis, descending=descending), compat.sort(x, axis=axis, descending=descending))
        same(xp.argsort(x, axis=axis, descending=descending), compat.argsort(x, axis=axis, descending=descending))


def test_searching_functions():
    x = values((4, 5))
    same(xp.argmax(x), np.argmax(x))
    same(xp.argmin(x, axis=1, keepdims=True), np.argmin(x, axis=1, keepdims=True))
    x = np.array([3.0, np.nan, 1.0, np.nan, 3.0])
    assert list(xp.unique_values(x)[:2]) == [1.0, 3.0]
    assert xp.unique_values(x).size == 4
    assert len(xp.unique_all(x)) == 4
    same(xp.take(x, np.array([2, 0])), np.array([1.0, 3.0]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_matmul(dtype):
    shapes = [
        ((3, 4), (4, 2)),
        ((4,), (4,)),
        ((3, 4), (4,)),
        ((4,), (4, 2)),
        ((2, 3, 4), (4, 2)),
        ((0, 4), (4, 2)),
        ((2, 0), (0, 3)),
    ]
    for a, b in shapes:
        x, y = values(a, dtype), values(b, dtype, seed=1)
        got, expected = xp.matmul(x, y), np.matmul(x, y)
        assert got.dtype == expected.dtype
        assert np.shape(got) == np.shape(expected)
        np.testing.assert_allclose(got, expected, rtol=1e-2 if dtype == "float16" else 1e-5)
    for bad in (((3, 4), (3, 4)), ((), (3,)), ((3,), ())):
        with pytest.raises(ValueError):  # noqa: PT011
            xp.matmul(values(bad[0], dtype), values(bad[1], dtype))


def test_clip():
    x = np.array([-2.0, np.nan, 0.5, 7.0])
    for lo, hi in ((0, None), (None, 1), (0, 1), (np.zeros(4), np.ones(4)), (2, 1)):
        same(xp.clip(x, lo, hi), np.clip(x, lo, hi))
    same(xp.clip(x), x)
    assert xp.clip(x) is not x


def test_clip_leaves_the_bounds_alone():
    # array-api-compat 1.16 writes into them: minus 1000 becomes minus 128.
    least = np.array([-1000, -5])
    xp.clip(np.array([3, 4], np.int8), least, None)
    assert list(least) == [-1000, -5]


def test_conj_gives_a_real_array_back_as_it_is():
    x = values((3,))
    assert xp.conj(x) is x
    same(xp.conj(values((3,), "complex64")), np.conj(values((3,), "complex64")))


def test_eigenvalues_are_complex_also_when_they_are_real():
    x = values((3, 3))
    x = x + x.T
    assert xp.linalg.eigvals(x).dtype == np.complex128
    found = xp.linalg.eig(x.astype("float32"))
    assert found.eigenvalues.dtype == found.eigenvectors.dtype == np.complex64
    same(xp.linalg.inv(x), np.linalg.inv(x))


# Indexing.

INDICES = {
    "int": (1,),
    "slices": (slice(None, None, 2), slice(3, 1, -1)),
    "none": (None, 0, slice(None), None),
    "ellipsis": (..., 2),
    "empty": (),
    "array": (np.array([2, 0, 2, -1]),),
    "array, second axis": (slice(None), np.array([[2, 0], [2, -1]])),
    "array, last axis": (..., np.array([2, 0, 2])),
    "two arrays": (np.array([2, 0, 2]), np.array([1, 1, 1])),
    "two arrays, apart": (np.array([2, 0, 2]), slice(None), np.array([1, 1, 1])),
    "array and slice": (slice(1, 3), np.array([0, 0]), None),
    "mask": (np.arange(20).reshape(4, 5) % 3 == 0,),
    "mask and slice": (slice(None), np.array([True, False, True, True, False])),
    "mask and array": (np.array([True, False, True, False]), np.array([1, 1])),
    "0-d mask": (np.array(True),),
    "0-d array": (np.array(1), slice(None), np.array(1)),
}


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "complex64", "int64"])
@pytest.mark.parametrize("at", INDICES.values(), ids=INDICES)
def test_scatter_add_is_the_adjoint_of_getitem(at, dtype, small, monkeypatch):
    if not small:
        monkeypatch.setattr(_numpy_functions, "SMALL", 0)
    shape = (4, 5, 6)
    x = np.arange(120).reshape(shape)
    picked = xp.getitem(x, at)
    v = values(picked.shape, dtype)
    expected = np.zeros(shape, dtype)
    np.add.at(expected, at, v)
    got = xp.scatter_add(v, at, shape)
    assert got.dtype == expected.dtype
    assert got.shape == shape
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scatter_add_of_every_dtype(dtype):
    at = (np.array([0, 1, 1, 0, 1]),)
    v = values((5,), dtype)
    expected = np.zeros(2, dtype)
    np.add.at(expected, at, v)
    same(xp.scatter_add(v, at, (2,)), expected)


def test_scatter_add_out_of_range_raises():
    for n in (3, 5000):
        with pytest.raises(IndexError):
            xp.scatter_add(np.ones(n), (np.full(n, 2),), (2,))


def test_setitem_takes_one_of_the_values():
    x = np.zeros(3)
    xp.setitem(x, (np.array([1, 1]),), np.array([5.0, 5.0]))
    xp.setitem(x, (np.array([True, False, False]),), 2.0)
    assert list(x) == [2.0, 5.0, 0.0]


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_gather_and_its_adjoint(axis, torch):
    x = values((4, 5, 6))
    shape = [3, 4, 5]
    index = np.random.default_rng(1).integers(0, x.shape[axis], shape)
    expected = torch.gather(torch.tensor(x), axis, torch.tensor(index))
    same(xp.gather(x, index, axis), expected.numpy())
    v = values(shape, seed=2)
    expected = torch.zeros(4, 5, 6, dtype=torch.float64).scatter_add(axis, torch.tensor(index), torch.tensor(v))
    np.testing.assert_allclose(xp.scatter_add_along(v, index, axis, x.shape), expected.numpy(), rtol=1e-12)


def test_gather_of_a_number():
    x = np.array(3.0)
    assert xp.gather(x, np.array(0), 0) == 3
    assert xp.scatter_add_along(np.array(2.0), np.array(0), 0, ()).shape == ()


# Memory.


def test_strides_are_in_elements():
    assert xp.strides(np.zeros((2, 3), "float32").T) == (1, 3)


def test_view():
    x = np.arange(24.0).reshape(4, 6)
    y = xp.view(x, (2, 12))
    y[0, 0] = 99
    assert x[0, 0] == 99
    assert xp.view(x.T, (24,)) is None
    assert xp.view(x[:, :3], (2, 2, 3)).base is not None
    assert xp.view(np.zeros((0, 3)), (3, 0)).shape == (3, 0)
    with pytest.raises(ValueError, match="reshape"):
        xp.view(x, (5,))
    with pytest.raises(ValueError, match="reshape"):
        xp.view(x.T, (5,))


def test_as_strided():
    x = np.arange(12.0)
    same(xp.as_strided(x, (3, 4), (4, 1)), x.reshape(3, 4))
    same(xp.as_strided(x, (2, 12), (0, 1)), np.stack([x, x]))
    y = x.reshape(3, 4)[:, ::2]
    same(xp.as_strided(y, (2, 3, 2), (0, 4, 2)), np.stack([y, y]))
    z = xp.as_strided(x, (2,), (5,))
    z[1] = -1
    assert x[5] == -1
    read_only = np.arange(3.0)
    read_only.flags.writeable = False
    assert not xp.as_strided(read_only, (2, 3), (0, 1)).flags.writeable


def test_self_overlaps():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert not any(map(xp.self_overlaps, (x, x.T, x[::-1, :, ::2], np.array(1.0), x[:, :0], x[:1])))
    assert xp.self_overlaps(np.broadcast_to(x, (2, 2, 3, 4)))
    assert not xp.self_overlaps(np.broadcast_to(x, (1, 2, 3, 4)))
    assert not xp.self_overlaps(np.broadcast_to(np.zeros(0), (3, 0)))
    assert xp.self_overlaps(np.lib.stride_tricks.sliding_window_view(np.arange(5), 2))


def test_may_overlap_is_exact_for_plain_views():
    x = np.arange(10.0)
    assert xp.may_overlap(x, x[3:4])
    assert not xp.may_overlap(x[::2], x[1::2])
    assert not xp.may_overlap(x, x.copy())


LAYOUTS = {
    "row-major": lambda x: x,
    "column-major": np.asfortranarray,
    "permuted": lambda x: x.transpose(1, 2, 0),
    "one row": lambda x: x[:1].transpose(2, 0, 1),
    "number": lambda x: x[0, 0, 0],
}
NOT_DENSE = {
    "sliced": lambda x: x[:, ::2].transpose(2, 1, 0),
    "backwards": lambda x: x[::-1],
    "expanded": lambda x: np.broadcast_to(x[0], x.shape),
    "empty": lambda x: x[:0],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_copy_like_keeps_the_layout(layout):
    like = np.asarray(layout(values((3, 4, 5))))
    x = values(like.shape, "float32")
    got = xp.copy_like(x, like)
    same(got, x)
    assert got.flags.writeable
    assert not np.shares_memory(got, x)
    # The stride of an axis of length one means nothing.
    assert [s for s, n in zip(xp.strides(got), got.shape, strict=True) if n > 1] == [
        s for s, n in zip(xp.strides(like), like.shape, strict=True) if n > 1
    ]


@pytest.mark.parametrize("layout", NOT_DENSE.values(), ids=NOT_DENSE)
def test_copy_like_is_row_major_where_the_layout_is_not_dense(layout):
    like = layout(values((3, 4, 5)))
    x = values(like.shape, "float32")
    got = xp.copy_like(x, like)
    same(got, x)
    assert got.flags.c_contiguous
    assert got.flags.writeable


def test_copy_is_row_major_and_writable():
    x = np.broadcast_to(np.arange(3.0), (2, 3)).T
    got = xp.copy(x)
    same(got, x)
    assert got.flags.c_contiguous
    assert got.flags.writeable


needs_counts = pytest.mark.skipif(not EXACT_COUNTS, reason="references are not exact on this Python")


@needs_counts
class TestOwns:
    def test_a_fresh_array(self):
        x = np.ones(3)
        assert xp.owns(x, 1)

    def test_a_second_name(self):
        x = np.ones(3)
        y = x
        assert sys.version_info >= (3, 14) or xp.owns(x, 2)
        assert not xp.owns(x, 1)
        del y
        assert xp.owns(x, 1)

    def test_a_list_that_holds_it(self):
        x = np.ones(3)
        held = [x]
        assert not xp.owns(x, 1)
        del held
        assert xp.owns(x, 1)

    def test_a_view_of_it(self):
        x = np.ones(3)
        y = x[1:]
        assert not xp.owns(x, 1)
        del y
        assert xp.owns(x, 1)

    def test_a_memoryview_of_it(self):
        x = np.ones(3)
        y = memoryview(x)
        assert not xp.owns(x, 1)
        del y

    def test_a_view_whose_base_is_named(self):
        x = np.ones(3)
        y = x.reshape(3, 1)
        assert not xp.owns(y, 1)
        del x
        # Nothing else reaches the memory now.
        assert sys.version_info >= (3, 14) or xp.owns(y, 1)

    def test_two_views_of_a_base_without_a_name(self):
        y = np.ones(3).reshape(3, 1)
        z = y[1:]
        assert not xp.owns(y, 1)
        del z

    def test_memory_that_is_not_numpy(self):
        x = np.frombuffer(bytearray(8))
        assert not xp.owns(x, 1)

    def test_a_subclass_as_base(self):
        x = np.ones(3).view(np.matrix)
        y = np.asarray(x)
        del x
        assert xp.owns(y, 1) in (True, False)


# Floating-point warnings.


def test_warnings_are_off_inside_and_as_before_outside():
    enter, leave = backend.scope(0)
    with np.errstate(all="raise"):
        before = np.geterr()
        token = enter()
        try:
            assert np.isinf(np.divide(1.0, 0.0))
        finally:
            leave(token)
        assert np.geterr() == before
        with pytest.raises(FloatingPointError):
            np.divide(1.0, 0.0)


def test_scopes_nest():
    enter, leave = backend.scope(0)
    before = np.geterr()
    outer = enter()
    inner = enter()
    leave(inner)
    assert np.geterr()["divide"] == "ignore"
    leave(outer)
    assert np.geterr() == before


def test_the_fallback_scope(monkeypatch):
    from numpy._core import umath

    monkeypatch.delattr(umath, "_make_extobj")
    enter, leave = module._silence()
    assert enter is module._enter_errstate
    before = np.geterr()
    token = enter()
    assert set(np.geterr().values()) == {"ignore"}
    leave(token)
    assert np.geterr() == before


# The backend.


def test_backend():
    assert backend.unavailable() is None
    assert backend.device_count() == 1
    assert backend.current_index() == 0
    x = np.ones(2)
    assert backend.is_native(x)
    assert not backend.is_native([1.0])
    assert not backend.is_native(np.float64(1))
    assert backend.index_of(x) == 0
    assert backend.from_numpy(x, 0) is x
    assert backend.to_numpy(x) is x
    backend.synchronize(0)
