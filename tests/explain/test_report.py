"""An explanation as text and as JSON, with numbers that can be checked on paper."""

import json
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import Explanation, Unread
from rnnviz.explain.report import report, to_json
from rnnviz.explain.terms import SHOWN_TERMS, Divergence
from rnnviz.verify.result import RunResult
from tests.explain.arithmetics import breakdown_at, changed, explain_at, tidy_result, values_of

GRU_WHERE = Location(1, 1, 2, 1, 1)
LSTM_WHERE = Location(0, 0, 0, 1, 1)


def split_at() -> RunResult:
    """A GRU whose second engine has another state before the step, and does not have what the step gives."""
    result = tidy_result(cell="gru", hidden_size=2, bidirectional=True, num_layers=2)
    own, other = result.traces.values()
    other.hidden[GRU_WHERE.moved(timestep=3, unit=0).index] -= 0.25
    for trace in (own, other):
        trace.hidden[GRU_WHERE.index] = breakdown_at(result.inputs, trace, GRU_WHERE).by_name["h"].value
    other.hidden[GRU_WHERE.index] += 0.5
    return result


def agreeing() -> RunResult:
    """An LSTM at its first step, which both engines have right."""
    result = tidy_result(cell="lstm", hidden_size=2)
    for trace in result.traces.values():
        values = values_of(breakdown_at(result.inputs, trace, LSTM_WHERE))
        trace.hidden[LSTM_WHERE.index] = values["h"]
        if trace.cell is not None:
            trace.cell[LSTM_WHERE.index] = values["c"]
    return result


def golden(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def test_a_page_has_every_term_of_every_engine_each_sum_and_the_divergence():
    page, _, sentences = report(explain_at(split_at(), GRU_WHERE)).rpartition("\n\n")
    assert page + "\n\n" == golden("two_engines.txt")
    assert sentences.splitlines() == [
        (
            "manual is wrong here: it returned h = 0.655; "
            "the equations give 0.155 for manual's own previous state and input."
        ),
        "First divergence before this step, at h[t=3, u=0] of layer 1, backward: gluon has 0.500, manual 0.250.",
    ]


def test_a_page_of_the_heaviest_terms_sums_the_others_up():
    blocks = report(explain_at(agreeing(), LSTM_WHERE), top=2).split("\n\n")
    assert "\n\n".join([*blocks[:5], *blocks[-4:]]) + "\n" == golden("heaviest_terms.txt")


def test_a_long_name_widens_the_last_of_its_columns():
    name = "/far/away/a_name_that_is_longer_than_its_own_three_columns.py"
    result = tidy_result(("gluon", name), cell="rnn_tanh", hidden_size=2)
    above, header, first, *_ = report(explain_at(result, LSTM_WHERE)).split("\n\n")[3].splitlines()[1:]
    assert above.split() == ["gluon", "a_name_that_is_longer_than_its_own_three_columns.py"]
    assert header == "               weight  × input  = product     sum  × input  = product" + " " * 30 + "sum"
    assert len(first) == len(header) == len(above)


def test_all_terms_are_listed_up_to_the_limit_and_the_heaviest_beyond():
    for inputs in (SHOWN_TERMS - 2, SHOWN_TERMS - 1):
        result = tidy_result(cell="rnn_tanh", hidden_size=2, input_size=inputs)
        text = report(explain_at(result, LSTM_WHERE))
        assert sum(line.startswith(("  x[", "  h0[")) for line in text.splitlines()) == SHOWN_TERMS
        assert ("1 more" in text) == (inputs == SHOWN_TERMS - 1)


WHERE = Location(0, 0, 2, 1, 0)


def test_a_gru_has_its_reset_gate_at_the_candidate_and_each_engines_stored_value():
    result = tidy_result(cell="gru", input_size=1, hidden_size=1)
    own, other = result.traces.values()
    h = breakdown_at(result.inputs, own, WHERE).by_name["h"].value
    own.hidden[WHERE.index], other.hidden[WHERE.index] = h, h + 0.5
    found = to_json(explain_at(result, WHERE))
    bounds = [found["engines"][name].pop("bound") for name in result.traces]
    ratios = [found["engines"][name].pop("ratio") for name in result.traces]
    assert bounds[0] == bounds[1] < 1e-14
    assert ratios == pytest.approx([0.0, 0.5 / bounds[1]], rel=1e-6)
    alike(json.loads(golden("gru.json")), found)


def alike(expected: Any, found: Any) -> None:
    """The same keys and texts and, nearly, the same numbers."""
    if isinstance(expected, dict):
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            alike(value, found[name])
    elif isinstance(expected, list):
        assert len(expected) == len(found)
        for one, other in zip(expected, found, strict=True):
            alike(one, other)
    else:
        assert found == (pytest.approx(expected, rel=1e-12, abs=1e-14) if isinstance(expected, float) else expected)


def test_nonfinite_and_unrecorded_values_are_marked():
    result = tidy_result(cell="rnn_tanh", hidden_size=2)
    own = breakdown_at(result.inputs, result["gluon"], WHERE)
    divergence = Divergence("input", "x[t=2, i=1]", nan, -inf, "", "i2h", 1)
    unread = {"torch": Unread(""), "onnx": Unread("", stored=-inf), "keras": Unread("", stored=0.5)}
    breakdowns = {"gluon": changed(own, "h", stored=inf), "manual": own}
    found = to_json(Explanation(Place.at("h", WHERE), breakdowns, {"manual": divergence}, unread))
    assert found["value"] == {
        "gluon": "Infinity",
        "manual": own.outcomes[-1].stored,
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
