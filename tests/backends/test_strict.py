"""The backend over array-api-strict: three fake devices that refuse to mix, and nothing beyond the standard."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from gradcore_backends._generic import STANDARD
from gradcore_backends.array_api_strict import StrictBackend, backend

strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")

F4, F8, I8 = np.dtype("float32"), np.dtype("float64"), np.dtype("int64")
PLACES = [strict.Device(name) for name in ("CPU_DEVICE", "device1", "device2")]


@pytest.fixture(params=[0, 1, 2])
def index(request):
    return request.param


@pytest.fixture
def xp(index):
    return backend.namespace(index)


def on(xp, values, dtype=F8):
    return xp.asarray(values, dtype=dtype)


def host(x):
    return backend.to_numpy(x)


def test_all_of_the_standard_is_there(xp):
    assert [name for name in STANDARD if not hasattr(xp, name)] == []
    assert not hasattr(xp, "einsum")


def test_creation_is_bound_to_the_device(xp, index):
    x = on(xp, [1.0, 2.0])
    made = [
        x,
        xp.zeros((2,)),
        xp.zeros((2,), dtype=F4),
        xp.ones(2, dtype=F4),
        xp.full((2,), 3.0, dtype=F4),
        xp.empty((2,), dtype=F4),
        xp.arange(3, dtype=I8),
        xp.linspace(0, 1, 3, dtype=F8),
        xp.eye(2, dtype=F8),
        xp.zeros_like(x, dtype=F4),
        xp.ones_like(x),
        xp.full_like(x, 2.0),
        xp.empty_like(x),
        xp.astype(x, F4),
        xp.sum(x, dtype=F4),
        xp.cumulative_sum(x, dtype=F4),
    ]
    assert {y.device for y in made} == {PLACES[index]}
    assert [backend.index_of(y) for y in made] == [index] * len(made)
    assert xp.np_dtype(xp.zeros_like(x, dtype=F4).dtype) == F4
    assert xp.np_dtype(F4) is F4
    assert xp.isdtype(F4, "real floating")
    assert xp.result_type(x, F4) == strict.float64
    assert xp.finfo(F4).bits == 32


def test_another_device_can_still_be_asked_for():
    assert backend.namespace(0).zeros((2,), device=PLACES[1]).device == PLACES[1]


@pytest.mark.parametrize("dtype", ["float16", "U3", "longdouble"])
def test_dtypes_that_it_lacks(xp, index, dtype):
    with pytest.raises(TypeError, match="array-api-strict"):
        xp.zeros((2,), dtype=np.dtype(dtype))
    with pytest.raises(TypeError, match="array_api_strict"):
        backend.from_numpy(np.zeros(2, dtype), index)


def test_to_and_from_numpy_share_memory(index):
    x = np.arange(3.0)
    y = backend.from_numpy(x, index)
    assert backend.index_of(y) == index
    assert np.shares_memory(backend.to_numpy(y), x)
    assert backend.is_native(y)
    assert not backend.is_native(x)
    assert not backend.is_native(strict)


def test_numpy_alone_gets_nothing_from_the_other_devices():
    with pytest.raises((RuntimeError, TypeError)):
        np.asarray(backend.from_numpy(np.ones(2), 1))


def test_devices_do_not_mix():
    a, b = backend.namespace(1), backend.namespace(2)
    x, y = on(a, [[1.0, 2.0], [3.0, 4.0]]), on(b, [[1.0, 2.0], [3.0, 4.0]])
    i = b.asarray([[0, 1]], dtype=I8)
    mask = b.asarray([True, False])
    for call in (
        lambda: a.add(x, y),
        lambda: x + y,
        lambda: a.concat([x, y]),
        lambda: a.where(a.greater(x, x), x, y),
        lambda: a.getitem(x, (i,)),
        lambda: a.getitem(x, mask),
        lambda: a.getitem(y, (0,)),
        lambda: a.getitem(x, (slice(None), None, i)),
        lambda: a.setitem(x, (0,), b.asarray(1.0)),
        lambda: a.setitem(x, (i,), 1.0),
        lambda: a.setitem(y, (0,), 1.0),
        lambda: a.scatter_add(y, (0,), (3, 2, 2)),
        lambda: a.scatter_add(x, (i[0, ...],), (3, 2)),
        lambda: a.scatter_add_along(x, i, 0, (2, 2)),
        lambda: a.gather(x, i, 0),
        lambda: a.gather(y, i, 0),
        lambda: a.copy(y),
        lambda: a.copy_like(x, y),
        lambda: a.view(y, (4,)),
        lambda: a.may_overlap(x, y),
    ):
        with pytest.raises(ValueError, match="device"):
            call()
    assert host(x).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_arithmetic_leaves_nothing_to_chance(xp):
    x = on(xp, [1.0, 2.0])
    with pytest.raises(TypeError):
        xp.add(x, np.float64(1))
    with pytest.raises(TypeError):
        xp.add(x, np.ones(2))
    with pytest.raises(TypeError):
        xp.exp(on(xp, [1, 2], I8))
    with pytest.raises(TypeError):
        xp.add(x, on(xp, [1, 2], I8))
    with pytest.raises((IndexError, TypeError, ValueError)):
        x[[0, 1]]


def test_indexing_goes_beyond_the_standard(xp, index):
    x = xp.reshape(xp.arange(24, dtype=F8), (2, 3, 4))
    n = np.arange(24.0).reshape(2, 3, 4)
    i = np.array([[0, 2], [2, -1]])
    for at in (
        (0,),
        (0, ...),
        (),
        ...,
        (slice(None), i),
        (1, slice(None), i),
        (..., i, None),
        (n[0, :, 0] > 3,),
        (n > 7,),
    ):
        native = (
            tuple(backend.from_numpy(p, index) if isinstance(p, np.ndarray) else p for p in at) if at is not ... else at
        )
        if isinstance(at, tuple) and len(at) == 1 and getattr(at[0], "shape", None) == (3,):
            native, at = (slice(None), *native), (slice(None), *at)
        got = xp.getitem(x, native)
        assert isinstance(got, xp.array_class)
        assert got.device == PLACES[index]
        assert host(got).tolist() == n[at].tolist()
        expected = np.zeros_like(n)
        np.add.at(expected, at, n[at])
        assert host(xp.scatter_add(got, native, (2, 3, 4))).tolist() == expected.tolist()
        y, m = xp.copy(x), n.copy()
        xp.setitem(y, native, -1.0)
        m[at] = -1
        assert host(y).tolist() == m.tolist()
        xp.setitem(y, native, xp.getitem(x, native))
        assert host(y).tolist() == n.tolist()


def test_gather(xp):
    x = on(xp, [[1.0, 2.0], [3.0, 4.0]])
    i = on(xp, [[1, 1]], I8)
    assert host(xp.gather(x, i, 0)).tolist() == [[3.0, 4.0]]
    assert host(xp.scatter_add_along(on(xp, [[5.0, 6.0]]), i, 0, (2, 2))).tolist() == [[0.0, 0.0], [5.0, 6.0]]


def test_memory(xp):
    x = on(xp, [[1.0, 2.0], [3.0, 4.0]])
    seen = xp.view(x, (4,))
    xp.setitem(seen, (0,), 9.0)
    assert host(x)[0, 0] == 9
    assert xp.may_overlap(x, seen)
    t = xp.permute_dims(x, (1, 0))
    assert xp.view(t, (4,)) is None
    assert xp.strides(t) == (1, 2)
    assert xp.strides(xp.copy(t)) == (2, 1)
    assert xp.strides(xp.copy_like(t, t)) == (1, 2)
    assert not xp.may_overlap(x, xp.copy(x))
    wide = xp.as_strided(x, (3, 2, 2), (0, 2, 1))
    assert xp.self_overlaps(wide)
    assert not xp.self_overlaps(t)
    assert not xp.owns(x, 1)
    assert wide.device == x.device


def test_conj_gives_a_real_array_back_as_it_is(xp):
    x = on(xp, [1.0])
    assert xp.conj(x) is x
    assert host(xp.conj(on(xp, [1 + 2j], np.dtype("complex128")))).tolist() == [1 - 2j]


def test_devices():
    assert backend.unavailable() is None
    assert backend.device_count() == 3
    assert backend.current_index() == 0
    assert backend.namespace(1) is backend.namespace(1)
    assert backend.namespace(1) is not backend.namespace(2)
    assert backend.large_namespace(1) is None
    backend.synchronize(1)
    backend.empty_cache(1)
    assert backend.memory_allocated(1) == 0


def test_a_device_that_is_not_served():
    try:
        elsewhere = strict.Device("no_float64")
    except ValueError:
        pytest.skip("this array-api-strict has no other devices")
    with pytest.raises(ValueError, match="no_float64"):
        backend.index_of(strict.zeros((2,), device=elsewhere))


def test_without_array_api_strict(monkeypatch):
    monkeypatch.setitem(sys.modules, "array_api_strict", None)
    missing = StrictBackend()
    assert 'pip install "gradcore[strict]"' in missing.unavailable()
    assert missing.device_count() == 0
    assert not missing.is_native(np.ones(2))


def test_scopes_are_quiet():
    enter, leave = backend.scope(1)
    xp = backend.namespace(1)
    with np.errstate(all="raise"):
        token = enter()
        assert host(xp.divide(on(xp, [1.0]), on(xp, [0.0]))).tolist() == [np.inf]
        leave(token)
        assert np.geterr()["divide"] == "raise"
