"""Exports of what is larger than they may hold: memory stays flat, and a full disk is met in the middle."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.export.data import write_csv, write_npz
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.full_disk import small_disk

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MEGABYTE = 1 << 20

_MEASURED = """
import json, sys
from pathlib import Path
from rnnviz.io.export.data import write_npz
from rnnviz.io.export.data import write_csv
from tools.benchmarks.large_results import large_result
from tools.benchmarks.private_memory import watched

write = {"csv": write_csv, "npz": write_npz}[sys.argv[1]]
timesteps, folder, gates = int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4] == "gates"
told = []
with large_result(100, 256, 1, 1, 1) as small:
    write(small, folder / "small", gates=gates)
with large_result(timesteps, 256, 1, 1, 1) as result:
    with watched() as peak:
        write(result, folder / "large", told.append, gates=gates)
print(json.dumps([peak.above, told == sorted(told), told[0], told[-1], (folder / "large").stat().st_size]))
"""


@pytest.mark.nightly
@pytest.mark.parametrize("gates", ["plain", "gates"])
@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_the_memory_of_an_export_does_not_grow_with_it(tmp_path: Path, kind: str, gates: str) -> None:
    """Measured in a separate process, above the memory after a small export."""
    above = []
    for timesteps in (3_000, 12_000) if gates == "gates" else (5_000, 40_000):
        words = [sys.executable, "-c", _MEASURED, kind, str(timesteps), str(tmp_path), gates]
        done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True, timeout=110)
        taken, rising, first, last, size = json.loads(done.stdout)
        above.append(taken)
        assert rising
        assert 0.0 < first < 0.5
        assert last == 1.0
        assert size > timesteps * 256 * 4
    assert above[1] < 100 * MEGABYTE
    assert above[1] - above[0] < 25 * MEGABYTE


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    with small_disk(tmp_path / "disk", "4m") as folder:
        yield folder


@pytest.fixture(scope="module")
def larger_than_the_disk() -> RunResult:
    """Eight megabytes of numbers for each engine."""
    return make_result(timesteps=2000, batch_size=10, hidden_size=100)


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_a_disk_that_fills_up_keeps_the_old_file_and_no_part_of_the_new_one(
    disk: Path, larger_than_the_disk: RunResult, kind: str
) -> None:
    path = disk / f"out.{kind}"
    path.write_text("old", encoding="utf-8")
    write = write_csv if kind == "csv" else write_npz
    with pytest.raises(InputError, match=r"cannot be written: No space left on device"):
        write(larger_than_the_disk, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(disk.iterdir()) == [path]
