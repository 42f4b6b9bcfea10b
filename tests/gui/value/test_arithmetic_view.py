"""The tab with all terms: running sums of both engines, their divergence, and where the terms lead."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from rnnviz.core import number_format
from rnnviz.core.masks import Mask
from rnnviz.core.places import Place, parameter_place
from rnnviz.core.trace_index import Lane
from rnnviz.explain.lines import format_short
from rnnviz.gui.kit.table import FULL_ROLE
from rnnviz.gui.value.arithmetic_view import ArithmeticView
from rnnviz.gui.value.rows import MASKED
from tests.explain.arithmetics import half
from tests.gui.value.conftest import WHERE
from tests.gui.value.gradients import AT, with_gradients

MISTAKE = "bug:no-h2h-bias"


def text(tab: ArithmeticView, row: int, column: int) -> str:
    """Text of a cell with hyphens, as `float` reads them."""
    return str(tab.table.terms.index(row, column).data()).replace("−", "-")


def column(tab: ArithmeticView, name: str) -> int:
    headings = [each.name for each in tab.table.terms.columns]
    return next(place for place, heading in enumerate(headings) if heading.endswith(name))


def row(tab: ArithmeticView, name: str) -> int:
    return next(place for place, each in enumerate(tab.page.table.rows) if each.name == name)


def sums(tab: ArithmeticView, engine: str) -> list[str]:
    rows = [place for place, each in enumerate(tab.page.table.rows) if each.figures[0].stop is not None]
    return [text(tab, place, column(tab, f"{engine} sum")) for place in rows]


def expected_sums(tab: ArithmeticView, engine: int, symbol: str) -> list[float]:
    """The running sums of a gate that no factor scales, added up here."""
    gate = list(tab.page.explained.breakdowns.values())[engine].by_name[symbol]
    parts = half(gate, "i2h"), half(gate, "h2h")
    added = [number for part in parts for number in (*(part.factors * part.values), part.bias.value)]
    return [*np.cumsum(added), float(np.sum(added))]


@pytest.mark.parametrize("other", ["manual", MISTAKE])
def test_running_sums_of_both_engines_are_in_columns(tab, show_terms, other):
    show_terms(cell="lstm", engines=("gluon", other), candidate=other)
    for place, engine in enumerate(("gluon", other)):
        shown = [float(value.removeprefix("≠ ")) for value in sums(tab, engine)]
        assert shown == pytest.approx(expected_sums(tab, place, "i"), abs=6e-4)
    assert (sums(tab, "gluon") == sums(tab, other)) == (other == "manual")


def test_the_first_row_with_diverging_sums_is_marked_and_other_inputs_have_columns(tab, show_terms):
    show_terms(WHERE.moved(layer=0), engines=("gluon", MISTAKE), candidate=MISTAKE, cell="lstm")
    ours, theirs = (np.array(expected_sums(tab, engine, "i")) for engine in (0, 1))
    rtol, atol = tab.page.request.result.config.tolerances
    first = int(np.flatnonzero(np.abs(ours - theirs) > atol + rtol * np.abs(ours))[0])
    added = [each.name for each in tab.page.table.rows if each.kind != "part"]
    assert added[first] == "h[t=3, u=0]"
    here, place = row(tab, added[first]), column(tab, f"{MISTAKE} sum")
    assert text(tab, here, place).startswith("≠ ")
    assert tab.table.terms.cell(here, place).bold
    assert tab.table.terms.cell(here, 0).mark is not None
    said = tab.table.terms.index(here, place).data(Qt.ItemDataRole.AccessibleTextRole)
    assert said.endswith(", the running sums diverge here")
    assert [value for value in sums(tab, MISTAKE) if "≠" in value] == [text(tab, here, place)]
    own = half(tab.page.explained.breakdowns[MISTAKE].by_name["i"], "h2h")
    at = column(tab, f"{MISTAKE} × input")
    assert float(text(tab, here, at)) == pytest.approx(own.values[0], abs=6e-4)
    assert text(tab, row(tab, "x[t=2, i=0]"), at) == ""


def test_terms_are_sorted_and_limited_by_the_menu(qtbot, tab, show_terms):
    show_terms(hidden_size=40)
    assert [each.name for each in tab.page.table.rows if each.kind == "rest"] != []
    tab.set_count(16)
    qtbot.waitUntil(lambda: tab.complete)
    assert len([each for each in tab.page.table.rows if each.kind == "term"]) == 16
    tab.set_order("weight")
    qtbot.waitUntil(lambda: tab.complete)
    added = [abs(each.figures[0].added) for each in tab.page.table.rows if each.kind == "term"]
    assert added == sorted(added, reverse=True)
    assert text(tab, 16, 0) == "104 more"
    tab.set_count(1 << 30)
    qtbot.waitUntil(lambda: tab.complete)
    assert len([each for each in tab.page.table.rows if each.kind == "term"]) == 120


def test_another_equation_is_chosen_in_the_list(qtbot, tab, show_terms):
    show_terms(cell="lstm")
    assert [tab.lines.itemData(place) for place in range(tab.lines.count())] == ["i", "f", "g", "o", "c", "h"]
    with qtbot.waitSignal(tab.line_requested) as asked:
        tab.lines.setCurrentIndex(4)
    assert asked.args == ["c"]
    qtbot.waitUntil(lambda: tab.complete)
    assert [each.name for each in tab.page.table.rows] == ["f · c[t-1]", "i · g", "c"]


@pytest.mark.parametrize("by", ["mouse", "enter"])
def test_a_term_leads_to_its_source(qtbot, tab, show_terms, by):
    show_terms()
    for name, place in (
        ("h[t=2, u=3] ←", WHERE.moved(layer=0, unit=3)),
        ("h[t=3, u=2]", WHERE.moved(timestep=3, unit=2)),
    ):
        index = tab.table.terms.index(row(tab, name), 0)
        tab.table.scrollTo(index)
        with qtbot.waitSignal(tab.place_requested) as asked:
            if by == "mouse":
                qtbot.click(tab.table, index)
            else:
                tab.table.setFocus()
                tab.table.setCurrentIndex(index)
                qtbot.keyClick(tab.table, Qt.Key.Key_Return)
        assert asked.args == [Place.at("h", place)]


def test_weights_lead_to_their_gradients(qtbot, tab, show_terms):
    show_terms(AT, result=with_gradients(), place=Place.at("grad.h", AT))
    tab.choose_line("grad.h")
    qtbot.waitUntil(lambda: tab.complete)
    tab.table.setCurrentIndex(tab.table.terms.index(row(tab, "grad.o[t=2, u=1]"), 0))
    with qtbot.waitSignal(tab.place_requested) as asked:
        qtbot.keyClick(tab.table, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert asked.args == [parameter_place(Lane(0), "h2h_weight", (3 * 4 + 1, 2)).gradient]
    show_terms(AT, result=with_gradients("rnn_tanh"), place=Place.at("h", AT))
    index = tab.table.terms.index(row(tab, "x[t=1, i=0]"), column(tab, "weight"))
    with qtbot.waitSignal(tab.place_requested) as asked:
        qtbot.click(tab.table, index)
    place = parameter_place(Lane(0), "i2h_weight", (2, 0)).gradient
    assert asked.args == [place]
    tab.show_place(place, "")
    qtbot.waitUntil(lambda: tab.complete)
    assert [each.name for each in tab.page.table.rows if each.kind == "term"][:2] == ["t=0, n=0", "t=0, n=1"]


def test_copying_has_every_number_of_both_engines_in_full(qtbot, tab, show_terms):
    show_terms(WHERE.moved(layer=0), engines=("gluon", MISTAKE), candidate=MISTAKE, cell="lstm")
    tab.table.setFocus()
    qtbot.keyClick(tab.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    header, *rows = [line.split("\t") for line in QApplication.clipboard().text().splitlines()]
    marked = [f"□ {MISTAKE} × input", f"□ {MISTAKE} = prod."]
    assert header == ["term", "weight", "× input", "= prod.", *marked, "● gluon sum", f"□ {MISTAKE} sum"]
    assert [cells[0] for cells in rows] == [entry.name for entry in tab.page.table.rows]
    here = row(tab, "h[t=3, u=0]")
    first, second = tab.page.table.rows[here].figures
    numbers = (first.factor, first.input, first.product, second.input, second.product, first.stop, second.stop)
    assert rows[here][1:] == [number_format.full(value) for value in numbers]


def test_infinities_and_nan_of_one_engine_are_spelled_out_and_marked(tab, show_terms):
    where = WHERE.moved(layer=0)
    for value in (np.inf, -np.inf, np.nan):
        edits = {"manual": lambda trace, value=value: trace.hidden[0, 1, 3, 1].__setitem__(2, value)}
        show_terms(where, edits=edits, cell="gru", dtype="float64")
        here = row(tab, "h[t=3, u=2]")
        assert tab.page.divergent_sum == here
        shown = text(tab, here, column(tab, "manual sum")).removeprefix("≠ ")
        weight = float(half(tab.page.explained.reference.by_name["r"], "h2h").factors[2])
        assert shown == format_short(weight * value)
        tab.grab()


def test_asked_numbers_are_hidden_in_the_table_and_its_copy(tab, show_terms):
    show_terms()
    tab.show_masked((Mask("h", (range(1, 2), range(1, 2), range(3, 4))),))
    here = row(tab, "h[t=3, u=2]")
    for name in ("× input", "= prod."):
        assert text(tab, here, column(tab, name)) == MASKED
        assert tab.table.terms.index(here, column(tab, name)).data(FULL_ROLE) == MASKED
    assert text(tab, row(tab, "h[t=2, u=0] →"), column(tab, "× input")) != MASKED
    assert tab.note.toolTip() == ""
    tab.show_masked((Mask(parameter_place(Lane(1, 1), "h2h_weight", (0, 0)).array),))
    for name, hidden in (("weight", MASKED), ("= prod.", MASKED), ("× input", "")):
        assert (text(tab, here, column(tab, name)) == MASKED) == bool(hidden)
    # The sums of the asked value give it.
    tab.show_masked((Mask("h", (range(1, 2), range(1, 2), range(2, 3))),))
    assert set(sums(tab, "gluon")) == {MASKED}
