"""The manual engine over blocks of time, with extremes, and its independence from what it is run with."""

import numpy as np
import pytest
from hypothesis import given
from threadpoolctl import threadpool_info, threadpool_limits

from rnnviz.cells import CELLS
from rnnviz.cells.interpreters import layout
from rnnviz.core.config import CELL_NAMES, Config
from rnnviz.engines.base import layer_output
from rnnviz.engines.manual import ManualEngine, threads_for
from rnnviz.io.inputs import load_inputs
from tests.oracles.computed import assert_agrees, computed, empty_trace
from tests.oracles.recurrence import recurrence
from tests.strategies import configs


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", sorted(CELL_NAMES))
def test_a_sequence_of_several_real_blocks(cell, bidirectional):
    sizes = {"cell": cell, "input_size": 1, "hidden_size": 2, "bidirectional": bidirectional, "dtype": "float64"}
    tables = {"network": sizes, "sequence": {"batch_size": 1, "timesteps": 50}}
    config = Config.from_mapping({**tables, "parameters": {"initializer": "uniform", "scale": 0.5}})
    inputs = load_inputs(config)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_BLOCK_BYTES", "_TILED_BLOCK_BYTES"):
            patch.setattr(layout, name, 7 * 2 * CELLS[cell].gate_count * 8)
        told: list[float] = []
        trace = empty_trace(inputs, cell=True)
        ManualEngine().run(inputs, trace, told.append)
    assert_agrees(trace, recurrence(inputs), 1e-12)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) == 8 * config.network.directions


@given(config=configs())
def test_the_same_inputs_give_the_same_bytes_and_are_not_written_to(config):
    inputs = load_inputs(config)
    arrays = (inputs.sequence, *inputs.parameters.values(), *inputs.initial_state.values())
    before = [array.tobytes() for array in arrays]
    first, _ = computed(ManualEngine(), inputs)
    second, _ = computed(ManualEngine(), inputs)
    assert first.hidden.tobytes() == second.hidden.tobytes()
    assert [array.tobytes() for array in arrays] == before


def test_layer_output_is_the_concatenation_of_the_directions():
    hidden = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    both = layer_output(hidden)
    np.testing.assert_array_equal(both[..., :5], hidden[0])
    np.testing.assert_array_equal(both[..., 5:], hidden[1])
    np.testing.assert_array_equal(layer_output(hidden[:1]), hidden[0])
    out = np.empty((3, 4, 5))
    layer_output(hidden[:1], out)
    np.testing.assert_array_equal(out, hidden[0])


def threads() -> set[int]:
    """Of numpy's BLAS: frameworks that other tests have imported bring their own."""
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return {library["num_threads"] for library in blas if "numpy" in library["filepath"]}


def test_from_half_a_million_multiplications_on_a_product_is_shared():
    assert (np.ones((3, 4)) @ np.ones((4, 5))).sum() == 60  # its BLAS is there
    with threadpool_limits(limits=2, user_api="blas"):
        usual = threads()
        with threads_for((1 << 19) - 1, 1 << 20):
            assert threads() == {1}
        with threads_for(1 << 19, 1 << 20):
            assert threads() == usual
        with threads_for(100, 200):
            assert threads() == usual
        assert threads() == usual
