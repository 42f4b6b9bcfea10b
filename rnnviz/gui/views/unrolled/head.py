"""Head of the lanes: what colors them, of which engine, the legend, the part in view, and the order of the units."""

from collections.abc import Mapping
from math import ceil
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QStandardItem,
    QStandardItemModel,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.gui.app_state import Session
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.gui.theme.icons import IconButton
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import across
from rnnviz.gui.views.labels import muted_palette
from rnnviz.gui.views.seams import paint_seams
from rnnviz.gui.views.unrolled.color_range import is_fixed, scaled_limit
from rnnviz.gui.views.unrolled.colormap import SPECIAL_WORDS, STEPS, ColorScale, hatch
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.margins import advance_of, code_pixels
from rnnviz.gui.views.unrolled.render_state import RenderState, visible_seams
from rnnviz.gui.views.unrolled.tiles import image_of
from rnnviz.reading.quantities import GRADIENTS, RECOMPUTED, Quantity, choices_of
from rnnviz.reading.units import ORDERS, OrderName

_QUANTITY = (
    "Quantity that colors the lanes, and whose numbers are written.\n"
    "Error ratio: difference ÷ tolerance. Gates, cell state, pre-activations, and gradients of the loss.\n"
    "Next: Q. Previous: Shift+Q."
)
_ENGINE = "Engine whose values are shown. Split: the reference before the selected time step, the candidate from it on."
_CANDIDATE = "Candidate that is compared with the reference."
_NARROW, _USUAL = 9, 12
"""Characters of the narrowest boxes. That of the quantity has room for "hidden values h"."""
_SPLIT = "split"
_HEIGHT, _SIDE, _SPACE, _LEAST = 36, 12, 8, 160


def choice_menu(choices: Mapping[Any, tuple[str, str]], current: str, parent: QWidget, name: str) -> QMenu:
    """A menu of choices with titles and tooltips, one of which is checked. It lives while it is open."""
    menu = QMenu(parent)
    menu.setToolTipsVisible(True)
    group = QActionGroup(menu)
    for choice, (title, why) in choices.items():
        action = QAction(title, group)
        action.setObjectName(f"{name}_{choice}")
        action.setToolTip(wrapped(why))
        action.setData(choice)
        action.setCheckable(True)
        action.setChecked(choice == current)
        menu.addAction(action)
    menu.aboutToHide.connect(menu.deleteLater)
    return menu


class QuantityCombo(ElidedComboBox):
    """The quantities of the result by group. Headings cannot be selected. A name begins with its symbol."""

    mode = Qt.TextElideMode.ElideRight

    def __init__(self, session: Session) -> None:
        super().__init__("Color by", _QUANTITY, _USUAL)
        self._session = session
        self.setMaxVisibleItems(30)
        self.activated.connect(self.choose)
        session.on_change(self._list, "result")
        session.on_change(self._select, "color_by", "result")
        self._list()

    def places(self) -> list[int]:
        return [place for place in range(self.count()) if self.itemData(place) is not None]

    def entries(self) -> list[str]:
        return [self.itemText(place) for place in self.places()]

    def step(self, by: int) -> None:
        """Select the next (1) or previous (-1) quantity, with wrap-around."""
        places = self.places()
        if self.isEnabled() and places:
            here = places.index(self.currentIndex()) if self.currentIndex() in places else -1
            self.choose(places[(here + by) % len(places)])

    def choose(self, place: int) -> None:
        self._session.set_color_by(self.itemData(place))

    def _list(self) -> None:
        result = self._session.result
        with QSignalBlocker(self):
            self.clear()
            self.setEnabled(result is not None)
            self._add("hidden values h", "value")
            if result is not None and result.comparisons:
                self._add(f"difference to {display_name(result.reference.engine)}", "difference")
                self._add("error ratio", "error_ratio")
            group, kind = "", self._session.config.network.kind if result is None else result.config.network.kind
            for choice in () if result is None else choices_of(kind, self._session.gradients):
                if choice.group != group:
                    group = choice.group
                    self._add_heading(group)
                how = "given by the shown engine" if group == GRADIENTS else "computed from the shown engine's h"
                self._add(choice.text, choice.name, f"{choice.menu_title.capitalize()}, {how}.")
        self._select()

    def _add(self, text: str, quantity: Quantity, why: str = "") -> None:
        self.addItem(text, quantity)
        if why:
            self.setItemData(self.count() - 1, why, Qt.ItemDataRole.ToolTipRole)

    def _add_heading(self, text: str) -> None:
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        item = QStandardItem(text)
        item.setEnabled(False)
        font = self.font()
        font.setBold(True)
        item.setFont(font)
        model.appendRow(item)

    def _select(self) -> None:
        with QSignalBlocker(self):
            self.setCurrentIndex(self.findData(self._session.quantity))


