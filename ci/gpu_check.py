"""Everything about gradcore that only a machine with a GPU can show, in one command.

On a machine with a GPU::

    python -m pip install "gradcore[cuda13]"        # or cuda12; torch with CUDA beside it for the timings
    python ci/gpu_check.py --out gpu_check.json

Exits with 1 if anything is wrong, and also if there is no GPU: it is never skipped in silence. One table stands
at the end of the output. Every check runs, whatever the others found.

A rehearsal runs what is not about CUDA on another device, and says what it left out::

    python ci/gpu_check.py --device strict:1
"""

from __future__ import annotations

import argparse
import contextlib
import gc as garbage
import json
import os
import platform
import re
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backends")]

import numpy as np  # noqa: E402 - the checkout goes before an installed copy

import gradcore as gc  # noqa: E402
from benchmarks import programs  # noqa: E402
from benchmarks.measure import interleave, ratio  # noqa: E402
from benchmarks.report import table  # noqa: E402
from gradcore import cuda  # noqa: E402
from gradcore.device import resolve  # noqa: E402
from gradcore.op import OPS  # noqa: E402
from gradcore.testing.registry import import_operations  # noqa: E402
from gradcore.testing.samples import Make, Sample  # noqa: E402

TOLERANCE = {"float16": 1e-2, "float32": 1e-5, "complex64": 1e-5, "float64": 1e-10, "complex128": 1e-10}
"""How far results may lie apart, relative to the norm of what the cpu says, or to 1 where that is smaller."""

STEPS = 200
BATCH = 64


class Failed(Exception):  # noqa: N818 - a finding
    """A check found something wrong."""


class NotRun(Exception):  # noqa: N818 - a finding
    """A check cannot be made here; says why."""


@dataclass
class Context:
    """What is checked: a device, and the operations."""

    device: str
    operations: list[str]

    @property
    def cuda(self) -> bool:
        """Whether the device is a real one; anything else is a rehearsal."""
        return self.device.startswith("cuda")

    def need_cuda(self) -> None:
        """Raises NotRun in a rehearsal."""
        if not self.cuda:
            raise NotRun("needs CUDA")


@dataclass
class Outcome:
    """What came of one check."""

    name: str
    status: str
    detail: str
    seconds: float = 0.0
    data: dict[str, Any] = field(default_factory=dict)


