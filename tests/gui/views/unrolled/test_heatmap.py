"""Cached images, and the search for substitutes."""

import pytest
from PySide6.QtGui import QImage

from rnnviz.core import byte_cache
from rnnviz.core.byte_cache import FLOORS
from rnnviz.core.trace_index import Lane
from rnnviz.gui.views.unrolled.colormap import ColorScale
from rnnviz.gui.views.unrolled.heatmap import TileCache
from rnnviz.gui.views.unrolled.tiles import Sheet, Tile, TileKey, TileStyle

LANE = Lane(0)


def style(turn: int = 1) -> TileStyle:
    return TileStyle(turn, "gluon", "manual", 0, "value", "light", ColorScale(-1.0, 1.0))


def key(times: float, across: int, turn: int = 1) -> TileKey:
    return TileKey(style(turn), LANE, Sheet(times, 1.0, 1), across, 0)


def tile() -> Tile:
    return Tile(QImage(10, 10, QImage.Format.Format_RGB32), frozenset())


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> TileCache:
    """A cache for four images."""
    monkeypatch.setitem(FLOORS, "tiles", 1600)
    monkeypatch.setattr(byte_cache, "LIMIT", 0)
    return TileCache()


def test_images_of_earlier_results_are_forgotten(store: TileCache) -> None:
    store.put(key(1.0, 0, turn=1), tile())
    store.put(key(1.0, 0, turn=2), tile())
    store.drop_before(2)
    assert len(store) == 1
    assert not store.knows(key(1.0, 0, turn=1))
