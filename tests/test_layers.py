"""Imports go down: what stands below knows nothing of what stands on it. Read from the source, whatever runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gradcore
import gradcore_backends

# Where the packages are that the tests import: in this checkout, or installed.
PACKAGES = {
    "gradcore": Path(gradcore.__file__).parent,
    "backends": Path(gradcore_backends.__file__).parent,
}

# From the bottom up. A module may import from its own layer and those before it.
LAYERS = [
    {"backend", "dtypes", "errors", "grad_mode", "lazy", "names", "narrow", "printing"}
    | {"return_types", "runtime", "size", "spelling", "testing", "watch"},
    {"device"},
    {"codegen", "diagnosis", "engine", "graph", "inplace", "namespace", "op", "operands", "saved", "view"},
    {"ops", "random"},
    {"fft", "linalg", "masked", "signal", "special", "methods"},
    {"tensor"},
    {"transforms"},
    {"func"},
    {"autograd", "cuda", "debugging", "explanation"},
    {"nn", "optim", "utils"},
    {"__init__"},
]
RANK = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}

# What moves arrays about without knowing one array library from another.
NEUTRAL = {"codegen", "device", "engine", "grad_mode", "graph", "inplace", "lazy", "namespace", "op", "runtime", "view"}

# nn and optim are built on what users have; here is what else they may take, name by name.
PUBLIC = {"autograd", "dtypes", "grad_mode", "nn", "ops", "optim", "random", "tensor", "utils"}
INTERNALS_ALLOWED = {
    "op.is_tensor",
    "op.wrap",  # a tensor of an array that an update computed
    "inplace.bump",  # an update writes into parameters, and says so
    "graph.HookDict",  # a module has hooks and handles of the same kind as tensors
    "graph.RemovableHandle",
    "operands.is_tensor",
}

OTHER_LIBRARIES = {"array_api_strict", "cupy", "dask", "jax", "mlx", "tensorflow", "torch"}


def imports(path):
    """Every name that a file imports, at any depth of its code, except for type checkers alone: ``module.name``."""
    found = set()

    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                visit(other)
            return
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.update(f"{node.module}.{name.name}" for name in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def files(package):
    first, *rest = package.split("/")
    found = sorted(PACKAGES[first].joinpath(*rest).rglob("*.py"))
    assert found, f"no files of {package}"
    return found


def module_of(path):
    """The first part of a module's name inside gradcore: ``ops`` for ``gradcore/ops/shape.py``."""
    return path.relative_to(PACKAGES["gradcore"]).parts[0].removesuffix(".py")


def own(path):
    """What a file imports from gradcore, without the package's name; ``""`` is the package itself."""
    names = {n for n in imports(path) if n == "gradcore" or n.startswith("gradcore.")}
    return {n.removeprefix("gradcore").removeprefix(".") for n in names}


def label(path):
    return str(path.relative_to(path.parents[2]))


def test_the_reader_of_imports_sees_what_it_should(tmp_path):
    file = tmp_path / "file.py"
    file.write_text(
        "import a.b\nfrom typing import TYPE_CHECKING\nfrom gradcore.x import y, z\n"
        "if TYPE_CHECKING:\n    import hidden\nelse:\n    import shown\n"
        "def f():\n    import inside\n    if True:\n        from deeper import name\n"
    )
    expected = "a.b typing.TYPE_CHECKING gradcore.x.y gradcore.x.z shown inside deeper.name"
    assert imports(file) == set(expected.split())


def test_every_module_has_its_place():
    modules = {module_of(path) for path in files("gradcore")}
    assert modules - set(RANK) == set(), "give it a place in LAYERS"
    assert set(RANK) - modules == set(), "it is gone: take it out of LAYERS"


@pytest.mark.parametrize("path", files("gradcore"), ids=label)
def test_imports_go_down(path):
    module = module_of(path)
    if module == "testing":
        # Samples are made, at the time of a test, with the public package.
        assert own(path) <= {""}
        return
    upward = sorted(n for n in own(path) if RANK[n.partition(".")[0] or "__init__"] > RANK[module])
    assert not upward, f"{label(path)} imports from above: {upward}"


@pytest.mark.parametrize("path", files("gradcore"), ids=label)
def test_no_array_library_but_numpy_is_imported(path):
    used = {n.partition(".")[0] for n in imports(path)}
    assert not used & OTHER_LIBRARIES
    assert "gradcore_backends" not in used, "backends are found by name, in device.py"
    if module_of(path) in NEUTRAL:
        assert not used & {"numpy", "array_api_compat"}, "this layer computes through the namespace of a device only"


@pytest.mark.parametrize("path", files("backends"), ids=label)
def test_backends_import_nothing_of_gradcore(path):
    assert own(path) == set()


@pytest.mark.parametrize("path", files("gradcore/nn") + files("gradcore/optim"), ids=label)
def test_nn_and_optim_stand_on_what_users_have(path):
    internal = {n for n in own(path) if n.partition(".")[0] not in PUBLIC}
    assert internal <= INTERNALS_ALLOWED
