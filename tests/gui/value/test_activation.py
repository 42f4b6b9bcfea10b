"""The curve of an activation with the point of a value."""

from dataclasses import replace
from math import nan, tanh

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.gui.value.page import activation_curve
from tests.explain.arithmetics import breakdown_at, tidy_result

WHERE = Location(0, 0, 2, 1, 1)


def arithmetic(cell):
    result = tidy_result(cell=cell, hidden_size=2)
    return breakdown_at(result.inputs, result["gluon"], WHERE)


CASES = [("lstm", "i", "sigmoid", 6.0), ("lstm", "g", "tanh", 3.0), ("rnn_relu", "h", "relu", 2.0)]


@pytest.mark.parametrize(("cell", "line", "activation", "least"), [*CASES, ("rnn_tanh", "h", "tanh", 3.0)])
def test_a_curve_is_symmetric_and_extends_beyond_each_point(cell, line, activation, least):
    own = arithmetic(cell)
    gate = own.by_name[line]
    formula = {"sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh, "relu": lambda x: np.where(x > 0, x, 0)}
    for bias, reach in ((0.0, least), (-200.0, None), (1e31, least), (nan, least)):
        there = gate.argument + bias
        curve = activation_curve(replace(gate, point=(gate.point[0], there, gate.value)))
        assert curve.activation == activation
        assert curve.x[-1] == pytest.approx(-curve.x[0])
        assert curve.x[-1] == pytest.approx(1.15 * abs(there) if reach is None else least)
        assert len(curve.x) == 97
        np.testing.assert_allclose(curve.y, formula[activation](curve.x), atol=1e-15)
        assert repr(curve.point) == repr((there, gate.value))


def test_only_the_last_line_of_an_lstm_has_a_curve_without_a_gate():
    own = arithmetic("lstm")
    c = own.by_name["c"].value
    curve = activation_curve(own.by_name["h"])
    assert curve.activation == "tanh"
    np.testing.assert_allclose(curve.point, (c, tanh(c)), rtol=1e-14)
    assert activation_curve(own.by_name["c"]) is activation_curve(arithmetic("gru").by_name["h"]) is None
