"""Engines that simulate known bugs, of the forward and of the backward pass."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells import CELLS, Sizes, Step, Values
from rnnviz.cells.activations import linear, relu, sigmoid
from rnnviz.cells.gru import GRU
from rnnviz.core.config import CELL_NAMES, Backward, Config, Network
from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import LayerParameters
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant, output_peephole_of_old_state, registry
from rnnviz.engines.known_bugs.backward import BackwardPasses
from rnnviz.engines.known_bugs.engine import KnownBugEngine, StepWindow, expected_and_found, faulty_trace, run_fault
from rnnviz.engines.known_bugs.hypotheses import handed
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, PREFIX, gradient_bugs_in, known_bugs_in, known_bugs_of
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.registry import find_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.audit import audit
from rnnviz.verify.consistency_checks import consistency_checks
from tests.cells.layers import EXAMPLES
from tests.engines.backward_bugs import WAYS, users_gradients
from tests.engines.custom_code.files import computed as users_outputs
from tests.engines.seeded_bugs import planted
from tests.engines.test_gradients import losses, with_gradients
from tests.oracles.cell_loops import in_test_of
from tests.oracles.computed import assert_near, computed, empty_trace
from tests.oracles.gradients import oracle_gradients
from tests.oracles.recurrence import recurrence
from tests.padded import padded_inputs
from tests.strategies import configs
from tests.verify.audit_helpers import inputs_of, with_parameters

SIMPLE_CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")
LSTM = ["gates-i-f-o-g", "gates-i-o-f-g", "gates-i-g-f-o", "forget-bias-one", "cell-not-squashed"]
NAMES = {
    "rnn": [
        *("no-i2h-bias", "no-h2h-bias", "h2h-transposed", "state-not-carried", "wrong-activation"),
        *("reverse-not-reversed", "reverse-not-realigned", "concat-swapped", "final-state-at-last-timestep"),
        "batch-as-time",
    ],
    "padding": [
        *("lengths-ignored", "state-at-last-timestep-of-batch", "backward-starts-in-padding", "padding-not-zeroed"),
        *("lengths-off-by-one", "sorted-order-not-restored"),
    ],
    "seams": ["state-not-carried-between-calls", "states-swapped-between-calls"],
    "gradients": [
        *("truncated-at-one-step", "weight-gradient-not-summed-over-time", "cell-gradient-dropped"),
        *("direct-output-gradient-dropped", "derivative-at-wrong-pre-activation"),
        *("backward-direction-not-reversed-in-gradient", "forward-bias-used-twice", "reset-gate-gradient-missing"),
        "initial-state-gradient-missing",
    ],
    "rnn_relu": [],
    "rnn_tanh": [],
    "lstm": LSTM,
    "gru": ["gates-z-r-n", "reset-before-matmul", "h2h-bias-outside-reset", "update-gate-inverted"],
    "gru_reset_before": ["gates-z-r-n", "reset-after-matmul", "update-gate-inverted"],
    "lstm_coupled": ["cell-not-squashed", "coupled-gates-exchanged"],
    "lstm_projection": [*LSTM, "projection-transposed"],
    "lstm_peephole": [*LSTM, "peephole-from-old-cell-state", "no-peepholes", "peepholes-i-f-o"],
}
BIDIRECTIONAL = {"reverse-not-reversed", "reverse-not-realigned", "concat-swapped", "final-state-at-last-timestep"}


def network(cell: str, *, bidirectional: bool) -> Network:
    return Network(cell, 5, 6, bidirectional=bidirectional)


def faulty(name: str, inputs: Inputs) -> Trace:
    return computed(KnownBugEngine(PREFIX + name), inputs)[0]


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_network_can_have_the_bugs_of_its_cell_and_directions(cell, bidirectional):
    own = NAMES[cell] if cell in NAMES else in_test_of(cell, "KNOWN_BUGS")
    expected = {*NAMES["rnn"], *own}
    if not bidirectional:
        expected -= BIDIRECTIONAL
    assert {bug.name for bug in known_bugs_of(network(cell, bidirectional=bidirectional))} == expected
    assert set(KNOWN_BUGS) == {name for names in NAMES.values() for name in names} | {"clip-missing"}


def test_bugs_of_a_setting():
    clipped = {bug.name for bug in known_bugs_of(Network("gru", 5, 6, clip=1.0))}
    projected = {bug.name for bug in known_bugs_of(Network("lstm", 5, 6, projection_size=3))}
    assert clipped == {*NAMES["rnn"], *NAMES["gru"], "clip-missing"} - BIDIRECTIONAL
    assert projected == {*NAMES["rnn"], *NAMES["lstm_projection"]} - BIDIRECTIONAL


@pytest.mark.parametrize("name", KNOWN_BUGS)
def test_every_known_bug_has_a_name_a_cause_an_origin_and_a_fix(name):
    bug = KNOWN_BUGS[name]
    assert bug.name == name
    assert bug.engine == f"bug:{name}"
    assert bug.origin.endswith(".")
    assert bug.origin.replace("et al. ", "").count(". ") == 0
    assert not bug.cause.endswith(".")
    assert bug.fix.endswith(".")
    assert bug.fix.count(". ") == 0
    assert all(variants for variants in bug.variants.values())
    assert find_engine(bug.engine).bug is bug


def test_a_bug_that_the_network_cannot_have_is_refused_with_the_reason():
    gru = KNOWN_BUGS["gates-z-r-n"]
    assert "gru, gru_reset_before" in str(gru.unsupported_reason(network("lstm", bidirectional=False)))
    swapped = KNOWN_BUGS["concat-swapped"]
    assert "set network.bidirectional" in str(swapped.unsupported_reason(network("gru", bidirectional=False)))
    with pytest.raises(EngineError, match="bidirectional"):
        faulty("concat-swapped", inputs_of({}, cell="gru", hidden_size=3))


@given(config=configs())
def test_an_empty_fault_equals_the_manual_recurrence(config):
    inputs = load_inputs(config)
    trace = empty_trace(inputs, cell=True)
    run_fault(BugVariant(), inputs, trace, lambda done: None)
    right, _ = computed(ManualEngine(), inputs)
    tolerance = 1e-12 if config.network.dtype == "float64" else 2e-5
    assert trace.keys() == right.keys()
    for name in trace:
        assert_near(trace[name], right[name], tolerance, name)


@pytest.mark.parametrize("name", ["cell-not-squashed", "batch-as-time", "final-state-at-last-timestep"])
def test_cell_states_need_not_be_stored(name):
    inputs = both_ways("lstm")
    trace = empty_trace(inputs, cell=False)
    run_fault(KNOWN_BUGS[name].variants["lstm"][0], inputs, trace, lambda done: None)
    whole = faulty(name, inputs)
    for array in ("h", "out", "state.h"):
        assert_near(trace[array], whole[array], 1e-12)


@given(config=configs(), data=st.data())
def test_a_bug_fills_every_number_and_leaves_the_inputs_alone(config, data):
    inputs = load_inputs(config)
    before = {name: np.array(array) for name, array in inputs.parameters.items()}
    bug = data.draw(st.sampled_from(known_bugs_of(config.network)))
    trace = faulty(bug.name, inputs)
    assert all(np.isfinite(array).all() for array in trace.values())
    for name, array in before.items():
        np.testing.assert_array_equal(inputs.parameters[name], array)


@pytest.mark.parametrize("cell", SIMPLE_CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_bug_is_found_by_the_audit_or_breaks_a_check(cell, bidirectional):
    sizes = {"hidden_size": 7, "bidirectional": bidirectional, "num_layers": 2}
    inputs = inputs_of({"timesteps": 6, "batch_size": 4}, cell=cell, **sizes)
    right, _ = computed(ManualEngine(), inputs)
    assert audit(inputs, right).verdict == "right"
    for bug in known_bugs_of(inputs.network):
        trace = faulty(bug.name, inputs)
        broken = [c for c in consistency_checks(trace, *inputs.config.tolerances) if not c.holds]
        found = audit(inputs, trace)
        assert found.wrong or broken, bug.name
        if found.wrong:
            assert found.worst_ratio > 100, bug.name


def both_ways(cell: str = "gru", **more: int) -> Inputs:
    return inputs_of(
        {"timesteps": 5, "batch_size": 3}, cell=cell, hidden_size=4, bidirectional=True, dtype="float64", **more
    )


@pytest.mark.parametrize("mine", list(planted()), ids=str)
def test_a_bug_of_the_step_computes_what_a_users_code_with_it_does(mine, tmp_path):
    """Scaled so that the linear gates of other frameworks are met between and beyond their ends."""
    sizes = {"hidden_size": 4, "num_layers": 2, "bidirectional": True, "dtype": "float64"}
    inputs = inputs_of({"timesteps": 4, "batch_size": 3}, {"scale": 1.0}, cell=mine.cell, **sizes)
    found = faulty_trace(KNOWN_BUGS[mine.bug].variants[mine.cell][mine.way], inputs)
    for name, array in users_outputs(inputs, mine.written(tmp_path)).items():
        assert_near(found[name], array, 1e-12, name)


def test_every_way_of_a_bug_of_the_step_is_planted():
    every = {(p.cell, p.bug, p.way) for p in planted()}
    for cell in SIMPLE_CELLS:
        bugs = [bug for bug in known_bugs_of(network(cell, bidirectional=False)) if bug.name != "batch-as-time"]
        assert {(c, b, w) for c, b, w in every if c == cell} == {
            (cell, bug.name, way) for bug in bugs for way in range(len(bug.variants[cell]))
        }


def test_a_reverse_that_is_not_reversed_is_a_second_forward_layer():
    inputs = both_ways()
    right = recurrence(inputs).hidden
    trace = faulty("reverse-not-reversed", inputs)
    turned = replace(inputs, sequence=np.ascontiguousarray(inputs.sequence[::-1]))
    assert_near(trace.hidden[:, 0], right[:, 0], 1e-12)
    assert_near(trace.hidden[:, 1], recurrence(turned).hidden[:, 1, ::-1], 1e-12)
    np.testing.assert_array_equal(trace.state_h[1], trace.hidden[0, 1, -1])


def test_a_reverse_that_is_not_realigned_is_in_the_order_of_computation():
    inputs = both_ways()
    trace = faulty("reverse-not-realigned", inputs)
    assert_near(trace.hidden[0, 1], recurrence(inputs).hidden[0, 1, ::-1], 1e-12)
    assert_near(trace.state_h[1], recurrence(inputs).state_h[1], 1e-12)


def test_swapped_directions_show_in_out_and_feed_the_next_layer():
    inputs = both_ways(num_layers=2)
    right = recurrence(inputs)
    trace = faulty("concat-swapped", inputs)
    assert_near(trace.hidden[0], right.hidden[0], 1e-12)
    np.testing.assert_array_equal(trace.output, np.concatenate(trace.hidden[1][::-1], axis=-1))

    def swapped(name, array):
        return np.roll(array, 4, axis=1) if name in ("l1_i2h_weight", "r1_i2h_weight") else array

    assert_near(trace.hidden[1], recurrence(with_parameters(inputs, swapped)).hidden[1], 1e-12)


@pytest.mark.parametrize("cell", SIMPLE_CELLS)
def test_a_final_state_at_the_last_time_step_is_wrong_in_the_backward_state_alone(cell):
    inputs = both_ways(cell)
    right, trace = recurrence(inputs), faulty("final-state-at-last-timestep", inputs)
    assert_near(trace.hidden, right.hidden, 1e-12)
    assert_near(trace.output, right.output, 1e-12)
    assert_near(trace.state_h[0], right.state_h[0], 1e-12)
    assert_near(trace.state_h[1], right.hidden[0, 1, -1], 1e-12)
    if trace.state_c is not None and right.cell is not None:
        assert_near(trace.state_c, right.cell[0, :, -1], 1e-12)


def test_an_exchanged_batch_is_the_network_along_the_samples():
    inputs = inputs_of({"timesteps": 3, "batch_size": 3}, cell="lstm", hidden_size=4, dtype="float64")
    exchanged = replace(inputs, sequence=np.ascontiguousarray(inputs.sequence.swapaxes(0, 1)))
    trace = faulty("batch-as-time", inputs)
    assert_near(trace.hidden, recurrence(exchanged).hidden.swapaxes(2, 3), 1e-12)
    assert_near(trace.output, recurrence(exchanged).output.swapaxes(0, 1), 1e-12)


def test_two_deviations_go_together_unless_they_contradict_each_other():
    one, other = BugVariant(activations=(("output", linear),)), BugVariant(activations=(("candidate", relu),))
    both = one.together_with(other)
    assert both == BugVariant(activations=(("output", linear), ("candidate", relu)))
    assert other.together_with(BugVariant(activations=(("candidate", sigmoid),))) is None
    assert one.together_with(BugVariant()) == one
    cut = BugVariant(cut=("c",))
    assert cut.together_with(BugVariant(doubled=("i2h_bias",))) == BugVariant(cut=("c",), doubled=("i2h_bias",))
    assert cut.together_with(BugVariant(cut=("h",))) is None
    ways = [KNOWN_BUGS[name].variants["gru"][0] for name in ("no-i2h-bias", "h2h-transposed", "no-h2h-bias")]
    chained = ways[0].together_with(ways[1])
    assert chained is not None
    assert chained.together_with(ways[2]) == BugVariant(parameters=tuple(way.parameters[0] for way in ways))


def test_a_known_bug_of_every_cell_keeps_its_fault_in_a_custom_cell():
    network = Network("./mgu.py", 3, 4, custom=EXAMPLES["mgu"])
    for name in ("no-h2h-bias", "h2h-transposed", "concat-swapped"):
        faults = KNOWN_BUGS[name].faults(network)
        assert faults
        assert not any(fault.forgotten for fault in faults)
    assert all(fault.forgotten for fault in KNOWN_BUGS["state-not-carried"].faults(network))
    # The lines of a cell of the program are none of the custom cell's, also where its gates have the same names.
    for bug in KNOWN_BUGS.values():
        assert bug.cells is None or bug.faults(replace(network, custom=GRU)) == ()


def test_the_bugs_of_the_direction_apply_and_the_others_do_not():
    inputs = inputs_of({"timesteps": 5}, cell="rnn_tanh", hidden_size=3, reverse=True)
    names = {bug.name for bug in known_bugs_of(inputs.network)}
    assert {"reverse-not-reversed", "reverse-not-realigned", "final-state-at-last-timestep"} <= names
    assert "concat-swapped" not in names
    right, _ = computed(ManualEngine(), inputs)
    turned = faulty("reverse-not-realigned", inputs)
    np.testing.assert_allclose(turned.hidden, right.hidden[:, :, ::-1], atol=1e-5)


def test_a_bug_of_an_unknown_name_tells_nothing_of_itself():
    engine = registry.unknown_engine("h2h-transposed")
    bug = registry.bug_of(engine)
    assert bug is not None
    assert (bug.name, bug.cause, bug.origin, bug.fix) == (engine, "", "", "")
    assert bug.ways == KNOWN_BUGS["h2h-transposed"].ways
    assert registry.bug_of(registry.unknown_engine("no-such-bug")) is None


Array = np.ndarray[Any, Any]
ROWS = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")


def negated(names: tuple[str, ...], rows: slice = slice(None)) -> dict[str, Callable[[Any], Array]]:
    def change(name: str) -> Callable[[Any], Array]:
        def of(p: Any) -> Array:
            signs = np.ones_like(getattr(p, name))
            signs[rows] = -1.0
            return np.asarray(signs * getattr(p, name))

        return of

    return {name: change(name) for name in names}


CHANGES: dict[tuple[str, str], dict[str, Callable[[Any], Array]]] = {
    # With I, H, P = 2, 3, 2.
    ("h2h-transposed", "lstm_projection"): {
        "h2h_weight": lambda p: np.vstack([a.T.reshape(3, 2) for a in np.split(p.h2h_weight, 4)])
    },
    ("coupled-gates-exchanged", "lstm_coupled"): negated(ROWS, slice(0, 3)),
    ("coupled-gates-exchanged", "lstm_coupled_peephole"): negated(ROWS, slice(0, 3)) | negated(("c2i_weight",)),
    ("projection-transposed", "lstm_projection"): {"h2r_weight": lambda p: p.h2r_weight.T.reshape(2, 3)},
    ("no-peepholes", "lstm_peephole"): {
        "c2i_weight": lambda p: 0.0 * p.c2i_weight,
        "c2f_weight": lambda p: 0.0 * p.c2f_weight,
        "c2o_weight": lambda p: 0.0 * p.c2o_weight,
    },
    ("peepholes-i-f-o", "lstm_peephole"): {"c2f_weight": lambda p: p.c2o_weight, "c2o_weight": lambda p: p.c2f_weight},
}
"""By bug and cell: the parameters that change, from those before. Other cells are compared with users' code."""


