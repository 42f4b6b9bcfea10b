"""Painting of the lanes: heat maps from cached tiles while a thread renders the missing ones, and numbers in boxes.

Until a tile is ready, an image of the same values at another scale replaces it. After a change of the content, the
previous picture stays. The picture thus moves at once and sharpens later.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from math import ceil, floor
from time import perf_counter
from typing import NamedTuple
from weakref import WeakValueDictionary

import numpy as np
from PySide6.QtCore import QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QRegion
from PySide6.QtWidgets import QApplication

from rnnviz.core.byte_cache import FLOORS, ByteCache
from rnnviz.core.trace_index import Lane
from rnnviz.gui.kit.tasks import Check, LatestTask
from rnnviz.gui.views.unrolled.colormap import STEPS
from rnnviz.gui.views.unrolled.geometry import Geometry, LaneRect, Scale, Scene
from rnnviz.gui.views.unrolled.lane_text import Block, block_in_view
from rnnviz.gui.views.unrolled.margins import code_pixels
from rnnviz.gui.views.unrolled.render_state import RenderState, split_at
from rnnviz.gui.views.unrolled.tiles import (
    COLUMNS,
    ROWS,
    Board,
    Request,
    Sheet,
    Tile,
    TileKey,
    TileStyle,
    draw_boxes,
    image_of,
)
from rnnviz.reading.lane_reader import CancelledError

_NEWEST = 2


class TileCache:
    """The tiles that were used last. Other caches may displace some: `_drawn` knows also tiles that are gone."""

    def __init__(self) -> None:
        self._tiles: ByteCache[TileKey, Tile] = ByteCache("tiles")
        self._boards = WeakValueDictionary[tuple[TileStyle, Lane, Sheet], Board]()
        self._drawn: dict[tuple[TileStyle, Lane], OrderedDict[Board, set[TileKey]]] = {}

    def __contains__(self, key: TileKey) -> bool:
        return key in self._tiles

    def __len__(self) -> int:
        return len(self._tiles)

    def make_room(self, needed: int) -> None:
        """Set the minimum budget in bytes. A visible part that exceeds it would be rendered repeatedly."""
        self._tiles.reserve(max(needed, FLOORS["tiles"]))

    def board(self, style: TileStyle, lane: Lane, sheet: Sheet) -> Board:
        """The board of a lane, the same object as long as a tile of it is known."""
        place = style, lane, sheet
        board = self._boards.get(place)
        if board is None:
            board = self._boards[place] = Board(*place)
        return board

    def put(self, key: TileKey, tile: Tile) -> None:
        if key in self._tiles:
            return
        board = key.board
        boards = self._drawn.setdefault((board.style, board.lane), OrderedDict())
        if board not in boards:
            # Now and then is enough: there are many tiles, and looking for each of them takes long.
            for other, keys in [*boards.items()]:
                keys.intersection_update([key for key in keys if key in self._tiles])
                if not keys:
                    del boards[other]
        boards.setdefault(board, set()).add(key)
        self._tiles.put(key, tile, tile.image.sizeInBytes())

    def get(self, key: TileKey) -> Tile | None:
        return self._tiles.get(key)

    def boards(self, style: TileStyle, lane: Lane) -> list[tuple[Board, list[TileKey]]]:
        """Boards with tiles of a lane: recently used ones first, then the one that shows most."""
        drawn = self._drawn.get((style, lane), OrderedDict())
        chosen = dict.fromkeys((*list(reversed(drawn))[:_NEWEST], *_widest(drawn)))
        kept = [(board, [key for key in drawn[board] if key in self._tiles]) for board in chosen]
        return [(board, keys) for board, keys in kept if keys]

    def use(self, board: Board) -> None:
        """Mark a board as the one of its lane that was used last."""
        boards = self._drawn.get((board.style, board.lane))
        if boards is not None and board in boards:
            boards.move_to_end(board)

    def keep_widest(self, style: TileStyle, lane: Lane) -> None:
        """Mark the tiles of the board that shows most as used, because they replace missing tiles."""
        drawn = self._drawn.get((style, lane), OrderedDict())
        for key in (key for board in _widest(drawn) for key in drawn[board]):
            self._tiles.get(key)

    def drop_before(self, turn: int) -> None:
        """Remove the tiles of earlier results."""
        for style, lane in [place for place in self._drawn if place[0].turn < turn]:
            for key in set().union(*self._drawn.pop((style, lane)).values()):
                self._tiles.drop(key)


def _widest(boards: Iterable[Board]) -> list[Board]:
    """The board that shows most time steps in a tile, if there is any."""
    return sorted(boards, key=lambda board: board.sheet.times / board.sheet.density)[:1]


_EMIT_INTERVAL = 0.025
"""Minimum number of seconds between signals, each of which repaints the picture."""


class TileRenderer(QObject):
    """Renders the latest requests on a thread. NumPy releases the interpreter lock meanwhile."""

    drawn = Signal(object)
    """A list of `(TileKey, Tile)`."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._keys: frozenset[TileKey] = frozenset()
        self._requests = deque[Request]()
        self._begun: TileKey | None = None
        self._task = LatestTask("lanes", self)

    def ask(self, requests: list[Request]) -> None:
        """Request tiles in order, in place of earlier ones. A request in progress goes on if it is among them."""
        self._keys = frozenset(request.key for request in requests)
        self._requests = deque(request for request in requests if request.key != self._begun)
        if requests:
            self._task.ask(self._draw)

    def stop(self) -> None:
        """Stop, and wait for the thread, at most for one tile or one block of computed values."""
        self.ask([])
        self._task.stop()

    def _wants_begun(self) -> bool:
        return self._begun in self._keys

    def _draw(self, _check: Check) -> None:
        """Render until no request is left, also of those that come meanwhile."""
        done: list[tuple[TileKey, Tile]] = []
        emitted = perf_counter()
        while requests := self._requests:
            request = requests.popleft()
            self._begun = request.key
            with suppress(CancelledError):
                done.append((request.key, request.draw(self._wants_begun)))
            if done and perf_counter() - emitted >= _EMIT_INTERVAL:
                self.drawn.emit(done)
                done, emitted = [], perf_counter()
        self._begun = None
        if done:
            self.drawn.emit(done)


