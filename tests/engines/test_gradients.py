"""Gradients of engines, compared with those of plain loops in float64 by torch.autograd."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.cells.rnn import RNN_RELU
from rnnviz.core.config import CELL_NAMES, Backward, Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines import backward, packing
from rnnviz.engines.base import Engine, EngineReport
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.registry import find_engine, load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.audit import audit
from tests.cells.layers import EXAMPLES
from tests.cells.test_running_error import KINKS
from tests.needs import need_engine
from tests.oracles.computed import assert_near, empty_trace
from tests.oracles.gradients import oracle_gradients
from tests.oracles.recurrence import recurrence
from tests.padded import padded_inputs
from tests.profiles import nightly_except

ENGINES = ("manual", "torch", "gluon")
TOLERANCES = {"float32": 1e-4, "float64": 1e-10}


def with_gradients(engine: Engine, inputs: Inputs) -> tuple[Trace, EngineReport]:
    """The trace of an engine after both passes, and the report of the second one."""
    cell = "c" in engine.states(inputs.network)
    trace = empty_trace(inputs, cell=cell, gradients=engine.gradients(inputs.network))
    engine.run(inputs, trace, lambda done: None)
    told: list[float] = []
    report = engine.run_backward(inputs, trace, told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    return trace, report


def assert_gradients(trace: Trace, expected: dict[str, NDArray[np.float64]], tolerance: float) -> None:
    gradients = {name: array for name, array in trace.items() if name.startswith("grad.")}
    assert {"grad.h", "grad.out", "grad.input", "grad.h0"} < gradients.keys()
    for name, array in gradients.items():
        assert_near(array, expected[name], tolerance, name)


@st.composite
def losses(draw: st.DrawFn, inputs: Inputs) -> Inputs:
    """The inputs with a backward pass."""
    loss = draw(st.sampled_from(("sum", "normal", "value")))
    value = None
    if loss == "value":
        shape = inputs.hidden_shape
        layer, direction, sample, unit = (draw(st.integers(0, shape[axis] - 1)) for axis in (0, 1, 3, 4))
        value = layer, direction, draw(st.integers(0, inputs.length(sample) - 1)), sample, unit
    final = draw(st.sampled_from(("zeros", "ones", "normal")))
    table = Backward(
        enabled=True, loss=loss, final_state=final, value=value, truncate=draw(st.none() | st.integers(1, 4))
    )
    return load_inputs(replace(inputs.config, backward=table))


@pytest.mark.parametrize("name", ENGINES)
@given(data=st.data())
def test_plain_loops(name, data):
    need_engine(name)
    inputs = data.draw(losses(data.draw(padded_inputs())))
    if find_engine(name).unsupported_reason(inputs.network) is not None:
        return
    trace, report = with_gradients(load_engine(name), inputs)
    rounded = inputs.network.dtype == "float32" or (name == "gluon" and inputs.network.kind == RNN_RELU)
    tolerance = TOLERANCES["float32" if rounded else "float64"]
    assert_gradients(trace, oracle_gradients(inputs), tolerance)
    for equality in report.equalities:
        assert equality.name.startswith("the fused stack's ")
        if not equality.known_issue:
            assert_near(equality.left, equality.right, tolerance, equality.name)


@pytest.mark.parametrize(
    ("cell", "layers", "dtype", "known"),
    [
        ("rnn_tanh", 2, "float64", []),
        ("rnn_tanh", 4, "float64", ["l1_i2h_weight", "l2_i2h_weight"]),
        ("rnn_tanh", 4, "float32", []),
        ("gru", 4, "float64", []),
    ],
)
def test_a_stack_of_rnn_layers_in_float64_loses_gradients_of_inner_input_weights(cell, layers, dtype, known):
    need_engine("gluon")
    inputs = inputs_of(cell, {}, None, num_layers=layers, bidirectional=False, dtype=dtype)
    trace, report = with_gradients(load_engine("gluon"), inputs)
    issues = [equality for equality in report.equalities if equality.known_issue]
    for name, equality in zip(known, issues, strict=True):
        assert equality.right is trace[f"grad.parameters.{name}"]
        assert np.abs(equality.left - equality.right).max() > 1e-3


def inputs_of(cell: str, loss: dict[str, Any], lengths: list[int] | None, **network: Any) -> Inputs:
    """Two layers in two directions, of a cell or of a custom cell."""
    own = cell in EXAMPLES
    sizes = {"input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True, "dtype": "float64"}
    config = Config.from_mapping(
        {
            "network": {"cell": f"./{cell}.py" if own else cell, **sizes, **network},
            "sequence": {"batch_size": 3, "timesteps": 7, "lengths": lengths},
            "parameters": {"initializer": "normal", "scale": 0.5, "bias": "uniform"},
            "initial_state": {"source": "normal"},
            "backward": {"enabled": True, "final_state": "normal", **loss},
        }
    )
    return load_inputs(config.with_custom_cell(EXAMPLES[cell]) if own else config)


@pytest.mark.parametrize("name", ["torch", "gluon"])
@pytest.mark.parametrize("cell", nightly_except(["lstm", "mgu", "sru"], "mgu"))
def test_a_long_lane_is_computed_in_blocks(name, cell, monkeypatch):
    need_engine(name)
    monkeypatch.setattr(backward, "PART_VALUES", 100)
    inputs = inputs_of(cell, {"truncate": 3}, [3, 7, 5])
    trace, _ = with_gradients(load_engine(name), inputs)
    assert_gradients(trace, oracle_gradients(inputs), 1e-12)


@pytest.mark.parametrize("name", ["torch", "gluon"])
@pytest.mark.parametrize(("activation", "slopes"), KINKS)
def test_a_library_has_the_slope_of_a_kink(name, activation, slopes):
    need_engine(name)
    library = import_module(f"rnnviz.engines.{name}").AUTOGRAD
    x = library.leaf(np.array(list(slopes)))
    with library.recording():
        y = library.library.activate(activation, x)
    (found,) = library.gradients([y], [np.ones(len(slopes))], [x])
    np.testing.assert_allclose(found, list(slopes.values()), rtol=1e-12)


@pytest.mark.parametrize("name", ENGINES)
def test_the_slope_of_relu_is_0_where_its_argument_is_0(name):
    """An impulse without biases: until it comes all arguments are 0. PyTorch's stack agrees with its cell's lines."""
    need_engine(name)
    tables = {"sequence": {"source": "impulse"}, "backward": {"enabled": True, "loss": "normal"}}
    inputs = load_inputs(
        Config.from_mapping({"network": {"cell": "rnn_relu", "input_size": 2, "hidden_size": 3}, **tables})
    )
    assert (recurrence(inputs).hidden == 0.0).any()
    trace, report = with_gradients(load_engine(name), inputs)
    assert_gradients(trace, oracle_gradients(inputs), TOLERANCES["float32"])
    assert audit(inputs, trace).verdict == "right"
    for equality in report.equalities:
        assert_near(equality.left, equality.right, TOLERANCES["float32"], equality.name)


@pytest.mark.parametrize("cell", [*CELL_NAMES, *EXAMPLES])
def test_manual_gradients_of_every_cell(cell, monkeypatch):
    """From the gates that the forward pass stored, and by another engine, which computes them again."""
    monkeypatch.setattr(packing, "PART_VALUES", 100)
    inputs = inputs_of(cell, {"truncate": 3, "loss": "normal"}, [3, 7, 5])
    trace, _ = with_gradients(ManualEngine(), inputs)
    expected = oracle_gradients(inputs)
    assert_gradients(trace, expected, 1e-12)
    ManualEngine().run_backward(inputs, trace, lambda done: None)
    assert_gradients(trace, expected, 1e-12)


@pytest.mark.parametrize("name", ENGINES)
def test_numbers_that_overflow_are_results(name):
    need_engine(name)
    large = {"num_layers": 1, "bidirectional": False, "dtype": "float32"}
    inputs = inputs_of("rnn_relu", {}, None, **large)
    weights = {key: np.abs(array) * np.float32(1e18) for key, array in inputs.parameters.items()}
    inputs = replace(inputs, parameters=type(inputs.parameters)(inputs.network, weights))
    trace, _ = with_gradients(load_engine(name), inputs)
    assert not np.isfinite(trace["grad.parameters.l0_h2h_weight"]).all()
    assert np.isfinite(trace["grad.h"][0, 0, -1]).all()


@pytest.mark.parametrize("cell", nightly_except(["lstm", "rnn_tanh"], "lstm"))
def test_a_large_fused_layer_is_recorded_by_its_lines(cell, monkeypatch):
    need_engine("gluon")
    monkeypatch.setattr(import_module("rnnviz.engines.gluon"), "_LARGEST_RECORDED", 1)
    inputs = inputs_of(cell, {"truncate": 3}, [3, 7, 5])
    trace, _ = with_gradients(load_engine("gluon"), inputs)
    assert_gradients(trace, oracle_gradients(inputs), 1e-12)


@pytest.mark.parametrize("cell", ["gru", pytest.param("lstm", marks=pytest.mark.slow)])
def test_the_loops_are_those_of_differences(cell):
    """Differences of the loss of plain Python loops, which share no line with the gradients."""
    inputs = inputs_of(cell, {}, None, hidden_size=2, input_size=2)
    expected, step = oracle_gradients(inputs), 1e-5
    generator = np.random.default_rng(0)

    def loss_with(name, index, change):
        arrays = {f"grad.parameters.{key}": np.array(array) for key, array in inputs.parameters.items()}
        arrays |= {"grad.input": np.array(inputs.sequence), "grad.h0": np.array(inputs.initial_state["h"])}
        arrays[name][index] += change
        parameters = {key: arrays[f"grad.parameters.{key}"] for key in inputs.parameters}
        changed = replace(
            inputs,
            sequence=arrays["grad.input"],
            initial_state={**inputs.initial_state, "h": arrays["grad.h0"]},
            parameters=type(inputs.parameters)(inputs.network, parameters),
        )
        answer = recurrence(changed)
        assert inputs.loss is not None
        assert inputs.loss.out is not None
        total = (inputs.loss.out * answer.output).sum() + (inputs.loss.state["h"] * answer.state_h).sum()
        return float(total if answer.state_c is None else total + (inputs.loss.state["c"] * answer.state_c).sum())

    for name in ("grad.input", "grad.h0", *(n for n in expected if n.startswith("grad.parameters."))):
        index = tuple(int(generator.integers(size)) for size in expected[name].shape)
        difference = loss_with(name, index, step) - loss_with(name, index, -step)
        assert difference / (2.0 * step) == pytest.approx(expected[name][index], abs=1e-6), name
