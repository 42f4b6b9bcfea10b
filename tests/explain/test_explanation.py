"""The engines side by side: where they first part, as text for a reader and as JSON for a program."""

import json
from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from rnnviz.cells.interpreters import graph
from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import Explanation, ExplanationCache
from rnnviz.explain.lines import format_short
from rnnviz.explain.report import report, to_json
from rnnviz.explain.terms import term_table
from rnnviz.verify.result import RunResult
from tests.explain.arithmetics import GATES, explain_at, stored_of, tidy_result
from tests.factories import Edit, make_result

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


BEFORE = NEXT.moved(timestep=1)


@pytest.mark.parametrize(
    ("where", "by", "step", "kind", "index", "said"),
    [
        (BEFORE, 3e-7, None, None, None, "No divergence"),
        (NEXT.moved(layer=0, direction=1, unit=3), 0.01, "input", "i2h", 7,
         "before this step, at h[t=2, u=3] of layer 0, backward: gluon has"),
        (BEFORE.moved(unit=2), 0.01, "input", "h2h", 2, "before this step, at h[t=1, u=2] of layer 1, forward"),
        (BEFORE.moved(unit=0), nan, "input", "h2h", 0, "manual NaN"),
        (NEXT, 0.25, "stored", None, None, "the stored h differs"),
    ],
)  # fmt: skip
def test_engines_diverge_first_where_one_read_or_returned_another_value(where, by, step, kind, index, said):
    explanation = explained(edit=moved(where, by))
    found = explanation.divergences["manual"]
    assert said in explanation.sentences[-1]
    assert explanation.sentences[0].startswith("manual is wrong here: it returned h = ") == (step == "stored")
    if step is None:
        assert found is None
    else:
        assert found is not None
        assert (found.step, found.kind, found.index) == (step, kind, index)
        assert found.candidate - found.reference == pytest.approx(by, rel=1e-3, nan_ok=True)


def test_numbers_that_are_none_are_spelled_out_in_json():
    explanation = explained(edit=moved(NEXT.moved(timestep=1, unit=1), nan))
    found = json.loads(json.dumps(to_json(explanation), allow_nan=False))
    assert found["engines"]["manual"]["previous"]["h"] == "NaN"
    assert found["engines"]["manual"]["next"]["h"] == "NaN"
    assert found["engines"]["manual"]["right"] is False
    assert found["partings"]["manual"]["candidate"] == "NaN"


def test_an_engines_own_cell_state_is_compared_with_that_of_the_arithmetic():
    """An LSTM step of a user with another forget gate: its h can agree where its c does not."""

    def another_cell(trace):
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
    assert f"  {format_short(stored)}\n" in report(explanation).partition("c of the engine")[2]
    assert to_json(explanation)["engines"]["manual"]["stored_c"] == stored


WHERE = Location(1, 0, 2, 1, 1)
NAMES = ("gluon", "manual", "torch", "/far/away/mine.py")


def tidy(cell: str = "lstm") -> RunResult:
    return tidy_result(NAMES, cell=cell, hidden_size=2, num_layers=2, bidirectional=True)


def without(result: RunResult, engine: str, *missing: str) -> RunResult:
    """The result with one engine as a recording that lacks these arrays."""
    return replace(result, traces={**result.traces, engine: replace(result[engine], missing=frozenset(missing))})


@pytest.mark.slow
@pytest.mark.parametrize("cell", sorted(GATES))
@pytest.mark.parametrize("numbers", [(inf, -inf), (1e308, -1e308), (nan, inf)])
def test_no_number_is_too_large_to_be_explained_in_every_form(cell, numbers):
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


def test_each_candidate_is_compared_with_the_reference_or_those_requested():
    result = tidy()
    every = explain_at(result, WHERE)
    assert engines(every) == (list(NAMES), list(NAMES[1:]), {})
    assert every.place == Place.at("h", WHERE)
    assert every.reference is every.breakdowns["gluon"]
    assert engines(explain_at(result, WHERE, candidates=["torch"])) == (["gluon", "torch"], ["torch"], {})
    assert engines(explain_at(result, WHERE, candidates=())) == (["gluon"], [], {})


def test_the_tolerance_is_each_comparisons_own():
    result = tidy("rnn_tanh")
    for name in ("torch", "manual"):
        result[name].hidden[WHERE.moved(timestep=1).index] += 0.25
    loose = {"torch": {"atol": 0.25, "rtol": 0.0}, "manual": {"atol": 0.0, "rtol": 0.0}}
    comparisons = tuple(replace(c, **loose.get(c.candidate, {})) for c in result.comparisons)
    found = explain_at(replace(result, comparisons=comparisons), WHERE).divergences
    assert found["manual"] is not None
    assert found["manual"].step == "input"
    assert found["torch"] is None or found["torch"].step != "input"


def test_a_recording_without_the_inputs_of_a_step_has_no_arithmetic():
    mine = NAMES[3]
    result = without(without(tidy(), "manual", "h"), mine, "h", "out", "state.h")
    found = explain_at(result, WHERE)
    stored = result["manual"].hidden[WHERE.index]
    assert engines(found) == (["gluon", "torch"], ["torch"], {"manual": stored, mine: None})
    assert found.sentences[-2:] == (
        f"manual has h = {float(stored)!r} here; the inputs of its step were not recorded.",
        "mine.py does not hold this value: it was not recorded.",
    )


def test_where_the_reference_cannot_be_computed_nothing_diverges_from_it():
    result = without(tidy(), "gluon", "h")
    found = explain_at(result, WHERE)
    assert engines(found)[:2] == (list(NAMES[1:]), [])
    assert found.reference.engine == "manual"
    alone = explain_at(result, WHERE, candidates=())
    assert engines(alone) == (["gluon"], [], {"gluon": result["gluon"].hidden[WHERE.index]})
    assert not any("is wrong here" in sentence for sentence in alone.sentences)


@pytest.mark.parametrize("cell", ["lstm", "gru", "lstm_peephole"])
def test_an_arithmetic_is_the_same_after_any_number_of_other_cells(cell):
    found = explained(cell=cell)
    # A cache of cells drops the first ones where it is full.
    graph.trace.cache_clear()
    assert to_json(explained(cell=cell)) == to_json(found)
    assert report(explained(cell=cell)) == report(found)
