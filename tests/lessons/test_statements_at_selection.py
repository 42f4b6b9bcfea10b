"""Statements about the value at the selection, wherever it is."""

import pytest

from rnnviz.core.trace_index import Location
from rnnviz.lessons.evaluate import check_statement
from rnnviz.lessons.statements import parse_statement
from tests.lessons.conftest import StatementChecker

AT_SELECTION = parse_statement("It shows.", "h(layer, direction)[timestep][sample][unit] > 5")
PLACES = [Location(0, 0, 0, 0, 0), Location(1, 0, 2, 1, 3), Location(0, 1, 1, 1, 2)]


@pytest.mark.parametrize("where", PLACES, ids=str)
def test_the_names_of_the_selection_are_its_indices(wrong_run: StatementChecker, where: Location) -> None:
    numbers = f"(layer, timestep, sample, unit) == {(where.layer, where.timestep, where.sample, where.unit)}"
    direction = f"direction == '{('forward', 'backward')[where.direction]}'"
    assert check_statement(wrong_run.result, parse_statement("Here.", f"{numbers} and {direction}"), where).holds
    finding = check_statement(wrong_run.result, AT_SELECTION, where)
    value = wrong_run.result["manual"].hidden[where.index]
    assert finding.pairs[0].left.shown == f"{value:.3f}"


def test_a_place_that_the_run_has_not_is_neither_true_nor_false(wrong_run: StatementChecker) -> None:
    finding = check_statement(wrong_run.result, AT_SELECTION, Location(timestep=9))
    assert finding.holds is None
    assert finding.reason.startswith("There is no h(layer, direction)[timestep]")


def test_a_statement_records_whether_it_depends_on_the_selection() -> None:
    assert AT_SELECTION.follows_selection
    assert parse_statement("One.", "T > 1 and unit < H").follows_selection
    assert not parse_statement("None.", "equal(gluon.out, out) and verdict == 'agree'").follows_selection
