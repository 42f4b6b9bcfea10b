"""Menu of the lessons and of their configs."""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QWidget

from rnnviz.core.words import wrapped
from rnnviz.lessons.index import Lesson, LessonEntry


class LessonMenu(QMenu):
    """One entry for each lesson, then one for each config."""

    guided_chosen = Signal(object)
    """A `LessonEntry`."""

    chosen = Signal(object)
    """A `Lesson`: the config of a lesson."""

    def __init__(self, guided: Sequence[LessonEntry], lessons: Sequence[Lesson], parent: QWidget | None = None) -> None:
        super().__init__("&Lessons", parent)
        self.setToolTipsVisible(True)
        for entry in guided:
            action = self.addAction(f"&{entry.number}  {entry.title}")
            action.setObjectName(f"guided_{entry.name}")
            action.setToolTip(wrapped(entry.summary))
            action.triggered.connect(lambda _checked=False, entry=entry: self.guided_chosen.emit(entry))
        if guided:
            self.addSeparator()
        for lesson in lessons:
            action = self.addAction(f"Config: {lesson.title}")
            action.setObjectName(f"lesson_{lesson.name}")
            action.setToolTip(wrapped(lesson.summary))
            action.triggered.connect(lambda _checked=False, lesson=lesson: self.chosen.emit(lesson))
