"""Sweep window: rows as a table and a heat map, and the thread that reads a sweep and computes its rows."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QModelIndex, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QProgressBar, QSplitter, QWidget

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.panel import ToolWindow, action_button
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.kit.tasks import Check, Report, StoppableTask
from rnnviz.gui.sweep.heatmap import HeatmapPanel
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.base import across, down
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.io.inputs import load_inputs
from rnnviz.results.columns import Column, Look
from rnnviz.sweeps.grid import Point, Sweep, load_sweep
from rnnviz.sweeps.results import (
    QUANTITIES,
    ROW_MARKS,
    WAITING,
    SweepFigures,
    SweepQuantity,
    SweepRow,
    SweepTable,
    called,
    counted,
    load_sweep_results,
    ranks,
    short_key,
    value_text,
)

if TYPE_CHECKING:
    from rnnviz.sweeps.driver import Scheduler

_HINT = "A click on a row, or Enter, opens its run in the main window."
_WAITING = "not computed yet."
_REFRESH_MS = 150
"""Minimum interval between updates while rows arrive."""
_SPACE = "\u2002"
"""Padding of a text column that follows right-aligned numbers."""
_VERDICT_LOOKS = {
    "": Look("muted"),
    "agree": Look("right", bold=True),
    "drift": Look("doubtful", bold=True),
    "disagree": Look("wrong", bold=True),
    "refused": Look("muted", bold=True),
    "failed": Look("wrong", bold=True),
}
_EMIT_INTERVAL = 0.1
"""Interval between signals with new rows."""


@dataclass(frozen=True)
class OpenedSweep:
    """A sweep, or results without one (`sweep` is None). `figures` belong to the window's thread."""

    path: Path
    figures: SweepFigures
    sweep: Sweep | None


