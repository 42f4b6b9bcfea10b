"""Framed buttons of the first screen: doors to begin with, and the chapters of the course."""

from collections.abc import Mapping, Sequence
from string import Template

from PySide6.QtCore import QByteArray, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QFont, QFontMetricsF, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QMenu, QSizePolicy

from rnnviz.gui.commands.actions import TAKES_ARROWS
from rnnviz.gui.theme.fonts import text_font
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.lessons.index import CHAPTERS, LessonEntry, chapter_picture

_BOLD = QFont.Weight.DemiBold
_DOOR_HEIGHT, _CHAPTER_HEIGHT = 60, 104
_ICON, _CHEVRON = 22, 14
_PICTURE = 72, 68
_DIVERGING = "deep_blue", "blue", "pale_blue", "middle", "pale_orange", "orange", "deep_orange"
"""Names of the stops of the diverging colors in the pictures."""


class Card(QAbstractButton):
    """A framed button with a title and a line below it. Up and Down go to its neighbors."""

    _height = _DOOR_HEIGHT

    def __init__(self, title: str, line: str) -> None:
        super().__init__()
        self._theme = LIGHT
        self.setProperty(TAKES_ARROWS, True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_text(title, line)

    def show_text(self, title: str, line: str) -> None:
        self.line = line
        self.setText(title)
        self.setAccessibleName(title)
        self.setAccessibleDescription(line)
        self.setToolTip(wrapped(line))
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(scaled(240), scaled(self._height))

    def minimumSizeHint(self) -> QSize:
        return QSize(scaled(160), scaled(self._height))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        elif event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.focusNextPrevChild(event.key() == Qt.Key.Key_Down)
        else:
            super().keyPressEvent(event)

    def _paint_frame(self, painter: QPainter, fills: Sequence[str], line: str, focus: str, width: float = 1.0) -> None:
        """The frame; `fills` are the colors as it is, under the pointer and pressed."""
        fill = fills[2] if self.isDown() else fills[1] if self.underMouse() else fills[0]
        line, width = (focus, 2.0) if self.hasFocus() else (line, width)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(line), width))
        painter.setBrush(QColor(fill))
        half = width / 2
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(half, half, -half, -half), scaled(6), scaled(6))

    def _write(
        self, painter: QPainter, left: float, top: float, text: str, font: QFont, color: str, end: float
    ) -> None:
        """One line of text from `left` to `end` before the edge, shortened where it does not fit."""
        room = QRectF(scaled(left), scaled(top), self.width() - scaled(left + end), scaled(20))
        painter.setFont(font)
        painter.setPen(QColor(color))
        shown = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), shown)


