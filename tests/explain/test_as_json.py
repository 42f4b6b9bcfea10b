"""The JSON of an explanation, key by key, with numbers that can be checked on paper."""

from dataclasses import replace
from math import exp, inf, nan, tanh
from typing import Any

import numpy as np
import pytest

from rnnviz.core.axis_labels import Names
from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import Divergence, Explanation, explain_value
from rnnviz.explain.report import to_json
from rnnviz.explain.step_breakdown import explain
from tests.explain.arithmetics import tidy_result

WHERE = Location(0, 0, 2, 1, 0)


def logistic(v: float) -> float:
    return 1.0 / (1.0 + exp(-v))


def gate(symbol: str, title: str, activation: str, row: list[float], x: float, h: float, reset: float = 1.0) -> Any:
    """Of one unit that reads one feature; `row` has W_i2h, W_h2h, b_i2h, b_h2h."""
    a, b = row[0] * x + row[2], row[1] * h + row[3]
    total = a + reset * b
    return {
        "name": symbol,
        "activation": activation,
        "terms": [
            {"kind": "i2h", "index": 0, "weight": row[0], "input": x, "product": row[0] * x},
            {"kind": "h2h", "index": 0, "weight": row[1], "input": h, "product": row[1] * h},
        ],
        "i2h_bias": row[2],
        "h2h_bias": row[3],
        "sum": total,
        "value": logistic(total) if activation == "sigmoid" else tanh(total),
        "title": title,
        "u": a,
        "v": b,
        **({"reset": reset} if symbol == "n" else {}),
    }


def rows_of(result: Any) -> list[list[float]]:
    p = result.inputs.parameters.layer(0, 0)
    return np.column_stack([p.i2h_weight[:, 0], p.h2h_weight[:, 0], p.i2h_bias, p.h2h_bias]).tolist()


def test_a_gru_has_its_reset_gate_at_the_candidate_and_each_engines_stored_value() -> None:
    result = tidy_result(cell="gru", input_size=1, hidden_size=1)
    own, other = result.traces.values()
    explained = explain(result.inputs, own, WHERE)
    own.hidden[WHERE.index], other.hidden[WHERE.index] = explained.h, explained.h + 0.5
    found = to_json(explain_value(result, WHERE))
    x, h = result.inputs.sequence[2, 1, 0], own.hidden[0, 0, 1, 1, 0]
    r_row, z_row, n_row = rows_of(result)
    r, z = (gate(s, f"{t} gate", "sigmoid", row, x, h) for s, t, row in (("r", "reset", r_row), ("z", "update", z_row)))
    n = gate("n", "candidate", "tanh", n_row, x, h, r["value"])
    gates = [r, z, n]
    value = (1 - z["value"]) * n["value"] + z["value"] * h
    assert found.pop("gates") == [Near(expected) for expected in gates]
    engines = found.pop("engines")
    assert found == {
        "where": {"layer": 0, "direction": "forward", "timestep": 2, "sample": 1, "unit": 0},
        "value": {"gluon": Near(value), "manual": Near(value + 0.5)},
        "formula": "r, z = sigmoid(u + v); n = tanh(u_n + r · v_n); h = (1 - z) · n + z · h[t-1]",
        "previous": {"timestep": 1, "h": h},
        "reference": "gluon",
        "partings": {
            "manual": {
                "step": "stored",
                "name": "the stored h",
                "gate": None,
                "kind": None,
                "index": None,
                "reference": Near(value),
                "candidate": Near(value + 0.5),
            }
        },
        "sentences": found["sentences"],
    }
    assert len(found["sentences"]) == 2
    for name, off in (("gluon", 0.0), ("manual", 0.5)):
        engine = engines[name]
        texts = engine.pop("equations")
        assert [set(text) for text in texts] == [{"symbols", "numbers"}] * 4
        assert texts[3]["symbols"] == "h = (1 - z) · n + z · h[t-1]"
        assert texts[3]["numbers"].startswith(f"{value:.3f} = (1 - {z['value']:.3f}) · ")
        bound = engine.pop("bound")
        assert 0.0 < bound < 1e-14
        assert engine == {
            "gates": [Near(expected) for expected in gates],
            "previous": {"timestep": 1, "h": h},
            "next": {"h": Near(value)},
            "stored": Near(value + off),
            "difference": Near(off),
            "ratio": Near(off / bound, 1e-3),
            "right": off == 0.0,
        }


