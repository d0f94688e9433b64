"""The registry of operations, as tests loop over it."""

from __future__ import annotations

import gradcore as gc
from gradcore.op import OPS
from gradcore.testing.registry import import_operations
from gradcore.testing.samples import Make

import_operations()
EVERY = sorted(OPS)
# PyTorch records these, and refuses to go back through them.
REFUSING = [
    name for name in EVERY if OPS[name].node == "NotImplemented" or (OPS[name].differentiable and not OPS[name].rules)
]
DIFFERENTIABLE = [name for name in EVERY if OPS[name].differentiable and name not in REFUSING]


def samples_of(name, **options):
    op = OPS[name]
    return list(op.samples(Make(**options)))


def call(name, sample):
    return OPS[name].apply(tuple(sample.operands), bound(name, sample))


def bound(name, sample):
    """The parameters of a sample in the operation's order, with their defaults."""
    return tuple(sample.params.get(p, q.default) for p, q in OPS[name].params.items())


def outputs_of(result):
    return result if isinstance(result, tuple) else (result,)


def tensors_in(sample):
    return [x for x in sample.operands if isinstance(x, gc.Tensor)]


def host(x):
    return x.numpy(force=True)


def as_function(name, sample):
    """The operation as a function of its tensors that require grad, and those tensors."""
    places = [i for i, x in enumerate(sample.operands) if isinstance(x, gc.Tensor) and x.requires_grad]

    def function(*tensors):
        operands = list(sample.operands)
        for i, t in zip(places, tensors, strict=True):
            operands[i] = t
        given = tuple(operands) if sample.before is None else sample.before(*operands)
        return sample.finished(OPS[name].apply(given, bound(name, sample)))

    return function, [sample.operands[i] for i in places]


def in_double_precision(name):
    """The samples that finite differences can check, as functions and their inputs."""
    found = [as_function(name, s) for s in samples_of(name)]
    found = [(f, xs) for f, xs in found if xs and all(x.dtype in (gc.float64, gc.complex128) for x in xs)]
    assert found, f"{name} has no samples of double precision"
    return found
