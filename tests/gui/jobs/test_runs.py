"""Runs in the window: begun by edits and keys, with labels of time steps, refused, failing, and judged."""

import numpy as np
import pytest
from PySide6.QtCore import Qt, QThreadPool
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QMessageBox, QPushButton

from rnnviz.core.config import Config
from rnnviz.core.parameters import draw_parameters
from rnnviz.execution.events import Failed
from rnnviz.gui.access import selection_in_words
from rnnviz.gui.jobs.runner import Runner
from tests.needs import needs

AGREEMENT = ("agree", "blind")
"""The state of the verdict bar for equal numbers, with and without undetectable bugs."""

SMALL = {"cell": "rnn_tanh", "input_size": 3, "hidden_size": 4}
LARGE = Config.from_mapping({"network": {**SMALL, "hidden_size": 256}, "sequence": {"timesteps": 20_000}})


def test_stopping_before_the_run_started_stops_it(qtbot, supervisor):
    runner = Runner(supervisor)
    finished = []
    runner.finished.connect(lambda *_: finished.append(True))
    with qtbot.waitSignal(runner.stopped):
        runner.run(LARGE)
        runner.stop()
    assert not runner.busy
    assert finished == []
    runner.close()


def test_nothing_starts_for_a_window_that_was_closed_before_it_was_of_use(supervisor):
    runner = Runner(supervisor)
    runner.close()
    runner.warm_up()
    runner.run(LARGE)
    assert not runner.busy
    assert runner.findChild(QThreadPool).activeThreadCount() == 0


@pytest.mark.slow
def test_a_small_network_reruns_by_itself_after_an_edit(qtbot, window):
    line = window.panel.field("network.hidden_size").editor.line
    line.setFocus()
    line.selectAll()
    with qtbot.finished(window):
        QTest.keyClicks(line, "7")
    assert window.session.result.shape[-1] == 7
    assert window.verdict.state in AGREEMENT
    assert window.isWindowModified()


@pytest.mark.slow
def test_the_run_button_and_both_keys_run(qtbot, window, press):
    run = window.top_line.run_button
    for ask in (
        run.click,
        lambda: press(Qt.Key.Key_F5),
        lambda: press(Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier),
    ):
        with qtbot.finished(window):
            ask()


def fail(window, key="compare.atol"):
    window.runner.failed.emit(Failed(1, "input", "It is too strict.", key))


@pytest.mark.slow
def test_only_an_error_of_a_run_that_a_key_asked_for_moves_the_focus(window, press, monkeypatch):
    monkeypatch.setattr(window.runner, "run", lambda config, *_: window.runner.started.emit(config))
    line = window.panel.field("network.hidden_size").editor.line
    atol = window.panel.field("compare.atol").editor.line
    line.setFocus()
    window.document.edit(Config.from_mapping({"network": SMALL}))
    window.control.run_due()
    fail(window)
    assert line.hasFocus()
    window.control.cancel()
    # The user asked, and typed on before the run failed.
    QTest.keyClick(line, Qt.Key.Key_F5)
    QTest.keyClicks(line, "x")
    fail(window)
    assert line.hasFocus()
    window.panel.show_config(window.session.config)
    window.control.set_valid()
    # The user asked, and is elsewhere by now.
    QTest.keyClick(line, Qt.Key.Key_F5)
    window.lanes.setFocus()
    fail(window)
    assert window.lanes.hasFocus()
    press(Qt.Key.Key_F5)
    fail(window)
    assert atol.hasFocus()
    window.document.undo()
    window.control.cancel()


@pytest.mark.slow
def test_weights_of_another_shape_offer_their_sizes_as_one_edit(qtbot, window, tmp_path):
    stored = Config.from_mapping({"network": {**SMALL, "hidden_size": 3, "num_layers": 2}})
    drawn = draw_parameters(stored.network, stored.parameters)
    np.savez(tmp_path / "w.npz", **drawn)
    from_file = {"initializer": "file", "path": str(tmp_path / "w.npz")}
    before = Config.from_mapping({"network": SMALL, "parameters": from_file})
    with qtbot.waitSignal(window.control.sizes_found):
        window.document.edit(before)
    use = next(each for each in window.verdict.findChildren(QPushButton) if each.text() == "Use its sizes")
    assert use.isVisible()
    assert use.focusPolicy() & Qt.FocusPolicy.TabFocus
    use.setFocus()
    with qtbot.finished(window):
        QTest.keyClick(use, Qt.Key.Key_Space)
    assert window.session.result.config.network == stored.network
    assert not use.isVisible()
    window.document.undo()
    assert window.session.config == before
    window.control.cancel()


def test_a_result_of_earlier_settings_or_files_is_out_of_date(window, monkeypatch, tmp_path):
    monkeypatch.setattr(window.runner, "run", lambda config, *_: window.runner.started.emit(config))
    control, line = window.control, window.panel.field("network.hidden_size").editor.line

    def show_again():
        window.panel.show_config(window.session.config)
        control.set_valid()
        control.show_result(window.session.result)
        control.cancel()
        assert not control.outdated
        assert window.verdict.state in AGREEMENT

    show_again()
    line.setFocus()
    QTest.keyClicks(line, "x")
    assert control.outdated
    assert window.verdict.state == "stale"
    show_again()
    window.code_trust.edited.emit()
    assert control.outdated
    show_again()
    control.run()
    fail(window)
    assert control.outdated
    assert "Previous run" in window.verdict.copy_text()
    window.verdict.show_error(None)
    assert window.verdict.state == "stale"
    assert "out of date" in window.exports.stem
    show_again()


