"""How autograd works, step by step: each line of the session below is printed and run, with what it shows.

    python examples/autograd_tour.py
    GRADCORE_DEVICE=cuda python examples/autograd_tour.py

The numbers are the same on every device.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from typing import Any, TextIO

import gradcore as gc

SESSION = """
# 1. Recording. A tensor that requires grad has every operation on it recorded.
>>> x = gc.ones(5, requires_grad=True)
>>> x
>>> y = x + 2
>>> y
>>> z = y * y * 3
>>> z
>>> out = z.mean()
>>> out

# 2. The graph. A result knows the operation that made it, and that one those before it, down to the leaf x.
>>> print(y.grad_fn)
>>> def walk(node):
...     while node is not None:
...         print(node.name())
...         node = node.next_functions[0][0] if node.next_functions else None
>>> walk(out.grad_fn)
>>> out.grad_fn.next_functions[0][0].next_functions[0][0].next_functions
>>> x.is_leaf, y.is_leaf, out.is_leaf
>>> x.grad_fn is None

# requires_grad is inherited: one operand that has it is enough.
>>> c = gc.ones(5)
>>> c.requires_grad, (c * 2).requires_grad, (c * x).requires_grad

# The graph as text, and as a picture in the DOT language (paste it into any Graphviz page).
>>> print(gc.utils.viz.text(out, params={"x": x}))
>>> print(gc.utils.viz.make_dot(out, params={"x": x}))

# 3. Backward. The gradient of out flows back to the leaf: d out / d x = 6 (x + 2) / 5 = 3.6.
>>> x.grad is None
>>> out.backward()
>>> x.grad

# Tensors between leaf and output keep no gradient; and the graph is gone: running it again raises.
>>> y.grad
>>> out.backward()

# 4. Gradients accumulate. A second forward and backward adds 3.6 to the 3.6 that is there.
>>> out = ((x + 2) * (x + 2) * 3).mean()
>>> out.backward()
>>> x.grad

# Start anew from zero; an optimizer does that for all its parameters.
>>> x.grad.zero_()
>>> x.grad
>>> optimizer = gc.optim.SGD([x], lr=0.1)
>>> out = ((x + 2) * (x + 2) * 3).mean()
>>> out.backward()
>>> optimizer.step()
>>> x
>>> optimizer.zero_grad()
>>> x.grad is None

# 5. More than one number. A vector has no gradient of its own: say by what to weigh its elements.
>>> x = gc.ones(5, requires_grad=True)
>>> z = (x + 2) * (x + 2) * 3
>>> z.backward()
>>> z.backward(gc.ones_like(z))
>>> x.grad

# 6. Keeping the graph. With retain_graph=True the same graph can be run again.
>>> x = gc.ones(5, requires_grad=True)
>>> y = x + 2
>>> y.retain_grad()
>>> out = (y * y * 3).mean()
>>> out.backward(retain_graph=True)
>>> out.backward()
>>> x.grad
>>> y.grad

# 7. Derivatives of derivatives. With create_graph=True backward is recorded, too: d2 out / d x2 = 6 / 5.
>>> x = gc.ones(5, requires_grad=True)
>>> (g,) = gc.autograd.grad(((x + 2) * (x + 2) * 3).mean(), x, create_graph=True)
>>> g.requires_grad
>>> gc.autograd.grad(g.sum(), x)[0]

# 8. Not recording, and what would make a gradient wrong.
>>> with gc.no_grad():
...     print((x * 2).requires_grad)
>>> x.detach().requires_grad
>>> x.add_(1)
>>> y = x * 2
>>> z = y * y
>>> y.add_(1)
>>> z.sum().backward()

# 9. Hooks. A tensor's hook sees the gradient as it arrives, and may replace it; so do hooks of nodes, and of leaves at the end.
>>> x = gc.ones(3, requires_grad=True)
>>> y = x * 2
>>> first = y.register_hook(lambda g: print("y gets", g))
>>> second = y.register_hook(lambda g: g.clamp(max=1))
>>> third = y.grad_fn.register_hook(lambda given, taken: print(y.grad_fn.name(), "gives", given[0]))
>>> fourth = x.register_post_accumulate_grad_hook(lambda leaf: print("x has", leaf.grad))
>>> (y * gc.tensor([0.5, 1.0, 5.0])).sum().backward()
>>> second.remove()

# 10. A gradient of one's own: forward computes, setup_context saves, backward gives the gradient of each argument.
>>> class Softplus(gc.autograd.Function):
...     @staticmethod
...     def forward(x):
...         return (1 + x.exp()).log()
...     @staticmethod
...     def setup_context(ctx, inputs, output):
...         ctx.save_for_backward(*inputs)
...     @staticmethod
...     def backward(ctx, g):
...         (x,) = ctx.saved_tensors
...         return g * x.sigmoid()
>>> x = gc.tensor([0.0, 1.0], dtype=gc.float64, requires_grad=True)
>>> out = Softplus.apply(x)
>>> print(out)
>>> out.sum().backward()
>>> x.grad
>>> gc.autograd.gradcheck(Softplus.apply, x), gc.autograd.gradgradcheck(Softplus.apply, x)

# 11. Memory for time. A checkpointed part keeps nothing but its input, and runs again in backward.
>>> def part(x):
...     print("part runs")
...     return x.sin().exp()
>>> loss = gc.utils.checkpoint.checkpoint(part, x, use_reentrant=False).sum()
>>> loss.backward()

# 12. Functions of functions: the derivatives of f are functions, too, and run on batches.
>>> f = lambda x: (x ** 3).sum()
>>> v = gc.tensor([1.0, 2.0])
>>> gc.func.grad(f)(v)
>>> gc.func.hessian(f)(v)
>>> gc.func.jvp(f, (v,), (gc.tensor([1.0, 0.0]),))
>>> gc.func.vmap(gc.func.grad(f))(gc.tensor([[1.0, 2.0], [3.0, 4.0]]))

# 13. Finding faults: why does y have no gradient, and where does the nan come from?
>>> x = gc.zeros(1, requires_grad=True)
>>> with gc.debug():
...     y = (x * 2).detach()
...     print(gc.explain(y))
>>> with gc.autograd.detect_anomaly():
...     (x.sqrt() * 0).sum().backward()
"""


def run(session: str, out: TextIO) -> dict[str, Any]:
    """Run a session as Python's prompt would, and print it with what it shows; gives the names it made."""
    names: dict[str, Any] = {"gc": gc}
    for text, source in statements(session):
        print(text, file=out)
        if source:
            print(result_of(source, names), end="", file=out)
    return names


def statements(session: str) -> list[tuple[str, str]]:
    """The pieces of a session: as they are printed, and the code to run (none for a comment)."""
    pieces: list[tuple[str, str]] = []
    for line in session.strip("\n").splitlines():
        if line.startswith("... "):
            text, source = pieces[-1]
            pieces[-1] = f"{text}\n{line}", f"{source}\n{line[4:]}"
        else:
            pieces.append((line, line[4:] if line.startswith(">>> ") else ""))
    return pieces


def result_of(source: str, names: dict[str, Any]) -> str:
    """What a statement prints: its value, its output, a warning, or the error that it raises."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(compile(source + "\n", "<tour>", "single"), names)  # noqa: S102 - the text above
        except RuntimeError as error:
            print(f"{type(error).__name__}: {error}")
    names.pop("__builtins__", None)
    return "".join(f"{w.category.__name__}: {w.message}\n" for w in caught) + shown.getvalue()


if __name__ == "__main__":
    print(f"device: {gc.get_default_device()}\n")
    run(SESSION, sys.stdout)
