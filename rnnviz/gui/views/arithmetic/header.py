"""Header of the arithmetic: breadcrumbs of the navigation history, the divergence, and options of the list."""

from collections.abc import Sequence
from functools import cached_property

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QWidget,
)

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.places import Place
from rnnviz.core.trace_index import ARROWS
from rnnviz.explain.explanation import divergence_sentence
from rnnviz.explain.terms import Order, TermTable
from rnnviz.explain.value_sources import in_words, notation
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.arithmetic.cards import MARKS
from rnnviz.gui.views.arithmetic.page import Page
from rnnviz.gui.views.base import across

_BETWEEN = "‹"
_LEAST_CRUMBS = 120
_AROUND, _STEP, _BETWEEN_WIDTH = 26, 16, 12
"""Pixels: the button frame and separator of a name; the multiple for rounded widths; the separator."""


class Breadcrumbs(QWidget):
    """Shows the names that fit, those near the current place first."""

    back_requested = Signal()
    forward_requested = Signal()
    place_requested = Signal(int)
    """Index of a place in the history."""

    def __init__(self) -> None:
        super().__init__()
        self._places: tuple[Place, ...] = ()
        self._at = 0
        self._wide = 0
        self.back = _button("Back", "Return to the number that used this one (Alt+Left).")
        self.forward = _button("Forward", "Return to the number before Back (Alt+Right).")
        self.back.clicked.connect(self.back_requested)
        self.forward.clicked.connect(self.forward_requested)
        self._row = across(self.back, self.forward, None, spacing=0)
        self.setLayout(self._row)
        self._crumbs: list[QWidget] = []
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Navigation history")

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.__dict__.pop("_button_size", None)
            self.updateGeometry()

    @property
    def names(self) -> list[str]:
        """The visible names, the oldest first."""
        return [button.text() for button in self._buttons]

    def show_history(self, places: Sequence[Place], at: int) -> None:
        """Show a history; `at` is the index of the current place."""
        self._places, self._at = tuple(places), at
        widths = self._widths()
        if sum(widths) != self._wide:
            self._wide = sum(widths)
            self.updateGeometry()
        self.back.setEnabled(at > 0)
        self.forward.setEnabled(at < len(places) - 1)
        self._fill()

    def apply_theme(self, theme: Theme) -> None:
        icons = Icons(theme)
        self.back.setIcon(icons["previous"])
        self.forward.setIcon(icons["next"])
        if self._places:
            self._wide = sum(self._widths())
            self._fill()

    def sizeHint(self) -> QSize:
        return QSize(self._buttons_width + self._wide, self._button_size.height())

    def minimumSizeHint(self) -> QSize:
        return QSize(self._buttons_width + _LEAST_CRUMBS, self._button_size.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._places:
            self._fill()

    @cached_property
    def _button_size(self) -> QSize:
        """Size of the Back and Forward buttons, cached because the style computes it slowly."""
        return self.back.sizeHint().expandedTo(QSize(0, self.fontMetrics().height() + 6))

    @property
    def _buttons_width(self) -> int:
        return 2 * self._button_size.width() + 8

    def _texts(self) -> list[str]:
        return [crumb_text(place, self._places[k - 1] if k else None) for k, place in enumerate(self._places)]

    def _widths(self) -> list[int]:
        """Widths of the names, rounded up so that a moving selection changes texts but no width."""
        measure = self.fontMetrics().horizontalAdvance
        return [-(-(measure(text) * 9 // 8 + _AROUND) // _STEP) * _STEP for text in self._texts()]

    def _fill(self) -> None:
        texts, widths = self._texts(), self._widths()
        shown = self._in_room(widths)
        if len(shown) != len(self._buttons):
            self._remake(len(shown))
        if len(shown) != len(self._buttons):
            # New buttons may resize the row, which then was filled for its new width.
            return
        for button, place in zip(self._buttons, shown, strict=True):
            self._name(button, place, texts[place], widths[place] - _BETWEEN_WIDTH)

    def _in_room(self, widths: list[int]) -> list[int]:
        """Indices of the places whose names fit."""
        shown: list[int] = []
        used = self._buttons_width
        for place in [*range(self._at, -1, -1), *range(self._at + 1, len(widths))]:
            used += widths[place]
            if shown and used > self.width():
                break
            shown.append(place)
        return sorted(shown)

    def _remake(self, count: int) -> None:
        for crumb in self._crumbs:
            self._row.removeWidget(crumb)
            crumb.hide()
            crumb.deleteLater()
        self._crumbs = []
        for place in range(count):
            if place:
                between = QLabel(_BETWEEN)
                between.setFixedWidth(_BETWEEN_WIDTH)
                self._crumbs.append(between)
            button = QToolButton()
            button.setAutoRaise(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, own=button: self.place_requested.emit(own.property("at")))
            self._crumbs.append(button)
        for place, crumb in enumerate(self._crumbs, start=2):
            self._row.insertWidget(place, crumb)
            crumb.show()

    @property
    def _buttons(self) -> list[QToolButton]:
        return [crumb for crumb in self._crumbs if isinstance(crumb, QToolButton)]

    def _name(self, button: QToolButton, at: int, text: str, width: int) -> None:
        here = at == self._at
        button.setProperty("at", at)
        # A fixed size, because each change of a text would repeat the layout of the whole view.
        if button.width() != width or button.minimumWidth() != width:
            button.setFixedSize(width, self._button_size.height())
        if button.text() != text:
            button.setText(text)
        if button.font().bold() != here:
            font = QFont(self.font())
            font.setBold(here)
            button.setFont(font)
        words = in_words(self._places[at])
        button.setToolTip(wrapped(words if here else f"Go to {words}."))
        button.setAccessibleName(f"{words}, selected" if here else words)


def crumb_text(place: Place, before: Place | None) -> str:
    """Name of a place, with its lane if it differs from the previous one's."""
    lane = place.lane
    if lane is None or (before is not None and before.lane == lane):
        return notation(place)
    return f"layer {lane.layer} {ARROWS[lane.backward]} {notation(place)}"


def _button(name: str, why: str) -> QToolButton:
    button = QToolButton()
    button.setAutoRaise(True)
    button.setToolTip(wrapped(why))
    button.setAccessibleName(name)
    button.setAccessibleDescription(why)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setEnabled(False)
    return button


_ORDERS: tuple[tuple[str, Order, str], ...] = (
    ("in order", "index", "In computation order: x, then h[t-1], by index."),
    ("by size", "weight", "By absolute contribution, largest first."),
)


_COUNT_WIDTH = 62
"""Width in pixels for the text "auto". With large text, Qt forgets a part of the arrows."""


class ListOptions(QWidget):
    """Emits `changed` for another order or number."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.orders = ComboBox()
        for text, _, why in _ORDERS:
            self.orders.addItem(text)
            self.orders.setItemData(self.orders.count() - 1, why)
        self.orders.setAccessibleName("Order of the terms")
        self.orders.setToolTip("Sort the terms by computation order or by contribution.")
        self.orders.currentIndexChanged.connect(self.changed)
        self.count = QSpinBox()
        self.count.setRange(0, 0)
        self.count.setSpecialValueText("auto")
        self.count.setMinimumWidth(scaled(_COUNT_WIDTH))
        self.count.setAccessibleName("Number of listed terms")
        self.count.setToolTip(
            wrapped("Number of largest terms to list; the rest are summed in one row (auto: as many as fit).")
        )
        self.count.valueChanged.connect(self.changed)
        label = QLabel("terms")
        label.setBuddy(self.count)
        self.setLayout(across(self.orders, label, self.count, spacing=8))

    @property
    def order(self) -> Order:
        return _ORDERS[self.orders.currentIndex()][1]

    @property
    def terms(self) -> int | None:
        """Number of listed terms; None for as many as fit."""
        return self.count.value() or None

    def show_terms(self, term_table: TermTable) -> None:
        """Enable the options for a table. Products of a state are always listed completely, in one order."""
        listed = term_table.shared or term_table.of_gradient
        for control in (self.orders, self.count):
            control.setEnabled(listed)
        if listed and self.count.maximum() != term_table.terms:
            self.count.setMaximum(term_table.terms)


class KindSwitch(QWidget):
    """Two buttons: the value's own arithmetic, or that of its gradient."""

    chosen = Signal(bool)
    """Another kind is chosen by the user: True for the gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.value = _kind_button("Value", "Show how the selected value is computed from earlier ones (E).")
        self.gradient = _kind_button("Gradient", "Show how the gradient of the selected value comes from the loss (D).")
        group = QButtonGroup(self)
        for button in (self.value, self.gradient):
            group.addButton(button)
        self.value.setChecked(True)
        self.gradient.clicked.connect(lambda: self.chosen.emit(True))
        self.value.clicked.connect(lambda: self.chosen.emit(False))
        self.setLayout(across(self.value, self.gradient, spacing=0))

    def show_kind(self, *, gradient: bool) -> None:
        (self.gradient if gradient else self.value).setChecked(True)


def _kind_button(name: str, why: str) -> QToolButton:
    button = QToolButton()
    button.setText(name)
    button.setAccessibleName(name)
    button.setCheckable(True)
    button.setToolTip(wrapped(why))
    button.setAccessibleDescription(why)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


_PAD, _SMALLER = 6, 0.85


class DivergenceLabel(QAbstractButton):
    """Shows the divergence as a marked link, or in muted text that there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self._brief = ""
        self.parts = False
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def show_page(self, page: Page) -> None:
        sentences, parts = page.sentences, page.flagged
        text = sentences[-1] if sentences else ""
        names = [display_name(engine) for engine in page.engines]
        # Another sentence, such as a likely cause or a note, has no form with marks.
        named = len(names) == len(MARKS) and text == divergence_sentence(names[0], names[1], page.divergence)
        self._brief = divergence_sentence(*MARKS, page.divergence) if named else text
        if text == self.text() and parts == self.parts:
            return
        self.parts = parts
        self.setText(text)
        self.setAccessibleName(text)
        self.setAccessibleDescription("Shows the line in which they diverge." if parts else "")
        self.setToolTip(wrapped("\n".join(sentences)))
        self.setEnabled(parts)
        self.setCursor(Qt.CursorShape.PointingHandCursor if parts else Qt.CursorShape.ArrowCursor)
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, max(self.fontMetrics().height() + 6, 2 * QFontMetrics(self._small_font).height()))

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self.sizeHint().height())

    @property
    def shown_text(self) -> str:
        """The sentence; with the marks of the engines where their names do not fit; or else in two lines."""
        room, metrics, sign = self.width() - 2 * _PAD, self.fontMetrics(), "≠  " if self.parts else ""
        named, marked = (f"{sign}{number_format.true_minus_in(text)}" for text in (self.text(), self._brief))
        for text in (named, marked):
            if metrics.horizontalAdvance(text) <= room:
                return text
        lines = self._two_lines(named)
        return self._two_lines(marked) if "…" in lines else lines

    def _two_lines(self, text: str) -> str:
        room, metrics = self.width() - 2 * _PAD, QFontMetrics(self._small_font)
        end = next((end for end in range(len(text), 0, -1) if metrics.horizontalAdvance(text[:end]) <= room), 1)
        end = text.rfind(" ", 0, end + 1) + 1 or end
        return f"{text[:end].rstrip()}\n{metrics.elidedText(text[end:], Qt.TextElideMode.ElideRight, room)}"

    @property
    def _small_font(self) -> QFont:
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() * _SMALLER)
        return font

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        theme, rect = self._theme, self.rect()
        role = "wrong" if self.parts else "muted"
        if self.parts:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("wrong_surface"))
            painter.drawRoundedRect(rect, 4, 4)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent"), 2.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 4, 4)
        painter.setPen(theme.color(role))
        inside = rect.adjusted(_PAD, 0, -_PAD, 0)
        shown = self.shown_text
        if "\n" in shown:
            painter.setFont(self._small_font)
        painter.drawText(inside, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
        painter.end()
