"""Whole runs, as the window asks for them, in the process that holds the engines: how they grow with T.

The target: a run of 100 times as many time steps takes at most 105 times as long.
"""

from collections.abc import Iterator
from statistics import median
from time import perf_counter

import pytest

from rnnviz.core.config import Config
from rnnviz.execution.events import AuditMode, Failed, Finished, RunRequest
from rnnviz.execution.supervisor import Supervisor
from rnnviz.io.inputs import load_inputs
from tools.benchmarks.growth import fit, geometric
from tools.benchmarks.private_memory import MEGABYTE, watched
from tools.benchmarks.rows import Row, Table

_TIMES = 105.0
_STEEPEST = 1.05


class WatchedSupervisor(Supervisor):
    """Reports which process computes."""

    @property
    def pid(self) -> int:
        """The child's."""
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

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
def supervisor() -> Iterator[WatchedSupervisor]:
    """Separate warm engines, so that no earlier run has left them memory to use again."""
    supervisor = WatchedSupervisor()
    supervisor.start()
    supervisor.seconds(_config(100, 16), "full")
    yield supervisor
    supervisor.close()


def _config(timesteps: int, units: int) -> Config:
    network = {"cell": "lstm", "input_size": 16, "hidden_size": units}
    return Config.from_mapping({"network": network, "sequence": {"timesteps": timesteps, "batch_size": 1}})


@pytest.mark.parametrize(
    ("audit", "timesteps", "rounds", "words"),
    [("full", 1000, 3, "with a full audit"), ("off", 10_000, 1, "without audit")],
)
def bench_a_hundred_times_the_timesteps(
    supervisor: WatchedSupervisor,
    table: Table,
    quick: bool,
    audit: AuditMode,
    timesteps: int,
    rounds: int,
    words: str,
) -> None:
    """Seconds of the long run over those of the short one, of which there are more, as it is sooner disturbed."""
    if quick:
        timesteps, rounds = timesteps // 10, 1
    short, long = _config(timesteps, 16), _config(100 * timesteps, 16)
    brief, lengthy = [], []
    for _ in range(rounds):
        brief += [supervisor.seconds(short, audit) for _ in range(5)]
        lengthy.append(supervisor.seconds(long, audit))
    ratio = median(lengthy) / median(brief)
    what = f"whole run {words}, T = {100 * timesteps:,} / T = {timesteps:,}"
    table.add(Row("growth", what, ratio, "x", _TIMES, note=f"{median(lengthy):.1f} s / {median(brief):.3f} s"))


def bench_memory_of_the_engines_process(supervisor: WatchedSupervisor, table: Table, quick: bool) -> None:
    """Peak private memory of the child during whole runs, above what it holds when it is idle, as T grows."""
    sizes = geometric(10_000, 40_000, 3) if quick else geometric(10_000, 160_000)
    costs = []
    for size in sizes:
        with watched(supervisor.pid) as peak:
            supervisor.seconds(_config(size, 64), "auto")
        costs.append(max(peak.above, MEGABYTE))
    growth = fit(sizes, costs)
    shown = f"R² {growth.r_squared:.3f}, up to {costs[-1] / MEGABYTE:.0f} MB at T = {sizes[-1]:,}, H = 64"
    table.add(Row("growth", "memory of whole run, exponent of T", growth.exponent, "", _STEEPEST, note=shown))
    table.details["memory of whole run"] = {"sizes": sizes, "costs": costs}
