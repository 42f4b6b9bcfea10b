"""The printed terms are the value: every sum, activation and equation holds for every cell, direction and dtype."""

from itertools import product
from math import tanh

import numpy as np
import pytest
from hypothesis import given

from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.steps.states import CellStates
from rnnviz.verify.audit import audit
from tests.explain.arithmetics import GATES, activated, argument_of, breakdown_at, explained, half, near, stored_value
from tests.oracles.cell_loops import cell_values
from tests.oracles.computed import computed
from tests.verify.audit_helpers import engine_or_skip, inputs_of

Case = tuple[Inputs, Trace, Location]


@given(explained())
def test_the_terms_and_biases_sum_to_the_argument_and_its_activation_is_the_value(case):
    arithmetic = breakdown_at(*case)
    assert "".join(gate.name for gate in arithmetic.gates) == GATES[arithmetic.cell.name]
    for gate in arithmetic.gates:
        assert gate.argument is not None
        assert near(gate.argument, argument_of(gate, arithmetic.by_name["r"].value if gate.name == "n" else None))
        assert near(gate.value, activated(gate, gate.argument))


@given(explained())
def test_h_is_one_step_of_the_oracle_from_the_engines_own_state_and_near_that_of_the_engine(case):
    inputs, trace, where = case
    arithmetic = breakdown_at(*case)
    layer, direction, t, sample, unit = where.index
    names = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
    weights = {name: inputs.parameters[f"{'lr'[direction]}{layer}_{name}"].astype(np.float64) for name in names}
    x = inputs.sequence[t, sample] if layer == 0 else np.hstack([lane[t, sample] for lane in trace.hidden[layer - 1]])
    first = t == (inputs.timesteps - 1 if direction else 0)
    place = layer * inputs.network.directions + direction
    before = t + (1 if direction else -1)
    h = inputs.initial_state["h"][place, sample] if first else trace.hidden[layer, direction, before, sample]
    state = {"h": h.astype(np.float64)[np.newaxis]}
    if inputs.initial_state.get("c") is not None:
        whole = CellStates(inputs, trace).before(layer, direction, t, slice(sample, sample + 1), slice(0, len(h)))
        state["c"] = whole.value
    values = cell_values(inputs.network.cell, weights, x.astype(np.float64)[np.newaxis, np.newaxis], state)
    expected, c_next = values["h"][0, 0], values["c"][0, 0] if "c" in values else None
    own = arithmetic.outcomes[-1]
    assert near(arithmetic.by_name["h"].value, expected[unit])
    assert c_next is None or near(arithmetic.by_name["c"].value, c_next[unit])
    assert (own.stored, own.computed) == (trace.hidden[where.index], arithmetic.by_name["h"].value)
    assert own.right
    assert abs(own.stored - own.computed) <= 8 * own.bound


@given(explained())
def test_every_source_holds_the_number_that_the_term_reads(case):
    inputs, trace, where = case
    arithmetic = breakdown_at(*case)
    prefix = f"{'lr'[where.direction]}{where.layer}_"
    for place, gate in enumerate(arithmetic.gates):
        row = place * inputs.network.hidden_size + where.unit
        for part in gate.parts:
            for k in range(len(part)):
                assert part.factors[k] == inputs.parameters[f"{prefix}{part.way}_weight"][row, k]
                assert part.weight(k).index == (row, k)
                assert part.values[k] == stored_value(inputs, trace, part.source(k))
            assert part.bias.value == inputs.parameters[f"{prefix}{part.way}_bias"][row]
            assert part.bias.source.index == (row,)
    for state in arithmetic.previous:
        assert state.source.kind == "initial" or arithmetic.before == state.source.timestep
        if state.source.kind == "initial" or state.source.array in trace:
            assert state.value == stored_value(inputs, trace, state.source)


@given(explained())
def test_each_equation_holds_for_the_numbers_below_its_symbols(case):
    arithmetic = breakdown_at(*case)
    for line in arithmetic.lines:
        assert line.equation.result.value == line.value
        tokens = [token.text if token.value is None else repr(token.value) for token in line.equation.tokens]
        left, right = "".join(tokens).replace("·", "*").replace(" = ", "=", 1).split("=", 1)
        names = {"relu": lambda v: max(v, 0.0), "tanh": tanh, "sigmoid": lambda v: 1 / (1 + np.exp(-v))}
        assert near(float(left), float(eval(right, {"__builtins__": {}}, names)))


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "cell"), [*product(("manual",), sorted(GATES)), ("onnx", "lstm")])
def test_an_engine_is_within_the_audits_bound_of_the_arithmetic(engine, cell):
    inputs = inputs_of({"timesteps": 3, "batch_size": 1}, cell=cell, hidden_size=4, num_layers=2, bidirectional=True)
    trace = computed(engine_or_skip(engine), inputs)[0]
    cells = CellStates(inputs, trace) if cell == "lstm" else None
    ratios = [
        breakdown_at(inputs, trace, Location(*index), cells).outcomes[-1].ratio for index in np.ndindex(*trace.shape)
    ]
    assert max(ratios) <= 8.0
    if trace.cell is None:
        # Without known cell states the bounds are the audit's own, and so is the largest ratio.
        assert max(ratios) == pytest.approx(audit(inputs, trace).worst_ratio, rel=1e-6)


@pytest.mark.parametrize("stored", [np.nan, np.inf])
def test_a_number_out_of_place_is_infinitely_wrong(stored):
    inputs = inputs_of({"timesteps": 2}, cell="rnn_tanh", hidden_size=2)
    trace = computed(engine_or_skip("manual"), inputs)[0]
    hidden = np.array(trace.hidden)
    hidden[0, 0, 1, 0, 1] = stored
    arithmetic = breakdown_at(inputs, trace.with_arrays({"h": hidden}), Location(timestep=1, unit=1))
    assert arithmetic.outcomes[-1].ratio == np.inf
    assert not arithmetic.outcomes[-1].right


def test_a_zero_where_the_equations_give_no_number_is_infinitely_wrong():
    inputs = inputs_of({"timesteps": 2}, cell="rnn_relu", hidden_size=2)
    trace = computed(engine_or_skip("manual"), inputs)[0]
    hidden = np.array(trace.hidden)
    hidden[0, 0, 0, 0] = np.inf * np.sign(inputs.parameters["l0_h2h_weight"][1]) * [1, -1]
    hidden[0, 0, 1, 0, 1] = 0.0
    arithmetic = breakdown_at(inputs, trace.with_arrays({"h": hidden}), Location(timestep=1, unit=1))
    assert np.isnan(arithmetic.by_name["h"].value)
    assert arithmetic.outcomes[-1].ratio == np.inf


def test_a_nan_that_follows_from_its_inputs_is_right():
    inputs = inputs_of({"timesteps": 2}, cell="gru", hidden_size=2)
    trace = computed(engine_or_skip("manual"), inputs)[0]
    hidden = np.array(trace.hidden)
    hidden[0, 0, :, 0, :] = np.nan
    arithmetic = breakdown_at(inputs, trace.with_arrays({"h": hidden}), Location(timestep=1))
    assert np.isnan(arithmetic.by_name["h"].value)
    assert arithmetic.outcomes[-1].difference == 0.0
    assert arithmetic.outcomes[-1].right
    gate = arithmetic.gates[0]
    assert min(gate.by_weight()[:2]) >= len(half(gate, "i2h").factors)
