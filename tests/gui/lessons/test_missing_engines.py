"""Lessons without an installed engine."""

import pytest


@pytest.fixture
def without_mxnet(monkeypatch):
    from importlib.util import find_spec

    monkeypatch.setattr("rnnviz.engines.registry.find_spec", lambda name: None if name == "mxnet" else find_spec(name))


def opened(window, entries, name):
    window.guide.open(next(entry for entry in entries if entry.name == name))
    return window.guide.pane


def test_a_lesson_about_a_missing_engine_says_what_it_needs(window, entries, without_mxnet):
    pane = opened(window, entries, "09-real-bug")
    assert pane.note.isVisible()
    assert "mxnet 1.9.1" in pane.note.text()


@pytest.mark.slow
def test_a_lesson_runs_without_mxnet(qtbot, window, entries, without_mxnet):
    pane = opened(window, entries, entries[0].name)
    assert not pane.note.isVisible()
    qtbot.waitUntil(lambda: all(row.finding is not None and row.finding.holds for row in pane.rows), timeout=30_000)
    assert not pane.again.isVisible()
