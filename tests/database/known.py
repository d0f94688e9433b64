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

REMARKS: dict[str, str] = {
    "cholesky_inverse": "PyTorch's forward mode does not agree with finite differences; here it does",
    "svd_lowrank": "where `A - M` has a higher rank than `q`, the result depends on the random numbers drawn",
    "grid_sampler_2d": "PyTorch computes the coordinates of bfloat16 in bfloat16, which moves them to other elements; here they are exact to float32",
    "grid_sampler_3d": "PyTorch computes the coordinates of bfloat16 in bfloat16, which moves them to other elements; here they are exact to float32",
    "nn_functional_grid_sample": "PyTorch computes the coordinates of bfloat16 in bfloat16, which moves them to other elements; here they are exact to float32",
    "as_strided_scatter": "PyTorch gives the first operand a gradient where it was replaced and none where it was kept; gradcore the reverse",
    "logcumsumexp": "PyTorch's forward mode is inexact in float32 and float64, and NaN for complex numbers; its bfloat16 loses gradients beside large elements",
    "masked_logaddexp": "where both operands are masked out, PyTorch's second derivative is NaN; here it is 0",
    "mode": "of the places of equal elements PyTorch gives any; here it is the last",
    "topk": "of equal elements PyTorch takes any; here they are the first",
    "sort": "PyTorch's order of many equal elements is open without `stable=True`; here they keep their order",
    "msort": "PyTorch's order of many equal elements is open; here they keep their order",
    "nn_functional_normalize": "of gradients that are 0, PyTorch's bfloat16 leaves the rounding",
}
"""Why an entry is not equal in all columns, by its full name."""
