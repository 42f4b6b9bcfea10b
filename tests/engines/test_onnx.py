"""ONNX Runtime as a second opinion: our parameters as ONNX nodes, layer by layer."""

import pytest

from rnnviz.core.config import Network
from rnnviz.core.errors import EngineError
from rnnviz.engines.registry import ENGINES, load_engine
from tests.needs import needs
from tests.oracles.computed import computed
from tests.verify.audit_helpers import inputs_of

pytestmark = needs("onnxruntime")


def test_float64_is_refused_with_the_dtype_allowed():
    entry = ENGINES["onnx"]
    assert entry.unsupported_reason(Network("gru", 3, 4, dtype="float32")) is None
    assert entry.unsupported_reason(Network("gru", 3, 4, dtype="float64")) == (
        "ONNX Runtime computes recurrent layers in float32 only, but network.dtype is float64: set it to float32, "
        "or use another engine."
    )


def test_an_error_of_onnxruntime_becomes_a_sentence(monkeypatch):
    from rnnviz.engines import onnx

    def model(network, *, padded):
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
def test_onnxruntime_uses_the_given_threads_and_the_cpu_only_and_no_warnings(monkeypatch, told, threads):
    from rnnviz.engines import onnx

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    session = onnx.open_session(onnx._model(Network("lstm_peephole", 2, 3)))
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.log_severity_level) == (threads, 4)
    assert session.get_providers() == ["CPUExecutionProvider"]
    plain = onnx.open_session(onnx._model(Network("lstm_peephole", 2, 3)), optimized=False).get_session_options()
    assert "DISABLE_ALL" in str(plain.graph_optimization_level)
    assert "DISABLE_ALL" not in str(options.graph_optimization_level)
