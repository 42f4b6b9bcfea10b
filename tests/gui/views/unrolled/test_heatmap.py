"""Cached images, and the search for substitutes."""

import pytest
from PySide6.QtGui import QImage

from rnnviz.core.trace_index import Lane
from rnnviz.gui.views.unrolled import heatmap as tile_store
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
    monkeypatch.setattr(tile_store, "LEAST_BYTES", 1600)
    return TileCache()


def scales(store: TileCache) -> list[float]:
    return [sheet.times for sheet, _ in store.sheets(style(), LANE)]


def test_the_least_recently_used_image_is_evicted_first(store: TileCache) -> None:
    for across in range(4):
        store.put(key(1.0, across), tile())
    store.get(key(1.0, 0))
    store.put(key(1.0, 4), tile())
    assert [key(1.0, across) in store for across in range(5)] == [True, False, True, True, True]


def test_the_cache_grows_to_the_tiles_of_a_picture(store: TileCache) -> None:
    store.make_room(4000)
    for across in range(9):
        store.put(key(1.0, across), tile())
    assert len(store) == 9
    store.make_room(0)
    assert len(store) == 4


def test_substitutes_are_searched_by_recent_use_and_then_by_coverage(
    store: TileCache,
) -> None:
    store.make_room(1 << 20)
    for times in (0.1, 1.0, 2.0, 3.0, 4.0):
        store.put(key(times, 0), tile())
    assert scales(store) == [4.0, 3.0, 2.0, 0.1]
    store.get(key(1.0, 0))
    assert scales(store) == [1.0, 4.0, 3.0, 0.1]
    assert store.knows(key(9.0, 3))
    assert not store.knows(key(9.0, 3, turn=2))


def test_the_sheet_on_which_most_is_to_be_seen_outlives_others(store: TileCache) -> None:
    store.put(key(0.1, 0), tile())
    for across in range(6):
        store.put(key(2.0, across), tile())
        store.keep_widest(style(), LANE)
    assert key(0.1, 0) in store


def test_images_of_earlier_results_are_forgotten(store: TileCache) -> None:
    store.put(key(1.0, 0, turn=1), tile())
    store.put(key(1.0, 0, turn=2), tile())
    store.drop_before(2)
    assert len(store) == 1
    assert not store.knows(key(1.0, 0, turn=1))
