"""Banner, boxes, tables and lanes name and show the same engines, after every command and every result."""

from typing import Any

import pytest
from PySide6.QtWidgets import QApplication, QDialog, QMenu

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import display_name
from rnnviz.gui.commands.table import COMMANDS
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.tool_window import ToolWindow
from rnnviz.gui.verdict_facts import both_passes
from rnnviz.gui.views.vector_table import VectorTable
from rnnviz.reading.quantities import is_gradient
from rnnviz.reading.units import Query
from rnnviz.text.verdict_text import gradient_words, verdict_sentence
from tests.gui.views.unrolled.seen import shown_engine, swiped_to

BUG, OTHER_BUG = "bug:gates-i-f-o-g", "bug:no-h2h-bias"
DIALOGS = {"open", "open_sweep", "open_recurrence", "new_recurrence", "new_cell", "save", "save_as", "quit", "keys"} | {
    *("save_session", "save_session_with_files", "guide", "problem", "about", "welcome", "edit_code", "export_picture"),
    "export_animation",
}


@pytest.fixture
def window(shared_window: MainWindow) -> MainWindow:
    shared_window.session.set_swiping(False)
    return shared_window


def assert_same_engines(window: MainWindow) -> None:
    """Every view shows the engines of the state, and names those that it shows."""
    session, lanes = window.session, window.lanes
    result, candidate = session.result, session.candidate
    assert result is not None
    assert candidate is not None
    if not is_gradient(session.quantity):  # An engine without a gradient shows that of another one.
        assert shown_engine(lanes) == session.engine
    assert swiped_to(lanes) == (session.swipe if session.quantity == "value" else None)
    shown = lanes.shown
    assert shown is not None
    assert shown.result is result
    names = lanes.accessibleDescription()
    if session.swipe is not None:
        assert window.toolbar.colors.currentData() == ("value", None, True)
    elif session.quantity == "value":
        assert window.toolbar.colors.currentData() == ("value", session.engine, False)
        assert display_name(str(session.engine)) in names
    assert window.toolbar.candidate.currentData() == candidate
    words = both_passes(verdict_sentence(result, candidate), gradient_words(result, candidate))
    assert window.verdict.words == words
    for table in window.views:
        # A folded pane catches up when it is shown.
        if isinstance(table, VectorTable) and table.isVisible() and table.kind != "gradient":
            engines = [column.name for column in table.model.columns[1:3]]
            assert engines == [result.reference.engine, candidate][: len(engines)]


def run(qtbot: Any, window: MainWindow, *candidates: str, hidden_size: int = 3) -> None:
    config = Config.from_mapping(
        {
            "network": {"cell": "lstm", "input_size": 2, "hidden_size": hidden_size},
            "sequence": {"timesteps": 4},
            "compare": {"reference": "manual", "candidates": candidates},
        }
    )
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.document.edit(config)
        window.control.run()


@pytest.mark.slow
def test_an_engine_that_a_result_lacks_is_not_shown_by_a_later_one(qtbot: Any, window: MainWindow) -> None:
    run(qtbot, window, OTHER_BUG, BUG)
    window.session.set_engine(BUG)
    assert_same_engines(window)
    run(qtbot, window, OTHER_BUG)
    assert window.session.engine == "manual"
    assert_same_engines(window)
    run(qtbot, window, OTHER_BUG, BUG)
    assert window.session.engine == "manual"
    assert_same_engines(window)


@pytest.mark.nightly
def test_every_command_leaves_the_same_engines_in_every_view(qtbot: Any, window: MainWindow) -> None:
    run(qtbot, window, OTHER_BUG, BUG)
    for engine in ("manual", BUG):
        for command in COMMANDS:
            if command.id in DIALOGS or command.id.startswith("lesson"):
                continue
            if engine in window.session.result.traces:
                window.session.set_engine(engine)
            window.actions_[command.id].trigger()
            QApplication.processEvents()
            for opened in (
                *window.findChildren(QDialog),
                *window.findChildren(QMenu),
                *window.findChildren(ToolWindow),
            ):
                if opened.isVisible():
                    opened.close()
            qtbot.waitUntil(lambda: not window.runner.busy and not window.control.auto_run.due, timeout=20_000)
            assert_same_engines(window)
        window.player.pause()


@pytest.mark.slow
def test_a_state_names_the_fields_that_changed_once(window: MainWindow) -> None:
    seen: list[frozenset[str]] = []
    result = window.session.result
    window.session.changed.connect(seen.append)
    window.session.set_swiping(True)
    window.session.set_swiping(True)
    window.session.set_swiping(False)
    window.session.set_result(None)
    window.session.set_result(result)
    window.session.changed.disconnect(seen.append)
    lost = {"result", "inputs", "candidate", "engine"}
    assert seen == [{"swipe"}, {"swipe"}, lost, lost]


@pytest.mark.slow
def test_a_range_belongs_to_the_engine_and_sample_of_the_state(window: MainWindow) -> None:
    session = window.session
    before = session.state
    query = Query(str(session.engine), 0, 0, session.location.sample, range(1))
    for change in (
        lambda: session.set_engine(str(session.candidate)),
        lambda: session.set_location(session.location.moved(sample=1)),
        lambda: session.set_result(None),
    ):
        session.set_range(query)
        assert session.state.selected_range == query
        change()
        assert session.state.selected_range is None
        session.replace(before)
