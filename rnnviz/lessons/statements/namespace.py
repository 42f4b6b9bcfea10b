"""Values of the names of a statement in one run, computed on access."""

from typing import Any

import numpy as np

from rnnviz.core.engine_spec import display_name
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.lessons.statements.functions import Budget, Context, UnansweredError
from rnnviz.lessons.statements.parser import AUDITED, CANDIDATE, LANES, OUTCOMES, REFERENCE, SELECTION
from rnnviz.quantities.gates import GateReader, gate_quantities
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import tolerances
from rnnviz.verify.result import Judgment, RunResult
from rnnviz.verify.step_inputs import followed

ORIGIN = Location()
"""Where the selection is if no one has moved it."""

_EFFORT = 4
"""Number of multiplications in a matrix product that cost as much as one step of other work."""


class Namespace:
    """One run as a statement sees it, with a selection in it. Arrays are views: nothing is read before it is needed."""

    def __init__(self, result: RunResult, where: Location = ORIGIN) -> None:
        self._result = result
        self._where = where
        self.budget = Budget()
        self.read: list[Trace] = []
        """Traces read so far, in order."""

    def context(self, since: int) -> Context:
        """Context of a function whose arguments are `read[since:]`, with the run's tolerance for these traces."""
        return Context(self.budget, *tolerances(self._result.config, *self.read[since:]))

    def name(self, name: str) -> Any:
        """The value of a name. Raises an UnansweredError if this run has no such thing."""
        result = self._result
        network, inputs = result.config.network, result.inputs
        layers, directions, timesteps, samples, size = result.shape
        match name:
            case "out" | "state":
                return self.member(REFERENCE, name)
            case "dat":
                return inputs.sequence.swapaxes(0, 1) if network.layout == "NTC" else inputs.sequence
            case "initial_state":
                return list(inputs.initial_state.arrays)
            case "T" | "N" | "I" | "H" | "L" | "D":
                sizes = {"T": timesteps, "N": samples, "I": network.input_size, "H": size, "L": layers, "D": directions}
                return sizes[name]
        if name in OUTCOMES:
            return run_variable(result, name)
        if name in SELECTION:
            return self._where.to_json()[name]
        if name not in inputs.parameters:
            raise UnansweredError(f"This network has no {name}: it has {', '.join(inputs.parameters)}.")
        return inputs.parameters[name]

    def member(self, engine: str, name: str) -> Any:
        """An engine's `out` or `state`. Raises as `name` does."""
        trace = self._trace(engine)
        if {"out": "out", "state": "state.h"}[name] in trace.missing:
            raise UnansweredError(f"{display_name(trace.engine)} did not return {name}.")
        if name == "out":
            return trace.output_in(self._result.config.network.layout)
        return [trace.state_h] if trace.state_c is None else [trace.state_h, trace.state_c]

    def call(self, engine: str | None, method: str, arguments: list[Any]) -> Any:
        """The value of a call from `LANES` or, if `engine` is None, from `AUDITED`. Raises as `name` does."""
        usage = {**LANES, **AUDITED}[method]
        if not all(isinstance(argument, str | int) and not isinstance(argument, bool) for argument in arguments):
            raise UnansweredError(f"{method} must be called as {usage}.")
        if method in AUDITED:
            if len(arguments) != 1:
                raise UnansweredError(f"{method} must be called as {usage}.")
            audit = audit_of(self._result, str(arguments[0]))
            if not audit.audited:
                raise UnansweredError(f"No step of {display_name(audit.engine)} was audited.")
            return audit.verdict if method == "audit" else audit.worst_ratio
        quantity, *place = arguments if method == "gate" and arguments else [method, *arguments]
        if not 1 <= len(place) <= 2:
            raise UnansweredError(f"{method} must be called as {usage}.")
        lane = self._lane(*place)
        trace = self._trace(REFERENCE if engine is None else engine)
        recorded = trace.recorded(*lane) if method == "h" else followed(self._result.inputs, trace, *lane)
        if len(recorded) < trace.shape[2]:
            raise UnansweredError(f"{display_name(trace.engine)} lacks values that this needs.")
        return trace.hidden[lane] if method == "h" else self._gate(trace, str(quantity), lane)

    def _gate(self, trace: Trace, name: str, lane: tuple[int, int]) -> FloatArray:
        """(T, N, H), or (T, N, 1) for a quantity that is not per unit."""
        network = self._result.config.network
        known = [quantity.name for quantity in gate_quantities(network.kind)]
        if name not in known:
            raise UnansweredError(f"The cell {network.cell} has no {name}: it has {', '.join(known)}.")
        _, _, timesteps, samples, size = trace.shape
        values = timesteps * samples * size
        terms = network.kind.gate_count * (network.layer_input_size(lane[0]) + size)
        self.budget.spend(values, values * terms // _EFFORT)
        reader = GateReader(self._result.inputs, trace)
        return reader.samples(*lane, slice(0, samples), (name,), slice(0, timesteps), slice(0, size))[name]

    def _lane(self, layer: Any, direction: Any = None) -> tuple[int, int]:
        layers, directions, *_ = self._result.shape
        if not isinstance(layer, int) or not 0 <= layer < layers:
            raise UnansweredError(f"This network has no layer {layer}: it has {layers}, counted from 0.")
        known = DIRECTIONS[1:] if self._result.inputs.network.reverse else DIRECTIONS[:directions]
        if direction is not None and direction not in known:
            raise UnansweredError(f"This network has no direction {direction}: it has {' and '.join(known)}.")
        return layer, 0 if direction is None else known.index(direction)

    def _trace(self, engine: str) -> Trace:
        trace = self._result[engine_name(self._result, engine)]
        self.read.append(trace)
        return trace


def run_variable(result: RunResult, name: str) -> Any:
    """The value of one of the names in `OUTCOMES`.

    Raises an UnansweredError if it takes an audit, and there was none.
    """
    match name:
        case "verdict":
            judgment(result)
            return result.verdict
        case "mismatched":
            return max(comparison.mismatched for comparison in result.comparisons)
        case "max_error_ratio":
            return max(comparison.max_error_ratio for comparison in result.comparisons)
        case "first_mismatch":
            found = (c.first_mismatch for c in result.comparisons if c.first_mismatch is not None)
            return next((tuple(mismatch.where.to_json().values()) for mismatch in found), ())
        case "wrong":
            return tuple(engine for engine in judgment(result).audits if result.wrong(engine))
        case "undetectable":
            return judgment(result).undetectable
        case "diagnosis":
            explanations = (names for found in judgment(result).diagnoses.values() for names in found)
            return tuple(dict.fromkeys(name for names in explanations for name in names))
        case "checks":
            return np.array([check.holds for check in result.checks], np.bool_)
        case "rtol":
            return max(comparison.rtol for comparison in result.comparisons)
        case "atol":
            return max(comparison.atol for comparison in result.comparisons)
    raise KeyError(f"{name} is not an outcome of a run")


def judgment(result: RunResult) -> Judgment:
    """The judgment of the run's audit. Raises an UnansweredError without one."""
    if result.judgment is None:
        raise UnansweredError("The steps of this run have not been audited yet.")
    return result.judgment


def audit_of(result: RunResult, engine: str) -> Audit:
    """The audit of one engine. Raises an UnansweredError if it was not audited."""
    audits = judgment(result).audits
    name = engine_name(result, engine)
    if name not in audits:
        raise UnansweredError(f"{name} was not audited: {', '.join(audits)} were.")
    return audits[name]


def engine_name(result: RunResult, engine: str) -> str:
    """The name of an engine of the run, which may be called the reference or the candidate.

    Raises an UnansweredError if it was not run.
    """
    compare = result.config.compare
    name = {REFERENCE: compare.reference, CANDIDATE: compare.candidates[0]}.get(engine, engine)
    if name not in result.traces:
        raise UnansweredError(f"{name} was not run: this run holds {', '.join(result.traces)}.")
    return name
