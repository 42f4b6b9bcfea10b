"""Undetectable bugs of a run, and the smallest change that makes them detectable."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.engines.known_bugs.engine import run_fault
from rnnviz.engines.known_bugs.registry import KnownBug, known_bugs_of
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.audit import audit
from rnnviz.verify.consistency_checks import consistency_checks
from rnnviz.verify.undetectable_bugs import _parts, _short, suggested_config, undetectable
from tests.oracles.computed import empty_trace
from tests.profiles import nightly_except
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
