"""Errors at each time step, and how a mismatch spreads over the lanes."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.series.errors import ERROR, ERROR_RATIO, MISMATCHED, STEP_AUDIT, error_series, spread, spread_sentence
from rnnviz.text.verdict_text import plain
from rnnviz.verify.audit import audit
from rnnviz.verify.result import RunResult
from tests.factories import Edit, make_result, with_judgment

MINE = "/far/away/mine.py"


def spoil(trace: Trace) -> None:
    trace.hidden[1, 1, 3, 2, 1] += 0.25
    trace.hidden[1, 1, 3, 0, 2] += 0.125
    trace.hidden[0, 0, 2, 1, 0] -= 0.5


@pytest.fixture(scope="module")
def result():
    made = make_result(
        ("gluon", MINE, "torch"),
        edits={MINE: spoil},
        num_layers=3,
        bidirectional=True,
        batch_size=3,
        compare_with={"atol": 1e-4, "rtol": 1e-3},
    )
    return with_judgment(made)


def apart(result: RunResult) -> np.ndarray:
    r, c = (result[name].hidden.astype(np.float64) for name in ("gluon", MINE))
    return np.abs(c - r)


def test_each_quantity_is_the_maximum_or_the_count_at_a_time_step(result):
    comparison, error = result.comparison(MINE), apart(result)
    limit = 1e-4 + 1e-3 * np.abs(result["gluon"].hidden.astype(np.float64))
    expected = {
        ERROR_RATIO: ("error_ratio", (error / limit).max(axis=(3, 4)), (1.0, "tolerance")),
        ERROR: ("accumulated", error.max(axis=(3, 4)), (1e-4, "atol 0.0001; values away from 0 are allowed more")),
        MISMATCHED: ("mismatches", (error > limit).sum(axis=(3, 4)), None),
    }
    for quantity, (name, values, tolerated) in expected.items():
        found = error_series(result, comparison, quantity)
        assert found is not None
        assert (found.main.name, found.limit) == (name, tolerated)
        np.testing.assert_allclose(found.main.values, values, rtol=1e-12)
        assert found.main.values.dtype == np.float64
        assert (found.companions == ()) == (quantity is not ERROR)


def test_step_errors_are_companions_of_the_accumulated_error_the_candidates_first(result):
    audits = {name: audit(result.inputs, result[name], full=True) for name in (MINE, "gluon")}
    for quantity, figure, suffix in ((ERROR, "error_over_time", ", one step"), (STEP_AUDIT, "ratio_over_time", "")):
        found = error_series(result, result.comparison(MINE), quantity)
        assert found is not None
        named = [*(() if quantity is ERROR else (found.main,)), *found.companions]
        assert [one.name for one in named] == [f"mine.py{suffix}", f"gluon{suffix}"]
        for one, audited in zip(named, audits.values(), strict=True):
            np.testing.assert_array_equal(one.values, getattr(audited, figure))
    assert found.limit == (8.0, "8 rounding bounds, the limit of a correct step")


def test_a_run_or_an_engine_without_an_audit_has_no_figures_of_it(result):
    assert result.judgment is not None
    one = replace(result.judgment, audits={"gluon": result.judgment.audits["gluon"]})
    found = error_series(replace(result, judgment=one), result.comparison(MINE), STEP_AUDIT)
    assert found is not None
    assert (found.main.name, found.companions) == ("gluon", ())
    bare = replace(result, judgment=None)
    assert error_series(bare, result.comparison(MINE), STEP_AUDIT) is None
    alone = error_series(bare, result.comparison(MINE), ERROR)
    assert alone is not None
    assert alone.companions == ()


@pytest.mark.parametrize(
    ("quantity", "value", "short", "full"),
    [
        (ERROR_RATIO, nan, "not known", "NaN"),
        (ERROR, nan, "not audited", "NaN"),
        (STEP_AUDIT, nan, "not audited", "NaN"),
        (MISMATCHED, 12_345.0, "12,345", "12345"),
        (ERROR, 0.012345, "0.012", "0.012345"),
    ],
)
def test_a_number_of_a_quantity_is_formatted_short_and_in_full(quantity, value, short, full):
    assert quantity.short(value) == short
    if value == value:
        assert quantity.full(value) == full


def touching(*places: Location, amount: float = 0.25) -> Edit:
    def edit(trace: Trace) -> None:
        for where in places:
            trace.hidden[where.index] += trace.hidden.dtype.type(amount)

    return edit


def sentence(result: RunResult) -> str:
    return plain(spread_sentence(result, "manual", spread(result, "manual")))


def test_each_lane_has_its_first_mismatch_in_its_own_order():
    places = [Location(0, 0, 3, 1, 2), Location(0, 0, 4, 0, 0), Location(1, 1, 3, 0, 1), Location(1, 1, 1, 0, 0)]
    result = make_result(edits={"manual": touching(*places)}, num_layers=2, bidirectional=True)
    lanes = spread(result, "manual")
    assert [lane.name for lane in lanes] == [f"layer {k}, {way}" for k in (0, 1) for way in ("forward", "backward")]
    assert [lane.where for lane in lanes] == [Location(layer, d) for layer in (0, 1) for d in (0, 1)]
    assert [lane.first for lane in lanes] == [places[0], None, None, places[2]]
    assert [lane.steps for lane in lanes] == [3, None, None, 1]
    assert [lane.mismatched for lane in lanes] == [2, 0, 0, 2]
    assert np.flatnonzero(lanes[0].error_ratio > 1.0).tolist() == [3, 4]


LAYERS, BOTH = {"num_layers": 2}, {"bidirectional": True}


@pytest.mark.parametrize(
    ("network", "places", "said"),
    [
        ({}, [(0, 0, 2)], " 1 of 40 values"),
        (LAYERS, [(0, 0, 0), (1, 0, 0)], " Errors in every layer at once. 2 of 80 values"),
        (LAYERS, [(0, 0, 1), (1, 0, 3)], " Errors in every layer by t = 3. 2 of 80 values"),
        (LAYERS, [(1, 0, 3)], " Errors in 1 of 2 layers. 1 of 80 values"),
        (BOTH, [(0, 0, 0), (0, 1, 3)], " Errors in every lane after 1 time step. 2 of 80 values"),
        (BOTH, [(0, 0, 2), (0, 1, 4)], " Errors in every lane after 2 time steps. 2 of 80 values"),
        (BOTH, [(0, 0, 0), (0, 1, 4)], " Errors in every lane at once. 2 of 80 values"),
        (BOTH, [(0, 1, 3)], " Errors in 1 of 2 lanes. 1 of 80 values"),
    ],
)
def test_the_sentence_has_the_first_mismatch_and_the_time_of_full_spread(network, places, said):
    first, *others = (Location(*place) for place in places)
    result = make_result(edits={"manual": touching(first, *others)}, **network)
    assert sentence(result).startswith(f"First mismatch: {first}.{said} exceed")
    parts = spread_sentence(result, "manual", spread(result, "manual"))
    assert [part.where for part in parts if part.where] == [first]


def test_a_bug_in_the_final_states_alone_shows_in_the_checks():
    def edit(trace):
        trace.state_h[0] += 1.0

    wrong, right = make_result(edits={"manual": edit}), make_result()
    said = sentence(wrong)
    assert said.startswith("All hidden values agree, but 2 consistency checks fail: manual: ")
    assert sentence(right) == "No mismatch: every value agrees with gluon within the tolerance."
    for result in (wrong, right):
        parts = spread_sentence(result, "manual", spread(result, "manual"))
        assert [part.strong for part in parts] == [True, False]
