"""The arithmetic of a value: its numbers, the first divergence, where its numbers lead, and when it is worked out."""

import weakref

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage

from rnnviz.core import number_format
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Lane, Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.explain.lines import format_short
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.views.table import FULL_ROLE
from tests.explain.arithmetics import explained, half
from tests.factories import make_result, with_judgment
from tests.gui.views.arithmetic.seen import WHERE, card, column, row, text


def test_the_numbers_are_those_of_the_parameters_and_the_engines_own_state(view, show):
    """The oracle: one LSTM step in plain numpy, from the arrays of the run."""
    result = show(cell="lstm")
    trace, inputs, size = result["gluon"], result.inputs, 4
    p = inputs.parameters.layer(1, 1)
    x = np.concatenate([trace.hidden[0, d, 2, 1] for d in (0, 1)]).astype(float)
    h = trace.hidden[1, 1, 3, 1].astype(float)
    for place, symbol in enumerate("ifgo"):
        at = place * size + 1
        u = float(p.i2h_weight[at].astype(float) @ x + p.i2h_bias[at])
        v = float(p.h2h_weight[at].astype(float) @ h + p.h2h_bias[at])
        value = np.tanh(u + v) if symbol == "g" else 1.0 / (1.0 + np.exp(-(u + v)))
        line = card(view, symbol).content.lines[0]
        assert [t.value for t in line.tokens if t.value is not None] == pytest.approx([value, u, v])
        view.choose_line(symbol)
        show(cell="lstm")
        shown = row(view, "h[t=3, u=2]")
        cells = [text(view, shown, column(view, name)) for name in ("weight", "input", "prod.")]
        weight = float(p.h2h_weight[at, 2])
        assert cells == [format_short(weight), format_short(h[2]), format_short(weight * h[2])]
        full = view.table.term_model.index(shown, column(view, "input")).data(FULL_ROLE)
        assert full == number_format.full(float(h[2]))
        assert text(view, row(view, "u + v"), column(view, "gluon sum")) == format_short(u + v)
    c = card(view, "c").content.lines[0].result.value
    assert c == pytest.approx(trace.cell[1, 1, 2, 1, 1], abs=1e-6)
    assert card(view, "h").content.lines[0].result.value == pytest.approx(trace.hidden[WHERE.index], abs=1e-6)


@pytest.mark.slow
@given(explained())
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_network_can_be_shown(view, case):
    """Out of sight, where the numbers are worked out at once, as for an exported picture."""
    view.hide()
    inputs, trace, where = case
    shape = trace.shape
    made = make_result(
        cell=inputs.network.cell,
        input_size=inputs.network.input_size,
        hidden_size=shape[4],
        num_layers=shape[0],
        bidirectional=shape[1] == 2,
        timesteps=shape[2],
        batch_size=shape[3],
    )
    view.show_result(made, "manual")
    view.show_location(where)
    value = card(view, "h").content.lines[0].result.value
    assert value == pytest.approx(float(made["manual"].hidden[where.index]), abs=1e-5)
    view.show_result(None, None)


def test_engines_with_the_same_digits_share_a_row_of_a_card_and_others_have_their_own(view, show):
    show()
    assert [engines for _, engines in card(view, "h").content.rows] == ["gluon, manual"]
    show(engines=("gluon", "bug:no-h2h-bias"), candidate="bug:no-h2h-bias")
    assert [engines for _, engines in card(view, "h").content.rows] == ["● gluon", "□ bug:no-h2h-bias"]


def test_a_known_bug_is_marked_in_the_first_line_that_diverges_and_named_in_a_sentence(view, show):
    name = "bug:gates-i-f-o-g"
    show(WHERE.moved(layer=0, timestep=4), engines=("gluon", name), candidate=name, cell="lstm")
    assert [own.content.parts for own in view.cards.cards] == [False] * 6 + [True, False]
    assert "the stored c differs" in view.note.text()
    assert view.note.parts
    assert "first divergence" in view.cards.cards[-2].accessibleName()
    show(WHERE.moved(layer=0), engines=("gluon", name), candidate=name, cell="lstm")
    assert view.cards.cards[0].content.parts
    marked = [own.name for own in view.table.term_model.term_table.rows if own.diverges]
    assert len(marked) == 1
    assert f"at {marked[0]} of layer 0, backward" in view.note.text()
    assert view.table.term_model.cell(row(view, marked[0]), 0).mark is not None


