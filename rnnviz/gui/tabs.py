"""The tabs under the lanes. Each holds the views of a group: one, or several with a list or segments to choose from."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QStackedWidget,
    QTabBar,
    QTabWidget,
    QWidget,
)

from rnnviz.core.masks import DIFFERENCE, VERDICT, masks_any
from rnnviz.gui.app_state import Session
from rnnviz.gui.kit.segments import Segments
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.lane_audits import problem_count
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.base import NO_NOTE, Note, ResultView, across, down
from rnnviz.gui.views.labels import hint
from rnnviz.results.columns import Column, Look
from rnnviz.verify.result import RunResult

ARITHMETIC, OVER_TIME, PROBLEMS, PARAMETERS = "Arithmetic", "Over time", "Problems", "Parameters"
TABS = ARITHMETIC, OVER_TIME, PROBLEMS, PARAMETERS
"""The titles of the tabs, from left to right."""
KNOWN_BUGS = "Known bugs"
_RENAMED = {
    "Mismatches": "Different values",
    "Audit": "Step audit",
    "Output": "Printed",
    "Error histogram": "Error over time",
}
"""Titles in sessions of earlier versions."""
_NARROWEST, _WIDEST = 180, 260
"""Width of a list of views in pixels."""
_ROW_HEIGHT, _AROUND = 28, 5


class _ViewList(QWidget):
    """A list of views by their names, with their notes."""

    chosen = Signal(str)
    """The name of the chosen view."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._notes: dict[str, Note] = {}
        self._absent: set[str] = set()
        self._current = ""
        columns = (
            Column("view", str, look=lambda own: Look(bold=own == self._current), grows=True),
            Column("note", lambda own: self._notes[own].text, look=self._look, right=True),
        )
        self.model = TableModel(columns, tip=str)
        self.table = Table(self.model, f"Views: {name}", inset=10, lines=False)
        self.table.horizontalHeader().hide()
        self.table.setSelectionMode(Table.SelectionMode.SingleSelection)
        self.table.verticalHeader().setDefaultSectionSize(scaled(_ROW_HEIGHT))
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.setObjectName("view_list")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setLayout(down((self.table, 1), margins=(0, 4, 1, 4)))

    def _look(self, name: str) -> Look:
        note = self._notes[name]
        return Look(note.role, bold=note.role == "wrong", icon=note.icon)

    def add(self, name: str, _why: str) -> None:
        self._notes[name] = NO_NOTE
        self._current = self._current or name
        self._refresh()

    def choose(self, name: str) -> None:
        """Choose a view without a signal."""
        self._current = name
        self._refresh()

    def offer(self, name: str, *, offered: bool) -> None:
        (self._absent.discard if offered else self._absent.add)(name)
        self._refresh()

    def annotate(self, name: str, note: Note) -> None:
        if note != self._notes[name]:
            self._notes[name] = note
            self._refresh()

    def _refresh(self) -> None:
        names = [name for name in self._notes if name not in self._absent]
        self.model.show_rows(names)
        if self._current in names:
            self.table.choose(names.index(self._current))
        self.setFixedWidth(min(max(scaled(_NARROWEST), self.table.fit() + scaled(_AROUND)), scaled(_WIDEST)))
        self.table.fit()

    def _on_row(self, row: QModelIndex) -> None:
        if row.isValid() and self.model.row(row.row()) != self._current:
            self._current = self.model.row(row.row())
            self.model.refresh()
            self.chosen.emit(self._current)


class TabGroup(QWidget):
    """The views of a tab. With one view it is just this view; several have a list at the left, or segments."""

    view_chosen = Signal()

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.views: dict[str, ResultView] = {}
        """By their names in the tab."""
        self._absent: set[ResultView] = set()
        self._stack = QStackedWidget()
        self._stack.setObjectName("views")
        self._segments = Segments(title) if title == OVER_TIME else None
        self._list = None if title == OVER_TIME else _ViewList(title)
        self.chooser = self._segments or self._list or _ViewList(title)
        self.chooser.chosen.connect(self._show)
        self.chooser.hide()
        self._asked = hint("The question asks for this.")
        self._asked.hide()
        self._row = across(self.chooser, None, margins=(8, 6, 8, 0)) if self._segments else across(self.chooser)
        """The row of the segments while the view in front has none."""
        content = (self._row, 0), (self._stack, 1), (self._asked, 1)
        self.setLayout(down(*content, spacing=0) if self._segments else across(*content, spacing=0))

    @property
    def front(self) -> ResultView | None:
        """The chosen view; None before there is one."""
        shown = self._stack.currentWidget()
        return shown if isinstance(shown, ResultView) else None

    @property
    def present(self) -> list[ResultView]:
        """The views that exist for the shown result."""
        return [view for view in self.views.values() if view not in self._absent]

    def add(self, view: ResultView, *, present: bool) -> None:
        self.views[_name(view)] = view
        self._stack.addWidget(view)
        self.chooser.add(_name(view), view.title)
        self.offer(view, present=present)
        self.place_segments()

    def choose(self, view: ResultView) -> None:
        self.chooser.choose(_name(view))
        self._show(_name(view))

    def offer(self, view: ResultView, *, present: bool) -> None:
        """Offer a view or not. The first one takes the place of a chosen view that is no longer offered."""
        (self._absent.discard if present else self._absent.add)(view)
        self.chooser.offer(_name(view), offered=present)
        self.chooser.setVisible(len(self.present) > 1)
        if not present and view is self.front and self.present:
            self.choose(self.present[0])

    def annotate(self, view: ResultView, note: Note) -> None:
        if self._list is not None:
            self._list.annotate(_name(view), note)

    def place_segments(self, *, shown: bool = True) -> None:
        """Put segments first in the controls of the view in front, once its result is `shown`."""
        if self._segments is not None:
            row = None if self.front is None or not shown else self.front.tool_row
            (self._row if row is None else row).insertWidget(0, self._segments)

    def cover(self, covered: bool) -> None:
        """Hide the views while a question asks for what they show."""
        self._stack.setHidden(covered)
        self._asked.setVisible(covered)

    def apply_theme(self, theme: Theme) -> None:
        if self._list is not None:
            self._list.table.apply_theme(theme)

    def _show(self, name: str) -> None:
        view = self.views.get(name)
        if view is not None and view is not self.front:
            focused = QApplication.focusWidget()
            inside = focused is not None and self.chooser.isAncestorOf(focused)
            self._stack.setCurrentWidget(view)
            self.place_segments()
            if focused is not None and inside:
                # Another parent has hidden the segments.
                self.chooser.show()
                focused.setFocus()
            self.view_chosen.emit()


