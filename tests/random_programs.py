"""Random programs of views, writes in place and backward, as source that runs with PyTorch and with gradcore alike.

A program is made from a list of numbers, so that a test can make a failing one small. Its lines are written while PyTorch
runs it: what can be done next depends on the shapes and the memory of what there is. Each line then runs with gradcore;
what it raises is compared, and, where a step says so, all that can be seen of every tensor. Looking at a tensor is a step
of its own since it is not without effect: PyTorch renews the history of a view when it is looked at.
"""

from __future__ import annotations

import warnings

import numpy as np

ERRORS = (RuntimeError, IndexError, TypeError, ValueError, NotImplementedError)

START = """\
a = t.tensor([[0.3, -0.7, 1.2], [0.9, 0.4, -1.15]], dtype=t.float64, requires_grad=True)
b = t.tensor([0.5, 1.3, -0.6], dtype=t.float64, requires_grad=True)
c = t.tensor([[1.5, 0.2, -0.4], [0.8, -0.9, 0.6]], dtype=t.float64)
d = t.tensor([[0.5 + 0.3j, -0.2 + 1.1j], [0.7 - 0.4j, 0.1 + 0.6j]], dtype=t.complex128, requires_grad=True)
e = (a * 2).T
f = a * 1
g = d * 1
h = t.tensor([0.25, 0.75, 1.25], dtype=t.float32, requires_grad=True)
"""

# Expressions of a tensor ``x``, with the least number of dimensions that it must have.
VIEWS = [
    ("x[0]", 1),
    ("x[-1]", 1),
    ("x[1:]", 1),
    ("x[:-1]", 1),
    ("x[:, 0]", 2),
    ("x[..., 1:]", 1),
    ("x[::2]", 1),
    ("x[None]", 0),
    ("x[...]", 0),
    ("x[:]", 1),
    ("x[:, None, 1]", 2),
    ("x[1, ..., 0]", 2),
    ("x.T", 0),
    ("x.t()", 0),
    ("x.mT", 2),
    ("x.transpose(0, -1)", 1),
    ("x.permute(1, 0)", 2),
    ("x.swapaxes(0, 1)", 2),
    ("x.movedim(0, -1)", 1),
    ("x.view(-1)", 0),
    ("x.view(3, -1)", 1),
    ("x.view_as(x)", 0),
    ("x.reshape(-1)", 0),
    ("x.reshape(2, -1)", 1),
    ("x.flatten()", 0),
    ("x.ravel()", 0),
    ("x.unflatten(0, (-1, 1))", 1),
    ("x.unsqueeze(-1)", 0),
    ("x.unsqueeze(0)", 0),
    ("x.squeeze()", 0),
    ("x.squeeze(0)", 0),
    ("x.expand(2, *x.shape)", 0),
    ("x[:1].expand(3, *x.shape[1:])", 1),
    ("x.diagonal()", 2),
    ("x.diagonal(1)", 2),
    ("x.narrow(-1, 0, 2)", 1),
    ("x.narrow(0, 1, 1)", 1),
    ("x.select(-1, 1)", 1),
    ("x.unfold(-1, 2, 2)", 1),
    ("x.as_strided((2,), (1,))", 1),
    ("x.unbind(0)[0]", 1),
    ("x.unbind(-1)[-1]", 1),
    ("x.chunk(2)[0]", 1),
    ("x.split(1)[-1]", 1),
    ("x.split([1, 1])[1]", 1),
    ("x.tensor_split(2)[0]", 1),
    ("x.detach()", 0),
    ("x.detach()", 0),
    ("x.data", 0),
    ("x.contiguous()", 0),
    ("x.real", 0),
    ("x.imag", 0),
    ("t.view_as_real(x)", 0),
    ("t.view_as_complex(x)", 1),
]

