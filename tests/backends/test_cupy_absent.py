"""The CuPy backend on machines without CuPy, without a driver, without a GPU: what it says, and that it never raises.

Nothing here runs on a GPU, and nothing here says that CuPy computes rightly: ``ci/gpu_check.py`` does that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import types

import numpy as np
import pytest

from gradcore_backends._generic import STANDARD
from gradcore_backends.cupy import ATOMIC, CupyBackend, CupyFunctions, _explaining, _placed


class CudaError(RuntimeError):
    """As ``cupy.cuda.runtime.CUDARuntimeError``: a status beside the message."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def pretend(monkeypatch, *, count=1, error=None, libraries=True):
    """Put a module in CuPy's place that finds ``count`` devices, or raises ``error`` when asked for them."""
    current = [0]
    calls = []

    def get_device_count():
        if error is not None:
            raise error
        return count

    def set_device(index):
        calls.append(index)
        current[0] = index

    def get_version():
        if not libraries:
            raise RuntimeError('Failure finding "libnvrtc.so.13"\nNo such file')
        return 13, 0

    cupy = types.ModuleType("cupy")
    cupy.__version__ = "14.2.0"
    cupy.cuda = types.ModuleType("cupy.cuda")
    cupy.cuda.runtime = types.ModuleType("cupy.cuda.runtime")
    cupy.cuda.runtime.getDeviceCount = get_device_count
    cupy.cuda.runtime.getDevice = lambda: current[0]
    cupy.cuda.runtime.setDevice = set_device
    cupy.cuda.nvrtc = types.ModuleType("cupy.cuda.nvrtc")
    cupy.cuda.nvrtc.getVersion = get_version
    for module in (cupy, cupy.cuda, cupy.cuda.runtime, cupy.cuda.nvrtc):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    compat = types.ModuleType("array_api_compat.cupy")
    monkeypatch.setitem(sys.modules, "array_api_compat.cupy", compat)
    return calls


def reason_of(backend):
    assert backend.device_count() == 0
    reason = backend.unavailable()
    assert reason is not None
    assert backend.unavailable() is reason
    return reason


# Why there is no device.


def test_without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    reason = reason_of(CupyBackend())
    assert reason.startswith("CuPy is not installed")
    assert 'pip install "gradcore[cuda13]"' in reason
    assert "gradcore[cuda12]" in reason


@pytest.mark.parametrize(
    "error", [ImportError("libfoo.so: no such file"), AttributeError("np.long"), OSError("truncated")]
)
def test_a_broken_cupy(monkeypatch, error):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "cupy":
                raise error

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    reason = reason_of(CupyBackend())
    assert str(error) in reason
    assert "not installed" not in reason
    assert "gradcore[cuda13]" in reason


def test_without_a_driver(monkeypatch):
    pretend(monkeypatch, error=CudaError(35, "cudaErrorInsufficientDriver: CUDA driver version is insufficient"))
    reason = reason_of(CupyBackend())
    assert "CuPy 14.2.0 finds no GPU" in reason
    assert "no usable NVIDIA driver: none is installed, or" in reason
    assert "(cudaErrorInsufficientDriver)" in reason


@pytest.mark.parametrize("setting", [None, "", "7"])
def test_without_a_gpu(monkeypatch, setting):
    pretend(monkeypatch, error=CudaError(100, "cudaErrorNoDevice: no CUDA-capable device is detected"))
    if setting is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
    reason = reason_of(CupyBackend())
    assert "(cudaErrorNoDevice)" in reason
    assert ("CUDA_VISIBLE_DEVICES" in reason) == (setting is not None)


