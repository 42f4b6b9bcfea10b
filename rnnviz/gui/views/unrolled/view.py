"""The unrolled network: every lane on one time axis, from the whole sequence down to single numbers."""

from typing import Literal

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QScrollBar, QWidget

from rnnviz.analysis import numbers
from rnnviz.analysis.lanes import ChunkCache, Lane
from rnnviz.analysis.result import RunResult
from rnnviz.gui.theme import LIGHT, Theme
from rnnviz.gui.views.base import View
from rnnviz.gui.views.unrolled.blocks import Number, block_in_view
from rnnviz.gui.views.unrolled.camera import Camera
from rnnviz.gui.views.unrolled.colour_bar import ColourBar
from rnnviz.gui.views.unrolled.cursor_item import Cursor
from rnnviz.gui.views.unrolled.describe import describe
from rnnviz.gui.views.unrolled.geometry import Cell, Geometry, look, room_of
from rnnviz.gui.views.unrolled.header import Flag, Headers, flag_of
from rnnviz.gui.views.unrolled.lanes_item import LanesItem
from rnnviz.gui.views.unrolled.layout import stack_lanes
from rnnviz.gui.views.unrolled.pointer import LanesBox, LanesCanvas
from rnnviz.gui.views.unrolled.shown import Shown
from rnnviz.gui.views.unrolled.time_axis import TimeAxis
from rnnviz.model.location import Location

_KEY_ZOOM = 1.5
_LANE_SCROLL = 40.0


