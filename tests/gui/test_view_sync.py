"""The views behind tabs: there when the window has nothing else to do, or when a tab is chosen before that."""

import weakref
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtWidgets import QWidget

from rnnviz.core.number_format import short, true_minus
from rnnviz.gui.app_state import Session
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.view_sync import TABS, LazyViews, ViewSynchronizer
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.gradient_plot import GradientFlowPlot
from rnnviz.gui.views.mismatch_list import MismatchList
from rnnviz.gui.views.units_plot import UnitsPlot
from rnnviz.gui.views.vector_table import VectorTable
from rnnviz.quantities.influence import influence
from tests.factories import make_result


@pytest.mark.slow
def test_no_view_keeps_an_earlier_result_and_its_files(qtbot, window, run_config, collector):
    tabs = window.main_layout.tabs
    for place in range(tabs.count()):
        tabs.setCurrentIndex(place)
        # A page that arrives after the next tab is chosen is not shown.
        qtbot.waitUntil(lambda: not window.runner.busy and getattr(tabs.currentWidget(), "complete", True))
    earlier, folder = weakref.ref(window.session.result), window.session.result.folder
    assert folder.is_dir()
    # Without the help of a search for garbage.
    collector._timer.stop()
    try:
        run_config({"cell": "lstm", "input_size": 3, "hidden_size": 4})
        qtbot.waitUntil(lambda: earlier() is None)
    finally:
        collector._timer.start()
    qtbot.waitUntil(lambda: not folder.exists())


@pytest.mark.parametrize("hidden", [False, True])
def test_an_influence_stays_when_an_audit_makes_another_result(qtbot: Any, hidden: bool) -> None:
    result = make_result(cell="gru")
    session, view = Session(result.config), GradientFlowPlot()
    qtbot.addWidget(view)
    views = ViewSynchronizer(session, view)
    views.add(view)
    view.show()
    session.set_following("influence")
    session.set_result(result, result.config)
    found = influence(result, session.location)
    session.set_followed(found)
    assert view.curves.selected is not None
    view.setHidden(hidden)
    session.set_result(replace(result, request_id=2), result.config)
    assert session.influence is found
    view.show()
    assert view.plot.isVisible()
    assert view._influence is found


def test_a_hidden_view_that_lacks_another_candidate_is_emptied_by_the_next_result(qtbot: Any) -> None:
    class View(ResultView):
        def show_result(self, result, candidate):
            self.result, self.candidate = result, candidate

    first, second = (make_result(("gluon", "manual", "torch"), timesteps=steps) for steps in (3, 4))
    session, view = Session(first.config), View()
    qtbot.addWidget(view)
    views = ViewSynchronizer(session, view)
    views.add(view)
    view.show()
    session.set_result(first)
    assert view.result is first
    view.hide()
    session.set_candidate("torch" if view.candidate == "manual" else "manual")
    session.set_result(second)
    assert view.result is None
    view.show()
    assert (view.result, view.candidate) == (second, session.candidate)


def _lazy_views(qtbot: Any) -> tuple[MainLayout, LazyViews]:
    main_layout = MainLayout(QWidget(), ResultView(), (), TABS)
    qtbot.addWidget(main_layout)
    late = LazyViews(main_layout.tab_chosen, main_layout)
    late.made.connect(main_layout.set_tab_view)
    return main_layout, late


def test_every_view_is_created_behind_its_tab_which_keeps_its_text(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    main_layout, late = _lazy_views(qtbot)
    texts = [f"{title} 3" for title in TABS]
    for title, text in zip(TABS, texts, strict=True):
        main_layout.set_tab_text(title, text)
    main_layout.show_tab(TABS[-1], present=False)
    with qtbot.waitSignal(late.completed):
        late.begin()
    tabs = main_layout.tabs
    assert [tabs.widget(place).title for place in range(tabs.count())] == list(TABS)
    assert [tabs.tabText(place) for place in range(tabs.count())] == texts
    assert [tabs.isTabVisible(place) for place in range(tabs.count())] == [True] * (len(TABS) - 1) + [False]
    assert tabs.currentIndex() == 0
    # Even the same text would lay out the tabs and the view again.
    laid_out: list[str] = []
    monkeypatch.setattr(tabs, "setTabText", lambda _place, text: laid_out.append(text))
    for text in (texts[0], "another"):
        main_layout.set_tab_text(TABS[0], text)
    assert laid_out == ["another"]


def test_views_of_errors_follow_the_gradient_of_the_lanes_until_another_array_is_selected(qtbot: Any) -> None:
    result = make_result(gradients=("gluon", "manual"))
    session, view = Session(result.config), MismatchList()
    qtbot.addWidget(view)
    views = ViewSynchronizer(session, view)
    views.add(view)
    view.show()
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


def test_units_and_the_selected_vector_follow_the_gradient_of_the_lanes(qtbot: Any) -> None:
    result = make_result(gradients=("gluon", "manual"))
    session, view = Session(result.config), UnitsPlot()
    qtbot.addWidget(view)
    views, vector = ViewSynchronizer(session, view), VectorTable()
    qtbot.addWidget(vector)
    for each in (view, vector):
        views.add(each)
        each.show()
    session.set_result(result)
    session.set_color_by("grad.h")
    assert vector.save_state() == ("tab gradient",)
    assert vector.model.index(0, 1).data() == true_minus(short(result["gluon"]["grad.h"][0, 0, 0, 0, 0]))
    assert view.choice.currentData() == "grad.h"
    assert view.heading.text().startswith("grad.h of ")
    view.choice.choose("value")
    session.set_color_by("error_ratio")
    session.set_color_by("difference")
    assert vector.save_state() == ("tab hidden",)
    assert view.choice.currentData() == "value"
    session.set_color_by("grad.h")
    assert view.choice.currentData() == "grad.h"
