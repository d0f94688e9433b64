"""Generated programs of custom Functions, views and writes in place: PyTorch and gradcore do the same at every step."""

from __future__ import annotations

import warnings

from hypothesis import given, settings
from hypothesis import strategies as st

import gradcore as gc

PREAMBLE = """
def function(name, forward, backward):
    return type(name, (t.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})

def saving(ctx, *tensors, result):
    ctx.save_for_backward(*tensors)
    return result

def doubled(ctx, x):
    y = x * 2
    return saving(ctx, y, result=y)

def written(ctx, x):
    ctx.mark_dirty(x)
    x.mul_(3)
    return saving(ctx, x, result=x)

def scaled(ctx, x, y):
    ctx.mark_dirty(x)
    ctx.save_for_backward(x.clone(), y)
    return x.mul_(y.sum())

def scaled_backward(ctx, g):
    x, y = ctx.saved_tensors
    return g * y.sum(), (g * x).sum() * t.ones_like(y)

def one_constant(ctx, x):
    y = x * 2
    ctx.mark_non_differentiable(y)
    return x * 3, y

def constant(ctx, x):
    ctx.mark_non_differentiable(x)
    return x

def product_backward(ctx, g):
    x, y = ctx.saved_tensors
    return (g * y).sum() * t.ones_like(x), g * x.sum()

Square = function("Square", lambda ctx, x: saving(ctx, x, result=x * x), lambda ctx, g: 2 * g * ctx.saved_tensors[0])
Doubled = function("Doubled", doubled, lambda ctx, g: 2 * g + 0 * ctx.saved_tensors[0])
Written = function("Written", written, lambda ctx, g: 3 * g + 0 * ctx.saved_tensors[0])
Same = function("Same", lambda ctx, x: x, lambda ctx, g: g * 5)
View = function("View", lambda ctx, x: x.view(-1), lambda ctx, g: g * 1)
Two = function("Two", lambda ctx, x: (x * 2, x * 3), lambda ctx, g, h: 2 * g + 3 * h)
SameAndMore = function("SameAndMore", lambda ctx, x: (x, x * 3), lambda ctx, g, h: 2 * g + 3 * h)
OneConstant = function("OneConstant", one_constant, lambda ctx, g, h: 3 * g + h)
Constant = function("Constant", constant, lambda ctx, g: g)
Scaled = function("Scaled", scaled, scaled_backward)
Unused = function("Unused", lambda ctx, x, y: x * y, lambda ctx, g: (None, g * 2))
Product = function("Product", lambda ctx, x, y: saving(ctx, x, y, result=x.sum() * y), product_backward)

a = t.tensor([1., 2.], requires_grad=True)
b = t.tensor([3., -1.], requires_grad=True)
c = t.tensor([.5, 2.])
"""

STEPS = [
    *(f"{name}.apply({{x}})" for name in ("Square", "Doubled", "Written", "Same", "View")),
    *(f"{name}.apply({{x}})" for name in ("Two", "SameAndMore", "OneConstant", "Constant")),
    *(f"{name}.apply({{x}}, {{y}})" for name in ("Scaled", "Unused", "Product")),
    *("{x} * 2", "{x} * {y}.sum()", "{x}[:1]", "{x}.view(-1)", "{x}.add_(1)", "{x}.mul_({y}.sum())", "{x}.detach()"),
]

END = [
    "total = sum((x * (i + 1)).sum() for i, x in enumerate(tensors))",
    "first = t.autograd.grad(total, (a, b), allow_unused=True, create_graph=True)",
    "squares = [(g * g).sum() for g in first if g is not None and g.requires_grad]",
    "second = t.autograd.grad(squares, (a, b), allow_unused=True, retain_graph=True) if squares else (None, None)",
    "total.backward()",
]


@st.composite
def programs(draw):
    """Lines, each of which makes one or two tensors of those that are there."""
    lines = []
    for _ in range(draw(st.integers(2, 8))):
        step = draw(st.sampled_from(STEPS))
        # Places among the tensors that there will be then: Functions may give two.
        x, y = (f"tensors[{draw(st.integers(0, 30))} % len(tensors)]" for _ in "xy")
        mode = draw(st.sampled_from(["enable_grad"] * 6 + ["no_grad"]))
        lines.append(f"with t.{mode}(): made = {step.format(x=x, y=y)}")
    return lines


def facts(x):
    try:
        history = type(x.grad_fn).__name__
    except RuntimeError:
        history = "invalid"
    return (
        [round(float(v), 3) for v in x.detach().reshape(-1).tolist()],
        x.requires_grad,
        x._is_view(),
        x._version,
        history,
    )


def log(t, lines):
    """What can be seen after each line, to the end or the first error."""
    names = {"t": t}
    exec(PREAMBLE, names)
    tensors = names["tensors"] = [names["a"], names["b"], names["c"]]
    seen = []
    for line in (*lines, *END):
        try:
            exec(line, names)
        except (RuntimeError, TypeError, AttributeError) as e:
            return [*seen, type(e).__name__]
        made = names.pop("made", ())
        for x in made if isinstance(made, tuple) else (made,):
            if not any(x is other for other in tensors):
                tensors.append(x)
        seen.append((line, [facts(x) for x in tensors]))
    gradients = [*names["first"], names["a"].grad, names["b"].grad]
    # A gradient of second order that is zero by structure may be None in one library and zeros in the other.
    second = [[0.0, 0.0] if g is None else [round(v, 3) for v in g.tolist()] for g in names["second"]]
    return [*seen, [None if g is None else [round(v, 3) for v in g.tolist()] for g in gradients], second]


@settings(max_examples=200)
@given(lines=programs())
def test_the_same_at_every_step(torch, lines):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = log(gc, lines), log(torch, lines)
    assert ours == theirs, "\n".join(lines)
