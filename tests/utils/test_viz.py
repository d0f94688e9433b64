"""The graph as DOT text."""

from __future__ import annotations

import re

import gradcore as gc
from gradcore.utils.viz import make_dot


def parsed(source):
    """The labels of the nodes by their names, and the edges as pairs of labels, sorted."""
    labels = dict(re.findall(r'^  (n\d+) \[label="(.*?)"[,\]]', source, re.MULTILINE))
    edges = [(labels[a], labels[b]) for a, b in re.findall(r"^  (n\d+) -> (n\d+);$", source, re.MULTILINE)]
    return sorted(labels.values()), sorted(edges)


def test_the_seed_program():
    x = gc.ones(5, requires_grad=True)
    y = x + 2
    out = (y * y * 3).mean()
    drawing = make_dot(out, params={"x": x})
    assert str(drawing) == drawing.source
    assert drawing.source.startswith("digraph {")
    nodes, edges = parsed(drawing.source)
    assert nodes == ["()", "AddBackward0", "MeanBackward0", "MulBackward0", "MulBackward0", r"x\n(5)"]
    assert edges == [
        ("AddBackward0", "MulBackward0"),
        ("AddBackward0", "MulBackward0"),
        ("MeanBackward0", "()"),
        ("MulBackward0", "MeanBackward0"),
        ("MulBackward0", "MulBackward0"),
        (r"x\n(5)", "AddBackward0"),
    ]


def test_names_of_a_module_and_shapes_of_the_others():
    layer = gc.nn.Linear(3, 2)
    x = gc.ones(4, 3, requires_grad=True)
    nodes, edges = parsed(make_dot(layer(x), layer.named_parameters()).source)
    assert nodes == ["(4, 2)", "(4, 3)", "AddmmBackward0", "TBackward0", r"bias\n(2)", r"weight\n(2, 3)"]
    assert (r"weight\n(2, 3)", "TBackward0") in edges
    assert (r"bias\n(2)", "AddmmBackward0") in edges


def test_equal_graphs_give_equal_text():
    def draw():
        x = gc.ones(2, requires_grad=True)
        return make_dot((x * x + x).sum(), {"x": x}).source

    assert draw() == draw()


def test_several_outputs_share_their_graph():
    x = gc.ones(2, requires_grad=True)
    y = x.exp()
    nodes, edges = parsed(make_dot([y.sum(), y.prod()]).source)
    assert nodes.count("ExpBackward0") == 1
    assert edges.count(("ExpBackward0", "SumBackward0")) == edges.count(("ExpBackward0", "ProdBackward0")) == 1


def test_leaves_as_outputs():
    x = gc.ones(2, requires_grad=True)
    assert parsed(make_dot(x).source) == (["(2)", "(2)"], [("(2)", "(2)")])
    assert parsed(make_dot(gc.ones(2)).source) == (["(2)"], [])


def test_quotes_in_names():
    x = gc.ones(1, requires_grad=True)
    assert r'label="a \"b\" \\ c\n(1)"' in make_dot(x * 2, {'a "b" \\ c': x}).source


def test_a_long_chain_needs_no_recursion():
    x = gc.ones(1, requires_grad=True)
    y = x
    for _ in range(5000):
        y = y + 1
    assert make_dot(y).source.count("AddBackward0") == 5000


def test_saves_to_a_file(tmp_path):
    x = gc.ones(1, requires_grad=True)
    drawing = make_dot(x * 2)
    path = drawing.save(tmp_path / "graph.dot")
    assert path.read_text() == drawing.source + "\n"
