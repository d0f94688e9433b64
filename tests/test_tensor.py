"""What a tensor is: leaf or not, its gradient, its versions, its ways out; how tensors are made."""

from __future__ import annotations

import copy
import math
import operator
import pickle

import numpy as np
import pytest
from programs import assert_raises

import gradcore as gc

X = "x = t.ones(2, requires_grad=True)\n"
KIND = ("floating point and complex dtype", "can require gradients")
FLAG = ("only change requires_grad flags", "leaf variables")


def dtype_of(x):
    return str(x.dtype).removeprefix("torch.")


ERRORS = [
    # requires_grad
    ("t.ones(2, dtype=t.int64, requires_grad=True)", RuntimeError, *KIND),
    ("t.tensor([1, 2], requires_grad=True)", RuntimeError, *KIND),
    ("t.ones(2, dtype=t.int64).requires_grad = True", RuntimeError, *KIND),
    ("t.ones(2, dtype=t.int64).requires_grad_()", RuntimeError, "floating point dtype", "can require gradients"),
    ("t.ones(2, dtype=t.bool).requires_grad_()", RuntimeError, "floating point dtype", "can require gradients"),
    (X + "(x * 2).requires_grad_(False)", RuntimeError, *FLAG, "var.detach()"),
    (X + "(x * 2).requires_grad = False", RuntimeError, *FLAG, "var.detach()"),
    (X + "(x * 2).requires_grad = True", RuntimeError, *FLAG),
    ("t.ones(2).requires_grad = 1", RuntimeError, "must be a bool"),
    ("x = t.ones(2); del x.requires_grad", RuntimeError, "must be a bool"),
    # .grad and friends
    ("t.ones(2).grad = 0", TypeError, "assigned grad expected", "Tensor or None"),
    ("t.ones(2).grad = t.ones(3)", RuntimeError, "assign a gradient of size", "are the same size"),
    ("t.ones(2).grad = t.ones(2, dtype=t.int64)", RuntimeError, "assign a gradient with dtype", "with grad_dtype"),
    ("t.ones(2).grad = t.ones(2, dtype=t.float64)", RuntimeError, "assign a gradient with dtype", "with grad_dtype"),
    ("x = t.ones(2); x.grad = x", RuntimeError, "as its own grad"),
    (X + "x.grad_fn = None", AttributeError, "'grad_fn'"),
    (X + "x.is_leaf = True", AttributeError, "'is_leaf'"),
    (X + "x.shape = (2, 1)", AttributeError, "'shape'"),
    (X + "x.view(2, 1).detach_()", RuntimeError, "detach views in-place", "detach() instead"),
    (X + "import copy; copy.deepcopy(x * 2)", RuntimeError, "graph leaves", "support the deepcopy protocol"),
    (X + "x.data = t.ones(2, dtype=t.int64)", RuntimeError, "data set to a tensor", "floating point or complex dtype"),
    ("t.ones(2).data = 3", TypeError, "Variable data has to be a tensor"),
    # conversions
    ("t.ones(2).item()", RuntimeError, "cannot be converted to Scalar"),
    ("t.ones(0).item()", RuntimeError, "cannot be converted to Scalar"),
    ("float(t.ones(2))", ValueError, "only one element tensors", "to Python scalars"),
    ("int(t.ones(2))", ValueError, "only one element tensors", "to Python scalars"),
    ("complex(t.ones(2))", ValueError, "only one element tensors", "to Python scalars"),
    ("bool(t.ones(2))", RuntimeError, "Boolean value of Tensor", "is ambiguous"),
    ("bool(t.ones(0))", RuntimeError, "Boolean value of Tensor", "is ambiguous"),
    ("len(t.tensor(1.0))", TypeError, "of a 0-d tensor"),
    ("list(t.tensor(1.0))", TypeError, "over a 0-d tensor"),
    ("[1, 2, 3][t.tensor(1.0)]", TypeError, "only integer tensors", "converted to an index"),
    ("[1, 2, 3][t.tensor([1, 2])]", TypeError, "only integer tensors", "converted to an index"),
    ("f'{t.ones(2):.2f}'", TypeError, "unsupported format string", "Tensor.__format__"),
    ("round(t.tensor(1.5))", TypeError, "__round__"),
    ("divmod(t.tensor(5), 2)", TypeError, "divmod"),
    ("'a' in t.ones(2)", RuntimeError, "Tensor.__contains__ only supports Tensor or scalar"),
    ("t.ones(2).imag", RuntimeError, "imag is not implemented", "non-complex dtypes"),
    ("t.ones(2) + 'a'", TypeError, "unsupported operand type(s)"),
    ("t.ones(2) + [1, 2]", TypeError, "unsupported operand type(s)"),
    ("t.ones(2) + None", TypeError, "unsupported operand type(s)"),
    ("t.ones(2)[0, 0]", IndexError, "too many indices"),
    ("t.ones(2)[5]", IndexError, "is out of bounds for dimension"),
    ("t.ones(2)[t.tensor([0.5])]", IndexError, "tensors used as indices", "long, int, byte or bool"),
    ("t.tensor(1.0)[0]", IndexError, "invalid index", "0-dim tensor"),
    ("t.ones(3)[::-1]", ValueError, "must be greater than zero"),
    ("t.ones(3)[t.tensor([True, False])]", IndexError, "shape of the mask", "does not match"),
    # making tensors
    ("t.tensor('a')", TypeError, "invalid data type 'str'"),
    ("t.tensor(None)", RuntimeError, "Could not infer dtype of NoneType"),
    ("t.tensor([[1, 2], [3]])", ValueError, "expected", "length"),
    ("t.ones(-1)", RuntimeError, "negative dimension -1"),
    ("t.ones(2.5)", TypeError, "float"),
    ("t.arange(0, 3, 0)", RuntimeError, "step must be nonzero"),
    ("t.arange(3, 0)", RuntimeError, "upper bound and", "inconsistent with step sign"),
    ("t.linspace(0, 1, -1)", RuntimeError, "number of steps must be non-negative"),
    ("t.eye(-1)", RuntimeError, "must be greater or equal to 0"),
    ("t.from_numpy([1.0])", TypeError, "expected np.ndarray (got list)"),
    ("t.from_numpy(np.array(['a']))", TypeError, "can't convert np.ndarray of type"),
    ("t.ones_like(3)", TypeError, "must be Tensor, not int"),
    ("t.set_default_dtype(t.int64)", TypeError, "only floating-point types"),
    ("t.set_default_dtype(t.complex64)", TypeError, "only floating-point types"),
    ("t.randint(5, 5, (2,))", RuntimeError, "'from' to be less than 'to'"),
    ("t.randperm(-1)", RuntimeError, "negative", "-1"),
    ("t.ones(2).normal_(0, -1)", RuntimeError, "std >= 0.0"),
    ("t.ones(2).uniform_(1, 0)", RuntimeError, "expects to return a [from, to) range"),
]


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0].replace(X, "").strip())
def test_errors(t, case):
    program, error, *phrases = case
    assert_raises(program, t, error, *phrases)


