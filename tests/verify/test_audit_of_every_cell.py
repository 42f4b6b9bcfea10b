"""The step audit of cells beyond Gluon's three: correct steps stay within the bounds, and a changed value does not."""

from typing import Any

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.steps.states import CellStates
from rnnviz.verify import audited
from rnnviz.verify.audit import audit
from rnnviz.verify.verdict import AuditVerdict
from tests.explain.test_every_cell import NETWORKS
from tests.oracles.computed import computed
from tests.profiles import nightly_except
from tests.verify.audit_helpers import inputs_of


def network(name: str, dtype: str = "float32", **sizes: int) -> dict[str, Any]:
    return {"hidden_size": 5, "num_layers": 2, "bidirectional": True, "dtype": dtype, **sizes, **NETWORKS[name]}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("clip", [0.1, 0.2, 0.3, 0.7])
def test_a_limit_that_the_type_rounds_makes_no_step_wrong(clip: float, dtype: str) -> None:
    inputs = inputs_of({"timesteps": 20, "batch_size": 3}, cell="rnn_relu", hidden_size=6, clip=clip, dtype=dtype)
    trace = computed(ManualEngine(), inputs)[0]
    assert np.isclose(trace.hidden, clip).any()
    assert audit(inputs, trace).verdict is AuditVerdict.RIGHT
    hidden = trace.hidden.copy()
    hidden[hidden == hidden.max()] *= 1.0 + 40.0 * np.finfo(dtype).eps
    assert audit(inputs, trace.with_arrays({"h": hidden})).verdict is AuditVerdict.WRONG


@pytest.mark.parametrize(
    ("cell", "dtype"),
    nightly_except(
        ((False, "float32"), (False, "float64"), (True, "float32"), (True, "float64")),
        *((False, "float32"), (True, "float64")),
    ),
)
@pytest.mark.parametrize("name", NETWORKS)
def test_correct_steps_are_right_and_a_changed_value_is_the_first_wrong_one(name: str, dtype: str, cell: bool) -> None:
    inputs = inputs_of({"timesteps": 60, "batch_size": 3}, **network(name, dtype))
    trace = computed(ManualEngine(), inputs)[0]
    trace = trace if cell else trace.with_arrays({"c": None})
    found = audit(inputs, trace)
    assert (found.verdict, found.undetermined_count) == (AuditVerdict.RIGHT, 0)
    assert found.coverage == 1.0
    assert found.worst_ratio < 3.0
    hidden = trace.hidden.copy()
    where = Location(0, 1, 31, 2, 1)
    hidden[where.index] *= 1.001
    wrong = audit(inputs, trace.with_arrays({"h": hidden})).first_wrong
    assert wrong is not None
    assert wrong.where.location == where


@pytest.mark.parametrize("name", NETWORKS)
def test_a_sampled_audit_sees_every_lane(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audited, "FULL", 2000)
    inputs = inputs_of({"timesteps": 40, "batch_size": 9}, **network(name, hidden_size=16))
    found = audit(inputs, computed(ManualEngine(), inputs)[0])
    assert found.verdict is AuditVerdict.RIGHT
    assert 0.0 < found.coverage < 1.0
    assert np.isfinite(found.ratio_over_time).all()


@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("name", ["peephole", "coupled", "projection", "clip"])
def test_cell_states_that_are_not_recorded_are_those_of_the_engine(name: str, direction: int) -> None:
    inputs = inputs_of({"timesteps": 300, "batch_size": 2}, **network(name, "float64"))
    trace = computed(ManualEngine(), inputs)[0]
    assert trace.cell is not None
    cells = CellStates(inputs, trace.with_arrays({"c": None}))
    looked = slice(0, 2), slice(1, 4)
    after = cells.after(1, direction, slice(140, 160), *looked)
    np.testing.assert_allclose(after.value, trace.cell[1, direction, 140:160, :, 1:4], rtol=1e-9, atol=1e-11)
    before = cells.before(1, direction, 140, *looked)
    np.testing.assert_allclose(before.value, trace.cell[1, direction, 141 if direction else 139, :, 1:4], atol=1e-9)
    np.testing.assert_allclose(
        cells.previous(1, direction, slice(141, 150), *looked),
        trace.cell[1, direction, 142:151, :, 1:4] if direction else trace.cell[1, direction, 140:149, :, 1:4],
        atol=1e-9,
    )