_AT_ONCE = 1 << 16
"""Maximum cost of tiles that are rendered within the paint event: less than one frame."""
_FIRST_AT_ONCE = 1 << 21
"""The maximum if there is nothing else to show: a short delay is better than an empty picture."""
_TAKEN_AT_ONCE = 1 << 26
"""The maximum for a picture of the window."""
_SCREENS_KEPT = 4


class _Place(NamedTuple):
    """A lane on the screen: its scales, and its first pixel in screen pixels."""

    lane: Lane
    times: Scale
    units: Scale
    x: int
    y: int
    sheet: Sheet


class HeatmapLayer(QObject):
    """Paints the heat maps of the visible lanes, and reports new tiles. Tiles of other scales stand in for missing
    ones, also those in `lent`, the tiles of another picture of the same lanes."""

    tiles_ready = Signal()
    """A missing tile is available."""
    computing_changed = Signal(object)
    """Frozen set of the visible lanes that are still being computed."""

    def __init__(self, parent: QObject | None = None, lent: TileCache | None = None) -> None:
        super().__init__(parent)
        self.store = TileCache()
        self._stores = (self.store,) if lent is None else (self.store, lent)
        self.renderer = TileRenderer(self)
        self.renderer.drawn.connect(self._take, Qt.ConnectionType.QueuedConnection)
        self._missing: set[TileKey] = set()
        self._turn = 0
        self._styles: tuple[TileStyle, ...] = ()
        self._previous: tuple[TileStyle, ...] | None = None
        self._completed: tuple[tuple[TileStyle, ...], Scene] | None = None
        self._behind: frozenset[Lane] | None = frozenset()
        self.computing = frozenset[Lane]()
        """The visible lanes that are still being computed."""
        self.waiting = False
        """Whether the range of the colors is sought, with which tiles of another content are drawn once."""
        self._density = 1.0
        self._prepared: tuple[RenderState, Geometry, float] | None = None

    @property
    def complete(self) -> bool:
        return not self._missing

    def prepare(self, shown: RenderState, geometry: Geometry, density: float, taken: QRectF | None = None) -> None:
        """Request the missing tiles of the visible part.

        For a picture `taken` of a part, they are rendered at once, unless that would take seconds.
        """
        prepared = shown, geometry, density
        if taken is None and not self._missing and prepared == self._prepared:
            return
        self._density, self._turn = density, max(self._turn, shown.left.tiles.style.turn)
        self.store.make_room(_SCREENS_KEPT * round(geometry.width * geometry.height * density * density * 4))
        everything = QRectF(0.0, 0.0, geometry.width, geometry.height)
        missing, ahead = self._absent(shown, geometry, everything if taken is None else everything & taken)
        styles, completed = tuple(tiles.style for tiles in shown.tiles), self._completed
        # What only has to be read does not wait for what is computed.
        missing.sort(key=lambda request: request.tiles.source.effort(request.key.board.lane))
        same = completed is not None and _lie_alike(completed[1], geometry.picture)
        previous = completed[0] if completed is not None and same else None
        if missing and self.waiting and taken is None and previous not in (None, styles):
            self._styles, self._previous, self._behind, self._prepared = styles, previous, None, None
            self._missing = {request.key for request in missing}
            self.renderer.ask([])
            return
        if missing:
            alone = previous is None and not any(
                store.boards(board.style, board.lane)
                for board in {request.key.board for request in missing}
                for store in self._stores
            )
            most = _TAKEN_AT_ONCE if taken is not None else _FIRST_AT_ONCE if alone else _AT_ONCE
            if sum(request.cost for request in missing) <= most:
                for request in missing:
                    self.store.put(request.key, request.draw())
                missing = []
        self._styles, self._previous = styles, previous if missing else None
        # Slow quantities appear lane by lane, and the headers show it. Otherwise the old picture stays until the new
        # one is complete, because a mixture of both could not be read.
        slow = shown.computed
        self._behind = frozenset(request.key.board.lane for request in missing) if slow else None
        if taken is not None:
            # The screen itself still lacks what it lacked.
            self._prepared = None
            return
        if not missing:
            self._completed = styles, geometry.picture
            self.store.drop_before(self._turn)
        self._tell_computing(frozenset(lane for lane in self._behind or () if lane.layer is not None))
        self._prepared = prepared
        self._missing = {request.key for request in missing}
        self.renderer.ask([*missing, *ahead])
        for style in styles if missing or ahead else ():
            for lane_rect in tiled_lanes(shown, geometry):
                self.store.keep_widest(style, lane_rect.lane)

    def _absent(self, shown: RenderState, geometry: Geometry, part: QRectF) -> tuple[list[Request], list[Request]]:
        """Missing tiles of a part, and those next to it."""
        missing: list[Request] = []
        ahead: list[Request] = []
        density = self._density
        for lane_rect in tiled_lanes(shown, geometry):
            lane, times, units, x, y, sheet = _place(geometry, lane_rect, density)
            left, right = part.left() * density - x, part.right() * density - x
            top, bottom = max(part.top() * density - y, 0.0), min(part.bottom() * density - y, units.pixels)
            for tiles, steps in split_at(shown.tiles, shown.split, lane, range(times.cells)):
                first, last = _pixels(times, steps)
                far_begin, far_end = max(left - COLUMNS, first), min(right + COLUMNS, last)
                begin, end = max(left, first), min(right, last)
                if far_begin >= far_end or top >= bottom:
                    continue
                across = _indices(begin, end, COLUMNS) if begin < end else range(0)
                board = self.store.board(tiles.style, lane, sheet)
                for one in _indices(far_begin, far_end, COLUMNS):
                    for down in _indices(top, bottom, ROWS):
                        key = TileKey(board, one, down)
                        if key not in self.store:
                            (missing if one in across else ahead).append(Request(key, tiles, times, units))
        return missing, ahead

    def paint(
        self, painter: QPainter, shown: RenderState, geometry: Geometry, lane_rect: LaneRect, exposed: QRectF
    ) -> None:
        density = self._density
        place = _place(geometry, lane_rect, density)
        times, units, x, y = place.times, place.units, place.x, place.y
        left, right = max(exposed.left() * density - x, 0.0), min(exposed.right() * density - x, times.pixels)
        top, bottom = max(exposed.top() * density - y, 0.0), min(exposed.bottom() * density - y, units.pixels)
        seen = {one.style: one.seen for one in shown.tiles}
        painter.save()
        painter.scale(1.0 / density, 1.0 / density)
        styles = self._styles
        if self._previous is not None and (self._behind is None or lane_rect.lane in self._behind):
            styles = self._previous
        for style, steps in split_at(styles, shown.split, lane_rect.lane, range(times.cells)):
            begin, end = _pixels(times, steps)
            part = QRectF(max(left, begin), top, min(right, end) - max(left, begin), bottom - top)
            if part.width() > 0.0 and part.height() > 0.0:
                special = self._paint_part(painter, style, place, part)
                seen.get(style, set()).update(special)
        painter.restore()

    def reset(self) -> None:
        """Cancel all requests, and release the tiles of the result."""
        self._missing.clear()
        self._completed = self._prepared = self._previous = None
        self._tell_computing(frozenset())
        self.renderer.ask([])
        self.store.drop_before(self._turn + 1)

    def _take(self, drawn: list[tuple[TileKey, Tile]]) -> None:
        came = False
        for key, tile in drawn:
            if key.board.style.turn < self._turn:
                continue
            self.store.put(key, tile)
            came = came or key in self._missing
            self._missing.discard(key)
        if came and (not self._missing or self._previous is None or self._behind is not None):
            self._prepared = None
            self.tiles_ready.emit()

    def _tell_computing(self, lanes: frozenset[Lane]) -> None:
        if lanes != self.computing:
            self.computing = lanes
            self.computing_changed.emit(lanes)

    def _paint_part(self, painter: QPainter, style: TileStyle, place: _Place, part: QRectF) -> set[int]:
        """Paint the pixels `part` of a lane, and return the special colors in it."""
        special = set[int]()
        found: list[tuple[int, int, Tile]] = []
        complete, board = True, self.store.board(style, place.lane, place.sheet)
        self.store.use(board)
        for down in _indices(part.top(), part.bottom(), ROWS):
            for across in _indices(part.left(), part.right(), COLUMNS):
                tile = self.store.get(TileKey(board, across, down))
                if tile is None:
                    complete = False
                else:
                    found.append((across * COLUMNS, down * ROWS, tile))
                    special |= tile.special
        if not complete:
            self._stand_in(painter, style, place, part)
        for left, top, tile in found:
            # Whole pixels, for a part of one would be drawn as none.
            begin, end = floor(max(part.left() - left, 0.0)), ceil(min(part.right() - left, tile.image.width()))
            source = QRectF(begin, 0.0, end - begin, tile.image.height())
            painter.drawImage(QPointF(place.x + left + begin, place.y + top), tile.image, source)
        return special

    def _stand_in(self, painter: QPainter, style: TileStyle, place: _Place, part: QRectF) -> None:
        """Paint tiles of other scales, the best ones last."""
        own = place.sheet
        chosen: list[tuple[Sheet, list[tuple[TileKey, Tile | None]]]] = []
        for store, (board, keys) in ((s, drawn) for s in self._stores for drawn in s.boards(style, place.lane)):
            sheet = board.sheet
            if sheet == own and store is self.store:
                continue
            wide, tall = own.times / sheet.times, own.units / sheet.units
            right, bottom = Scale(sheet.times, place.times.cells).pixels, Scale(sheet.units, place.units.cells).pixels
            across = _indices(part.left() / wide, min(part.right() / wide, right), COLUMNS)
            down = _indices(part.top() / tall, min(part.bottom() / tall, bottom), ROWS)
            there = [(key, store.get(key)) for key in keys if key.across in across and key.down in down]
            chosen.append((sheet, there))
            if len(there) == len(across) * len(down):
                break
        painter.save()
        painter.setClipRect(part.translated(place.x, place.y))
        for sheet, there in reversed(chosen):
            wide, tall = own.times / sheet.times, own.units / sheet.units
            for key, tile in there:
                if tile is not None:
                    corner = QPointF(place.x + key.across * COLUMNS * wide, place.y + key.down * ROWS * tall)
                    size = tile.image.width() * wide, tile.image.height() * tall
                    painter.drawImage(QRectF(corner.x(), corner.y(), *size), tile.image)
        painter.restore()


