"""Devices: their names, the default one, tensors that stay where they are, other people's backends."""

from __future__ import annotations

import asyncio
import copy
import importlib.metadata
import importlib.util
import os
import pickle
import subprocess
import sys
import threading

import array_api_compat.numpy as compat
import numpy as np
import pytest

import gradcore as gc
import gradcore.cuda
from gradcore.device import _backends, device_of, resolve
from gradcore.errors import DeviceError, DeviceUnavailableError

ONE, TWO = "strict:1", "strict:2"


# Device objects.


def test_devices_are_interned():
    assert gc.device("cuda:0") is gc.device("cuda", 0) is gc.device(gc.device("cuda:0"))
    assert gc.device("cpu") is gc.device("cpu")
    assert gc.device("cuda") is not gc.device("cuda:0")
    assert gc.ones(1, device=ONE).device is gc.device(ONE)


def test_equality_and_hash():
    assert gc.device("cuda:1") == "cuda:1"
    assert gc.device("cuda:1") != "cuda:2"
    assert gc.device("cuda:1") != gc.device("cuda:2")
    assert gc.device("cpu") != "no such device"
    assert gc.device("cpu") != 3
    assert len({gc.device("cpu"), gc.device("cpu"), gc.device("cuda:0")}) == 2
    assert {gc.device("cuda:1"): 5}["cuda:1"] == 5, "equal objects must have equal hashes"


def test_repr_and_str():
    assert repr(gc.device("cpu")) == "device(type='cpu')"
    assert repr(gc.device("cuda:1")) == "device(type='cuda', index=1)"
    assert str(gc.device("cuda", 1)) == "cuda:1"
    assert str(gc.device("cuda")) == "cuda"


def test_type_and_index():
    d = gc.device("strict:2")
    assert (d.type, d.index) == ("strict", 2)
    assert (gc.device("cpu").type, gc.device("cpu").index) == ("cpu", None)


def test_copies_and_pickles_are_the_same_object():
    d = gc.device(ONE)
    assert copy.copy(d) is d
    assert copy.deepcopy([d])[0] is d
    assert pickle.loads(pickle.dumps(d)) is d


