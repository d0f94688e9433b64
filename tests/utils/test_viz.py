"""The graph as a picture: what is drawn, in which languages, and what a notebook shows."""

from __future__ import annotations

import gc as garbage
import os
import re
import shutil
import stat
import sys
import threading
import weakref
from collections import Counter
from pathlib import Path

import graphviz
import pytest

import gradcore as gc
from gradcore.utils import viz
from gradcore.utils.checkpoint import checkpoint

GREEN, DARK_GREEN, BLUE, ORANGE, GREY = "darkolivegreen1", "darkolivegreen3", "lightblue", "orange", "grey"
BOX = re.compile(
    r'^\t+n(\d+) \[label="((?:[^"\\]|\\.)*)"(?: fillcolor=(\w+))?(?: style="filled,dashed")?\]$', re.MULTILINE
)
ARROW = re.compile(r"^\tn(\d+) -> n(\d+)(?: \[(.*)\])?$", re.MULTILINE)


class Parsed:
    """A drawing taken apart again: colours and labels of its boxes, arrows between the labels by their style."""

    def __init__(self, drawing):
        source = drawing.source
        found = BOX.findall(source)
        self.labels = {number: label for number, label, _ in found}
        self.boxes = sorted((color or GREY, label) for _, label, color in found)
        arrows = [(self.labels[a], self.labels[b], style) for a, b, style in ARROW.findall(source)]
        self.flow = sorted((a, b) for a, b, style in arrows if style == "")
        self.saved = sorted((a, b) for a, b, style in arrows if style == "dir=none")
        self.views = sorted((a, b) for a, b, style in arrows if style == "style=dotted")
        # Nothing but what the two patterns know.
        assert len(self.flow) + len(self.saved) + len(self.views) == source.count(" -> ")
        assert len(found) == len(re.findall(r"^\t+n\d+ \[", source, re.MULTILINE))

    def named(self, color):
        return [label for c, label in self.boxes if c == color]


def leaf(*shape):
    return gc.ones(*shape, requires_grad=True)


def seed_program():
    x = leaf(5)
    y = x + 2
    return x, (y * y * 3).mean()


# What is drawn.


def test_the_seed_program():
    x, out = seed_program()
    found = Parsed(viz.make_dot(out, params={"x": x}))
    assert found.boxes == [
        (GREEN, "()"),
        (GREY, "AccumulateGrad"),
        (GREY, "AddBackward0"),
        (GREY, "MeanBackward0"),
        (GREY, "MulBackward0"),
        (GREY, "MulBackward0"),
        (BLUE, r"x\n(5)"),
    ]
    assert found.flow == [
        ("AccumulateGrad", "AddBackward0"),
        ("AddBackward0", "MulBackward0"),
        ("AddBackward0", "MulBackward0"),
        ("MeanBackward0", "()"),
        ("MulBackward0", "MeanBackward0"),
        ("MulBackward0", "MulBackward0"),
        (r"x\n(5)", "AccumulateGrad"),
    ]


