# ruff: noqa: T201
"""The table of operators in ``docs/ops.md``: written from a walk over the database, read by the test that repeats it::

PYTHONPATH=tests python tests/database/table.py
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from database.known import EXCLUDED, REMARKS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ops.md"
HEADINGS = {
    "forward": "values",
    "gradient": "gradient",
    "second": "second order",
    "forward_mode": "forward mode",
    "node": "node",
    "saved": "memory",
    "inplace": "in place",
    "vmap": "vmap",
    "dtypes": "dtypes",
    "errors": "errors",
}
INTRODUCTION = """\
# The operators

PyTorch {version} has a database of its operators, with samples of their arguments, which its own tests use. It names {total} that
have a gradient in float64 on the CPU. Each row below is one of them: gradcore was called with the database's own samples, and what
came out was compared with PyTorch.

| column | what was compared |
|---|---|
| values | the results: numbers, shapes, dtypes, `requires_grad` |
| gradient | for random cotangents |
| second order | gradients of those gradients, with respect to operands and cotangents |
| forward mode | tangents of the results, for random tangents of the operands |
| node | the name of `grad_fn` |
| memory | that the node saves no more bytes for the backward than PyTorch's |
| in place | the twin with an underscore: value, node, gradient |
| vmap | the operator under `func.vmap` |
| dtypes | values and gradients in float32, complex128 and bfloat16, where PyTorch has them |
| errors | the class of the error for invalid arguments |

`=`: equal on all samples. `3 of 4`: on so many; the last column says why. `–`: PyTorch does not have it. Of an entry with more than {limit}
samples, {limit} are taken. Operators that draw random numbers are compared by the mean and spread of {draws} draws.

{summary}

This page is written by `PYTHONPATH=tests python tests/database/table.py`, and CI repeats every row (`tests/database/test_database.py`).
"""


def row(name, cells):
    """One line of the table."""
    remark = EXCLUDED.get(name) or REMARKS.get(name, "")
    return f"| `{name}` | " + " | ".join(cells) + f" | {remark} |"


def cells_of(report):
    """What stands in the columns for one entry."""
    return [report.cell(column) for column in HEADINGS]


def rows():
    """The rows of the page: the cells of each entry, by its name."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else ():
        if line.startswith("| `"):
            name, *cells = [part.strip() for part in line.strip("|").split("|")]
            found[name.strip("`")] = cells
    return found


def summary(table):
    """How many entries are equal in each column."""
    lines = ["| column | equal | of |", "|---|---|---|"]
    for place, heading in enumerate(HEADINGS.values()):
        cells = [cells[place] for cells in table.values()]
        lines.append(f"| {heading} | {cells.count('=')} | {sum(c != '–' for c in cells)} |")
    return "\n".join(lines)


def main():
    import torch
    from database.calls import name_of
    from database.compare import EVERY, LIMIT, walk
    from database.randomness import DRAWS

    torch.set_num_threads(1)
    kept = rows() if len(sys.argv) > 1 else {}
    table, families = {}, {}
    for nr, info in enumerate(EVERY):
        start = time.perf_counter()
        name = name_of(info)
        families.setdefault(family_of(info.name), []).append(name)
        if name in kept and not {name, info.name} & set(sys.argv[1:]):
            table[name] = kept[name][: len(HEADINGS)]
            continue
        table[name] = cells_of(walk(info))
        print(f"{nr + 1}/{len(EVERY)} {name} {time.perf_counter() - start:.1f} s", file=sys.stderr)
    parts = [
        INTRODUCTION.format(
            version=torch.__version__.partition("+")[0],
            total=len(EVERY),
            limit=LIMIT,
            draws=DRAWS,
            summary=summary(table),
        )
    ]
    heading = "| operator | " + " | ".join(HEADINGS.values()) + " | remarks |"
    for family, names in families.items():
        parts += [f"\n## {family}\n", heading, "|" + "---|" * (len(HEADINGS) + 2)]
        parts += [row(name, table[name]) for name in sorted(names)]
    PAGE.write_text("\n".join(parts) + "\n", encoding="utf-8")
    print(summary(table))


def family_of(name):
    """The module in which a user finds the operator."""
    return "gradcore" if "." not in name or name.startswith("ops.") else f"gradcore.{name.rpartition('.')[0]}"


if __name__ == "__main__":
    main()
