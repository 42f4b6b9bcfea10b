"""Shared fixtures."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(Path(__file__).parents[2])], check=True, capture_output=True, timeout=200)
    (wheel,) = folder.iterdir()
    return wheel
