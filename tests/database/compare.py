"""One entry of PyTorch's operator database, compared with PyTorch on the entry's own samples."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict

import numpy as np
import torch
from database.calls import CALLS, function_of, name_of, rebound
from database.conversion import tensors_in, to_gradcore, to_host
from database.equality import Difference, attempt, brief, dtype_name, leaf, node, outcome, quiet, replaced, same_arrays
from database.known import EXCLUDED
from database.randomness import compare_distributions, is_random

import gradcore as gc

with quiet():
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.opinfo.core import OpInfo

COLUMNS = ("forward", "gradient", "second", "forward_mode", "node", "saved", "inplace", "vmap", "dtypes", "errors")
EVERY = [o for o in op_db if o.supports_autograd and torch.float64 in o.supported_backward_dtypes("cpu")]
FEW_BYTES = 64
"""What a number may take that is an array in one library and not in the other."""
LIMIT = 150
"""Of entries with more samples, so many are taken, evenly."""

OTHER_DTYPES = (torch.float32, torch.complex128, torch.bfloat16)


class Report:
    """What came of one entry: for each column how many samples are equal, of how many that PyTorch can do."""

    def __init__(self, name):
        self.name = name
        self.equal, self.total = Counter(), Counter()
        self.remarks = defaultdict(list)

    def count(self, column, equal, remark=None):
        self.total[column] += 1
        self.equal[column] += bool(equal)
        if not equal and remark:
            self.remarks[column].append(remark)

    def cell(self, column):
        equal, total = self.equal[column], self.total[column]
        return "–" if not total else "=" if equal == total else f"{equal} of {total}"

    def __str__(self):
        return f"{self.name:45} " + " ".join(f"{c}: {self.cell(c)};" for c in COLUMNS)


def walk(info, *, ours=None, limit=LIMIT, dtype=torch.float64, others=True, errors=True):
    """Compare one entry of the database on all its samples, with what is called for it, or with ``ours``."""
    report = Report(name_of(info))
    if report.name in EXCLUDED:
        return report
    try:
        ours = ours or function_of(info)
    except AttributeError as e:
        report.count("forward", False, f"not there: {e}")
        return report
    theirs = functools.partial(CALLS[report.name], torch) if report.name in CALLS else info.op
    samples = samples_of(info, dtype, limit)
    for nr, sample in enumerate(samples):
        compare(report, info, ours, theirs, sample, vmapped=nr < 3 and dtype is torch.float64)
    if others:
        for other in OTHER_DTYPES:
            if other in info.supported_dtypes("cpu"):
                compare_dtype(report, info, ours, theirs, other)
    if errors and info.error_inputs_func is not None:
        compare_errors(report, info, ours, theirs)
    return report


def samples_of(info, dtype, limit):
    """The samples of an entry: always the same ones."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - which the database draws from
    grad = dtype in info.supported_backward_dtypes("cpu")
    with quiet():
        found = list(info.sample_inputs("cpu", dtype, requires_grad=grad))
    if len(found) <= limit:
        return found
    return [found[round(i * (len(found) - 1) / (limit - 1))] for i in range(limit)]


class Run:
    """One call of an operator with one of the libraries, and what is differentiated."""

    def __init__(self, t, function, args, kwargs, process):
        self.t, self.args, self.kwargs, self.function, self.process = t, args, kwargs, function, process
        self.inputs = [x for x in tensors_in((args, kwargs)) if x.requires_grad]
        made = function(*args, **kwargs)
        self.outputs = tensors_in([made])
        self.made = made

    @functools.cached_property
    def processed(self):
        """What the database makes of the outputs before it differentiates them: what does not depend on a free choice."""
        return [x for x in tensors_in([self.process(self.made)]) if x.requires_grad]


