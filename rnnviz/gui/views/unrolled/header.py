"""Headers at the left of the lanes: layer, direction, verdict and number of mismatches."""

from collections import Counter
from collections.abc import Sequence
from math import inf

from PySide6.QtCore import QMarginsF, QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QGraphicsWidget, QStyleOptionGraphicsItem, QWidget

from rnnviz.core.sequence import feature_title
from rnnviz.core.trace_index import DIRECTIONS, Lane
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.geometry import Geometry, LaneRect, Scale, number_row
from rnnviz.gui.views.unrolled.lane_text import INPUT_TITLE, LaneHeader, header_of
from rnnviz.gui.views.unrolled.lanes_item import arrow, number_font
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.gui.views.unrolled.time_axis import tick_step

_PADDING, _ARROW, _MARK = 8.0, 16.0, 11.0
_UNIT_FONT = 9
_UNIT_TICK = 3.0
"""Minimum distance between the units of a part of a lane, in font sizes."""
_CHECK = (((0.12, 0.55), (0.4, 0.82), (0.9, 0.2)),)
_CROSS = ((0.18, 0.18), (0.82, 0.82)), ((0.82, 0.18), (0.18, 0.82))
_LONGEST_VERDICT = "99,999 differ"
_LARGEST_SHARE = 1 / 3
"""Largest width of the headers, as a share of that of the whole view."""


class LanesPart(QGraphicsWidget):
    """A part of the canvas next to or above the lanes."""

    margins = QMarginsF()
    """Edges without content. Changes in the lanes or the axis next to them do not repaint the part."""

    def __init__(self) -> None:
        super().__init__()
        self.tight = False
        """Whether the width is that of the texts, as in a picture, whatever the width of the view."""
        self._shown: RenderState | None = None
        self._geometry: Geometry | None = None
        self._drawn: object = None

    def make_room(self, shown: RenderState | None) -> None:
        """Set the size for other lanes."""
        raise NotImplementedError

    def limit_width(self, whole: float) -> None:
        """Set the size for another width of the view that the part belongs to."""

    def show_lanes(self, shown: RenderState | None, geometry: Geometry | None) -> None:
        drawn = None if shown is None or geometry is None else self.content(shown, geometry)
        self._shown, self._geometry = shown, geometry
        if drawn is None or drawn != self._drawn:
            self.update()
        self._drawn = drawn

    def content(self, shown: RenderState, geometry: Geometry) -> object:
        """Everything that the part draws, which is repainted only if that changes; None for always."""
        return None

    def set_width(self, width: float) -> None:
        self.setMinimumWidth(width)
        self.setMaximumWidth(width)

    def set_height(self, height: float) -> None:
        self.setMinimumHeight(height)
        self.setMaximumHeight(height)

    def boundingRect(self) -> QRectF:
        return QRectF(QPointF(), self.size()).marginsRemoved(self.margins)

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        if self._shown is not None and self._geometry is not None:
            self.paint_lanes(painter, self._shown, self._geometry)

    def paint_lanes(self, painter: QPainter, shown: RenderState, geometry: Geometry) -> None:
        raise NotImplementedError


