"""Every cell, with projections, other activations and clips, as every engine computes it."""

import pytest
from hypothesis import given

from rnnviz.cells.rnn import RNN_RELU
from rnnviz.core.config import CELL_NAMES, Config
from rnnviz.engines.registry import ENGINES, load_engine
from rnnviz.io.inputs import load_inputs
from tests.needs import need_engine
from tests.oracles.computed import assert_agrees, computed
from tests.oracles.recurrence import recurrence
from tests.strategies import every_cell_configs

TOLERANCES = {"float32": 2e-5, "float64": 1e-11}


@pytest.mark.parametrize("engine", ENGINES)
@given(config=every_cell_configs())
def test_plain_loops(engine: str, config: Config) -> None:
    entry = ENGINES[engine]
    need_engine(engine)
    if entry.unsupported_reason(config.network) is None:
        inputs = load_inputs(config)
        trace, _ = computed(load_engine(engine), inputs)
        # MXNet computes this layer in float32, whatever its type.
        rounded = engine == "gluon" and config.network.kind == RNN_RELU
        assert_agrees(trace, recurrence(inputs), TOLERANCES["float32" if rounded else config.network.dtype])


def network(cell: str, **keys: object) -> Config:
    return Config.from_mapping({"network": {"cell": cell, "input_size": 3, "hidden_size": 4, **keys}})


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_engines_of_each_cell(cell: str) -> None:
    able = {name for name, entry in ENGINES.items() if entry.unsupported_reason(network(cell).network) is None}
    everywhere = {"gluon", "manual", "onnx"}
    assert able == (everywhere | {"torch"} if cell in ("rnn_relu", "rnn_tanh", "lstm", "gru") else everywhere)


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
def test_engines_of_a_setting(cell: str, keys: dict[str, object], able: set[str]) -> None:
    config = network(cell, **keys)
    reasons = {name: entry.unsupported_reason(config.network) for name, entry in ENGINES.items()}
    assert {name for name, reason in reasons.items() if reason is None} == able
    for reason in filter(None, reasons.values()):
        assert all(name in reason for name in able)
