"""The parts of a run that need no window, each by itself, in the process that would run them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeAlias

import numpy as np

from rnnviz.core.config import Config
from rnnviz.core.inputs import save_inputs
from rnnviz.core.trace import Trace, create_trace, open_trace
from rnnviz.core.trace_index import Places
from rnnviz.engines.registry import load_engine
from rnnviz.io.export.data import write_csv, write_npz
from rnnviz.io.inputs import load_inputs
from rnnviz.reading.level_of_detail import ComparedPyramids
from rnnviz.verify.audit import audit
from rnnviz.verify.compare import compare, compare_all
from rnnviz.verify.result import RunResult
from tools.benchmarks.private_memory import malloc_trim, watched

_LEAST_SECONDS = 0.05
"""Quicker work is repeated for this time."""

_ROOM = 4 << 30


@dataclass(frozen=True)
class Case:
    """A run whose traces hold noise, of which the candidate's differs from the reference's by roundings."""

    folder: Path
    result: RunResult

    def run(self, engine: str) -> None:
        trace = open_trace(self.folder / engine, writable=True)
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
        for copy in self.folder.glob("*/*.level-*.npy"):
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
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="rnnviz-parts-", dir=quick_folder()) as name:
        folder = Path(name)
        inputs = save_inputs(folder / "inputs", load_inputs(config))
        traces: dict[str, Trace] = {}
        for engine in config.compare.engines:
            knows = load_engine(engine).provides_cell_state
            size = inputs.timesteps, inputs.batch_size
            trace = create_trace(
                folder / engine,
                engine,
                config.network,
                Places.of(config.network, *size),
                ("h", "c") if knows else ("h",),
            )
            for lane in trace.hidden.reshape(-1, *trace.shape[2:]):
                # The same noise for every engine, but for the last bits.
                noise = np.random.default_rng(1).standard_normal(lane.shape, lane.dtype.type)
                lane[:] = np.tanh(noise) + generator.standard_normal(1, lane.dtype.type) * 1e-7
            traces[engine] = open_trace(folder / engine)
        candidate = config.compare.candidates[0]
        comparison = compare_all(traces[config.compare.reference], traces[candidate], *config.tolerances)
        result = RunResult(
            request_id=0,
            inputs=inputs,
            traces=traces,
            comparisons=(comparison,),
            checks=(),
            seconds={},
            versions={},
            extents=dict.fromkeys((*traces, "input"), 1.0),
            folder=folder,
        )
        yield Case(folder, result)


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
