"""The end of a window whose screen goes away: Qt would end the program in the middle of everything, by a crash."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from PySide6.QtCore import QMessageLogContext, QtMsgType, qFormatLogMessage, qInstallMessageHandler

_SAYS = "connection broke"
"""In what Qt says before it ends the program, of X11 as of Wayland."""
ENDED = 3


def install_display_loss_handler(save_now: Callable[[], bool]) -> None:
    """End the program in order if Qt says that the screen has gone; `save_now` keeps the session for the next start.

    What else Qt has to say is printed as it always is.
    """

    def on_message(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        if _SAYS in text:
            _end(save_now)
        elif sys.stderr is not None:
            sys.stderr.write(f"{qFormatLogMessage(kind, context, text)}\n")

    qInstallMessageHandler(on_message)


def uninstall_display_loss_handler() -> None:
    """Leave Qt's messages to Qt."""
    qInstallMessageHandler(None)


def _end(save_now: Callable[[], bool]) -> NoReturn:
    """Threads are not waited for and no child is told: those that compute end by themselves, and remove the runs."""
    try:
        with suppress(Exception):
            from rnnviz.execution.log import log

            kept = save_now()
            log.warning("display lost; session %s", "saved" if kept else "not saved")
            last = "The next start offers to restore unsaved changes." if kept else "Unsaved changes are lost."
            if sys.stderr is not None:
                sys.stderr.write(f"rnnviz: The connection to the display was lost. {last}\n")
                sys.stderr.flush()
    finally:
        os._exit(ENDED)