@pytest.mark.parametrize(("bug", "cell", "lines"), [("gates-i-f-o-g", "lstm", 8), ("reset-before-matmul", "gru", 5)])
def test_a_wrong_value_is_shown_with_its_likely_cause(qtbot, view, bug, cell, lines):
    engine = f"bug:{bug}"
    result = with_judgment(make_result(("gluon", engine), cell=cell), diagnoses={engine: ((bug,),)})
    view.show_result(result, engine)
    view.show_location(Location(timestep=2, unit=1))
    qtbot.waitUntil(lambda: view.complete and view.page is not None)
    cause = KNOWN_BUGS[bug].cause
    with_cause = [own for own in view.cards.cards if own.content.cause]
    assert with_cause == view.cards.cards[-lines:]
    assert {own.content.cause for own in with_cause} == {cause}
    last = with_cause[-1].content.lines[0].tokens
    stored, computed = (float(token.value) for token in (last[0], last[2]))
    assert stored == pytest.approx(float(result[engine].hidden[0, 0, 2, 0, 1]))
    assert computed == pytest.approx(stored, abs=1e-6)
    assert cause in view.note.text()
    qtbot.mouseClick(view.note, Qt.MouseButton.LeftButton)
    assert with_cause[0].hasFocus()
    assert not with_cause[0].visibleRegion().isEmpty()
    assert cause in with_cause[0].accessibleDescription()


def test_terms_are_sorted_and_limited_by_the_options(qtbot, view, show):
    show(hidden_size=40)
    rows = view.table.term_model.term_table.rows
    assert [own.name for own in rows if own.kind == "rest"] != []
    with qtbot.waitSignal(view.shown):
        view.list_options.count.setValue(3)
    assert len([own for own in view.table.term_model.term_table.rows if own.kind == "term"]) == 3
    with qtbot.waitSignal(view.shown):
        view.list_options.orders.setCurrentIndex(1)
    added = [abs(own.figures[0].added) for own in view.table.term_model.term_table.rows if own.kind == "term"]
    assert added == sorted(added, reverse=True)
    assert text(view, 3, 0) == "117 more"
    with qtbot.waitSignal(view.shown):
        view.list_options.count.setValue(view.list_options.count.maximum())
    assert len([own for own in view.table.term_model.term_table.rows if own.kind == "term"]) == 120


def test_copying_copies_the_whole_arithmetic(view, show):
    show(cell="gru", engines=("gluon", "manual", "bug:no-h2h-bias"))
    copied = view.copy_text()
    assert copied.startswith("h[t=2, u=1] of layer 1 backward ←, sample 1: GRU")
    assert "n = tanh(u_n + r · v_n)" in copied
    assert "bug:no-h2h-bias" in copied


def test_tooltips_have_numbers_in_full(view, show):
    show(cell="lstm")
    own = card(view, "f")
    row_tooltip = own.tooltip_at(own.link_rect(2).center())
    assert f"gluon: {number_format.full(half(view.page.explained.reference.by_name['f'], 'i2h').total)}" in row_tooltip
    first = view.table.term_model.row(0).row.figures[0]
    assert (
        f"{number_format.full(first.factor)} × {number_format.full(first.input)}"
        in view.table.term_model.row_tooltip(view.table.term_model.row(0))
    )


def test_a_nan_is_spelled_out_and_draws_no_bar(view, show):
    show(edits={"gluon": lambda trace: trace.hidden[1, 1, 3].fill(np.nan)})
    assert text(view, row(view, "u + v"), column(view, "gluon sum")) == "NaN"
    view.grab()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_part_is_painted_in_the_themes_colors(view, show, theme):
    show(cell="gru")
    colors = THEMES[theme]
    # As the window has it: other views have its ground, too.
    view.setPalette(colors.palette())
    view.apply_theme(colors)
    image: QImage = view.grab().toImage()
    for part, y, ground in ((view.cards, -2, "window"), (view.plot, -2, "base"), (view.note, 1, "window")):
        at = part.mapTo(view, QPoint(1, y % part.height()))
        assert image.pixelColor(at) == colors.color(ground), part


