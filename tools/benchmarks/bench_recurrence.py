"""The manual recurrence and Gluon's fused kernels, and a whole run and its engines, over the grid.

Targets: manual / gluon.fused at most 0.7 in the median and 0.95 in every row; a run without audit / its engines 1.2.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from rnnviz.core.config import Config
from rnnviz.execution.events import RunRequest
from rnnviz.execution.pipeline import compute
from rnnviz.execution.worker import disable_malloc_trim
from rnnviz.io.inputs import load_inputs
from tools.benchmarks.grid import grid
from tools.benchmarks.rows import Row, Table

RECURRENCE, RECURRENCE_MEDIAN, WHOLE_RUN = 0.95, 0.7, 1.2
_QUICK, _ROUNDS, _SHORT_ROUNDS, _SHORT_SECONDS = 2, 5, 25, 0.2


@dataclass(frozen=True)
class Ratios:
    """One row of the grid: the manual recurrence / Gluon's fused layer, and a whole run without audit / its engines."""

    recurrence: float
    whole_run: float


def ratios(config: Config, folder: Path, rounds: int | None = None) -> Ratios:
    """The medians of some rounds in new folders below `folder`, more of them where a round is short.

    The first round, which warms up, does not count. The caller has called `disable_malloc_trim` as the child does.
    """
    taken: list[Ratios] = []
    seconds = _round(config, folder)[1]
    for _ in range(rounds or (_SHORT_ROUNDS if seconds < _SHORT_SECONDS else _ROUNDS)):
        taken.append(_round(config, folder)[0])
    return Ratios(median(r.recurrence for r in taken), median(r.whole_run for r in taken))


def _round(config: Config, folder: Path) -> tuple[Ratios, float]:
    """The ratios of one run and its seconds."""
    began = perf_counter()
    seconds = compute(RunRequest(config, load_inputs, "off"), folder / "run", lambda stage, done: None).seconds
    took = perf_counter() - began
    shutil.rmtree(folder / "run")
    return Ratios(seconds["manual"] / seconds["gluon.fused"], took / sum(seconds.values())), took


def rows(measured: dict[str, Ratios]) -> list[Row]:
    """The figures that have targets."""
    slowest = max(measured, key=lambda name: measured[name].recurrence)
    dearest = max(measured, key=lambda name: measured[name].whole_run)
    middle = median(r.recurrence for r in measured.values())
    return [
        Row("recurrence", "manual / gluon.fused, median of the grid", middle, target=RECURRENCE_MEDIAN),
        Row(
            "recurrence",
            "manual / gluon.fused, worst of the grid",
            measured[slowest].recurrence,
            target=RECURRENCE,
            note=slowest,
        ),
        Row(
            "run",
            "whole run without audit / its engines, worst of the grid",
            measured[dearest].whole_run,
            target=WHOLE_RUN,
            note=dearest,
        ),
    ]


def bench_recurrence(table: Table, quick: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints a line for each row of the grid."""
    disable_malloc_trim()
    configs = dict(list(grid().items())[:3]) if quick else grid()
    measured = {}
    for name, config in configs.items():
        measured[name] = ratios(config, tmp_path, _QUICK if quick else None)
        with capsys.disabled():
            print(
                f"\n{name:38} manual / fused {measured[name].recurrence:5.2f}   "
                f"whole run / engines {measured[name].whole_run:5.2f}",
                end="",
            )
    table.add(*rows(measured))
    table.details["recurrence"] = {name: vars(r) for name, r in measured.items()}
