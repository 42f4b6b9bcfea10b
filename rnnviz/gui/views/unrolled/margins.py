"""Labels of the lanes, numbers of their units, and the time axis with the names of its steps."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil, floor
from typing import Any

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPen, QRegion
from PySide6.QtWidgets import QApplication

from rnnviz.core import number_format
from rnnviz.core.sequence import feature_title, visible
from rnnviz.core.trace_index import ARROWS, Lane
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.colormap import rounded_up
from rnnviz.gui.views.unrolled.geometry import Geometry, LaneRect, number_row
from rnnviz.gui.views.unrolled.lane_text import LaneLabel, label_of
from rnnviz.gui.views.unrolled.render_state import RenderState

_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_NARROWEST, _WIDEST_LABELS, _LARGEST_SHARE = 98, 150, 1 / 3
"""Limits of the width of the labels with the units, and the largest share of the width of the view."""
_GAP = 8.0
_TITLE, _DETAIL, _UNIT = 13, 12, 11
_UNIT_TICK = 3.0
"""Minimum distance between the units of a part of a lane, in font sizes."""


def code_pixels(pixels: int) -> QFont:
    font = code_font()
    font.setPixelSize(pixels)
    return font


def text_font(pixels: int, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    return _font(QApplication.font().key(), scaled(pixels), weight)


@lru_cache(32)
def _font(_application: str, pixels: int, weight: QFont.Weight) -> QFont:
    font = QFont(QApplication.font())
    font.setPixelSize(pixels)
    font.setWeight(weight)
    return font


def advance_of(font: QFont, text: str) -> float:
    """Width of a text in a font, which is measured once."""
    return _advance(font.key(), text)


@lru_cache(4096)
def _advance(font: str, text: str) -> float:
    described = QFont()
    described.fromString(font)
    return QFontMetricsF(described).horizontalAdvance(text)


def rects_of(region: QRegion) -> list[QRect]:
    """The rectangles of a region, for which the stubs lack an iterator."""
    rects: Any = region
    return list(rects)


class Labels:
    """The column of labels at the left of the lanes."""

    def __init__(self) -> None:
        self.width = self._units = 0.0
        self.computing = frozenset[Lane]()
        """The lanes whose numbers are still being computed."""
        self._of: dict[Lane, LaneLabel] = {}

    def fit(self, shown: RenderState, whole: float) -> None:
        """Take the texts of other lanes, and the width that they need in a view of a `whole` width."""
        lanes = shown.lanes
        self._of = {lane: label_of(shown, lane) for lane, _ in lanes}
        title, detail = (QFontMetricsF(font) for font in (text_font(_TITLE, _STRONG), text_font(_DETAIL)))
        texts = [title.horizontalAdvance(own.title) for own in self._of.values()]
        texts += [detail.horizontalAdvance(text) for own in self._of.values() for text in (own.detail, own.verdict)]
        digits = max((len(str(rows - 1)) for _, rows in lanes), default=1)
        self._units = QFontMetricsF(code_pixels(scaled(_UNIT))).horizontalAdvance("0" * digits) + _GAP
        needed = max(texts, default=0.0) + self._units + 2.0 * _GAP
        most = min(scaled(_WIDEST_LABELS), whole * _LARGEST_SHARE)
        self.width = float(ceil(min(max(needed, scaled(_NARROWEST)), most)))

    def contents(self, shown: RenderState) -> tuple[object, ...]:
        """Everything that the labels say, wherever they are."""
        order = None if shown.orders is None else shown.orders.key
        return (*self._of.items(), shown.left.tiles.style.turn, order, shown.per_unit, shown.sample)

    def description(self, lane: Lane) -> str:
        return str(self._of[lane])

    def paint(self, painter: QPainter, shown: RenderState, geometry: Geometry) -> None:
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        # Made once: fonts and their metrics take longer than texts.
        strong, plain = ((font, QFontMetricsF(font)) for font in (text_font(_TITLE, _STRONG), text_font(_DETAIL)))
        verdict = text_font(_DETAIL, _STRONG)
        fonts = strong, plain, (verdict, QFontMetricsF(verdict))
        for own in geometry.lane_rects_in_view():
            rows = self.rows(shown, own, geometry)
            self._paint_label(painter, shown, own, geometry, rows, fonts)
            self._paint_units(painter, shown, own, geometry, rows)

    def _paint_label(
        self,
        painter: QPainter,
        shown: RenderState,
        own: LaneRect,
        geometry: Geometry,
        rows: Sequence[tuple[int, str]],
        fonts: Sequence[tuple[QFont, QFontMetricsF]],
    ) -> None:
        """Title, direction and verdict, centered on the visible part of the lane, as many lines as fit."""
        label, theme = self._of[own.lane], shown.theme
        strong, plain, bold = fonts
        top = max(geometry.top_of(own), 0.0)
        bottom = min(geometry.top_of(own) + own.height, geometry.height)
        right = self.width - self._units - _GAP
        if own.lane.layer is None:
            # To the left of the features' names, which need more room than numbers.
            metrics = QFontMetricsF(code_pixels(_unit_size(own)))
            names = [metrics.horizontalAdvance(text) for _, text in rows]
            right -= max(max(names, default=0.0) + _GAP - self._units, 0.0)
        line = strong[1].height()
        short = bottom - top < 3.0 * line and bool(label.detail)
        arrow = ARROWS[own.lane.backward] if own.lane.layer is not None else ""
        title = f"{label.title} {arrow}" if short and arrow else label.title
        verdict, role, face = label.verdict, "muted", plain
        if label.agrees is not None:
            role, face = ("right", plain) if label.agrees else ("wrong", bold)
        if own.lane in self.computing:
            verdict, role, face = f"computing {shown.quantity} …", "accent", plain
        lines = [(title, strong, "text")]
        if label.detail and not (short and (verdict or own.lane.layer is not None)):
            lines.append((label.detail, plain, "muted"))
        if verdict:
            lines.append((verdict, face, role))
        lines = lines[: max(1, int((bottom - top + 4.0) // line))]
        y = (top + bottom - len(lines) * line) / 2.0
        for text, (font, metrics), color in lines:
            painter.setFont(font)
            painter.setPen(theme.color(color))
            # A text of exactly this width may be measured a little wider.
            fitting = metrics.elidedText(text, Qt.TextElideMode.ElideRight, right + 0.5)
            painter.drawText(QRectF(0.0, y, right, line), _RIGHT, fitting)
            y += line

    def _paint_units(
        self,
        painter: QPainter,
        shown: RenderState,
        own: LaneRect,
        geometry: Geometry,
        rows: Sequence[tuple[int, str]],
    ) -> None:
        """Write the unit of each row if it fits, else of the first and last; in a part of a lane, of round ones."""
        size = _unit_size(own)
        painter.setFont(code_pixels(size))
        painter.setPen(shown.theme.color("muted"))
        top = geometry.top_of(own)
        for unit, text in rows:
            first, stop = own.scale.span(unit)
            middle = min(max((first + stop) / 2.0, size / 2.0), own.height - size / 2.0)
            line = QRectF(0.0, top + middle - size, self.width - _GAP + 1.0, 2.0 * size)
            painter.drawText(line, _RIGHT, text)

    def rows(self, shown: RenderState, own: LaneRect, geometry: Geometry) -> list[tuple[int, str]]:
        """The labeled units with their labels: a number, or the name of a feature."""
        seen, size = geometry.rows_in_view(own), _unit_size(own)
        if own.lane.layer is None and shown.hot is not None:
            return []
        units: Sequence[int] = seen
        low = own.band or own.row < number_row() - 1.0
        if low and len(seen) < own.rows:
            step = tick_step(_UNIT_TICK * size / own.row)
            units = [unit for unit in seen if unit % step == 0]
        elif low:
            units = [0, own.rows - 1] if own.rows > 1 and own.height >= 2.5 * size else []
        if own.lane.layer is not None:
            unit_at = geometry.picture.unit_at
            return [(row, str(unit_at(own.lane, row))) for row in units] if shown.per_unit else []
        names, metrics = shown.result.inputs.names, QFontMetricsF(code_pixels(size))
        elide, room = Qt.TextElideMode.ElideRight, self._name_room()
        titles = {unit: feature_title(names, unit) for unit in units}
        texts = {unit: metrics.elidedText(title, elide, room) for unit, title in titles.items()}
        count = Counter(texts.values())
        # Names that would be elided to equal texts begin with their index.
        return [
            (unit, text if count[text] == 1 else metrics.elidedText(f"{unit} {titles[unit]}", elide, room))
            for unit, text in texts.items()
        ]

    def _name_room(self) -> float:
        """Maximum width of a feature's name, limited by the lane's title."""
        metrics = QFontMetricsF(text_font(_TITLE, _STRONG))
        title = next((own.title for lane, own in self._of.items() if lane.layer is None), "")
        return self.width - metrics.horizontalAdvance(title) - 2.0 * _GAP


_STRONG = QFont.Weight.DemiBold


def _unit_size(own: LaneRect) -> int:
    """Font size of the unit numbers in pixels, limited by the row height where every row has one."""
    usual = scaled(_UNIT)
    if own.row < number_row() - 1.0:
        return usual
    return min(usual, max(9, int(own.row * 0.8)))


# Time axis

_NAME_GAP = 6.0
_GAP_OF_CHARACTERS = 1.0
"""Gap between single characters, as narrow as in a text."""
_MOST_FIT = 0.95
"""Share of the labels that must fit, so that a rare wide one does not widen all gaps."""
_SAMPLED = 400
_WIDEST = 36.0
"""Width in pixels from which a label is elided instead of omitted; a number needs the same width."""
_LONGEST = 400
"""Maximum number of measured characters of a label."""
_TICK, _TICK_ROOM, _AXIS, _PILL, _PILL_SIDE, _NAME_LINE = 5.0, 12.0, 32, 20, 6.0, 16


class TickNames:
    """Names of the time steps of a sequence. Only visible ones are measured."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        # A text is a sequence of names with one character each.
        longest = 1 if isinstance(names, str) else max(map(len, names), default=0)
        self.shown, self.characters = longest > 0 and len(names) > 0, longest == 1

    def step(self, pitch: float, advance: Callable[[str], float]) -> int:
        """Interval between names, at `pitch` pixels per time step: that of most names, wherever the view is."""
        sample = [name for name in self.names[:: max(1, len(self.names) // _SAMPLED)] if name]
        widths = sorted(advance(visible(name[:_LONGEST])) for name in sample)
        typical = widths[min(floor(_MOST_FIT * len(widths)), len(widths) - 1)] if widths else _WIDEST
        if self.characters and typical + _GAP_OF_CHARACTERS <= pitch:
            return 1
        return tick_step((min(typical, _WIDEST) + _NAME_GAP) / pitch)

    def in_view(self, times: range, pitch: float, advance: Callable[[str], float]) -> dict[int, str]:
        """The names that are shown of some time steps."""
        step = self.step(pitch, advance)
        steps = range(-(-times.start // step) * step, min(times.stop, len(self.names)), step)
        return {t: visible(self.names[t][:_LONGEST]) for t in steps if self.names[t]}


def tick_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is at least `least`."""
    return round(rounded_up(max(least, 1.0)))


class TimeAxis:
    """The axis below the lanes: numbers of time steps, the selected one in a pill, and their names on a second line."""

    def __init__(self) -> None:
        self.names = TickNames(())

    def show_names(self, names: Sequence[str]) -> None:
        """Set the names of the time steps; empty for no line."""
        if names is not self.names.names:
            self.names = TickNames(names)

    @property
    def height(self) -> float:
        return float(scaled(_AXIS)) + (scaled(_NAME_LINE) if self.names.shown else 0.0)

    def names_in_view(self, geometry: Geometry) -> list[tuple[QRectF, str]]:
        """The visible names with their places, from left to right, as near to their time step as the ends permit."""
        metrics = QFontMetricsF(text_font(_DETAIL, QFont.Weight.Bold))
        advance, pitch = metrics.horizontalAdvance, geometry.pitch
        named = self.names.in_view(geometry.timesteps_in_view(), pitch, advance) if self.names.shown else {}
        gap = _GAP_OF_CHARACTERS if self.names.characters else _NAME_GAP
        room = max(self.names.step(pitch, advance) * pitch - gap, 1.0) if named else 0.0
        found = []
        for timestep, name in named.items():
            text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, max(room, advance("…")))
            wide = advance(text)
            left = min(max(geometry.x_of(timestep) - wide / 2.0, 0.0), geometry.width - wide)
            found.append((QRectF(left, scaled(_AXIS) - 2.0, wide, scaled(_NAME_LINE)), text))
        return found

    def ticks(self, geometry: Geometry, initial_name: str) -> list[tuple[float, str]]:
        """x and text of the numbers: every 1, 2 or 5 times a power of ten, and the columns of the initial state."""
        widest = advance_of(text_font(_DETAIL), number_format.count(geometry.picture.timesteps))
        step = tick_step((widest + (_TICK_ROOM if geometry.boxes else 4.0 * _TICK_ROOM)) / geometry.pitch)
        times = geometry.timesteps_in_view()
        found = {t: number_format.count(t) for t in range(-(-times.start // step) * step, times.stop, step)}
        for lane, _ in geometry.picture.lanes:
            initial = geometry.initial_timestep(lane)
            if initial is not None and initial_name:
                found[initial] = f"{found[initial]} {initial_name}" if initial in times else initial_name
        spans = [(*geometry.span(t), text) for t, text in sorted(found.items())]
        return [(left + width / 2.0, text) for left, width, text in spans]

    def pill(self, timestep: int, geometry: Geometry) -> QRectF:
        """The place of the selected time step; null where it is out of view."""
        left, width = geometry.span(timestep)
        x, wide = left + width / 2.0, advance_of(text_font(_DETAIL), number_format.count(timestep)) + 2.0 * scaled(10)
        if not 0.0 <= x <= geometry.width:
            return QRectF()
        left = min(max(x - wide / 2.0, 0.0), geometry.width - wide)
        return QRectF(left, (scaled(_AXIS) - scaled(_PILL)) / 2.0 + 1.0, wide, scaled(_PILL))

    def paint(
        self,
        painter: QPainter,
        geometry: Geometry,
        theme: Theme,
        initial_name: str,
        selected: int | None,
        dirty: QRegion | None = None,
    ) -> None:
        """Paint the axis at the origin of the painter, of its numbers those that share columns with a region."""
        columns = None if dirty is None else [(rect.left(), rect.right() + 1) for rect in rects_of(dirty)]
        painter.setPen(QPen(theme.color("border"), 1.0))
        painter.drawLine(QPointF(0.0, 0.5), QPointF(geometry.width, 0.5))
        font = text_font(_DETAIL)
        painter.setFont(font)
        muted, border = theme.color("muted"), QPen(theme.color("border"), 1.0)
        tall, top = scaled(_PILL), (scaled(_AXIS) - scaled(_PILL)) / 2.0 + 1.0
        pill = QRectF() if selected is None else self.pill(selected, geometry)
        end, advance = 0.0, QFontMetricsF(font).horizontalAdvance
        for x, text in self.ticks(geometry, initial_name):
            wide = advance(text)
            left = min(max(x - wide / 2.0, 0.0), geometry.width - wide)
            place = QRectF(left, top, wide, tall)
            outside = columns is not None and not any(begin < left + wide and left < end for begin, end in columns)
            if not outside and not geometry.boxes:
                painter.setPen(border)
                painter.drawLine(QPointF(round(x) + 0.5, 0.0), QPointF(round(x) + 0.5, _TICK))
            if left < end or place.adjusted(-_PILL_SIDE, 0.0, _PILL_SIDE, 0.0).intersects(pill):
                continue
            end = place.right() + _PILL_SIDE
            if outside:
                continue
            painter.setPen(muted)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextDontClip, text)
        if selected is not None and not pill.isNull():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("cursor"))
            painter.drawRoundedRect(pill, 4.0, 4.0)
            painter.setFont(text_font(_DETAIL, QFont.Weight.Bold))
            painter.setPen(theme.color("base"))
            painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, number_format.count(selected))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setFont(text_font(_DETAIL, QFont.Weight.Bold))
        painter.setPen(theme.color("text"))
        for place, text in self.names_in_view(geometry):
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextDontClip, text)
