"""A custom cell in the window: chosen in the panel, asked about, run, shown."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QFileDialog, QMessageBox

from rnnviz.core.config import Config, InitialStateSource, Network, ParameterSource
from rnnviz.core.resources import resource_path
from rnnviz.engines.custom_code.cell_file import load_cell
from rnnviz.gui.commands.file_commands import left_out, of_new_cell
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.recovery.session_commands import view_state_of
from rnnviz.gui.settings_panel.editors import FileChoiceEditor
from rnnviz.io.session import SavedDocument, SavedSession, SavedViewState, write_session
from tests.gui.commands.test_custom_step_commands import press, question


@pytest.fixture
def window(shared_window: MainWindow) -> MainWindow:
    return shared_window


@pytest.fixture(params=["mgu", pytest.param("sru", marks=pytest.mark.slow)])
def mine(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copy(resource_path("cells", f"{request.param}.py"), tmp_path / "mine.py"))


def editor_of(window: MainWindow) -> FileChoiceEditor:
    editor = window.panel.field("network.cell").editor
    assert isinstance(editor, FileChoiceEditor)
    return editor


def allow(qtbot: Any, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: any(box.isVisible() for box in window.findChildren(QMessageBox)))
    with qtbot.waitSignal(window.runner.finished, timeout=30_000):
        press(qtbot, question(window), "Run code")


@pytest.mark.slow
def test_a_chosen_file_runs_after_the_user_agreed(qtbot: Any, window: MainWindow, mine: Path) -> None:
    editor = editor_of(window)
    editor.choose(mine)
    assert window.session.config.network.cell == str(mine)
    assert editor.combo.currentText() == "mine.py"
    allow(qtbot, window)
    assert window.session.result is not None
    assert window.verdict.state == "agree"
    network = window.session.config.network
    assert network.custom is not None
    assert network.custom.title in window.session.result.config.network.cell_title
    for name in ("parameters", "out", "state"):
        assert window.panel.summary.values[name].text
    assert "<table" in window.panel.summary.equation.text()
    for gate in ("f", "change"):
        window.session.set_color_by(gate)  # type: ignore[arg-type]
        assert window.session.quantity == gate


@pytest.mark.slow
def test_the_last_entry_opens_a_file_dialog_and_keeps_the_cell(qtbot: Any, window: MainWindow, mine: Path) -> None:
    editor, before = editor_of(window), window.session.config
    editor.combo.setCurrentIndex(editor.combo.count() - 1)
    editor.combo.activated.emit(editor.combo.count() - 1)
    dialog = window.findChild(QFileDialog)
    assert isinstance(dialog, QFileDialog)
    assert editor.combo.currentData() == editor.value() == before.network.cell
    dialog.fileSelected.emit(str(mine))
    dialog.reject()
    assert editor.value() == str(mine)
    window.control.auto_run.cancel()


@pytest.mark.slow
def test_a_new_cell_is_written_and_runs_without_a_question(qtbot: Any, window: MainWindow, tmp_path: Path) -> None:
    window.actions_["new_cell"].trigger()
    dialog = next(dialog for dialog in window.findChildren(QFileDialog) if dialog.isVisible())
    path = tmp_path / "my_cell.py"
    with qtbot.waitSignal(window.runner.finished, timeout=30_000):
        dialog.fileSelected.emit(str(path))
        dialog.close()
    assert path.read_bytes() == resource_path("starters", "cell.py").read_bytes()
    assert window.session.config.network.cell == str(path)
    assert window.session.config.network.kind.title == "My cell"
    assert window.verdict.state == "agree"
    window.document.undo()
    assert window.session.config.network.cell != str(path)
    window.control.auto_run.cancel()


def test_a_new_cell_leaves_what_belongs_to_another_one(tmp_path: Path) -> None:
    config = Config.from_mapping(
        {
            "network": {"cell": "lstm", "input_size": 2, "hidden_size": 3, "projection_size": 2, "clip": 1.0},
            "parameters": {"path": "weights.npz"},
            "initial_state": {"path": "state.npz"},
            "compare": {"reference": "onnx", "candidates": ["bug:no-i2h-bias", "manual", "./step.py"]},
        }
    )
    changed = of_new_cell(config, tmp_path / "my_cell.py")
    assert changed.network == Network(str(tmp_path / "my_cell.py"), 2, 3)
    assert changed.parameters == ParameterSource()
    assert changed.initial_state == InitialStateSource()
    assert "manual" in changed.compare.engines
    assert set(changed.compare.engines) <= {"manual", "gluon", "torch"}
    said = left_out(config, changed)
    assert all(name in said for name in ("onnx", "no-i2h-bias", "step.py", "weights.npz", "state.npz"))
    assert "manual" not in said


@pytest.mark.slow
def test_a_refused_file_does_not_run(qtbot: Any, window: MainWindow, tmp_path: Path) -> None:
    mine, ran, before = tmp_path / "mine.py", tmp_path / "ran", window.session.result
    mine.write_text(f"open({str(ran)!r}, 'w')\n", encoding="utf-8")
    editor_of(window).choose(mine)
    qtbot.waitUntil(lambda: any(box.isVisible() for box in window.findChildren(QMessageBox)))
    with qtbot.waitSignal(window.control.error_changed) as told:
        press(qtbot, question(window), "Don't run")
    assert str(mine) in told.args[0]
    assert window.session.result is before
    assert not ran.exists()


@pytest.mark.slow
def test_an_error_in_the_file_is_shown_at_the_cell_and_a_saved_file_runs(
    qtbot: Any, window: MainWindow, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("gates = 'h'\n1 / 0\n", encoding="utf-8")
    window.code_trust.trust(str(mine))
    with qtbot.waitSignal(window.runner.failed, timeout=30_000):
        editor_of(window).choose(mine)
    assert "line 2: ZeroDivisionError" in window.panel.field("network.cell").failed
    with qtbot.waitSignal(window.runner.finished, timeout=30_000):
        shutil.copy(resource_path("cells", "ugrnn.py"), mine)
    assert window.panel.field("network.cell").failed == ""
    assert window.session.config.network.kind.title == "Update gate RNN"


@pytest.mark.slow
def test_a_session_shows_the_cell_before_its_file_may_run(
    qtbot: Any, window: MainWindow, mine: Path, tmp_path: Path
) -> None:
    custom = load_cell(mine)
    network = Network(str(mine), 2, 3, custom=custom)
    config = replace(window.session.config, network=network)
    path = tmp_path / "mine.rnnviz"
    write_session(SavedSession(config, SavedDocument("mine"), SavedViewState(colors="f")), path)
    window.files.open(path)
    qtbot.waitUntil(lambda: any(box.isVisible() for box in window.findChildren(QMessageBox)))
    assert custom.gates == window.session.config.network.kind.gates
    assert "<table" in window.panel.summary.equation.text()
    with qtbot.waitSignal(window.control.error_changed):
        press(qtbot, question(window), "Don't run")
    assert "<table" in window.panel.summary.equation.text()
    window.control.run()
    allow(qtbot, window)
    qtbot.waitUntil(lambda: window.session.quantity == "f")
    assert view_state_of(window).colors == "f"
