"""Two thousand runs in one window and twelve hours of playing, by the profile `deep`; a few of either by others."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests.report_tables import ReportTable

pytestmark = pytest.mark.slow

AMOUNTS = {"runs": (2_000, 3), "playing": (12.0, 0.005)}
"""How much of each the profile `deep` does, and how much others do."""
TOLD = {"runs": "{:,} runs", "playing": "{:g} hours of playing"}


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", AMOUNTS)
def test_a_window_that_is_used_for_long_grows_in_nothing(part: str, tmp_path: Path, report_table: ReportTable) -> None:
    much, little = AMOUNTS[part]
    amount = much if settings().max_examples >= 2_000 else little
    command = [sys.executable, "-m", "tools.soak.long_run", part, str(amount), "--json", tmp_path / "figures.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    words = TOLD[part]
    for row in json.loads((tmp_path / "figures.json").read_text()):
        report_table("long-run").add(
            f"{words.format(amount)}: {row['name']}",
            **{
                "first": f"{row['first']:,.1f}",
                "last": f"{row['last']:,.1f}",
                "grew in a thousand runs, or in an hour": row["sure"],
                "may grow by": f"{row['may']:g}",
            },
        )
