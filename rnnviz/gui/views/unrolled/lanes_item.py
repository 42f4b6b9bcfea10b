"""All lanes as one item of the scene, painted in the window's pixels."""

from math import floor

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from rnnviz.gui.views.unrolled.blocks import Number, block_in_view, numbers_of
from rnnviz.gui.views.unrolled.boxes import digits_on, paint_boxes, paint_frames, paint_numbers, paint_recurrence
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.layout import Band
from rnnviz.gui.views.unrolled.scale import Scale
from rnnviz.gui.views.unrolled.shown import Shown
from rnnviz.gui.views.unrolled.strokes import arrow
from rnnviz.gui.views.unrolled.tiles import COLUMNS, ROWS

_ARROW, _PILL = 24.0, QRectF(0.0, 0.0, 34.0, 14.0)
_SHORTEST_WITH_ARROW = 24.0
_SPLIT_REACH = 2.0
"""Rounding to pixels of the screen may move the split by this much."""


class LanesItem(QGraphicsObject):
    """Paints what a geometry has in view, and only the part that has to be painted again."""

    special_seen = Signal()
    """A number that is none, or beyond the scale, has been painted for the first time."""

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent)
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._shown: Shown | None = None
        self._geometry: Geometry | None = None

    def show_lanes(self, shown: Shown | None, geometry: Geometry | None) -> None:
        """Paint this from now on."""
        if _size(geometry) != _size(self._geometry):
            self.prepareGeometryChange()
        self._shown, self._geometry = shown, geometry
        self.update()

    def move_split(self, shown: Shown, geometry: Geometry) -> None:
        """Part the two engines elsewhere, and paint no more than what changes from one to the other."""
        before, self._shown = self._shown, shown
        if before is not None and before.split != shown.split:
            left, right = sorted(geometry.edge(shown_at.split) for shown_at in (before, shown))
            self.update(QRectF(left - _SPLIT_REACH, 0.0, right - left + 2.0 * _SPLIT_REACH, geometry.height))

    def numbers(self) -> list[Number]:
        """Every number that is written in view."""
        shown, geometry = self._shown, self._geometry
        if shown is None or geometry is None:
            return []
        return [
            number
            for band in geometry.bands_in_view()
            if geometry.font_pixels(band)
            for number in numbers_of(block_in_view(shown, geometry, band), digits_on(geometry, band))
        ]

    def boundingRect(self) -> QRectF:
        return QRectF(0.0, 0.0, *_size(self._geometry))

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        shown, geometry = self._shown, self._geometry
        if shown is None or geometry is None:
            return
        exposed: QRectF = option.exposedRect  # type: ignore[attr-defined]
        density, seen = painter.deviceTransform().m11(), len(shown.seen)
        if geometry.boxes:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            paint_frames(painter, shown, geometry)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for band in geometry.bands_in_view():
            top = geometry.top_of(band)
            if top > exposed.bottom() + 2.0 or top + band.height < exposed.top() - 2.0:
                continue
            numbered = geometry.font_pixels(band) > 0
            block = block_in_view(shown, geometry, band) if geometry.boxes or numbered else None
            if geometry.boxes and block is not None:
                paint_boxes(painter, shown, geometry, block, density)
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                paint_recurrence(painter, shown, geometry, block)
                painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            else:
                self._paint_heat(painter, shown, geometry, band, exposed, density)
            if numbered and block is not None:
                paint_numbers(painter, shown, geometry, block, exposed)
            elif not geometry.boxes:
                self._paint_direction(painter, shown, geometry, band)
        if len(shown.seen) > seen:
            self.special_seen.emit()

    @staticmethod
    def _paint_heat(
        painter: QPainter, shown: Shown, geometry: Geometry, band: Band, exposed: QRectF, density: float
    ) -> None:
        times = Scale(geometry.pitch * density, geometry.picture.timesteps)
        units = Scale(band.row * density, band.rows)
        # The pieces stand still relative to each other: only where they are drawn depends on the camera.
        x = -round((geometry.camera.start + 0.5) * geometry.pitch * density)
        y = round(geometry.top_of(band) * density)
        left, right = max(exposed.left() * density - x, 0.0), min(exposed.right() * density - x, times.pixels)
        top, bottom = max(exposed.top() * density - y, 0.0), min(exposed.bottom() * density - y, units.pixels)
        painter.save()
        painter.scale(1.0 / density, 1.0 / density)
        for side, steps in shown.parts(band.lane, range(times.cells)):
            # Where cells share a pixel, it belongs to the right side with the first of them that does.
            begin = times.span(steps.start)[0]
            end = times.pixels if steps.stop == times.cells else times.span(steps.stop)[0]
            first, last = max(left, begin), min(right, end)
            for down in range(floor(top / ROWS), floor(max(bottom - 1e-6, top) / ROWS) + 1):
                for across in range(floor(first / COLUMNS), floor(max(last - 1e-6, first) / COLUMNS) + 1):
                    if last <= first or across * COLUMNS >= times.pixels or down * ROWS >= units.pixels:
                        continue
                    image = side.tiles.image(band.lane, times, units, across, down, max(1, round(density)))
                    within = max(begin - across * COLUMNS, 0)
                    part = QRectF(within, 0.0, min(end - across * COLUMNS, image.width()) - within, image.height())
                    painter.drawImage(QPointF(x + across * COLUMNS + within, y + down * ROWS), image, part)
        painter.restore()

    @staticmethod
    def _paint_direction(painter: QPainter, shown: Shown, geometry: Geometry, band: Band) -> None:
        """The direction of computation, in the corner at which it ends, on a ground of its own."""
        if band.lane.layer is None or band.height < _SHORTEST_WITH_ARROW:
            return
        theme, backward = shown.theme, band.lane.direction == 1
        pill = QRectF(_PILL)
        y = geometry.top_of(band) + band.height - pill.height() - 4.0
        pill.moveTo(4.0 if backward else geometry.width - pill.width() - 4.0, y)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color("border"), 1.0))
        ground = theme.color("base")
        ground.setAlphaF(0.85)
        painter.setBrush(ground)
        painter.drawRoundedRect(pill, 4.0, 4.0)
        middle = pill.center()
        ends = QPointF(middle.x() - _ARROW / 2.0, middle.y()), QPointF(middle.x() + _ARROW / 2.0, middle.y())
        arrow(painter, ends[backward], ends[not backward], theme.color("text"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _size(geometry: Geometry | None) -> tuple[float, float]:
    return (0.0, 0.0) if geometry is None else (geometry.width, geometry.height)
