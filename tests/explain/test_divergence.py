"""The first line at which two engines diverge: order of the lines, and differences at the tolerance."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import Divergence, divergence_sentence, first_parting
from rnnviz.explain.step_breakdown import StepBreakdown, explain
from tests.explain.arithmetics import tidy_result

WHERE = Location(1, 0, 2, 1, 1)


def arithmetic(cell: str = "lstm") -> StepBreakdown:
    result = tidy_result(cell=cell, hidden_size=2, num_layers=2, bidirectional=True)
    own = explain(result.inputs, result["gluon"], WHERE)
    return replace(own, stored=own.h)


OURS = arithmetic()


def gate(arithmetic: StepBreakdown, symbol: str, **fields: Any) -> StepBreakdown:
    gates = [replace(g, **fields) if g.symbol == symbol else g for g in arithmetic.gates]
    return replace(arithmetic, gates=tuple(gates))


def with_argument(symbol: str, by: float) -> StepBreakdown:
    """The argument of one gate moved by its bias."""
    pre = OURS.by_symbol[symbol].pre
    return gate(OURS, symbol, pre=replace(pre, u=replace(pre.u, bias=pre.u.bias + by)))


def moved(vector: np.ndarray, *places: int) -> np.ndarray:
    found = vector.copy()
    found[list(places)] += 0.5
    return found


CASES: list[tuple[StepBreakdown, Divergence]] = [
    (
        replace(OURS, x=moved(OURS.x, 2, 3), h_previous=moved(OURS.h_previous, 0)),
        Divergence(
            "input", "h[t=2, u=0] of layer 0, backward", float(OURS.x[2]), float(OURS.x[2] + 0.5), None, "i2h", 2
        ),
    ),
    (
        replace(with_argument("i", 1.0), h_previous=moved(OURS.h_previous, 1)),
        Divergence(
            "input", "h[t=1, u=1] of layer 1, forward", *(OURS.h_previous[1] + [0, 0.5]).tolist(), None, "h2h", 1
        ),
    ),
    (
        gate(with_argument("f", 0.5), "g", value=9.0),
        Divergence("sum", "the pre-activation of f", OURS.gates[1].pre.sum, OURS.gates[1].pre.sum + 0.5, "f"),
    ),
    (
        replace(gate(OURS, "g", value=9.0), previous=replace(OURS.previous, c=7.0)),
        Divergence("gate", "g", OURS.gates[2].value, 9.0, "g"),
    ),
    (
        replace(OURS, previous=replace(OURS.previous, c=7.0), c=8.0),
        Divergence("previous", "c[t-1]", OURS.previous.c or nan, 7.0),
    ),
    (replace(OURS, c=8.0, h=9.0), Divergence("c", "c", OURS.c or nan, 8.0)),
    (replace(OURS, h=9.0, stored=10.0), Divergence("h", "h", OURS.h, 9.0)),
    (replace(OURS, stored=10.0), Divergence("stored", "the stored h", OURS.h, 10.0)),
    (replace(OURS, stored=nan), Divergence("stored", "the stored h", OURS.h, nan)),
]


@pytest.mark.parametrize(("theirs", "expected"), CASES, ids=range(len(CASES)))
def test_engines_diverge_at_the_first_of_the_lines_that_differ(theirs: StepBreakdown, expected: Divergence) -> None:
    found = first_parting(OURS, theirs, 1e-9, 2e-9)
    assert repr(found) == repr(expected)
    assert found is not None
    assert (found.rtol, found.atol) == (1e-9, 2e-9)


def test_equal_numbers_do_not_diverge_even_if_none_is_finite() -> None:
    assert first_parting(OURS, OURS, 0.0, 0.0) is None
    for value in (inf, nan):
        same = replace(OURS, x=np.full_like(OURS.x, value), h=value, stored=value)
        assert first_parting(same, same, 0.0, 0.0) is None


@pytest.mark.parametrize(
    ("rtol", "atol", "parts"),
    [(0.0, 0.25, False), (0.0, 0.2499, True), (0.5, 0.0, False), (0.4999, 0.0, True), (0.25, 0.125, False)],
)
def test_the_tolerance_is_the_comparisons_and_relative_to_the_reference(rtol: float, atol: float, parts: bool) -> None:
    ours = replace(OURS, x=np.array([0.5, 1.0]), h=0.5, stored=0.5)
    for theirs in (replace(ours, x=np.array([0.75, 1.0])), replace(ours, h=0.75, stored=0.75)):
        assert (first_parting(ours, theirs, rtol, atol) is not None) is parts


def test_within_the_tolerance_engines_diverge_only_where_one_of_them_is_wrong() -> None:
    far, near = OURS.h + 20 * OURS.bound, OURS.h + 4 * OURS.bound
    for ours, theirs, parts in ((OURS.h, far, True), (far, OURS.h, True), (OURS.h, near, False), (far, far, False)):
        found = first_parting(replace(OURS, stored=ours), replace(OURS, stored=theirs), 0.0, 1.0)
        assert found == (Divergence("stored", "the stored h", ours, theirs) if parts else None)


def test_without_a_cell_state_there_is_no_line_of_one() -> None:
    ours = arithmetic("gru")
    assert first_parting(ours, replace(ours, h=9.0), 0.0, 0.0) == Divergence("h", "h", ours.h, 9.0)


ENDS: list[tuple[Divergence | None, str]] = [
    (None, "No divergence: gluon and mine.py agree on every line (within tolerance)."),
    (
        Divergence("stored", "the stored h", 0.25, 0.5),
        "The arithmetic agrees, but the stored h differs: gluon has 0.250, mine.py 0.500.",
    ),
    (
        Divergence("input", "x[t=1, i=0]", 0.25, 0.2500001),
        "First divergence before this step, at x[t=1, i=0]: gluon has 0.2500000, mine.py 0.2500001.",
    ),
    (Divergence("sum", "the pre-activation of i", 0.25, nan), "First divergence at the pre-activation of i: {}."),
]


@pytest.mark.parametrize(("parting", "words"), ENDS, ids=["no", "stored", "input", "line"])
def test_a_divergence_is_one_sentence(parting: Divergence | None, words: str) -> None:
    assert divergence_sentence("gluon", "mine.py", parting) == words.format("gluon has 0.250, mine.py NaN")
