"""Random programs of views and writes in place: on a batch they do what a loop does, and so do their derivatives."""

from __future__ import annotations

import random

import numpy as np
import pytest

import gradcore as gc

pytestmark = pytest.mark.slow

# Lines of a program; {a} is a tensor made before, {s} a value, ``i`` an index that differs among the elements.
VIEWS = (
    "{a}[1:]",
    "{a}[..., 0]",
    "{a}[None]",
    "{a}[::2]",
    "{a}[i]",
    "{a}.unsqueeze(-1)",
    "{a}.movedim(0, -1)",
    "{a}.select(0, 0)",
    "{a}.unbind(0)[0]",
    "{a}.split(1)[-1]",
    "{a}.squeeze()",
    "{a}.diagonal()",
    "{a}.unfold(0, 2, 1)",
    "{a}.expand(2, *{a}.shape)",
    "{a}.reshape(-1)",
    "{a}.flip(0)",
    "{a}.clone()",
    "{a} * 1.0",
)
WRITES = (
    "{a}.add_({s})",
    "{a}.mul_({s})",
    "{a}.copy_({s})",
    "{a}.fill_({s})",
    "{a}[0] = {s}",
    "{a}[i] = {s}",
    "{a}[..., i] = {s}",
    "{a}[{a} > 0.2] = 1.5",
    "{a}.masked_fill_({a} > 0.3, 0.5)",
    "{a}.index_add_(0, i, {a}[i] * 2)",
    "{a}.index_fill_(0, i, 2.0)",
    "{a}.scatter_(0, i.reshape(-1, *[1] * ({a}.ndim - 1)).expand(2, *{a}.shape[1:]), 0.25)",
    "{a}.sub_({a} * {a})",
    "{a}.sin_()",
    "{a}.clamp_(-1, 1)",
    "{a}.zero_()",
    "{a}.t_()",
    "{a}.unsqueeze_(0)",
)
VALUES = ("s", "s * s", "x.sum()", "x[0, 0]", "gc.tensor(2.0, dtype=x.dtype)")

X = np.sin(np.arange(18) * 1.3).reshape(2, 3, 3)
S = np.array([0.7, -0.4])
I = np.array([[0, 1], [1, 0]])
REFUSALS = (RuntimeError, IndexError, TypeError, ValueError)


def text_of(seed):
    choose = random.Random(seed)
    lines, count = ["v0 = x * 1.0"], 1
    for _ in range(choose.randint(2, 7)):
        a = f"v{choose.randrange(count)}"
        if choose.random() < 0.5:
            lines.append(f"v{count} = {choose.choice(VIEWS).format(a=a)}")
            count += 1
        else:
            lines.append(choose.choice(WRITES).format(a=a, s=choose.choice(VALUES)))
    # The gradient of a sum is the same for all elements, that of a square is not.
    terms = [choose.choice((f"v{k}.sum() * {k + 1}.5", f"(v{k} * v{k}).sum()")) for k in range(count)]
    return "def program(x, s, i):\n    " + "\n    ".join([*lines, "return " + " + ".join(terms)])


def outcome(run):
    """What a run gives, or the error that it raises."""
    try:
        return run().detach().numpy(force=True)
    except REFUSALS as e:
        return e


def runs(program):
    """Pairs of a run on a batch and of one that loops."""
    func = gc.func
    x, s, i = (gc.tensor(a) for a in (X, S, I))

    def looped(f):
        return gc.stack([f(x[n].clone(), s[n].clone(), i[n]) for n in range(2)])

    def summed(x):
        return func.vmap(program)(x, s, i).sum()

    def of_first(x):
        return program(x, s[0].clone(), i[0])

    yield "values", lambda: func.vmap(program)(x, s, i), lambda: looped(program)
    yield "vmap of grad", lambda: func.vmap(func.grad(program))(x, s, i), lambda: looped(func.grad(program))
    yield "grad of vmap", lambda: func.grad(summed)(x), lambda: looped(func.grad(program))
    yield "jacfwd", lambda: func.jacfwd(of_first)(x[0]), lambda: func.grad(of_first)(x[0])
    yield (
        "jacfwd of grad",
        lambda: func.jacfwd(func.grad(of_first))(x[0]),
        lambda: func.jacrev(func.grad(of_first))(x[0]),
    )


@pytest.mark.parametrize("seed", range(80))
def test_a_batch_is_a_loop(seed):
    text = text_of(seed)
    scope = {"gc": gc}
    exec(text, scope)
    for name, batched, looped in runs(scope["program"]):
        want = outcome(looped)
        got = outcome(batched)
        if isinstance(want, Exception):
            # Where no gradient goes back past a write, or past another shape in place, less has to be refused.
            lenient = name in ("jacfwd", "grad of vmap")
            assert lenient or isinstance(got, Exception), f"{name}: only a loop raises {want!r}\n{text}"
            continue
        assert not isinstance(got, Exception), f"{name}: only a batch raises {got!r}\n{text}"
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8, err_msg=f"{name}\n{text}")


def test_the_programs_are_not_all_refused():
    ran = 0
    for seed in range(80):
        scope = {"gc": gc}
        exec(text_of(seed), scope)
        x, s, i = (gc.tensor(a) for a in (X, S, I))
        ran += not isinstance(outcome(lambda p=scope["program"]: gc.func.vmap(p)(x, s, i)), Exception)
    assert ran > 40
