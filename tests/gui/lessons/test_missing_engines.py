"""Lessons without an installed engine."""

import pytest

from rnnviz.lessons.index import find_entry, lesson_entries


@pytest.fixture
def without_mxnet(monkeypatch):
    from importlib.util import find_spec

    monkeypatch.setattr("rnnviz.engines.registry.find_spec", lambda name: None if name == "mxnet" else find_spec(name))


def opened(window, entry):
    window.guide.open(entry)
    return window.guide.pane


@pytest.mark.slow
def test_a_lesson_about_a_missing_engine_says_what_it_needs(window, without_mxnet):
    pane = opened(window, find_entry("real-bug", lesson_entries()))
    assert pane.note.isVisible()
    assert "mxnet 1.9.1" in pane.note.text()


@pytest.mark.slow
def test_a_lesson_runs_without_mxnet(qtbot, window, entries, without_mxnet):
    pane = opened(window, entries[0])
    assert not pane.note.isVisible()
    qtbot.waitUntil(lambda: all(row.finding is not None and row.finding.holds for row in pane.rows), timeout=30_000)
    assert not pane.again.isVisible()
