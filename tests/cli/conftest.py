"""What these tests share."""

from pathlib import Path

import pytest

from tests import profiles
from tests.cli.calls import Called, write
from tests.leaks import nothing_is_left_running
from tests.warm_runs import warm_child

__all__ = ["nothing_is_left_running", "profiles", "warm_child"]


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(write(tmp_path))


@pytest.fixture
def rnnviz(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Called:
    monkeypatch.delenv("RNNVIZ_DEBUG", raising=False)
    return Called(capsys)