class EngineCombo(ElidedComboBox):
    """The engine of the numbers: of a comparison a candidate, of values any engine, or two, split at the selection."""

    def __init__(self, session: Session) -> None:
        super().__init__("Engine", _ENGINE, _NARROW)
        self._session = session
        self.activated.connect(self.choose)
        session.on_change(self.renew, "result", "color_by", "engine", "candidate", "swipe")
        self.renew()

    @property
    def _compares(self) -> bool:
        return self._session.quantity in ("difference", "error_ratio")

    def choose(self, place: int) -> None:
        engine, session = self.itemData(place), self._session
        if engine == _SPLIT:
            session.set_swiping(True)
        elif self._compares:
            session.set_candidate(engine)
        else:
            session.set_swiping(False)
            session.set_engine(engine)

    def renew(self) -> None:
        """List the engines for the quantity, and select the shown one."""
        session, result = self._session, self._session.result
        engines: list[tuple[str, str]] = []
        if result is not None and self._compares:
            engines = [(display_name(own.candidate), own.candidate) for own in result.comparisons]
        elif result is not None:
            engines = [(display_name(name), name) for name in result.traces]
            if result.comparisons and session.quantity == "value":
                engines.append(("split at selection", _SPLIT))
        self.show_entries(
            engines, session.candidate if self._compares else _SPLIT if session.swiping else session.engine
        )
        self.setEnabled(bool(engines))


class CandidateCombo(ElidedComboBox):
    """The candidate whose mismatches are marked; hidden where there is one, or the engine is the candidate."""

    def __init__(self, session: Session) -> None:
        super().__init__("Candidate", _CANDIDATE, _NARROW)
        self._session = session
        self.activated.connect(lambda place: session.set_candidate(self.itemData(place)))
        session.on_change(self.renew, "result", "color_by", "candidate")
        self.renew()

    def renew(self) -> None:
        """List the candidates, and select the compared one."""
        session = self._session
        names = [] if session.result is None else [own.candidate for own in session.result.comparisons]
        self.show_entries(((f"vs {display_name(name)}", name) for name in names), session.candidate)
        self.setVisible(self.count() > 1 and session.quantity not in ("difference", "error_ratio"))


_BAR, _NARROW_BAR, _TALL, _GAP, _FONT = 132, 48, 10, 6.0, 11
_ENDS_SHARE = 1 / 3
"""Part of the bar at either end that moves this end alone."""
_DRAGGED = 8.0
"""Factor of an end for a drag over the whole width of the bar."""


