"""The Python in the documentation runs, and prints what it says.

A block that only shows a part of something is fenced as ``python fragment``, and is not run.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import gradcore as gc

ROOT = Path(__file__).resolve().parents[1]
CONFORMANCE = ("forward", "gradients", "placement", "device errors")
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if page.exists()]
FENCE = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """The Python of a page, each block with the number of its first line."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start(2)), textwrap.dedent(m[2])) for m in FENCE.finditer(text)]


@pytest.fixture
def on_cpu():
    gc.set_default_device("cpu")
    yield
    gc.set_default_device(None)


def run(page, names):
    """Run the blocks of a page one after the other, as if it were one session."""
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report = []
    for line, block in blocks(page):
        if block.lstrip().startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(block, names, page.name, str(page), line)
            runner.run(test, out=report.append, clear_globs=False)
            names.update(test.globs)
        else:
            # The lines before it are empty, so that a traceback shows the line of the page.
            exec(compile("\n" * line + block, str(page), "exec"), names)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=[p.name for p in PAGES])
@pytest.mark.usefixtures("on_cpu")
def test_python_in_the_page_runs(page):
    run(page, {"__name__": page.stem})


def test_a_wrong_page_is_found(tmp_path):
    page = tmp_path / "wrong.md"
    page.write_text("```python\nx = 1\n```\n\n```python\n>>> x + 1\n3\n```\n")
    with pytest.raises(AssertionError, match=r"Expected:\s+3\s+Got:\s+2"):
        run(page, {})


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            # Where the package is installed, its sources are not beside the tests.
            if (ROOT / path.relative_to(ROOT).parts[0]).exists():
                assert path.exists(), f"{page.name} links to {target}"


@pytest.fixture
def installed(tmp_path):
    """The environment of a process in which the backend of docs/backends.md is installed as a package."""
    module = next(b for _, b in blocks(ROOT / "docs" / "backends.md") if "PretendBackend" in b)
    (tmp_path / "pretend.py").write_text(module, encoding="utf-8")
    info = tmp_path / "pretend-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pretend\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[gradcore.backends]\npretend = pretend:backend\n")
    path = [str(tmp_path), str(ROOT), str(ROOT / "backends"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "GRADCORE_DEVICE": ""}


@pytest.mark.slow
def test_backend_of_the_guide_serves_every_operation(installed, tmp_path):
    out = tmp_path / "result.json"
    done = subprocess.run(
        [sys.executable, str(ROOT / "ci" / "gpu_check.py"), "--device", "pretend:1", "--out", str(out)]
        + [a for check in CONFORMANCE for a in ("--only", check)],
        env=installed, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert out.exists(), done.stderr
    checks = {c["name"]: c for c in json.loads(out.read_text())["checks"]}
    assert {name: c["data"].get("wrong") or c["detail"] for name, c in checks.items() if c["status"] != "passed"} == {}
    assert checks.keys() == set(CONFORMANCE)


def test_backend_of_the_guide_is_a_backend(installed):
    program = """
import gradcore as gc
from gradcore.backend import Backend, Namespace
from gradcore.device import backend_for
assert isinstance(backend_for("pretend"), Backend)
wanted = {n for n in (*vars(Namespace), *Namespace.__annotations__) if not n.startswith("_")}
missing = {n for n in wanted if not hasattr(gc.ones(2, device="pretend").device.xp, n)}
assert not missing, f"the guide lacks {missing}"
x = gc.ones(3, device="pretend", requires_grad=True)
(x * x).sum().backward()
print(x.grad)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=installed,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "tensor([2., 2., 2.], device='pretend:0')\n", done.stderr
