"""Files damaged at random: always a sentence, or numbers that are checked; never a crash or a hang."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.files.models.damage import KINDS, damaged, networks_in, outcome_of
from tests.files.models.fuzzing import Tally, fuzz
from tests.files.models.specimens import CHECKED_SUMS, WRITERS

FILES = [name for name in WRITERS if name != "folder"]
_CASES = 500
_OUTCOMES = ("refused", "same", "fewer", "numbers", "named")


@pytest.fixture(scope="module")
def tallies(pytestconfig: pytest.Config) -> Iterator[dict[str, Tally]]:
    """By format; all of them are printed as a table at the end."""
    found: dict[str, Tally] = {}
    yield found
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{'':14}", *(f"{outcome:>8}" for outcome in (*_OUTCOMES, "failed")))
        for name, tally in found.items():
            print(f"{name:14}", *(f"{tally.outcomes[k]:8}" for k in _OUTCOMES), f"{len(tally.failures):8}")


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_a_damaged_file_is_refused_in_a_sentence_or_read_as_what_it_holds(
    name: str, tmp_path: Path, tallies: dict[str, Tally]
) -> None:
    WRITERS[name](tmp_path / name)
    found = tallies[name] = fuzz(tmp_path / name, range(_CASES), tmp_path)
    assert found.failures == []
    assert sum(found.outcomes.values()) == _CASES
    assert found.outcomes["refused"] > _CASES // 4
    if name in CHECKED_SUMS:
        assert not found.outcomes["numbers"]


@pytest.mark.parametrize("name", FILES)
def test_a_little_damage_is_refused_in_a_sentence_or_read_as_what_it_holds(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    content, whole = path.read_bytes(), networks_in(path)
    found: Counter[str] = Counter()
    for seed, kind in enumerate(KINDS * 2):
        path.write_bytes(damaged(content, Random(f"{name} {seed}"), kind))
        found[outcome_of(path, whole)] += 1
    assert found["refused"]
    if name in CHECKED_SUMS:
        assert not found["numbers"]
