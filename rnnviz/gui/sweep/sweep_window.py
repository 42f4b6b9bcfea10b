"""Sweep window: rows as a table and a heat map, with buttons to run the sweep and open a row."""

from PySide6.QtCore import QItemSelectionModel, QModelIndex, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QSplitter, QToolBar, QVBoxLayout, QWidget

from rnnviz.core import number_format
from rnnviz.core.words import wrapped
from rnnviz.gui.sweep.heatmap_panel import HeatmapPanel
from rnnviz.gui.sweep.runner import OpenedSweep
from rnnviz.gui.sweep.table_model import SweepModel
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.gui.views.table import NumberTable
from rnnviz.sweeps.results import SweepFigures, SweepRow, SweepTable, called, counted

_REFRESH_MS = 150
_WAITING = "not computed yet."
"""Minimum interval between updates while rows arrive."""


class SweepWindow(QWidget):
    """Shows a sweep and its progress. The user's requests are signals."""

    run_requested = Signal()
    stop_requested = Signal()
    save_requested = Signal()
    row_opened = Signal(object)
    """The `SweepRow` whose run is requested."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.opened: OpenedSweep | None = None
        self.figures = SweepFigures(SweepTable((), ()))
        self._running = False
        self.run_action = self._action("&Run", "run", "F5", "Computes the missing rows on all cores.")
        self.stop_action = self._action("&Stop", "stop", "Esc", "Stops the sweep. Finished rows are kept.")
        self.save_action = self._action("Sa&ve table…", "save", "Ctrl+S", "Write the rows as CSV or JSON.")
        self.run_action.triggered.connect(self.run_requested)
        self.stop_action.triggered.connect(self.stop_requested)
        self.save_action.triggered.connect(self.save_requested)
        self.model = SweepModel()
        self.table = NumberTable(self.model, "Rows of the sweep; Enter opens the run of a row")
        self.table.setSortingEnabled(True)
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.table.horizontalHeader().setSortIndicatorClearable(True)
        self.table.clicked.connect(self._open_index)
        for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            enter = QShortcut(QKeySequence(key), self.table, context=Qt.ShortcutContext.WidgetShortcut)
            enter.activated.connect(lambda: self._open_index(self.table.currentIndex()))
        self.table.selectionModel().currentRowChanged.connect(self._show_reason)
        self.heat = HeatmapPanel()
        self.heat.row_chosen.connect(self.choose)
        self.heat.row_activated.connect(self._open_place)
        self._counts = ElidedLabel(bold=True)
        self._reason = ElidedLabel(selectable=True)
        self._reason.setAccessibleName("Result of the selected row")
        self._bar = QProgressBar()
        self._bar.setFixedWidth(160)
        self._bar.setAccessibleName("Rows that are done")
        self._bar.setToolTip("How many of the rows are done.")
        self._later = QTimer(self, singleShot=True, interval=_REFRESH_MS)
        self._later.timeout.connect(self._refresh)
        self._lay_out()
        self.show_running(False)
        self.resize(1120, 620)

    def show_sweep(self, opened: OpenedSweep) -> None:
        """Show another sweep, or its results."""
        self.opened = opened
        self.figures = opened.figures
        self.setWindowTitle(f"{opened.path.name}: sweep")
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.model.show_figures(self.figures)
        self.table.fit_columns(self.model.widest(), growing=(self.model.columnCount() - 1,))
        self.heat.show_figures(self.figures)
        self._bar.setRange(0, max(1, len(self.figures.rows)))
        self._reason.setText("A click on a row, or Enter, opens its run in the main window.")
        self._refresh()
        self.show_running(self._running)

    def take(self, rows: list[SweepRow]) -> None:
        """Add new rows."""
        for row in rows:
            self.figures.put(row)
        if not self._later.isActive():
            self._later.start()

    def show_running(self, running: bool) -> None:
        """Set whether the sweep is running."""
        self._running = running
        can_run = self.opened is not None and self.opened.sweep is not None
        self.run_action.setEnabled(can_run and not running)
        self.stop_action.setEnabled(running)
        self._bar.setVisible(running)
        self._refresh()

    def say(self, text: str) -> None:
        """Show a message until another row is selected."""
        self._reason.setText(text)

    @property
    def description(self) -> str:
        """Description of the selected row."""
        return self._reason.text()

    @property
    def counted(self) -> str:
        """Number of rows by verdict, as text."""
        return self._counts.text()

    def choose(self, place: int) -> None:
        """Select a row of the sweep in the table."""
        index = self.model.index(self.model.row_of(place), 0)
        flags = QItemSelectionModel.SelectionFlag
        self.table.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
        self.table.scrollTo(index)

    def apply_theme(self, theme: Theme) -> None:
        icons = Icons(theme)
        for action in (self.run_action, self.stop_action, self.save_action):
            action.setIcon(icons[action.objectName()])
        self.table.apply_theme(theme)
        self.heat.apply_theme(theme)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop the sweep. Finished rows are kept."""
        self.stop_requested.emit()
        super().closeEvent(event)

    def _lay_out(self) -> None:
        bar = QToolBar()
        bar.setMovable(False)
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        bar.addActions([self.run_action, self.stop_action])
        bar.addSeparator()
        bar.addAction(self.save_action)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 10, 0)
        head.addWidget(bar)
        head.addWidget(self._counts, 1)
        head.addWidget(self._bar)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(self.table)
        parts.addWidget(self.heat)
        parts.setChildrenCollapsible(False)
        parts.setSizes([640, 480])
        foot = QHBoxLayout()
        foot.setContentsMargins(10, 4, 10, 6)
        foot.addWidget(self._reason)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(parts, 1)
        layout.addLayout(foot)

    def _action(self, text: str, icon: str, keys: str, why: str) -> QAction:
        action = QAction(text, self)
        action.setObjectName(icon)
        action.setShortcut(QKeySequence.fromString(keys))
        action.setToolTip(wrapped(f"{why} ({action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)})"))
        self.addAction(action)
        return action

    def _refresh(self) -> None:
        figures = self.figures
        self.model.refresh()
        self.heat.refresh()
        self._bar.setValue(figures.done)
        waiting = len(figures.rows) - figures.done
        text = counted(figures.counts)
        self._counts.setText(f"{text} · {number_format.count(waiting)} waiting" if waiting else text)
        self.save_action.setEnabled(figures.done > 0)
        if self.description.endswith(_WAITING):
            self._show_reason()

    def _show_reason(self) -> None:
        current = self.table.currentIndex()
        if current.isValid():
            row = self.model.row(current.row())
            name = called(self.figures.keys, row.point.values)
            found = row.finding
            self._reason.setText(f"{name}: {_WAITING if found is None else found.reason}")

    def _open_index(self, index: QModelIndex) -> None:
        if index.isValid():
            self._open_place(self.model.place(index.row()))

    def _open_place(self, place: int) -> None:
        self.choose(place)
        row = self.figures.rows[place]
        if row.point.config is not None:
            self.row_opened.emit(row)
