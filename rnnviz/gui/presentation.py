"""Presentation: a lesson's step in large type next to the lanes, or the lanes in large type, on the full screen."""

import re
from typing import Protocol

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from rnnviz.gui.lessons.controller import LessonController
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import chosen_text_scale
from rnnviz.gui.view_sync import ViewSynchronizer
from rnnviz.gui.views.base import ResultView

_SCREEN = 1920
"""Width of the screen in pixels that the sizes are for."""
_BAR, _MARGIN, _LEFT, _GAP = 88, 64, 752, 40
_TITLE, _TEXT, _QUESTION, _CHOICE, _SMALL, _HEAD = 44, 28, 33, 30, 22, 24
_SMALLEST_TEXT = 24
_TEXT_SIZE = 200
"""Smallest text size of a presentation, in percent."""
_SMALLEST = 0.6
_BLOCKS = re.compile(r"\n\s*\n(?=(?:[^`]|`(?!``)|```.*?```)*\Z)", re.DOTALL)
"""An empty line outside code."""


class PresentedWindow(Protocol):
    """The window as the presentation sees it."""

    main_layout: MainLayout
    views: list[ResultView]

    @property
    def lanes(self) -> ResultView:
        """The lanes."""

    def apply_text_size(self, percent: int) -> None:
        """Show all texts in a size, in percent of the system font."""


