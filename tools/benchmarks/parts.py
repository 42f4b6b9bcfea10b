"""The parts of a run that need no window, each by itself, in the process that would run them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeAlias

from rnnviz.core.config import Config
from rnnviz.core.trace import open_trace
from rnnviz.engines.registry import load_engine
from rnnviz.execution.events import Finished, RunRequest
from rnnviz.execution.supervisor import Supervisor
from rnnviz.io.export.data import write_csv, write_npz
from rnnviz.io.inputs import load_inputs
from rnnviz.reading.level_of_detail import ComparedPyramids
from rnnviz.verify.audit import audit
from rnnviz.verify.compare import compare
from rnnviz.verify.result import RunResult
from tools.benchmarks.private_memory import malloc_trim, watched

_LEAST_SECONDS = 0.05
"""Quicker work is repeated for this time."""

_ROOM = 4 << 30


@dataclass(frozen=True)
class Case:
    """A run, and a folder for what is written of it."""

    folder: Path
    result: RunResult

    def run(self, engine: str) -> None:
        folder = self.result[engine].folder
        assert folder is not None, "a run lies on disk"
        trace = open_trace(folder, writable=True)
        load_engine(engine).run(self.result.inputs, trace, lambda done: None)

    def audit(self) -> None:
        candidate = self.result[self.result.comparisons[0].candidate]
        audit(self.result.inputs, candidate, self.result.comparisons, full=True)

    def compare(self) -> None:
        comparison = self.result.comparisons[0]
        compare(self.result.reference, self.result[comparison.candidate], comparison.rtol, comparison.atol)

    def coarsen(self) -> None:
        """Compare, and make the coarser copies on the way."""
        comparison = self.result.comparisons[0]
        one, other = self.result.reference, self.result[comparison.candidate]
        for copy in self.result.folder.rglob("*.level-*.npy"):
            copy.unlink()
        compare(one, other, comparison.rtol, comparison.atol, accumulators=[ComparedPyramids(one, other, first=True)])


Part: TypeAlias = Callable[[Case], object]

ENGINES: Mapping[str, Part] = {
    "gluon": lambda case: case.run("gluon"),
    "manual": lambda case: case.run("manual"),
    "audit": Case.audit,
}
"""The parts that compute; the audit uses the numbers of the engines."""

FILES: Mapping[str, Part] = {
    "compare": Case.compare,
    "CSV": lambda case: write_csv(case.result, case.folder / "values.csv"),
    "NPZ": lambda case: write_npz(case.result, case.folder / "values.npz"),
}
"""The parts that read every number."""

COPIES: Mapping[str, Part] = {"compare and coarser copies": Case.coarsen}
"""The parts that exist for long traces only."""


def costs_in_seconds(parts: str, configs: Sequence[Config], rounds: int) -> dict[str, list[float]]:
    """The median seconds of every part for every config.

    All configs are measured in turn, so that what disturbs them meets all alike; a first round, in which files are
    written for the first time, does not count.
    """
    found: dict[str, list[list[float]]] = {part: [[] for _ in configs] for part in _PARTS[parts]}
    with ExitStack() as stack:
        cases = [stack.enter_context(made_case(config)) for config in configs]
        for turn in range(rounds + 1):
            for place, case in enumerate(cases):
                for name, part in _PARTS[parts].items():
                    took = _seconds(part, case)
                    if turn:
                        found[name][place].append(took)
    return {part: [median(costs) for costs in columns] for part, columns in found.items()}


def costs_in_bytes(parts: str, configs: Sequence[Config]) -> dict[str, list[float]]:
    """The peak private memory of every part for every config, above what the process held before."""
    found: dict[str, list[float]] = {part: [] for part in _PARTS[parts]}
    for config in (configs[0], *configs):
        with made_case(config) as case:
            for name, part in _PARTS[parts].items():
                malloc_trim()
                with watched() as peak:
                    part(case)
                found[name].append(peak.above)
    # What the first use of a part takes for good is not the part's growth.
    return {part: costs[1:] for part, costs in found.items()}


_PARTS = {"engines": ENGINES, "files": FILES, "copies": COPIES}


@contextmanager
def made_case(config: Config) -> Iterator[Case]:
    with tempfile.TemporaryDirectory(prefix="rnnviz-parts-", dir=quick_folder()) as name:
        *_, last = _supervisor().events(RunRequest(config, load_inputs, "off"))
        assert isinstance(last, Finished), last
        yield Case(Path(name), last.result)


@cache
def _supervisor() -> Supervisor:
    """One process runs all cases, and ends with this one."""
    return Supervisor()


def quick_folder() -> Path:
    """A folder in memory if it has space, so that the speed of the disk is not measured."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free >= _ROOM:
        return memory
    return Path(tempfile.gettempdir())


def _seconds(part: Part, case: Case) -> float:
    took: list[float] = []
    while sum(took) < _LEAST_SECONDS:
        began = perf_counter()
        part(case)
        took.append(perf_counter() - began)
    return median(took)
