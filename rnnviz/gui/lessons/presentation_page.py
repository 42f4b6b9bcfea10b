"""A step of a lesson in large type over the whole window, next to the lanes."""

import re
from dataclasses import asdict

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QSizePolicy, QWidget

from rnnviz.gui.lessons.cards import StepState
from rnnviz.gui.lessons.lesson_text import set_size, text_label
from rnnviz.gui.lessons.pane import SEMIBOLD, StepView, TextSizes, bar
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import chosen_text_scale
from rnnviz.gui.views.base import down, is_plain

_SCREEN = 1920
"""Width of the screen in pixels that the sizes are for."""
_BAR, _MARGIN, _LEFT, _GAP = 88, 64, 752, 40
_SIZES = TextSizes(place=24, title=44, text=28, question=33, choice=30, body=24, done=24, dots=14)
_SMALLEST_TEXT, _SMALLEST_CHOICE, _KEYS = 24, 21, 22
_SMALLEST = 0.6
_BLOCKS = re.compile(r"\n\s*\n(?=(?:[^`]|`(?!``)|```.*?```)*\Z)", re.DOTALL)
"""An empty line outside code."""
_TURNS = {Qt.Key.Key_PageDown: 1, Qt.Key.Key_PageUp: -1}


class PresentationPage(StepView):
    """Text and question at the left, the lanes in the rest. A long step has several pages."""

    def __init__(self, window: QWidget, state: StepState, theme: Theme) -> None:
        unit, chosen = max(window.width() / _SCREEN, _SMALLEST), chosen_text_scale()
        # A room that needs large text has it on a small screen, too.
        scale = max(unit, min(1.0, chosen * 13.0 / _SIZES.text))
        super().__init__(
            TextSizes(**{name: pixels * scale / chosen for name, pixels in asdict(_SIZES).items()}), window
        )
        self._unit, self._scale = unit, scale
        self.setObjectName("presentation")
        self.setAccessibleName("Presentation")
        self._shown, self.page, self._pages = state, 0, [""]
        self._tall = False
        """Whether question and task leave no room for the title on their page."""
        self.heading, self.keys = text_label(self._size(_SIZES.place), SEMIBOLD), QLabel()
        self.keys.setTextFormat(Qt.TextFormat.RichText)
        self.leave_button = QPushButton("Leave (Esc)")
        self.leave_button.setProperty("flat", True)
        self.leave_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.leave_button.setToolTip("Shows the panes again (F11, too).")
        set_size(self.leave_button, self._size(_KEYS))
        self.inside = down(margins=(self._px(12),) * 4)
        self.picture = QFrame()
        self.picture.setProperty("card", "picture")
        self.picture.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.picture.setLayout(self.inside)
        left = QWidget()
        # The height for the width decides, and not the minimum height, which is for the smallest width.
        left.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self.parts = self.title, self.prose, self.question, self.done, self.task
        left.setLayout(down(None, *self.parts, None, spacing=self._gap))
        self.scroll_area.setObjectName("presentation_text")
        self.scroll_area.setAccessibleName("Text and question of the step")
        self.scroll_area.setFixedWidth(self._column_width)
        self.scroll_area.setWidget(left)
        margins = self._px(_MARGIN), 0, self._px(_MARGIN), 0
        head = bar((self.heading, 1), self.dots, self.place, margins=margins, spacing=self._px(16))
        foot = bar((self.keys, 1), self.leave_button, margins=margins, spacing=self._px(16))
        for edge in (head, foot):
            edge.setFixedHeight(self._px(_BAR))
        middle = bar(self.scroll_area, (self.picture, 1), margins=margins, spacing=self._px(_GAP))
        self.lay_out(down(head, (middle, 1), foot, spacing=0))
        self.setGeometry(window.rect())
        self.apply_theme(theme)
        self.show_state(state)

    def show_state(self, state: StepState) -> None:
        """Show a step, another one from its first page."""
        self.page = self.page if state.step is self._shown.step else 0
        self._shown = state
        super().show_state(state)
        self.heading.setText(state.lesson.title)
        self._divide(state.step.prose)

    def take_key(self, event: QKeyEvent) -> bool:
        by = _TURNS.get(Qt.Key(event.key()), 0) if is_plain(event, _TURNS) else 0
        if not by or not 0 <= self.page + by < len(self._pages):
            return super().take_key(event)
        event.accept()
        if event.type() == QEvent.Type.KeyPress:
            self.page += by
            self._show_page()
        return True

    def _divide(self, prose: str) -> None:
        """Divide the step into pages: all on one, in smaller type if it must be, else the text and then the rest."""
        width, room = self._column_width, self._room
        parts = [part for part in (self.question, self.task, self.done) if not part.isHidden()]
        rest = 0
        for size in range(round(_SIZES.choice), _SMALLEST_CHOICE - 1, -1):
            for choice in self.question.choices:
                choice.set_text_size(self._size(size))
            rest = sum(_height(part, width) + self._gap for part in parts)
            if rest <= room:
                break
        title = _height(self.title, width) + self._gap
        self._tall = title + rest > room
        self._pages = [prose]
        for size in range(round(_SIZES.text), _SMALLEST_TEXT - 1, -2):
            set_size(self.prose, self._size(size))
            self.prose.show_markdown(prose)
            if title + self.prose.heightForWidth(width) + rest <= room:
                break
        else:
            self._pages = self._split(prose, room - title) + [""] * bool(parts)
        # What was answered is on the last page.
        last = len(self._pages) - 1
        self.page = last if self._shown.tries and parts else min(self.page, last)
        self._show_page()

    def _split(self, prose: str, room: int) -> list[str]:
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
        state = self._shown
        self.question.setVisible(last and state.step.question is not None)
        self.task.setVisible(last and state.step.task is not None and not state.asking)
        self.done.setVisible(last and state.task_done)
        self._show_keys(f"page {self.page + 1} of {len(self._pages)}" if several else "")
        # A bar that Qt shows for a moment would stay, as it makes the text longer.
        parts = (part for part in self.parts if not part.isHidden())
        fits = sum(_height(part, self._column_width) + self._gap for part in parts) - self._gap <= self._room
        policy = Qt.ScrollBarPolicy.ScrollBarAlwaysOff if fits else Qt.ScrollBarPolicy.ScrollBarAlwaysOn
        self.scroll_area.setVerticalScrollBarPolicy(policy)
        self.scroll_area.verticalScrollBar().setValue(0)

    def _show_keys(self, pages: str) -> None:
        asking = self._shown.asking and not self.question.isHidden()
        keys = []
        if asking and self.question.choices:
            keys.append((" ".join("ABCDEFGHI"[: len(self.question.choices)]), "choose"))
        if asking:
            keys += [("Enter", "answer"), ("Ctrl End", "show the answer")]
        if pages:
            keys.append(("PgDn", pages))
        keys.append(("Ctrl PgDn", "next step"))
        border, text = self.theme.border, self.theme.muted
        room = self.window().width() - 2 * self._px(_MARGIN) - self._px(16) - self.leave_button.sizeHint().width()
        for size in range(_KEYS, 11, -1):
            pixels = round(size * self._scale)
            chips = [
                f'<span style="font-family: JetBrains Mono NL; color: {self.theme.text}; background: {border};">'
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
    def _room(self) -> int:
        return self.window().height() - 2 * self._px(_BAR)

    @property
    def _gap(self) -> int:
        return self._px(28)

    @property
    def _column_width(self) -> int:
        half = (self.window().width() - 2 * self._px(_MARGIN) - self._px(_GAP)) / 2.0
        wanted = _LEFT * self._scale
        return round(min(wanted, half))

    def _size(self, pixels: float) -> float:
        """A font size at a text size of 100%."""
        return pixels * self._scale / chosen_text_scale()


def _height(widget: QWidget, width: int) -> int:
    widget.ensurePolished()
    # Qt lays out the cards in it, and then the widget, only when events are processed.
    for inner in (*reversed(widget.findChildren(QFrame)), widget):
        layout = inner.layout()
        if layout is not None:
            layout.activate()
    return widget.heightForWidth(width) if widget.hasHeightForWidth() else widget.sizeHint().height()