def tiled_lanes(shown: RenderState, geometry: Geometry) -> list[LaneRect]:
    """The visible lanes that are painted by tiles: not those that are folded, and no input with one row."""
    in_view = geometry.lane_rects_in_view()
    return [own for own in in_view if not own.band and (own.lane.layer is not None or shown.hot is None)]


def _place(geometry: Geometry, lane_rect: LaneRect, density: float) -> _Place:
    """The placement of a lane. Tiles keep their relative positions; only the offset depends on the camera."""
    times, units = geometry.pitch * density, lane_rect.row * density
    return _Place(
        lane_rect.lane,
        Scale(times, geometry.picture.timesteps),
        Scale(units, lane_rect.rows),
        round(geometry.x_of(-0.5) * density),
        round(geometry.top_of(lane_rect) * density),
        Sheet(times, units, max(1, round(density)), geometry.gap),
    )


def _lie_alike(one: Scene, other: Scene) -> bool:
    """Whether each position is the same cell in both scenes, whatever the width of their numbers."""
    return (one.lanes, one.timesteps) == (other.lanes, other.timesteps)


def _pixels(times: Scale, steps: range) -> tuple[int, int]:
    """Pixels of some time steps. A pixel shared by two sides belongs to the right one."""
    begin = times.span(steps.start)[0]
    return begin, times.pixels if steps.stop == times.cells else times.span(steps.stop)[0]