Check = Callable[[Context, dict[str, Any]], str]
CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Register a check: it returns what the table says, raises Failed or NotRun, may leave data for the file."""

    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


# Operations: the numbers of the device against those of the cpu.


@check("forward")
def check_forward(context: Context, data: dict[str, Any]) -> str:
    """The results of every operation."""
    return over_operations(context, data, compare_forward)


@check("gradients")
def check_gradients(context: Context, data: dict[str, Any]) -> str:
    """The gradients of every operation."""
    return over_operations(context, data, lambda name, case: compare_gradients(name, case, order=1))


@check("second derivatives")
def check_second_derivatives(context: Context, data: dict[str, Any]) -> str:
    """The gradients of gradients."""
    return over_operations(context, data, lambda name, case: compare_gradients(name, case, order=2))


@dataclass
class Case:
    """One call of an operation on the device, and the same call on the cpu."""

    here: Sample
    there: Sample


def over_operations(context: Context, data: dict[str, Any], compare: Callable[[str, Case], float]) -> str:
    """Run a comparison on every sample of every operation, as it is and with strided operands."""
    wrong: dict[str, str] = {}
    deviations: dict[str, float] = {}
    count = 0
    for name in context.operations:
        try:
            for case in cases(name, context.device):
                poison(context.device)
                deviations[name] = max(deviations.get(name, 0.0), compare(name, case))
                count += 1
        except Exception as e:  # noqa: BLE001 - one operation's failure must not hide the others'
            wrong[name] = one_line(e)
    data["largest relative deviation"] = dict(sorted(deviations.items(), key=lambda item: -item[1]))
    data["wrong"] = wrong
    if wrong:
        shown = "; ".join(f"{name}: {why}" for name, why in list(wrong.items())[:3])
        raise Failed(f"{len(wrong)} of {len(context.operations)} operations are wrong, {', '.join(wrong)}: {shown}")
    worst = next(iter(data["largest relative deviation"].items()), ("none", 0.0))
    return f"{len(context.operations)} operations, {count} calls; largest deviation {worst[1]:.1e} ({worst[0]})"


def cases(name: str, device: str) -> Iterator[Case]:
    """Every sample of an operation, on the device and on the cpu; then the same with strided operands."""
    for change in (lambda x: x,) if OPS[name].reads_layout else (lambda x: x, strided):
        here, there = (list(samples(name, place)) for place in (device, "cpu"))
        for a, b in zip(here, there, strict=True):
            yield Case(changed(a, change), changed(b, change))


def samples(name: str, device: str) -> Iterator[Sample]:
    """The samples of an operation on a device, in float64."""
    make = OPS[name].samples
    if make is None:
        raise Failed("has no samples")
    yield from make(Make(device=device))


def changed(sample: Sample, change: Callable[[Any], Any]) -> Sample:
    """The sample with its tensors changed."""
    operands = (change(x) if isinstance(x, gc.Tensor) else x for x in sample.operands)
    return Sample(*operands, **sample.params).checked(sample.before, sample.after)


def strided(x: Any) -> Any:
    """The same leaf in memory with gaps."""
    if x.ndim == 0:
        return x
    gappy = gc.stack([x.detach(), x.detach()], -1)[..., 0]
    return gappy.requires_grad_(x.requires_grad)


def poison(device: str) -> None:
    """Fill memory with NaN and free it, so that a result that is not written shows."""
    for count in (1, 16, 64, 256, 1024):
        gc.full((count,), float("nan"), dtype=gc.float64, device=device)


def compare_forward(name: str, case: Case) -> float:
    """The largest deviation of the outputs of one call."""
    before = [to_host(x) for x in tensors(case.here)]
    deviation = compare(call(name, case.here), call(name, case.there), case)
    for x, old in zip(tensors(case.here), before, strict=True):
        if not np.array_equal(to_host(x), old, equal_nan=True):
            raise Failed(f"wrote to its operand in {case.here}")
    return deviation


def compare_gradients(name: str, case: Case, order: int) -> float:
    """The largest deviation of the gradients of one call."""
    if not OPS[name].differentiable:
        return 0.0
    try:
        there = gradients(name, case.there, order)
    except RuntimeError as e:
        if "derivative for" not in str(e):
            raise
        # Some have no derivative with respect to an operand, and say so on every device.
        refused(lambda: gradients(name, case.here, order), type(e), str(e))
        return 0.0
    return compare(gradients(name, case.here, order), there, case)


def gradients(name: str, sample: Sample, order: int) -> list[Any]:
    """The gradients of the operands, or (second order) those of a weighted sum of them."""
    leaves = [x for x in tensors(sample) if x.requires_grad]
    outputs = [out for out in call(name, sample) if out.requires_grad]
    for round_ in range(order):
        if not outputs or not leaves:
            return []
        weights = [weight_like(out, round_) for out in outputs]
        found = gc.autograd.grad(outputs, leaves, weights, create_graph=round_ + 1 < order, allow_unused=True)
        for leaf, g in zip(leaves, found, strict=True):
            if g is not None and (g.device, g.dtype, g.shape) != (leaf.device, leaf.dtype, leaf.shape):
                raise Failed(f"the gradient of {describe(leaf)} is {describe(g)} in {sample}")
        outputs = [g for g in found if g is not None and (g.requires_grad or round_ + 1 == order)]
    return outputs


def weight_like(x: Any, seed: int) -> Any:
    """Numbers between 0.5 and 1.5, the same on every device."""
    values = np.random.default_rng(seed + x.numel()).random(tuple(x.shape)) + 0.5
    return gc.tensor(values, dtype=x.dtype, device=x.device)


def call(name: str, sample: Sample) -> list[Any]:
    """The outputs of an operation, without what it leaves open (the phases of eigenvectors)."""
    result = sample.finished(OPS[name].function(*sample.operands, **sample.params))
    return list(result) if isinstance(result, (tuple, list)) else [result]


def tensors(sample: Sample) -> list[Any]:
    """The tensors among the operands."""
    return [x for x in sample.operands if isinstance(x, gc.Tensor)]


def compare(here: Sequence[Any], there: Sequence[Any], case: Case) -> float:
    """The largest relative deviation.

    Raises:
        Failed: it is too large, or devices, dtypes, shapes are not what they should be.
    """
    if len(here) != len(there):
        raise Failed(f"{len(here)} results instead of {len(there)} in {case.here}")
    largest = 0.0
    wanted = next((x.device for x in tensors(case.here)), None)
    for a, b in zip(here, there, strict=True):
        if a.dtype != b.dtype or a.shape != b.shape:
            raise Failed(f"{describe(a)} instead of {describe(b)} in {case.here}")
        if wanted is not None and a.device != wanted:
            raise Failed(f"the result is on {a.device}, not on {wanted}, in {case.here}")
        x, y = to_host(a), to_host(b)
        apart = distance(x, y)
        if not apart <= TOLERANCE.get(x.dtype.name, 0.0):
            raise Failed(f"relative deviation {apart:.1e} in {case.here}")
        largest = max(largest, apart)
    return largest


def distance(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
    """The norm of the difference, relative to that of ``y`` or to 1; infinite where inf and nan differ."""
    if x.dtype.kind not in "fc":
        return 0.0 if np.array_equal(x, y) else float("inf")
    special = ~np.isfinite(y)
    if not np.array_equal(x[special], y[special], equal_nan=True) or not np.isfinite(x[~special]).all():
        return float("inf")
    x, y = (v[~special].astype(np.complex128) for v in (x, y))
    return float(np.linalg.norm(x - y)) / max(float(np.linalg.norm(y)), 1.0)


def to_host(x: Any) -> np.ndarray[Any, Any]:
    """A copy of the numbers of a tensor."""
    return np.array(x.numpy(force=True))


def describe(x: Any) -> str:
    """Shape, dtype, device."""
    return f"{list(x.shape)} {x.dtype.name} on {x.device}"


# Devices: where tensors are, and what is refused.


@check("placement")
def check_placement(context: Context, data: dict[str, Any]) -> str:
    """Tensors, results and gradients are where they should be."""
    device = resolve(context.device)
    made = {
        "tensor": gc.tensor([1.0, 2.0], device=device),
        "ones": gc.ones(2, device=device),
        "arange": gc.arange(3, device=device),
        "randn": gc.randn(2, device=device),
        "ones_like": gc.ones_like(gc.zeros(2, device=device)),
        "to": gc.ones(2, device="cpu").to(device),
    }
    with device:
        made["default device"] = gc.ones(2)
    for how, t in made.items():
        expect(t.device is device, f"{how} made a tensor on {t.device} instead of {device}")
    x = made["ones"]
    expect(x.to(device) is x, ".to() of the same device made another tensor")

    leaf = gc.ones(3, device="cpu", requires_grad=True)
    (leaf.to(device) * 2).sum().backward()
    expect(str(leaf.grad) == "tensor([2., 2., 2.])", f"the gradient that came back through .to() is {leaf.grad}")

    scalar = gc.tensor(3.0, device="cpu", requires_grad=True)
    out = x * scalar
    expect(out.device is device, "a 0-d cpu tensor took the result to the cpu")
    out.sum().backward()
    expect(str(scalar.grad) == "tensor(2.)", f"the gradient of a 0-d cpu tensor is {scalar.grad}")
    host = x.cpu()
    expect(str(host.device) == "cpu" and host.numpy().tolist() == [1.0, 1.0], f".cpu() gave {host}")
    return f"{len(made)} ways to make a tensor, moves, 0-d cpu tensors"


@check("device errors")
def check_errors(context: Context, data: dict[str, Any]) -> str:
    """What PyTorch refuses is refused, with a message that names what it is about."""
    device = resolve(context.device)
    if device.type == "cpu":
        raise NotRun("needs a device besides the cpu")
    here, there = gc.ones(2, device=device), gc.ones(2, device="cpu")
    refused(lambda: here + there, RuntimeError, str(device), "cpu", "add")
    refused(lambda: gc.autograd.grad(here.requires_grad_().sum(), here, there.sum()), RuntimeError, str(device))
    refused(lambda: here.detach().numpy(), TypeError, ".cpu()")
    refused(lambda: gc.ones(2, device=f"{device.type}:99"), RuntimeError, f"{device.type}:99")
    refused(lambda: gc.ones(2, device=f"{device.type}:x"), RuntimeError, f"{device.type}:x")
    return "mixed devices, .numpy(), an index out of range, a misspelt name"


@check("environment variable")
def check_environment(context: Context, data: dict[str, Any]) -> str:
    """``GRADCORE_DEVICE`` in processes of their own."""
    kind = resolve(context.device).type
    good = {"cpu": "cpu", f" {kind} ": str(resolve(kind)), context.device: str(resolve(context.device))}
    if context.cuda:
        good |= {"auto": "cuda:0"}
    for value, wanted in good.items():
        done = python("import gradcore as gc; print(gc.ones(2).device)", GRADCORE_DEVICE=value)
        expect(done.stdout.strip() == wanted, f"{value!r} gave {done.stdout.strip() or last_line(done.stderr)}")
    bad = [f"{kind}:99", f"{kind}:x", "gpu"]
    for value in bad:
        done = python("import gradcore as gc; gc.ones(2)", GRADCORE_DEVICE=value)
        said = last_line(done.stderr)
        expect(done.returncode != 0, f"{value!r} was accepted")
        expect(
            "GRADCORE_DEVICE" in said and value in said,
            f"the error for {value!r} does not say where it is from: {said}",
        )
    if context.cuda:
        hidden = {"CUDA_VISIBLE_DEVICES": ""}
        done = python("import gradcore as gc; print(gc.ones(2).device)", GRADCORE_DEVICE="auto", **hidden)
        expect(
            done.stdout.strip() == "cpu",
            f"auto without a visible GPU gave {done.stdout}{last_line(done.stderr)}",
        )
        done = python("import gradcore as gc; gc.ones(2)", GRADCORE_DEVICE="cuda", **hidden)
        data["said without a visible GPU"] = said = last_line(done.stderr)
        expect(done.returncode != 0 and "GRADCORE_DEVICE" in said, f"cuda without a visible GPU: {said}")
    return f"{len(good)} values taken, {len(bad)} refused"


@check("tour")
def check_tour(context: Context, data: dict[str, Any]) -> str:
    """The tour of autograd prints the same on the device, moved there by the environment variable alone."""
    script = ROOT / "examples" / "autograd_tour.py"
    if not script.exists():
        raise NotRun(f"{script.relative_to(ROOT)} is not there")
    here, there = (run_tour(script, place) for place in (context.device, "cpu"))
    for i, (a, b) in enumerate(zip(here, there, strict=False)):
        expect(a == b, f"prints {' '.join(here[i - 5 : i + 5])!r} instead of {' '.join(there[i - 5 : i + 5])!r}")
    expect(len(here) == len(there), "does not print as much as on the cpu")
    return f"{len(here)} words, as on the cpu"


def run_tour(script: Path, device: str) -> list[str]:
    """What the tour prints, word by word (lines break elsewhere), without what has to differ."""
    done = python(script, GRADCORE_DEVICE=device)
    expect(done.returncode == 0, f"on {device}: {last_line(done.stderr)}")
    where = str(resolve(device))
    text = re.sub(rf",\s+device='{where}'", "", done.stdout).replace(where, "DEVICE")
    return re.sub(r"\b(0x)?[0-9a-f]{8,}\b", "ADDRESS", text).split()


@check("random numbers")
def check_random(context: Context, data: dict[str, Any]) -> str:
    """The same seed gives the same numbers; they have the moments they should."""
    drawn = []
    for _ in range(2):
        gc.manual_seed(1)
        drawn.append(to_host(gc.randn(10_000, device=context.device)))
    expect(np.array_equal(drawn[0], drawn[1]), "the same seed gave other numbers")
    mean, deviation = drawn[0].mean(), drawn[0].std()
    expect(
        abs(mean) < 0.05 and abs(deviation - 1) < 0.05,
        f"randn has mean {mean:.3f} and deviation {deviation:.3f}",
    )
    return f"repeatable; randn has mean {mean:+.3f}, deviation {deviation:.3f}"


# Memory, and waiting for the device.


@check("no reference cycles")
def check_cycles(context: Context, data: dict[str, Any]) -> str:
    """What a step leaves behind goes away without the garbage collector."""
    step = training_step(context)
    step()
    garbage.collect()
    garbage.disable()
    try:
        for _ in range(10):
            step()
        found = garbage.collect()
    finally:
        garbage.enable()
    expect(found == 0, f"{found} objects after 10 steps were reachable from nothing but themselves")
    return "10 training steps leave nothing for the garbage collector"


@check("memory")
def check_memory(context: Context, data: dict[str, Any]) -> str:
    """Memory on the device comes back with the garbage collector off, and does not grow from step to step."""
    context.need_cuda()
    training_step(context)()  # what is kept for good (constants, compiled kernels) is there now
    garbage.collect()
    start = cuda.memory_allocated()
    garbage.disable()
    try:
        step = training_step(context)
        step()
        first = cuda.memory_allocated()
        for _ in range(STEPS):
            step()
        last = cuda.memory_allocated()
        del step
        end = cuda.memory_allocated()
    finally:
        garbage.enable()
    data |= {"start": start, "after one step": first, f"after {STEPS} steps": last, "end": end}
    expect(last == first, f"{last - first} bytes more after {STEPS} steps")
    expect(end == start, f"{end - start} bytes are still held after everything was dropped")
    return f"{first - start:,} bytes while training, back to the start after it, no growth over {STEPS} steps"


@check("no host synchronisation")
def check_synchronisation(context: Context, data: dict[str, Any]) -> str:
    """Forward, backward and update of a training step never wait for a number from the device."""
    step = training_step(context)
    step()
    with no_host_reads(context):
        step()
    if not context.cuda:
        return "a training step reads nothing back (watched on the fake device)"
    waited, host, spun = spin_probe(step)
    data |= {"host returned after s": host, "device was busy for s": spun}
    expect(
        not waited,
        f"the step returned after {host * 1e3:.0f} ms, when the device had been busy for {spun * 1e3:.0f} ms",
    )
    return f"nothing read back; the host took {host * 1e3:.1f} ms, the device was busy for {spun * 1e3:.0f} ms"


@check("operations that read back")
def check_reading_operations(context: Context, data: dict[str, Any]) -> str:
    """Which operations must wait for the device. Some have to (the shape of a result depends on its data)."""
    reading: dict[str, str] = {}
    for name in context.operations:
        for sample in samples(name, context.device):
            try:
                with no_host_reads(context):
                    outputs = [out for out in call(name, sample) if out.requires_grad]
            except HostRead as e:
                reading[name] = str(e)
                break
            weights = [weight_like(out, 0) for out in outputs]
            leaves = [x for x in tensors(sample) if x.requires_grad]
            if not outputs or not leaves:
                continue
            try:
                with no_host_reads(context), contextlib.suppress(RuntimeError):  # where there is no derivative
                    gc.autograd.grad(outputs, leaves, weights, allow_unused=True)
            except HostRead as e:
                reading[name] = f"backward: {e}"
                break
    data["reading"] = reading
    return f"{len(reading)} of {len(context.operations)}{': ' if reading else ''}{', '.join(sorted(reading))}"


class HostRead(Exception):  # noqa: N818 - a finding
    """Something waited for a number from the device."""


@contextlib.contextmanager
def no_host_reads(context: Context) -> Iterator[None]:
    """Raise HostRead when the block reads from the device.

    CuPy has a switch for that. On the fake devices the conversions of arrays to Python are watched.
    """
    device = resolve(context.device)
    if context.cuda:
        import cupyx

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the switch is deprecated, and nothing replaces it
            try:
                with cupyx.allow_synchronize(False):
                    yield
            except cupyx.DeviceSynchronized as e:
                raise HostRead(calling_line(e)) from e
    elif device.type == "strict":
        with watched(device):
            yield
    else:
        raise NotRun("nothing on the cpu can be watched; the fake devices can (--device strict:1)")


@contextlib.contextmanager
def watched(device: Any) -> Iterator[None]:
    """Make everything that brings numbers of a fake device to Python raise HostRead.

    The device passes for cuda meanwhile, where some errors are not looked for since looking means waiting.
    """
    cls, backend, kind = device.array_class, device.backend, device.type
    conversions = ("__bool__", "__int__", "__float__", "__complex__", "__index__", "__array__")
    kept = {name: cls.__dict__[name] for name in conversions if name in cls.__dict__}

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise HostRead(calling_line())

    try:
        for name in kept:
            setattr(cls, name, refuse)
        backend.to_numpy = refuse
        device.type = "cuda"
        yield
    finally:
        device.type = kind
        for name, method in kept.items():
            setattr(cls, name, method)
        backend.__dict__.pop("to_numpy", None)


def calling_line(error: BaseException | None = None) -> str:
    """The innermost line of gradcore that led here."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else traceback.extract_stack()
    ours = [f for f in frames if "gradcore" in f.filename and "gpu_check" not in f.filename]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno} {ours[-1].line}" if ours else "outside gradcore"


