"""A short walk; one of 20,000 actions is run by hand."""

import subprocess
import sys

import pytest

# On a machine that runs other tests beside it a frame of a fifth of a second says nothing.
_FROZEN = "5"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_short_walk_over_every_control_breaks_nothing_and_the_command_line_finds_the_same() -> None:
    command = [sys.executable, "-m", "tests.monkey", "200", "--checks", "3", "--frozen", _FROZEN, "--aloud"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
