"""Uncaught exceptions and windows that ended unexpectedly: they are reported and logged, and nothing is lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QPushButton

from rnnviz.core.config import Config
from rnnviz.execution import log
from rnnviz.execution.folders import make_state_folder
from rnnviz.gui.recovery.crashes import CrashHandler
from rnnviz.gui.recovery.recovery_dir import TRAINING
from rnnviz.gui.recovery.session_recovery import Autosave, SessionRecovery
from rnnviz.io.config_toml import save_config
from rnnviz.io.session import SavedDocument, SavedSession, files_to_copy, read_session, write_session
from rnnviz.lessons.index import lessons
from rnnviz.training.task import save_task
from tests.cases import cases
from tests.configs import config_of
from tests.training.tasks import task_of

pytestmark = pytest.mark.slow

CONFIG = config_of(
    *("manual", "onnx"),
    cell="gru",
    input_size=2,
    hidden_size=3,
    batch_size=16,
    initializer="normal",
    scale=0.0625,
    sequence={"seed": 424242},
)


@pytest.fixture(autouse=True)
def own_state(fresh_state, monkeypatch):
    monkeypatch.setattr("rnnviz.gui.recovery.session_recovery.DELAY_MS", 50)
    return fresh_state


@pytest.fixture
def kept(window):
    """Begins to keep the window, as at a start."""
    keepers = []

    def keep():
        keepers.append(SessionRecovery(window))
        keepers[-1].begin()
        return keepers[-1]

    yield keep
    for keeper in keepers:
        keeper.close()
        keeper.deleteLater()


@pytest.fixture
def handler(window, kept):
    keeper = kept()
    handler = CrashHandler(window, keeper.save_now, window.sessions.ask_save, keeper.leave)
    handler.install()
    yield handler
    handler.uninstall()
    handler.deleteLater()


def button(window, name: str) -> QPushButton:
    return window.findChild(QPushButton, name)


def log_text() -> str:
    return log.log_path().read_text()


def break_down(text: str = "it holds 424242") -> None:
    raise LookupError(text)


def test_repeated_exceptions_in_a_slot_are_reported_once(qtbot, window, handler, clipboard, own_state):
    window.document.edit(CONFIG)
    storm = QTimer(window, interval=0)
    storm.timeout.connect(break_down)
    storm.start()
    qtbot.waitUntil(lambda: handler.seen.total() > 200)
    storm.stop()
    qtbot.waitUntil(lambda: handler.dialog is not None and handler.dialog.isVisible())
    assert handler.dialog.windowTitle() == "Internal error"
    assert "LookupError: it holds 424242" in handler.dialog.text.toPlainText()
    QTest.mouseClick(button(window, "copy_crash"), Qt.MouseButton.LeftButton)
    assert "in break_down" in clipboard()
    assert "gluon: installed" in clipboard()
    button(window, "continue_after_crash").click()
    assert handler.dialog is None
    assert window.isVisible()
    assert log_text().count("LookupError") == 1
    assert "in break_down" in log_text()
    assert "424242" not in log_text()
    assert len(list(own_state.glob("windows/window-*/autosave.rnnviz"))) == 1


def test_errors_of_threads_and_finalizers_share_the_open_dialog(qtbot, window, handler):
    class Collected:
        def __del__(self):
            raise KeyError("collected")

    def fail():
        raise OSError("on a thread")

    thread = threading.Thread(target=fail, name="mine")
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: handler.dialog is not None)
    Collected()
    qtbot.waitUntil(lambda: handler.dialog.windowTitle() == "2 internal errors")
    assert "on a thread" in handler.dialog.text.toPlainText()
    assert "KeyError: 'collected'" in handler.dialog.text.toPlainText()
    assert "OSError on mine" in log_text()
    button(window, "save_after_crash").click()
    dialog = qtbot.shown(window, QFileDialog)
    assert dialog.windowTitle() == "Save session"
    dialog.reject()
    handler.dialog.reject()


def test_quitting_after_a_crash_keeps_the_session_for_the_next_start(qtbot, window, handler, own_state):
    window.document.edit(CONFIG)
    try:
        break_down()
    except LookupError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    qtbot.waitUntil(lambda: handler.dialog is not None)
    with qtbot.waitSignal(window.closed):
        button(window, "quit_after_crash").click()
    assert len(list(own_state.glob("windows/window-*/autosave.rnnviz"))) == 1


def test_ctrl_c_is_not_a_crash(window, handler, capsys):
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    QTest.qWait(0)
    assert handler.dialog is None


def test_two_windows_do_not_offer_each_other_s_sessions_and_leave_nothing(qtbot, window, kept, own_state, make_window):
    keeper = kept()
    window.document.edit(CONFIG)
    with qtbot.waitSignal(keeper.autosave.saved):
        pass
    other = make_window()
    second = SessionRecovery(other)
    second.begin()
    assert second.bar is None
    other.close()
    window.leave()
    assert list((own_state / "windows").iterdir()) == []


def test_a_state_folder_that_cannot_be_written_is_one_sentence(window, kept, own_state):
    own_state.parent.mkdir(exist_ok=True)
    own_state.write_text("in the way")
    keeper = kept()
    assert "a crash would lose unsaved changes" in window.statusBar().currentMessage()
    assert keeper.autosave is None


def test_a_full_disk_is_reported_once_until_it_has_free_space(qtbot, window, tmp_path):
    noted: list[str] = []
    autosave = Autosave(window, tmp_path / "gone", window)
    autosave.message.connect(noted.append)
    window.document.edit(CONFIG)
    qtbot.waitUntil(lambda: len(noted) == 1)
    assert "No such file or directory" in noted[0]
    autosave.save()
    autosave.save_now()
    (tmp_path / "gone").mkdir()
    with qtbot.waitSignal(autosave.saved):
        autosave.save()
    assert len(noted) == 1
    autosave.close()
    autosave.deleteLater()


def test_damaged_sessions_and_native_crashes_are_reported_and_dismissed(qtbot, window, kept, own_state):
    folder = make_state_folder("windows") / "window-1"
    folder.mkdir()
    (folder / "autosave.rnnviz").write_text("no session")
    (folder / "crash.txt").write_text("Fatal Python error: Segmentation fault\n")
    os.utime(folder, (1e9, 1e9))
    keeper = kept()
    assert "It crashed outside Python" in keeper.bar.text
    assert keeper.bar.restore.isHidden()
    assert "Segmentation fault" in log_text()
    keeper.bar.discard.click()
    assert keeper.bar.isHidden()
    assert not folder.exists()
    assert list((own_state / "windows").iterdir()) == [keeper.recovery_dir.folder]


def test_a_save_at_once_is_not_replaced_by_an_older_one_that_is_being_written(
    qtbot, window, kept, tmp_path, monkeypatch
):
    keeper = kept()
    begun, may_end, written = threading.Event(), threading.Event(), []

    def slow_write(session, path):
        if not written and not begun.is_set():
            begun.set()
            assert may_end.wait(60)
        write_session(session, path)
        written.append(session.config)

    monkeypatch.setattr("rnnviz.io.session.write_session", slow_write)
    window.document.edit(CONFIG)
    qtbot.waitUntil(begun.is_set)
    newer = replace(CONFIG, sequence=replace(CONFIG.sequence, timesteps=7))
    window.document.edit(newer)
    threading.Timer(0.2, may_end.set).start()
    assert keeper.save_now()
    assert written == [CONFIG, newer]
    assert read_session(keeper.recovery_dir.autosave, lambda: tmp_path).config == newer


def left_behind(keeper: SessionRecovery) -> Path:
    """A copy of the folder of a window, as one that was killed leaves it."""
    left = shutil.copytree(keeper.recovery_dir.folder, keeper.recovery_dir.folder.with_name("window-left"))
    owner = json.loads((left / "owner.json").read_text())
    (left / "owner.json").write_text(json.dumps({**owner, "started": "long ago"}))
    return left


def test_a_training_is_restored_at_its_last_checkpoint_with_the_checkpoint_in_the_lanes(
    qtbot, bare_window, monkeypatch, tmp_path
):
    monkeypatch.setattr("rnnviz.gui.recovery.session_recovery.MOVED_MS", 50)
    window = bare_window
    keeper = SessionRecovery(window)
    keeper.begin()
    task = task_of("parity", problem={"timesteps": 8, "batch_size": 4}, network={"hidden_size": 5}, steps=20)
    save_task(task, tmp_path / "task.toml")
    window.files.open(tmp_path / "task.toml")
    training = window.trainings.panel
    training.follow.setChecked(True)
    with qtbot.waitSignal(window.trainings.runner.ended):
        training.train_action.trigger()
    qtbot.waitUntil(lambda: "training step 20" in window.document.origin.title and not window.runner.busy)
    qtbot.waitUntil((keeper.recovery_dir.folder / TRAINING).exists)
    assert keeper.save_now()
    left, weights = left_behind(keeper), training.checkpoint.parameters()
    keeper.close()
    training.show_task(replace(task, network=replace(task.network, hidden_size=3)), "other", None)
    with qtbot.finished(window):
        window.document.take(CONFIG, "other")
        window.control.run()
    keeper = SessionRecovery(window)
    keeper.begin()
    assert "Its training can be restored, too." in keeper.bar.text
    with qtbot.finished(window):
        keeper.bar.restore.click()
    assert "later training steps are lost" in window.statusBar().currentMessage()
    qtbot.waitUntil(lambda: training.history is not None and not window.trainings.runner.busy)
    assert not left.exists()
    assert (training.history.steps, training.unsaved) == (20, True)
    for name, array in window.session.result.inputs.parameters.items():
        np.testing.assert_array_equal(weights[name], array)
    assert all(np.array_equal(weights[name], array) for name, array in training.checkpoint.parameters().items())
    training.saved_as = "file"
    keeper.close()


def test_a_damaged_training_is_a_sentence_and_the_session_is_restored(qtbot, window, kept):
    window.document.edit(CONFIG)
    keeper = kept()
    assert keeper.save_now()
    (left_behind(keeper) / TRAINING).write_text("no training")
    window.document.undo()
    keeper = kept()
    with qtbot.finished(window):
        keeper.bar.restore.click()
    assert "training.npz" in qtbot.acknowledge(window)
    assert window.session.config == CONFIG


def test_files_that_were_unpacked_from_a_session_are_there_when_it_is_restored(qtbot, window, kept, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((4, 2), np.float32))
    config = replace(CONFIG, sequence=CONFIG.sequence.of_file(str(tmp_path / "x.npy")))
    session = SavedSession(config, SavedDocument("mine"))
    write_session(session, tmp_path / "a.rnnviz", files_to_copy(config))
    keeper = kept()
    with qtbot.finished(window):
        window.files.open(tmp_path / "a.rnnviz")
    assert keeper.save_now()
    (left_behind(keeper) / "crash.txt").write_text("Fatal Python error: Segmentation fault\n")
    shutil.rmtree(Path(window.session.config.sequence.path).parent)
    keeper = kept()
    assert "“a.rnnviz”" in keeper.bar.text
    window.document.edit(lessons()[0].config)
    keeper.bar.restore.click()
    qtbot.answer(window, "Cancel")
    assert window.session.config == lessons()[0].config
    window.document.undo()
    window.control.cancel()
    with qtbot.finished(window):
        keeper.bar.restore.click()
    assert window.session.config.network == CONFIG.network
    assert Path(window.session.config.sequence.path).is_relative_to(keeper.recovery_dir.folder / "left-1")
    assert window.session.result.shape[2] == 4
    assert window.document.path == tmp_path / "a.rnnviz"
    assert not window.isWindowModified()


RUN = cases(__file__)["run"]


@pytest.fixture(params=[signal.SIGKILL, signal.SIGSEGV], ids=lambda s: s.name)
def killed(request, tmp_path):
    """A real window was killed while it showed CONFIG."""
    save_config(CONFIG, tmp_path / "mine.toml")
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, tmp_path / "mine.toml"],
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "QT_QPA_PLATFORM": "offscreen"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "saved\n"
    process.send_signal(request.param)
    assert process.wait() == -request.param
    process.stdout.close()
    return tmp_path / "state" / "rnnviz" / "windows"


def test_a_window_that_was_killed_is_offered_by_the_next_start_and_restored(request, qtbot, window, kept, killed):
    assert len(list(killed.iterdir())) == 1
    keeper = kept()
    assert keeper.bar.isVisible()
    assert "rnnviz ended unexpectedly at" in keeper.bar.text
    crashed = "SIGSEGV" in request.node.name
    assert ("It crashed outside Python" in keeper.bar.text) == crashed
    assert ("Fatal Python error: Segmentation fault" in log_text()) == crashed
    with qtbot.finished(window):
        keeper.bar.restore.click()
    assert window.session.config == CONFIG
    assert (window.session.location.timestep, window.session.location.unit) == (3, 2)
    assert keeper.bar.isHidden()
    assert not window.document.history.can_undo
    assert [folder for folder in killed.iterdir() if folder != keeper.recovery_dir.folder] == []
    assert "424242" not in log_text()
    assert "run: gru L=1 D=1 T=5 N=16 I=2 H=3" in log_text()


LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \d+ (INFO|WARNING|ERROR) [^\n]{5,200}")
FRAME = re.compile(r"    [\w./<>-]+:\d+ in [\w.<>]+")
SECRETS = ("thesis", "midnight", "424242", "717171", "0.0625")
SMALL = {"cell": "rnn_tanh", "input_size": 3, "hidden_size": 4}
PARAMETERS = {"initializer": "normal", "scale": 0.0625, "seed": 717171}


def test_errors_are_logged_in_lines_without_names_texts_or_numbers(qtbot, window, handler, supervisor, tmp_path):
    own = tmp_path / "thesis.py"
    own.write_text("def step(x, state, p):\n    raise ValueError('midnight 424242')\n")
    window.code_trust.trust(str(own))
    ended: list[object] = []
    window.runner.finished.connect(lambda *_: ended.append("finished"))
    window.runner.failed.connect(ended.append)
    config = {"network": SMALL, "parameters": PARAMETERS}
    for tables in (
        {"sequence": {"path": str(tmp_path / "thesis.npy")}},
        {"network": {"cell": "gru", "hidden_size": 3}, "sequence": {"text": "midnight midnight"}},
        {"compare": {"reference": "manual", "candidates": [str(own)]}},
        {"parameters": {"path": str(tmp_path / "thesis.npz")}},
    ):
        ended.clear()
        window.document.edit(Config.from_mapping({**config, **tables}))
        window.control.run()
        qtbot.waitUntil(lambda: bool(ended))
    with qtbot.waitSignal(window.runner.failed):
        large = {**SMALL, "hidden_size": 256}
        window.document.edit(Config.from_mapping({"network": large, "sequence": {"timesteps": 5_000}}))
        window.control.run()
        os.kill(supervisor.pid, signal.SIGKILL)
    try:
        raise LookupError(f"midnight in {own}: 424242")
    except LookupError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    qtbot.waitUntil(lambda: handler.dialog is not None)
    handler.dialog.reject()
    text = log.log_path().read_text()
    for words in ("the run failed: input, sequence.path", "killed by SIGKILL", "LookupError", "a custom step"):
        assert words in text
    assert [line for line in text.splitlines() if not LINE.fullmatch(line) and not FRAME.fullmatch(line)] == []
    assert [secret for secret in (*SECRETS, str(tmp_path)) if secret in text] == []
