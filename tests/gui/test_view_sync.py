"""The views behind tabs: there when the window has nothing else to do, or when a tab is chosen before that."""

import weakref
from dataclasses import replace
from typing import Any

import pytest

from rnnviz.core.number_format import short, true_minus
from rnnviz.dependence.influence import influence
from rnnviz.gui.app_state import Session
from rnnviz.gui.value.card import ValueCard
from rnnviz.gui.view_sync import ViewSynchronizer
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.different_values import DifferentValues
from rnnviz.gui.views.gradient_plot import GradientFlowPlot
from rnnviz.gui.views.units_plot import UnitsPlot
from rnnviz.verify.result import RunResult
from tests.factories import make_result


def synchronized(qtbot: Any, result: RunResult, *shown: ResultView) -> tuple[Any, ...]:
    """A session, and views that are shown and follow it."""
    session = Session(result.config)
    views = ViewSynchronizer(session, shown[0])
    for view in shown:
        qtbot.addWidget(view)
        views.add(view)
        view.show()
    return session, *shown


@pytest.mark.slow
def test_no_view_keeps_an_earlier_result_and_its_files(qtbot, window, run_config, collector):
    tabs = window.main_layout.tabs
    for title in tabs.titles:
        tabs.select(title)
        # A page that arrives after the next tab is chosen is not shown.
        qtbot.waitUntil(lambda: not window.runner.busy and getattr(tabs.front, "complete", True))
    earlier, folder = weakref.ref(window.session.result), window.session.result.folder
    assert folder.is_dir()
    # Without the help of a search for garbage.
    collector.timer.stop()
    try:
        run_config({"cell": "lstm", "input_size": 3, "hidden_size": 4})
        qtbot.waitUntil(lambda: earlier() is None)
    finally:
        collector.timer.start()
    qtbot.waitUntil(lambda: not folder.exists())


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [False, True])
def test_an_influence_stays_when_an_audit_makes_another_result(qtbot, hidden):
    result = make_result(cell="gru")
    session, view = synchronized(qtbot, result, GradientFlowPlot())
    session.set_following("influence")
    session.set_result(result, result.config)
    found = influence(result, session.location)
    session.set_followed(found)
    assert view.drawn
    view.setHidden(hidden)
    session.set_result(replace(result, request_id=2), result.config)
    assert session.influence is found
    view.show()
    assert view.plot.isVisible()


def test_a_hidden_view_that_lacks_another_candidate_is_emptied_by_the_next_result(qtbot):
    class View(ResultView):
        def show_result(self, result, candidate):
            self.result, self.candidate = result, candidate

    first, second = (make_result(("gluon", "manual", "torch"), timesteps=steps) for steps in (3, 4))
    session, view = synchronized(qtbot, first, View())
    session.set_result(first)
    assert view.result is first
    view.hide()
    session.set_candidate("torch" if view.candidate == "manual" else "manual")
    session.set_result(second)
    assert view.result is None
    view.show()
    assert (view.result, view.candidate) == (second, session.candidate)


def test_views_of_errors_follow_the_gradient_of_the_lanes_until_another_array_is_selected(qtbot):
    result = make_result(gradients=("gluon", "manual"))
    session, view = synchronized(qtbot, result, DifferentValues())
    session.set_result(result)
    assert view.array.currentText() == "h"
    session.set_color_by("grad.h")
    assert view.array.currentText() == "grad.h"
    view.array.setCurrentText("h")
    session.set_result(make_result(gradients=("gluon", "manual"), timesteps=6))
    assert view.array.currentText() == "h"
    view.hide()
    session.set_color_by("value")
    session.set_color_by("grad.h")
    view.show()
    assert view.array.currentText() == "grad.h"


def test_units_and_the_selected_vector_follow_the_gradient_of_the_lanes(qtbot):
    result = make_result(gradients=("gluon", "manual"))
    session, view, vector = synchronized(qtbot, result, UnitsPlot(), ValueCard())
    session.set_result(result)
    session.set_color_by("grad.h")
    vector.choose("Vector")
    assert vector.vector.kind == "gradient"
    assert vector.vector.model.index(0, 1).data() == true_minus(short(result["gluon"]["grad.h"][0, 0, 0, 0, 0]))
    assert view.choice.currentData() == "grad.h"
    assert view.heading.text().startswith("grad.h of ")
    view.choice.choose("value")
    session.set_color_by("error_ratio")
    session.set_color_by("difference")
    assert vector.vector.kind == "hidden"
    assert view.choice.currentData() == "value"
    session.set_color_by("grad.h")
    assert view.choice.currentData() == "grad.h"
