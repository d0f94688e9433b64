"""Modules: attributes, walks, conversion, state, hooks, printing. Most tests run with PyTorch as well."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import pytest
from programs import assert_raises

import gradcore as gc
from gradcore import nn


def model(t):
    """A small tree of modules with a buffer and a shared part."""

    class Block(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = t.nn.Parameter(t.ones(2))
            self.register_buffer("count", t.zeros(1))
            self.register_buffer("cache", t.zeros(3), persistent=False)
            self.layers = t.nn.Sequential(t.nn.Linear(2, 3), t.nn.ReLU(), t.nn.Linear(3, 2))
            self.again = self.layers[0]

        def forward(self, x):
            return self.layers(x) * self.scale

    return Block()


# Attributes.


def test_assigning_registers(t):
    m = model(t)
    assert list(m._parameters) == ["scale"]
    assert list(m._buffers) == ["count", "cache"]
    assert list(m._modules) == ["layers", "again"]
    m.scale = None
    assert m.scale is None
    assert list(m._parameters) == ["scale"]
    m.note = "plain"
    assert m.__dict__["note"] == "plain"
    m.note = t.nn.Parameter(t.ones(1))
    assert "note" not in m.__dict__
    m.note = None
    del m.note
    assert not hasattr(m, "note")
    del m.count, m.layers
    assert list(m._buffers) == ["cache"]
    assert list(m._modules) == ["again"]
    assert {"scale", "cache", "again", "forward"} <= set(dir(m))


def test_an_attribute_changes_its_kind(t):
    m = t.nn.Module()
    m.part = t.nn.Linear(1, 1)
    m.part = t.nn.Parameter(t.ones(1))
    assert not m._modules
    m.register_buffer("state", t.ones(1), persistent=False)
    m.state = t.nn.Linear(1, 1)
    assert not m._buffers
    assert list(m.state_dict()) == ["part", "state.weight", "state.bias"]


HEAD = (
    "m = t.nn.Module()\nm.w = t.nn.Parameter(t.ones(2))\nm.l = t.nn.Linear(1, 1)\nm.register_buffer('b', t.ones(1))\n"
)
BARE = "class M(t.nn.Module):\n    def __init__(self):\n        {}\nM()"
ERRORS = [
    (HEAD + "m(1)", NotImplementedError, 'Module [Module] is missing the required "forward" function'),
    (HEAD + "m.nothing", AttributeError, "'Module' object has no attribute 'nothing'"),
    (HEAD + "del m.nothing", AttributeError, "'Module' object has no attribute 'nothing'"),
    (HEAD + "m.w = t.ones(2)", TypeError, "as parameter 'w'", "nn.Parameter or None expected"),
    (HEAD + "m.l = 3", TypeError, "cannot assign 'int' as child module 'l'"),
    (HEAD + "m.b = 3", TypeError, "cannot assign 'int' as buffer 'b'"),
    (HEAD + "m.register_parameter('a.b', None)", KeyError, 'parameter name can\\\'t contain "."'),
    (HEAD + "m.register_parameter('', None)", KeyError, 'parameter name can\\\'t be empty string ""'),
    (HEAD + "m.register_parameter(3, None)", TypeError, "parameter name should be a string. Got int"),
    (
        HEAD + "m.register_parameter('q', t.ones(2))",
        TypeError,
        "object to parameter 'q'",
        "nn.Parameter or None required",
    ),
    (HEAD + "m.register_parameter('training', None)", KeyError, "attribute 'training' already exists"),
    (HEAD + "m.register_buffer('q', 3)", TypeError, "cannot assign 'int' object to buffer 'q'"),
    (HEAD + "m.register_buffer('a.b', None)", KeyError, "buffer name can"),
    (HEAD + "m.register_buffer('w', None)", KeyError, "attribute 'w' already exists"),
    (HEAD + "m.add_module('q', 3)", TypeError, "int is not a Module subclass"),
    (HEAD + "m.add_module('q.r', t.nn.Identity())", KeyError, "module name can", "q.r"),
    (HEAD + "m.add_module('training', t.nn.Identity())", KeyError, "attribute 'training' already exists"),
    (HEAD + "m.train(1)", ValueError, "training mode is expected to be boolean"),
    (HEAD + "m.to(t.int32)", TypeError, "only accepts floating point or complex dtypes"),
    (HEAD + "m.get_submodule('l.x')", AttributeError, "Linear has no attribute `x`"),
    (HEAD + "m.get_submodule('l.weight')", AttributeError, "`weight` is not an nn.Module"),
    (HEAD + "m.get_parameter('l.x')", AttributeError, "Linear has no attribute `x`"),
    (HEAD + "m.get_parameter('b')", AttributeError, "is not an nn.Parameter"),
    (HEAD + "m.get_buffer('l.bias')", AttributeError, "is not a buffer"),
    (HEAD + "m.load_state_dict(3)", TypeError, "Expected state_dict to be dict-like, got <class 'int'>"),
    (
        BARE.format("self.w = t.nn.Parameter(t.ones(1))"),
        AttributeError,
        "cannot assign parameters before Module.__init__",
    ),
    (BARE.format("self.w = t.nn.Identity()"), AttributeError, "cannot assign module before Module.__init__() call"),
    (BARE.format("self.register_buffer('w', None)"), AttributeError, "cannot assign buffer before Module.__init__"),
    ("t.nn.Sequential(t.nn.ReLU(), 3)", TypeError, "int is not a Module subclass"),
    ("t.nn.Sequential(t.nn.ReLU())[1]", IndexError, "index 1 is out of range"),
    ("t.nn.Sequential(t.nn.ReLU())['a']", TypeError, "cannot be interpreted as an integer"),
    ("t.nn.Sequential(t.nn.ReLU()) + 3", ValueError, "add operator supports only objects of Sequential class"),
    ("t.nn.Sequential(t.nn.ReLU()) * 0", ValueError, "Non-positive multiplication factor 0"),
    ("t.nn.Sequential(t.nn.ReLU()) * 1.5", TypeError, "unsupported operand type(s) for *"),
    ("t.nn.ModuleList([3])", TypeError, "int is not a Module subclass"),
    ("t.nn.ModuleList().extend(3)", TypeError, "ModuleList.extend should be called with an iterable, but got int"),
    ("t.nn.ModuleList([t.nn.ReLU()])(1)", NotImplementedError, 'missing the required "forward" function'),
    ("t.nn.Dropout(1.5)", ValueError, "dropout probability has to be between 0 and 1, but got 1.5"),
    ("t.nn.Parameter(t.tensor([1]))", RuntimeError, "Only Tensors of floating point and complex dtype"),
]


@pytest.mark.parametrize(("program", "error", "phrases"), [(p, e, m) for p, e, *m in ERRORS])
def test_errors(program, error, phrases, t):
    assert_raises(program, t, error, *phrases)


def test_a_parameter_must_be_a_leaf():
    p = nn.Parameter(gc.ones(2))
    p._edge = (gc.ones(2, requires_grad=True) * 2)._edge
    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'w'"):
        nn.Module().register_parameter("w", p)


# Walks.


def test_names_in_order_and_once(t):
    m = model(t)
    assert [n for n, _ in m.named_parameters()] == [
        "scale",
        "layers.0.weight",
        "layers.0.bias",
        "layers.2.weight",
        "layers.2.bias",
    ]
    assert [n for n, _ in m.named_parameters("p", recurse=False)] == ["p.scale"]
    assert "again.weight" in [n for n, _ in m.named_parameters(remove_duplicate=False)]
    assert [n for n, _ in m.named_modules()] == ["", "layers", "layers.0", "layers.1", "layers.2"]
    assert [n for n, _ in m.named_modules(prefix="m", remove_duplicate=False)][-1] == "m.again"
    assert [n for n, _ in m.named_children()] == ["layers", "again"]
    assert [n for n, _ in m.named_buffers()] == ["count", "cache"]
    assert len(list(m.parameters())) == 5
    assert len(list(m.buffers())) == 2
    assert list(m.children()) == [m.layers, m.again]
    assert next(m.modules()) is m
    assert m.get_submodule("layers.2") is m.layers[2]
    assert m.get_submodule("") is m
    assert m.get_parameter("layers.2.bias") is m.layers[2].bias
    assert m.get_buffer("count") is m.count


def test_apply_goes_from_the_parts_to_the_whole(t):
    seen = []
    m = model(t)
    assert m.apply(lambda part: seen.append(type(part).__name__)) is m
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Linear", "Block"]


def test_train_and_eval(t):
    m = model(t)
    assert m.training
    assert m.eval() is m
    assert not any(part.training for part in m.modules())
    assert m.layers.train() is m.layers
    assert m.layers[0].training
    assert not m.training


def test_requires_grad_and_zero_grad(t):
    m = model(t)
    assert m.requires_grad_(False) is m
    assert not any(p.requires_grad for p in m.parameters())
    m.requires_grad_()
    m(t.ones(1, 2)).sum().backward()
    kept = m.scale.grad
    m.zero_grad(set_to_none=False)
    assert m.scale.grad is kept
    assert kept.tolist() == [0.0, 0.0]
    m.zero_grad()
    assert m.scale.grad is None


# Conversion.


def test_conversion_is_in_place_and_takes_gradients_along(t):
    m = model(t)
    m(t.ones(1, 2)).sum().backward()
    parameters = list(m.parameters())
    m.register_buffer("index", t.tensor([1, 2]))
    assert m.double() is m
    assert [id(p) for p in m.parameters()] == [id(p) for p in parameters]
    assert all(p.dtype == t.float64 and p.grad.dtype == t.float64 for p in parameters)
    assert all(p.is_leaf and p.requires_grad for p in parameters)
    assert m.count.dtype == t.float64
    assert m.index.dtype == t.int64
    assert m(t.ones(1, 2, dtype=t.float64)).dtype == t.float64
    assert m.to(t.float32).scale.dtype == t.float32
    assert m.to(t.ones(1, dtype=t.float64)).scale.dtype == t.float64
    assert m.to(dtype=t.float32).float().scale.dtype == t.float32
    assert m.type(t.float64).count.dtype == t.float64


def test_half_precision(t, device):
    if device.startswith("strict"):
        pytest.skip("the standard, and so array-api-strict, has no float16")
    assert t.nn.Linear(2, 2).half().weight.dtype == t.float16


def test_moving_between_devices():
    m = model(gc)
    m(gc.ones(1, 2)).sum().backward()
    scale = m.scale
    m.to("strict:2")
    assert m.scale is scale
    assert scale.device == scale.grad.device == m.count.device == gc.device("strict:2")
    assert m(gc.ones(1, 2, device="strict:2")).device == gc.device("strict:2")
    assert m.cpu().scale.device == gc.device("cpu")


def test_a_graph_notices_that_its_parameters_were_converted():
    m = nn.Linear(2, 2)
    out = m(gc.ones(1, 2, requires_grad=True)).sum()
    m.double()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


# State.


def test_state_dict(t):
    m = model(t)
    state = m.state_dict()
    assert list(state) == [
        "scale",
        "count",
        "layers.0.weight",
        "layers.0.bias",
        "layers.2.weight",
        "layers.2.bias",
        "again.weight",
        "again.bias",
    ]
    assert not any(v.requires_grad for v in state.values())
    assert m.state_dict(keep_vars=True)["scale"] is m.scale
    assert next(iter(m.state_dict(prefix="net."))) == "net.scale"
    into = OrderedDict(first=1)
    assert m.state_dict(destination=into) is into
    assert list(into)[:2] == ["first", "scale"]
    with t.no_grad():
        m.scale.fill_(7)
    assert state["scale"].tolist() == [7.0, 7.0]


def test_loading_a_state_dict(t):
    a, b = model(t), model(t)
    kept = b.scale
    found = b.load_state_dict(a.state_dict())
    assert repr(found) == "<All keys matched successfully>"
    assert b.scale is kept
    assert all(x.tolist() == y.tolist() for x, y in zip(a.parameters(), b.parameters(), strict=True))
    state = {k: v.double() for k, v in a.state_dict().items()}
    b.load_state_dict(state)
    assert b.scale.dtype == t.float32
    b.load_state_dict(state, assign=True)
    assert b.scale.dtype == t.float64
    assert b.scale.requires_grad
    assert isinstance(b.scale, t.nn.Parameter)


def test_loading_what_does_not_fit(t):
    m = t.nn.Linear(2, 3)
    with pytest.raises(RuntimeError) as caught:
        m.load_state_dict({"weight": t.ones(2, 2), "z": t.ones(1)})
    text = str(caught.value)
    assert text.startswith('Error(s) in loading state_dict for Linear:\n\tMissing key(s) in state_dict: "bias". \n')
    assert 'Unexpected key(s) in state_dict: "z". ' in text
    assert "size mismatch for weight: copying a param with shape" in text
    found = m.load_state_dict({"weight": t.ones(3, 2), "z": t.ones(1)}, strict=False)
    assert found.missing_keys == ["bias"]
    assert found.unexpected_keys == ["z"]
    assert "missing_keys=['bias']" in repr(found)
    with pytest.raises(RuntimeError, match="size mismatch"):
        m.load_state_dict({"weight": t.ones(2, 2)}, strict=False)
    with pytest.raises(RuntimeError, match='While copying the parameter named "weight"'):
        m.load_state_dict({"weight": 3.0, "bias": t.ones(3)})


def test_copies_and_pickles():
    m = model(gc)
    m(gc.ones(1, 2)).sum().backward()
    twin = copy.deepcopy(m)
    assert twin.scale is not m.scale
    assert twin.again is twin.layers[0]
    assert gc.equal(twin.scale.grad, m.scale.grad)
    x = gc.ones(1, 2)
    assert gc.equal(twin(x), m(x))
    with gc.no_grad():
        twin.scale.fill_(0)
    assert m.scale.tolist() == [1.0, 1.0]
    layer = pickle.loads(pickle.dumps(nn.Sequential(nn.Linear(2, 3), nn.ReLU())))
    assert isinstance(layer[0].weight, nn.Parameter)
    assert layer[0].weight.requires_grad
    assert layer(x).shape == (1, 3)


# Hooks.


def test_forward_hooks(t):
    m = t.nn.Identity()
    seen = []
    pre = m.register_forward_pre_hook(lambda module, args: seen.append(("pre", args)))
    post = m.register_forward_hook(lambda module, args, out: seen.append(("post", args, out)))
    assert m(1) == 1
    assert seen == [("pre", (1,)), ("post", (1,), 1)]
    pre.remove()
    post.remove()
    seen.clear()
    assert m(2) == 2
    assert not seen


def test_forward_hooks_replace(t):
    m = t.nn.Identity()
    m.register_forward_pre_hook(lambda module, args: args[0] + 1)
    m.register_forward_pre_hook(lambda module, args, kwargs: ((args[0] * 10,), kwargs), with_kwargs=True)
    m.register_forward_hook(lambda module, args, out: out + 0.5)
    m.register_forward_hook(lambda module, args, kwargs, out: (out, args), with_kwargs=True)
    m.register_forward_hook(lambda module, args, out: None)
    assert m(1) == (20.5, (20,))


def test_hooks_may_be_put_first(t):
    m = t.nn.Identity()
    seen = []
    m.register_forward_hook(lambda *_: seen.append("a"))
    handle = m.register_forward_hook(lambda *_: seen.append("b"), prepend=True)
    m.register_forward_pre_hook(lambda *_: seen.append("c"))
    m.register_forward_pre_hook(lambda *_: seen.append("d"), prepend=True)
    m(1)
    assert seen == ["d", "c", "b", "a"]
    handle.remove()
    seen.clear()
    m(1)
    assert seen == ["d", "c", "a"]


def test_hook_that_is_always_called(t):
    class Fails(t.nn.Module):
        def forward(self):
            raise ValueError("no")

    seen = []
    m = Fails()
    m.register_forward_hook(lambda *_: seen.append("only on success"))
    m.register_forward_hook(lambda module, args, out: seen.append(out), always_call=True)
    with pytest.raises(ValueError, match="no"):
        m()
    assert seen == [None]


def test_pre_hook_with_kwargs_must_return_a_pair(t):
    m = t.nn.Identity()
    m.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\)"):
        m(1)


# Printing.


def test_prints_as_pytorch(torch):
    def build(t):
        n = t.nn
        inner = n.Sequential(n.Linear(3, 3, bias=False), n.Tanh(), n.Sigmoid())
        names = OrderedDict(first=n.Linear(2, 3), act=n.ReLU(inplace=True))
        rest = [n.Dropout(0.3), n.Softmax(dim=1), n.LogSoftmax(-1), n.GELU(), n.GELU("tanh"), n.Flatten(), n.Identity()]
        whole = n.Sequential(n.Sequential(names), inner, *rest, n.ModuleList([n.Linear(1, 1)] * 2 + [n.ReLU()]))
        empty = [n.Sequential(), n.ModuleList(), n.MSELoss(), n.NLLLoss(), n.CrossEntropyLoss(), n.Softmax()]
        bare = n.Module()
        bare.part = n.Linear(1, 1)
        bare.part = None
        return [repr(x) for x in (whole, *empty, bare, model(t))]

    assert build(gc) == build(torch)


def test_extra_repr_of_several_lines(torch):
    def build(t):
        class Wide(t.nn.Module):
            def extra_repr(self):
                return "a=1,\nb=2"

        class Full(Wide):
            def __init__(self):
                super().__init__()
                self.part = t.nn.ReLU()

        return [repr(Wide()), repr(Full()), repr(t.nn.Sequential(Full()))]

    assert build(gc) == build(torch)


def test_prints_a_parameter(t, device):
    suffix = "" if t is not gc or device == "cpu" else f", device='{device}'"
    assert repr(t.nn.Parameter(t.ones(2))) == f"Parameter containing:\ntensor([1., 1.]{suffix}, requires_grad=True)"
    assert repr(t.nn.Parameter(t.ones(2), requires_grad=False)) == f"Parameter containing:\ntensor([1., 1.]{suffix})"
