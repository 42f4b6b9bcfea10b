"""Results with some differing numbers in an unrolled network, and user actions on it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from rnnviz.core.config import Config
from rnnviz.core.trace import Trace
from rnnviz.gui.app_state import Session
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tests.factories import make_result


def empty_view() -> UnrolledView:
    """A view with a state of its own."""
    network = {"cell": "rnn_tanh", "input_size": 3, "hidden_size": 4}
    return UnrolledView(Session(Config.from_mapping({"network": network})))


def split(view: UnrolledView, other: str | None) -> None:
    """Split the lanes at the selection, with another engine after it; None ends it."""
    view.session.replace(replace(view.session.state, candidate=other, swiping=other is not None))


def small(**changes: Any) -> RunResult:
    return make_result(**{"hidden_size": 10, "input_size": 5, "timesteps": 2, **changes})


def spoil(trace: Trace) -> None:
    trace.hidden[0, 0, 1, 0, 7] += 0.5
    trace.hidden[0, 0, 1, 1, 2] += 0.5


def long_result(edit: Callable[[Trace], None] | None = None) -> RunResult:
    edits = {} if edit is None else {"manual": edit}
    return make_result(hidden_size=64, timesteps=400, batch_size=1, bidirectional=True, edits=edits)


def turn_wheel(view: UnrolledView, steps: int, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    viewport = view.canvas.viewport()
    place = QPointF(view.canvas.mapFromScene(view.box.mapToScene(view.box.rect().center())))
    event = QWheelEvent(
        place,
        QPointF(viewport.mapToGlobal(place)),
        QPoint(),
        QPoint(0, 120 * steps),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(viewport, event)
