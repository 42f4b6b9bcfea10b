"""A session that names a user's own code: however it is opened, none of it runs before the user has agreed."""

import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QFileDialog, QLineEdit, QMessageBox

from rnnviz.core.resources import resource_path
from rnnviz.gui.commands.menus import RecentMenu
from rnnviz.gui.main_window import MainWindow
from rnnviz.io.config_toml import parse_config
from rnnviz.io.session import SavedDocument, SavedSession, files_to_copy, write_session
from rnnviz.io.templates import starter
from tests.gui.recovery.programs import window_program
from tests.security.test_written_files import contents, open_mask

__all__ = ["open_mask"]

TEXT = """
network = {{ cell = "{cell}", input_size = 3, hidden_size = 4 }}
sequence = {{ path = "x.npy", labels = "labels.txt" }}
compare = {{ reference = "manual", candidates = ["{candidate}"] }}
"""
STEP = TEXT.format(cell="gru", candidate="./mine.py"), starter("gru")
CELL = (
    TEXT.format(cell="./mine.py", candidate="gluon"),
    resource_path("cells", "mgu.py").read_text(encoding="utf-8"),
)
"""A custom step and a custom cell: a config, and the code of its file."""


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """The file that the code in the sessions creates when it runs."""
    return tmp_path / "ran"


@pytest.fixture(params=[STEP, CELL], ids=["step", "cell"])
def write(request: pytest.FixtureRequest, tmp_path: Path, ran: Path) -> Callable[..., Path]:
    """Writes a session from elsewhere, with a copy of the code or with its path alone."""

    text, code = request.param

    def write(name: str, *, copied: bool) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        np.save(folder / "x.npy", np.ones((2, 3), np.float32))
        (folder / "labels.txt").write_text("a\nb\n")
        (folder / "mine.py").write_text(f"{code}\nopen({str(ran)!r}, 'w').close()\n")
        config = parse_config(text, folder)
        path = folder / f"{name}.rnnviz"
        write_session(SavedSession(config, SavedDocument("theirs")), path, files_to_copy(config) if copied else None)
        if copied:
            (folder / "mine.py").unlink()
        return path

    return write


def by_dialog(window: MainWindow, path: Path) -> None:
    window.actions_["open"].trigger()
    dialog = next(dialog for dialog in window.findChildren(QFileDialog) if dialog.isVisible())
    dialog.findChild(QLineEdit).setText(str(path))
    dialog.accept()


def by_drop(window: MainWindow, path: Path) -> None:
    dragged = QMimeData()
    dragged.setUrls([QUrl.fromLocalFile(str(path))])
    copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    window.dropEvent(QDropEvent(QPointF(9, 9), copy, dragged, Qt.MouseButton.LeftButton, none))


def by_recent_entry(window: MainWindow, path: Path) -> None:
    menu = window.findChild(RecentMenu)
    menu.aboutToShow.emit()
    next(action for action in menu.actions() if action.data() == path).trigger()


def by_command_line(window: MainWindow, path: Path) -> None:
    window.begin(path)


def asked(qtbot: Any, window: MainWindow) -> QMessageBox:
    qtbot.waitUntil(lambda: any(box.isVisible() for box in window.findChildren(QMessageBox)))
    return next(box for box in window.findChildren(QMessageBox) if box.isVisible())


def answer(qtbot: Any, box: QMessageBox, text: str) -> None:
    (button,) = [button for button in box.buttons() if text in button.text().replace("&", "")]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.slow
def test_however_a_session_is_opened_its_code_runs_only_if_the_user_agrees(
    qtbot: Any, window: MainWindow, write: Callable[..., Path], ran: Path
) -> None:
    copied, named = write("copied", copied=True), write("named", copied=False)
    before = window.session.result
    opened = [(by_command_line, named), (by_dialog, copied), (by_drop, named), (by_recent_entry, copied)]
    for open_it, path in opened:
        open_it(window, path)
        box = asked(qtbot, window)
        assert window.document.path == path
        (code,) = window.session.config.code_files
        assert code in box.text()
        with qtbot.waitSignal(window.control.error_changed) as told:
            answer(qtbot, box, "Don't run")
        assert told.args == [f"Not run: you declined to run code from {code}."]
        assert not window.runner.busy
        assert window.session.result is before
        assert window.code_trust.trusted == frozenset()
        assert not ran.exists()
    window.actions_["run"].trigger()
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        answer(qtbot, asked(qtbot, window), "Run code")
    assert ran.exists()
    assert window.verdict.state == "agree"
    # Who agreed to the copy in one session has not agreed to that in another, whatever it is called.
    ran.unlink()
    by_dialog(window, write("other", copied=True))
    answer(qtbot, asked(qtbot, window), "Don't run")
    assert not ran.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("open_mask")
def test_a_program_that_is_started_on_a_session_asks_first_and_writes_to_its_own_private_folders_alone(
    tmp_path: Path, write: Callable[..., Path], ran: Path
) -> None:
    path = write("theirs", copied=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    before = contents(tmp_path)
    with window_program(tmp_path, path, QT_QPA_PLATFORM="offscreen") as program:
        assert "mine.py" in program.until("asked ")
        assert program.until("error ").startswith("Not run: you declined")
        program.until("completed")
        state = program.home / ".local" / "state" / "rnnviz"
        private = [state, *(state / "windows").iterdir(), *program.temporary.iterdir()]
        assert [stat.S_IMODE(folder.stat().st_mode) for folder in private] == [0o700] * len(private)
        (unpacked,) = (*program.home.rglob("mine.py"), *program.temporary.rglob("mine.py"))
        assert any(unpacked.is_relative_to(folder) for folder in private)
        program.process.send_signal(signal.SIGINT)
        assert program.end()[0] == 0
    assert not ran.exists()
    after = contents(tmp_path)
    assert {file: after[file] for file in before} == before
    made = sorted(str(file.relative_to(program.home)) for file in set(after) - set(before))
    assert made == [".config/rnnviz/rnnviz.conf", ".local/state/rnnviz/rnnviz.log"]
    assert list(program.temporary.iterdir()) == []
