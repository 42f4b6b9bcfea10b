"""The forward and backward pass of the manual recurrence, and those of Gluon's fused stack, over the grid.

Targets: manual / gluon.fused at most 1.0 in the median and 1.5 in every row. The manual recurrence gives the gradients
of every step and gate, the fused stack those of the input, the initial states and the parameters.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from rnnviz.core.config import Backward, Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import create_trace
from rnnviz.engines import gluon
from rnnviz.engines.manual import ManualEngine
from rnnviz.execution.worker import disable_malloc_trim
from rnnviz.io.inputs import load_inputs
from tools.benchmarks.grid import grid
from tools.benchmarks.rows import Row, Table

WORST, MEDIAN = 1.5, 1.0
_QUICK, _ROUNDS, _SHORT_ROUNDS, _SHORT_SECONDS = 2, 5, 25, 0.2


def ratio(config: Config, folder: Path, rounds: int | None = None) -> float:
    """The median of some rounds in new folders below `folder`, more of them where a round is short.

    The first round, which warms up, does not count. The caller has called `disable_malloc_trim` as the child does.
    """
    inputs = load_inputs(replace(config, backward=Backward(enabled=True, loss="normal")))
    seconds = sum(_round(inputs, folder))
    count = rounds or (_SHORT_ROUNDS if seconds < _SHORT_SECONDS else _ROUNDS)
    return median(manual / fused for manual, fused in (_round(inputs, folder) for _ in range(count)))


def _round(inputs: Inputs, folder: Path) -> tuple[float, float]:
    """The seconds of both passes of the manual recurrence, and of the fused stack."""
    engine = ManualEngine()
    names = "h", "c", *engine.gradients(inputs.network)
    trace = create_trace(folder / "run", "manual", inputs.network, inputs.places, names)
    began = perf_counter()
    engine.run(inputs, trace, lambda done: None)
    engine.run_backward(inputs, trace, lambda done: None)
    took = perf_counter() - began
    fused, *_ = gluon._run_stack(inputs)
    fused += gluon._stack_gradients(inputs, trace).seconds["gluon.fused.backward"]
    shutil.rmtree(folder / "run")
    return took, fused


def bench_backward(table: Table, quick: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints a line for each row of the grid."""
    disable_malloc_trim()
    configs = dict(list(grid().items())[:3]) if quick else grid()
    measured = {}
    for name, config in configs.items():
        measured[name] = ratio(config, tmp_path, _QUICK if quick else None)
        with capsys.disabled():
            print(f"\n{name:38} manual / fused, both passes {measured[name]:5.2f}", end="")
    slowest = max(measured, key=lambda name: measured[name])
    what = "manual / gluon.fused, forward and backward pass,"
    table.add(
        Row("backward", f"{what} median of the grid", median(measured.values()), target=MEDIAN),
        Row("backward", f"{what} worst of the grid", measured[slowest], target=WORST, note=slowest),
    )
    table.details["backward"] = measured
