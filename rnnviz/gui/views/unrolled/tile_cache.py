"""Cache of rendered tiles within a memory budget, grouped in sheets: a lane in one style at one scale."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from rnnviz.core.trace_index import Lane
from rnnviz.gui.views.unrolled.tiles import Tile, TileKey, TileStyle

LEAST_BYTES = 64 << 20
_NEWEST = 3


class Sheet(NamedTuple):
    """Pixels per time step and per unit, and screen pixels per window pixel."""

    times: float
    units: float
    density: int


class TileCache:
    """Least-recently-used cache of tiles."""

    def __init__(self) -> None:
        self._budget, self._used = LEAST_BYTES, 0
        self._tiles: OrderedDict[TileKey, Tile] = OrderedDict()
        self._sheets: dict[tuple[TileStyle, Lane], OrderedDict[Sheet, set[TileKey]]] = {}

    def __contains__(self, key: TileKey) -> bool:
        return key in self._tiles

    def __len__(self) -> int:
        return len(self._tiles)

    def make_room(self, needed: int) -> None:
        """Set the minimum budget in bytes. A visible part that exceeds it would be rendered repeatedly."""
        self._budget = max(needed, LEAST_BYTES)
        self._shrink()

    def put(self, key: TileKey, tile: Tile) -> None:
        """Add a tile."""
        if key in self._tiles:
            return
        self._tiles[key] = tile
        self._used += tile.image.sizeInBytes()
        self._sheets.setdefault((key.style, key.lane), OrderedDict()).setdefault(_sheet(key), set()).add(key)
        self._shrink()

    def get(self, key: TileKey) -> Tile | None:
        """The tile, or None."""
        tile = self._tiles.get(key)
        if tile is not None:
            self._tiles.move_to_end(key)
            self._sheets[key.style, key.lane].move_to_end(_sheet(key))
        return tile

    def knows(self, key: TileKey) -> bool:
        """Whether there is any tile of the same lane and style."""
        return (key.style, key.lane) in self._sheets

    def sheets(self, style: TileStyle, lane: Lane) -> Iterator[tuple[Sheet, frozenset[TileKey]]]:
        """Sheets with tiles of a lane: recently used ones first, then the one that shows most."""
        sheets = self._sheets.get((style, lane), OrderedDict())
        newest = list(reversed(sheets))[:_NEWEST]
        widest = min(sheets, key=lambda sheet: sheet.times / sheet.density, default=None)
        for sheet in (*newest, *([] if widest is None or widest in newest else [widest])):
            yield sheet, frozenset(sheets[sheet])

    def keep_widest(self, style: TileStyle, lane: Lane) -> None:
        """Mark the sheet that shows most as used, because it replaces missing tiles."""
        sheets = self._sheets.get((style, lane), OrderedDict())
        for key in sheets[min(sheets, key=lambda sheet: sheet.times / sheet.density)] if sheets else ():
            self._tiles.move_to_end(key)

    def drop_before(self, turn: int) -> None:
        """Remove the tiles of earlier results."""
        for key in [key for key in self._tiles if key.style.turn < turn]:
            self._drop(key)

    def _shrink(self) -> None:
        while self._used > self._budget and len(self._tiles) > 1:
            self._drop(next(iter(self._tiles)))

    def _drop(self, key: TileKey) -> None:
        self._used -= self._tiles.pop(key).image.sizeInBytes()
        sheets = self._sheets[key.style, key.lane]
        keys = sheets[_sheet(key)]
        keys.remove(key)
        if not keys:
            del sheets[_sheet(key)]
        if not sheets:
            del self._sheets[key.style, key.lane]


def _sheet(key: TileKey) -> Sheet:
    return Sheet(key.times, key.units, key.density)