class Legend(QAbstractButton):
    """The bar of the colors between the ends of their range, and the patterns of special values in view.

    A click asks for the menu of ranges. A drag moves an end of the range, or from the middle both.
    """

    dragged = Signal(object)
    """The `Limit` of an unfinished drag."""
    dropped = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Color range")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self._theme = LIGHT
        self._shown: RenderState | None = None
        self._note, self._marked = "", False
        self._drawn: object = None
        """Everything that is painted."""
        self._begun: tuple[float, ColorScale] | None = None
        self._moved = False

    def show_state(self, shown: RenderState | None, geometry: Geometry | None) -> None:
        self._shown, note, marked = shown, "", False
        if shown is not None and geometry is not None:
            seams = visible_seams(shown, geometry)
            note, marked = seams.note or ("new call" if len(seams.timesteps) else ""), seams.apart
        self.setVisible(shown is not None)
        drawn = None if shown is None else (shown.theme, shown.paint.hidden.scale, frozenset(shown.seen), note, marked)
        if drawn == self._drawn:
            return
        self._drawn, self._note, self._marked = drawn, note, marked
        self._theme = LIGHT if shown is None else shown.theme
        self.setAccessibleDescription(", ".join([*self.ends(), *self.special(), self._note]))
        self.updateGeometry()
        self.update()

    def ends(self) -> tuple[str, str]:
        """The numbers at the ends of the bar."""
        scale = None if self._shown is None else self._shown.paint.hidden.scale
        if scale is None:
            return "", ""
        low, high = (number_format.true_minus(number_format.error(end)) for end in (scale.low, scale.high))
        return f"≤ {low}" if scale.error_ratio else low, high

    def special(self) -> list[str]:
        """Names of the special values in view."""
        return [] if self._shown is None else [SPECIAL_WORDS[index] for index in sorted(self._shown.seen)]

    @property
    def bar(self) -> QRectF:
        low, high = self.ends()
        left, right = self._advance(low) + _GAP + 2.0, self._advance(high) + _GAP + 2.0
        width = min(max(self.width() - left - right, scaled(_NARROW_BAR)), scaled(_BAR))
        return QRectF(left, (self.height() - scaled(_TALL)) / 2.0, width, scaled(_TALL))

    def _advance(self, text: str) -> float:
        return advance_of(code_pixels(scaled(_FONT)), text)

    def sizeHint(self) -> QSize:
        width = self.minimumSizeHint().width() + scaled(_BAR) - scaled(_NARROW_BAR) + 0.0
        width += sum(self._advance(word) + scaled(_TALL) + 3.0 * _GAP for word in self.special())
        if self._note:
            width += self._advance(self._note) + 4.0 * _GAP
        return QSize(round(width), scaled(24))

    def minimumSizeHint(self) -> QSize:
        texts = sum(self._advance(end) + _GAP + 2.0 for end in self.ends())
        return QSize(ceil(texts) + scaled(_NARROW_BAR), scaled(24))

    def paintEvent(self, _event: QPaintEvent) -> None:
        shown = self._shown
        if shown is None:
            return
        painter, theme, bar = QPainter(self), self._theme, self.bar
        if self.isDown() or self.underMouse():
            painter.fillRect(self.rect(), theme.color("pressed" if self.isDown() else "raised"))
            painter.setPen(theme.color("muted"))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.setFont(code_pixels(scaled(_FONT)))
        painter.setPen(theme.color("muted"))
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextDontClip
        low, high = self.ends()
        painter.drawText(QRectF(2.0, 0.0, bar.left(), self.height()), middle, low)
        painter.drawText(QRectF(bar.right() + _GAP, 0.0, self.width(), self.height()), middle, high)
        density = painter.deviceTransform().m11()
        columns, rows = round(bar.width() * density), round(bar.height() * density)
        scale, table = shown.paint.hidden.scale, shown.paint.hidden.table
        image = image_of(np.repeat(table[np.arange(columns) * STEPS // columns][np.newaxis], rows, axis=0))
        image.setDevicePixelRatio(density)
        painter.drawImage(bar.topLeft(), image)
        painter.setPen(QPen(theme.color("border"), 1.0))
        painter.drawRect(bar)
        if scale.error_ratio:
            # The limit is where the color changes.
            limit = round(bar.left() + scale.share(1.0) * bar.width())
            painter.setPen(QPen(theme.color("wrong"), 2.0))
            painter.drawLine(QPointF(limit, bar.top() - 3.0), QPointF(limit, bar.bottom() + 3.0))
        x = bar.right() + _GAP + self._advance(high) + 2.0 * _GAP
        for index in sorted(shown.seen):
            if x + bar.height() + _GAP + self._advance(SPECIAL_WORDS[index]) > self.width():
                # The description has it, and the tooltip of a value.
                break
            pixels = np.full((int(bar.height()), int(bar.height())), table[index], np.uint32)
            hatch(pixels, np.full(pixels.shape, index, np.uint8), 0, 0, theme)
            painter.drawImage(QPointF(x, bar.top()), image_of(pixels))
            # Some have the color of the background.
            painter.setPen(theme.color("border"))
            painter.drawRect(QRectF(x, bar.top(), bar.height(), bar.height() - 1.0))
            painter.setPen(theme.color("muted"))
            x += bar.height() + _GAP
            painter.drawText(QRectF(x, 0.0, self.width(), self.height()), middle, SPECIAL_WORDS[index])
            x += self._advance(SPECIAL_WORDS[index]) + 2.0 * _GAP
        if self._note:
            if self._marked:
                paint_seams(painter, [x], 4.0, self.height() - 4.0, theme, "text")
            painter.setPen(theme.color("muted"))
            painter.drawText(QRectF(x + _GAP + 2.0, 0.0, self.width(), self.height()), middle, self._note)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(theme.color("accent"), 2.0))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0), 4.0, 4.0)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        self._moved, self._begun = False, None
        if self._shown is not None and not is_fixed(self._shown):
            self._begun = event.position().x(), self._shown.paint.hidden.scale

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._begun is None:
            return
        begun, scale = self._begun
        right = event.position().x() - begun
        if not self._moved and abs(right) < QApplication.startDragDistance():
            return
        self._moved = True
        share, factor = (begun - self.bar.left()) / self.bar.width(), _DRAGGED ** (right / self.bar.width())
        # At the lower end, left is away from 0.
        low = 1.0 if share > 1.0 - _ENDS_SHARE else 1.0 / factor if share < _ENDS_SHARE else factor
        self.dragged.emit(scaled_limit(scale, low, factor if share >= _ENDS_SHARE or scale.sequential else 1.0))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        moved, self._moved, self._begun = self._moved, False, None
        if moved:
            self.setDown(False)
            self.dropped.emit()
        else:
            super().mouseReleaseEvent(event)


