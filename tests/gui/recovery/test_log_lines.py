"""The log of a window in use: lines that a person can read, and nothing of what the user gave or got."""

import os
import re
import signal
import sys

import pytest

from rnnviz.core.config import Config
from rnnviz.execution import log
from rnnviz.gui.recovery.crashes import CrashHandler
from rnnviz.gui.recovery.session_recovery import SessionRecovery

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \d+ (INFO|WARNING|ERROR) [^\n]{5,200}")
FRAME = re.compile(r"    [\w./<>-]+:\d+ in [\w.<>]+")
SECRETS = ("thesis", "midnight", "424242", "717171", "0.0625")
SMALL = {"cell": "rnn_tanh", "input_size": 3, "hidden_size": 4}
PARAMETERS = {"initializer": "normal", "scale": 0.0625, "seed": 717171}


@pytest.fixture
def handler(window, fresh_state):
    keeper = SessionRecovery(window)
    keeper.begin()
    handler = CrashHandler(window, keeper)
    handler.install()
    yield handler
    handler.uninstall()
    keeper.close()


@pytest.mark.slow
def test_errors_are_logged_in_readable_lines_without_names_texts_or_numbers(
    qtbot, window, handler, supervisor, tmp_path
):
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
        qtbot.waitUntil(lambda: bool(ended), timeout=30_000)
    with qtbot.waitSignal(window.runner.failed, timeout=20_000):
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
