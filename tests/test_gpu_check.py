"""``ci/gpu_check.py`` without a GPU: its rehearsal passes, finds what is wrong, and says that it is one."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import gradcore as gc
from gradcore import cuda
from gradcore.op import OPS

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "ci" / "gpu_check.py"
FEW = "add,mul,exp,sum_dim,mm"

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def gpu_check():
    spec = importlib.util.spec_from_file_location("gpu_check", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_check"] = module  # dataclasses look their module up
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    yield module
    del sys.modules["gpu_check"]


@pytest.fixture
def checked(gpu_check, tmp_path, capsys):
    """Run some checks in this process: the exit code, the outcomes by name, the output."""

    def run(*checks, ops=FEW, device="strict:1"):
        out = tmp_path / "result.json"
        arguments = ["--device", device, "--out", str(out), "--ops", ops]
        code = gpu_check.main(arguments + [a for c in checks for a in ("--only", c)])
        result = json.loads(out.read_text())
        assert result["rehearsal"]
        return code, {c["name"]: c for c in result["checks"]}, capsys.readouterr().out

    return run


@pytest.mark.skipif(cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_fails_and_says_why():
    done = subprocess.run([sys.executable, str(SCRIPT)], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout.startswith("gpu_check: no GPU can be used here: ")
    assert cuda.why_unavailable() in done.stdout
    assert done.stdout.count("\n") == 1
    assert not done.stderr


@pytest.mark.slow
def test_rehearsal_passes_and_says_that_it_is_one(checked):
    code, checks, printed = checked()
    assert printed.startswith("REHEARSAL on strict:1")
    assert {name: c["detail"] for name, c in checks.items() if c["status"] == "FAILED"} == {}
    assert code == 0
    assert {name for name, c in checks.items() if c["detail"] == "needs CUDA"} == {"memory", "timings"}
    for name in (
        "forward",
        "gradients",
        "second derivatives",
        "no host synchronisation",
        "environment variable",
    ):
        assert checks[name]["status"] == "passed", checks[name]
    assert printed.count("| passed") + printed.count("| not run") >= len(checks)


def replace(monkeypatch, name, change):
    """Let an operation compute something else on the fake device than on the cpu."""
    right = OPS[name].function

    def wrong(*operands, **params):
        result = right(*operands, **params)
        return (
            change(result) if any(x.device.type == "strict" for x in operands if isinstance(x, gc.Tensor)) else result
        )

    monkeypatch.setattr(OPS[name], "function", wrong)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda y: y * (1 + 1e-8), "relative deviation"),
        (lambda y: y * float("nan"), "relative deviation inf"),
        (lambda y: y.float(), "float32"),
        (lambda y: y.cpu(), "on cpu, not on strict:1"),
        (lambda y: y.unsqueeze(0), "instead of"),
    ],
    ids=["inexact", "nan", "dtype", "device", "shape"],
)
def test_a_wrong_forward_is_found(checked, monkeypatch, change, said):
    replace(monkeypatch, "exp", change)
    code, checks, _ = checked("forward")
    assert code == 1
    assert list(checks["forward"]["data"]["wrong"]) == ["exp"]
    assert said in checks["forward"]["data"]["wrong"]["exp"]


def test_a_wrong_gradient_is_found(checked, monkeypatch):
    replace(monkeypatch, "mul", lambda y: y.detach() + 2 * (y - y.detach()))
    code, checks, _ = checked("forward", "gradients")
    assert code == 1
    assert checks["forward"]["status"] == "passed"
    assert list(checks["gradients"]["data"]["wrong"]) == ["mul"]


def test_a_wrong_second_derivative_is_found(checked, monkeypatch):
    replace(monkeypatch, "exp", lambda y: y * 1 + (y - y.detach()) ** 2)
    code, checks, _ = checked("gradients", "second derivatives")
    assert code == 1
    assert checks["gradients"]["status"] == "passed"
    assert list(checks["second derivatives"]["data"]["wrong"]) == ["exp"]


def test_a_write_to_an_operand_is_found(checked, gpu_check, monkeypatch):
    right = OPS["exp"].function

    def wrong(x):
        if x.numel():
            x.data.zero_()
        return right(x)

    monkeypatch.setattr(OPS["exp"], "function", wrong)
    _, checks, _ = checked("forward", ops="exp")
    assert "wrote to its operand" in checks["forward"]["data"]["wrong"]["exp"]


def test_an_operation_that_raises_does_not_hide_the_others(checked, monkeypatch):
    def broken(*operands):
        raise ZeroDivisionError("broken")

    monkeypatch.setattr(OPS["exp"], "function", broken)
    replace(monkeypatch, "mul", lambda y: y + 1)
    _, checks, _ = checked("forward")
    assert checks["forward"]["data"]["wrong"].keys() == {"exp", "mul"}
    assert "ZeroDivisionError: broken" in checks["forward"]["data"]["wrong"]["exp"]


def test_reading_a_number_back_is_found(checked, gpu_check, monkeypatch):
    step = gpu_check.training_step

    def reading(context):
        inner = step(context)

        def run():
            return inner()[0].item()

        return run

    monkeypatch.setattr(gpu_check, "training_step", reading)
    code, checks, _ = checked("no host synchronisation")
    assert code == 1
    assert "HostRead" in checks["no host synchronisation"]["detail"]
    assert gc.ones((), device="strict:1").item() == 1, "the watch was not taken off"


def test_a_reference_cycle_is_found(checked, gpu_check, monkeypatch):
    step = gpu_check.training_step

    def cyclic(context):
        inner = step(context)

        def run():
            keep = [inner()]
            keep.append(keep)

        return run

    monkeypatch.setattr(gpu_check, "training_step", cyclic)
    code, checks, _ = checked("no reference cycles")
    assert code == 1
    assert "reachable from nothing but themselves" in checks["no reference cycles"]["detail"]


def test_unknown_operations_are_refused(gpu_check, capsys):
    with pytest.raises(SystemExit):
        gpu_check.main(["--device", "cpu", "--ops", "exq"])
    assert "no such operations: exq" in capsys.readouterr().err
