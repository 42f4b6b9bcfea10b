"""Every engine, on every cell with projections, other activations and clips, against plain loops in float64."""

import numpy as np
import pytest
from hypothesis import given

from rnnviz.cells import CELLS
from rnnviz.cells.rnn import RNN_RELU
from rnnviz.core.config import CELL_NAMES, Config
from rnnviz.engines.registry import ENGINES, load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.audit import audit
from rnnviz.verify.consistency_checks import consistency_checks
from tests.needs import need_engine
from tests.oracles.computed import assert_agrees, assert_near, computed
from tests.oracles.recurrence import recurrence
from tests.strategies import configs, every_cell_configs
from tests.verify.audit_helpers import inputs_of

TOLERANCES = {"float32": 2e-5, "float64": 1e-12}


@pytest.mark.parametrize("engine", ENGINES)
@given(config=configs() | every_cell_configs())
def test_plain_loops(engine, config):
    need_engine(engine)
    if ENGINES[engine].unsupported_reason(config.network) is not None:
        return
    inputs = load_inputs(config)
    trace, report = computed(load_engine(engine), inputs)
    # MXNet computes this layer in float32, whatever its type.
    rounded = engine == "gluon" and config.network.kind == RNN_RELU
    tolerance = TOLERANCES["float32" if rounded else config.network.dtype]
    assert_agrees(trace, recurrence(inputs), tolerance)
    assert all(check.holds for check in consistency_checks(trace, *config.tolerances))
    assert rounded or audit(inputs, trace).verdict == "right"
    for equality in report.equalities:
        assert_near(equality.left, equality.right, tolerance, equality.name)


@pytest.mark.parametrize("engine", ENGINES)
def test_cell_states_inside_are_known_of_some_engines_and_final_ones_of_all(engine):
    need_engine(engine)
    inputs = inputs_of({"timesteps": 4}, cell="lstm", hidden_size=6, num_layers=2, bidirectional=True)
    before = [np.array(a) for a in (inputs.sequence, *inputs.parameters.values(), *inputs.initial_state.values())]
    loaded = load_engine(engine)
    trace, report = computed(loaded, inputs)
    assert ("c" in loaded.states(inputs.network)) == ("c" in trace) == (engine == "manual")
    assert_agrees(trace, recurrence(inputs), 2e-5)
    assert report.printed == ""
    after = [inputs.sequence, *inputs.parameters.values(), *inputs.initial_state.values()]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def network(cell: str, **keys: object) -> Config:
    return Config.from_mapping({"network": {"cell": cell, "input_size": 3, "hidden_size": 4, **keys}})


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_engines_of_each_cell(cell):
    able = {name for name, entry in ENGINES.items() if entry.unsupported_reason(network(cell).network) is None}
    everywhere = {"gluon", "manual", "onnx"}
    assert able == (everywhere | {"torch"} if cell in ("rnn_relu", "rnn_tanh", "lstm", "gru") else everywhere)


def test_engines_of_a_custom_cell():
    custom = network("./x.py").with_custom_cell(CELLS["gru"]).network
    assert {name for name, entry in ENGINES.items() if entry.unsupported_reason(custom) is not None} == {"onnx"}


@pytest.mark.parametrize(
    ("cell", "keys", "able"),
    [
        ("lstm", {"projection_size": 3}, {"gluon", "manual", "torch"}),
        ("lstm", {"projection_size": 4}, {"gluon", "manual"}),
        ("gru", {"clip": 1.0}, {"gluon", "manual", "onnx"}),
        ("gru", {"activations": ["hard_sigmoid", "gelu"]}, {"gluon", "manual"}),
        ("gru", {"activations": ["hard_sigmoid", "linear"]}, {"gluon", "manual", "onnx"}),
    ],
)
def test_engines_of_a_setting(cell, keys, able):
    config = network(cell, **keys)
    reasons = {name: entry.unsupported_reason(config.network) for name, entry in ENGINES.items()}
    assert {name for name, reason in reasons.items() if reason is None} == able
    for reason in filter(None, reasons.values()):
        assert all(name in reason for name in able)
