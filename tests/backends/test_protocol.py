"""What backends offer beyond the standard, and what the protocol says of it."""

from __future__ import annotations

import pytest

from gradcore.backend import Namespace, OptionalFunctions
from gradcore_backends import _numpy_functions, _numpy_large, array_api_strict, cupy
from gradcore_backends._generic import EXTRA, STANDARD


def names(*places):
    return {name for place in places for name in dir(place) if not name.startswith("_")}


@pytest.mark.parametrize(
    "functions",
    [
        _numpy_functions.NumpyFunctions,
        _numpy_large.LargeNumpyFunctions,
        array_api_strict.StrictFunctions,
        cupy.CupyFunctions,
    ],
)
def test_the_protocol_describes_what_a_backend_offers(functions):
    described = names(Namespace, OptionalFunctions) | set(Namespace.__annotations__) | set(STANDARD)
    assert names(functions) | set(EXTRA) | set(_numpy_functions.LAPACK) <= described


def test_every_optional_function_is_offered_by_a_backend():
    offered = names(_numpy_large.LargeNumpyFunctions, cupy.CupyFunctions, array_api_strict.StrictFunctions)
    assert names(OptionalFunctions) <= offered | set(EXTRA) | set(_numpy_functions.LAPACK)
