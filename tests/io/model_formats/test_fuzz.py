"""Files damaged at random: always a sentence, or numbers that are checked; never a crash or a hang."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from rnnviz.core.errors import InputError
from rnnviz.execution.child_process import call_in_subprocess
from tests.io.model_formats.damage import KINDS, damaged, networks_in, outcome_of
from tests.io.model_formats.fuzzing import fuzz, read_soon
from tests.io.model_formats.samples import CHECKED_SUMS, WRITERS
from tests.report_tables import ReportTable

FILES = [name for name in WRITERS if name != "folder"]
NOT_SURVIVED = [("w.weights.h5", 587), ("w.weights.h5", 1549), ("w.weights.h5", 2762)]
"""Damage over which HDF5 1.14 loops for ever, or that ends its process."""
_CASES = 500
_OUTCOMES = ("refused", "same", "fewer", "numbers", "named")


@pytest.mark.nightly
@pytest.mark.parametrize("name", WRITERS)
def test_a_damaged_file_is_refused_in_a_sentence_or_read_as_stored(
    name: str, tmp_path: Path, report_table: ReportTable
) -> None:
    WRITERS[name](tmp_path / name)
    found = fuzz(tmp_path / name, range(_CASES), tmp_path)
    told = {outcome: found.outcomes[outcome] for outcome in _OUTCOMES}
    report_table("model-files").add(f"`{name}`", **told, **{"anything else": len(found.failures)})
    assert found.failures == []
    assert sum(found.outcomes.values()) == _CASES
    assert found.outcomes["refused"] > _CASES // 4
    if name in CHECKED_SUMS:
        assert not found.outcomes["numbers"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), NOT_SURVIVED)
def test_a_crash_of_a_library_is_a_sentence(name: str, seed: int, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    path.write_bytes(damaged(path.read_bytes(), Random(seed)))
    said = "A library that has been mended may read it."
    try:
        call_in_subprocess(read_soon, path, what=f"{path} could not be read", seconds=30)
    except InputError as error:
        said = str(error)
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize("name", FILES)
def test_a_little_damage_is_refused_in_a_sentence_or_read_as_stored(name: str, tmp_path: Path) -> None:
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
