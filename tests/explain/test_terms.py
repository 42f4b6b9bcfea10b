"""Terms of a pre-activation that can be added on paper, and one value explained for all engines."""

import json
from dataclasses import replace
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.explain.equations import equations
from rnnviz.explain.explanation import Explanation, cell_states_of, explain_value
from rnnviz.explain.report import report, to_json
from rnnviz.explain.step_breakdown import StepBreakdown, explain
from rnnviz.explain.term_table import ledger
from rnnviz.explain.worked_step import AffinePart, PreActivation, Term
from rnnviz.steps.states import CellStates
from rnnviz.verify.result import RunResult
from tests.explain.arithmetics import GATES, tidy_result

A = AffinePart("i2h", "", np.array([2.0, -1.0, 0.5]), np.array([0.5, 4.0, 1.0]), 0.25)
B = AffinePart("h2h", "", np.array([3.0, 1.0]), np.array([-1.0, 8.0]), -2.0, 0.5)
PRE = PreActivation(A, B)
"""1 - 4 + 0.5 + 0.25 = -2.25, and half of -3 + 8 - 2 = 3: together -0.75."""


def test_a_half_is_its_products_its_bias_and_its_factor() -> None:
    assert (A.products.tolist(), B.products.tolist()) == ([1.0, -4.0, 0.5], [-3.0, 8.0])
    assert (A.partial_sums.tolist(), B.partial_sums.tolist()) == ([1.0, -3.0, -2.5, -2.25], [-3.0, 5.0, 3.0])
    assert (A.contributions.tolist(), B.contributions.tolist()) == ([1.0, -4.0, 0.5], [-1.5, 4.0])
    assert (A.total, B.total, PRE.sum, len(PRE)) == (-2.25, 3.0, -0.75, 5)
    assert (A.factor, B.factor, A.bias, B.bias, A.kind, B.kind) == (1.0, 0.5, 0.25, -2.0, "i2h", "h2h")


def test_terms_are_in_the_order_of_evaluation_and_by_weight() -> None:
    terms = [
        Term("i2h", 0, 2.0, 0.5, 1.0, 1.0),
        Term("i2h", 1, -1.0, 4.0, -4.0, -4.0),
        Term("i2h", 2, 0.5, 1.0, 0.5, 0.5),
        Term("h2h", 0, 3.0, -1.0, -3.0, -1.5),
        Term("h2h", 1, 1.0, 8.0, 8.0, 4.0),
    ]
    assert PRE.terms() == terms
    # Of two equal weights the one that is evaluated first is first.
    assert PRE.by_weight().tolist() == [1, 4, 3, 0, 2]
    alike = AffinePart("i2h", "", np.tile([1.0, -1.0], 50), np.ones(100), 0.0)
    assert PreActivation(alike, alike).by_weight().tolist() == list(range(200))


def test_nonfinite_terms_weigh_most_and_raise_no_warning() -> None:
    wild = replace(A, inputs=np.array([inf, nan, 1.0]))
    assert PreActivation(wild, B).by_weight().tolist() == [0, 1, 4, 3, 2]
    assert isnan(PreActivation(wild, AffinePart("h2h", "", np.array([0.0, 1e300]), np.array([inf, 1e300]), 0.0)).sum)
    apart = replace(A, inputs=np.array([inf, inf, 1e308]))
    assert isnan(PreActivation(apart, B).sum)


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
    found = explain_value(result, WHERE)
    each = list(found.arithmetics.values())
    assert found.sentences
    assert all(name in report(found, top) for name in ("manual", "torch") for top in (None, 1))
    assert json.loads(json.dumps(to_json(found), allow_nan=False))["value"]["manual"] == "Infinity"
    for line in equations(found.reference):
        for order in ("index", "weight"):
            for top in (0, 1, None):
                rows = ledger(each, line.result.text, order, top).rows
                assert rows[-1].kind == "total"


WHERE = Location(1, 0, 2, 1, 1)
NAMES = ("gluon", "manual", "torch", "/far/away/mine.py")


def tidy(cell: str = "lstm") -> RunResult:
    return tidy_result(NAMES, cell=cell, hidden_size=2, num_layers=2, bidirectional=True)


def without(result: RunResult, engine: str, *missing: str) -> RunResult:
    """The result with one engine as a recording that lacks these arrays."""
    return replace(result, traces={**result.traces, engine: replace(result[engine], missing=frozenset(missing))})


def test_an_arithmetic_stores_its_location_and_the_stored_value() -> None:
    result = tidy()
    trace = result["torch"]
    own = explain(result.inputs, trace, WHERE)
    assert trace.cell is not None
    assert (own.where, own.engine, own.cell.name, own.names) == (WHERE, "torch", "lstm", result.inputs.names)
    assert own.x.tolist() == [*trace.hidden[0, 0, 2, 1], *trace.hidden[0, 1, 2, 1]]
    assert own.h_previous.tolist() == trace.hidden[1, 0, 1, 1].tolist()
    assert (own.previous.timestep, own.previous.h, own.previous.c) == (
        1, trace.hidden[1, 0, 1, 1, 1], trace.cell[1, 0, 1, 1, 1],
    )  # fmt: skip
    assert (own.stored, own.stored_c) == (trace.hidden[WHERE.index], trace.cell[WHERE.index])
    assert explain(result.inputs, trace.with_arrays({"c": None}), WHERE).stored_c is None
    # The cell states that a caller keeps are those that are read.
    other = result.inputs, trace.with_arrays({"c": trace.cell * 2})
    assert explain(result.inputs, trace, WHERE, CellStates(*other)).previous.c == 2 * own.previous.c


