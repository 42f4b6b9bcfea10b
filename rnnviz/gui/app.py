"""Entry point of the window. Qt is imported only after a check that it can start."""

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rnnviz.gui.qt_check import PlatformError, check_platform

if TYPE_CHECKING:
    from rnnviz.verify.result import RunResult

OK, NO_WINDOW = 0, 3
_SWITCH_SECONDS = 0.001


def main(path: str | None) -> int:
    """Open the window on the file at `path`, if any, and return the exit code when it closes."""
    # A busy thread can hold the interpreter for this long while the window waits.
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Imports create hundreds of thousands of live objects. Garbage collection would take a tenth of the start.
    searching = gc.isenabled()
    gc.disable()
    try:
        check_platform()
        from rnnviz.gui.application import run_window

        return run_window(None if path is None else Path(path))
    except PlatformError as error:
        print(f"rnnviz: {error}", file=sys.stderr)
        return NO_WINDOW
    finally:
        if searching:
            gc.enable()


def show(result: "RunResult") -> None:
    """Open a window on a finished run. Blocks until it closes, unless an event loop is already running.

    Raises
    ------
    PlatformError
        If no window can be opened. The message gives the reason.
    """
    check_platform()
    from rnnviz.gui.application import show_result

    show_result(result)
