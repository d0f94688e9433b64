"""The list of the programs that are timed, and what is required of each."""

from __future__ import annotations

from benchmarks.lenet import lenet
from benchmarks.programs import Program, chain, mlp, seed
from benchmarks.rowwise import rowwise

__all__ = ["programs"]


def programs() -> list[Program]:
    """Every program that is compared."""
    small = {"required": 0.7, "goal": 0.5}
    large = {"required": 1.0, "goal": 1.0}
    return [
        Program("seed n=5", seed(5), **small),
        Program("seed n=1000", seed(1000), **small),
        Program("seed n=1e5", seed(100_000), **large),
        Program("seed n=1e6", seed(1_000_000), **large),
        Program("chain of 200", chain(200), **small),
        Program("mlp batch 32", mlp(32), **large),
        Program("mlp batch 256", mlp(256), **large),
        Program("lenet batch 64", lenet(64), required=3.0, goal=1.0),
        Program("softmax 4096x1024", rowwise("softmax"), **large),
        Program("cross_entropy 4096x1024", rowwise("cross_entropy"), **large),
        Program("layer_norm 4096x1024", rowwise("layer_norm"), **large),
        Program("gelu 4096x1024", rowwise("gelu"), **large),
    ]
