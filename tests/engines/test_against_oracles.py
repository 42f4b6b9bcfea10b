"""Both engines against three independent ones, over networks of every kind with random, non-zero numbers."""

import numpy as np
import pytest
from hypothesis import given

from rnnviz.core.config import Config
from rnnviz.engines.base import Engine
from rnnviz.engines.registry import load_engine
from rnnviz.io.inputs import load_inputs
from tests.needs import need_engine
from tests.oracles.computed import assert_agrees, computed
from tests.oracles.onnx_runtime import answer_of_onnxruntime
from tests.oracles.recurrence import recurrence
from tests.strategies import configs

FLOAT32, FLOAT64 = 2e-5, 1e-12


@pytest.fixture(scope="module", params=["manual", "gluon"])
def engine(request: pytest.FixtureRequest) -> Engine:
    need_engine(request.param)
    return load_engine(request.param)


def tolerance_of(engine: Engine, config: Config) -> float:
    """MXNet rounds float64 relu layers to float32 inside the kernel; everything else keeps its precision."""
    rounded = "mxnet" in engine.version and config.network.cell == "rnn_relu"
    return FLOAT64 if config.network.dtype == "float64" and not rounded else FLOAT32


@given(config=configs())
def test_every_number_equals_the_float64_oracle(engine: Engine, config: Config) -> None:
    inputs = load_inputs(config)
    trace, _ = computed(engine, inputs)
    assert_agrees(trace, recurrence(inputs), tolerance_of(engine, config))


@given(config=configs(dtype="float32"))
def test_every_number_is_that_of_onnxruntime(engine: Engine, config: Config) -> None:
    inputs = load_inputs(config)
    trace, _ = computed(engine, inputs)
    assert_agrees(trace, answer_of_onnxruntime(inputs), FLOAT32)


@given(config=configs())
def test_every_number_is_that_of_torch(engine: Engine, config: Config) -> None:
    pytest.importorskip("torch")
    from tests.oracles.torch_modules import answers_of_torch

    inputs = load_inputs(config)
    trace, _ = computed(engine, inputs)
    assert_agrees(trace, answers_of_torch(inputs), tolerance_of(engine, config))


@given(config=configs())
def test_out_and_states_are_laid_out_by_layout_and_direction(engine: Engine, config: Config) -> None:
    inputs = load_inputs(config)
    trace, _ = computed(engine, inputs)
    layers, directions, timesteps, samples, size = trace.shape
    shapes = {
        "NTC": (samples, timesteps, directions * size),
        "TNC": (timesteps, samples, directions * size),
    }
    for layout, shape in shapes.items():
        out = trace.output_in(layout)
        assert out.shape == shape
        for t in range(timesteps):
            for n in range(samples):
                at = out[n, t] if layout == "NTC" else out[t, n]
                np.testing.assert_array_equal(at, np.hstack([trace.hidden[-1, d, t, n] for d in range(directions)]))
    assert config.network.output_shape(timesteps, samples) == shapes[config.network.layout]
    for layer in range(layers):
        for direction in range(directions):
            last = 0 if direction == 1 else timesteps - 1
            np.testing.assert_array_equal(
                trace.state_h[layer * directions + direction], trace.hidden[layer, direction, last]
            )
            if trace.cell is not None and trace.state_c is not None:
                np.testing.assert_array_equal(
                    trace.state_c[layer * directions + direction], trace.cell[layer, direction, last]
                )


@given(config=configs(cell="lstm"))
def test_only_engines_that_provide_cell_states_fill_them(engine: Engine, config: Config) -> None:
    trace, _ = computed(engine, load_inputs(config))
    assert (trace.cell is not None) == engine.provides_cell_state
    assert trace.cell is None or not np.isnan(trace.cell).any()
