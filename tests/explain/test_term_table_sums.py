"""The first row of a term table in which the running sums diverge."""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import Divergence, first_parting
from rnnviz.explain.step_breakdown import StepBreakdown, explain
from rnnviz.explain.term_table import first_parted_sum, ledger
from tests.explain.arithmetics import tidy_result

WHERE = Location(0, 0, 2, 1, 0)


def pair(cell: str, unit: int, by: float) -> tuple[StepBreakdown, StepBreakdown]:
    """Of which the second has another h[t-1] in one unit."""
    result = tidy_result(cell=cell, hidden_size=4)
    result["manual"].hidden[0, 0, 1, 1, unit] += by
    return explain(result.inputs, result["gluon"], WHERE), explain(result.inputs, result["manual"], WHERE)


def first(
    each: tuple[StepBreakdown, StepBreakdown], line: str, rtol: float, atol: float, order: str = "index"
) -> str | None:
    parting = first_parting(*each, rtol, atol)
    found = ledger(each, line, order, parting=parting)
    row = first_parted_sum(found, each[0], 1, parting)
    return None if row is None else found.rows[row].name


@pytest.mark.parametrize("order", ["index", "weight"])
@pytest.mark.parametrize("by", [0.25, -0.25, inf, -inf, nan])
@pytest.mark.parametrize(("cell", "line"), [("rnn_tanh", "h"), ("lstm", "f"), ("gru", "z")])
def test_sums_diverge_at_the_first_input_that_differs(cell: str, line: str, by: float, order: str) -> None:
    for unit in range(4):
        assert first(pair(cell, unit, by), line, 1e-5, 1e-6, order) == f"h[t=1, u={unit}]"


def test_another_reset_gate_makes_sums_of_a_candidate_diverge_at_the_first_product_that_it_scales() -> None:
    assert first(pair("gru", 2, 0.25), "n", 1e-5, 1e-6) == "h[t=1, u=0]"


def test_a_difference_within_the_tolerance_of_the_sum_is_none_until_it_exceeds_it() -> None:
    each = pair("rnn_tanh", 1, 0.25)
    step = abs(0.25 * each[0].by_symbol["h"].pre.v.weights[1])
    parting = first_parting(*each, 0.0, 1e-9)
    assert parting is not None
    found = ledger(each, "h", parting=parting)
    for atol, name in ((step * 0.999, "h[t=1, u=1]"), (step * 1.001, None)):
        row = first_parted_sum(found, each[0], 1, replace(parting, atol=atol))
        assert (None if row is None else found.rows[row].name) == name


def test_lines_before_the_divergence_have_no_diverging_sums() -> None:
    own = pair("lstm", 0, 0.0)[0]
    other = replace(own, c=(own.c or 0.0) + 0.5, previous=replace(own.previous, c=(own.previous.c or 0.0) + 0.5))
    each = own, other
    told = {line: first(each, line, 1e-5, 1e-6) for line in ("i", "f", "g", "o", "c", "h")}
    assert told == {"i": None, "f": None, "g": None, "o": None, "c": "f · c[t-1]", "h": "o · tanh(c)"}
    assert first((own, replace(own, stored=own.stored + 9.0)), "h", 1e-5, 1e-6) is None
    assert first((own, own), "c", 1e-5, 1e-6) is None


@pytest.mark.parametrize(
    ("parting", "reached"),
    [
        (Divergence("input", "", 0, 1), "ifgoch"),
        (Divergence("sum", "", 0, 1, gate="f"), "fgoch"),
        (Divergence("gate", "", 0, 1, gate="o"), "och"),
        (Divergence("previous", "c[t-1]", 0, 1), "ch"),
        (Divergence("c", "", 0, 1), "ch"),
        (Divergence("h", "", 0, 1), "h"),
        (Divergence("stored", "", 0, 1), ""),
    ],
)
def test_a_parting_reaches_its_line_and_all_that_follow_from_it(parting: Divergence, reached: str) -> None:
    own = pair("lstm", 0, 0.0)[0]
    assert "".join(line for line in "ifgoch" if parting.reaches(line, own)) == reached


def test_two_infinities_of_one_sign_do_not_diverge() -> None:
    each = pair("lstm", 2, inf)
    same = each[1], replace(each[1], engine="torch")
    assert first(same, "i", 0.0, 0.0) is None
    assert np.isinf(ledger(same, "i").rows[-1].figures[0].stop or 0.0)
