"""Turns of events: what is not due at once comes one after the other, each after the one before is painted."""

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QObject, QTimer
from shiboken6 import isValid

_NEXT_AFTER = 1
"""Milliseconds until the next call, after the earlier one is painted."""


class _Turns(QObject):
    """Calls in the order in which they were first asked for, so that none waits forever while the selection moves."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: dict[Callable[[], object], QObject] = {}
        self._next = QTimer(self, interval=_NEXT_AFTER, singleShot=True)
        self._next.timeout.connect(self._run)
        # A timer that is started before a view is painted fires right after it, before the next key is handled.
        self._painted = QTimer(self, interval=0, singleShot=True)
        self._painted.timeout.connect(self._next.start)

    def ask(self, owner: QObject, call: Callable[[], object]) -> None:
        self._waiting.setdefault(call, owner)
        if not self._next.isActive():
            self._painted.start()

    def _run(self) -> None:
        call = next(iter(self._waiting))
        owner = self._waiting.pop(call)
        if self._waiting:
            self._painted.start()
        if isValid(owner):
            call()


def in_turn(owner: QObject, call: Callable[[], object]) -> None:
    """Call in a turn of events without another such call and its painting, if `owner` still exists then.

    Asked for again before that, it is called once.
    """
    application = QCoreApplication.instance()
    assert application is not None
    turns = application.findChild(_Turns) or _Turns(application)
    turns.ask(owner, call)
