"""The engines side by side: where they first part, as text for a reader and as JSON for a program."""

import json
from dataclasses import replace
from math import exp, fsum, inf, nan, tanh
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells import CELLS
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import Explanation, ExplanationCache
from rnnviz.explain.lines import align_decimals, format_distinct, format_short
from rnnviz.explain.report import report, to_json
from rnnviz.explain.terms import SHOWN_TERMS, term_table
from rnnviz.steps.states import CellStates
from rnnviz.verify.result import RunResult
from tests.explain.arithmetics import GATES, explain_at, stored_of, tidy_result
from tests.factories import Edit, make_result
from tests.strategies import FUSED_CELLS

NEXT = Location(layer=1, direction=0, timestep=2, sample=1, unit=1)
"""A step above the first layer that reads an own previous step."""


def explained(where: Location = NEXT, edit: Edit | None = None, **network: Any) -> Explanation:
    network = {"cell": "lstm", "num_layers": 2, "bidirectional": True, **network}
    result = make_result(edits={} if edit is None else {"manual": edit}, **network)
    return explain_at(result, where, ExplanationCache(result))


def moved(where: Location, by: float) -> Edit:
    """One hidden value of an engine moved after it was computed."""

    def edit(trace: Trace) -> None:
        trace.hidden[where.index] += by

    return edit


def test_engines_that_agree_do_not_diverge() -> None:
    explanation = explained()
    assert explanation.divergences == {"manual": None}
    assert explanation.sentences == ("No divergence: gluon and manual agree on every line (within tolerance).",)


def test_a_difference_within_the_tolerance_is_not_a_divergence() -> None:
    explanation = explained(edit=moved(NEXT.moved(timestep=1), 3e-7))
    assert explanation.divergences == {"manual": None}


def test_engines_diverge_first_in_the_output_of_the_layer_below() -> None:
    explanation = explained(edit=moved(NEXT.moved(layer=0, direction=1, unit=3), 0.01))
    divergence = explanation.divergences["manual"]
    assert divergence is not None
    assert (divergence.step, divergence.kind, divergence.index) == ("input", "i2h", 7)
    assert divergence.candidate - divergence.reference == pytest.approx(0.01, rel=1e-3)
    assert "before this step, at h[t=2, u=3] of layer 0, backward: gluon has" in explanation.sentences[-1]


def test_engines_diverge_first_at_the_previous_state() -> None:
    explanation = explained(edit=moved(NEXT.moved(timestep=1, unit=2), 0.01))
    divergence = explanation.divergences["manual"]
    assert divergence is not None
    assert (divergence.step, divergence.kind, divergence.index) == ("input", "h2h", 2)


def test_engines_diverge_at_the_previous_cell_state() -> None:
    def edit(trace: Trace) -> None:
        assert trace.cell is not None
        trace.cell[NEXT.moved(timestep=1).index] += 0.5

    divergence = explained(edit=edit).divergences["manual"]
    assert divergence is not None
    assert (divergence.step, divergence.name) == ("previous", "c[t-1]")


def test_a_wrong_step_diverges_in_the_stored_value_and_is_reported_as_wrong() -> None:
    explanation = explained(edit=moved(NEXT, 0.25))
    divergence = explanation.divergences["manual"]
    assert divergence is not None
    assert divergence.step == "stored"
    assert explanation.sentences[0].startswith("manual is wrong here: it returned h = ")
    assert "the stored h differs" in explanation.sentences[1]


def test_a_wrong_step_within_the_tolerance_is_a_divergence() -> None:
    explanation = explained(edit=moved(NEXT, 8e-6), dtype="float64", compare_with={"atol": 1e-3})
    divergence = explanation.divergences["manual"]
    assert divergence is not None
    assert divergence.step == "stored"
    assert explanation.sentences[0].startswith("manual is wrong here")


def test_a_nan_in_one_engine_is_a_divergence() -> None:
    divergence = explained(edit=moved(NEXT.moved(timestep=1, unit=0), nan)).divergences["manual"]
    assert divergence is not None
    assert (divergence.kind, divergence.index) == ("h2h", 0)


