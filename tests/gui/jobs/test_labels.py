"""Labels of time steps in the whole window: shown with the selection, and read again when edited."""

import pytest

NETWORK = {"cell": "rnn_tanh", "input_size": 2, "hidden_size": 3}
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
