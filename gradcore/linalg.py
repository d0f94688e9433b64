"""Linear algebra, as ``torch.linalg``."""

from __future__ import annotations

from gradcore.errors import LinAlgError as LinAlgError
from gradcore.ops.linalg.triangular import solve_triangular as solve_triangular
