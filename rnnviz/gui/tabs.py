"""The tabs under the lanes. Each holds the views of a group: one, or several with a list or segments to choose from."""

from collections.abc import Callable, Mapping
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
        self._current = ""
        columns = (
            Column("view", lambda row: row[0], look=lambda row: Look(bold=row[0] == self._current), grows=True),
            Column("note", lambda row: row[1].text, look=_note_look, right=True),
        )
        self.model = TableModel(columns, tip=lambda row: str(row[0]))
        self.table = Table(self.model, f"Views: {name}", inset=10, lines=False)
        self.table.horizontalHeader().hide()
        self.table.setSelectionMode(Table.SelectionMode.SingleSelection)
        self.table.verticalHeader().setDefaultSectionSize(scaled(_ROW_HEIGHT))
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.setObjectName("view_list")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setLayout(down((self.table, 1), margins=(0, 4, 1, 4)))

    def show_views(self, notes: Mapping[str, Note], current: str) -> None:
        """Show views by their names with their notes, and the current one without a signal."""
        self._current = current
        self.model.show_rows(list(notes.items()))
        self.table.choose(list(notes).index(current))
        self.setFixedWidth(min(max(scaled(_NARROWEST), self.table.fit() + scaled(_AROUND)), scaled(_WIDEST)))
        self.table.fit()

    def _on_row(self, row: QModelIndex) -> None:
        if row.isValid() and self.model.row(row.row())[0] != self._current:
            self._current = self.model.row(row.row())[0]
            self.model.refresh()
            self.chosen.emit(self._current)


def _note_look(row: tuple[str, Note]) -> Look:
    note = row[1]
    spoken = "" if note.text or not note.icon else "no problem"
    return Look(note.role, bold=note.role == "wrong", icon=note.icon, note=spoken)


class TabGroup(QWidget):
    """The views of a tab. With one view it is just this view; several have a list at the left, or segments."""

    view_chosen = Signal()

    def __init__(self, title: str) -> None:
        super().__init__()
        self._views: dict[str, ResultView] = {}
        """By their names in the tab."""
        self._notes: dict[str, Note] = {}
        """Of the views that exist for the shown result."""
        self._stack = QStackedWidget()
        self._stack.setObjectName("views")
        in_row = title == OVER_TIME
        self.chooser: Segments | _ViewList = Segments(title) if in_row else _ViewList(title)
        self.chooser.chosen.connect(self._show)
        self.chooser.hide()
        self._asked = hint("The question asks for this.")
        self._asked.hide()
        self._row = across(self.chooser, None, margins=(8, 6, 8, 0)) if in_row else across(self.chooser)
        """The row of the segments while the view in front has none."""
        content = (self._row, 0), (self._stack, 1), (self._asked, 1)
        self.setLayout(down(*content, spacing=0) if in_row else across(*content, spacing=0))

    @property
    def front(self) -> ResultView | None:
        """The chosen view; None before there is one."""
        shown = self._stack.currentWidget()
        return shown if isinstance(shown, ResultView) else None

    @property
    def present(self) -> list[ResultView]:
        """The views that exist for the shown result."""
        return [self._views[name] for name in self._notes]

    def add(self, view: ResultView) -> None:
        self._views[_name(view)] = view
        self._stack.addWidget(view)
        if isinstance(self.chooser, Segments):
            self.chooser.add(_name(view), view.title)

    def choose(self, view: ResultView) -> None:
        self._show(_name(view))
        self._choose_front()

    def show_result(self, session: Session, known: RunResult | None) -> None:
        """Show the views that exist for the session's result, and the notes of the result as far as it is `known`.

        The first view takes the place of a chosen one that no longer exists.
        """
        result, self._notes = session.result, {}
        for name, view in self._views.items():
            if view.has_content(result):
                note = NO_NOTE if known is None else view.tab_note(known, session.candidate, session.array)
                self._notes[name] = note
        self._place_segments(shown=result is not None)
        self.chooser.setVisible(len(self._notes) > 1)
        if self._notes:
            if self.front not in self.present:
                self._show(next(iter(self._notes)))
            self._choose_front()

    def cover(self, covered: bool) -> None:
        """Hide the views while a question asks for what they show."""
        self._stack.setHidden(covered)
        self._asked.setVisible(covered)

    def apply_theme(self, theme: Theme) -> None:
        if isinstance(self.chooser, _ViewList):
            self.chooser.table.apply_theme(theme)

    def _choose_front(self) -> None:
        """Show in the chooser which view is in front."""
        if self.front is not None and isinstance(self.chooser, Segments):
            self.chooser.choose(_name(self.front))
        elif self.front is not None and isinstance(self.chooser, _ViewList):
            self.chooser.show_views(self._notes, _name(self.front))

    def _place_segments(self, *, shown: bool = True) -> None:
        """Put segments first in the controls of the view in front, once its result is `shown`."""
        if isinstance(self.chooser, Segments):
            row = None if self.front is None or not shown else self.front.tool_row
            (self._row if row is None else row).insertWidget(0, self.chooser)

    def _show(self, name: str) -> None:
        view = self._views[name]
        if view is not self.front:
            focused = QApplication.focusWidget()
            inside = focused is not None and self.chooser.isAncestorOf(focused)
            self._stack.setCurrentWidget(view)
            self._place_segments()
            if focused is not None and inside:
                # Another parent has hidden the segments.
                self.chooser.show()
                focused.setFocus()
            self.view_chosen.emit()


