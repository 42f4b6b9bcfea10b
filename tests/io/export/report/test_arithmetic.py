"""The first disagreement of two engines, with every term of its arithmetic."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.io.export.report import Figure, first_disagreement, report_html
from rnnviz.verify.result import RunResult
from tests.factories import make_result, with_judgment
from tests.io.export.report.reading import parsed, section, text_of

WHERE = (1, 1, 3, 1, 2)
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def edit(trace: Trace) -> None:
    trace.hidden[WHERE] += 0.25


def view_of(cell: str) -> tuple[dict[str, Any], RunResult]:
    result = with_judgment(make_result(edits={"manual": edit}, cell=cell, num_layers=2, bidirectional=True))
    view = first_disagreement(result, result.comparisons[0])
    assert view is not None
    return view, result


def value(number: Figure | None) -> float:
    assert number is not None
    return float(number.full)


@pytest.mark.parametrize(("cell", "gates"), [("rnn_relu", 1), ("rnn_tanh", 1), ("lstm", 4), ("gru", 3)])
def test_every_term_of_every_gate_is_there_with_the_networks_own_weights(cell: str, gates: int) -> None:
    view, result = view_of(cell)
    inputs, size, unit = result.inputs, 4, WHERE[4]
    assert len(view["gates"]) == gates
    x = np.concatenate([result["gluon"].hidden[0, d, WHERE[2], WHERE[3]] for d in (0, 1)]).astype(float)
    h = result["gluon"].hidden[1, 1, WHERE[2] + 1, WHERE[3]].astype(float)
    for k, gate in enumerate(view["gates"]):
        row = k * size + unit
        weights = np.concatenate([inputs.parameters["r1_i2h_weight"][row], inputs.parameters["r1_h2h_weight"][row]])
        terms = [term for term in gate["terms"] if term["kind"] == "term"]
        assert [value(term["factor"]) for term in terms] == [float(w) for w in weights]
        # The reference's input and product, then the candidate's.
        assert [value(term["figures"][0]) for term in terms] == [*x, *h]
        np.testing.assert_allclose([value(t["figures"][1]) for t in terms], weights * np.array([*x, *h]), rtol=1e-15)
        biases = [value(term["figures"][1]) for term in gate["terms"] if term["kind"] == "bias"]
        assert biases == [float(inputs.parameters[f"r1_{side}_bias"][row]) for side in ("i2h", "h2h")]


def test_a_value_changed_in_one_place_is_found_there_and_nowhere_else() -> None:
    view, result = view_of("gru")
    assert view["place"] == "layer 1, backward, t = 3, sample 1, unit 2"
    assert view["engines"] == ["gluon", "manual"]
    outcome = {
        name: [float(cell.full) for cell in cells if isinstance(cell, Figure)] for name, cells in view["outcome"]
    }
    assert outcome["h of the engine"] == [float(result[name].hidden[WHERE]) for name in ("gluon", "manual")]
    assert outcome["difference"][1] == pytest.approx(0.25, abs=1e-6)
    assert abs(outcome["difference"][0]) < outcome["allowed for rounding"][0]
    assert any(sentence.startswith("manual is wrong here") for sentence in view["sentences"])


def test_the_row_of_the_divergence_is_marked() -> None:
    signs = np.sign(make_result(hidden_size=12).inputs.parameters["l0_h2h_weight"][0])

    def edit(trace: Trace) -> None:
        # Each is within the tolerance, and together they bring the sum that reads them outside.
        trace.hidden[0, 0, 1, 0] += 0.09 * signs
        trace.hidden[0, 0, 2, 0, 0] += 0.5

    result = make_result(edits={"manual": edit}, hidden_size=12, compare_with={"atol": 0.1})
    view = first_disagreement(result, result.comparisons[0])
    assert view is not None
    assert view["place"] == "layer 0, forward, t = 2, sample 0, unit 0"
    arithmetic = section(parsed(report_html(result, [], WHEN)), "arithmetic")
    marked = [row for row in arithmetic.iter("tr") if "parts" in row.get("class", "").split()]
    assert [text_of(row[0]) for row in marked] == ["u + v ◀ first divergence"]


def test_an_engine_that_is_wrong_within_the_tolerance_is_shown_at_its_first_wrong_step() -> None:
    def little(trace: Trace) -> None:
        trace.hidden[0, 0, 2, 1, 3] += 0.01

    result = with_judgment(make_result(edits={"manual": little}, compare_with={"atol": 0.1}))
    assert result.comparisons[0].first_mismatch is None
    view = first_disagreement(result, result.comparisons[0])
    assert view is not None
    assert (view["place"], view["why"]) == (
        "layer 0, forward, t = 2, sample 1, unit 3",
        "No value differs, but manual is wrong first in the value",
    )


def test_many_terms_are_collapsed_and_few_are_not() -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[0, 0, 1, 0, 3] = 9.0

    for size, is_open in ((4, True), (50, False)):
        result = make_result(edits={"manual": edit}, hidden_size=size)
        document = parsed(report_html(result, [], WHEN))
        (details,) = document.iter("details")
        assert ("open" in details.attrib) == is_open
        assert len(list(details.iter("tr"))) == 2 + 3 + size + 5