def programs(t):
    x = t.ones(2, 3, requires_grad=True)
    w = t.ones(3, requires_grad=True)
    yield (x @ w).exp().sum()
    a, b, c = (x * 2).unbind(1)
    yield a * b + c
    written = x * 1
    row = written[0]
    row.mul_(w)
    yield written.sum()
    yield row
    yield x.max(1)[0] * x.sum()
    first = (x * x * x).sum()
    (g,) = t.autograd.grad(first, x, create_graph=True)
    yield (g * g).sum()

    class Cube(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3, x * 2

        @staticmethod
        def backward(ctx, g, h):
            (x,) = ctx.saved_tensors
            return 3 * x * x * g + 2 * h

    one, two = Cube.apply(x * 1)
    yield one + two


@pytest.mark.parametrize("nr", range(7))
def test_nodes_and_edges_are_those_of_pytorch(torch, nr):
    theirs = list(programs(torch))[nr]
    edges, names, waiting = Counter(), {}, [theirs.grad_fn]
    while waiting:
        node = waiting.pop()
        if node in names:
            continue
        names[node] = type(node).__name__
        for source, _ in node.next_functions:
            if source is not None:
                edges[type(source).__name__, type(node).__name__] += 1
                waiting.append(source)
    found = Parsed(viz.make_dot(list(programs(gc))[nr]))
    assert found.named(GREY) == sorted(names.values())
    assert Counter(edge for edge in found.flow if not any("(" in label for label in edge)) == edges


def test_names_come_from_a_dict_from_pairs_or_from_a_module():
    layer = gc.nn.Linear(3, 2)
    out = layer(gc.ones(4, 3))
    for params in (dict(layer.named_parameters()), list(layer.named_parameters()), layer.named_parameters(), layer):
        assert Parsed(viz.make_dot(out, params)).named(BLUE) == [r"bias\n(2)", r"weight\n(2, 3)"]
    assert Parsed(viz.make_dot(out)).named(BLUE) == ["(2)", "(2, 3)"]


def test_several_outputs_share_their_graph():
    x = leaf(2)
    y = x.exp()
    for outputs in ([y.sum(), y.prod()], {"a": y.sum(), "b": [y.prod(), None]}, (z for z in (y.sum(), y.prod()))):
        found = Parsed(viz.make_dot(outputs))
        assert found.named(GREEN) == ["()", "()"]
        assert found.named(GREY).count("ExpBackward0") == 1
        assert found.flow.count(("ExpBackward0", "SumBackward0")) == 1
        assert found.flow.count(("ExpBackward0", "ProdBackward0")) == 1


def test_a_tensor_without_history_is_one_box():
    x = leaf(2)
    assert Parsed(viz.make_dot(x, {"x": x})).boxes == [(GREEN, r"x\n(2)")]
    assert Parsed(viz.make_dot(gc.ones(2))).boxes == [(GREEN, "(2)")]


def test_an_output_that_is_a_leaf_of_another():
    x = leaf(2)
    found = Parsed(viz.make_dot((x * 2, x), {"x": x}))
    assert found.named(GREEN) == ["(2)", r"x\n(2)"]
    assert found.named(BLUE) == []
    assert (r"x\n(2)", "AccumulateGrad") in found.flow


def test_a_view_shows_its_base():
    w = leaf(2, 3)
    inner = w * 1
    found = Parsed(viz.make_dot(inner[0], {"w": w}))
    assert found.named(DARK_GREEN) == ["(2, 3)"]
    assert found.views == [("(2, 3)", "(3)")]
    assert ("MulBackward0", "(2, 3)") in found.flow
    # A base that is a leaf is there already.
    found = Parsed(viz.make_dot(w.t(), {"w": w}))
    assert found.named(DARK_GREEN) == []
    assert found.views == [(r"w\n(2, 3)", "(3, 2)")]


def test_saved_tensors_are_orange():
    x = leaf(5)
    y = x + 2
    found = Parsed(viz.make_dot((y * y).exp() * x, {"x": x}, show_saved=True))
    assert found.named(ORANGE) == [r"other, self\n(5)", r"self, result\n(5)"]
    assert found.saved == [
        ("ExpBackward0", r"self, result\n(5)"),
        ("MulBackward0", r"other, self\n(5)"),
        ("MulBackward0", r"self, result\n(5)"),
        # What was saved is a leaf of the picture.
        ("MulBackward0", r"x\n(5)"),
    ]
    assert Parsed(viz.make_dot((y * y).exp(), {"x": x})).named(ORANGE) == []


def test_saved_tensors_in_a_list():
    x = leaf(5)
    found = Parsed(viz.make_dot(x[gc.tensor([0, 1])], show_saved=True))
    assert found.saved == [("IndexBackward0", r"indices[0]\n(2)")]


def test_attributes():
    x = leaf(2, 3)
    (label,) = [
        label for label in Parsed(viz.make_dot(x.sum(1, keepdim=True), show_attrs=True)).named(GREY) if "Sum" in label
    ]
    title, rule, rows = label.split(r"\n")
    assert title == "SumBackward1"
    assert set(rule) == {"-"}
    assert {"dim        : (1,)", "keepdim    : True"} <= set(rows.split(r"\l"))
    out = (x * x).flatten()
    assert r"other: [saved tensor]\lself : [saved tensor]\l" in viz.make_dot(out, show_attrs=True).source
    # The text of an attribute is cut.
    long = x.reshape(1, 1, 1, 2, 3).sum((0, 1, 2, 3, 4), keepdim=True)
    for limit in (5, 10):
        values = re.findall(r": ([^\\]*)\\l", viz.make_dot(long, show_attrs=True, max_attr_chars=limit).source)
        assert max(map(len, values)) == limit
        assert all(value.endswith("…") for value in values if len(value) == limit)


def test_shapes_of_nodes():
    first, second = leaf(4).chunk(2)
    found = Parsed(viz.make_dot(first * second, show_shapes=True))
    assert found.named(GREY) == ["AccumulateGrad", r"MulBackward0\n(2)", r"SplitBackward0\n(2) (2)"]


def test_what_was_freed_or_changed_is_not_drawn_but_said():
    x = leaf(5)
    out = (x.exp() * 2).sum()
    out.backward()
    found = Parsed(viz.make_dot(out, show_attrs=True, show_saved=True))
    assert found.named(ORANGE) == []
    assert any("ExpBackward0" in label and "[freed]" in label for label in found.named(GREY))
    y = x * 2
    out = y * y
    y.add_(1)
    found = Parsed(viz.make_dot(out, show_attrs=True, show_saved=True))
    assert found.named(ORANGE) == []
    assert any(r"other: [modified in place]\lself : [modified in place]" in label for label in found.named(GREY))


def test_hooks_of_saved_tensors_are_not_run():
    x = leaf(5)
    unpacked = []
    with gc.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: unpacked.append(t) or t):
        out = (x * x).sum()
    found = Parsed(viz.make_dot(out, show_attrs=True, show_saved=True))
    assert any("[packed]" in label for label in found.named(GREY))
    assert unpacked == []
    calls = []

    def step(x):
        calls.append(1)
        return x.exp().sin()

    out = checkpoint(step, x, use_reentrant=False).sum()
    viz.make_dot(out, show_attrs=True, show_saved=True)
    assert calls == [1]
    out.backward()
    assert calls == [1, 1]