class SweepRunner(StoppableTask):
    """A stopped sweep ends when its processes have ended."""

    opened = Signal(object)
    """An `OpenedSweep`."""
    rows_received = Signal(object)
    """A list of new `SweepRow`s."""
    failed = Signal(str, str)
    """Title and sentence of an error."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("sweeps", parent)
        self._scheduler: Scheduler | None = None

    def open(self, path: Path) -> None:
        """Read a sweep or its results. Stops a running sweep first."""
        if self.busy:
            self.stop()
            self._set_busy(False)

        def read(check: Check) -> Report:
            return partial(self.opened.emit, _read(path, check))

        self._ask(read, partial(self.failed.emit, "The sweep cannot be opened"))

    def run(self, opened: OpenedSweep, trusted: frozenset[str] = frozenset()) -> None:
        """Compute the missing rows with the trusted Python files. No effect on results without their sweep."""
        sweep, points = opened.sweep, tuple(row.point for row in opened.figures.rows)
        if self.busy or sweep is None:
            return

        def compute(check: Check) -> Report:
            self._compute(opened.path, sweep, points, trusted, check)
            return self._end()

        self._begin(compute, partial(self.failed.emit, "The sweep ended early"))

    def stop(self) -> None:
        super().stop()
        if self._scheduler is not None:
            self._scheduler.stop()

    def close(self) -> None:
        # Without it, the processes would end their rows first.
        self.stop()
        super().close()

    # On the thread

    def _compute(
        self, path: Path, sweep: Sweep, points: tuple[Point, ...], trusted: frozenset[str], check: Check
    ) -> None:
        from rnnviz.sweeps.driver import Journal, LocalScheduler, Sweeping, journal_of, read_journal

        def wanted() -> Iterator[Point]:
            for point in points:
                check()
                if self._stopped:
                    return
                yield point

        journal_path = journal_of(path)
        with Journal(journal_path) as journal:
            sweeping = Sweeping(sweep, wanted(), read_journal(journal_path), load_inputs, trusted)
            self.rows_received.emit(sweeping.known)
            with LocalScheduler(sweeping.warm) as scheduler:
                self._scheduler = scheduler
                if self._stopped:
                    scheduler.stop()
                self._tell(sweeping.rows(scheduler, journal))
        self._scheduler = None

    def _tell(self, rows: Iterator[SweepRow]) -> None:
        bundle: list[SweepRow] = []
        last = 0.0
        for row in rows:
            bundle.append(row)
            if monotonic() - last >= _EMIT_INTERVAL:
                self.rows_received.emit(bundle)
                bundle, last = [], monotonic()
        if bundle:
            self.rows_received.emit(bundle)


def _read(path: Path, check: Check) -> OpenedSweep:
    """Read a sweep with its finished rows, or a file of results."""
    if path.suffix.lower() != ".toml":
        return OpenedSweep(path, SweepFigures(load_sweep_results(path)), None)
    from rnnviz.sweeps.driver import check_engines, earlier, journal_of, read_journal

    def points() -> Iterator[Point]:
        for point in sweep.points():
            check()
            yield point

    sweep = load_sweep(path)
    check_engines(sweep)
    rows = earlier(sweep, points(), read_journal(journal_of(path)))
    return OpenedSweep(path, SweepFigures(SweepTable(sweep.keys, tuple(rows))), sweep)


class SweepWindow(ToolWindow):
    """Shows a sweep and its progress. The user's requests are signals."""

    help_page = "sweeps"
    run_requested = Signal()
    stop_requested = Signal()
    save_requested = Signal()
    row_opened = Signal(object)
    """The `SweepRow` whose run is requested."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.opened: OpenedSweep | None = None
        self.figures = SweepFigures(SweepTable((), ()))
        self._running = False
        make = self.make_action
        self.run_action = make("&Run", "run", "F5", "Computes the missing rows on all cores.", self.run_requested.emit)
        self.stop_action = make("&Stop", "stop", "Esc", "Stops the sweep. Finished rows are kept.", self._on_stop)
        self.save_action = make(
            "Sa&ve table…", "save", "Ctrl+S", "Write the rows as CSV or JSON.", self.save_requested.emit
        )
        self.model = TableModel()
        self.table = Table(self.model, "Rows of the sweep; Enter opens the run of a row")
        self.table.sort_by_headings()
        self.table.clicked.connect(self._open_index)
        for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            enter = QShortcut(QKeySequence(key), self.table, context=Qt.ShortcutContext.WidgetShortcut)
            enter.activated.connect(lambda: self._open_index(self.table.currentIndex()))
        self.table.selectionModel().currentRowChanged.connect(self._show_reason)
        self.heat = HeatmapPanel()
        self.heat.row_chosen.connect(self.choose)
        self.heat.row_activated.connect(self._open_place)
        self.counts = ElidedLabel(bold=True)
        self.reason = ElidedLabel(selectable=True)
        self.reason.setAccessibleName("Result of the selected row")
        self.bar = QProgressBar()
        self.bar.setFixedWidth(160)
        self.bar.setAccessibleName("Rows that are done")
        self.bar.setToolTip("How many of the rows are done.")
        self._later = QTimer(self, singleShot=True, interval=_REFRESH_MS)
        self._later.timeout.connect(self._refresh)
        self._lay_out()
        self.show_running(False)
        self.resize(1120, 620)

    def show_sweep(self, opened: OpenedSweep) -> None:
        self.opened = opened
        self.figures = opened.figures
        self.setWindowTitle(f"{opened.path.name}: sweep")
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.model.show_rows(range(len(self.figures.rows)), sweep_columns(self.figures))
        self.table.fit()
        self.heat.show_figures(self.figures)
        self.bar.setRange(0, max(1, len(self.figures.rows)))
        self._show_reason()
        self._refresh()
        self.show_running(self._running)

    def take(self, rows: list[SweepRow]) -> None:
        for row in rows:
            self.figures.put(row)
        if not self._later.isActive():
            self._later.start()

    def show_running(self, running: bool) -> None:
        if running and not self._running:
            # A message is of the run before.
            self._show_reason()
        self._running = running
        can_run = self.opened is not None and self.opened.sweep is not None
        self.run_action.setEnabled(can_run and not running)
        self.stop_action.setEnabled(running)
        self.bar.setVisible(running)
        self._refresh()

    def say(self, text: str) -> None:
        """Show a message until another row is selected, or the sweep runs."""
        self.reason.setText(text)

    def choose(self, place: int) -> None:
        self.table.choose(self.model.place_of(place))

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.table.apply_theme(theme)
        self.heat.apply_theme(theme)

    def leave(self) -> None:
        """Stop the sweep. Finished rows are kept."""
        self.stop_requested.emit()

    def _lay_out(self) -> None:
        self.bar.setFixedWidth(scaled(160))
        buttons = map(action_button, (self.run_action, self.stop_action, self.save_action))
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(self.table)
        parts.addWidget(self.heat)
        parts.setChildrenCollapsible(False)
        parts.setSizes([640, 480])
        head = across(*buttons, (self.counts, 1), self.bar)
        self.setLayout(down(head, (parts, 1), self.reason, margins=(8, 8, 8, 8)))

    def _on_stop(self) -> None:
        self.stop_action.setEnabled(False)
        self.say("Stopping…")
        self.stop_requested.emit()

    def _refresh(self) -> None:
        figures = self.figures
        self.model.refresh()
        self.heat.refresh()
        self.bar.setValue(figures.done)
        waiting = len(figures.rows) - figures.done
        text = counted(figures.counts)
        self.counts.setText(f"{text} · {number_format.count(waiting)} waiting" if waiting else text)
        self.save_action.setEnabled(figures.done > 0)
        if self.reason.text().endswith(_WAITING):
            self._show_reason()

    def _show_reason(self) -> None:
        current = self.table.currentIndex()
        if current.isValid():
            row = self.figures.rows[self.model.row(current.row())]
            name = called(self.figures.keys, row.point.values)
            found = row.finding
            self.reason.setText(f"{name}: {_WAITING if found is None else found.reason}")
        else:
            self.reason.setText(_HINT)

    def _open_index(self, index: QModelIndex) -> None:
        if index.isValid():
            self._open_place(self.model.row(index.row()))

    def _open_place(self, place: int) -> None:
        self.choose(place)
        row = self.figures.rows[place]
        if row.point.config is not None:
            self.row_opened.emit(row)


def sweep_columns(figures: SweepFigures) -> tuple[Column, ...]:
    """Columns of a sweep, whose rows are the indices of its runs: keys, verdict, quantities, first wrong step."""

    def of(text: Callable[[SweepRow], str]) -> Callable[[int], str]:
        return lambda place: text(figures.rows[place])

    def key(place: int) -> Column:
        dimension, title = figures.dimensions[place], short_key(figures.keys[place], figures.keys)
        space = _SPACE if dimension.words and place else ""
        return Column(
            f"{space}{title}",
            of(lambda row: f"{space}{value_text(row.point.values[place])}"),
            of(lambda row: str(row.point.values[place])) if dimension.words else None,
            number=not dimension.words,
            heading=title,
            why=f"{figures.keys[place]}: varies between rows. A click sorts by it.",
            keys=lambda: dimension.ranks[dimension.codes],
            widest=_widest(f"{space}{title}", *dimension.texts),
        )

    def number(quantity: SweepQuantity) -> Column:
        short = number_format.duration if quantity.name in ("reference", "engine") else number_format.error

        def written(write: Callable[[float], str]) -> Callable[[int], str]:
            return of(lambda row: "" if (value := quantity.value(row)) is None else write(value))

        return Column(
            quantity.title,
            written(short),
            written(number_format.full),
            number=True,
            why=f"{quantity.why} A click sorts by it.",
            keys=lambda: figures.values[quantity.name],
            widest=_widest(quantity.title, "1.2e-10", "1 min 59 s"),
        )

    def words(title: str, text: Callable[[SweepRow], str], why: str, sample: str, *, grows: bool = False) -> Column:
        spaced = f"{_SPACE}{title}"
        return Column(
            spaced,
            of(lambda row: f"{_SPACE}{text(row)}"),
            of(text),
            heading=title,
            why=f"{why} A click sorts by it.",
            keys=lambda: ranks([text(row) for row in figures.rows]),
            widest=_widest(spaced, sample),
            grows=grows,
        )

    verdict = replace(
        words("verdict", _verdict, "Verdict of the comparison, or the reason why there is no run.", "✘ disagree"),
        look=lambda place: _VERDICT_LOOKS["" if (found := figures.rows[place].finding) is None else found.verdict],
        keys=lambda: np.where(figures.verdicts == WAITING, np.nan, figures.verdicts.astype(np.float64)),
    )
    wrong_sample = "manual at L0→ t=0 n=0 u=0" if figures.counts["disagree"] else ""
    return (
        *map(key, range(len(figures.keys))),
        verdict,
        *map(number, QUANTITIES),
        words("first wrong", _first_wrong, "First wrong step and its engine, by the step audit.", wrong_sample),
        words("result", _reason, "The verdict in one sentence, if the engines do not agree.", "", grows=True),
    )


def _widest(*texts: str) -> str:
    return max(texts, key=len) + "00"


def _verdict(row: SweepRow) -> str:
    return "waiting" if row.finding is None else f"{ROW_MARKS[row.finding.verdict]} {row.finding.verdict}"


def _first_wrong(row: SweepRow) -> str:
    wrong = None if row.finding is None else row.finding.first_wrong
    return "" if wrong is None else f"{display_name(wrong.engine)} at {wrong.where.short}"


def _reason(row: SweepRow) -> str:
    """The verdict in a sentence, for those that do not agree: of the others it would be the same many times."""
    return "" if row.finding is None or row.finding.verdict == "agree" else row.finding.reason
