"""The batching rule of every operation: vmap gives what a loop gives, and so do the gradients through it.

Loops over the registry. Programs that use vmap stand in ``test_vmap.py``.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from registry import EVERY

import gradcore as gc
from gradcore.func import jvp, vjp, vmap
from gradcore.op import OPS
from gradcore.testing.samples import Make

pytestmark = pytest.mark.slow

# Operations that have no batching rule, and why. They run once per element of the batch, and warn.
WITHOUT_RULE: dict[str, str] = {}

# Operations whose result has as many elements as the values say: they refuse to run on a batch. Those with an index do
# where that is a mask.
DYNAMIC = {
    "counted",
    "index",
    "index_adjoint",
    "positions",
    "runs",
    "selected_where",
    "unique_elements",
    "unique_slices",
    "weighed",
}

# They speak of the memory of their operand, which another place of the batch changes.
OF_MEMORY = {name for name in EVERY if OPS[name].reads_layout}

SIZE = 3


class Case:
    """One operation with the operands of ``SIZE`` elements, of which those at ``places`` differ among them."""

    def __init__(self, name, samples, places):
        self.op = OPS[name]
        self.samples, self.places = samples, places
        first = samples[0]
        self.params = tuple(first.params.get(p, q.default) for p, q in self.op.params.items())
        # Some are recorded, and refuse to go back.
        self.smooth = self.op.differentiable and bool(self.op.rules) and self.op.node != "NotImplemented"

    def __repr__(self):
        return f"{self.op.name} {self.samples[0]} batched at {self.places}"

    def function(self, *batched):
        """The operation as a function of what is batched."""
        operands = list(self.samples[0].operands)
        for i, x in zip(self.places, batched, strict=True):
            operands[i] = x
        return self.applied(operands)

    def applied(self, operands):
        """What the operation gives, without what it leaves open."""
        return outputs_of(self.samples[0].finished(self.op.apply(tuple(operands), self.params)))

    def element(self, i):
        """What the function gets for one element."""
        return [self.samples[i].operands[p] for p in self.places]

    def batch(self, dim=0):
        return [gc.stack(list(xs), dim) for xs in zip(*(self.element(i) for i in range(SIZE)), strict=True)]


def outputs_of(result):
    return result if isinstance(result, tuple) else (result,)


def cases(name, several=True):
    """Each sample with one of its tensors batched, and with all of them."""
    for samples in zip(*(OPS[name].samples(Make(seed=s)) for s in range(SIZE)), strict=True):
        tensors = [i for i, x in enumerate(samples[0].operands) if isinstance(x, gc.Tensor)]
        places = [tuple(tensors)]
        if several and len(tensors) > 1:
            places += [(i,) for i in tensors]
        for p in places:
            yield Case(name, samples, p)


def run(case, function, *arguments, **options):
    """vmap of a function; ``None`` if the case has no result whose shape is known."""
    try:
        if case.op.name in WITHOUT_RULE:
            with pytest.warns(UserWarning, match="performance drop"):
                return vmap(function, **options)(*arguments)
        return vmap(function, **options)(*arguments)
    except RuntimeError as e:
        if "can output dynamic shape" not in str(e) or case.op.name not in DYNAMIC:
            raise
        return None


def close(got, want, what):
    assert (got.shape, got.dtype, got.device) == (want.shape, want.dtype, want.device), what
    np.testing.assert_allclose(got.numpy(force=True), want.numpy(force=True), rtol=1e-9, atol=1e-9, err_msg=str(what))


def test_the_table_of_operations_without_a_rule_is_exact():
    missing = {name for name, op in OPS.items() if op.vmap is None and not op.elementwise}
    assert missing == set(WITHOUT_RULE)


@pytest.mark.parametrize("name", sorted(DYNAMIC))
def test_refuses_results_whose_shape_depends_on_the_values(name):
    refused = [case for case in cases(name) if run(case, case.function, *case.batch()) is None]
    assert refused


@pytest.mark.parametrize("name", EVERY)
def test_vmap_gives_what_a_loop_gives(name):
    for case in cases(name):
        got = run(case, case.function, *case.batch())
        if got is None:
            continue
        for k, out in enumerate(got):
            close(out, gc.stack([case.function(*case.element(i))[k] for i in range(SIZE)]), case)


@pytest.mark.parametrize("name", [name for name in EVERY if name not in OF_MEMORY])
def test_the_batch_may_be_any_dimension(name):
    for case in cases(name, several=False):
        ndim = max((x.ndim for x in case.element(0)), default=0)
        if min(x.ndim for x in case.element(0)) == 0 < ndim:
            continue
        got = run(case, case.function, *case.batch(-1), in_dims=-1, out_dims=-1)
        for k, out in enumerate(got or ()):
            close(out, gc.stack([case.function(*case.element(i))[k] for i in range(SIZE)], -1), case)


@pytest.mark.parametrize("name", [name for name in EVERY if name not in DYNAMIC])
def test_a_batch_may_be_empty(name):
    for case in cases(name, several=False):
        got = vmap(case.function)(*(x[:0] for x in case.batch()))
        for out, one in zip(got, case.function(*case.element(0)), strict=True):
            assert (out.shape, out.dtype) == ((0, *one.shape), one.dtype), case


def cotangents(outputs, seed=0):
    """Vectors of the outputs that have gradients, and their places."""
    places = [k for k, out in enumerate(outputs) if out.requires_grad]
    make = Make(seed=seed, requires_grad=False)
    return places, [make(*outputs[k].shape, dtype=outputs[k].dtype) for k in places]


def leaves(tensors):
    return [x.detach().requires_grad_(x.requires_grad) for x in tensors]


def gradients(outputs, inputs, vectors):
    wanted = [x for x in inputs if x.requires_grad]
    found = iter(gc.autograd.grad(outputs, wanted, vectors, allow_unused=True, materialize_grads=True))
    return [next(found) if x.requires_grad else None for x in inputs]


@pytest.mark.parametrize("name", EVERY)
def test_gradients_through_vmap(name):
    for case in cases(name):
        if not case.smooth:
            continue
        inputs = leaves(case.batch())
        got = run(case, case.function, *inputs)
        if got is None:
            continue
        places, vectors = cotangents(got)
        if not places or not any(x.requires_grad for x in inputs):
            continue
        found = gradients([got[k] for k in places], inputs, vectors)
        for i in range(SIZE):
            element = leaves(case.element(i))
            out = case.function(*element)
            want = gradients([out[k] for k in places], element, [v[i] for v in vectors])
            for g, w in zip(found, want, strict=True):
                if w is not None:
                    close(g[i], w, case)


@pytest.mark.parametrize("name", EVERY)
def test_vmap_of_gradients(name):
    """Gradients of all operands for each element, also of those that all elements share."""
    for case in itertools.islice(cases(name), 16):
        smooth = [i for i, x in enumerate(case.samples[0].operands) if isinstance(x, gc.Tensor) and x.requires_grad]
        places, _ = cotangents(case.function(*case.element(0)))
        if not case.smooth or not smooth or not places:
            continue
        vectors = [cotangents(case.function(*case.element(i)), i)[1] for i in range(SIZE)]
        if len({tuple(v.shape for v in vs) for vs in vectors}) > 1:
            assert name in DYNAMIC
            continue

        def pulled_back(operands, vs):
            def function(*xs):
                every = list(operands)
                for i, x in zip(smooth, xs, strict=True):
                    every[i] = x
                out = case.applied(every)
                return tuple(out[k] for k in places)

            return vjp(function, *(operands[i] for i in smooth))[1](vs)

        operands = [x.detach() if isinstance(x, gc.Tensor) else x for x in case.samples[0].operands]
        for i, x in zip(case.places, case.batch(), strict=True):
            operands[i] = x.detach()
        stacked = tuple(gc.stack(list(vs)) for vs in zip(*vectors, strict=True))
        in_dims = tuple(0 if i in case.places else None for i in range(len(operands)))
        got = run(case, pulled_back, tuple(operands), stacked, in_dims=(in_dims, 0))
        for e in range(SIZE if got is not None else 0):
            element = list(case.samples[0].operands)
            for i, x in zip(case.places, case.element(e), strict=True):
                element[i] = x
            out = case.applied(element)
            want = gradients([out[k] for k in places], [element[i] for i in smooth], vectors[e])
            for g, w in zip(got, want, strict=True):
                close(g[e], w, case)


@pytest.mark.parametrize("name", [name for name in EVERY if name not in DYNAMIC])
def test_vmap_of_tangents(name):
    for case in itertools.islice(cases(name), 8):
        smooth = [j for j, x in enumerate(case.element(0)) if x.requires_grad]
        places, _ = cotangents(case.function(*case.element(0)))
        if not case.smooth or not smooth or not places:
            continue

        def pushed(inputs, directions):
            def function(*xs):
                every = list(inputs)
                for j, x in zip(smooth, xs, strict=True):
                    every[j] = x
                out = case.function(*every)
                return tuple(out[k] for k in places)

            return jvp(function, tuple(inputs[j] for j in smooth), tuple(directions))[1]

        inputs = [[x.detach() for x in case.element(i)] for i in range(SIZE)]
        make = Make(seed=SIZE, requires_grad=False)
        directions = [[make(*xs[j].shape, dtype=xs[j].dtype) for j in smooth] for xs in inputs]
        stacked = [gc.stack(list(ts)) for ts in zip(*directions, strict=True)]
        got = run(case, pushed, [x.detach() for x in case.batch()], stacked)
        want = [pushed(xs, ts) for xs, ts in zip(inputs, directions, strict=True)]
        for k, out in enumerate(got):
            close(out, gc.stack([w[k] for w in want]), case)


@pytest.mark.parametrize("name", EVERY)
def test_vmap_of_vmap(name):
    for case in list(cases(name))[:4]:
        inputs = case.batch()
        # Two rows of batches: the elements, and the elements in another order.
        twice = [gc.stack([x, x.flip(0)]) for x in inputs]
        got = run(case, lambda *xs: vmap(case.function)(*xs), *twice)
        for k, out in enumerate(got or ()):
            want = gc.stack([case.function(*case.element(i))[k] for i in range(SIZE)])
            close(out[0], want, case)
            close(out[1], want.flip(0), case)
        # The outer batch at the first operand only, the inner one at the others.
        if len(inputs) > 1:
            got = run(
                case,
                lambda x, *others: vmap(lambda *ys: case.function(x, *ys))(*others),
                inputs[0],
                *inputs[1:],
                in_dims=(0, *(None,) * (len(inputs) - 1)),
            )
            for k, out in enumerate(got or ()):
                for i in range(SIZE):
                    want = [case.function(case.element(i)[0], *case.element(j)[1:])[k] for j in range(SIZE)]
                    close(out[i], gc.stack(want), case)
