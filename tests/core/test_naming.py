"""Names of parameters, outputs and states: Gluon's, and other frameworks'."""

from dataclasses import replace

import pytest

from rnnviz.cells import StateSpec
from rnnviz.cells.lstm import LSTM
from rnnviz.core.naming import (
    file_names,
    gluon_name,
    named,
    state_key,
    with_parameters,
    with_parameters_in_columns,
)


@pytest.mark.parametrize(
    ("names", "gluon", "other"),
    [
        ("pytorch", "l0_i2h_weight", "weight_ih_l0"),
        ("pytorch", "r12_h2h_bias[3]", "bias_hh_l12_reverse[3]"),
        ("pytorch", "l1_h2r_weight", "weight_hr_l1"),
        ("pytorch", "l0_c2i_weight", "l0_c2i_weight"),
        ("pytorch", "v = W_h2h h[t-1] + b_h2h", "v = W_hh h[t-1] + b_hh"),
        ("pytorch", "out[0][7][4:8] = state[0][1][0]", "output[0][7][4:8] = h_n[1][0]"),
        ("pytorch", "state[1][0][0], state[2][0][0]", "c_n[0][0], state[2][0][0]"),
        ("pytorch", "without output", "without output"),
        ("pytorch", "NTC, batch first", "batch_first=True"),
        ("pytorch", "[h, c], each (1, 2, 3)", "(h_n, c_n), each (1, 2, 3)"),
        ("onnx", "l0_i2h_weight, r2_h2h_bias", "W[0], node2.Rb[1]"),
        ("onnx", "l0_h2h_weight, l1_i2h_bias", "R[0], node1.Wb[0]"),
        ("onnx", "l0_h2r_weight, l0_i2h_weight[3, 2]", "l0_h2r_weight, l0_i2h_weight[3, 2]"),
        ("onnx", "out, state[0], state[1]", "Y, Y_h, Y_c"),
        ("keras", "l0_i2h_weight, r1_h2h_weight", "kernel, layer1.backward_layer.recurrent_kernel"),
        ("keras", "l0_i2h_bias, l0_h2h_bias", "bias, l0_h2h_bias"),
        ("keras", "u = W_i2h x[t] + b_i2h", "u = kernel x[t] + bias"),
    ],
)
def test_a_name_of_gluon_has_one_of_another_framework(names, gluon, other):
    assert named(gluon, names) == other
    assert named(gluon, "gluon") == gluon


def test_names_of_pytorch_have_one_of_gluon():
    for text in ("l0_i2h_weight", "r12_h2h_bias", "l1_h2r_weight and l0_h2h_bias"):
        assert gluon_name(with_parameters(text, "pytorch")) == text
    assert gluon_name("weight_ih_lstm") == "weight_ih_lstm"


def test_columns_stay_below_each_other():
    table = "l0_i2h_weight  1.0\nx              2.0\nr10_i2h_bias  3.0"
    assert with_parameters_in_columns(table, "pytorch").splitlines() == [
        "weight_ih_l0   1.0",
        "x              2.0",
        "bias_ih_l10_reverse  3.0",
    ]


def test_a_state_has_its_own_name_in_a_file():
    assert [state_key(symbol) for symbol in "hcm"] == ["state", "cell_state", "m_state"]
    assert file_names(LSTM) == {
        "h": "hidden",
        "out": "output",
        "state.h": "state",
        "c": "cell",
        "state.c": "cell_state",
    }
    own = replace(LSTM, states=(StateSpec("h", "H"), StateSpec("m", "H")))
    assert [file_names(own)[name] for name in ("m", "state.m")] == ["m", "m_state"]
