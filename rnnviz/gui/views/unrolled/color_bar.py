"""Color bars of the hidden lanes and of the input, with a legend of special values, and the range of the colors."""

import re
from collections.abc import Callable, Mapping
from math import ceil, floor, inf, log10
from typing import Any

import numpy as np
from PySide6.QtCore import QMarginsF, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup, QColor, QCursor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QGraphicsSceneHoverEvent,
    QGraphicsSceneMouseEvent,
    QMenu,
    QWidget,
)

from rnnviz.core import number_format
from rnnviz.core.trace_index import INPUT, Lane
from rnnviz.gui.app_state import Limit, RangeName
from rnnviz.gui.kit.tasks import Check
from rnnviz.gui.theme.scaling import scaled, space_dialog
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.seams import paint_seams
from rnnviz.gui.views.unrolled.colormap import (
    DECADES,
    PADDING,
    SPECIAL_WORDS,
    STEPS,
    ColorScale,
    hatch,
    rounded_up,
)
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.header import LanesPart, lanes_of_geometry
from rnnviz.gui.views.unrolled.lane_text import initial_timestep
from rnnviz.gui.views.unrolled.render_state import Reach, RenderState, visible_seams
from rnnviz.gui.views.unrolled.tiles import image_of
from rnnviz.reading.level_of_detail import Bins

RANGES: dict[RangeName, tuple[str, str]] = {
    "auto": ("&Visible values", "Colors cover the largest hidden value in view."),
    "lane": ("&Selected lane", "Colors cover the largest value of the selected lane, at all time steps."),
    "all": ("&All values", "Colors cover the largest value of all lanes and samples."),
    "fixed": ("&Fixed…", "Colors cover values up to a number that you type."),
}
_TIMES, _UNITS = 128, 32
"""Resolution at which the largest value is read: coarser than the screen's, from the levels of a long trace."""
_ENDS = 1, 1.5, 2, 3, 4, 5, 6, 8
"""Ends of the range, times a power of ten: at most half as large again as the largest value."""
_DECIMALS, _LEAST, _MOST = 9, 1e-9, 1e9
_WORD = re.compile(r"colors ([a-z]+)(?: -([0-9][0-9.e+-]*))? ([0-9][0-9.e+-]*)( log)?")
LOGARITHMIC = (
    "&Logarithmic",
    f"The scale is logarithmic on both sides of 0, for {DECADES} powers of ten (Shift+C).",
)


def limit_of(word: str) -> Limit | None:
    """The choice of a saved word, whose fixed range has two ends or, in an early version, one; None for another."""
    found = _WORD.fullmatch(word)
    name: RangeName | None = None if found is None else next((name for name in RANGES if name == found[1]), None)
    if found is None or name is None:
        return None
    try:
        high = _size(float(found[3]))
        low = -(high if found[2] is None else _size(float(found[2])))
        return Limit(name, low, high, logarithmic=found[4] is not None)
    except ValueError:
        return None


def _size(end: float) -> float:
    """Distance of an end of a range from 0, as far as a range can be chosen."""
    return min(max(abs(end), _LEAST), _MOST)


def is_fixed(shown: RenderState) -> bool:
    """Whether the quantity has a fixed scale that no choice changes."""
    return shown.quantity == "error_ratio" or (shown.gate is not None and shown.gate.high is not None)


def follows_values(shown: RenderState, limit: Limit, selected: Lane) -> bool:
    """Whether the range of the colors is read from values. Computed quantities would take too long."""
    if is_fixed(shown) or limit.name in ("all", "fixed"):
        return False
    return all(side.colors.effort(selected) <= 1.0 for side in shown.sides)


def scaled_limit(scale: ColorScale, low: float = 1.0, high: float = 1.0) -> Limit:
    """The range of a scale with its ends multiplied by `low` and `high`, and rounded to two digits."""
    ends = (_size(float(f"{end:.1e}")) for end in (scale.low * low, scale.high * high))
    below, above = ends
    return Limit("fixed", -(above if scale.sequential else below), above, logarithmic=scale.decades > 0)


