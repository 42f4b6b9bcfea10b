"""Shared fixtures."""

import pytest

from tests.cli.calls import Called, write


@pytest.fixture
def config(tmp_path):
    return str(write(tmp_path))


@pytest.fixture
def rnnviz(capsys, monkeypatch):
    monkeypatch.delenv("RNNVIZ_DEBUG", raising=False)
    return Called(capsys)


@pytest.fixture
def no_subprocess(monkeypatch):
    """Model files are read in this process."""

    def call(function, *arguments, **_):
        return function(*arguments)

    monkeypatch.setattr("rnnviz.execution.child_process.call_in_subprocess", call)
