"""The window where MXNet is not installed: what others compute, and what it says of that."""

from importlib.util import find_spec

import pytest

from rnnviz.engines import registry
from rnnviz.lessons.index import lessons


@pytest.fixture(autouse=True)
def without_mxnet(monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == "mxnet" else find_spec(name))
    monkeypatch.setattr(registry.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(registry.platform, "machine", lambda: "arm64")


def note_of(window, key="compare.reference"):
    note = window.panel.field(key).note
    return note.text if note is not None and note.isVisible() else ""


@pytest.mark.slow
def test_lessons_run_without_a_note(qtbot, window):
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.files.open_lesson(lessons()[5])
    assert window.document.origin.title == lessons()[5].title
    assert window.session.config.compare.engines == ("manual",)
    assert window.panel.field("compare.candidates").editor.boxes["onnx"].isChecked()
    assert note_of(window) == note_of(window, "compare.candidates") == ""


@pytest.mark.slow
def test_a_file_without_a_reference_runs_and_one_with_gluon_reports_the_fix(qtbot, window, tmp_path):
    text = '[network]\ncell = "gru"\ninput_size = 2\nhidden_size = 3\n'
    (tmp_path / "open.toml").write_text(text, encoding="utf-8")
    (tmp_path / "asked.toml").write_text(f'{text}[compare]\nreference = "gluon"\n', encoding="utf-8")
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.files.open(tmp_path / "open.toml")
    assert window.session.config.compare.reference == "manual"
    assert not window.document.modified

    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.files.open(tmp_path / "asked.toml")
    assert window.session.config.compare.reference == "gluon"
    assert "has no wheel for Darwin arm64" in note_of(window)