# Leaves.


def test_leaf_rules(t):
    x = t.ones(2, requires_grad=True)
    plain = t.ones(2)
    assert plain.is_leaf
    assert (plain * 2).is_leaf
    assert x.is_leaf
    assert x.grad_fn is None
    y = x * 2
    assert not y.is_leaf
    assert y.requires_grad
    assert type(y.grad_fn).__name__ == "MulBackward0"
    with t.no_grad():
        assert (x * 2).is_leaf
    assert y.detach().is_leaf
    assert y.detach().requires_grad_().is_leaf
    assert not x.double().is_leaf
    assert type(x.double().grad_fn).__name__ == "ToCopyBackward0"
    assert not (plain + x).is_leaf
    assert (x > 0).is_leaf
    assert not (x > 0).requires_grad


def test_requires_grad_is_inherited(t):
    a, b = t.ones(2), t.ones(2, requires_grad=True)
    assert not (a + a).requires_grad
    assert (a + b).requires_grad
    assert (b + a).requires_grad
    assert not (a + b).detach().requires_grad


def test_requires_grad_may_be_switched_on_a_leaf(t):
    x = t.ones(2)
    x.requires_grad = True
    y = x * 2
    x.requires_grad = False
    z = x * 2
    assert y.requires_grad
    assert not z.requires_grad
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert x.requires_grad_(False) is x
    assert not x.requires_grad
    assert y.requires_grad_() is y  # already does
    with t.no_grad():
        assert t.ones(1).requires_grad_().requires_grad


def test_python_attributes_stay_with_the_object(t):
    x = t.ones(2)
    x.note = "mine"
    assert x.note == "mine"
    assert not hasattr(x * 2, "note")
    assert hash(x) == id(x)
    assert {x: 1}[x] == 1


# .grad


def test_grad_may_be_set_and_deleted(t):
    x = t.ones(2)
    g = t.zeros(2)
    x.grad = g
    assert x.grad is g
    x.grad = None
    assert x.grad is None
    x.grad = g
    del x.grad
    assert x.grad is None
    y = t.ones(2, requires_grad=True)
    assert y.grad is None
    y.sum().backward()
    y.grad.zero_()
    assert y.grad.tolist() == [0, 0]


def test_reading_grad_of_a_non_leaf_warns(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    with pytest.warns(UserWarning, match=r"(?s)not a leaf Tensor.*won't be populated.*use .retain_grad\(\)"):
        assert y.grad is None
    with pytest.warns(UserWarning, match="not a leaf Tensor"):  # every time
        assert y.grad is None
    y.retain_grad()
    assert y.grad is None
    assert (t.ones(2) * 2).grad is None
    assert y.detach().grad is None


def test_grad_of_a_view_of_a_leaf_warns(t):
    x = t.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="not a leaf Tensor"):
        assert x[0].grad is None


# detach, data, versions


def test_detach_shares_memory_and_version(t):
    x = t.ones(3, requires_grad=True)
    d = x.detach()
    assert d is not x
    assert not d.requires_grad
    assert d.grad_fn is None
    assert not d._is_view()
    d.add_(1)
    assert x.tolist() == [2, 2, 2]
    assert x._version == d._version == 1
    with t.no_grad():
        x.mul_(2)
    assert d._version == 2
    assert d.tolist() == [4, 4, 4]


