"""The user's code in the window, a custom step or a cell: opened, asked about, run, and run again when it is saved."""

import shutil
import sys
from dataclasses import replace

import pytest
from PySide6.QtWidgets import QFileDialog, QMessageBox

from rnnviz.core.config import Config, InitialStateSource, Network, ParameterSource
from rnnviz.core.resources import resource_path
from rnnviz.engines.custom_code.cell_file import load_cell
from rnnviz.gui.commands.code_commands import editor_command
from rnnviz.gui.commands.file_commands import left_out, of_new_cell
from rnnviz.gui.recovery.session_commands import view_state_of
from rnnviz.gui.views.checks import StdoutView
from rnnviz.io.session import SavedDocument, SavedSession, SavedViewState, write_session
from rnnviz.io.templates import starter
from tests.configs import config_of
from tests.gui.shown import details, labels

pytestmark = pytest.mark.slow


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(starter("rnn_relu"))
    return path


@pytest.fixture
def open_step(qtbot, window, mine):
    """Opens the custom step with other code, permitted, and waits for a signal of the run."""

    def open_step(code, ended="finished"):
        window.code_trust.trust(str(mine))
        mine.write_text(code)
        with qtbot.waitSignal(getattr(window.runner, ended)) as told:
            window.files.open_recurrence(mine)
        return told.args[0]

    return open_step


def test_an_opened_custom_step_runs_after_the_user_agreed_and_is_compared(qtbot, window, mine):
    before = list(window.session.result.traces)
    window.files.open_recurrence(mine)
    with qtbot.finished(window):
        qtbot.answer(window, "Run code")
    assert list(window.session.result.traces) == [*before, str(mine)]
    assert window.session.candidate == str(mine)
    assert window.verdict.state == "agree"


def test_a_declined_file_is_asked_about_again_only_on_request(qtbot, window, mine):
    window.files.open_recurrence(mine)
    with qtbot.waitSignal(window.control.error_changed):
        qtbot.question(window).reject()
    qtbot.waitUntil(lambda: window.findChildren(QMessageBox) == [])
    window.document.edit(window.session.config.with_engines(("onnx", str(mine))))
    assert window.control.due
    qtbot.waitUntil(lambda: not window.control.due)
    assert window.findChildren(QMessageBox) == []
    assert window.verdict.state == "error"
    window.control.run()
    qtbot.question(window).reject()
    window.document.undo()
    window.document.undo()
    window.control.cancel()


def test_a_saved_edit_runs_again_by_itself_and_its_known_bug_is_named(qtbot, window, mine, open_step):
    open_step(starter("rnn_relu"))
    with qtbot.finished(window):
        mine.write_text(starter("rnn_relu").replace(" + p.i2h_bias", ""))
    assert window.verdict.state == "disagree"
    assert window.session.result.judgment.diagnoses[str(mine)] == (("no-i2h-bias",),)


def test_an_error_in_the_file_is_a_sentence_with_its_line_and_a_fixed_file_runs(qtbot, window, mine, open_step):
    failed = open_step("def step(x, state, p):\n    return undefined\n", "failed")
    assert f"{mine}, line 2 at forward, t = 0: NameError" in failed.sentence
    assert "Ctrl+E" in labels(window.verdict)
    with qtbot.finished(window):
        mine.write_text(starter("rnn_relu"))
    assert window.verdict.state == "agree"


KILLED = "import os\n\n\ndef step(x, state, p):\n    os._exit(1)\n"
WRONG_SHAPE = "def step(x, state, p):\n    return (x,)\n"


@pytest.mark.parametrize(("code", "reason"), [(KILLED, "exit code 1"), (WRONG_SHAPE, "(16, 5)")])
def test_the_others_run_without_an_engine_that_failed(qtbot, window, mine, open_step, code, reason):
    before = window.session.result
    assert open_step(code, "failed").engine == str(mine)
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
    with qtbot.finished(window):
        button.click()
    assert list(window.session.result.traces) == list(before.traces)
    assert not button.isVisible()
    window.document.undo()
    assert str(mine) in window.session.config.compare.candidates


