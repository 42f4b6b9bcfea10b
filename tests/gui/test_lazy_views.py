"""The views behind tabs: there when the window has nothing else to do, or when a tab is chosen before that."""

from typing import Any

from PySide6.QtWidgets import QWidget

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.explain_controller import ExplainController
from rnnviz.gui.lazy_views import TABS, LazyViews
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.views.base import ResultView
from rnnviz.lessons.configs import lessons


def _late(qtbot: Any) -> tuple[MainLayout, LazyViews]:
    arrangement = MainLayout(QWidget(), ResultView(), (), TABS)
    qtbot.addWidget(arrangement)
    explaining = ExplainController(Session(lessons()[0].config, arrangement), arrangement)
    late = LazyViews(arrangement, explaining, lambda _name: None, arrangement)
    late.made.connect(arrangement.set_tab_view)
    return arrangement, late


def test_every_view_comes_behind_the_tab_of_its_title_which_keeps_what_it_says(qtbot: Any) -> None:
    arrangement, late = _late(qtbot)
    texts = [f"{title} 3" for title in TABS]
    for title, text in zip(TABS, texts, strict=True):
        arrangement.set_tab_text(title, text)
    arrangement.show_tab(TABS[-1], present=False)
    with qtbot.waitSignal(late.completed):
        late.begin()
    tabs = arrangement.tabs
    assert [tabs.widget(place).title for place in range(tabs.count())] == list(TABS)
    assert [tabs.tabText(place) for place in range(tabs.count())] == texts
    assert [tabs.isTabVisible(place) for place in range(tabs.count())] == [True] * (len(TABS) - 1) + [False]
    assert tabs.currentIndex() == 0


def test_a_tab_that_is_chosen_has_its_view_at_once(qtbot: Any) -> None:
    arrangement, late = _late(qtbot)
    made: list[str] = []
    late.made.connect(lambda view: made.append(view.title))
    arrangement.tabs.setCurrentIndex(4)
    assert isinstance(arrangement.tabs.currentWidget(), ResultView)
    assert made == [TABS[4]]
    with qtbot.waitSignal(late.completed):
        late.begin()
    assert sorted(made) == sorted(TABS)
    assert arrangement.tabs.currentIndex() == 4