def test_data_shares_memory_but_no_version(t):
    x = t.ones(3, requires_grad=True)
    x.data.add_(1)
    assert x._version == 0
    assert x.tolist() == [2, 2, 2]
    assert not x.data.requires_grad


def test_setting_data(t):
    x = t.ones(3, requires_grad=True)
    with t.no_grad():
        x.add_(1)
    before = id(x)
    x.data = t.zeros(2, 2, dtype=t.float64)
    assert id(x) == before
    assert x._version == 1
    assert tuple(x.shape) == (2, 2)
    assert x.dtype == t.float64
    assert x.requires_grad
    (x * 2).sum().backward()
    assert x.grad.dtype == t.float64


def test_versions(t):
    x = t.zeros(3)
    assert x._version == 0
    x.add_(1)
    assert x._version == 1
    v = x[:2]
    v.mul_(2)
    assert x._version == v._version == 2
    x.detach().add_(1)
    assert x._version == v._version == 3
    x.data.add_(1)
    assert x._version == 3
    x[0] = 5
    assert x._version == 4
    x.requires_grad_()
    assert x._version == 4
    with t.no_grad():
        x.copy_(t.ones(3))
        assert x._version == 5
        x.zero_()
        assert x._version == 6
    assert x.clone()._version == 0
    assert (x * 2)._version == 0
    y = t.ones(1)
    y += 1
    assert y._version == 1