@pytest.mark.parametrize("once", [False, True])
def test_tensors_that_a_function_saved(once):
    class Cube(gc.autograd.Function):
        clear_saved_tensors_on_access = once

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, x * x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            _, square = ctx.saved_tensors
            return 3 * square * g

    x = leaf(2)
    out = Cube.apply(x * 2)
    found = Parsed(viz.make_dot(out, show_saved=True))
    assert ("CubeBackward", r"saved[0]\n(2)") in found.saved
    assert ("CubeBackward", r"saved[1]\n(2)") in found.saved
    # Looking has taken nothing away.
    out.sum().backward()
    assert x.grad.tolist() == [24, 24]


def test_equal_graphs_give_equal_text():
    def draw(make):
        x = leaf(2, 2)
        w = leaf(2, 2)
        return str(make((x @ w + x[0]).sum(), {"x": x}, show_attrs=True, show_saved=True))

    for make in (viz.make_dot, viz.make_mermaid, viz.text):
        assert draw(make) == draw(make)
        assert "0x" not in draw(make)


def test_a_picture_keeps_no_graph_alive():
    x = leaf(2)
    out = (x * x).exp()
    node = weakref.ref(out.grad_fn)
    garbage.disable()
    try:
        drawings = [make(out, {"x": x}, True, True) for make in (viz.make_dot, viz.make_mermaid, viz.text)]
        del out
        assert node() is None
    finally:
        garbage.enable()
    assert all("ExpBackward0" in str(drawing) for drawing in drawings)


# Large graphs.


def chain(length):
    x = leaf(1)
    y = x
    for _ in range(length):
        y = y + 1
    return y


def test_a_long_chain_is_cut_with_a_count():
    y = chain(20_000)
    source = viz.make_dot(y).source
    assert source.count('"AddBackward0"') == 999
    # 20,000 additions and an AccumulateGrad.
    assert r'[label="19002 more nodes\nmax_nodes=1000" fillcolor=white style="filled,dashed"]' in source
    whole = viz.make_dot(y, max_nodes=None).source
    assert "more nodes" not in whole
    assert whole.count('"AddBackward0"') == 20_000
    assert viz.text(y, max_nodes=3).split("\n") == [
        "0  output            (1)          from 1",
        "1  AddBackward0      (1)          from 2",
        "2  AddBackward0      (1)          from 3",
        "3  19999 more nodes  max_nodes=3",
    ]


