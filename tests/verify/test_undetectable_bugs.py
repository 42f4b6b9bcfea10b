"""Undetectable bugs of a run and the change that makes them detectable, and known bugs of padding in a user's loops."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace, with_missing
from rnnviz.engines.known_bugs.engine import StepWindow, expected_and_found, faulty_trace, run_fault
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, KnownBug, known_bugs_in, known_bugs_of
from rnnviz.engines.recorded_outputs import RecordedEngine
from rnnviz.execution.events import RunRequest
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.io.inputs import load_inputs
from rnnviz.verify import diagnosis
from rnnviz.verify.audit import audit
from rnnviz.verify.consistency_checks import PADDING_CHECK, Check, consistency_checks, padding_check
from rnnviz.verify.diagnosis import ForwardEvidence, diagnose
from rnnviz.verify.undetectable_bugs import _parts, _short, single_changes, suggested_config, undetectable
from tests.cases import cases
from tests.oracles.cell_loops import cell_values
from tests.oracles.computed import computed, empty_trace
from tests.profiles import nightly_except
from tests.strategies import configs
from tests.verify.audit_helpers import with_parameters

CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")


def config_of(cell: str, **tables: dict[str, Any]) -> Config:
    """A network in which every bug shows, but for what `tables` change."""
    base: dict[str, dict[str, Any]] = {
        "network": {"cell": cell, "input_size": 4, "hidden_size": 6, "bidirectional": True},
        "sequence": {"timesteps": 4, "batch_size": 3},
        "parameters": {"initializer": "normal", "scale": 0.4},
        "initial_state": {"source": "normal"},
    }
    return Config.from_mapping({name: {**values, **tables.get(name, {})} for name, values in base.items()})


def shows(bug: KnownBug, inputs: Inputs) -> bool:
    """Whether the whole run, with that bug made in it, is found wrong."""
    trace = empty_trace(inputs, cell=True)
    run_fault(bug.variants[inputs.network.cell][0], inputs, trace, lambda done: None)
    checks = consistency_checks(trace, *inputs.config.tolerances)
    return bool(audit(inputs, trace, full=True).wrong) or not all(check.holds for check in checks)


def table(**values: Any) -> st.SearchStrategy[dict[str, Any]]:
    """One of the given values of each key."""
    return st.fixed_dictionaries({key: st.sampled_from(given) for key, given in values.items()})


def any_config() -> st.SearchStrategy[Config]:
    """Configs that hide much or little."""
    seeds, both = range(1000), (False, True)
    network = table(
        cell=CELLS,
        input_size=(1, 2, 3, 4),
        hidden_size=range(1, 13),
        num_layers=(1, 2, 3),
        bidirectional=both,
        dtype=("float32", "float64"),
    )
    sources, initializers = ("normal", "uniform", "impulse", "sine"), ("xavier", "normal", "uniform", "orthogonal")
    sequence = table(source=sources, batch_size=range(1, 21), timesteps=(1, 2, 3, 9, 40), seed=seeds)
    scales = (0.001, 0.01, 0.1, 0.5, 2.0, 5.0)
    parameters = table(initializer=initializers, bias=("zeros", "uniform"), scale=scales, seed=seeds)
    state = table(source=("zeros", "normal"))
    sections = {"network": network, "sequence": sequence, "parameters": parameters, "initial_state": state}
    return st.fixed_dictionaries(sections).map(Config.from_mapping)


@given(config=any_config())
def test_coverage_predicts_detection(config):
    inputs = load_inputs(config)
    hidden = tuple(bug.name for bug in known_bugs_of(config.network) if not shows(bug, inputs))
    assert undetectable(inputs) == hidden


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_values_reveal_every_bug(cell, dtype):
    assert undetectable(load_inputs(config_of(cell, network={"dtype": dtype}))) == ()


BIASES = {"no-i2h-bias", "no-h2h-bias"}


ORDER = {"reverse-not-reversed", "reverse-not-realigned", "final-state-at-last-timestep"}
ONE_FROM_ZEROS = {
    "network": {"bidirectional": False},
    "sequence": {"timesteps": 1},
    "initial_state": {"source": "zeros"},
}


@pytest.mark.parametrize("cell", nightly_except(CELLS, "lstm", "gru"))
@pytest.mark.parametrize(
    ("tables", "hidden", "remedy"),
    [
        ({"parameters": {"bias": "zeros"}}, BIASES, ("parameters", "bias", "uniform")),
        (ONE_FROM_ZEROS, {"h2h-transposed", "state-not-carried"}, ("initial_state", "source", "normal")),
        ({"sequence": {"timesteps": 1}}, ORDER, ("sequence", "timesteps", 2)),
    ],
)
def test_a_poor_config_hides_bugs_and_one_change_reveals_them(cell, tables, hidden, remedy):
    config = config_of(cell, **tables)
    blind = undetectable(load_inputs(config))
    assert set(blind) >= hidden
    if tables is not ONE_FROM_ZEROS:
        assert set(blind) - {"h2h-bias-outside-reset"} == hidden
    section, key, value = remedy
    changed = replace(config, **{section: replace(getattr(config, section), **{key: value})})
    assert suggested_config(load_inputs(config), blind, load_inputs) == changed


def test_the_mildest_change_is_tried_first():
    poor = {
        "sequence": {"source": "impulse", "timesteps": 1, "batch_size": 1, "lengths": [1]},
        "parameters": {"bias": "zeros"},
        "initial_state": {"source": "zeros"},
        "backward": {"enabled": True, "loss": "sum", "truncate": 2},
    }
    config = Config.from_mapping({"network": {"cell": "gru", "input_size": 2, "hidden_size": 3}, **poor})
    expected = [
        (("parameters", "bias"), "uniform"),
        (("initial_state", "source"), "normal"),
        (("sequence", "timesteps"), 2),
        (("sequence", "timesteps"), 3),
        (("sequence", "batch_size"), 2),
        (("sequence", "source"), "normal"),
        (("sequence", "lengths"), "uniform"),
        (("backward", "truncate"), None),
        (("backward", "loss"), "normal"),
        (("backward", "final_state"), "normal"),
        (("parameters", "scale"), 0.5),
    ]
    assert list(single_changes(config)) == expected
    sine = replace(config, sequence=replace(config.sequence, source="sine", timesteps=2, lengths=None))
    without = (("sequence", "timesteps"), 2), (("sequence", "lengths"), "uniform")
    assert list(single_changes(sine)) == [change for change in expected if change not in without]
    kept = replace(sine, sequence=replace(sine.sequence, lengths="file"))
    assert list(single_changes(kept)) == list(single_changes(sine))
    files = Config.from_mapping(
        {
            **config.to_mapping(),
            "sequence": {"path": "x.npy"},
            "parameters": {"path": "p.npz"},
            "initial_state": {"path": "s.npz"},
            "backward": {},
        }
    )
    for parameters in (files.parameters, replace(files.parameters, bias="zeros", scale=0.25)):
        assert list(single_changes(replace(files, parameters=parameters))) == []


def test_one_value_hides_swapped_axes():
    config = config_of("gru", sequence={"timesteps": 1, "batch_size": 1})
    assert "batch-as-time" in undetectable(load_inputs(config))
    assert "batch-as-time" not in undetectable(load_inputs(config_of("gru", sequence={"batch_size": 1})))


def symmetric(inputs: Inputs) -> Inputs:
    def change(name: str, array: np.ndarray) -> np.ndarray:
        if not name.endswith("h2h_weight"):
            return array
        return np.concatenate([b + b.T for b in np.split(array, inputs.network.kind.gate_count)])

    return with_parameters(inputs, change)


@pytest.mark.parametrize("cell", CELLS)
def test_symmetric_weights_hide_transposition(cell):
    assert undetectable(symmetric(load_inputs(config_of(cell)))) == ("h2h-transposed",)


def test_symmetric_weights_from_a_file_have_no_remedy(tmp_path):
    inputs = symmetric(load_inputs(config_of("gru")))
    np.savez(tmp_path / "weights.npz", **inputs.parameters)
    mapping = {**inputs.config.to_mapping(), "parameters": {"path": str(tmp_path / "weights.npz")}}
    from_file = load_inputs(Config.from_mapping(mapping))
    assert undetectable(from_file) == ("h2h-transposed",)
    assert suggested_config(from_file, ("h2h-transposed",), load_inputs) is None


def differences(one: Config, other: Config) -> set[str]:
    ours, theirs = one.to_mapping(), other.to_mapping()
    return {f"{table}.{key}" for table in ours for key in ours[table] if ours[table][key] != theirs[table].get(key)}


@given(config=any_config())
@pytest.mark.slow
def test_remedy_keeps_the_network_and_reveals_more(config):
    inputs = load_inputs(config)
    blind = undetectable(inputs)
    cure = suggested_config(inputs, blind, load_inputs) if blind else None
    if cure is None:
        return
    assert cure.network == config.network
    assert cure.compare == config.compare
    assert len(undetectable(load_inputs(cure))) < len(blind)
    allowed = {"parameters.bias", "parameters.scale", "initial_state.source"}
    allowed |= {"sequence.timesteps", "sequence.batch_size", "sequence.source"}
    changed = differences(cure, config)
    assert changed <= allowed
    # No smaller change does as much: undoing any part of it hides something again.
    for key in changed:
        table, _, name = key.partition(".")
        section = replace(getattr(cure, table), **{name: getattr(getattr(config, table), name)})
        undone = replace(cure, **{table: section})
        assert len(undetectable(load_inputs(undone))) > len(undetectable(load_inputs(cure)))


def test_remedy_keeps_files(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(1, 1, 4)).astype(np.float32))
    h = np.zeros((2, 1, 6), np.float32)
    np.savez(tmp_path / "state.npz", h=h)
    config = config_of("gru", parameters={"bias": "zeros"})
    mapping = {
        **config.to_mapping(),
        "sequence": {"path": str(tmp_path / "x.npy")},
        "initial_state": {"path": str(tmp_path / "state.npz")},
    }
    inputs = load_inputs(Config.from_mapping(mapping))
    blind = undetectable(inputs)
    assert set(blind) >= BIASES
    cure = suggested_config(inputs, blind, load_inputs)
    assert cure is not None
    assert differences(cure, inputs.config) == {"parameters.bias"}


def test_rare_and_late_effects_are_detected():
    inputs = load_inputs(config_of("rnn_tanh", parameters={"bias": "zeros"}, initial_state={"source": "zeros"}))
    sequence = np.zeros((60, 12, 4), np.float32)
    assert len(undetectable(replace(inputs, sequence=sequence, initial_state=state_of(inputs, 12)))) > 5
    sequence[50:, 7] = np.random.default_rng(0).normal(size=(10, 4))
    blind = undetectable(replace(inputs, sequence=sequence, initial_state=state_of(inputs, 12)))
    assert set(blind) == BIASES


def state_of(inputs: Inputs, samples: int) -> Any:
    return {"h": np.zeros((*inputs.initial_state["h"].shape[:1], samples, 6), np.float32)}


@pytest.mark.parametrize("unit", [1, 2, 34, 67, 68])
def test_an_effect_on_a_single_unit_is_detected(unit):
    """A bias of one unit among seventy: also where no first look at some of them meets it."""
    inputs = load_inputs(config_of("rnn_tanh", network={"hidden_size": 70, "bidirectional": False}))

    def change(name, array):
        return np.where(np.arange(70) == unit, array, 0.0) if name.endswith("h2h_bias") else array

    blind = undetectable(with_parameters(inputs, change))
    assert "no-h2h-bias" not in blind
    assert blind == ()


def test_a_long_input_is_looked_at_in_parts():
    long = load_inputs(config_of("gru", sequence={"timesteps": 1000, "batch_size": 100}))
    parts = list(_parts(long))
    assert [part.sequence.shape for part in parts] == [(32, 3, 4), (512, 64, 4)]
    np.testing.assert_array_equal(parts[0].sequence, long.sequence[:32, [0, 50, 99]])
    np.testing.assert_array_equal(parts[0].initial_state["h"], long.initial_state["h"][:, [0, 50, 99]])
    short = load_inputs(config_of("gru", sequence={"timesteps": 4, "batch_size": 3}))
    (part,) = _parts(short)
    np.testing.assert_array_equal(part.sequence, short.sequence)


def test_a_wide_network_is_looked_at_in_fewer_steps():
    """At most 30 million multiplications at first, and 100 million then, in three samples of three steps at least."""
    inputs = load_inputs(config_of("rnn_tanh", network={"hidden_size": 600}, sequence={"timesteps": 99}))
    per_step = 2 * 600 * (4 + 600)
    assert [len(part.sequence) for part in _parts(inputs)] == [13, 100_000_000 // (3 * per_step)]


def test_a_drawn_input_is_loaded_as_far_as_it_is_looked_at():
    long = config_of("gru", sequence={"timesteps": 1000, "batch_size": 100})
    assert (_short(long).sequence.timesteps, _short(long).sequence.batch_size) == (512, 64)
    with_states = replace(long, initial_state=replace(long.initial_state, source="file", path="s.npz"))
    assert (_short(with_states).sequence.timesteps, _short(with_states).sequence.batch_size) == (512, 100)
    read = replace(long, sequence=replace(long.sequence, source="file", path="x.npy"))
    assert _short(read) == read
    joined = replace(long, sequence=replace(long.sequence, seams=(511, 512)))
    assert _short(joined).sequence.seams == (511,)


Vector = NDArray[Any]
BUGS = tuple(cases(__file__)["bugs"])


def users_outputs(inputs: Inputs, bug: str = "", more: int = 1) -> dict[str, Vector]:
    """hidden (L, D, T, N, H), output, state and cell_state of a user's loops with a bug.

    Each bug has two variants: `more` is 1 or -1. A length is `more` time steps off, the final state is at T-1 in the
    forward direction or in both, the first of the sorted samples is the longest or the shortest, and the forward
    direction of a bug of the backward one has values in padding if it is -1.
    """
    network, timesteps = inputs.network, inputs.timesteps
    layers, directions, _, samples, size = inputs.hidden_shape
    hidden = np.zeros(inputs.hidden_shape)
    finals = {s: np.zeros((layers * directions, samples, size)) for s in inputs.initial_state}
    order = list(range(samples))
    goes_on = bug == "padding-not-zeroed" or (bug == "backward-starts-in-padding" and directions == 2 and more < 0)
    if bug == "sorted-order-not-restored":
        order.sort(key=lambda n: -more * inputs.length(n))
    for row, sample in enumerate(order):
        below = inputs.sequence[:, [sample]]
        for layer, d in np.ndindex(layers, directions):
            backward, k, length = network.backward(d), layer * directions + d, inputs.length(sample)
            if bug == "lengths-ignored" or (bug == "backward-starts-in-padding" and backward):
                length = timesteps
            if bug == "lengths-off-by-one":
                length = min(length + more, timesteps)
            span = timesteps if goes_on and not backward else length
            state = {s: array[k, [sample]] for s, array in inputs.initial_state.items()}
            p = vars(inputs.parameters.layer(layer, d))
            values = cell_values(network.cell, p, below[:span], state, backward=backward) if span else {}
            hidden[layer, d, :span, row] = values["h"][:, 0] if span else 0.0
            at_end = bug == "state-at-last-timestep-of-batch" and not (backward and more == 1)
            last = timesteps - 1 if at_end else 0 if backward else length - 1
            for s, array in finals.items():
                final = values[s][last, 0] if 0 <= last < span else np.zeros(size)
                array[k, row] = final if span else state[s][0]
            if d == directions - 1:
                below = np.concatenate(hidden[layer][:, :, [row]], axis=-1)
    output = np.concatenate(hidden[-1], axis=-1)
    arrays = {
        "hidden": hidden,
        "output": output.swapaxes(0, 1) if network.layout == "NTC" else output,
        "state": finals["h"],
    }
    arrays |= {"cell_state": finals["c"]} if network.cell == "lstm" else {}
    return {name: array.astype(network.dtype) for name, array in arrays.items()}


def recorded(path: Path, arrays: dict[str, Vector], inputs: Inputs) -> tuple[Trace, list[Check]]:
    """The trace of a recording, and its failing checks."""
    np.savez(path, **arrays)
    trace, report = computed(RecordedEngine(f"recording:{path}"), inputs)
    trace = with_missing(trace, report.missing, report.precision)
    checks = [padding_check(trace)] if trace.places.lengths else []
    trace.clear_padding()
    checks += consistency_checks(trace, *inputs.config.tolerances)
    return trace, [check for check in checks if check.fails]


def inputs_with(lengths: Sequence[int] | str | None, timesteps: int = 6, **network: Any) -> Inputs:
    sizes = {"cell": "gru", "input_size": 3, "hidden_size": 4, **network}
    samples = len(lengths) if isinstance(lengths, list) else 3
    sequence = {"batch_size": samples, "timesteps": timesteps, **({} if lengths is None else {"lengths": lengths})}
    tables = {"network": sizes, "sequence": sequence, "initial_state": {"source": "normal"}}
    return load_inputs(Config.from_mapping(tables))


@st.composite
def padded_inputs(draw: st.DrawFn) -> Inputs:
    """Samples of which one has padding at least, in all cells, directions, depths and types."""
    config = draw(configs())
    timesteps = draw(st.integers(2, 6))
    lengths = tuple(draw(st.lists(st.integers(1, timesteps), min_size=1, max_size=3)))
    lengths = draw(st.permutations((*lengths, draw(st.integers(1, timesteps - 1)))).map(tuple))
    sequence = replace(config.sequence, batch_size=len(lengths), timesteps=timesteps, lengths=lengths)
    inputs = load_inputs(replace(config, sequence=sequence).checked())
    # The padding of a file need not be 0.
    return with_padding(inputs, draw(st.sampled_from([0.0, 0.75])))


def with_padding(inputs: Inputs, value: float) -> Inputs:
    x = np.array(inputs.sequence)
    for sample in range(inputs.batch_size):
        x[inputs.length(sample) :, sample] = value
    return replace(inputs, sequence=x)


@pytest.mark.parametrize("bug", BUGS)
@given(inputs=padded_inputs(), more=st.sampled_from([-1, 1]))
def test_bug_in_a_users_loops_is_diagnosed(tmp_path_factory, bug, inputs, more):
    right, arrays = users_outputs(inputs), users_outputs(inputs, bug, more)
    shown = max(float(np.abs(arrays[name] - right[name]).max()) for name in ("hidden", "state"))
    path = tmp_path_factory.getbasetemp() / f"{bug}.npz"
    trace, failing = recorded(path, arrays, inputs)
    found = audit(inputs, trace)
    if shown == 0.0:
        assert (found.wrong, failing) == (0, [])
    elif shown > 1e-3:
        assert found.wrong or failing
        assert (bug,) in diagnose(inputs, trace, found, failing)


@given(inputs=padded_inputs(), data=st.data())
def test_every_bug_is_diagnosed_with_lengths(inputs, data):
    bug = data.draw(st.sampled_from(known_bugs_in(inputs)))
    trace = faulty_trace(bug.faults(inputs.network)[0], inputs)
    failing = [padding_check(trace)] if inputs.lengths else []
    trace.clear_padding()
    failing = [c for c in (*failing, *consistency_checks(trace, *inputs.config.tolerances)) if c.fails]
    assert (bug.name,) in diagnose(inputs, trace, audit(inputs, trace), failing) or bug.name in undetectable(inputs)


def test_first_steps_begin_at_the_end_of_each_sample():
    inputs = inputs_with([3, 6, 1], cell="lstm", bidirectional=True)
    for bug in known_bugs_in(inputs):
        for fault in bug.faults(inputs.network):
            if fault.of_padding:
                continue
            trace = faulty_trace(fault, inputs)
            for direction in (0, 1):
                window = StepWindow(0, direction, 5, (0, 2))
                expected, found = expected_and_found(fault, inputs, trace, window)
                np.testing.assert_allclose(expected, found, rtol=0, atol=1e-5, err_msg=bug.name)
                if not fault.batch_as_time and fault.backward == "reversed":
                    first = trace.hidden[0, direction, 2 if direction else 0, 0]
                    np.testing.assert_array_equal(found[0, 0], first)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", nightly_except(([3, 6, 1], [1, 2, 2], [3, 60, 58, 1], [24, 26, 25]), [3, 6, 1]))
def test_the_steps_beside_padding_are_those_of_the_bug(lengths, reverse):
    inputs = inputs_with(lengths, max(lengths), cell="lstm", bidirectional=not reverse, reverse=reverse)
    for bug in known_bugs_in(inputs):
        for fault in bug.faults(inputs.network):
            if fault.of_padding:
                trace = faulty_trace(fault, inputs)
                trace.clear_padding()
                for expected, found in ForwardEvidence(inputs, trace, None, False).beside_padding(fault):
                    np.testing.assert_allclose(expected, found, rtol=0, atol=1e-6, err_msg=bug.name)


def test_bugs_of_padding_are_refuted_by_few_steps(monkeypatch):
    inputs = inputs_with([300, 150, 290], 300, cell="lstm", bidirectional=True)
    trace = faulty_trace(KNOWN_BUGS["no-h2h-bias"].faults(inputs.network)[0], inputs)
    monkeypatch.setattr(diagnosis, "faulty_trace", lambda *_: pytest.fail("the whole network is computed"))
    assert diagnose(inputs, trace, audit(inputs, trace)) == (("no-h2h-bias",),)


@pytest.mark.parametrize("bug", ["lengths-ignored", "padding-not-zeroed", "update-gate-inverted"])
def test_a_bug_in_a_large_run_is_diagnosed_from_some_samples(monkeypatch, bug):
    monkeypatch.setattr(diagnosis, "_MOST_VALUES", 1)
    inputs = inputs_with([6, 6, 6, 6, 2], bidirectional=True)
    trace = faulty_trace(KNOWN_BUGS[bug].faults(inputs.network)[0], inputs)
    failing = [check for check in (padding_check(trace),) if check.fails]
    trace.clear_padding()
    assert diagnose(inputs, trace, audit(inputs, trace), failing) == ((bug,),)


def test_bugs_of_padding_are_undetectable_where_every_length_is_t():
    inputs = inputs_with([6, 6, 6], bidirectional=True)
    assert undetectable(inputs) == BUGS
    cure = suggested_config(inputs, BUGS, load_inputs)
    assert cure is not None
    assert cure.sequence.lengths == "uniform"


def test_long_padding_is_in_the_part_that_is_tried():
    inputs = inputs_with([1500, 1000, 1400], 1500, bidirectional=True)
    assert undetectable(inputs) == ()


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_engine_equals_a_users_loops(cell, bug):
    inputs = inputs_with([3, 6, 1, 4, 2], cell=cell, dtype="float64", num_layers=2, bidirectional=True)
    more = -1 if bug == "lengths-off-by-one" else 1
    trace, expected = faulty_trace(KNOWN_BUGS[bug].faults(inputs.network)[0], inputs), users_outputs(inputs, bug, more)
    assert padding_check(trace).holds == (bug in ("state-at-last-timestep-of-batch", "lengths-off-by-one"))
    hidden = expected["hidden"]
    if bug == "padding-not-zeroed":
        hidden = users_outputs(inputs)["hidden"]
        trace.clear_padding()
    np.testing.assert_allclose(trace.hidden, hidden, rtol=0, atol=1e-12)
    np.testing.assert_allclose(trace.state_h, expected["state"], rtol=0, atol=1e-12)
    if trace.state_c is not None:
        np.testing.assert_allclose(trace.state_c, expected["cell_state"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("value", nightly_except((0.75, np.nan), 0.75))
@pytest.mark.parametrize("bug", BUGS)
def test_padding_of_the_input_may_be_read_by_a_bug(tmp_path, bug, value):
    inputs = with_padding(inputs_with([3, 6, 1, 4, 2], bidirectional=True), value)
    trace, failing = recorded(tmp_path / "a.npz", users_outputs(inputs, bug), inputs)
    named = diagnose(inputs, trace, audit(inputs, trace), failing)
    # NaN spreads over all steps of the backward direction, whichever step reads it first.
    assert (bug,) in named if np.isnan(value) else named == ((bug,),)


def test_final_states_alone_in_the_order_of_the_lengths_are_diagnosed(tmp_path):
    inputs = inputs_with([3, 6, 1, 4, 2], cell="lstm", bidirectional=True)
    arrays = users_outputs(inputs)
    for order in ([1, 3, 0, 4, 2], np.argsort(inputs.lengths)[::-1]):
        arrays |= {name: arrays[name][:, order] for name in ("state", "cell_state")}
        trace, failing = recorded(tmp_path / "a.npz", arrays, inputs)
        found = audit(inputs, trace)
        assert found.verdict == "right"
        assert diagnose(inputs, trace, found, failing) == (("sorted-order-not-restored",),)
        arrays = users_outputs(inputs)


@pytest.mark.parametrize("value", [1.0, np.nan, -1e-30])
@pytest.mark.parametrize("name", ["hidden", "output"])
def test_padding_of_a_recording_counts_in_its_check_alone(tmp_path, value, name):
    inputs = inputs_with([3, 6, 1], cell="lstm", bidirectional=True)
    arrays = users_outputs(inputs)
    array = arrays[name].swapaxes(0, 1) if name == "output" else arrays[name]
    array[..., 4:, 0, :] = value
    trace, failing = recorded(tmp_path / "a.npz", arrays, inputs)
    assert [check.name for check in failing] == [PADDING_CHECK]
    found = audit(inputs, trace)
    assert found.verdict == "right"
    assert diagnose(inputs, trace, found, failing) == (("padding-not-zeroed",),)


@pytest.mark.parametrize("bug", ["", "lengths-ignored", "no-h2h-bias"])
def test_recorded_final_states_are_compared_at_each_samples_last_step(tmp_path, bug):
    inputs = inputs_with([3, 6, 1], cell="lstm")
    path, name = tmp_path / "mine.npz", f"recording:{tmp_path / 'mine.npz'}"
    arrays = users_outputs(inputs, bug)
    if bug == "no-h2h-bias":
        trace = faulty_trace(KNOWN_BUGS[bug].variants["lstm"][0], inputs)
        assert trace.state_c is not None
        arrays = {"state": trace.state_h, "cell_state": trace.state_c}
    np.savez(path, state=arrays["state"], cell_state=arrays["cell_state"])
    compared = replace(inputs.config.compare, reference="manual", candidates=(name,))
    request = RunRequest(replace(inputs.config, compare=compared), load_inputs)
    outcome = compute(request, tmp_path / "run", lambda *_: None)
    checks = {check.name: check.holds for check in outcome.checks if check.engine == name}
    expected = dict.fromkeys(("state[0] is that of manual", "state[1] is that of manual"), not bug)
    assert checks == {PADDING_CHECK: True, **expected}
    judgment = judge_computed(request, tmp_path / "run", outcome, lambda *_: None)
    assert judgment.diagnoses == ({name: ((bug,),)} if bug else {})
