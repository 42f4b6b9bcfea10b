"""The influence on the selected value, which follows the selection while it is switched on."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.gui.jobs.task_queue import Check, LatestTask
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    from rnnviz.quantities.influence import Influence

_AFTER = 120
"""Milliseconds from the last change of the selection to the computation."""


class InfluenceFollower(QObject):
    """Computes the influence on the selected value of the shown engine on a thread, and puts it into the state."""

    progressed = Signal(float)
    """The fraction that is done."""
    busy_changed = Signal(bool)
    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._settled = QTimer(self, interval=_AFTER, singleShot=True)
        self._settled.timeout.connect(self._begin)
        self._task = LatestTask("influence", self)
        self._task.done.connect(self._take)
        self._busy = False
        session.on_change(self._follow, "following", "result", "location", "engine")

    @property
    def busy(self) -> bool:
        return self._busy

    def toggle(self) -> None:
        """Follow the selection, or stop."""
        self._session.set_following(not self._session.following)
        self.message.emit(
            "The strips show the influence on the selected value." if self._session.following else "Influence is off."
        )

    def close(self) -> None:
        self._settled.stop()
        self._task.stop()

    def _follow(self) -> None:
        session, known = self._session, self._session.influence
        if not session.following or session.result is None:
            self._settled.stop()
            self._task.cancel()
            self._set_busy(busy=False)
        elif known is None or (known.engine, known.where) != (session.engine, session.location):
            self._task.cancel()
            self._set_busy(busy=True)
            self._settled.start()

    def _begin(self) -> None:
        result, engine, where = self._session.result, self._session.engine, self._session.location
        if result is None or engine is None:
            return

        def work(check: Check) -> "Influence | str":
            return _computed(result, engine, where, check, self.progressed.emit)

        self._task.ask(work)

    def _take(self, found: "Influence | str") -> None:
        self._set_busy(busy=False)
        if isinstance(found, str):
            self.message.emit(found)
        self._session.set_influence(None if isinstance(found, str) else found)

    def _set_busy(self, *, busy: bool) -> None:
        if busy != self._busy:
            self._busy = busy
            self.busy_changed.emit(busy)


def _computed(
    result: RunResult, engine: str, where: Location, check: Check, progress: Callable[[float], object]
) -> "Influence | str":
    """The influence on a value, or a sentence that it is not known."""
    from rnnviz.quantities.influence import influence, is_known, lacks_states

    def report(fraction: float) -> None:
        check()
        progress(fraction)

    if not is_known(result, where, engine):
        return lacks_states(where, engine)
    return influence(result, where, engine, report)
