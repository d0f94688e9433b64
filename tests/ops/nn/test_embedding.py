"""Rows looked up beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from referee import agree

import gradcore as gc
from gradcore.func import grad, vmap

F = gc.nn.functional
TABLE = np.cos(np.arange(15.0)).reshape(5, 3)
AT = np.array([[0, 3, 3], [4, 1, 3]])
WEIGHTS = np.linspace(0.5, 2.0, 6)


@pytest.mark.conformance
@pytest.mark.parametrize(
    "expression",
    """
    F.embedding(y, x)
    F.embedding(y[0, 0], x)
    F.embedding(y[:0], x)
    F.embedding(y, x, padding_idx=3)
    F.embedding(y, x, padding_idx=-2)
    F.embedding(y, x, scale_grad_by_freq=True)
    F.embedding(y, x, padding_idx=3, scale_grad_by_freq=True)
    F.embedding(y, x * 1, max_norm=1.0)
    F.embedding(y, x * 1, max_norm=1.0, norm_type=1.0)
    F.embedding(y + 1, x)
    F.embedding(y - 1, x)
    F.embedding(x, x)
    F.embedding(y, x[0])
    F.embedding(y, y)
    F.embedding_bag(y, x)
    F.embedding_bag(y, x, mode="max")
    F.embedding_bag(y, x, mode="sum", per_sample_weights=z.reshape(2, 3))
    F.embedding_bag(y, x, padding_idx=3)
    F.embedding_bag(y, x, padding_idx=3, mode="max")
    F.embedding_bag(y.reshape(-1), x, t.tensor([0, 0, 4, 6]))
    F.embedding_bag(y.reshape(-1), x, t.tensor([0, 0, 4, 6]), mode="max")
    F.embedding_bag(y.reshape(-1), x, t.tensor([0, 2, 6]), include_last_offset=True)
    F.embedding_bag(y.reshape(-1), x, t.tensor([0, 2]), mode="sum", per_sample_weights=z)
    F.embedding_bag(y.reshape(-1), x, t.tensor([0, 2]), mode="sum", per_sample_weights=z, padding_idx=3)
    F.embedding_bag(y.reshape(-1), x * 1, t.tensor([0, 2]), max_norm=1.0)
    F.embedding_bag(y.reshape(-1), x)
    F.embedding_bag(y.reshape(-1), x, t.tensor([1, 2]))
    F.embedding_bag(y.reshape(-1), x, t.tensor([0, 7]))
    F.embedding_bag(y.reshape(-1), x, t.tensor([[0, 2]]))
    F.embedding_bag(y, x, t.tensor([0]))
    F.embedding_bag(y, x, mode="median")
    F.embedding_bag(y, x, mode="mean", per_sample_weights=z.reshape(2, 3))
    F.embedding_bag(y, x, mode="sum", per_sample_weights=z)
    F.embedding_bag(y, x, mode="max", scale_grad_by_freq=True)
    F.embedding_bag(y + 3, x)
    F.embedding_bag(y[None], x)
    F.one_hot(y)
    F.one_hot(y, 7)
    F.one_hot(y[0, 0], 4)
    F.one_hot(y, 3)
    F.one_hot(y - 1)
    F.one_hot(y[:0])
    F.one_hot(y[:0], 2)
    F.one_hot(x)
    """.strip().splitlines(),
)
def test_as_in_pytorch(torch, expression):
    agree(torch, expression.strip(), TABLE, AT, WEIGHTS, order=1 if "bag" in expression else 2)


@pytest.mark.conformance
def test_long_rows_are_shortened_in_the_table_itself(torch):
    ours, theirs = gc.tensor(TABLE), torch.tensor(TABLE)
    F.embedding(gc.tensor(AT[0]), ours, max_norm=0.5)
    torch.nn.functional.embedding(torch.tensor(AT[0]), theirs, max_norm=0.5)
    np.testing.assert_allclose(ours.numpy(force=True), theirs.numpy(), rtol=1e-12)
    assert ours._version == theirs._version


@pytest.mark.parametrize("padding_idx", [5, -6])
def test_refuses_padding_outside(device, padding_idx):
    for look_up in (F.embedding, F.embedding_bag):
        with pytest.raises(AssertionError, match="must be within num_embeddings"):
            look_up(gc.tensor([[0, 1]]), gc.ones(5, 2), padding_idx=padding_idx)


def test_bags_divide_gradients_by_the_frequency_of_each_row(device):
    # PyTorch divides by that of another row where rows are not looked up in order.
    table, at = gc.tensor(TABLE, requires_grad=True), gc.tensor(AT)
    bags = F.embedding_bag(at, table, scale_grad_by_freq=True)
    rows = F.embedding(at, table, scale_grad_by_freq=True).mean(1)
    v = gc.tensor(np.cos(np.arange(6.0)).reshape(2, 3))
    np.testing.assert_allclose(
        gc.autograd.grad(bags, table, v)[0].numpy(force=True), gc.autograd.grad(rows, table, v)[0].numpy(force=True)
    )


def test_refuses_sparse_gradients(device):
    at, table = gc.tensor([0, 1]), gc.ones(2, 2, requires_grad=True)
    with pytest.raises(NotImplementedError, match="sparse"):
        F.embedding(at, table, sparse=True)
    assert F.embedding(at, table.detach(), sparse=True).shape == (2, 2)


@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}, {"scale_grad_by_freq": True}])
def test_tables_of_a_batch_keep_their_own_padding_and_counts(device, options):
    tables = gc.tensor(np.stack([TABLE, TABLE + 1]))
    at = gc.tensor([[1, 1, 4], [2, 1, 1]])

    def loss(table, at):
        return (F.embedding(at, table, **options) ** 2).sum()

    together = vmap(grad(loss))(tables, at)
    for i in range(2):
        np.testing.assert_allclose(
            together[i].numpy(force=True), grad(loss)(tables[i], at[i]).numpy(force=True), rtol=1e-12
        )


def test_rows_made_shorter_keep_their_tangents(torch):
    def run(t):
        table = t.tensor(TABLE)
        looked_up = lambda weight: t.nn.functional.embedding(t.tensor(AT), weight, max_norm=0.8)  # noqa: E731
        out, tangent = t.func.jvp(looked_up, (table,), (t.ones_like(table),))
        return [v.numpy(force=True) for v in (out, tangent, table)]

    for got, want in zip(run(gc), run(torch), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.conformance
def test_bags_want_a_matrix(torch):
    agree(torch, "F.embedding_bag(y, x)", TABLE[None], AT)
