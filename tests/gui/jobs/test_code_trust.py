"""Files of a config: permission to run code, and detection of changed contents."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Config
from rnnviz.gui.jobs import code_trust
from rnnviz.gui.jobs.code_trust import CodeTrust, FileWatcher
from rnnviz.lessons.index import lessons


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def step(x, state, p):\n    return state\n")
    return path


@pytest.fixture
def own(qtbot, settings):
    return CodeTrust(qtbot.on_screen(QWidget(), 400, 300), settings)


def config_with(*engines: Path) -> Config:
    config = lessons()[0].config
    return replace(config, compare=replace(config.compare, candidates=tuple(map(str, engines))))


def test_an_untrusted_file_is_named(own, mine):
    assert own.untrusted(config_with(mine)) == [str(mine)]
    assert own.untrusted(lessons()[0].config) == []


def test_agreeing_runs_the_file_and_is_remembered_and_enter_and_escape_refuse(qtbot, own, settings, mine):
    said = []

    def ask():
        return own.ask([str(mine)], lambda: said.append("run"), lambda: said.append("leave"))

    for key in (Qt.Key.Key_Return, Qt.Key.Key_Escape):
        qtbot.keyClick(ask(), key)
    assert said == ["leave", "leave"]
    assert own.untrusted(config_with(mine)) == [str(mine)]
    box = ask()
    assert str(mine) in box.text()
    # Letters that are typed as the question appears run nothing.
    for key in (Qt.Key.Key_R, Qt.Key.Key_D):
        qtbot.keyClick(box, key)
    qtbot.wait(200)
    assert box.isVisible()
    qtbot.answer(box.parentWidget(), "Run code")
    assert said == ["leave", "leave", "run"]
    assert own.untrusted(config_with(mine)) == []
    assert settings.trusted == (str(mine),)


def test_the_question_names_what_asks_and_belongs_to_its_window(qtbot, own, mine):
    tool = QWidget()
    qtbot.addWidget(tool)
    box = own.ask([str(mine)], lambda: None, lambda: None, "sweep", tool)
    assert box.parent() is tool
    assert "sweep" in box.text()
    assert "config" not in box.text() + box.windowTitle()
    box.reject()


def test_a_saved_edit_of_a_trusted_file_is_signaled_also_where_an_editor_replaces_it(qtbot, own, mine):
    own.trust(str(mine))
    own.watch(config_with(mine))
    with qtbot.waitSignal(own.edited):
        mine.write_text("def step(x, state, p):\n    return (x,)\n")
    for text in ("one = 1\n", "two = 2\n"):
        new = mine.with_suffix(".new")
        new.write_text(text)
        with qtbot.waitSignal(own.edited):
            new.replace(mine)


def test_an_untrusted_or_dropped_file_signals_nothing(qtbot, own, mine, tmp_path):
    other = tmp_path / "other.py"
    other.write_text("")
    own.trust(str(other))
    own.watch(config_with(mine, other))
    own.watch(config_with(mine))
    told = []
    own.edited.connect(lambda: told.append(None))
    mine.write_text("changed = True\n")
    other.write_text("changed = True\n")
    own.watch(config_with(mine, other))
    with qtbot.waitSignal(own.edited):
        other.write_text("changed = 2\n")
    assert len(told) == 1


@pytest.mark.parametrize("held", [0, 1 << 22])
def test_changed_content_is_signaled_for_small_and_large_files(qtbot, tmp_path, monkeypatch, held):
    monkeypatch.setattr(code_trust, "_HELD_BYTES", held)
    path = tmp_path / "golden.npz"
    path.write_bytes(b"one")
    files = FileWatcher()
    files.watch([str(path)])
    with qtbot.waitSignal(files.edited) as told:
        path.write_bytes(b"two, and more")
    assert told.args == [{str(path)}]
