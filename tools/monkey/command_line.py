"""The command line, called again and again in one process whose engines stay warm: python -m tools.monkey.command_line

Each line of its input is a list of words in JSON; the answer is a line as well: the exit code, and what was printed.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
from typing import Any

from rnnviz.cli import main
from rnnviz.execution import supervisor
from tests.shared_worker import WarmWorker


class CommandLine:
    """Another process that is asked, one question after the other."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tools.monkey.command_line"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer(self, *words: str) -> tuple[int | None, str, str]:
        """The result of a command line: the exit code, standard output and standard error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        code, out, err = json.loads(line) if line else (None, "", "The process of the command line has ended.")
        return code, out, err

    def close(self) -> None:
        """End it, as the end of its input does."""
        self._process.communicate()


def _serve() -> None:
    # What engines print themselves does not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # It takes no processor from the window that it is compared with.
    os.nice(10)
    warm = WarmWorker()
    supervisor.Supervisor = lambda *_arguments, **_options: warm
    for line in sys.stdin:
        print(json.dumps(_called(json.loads(line))), file=answers, flush=True)
    warm.really_close()


def _called(words: list[str]) -> tuple[Any, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    _serve()