class Headers(LanesPart):
    """Headers that move with their lanes, and unit numbers if they fit."""

    margins = QMarginsF(0.0, 0.0, 4.0, 4.0)

    def __init__(self) -> None:
        super().__init__()
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemClipsToShape)
        self._flags: dict[Lane, LaneHeader] = {}
        self._text_width = self._unit_width = 0.0
        self._wanted_width, self._whole = 0.0, inf
        self._computing = frozenset[Lane]()

    def show_computing(self, lanes: frozenset[Lane]) -> None:
        if lanes != self._computing:
            self._computing = lanes
            self.update()

    def make_room(self, shown: RenderState | None) -> None:
        """Set the width to that of the headers."""
        lanes = () if shown is None else shown.picture().lanes
        self._flags = {} if shown is None else {lane: header_of(shown, lane) for lane, _ in lanes}
        kept = "" if self.tight else _LONGEST_VERDICT
        longest = max([kept, *(flag.verdict for flag in self._flags.values())], key=len)
        if shown is not None and shown.computed:
            longest = max(longest, _computing(shown), key=len)
        layers = [lane.layer for lane, _ in lanes if lane.layer is not None]
        texts = f"layer {max(layers, default=0)}" if self.tight else "layer 00", "backward", longest
        title, direction, verdict = map(QFontMetricsF(self._bold()).horizontalAdvance, texts)
        widest = max(
            title + scaled(_ARROW) + scaled(_MARK) + 10.0,
            direction + scaled(_ARROW) + 5.0,
            verdict + scaled(_MARK) + 5.0,
        )
        self._wanted_width = float(round(widest + 2.0 * _PADDING))
        digits = max((len(str(rows - 1)) for _, rows in lanes), default=1)
        self._unit_width = float(round(self._widest(["0" * digits]) + 6.0))
        self._shown_width(shown is not None)

    def limit_width(self, whole: float) -> None:
        self._whole = whole
        self._shown_width(bool(self._flags))

    def _shown_width(self, shown: bool) -> None:
        """Take the wanted width, at most a share of the view's; longer texts are then elided."""
        most = inf if self.tight else self._whole * _LARGEST_SHARE - self._unit_width
        self._text_width = max(min(self._wanted_width, most), 0.0)
        self.set_width(self._text_width + self._unit_width if shown else 0.0)

    def description_at(self, y: float) -> str:
        """The header at a height in full."""
        if self._geometry is None:
            return ""
        lane_rect = self._geometry.stack.nearest(y + self._geometry.camera.scroll)
        return str(self._flags[lane_rect.lane])

    def content(self, shown: RenderState, geometry: Geometry) -> object:
        computing = _computing(shown) if self._computing else ""
        texts = self._flags, self._text_width, shown.per_unit, computing, shown.result.inputs.names
        return *texts, shown.orders, shown.theme, lanes_of_geometry(geometry)

    def paint_lanes(self, painter: QPainter, shown: RenderState, geometry: Geometry) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for lane_rect in geometry.lane_rects_in_view():
            self._paint_flag(painter, shown, lane_rect, geometry)
            self._paint_units(painter, shown, lane_rect, geometry)

    def _paint_flag(self, painter: QPainter, shown: RenderState, lane_rect: LaneRect, geometry: Geometry) -> None:
        flag, theme, bold = self._flags[lane_rect.lane], shown.theme, self._bold()
        line = QFontMetricsF(bold).height()
        lines = (
            1
            + (lane_rect.height >= 2 * line) * bool(flag.verdict)
            + (lane_rect.height >= 3 * line + 2) * (lane_rect.lane.layer is not None)
        )
        # The header is centered on the visible part of the lane, so that a tall lane keeps its name.
        top = max(geometry.top_of(lane_rect), 0.0)
        bottom = min(geometry.top_of(lane_rect) + lane_rect.height, geometry.height)
        y = top + max(0.0, (bottom - top - lines * line) / 2.0)
        right = self._text_width - _PADDING
        painter.setPen(theme.color("text"))
        painter.setFont(bold)
        if lane_rect.lane.layer is None:
            # To the left of the features' names, which need more room than numbers.
            names = [text for _, text in self.rows(shown, lane_rect, geometry)]
            right -= max(self._widest(names) - self._unit_width, 0.0)
            title = _elided(painter.font(), flag.title, right)
            painter.drawText(QRectF(0.0, y, right, line), Qt.AlignmentFlag.AlignRight, title)
            if lines > 1:
                self._paint_verdict(painter, shown, flag, QRectF(0.0, y + line, right, line))
            return
        name = f"layer {lane_rect.lane.layer}"
        backward = lane_rect.lane.backward
        arrow_right = right
        if lines == 3:
            painter.drawText(QRectF(0.0, y, right, line), Qt.AlignmentFlag.AlignRight, name)
            y += line
            name = DIRECTIONS[backward]
            painter.setFont(self.font())
        if lines == 1 and flag.agrees is not None and lane_rect.lane not in self._computing:
            _verdict_mark(painter, right - scaled(_MARK), QRectF(0.0, y, right, line), flag.agrees, theme)
            arrow_right -= scaled(_MARK) + 5.0
        room = QRectF(0.0, y, arrow_right - scaled(_ARROW) - 5.0, line)
        painter.drawText(room, Qt.AlignmentFlag.AlignRight, _elided(painter.font(), name, room.width()))
        middle = y + line / 2.0
        ends = QPointF(arrow_right - scaled(_ARROW), middle), QPointF(arrow_right, middle)
        arrow(painter, ends[backward], ends[not backward], theme.color("text"))
        if lines > 1 and flag.verdict:
            self._paint_verdict(painter, shown, flag, QRectF(0.0, y + line, right, line))

    def _paint_verdict(self, painter: QPainter, shown: RenderState, flag: LaneHeader, line: QRectF) -> None:
        role, font = "muted", self.font()
        if flag.lane in self._computing:
            role, text = "accent", _elided(font, _computing(shown), line.width())
        elif flag.agrees is None:
            text = _elided(font, flag.verdict, line.width())
        else:
            role = "right" if flag.agrees else "wrong"
            font.setBold(not flag.agrees)
            mark = scaled(_MARK) + 5.0
            text = _elided(font, flag.verdict, line.width() - mark)
            left = line.right() - QFontMetricsF(font).horizontalAdvance(text) - mark
            _verdict_mark(painter, left, line, flag.agrees, shown.theme)
        painter.setFont(font)
        painter.setPen(shown.theme.color(role))
        painter.drawText(line, Qt.AlignmentFlag.AlignRight, text)

    def _paint_units(self, painter: QPainter, shown: RenderState, lane_rect: LaneRect, geometry: Geometry) -> None:
        """Write the unit of each row if it fits, else of the first and last; in a part of a lane, of round ones."""
        size = _unit_size(lane_rect)
        painter.setFont(number_font(size))
        painter.setPen(shown.theme.color("muted"))
        scale, top = Scale(lane_rect.row, lane_rect.rows), geometry.top_of(lane_rect)
        low = lane_rect.row < number_row() - 1.0
        for unit, text in self.rows(shown, lane_rect, geometry):
            first, stop = scale.span(unit)
            middle = (first + stop) / 2.0
            if low:
                middle = min(max(middle, size / 2.0), lane_rect.height - size / 2.0)
            line = QRectF(0.0, top + middle - size, self.size().width() - 4.0, 2.0 * size)
            painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)

    def rows(self, shown: RenderState, lane_rect: LaneRect, geometry: Geometry) -> list[tuple[int, str]]:
        """The labeled units with their labels: a number, or the name of a feature."""
        seen, size = geometry.rows_in_view(lane_rect), _unit_size(lane_rect)
        units: Sequence[int] = seen
        if lane_rect.row < number_row() - 1.0 and len(seen) < lane_rect.rows:
            step = tick_step(_UNIT_TICK * size / lane_rect.row)
            units = [unit for unit in seen if unit % step == 0]
        elif lane_rect.row < number_row() - 1.0:
            units = [0, lane_rect.rows - 1] if lane_rect.rows > 1 and lane_rect.height >= 2.5 * size else []
        if lane_rect.lane.layer is not None:
            unit_at = geometry.picture.unit_at
            return [(row, str(unit_at(lane_rect.lane, row))) for row in units] if shown.per_unit else []
        names, metrics = shown.result.inputs.names, QFontMetricsF(number_font(size))
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
        """Maximum width of a feature's name, limited by the lane's header."""
        title = QFontMetricsF(self._bold()).horizontalAdvance(INPUT_TITLE)
        return self._text_width - title - 3.0 * _PADDING + self._unit_width

    def _widest(self, texts: list[str]) -> float:
        metrics = QFontMetricsF(number_font(scaled(_UNIT_FONT)))
        return max(map(metrics.horizontalAdvance, texts), default=0.0)

    def _bold(self) -> QFont:
        bold = QFont(self.font())
        bold.setBold(True)
        return bold


def _elided(font: QFont, text: str, width: float) -> str:
    # A text of exactly this width may be measured a little wider.
    return QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, width + 0.5)


def _verdict_mark(painter: QPainter, left: float, line: QRectF, agrees: bool, theme: Theme) -> None:
    strokes, size = _CHECK if agrees else _CROSS, scaled(_MARK)
    top = line.top() + (line.height() - size) / 2.0
    tone = theme.color("right" if agrees else "wrong")
    painter.setPen(QPen(tone, 2.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    for stroke in strokes:
        painter.drawPolyline([QPointF(left + x * size, top + y * size) for x, y in stroke])


def _computing(shown: RenderState) -> str:
    return f"computing {shown.quantity} …"


def _unit_size(lane_rect: LaneRect) -> int:
    """Font size of the unit numbers in pixels, limited by the row height where every row has one."""
    usual = scaled(_UNIT_FONT)
    if lane_rect.row < number_row() - 1.0 and lane_rect.height >= 2.5 * usual:
        return usual
    return min(usual, max(_UNIT_FONT, int(lane_rect.row)))


def lanes_of_geometry(geometry: Geometry) -> object:
    """The part of a geometry without the visible time."""
    return geometry.stack, geometry.camera.scroll, geometry.height
