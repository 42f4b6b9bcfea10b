"""Labels of time steps in the whole window: shown with the selection, and read again when edited."""

import pytest

from rnnviz.gui.jobs import run_control

NETWORK = {"cell": "rnn_tanh", "input_size": 2, "hidden_size": 3}
SEQUENCE = {"timesteps": 3, "batch_size": 2}
TABLES = {"sequence": {"timesteps": 3}, "compare": {"reference": "manual", "candidates": ["onnx"]}}


@pytest.fixture
def window(shared_window):
    return shared_window


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("Mon\n\nWed\n", encoding="utf-8")
    return path


def run_with(run_config, labels):
    sequence = {**TABLES["sequence"], "labels": str(labels)}
    run_config(NETWORK, **{**TABLES, "sequence": sequence})


@pytest.mark.slow
def test_the_window_shows_the_label_of_the_selected_time_step(window, run_config, labels):
    run_with(run_config, labels)
    words = window.toolbar.transport.label
    window.session.set_location(window.session.location.moved(timestep=0))
    assert words.text() == "t = 0 'Mon' of 0–2"
    assert words.fontMetrics().horizontalAdvance(words.text()) <= words.width()
    window.session.set_location(window.session.location.moved(timestep=1))
    assert words.text() == "t = 1 of 0–2"
    assert window.panel.field("sequence.labels").editor.value() == str(labels)


@pytest.mark.slow
def test_each_sample_shows_its_own_labels(qtbot, window, run_config, labels, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("x\ny\nz\n", encoding="utf-8")
    run_config(NETWORK, **{**TABLES, "sequence": {**SEQUENCE, "sample_labels": [str(labels), str(other)]}})
    texts = []
    for sample in (0, 1):
        window.session.set_location(window.session.location.moved(timestep=0, sample=sample))
        texts.append(window.toolbar.transport.label.text())
    assert texts == ["t = 0 'Mon' of 0–2", "t = 0 'x' of 0–2"]
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        other.write_text("u\nv\nw\n", encoding="utf-8")
    assert window.session.result.inputs.names.of_sample(1).timestep(0) == "u"


@pytest.mark.slow
def test_edited_labels_are_read_by_a_new_run(qtbot, window, run_config, labels):
    run_with(run_config, labels)
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        labels.write_text("Tue\nWed\nThu\n", encoding="utf-8")
    assert window.session.result.inputs.names.timesteps == ["Tue", "Wed", "Thu"]


@pytest.mark.slow
def test_labels_that_no_longer_fit_are_the_fields_fault_until_they_do(qtbot, window, run_config, labels):
    run_with(run_config, labels)
    with qtbot.waitSignal(window.runner.failed, timeout=20_000):
        labels.write_text("Tue\n", encoding="utf-8")
    assert "has 1 line, but the sequence has 3 time steps" in window.panel.field("sequence.labels").failed
    assert window.session.result.inputs.names.timestep(0) == "Mon"
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        labels.write_text("Tue\nWed\nThu\n", encoding="utf-8")
    assert window.panel.field("sequence.labels").failed == ""


@pytest.mark.slow
def test_a_long_run_is_not_started_for_labels(qtbot, window, run_config, labels, monkeypatch):
    run_with(run_config, labels)
    monkeypatch.setattr(run_control, "AUTOMATIC_VALUES", 1)
    with qtbot.waitSignal(window.control.message, timeout=20_000) as told:
        labels.write_text("Tue\nWed\nThu\n", encoding="utf-8")
    assert told.args == ["labels.txt changed on disk. Press F5 to read it again."]
    assert not window.runner.busy