class PresentationPage(QWidget):
    """A step of the lesson over the whole window: text and question at the left, the lanes in the rest."""

    def __init__(self, window: QWidget, guide: LessonController, theme: Theme) -> None:
        from rnnviz.gui.lessons.cards import NoticeCard, QuestionCard, TaskCard
        from rnnviz.gui.lessons.lesson_text import LessonText, set_size, text_label
        from rnnviz.gui.lessons.pane import StepDots

        super().__init__(window)
        self.setObjectName("presentation")
        self.setAccessibleName("Presentation")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._guide, self._theme = guide, theme
        self.page, self._pages = 0, [""]
        self._tall = False
        """Whether question and task leave no room for the title on their page."""
        semibold = QFont.Weight.DemiBold
        share = window.width() / _SCREEN
        self._unit = max(share, _SMALLEST)
        # A room that needs large text has it on a small screen, too.
        self._scale = max(self._unit, min(1.0, chosen_text_scale() * 13.0 / _TEXT))
        self.heading, self.place = text_label(self._size(_HEAD), semibold), text_label(self._size(_HEAD), muted=True)
        self.place.setWordWrap(False)
        self.dots = StepDots(self._size(14))
        self.title = text_label(self._size(_TITLE), semibold)
        self.prose = LessonText("Text of the step", self._size(_TEXT))
        self.question = QuestionCard(
            text=self._size(_QUESTION), body=self._size(_SMALLEST_TEXT), choice=self._size(_CHOICE)
        )
        self.task = TaskCard(body=self._size(_TEXT))
        self.done = NoticeCard("Done", "right", "check", "right", self._size(_SMALLEST_TEXT))
        self.keys = QLabel()
        self.keys.setTextFormat(Qt.TextFormat.RichText)
        self.leave_button = QPushButton("Leave (Esc)")
        self.leave_button.setProperty("flat", True)
        self.leave_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.leave_button.setToolTip("Shows the panes again (F11, too).")
        set_size(self.leave_button, self._size(_SMALL))
        self.picture = QFrame()
        self.picture.setProperty("card", "picture")
        self.question.answered.connect(guide.answer)
        for text in self.findChildren(LessonText):
            text.part_requested.connect(guide.frame_part)
        self._lay_out()
        self.show_step()

    def _size(self, pixels: float) -> float:
        """A font size at a text size of 100%."""
        return pixels * self._scale / chosen_text_scale()

    def show_step(self) -> None:
        """Show the step that is open, from its first page."""
        self.page = 0
        self.show_state()

    def show_state(self) -> None:
        """Show what was answered and done in the step."""
        state = self._guide.state
        if state is None:
            return
        step, count = state.step, len(state.lesson.steps)
        self.heading.setText(state.lesson.title)
        self.place.setText(f"step {state.number + 1} of {count}")
        self.dots.show_state(state)
        self.title.setText(step.title)
        self.question.show_state(state)
        self.task.show_state(state)
        done = state.done and step.task is not None
        self.done.show_text("Done" if done else "", step.task.done if done and step.task is not None else "")
        for part in (self.dots, self.prose, self.question, self.task, self.done):
            part.apply_theme(self._theme)
        self._divide(step.prose)

    def turn(self, by: int) -> bool:
        """Go to another page of the step; whether there is one."""
        page = self.page + by
        if not 0 <= page < len(self._pages):
            return False
        self.page = page
        self._show_page()
        return True

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            turned = self._turns(event)
            if turned is not None and 0 <= self.page + turned < len(self._pages):
                event.accept()
                return True
            return self.question.take_key(event) or super().event(event)
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        turned = self._turns(event)
        if not (turned is not None and self.turn(turned)) and not self.question.take_key(event):
            super().keyPressEvent(event)

    def _turns(self, event: QKeyEvent) -> int | None:
        return {Qt.Key.Key_PageDown: 1, Qt.Key.Key_PageUp: -1}.get(Qt.Key(event.key()))

    def _divide(self, prose: str) -> None:
        """Divide the step into pages: all on one, in smaller type if it must be, else the text and then the rest."""
        from rnnviz.gui.lessons.lesson_text import set_size

        width, room = self._column_width, self._room
        parts = [part for part in (self.question, self.task, self.done) if not part.isHidden()]
        rest = sum(_height(part, width) + self._gap for part in parts)
        title = _height(self.title, width) + self._gap
        self._tall = title + rest > room
        self._pages = [prose]
        for size in range(_TEXT, _SMALLEST_TEXT - 1, -2):
            set_size(self.prose, self._size(size))
            self.prose.show_markdown(prose)
            if title + self.prose.heightForWidth(width) + rest <= room:
                break
        else:
            self._pages = [*self._split(prose, room - title), ""] if parts else self._split(prose, room - title)
        if self._guide.state is not None and self._guide.state.tries and parts:
            # What was answered is on the last page.
            self.page = len(self._pages) - 1
        self.page = min(self.page, len(self._pages) - 1)
        self._show_page()

    def _split(self, prose: str, room: float) -> list[str]:
        """The text in parts that fit into a height, divided between paragraphs."""
        pages = [""]
        for block in _BLOCKS.split(prose):
            longer = f"{pages[-1]}\n\n{block}".strip()
            self.prose.show_markdown(longer)
            if pages[-1] and self.prose.heightForWidth(self._column_width) > room:
                pages.append(block)
            else:
                pages[-1] = longer
        return pages

    def _show_page(self) -> None:
        several, last = len(self._pages) > 1, self.page == len(self._pages) - 1
        self.prose.show_markdown(self._pages[self.page])
        self.title.setHidden(several and last and self._tall)
        state = self._guide.state
        if state is not None:
            self.question.setVisible(last and state.step.question is not None)
            self.task.setVisible(last and state.step.task is not None and not state.asking)
            self.done.setVisible(last and state.done and state.step.task is not None)
        self._show_keys(f"page {self.page + 1} of {len(self._pages)}" if several else "")
        self._scroll.verticalScrollBar().setValue(0)

    def _show_keys(self, pages: str) -> None:
        state = self._guide.state
        asking = state is not None and state.asking and not self.question.isHidden()
        keys = []
        if asking and self.question.choices:
            keys.append((" ".join("ABCDEFGHI"[: len(self.question.choices)]), "choose"))
        if asking:
            keys += [("Enter", "answer"), ("Ctrl End", "show the answer")]
        if pages:
            keys.append(("PgDn", pages))
        keys.append(("Ctrl PgDn", "next step"))
        border, text = self._theme.border, self._theme.muted
        room = self.window().width() - 2 * self._px(_MARGIN) - self._px(16) - self.leave_button.sizeHint().width()
        for size in range(_SMALL, 11, -1):
            pixels = round(size * self._scale)
            chips = [
                f'<span style="font-family: JetBrains Mono NL; color: {self._theme.text}; background: {border};">'
                f"&nbsp;{key}&nbsp;</span> {words}"
                for key, words in keys
            ]
            self.keys.setText(
                f'<span style="font-size: {pixels}px; color: {text};">{"&nbsp;&nbsp;&nbsp;&nbsp; ".join(chips)}</span>'
            )
            if self.keys.sizeHint().width() <= room:
                break

    def _px(self, pixels: float) -> int:
        return round(pixels * self._unit)

    @property
    def _gap(self) -> int:
        return self._px(28)

    @property
    def _column_width(self) -> int:
        half = (self.window().width() - 2 * self._px(_MARGIN) - self._px(_GAP)) / 2.0
        wanted = _LEFT * self._scale
        return round(min(wanted, half))

    @property
    def _room(self) -> float:
        return float(self.window().height() - 2 * self._px(_BAR))

    def _lay_out(self) -> None:
        margin = self._px(_MARGIN)
        head, middle, foot = QWidget(), QWidget(), QWidget()
        row = _row(head, margin, self._px(16))
        row.addWidget(self.heading, 1)
        row.addWidget(self.dots)
        row.addWidget(self.place)
        left = QWidget()
        # The height for the width decides, and not the minimum height, which is for the smallest width.
        left.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(self._gap)
        column.addStretch(1)
        for part in (self.title, self.prose, self.question, self.done, self.task):
            column.addWidget(part)
        column.addStretch(1)
        self._scroll = QScrollArea()
        self._scroll.setObjectName("presentation_text")
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._scroll.setAccessibleName("Text and question of the step")
        self._scroll.setFixedWidth(self._column_width)
        self._scroll.setWidget(left)
        QVBoxLayout(self.picture).setContentsMargins(*(self._px(12),) * 4)
        self.picture.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        row = _row(middle, margin, self._px(_GAP))
        row.addWidget(self._scroll)
        row.addWidget(self.picture, 1)
        row = _row(foot, margin, self._px(16))
        row.addWidget(self.keys, 1)
        row.addWidget(self.leave_button)
        for bar in (head, foot):
            bar.setFixedHeight(self._px(_BAR))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(head)
        layout.addWidget(middle, 1)
        layout.addWidget(foot)
        self.setGeometry(self.window().rect())