def check_json(found: dict[str, Any], cell: str) -> None:
    """The contract, held by plain Python."""
    gates = {gate["name"]: gate for gate in found["gates"]}
    assert list(gates) == [gate.symbol for gate in CELLS[cell].gates]
    activation = {"sigmoid": lambda v: 1 / (1 + exp(-v)), "tanh": tanh, "relu": lambda v: max(v, 0.0)}
    for name, gate in gates.items():
        products: dict[str, list[float]] = {"i2h": [gate["i2h_bias"]], "h2h": [gate["h2h_bias"]]}
        for term in gate["terms"]:
            assert set(term) == {"kind", "index", "weight", "input", "product"}
            assert term["product"] == pytest.approx(term["weight"] * term["input"], rel=1e-15)
            products[term["kind"]].append(term["product"])
        a, b = fsum(products["i2h"]), fsum(products["h2h"])
        reset = gates["r"]["value"] if (cell, name) == ("gru", "n") else 1.0
        assert gate["sum"] == pytest.approx(a + reset * b, rel=1e-12, abs=1e-14)
        assert gate["value"] == pytest.approx(activation[gate["activation"]](gate["sum"]), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("cell", FUSED_CELLS)
def test_the_json_holds_every_term_and_adds_up(cell: str) -> None:
    found = json.loads(json.dumps(to_json(explained(cell=cell)), allow_nan=False))
    assert {"where", "value", "formula", "gates", "previous"} <= set(found)
    assert found["where"] == {"layer": 1, "direction": "forward", "timestep": 2, "sample": 1, "unit": 1}
    assert list(found["value"]) == ["gluon", "manual"]
    assert found["formula"] == "; ".join(equations_of_all_units(CELLS[cell]))
    assert found["previous"]["timestep"] == 1
    assert ("c" in found["previous"]) == (cell == "lstm")
    check_json(found, cell)
    check_json(found["engines"]["manual"], cell)
    assert [len(gate["terms"]) for gate in found["gates"]] == [12] * len(found["gates"])
    assert found["engines"]["manual"]["next"]["h"] == pytest.approx(found["value"]["manual"], abs=1e-6)
    assert found["partings"] == {"manual": None}


def test_numbers_that_are_none_are_spelled_out_in_json() -> None:
    explanation = explained(edit=moved(NEXT.moved(timestep=1, unit=1), nan))
    found = json.loads(json.dumps(to_json(explanation), allow_nan=False))
    assert found["engines"]["manual"]["previous"]["h"] == "NaN"
    assert found["engines"]["manual"]["next"]["h"] == "NaN"
    assert found["engines"]["manual"]["right"] is False
    assert found["partings"]["manual"]["candidate"] == "NaN"


def columns(text: str, name: str) -> list[list[str]]:
    """The numbers of every line of a table that begins with `name`."""
    lines = [line.strip() for line in text.splitlines()]
    return [line.removeprefix(name).split() for line in lines if line.startswith(name + " ")]


@pytest.mark.parametrize("cell", FUSED_CELLS)
def test_the_report_can_be_followed_with_paper_and_pencil(cell: str) -> None:
    explanation = explained(cell=cell)
    text = report(explanation)
    for equation in equations_of_all_units(CELLS[cell]):
        assert equation in text
    for gate in explanation.reference.gates:
        # An RNN's only gate is h, which every engine gives.
        mark = "" if gate.name == "h" else ", recomputed"
        assert f"\n{gate.name}, {gate.title}{mark}\n" in text
        assert f"\n  {format_short(gate.value)} = {gate.point[0].text}(" in text
    rows = [columns(text, name) for name in ("h[t=2, u=0] →", "h[t=2, u=3] ←", "h[t=1, u=2]")]
    assert [len(found) for found in rows] == [CELLS[cell].gate_count] * 3
    scaled = [gate.scaled_by for gate in explanation.reference.gates]
    for found in rows:
        assert [len(row) for row in found] == [9 if own else 7 for own in scaled]
    for weight, *numbers in (row for found in rows for row in found):
        read, product = float(numbers[0]), float(numbers[1])
        assert abs(float(weight) * read - product) < 2e-3
    assert columns(text, "h of the engine") == [
        [format_short(stored_of(own)) for own in explanation.breakdowns.values()]
    ]
    assert text.endswith("agree on every line (within tolerance).")


def test_the_terms_of_a_small_network_are_in_the_order_of_their_indices() -> None:
    text = report(explained(cell="rnn_tanh", num_layers=1, bidirectional=False, where=Location(timestep=1)))
    names = [line[2:13].rstrip() for line in text.splitlines() if line.startswith(("  x[", "  h[t=", "  b_"))]
    assert names == [
        "x[t=1, i=0]",
        "x[t=1, i=1]",
        "x[t=1, i=2]",
        "b_i2h",
        "h[t=0, u=0]",
        "h[t=0, u=1]",
        "h[t=0, u=2]",
        "h[t=0, u=3]",
        "b_h2h",
    ]


def test_of_a_large_network_those_that_weigh_most_are_listed_and_the_rest_is_summed() -> None:
    where = Location(timestep=1, unit=5)
    explanation = explained(where, cell="rnn_tanh", hidden_size=60, num_layers=1, bidirectional=False)
    gate = explanation.reference.gates[0]
    for top, shown in ((None, SHOWN_TERMS), (3, 3), (1000, 63)):
        text = report(explanation, top)
        listed = columns(text, "x[t=1, i=0]") + columns(text, "x[t=1, i=1]") + columns(text, "x[t=1, i=2]")
        listed += [row for unit in range(60) for row in columns(text, f"h[t=0, u={unit}]")]
        assert len(listed) == shown
        products = [float(product) for part in gate.parts for product in part.products]
        ranked = [products[place] for place in gate.by_weight()[:shown]]
        assert sorted(row[2] for row in listed) == sorted(map(format_short, ranked))
        more = [line.split() for line in text.splitlines() if " more " in line or " terms " in line]
        assert sum(int(words[0]) for words in more) == 63 - shown
        if shown == SHOWN_TERMS:
            total = sum(float(row[2]) for row in listed) + sum(float(words[2]) for words in more)
            assert total + sum(part.bias.value for part in gate.parts) == pytest.approx(gate.argument, abs=0.02)


def test_engines_whose_digits_are_the_same_share_a_line() -> None:
    assert "   gluon, manual" in report(explained())
    apart = report(explained(edit=moved(NEXT.moved(timestep=1, unit=1), 0.3)))
    after = apart.rpartition("\n  h = o · tanh(c)\n")[2].splitlines()
    assert after[0].endswith("   gluon")
    assert after[1].endswith("   manual")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.6517, "0.652"),
        (-12.3456, "-12.346"),
        (0.00303, "0.0030"),
        (-9.9e-4, "-9.9e-4"),
        (4.1e-7, "4.1e-7"),
        (0.0, "0.000"),
        (-0.0, "0.000"),
    ],
)
def test_numbers_have_enough_digits_to_differ_from_zero(value: float, text: str) -> None:
    assert format_short(value) == text