def compare(report, info, ours, theirs, sample, *, vmapped):
    """Compare everything on one sample."""
    args, kwargs = (sample.input, *sample.args), sample.kwargs
    seed = len(report.remarks) + report.total["forward"]
    with quiet():
        want = attempt(lambda: Run(torch, theirs, args, kwargs, sample.output_process_fn_grad))
    if isinstance(want, Exception):
        return  # PyTorch itself can't
    what = describe(sample)
    if is_random(report.name, kwargs):
        compare_distributions(report, info, args, kwargs, what)
        return
    memo = {}
    own = attempt(lambda: (to_gradcore(args, memo), to_gradcore(kwargs, memo)))
    if isinstance(own, Exception):
        report.count("forward", False, f"{what}: {brief(own)}")
        return
    own_args, own_kwargs = own
    process = rebound(sample.output_process_fn_grad)
    with quiet():
        got = attempt(lambda: Run(gc, ours, own_args, own_kwargs, process))
    if isinstance(got, Exception):
        report.count("forward", False, f"{what}: {brief(got)}")
        for column in ("gradient", "node"):
            report.count(column, False)
        return
    report.count("forward", *outcome(lambda: same_outputs(got, want), what))
    if any(o.grad_fn is not None for o in want.outputs):
        report.count("node", *outcome(lambda: same_nodes(got, want), what))
        if isinstance(info, OpInfo):
            report.count("saved", *outcome(lambda: saves_no_more(got, want), what))
    if not want.inputs or not any(o.requires_grad for o in want.outputs):
        return
    first = attempt(lambda: gradients(want, seed))
    if not isinstance(first, Exception):
        mine = attempt(lambda: gradients(got, seed))
        report.count("gradient", *outcome(lambda: same_gradients(mine, first), what))
        if info.supports_gradgrad and not isinstance(mine, Exception):
            second = attempt(lambda: second_gradients(want, first, seed))
            if not isinstance(second, Exception):
                report.count(
                    "second",
                    *outcome(lambda: same_gradients(second_gradients(got, mine, seed), second, zeros=True), what),
                )
    if info.supports_forward_ad:
        with quiet():
            tangents = attempt(lambda: forward_mode(want, torch, theirs, args, kwargs, seed))
            if not isinstance(tangents, Exception):
                report.count(
                    "forward_mode",
                    *outcome(
                        lambda: same_arrays(forward_mode(got, gc, ours, own_args, own_kwargs, seed), tangents), what
                    ),
                )
    if info.inplace_variant is not None and not sample.broadcasts_input:
        with quiet():
            compare_inplace(report, info, args, kwargs, own_args, own_kwargs, what, seed)
    if vmapped:
        processes = {torch: sample.output_process_fn_grad, gc: process}
        with quiet():
            compare_batches(report, ours, theirs, args, kwargs, own_args, own_kwargs, processes, what)


def same_outputs(got, want):
    if len(got.outputs) != len(want.outputs):
        raise Difference(f"{len(got.outputs)} outputs for {len(want.outputs)}")
    for a, b in zip(got.outputs, want.outputs, strict=True):
        if tuple(a.shape) != tuple(b.shape):
            raise Difference(f"shape {tuple(a.shape)} for {tuple(b.shape)}")
        if dtype_name(a) != dtype_name(b):
            raise Difference(f"dtype {dtype_name(a)} for {dtype_name(b)}")
        if a.requires_grad != b.requires_grad:
            raise Difference(f"requires_grad {a.requires_grad} for {b.requires_grad}")
    try:
        same_arrays([to_host(x) for x in got.outputs], [to_host(x) for x in want.outputs])
    except Difference:
        # A sign or a phase may be free: then what the database makes of the outputs must agree.
        a, b = got.processed, want.processed
        if not b or all(x is y for x, y in zip(b, want.outputs, strict=False)):
            raise
        same_arrays([to_host(x) for x in a], [to_host(x) for x in b])


def same_nodes(got, want):
    for a, b in zip(got.outputs, want.outputs, strict=True):
        mine, theirs = node(a), node(b)
        if mine != theirs:
            raise Difference(f"node {mine} for {theirs}")


