"""First use of the window: the first lesson runs by itself; lessons; keys that move the selection."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from rnnviz.core.trace_index import Location
from rnnviz.gui.commands.table import COMMANDS
from rnnviz.lessons.index import lessons
from tests.gui.views.unrolled.seen import shown_engine, swiped_to

AGREEMENT = ("agree", "blind")
"""The state of the verdict bar for equal numbers, with and without undetectable bugs."""

BIDIRECTIONAL = {"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True}


@pytest.mark.slow
def test_the_first_lesson_runs_by_itself_and_is_shown(window):
    first = lessons()[0]
    assert window.session.result.config == first.config
    assert window.windowTitle() == f"{first.title}[*]"
    assert window.verdict.state in AGREEMENT
    assert first.title in window.top_line.document.accessibleName()
    assert window.session.candidate in window.progress.text


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.name)
@pytest.mark.nightly
def test_a_lesson_of_the_menu_is_opened_run_and_judged(qtbot, window, lesson):
    action = window.findChild(QAction, f"lesson_{lesson.name}")
    if lesson == lessons()[0]:
        with qtbot.finished(window):
            window.files.open_lesson(lessons()[1])
    with qtbot.finished(window):
        action.trigger()
    assert window.session.result.config.network == lesson.config.network
    assert window.verdict.state in {"real-bug": ("disagree",), "drift": ("drift",)}.get(lesson.name, AGREEMENT)
    assert lesson.title in window.top_line.document.accessibleName()
    assert not window.isWindowModified()


KEYS = [
    (Qt.Key.Key_Right, Location(), Location(timestep=1)),
    (Qt.Key.Key_Left, Location(timestep=2), Location(timestep=1)),
    (Qt.Key.Key_End, Location(), Location(timestep=4)),
    (Qt.Key.Key_Home, Location(timestep=3), Location()),
    (Qt.Key.Key_Down, Location(), Location(unit=1)),
    (Qt.Key.Key_Up, Location(unit=2), Location(unit=1)),
    (Qt.Key.Key_PageUp, Location(), Location(direction=1)),
    (Qt.Key.Key_PageUp, Location(direction=1), Location(layer=1)),
    (Qt.Key.Key_PageUp, Location(layer=1, direction=1), Location(layer=1, direction=1)),
    (Qt.Key.Key_PageDown, Location(layer=1), Location(direction=1)),
    (Qt.Key.Key_BracketRight, Location(), Location(sample=1)),
    (Qt.Key.Key_BracketLeft, Location(sample=1), Location()),
    (Qt.Key.Key_Left, Location(), Location()),
]


@pytest.mark.slow
def test_keys_move_the_selection_and_stop_at_the_edges(run_config, window, press):
    run_config(BIDIRECTIONAL, sequence={"timesteps": 5, "batch_size": 2})
    for key, before, after in KEYS:
        window.session.set_location(before)
        press(key)
        assert window.session.location == after, key
        assert window.top_line.sample.value() == after.sample


@pytest.mark.slow
def test_the_sample_box_moves_the_selection(run_config, window):
    run_config(BIDIRECTIONAL, sequence={"timesteps": 5, "batch_size": 3})
    window.top_line.sample.setValue(2)
    assert window.session.location == Location(sample=2)
    assert window.top_line.sample.text() == "2 of 0–2"
    assert not window.top_line.sample.accessibleDescription()


@pytest.mark.slow
def test_the_question_mark_opens_the_list_of_keys(window, press):
    press("?")
    assert window.help.guide.view.page.name == "keys"
    window.main_layout.docks.close("Guide")


def test_quantity_and_engine_are_chosen_over_the_lanes_and_by_the_keyboard(run_config, window, press):
    compare = {"reference": "onnx", "candidates": ["manual"]}
    run_config({"cell": "gru", "input_size": 2, "hidden_size": 3}, compare=compare)
    head, session = window.lanes.head, window.session
    assert head.colors.entries()[:3] == ["hidden values h", "difference to onnx", "error ratio"]

    def choose(box, text):
        place = box.findText(text)
        box.setCurrentIndex(place)
        box.activated.emit(place)

    choose(head.engine, "manual")
    assert shown_engine(window.lanes) == "manual"
    choose(head.colors, "error ratio")
    assert session.color_by == "error_ratio"
    assert [head.engine.itemText(place) for place in range(head.engine.count())] == ["manual"]
    choose(head.colors, "hidden values h")
    choose(head.engine, "split at selection")
    assert (shown_engine(window.lanes), swiped_to(window.lanes)) == ("onnx", "manual")
    choose(head.engine, "onnx")
    assert swiped_to(window.lanes) is None
    for _ in range(3):
        press("q")
    assert session.quantity == head.colors.currentData() == "r"
    press("q", Qt.KeyboardModifier.ShiftModifier)
    assert session.quantity == "error_ratio"
    press("q")
    run_config({"cell": "rnn_tanh", "input_size": 3, "hidden_size": 4}, compare=compare)
    assert head.colors.currentData() == "value"


def test_every_command_is_in_a_menu(window):
    found = {action.objectName() for menu in window.findChildren(QMenu) for action in menu.actions()}
    assert {command.id for command in COMMANDS} <= found


def test_no_two_commands_share_a_key():
    keys = [key for command in COMMANDS for key in command.keys]
    assert len(set(keys)) == len(keys)


def test_a_candidate_that_is_wrong_is_shown_before_one_that_is_right(run_config, window):
    run_config(
        {"cell": "rnn_tanh", "input_size": 2, "hidden_size": 3}, compare={"candidates": ["onnx", "bug:no-h2h-bias"]}
    )
    box = window.lanes.head.candidate
    assert box.currentData() == "bug:no-h2h-bias"
    assert window.verdict.state == "disagree"
    box.setCurrentIndex(box.findData("onnx"))
    box.activated.emit(box.currentIndex())
    assert window.session.candidate == "onnx"
    assert window.verdict.state in AGREEMENT


@pytest.mark.slow
def test_the_views_of_a_projection_whose_h_and_c_differ_in_size(qtbot, window, run_config):
    network = {"cell": "lstm", "input_size": 4, "hidden_size": 5, "num_layers": 2, "bidirectional": True}
    run_config({**network, "projection_size": 3})
    assert window.session.result.shape[-1] == 3
    for choice in ("change", "norm", "error_ratio", "i"):
        window.session.set_color_by(choice)
        qtbot.wait(50)
    assert window.session.quantity == "value"