def _indices(begin: float, end: float, size: int) -> range:
    """Indices of the tiles that contain the pixels from `begin` to before `end`."""
    return range(floor(begin / size), max(floor(begin / size), ceil(end / size - 1e-6) - 1) + 1)


_NO_DIFFERENCE = "no difference"


def paint_lane(
    painter: QPainter,
    heatmap: HeatmapLayer,
    shown: RenderState,
    geometry: Geometry,
    own: LaneRect,
    parts: Sequence[QRectF],
    dirty: QRegion,
) -> None:
    """Paint parts of a lane; of its numbers, those in the `dirty` region."""
    if own.band:
        area = QRectF(*geometry.lane_area(own)) & QRectF(0.0, 0.0, geometry.width, geometry.height)
        painter.fillRect(area, shown.theme.color("window"))
        painter.setFont(QApplication.font())
        painter.setPen(shown.theme.color("muted"))
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, _NO_DIFFERENCE)
        return
    room = geometry.room(own)
    if own.lane.layer is None and shown.hot is not None:
        _paint_hot(painter, shown, geometry, own)
    else:
        for part in parts:
            heatmap.paint(painter, shown, geometry, own, part)
        _paint_initial(painter, shown, geometry, own)
    if room:
        block = block_in_view(shown, geometry, own)
        shown.left.tiles.seen.update(block.special)
        _paint_numbers(painter, shown, geometry, block, room, dirty)