class Head(QWidget):
    """One line over the lanes."""

    order_asked = Signal()
    zoomed = Signal(float)
    """A factor of the time axis."""
    fit_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._partial = self._ordered = False
        """Whether some time steps are out of view, and whether the units have an order to choose."""
        self.colors, self.engine, self.candidate = QuantityCombo(session), EngineCombo(session), CandidateCombo(session)
        self.legend = Legend()
        self._by, self._of = QLabel("Color by"), QLabel("of")
        self._by.setBuddy(self.colors)
        self._of.setBuddy(self.engine)
        self.part = QLabel()
        self.part.setObjectName("part_in_view")
        self._zoom = [
            IconButton("zoom-out", "Zoom out", "Show more time steps (Ctrl+minus)."),
            IconButton("zoom-in", "Zoom in", "Show fewer time steps (Ctrl+plus)."),
            IconButton("fit", "All", "Show all time steps (F)."),
        ]
        for button, factor in zip(self._zoom, (0.5, 2.0, None), strict=True):
            asked = self.fit_asked.emit if factor is None else lambda f=factor: self.zoomed.emit(f)
            button.clicked.connect(lambda _checked, asked=asked: asked())
        self.order = QToolButton()
        self.order.setObjectName("unit_order")
        self.order.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.order.setAutoRaise(True)
        self.order.clicked.connect(lambda: self.order_asked.emit())
        left = self._by, self.colors, self._of, self.engine, self.candidate, self.legend
        right = self.part, *self._zoom, self.order
        self.setLayout(across(*left, None, *right, margins=(_SIDE, 0, _SIDE, 0), spacing=_SPACE))
        self.setFixedHeight(scaled(_HEIGHT))
        self.show_order("index", finding=False)

    def apply_theme(self, theme: Theme) -> None:
        for label in (self._by, self._of, self.part):
            label.setPalette(muted_palette(theme))

    def minimumSizeHint(self) -> QSize:
        # Less than its controls need: what has no room is left out.
        return QSize(scaled(_LEAST), scaled(_HEIGHT))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Leave out what has no room, one after the other; keys and menus have the same."""
        layout, any_engine = self.layout(), self.engine.count() > 0
        assert layout is not None
        wanted = ((self.part, self._partial), (self._by, True), (self.order, self._ordered), (self._of, any_engine))
        optional: list[tuple[QWidget, bool]] = [*wanted, *((button, self._partial) for button in self._zoom)]
        optional.append((self.legend, not self.legend.isHidden()))
        # A long name of an engine gives way to that of the quantity, in a wide head.
        self.colors.setMinimumWidth(min(self.colors.sizeHint().width(), self.width() // 4))
        for widget, shown in optional:
            widget.setVisible(shown)
        for widget, _ in optional:
            layout.invalidate()
            if layout.minimumSize().width() <= self.width():
                break
            widget.hide()
        layout.activate()

    def show_state(self, shown: RenderState | None, geometry: Geometry | None) -> None:
        """Show the legend of the lanes, and which time steps are in view if not all are."""
        self.legend.show_state(shown, geometry)
        partial = geometry is not None and geometry.camera.span < geometry.picture.timesteps
        if geometry is not None and partial:
            times, whole = geometry.timesteps_in_view(), geometry.picture.timesteps
            count = number_format.count
            text = f"t = {count(times.start)} to {count(times.stop - 1)} of {count(whole)}"
            if text != self.part.text():
                self.part.setText(text)
        self._partial, self._ordered = partial, shown is not None and not shown.look.lesson
        self.engine.setVisible(shown is not None)
        self._fit()

    def show_order(self, name: OrderName, *, finding: bool) -> None:
        self.order.setText("computing the order …" if finding else f"units by {ORDERS[name][0]} ⌄")
        self.order.setAccessibleName(f"Order of the units: {ORDERS[name][0]}")

    def show_recomputed(self, shown: RenderState | None) -> None:
        """Say after the engine that its numbers follow from its h."""
        recomputed = shown is not None and shown.recomputed
        self._of.setText(f"{RECOMPUTED} from h of" if recomputed else "of")