def test_what_is_nearest_to_the_output_is_drawn():
    x = leaf(1)
    far = (x * 2).exp().sin().cos()
    found = Parsed(viz.make_dot(gc.stack([x + 1, far]).sum(), max_nodes=6))
    assert found.named(GREY) == ["AddBackward0", "CosBackward0", "SinBackward0", "StackBackward0", "SumBackward0"]
    (rest,) = found.named("white")
    assert [target for source, target in found.flow if source == rest] == ["AddBackward0", "SinBackward0"]


def test_a_graph_with_exponentially_many_paths():
    y = leaf(1)
    for _ in range(300):
        y = y * y + y
    assert viz.make_dot(y, max_nodes=None, show_saved=True).source.count('"AddBackward0"') == 300


def test_many_inputs_outputs_and_saved_tensors():
    x = leaf(1)
    parts = [x * i for i in range(3000)]
    found = Parsed(viz.make_dot(gc.stack(parts).sum(), max_nodes=4))
    assert found.named("white") == [r"3000 more nodes\nmax_nodes=4"]
    found = Parsed(viz.make_dot(parts, max_nodes=10))
    assert len(found.boxes) == 11
    assert re.match(r"\d+ more nodes\\n\d+ more tensors\\nmax_nodes=10$", found.named("white")[0])
    found = Parsed(viz.make_dot((x * 2).exp() * x.sin(), max_nodes=5, show_saved=True))
    assert len(found.boxes) == 6


# Modules.