def saves_no_more(got, want):
    mine, theirs = (sum(saved_bytes({o.grad_fn for o in run.outputs} - {None}).values()) for run in (got, want))
    if mine > theirs + FEW_BYTES:
        raise Difference(f"{mine} bytes saved for {theirs}")


def saved_bytes(nodes):
    """The sizes of the arrays that nodes keep for the backward, each counted once."""
    sizes = {}

    def visit(value):
        if isinstance(value, torch.Tensor):
            sizes[value.data_ptr()] = max(sizes.get(value.data_ptr(), 0), value.nbytes)
        elif isinstance(value, gc.Tensor):
            visit(value.detach().numpy(force=True))
        elif isinstance(value, np.ndarray):
            sizes[value.ctypes.data] = max(sizes.get(value.ctypes.data, 0), value.nbytes)
        elif isinstance(value, (list, tuple)):
            for item in value:
                visit(item)

    for each in nodes:
        if isinstance(each, gc.autograd.graph.Node):
            visit(each._saved)
        else:
            visit([getattr(each, name) for name in dir(each) if name.startswith("_saved_")])
    return sizes


def gradients(run, seed):
    """Gradients of the processed outputs, and the cotangents, of which they are functions too."""
    outputs = run.processed
    cotangents = [leaf(run.t, o, seed + i) for i, o in enumerate(outputs)]
    with quiet():
        found = run.t.autograd.grad(outputs, run.inputs, cotangents, create_graph=True, allow_unused=True)
    return found, cotangents


def second_gradients(run, first, seed):
    found, cotangents = first
    used = [g for g in found if g is not None and g.requires_grad]
    if not used:
        return [None for _ in (*run.inputs, *cotangents)], []
    weights = [leaf(run.t, g, seed + 100 + i) for i, g in enumerate(found) if g is not None and g.requires_grad]
    with quiet():
        return run.t.autograd.grad(used, [*run.inputs, *cotangents], weights, allow_unused=True), []


def same_gradients(got, want, zeros=False):
    if isinstance(got, Exception):
        raise got
    for a, b in zip(got[0], want[0], strict=True):
        if (a is None) != (b is None) and not zeros:
            raise Difference(f"gradient {None if a is None else 'there'} for {None if b is None else 'there'}")
        if a is None and b is None:
            continue
        a, b = (None if x is None else to_host(x) for x in (a, b))
        same_arrays([np.zeros_like(b) if a is None else a], [np.zeros_like(a) if b is None else b])


def forward_mode(run, t, function, args, kwargs, seed):
    fw = t.autograd.forward_ad
    with fw.dual_level():
        duals = {id(x): fw.make_dual(x.detach(), leaf(t, x, seed + 200 + i).detach()) for i, x in enumerate(run.inputs)}
        swap = functools.partial(replaced, duals)
        # Of what leaves a choice open (the signs of singular vectors), what does not depend on it.
        outputs = tensors_in([run.process(function(*swap(args), **swap(kwargs)))])
        found = []
        for o in outputs:
            tangent = fw.unpack_dual(o).tangent
            found.append(None if tangent is None else to_host(tangent))
        return [
            np.zeros(tuple(o.shape), to_host(o).dtype) if x is None else x for x, o in zip(found, outputs, strict=True)
        ]