def test_an_opened_document_shows_no_result_of_another_one(qtbot, window, monkeypatch):
    before, stopped = window.session.result, []
    window.document.take(before.config, "of the same config")
    assert window.session.result is before
    window.document.take(LARGE, "large")
    assert window.session.result is None
    assert window.verdict.state == "empty"
    window.document.take(before.config, "small again")
    assert window.control.due
    window.control.cancel()
    # A run of the other document does not come in later. To stop it would restart the worker.
    monkeypatch.setattr(window.runner, "stop", lambda: stopped.append(window.session.config))
    with qtbot.finished(window):
        window.runner.run(before.config)
        window.document.take(LARGE, "another large one")
        qtbot.waitUntil(lambda: bool(stopped))
    assert stopped == [LARGE]


@pytest.mark.slow
def test_an_error_of_a_run_is_shown_at_its_field(qtbot, window, tmp_path):
    missing = tmp_path / "missing.npy"
    before = window.session.result
    config = Config.from_mapping({"network": SMALL, "sequence": {"path": str(missing)}})
    with qtbot.waitSignal(window.runner.failed):
        window.document.edit(config)
    assert str(missing) in window.panel.errors.get("sequence.path", window.panel.field("sequence.path").failed)
    assert window.verdict.state == "error"
    assert str(missing) in window.verdict.text
    assert window.session.result is before
    with qtbot.finished(window):
        window.document.edit(Config.from_mapping({"network": SMALL}))
    assert window.verdict.state in AGREEMENT


@pytest.mark.slow
def test_a_wrong_field_holds_the_run_back_until_it_is_right(qtbot, window, press):
    line = window.panel.field("network.hidden_size").editor.line
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "0")
    press(Qt.Key.Key_F5)
    assert not window.runner.busy
    assert window.verdict.state == "error"
    assert "hidden_size" in window.verdict.text
    line.setFocus()
    line.selectAll()
    with qtbot.finished(window):
        QTest.keyClicks(line, "3")
    assert window.verdict.state in AGREEMENT


@pytest.mark.slow
@needs("mxnet")
def test_mismatches_are_counted_and_visited_by_key(window, press, run_config):
    # Gluon computes this cell in float32, whatever the dtype.
    network = {**SMALL, "cell": "rnn_relu", "dtype": "float64"}
    run_config(network, sequence={"timesteps": 4}, compare={"candidates": ["gluon"], "rtol": 0.0, "atol": 1e-12})
    comparison = window.session.result.comparison("gluon")
    assert comparison.mismatched > 2
    window.session.set_location(comparison.first_mismatch.where)
    press(Qt.Key.Key_N)
    second = window.session.location
    assert second != comparison.first_mismatch.where
    press(Qt.Key.Key_P)
    assert window.session.location == comparison.first_mismatch.where
    press(Qt.Key.Key_P)
    press(Qt.Key.Key_N)
    assert window.session.location == comparison.first_mismatch.where
    window.verdict.next_requested.emit()
    assert window.session.location == second


@pytest.mark.slow
def test_a_blind_agreement_is_explained_and_can_be_fixed(qtbot, window, run_config):
    blind = {"parameters": {"bias": "zeros"}, "initial_state": {"source": "zeros"}, "sequence": {"timesteps": 1}}
    run_config({**SMALL, "cell": "gru"}, **blind)
    assert window.verdict.state == "blind"
    window.panel.setFocus()
    link = next(label for label in window.verdict.findChildren(QLabel) if "href" in label.text())
    link.linkActivated.emit("0")
    assert window.findChild(QMessageBox) is None
    bugs = window.main_layout.tabs.front
    assert bugs.title == "Known bugs"
    listed = [how for _, how in bugs.model.rows]
    assert listed[: listed.count("undetectable")] == ["undetectable"] * len(window.session.result.judgment.undetectable)
    assert window.lanes.hasFocus()
    remedy = window.session.result.judgment.remedy
    with qtbot.finished(window):
        window.verdict.remedy_requested.emit(remedy)
    assert window.session.result.config == remedy
    assert window.panel.config == remedy
    assert window.verdict.state == "agree"
    window.document.undo()
    assert window.session.config.parameters.bias == "zeros"


@pytest.mark.slow
def test_every_step_is_audited_when_the_verdict_line_is_asked_to(qtbot, window):
    with qtbot.finished(window):
        window.verdict.full_audit_requested.emit()
    assert {audit.coverage for audit in window.session.result.judgment.audits.values()} == {1.0}


@pytest.fixture
def labels(tmp_path, run_config):
    """A file of labels that the shown run has read."""
    path = tmp_path / "labels.txt"
    path.write_text("Mon\n\nWed\n", encoding="utf-8")
    run_config(SMALL, sequence={"timesteps": 3, "labels": str(path)}, compare={"reference": "manual"})
    return path


@pytest.mark.slow
def test_the_window_shows_the_label_of_the_selected_time_step(window, labels):
    session = window.session
    for timestep, words in ((0, "t = 0 'Mon'"), (1, "t = 1,")):
        session.set_location(session.location.moved(timestep=timestep))
        assert words in selection_in_words(session, session.result)
    assert window.panel.field("sequence.labels").editor.value() == str(labels)


@pytest.mark.slow
def test_edited_labels_are_read_by_a_new_run_and_are_the_fields_fault_until_they_fit(qtbot, window, labels):
    with qtbot.waitSignal(window.runner.failed):
        labels.write_text("Tue\n", encoding="utf-8")
    assert "has 1 line, but the sequence has 3 time steps" in window.panel.field("sequence.labels").failed
    assert window.session.result.inputs.names.timestep(0) == "Mon"
    with qtbot.finished(window):
        labels.write_text("Tue\nWed\nThu\n", encoding="utf-8")
    assert window.panel.field("sequence.labels").failed == ""
    assert window.session.result.inputs.names.timesteps == ["Tue", "Wed", "Thu"]