def test_padding_has_a_sentence_in_place_of_numbers(view):
    result = make_result(lengths=(5, 2))
    view.show_result(result, "manual")
    view.show_location(Location(timestep=2, sample=1))
    assert view.complete
    assert view.page is None
    assert view.copy_text() == view.empty.text() == "t = 2 is padding: sample 1 has 2 time steps."
    view.show_location(Location(timestep=1, sample=1))
    view.finish_pending()
    value = card(view, "h").content.lines[0].result.value
    assert value == pytest.approx(float(result["manual"].hidden[0, 0, 1, 1, 0]), abs=1e-5)


@pytest.mark.slow
def test_the_first_line_that_differs_is_selected_once_its_page_is_there(qtbot, view, show):
    name = "bug:no-h2h-bias"
    show(WHERE.moved(layer=0, timestep=4), engines=("gluon", name), candidate=name, cell="gru")
    view.choose_line("h")
    view.show_location(WHERE.moved(layer=0))
    view.show_divergence()
    qtbot.waitUntil(lambda: view.complete and any(own.content.parts and own.checked for own in view.cards.cards))
    view.choose_line("h")
    qtbot.waitUntil(lambda: view.complete)
    assert view.page.term_table.line == "h"
    # A stored value that differs is focused, and the terms belong to its line.
    name = "bug:gates-i-f-o-g"
    view.resize(1001, 150)
    show(WHERE.moved(layer=0, timestep=4), engines=("gluon", name), candidate=name, cell="lstm")
    view.show_divergence()
    qtbot.waitUntil(lambda: view.complete)
    stored = view.cards.cards[-2]
    assert stored.hasFocus()
    assert view.page.term_table.line == "c"
    qtbot.wait(1)
    assert not stored.visibleRegion().isEmpty(), "also after its line was scrolled to"
    assert stored.visibleRegion().boundingRect() == stored.rect()


@pytest.mark.parametrize("click", ["mouse", "enter"])
def test_a_term_leads_to_its_source(qtbot, view, show, click):
    show()
    for name, place in (
        ("h[t=2, u=3] ←", WHERE.moved(layer=0, unit=3)),
        ("h[t=3, u=2]", WHERE.moved(timestep=3, unit=2)),
    ):
        index = view.table.term_model.index(row(view, name), 0)
        view.table.scrollTo(index)
        with qtbot.waitSignal(view.place_requested) as asked:
            if click == "mouse":
                at = view.table.visualRect(index).center()
                qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
            else:
                view.table.setFocus()
                view.table.setCurrentIndex(index)
                qtbot.keyClick(view.table, Qt.Key.Key_Return)
        assert asked.args == [Place.at("h", place)]


def test_the_numbers_of_an_equation_lead_to_their_sources(qtbot, view, show):
    show(cell="lstm")
    own = card(view, "c")
    asked: list[object] = []
    view.place_requested.connect(asked.append)
    for token in own.links:
        qtbot.mouseClick(own, Qt.MouseButton.LeftButton, pos=own.link_rect(token).center().toPoint())
    previous = WHERE.moved(timestep=3)
    assert asked == [Place.at("f", WHERE), Place.at("c", previous), Place.at("i", WHERE), Place.at("g", WHERE)]


def test_cards_are_chosen_and_links_followed_by_keys_alone(qtbot, view, show):
    show(cell="lstm")
    view.cards.cards[0].setFocus()
    for symbol in "fgoch":
        with qtbot.waitSignal(view.shown):
            qtbot.keyClick(view.focusWidget(), Qt.Key.Key_Down)
        assert view.table.term_model.term_table.line == symbol
        assert card(view, symbol).checked
    own = card(view, "h")
    qtbot.keyClick(own, Qt.Key.Key_Right)
    assert own.accessibleName() == "o: Enter goes to o[t=2, u=1] of layer 1, backward"
    with qtbot.waitSignal(view.place_requested) as asked:
        qtbot.keyClick(own, Qt.Key.Key_Return)
    assert asked.args == [Place.at("o", WHERE)]


