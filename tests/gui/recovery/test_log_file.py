"""The log: readable lines of a bounded size, with names and shapes and nothing else of the user's."""

import logging
import traceback
from pathlib import Path

import pytest

from rnnviz.core.config import Config
from rnnviz.execution.folders import state_folder
from rnnviz.execution.log import bug_report, log, log_path
from rnnviz.gui.recovery import log_file
from rnnviz.gui.recovery.log_file import keep_log, log_tail, shapes, where, where_in


@pytest.fixture(autouse=True)
def kept(fresh_state):
    keep_log()


def test_it_is_where_the_system_keeps_state_and_the_doctor_names_it(tmp_path):
    log.info("begun")
    assert log_path().is_relative_to(tmp_path / "state" / "rnnviz")
    assert state_folder().stat().st_mode & 0o077 == 0
    assert f"log: {log_path()}" in bug_report()
    assert log_tail().endswith("INFO begun\n")


def test_a_folder_for_state_that_is_not_absolute_is_ignored(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    assert state_folder() == Path.home() / ".local" / "state" / "rnnviz"


def test_a_new_log_file_starts_before_the_size_limit(monkeypatch):
    handler = next(h for h in log.handlers if not isinstance(h, logging.NullHandler))
    monkeypatch.setattr(handler, "maxBytes", 2000)
    for number in range(200):
        log.info("line %d", number)
    files = sorted(log_path().parent.glob("rnnviz.log*"))
    assert [file.name for file in files] == ["rnnviz.log", "rnnviz.log.1", "rnnviz.log.2"]
    assert all(file.stat().st_size <= 2000 for file in files)
    assert log_tail().splitlines()[-1].endswith("line 199")


def test_two_programs_write_into_the_same_file_after_either_has_started_a_new_one(monkeypatch):
    first = next(h for h in log.handlers if not isinstance(h, logging.NullHandler))
    second = log_file._LogFile(log_path(), maxBytes=300, backupCount=2, encoding="utf-8", delay=True)
    for number in range(20):
        second.emit(log.makeRecord("rnnviz", logging.INFO, "", 0, f"second {number}", (), None))
        first.emit(log.makeRecord("rnnviz", logging.INFO, "", 0, f"first {number}", (), None))
        assert f"first {number}" in log_path().read_text()
    second.close()


def test_an_unwritable_log_is_ignored(tmp_path, capfd):
    (tmp_path / "state").write_text("in the way")
    log.error("lost")
    assert log_tail() == ""
    assert capfd.readouterr() == ("", "")


def test_a_config_is_logged_by_names_and_shapes_alone():
    text = {
        "network": {"cell": "gru", "hidden_size": 321},
        "sequence": {"text": "my secret words", "seed": 424242, "labels": "/home/me/private.txt"},
        "parameters": {"scale": 0.0625, "seed": 717171, "initializer": "normal"},
        "compare": {"candidates": ["/home/me/thesis.py", "recording:/home/me/golden.npz"], "rtol": 0.0375},
    }
    words = shapes(Config.from_mapping(text))
    assert "gru L=1 D=1 T=15 N=1" in words
    assert "H=321" in words
    assert "by manual, a custom step, a recording" in words
    for secret in ("secret", "424242", "717171", "0.0625", "0.0375", "home", "thesis", "golden", "private"):
        assert secret not in words


def test_frames_are_logged_without_exception_messages_or_folders():
    try:
        raise ValueError("secret 424242")
    except ValueError as error:
        lines = list(where(error.__traceback__))
        told = list(where_in("".join(traceback.format_exception(error))))
    assert lines == told
    assert len(lines) == 1
    assert lines[0].strip().startswith(f"{Path(__file__).name}:")
    assert "secret" not in lines[0]
    assert str(Path(__file__).parent) not in lines[0]