@pytest.mark.parametrize(("bug", "cell"), CHANGES)
def test_a_bug_reads_other_parameters(bug, cell):
    kind, count, arrays = CELLS[cell], 1.0, dict[str, Array]()
    for name, shape in kind.parameter_shapes(Sizes(2, 3, 2) if kind.projects else Sizes(2, 3)).items():
        arrays[name] = count + np.arange(np.prod(shape)).reshape(shape)
        count += arrays[name].size
    before = LayerParameters(**{name: array.copy() for name, array in arrays.items()})
    (fault,) = KNOWN_BUGS[bug].variants[cell]
    after = fault.read(kind, before)
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(before, name), array, name)
        expected = CHANGES[bug, cell][name](before) if name in CHANGES[bug, cell] else array
        np.testing.assert_array_equal(getattr(after, name), expected, name)


def test_the_output_gate_sees_the_previous_cell_state():
    def step(u, v, state, p, *, gate=None):
        return Step(c=2.0 * state.c, h=p.c2o_weight * (2.0 * state.c) + p.c2i_weight * state.c + u.o + v.o, gate=gate)

    values = (Values("u", {"o": 1.0}), Values("v", {"o": 10.0}), Values("state", {"c": 100.0}))
    p = Values("p", {"c2o_weight": 3.0, "c2i_weight": 5.0})
    found = output_peephole_of_old_state(step)(*values, p, gate="g")
    assert dict(found) == {"c": 200.0, "h": 300.0 + 500.0 + 11.0, "gate": "g"}