SPIN = r"""
extern "C" __global__ void spin(unsigned long long ns) {
    unsigned long long start, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
    do { asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now)); } while (now - start < ns);
}
"""


def spin_probe(step: Callable[[], object], seconds: float = 0.3) -> tuple[bool, float, float]:
    """Whether ``step`` waits for the device: queue a kernel that only passes time, see when ``step`` returns.

    Returns also the seconds until it returned, and those until the device was done.
    """
    import cupy

    spin = cupy.RawKernel(SPIN, "spin")
    spin((1,), (1,), (np.uint64(1000),))
    step()
    cuda.synchronize()
    start = time.perf_counter()
    spin((1,), (1,), (np.uint64(seconds * 1e9),))
    step()
    returned = time.perf_counter() - start
    cuda.synchronize()
    done = time.perf_counter() - start
    if done < seconds / 2:
        raise NotRun(f"the kernel that should take {seconds} s took {done:.3f} s")
    return returned > done / 2, returned, done


def training_step(context: Context) -> Callable[[], object]:
    """One step of a classifier on the device: forward, cross entropy, backward, SGD."""
    try:
        return programs.mlp(BATCH, context.device)["gradcore"]()
    except programs.Unavailable as e:
        raise NotRun(str(e)) from e


# Speed.


@check("timings")
def check_timings(context: Context, data: dict[str, Any]) -> str:
    """Wall time per run, beside PyTorch on the same GPU. Says how fast, never fails."""
    context.need_cuda()
    if not torch_has_cuda():
        raise NotRun("PyTorch with CUDA is not installed; it is what the times are compared with")
    import torch

    device = str(resolve(context.device))
    found = {
        **{f"seed n={n}": programs.seed(n, device) for n in (5, 1000, 100_000, 10_000_000)},
        "chain of 200": programs.chain(200, device),
        **{f"mlp batch {n}": programs.mlp(n, device) for n in (64, 4096)},
    }
    for name, make in found.items():
        runs = {which: make[which]() for which in ("gradcore", "torch")}
        for a, b in zip(*(map(programs.host, run()) for run in runs.values()), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, err_msg=name)

        def wait() -> None:
            cuda.synchronize()
            torch.cuda.synchronize()

        times = interleave(runs, repetitions=15, finish=wait)
        data[name] = {
            "gradcore_s": times["gradcore"].median,
            "torch_s": times["torch"].median,
            "ratio": ratio(times["gradcore"], times["torch"]),
            "spread": {which: t.spread for which, t in times.items()},
        }
    return "in units of PyTorch's time: " + ", ".join(f"{name} {d['ratio']:.2f}" for name, d in data.items())


