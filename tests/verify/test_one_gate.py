"""Weights of one gate that are solved from the values of a wrong lane, and said as nearest."""

from collections.abc import Callable

import numpy as np
import pytest

from rnnviz.core.inputs import Inputs
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import faulty_trace
from rnnviz.text.cause_words import nearest_phrase
from rnnviz.verify.audit import audit
from rnnviz.verify.causes import OTHER_WEIGHTS, LaneDiagnosis, explain_lanes, wrong_lanes
from rnnviz.verify.one_gate import FittedGate, fitted_gate
from tests.profiles import nightly_except
from tests.verify.audit_helpers import with_parameters
from tests.verify.planted import Arrays, Planted, planted_trace, small_inputs

EVERY_GATE = [(cell, gate) for cell, gates in {"rnn_tanh": "h", "gru": "rzn", "lstm": "ifgo"}.items() for gate in gates]
GATES = nightly_except(EVERY_GATE, ("rnn_tanh", "h"), ("gru", "n"), ("gru", "r"), ("lstm", "f"))
SIZE = 5


def with_rows(cell: str, gate: str, change: Callable[[str, np.ndarray], np.ndarray]) -> Callable[[Arrays], Arrays]:
    """The parameters with a change of the rows of a gate."""
    at = {"rnn_tanh": "h", "rnn_relu": "h", "gru": "rzn", "lstm": "ifgo"}[cell].index(gate) * SIZE

    def changed(p: Arrays) -> Arrays:
        found = {name: array.copy() for name, array in p.items()}
        for name, array in found.items():
            array[at : at + SIZE] = change(name, p[name][at : at + SIZE])
        return found

    return changed


def one_weight(name: str, rows: np.ndarray) -> np.ndarray:
    return (
        rows + 0.31 * (np.indices(rows.shape).sum(axis=0) == 5) * (np.arange(SIZE) == 3)
        if name == "h2h_weight"
        else rows
    )


def fitted(inputs: Inputs, parameters: Callable[[Arrays], Arrays]) -> tuple[FittedGate, float] | None:
    trace = planted_trace(inputs, Planted("other", frozenset({(1, 0)}), parameters=parameters))
    (lane,) = wrong_lanes(inputs, trace, audit(inputs, trace, full=True).ratio_over_time)
    return fitted_gate(lane)


def diagnosed(inputs: Inputs, parameters: Callable[[Arrays], Arrays]) -> LaneDiagnosis:
    trace = planted_trace(inputs, Planted("other", frozenset({(1, 0)}), parameters=parameters))
    lanes = wrong_lanes(inputs, trace, audit(inputs, trace, full=True).ratio_over_time)
    return explain_lanes(inputs, trace, lanes, seconds=0.0)


@pytest.mark.parametrize("dtype", nightly_except(["float32", "float64"], "float32"))
@pytest.mark.parametrize(("cell", "gate"), GATES)
def test_a_single_weight_that_differs_is_found(cell, gate, dtype):
    inputs = small_inputs(30, 4, cell=cell, bidirectional=False, dtype=dtype)
    nearest = diagnosed(inputs, with_rows(cell, gate, one_weight)).nearest
    assert nearest is not None
    assert (nearest.name, nearest.layer, nearest.direction) == (OTHER_WEIGHTS, 1, 0)
    assert nearest.distance <= 1.0 < nearest.right_distance
    own = nearest.fitted
    assert own is not None
    assert (own.gate, own.parameters, own.units, own.column) == (gate, ("h2h_weight",), (2,), 3)
    assert own.by == pytest.approx(0.31, abs=1e-3)


@pytest.mark.parametrize(("cell", "gate"), GATES)
def test_units_in_another_order_are_found(cell, gate):
    inputs = small_inputs(30, 4, cell=cell, bidirectional=False)
    order = [1, 2, 0, 3, 4]
    found = fitted(inputs, with_rows(cell, gate, lambda name, rows: rows[order]))
    assert found is not None
    assert (found[0].gate, found[0].units, found[0].rows_of) == (gate, (0, 1, 2), (1, 2, 0))
    assert found[1] <= 1.0


@pytest.mark.parametrize(("cell", "gate"), nightly_except(EVERY_GATE, ("gru", "n"), ("lstm", "f")))
@pytest.mark.parametrize("name", ["i2h_weight", "i2h_bias", "h2h_bias"])
def test_the_parameter_that_differs_is_named(cell, gate, name):
    inputs = small_inputs(30, 4, cell=cell, bidirectional=False)

    def moved(own: str, rows: np.ndarray) -> np.ndarray:
        return rows + np.random.default_rng(1).normal(size=rows.shape) * (own == name)

    found = fitted(inputs, with_rows(cell, gate, moved))
    assert found is not None
    # Of two biases that are added the sum is known.
    alike = ("i2h_bias",) if name == "h2h_bias" and gate != "n" else (name,)
    assert (found[0].gate, found[0].parameters, found[0].units) == (gate, alike, (0, 1, 2, 3, 4))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_several_wrong_gates_and_few_steps_fit_no_gate(cell):
    drawn = np.random.default_rng(2)

    def all_gates(p: Arrays) -> Arrays:
        return p | {"h2h_weight": p["h2h_weight"] + drawn.normal(size=p["h2h_weight"].shape)}

    assert fitted(small_inputs(30, 4, cell=cell, bidirectional=False), all_gates) is None
    first = {"gru": "r", "lstm": "i"}[cell]
    assert fitted(small_inputs(4, 3, cell=cell, bidirectional=False), with_rows(cell, first, one_weight)) is None
    other = small_inputs(30, 4, cell="lstm_peephole" if cell == "lstm" else "gru_reset_before", bidirectional=False)
    assert fitted(other, with_rows(cell, first, one_weight)) is None


def test_other_weights_are_said_with_their_place():
    inputs = small_inputs(30, 4, cell="lstm", bidirectional=False)
    nearest = diagnosed(inputs, with_rows("lstm", "f", one_weight)).nearest
    assert nearest is not None
    said = "other weights of gate f in layer 1: another column 3 of W_h2h in unit 2, by 0.31"
    assert nearest_phrase(nearest, 1) == said


def test_recorded_cell_states_are_read():
    inputs = small_inputs(30, 4, cell="lstm", bidirectional=False, num_layers=1)
    change = with_rows("lstm", "f", one_weight)
    kinds = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
    own = {kind: np.asarray(inputs.parameters[f"l0_{kind}"], np.float64) for kind in kinds}
    other = with_parameters(inputs, lambda name, array: change(own)[name.removeprefix("l0_")])
    trace = faulty_trace(BugVariant(), other)
    assert "c" in trace
    (lane,) = wrong_lanes(inputs, trace, audit(inputs, trace, full=True).ratio_over_time)
    found = fitted_gate(lane)
    assert found is not None
    assert (found[0].gate, found[0].units, found[0].column) == ("f", (2,), 3)


def test_a_weight_of_a_relu_network_is_found_where_the_unit_is_active():
    inputs = small_inputs(60, 4, cell="rnn_relu", bidirectional=False)
    found = fitted(inputs, with_rows("rnn_relu", "h", one_weight))
    assert found is not None
    assert (found[0].units, found[0].column, found[0].by) == ((2,), 3, pytest.approx(0.31, abs=1e-3))
