"""Parts of the canvas above the lanes: minimap, badges of the stages, and names of two engines."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QCursor, QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import (
    QGraphicsObject,
    QGraphicsSceneMouseEvent,
    QStyleOptionGraphicsItem,
    QWidget,
)

from rnnviz.core import number_format
from rnnviz.core.engine_spec import distinct_names
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.header import LanesPart
from rnnviz.gui.views.unrolled.marks import LINES, Frame, color_of
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.verify.compare import LaneComparison

_STRIP = 15.0
"""Height of the strip of the minimap, also for badges; the map itself is lower."""
_MAP = 8.0
_TRACK, _NARROWEST_PART, _WIDE_STEP = 3.0, 6.0, 3.0
_BADGE_FONT, _BADGE_SIDE = 10, 4.0
_NAMES, _NAME_GAP = 20.0, 7.0
_NARROWEST_SIDE = 4.0
"""Minimum width in pixels of a side that has a name."""


class Minimap(LanesPart):
    """A strip with the width of the lanes. A click or a drag moves the part in view."""

    time_requested = Signal(float)
    """Time step for the center of the view."""

    def __init__(self) -> None:
        super().__init__()
        self._comparison: LaneComparison | None = None
        self._steps: NDArray[np.int64] = np.zeros(0, np.int64)
        self._pixels: tuple[float, list[int]] = (0.0, [])
        self.setCursor(QCursor(Qt.CursorShape.PointingHandCursor))
        self.make_room(None)

    def make_room(self, shown: RenderState | None) -> None:
        """Set the height. Mismatches are counted once for each comparison."""
        self.set_height(0.0 if shown is None else scaled(_STRIP))
        comparison = None if shown is None else shown.comparison
        if comparison is not self._comparison:
            self._comparison = comparison
            differ = np.zeros(0, bool) if comparison is None else (comparison.mismatched_over_time > 0).any(axis=(0, 1))
            self._steps, self._pixels = np.flatnonzero(differ), (0.0, [])

    def show_lanes(self, shown: RenderState | None, geometry: Geometry | None) -> None:
        if geometry is not None and self._pixels[0] != geometry.width:
            places = np.unique((2 * self._steps + 1) * int(geometry.width) // (2 * geometry.picture.timesteps))
            self._pixels = geometry.width, places.tolist()
        super().show_lanes(shown, geometry)

    @property
    def part(self) -> QRectF:
        """Rectangle of the part in view; null if that is the whole sequence."""
        geometry = self._geometry
        if geometry is None or geometry.camera.span >= geometry.picture.timesteps:
            return QRectF()
        per_step = geometry.width / geometry.picture.timesteps
        width = max(geometry.camera.span * per_step, _NARROWEST_PART)
        left = min(max((geometry.camera.start + 0.5) * per_step, 0.0), geometry.width - width)
        return QRectF(left, 3.0, width, _MAP)

    @property
    def ticks(self) -> list[int]:
        """Pixels with mismatches; none while the lanes show every time step wide enough for its own marks."""
        geometry = self._geometry
        if geometry is None or (self.part.isNull() and geometry.pitch >= _WIDE_STEP):
            return []
        return self._pixels[1]

    def words(self) -> str:
        geometry = self._geometry
        if geometry is None or (self.part.isNull() and not self.ticks):
            return ""
        steps, whole = len(geometry.timesteps_in_view()), geometry.picture.timesteps
        in_view = f"{number_format.count(steps)} of {number_format.count(whole)} time steps are in view."
        return f"{in_view} Marks are time steps with mismatches. Click or drag to move."

    def paint_lanes(self, painter: QPainter, shown: RenderState, geometry: Geometry) -> None:
        part = self.part
        if not part.isNull():
            track = QRectF(0.0, 3.0 + (_MAP - _TRACK) / 2.0, self.size().width(), _TRACK)
            painter.fillRect(track, shown.theme.color("grid"))
        for x in self.ticks:
            painter.fillRect(QRectF(x - 1.0, 4.0, 2.0, _MAP - 2.0), shown.theme.color("wrong"))
        if not part.isNull():
            tint = shown.theme.color("accent")
            painter.setPen(QPen(tint, 1.0))
            tint.setAlphaF(0.3)
            painter.setBrush(tint)
            painter.drawRect(part.adjusted(0.5, 0.5, -0.5, -0.5))

    def mousePressEvent(self, event: QGraphicsSceneMouseEvent) -> None:
        event.accept()
        self._move(event.pos().x())

    def mouseMoveEvent(self, event: QGraphicsSceneMouseEvent) -> None:
        self._move(event.pos().x())

    def _move(self, x: float) -> None:
        if self._geometry is not None:
            self.time_requested.emit(x / self._geometry.width * self._geometry.picture.timesteps - 0.5)


class Badge(NamedTuple):
    """A label in the strip, its rectangle, and the frame that it names."""

    text: str
    rect: QRectF
    frame: Frame


class StageBadges(QGraphicsObject):
    """Labels of the frames in a strip outside the lanes, above their columns and side by side."""

    def __init__(self, minimap: Minimap) -> None:
        super().__init__(minimap)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._theme, self._width, self._height = LIGHT, 0.0, 0.0
        self.badges: list[Badge] = []
        self._font = QFont()
        self._font.setBold(True)

    def show_frames(self, frames: Sequence[Frame], width: float, theme: Theme) -> None:
        """Set the frames. Frames of one column with the same label have one badge."""
        if not frames and not self.badges:
            return
        self.prepareGeometryChange()
        self._theme, self._width, self._height = theme, width, float(scaled(_STRIP))
        self._font.setPixelSize(scaled(_BADGE_FONT))
        metrics = QFontMetricsF(self._font)
        named = {(frame.tag, round(frame.rect.center().x())): frame for frame in frames if frame.tag}
        placed: list[Badge] = []
        for (text, center), frame in sorted(named.items(), key=lambda item: (item[0][1], item[0][0])):
            across = metrics.horizontalAdvance(text) + 2.0 * _BADGE_SIDE
            after = placed[-1].rect.right() + _BADGE_SIDE if placed else 0.0
            left = max(min(center - across / 2.0, width - across), after)
            placed.append(Badge(text, QRectF(left, 0.5, across, self._height - 1.5), frame))
        # Those that were pushed beyond the right edge push the others back.
        edge, self.badges = width, []
        for badge in reversed(placed):
            left = min(badge.rect.left(), edge - badge.rect.width())
            self.badges.insert(0, badge._replace(rect=badge.rect.translated(left - badge.rect.left(), 0.0)))
            edge = left - _BADGE_SIDE
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


class Name(NamedTuple):
    """An engine's name as written, with its left and right end."""

    text: str
    left: float
    right: float