def test_detach_in_place(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    assert y.detach_() is y
    assert y.is_leaf
    assert not y.requires_grad
    assert y.grad_fn is None
    y.requires_grad_()
    (y * 3).sum().backward()
    assert y.grad.tolist() == [3, 3]
    assert x.grad is None
    x.detach_()
    assert not x.requires_grad


def test_detach_in_place_of_a_saved_tensor():
    # PyTorch refuses the first backward, too, although nothing is missing for it.
    x = gc.tensor(1.0, requires_grad=True)
    a = x.clone()
    b = a.sin()
    a.detach_()
    (g,) = gc.autograd.grad(b, x, retain_graph=True)
    assert g.item() == pytest.approx(math.cos(1))
    with pytest.raises(RuntimeError, match=r"(?s)detached in-place.*out-of-place `.detach\(\)`"):
        gc.autograd.grad(b, x, create_graph=True)


def test_detach_in_place_leaves_views_their_history(t):
    x = t.ones(3, requires_grad=True)
    y = x * 2
    v, w = y[:1], y[1:]
    y.detach_()
    v.sum().backward()
    assert x.grad.tolist() == [2, 0, 0]
    y.mul_(5)
    assert w.tolist() == [10, 10]
    w.sum().backward()  # what was written has no history
    assert x.grad.tolist() == [2, 0, 0]


def test_a_leaf_that_no_longer_requires_grad_gets_none(t):
    x = t.ones(2, requires_grad=True)
    y = (x * x).sum()
    x.requires_grad_(False)
    y.backward()
    assert x.grad is None


def test_a_leaf_that_became_part_of_the_graph_refuses_gradients_as_a_leaf(t):
    x, w = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    y = (x * 2).sum()
    x.requires_grad_(False)
    x.mul_(w)
    with pytest.raises(RuntimeError, match="leaf variable has been moved into the graph interior"):
        y.backward()


# Ways out.


def test_numbers(t):
    assert t.tensor(2.5).item() == 2.5
    assert isinstance(t.tensor(2.5).item(), float)
    assert isinstance(t.tensor(2).item(), int)
    assert t.tensor([[True]]).item() is True
    assert t.tensor(1 + 2j).item() == 1 + 2j
    assert float(t.tensor([2])) == 2.0
    assert int(t.tensor(2.9)) == 2
    assert int(t.tensor([-2.9])) == -2
    assert complex(t.tensor(2.0)) == 2 + 0j
    assert bool(t.tensor([[0.0]])) is False
    assert bool(t.tensor(3)) is True
    assert [10, 20, 30][t.tensor(1)] == 20
    assert list(range(t.tensor(3))) == [0, 1, 2]
    assert operator.index(t.tensor([2])) == 2
    assert math.floor(t.tensor(2.5)) == 2
    assert math.sqrt(t.tensor(4.0)) == 2
    assert t.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert t.tensor(1.5).tolist() == 1.5
    assert t.zeros(0, 2).tolist() == []


def test_leaving_the_graph_silently_and_not(t):
    x = t.tensor(2.0, requires_grad=True)
    assert x.item() == 2.0
    assert x.tolist() == 2.0
    assert bool(x)
    assert int(x) == 2
    assert f"{x:.2f}" == "2.00"
    conversions = [float, complex, math.sqrt, math.floor, lambda y: "%.1f" % y]  # noqa: UP031
    always = getattr(t, "set_warn_always", lambda on: None)
    always(True)
    try:
        for convert in conversions:
            with pytest.warns(
                UserWarning, match=r"(?s)Converting a tensor with requires_grad=True.*to a scalar.*detach\(\)"
            ):
                convert(x)
        for convert in conversions:
            convert(x.detach())
        with t.no_grad():
            float(x)
    finally:
        always(False)


def test_format_and_str(t):
    x = t.tensor(2.5)
    assert f"{x}" == "2.5"
    assert f"{x:.2f}" == "2.50"
    assert f"{t.tensor(7):03d}" == "007"
    assert str(x).startswith("tensor(2.5000")
    assert f"{t.ones(2)}" == str(t.ones(2)) == repr(t.ones(2))


def test_repr_tells_the_gradient_information(t, device):
    suffix = f", device='{device}'" if t is gc and device != "cpu" else ""
    x = t.tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == f"tensor([1., 2.]{suffix}, requires_grad=True)"
    assert repr(x * 2) == f"tensor([2., 4.]{suffix}, grad_fn=<MulBackward0>)"
    assert repr(x.sum()) == f"tensor(3.{suffix}, grad_fn=<SumBackward0>)"
    assert repr(x.detach()) == f"tensor([1., 2.]{suffix})"
    assert repr(x[0]) == f"tensor(1.{suffix}, grad_fn=<SelectBackward0>)"
    d = " ".join(repr(x.double()).split())  # the line is too long where the device is told
    assert d.replace("torch.", "gradcore.").endswith("dtype=gradcore.float64, grad_fn=<ToCopyBackward0>)")
    y = x * 2
    y[:1].mul_(3)
    assert repr(y) == f"tensor([6., 4.]{suffix}, grad_fn=<CopySlices>)"
    _, b = x.unbind()
    assert repr(b) == f"tensor(2.{suffix}, grad_fn=<UnbindBackward0>)"


def test_length_iteration_and_containment(t):
    x = t.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    assert len(x) == 3
    assert [r.tolist() for r in x] == [[1, 2], [3, 4], [5, 6]]
    _, b, _ = x
    (b * 2).sum().backward()
    assert x.grad.tolist() == [[0, 0], [2, 2], [0, 0]]
    assert 4.0 in x
    assert 7 not in x
    assert t.tensor(3.0) in x
    assert [r.tolist() for r in reversed(x.detach())] == [[5, 6], [3, 4], [1, 2]]
    assert len(t.zeros(0, 3)) == 0
    assert list(t.zeros(0, 3)) == []


def test_comparison_with_none(t):
    x = t.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")  # PyTorch's
def test_numpy_shares_memory(t, device):
    if device != "cpu":
        pytest.skip("NumPy shares memory with cpu tensors only")
    x = t.zeros(2)
    n = x.numpy()
    n[0] = 3
    assert x.tolist() == [3, 0]
    assert x._version == 0
    x.add_(1)
    assert n.tolist() == [4, 1]
    v = x[1:]
    assert np.shares_memory(v.numpy(), n)
    assert np.asarray(x).dtype == np.float32
    assert np.shares_memory(np.asarray(x), n)
    assert not np.shares_memory(np.array(x), n)
    assert np.asarray(x, dtype=np.float64).dtype == np.float64


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")  # PyTorch's
def test_numpy_refuses_to_lose_a_gradient(t, device):
    if device != "cpu":
        pytest.skip("another error comes first on other devices")
    x = t.ones(2, requires_grad=True)
    for act in (x.numpy, lambda: np.asarray(x), lambda: np.array(x), (x * 2).numpy):
        with pytest.raises(RuntimeError, match=r"(?s)Can't call numpy\(\).*Tensor that requires grad.*detach\(\)"):
            act()
    with t.no_grad():
        assert x.numpy().tolist() == [1, 1]
        assert np.asarray(x).tolist() == [1, 1]
    assert x.detach().numpy().tolist() == [1, 1]
    assert x.numpy(force=True).tolist() == [1, 1]
    assert np.shares_memory(x.numpy(force=True), x.detach().numpy())


def test_numpy_of_each_dtype(t, device):
    for name in "bool uint8 int8 int16 int32 int64 float32 float64 complex64 complex128".split():
        x = t.ones(2, dtype=getattr(t, name))
        n = x.numpy(force=True)
        assert n.dtype == name
        assert n.tolist() == [1, 1]


def test_dlpack(t, device):
    x = t.ones(2, requires_grad=True)
    for act in (x.__dlpack__, lambda: np.from_dlpack(x)):
        with pytest.raises(BufferError, match=r"(?s)Can't export tensors.*require gradient.*tensor.detach\(\)"):
            act()
    with t.no_grad(), pytest.raises(BufferError):
        x.__dlpack__()
    if device == "cpu":
        n = np.from_dlpack(x.detach())
        assert n.tolist() == [1, 1]
        assert n.dtype == np.float32
        assert np.shares_memory(n, x.detach().numpy())


# Copies.


def test_deepcopy(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    x.note = [1]
    y = copy.deepcopy(x)
    assert y is not x
    assert y.requires_grad
    assert y.is_leaf
    assert y.grad is not x.grad
    assert y.grad.tolist() == [2, 4]
    assert y.note == [1]
    assert y.note is not x.note
    with t.no_grad():
        y.add_(1)
        y.grad.add_(1)
    assert x.tolist() == [1, 2]
    assert x.grad.tolist() == [2, 4]
    assert x._version == 0


def test_deepcopy_of_a_structure_keeps_identity(t):
    x = t.ones(2, requires_grad=True)
    a, b = copy.deepcopy([x, x])
    assert a is b
    assert a is not x


def test_deepcopy_keeps_strides_and_dtype(t):
    x = t.ones(2, 3, dtype=t.float64).t()
    y = copy.deepcopy(x)
    assert tuple(y.stride()) == (1, 3)
    assert y.dtype == t.float64
    assert not copy.deepcopy((t.ones(2, requires_grad=True) * 2).detach()).requires_grad


def test_deepcopy_does_not_take_hooks_along():
    x = gc.ones(2, requires_grad=True)
    calls = []
    x.register_hook(calls.append)
    y = copy.deepcopy(x)
    y.sum().backward()
    assert calls == []


def test_shallow_copy(t):
    x = t.ones(2)
    x.note = "mine"
    y = copy.copy(x)
    assert y is not x
    y.add_(1)
    assert x.tolist() == [2, 2]
    assert y.note == "mine"
    z = copy.copy(t.ones(2, requires_grad=True) * 2)
    assert z.requires_grad
    assert z.is_leaf


def test_pickle(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    (x * 3).sum().backward()
    y = pickle.loads(pickle.dumps(x))
    assert y.tolist() == [1, 2]
    assert y.requires_grad
    assert y.is_leaf
    assert y.grad is None
    assert y.dtype == x.dtype
    z = pickle.loads(pickle.dumps(x * 2))
    assert z.tolist() == [2, 4]
    assert z.requires_grad
    assert z.grad_fn is None
    n = pickle.loads(pickle.dumps(t.tensor([[1], [2]])))
    assert n.tolist() == [[1], [2]]
    assert not n.requires_grad
    x.note = [1]
    assert pickle.loads(pickle.dumps(x)).note == [1]
    with t.no_grad():
        y.add_(1)  # it can be written to
    assert x.tolist() == [1, 2]


# Shape, strides, size.


def test_shape_and_size(t):
    x = t.ones(2, 3)
    assert x.shape == (2, 3)
    assert isinstance(x.shape, tuple)
    assert x.size() == (2, 3)
    assert x.size(0) == 2
    assert x.size(-1) == 3
    assert x.size(dim=1) == 3
    with pytest.raises(IndexError):
        x.size(2)
    assert x.shape.numel() == 6
    assert x.shape[-1] == 3
    assert x.shape[:1] == (2,)
    assert type(x.shape[:1]) is type(x.shape)
    assert x.dim() == x.ndim == 2
    assert x.numel() == x.nelement() == 6
    assert t.tensor(1.0).shape == ()
    assert t.tensor(1.0).numel() == 1
    assert x.element_size() == 4
    assert x.nbytes == 24
    assert x.itemsize == 4
    assert repr(x.shape).endswith("Size([2, 3])")
    assert x.shape + (4,) == (2, 3, 4)  # noqa: RUF005
    assert pickle.loads(pickle.dumps(x.shape)) == x.shape


def test_size_is_also_the_number_of_elements():
    x = gc.ones(2, 3)
    assert x.size == 6
    assert isinstance(x.size, int)
    assert x.size + 1 == 7
    assert repr(gc.ones(2, 3).shape) == "gradcore.Size([2, 3])"


def test_strides_and_contiguity(t):
    x = t.ones(2, 3, 4)
    assert tuple(x.stride()) == (12, 4, 1)
    assert x.stride(1) == 4
    assert x.stride(-1) == 1
    assert x.is_contiguous()
    assert not x.transpose(0, 1).is_contiguous()
    assert not x[:, ::2].is_contiguous()
    assert x[1].is_contiguous()
    assert t.ones(3, 1).t().is_contiguous()
    assert not t.ones(1).expand(3).is_contiguous()
    assert t.ones(0, 3).is_contiguous()
    assert t.tensor(1.0).is_contiguous()
    assert x.contiguous() is x
    y = x.transpose(0, 2)
    assert y.contiguous().is_contiguous()
    assert y.contiguous().tolist() == y.tolist()


def test_kinds_of_dtype(t):
    assert t.ones(1).is_floating_point()
    assert not t.ones(1, dtype=t.int64).is_floating_point()
    assert t.ones(1, dtype=t.complex64).is_complex()
    assert not t.ones(1).is_complex()
    assert t.ones(1).is_signed()
    assert not t.ones(1, dtype=t.uint8).is_signed()


def test_casts_return_the_tensor_itself_where_nothing_changes(t):
    x = t.ones(2, requires_grad=True)
    assert x.float() is x
    assert x.to(t.float32) is x
    assert x.to(dtype=t.float32) is x
    assert x.to(x) is x
    assert x.type_as(x) is x
    assert x.cpu() is x or t is gc
    assert x.to(t.float32, copy=True) is not x
    assert x.long().long() is not x
    n = t.ones(2, dtype=t.int64)
    assert n.long() is n


def test_casts(t):
    x = t.tensor([1.7, -1.7])
    names = {
        "double": "float64",
        "float": "float32",
        "long": "int64",
        "int": "int32",
        "short": "int16",
        "byte": "uint8",
        "char": "int8",
        "bool": "bool",
        "cfloat": "complex64",
        "cdouble": "complex128",
    }
    for method, dtype in names.items():
        assert dtype_of(getattr(x.abs(), method)()) == dtype
    assert x.long().tolist() == [1, -1]
    assert x.bool().tolist() == [True, True]
    assert x.to(t.float64).dtype == t.float64
    assert x.to(t.ones(1, dtype=t.int16)).dtype == t.int16
    y = t.ones(2, requires_grad=True)
    assert y.double().requires_grad
    assert not y.long().requires_grad
    y.double().sum().backward()
    assert y.grad.dtype == t.float32


def test_a_cast_from_complex_to_real_warns(t):
    z = t.tensor([1 + 2j])
    always = getattr(t, "set_warn_always", lambda on: None)  # PyTorch warns once
    always(True)
    try:
        with pytest.warns(UserWarning, match=r"(?s)Casting complex values to real discards the imaginary part"):
            assert z.float().tolist() == [1]
    finally:
        always(False)


# Making tensors.

INFERENCE = {
    "t.tensor(1)": "int64",
    "t.tensor(1.0)": "float32",
    "t.tensor(True)": "bool",
    "t.tensor(1j)": "complex64",
    "t.tensor([1, 2.0])": "float32",
    "t.tensor([True, 2])": "int64",
    "t.tensor([True, 2.0])": "float32",
    "t.tensor([1, 2j])": "complex64",
    "t.tensor([])": "float32",
    "t.tensor([[]])": "float32",
    "t.tensor([[1], [2]])": "int64",
    "t.tensor((1, 2))": "int64",
    "t.tensor(range(3))": "int64",
    "t.tensor(np.float64(1))": "float64",
    "t.tensor(np.float32(1))": "float32",
    "t.tensor(np.array([1.0]))": "float64",
    "t.tensor([np.float64(1.0)])": "float64",
    "t.tensor(np.int32(1))": "int32",
    "t.tensor([np.int32(1)])": "int32",
    "t.tensor(np.bool_(True))": "bool",
    "t.tensor([t.tensor(1.0), t.tensor(2.0)])": "float32",
    "t.tensor(1, dtype=t.float64)": "float64",
    "t.tensor([1.7], dtype=t.int32)": "int32",
    "t.as_tensor(np.ones(2))": "float64",
    "t.as_tensor([1, 2])": "int64",
    "t.from_numpy(np.ones(2))": "float64",
    "t.from_numpy(np.ones(2, dtype=np.float32))": "float32",
    "t.scalar_tensor(1)": "float32",
    "t.full((2,), 1)": "int64",
    "t.full((2,), 1.0)": "float32",
    "t.full((2,), True)": "bool",
    "t.full((2,), 1j)": "complex64",
    "t.arange(3)": "int64",
    "t.arange(3.)": "float32",
    "t.arange(0, 1, .5)": "float32",
    "t.arange(1, 7, 2)": "int64",
    "t.arange(5, 0, -2)": "int64",
    "t.arange(0, 2, dtype=t.float64)": "float64",
    "t.linspace(0, 1, 3)": "float32",
    "t.linspace(0, 10, 5, dtype=t.int64)": "int64",
    "t.linspace(1, 1, 1)": "float32",
    "t.linspace(0, 1, 0)": "float32",
    "t.ones(2)": "float32",
    "t.zeros(2, 3)": "float32",
    "t.zeros((2, 3))": "float32",
    "t.zeros([2, 3])": "float32",
    "t.zeros(())": "float32",
    "t.ones(0)": "float32",
    "t.ones(2, dtype=t.bool)": "bool",
    "t.eye(2)": "float32",
    "t.eye(2, 3)": "float32",
    "t.eye(3, 2, dtype=t.int64)": "int64",
    "t.ones_like(t.tensor([1, 2]))": "int64",
    "t.zeros_like(t.tensor([1, 2]), dtype=t.float64)": "float64",
    "t.full_like(t.tensor([1, 2]), 1.5)": "int64",
    "t.full_like(t.tensor([1.0, 2.0]), 3)": "float32",
    "t.Tensor([1, 2])": "float32",
    "t.ones(t.tensor(2), np.int64(3))": "float32",
    "t.tensor(2**62)": "int64",
    "t.tensor(float('inf'))": "float32",
    "t.tensor([3], dtype=float)": "float64",
    "t.tensor([3], dtype=complex)": "complex128",
    "t.tensor([3], dtype=int)": "int64",
    "t.tensor([3], dtype=bool)": "bool",
}


@pytest.mark.parametrize("program", INFERENCE)
def test_dtype_of_a_new_tensor(torch, program):
    ours, theirs = (eval(program, {"t": t, "np": np}) for t in (gc, torch))
    assert dtype_of(theirs) == INFERENCE[program], "the table is wrong"
    assert dtype_of(ours) == INFERENCE[program]
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy(force=True), theirs.numpy(force=True), rtol=1e-6)
    assert not ours.requires_grad


def test_tensor_copies_and_as_tensor_shares(t, device):
    n = np.ones(2)
    x, y = t.tensor(n), t.as_tensor(n)
    n[0] = 5
    assert x.tolist() == [1, 1]
    if device == "cpu":
        assert y.tolist() == [5, 1]
    z = t.ones(2, requires_grad=True)
    assert t.as_tensor(z) is z
    assert t.as_tensor(z * 2).requires_grad
    assert t.as_tensor(n, dtype=t.float32).dtype == t.float32


def test_from_numpy_shares_memory(t):
    n = np.zeros((2, 3))
    x = t.from_numpy(n)
    n[0, 0] = 1
    x[1, 1] = 2
    assert x.tolist() == n.tolist() == [[1, 0, 0], [0, 2, 0]]
    assert tuple(t.from_numpy(n.T).stride()) == (1, 3)


def test_tensor_of_a_tensor_warns_and_cuts_the_history(t):
    x = t.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match=r"(?s)To copy construct.*sourceTensor.detach\(\).clone\(\)"):
        y = t.tensor(x)
    assert not y.requires_grad
    y.add_(1)
    assert x.tolist() == [1, 1]
    with pytest.warns(UserWarning, match="To copy construct"):
        assert t.tensor(x, requires_grad=True).is_leaf


def test_requires_grad_of_factories(t):
    for x in (
        t.ones(2, requires_grad=True),
        t.tensor([1.0], requires_grad=True),
        t.zeros(2, requires_grad=True),
        t.full((2,), 1.0, requires_grad=True),
        t.rand(2, requires_grad=True),
        t.ones_like(t.ones(2), requires_grad=True),
        t.arange(3.0, requires_grad=True),
        t.eye(2, requires_grad=True),
        t.linspace(0, 1, 2, requires_grad=True),
    ):
        assert x.requires_grad
        assert x.is_leaf
    assert not t.ones_like(t.ones(2, requires_grad=True)).requires_grad


def test_every_tensor_of_a_factory_has_memory_of_its_own(t):
    a, b = t.zeros(2), t.zeros(2)
    a.add_(1)
    assert b.tolist() == [0, 0]
    x = t.ones(2)
    t.zeros_like(x).add_(1)
    assert x.tolist() == [1, 1]


def test_default_dtype(t):
    assert t.get_default_dtype() == t.float32
    try:
        t.set_default_dtype(t.float64)
        assert t.get_default_dtype() == t.float64
        for x in (t.tensor(1.0), t.ones(2), t.rand(2), t.arange(3.0), t.full((1,), 1.0), t.eye(2)):
            assert dtype_of(x) == "float64"
        assert dtype_of(t.tensor(1j)) == "complex128"
        assert dtype_of(t.tensor([1]) / 2) == "float64"
        assert dtype_of(t.tensor([1]) + 1.0) == "float64"
        assert dtype_of(t.tensor([4]).sqrt()) == "float64"
        assert "dtype" not in repr(t.ones(1))
        assert "float32" in repr(t.ones(1, dtype=t.float32))
        assert dtype_of(t.ones(1, dtype=t.float32) + 1.0) == "float32"
    finally:
        t.set_default_dtype(t.float32)
    assert dtype_of(t.tensor(1.0)) == "float32"


# Random tensors.


def test_shapes_dtypes_and_ranges(t):
    u = t.rand(200, 5)
    assert u.shape == (200, 5)
    assert u.dtype == t.float32
    assert u.min().item() >= 0
    assert u.max().item() < 1
    assert t.rand((2, 3), dtype=t.float64).dtype == t.float64
    n = t.randn(3)
    assert n.dtype == t.float32
    i = t.randint(3, 7, (500,))
    assert i.dtype == t.int64
    assert sorted(set(i.tolist())) == [3, 4, 5, 6]
    assert sorted(set(t.randint(2, (100,)).tolist())) == [0, 1]
    assert t.randint(5, (2,), dtype=t.int32).dtype == t.int32
    assert t.randint(5, (2,), dtype=t.float32).dtype == t.float32
    p = t.randperm(50)
    assert p.dtype == t.int64
    assert sorted(p.tolist()) == list(range(50))
    assert t.randn(2, dtype=t.complex64).dtype == t.complex64
    x = t.ones(2, 3, dtype=t.float64)
    for like in (t.rand_like(x), t.randn_like(x), t.randint_like(x, 5), t.randint_like(x, 2, 5)):
        assert like.shape == (2, 3)
        assert like.dtype == t.float64
    assert t.rand(0).shape == (0,)
    assert t.rand(()).shape == ()


def test_distributions(t):
    t.manual_seed(0)
    n = 100_000
    u, z = t.rand(n, dtype=t.float64), t.randn(n, dtype=t.float64)
    assert abs(u.mean().item() - 0.5) < 0.005
    assert abs(u.var().item() - 1 / 12) < 0.002
    assert abs(z.mean().item()) < 0.02
    assert abs(z.std().item() - 1) < 0.01
    c = t.randn(n, dtype=t.complex128)
    assert abs((c.real**2).mean().item() - 0.5) < 0.02
    assert abs((c.imag**2).mean().item() - 0.5) < 0.02
    b = t.bernoulli(t.full((n,), 0.3))
    assert set(b.tolist()) == {0.0, 1.0}
    assert abs(b.mean().item() - 0.3) < 0.01
    w = t.empty(n).normal_(3, 0.5)
    assert abs(w.mean().item() - 3) < 0.02
    assert abs(w.std().item() - 0.5) < 0.01
    v = t.empty(n).uniform_(-2, 4)
    assert abs(v.mean().item() - 1) < 0.05
    assert v.min().item() >= -2
    assert v.max().item() < 4
    k = t.randint(0, 10, (n,)).double()
    assert abs(k.mean().item() - 4.5) < 0.05
    x = t.normal(t.full((n,), 5.0), t.full((n,), 2.0))
    assert abs(x.mean().item() - 5) < 0.05
    assert abs(x.std().item() - 2) < 0.05


@pytest.mark.parametrize(
    ("expression", "node"),
    [
        ("t.normal(p, 1.0)", "NormalBackward1"),
        ("t.normal(0.0, p)", "NormalBackward2"),
        ("t.normal(p, p)", "NormalBackward3"),
        ("t.normal(p.detach(), p)", "NormalBackward3"),
        ("t.bernoulli(p)", "BernoulliBackward0"),
    ],
)
def test_random_numbers_have_a_gradient_of_zero(t, expression, node):
    p = t.tensor([0.25, 0.5, 0.75], requires_grad=True)
    made = eval(expression, {"t": t, "p": p})
    assert made.grad_fn.name() == node
    (made * p).sum().backward()
    assert p.grad.tolist() == made.tolist()
    assert t.normal(t.zeros(2, 1), t.ones(3)).shape == (2, 3)


def test_normal_numbers_of_what(t):
    with pytest.raises(TypeError):
        t.normal("text")


def test_new_tensor_has_the_dtype_of_the_other(t):
    made = t.ones(2, dtype=t.float64).new_tensor([1, 2.5], requires_grad=True)
    assert made.dtype == t.float64
    assert made.tolist() == [1.0, 2.5]
    assert made.requires_grad
    assert made.is_leaf
    assert t.arange(2).new_tensor([1.5, 2]).tolist() == [1, 2]
    with pytest.warns(UserWarning, match="To copy construct"):
        made.new_tensor(made)


def test_is_tensor(t):
    assert t.is_tensor(t.ones(2))
    assert not t.is_tensor(np.ones(2))
    assert not t.is_tensor(1.0)


def test_a_dual_tensor_is_printed_with_its_tangent(t):
    with t.autograd.forward_ad.dual_level():
        x = t.autograd.forward_ad.make_dual(t.tensor([1.0, 2.0], device="cpu"), t.tensor([3.0, 4.0], device="cpu"))
        assert repr(x) == "tensor([1., 2.], tangent=tensor([3., 4.]))"
    assert repr(x) == "tensor([1., 2.])"


def test_a_seed_determines_the_numbers(t):
    def draw():
        return [t.rand(3).tolist(), t.randn(3).tolist(), t.randint(100, (5,)).tolist(), t.randperm(7).tolist()]

    t.manual_seed(42)
    first = draw()
    second = draw()
    t.manual_seed(42)
    assert draw() == first
    assert draw() == second
    assert first != second
    t.manual_seed(43)
    assert draw() != first
    assert t.initial_seed() == 43
    t.manual_seed(-1)
    t.rand(1)


def test_the_state_can_be_saved_and_restored(t):
    t.rand(3)
    state = t.get_rng_state()
    first = t.rand(5).tolist()
    t.set_rng_state(state)
    assert t.rand(5).tolist() == first
    with pytest.raises(RuntimeError):
        t.set_rng_state(t.zeros(3, dtype=t.uint8))


def test_what_is_no_generator_is_refused():
    with pytest.raises(TypeError, match=r"must be a gradcore\.Generator, but got int"):
        gc.rand(2, generator=3)


def test_generators_are_independent(t, device):
    where = {"device": device} if t is gc else {}
    g = t.Generator(**where).manual_seed(5)
    a = t.rand(3, generator=g, **where)
    t.rand(10)
    b = t.rand(3, generator=g, **where)
    h = t.Generator(**where).manual_seed(5)
    assert t.rand(3, generator=h, **where).tolist() == a.tolist()
    assert t.rand(3, generator=h, **where).tolist() == b.tolist()
    assert g.initial_seed() == 5
    state = g.get_state()
    c = t.randn(2, generator=g, **where)
    g.set_state(state)
    assert t.randn(2, generator=g, **where).tolist() == c.tolist()
    assert isinstance(g.seed(), int)
    t.manual_seed(1)
    before = t.rand(2).tolist()
    t.manual_seed(1)
    t.rand(4, generator=g, **where)
    assert t.rand(2).tolist() == before


def test_random_in_place_fills(t):
    x = t.zeros(3)
    assert x.normal_() is x
    assert x._version == 1
    assert x.tolist() != [0, 0, 0]
    y = t.zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable"):
        y.uniform_()
    assert y.tolist() == [0, 0, 0]
    with t.no_grad():
        y.uniform_()
    assert y.tolist() != [0, 0, 0]


def test_filling_a_computed_tensor_cuts_its_gradient(t):
    x = t.ones(3, requires_grad=True)
    y = x * 2
    y.uniform_()
    (y.sum() + x.sum()).backward()
    assert x.grad.tolist() == [1, 1, 1]
    z = x * 2
    z[:1].normal_()
    x.grad = None
    z.sum().backward()
    assert x.grad.tolist() == [0, 2, 2]


def test_the_devices_of_the_cpu_agree():
    values = []
    for where in ("cpu", "strict:0", "strict:1"):
        gc.manual_seed(9)
        values.append(gc.rand(4, device=where).tolist())
    assert values[0] == values[1] == values[2]