def _name(view: ResultView) -> str:
    return view.label or view.title


class BottomTabs(QTabWidget):
    """The tabs, which hold views that are made later, with the number of wrong lanes. Titles identify the views."""

    view_chosen = Signal(str)
    """Title of the view in front, or of the tab before it has one."""
    view_added = Signal(object)
    """A `ResultView` that was added to its tab."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.setAccessibleName("More views")
        self.tabBar().setAccessibleName("More views")
        self.make_view: Callable[[str], None] = lambda _title: None
        """Makes the view of a title if it is not made yet."""
        self._wanted = ""
        """Title of the view that is chosen once it is made."""
        self.groups = [TabGroup(title) for title in TABS]
        for title, group in zip(TABS, self.groups, strict=True):
            self.addTab(group, title)
            group.view_chosen.connect(partial(self._on_view_chosen, group))
        self._badge = QLabel(self)
        self._badge.setObjectName("badge")
        self._badge.hide()
        self.currentChanged.connect(lambda _place: self.view_chosen.emit(self.title_in_front))
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
        self.groups[TABS.index(view.group)].add(view)
        self._show_result()
        self.view_added.emit(view)
        if view.title == self._wanted:
            self.select(view.title)

    def select(self, title: str) -> None:
        """Put a view in front, if it exists for the shown result. It is made if need be."""
        title = _RENAMED.get(title, title)
        self._wanted = ""
        if title not in self.titles:
            self.make_view(title)
        for group in self.groups:
            for view in group.present:
                if view.title == title:
                    group.choose(view)
                    self.setCurrentWidget(group)

    def select_later(self, title: str) -> None:
        """Put a view in front once it is made."""
        title = _RENAMED.get(title, title)
        if title in self.titles:
            self.select(title)
        else:
            self._wanted = title

    def apply_theme(self, theme: Theme) -> None:
        for group in self.groups:
            group.apply_theme(theme)

    def _on_view_chosen(self, group: TabGroup) -> None:
        if group is self.currentWidget():
            self.view_chosen.emit(self.title_in_front)

    def _show_result(self) -> None:
        session = self._session
        asked = any(masks_any(session.masked, name) for name in (VERDICT, DIFFERENCE))
        known = None if asked else session.result
        self.groups[TABS.index(PROBLEMS)].cover(asked)
        for group in self.groups:
            group.show_result(session, known)
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
