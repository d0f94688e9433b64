"""The examples run, on the cpu and on a strict device, and say the same on both."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import gradcore as gc

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"


def run(name, *options, device, python=()):
    """An example in a process of its own; ``python`` are options of the interpreter."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "backends")])
    # One thread: small products are faster so, and the numbers do not depend on the machine.
    environment = {**os.environ, "GRADCORE_DEVICE": device, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *python, str(EXAMPLES / name), *options],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )


def without_device(text):
    """Printed tensors without their device, and without the line break that its name may lead to."""
    return re.sub(r",\s+", ", ", re.sub(r", device='[^']*'", "", text))


@pytest.fixture(scope="module")
def tour():
    return runpy.run_path(str(EXAMPLES / "autograd_tour.py"))


@pytest.fixture(scope="module")
def shown(tour):
    """What each line of the tour prints, by the line; where a line occurs twice, a list in order."""
    found = {}
    names = {"gc": gc}
    for text, source in tour["statements"](tour["SESSION"]):
        if source:
            result = tour["result_of"](source, names).rstrip("\n")
            found.setdefault(text.removeprefix(">>> "), []).append(without_device(result))
    return found


def test_tour_prints_the_tensors_of_the_seed_program(shown):
    assert shown["x"][0] == "tensor([1., 1., 1., 1., 1.], requires_grad=True)"
    assert shown["y"] == ["tensor([3., 3., 3., 3., 3.], grad_fn=<AddBackward0>)"]
    assert shown["z"] == ["tensor([27., 27., 27., 27., 27.], grad_fn=<MulBackward0>)"]
    assert shown["out"] == ["tensor(27., grad_fn=<MeanBackward0>)"]


def test_tour_shows_the_graph(shown):
    assert re.fullmatch(r"<AddBackward0 object at 0x[0-9a-f]+>", shown["print(y.grad_fn)"][0])
    assert shown["walk(out.grad_fn)"][0].split("\n") == [
        "MeanBackward0",
        "MulBackward0",
        "MulBackward0",
        "AddBackward0",
        "torch::autograd::AccumulateGrad",
    ]
    assert shown["x.is_leaf, y.is_leaf, out.is_leaf"] == ["(True, False, False)"]
    assert shown["c.requires_grad, (c * 2).requires_grad, (c * x).requires_grad"] == ["(False, False, True)"]
    assert shown['print(gc.utils.viz.text(out, params={"x": x}))'][0].endswith("6  leaf x          (5)")
    drawn = shown['print(gc.utils.viz.make_dot(out, params={"x": x}))'][0]
    assert drawn.startswith("digraph {")
    assert re.search(r'n\d+ \[label="x\\n\(5\)"', drawn)


def test_tour_shows_gradients(shown):
    gradients = shown["x.grad"]
    assert gradients[:3] == [
        "tensor([3.6000, 3.6000, 3.6000, 3.6000, 3.6000])",
        "tensor([7.2000, 7.2000, 7.2000, 7.2000, 7.2000])",
        "tensor([0., 0., 0., 0., 0.])",
    ]
    assert gradients[3] == "tensor([18., 18., 18., 18., 18.])"
    assert gradients[4] == "tensor([7.2000, 7.2000, 7.2000, 7.2000, 7.2000])"
    assert shown["x.grad is None"] == ["True", "True"]
    assert shown["x"][1] == "tensor([0.6400, 0.6400, 0.6400, 0.6400, 0.6400], requires_grad=True)"
    assert shown["gc.autograd.grad(g.sum(), x)[0]"] == ["tensor([1.2000, 1.2000, 1.2000, 1.2000, 1.2000])"]


def test_tour_shows_warnings_and_errors(shown):
    assert shown["y.grad"][0].startswith("UserWarning: The .grad attribute of a Tensor that is not a leaf Tensor")
    assert shown["y.grad"][1] == "tensor([7.2000, 7.2000, 7.2000, 7.2000, 7.2000])"
    again = [x for x in shown["out.backward()"] if x]
    assert len(again) == 1
    assert again[0].startswith("RuntimeError: Trying to backward through the graph a second time")
    assert "retain_graph=True" in again[0]
    assert "grad can be implicitly created only for scalar outputs" in shown["z.backward()"][0]
    assert shown["x.add_(1)"][0].startswith("RuntimeError: a leaf Variable that requires grad")
    assert "modified by an inplace operation" in shown["z.sum().backward()"][0]


def test_tour_has_no_other_error(shown):
    raised = {line for line, results in shown.items() for r in results if "Error: " in r}
    assert {line.split("\n")[0] for line in raised} == {
        "out.backward()",
        "z.backward()",
        "x.add_(1)",
        "z.sum().backward()",
        "with gc.autograd.detect_anomaly():",
    }


