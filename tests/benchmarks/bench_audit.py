"""What the step audit costs beside the engines that it audits, over the grid: the target is twice their time."""

from pathlib import Path
from time import perf_counter

import pytest

from rnnviz.analysis.audit import audit
from rnnviz.files.inputs import load_inputs
from rnnviz.model.config import Config
from rnnviz.model.stored_inputs import open_inputs
from rnnviz.runs.allocation import keep_freed_memory
from rnnviz.runs.pipeline import compute, judge_computed, open_traces
from rnnviz.runs.request import RunRequest
from tests.benchmarks.grid import grid

ROUNDS = 3


@pytest.mark.parametrize("name", grid())
def bench_audit(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the seconds of the engines (without Gluon's fused stack), of their audits and of the whole judgement."""
    engines, audits, judgement, coverage = measured(grid()[name], tmp_path)
    with capsys.disabled():
        print(
            f"\n{name:38} engines {engines:7.3f} s   audit {audits:7.3f} s = {audits / engines:5.2f} x"
            f"   coverage {coverage:4.0%}   with diagnosis and sensitivity {judgement:7.3f} s",
            end="",
        )


def measured(config: Config, folder: Path) -> tuple[float, float, float, float]:
    """The best of some rounds; the first one, which warms up, does not count."""
    # As the process does that runs engines and audits.
    keep_freed_memory()
    engines, audits, judgements, coverage = [], [], [], 1.0
    for turn in range(ROUNDS + 1):
        request = RunRequest(turn, config, load_inputs)
        place = folder / str(turn)
        outcome = compute(request, place, lambda stage, done: None)
        inputs, traces = open_inputs(place / "inputs"), open_traces(config, place)
        began = perf_counter()
        found = [audit(inputs, trace, outcome.comparisons) for trace in traces.values()]
        audited = perf_counter()
        judge_computed(request, place, outcome, lambda stage, done: None)
        judged = perf_counter()
        if turn:
            engines.append(sum(outcome.seconds[name] for name in traces))
            audits.append(audited - began)
            judgements.append(judged - audited)
        coverage = min(audit.coverage for audit in found)
    return min(engines), min(audits), min(judgements), coverage
