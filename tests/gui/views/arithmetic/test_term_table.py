"""The table of terms: running sums of both engines, their divergence, and its size in a small window."""

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from rnnviz.core import number_format
from rnnviz.core.places import Place
from rnnviz.explain.equations import format_short
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.views.arithmetic.term_table import _width
from rnnviz.gui.views.arithmetic.view import ArithmeticView
from tests.gui.views.arithmetic.seen import WHERE, column, row, text
from tests.profiles import slow_except

MISTAKE = "bug:no-h2h-bias"
LONG = "/far/away/" + "a_recurrence_of_my_own_whose_name_is_as_long_as_a_name_may_be".ljust(61, "_") + ".py"
SMALL = 1001, 190
"""Of the view in a window of 1280 x 800."""
DISPLAY, FULL = Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole
LINES = [("gru", "r"), ("gru", "n"), ("gru", "h"), ("lstm", "i"), ("lstm", "c"), ("lstm", "h"), ("rnn_tanh", "h")]


def sums(view: ArithmeticView, engine: str) -> list[str]:
    place = column(view, f"{engine} sum")
    lines = [k for k, line in enumerate(view.table.term_model.rows) if line.row.figures[0].stop is not None]
    return [text(view, k, place) for k in lines if not view.table.term_model.rows[k].engine]


def expected_sums(view: ArithmeticView, engine: int, symbol: str) -> list[float]:
    """The running sums of a gate that no factor scales, added up here."""
    pre = view.page.arithmetics[engine].by_symbol[symbol].pre
    added = [*(pre.u.weights * pre.u.inputs), pre.u.bias, *(pre.v.weights * pre.v.inputs), pre.v.bias]
    return [*np.cumsum(added), float(np.sum(added))]


def split_at(view: ArithmeticView) -> list[str]:
    return [line.row.name for line in view.table.term_model.rows if line.parts]


@pytest.mark.parametrize("other", ["manual", MISTAKE])
def test_running_sums_of_both_engines_are_in_adjacent_columns(view: ArithmeticView, show: Any, other: str) -> None:
    show(cell="lstm", engines=("gluon", other), candidate=other)
    for place, engine in enumerate(("gluon", other)):
        shown = [float(value.removeprefix("≠ ")) for value in sums(view, engine)]
        assert shown == pytest.approx(expected_sums(view, place, "i"), abs=6e-4)
    if other == MISTAKE:
        assert sums(view, "gluon") != sums(view, other)


def test_the_first_line_with_diverging_sums_is_marked_in_words_and_signs(view: ArithmeticView, show: Any) -> None:
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


def test_sums_that_agree_by_the_tolerance_are_not_marked(view: ArithmeticView, show: Any) -> None:
    show(cell="gru")
    assert split_at(view) == []
    show(edits={"manual": lambda trace: trace.hidden[1].__iadd__(1e-7)}, cell="gru")
    assert split_at(view) == []
    assert not any("≠" in value for value in sums(view, "manual"))