class SwipeNames(LanesPart):
    """A strip with height 0 unless two engines are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.make_room(None)

    def make_room(self, shown: RenderState | None) -> None:
        """Set the height."""
        self.set_height(scaled(_NAMES) if shown is not None and shown.right is not None else 0.0)

    def move_split(self, shown: RenderState, geometry: Geometry) -> None:
        """Move the split between the engines.

        Qt repaints every item that meets the bounding rectangle of all changes, so the changed part must not be
        wider than that of the lanes below.
        """
        before = self._extent()
        self._shown, self._geometry = shown, geometry
        self.update(before.united(self._extent()))

    def names(self) -> list[Name]:
        shown, geometry = self._shown, self._geometry
        if shown is None or geometry is None or shown.right is None:
            return []
        metrics, width = QFontMetricsF(self._font()), geometry.width
        edge = min(max(geometry.edge(shown.split), 0.0), width)
        left, right = distinct_names((shown.left.engine, shown.right.engine)).values()
        before, after = metrics.horizontalAdvance(left), metrics.horizontalAdvance(right)
        begin = max(edge - _NAME_GAP - before, 0.0)
        next_begin = max(min(edge + _NAME_GAP, width - after), 0.0)
        if min(edge, width - edge) < _NARROWEST_SIDE or before + 2.0 * _NAME_GAP + after > width:
            wider = Name(left, begin, begin + before), Name(right, next_begin, next_begin + after)
            return [wider[edge < width / 2.0]]
        # Without enough space on its side, a name reaches across the split in full.
        if begin == 0.0:
            next_begin = max(next_begin, before + 2.0 * _NAME_GAP)
        else:
            begin = min(begin, next_begin - 2.0 * _NAME_GAP - before)
        return [Name(left, begin, begin + before), Name(right, next_begin, next_begin + after)]

    def paint_lanes(self, painter: QPainter, shown: RenderState, geometry: Geometry) -> None:
        if shown.right is None:
            return
        font, height = self._font(), self.size().height()
        painter.setFont(font)
        painter.setPen(shown.theme.color("text"))
        baseline = (height + QFontMetricsF(font).capHeight()) / 2.0
        names = self.names()
        for name in names:
            painter.drawText(QPointF(name.left, baseline), name.text)
        edge = geometry.edge(shown.split)
        if 0.0 <= edge <= geometry.width and not any(name.left < edge < name.right for name in names):
            painter.setPen(QPen(shown.theme.color("cursor"), 1.0))
            painter.drawLine(QPointF(round(edge) + 0.5, 3.0), QPointF(round(edge) + 0.5, height))

    def _extent(self) -> QRectF:
        names = self.names()
        if not names:
            return self.boundingRect()
        left, right = names[0].left, names[-1].right
        return QRectF(left - 2.0 * _NAME_GAP, 0.0, right - left + 4.0 * _NAME_GAP, self.size().height())

    def _font(self) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(scaled(12))
        font.setBold(True)
        return font
