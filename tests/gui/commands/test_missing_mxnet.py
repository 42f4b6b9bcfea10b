"""The window where MXNet is not installed: what others compute, and what it says of that."""

from importlib.util import find_spec

import pytest

from rnnviz.engines import registry
from rnnviz.lessons.index import lessons


@pytest.fixture
def without_mxnet(monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == "mxnet" else find_spec(name))
    monkeypatch.setattr(registry.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(registry.platform, "machine", lambda: "arm64")


@pytest.mark.slow
def test_lessons_and_files_without_a_reference_run_and_one_with_gluon_reports_the_fix(
    qtbot, without_mxnet, bare_window, tmp_path
):
    window = bare_window
    with qtbot.finished(window):
        window.begin(None)
    reference, candidates = (window.panel.field(f"compare.{key}") for key in ("reference", "candidates"))
    with qtbot.finished(window):
        window.files.open_lesson(lessons()[5])
    assert window.document.origin.title == lessons()[5].title
    assert window.session.config.compare.engines == ("manual",)
    assert candidates.editor.boxes["onnx"].isChecked()
    assert not any(field.note is not None and field.note.isVisible() for field in (reference, candidates))
    text = '[network]\ncell = "gru"\ninput_size = 2\nhidden_size = 3\n'
    for name, more, engine in (
        ("open.toml", "", "manual"),
        ("asked.toml", '[compare]\nreference = "gluon"\n', "gluon"),
    ):
        (tmp_path / name).write_text(text + more, encoding="utf-8")
        with qtbot.finished(window):
            window.files.open(tmp_path / name)
        assert window.session.config.compare.reference == engine
        assert not window.document.modified
    assert "has no wheel for Darwin arm64" in reference.note.text
