"""The pool of memory for large results: the same results as without it, and no block in two hands."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap
import threading
import weakref

import numpy as np
import pytest

from gradcore_backends import _pool
from gradcore_backends._generic import STANDARD
from gradcore_backends.numpy import backend

if not _pool.ENABLED:
    pytest.skip("there is no pool on this Python", allow_module_level=True)

from gradcore_backends._numpy_large import LARGE, LargeNumpyFunctions

plain = backend.namespace(0)
large, _ = backend.large_namespace(0)

N = 40_000  # 156 KB in float32, 312 KB in float64
SHORT = 400  # enough for a pool that begins at 256 bytes


@pytest.fixture(autouse=True)
def _fresh_pool():
    _pool.empty_cache()
    yield
    _pool.empty_cache()


def block_of(x):
    """The block under a result, or ``None`` for ordinary memory."""
    return x.base if x.base is not None and _pool.holds(x.base) else None


def values(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 2
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.normal(size=shape)
    return np.asarray(x).astype(dtype)


def same(got, expected):
    assert type(got) is type(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert got.strides == expected.strides
    np.testing.assert_array_equal(got, expected)
    # array_equal takes -0.0 for 0.0.
    if got.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))


# The same results.

UFUNCS = [name for name in STANDARD if name in vars(LargeNumpyFunctions()) and isinstance(getattr(np, name), np.ufunc)]
UNARY = [name for name in UFUNCS if getattr(np, name).nin == 1]
BINARY = [name for name in UFUNCS if getattr(np, name).nin == 2]
DTYPES = "bool uint8 int8 int16 int32 int64 uint64 float16 float32 float64 complex64 complex128".split()


def outcome(function, *args):
    """What a call gives: a result or the type and text of its error."""
    try:
        with np.errstate(all="ignore"):
            return function(*args)
    except (TypeError, ValueError, OverflowError) as e:
        return type(e), str(e)


@pytest.fixture(scope="module")
def _pooled():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pool, "LEAST", 256)
        return LargeNumpyFunctions()


@pytest.fixture
def pooled(_pooled, monkeypatch):
    """The functions as they are for large arrays, with a pool that begins at small ones."""
    monkeypatch.setattr(_pool, "LEAST", 256)
    return _pooled


def same_outcome(pooled, name, *args):
    got, expected = outcome(getattr(pooled, name), *args), outcome(getattr(plain, name), *args)
    if isinstance(expected, tuple):
        assert isinstance(got, tuple)
        assert got[0] is expected[0]
    else:
        same(got, expected)
    return got


def test_ufuncs_are_wrapped():
    assert {"add", "exp", "tanh", "less", "isnan", "abs", "pow", "divide", "maximum", "logical_not"} <= set(UFUNCS)
    assert "matmul" not in UFUNCS


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary(pooled, name, dtype):
    x = values((20, SHORT // 20), dtype)
    for operand in (x, x.T, x[::2], x[:2], x[0, 0:1], np.asarray(x[0, 0]), x[:0]):
        same_outcome(pooled, name, operand)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary(pooled, name, dtype):
    x, y = values((20, SHORT // 20), dtype), values((20, SHORT // 20), dtype, seed=1)
    number = np.asarray(y[0, 0])
    for operands in ((x, y), (x.T, y.T), (x, x), (x, y[0]), (x[:, :1], y), (x, number), (x[0, :2], y[0, :2])):
        same_outcome(pooled, name, *operands)
        same_outcome(pooled, name, *operands[::-1])


NUMBERS = [2, 2.5, 2j, True, -1, 300, float("nan"), np.float64(1.5), np.float32(1.5)]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("name", ["add", "pow", "divide", "less", "maximum", "atan2", "remainder"])
def test_numbers_beside_arrays(pooled, name, dtype, number):
    x = values((SHORT,), dtype)
    same_outcome(pooled, name, x, number)
    same_outcome(pooled, name, number, x)


@pytest.mark.parametrize(("a", "b"), [*itertools.combinations(["bool", "int32", "int64", "float32", "float64"], 2)])
def test_mixed_dtypes(pooled, a, b):
    for name in ("add", "multiply", "less", "divide"):
        same_outcome(pooled, name, values((SHORT,), a), values((SHORT,), b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((SHORT, 1), (1, 3)),
        ((1, 30), (30, 1)),
        ((30, 1, 20), (20,)),
        ((3,), (SHORT, 1)),
        ((1,), (SHORT,)),
        ((SHORT,), (2,)),
        ((), (SHORT,)),
    ],
)
def test_broadcasting(pooled, a, b):
    for order in ("C", "F"):
        x, y = np.asarray(values(a, "float32"), order=order), np.asarray(values(b, "float32"), order=order)
        same_outcome(pooled, "add", x, y)
        same_outcome(pooled, "less", x, y)


def test_other_functions(pooled):
    x, y = values((200, 300), "float32"), values((300, 200), "float32", seed=1)
    batch = values((3, 200, 100), "float64")
    mask = values((200, 300), "float32") > 0
    calls = [
        ("matmul", x, y),
        ("matmul", x, y.T[:, :200].T[:, :150]),
        ("matmul", x.T, y.T),
        ("matmul", batch, batch.transpose(0, 2, 1)),
        ("matmul", batch, batch[0].T),
        ("matmul", x, y[:, 0]),
        ("matmul", x, y.astype("float64")),
        ("matmul", x, x),
        ("matmul", x[:2], y[:, :2]),
        ("copy", x),
        ("copy", x.T),
        ("copy_like", x, x),
        ("copy_like", x.T, x.T),
        ("copy_like", x, x[0]),
        ("astype", x, np.dtype("float64")),
        ("astype", x, np.dtype("int32")),
        ("astype", x.T, np.dtype("float64")),
        ("astype", x > 0, np.dtype("float32")),
        ("astype", x, bool),
        ("concat", [x, x, x]),
        ("concat", [x.T, x.T]),
        ("concat", [x, x.astype("float64")]),
        ("concat", [x, y]),
        ("stack", [x, x]),
        ("where", mask, x, x + 1),
        ("where", mask, x, 0),
        ("where", mask, 2.0, x),
        ("where", mask, x, x[0]),
        ("where", mask, x.astype("float64"), 0.0),
        ("where", mask, x, np.float64(1)),
        ("where", mask, x, x.astype("float64")),
        ("where", mask, 1, 2),
        ("where", mask[0, 0], x, x),
        ("where", mask, x, np.asarray(np.float32("nan"))),
        ("where", mask.T, x.T, x.T),
        ("scatter_add", x, (np.arange(200) // 2,), (100, 300)),
        ("gather", x, np.zeros((200, 300), int), 1),
        ("sum", x),
        ("mean", x),
    ]
    for name, *args in calls:
        same_outcome(pooled, name, *args)
    assert pooled.astype(x, np.dtype("float32"), copy=False) is x
    assert pooled.astype(x, np.dtype("float32")) is not x


@pytest.mark.parametrize("dtype", [None, *map(np.dtype, ["float32", "float64", "int32", "bool", "complex64"])], ids=str)
@pytest.mark.parametrize("shape", [(SHORT,), (300, 200), SHORT, (2, 3), (), (0, SHORT)], ids=str)
def test_creation(pooled, shape, dtype):
    same(pooled.zeros(shape, dtype=dtype), plain.zeros(shape, dtype=dtype))
    same(pooled.ones(shape, dtype=dtype), plain.ones(shape, dtype=dtype))
    assert pooled.empty(shape, dtype=dtype).dtype == plain.empty(shape, dtype=dtype).dtype
    assert pooled.empty(shape, dtype=dtype).shape == plain.empty(shape, dtype=dtype).shape
    for value in (0, 1.5, -0.0, True):
        same(pooled.full(shape, value, dtype=dtype), plain.full(shape, value, dtype=dtype))
    for x in (plain.ones(shape, dtype=dtype), plain.ones(shape, dtype=dtype).T):
        same(pooled.zeros_like(x), plain.zeros_like(x))
        same(pooled.ones_like(x), plain.ones_like(x))
        same(pooled.full_like(x, 2), plain.full_like(x, 2))
        same(pooled.zeros_like(x, dtype=np.dtype("int8")), plain.zeros_like(x, dtype=np.dtype("int8")))
        assert pooled.empty_like(x).strides == plain.empty_like(x).strides


def test_in_place_arithmetic_and_views_work_on_results():
    x = large.ones((N,), dtype=np.dtype("float32"))
    assert x.flags.writeable
    assert x.flags.aligned
    y = x.reshape(200, 200)
    y[0] += 1
    assert x[:200].tolist() == [2.0] * 200


# Blocks.


def test_small_results_are_ordinary():
    x = np.ones(10, "float32")
    assert large.add(x, x).base is None
    assert large.zeros((10,), dtype=np.dtype("float32")).base is None
    assert _pool.memory_allocated() == 0


def test_a_block_is_used_again_when_its_array_has_died():
    x = np.ones(N, "float32")
    first = large.exp(x)
    address = first.ctypes.data
    assert block_of(first) is not None
    del first
    second = large.add(x, x)
    assert second.ctypes.data == address


def test_a_block_in_use_is_not_used_again():
    x = np.ones(N, "float32")
    results = [large.multiply(x, i) for i in range(20)]
    assert len({r.ctypes.data for r in results}) == 20
    for i, r in enumerate(results):
        assert (r == i).all()


@pytest.mark.parametrize(
    "hold",
    [
        lambda x: x[5:],
        lambda x: x.reshape(200, 200).T[3:, ::2],
        lambda x: x.view(np.int32),
        lambda x: x.real,
        lambda x: np.asarray(x).view(np.matrix),
        lambda x: np.broadcast_to(x, (2, N)),
        lambda x: plain.broadcast_to(x, (2, N)),
        lambda x: plain.as_strided(x, (2, 5), (3, 2)),
        lambda x: np.lib.stride_tricks.as_strided(x, (2, 5), (12, 8)),
        memoryview,
        lambda x: np.frombuffer(x, np.float32),
        np.from_dlpack,
        lambda x: x.flat,
        np.nditer,
        lambda x: x.base,
        lambda x: x.__array_interface__ and x,
        lambda x: (x for _ in range(2)),
        lambda x: [{"deep": (x,)}],
    ],
)
def test_whatever_shows_the_memory_keeps_the_block(hold):
    x = large.ones((N,), dtype=np.dtype("float32"))
    address = x.ctypes.data
    held = hold(x)
    del x
    others = [large.zeros((N,), dtype=np.dtype("float32")) for _ in range(3)]
    assert address not in {o.ctypes.data for o in others}
    del held
    assert large.zeros((N,), dtype=np.dtype("float32")).ctypes.data == address


def test_an_exception_keeps_the_arrays_of_its_traceback():
    def fails():
        x = large.ones((N,), dtype=np.dtype("float32"))
        raise KeyError(x.ctypes.data)

    try:
        fails()
    except KeyError as e:
        error = e
    address = error.args[0]
    assert large.zeros((N,), dtype=np.dtype("float32")).ctypes.data != address
    error.__traceback__ = None
    assert large.zeros((N,), dtype=np.dtype("float32")).ctypes.data == address


def test_an_operation_that_raises_gives_its_block_back():
    x = np.ones((200, 300), "float32")
    for _ in range(5):
        with pytest.raises(ValueError, match="matmul"):
            large.matmul(x, x)
    assert _pool.memory_allocated() == 0


def test_a_finalizer_that_computes_gets_its_own_block():
    """Between finding an idle block and taking it, other code of this thread may run."""
    shape, dtype = (N,), np.dtype("float32")
    large.empty(shape, dtype=dtype)
    views = _pool._local.pool.views
    stolen = []

    class Intruder(list):
        """A list that lends a block to somebody else when that block is picked from it."""

        def __getitem__(self, i):
            if not stolen:
                stolen.append(list.__getitem__(self, i).view())
            return list.__getitem__(self, i)

    views[shape, dtype] = Intruder(views[shape, dtype])
    x = large.empty(shape, dtype=dtype)
    assert stolen
    assert x.ctypes.data != stolen[0].ctypes.data


def test_every_thread_has_its_own_blocks():
    """Many threads at once, each filling arrays with its own number and looking whether they keep it."""
    errors = []
    addresses = [set() for _ in range(4)]
    start = threading.Barrier(4)

    def work(me):
        start.wait()
        x = np.full(N, me, "float32")
        kept = []
        for i in range(300):
            y = large.multiply(x, 1 + i % 7)
            addresses[me].add(y.ctypes.data)
            kept.append((y, 1 + i % 7))
            if len(kept) > 5:
                kept.pop((i * 7) % 5)
            for z, factor in kept:
                if z[0] != me * factor or z[-1] != me * factor:
                    errors.append((me, i))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    for a, b in itertools.combinations(addresses, 2):
        assert not a & b


def test_results_outlive_their_thread_and_pass_to_another():
    results = []

    def work():
        results.append(large.ones((N,), dtype=np.dtype("float32")))

    for _ in range(3):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    mine = [large.zeros((N,), dtype=np.dtype("float32")) for _ in range(5)]
    assert all((r == 1).all() for r in results)
    assert all((m == 0).all() for m in mine)
    assert not _pool.holds(results[0].base)


def test_the_blocks_of_a_thread_go_with_it():
    gone = []

    def work():
        x = large.ones((N,), dtype=np.dtype("float32"))
        gone.append(weakref.ref(x.base))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    del thread
    assert gone[0]() is None


def test_empty_cache_while_other_threads_compute():
    stop = threading.Event()
    errors = []

    def work(me):
        x = np.full(N, me, "float32")
        while not stop.is_set():
            y, z = large.add(x, x), large.negative(x)
            if y[7] != 2 * me or z[7] != -me:
                errors.append(me)

    threads = [threading.Thread(target=work, args=(i + 1,)) for i in range(2)]
    for t in threads:
        t.start()
    for _ in range(200):
        _pool.empty_cache()
        _pool.memory_allocated()
    stop.set()
    for t in threads:
        t.join()
    assert errors == []


# Bounds.


def test_memory_allocated_and_empty_cache():
    x = large.ones((N,), dtype=np.dtype("float32"))
    y = large.ones((N,), dtype=np.dtype("float64"))
    assert backend.memory_allocated(0) == 12 * N
    del x
    assert backend.memory_allocated(0) == 8 * N
    idle = weakref.ref(_pool._local.pool.views[(N,), np.dtype("float32")][0])
    backend.empty_cache(0)
    assert idle() is None
    assert (y == 1).all()
    # A block in use when the cache is emptied is ordinary memory from then on.
    assert backend.memory_allocated(0) == 0


def test_the_pool_has_a_limit(monkeypatch):
    monkeypatch.setattr(_pool, "LIMIT", 10 * 4 * N)
    x = np.ones(N, "float32")
    results = [large.add(x, i) for i in range(25)]
    assert sum(block_of(r) is not None for r in results) == 10
    assert all((r == i + 1).all() for i, r in enumerate(results))
    del results
    assert _pool._local.pool.size() == 10 * 4 * N


def test_idle_blocks_of_other_shapes_make_room(monkeypatch):
    monkeypatch.setattr(_pool, "LIMIT", 10 * 4 * N)
    x = np.ones(N, "float32")
    kept = large.add(x, 1)
    for i in range(9):
        large.ones((N - i,), dtype=x.dtype)
    y = np.ones(N // 2, "float64")
    results = [large.add(y, i) for i in range(4)]
    assert all(block_of(r) is not None for r in results)
    assert _pool._local.pool.size() <= 10 * 4 * N
    assert (kept == 2).all()


def test_arrays_too_large_for_the_pool(monkeypatch):
    monkeypatch.setattr(_pool, "LIMIT", N)
    x = large.ones((N,), dtype=np.dtype("float32"))
    assert x.base is None
    assert (x == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "enabled"), [("0", False), ("", True), ("1000000", True), (" 0 ", False)], ids=repr
)
def test_environment_variable(setting, enabled):
    program = "from gradcore_backends.numpy import backend; print(backend.large_namespace(0) is not None)"
    assert run(program, GRADCORE_POOL=setting) == str(enabled)


def test_environment_variable_of_no_meaning():
    program = """
        try:
            import gradcore_backends.numpy
        except ValueError as e:
            print(e)
    """
    assert "GRADCORE_POOL" in run(program, GRADCORE_POOL="lots")


def run(program, **environment):
    import os

    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_ownership_of_a_result_in_the_pool():
    """The engine may keep a gradient that lies in a block, without a copy, if nobody else sees it."""
    x = np.ones(N, "float32")
    g = large.add(x, x)
    assert plain.owns(g, 1)
    view = g[1:]
    assert not plain.owns(g, 1)
    del view
    assert plain.owns(g, 1)
    other = g
    assert not plain.owns(g, 1)
    del other
    seen = g.reshape(200, 200)
    assert not plain.owns(seen, 1)
    del g
    assert plain.owns(seen, 1)


def test_where_it_begins():
    assert LARGE * 8 >= _pool.LEAST
    x = np.ones(_pool.LEAST // 8)
    assert block_of(large.add(x, x)) is not None
    assert block_of(large.add(x[1:], x[1:])) is None