class Near:
    """Equal to what has the same keys, texts and, nearly, the same numbers."""

    def __init__(self, expected: Any, rel: float = 1e-12) -> None:
        self.expected, self.rel = expected, rel

    def __eq__(self, other: object) -> bool:
        return _alike(self.expected, other, self.rel)

    def __repr__(self) -> str:
        return f"near {self.expected!r}"

    __hash__ = None


def _alike(expected: Any, found: Any, rel: float) -> bool:
    if isinstance(expected, dict):
        same = isinstance(found, dict) and expected.keys() == found.keys()
        return same and all(_alike(value, found[key], rel) for key, value in expected.items())
    if isinstance(expected, list):
        return len(expected) == len(found) and all(_alike(a, b, rel) for a, b in zip(expected, found, strict=True))
    if isinstance(expected, float):
        return bool(np.isclose(expected, found, rtol=rel, atol=1e-14))
    return bool(expected == found)


def test_an_lstm_has_its_cell_state_before_and_after_and_a_first_step_no_previous_time_step() -> None:
    result = tidy_result(cell="lstm", input_size=1, hidden_size=1)
    found = to_json(explain_value(result, Location(sample=1)))
    x, h, c = result.inputs.sequence[0, 1, 0], result.inputs.initial_state.h[0, 1, 0], result.inputs.initial_state.c
    assert c is not None
    kinds = zip("ifgo", ("input gate", "forget gate", "candidate", "output gate"), rows_of(result), strict=True)
    gates = [gate(s, title, "tanh" if s == "g" else "sigmoid", row, x, h) for s, title, row in kinds]
    i, f, g, o = (own["value"] for own in gates)
    c_next = f * c[0, 1, 0] + i * g
    assert found["gates"] == [Near(expected) for expected in gates]
    assert found["previous"] == {"timestep": None, "h": h, "c": c[0, 1, 0]}
    assert found["engines"]["manual"]["previous"] == found["previous"]
    assert found["engines"]["manual"]["next"] == Near({"h": o * tanh(c_next), "c": c_next})


def test_nonfinite_and_unrecorded_values_are_marked() -> None:
    result = tidy_result(cell="rnn_tanh", hidden_size=2)
    own = explain(result.inputs, result["gluon"], WHERE)
    parting = Divergence("input", "x[t=2, i=1]", nan, -inf, None, "i2h", 1)
    explanation = Explanation(
        WHERE, {"gluon": replace(own, stored=inf)}, {"manual": parting}, {"torch": None, "onnx": -inf, "keras": 0.5}
    )
    found = to_json(replace(explanation, arithmetics={"gluon": replace(own, stored=inf), "manual": own}))
    assert found["value"] == {
        "gluon": "Infinity",
        "manual": own.stored,
        "torch": None,
        "onnx": "-Infinity",
        "keras": 0.5,
    }
    assert found["partings"]["manual"] == {
        "step": "input",
        "name": "x[t=2, i=1]",
        "gate": None,
        "kind": "i2h",
        "index": 1,
        "reference": "NaN",
        "candidate": "-Infinity",
    }
    assert found["engines"]["gluon"]["difference"] == "Infinity"
    assert "names" not in found


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (Names(("a", "b", "c")), {"timestep": "c", "features": []}),
        (Names((), ("x", "", "y")), {"timestep": "", "features": ["x", "", "y"]}),
    ],
)
def test_names_are_included_where_the_sequence_has_any(names: Names, told: dict[str, Any]) -> None:
    result = tidy_result(cell="rnn_tanh", hidden_size=2)
    named = replace(result, inputs=replace(result.inputs, names=names))
    assert to_json(explain_value(named, WHERE))["names"] == told
