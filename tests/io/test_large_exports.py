"""Exports of runs that are larger than memory: it stays flat."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