def _row(widget: QWidget, margin: int, spacing: int) -> QHBoxLayout:
    row = QHBoxLayout(widget)
    row.setContentsMargins(margin, 0, margin, 0)
    row.setSpacing(spacing)
    return row


def _height(widget: QWidget, width: int) -> int:
    widget.ensurePolished()
    # Qt lays out the cards in it, and then the widget, only when events are processed.
    for inner in (*reversed(widget.findChildren(QFrame)), widget):
        layout = inner.layout()
        if layout is not None:
            layout.activate()
    return widget.heightForWidth(width) if widget.hasHeightForWidth() else widget.sizeHint().height()


class Presentation(QObject):
    """Shows the step of a lesson, or else the lanes, on the full screen, and afterwards the window as it was."""

    changed = Signal(bool)
    """Whether the window presents."""

    def __init__(
        self,
        host: PresentedWindow,
        window: QMainWindow,
        guide: LessonController,
        following: ViewSynchronizer,
        settings: Settings,
    ) -> None:
        super().__init__(window)
        self._following = following
        self._part: ResultView | None = None
        """A copy of the view that the step speaks of, under the lanes."""
        self._host, self._window, self._guide, self._settings = host, window, guide, settings
        self._theme = LIGHT
        self._state_before: Qt.WindowState | None = None
        self._borrowed = False
        """Whether the page has the lanes."""
        self.page: PresentationPage | None = None
        self._later = QTimer(self, interval=0, singleShot=True)
        self._later.timeout.connect(self._arrange)
        guide.step_changed.connect(self._on_step)
        guide.state_changed.connect(self._on_state)
        window.installEventFilter(self)

    @property
    def active(self) -> bool:
        return self._state_before is not None

    def toggle(self) -> None:
        if self.active:
            self.leave()
        else:
            self._state_before = self._window.windowState()
            for bar in (self._window.menuBar(), self._window.statusBar()):
                bar.hide()
            self._host.main_layout.present(on=True)
            self._host.apply_text_size(max(_TEXT_SIZE, self._settings.text_size))
            self._window.setWindowState(self._state_before | Qt.WindowState.WindowFullScreen)
            self._later.start()
            self.changed.emit(True)

    def leave(self) -> None:
        if self._state_before is None:
            return
        state, self._state_before = self._state_before, None
        self._drop_page()
        for bar in (self._window.menuBar(), self._window.statusBar()):
            bar.show()
        self._host.main_layout.present(on=False)
        self._host.apply_text_size(self._settings.text_size)
        self._window.setWindowState(state)
        self.changed.emit(False)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.page is not None:
            self._later.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if self.active and isinstance(event, QResizeEvent) and event.size() != event.oldSize():
            self._later.start()
        return False

    def _on_step(self) -> None:
        if not self.active:
            return
        if self.page is None or self._guide.state is None:
            self._later.start()
        else:
            self.page.show_step()
            self._show_part()

    def _on_state(self) -> None:
        if self.page is not None:
            self.page.show_state()

    def _arrange(self) -> None:
        """Make the page again, as its sizes follow the window and the text; without a lesson there is none."""
        if not self.active:
            return
        self._drop_page()
        if self._guide.state is None:
            return
        self._guide.presenting = True
        self._guide.unframe()
        self.page = PresentationPage(self._window, self._guide, self._theme)
        self.page.leave_button.clicked.connect(self.leave)
        inside = self.page.picture.layout()
        lanes = self._host.main_layout.lend_lanes()
        assert isinstance(inside, QVBoxLayout)
        inside.addWidget(lanes, 1)
        lanes.show()
        self._borrowed = True
        self._show_part()
        self.page.show()
        self.page.raise_()
        self.page.setFocus()

    def _show_part(self) -> None:
        """Show the view that the step speaks of with the lanes, in a copy: curves, a table or the verdict."""
        from rnnviz.gui.lessons.parts import view_of

        self._drop_part()
        step = self._guide.step
        view = None if step is None or step.look.part is None else view_of(self._host.views, step.look.part)
        if view is None or self.page is None:
            return
        self._part = part = type(view)()
        part.apply_theme(self._theme)
        self._following.add(part)
        inside = self.page.picture.layout()
        assert isinstance(inside, QVBoxLayout)
        verdict = part.title == "Verdict"
        inside.insertWidget(0 if verdict else 1, part, 0 if verdict else 1)
        part.show()

    def _drop_part(self) -> None:
        if self._part is not None:
            self._following.remove(self._part)
            self._part.hide()
            self._part.deleteLater()
            self._part = None

    def _drop_page(self) -> None:
        self._drop_part()
        if self._borrowed:
            self._host.main_layout.set_lanes(self._host.lanes)
            self._borrowed = False
        self._guide.presenting = False
        if self.page is not None:
            self.page.hide()
            self.page.deleteLater()
            self.page = None