# Writes into ``x``. ``y`` is another tensor; ``z`` a third.
WRITES = [
    ("x.mul_(2)", 0),
    ("x.add_(1)", 0),
    ("x.add_(y)", 0),
    ("x.add_(y, alpha=0.5)", 0),
    ("x.sub_(y)", 0),
    ("x.mul_(y)", 0),
    ("x.mul_(y)", 0),
    ("x.div_(y)", 0),
    ("x.pow_(2)", 0),
    ("x.pow_(y)", 0),
    ("x.square_()", 0),
    ("x.addcmul_(y, z)", 0),
    ("x.addcdiv_(y, z, value=0.5)", 0),
    ("x.lerp_(y, 0.3)", 0),
    ("x.copy_(y)", 0),
    ("x.copy_(y)", 0),
    ("x.zero_()", 0),
    ("x.fill_(0.5)", 0),
    ("x.fill_(y)", 0),
    ("x.tanh_()", 0),
    ("x.sin_()", 0),
    ("x.exp_()", 0),
    ("x.sqrt_()", 0),
    ("x.rsqrt_()", 0),
    ("x.sigmoid_()", 0),
    ("x.reciprocal_()", 0),
    ("x.log_()", 0),
    ("x.abs_()", 0),
    ("x.neg_()", 0),
    ("x.relu_()", 0),
    ("x.clamp_(-0.5, 0.5)", 0),
    ("x.clamp_(max=0.5)", 0),
    ("x.clamp_min_(0.1)", 0),
    ("x.floor_()", 0),
    ("x.sign_()", 0),
    ("x.round_()", 0),
    ("x.atan2_(y)", 0),
    ("x.hypot_(y)", 0),
    ("x.remainder_(0.37)", 0),
    ("x.fmod_(0.37)", 0),
    ("x.cumsum_(0)", 1),
    ("x.tril_()", 2),
    ("x.gt_(0.3)", 0),
    ("x.eq_(y)", 0),
    ("t.nn.functional.leaky_relu_(x)", 0),
    ("t.nn.functional.elu_(x)", 0),
    ("t.nn.functional.hardtanh_(x)", 0),
    ("t.nn.functional.threshold_(x, 0.2, 0.1)", 0),
    ("x.__setitem__(0, 0.25)", 1),
    ("x.__setitem__(0, y)", 1),
    ("x.__setitem__(..., y)", 0),
    ("x.__setitem__(..., 1.5)", 0),
    ("x.__setitem__(None, y)", 0),
    ("x.__setitem__((..., slice(1, None)), y)", 1),
    ("x.__setitem__(slice(1, None), x[:-1])", 1),
    ("x.__setitem__((slice(None), -1), y)", 2),
    ("x.__setitem__((0, 1), y)", 2),
    ("x.__setitem__((0, 1), -2)", 2),
    ("x.__setitem__((None, 0), y)", 1),
    ("x.__setitem__(t.tensor([0]), y)", 1),
    ("x.__setitem__(t.tensor([1, 0]), y)", 1),
    ("x.__setitem__((0, t.tensor([1, 0])), y)", 2),
    ("x.__setitem__((t.tensor([1, 0]), slice(1, 2)), y)", 2),
    ("x.__setitem__((t.tensor([1, 0]), t.tensor([0, 1])), y)", 2),
    ("x.__setitem__((..., t.tensor([0, 0])), 0.5)", 1),
    ("x.__setitem__((None, t.tensor([1])), y)", 1),
    ("x.__setitem__(x.detach() == x.detach(), y)", 0),
    ("x.__setitem__(x.detach().abs() > 0.5, 0.125)", 0),
    ("x.__setitem__(t.tensor(True), y)", 0),
    ("x.__setitem__(True, y)", 0),
    ("x.masked_fill_(x.detach().abs() < 0.5, 2.0)", 0),
    ("x.masked_fill_(x.detach().abs() < 0.5, y)", 0),
    ("x.masked_scatter_(x.detach().abs() < 0.5, y)", 0),
    ("x.index_put_((t.tensor([0, 0]),), y, accumulate=True)", 1),
    ("x.index_put_((t.tensor([1, 0]),), y)", 1),
    ("x.index_fill_(0, t.tensor([0]), 0.75)", 1),
    ("x.index_fill_(0, t.tensor([0]), y)", 1),
    ("x.index_add_(0, t.tensor([0, 0]), y)", 1),
    ("x.index_add_(0, t.tensor([1, 0]), x.detach().clone()[:2], alpha=3)", 1),
    ("x.index_copy_(0, t.tensor([1, 0]), y)", 1),
    ("x.index_copy_(0, t.tensor([1, 0]), (x * 2)[:2])", 1),
    ("x.scatter_(0, t.zeros_like(x, dtype=t.int64)[:1], 0.5)", 1),
    ("x.scatter_(0, t.zeros_like(x, dtype=t.int64)[:1], y[:1])", 1),
    ("x.scatter_(0, t.zeros_like(x, dtype=t.int64)[:1], x.flip(0)[:1])", 1),
    ("x.scatter_add_(0, t.zeros_like(x, dtype=t.int64), y)", 1),
    ("x.scatter_add_(0, t.zeros_like(x, dtype=t.int64), x * 2)", 1),
    ("x.scatter_reduce_(0, t.zeros_like(x, dtype=t.int64), x * 2, 'sum')", 1),
    ("x.scatter_reduce_(0, t.zeros_like(x, dtype=t.int64), x.flip(0), 'mean', include_self=False)", 1),
    ("x.scatter_reduce_(0, t.zeros_like(x, dtype=t.int64), x.cos(), 'prod')", 1),
    ("x.scatter_reduce_(0, t.zeros_like(x, dtype=t.int64), x.cos(), 'amax')", 1),
    ("x.index_reduce_(0, t.tensor([1, 0]), (x * 2)[:2], 'mean')", 1),
    ("x.index_reduce_(0, t.tensor([0, 0]), x.cos()[:2], 'amin', include_self=False)", 1),
    ("x.put_(t.tensor([0, -1]), y)", 0),
    ("x.put_(t.tensor([0, 0]), y, accumulate=True)", 0),
    ("x.fill_diagonal_(0.5)", 2),
    ("x.unsqueeze_(0)", 0),
    ("x.squeeze_()", 0),
    ("x.t_()", 0),
    ("x.detach_()", 0),
    ("x.resize_(2)", 1),
    ("x.copy_(y.float())", 0),
    ("x.swapaxes_(0, -1)", 1),
    ("t.nn.functional.celu_(x, 0.5)", 0),
    ("t.nn.functional.selu_(x)", 0),
]

