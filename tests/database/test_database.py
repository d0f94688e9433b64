"""Every operator of PyTorch's own database that has a gradient: each row of ``docs/ops.md``, compared anew."""

from __future__ import annotations

import pytest
from database.known import EXCLUDED, REMARKS
from database.table import HEADINGS, cells_of, rows

ROWS = rows()


def test_the_page_lists_the_database(torch):
    from database.calls import name_of
    from database.compare import EVERY

    assert sorted(ROWS) == sorted(name_of(info) for info in EVERY)


@pytest.mark.parametrize("name", ROWS)
def test_row_says_what_is(torch, name):
    from database.calls import name_of
    from database.compare import EVERY, walk

    report = walk(next(info for info in EVERY if name_of(info) == name))
    remarks = "\n".join(f"{column}: {text}" for column, texts in report.remarks.items() for text in texts[:3])
    assert ROWS[name][: len(HEADINGS)] == cells_of(report), remarks


@pytest.mark.parametrize("name", ROWS)
def test_what_is_not_equal_has_a_reason(name):
    *cells, remark = ROWS[name]
    unequal = cells[0] == "–" or any(cell not in ("=", "–") for cell in cells)
    assert bool(remark) == unequal, "say why where something is not equal, and only there, in tests/database/known.py"
    assert remark == (EXCLUDED.get(name) or REMARKS.get(name, ""))
