"""Values that are kept within the limit that all caches share."""

import pytest

from rnnviz.core import byte_cache
from rnnviz.core.byte_cache import FLOORS, LIMIT, ByteCache, clear_caches


@pytest.fixture
def caches(monkeypatch):
    """The only caches: each keeps 8 bytes, and all together 24."""
    monkeypatch.setattr(byte_cache, "CACHES", type(byte_cache.CACHES)())
    monkeypatch.setattr(byte_cache, "LIMIT", 24)
    for kind in FLOORS:
        monkeypatch.setitem(FLOORS, kind, 8)
    return [ByteCache(kind) for kind in ("chunks", "tiles", "weights")]


def used_bytes(caches: list[ByteCache]) -> int:
    return sum(cache.used for cache in caches)


def test_the_least_recently_used_value_of_any_cache_goes_beyond_the_shared_limit(caches):
    one, other, _ = caches
    for key in "abc":
        one.put(key, key.upper(), 8)
    assert one.get("a") == "A"
    other.put("x", "X", 8)
    assert ([*one], [*other]) == (["c", "a"], ["x"])
    one.put("c", "C", 9)
    assert ([*one], [*other]) == (["c"], ["x"]), "a cache keeps its floor"
    assert used_bytes(caches) == 17
    one.drop("c")
    one.drop("c")
    assert ("c" in one, one.get("c"), used_bytes(caches)) == (False, None, 8)
    clear_caches()
    assert (len(other), used_bytes(caches)) == (0, 0)


def test_a_value_that_is_put_again_counts_once_and_what_is_reserved_stays(caches):
    one, other, _ = caches
    for key in "ababab":
        one.put(key, key, 8)
    assert ([*one], used_bytes(caches)) == (["a", "b"], 16)
    one.reserve(16)
    for key in "xyz":
        other.put(key, key, 8)
    assert ([*one], [*other]) == (["a", "b"], ["z"])
    one.reserve(0)
    other.put("y", "y", 8)
    assert ([*one], [*other]) == (["b"], ["z", "y"])


def test_the_last_value_stays_however_large_it_is(caches):
    caches[0].put("a", "A", 100)
    assert caches[0].get("a") == "A"
    caches[0].put("b", "B", 1)
    assert [*caches[0]] == ["b"]


def test_the_floors_of_all_caches_fit_the_limit():
    assert sum(FLOORS.values()) <= LIMIT <= 1 << 29
