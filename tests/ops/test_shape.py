"""Views of another shape beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc

CUBE = np.linspace(-1.0, 1.0, 24).reshape(2, 3, 4)
MATRIX = np.linspace(-1.0, 2.0, 6).reshape(2, 3)
VECTOR = [0.5, -1.0, 2.0]
NUMBER = 1.5
ONES = np.linspace(0.0, 1.0, 6).reshape(1, 2, 1, 3)
EMPTY = np.zeros((0, 3))
COMPLEX = np.array([[1 + 2j, 3 - 1j, 0.5j], [2j, 1, -1]])


@pytest.mark.parametrize(
    "expression",
    """
    x.view(4, 6)
    x.view((4, 6))
    x.view([24])
    x.view(-1)
    x.view(2, -1, 2)
    x.view(x.shape)
    x.view(2, t.tensor(12))
    x.view(4)
    x.view(-1, -1)
    x.view(5, -1)
    x.view(-2)
    x.view()
    x.view(24.0)
    x.view_as(y)
    x.permute(2, 0, 1).view(24)
    x.permute(2, 0, 1).view(4, 6)
    x.reshape(4, 6)
    x.reshape((24,))
    x.reshape(-1, 3)
    t.reshape(x, (3, 8))
    t.reshape(x, shape=(3, 8))
    x.reshape(0, -1)
    x.reshape(24.0)
    x.reshape()
    t.reshape([1.0], (1,))
    x.permute(2, 0, 1).reshape(24)
    x.permute(2, 0, 1).reshape(4, 2, 3)
    x.permute(2, 0, 1).reshape(4, 6)
    x.transpose(0, 1).reshape(-1)
    (x * 2).mT.reshape(2, 12)
    x[:, :, 1:3].reshape(-1)
    x[:, :, 1:3].reshape(2, 3, 2, 1)
    x.reshape_as(y)
    x.flatten()
    x.flatten(1)
    x.flatten(0, 1)
    x.flatten(1, 1)
    x.flatten(start_dim=-2, end_dim=-1)
    x.flatten(1, 0)
    x.flatten(5)
    t.flatten(x, 1)
    x.ravel()
    x.unflatten(2, (2, 2))
    x.unflatten(-1, (2, -1))
    x.unflatten(2, (2, 3))
    x.unflatten(2, ())
    x.mT.unflatten(1, (2, -1))
    x.contiguous()
    x.mT.contiguous()
    x.permute(1, 0, 2)
    x.permute((2, 0, 1))
    x.permute(2, 0, -2)
    t.permute(x, (1, 2, 0))
    t.permute(x, dims=(1, 2, 0))
    x.permute(0, 1)
    x.permute(0, 1, 1)
    x.permute(0, 1, 3)
    x.permute()
    x.transpose(0, 1)
    x.transpose(-1, 0)
    x.transpose(1, 1)
    x.transpose(0, 3)
    x.swapaxes(0, 2)
    t.swapdims(x, 0, 1)
    x.movedim(0, 2)
    x.movedim((0, 1), (1, 0))
    t.moveaxis(x, -1, 0)
    x.movedim((0, 1), (1,))
    x.movedim((0, 0), (1, 2))
    x.movedim(3, 0)
    x.t()
    x.mT
    x.mH
    x.H
    x.adjoint()
    x.unsqueeze(0)
    x.unsqueeze(-1)
    x.unsqueeze(3)
    x.unsqueeze(4)
    x.unsqueeze(axis=1)
    t.unsqueeze(x, dim=-4)
    x.squeeze()
    x.squeeze(0)
    x.squeeze((0, 1))
    x.squeeze((0, 0))
    x.squeeze(3)
    x.expand(2, 3, 4)
    x.expand(5, -1, -1, -1)
    x.expand(2, 3, 5)
    x.expand(3, 4)
    x.expand()
    x.expand_as(x)
    x.sum(0, keepdim=True).expand(2, 3, 4)
    x.sum(1, keepdim=True).expand((7, 2, 3, -1))
    x[:1].expand(0, 3, 4)
    t.broadcast_to(x, (2, 2, 3, 4))
    x.broadcast_to((1, 2, 3, 4))
    t.atleast_3d(x)
    t.broadcast_tensors(x[0, 0], x[:, :1])
    t.broadcast_tensors(x, y)
    x.view(size=(4, 6))
    x.expand(size=(2, 2, 3, 4))
    """.split("\n    ")[1:-1],
)
def test_of_a_cube(expression, torch):
    agree(torch, expression, CUBE, MATRIX)


@pytest.mark.parametrize("array", [NUMBER, VECTOR, MATRIX, ONES, EMPTY, COMPLEX, np.arange(6).reshape(2, 3)], ids=str)
@pytest.mark.parametrize(
    "expression",
    [
        "x.view(-1)",
        "x.view(1)",
        "x.reshape(())",
        "x.reshape(-1, 3)",
        "x.reshape(0, -1)",
        "x.flatten()",
        "x.ravel()",
        "x.t()",
        "x.T",
        "x.transpose(0, -1)",
        "x.permute(())",
        "x.movedim(0, 0)",
        "x.squeeze()",
        "x.squeeze(0)",
        "x.squeeze(-1)",
        "x.squeeze((0, -2))",
        "x.squeeze(())",
        "x.unsqueeze(0)",
        "x.expand(3)",
        "x.expand(2, -1)",
        "x.expand(-1, 3)",
        "x.expand(2, 3)",
        "t.atleast_1d(x)",
        "t.atleast_2d(x)",
        "t.atleast_3d(x)",
        "t.atleast_1d(x, x)",
        "t.atleast_2d([x, x])",
        "t.broadcast_tensors(x, x)",
    ],
)
@pytest.mark.filterwarnings("ignore:The use of `x.T`:UserWarning")
def test_of_any_shape(expression, array, torch):
    agree(torch, expression, array)


def test_the_transpose_of_more_than_two_dimensions_warns(torch):
    agree(torch, "x.T", CUBE, warns="The use of `x.T`")


def test_same_object_where_nothing_changes():
    x = gc.ones(3)
    assert x.contiguous() is x
    assert x.flatten() is x
    assert gc.atleast_1d(x) is x
    assert gc.broadcast_tensors(x, x)[0] is x
    assert x.view(3) is not x
    assert x.ravel() is not x
    assert x.expand(3) is not x
    assert x.squeeze() is not x


def test_views_share_memory_and_copies_do_not():
    x = gc.zeros(2, 3)
    for view in (
        x.view(6),
        x.reshape(3, 2),
        x.T,
        x.T.reshape(3, 2),
        x.unsqueeze(0),
        x.squeeze(),
        x.expand(1, 2, 3),
        x.flatten(),
    ):
        assert view._base is x
    for copy in (x.T.reshape(6), x.T.contiguous(), x.reshape(6, copy=True)):
        assert copy._base is None
        copy.fill_(5)
    assert x.sum() == 0


def test_a_view_may_be_written_to_even_if_expanded_in_between():
    x = gc.zeros(1)
    x.expand(3)[0] = 7.0
    assert x.item() == 7


def test_reshape_copy_argument():
    x = gc.arange(6.0).reshape(2, 3)
    assert x.reshape(6, copy=False)._is_view()
    with pytest.raises(ValueError, match="do not allow a view"):
        x.T.reshape(6, copy=False)


def test_view_of_bytes(t):
    x = t.tensor([1.0, -2.0], requires_grad=True)
    seen = x.view(t.int32)
    assert seen.tolist() == [1065353216, -1073741824]
    assert not seen.requires_grad
    assert not seen._is_view()
    y = t.zeros(2, 4)
    y.view(t.int32).fill_(1065353216)
    assert y.tolist() == [[1] * 4] * 2
    assert y._version == 1
    assert tuple(y.view(t.float64).shape) == (2, 2)
    assert tuple(t.ones(2, 2, dtype=t.float64).view(t.float32).shape) == (2, 4)
    assert t.ones(()).view(t.int32).tolist() == 1065353216


@pytest.mark.parametrize(
    ("program", "phrase"),
    [
        ("t.ones(3).view(t.float64)", "self.size(-1) must be divisible by 2"),
        ("t.ones(4, 2).t().view(t.float64)", "self.stride(-1) must be 1"),
        ("t.ones(()).view(t.float64)", "self.dim() cannot be 0"),
    ],
)
def test_bytes_that_do_not_fit(t, program, phrase):
    with pytest.raises(RuntimeError) as caught:
        eval(program, {"t": t})
    assert phrase in str(caught.value)


@pytest.mark.parametrize(
    "shapes", [((2, 1), (3,)), ((), (2, 2)), (4, (1,)), ((0,), (1,)), ((5, 1, 3), (4, 1), (1,)), ()]
)
def test_broadcast_shapes(shapes, torch):
    assert tuple(gc.broadcast_shapes(*shapes)) == tuple(torch.broadcast_shapes(*shapes))


@pytest.mark.parametrize("shapes", [((2,), (3,)), ((0,), (2,)), ((-1,), (2,))])
def test_broadcast_shapes_that_differ(shapes, torch):
    with pytest.raises((RuntimeError, ValueError)) as theirs:
        torch.broadcast_shapes(*shapes)
    with pytest.raises((RuntimeError, ValueError)) as ours:
        gc.broadcast_shapes(*shapes)
    assert ours.type is theirs.type


def test_error_messages():
    x = gc.ones(2, 3)
    for call, phrases in (
        (lambda: x.t().view(6), ("view size is not compatible", "size and stride", "Use .reshape(...) instead")),
        (lambda: x.view(4), ("shape '[4]' is invalid for input of size 6",)),
        (lambda: x.reshape(4, -1), ("shape '[4, -1]' is invalid for input of size 6",)),
        (lambda: x.expand(2, 4), ("The expanded size of the tensor (4)", "must match the existing size (3)")),
        (lambda: gc.zeros(0, 3).view(-1, 0), ("is ambiguous",)),
    ):
        with pytest.raises(RuntimeError) as caught:
            call()
        assert all(p in str(caught.value) for p in phrases)
