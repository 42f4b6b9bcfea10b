"""Map of the course: lessons by chapter, the lessons that each needs, and the reader's progress."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QEnterEvent,
    QFocusEvent,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QAbstractButton, QDialog, QDialogButtonBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from rnnviz.core.errors import InputError
from rnnviz.core.words import join_words
from rnnviz.gui.theme.scaling import DialogScrollArea, scaled, space_dialog
from rnnviz.gui.tooltips import wrapped
from rnnviz.lessons.index import LessonEntry, chapters, find_entry

_WIDTH, _HEIGHT = 188, 70
_ACROSS, _DOWN = 22, 22
"""Distances between the lessons, where their connections are drawn."""
_IN_A_ROW = 5
_PADDING = 8
_RADIUS = 6.0
_WRAPPED = int(Qt.AlignmentFlag.AlignTop) | int(Qt.TextFlag.TextWordWrap)
_WAYS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}


class LessonNode(QAbstractButton):
    """A lesson on the map: number, title, time and progress. A click opens it; arrow keys go to the next one."""

    moved = Signal(object, int, int)
    """This node, and the rows and columns by which the keyboard goes on."""
    pointed = Signal()
    """The keyboard or the pointer has come or gone."""

    def __init__(self, entry: LessonEntry, needs: Sequence[LessonEntry]) -> None:
        super().__init__()
        self.entry, self.needs = entry, needs
        self.progress = ""
        self.done = False
        self.setText(f"{entry.number}  {entry.title}")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFixedSize(self.sizeHint())
        self.show_progress(finished=False, step=0)

    @property
    def highlighted(self) -> bool:
        return self.hasFocus() or self.underMouse()

    def show_progress(self, *, finished: bool, step: int) -> None:
        """Show the progress: finished, or the step that was reached, counted from 0."""
        self.done = finished
        self.progress = "finished" if finished else f"at step {step + 1}" if step else ""
        entry = self.entry
        time = f"{entry.minutes} minutes" if entry.minutes else ""
        numbers = join_words(str(entry.number) for entry in self.needs)
        needed = f"needs {numbers}" if self.needs else ""
        in_short = f"{entry.minutes} min" if entry.minutes else ""
        self._line = " · ".join(filter(None, (in_short, self.progress or needed)))
        needs = f"Needs {join_words(f'{e.number} {e.title}' for e in self.needs)}" if self.needs else ""
        needs += "." if needs and not needs.endswith("?") else ""
        facts = (entry.goal or entry.summary, f"{time}." if time else "", needs, f"{self.progress}.".capitalize())
        description = " ".join(fact for fact in facts if fact.strip("."))
        self.setAccessibleName(self.text())
        self.setAccessibleDescription(description)
        self.setToolTip(wrapped(description))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(scaled(_WIDTH), max(scaled(_HEIGHT), 3 * self.fontMetrics().height() + 2 * _PADDING))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        way = _WAYS.get(Qt.Key(event.key()))
        if way is not None:
            self.moved.emit(self, *way)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.pointed.emit()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.pointed.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.pointed.emit()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.pointed.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = self.palette()
        accent, muted = palette.color(QPalette.ColorRole.Accent), palette.color(QPalette.ColorRole.PlaceholderText)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        begun = self.done or bool(self.progress)
        edge = accent if self.highlighted or begun else palette.color(QPalette.ColorRole.Mid)
        painter.setPen(QPen(edge, 2.0 if self.hasFocus() else 1.0))
        role = QPalette.ColorRole
        brush = role.Mid if self.isDown() else role.AlternateBase if self.underMouse() else role.Base
        painter.setBrush(palette.brush(brush))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0), _RADIUS, _RADIUS)
        room = self.rect().adjusted(_PADDING + 2, _PADDING, -_PADDING, -_PADDING)
        below = self.fontMetrics().height()
        title = QRect(room.left(), room.top(), room.width(), room.height() - below)
        font = QFont(self.font())
        font.setWeight(QFont.Weight.Medium)
        painter.setFont(font)
        painter.setPen(palette.color(QPalette.ColorRole.WindowText))
        painter.drawText(title, _WRAPPED, self._shown_title(title))
        painter.setFont(self.font())
        painter.setPen(accent if begun else muted)
        mark = "✓ " if self.done else ""
        line = self.fontMetrics().elidedText(f"{mark}{self._line}", Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, int(Qt.AlignmentFlag.AlignBottom), line)
        painter.end()

    def _shown_title(self, room: QRect) -> str:
        """The title, cut where it takes more than two lines; the accessible name has all of it."""
        metrics, words = QFontMetrics(self.font()), self.text().split(" ")
        for count in range(len(words), 0, -1):
            text = " ".join(words[:count]) + ("…" if count < len(words) else "")
            if metrics.boundingRect(room, _WRAPPED, text).height() <= room.height() + 2:
                return text
        return self.text()


class CourseMap(QWidget):
    """The lessons in rows by chapter, connected with the lessons that they need."""

    lesson_chosen = Signal(object)
    """A `LessonEntry`."""

    def __init__(self, entries: Sequence[LessonEntry]) -> None:
        super().__init__()
        self.setAccessibleName("Course map")
        self.nodes: dict[str, LessonNode] = {}
        self._places: dict[LessonNode, tuple[int, int]] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 4, 4, 4)
        grid.setHorizontalSpacing(_ACROSS)
        grid.setVerticalSpacing(_DOWN)
        row = 0
        for chapter, lessons in chapters(entries).items():
            heading = QLabel(chapter)
            heading.setProperty("heading", True)
            heading.setWordWrap(True)
            heading.setFixedWidth(scaled(100))
            grid.addWidget(heading, row, 0, Qt.AlignmentFlag.AlignTop)
            for place, entry in enumerate(lessons):
                self._add(entry, entries, row + place // _IN_A_ROW, place % _IN_A_ROW)
                node = self.nodes[entry.name]
                grid.addWidget(node, *(n + k for n, k in zip(self._places[node], (0, 1), strict=True)))
            row += (len(lessons) - 1) // _IN_A_ROW + 1
        grid.setColumnStretch(_IN_A_ROW + 1, 1)
        grid.setRowStretch(row, 1)

    def show_progress(self, finished: Sequence[str], steps: Mapping[str, int], present: str) -> None:
        """Show which lessons are finished, and the step reached in others; the keyboard begins at `present`."""
        for name, node in self.nodes.items():
            node.show_progress(finished=name in finished, step=steps.get(name, 0))
        unfinished = (name for name in self.nodes if name not in finished)
        first = present if present in self.nodes else next(unfinished, next(iter(self.nodes), ""))
        if first:
            self.nodes[first].setFocus()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        links = [(self.nodes[need.name], node) for node in self.nodes.values() for need in node.needs]
        # The highlighted ones are over the others.
        for first, node in sorted(links, key=lambda link: any(end.highlighted for end in link)):
            shown = first.highlighted or node.highlighted
            color = palette.color(QPalette.ColorRole.Accent if shown else QPalette.ColorRole.PlaceholderText)
            painter.setPen(QPen(color, 2.0 if shown else 1.2))
            painter.drawPath(self._path(first, node))
        painter.end()

    def _add(self, entry: LessonEntry, entries: Sequence[LessonEntry], row: int, column: int) -> None:
        node = LessonNode(entry, [need for name in entry.needs if (need := _found(name, entries)) is not None])
        node.clicked.connect(lambda: self.lesson_chosen.emit(entry))
        node.moved.connect(self._move)
        node.pointed.connect(self.update)
        self.nodes[entry.name] = node
        self._places[node] = row, column

    def _path(self, first: LessonNode, then: LessonNode) -> QPainterPath:
        """A curve from a lesson to the next one in its row, or from below it to above one below."""
        (row, column), (next_row, next_column) = self._places[first], self._places[then]
        a, b = QRectF(first.geometry()), QRectF(then.geometry())
        path = QPainterPath()
        if row == next_row and next_column == column + 1:
            path.moveTo(a.right(), a.center().y())
            path.lineTo(b.left(), b.center().y())
            return path
        if row == next_row:
            begin, end = QPointF(a.center().x(), a.bottom()), QPointF(b.center().x(), b.bottom())
            bend = QPointF(0.0, _DOWN * 1.1)
            path.moveTo(begin)
            path.cubicTo(begin + bend, end + bend, end)
            return path
        down = next_row > row
        begin = QPointF(a.center().x(), a.bottom() if down else a.top())
        end = QPointF(b.center().x(), b.top() if down else b.bottom())
        bend = QPointF(0.0, (end.y() - begin.y()) / 2)
        path.moveTo(begin)
        path.cubicTo(begin + bend, end - bend, end)
        return path

    def _move(self, node: LessonNode, rows: int, columns: int) -> None:
        """Go to the next lesson in the order of the map, or to the nearest one in the row above or below."""
        nodes = list(self._places)
        if columns:
            nodes[(nodes.index(node) + columns) % len(nodes)].setFocus()
            return
        row, column = self._places[node]
        beside = [other for other in nodes if self._places[other][0] == row + rows]
        if beside:
            min(beside, key=lambda other: abs(self._places[other][1] - column)).setFocus()


class CourseMapDialog(QDialog):
    """The map in a dialog, which closes once a lesson is chosen."""

    def __init__(self, course: CourseMap, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Course map")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.course = course
        course.lesson_chosen.connect(self.accept)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        space_dialog(layout)
        self._area = DialogScrollArea(course)
        for node in course.nodes.values():
            node.pointed.connect(self._follow)
        layout.addWidget(self._area)
        note = QLabel("A line leads from each lesson to those that need it. Arrow keys select, Enter opens.")
        note.setProperty("muted", True)
        note.setWordWrap(True)
        layout.addWidget(note)
        layout.addWidget(buttons)

    def _follow(self) -> None:
        focused = self.focusWidget()
        if isinstance(focused, LessonNode):
            self._area.ensureWidgetVisible(focused)


def _found(name: str, entries: Sequence[LessonEntry]) -> LessonEntry | None:
    try:
        return find_entry(name, entries)
    except InputError:
        return None