def test_tour_shows_hooks_functions_checkpoints_and_transforms(shown):
    assert shown["(y * gc.tensor([0.5, 1.0, 5.0])).sum().backward()"][0].split("\n") == [
        "y gets tensor([0.5000, 1.0000, 5.0000])",
        "MulBackward0 gives tensor([1., 2., 2.])",
        "x has tensor([1., 2., 2.])",
    ]
    assert "grad_fn=<SoftplusBackward>" in shown["print(out)"][0]
    assert shown["x.grad"][-1] == "tensor([0.5000, 0.7311], dtype=gradcore.float64)"
    assert shown["gc.autograd.gradcheck(Softplus.apply, x), gc.autograd.gradgradcheck(Softplus.apply, x)"] == [
        "(True, True)"
    ]
    assert shown["loss.backward()"] == ["part runs"]
    assert shown["gc.func.grad(f)(v)"] == ["tensor([ 3., 12.])"]
    assert shown["gc.func.hessian(f)(v)"][0].split() == "tensor([[ 6., 0.], [ 0., 12.]])".split()
    assert shown["gc.func.jvp(f, (v,), (gc.tensor([1.0, 0.0]),))"] == ["(tensor(9.), tensor(3.))"]
    assert shown["gc.func.vmap(gc.func.grad(f))(gc.tensor([[1.0, 2.0], [3.0, 4.0]]))"][0].endswith("[27., 48.]])")


def test_tour_finds_faults(shown):
    (explained,) = next(results for line, results in shown.items() if line.startswith("with gc.debug():"))
    assert "detach" in explained
    assert "line 2" in explained
    (found,) = next(results for line, results in shown.items() if "detect_anomaly" in line)
    assert "RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output" in found
    assert 'File "<tour>", line 2' in found


def test_tour_says_the_same_on_every_device():
    texts = []
    for device in ("cpu", "strict:1"):
        done = run("autograd_tour.py", device=device, python=["-W", "error"])
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"device: {device}\n")
        text = done.stdout.removeprefix(f"device: {device}\n")
        texts.append(without_device(re.sub(r"0x[0-9a-f]+", "", text)))
    assert texts[0] == texts[1]


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "strict:1"])
def test_higher_order_finds_the_minimum(device):
    done = run("higher_order.py", device=device, python=["-W", "error"])
    assert done.returncode == 0, done.stderr
    steps = [float(g) for g in re.findall(r"gradient (\S+)$", done.stdout, re.MULTILINE)]
    assert len(steps) == 12
    # Newton's method squares the error at each step.
    assert steps[5] < 1e-8
    assert steps[11] < 1e-8
    differences = [float(x) for x in re.findall(r"largest difference of .*: (\S+)", done.stdout)]
    assert len(differences) == 2
    assert max(differences) < 1e-10
    assert float(re.search(r"norm of their mean (\S+)", done.stdout)[1]) < 1e-8


@pytest.mark.slow
def test_memory_is_saved_and_gradients_stay():
    done = run("memory_for_time.py", "--layers", "16", "--segments", "4", device="cpu", python=["-W", "error"])
    assert done.returncode == 0, done.stderr
    peaks = [float(x) for x in re.findall(r"([\d.]+) MiB at most", done.stdout)]
    everything, checkpoints, files = peaks
    assert checkpoints < 0.8 * everything
    assert files < 0.5 * everything
    # The last part is not run again.
    assert re.findall(r"(\d+) layers run", done.stdout) == ["16", "28", "16"]
    assert done.stdout.count("differ from the gradients above by at most 0\n") == 2


@pytest.mark.slow
def test_draw_model(tmp_path):
    done = run("draw_model.py", device="cpu", python=["-W", "error"])
    assert done.returncode == 0, done.stderr
    assert "in 1.inner.0: Linear" in done.stdout
    for name, start in (("graph.mmd", "flowchart TD\n"), ("graph.gv", "digraph {\n")):
        done = run("draw_model.py", "--saved", str(tmp_path / name), device="strict:1", python=["-W", "error"])
        assert done.returncode == 0, done.stderr
        drawn = (tmp_path / name).read_text(encoding="utf-8")
        assert drawn.startswith(start)
        assert "1: Residual" in drawn


def accuracy(output):
    return float(re.search(r"held-out accuracy +([\d.]+)%", output)[1])


@pytest.mark.slow
def test_digits_meet_their_goal_on_the_cpu():
    done = run("train_digits.py", device="cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert accuracy(done.stdout) >= 97
    assert re.search(r"^device +cpu$", done.stdout, re.MULTILINE)
    assert re.search(r"^seconds per epoch +\d", done.stdout, re.MULTILINE)
    # The progress bar.
    assert "epoch/s" in done.stderr or "s/epoch" in done.stderr


@pytest.mark.slow
def test_digits_are_the_same_under_a_seed_and_on_every_device():
    def numbers(device, seed):
        done = run("train_digits.py", "--quiet", "--epochs", "1", "--seed", str(seed), device=device)
        # One epoch misses the goal, and the exit code says so.
        assert done.returncode == 1, done.stdout + done.stderr
        assert "below the goal of 97%" in done.stderr
        return re.findall(r"(?:loss|accuracy) +([\d.]+)", done.stdout)

    first = numbers("cpu", 3)
    assert len(first) == 3
    assert numbers("cpu", 3) == first
    assert numbers("cpu", 4) != first
    # NumPy computes on both, in another order at most.
    assert [float(n) for n in numbers("strict:1", 3)] == pytest.approx([float(n) for n in first], rel=1e-2)