@pytest.mark.parametrize(
    ("pair", "texts"),
    [
        ((0.25, 0.75), ("0.250", "0.750")),
        ((0.2071234, 0.2071455), ("0.20712", "0.20715")),
        ((-0.0002, 0.0002), ("-0.0002", "0.0002")),
        ((-0.0002, 0.75), ("0.000", "0.750")),
        ((1.0, nan), ("1.000", "NaN")),
        ((1e9, 1e9 + 1), ("1000000000.0", "1000000001.0")),
    ],
)
def test_two_values_have_enough_digits_to_differ(pair: tuple[float, float], texts: tuple[str, str]) -> None:
    assert format_distinct(*pair) == texts


@given(st.lists(st.one_of(st.floats(-1e300, 1e300), st.floats(-2, 2), st.sampled_from((nan, inf))), min_size=1))
def test_decimal_points_are_aligned(values: list[float]) -> None:
    texts = align_decimals([format_short(value) for value in values])
    assert len({len(text) for text in texts}) == 1
    assert len({text.index(".") for text in texts if "." in text}) <= 1
    for text, value in zip(texts, values, strict=True):
        assert np.isclose(float(text), value, rtol=0.06, atol=5.1e-4, equal_nan=True)


def test_an_engines_own_cell_state_is_compared_with_that_of_the_arithmetic() -> None:
    """An LSTM step of a user with another forget gate: its h can agree where its c does not."""

    def another_cell(trace: Trace) -> None:
        assert trace.cell is not None
        trace.cell[NEXT.index] += 0.006

    explanation = explained(edit=another_cell)
    own = explanation.breakdowns["manual"]
    stored = stored_of(own, "c")
    assert [(found.symbol, found.right) for found in own.outcomes] == [("c", False), ("h", True)]
    assert own.outcomes[0].difference == pytest.approx(0.006, rel=1e-3)
    divergence = explanation.divergences["manual"]
    assert divergence is not None
    assert (divergence.step, divergence.candidate) == ("stored_c", stored)
    assert explanation.sentences[0].startswith("manual is wrong here: it returned c = ")
    text = report(explanation)
    assert columns(text, "c of the engine")[0][-1] == format_short(stored)
    assert to_json(explanation)["engines"]["manual"]["stored_c"] == stored


WHERE = Location(1, 0, 2, 1, 1)
NAMES = ("gluon", "manual", "torch", "/far/away/mine.py")


def tidy(cell: str = "lstm") -> RunResult:
    return tidy_result(NAMES, cell=cell, hidden_size=2, num_layers=2, bidirectional=True)


