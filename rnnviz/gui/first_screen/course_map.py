"""Map of the course: lessons by chapter, the lessons that each needs, and the reader's progress."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent, QPainter, QPainterPath, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from rnnviz.core.words import join_words, plural
from rnnviz.gui.first_screen.cards import Card
from rnnviz.gui.theme.fonts import text_font
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import DialogScrollArea, scaled, space_dialog
from rnnviz.gui.tooltips import wrapped
from rnnviz.lessons.index import LessonEntry, chapters

_WIDTH, _HEIGHT, _HEADING = 256, 58, 100
_APART = 24
"""Distance between the lessons, where their connections are drawn."""
_IN_A_ROW = 4
_WAYS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
_POINTED = {QEvent.Type.Enter, QEvent.Type.Leave, QEvent.Type.FocusIn, QEvent.Type.FocusOut}


class LessonCard(Card):
    """A lesson on the map: number, title, time and progress. A click opens it; arrow keys go to the next one."""

    moved = Signal(object, int, int)
    """This card, and the rows and columns by which the keyboard goes on."""
    pointed = Signal()
    """The keyboard or the pointer has come or gone."""

    _height = _HEIGHT

    def __init__(self, entry: LessonEntry, needs: Sequence[LessonEntry]) -> None:
        self.entry, self.needs = entry, needs
        self.progress = ""
        super().__init__(f"{entry.number}  {entry.title}", "")
        self.setFixedSize(scaled(_WIDTH), scaled(_HEIGHT))

    @property
    def highlighted(self) -> bool:
        return self.hasFocus() or self.underMouse()

    def show_progress(self, *, finished: bool, step: int) -> None:
        """Show the progress: finished, or the step that was reached, counted from 0."""
        entry = self.entry
        self.progress = "finished" if finished else f"at step {step + 1}" if step else ""
        needs = f"needs {join_words(str(need.number) for need in self.needs)}" if self.needs else ""
        minutes = f"{entry.minutes} min" if entry.minutes else ""
        line = " · ".join(filter(None, (minutes, self.progress or needs)))
        self.show_text(self.text(), f"✓ {line}" if finished else line)
        sentences = [entry.goal or entry.summary]
        sentences += [f"{plural(entry.minutes, 'minute')}."] if entry.minutes else []
        if self.needs:
            sentences.append(f"Needs {join_words(f'{need.number} {need.title}' for need in self.needs)}.")
        sentences += [f"{self.progress.capitalize()}."] if self.progress else []
        self.setAccessibleDescription(" ".join(sentences).replace("?.", "?"))
        self.setToolTip(wrapped(self.accessibleDescription()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        way = _WAYS.get(Qt.Key(event.key()))
        if way is None:
            super().keyPressEvent(event)
        else:
            self.moved.emit(self, *way)

    def event(self, event: QEvent) -> bool:
        if event.type() in _POINTED:
            self.pointed.emit()
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, painter = self._theme, QPainter(self)
        line = theme.muted if self.underMouse() else theme.border
        self._paint_frame(painter, (theme.base, theme.raised, theme.pressed), line, theme.accent)
        color = theme.right if self.progress == "finished" else theme.accent if self.progress else theme.muted
        self._write(painter, 12, 8, self.text(), text_font(13, QFont.Weight.DemiBold), theme.text, 12)
        self._write(painter, 12, 30, self.line, text_font(12), color, 12)
        painter.end()


class CourseMap(QWidget):
    """The lessons in rows by chapter, connected with the lessons that they need."""

    lesson_chosen = Signal(object)
    """A `LessonEntry`."""

    def __init__(self, entries: Sequence[LessonEntry]) -> None:
        super().__init__()
        self.setAccessibleName("Course map")
        self.cards: dict[str, LessonCard] = {}
        self._places: dict[LessonCard, tuple[int, int]] = {}
        known = {name: entry for entry in entries for name in (entry.name, entry.short_name)}
        grid = QGridLayout(self)
        grid.setSpacing(_APART)
        row = 0
        for chapter, lessons in chapters(entries).items():
            heading = QLabel(chapter)
            heading.setProperty("heading", True)
            heading.setWordWrap(True)
            heading.setFixedWidth(scaled(_HEADING))
            grid.addWidget(heading, row, 0, Qt.AlignmentFlag.AlignTop)
            for place, entry in enumerate(lessons):
                card = LessonCard(entry, [known[name] for name in entry.needs if name in known])
                card.clicked.connect(lambda _checked=False, entry=entry: self.lesson_chosen.emit(entry))
                card.moved.connect(self._move)
                card.pointed.connect(self.update)
                self.cards[entry.name] = card
                down, across = divmod(place, _IN_A_ROW)
                self._places[card] = row + down, across
                grid.addWidget(card, row + down, across + 1)
            row += (len(lessons) - 1) // _IN_A_ROW + 1
        grid.setColumnStretch(_IN_A_ROW + 1, 1)
        grid.setRowStretch(row, 1)

    def apply_theme(self, theme: Theme) -> None:
        for card in self.cards.values():
            card.apply_theme(theme)

    def show_progress(self, finished: Sequence[str], steps: Mapping[str, int], present: str) -> None:
        """Show which lessons are finished, and the step reached in others; the keyboard begins at `present`."""
        for name, card in self.cards.items():
            card.show_progress(finished=name in finished, step=steps.get(name, 0))
        unfinished = (name for name in self.cards if name not in finished)
        first = present if present in self.cards else next(unfinished, next(iter(self.cards), ""))
        if first:
            self.cards[first].setFocus()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        links = [(self.cards[need.name], card) for card in self.cards.values() for need in card.needs]
        # The highlighted ones are over the others.
        for first, then in sorted(links, key=lambda link: any(end.highlighted for end in link)):
            shown = first.highlighted or then.highlighted
            role = QPalette.ColorRole.Accent if shown else QPalette.ColorRole.PlaceholderText
            painter.setPen(QPen(self.palette().color(role), 2.0 if shown else 1.2))
            painter.drawPath(self._path(first, then))
        painter.end()

    def _path(self, first: LessonCard, then: LessonCard) -> QPainterPath:
        """A line to the next lesson of a row, else a curve from the near edges, or below a row to a later one in it."""
        rows = self._places[then][0] - self._places[first][0]
        a, b = QRectF(first.geometry()), QRectF(then.geometry())
        if rows == 0 and self._places[then][1] == self._places[first][1] + 1:
            path = QPainterPath(QPointF(a.right(), a.center().y()))
            path.lineTo(b.left(), b.center().y())
            return path
        begin = QPointF(a.center().x(), a.bottom() if rows >= 0 else a.top())
        end = QPointF(b.center().x(), b.top() if rows > 0 else b.bottom())
        bend = QPointF(0.0, (end.y() - begin.y()) / 2 if rows else _APART * 1.1)
        path = QPainterPath(begin)
        path.cubicTo(begin + bend, end - bend if rows else end + bend, end)
        return path

    def _move(self, card: LessonCard, rows: int, columns: int) -> None:
        """Go to the next lesson in the order of the map, or to the nearest one in the row above or below."""
        cards = list(self._places)
        if columns:
            cards[(cards.index(card) + columns) % len(cards)].setFocus()
            return
        row, column = self._places[card]
        there = [other for other in cards if self._places[other][0] == row + rows]
        if there:
            min(there, key=lambda other: abs(self._places[other][1] - column)).setFocus()


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
        area = DialogScrollArea(course)
        for card in course.cards.values():
            card.pointed.connect(lambda card=card: area.ensureWidgetVisible(card) if card.hasFocus() else None)
        note = QLabel("A line leads from each lesson to those that need it. Arrow keys select, Enter opens.")
        note.setProperty("muted", True)
        note.setWordWrap(True)
        layout = QVBoxLayout(self)
        space_dialog(layout)
        for widget in (area, note, buttons):
            layout.addWidget(widget)
