"""Welcome page: lessons at the left; files, examples and the guide at the right."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QEnterEvent,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.model_formats import FORMATS
from rnnviz.gui.commands.actions import TAKES_ARROWS
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.verdict_bar import link_button
from rnnviz.lessons.index import LessonEntry

_SIDE, _ABOVE, _BETWEEN = 12, 6, 2
_RADIUS = 6.0
_BAR = 4
_LEAST_CHARACTERS = 16
_WRAPPED = int(Qt.AlignmentFlag.AlignTop) | int(Qt.TextFlag.TextWordWrap)
_WAYS = (Qt.Key.Key_Up, Qt.Key.Key_Down)


class StartButton(QAbstractButton):
    """A title with a description below, which wraps. A title that does not fit is in the tooltip, too."""

    def __init__(self, title: str, line: str, why: str = "", *, first: bool = False) -> None:
        """`first` emphasizes the button."""
        super().__init__()
        self._line, self._first = line, first
        self._why = why or line
        self._heights: dict[tuple[int, str], int] = {}
        self._hints: dict[tuple[str, str], QSize] = {}
        self.setText(title)
        self.setProperty(TAKES_ARROWS, True)
        self.setAccessibleName(title)
        self.setAccessibleDescription(self._why)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.done = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_done(self, done: bool) -> None:
        self.done = done
        self.setAccessibleDescription(f"Finished. {self._why}" if done else self._why)
        self.update()

    def heightForWidth(self, width: int) -> int:
        # A layout asks for it many times, and wrapping a text takes long.
        asked = width, self.font().key()
        if asked not in self._heights:
            height = QFontMetrics(self._title_font).height() + 2 * _ABOVE
            if self._line:
                room = QRect(0, 0, width - 2 * _SIDE - (_BAR if self._first else 0), 10_000)
                height += self.fontMetrics().boundingRect(room, _WRAPPED, self._line).height() + _BETWEEN
            self._heights[asked] = height
        return self._heights[asked]

    def sizeHint(self) -> QSize:
        asked = self.text(), self.font().key()
        if asked not in self._hints:
            width = QFontMetrics(self._title_font).horizontalAdvance(self.text()) + 2 * _SIDE + _BAR
            whole = self.fontMetrics().horizontalAdvance(self._line) + width
            self._hints[asked] = QSize(width, self.heightForWidth(whole))
        return self._hints[asked]

    def minimumSizeHint(self) -> QSize:
        width = _LEAST_CHARACTERS * self.fontMetrics().averageCharWidth() + 2 * _SIDE
        return QSize(width, self.sizeHint().height())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        elif event.key() in _WAYS:
            self.focusNextPrevChild(event.key() == Qt.Key.Key_Down)
        else:
            super().keyPressEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setFixedHeight(self.heightForWidth(self.width()))
        whole = self._why if self._shown_title().startswith(self.text()) else f"{self.text()}\n{self._why}"
        self.setToolTip(wrapped(whole))

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = self.palette()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0)
        painter.setPen(QPen(palette.color(QPalette.ColorRole.Mid)) if self._first else Qt.PenStyle.NoPen)
        if self.underMouse() or self.isDown():
            painter.setBrush(palette.mid() if self.isDown() else palette.alternateBase())
            painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
        elif self._first:
            painter.setBrush(palette.base())
            painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
        accent = palette.color(QPalette.ColorRole.Accent)
        if self._first:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(accent)
            painter.drawRoundedRect(QRectF(1.0, 6.0, _BAR, self.height() - 12.0), 2.0, 2.0)
        room = self._room()
        painter.setFont(self._title_font)
        painter.setPen(accent)
        painter.drawText(room, int(Qt.AlignmentFlag.AlignTop), self._shown_title())
        if self._line:
            painter.setFont(self.font())
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            below = room.adjusted(0, QFontMetrics(self._title_font).height() + _BETWEEN, 0, 0)
            painter.drawText(below, _WRAPPED, self._line)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(accent, 2.0))
            painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
        painter.end()

    def _room(self) -> QRect:
        return self.rect().adjusted(_SIDE + (_BAR if self._first else 0), _ABOVE, -_SIDE, -_ABOVE)

    def _shown_title(self) -> str:
        metrics = QFontMetrics(self._title_font)
        title = f"{self.text()}  ✓" if self.done else self.text()
        return metrics.elidedText(title, Qt.TextElideMode.ElideRight, self._room().width())

    @property
    def _title_font(self) -> QFont:
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold if self._first else QFont.Weight.Medium)
        return font


_WIDEST = 1080
_MARGIN = 28
_INDENT = 12
"""Left margin of the text of an entry."""
_MOST_RECENT = 5
_PROMISE = "See and check every value in a recurrent network."
_DROP = "Or drop a file here: a config, a model, an array, or a custom step or cell."


class WelcomePage(QScrollArea):
    """Emits a signal for each entry."""

    lesson_chosen = Signal(object)
    """A `LessonEntry`."""
    recent_chosen = Signal(object)
    """A `Path`."""
    model_wanted = Signal()
    sample_wanted = Signal()
    config_wanted = Signal()
    small_network_wanted = Signal()
    training_wanted = Signal()
    text_wanted = Signal()
    guide_wanted = Signal()
    map_wanted = Signal()
    back_wanted = Signal()
    """Hide the page and show the last run."""
    shown_at_start = Signal(bool)
    """Whether the next start shows this page."""

    def __init__(self, lessons: Sequence[LessonEntry], *, at_start: bool) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setObjectName("welcome")
        self.setAccessibleName("Welcome")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._recent = QVBoxLayout()
        self._going_on: LessonEntry | None = None
        self.back_button = QPushButton("Close welcome page")
        self.back_button.setToolTip("Shows the last run. Help > Welcome opens this page again.")
        self.back_button.clicked.connect(self.back_wanted)
        self._at_start = QCheckBox("Show at startup")
        self._at_start.setToolTip("If off, rnnviz starts with the network of lesson 1.")
        self._at_start.setChecked(at_start)
        self._at_start.toggled.connect(self.shown_at_start)
        content = QWidget()
        content.setMaximumWidth(scaled(_WIDEST))
        grid = QGridLayout(content)
        grid.setContentsMargins(_MARGIN, _MARGIN // 2, _MARGIN, _MARGIN // 2)
        grid.setHorizontalSpacing(_MARGIN)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        grid.addLayout(self._head(), 0, 0, 1, 2)
        # Separate widgets, so that Tab goes down one column and then the other.
        for place, column in enumerate((self._lessons(lessons), self._own())):
            holder = QWidget()
            holder.setLayout(column)
            grid.addWidget(holder, 1, place)
        drop = QLabel(_DROP)
        drop.setWordWrap(True)
        drop.setProperty("muted", True)
        drop.setContentsMargins(_INDENT, 0, 0, 0)
        grid.addWidget(drop, 2, 0, Qt.AlignmentFlag.AlignVCenter)
        grid.addWidget(self._at_start, 2, 1, Qt.AlignmentFlag.AlignVCenter)
        grid.setRowStretch(3, 1)
        outer = QWidget()
        row = QHBoxLayout(outer)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(content, 100)
        row.addStretch(1)
        self.setWidget(outer)

    def show_recent(self, paths: Sequence[Path]) -> None:
        while self._recent.count():
            self._recent.takeAt(0).widget().deleteLater()
        for path in paths[:_MOST_RECENT]:
            entry = StartButton(path.name, str(path.parent), str(path))
            entry.clicked.connect(lambda _checked=False, path=path: self.recent_chosen.emit(path))
            self._recent.addWidget(entry)
        if not paths:
            none = QLabel("Recently opened files appear here.")
            none.setWordWrap(True)
            none.setProperty("muted", True)
            none.setContentsMargins(_INDENT, 4, 0, 0)
            self._recent.addWidget(none)

    def show_progress(self, finished: Sequence[str], going_on: LessonEntry | None, step: int) -> None:
        """Tick the finished lessons, and offer to continue the lesson `going_on` at a step, counted from 0."""
        for name, entry in self._entries.items():
            entry.show_done(name in finished)
        self._going_on = going_on
        self.continue_button.setVisible(going_on is not None)
        if going_on is not None:
            self.continue_button.setText(f"Continue lesson {going_on.number}, step {step + 1}: {going_on.title}")
            self.continue_button.setAccessibleName(self.continue_button.text())

    def focus_first_lesson(self) -> None:
        """Focus Continue, else the first lesson, unless an entry has the focus."""
        entries = [entry for entry in self.findChildren(StartButton) if not entry.isHidden()]
        if self.window().focusWidget() not in entries:
            (entries[0] if self._going_on is None else self.continue_button).setFocus()

    def set_back_visible(self, offered: bool) -> None:
        self.back_button.setVisible(offered)

    def _head(self) -> QHBoxLayout:
        title = QLabel("Welcome to rnnviz")
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.5)
        title.setFont(font)
        promise = QLabel(_PROMISE)
        promise.setWordWrap(True)
        promise.setProperty("muted", True)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.setContentsMargins(_INDENT, 0, 0, 0)
        words.addWidget(title)
        words.addWidget(promise)
        head = QHBoxLayout()
        head.addLayout(words, 1)
        head.addWidget(self.back_button, 0, Qt.AlignmentFlag.AlignTop)
        return head

    def _lessons(self, lessons: Sequence[LessonEntry]) -> QVBoxLayout:
        self.course_map = link_button("Course map", "Shows all lessons with your progress (Ctrl+Shift+L).")
        self.course_map.clicked.connect(self.map_wanted)
        column = _column("Lessons", self.course_map)
        self.continue_button = StartButton(
            "Continue", "", "Opens the last lesson at the step where you left it.", first=True
        )
        self.continue_button.clicked.connect(lambda: self.lesson_chosen.emit(self._going_on))
        self.continue_button.hide()
        column.addWidget(self.continue_button)
        self._entries: dict[str, StartButton] = {}
        for lesson in lessons:
            title = f"{lesson.number}   {lesson.title}"
            first = lesson is lessons[0]
            # Summaries contain Markdown; this label shows plain text.
            summary = lesson.summary.replace("`", "")
            line = f"{summary.partition('. ')[0].rstrip('.')}."
            entry = StartButton(title, f"Start here. {line}" if first else line, summary, first=first)
            entry.clicked.connect(lambda _checked=False, lesson=lesson: self.lesson_chosen.emit(lesson))
            self._entries[lesson.name] = entry
            column.addWidget(entry)
        column.addStretch(1)
        return column

    def _own(self) -> QVBoxLayout:
        column = _column("Open or create")
        for title, line, why, wanted in (
            (
                "Open a model…",
                ", ".join(known.title for known in FORMATS if known.title),
                "Run a recurrent network from a model file.",
                self.model_wanted,
            ),
            (
                "Open the sample model",
                "A small LSTM saved by PyTorch",
                "Run the model file that ships with rnnviz.",
                self.sample_wanted,
            ),
            (
                "Open a config…",
                "A network as a TOML file",
                "Open a config, as `rnnviz config` writes it.",
                self.config_wanted,
            ),
            (
                "Start with a small LSTM",
                "Two layers; change them in the settings panel",
                "Small enough to read every value. It runs now and after each change.",
                self.small_network_wanted,
            ),
            (
                "Train a network",
                "Six small tasks, each learned in about a minute",
                "See how training changes hidden states, gates and gradients (Ctrl+T).",
                self.training_wanted,
            ),
            (
                "Generate text",
                "A small LSTM, trained on this program's guide",
                "Write text with a character model, one step at a time (Ctrl+Shift+T).",
                self.text_wanted,
            ),
            (
                "Read the first steps",
                "From a model file to a verdict, in five minutes",
                "Open the guide at its first page (F1).",
                self.guide_wanted,
            ),
        ):
            entry = StartButton(title, line, why)
            entry.clicked.connect(lambda _checked=False, wanted=wanted: wanted.emit())
            column.addWidget(entry)
        column.addWidget(_heading("Recent files"))
        column.addLayout(self._recent)
        column.addStretch(1)
        return column


def _column(heading: str, *links: QWidget) -> QVBoxLayout:
    column = QVBoxLayout()
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    line = QHBoxLayout()
    line.addWidget(_heading(heading), 1)
    for link in links:
        line.addWidget(link, 0, Qt.AlignmentFlag.AlignBottom)
    column.addLayout(line)
    return column


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("heading", True)
    label.setContentsMargins(_INDENT, 12, 0, 4)
    return label
