"""What is kept of reduced lanes, within a budget."""

import numpy as np

from rnnviz.analysis.chunk_cache import ChunkCache, Patch


def patch() -> Patch:
    return Patch(np.zeros((10, 10)), None)


def test_the_cache_stays_within_its_budget_and_drops_the_least_recently_used() -> None:
    cache = ChunkCache(budget=1700)
    cache.put("a", patch())
    cache.put("b", patch())
    assert cache.get("a") is not None
    cache.put("c", patch())
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]
    cache.clear()
    assert cache.get("a") is None


def test_what_is_put_there_twice_counts_once() -> None:
    cache = ChunkCache(budget=1700)
    for _ in range(5):
        cache.put("a", patch())
        cache.put("b", patch())
    assert cache.get("a") is not None
    assert cache.get("b") is not None
