"""The lines of every cell, and every activation, on the arrays of MXNet and PyTorch."""

import math
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.cells.activations import ACTIVATIONS
from rnnviz.cells.interpreters.arrays import step_values
from tests.cells.layers import ALL_CELLS, draw_layer
from tests.needs import need_engine
from tests.oracles.cell_loops import cell_values

TOLERANCES = {"float32": 3e-5, "float64": 1e-12}


@pytest.fixture(params=["gluon", "torch"])
def library(request):
    """The library, and conversions of NumPy arrays to its arrays and back."""
    need_engine(request.param)
    engine = import_module(f"rnnviz.engines.{request.param}")
    return engine.LIBRARY, engine.to_library, engine.to_numpy


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", ALL_CELLS)
def test_every_cell(name, dtype, library):
    functions, to_library, to_numpy = library
    layer = draw_layer(ALL_CELLS[name]).in_type(dtype)
    expected = cell_values(name, layer.parameters, layer.x, layer.state)

    def converted(arrays):
        return {key: to_library(array) for key, array in arrays.items()}

    parameters, state = converted(layer.parameters), converted(layer.state)
    for t, x in enumerate(layer.x):
        values = step_values(layer.cell, parameters, to_library(x), state, functions)
        for key, array in expected.items():
            found = to_numpy(values[key])
            assert found.dtype == dtype
            np.testing.assert_allclose(found, array[t], rtol=0.0, atol=TOLERANCES[dtype] * max(1, abs(array).max()))
        state = {key: values[key] for key in state}


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name, dtype, library):
    functions, to_library, to_numpy = library
    x: NDArray[Any] = np.array([[-3.0, -1.0, -0.3, 0.0], [0.2, 0.9, 1.5, math.nan]], dtype)
    found = to_numpy(functions.activate(ACTIVATIONS[name], to_library(x)))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, ACTIVATIONS[name].values(x), rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])
