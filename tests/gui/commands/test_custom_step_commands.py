"""A custom step in the window: opened, permitted, run, and run again when it is saved."""

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QMessageBox

from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.views.stdout_view import StdoutView
from rnnviz.io.templates import starter
from tests.gui.shown import details


@pytest.fixture
def window(shared_window: MainWindow) -> MainWindow:
    return shared_window


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(starter("rnn_relu"))
    return path


def question(window: MainWindow) -> QMessageBox:
    return next(box for box in window.findChildren(QMessageBox) if box.isVisible())


def press(qtbot: Any, box: QMessageBox, text: str) -> None:
    (button,) = [button for button in box.buttons() if text in button.text().replace("&", "")]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.slow
def test_an_opened_custom_step_runs_after_the_user_agreed_and_is_compared(
    qtbot: Any, window: MainWindow, mine: Path
) -> None:
    assert window.session.result is not None
    before = list(window.session.result.traces)
    window.files.open_recurrence(mine)
    qtbot.waitUntil(lambda: any(box.isVisible() for box in window.findChildren(QMessageBox)))
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        press(qtbot, question(window), "Run code")
    assert list(window.session.result.traces) == [*before, str(mine)]
    assert window.session.candidate == str(mine)
    assert window.verdict.state == "agree"


@pytest.mark.slow
def test_a_refused_custom_step_does_not_run_and_the_last_result_stays(
    qtbot: Any, window: MainWindow, mine: Path
) -> None:
    mine.write_text(f"open({str(mine.with_suffix('.ran'))!r}, 'w')\n")
    before = window.session.result
    window.files.open_recurrence(mine)
    qtbot.waitUntil(lambda: any(box.isVisible() for box in window.findChildren(QMessageBox)))
    with qtbot.waitSignal(window.control.error_changed) as told:
        press(qtbot, question(window), "Don't run")
    assert str(mine) in told.args[0]
    assert window.session.result is before
    assert not mine.with_suffix(".ran").exists()


@pytest.mark.slow
def test_a_saved_edit_runs_again_by_itself_and_its_known_bug_is_named(
    qtbot: Any, window: MainWindow, mine: Path
) -> None:
    window.code_trust.trust(str(mine))
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.files.open_recurrence(mine)
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        mine.write_text(starter("rnn_relu").replace(" + p.i2h_bias", ""))
    assert window.verdict.state == "disagree"
    assert window.session.result is not None
    assert window.session.result.judgment is not None
    assert window.session.result.judgment.diagnoses[str(mine)] == (("no-i2h-bias",),)


@pytest.mark.slow
def test_an_error_in_the_file_is_a_sentence_with_its_line_and_a_fixed_file_runs(
    qtbot: Any, window: MainWindow, mine: Path
) -> None:
    window.code_trust.trust(str(mine))
    mine.write_text("def step(x, state, p):\n    return undefined\n")
    with qtbot.waitSignal(window.runner.failed, timeout=20_000) as failed:
        window.files.open_recurrence(mine)
    assert f"{mine}, line 2 at forward, t = 0: NameError" in failed.args[0].sentence
    assert "Ctrl+E" in window.verdict._text.shown
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        mine.write_text(starter("rnn_relu"))
    assert window.verdict.state == "agree"


KILLED = "import os\n\n\ndef step(x, state, p):\n    os._exit(1)\n"
WRONG_SHAPE = "def step(x, state, p):\n    return (x,)\n"


@pytest.mark.slow
@pytest.mark.parametrize(("code", "reason"), [(KILLED, "exit code 1"), (WRONG_SHAPE, "(16, 5)")])
def test_the_others_run_without_an_engine_that_failed(
    qtbot: Any, window: MainWindow, mine: Path, code: str, reason: str
) -> None:
    before = window.session.result
    assert before is not None
    window.code_trust.trust(str(mine))
    mine.write_text(code)
    with qtbot.waitSignal(window.runner.failed, timeout=20_000) as failed:
        window.files.open_recurrence(mine)
    assert failed.args[0].engine == str(mine)
    assert "mine.py" in window.verdict.text
    assert str(mine) not in window.verdict.text
    assert reason in window.verdict.text
    window.verdict.toggle_details()
    assert str(mine) in details(window.verdict)
    window.verdict.fold()
    assert window.session.result is before
    button = window.verdict.without_button
    assert button.isVisible()
    assert "mine.py" in button.toolTip()
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        button.click()
    assert window.session.result is not before
    assert list(window.session.result.traces) == list(before.traces)
    assert not button.isVisible()
    window.document.undo()
    assert str(mine) in window.session.config.compare.candidates


@pytest.mark.slow
def test_a_new_custom_step_is_written_for_the_cell_and_runs_without_a_question(
    qtbot: Any, window: MainWindow, tmp_path: Path
) -> None:
    window.actions_["new_recurrence"].trigger()
    dialog = next(dialog for dialog in window.findChildren(QFileDialog) if dialog.isVisible())
    path = tmp_path / "my_relu.py"
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        dialog.fileSelected.emit(str(path))
        dialog.close()
    assert path.read_text() == starter("rnn_relu")
    assert window.session.result is not None
    assert str(path) in window.session.result.traces
    assert window.verdict.state == "agree"


@pytest.mark.slow
def test_prints_of_a_custom_step_are_in_a_tab_that_is_hidden_otherwise(
    qtbot: Any, window: MainWindow, mine: Path
) -> None:
    (view,) = [view for view in window.views if isinstance(view, StdoutView)]
    tabs = window.main_layout.tabs
    assert not tabs.isTabVisible(tabs.indexOf(view))
    window.code_trust.trust(str(mine))
    mine.write_text(starter("rnn_relu") + "\nprint('loaded', 42)\n")
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.files.open_recurrence(mine)
    assert tabs.isTabVisible(tabs.indexOf(view))
    assert view.text.toPlainText() == "mine.py printed:\nloaded 42\n"
