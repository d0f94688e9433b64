"""What is known to be different: entries that say nothing about gradcore, and reasons for cells that are not equal."""

from __future__ import annotations

EXCLUDED = {
    "as_strided_partial_views": "not comparable: the samples read what lies before a view, of which they are made anew",
    "to_sparse": "not comparable: there are no sparse tensors",
    "sparse_sampled_addmm": "not comparable: there are no sparse tensors",
    "sparse_mm_reduce": "not comparable: there are no sparse tensors",
    "chalf": "not comparable: NumPy has no complex numbers of half precision",
}
"""Entries that are not compared, by their full name."""

_COORDINATES = "PyTorch computes the coordinates of bfloat16 in bfloat16, which moves them to other elements; here they are exact to float32"
_NORM_AT_ZERO = "at 0 and of nothing, PyTorch's second derivative is NaN; here it is 0, as the first"
_CHUNKED = "PyTorch records its own chunked function; here it is an operation of its own, whose second order is right where PyTorch's is cut off"
_ONE_LAYOUT = "`memory_format=channels_last` copies nothing here: there is one layout"
_BFLOAT16 = "PyTorch's bfloat16 rounds on the way; here it is computed in float32"

REMARKS: dict[str, str] = {
    "as_strided_scatter": "PyTorch gives the first operand a gradient where it was replaced and none where it was kept (its own gradcheck fails); here it is the reverse",
    "cholesky_inverse": "PyTorch's forward mode does not agree with finite differences; here it does",
    "double": _ONE_LAYOUT,
    "grid_sampler_2d": _COORDINATES,
    "grid_sampler_3d": _COORDINATES,
    "linalg_norm": _NORM_AT_ZERO,
    "linalg_norm_subgradients_at_zero": _NORM_AT_ZERO,
    "logcumsumexp": "PyTorch's forward mode is inexact in float32 and float64, and NaN for complex numbers; its bfloat16 loses gradients beside large elements",
    "masked_logaddexp": "where both operands are masked out, PyTorch's second derivative is NaN; here it is 0",
    "matrix_exp": "PyTorch overflows in bfloat16; here float32 is computed with",
    "mode": "of the places of equal elements PyTorch gives any; here it is the last",
    "msort": "PyTorch's order of many equal elements is open; here they keep their order",
    "native_group_norm": _BFLOAT16,
    "native_layer_norm": "of one element, the result is exactly 0 here; PyTorch gives the rounding, times 1 / sqrt(eps)",
    "nn_functional_grid_sample": _COORDINATES,
    "nn_functional_group_norm": _BFLOAT16,
    "nn_functional_linear_cross_entropy_chunked": _CHUNKED,
    "nn_functional_linear_cross_entropy_chunked_none": _CHUNKED,
    "nn_functional_normalize": "of gradients that are 0, PyTorch's bfloat16 leaves the rounding",
    "sort": "PyTorch's order of many equal elements is open without `stable=True`; here they keep their order",
    "svd_lowrank": "where `A - M` has a higher rank than `q`, the result depends on the random numbers drawn",
    "to": _ONE_LAYOUT,
    "topk": "of equal elements PyTorch takes any; here they are the first",
    "triangular_solve": "PyTorch's forward mode takes the tangents of the triangle that is not read (finite differences disagree with it)",
}
"""Why an entry is not equal in all columns, by its full name."""
