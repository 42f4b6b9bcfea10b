"""ONNX Runtime as a second opinion: our parameters as ONNX nodes, layer by layer."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from rnnviz.cells import CELLS
from rnnviz.core.config import Config, Network
from rnnviz.core.errors import EngineError
from rnnviz.engines.registry import ENGINES, load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.audit import audit
from rnnviz.verify.consistency_checks import consistency_checks
from tests.needs import needs
from tests.oracles.computed import assert_agrees, assert_near, computed, empty_trace
from tests.oracles.recurrence import recurrence
from tests.strategies import configs
from tests.verify.audit_helpers import inputs_of

pytestmark = needs("onnxruntime")


@given(config=configs(dtype="float32"))
def test_every_number_equals_the_float64_oracle(config: Config) -> None:
    inputs = load_inputs(config)
    trace, report = computed(load_engine("onnx"), inputs)
    assert_agrees(trace, recurrence(inputs), 2e-5)
    assert audit(inputs, trace).verdict == "right"
    assert all(check.holds for check in consistency_checks(trace, *config.tolerances))
    assert report.printed == ""


def test_the_cell_states_inside_are_not_known_but_the_final_ones_are() -> None:
    inputs = inputs_of({"timesteps": 4}, cell="lstm", hidden_size=6, num_layers=2, bidirectional=True)
    engine = load_engine("onnx")
    trace, _ = computed(engine, inputs)
    assert not engine.provides_cell_state
    assert trace.cell is None
    assert trace.state_c is not None
    expected = recurrence(inputs).state_c
    assert expected is not None
    assert_near(trace.state_c, expected, 2e-5)


def test_float64_is_refused_with_the_dtype_allowed() -> None:
    entry = ENGINES["onnx"]
    assert entry.unsupported_reason(Network("gru", 3, 4, dtype="float32")) is None
    assert entry.unsupported_reason(Network("gru", 3, 4, dtype="float64")) == (
        "ONNX Runtime computes recurrent layers in float32 only, but network.dtype is float64: set it to float32, "
        "or use another engine."
    )


def test_an_error_of_onnxruntime_becomes_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from rnnviz.engines import onnx

    def model(network: Network, *, padded: bool) -> Any:
        raised = original(network, padded=padded)
        raised.graph.node[0].op_type = "NoSuchOperator"
        return raised

    original = onnx._model
    monkeypatch.setattr(onnx, "_model", model)
    inputs = inputs_of({}, cell="gru", hidden_size=3)
    with pytest.raises(EngineError, match=r"^ONNX Runtime refused the network: .*NoSuchOperator") as caught:
        computed(load_engine("onnx"), inputs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("told", "threads"), [("3", 3), ("", 0), ("many", 0), (None, 0)], ids=str)
def test_onnxruntime_uses_the_given_threads_and_the_cpu_only_and_no_warnings(
    monkeypatch: pytest.MonkeyPatch, told: str | None, threads: int
) -> None:
    from rnnviz.engines import onnx

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    session = onnx.open_session(onnx._model(Network("gru", 2, 3)))
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.log_severity_level) == (threads, 4)
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_progress_grows_to_one_and_the_inputs_stay() -> None:
    inputs = inputs_of({}, cell="lstm", hidden_size=3, num_layers=3)
    before = {name: np.array(array) for name, array in inputs.parameters.items()}
    told: list[float] = []
    load_engine("onnx").run(inputs, empty_trace(inputs, cell=False), told.append)
    assert told == [1 / 3, 2 / 3, 1.0]
    for name, array in before.items():
        np.testing.assert_array_equal(inputs.parameters[name], array)


def test_peepholes_are_those_of_plain_loops() -> None:
    inputs = inputs_of({"timesteps": 4, "batch_size": 2}, cell="lstm_peephole", hidden_size=5, bidirectional=True)
    trace, _ = computed(load_engine("onnx"), inputs)
    assert_agrees(trace, recurrence(inputs), 2e-5)


def test_a_custom_cell_is_none_of_onnx() -> None:
    config = Config.from_mapping({"network": {"cell": "./x.py", "input_size": 2, "hidden_size": 3}})
    network = config.with_custom_cell(CELLS["gru"]).network
    unsupported = {name for name, entry in ENGINES.items() if entry.unsupported_reason(network) is not None}
    assert unsupported == {"onnx"}