def _paint_hot(painter: QPainter, shown: RenderState, geometry: Geometry, own: LaneRect) -> None:
    """The row of an input that has one feature at each time step: boxes without a color, or one bar."""
    steps = geometry.timesteps_in_view()
    steps = range(steps.start, min(steps.stop, shown.length))
    if not steps:
        return
    color = shown.theme.color("raised")
    if not geometry.boxes:
        painter.fillRect(QRectF(*geometry.lane_area(own, steps)), color)
        return
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    for timestep in steps:
        painter.drawRoundedRect(QRectF(*geometry.lane_area(own, range(timestep, timestep + 1))), 2.0, 2.0)


def _paint_initial(painter: QPainter, shown: RenderState, geometry: Geometry, own: LaneRect) -> None:
    """The column of the initial state, which tiles do not have."""
    timestep = geometry.initial_timestep(own.lane)
    state = None if timestep is None else shown.initial(own.lane)
    if timestep is None or state is None:
        return
    density = painter.deviceTransform().m11()
    (left, width), units = geometry.span(timestep), Scale(own.row * density, own.rows)
    begin, across = round(left * density), max(round(width * density), 1)
    colors = shown.paint.of(own.lane)
    order = [geometry.picture.unit_at(own.lane, row) for row in range(own.rows)]
    values = state[order][units.bins(0, units.pixels).starts]
    pixels = np.repeat(colors.table[colors.scale.indices(values)][:, np.newaxis], across, axis=1)
    sheet = Sheet(float(across), units.size, max(1, round(density)), geometry.gap)
    draw_boxes(pixels, None, (Scale(float(across), 1), units), (0, 0), sheet, shown.theme)
    image = image_of(pixels)
    image.setDevicePixelRatio(density)
    painter.drawImage(QPointF(begin / density, round(geometry.top_of(own) * density) / density), image)


