"""A short soak; one of ten minutes is run manually."""

import subprocess
import sys

import pytest


@pytest.mark.nightly
def test_random_use_leaves_nothing_behind() -> None:
    done = subprocess.run([sys.executable, "-m", "tools.soak", "0.3"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
