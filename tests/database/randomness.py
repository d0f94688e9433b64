"""Operators that draw random numbers: their results are compared by distribution, their gradients for consistency."""

from __future__ import annotations

import numpy as np
import torch
from database.calls import rebound, unseeded
from database.conversion import tensors_in, to_gradcore, to_host
from database.equality import node, outcome, quiet

import gradcore as gc

RANDOM = {
    # Whether op(c * x) = c * op(x) for what was drawn, so that the gradient times x is the result.
    "nn_functional_dropout": True,
    "nn_functional_dropout2d": True,
    "nn_functional_dropout3d": True,
    "nn_functional_alpha_dropout": False,
    "nn_functional_feature_alpha_dropout_with_train": False,
    "nn_functional_rrelu": True,
    "nn_functional_fractional_max_pool2d": True,
    "nn_functional_fractional_max_pool3d": True,
    "normal": False,
    "normal_number_mean": False,
    "bernoulli": False,
}
DRAWS = 200


def is_random(name, kwargs):
    """Whether a call draws random numbers."""
    if name == "nn_functional_multi_head_attention_forward":
        # The probability, which stands among the arguments without names, is 0.5 in the samples.
        return kwargs.get("training", True)
    if name == "nn_functional_scaled_dot_product_attention":
        return kwargs.get("dropout_p", 0.0) > 0
    return name in RANDOM


def compare_distributions(report, info, args, kwargs, what):
    """Compare shapes, dtypes, node names, and the mean and spread over many draws; check the gradient by itself."""
    ours, theirs = rebound(info.op, gc, unseeded), rebound(info.op, torch, unseeded)
    memo = {}
    own_args, own_kwargs = to_gradcore(args, memo), to_gradcore(kwargs, memo)

    def once(function, arguments, named):
        with quiet():
            return tensors_in([function(*arguments, **named)])[0]

    def check():
        gc.manual_seed(1)
        got, want = once(ours, own_args, own_kwargs), once(theirs, args, kwargs)
        assert tuple(got.shape) == tuple(want.shape), f"shape {tuple(got.shape)} for {tuple(want.shape)}"
        assert to_host(got).dtype == to_host(want).dtype, "dtypes"
        if not to_host(got).size:
            return
        mine = np.stack([_double(once(ours, own_args, own_kwargs)) for _ in range(DRAWS)])
        other = np.stack([_double(once(theirs, args, kwargs)) for _ in range(DRAWS)])
        spread = np.maximum(mine.std(0), other.std(0))
        limit = 6 * spread * np.sqrt(2 / DRAWS) + 1e-6 * (1 + np.abs(other.mean(0)))
        worst = np.abs(mine.mean(0) - other.mean(0)) - limit
        assert worst.max() <= 0, "means differ"
        wide = np.abs(mine.std() - other.std()) <= 0.15 * max(mine.std(), other.std()) + 1e-6
        assert wide, "spreads differ"

    def check_node():
        got, want = node(once(ours, own_args, own_kwargs)), node(once(theirs, args, kwargs))
        assert got == want, f"node {got} for {want}"

    def check_gradient():
        x = next(v for v in tensors_in((own_args, own_kwargs)) if v.requires_grad)
        out = once(ours, own_args, own_kwargs)
        (grad,) = gc.autograd.grad([out], [x], [gc.ones_like(out)], allow_unused=True)
        total, euler = float(_double(out).sum()), float((_double(grad) * _double(x)).sum())
        assert abs(total - euler) <= 1e-2 * (1 + abs(total)), (
            f"the gradient does not fit what was drawn: {euler}, {total}"
        )

    report.count("forward", *outcome(check, what))
    differentiable = once(theirs, args, kwargs).requires_grad
    if differentiable:
        report.count("node", *outcome(check_node, what))
    if differentiable and RANDOM.get(report.name):
        report.count("gradient", *outcome(check_gradient, what))


def _double(x):
    return to_host(x).astype(np.float64)
