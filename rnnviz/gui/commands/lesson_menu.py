"""The lessons as a menu."""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QWidget

from rnnviz.files.lessons import Lesson


class LessonMenu(QMenu):
    """One entry for each lesson, in order."""

    chosen = Signal(object)
    """A `Lesson`."""

    def __init__(self, lessons: Sequence[Lesson], parent: QWidget | None = None) -> None:
        super().__init__("&Lessons", parent)
        self.setToolTipsVisible(True)
        for lesson in lessons:
            action = self.addAction(f"&{lesson.number}  {lesson.title}")
            action.setObjectName(f"lesson_{lesson.name}")
            action.setToolTip(lesson.summary)
            action.triggered.connect(lambda _checked=False, lesson=lesson: self.chosen.emit(lesson))
