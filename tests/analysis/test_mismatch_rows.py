"""The list of mismatches holds each of them once, in the order of computation."""

from hypothesis import given
from hypothesis import strategies as st

from rnnviz.analysis.compare import compare
from rnnviz.analysis.mismatch_rows import mismatch_rows
from rnnviz.model.location import Location
from tests.analysis.traces import SHAPES, changed, in_order, locations, random_trace


@st.composite
def perturbed(draw: st.DrawFn) -> tuple[tuple[int, int, int, int, int], set[Location]]:
    shape = draw(SHAPES)
    return shape, draw(st.sets(locations(shape), max_size=12))


@given(perturbed())
def test_every_mismatch_is_listed_once_in_the_order_of_computation(
    case: tuple[tuple[int, int, int, int, int], set[Location]],
) -> None:
    shape, places = case
    reference = random_trace(shape)
    candidate = changed(reference, {where: float(reference.hidden[where.index]) + 1.0 for where in places})
    rows = mismatch_rows(compare(reference, candidate, 1e-7, 1e-7), reference, candidate)
    listed = [rows.location(row) for row in range(len(rows))]
    assert listed == [where for where in in_order(shape) if where in places]
    assert rows.total == len(places)
    for row, where in enumerate(listed):
        assert rows.reference[row] == reference.hidden[where.index]
        assert rows.candidate[row] == candidate.hidden[where.index]
        assert abs(rows.error[row] - 1.0) < 1e-12
        assert rows.violation[row] > 1.0


@given(perturbed(), st.integers(1, 5))
def test_a_limit_keeps_the_first_rows_and_tells_how_many_there_are(
    case: tuple[tuple[int, int, int, int, int], set[Location]], largest: int
) -> None:
    shape, places = case
    reference = random_trace(shape)
    candidate = changed(reference, dict.fromkeys(places, 9.0))
    comparison = compare(reference, candidate, 1e-7, 1e-7)
    rows = mismatch_rows(comparison, reference, candidate, largest=largest)
    everything = mismatch_rows(comparison, reference, candidate)
    assert rows.total == len(places)
    assert rows.where.tolist() == everything.where[:largest].tolist()


@given(perturbed(), st.data())
def test_only_the_lanes_that_are_asked_for_are_listed(
    case: tuple[tuple[int, int, int, int, int], set[Location]], data: st.DataObject
) -> None:
    shape, places = case
    lanes = data.draw(st.sets(st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1)), min_size=1))
    reference = random_trace(shape)
    candidate = changed(reference, dict.fromkeys(places, 9.0))
    rows = mismatch_rows(compare(reference, candidate, 1e-7, 1e-7), reference, candidate, list(lanes))
    wanted = {where for where in places if (where.layer, where.direction) in lanes}
    assert {rows.location(row) for row in range(len(rows))} == wanted
    assert rows.total == len(wanted)


@given(perturbed(), st.data())
def test_a_place_leads_back_to_its_row(
    case: tuple[tuple[int, int, int, int, int], set[Location]], data: st.DataObject
) -> None:
    shape, places = case
    reference = random_trace(shape)
    candidate = changed(reference, dict.fromkeys(places, 9.0))
    rows = mismatch_rows(compare(reference, candidate, 1e-7, 1e-7), reference, candidate)
    for row in range(len(rows)):
        assert rows.row_of(rows.location(row)) == row
    anywhere = data.draw(locations(shape))
    assert (rows.row_of(anywhere) is None) == (anywhere not in places)
