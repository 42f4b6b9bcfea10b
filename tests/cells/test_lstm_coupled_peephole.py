"""The LSTM with peepholes and coupled gates, whose loop all tests of cells use."""

from collections.abc import Mapping

import numpy as np
import pytest

from rnnviz.cells import CELLS
from rnnviz.cells.interpreters.symbols import equations
from tests.cells.layers import draw_layer
from tests.oracles.cell_loops import Function, Given, Layer, Named, Numbers, added, each, scaled
from tests.oracles.onnx_cells import Node, values_of_onnxruntime

CELL = CELLS["lstm_coupled_peephole"]
# Of ONNX's gates i, o, f, c and of its peepholes i, o, f, a coupled forget gate is not read.
ONNX = Node("LSTM", (0, 2, None, 1), ("c2i_weight", "c2o_weight", None), (("input_forget", 1),))
KNOWN_BUGS = ["cell-not-squashed", "coupled-gates-exchanged", "no-peepholes", "peephole-from-old-cell-state"]


def lstm_coupled_peephole(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    """ONNX's LSTM with P and input_forget=1: ft = 1 - it, it = f(... + Pi (.) Ct-1), ot = f(... + Po (.) Ct)."""
    i, g, o = (added(layer.from_x(3, k, x), layer.from_h(3, k, s["h"])) for k in range(3))
    i = each(f["gate"], added(i, scaled(layer.p["c2i_weight"], s["c"])))
    g, forget = each(f["candidate"], g), [1.0 - number for number in i]
    c = [forget[k] * s["c"][k] + i[k] * g[k] for k in range(len(i))]
    o = each(f["gate"], added(o, scaled(layer.p["c2o_weight"], c)))
    h = [o[k] * f["output"](c[k]) for k in range(len(i))]
    return {"i": i, "f": forget, "g": g, "o": o, "c": c, "h": h}


def test_equations():
    assert [line.text for line in equations(CELL)] == [
        "i = sigmoid(u_i + v_i + c2i_weight · c[t-1])",
        "f = 1 - i",
        "g = tanh(u_g + v_g)",
        "c = f · c[t-1] + i · g",
        "o = sigmoid(u_o + v_o + c2o_weight · c)",
        "h = o · tanh(c)",
    ]


@pytest.mark.parametrize("name", ["c2i_weight", "c2o_weight"])
def test_onnx_runtime_reads_each_peephole(name):
    layer = draw_layer(CELL).in_type("float32")
    more = {**layer.parameters, name: layer.parameters[name] + 1.0}
    before, after = (values_of_onnxruntime(CELL.name, p, layer.x, layer.state)["h"] for p in (layer.parameters, more))
    assert np.abs(after - before).max() > 1e-2
