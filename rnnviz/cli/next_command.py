"""The command that explains the first wrong value of a run: what to enter after the verdict."""

import os
import shlex
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from shutil import which

from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.core.gradients import GRADIENT, OF_INPUT, OF_PARAMETERS
from rnnviz.core.places import Place
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.explain.value_sources import unit_size, value_place
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict


def next_commands(result: RunResult, comparison: Comparison, options: Namespace) -> list[str]:
    """The commands that explain the first wrong value and the first wrong gradient of a candidate.

    `options` are the options of the run. [] where the candidate agrees, or drifts, or only a copy of a state differs.
    """
    if result.candidate_verdict(comparison) is not Verdict.DISAGREE:
        return []
    run = _options_of_run(result, options)
    return [_joined([*_program(), "explain", *run, *place]) for place in _places(result, comparison)]


def _program() -> list[str]:
    """The words that start this program: as it was called where the shell does not find it by its name."""
    called = Path(sys.argv[0])
    if which("rnnviz") is None:
        if called.stem == "rnnviz":
            return [sys.argv[0]]
        if called.name == "__main__.py" and called.parent.name == "rnnviz":
            return [sys.executable, "-m", "rnnviz"]
    return ["rnnviz"]


def _options_of_run(result: RunResult, options: Namespace) -> list[str]:
    """The config, and the options that decide what is computed."""
    path = str(options.config)
    words = [os.path.join(os.curdir, path) if path.startswith("-") else path]
    engines = _engines(result, options)
    # A comma separates engines, so a path that has one cannot be named.
    if engines and not any("," in name for name in engines):
        words += _option("--engines", ",".join(engines))
    return [*words, *_option("--cell", options.cell), *_option("--input", options.input)]


def _engines(result: RunResult, options: Namespace) -> list[str]:
    """The engines of --engines and --reference, the reference first; [] if the config names them."""
    if options.engines is None and options.reference is None:
        return []
    named = result.config.compare.engines if options.engines is None else options.engines.split(",")
    first = [] if options.reference is None else [options.reference]
    return list(dict.fromkeys([*first, *(name.strip() for name in named)]))


def _places(result: RunResult, comparison: Comparison) -> Iterator[list[str]]:
    """The options of explain that name the first wrong value, then the first wrong gradient."""
    if result.comparison_verdict(comparison) is Verdict.DISAGREE:
        fault = result.fault_in([comparison])
        if fault is not None:
            yield _of_value(result, fault[1])
    if result.gradients_verdict(comparison) is Verdict.DISAGREE:
        gradient = _first_gradient(result, comparison)
        if gradient is not None:
            yield _of_gradient(result, gradient)


def _of_value(result: RunResult, where: Location) -> list[str]:
    """The place of a hidden value, or of a unit of the cell that h has not, as with a projection."""
    kind, network = result.config.network.kind, result.config.network
    if where.unit < network.output_size:
        return _of_place(result, where)
    sizes = network.sizes(0)
    named = (
        name for name in graph_of(kind).values if where.unit < sizes.of(unit_size(kind, value_place(kind, where, name)))
    )
    return [*_of_place(result, where), *_option("--value", next(named))]


def _first_gradient(result: RunResult, comparison: Comparison) -> Place | None:
    """The first wrong gradient of the candidate, else of the reference, else the first mismatch."""
    judgment = result.judged("backward")
    for engine in (comparison.candidate, comparison.reference):
        audit = judgment.audits.get(engine)
        if audit is not None and audit.first_wrong is not None:
            return audit.first_wrong.where
    first = comparison.first_gradient_mismatch
    return None if first is None else first.place


def _of_gradient(result: RunResult, place: Place) -> list[str]:
    name = place.array.removeprefix(GRADIENT)
    if place.location is not None:
        return [*_of_place(result, place.location), "--gradient", name]
    if place.array == OF_INPUT:
        timestep, sample, feature = place.index
        return ["--timestep", str(timestep), "--sample", str(sample), "--gradient", f"x[{feature}]"]
    if place.kind == "initial":
        at = place.to_json()
        return [word for axis, value in at.items() for word in (f"--{axis}", str(value))] + ["--gradient", name]
    index = ",".join(map(str, place.index))
    return ["--gradient", f"{place.array.removeprefix(OF_PARAMETERS)}[{index}]"]


def _of_place(result: RunResult, where: Location) -> list[str]:
    """The options of a place; those that have the default are left out."""
    network = result.config.network
    words = ["--layer", str(where.layer)]
    if network.bidirectional:
        words += ["--direction", DIRECTIONS[where.direction]]
    words += ["--timestep", str(where.timestep)]
    if result.inputs.batch_size > 1:
        words += ["--sample", str(where.sample)]
    return [*words, "--unit", str(where.unit)]


def _option(name: str, value: str | None) -> list[str]:
    """The words of an option; a value that begins with a hyphen is joined with it, or it would be an option."""
    if value is None:
        return []
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def _joined(words: list[str]) -> str:
    """The command line, quoted for the shell of the system."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
