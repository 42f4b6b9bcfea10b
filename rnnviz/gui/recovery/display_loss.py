"""Orderly exit when the display is lost. Qt alone would end the process with a crash."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from PySide6.QtCore import QMessageLogContext, QtMsgType, qFormatLogMessage, qInstallMessageHandler

_SAYS = "connection broke"
"""Part of Qt's message before it ends the process, for X11 and Wayland."""
ENDED = 3


def install_display_loss_handler(save_now: Callable[[], bool]) -> None:
    """Exit in order if Qt reports a lost display; `save_now` saves the session for the next start.

    Other messages of Qt are printed as usual.
    """

    def on_message(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        if _SAYS in text:
            _end(save_now)
        elif sys.stderr is not None:
            sys.stderr.write(f"{qFormatLogMessage(kind, context, text)}\n")

    qInstallMessageHandler(on_message)


def uninstall_display_loss_handler() -> None:
    """Restore Qt's message handler."""
    qInstallMessageHandler(None)


def _end(save_now: Callable[[], bool]) -> NoReturn:
    """Save and exit without waiting for threads or worker processes, which end by themselves and remove the runs."""
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
