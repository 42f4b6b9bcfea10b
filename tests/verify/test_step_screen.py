"""How far changed steps are from the right ones: the audit finds what they show, and what they do not show is named."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.io.inputs import load_inputs
from rnnviz.verify import wrong_lane
from rnnviz.verify.audit import audit
from rnnviz.verify.step_screen import lanes_of, ratios
from rnnviz.verify.undetectable_bugs import undetectable, undetectable_changes
from tests.profiles import nightly_except
from tests.verify.audit_helpers import inputs_of, with_parameters
from tests.verify.planted import Arrays, Planted, planted_trace


def zeros(state: Arrays) -> Arrays:
    return {name: 0.0 * array for name, array in state.items()}


CHANGES: dict[str, dict[str, Any]] = {
    "no-h2h-bias": {"parameters": lambda p: p | {"h2h_bias": 0.0 * p["h2h_bias"]}},
    "biases-exchanged": {"parameters": lambda p: p | {"h2h_bias": p["i2h_bias"], "i2h_bias": p["h2h_bias"]}},
    "weights-rounded-to-4-bits": {"parameters": lambda p: p | {"h2h_weight": np.round(p["h2h_weight"] * 16) / 16}},
    "state-not-carried": {"state": lambda states: zeros(states[-1])},
    "state-of-next-sample": {"state": lambda states: {k: np.roll(a, -1, 0) for k, a in states[-1].items()}},
    "state-two-before": {"state": lambda states: states[max(0, len(states) - 2)]},
    "input-of-next-sample": {"x": lambda x: np.roll(x, -1, axis=1)},
    "initial-state-ignored": {"start": zeros},
}
"""Planted changes by the name of the hypothesis."""


def inputs_with(timesteps: int = 1, samples: int = 3, **network: Any) -> Inputs:
    sizes = {"cell": "gru", "input_size": 4, "hidden_size": 5, "dtype": "float64", **network}
    return inputs_of({"timesteps": timesteps, "batch_size": samples}, {"bias": "uniform", "scale": 0.6}, **sizes)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_one_changed_step_is_as_far_as_the_audit_finds_it(cell):
    inputs = inputs_with(cell=cell)
    screened = [(hypothesis, ratio) for _, hypothesis, ratio in ratios(inputs) if not hypothesis.gates]
    for name, change in CHANGES.items():
        trace = planted_trace(inputs, Planted(name, frozenset({(0, 0)}), **change))
        found = audit(inputs, trace, full=True).worst_ratio / 8.0
        steps = [ratio for hypothesis, ratio in screened if hypothesis.name == name]
        assert found < 1.0 or any(ratio == pytest.approx(found, rel=0.1) for ratio in steps), name
        assert found > 1.0 or max(steps, default=0.0) < 1.0, name


def test_a_lane_shows_what_its_own_numbers_show():
    inputs = inputs_with(6, num_layers=2, bidirectional=True)
    dumb = with_parameters(inputs, lambda name, array: 0.0 * array if name == "l1_h2h_bias" else array)
    for lane, hypothesis, ratio in ratios(dumb):
        if hypothesis.name == "no-h2h-bias":
            assert (ratio == 0.0) == (lane == (1, 0))
    assert min(ratio for _, hypothesis, ratio in ratios(inputs) if hypothesis.name == "no-h2h-bias") > 2.0


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn_tanh", "lstm_projection"])
def test_a_wide_layer_shows_changes_that_need_all_of_its_units(cell):
    more = {"projection_size": 50} if cell == "lstm_projection" else {}
    inputs = inputs_with(3, hidden_size=60, **more, cell="lstm" if more else cell)
    (lane,) = lanes_of(inputs)
    for hypothesis in lane.hypotheses():
        few, whole = lane.few.ratio(hypothesis.change), lane.whole.ratio(hypothesis.change)
        assert few <= whole * (1.0 + 1e-6) + 0.1
        assert hypothesis.rare or few > 2.0 or whole < 1.0, hypothesis.key


@pytest.mark.parametrize("cell", nightly_except(["gru", "lstm"], "gru"))
def test_changes_that_no_step_shows_are_listed_with_their_places(cell):
    inputs = inputs_with(5, cell=cell, num_layers=2, bidirectional=True)
    assert undetectable_changes(inputs, ()) == ()
    silent = with_parameters(
        inputs, lambda name, array: 0.0 * array if name in ("l0_h2h_bias", "r0_h2h_bias") else array
    )
    listed = undetectable_changes(silent, ())
    assert "no-h2h-bias@layer=0" in listed
    assert all(name.endswith("@layer=0") for name in listed)
    assert undetectable_changes(silent, ["no-h2h-bias"]) == tuple(n for n in listed if not n.startswith("no-h2h-bias"))
    for layer, direction in np.ndindex(2, 2):
        bug = Planted("no-h2h-bias", frozenset({(layer, direction)}), **CHANGES["no-h2h-bias"])
        assert bool(audit(silent, planted_trace(silent, bug), full=True).wrong) == (layer == 1)


def test_a_gate_is_listed_where_it_alone_shows_nothing():
    inputs = inputs_with(5)
    rows = np.arange(15) < 5
    silent = with_parameters(inputs, lambda name, array: np.where(rows, 0.0, array) if name == "l0_h2h_bias" else array)
    assert "no-h2h-bias@gate=r" in undetectable_changes(silent, ())


def test_late_effects_are_no_undetectable_changes():
    inputs = inputs_with(60, 12)
    sequence = np.zeros((60, 12, 4))
    late = replace(inputs, sequence=sequence.copy())
    assert "i2h-weight-not-loaded" in undetectable_changes(late, ())
    late.sequence[50:, 7] = np.random.default_rng(0).normal(size=(10, 4))
    assert "i2h-weight-not-loaded" not in undetectable_changes(late, ())


def test_changes_of_an_initial_state_of_zeros_cannot_be_seen_with_few_samples() -> None:
    network = {"cell": "gru", "input_size": 3, "hidden_size": 4, "num_layers": 2}
    inputs = load_inputs(Config.from_mapping({"network": network, "sequence": {"batch_size": 2, "timesteps": 5}}))
    assert {"initial-state-of-first-sample", "initial-state-of-layer-above"} <= {*undetectable_changes(inputs, ())}


def test_a_wide_layer_is_looked_at_in_48_units_and_a_long_run_in_8_steps():
    for size, units in ((48, 48), (49, 48), (5, 5)):
        (lane,) = lanes_of(inputs_with(12, hidden_size=size))
        assert lane.few.right.value.shape == (8, units)
        assert lane.narrow.right.value.shape == (36, units)
        assert lane.whole.right.value.shape == (36, size)
        assert lane.complete


def test_a_change_that_leaves_the_numbers_as_they_are_is_the_same():
    inputs = inputs_with(3)
    silent = with_parameters(inputs, lambda name, array: 0.0 * array if name.endswith("h2h_bias") else array)
    for own in (inputs, silent):
        (lane,) = lanes_of(own)
        same = {hypothesis.name for hypothesis in lane.hypotheses() if lane.is_same(hypothesis.change)}
        assert ("no-h2h-bias" in same) == ("h2h-bias-outside-reset" in same) == (own is silent)
        assert not {"no-i2h-bias", "state-not-carried", "input-of-step-before", "initial-state-ignored"} & same


def test_what_is_cut_off_is_no_proof_that_a_bug_changes_nothing(monkeypatch):
    monkeypatch.setattr(wrong_lane, "_MOST_STEPS", 3)
    inputs = inputs_with(6)
    sequence = np.zeros((6, 3, 4))
    sequence[5] = 1.0
    state = {"h": np.zeros_like(inputs.initial_state["h"])}
    silent = with_parameters(inputs, lambda name, array: 0.0 * array if name.endswith("bias") else array)
    late = replace(silent, sequence=sequence, initial_state=state)
    assert not any(lane.complete for lane in lanes_of(late))
    assert "update-gate-inverted" not in undetectable(late)
