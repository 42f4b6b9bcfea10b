"""How time and memory of every part and of whole runs grow with T, N, H and L: a power law, fitted to medians.

Nothing may grow faster than T or N. With H a recurrence grows as H², for its weights are (G·H, H). Whole runs are made
as the window asks for them, in the process that holds the engines: one of 100 times as many time steps takes at most
105 times as long.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.execution.events import AuditMode, Failed, Finished, RunRequest
from rnnviz.execution.supervisor import Supervisor
from rnnviz.execution.worker import disable_malloc_trim
from rnnviz.io.inputs import load_inputs
from tests.configs import config_of
from tools.benchmarks.parts import costs_in_bytes, costs_in_seconds
from tools.benchmarks.private_memory import MEGABYTE, watched
from tools.benchmarks.table import Row, Table

_TIMES = 105.0
_SMALL = {"N": 1, "H": 16, "L": 1}


def geometric(first: int, last: int, points: int = 5) -> list[int]:
    """Sizes from first to last, each the same number of times the one before."""
    return [round(size) for size in np.geomspace(first, last, points)]


def fit(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """The exponent of a power law by least squares of the logarithms, and R²: the explained part of their variance."""
    x, y = np.log(sizes), np.log(costs)
    exponent, constant = np.polyfit(x, y, 1)
    scatter, rest = ((y - y.mean()) ** 2).sum(), ((y - constant - exponent * x) ** 2).sum()
    return float(exponent), float(1.0 - rest / scatter) if scatter > 0.0 else 1.0


ROUNDS = 3
STEEPEST = 1.05

_AXES: dict[tuple[str, str], tuple[dict[str, int], list[int]]] = {
    ("engines", "T"): ({"N": 4, "H": 64, "L": 1}, geometric(1000, 16_000)),
    ("engines", "N"): ({"T": 200, "H": 64, "L": 1}, geometric(16, 256)),
    ("engines", "H"): ({"T": 200, "N": 4, "L": 1}, geometric(64, 1024)),
    ("engines", "L"): ({"T": 500, "N": 4, "H": 64}, geometric(1, 16)),
    ("copies", "T"): ({"N": 1, "H": 256, "L": 1}, geometric(17_000, 136_000)),
    ("files", "T"): ({"N": 4, "H": 64, "L": 1}, geometric(1000, 16_000)),
    ("files", "N"): ({"T": 1000, "H": 64, "L": 1}, geometric(4, 64)),
    ("files", "H"): ({"T": 1000, "N": 4, "L": 1}, geometric(64, 1024)),
    ("files", "L"): ({"T": 1000, "N": 4, "H": 64}, geometric(1, 16)),
}
"""By the parts and the size that grows: the sizes that stay, and those that are taken in turn."""


@pytest.fixture(scope="module")
def timing() -> Iterator[ProcessPoolExecutor]:
    """A process that frees memory as that of the engines does."""
    with ProcessPoolExecutor(1, get_context("spawn"), disable_malloc_trim) as process:
        yield process


@pytest.fixture(scope="module")
def weighing() -> Iterator[ProcessPoolExecutor]:
    """One that returns freed memory, so that each part's own memory is seen."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        yield process


@pytest.mark.parametrize(("parts", "axis"), _AXES)
def bench_growth_of_time(parts: str, axis: str, timing: ProcessPoolExecutor, table: Table, quick: bool) -> None:
    sizes, configs = _sizes(parts, axis, quick)
    rounds = ROUNDS if axis in "TN" and not quick else 1
    add_growth(table, "time", axis, sizes, timing.submit(costs_in_seconds, parts, configs, rounds).result())


@pytest.mark.parametrize(("parts", "axis"), _AXES)
def bench_growth_of_memory(parts: str, axis: str, weighing: ProcessPoolExecutor, table: Table, quick: bool) -> None:
    """Peak private memory of every part; less than a megabyte is the allocator's, and says nothing about the work."""
    sizes, configs = _sizes(parts, axis, quick)
    found = weighing.submit(costs_in_bytes, parts, configs).result()
    costs = {part: [max(cost, MEGABYTE) for cost in column] for part, column in found.items()}
    add_growth(table, "memory", axis, sizes, costs)