class Door(Card):
    """A way to begin, with an icon. The `main` one has the accent color."""

    def __init__(self, icon: str, title: str, line: str, *, main: bool = False) -> None:
        self._icon, self._main = icon, main
        super().__init__(title, line)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, painter = self._theme, QPainter(self)
        if self._main:
            fills, line, focus = (theme.accent, theme.accent_hovered, theme.accent_pressed), theme.accent, theme.text
            role, text, muted = "on_accent", theme.on_accent, theme.on_accent
        else:
            fills, focus = (theme.base, theme.raised, theme.pressed), theme.accent
            line = theme.muted if self.underMouse() else theme.border
            role, text, muted = "accent", theme.text, theme.muted
        self._paint_frame(painter, fills, line, focus)
        icons, middle = Icons(theme), scaled(_DOOR_HEIGHT) // 2
        for name, size, left, color in (
            (self._icon, scaled(_ICON), scaled(16), role),
            ("next", scaled(_CHEVRON), self.width() - scaled(16 + _CHEVRON), role if self._main else "muted"),
        ):
            painter.drawPixmap(left, middle - size // 2, icons.colored(name, color).pixmap(size, size))
        self._write(painter, 52, 10, self.text(), text_font(15, _BOLD), text, 46)
        self._write(painter, 52, 30, self.line, text_font(13), muted, 46)
        painter.end()


class ChapterCard(Card):
    """A chapter with its picture, and one segment for each lesson: finished, begun or open.

    A click opens the lesson in progress; the context menu lists all.
    """

    lesson_chosen = Signal(object)
    """A `LessonEntry`."""

    _height = _CHAPTER_HEIGHT

    def __init__(self, chapter: str, lessons: Sequence[LessonEntry]) -> None:
        self.lessons = tuple(lessons)
        self.next_lesson = self.lessons[0]
        self.in_progress = False
        self.shares: tuple[float, ...] = (0.0,) * len(self.lessons)
        """How much of each lesson is done: 0, 1, or a half of one that was begun."""
        self._picture = Template(chapter_picture(chapter).read_text(encoding="utf-8")) if chapter in CHAPTERS else None
        self._renderer: QSvgRenderer | None = None
        super().__init__(chapter, CHAPTERS.get(chapter, ""))
        self.apply_theme(self._theme)
        self.clicked.connect(lambda: self.lesson_chosen.emit(self.next_lesson))

    def show_progress(self, finished: Sequence[str], steps: Mapping[str, int], last: str) -> None:
        """Show which lessons are finished or begun; the chapter with the `last` opened one is in progress."""
        names = [entry.name for entry in self.lessons]
        self.shares = tuple(1.0 if name in finished else 0.5 if steps.get(name) else 0.0 for name in names)
        self.in_progress = last in names and min(self.shares) < 1.0
        open_lessons = [entry for entry in self.lessons if entry.name not in finished]
        begun = (entry for entry in open_lessons if entry.name == last or steps.get(entry.name))
        self.next_lesson = next(begun, next(iter(open_lessons), self.lessons[0]))
        self.setAccessibleDescription(f"{self.line}. {self.caption}. Opens lesson {self.next_lesson.number}.")
        self.setToolTip(wrapped(f"Lesson {self.next_lesson.number}: {self.next_lesson.title}"))
        self.update()

    @property
    def caption(self) -> str:
        done, count = self.shares.count(1.0), len(self.lessons)
        lessons = f"{count} lesson{'s' * (count > 1)}"
        return "✓ done" if done == count else f"{done} of {lessons}" if done else lessons

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        if self._picture is not None:
            roles = {role: value for role, value in vars(theme).items() if isinstance(value, str)}
            drawing = self._picture.substitute(roles, **dict(zip(_DIVERGING, theme.diverging, strict=True)))
            self._renderer = QSvgRenderer(QByteArray(drawing.encode()))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for entry, share in zip(self.lessons, self.shares, strict=True):
            action = menu.addAction(f"{entry.number}  {entry.title}")
            action.setCheckable(share == 1.0)
            action.setChecked(share == 1.0)
            action.triggered.connect(lambda _checked=False, entry=entry: self.lesson_chosen.emit(entry))
        menu.popup(event.globalPos())

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, painter = self._theme, QPainter(self)
        line = theme.accent if self.in_progress else theme.muted if self.underMouse() else theme.border
        width = 2.0 if self.in_progress else 1.0
        self._paint_frame(painter, (theme.base, theme.raised, theme.pressed), line, theme.accent, width)
        picture = QRectF(scaled(12), scaled(18), scaled(_PICTURE[0]), scaled(_PICTURE[1]))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("window" if theme.name == "light" else "base"))
        painter.drawRoundedRect(picture, scaled(6), scaled(6))
        if self._renderer is not None:
            self._renderer.render(painter, picture)
        self._write(painter, 96, 16, self.text(), text_font(14, _BOLD), theme.text, 14)
        self._write(painter, 96, 37, self.line, text_font(12), theme.muted, 14)
        self._paint_progress(painter)
        done = min(self.shares) == 1.0
        font, color = (text_font(12, _BOLD), theme.right) if done else (text_font(12), theme.muted)
        self._write(painter, 96, 69, self.caption, font, color, 14)
        painter.end()

    def _paint_progress(self, painter: QPainter) -> None:
        theme, gap, left = self._theme, scaled(3), scaled(96)
        width = (self.width() - left - scaled(14) + gap) / len(self.shares) - gap
        painter.setPen(Qt.PenStyle.NoPen)
        for place, share in enumerate(self.shares):
            bar = QRectF(left + place * (width + gap), scaled(62), width, scaled(4))
            for color, part in ((theme.border, 1.0), (theme.right if share == 1.0 else theme.accent, share)):
                painter.setBrush(QColor(color))
                painter.drawRoundedRect(QRectF(bar.topLeft(), bar.bottomRight() - QPointF(width * (1 - part), 0)), 2, 2)
