"""The test cases of ONNX's recurrent operators as detectors: hardly any change of a cell would fail them."""

from typing import Any

import numpy as np
import pytest

from rnnviz.core.inputs import Inputs
from rnnviz.verify.step_screen import SHOWN, grades
from tests.needs import needs
from tests.verify.audit_helpers import inputs_of, with_parameters

ORDERS = {"rnn_tanh": [0], "gru_reset_before": [1, 0, 2], "lstm": [0, 2, 3, 1]}
"""The rows of ONNX by gate, in the order of the cell."""


def cases_of(operator: str, cell: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Inputs]:
    """ONNX's own cases of an operator without peepholes."""
    module = __import__(f"onnx.backend.test.case.node.{operator.lower()}", fromlist=[operator])
    found: dict[str, Inputs] = {}

    def note(node: Any, inputs: list[np.ndarray], name: str, **_: Any) -> None:
        if len(inputs) <= 4:
            given = {own.name: own.s or own.i for own in node.attribute}
            found[name] = inputs_of_case(cell, given, *inputs)

    monkeypatch.setattr(module, "expect", note)
    for name, export in vars(getattr(module, operator)).items():
        if name.startswith("export"):
            export.__func__() if isinstance(export, staticmethod) else export()
    return found


def inputs_of_case(
    cell: str, given: dict[str, Any], x: np.ndarray, w: np.ndarray, r: np.ndarray, b: np.ndarray | None = None
) -> Inputs:
    directions, size, width = len(w), r.shape[-1], w.shape[-1]
    x = x.swapaxes(0, 1) if given.get("layout") else x
    biases = np.zeros((directions, 2 * r.shape[1])) if b is None else b
    halves = np.split(biases, 2, axis=1)
    arrays = {"i2h_weight": w, "h2h_weight": r, "i2h_bias": halves[0], "h2h_bias": halves[1]}

    def rows(name: str, _: np.ndarray) -> np.ndarray:
        own = arrays[name.partition("_")[2]]["lr".index(name[0])]
        return own.reshape(-1, size, *own.shape[1:])[ORDERS[cell]].reshape(own.shape)

    reverse = given.get("direction") == b"reverse"
    network = {
        "cell": cell,
        "input_size": width,
        "hidden_size": size,
        "bidirectional": directions == 2,
        "reverse": reverse,
    }
    drawn = inputs_of({"timesteps": len(x), "batch_size": x.shape[1]}, {}, **network)
    state = {name: np.zeros_like(array) for name, array in drawn.initial_state.items()}
    with_weights = with_parameters(drawn, rows)
    return Inputs(with_weights.config, np.ascontiguousarray(x, np.float32), with_weights.parameters, state)


@pytest.mark.slow
@needs("onnx")
def test_the_cases_of_an_lstm_show_no_wrong_order_and_no_transposition(monkeypatch):
    cases = cases_of("LSTM", "lstm", monkeypatch)
    assert len(cases) >= 3
    found = grades(cases.values())
    hidden = {name for name, _, _ in found if max(r for (own, *_), r in found.items() if own == name) < SHOWN}
    orders = {name for name, _, _ in found if name.startswith("gates-")}
    assert len(orders) == 23
    assert hidden >= {*orders, "h2h-transposed", "i2h-weight-column-major", "no-h2h-bias"}
    assert "wrong-activation" not in found
    assert found["tanh-for-sigmoid", (), ()] > SHOWN


@pytest.mark.slow
def test_random_weights_show_what_the_cases_do_not():
    network = {"cell": "lstm", "input_size": 2, "hidden_size": 3, "bidirectional": True}
    found = grades([inputs_of({"timesteps": 4, "batch_size": 2}, {"bias": "uniform"}, **network)])
    orders = [ratio for (name, *_), ratio in found.items() if name.startswith("gates-")]
    assert min(orders) > SHOWN


@needs("onnx")
def test_one_case_of_a_gru_shows_a_missing_recurrent_bias(monkeypatch):
    cases = cases_of("GRU", "gru_reset_before", monkeypatch)
    showing = [name for name, case in cases.items() if grades([case])["no-h2h-bias", (), ("h2h_bias",)] > SHOWN]
    assert showing == ["test_gru_seq_length"]
