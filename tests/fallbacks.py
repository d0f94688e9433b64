"""Functions that the Array API standard lacks, as they are computed where the backend has none of its own."""

from __future__ import annotations

import numpy as np

import gradcore as gc
from gradcore import linalg, special  # noqa: F401 - imported on demand; they register fallbacks
from gradcore.ops import _extra, floating_point, integers  # noqa: F401


def fallback(name, *arguments):
    """The fallback for ``name`` on the device under test, of NumPy arrays and numbers; results as NumPy arrays."""
    xp = gc.get_default_device().xp
    given = [gc.tensor(a)._data if isinstance(a, np.ndarray) else a for a in arguments]
    with np.errstate(all="ignore"):
        made = _extra._GENERIC[name](xp, *given)
    if isinstance(made, tuple):
        return tuple(gc.as_tensor(m).numpy(force=True) for m in made)
    return gc.as_tensor(made).numpy(force=True)


def close_to(want, got, tolerance):
    """Whether results agree relatively, with infinities and NaN in the same places; of subnormal ones only the size."""
    assert got.dtype == want.dtype
    tiny = np.finfo(want.dtype).tiny
    usual = ~(np.abs(want) < tiny)
    np.testing.assert_allclose(got[usual], want[usual], rtol=tolerance)
    np.testing.assert_allclose(got[~usual], want[~usual], atol=tiny)
