"""The table of terms: running sums of both engines, their divergence, and its size in a small window."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from rnnviz.core import number_format
from rnnviz.core.places import Place
from rnnviz.explain.lines import format_short
from rnnviz.gui.views.arithmetic.term_table import format_distinct_briefly
from rnnviz.gui.views.arithmetic.view import ArithmeticView
from tests.explain.arithmetics import half
from tests.gui.views.arithmetic.seen import WHERE, column, row, text

MISTAKE = "bug:no-h2h-bias"
DISPLAY, FULL = Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole


def sums(view: ArithmeticView, engine: str) -> list[str]:
    place = column(view, f"{engine} sum")
    lines = [k for k, line in enumerate(view.table.term_model.rows) if line.row.figures[0].stop is not None]
    return [text(view, k, place) for k in lines if not view.table.term_model.rows[k].engine]


def expected_sums(view: ArithmeticView, engine: int, symbol: str) -> list[float]:
    """The running sums of a gate that no factor scales, added up here."""
    gate = list(view.page.explained.breakdowns.values())[engine].by_name[symbol]
    parts = half(gate, "i2h"), half(gate, "h2h")
    added = [number for part in parts for number in (*(part.factors * part.values), part.bias.value)]
    return [*np.cumsum(added), float(np.sum(added))]


def split_at(view: ArithmeticView) -> list[str]:
    return [line.row.name for line in view.table.term_model.rows if line.parts]


@pytest.mark.parametrize("other", ["manual", MISTAKE])
def test_running_sums_of_both_engines_are_in_adjacent_columns(view, show, other):
    show(cell="lstm", engines=("gluon", other), candidate=other)
    for place, engine in enumerate(("gluon", other)):
        shown = [float(value.removeprefix("≠ ")) for value in sums(view, engine)]
        assert shown == pytest.approx(expected_sums(view, place, "i"), abs=6e-4)
    if other == MISTAKE:
        assert sums(view, "gluon") != sums(view, other)


def test_the_first_line_with_diverging_sums_is_marked_in_words_and_signs(view, show):
    show(WHERE.moved(layer=0), engines=("gluon", MISTAKE), candidate=MISTAKE, cell="lstm")
    (name,) = split_at(view)
    ours, theirs = (np.array(expected_sums(view, engine, "i")) for engine in (0, 1))
    rtol, atol = view.page.request.result.config.tolerances
    first = int(np.flatnonzero(np.abs(ours - theirs) > atol + rtol * np.abs(ours))[0])
    added = [line.row.name for line in view.table.term_model.rows if not line.engine and line.row.kind != "part"]
    assert name == added[first] == "h[t=3, u=0]"
    here, place = row(view, name), column(view, f"{MISTAKE} sum")
    assert text(view, here, place).startswith("≠ ")
    assert view.table.term_model.cell(here, place).bold
    said = view.table.term_model.index(here, place).data(Qt.ItemDataRole.AccessibleTextRole)
    assert said.endswith(", the running sums diverge here")
    assert "The running sums diverge here." in view.table.term_model.row_tooltip(view.table.term_model.row(here))
    assert [value for value in sums(view, MISTAKE) if "≠" in value] == [text(view, here, place)]


def test_values_shared_by_the_engines_are_shown_once_and_other_inputs_on_their_own_line(view, show):
    show(WHERE.moved(layer=0), engines=("gluon", MISTAKE), candidate=MISTAKE, cell="lstm")
    lines = view.table.term_model.rows
    assert [line.row.name for line in lines if line.engine and line.row.name.startswith("x")] == []
    here = row(view, "h[t=3, u=0]")
    assert (lines[here + 1].row, lines[here + 1].engine) == (lines[here].row, 1)
    own = half(view.page.explained.breakdowns[MISTAKE].by_name["i"], "h2h")
    shown = [text(view, here + 1, column(view, name)) for name in ("term", "weight", "input", "prod.")]
    assert shown[:2] == ["□", ""]
    assert [float(value) for value in shown[2:]] == pytest.approx([own.values[0], own.products[0]], abs=6e-4)
    assert text(view, here + 1, column(view, f"{MISTAKE} sum")) == ""
    read = view.table.term_model.index(here + 1, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert read == f"term h[t=3, u=0] of {MISTAKE}, first divergence"


def test_copying_has_every_number_of_both_engines_in_full(qtbot, view, show):
    show(WHERE.moved(layer=0), engines=("gluon", MISTAKE), candidate=MISTAKE, cell="gru")
    view.table.setFocus()
    qtbot.keyClick(view.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    header, *rows = [line.split("\t") for line in QApplication.clipboard().text().splitlines()]
    each = [f"{name} {what}" for name in ("gluon", MISTAKE) for what in ("× input", "= prod.", "sum")]
    assert header == ["term", "weight", *each]
    entries = view.table.term_model.term_table.rows
    assert [cells[0] for cells in rows] == [entry.name for entry in entries]
    for cells, entry in zip(rows, entries, strict=True):
        figures = [value for own in entry.figures for value in (own.input, own.product, own.stop)]
        if entry.kind == "total":
            figures[1] = figures[4] = None
        assert cells[2:] == ["" if value is None else number_format.full(value) for value in figures]


def test_arrows_go_through_the_lines_and_enter_follows_either_of_an_entry(qtbot, view, show):
    show(WHERE.moved(layer=0), engines=("gluon", MISTAKE), candidate=MISTAKE, cell="gru")
    table, here = view.table, row(view, "h[t=3, u=0]")
    table.setFocus()
    table.setCurrentIndex(table.term_model.index(here, 0))
    for line in (here, here + 1):
        assert table.currentIndex().row() == line
        with qtbot.waitSignal(view.place_requested) as asked:
            qtbot.keyClick(table, Qt.Key.Key_Return)
        assert asked.args == [Place.at("h", WHERE.moved(layer=0, timestep=3, unit=0))]
        qtbot.keyClick(table, Qt.Key.Key_Down)


def test_infinities_and_nan_of_one_engine_are_spelled_out_and_marked(view, show):
    where = WHERE.moved(layer=0)
    for value in (np.inf, -np.inf, np.nan):
        edits = {"manual": lambda trace, value=value: trace.hidden[0, 1, 3, 1].__setitem__(2, value)}
        show(where, edits=edits, cell="gru", dtype="float64")
        assert split_at(view) == ["h[t=3, u=2]"]
        shown = text(view, row(view, "h[t=3, u=2]"), column(view, "manual sum")).removeprefix("≠ ")
        weight = float(half(view.page.explained.reference.by_name["r"], "h2h").factors[2])
        assert shown == format_short(weight * value)
        view.grab()


def test_of_512_units_the_heaviest_are_listed_and_the_rest_summed_for_both(view, show):
    show(
        WHERE.moved(layer=0, direction=0),
        engines=("gluon", MISTAKE),
        candidate=MISTAKE,
        cell="lstm",
        hidden_size=512,
        bidirectional=False,
        num_layers=1,
    )
    rests = [line for line in view.table.term_model.rows if line.row.kind == "rest"]
    listed = [line for line in view.table.term_model.rows if line.row.kind == "term" and not line.engine]
    left = sum(int(line.row.name.split()[0].replace(",", "")) for line in rests if not line.engine)
    assert left + len(listed) == 515
    for place, engine in enumerate(("gluon", MISTAKE)):
        last = [float(value.removeprefix("≠ ")) for value in sums(view, engine)][-2:]
        assert last == pytest.approx([expected_sums(view, place, "i")[-1]] * 2, abs=6e-4)


@pytest.mark.parametrize(
    ("one", "other", "brief"),
    [
        (0.5, 0.625, ("0.500", "0.625")),
        (-0.5, 0.50000004, ("-0.500", "0.500")),
        (1.0, 1.00000004, ("1.00000000", "1.00000004")),
        (0.38212345678923, 0.38212345678924, ("0.382…23", "0.382…24")),
        (-0.38212345678923, -0.38212345678924, ("-0.382…23", "-0.382…24")),
        (1e-9, 2e-9, ("0.000…01", "0.000…02")),
        (99.5, 99.500000004, ("99.500…00", "99.500…04")),
    ],
)
def test_two_values_differ_within_ten_characters(one: float, other: float, brief: tuple[str, str]) -> None:
    assert format_distinct_briefly(one, other) == brief
    assert format_distinct_briefly(other, one) == brief[::-1]