class Block(gc.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = gc.nn.Linear(2, 2)

    def forward(self, x):
        return self.inner(x).relu() + x


class Model(gc.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = gc.nn.Parameter(gc.ones(2))
        self.block = Block()
        self.out = gc.nn.Linear(2, 1)

    def forward(self, x):
        return self.out(self.block(self.block(x * self.scale)))


def frames(drawing):
    """The boxes of each frame, by the labels of the frames around them."""
    inside, path = {}, []
    for line in drawing.source.split("\n"):
        line = line.strip()
        if line.startswith("subgraph"):
            path.append("?")
        elif line == "}" and path:
            path.pop()
        elif line.startswith("graph [label="):
            path[-1] = re.match(r'graph \[label="([^"]*)"', line)[1]
        elif found := re.match(r'n\d+ \[label="([^"]*)"', line):
            inside.setdefault("/".join(path), []).append(found[1])
    return {path: sorted(boxes) for path, boxes in inside.items()}


LINEAR = ["AccumulateGrad", "AccumulateGrad", "AddmmBackward0", "TBackward0"]


def test_parameters_group_what_takes_them():
    model = Model()
    found = frames(viz.make_dot(model(gc.ones(1, 2)), params=model))
    assert found == {
        "": sorted(
            ["(1, 1)", "AccumulateGrad", "MulBackward0", r"scale\n(2)", *(["AddBackward0", "ReluBackward0"] * 2)]
        ),
        "block: Block/block.inner: Linear": sorted(
            [*LINEAR, "AddmmBackward0", "TBackward0", r"block.inner.bias\n(2)", r"block.inner.weight\n(2, 2)"]
        ),
        "out: Linear": sorted([*LINEAR, r"out.bias\n(1)", r"out.weight\n(1, 2)"]),
    }


def test_recorded_modules_group_what_they_made():
    model = Model()
    x = leaf(1, 2)
    with viz.record_modules(model) as modules:
        out = model(x)
    outside = out.exp()
    drawing = viz.make_dot(outside, {"x": x}, modules=modules)
    assert frames(drawing) == {
        "": ["(1, 1)", "AccumulateGrad", "ExpBackward0", r"x\n(1, 2)"],
        # What both calls of the block use stands around both.
        "Model": ["(2)", "(2)", "(2, 2)", *["AccumulateGrad"] * 3, "MulBackward0"],
        "Model/block: Block": ["AddBackward0", "ReluBackward0"],
        "Model/block: Block/block.inner: Linear": ["AddmmBackward0", "TBackward0"],
        "Model/block: Block, call 2": ["AddBackward0", "ReluBackward0"],
        "Model/block: Block, call 2/block.inner: Linear, call 2": ["AddmmBackward0", "TBackward0"],
        "Model/out: Linear": sorted([*LINEAR, "(1)", "(1, 2)"]),
    }
    # Without names of its own, the picture takes those of the model.
    assert r'"out.weight\n(1, 2)"' in viz.make_dot(outside, modules=modules).source
    assert "in out: Linear" in viz.text(outside, modules=modules)
    assert '["Model"]' in viz.make_mermaid(outside, modules=modules).source


def test_recording_leaves_nothing_behind():
    model = Model()
    with viz.record_modules(model) as modules:
        model(gc.ones(1, 2))
        with pytest.raises(RuntimeError, match="recording already"), modules:
            pass
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    out = model(gc.ones(1, 2))
    # Made after the block.
    assert set(frames(viz.make_dot(out, modules=modules))) == {""}


def test_recording_survives_exceptions():
    class Sometimes(gc.nn.Module):
        def forward(self, x):
            if x is None:
                raise ValueError("nothing")
            return x * 2

    model = gc.nn.Sequential(Sometimes())

    def refuse(module, args):
        if args[0] is None:
            raise KeyError("hook")

    x = leaf(1)
    with viz.record_modules(model) as modules:
        with pytest.raises(ValueError, match="nothing"):
            model(None)
        outside = x * 3
        handle = model[0].register_forward_pre_hook(refuse)
        with pytest.raises(KeyError):
            model(None)
        handle.remove()
        out = model(outside)
    found = frames(viz.make_dot(out, modules=modules))
    assert "MulBackward0" in found[""]
    (path,) = set(found) - {""}
    assert re.fullmatch(r"Sequential, call 3/0: Sometimes, call 3", path)


def test_recording_in_two_threads():
    model = gc.nn.Linear(1, 1)
    results = []
    with viz.record_modules(model) as modules:
        for _ in range(2):
            thread = threading.Thread(target=lambda: results.append(model(gc.ones(1, 1))))
            thread.start()
            thread.join()
    for i, out in enumerate(results):
        assert ["Linear", "Linear, call 2"][i] in frames(viz.make_dot(out, modules=modules))


# The languages.

NAMES = [
    'a "b" \\ c',
    "two\nlines",
    "<b>",
    "a&lt;b",
    "ü 漢",
    "\\N",
    "end",
    "#35;",
    "__init__",
    "1. one",
    "%% x",
    "x\0",
    "\ud800",
]


def test_every_name_is_drawn_as_it_is():
    leaves = [leaf(1) for _ in NAMES]
    out = gc.stack(leaves).sum()
    names = dict(zip(NAMES, leaves, strict=True))
    labels = Parsed(viz.make_dot(out, names)).named(BLUE)
    read = [
        label.replace("&amp;", "&").encode().decode("unicode_escape").encode("latin-1").decode() for label in labels
    ]
    expected = [name.replace("\0", "\\x00").replace("\ud800", "\\ud800") + "\n(1)" for name in NAMES]
    assert sorted(read) == sorted(expected)
    source = viz.make_mermaid(out, names).source
    drawn = re.findall(r'^  n\d+\["([^"]*)"\]:::leaf$', source, re.MULTILINE)
    read = [re.sub(r"#(\d+);", lambda m: chr(int(m[1])), label.replace("<br/>", "\n")) for label in drawn]
    assert sorted(read) == sorted(expected)
    assert not any(c in label.replace("<br/>", "") for label in drawn for c in '<>&"`\\%*')
    text = viz.text(out, names)
    assert len(text.split("\n")) == 3 + 2 * len(NAMES)
    for written in (viz.make_dot(out, names).source, source, text):
        written.encode("utf-8")


def test_mermaid():
    x, out = seed_program()
    assert (
        viz.make_mermaid(out, {"x": x}, show_saved=True, show_shapes=True).source
        == """\
flowchart TD
  n0["()"]:::output
  n1["MeanBackward0<br/>()"]:::function
  n2["MulBackward0<br/>(5)"]:::function
  n3["MulBackward0<br/>(5)"]:::function
  n4["AddBackward0<br/>(5)"]:::function
  n5["other, self<br/>(5)"]:::saved
  n6["AccumulateGrad"]:::function
  n7["x<br/>(5)"]:::leaf
  n1 --> n0
  n2 --> n1
  n3 --> n2
  n4 --> n3
  n4 --> n3
  n3 --- n5
  n6 --> n4
  n7 --> n6
  classDef output fill:#caff70,stroke:#333333,color:#000000
  classDef function fill:#d3d3d3,stroke:#333333,color:#000000
  classDef saved fill:#ffa500,stroke:#333333,color:#000000
  classDef leaf fill:#add8e6,stroke:#333333,color:#000000
"""
    )


def test_mermaid_with_frames_and_views(tmp_path):
    model = gc.nn.Sequential(gc.nn.Linear(2, 3))
    drawing = viz.make_mermaid(model(gc.ones(1, 2))[0], model)
    lines = drawing.source.split("\n")
    start = lines.index('  subgraph m0["0: Linear"]')
    end = lines.index("  end")
    assert all(line.startswith("    n") for line in lines[start + 1 : end])
    assert sum(" -.-> " in line for line in lines) == 1
    path = drawing.save(tmp_path / "graph.mmd")
    assert Path(path).read_text(encoding="utf-8") == drawing.source == str(drawing)


def test_text():
    x, out = seed_program()
    assert viz.text(out, {"x": x}, show_saved=True).split("\n") == [
        "0  output             ()   from 1",
        "1  MeanBackward0      ()   from 2",
        "2  MulBackward0       (5)  from 3",
        "3  MulBackward0       (5)  from 4, 4; saves 5",
        "4  AddBackward0       (5)  from 6",
        "5  saved other, self  (5)",
        "6  AccumulateGrad          from 7",
        "7  leaf x             (5)",
    ]


# With and without the package graphviz, and its program.


@pytest.fixture
def without_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    monkeypatch.delitem(sys.modules, "gradcore.utils.viz.digraph", raising=False)


@pytest.fixture
def without_program(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def pretended_program(monkeypatch, tmp_path):
    """A program called dot that says which format it was asked for, and what it read."""
    program = tmp_path / "dot"
    program.write_text(
        f"#!{sys.executable}\n"
        "import argparse, pathlib, sys\n"
        "options = argparse.ArgumentParser()\n"
        "for name in ('-K', '-T', '-o'): options.add_argument(name)\n"
        "options.add_argument('file', nargs='?')\n"
        "given = options.parse_args()\n"
        "source = pathlib.Path(given.file).read_text() if given.file else sys.stdin.read()\n"
        "text = f'<{given.T} of {source.count(chr(10))} lines>'\n"
        "pathlib.Path(given.o).write_text(text) if given.o else sys.stdout.write(text)\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))


def test_the_package_gives_a_digraph_with_the_same_text(without_package, monkeypatch):
    model = Model()
    with viz.record_modules(model) as modules:
        out = model(gc.ones(1, 2))
    bare = viz.make_dot(out, show_attrs=True, show_saved=True, modules=modules)
    assert isinstance(bare, viz.Dot)
    monkeypatch.undo()
    full = viz.make_dot(out, show_attrs=True, show_saved=True, modules=modules)
    assert isinstance(full, graphviz.Digraph)
    assert full.source == bare.source == str(full) == str(bare)


def test_a_digraph_can_be_changed():
    _, out = seed_program()
    drawing = viz.make_dot(out)
    drawing.attr(rankdir="LR")
    drawing.node("mine", label="more")
    copied = drawing.copy()
    assert copied.source == drawing.source
    assert "mine [label=more]" in drawing.source
    assert copied._repr_mimebundle_(include=[]) == {}


def test_without_the_package_there_is_text(without_package, tmp_path):
    _, out = seed_program()
    drawing = viz.make_dot(out)
    path = drawing.save("graph.gv", directory=tmp_path / "new")
    assert path == os.fspath(tmp_path / "new" / "graph.gv")
    assert Path(path).read_text(encoding="utf-8") == drawing.source
    for draw in (drawing.render, drawing.pipe, drawing.view):
        with pytest.raises(ImportError, match=r"gradcore\[viz\].*program, dot"):
            draw(format="svg")
    bundle = drawing._repr_mimebundle_()
    assert bundle["text/markdown"] == f"```mermaid\n{viz.make_mermaid(out)}```\n"
    assert bundle["text/plain"] == viz.text(out, show_shapes=False)


def test_a_notebook_shows_a_drawing_also_without_the_program(without_program):
    _, out = seed_program()
    drawing = viz.make_dot(out)
    bundle = drawing._repr_mimebundle_()
    assert bundle == viz.make_mermaid(out)._repr_mimebundle_()
    assert bundle["text/vnd.mermaid"].startswith("flowchart TD\n")
    assert drawing._repr_svg_() is None
    assert drawing.copy()._repr_mimebundle_() == bundle
    with pytest.raises(graphviz.ExecutableNotFound, match="dot"):
        drawing.pipe(format="svg")


def test_what_mermaid_cannot_draw_is_shown_as_text(without_program):
    bundle = viz.make_dot(chain(700))._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}
    assert bundle["text/plain"].count("\n") == 702


def test_the_program_draws_files_and_notebooks(pretended_program, tmp_path):
    _, out = seed_program()
    drawing = viz.make_dot(out)
    lines = drawing.source.count("\n")
    assert drawing.pipe(format="png") == f"<png of {lines} lines>".encode()
    assert drawing._repr_mimebundle_() == {"image/svg+xml": f"<svg of {lines} lines>"}
    assert drawing._repr_svg_() == f"<svg of {lines} lines>"
    assert drawing._repr_mimebundle_(include=["image/png"]) == {"image/png": f"<png of {lines} lines>".encode()}
    path = drawing.render(outfile=tmp_path / "graph.svg")
    assert Path(path).read_text(encoding="utf-8") == f"<svg of {lines} lines>"


def test_a_program_that_fails_shows_no_traceback_in_a_notebook(pretended_program, tmp_path):
    (tmp_path / "dot").write_text(f"#!{sys.executable}\nraise SystemExit('out of order')\n")
    _, out = seed_program()
    assert "text/markdown" in viz.make_dot(out)._repr_mimebundle_()


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's program dot is not installed")
def test_graphviz_draws_it(tmp_path):
    model = Model()
    out = model(leaf(1, 2))
    drawing = viz.make_dot(out, model, show_attrs=True, show_saved=True)
    svg = drawing._repr_mimebundle_()["image/svg+xml"]
    assert svg.count('class="node"') == len(Parsed(drawing).boxes)
    assert svg.count('class="edge"') == drawing.source.count(" -> ")
    path = drawing.render(outfile=tmp_path / "graph.png")
    assert Path(path).read_bytes().startswith(b"\x89PNG")


# Errors.


@pytest.mark.parametrize("make", [viz.make_dot, viz.make_mermaid, viz.text])
def test_errors(make):
    x = leaf(2)
    for out in ("abc", 3, [x, 3], x.exp().grad_fn):
        with pytest.raises(TypeError, match="expected a tensor"):
            make(out)
    for nothing in (None, [], {}, [[], None]):
        with pytest.raises(ValueError, match="there is none"):
            make(nothing)
    for params in ({"a": 3}, [3], 3, {3: x}, "ab", x, [("a", x, 1)]):
        with pytest.raises(TypeError, match="params must be a dict"):
            make(x, params)
    for limit in (0, -1):
        with pytest.raises(ValueError, match="max_nodes must be at least 1"):
            make(x, max_nodes=limit)
    for limit in (2.5, True, "3"):
        with pytest.raises(TypeError, match="max_nodes must be an int or None"):
            make(x, max_nodes=limit)
    with pytest.raises(TypeError, match="modules must be what `with record_modules"):
        make(x, modules=gc.nn.Linear(1, 1))
