"""Rows of packed samples: each sample has a place, no two at once, and no row is longer than the longest sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.config import Config
from rnnviz.engines.backward import LanePass
from rnnviz.engines.manual import ManualBackward, ManualEngine
from rnnviz.engines.packing import Packing, packing
from rnnviz.engines.registry import load_engine
from rnnviz.io.inputs import load_inputs
from tests.engines.test_gradients import assert_gradients, with_gradients
from tests.engines.test_lengths import assert_each_sample_is_as_alone
from tests.oracles.computed import computed
from tests.profiles import nightly_except

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=40).map(tuple)


def steps(packed: Packing) -> int:
    """The number of time steps of all rows that are computed."""
    return sum(len(part) * rows for part, rows in packed.parts)


@given(lengths=LENGTHS, call=st.sampled_from([0.0, 1.0, 30.0, 1e6]))
def test_every_step_of_every_sample_has_a_place(lengths, call):
    packed = packing(tuple(lengths), call, call / 8)
    computed_rows = np.zeros((max(lengths), len(lengths)), int)
    for part, rows in packed.parts:
        computed_rows[part.start : part.stop, :rows] += 1
    assert computed_rows.max() == 1
    assert sorted(place.sample for place in packed.places) == list(range(len(lengths)))
    for place in packed.places:
        assert place.stop - place.start == lengths[place.sample]
        # No other sample has the same step of the row.
        computed_rows[place.start : place.stop, place.row] -= 1
    assert computed_rows.min() == 0


def test_calls_that_cost_nothing_compute_no_padding_and_dear_ones_are_few():
    lengths = tuple(range(1, 101))
    assert steps(packing(lengths, 0.0, 0.0)) == sum(lengths)
    # No row has room for another one.
    assert steps(packing((10, 7, 6), 0.0, 0.0)) == 23
    dear = packing(lengths, 1e6, 0.0)
    assert (len(dear.parts), {place.start for place in dear.places}) == (1, {0})


@pytest.mark.parametrize("name", ["manual", "gluon"])
@pytest.mark.parametrize("cell", nightly_except(("lstm", "gru"), "lstm"))
@pytest.mark.parametrize("cost", [0, 1 << 40])
def test_no_packing_changes_the_values(name, cell, cost, monkeypatch):
    monkeypatch.setattr(f"rnnviz.engines.{name}._cost_of_call", lambda weights: cost)
    monkeypatch.setattr("rnnviz.engines.packing._COPY", 0)
    monkeypatch.setattr("rnnviz.engines.packing.PART_VALUES", 200)
    network = {"cell": cell, "input_size": 3, "hidden_size": 5, "num_layers": 2, "bidirectional": True}
    sequence = {"batch_size": 12, "timesteps": 30, "lengths": "uniform", "seed": 1}
    tables = {"network": network, "sequence": sequence, "initial_state": {"source": "normal"}}
    inputs = load_inputs(Config.from_mapping(tables))
    trace, _ = computed(load_engine(name), inputs)
    assert_each_sample_is_as_alone(trace, inputs, 2e-5)


@pytest.mark.parametrize("truncate", [None, 4])
@pytest.mark.parametrize("cost", [0, 1 << 40])
def test_no_packing_changes_the_gradients(cost, truncate, monkeypatch):
    for name, value in {"_BLOCK_COST": cost, "_ROW_COST": 0, "_BEGIN_COST": 0, "PART_VALUES": 2000}.items():
        monkeypatch.setattr(f"rnnviz.engines.packing.{name}", value)
    tables = {
        "network": {"cell": "lstm", "input_size": 3, "hidden_size": 5, "bidirectional": True, "dtype": "float64"},
        "sequence": {"batch_size": 12, "timesteps": 30, "lengths": "uniform", "seed": 1},
        "initial_state": {"source": "normal"},
        "backward": {"enabled": True, "loss": "normal", "final_state": "normal"}
        | ({} if truncate is None else {"truncate": truncate}),
    }
    inputs = load_inputs(Config.from_mapping(tables))
    trace, _ = with_gradients(ManualEngine(), inputs)
    monkeypatch.setattr("rnnviz.engines.manual.PackedLanePass", LanePass)
    parts, _ = with_gradients(ManualEngine(), inputs)
    assert_gradients(trace, dict(parts.items()), 1e-12)


def test_few_blocks_have_the_gradients_of_many_lengths(monkeypatch):
    blocks = []
    gradients = ManualBackward.gradients
    monkeypatch.setattr(ManualBackward, "gradients", lambda self, task: blocks.append(task) or gradients(self, task))
    sequence = {"batch_size": 64, "timesteps": 100, "lengths": "uniform"}
    network = {"cell": "lstm", "input_size": 8, "hidden_size": 16}
    tables = {"network": network, "sequence": sequence, "backward": {"enabled": True}}
    inputs = load_inputs(Config.from_mapping(tables))
    with_gradients(ManualEngine(), inputs)
    assert len(set(inputs.lengths)) > 40
    assert len(blocks) < 5
