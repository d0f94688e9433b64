"""The text of tensors: golden cases that need no PyTorch, and PyTorch itself as the referee."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from typing import Any

import array_api_strict
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from gradcore.printing import describe, format_tensor, get_printoptions, printoptions, set_printoptions

nan, inf = math.nan, math.inf

DEFAULT_OPTIONS = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}


@pytest.fixture(autouse=True)
def _default_options():
    """Every test starts from the default options and may leave others behind."""
    set_printoptions(profile="default")
    yield
    set_printoptions(profile="default")


@dataclass(frozen=True)
class Case:
    """Elements, the dtype they have, the print options, and what must come out of it."""

    elements: Any
    text: str
    dtype: str = "float32"
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> np.ndarray:
        return np.asarray(self.elements, dtype=self.dtype)


# What PyTorch 2.13 prints, with the name of its module replaced.
GOLDEN = [
    # One element without dimensions, and vectors.
    Case(1.0, "tensor(1.)"),
    Case(1, "tensor(1)", "int64"),
    Case(True, "tensor(True)", "bool"),
    Case(1.5, "tensor(1.5000)"),
    Case(1j, "tensor(0.+1.j)", "complex64"),
    Case(-0.0, "tensor(-0.)"),
    Case(nan, "tensor(nan)"),
    Case(1e15, "tensor(1.0000e+15)"),
    Case(1e-7, "tensor(1.0000e-07)"),
    Case(123456789, "tensor(123456789)", "int64"),
    Case([1, 2], "tensor([1., 2.])"),
    Case([1, 2], "tensor([1, 2])", "int64"),
    Case([1.5, 2.25], "tensor([1.5000, 2.2500])"),
    Case([True], "tensor([True])", "bool"),
    Case([True, False], "tensor([ True, False])", "bool"),
    # The dtype is mentioned unless it is a default one.
    Case(1.0, "tensor(1., dtype=gradcore.float64)", "float64"),
    Case(0.1, "tensor(0.1000, dtype=gradcore.float64)", "float64"),
    Case([1, 2], "tensor([1, 2], dtype=gradcore.int32)", "int32"),
    Case([1, 2], "tensor([1., 2.], dtype=gradcore.float64)", "float64"),
    Case([1, 2], "tensor([1., 2.], dtype=gradcore.float16)", "float16"),
    Case([1], "tensor([1], dtype=gradcore.uint8)", "uint8"),
    Case([1], "tensor([1.+0.j], dtype=gradcore.complex128)", "complex128"),
    # Nothing in it.
    Case([], "tensor([])"),
    Case([[]], "tensor([], size=(1, 0))"),
    Case(np.zeros((0, 3)), "tensor([], size=(0, 3))"),
    Case(np.zeros((2, 0)), "tensor([], size=(2, 0))"),
    Case([], "tensor([], dtype=gradcore.int64)", "int64"),
    Case([], "tensor([], dtype=gradcore.bool)", "bool"),
    Case(np.zeros((0, 3)), "tensor([], size=(0, 3), dtype=gradcore.complex64)", "complex64"),
    # Not numbers, and which notation the numbers call for.
    Case([1, nan, inf, -inf], "tensor([1., nan, inf, -inf])"),
    Case([0, -0.0, nan], "tensor([0., -0., nan])"),
    Case([-0.0, 1.5], "tensor([-0.0000, 1.5000])"),
    Case([1e-10, 1], "tensor([1.0000e-10, 1.0000e+00])"),
    Case([1e10, 1], "tensor([1.0000e+10, 1.0000e+00])"),
    Case([1e5, 1], "tensor([1.0000e+05, 1.0000e+00])"),
    Case([123456, 1.5], "tensor([1.2346e+05, 1.5000e+00])"),
    Case([0.00001], "tensor([1.0000e-05])"),
    Case([1e-5, 1e5], "tensor([1.0000e-05, 1.0000e+05])"),
    Case([1e8], "tensor([100000000.])"),
    Case([1e8 + 1, 2.5], "tensor([1.0000e+08, 2.5000e+00])"),
    Case([1 / 3, 2 / 3], "tensor([0.3333, 0.6667])"),
    Case([-1, 2], "tensor([-1.,  2.])"),
    Case([100, 2], "tensor([100.,   2.])"),
    Case([1e-8], "tensor([1.0000e-08])"),
    Case([0.1, 100000], "tensor([1.0000e-01, 1.0000e+05])"),
    Case([1, 1e4], "tensor([1.0000e+00, 1.0000e+04])"),
    Case([0.1234567], "tensor([0.1235])"),
    Case([12345.678], "tensor([12345.6777])"),
    Case([1e15], "tensor([1.0000e+15])"),
    Case([1e-3, 1e-3, 1e-3], "tensor([0.0010, 0.0010, 0.0010])"),
    Case([1.0000001], "tensor([1.0000])"),
    Case([999999], "tensor([999999.])"),
    Case([99999999], "tensor([100000000.])"),
    Case([0, 1e-4], "tensor([0.0000e+00, 1.0000e-04])"),
    Case([1e-4, 1], "tensor([1.0000e-04, 1.0000e+00])"),
    Case([1e-4, 1000], "tensor([1.0000e-04, 1.0000e+03])"),
    Case([1, -1e-9], "tensor([ 1.0000e+00, -1.0000e-09])"),
    Case([5e-324, 1e308], "tensor([4.9407e-324, 1.0000e+308], dtype=gradcore.float64)", "float64"),
    # Complex numbers: each part has its own notation, only the real one is padded.
    Case([1 + 2j, 3 - 4j], "tensor([1.+2.j, 3.-4.j])", "complex64"),
    Case([0.5 + 0.25j], "tensor([0.5000+0.2500j])", "complex64"),
    Case([-1.5 + 1j, complex(10, nan)], "tensor([-1.5000+1.j, 10.0000+nanj])", "complex64"),
    # Several dimensions, long lines and summaries.
    Case([[1, 2], [3, 4]], "tensor([[1., 2.],\n        [3., 4.]])"),
    Case([[1, 20], [300, 4]], "tensor([[  1,  20],\n        [300,   4]])", "int64"),
    Case(
        np.ones((2, 2, 2)),
        "tensor([[[1., 1.],\n         [1., 1.]],\n\n        [[1., 1.],\n         [1., 1.]]])",
    ),
    Case(
        np.arange(30),
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
        "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])",
        "int64",
    ),
    Case(np.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])", "int64"),
    Case(np.zeros(1001), "tensor([0., 0., 0.,  ..., 0., 0., 0.])"),
    Case(
        np.zeros((40, 40)),
        "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        ...,\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.]])",
    ),
    # Options.
    Case([1.23456, 2], "tensor([1.23, 2.00])", options={"precision": 2}),
    Case([1.23456, 2], "tensor([1.2346e+00, 2.0000e+00])", options={"sci_mode": True}),
    Case([1e-9, 2.5], "tensor([0.0000, 2.5000])", options={"sci_mode": False}),
    Case([0, nan], "tensor([0., nan])", options={"sci_mode": True}),
    Case(np.arange(6), "tensor([0, 1,  ..., 4, 5])", "int64", {"profile": "short", "threshold": 5}),
    Case(np.arange(6), "tensor([...], size=(6,))", "int64", {"edgeitems": 0, "threshold": 5}),
    Case(np.ones((2, 2)), "tensor([...], size=(2, 2))", options={"edgeitems": 0, "threshold": 3}),
    Case([1, 2], "tensor([1., 2.], size=(2,))", options={"edgeitems": 0}),
    Case(np.zeros((0, 9)), "tensor([], size=(0, 9))", options={"threshold": -1}),
    Case([10, 2, 3], "tensor([10,  2,\n         3])", "int64", {"linewidth": 15}),
]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case.text)
def test_text_of_data(case: Case):
    with printoptions(**case.options):
        assert describe(case.data) == case.text


ONE_TWO = np.array([1.0, 2.0], dtype=np.float32)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"requires_grad": True}, "tensor([1., 2.], requires_grad=True)"),
        ({"grad_fn_name": "MulBackward0"}, "tensor([1., 2.], grad_fn=<MulBackward0>)"),
        ({"grad_fn_name": "MulBackward0", "requires_grad": True}, "tensor([1., 2.], grad_fn=<MulBackward0>)"),
        ({"tangent": "tensor([1., 1.])"}, "tensor([1., 2.], tangent=tensor([1., 1.]))"),
        ({"device": "cuda:0"}, "tensor([1., 2.], device='cuda:0')"),
        ({"prefix": "Mine("}, "Mine([1., 2.])"),
        (
            {
                "device": "cuda:0",
                "default_dtype": np.dtype("float64"),
                "grad_fn_name": "ToCopyBackward0",
                "tangent": "1.",
            },
            (
                "tensor([1., 2.], device='cuda:0', dtype=gradcore.float32,\n"
                "       grad_fn=<ToCopyBackward0>, tangent=1.)"
            ),
        ),
    ],
)
def test_facts_beyond_the_data(facts: dict[str, Any], text: str):
    assert describe(ONE_TWO, **facts) == text


@pytest.mark.parametrize(
    ("dtype", "default", "suffix"),
    [
        ("float64", "float64", ""),
        ("complex128", "float64", ""),
        ("float32", "float64", ", dtype=gradcore.float32"),
        ("complex64", "float64", ", dtype=gradcore.complex64"),
        ("float16", "float16", ""),
        ("complex64", "float16", ""),
    ],
)
def test_the_default_dtype_is_not_mentioned(dtype: str, default: str, suffix: str):
    data = np.ones((), dtype=dtype)
    assert describe(data, default_dtype=np.dtype(default)) == format_tensor(data)[:-1] + suffix + ")"


def test_suffixes_move_to_a_new_line_where_they_do_not_fit():
    assert format_tensor(ONE_TWO, prefix="x(", suffixes=["a=1", "b=2"]) == "x([1., 2.], a=1, b=2)"
    with printoptions(linewidth=20):
        # The last line of the data counts two columns more than it has.
        assert format_tensor(ONE_TWO, prefix="x(", suffixes=["a=12"]) == "x([1., 2.], a=12)"[:10] + ", a=12)"
        assert format_tensor(ONE_TWO, prefix="x(", suffixes=["a=1234"]) == "x([1., 2.], a=1234)"
        assert format_tensor(ONE_TWO, prefix="x(", suffixes=["a=12345"]) == "x([1., 2.],\n  a=12345)"
        assert format_tensor(ONE_TWO, prefix="x(", suffixes=["a=12345", "b"]) == "x([1., 2.],\n  a=12345, b)"


def test_bfloat16():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="not installed: ml_dtypes, an optional dependency")
    data = np.array([1.0, 0.1, nan], dtype=ml_dtypes.bfloat16)
    assert describe(data) == "tensor([1.0000, 0.1001,    nan], dtype=gradcore.bfloat16)"
    assert describe(np.ones(2000, ml_dtypes.bfloat16)).startswith("tensor([1., 1., 1.,  ..., 1., 1., 1.]")


class TestFetching:
    """Of a large array only what is printed leaves the device."""

    @staticmethod
    def fetched(shape: tuple[int, ...]) -> int:
        """How many elements are fetched to print an array of that shape (one element in memory)."""
        count = 0

        def fetch(part: np.ndarray) -> np.ndarray:
            nonlocal count
            count += part.size
            return np.asarray(part)

        describe(np.broadcast_to(np.float32(0.5), shape), fetch=fetch)
        return count

    @pytest.mark.parametrize(
        ("shape", "expected"),
        [
            ((10**9,), 6),
            ((10**5, 10**4), 36),
            ((10**5, 4), 24),
            ((2, 10**8), 12),
            ((100, 5, 100, 2), 6 * 5 * 6 * 2),
            ((1000,), 1000),
            ((), 1),
            ((0, 10**9), 0),
        ],
    )
    def test_only_the_ends_of_large_dimensions(self, shape: tuple[int, ...], expected: int):
        assert self.fetched(shape) == expected

    def test_nothing_when_no_element_is_shown(self):
        set_printoptions(edgeitems=0)
        assert self.fetched((10**9,)) == 0

    @pytest.mark.parametrize("shape", [(), (3,), (0, 2), (40, 40), (2, 600, 3)])
    def test_any_array_that_takes_slices(self, shape: tuple[int, ...]):
        data = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
        strict = array_api_strict.asarray(data)
        assert describe(strict, fetch=lambda part: np.asarray(part)) == describe(data)


class TestOptions:
    def test_default(self):
        assert get_printoptions() == DEFAULT_OPTIONS

    def test_what_is_not_given_stays(self):
        set_printoptions(precision=2, linewidth=100)
        set_printoptions(edgeitems=5)
        assert get_printoptions() == DEFAULT_OPTIONS | {"precision": 2, "linewidth": 100, "edgeitems": 5}

    def test_sci_mode_does_not_stay(self):
        set_printoptions(sci_mode=True)
        set_printoptions(precision=2)
        assert get_printoptions() == DEFAULT_OPTIONS | {"precision": 2}

    def test_profiles(self):
        set_printoptions(profile="short")
        assert get_printoptions() == DEFAULT_OPTIONS | {"precision": 2, "edgeitems": 2}
        set_printoptions(profile="full")
        assert get_printoptions() == DEFAULT_OPTIONS | {"threshold": inf}
        set_printoptions(profile="short", precision=7)
        assert get_printoptions() == DEFAULT_OPTIONS | {"precision": 7, "edgeitems": 2}

    def test_unknown_profile(self):
        with pytest.raises(ValueError, match="'default', 'short', 'full', but got 'ful'"):
            set_printoptions(precision=2, profile="ful")
        assert get_printoptions() == DEFAULT_OPTIONS

    def test_options_given_back(self):
        set_printoptions(precision=2, sci_mode=True)
        options = get_printoptions()
        set_printoptions(profile="full")
        set_printoptions(**options)
        assert get_printoptions() == options

    def test_context_manager_restores_also_after_an_error(self):
        set_printoptions(sci_mode=True)
        before = get_printoptions()
        with contextlib.suppress(ZeroDivisionError), printoptions(precision=1):
            assert get_printoptions() == DEFAULT_OPTIONS | {"precision": 1}
            raise ZeroDivisionError
        assert get_printoptions() == before


# What decides the notation, and what sticks out of it.
NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, nan, inf, -inf, 1e-4, 1e8, 1000.0, 1001.0, 0.5, 99999999.0, 65504.0, 5e-324]),
    st.integers(-2000, 2000).map(float),
    st.floats(-100, 100),
    st.floats(),
)
SHAPES = st.one_of(
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=8),
    st.sampled_from([(30,), (1000,), (1001,), (40, 40), (2, 600), (7, 30, 7), (8, 8, 4, 6)]),
)
BITS = {"int": (8, 16, 32, 64), "uint": (8, 16, 32, 64), "float": (16, 32, 64), "complex": (64, 128)}
DTYPES = st.sampled_from(["bool", *(f"{kind}{bits}" for kind, widths in BITS.items() for bits in widths)])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.sampled_from(["default", "short", "full"]),
        "precision": st.integers(0, 12),
        "threshold": st.sampled_from([-1, 0, 1, 5, 50, 1000, inf]),
        "edgeitems": st.integers(0, 4),
        "linewidth": st.integers(1, 140),
        "sci_mode": st.sampled_from([None, True, False]),
    },
)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    shape, dtype = draw(SHAPES), np.dtype(draw(DTYPES))
    if dtype.kind in "biu":
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        small = st.integers(max(low, -300), min(high, 300))
        values = draw(st.lists(st.one_of(small, st.integers(low, high)), min_size=1, max_size=9))
        return np.resize(np.array(values, dtype=dtype), shape)
    # Few numbers, repeated: drawing each element of a large array would take seconds.
    real = np.resize(draw(st.lists(NUMBERS, min_size=1, max_size=9)), shape)
    with np.errstate(over="ignore"):
        if dtype.kind == "f":
            return real.astype(dtype)
        out = np.empty(shape, dtype)
        out.real, out.imag = real, np.resize(draw(st.lists(NUMBERS, min_size=1, max_size=7)), shape)
        return out


@pytest.fixture(scope="module")
def referee(torch):
    """PyTorch, saying ``gradcore.float64`` for ``torch.float64`` before it breaks lines: that is longer."""
    import torch._tensor_str

    add_suffixes = torch._tensor_str._add_suffixes

    def renamed(text: str, suffixes: list[str], *args: Any, **kwargs: Any) -> str:
        return add_suffixes(text, [s.replace("torch.", "gradcore.") for s in suffixes], *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch._tensor_str, "_add_suffixes", renamed)
        yield torch
    torch.set_printoptions(profile="default")


@contextlib.contextmanager
def both_print_with(torch: Any, options: dict[str, Any]):
    torch.set_printoptions(profile="default")
    torch.set_printoptions(**options)
    with printoptions(**options):
        yield


class TestAgainstTorch:
    @pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case.text)
    def test_golden_texts_are_what_torch_prints(self, referee, case: Case):
        with both_print_with(referee, case.options):
            assert repr(referee.from_numpy(case.data)) == case.text

    @given(data=arrays(), options=OPTIONS, default=st.sampled_from(["float32", "float64", "float16"]))
    @settings(max_examples=300, derandomize=True, deadline=None)
    def test_data_and_dtype(self, referee, data: np.ndarray, options: dict[str, Any], default: str):
        referee.set_default_dtype(getattr(referee, default))
        try:
            with both_print_with(referee, options):
                expected = repr(referee.from_numpy(data))
                assert describe(data, default_dtype=np.dtype(default)) == expected
        finally:
            referee.set_default_dtype(referee.float32)

    @given(
        values=st.lists(NUMBERS, max_size=12),
        options=OPTIONS,
        kind=st.sampled_from(["leaf", "computed", "dual", "subclass"]),
    )
    @settings(max_examples=300, derandomize=True, deadline=None)
    # From PyTorch's own code, when it loads its forward mode.
    @pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
    def test_suffixes(self, referee, values: list[float], options: dict[str, Any], kind: str):
        forward_ad = referee.autograd.forward_ad
        data = np.array(values, dtype=np.float64)
        tensor = referee.from_numpy(data)
        with forward_ad.dual_level(), both_print_with(referee, options):
            facts: dict[str, Any]
            if kind == "dual":
                facts = {"tangent": str(tensor)}
                tensor = forward_ad.make_dual(tensor, tensor.clone())
            elif kind == "subclass":
                named = type("ATensorWithAPrettyLongName", (referee.Tensor,), {})
                facts = {"prefix": "ATensorWithAPrettyLongName(", "requires_grad": True}
                tensor = tensor.as_subclass(named).requires_grad_()
            else:
                facts = {"requires_grad": True}
                tensor.requires_grad_()
            if kind == "computed":
                facts["grad_fn_name"] = "ViewBackward0"
                tensor = tensor.view(-1)
            assert describe(data, **facts) == repr(tensor)

    @given(options=st.lists(OPTIONS, max_size=4))
    @settings(max_examples=100, derandomize=True, deadline=None)
    def test_options(self, referee, options: list[dict[str, Any]]):
        for change in [{"profile": "default"}, *options]:
            referee.set_printoptions(**change)
            set_printoptions(**change)
        assert get_printoptions() == referee._tensor_str.get_printoptions()
