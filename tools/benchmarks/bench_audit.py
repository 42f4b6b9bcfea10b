"""Time of the step audit relative to the engines that it audits, over the grid: the target is 1.5 times their time."""

import shutil
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from rnnviz.core.config import Config
from rnnviz.core.inputs import open_inputs
from rnnviz.execution.events import RunRequest, open_traces
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.execution.worker import disable_malloc_trim
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.audit import audit
from tools.benchmarks.grid import grid
from tools.benchmarks.rows import Row, Table

ROUNDS = 2
_TIMES = 1.5


def bench_audit(tmp_path: Path, table: Table, quick: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the seconds of the engines (without Gluon's fused stack), of their audits and of the whole judgment."""
    ratios: dict[str, float] = {}
    for name, config in list(grid().items())[: 3 if quick else None]:
        engines, audits, judgment, coverage = measured(config, tmp_path / name, 1 if quick else ROUNDS)
        ratios[name] = audits / engines
        with capsys.disabled():
            print(
                f"\n{name:38} engines {engines:7.3f} s   audit {audits:7.3f} s = {ratios[name]:5.2f} x"
                f"   coverage {coverage:4.0%}   with diagnosis and sensitivity {judgment:7.3f} s",
                end="",
            )
    worst = max(ratios, key=ratios.__getitem__)
    table.add(
        Row("audit", "audit / engines, median of the grid", median(ratios.values()), "x"),
        Row("audit", "audit / engines, worst of the grid", ratios[worst], "x", _TIMES, note=worst),
    )
    table.details["audit"] = ratios


def measured(config: Config, folder: Path, rounds: int) -> tuple[float, float, float, float]:
    """The medians of some rounds, of the judgment one; the first round, which warms up, does not count."""
    # As the process does that runs engines and audits.
    disable_malloc_trim()
    engines, audits, judgment, coverage = [], [], 0.0, 1.0
    folder.mkdir()
    for turn in range(rounds + 1):
        request = RunRequest(config, load_inputs)
        place = folder / str(turn)
        outcome = compute(request, place, lambda stage, done: None)
        inputs, traces = open_inputs(place / "inputs"), open_traces(place)
        began = perf_counter()
        found = [audit(inputs, trace, outcome.comparisons) for trace in traces.values()]
        audited = perf_counter()
        if turn:
            engines.append(sum(outcome.seconds[name] for name in traces))
            audits.append(audited - began)
        if turn == rounds:
            judge_computed(request, place, outcome, lambda stage, done: None)
            judgment = perf_counter() - audited
        coverage = min(audit.coverage for audit in found)
        shutil.rmtree(place)
    return median(engines), median(audits), judgment, coverage