def _paint_numbers(
    painter: QPainter, shown: RenderState, geometry: Geometry, block: Block, room: int, dirty: QRegion
) -> None:
    own = block.lane_rect
    font = code_pixels(geometry.font_pixels(own))
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    advance, rise = metrics.horizontalAdvance("0"), (metrics.ascent() - metrics.descent()) / 2.0
    paint, top = shown.paint.of(own.lane), geometry.top_of(own)
    columns = [geometry.column(timestep) for timestep in block.timesteps]
    asked = [dirty.intersects(QRectF(x, top, width, own.height).toAlignedRect()) for x, width in columns]
    bounds = dirty.boundingRect()
    for row, (place_down, texts) in enumerate(zip(block.rows, block.texts(room), strict=True)):
        begin, end = own.scale.span(place_down)
        if top + end < bounds.top() or top + begin > bounds.bottom() + 1:
            continue
        baseline = top + (begin + end) / 2.0 + rise
        for place, text in enumerate(texts):
            if not text or not asked[place]:
                continue
            left, width = columns[place]
            index, wide = block.indices[row, place], advance * len(text)
            if block.names is not None:
                text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, width - 2.0)
                wide = metrics.horizontalAdvance(text)
            x = left + (width - wide) / 2.0
            if index >= STEPS + 2:
                # Letters on a pattern are hard to read.
                height = min(metrics.height(), end - begin - 2.0)
                ground = QRectF(x - 1.0, top + (begin + end - height) / 2.0, wide + 2.0, height)
                painter.fillRect(ground, QColor.fromRgb(int(paint.table[index])))
            painter.setPen(shown.theme.color("text") if block.names is not None else paint.inks[index])
            painter.drawText(QPointF(x, baseline), text)
