"""Two files compared: their networks, parameters and inputs, and the values that were recorded or are computed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import is_recording
from rnnviz.core.inputs import Inputs, Load
from rnnviz.core.progress import stage
from rnnviz.core.schema import display_value
from rnnviz.core.trace import Trace, trace_in_memory, with_missing
from rnnviz.engines.registry import load_engine
from rnnviz.results.file_comparison import (
    FileComparison,
    FirstDivergence,
    InputDifference,
    StructureDifference,
    UnitDifference,
    ValueDifferences,
)
from rnnviz.verify.compare import compare, defaults
from rnnviz.verify.parameter_relations import Tolerance, parameter_differences

_LOADED = 1 / 3
_UNITS = 5
"""The number of units that are named."""


def compare_files(load: Load, one: Config, other: Config, both_bring: bool) -> FileComparison:
    """Compare the networks of two runs; to be called in a subprocess. The values are those of the manual engine on the
    input and the initial state of the first one, or of two recordings. `both_bring` is whether both files bring an
    input, which is compared, too."""
    # In the wider one of their types, in which no number of either changes.
    dtype = max(one.network.dtype, other.network.dtype)
    with stage(0.0, _LOADED):
        a, b = (load(replace(own, network=replace(own.network, dtype=dtype))) for own in (one, other))
    keys = a.network.differences(b.network)
    if one.network.dtype != other.network.dtype:
        keys["dtype"] = one.network.dtype, other.network.dtype
    structure = [StructureDifference(key, *map(_in_words, pair)) for key, pair in keys.items()]
    recorded = both_bring and all(is_recording(own.compare.reference) for own in (one, other))
    given = b if recorded else _on_input_of(b, a)
    traces: list[Trace] = []
    if not _apart(a, given):
        for name, own, inputs in (("A", one, a), ("B", other, given)):
            engine, begin = own.compare.reference if recorded else "manual", (1 + len(traces)) / 3
            with stage(begin, begin + 1 / 3) as notify:
                traces.append(_run(engine, name, inputs, notify))
    usual = max(defaults(one), defaults(other))
    rtol, atol = one.compare.tolerances(*max(usual, defaults(one, *traces)))
    of_parameters = Tolerance(*one.compare.tolerances(*usual))
    return FileComparison(
        tuple(structure),
        parameter_differences(a.network.kind, a.parameters, b.parameters, of_parameters),
        tuple(_inputs(a, b, both_bring=both_bring)),
        rtol,
        atol,
        _values(traces[0], traces[1], rtol, atol) if traces else None,
        recorded,
        tuple(dict.fromkeys((*a.assumptions, *b.assumptions))),
    )


def input_differences(load: Load, one: Config, other: Config) -> tuple[InputDifference, ...]:
    """The arrays that both files bring and that differ; to be called in a subprocess."""
    return tuple(_inputs(load(one), load(other), both_bring=True))


def _in_words(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else display_value(value)


def _apart(a: Inputs, b: Inputs) -> bool:
    """Whether the inputs or the states have other sizes."""
    kinds = [(each.network.input_size, each.network.kind.state_symbols) for each in (a, b)]
    shapes = [[each.network.hidden_shape(1, 1, s) for s in each.network.kind.state_symbols] for each in (a, b)]
    return kinds[0] != kinds[1] or shapes[0] != shapes[1] or a.sequence.shape != b.sequence.shape


def _on_input_of(b: Inputs, a: Inputs) -> Inputs:
    config = replace(b.config, sequence=a.config.sequence, initial_state=a.config.initial_state)
    return replace(b, config=config, sequence=a.sequence, initial_state=a.initial_state, lengths=a.lengths)


def _inputs(a: Inputs, b: Inputs, *, both_bring: bool) -> Iterator[InputDifference]:
    """The arrays that both files bring and that differ."""
    arrays = {"sequence": (a.sequence, b.sequence)} if both_bring else {}
    if both_bring and a.lengths != b.lengths:
        yield InputDifference("lengths", None)
    if both_bring or {each.config.initial_state.source for each in (a, b)} == {"file"}:
        arrays |= {f"{s}0": (a.initial_state[s], b.initial_state[s]) for s in a.initial_state if s in b.initial_state}
    for name, (one, other) in arrays.items():
        if one.shape != other.shape:
            yield InputDifference(name, None)
        elif not np.array_equal(one, other, equal_nan=True):
            first = np.argwhere(~((one == other) | (np.isnan(one) & np.isnan(other))))[0]
            yield InputDifference(name, float(np.abs(one - other).max()), tuple(map(int, first)))


def _values(one: Trace, other: Trace, rtol: float, atol: float) -> ValueDifferences:
    found = compare(one, other, rtol, atol)
    first = found.first_mismatch
    return ValueDifferences(
        found.elements,
        found.mismatched,
        found.max_abs_error,
        None if first is None else FirstDivergence(first.where, first.reference, first.candidate),
        _units(one, other) if found.mismatched else (),
    )


def _units(one: Trace, other: Trace) -> tuple[UnitDifference, ...]:
    """The units whose hidden values differ most, by the mean of the differences; those with NaN come last."""
    found, places = [], one.places
    lengths = np.asarray(places.every_length)
    inside = np.arange(places.timesteps)[:, np.newaxis, np.newaxis] < lengths[:, np.newaxis]
    for layer, direction in np.ndindex(one.hidden.shape[:2]):
        error = np.abs(one.hidden[layer, direction].astype(np.float64) - other.hidden[layer, direction])
        error = np.where(inside, error, 0.0)
        for unit, mean in enumerate((error.sum(axis=(0, 1)) / lengths.sum()).tolist()):
            timestep, sample = np.unravel_index(error[..., unit].argmax(), error.shape[:2])
            where = places.location(layer, direction, int(timestep), int(sample), unit)
            found.append(UnitDifference(where, mean, float(error[timestep, sample, unit])))
    finite = [own for own in found if np.isfinite(own.mean_abs_difference) and own.mean_abs_difference]
    return tuple(sorted(finite, key=lambda own: -own.mean_abs_difference)[:_UNITS])


def _run(engine: str, name: str, inputs: Inputs, progress: Callable[[float], None]) -> Trace:
    loaded = load_engine(engine)
    trace = trace_in_memory(name, inputs.network, inputs.places, loaded.states(inputs.network))
    report = loaded.run(inputs, trace, progress)
    return with_missing(trace, report.missing, report.precision, report.computed_in)
