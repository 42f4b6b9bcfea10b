"""The views behind tabs: there when the window has nothing else to do, or when a tab is chosen before that."""

from typing import Any

from PySide6.QtWidgets import QWidget

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.explain_controller import ExplainController
from rnnviz.gui.lazy_views import TABS, LazyViews
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.views.base import ResultView
from rnnviz.lessons.index import lessons


def _lazy_views(qtbot: Any) -> tuple[MainLayout, LazyViews]:
    main_layout = MainLayout(QWidget(), ResultView(), (), TABS)
    qtbot.addWidget(main_layout)
    explain_controller = ExplainController(Session(lessons()[0].config, main_layout), main_layout)
    late = LazyViews(main_layout, explain_controller, lambda _name: None, main_layout)
    late.made.connect(main_layout.set_tab_view)
    return main_layout, late


def test_every_view_is_created_behind_its_tab_which_keeps_its_text(qtbot: Any) -> None:
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


def test_a_tab_that_is_chosen_has_its_view_at_once(qtbot: Any) -> None:
    main_layout, late = _lazy_views(qtbot)
    made: list[str] = []
    late.made.connect(lambda view: made.append(view.title))
    main_layout.tabs.setCurrentIndex(4)
    assert isinstance(main_layout.tabs.currentWidget(), ResultView)
    assert made == [TABS[4]]
    with qtbot.waitSignal(late.completed):
        late.begin()
    assert sorted(made) == sorted(TABS)
    assert main_layout.tabs.currentIndex() == 4
