"""The printed terms are the value: every sum, activation and equation holds for every cell, direction and dtype."""

from itertools import product
from math import fsum, tanh

import numpy as np
import pytest
from hypothesis import given

from rnnviz.core.inputs import Inputs
from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.engine import KnownBugEngine
from rnnviz.explain.equations import equations
from rnnviz.explain.step_breakdown import explain
from rnnviz.explain.value_sources import input_source, previous_place
from rnnviz.steps.states import CellStates
from rnnviz.verify.audit import audit
from tests.explain.arithmetics import (
    GATES,
    activated,
    argument_of,
    arithmetic_of,
    explained,
    near,
    stored_value,
)
from tests.oracles.computed import computed
from tests.oracles.recurrence import next_state
from tests.profiles import nightly_except
from tests.verify.audit_helpers import engine_or_skip, inputs_of

Case = tuple[Inputs, Trace, Location]


@given(explained())
def test_the_terms_and_biases_sum_to_the_argument_and_its_activation_is_the_value(case: Case) -> None:
    arithmetic = arithmetic_of(case)
    assert "".join(gate.symbol for gate in arithmetic.gates) == GATES[arithmetic.cell.name]
    for gate in arithmetic.gates:
        reset = arithmetic.by_symbol["r"].value if gate.symbol == "n" else None
        assert near(gate.pre.sum, argument_of(gate, reset))
        assert near(gate.value, activated(gate, gate.pre.sum))
        assert all(term.product == term.weight * term.input for term in gate.pre.terms())


@given(explained())
def test_the_equation_computes_h_from_the_gates_and_the_previous_state(case: Case) -> None:
    arithmetic = arithmetic_of(case)
    v = {symbol: gate.value for symbol, gate in arithmetic.by_symbol.items()}
    if arithmetic.cell.name == "lstm":
        assert arithmetic.previous.c is not None
        assert arithmetic.c is not None
        assert near(arithmetic.c, v["f"] * arithmetic.previous.c + v["i"] * v["g"])
        assert near(arithmetic.h, v["o"] * tanh(arithmetic.c))
    elif arithmetic.cell.name == "gru":
        assert near(arithmetic.h, (1.0 - v["z"]) * v["n"] + v["z"] * arithmetic.previous.h)
    else:
        assert arithmetic.h == v["h"]


@given(explained())
def test_h_is_one_step_of_the_oracle_from_the_engines_own_state_and_near_that_of_the_engine(case: Case) -> None:
    inputs, trace, where = case
    arithmetic = arithmetic_of(case)
    layer, direction, t, sample, unit = where.index
    names = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
    weights = tuple(inputs.parameters[f"{'lr'[direction]}{layer}_{name}"].astype(np.float64) for name in names)
    x = inputs.sequence[t, sample] if layer == 0 else np.hstack([lane[t, sample] for lane in trace.hidden[layer - 1]])
    first = t == (inputs.timesteps - 1 if direction else 0)
    place = layer * inputs.network.directions + direction
    before = t + (1 if direction else -1)
    h = inputs.initial_state["h"][place, sample] if first else trace.hidden[layer, direction, before, sample]
    c = None
    if inputs.initial_state.get("c") is not None:
        whole = CellStates(inputs, trace).before(layer, direction, t, slice(sample, sample + 1), slice(0, len(h)))
        c = whole.value[0]
    expected, c_next = next_state(inputs.network.cell, weights, x.astype(np.float64), h.astype(np.float64), c)
    assert near(arithmetic.h, expected[unit])
    assert c_next is None or (arithmetic.c is not None and near(arithmetic.c, c_next[unit]))
    assert arithmetic.stored == trace.hidden[where.index]
    assert arithmetic.outcomes[-1].right
    assert abs(arithmetic.stored - arithmetic.h) <= 8 * arithmetic.bound


@given(explained())
def test_every_source_holds_the_number_that_the_term_reads(case: Case) -> None:
    inputs, trace, where = case
    arithmetic = arithmetic_of(case)
    prefix = f"{'lr'[where.direction]}{where.layer}_"
    for place, gate in enumerate(arithmetic.gates):
        row = place * inputs.network.hidden_size + where.unit
        for term in gate.pre.terms():
            assert term.weight == inputs.parameters[f"{prefix}{term.kind}_weight"][row, term.index]
            assert term.input == stored_value(inputs, trace, input_source(arithmetic, term.kind, term.index))
        assert gate.pre.u.bias == inputs.parameters[f"{prefix}i2h_bias"][row]
        assert gate.pre.v.bias == inputs.parameters[f"{prefix}h2h_bias"][row]
    assert arithmetic.previous.h == stored_value(inputs, trace, previous_place(arithmetic))
    if arithmetic.previous.c is not None:
        came_from = previous_place(arithmetic, "c")
        if came_from.kind == "initial":
            assert arithmetic.previous.c == stored_value(inputs, trace, came_from)
        else:
            assert arithmetic.previous.timestep == came_from.timestep
            assert trace.cell is None or arithmetic.previous.c == trace.cell[came_from.index]


def test_links_lead_through_both_directions_to_the_input() -> None:
    inputs = inputs_of({"timesteps": 4, "batch_size": 2}, cell="lstm", hidden_size=3, num_layers=2, bidirectional=True)
    trace = computed(engine_or_skip("manual"), inputs)[0]
    top = explain(inputs, trace, Location(1, 1, 2, 1, 0))
    terms = top.gates[0].pre.terms()
    assert [input_source(top, term.kind, term.index) for term in terms] == [
        *(Place("h", (0, 0, 2, 1, unit)) for unit in range(3)),
        *(Place("h", (0, 1, 2, 1, unit)) for unit in range(3)),
        *(Place("h", (1, 1, 3, 1, unit)) for unit in range(3)),
    ]
    assert previous_place(top, "c") == Place.at("c", Location(1, 1, 3, 1, 0))
    start = explain(inputs, trace, Location(0, 1, 3, 1, 2))
    assert [input_source(start, term.kind, term.index) for term in start.gates[1].pre.terms()] == [
        *(Place("input", (3, 1, feature)) for feature in range(5)),
        *(Place("h0", (1, 1, unit)) for unit in range(3)),
    ]
    assert start.previous.timestep is None
    assert previous_place(start) == Place("h0", (1, 1, 2))
    assert previous_place(start, "c") == Place("c0", (1, 1, 2))


