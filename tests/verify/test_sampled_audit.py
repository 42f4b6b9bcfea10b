"""An audit of a part of a run: its coverage, and the statement of it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.verify import audited
from rnnviz.verify.audit import audit, audit_pass
from rnnviz.verify.compare import compare_all
from rnnviz.verify.forward_pass import ForwardPass
from tests.oracles.computed import computed
from tests.verify.audit_helpers import inputs_of
from tests.verify.traces import changed

CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of some thousand values count as large."""
    monkeypatch.setattr(audited, "FULL", 2_000)


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_sampled_audit_states_exactly_its_coverage(cell: str, bidirectional: bool) -> None:
    inputs = inputs_of(
        {"timesteps": 40, "batch_size": 12}, cell=cell, hidden_size=20, num_layers=2, bidirectional=bidirectional
    )
    trace, _ = computed(ManualEngine(), inputs)
    # Every value is wrong, so the counts show which values were audited.
    away = np.where(np.arange(40) % 2, -50.0, 50.0).astype(np.float32)[:, np.newaxis, np.newaxis]
    far = trace.with_arrays({"h": trace.hidden + away})
    found = audit(inputs, far)
    assert 0 < found.audited < found.elements == trace.hidden.size
    assert found.wrong == found.audited
    assert found.coverage == found.audited / found.elements
    right = audit(inputs, trace)
    assert right.verdict == "right"
    assert right.audited == found.audited


@pytest.mark.usefixtures("small_limit")
def test_a_sample_is_followed_in_all_units_where_one_is_computed_from_others() -> None:
    inputs = inputs_of({"timesteps": 40, "batch_size": 12}, cell="gru_reset_before", hidden_size=20)
    trace, _ = computed(ManualEngine(), inputs)
    assert audit(inputs, trace).audited == 40 * 20 + 2 * 11 * 20


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("end", ["first", "last"])
@given(data=st.data())
def test_a_sampled_audit_sees_both_ends_of_every_lane(cell: str, end: str, data: st.DataObject) -> None:
    inputs = inputs_of({"timesteps": 40, "batch_size": 12}, cell=cell, hidden_size=20, bidirectional=True)
    direction = data.draw(st.integers(0, 1))
    at = (0 if direction == 0 else 39) if end == "first" else (39 if direction == 0 else 0)
    where = Location(0, direction, at, data.draw(st.integers(0, 11)), data.draw(st.integers(0, 19)))
    trace, _ = computed(ManualEngine(), inputs)
    found = audit(inputs, changed(trace, {where: 9.0}))
    if cell != "lstm" or end == "first":
        assert found.first_wrong is not None
        assert found.first_wrong.where.location == where


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("cell", CELLS)
def test_a_sampled_audit_sees_every_value_whose_error_ratio_exceeds_a_half(cell: str) -> None:
    inputs = inputs_of({"timesteps": 40, "batch_size": 12}, cell=cell, hidden_size=20)
    trace, _ = computed(ManualEngine(), inputs)
    trace = replace(trace, engine="manual")
    where = Location(0, 0, 21, 5, 13)
    moved = changed(trace, {where: float(trace.hidden[where.index]) + 9e-4}, "moved")
    assert audit(inputs, moved).coverage < 1.0
    assert audit(inputs, moved).first_wrong is None
    comparison = compare_all(trace, moved, 1.3e-6, 1e-3)
    assert 0.5 < comparison.max_error_ratio < 1.0
    found = audit(inputs, moved, [comparison])
    assert found.first_wrong is not None
    assert found.first_wrong.where.location == where
    assert audit(inputs, trace, [comparison]).verdict == "right"
    assert audit(inputs, trace, [comparison]).audited == found.audited


@pytest.mark.parametrize(("cell", "ends"), [("gru", 2), ("rnn_relu", 2), ("lstm", 1)])
def test_of_the_columns_that_are_not_followed_both_ends_are_counted_once(
    cell: str, ends: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audited, "FULL", 240)
    inputs = inputs_of({"timesteps": 10, "batch_size": 6}, cell=cell, hidden_size=8, bidirectional=True)
    trace, _ = computed(ManualEngine(), inputs)
    told: list[float] = []
    found = audit(inputs, trace, progress=told.append)
    # In each lane 2 samples of 3 units at every step, and the other 42 columns at their ends.
    assert found.audited == 2 * (6 * 10 + 42 * ends)
    assert found.verdict == "right"
    assert not np.isnan(found.ratio_over_time).any()
    assert told == sorted(told)
    assert (min(told), max(told)) == (0.5, 1.0)
    assert set(told) == {0.5, 1.0}
    for where in (Location(0, 0, 0, 3, 5), Location(0, 0, 9, 3, 5), Location(0, 0, 4, 3, 5), Location(0, 1, 9, 3, 5)):
        first = where.timestep == (9 if where.direction else 0)
        seen = first or (where.timestep == 9 and ends == 2)
        moved = audit(inputs, changed(trace, {where: 3.0}))
        assert (moved.first_wrong is not None and moved.first_wrong.where.location == where) == seen, where
        assert (moved.audited, moved.wrong > 0) == (found.audited, moved.first_wrong is not None)


@pytest.mark.usefixtures("small_limit")
def test_a_comparison_of_others_does_not_steer_the_audit() -> None:
    inputs = inputs_of({"timesteps": 40, "batch_size": 12}, cell="gru", hidden_size=20)
    trace, _ = computed(ManualEngine(), inputs)
    far = compare_all(
        replace(trace, engine="a"), replace(trace.with_arrays({"h": trace.hidden + 1}), engine="b"), 1e-6, 1e-5
    )
    assert audit(inputs, trace, [far]).audited == audit(inputs, trace).audited
    assert audit(inputs, replace(trace, engine="a"), [far]).coverage == 1.0


@pytest.mark.usefixtures("small_limit")
def test_a_full_audit_sees_everything() -> None:
    inputs = inputs_of({"timesteps": 40, "batch_size": 12}, cell="gru", hidden_size=20)
    trace, _ = computed(ManualEngine(), inputs)
    assert audit(inputs, trace, full=True).coverage == 1.0


def test_a_limited_audit_covers_some_units_of_every_sample_and_time_step() -> None:
    inputs = inputs_of({"timesteps": 6, "batch_size": 4}, cell="lstm", hidden_size=20, bidirectional=True)
    trace, _ = computed(ManualEngine(), inputs)
    assert audit_pass(ForwardPass(inputs, trace, units=3)).audited == 2 * 6 * 4 * 3
    assert audit_pass(ForwardPass(inputs, trace, units=30)).coverage == 1.0
    assert audit_pass(ForwardPass(inputs, changed(trace, {Location(0, 1, 0, 3, 19): 5.0}), units=3)).verdict == "wrong"
    assert audit_pass(ForwardPass(inputs, changed(trace, {Location(0, 1, 0, 3, 18): 5.0}), units=3)).verdict == "right"
