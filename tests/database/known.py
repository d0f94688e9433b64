"""What is known to be different: entries that say nothing about gradcore, and reasons for cells that are not equal."""

from __future__ import annotations

EXCLUDED = {
    "as_strided": "not comparable: the samples read what lies beside the tensor in its storage",
    "to_sparse": "not comparable: there are no sparse tensors",
    "sparse_sampled_addmm": "not comparable: there are no sparse tensors",
    "sparse_mm_reduce": "not comparable: there are no sparse tensors",
    "chalf": "not comparable: NumPy has no complex numbers of half precision",
}
"""Entries that are not compared, by their full name."""

REMARKS: dict[str, str] = {
    "as_strided_scatter": "PyTorch gives the first operand a gradient where it was replaced and none where it was kept; gradcore the reverse",
}
"""Why an entry is not equal in all columns, by its full name."""
