"""Draw the graph of a model: its modules as frames, its parameters by name.

python examples/draw_model.py                   text, for the terminal
python examples/draw_model.py graph.mmd         a Mermaid diagram
python examples/draw_model.py graph.gv          DOT, the language of Graphviz
python examples/draw_model.py graph.svg         a picture; needs gradcore[viz] and Graphviz's program dot
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gradcore as gc
from gradcore import nn
from gradcore.utils import viz


class Residual(nn.Module):
    """``x + f(x)``."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(features, features), nn.ReLU())

    def forward(self, x: gc.Tensor) -> gc.Tensor:
        """Add to ``x`` what is computed from it; the shape stays."""
        return x + self.inner(x)


def main() -> None:
    """Run a small model, and draw what was recorded."""
    options = argparse.ArgumentParser(description="Draw the graph of a small model.")
    options.add_argument("file", type=Path, nargs="?", help="what to write: .mmd, .gv, .svg, .png ...; none: text")
    options.add_argument("--saved", action="store_true", help="show the tensors that were saved for backward")
    given = options.parse_args()

    model = nn.Sequential(nn.Linear(8, 16), Residual(16), nn.Linear(16, 1))
    with viz.record_modules(model) as modules:
        loss = (model(gc.ones(4, 8)) ** 2).mean()

    if given.file is None:
        print(viz.text(loss, modules=modules, show_saved=given.saved))
    elif given.file.suffix == ".mmd":
        viz.make_mermaid(loss, modules=modules, show_saved=given.saved).save(given.file)
    else:
        drawing = viz.make_dot(loss, modules=modules, show_saved=given.saved)
        if given.file.suffix == ".gv":
            drawing.save(given.file)
        else:
            drawing.render(outfile=given.file, cleanup=True)


if __name__ == "__main__":
    main()
