"""The user's code opens in an editor at the line of its error, or at the first line that differs."""

import sys
from pathlib import Path
from typing import Any

import pytest

from rnnviz.core.config import Config
from rnnviz.gui.commands.code_commands import editor_command
from rnnviz.gui.main_window import MainWindow
from rnnviz.io.templates import starter


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
def test_known_editors_get_the_line(programs: Path, environment: dict[str, str], command: list[str] | None) -> None:
    assert editor_command("/a b.py", 7, environment) == command


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system has an editor")
@pytest.mark.parametrize(("code", "opened"), [(None, False), (3, False), (0, True)])
def test_without_an_editor_the_message_says_whether_the_file_is_open(
    qtbot: Any,
    shared_window: MainWindow,
    tmp_path: Path,
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int | None,
    opened: bool,
) -> None:
    window, mine = shared_window, tmp_path / "mine.py"
    mine.write_text("", encoding="utf-8")
    for variable in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(programs))
    if code is not None:
        (programs / "xdg-open").write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
        (programs / "xdg-open").chmod(0o755)
    window.document.edit(window.session.config.with_engines(("manual", str(mine))))
    window.control.auto_run.cancel()
    with qtbot.waitSignal(window.code.message) as said:
        window.actions_["edit_code"].trigger()
    assert said.args[0].startswith("Opened") is opened
    assert ("VISUAL" in said.args[0]) is not opened
    window.document.undo()
    window.control.auto_run.cancel()


@pytest.mark.slow
def test_the_editor_opens_at_the_first_line_that_differs_and_at_the_line_of_an_error(
    qtbot: Any, shared_window: MainWindow, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, mine = shared_window, tmp_path / "mine.py"
    monkeypatch.setenv("VISUAL", "code")

    def opened() -> str:
        (programs / "code.txt").unlink(missing_ok=True)
        window.actions_["edit_code"].trigger()
        qtbot.waitUntil(lambda: (programs / "code.txt").exists())
        return (programs / "code.txt").read_text().strip()

    text = starter("lstm").replace("sigmoid(u_f + v_f)", "sigmoid(u_f - v_f)")
    mine.write_text(text)
    window.code_trust.trust(str(mine))
    network = {"cell": "lstm", "input_size": 2, "hidden_size": 3}
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.document.edit(Config.from_mapping({"network": network, "compare": {"candidates": [str(mine)]}}))
        window.control.run()
    number = 1 + text.splitlines().index("    f = sigmoid(u_f - v_f)")
    assert opened() == f"--goto {mine}:{number}"
    with qtbot.waitSignal(window.runner.failed, timeout=20_000):
        mine.write_text("\n\ndef step(x, state, p):\n    return undefined\n")
    assert opened() == f"--goto {mine}:4"