def compare_inplace(report, info, args, kwargs, own_args, own_kwargs, what, seed):
    name = f"{info.name}_"
    if not isinstance(args[0], torch.Tensor) or not hasattr(torch.Tensor, name):
        return

    def run(t, arguments, named):
        inputs = [x for x in tensors_in((arguments, named)) if x.requires_grad]
        x = arguments[0].clone()
        out = getattr(t.Tensor, name)(x, *arguments[1:], **named)
        if out is not x:
            raise Difference("the result is not the tensor itself")
        grads = (
            t.autograd.grad([out], inputs, [leaf(t, out, seed)], allow_unused=True)
            if out.requires_grad
            else [None for _ in inputs]
        )
        return node(out), to_host(out), [None if g is None else to_host(g) for g in grads]

    want = attempt(lambda: run(torch, args, kwargs))
    if isinstance(want, Exception):
        return

    def same():
        got = run(gc, own_args, own_kwargs)
        if got[0] != want[0]:
            raise Difference(f"node {got[0]} for {want[0]}")
        same_arrays([got[1]], [want[1]])
        same_arrays([g for g in got[2] if g is not None], [g for g in want[2] if g is not None])

    report.count("inplace", *outcome(same, f"{name} {what}"))


def compare_batches(report, ours, theirs, args, kwargs, own_args, own_kwargs, processes, what):
    def run(t, function, arguments, named):
        inputs = [x for x in tensors_in((arguments, named)) if x.requires_grad]
        batches = [t.stack([x.detach(), x.detach()]) for x in inputs]

        def call(*elements):
            swapped = {id(x): e for x, e in zip(inputs, elements, strict=True)}
            made = function(*replaced(swapped, arguments), **replaced(swapped, named))
            return tuple(tensors_in([processes[t](made)]))

        return [to_host(x) for x in t.func.vmap(call)(*batches)]

    want = attempt(lambda: run(torch, theirs, args, kwargs))
    if isinstance(want, Exception):
        return
    report.count("vmap", *outcome(lambda: same_arrays(run(gc, ours, own_args, own_kwargs), want), what))


def compare_dtype(report, info, ours, theirs, dtype):
    """The first samples of another dtype: values and gradients."""
    one = Report(report.name)
    short = str(dtype).removeprefix("torch.")
    try:
        samples = samples_of(info, dtype, 8)
    except Exception:  # noqa: BLE001 - whatever: the database has none
        return
    plain = Plain(info)
    for sample in samples:
        compare(one, plain, ours, theirs, sample, vmapped=False)
    for column in ("forward", "gradient"):
        report.total["dtypes"] += one.total[column]
        report.equal["dtypes"] += one.equal[column]
        report.remarks["dtypes"] += [f"{short} {r}" for r in one.remarks[column]]


class Plain:
    """An entry without what is compared in float64 only."""

    supports_gradgrad = supports_forward_ad = False
    inplace_variant = None

    def __init__(self, info):
        self.name, self.op = info.name, info.op


def compare_errors(report, info, ours, theirs):
    with quiet():
        found = attempt(lambda: list(info.error_inputs("cpu")))
    if isinstance(found, Exception):
        return
    for case in found:
        sample = case.sample_input
        if "out" in sample.kwargs:
            continue  # gradcore has no such argument
        args, kwargs = (sample.input, *sample.args), sample.kwargs
        with quiet():
            want = attempt(lambda: theirs(*args, **kwargs))
            if not isinstance(want, Exception):
                continue
            memo = {}
            converted = attempt(lambda: (to_gradcore(args, memo), to_gradcore(kwargs, memo)))
            if isinstance(converted, Exception):
                continue  # what gradcore has no word for
            got = attempt(lambda: ours(*converted[0], **converted[1]))
        same = isinstance(got, type(want)) or (isinstance(got, Exception) and isinstance(want, type(got)))
        report.count("errors", same, f"{describe(sample)}: {brief(got)} for {brief(want)}")


def describe(sample):
    def text(v):
        if isinstance(v, torch.Tensor):
            return f"{str(v.dtype).removeprefix('torch.')}{list(v.shape)}"
        if isinstance(v, (list, tuple)):
            return "[" + ", ".join(map(text, v)) + "]"
        return repr(v)

    parts = [text(v) for v in (sample.input, *sample.args)] + [f"{k}={text(v)}" for k, v in sample.kwargs.items()]
    return f"({', '.join(parts)})"
