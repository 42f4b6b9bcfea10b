"""The known bug of a state that is not passed from call to call: computed, detected and named as the cause."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import KnownBugEngine, faulty_trace
from rnnviz.engines.known_bugs.registry import NOT_CARRIED, NOT_CARRIED_BETWEEN_CALLS, known_bugs_in
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.recorded_outputs import RecordedEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.audit import audit
from rnnviz.verify.consistency_checks import consistency_checks
from rnnviz.verify.diagnosis import diagnose
from rnnviz.verify.undetectable_bugs import undetectable
from tests.oracles.computed import computed

BUG = NOT_CARRIED_BETWEEN_CALLS


def inputs_of(seams: list[int] | None, cell: str = "lstm", timesteps: int = 40, **network: Any) -> Inputs:
    tables = {
        "network": {"cell": cell, "input_size": 3, "hidden_size": 5, "num_layers": 2, **network},
        "sequence": {"batch_size": 2, "timesteps": timesteps, **({} if seams is None else {"seams": seams})},
        "initial_state": {"source": "normal"},
    }
    return load_inputs(Config.from_mapping(tables))


def in_calls(
    inputs: Inputs, kept: tuple[str, ...] = (), swapped: Mapping[str, str] = MappingProxyType({})
) -> dict[str, np.ndarray[Any, Any]]:
    """The outputs of calls in turn: each starts from the initial state, but for the states that are kept or swapped."""
    edges = [0, *inputs.seams.tolist(), inputs.timesteps]
    first = inputs.initial_state
    state, hidden, trace = first, [], None
    for begin, end in pairwise(edges):
        part = replace(inputs, sequence=inputs.sequence[begin:end], initial_state=state)
        trace, _ = computed(ManualEngine(), part)
        hidden.append(np.array(trace.hidden))
        kept_as = {name: name for name in kept} | dict(swapped)
        state = {name: trace[f"state.{kept_as[name]}"] if name in kept_as else first[name] for name in first}
    assert trace is not None
    found = {"hidden": np.concatenate(hidden, axis=2), "state": np.array(trace.state_h)}
    return found if trace.state_c is None else {**found, "cell_state": np.array(trace.state_c)}


def recorded(folder: Path, arrays: dict[str, np.ndarray[Any, Any]], inputs: Inputs) -> Trace:
    np.savez(folder / "a.npz", **arrays)
    return computed(RecordedEngine(f"recording:{folder / 'a.npz'}"), inputs)[0]


def causes(inputs: Inputs, trace: Trace) -> tuple[tuple[str, ...], ...]:
    failing = [check for check in consistency_checks(trace, *inputs.config.tolerances) if check.fails]
    return diagnose(inputs, trace, audit(inputs, trace), failing)


@pytest.mark.parametrize("seams", [[30], [7, 14, 21, 28, 35], list(range(1, 40))], ids=["one", "some", "every"])
@pytest.mark.parametrize(("cell", "kept"), [("lstm", ()), ("lstm", ("h",)), ("lstm", ("c",)), ("gru", ())])
def test_a_state_that_calls_do_not_pass_on_is_the_likely_cause(tmp_path, cell, kept, seams):
    inputs = inputs_of(seams, cell)
    found = in_calls(inputs, kept)
    lost = tuple(name for name in inputs.network.kind.state_symbols if name not in kept)
    made = faulty_trace(BugVariant(forgotten=lost, forgotten_is="initial", at_seams=True), inputs)
    np.testing.assert_allclose(made.hidden, found["hidden"], rtol=0, atol=1e-6)
    trace = recorded(tmp_path, found, inputs)
    first = audit(inputs, trace).first_wrong
    assert first is not None
    assert first.where.location.timestep == seams[0]
    assert causes(inputs, trace) == ((BUG,),)
    named = {bug.name for bug in known_bugs_in(inputs)}
    assert (NOT_CARRIED in named) == (len(seams) < 39)


@pytest.mark.parametrize("seams", [[30], list(range(1, 40))], ids=["one", "every"])
def test_swapped_states_are_the_likely_cause(tmp_path, seams):
    inputs, name = inputs_of(seams), "states-swapped-between-calls"
    found = in_calls(inputs, swapped={"h": "c", "c": "h"})
    made = computed(KnownBugEngine(f"bug:{name}"), inputs)[0]
    np.testing.assert_allclose(made.hidden, found["hidden"], rtol=0, atol=1e-6)
    assert causes(inputs, recorded(tmp_path, found, inputs)) == ((name,),)


def test_the_bug_needs_seams_and_a_forward_direction():
    for inputs in (inputs_of(None), inputs_of([3], reverse=True)):
        assert BUG not in {bug.name for bug in known_bugs_in(inputs)}
        with pytest.raises(EngineError):
            computed(KnownBugEngine(f"bug:{BUG}"), inputs)


@pytest.mark.slow
@pytest.mark.parametrize("network", [{}, {"bidirectional": True}])
def test_the_bug_is_detectable_also_at_late_seams(network):
    inputs = inputs_of([1000], timesteps=1010, **network)
    assert BUG not in undetectable(inputs)
    trace, _ = computed(KnownBugEngine(f"bug:{BUG}"), inputs)
    expected, _ = computed(ManualEngine(), inputs)
    np.testing.assert_array_equal(trace.hidden[:1, :1, :1000], expected.hidden[:1, :1, :1000])
    assert not np.array_equal(trace.hidden[0, 0, 1000], expected.hidden[0, 0, 1000])
    assert causes(inputs, trace) == ((BUG,),)


def test_states_that_calls_swap_begin_the_next_call():
    inputs = inputs_of([3, 5], timesteps=8)
    variant = BugVariant(forgotten=("h", "c"), forgotten_is="swapped", at_seams=True)
    found = in_calls(inputs, swapped={"h": "c", "c": "h"})
    np.testing.assert_allclose(faulty_trace(variant, inputs).hidden, found["hidden"], rtol=0, atol=1e-6)
