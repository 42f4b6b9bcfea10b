"""The real Gluon: facts of the notebooks, agreement with its own fused stack, and its known bugs."""

import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.base import Engine
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.registry import load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.compare import compare
from rnnviz.verify.consistency_checks import consistency_checks, equality
from tests.needs import needs
from tests.oracles.computed import computed
from tests.oracles.recurrence import recurrence
from tests.strategies import configs

pytestmark = needs("mxnet")


@pytest.fixture(scope="module")
def gluon() -> Engine:
    return load_engine("gluon")


@pytest.mark.slow
def test_a_process_that_crashes_after_the_import_ends() -> None:
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


@given(config=configs())
def test_the_chain_is_the_fused_stack_and_keeps_the_notebooks_promises(gluon: Engine, config: Config) -> None:
    trace, report = computed(gluon, load_inputs(config))
    # The chain is bitwise the stack in float64; in float32 it is within a few roundings of the largest number.
    scale = max(1.0, float(np.abs(trace.hidden).max()))
    atol = 0.0 if config.network.dtype == "float64" else 2e-6 * scale
    names = [held.name for held in report.equalities]
    assert names == [
        "the fused stack's out is the chain's",
        *(f"the fused stack's final {name} is the chain's" for name in config.network.kind.state_symbols),
    ]
    checks = consistency_checks(trace, 0.0, 0.0)
    checks += [equality(e.name, "gluon", e.left, e.right, 0.0, atol) for e in report.equalities]
    assert [check for check in checks if not check.holds] == []
    assert list(report.seconds) == ["gluon.fused"]
    assert report.seconds["gluon.fused"] > 0.0


def traces_of(gluon: Engine, inputs: Inputs) -> tuple[Trace, Trace]:
    return computed(gluon, inputs)[0], computed(ManualEngine(), inputs)[0]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_float64_relu_is_rounded_to_float32_by_mxnet_and_shows_as_its_mismatch(
    gluon: Engine, bidirectional: bool
) -> None:
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


def with_nan(inputs: Inputs, *where: int) -> Inputs:
    sequence = np.array(inputs.sequence)
    sequence[where] = np.nan
    sequence.flags.writeable = False
    return replace(inputs, sequence=sequence)


def test_relu_turns_nan_into_zero_in_mxnet_alone_and_shows_as_a_mismatch(gluon: Engine) -> None:
    inputs = with_nan(load_inputs(notebook_config(sequence={"timesteps": 3})), 1, 4, 2)
    theirs, ours = traces_of(gluon, inputs)
    assert np.isnan(ours.hidden[0, 0, 1:, 4]).all()
    assert not np.isnan(theirs.hidden).any()
    assert (theirs.hidden[0, 0, 1, 4] == 0.0).all()
    assert not np.isnan(np.delete(ours.hidden, 4, axis=3)).any()
    comparison = compare(theirs, ours, 1e-6, 1e-5)
    assert comparison.verdict == "disagree"
    assert (comparison.nonfinite_reference, comparison.nonfinite_candidate) == (0, 20)
    assert comparison.nonfinite_apart == 20
    assert comparison.first_mismatch is not None
    assert comparison.first_mismatch.where.index == (0, 0, 1, 4, 0)


@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru"])
def test_other_cells_propagate_nan_in_both_engines(gluon: Engine, cell: str) -> None:
    inputs = with_nan(load_inputs(notebook_config(cell=cell, sequence={"timesteps": 3})), 1, 4, 2)
    theirs, ours = traces_of(gluon, inputs)
    np.testing.assert_array_equal(np.isnan(theirs.hidden), np.isnan(ours.hidden))
    assert np.isnan(theirs.hidden[0, 0, 1:, 4]).all()
    assert compare(theirs, ours, 1e-6, 1e-5).verdict == "agree"


def test_parts_of_mxnet_that_are_imported_later_work() -> None:
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
