"""The real Gluon: facts of the notebooks, agreement with its own fused stack, and its known bugs."""

import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.base import Engine
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.registry import load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.compare import compare
from tests.needs import needs
from tests.oracles.computed import computed
from tests.oracles.recurrence import recurrence

pytestmark = needs("mxnet")


@pytest.fixture(scope="module")
def gluon():
    return load_engine("gluon")


@pytest.mark.slow
def test_a_process_that_crashes_after_the_import_ends():
    code = "import os, signal, rnnviz.engines.gluon; os.kill(os.getpid(), signal.SIGSEGV)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGSEGV


def notebook_config(*, sequence: dict[str, Any], **network: Any) -> Config:
    """The notebook's network: five features, ten units, sixteen samples, Gluon's own initial weights."""
    return Config.from_mapping(
        {
            "network": {"cell": "rnn_relu", "input_size": 5, "hidden_size": 10, **network},
            "sequence": {"batch_size": 16, **sequence},
        }
    )


def traces_of(gluon: Engine, inputs: Inputs) -> tuple[Trace, Trace]:
    return computed(gluon, inputs)[0], computed(ManualEngine(), inputs)[0]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_float64_relu_is_rounded_to_float32_by_mxnet_and_shows_as_its_mismatch(gluon, bidirectional):
    config = notebook_config(
        dtype="float64", num_layers=2, bidirectional=bidirectional, sequence={"timesteps": 6, "seed": 5}
    )
    inputs = load_inputs(config)
    theirs, ours = traces_of(gluon, inputs)
    truth = recurrence(inputs).hidden
    assert np.abs(ours.hidden - truth).max() < 1e-13
    error = np.abs(theirs.hidden - truth).max() / np.abs(truth).max()
    assert 1e-9 < error < 1e-5
    rtol, atol = config.tolerances
    comparison = compare(theirs, ours, rtol, atol)
    assert comparison.verdict == "disagree"
    assert comparison.smallest_passing_atol < 1e-4


def test_parts_of_mxnet_that_are_imported_later_work():
    from rnnviz.engines.gluon import mx

    for name in ("requests", "h5py", "mxnet.contrib.onnx"):
        assert getattr(sys.modules.get(name), "__spec__", True) is not None, name
    symbol = mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=3)
    assert symbol.list_arguments()[0] == "x"
    layer = mx.gluon.nn.Dense(3)
    layer.initialize()
    x = mx.nd.ones((2, 4))
    eager = layer(x).asnumpy()
    layer.hybridize()
    np.testing.assert_array_equal(layer(x).asnumpy(), eager)
