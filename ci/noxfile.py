"""The CPU test matrix and every other check, one nox session each.

Run from the root of the repository::

    nox -f ci/noxfile.py                                     everything
    nox -f ci/noxfile.py --list                              what there is
    nox -f ci/noxfile.py -s lint types                       some of it
    nox -f ci/noxfile.py -s tests --python 3.12              the cells of one Python
    nox -f ci/noxfile.py -s "tests-3.12(numpy='oldest')"     the cells of one Python and one NumPy
    nox -f ci/noxfile.py -s tests -- -k matmul               arguments for pytest (the last -m counts)

Environments are kept in .nox and used again; the package in them is built and installed anew each time.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent.parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")["project"]
EXTRAS = PROJECT["optional-dependencies"]

PYTHONS = ("3.11", "3.12", "3.13")
DEVICES = ("cpu", "strict:1")
# "oldest" holds the lower bounds of pyproject.toml, as far back as there are wheels for that Python.
NUMPYS = {
    "oldest": dict.fromkeys(PYTHONS, ("numpy==2.0.*", "array-api-compat==1.11.2"))
    | {"3.13": ("numpy==2.1.*", "array-api-compat==1.11.2")},
    "newest": dict.fromkeys(PYTHONS, ("numpy", "array-api-compat")),
}
# Only this cell runs the slow tests, which are about gradcore's own algorithms, not about NumPy's versions; on the cpu the
# commands of the README have run them all.
FULL = {("3.11", "newest", "strict:1")}

nox.needs_version = ">=2026.2"
nox.options.envdir = str(ROOT / ".nox")
nox.options.reuse_venv = "yes"
# An interpreter that is not there is a line in the table, not a failure, and none is downloaded in its place.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

# pyenv offers only the versions that are switched on. Switch all on, the newest first, for this process.
if shutil.which("pyenv"):
    listed = subprocess.run(["pyenv", "versions", "--bare"], check=True, capture_output=True, text=True)
    os.environ["PYENV_VERSION"] = ":".join(reversed(listed.stdout.split()))


# ------------------------------------------------------------------------------------------------------------
# The matrix

_results: dict[tuple[str, str, str], str] = {}


@nox.session(python=PYTHONS)
@nox.parametrize("numpy", list(NUMPYS))
def tests(session: nox.Session, numpy: str) -> None:
    """Run the tests against the installed wheel: one environment per Python and NumPy, one run per device."""
    python = str(session.python)
    cells = [(python, numpy, device) for device in DEVICES]
    _results.update(dict.fromkeys(cells, "FAILED to install"))
    install_wheel(session, "test", *NUMPYS[numpy][python])
    for cell in cells:
        selected = "not conformance and not cupy" + ("" if cell in FULL else " and not slow")
        _results[cell] = run_pytest(session, "-m", selected, device=cell[2])
    failed = [device for *_, device in cells if not _results[python, numpy, device].startswith("passed")]
    if failed:
        session.error(f"tests failed on {', '.join(failed)}")


@nox.session(python="3.11")
def conformance(session: nox.Session) -> None:
    """Compare with PyTorch, test by test. Where PyTorch cannot be installed, this is not run, and says so."""
    install_wheel(session, "test")
    try:
        session.install("--no-compile", *EXTRAS["conformance"])
    except nox.command.CommandFailed:
        session.skip(f"NOT RUN: {EXTRAS['conformance'][0]} cannot be installed here")
    outcome = run_pytest(session, "-m", "conformance")
    if not outcome.startswith("passed"):
        session.error(outcome)


@nox.session
def cupy(session: nox.Session) -> None:
    """Check, with the real CuPy, what a user without a GPU meets: one clear error for each cause."""
    install_wheel(session, "test")
    session.install("--no-compile", "cupy-cuda13x>=14")  # 70 MB; the CUDA toolkit would be 1.3 GB more
    # The same answers on a machine that has a GPU.
    outcome = run_pytest(session, "-m", "cupy", env={"CUDA_VISIBLE_DEVICES": ""})
    if not outcome.startswith("passed"):
        session.error(outcome)


@atexit.register
def print_matrix() -> None:
    """Say of every cell what came of it, or why it did not run."""
    if not _results:
        return
    lines = [f"{'python':8}{'numpy':8}{'device':10}{'tests':7}result"]
    for python in PYTHONS:
        absent = f"not run: no python{python} found" if shutil.which(f"python{python}") is None else None
        for numpy in NUMPYS:
            for device in DEVICES:
                cell = python, numpy, device
                kind = "all" if cell in FULL else "quick"
                outcome = _results.get(cell) or absent or "not run: not asked for"
                lines.append(f"{python:8}{numpy:8}{device:10}{kind:7}{outcome}")
    table = "\n".join(lines)
    (ROOT / ".nox" / "matrix.txt").write_text(table + "\n")  # for .ci/run, whose last page it belongs on
    print(f"\n{table}\n")


def install_wheel(session: nox.Session, extra: str, *pins: str) -> None:
    """Install the package as a user gets it, with what the tests need."""
    wheel = build_wheel(session)
    # Half the time of an install goes into compiling modules that no test imports.
    session.install("--no-compile", f"gradcore[{extra}] @ {wheel.as_uri()}", *pins)
    # In an environment used again, pip takes the old build for the same version.
    session.install("--no-compile", "--force-reinstall", "--no-deps", str(wheel))
    session.run("python", "-m", "pip", "list", "--format=freeze", silent=False)


_wheel: Path | None = None


def build_wheel(session: nox.Session) -> Path:
    """Build the wheel, once for all sessions."""
    global _wheel
    if _wheel is None:
        folder = ROOT / ".nox" / "wheel"
        shutil.rmtree(folder, ignore_errors=True)
        session.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT))
        (_wheel,) = folder.glob("*.whl")
    return _wheel


def run_pytest(
    session: nox.Session, *args: str, device: str | None = None, env: dict[str, str | None] | None = None
) -> str:
    """Run pytest on the installed package and say how it went: "passed ...", or else what."""
    # Beside the sources, Python would import those and not what is installed. So the tests run in a copy.
    folder = Path(session.create_tmp()) / "checkout"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT, folder, ignore=_not_for_tests)
    report = folder / "report.xml"
    start = time.perf_counter()
    with session.chdir(folder):
        where = "import gradcore, sys; assert gradcore.__file__.startswith(sys.prefix), gradcore.__file__"
        environment: dict[str, str | None] = {
            "GRADCORE_DEVICE": device,
            # Two processes with two BLAS threads each, on two cores, wait for each other.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **(env or {}),
        }
        try:
            session.run("python", "-c", where)
            pytest = "python -m pytest -q -n auto --dist worksteal".split()
            session.run(*pytest, f"--junitxml={report}", *args, *session.posargs, env=environment)
            outcome = "passed"
        except nox.command.CommandFailed:
            outcome = "FAILED"
    return f"{outcome} {_counts(report)} in {time.perf_counter() - start:.0f} s"


def _not_for_tests(folder: str, names: list[str]) -> set[str]:
    if Path(folder) != ROOT:
        return {"__pycache__"}
    return {n for n in names if n.startswith(".") or n in {"gradcore", "backends", "build", "dist"}}


def _counts(report: Path) -> str:
    """What pytest wrote in its JUnit report, in words."""
    if not report.exists():
        return "(pytest did not start)"
    suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 - written by the pytest just run
    assert suite is not None
    total, failures, errors, skipped = (int(suite.get(k, 0)) for k in "tests failures errors skipped".split())
    failed = failures + errors
    return f"({total - failed - skipped} passed, {failed} failed, {skipped} skipped)"


# ------------------------------------------------------------------------------------------------------------
# The other checks


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format. `ruff check --fix . && ruff format .` mends most of it."""
    session.install(*EXTRAS["lint"])
    with session.chdir(ROOT):
        session.run("ruff", "check", ".")
        session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of gradcore, the backends and ci, strictly."""
    session.install("--no-compile", *PROJECT["dependencies"], *EXTRAS["strict"], *EXTRAS["types"])
    with session.chdir(ROOT):
        session.run("mypy")


@nox.session
def package(session: nox.Session) -> None:
    """Build sdist and wheel, look into the wheel, and run a program with nothing else installed."""
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.install("build")
    # The wheel is built from the sdist, so that the sdist is known to be whole.
    session.run("python", "-m", "build", "-o", str(dist), str(ROOT))
    (wheel,) = dist.glob("*.whl")

    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.split("/")[0] for name in names}
    if extra := roots - {"gradcore", "gradcore_backends", f"gradcore-{wheel.name.split('-')[1]}.dist-info"}:
        session.error(f"the wheel installs more than it should: {extra}")
    for needed in ("gradcore/py.typed", "gradcore_backends/py.typed", "gradcore_backends/numpy.py"):
        if needed not in names:
            session.error(f"the wheel lacks {needed}")
    if not any(name.endswith("/licenses/LICENSE") for name in names):
        session.error("the wheel lacks the licence")

    bare = Path(session.create_tmp()) / "bare"
    session.run("python", "-m", "venv", "--clear", str(bare))
    python = str(bare / ("Scripts" if os.name == "nt" else "bin") / "python")
    session.run(python, "-m", "pip", "install", "-q", "--no-compile", str(wheel), external=True)
    listed = str(session.run(python, "-m", "pip", "list", "--format=freeze", silent=True, external=True))
    found = {line.split("==")[0].lower().replace("_", "-") for line in listed.splitlines() if "==" in line}
    if extra := found - {"gradcore", "numpy", "array-api-compat", "pip", "setuptools"}:
        session.error(f"installing gradcore brings more than it should: {extra}")
    with session.chdir(bare):
        program = ROOT / "examples" / "autograd_tour.py"
        session.run(python, "-W", "error", str(program), env={"GRADCORE_DEVICE": None}, external=True)