def test_prints_of_a_custom_step_are_in_a_tab_that_is_hidden_otherwise(window, open_step):
    view, tabs = window.findChild(StdoutView), window.main_layout.tabs
    assert view.title not in tabs.titles
    open_step(starter("rnn_relu") + "\nprint('loaded', 42)\n")
    assert view.title in tabs.titles
    window.main_layout.select_tab(view.title)
    assert view.text.toPlainText() == "mine.py printed:\nloaded 42\n"


@pytest.mark.parametrize("kind", ["recurrence", "cell"])
def test_new_code_is_written_and_runs_without_a_question(qtbot, window, tmp_path, kind):
    window.actions_[f"new_{kind}"].trigger()
    dialog, path = qtbot.shown(window, QFileDialog), tmp_path / "my_code.py"
    with qtbot.finished(window):
        dialog.fileSelected.emit(str(path))
        dialog.close()
    assert window.verdict.state == "agree"
    if kind == "recurrence":
        assert path.read_text() == starter("rnn_relu")
        assert str(path) in window.session.result.traces
    else:
        assert path.read_bytes() == resource_path("starters", "cell.py").read_bytes()
        assert window.session.config.network.cell == str(path)
        assert window.session.config.network.kind.title == "My cell"
        window.document.undo()
        assert window.session.config.network.cell != str(path)
        window.control.cancel()


@pytest.fixture
def cell(tmp_path):
    return shutil.copy(resource_path("cells", "mgu.py"), tmp_path / "mine.py")


def cell_editor(window):
    return window.panel.field("network.cell").editor


def test_a_chosen_cell_runs_after_the_user_agreed(qtbot, window, cell):
    editor = cell_editor(window)
    editor.choose(cell)
    assert window.session.config.network.cell == str(cell)
    assert editor.combo.currentText() == "mine.py"
    with qtbot.finished(window):
        qtbot.answer(window, "Run code")
    assert window.verdict.state == "agree"
    network = window.session.config.network
    assert network.custom.title in window.session.result.config.network.cell_title
    for name in ("parameters", "out", "state"):
        assert window.panel.summary.values[name].text
    assert "<table" in window.panel.summary.equation.text()
    for gate in ("f", "change"):
        window.session.set_color_by(gate)
        assert window.session.quantity == gate


def test_the_last_entry_opens_a_file_dialog_and_keeps_the_cell(window, cell):
    editor, before = cell_editor(window), window.session.config
    editor.combo.setCurrentIndex(editor.combo.count() - 1)
    editor.combo.activated.emit(editor.combo.count() - 1)
    dialog = window.findChild(QFileDialog)
    assert editor.combo.currentData() == editor.value() == before.network.cell
    dialog.fileSelected.emit(str(cell))
    dialog.reject()
    assert editor.value() == str(cell)
    window.control.cancel()


def test_a_new_cell_leaves_what_belongs_to_another_one(tmp_path):
    engines = ("onnx", "bug:no-i2h-bias", "manual", "./step.py")
    files = {"parameters": {"path": "weights.npz"}, "initial_state": {"path": "state.npz"}}
    config = config_of(*engines, input_size=2, hidden_size=3, projection_size=2, clip=1.0, **files)
    changed = of_new_cell(config, tmp_path / "my_cell.py")
    assert changed.network == Network(str(tmp_path / "my_cell.py"), 2, 3)
    assert changed.parameters == ParameterSource()
    assert changed.initial_state == InitialStateSource()
    assert "manual" in changed.compare.engines
    assert set(changed.compare.engines) <= {"manual", "gluon", "torch"}
    said = left_out(config, changed)
    assert all(name in said for name in ("onnx", "no-i2h-bias", "step.py", "weights.npz", "state.npz"))
    assert "manual" not in said