RESULTS = [
    ("x * y", 0),
    ("x * x", 0),
    ("x + y", 0),
    ("x - y", 0),
    ("x.sin()", 0),
    ("x.tanh()", 0),
    ("x.exp()", 0),
    ("x * 2", 0),
    ("x.clone()", 0),
    ("x.double()", 0),
    ("x / (y * y + 1)", 0),
    ("x.sum()", 0),
    ("x.mean()", 0),
    ("(x * x).sum()", 0),
    ("x.sum(0)", 1),
    ("x.abs()", 0),
    ("x.prod()", 0),
    ("x ** 2", 0),
    ("x.relu()", 0),
    ("(x @ y).clone()", 1),
    ("x[t.tensor([1, 0])]", 1),
    ("x[x.detach().abs() > 0.5]", 0),
    ("t.where(x.detach().abs() > 0.5, x, y)", 0),
    ("t.cat([x, y])", 1),
    ("t.stack([x, x])", 0),
    ("x.cumsum(0)", 1),
    ("x.softmax(0)", 1),
    ("x.masked_fill(x.detach().abs() > 0.5, 0.0)", 0),
    ("x.index_select(0, t.tensor([1, 1]))", 1),
    ("x.flip(0)", 1),
    ("t.select_scatter(x, y, 0, 1)", 1),
    ("t.slice_scatter(x, y, 0, 1)", 1),
    ("t.diagonal_scatter(x, y)", 2),
]

SWITCHES = [
    "x.requires_grad_()",
    "x.requires_grad_()",
    "x.requires_grad_(False)",
    "x.requires_grad = False",
    "x.retain_grad()",
    "x.grad = None",
    "x.grad = t.ones_like(x)",
    "x.grad.zero_()",
    "x.grad.mul_(2)",
    "x.data.mul_(1.5)",
    "x.data = y.detach().clone()",
    "x.set_(y.detach().clone())",
]

BACKWARDS = [
    "x.sum().backward()",
    "x.sum().backward(retain_graph=True)",
    "(x * x).sum().backward(create_graph=True)",
    "x.backward()",
    "x.backward(t.ones_like(x))",
    "x.backward(t.ones_like(x), retain_graph=True)",
    "x.sum().backward(inputs=[y])",
    "x.sum().backward(inputs=[a, b], retain_graph=True)",
    "t.autograd.backward([x, y], [t.ones_like(x), t.ones_like(y)])",
]

GRADIENTS = [
    "t.autograd.grad(x.sum(), [a, b], allow_unused=True)",
    "t.autograd.grad(x.sum(), [a, b], allow_unused=True, retain_graph=True)",
    "t.autograd.grad((x * x).sum(), [a, b], allow_unused=True, create_graph=True)",
    "t.autograd.grad(x, [a, b], x, allow_unused=True, create_graph=True)",
    "t.autograd.grad(x.sum(), [y], retain_graph=True)",
    "t.autograd.grad((x * x).sum(), [y], create_graph=True)",
    "t.autograd.grad((x * x).sum(), [y, d], allow_unused=True, create_graph=True)",
]

