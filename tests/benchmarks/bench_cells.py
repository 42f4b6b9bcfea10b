"""The cells' compiled programs beside the manual engine's own steps and Gluon's fused kernels.

Targets: program / manual at most 1.05 in every row; program / gluon.fused at most 0.7 in the median and 0.95 in each.
The batches of 2 to 8, which the grid may lack, are measured as well. Each round runs all of them one after the other,
in an order that changes, so that none of them always finds the caches as the same other one left them. The figures are
medians of the rounds' ratios.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np
import pytest

from rnnviz.cells import CELLS
from rnnviz.cells.numpy_program import NumpyProgram
from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.engines import gluon, manual
from rnnviz.engines.base import Progress
from rnnviz.engines.blas_threads import threads_for
from rnnviz.engines.layers import LayerTask, RunLayer, run_stack
from rnnviz.execution.malloc_tuning import disable_malloc_trim
from rnnviz.io.inputs import load_inputs
from tests.benchmarks.grid import grid
from tests.benchmarks.rows import Row, Table
from tests.oracles.computed import empty_trace

NO_SLOWER, FUSED_MEDIAN, FUSED = 1.05, 0.7, 0.95
_SMALL_BATCHES = ((2, 200, 64, 256), (2, 100, 64, 512), (3, 100, 64, 512), (4, 100, 64, 300), (8, 100, 64, 512))
_QUICK_ROUNDS, _LEAST_ROUNDS, _MOST_ROUNDS, _SECONDS = 2, 6, 300, 2.0


@dataclass(frozen=True)
class Ratios:
    """One row of the grid: the compiled program / the manual engine's step, and / Gluon's fused layer."""

    manual: float
    fused: float


def program_layer(task: LayerTask, progress: Progress) -> tuple[np.ndarray, np.ndarray | None]:
    """One layer in one direction by the cell's program; see `engines.layers.RunLayer`."""
    state = {"h": task.h0} if task.c0 is None else {"h": task.h0, "c": task.c0}
    out = {"h": task.hidden} if task.cells is None else {"h": task.hidden, "c": task.cells}
    with threads_for(len(task.h0) * task.parameters.h2h_weight.size):
        program = NumpyProgram(CELLS[task.cell], vars(task.parameters), len(task.h0))
        final = program.run(task.x, state, out, backward=task.backward, progress=progress)
    return final["h"], final.get("c")


def seconds_of(run_layer: RunLayer, inputs: Inputs) -> float:
    """The time of a network whose layers are run in this way, from parameters to a trace in memory."""
    trace = empty_trace(inputs, cell=True)
    with np.errstate(all="ignore"):
        began = perf_counter()
        run_stack(inputs, trace, run_layer, lambda done: None)
        return perf_counter() - began


def fused_seconds(inputs: Inputs) -> float:
    """What the real fused stack takes."""
    return gluon._run_stack(inputs)[0]


def ratios(config: Config, rounds: int | None = None) -> Ratios:
    """The medians of some rounds; the first one, which warms up, does not count."""
    inputs = load_inputs(config)
    sides: Mapping[str, Callable[[], float]] = {
        "program": lambda: seconds_of(program_layer, inputs),
        "manual": lambda: seconds_of(manual.run_layer, inputs),
        "fused": lambda: fused_seconds(inputs),
    }
    began = perf_counter()
    for run in sides.values():
        run()
    once = perf_counter() - began
    count = rounds or min(_MOST_ROUNDS, max(_LEAST_ROUNDS, int(_SECONDS / once)))
    taken = []
    for number in range(count):
        order = list(sides)[number % 3 :] + list(sides)[: number % 3]
        taken.append({name: sides[name]() for name in order})
    return Ratios(*(median(t["program"] / t[other] for t in taken) for other in ("manual", "fused")))


def configs() -> dict[str, Config]:
    """The grid, and small batches of one layer."""
    found = grid()
    for batch, timesteps, features, hidden in _SMALL_BATCHES:
        for cell in ("rnn_tanh", "lstm", "gru"):
            tables = {
                "network": {"cell": cell, "input_size": features, "hidden_size": hidden},
                "sequence": {"batch_size": batch, "timesteps": timesteps},
                "initial_state": {"source": "normal"},
            }
            found.setdefault(f"{cell} N{batch} T{timesteps} H{hidden} L1 D1", Config.from_mapping(tables))
    return found


def bench_cells(table: Table, quick: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints a line for each row."""
    disable_malloc_trim()
    chosen = dict(list(configs().items())[:3]) if quick else configs()
    measured = {}
    for name, config in chosen.items():
        measured[name] = ratios(config, _QUICK_ROUNDS if quick else None)
        with capsys.disabled():
            print(f"\n{name:38} program / manual {measured[name].manual:5.2f}", end="")
            print(f"   program / fused {measured[name].fused:5.2f}", end="")
    slower = max(measured, key=lambda name: measured[name].manual)
    slowest = max(measured, key=lambda name: measured[name].fused)
    middle = median(r.fused for r in measured.values())
    table.add(
        Row("cells", "program / manual, worst", measured[slower].manual, target=NO_SLOWER, note=slower),
        Row("cells", "program / gluon.fused, median", middle, target=FUSED_MEDIAN),
        Row("cells", "program / gluon.fused, worst", measured[slowest].fused, target=FUSED, note=slowest),
    )
    table.details["cells"] = {name: vars(r) for name, r in measured.items()}
