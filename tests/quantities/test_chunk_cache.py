"""Cached reduced lanes, within a budget."""

import numpy as np

from rnnviz.quantities.lane_reader import ChunkCache, Tile


def patch() -> Tile:
    return Tile(np.zeros((10, 10)), None)


def test_the_cache_stays_within_its_budget_and_drops_the_least_recently_used() -> None:
    cache = ChunkCache(budget=1700)
    cache.put("a", patch())
    cache.put("b", patch())
    assert cache.get("a") is not None
    cache.put("c", patch())
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]
    cache.clear()
    assert cache.get("a") is None


def test_a_repeated_put_counts_once() -> None:
    cache = ChunkCache(budget=1700)
    for _ in range(5):
        cache.put("a", patch())
        cache.put("b", patch())
    assert cache.get("a") is not None
    assert cache.get("b") is not None


def test_marks_take_memory_too_and_a_full_budget_is_not_overdrawn() -> None:
    marked = Tile(np.zeros((10, 10)), np.zeros((10, 10), np.bool_))
    assert (patch().nbytes, marked.nbytes) == (800, 900)
    for budget, kept in ((1700, [True, True]), (1699, [False, True])):
        cache = ChunkCache(budget)
        cache.put("a", patch())
        cache.put("b", marked)
        assert [cache.get(key) is not None for key in "ab"] == kept


def test_the_last_patch_stays_however_large_it_is_and_the_next_one_takes_its_place() -> None:
    cache, large = ChunkCache(budget=100), patch()
    cache.put("a", large)
    assert cache.get("a") is large
    cache.put("b", patch())
    assert cache.get("a") is None
    assert cache.get("b") is not None


def test_evicted_and_cleared_entries_free_their_budget() -> None:
    cache = ChunkCache(budget=1600)
    for key in "abcdefgh":
        cache.put(key, patch())
    assert [key for key in "abcdefgh" if cache.get(key) is not None] == ["g", "h"]
    cache.clear()
    cache.put("i", patch())
    cache.put("j", patch())
    assert cache.get("i") is not None
    assert cache.get("j") is not None
