"""A session that names a user's own code: however it is opened, none of it runs before the user has agreed."""

import signal
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.resources import resource_path
from rnnviz.gui.commands.menus import RecentMenu
from rnnviz.gui.main_window import MainWindow
from rnnviz.io.config_toml import parse_config
from rnnviz.io.session import SavedDocument, SavedSession, files_to_copy, write_session
from rnnviz.io.templates import starter
from tests.gui.recovery.programs import window_program
from tests.security.test_written_files import contents, open_mask

__all__ = ["open_mask"]

pytestmark = pytest.mark.slow

TEXT = """
network = {{ cell = "{cell}", input_size = 3, hidden_size = 4 }}
sequence = {{ path = "x.npy", labels = "labels.txt" }}
compare = {{ reference = "manual", candidates = ["{candidate}"] }}
"""
STEP = TEXT.format(cell="gru", candidate="./mine.py"), starter("gru")
CELL = (TEXT.format(cell="./mine.py", candidate="gluon"), resource_path("cells", "mgu.py").read_text(encoding="utf-8"))
"""A custom step and a custom cell: a config, and the code of its file."""


@pytest.fixture
def ran(tmp_path):
    """The file that the code in the sessions creates when it runs."""
    return tmp_path / "ran"


@pytest.fixture(params=[STEP, CELL], ids=["step", "cell"])
def write(request, tmp_path, ran):
    """Writes a session from elsewhere, with a copy of the code or with its path alone."""

    text, code = request.param

    def write(name, *, copied):
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


def by_dialog(qtbot: Any, window: MainWindow, path: Path) -> None:
    window.actions_["open"].trigger()
    qtbot.choose_file(window, path)


def by_recent_entry(window: MainWindow, path: Path) -> None:
    menu = window.findChild(RecentMenu)
    menu.aboutToShow.emit()
    next(action for action in menu.actions() if action.data() == path).trigger()


def test_however_a_session_is_opened_its_code_runs_only_if_the_user_agrees(qtbot, bare_window, write, ran):
    window = bare_window
    copied, named = write("copied", copied=True), write("named", copied=False)
    before = window.session.result
    for open_it, path in (
        (lambda: window.begin(named), named),
        (lambda: by_dialog(qtbot, window, copied), copied),
        (lambda: qtbot.drop(window, named), named),
        (lambda: by_recent_entry(window, copied), copied),
    ):
        open_it()
        box = qtbot.question(window)
        assert window.document.path == path
        (code,) = window.session.config.code
        assert code in box.text()
        with qtbot.waitSignal(window.control.error_changed) as told:
            qtbot.answer(window, "Don't run")
        assert told.args == [f"Not run: you declined to run code from {code}."]
        assert not window.runner.busy
        assert window.session.result is before
        assert window.code_trust.trusted == frozenset()
        assert not ran.exists()
    window.actions_["run"].trigger()
    with qtbot.finished(window):
        qtbot.answer(window, "Run code")
    assert ran.exists()
    assert window.verdict.state == "agree"
    # Who agreed to the copy in one session has not agreed to that in another, whatever it is called.
    ran.unlink()
    by_dialog(qtbot, window, write("other", copied=True))
    qtbot.answer(window, "Don't run")
    assert not ran.exists()


@pytest.mark.usefixtures("open_mask")
@pytest.mark.parametrize("write", [STEP], indirect=True)
def test_a_program_on_a_session_asks_first_and_writes_to_its_own_private_folders_alone(tmp_path, write, ran):
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
        program.process.send_signal(signal.SIGHUP)
        assert program.end()[0] == 128 + signal.SIGHUP
    assert not ran.exists()
    after = contents(tmp_path)
    assert {file: after[file] for file in before} == before
    made = sorted(str(file.relative_to(program.home)) for file in set(after) - set(before))
    assert made == [".config/rnnviz/rnnviz.conf", ".local/state/rnnviz/rnnviz.log"]
    assert list(program.temporary.iterdir()) == []
