"""Results with some differing numbers in an unrolled network, and user actions on it."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from rnnviz.core.trace import Trace
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tests.factories import make_result


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