@given(explained())
def test_terms_and_biases_add_up_and_those_that_weigh_most_come_first(case: Case) -> None:
    for gate in arithmetic_of(case).gates:
        terms = gate.pre.terms()
        ranked = [abs(terms[place].contribution) for place in gate.pre.by_weight()]
        assert ranked == sorted(ranked, reverse=True)
        total = fsum(term.contribution for term in terms)
        assert near(total + gate.pre.u.bias + gate.pre.v.factor * gate.pre.v.bias, gate.pre.sum)


@given(explained())
def test_each_equation_holds_for_the_numbers_below_its_symbols(case: Case) -> None:
    arithmetic = arithmetic_of(case)
    lines = equations(arithmetic)
    assert lines[-1].result.value == arithmetic.h
    for line in lines:
        tokens = [token.text if token.value is None else repr(token.value) for token in line.tokens]
        left, right = "".join(tokens).replace("·", "*").replace(" = ", "=", 1).split("=", 1)
        names = {"relu": lambda v: max(v, 0.0), "tanh": tanh, "sigmoid": lambda v: 1 / (1 + np.exp(-v))}
        assert near(float(left), float(eval(right, {"__builtins__": {}}, names)))


@pytest.mark.parametrize(
    ("engine", "cell"),
    nightly_except(
        product(("manual", "gluon", "onnx", "torch"), sorted(GATES)),
        *(("manual", cell) for cell in GATES),
        ("onnx", "lstm"),
    ),
)
def test_every_engine_is_within_the_audits_bound_of_the_arithmetic(engine: str, cell: str) -> None:
    inputs = inputs_of({"timesteps": 5, "batch_size": 2}, cell=cell, hidden_size=4, num_layers=2, bidirectional=True)
    trace = computed(engine_or_skip(engine), inputs)[0]
    cells = CellStates(inputs, trace) if cell == "lstm" else None
    ratios = [explain(inputs, trace, Location(*index), cells).outcomes[-1].ratio for index in np.ndindex(*trace.shape)]
    assert max(ratios) <= 8.0
    if trace.cell is None:
        # Without known cell states the bounds are the audit's own, and so is the largest ratio.
        assert max(ratios) == pytest.approx(audit(inputs, trace).worst_ratio, rel=1e-6)


@pytest.mark.parametrize(("cell", "bug"), [("gru", "reset-before-matmul"), ("lstm", "no-h2h-bias")])
def test_a_bug_shows_as_a_difference_from_the_true_arithmetic(cell: str, bug: str) -> None:
    inputs = inputs_of({"timesteps": 3}, cell=cell, hidden_size=4)
    trace = computed(KnownBugEngine(f"bug:{bug}"), inputs)[0]
    arithmetic = explain(inputs, trace, Location(timestep=1))
    assert not arithmetic.outcomes[-1].right
    assert abs(arithmetic.outcomes[-1].difference) > 1e-4
    assert arithmetic.h_previous == pytest.approx(trace.hidden[0, 0, 0, 0])


@pytest.mark.parametrize("stored", [np.nan, np.inf])
def test_a_number_out_of_place_is_infinitely_wrong(stored: float) -> None:
    inputs = inputs_of({"timesteps": 2}, cell="rnn_tanh", hidden_size=2)
    trace = computed(engine_or_skip("manual"), inputs)[0]
    hidden = np.array(trace.hidden)
    hidden[0, 0, 1, 0, 1] = stored
    arithmetic = explain(inputs, trace.with_arrays({"h": hidden}), Location(timestep=1, unit=1))
    assert arithmetic.outcomes[-1].ratio == np.inf
    assert not arithmetic.outcomes[-1].right


def test_a_zero_where_the_equations_give_no_number_is_infinitely_wrong() -> None:
    inputs = inputs_of({"timesteps": 2}, cell="rnn_relu", hidden_size=2)
    trace = computed(engine_or_skip("manual"), inputs)[0]
    hidden = np.array(trace.hidden)
    hidden[0, 0, 0, 0] = np.inf * np.sign(inputs.parameters["l0_h2h_weight"][1]) * [1, -1]
    hidden[0, 0, 1, 0, 1] = 0.0
    arithmetic = explain(inputs, trace.with_arrays({"h": hidden}), Location(timestep=1, unit=1))
    assert np.isnan(arithmetic.h)
    assert arithmetic.outcomes[-1].ratio == np.inf


def test_a_nan_that_follows_from_its_inputs_is_right() -> None:
    inputs = inputs_of({"timesteps": 2}, cell="gru", hidden_size=2)
    trace = computed(engine_or_skip("manual"), inputs)[0]
    hidden = np.array(trace.hidden)
    hidden[0, 0, :, 0, :] = np.nan
    arithmetic = explain(inputs, trace.with_arrays({"h": hidden}), Location(timestep=1))
    assert np.isnan(arithmetic.h)
    assert arithmetic.outcomes[-1].difference == 0.0
    assert arithmetic.outcomes[-1].right
    pre = arithmetic.gates[0].pre
    assert [pre.term(int(place)).kind for place in pre.by_weight()[:2]] == ["h2h", "h2h"]
