"""A recording in the window: added in the panel, run, compared, and shown as what it holds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtTest import QTest

from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.views.output_map import OutputMap
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.text.verdict_text import verdict_sentence
from rnnviz.verify.result import RunResult
from tests.gui.views.unrolled.seen import lane_headers, visible_numbers


@pytest.fixture
def window(shared_window):
    return shared_window


def with_recording(qtbot: Any, window: MainWindow, path: Path) -> RunResult:
    """The result of the run that follows when the recording is added in the panel."""
    editor: Any = window.panel.field("compare.candidates").editor
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        editor.add.choose(str(path))
    result = window.session.result
    assert result is not None
    return result


@pytest.mark.slow
def test_a_recording_with_one_changed_number_is_wrong_there_and_its_missing_state_is_not_compared(
    qtbot: Any, window: MainWindow, tmp_path: Path
) -> None:
    result = window.session.result
    assert result is not None
    hidden = np.array(result["manual"].hidden)
    hidden[0, 0, -1, 0, 3] += np.float32(0.25)
    np.savez(tmp_path / "golden.npz", hidden=hidden)
    name = f"recording:{tmp_path / 'golden.npz'}"
    result = with_recording(qtbot, window, tmp_path / "golden.npz")
    assert list(result.traces)[-1] == name
    comparison = result.comparison(name)
    assert comparison.mismatched == 1
    assert comparison.first_mismatch is not None
    assert comparison.first_mismatch.where.index == (0, 0, hidden.shape[2] - 1, 0, 3)
    assert result.wrong(name)
    assert not result.wrong("manual")
    (states,) = [view for view in window.views if isinstance(view, OutputMap)]
    states.engine_box.setCurrentIndex(states.engine_box.findData(name))
    assert "not compared" in states.rows.data(states.rows.index(0))


@pytest.mark.slow
def test_a_recording_of_something_else_is_refused_at_its_field(qtbot: Any, window: MainWindow, tmp_path: Path) -> None:
    np.savez(tmp_path / "golden.npz", hidden=np.ones((1, 2), np.float32))
    field = window.panel.field("compare.candidates")
    editor: Any = field.editor
    with qtbot.waitSignal(window.runner.failed, timeout=20_000):
        editor.add.choose(str(tmp_path / "golden.npz"))
    assert "golden.npz has the shape (1, 2), expected" in field.failed


@pytest.mark.slow
def test_lanes_that_were_not_recorded_are_labeled_and_the_verdict_is_not_green(
    qtbot: Any, window: MainWindow, tmp_path: Path
) -> None:
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        steps: Any = window.panel.field("sequence.timesteps").editor
        steps.line.selectAll()
        QTest.keyClicks(steps.line, "3")
    result = window.session.result
    assert result is not None
    state = np.array(result["manual"].state_h)
    np.savez(tmp_path / "golden.npz", state=state)
    name = f"recording:{tmp_path / 'golden.npz'}"
    result = with_recording(qtbot, window, tmp_path / "golden.npz")
    last = result.shape[2] - 1
    words = verdict_sentence(result, name)
    assert words.look == "blind"
    assert f"{state.size} of {result['manual'].hidden.size} values compared" in str(words)
    (lanes,) = [view for view in window.views if isinstance(view, UnrolledView)]
    window.session.set_candidate(name)
    window.session.set_engine(name)
    assert lane_headers(lanes)[0].verdict == f"agrees at t = {last}"
    written = {n.cell.timestep for n in visible_numbers(lanes) if n.cell.lane.layer is not None and n.text}
    assert last in written
    assert written <= {-1, last}
