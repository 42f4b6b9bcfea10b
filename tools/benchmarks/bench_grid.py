"""Engines, whole runs and audits over the grid of cells and sizes.

Targets: the manual recurrence / Gluon's fused kernels at most 0.7 in the median and 0.95 in every row, of both passes
1.0 and 1.5; a run without audit / its engines 1.2; the step audit / the engines that it audits 1.5. The manual
recurrence returns the gradients of every step and gate, the fused stack the gradients of the input, the initial states
and the parameters.
"""

import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from rnnviz.core.config import Backward, Config
from rnnviz.core.inputs import open_inputs
from rnnviz.core.trace import create_trace
from rnnviz.engines import gluon
from rnnviz.engines.manual import ManualEngine
from rnnviz.execution.events import RunRequest, open_traces
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.execution.worker import disable_malloc_trim
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.audit import audit
from tests.configs import config_of
from tools.benchmarks.table import Row, Table

GRID = Path(__file__).with_name("grid.toml")


def grid() -> dict[str, Config]:
    table = tomllib.loads(GRID.read_text(encoding="utf-8"))
    configs = {}
    for size in table["sizes"]:
        for cell in table["cells"]:
            config = config_of(cell=cell, dtype=table["dtype"], initial_state={"source": "normal"}, **size)
            network, sequence = config.network, config.sequence
            sizes = f"N{sequence.batch_size} T{sequence.timesteps} H{network.hidden_size} L{network.num_layers}"
            configs[f"{cell} {sizes} D{network.directions}"] = config
    return configs


_QUICK, _ROUNDS, _SHORT_ROUNDS, _SHORT_SECONDS = 2, 5, 25, 0.2
_AUDIT_ROUNDS = 2

Figures = dict[str, float]
"""Ratios of one round by name."""


def recurrence(config: Config, folder: Path) -> Figures:
    """The manual recurrence / the fused layer, and a whole run without audit / its engines."""
    began = perf_counter()
    seconds = compute(RunRequest(config, load_inputs, "off"), folder, lambda *_: None).seconds
    took = perf_counter() - began
    return {"manual / gluon.fused": seconds["manual"] / seconds["gluon.fused"], "run": took / sum(seconds.values())}


def both_passes(config: Config, folder: Path) -> Figures:
    """Both passes of the manual recurrence / both passes of the fused stack."""
    inputs, engine = load_inputs(replace(config, backward=Backward(enabled=True, loss="normal"))), ManualEngine()
    names = *inputs.network.kind.state_symbols, *engine.gradients(inputs.network)
    trace = create_trace(folder, "manual", inputs.network, inputs.places, names)
    began = perf_counter()
    engine.run(inputs, trace, lambda done: None)
    engine.run_backward(inputs, trace, lambda done: None)
    took = perf_counter() - began
    fused, *_ = gluon._run_stack(inputs)
    fused += gluon._stack_gradients(inputs, trace).seconds["gluon.fused.backward"]
    return {"manual / gluon.fused": took / fused}


def audits(config: Config, folder: Path) -> Figures:
    """The audits / the engines without Gluon's fused stack, and with them the whole judgment, in seconds."""
    request = RunRequest(config, load_inputs)
    outcome = compute(request, folder, lambda *_: None)
    inputs, traces = open_inputs(folder / "inputs"), open_traces(folder)
    began = perf_counter()
    found = [audit(inputs, trace, outcome.comparisons) for trace in traces.values()]
    audited = perf_counter()
    judge_computed(request, folder, outcome, lambda *_: None)
    engines = sum(outcome.seconds[name] for name in traces)
    coverage = min(one.coverage for one in found)
    return {"audit / engines": (audited - began) / engines, "judgment": perf_counter() - audited, "coverage": coverage}


@pytest.mark.parametrize(
    ("group", "measure", "rounds", "targets"),
    [
        ("recurrence", recurrence, _ROUNDS, {"manual / gluon.fused": (0.7, 0.95), "run": (None, 1.2)}),
        ("backward", both_passes, _ROUNDS, {"manual / gluon.fused": (1.0, 1.5)}),
        ("audit", audits, _AUDIT_ROUNDS, {"audit / engines": (None, 1.5)}),
    ],
)
def bench_grid(
    group: str,
    measure: Callable[[Config, Path], Figures],
    rounds: int,
    targets: dict[str, tuple[float | None, float]],
    table: Table,
    quick: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Prints a line for each row of the grid: the medians of some rounds in new folders, after one that warms up."""
    # As the process does that runs engines and audits.
    disable_malloc_trim()
    configs = dict(list(grid().items())[:3]) if quick else grid()
    measured = {
        name: _medians(config, measure, _QUICK if quick else rounds, tmp_path) for name, config in configs.items()
    }
    for name, figures in measured.items():
        said = "   ".join(f"{what} {value:.2f}" for what, value in figures.items())
        with capsys.disabled():
            print(f"\n{group:12}{name:38} {said}", end="")
    for what, (middle, most) in targets.items():
        values = {name: found[what] for name, found in measured.items()}
        worst = max(values, key=values.__getitem__)
        table.add(
            Row(group, f"{what}, median of the grid", median(values.values()), target=middle),
            Row(group, f"{what}, worst of the grid", values[worst], target=most, note=worst),
        )
    table.details[group] = measured


def _medians(config: Config, measure: Callable[[Config, Path], Figures], rounds: int, folder: Path) -> Figures:

    def measured() -> Figures:
        figures = measure(config, folder / "run")
        shutil.rmtree(folder / "run")
        return figures

    began = perf_counter()
    first = measured()
    short = rounds == _ROUNDS and perf_counter() - began < _SHORT_SECONDS
    taken = [measured() for _ in range(_SHORT_ROUNDS if short else rounds)]
    return {what: median(figures[what] for figures in taken) for what in first}
