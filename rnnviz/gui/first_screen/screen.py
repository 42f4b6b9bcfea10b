"""The first screen: a living picture, doors to begin with, recent files, and the chapters of the course."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from rnnviz.gui.first_screen.cards import Card, ChapterCard, Door
from rnnviz.gui.first_screen.picture import LivingPicture
from rnnviz.gui.theme.fonts import text_font
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.verdict_bar import link_button
from rnnviz.lessons.index import LessonEntry, chapters

_WIDTH, _DOORS_WIDTH, _GAP = 1240, 400, 24
_CHAPTERS_IN_ROW, _IN_NARROW_ROW = 4, 2
_BETWEEN_CARDS, _BETWEEN_DOORS = 12, 8
_MARGIN = 12
_MOST_RECENT = 3
_SENTENCE = "See every number of a recurrent network."
_PROMISE = "How it is computed, and which one is wrong."


class FirstScreen(QScrollArea):
    """Emits a signal for each way to go on. In a narrow window its parts are in one column."""

    help_page = "first-steps"
    lesson_chosen = Signal(object)
    """A `LessonEntry`."""
    value_chosen = Signal(object)
    """A `Location` in the sample network."""
    recent_chosen = Signal(object)
    """A `Path`."""
    model_wanted = Signal()
    port_wanted = Signal()
    comparison_wanted = Signal()
    map_wanted = Signal()
    back_wanted = Signal()
    """Hide the screen and show what is open."""

    def __init__(self, lessons: Sequence[LessonEntry]) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName("First screen")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._lessons, self._next = tuple(lessons), lessons[0]
        self._narrow: bool | None = None
        self.picture = LivingPicture()
        self.picture.value_chosen.connect(self.value_chosen)
        self.learn = Door("learn", "", "", main=True)
        self.learn.clicked.connect(lambda: self.lesson_chosen.emit(self._next))
        self.doors = [self.learn]
        for icon, title, line, wanted in (
            ("open", "Open my model", "PyTorch, Keras, ONNX, safetensors", self.model_wanted),
            ("code", "Check a port", "A model, and the output of your code", self.port_wanted),
            ("compare", "Compare two files", "Two checkpoints, or two runs", self.comparison_wanted),
        ):
            door = Door(icon, title, line)
            door.clicked.connect(wanted)
            self.doors.append(door)
        self.chapters = [ChapterCard(chapter, entries) for chapter, entries in chapters(lessons).items()]
        for card in self.chapters:
            card.lesson_chosen.connect(self.lesson_chosen)
        self.back = link_button("", "Shows what is open. Help > First screen opens this screen again.")
        self.back.clicked.connect(self.back_wanted)
        self._arrange()

    def show_recent(self, paths: Sequence[Path]) -> None:
        while self._recent.count():
            link = self._recent.takeAt(0).widget()
            link.hide()
            link.deleteLater()
        shown = paths[:_MOST_RECENT]
        if shown:
            label = QLabel("Recent")
            label.setProperty("muted", True)
            self._recent.addWidget(label)
        for path in shown:
            link = link_button(path.name, str(path))
            link.clicked.connect(lambda _checked=False, path=path: self.recent_chosen.emit(path))
            self._recent.addWidget(link)

    def show_progress(self, finished: Sequence[str], steps: Mapping[str, int], last: str) -> None:
        """Show finished lessons, the step that was reached in others, and the lesson that was opened `last`."""
        unfinished = [entry for entry in self._lessons if entry.name not in finished]
        begun = next((entry for entry in unfinished if entry.name == last and (steps.get(last) or finished)), None)
        following = next(iter(unfinished), self._lessons[0])
        self._next = begun or following
        number = self._next.number
        if begun is None and not finished:
            self.learn.show_text(f"Learn: start lesson {number}", f"{self._next.title} {self._next.minutes} min")
        else:
            self.learn.show_text(f"Continue lesson {number}", self._next.title)
        for card in self.chapters:
            card.show_progress(finished, steps, begun.name if begun is not None else "")
        count, done = len(self._lessons), sum(entry.name in finished for entry in self._lessons)
        kinds = f"{count} lessons in {len(self.chapters)} chapters, with questions and real numbers"
        self._progress.setText(f"{done} of {count} done" if done else kinds)

    def show_open(self, name: str) -> None:
        """Offer to go back to what is open; "" if nothing is."""
        self.back.setText(f"Back to {name}")
        self.back.setAccessibleName(self.back.text())
        self.back.setVisible(bool(name))

    def apply_theme(self, theme: Theme) -> None:
        self.picture.apply_theme(theme)
        for card in self._cards:
            card.apply_theme(theme)

    @property
    def _cards(self) -> list[Card]:
        return [*self.doors, *self.chapters]

    def focus_first(self) -> None:
        if not self.isAncestorOf(self.window().focusWidget()):
            self.learn.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.back.isVisible():
            self.back_wanted.emit()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and self._narrow is not None:
            self._set_sizes()
            self._narrow = None
            self._place()

    def _arrange(self) -> None:
        self._sentence, self._promise = QLabel(_SENTENCE), QLabel(_PROMISE)
        self._promise.setProperty("muted", True)
        self._heading = _MapLabel("Lessons")
        self._heading.setToolTip(wrapped("Opens the course map (Ctrl+Shift+L)."))
        self._heading.clicked.connect(self.map_wanted)
        self._progress = QLabel()
        self._progress.setProperty("muted", True)
        self._recent = QHBoxLayout()
        self._recent.setSpacing(12)
        self._recent.setAlignment(Qt.AlignmentFlag.AlignLeft)
        self._begin = QWidget()
        column = QVBoxLayout(self._begin)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(_BETWEEN_DOORS)
        for label in (self._sentence, self._promise):
            label.setWordWrap(True)
            column.addWidget(label)
        column.addWidget(self.back, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        for door in self.doors:
            column.addWidget(door)
        column.addLayout(self._recent)
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self._heading, 0, Qt.AlignmentFlag.AlignBaseline)
        head.addWidget(self._progress, 1, Qt.AlignmentFlag.AlignBaseline)
        self._course = QWidget()
        below = QVBoxLayout(self._course)
        below.setContentsMargins(0, 0, 0, 0)
        below.addLayout(head)
        self._chapters = QGridLayout()
        self._chapters.setSpacing(_BETWEEN_CARDS)
        below.addLayout(self._chapters)
        content = QWidget()
        self._grid = QGridLayout(content)
        self._grid.setHorizontalSpacing(_GAP)
        self._grid.setVerticalSpacing(_GAP)
        self.setWidget(content)
        self._set_sizes()
        self._place()

    def _set_sizes(self) -> None:
        """Sizes of the texts and the picture, which grow with the text."""
        self._sentence.setFont(text_font(28, QFont.Weight.DemiBold))
        self._promise.setFont(text_font(15))
        self._heading.setFont(text_font(20, QFont.Weight.DemiBold))
        self._progress.setFont(text_font(13))

    def _place(self) -> None:
        """Place the parts in two columns, or in a narrow window in one."""
        room = self.viewport().width() - 2 * _MARGIN
        narrow = room < scaled(_WIDTH)
        self.picture.fit(room)
        width = self.picture.width() if narrow else scaled(_DOORS_WIDTH)
        self._begin.setFixedWidth(width)
        self._begin.setMinimumHeight(0 if narrow else self.picture.height())
        self._course.setFixedWidth(width if narrow else scaled(_WIDTH))
        if narrow == self._narrow:
            return
        self._narrow = narrow
        for part in (self._begin, self.picture, self._course, *self.chapters):
            layout = self._chapters if isinstance(part, ChapterCard) else self._grid
            layout.removeWidget(part)
        top = Qt.AlignmentFlag.AlignTop
        if narrow:
            for row, part in enumerate((self._begin, self.picture, self._course), start=1):
                self._grid.addWidget(part, row, 1)
        else:
            self._grid.addWidget(self.picture, 1, 1, top)
            self._grid.addWidget(self._begin, 1, 2)
            self._grid.addWidget(self._course, 2, 1, 1, 2)
        for place in (0, 4):
            self._grid.setRowStretch(place, 1)
        for place in (0, 3):
            self._grid.setColumnStretch(place, 1)
        columns = _IN_NARROW_ROW if narrow else _CHAPTERS_IN_ROW
        for place, card in enumerate(self.chapters):
            self._chapters.addWidget(card, *divmod(place, columns))
        for place in range(_CHAPTERS_IN_ROW):
            self._chapters.setColumnStretch(place, int(place < columns))
        # Tab follows the eye.
        order = [*self.doors, self.picture] if narrow else [self.picture, *self.doors]
        for first, then in zip(order, [*order[1:], self.chapters[0]], strict=True):
            QWidget.setTabOrder(first, then)


class _MapLabel(QLabel):
    """A heading that opens the course map, as a command of the Help menu does."""

    clicked = Signal()

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        self.clicked.emit()
