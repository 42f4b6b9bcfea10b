"""The step audit by lane: which lanes are wrong, since when, by how much, and by which known bug."""

from collections.abc import Callable

from PySide6.QtCore import QModelIndex
from PySide6.QtWidgets import QLabel

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import Location
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.lane_audits import LaneAudit, lane_audits, reasons, wrong_lanes
from rnnviz.gui.views.base import AGREES, NO_NOTE, Note, ResultView, down, pages
from rnnviz.gui.views.labels import hint
from rnnviz.results.columns import PLAIN, Column, Look
from rnnviz.text.verdict_text import AUDIT_WORDS
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import AuditVerdict

_MARKS = {
    verdict: Look(role, icon=icon, note=AUDIT_WORDS[verdict])
    for verdict, role, icon in (
        (AuditVerdict.RIGHT, "right", "check"),
        (AuditVerdict.WRONG, "wrong", "cross"),
        (AuditVerdict.UNDETERMINED, "doubtful", "info"),
        (AuditVerdict.NOT_AUDITED, "muted", "info"),
    )
}
_STRONG = Look(bold=True)
_LONGEST_NAME = 16
"""Characters of an engine's name in a title; that of a longer name is for copies and screen readers."""
_NOT_RUN = "The step audit did not run, so it is unknown which engine is wrong. Run a full audit (Shift+F5)."


def _columns(candidate: str) -> tuple[Column, ...]:
    return (
        Column(
            "",
            lambda row: "",
            lambda row: AUDIT_WORDS[row.verdict],
            look=lambda row: _MARKS[row.verdict],
            heading="verdict",
        ),
        Column(
            f"lane of {candidate}" if 0 < len(candidate) <= _LONGEST_NAME else "lane",
            lambda row: row.name,
            look=lambda row: _STRONG if row.wrong else PLAIN,
            heading=f"lane of {candidate}" if candidate else "",
            why="Each time step is recomputed in float64 from the engine's own previous state.",
        ),
        Column(
            "first wrong step",
            lambda row: f"t = {row.where.timestep:,}" if row.wrong and row.where is not None else "",
            why="In the order of computation. A click on the row selects it.",
        ),
        Column(
            "wrong steps",
            lambda row: f"{row.wrong:,} of {row.audited:,}" if row.audited else "none audited",
            number=True,
        ),
        Column(
            "largest error",
            _if_audited(lambda row: number_format.error(row.error)),
            _if_audited(lambda row: number_format.full(row.error)),
            number=True,
            why="Largest difference of a step to its recomputation.",
        ),
        Column(
            "in bounds",
            _if_audited(lambda row: number_format.error(row.ratio)),
            _if_audited(lambda row: number_format.full(row.ratio)),
            number=True,
            optional=True,
            why=f"Largest error of a step in rounding bounds. A step is wrong above {ALLOWED:g}.",
        ),
        Column("audited", lambda row: row.coverage, optional=True, why="Share of the values that were audited."),
        Column(
            "explained by",
            lambda row: row.cause,
            why="The known bug that gives the engine's numbers.",
            grows=True,
            shrinks=True,
        ),
    )


def _if_audited(text: Callable[[LaneAudit], str]) -> Callable[[LaneAudit], str]:
    """Texts of audited rows; the others have no number."""
    return lambda row: text(row) if row.audited else ""


class StepAuditTable(ResultView):
    """A click on a lane, or Enter, selects its first wrong step, else the one with the largest error."""

    title, group = "Step audit", "Problems"
    help_page = "step-audit"

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self._location = Location()
        self._empty = hint()
        self.model = TableModel(_columns(""))
        self.table = Table(self.model, "Step audit of each lane; a row selects its first wrong step")
        self.table.clicked.connect(self._go)
        self.table.activated.connect(self._go)
        self.reasons = QLabel()
        self.reasons.setWordWrap(True)
        self.reasons.setContentsMargins(8, 4, 8, 4)
        self._pages = pages(self, self._empty, down((self.table, 1), self.reasons, spacing=0))
        self.muted = self._empty, self.reasons
        self.themed = (self.table,)
        self._refresh()

    @classmethod
    def tab_note(cls, result: RunResult, candidate: str | None, array: str) -> Note:
        if result.judgment is None:
            return NO_NOTE
        wrong = sum(wrong_lanes(result, engine) for engine in result.traces)
        return Note(number_format.count(wrong), "wrong") if wrong else AGREES

    def copy_text(self) -> str:
        return self.table.copy_text() + self._reasons() if self.model.rows else ""

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        self._result, self._candidate = result, candidate
        self._refresh()

    def show_location(self, location: Location) -> None:
        """Choose the row of the selected lane."""
        self._location = location
        lanes = [None if row.where is None else row.where.lane for row in self.model.rows]
        if location.lane in lanes:
            self.table.choose(lanes.index(location.lane))
        else:
            self.table.clearSelection()

    def _refresh(self) -> None:
        result, candidate = self._result, self._candidate
        rows = [] if result is None else lane_audits(result, candidate)
        self._empty.setText("A run (F5) checks every time step of every engine." if result is None else _NOT_RUN)
        self.model.show_rows(rows, _columns("" if candidate is None else display_name(candidate)), keep=True)
        self.table.fit()
        # The rows show wrong steps; checks and lines of a custom step are named here.
        self.reasons.setText(self._reasons().strip())
        self.reasons.setVisible(bool(self._more_than_steps()))
        self._pages.setCurrentIndex(1 if rows else 0)

    def _reasons(self) -> str:
        return "" if self._result is None else "".join(f"{reason}\n" for reason in reasons(self._result))

    def _more_than_steps(self) -> bool:
        result = self._result
        judged = [] if result is None else [result.judged("forward"), result.judged("backward")]
        lines = any(audit.first_line is not None for passed in judged for audit in passed.audits.values())
        return result is not None and (lines or any(check.fails for check in result.checks))

    def _go(self, index: QModelIndex) -> None:
        row: LaneAudit = self.model.row(index.row())
        here = self._location
        if row.where is not None:
            where = row.where if row.is_value else row.where.moved(sample=here.sample, unit=here.unit)
            self.location_requested.emit(where)