def test_values_shared_by_the_engines_are_shown_once_and_other_inputs_on_their_own_line(
    view: ArithmeticView, show: Any
) -> None:
    show(WHERE.moved(layer=0), engines=("gluon", MISTAKE), candidate=MISTAKE, cell="lstm")
    lines = view.table.term_model.rows
    assert [line.row.name for line in lines if line.engine and line.row.name.startswith("x")] == []
    here = row(view, "h[t=3, u=0]")
    assert (lines[here + 1].row, lines[here + 1].engine) == (lines[here].row, 1)
    own = view.page.arithmetics[1].by_symbol["i"].pre.v
    shown = [text(view, here + 1, column(view, name)) for name in ("term", "weight", "input", "prod.")]
    assert shown[:2] == ["□", ""]
    assert [float(value) for value in shown[2:]] == pytest.approx([own.inputs[0], own.products[0]], abs=6e-4)
    assert text(view, here + 1, column(view, f"{MISTAKE} sum")) == ""
    read = view.table.term_model.index(here + 1, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert read == f"term h[t=3, u=0] of {MISTAKE}, first divergence"


@pytest.mark.parametrize(("cell", "line"), LINES)
@pytest.mark.parametrize("other", slow_except(["manual", MISTAKE, LONG], LONG))
def test_nothing_is_scrolled_horizontally_or_cut_off_in_a_small_window(
    view: ArithmeticView, show: Any, cell: str, line: str, other: str
) -> None:
    view.resize(*SMALL)
    edits = {LONG: lambda trace: trace.hidden.__iadd__(0.3)} if other == LONG else None
    show(WHERE.moved(layer=0), engines=("gluon", other), candidate=other, cell=cell, edits=edits)
    view.choose_line(line)
    show(WHERE.moved(layer=0), engines=("gluon", other), candidate=other, cell=cell, edits=edits)
    table = view.table
    assert table.term_model.term_table.line == line
    assert table.horizontalScrollBar().maximum() == 0
    names = [table.term_model.cell(place, 0) for place, own in enumerate(table.term_model.rows) if not own.engine]
    metrics, room = table.fontMetrics(), table.columnWidth(0) - 8
    shown = [
        metrics.elidedText(name.text, Qt.TextElideMode.ElideRight, room - 16 * (name.mark is not None))
        for name in names
    ]
    assert len(set(shown)) == len(shown)
    for place, own in enumerate(table.term_model.rows):
        # Where bars do not fit, a whole name may not either: its tooltip has it.
        for at, words in enumerate(own.texts[:-1]):
            if at == 0 and table.isColumnHidden(table.term_model.bar_column):
                continue
            face = table._painter._bold if table.term_model.cell(place, at).bold else table._painter._plain
            mark = 16 if table.term_model.cell(place, at).mark is not None else 0
            # As `CellPainter` has it: a number takes some of the margin rather than lose a digit.
            assert face.width(words) + mark <= table.columnWidth(at) - (8 if mark else 5), (words, own.row.name)


def test_a_wide_table_has_whole_file_names(view: ArithmeticView, show: Any) -> None:
    name = "step_of_the_speech_tagger_kernel.py"
    view.resize(2300, 300)
    show(engines=("gluon", f"/home/me/{name}"), candidate=f"/home/me/{name}")
    heading = view.table.term_model.headerData(column(view, f"{name} sum"), Qt.Orientation.Horizontal, DISPLAY)
    assert name in heading


def test_a_long_name_is_elided_in_the_middle_and_whole_in_the_tooltip(view: ArithmeticView, show: Any) -> None:
    view.resize(*SMALL)
    show(engines=("gluon", LONG), candidate=LONG)
    name = LONG.rpartition("/")[2]
    assert len(name) == 64
    model, place = view.table.term_model, column(view, f"{name} sum")
    above, _, beneath = model.headerData(place, Qt.Orientation.Horizontal, DISPLAY).partition("\n")
    assert above.startswith("□ ")
    assert "…" in above
    assert beneath == "sum"
    metrics = view.table.horizontalHeader().fontMetrics()
    assert metrics.horizontalAdvance(above) <= view.table.columnWidth(place)
    assert model.headerData(place, Qt.Orientation.Horizontal, FULL).startswith(f"{name}:")
    first = model.headerData(place - 1, Qt.Orientation.Horizontal, DISPLAY)
    assert first == "● gluon\nsum"


def test_bars_return_when_the_view_is_wide_enough(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    show(WHERE.moved(layer=0), engines=("gluon", MISTAKE), candidate=MISTAKE, cell="gru")
    view.choose_line("n")
    show(WHERE.moved(layer=0), engines=("gluon", MISTAKE), candidate=MISTAKE, cell="gru")
    table = view.table
    view.resize(900, 190)
    qtbot.waitUntil(lambda: table.isColumnHidden(table.term_model.bar_column))
    view.resize(1600, 190)
    qtbot.waitUntil(lambda: not table.isColumnHidden(table.term_model.bar_column))
    assert table.columnWidth(table.term_model.bar_column) > 90


def test_copying_has_every_number_of_both_engines_in_full(qtbot: Any, view: ArithmeticView, show: Any) -> None:
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


def test_arrows_go_through_the_lines_and_enter_follows_either_of_an_entry(
    qtbot: Any, view: ArithmeticView, show: Any
) -> None:
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


def test_infinities_and_nan_of_one_engine_are_spelled_out_and_marked(view: ArithmeticView, show: Any) -> None:
    where = WHERE.moved(layer=0)
    for value in (np.inf, -np.inf, np.nan):
        edits = {"manual": lambda trace, value=value: trace.hidden[0, 1, 3, 1].__setitem__(2, value)}
        show(where, edits=edits, cell="gru", dtype="float64")
        assert split_at(view) == ["h[t=3, u=2]"]
        shown = text(view, row(view, "h[t=3, u=2]"), column(view, "manual sum")).removeprefix("≠ ")
        weight = float(view.page.arithmetics[0].by_symbol["r"].pre.v.weights[2])
        assert shown == format_short(weight * value)
        view.grab()


def test_of_512_units_the_heaviest_are_listed_and_the_rest_summed_for_both(view: ArithmeticView, show: Any) -> None:
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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_mark_of_the_sums_has_the_themes_color(view: ArithmeticView, show: Any, theme: str) -> None:
    view.apply_theme(THEMES[theme])
    show(WHERE.moved(layer=0), engines=("gluon", MISTAKE), candidate=MISTAKE, cell="lstm")
    cell = view.table.term_model.cell(row(view, split_at(view)[0]), column(view, f"{MISTAKE} sum"))
    assert cell.color == THEMES[theme].color("wrong")


@pytest.mark.parametrize(("cell", "line"), [("lstm", "i"), ("rnn_tanh", "h")])
def test_in_the_width_beside_a_lesson_every_name_and_every_sum_is_whole(
    view: ArithmeticView, show: Any, cell: str, line: str
) -> None:
    view.resize(820, 290)
    show(WHERE.moved(layer=0), cell=cell)
    view.choose_line(line)
    show(WHERE.moved(layer=0), cell=cell)
    table = view.table
    model = table.term_model
    assert table.horizontalScrollBar().maximum() == 0
    assert not model.brief
    names = [table.fontMetrics().horizontalAdvance(own.row.name) for own in model.rows]
    assert max(names) + 8 <= table.columnWidth(0)
    assert [
        model.headerData(place, Qt.Orientation.Horizontal, DISPLAY).split("\n")[0] for place in model.sum_columns
    ] == ["● gluon", "□ manual"]


def test_the_widest_text_of_a_column_is_the_widest_in_the_font(view: ArithmeticView) -> None:
    texts = ["× input", "weight", "= prod.", "-0.0090", "-8.8e-4", "0.035", "● gluon"]
    pixels = {text: view.table.fontMetrics().horizontalAdvance(number_format.true_minus(text)) for text in texts}
    assert max(pixels.values()) <= pixels[max(texts, key=_width)] + 2


def test_a_new_result_has_columns_of_its_own_widths(view: ArithmeticView, show: Any) -> None:
    show(cell="gru", engines=("gluon", MISTAKE), candidate=MISTAKE)
    wide, needed = view.cards.natural_width, view.table.least_widths[1]
    show(cell="rnn_tanh")
    assert view.cards.natural_width < wide
    assert view.table.least_widths[1] < needed
