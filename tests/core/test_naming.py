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
from tests.cases import cases


@pytest.mark.parametrize(("names", "gluon", "other"), cases(__file__)["names-of-parameters"])
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
