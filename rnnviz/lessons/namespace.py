"""The names and functions of statements: the values of a run, and functions of NumPy.

Arrays are views: nothing is read before it is needed. A name or value that a run lacks raises an UnansweredError.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.activations import sigmoid
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import OF_PARAMETERS, gradient
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.reading.arrays import ArrayReader
from rnnviz.reading.quantities import gate_quantities
from rnnviz.steps.inputs import followed
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison, tolerances
from rnnviz.verify.result import Judgment, PassJudgment, RunResult
from rnnviz.verify.verdict import Verdict

Value: TypeAlias = Any
"""An array, a number, true or false, a text, or a tuple or list of them."""

ORIGIN = Location()
"""Where the selection is if no one has moved it."""

REFERENCE, CANDIDATE = "reference", "candidate"
"""Aliases of the reference engine and of the first candidate."""

LARGEST_ARRAY = 1 << 22
"""Maximum number of values that a function of a statement reads, or in an array that it creates."""
_ALL = 1 << 25
_NO_GRADIENTS = "This run has no gradients: backward.enabled must be true."
_EFFORT = 4
"""Number of multiplications in a matrix product that cost as much as one step of other work."""


class UnansweredError(ValueError):
    """The statement does not apply to this run, which lacks a layer, for example. Its text is one plain sentence."""


class Namespace:
    """One run as a statement sees it, with a selection in it."""

    def __init__(self, result: RunResult, where: Location = ORIGIN) -> None:
        self.result, self.where = result, where
        self.read: list[Trace] = []
        """Traces read so far, in order."""
        self._left = _ALL

    def spend(self, values: int, effort: int | None = None) -> None:
        """Count values that are read or computed, each in one operation unless `effort` says how many in all."""
        self._left -= values if effort is None else effort
        if values > LARGEST_ARRAY or self._left < 0:
            raise UnansweredError("This run is too large for the statement to be checked here.")

    def tolerances(self, since: int) -> dict[str, float]:
        """The run's tolerance for the traces `read[since:]`."""
        return dict(zip(("rtol", "atol"), tolerances(self.result.config, *self.read[since:]), strict=True))

    def name(self, name: str) -> Value:
        if name in MEMBERS:
            return self.member(name)
        if name in SELECTION:
            return self.where.to_json()[name]
        if name in OF_RUN:
            return OF_RUN[name](self.result)
        parameters = self.result.inputs.parameters
        if name not in parameters:
            raise UnansweredError(f"This network has no {name}: it has {', '.join(parameters)}.")
        return parameters[name]

    def member(self, name: str, engine: str = REFERENCE) -> Value:
        """An engine's `out` in the config's layout, or its `state`: a list of the final states, (L·D, N, H) each."""
        trace = self._trace(engine)
        if {"out": "out", "state": "state.h"}[name] in trace.missing:
            raise UnansweredError(f"{display_name(trace.engine)} did not return {name}.")
        if name == "out":
            return trace.output_in(self.result.config.network.layout)
        return [trace.state_h] if trace.state_c is None else [trace.state_h, trace.state_c]

    def h(self, layer: int, direction: str | None = None, *, engine: str = REFERENCE) -> FloatArray:
        """The hidden states of a lane, (T, N, H)."""
        trace, lane = self._trace(engine), self._lane(layer, direction)
        _check_complete(trace, trace.recorded(*lane))
        hidden: FloatArray = trace.hidden[lane]
        return hidden

    def c(self, layer: int, direction: str | None = None, *, engine: str = REFERENCE) -> FloatArray:
        """The cell states of a lane, (T, N, H)."""
        return self.gate("c", layer, direction, engine=engine)

    def gate(self, name: str, layer: int, direction: str | None = None, *, engine: str = REFERENCE) -> FloatArray:
        """A gate or another quantity of a lane, (T, N, H) or (T, N, 1)."""
        trace, lane, network = self._trace(engine), self._lane(layer, direction), self.result.config.network
        _check_complete(trace, followed(self.result.inputs, trace, *lane))
        known = [quantity.name for quantity in gate_quantities(network.kind)]
        if name not in known:
            raise UnansweredError(f"The cell {network.cell} has no {name}: it has {', '.join(known)}.")
        _, _, timesteps, samples, size = trace.shape
        values = timesteps * samples * size
        self.spend(values, values * network.kind.gate_count * (network.layer_input_size(layer) + size) // _EFFORT)
        reader = ArrayReader(self.result.inputs, trace)
        return reader.samples(*lane, slice(0, samples), (name,), slice(0, timesteps), slice(0, size))[name]

    def gradient(
        self, name: str, layer: int | None = None, direction: str | None = None, *, engine: str | None = None
    ) -> FloatArray:
        """A gradient of h, c or a gate of a lane, (T, N, H), of "input", "h0" or a parameter; of its first engine."""
        lane = () if layer is None else self._lane(layer, direction)
        traces = [self.result[engine_name(self.result, engine)]] if engine else [*self.result.traces.values()]
        for trace in traces:
            for found in {gradient(str(name)), f"{OF_PARAMETERS}{name}"} & trace.keys():
                if (trace[found].ndim == 5) != bool(lane):
                    raise UnansweredError(f"gradient({name!r}) is {'' if lane else 'not '}the same for every layer.")
                self.read.append(trace)
                return trace[found][lane]
        if any(trace.has_gradients for trace in traces):
            raise UnansweredError(f"No engine of this run gives a gradient of {name}.")
        raise UnansweredError(_NO_GRADIENTS)

    def audit(self, engine: str) -> str:
        return audit_of(self.result, engine).verdict

    def ratio(self, engine: str) -> float:
        """The largest difference from a step as a multiple of its rounding bound; 8 is the limit."""
        return audit_of(self.result, engine).worst_ratio

    def dot(self, a: Value, b: Value, *, transpose_a: bool = False, transpose_b: bool = False) -> Value:
        left, right = array(a), array(b)
        left, right = left.T if transpose_a else left, right.T if transpose_b else right
        if not (1 <= left.ndim <= 2 and 1 <= right.ndim <= 2):
            raise UnansweredError(
                f"A product is of vectors and matrices, not of the shapes {left.shape} and {right.shape}."
            )
        size = prod(left.shape[:-1]) * prod(right.shape[1:])
        self.spend(size, size * left.shape[-1] + left.size + right.size)
        return left @ right

    def _lane(self, layer: Value, direction: Value) -> tuple[int, int]:
        layers, directions, *_ = self.result.shape
        if type(layer) is not int or not 0 <= layer < layers:
            raise UnansweredError(f"This network has no layer {layer}: it has {layers}, counted from 0.")
        known = DIRECTIONS[1:] if self.result.inputs.network.reverse else DIRECTIONS[:directions]
        if direction is not None and direction not in known:
            raise UnansweredError(f"This network has no direction {direction}: it has {' and '.join(known)}.")
        return layer, 0 if direction is None else known.index(direction)

    def _trace(self, engine: str) -> Trace:
        trace = self.result[engine_name(self.result, engine)]
        self.read.append(trace)
        return trace


def _check_complete(trace: Trace, timesteps: range) -> None:
    if len(timesteps) < trace.shape[2]:
        raise UnansweredError(f"{display_name(trace.engine)} lacks values that this needs.")


def engine_name(result: RunResult, engine: str) -> str:
    """The name of an engine of the run, which may be called the reference or the candidate."""
    name = dict(zip((REFERENCE, CANDIDATE), result.traces, strict=False)).get(engine, engine)
    if name not in result.traces:
        raise UnansweredError(f"{name} was not run: this run holds {', '.join(result.traces)}.")
    return name


def judgment(result: RunResult) -> Judgment:
    if result.judgment is None:
        raise UnansweredError("The steps of this run have not been audited yet.")
    return result.judgment


def audit_of(result: RunResult, engine: str) -> Audit:
    audit = judgment(result).audits.get(engine_name(result, engine))
    if audit is None or not audit.audited:
        raise UnansweredError(f"No step of {display_name(engine_name(result, engine))} was audited.")
    return audit


def _backward(result: RunResult) -> tuple[PassJudgment, Verdict]:
    found, verdict = judgment(result).backward, result.backward_verdict
    if found is None or verdict is None:
        raise UnansweredError(_NO_GRADIENTS)
    return found, verdict


def _comparisons(result: RunResult) -> Iterable[Comparison]:
    if not result.comparisons:
        raise UnansweredError(f"{result.reference.engine} ran alone: nothing was compared.")
    return result.comparisons


def _known_bugs(found: PassJudgment) -> tuple[str, ...]:
    """Every known bug that explains an engine, once."""
    explanations = (names for diagnoses in found.diagnoses.values() for names in diagnoses)
    return tuple(dict.fromkeys(name for names in explanations for name in names))


def _first_mismatch(result: RunResult) -> tuple[Value, ...]:
    found = (c.first_mismatch for c in result.comparisons if c.first_mismatch is not None)
    return next((tuple(mismatch.where.to_json().values()) for mismatch in found), ())


def _in_layout(result: RunResult) -> FloatArray:
    sequence = result.inputs.sequence
    return sequence.swapaxes(0, 1) if result.config.network.layout == "NTC" else sequence


def _worst(figure: str) -> Callable[[RunResult], Value]:
    return lambda result: max(getattr(comparison, figure) for comparison in _comparisons(result))


def _verdict(result: RunResult) -> str:
    judgment(result)
    return result.verdict


OF_RUN: Mapping[str, Callable[[RunResult], Value]] = {
    "dat": _in_layout,
    "initial_state": lambda result: list(result.inputs.initial_state.values()),
    "T": lambda result: result.shape[2],
    "N": lambda result: result.shape[3],
    "I": lambda result: result.config.network.input_size,
    "H": lambda result: result.shape[4],
    "L": lambda result: result.shape[0],
    "D": lambda result: result.shape[1],
    "lengths": lambda result: np.array(result.inputs.places.every_length),
    "cell": lambda result: result.config.network.cell,
    "layout": lambda result: result.config.network.layout,
    "verdict": _verdict,
    "mismatched": _worst("mismatched"),
    "max_error_ratio": _worst("max_error_ratio"),
    "first_mismatch": _first_mismatch,
    "wrong": lambda result: tuple(engine for engine in judgment(result).audits if result.wrong(engine)),
    "undetectable": lambda result: judgment(result).undetectable,
    "diagnosis": lambda result: _known_bugs(judgment(result)),
    "gradient_verdict": lambda result: _backward(result)[1],
    "gradient_diagnosis": lambda result: _known_bugs(_backward(result)[0]),
    "checks": lambda result: np.array([check.holds for check in result.checks], np.bool_),
    "rtol": _worst("rtol"),
    "atol": _worst("atol"),
}
"""The names of a run: its inputs and sizes, and its results: of the worst candidate or the first mismatch."""
SELECTION = ("layer", "direction", "timestep", "sample", "unit")
"""The names of the place of the selected value."""
MEMBERS = ("out", "state")
"""Attributes of an engine, as in gluon.out; of the reference without one."""
NAMES = (*MEMBERS, *OF_RUN, *SELECTION)
"""Every name except the parameters' names, which are Gluon's."""

_PARAMETER = re.compile(r"[lr]\d{1,4}_(i2h|h2h)_(weight|bias)")


def is_name(name: str) -> bool:
    return name in NAMES or _PARAMETER.fullmatch(name) is not None


def array(value: Value) -> NDArray[Any]:
    """Numbers, or true and false, as an array; neither text nor a list of arrays such as `state`."""
    if isinstance(value, np.ndarray | np.generic | bool | int | float):
        return np.asarray(value)
    if isinstance(value, tuple | list) and all(isinstance(v, bool | int | float | np.generic) for v in value):
        return np.asarray(value)
    raise UnansweredError("This is not an array of numbers: take a part of it, as state[0].")


def _some(value: Value) -> NDArray[Any]:
    """An array that has values: nothing can be said of none, though `all` of none is true."""
    found = array(value)
    if found.size == 0:
        raise UnansweredError("There are no values in this part of the run.")
    return found


def _pair(a: Value, b: Value) -> tuple[NDArray[Any], NDArray[Any]]:
    left, right = _some(a), _some(b)
    if left.shape != right.shape and () not in (left.shape, right.shape):
        raise UnansweredError(f"The shapes {left.shape} and {right.shape} differ.")
    return left, right


def _extreme(reduce: Callable[[NDArray[Any]], Any], value: Value, *others: Value) -> Value:
    return reduce(_some([value, *others] if others else value))


def _elementwise(compute: Callable[[NDArray[Any]], Any]) -> Callable[[Value], Value]:
    return lambda value: compute(array(value))


def _close(a: Value, b: Value, *, rtol: Value = 0.0, atol: Value = 0.0) -> bool:
    left, right = _pair(a, b)
    return bool(np.isclose(left, right, rtol=float(array(rtol)), atol=float(array(atol)), equal_nan=True).all())


def _equal(a: Value, b: Value) -> bool:
    left, right = _pair(a, b)
    return bool(np.all((left == right) | ((left != left) & (right != right))))


VIEWS: Mapping[str, Callable[..., Value]] = {
    "shape": lambda value: array(value).shape,
    "len": lambda value: len(value) if isinstance(value, tuple | list) else len(array(value)),
    "transpose": lambda value: array(value).T,
}
"""Functions that read no number."""
FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    **VIEWS,
    "all": lambda value: np.all(_some(value)),
    "any": lambda value: np.any(_some(value)),
    "sum": lambda value: np.sum(_some(value)),
    "count": lambda value: np.count_nonzero(_some(value)),
    "max": partial(_extreme, np.max),
    "min": partial(_extreme, np.min),
    "close": _close,
    "equal": _equal,
    "concat": lambda value, *others, dim=-1: np.concatenate([array(value), *map(array, others)], axis=dim),
    "abs": _elementwise(np.abs),
    "relu": lambda value: np.maximum(array(value), array(value).dtype.type(0)),
    "tanh": _elementwise(np.tanh),
    # An integer becomes a float, and an array without axes a number.
    "sigmoid": lambda value: sigmoid.values(array(value) * 1.0)[()],
    "zeros_like": _elementwise(np.zeros_like),
    "isnan": _elementwise(np.isnan),
    "isinf": _elementwise(np.isinf),
}
"""Functions of values alone."""
LANES = ("h", "c", "gate", "gradient")
"""Methods of an engine, as in manual.h(0); of the reference without one."""
METHODS: Mapping[str, Callable[..., Value]] = {
    name: getattr(Namespace, name) for name in (*LANES, "audit", "ratio", "dot")
}
"""Functions of the run."""
