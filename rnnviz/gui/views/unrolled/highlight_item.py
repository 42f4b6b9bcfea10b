"""Frames around the highlighted regions: one item above the lanes, hidden without highlights."""

from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.dataflow_arrows import flow_of
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.shapes import arrow
from rnnviz.quantities.highlights import Part, Region

_SMALLEST = 9.0
"""Minimum size of a frame in pixels."""
_REACH, _STROKE, _UNDER, _EDGE = 3.0, 2.0, 5.0, 1.5
_BEYOND = 60.0
"""Length of a frame beyond the view, in pixels. Qt draws every dash, even invisible ones."""
_TAG_FONT, _TAG_SIDE = 11, 4.0
_NARROW = 24.0

LINES: dict[Part, tuple[tuple[float, ...], int | None]] = {
    "same": ((4.0, 3.0), None),
    "read": ((1.0, 1.5), None),
    "computed": ((), 1),
    "carried": ((6.0, 2.0), 4),
    "next": ((1.0, 1.5), 4),
}
"""Dashes of each part as multiples of the line width, and its index among the series colors (None: accent)."""


class Frame(NamedTuple):
    """Rectangle of a region, and its label."""

    region: Region
    rect: QRectF
    tag: str


def frames_of(highlighted: Sequence[Region], geometry: Geometry) -> list[Frame]:
    """Frames of the visible regions. h and c of one step share a frame.

    Regions that the shown network lacks are skipped, for example during a change of the network.
    """
    places: dict[tuple[object, ...], list[Region]] = {}
    for region in highlighted:
        places.setdefault((region.lane, region.times, region.units, region.part), []).append(region)
    view = QRectF(0.0, 0.0, geometry.width, geometry.height)
    frames = [
        Frame(together[0], _rect(together[0], geometry), _tag(together))
        for together in places.values()
        if geometry.picture.holds(together[0].lane, together[0].units)
    ]
    return [frame for frame in frames if frame.rect.intersects(view)]


def _rect(region: Region, geometry: Geometry) -> QRectF:
    rect = QRectF(*geometry.around(region.lane, region.times, region.units))
    wider, taller = (max(_SMALLEST - size, 0.0) / 2.0 + _REACH for size in (rect.width(), rect.height()))
    framed = rect.adjusted(-wider, -taller, wider, taller)
    # The edge of what is wholly in view is in view, too.
    if rect.left() >= -1.0:
        framed.setLeft(max(framed.left(), _EDGE))
    if rect.right() <= geometry.width + 1.0:
        framed.setRight(min(framed.right(), geometry.width - _EDGE))
    if rect.top() >= -1.0:
        framed.setTop(max(framed.top(), _EDGE))
    if rect.bottom() <= geometry.height + 1.0:
        framed.setBottom(min(framed.bottom(), geometry.height - _EDGE))
    return framed & QRectF(0.0, 0.0, geometry.width, geometry.height).adjusted(-_BEYOND, -_BEYOND, _BEYOND, _BEYOND)


def _tag(together: Sequence[Region]) -> str:
    """Label of regions in one frame: c if they include it, because the lanes show h."""
    arrays, part = ", ".join(dict.fromkeys(region.array for region in together)), together[0].part
    if part == "same":
        return "" if "h" in arrays else arrays
    return f"{part} {arrays}" if "c" in arrays else part


class HighlightItem(QGraphicsObject):
    """A dashed two-tone frame around each region. Inputs and outputs of a step are labeled and joined by arrows."""

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self.setZValue(9)
        self._theme = LIGHT
        self._highlighted: tuple[Region, ...] = ()
        self.frames: list[Frame] = []
        """The current frames."""
        self._bounds = QRectF()
        self._font = QFont()
        self._font.setPixelSize(scaled(_TAG_FONT))
        self._font.setBold(True)
        self._metrics = QFontMetricsF(self._font)
        self.hide()

    def set_regions(self, highlighted: Sequence[Region], geometry: Geometry | None, theme: Theme) -> None:
        """Set the highlighted regions."""
        self._highlighted = tuple(highlighted)
        self.set_geometry(geometry, theme)

    def set_geometry(self, geometry: Geometry | None, theme: Theme) -> None:
        """Update the frames for a geometry."""
        if not self._highlighted and not self.frames:
            return
        self.prepareGeometryChange()
        self._theme, self._bounds = theme, QRectF()
        self.frames = [] if geometry is None else frames_of(self._highlighted, geometry)
        for frame in self.frames:
            self._bounds |= frame.rect | self._tag_rect(frame)
        if geometry is not None:
            self._bounds.adjust(-_UNDER, -_UNDER, _UNDER, _UNDER)
            self._bounds &= QRectF(0.0, 0.0, geometry.width, geometry.height)
        self.setVisible(bool(self.frames))
        self.update()

    def boundingRect(self) -> QRectF:
        return self._bounds

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        theme = self._theme
        painter.setClipRect(self._bounds)
        ground = theme.color("base")
        for frame in self.frames:
            dashes, _ = LINES[frame.region.part]
            over = QPen(self._color(frame), _STROKE)
            if dashes:
                over.setDashPattern(dashes)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for pen in (QPen(ground, _UNDER), over):
                pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
                pen.setCapStyle(Qt.PenCapStyle.FlatCap)
                painter.setPen(pen)
                painter.drawRect(frame.rect)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for start, end in flow_of([(frame.region, frame.rect) for frame in self.frames]):
            arrow(painter, start, end, ground, 5.0)
            arrow(painter, start, end, theme.color("text"), 2.0)
        painter.setFont(self._font)
        for frame in self.frames:
            if frame.tag:
                rect = self._tag_rect(frame)
                painter.setPen(QPen(self._color(frame), 1.0))
                painter.setBrush(ground)
                painter.drawRoundedRect(rect, 3.0, 3.0)
                painter.setPen(theme.color("text"))
                painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, frame.tag)

    def _color(self, frame: Frame) -> QColor:
        _, series = LINES[frame.region.part]
        return self._theme.color("accent") if series is None else QColor(self._theme.series[series])

    def _tag_rect(self, frame: Frame) -> QRectF:
        """Rectangle of a label above its frame, away from a neighbor in the same lane."""
        if not frame.tag:
            return QRectF()
        width, height = self._metrics.horizontalAdvance(frame.tag) + 2.0 * _TAG_SIDE, self._metrics.height() + 1.0
        rect = frame.rect
        beside = [other.rect.left() - rect.left() for other in self.frames if other.region.lane == frame.region.lane]
        leftwards, narrow = max(beside) > 0.0, rect.width() < _NARROW and min(beside) != max(beside)
        left = rect.right() - width if leftwards else rect.left()
        if narrow:
            # The frames themselves overlap: their names begin where one ends and the other begins.
            left = rect.center().x() - width if leftwards else rect.center().x() + 1.0
        # Above the uppermost lane there is no room.
        return QRectF(left, max(rect.top() - height + 2.0, 1.0), width, height)