@pytest.mark.parametrize("name", ["rnn_relu", "lstm", "gru"])
def test_a_clip_is_dropped_by_an_unclipped_fault_alone(name):
    clipped = Network(name, 3, 4, clip=1.0).kind
    assert BugVariant().changed(clipped) == clipped != CELLS[name]
    assert BugVariant(unclipped=True).changed(clipped) == CELLS[name]


STEPS = 3


def two_layers(cell: str, *, bidirectional: bool = True) -> Inputs:
    """Two layers of 4 units over 5 time steps and 6 samples."""
    sizes = {"num_layers": 2, "bidirectional": bidirectional, "dtype": "float64"}
    return inputs_of({"timesteps": 5, "batch_size": 6}, cell=cell, hidden_size=4, **sizes)


def parts(inputs: Inputs, *samples: int) -> list[StepWindow]:
    lanes = [(layer, d) for layer in (0, 1) for d in range(inputs.network.directions)]
    return [StepWindow(*lane, STEPS, samples) for lane in lanes]


@pytest.mark.parametrize("cell", SIMPLE_CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_first_steps_of_every_lane_equal_the_simulated_bug(cell, bidirectional):
    inputs = two_layers(cell, bidirectional=bidirectional)
    for bug in known_bugs_of(inputs.network):
        for fault in bug.variants[cell]:
            trace = faulty_trace(fault, inputs)
            for part in parts(inputs, 1, 3):
                expected, found = expected_and_found(fault, inputs, trace, part)
                assert found.shape == expected.shape == (STEPS, 2, 4)
                np.testing.assert_allclose(expected, found, rtol=0, atol=1e-12, err_msg=f"{bug.name} {part}")


@pytest.mark.parametrize(
    ("fault", "stored"),
    [
        (BugVariant(), {0: [0, 1, 2], 1: [4, 3, 2]}),
        (BugVariant(backward="not_reversed"), {0: [0, 1, 2], 1: [0, 1, 2]}),
        (BugVariant(backward="not_realigned"), {0: [0, 1, 2], 1: [0, 1, 2]}),
    ],
)
def test_the_steps_are_the_first_in_the_order_of_computation(fault, stored):
    inputs = two_layers("lstm")
    trace = computed(ManualEngine(), inputs)[0]
    for part in parts(inputs, 5, 0):
        _, found = expected_and_found(fault, inputs, trace, part)
        there = trace.hidden[part.layer, part.direction][stored[part.direction]][:, [5, 0]]
        np.testing.assert_array_equal(found, there)


def test_a_step_continues_from_the_previous_state_of_the_engine():
    inputs = two_layers("lstm")
    trace = computed(ManualEngine(), inputs)[0]
    for part in parts(inputs, 2):
        right, found = expected_and_found(BugVariant(), inputs, trace, part)
        np.testing.assert_allclose(right, found, rtol=0, atol=1e-12)
        second = -2 if part.direction else 1
        there = trace.hidden[part.layer, part.direction, second, 2]
        there += 0.5
        after, found = expected_and_found(BugVariant(), inputs, trace, part)
        off = np.abs(after - found).max(axis=(1, 2)) > 1e-3
        assert off.tolist() == [False, True, True]
        there -= 0.5


def test_of_exchanged_axes_the_samples_are_the_steps():
    inputs = two_layers("gru")
    fault = BugVariant(batch_as_time=True)
    trace = faulty_trace(fault, inputs)
    # The sixth sample would be a sixth time step.
    expected, found = expected_and_found(fault, inputs, trace, StepWindow(1, 1, 4, (0, 4, 5)))
    np.testing.assert_allclose(expected, found, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found, trace.hidden[1, 1, [0, 4], :1:-1].swapaxes(0, 1))
    whole, _ = expected_and_found(fault, inputs, trace, StepWindow(0, 0, 9, (0,)))
    assert whole.shape == (6, 1, 4)


PARAMETERS = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
LSTM_SLOPES = [("g",), ("",), ("g", ""), ("i", "f", "o")]
RELU_SLOPES = [{"slope": "input"}, {"slope": "input", "slope_of": ("h",)}, {"slope": "previous"}]
PREVIOUS = BugVariant(slope="previous")
BUGS = [name for name, bug in KNOWN_BUGS.items() if bug.of_gradients]


def gradient_inputs(cell: str, loss: dict[str, Any] | None = None, **network: Any) -> Inputs:
    """Two layers in two directions, on three samples of which two have padding."""
    tables = {
        "network": {"cell": cell, "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True, **network},
        "sequence": {"batch_size": 3, "timesteps": 5, "lengths": [5, 2, 4]},
        "parameters": {"initializer": "normal", "scale": 0.5, "bias": "uniform"},
        "initial_state": {"source": "normal"},
        "backward": {"enabled": True, "loss": "normal", "final_state": "normal", **(loss or {})},
    }
    return load_inputs(Config.from_mapping(tables))


@given(data=st.data())
def test_a_backward_pass_without_a_bug_is_that_of_plain_loops(data):
    pytest.importorskip("torch")
    inputs = data.draw(losses(data.draw(padded_inputs())))
    expected, trace = oracle_gradients(inputs), faulty_trace(BugVariant(), inputs)
    tolerance = 1e-10 if inputs.network.dtype == "float64" else 1e-4
    for name, index, array in BackwardPasses(inputs, trace, "float64").gradients(BugVariant()):
        assert_near(array, expected[name][index], tolerance, name)


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_has_the_gradients_of_a_users_code(name):
    inputs = gradient_inputs("gru" if name == "reset-gate-gradient-missing" else "lstm", dtype="float64")
    trace, _ = with_gradients(KnownBugEngine(PREFIX + name), inputs)
    correct, expected = users_gradients(inputs), users_gradients(inputs, name)
    assert any(not np.allclose(correct[key], expected[key]) for key in correct)
    for key, array in expected.items():
        assert_near(trace[key], array, 1e-12, key)
    assert_near(trace.hidden, faulty_trace(BugVariant(), inputs).hidden, 0.0)


def test_only_a_run_with_a_backward_pass_has_them():
    inputs = gradient_inputs("lstm")
    without = load_inputs(replace(inputs.config, backward=Backward()))
    assert gradient_bugs_in(without) == []
    assert [bug.name for bug in gradient_bugs_in(inputs)] == [n for n in BUGS if n != "reset-gate-gradient-missing"]
    assert not {bug.name for bug in known_bugs_in(inputs)} & set(BUGS)
    assert KnownBugEngine("bug:no-h2h-bias").gradients(inputs.network) == ()


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_bugs_of_a_cell_and_of_directions(cell):
    found = {bug.name for bug in gradient_bugs_in(gradient_inputs(cell, bidirectional=False))}
    assert ("cell-gradient-dropped" in found) == cell.startswith("lstm")
    assert ("reset-gate-gradient-missing" in found) == cell.startswith("gru")
    assert "backward-direction-not-reversed-in-gradient" not in found


@pytest.mark.parametrize(
    ("bug", "cell", "expected"),
    [
        (
            "derivative-at-wrong-pre-activation",
            "lstm",
            [
                *({"slope": s, "slope_of": of} for s in ("value", "formula") for of in ((), *LSTM_SLOPES)),
                *({"slope": "input", "slope_of": of} for of in ((), ("g",), ("g", ""), ("i", "f", "o"))),
                {"slope": "previous"},
            ],
        ),
        ("derivative-at-wrong-pre-activation", "rnn_relu", RELU_SLOPES),
        (
            "weight-gradient-not-summed-over-time",
            "gru",
            [
                {"kept": kept, "kept_step": step}
                for step in ("last", "first")
                for kept in (PARAMETERS, ("i2h_weight", "h2h_weight"), ("h2h_weight",))
            ],
        ),
        (
            "forward-bias-used-twice",
            "gru",
            [
                {"doubled": biases, "doubled_forward": forward}
                for forward in (False, True)
                for biases in (("i2h_bias", "h2h_bias"), ("i2h_bias",), ("h2h_bias",))
            ],
        ),
        ("reset-gate-gradient-missing", "gru_reset_before", [{"constant": ("r",)}, {"not_passed": ("r",)}]),
    ],
)
def test_the_variants_of_a_cell(bug, cell, expected):
    assert KNOWN_BUGS[bug].variants[cell] == tuple(BugVariant(**fields) for fields in expected)


def test_a_derivative_at_the_previous_pre_activation():
    """Before the first time step comes the last one, as Python's index -1 does."""
    inputs = gradient_inputs("rnn_tanh", num_layers=1, bidirectional=False, dtype="float64")
    inputs = replace(inputs, lengths=())
    trace = faulty_trace(BugVariant(), inputs)
    found = {name: array for name, _, array in BackwardPasses(inputs, trace, "float64").gradients(PREVIOUS)}
    assert inputs.loss is not None
    passed, weight = inputs.loss.state["h"][0], inputs.parameters["l0_h2h_weight"]
    direct = inputs.loss.direct(inputs.network, 0, 0, range(inputs.timesteps), inputs.batch_size)
    assert direct is not None
    for t in reversed(range(inputs.timesteps)):
        of_h = direct[t] + passed
        assert_near(found["grad.h"][t], of_h, 1e-12)
        passed = (of_h * (1.0 - trace.hidden[0, 0, t - 1] ** 2)) @ weight
    assert_near(found["grad.h0"], passed, 1e-12)


def test_a_backward_pass_without_a_bug_has_the_gradients_of_a_projection():
    inputs = gradient_inputs("lstm", projection_size=2, dtype="float64")
    trace, _ = with_gradients(ManualEngine(), inputs)
    names = set()
    for name, index, array in BackwardPasses(inputs, trace, "float64").gradients(BugVariant()):
        names.add(name)
        assert_near(array, trace[name][index], 1e-10, name)
    assert "grad.parameters.r1_h2r_weight" in names


def test_every_way_of_a_users_code_is_of_a_known_bug():
    assert list(WAYS) == BUGS


def test_a_clip_keeps_the_slope_of_its_own_step():
    inputs = gradient_inputs("gru", clip=0.3, dtype="float64")
    trace, _ = with_gradients(ManualEngine(), inputs)
    passes = BackwardPasses(inputs, trace, "float64")
    right, found = (
        {(name, index[0]): array for name, index, array in passes.gradients(fault) if name == "grad.n"}
        for fault in (BugVariant(), PREVIOUS)
    )
    for place, array in right.items():
        np.testing.assert_array_equal(found[place][array == 0.0], 0.0)
        assert 0.1 < np.mean(array == 0.0) < 0.9


def test_a_state_is_handed_on_as_its_change_says():
    """States (N, U) of two samples: the initial ones, and those after the last two steps."""
    initial, before, now = np.arange(18.0).reshape(3, 2, 3)
    expected = {
        "": now,
        "zeros": 0.0 * now,
        "initial": initial,
        "two-before": before,
        "doubled": 2.0 * now,
        "next-sample": now[::-1],
        "reversed": now[:, ::-1],
    }
    for change, state in expected.items():
        np.testing.assert_array_equal(handed(change, initial, [before, now]), state, change)
    np.testing.assert_array_equal(handed("two-before", initial, [now]), now)


def test_a_bug_at_a_place_is_an_engine_of_its_whole_name():
    entry = find_engine("bug:no-h2h-bias@layer=1,from=2")
    assert (entry.name, entry.title) == ("bug:no-h2h-bias@layer=1,from=2",) * 2
    assert entry.unavailable is None