@pytest.mark.parametrize(
    ("stored", "h", "bound", "difference", "ratio"),
    [
        (0.75, 0.5, 0.125, 0.25, 2.0),
        (0.5, 0.75, 0.125, -0.25, 2.0),
        (1.5, 0.5, 0.125, 1.0, 8.0),
        (1.625, 0.5, 0.125, 1.125, 9.0),
        (inf, inf, 0.125, 0.0, 0.0),
        (nan, nan, 0.125, 0.0, 0.0),
        (inf, -inf, 0.125, inf, inf),
        (0.5, 0.75, 0.0, -0.25, inf),
        (0.5, 0.5, 0.0, 0.0, 0.0),
        (0.5, 0.75, inf, -0.25, 0.0),
        (0.5, 0.75, nan, -0.25, 0.0),
    ],
)
def test_a_step_is_right_up_to_eight_bounds(
    stored: float, h: float, bound: float, difference: float, ratio: float
) -> None:
    own = replace(explain(tidy().inputs, tidy()["gluon"], WHERE), stored=stored, h=h, bound=bound).outcomes[-1]
    assert (own.difference, own.ratio, own.right) == (difference, ratio, ratio <= 8.0)


def engines(explanation: Explanation) -> tuple[list[str], list[str], dict[str, Any]]:
    return list(explanation.arithmetics), list(explanation.partings), dict(explanation.unread)


def test_each_candidate_is_compared_with_the_reference_or_those_requested() -> None:
    result = tidy()
    every = explain_value(result, WHERE)
    assert engines(every) == (list(NAMES), list(NAMES[1:]), {})
    assert every.where == WHERE
    assert every.reference is every.arithmetics["gluon"]
    assert engines(explain_value(result, WHERE, None, ["torch"])) == (["gluon", "torch"], ["torch"], {})
    assert engines(explain_value(result, WHERE, None, ())) == (["gluon"], [], {})


def test_the_tolerance_is_each_comparisons_own() -> None:
    result = tidy("rnn_tanh")
    result["torch"].hidden[WHERE.moved(timestep=1).index] += 0.25
    result["manual"].hidden[WHERE.moved(timestep=1).index] += 0.25
    loose = {"torch": {"atol": 0.25, "rtol": 0.0}, "manual": {"atol": 0.0, "rtol": 0.0}}
    comparisons = tuple(replace(c, **loose.get(c.candidate, {})) for c in result.comparisons)
    partings = explain_value(replace(result, comparisons=comparisons), WHERE).partings
    assert partings["manual"] is not None
    assert partings["manual"].step == "input"
    assert partings["torch"] is None or partings["torch"].step != "input"


def test_a_recording_without_the_inputs_of_a_step_has_no_arithmetic() -> None:
    mine = NAMES[3]
    result = without(without(tidy(), "manual", "h"), mine, "h", "out", "state.h")
    found = explain_value(result, WHERE)
    stored = result["manual"].hidden[WHERE.index]
    assert engines(found) == (["gluon", "torch"], ["torch"], {"manual": stored, mine: None})
    assert found.sentences[-2:] == (
        f"manual has h = {float(stored)!r} here; the inputs of its step were not recorded.",
        "mine.py does not hold this value: it was not recorded.",
    )


def test_where_the_reference_cannot_be_computed_nothing_diverges_from_it() -> None:
    result = without(tidy(), "gluon", "h")
    found = explain_value(result, WHERE)
    assert engines(found)[:2] == (list(NAMES[1:]), [])
    assert found.reference.engine == "manual"
    alone = explain_value(result, WHERE, None, ())
    assert engines(alone) == (["gluon"], [], {"gluon": result["gluon"].hidden[WHERE.index]})
    assert not any("is wrong here" in sentence for sentence in alone.sentences)


def test_only_an_lstm_has_cell_states_to_keep_one_for_each_engine() -> None:
    result = tidy()
    kept = cell_states_of(result)
    assert list(kept) == list(NAMES)
    assert cell_states_of(tidy("gru")) == {}
    other = CellStates(result.inputs, result["torch"].with_arrays({"c": np.zeros_like(result["torch"].hidden)}))
    found = explain_value(result, WHERE, {**kept, "torch": other}).arithmetics
    assert (found["torch"].previous.c, found["manual"].previous.c) == (0.0, explained(result).previous.c)
    before = kept["torch"].before(1, 0, 2, slice(1, 2), slice(1, 2)).value.item()
    assert before == found["manual"].previous.c


def explained(result: RunResult) -> StepBreakdown:
    return explain(result.inputs, result["manual"], WHERE)
