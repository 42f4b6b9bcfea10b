"""Two files compared: their networks, parameters and inputs, and the values that the manual engine computes."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs, Load
from rnnviz.core.progress import stage
from rnnviz.core.schema import display_value
from rnnviz.core.trace import Trace, trace_in_memory
from rnnviz.engines.manual import ManualEngine
from rnnviz.results.file_comparison import (
    FileComparison,
    FirstDivergence,
    InputDifference,
    StructureDifference,
    ValueDifferences,
)
from rnnviz.verify.compare import compare, defaults
from rnnviz.verify.parameter_relations import Tolerance, parameter_differences

_LOADED = 0.2


def compare_files(load: Load, one: Config, other: Config, both_bring: bool) -> FileComparison:
    """Compare the networks of two runs on the input and the initial state of the first one; to be called in a
    subprocess. `both_bring` is whether both files bring an input, which is compared, too."""
    # In the wider one of their types, in which no number of either changes.
    dtype = max(one.network.dtype, other.network.dtype)
    with stage(0.0, _LOADED):
        a, b = (load(replace(own, network=replace(own.network, dtype=dtype))) for own in (one, other))
    rtol, atol = one.compare.tolerances(*max(defaults(one), defaults(other)))
    keys = a.network.differences(b.network)
    if one.network.dtype != other.network.dtype:
        keys["dtype"] = one.network.dtype, other.network.dtype
    structure = [StructureDifference(key, *map(_in_words, pair)) for key, pair in keys.items()]
    with stage(_LOADED, 1.0) as notify:
        values = None if _apart(a, b) else _values(a, _on_input_of(b, a), rtol, atol, notify)
    return FileComparison(
        tuple(structure),
        parameter_differences(a.network.kind, a.parameters, b.parameters, Tolerance(rtol, atol)),
        tuple(_inputs(a, b, both_bring=both_bring)),
        rtol,
        atol,
        values,
        tuple(dict.fromkeys((*a.assumptions, *b.assumptions))),
    )


def _in_words(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else display_value(value)


def _apart(a: Inputs, b: Inputs) -> bool:
    """Whether the networks read other inputs or have other states."""
    kinds = [(each.network.input_size, each.network.kind.state_symbols) for each in (a, b)]
    shapes = [[each.network.hidden_shape(1, 1, s) for s in each.network.kind.state_symbols] for each in (a, b)]
    return kinds[0] != kinds[1] or shapes[0] != shapes[1]


def _on_input_of(b: Inputs, a: Inputs) -> Inputs:
    config = replace(b.config, sequence=a.config.sequence, initial_state=a.config.initial_state)
    return replace(b, config=config, sequence=a.sequence, initial_state=a.initial_state, lengths=a.lengths)


def _inputs(a: Inputs, b: Inputs, *, both_bring: bool) -> Iterator[InputDifference]:
    """The arrays that both files bring and that differ."""
    arrays = {"sequence": (a.sequence, b.sequence)} if both_bring else {}
    if both_bring and a.lengths != b.lengths:
        yield InputDifference("lengths", None)
    if {each.config.initial_state.source for each in (a, b)} == {"file"}:
        arrays |= {f"{s}0": (a.initial_state[s], b.initial_state[s]) for s in a.initial_state if s in b.initial_state}
    for name, (one, other) in arrays.items():
        if one.shape != other.shape:
            yield InputDifference(name, None)
        elif not np.array_equal(one, other):
            yield InputDifference(name, float(np.abs(one - other).max()))


def _values(a: Inputs, b: Inputs, rtol: float, atol: float, notify: Callable[[float], None]) -> ValueDifferences:
    one = _computed("A", a, lambda done: notify(done / 2))
    other = _computed("B", b, lambda done: notify((1 + done) / 2))
    found = compare(one, other, rtol, atol)
    first = found.first_mismatch
    return ValueDifferences(
        found.elements,
        found.mismatched,
        found.max_abs_error,
        None if first is None else FirstDivergence(first.where, first.reference, first.candidate),
    )


def _computed(name: str, inputs: Inputs, progress: Callable[[float], None]) -> Trace:
    engine = ManualEngine()
    trace = trace_in_memory(name, inputs.network, inputs.places, engine.states(inputs.network))
    engine.run(inputs, trace, progress)
    return trace
