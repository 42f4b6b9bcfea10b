"""Opening a custom step or a custom cell in an editor, at the line in question."""

import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import which

from PySide6.QtCore import QObject, QProcess, Signal

from rnnviz.core.engine_spec import is_own
from rnnviz.gui.app_state import Session
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.text.verdict_details import first_line_in_source, line_number

_LINE_ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("vi", "vim", "nvim", "gvim", "nano", "micro", "joe", "ne"), ("+{line}", "{path}")),
    **dict.fromkeys(("emacs", "emacsclient", "gedit", "xed", "pluma", "mousepad", "geany"), ("+{line}", "{path}")),
    **dict.fromkeys(("code", "codium", "cursor", "code-insiders"), ("--goto", "{path}:{line}")),
    **dict.fromkeys(("subl", "zed", "hx", "helix", "gnome-text-editor"), ("{path}:{line}",)),
    **dict.fromkeys(("kate", "kwrite", "pycharm", "idea"), ("--line", "{line}", "{path}")),
}
"""Arguments of known editors; of others the path alone."""

_IN_TERMINAL = {"vi", "vim", "nvim", "nano", "micro", "joe", "ne", "hx", "helix"}
_TERMINAL = "x-terminal-emulator"
_NONE = "This network has no custom step and no custom cell. File > Custom code > New custom step… creates one."
_OPENING = "Opening {path} in {program}, at line {line}."
_OPENING_WITHOUT_LINE = "Opening {path} in {program}. The line is {line}."
_OPENED = "Opened {path} in the program for its type. The line is {line}."
_NO_EDITOR = (
    "{path} is not open: no editor was found. Set the variable VISUAL to the command of an editor, such as code, "
    "and start rnnviz again. The line is {line}."
)


def editor_command(path: str, line: int, environment: Mapping[str, str]) -> list[str] | None:
    """The command of the user's editor, from VISUAL or EDITOR; None if neither can be used from a window."""
    for variable in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(environment.get(variable, ""))
        except ValueError:
            continue
        if not words or which(words[0]) is None:
            continue
        name = Path(words[0]).name
        arguments = [text.format(path=path, line=line) for text in _LINE_ARGUMENTS.get(name, ("{path}",))]
        if name not in _IN_TERMINAL:
            return [*words, *arguments]
        if which(_TERMINAL) is not None:
            return [_TERMINAL, "-e", *words, *arguments]
    return None


class CodeCommands(QObject):
    """Opens the user's code."""

    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, session: Session, control: RunControl, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._control = control

    def open(self) -> None:
        """Open the custom step that is compared, or else the custom cell, in an editor."""
        path = self._path()
        if path is None:
            self.message.emit(_NONE)
            return
        line = self._line(path)
        absolute = str(Path(path).absolute())
        command = editor_command(absolute, line, os.environ)
        if command is None and sys.platform != "linux":
            # There, the default action of a Python file may be to run it.
            command = ["notepad", absolute] if sys.platform == "win32" else ["open", "-t", absolute]
        if command is None:
            self._open_by_type(absolute, path, line)
        elif QProcess.startDetached(command[0], command[1:])[0]:
            known = any(Path(word).name in _LINE_ARGUMENTS for word in command)
            text = _OPENING if known else _OPENING_WITHOUT_LINE
            self.message.emit(text.format(path=path, line=line, program=Path(command[0]).name))
        else:
            self.message.emit(_NO_EDITOR.format(path=path, line=line))

    def _open_by_type(self, absolute: str, path: str, line: int) -> None:
        """Open a file in the desktop's program for it. Qt's call says that it did even where there is none."""

        def report(failed: bool) -> None:
            self.message.emit((_NO_EDITOR if failed else _OPENED).format(path=path, line=line))
            process.deleteLater()

        def report_error(error: QProcess.ProcessError) -> None:
            # After the others, `finished` follows.
            if error == QProcess.ProcessError.FailedToStart:
                report(True)

        process = QProcess(self)
        process.finished.connect(lambda code, status: report(code != 0 or status != QProcess.ExitStatus.NormalExit))
        process.errorOccurred.connect(report_error)
        process.start("xdg-open", [absolute])

    def _path(self) -> str | None:
        session = self._session
        files = session.config.code
        preferred = [name for name in (session.candidate, session.engine) if name is not None and is_own(name)]
        return next((name for name in (*preferred, *files) if name in files), None)

    def _line(self, path: str) -> int:
        """The line of the error that stopped the last run, or of the first line that differs, or of step."""
        failure, result = self._control.last_failure, self._session.result
        if failure is not None and (result is None or failure.request_id > result.request_id):
            named = re.match(rf"{re.escape(path)}, line (\d+)", failure.sentence)
            if named is not None:
                return int(named[1])
        if result is None or path not in result.sources:
            return 1
        audit = None if result.judgment is None else result.judgment.audits.get(path)
        line = None if audit is None else first_line_in_source(result, audit)
        return line or line_number(result.sources[path], "step", ()) or 1
