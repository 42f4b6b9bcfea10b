"""`network.reverse`: one direction that reads the sequence from its end, in every engine."""

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import known_bugs_of
from rnnviz.engines.registry import load_engine
from rnnviz.verify.audit import audit
from rnnviz.verify.compare import compare
from rnnviz.verify.mismatches import mismatch_rows, neighbor_mismatch
from tests.oracles.computed import computed
from tests.verify.audit_helpers import inputs_of


def test_the_order_of_computation_starts_at_the_end() -> None:
    inputs = inputs_of({"timesteps": 6, "batch_size": 1}, cell="gru", hidden_size=2, num_layers=2, reverse=True)
    reference, _ = computed(load_engine("manual"), inputs)
    hidden = reference.hidden.copy()
    hidden[1, 0, [1, 4], 0, 1] += 0.5
    other = reference.with_arrays({"h": hidden})
    comparison = compare(reference, other, 1e-6, 1e-5)
    first, second = Location(1, 0, 4, 0, 1), Location(1, 0, 1, 0, 1)
    assert comparison.first_mismatch is not None
    assert comparison.first_mismatch.where == first
    assert comparison.first_mismatch.where.to_json()["direction"] == "backward"
    rows = mismatch_rows(comparison, reference, other)
    assert [rows.location(row) for row in range(len(rows))] == [first, second]
    assert [rows.row_of(where) for where in (first, second)] == [0, 1]
    assert neighbor_mismatch(comparison, reference, other, first, forward=True) == second
    assert neighbor_mismatch(comparison, reference, other, second, forward=False) == first
    wrong = audit(inputs, other).first_wrong
    assert wrong is not None
    assert (wrong.where.location, str(wrong.where.location).split(", ")[1]) == (first, "backward")


def test_the_bugs_of_the_direction_apply_and_the_others_do_not() -> None:
    inputs = inputs_of({"timesteps": 5}, cell="rnn_tanh", hidden_size=3, reverse=True)
    names = {bug.name for bug in known_bugs_of(inputs.network)}
    assert {"reverse-not-reversed", "reverse-not-realigned", "final-state-at-last-timestep"} <= names
    assert "concat-swapped" not in names
    right, _ = computed(load_engine("manual"), inputs)
    turned, _ = computed(load_engine("bug:reverse-not-realigned"), inputs)
    np.testing.assert_allclose(turned.hidden, right.hidden[:, :, ::-1], atol=1e-5)


def test_both_directions_and_reverse_are_refused() -> None:
    network = {"cell": "gru", "input_size": 2, "hidden_size": 2, "bidirectional": True, "reverse": True}
    with pytest.raises(ConfigError, match=r"network\.reverse = true needs network\.bidirectional = false"):
        Config.from_mapping({"network": network})
