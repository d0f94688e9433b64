"""What the tests of custom Functions share: a preamble for programs as text, and what such a program noted."""

from __future__ import annotations

# What programs may use besides the library, t: two leaves x and w, a Function of two lambdas, and show, which notes values.
PREAMBLE = """
Function, once_differentiable = t.autograd.Function, t.autograd.function.once_differentiable
grad = t.autograd.grad
x = t.tensor([1., 2.], requires_grad=True)
w = t.tensor([3., 5.], requires_grad=True)
shown = []

def make(forward, backward=None, **members):
    members["forward"] = staticmethod(forward)
    if backward is not None:
        members["backward"] = staticmethod(backward)
    return type("F", (Function,), members)

def saving(ctx, x):
    ctx.save_for_backward(x)
    return x * x

def double(ctx, x):
    return x * 2

def dirty(ctx, x):
    ctx.mark_dirty(x)
    return x.mul_(2)

def reading(ctx, g):
    return 2 * g * ctx.saved_tensors[0]

def separate(forward, setup_context=lambda ctx, inputs, output: None, backward=None, **members):
    return make(forward, backward, setup_context=staticmethod(setup_context), **members)

def text(value):
    if isinstance(value, t.Tensor):
        kind = str(value.dtype).rpartition(".")[2]
        history = type(value.grad_fn).__name__ if value.grad_fn is not None else "leaf" if value.requires_grad else ""
        return " ".join(p for p in (str(value.tolist()), "" if kind == "float32" else kind, history) if p)
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(text, value)) + ")"
    if isinstance(value, t.autograd.graph.Node):
        return value.name()
    return str(value)

def show(*values):
    shown.append("; ".join(map(text, values)))

def noted(value, *more):
    show(value, *more)
    return value
"""


def shown(program, t):
    names = {"t": t}
    exec(PREAMBLE, names)
    exec(compile(program, "<program>", "exec"), names)
    return names["shown"]
