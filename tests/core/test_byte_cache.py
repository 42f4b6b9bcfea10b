"""Values that are kept within a limit of bytes."""

import pytest

from rnnviz.core.byte_cache import LIMITS, ByteCache


@pytest.fixture
def dropped() -> list[str]:
    return []


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, dropped: list[str]) -> ByteCache[str, object]:
    monkeypatch.setitem(LIMITS, "chunks", 17)
    return ByteCache("chunks", dropped.append)


def test_the_least_recently_used_value_goes_when_the_limit_is_exceeded(
    cache: ByteCache[str, object], dropped: list[str]
) -> None:
    for key in "ab":
        cache.put(key, key.upper(), 8)
    assert cache.get("a") == "A"
    cache.put("c", "C", 9)
    assert ([*cache], dropped) == (["a", "c"], ["b"])
    cache.limit_to(16)
    assert [*cache] == ["c"]
    cache.clear()
    assert (cache.get("c"), len(cache)) == (None, 0)
    cache.put("d", "D", 8)
    cache.put("e", "E", 8)
    assert [*cache] == ["d", "e"]
    cache.drop("d")
    assert "d" not in cache
    assert dropped == ["b", "a", "d"]


def test_a_repeated_value_counts_once(cache: ByteCache[str, object], dropped: list[str]) -> None:
    for key in "ababab":
        cache.put(key, key, 8)
    assert ([*cache], dropped) == (["a", "b"], [])


def test_the_last_value_stays_however_large_it_is(cache: ByteCache[str, object]) -> None:
    cache.put("a", "A", 100)
    assert cache.get("a") == "A"
    cache.put("b", "B", 1)
    assert [*cache] == ["b"]


def test_all_caches_together_take_at_most_half_a_gigabyte() -> None:
    assert sum(LIMITS.values()) <= 1 << 29