WRONG = [
    ("cuda:x", "Invalid device string: 'cuda:x'"),
    ("cuda:-1", "Invalid device string"),
    ("cuda:", "Invalid device string"),
    ("", "Invalid device string"),
    ("gpu", "Invalid device string: 'gpu'.*cpu.*cuda.*strict"),
    ("CPU", "Invalid device string"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_strings_that_name_no_device(text, message):
    with pytest.raises(DeviceError, match=message):
        gc.device(text)
    with pytest.raises(RuntimeError, match=message):
        gc.ones(2, device=text)


def test_other_wrong_arguments():
    with pytest.raises(DeviceError, match="index given twice"):
        gc.device("cuda:1", 2)
    with pytest.raises(DeviceError, match="0 or more"):
        gc.device("cuda", -1)
    with pytest.raises(TypeError, match="float"):
        gc.ones(1, device=1.5)


def test_devices_that_do_not_exist():
    with pytest.raises(DeviceUnavailableError, match=r"strict:7.*does not exist.*strict:0 to strict:2"):
        gc.ones(2, device="strict:7")
    with pytest.raises(DeviceUnavailableError, match="cpu:1"):
        gc.ones(2, device="cpu:1")
    assert gc.device("strict:7").type == "strict"  # naming it is no error


def test_resolving():
    assert resolve("cpu:0") is gc.device("cpu")
    assert resolve("strict") is gc.device("strict:0")
    assert resolve(None) is gc.get_default_device()
    assert str(resolve("auto")) in ("cpu", "cuda:0")


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
def test_cuda_without_cupy_says_what_to_install():
    for act in (lambda: gc.ones(1, device="cuda"), lambda: gc.ones(1, device="cuda:1"), gc.ones(1, device="cpu").cuda):
        with pytest.raises(DeviceUnavailableError, match=r"(?s)CuPy.*pip install"):
            act()
    assert not gradcore.cuda.is_available()
    assert gradcore.cuda.device_count() == 0
    assert "pip install" in gradcore.cuda.why_unavailable()
    assert resolve("auto") == "cpu"


# The default device.


def after(code, **environment):
    """The result of a program in a fresh interpreter: its last line of output, or of what it said when it failed."""
    env = {k: v for k, v in os.environ.items() if k != "GRADCORE_DEVICE"}
    env |= {"PYTHONPATH": os.pathsep.join(sys.path), **environment}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    return done.returncode, (done.stdout or done.stderr).strip()


@pytest.fixture
def environment(monkeypatch):
    """Sets GRADCORE_DEVICE as if before the program's first use of the default device."""
    yield lambda value: (monkeypatch.setenv("GRADCORE_DEVICE", value), gc.set_default_device(None))
    gc.set_default_device(None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", "cpu"), ("cpu", "cpu"), (" strict:1 ", "strict:1"), ("strict", "strict:0"), ("cpu:0", "cpu")],
)
def test_environment_variable(environment, value, expected):
    environment(value)
    assert gc.ones(1).device == expected
    assert gc.tensor([1.0]).device == expected
    assert gc.ones(1, device="cpu").device == "cpu"


def test_auto_is_cuda_or_else_cpu(environment):
    environment("auto")
    assert gc.ones(1).device == ("cuda:0" if gradcore.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("cdua", "Invalid device string: 'cdua'.*cpu, cuda, strict"),
        ("strict:9", "does not exist.*strict:0 to strict:2"),
        ("cpu:3", "there is one cpu device"),
        ("cuda:x", "Invalid device string"),
    ],
)
def test_wrong_environment_variable(environment, value, message):
    environment(value)
    for _ in range(2):  # it stays wrong
        with pytest.raises(DeviceError, match=f"GRADCORE_DEVICE='{value}'.*{message}") as caught:
            gc.ones(1)
        assert caught.value.__suppress_context__, "one error, not a chain"
    assert gc.ones(1, device="cpu").device == "cpu"


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
def test_environment_variable_that_asks_for_cuda_without_cupy(environment):
    environment("cuda")
    with pytest.raises(DeviceUnavailableError, match=r"(?s)GRADCORE_DEVICE='cuda'.*CuPy.*pip install"):
        gc.ones(1)


@pytest.mark.slow
def test_whole_programs_under_the_environment_variable():
    ones = "import gradcore; print(gradcore.ones(1).device)"
    assert after(ones) == (0, "cpu")
    assert after(ones, GRADCORE_DEVICE="strict:1") == (0, "strict:1")
    code, said = after(ones, GRADCORE_DEVICE="cdua")
    assert code == 1
    assert "GRADCORE_DEVICE='cdua'" in said.splitlines()[-1]
    assert said.count("Traceback") == 1


def test_cupy_and_array_api_strict_are_not_imported_before_they_are_asked_for():
    program = (
        "import sys, gradcore as gc; x = gc.ones(2, requires_grad=True); (x * x).backward(gc.ones(2)); gc.tensor([1]);"
        "print(sorted({'cupy', 'array_api_strict', 'torch', 'scipy'} & set(sys.modules)))"
    )
    assert after(program) == (0, "[]")


def test_blocks_set_the_default_device(device):
    with gc.device(ONE) as entered:
        assert entered is gc.device(ONE)
        assert gc.get_default_device() == ONE
        made = [
            gc.ones(2),
            gc.zeros(2),
            gc.empty(2),
            gc.full((2,), 1.0),
            gc.arange(3),
            gc.linspace(0, 1, 3),
            gc.eye(2),
            gc.tensor([1.0]),
            gc.tensor(np.ones(2)),
            gc.as_tensor([1.0]),
            gc.scalar_tensor(1.0),
            gc.rand(2),
            gc.randn(2),
            gc.randint(5, (2,)),
            gc.randperm(3),
        ]
        assert {str(x.device) for x in made} == {ONE}
        with gc.device(TWO):
            assert gc.ones(1).device == TWO
            with gc.device("cpu"):
                assert gc.ones(1).device == "cpu"
            assert gc.ones(1).device == TWO
        assert gc.ones(1).device == ONE
        assert gc.ones(1, device=TWO).device == TWO
        assert gc.from_numpy(np.ones(2)).device == "cpu"
    assert gc.get_default_device() == device


def test_a_block_that_fails_restores(device):
    with pytest.raises(ZeroDivisionError), gc.device(ONE):
        1 / 0  # noqa: B018
    assert gc.get_default_device() == device
    with pytest.raises(DeviceUnavailableError), gc.device("strict:8"):
        pass
    assert gc.get_default_device() == device


def test_set_default_device(device):
    try:
        gc.set_default_device(ONE)
        assert gc.ones(1).device == ONE
        with gc.device(TWO):
            assert gc.ones(1).device == TWO
        with pytest.raises(DeviceError):
            gc.set_default_device("no such device")
        assert gc.get_default_device() == ONE
        gc.set_default_device(gc.device("cpu"))
        assert gc.ones(1).device == "cpu"
    finally:
        gc.set_default_device(None)
    assert gc.get_default_device() == device


def test_blocks_belong_to_a_thread_and_to_a_task(device):
    seen = []
    with gc.device(ONE):
        thread = threading.Thread(target=lambda: seen.append(str(gc.ones(1).device)))
        thread.start()
        thread.join()
    assert seen == [device]

    async def worker(name):
        with gc.device(name):
            for _ in range(3):
                await asyncio.sleep(0)
                assert gc.ones(1).device == name

    async def main():
        await asyncio.gather(worker(ONE), worker(TWO), worker("cpu"))

    asyncio.run(main())
    assert gc.get_default_device() == device


def test_like_factories_and_results_follow_their_operand_not_the_default():
    x = gc.ones(2, device=TWO)
    with gc.device(ONE):
        for make in (gc.ones_like, gc.zeros_like, gc.empty_like, gc.rand_like, gc.randn_like):
            assert make(x).device == TWO
        assert gc.full_like(x, 2.0).device == TWO
        assert (x + 1).device == TWO
        assert gc.ones_like(x, device="cpu").device == "cpu"
        assert gc.tensor(x._data).device == TWO  # an array of a device's own library stays on it


# Two devices.


def pair(requires_grad=False):
    return gc.ones(2, 2, device=ONE, requires_grad=requires_grad), gc.ones(2, 2, device=TWO)


MIXES = {
    "add": lambda x, y: x + y,
    "mul": gc.mul,
    "mm": lambda x, y: x @ y,
    "cat": lambda x, y: gc.cat([x, y]),
    "where": lambda x, y: gc.where(x > 0, x, y),
    "add_": lambda x, y: x.add_(y),
    "sub ": lambda x, y: x - y,
    "eq": lambda x, y: x == y,
}


@pytest.mark.parametrize("name", MIXES)
def test_operands_on_two_devices_are_refused(name):
    x, y = pair()
    with pytest.raises(DeviceError, match="to be on the same device") as caught:
        MIXES[name](x, y)
    for part in (ONE, TWO, name.strip().removesuffix("_")):
        assert part in str(caught.value)
    assert x._version == 0
    assert x.tolist() == [[1, 1], [1, 1]]


def test_nothing_runs_before_devices_are_checked(monkeypatch):
    x, y = pair(requires_grad=True)
    with pytest.raises(DeviceError):
        # Shapes do not fit either: the devices are looked at first.
        x + gc.ones(3, 5, device=TWO)
    monkeypatch.setattr(x._device.xp, "add", lambda *a: pytest.fail("the library was called"))
    with pytest.raises(DeviceError):
        x + y


def test_a_cpu_tensor_with_dimensions_does_not_mix():
    x = gc.ones(2, device=ONE)
    for y in (gc.ones(2, device="cpu"), gc.ones(1, device="cpu")):
        with pytest.raises(DeviceError, match=f"{ONE}.*cpu|cpu.*{ONE}"):
            x * y
        with pytest.raises(DeviceError):
            y * x


def test_a_0d_tensor_of_another_device_does_not_mix():
    with pytest.raises(DeviceError):
        gc.ones(2, device=ONE) * gc.tensor(2.0, device=TWO)
    with pytest.raises(DeviceError):
        gc.ones(2, device="cpu") * gc.tensor(2.0, device=TWO)


def test_a_0d_cpu_tensor_mixes_and_gets_its_gradient_on_the_cpu():
    for order in (lambda a, b: a * b, lambda a, b: b * a):
        x = gc.ones(2, device=ONE, requires_grad=True)
        s = gc.tensor(3.0, device="cpu", requires_grad=True)
        y = order(x, s)
        assert y.device == ONE
        y.sum().backward()
        assert x.grad.device == ONE
        assert s.grad.device == "cpu"
        assert x.grad.tolist() == [3, 3]
        assert s.grad.item() == 2
        s.grad = None
        (g,) = gc.autograd.grad((order(x, s) ** 2).sum(), s, create_graph=True)
        (h,) = gc.autograd.grad(g, s)
        assert h.device == "cpu"
        assert h.item() == 4


def test_a_0d_cpu_tensor_keeps_the_dtype_of_the_other():
    x = gc.ones(2, device=ONE)
    assert (x * gc.tensor(2.0, dtype=gc.float64, device="cpu")).dtype == gc.float32
    x.mul_(gc.tensor(3.0, device="cpu"))
    assert x.tolist() == [3, 3]


def test_writing_an_operand_of_another_device_in_place_is_refused_both_ways():
    x = gc.tensor(2.0, device="cpu")
    with pytest.raises(RuntimeError, match="cpu"):
        x.mul_(gc.ones((), device=ONE))
    assert x.item() == 2


def test_numpy_arrays_beside_a_tensor_of_another_device_are_refused():
    with pytest.raises(DeviceError):
        gc.ones(2, device=ONE) * np.ones(2)
    assert (gc.ones(2, device=ONE) * np.float64(2.0)).device == ONE


# Moving.


def test_to_gives_the_same_tensor_where_there_is_nothing_to_do():
    x = gc.ones(2, device=ONE, requires_grad=True)
    assert x.to(ONE) is x
    assert x.to(gc.device(ONE)) is x
    assert x.to(ONE, gc.float32) is x
    assert x.to(x) is x
    assert x.to(device=ONE, dtype=gc.float32, non_blocking=True) is x
    assert x.to(ONE, copy=True) is not x
    c = gc.ones(2, device="cpu")
    assert c.cpu() is c


def test_to_moves_and_casts():
    x = gc.ones(2, device=ONE)
    y = x.to(TWO, gc.float64)
    assert (str(y.device), y.dtype) == (TWO, gc.float64)
    z = x.to(gc.ones(1, dtype=gc.int64, device="cpu"))
    assert (str(z.device), z.dtype) == ("cpu", gc.int64)
    assert x.to("cpu").device == "cpu"
    with pytest.raises(DeviceError):
        x.to("strict:5")
    with pytest.raises(DeviceError):
        x.to("nowhere")


def test_a_move_copies():
    x = gc.ones(2, device=ONE)
    y = x.cpu()
    y.add_(1)
    assert x.tolist() == [1, 1]
    back = y.to(ONE)
    back.add_(1)
    assert y.tolist() == [2, 2]


def test_the_gradient_goes_back_to_where_the_leaf_is():
    x = gc.ones(2, device=ONE, requires_grad=True)
    y = x.cpu()
    assert type(y.grad_fn).__name__ == "ToCopyBackward0"
    z = (y * 2).to(TWO) * gc.tensor([3.0, 4.0], device=TWO)
    z.to(gc.float64).sum().backward()
    assert x.grad.device == ONE
    assert x.grad.dtype == gc.float32
    assert x.grad.tolist() == [6, 8]


def test_the_path_back_is_differentiable():
    x = gc.tensor([2.0, 3.0], device=ONE, requires_grad=True)
    y = (x.to(TWO) ** 3).sum()
    (g,) = gc.autograd.grad(y, x, create_graph=True)
    assert g.device == ONE
    (h,) = gc.autograd.grad(g.sum(), x)
    assert h.device == ONE
    assert h.tolist() == [12, 18]


def test_moving_a_view_and_under_no_grad():
    x = gc.ones(4, device=ONE, requires_grad=True)
    v = (x * 2)[1:3].cpu()
    v.sum().backward()
    assert x.grad.tolist() == [0, 2, 2, 0]
    with gc.no_grad():
        assert not x.cpu().requires_grad


# Staying.


OPERANDS = [[0.1, 0.2], [0.3, -0.4]], [[0.5, 0.1], [0.7, 0.9]]


def program(x, w):
    h = (x @ w).tanh()
    h = gc.cat([h, h.flip(0)]).reshape(2, -1)
    h[0, 1:] = 0.5
    index = gc.argsort(h.sum(0)) if hasattr(gc, "argsort") else None
    h = h[:, index] if index is not None else h
    p = gc.softmax(h * 2 + gc.ones_like(h), 1)
    return (p.log() * p).sum() + h.std() + gc.where(h > 0, h, -h).mean() + h.max(1).values.sum()


@pytest.mark.parametrize("where", [ONE, "cpu"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_results_and_gradients_stay(where, create_graph):
    x, w = (gc.tensor(v, device=where, requires_grad=True) for v in OPERANDS)
    # The default is another device: whatever forgets to name its device lands there.
    with gc.device(TWO):
        loss = program(x, w)
        assert loss.device == where
        seen = []
        node = loss.grad_fn
        stack, known = [node], set()
        while stack:
            node = stack.pop()
            if node is None or node in known or not node.next_functions:
                continue
            known.add(node)
            node.register_hook(lambda gi, go: seen.extend(str(g.device) for g in (*gi, *go) if g is not None))
            stack += [n for n, _ in node.next_functions]
        grads = gc.autograd.grad(loss, [x, w], create_graph=create_graph)
        assert len(known) > 20
        assert set(seen) == {where}
        assert {str(g.device) for g in grads} == {where}
        if create_graph:
            again = gc.autograd.grad(sum((g * g).sum() for g in grads), [x, w])
            assert {str(g.device) for g in again} == {where}
        else:
            program(x, w).backward()
            assert x.grad.device == where


def test_all_devices_compute_the_same():
    results = []
    for where in ("cpu", "strict:0", ONE):
        x, w = (gc.tensor(v, device=where, requires_grad=True) for v in OPERANDS)
        loss = program(x, w)
        results.append([loss.item(), *(g.cpu().tolist() for g in gc.autograd.grad(loss, [x, w]))])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


# Ways out.


def test_numpy_of_another_device_is_refused_and_says_cpu():
    x = gc.ones(2, device=ONE)
    for act in (x.numpy, lambda: np.asarray(x), lambda: np.array(x)):
        with pytest.raises(TypeError, match=r"(?s)strict:1.*cpu\(\)"):
            act()
    assert x.cpu().numpy().tolist() == [1, 1]
    assert x.numpy(force=True).tolist() == [1, 1]
    assert x.tolist() == [1, 1]
    assert x.sum().item() == 2
    assert float(x[0]) == 1.0
    assert bool(x[0])


def test_repr_names_the_device():
    assert repr(gc.ones(2, device=ONE)) == "tensor([1., 1.], device='strict:1')"
    assert repr(gc.ones(2, device=ONE, requires_grad=True)) == "tensor([1., 1.], device='strict:1', requires_grad=True)"
    assert repr(gc.ones(2, device="cpu")) == "tensor([1., 1.])"


def test_copies_and_pickles_of_tensors_keep_the_device():
    x = gc.ones(2, device=TWO, requires_grad=True)
    with gc.device(ONE):
        for y in (copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x)), x.detach(), x.clone(), x.data):
            assert y.device == TWO


def test_grad_of_another_device_is_refused():
    x = gc.ones(2, device=ONE, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"assign a gradient with device type.*strict:2.*strict:1.*the same device"):
        x.grad = gc.ones(2, device=TWO)
    assert x.grad is None


def test_properties():
    x, y = gc.ones(1, device=ONE), gc.ones(1, device="cpu")
    assert (x.is_cpu, x.is_cuda, y.is_cpu, y.is_cuda) == (False, False, True, False)


def test_device_of_raw_arrays():
    assert device_of(gc.ones(1, device=TWO)._data) == TWO
    assert device_of(np.ones(1)) == "cpu"
    assert device_of([1.0]) is None


def test_generators_belong_to_a_device():
    g = gc.Generator(device=ONE).manual_seed(3)
    assert g.device == ONE
    a = gc.rand(3, generator=g, device=ONE)
    assert a.device == ONE
    with pytest.raises(RuntimeError, match="device type for generator"):
        gc.rand(3, generator=g, device=TWO)


# A backend of somebody else.


class TinyArray(np.ndarray):
    """The arrays of an imaginary library."""


class TinyNamespace:
    """That library's functions, which are NumPy's."""

    array_class = TinyArray
    floating_dtypes = (np.dtype("float32"), np.dtype("float64"))
    device = None

    def __getattr__(self, name):
        return getattr(compat, name)

    def _made(name):  # noqa: N805 - makes the methods below
        def create(self, *args, **kwargs):
            return getattr(compat, name)(*args, **kwargs).view(TinyArray)

        return create

    asarray, zeros, ones, empty, full, arange, eye, linspace = map(
        _made, ("asarray", "zeros", "ones", "empty", "full", "arange", "eye", "linspace")
    )

    def conj(self, x):
        return x.conj()

    def number(self, value, dtype):
        return value

    def np_dtype(self, dtype):
        return np.dtype(dtype)

    def getitem(self, x, at):
        return x[at]

    def setitem(self, x, at, value):
        x[at] = value

    def copy(self, x):
        return x.copy()

    def copy_like(self, x, like):
        return x.copy()

    def owns(self, x, references):
        return False

    def may_overlap(self, x, y):
        return True

    def self_overlaps(self, x):
        return 0 in x.strides

    def view(self, x, shape):
        return x.reshape(shape)

    def strides(self, x):
        return tuple(s // x.itemsize for s in x.strides)


class TinyBackend:
    """Two devices, ``tiny:0`` and ``tiny:1``."""

    type = "tiny"
    indexed = True
    namespaces = (TinyNamespace(), TinyNamespace())
    scopes: list[str]

    def unavailable(self):
        return None

    def device_count(self):
        return 2

    def current_index(self):
        return 1

    def namespace(self, index):
        return self.namespaces[index]

    def large_namespace(self, index):
        return None

    def scope(self, index):
        return (lambda: self.scopes.append("enter"), lambda token: self.scopes.append("leave"))

    def is_native(self, obj):
        return isinstance(obj, TinyArray)

    def index_of(self, array):
        return 0

    def from_numpy(self, array, index):
        return np.array(array).view(TinyArray)

    def to_numpy(self, array):
        return np.asarray(array)

    def synchronize(self, index):
        pass

    def memory_allocated(self, index):
        return 0

    def empty_cache(self, index):
        pass


class EntryPoint:
    name = "tiny"

    def __init__(self, backend):
        self.backend = backend

    def load(self):
        return self.backend


@pytest.fixture
def tiny(monkeypatch):
    backend = TinyBackend()
    backend.scopes = []

    def entry_points(*, group):
        return [EntryPoint(backend)] if group == "gradcore.backends" else []

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    yield backend
    _backends.pop("tiny", None)
    for key in [k for k in gc.device._interned if k[0] == "tiny"]:
        del gc.device._interned[key]


def test_a_backend_from_an_entry_point(tiny):
    x = gc.tensor([1.0, 2.0], device="tiny", requires_grad=True)
    assert x.device == "tiny:1"
    assert type(x._data) is TinyArray
    y = (x * x + 1) * 2
    y.backward(gc.ones_like(y))
    assert x.grad.device == "tiny:1"
    assert type(x.grad._data) is TinyArray
    assert x.grad.tolist() == [4, 8]
    assert tiny.scopes.count("enter") == tiny.scopes.count("leave") > 0
    with pytest.raises(DeviceError, match=r"tiny:0.*tiny:1|tiny:1.*tiny:0"):
        x + gc.ones(2, device="tiny:0")
    assert x.cpu().device == "cpu"
    with pytest.raises(TypeError, match=r"cpu\(\)"):
        x.detach().numpy()
    with pytest.raises(DeviceUnavailableError, match="tiny:0 to tiny:1"):
        gc.ones(1, device="tiny:2")
    with gc.device("tiny:0"):
        assert gc.ones(1).device == "tiny:0"


def test_an_unknown_device_lists_the_backends_of_others(tiny):
    with pytest.raises(DeviceError, match="cpu, cuda, strict, tiny"):
        gc.device("tinny")


def test_scopes_are_left_when_an_operation_or_a_backward_fails(tiny):
    x = gc.ones(2, device="tiny:0", requires_grad=True)
    with pytest.raises(RuntimeError):
        x * gc.ones(3, device="tiny:0")
    y = x * x
    y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        y.backward(gc.ones_like(y))
    assert tiny.scopes.count("enter") == tiny.scopes.count("leave")
