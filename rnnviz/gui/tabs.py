"""The tabs under the lanes. Each holds the views of a group: one, or several with a list or segments to choose from."""

from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QStackedWidget,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTabBar,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.masks import DIFFERENCE, VERDICT, masks_any
from rnnviz.gui.app_state import Session
from rnnviz.gui.lane_audits import problem_count
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.base import NO_NOTE, Note, ResultView
from rnnviz.gui.views.labels import hint
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
_ROW_HEIGHT, _INSET, _ICON = 28, 10, 14
_NOTE = Qt.ItemDataRole.UserRole


class _NoteDelegate(QStyledItemDelegate):
    """Draws the note of a view at the right of its name."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        self._theme, self._icons = theme, Icons(theme)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        drawn: Any = option
        note = index.data(_NOTE) or NO_NOTE
        metrics = drawn.fontMetrics
        room = metrics.horizontalAdvance(f"{index.data()}  {note.text}") + 2 * scaled(_INSET)
        return QSize(room, max(scaled(_ROW_HEIGHT), metrics.height() + 6))

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        drawn: Any = option
        drawn.font.setBold(bool(drawn.state & QStyle.StateFlag.State_Selected))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().paint(painter, option, index)
        note, drawn = index.data(_NOTE) or NO_NOTE, option
        area: QRect = drawn.rect.adjusted(0, 0, -scaled(_INSET), 0)  # type: ignore[attr-defined]
        if note.icon:
            size = scaled(_ICON)
            place = QRect(area.right() + 1 - size, area.top() + (area.height() - size) // 2, size, size)
            self._icons.colored(note.icon, note.role).paint(painter, place)
        else:
            painter.setPen(self._theme.color(note.role))
            painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, note.text)


class _ViewList(QListWidget):
    """A list of views with their notes."""

    chosen = Signal(int)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("view_list")
        self.setAccessibleName(name)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setMouseTracking(True)
        self._delegate = _NoteDelegate(self)
        self.setItemDelegate(self._delegate)
        self.currentRowChanged.connect(self.chosen)

    def add(self, label: str, why: str) -> None:
        self.addItem(QListWidgetItem(label))

    def choose(self, place: int) -> None:
        self.setCurrentRow(place)

    def offer(self, place: int, *, present: bool) -> None:
        self.item(place).setHidden(not present)

    def annotate(self, place: int, note: Note) -> None:
        item = self.item(place)
        if item.data(_NOTE) == note:
            return
        item.setData(_NOTE, note)
        item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{item.text()} {note.text}".strip())
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        widest = max(
            (self.sizeHintForIndex(self.model().index(row, 0)).width() for row in range(self.count())), default=0
        )
        return QSize(
            min(max(scaled(_NARROWEST), widest + scaled(_INSET)), scaled(_WIDEST)), super().sizeHint().height()
        )

    def minimumSizeHint(self) -> QSize:
        return QSize(self.sizeHint().width(), scaled(_ROW_HEIGHT))

    def apply_theme(self, theme: Theme) -> None:
        self._delegate.apply_theme(theme)
        self.viewport().update()


class Segments(QFrame):
    """Buttons in a frame, one of which is chosen. Arrow keys choose, too."""

    chosen = Signal(int)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("segments")
        self.setAccessibleName(name)
        self._buttons: list[QToolButton] = []
        self._group = QButtonGroup(self)
        self._group.idToggled.connect(lambda place, checked: self.chosen.emit(place) if checked else None)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(2, 2, 2, 2)
        self._row.setSpacing(0)

    def add(self, label: str, why: str) -> None:
        button = QToolButton()
        button.setText(label)
        button.setAccessibleName(label)
        button.setToolTip(why)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._group.addButton(button, len(self._buttons))
        self._buttons.append(button)
        self._row.addWidget(button)

    @property
    def current(self) -> int:
        """Place of the chosen button."""
        return max(self._group.checkedId(), 0)

    def choose(self, place: int) -> None:
        self._buttons[place].setChecked(True)

    def offer(self, place: int, *, present: bool) -> None:
        self._buttons[place].setVisible(present)

    def annotate(self, place: int, note: Note) -> None:
        """Segments have no notes."""

    def apply_theme(self, theme: Theme) -> None:
        """The style sheet colors them."""


class TabGroup(QWidget):
    """The views of a tab. With one view it is just this view."""

    view_chosen = Signal()

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.views: list[ResultView] = []
        self._present: list[bool] = []
        self._stack = QStackedWidget()
        self._stack.setObjectName("views")
        self.chooser = Segments(f"Views: {title}") if title == OVER_TIME else _ViewList(f"Views: {title}")
        self.chooser.chosen.connect(self._on_chosen)
        self.chooser.hide()
        side = title != OVER_TIME
        layout = QHBoxLayout(self) if side else QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        if side:
            layout.addWidget(self.chooser)
        else:
            row = QHBoxLayout()
            row.setContentsMargins(8, 6, 8, 0)
            row.addWidget(self.chooser)
            row.addStretch()
            layout.addLayout(row)
        layout.addWidget(self._stack, 1)
        self._asked = hint("The question asks for this.")
        self._asked.hide()
        layout.addWidget(self._asked, 1)

    @property
    def front(self) -> ResultView | None:
        """The chosen view; None before there is one."""
        return self.views[self._stack.currentIndex()] if self.views else None

    @property
    def present(self) -> list[ResultView]:
        """The views that exist for the shown result."""
        return [view for view, present in zip(self.views, self._present, strict=True) if present]

    def add(self, view: ResultView, *, present: bool) -> None:
        self.views.append(view)
        self._present.append(present)
        self.chooser.add(view.label or view.title, view.title)
        self._stack.addWidget(view)
        self.offer(view, present=present)
        if len(self.views) == 1:
            self.chooser.choose(0)

    def choose(self, view: ResultView) -> None:
        self.chooser.choose(self.views.index(view))

    def offer(self, view: ResultView, *, present: bool) -> None:
        """Offer a view or not. The first one takes the place of a chosen view that is no longer offered."""
        place = self.views.index(view)
        self._present[place] = present
        self.chooser.offer(place, present=present)
        self.chooser.setVisible(len(self.present) > 1)
        if not present and view is self.front and self.present:
            self.choose(self.present[0])

    def cover(self, covered: bool) -> None:
        """Hide the views while a question asks for what they show."""
        self._stack.setHidden(covered)
        self._asked.setVisible(covered)

    def annotate(self, view: ResultView, note: Note) -> None:
        self.chooser.annotate(self.views.index(view), note)

    def _on_chosen(self, place: int) -> None:
        if 0 <= place < len(self.views):
            self._stack.setCurrentIndex(place)
            self.view_chosen.emit()


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
            group.chooser.apply_theme(theme)

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
            for view in group.views:
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
        # Taken out and put back, so that the bar measures it anew.
        bar.setTabButton(place, side, None)
        if text:
            bar.setTabButton(place, side, self._badge)