def reach_of(
    shown: RenderState, geometry: Geometry, limit: Limit, selected: Lane, check: Check = lambda: None
) -> Reach:
    """The ends of the scale for a choice, or None for the quantity's own.

    They are read from the lowest and highest values of blocks, and rounded up so that they rarely change.
    Any thread may call it, with a `check` that raises to cancel it.
    """
    if limit.name == "fixed" and not is_fixed(shown):
        return limit.low, limit.high
    if not follows_values(shown, limit, selected):
        return None
    if limit.name == "lane":
        times = range(shown.length)
        parts = [(selected, range(shown.rows(selected)), geometry.boxes)]
    else:
        # An engine may fill the padding, which is not shown.
        times = geometry.timesteps_in_view()
        times = range(times.start, min(times.stop, shown.length))
        in_view = [lane_rect for lane_rect in geometry.lane_rects_in_view() if lane_rect.lane.layer is not None]
        parts = [
            (one.lane, geometry.rows_in_view(one), initial_timestep(shown, geometry, one) is not None)
            for one in in_view
        ]
    largest = 0.0
    for lane, rows, with_initial in parts if times else ():
        for side in shown.sides:
            check()
            values = side.colors.read(lane, _bins(times, _TIMES), _bins(rows, _UNITS)).values
            finite = np.abs(values[np.isfinite(values)])
            largest = max(largest, float(finite.max(initial=0.0)))
        initial = shown.initial(lane) if with_initial and not shown.compares(lane) else None
        if initial is not None:
            largest = max(largest, float(np.abs(initial).max(initial=0.0)))
    if largest == 0.0:
        return None
    end = rounded_up(largest, _ENDS)
    return -end, end


