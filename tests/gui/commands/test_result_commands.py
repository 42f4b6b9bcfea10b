"""Commands on a result: a known bug, gradients, a place by its indices, and a recording."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.core.trace_index import Location
from rnnviz.engines.registry import engines_of
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.value.output_page import NOT_AVAILABLE
from rnnviz.gui.views.known_bugs import KnownBugsView
from rnnviz.text.verdict_text import verdict_sentence
from tests.gui.views.unrolled.seen import lane_labels, visible_numbers

pytestmark = pytest.mark.slow


def tab(window: MainWindow) -> KnownBugsView:
    view = window.findChild(KnownBugsView)
    window.main_layout.tabs.select(view.title)
    return view


def test_a_chosen_known_bug_is_computed_and_shown(qtbot, window):
    view, candidates = tab(window), engines_of(window.session.config)[1:]
    view.choose("no-h2h-bias")
    with qtbot.finished(window):
        qtbot.mouseClick(view.button, Qt.MouseButton.LeftButton)
    assert window.session.candidate == "bug:no-h2h-bias"
    assert window.verdict.state == "disagree"
    assert "idden-to-hidden bias missing" in window.verdict.text
    assert window.session.config.compare.candidates == (*candidates, "bug:no-h2h-bias")


def test_another_known_bug_replaces_the_first_and_undo_restores_the_config(qtbot, window):
    before = window.session.config
    view, candidates = tab(window), engines_of(before)[1:]
    for name in ("bug:no-i2h-bias", "bug:h2h-transposed"):
        with qtbot.finished(window):
            view.bug_requested.emit(name)
    assert window.session.config.compare.candidates == (*candidates, "bug:h2h-transposed")
    assert window.session.candidate == "bug:h2h-transposed"
    with qtbot.finished(window):
        window.document.undo()
        window.document.undo()
    assert window.session.config == before


def test_gradients_are_computed_by_a_command_and_those_of_the_selected_value_by_another(qtbot, window):
    session, before = window.session, window.session.config
    with qtbot.finished(window):
        window.actions_["compute_gradients"].trigger()
    assert session.config.backward.enabled
    assert session.in_backward_pass
    assert session.quantity == "grad.h"
    where = session.location.moved(sample=1, unit=2)
    session.set_location(where)
    with qtbot.finished(window):
        window.actions_["gradient_of_value"].trigger()
    assert (session.config.backward.loss, session.config.backward.value) == ("value", where.index)
    result = session.result
    gradients = result.reference["grad.h"]
    assert gradients[where.index] == 1.0
    assert np.count_nonzero(gradients) == 1
    session.set_location(where.moved(unit=3))
    editor = window.panel.field("backward.value").editor
    with qtbot.finished(window):
        editor.button.click()
    assert session.config.backward.value == where.moved(unit=3).index
    while session.config != before:
        window.document.undo()
    qtbot.waitUntil(lambda: not window.runner.busy)
    session.set_color_by("value")


@pytest.fixture
def compare_recording(qtbot, window, tmp_path):
    """Adds a recording in the panel, waits for a signal of the run that follows, and returns the recording's name."""

    def compare_recording(ended="finished", **arrays):
        np.savez(tmp_path / "golden.npz", **arrays)
        with qtbot.waitSignal(getattr(window.runner, ended)):
            window.panel.field("compare.candidates").editor.add.choose(str(tmp_path / "golden.npz"))
        return f"recording:{tmp_path / 'golden.npz'}"

    return compare_recording


def test_a_recording_is_wrong_where_a_number_was_changed_and_its_missing_state_is_not_compared(
    window, compare_recording
):
    hidden = np.array(window.session.result["manual"].hidden)
    hidden[0, 0, -1, 0, 3] += np.float32(0.25)
    name = compare_recording(hidden=hidden)
    result = window.session.result
    assert list(result.traces)[-1] == name
    comparison = result.comparison(name)
    assert comparison.mismatched == 1
    assert comparison.first_mismatch.where.index == (0, 0, hidden.shape[2] - 1, 0, 3)
    assert result.wrong(name)
    assert not result.wrong("manual")
    states = window.value.output
    states.engine_box.setCurrentIndex(states.engine_box.findData(name))
    assert states.model.cell(1, 2).text == NOT_AVAILABLE


def test_a_recording_of_something_else_is_refused_at_its_field(window, compare_recording):
    compare_recording("failed", hidden=np.ones((1, 2), np.float32))
    assert "golden.npz has the shape (1, 2), expected" in window.panel.field("compare.candidates").failed


def test_lanes_that_were_not_recorded_are_labeled_and_the_verdict_is_not_green(qtbot, window, compare_recording):
    steps = window.panel.field("sequence.timesteps").editor
    steps.line.selectAll()
    with qtbot.finished(window):
        QTest.keyClicks(steps.line, "3")
    state = np.array(window.session.result["manual"].state_h)
    name = compare_recording(state=state)
    result = window.session.result
    words = verdict_sentence(result, name)
    assert words.look == "blind"
    assert f"{state.size} of {result['manual'].hidden.size} values compared" in str(words)
    window.session.set_candidate(name)
    window.session.set_engine(name)
    assert lane_labels(window.lanes)[0].verdict == "✓ agrees at t = 2"
    written = {n.cell.timestep for n in visible_numbers(window.lanes) if n.cell.lane.layer is not None and n.text}
    assert 2 in written
    assert written <= {-1, 2}


def test_ctrl_g_selects_a_value_by_its_indices(window, run_config, press):
    run_config(
        {"cell": "gru", "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True},
        sequence={"timesteps": 6, "batch_size": 2, "lengths": [4, 6]},
    )
    window.session.set_location(Location(0, 0, 2, 1, 3))
    press(Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier)
    assert window.palette_.selectedText() == str(window.session.location)
    # Sample 0 has 4 time steps.
    QTest.keyClicks(window.palette_, "layer 1 backward t 5 sample 0 unit 2")
    QTest.keyClick(window.palette_, Qt.Key.Key_Return)
    QTest.qWait(0)
    assert window.session.location == Location(1, 1, 3, 0, 2)