# How often which kind of step comes; "in no_grad" puts the line into such a block.
KINDS = (
    ["view"] * 4
    + ["view in no_grad"]
    + ["write"] * 6
    + ["write in no_grad"] * 2
    + ["result"] * 4
    + ["switch", "switch", "switch in no_grad"]
    + ["backward"] * 2
    + ["gradients"]
    + ["look"] * 2
)

# PyTorch keeps the history of the old shape when these run under no_grad, and gives a wrong gradient if that has the same
# number of elements; gradcore records them.
CHANGES_OF_SHAPE = (".unsqueeze_(0)", ".squeeze_()", ".t_()", ".swapaxes_(0, -1)", ".resize_(2)")

DEPENDS_ON_LAYOUT = ("reshape", "view", "contiguous", "flatten", "ravel", "as_strided")

# Writes for which operands that do not broadcast are tried, too.
MAY_NOT_FIT = ("x.add_", "x.mul_", "x.copy_", "x.__setitem__", "x.scatter", "x.put_", "x.index")


class Difference(AssertionError):
    """The two libraries do not agree; the message holds the program."""


class _Undefined(Exception):
    """PyTorch is wrong or arbitrary here."""


class Machine:
    """Writes a program while it runs it with both libraries."""

    def __init__(self, gradcore, torch):
        self.libraries = (gradcore, torch)
        self.ours, self.theirs = ({"t": t} for t in self.libraries)
        self.lines = []
        self.names = []
        self.failed = 0
        for line in START.splitlines():
            self.do(line, line[0])

    def play(self, steps):
        """Run a program that is given as numbers. Compares at each step what is raised, and all else at the end."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                for step in steps:
                    self.step(*step)
                self.look()
            except _Undefined:
                pass

    def step(self, kind, i, choice, j, k, many):
        what, _, in_no_grad = KINDS[kind % len(KINDS)].partition(" in ")
        if what == "look":
            self.look()
            return
        x = self.pick(i)
        table = {"view": VIEWS, "write": WRITES, "result": RESULTS}.get(what)
        if table is not None:
            ndim = self.theirs[x].ndim
            table = [text for text, least in table if least <= ndim]
        else:
            table = {"switch": SWITCHES, "backward": BACKWARDS, "gradients": GRADIENTS}[what]
        text = table[choice % len(table)]
        if what in ("backward", "gradients"):
            x = self.pick(i, lambda v: v.requires_grad)
        any_shape = what != "write" or text.startswith(MAY_NOT_FIT)
        y = self.pick(j, None if many % 4 == 0 and any_shape else self.fits(x))
        z = self.pick(k, self.fits(x))
        if what == "write":
            text = self.defined(text, x, y, z)
        text = _substituted(text, x=x, y=y, z=z)
        made = []
        if what in ("view", "result"):
            made = [f"v{len(self.lines)}"]
            text = f"{made[0]} = {text}"
        elif what == "gradients":
            made = [f"v{len(self.lines)}_{n}" for n in range(text.split("[")[1].split("]")[0].count(",") + 1)]
            # Copies: how a gradient lies in memory, and whether it is a view of another, is nobody's business.
            text = f"{', '.join(made)}{',' * (len(made) == 1)} = [g if g is None else g.clone() for g in {text}]"
        if text.endswith(CHANGES_OF_SHAPE):
            if self.theirs[x].retains_grad:
                return  # PyTorch keeps the gradient of the old shape
            in_no_grad = ""
        if ".set_(" in text or ".data =" in text:
            this = self.theirs[x]
            if this._is_view() or any(self.theirs[n]._base is this for n in self.names):
                return  # PyTorch follows the strides of views in memory that is another
            if in_no_grad and ".set_(" in text and this.requires_grad:
                return  # PyTorch loses the way from the graph to the leaf
            if this.shape != self.theirs[y].shape:
                return  # gradients of two shapes meet at a leaf; what PyTorch does then depends on the call
        if not self.is_sensible(text, x, y):
            return
        if ".grad." in text and self.theirs[x].grad is None:
            return
        self.do(f"with t.no_grad(): {text}" if in_no_grad else text, *made, target=x)

    def pick(self, i, condition=None):
        """A name, most often of what was made last, among those of tensors that a condition holds for, if any."""
        names = [n for n in self.names if condition is None or condition(self.theirs[n])] or self.names
        return names[(len(names) - 1 - i) % len(names)]

    def is_sensible(self, text, x, y):
        """Whether both libraries can be expected to do the same."""
        theirs = self.theirs[x]
        if "view_as_complex" in text and theirs.storage_offset() % 2:
            return False  # PyTorch wants memory aligned
        if ("slice_scatter" in text or "select_scatter" in text) and theirs.is_complex():
            return False  # PyTorch has no derivative
        if "pow_(" in text and theirs.is_complex():
            return False  # PyTorch's 0 ** 0 is nan where that is complex
        if "__setitem__(slice(1, None)" in text and not self.same_layout(x):
            return False  # whether two parts overlap
        if "masked_scatter_" in text and self.theirs[y].numel() < (theirs.detach().abs() < 0.5).sum():
            return False  # PyTorch finds out while it writes
        if "resize_" in text and not (_is_dense(theirs) and theirs.numel() >= 2):
            return False  # PyTorch reads on in the memory of the base
        if "detach_()" in text and theirs.retains_grad:
            return False  # PyTorch says that it still retains a gradient
        if ".detach() ==" in text and self.theirs[y].is_complex() and not theirs.is_complex():
            return False  # PyTorch takes a complex number for a real one if it is
        if ("index_reduce" in text or "amax" in text) and theirs.is_complex():
            return False  # PyTorch has it for real numbers only
        if (
            "as_strided" in text
            and 1 + sum((n - 1) * s for n, s in zip(theirs.shape, theirs.stride(), strict=True)) < 2
        ):
            return False  # PyTorch reads beyond a view, as long as it stays in the memory of the base
        if any(word in text for word in ("remainder", "fmod", "floor", "round")) and theirs.dtype.itemsize == 4:
            return False  # what is rounded in another way before may lie on the other side of a step
        if ("hypot" in text or "atan2" in text) and self.theirs[y].is_complex():
            return False  # two faults: not for complex numbers, and the result would be complex
        if any(word in text for word in DEPENDS_ON_LAYOUT):
            # How results lie in memory is not the same.
            return self.same_layout(x)
        return True

    def same_layout(self, x):
        ours, theirs = self.ours[x], self.theirs[x]
        return all(n < 2 or i == j for n, i, j in zip(theirs.shape, ours.stride(), theirs.stride(), strict=True))

    def fits(self, x):
        shape = self.theirs[x].shape

        def broadcasts(y):
            return len(y.shape) <= len(shape) and all(
                n in (1, m) for n, m in zip(reversed(y.shape), reversed(shape), strict=False)
            )

        return broadcasts

    def defined(self, text, x, y, z):
        """A write such that its result does not depend on the order in which elements are written."""
        this = self.theirs[x]
        if _is_expanded(this):
            # gradcore refuses every write to an expanded tensor; PyTorch lets some pass, with a warning.
            return "x.add_(1)"
        for letter, name in (("y", y), ("z", z)):
            other = self.theirs[name]
            if not _shares_memory(this, other):
                continue
            whole = text.startswith("x.") and "__setitem__" not in text and "(0" not in text and "(t." not in text
            if not (
                whole and "masked_scatter" not in text and (other is this or (_is_dense(this) and _is_dense(other)))
            ):
                text = _substituted(text, **{letter: f"{letter}.clone()"})
        if "x[:-1]" in text and not this.is_contiguous():
            text = text.replace("x[:-1]", "x[:-1].clone()")
        return text

    def do(self, line, *made, target=None):
        """Run a line, which writes to ``target``, if at all, with both libraries."""
        self.lines.append(line)
        theirs, ours = self.run(line, self.theirs), self.run(line, self.ours)
        if theirs is not None and target is not None and self.is_mistaken(theirs, self.theirs[target]):
            raise _Undefined
        if theirs is not None and ".backward([" in line:
            raise _Undefined  # what was accumulated until then depends on the order
        if "has been detached in-place" in str(theirs) and ours is None:
            raise _Undefined  # gradcore refuses derivatives of higher order only: the first one is right
        if type(theirs) is not type(ours) and not self.either_will_do(line, ours, theirs):
            self.differ("raised", ours, theirs)
        for name in (target, *made):
            value = self.theirs.get(name)
            if theirs is None and value is not None and value.is_complex() and not value.detach().isfinite().all():
                raise _Undefined  # what complex numbers give beyond the largest one is not defined
        self.failed += theirs is not None
        if theirs is None:
            for name in made:
                if (self.theirs[name] is None) != (self.ours[name] is None):
                    self.differ(name, self.ours[name], self.theirs[name])
                if self.theirs[name] is not None:
                    self.names.append(name)

    @staticmethod
    def is_mistaken(error, target):
        """Whether PyTorch has not meant to raise this."""
        text = str(error)
        if "INTERNAL ASSERT" in text or "Could this error message be improved" in text:
            return True
        # It takes a view for a leaf whose base was written to with a gradient, if nobody has looked at its history since.
        taken_for_leaf = text.startswith("a leaf Variable that requires grad") and target._is_view()
        return taken_for_leaf and not _attempt(lambda: target.is_leaf)

    def either_will_do(self, line, ours, theirs):
        """Whether two errors are both right, since a line has two faults: it does not matter which is found first."""
        if ours is None or theirs is None:
            return False
        if type(ours).__module__ == "gradcore.errors":
            return isinstance(ours, type(theirs))
        if "t.tensor([" in line and {type(ours), type(theirs)} == {IndexError, RuntimeError}:
            return True  # an index that is out of range, and values that do not fit
        # The graph stands in the way, and the arguments are wrong whatever the graph is.
        names = {n: v.detach().clone() if n in self.names else v for n, v in self.theirs.items()}
        return type(ours) is type(self.run(line, names))

    @staticmethod
    def run(line, names):
        """What a line raised, or ``None``."""
        try:
            exec(line, names)
        except ERRORS as e:
            return e
        return None

    def look(self):
        """Compare all that can be seen."""
        self.lines.append("# look")
        for name in self.names:
            ours, theirs = (_seen(names, name, self.names) for names in (self.ours, self.theirs))
            value = theirs["value"]
            tolerance = 1e-4 if value.dtype == np.float32 else 1e-5
            for key, want in theirs.items():
                got = ours[key]
                if isinstance(want, np.ndarray) and isinstance(got, np.ndarray):
                    same = got.shape == want.shape and (
                        got.tobytes() == want.tobytes()
                        or np.allclose(got, want, rtol=tolerance, atol=tolerance / 10, equal_nan=True)
                    )
                else:
                    same = type(got) is type(want) and got == want
                if not same:
                    self.differ(f"{name}.{key}", got, want)

    def differ(self, what, ours, theirs):
        raise Difference(f"{what}\n  gradcore: {ours!r}\n  PyTorch:  {theirs!r}\n{self.source()}")

    def source(self):
        """The program so far."""
        return "\n".join(["import gradcore as t  # or: import torch as t", *self.lines])


def _substituted(text, **names):
    """``text`` with single letters replaced by names."""
    out = []
    word = ""
    for character in text + " ":
        if character.isalnum() or character == "_":
            word += character
        else:
            previous = "".join(out[-1:])
            out.append(word if previous == "." else names.get(word, word))
            out.append(character)
            word = ""
    return "".join(out)[:-1]


def _seen(names, name, others):
    """All that can be seen of a tensor. ``grad_fn`` comes first, since looking at it renews it."""
    x = names[name]
    if x is None:
        return {"type": None}
    grad = x.grad
    return {
        "grad_fn": _attempt(lambda: type(x.grad_fn).__name__),
        "requires_grad": x.requires_grad,
        "is_leaf": _attempt(lambda: x.is_leaf),
        "_version": x._version,
        "is_view": x._is_view(),
        "_base": _name_of(x._base, names, others),
        "same": _name_of(x, names, others),
        "dtype": str(x.dtype).rpartition(".")[2],
        "shape": tuple(x.shape),
        "retains_grad": x.retains_grad,
        "value": x.detach().numpy(force=True),
        "grad": None if grad is None else grad.detach().numpy(force=True),
        "grad.grad_fn": None if grad is None else _attempt(lambda: type(grad.grad_fn).__name__),
        "grad.requires_grad": None if grad is None else grad.requires_grad,
    }


def _attempt(function):
    try:
        return function()
    except ERRORS as e:
        return type(e).__name__


def _name_of(x, names, others):
    """The first name of a tensor; ``None`` for one that has none."""
    return None if x is None else next((n for n in others if names[n] is x), "another")


def _is_expanded(x):
    return any(n > 1 and s == 0 for n, s in zip(x.shape, x.stride(), strict=True))


def _is_dense(x):
    """Whether PyTorch can tell what memory a tensor covers: all of a range, each element once."""
    expected = 1
    for stride, size in sorted((s, n) for n, s in zip(x.shape, x.stride(), strict=True) if n != 1):
        if stride != expected:
            return False
        expected *= size
    return True


def _shares_memory(x, y):
    return x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr()
