"""Fixtures that all tests share: the device under test, PyTorch as the referee, the seed."""

from __future__ import annotations

import os

import hypothesis
import pytest

import gradcore as gc
from gradcore.grad_mode import PLAIN, current_mode

SEED = 20261124

# The same examples at every run; a failing one is printed with the blob that reproduces it.
hypothesis.settings.register_profile("gradcore", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("gradcore")

_not_run: list[str] = []


@pytest.fixture(scope="session")
def torch():
    """PyTorch, on the cpu. Where it is not installed, the test counts as not run, and the summary says so."""
    try:
        import torch
    except ImportError:
        pytest.skip("not run: PyTorch, the referee, is not installed for this Python")
    torch.set_num_threads(1)
    return torch


@pytest.fixture(params=["gradcore", pytest.param("torch", marks=pytest.mark.conformance)])
def t(request):
    """gradcore, then PyTorch: a test that takes it says what both do, so PyTorch vouches for it."""
    return gc if request.param == "gradcore" else request.getfixturevalue("torch")


@pytest.fixture(scope="session")
def device() -> str:
    """The device under test: what ``GRADCORE_DEVICE`` names. Factories use it without being told."""
    return str(gc.get_default_device())


@pytest.fixture(autouse=True)
def _fresh_state():
    """Every test starts from one seed and leaves the modes as it found them."""
    gc.manual_seed(SEED)
    yield
    assert current_mode() is PLAIN, f"a test left a mode on: {current_mode()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "torch" in getattr(item, "fixturenames", ()):
            item.add_marker("conformance")


def pytest_report_header() -> list[str]:
    return [f"gradcore device: {os.environ.get('GRADCORE_DEVICE') or 'cpu'}, seed {SEED}"]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and "not run:" in str(report.longrepr):
        _not_run.append(report.nodeid)


def pytest_terminal_summary(terminalreporter) -> None:
    if _not_run:
        terminalreporter.write_line(
            f"NOT RUN: {len(_not_run)} comparisons with PyTorch, which is not installed for this Python", yellow=True
        )
