"""What is asked about dtypes, beside PyTorch's answers."""

from __future__ import annotations

import itertools

import pytest

import gradcore as gc

NAMES = ["bool", "uint8", "int8", "int32", "int64", "float32", "float64", "complex64", "uint16", "uint64"]


def answer(question):
    try:
        return question()
    except (RuntimeError, TypeError) as e:
        return type(e)


def named(found):
    return found if isinstance(found, (bool, type)) else str(found).rpartition(".")[2]


@pytest.mark.parametrize("function", ["promote_types", "can_cast"])
def test_pairs_of_dtypes(function, torch):
    for a, b in itertools.product(NAMES, NAMES):
        ours = answer(lambda: getattr(gc, function)(getattr(gc, a), getattr(gc, b)))
        theirs = answer(lambda: getattr(torch, function)(getattr(torch, a), getattr(torch, b)))
        assert named(ours) == named(theirs), (a, b)


@pytest.mark.parametrize(
    "pair",
    [
        "t.ones(2), 1",
        "t.ones(2), 1j",
        "t.ones(2, dtype=t.int32), 1.5",
        "t.tensor(1.0, dtype=t.float64), t.ones(2)",
        "1, 2.5",
        "True, t.tensor(True)",
    ],
)
def test_result_type(pair, torch):
    ours, theirs = (eval(f"t.result_type({pair})", {"t": t}) for t in (gc, torch))
    assert named(ours) == named(theirs)


@pytest.mark.parametrize(
    "expression",
    [
        "t.finfo(t.float64).eps",
        "t.finfo().max",
        "t.finfo(t.complex128).dtype",
        "t.iinfo(t.int8).min",
        "t.iinfo(t.uint8).max",
        "t.iinfo(t.int64).bits",
        "t.finfo(t.int64)",
        "t.iinfo(t.float32)",
        "t.iinfo(t.bool)",
        "t.finfo('float32')",
        "t.promote_types('a', t.int8)",
        "t.is_complex(t.ones(2) * 1j)",
        "t.is_floating_point(t.ones(2, dtype=t.int64))",
        "t.is_signed(t.ones(2, dtype=t.uint8))",
        "t.is_complex(1)",
        "t.result_type('a', 1)",
    ],
)
def test_answers(expression, torch):
    ours, theirs = (answer(lambda: eval(expression, {"t": t})) for t in (gc, torch))
    assert ours == theirs


def test_type():
    x = gc.ones(2)
    assert x.type(gc.int64).dtype == gc.int64
    assert x.type(dtype=gc.float32) is x
    with pytest.raises(ValueError, match="invalid type: 'foo'"):
        x.type("foo")
    if x.device.type == "cpu":
        assert x.type() == "torch.FloatTensor"
        assert x.type("torch.IntTensor").dtype == gc.int32
