"""Lessons without an installed engine."""

import pytest

from rnnviz.gui.document import runnable
from rnnviz.lessons.index import find_lesson
from rnnviz.text.config_diff import changed_keys


@pytest.fixture
def without_mxnet(monkeypatch):
    from importlib.util import find_spec

    monkeypatch.setattr("rnnviz.engines.registry.find_spec", lambda name: None if name == "mxnet" else find_spec(name))


def test_a_missing_engine_is_replaced_with_a_note(without_mxnet):
    config = find_lesson("lstm").config
    adapted, note = runnable(config)
    assert adapted.compare.reference == "onnx"
    assert adapted.compare.candidates == ("manual",)
    assert changed_keys(config, adapted) == ("compare.reference",)
    assert note.startswith("MXNet is not installed")
    assert note.endswith("read ONNX Runtime.")


def test_a_lesson_about_gradients_has_an_engine_that_gives_them(without_mxnet):
    pytest.importorskip("torch")
    adapted, _ = runnable(find_lesson("backpropagation").config)
    assert adapted.compare.reference == "torch"


def test_where_every_engine_is_available_there_is_no_note():
    config = find_lesson("lstm").config
    assert runnable(config) == (config, "")


@pytest.mark.slow
def test_a_lesson_runs_without_mxnet(qtbot, window, entries, without_mxnet):
    window.guide.open(entries[0])
    pane = window.guide.pane
    assert "read ONNX Runtime" in pane.note.text()
    assert pane.note.isVisible()
    qtbot.waitUntil(lambda: all(row.finding is not None and row.finding.holds for row in pane.rows), timeout=30_000)
    assert not pane.again.isVisible()
    assert set(window.session.result.traces) == {"manual", "onnx"}
    qtbot.waitUntil(lambda: not window.runner.busy, timeout=20_000)
