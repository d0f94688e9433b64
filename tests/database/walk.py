# ruff: noqa: T201
"""Compare operators of PyTorch's own database with PyTorch, on the database's samples::

    PYTHONPATH=tests python tests/database/walk.py linalg.det nn.functional.conv2d
    PYTHONPATH=tests python tests/database/walk.py --all

For each entry: values and dtypes, gradients for random cotangents, gradients of gradients, forward mode, names of graph
nodes, in-place twins, batches, other dtypes, errors for invalid arguments.
"""

from __future__ import annotations

import argparse

import torch
from database.calls import name_of
from database.compare import COLUMNS, EVERY, LIMIT, walk


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="names of operators, or full names of entries")
    parser.add_argument("--all", action="store_true", help="every entry")
    parser.add_argument("--samples", type=int, default=LIMIT, help="at most so many samples of each")
    parser.add_argument("--dtype", default="float64", help="of the samples")
    parser.add_argument("--brief", action="store_true", help="no remarks")
    given = parser.parse_args()
    torch.set_num_threads(1)
    known = {o.name for o in EVERY} | {name_of(o) for o in EVERY}
    for name in given.names:
        if name not in known:
            print(f"{name}: not among the differentiable entries of the database")
    for info in EVERY:
        if given.all or info.name in given.names or name_of(info) in given.names:
            report = walk(
                info,
                limit=given.samples,
                dtype=getattr(torch, given.dtype),
                others=given.dtype == "float64",
                errors=given.dtype == "float64",
            )
            print(report, flush=True)
            if not given.brief:
                for column in COLUMNS:
                    for remark in report.remarks[column][:3]:
                        print(f"    {column}: {remark}")


if __name__ == "__main__":
    main()