def _name(view: ResultView) -> str:
    return view.label or view.title


class BottomTabs(QTabWidget):
    """The tabs, which hold views that are made later. Views are known by their titles."""

    view_chosen = Signal(str)
    """Title of the view in front, or of the tab before it has one."""
    view_added = Signal(object)
    """A `ResultView` that was added to its tab."""

    def __init__(self) -> None:
        super().__init__()
        self.setDocumentMode(True)
        self.setAccessibleName("More views")
        self.tabBar().setAccessibleName("More views")
        self.make_view: Callable[[str], None] = lambda _title: None
        """Makes the view of a title if it is not made yet."""
        self._session: Session | None = None
        self._wanted = ""
        """Title of the view that is chosen once it is made."""
        self.groups = [TabGroup(title) for title in TABS]
        for group in self.groups:
            self.addTab(group, group.title)
            group.view_chosen.connect(partial(self._on_view_chosen, group))
        self._badge = QLabel(self)
        self._badge.setObjectName("badge")
        self._badge.hide()
        self.currentChanged.connect(lambda _place: self.view_chosen.emit(self.title_in_front))

    def follow(self, session: Session) -> None:
        """Show the notes of the session's result, and the number of wrong lanes at *Problems*."""
        self._session = session
        session.on_change(self._show_result, "result", "candidate", "color_by", "masked")

    @property
    def front(self) -> ResultView | None:
        """The view in front; None before it is made."""
        return self.groups[self.currentIndex()].front

    @property
    def title_in_front(self) -> str:
        return self.tabText(self.currentIndex()) if self.front is None else self.front.title

    @property
    def titles(self) -> list[str]:
        """Titles of the views that exist for the shown result."""
        return [view.title for group in self.groups for view in group.present]

    def add_view(self, view: ResultView) -> None:
        group = self.groups[TABS.index(view.group)]
        result = None if self._session is None else self._session.result
        group.add(view, present=view.has_content(result))
        if self._session is not None and result is not None:
            group.annotate(view, view.tab_note(result, self._session.candidate, self._session.array))
        self.view_added.emit(view)
        if view.title == self._wanted:
            self.select(view.title)

    def select(self, title: str) -> None:
        """Put a view in front, if it exists for the shown result. It is made if need be."""
        title = _RENAMED.get(title, title)
        self._wanted = ""
        if self._find(title) is None:
            self.make_view(title)
        found = self._find(title)
        if found is not None:
            group, view = found
            group.choose(view)
            self.setCurrentWidget(group)

    def select_later(self, title: str) -> None:
        """Put a view in front once it is made."""
        title = _RENAMED.get(title, title)
        if self._find(title) is not None:
            self.select(title)
        else:
            self._wanted = title

    def apply_theme(self, theme: Theme) -> None:
        for group in self.groups:
            group.apply_theme(theme)

    def _find(self, title: str) -> tuple[TabGroup, ResultView] | None:
        return next(((group, view) for group in self.groups for view in group.present if view.title == title), None)

    def _on_view_chosen(self, group: TabGroup) -> None:
        if group is self.currentWidget():
            self.view_chosen.emit(self.title_in_front)

    def _show_result(self) -> None:
        session = self._session
        assert session is not None, "it is followed"
        result, asked = session.result, any(masks_any(session.masked, name) for name in (VERDICT, DIFFERENCE))
        known = None if asked else result
        self.groups[TABS.index(PROBLEMS)].cover(asked)
        for group in self.groups:
            group.place_segments(shown=result is not None)
            for view in group.views.values():
                group.offer(view, present=view.has_content(result))
                note = NO_NOTE if known is None else view.tab_note(known, session.candidate, session.array)
                group.annotate(view, note)
        self._count_problems(known)

    def _count_problems(self, result: RunResult | None) -> None:
        text = "" if result is None else problem_count(result)
        if text == self._badge.text():
            return
        self._badge.setText(text)
        self._badge.setProperty("problems", text != "0")
        self._badge.style().polish(self._badge)
        bar, place, side = self.tabBar(), TABS.index(PROBLEMS), QTabBar.ButtonPosition.RightSide
        bar.setAccessibleTabName(place, f"{PROBLEMS}: {text}" if text else PROBLEMS)
        # Taken out and put back, so that the bar measures it again.
        bar.setTabButton(place, side, None)
        if text:
            bar.setTabButton(place, side, self._badge)
