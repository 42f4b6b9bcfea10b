"""The textbook recurrence beside Gluon's fused kernels, and a whole run beside its engines, over the grid.

Targets: manual / gluon.fused at most 0.8 in the median and 1.0 in every row; a run without audit / its engines 1.25.
"""

import shutil
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from rnnviz.files.inputs import load_inputs
from rnnviz.runs.allocation import keep_freed_memory
from rnnviz.runs.pipeline import compute
from rnnviz.runs.request import RunRequest
from tests.benchmarks.grid import grid

ROUNDS = 5


@pytest.mark.parametrize("name", grid())
def bench_recurrence(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the medians of some rounds; the first one, which warms up, does not count."""
    keep_freed_memory()
    config = grid()[name]
    recurrence, whole = [], []
    for turn in range(ROUNDS + 1):
        folder = tmp_path / str(turn)
        began = perf_counter()
        seconds = compute(RunRequest(turn, config, load_inputs, "off"), folder, lambda stage, done: None).seconds
        took = perf_counter() - began
        shutil.rmtree(folder)
        if turn:
            recurrence.append(seconds["manual"] / seconds["gluon.fused"])
            whole.append(took / sum(seconds.values()))
    with capsys.disabled():
        print(
            f"\n{name:38} manual / fused {median(recurrence):5.2f}   whole run / engines {median(whole):5.2f}", end=""
        )