def _sizes(parts: str, axis: str, quick: bool) -> tuple[list[int], list[Config]]:
    base, sizes = _AXES[parts, axis]
    sizes = sizes[:3] if quick else sizes
    return sizes, [_config({**base, axis: size}) for size in sizes]


def _config(sizes: Mapping[str, int]) -> Config:
    """An LSTM of the sizes T, N, H and L, with nothing that is zero."""
    keys = {"hidden_size": "H", "num_layers": "L", "timesteps": "T", "batch_size": "N"}
    given = {key: sizes[size] for key, size in keys.items()}
    return config_of(input_size=16, initial_state={"source": "normal"}, **given)


def add_growth(table: Table, kind: str, axis: str, sizes: Sequence[int], costs: Mapping[str, Sequence[float]]) -> None:
    """A row for every part; only T and N have a target. The file has the fitted data, in seconds or bytes."""
    details: list[dict[str, Any]] = table.details.setdefault("growth", [])
    for part, column in costs.items():
        exponent, r_squared = fit(sizes, column)
        shown = f"R² {r_squared:.3f}, {axis} {sizes[0]:,} to {sizes[-1]:,}"
        target = STEEPEST if axis in "TN" else None
        table.add(Row("growth", f"{kind} of {part}, exponent of {axis}", exponent, "", target, note=shown))
        about = {"part": part, "kind": kind, "axis": axis, "r_squared": r_squared}
        details.append({**about, "sizes": sizes, "costs": column})


class TimedSupervisor(Supervisor):
    def seconds(self, config: Config, audit: AuditMode) -> float:
        """How long a run takes, from the request to its result, which is dropped."""
        began = perf_counter()
        for event in self.events(RunRequest(config, load_inputs, audit)):
            match event:
                case Finished():
                    return perf_counter() - began
                case Failed(_, _, sentence):
                    raise AssertionError(sentence)
        raise AssertionError("The run was stopped.")


@pytest.fixture
def supervisor() -> Iterator[TimedSupervisor]:
    """Separate warm engines, so that no earlier run has left them memory to use again."""
    supervisor = TimedSupervisor()
    supervisor.start()
    supervisor.seconds(_config({**_SMALL, "T": 100}), "full")
    yield supervisor
    supervisor.close()


@pytest.mark.parametrize(
    ("audit", "timesteps", "rounds", "words"),
    [("full", 1000, 3, "with a full audit"), ("off", 10_000, 1, "without audit")],
)
def bench_a_hundred_times_the_timesteps(
    supervisor: TimedSupervisor, table: Table, quick: bool, audit: AuditMode, timesteps: int, rounds: int, words: str
) -> None:
    """Seconds of the long run over seconds of the short one, of which there are more, as it is sooner disturbed."""
    if quick:
        timesteps, rounds = timesteps // 10, 1
    short, long = (_config({**_SMALL, "T": count}) for count in (timesteps, 100 * timesteps))
    brief, lengthy = [], []
    for _ in range(rounds):
        brief += [supervisor.seconds(short, audit) for _ in range(5)]
        lengthy.append(supervisor.seconds(long, audit))
    ratio = median(lengthy) / median(brief)
    what = f"whole run {words}, T = {100 * timesteps:,} / T = {timesteps:,}"
    table.add(Row("growth", what, ratio, "x", _TIMES, note=f"{median(lengthy):.1f} s / {median(brief):.3f} s"))


def bench_memory_of_the_engines_process(supervisor: TimedSupervisor, table: Table, quick: bool) -> None:
    """Peak private memory of the child during whole runs, above what it holds when it is idle, as T grows."""
    sizes = geometric(10_000, 40_000, 3) if quick else geometric(10_000, 160_000)
    costs = []
    for size in sizes:
        with watched(supervisor.pid) as peak:
            supervisor.seconds(_config({**_SMALL, "T": size, "H": 64}), "auto")
        costs.append(max(peak.above, MEGABYTE))
    add_growth(table, "memory", "T", sizes, {"whole run": costs})
