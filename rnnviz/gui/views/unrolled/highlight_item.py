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
from rnnviz.quantities.traversal import Part, Region

_SMALLEST = 9.0
"""Minimum size of a frame in pixels."""
_REACH, _STROKE, _UNDER, _EDGE = 3.0, 2.0, 5.0, 1.5
_BEYOND = 60.0
"""Length of a frame beyond the view, in pixels. Qt draws every dash, even invisible ones."""
_THIN = 3.0
"""Width of a frame with its under-tone next to digits."""
_TAG_FONT, _TAG_SIDE = 10, 4.0

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
    reach = 0.0 if _touches_digits(geometry) else _REACH
    wider, taller = (max(_SMALLEST - size, 0.0) / 2.0 + reach for size in (rect.width(), rect.height()))
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
    """A dashed two-tone frame around each region. Inputs and outputs of a step are joined by arrows."""

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self.setZValue(9)
        self._theme = LIGHT
        self._highlighted: tuple[Region, ...] = ()
        self.frames: list[Frame] = []
        """The current frames."""
        self._bounds = QRectF()
        self._thin = False
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
        self._thin = geometry is not None and _touches_digits(geometry)
        for frame in self.frames:
            self._bounds |= frame.rect
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
            over = QPen(color_of(frame, theme), _STROKE)
            if dashes:
                over.setDashPattern(dashes)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for pen in (QPen(ground, _THIN if self._thin else _UNDER), over):
                pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
                pen.setCapStyle(Qt.PenCapStyle.FlatCap)
                painter.setPen(pen)
                painter.drawRect(frame.rect)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for start, end in flow_of([(frame.region, frame.rect) for frame in self.frames]):
            arrow(painter, start, end, ground, 5.0)
            arrow(painter, start, end, theme.color("text"), 2.0)


class Badge(NamedTuple):
    """A label in the strip, its rectangle, and the frame that it names."""

    text: str
    rect: QRectF
    frame: Frame


class StageBadges(QGraphicsObject):
    """Labels of the frames in a strip outside the lanes, above their columns and side by side."""

    def __init__(self, parent: QGraphicsItem, height: float) -> None:
        super().__init__(parent)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._theme, self._width, self._height = LIGHT, 0.0, height
        self.badges: list[Badge] = []
        self._font = QFont()
        self._font.setPixelSize(scaled(_TAG_FONT))
        self._font.setBold(True)

    def show_frames(self, frames: Sequence[Frame], width: float, theme: Theme) -> None:
        """Set the frames. Frames of one column with the same label have one badge."""
        if not frames and not self.badges:
            return
        self.prepareGeometryChange()
        self._theme, self._width = theme, width
        metrics = QFontMetricsF(self._font)
        named = {(frame.tag, round(frame.rect.center().x())): frame for frame in frames if frame.tag}
        placed: list[Badge] = []
        for (text, center), frame in sorted(named.items(), key=lambda item: (item[0][1], item[0][0])):
            across = metrics.horizontalAdvance(text) + 2.0 * _TAG_SIDE
            after = placed[-1].rect.right() + _TAG_SIDE if placed else 0.0
            left = max(min(center - across / 2.0, width - across), after)
            placed.append(Badge(text, QRectF(left, 0.5, across, self._height - 1.5), frame))
        # Those that were pushed beyond the right edge push the others back.
        edge, self.badges = width, []
        for badge in reversed(placed):
            left = min(badge.rect.left(), edge - badge.rect.width())
            self.badges.insert(0, badge._replace(rect=badge.rect.translated(left - badge.rect.left(), 0.0)))
            edge = left - _TAG_SIDE
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(0.0, 0.0, self._width, self._height)

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        theme = self._theme
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._font)
        for badge in self.badges:
            pen = QPen(color_of(badge.frame, theme), 1.5)
            if dashes := LINES[badge.frame.region.part][0]:
                pen.setDashPattern(dashes)
            painter.setPen(pen)
            painter.setBrush(theme.color("base"))
            painter.drawRoundedRect(badge.rect, 3.0, 3.0)
            painter.setPen(theme.color("text"))
            painter.drawText(badge.rect, Qt.AlignmentFlag.AlignCenter, badge.text)


def color_of(frame: Frame, theme: Theme) -> QColor:
    """Color of a frame and of its badge."""
    _, series = LINES[frame.region.part]
    return theme.color("accent") if series is None else QColor(theme.series[series])


def _touches_digits(geometry: Geometry) -> bool:
    """Whether a wide frame would cover digits: they are written on cells without gaps."""
    return geometry.numbered and not geometry.boxes
