"""The arithmetic of a wrong engine's value with the known bugs that are the likely cause of its errors."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from rnnviz.core.config import parameter_name
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.changes import BugVariant
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.explain.forward import value_breakdown
from rnnviz.explain.lines import Breakdown
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import layer_input
from rnnviz.text.verdict_text import likely_cause
from rnnviz.verify.result import RunResult


@dataclass(frozen=True, eq=False)
class StepWithBugs:
    """A step with known bugs, which gives the engine's own values within rounding.

    `bugs` are their names, `cause` is the noun phrase of the verdict.
    """

    bugs: tuple[str, ...]
    cause: str
    breakdown: Breakdown


def step_with_bugs(result: RunResult, own: Breakdown) -> StepWithBugs | None:
    """The step of an engine with its likely cause.

    None if the equations give the engine's values already, if the verdict names no cause, or if the step with the
    cause does not give all of these values.
    """
    judgment = result.judgment
    if judgment is None or not judgment.diagnoses.get(own.engine) or own.right:
        return None
    bugs, trace, where = judgment.diagnoses[own.engine][0], result.traces[own.engine], own.place.location
    assert where is not None
    for fault in _faults(result.inputs, bugs):
        read = _read(fault, result.inputs, trace, where)
        breakdown = value_breakdown(_with_fault(fault, result.inputs, where), trace, own.place, read=read)
        if breakdown.right:
            return StepWithBugs(bugs, likely_cause(judgment, own.engine), breakdown)
    return None


def _faults(inputs: Inputs, bugs: tuple[str, ...]) -> Iterator[BugVariant]:
    """Every variant of known bugs, together."""
    for variants in product(*(KNOWN_BUGS[bug].faults(inputs.network) for bug in bugs)):
        fault: BugVariant | None = BugVariant()
        for other in variants:
            fault = None if fault is None else fault.together_with(other)
        if fault is not None:
            yield fault


def _with_fault(fault: BugVariant, inputs: Inputs, where: Location) -> Inputs:
    """The inputs with the cell of the fault, and with the parameters of a lane as the fault reads them."""
    cell = inputs.network.kind
    network = replace(inputs.network, custom=fault.changed(cell), clip=None, activations=None)
    lane = where.layer, where.direction
    read = vars(fault.read(cell, inputs.parameters.layer(*lane)))
    arrays = {**inputs.parameters, **{parameter_name(*lane, name): array for name, array in read.items()}}
    config = replace(inputs.config, network=network)
    return replace(inputs, config=config, parameters=Parameters(network, arrays))


def _read(fault: BugVariant, inputs: Inputs, trace: Trace, where: Location) -> dict[str, FloatArray]:
    """Values that the step reads from another place with the fault: the layer input "x" (I,), and previous states (U,).

    A step of a direction that is not reversed has its previous state at t - 1, and so has one whose values were left
    in the order of computation, which reads its input at the mirrored time step. With the batch axis as the time axis
    the previous state is the one of the neighboring sample.
    """
    network, (layer, direction, t, sample, _) = inputs.network, where.index
    at, before = t, (t - 1, sample)
    moved = fault.batch_as_time or (network.backward(direction) and fault.backward != "reversed")
    if fault.batch_as_time:
        before = t, sample + (1 if network.backward(direction) else -1)
    elif moved and fault.backward == "not_realigned":
        at = inputs.length(sample) - 1 - t
    read: dict[str, FloatArray] = {}
    if at != t or fault.concat_swapped:
        x = layer_input(inputs, trace, layer, slice(at, at + 1), slice(sample, sample + 1))[0, 0]
        halves = np.split(x, network.directions) if fault.concat_swapped and layer else [x]
        read["x"] = np.concatenate(halves[::-1])
    row = layer * network.directions + direction
    initial = {
        symbol: array[row, t % inputs.batch_size if fault.batch_as_time else sample]
        for symbol, array in inputs.initial_state.items()
    }
    own = {symbol: trace[symbol][layer, direction] for symbol in initial if symbol in trace}
    if moved:
        starts = min(before) < 0 or before[1] == inputs.batch_size
        read |= initial if starts else {symbol: array[before] for symbol, array in own.items()}
    if fault.forgotten and (not fault.at_seams or (t in inputs.seams and not network.backward(direction))):
        if fault.forgotten_is == "swapped":
            others = dict(zip(fault.forgotten, reversed(fault.forgotten), strict=True))
            read |= {symbol: own[other][before] for symbol, other in others.items() if other in own}
        else:
            zeros = fault.forgotten_is == "zeros"
            read |= {s: np.zeros_like(initial[s]) if zeros else initial[s] for s in fault.forgotten}
    return read