class UnrolledView(View):
    """Lanes of one sample, bottom layer at the bottom; zoomed in, boxes with numbers and arrows.

    The values are those of the reference unless `show_engine` names another engine.
    """

    title = "unrolled network"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = LIGHT
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self._engine: str | None = None
        self._colour_by: Literal["value", "violation"] = "value"
        self._location = Location()
        self._cache = ChunkCache()
        self._shown: Shown | None = None
        self._geometry: Geometry | None = None
        self._fitted = True
        self._build()
        self.apply_theme(LIGHT)

    def _build(self) -> None:
        self.canvas = LanesCanvas()
        self.box, self._axis = LanesBox(), TimeAxis()
        self._axis.linkToView(self.box)
        self._headers, self.colour_bar = Headers(), ColourBar()
        grid = self._grid = pg.GraphicsLayout()
        grid.layout.setContentsMargins(0, 0, 0, 0)
        grid.layout.setSpacing(0)
        for item, row, column in (
            (self._headers, 0, 0),
            (self.box, 0, 1),
            (self.colour_bar, 0, 2),
            (self._axis, 1, 1),
        ):
            grid.addItem(item, row, column)
        self.canvas.setCentralItem(grid)
        self._lanes = LanesItem(self.box)
        self._cursor = Cursor(self.box)
        self._bar = QScrollBar(Qt.Orientation.Vertical)
        self._bar.setAccessibleName("lanes in view")
        self._bar.setToolTip("Shows the lanes that are out of view: they are taller than the window.")
        self._bar.setSingleStep(int(_LANE_SCROLL))
        self._bar.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(0)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self._bar)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.title)
        self.canvas.setAccessibleName("lanes of the unrolled network")
        self.canvas.describe = self.description_at
        self.box.sigResized.connect(self._relook)
        self.box.time_zoom_asked.connect(self._zoom_time_at)
        self.box.lane_zoom_asked.connect(self._zoom_lanes_at)
        self.box.pan_asked.connect(self._pan)
        self.box.pointed.connect(self._point)
        self.box.fit_asked.connect(self.fit)
        self._bar.valueChanged.connect(self._scroll_to)

    # What is shown

    @property
    def shown_engine(self) -> str | None:
        """The engine whose values are drawn."""
        return None if self._shown is None else self._shown.engine

    @property
    def geometry_in_view(self) -> Geometry | None:
        """Where everything lies at the moment, in pixels of `box`."""
        return self._geometry

    def visible_numbers(self) -> list[Number]:
        """Every number that is written in view, with its cell: what is painted."""
        return self._lanes.numbers()

    def visible_outlines(self) -> list[Cell]:
        """Every mismatching cell of the shown sample in view."""
        if self._shown is None or self._geometry is None:
            return []
        cells = []
        for band in self._geometry.bands_in_view():
            block = block_in_view(self._shown, self._geometry, band)
            cells += [
                Cell(band.lane, timestep, unit)
                for row, unit in enumerate(block.units)
                for place, timestep in enumerate(block.timesteps)
                if block.marks[row, place]
            ]
        return cells

    def lane_flags(self) -> list[Flag]:
        """The headers of all lanes, from the top down."""
        return [] if self._shown is None else [flag_of(self._shown, lane) for lane, _ in self._shown.picture().lanes]

    def description_at(self, place: QPointF) -> str:
        """What the tooltip says at a place of the canvas."""
        if self._shown is None or self._geometry is None:
            return ""
        within = self.box.mapFromScene(place)
        cell = self._geometry.hit(within.x(), within.y())
        return "" if cell is None else describe(self._shown, cell)

    def copy_text(self) -> str:
        """The cells in view where they are numbers, else the one at the cursor; in full precision, by tabs."""
        shown, geometry = self._shown, self._geometry
        if shown is None or geometry is None:
            return ""
        if not self.visible_numbers():
            return describe(shown, self._cell())
        lines = []
        for band in geometry.bands_in_view():
            if not geometry.font_pixels(band):
                continue
            block = block_in_view(shown, geometry, band)
            steps = ["h0" if not 0 <= t < geometry.picture.timesteps else f"t={t}" for t in block.timesteps]
            lines.append("\t".join([flag_of(shown, band.lane).title, *steps]))
            lines += [
                "\t".join([str(unit), *(numbers.full(value) for value in row)])
                for unit, row in zip(block.units, block.values, strict=True)
            ]
        return "\n".join(lines)

    # The contract of a view

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        """Show a finished run; the part in view stays if the new result has the same shape."""
        before = None if self._result is None else self._result.shape
        if result is not self._result:
            self._cache.clear()
        self._result, self._candidate = result, candidate
        if result is not None:
            self._location = self._location.within(result.shape)
            if result.shape != before:
                self._fitted = True
        self._renew()

    def show_location(self, location: Location) -> None:
        """Move the cursor, and the view no further than it takes to see it; another sample changes the lanes."""
        other_sample = location.sample != self._location.sample
        self._location = location
        if self._shown is None or self._geometry is None:
            return
        if other_sample:
            self._renew()
        self._reveal()
        self._place_cursor()

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colours from now on."""
        self._theme = theme
        self.canvas.setBackground(theme.color("base"))
        self._axis.apply_theme(theme)
        self._renew()

    def show_colour_by(self, colour_by: Literal["value", "violation"]) -> None:
        """Colour the hidden lanes by their values or by the violation of the tolerance."""
        if colour_by not in ("value", "violation"):
            raise ValueError(f'colour_by = "{colour_by}" is not known: it must be "value" or "violation".')
        if colour_by != self._colour_by:
            self._colour_by = colour_by
            self._renew()

    def show_engine(self, name: str) -> None:
        """Draw the values of another engine of the result.

        Raises
        ------
        KeyError
            If that engine was not run.
        """
        if self._result is not None:
            self._result[name]
        self._engine = name
        self._renew()

    # Moving

    def fit(self) -> None:
        """Show the whole sequence; every lane too, unless its numbers need more height than there is."""
        self._fitted = True
        self._relook()

    def zoom_time(self, factor: float) -> None:
        """Show the time axis `factor` times as large, around the cursor if it is in view, else the middle."""
        geometry = self._geometry
        if geometry is not None:
            x = geometry.x_of(self._location.timestep)
            self._zoom_time_at(factor, x if 0.0 <= x <= geometry.width else geometry.width / 2.0)

    def _zoom_time_at(self, factor: float, x: float) -> None:
        geometry = self._geometry
        if geometry is not None:
            self._move(geometry.camera.zoomed_time(factor, geometry.time_at(x), room_of(geometry)))

    def _zoom_lanes_at(self, factor: float, y: float) -> None:
        geometry = self._geometry
        if geometry is None:
            return
        band = geometry.stack.nearest(y + geometry.camera.scroll)
        share = (y - geometry.top_of(band)) / band.height
        camera = geometry.camera.zoomed_lanes(factor, room_of(geometry))
        zoomed = look(geometry.picture, geometry.width, geometry.height, camera)
        after = zoomed.stack.band(band.lane)
        self._move(
            zoomed.camera.panned(0.0, after.top + share * after.height - y - zoomed.camera.scroll, room_of(zoomed))
        )

    def _pan(self, right: float, down: float) -> None:
        geometry = self._geometry
        if geometry is not None:
            self._move(geometry.camera.panned(-right / geometry.pitch, -down, room_of(geometry)))

    def _scroll_to(self, value: int) -> None:
        geometry = self._geometry
        if geometry is not None:
            self._move(geometry.camera.panned(0.0, value - geometry.camera.scroll, room_of(geometry)))

    def _point(self, x: float, y: float) -> None:
        geometry = self._geometry
        cell = None if geometry is None else geometry.hit(x, y)
        if geometry is None or cell is None:
            return
        timestep = min(max(cell.timestep, 0), geometry.picture.timesteps - 1)
        if cell.lane.layer is None:
            self.location_requested.emit(self._location.moved(timestep=timestep))
        else:
            self.location_requested.emit(
                self._location.moved(
                    layer=cell.lane.layer, direction=cell.lane.direction, timestep=timestep, unit=cell.unit
                )
            )

    def _move(self, camera: Camera) -> None:
        geometry = self._geometry
        if geometry is None or camera == geometry.camera:
            return
        self._fitted = False
        self._show(look(geometry.picture, geometry.width, geometry.height, camera))

    def _reveal(self) -> None:
        """Bring the cursor into view."""
        geometry = self._geometry
        if geometry is None:
            return
        room = room_of(geometry)
        camera = geometry.camera.showing(self._location.timestep, room)
        cell = geometry.rect(self._cell())
        over, under = -min(cell.y - 4.0, 0.0), max(cell.y + cell.height + 4.0 - geometry.height, 0.0)
        if over or under:
            camera = camera.panned(0.0, under - over, room)
        if camera != geometry.camera:
            self._show(look(geometry.picture, geometry.width, geometry.height, camera))

    # Drawing

    def _renew(self) -> None:
        """Read the numbers anew: another result, engine, sample, colouring or theme."""
        result = self._result
        self._shown = None
        if result is not None:
            engine = self._engine if self._engine in result.traces else result.reference.engine
            assert engine is not None
            self._shown = Shown(
                result, engine, self._candidate, self._location.sample, self._colour_by, self._theme, self._cache
            )
        self._headers.make_room(self._shown)
        self.colour_bar.make_room(self._shown)
        # AxisItem.setVisible leaves its height as it was.
        if result is None:
            self._axis.hide()
        else:
            self._axis.show()
        # At once, for a picture of the old size would be drawn in vain.
        self._grid.layout.activate()
        self._relook()

    def _relook(self) -> None:
        """Look at what is shown in the place that there is now."""
        width, height = self.box.width(), self.box.height()
        if self._shown is None or width < 1.0 or height < 1.0:
            self._geometry = None
            self._lanes.show_lanes(None, None)
            self._headers.show_lanes(None, None)
            self.colour_bar.show_lanes(None, None)
            self._cursor.hide()
            return
        camera = Camera() if self._geometry is None else self._geometry.camera
        self._show(look(self._shown.picture(), width, height, camera, fit=self._fitted or self._geometry is None))

    def _show(self, geometry: Geometry) -> None:
        self._geometry = geometry
        camera = geometry.camera
        self.box.setXRange(camera.start, camera.start + camera.span, padding=0.0)
        self._lanes.show_lanes(self._shown, geometry)
        self._headers.show_lanes(self._shown, geometry)
        self.colour_bar.show_lanes(self._shown, geometry)
        directions = geometry.picture.directions
        initial = [t for t, d in ((-1, 0), (geometry.picture.timesteps, 1)) if d in directions and geometry.boxes]
        self._axis.show_timesteps(geometry.picture.timesteps, tuple(initial))
        self._place_cursor()
        self._adjust_bar(geometry)

    def _adjust_bar(self, geometry: Geometry) -> None:
        most = max(0, round(geometry.stack.height - geometry.height))
        # What decides on the bar must not depend on the width that it takes.
        flat = stack_lanes(geometry.picture.lanes, geometry.height, geometry.camera.zoom, boxes=False)
        self._bar.blockSignals(True)
        self._bar.setRange(0, most)
        self._bar.setPageStep(int(geometry.height))
        self._bar.setValue(round(geometry.camera.scroll))
        self._bar.blockSignals(False)
        needed = flat.height > geometry.height + 1.0
        if self._bar.isVisibleTo(self) != needed:
            self._bar.setVisible(needed)

    def _cell(self) -> Cell:
        at = self._location
        return Cell(Lane(at.layer, at.direction), at.timestep, at.unit)

    def _place_cursor(self) -> None:
        if self._geometry is not None:
            self._cursor.stand(self._cell(), self._geometry, self._theme)

    # Qt

    def sizeHint(self) -> QSize:
        return QSize(760, 520)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """+ and - zoom time, 0 shows everything; with Ctrl they are the window's."""
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()
        elif event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom_time(_KEY_ZOOM)
        elif event.key() == Qt.Key.Key_Minus:
            self.zoom_time(1.0 / _KEY_ZOOM)
        elif event.key() == Qt.Key.Key_0:
            self.fit()
        else:
            event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Show whether the keyboard is here."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.color("base"))
        if self.hasFocus():
            painter.setPen(QPen(self._theme.color("accent"), 2.0))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()