def torch_has_cuda() -> bool:
    """Whether PyTorch is here and sees a GPU."""
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


# The run.


def environment(device: str) -> dict[str, str]:
    """Date, versions, the GPU."""
    described = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "device": str(resolve(device)),
        "python": platform.python_version(),
    }
    for name in ("numpy", "array-api-compat", "cupy-cuda12x", "cupy-cuda13x", "torch"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            described[name] = metadata.version(name)
    described["gradcore"] = gc.__version__
    if device.startswith("cuda"):
        from cupy.cuda import runtime

        described["gpu"] = runtime.getDeviceProperties(resolve(device).index or 0)["name"].decode()
        described["cuda runtime, driver"] = f"{runtime.runtimeGetVersion()}, {runtime.driverGetVersion()}"
    return described


def run(name: str, function: Check, context: Context) -> Outcome:
    """Make one check, whatever happens in it."""
    outcome = Outcome(name, "passed", "")
    start = time.perf_counter()
    try:
        outcome.detail = function(context, outcome.data)
    except NotRun as e:
        outcome.status, outcome.detail = "not run", str(e)
    except Failed as e:
        outcome.status, outcome.detail = "FAILED", str(e)
    except Exception as e:  # noqa: BLE001 - the other checks must still run
        outcome.status, outcome.detail = "FAILED", one_line(e)
        outcome.data["traceback"] = traceback.format_exc()
    outcome.seconds = round(time.perf_counter() - start, 2)
    return outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Make the checks that the command line asks for; 0 if nothing is wrong."""
    parser = argparse.ArgumentParser(description="Verify gradcore on a GPU, or rehearse that without one.")
    parser.add_argument("--device", default="cuda", help="what to check; anything but cuda is a rehearsal")
    parser.add_argument("--only", action="append", metavar="CHECK", choices=list(CHECKS), help="repeatable")
    parser.add_argument("--ops", help="operations, separated by commas; default: all")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the results there, as JSON")
    options = parser.parse_args(argv)

    if options.device.startswith("cuda") and not cuda.is_available():
        print(f"gpu_check: no GPU can be used here: {cuda.why_unavailable()}. Without one: --device strict:1")
        return 1
    import_operations()
    known = sorted(OPS)
    chosen = options.ops.split(",") if options.ops else known
    if unknown := set(chosen) - set(known):
        parser.error(f"no such operations: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    context = Context(options.device, chosen)
    described = environment(options.device)
    if not context.cuda:
        print(f"REHEARSAL on {options.device}: this says nothing about a GPU.")
    outcomes = []
    for name, function in CHECKS.items():
        if options.only is None or name in options.only:
            outcomes.append(run(name, function, context))
            print(f"{outcomes[-1].status:<8} {name} ({outcomes[-1].seconds:.1f} s)", flush=True)
    if options.out is not None:
        options.out.write_text(
            json.dumps(
                {
                    "environment": described,
                    "rehearsal": not context.cuda,
                    "checks": list(map(asdict, outcomes)),
                },
                indent=1,
            )
        )
    print()
    print(*(f"{key}: {value}" for key, value in described.items()), sep="\n", end="\n\n")
    print(
        *table(
            ["check", "result", "what"],
            text=3,
            rows=[[o.name, o.status, shortened(o.detail)] for o in outcomes],
        ),
        sep="\n",
    )
    return int(any(o.status == "FAILED" for o in outcomes))


def expect(condition: bool, otherwise: str) -> None:
    """Raises Failed with a message unless the condition holds."""
    if not condition:
        raise Failed(otherwise)


def refused(function: Callable[[], object], kind: type[Exception], *words: str) -> None:
    """Raises Failed unless the call raises that kind of error with those words."""
    try:
        result = function()
    except kind as e:
        missing = [w for w in words if w not in str(e)]
        expect(not missing, f"the error does not mention {missing}: {e}")
        return
    raise Failed(f"no error, but {result!r}; expected {kind.__name__} with {words}")


def python(what: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script, or a line of code, in a process with these environment variables."""
    arguments = [str(what)] if isinstance(what, Path) else ["-c", what]
    path = os.pathsep.join([str(ROOT), str(ROOT / "backends"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        env={**os.environ, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


def last_line(text: str) -> str:
    """The last line that is not empty: what an exception says."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def one_line(error: BaseException) -> str:
    """An exception as one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, Failed) else f"{type(error).__name__}: {text}"


def shortened(text: str, limit: int = 160) -> str:
    """Text that fits a row of a table; the file has all of it."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


if __name__ == "__main__":
    raise SystemExit(main())
