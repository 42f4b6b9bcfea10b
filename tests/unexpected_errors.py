"""Unhandled exceptions and Qt warnings while tests use a window."""

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

_OF_QT = ("This plugin does not support", "edit: index was invalid", "edit: editing failed")
"""Warnings about features that the offscreen platform lacks, and of Qt's file dialog."""


@dataclass
class UnexpectedErrors:
    """Messages, each recorded and reported once."""

    tell: Callable[[str], None] = print
    sentences: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Start to record unhandled exceptions and Qt warnings."""

        def on_exception(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
            place = traceback.extract_tb(where)[-1] if where is not None else None
            at = "" if place is None else f" in {place.name}, {Path(place.filename).name}:{place.lineno}"
            # Reported once with its stack, whatever numbers its text contains.
            if self.note(f"{kind.__name__} was not handled{at}."):
                sys.__excepthook__(kind, error, where)

        def on_message(kind: QtMsgType, _context: QMessageLogContext, text: str) -> None:
            if kind != QtMsgType.QtDebugMsg and not text.startswith(_OF_QT):
                self.note(f"Qt says: {text}")

        sys.excepthook = on_exception
        qInstallMessageHandler(on_message)

    def note(self, sentence: str) -> bool:
        """Note something that went wrong; whether it is new."""
        if sentence in self.sentences:
            return False
        self.sentences.append(sentence)
        self.tell(sentence)
        return True