def _bins(cells: range, most: int) -> Bins:
    # Whole blocks of a level, so that nothing is left to reduce.
    block = 1 << (max(1, len(cells) // most).bit_length() - 1)
    return Bins(np.arange(cells.start // block * block, cells.stop, block), cells.stop)


_HOW = (
    "Drag an end of the bar to move it, or the middle to move both; a double click resets the range. "
    "Click to choose a range (C)."
)


def range_text(shown: RenderState, limit: Limit) -> str:
    """Sentences on the range of the colors and how to change it."""
    scale = shown.paint.hidden.scale
    low, high = (number_format.true_minus(number_format.error(end)) for end in (scale.low, scale.high))
    if is_fixed(shown):
        return f"Colors cover {low} to {high}."
    covered = RANGES[limit.name][0].replace("&", "").rstrip("…").lower()
    how = f" on a logarithmic scale of {DECADES} powers of ten on both sides of 0" if scale.decades else ""
    return f"Colors cover {low} to {high}{how}: {covered}. {_HOW}"


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


class RangeDialog(QDialog):
    """Asks for the ends of a fixed range."""

    def __init__(self, limit: Limit, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Color range")
        self._logarithmic = limit.logarithmic
        form = QFormLayout(self)
        space_dialog(form)
        self.low, self.high = _end(limit.low, -_MOST, -_LEAST), _end(limit.high, _LEAST, _MOST)
        for name, box, other in (("Lowest value", self.low, "smaller"), ("Largest value", self.high, "larger")):
            box.setAccessibleName(name)
            box.setToolTip(f"Values that are {other} are dotted.")
            form.addRow(name, box)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form.addRow(buttons)
        self.low.selectAll()
        self.finished.connect(self.deleteLater)

    @property
    def limit(self) -> Limit:
        return Limit("fixed", self.low.value(), self.high.value(), self._logarithmic)


class _EndBox(QDoubleSpinBox):
    """Shows no zeros behind the last digit."""

    def textFromValue(self, value: float) -> str:
        whole, point, decimals = super().textFromValue(value).partition(self.locale().decimalPoint())
        return f"{whole}{point}{decimals.rstrip('0') or '0'}"


def _end(value: float, low: float, high: float) -> QDoubleSpinBox:
    box = _EndBox()
    box.setDecimals(_DECIMALS)
    box.setRange(low, high)
    box.setValue(value)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    return box


_SHOW = "Show:"
_WIDTH, _LEAST_WIDTH = 92.0, 64.0
_LARGEST_SHARE = 1 / 5
"""Largest width of the bar with its texts, as a share of that of the whole view, as far as the numbers fit."""
_LEFT, _BAR, _TICK = 14.0, 14.0, 4.0
_LINE = 15.0
_SHORTEST_BAR = 44.0


_ENDS_SHARE = 1 / 3
"""Part of the bar at either end that moves this end alone."""
_DRAGGED = 8.0
"""Factor of an end for a drag over the whole height of the bar."""


class ColorBar(LanesPart):
    """Is at the right edge of the lanes and spans them. A click opens the menu of ranges.

    A drag up enlarges the range and a drag down reduces it: one end from there, both from the middle. A double click
    resets it.
    """

    clicked = Signal()
    dragged = Signal(object)
    """The `Limit` of an unfinished drag."""
    dropped = Signal()
    """A drag has ended."""
    reset_requested = Signal()
    margins = QMarginsF(8.0, 0.0, 0.0, 8.0)

    def __init__(self) -> None:
        super().__init__()
        self._computing = False
        self._whole = inf
        self.bar = QRectF()
        """The bar of the hidden lanes as it was painted last; empty without room for one."""
        self._drag: ColorScale | None = None
        """Scale at the begin of a drag."""
        self._moved = False
        # A second click resets the range, so that the first one has to wait for it.
        self._click = QTimer(self, interval=QApplication.doubleClickInterval(), singleShot=True)
        self._click.timeout.connect(self.clicked)
        self.setAcceptHoverEvents(True)
        self.setCursor(QCursor(Qt.CursorShape.PointingHandCursor))
        self.set_width(0.0)

    def make_room(self, shown: RenderState | None) -> None:
        widest = inf if self.tight else max(self._whole * _LARGEST_SHARE, scaled(_LEAST_WIDTH))
        self.set_width(0.0 if shown is None else float(round(min(scaled(_WIDTH), widest))))

    def limit_width(self, whole: float) -> None:
        self._whole = whole
        if self.minimumWidth() > 0.0:
            self.make_room(self._shown)

    def show_computing(self, lanes: frozenset[Lane]) -> None:
        """Show whether a lane is still being computed: its colors belong to the previous values."""
        if bool(lanes) != self._computing:
            self._computing = bool(lanes)
            self.update()

    def heading(self) -> tuple[str, ...]:
        return ("h",) if self._shown is None else self._shown.heading()

    def content(self, shown: RenderState, geometry: Geometry) -> object:
        # The legend of a new picture is known only when that is painted, except for padding.
        before = set() if self._shown is None else self._shown.seen
        if (shown.seen | before) - {PADDING}:
            return None
        scales = shown.paint.hidden.scale, shown.paint.input.scale
        legend = frozenset(shown.seen)
        seams = seam_legend(shown, geometry)
        return (
            shown.heading(),
            scales,
            legend,
            seams,
            shown.theme,
            shown.two_digits(Lane(0)),
            lanes_of_geometry(geometry),
        )

    def hoverMoveEvent(self, event: QGraphicsSceneHoverEvent) -> None:
        shape = Qt.CursorShape.SizeVerCursor if self._movable(event.pos()) else Qt.CursorShape.PointingHandCursor
        self.setCursor(QCursor(shape))

    def mousePressEvent(self, event: QGraphicsSceneMouseEvent) -> None:
        event.accept()
        self._moved = False
        self._drag = None
        if self._movable(event.pos()) and self._shown is not None:
            self._drag = self._shown.paint.hidden.scale

    def mouseMoveEvent(self, event: QGraphicsSceneMouseEvent) -> None:
        begun = event.buttonDownPos(Qt.MouseButton.LeftButton)
        up = begun.y() - event.pos().y()
        if self._drag is None or (not self._moved and abs(up) < QApplication.startDragDistance()):
            return
        self._moved = True
        share = (self.bar.bottom() - begun.y()) / self.bar.height()
        factor = _DRAGGED ** (up / self.bar.height())
        # At the lower end, down is away from 0.
        low = 1.0 if share > 1.0 - _ENDS_SHARE else 1.0 / factor if share < _ENDS_SHARE else factor
        self.dragged.emit(
            scaled_limit(self._drag, low, factor if share >= _ENDS_SHARE or self._drag.sequential else 1.0)
        )

    def mouseReleaseEvent(self, event: QGraphicsSceneMouseEvent) -> None:
        if self._moved:
            self.dropped.emit()
        elif self._drag is not None:
            self._click.start()
        elif event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()
        self._drag, self._moved = None, False

    def mouseDoubleClickEvent(self, event: QGraphicsSceneMouseEvent) -> None:
        event.accept()
        self._click.stop()
        self.reset_requested.emit()

    def _movable(self, place: QPointF) -> bool:
        """Whether a drag from a place changes the range."""
        return self._shown is not None and not is_fixed(self._shown) and self._grip.contains(place)

    @property
    def _grip(self) -> QRectF:
        return QRectF(0.0, self.bar.top(), self.size().width(), self.bar.height())

    def paint_lanes(self, painter: QPainter, shown: RenderState, geometry: Geometry) -> None:
        font = self.font()
        font.setPixelSize(scaled(11))
        painter.setFont(font)
        hidden_top = max(geometry.top_of(geometry.stack.lane_rects[0]), 6.0)
        lane_rect = geometry.stack.lane_rect(INPUT)
        split = min(geometry.top_of(lane_rect), geometry.height)
        bottom = min(split + lane_rect.height, geometry.height - 4.0)
        hidden_bottom = split - 10.0 if split < geometry.height else geometry.height - 6.0
        self.bar = QRectF()
        top = self._paint_legend(painter, shown, geometry, hidden_top)
        self._paint_bar(painter, shown, Lane(0), top, hidden_bottom)
        if bottom - split > scaled(_LINE) and shown.contributions is None:
            self._paint_bar(painter, shown, INPUT, split, bottom)

    def _paint_legend(self, painter: QPainter, shown: RenderState, geometry: Geometry, top: float) -> float:
        first = top
        # In the middle of the letters.
        above = int(scaled(12) - (QFontMetricsF(painter.font()).capHeight() + 11.0) / 2.0)
        for index in sorted(shown.seen):
            pixels = np.full((11, int(_BAR)), shown.paint.hidden.table[index], np.uint32)
            hatch(pixels, np.full(pixels.shape, index, np.uint8), 0, 0, shown.theme)
            painter.drawImage(QPointF(_LEFT, top + above), image_of(pixels))
            # Some have the color of the background.
            painter.setPen(shown.theme.color("border"))
            painter.drawRect(QRectF(_LEFT, top + above, _BAR - 1.0, 10.0))
            painter.setPen(shown.theme.color("text"))
            painter.drawText(QPointF(_LEFT + _BAR + 6.0, top + scaled(12)), SPECIAL_WORDS[index])
            top += scaled(_LINE)
        words, marked = seam_legend(shown, geometry)
        if words:
            left = _LEFT + (_BAR + 6.0 if marked else 0.0)
            if marked:
                paint_seams(painter, [_LEFT + _BAR / 2.0 - 2.0], top, top + scaled(_LINE) - 1.0, shown.theme, "text")
            wrap = Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap
            room = QRectF(left, top, self.size().width() - left, geometry.height)
            painter.setPen(shown.theme.color("text"))
            top += painter.boundingRect(room, wrap, words).height()
            painter.drawText(room, wrap, words)
        return top + (6.0 if top > first else 0.0)

    def _paint_bar(self, painter: QPainter, shown: RenderState, lane: Lane, top: float, bottom: float) -> None:
        theme, scale, table = shown.theme, shown.paint.of(lane).scale, shown.paint.of(lane).table
        heading = (shown.input_name,) if lane.layer is None else self.heading()
        tick: Callable[[float], str] = number_format.error if shown.two_digits(lane) else _tick
        painter.setPen(theme.color("muted"))
        if bottom - top < scaled(_SHORTEST_BAR):
            text = f"{heading[0]} {tick(scale.low)} … {tick(scale.high)}"
            if scale.low == -scale.high:
                text = f"{heading[0]} ±{tick(scale.high)}"
            room = QRectF(_LEFT, top, self.size().width() - _LEFT, bottom - top)
            wrap = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(room, wrap, number_format.true_minus(text))
            return
        metrics = QFontMetricsF(painter.font())
        if lane.layer is not None and self._computing:
            heading = (*heading, "computing …")
        title = f"{_SHOW} {heading[0]}"
        if lane.layer is None:
            pass
        elif metrics.horizontalAdvance(title) <= self.size().width() - _LEFT:
            heading = (title, *heading[1:])
        else:
            heading = (_SHOW, *heading)
        for line in heading:
            # The names of two engines may differ at either end.
            short = metrics.elidedText(line, Qt.TextElideMode.ElideMiddle, self.size().width() - _LEFT)
            painter.drawText(QPointF(_LEFT, top + metrics.ascent()), short)
            top += metrics.height()
        # The number at the upper end is as much above the bar as below it.
        top += metrics.ascent() / 2.0
        bar = QRectF(_LEFT, top, _BAR, bottom - top)
        if lane.layer is not None:
            self.bar = bar
        # In pixels of the screen: an image that is stretched has other colors where only a part of it is painted.
        density = painter.deviceTransform().m11()
        rows, columns = round(bar.height() * density), round(_BAR * density)
        shades = table[np.arange(rows)[::-1] * STEPS // rows]
        image = image_of(np.repeat(shades[:, None], columns, axis=1))
        image.setDevicePixelRatio(density)
        painter.drawImage(bar.topLeft(), image)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.color("border"), 1.0))
        painter.drawRect(bar)
        written: list[float] = []
        # From the ends inward: of labels that overlap, the inner ones are left out, but not 0 on both sides of which a
        # scale is logarithmic.
        found = ticks(scale, bar.height() / (1.6 * scaled(_LINE)))
        kept = 0.0 if scale.decades else inf
        for value, text in sorted(found, key=lambda tick: (tick[0] != kept, -abs(scale.share(tick[0]) - 0.5))):
            y = bar.bottom() - scale.share(value) * bar.height()
            limit = scale.error_ratio and value == 1.0
            color: QColor = theme.color("wrong" if limit else "text")
            painter.setPen(QPen(color, 2.0 if limit else 1.0))
            painter.drawLine(QPointF(bar.left() if limit else bar.right(), y), QPointF(bar.right() + _TICK, y))
            place = min(max(y, bar.top() + 4.0), bar.bottom() - 4.0)
            if any(abs(place - other) < 0.8 * metrics.ascent() for other in written):
                continue
            written.append(place)
            painter.drawText(QPointF(bar.right() + _TICK + 4.0, place + metrics.ascent() / 2.0 - 1.0), text)


def seam_legend(shown: RenderState, geometry: Geometry) -> tuple[str, bool]:
    """The legend of the seams in view, empty without any, and whether they are marked."""
    seams = visible_seams(shown, geometry)
    return seams.note or ("new call" if len(seams.timesteps) else ""), seams.apart


def ticks(scale: ColorScale, most: float) -> list[tuple[float, str]]:
    """Round values on a linear scale, powers of ten on a logarithmic one."""
    if scale.decades:
        return _symmetric_ticks(scale, most)
    if not scale.error_ratio:
        step = rounded_up((scale.high - scale.low) / (4.0 if most >= 5 else 2.0) * (1.0 - 1e-9))
        if step > max(scale.high, -scale.low):
            # The largest round number on the scale.
            step = 1.0 / rounded_up(1.0 / max(scale.high, -scale.low) * (1.0 - 1e-9))
        inside = range(ceil(scale.low / step - 1e-9), floor(scale.high / step + 1e-9) + 1)
        return [(k * step, number_format.true_minus(number_format.error(k * step))) for k in inside]
    low, high = round(np.log10(scale.low)), round(np.log10(scale.high))
    step = max(1, int(np.ceil((high - low) / max(most, 1.0))))
    powers = sorted({low, high, *range(0, high, step), *range(0, low, -step)})
    return [(10.0**power, _power(power, power == low)) for power in powers]


def _symmetric_ticks(scale: ColorScale, most: float) -> list[tuple[float, str]]:
    """0, the ends, and between them powers of ten on both sides."""
    ends = {end for end in (scale.low, scale.high) if end != 0.0}
    largest = floor(log10(max(map(abs, ends))))
    step = max(1, ceil(2 * scale.decades / max(most - 1.0, 1.0)))
    powers = [10.0**power for power in range(largest - step, largest - scale.decades + 1, -step)]
    inside = {sign * power for sign in (-1.0, 1.0) for power in powers if scale.low < sign * power < scale.high}
    return [(value, number_format.true_minus(number_format.error(value))) for value in sorted({0.0} | ends | inside)]


def _power(power: int, lowest: bool) -> str:
    if power == 0:
        return "1 = limit"
    if power > 0:
        return number_format.count(10**power) if power < 5 else f"1e{power}"
    text = number_format.true_minus(number_format.error(10.0**power))
    return f"≤ {text}" if lowest else text


def _tick(value: float) -> str:
    return "0" if value == 0.0 else number_format.short(value) if abs(value) < 0.095 else f"{value:.3g}"
