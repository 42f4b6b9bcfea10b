"""The arithmetic of a value as it is shown: its numbers, where the engines part, and how many terms are listed."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QAbstractButton, QWidget

from rnnviz.analysis import numbers
from rnnviz.analysis.explain.digits import enough
from rnnviz.analysis.explain.provenance import CellPlace, GatePlace, InitialPlace, InputPlace
from rnnviz.analysis.result import RunResult
from rnnviz.gui.look.theme import THEMES
from rnnviz.gui.views.arithmetic.card import Card
from rnnviz.gui.views.arithmetic.view import ArithmeticView
from rnnviz.gui.views.tables import FULL_ROLE
from rnnviz.model.location import Location
from tests.analysis.explain.arithmetics import explained
from tests.made_results import made_result

WHERE = Location(layer=1, direction=1, timestep=2, sample=1, unit=1)


@pytest.fixture
def view(qtbot: Any) -> Iterator[ArithmeticView]:
    view = ArithmeticView()
    qtbot.addWidget(view)
    view.resize(1016, 220)
    view.show()
    yield view
    view.close()


@pytest.fixture
def show(qtbot: Any, view: ArithmeticView) -> Callable[..., RunResult]:
    """Shows the arithmetic of a place and waits until it is there."""

    def show(where: Location = WHERE, candidate: str = "manual", **made: Any) -> RunResult:
        result = made_result(**({"num_layers": 2, "bidirectional": True} | made))
        view.show_result(result, candidate)
        view.show_location(where)
        qtbot.waitUntil(lambda: view.complete and view.page is not None)
        return result

    return show


def text(view: ArithmeticView, row: int, column: int) -> str:
    return str(view.table.ledger.index(row, column).data())


def column(view: ArithmeticView, name: str) -> int:
    model = view.table.ledger
    headings = [model.headerData(c, Qt.Orientation.Horizontal, FULL_ROLE) for c in range(model.columnCount())]
    return next(c for c, heading in enumerate(headings) if heading.endswith(name))


def card(view: ArithmeticView, symbol: str) -> Card:
    return next(own for own in view.cards.cards if own.content.lines[0].result.text == symbol)


def row(view: ArithmeticView, name: str) -> int:
    return next(r for r, own in enumerate(view.table.ledger.ledger.rows) if own.name == name)


def test_an_empty_view_says_what_to_do(view: ArithmeticView) -> None:
    assert "Press F5" in view._empty.text()
    assert view.copy_text() == ""


def test_the_numbers_are_those_of_the_parameters_and_the_engines_own_state(view: ArithmeticView, show: Any) -> None:
    """The oracle: one LSTM step in plain numpy, from the arrays of the run."""
    result = show(cell="lstm")
    trace, inputs, size = result["gluon"], result.inputs, 4
    p = inputs.parameters.layer(1, 1)
    x = np.concatenate([trace.hidden[0, d, 2, 1] for d in (0, 1)]).astype(float)
    h = trace.hidden[1, 1, 3, 1].astype(float)
    for place, symbol in enumerate("ifgo"):
        at = place * size + 1
        a = float(p.i2h_weight[at].astype(float) @ x + p.i2h_bias[at])
        b = float(p.h2h_weight[at].astype(float) @ h + p.h2h_bias[at])
        value = np.tanh(a + b) if symbol == "g" else 1.0 / (1.0 + np.exp(-(a + b)))
        line = card(view, symbol).content.lines[0]
        assert [t.value for t in line.tokens if t.value is not None] == pytest.approx([value, a, b])
        view.choose_line(symbol)
        show(cell="lstm")
        shown = row(view, "h[3][2]")
        cells = [text(view, shown, column(view, name)) for name in ("weight", "input", "prod.")]
        weight = float(p.h2h_weight[at, 2])
        assert cells == [enough(weight), enough(h[2]), enough(weight * h[2])]
        full = view.table.ledger.index(shown, column(view, "input")).data(FULL_ROLE)
        assert full == numbers.full(float(h[2]))
        assert text(view, row(view, "a + b"), column(view, "prod.")) == enough(a + b)
    c = card(view, "c").content.lines[0].result.value
    assert c == pytest.approx(trace.cell[1, 1, 2, 1, 1], abs=1e-6)
    assert card(view, "h").content.lines[0].result.value == pytest.approx(trace.hidden[WHERE.index], abs=1e-6)


@given(explained())
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_network_can_be_shown(view: ArithmeticView, case: Any) -> None:
    """Out of sight, where the numbers are worked out at once, as for an exported picture."""
    view.hide()
    inputs, trace, where = case
    shape = trace.shape
    made = made_result(
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


def test_engines_with_the_same_digits_share_columns_and_others_have_their_own(view: ArithmeticView, show: Any) -> None:
    show()
    assert [engines for _, engines in card(view, "h").content.rows] == ["gluon, manual"]
    together = view.table.ledger.columnCount()
    show(engines=("gluon", "mistake:no-h2h-bias"), candidate="mistake:no-h2h-bias")
    assert [engines for _, engines in card(view, "h").content.rows] == ["● gluon", "□ mistake:no-h2h-bias"]
    assert view.table.ledger.columnCount() > together


def test_a_mistake_is_marked_in_the_first_line_that_parts_and_named_in_a_sentence(
    view: ArithmeticView, show: Any
) -> None:
    name = "mistake:gates-i-f-o-g"
    show(WHERE.moved(layer=0, timestep=4), engines=("gluon", name), candidate=name, cell="lstm")
    assert [own.content.parts for own in view.cards.cards] == [False] * 6 + [True]
    assert "part in what they stored" in view.note.text()
    assert view.note.parts
    assert "the engines part here" in view.cards.cards[-1].accessibleName()
    show(WHERE.moved(layer=0), engines=("gluon", name), candidate=name, cell="lstm")
    assert view.cards.cards[0].content.parts
    marked = [own.name for own in view.table.ledger.ledger.rows if own.parts]
    assert len(marked) == 1
    assert f"part at {marked[0]} of layer 0, backward" in view.note.text()
    assert view.table.ledger.cell(row(view, marked[0]), 0).mark is not None


def test_engines_that_agree_are_not_marked(view: ArithmeticView, show: Any) -> None:
    show(cell="gru")
    assert not any(own.content.parts for own in view.cards.cards)
    assert not view.note.parts
    assert "do not part" in view.note.text()


def test_the_sentence_leads_to_the_line(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    name = "mistake:reset-before-matmul"
    show(WHERE.moved(layer=0, timestep=4), engines=("gluon", name), candidate=name, cell="gru")
    qtbot.mouseClick(view.note, Qt.MouseButton.LeftButton)
    assert view.cards.cards[-1].hasFocus()


@pytest.mark.parametrize("click", ["mouse", "enter"])
def test_a_term_leads_to_its_source(qtbot: Any, view: ArithmeticView, show: Any, click: str) -> None:
    show()
    for name, place in (("h[2][3] ←", WHERE.moved(layer=0, unit=3)), ("h[3][2]", WHERE.moved(timestep=3, unit=2))):
        index = view.table.ledger.index(row(view, name), 0)
        view.table.scrollTo(index)
        with qtbot.waitSignal(view.place_requested) as asked:
            if click == "mouse":
                at = view.table.visualRect(index).center()
                qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
            else:
                view.table.setFocus()
                view.table.setCurrentIndex(index)
                qtbot.keyClick(view.table, Qt.Key.Key_Return)
        assert asked.args == [place]


def test_a_double_click_follows_one_link_only(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    show()
    asked: list[object] = []
    view.place_requested.connect(asked.append)
    at = view.table.visualRect(view.table.ledger.index(0, 0)).center()
    qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    qtbot.mouseDClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    qtbot.mouseRelease(view.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert len(asked) == 1


def test_the_numbers_of_an_equation_lead_to_their_sources(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    show(cell="lstm")
    own = card(view, "c")
    asked: list[object] = []
    view.place_requested.connect(asked.append)
    for token in own.links:
        qtbot.mouseClick(own, Qt.MouseButton.LeftButton, pos=own.link_rect(token).center().toPoint())
    previous = WHERE.moved(timestep=3)
    assert asked == [GatePlace(WHERE, "f"), CellPlace(previous), GatePlace(WHERE, "i"), GatePlace(WHERE, "g")]


def test_cards_are_chosen_and_links_followed_by_keys_alone(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    show(cell="lstm")
    view.cards.cards[0].setFocus()
    for symbol in "fgoch":
        with qtbot.waitSignal(view.shown):
            qtbot.keyClick(view.focusWidget(), Qt.Key.Key_Down)
        assert view.table.ledger.ledger.line == symbol
        assert card(view, symbol).checked
    own = card(view, "h")
    qtbot.keyClick(own, Qt.Key.Key_Right)
    assert own.accessibleName() == "o: Enter goes to o[2][1] of layer 1, backward"
    with qtbot.waitSignal(view.place_requested) as asked:
        qtbot.keyClick(own, Qt.Key.Key_Return)
    assert asked.args == [GatePlace(WHERE, "o")]


def test_terms_are_sorted_and_as_many_as_one_wants(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    show(hidden_size=40)
    rows = view.table.ledger.ledger.rows
    assert [own.name for own in rows if own.kind == "rest"] != []
    with qtbot.waitSignal(view.shown):
        view.listing.count.setValue(3)
    assert len([own for own in view.table.ledger.ledger.rows if own.kind == "term"]) == 3
    with qtbot.waitSignal(view.shown):
        view.listing.orders.setCurrentIndex(1)
    added = [abs(own.figures[0].added) for own in view.table.ledger.ledger.rows if own.kind == "term"]
    assert added == sorted(added, reverse=True)
    assert text(view, 3, 0) == "117 more"
    with qtbot.waitSignal(view.shown):
        view.listing.count.setValue(view.listing.count.maximum())
    assert len([own for own in view.table.ledger.ledger.rows if own.kind == "term"]) == 120


def test_only_the_last_of_many_moves_is_sure_to_be_answered(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    show(cell="lstm", timesteps=60)
    shown: list[Location] = []
    view.shown.connect(lambda: shown.append(view.page.question.where))
    for timestep in range(60):
        view.show_location(WHERE.moved(timestep=timestep))
    assert view.page.question.where == WHERE
    qtbot.waitUntil(lambda: view.complete)
    assert shown[-1] == WHERE.moved(timestep=59)
    assert len(shown) < 60


def test_an_answer_that_comes_when_one_is_back_already_changes_nothing(
    qtbot: Any, view: ArithmeticView, show: Any
) -> None:
    show(cell="lstm")
    there = view.page
    with qtbot.waitSignal(view.shown):
        view.show_location(WHERE.moved(unit=2))
    late = view.page
    view.show_location(WHERE)
    qtbot.waitUntil(lambda: view.complete)
    view._inquiry._reckoner.answered.emit(late)
    assert view.page.question.where == there.question.where


def test_a_running_cursor_is_followed_in_passing(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    """Answers that come late are better than none until the cursor halts."""
    show(cell="lstm", timesteps=60)
    with qtbot.waitSignal(view.shown):
        view.show_location(WHERE.moved(timestep=7))
    late = view.page
    with qtbot.waitSignal(view.shown):
        view.show_location(WHERE)
    view.show_location(WHERE.moved(timestep=8))
    view._inquiry._reckoner.answered.emit(late)
    assert view.page.question.where.timestep == 7
    assert not view.complete
    qtbot.waitUntil(lambda: view.complete)
    assert view.page.question.where.timestep == 8


def test_an_answer_that_comes_after_the_trail_has_ended_changes_nothing(
    qtbot: Any, view: ArithmeticView, show: Any
) -> None:
    show(cell="lstm")
    late = view.page
    view.show_location(WHERE.moved(unit=2))
    view.show_trail((WHERE.moved(unit=2), InputPlace(2, 1, 0)), 1)
    view._inquiry._reckoner.answered.emit(late)
    assert view.end.isVisible()
    assert view.complete


def test_a_picture_shows_what_was_asked_for_last(view: ArithmeticView, show: Any) -> None:
    show(cell="lstm")
    view.show_location(WHERE.moved(unit=2))
    assert not view.complete
    view.settle()
    assert view.complete
    assert view.page.question.where.unit == 2


def test_hiding_the_view_gives_up_what_is_on_its_way(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    show(cell="lstm")
    view.show_location(WHERE.moved(unit=0))
    view.hide()
    view.show()
    qtbot.waitUntil(lambda: view.complete)
    assert view.page.question.where.unit == 0


def test_what_is_copied_is_the_whole_arithmetic(view: ArithmeticView, show: Any) -> None:
    show(cell="gru", engines=("gluon", "manual", "mistake:no-h2h-bias"))
    copied = view.copy_text()
    assert copied.startswith("h[2][1] of layer 1 backward ←, sample 1: GRU")
    assert "n = tanh(a_n + r · b_n)" in copied
    assert "mistake:no-h2h-bias" in copied


def test_the_input_and_the_initial_state_end_a_trail(view: ArithmeticView, show: Any) -> None:
    result = show(cell="lstm")
    for place, said in (
        (InputPlace(2, 1, 0), "x[2][0] = " + enough(float(result.inputs.sequence[2, 1, 0]))),
        (InitialPlace("c", 1, 1, 1, 2), "c0[2] = " + enough(float(result.inputs.initial_state.c[3, 1, 2]))),
    ):
        view.show_trail((WHERE, place), 1)
        assert view.ends
        assert view.end.isVisible()
        assert said in view.end.text
        assert "no step computed it" in view.end.text
        assert said in view.copy_text()
    view.show_trail((WHERE, InputPlace(2, 1, 0)), 0)
    assert not view.ends
    assert view.table.isVisible()


def test_the_end_of_a_trail_stays_while_the_network_is_run_again(view: ArithmeticView, show: Any) -> None:
    show(cell="lstm")
    view.show_trail((WHERE, InputPlace(2, 1, 0)), 1)
    other = made_result(cell="lstm", num_layers=2, bidirectional=True)
    view.show_result(other, "manual")
    view.show_location(WHERE)
    assert view.ends
    assert view.end.isVisible()
    view.show_result(made_result(input_size=3, timesteps=2, batch_size=1), "manual")
    assert not view.ends


def test_numbers_are_told_in_full_where_the_pointer_rests(view: ArithmeticView, show: Any) -> None:
    show(cell="lstm")
    own = card(view, "f")
    told = own.told_at(own.link_rect(2).center())
    assert f"gluon: {numbers.full(view.page.arithmetics[0].by_symbol['f'].pre.a.total)}" in told
    first = view.table.ledger.row(0).figures[0]
    assert f"{numbers.full(first.factor)} × {numbers.full(first.input)}" in view.table.ledger.told(0)


def test_a_nan_is_spelled_out_and_draws_no_bar(view: ArithmeticView, show: Any) -> None:
    show(edits={"gluon": lambda trace: trace.hidden[1, 1, 3].fill(np.nan)})
    assert text(view, row(view, "a + b"), column(view, "prod.")) == "NaN"
    view.grab()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_part_is_painted_in_the_themes_colours(view: ArithmeticView, show: Any, theme: str) -> None:
    show(cell="gru")
    view.apply_theme(THEMES[theme])
    image: QImage = view.grab().toImage()
    ground = THEMES[theme].color("base")
    for part, y in ((view.cards, -2), (view.plot, -2), (view.note, 1)):
        at = part.mapTo(view, QPoint(1, y % part.height()))
        assert image.pixelColor(at) == ground, part


def test_every_control_has_a_name_and_is_reached_by_tab(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    show(cell="lstm", engines=("gluon", "mistake:no-i2h-bias"), candidate="mistake:no-i2h-bias")
    wanted = {view.note, view.table, view.listing.orders, view.listing.count, view.cards.cards[0]}
    reached: set[QWidget] = set()
    view.note.setFocus()
    for _ in range(12):
        reached.add(view.focusWidget())
        qtbot.keyClick(view.focusWidget(), Qt.Key.Key_Tab)
    assert wanted <= reached
    for control in [*view.findChildren(QAbstractButton), *wanted]:
        if control.isVisible() and control.focusPolicy() & Qt.FocusPolicy.TabFocus:
            assert control.accessibleName(), control


@pytest.mark.parametrize(
    "place",
    [Location(1, 0, 40, 0, 2), InputPlace(40, 0, 1), InitialPlace("h", 3, 0, 0, 1)],
    ids=lambda place: type(place).__name__,
)
def test_a_trail_through_a_result_that_is_still_to_come_is_waited_for(
    qtbot: Any, view: ArithmeticView, show: Any, place: Any
) -> None:
    show()
    before = view.page
    view.hide()
    view.show_trail((place,), 0)
    view.resize(view.width() + 40, view.height() + 10)
    view.show()
    assert view.page is before