def test_the_input_and_the_initial_state_end_a_history(view, show):
    result = show(cell="lstm")
    for place, said in (
        (Place("input", (2, 1, 0)), "x[t=2, i=0] = " + format_short(float(result.inputs.sequence[2, 1, 0]))),
        (
            Place("c0", (3, 1, 2), Lane(1, 1)),
            f"c0[u=2] = {format_short(float(result.inputs.initial_state['c'][3, 1, 2]))}",
        ),
    ):
        view.show_history((Place.at("h", WHERE), place), 1)
        assert view.ends
        assert view.end.isVisible()
        assert said in view.end.text
        assert "no step computed it" in view.end.text
        assert said in view.copy_text()
    view.show_history((Place.at("h", WHERE), Place("input", (2, 1, 0))), 0)
    assert not view.ends
    assert view.table.isVisible()


def test_each_line_of_a_projected_cell_is_reached_from_the_hidden_value(qtbot, view, show):
    where = WHERE.moved(unit=1)
    made = show(where, cell="lstm", hidden_size=5, projection_size=2)
    assert [own.content.lines[0].result.text for own in view.cards.cards if own.content] == ["h", "stored h"]
    index = view.table.term_model.index(row(view, "m[t=2, u=4]"), 0)
    with qtbot.waitSignal(view.place_requested) as asked:
        view.table.setFocus()
        view.table.setCurrentIndex(index)
        qtbot.keyClick(view.table, Qt.Key.Key_Return)
    (place,) = asked.args
    assert place == Place.at("m", where.moved(unit=4))
    view.show_history((Place.at("h", where), place), 1)
    qtbot.waitUntil(lambda: view.complete)
    view.show_location(where)
    qtbot.waitUntil(lambda: view.complete)
    assert view.crumbs.names[-1] == "m[t=2, u=4]"
    assert view.page.term_table.line == "m"
    lines = {own.content.lines[0].result.text: own.content.lines[0] for own in view.cards.cards if own.content}
    assert [name for name in lines if not name.startswith("stored ")] == ["i", "f", "g", "o", "c", "m"]
    assert lines["stored c"].result.value == made["gluon"]["c"][where.moved(unit=4).index]
    assert view.copy_text().startswith("c[t=2, u=4] of layer 1 backward")
    # Another time step begins again at the selected hidden value.
    view.show_location(where.moved(timestep=1))
    qtbot.waitUntil(lambda: view.complete)
    assert (view.place, view.page.term_table.line) == (Place.at("h", where.moved(timestep=1)), "h")


def test_only_the_last_of_many_moves_is_sure_to_be_answered(qtbot, view, show):
    show(cell="lstm", timesteps=60)
    shown: list[Place] = []
    view.shown.connect(lambda: shown.append(view.page.request.place))
    for timestep in range(60):
        view.show_location(WHERE.moved(timestep=timestep))
    assert view.page.request.place == Place.at("h", WHERE)
    qtbot.waitUntil(lambda: view.complete)
    assert shown[-1] == Place.at("h", WHERE.moved(timestep=59))
    assert len(shown) < 60


@pytest.mark.parametrize(
    "place",
    [Place.at("h", Location(1, 0, 40, 0, 2)), Place("input", (40, 0, 1)), Place("h0", (3, 0, 1), Lane(3))],
    ids=lambda place: place.array,
)
def test_a_history_through_a_pending_result_is_waited_for(qtbot, view, show, place):
    show()
    before = view.page
    view.hide()
    view.show_history((place,), 0)
    view.resize(view.width() + 40, view.height() + 10)
    view.show()
    assert view.page is before


def test_a_source_does_not_keep_the_page_of_an_earlier_result(view, show):
    earlier = weakref.ref(show())
    view.show_history((Place.at("h", WHERE), Place("input", (2, 1, 0))), 1)
    assert view.ends
    view.show_result(make_result(num_layers=2, bidirectional=True), "manual")
    assert view.ends
    assert earlier() is None
