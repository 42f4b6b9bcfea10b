"""The way into the window. Nothing here imports Qt before it is known that Qt can start."""

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
    """Open the window, on a config if `path` names one, and return the exit code when it is closed."""
    # A thread that imports or reads keeps the window waiting for so long whenever both want to go on.
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Importing makes objects by the hundred thousand that are no garbage: the search for some is a tenth of the start.
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
    """Open a window on a finished run and wait until it is closed; at once back where others handle Qt's events.

    Raises
    ------
    PlatformError
        If no window can be opened here; the sentence says why.
    """
    check_platform()
    from rnnviz.gui.application import show_result

    show_result(result)