def without(result: RunResult, engine: str, *missing: str) -> RunResult:
    """The result with one engine as a recording that lacks these arrays."""
    return replace(result, traces={**result.traces, engine: replace(result[engine], missing=frozenset(missing))})


@pytest.mark.parametrize("cell", sorted(GATES))
@pytest.mark.parametrize("numbers", [(inf, -inf), (1e308, -1e308), (nan, inf)])
def test_no_number_is_too_large_to_be_explained_in_every_form(cell: str, numbers: tuple[float, float]) -> None:
    result = tidy(cell)
    for trace in result.traces.values():
        trace.hidden[1, 0, 1, 1] = numbers
        if trace.cell is not None:
            trace.cell[1, 0, 1, 1] = numbers
    for engine in ("manual", "torch"):
        result[engine].hidden[WHERE.index] = {"manual": inf, "torch": 1e308}[engine]
    found = explain_at(result, WHERE)
    assert found.sentences
    assert all(name in report(found, top) for name in ("manual", "torch") for top in (None, 1))
    assert json.loads(json.dumps(to_json(found), allow_nan=False))["value"]["manual"] == "Infinity"
    for lines in zip(*(own.lines for own in found.breakdowns.values()), strict=True):
        assert all(term_table(lines, order, top).rows for order in ("index", "weight") for top in (0, 1, None))


def engines(explanation: Explanation) -> tuple[list[str], list[str], dict[str, Any]]:
    unread = {name: each.stored for name, each in explanation.unread.items()}
    return list(explanation.breakdowns), list(explanation.divergences), unread


def test_each_candidate_is_compared_with_the_reference_or_those_requested() -> None:
    result = tidy()
    every = explain_at(result, WHERE)
    assert engines(every) == (list(NAMES), list(NAMES[1:]), {})
    assert every.place == Place.at("h", WHERE)
    assert every.reference is every.breakdowns["gluon"]
    assert engines(explain_at(result, WHERE, candidates=["torch"])) == (["gluon", "torch"], ["torch"], {})
    assert engines(explain_at(result, WHERE, candidates=())) == (["gluon"], [], {})


def test_the_tolerance_is_each_comparisons_own() -> None:
    result = tidy("rnn_tanh")
    for name in ("torch", "manual"):
        result[name].hidden[WHERE.moved(timestep=1).index] += 0.25
    loose = {"torch": {"atol": 0.25, "rtol": 0.0}, "manual": {"atol": 0.0, "rtol": 0.0}}
    comparisons = tuple(replace(c, **loose.get(c.candidate, {})) for c in result.comparisons)
    found = explain_at(replace(result, comparisons=comparisons), WHERE).divergences
    assert found["manual"] is not None
    assert found["manual"].step == "input"
    assert found["torch"] is None or found["torch"].step != "input"


def test_a_recording_without_the_inputs_of_a_step_has_no_arithmetic() -> None:
    mine = NAMES[3]
    result = without(without(tidy(), "manual", "h"), mine, "h", "out", "state.h")
    found = explain_at(result, WHERE)
    stored = result["manual"].hidden[WHERE.index]
    assert engines(found) == (["gluon", "torch"], ["torch"], {"manual": stored, mine: None})
    assert found.sentences[-2:] == (
        f"manual has h = {float(stored)!r} here; the inputs of its step were not recorded.",
        "mine.py does not hold this value: it was not recorded.",
    )


def test_where_the_reference_cannot_be_computed_nothing_diverges_from_it() -> None:
    result = without(tidy(), "gluon", "h")
    found = explain_at(result, WHERE)
    assert engines(found)[:2] == (list(NAMES[1:]), [])
    assert found.reference.engine == "manual"
    alone = explain_at(result, WHERE, candidates=())
    assert engines(alone) == (["gluon"], [], {"gluon": result["gluon"].hidden[WHERE.index]})
    assert not any("is wrong here" in sentence for sentence in alone.sentences)


def test_only_an_lstm_has_cell_states_to_keep_one_for_each_engine() -> None:
    result = tidy()
    cache = ExplanationCache(result)
    assert list(cache.cells) == list(NAMES)
    assert ExplanationCache(tidy("gru")).cells == {}
    zero = result["torch"].with_arrays({"c": np.zeros_like(result["torch"].hidden)})
    cache.cells["torch"] = CellStates(result.inputs, zero)
    found = explain_at(result, WHERE, cache).breakdowns
    assert [found[name].previous[1].value == 0.0 for name in ("manual", "torch")] == [False, True]
