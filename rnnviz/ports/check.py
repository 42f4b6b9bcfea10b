"""A port that was run: whether it repeats its results and reads the weights, and its smallest failure."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from rnnviz.core.config import Config
from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import Inputs, Load
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import LINE, Trace, create_trace, open_trace, trace_in_memory, with_missing
from rnnviz.engines.port.command import SizesRefusedError
from rnnviz.engines.registry import load_engine
from rnnviz.frozen import dataclass
from rnnviz.io.outputs import write_text
from rnnviz.ports import files
from rnnviz.ports.shrink import Shrinker, failing_case
from rnnviz.ports.vectors import ladder


@dataclass(frozen=True)
class SmallestCase:
    """The smallest case in which a port is wrong: its sizes, the number of runs that it took, and its files."""

    sizes: dict[str, int]
    runs: int
    folder: str
    test: str | None


@dataclass(frozen=True)
class VectorResult:
    """A test vector that a program was run on: it passed, failed, or was skipped since the program lacks its sizes."""

    name: str
    failure: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class PortFacts:
    """A program that was run: seconds of a run, the arrays that it wrote, and whether two runs of the same input give
    the same numbers, and other weights give others."""

    command: str
    seconds: float
    arrays: tuple[str, ...]
    deterministic: bool
    reads_weights: bool
    smallest: SmallestCase | None = None
    vectors: tuple[VectorResult, ...] = ()


def check_port(load: Load, config: Config, folder: str | None, vectors: bool = False) -> PortFacts:
    """Run the program of a config's only candidate, shrink a failure into files of `folder`, if there is one, and with
    `vectors` run the test vectors, too; to be called in a subprocess."""
    (name,) = config.compare.candidates or ("",)
    inputs = load(config)

    def run(inputs: Inputs) -> Trace:
        engine = load_engine(name)
        trace = trace_in_memory(name, inputs.network, inputs.places, engine.states(inputs.network))
        report = engine.run(inputs, trace, lambda _: None)
        return with_missing(trace, report.missing, report.precision, report.computed_in)

    with TemporaryDirectory(prefix="rnnviz-") as place:
        stored = create_trace(
            Path(place) / "trace", name, inputs.network, inputs.places, inputs.network.kind.state_symbols
        )
        began = perf_counter()
        report = load_engine(name).run(inputs, stored, lambda _: None)
        seconds = perf_counter() - began
        with_missing(stored, report.missing)
        arrays = tuple(n.removeprefix(LINE) for n in open_trace(Path(place) / "trace") if n not in report.missing)
    first = run(inputs)
    deterministic = _equal(first, run(inputs))
    reads_weights = not _equal(first, run(_with_other_weights(inputs)))
    ran = tuple(_on_vectors(config, name)) if vectors else ()
    facts = PortFacts(name.partition(":")[2], seconds, arrays, deterministic, reads_weights, vectors=ran)
    case = failing_case(inputs, first) if deterministic else None
    if folder is None or case is None:
        return facts
    shrinker = Shrinker(run, case, cut_weights=reads_weights)
    smallest = shrinker.shrink()
    target = Path(folder)
    files.write_case(smallest.inputs, smallest.trace, target / "smallest")
    test = None
    if set(smallest.inputs.network.kind.state_symbols) <= {"h", "c"}:
        test = target / "test_port.c"
        write_text(test, files.c_test(smallest.inputs))
        write_text(target / "rnnport.h", files.header())
    found = SmallestCase(smallest.sizes, shrinker.runs, str(target / "smallest"), None if test is None else str(test))
    return replace(facts, smallest=found)


def _on_vectors(config: Config, name: str) -> Iterator[VectorResult]:
    """Run the program on every case of its cell."""
    cases, _ = ladder(config)
    for case in cases:
        engine = load_engine(name)
        inputs = case.inputs
        trace = trace_in_memory(name, inputs.network, inputs.places, engine.states(inputs.network))
        try:
            report = engine.run(inputs, trace, lambda _: None)
        except SizesRefusedError as error:
            yield VectorResult(case.name, skipped=str(error))
            continue
        except EngineError as error:
            yield VectorResult(case.name, failure=str(error))
            continue
        failed = failing_case(inputs, with_missing(trace, report.missing, report.precision, report.computed_in))
        yield VectorResult(case.name, failure="" if failed is None else f"wrong, first at {failed.first}")


def _equal(one: Trace, other: Trace) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n], equal_nan=True) for n in one)


def _with_other_weights(inputs: Inputs) -> Inputs:
    changed = {name: -0.5 * array for name, array in inputs.parameters.items()}
    return replace(inputs, parameters=Parameters(inputs.network, changed))
