"""Gradient flow in the window: curves, limits, spectral norms, and the influence on the selected value."""

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.dependence.gradient_flow import VANISHING, FlowVerdict
from rnnviz.dependence.influence import LaneSteps, influence, jacobian_norms
from rnnviz.gui.views.gradient_plot import LOSS, VALUE, GradientFlowPlot
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


@pytest.mark.slow
def test_curves_and_limits_are_of_the_selected_lane_and_sample(qtbot, view):
    result = vanishing()
    view.show_result(result, "manual")
    view.show_location(Location(1, 0, 2, 1, 0))
    norms = np.linalg.norm(result["gluon"]["grad.h"][1, 0, :5, 1].astype(float), axis=-1)
    drawn = view.curves.selected.high
    np.testing.assert_allclose(drawn[:5], np.log10(norms), rtol=1e-5)
    assert np.isnan(drawn[5])
    assert len(view.curves.others) == 3
    np.testing.assert_allclose(
        float(view.regions[FlowVerdict.VANISHING].line.value()), np.log10(norms[4] * VANISHING), rtol=1e-6
    )
    assert view.regions[FlowVerdict.VANISHING].isVisible()
    assert not view.regions[FlowVerdict.EXPLODING].isVisible()
    assert [key.text() for key in view.keys[:2]] == ["h", "c"]
    assert view.engines.count() == 2
    view.engines.setCurrentIndex(1)
    view.engines.activated.emit(1)
    rows = [line.split("\t") for line in view.copy_text().splitlines()]
    assert [row[0] for row in rows] == ["timestep", *"01234"]
    other = np.linalg.norm(result["manual"]["grad.h"][1, 0, 2, 1].astype(float))
    assert float(rows[3][3]) == pytest.approx(other, rel=1e-6)
    qtbot.waitUntil(lambda: view.norms is not None)
    expected = jacobian_norms(LaneSteps(result.inputs, result["manual"], 1, 0, 1), lambda _: None)
    np.testing.assert_array_equal(view.norms.whole, expected.whole)
    np.testing.assert_allclose(view.norm_curves.selected.high[:5], np.log10(expected.whole), rtol=1e-6)
    assert len(view.norm_curves.beside) == 1
    assert [key.text() for key in view.keys[2:]] == ["(h, c)", "h"]
    assert len(view.copy_text().splitlines()[0].split("\t")) == len(rows[0]) + 2
    assert view.plot.describe(2).startswith("t = 2: h ")
    assert view.norms_plot.describe(2).startswith("Spectral norm at t = 2: (h, c) ")
    view.norms_plot.view_box.setXRange(0.0, 4.0, padding=0)
    assert view.plot.view_box.viewRange()[0] == view.norms_plot.view_box.viewRange()[0]


def test_without_gradients_the_influence_of_a_value_is_left(view):
    result, asked = make_result(cell="gru", num_layers=2), []
    view.following_requested.connect(asked.append)
    view.show_result(result, "manual")
    assert not view.plot.isVisible()
    assert (view.wanted, view.copy_text()) == (LOSS, "")
    view.source.setCurrentIndex(1)
    assert (asked, view.wanted) == ([True], VALUE)
    where = Location(1, 0, 3, 1, 2)
    found = influence(result, where, "manual")
    view.show_location(where)
    view.show_influence(found, followed=True)
    assert view.plot.isVisible()
    drawn = np.array(view.curves.selected.high)
    np.testing.assert_allclose(drawn[:4], np.log10(found.hidden[1, 0, :4]), rtol=1e-9)
    assert np.isnan(drawn[4]), "a later state has no influence, which has not vanished"
    assert not any(view.plot.scale_of_values.text(float(k)) == "0" for k in range(-20, 20))
    assert [key.text() for key in view.keys[:2]] == ["h", "x"]
    twin = view.duplicate()
    twin.show_result(result, "manual")
    twin.show_location(where)
    np.testing.assert_array_equal(twin.curves.selected.high, drawn)
    twin.hide_selection()
    assert twin.norms_plot.isVisibleTo(twin) == (twin.norms is not None)
    view.show_influence(None, followed=False)
    assert view.wanted == LOSS
    twin.deleteLater()


def test_only_time_steps_that_the_gradient_reaches_are_shaded(view):
    result = make_result(cell="gru", num_layers=2, bidirectional=True, timesteps=9)
    view.show_result(result, "manual")
    for where, times in ((Location(1, 0, 4, 1, 2), (-0.5, 4.5)), (Location(1, 1, 4, 1, 2), (3.5, 8.5))):
        found = influence(result, where, "manual")
        steps = np.abs(np.arange(9) - where.timestep)
        on_way = slice(0, 5) if where.direction == 0 else slice(4, 9)
        found.hidden[1, where.direction, on_way] = 0.3 ** steps[on_way]
        view.show_location(where)
        view.show_influence(found, followed=True)
        region = view.regions[FlowVerdict.VANISHING]
        assert region.isVisible()
        assert (region.boundingRect().left(), region.boundingRect().right()) == times
        assert float(region.line.value()) == pytest.approx(-1.0)


def test_a_refusal_replaces_the_progress_of_an_influence(view):
    view.show_result(make_result(cell="gru"), "manual")
    view.show_influence(None, followed=True)
    view.show_progress(0.5)
    assert "50" in view.hint.text()
    view.show_refusal("It is not known.")
    assert view.hint.text() == "It is not known."
    view.show_influence(None, followed=True)
    assert view.hint.text() != "It is not known."