def test_an_error_in_a_cell_is_shown_at_its_field_and_a_saved_file_runs(qtbot, window, mine):
    mine.write_text("gates = 'h'\n1 / 0\n", encoding="utf-8")
    window.code_trust.trust(str(mine))
    with qtbot.waitSignal(window.runner.failed):
        cell_editor(window).choose(mine)
    assert "line 2: ZeroDivisionError" in window.panel.field("network.cell").failed
    with qtbot.finished(window):
        shutil.copy(resource_path("cells", "ugrnn.py"), mine)
    assert window.panel.field("network.cell").failed == ""
    assert window.session.config.network.kind.title == "Update gate RNN"


def test_a_session_shows_the_cell_before_its_file_may_run(qtbot, window, cell, tmp_path):
    custom = load_cell(cell)
    config = replace(window.session.config, network=Network(str(cell), 2, 3, custom=custom))
    path = tmp_path / "mine.rnnviz"
    write_session(SavedSession(config, SavedDocument("mine"), SavedViewState(colors="f")), path)
    window.files.open(path)
    qtbot.question(window)
    assert custom.gates == window.session.config.network.kind.gates
    with qtbot.waitSignal(window.control.error_changed):
        qtbot.answer(window, "Don't run")
    assert "<table" in window.panel.summary.equation.text()
    window.control.run()
    with qtbot.finished(window):
        qtbot.answer(window, "Run code")
    qtbot.waitUntil(lambda: window.session.quantity == "f")
    assert view_state_of(window).colors == "f"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder of programs that write their arguments into a file beside them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("code", "vim", "mine", "x-terminal-emulator"):
        program = folder / name
        program.write_text('#!/bin/sh\necho "$@" > "$0.new" && mv "$0.new" "$0.txt"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    return folder


@pytest.mark.parametrize(
    ("environment", "command"),
    [
        ({"VISUAL": "code -r"}, ["code", "-r", "--goto", "/a b.py:7"]),
        ({"EDITOR": "mine"}, ["mine", "/a b.py"]),
        ({"VISUAL": "gone", "EDITOR": "vim"}, ["x-terminal-emulator", "-e", "vim", "+7", "/a b.py"]),
        ({"VISUAL": "'"}, None),
        ({}, None),
    ],
)
def test_known_editors_get_the_line(programs, environment, command):
    assert editor_command("/a b.py", 7, environment) == command


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system has an editor")
@pytest.mark.parametrize(("code", "opened"), [(None, False), (3, False), (0, True)])
def test_without_an_editor_the_message_says_if_the_file_is_open(
    qtbot, window, mine, programs, monkeypatch, code, opened
):
    for variable in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(programs))
    if code is not None:
        (programs / "xdg-open").write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
        (programs / "xdg-open").chmod(0o755)
    window.document.edit(window.session.config.with_engines(("manual", str(mine))))
    window.control.cancel()
    with qtbot.waitSignal(window.code.message) as said:
        window.actions_["edit_code"].trigger()
    assert said.args[0].startswith("Opened") is opened
    assert ("VISUAL" in said.args[0]) is not opened
    window.document.undo()
    window.control.cancel()


def test_the_editor_opens_at_the_first_line_that_differs_or_fails(qtbot, window, mine, programs, monkeypatch):
    monkeypatch.setenv("VISUAL", "code")

    def opened():
        (programs / "code.txt").unlink(missing_ok=True)
        window.actions_["edit_code"].trigger()
        qtbot.waitUntil(lambda: (programs / "code.txt").exists())
        return (programs / "code.txt").read_text().strip()

    text = starter("lstm").replace("sigmoid(u_f + v_f)", "sigmoid(u_f - v_f)")
    mine.write_text(text)
    window.code_trust.trust(str(mine))
    network = {"cell": "lstm", "input_size": 2, "hidden_size": 3}
    with qtbot.finished(window):
        window.document.edit(Config.from_mapping({"network": network, "compare": {"candidates": [str(mine)]}}))
        window.control.run()
    number = 1 + text.splitlines().index("    f = sigmoid(u_f - v_f)")
    assert opened() == f"--goto {mine}:{number}"
    with qtbot.waitSignal(window.runner.failed):
        mine.write_text("\n\ndef step(x, state, p):\n    return undefined\n")
    assert opened() == f"--goto {mine}:4"
