"""Gradient flow in the window: curves, mark and sentence, spectral norms, and the influence on the selected value."""

import numpy as np
import pytest
from PySide6.QtCore import Qt

from rnnviz.core.trace_index import Location
from rnnviz.dependence.gradient_flow import flow_of, flow_sentence
from rnnviz.dependence.influence import LaneSteps, influence, jacobian_norms
from rnnviz.gui.views.gradient_plot import LOSS, STEPS, VALUE, GradientFlowPlot
from rnnviz.verify.result import RunResult
from tests.dependence.test_gradient_flow import with_gradients
from tests.factories import make_result


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(GradientFlowPlot(), 900, 200)


def vanishing() -> RunResult:
    """The gradient of layer 1 forward shrinks by 1e-3 at each step before t = 4."""
    result = with_gradients(make_result(cell="lstm", num_layers=2, bidirectional=True, timesteps=6, lengths=[6, 5]))
    for trace in result.traces.values():
        trace["grad.h"][1, 0] *= np.float32(1e-3) ** np.arange(5, -1, -1, dtype=np.float32)[:, None, None]
    return result


def choose(view: GradientFlowPlot, source: str) -> None:
    view.source.setCurrentIndex(view.source.findData(source))


def test_curves_mark_and_sentence_are_of_the_selected_lane_and_sample(view):
    result = vanishing()
    view.show_result(result, "manual")
    view.show_location(Location(1, 0, 2, 1, 0))
    norms = np.linalg.norm(result["gluon"]["grad.h"][1, 0, :5, 1].astype(float), axis=-1)
    first = view.plot.curves_drawn[0].values
    np.testing.assert_allclose(first[:5], np.log10(norms), rtol=1e-5)
    assert np.isnan(first[5]), "padding"
    assert [curve.name for curve in view.drawn][1:2] == ["c"]
    assert len(view.drawn) == 5
    assert view.verdict.text() == flow_sentence(flow_of(norms, backward=False))
    assert view.mark.isVisible()
    assert view.mark.value() == 3
    view.engines.setCurrentIndex(1)
    view.engines.activated.emit(1)
    rows = [line.split("\t") for line in view.copy_text().splitlines()]
    assert [row[0] for row in rows] == ["timestep", *"01234"]
    other = np.linalg.norm(result["manual"]["grad.h"][1, 0, 2, 1].astype(float))
    assert float(rows[3][1]) == pytest.approx(other, rel=1e-6)
    assert view.values_at(2).startswith("t = 2: h of ")


@pytest.mark.slow
def test_spectral_norms_are_those_of_the_steps(qtbot, view):
    result = vanishing()
    view.show_result(result, "manual")
    view.show_location(Location(1, 0, 2, 1, 0))
    choose(view, STEPS)
    qtbot.waitUntil(lambda: view.norms is not None)
    expected = jacobian_norms(LaneSteps(result.inputs, result["gluon"], 1, 0, 1), lambda _: None)
    np.testing.assert_array_equal(view.norms.whole, expected.whole)
    assert [curve.name for curve in view.drawn] == ["(h, c)", "h"]
    np.testing.assert_allclose(view.drawn[0].values[:5], expected.whole, rtol=1e-6)
    assert view.plot.limit == 0.0


def test_without_gradients_a_button_computes_them_and_the_influence_is_left(qtbot, view):
    result, asked = make_result(cell="gru", num_layers=2), []
    view.following_requested.connect(asked.append)
    view.show_result(result, "manual")
    assert not view.plot.isVisible()
    assert (view.wanted, view.copy_text()) == (LOSS, "")
    with qtbot.waitSignal(view.compute_button.clicked):
        qtbot.mouseClick(view.compute_button, Qt.MouseButton.LeftButton)
    choose(view, VALUE)
    assert (asked, view.wanted) == ([True], VALUE)
    assert not view.compute_button.isVisible()
    where = Location(1, 0, 3, 1, 2)
    found = influence(result, where, "manual")
    view.show_location(where)
    view.show_influence(found, followed=True)
    drawn = np.array(view.plot.curves_drawn[0].values)
    np.testing.assert_allclose(drawn[:4], np.log10(found.hidden[1, 0, :4]), rtol=1e-9)
    assert np.isnan(drawn[4])
    earlier, later = view.empty
    assert (earlier.runs.tolist(), later.runs.tolist()) == ([], [[4, 4]])
    assert "Later" in later.label
    assert [curve.name for curve in view.drawn][-1] == "to the input"
    assert view.plot.scale.highest == 0, "the value itself is the largest"
    view.show_influence(None, followed=False)
    assert view.wanted == LOSS


def test_a_lane_in_backward_direction_is_not_influenced_by_earlier_steps(view):
    result = make_result(cell="gru", bidirectional=True, timesteps=9)
    view.show_result(result, "manual")
    where = Location(0, 1, 4, 1, 2)
    view.show_location(where)
    view.show_influence(influence(result, where, "manual"), followed=True)
    earlier, later = view.empty
    assert (earlier.runs.tolist(), later.runs.tolist()) == ([[0, 3]], [])
    assert "Earlier" in earlier.label


def test_an_audit_keeps_the_influence_and_a_refusal_replaces_its_progress(view):
    result = make_result(cell="gru")
    view.show_result(result, "manual")
    view.show_influence(None, followed=True)
    view.show_progress(0.5)
    assert "50" in view.hint.text()
    view.show_refusal("It is not known.")
    assert view.hint.text() == "It is not known."
    view.show_influence(None, followed=True)
    assert view.hint.text() != "It is not known."


def test_the_sentence_is_read_whole_next_to_the_keys_or_above_them(qtbot, view):
    view.show_result(with_gradients(make_result(num_layers=3, bidirectional=True, cell="lstm")), "manual")
    for width, below in ((1700, False), (900, True), (1700, False)):
        view.resize(width, 300)
        edge = view.source.geometry().bottom()
        qtbot.waitUntil(lambda edge=edge, below=below: (view.legend.keys[-1].y() > edge) == below)
        assert view.verdict.width() >= view.verdict.natural_width() > 0
        assert all(key.shown_name == key.text() for key in view.legend.keys)
