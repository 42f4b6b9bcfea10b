"""Correct engines stay within eight bounds, whatever the network."""

from itertools import islice, product
from typing import Any

import numpy as np
import pytest

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import Location
from rnnviz.engines.base import Engine
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.registry import ENGINES
from rnnviz.verify import audited
from rnnviz.verify.audit import audit
from rnnviz.verify.verdict import AuditVerdict
from tests.explain.test_every_cell import NETWORKS
from tests.oracles.computed import computed
from tests.profiles import nightly_except
from tests.verify.audit_helpers import engine_or_skip, inputs_of, with_parameters, with_sequence

CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")
RIGHT = 2.5
"""The limit of correct engines with random weights: far from the eight bounds that are allowed."""


@pytest.fixture(scope="module", params=["manual", "gluon", "onnx", "torch"])
def engine(request):
    return request.param, engine_or_skip(request.param)


def with_forget_bias(inputs: Inputs, bias: float) -> Inputs:
    size = inputs.network.hidden_size

    def change(name: str, array: FloatArray) -> FloatArray:
        if name.endswith("h2h_bias"):
            array[size : 2 * size] += bias
        return array

    return with_parameters(inputs, change)


def assert_right(engine: tuple[str, Engine], inputs: Inputs, most: float = RIGHT) -> None:
    """Every step is within its bound; where the engine is known to be wrong, nothing is asked."""
    name, computing = engine
    network = inputs.network
    if network.dtype not in ENGINES[name].dtypes or (name == "gluon" and (network.cell, network.dtype) == BUG):
        return
    trace, _ = computed(computing, inputs)
    if name in ("gluon", "onnx") and network.cell == "rnn_relu" and not np.isfinite(trace.hidden).all():
        # Their relu turns NaN into 0.
        return
    found = audit(inputs, trace, full=True)
    assert found.coverage == 1.0
    assert found.worst_ratio < most, (name, network, found)


BUG = ("rnn_relu", "float64")
"""The cases that MXNet rounds to float32 inside its kernel."""


SMALL = ((1, 120), (16, 60), (96, 20))
LARGE = ((1, 500), (16, 500), (64, 300), (256, 120), (512, 60), (1024, 20))


@pytest.mark.parametrize("cell", nightly_except(CELLS, "rnn_relu", "lstm"))
@pytest.mark.parametrize("dtype", nightly_except(("float32", "float64"), "float32"))
@pytest.mark.parametrize("sizes", [SMALL, pytest.param(LARGE, marks=[pytest.mark.nightly, pytest.mark.timeout(1200)])])
def test_right_engines_are_right(engine, cell, dtype, sizes):
    cases = product(sizes, (0.05, 1.0, 6.0), (0.0, 12.0) if cell == "lstm" else (0.0,))
    # Every second one: the other type has the rest.
    for (size, timesteps), scale, forget in islice(cases, dtype == "float64", None, 2):
        inputs = inputs_of(
            {"timesteps": timesteps, "batch_size": 2},
            {"scale": scale},
            cell=cell,
            hidden_size=size,
            bidirectional=size < 512,
            num_layers=2 if size < 512 else 1,
            dtype=dtype,
        )
        assert_right(engine, with_forget_bias(inputs, forget) if forget else inputs)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("scale", nightly_except((1.0, 3.0), 3.0))
def test_saturated_gates_are_judged(engine, cell, scale):
    """One value in a thousand may have a bound that says nothing, where large terms cancel."""
    inputs = inputs_of(
        {"timesteps": 100, "batch_size": 3, "seed": 0},
        {"scale": scale, "seed": 0},
        cell=cell,
        hidden_size=64,
        num_layers=2,
    )
    found = audit(inputs, computed(engine[1], inputs)[0], full=True)
    assert found.worst_ratio < RIGHT
    assert found.undetermined < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("cell", nightly_except(CELLS, "rnn_relu", "gru"))
@pytest.mark.parametrize("value", ["random", "equal"])
def test_right_engines_are_right_where_all_terms_have_one_sign(engine, cell, value):
    """Rounding errors of sums that only grow add up further than those of sums that come and go."""
    size = 512
    inputs = inputs_of({"timesteps": 3, "batch_size": 2}, cell=cell, hidden_size=size, input_size=size)

    def positive(name, array):
        return np.full_like(array, 0.77 / size) if value == "equal" else np.abs(array) * (2 / size)

    sequence = np.full_like(inputs.sequence, 0.7) if value == "equal" else np.abs(inputs.sequence)
    assert_right(engine, with_sequence(with_parameters(inputs, positive), sequence), ALLOWED)


def network(name: str, dtype: str = "float32", **sizes: int) -> dict[str, Any]:
    return {"hidden_size": 5, "num_layers": 2, "bidirectional": True, "dtype": dtype, **sizes, **NETWORKS[name]}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("clip", [0.1, 0.2, 0.3, 0.7])
def test_a_limit_that_the_type_rounds_makes_no_step_wrong(clip, dtype):
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
def test_correct_steps_are_right_and_a_changed_value_is_the_first_wrong_one(name, dtype, cell):
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
def test_a_sampled_audit_sees_every_lane(name, monkeypatch):
    monkeypatch.setattr(audited, "FULL", 2000)
    inputs = inputs_of({"timesteps": 40, "batch_size": 9}, **network(name, hidden_size=16))
    found = audit(inputs, computed(ManualEngine(), inputs)[0])
    assert found.verdict is AuditVerdict.RIGHT
    assert 0.0 < found.coverage < 1.0
    assert np.isfinite(found.ratio_over_time).all()