def test_with_no_device_at_all(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    pretend(monkeypatch, count=0)
    assert reason_of(CupyBackend()) == "CuPy 14.2.0 finds no GPU: none is visible"


def test_with_an_error_of_another_kind(monkeypatch):
    pretend(monkeypatch, error=CudaError(803, "cudaErrorSystemDriverMismatch: unsupported combination"))
    assert "cudaErrorSystemDriverMismatch: unsupported combination" in reason_of(CupyBackend())


def test_without_the_libraries_of_cuda(monkeypatch):
    pretend(monkeypatch, libraries=False)
    reason = reason_of(CupyBackend())
    assert "libnvrtc" in reason
    assert "No such file" not in reason  # one line, please
    assert "gradcore[cuda13]" in reason


def test_with_two_devices(monkeypatch):
    pretend(monkeypatch, count=2)
    backend = CupyBackend()
    assert backend.unavailable() is None
    assert backend.device_count() == 2
    assert backend.current_index() == 0


# Nothing is imported before it is needed.


def run(program, **environment):
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_cupy_is_not_imported_unasked():
    program = """
        import sys
        import numpy as np
        from gradcore_backends.cupy import backend
        assert not backend.is_native(np.ones(2))
        assert not backend.is_native(1.0)
        assert not backend.is_native(type("ndarray", (), {}))
        print("cupy" in sys.modules, "array_api_compat" in sys.modules)
    """
    assert run(program) == "False False"


def test_the_message_reaches_the_user():
    program = """
        import sys
        sys.modules["cupy"] = None
        import gradcore as gc
        try:
            gc.zeros(2, device="cuda")
        except RuntimeError as e:
            print(e)
    """
    message = run(program)
    assert "cuda" in message
    assert "CuPy is not installed" in message
    assert 'pip install "gradcore[cuda13]"' in message


def test_arrays_are_known_by_their_class():
    array = type("ndarray", (), {"__module__": "cupy"})()
    assert CupyBackend().is_native(array)


# The scope.


def test_one_gpu_needs_no_scope(monkeypatch):
    pretend(monkeypatch, count=1)
    assert CupyBackend().scope(0) is None


def test_the_scope_makes_a_device_current_and_goes_back(monkeypatch):
    calls = pretend(monkeypatch, count=3)
    enter, leave = CupyBackend().scope(2)
    outer = enter()
    inner = enter()
    leave(inner)
    assert calls == [2]
    leave(outer)
    assert calls == [2, 0]


def test_creation_happens_on_the_right_device_also_when_it_fails(monkeypatch):
    calls = pretend(monkeypatch, count=2)
    runtime = sys.modules["cupy.cuda.runtime"]

    def zeros(shape):
        if shape is None:
            raise TypeError
        return runtime.getDevice()

    zeros = _placed(zeros, 1)
    assert zeros(()) == 1
    with pytest.raises(TypeError):
        zeros(None)
    assert runtime.getDevice() == 0
    assert calls == [1, 0, 1, 0]


def test_a_library_that_is_missed_late_is_explained():
    """cuBLAS and its kind are loaded at their first use, cuBLAS as an import."""
    not_found = type("DynamicLibNotFoundError", (RuntimeError,), {})

    def fails(error):
        raise error

    for error in (ImportError('Failure finding "libcublasLt.so.13"'), not_found("libcufft.so\nsearched here")):
        with pytest.raises(
            ImportError, match=r"lib\w+\.so[^\n]* To install all of them: pip install .gradcore\[cuda13"
        ):
            _explaining(fails)(error)
    with pytest.raises(RuntimeError, match="out of memory"):
        _explaining(fails)(RuntimeError("out of memory"))


# What the adapter makes of CuPy's gaps, on a NumPy that has them: no CuPy and no GPU take part.


class Gaps:
    """NumPy with the gaps of CuPy: atomic additions for some dtypes only."""

    def __getattr__(self, name):
        return getattr(np, name)

    class add:  # noqa: N801
        """The ufunc."""

        @staticmethod
        def at(a, indices, b):
            if a.dtype not in ATOMIC:
                raise TypeError(f"cupy.add.at does not support {a.dtype}")
            assert b.dtype == a.dtype
            assert np.shares_memory(a, a.base if a.base is not None else a)
            np.add.at(a, indices, b)


@pytest.fixture
def functions():
    made = object.__new__(CupyFunctions)
    made._library = Gaps()
    return made


INDICES = [
    (np.array([0, 1, 1, -1]),),
    (slice(None), np.array([[0, 1], [1, 1]])),
    (..., np.array([0, 1, 1])),
    (np.array([0, 1, 1]), ..., np.array([2, 2, 2])),
    (None, np.array([1, 1])),
    (np.array([1, 1]), slice(None), np.array([2, 2])),
    (np.array([True, False, True]), np.array([1, 1])),
    (np.array([1, 1]), np.array([0, 0]), np.array([2, 2])),
    (1, slice(0, 2)),
    (np.array([True, False, True]),),
    (...,),
]


@pytest.mark.parametrize(
    "dtype", "bool int8 uint8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
)
@pytest.mark.parametrize("at", INDICES, ids=str)
def test_scatter_add_of_every_dtype(functions, at, dtype):
    shape = (3, 2, 4)
    rng = np.random.default_rng(0)
    picked = np.zeros(shape)[at].shape
    values = rng.normal(size=picked) * 2
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.normal(size=picked)
    values = values.astype(dtype)
    expected = np.zeros(shape, dtype)
    np.add.at(expected, at, values)
    got = functions.scatter_add(values, at, shape)
    assert got.dtype == expected.dtype
    assert got.shape == shape
    np.testing.assert_allclose(got, expected, rtol=1e-3 if dtype == "float16" else 1e-6)


@pytest.mark.parametrize("value", [7, 7.5, np.array(7.0), np.array([7])], ids=repr)
@pytest.mark.parametrize("mask_ndim", [0, 1, 2, 3])
def test_a_mask_is_filled_without_counting(functions, value, mask_ndim):
    shape = (3, 2, 4)
    mask = np.arange(int(np.prod(shape[:mask_ndim]))).reshape(shape[:mask_ndim]) % 3 == 0
    expected = np.zeros(shape, "float32")
    expected[mask] = value
    got = np.zeros(shape, "float32")
    functions.setitem(got, (mask,), value)
    np.testing.assert_array_equal(got, expected)
    functions.setitem(got, mask, 0)
    assert not got.any()


def test_other_assignments(functions):
    x = np.zeros((3, 2))
    functions.setitem(x, (np.array([True, False, True]),), np.array([[1.0, 2.0], [3.0, 4.0]]))
    functions.setitem(x, (1, ...), 9.0)
    assert x.tolist() == [[1.0, 2.0], [9.0, 9.0], [3.0, 4.0]]
    with pytest.raises(IndexError):
        functions.setitem(x, (np.array([True, False]),), 1.0)


def test_clip(functions):
    x = np.array([-1.0, 0.5, 2.0])
    assert functions.clip(x, 0, 1).tolist() == [0.0, 0.5, 1.0]
    assert functions.clip(x, None, 1).tolist() == [-1.0, 0.5, 1.0]
    assert functions.clip(x) is not x


# With CuPy itself, on a machine without a GPU.


@pytest.fixture
def cupy():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    if cupy.cuda.is_available():
        pytest.skip("there is a GPU here: this is about machines without")
    return cupy


@pytest.mark.cupy
def test_cupy_without_a_gpu(cupy):
    reason = reason_of(CupyBackend())
    assert f"CuPy {cupy.__version__} finds no GPU" in reason
    assert "\n" not in reason


@pytest.mark.cupy
def test_cupy_without_a_gpu_reaches_the_user(cupy):
    program = """
        import gradcore as gc
        try:
            gc.zeros(2, device="cuda:0")
        except RuntimeError as e:
            print(e)
        print(gc.zeros(2, device="auto").device)
    """
    message, auto = run(program).splitlines()
    assert "finds no GPU" in message
    assert auto == "cpu"


@pytest.mark.cupy
def test_the_names_of_the_standard_are_there(cupy):
    """A namespace can be made without a GPU, only not used."""
    namespace = CupyBackend().namespace(0)
    assert [name for name in STANDARD if not hasattr(namespace, name)] == []
    assert namespace.array_class is cupy.ndarray
    assert namespace.linalg.inv is not cupy.linalg.inv
    assert namespace.fft.fft is not cupy.fft.fft
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        namespace.zeros((2,))


@pytest.mark.cupy
def test_the_private_names_that_ownership_needs_are_there(cupy):
    assert hasattr(cupy.ndarray, "data")
    assert hasattr(cupy.cuda.MemoryPointer, "mem")


@pytest.mark.cupy
def test_a_cupy_array_is_known_without_being_made(cupy):
    assert cupy.ndarray.__module__ == "cupy"
    assert cupy.ndarray.__name__ == "ndarray"
